//! A claim on a path: of several servers that want their Unix socket there, one at a time acts.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The right to put a socket at a path, or to take a stale one away there.
///
/// It is a lock on a file beside the path. The system gives it back when its holder dies; the file
/// goes with the claim, and one that a crash has left is used by whoever comes next.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    /// Its lock goes when it is closed.
    _file: File,
}

impl Claim {
    /// Claims `path`; `AddrInUse` where somebody else does just now, and will be there in a moment.
    pub fn on(path: &Path) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".smoltalk-lock");
        let path = PathBuf::from(beside);
        loop {
            let file = locked(&path)?;
            // Its last holder may have removed it after it was opened here: then another one counts.
            if identity(&path) == Some(identify(&file.metadata()?)) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Claim {
    /// Before the lock goes: later it might be another's.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens the file at `path`, which is made if there is none, and locks it.
fn locked(path: &Path) -> io::Result<File> {
    let named = |what, error: Errno| {
        let text = format!("cannot {what} {}: {error}", path.display());
        io::Error::new(error.kind(), text)
    };
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|e| named("make", e))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file.into()),
        Err(Errno::WOULDBLOCK) => Err(Errno::ADDRINUSE.into()),
        Err(error) => Err(named("lock", error)),
    }
}

/// The device and number of the file at `path`: of two files there, one after the other, each has
/// its own.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| identify(&file))
}

fn identify(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn a_claim_is_one_holders_and_what_a_crash_has_left_is_no_claim() -> io::Result<()> {
        let path = std::env::temp_dir().join(format!("smoltalk-{}-claim", std::process::id()));
        let file =
            path.with_file_name(format!("smoltalk-{}-claim.smoltalk-lock", std::process::id()));
        File::create(&file)?;
        let claim = Claim::on(&path)?;
        let second = Claim::on(&path).expect_err("it is taken");
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        drop(claim);
        assert!(!file.exists());
        drop(Claim::on(&path)?);
        assert!(!file.exists());
        Ok(())
    }

    #[test]
    fn where_no_file_can_be_made_the_error_says_which() {
        let error = Claim::on(Path::new("/no/such/folder/s")).expect_err("no folder");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot make /no/such/folder/s."), "{error}");
    }
}
