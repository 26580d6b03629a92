//! The server as a program: flags, sockets, signals, the log, the exit code.

mod flags;
mod health;
mod log;
mod record;
mod signals;
mod systemd;

use flags::{Service, Start};
use log::{Log, say};
use record::{Level, Style};
use smoltalk::limits;
use smoltalk::program::HINT;
use smoltalk::server::{Config, Server, raise_descriptor_limit};
use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    match flags::read() {
        Ok(Start::Serve(service)) => match serve(*service) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string(), 1),
        },
        Ok(Start::Ask(address)) => match health::ask(&address) {
            Ok(answer) => print(&answer),
            Err(error) => complain(&error, 1),
        },
        Ok(Start::Print(text)) => print(&text),
        Err(usage) => complain(&format!("{usage} ({HINT})"), 2),
    }
}

fn print(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn complain(error: &str, code: u8) -> ExitCode {
    let mark = if systemd::has_log() { Level::Error.mark() } else { "" };
    say(&format!("{mark}smoltalkd: {error}\n"));
    ExitCode::from(code)
}

/// Serves until a signal comes.
fn serve(service: Service) -> io::Result<()> {
    let Service { mut config, form } = service;
    let sockets = systemd::take_sockets()?;
    raise_descriptor_limit();
    let farewell = log::farewell(config.limits.shutdown_timeout);
    config.limits.shutdown_timeout -= farewell;
    let wanted = config.limits.max_connections;
    let (notices, noticed) = async_channel::bounded(limits::NOTICES);
    let signals = signals::catch()?;
    let _oversize = signals::survive_oversize()?;
    let (reload, reloads) = async_channel::bounded(1);
    let told = Some(notices.clone());
    let mut server = Server::bind(Config { notices: told, reload: Some(reloads), ..config })?;
    server.adopt(sockets)?;
    let (stop, stopped) = async_channel::bounded(1);
    signals::obey(signals, stop, reload)?;
    let style = Style { form, has_marks: systemd::has_log() };
    let log = Log::begin(record::beginning(&server, wanted, style), noticed, style)?;
    smol::block_on(async {
        let ended = server.run(async { _ = stopped.recv().await }).await;
        notices.close();
        log.end(farewell).await;
        ended
    })
}
