//! What a server says that takes more than an event's words: payloads in the form that a member gets
//! them, the answers to WHO and HELP cut into lines, and its own HELLO and ERR.

use super::{Event, Form, HELP, Id, Name, Refusal, VERSION, WELCOME, WELCOME_WITH_KEY, line};
use crate::limits::{self, Limits};
use crate::protocol::text::push_safe;

impl Event<'_> {
    /// Appends a payload that was said as `id`, in the form that a member gets it in. As text it is at
    /// most four times `limit` long, which is how many bytes a payload may have.
    pub fn render_payload(
        name: Name,
        payload: &[u8],
        form: Form,
        id: Id,
        limit: usize,
        out: &mut Vec<u8>,
    ) {
        if form.data {
            form.stamp(id, out);
            Event::Data(name, payload.len() as u64).render(out);
            out.extend_from_slice(payload);
            out.push(b'\n');
        } else {
            let most = limit.saturating_mul(TEXT_FORM).max(limits::LINE);
            AsText { name, form, id, most, len: 0, safe: Vec::new() }.render(payload, out);
        }
    }

    /// Appends the HELLO of a server with these limits, whose room may have a key, and which may be one of
    /// several nodes. What a program needs of that stands in brackets at its end.
    pub fn render_hello(limits: &Limits, has_key: bool, is_node: bool, out: &mut Vec<u8>) {
        let mut words = format!("line={} payload={}", limits::LINE, limits.payload);
        if limits.has_history() {
            words.push_str(" history");
        }
        if has_key {
            words.push_str(" key");
        }
        if is_node {
            words.push_str(" nodes");
        }
        let welcome = if has_key { WELCOME_WITH_KEY } else { WELCOME };
        let text = format!("{welcome} [{words}]");
        Event::Hello(VERSION.as_bytes(), text.as_bytes()).render(out);
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

/// How many times the bytes of the longest payload its text form may take.
///
/// One line of it becomes three times as long at most. Many short ones, each with a `MSG <name>`,
/// would become twenty times as long, for all the others to read.
const TEXT_FORM: usize = 4;

impl Form {
    /// Appends what precedes each line about what happened as `id`, if anything does.
    pub fn stamp(self, id: Id, out: &mut Vec<u8>) {
        if self.ids {
            id.stamp(out);
        }
    }
}

/// A payload on its way into lines. What precedes them is not counted: so all who get them as text get
/// the same ones.
struct AsText {
    name: Name,
    form: Form,
    id: Id,
    /// How many bytes all lines may have together, and have so far.
    most: usize,
    len: usize,
    /// The line that is being rendered.
    safe: Vec<u8>,
}

impl AsText {
    /// Appends the lines of `payload` that are not empty, as long as they are within the limit, and
    /// then how much is left.
    fn render(mut self, payload: &[u8], out: &mut Vec<u8>) {
        let mut left = payload;
        for text in payload.split_inclusive(|b| *b == b'\n') {
            let before = out.len();
            self.render_line(text, out);
            if self.len > self.most {
                out.truncate(before);
                let cut = format!("[… and {} more bytes]", left.len());
                self.form.stamp(self.id, out);
                return Event::Msg(self.name, cut.as_bytes()).render(out);
            }
            left = &left[text.len()..];
        }
    }

    /// Appends a MSG for one line of a payload, and several for one that is long: none is over
    /// [`limits::LINE`].
    fn render_line(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let name = self.name.as_bytes();
        let longest = limits::LINE - "MSG  ".len() - name.len();
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        self.safe.clear();
        push_safe(&mut self.safe, text.strip_suffix(b"\r").unwrap_or(text));
        let mut rest = self.safe.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(character_boundary(rest, longest));
            self.form.stamp(self.id, out);
            let before = out.len();
            line(out, &[b"MSG ", name, b" ", piece], None);
            self.len += out.len() - before;
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

    const LIMIT: usize = 65_536;
    const TEXT: Form = Form { data: false, ids: false };
    const ID: Id = Id::from_ms(7);

    #[test]
    fn a_payload_becomes_a_message_for_each_line_that_is_not_empty() {
        let text = |payload: &[u8]| {
            rendered(|out| Event::render_payload(name("ada"), payload, TEXT, ID, LIMIT, out))
        };
        assert_eq!(text(b"a\r\n\n\r\nMSG b\nc\r"), "MSG ada a\nMSG ada MSG b\nMSG ada c\n");
        assert_eq!(text(b"\x1b\0\xff"), "MSG ada \u{241b}\u{2400}\u{fffd}\n");
        assert_eq!(text(b"\n\r\n"), "");
    }

    #[test]
    fn a_long_line_of_a_payload_is_cut_between_characters() {
        for long in ["x".repeat(10_000), "\u{1f600}".repeat(3000), "a\u{20ac}".repeat(3000)] {
            let text = rendered(|out| {
                Event::render_payload(name("ada"), long.as_bytes(), TEXT, ID, LIMIT, out);
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
    fn a_payload_of_many_short_lines_is_cut_and_says_by_how_much() {
        let payload = b"\x80\n".repeat(LIMIT / 2);
        let text =
            rendered(|out| Event::render_payload(name("ada"), &payload, TEXT, ID, LIMIT, out));
        let (shown, last) = text.trim_end().rsplit_once('\n').expect("lines");
        assert!(shown.lines().all(|line| line == "MSG ada \u{fffd}"));
        assert!((262_144 - 12..262_144).contains(&shown.len()), "{}", shown.len());
        let left = LIMIT - 2 * shown.lines().count();
        assert_eq!(last, format!("MSG ada [… and {left} more bytes]"));
    }

    #[test]
    fn a_payload_of_one_line_is_never_cut_short() {
        for limit in [1, 100, 1000, 5000, LIMIT] {
            let longest = name(&"x".repeat(Name::MAX));
            let payload = b"\x80".repeat(limit);
            let text =
                rendered(|out| Event::render_payload(longest, &payload, TEXT, ID, limit, out));
            assert_eq!(text.matches('\u{fffd}').count(), limit);
        }
    }

    #[test]
    fn lines_without_text_at_the_end_are_not_missed() {
        let payload = [&b"x\n".repeat(26_214)[..], &b"\r\n".repeat(6554)].concat();
        let text =
            rendered(|out| Event::render_payload(name("ada"), &payload, TEXT, ID, LIMIT, out));
        assert_eq!(text.len(), 262_140);
        assert!(text.lines().all(|line| line == "MSG ada x"));
    }

    #[test]
    fn each_line_of_a_payload_has_its_id_and_all_who_get_text_get_the_same_lines() {
        for payload in [&b"a\n\nb"[..], &b"x".repeat(10_000), &b"\x80\n".repeat(LIMIT / 2)] {
            let text = |form| {
                rendered(|out| Event::render_payload(name("ada"), payload, form, ID, LIMIT, out))
            };
            let stamped = text(Form { ids: true, ..TEXT });
            let lines: Vec<&str> =
                stamped.lines().map(|line| line.strip_prefix("@7-0 ").expect("an id")).collect();
            assert_eq!(lines.join("\n") + "\n", text(TEXT));
        }
        let data = Form { data: true, ids: true };
        let data =
            rendered(|out| Event::render_payload(name("ada"), b"a\nb", data, ID, LIMIT, out));
        assert_eq!(data, "@7-0 DATA ada 3\na\nb\n");
    }

    #[test]
    fn hello_ends_in_what_a_program_needs() {
        let limits = Limits { payload: 1000, ..Limits::default() };
        let hello = |key, node| rendered(|out| Event::render_hello(&limits, key, node, out));
        assert!(hello(false, false).starts_with("HELLO smoltalk/1 JOIN "));
        assert!(hello(false, false).ends_with(" [line=4096 payload=1000 history]\n"));
        assert!(hello(true, true).starts_with("HELLO smoltalk/1 PASS "));
        assert!(hello(true, true).ends_with(" [line=4096 payload=1000 history key nodes]\n"));
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
