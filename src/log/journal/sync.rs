//! The thread that brings a journal to the disk, and prepares the next file: that can take long, and
//! nobody in the room is to wait for it.

use super::disk::Disk;
use super::place::{Place, Prepared, Stands};
use std::fs::File;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Syncs what it is told of, with a pause between two times. Ends when it is dropped, and all it was
/// told of is synced then.
#[derive(Debug)]
pub struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What did not reach the disk, or where it no longer is.
#[derive(Debug)]
pub struct Unsynced {
    /// How long the file was when it was last synced.
    pub synced: u64,
    /// What is the matter now.
    pub error: String,
}

#[derive(Debug)]
struct Shared {
    pause: Duration,
    place: Arc<Place>,
    folder: File,
    work: Mutex<Work>,
    /// Tells the thread that there is something to do, and its owner that it is done.
    changed: Condvar,
}

#[derive(Debug)]
struct Work {
    disk: Disk,
    /// How long the file is, and how much of it is known to be on the disk.
    len: u64,
    synced: u64,
    /// How often it has been cut, or become another: what was synced before says nothing of it.
    cuts: u64,
    /// The file that it follows, until that is on the disk.
    before: Option<Before>,
    /// A file has got a new name.
    is_renamed: bool,
    is_due: bool,
    is_ending: bool,
    stage: Stage,
    /// What is wrong and nobody has been told yet: until then nothing else is done.
    trouble: Option<Trouble>,
    next: Next,
}

/// What the thread does.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// It waits for something to do.
    Idle,
    /// It waits before it does the next thing.
    Paused,
    Syncing,
}

/// The file that is to follow.
#[derive(Debug)]
enum Next {
    Unwanted,
    Wanted,
    Ready(io::Result<Prepared>),
    /// It is about to take over. Nothing is synced meanwhile: what fails then would be said of the wrong
    /// file.
    Taken,
}

/// A file that another follows.
#[derive(Debug)]
struct Before {
    disk: Disk,
    /// How much of it is known to be on the disk.
    synced: u64,
    /// The one before it, which goes with this.
    _replaced: Option<Disk>,
}

impl Syncer {
    /// Begins with a file of `len` bytes. Were they not to reach the disk, they would be there all the
    /// same: for they, or those that they follow, have been read.
    pub fn start(disk: Disk, len: u64, place: Arc<Place>, pause: Duration) -> io::Result<Self> {
        let work = Work {
            disk,
            len,
            synced: len,
            cuts: 0,
            before: None,
            is_renamed: true,
            is_due: true,
            is_ending: false,
            stage: Stage::Idle,
            trouble: None,
            next: Next::Unwanted,
        };
        let (folder, work, changed) = (place.folder()?, Mutex::new(work), Condvar::new());
        let shared = Arc::new(Shared { pause, place, folder, work, changed });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("journal".into()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Something was appended to the file, which is `len` bytes long now.
    pub fn appended(&self, len: u64) {
        let mut work = self.shared.work();
        work.len = len;
        self.shared.is_due(work);
    }

    /// The file was cut to `len` bytes. Where it stood before is of no interest any more.
    pub fn cut(&self, len: u64) {
        let mut work = self.shared.work();
        (work.len, work.synced) = (len, work.synced.min(len));
        work.trouble.take_if(|trouble| matches!(trouble, Trouble::Elsewhere(_)));
        work.cuts += 1;
        self.shared.is_due(work);
    }

    /// It is another file from now on, of which nothing is on the disk. What was wrong with the one
    /// before is of no interest any more.
    pub fn replace(&self, disk: Disk) {
        let mut work = self.shared.work();
        (work.disk, work.len, work.synced) = (disk, 0, 0);
        work.trouble = None;
        work.cuts += 1;
        work.is_renamed = true;
        self.shared.is_due(work);
    }

    /// What it has found out since it was last asked.
    pub fn unsynced(&self) -> Option<Unsynced> {
        self.shared.work().unsynced()
    }

    /// Whether so much of the file is on the disk.
    pub fn has_synced(&self, len: u64) -> bool {
        self.shared.work().synced >= len
    }

    /// Whether all that it was told of is on the disk, or has been said not to be.
    pub fn is_at_rest(&self) -> bool {
        let work = self.shared.work();
        !work.is_due && work.stage != Stage::Syncing && work.trouble.is_none()
    }

    /// Does at once, and here, what is left to do. To be called where nobody waits.
    pub fn sync_now(&self) -> Option<Unsynced> {
        let mut work = self.shared.at_rest();
        if work.trouble.is_none() {
            let job = work.job();
            let done = job.run(&self.shared);
            work.done(&job, done);
        }
        work.next = Next::Unwanted;
        work.unsynced()
    }
}

// The next file.
impl Syncer {
    /// The file that is to follow, once it is prepared. [`follow`](Self::follow) or
    /// [`stay`](Self::stay) is to be called for it, and at once.
    pub fn next(&self) -> Option<io::Result<Prepared>> {
        let mut work = self.shared.work();
        if matches!(work.next, Next::Unwanted) {
            work.next = Next::Wanted;
            self.shared.changed.notify_all();
        }
        // What is wrong is to be said of the file with which it is.
        let is_busy = work.stage == Stage::Syncing || work.trouble.is_some();
        if is_busy || !matches!(work.next, Next::Ready(_)) {
            return None;
        }
        match mem::replace(&mut work.next, Next::Taken) {
            Next::Ready(next) => Some(next),
            _ => None,
        }
    }

    /// No other file follows after all.
    pub fn stay(&self) {
        self.shared.work().next = Next::Unwanted;
        self.shared.changed.notify_all();
    }

    /// From now on it is the one that was prepared, of which `len` bytes are there. The one before is to
    /// be on the disk before it is, and no other follows until then.
    pub fn follow(&self, next: Prepared, len: u64) {
        let mut work = self.shared.work();
        let (disk, synced) = (mem::replace(&mut work.disk, next.disk), work.synced);
        work.before = Some(Before { disk, synced, _replaced: next.replaced });
        (work.len, work.synced) = (len, len);
        work.cuts += 1;
        work.is_renamed = true;
        work.next = Next::Unwanted;
        self.shared.is_due(work);
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.work().is_ending = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, when the thread is not syncing; and it does not begin before the guard is gone.
    fn at_rest(&self) -> MutexGuard<'_, Work> {
        let is_syncing = |work: &mut Work| work.stage == Stage::Syncing;
        self.changed.wait_while(self.work(), is_syncing).unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the thread once for many changes: one that is paused looks by itself.
    fn is_due(&self, mut work: MutexGuard<'_, Work>) {
        work.is_due = true;
        if work.stage == Stage::Idle {
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        let mut work = self.work();
        loop {
            work.stage = Stage::Idle;
            let nothing = |work: &mut Work| !work.is_ending && !work.has_work();
            work = self.changed.wait_while(work, nothing).unwrap_or_else(PoisonError::into_inner);
            if work.is_ending && !work.is_due {
                return;
            }
            work = self.pause(self.sync(work));
        }
    }

    /// Syncs what there is, while others can say that there is more. Then a file can follow.
    fn sync<'a>(&'a self, mut work: MutexGuard<'a, Work>) -> MutexGuard<'a, Work> {
        work.stage = Stage::Syncing;
        let is_next_wanted = matches!(work.next, Next::Wanted);
        let job = work.job();
        drop(work);
        let done = job.run(self);
        let next = (is_next_wanted && done.is_ok()).then(|| Next::Ready(self.place.prepare()));
        let mut work = self.work();
        work.done(&job, done);
        if is_next_wanted {
            work.next = next.unwrap_or(Next::Unwanted);
        }
        work.stage = Stage::Paused;
        self.changed.notify_all();
        drop(work);
        // A file may go with it, and that takes long.
        drop(job);
        self.work()
    }

    fn pause<'a>(&'a self, work: MutexGuard<'a, Work>) -> MutexGuard<'a, Work> {
        let goes_on = |work: &mut Work| !work.is_ending && !matches!(work.next, Next::Wanted);
        let paused = self.changed.wait_timeout_while(work, self.pause, goes_on);
        paused.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Work {
    fn has_work(&self) -> bool {
        let wants = match self.next {
            Next::Taken => false,
            Next::Wanted => true,
            Next::Unwanted | Next::Ready(_) => self.is_due,
        };
        // A disk says once that it has failed: done again, it would seem to have worked.
        wants && self.trouble.is_none()
    }

    /// What is to be done now.
    fn job(&mut self) -> Job {
        self.is_due = false;
        Job {
            disk: self.disk.clone(),
            len: self.len,
            cuts: self.cuts,
            before: self.before.take(),
            is_renamed: mem::take(&mut self.is_renamed),
        }
    }

    fn done(&mut self, job: &Job, done: Result<(), Trouble>) {
        if job.cuts == self.cuts && !matches!(done, Err(Trouble::Unsynced(_))) {
            self.synced = job.len;
        }
        // It may have been cut, or replaced, in the meantime.
        self.trouble = done.err().filter(|trouble| match trouble {
            Trouble::Unsynced(_) => job.disk.is(&self.disk),
            Trouble::Elsewhere(_) => job.cuts == self.cuts,
        });
    }

    fn unsynced(&mut self) -> Option<Unsynced> {
        let (Trouble::Unsynced(error) | Trouble::Elsewhere(error)) = self.trouble.take()?;
        Some(Unsynced { synced: self.synced, error: error.to_string() })
    }
}

/// What is brought to the disk in one go.
#[derive(Debug)]
struct Job {
    disk: Disk,
    len: u64,
    cuts: u64,
    before: Option<Before>,
    is_renamed: bool,
}

#[derive(Debug)]
enum Trouble {
    /// It did not reach the disk.
    Unsynced(io::Error),
    /// It did, but the file is no longer where it belongs.
    Elsewhere(io::Error),
}

impl Job {
    fn run(&self, shared: &Shared) -> Result<(), Trouble> {
        if let Some(before) = &self.before {
            before.sync().map_err(Trouble::Unsynced)?;
        }
        self.disk.sync().map_err(Trouble::Unsynced)?;
        if self.is_renamed {
            // Not every file system can, and those that cannot need it not.
            let _ = shared.folder.sync_all();
        }
        if self.before.is_some() {
            // Where this is not done, less is expected of the file before.
            let _ = self.disk.settle();
        }
        let missing = match shared.place.stands(&self.disk) {
            Ok(Stands::Itself) => return Ok(()),
            Ok(Stands::Nothing) => io::Error::other("it is no longer there"),
            Ok(Stands::Another) => io::Error::other("another file is there"),
            Err(error) => error,
        };
        Err(Trouble::Elsewhere(missing))
    }
}

impl Before {
    /// Where it fails, what of the rest is there is unknown: so all of that goes, and the next file
    /// says that something may be missing.
    fn sync(&self) -> io::Result<()> {
        self.disk.sync().inspect_err(|_| _ = self.disk.cut(self.synced))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;
    use std::fs;

    /// One that has nothing to do, and what its thread would do next.
    fn started(folder: &Folder) -> (Arc<Place>, Syncer, Job) {
        let place = Arc::new(Place::new(&folder.file()));
        let disk = place.make_again().expect("a file");
        let syncer = Syncer::start(disk, 0, place.clone(), Duration::ZERO).expect("a thread");
        assert!(syncer.sync_now().is_none());
        let job = syncer.shared.work().job();
        (place, syncer, job)
    }

    fn fails(syncer: &Syncer, job: &Job, trouble: Trouble) {
        syncer.shared.work().done(job, Err(trouble));
    }

    fn unsynced() -> Trouble {
        Trouble::Unsynced(io::Error::other("the disk fails"))
    }

    fn elsewhere() -> Trouble {
        Trouble::Elsewhere(io::Error::other("it is no longer there"))
    }

    #[test]
    fn what_is_wrong_is_not_said_of_another_file_that_is_there_by_then() {
        for trouble in [unsynced, elsewhere] {
            let folder = Folder::new("sync-replaced");
            let (place, syncer, job) = started(&folder);
            fails(&syncer, &job, trouble());
            fs::remove_file(folder.file()).expect("gone");
            syncer.replace(place.make_again().expect("a file"));
            assert!(syncer.unsynced().is_none());
            // Nor where it is found out only then.
            fails(&syncer, &job, trouble());
            assert!(syncer.unsynced().is_none());
        }
    }

    #[test]
    fn of_a_file_that_was_cut_it_is_still_said_that_it_did_not_reach_the_disk() {
        for (trouble, is_said) in [(unsynced as fn() -> Trouble, true), (elsewhere, false)] {
            let folder = Folder::new("sync-cut");
            let (_, syncer, job) = started(&folder);
            fails(&syncer, &job, trouble());
            syncer.cut(0);
            assert_eq!(syncer.unsynced().is_some(), is_said);
            fails(&syncer, &job, trouble());
            assert_eq!(syncer.unsynced().is_some(), is_said);
        }
    }

    #[test]
    fn while_something_is_wrong_and_unsaid_nothing_is_done_and_no_file_follows() {
        let folder = Folder::new("sync-unsaid");
        let (_, syncer, job) = started(&folder);
        assert!(syncer.next().is_none());
        let is_prepared = |work: &mut Work| !matches!(work.next, Next::Ready(_));
        let shared = &syncer.shared;
        drop(shared.changed.wait_while(shared.work(), is_prepared).expect("it goes on"));
        fails(&syncer, &job, unsynced());
        syncer.appended(1);
        assert!(syncer.next().is_none());
        assert!(!shared.work().has_work() && !syncer.has_synced(1));
        assert!(syncer.unsynced().is_some());
        assert!(syncer.sync_now().is_none() && syncer.has_synced(1));
    }
}
