//! The client: connects, joins, sends what is typed and shows what is said.
//!
//! Read `session` first: it is the conversation. `flags` is how it is started, `typed` is the grammar
//! of what is typed, and `console` is where it is held: on `terminal` by a person; in pipes `input`
//! and `screen` are its two ends, `show` the look of the second and `json` what scripts see instead.
//! `direct` is `smoltalk direct`: the other conversation, of two.

mod console;
mod direct;
mod flags;
mod input;
mod json;
mod payload;
mod screen;
mod session;
mod show;
mod terminal;
mod typed;

#[cfg(test)]
#[path = "../../../tests/screen/mod.rs"]
mod terminal_model;

use flags::{Config, Start};
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match flags::read() {
        Ok(Start::Talk(config)) => talk(&config),
        Ok(Start::Direct(config)) => direct(&config),
        // Whoever closed standard output does not want to read it.
        Ok(Start::Print(text)) => {
            let _ = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(usage) => fail(&usage, Exit::Usage),
    }
}

/// What the exit code says to a script.
#[derive(Debug, Clone, Copy)]
enum Exit {
    Left = 0,
    Lost = 1,
    Usage = 2,
    Refused = 3,
}

fn talk(config: &Config) -> ExitCode {
    match smol::block_on(session::run(config)) {
        Ok(()) => ExitCode::from(Exit::Left as u8),
        Err(failure) => {
            let exit = match failure {
                session::Failure::Usage(_) => Exit::Usage,
                session::Failure::Refused(_) => Exit::Refused,
                _ => Exit::Lost,
            };
            fail(&failure.to_string(), exit)
        }
    }
}

fn direct(config: &direct::Config) -> ExitCode {
    match smol::block_on(direct::run(config)) {
        Ok(()) => ExitCode::from(Exit::Left as u8),
        Err(failure) => {
            let exit = match failure {
                direct::Failure::Refused(_) => Exit::Refused,
                _ => Exit::Lost,
            };
            fail(&failure.to_string(), exit)
        }
    }
}

fn fail(why: &str, exit: Exit) -> ExitCode {
    let _ = writeln!(io::stderr(), "smoltalk: {why}");
    ExitCode::from(exit as u8)
}
