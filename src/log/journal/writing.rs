//! Writing a journal: what becomes of it where that fails, and how a new file begins.
//!
//! Nothing here waits for the disk but at the beginning and at the end, when nobody waits for it: the
//! room does while it is done.

use super::boot::Boot;
use super::format::{self, Mark, Since};
use super::place::{Prepared, Stands, shown};
use super::record::{Members, Read, Record};
use super::sync::Unsynced;
use super::{Change, Failing, Journal, Step};
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
        } else if self.is_keeping() {
            if std::mem::take(&mut self.is_closed) {
                format::push_boot(self.boot.as_ref(), &mut self.added);
            }
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

    /// Writes what is left, brings all to the disk, and says there that it has ended. To be called at
    /// the end.
    pub fn finish(&mut self) -> Option<Change> {
        if let Some(Failing { step: Step::Waits(again), .. }) = &mut self.failing {
            *again = Instant::now();
        }
        let mut change = self.write();
        if self.is_keeping() {
            if let Some(unsynced) = self.syncer.sync_now() {
                return self.lose(&unsynced);
            }
            if self.failing.is_some() {
                change = self.write();
            }
        }
        self.close().or(change)
    }

    /// Says that the server has ended, which is true only where all before is on the disk.
    fn close(&mut self) -> Option<Change> {
        // One that was prepared, and will not follow.
        let _ = self.place.tidy();
        if self.boot.is_none() || self.is_closed || self.failing.is_some() {
            return None;
        }
        format::push_closed(&mut self.added);
        self.is_closed = true;
        if let Err(error) = self.append() {
            self.fail(&error);
            return self.say();
        }
        let unsynced = self.syncer.sync_now();
        unsynced.and_then(|unsynced| self.lose(&unsynced))
    }

    fn write_on(&mut self) -> Option<Change> {
        if let Some(unsynced) = self.syncer.unsynced() {
            return self.lose(&unsynced);
        }
        if let Err(error) = self.append() {
            self.fail(&error);
            return self.say();
        }
        self.rotate_if_due()
    }

    fn append(&mut self) -> io::Result<()> {
        if !self.added.is_empty() {
            self.disk.append(&self.added, self.len)?;
            self.len += self.added.len() as u64;
            self.forget_added();
            self.syncer.appended(self.len);
        }
        Ok(())
    }

    fn forget_added(&mut self) {
        self.added.clear();
        self.added.shrink_to(limits::ROUND);
    }
}

// Failing, and working again.
impl Journal {
    /// Whether what is added will be written.
    fn is_keeping(&self) -> bool {
        !matches!(self.failing, Some(Failing { step: Step::Waits(_), .. }))
    }

    /// What was written did not reach the disk. What of it did is unknown: so all of it goes.
    pub(super) fn lose(&mut self, unsynced: &Unsynced) -> Option<Change> {
        self.forget_behind(unsynced.synced);
        self.fail(&unsynced.error);
        self.say()
    }

    fn forget_behind(&mut self, len: u64) {
        self.len = self.len.min(len);
        // Half a header is none.
        if self.len < self.head {
            (self.head, self.len) = (0, 0);
        }
    }

    /// What was added is lost, and the file is to say so.
    fn fail(&mut self, error: &dyn Display) {
        self.forget_added();
        self.forget_behind(self.len);
        // Where these fail, they are done at the next try.
        if self.head > 0 {
            let _ = self.disk.mark(Mark::Holes);
        }
        let _ = self.disk.cut(self.len);
        self.syncer.cut(self.len);
        let unsaid = match self.failing.take() {
            Some(failing) => failing.unsaid,
            None => Some(format!("cannot keep {}: {error}", shown(self.place.file()))),
        };
        self.failing = Some(Failing { unsaid, step: Step::Waits(Instant::now() + self.retry) });
    }

    fn say(&mut self) -> Option<Change> {
        self.failing.as_mut()?.unsaid.take().map(Change::Fails)
    }

    /// When it is time to try again, and has been said that it fails: what will be written begins with
    /// a gap. It ends before what is added from now on.
    fn begin_again(&mut self) {
        if let Some(Failing { unsaid: None, step: step @ Step::Waits(_) }) = &mut self.failing
            && let Step::Waits(again) = *step
            && Instant::now() >= again
        {
            *step = Step::Begun(self.last);
            self.add_gap();
        }
    }

    fn add_gap(&mut self) {
        format::push_since(Since::Gap(self.last), &self.members, &mut self.added);
        format::push_boot(self.boot.as_ref(), &mut self.added);
        self.is_closed = false;
    }

    fn write_again(&mut self) -> Option<Change> {
        self.begin_again();
        match self.failing.as_ref()?.step {
            Step::Waits(_) => {}
            Step::Begun(gap) => match self.mend(gap) {
                Ok(()) => self.failing.as_mut()?.step = Step::Written(self.len),
                Err(error) => self.fail(&error),
            },
            Step::Written(len) => return self.write_mended(len),
        }
        self.say()
    }

    /// Writes what was added, which begins with a gap. From then on all is written again; but the mark
    /// stays until the gap is on the disk: a machine may die in between.
    fn mend(&mut self, gap: Id) -> io::Result<()> {
        if let Some(unsynced) = self.syncer.unsynced() {
            self.forget_behind(unsynced.synced);
        }
        match self.place.stands(&self.disk)? {
            Stands::Itself => {}
            Stands::Nothing => self.begin_another()?,
            Stands::Another => return Err(io::Error::other("another file is there")),
        }
        if self.head == 0 {
            // The gap that follows says who is in.
            let mut header = Vec::new();
            format::push_header(Since::After(gap), &Members::default(), &mut header);
            self.head = header.len() as u64;
            self.added.splice(..0, header);
        }
        self.disk.cut(self.len)?;
        // It stands where it belongs: that it did not is over.
        self.syncer.cut(self.len);
        self.append()
    }

    /// Begins another file where somebody has taken it away.
    fn begin_another(&mut self) -> io::Result<()> {
        self.disk = self.place.make_again()?;
        (self.head, self.len) = (0, 0);
        self.syncer.replace(self.disk.clone());
        Ok(())
    }

    fn write_mended(&mut self, len: u64) -> Option<Change> {
        if let Some(unsynced) = self.syncer.unsynced() {
            return self.lose(&unsynced);
        }
        let is_mended = self.syncer.has_synced(len);
        let marked = if is_mended { self.disk.mark(Mark::Whole) } else { Ok(()) };
        if let Err(error) = self.append().and(marked) {
            self.fail(&error);
            return self.say();
        }
        is_mended.then(|| self.failing = None).map(|()| Change::Works)
    }
}

// The beginning.
impl Journal {
    /// Goes on where the last server has ended. One that has left holes, or was killed by the end of
    /// its machine, may have kept less than others have got: then a gap comes first.
    pub(super) fn go_on_from(
        &mut self,
        boot: Option<&Boot>,
        has_holes: bool,
        now: Id,
        read: &mut dyn FnMut(Read<'_>),
    ) {
        let is_same_boot = boot == self.boot.as_ref();
        if has_holes || boot.is_some() && !is_same_boot {
            self.fill(now, read);
        } else if !is_same_boot {
            // On the disk before anything that it may lack.
            format::push_boot(self.boot.as_ref(), &mut self.added);
            self.mend_now();
        }
    }

    /// Up to here something is missing, and who came and went is among it: those are in of whom it is
    /// not known that they went.
    pub(super) fn fill(&mut self, now: Id, read: &mut dyn FnMut(Read<'_>)) {
        self.last = self.last.next(now.ms());
        read(Read::Gap(self.last));
        for (name, secret) in self.members.iter() {
            read(Read::In(name, secret));
        }
        self.add_gap();
        self.mend_now();
    }

    fn mend_now(&mut self) {
        let mended = self.mend(self.last).and_then(|()| match self.syncer.sync_now() {
            None => self.disk.mark(Mark::Whole),
            Some(unsynced) => {
                self.forget_behind(unsynced.synced);
                Err(io::Error::other(unsynced.error))
            }
        });
        if let Err(error) = mended {
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
        // Until it is prepared, the old one grows.
        let Err(error) = self.syncer.next()?.and_then(|next| self.rotate(next)) else {
            self.rotates = None;
            return None;
        };
        self.syncer.stay();
        let is_said = self.rotates.replace(Instant::now() + limits::JOURNAL_ROTATE).is_some();
        let path = shown(self.place.file());
        (!is_said).then(|| Change::Grows(format!("cannot begin a new file after {path}: {error}")))
    }

    /// What the old file has got last may not be on the disk yet when the new one is: so that says that
    /// it may be missing.
    pub(super) fn rotate(&mut self, next: Prepared) -> io::Result<()> {
        let mut header = Vec::new();
        format::push_header(Since::After(self.last), &self.members, &mut header);
        let head = header.len() as u64;
        format::push_boot(self.boot.as_ref(), &mut header);
        let take_over = || {
            next.disk.append(&header, 0)?;
            self.place.follow(&self.disk, &next)
        };
        // What is on a full disk is to leave it again.
        take_over().inspect_err(|_| _ = self.place.tidy())?;
        self.disk = next.disk.clone();
        (self.head, self.len) = (head, header.len() as u64);
        self.syncer.follow(next, self.len);
        Ok(())
    }
}
