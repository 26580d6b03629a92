//! What the lines of a journal tell, one after the other, and which can follow which. Pure.
//!
//! Anything that this program would not have written there is an error: a journal in which a byte has
//! changed is not to be believed.

use super::boot::Boot;
use super::format::{AFTER, BEGAN, BOOT, BYTES, CLOSED, GAP, IN, MAGIC, Mark, SECRET, Since, TO};
use super::record::{Members, Read, Record};
use crate::limits;
use crate::protocol::{Event, Id, Name, Secret, length, word};
use std::mem;

/// What has been read so far, of one file or of two that follow each other.
#[derive(Debug, Default)]
pub struct Story {
    /// The last id; none before the log began.
    last: Option<Id>,
    members: Members,
    has_holes: bool,
    /// In which boot of the machine it was written; none where that is not known, or nobody has
    /// written since it was closed.
    boot: Option<Boot>,
    /// The file says that the one before it ends where it begins.
    is_strict: bool,
    awaits: Awaits,
}

/// What is known where a story ends.
#[derive(Debug)]
pub struct End {
    /// The last id, if the log has begun.
    pub last: Option<Id>,
    /// Who is in.
    pub members: Members,
    /// Something that happened after that was not kept.
    pub has_holes: bool,
    /// The boot of the machine in which it was written, by a server that did not come to its end.
    pub boot: Option<Boot>,
}

/// What can come next.
#[derive(Debug, Default)]
enum Awaits {
    /// The first line of a file.
    #[default]
    Magic,
    Mark,
    Began,
    /// One more of those who were in then, of whom so many have not come yet.
    Member(Since, Members, u64),
    /// Anything that can follow a whole entry.
    Anything,
    /// The entry that this belongs to.
    EntryOf(Fact),
    Payload(Id, Name, usize),
}

/// What an entry needs beside its line.
#[derive(Debug, Clone, Copy)]
enum Fact {
    Secret(Name, Secret),
    To(Name),
    Bytes(u64),
}

/// What is wrong with a line, for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong(pub &'static str);

impl Story {
    /// Takes the next line, without its LF.
    pub fn line(&mut self, line: &[u8], read: &mut dyn FnMut(Read<'_>)) -> Result<(), Wrong> {
        self.awaits = match mem::replace(&mut self.awaits, Awaits::Anything) {
            Awaits::Magic if line == MAGIC => Awaits::Mark,
            Awaits::Magic => return Err(Wrong("no journal")),
            Awaits::Mark => self.mark(line)?,
            Awaits::Began if word(line).0 == AFTER => since(AFTER, Since::After, line)?,
            Awaits::Began => {
                self.is_strict = true;
                since(BEGAN, Since::Began, line)?
            }
            Awaits::Member(since, found, missing) => member(line, since, found, missing)?,
            Awaits::Anything if word(line).0 == GAP => since(GAP, Since::Gap, line)?,
            Awaits::Anything if word(line).0 == BOOT => self.boot(line)?,
            Awaits::Anything if line == CLOSED => {
                self.boot = None;
                Awaits::Anything
            }
            Awaits::Anything if line.starts_with(b"#") => Awaits::EntryOf(Fact::parse(line)?),
            Awaits::Anything => self.entry(line, None, read)?,
            Awaits::EntryOf(fact) => self.entry(line, Some(fact), read)?,
            Awaits::Payload(..) => return Err(Wrong("a line within a payload")),
        };
        self.complete(read)
    }

    /// Whether not even the first line of the file has come.
    pub fn is_at_beginning(&self) -> bool {
        matches!(self.awaits, Awaits::Magic)
    }

    /// Whether a crash can have left that for the end of the file. As long as there is no entry the file
    /// may be somebody else's: so it is to be the beginning of what a journal begins with.
    pub fn can_end_with(&self, rest: &[u8]) -> bool {
        let begins = |verb: &[u8]| verb.starts_with(rest) || rest.starts_with(verb);
        match self.awaits {
            Awaits::Magic => MAGIC.starts_with(rest),
            Awaits::Mark => [Mark::Whole, Mark::Holes].iter().any(|m| m.line().starts_with(rest)),
            Awaits::Began => begins(BEGAN) || begins(AFTER),
            Awaits::Member(..) => begins(IN),
            Awaits::Anything | Awaits::EntryOf(_) | Awaits::Payload(..) => true,
        }
    }

    /// How many bytes come next, before an LF, where it is no line that does.
    pub fn awaited_payload(&self) -> Option<usize> {
        if let Awaits::Payload(_, _, len) = self.awaits { Some(len) } else { None }
    }

    /// Takes the payload that the line before has announced.
    pub fn payload(&mut self, bytes: &[u8], read: &mut dyn FnMut(Read<'_>)) -> Result<(), Wrong> {
        match mem::replace(&mut self.awaits, Awaits::Anything) {
            Awaits::Payload(id, name, _) => self.happened(id, Record::Data(name, bytes), read),
            _ => Err(Wrong("a payload that no line announces")),
        }
    }

    /// Whether nothing is missing of what has begun.
    pub fn is_whole(&self) -> bool {
        matches!(self.awaits, Awaits::Anything)
    }

    /// What follows in the next file, whether all of this one is there or not.
    pub fn in_next_file(self) -> Self {
        Self { awaits: Awaits::Magic, is_strict: false, ..self }
    }

    /// Whether something is missing at its end.
    pub fn lacks_its_end(&self) -> bool {
        self.has_holes || !self.is_whole()
    }

    /// Whether the last file says that the one before it ends where it begins.
    pub fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// What is known now.
    pub fn end(self) -> End {
        let Self { last, members, has_holes, boot, .. } = self;
        End { last, members, has_holes, boot }
    }

    fn boot(&mut self, line: &[u8]) -> Result<Awaits, Wrong> {
        self.boot = Some(Boot::new(word(line).1).ok_or(Wrong("not a boot of a machine"))?);
        Ok(Awaits::Anything)
    }

    fn mark(&mut self, line: &[u8]) -> Result<Awaits, Wrong> {
        self.has_holes = line == Mark::Holes.line();
        let known = self.has_holes || line == Mark::Whole.line();
        if known { Ok(Awaits::Began) } else { Err(Wrong("neither #whole nor #holes")) }
    }

    /// Once all are known who were in where the log began, or a gap ended, they are those who are in.
    fn complete(&mut self, read: &mut dyn FnMut(Read<'_>)) -> Result<(), Wrong> {
        match mem::replace(&mut self.awaits, Awaits::Anything) {
            Awaits::Member(Since::Began(id), found, 0) if self.last.is_some() => {
                if self.last != Some(id) || self.members != found {
                    return Err(Wrong("it does not begin where the file before it ends"));
                }
            }
            // All of the file before it is there.
            Awaits::Member(Since::After(id), found, 0)
                if self.last == Some(id) && self.members == found => {}
            Awaits::Member(Since::Began(id) | Since::After(id), found, 0)
                if self.last.is_none() =>
            {
                self.begin(id, Read::Began(id), found, read);
            }
            Awaits::Member(Since::Began(id) | Since::After(id) | Since::Gap(id), found, 0) => {
                if self.last > Some(id) {
                    return Err(Wrong(FALLS));
                }
                self.begin(id, Read::Gap(id), found, read);
            }
            awaits => self.awaits = awaits,
        }
        Ok(())
    }

    fn begin(&mut self, id: Id, what: Read<'_>, found: Members, read: &mut dyn FnMut(Read<'_>)) {
        read(what);
        for (name, secret) in found.iter() {
            read(Read::In(name, secret));
        }
        self.last = Some(id);
        self.members = found;
    }

    /// Takes the line of an entry.
    fn entry(
        &mut self,
        line: &[u8],
        fact: Option<Fact>,
        read: &mut dyn FnMut(Read<'_>),
    ) -> Result<Awaits, Wrong> {
        let (Some(id), said) = Id::stamped(line) else { return Err(Wrong("no entry")) };
        if !is_text(said) {
            return Err(Wrong("bytes that are no text"));
        }
        let record = match (Event::parse(said), fact) {
            (Some(Event::Data(name, len)), Some(Fact::Bytes(announced))) if len == announced => {
                return Ok(Awaits::Payload(id, name, payload_len(len)?));
            }
            (Some(event), fact) => record(event, fact, said)?,
            (None, _) => return Err(Wrong("no entry")),
        };
        self.happened(id, record, read)?;
        Ok(Awaits::Anything)
    }

    fn happened(
        &mut self,
        id: Id,
        record: Record<'_>,
        read: &mut dyn FnMut(Read<'_>),
    ) -> Result<(), Wrong> {
        if self.last >= Some(id) {
            return Err(Wrong(FALLS));
        }
        self.members.apply(&record).map_err(Wrong)?;
        self.last = Some(id);
        read(Read::Entry(id, record));
        Ok(())
    }
}

const FALLS: &str = "an id that is not behind those before it";

/// Reads `<verb> <id> <members>`.
fn since(verb: &[u8], kind: fn(Id) -> Since, line: &[u8]) -> Result<Awaits, Wrong> {
    let (first, rest) = word(line);
    let (id, members) = word(rest);
    match (Id::parse(id), length(members)) {
        (Some(id), Some(members)) if first == verb => {
            Ok(Awaits::Member(kind(id), Members::default(), members))
        }
        _ => Err(Wrong("not where something begins")),
    }
}

/// Reads `#in <name> [secret]`.
fn member(line: &[u8], at: Since, mut found: Members, missing: u64) -> Result<Awaits, Wrong> {
    let (verb, rest) = word(line);
    let (name, secret) = name_and_secret(rest).ok_or(Wrong("not one who was in"))?;
    if verb != IN || missing == 0 {
        return Err(Wrong("not one who was in"));
    }
    found.enter(name, secret).map_err(Wrong)?;
    Ok(Awaits::Member(at, found, missing - 1))
}

fn name_and_secret(words: &[u8]) -> Option<(Name, Option<Secret>)> {
    let Some(space) = words.iter().position(|b| *b == b' ') else {
        return Some((Name::new(words)?, None));
    };
    Some((Name::new(&words[..space])?, Some(Secret::new(&words[space + 1..])?)))
}

impl Fact {
    /// Reads the `#` line that stands before an entry.
    fn parse(line: &[u8]) -> Result<Self, Wrong> {
        let (verb, rest) = word(line);
        let fact = match verb {
            SECRET => match name_and_secret(rest) {
                Some((name, Some(secret))) => Some(Self::Secret(name, secret)),
                _ => None,
            },
            TO => Name::new(rest).map(Self::To),
            BYTES => length(rest).map(Self::Bytes),
            _ => None,
        };
        fact.ok_or(Wrong("no such line"))
    }
}

/// What an entry's line and the one before it say together. A payload is not among it.
fn record<'a>(event: Event<'a>, fact: Option<Fact>, said: &[u8]) -> Result<Record<'a>, Wrong> {
    let is_all = |name: Name| said.len() == b"JOINED ".len() + name.as_bytes().len();
    Ok(match (event, fact) {
        (Event::Joined(name), None) if is_all(name) => Record::Joined(name, None),
        (Event::Joined(name), Some(Fact::Secret(whose, secret)))
            if whose == name && is_all(name) =>
        {
            Record::Joined(name, Some(secret))
        }
        (Event::Msg(name, text), None) => Record::Msg(name, text),
        (Event::Tell(from, text), Some(Fact::To(to))) => Record::Tell { from, to, text },
        (Event::Left(name, reason), None) => Record::Left(name, reason),
        (Event::Note(text), None) => Record::Note(text),
        _ => return Err(Wrong("an entry and a line before it that do not belong together")),
    })
}

fn payload_len(len: u64) -> Result<usize, Wrong> {
    let len = usize::try_from(len).ok().filter(|len| *len <= limits::LARGEST);
    len.ok_or(Wrong("a payload longer than any"))
}

/// Whether a line can have been rendered: it is UTF-8, and no control is in it but TAB. What else is
/// made safe may differ in the next version.
fn is_text(line: &[u8]) -> bool {
    // No early exit: so written, the compiler turns it into vector instructions.
    let has_control =
        line.iter().fold(false, |any, b| any | ((*b < b' ') & (*b != b'\t')) | (*b == 0x7f));
    !has_control && str::from_utf8(line).is_ok()
}
