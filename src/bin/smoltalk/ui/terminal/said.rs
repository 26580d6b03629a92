//! How a message looks: who said it, and what has become of it.

use super::look::{BOLD, DIM, Look, MARKED, colour, indent, time};
use super::rows::rows;
use super::width::{untab, width};
use crate::ui::fate::Fate;
use std::ops::Range;
use tz::DateTime;

/// A message. All that is in it is safe to print.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub from: &'a str,
    /// What stands before the text: whom it is for, if not for all.
    pub mark: &'a str,
    /// Lines, an LF between them.
    pub text: &'a str,
    pub fate: Option<Fate>,
}

impl Look {
    /// The rows that show what was `said`: only the first has the time and the name.
    pub fn said(&self, said: &Said<'_>, at: DateTime, columns: usize) -> String {
        let (time, from) = (time(at, columns), untab(said.from));
        let mut line = format!("{time}<{from}> ");
        let (name_at, mark_at) = (time.len() + 1, line.len());
        let indent = indent(&time, width(&line), columns);
        line.push_str(said.mark);
        let mut spans = vec![
            (0..time.len(), DIM.into()),
            (name_at..name_at + from.len(), colour(&from)),
            (mark_at..line.len(), BOLD.into()),
        ];
        let mut shown = String::new();
        for text in said.text.split('\n') {
            let text_at = line.len();
            line.push_str(&untab(text));
            if !self.is_me(&from) {
                let mentions = self.mentions(&line[text_at..]).into_iter();
                let marked = |at: Range<_>| (at.start + text_at..at.end + text_at, MARKED.into());
                spans.extend(mentions.map(marked));
            }
            shown.push_str(&rows(&line, indent, columns, self.worn(&spans)));
            (line, spans) = (" ".repeat(indent), Vec::new());
        }
        if let Some(fate) = said.fate {
            self.add(&mut shown, fate, indent, columns);
        }
        shown
    }

    /// Adds the `fate` of what is `shown`: beside its end, or below it where there is no room.
    fn add(&self, shown: &mut String, fate: Fate, indent: usize, columns: usize) {
        const GAP: &str = "  ";
        let look = if let Fate::Acknowledged(_) = fate { DIM } else { BOLD };
        let fate = fate.to_string();
        let taken = shown.lines().next_back().map_or(0, |row| ends_at(row, columns));
        if taken + width(GAP) + width(&fate) <= columns {
            shown.pop();
            shown.push_str(GAP);
            shown.push_str(&self.dress(look, &fate));
            shown.push('\n');
        } else {
            let line = " ".repeat(indent) + &fate;
            let spans = [(indent..line.len(), look.into())];
            shown.push_str(&rows(&line, indent, columns, self.worn(&spans)));
        }
    }
}

/// The column at which a row ends. The terminal may have wrapped it.
fn ends_at(row: &str, columns: usize) -> usize {
    match seen(row) {
        seen if seen <= columns => seen,
        seen => (seen - 1) % columns + 1,
    }
}

/// The columns of a row, of which its looks take none.
fn seen(row: &str) -> usize {
    let mut parts = row.split('\x1b');
    let first = parts.next().map_or(0, width);
    first
        + parts.filter_map(|part| part.split_once('m')).map(|(_, text)| width(text)).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::terminal::clock::moment;
    use smoltalk::protocol::Name;
    use std::time::Duration;

    const FATE: Fate = Fate::Acknowledged(Duration::from_micros(184));

    fn at() -> DateTime {
        moment(2026, 11, 21, 9, 5)
    }

    fn shown(from: &str, text: &str, fate: Option<Fate>, columns: usize, colour: bool) -> String {
        let look = Look { colour, me: Name::new(b"ada") };
        let shown = look.said(&Said { from, mark: "", text, fate }, at(), columns);
        for row in shown.lines() {
            // Only what has no blank to be broken at is the terminal's to wrap.
            let long = row.split(' ').any(|word| seen(word) + columns / 2 > columns);
            assert!(seen(row) <= columns || long, "{row:?} in {columns}");
        }
        shown
    }

    #[test]
    fn several_lines_are_one_message() {
        let expected = "\
09:05 <ada> several words

              and more than a row
            has room for  ✓ 184 µs
";
        let text = "several words\n\n  and more than a row has room for";
        let shown = shown("ada", text, Some(FATE), 36, false);
        let trimmed: Vec<&str> = shown.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n") + "\n", expected);
    }

    #[test]
    fn a_fate_is_never_torn() {
        let text = |n: usize| "x".repeat(n);
        for colour in [false, true] {
            let beside = shown("ada", &text(18), Some(FATE), 40, colour);
            assert_eq!(beside.lines().count(), 1, "{beside}");
            let below = shown("ada", &text(19), Some(FATE), 40, colour);
            assert_eq!(below.lines().count(), 2, "{below}");
        }
        let below = shown("ada", &text(19), Some(FATE), 40, false);
        assert!(below.ends_with("x\n            ✓ 184 µs\n"), "{below}");
    }

    #[test]
    fn whatever_the_name_the_rows_fit() {
        for name in ["漢字漢字", "a\tb", " ", &"x".repeat(80), "bob> hi  ✓ 1 ms"] {
            for columns in 4..100 {
                shown(name, "some words\nin 漢字 lines", Some(Fate::Unacknowledged), columns, true);
            }
        }
    }

    #[test]
    fn a_round_trip_is_dim_and_what_went_wrong_is_not() {
        let hi = |fate| shown("ada", "hi", Some(fate), 80, true);
        assert!(hi(FATE).ends_with("> hi  \x1b[2m✓ 184 µs\x1b[m\n"));
        assert!(hi(Fate::Refused).ends_with("> hi  \x1b[1m✗ refused\x1b[m\n"));
    }
}
