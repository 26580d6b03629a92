//! How everything looks on a terminal: rows of no more than its columns.

mod rows;
mod said;

pub use said::Said;

use super::clock::{Day, Moment};
use super::width::untab;
use rows::{PLAIN, Span, rows};
use smoltalk::client::Event;
use smoltalk::protocol::Name;
use std::ops::Range;

const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const MARKED: &str = "\x1b[1;7m";

/// The colours of names, of the 256 that terminals agree on: neither too light for a white
/// background nor too dark for a black one, and no two alike.
const COLOURS: [u8; 12] = [28, 30, 32, 62, 64, 98, 130, 133, 136, 161, 166, 168];

/// Below so many columns, the time would take the room of the words.
const NARROW: usize = 30;

/// Columns of `HH:MM ` and two more: where a row goes on whose name leaves it no better place.
const INDENT: usize = 8;

/// With or without colour, and who looks at it.
#[derive(Debug)]
pub struct Paint {
    pub colour: bool,
    pub me: Option<Name>,
}

impl Paint {
    /// The rows that show `event`; `None` where it says nothing about the room.
    pub fn event(&self, event: &Event, at: Moment, columns: usize) -> Option<String> {
        Some(match event {
            Event::Msg { from, text } => {
                let said = Said { from: from.as_str(), mark: "", text, fate: None };
                self.said(&said, at, columns)
            }
            Event::Tell { from, text } => {
                let said = Said { from: from.as_str(), mark: "[to you] ", text, fate: None };
                self.said(&said, at, columns)
            }
            Event::Joined(name) => self.presence(&format!("{name} joined"), at, columns),
            Event::Left { name, reason } if reason.is_empty() => {
                self.presence(&format!("{name} left"), at, columns)
            }
            Event::Left { name, reason } => {
                self.presence(&format!("{name} left ({reason})"), at, columns)
            }
            Event::Who(names) => self.here(names, at, columns),
            _ => return None,
        })
    }

    /// What one has said oneself: to the room, or `to` one.
    pub fn own(&self, to: Option<&Name>, text: &str, at: Moment, columns: usize) -> String {
        let Some(me) = &self.me else { return String::new() };
        let mark = to.map(|to| format!("[to {to}] ")).unwrap_or_default();
        self.said(&Said { from: me.as_str(), mark: &mark, text, fate: None }, at, columns)
    }

    /// What is not the room's. Where a line has columns of its own, it goes on in the last.
    pub fn notice(text: &str, columns: usize) -> String {
        let line = |line: &str| {
            let line = &untab(line);
            let column = line.rfind("  ").map_or(2, |blanks| blanks + 2);
            let indent = if column <= columns / 2 { column } else { 2 };
            rows(line, indent, columns, &[])
        };
        text.lines().map(line).collect()
    }

    /// A line that was typed and is none that others see.
    pub fn typed(&self, text: &str, columns: usize) -> String {
        let prompt = self.me.map(|me| format!("{me}> ")).unwrap_or_default();
        let line = untab(text.lines().next().unwrap_or_default());
        let more = if text.contains('\n') { " …" } else { "" };
        let spans = [(0..prompt.len(), self.prompt_style())];
        rows(&format!("{prompt}{line}{more}"), 2, columns, self.worn(&spans))
    }

    /// The prompt as it is shown.
    pub fn prompt(&self, prompt: &str) -> String {
        match self.prompt_style() {
            style if style.is_empty() => prompt.into(),
            style => self.look(&style, prompt),
        }
    }

    /// The line that says that another day has begun.
    pub fn day(&self, day: Day, columns: usize) -> String {
        const DAYS: [&str; 7] =
            ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
        const MONTHS: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let weekday = DAYS[usize::from(day.weekday) % 7];
        let month = MONTHS[usize::from(day.month + 11) % 12];
        let line = format!("── {weekday}, {} {month} {} ──", day.of_month, day.year);
        rows(&line, 3, columns, self.worn(&[(0..line.len(), DIM.into())]))
    }

    /// Whether `event` is for the one who looks, more than for others.
    pub fn concerns_me(&self, event: &Event) -> bool {
        match event {
            Event::Msg { text, .. } => !self.mentions(text).is_empty(),
            Event::Tell { .. } => true,
            _ => false,
        }
    }

    fn presence(&self, what: &str, at: Moment, columns: usize) -> String {
        let time = time(at, columns);
        let line = format!("{time}* {what}");
        let spans = [(0..line.len(), DIM.into())];
        rows(&line, indent(&time, time.len() + 2, columns), columns, self.worn(&spans))
    }

    fn here(&self, names: &[Name], at: Moment, columns: usize) -> String {
        let time = time(at, columns);
        let mut line = format!("{time}* {} here:", names.len());
        let mut spans = vec![(0..time.len(), DIM.to_string())];
        for name in names {
            line.push(' ');
            let start = line.len();
            line.push_str(name.as_str());
            spans.push((start..line.len(), colour(name.as_str())));
        }
        rows(&line, indent(&time, time.len() + 2, columns), columns, self.worn(&spans))
    }

    /// `text` in this look, if there are colours.
    fn look(&self, look: &str, text: &str) -> String {
        if self.colour { format!("{look}{text}{PLAIN}") } else { text.into() }
    }

    fn prompt_style(&self) -> String {
        self.me.as_ref().map(|me| colour(me.as_str())).unwrap_or_default()
    }

    fn is_me(&self, name: &str) -> bool {
        self.me.is_some_and(|me| me.as_str().eq_ignore_ascii_case(name))
    }

    /// The spans, if there are colours.
    fn worn<'a>(&self, spans: &'a [Span]) -> &'a [Span] {
        if self.colour { spans } else { &[] }
    }

    /// Where in `text` one's own name stands as a word.
    fn mentions(&self, text: &str) -> Vec<Range<usize>> {
        let Some(me) = &self.me else { return Vec::new() };
        let (me, bytes) = (me.as_bytes(), text.as_bytes());
        let word = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
        let part = |b: &u8| matches!(b, b'-' | b'.');
        let mentioned = |at: &usize| {
            let (before, behind) = (&bytes[..*at], &bytes[at + me.len()..]);
            let mut behind = behind.iter();
            let next = behind.next();
            // `ada-b` and `ada.b` are other names; `ada.` ends a sentence.
            let goes_on =
                next.is_some_and(|b| word(b) || part(b) && behind.next().is_some_and(word));
            bytes[*at..at + me.len()].eq_ignore_ascii_case(me)
                && !before.last().is_some_and(|b| word(b) || part(b))
                && !goes_on
        };
        let places = 0..(bytes.len() + 1).saturating_sub(me.len());
        places.filter(mentioned).map(|at| at..at + me.len()).collect()
    }
}

fn time(at: Moment, columns: usize) -> String {
    if columns < NARROW {
        return String::new();
    }
    format!("{:02}:{:02} ", at.hour, at.minute)
}

/// Where a message goes on that begins at column `text`: below its beginning, unless that would
/// leave it too little.
fn indent(time: &str, text: usize, columns: usize) -> usize {
    if text <= columns / 3 {
        text
    } else if time.is_empty() {
        2
    } else {
        INDENT
    }
}

/// The same colour for a name wherever it comes, in whatever case.
fn colour(name: &str) -> String {
    // FNV-1a.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, b| {
        (hash ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    });
    let colour = COLOURS[(hash >> 8) as usize % COLOURS.len()];
    format!("\x1b[38;5;{colour}m")
}

#[cfg(test)]
mod tests {
    use super::super::width::width;
    use super::*;

    const AT: Moment =
        Moment { day: Day { year: 2026, month: 11, of_month: 21, weekday: 6 }, hour: 9, minute: 5 };

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    fn paint(colour: bool) -> Paint {
        Paint { colour, me: Some(name("ada")) }
    }

    fn msg(from: &str, text: &str) -> Event {
        Event::Msg { from: name(from), text: text.into() }
    }

    /// What is shown in black and white, each row framed so that its end is seen.
    fn picture(columns: usize, events: &[Event]) -> String {
        let shown = |event: &Event| paint(false).event(event, AT, columns).expect("to be shown");
        let shown: String = events.iter().map(shown).collect();
        for row in shown.lines() {
            assert!(width(row) <= columns, "{row:?} in {columns}");
        }
        shown
    }

    fn talk() -> Vec<Event> {
        vec![
            Event::Joined(name("bob")),
            msg("bob", "the quick brown fox jumps over the lazy dog and then sleeps all day long"),
            Event::Tell { from: name("bob"), text: "just between us".into() },
            msg("a.rather-long_name.indeed", "漢字漢字漢字漢字 and more of what is wide 漢字"),
            Event::Who(["ada", "bob", "a.rather-long_name.indeed"].map(name).into()),
            Event::Left { name: name("bob"), reason: "stalled".into() },
        ]
    }

    #[test]
    fn at_40_columns() {
        let expected = "\
09:05 * bob joined
09:05 <bob> the quick brown fox jumps
            over the lazy dog and then
            sleeps all day long
09:05 <bob> [to you] just between us
09:05 <a.rather-long_name.indeed>
        漢字漢字漢字漢字 and more of
        what is wide 漢字
09:05 * 3 here: ada bob
        a.rather-long_name.indeed
09:05 * bob left (stalled)
";
        assert_eq!(picture(40, &talk()), expected);
    }

    #[test]
    fn at_80_columns() {
        let expected = "\
09:05 * bob joined
09:05 <bob> the quick brown fox jumps over the lazy dog and then sleeps all day
            long
09:05 <bob> [to you] just between us
09:05 <a.rather-long_name.indeed> 漢字漢字漢字漢字 and more of what is wide 漢字
09:05 * 3 here: ada bob a.rather-long_name.indeed
09:05 * bob left (stalled)
";
        assert_eq!(picture(80, &talk()), expected);
    }

    #[test]
    fn at_200_columns() {
        let expected = "\
09:05 * bob joined
09:05 <bob> the quick brown fox jumps over the lazy dog and then sleeps all day long
09:05 <bob> [to you] just between us
09:05 <a.rather-long_name.indeed> 漢字漢字漢字漢字 and more of what is wide 漢字
09:05 * 3 here: ada bob a.rather-long_name.indeed
09:05 * bob left (stalled)
";
        assert_eq!(picture(200, &talk()), expected);
    }

    #[test]
    fn at_any_width_no_row_is_too_wide() {
        // Half of it holds a wide character.
        for columns in 4..250 {
            picture(columns, &talk());
        }
    }

    #[test]
    fn a_word_without_end_begins_beside_the_name() {
        let expected = "\
09:05 <bob> xxxxxxxxxxxxxxxxxxxxxxxxxxxx
            xxxxxxxxxxxx
";
        assert_eq!(picture(40, &[msg("bob", &"x".repeat(40))]), expected);
    }

    #[test]
    fn blanks_before_a_word_make_no_row_too_wide() {
        let expected = "09:05 <bob>\n            x\n";
        assert_eq!(picture(40, &[msg("bob", &format!("{:60}x", ""))]), expected);
    }

    #[test]
    fn one_s_own_words_look_as_to_others() {
        let paint = paint(false);
        assert_eq!(paint.own(None, "hi", AT, 80), "09:05 <ada> hi\n");
        assert_eq!(paint.own(Some(&name("bob")), "hi", AT, 80), "09:05 <ada> [to bob] hi\n");
        assert_eq!(paint.typed("wat", 80), "ada> wat\n");
        assert_eq!(paint.typed("a\nb", 80), "ada> a …\n");
    }

    #[test]
    fn another_day_is_said() {
        assert_eq!(paint(false).day(AT.day, 80), "── Saturday, 21 November 2026 ──\n");
    }

    #[test]
    fn in_colour_each_part_has_its_look() {
        let shown = |event| paint(true).event(&event, AT, 80).expect("to be shown");
        let bob = colour("bob");
        assert_eq!(
            shown(msg("bob", "thanks Ada!")),
            format!("{DIM}09:05 {PLAIN}<{bob}bob{PLAIN}> thanks {MARKED}Ada{PLAIN}!\n")
        );
        assert_eq!(
            shown(Event::Tell { from: name("bob"), text: "hi".into() }),
            format!("{DIM}09:05 {PLAIN}<{bob}bob{PLAIN}> {BOLD}[to you] {PLAIN}hi\n")
        );
        assert_eq!(shown(Event::Joined(name("bob"))), format!("{DIM}09:05 * bob joined{PLAIN}\n"));
    }

    #[test]
    fn a_mention_is_a_whole_word() {
        let mentioned = |text: &str| !paint(true).mentions(text).is_empty();
        for text in ["ada", "Hi ADA.", "ada: look", "(ada)", "what, ada?", "ada-", "ada..."] {
            assert!(mentioned(text), "{text}");
        }
        for text in ["adam", "nada", "ada-b", "ada.b", "b.ada", "ada_", "éada", "adaé", ""] {
            assert!(!mentioned(text), "{text}");
        }
    }

    #[test]
    fn what_is_for_me_rings_and_what_i_say_does_not() {
        let paint = paint(false);
        assert!(paint.concerns_me(&msg("bob", "ada?")));
        assert!(paint.concerns_me(&Event::Tell { from: name("bob"), text: "psst".into() }));
        assert!(!paint.concerns_me(&msg("bob", "eve?")));
        assert!(!paint.concerns_me(&Event::Joined(name("bob"))));
    }

    #[test]
    fn a_name_keeps_its_colour_whatever_its_case() {
        assert_eq!(colour("bob"), colour("BOB"));
        assert_ne!(colour("bob"), colour("eve"));
    }

    /// As WCAG 2 reckons: 3 is what it asks for large text, on either background.
    #[test]
    fn every_colour_can_be_read_on_black_and_on_white() {
        let level = |n: u8| if n == 0 { 0.0 } else { f64::from(55 + 40 * n) / 255.0 };
        let linear =
            |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        for colour in COLOURS {
            let cube = colour - 16;
            let [r, g, b] = [cube / 36, cube / 6 % 6, cube % 6].map(|n| linear(level(n)));
            let light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
            let (black, white) = ((light + 0.05) / 0.05, 1.05 / (light + 0.05));
            assert!(black >= 3.0 && white >= 3.0, "{colour}: {black:.1} and {white:.1}");
        }
    }
}
