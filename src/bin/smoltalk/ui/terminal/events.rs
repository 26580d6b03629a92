//! How everything looks on a terminal: rows of no more than its columns.

use super::look::{DIM, Look, colour, indent, time};
use super::rows::rows;
use super::said::Said;
use super::width::{untab, width};
use crate::ui::line;
use smoltalk::client::Event;
use smoltalk::protocol::Name;
use tz::DateTime;

impl Look {
    /// The rows that show `event`; `None` where it says nothing about the room.
    pub fn event(&self, event: &Event, at: DateTime, columns: usize) -> Option<String> {
        Some(match event {
            Event::Msg { from, text } => {
                let said = Said { from: from.as_str(), mark: "", text, fate: None };
                self.said(&said, at, columns)
            }
            Event::Tell { from, text } => {
                let said = Said { from: from.as_str(), mark: "[to you] ", text, fate: None };
                self.said(&said, at, columns)
            }
            Event::Who(names) => self.here(names, at, columns),
            Event::Note(text) => self.presence(&format!("note: {text}"), at, columns),
            event => self.presence(&line::presence(event, Name::to_string)?, at, columns),
        })
    }

    /// What one has said oneself: to the room, or `to` one.
    pub fn own(&self, to: Option<&Name>, text: &str, at: DateTime, columns: usize) -> String {
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

    /// The line that says that another day has begun.
    pub fn day(&self, at: DateTime, columns: usize) -> String {
        const DAYS: &str = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday";
        const MONTHS: &str = "January February March April May June July August September \
                              October November December";
        let nth = |names: &'static str, n: u8| names.split(' ').nth(n.into()).unwrap_or_default();
        let (weekday, month) = (nth(DAYS, at.week_day()), nth(MONTHS, at.month() - 1));
        let line = format!("── {weekday}, {} {month} {} ──", at.month_day(), at.year());
        rows(&line, 3, columns, self.worn(&[(0..line.len(), DIM.into())]))
    }

    /// One of the two lines between which stands what was missed.
    pub fn missed(&self, begins: bool, columns: usize) -> String {
        const BEGIN: &str = "── while you were away ──";
        let end = || "─".repeat(width(BEGIN).min(columns));
        let line = if begins { BEGIN.into() } else { end() };
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

    /// That `what` happened, which nobody said.
    pub fn presence(&self, what: &str, at: DateTime, columns: usize) -> String {
        let time = time(at, columns);
        let line = format!("{time}* {what}");
        let spans = [(0..line.len(), DIM.into())];
        rows(&line, indent(&time, time.len() + 2, columns), columns, self.worn(&spans))
    }

    fn here(&self, names: &[Name], at: DateTime, columns: usize) -> String {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::terminal::clock::moment;
    use crate::ui::terminal::look::{BOLD, MARKED};
    use crate::ui::terminal::rows::PLAIN;

    fn at() -> DateTime {
        moment(2026, 11, 21, 9, 5)
    }

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    fn look(colour: bool) -> Look {
        Look { colour, me: Some(name("ada")) }
    }

    fn msg(from: &str, text: &str) -> Event {
        Event::Msg { from: name(from), text: text.into() }
    }

    /// What is shown in black and white, each row framed so that its end is seen.
    fn picture(columns: usize, events: &[Event]) -> String {
        let shown = |event: &Event| look(false).event(event, at(), columns).expect("to be shown");
        let shown: String = events.iter().map(shown).collect();
        for row in shown.lines() {
            // Only what has no blank to be broken at is the terminal's to wrap.
            let long = row.split(' ').any(|word| width(word) + columns / 2 > columns);
            assert!(width(row) <= columns || long, "{row:?} in {columns}");
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
    fn a_crowd_is_shown_name_by_name() {
        // Within this test's patience: each name's colour is looked for in its row alone.
        let names: Vec<Name> = (0..30_000).map(|n| name(&format!("n{n}"))).collect();
        let shown = look(true).event(&Event::Who(names), at(), 80).expect("to be shown");
        assert_eq!(shown.matches("\x1b[38;5;").count(), 30_000);
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
    fn at_any_width_no_row_is_too_wide() {
        // Half of it holds a wide character.
        for columns in 4..250 {
            picture(columns, &talk());
        }
    }

    #[test]
    fn a_word_without_end_begins_beside_the_name_and_stays_whole() {
        let long = "x".repeat(40);
        let text = format!("{long} and so on and so on and so");
        let expected = format!("09:05 <bob> {text}\n            forth\n");
        assert_eq!(picture(40, &[msg("bob", &format!("{text} forth"))]), expected);
    }

    #[test]
    fn blanks_before_a_word_make_no_row_too_wide() {
        let expected = "09:05 <bob>\n            x\n";
        assert_eq!(picture(40, &[msg("bob", &format!("{:60}x", ""))]), expected);
    }

    #[test]
    fn one_s_own_words_look_as_to_others() {
        let look = look(false);
        assert_eq!(look.own(None, "hi", at(), 80), "09:05 <ada> hi\n");
        assert_eq!(look.own(Some(&name("bob")), "hi", at(), 80), "09:05 <ada> [to bob] hi\n");
        assert_eq!(look.typed("wat", 80), "ada> wat\n");
        assert_eq!(look.typed("a\nb", 80), "ada> a …\n");
    }

    #[test]
    fn another_day_is_said() {
        assert_eq!(look(false).day(at(), 80), "── Saturday, 21 November 2026 ──\n");
    }

    #[test]
    fn in_colour_each_part_has_its_look() {
        let shown = |event| look(true).event(&event, at(), 80).expect("to be shown");
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
    fn what_is_for_me_rings_and_what_i_say_does_not() {
        let look = look(false);
        assert!(look.concerns_me(&msg("bob", "ada?")));
        assert!(look.concerns_me(&Event::Tell { from: name("bob"), text: "psst".into() }));
        assert!(!look.concerns_me(&msg("bob", "eve?")));
        assert!(!look.concerns_me(&Event::Joined(name("bob"))));
    }
}
