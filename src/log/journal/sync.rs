//! The thread that brings a journal to the disk: that can take long, and nobody in the room is to
//! wait for it.

use super::disk::Disk;
use crate::limits;
use std::fs::File;
use std::io;
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

/// What did not reach the disk.
#[derive(Debug)]
pub struct Unsynced {
    /// How long the file was when it was last synced.
    pub synced: u64,
    /// Why it is not now.
    pub error: String,
}

#[derive(Debug)]
struct Shared {
    pause: Duration,
    work: Mutex<Work>,
    /// Tells the thread that there is something to do, and its owner that it is done.
    changed: Condvar,
}

#[derive(Debug)]
struct Work {
    disk: Disk,
    /// To be synced as well, where a file has got a new name in it.
    folder: Option<File>,
    /// How long the file is, and how much of it is known to be on the disk.
    len: u64,
    synced: u64,
    is_due: bool,
    is_ending: bool,
    stage: Stage,
    error: Option<String>,
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

impl Syncer {
    /// Begins with a file of `len` bytes. Were they not to reach the disk, they would be there all the
    /// same: for they, or those that they follow, have been read.
    pub fn start(disk: Disk, len: u64, folder: File, pause: Duration) -> io::Result<Self> {
        let work = Work {
            disk,
            folder: Some(folder),
            len,
            synced: len,
            is_due: true,
            is_ending: false,
            stage: Stage::Idle,
            error: None,
        };
        let shared = Arc::new(Shared { pause, work: Mutex::new(work), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("journal".into()).spawn(move || own.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The file has changed, and is `len` bytes long now.
    pub fn changed(&self, len: u64) {
        let mut work = self.shared.work();
        work.len = len;
        work.is_due = true;
        self.shared.wake(&work);
    }

    /// What it has found out since it was last asked.
    pub fn unsynced(&self) -> Option<Unsynced> {
        self.shared.work().unsynced()
    }

    /// Whether so little is left to do that it is done at once, in whatever time.
    pub fn is_close(&self) -> bool {
        let work = self.shared.work();
        work.len.saturating_sub(work.synced) <= limits::JOURNAL_CLOSE
    }

    /// Whether all that it was told of is on the disk, or has been said not to be.
    pub fn is_at_rest(&self) -> bool {
        let work = self.shared.work();
        !work.is_due && work.stage != Stage::Syncing && work.error.is_none()
    }

    /// Does at once, and here, what is left to do.
    pub fn sync_now(&self) -> Option<Unsynced> {
        let mut work = self.shared.at_rest();
        if work.error.is_none() {
            work.is_due = false;
            let (result, len) = (work.disk.sync(), work.len);
            work.synced(result, len);
        }
        work.unsynced()
    }

    /// From now on it is that file, of which `len` bytes are on the disk; and where a file has got a
    /// new name in a folder, that is to be synced too. What was found out before counts no more.
    pub fn follow(&self, disk: Disk, len: u64, folder: Option<File>) {
        let mut work = self.shared.at_rest();
        (work.disk, work.len, work.synced) = (disk, len, len);
        // The folder before is the same, and may still be due.
        work.folder = folder.or(work.folder.take());
        work.error = None;
        work.is_due = true;
        self.shared.wake(&work);
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
    fn wake(&self, work: &Work) {
        if work.stage == Stage::Idle {
            self.changed.notify_all();
        }
    }

    fn run(&self) {
        let mut work = self.work();
        loop {
            work.stage = Stage::Idle;
            let nothing = |work: &mut Work| !work.is_due && !work.is_ending;
            work = self.changed.wait_while(work, nothing).unwrap_or_else(PoisonError::into_inner);
            if !work.is_due {
                return;
            }
            work = self.pause(self.sync(work));
        }
    }

    /// Syncs what there is, while others can say that there is more.
    fn sync<'a>(&'a self, mut work: MutexGuard<'a, Work>) -> MutexGuard<'a, Work> {
        work.stage = Stage::Syncing;
        work.is_due = false;
        let (disk, len, folder) = (work.disk.clone(), work.len, work.folder.take());
        drop(work);
        let result = disk.sync();
        // Not every file system can, and those that cannot need it not.
        let _ = folder.map(|folder| folder.sync_all());
        drop(disk);
        let mut work = self.work();
        work.synced(result, len);
        work.stage = Stage::Paused;
        self.changed.notify_all();
        work
    }

    fn pause<'a>(&'a self, work: MutexGuard<'a, Work>) -> MutexGuard<'a, Work> {
        let goes_on = |work: &mut Work| !work.is_ending;
        let paused = self.changed.wait_timeout_while(work, self.pause, goes_on);
        paused.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Work {
    fn synced(&mut self, result: io::Result<()>, len: u64) {
        match result {
            Ok(()) => self.synced = len,
            Err(error) => self.error = Some(error.to_string()),
        }
    }

    fn unsynced(&mut self) -> Option<Unsynced> {
        self.error.take().map(|error| Unsynced { synced: self.synced, error })
    }
}
