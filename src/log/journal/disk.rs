//! One open file of a journal: what is done to its bytes. Where they stand is the caller's to know.

use super::format::{BEGAN, BEGAN_AT, MAGIC, MARK_AT, Mark};
use crate::limits;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// An open file, shared with the thread that syncs it. Its lock goes when the last one drops it.
#[derive(Debug, Clone)]
pub struct Disk {
    file: Arc<File>,
    #[cfg(test)]
    pub faults: Arc<Faults>,
}

/// What a test makes fail.
#[cfg(test)]
#[derive(Debug)]
pub struct Faults {
    /// How long a file can become.
    pub space: std::sync::atomic::AtomicU64,
    /// Whether nothing reaches the disk.
    pub sync_fails: std::sync::atomic::AtomicBool,
}

impl Disk {
    /// A file that was opened for reading and writing.
    pub fn new(file: File) -> Self {
        Self {
            file: Arc::new(file),
            #[cfg(test)]
            faults: Arc::new(Faults { space: u64::MAX.into(), sync_fails: false.into() }),
        }
    }

    /// Locks it, if nobody else has; a moment later, if that one is about to end.
    pub fn lock(&self) -> io::Result<bool> {
        let until = Instant::now() + limits::JOURNAL_LOCK;
        loop {
            match flock(&*self.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(true),
                Err(Errno::WOULDBLOCK) if Instant::now() < until => {
                    thread::sleep(limits::JOURNAL_LOCK / 20);
                }
                Err(Errno::WOULDBLOCK) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether that is the same one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
    }

    /// Its device and number.
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        self.file.metadata().map(|file| identify(&file))
    }

    /// It, for reading from its beginning.
    pub fn reader(&self) -> io::Result<&File> {
        io::Seek::rewind(&mut &*self.file)?;
        Ok(&self.file)
    }

    /// Whether it begins as a journal does, or as the beginning of one. Nothing else is needed to tell
    /// most of what is no journal, however large that is: some such files have no length, and what is
    /// written to them does something.
    pub fn begins_as_a_journal(&self) -> io::Result<bool> {
        let mut first = [0; MAGIC.len()];
        let mut len = 0;
        while len < first.len() {
            match self.file.read_at(&mut first[len..], len as u64) {
                Ok(0) => break,
                Ok(count) => len += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(MAGIC.starts_with(&first[..len]) && len as u64 <= self.len()?)
    }

    /// Lets nobody but its owner read it. A file system that has no such modes gives a new file none
    /// either.
    pub fn restrict(&self) {
        if self.file.metadata().is_ok_and(|file| file.mode() & 0o777 != 0o600) {
            let _ = self.file.set_permissions(Permissions::from_mode(0o600));
        }
    }

    /// How long it is without the zeros at its end. A machine that dies can leave them where the
    /// length of a file had reached the disk, and the last bytes had not.
    pub fn len_without_zeros(&self) -> io::Result<u64> {
        // Large pieces: the zeros may be many, where they take no space.
        let mut block = vec![0; 1 << 20];
        let mut len = self.len()?;
        while len > 0 {
            let size = len.min(block.len() as u64);
            let block = &mut block[..usize::try_from(size).unwrap_or_default()];
            self.file.read_exact_at(block, len - size)?;
            // No early exit: so written, the compiler turns it into vector instructions.
            if block.iter().fold(0, |any, b| any | b) != 0 {
                let last = block.iter().rposition(|b| *b != 0).unwrap_or_default();
                return Ok(len - size + last as u64 + 1);
            }
            len -= size;
        }
        Ok(0)
    }

    /// How long it is.
    pub fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|file| file.len())
    }

    /// Writes at its end, which is at `len`. Where that fails, a part of it may be there.
    pub fn append(&self, bytes: &[u8], len: u64) -> io::Result<()> {
        #[cfg(test)]
        let bytes = {
            use std::sync::atomic::Ordering::Relaxed;
            let space = self.faults.space.load(Relaxed).saturating_sub(len);
            if space < bytes.len() as u64 {
                let fits = usize::try_from(space).unwrap_or_default();
                self.file.write_all_at(&bytes[..fits], len)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            bytes
        };
        self.file.write_all_at(bytes, len)
    }

    /// Sets its mark, which takes no space.
    pub fn mark(&self, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(mark.line(), MARK_AT)
    }

    /// Says in its header that the file before it is on the disk, to its end.
    pub fn settle(&self) -> io::Result<()> {
        self.file.write_all_at(BEGAN, BEGAN_AT)
    }

    /// Cuts off what is behind `len`.
    pub fn cut(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    /// Brings all of it to the disk.
    pub fn sync(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.faults.sync_fails.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(io::Error::other("the disk fails"));
        }
        self.file.sync_data()
    }
}

/// The device and number of a file: of two that have a path one after the other, each has its own.
pub fn identify(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}
