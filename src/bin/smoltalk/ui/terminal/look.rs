//! Colours, and where a row begins: what all that a terminal shows has in common.

use super::rows::{PLAIN, Span};
use smoltalk::protocol::Name;
use std::ops::Range;
use tz::DateTime;

pub const DIM: &str = "\x1b[2m";
pub const BOLD: &str = "\x1b[1m";
pub const MARKED: &str = "\x1b[1;7m";

/// The colours of names, of the 256 that terminals agree on: neither too light for a white
/// background nor too dark for a black one, and no two alike.
const COLOURS: [u8; 12] = [28, 30, 32, 62, 64, 98, 130, 133, 136, 161, 166, 168];

/// Below so many columns, the time would take the room of the words.
const NARROW: usize = 30;

/// Columns of `HH:MM ` and two more: where a row goes on whose name leaves it no better place.
const INDENT: usize = 8;

/// With or without colour, and who looks at it.
#[derive(Debug)]
pub struct Look {
    pub colour: bool,
    pub me: Option<Name>,
}

impl Look {
    /// The prompt as it is shown.
    pub fn prompt(&self, prompt: &str) -> String {
        match self.prompt_style() {
            style if style.is_empty() => prompt.into(),
            style => self.dress(&style, prompt),
        }
    }

    /// `text` in this look, if there are colours.
    pub fn dress(&self, look: &str, text: &str) -> String {
        if self.colour { format!("{look}{text}{PLAIN}") } else { text.into() }
    }

    pub fn prompt_style(&self) -> String {
        self.me.as_ref().map(|me| colour(me.as_str())).unwrap_or_default()
    }

    pub fn is_me(&self, name: &str) -> bool {
        self.me.is_some_and(|me| me.as_str().eq_ignore_ascii_case(name))
    }

    /// The spans, if there are colours.
    pub fn worn<'a>(&self, spans: &'a [Span]) -> &'a [Span] {
        if self.colour { spans } else { &[] }
    }

    /// Where in `text` one's own name stands as a word.
    pub fn mentions(&self, text: &str) -> Vec<Range<usize>> {
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

pub fn time(at: DateTime, columns: usize) -> String {
    if columns < NARROW {
        return String::new();
    }
    format!("{:02}:{:02} ", at.hour(), at.minute())
}

/// Where a message goes on that begins at column `text`: below its beginning, unless that would
/// leave it too little.
pub fn indent(time: &str, text: usize, columns: usize) -> usize {
    if text <= columns / 3 {
        text
    } else if time.is_empty() {
        2
    } else {
        INDENT
    }
}

/// The same colour for a name wherever it comes, in whatever case.
pub fn colour(name: &str) -> String {
    // FNV-1a.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, b| {
        (hash ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    });
    let colour = COLOURS[(hash >> 8) as usize % COLOURS.len()];
    format!("\x1b[38;5;{colour}m")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_is_a_whole_word() {
        let look = Look { colour: true, me: Name::new(b"ada") };
        let mentioned = |text: &str| !look.mentions(text).is_empty();
        for text in ["ada", "Hi ADA.", "ada: look", "(ada)", "what, ada?", "ada-", "ada..."] {
            assert!(mentioned(text), "{text}");
        }
        for text in ["adam", "nada", "ada-b", "ada.b", "b.ada", "ada_", "éada", "adaé", ""] {
            assert!(!mentioned(text), "{text}");
        }
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
