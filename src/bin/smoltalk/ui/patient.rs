//! Standard input, output and error as they are inherited: whoever else has one may have made it
//! non-blocking. Then it is waited for.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;

/// A file whose reads and writes block, whether or not it does.
pub struct Patient<F>(pub F);

impl<F: AsFd> Patient<F> {
    /// What `attempt` comes to, once the file is ready for it.
    fn once<T>(
        &mut self,
        event: PollFlags,
        mut attempt: impl FnMut(&mut F) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match attempt(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(event)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn wait(&self, event: PollFlags) -> io::Result<()> {
        match poll(&mut [PollFd::new(&self.0, event)], None) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl<F: AsFd + Read> Read for Patient<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.once(PollFlags::IN, |file| file.read(buffer))
    }
}

impl<F: AsFd + Write> Write for Patient<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.once(PollFlags::OUT, |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.once(PollFlags::OUT, F::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::thread;

    #[test]
    fn what_does_not_block_is_waited_for() {
        let (mut one, other) = UnixStream::pair().expect("a pair");
        one.set_nonblocking(true).expect("set");
        other.set_nonblocking(true).expect("set");
        let much = vec![b'x'; 1024 * 1024];
        let reader = thread::spawn(move || {
            let mut read = Vec::new();
            Patient(other).read_to_end(&mut read).map(|_| read)
        });
        // More than there is room for on the way.
        Patient(&mut one).write_all(&much).expect("written");
        drop(one);
        assert!(reader.join().expect("it ran").expect("read") == much);
    }
}
