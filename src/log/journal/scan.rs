//! Reading a journal from its beginning to its end, in little memory, and where it is torn or damaged.

use super::format::MAGIC;
use super::record::Read;
use super::story::{Story, Wrong};
use crate::limits;
use std::io::{self, ErrorKind};

/// How much of a file is whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whole {
    /// Where the header ends; 0 where it is not whole.
    pub head: u64,
    /// Where the last whole entry ends.
    pub len: u64,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub enum Unreadable {
    /// The system says so.
    Io(io::Error),
    /// It is something else, and has been from the first.
    NoJournal,
    /// It is damaged.
    Damaged {
        /// The byte where what is wrong begins, from 0 on.
        at: u64,
        /// Its line, from 1 on.
        line: u64,
        /// What is wrong.
        wrong: Wrong,
    },
}

/// Reads the `len` bytes of one file. What is torn at its end is not told.
pub fn scan(
    source: &mut dyn io::Read,
    len: u64,
    story: &mut Story,
    read: &mut dyn FnMut(Read<'_>),
) -> Result<Whole, Unreadable> {
    let source = &mut io::Read::take(source, len);
    let mut scan = Scan { window: Window::new(source, len), line: 1, whole: Whole::default() };
    while let Some(size) = scan.next_size(story).map_err(Unreadable::Io)? {
        scan.take(size, story, read)?;
        if story.is_whole() {
            scan.whole.len = scan.window.at;
            if scan.whole.head == 0 {
                scan.whole.head = scan.window.at;
            }
        }
    }
    if story.is_at_beginning() && !MAGIC.starts_with(scan.window.here()) {
        return Err(Unreadable::NoJournal);
    }
    if scan.window.is_full() && story.awaited_payload().is_none() {
        return Err(scan.damage(Wrong("a line longer than any")));
    }
    Ok(scan.whole)
}

struct Scan<'a> {
    window: Window<'a>,
    line: u64,
    whole: Whole,
}

impl Scan<'_> {
    /// The size of the next line or payload, with its LF; none where the file ends before.
    fn next_size(&mut self, story: &Story) -> io::Result<Option<usize>> {
        match story.awaited_payload() {
            Some(len) => Ok(self.window.holds(len + 1)?.then_some(len + 1)),
            None => self.window.line(),
        }
    }

    fn take(
        &mut self,
        size: usize,
        story: &mut Story,
        read: &mut dyn FnMut(Read<'_>),
    ) -> Result<(), Unreadable> {
        let (taken, end) = self.window.front(size);
        let mut lines = 1;
        let told = if story.is_at_beginning() && taken != MAGIC {
            return Err(Unreadable::NoJournal);
        } else if story.awaited_payload().is_none() {
            story.line(taken, read)
        } else if end == b'\n' {
            lines = taken.split(|b| *b == b'\n').count() as u64;
            story.payload(taken, read)
        } else {
            Err(Wrong("a payload that no LF ends"))
        };
        told.map_err(|wrong| self.damage(wrong))?;
        self.window.advance(size);
        self.line += lines;
        Ok(())
    }

    fn damage(&self, wrong: Wrong) -> Unreadable {
        Unreadable::Damaged { at: self.window.at, line: self.line, wrong }
    }
}

/// The part of a file that is in memory.
struct Window<'a> {
    source: &'a mut dyn io::Read,
    /// How long the file is.
    len: u64,
    /// Where in the file `bytes[start]` stands.
    at: u64,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl<'a> Window<'a> {
    fn new(source: &'a mut dyn io::Read, len: u64) -> Self {
        Self { source, len, at: 0, bytes: vec![0; limits::JOURNAL_BUFFER], start: 0, end: 0 }
    }

    fn here(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The size of the next line, with its LF; none where the file ends before, or the line is too
    /// long.
    fn line(&mut self) -> io::Result<Option<usize>> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.here()[seen..].iter().position(|b| *b == b'\n') {
                let size = seen + at + 1;
                return Ok((size <= LINE).then_some(size));
            }
            seen = self.here().len();
            if self.is_full() || !self.holds(seen + 1)? {
                return Ok(None);
            }
        }
    }

    /// Whether there is more here than a line can be.
    fn is_full(&self) -> bool {
        self.here().len() >= LINE
    }

    /// Brings the next `size` bytes here, unless the file ends before.
    fn holds(&mut self, size: usize) -> io::Result<bool> {
        if self.here().len() >= size {
            return Ok(true);
        }
        // So no memory is taken for a payload that is only announced.
        if self.len - self.at < size as u64 {
            return Ok(false);
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
        while self.end < size {
            match self.source.read(&mut self.bytes[self.end..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The next `size` bytes, which are here, without the last, and that one.
    fn front(&self, size: usize) -> (&[u8], u8) {
        let taken = &self.here()[..size];
        (&taken[..size - 1], taken[size - 1])
    }

    fn advance(&mut self, size: usize) {
        self.start += size;
        self.at += size as u64;
    }
}

/// The longest line, with its LF. What a journal writes before an entry is shorter.
const LINE: usize = limits::EVENT_LINE;
