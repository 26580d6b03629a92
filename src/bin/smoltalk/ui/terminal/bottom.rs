//! The rows at the bottom of the screen in which the line is typed.
//!
//! Terminals disagree about the width of some characters. While these rows are drawn, the terminal
//! wraps nothing by itself: it then has as many rows as we have, whatever it thinks of their width.
//! And where the cursor belongs, it finds out by being told again what stands before it.

use super::width::width;
use std::fmt::Write;

const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// What has been drawn, and is to be erased before anything else is.
#[derive(Debug, Default)]
pub struct Bottom {
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    /// The columns of the rows above the cursor's.
    above: Vec<usize>,
    /// The columns before the cursor.
    before: usize,
}

/// Rows to draw.
#[derive(Debug)]
pub struct Drawing<'a> {
    /// What the first row begins with, and how it looks.
    pub prompt: &'a str,
    pub dressed: &'a str,
    pub rows: &'a [String],
    /// The row of the cursor, and how many of its bytes stand before it.
    pub row: usize,
    pub before: usize,
}

impl Bottom {
    /// Erases what was drawn. The cursor is then where it began.
    ///
    /// When a terminal becomes narrower, it breaks rows that no longer fit: xterm, which cuts them
    /// off, is the exception.
    pub fn erase(&mut self, out: &mut String, columns: usize) {
        let Some(Drawn { above, before }) = self.drawn.take() else { return };
        let broken = |wide: &usize| wide.saturating_sub(1) / columns + 1;
        // At the right edge the cursor stands on the last column, and not behind it.
        let up: usize =
            above.iter().map(broken).sum::<usize>() + before.saturating_sub(1) / columns;
        out.push('\r');
        go_up(out, up);
        out.push_str("\x1b[J");
    }

    /// Draws from where the cursor is, at the beginning of a row.
    pub fn draw(&mut self, out: &mut String, drawing: &Drawing<'_>) {
        let Drawing { prompt, dressed, rows, row, before } = *drawing;
        let indent = |n: usize| if n == 0 { width(prompt) } else { 0 };
        out.push_str(NO_WRAP);
        out.push_str(dressed);
        out.push_str(&rows.join("\n"));
        let below = rows.len() - 1 - row;
        go_up(out, below);
        let before = &rows[row][..before];
        if below > 0 || before.len() < rows[row].len() {
            out.push('\r');
            out.push_str(if row == 0 { dressed } else { "" });
            out.push_str(before);
        }
        out.push_str(WRAP);
        let above = rows[..row].iter().enumerate().map(|(n, text)| width(text) + indent(n));
        self.drawn = Some(Drawn { above: above.collect(), before: width(before) + indent(row) });
    }
}

fn go_up(out: &mut String, rows: usize) {
    if rows > 0 {
        let _ = write!(out, "\x1b[{rows}A");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the cursor goes to erase, after `rows` were drawn and the terminal has `columns`.
    fn erased(rows: &[&str], row: usize, before: usize, columns: usize) -> String {
        let rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        let mut bottom = Bottom::default();
        let drawing = Drawing { prompt: "> ", dressed: "> ", rows: &rows, row, before };
        bottom.draw(&mut String::new(), &drawing);
        let mut out = String::new();
        bottom.erase(&mut out, columns);
        bottom.erase(&mut out, columns);
        out
    }

    #[test]
    fn what_was_drawn_is_erased_once() {
        assert_eq!(erased(&["abc"], 0, 3, 10), "\r\x1b[J");
        assert_eq!(erased(&["abcdefgh", "abc"], 1, 1, 10), "\r\x1b[1A\x1b[J");
        assert_eq!(erased(&["abcdefgh", "abc"], 0, 1, 10), "\r\x1b[J");
    }

    #[test]
    fn a_narrower_terminal_has_broken_the_rows() {
        // `> abcdefgh` now takes two rows, and then the cursor's own begins.
        assert_eq!(erased(&["abcdefgh", "abc"], 1, 1, 5), "\r\x1b[2A\x1b[J");
        assert_eq!(erased(&["abcdefgh", "abc"], 1, 1, 4), "\r\x1b[3A\x1b[J");
        assert_eq!(erased(&["abcdefgh"], 0, 8, 4), "\r\x1b[2A\x1b[J");
    }

    #[test]
    fn a_wider_terminal_joins_no_rows() {
        assert_eq!(erased(&["abcdefgh", "abc"], 1, 1, 50), "\r\x1b[1A\x1b[J");
    }

    #[test]
    fn the_cursor_is_brought_back_by_what_stands_before_it() {
        let rows = ["ab漢".to_string(), "c".to_string()];
        let mut out = String::new();
        let dressed = "\x1b[1m> \x1b[m";
        Bottom::default()
            .draw(&mut out, &Drawing { prompt: "> ", dressed, rows: &rows, row: 0, before: 5 });
        assert_eq!(out, "\x1b[?7l\x1b[1m> \x1b[mab漢\nc\x1b[1A\r\x1b[1m> \x1b[mab漢\x1b[?7h");
    }
}
