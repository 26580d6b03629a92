//! Looking through the history for a line in which something occurs, while that is typed.

use super::draft::Draft;
use super::history::History;
use super::keys::Key;

/// A search through the history.
#[derive(Debug)]
pub struct Search {
    part: String,
    /// The line found last.
    pub at: usize,
    /// `part` occurs in no further line.
    failed: bool,
    /// What was typed before.
    pub before: Draft,
}

/// What a key did to a search.
#[derive(Debug)]
pub enum Step {
    /// A line was found; this is it.
    Found(Draft),
    /// No other line was.
    Nothing,
    /// It is given up, and all as before.
    GivenUp,
    /// It is over: the key is for the line that was found.
    Over,
}

impl Search {
    pub fn new(before: Draft, history: &History) -> Self {
        Self { part: String::new(), at: history.len(), failed: false, before }
    }

    /// What stands before the line instead of the prompt.
    pub fn prompt(&self) -> String {
        format!("({}search) {}: ", if self.failed { "failed " } else { "" }, self.part)
    }

    pub fn press(&mut self, key: &Key, history: &History) -> Step {
        let found = match key {
            Key::Char(c) => {
                self.part.push(*c);
                history.search_older(&self.part, self.at.saturating_add(1))
            }
            Key::Backspace => {
                self.part.pop();
                history.search_older(&self.part, history.len())
            }
            Key::Ctrl('r') => history.search_older(&self.part, self.at),
            Key::Ctrl('s') => history.search_newer(&self.part, self.at),
            Key::Ctrl('g' | 'c') | Key::Escape => return Step::GivenUp,
            _ => return Step::Over,
        };
        // Nothing is looked for yet: any line would do.
        let found = found.filter(|_| !self.part.is_empty());
        self.failed = found.is_none() && !self.part.is_empty();
        let Some(at) = found else { return Step::Nothing };
        self.at = at;
        let line = history.line(at).unwrap_or_default();
        Step::Found(Draft::new(line.into(), line.find(&self.part).unwrap_or(0)))
    }
}
