//! What the command line of `smoltalk direct` asks for.

use super::{Call, Whom};
use crate::start::{Given, Start, version};
use argh::{ArgsInfo, FromArgs};
use smoltalk::program::plain;
use smoltalk::protocol::Name;
use smoltalk::protocol::text::to_safe;
use std::ffi::OsString;

const DEFAULT: &str = "127.0.0.1:7879";

/// Talk to one other program, without a server. Each message is acknowledged.
#[allow(clippy::struct_excessive_bools)]
#[derive(FromArgs, ArgsInfo)]
#[argh(
    help_triggers("-h", "--help"),
    usage = "--listen [<addr>] [<option>...]\n       {command_name} <host:port> [<option>...]",
    example = "{command_name} --listen --whole --once >copy          here\n\
               {command_name} --whole 127.0.0.1:7879 <file           there",
    note = "A typed line is a message, and so is each line of a pipe. What comes goes to\n\
            standard output byte for byte; on a terminal it is made safe to print. A\n\
            message with no LF in it was a line, and has its LF put back.",
    note = "A message is acknowledged once it has been printed, or written to standard\n\
            output. Then its sender is shown the round trip, in a pipe on standard error.",
    note = "The side that listens talks to one peer at a time, and waits for the next when\n\
            it has gone. The side that calls leaves when its standard input has ended and\n\
            all of it is acknowledged. SMOLTALK_USERNAME stands in for its flag.",
    error_code(0, "left, and every message sent was acknowledged"),
    error_code(1, "cannot connect or listen, or not every message was acknowledged"),
    error_code(2, "called wrongly"),
    error_code(3, "the other side is busy")
)]
struct Flags {
    /// wait for peers, at 127.0.0.1:7879 unless told otherwise; port 0 takes a free one
    #[argh(option, arg_name = "addr")]
    listen: Option<String>,
    /// with --listen: talk to one peer, and leave when it has gone
    #[argh(switch)]
    once: bool,
    /// what the other side is told to call you; without one, it sees your address
    #[argh(option, short = 'u', arg_name = "name")]
    username: Option<String>,
    /// all of standard input is one message; nothing is added to what is received
    #[argh(switch)]
    whole: bool,
    /// keep listening after standard input has ended
    #[argh(switch)]
    stay: bool,
    /// print the version
    #[argh(switch, short = 'V')]
    version: bool,
    /// whom to call
    #[argh(positional, arg_name = "host:port")]
    call: Option<String>,
}

const PLACE: &str = "host:port, or [v6]:port";
const NAME: &str = "a name: 1 to 32 of A-Z a-z 0-9 _ - .";

/// What each flag takes, as a usage error says it.
const TAKES: [(&str, &str); 3] = [("--listen", PLACE), ("-u", NAME), ("--username", NAME)];

/// Reads what follows `direct`; or says what is wrong with it, in one line.
pub fn start(args: &[String], env: impl Fn(&str) -> Option<OsString>) -> Result<Start, String> {
    let info = Flags::get_args_info();
    let args = plain(args, info.flags, &[("--listen", DEFAULT)])?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let given = Given { takes: &TAKES, info: &info, env };
    let flags = match Flags::from_args(&["smoltalk direct"], &args) {
        Ok(flags) if flags.version => return Ok(version()),
        Ok(flags) => flags,
        Err(early) => return given.instead(&early),
    };
    let name = |name: &str| Name::new(name.as_bytes());
    let name = given.either("--username", flags.username, "SMOLTALK_USERNAME", name)?;
    let listen = flags.listen.map(|at| place("--listen", &at)).transpose()?;
    let call = flags.call.map(|at| place("smoltalk direct", &at)).transpose()?;
    let whom = match (listen, call) {
        (None, Some(_)) if flags.once => return Err("--once belongs to --listen".into()),
        (Some(at), None) => Whom::Listen(at.0, at.1),
        (None, Some((_, 0))) => return Err("nobody can be called at port 0".into()),
        (None, Some(at)) => Whom::Call(at.0, at.1),
        _ => return Err(format!("smoltalk direct takes {PLACE} to call, or --listen")),
    };
    let Flags { whole, stay, once, .. } = flags;
    Ok(Start::Direct(Call { whom, name, whole, stay, once }))
}

fn place(source: &str, value: &str) -> Result<(String, u16), String> {
    let given = to_safe(value.as_bytes());
    parts(value).ok_or_else(|| format!("{source} takes {PLACE}, not \"{given}\""))
}

fn parts(value: &str) -> Option<(String, u16)> {
    let (host, port) = value.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = bracketed.or((!host.contains([':', '[', ']'])).then_some(host))?;
    Some((host.to_string(), port.parse().ok()?)).filter(|_| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(args: &[&str], env: Option<&str>) -> Result<Call, String> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let env = |name: &str| env.filter(|_| name == "SMOLTALK_USERNAME").map(OsString::from);
        match start(&args, env)? {
            Start::Direct(call) => Ok(call),
            Start::Print(text) => Err(text),
            Start::Talk(_) => panic!("a room"),
        }
    }

    fn listen(host: &str, port: u16) -> Whom {
        Whom::Listen(host.into(), port)
    }

    #[test]
    fn listen_has_an_address_or_none() {
        for (args, whom) in [
            (&["--listen"][..], listen("127.0.0.1", 7879)),
            (&["--listen", "--whole"], listen("127.0.0.1", 7879)),
            (&["--listen", "0.0.0.0:0"], listen("0.0.0.0", 0)),
            (&["--listen=[::1]:80", "--stay"], listen("::1", 80)),
            (&["--whole", "localhost:80"], Whom::Call("localhost".into(), 80)),
        ] {
            assert_eq!(started(args, None).map(|call| call.whom), Ok(whom), "{args:?}");
        }
    }

    #[test]
    fn a_name_comes_from_the_flag_or_the_environment() {
        let named = |args: &[&str], env| started(args, env).map(|call| call.name);
        let name = |name: &str| Ok(Name::new(name.as_bytes()));
        assert_eq!(named(&["h:1"], None), Ok(None));
        assert_eq!(named(&["h:1"], Some("eve")), name("eve"));
        assert_eq!(named(&["h:1", "-u", "ada"], Some("e v e")), name("ada"));
    }

    #[test]
    fn a_usage_error_is_one_line_that_says_what_is_taken() {
        for (args, words) in [
            (&[][..], "takes host:port, or [v6]:port to call, or --listen"),
            (&["h:1", "--listen"], "takes host:port"),
            (&["h:1", "i:2"], "i:2"),
            (&["h"], "smoltalk direct takes host:port, or [v6]:port, not \"h\""),
            (&["::1:80"], "takes host:port"),
            (&[":80"], "takes host:port"),
            (&["h:0"], "port 0"),
            (&["h:65536"], "takes host:port"),
            (&["--listen", "7879"], "--listen takes host:port, or [v6]:port, not \"7879\""),
            (&["--listen", "unix:x"], "--listen takes host:port"),
            (&["--listen="], "--listen takes host:port"),
            (&["h:1", "-u", "a b"], "--username takes a name: 1 to 32"),
            (&["h:1", "-u"], "-u takes a name: 1 to 32"),
            (&["h:1", "--whole=yes"], "yes"),
            (&["h:1", "--host", "h"], "--host"),
        ] {
            let error = started(args, None).expect_err("a usage error");
            assert!(error.contains(words) && error.lines().count() == 1, "{args:?}: {error}");
        }
        let by_env = started(&["h:1"], Some("a\nb")).expect_err("a usage error");
        assert!(by_env.starts_with("SMOLTALK_USERNAME takes a name"), "{by_env}");
    }

    #[test]
    fn help_and_version_are_printed() {
        for help in ["-h", "--help"] {
            let help = started(&[help], None).expect_err("help");
            for word in ["--listen", "-u, --username", "--whole", "--stay", "host:port", "busy"] {
                assert!(help.contains(word), "{word}: {help}");
            }
        }
        assert!(started(&["--version"], None).is_err_and(|text| text.starts_with("smoltalk ")));
    }
}
