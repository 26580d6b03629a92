//! Writing a journal: what becomes of it where that fails, and how a new file begins.

use super::format::{self, Mark, Since};
use super::record::{Read, Record};
use super::sync::Unsynced;
use super::{Change, Failing, Journal};
use crate::limits;
use crate::protocol::Id;
use std::fmt::Display;
use std::io;
use std::time::Instant;

impl Journal {
    /// Adds an entry to what is to be written next. It is to be one of this room: behind all others, and
    /// of those who are in. One that is not counts as one that could not be kept: were it written, no
    /// server would believe the journal any more.
    pub fn add(&mut self, id: Id, record: Record<'_>) {
        self.begin_again();
        let mut why = self.members.apply(&record).err();
        if id <= self.last || !record.is_within_limits() {
            why = Some("an entry out of bounds");
        }
        self.last = self.last.max(id);
        if let Some(why) = why {
            self.fail(&why);
        } else if self.failing.is_none() || !self.added.is_empty() {
            format::push_entry(id, &record, &mut self.added);
        }
    }

    /// Writes what was added, in one call, so that it outlives this server. Nobody is to get it before.
    ///
    /// Where nothing was added there is nothing to do, but that it finds out whether what was written
    /// before has reached the disk, and, while it fails, whether it works again.
    pub fn write(&mut self) -> Option<Change> {
        if self.failing.is_some() { self.write_again() } else { self.write_on() }
    }

    /// Writes what is left, and brings all to the disk. To be called at the end.
    pub fn finish(&mut self) -> Option<Change> {
        if let Some(failing) = &mut self.failing {
            failing.again = Instant::now();
        }
        let change = self.write();
        if self.failing.is_none()
            && let Some(unsynced) = self.syncer.sync_now()
        {
            return self.lose(&unsynced);
        }
        change
    }

    fn write_on(&mut self) -> Option<Change> {
        if let Some(unsynced) = self.syncer.unsynced() {
            return self.lose(&unsynced);
        }
        if !self.added.is_empty() {
            if let Err(error) = self.disk.append(&self.added, self.len) {
                self.fail(&error);
                return self.say();
            }
            self.len += self.added.len() as u64;
            self.forget_added();
            self.syncer.changed(self.len);
        }
        self.rotate_if_due()
    }

    fn write_again(&mut self) -> Option<Change> {
        self.begin_again();
        if !self.added.is_empty() {
            match self.mend() {
                Ok(()) => return self.failing.take().map(|_| Change::Works),
                Err(error) => self.fail(&error),
            }
        }
        self.say()
    }

    fn forget_added(&mut self) {
        self.added.clear();
        self.added.shrink_to(limits::ROUND);
    }
}

// Failing, and working again.
impl Journal {
    /// What was written did not reach the disk. What of it did is unknown: so all of it goes.
    fn lose(&mut self, unsynced: &Unsynced) -> Option<Change> {
        self.len = self.len.min(unsynced.synced);
        self.fail(&unsynced.error);
        self.say()
    }

    /// What was added is lost, and the file is to say so.
    fn fail(&mut self, error: &dyn Display) {
        self.forget_added();
        // Where these fail, they are done at the next try.
        let _ = self.disk.mark(Mark::Holes);
        let _ = self.disk.cut(self.len);
        self.syncer.changed(self.len);
        let unsaid = match self.failing.take() {
            Some(failing) => failing.unsaid,
            None => Some(format!("cannot keep {}: {error}", self.place.file().display())),
        };
        self.failing = Some(Failing { again: Instant::now() + self.retry, unsaid });
    }

    fn say(&mut self) -> Option<Change> {
        self.failing.as_mut()?.unsaid.take().map(Change::Fails)
    }

    /// When it is time to try again, and has been said that it fails: what will be written begins with
    /// a gap. It ends before what is added from now on.
    fn begin_again(&mut self) {
        let is_due =
            |failing: &Failing| failing.unsaid.is_none() && Instant::now() >= failing.again;
        if self.added.is_empty() && self.failing.as_ref().is_some_and(is_due) {
            format::push_since(Since::Gap(self.last), &self.members, &mut self.added);
        }
    }

    /// Writes what was added, which begins with a gap. The mark goes when that is on the disk, and not
    /// before: a machine may die in between.
    fn mend(&mut self) -> io::Result<()> {
        self.disk.cut(self.len)?;
        self.disk.append(&self.added, self.len)?;
        self.disk.sync()?;
        self.disk.mark(Mark::Whole)?;
        self.len += self.added.len() as u64;
        self.forget_added();
        self.syncer.follow(self.disk.clone(), self.len, None);
        Ok(())
    }

    /// The last server has left holes. Up to here something is missing, and who came and went is among
    /// it: those are in of whom it is not known that they went.
    pub(super) fn fill(&mut self, now: Id, read: &mut dyn FnMut(Read<'_>)) {
        self.last = self.last.next(now.ms());
        read(Read::Gap(self.last));
        for (name, secret) in self.members.iter() {
            read(Read::In(name, secret));
        }
        format::push_since(Since::Gap(self.last), &self.members, &mut self.added);
        if let Err(error) = self.mend() {
            self.fail(&error);
        }
    }
}

// A new file.
impl Journal {
    fn rotate_if_due(&mut self) -> Option<Change> {
        // A file has more entries than it begins with: else a large room would write little else.
        let is_large = self.len > self.size.max(2 * self.head);
        if !is_large || self.rotates.is_some_and(|after| Instant::now() < after) {
            return None;
        }
        // It can wait until hardly anybody has to wait for it; but not for ever.
        if !self.syncer.is_close() && self.len <= 2 * self.size {
            return None;
        }
        // A file that another follows is not torn, whatever happens to the machine.
        if let Some(unsynced) = self.syncer.sync_now() {
            return self.lose(&unsynced);
        }
        let Err(error) = self.rotate() else {
            self.rotates = None;
            return None;
        };
        let is_said = self.rotates.replace(Instant::now() + limits::JOURNAL_ROTATE).is_some();
        let path = self.place.file().display();
        (!is_said).then(|| Change::Grows(format!("cannot begin a new file after {path}: {error}")))
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut header = Vec::new();
        format::push_header(self.last, &self.members, &mut header);
        let folder = self.place.folder()?;
        let prepared = self.place.prepare(&header)?;
        self.disk = self.place.follow(&self.disk, prepared)?;
        self.head = header.len() as u64;
        self.len = self.head;
        self.syncer.follow(self.disk.clone(), self.len, Some(folder));
        Ok(())
    }
}
