//! Where a journal is: `FILE`, the one before it as `FILE.1`, and for a moment the next one. Who has
//! it, and how one follows the other.
//!
//! Whoever has `FILE` locked has the journal. A new file takes over in two steps: `FILE` becomes
//! `FILE.1`, and then the new one, locked and with all that it begins with, becomes `FILE`. Between the two there is
//! no `FILE`: so whoever finds none has to lock `FILE.1`, and takes the first step back. So a server
//! that is killed anywhere among it leaves what it found, or what it wanted.

use super::disk::{Disk, identify};
use crate::protocol::text::to_safe;
use rustix::fs::{Mode, OFlags, open};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The paths of a journal.
#[derive(Debug)]
pub struct Place {
    file: PathBuf,
    older: PathBuf,
    next: PathBuf,
}

/// The journal, locked.
#[derive(Debug)]
pub struct Claimed {
    /// Its newest file.
    pub disk: Disk,
    /// It stands at `FILE.1`, and nothing at `FILE`.
    pub is_displaced: bool,
}

/// A new file, empty and locked, that has not taken over yet.
#[derive(Debug)]
pub struct Prepared {
    /// The file.
    pub disk: Disk,
    /// What is `FILE.1` until then. A file goes with the last that has it open, and that can take long:
    /// who holds this decides when.
    pub replaced: Option<Disk>,
}

/// What stands where a file did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It does still.
    Itself,
    /// Nothing.
    Nothing,
    /// Something else.
    Another,
}

impl Place {
    /// The journal that is, or will be, at `file`.
    pub fn new(file: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut path = file.as_os_str().to_owned();
            path.push(suffix);
            PathBuf::from(path)
        };
        Self { file: file.into(), older: beside(".1"), next: beside(".smoltalk-new") }
    }

    /// `FILE`.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// `FILE.1`.
    pub fn older(&self) -> &Path {
        &self.older
    }

    /// Opens and locks the journal, which is made if there is none.
    pub fn claim(&self) -> io::Result<Claimed> {
        loop {
            if let Some(disk) = self.locked(&self.file)? {
                return Ok(Claimed { disk, is_displaced: false });
            }
            if let Some(disk) = self.locked(&self.older)? {
                // Another server may have put its new file there in the meantime.
                if is_missing(&self.file)? {
                    return Ok(Claimed { disk, is_displaced: true });
                }
            } else if is_missing(&self.file)? {
                self.make()?;
            }
        }
    }

    /// Opens and locks the file before `disk`, if there is one.
    pub fn claim_older(&self, disk: &Disk) -> io::Result<Option<Disk>> {
        let own = disk.identity()?;
        match fs::symlink_metadata(&self.older) {
            Ok(older) if identify(&older) == own => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            _ => self.locked(&self.older),
        }
    }

    /// Opens and locks the file at `path`; none where none is there, or another one by now.
    fn locked(&self, path: &Path) -> io::Result<Option<Disk>> {
        let Some(disk) = opened(path)? else { return Ok(None) };
        if !disk.lock().map_err(|e| named("lock", path, &e))? {
            return Err(refused(&self.file, ErrorKind::ResourceBusy, "another server has it"));
        }
        let there = fs::symlink_metadata(path).ok().map(|file| identify(&file));
        Ok((there == Some(disk.identity()?)).then_some(disk))
    }

    /// Makes an empty file, unless somebody else just has.
    fn make(&self) -> io::Result<()> {
        match create(&self.file) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(named("make", &self.file, &error))
            }
            _ => Ok(()),
        }
    }

    /// Removes what a killed server had prepared. Only who has the journal may.
    pub fn tidy(&self) -> io::Result<()> {
        match fs::remove_file(&self.next) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Prepares a file that is to follow: it is locked.
    pub fn prepare(&self) -> io::Result<Prepared> {
        self.tidy()?;
        let disk = create_locked(&self.next)?;
        Ok(Prepared { disk, replaced: opened(&self.older).unwrap_or_default() })
    }

    /// Makes another `FILE`, locked, where nothing stands.
    pub fn make_again(&self) -> io::Result<Disk> {
        create_locked(&self.file)
    }

    /// What stands at `FILE` now, where `current` did.
    pub fn stands(&self, current: &Disk) -> io::Result<Stands> {
        let own = current.identity()?;
        match fs::symlink_metadata(&self.file) {
            Ok(file) if identify(&file) == own => Ok(Stands::Itself),
            Ok(_) => Ok(Stands::Another),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Stands::Nothing),
            Err(error) => Err(error),
        }
    }

    /// `FILE`, which is `current`, becomes `FILE.1`, and the prepared one `FILE`. Where the second step
    /// fails, the first is taken back.
    pub fn follow(&self, current: &Disk, prepared: &Prepared) -> io::Result<()> {
        self.displace(current)?;
        self.put(prepared).inspect_err(|_| _ = self.step_back())
    }

    /// The first step. It is done where an earlier try could not take it back.
    pub fn displace(&self, current: &Disk) -> io::Result<()> {
        let own = current.identity()?;
        let is_at = |path: &Path| fs::symlink_metadata(path).is_ok_and(|f| identify(&f) == own);
        if is_at(&self.file) {
            return fs::rename(&self.file, &self.older);
        }
        if is_at(&self.older) && is_missing(&self.file)? {
            return Ok(());
        }
        Err(io::Error::new(ErrorKind::NotFound, "it is no longer there"))
    }

    /// The second step.
    pub fn put(&self, _prepared: &Prepared) -> io::Result<()> {
        fs::rename(&self.next, &self.file)
    }

    /// Takes the first step back.
    pub fn step_back(&self) -> io::Result<()> {
        fs::rename(&self.older, &self.file).map_err(|e| named("rename", &self.older, &e))
    }

    /// The folder in which all this is, to be synced when a file has got a new name.
    pub fn folder(&self) -> io::Result<File> {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
    }
}

fn is_missing(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(named("open", path, &error)),
    }
}

/// Opens the file at `path`, if there is one. Anything but a file is not even opened: that could wait
/// for somebody, or do something.
fn opened(path: &Path) -> io::Result<Option<Disk>> {
    let open = || -> io::Result<_> {
        if !fs::symlink_metadata(path)?.is_file() {
            return Ok(None);
        }
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(open(path, flags, Mode::empty())?);
        Ok((file.metadata()?.is_file() && !is_window(&file)).then_some(file))
    };
    match open() {
        Ok(Some(file)) => Ok(Some(Disk::new(file))),
        Ok(None) => Err(refused(path, ErrorKind::InvalidInput, "it is no regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named("open", path, &error)),
    }
}

/// Whether it is no file, but a window into the system that looks like one.
#[cfg(target_os = "linux")]
fn is_window(file: &File) -> bool {
    use rustix::fs::{PROC_SUPER_MAGIC, fstatfs};
    /// Of sysfs.
    const SYSFS: u64 = 0x6265_6572;
    fstatfs(file).is_ok_and(|system| {
        system.f_type == PROC_SUPER_MAGIC || u64::try_from(system.f_type) == Ok(SYSFS)
    })
}

#[cfg(not(target_os = "linux"))]
fn is_window(_: &File) -> bool {
    false
}

/// Makes a file that only its owner can read.
fn create(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::RUSR | Mode::WUSR)?.into())
}

fn create_locked(path: &Path) -> io::Result<Disk> {
    let disk = Disk::new(create(path)?);
    if disk.lock()? { Ok(disk) } else { Err(ErrorKind::ResourceBusy.into()) }
}

/// A path for an operator. Whoever named a file may have put anything into it.
pub fn shown(path: &Path) -> String {
    to_safe(path.as_os_str().as_encoded_bytes())
}

/// The error of a system call on a journal.
pub fn named(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} the journal {}: {error}", shown(path)))
}

/// The error where a journal cannot be used as it is.
pub fn refused(path: &Path, kind: ErrorKind, why: &str) -> io::Error {
    io::Error::new(kind, format!("cannot use the journal {}: {why}", shown(path)))
}
