//! The server: flags to limits, signals, the log, the exit code.

// The flags' doc comments are the text of --help, for people.
#![allow(clippy::doc_markdown)]

use argh::FromArgs;
use async_channel::{Receiver, Sender};
use async_signal::{Signal, Signals};
use futures_lite::{FutureExt, StreamExt, future};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltalk::limits::{self, Limits};
use smoltalk::server::{Address, Config, Notice, Server, raise_descriptor_limit};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

const DEFAULT_ADDRESS: &str = "127.0.0.1:7878";

/// Serves one chat room. People enter it with nc, telnet or smoltalk.
#[derive(FromArgs)]
#[argh(help_triggers("-h", "--help"))]
struct Flags {
    /// where to listen: host:port, [v6]:port or unix:PATH; may be given several times
    /// (SMOLTALK_LISTEN, commas between; default 127.0.0.1:7878)
    #[argh(option, arg_name = "addr")]
    listen: Vec<Address>,

    /// connections at once (default: what the descriptor limit allows)
    #[argh(option, arg_name = "n", from_str_fn(count))]
    max_connections: Option<usize>,

    /// connections at once from one address (default 0: no limit)
    #[argh(option, arg_name = "n", from_str_fn(count), default = "0")]
    max_per_address: usize,

    /// members past which arrivals and departures are not announced (default 1000)
    #[argh(
        option,
        arg_name = "n",
        from_str_fn(count),
        default = "Limits::default().presence_limit"
    )]
    presence_limit: usize,

    /// how long a guest may take to join (default 30)
    #[argh(
        option,
        arg_name = "secs",
        from_str_fn(seconds),
        default = "Limits::default().join_timeout"
    )]
    join_timeout: Duration,

    /// how long a member who lags may take for half of what waits for it (default 1)
    #[argh(
        option,
        arg_name = "secs",
        from_str_fn(seconds),
        default = "Limits::default().stall_timeout"
    )]
    stall_timeout: Duration,

    /// bytes that may wait for one member (default 1048576)
    #[argh(option, arg_name = "bytes", from_str_fn(size), default = "Limits::default().outbox")]
    outbox: usize,

    /// do not log arrivals, departures and refusals
    #[argh(switch)]
    quiet: bool,

    /// print the version
    #[argh(switch)]
    version: bool,
}

fn main() -> ExitCode {
    match flags().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit::Said(text)) => {
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Exit::Usage(error)) => {
            say(&format!("smoltalkd: {error}\n"));
            ExitCode::from(2)
        }
        Err(Exit::Failed(error)) => {
            say(&format!("smoltalkd: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Why the server did not run.
enum Exit {
    /// It was asked for its help or version.
    Said(String),
    /// It was called wrongly.
    Usage(String),
    /// It could not.
    Failed(io::Error),
}

fn flags() -> Result<Flags, Exit> {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut flags =
        Flags::from_args(&["smoltalkd"], &args).map_err(|early| match early.status {
            Ok(()) => Exit::Said(early.output),
            Err(()) => Exit::Usage(early.output.lines().next().unwrap_or_default().into()),
        })?;
    if flags.version {
        return Err(Exit::Said(format!("smoltalkd {}\n", env!("CARGO_PKG_VERSION"))));
    }
    if flags.listen.is_empty() {
        flags.listen = listen_from_environment()?;
    }
    Ok(flags)
}

fn listen_from_environment() -> Result<Vec<Address>, Exit> {
    let listen = std::env::var("SMOLTALK_LISTEN").unwrap_or_default();
    let listen = if listen.is_empty() { DEFAULT_ADDRESS } else { &listen };
    let wrong = |address, error| Exit::Usage(format!("SMOLTALK_LISTEN {error}, not '{address}'"));
    listen.split(',').map(|a| Address::from_str(a).map_err(|error| wrong(a, error))).collect()
}

fn count(written: &str) -> Result<usize, String> {
    written.parse().map_err(|_| "takes a whole number".into())
}

fn size(written: &str) -> Result<usize, String> {
    match written.parse() {
        Ok(size @ 1..) => Ok(size),
        _ => Err("takes a number of bytes, 1 or more".into()),
    }
}

fn seconds(written: &str) -> Result<Duration, String> {
    let seconds = written.parse().ok().and_then(|secs| Duration::try_from_secs_f64(secs).ok());
    match seconds {
        Some(seconds) if !seconds.is_zero() && seconds <= limits::LONGEST => Ok(seconds),
        _ => Err("takes a number of seconds, over 0 and at most a year".into()),
    }
}

fn run(flags: Flags) -> Result<(), Exit> {
    raise_descriptor_limit();
    let (sender, notices) = async_channel::bounded(limits::NOTICES);
    let config = Config {
        listen: flags.listen,
        limits: Limits {
            max_connections: flags.max_connections,
            max_per_address: flags.max_per_address,
            presence_limit: flags.presence_limit,
            join_timeout: flags.join_timeout,
            stall_timeout: flags.stall_timeout,
            outbox: flags.outbox,
        },
        notices: (!flags.quiet).then(|| sender.clone()),
    };
    let signals = Signals::new([Signal::Int, Signal::Term]).map_err(Exit::Failed)?;
    let server = Server::bind(config).map_err(Exit::Failed)?;
    say(&started(&server));
    let (stop, stopped) = async_channel::bounded(1);
    let attendant = thread::Builder::new()
        .name("attendant".into())
        .spawn(|| attend(signals, stop, notices))
        .map_err(Exit::Failed)?;
    smol::block_on(server.run(async { _ = stopped.recv().await }));
    // The attendant ends with the notices.
    sender.close();
    let _ = attendant.join();
    Ok(())
}

fn started(server: &Server) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut lines =
        format!("smoltalkd {version}, up to {} connections\n", server.max_connections());
    for address in server.addresses() {
        let _ = writeln!(lines, "listening on {address}");
    }
    lines
}

/// Sees to signals and the log, on a thread of its own: beside the server, both would be looked at
/// each time anything happens in the room.
fn attend(signals: Signals, stop: Sender<()>, notices: Receiver<Notice>) {
    future::block_on(log(notices).or(stop_on_signals(signals, stop)));
}

/// Stops the server at the first signal; ends at once at the second.
async fn stop_on_signals(mut signals: Signals, stop: Sender<()>) {
    signals.next().await;
    stop.close();
    signals.next().await;
    std::process::exit(1);
}

/// Writes notices, several at a time: a storm of arrivals is not to cost a system call for each.
async fn log(notices: Receiver<Notice>) {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut lines = String::new();
    while let Ok(notice) = notices.recv().await {
        let _ = writeln!(lines, "{notice}");
        while lines.len() < MAX_WRITE - LONGEST_NOTICE
            && let Ok(notice) = notices.try_recv()
        {
            let _ = writeln!(lines, "{notice}");
        }
        say(&std::mem::take(&mut lines));
        if notices.is_empty() {
            // This thread has nothing better to do, and the reactor need not know.
            thread::sleep(PAUSE);
        }
    }
}

/// No notice takes more bytes than that: a name, an address and a few words.
const LONGEST_NOTICE: usize = 256;

/// What a pipe that is writable takes without blocking: POSIX's `PIPE_BUF` on Linux.
const MAX_WRITE: usize = 4096;

/// Writes to standard error, unless that would block: a paused terminal must not stop the room.
/// A closed one does not matter.
fn say(lines: &str) {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    if poll(&mut ready, Some(&Timespec::default())) == Ok(1) {
        let _ = stderr.lock().write_all(lines.as_bytes());
    }
}
