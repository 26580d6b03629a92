//! What `--json` shows: one object a line. Pure; `docs/json.md` is the public text of it.

use super::payload;
use super::when::rfc3339;
use smoltalk::client::{Error, Event};
use smoltalk::protocol::{Id, Name};
use std::fmt::{Display, Write};
use std::time::{Duration, SystemTime};

/// The line that shows `event`, which is at this place in the room's order, if the server says it; `None`
/// where it says nothing to a script.
pub fn event(now: SystemTime, id: Option<Id>, event: &Event) -> Option<String> {
    let object = |kind| match id {
        Some(id) => Object::new(now, kind).text("id", id),
        None => Object::new(now, kind),
    };
    Some(match event {
        Event::Ok { name, members } => ok(now, name, *members),
        Event::Msg { from, text } => object("msg").text("name", from).text("text", text).line(),
        Event::Data { from, bytes } => {
            let said = object("msg").text("name", from);
            match payload::whole(bytes) {
                Some(text) => said.text("text", text).line(),
                None => said.text("data", base64(bytes)).line(),
            }
        }
        Event::Tell { from, text } => object("tell").text("name", from).text("text", text).line(),
        Event::Note(text) => object("note").text("text", text).line(),
        Event::Joined(name) => object("joined").text("name", name).line(),
        Event::Left { name, reason } => {
            object("left").text("name", name).text("reason", reason).line()
        }
        Event::Who(names) => object("who").texts("members", names).line(),
        Event::Err { code, text } => err(now, code, text),
        _ => return None,
    })
}

/// The line that says that something may be missing.
pub fn gap(now: SystemTime) -> String {
    Object::new(now, "gap").line()
}

/// The line that says that one is in.
pub fn ok(now: SystemTime, name: impl Display, members: usize) -> String {
    Object::new(now, "ok").text("name", name).number("count", members).line()
}

/// The line that says that something asked for is not done.
pub fn err(now: SystemTime, code: &str, text: &str) -> String {
    Object::new(now, "err").text("code", code).text("text", text).line()
}

/// The line that answers `ping`.
pub fn pong(now: SystemTime, round_trip: Duration) -> String {
    Object::new(now, "pong").number("micros", round_trip.as_micros()).line()
}

/// The line that says how the connection ended.
pub fn ended(now: SystemTime, end: &Error) -> String {
    match end {
        Error::Closed { reason } => Object::new(now, "bye").text("reason", reason).line(),
        end => Object::new(now, "lost").text("text", end).line(),
    }
}

/// An object that is being written, its last brace missing.
struct Object(String);

impl Object {
    fn new(now: SystemTime, kind: &str) -> Self {
        Self(format!(r#"{{"time":"{}","type":"{kind}""#, rfc3339(now)))
    }

    fn key(&mut self, key: &str) {
        let _ = write!(self.0, r#","{key}":"#);
    }

    fn text(mut self, key: &str, value: impl Display) -> Self {
        self.key(key);
        push_string(&mut self.0, &value.to_string());
        self
    }

    fn number(mut self, key: &str, value: impl Display) -> Self {
        self.key(key);
        let _ = write!(self.0, "{value}");
        self
    }

    fn texts(mut self, key: &str, values: &[Name]) -> Self {
        self.key(key);
        self.0.push('[');
        for (at, value) in values.iter().enumerate() {
            self.0.push_str(if at == 0 { "" } else { "," });
            push_string(&mut self.0, &value.to_string());
        }
        self.0.push(']');
        self
    }

    fn line(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Appends `text` as a JSON string (RFC 8259, 7): one line, whatever is in it.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // JSON asks it of C0 alone; but DEL and C1 are no friends of a terminal either.
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let sextet = bits >> (18 - 6 * at) & 0b11_1111;
            // So many bytes fill one sextet more.
            let padding = at > group.len();
            out.push(if padding { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::time::UNIX_EPOCH;

    const NOW: Duration = Duration::from_millis(1_767_225_599_042);

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    /// What a line says beside the time.
    fn said(line: &str) -> &str {
        let rest = line.strip_prefix(r#"{"time":"2025-12-31T23:59:59.042Z","#);
        rest.and_then(|rest| rest.strip_suffix('}')).expect("an object with the time")
    }

    #[test]
    fn each_event_has_its_form() {
        let now = UNIX_EPOCH + NOW;
        let bob = name("bob");
        let text = || "hi".to_string();
        for (event, form) in [
            (Event::Ok { name: bob, members: 3 }, r#""type":"ok","name":"bob","count":3"#),
            (Event::Msg { from: bob, text: text() }, r#""type":"msg","name":"bob","text":"hi""#),
            (Event::Tell { from: bob, text: text() }, r#""type":"tell","name":"bob","text":"hi""#),
            (Event::Joined(bob), r#""type":"joined","name":"bob""#),
            (
                Event::Left { name: bob, reason: String::new() },
                r#""type":"left","name":"bob","reason":"""#,
            ),
            (Event::Who(vec![name("ada"), bob]), r#""type":"who","members":["ada","bob"]"#),
            (Event::Who(vec![]), r#""type":"who","members":[]"#),
            (
                Event::Err { code: "empty".into(), text: text() },
                r#""type":"err","code":"empty","text":"hi""#,
            ),
        ] {
            assert_eq!(super::event(now, None, &event).as_deref().map(said), Some(form));
        }
        assert_eq!(super::event(now, None, &Event::Help(text())), None);
        assert_eq!(said(&pong(now, Duration::from_micros(184))), r#""type":"pong","micros":184"#);
        let id = Id::parse(b"7-1");
        let note = super::event(now, id, &Event::Note(text()));
        let form = r#""type":"note","id":"7-1","text":"hi""#;
        assert_eq!(note.as_deref().map(said), Some(form));
        assert_eq!(said(&gap(now)), r#""type":"gap""#);
        let bye = Error::Closed { reason: "shutdown".into() };
        assert_eq!(said(&ended(now, &bye)), r#""type":"bye","reason":"shutdown""#);
        let lost = Error::Lost(std::io::ErrorKind::UnexpectedEof);
        let form = r#""type":"lost","text":"the server closed the connection""#;
        assert_eq!(said(&ended(now, &lost)), form);
    }

    proptest! {
        #[test]
        fn any_text_parses_back_from_one_line(text: String, raw: Vec<u8>) {
            for text in [text, String::from_utf8_lossy(&raw).into_owned()] {
                let line = err(UNIX_EPOCH + NOW, "code", &text);
                prop_assert!(!line.chars().any(char::is_control));
                let object: Value = serde_json::from_str(&line).expect("JSON");
                prop_assert_eq!(&object["text"], &Value::String(text));
                prop_assert_eq!(object.as_object().map(serde_json::Map::len), Some(4));
            }
        }
    }
}
