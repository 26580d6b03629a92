//! What a journal holds when it is opened: `FILE.1`, then `FILE`, one story.

use super::disk::Disk;
use super::place::{Claimed, Place, named, refused};
use super::record::{Members, Read};
use super::scan::{Unreadable, Whole, scan};
use super::story::Story;
use crate::protocol::Id;
use std::io::{self, ErrorKind};
use std::path::Path;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The last id; none where nothing was found.
    pub last: Option<Id>,
    /// Who is in.
    pub members: Members,
    /// Something that happened after that was not kept.
    pub has_holes: bool,
    /// How much of `FILE` is whole.
    pub whole: Whole,
    /// How many bytes stand behind that.
    pub torn: u64,
}

/// Reads a journal. Nothing of it is changed.
pub fn read_all(
    place: &Place,
    claimed: &Claimed,
    read: &mut dyn FnMut(Read<'_>),
) -> io::Result<Found> {
    let mut story = Story::default();
    if !claimed.is_displaced
        && let Some(older) = place.claim_older(&claimed.disk)?
    {
        story = read_older(place.older(), &older, read)?;
    }
    let path = if claimed.is_displaced { place.older() } else { place.file() };
    let (whole, torn) = read_newest(path, &claimed.disk, &mut story, read)?;
    let (last, has_holes, members) = story.end();
    // What stands in half a header does not count.
    Ok(Found { last, members, has_holes: has_holes && whole.head > 0, whole, torn })
}

fn read_older(path: &Path, disk: &Disk, read: &mut dyn FnMut(Read<'_>)) -> io::Result<Story> {
    let mut story = Story::default();
    let len = disk.len().map_err(|e| named("read", path, &e))?;
    let whole = read_one(path, disk, len, &mut story, read)?;
    let why = |why: &str| refused(path, ErrorKind::InvalidData, why);
    if whole.len < len {
        let at = format!("damaged at byte {}: it is torn, and another file follows it", whole.len);
        return Err(why(&at));
    }
    story.in_next_file().map_err(|wrong| why(wrong.0))
}

/// Reads `FILE`, of which the end may be torn.
fn read_newest(
    path: &Path,
    disk: &Disk,
    story: &mut Story,
    read: &mut dyn FnMut(Read<'_>),
) -> io::Result<(Whole, u64)> {
    let lens = || Ok((disk.len()?, disk.len_without_zeros()?));
    let (len, text) = lens().map_err(|e| named("read", path, &e))?;
    let whole = read_one(path, disk, text, story, read)?;
    if whole.head == 0 && text < len {
        return Err(unreadable(path, Unreadable::NoJournal));
    }
    Ok((whole, len - whole.len))
}

fn read_one(
    path: &Path,
    disk: &Disk,
    len: u64,
    story: &mut Story,
    read: &mut dyn FnMut(Read<'_>),
) -> io::Result<Whole> {
    let mut reader = disk.reader().map_err(|e| named("read", path, &e))?;
    scan(&mut reader, len, story, read).map_err(|why| unreadable(path, why))
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
