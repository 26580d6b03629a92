//! How the log is written: as lines for people, or as JSON for programs.

use smoltalk::server::{Notice, Peer, Server};
use std::fmt::{Display, Write as _};
use std::time::{Duration, SystemTime};

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A sentence a line.
    Text,
    /// An object a line.
    Json,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
    Info,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// The same where the log is the journal of systemd: see `sd-daemon(3)`.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Error => "<3>",
            Self::Warning => "<4>",
            Self::Info => "<6>",
        }
    }
}

/// How lines are written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// In which form.
    pub form: Form,
    /// Each begins with the mark of its level.
    pub has_marks: bool,
}

impl Style {
    /// Appends a line.
    fn line(self, text: &dyn Display, what: (Level, &str), fields: &Fields<'_>, out: &mut String) {
        if self.has_marks {
            out.push_str(what.0.mark());
        }
        match self.form {
            Form::Text => _ = writeln!(out, "{text}"),
            Form::Json => push_object(what, fields, out),
        }
    }
}

/// What the log begins with: how many connections it can be, and where the server listens.
pub fn beginning(server: &Server, wanted: usize, style: Style) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let possible = server.max_connections();
    let mut log = Beginning { lines: String::new(), style };
    log.line(
        &format!("smoltalkd {version}, up to {possible} connections"),
        (Level::Info, "start"),
        &[("version", Value::Text(version)), ("connections", Value::Number(possible))],
    );
    if wanted > possible {
        let why = "is more than the descriptor limit allows";
        log.line(
            &format!("--max-connections {wanted} {why}: {possible}"),
            (Level::Warning, "max-connections"),
            &[("wanted", Value::Number(wanted)), ("connections", Value::Number(possible))],
        );
    }
    for address in server.addresses() {
        log.address("listening", &address.to_string());
    }
    for address in server.metrics() {
        log.address("metrics", &address.to_string());
    }
    if let Some(path) = server.control() {
        log.address("control", &path.display().to_string());
    }
    log.lines
}

struct Beginning {
    lines: String,
    style: Style,
}

impl Beginning {
    fn line(&mut self, text: &str, what: (Level, &str), fields: &Fields<'_>) {
        self.style.line(&text, what, fields, &mut self.lines);
    }

    fn address(&mut self, event: &str, address: &str) {
        let text = format!("{event} on {address}");
        self.line(&text, (Level::Info, event), &[("address", Value::Text(address))]);
    }
}

/// Appends the line of a notice.
pub fn push(notice: &Notice, style: Style, out: &mut String) {
    describe(notice, &mut |level, event, fields| style.line(notice, (level, event), fields, out));
}

/// Says of a notice how much it matters, what it is, and what belongs to that.
fn describe(notice: &Notice, object: &mut dyn FnMut(Level, &str, &Fields<'_>)) {
    use Level::{Error, Info, Warning};
    use Value::{Number, Text};
    match notice {
        Notice::Joined(name, peer, members) => object(
            Info,
            "joined",
            &[
                ("name", Text(name.as_str())),
                ("address", Text(&peer.word())),
                ("members", Number(*members)),
            ],
        ),
        Notice::Resumed(name, peer) => object(
            Info,
            "resumed",
            &[("name", Text(name.as_str())), ("address", Text(&peer.word()))],
        ),
        Notice::Left(name, closed, members) => object(
            Info,
            "left",
            &[
                ("name", Text(name.as_str())),
                ("reason", Text(closed.why())),
                ("members", Number(*members)),
            ],
        ),
        Notice::SentAway(peer, closed) => refused(object, Info, *peer, closed.why(), ""),
        Notice::Full(peer, full) => refused(object, Warning, *peer, "full", &full.to_string()),
        Notice::Refused(peer, refusal, why) => refused(object, Info, *peer, refusal.code(), why),
        #[cfg(feature = "tls")]
        Notice::NoTls(peer, why) => refused(object, Info, *peer, "no-tls", why),
        #[cfg(feature = "tls")]
        Notice::NoCertificate(peer, why) => refused(object, Info, *peer, "certificate", why),
        Notice::LockedOut(from) => object(
            Warning,
            "locked-out",
            &[("address", Text(&from.to_string())), ("text", Text(&notice.to_string()))],
        ),
        #[cfg(feature = "tls")]
        Notice::EarlyCertificate { not_before, .. } => {
            let mut begins = String::new();
            push_time(*not_before, &mut begins);
            let text = notice.to_string();
            object(Error, "certificate", &[("begins", Text(&begins)), ("text", Text(&text))]);
        }
        #[cfg(feature = "tls")]
        Notice::NeverCertificate => {
            object(Error, "certificate", &[("text", Text(&notice.to_string()))]);
        }
        #[cfg(feature = "tls")]
        Notice::Certificate { not_after, now } => {
            let level = if not_after < now { Error } else { Warning };
            let mut expires = String::new();
            push_time(*not_after, &mut expires);
            let text = notice.to_string();
            object(level, "certificate", &[("expires", Text(&expires)), ("text", Text(&text))]);
        }
        Notice::Log(text) => object(Warning, "log", &[("text", Text(text))]),
        Notice::Journal(text) => object(Warning, "journal", &[("text", Text(text))]),
        Notice::Access(text) => object(Warning, "access", &[("text", Text(text))]),
        Notice::ReadAgain(what) => object(Info, "read-again", &[("what", Text(what))]),
        Notice::CannotAccept(text) => object(Error, "cannot-accept", &[("text", Text(text))]),
        Notice::CutShort(connections) => {
            object(Warning, "cut-short", &[("connections", Number(*connections))]);
        }
        Notice::Operator(order) => object(Info, "operator", &[("order", Text(order))]),
        Notice::Supervisor(text) => object(Warning, "supervisor", &[("text", Text(text))]),
        Notice::Lost(lost) => object(Warning, "lost", &[("lines", Number(*lost))]),
    }
}

/// Says of somebody that was not let in, or did not get what it asked for, why; in a text as well, if there is one.
fn refused(
    object: &mut dyn FnMut(Level, &str, &Fields<'_>),
    level: Level,
    peer: Peer,
    reason: &str,
    text: &str,
) {
    let address = peer.word();
    let fields = [
        ("address", Value::Text(&address)),
        ("reason", Value::Text(reason)),
        ("text", Value::Text(text)),
    ];
    object(level, "refused", &fields[..2 + usize::from(!text.is_empty())]);
}

type Fields<'a> = [(&'a str, Value<'a>)];

/// What a field holds.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Number(usize),
}

fn push_object((level, event): (Level, &str), fields: &Fields<'_>, out: &mut String) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    out.push_str("{\"time\":\"");
    push_time(now, out);
    let level = level.word();
    let _ = write!(out, "\",\"level\":\"{level}\",\"event\":\"{event}\"");
    for (key, value) in fields {
        let _ = write!(out, ",\"{key}\":");
        match value {
            Value::Number(number) => _ = write!(out, "{number}"),
            Value::Text(text) => push_text(text, out),
        }
    }
    out.push_str("}\n");
}

fn push_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a time since 1970 as RFC 3339 writes it, to the millisecond.
fn push_time(time: Duration, out: &mut String) {
    let seconds = time.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
        time.subsec_millis()
    );
}

/// The date so many days after 1970-01-01.
///
/// Years are counted from March on, so that the odd day is a year's last, and in eras of 400 years, which all have as many days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, turn) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year + turn, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (11_322, (2000, 12, 31)),
            (20_779, (2026, 11, 22)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
        let mut time = String::new();
        push_time(Duration::from_millis(1_795_307_868_007), &mut time);
        assert_eq!(time, "2026-11-22T00:37:48.007Z");
    }

    #[test]
    fn text_is_json_whatever_is_in_it() {
        let mut out = String::new();
        push_text("a \"b\" \\ \t\u{1b} ␛ é", &mut out);
        assert_eq!(out, r#""a \"b\" \\ \u0009\u001b ␛ é""#);
        let read: String = serde_json::from_str(&out).expect("JSON");
        assert_eq!(read, "a \"b\" \\ \t\u{1b} ␛ é");
    }
}
