//! The client: connects, joins, sends what is typed and shows what is said.
//!
//! Read `session` first: it is the conversation. `flags` is how it is started, `typed` is the grammar
//! of what is typed, and `console` is where it is held: on `terminal` by a person; in pipes `input`
//! and `screen` are its two ends, `show` the look of the second and `json` what scripts see instead; `page` is what it is written
//! to. `direct` is `smoltalk direct`: the other conversation, of two. `failure` is how either may end, and
//! `wait` what may end it.

mod console;
mod direct;
mod failure;
mod flags;
mod input;
mod json;
mod page;
mod payload;
mod screen;
mod session;
mod show;
mod terminal;
mod typed;
mod wait;

#[cfg(test)]
#[path = "../../../tests/screen/mod.rs"]
mod terminal_model;

use failure::Failure;
use flags::Start;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = match flags::read() {
        Ok(Start::Talk(config)) => smol::block_on(session::run(&config)),
        Ok(Start::Direct(config)) => smol::block_on(direct::run(&config)),
        Ok(Start::Print(text)) => {
            // Whoever closed standard output does not want to read it.
            let _ = writeln!(io::stdout(), "{text}");
            Ok(())
        }
        Err(usage) => Err(Failure::Usage(usage)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "smoltalk: {failure}");
            failure.exit_code()
        }
    }
}
