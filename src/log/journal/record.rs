//! What a journal keeps, and who is in by it.

use crate::limits;
use crate::protocol::{Id, Name, Secret};
use std::collections::BTreeMap;

/// An entry, and what else the journal keeps of it: the same for writing and for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// A member came, and by what it is known.
    Joined(Name, Option<Secret>),
    /// A member said something to all.
    Msg(Name, &'a [u8]),
    /// A member said any bytes to all.
    Data(Name, &'a [u8]),
    /// A member said something to one other.
    Tell {
        /// Who said it.
        from: Name,
        /// To whom.
        to: Name,
        /// What.
        text: &'a [u8],
    },
    /// A member went; the reason is empty where there is none.
    Left(Name, &'a [u8]),
    /// What the operator said to all.
    Note(&'a [u8]),
}

impl Record<'_> {
    /// Whether it is no longer than what a journal is read with.
    pub fn is_within_limits(&self) -> bool {
        match *self {
            Record::Data(_, payload) => payload.len() <= limits::LARGEST,
            Record::Msg(_, text)
            | Record::Tell { text, .. }
            | Record::Left(_, text)
            | Record::Note(text) => text.len() <= limits::LINE,
            Record::Joined(..) => true,
        }
    }
}

/// What a journal is found to hold, a piece at a time, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read<'a> {
    /// The log began there: nothing before it is known. Comes first, and once. Who was in then
    /// follows.
    Began(Id),
    /// Something up to that id was not kept, who came and went among it. Who was in then follows.
    Gap(Id),
    /// Who was in where the log began, or at the end of a gap.
    In(Name, Option<Secret>),
    /// What happened, and its place.
    Entry(Id, Record<'a>),
}

/// Who is in, each with that by which it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members(BTreeMap<Name, Option<Secret>>);

impl Members {
    /// Takes an entry in, or says why it cannot be one of this room.
    pub fn apply(&mut self, record: &Record<'_>) -> Result<(), &'static str> {
        match *record {
            Record::Joined(name, secret) => self.enter(name, secret),
            Record::Left(name, _) => self.0.remove(&name).map(|_| ()).ok_or(NOT_IN),
            Record::Msg(name, _) | Record::Data(name, _) => self.holds(name),
            Record::Tell { from, to, .. } => self.holds(from).and_then(|()| self.holds(to)),
            Record::Note(_) => Ok(()),
        }
    }

    /// Takes one in who is not in yet.
    pub fn enter(&mut self, name: Name, secret: Option<Secret>) -> Result<(), &'static str> {
        match self.0.insert(name, secret) {
            None => Ok(()),
            Some(_) => Err("somebody comes who is in"),
        }
    }

    fn holds(&self, name: Name) -> Result<(), &'static str> {
        if self.0.contains_key(&name) { Ok(()) } else { Err(NOT_IN) }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (Name, Option<Secret>)> {
        self.0.iter().map(|(name, secret)| (*name, *secret))
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

const NOT_IN: &str = "an entry of somebody who is not in";
