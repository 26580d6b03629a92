//! A text and the cursor in it: where visible characters and words begin and end.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// A line as far as it is typed. Its cursor never stands inside a visible character.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    text: String,
    /// A byte of the text at which a visible character begins, or its end.
    cursor: usize,
}

impl Draft {
    /// `text` with the cursor at `cursor`, or at the end of the character that that is inside of.
    pub fn new(text: String, cursor: usize) -> Self {
        let mut draft = Self { text, cursor };
        draft.cursor = draft.at_boundary(cursor);
        draft
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Moves the cursor to where another function says that something begins or ends.
    pub fn go(&mut self, to: usize) {
        self.cursor = to;
    }

    /// Puts `text` in the place of what stands between `start` and `end`, and the cursor behind it.
    pub fn replace(&mut self, start: usize, end: usize, text: &str) {
        self.text.replace_range(start..end, text);
        // A joiner or an accent becomes one with what is around it.
        self.cursor = self.at_boundary(start + text.len());
    }

    pub fn left(&self) -> usize {
        self.left_of(self.cursor)
    }

    pub fn left_of(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    pub fn right(&self) -> usize {
        self.right_of(self.cursor)
    }

    fn right_of(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    fn at_boundary(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        match cursor.is_boundary(&self.text, 0) {
            Ok(true) => at,
            _ => self.right_of(at),
        }
    }

    pub fn word_left(&self) -> usize {
        let mut words = self.text[..self.cursor].unicode_word_indices();
        words.next_back().map_or(0, |(start, _)| start)
    }

    pub fn word_right(&self) -> usize {
        let mut words = self.text[self.cursor..].unicode_word_indices();
        words.next().map_or(self.text.len(), |(start, word)| self.cursor + start + word.len())
    }

    /// The beginning of the word to the left, where only blanks end words.
    pub fn blank_left(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        before
            .rfind(char::is_whitespace)
            .map_or(0, |blank| blank + before[blank..].chars().next().map_or(0, char::len_utf8))
    }
}
