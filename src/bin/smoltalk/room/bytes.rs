//! Saying any bytes: several lines at once, a file, all of standard input.

use super::session::Session;
use crate::failure::Failure;
use crate::ui::{Console, Line, expand, payload};
use smoltalk::client::{Error, Saying};
use smoltalk::limits;
use smoltalk::protocol::Command;
use smoltalk::protocol::text::to_safe;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// All of standard input, if there is any of it; or why it cannot be said.
pub async fn whole(console: &mut Console) -> Result<Option<Vec<u8>>, Failure> {
    match console.next().await {
        Some(Line::Whole(whole)) => Ok(Some(whole)),
        Some(Line::TooLong) => Err(Failure::Refused(Error::PayloadTooLong.to_string())),
        None => Ok(None),
    }
}

impl Session<'_> {
    /// Whether there is a server that knows DATA. One that does not would read the bytes as commands.
    pub(super) fn takes_bytes(&self) -> bool {
        self.connected && self.client.form().data
    }

    pub(super) fn say_bytes(&mut self, bytes: &[u8]) {
        if !self.takes_bytes() {
            self.console.notice("smoltalk: this server takes lines only");
            return self.refuse_whole();
        }
        match self.client.takes(bytes.len()) {
            Ok(()) if self.books.is_some() && !bytes.is_empty() => {
                return self.say(Saying::Data(bytes.into()));
            }
            Ok(()) => {}
            Err(error) => {
                self.complain(&error);
                return self.refuse_whole();
            }
        }
        match self.client.queue_data(bytes) {
            Ok(()) => {
                for line in payload::lines(bytes) {
                    self.console.said(&Command::Msg(line.as_bytes()));
                }
            }
            Err(error) => {
                self.complain(&error);
                self.refuse_whole();
            }
        }
    }

    /// With `--whole`, there was nothing else to say.
    fn refuse_whole(&mut self) {
        if self.visit.whole {
            self.refused = Some("nothing was said".into());
        }
    }

    pub(super) fn say_file(&mut self, path: &[u8]) {
        match self.read(&expand(path)) {
            Ok(Ok(bytes)) => self.say_bytes(&bytes),
            Ok(Err(too_long)) => self.complain(&too_long),
            Err(error) => {
                self.console.notice(&format!("smoltalk: {}: {error}", to_safe(path)));
            }
        }
    }

    /// What is in a file, if the server takes as much.
    fn read(&self, path: &Path) -> io::Result<Result<Vec<u8>, Error>> {
        let len = length(path)?;
        match self.client.takes(len) {
            Err(too_long) if self.takes_bytes() => Ok(Err(too_long)),
            _ => read(path).map(Ok),
        }
    }
}

/// How long a file is. What is no file could take for ever.
fn length(path: &Path) -> io::Result<usize> {
    let found = path.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "this is no file"));
    }
    Ok(usize::try_from(found.len()).unwrap_or(usize::MAX))
}

/// What is in a file, or a little more than may be said of it; it may have grown.
///
/// At once, though disks are slow: it is little.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits::PAYLOAD as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
