//! What the operator reads, on standard error.

use crate::record::{self, Style};
use async_channel::{Receiver, Sender};
use futures_lite::FutureExt;
use smol::Timer;
use smoltalk::program::in_words;
use smoltalk::server::Notice;
use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

/// How long notices gather before they are written.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the server waits at its end for the log to be written, at most.
const FAREWELL: Duration = Duration::from_millis(500);

/// What of the time that the end may take is the log's.
pub fn farewell(shutdown_timeout: Duration) -> Duration {
    FAREWELL.min(shutdown_timeout / 10)
}

/// A log that is being written.
pub struct Log {
    /// Closed when all of it has been.
    written: Receiver<()>,
}

impl Log {
    /// Writes `first`, then `notices` until there will be no more.
    ///
    /// On a thread of its own: a terminal or pipe that is not read must not stop the room, nor keep
    /// it from beginning.
    pub fn begin(first: String, notices: Receiver<Notice>, style: Style) -> io::Result<Self> {
        let (done, written) = async_channel::bounded(1);
        let write = move || {
            let _done: Sender<()> = done;
            say(&first);
            while let Ok(notice) = notices.recv_blocking() {
                // Several at a time: a storm of arrivals is not to cost a system call for each.
                thread::sleep(PAUSE);
                say(&gathered(&notice, &notices, style));
            }
        };
        thread::Builder::new().name("log".into()).spawn(write)?;
        Ok(Self { written })
    }

    /// Waits until it has been written; but who does not read it within `farewell` has had his time.
    pub async fn end(self, farewell: Duration) {
        let long_enough = async { _ = Timer::after(farewell).await };
        async { _ = self.written.recv().await }.or(long_enough).await;
    }
}

/// A line for `notice`, and for each that waits behind it.
fn gathered(notice: &Notice, others: &Receiver<Notice>, style: Style) -> String {
    let mut lines = String::new();
    record::push(notice, style, &mut lines);
    while let Ok(notice) = others.try_recv() {
        record::push(&notice, style, &mut lines);
    }
    lines
}

/// Writes to standard error, without the system's numbers for its errors. A closed one does not matter.
pub fn say(lines: &str) {
    let _ = io::stderr().write_all(in_words(lines).as_bytes());
}
