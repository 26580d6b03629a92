//! What ends the server, SIGTERM and SIGINT; and what has it read its files again, SIGHUP.

use async_channel::Sender;
use async_signal::{Signal, Signals};
use futures_lite::{StreamExt, future};
use std::io;
use std::thread;

/// Catches them from now on.
pub fn catch() -> io::Result<Signals> {
    Signals::new([Signal::Int, Signal::Term, Signal::Hup])
}

/// Where a file may be no larger (`ulimit -f`), a write fails, and does not end the server: for as long as
/// this is kept.
pub fn survive_oversize() -> io::Result<Signals> {
    Signals::new([Signal::Xfsz])
}

/// Closes `stop` at the first signal that ends the server, and ends the process at the second. Each SIGHUP
/// asks to `reload`; a terminal that goes sends it as well, and that does no harm.
///
/// On a thread of its own: beside the server in one future, the signals' pipe would be read each
/// time anything happens in the room.
pub fn obey(mut signals: Signals, stop: Sender<()>, reload: Sender<()>) -> io::Result<()> {
    let obey = async move {
        while let Some(signal) = signals.next().await {
            match signal {
                // One that is asked already has not begun to read.
                Ok(Signal::Hup) => _ = reload.try_send(()),
                _ if !stop.close() => std::process::exit(1),
                _ => {}
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(|| future::block_on(obey)).map(drop)
}
