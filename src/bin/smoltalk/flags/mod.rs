//! What the process was started with: a `room`'s flags, those of `direct`, and what the two have in
//! `common`.

mod common;
mod direct;
mod room;

pub use common::Start;

use smoltalk::protocol::text::to_safe;
use std::env;
use std::ffi::OsString;

/// What to do; or what is wrong with what was asked for, in one line.
pub fn read() -> Result<Start, String> {
    let args = env::args_os().skip(1).map(unicode).collect::<Result<Vec<_>, _>>()?;
    let env = |variable: &str| env::var_os(variable);
    match args.split_first() {
        Some((word, args)) if word == "direct" => direct::start(args, env),
        _ => room::start(&args, env),
    }
}

fn unicode(arg: OsString) -> Result<String, String> {
    arg.into_string().map_err(|arg| format!("not valid UTF-8: {}", to_safe(arg.as_encoded_bytes())))
}
