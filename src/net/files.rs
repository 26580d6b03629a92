//! Reading what an operator keeps in files.

use crate::limits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::Instant;

/// A file's bytes. Fails where it has too many, and where nothing comes for [`limits::FILE_PATIENCE`]: a pipe that
/// somebody writes to is a file, and one that nobody does keeps nobody waiting.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file: File =
        open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?.into();
    // Until somebody writes to it, a pipe seems to be at its end.
    let mut may_begin = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::Fifo;
    let (mut bytes, until) = (Vec::new(), Instant::now() + limits::FILE_PATIENCE);
    let mut rest = (&file).take(limits::ACCESS_FILE + 1);
    loop {
        match rest.read_to_end(&mut bytes) {
            Ok(_) if bytes.is_empty() && may_begin => {}
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let left = until.saturating_duration_since(Instant::now());
        let mut ready = [PollFd::new(&file, PollFlags::IN)];
        poll(&mut ready, Some(&Timespec::try_from(left).map_err(io::Error::other)?))?;
        if ready[0].revents().is_empty() {
            return Err(io::Error::new(ErrorKind::TimedOut, "nothing comes from there"));
        }
        may_begin = false;
    }
    if bytes.len() as u64 > limits::ACCESS_FILE {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is too long"));
    }
    Ok(bytes)
}
