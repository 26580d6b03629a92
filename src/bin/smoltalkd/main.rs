//! The server: flags to limits, signals, the log, the exit code.

// The flags' doc comments are the text of --help, for people.
#![allow(clippy::doc_markdown, rustdoc::broken_intra_doc_links)]

use argh::FromArgs;
use async_channel::{Receiver, Sender};
use async_signal::{Signal, Signals};
use futures_lite::{FutureExt, StreamExt, future};
use smol::Timer;
use smoltalk::limits::{self, Limits};
use smoltalk::protocol::text::to_safe;
use smoltalk::server::{Address, Config, Notice, Server, raise_descriptor_limit};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

const DEFAULT_ADDRESS: &str = "127.0.0.1:7878";

/// Serves one chat room. People enter it with nc, telnet or smoltalk.
#[derive(FromArgs)]
#[argh(
    help_triggers("-h", "--help"),
    usage = "[--listen <addr>]... [<option>...]",
    example = "{command_name}                                      people of this machine only\n\
               {command_name} --listen 0.0.0.0:7878 --listen [::]:7878\n\
               {command_name} --listen unix:/run/smoltalk.sock --quiet",
    note = "SMOLTALK_LISTEN stands in for --listen, with commas between addresses.",
    note = "On SIGTERM and SIGINT it stops accepting, says goodbye to everybody and ends\n\
            within 5 seconds; a second signal ends it at once.",
    note = "There is more in man smoltalkd.",
    error_code(0, "stopped by a signal"),
    error_code(1, "cannot run, as where an address is in use"),
    error_code(2, "called wrongly")
)]
struct Flags {
    /// where to listen: host:port, [v6]:port or unix:PATH; may be repeated (default:
    /// 127.0.0.1:7878)
    #[argh(option, arg_name = "addr")]
    listen: Vec<Address>,

    /// connections at once (default: 0, what the descriptor limit allows)
    #[argh(option, arg_name = "n", from_str_fn(count), default = "0")]
    max_connections: usize,

    /// connections at once from one IPv4 address or IPv6 /64 (default: 0, no limit)
    #[argh(option, arg_name = "n", from_str_fn(count), default = "0")]
    max_per_address: usize,

    /// members past which arrivals and departures are not announced (default:
    /// 1000)
    #[argh(
        option,
        arg_name = "n",
        from_str_fn(count),
        default = "Limits::default().presence_limit"
    )]
    presence_limit: usize,

    /// seconds a guest may take to join (default: 30)
    #[argh(
        option,
        arg_name = "secs",
        from_str_fn(seconds),
        default = "Limits::default().join_timeout"
    )]
    join_timeout: Duration,

    /// seconds a member who lags may take for half of --outbox (default: 1)
    #[argh(
        option,
        arg_name = "secs",
        from_str_fn(seconds),
        default = "Limits::default().stall_timeout"
    )]
    stall_timeout: Duration,

    /// bytes that may wait for one member (default: 1048576)
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
    let args = std::env::args_os().skip(1).map(unicode).collect::<Result<Vec<_>, _>>()?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut flags =
        Flags::from_args(&["smoltalkd"], &args).map_err(|early| match early.status {
            Ok(()) => Exit::Said(early.output),
            Err(()) => {
                Exit::Usage(to_safe(early.output.lines().next().unwrap_or_default().as_bytes()))
            }
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
    let listen = unicode(std::env::var_os("SMOLTALK_LISTEN").unwrap_or_default())?;
    let listen = if listen.is_empty() { DEFAULT_ADDRESS } else { &listen };
    let wrong = |address, error| Exit::Usage(format!("SMOLTALK_LISTEN {error}, not '{address}'"));
    listen
        .split(',')
        .map(str::trim)
        .map(|a| Address::from_str(a).map_err(|error| wrong(a, error)))
        .collect()
}

fn unicode(written: OsString) -> Result<String, Exit> {
    let wrong = |w: OsString| Exit::Usage(format!("not UTF-8: {}", to_safe(w.as_encoded_bytes())));
    written.into_string().map_err(wrong)
}

fn count(written: &str) -> Result<usize, String> {
    written.parse().map_err(|_| "takes a whole number".into())
}

fn size(written: &str) -> Result<usize, String> {
    match written.parse() {
        Ok(size @ 1..=limits::LARGEST) => Ok(size),
        _ => Err("takes a number of bytes, 1 or more and at most 256 MiB".into()),
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
            ..Limits::default()
        },
        notices: Some(sender.clone()),
        quiet: flags.quiet,
    };
    let signals = Signals::new([Signal::Int, Signal::Term]).map_err(Exit::Failed)?;
    let server = Server::bind(config).map_err(Exit::Failed)?;
    say(&started(&server, flags.max_connections));
    let (stop, stopped) = async_channel::bounded(1);
    let logged = spawn_log(notices).map_err(Exit::Failed)?;
    spawn_signals(signals, stop).map_err(Exit::Failed)?;
    smol::block_on(async {
        server.run(async { _ = stopped.recv().await }).await;
        sender.close();
        // Whoever does not read the log has had his time.
        let long_enough = async { _ = Timer::after(LOG_FAREWELL).await };
        async { _ = logged.recv().await }.or(long_enough).await;
    });
    Ok(())
}

/// How long the server waits at its end for the log to be written.
const LOG_FAREWELL: Duration = Duration::from_millis(500);

fn started(server: &Server, wanted: usize) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let possible = server.max_connections();
    let mut lines = format!("smoltalkd {version}, up to {possible} connections\n");
    if wanted > possible {
        let _ = writeln!(
            lines,
            "--max-connections {wanted} is more than the descriptor limit allows: {possible}"
        );
    }
    for address in server.addresses() {
        let _ = writeln!(lines, "listening on {address}");
    }
    lines
}

/// Stops the server at the first signal; ends at once at the second.
///
/// On a thread of its own: beside the server in one future, the signals' pipe would be read each
/// time anything happens in the room.
fn spawn_signals(mut signals: Signals, stop: Sender<()>) -> io::Result<()> {
    let wait = async move {
        signals.next().await;
        stop.close();
        signals.next().await;
        std::process::exit(1);
    };
    thread::Builder::new().name("signals".into()).spawn(|| future::block_on(wait)).map(drop)
}

/// Writes notices to standard error, until there will be no more; what is returned is closed then.
///
/// On a thread of its own: a terminal or pipe that is not read must not stop the room.
fn spawn_log(notices: Receiver<Notice>) -> io::Result<Receiver<()>> {
    let (done, logged) = async_channel::bounded(1);
    let write = move || {
        let _done: Sender<()> = done;
        while let Ok(notice) = notices.recv_blocking() {
            // Several at a time: a storm of arrivals is not to cost a system call for each.
            thread::sleep(LOG_PAUSE);
            let mut lines = format!("{notice}\n");
            while let Ok(notice) = notices.try_recv() {
                let _ = writeln!(lines, "{notice}");
            }
            say(&lines);
        }
    };
    thread::Builder::new().name("log".into()).spawn(write)?;
    Ok(logged)
}

/// How long notices gather before they are written.
const LOG_PAUSE: Duration = Duration::from_millis(10);

/// Writes to standard error. A closed one does not matter.
fn say(lines: &str) {
    let _ = io::stderr().write_all(lines.as_bytes());
}
