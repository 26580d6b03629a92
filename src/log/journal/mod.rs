//! The journal: the log, kept in a file of text for `tail -f`, `less` and `grep`.
//!
//! ```text
//! #smoltalk journal 1
//! #whole                                  or #holes: what happened last could not be written
//! #began 1795296000000-0 1                where this file begins, and how many were in
//! #in ada 0123456789abcdef                one who was, and by what it is known
//! #boot 1b4e28ba-2fa1-11d2-883f-0016d3cc  the boot of the machine in which what follows is written
//! #secret bob AAAABBBBCCCCDDDD            belongs to the next line, as #to and #bytes do
//! @1795296000042-0 JOINED bob
//! @1795296000042-1 MSG ada hi
//! #bytes 5
//! @1795296000057-0 DATA bob 5
//! hello
//! #to bob
//! @1795296000099-0 TELL ada psst
//! #gap 1795296012345-3 2                  up to there something is missing; two were in then
//! #in ada 0123456789abcdef
//! #in bob AAAABBBBCCCCDDDD
//! @1795296012346-0 LEFT bob lost
//! @1795296012347-0 NOTE closing time
//! #closed                                 the server has ended, and all before is on the disk
//! ```
//!
//! Entries stand there as a member with `id data` gets them (`format`). What would not have been
//! written so is damage (`story`), and only at the very end it can be the work of a crash (`scan`).
//! Past a size `FILE` becomes `FILE.1` and a new one begins, where the story goes on (`place`).
//!
//! Entries are written before anybody gets them, and reach the disk within a second after it (`sync`).
//! What a machine that died took with it is not known. So where the last `#boot` is not this one, and no
//! `#closed` follows it, a gap is written first; a server that is killed leaves none.
//!
//! A file that follows another begins with `#after` instead of `#began` as long as the end of the other
//! may not be on the disk: then that may be torn or missing, which is a gap. Behind `#began` it may not.
//!
//! Where writing or syncing fails, or the file is no longer at its place, it is cut back to what is
//! known to be good, and its mark says that it has holes: that takes no space. Nothing is kept in memory
//! meanwhile but who is in. As soon as there is space again, a gap says up to where something is
//! missing; once that is on the disk, the mark goes. A file that was taken away is followed by a new
//! one at its place.

mod boot;
mod disk;
mod format;
mod opening;
mod place;
mod record;
mod scan;
mod story;
mod sync;
mod writing;

pub use record::{Read, Record};

use crate::limits;
use crate::protocol::{Id, Name};
use boot::Boot;
use disk::Disk;
use format::Since;
use opening::Found;
use place::{Place, named};
use record::Members;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sync::Syncer;

/// A journal that this server has, and no other.
#[derive(Debug)]
pub struct Journal {
    place: Arc<Place>,
    disk: Disk,
    syncer: Syncer,
    /// Past it, a new file begins.
    size: u64,
    /// Where the header ends, and the last whole entry.
    head: u64,
    len: u64,
    /// The last id, whether it was kept or not.
    last: Id,
    members: Members,
    /// What is to be written next.
    added: Vec<u8>,
    /// The boot of the machine, if that has a name.
    boot: Option<Boot>,
    /// It says that the server has ended.
    is_closed: bool,
    failing: Option<Failing>,
    /// Until when it does not try again to begin a new file.
    rotates: Option<Instant>,
    /// See [`limits::JOURNAL_RETRY`].
    retry: Duration,
}

/// What happens is not kept, or not yet known to be.
#[derive(Debug)]
struct Failing {
    /// What nobody has been told yet.
    unsaid: Option<String>,
    step: Step,
}

/// How far it is with working again.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It is not tried before then.
    Waits(Instant),
    /// A gap that ends there is to be written, and what is added follows it.
    Begun(Id),
    /// That is written, and what is added too. So much of it has to reach the disk.
    Written(u64),
}

/// What is to be said of a journal that has been opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// So many bytes of a torn end were cut off.
    pub cut: Option<u64>,
    /// The last id: those of new entries are to be behind it.
    pub last: Id,
}

/// What is to be said of a journal now, each once: sentences for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// From now on nothing is kept.
    Fails(String),
    /// From now on what happens is kept again.
    Works,
    /// It is past its size, and no new file can begin: what happens is kept in the old one.
    Grows(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails(why) => write!(f, "{why}; the room goes on"),
            Self::Works => {
                f.write_str("what happens is kept again; what happened meanwhile is not")
            }
            Self::Grows(why) => f.write_str(why),
        }
    }
}

impl Journal {
    /// Opens the journal at `path`, or makes one that begins `now`, and has what it holds read in
    /// order. Where it is refused, nothing has been changed, and what was read does not count.
    ///
    /// Who was in when the last server ended is in still: [`members`](Self::members) says who. The one
    /// who opens it adds their LEFT.
    pub fn open(
        path: &Path,
        size: u64,
        now: Id,
        read: &mut dyn FnMut(Read<'_>),
    ) -> io::Result<(Self, Opened)> {
        Self::open_in(Boot::current(), path, size, now, read)
    }

    /// The same in that boot of the machine.
    fn open_in(
        boot: Option<Boot>,
        path: &Path,
        size: u64,
        now: Id,
        read: &mut dyn FnMut(Read<'_>),
    ) -> io::Result<(Self, Opened)> {
        let place = Arc::new(Place::new(path));
        let claimed = place.claim()?;
        let mut found = opening::read_all(&place, &claimed, read)?;
        if claimed.is_displaced {
            place.step_back()?;
        }
        // Where it cannot, that is said when it is in the way.
        let _ = place.tidy();
        let disk = claimed.disk;
        let cut = repair(&disk, &mut found, now, read).map_err(|e| named("write", path, &e))?;
        let syncer =
            Syncer::start(disk.clone(), found.whole.len, place.clone(), limits::JOURNAL_SYNC)
                .map_err(|e| named("sync", path, &e))?;
        let mut journal = Self {
            place,
            disk,
            syncer,
            size,
            head: found.whole.head,
            len: found.whole.len,
            last: found.end.last.unwrap_or(now),
            members: found.end.members,
            added: Vec::new(),
            boot,
            is_closed: false,
            failing: None,
            rotates: None,
            retry: limits::JOURNAL_RETRY,
        };
        journal.go_on_from(found.end.boot.as_ref(), found.end.has_holes, now, read);
        let opened = Opened { cut, last: journal.last };
        Ok((journal, opened))
    }

    /// Who is in.
    pub fn members(&self) -> impl Iterator<Item = Name> {
        self.members.iter().map(|(name, _)| name)
    }

    /// Whether something was added that has not been written.
    pub fn has_unwritten(&self) -> bool {
        !self.added.is_empty()
    }

    /// Whether what happens is not kept.
    pub fn is_failing(&self) -> bool {
        self.failing.is_some()
    }

    /// Whether it may work again, or what was written turn out not to reach the disk.
    pub fn is_watchful(&self) -> bool {
        self.is_failing() || !self.syncer.is_at_rest()
    }

    /// How long the file is, in bytes, and the one before it not counted.
    pub fn bytes(&self) -> u64 {
        self.len
    }
}

/// Makes a file as it is to be: it has a header, and no torn end. Says how many bytes that was.
fn repair(
    disk: &Disk,
    found: &mut Found,
    now: Id,
    read: &mut dyn FnMut(Read<'_>),
) -> io::Result<Option<u64>> {
    if found.whole.head > 0 {
        let torn = Some(found.torn).filter(|torn| *torn > 0);
        return torn.map(|torn| disk.cut(found.whole.len).map(|()| torn)).transpose();
    }
    let began = *found.end.last.get_or_insert_with(|| {
        read(Read::Began(now));
        now
    });
    let since = if found.follows_a_torn_one { Since::After(began) } else { Since::Began(began) };
    let mut header = Vec::new();
    format::push_header(since, &found.end.members, &mut header);
    disk.cut(0)?;
    disk.append(&header, 0)?;
    disk.sync()?;
    (found.whole.head, found.whole.len) = (header.len() as u64, header.len() as u64);
    Ok(None)
}

impl Drop for Journal {
    /// As at its [end](Self::finish), but that nothing can be said.
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
