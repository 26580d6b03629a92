//! The server as a program: flags, sockets, signals, the log, the exit code.

mod flags;
mod log;
mod signals;

use flags::Start;
use log::{Log, say};
use smoltalk::limits;
use smoltalk::server::{Config, Server, raise_descriptor_limit};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    match flags::read() {
        Ok(Start::Serve(config)) => match serve(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string(), 1),
        },
        Ok(Start::Print(text)) => {
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(usage) => complain(&usage, 2),
    }
}

fn complain(error: &str, code: u8) -> ExitCode {
    say(&format!("smoltalkd: {error}\n"));
    ExitCode::from(code)
}

/// Serves until a signal comes.
fn serve(mut config: Config) -> io::Result<()> {
    raise_descriptor_limit();
    let farewell = log::farewell(config.limits.shutdown_timeout);
    config.limits.shutdown_timeout -= farewell;
    let wanted = config.limits.max_connections;
    let (notices, noticed) = async_channel::bounded(limits::NOTICES);
    let signals = signals::catch()?;
    let _oversize = signals::survive_oversize()?;
    let server = Server::bind(Config { notices: Some(notices.clone()), ..config })?;
    let (stop, stopped) = async_channel::bounded(1);
    signals::obey(signals, stop)?;
    let log = Log::begin(first_lines(&server, wanted), noticed)?;
    smol::block_on(async {
        let ended = server.run(async { _ = stopped.recv().await }).await;
        notices.close();
        log.end(farewell).await;
        ended
    })
}

/// What the log begins with: how many connections it can be, and where it listens.
fn first_lines(server: &Server, wanted: usize) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let possible = server.max_connections();
    let mut lines = format!("smoltalkd {version}, up to {possible} connections\n");
    if wanted > possible {
        let why = "is more than the descriptor limit allows";
        let _ = writeln!(lines, "--max-connections {wanted} {why}: {possible}");
    }
    for address in server.addresses() {
        let _ = writeln!(lines, "listening on {address}");
    }
    lines
}
