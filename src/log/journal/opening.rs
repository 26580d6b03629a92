//! What a journal holds when it is opened: `FILE.1`, then `FILE`, one story.

use super::disk::Disk;
use super::place::{Claimed, Place, named, refused};
use super::record::Read;
use super::scan::{Unreadable, Whole, scan};
use super::story::{End, Story};
use std::io::{self, ErrorKind};
use std::path::Path;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// What is known after it.
    pub end: End,
    /// How much of `FILE` is whole.
    pub whole: Whole,
    /// How many bytes stand behind that.
    pub torn: u64,
    /// The end of `FILE.1` is missing: `FILE` is to say so, if it has no header yet.
    pub follows_a_torn_one: bool,
}

/// Reads a journal. Nothing of it is changed but who can read it, and that only where it is one.
pub fn read_all(
    place: &Place,
    claimed: &Claimed,
    read: &mut dyn FnMut(Read<'_>),
) -> io::Result<Found> {
    let path = if claimed.is_displaced { place.older() } else { place.file() };
    let older = if claimed.is_displaced { None } else { place.claim_older(&claimed.disk)? };
    let (mut story, mut defect) = (Story::default(), None);
    if let Some(disk) = &older {
        (story, defect) = read_older(place.older(), disk, read)?;
    }
    let newest = read_one(path, &claimed.disk, &mut story, read);
    let follows_a_torn_one = defect.is_some();
    // Unless the machine may have died before all of it was on the disk.
    if let Some(defect) = defect.filter(|_| story.is_strict()) {
        return Err(refused(place.older(), ErrorKind::InvalidData, &defect));
    }
    let (whole, torn) = newest?;
    for disk in older.iter().chain([&claimed.disk]) {
        disk.restrict();
    }
    let mut end = story.end();
    // What stands in half a header does not count.
    end.has_holes = if whole.head > 0 { end.has_holes } else { follows_a_torn_one };
    Ok(Found { end, whole, torn, follows_a_torn_one })
}

/// Reads `FILE.1`, and says what it lacks at its end.
fn read_older(
    path: &Path,
    disk: &Disk,
    read: &mut dyn FnMut(Read<'_>),
) -> io::Result<(Story, Option<String>)> {
    let mut story = Story::default();
    let (whole, torn) = read_one(path, disk, &mut story, read)?;
    let defect = if torn > 0 {
        let at = whole.len;
        Some(format!("damaged at byte {at}: it is torn, and another file follows it"))
    } else if story.lacks_its_end() {
        Some("it is not whole, and another file follows it".into())
    } else {
        None
    };
    Ok((story.in_next_file(), defect))
}

/// Reads one file: how much of it is whole, and how much is torn behind that.
fn read_one(
    path: &Path,
    disk: &Disk,
    story: &mut Story,
    read: &mut dyn FnMut(Read<'_>),
) -> io::Result<(Whole, u64)> {
    let io = |e: io::Error| named("read", path, &e);
    // First of all: it may be large, or no file at all.
    if !disk.begins_as_a_journal().map_err(io)? {
        return Err(unreadable(path, Unreadable::NoJournal));
    }
    let (len, text) = (disk.len().map_err(io)?, disk.len_without_zeros().map_err(io)?);
    let mut reader = disk.reader().map_err(io)?;
    let whole = scan(&mut reader, text, story, read).map_err(|why| unreadable(path, why))?;
    if whole.head == 0 && text < len {
        return Err(unreadable(path, Unreadable::NoJournal));
    }
    Ok((whole, len - whole.len))
}

/// The error for an operator: what is wrong, and where.
fn unreadable(path: &Path, why: Unreadable) -> io::Error {
    let why = match why {
        Unreadable::Io(error) => return named("read", path, &error),
        Unreadable::NoJournal => "it is something else".into(),
        Unreadable::Damaged { at, line, wrong } => {
            format!("damaged at byte {at} (line {line}): {}", wrong.0)
        }
    };
    refused(path, ErrorKind::InvalidData, &why)
}
