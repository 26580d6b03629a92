//! How many columns a text takes, and where it is broken into rows.

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// Columns that `text` takes, which has no TAB.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// `text` with blanks for its TABs, if it begins at a tab stop.
pub fn untab(text: &str) -> String {
    let mut shown = String::new();
    let mut column = 0;
    for part in text.split_inclusive('\t') {
        let plain = part.trim_end_matches('\t');
        shown.push_str(plain);
        column += width(plain);
        if plain.len() < part.len() {
            let blanks = TAB - column % TAB;
            shown.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        }
    }
    shown
}

/// The parts of `text` that go into rows of `columns`, of which all but the first are indented. It
/// has no TAB. The blanks at which it is broken are in no row.
///
/// A word for which no row has room is left whole, and the terminal wraps it: so an address can be
/// clicked and copied. Where it has wide characters it is none: these are parted anywhere.
pub fn wrap(text: &str, indent: usize, columns: usize) -> Vec<Range<usize>> {
    let mut rows = Rows { indent, columns, full: Vec::new(), start: 0, end: 0, column: 0 };
    for (at, word) in words(text) {
        rows.push(at, word);
    }
    rows.full.push(rows.start..rows.end);
    rows.full
}

/// What stands between blanks, and where.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(' ').filter_map(move |word| {
        let begins = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((begins, word))
    })
}

/// Rows that are being filled, word by word.
struct Rows {
    indent: usize,
    columns: usize,
    full: Vec<Range<usize>>,
    /// Where in the text the last row begins, and where what is in it ends.
    start: usize,
    end: usize,
    /// The column at which it ends.
    column: usize,
}

impl Rows {
    fn push(&mut self, at: usize, word: &str) {
        let (blanks, wide) = (at - self.end, width(word));
        let fits = self.column + blanks + wide <= self.columns;
        let fits_below = self.indent + wide <= self.columns;
        let is_full = self.column + blanks >= self.columns;
        if !fits && (fits_below || is_full) && at > self.start {
            self.breaks(at);
        } else {
            self.column += blanks;
        }
        if fits || fits_below {
            self.column += wide;
        } else if word.graphemes(true).any(|cluster| UnicodeWidthStr::width(cluster) > 1) {
            self.part(at, word);
        } else {
            // The terminal goes on at the left edge.
            self.column = (self.column + wide - 1) % self.columns + 1;
        }
        self.end = at + word.len();
    }

    /// Ends the row; the next begins with what is `at` that place.
    fn breaks(&mut self, at: usize) {
        self.full.push(self.start..self.end);
        (self.start, self.end, self.column) = (at, at, self.indent);
    }

    /// Puts a word into as many rows as it takes.
    fn part(&mut self, at: usize, word: &str) {
        for (offset, cluster) in word.grapheme_indices(true) {
            let (here, wide) = (at + offset, UnicodeWidthStr::width(cluster));
            if self.column + wide > self.columns && here > self.start {
                self.end = here;
                self.breaks(here);
            }
            self.column += wide;
        }
    }
}

/// What is being typed, as rows.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    pub rows: Vec<String>,
    /// The row of the cursor.
    pub row: usize,
    /// How many bytes of that row stand before it.
    pub before: usize,
}

/// Puts `text` into rows of `columns`, of which the first has `taken` columns less. Each row but
/// the last is full, or ends a line. The cursor stands at the byte `cursor`.
pub fn typed(text: &str, cursor: usize, columns: usize, taken: usize) -> Typed {
    let mut typed = Typed { rows: vec![String::new()], row: 0, before: 0 };
    let mut column = taken;
    for (at, cluster) in text.grapheme_indices(true) {
        let shown = if cluster == "\t" { " ".repeat(TAB - column % TAB) } else { cluster.into() };
        let wide = if cluster == "\n" { 0 } else { width(&shown) };
        if column > 0 && column + wide > columns {
            typed.rows.push(String::new());
            column = 0;
        }
        typed.mark(at == cursor);
        if cluster == "\n" {
            typed.rows.push(String::new());
            column = 0;
        } else {
            typed.row_end().push_str(&shown);
            column += wide;
        }
    }
    // The cursor stands behind the last character, which may have filled its row.
    if column >= columns {
        typed.rows.push(String::new());
    }
    typed.mark(cursor >= text.len());
    typed
}

impl Typed {
    fn mark(&mut self, here: bool) {
        if here {
            self.row = self.rows.len() - 1;
            self.before = self.rows[self.row].len();
        }
    }

    fn row_end(&mut self) -> &mut String {
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    /// Which `most` rows to show, the one of the cursor among them.
    pub fn around_cursor(&self, most: usize) -> Range<usize> {
        let first = (self.row + 1).saturating_sub(most);
        first..self.rows.len().min(first + most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str, columns: usize) -> Vec<&str> {
        wrap(text, 0, columns).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(rows("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(rows("the quick brown fox", 9), ["the quick", "brown fox"]);
        assert_eq!(rows("a  b", 2), ["a", "b"]);
        assert_eq!(rows("", 5), [""]);
        assert_eq!(rows("  indented", 20), ["  indented"]);
        assert_eq!(rows("   a", 2), ["", "a"]);
    }

    #[test]
    fn a_word_longer_than_a_row_is_the_terminal_s_to_wrap() {
        assert_eq!(rows("abcdefgh", 3), ["abcdefgh"]);
        assert_eq!(rows("x abcdefgh", 4), ["x abcdefgh"]);
        // It ends at the second column of the third row, or at the third.
        assert_eq!(rows("x abcdefgh i", 4), ["x abcdefgh i"]);
        assert_eq!(rows("x abcdefghi j", 4), ["x abcdefghi", "j"]);
        assert_eq!(rows("abcd efgh", 3), ["abcd efgh"]);
        let text = "x abcdef gh";
        let indented: Vec<&str> = wrap(text, 2, 6).into_iter().map(|row| &text[row]).collect();
        assert_eq!(indented, ["x abcdef gh"]);
    }

    #[test]
    fn wide_characters_are_parted_anywhere() {
        assert_eq!(rows("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(rows("a 漢字漢字漢", 5), ["a 漢", "字漢", "字漢"]);
    }

    #[test]
    fn what_is_seen_as_one_stays_one() {
        assert_eq!(width("e\u{301}"), 1);
        assert_eq!(width("👩‍👩‍👧"), 2);
        assert_eq!(width("🇩🇪"), 2);
        assert_eq!(width("␛"), 1);
        assert_eq!(rows("a👩‍👩‍👧b", 2), ["a", "👩‍👩‍👧", "b"]);
    }

    #[test]
    fn tabs_go_to_their_stops() {
        assert_eq!(untab("a\tb\t\tc"), "a       b               c");
        assert_eq!(untab("漢\tb"), "漢      b");
    }

    #[test]
    fn a_full_row_puts_the_cursor_into_the_next() {
        let typed = typed("abcdef", 6, 4, 2);
        assert_eq!(typed.rows, ["ab", "cdef", ""]);
        assert_eq!((typed.row, typed.before), (2, 0));
    }

    #[test]
    fn a_wide_character_does_not_straddle_two_rows() {
        let typed = typed("ab漢c", 2, 5, 2);
        assert_eq!(typed.rows, ["ab", "漢c"]);
        assert_eq!((typed.row, typed.before), (1, 0));
    }

    #[test]
    fn pasted_lines_are_rows() {
        let typed = typed("a\n\nbc", 2, 10, 5);
        assert_eq!(typed.rows, ["a", "", "bc"]);
        assert_eq!((typed.row, typed.before), (1, 0));
    }

    #[test]
    fn the_rows_shown_hold_the_cursor() {
        let text = "a\n".repeat(20);
        assert_eq!(typed(&text, 0, 10, 0).around_cursor(5), 0..5);
        assert_eq!(typed(&text, text.len(), 10, 0).around_cursor(5), 16..21);
        assert_eq!(typed("a", 1, 10, 0).around_cursor(5), 0..1);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_but_for_a_long_word_and_only_blanks_are_lost(text in "[a 漢é]{0,60}", columns in 2usize..20) {
            let rows = rows(&text, columns);
            for row in &rows {
                let long = |(_, word): (_, &str)| width(word) > columns && !word.contains('漢');
                prop_assert!(width(row) <= columns || words(row).any(long), "{row:?}");
            }
            prop_assert_eq!(rows.concat().replace(' ', ""), text.replace(' ', ""));
        }

        #[test]
        fn what_is_typed_is_all_there(text in "[a 漢\n\t]{0,60}", columns in 8usize..20, taken in 0usize..7) {
            let typed = typed(&text, text.len(), columns, taken);
            prop_assert_eq!(typed.rows.concat().replace(' ', ""), text.replace([' ', '\n', '\t'], ""));
            prop_assert_eq!(typed.row + 1, typed.rows.len());
            for (n, row) in typed.rows.iter().enumerate() {
                let taken = if n == 0 { taken } else { 0 };
                prop_assert!(width(row) + taken <= columns);
            }
        }
    }
}
