//! The client: connects, joins, sends what is typed and shows what is said.
//!
//! Read `room` first: it is the conversation. `direct` is `smoltalk direct`, the other one, of two.
//! Both are held at the console of `ui`. `flags` and `start` are how they are started, `wait` what may
//! end them, and `failure` how.

mod direct;
mod failure;
mod flags;
mod room;
mod start;
mod ui;
mod wait;

#[cfg(test)]
#[path = "../../../tests/screen/mod.rs"]
mod terminal_model;

use failure::Failure;
use smol::Timer;
use smoltalk::limits;
use smoltalk::program::in_words;
use start::Start;
use std::io::{self, Write};
use std::process::ExitCode;
use ui::Patient;
use wait::unless;

fn main() -> ExitCode {
    let ended = match flags::read() {
        Ok(Start::Talk(visit)) => smol::block_on(room::run(&visit)),
        Ok(Start::Direct(call)) => smol::block_on(direct::run(&call)),
        Ok(Start::Print(text)) => {
            // Whoever closed standard output does not want to read it.
            let _ = writeln!(Patient(io::stdout()), "{text}");
            Ok(())
        }
        Err(usage) => Err(Failure::Usage(usage)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_said() => failure.exit_code(),
        Err(failure) => {
            let said = in_words(&format!("smoltalk: {failure}"));
            let said = smol::unblock(move || writeln!(Patient(io::stderr()), "{said}"));
            // Nobody may read it.
            smol::block_on(unless(Timer::after(limits::GOODBYE), said));
            failure.exit_code()
        }
    }
}
