//! Saying any bytes: several lines at once, a file, all of standard input.

use super::session::Session;
use crate::failure::Failure;
use crate::ui::{Console, Line, expand, payload};
use smoltalk::client::{Error, Saying};
use smoltalk::limits;
use smoltalk::program::in_words;
use smoltalk::protocol::text::to_safe;
use smoltalk::protocol::{Command, Refusal};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// All of standard input, if there is any of it; or why it cannot be said.
pub async fn whole(console: &mut Console) -> Result<Option<Vec<u8>>, Failure> {
    match console.next().await {
        Some(Line::Whole(whole)) => Ok(Some(whole)),
        Some(Line::TooLong(len)) => {
            Err(Failure::TooMuch(format!("{}, this one has {len}", Error::PayloadTooLong)))
        }
        None => console.broken().map_or(Ok(None), |error| Err(Failure::Unread(error))),
    }
}

impl Session<'_> {
    /// Whether there is a server that knows DATA, or there was. One that does not would read the bytes as
    /// commands.
    pub(super) fn takes_bytes(&self) -> bool {
        self.client.form().data
    }

    /// Says all of standard input.
    pub(super) fn say_whole(&mut self, whole: &[u8]) {
        self.unsaid.spoke = true;
        if !self.say_bytes(whole) {
            // There was nothing else to say.
            self.refused = Some(Failure::TooMuch("nothing was said".into()));
        }
    }

    /// Says any bytes; returns whether it does.
    pub(super) fn say_bytes(&mut self, bytes: &[u8]) -> bool {
        if !self.takes_bytes() {
            self.unsaid.here = true;
            let which = self.which();
            self.console.notice(&format!("smoltalk: {which}this server takes lines only"));
            return false;
        }
        let queued = match self.takes(bytes.len()) {
            Ok(()) if self.books.is_some() => return self.say(Saying::Data(bytes.into())),
            Ok(()) => self.client.queue_data(bytes),
            Err(too_long) => Err(too_long),
        };
        if let Err(error) = queued {
            return self.not_said(&error);
        }
        for line in payload::lines(bytes) {
            self.console.said(&Command::Msg(line.as_bytes()));
        }
        true
    }

    /// Whether the server takes so many bytes; if not, with both numbers.
    fn takes(&self, len: usize) -> Result<(), Error> {
        match self.client.takes(len) {
            Err(Error::PayloadTooLong) => {
                let limit = self.client.greeting().payload.unwrap_or(limits::PAYLOAD);
                let text = format!("a payload may have {limit} bytes, this one has {len}");
                Err(Error::Refused { code: Refusal::TooLong.code().into(), text })
            }
            taken => taken,
        }
    }

    pub(super) fn say_file(&mut self, path: &[u8]) {
        match self.read(&expand(path)) {
            Ok(Ok(bytes)) => _ = self.say_bytes(&bytes),
            Ok(Err(too_long)) => _ = self.not_said(&too_long),
            Err(error) => {
                self.unsaid.here = true;
                let which = self.which();
                let why = in_words(&format!("smoltalk: {which}{}: {error}", to_safe(path)));
                self.console.notice(&why);
            }
        }
    }

    /// What is in a file, if the server takes as much.
    fn read(&self, path: &Path) -> io::Result<Result<Vec<u8>, Error>> {
        let len = length(path)?;
        match self.takes(len) {
            Err(too_long) if self.takes_bytes() => Ok(Err(too_long)),
            _ => read(path).map(Ok),
        }
    }
}

/// How long a file is. What is no file could take for ever.
fn length(path: &Path) -> io::Result<usize> {
    let found = path.metadata()?;
    if !found.is_file() {
        let is = if found.is_dir() { "this is a directory" } else { "this is no file" };
        return Err(io::Error::new(ErrorKind::InvalidInput, is));
    }
    Ok(usize::try_from(found.len()).unwrap_or(usize::MAX))
}

/// What is in a file, or a little more than may be said of it; it may have grown.
///
/// At once, though disks are slow: it is little.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limits::PAYLOAD as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Err(io::Error::new(ErrorKind::InvalidData, "there is nothing in it"));
    }
    Ok(bytes)
}
