//! What is asked with PING: how long a round trip takes, whether all that was missed has come, and
//! whether all that was said has arrived. The token says which.

use super::session::Session;
use crate::failure::Failure;
use crate::ui::{in_its_unit, json};
use smoltalk::client::Error;
use smoltalk::protocol::{Command, Refusal};
use std::time::Duration;

/// What asks for the answer that all was sent.
pub const BARRIER: &str = "sent";

/// What asks for the answer that all was sent so far.
const SO_FAR: &str = "so far";

/// What asks for the answer that all that was missed has come.
const BACK: &str = "back";

/// What asks whether the line of a script that has this number was told.
const TOLD: &str = "line ";

/// What asks for the answer to `ping`. When it was asked, in microseconds, follows.
const ROUND_TRIP: &str = "round trip ";

impl Session<'_> {
    /// Asks for what there is to ask, once there is room for it. Where there are no echoes, the server is
    /// to confirm what was said: what it has not confirmed when the connection is lost may be lost as
    /// well.
    pub(super) fn confirm(&mut self) -> Result<(), Failure> {
        if !self.connected || !self.client.has_room() {
            return Ok(());
        }
        if std::mem::take(&mut self.told_unasked) {
            self.ping_told();
        }
        if let Some(books) = &mut self.books
            && books.ledger.is_here()
        {
            let due = books.ledger.is_blind() && self.visit.comes_back(self.console.is_terminal());
            if std::mem::take(&mut books.asks) || due && books.ledger.is_unasked() {
                books.ledger.ask();
                self.client.queue(Command::Ping(SO_FAR.as_bytes()))?;
            }
        }
        self.ask_to_leave()
    }

    /// Nothing more will be said: asks whether all has arrived.
    fn ask_to_leave(&mut self) -> Result<(), Failure> {
        let waits = self.finished && (!self.visit.stay || self.leaving);
        let said = self
            .books
            .as_ref()
            .is_none_or(|books| books.ledger.is_here() && books.ledger.unsaid() == 0);
        if !waits || !said || self.asked {
            return Ok(());
        }
        self.asked = true;
        if let Some(books) = &mut self.books {
            books.ledger.ask();
        }
        Ok(self.client.queue(Command::Ping(BARRIER.as_bytes()))?)
    }

    /// Asks for the end of what was missed.
    pub(super) fn ask_back(&mut self) {
        // There is room for it: this comes first.
        let _ = self.client.queue(Command::Ping(BACK.as_bytes()));
    }

    /// Asks how long a round trip takes.
    pub(super) fn ask_round_trip(&mut self) {
        let asked = format!("{ROUND_TRIP}{}", self.since.elapsed().as_micros());
        let _ = self.command(Command::Ping(asked.as_bytes()));
    }

    /// Something was told by a line of a script. Whether it was refused shows before the next is: who
    /// the server does not know is known by the line then.
    pub(super) fn ask_told(&mut self) {
        if !self.console.is_terminal() && self.books.is_none() {
            self.told.push_back(self.line);
            self.ping_told();
        }
    }

    fn ping_told(&mut self) {
        let token = self.told.back().map(|line| format!("{TOLD}{line}"));
        let asked = token.map(|token| self.client.queue(Command::Ping(token.as_bytes())));
        self.told_unasked = asked.is_some_and(|asked| asked.is_err());
    }

    /// The line that the server has refused, where that is known: of a script its number, of a person
    /// what it was.
    pub(super) fn refused_line(&self, refused: &Error) -> String {
        let nobody = Refusal::NoSuchMember.code();
        if !matches!(refused, Error::Refused { code, .. } if code == nobody) {
            return String::new();
        }
        let person = self.books.as_ref().filter(|_| self.console.is_terminal());
        match (self.told.front(), person.and_then(|books| books.ledger.told())) {
            (Some(line), _) => format!("line {line} was not said: "),
            (None, Some((to, text))) => format!("tell {to} {text}: "),
            (None, None) => String::new(),
        }
    }

    pub(super) fn pong(&mut self, token: &str) {
        if token == BACK {
            return self.caught_up();
        }
        if let Some(told) = token.strip_prefix(TOLD).and_then(|line| line.parse::<u64>().ok()) {
            while self.told.front().is_some_and(|line| *line <= told) {
                self.told.pop_front();
            }
        }
        if [SO_FAR, BARRIER].contains(&token)
            && let Some(books) = &mut self.books
        {
            books.answered();
        }
        let asked = token.strip_prefix(ROUND_TRIP).and_then(|micros| micros.parse().ok());
        let round_trip =
            asked.and_then(|asked| self.since.elapsed().checked_sub(Duration::from_micros(asked)));
        if let Some(time) = round_trip
            && !self.console.json(|now| json::pong(now, time))
        {
            self.console.notice(&format!("pong: {}", in_its_unit(time)));
        }
    }

    /// All that was missed has come.
    fn caught_up(&mut self) {
        let Some(books) = &mut self.books else { return };
        let lost = books.ledger.caught_up();
        self.console.missed(false);
        self.welcome();
        self.tell_lost(lost);
    }

    /// Says how many lines may not have arrived.
    pub(super) fn tell_lost(&mut self, lost: u64) {
        if let Some(books) = &mut self.books {
            books.lost += lost;
        }
        match lost {
            0 => {}
            1 => self.console.notice("smoltalk: the last line may not have arrived"),
            n => self.console.notice(&format!("smoltalk: the last {n} lines may not have arrived")),
        }
    }
}
