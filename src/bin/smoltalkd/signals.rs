//! What ends the server: SIGTERM, SIGINT, and SIGHUP where it is not ignored.

use async_channel::Sender;
use async_signal::{Signal, Signals};
use futures_lite::{StreamExt, future};
use std::fs;
use std::io;
use std::thread;

/// Catches them from now on.
pub fn catch() -> io::Result<Signals> {
    // Who started it with nohup wants it to live on when the terminal goes.
    let hangup = (!is_hangup_ignored()).then_some(Signal::Hup);
    Signals::new([Signal::Int, Signal::Term].into_iter().chain(hangup))
}

/// Where a file may be no larger (`ulimit -f`), a write fails, and does not end the server: for as long as
/// this is kept.
pub fn survive_oversize() -> io::Result<Signals> {
    Signals::new([Signal::Xfsz])
}

/// Closes `stop` at the first signal, and ends the process at the second.
///
/// On a thread of its own: beside the server in one future, the signals' pipe would be read each
/// time anything happens in the room.
pub fn obey(mut signals: Signals, stop: Sender<()>) -> io::Result<()> {
    let wait = async move {
        signals.next().await;
        stop.close();
        // A terminal that goes says so twice: by its shell and by the kernel. Nobody is impatient.
        let impatient = |signal: &io::Result<_>| !matches!(signal, Ok(Signal::Hup));
        signals.find(impatient).await;
        std::process::exit(1);
    };
    thread::Builder::new().name("signals".into()).spawn(|| future::block_on(wait)).map(drop)
}

/// Whether this process began with SIGHUP ignored. Where nobody can say, it is left as it is.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // A bit for each signal, from number 1 on: that is SIGHUP.
    ignored.is_none_or(|mask| mask & 1 == 1)
}
