//! What was said and heard, where that outlives a connection, or a run: the ledger, and the file in
//! which it is kept.

use super::state::State;
use super::visit::Visit;
use crate::failure::Failure;
use smoltalk::client::{Event, Ledger, Saying, Take, random_secret};
use smoltalk::protocol::{Id, Name};
use std::path::PathBuf;

/// The ledger, the file if there is one, and what there is to say about them in the end.
pub struct Books {
    pub ledger: Ledger,
    file: Option<(PathBuf, State)>,
    /// The name that an earlier run had.
    name: Option<Name>,
    /// The first line that has not been shown as said.
    pub unshown: u64,
    /// How many lines may not have arrived, in all.
    pub lost: u64,
    /// Something that others said may be missing.
    pub gap: bool,
    /// How many lines were refused, and of how many that has been said.
    refused: u64,
    pub told: u64,
    /// The server has refused something, and it is to be asked whether that was the last that was said.
    pub asks: bool,
    /// What came before one was in, one has missed.
    away: bool,
}

impl Books {
    /// Those of a visit that has some: it comes back, or goes on with a file.
    pub fn of(visit: &Visit, terminal: bool) -> Result<Option<Self>, Failure> {
        let Some(path) = &visit.resume else {
            let ledger = visit.comes_back(terminal).then(|| random_secret().map(Ledger::new));
            return Ok(ledger.transpose()?.map(|ledger| Self::new(ledger, None, None)));
        };
        let failed = |error| Failure::State(path.clone(), error);
        let (state, before) = State::open(path).map_err(failed)?;
        let name = before.as_ref().map(|before| before.name);
        let ledger = match before {
            Some(before) => before.ledger(),
            None => Ledger::new(random_secret()?),
        };
        Ok(Some(Self::new(ledger, Some((path.clone(), state)), name)))
    }

    fn new(ledger: Ledger, file: Option<(PathBuf, State)>, name: Option<Name>) -> Self {
        let unshown = ledger.settled();
        let (lost, gap, refused, told, asks, away) = (0, false, 0, 0, false, false);
        Self { ledger, file, name, unshown, lost, gap, refused, told, asks, away }
    }

    /// The name to have, where `given` is asked for: the secret belongs to one.
    pub fn name(&self, given: Option<&str>) -> Result<Option<Name>, Failure> {
        let (Some(name), Some((path, _))) = (self.name, &self.file) else { return Ok(None) };
        match given {
            Some(given) if Name::new(given.as_bytes()) != Some(name) => {
                let other = format!("this is {name}'s, and --username says otherwise");
                Err(Failure::State(path.clone(), std::io::Error::other(other)))
            }
            _ => Ok(Some(name)),
        }
    }

    /// One is in as `me`, for the first time in this run.
    pub fn begin(&mut self, me: Name) -> Result<(), Failure> {
        let (secret, is_new) = (self.ledger.secret(), self.name.is_none());
        self.name = Some(me);
        match &mut self.file {
            Some((path, state)) if is_new => {
                state.begin(me, secret).map_err(|error| Failure::State(path.clone(), error))
            }
            _ => Ok(()),
        }
    }

    /// Whether there is a file, which is to be true at every moment.
    pub fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Whether what came before one was in was missed, and is not what was said before one came first.
    pub fn was_away(&self) -> bool {
        self.away
    }

    /// One is about to join.
    pub fn joins(&mut self, since: bool) {
        self.away = since;
    }

    /// Whether one more line should be taken.
    pub fn has_room(&self) -> bool {
        let state = self.file.as_ref().is_none_or(|(_, state)| state.has_room());
        self.ledger.has_room() && (state || self.ledger.unsettled() == 0)
    }

    /// Takes a line to be said.
    pub fn say(&mut self, saying: Saying) -> Result<(), Failure> {
        let number = self.ledger.settled() + self.ledger.unsettled() as u64;
        if let Some((path, state)) = &mut self.file {
            let kept = state.says(number, &saying);
            kept.map_err(|error| Failure::State(path.clone(), error))?;
        }
        self.ledger.push(saying);
        Ok(())
    }

    /// Whether lines may go out by now.
    pub fn may_speak(&self) -> bool {
        self.file.as_ref().is_none_or(|(_, state)| state.has_begun())
    }

    /// Takes what was heard.
    pub fn heard(&mut self, id: Option<Id>, event: &Event) -> Take {
        match event {
            Event::Gap => self.gap = true,
            Event::Err { .. } => {
                self.told += 1;
                self.asks = !self.ledger.is_blind() && self.ledger.unsettled() > 0;
            }
            _ => {}
        }
        let settled = self.ledger.settled();
        let take = self.ledger.heard(id, event);
        if let Take::Echo(number) = take {
            self.refused += number - settled;
        }
        take
    }

    /// What was asked of the server behind some lines has been answered.
    pub fn answered(&mut self) {
        let refused = self.ledger.answered();
        // Where there are no echoes, that is how lines are confirmed.
        self.refused += if self.ledger.is_blind() { 0 } else { refused };
    }

    /// Of how many lines nobody has heard why they were refused: a connection broke before.
    pub fn refused_unheard(&self) -> u64 {
        self.refused.saturating_sub(self.told)
    }

    /// All that was heard has been printed.
    pub fn printed(&mut self) -> Result<(), Failure> {
        let Some((path, state)) = &mut self.file else { return Ok(()) };
        state.printed(&self.ledger).map_err(|error| Failure::State(path.clone(), error))
    }
}
