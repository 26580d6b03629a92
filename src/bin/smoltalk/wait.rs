//! Waiting, and what ends it early: a signal, the time that it was given, or that nobody reads on.

use async_channel::{Receiver, Sender};
use async_signal::{Signal, Signals};
use futures_lite::{StreamExt, future};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::thread;

/// The signals that end a conversation. Who started it with nohup wants it to ignore SIGHUP; but not
/// on a terminal.
pub fn signals(terminal: bool) -> io::Result<Signals> {
    let closed = (terminal || !ignores_hangup()).then_some(Signal::Hup);
    Signals::new([Signal::Int, Signal::Term].into_iter().chain(closed))
}

/// Whether SIGHUP was to be ignored when this program began; where nobody can say, it may have been.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first signal is the lowest bit, and SIGHUP is the first.
    ignored.is_none_or(|mask| mask & 1 != 0)
}

/// What `future` comes to, unless `stop` comes first: a signal, or a timer.
pub async fn unless<T, S>(
    stop: impl Future<Output = S>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let stop = async {
        stop.await;
        None
    };
    future::or(stop, async { Some(future.await) }).await
}

/// Waits until it has `closed`, unless a signal comes. It gets going even where one has come already,
/// which may be the first: a window that is closed also ends what is typed.
pub async fn close(signals: &mut Signals, closed: impl Future<Output = ()>) {
    future::or(closed, async { _ = signals.next().await }).await;
}

/// Waits for ever, unless it is `so`.
pub async fn when(so: bool) {
    if !so {
        future::pending::<()>().await;
    }
}

/// Whoever reads standard output, as long as it is open: a pipe's other end, or a terminal.
///
/// There may be no event for long whose writing would tell that nobody reads on.
pub struct Reader(Receiver<()>);

impl Reader {
    /// Watches on a thread of its own: the reactor would have to be told what kind of file it is.
    pub fn watch() -> io::Result<Self> {
        let (open, reader) = async_channel::bounded(1);
        thread::Builder::new().spawn(move || {
            let stdout = io::stdout();
            let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
            while poll(&mut polled, None) == Err(Errno::INTR) {}
            // What cannot be watched is taken to be read.
            if !polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
                std::mem::forget::<Sender<()>>(open);
            }
        })?;
        Ok(Self(reader))
    }

    /// Waits until nobody reads on; comes to what writing would come to.
    pub async fn gone(&self) -> io::Result<()> {
        let _ = self.0.recv().await;
        Err(io::ErrorKind::BrokenPipe.into())
    }
}
