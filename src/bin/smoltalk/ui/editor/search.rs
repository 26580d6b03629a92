//! Looking through the history for a line in which something occurs, while that is typed.

use super::draft::Draft;
use super::keys::Key;
use super::{Did, Editor};

/// A search through the history.
#[derive(Debug)]
pub struct Search {
    part: String,
    /// The line found last.
    at: usize,
    /// `part` occurs in no further line.
    failed: bool,
    /// What was typed before.
    draft: Draft,
}

impl Editor {
    /// What stands before the line instead of the prompt, during a search.
    pub fn search(&self) -> Option<String> {
        let Search { part, failed, .. } = self.search.as_ref()?;
        Some(format!("({}search) {part}: ", if *failed { "failed " } else { "" }))
    }

    pub(super) fn begin_search(&mut self) -> Did {
        let draft = self.draft.clone();
        let at = self.history.len();
        self.search = Some(Search { part: String::new(), at, failed: false, draft });
        Did::Edited
    }

    /// `None`: there is no search, or it is over, and the key is for the line.
    pub(super) fn press_in_search(&mut self, key: &Key) -> Option<Did> {
        let search = self.search.as_mut()?;
        let newest = self.history.len();
        let found = match key {
            Key::Char(c) => {
                search.part.push(*c);
                self.history.search_older(&search.part, search.at.saturating_add(1))
            }
            Key::Backspace => {
                search.part.pop();
                self.history.search_older(&search.part, newest)
            }
            Key::Ctrl('r') => self.history.search_older(&search.part, search.at),
            Key::Ctrl('s') => self.history.search_newer(&search.part, search.at),
            Key::Ctrl('g') | Key::Escape => {
                self.draft = self.search.take()?.draft;
                return Some(Did::Edited);
            }
            _ => {
                let Search { at, draft, .. } = self.search.take()?;
                if at < newest {
                    self.history.go_to(at, draft.text());
                }
                return None;
            }
        };
        // Nothing is looked for yet: any line would do.
        let found = found.filter(|_| !search.part.is_empty());
        search.failed = found.is_none() && !search.part.is_empty();
        if let Some(at) = found {
            search.at = at;
            let line = self.history.line(at).unwrap_or_default();
            self.draft = Draft::new(line.into(), line.find(&search.part).unwrap_or(0));
        }
        Some(if found.is_some() { Did::Edited } else { Did::Nothing })
    }
}
