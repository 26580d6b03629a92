//! What a server says that takes more than an event's words: payloads in the form that a member gets
//! them, the answers to WHO and HELP cut into lines, and its own HELLO and ERR.

use super::{Event, Form, HELP, Name, Refusal, VERSION, WELCOME, line};
use crate::limits;
use crate::protocol::text::push_safe;

impl Event<'_> {
    /// Appends a payload, in either form.
    pub fn render_payload(name: Name, payload: &[u8], form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Data => {
                Event::Data(name, payload.len() as u64).render(out);
                out.extend_from_slice(payload);
                out.push(b'\n');
            }
            Form::Text => render_as_text(name, payload, out),
        }
    }

    /// Appends the HELLO of this server.
    pub fn render_hello(out: &mut Vec<u8>) {
        Event::Hello(VERSION.as_bytes(), WELCOME.as_bytes()).render(out);
    }

    /// Appends the ERR of `refusal`.
    pub fn render_refusal(refusal: Refusal, out: &mut Vec<u8>) {
        Event::Err(refusal.code().as_bytes(), refusal.explanation().as_bytes()).render(out);
    }

    /// Appends the answer to HELP.
    pub fn render_help(out: &mut Vec<u8>) {
        for text in HELP {
            Event::Help(text.as_bytes()).render(out);
        }
    }

    /// Appends the answer to WHO: as many lines as it takes for none to be over [`limits::LINE`],
    /// each with the same total.
    pub fn render_who(total: usize, names: impl Iterator<Item = Name>, out: &mut Vec<u8>) {
        let head = format!("WHO {total}");
        out.extend_from_slice(head.as_bytes());
        let mut room = limits::LINE - head.len();
        for name in names {
            let name = name.as_bytes();
            if room <= name.len() {
                out.push(b'\n');
                out.extend_from_slice(head.as_bytes());
                room = limits::LINE - head.len();
            }
            out.push(b' ');
            out.extend_from_slice(name);
            room -= name.len() + 1;
        }
        out.push(b'\n');
    }
}

/// Appends a MSG for each line of `payload` that is not empty, and several for one that is long:
/// none is over [`limits::LINE`].
fn render_as_text(name: Name, payload: &[u8], out: &mut Vec<u8>) {
    let longest = limits::LINE - "MSG  ".len() - name.as_bytes().len();
    let mut safe = Vec::new();
    for text in payload.split(|b| *b == b'\n') {
        safe.clear();
        push_safe(&mut safe, text.strip_suffix(b"\r").unwrap_or(text));
        let mut rest = safe.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(character_boundary(rest, longest));
            line(out, &[b"MSG ", name.as_bytes(), b" ", piece], None);
            rest = after;
        }
    }
}

/// The last boundary of a character in the UTF-8 of `text` that is not beyond `longest`.
fn character_boundary(text: &[u8], longest: usize) -> usize {
    let within = |b: &u8| b & 0b1100_0000 == 0b1000_0000;
    (0..=longest).rev().find(|at| !text.get(*at).is_some_and(within)).unwrap_or(0).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::{name, rendered};

    #[test]
    fn a_payload_becomes_a_message_for_each_line_that_is_not_empty() {
        let text = |payload: &[u8]| {
            rendered(|out| Event::render_payload(name("ada"), payload, Form::Text, out))
        };
        assert_eq!(text(b"a\r\n\n\r\nMSG b\nc\r"), "MSG ada a\nMSG ada MSG b\nMSG ada c\n");
        assert_eq!(text(b"\x1b\0\xff"), "MSG ada \u{241b}\u{2400}\u{fffd}\n");
        assert_eq!(text(b"\n\r\n"), "");
    }

    #[test]
    fn a_long_line_of_a_payload_is_cut_between_characters() {
        for long in ["x".repeat(10_000), "\u{1f600}".repeat(3000), "a\u{20ac}".repeat(3000)] {
            let text = rendered(|out| {
                Event::render_payload(name("ada"), long.as_bytes(), Form::Text, out);
            });
            assert!(text.lines().all(|line| line.len() <= limits::LINE));
            assert!(text.lines().rev().skip(1).all(|line| line.len() > limits::LINE - 4));
            assert_eq!(
                text.lines().map(|l| l.replacen("MSG ada ", "", 1)).collect::<String>(),
                long
            );
        }
    }

    #[test]
    fn every_refusal_is_one_line_with_its_code() {
        for refusal in Refusal::ALL {
            let line = rendered(|out| Event::render_refusal(refusal, out));
            assert!(line.starts_with(&format!("ERR {} ", refusal.code())));
            assert_eq!(line.find('\n'), Some(line.len() - 1));
        }
        assert!(Refusal::TooLong.explanation().contains(&limits::LINE.to_string()));
    }

    #[test]
    fn who_answers_in_lines_within_the_limit_each_with_the_total() {
        // Names of 28 characters fill a line of 4,096 bytes to its last: 7 + 141 × 29.
        for len in 8..=Name::MAX {
            let names: Vec<Name> = (100..700).map(|i| name(&format!("{i:a>len$}"))).collect();
            let answer = rendered(|out| Event::render_who(names.len(), names.iter().copied(), out));
            let mut seen = Vec::new();
            for line in answer.lines() {
                assert!(line.len() <= limits::LINE);
                let Some(Event::Who(600, part)) = Event::parse(line.as_bytes()) else {
                    panic!("{line}");
                };
                seen.extend(part.split(|b| *b == b' ').map(|n| Name::new(n).expect("a name")));
            }
            assert!(answer.lines().count() > 1);
            assert_eq!(seen, names);
        }
    }
}
