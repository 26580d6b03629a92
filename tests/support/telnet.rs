//! One end of a connection, seen line by line.

use super::DEADLINE;
use rustix::net::sockopt::set_socket_linger;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// What lines are spoken over.
pub trait Stream: Read + Write {
    /// The socket beneath.
    fn socket(&self) -> &TcpStream;
    /// Says that nothing more follows.
    fn end(&mut self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A client without any cleverness. Whatever it waits for must come before the deadline.
pub struct Telnet<S = TcpStream> {
    stream: BufReader<S>,
}

impl Telnet {
    #[track_caller]
    pub fn tcp(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("connected");
        // Otherwise the second of two lines waits for the first to be acknowledged, for 40 ms.
        socket.set_nodelay(true).expect("TCP_NODELAY");
        Self::over(socket)
    }

    #[track_caller]
    pub fn unix(path: &Path) -> Self {
        Self::over_unix(UnixStream::connect(path).expect("connected"))
    }

    /// To read, write and half-close, a socket is a socket.
    pub fn over_unix(socket: UnixStream) -> Self {
        Self::over(TcpStream::from(OwnedFd::from(socket)))
    }
}

impl<S: Stream> Telnet<S> {
    pub fn over(stream: S) -> Self {
        stream.socket().set_read_timeout(Some(DEADLINE)).expect("a read timeout");
        stream.socket().set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        Self { stream: BufReader::new(stream) }
    }

    pub fn stream(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref().socket()
    }

    /// The same connection for another thread, to write to.
    pub fn writer(&self) -> TcpStream {
        self.socket().try_clone().expect("a second handle")
    }

    /// This, once it has seen the HELLO.
    #[track_caller]
    pub fn greeted(mut self) -> Self {
        self.sees("HELLO smoltalk/1 ...");
        self
    }

    /// This, once it is in the room.
    #[track_caller]
    pub fn joined(mut self, name: &str) -> Self {
        self.types(&format!("JOIN {name}"));
        self.sees(&format!("OK {name} ..."));
        self
    }

    /// Sends a line.
    #[track_caller]
    pub fn types(&mut self, line: &str) {
        self.sends(format!("{line}\n").as_bytes());
    }

    /// Sends bytes.
    #[track_caller]
    pub fn sends(&mut self, bytes: &[u8]) {
        or_fail(self.try_send(bytes));
    }

    /// Sends bytes, a packet each.
    #[track_caller]
    pub fn sends_one_by_one(&mut self, bytes: &[u8]) {
        bytes.chunks(1).for_each(|byte| self.sends(byte));
    }

    /// Ends what it says, and goes on reading.
    #[track_caller]
    pub fn ends(&mut self) {
        or_fail(self.try_end());
    }

    /// Resets the connection: what was on its way is lost.
    pub fn breaks(self) {
        set_socket_linger(self.socket(), Some(Duration::ZERO)).expect("no lingering");
    }

    /// The next line, which must be this one; `...` at its end stands for any rest.
    #[track_caller]
    pub fn sees(&mut self, expected: &str) {
        or_fail(self.try_see(expected));
    }

    /// The next line, whatever it is.
    #[track_caller]
    pub fn line(&mut self) -> String {
        or_fail(self.try_line()).expect("a line, but the stream has ended")
    }

    /// The next line that begins like this; those before it are passed over.
    #[track_caller]
    pub fn finds(&mut self, beginning: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    /// There must be no further line, and the other side has ended the stream.
    #[track_caller]
    pub fn sees_the_end(&mut self) {
        or_fail(self.try_see_end());
    }

    /// All lines up to the end of the stream.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| or_fail(self.try_line())).collect()
    }

    /// All that was typed has taken effect, and no line has come.
    #[track_caller]
    pub fn fence(&mut self) {
        or_fail(self.try_fence());
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let stream = self.stream();
        let sent = stream.write_all(bytes).and_then(|()| stream.flush());
        sent.map_err(|error| format!("cannot send: {error}"))
    }

    pub fn try_end(&mut self) -> Result<(), String> {
        self.stream().end().map_err(|error| format!("cannot end: {error}"))
    }

    pub fn try_see(&mut self, expected: &str) -> Result<(), String> {
        let got = self.try_line()?;
        let matches = |line: &String| match expected.strip_suffix("...") {
            Some(beginning) => line.starts_with(beginning),
            None => line == expected,
        };
        match got {
            Some(line) if matches(&line) => Ok(()),
            Some(line) => Err(format!("expected: {expected}\n     got: {line}")),
            None => Err(format!("expected: {expected}\n     got: the end of the stream")),
        }
    }

    pub fn try_see_end(&mut self) -> Result<(), String> {
        match self.try_line()? {
            None => Ok(()),
            Some(line) => Err(format!("expected: the end of the stream\n     got: {line}")),
        }
    }

    pub fn try_fence(&mut self) -> Result<(), String> {
        self.try_send(b"PING fence\n")?;
        self.try_see("PONG fence")
    }

    /// The next line without its LF; `None` at the end of the stream.
    pub fn try_line(&mut self) -> Result<Option<String>, String> {
        let mut line = Vec::new();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => "nothing comes".to_string(),
            _ => format!("cannot read: {error}"),
        };
        self.stream.read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            return Ok(None);
        }
        let line = String::from_utf8(line).map_err(|_| "a line that is no UTF-8".to_string())?;
        let line = line.strip_suffix('\n').ok_or(format!("a line that breaks off: {line}"))?;
        Ok(Some(line.to_string()))
    }
}

/// For tests that care about bytes and not about lines.
impl<S: Stream> Read for Telnet<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

#[track_caller]
fn or_fail<T>(done: Result<T, String>) -> T {
    done.unwrap_or_else(|problem| panic!("{problem}"))
}
