//! What an operator may ask for, a line each. Pure: no socket, no clock.

use crate::limits;
use crate::protocol::{Name, Refusal, length, word};
use crate::server::bans::Net;
use std::net::SocketAddr;
use std::time::Duration;

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order<'a> {
    /// How the server stands.
    Status,
    /// Who is in.
    Who,
    /// Put a member out, and say why.
    Kick(Name, &'a [u8]),
    /// Keep a net out, for so many seconds or for ever.
    Ban(Net, Option<u64>),
    /// Let it in again.
    Unban(Net),
    /// Which nets are kept out.
    Bans,
    /// Say something to all.
    Note(&'a [u8]),
    /// End, and say goodbye to all within that time.
    Drain(Option<Duration>),
    /// What there is.
    Help,
}

/// Why an order is not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no such order.
    UnknownCommand,
    /// Nobody here has that name.
    NoSuchMember,
    /// What follows the order is not what it takes, which is this.
    BadArgument(&'static str),
    /// The line is too long.
    TooLong,
    /// It cannot be done now; the log says why.
    Failed,
    /// The same, because nobody would hear of it.
    OutOfReach,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLong => Self::TooLong,
            Refusal::NoSuchMember => Self::NoSuchMember,
            other => Self::BadArgument(other.explanation()),
        }
    }
}

impl Fault {
    /// The code, for programs, and what it says to a person.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::UnknownCommand => ("unknown-command", "HELP says what there is"),
            Self::NoSuchMember => ("no-such-member", "nobody here has that name"),
            Self::BadArgument(takes) => ("bad-argument", takes),
            Self::TooLong => ("too-long", "a line has at most 4096 bytes"),
            Self::Failed => ("failed", "it could not be done; the log says why"),
            Self::OutOfReach => ("failed", "the log is out of reach: try again when it is back"),
        }
    }
}

/// What HELP answers, a line each.
pub const HELP: [&str; 9] = [
    "STATUS               how the server stands",
    "WHO                  who is in: name, address, seconds, bytes that wait",
    "KICK <name> [reason] put a member out",
    "BAN <net> [secs]     keep out an address, be it with its port, or a net: 10.0.0.7, 2001:db8::/32",
    "UNBAN <net>          let just that one in again",
    "BANS                 who is kept out: net, seconds left or -",
    "NOTE <text>          say something to all",
    "DRAIN [secs]         end; goodbyes are spread over so many seconds",
    "HELP                 this",
];

const KICK: &str = "KICK <name> [reason]";
const BAN: &str = "BAN <address or net> [seconds, 1 or more, at most a hundred years]";
const NET: &str = "this is no address or net, as 10.0.0.7, 10.0.0.0/8 and 2001:db8::/32 are";
const SECONDS: &str = "seconds are a number, 1 or more, at most a hundred years: 3600, not 1h";
const UNBAN: &str = "UNBAN <address or net>";
const NOTE: &str = "NOTE <text>";
const DRAIN: &str = "DRAIN [secs], at most a year";

impl<'a> Order<'a> {
    /// Reads a line. Verbs are read in any case, and what follows HELP is passed over.
    pub fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        let (verb, rest) = word(line);
        Ok(match verb.to_ascii_uppercase().as_slice() {
            b"STATUS" => alone(rest, "STATUS takes nothing more").map(|()| Self::Status)?,
            b"WHO" => alone(rest, "WHO takes nothing more").map(|()| Self::Who)?,
            b"HELP" => Self::Help,
            b"KICK" => {
                let (name, reason) = argument(rest).ok_or(Fault::BadArgument(KICK))?;
                Self::Kick(Name::new(name).ok_or(Fault::NoSuchMember)?, reason)
            }
            b"BANS" => alone(rest, "BANS takes nothing more").map(|()| Self::Bans)?,
            b"BAN" => {
                let (net, behind) = argument(rest).ok_or(Fault::BadArgument(BAN))?;
                let net = read_net(net).ok_or(Fault::BadArgument(NET))?;
                let seconds = match behind {
                    b"" => None,
                    digits => {
                        let seconds = length(digits).filter(|n| (1..=limits::BAN).contains(n));
                        Some(seconds.ok_or(Fault::BadArgument(SECONDS))?)
                    }
                };
                Self::Ban(net, seconds)
            }
            b"UNBAN" => {
                let net = argument(rest).filter(|(_, behind)| behind.is_empty());
                let (net, _) = net.ok_or(Fault::BadArgument(UNBAN))?;
                Self::Unban(read_net(net).ok_or(Fault::BadArgument(NET))?)
            }
            b"NOTE" => {
                argument(rest).ok_or(Fault::BadArgument(NOTE))?;
                Self::Note(rest)
            }
            b"DRAIN" => Self::Drain(match argument(rest) {
                None => None,
                Some((secs, b"")) => Some(seconds(secs).ok_or(Fault::BadArgument(DRAIN))?),
                Some(_) => return Err(Fault::BadArgument(DRAIN)),
            }),
            _ => return Err(Fault::UnknownCommand),
        })
    }
}

/// Fails where something follows an order that takes nothing.
fn alone(rest: &[u8], takes: &'static str) -> Result<(), Fault> {
    if argument(rest).is_some() { Err(Fault::BadArgument(takes)) } else { Ok(()) }
}

/// The first word of what follows an order, if there is any, and what comes behind it.
fn argument(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, behind) = word(rest.trim_ascii());
    (!first.is_empty()).then_some((first, behind.trim_ascii()))
}

/// A net; or the address that WHO has shown, with a port, which the next connection from there has not.
fn read_net(written: &[u8]) -> Option<Net> {
    let written = str::from_utf8(written).ok()?;
    let address = || written.parse().ok().map(|at: SocketAddr| Net::from(at.ip()));
    written.parse().ok().or_else(address)
}

fn seconds(written: &[u8]) -> Option<Duration> {
    str::from_utf8(written).ok().and_then(limits::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_in_any_case_and_with_what_follows_them() {
        let ada = Name::new(b"ada").expect("a name");
        let net = |written: &str| written.parse().expect("a net");
        for (line, order) in [
            ("STATUS", Order::Status),
            ("status  ", Order::Status),
            ("Who", Order::Who),
            ("HELP me", Order::Help),
            ("KICK ada", Order::Kick(ada, b"")),
            ("kick  ada  too loud ", Order::Kick(ada, b"too loud")),
            ("NOTE  back soon", Order::Note(b" back soon")),
            ("BAN 10.0.0.7", Order::Ban(net("10.0.0.7"), None)),
            ("ban 10.1.2.3/8 60", Order::Ban(net("10.0.0.0/8"), Some(60))),
            ("BAN 10.0.0.7:50312 9", Order::Ban(net("10.0.0.7"), Some(9))),
            ("BAN [2001:db8::7]:50312", Order::Ban(net("2001:db8::7"), None)),
            ("BAN [fe80::7%2]:50312", Order::Ban(net("fe80::7"), None)),
            ("BAN [::ffff:10.0.0.7]:1", Order::Ban(net("10.0.0.7"), None)),
            ("BAN 10.0.0.7 3155760000", Order::Ban(net("10.0.0.7"), Some(3_155_760_000))),
            ("UNBAN 10.0.0.7:50312", Order::Unban(net("10.0.0.7"))),
            ("UNBAN 2001:db8::/32", Order::Unban(net("2001:db8::/32"))),
            ("BANS", Order::Bans),
            ("DRAIN", Order::Drain(None)),
            ("DRAIN ", Order::Drain(None)),
            ("DRAIN 0", Order::Drain(Some(Duration::ZERO))),
            ("drain 1.5", Order::Drain(Some(Duration::from_millis(1500)))),
        ] {
            assert_eq!(Order::parse(line.as_bytes()), Ok(order), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_by_one_code() {
        for (line, code) in [
            (&b"SHUTDOWN"[..], "unknown-command"),
            (b" STATUS", "unknown-command"),
            (b"\0", "unknown-command"),
            (b"STATUS\0", "unknown-command"),
            (b"\xff\xfe", "unknown-command"),
            (b"STATUS now", "bad-argument"),
            (b"who ada", "bad-argument"),
            (b"BANS 10.0.0.1", "bad-argument"),
            (b"KICK", "bad-argument"),
            (b"KICK ", "bad-argument"),
            (b"KICK a/b", "no-such-member"),
            (b"BAN", "bad-argument"),
            (b"BAN ada", "bad-argument"),
            (b"BAN 10.0.0.1/33", "bad-argument"),
            (b"BAN 10.0.0.1 0", "bad-argument"),
            (b"BAN 10.0.0.1 soon", "bad-argument"),
            (b"BAN 10.0.0.1 3155760001", "bad-argument"),
            (b"BAN 10.0.0.1 99999999999999999999", "bad-argument"),
            (b"BAN 10.0.0.1:99999", "bad-argument"),
            (b"BAN 10.0.0.1/8:9", "bad-argument"),
            (b"BAN unix", "bad-argument"),
            (b"BAN 10.0.0.1 1 2", "bad-argument"),
            (b"UNBAN", "bad-argument"),
            (b"UNBAN 10.0.0.1 1", "bad-argument"),
            (b"NOTE", "bad-argument"),
            (b"NOTE  ", "bad-argument"),
            (b"DRAIN soon", "bad-argument"),
            (b"DRAIN -1", "bad-argument"),
            (b"DRAIN 1 2", "bad-argument"),
            (b"DRAIN 31536001", "bad-argument"),
        ] {
            let fault = Order::parse(line).expect_err("a fault");
            assert_eq!(fault.words().0, code, "{}", line.escape_ascii());
        }
    }
}
