//! How a journal is written: pure, into a caller's buffer. How it is read is in `story`.

use super::boot::Boot;
use super::record::{Members, Record};
use crate::protocol::{Event, Form, Id, Name, Secret};

/// The first line: what this is, and in which version.
pub const MAGIC: &[u8] = b"#smoltalk journal 1";

/// Where the mark stands: behind the first line.
pub const MARK_AT: u64 = MAGIC.len() as u64 + 1;

/// The second line: whether all was kept. Both are as long, so that one can be written over the other
/// where there is no space for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// All that happened up to the end of the file stands in it.
    Whole,
    /// Something that happened after that could not be written.
    Holes,
}

impl Mark {
    /// Its line, without the LF.
    pub const fn line(self) -> &'static [u8; 6] {
        match self {
            Self::Whole => b"#whole",
            Self::Holes => b"#holes",
        }
    }
}

/// From where on something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// This file begins there, and the one before it ends there, if there is one.
    Began(Id),
    /// This file begins there, and the end of the one before it may never have reached the disk.
    After(Id),
    /// What was not kept ends there.
    Gap(Id),
}

/// The verb of [`Since::Began`].
pub const BEGAN: &[u8] = b"#began";
/// The verb of [`Since::After`]: as long, so that one can be written over the other.
pub const AFTER: &[u8] = b"#after";
/// Where either stands: behind the mark.
pub const BEGAN_AT: u64 = MARK_AT + 7;
/// The verb of [`Since::Gap`].
pub const GAP: &[u8] = b"#gap";
/// Precedes one who was in then, and its secret.
pub const IN: &[u8] = b"#in";
/// Precedes the name and the secret of whom the next line says that he joined.
pub const SECRET: &[u8] = b"#secret";
/// Precedes the name of whom the next line was said to.
pub const TO: &[u8] = b"#to";
/// Precedes how many bytes the payload in the next line has. That line says so too: where a byte of
/// either is wrong, no other entry is taken for a part of the payload.
pub const BYTES: &[u8] = b"#bytes";

/// Precedes what names the boot of the machine in which everything from here on was written.
pub const BOOT: &[u8] = b"#boot";
/// The server has ended, and all before this is on the disk.
pub const CLOSED: &[u8] = b"#closed";

/// Appends all that a file begins with.
pub fn push_header(began: Since, members: &Members, out: &mut Vec<u8>) {
    for line in [MAGIC, Mark::Whole.line()] {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    push_since(began, members, out);
}

/// Appends in which boot of the machine what follows is written, if that has a name.
pub fn push_boot(boot: Option<&Boot>, out: &mut Vec<u8>) {
    if let Some(boot) = boot {
        push_line(BOOT, &[boot.as_bytes()], out);
    }
}

/// Appends that the server has ended.
pub fn push_closed(out: &mut Vec<u8>) {
    push_line(CLOSED, &[], out);
}

/// Appends from where on something is known, and who was in then.
pub fn push_since(since: Since, members: &Members, out: &mut Vec<u8>) {
    let (verb, id) = match since {
        Since::Began(id) => (BEGAN, id),
        Since::After(id) => (AFTER, id),
        Since::Gap(id) => (GAP, id),
    };
    push_line(verb, &[id.to_string().as_bytes(), members.len().to_string().as_bytes()], out);
    for (name, secret) in members.iter() {
        push_member(IN, name, secret, out);
    }
}

/// Appends an entry: what it needs beside, then what a member with `id data` gets.
pub fn push_entry(id: Id, record: &Record<'_>, out: &mut Vec<u8>) {
    push_fact(record, out);
    if let Record::Data(name, payload) = *record {
        let form = Form { data: true, ids: true };
        return Event::render_payload(name, payload, form, id, payload.len(), out);
    }
    id.stamp(out);
    match *record {
        Record::Joined(name, _) => Event::Joined(name).render(out),
        Record::Msg(name, text) => Event::Msg(name, text).render(out),
        Record::Data(..) => {}
        Record::Tell { from, text, .. } => Event::Tell(from, text).render(out),
        Record::Left(name, reason) => Event::Left(name, reason).render(out),
        Record::Note(text) => Event::Note(text).render(out),
    }
}

fn push_fact(record: &Record<'_>, out: &mut Vec<u8>) {
    match *record {
        Record::Joined(name, Some(secret)) => push_member(SECRET, name, Some(secret), out),
        Record::Tell { to, .. } => push_line(TO, &[to.as_bytes()], out),
        Record::Data(_, payload) => push_line(BYTES, &[payload.len().to_string().as_bytes()], out),
        Record::Joined(_, None) | Record::Msg(..) | Record::Left(..) | Record::Note(_) => {}
    }
}

fn push_member(verb: &[u8], name: Name, secret: Option<Secret>, out: &mut Vec<u8>) {
    match &secret {
        Some(secret) => push_line(verb, &[name.as_bytes(), secret.as_bytes()], out),
        None => push_line(verb, &[name.as_bytes()], out),
    }
}

fn push_line(verb: &[u8], words: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(verb);
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
    out.push(b'\n');
}
