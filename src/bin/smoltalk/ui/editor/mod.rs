//! The line being typed: keys in, a text and a cursor out. No I/O but the history's.

mod draft;
pub mod history;
mod keys;
mod search;

pub use history::History;
pub use keys::{Key, Keys};

use draft::Draft;
use search::{Search, Step};

/// Bytes of the longest text that is taken in: as much as one paste may have.
const LONGEST: usize = keys::PASTE;

/// Changes that can be undone.
const UNDOS: usize = 200;

/// What a key did that concerns more than the line.
#[derive(Debug, PartialEq, Eq)]
pub enum Did {
    /// Nothing more.
    Edited,
    /// There was nothing to do.
    Nothing,
    /// The line is over, and a new one begins.
    Entered(String),
    /// Whatever can be completed at the cursor should be.
    Complete,
    ClearScreen,
    /// There is no more to come.
    Ended,
    /// Nothing was being typed, and whatever else goes on is to stop.
    Interrupted,
}

/// What keys before this one matter for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Typed,
    Killed,
    Other,
}

/// The line being typed. The keys are readline's.
#[derive(Debug)]
pub struct Editor {
    draft: Draft,
    killed: String,
    last: Last,
    undos: Vec<Draft>,
    search: Option<Search>,
    history: History,
}

impl Editor {
    pub fn new(history: History) -> Self {
        Self {
            draft: Draft::default(),
            killed: String::new(),
            last: Last::Other,
            undos: Vec::new(),
            search: None,
            history,
        }
    }

    pub fn text(&self) -> &str {
        self.draft.text()
    }

    pub fn cursor(&self) -> usize {
        self.draft.cursor()
    }

    /// What stands before the line instead of the prompt, during a search.
    pub fn search(&self) -> Option<String> {
        self.search.as_ref().map(Search::prompt)
    }

    /// Remembers a line that was entered.
    pub fn remember(&mut self, line: &str) {
        self.history.entered(line);
    }

    /// Keeps nothing of what was typed, but what it was to remember.
    pub fn forget(&mut self) {
        self.draft = Draft::default();
        self.killed.clear();
        self.undos.clear();
    }

    /// Begins with a line that was entered instead of an empty one.
    pub fn put_back(&mut self, line: &str) {
        self.draft = Draft::new(line.into(), line.len());
    }

    /// Puts `text` in the place of what stands between `start` and the cursor.
    pub fn complete(&mut self, start: usize, text: &str) {
        self.replace(start, self.cursor(), text);
        self.last = Last::Other;
    }

    pub fn press(&mut self, key: Key) -> Did {
        if let Some(did) = self.press_in_search(&key) {
            return did;
        }
        let before = std::mem::replace(&mut self.last, Last::Other);
        if let Some(to) = self.motion(&key) {
            return self.go(to);
        }
        match key {
            Key::Enter => self.enter(),
            Key::Tab => Did::Complete,
            Key::Up | Key::Ctrl('p') => {
                let older = self.history.older(self.draft.text());
                self.recall(older)
            }
            Key::Down | Key::Ctrl('n') => {
                let newer = self.history.newer();
                self.recall(newer)
            }
            Key::Ctrl('r') => {
                self.search = Some(Search::new(self.draft.clone(), &self.history));
                Did::Edited
            }
            Key::Ctrl('l') => Did::ClearScreen,
            Key::Ctrl('d') if self.text().is_empty() => Did::Ended,
            Key::Ctrl('c') if self.text().is_empty() => Did::Interrupted,
            key => self.edit(key, before),
        }
    }

    /// `None`: there is no search, or it is over, and the key is for the line.
    fn press_in_search(&mut self, key: &Key) -> Option<Did> {
        match self.search.as_mut()?.press(key, &self.history) {
            Step::Found(line) => self.draft = line,
            Step::Nothing => return Some(Did::Nothing),
            Step::GivenUp => self.draft = self.search.take()?.before,
            Step::Over => {
                let Search { at, before, .. } = self.search.take()?;
                if at < self.history.len() {
                    self.history.go_to(at, before.text());
                }
                return None;
            }
        }
        Some(Did::Edited)
    }

    /// Where a key moves the cursor to.
    fn motion(&self, key: &Key) -> Option<usize> {
        Some(match key {
            Key::Left | Key::Ctrl('b') => self.draft.left(),
            Key::Right | Key::Ctrl('f') => self.draft.right(),
            Key::WordLeft | Key::Alt('b') => self.draft.word_left(),
            Key::WordRight | Key::Alt('f') => self.draft.word_right(),
            Key::Home | Key::Ctrl('a') => 0,
            Key::End | Key::Ctrl('e') => self.text().len(),
            _ => return None,
        })
    }

    fn go(&mut self, to: usize) -> Did {
        if self.cursor() == to {
            return Did::Nothing;
        }
        self.draft.go(to);
        Did::Edited
    }

    fn enter(&mut self) -> Did {
        let line = self.text().into();
        self.draft = Draft::default();
        self.undos.clear();
        Did::Entered(line)
    }

    fn recall(&mut self, line: Option<String>) -> Did {
        let Some(line) = line else { return Did::Nothing };
        let end = line.len();
        self.draft = Draft::new(line, end);
        self.undos.clear();
        Did::Edited
    }

    /// What a key changes within the line.
    fn edit(&mut self, key: Key, before: Last) -> Did {
        let (draft, cursor) = (&self.draft, self.cursor());
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4]), before),
            Key::Paste(text) => self.insert(&text, Last::Other),
            Key::Ctrl('c') => self.replace(0, self.text().len(), ""),
            Key::Ctrl('y') => self.insert(&self.killed.clone(), Last::Other),
            Key::Ctrl('_') => self.undo(),
            Key::Backspace => self.replace(draft.left(), cursor, ""),
            Key::Delete | Key::Ctrl('d') => self.replace(cursor, draft.right(), ""),
            Key::WordBackspace => self.kill(draft.word_left(), cursor, before),
            Key::Ctrl('w') => self.kill(draft.blank_left(), cursor, before),
            Key::WordDelete | Key::Alt('d') => self.kill(cursor, draft.word_right(), before),
            Key::Ctrl('u') => self.kill(0, cursor, before),
            Key::Ctrl('k') => self.kill(cursor, self.text().len(), before),
            _ => Did::Nothing,
        }
    }

    fn insert(&mut self, text: &str, before: Last) -> Did {
        if text.is_empty() || self.text().len() + text.len() > LONGEST {
            return Did::Nothing;
        }
        // What is typed without a pause for another key is undone together.
        if before != Last::Typed {
            self.save();
        }
        self.draft.replace(self.cursor(), self.cursor(), text);
        self.last = Last::Typed;
        Did::Edited
    }

    fn replace(&mut self, start: usize, end: usize, text: &str) -> Did {
        if start == end && text.is_empty() {
            return Did::Nothing;
        }
        self.save();
        self.draft.replace(start, end, text);
        Did::Edited
    }

    /// Erases and keeps it for Ctrl-Y, together with what was killed just before.
    fn kill(&mut self, start: usize, end: usize, before: Last) -> Did {
        if before != Last::Killed {
            self.killed.clear();
        }
        self.last = before;
        if start == end {
            return Did::Nothing;
        }
        let place = if end == self.cursor() { 0 } else { self.killed.len() };
        self.killed.insert_str(place, &self.draft.text()[start..end]);
        self.last = Last::Killed;
        self.replace(start, end, "")
    }

    fn save(&mut self) {
        self.undos.push(self.draft.clone());
        let surplus = self.undos.len().saturating_sub(UNDOS);
        self.undos.drain(..surplus);
    }

    fn undo(&mut self) -> Did {
        let Some(draft) = self.undos.pop() else { return Did::Nothing };
        self.draft = draft;
        Did::Edited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    fn editor() -> Editor {
        Editor::new(History::default())
    }

    fn types(editor: &mut Editor, text: &str) {
        for c in text.chars() {
            editor.press(Key::Char(c));
        }
    }

    /// What stands there after `text` and `keys`, the cursor as `|`.
    fn after(text: &str, keys: &[Key]) -> String {
        let mut editor = editor();
        types(&mut editor, text);
        for key in keys {
            editor.press(key.clone());
        }
        picture(&editor)
    }

    fn picture(editor: &Editor) -> String {
        let (before, behind) = editor.text().split_at(editor.cursor());
        format!("{before}|{behind}")
    }

    #[test]
    fn the_cursor_moves_by_what_is_seen() {
        assert_eq!(after("a漢e\u{301}👩‍👩‍👧", &[Key::Left]), "a漢e\u{301}|👩‍👩‍👧");
        assert_eq!(after("a漢e\u{301}", &[Key::Left, Key::Left]), "a|漢e\u{301}");
        assert_eq!(after("ae\u{301}", &[Key::Backspace]), "a|");
        assert_eq!(after("ab", &[Key::Home, Key::Right, Key::Delete]), "a|");
        assert_eq!(after("ab", &[Key::Ctrl('a'), Key::Ctrl('f'), Key::Ctrl('d')]), "a|");
    }

    #[test]
    fn words_are_those_of_readline() {
        let text = "send one-two, three";
        assert_eq!(after(text, &[Key::Alt('b')]), "send one-two, |three");
        assert_eq!(after(text, &[Key::WordLeft, Key::WordLeft]), "send one-|two, three");
        assert_eq!(after(text, &[Key::Home, Key::Alt('f')]), "send| one-two, three");
        assert_eq!(after(text, &[Key::WordBackspace]), "send one-two, |");
        assert_eq!(after(text, &[Key::Ctrl('w'), Key::Ctrl('w')]), "send |");
        assert_eq!(after(text, &[Key::Home, Key::Alt('d')]), "| one-two, three");
    }

    #[test]
    fn what_is_killed_comes_back() {
        let two = [Key::Ctrl('w'), Key::Ctrl('w'), Key::Ctrl('y'), Key::Ctrl('y')];
        assert_eq!(after("a b c", &two), "a b cb c|");
        assert_eq!(
            after("a b", &[Key::Left, Key::Ctrl('k'), Key::Ctrl('a'), Key::Ctrl('y')]),
            "b|a "
        );
        assert_eq!(after("a b", &[Key::Left, Key::Ctrl('u'), Key::End, Key::Ctrl('y')]), "ba |");
    }

    #[test]
    fn changes_are_undone_one_by_one() {
        let mut keys = vec![Key::Ctrl('w'), Key::Char('x'), Key::Char('y'), Key::Ctrl('_')];
        assert_eq!(after("a b", &keys), "a |");
        keys.push(Key::Ctrl('_'));
        assert_eq!(after("a b", &keys), "a b|");
    }

    #[test]
    fn enter_takes_the_whole_line_wherever_the_cursor_is() {
        let mut editor = editor();
        types(&mut editor, "hi");
        editor.press(Key::Left);
        assert_eq!(editor.press(Key::Enter), Did::Entered("hi".into()));
        assert_eq!(picture(&editor), "|");
        assert_eq!(editor.press(Key::Enter), Did::Entered(String::new()));
    }

    #[test]
    fn the_end_is_only_at_an_empty_line() {
        let mut editor = editor();
        types(&mut editor, "x");
        assert_eq!(editor.press(Key::Ctrl('d')), Did::Nothing);
        editor.press(Key::Backspace);
        assert_eq!(editor.press(Key::Ctrl('d')), Did::Ended);
    }

    #[test]
    fn what_is_typed_is_taken_back_before_all_is_interrupted() {
        let mut editor = editor();
        types(&mut editor, "half");
        editor.press(Key::Left);
        assert_eq!(editor.press(Key::Ctrl('c')), Did::Edited);
        assert_eq!(picture(&editor), "|");
        assert_eq!(editor.press(Key::Ctrl('c')), Did::Interrupted);
        editor.press(Key::Ctrl('_'));
        assert_eq!(picture(&editor), "hal|f");
    }

    #[test]
    fn a_paste_is_inserted_and_entered_as_one() {
        let mut editor = editor();
        types(&mut editor, "send ");
        editor.press(Key::Paste("a\nb".into()));
        assert_eq!(editor.press(Key::Enter), Did::Entered("send a\nb".into()));
        editor.press(Key::Paste("x".repeat(LONGEST)));
        assert_eq!(editor.press(Key::Char('x')), Did::Nothing);
    }

    fn with_history(lines: &[&str]) -> Editor {
        let mut editor = editor();
        for line in lines {
            editor.remember(line);
        }
        editor
    }

    #[test]
    fn older_lines_come_back_and_the_draft_too() {
        let mut editor = with_history(&["one", "two"]);
        types(&mut editor, "dra");
        editor.press(Key::Up);
        assert_eq!(picture(&editor), "two|");
        editor.press(Key::Ctrl('p'));
        assert_eq!(editor.press(Key::Up), Did::Nothing);
        assert_eq!(picture(&editor), "one|");
        editor.press(Key::Down);
        editor.press(Key::Down);
        assert_eq!(picture(&editor), "dra|");
    }

    #[test]
    fn a_search_goes_back_and_forth_and_can_be_given_up() {
        let mut editor = with_history(&["send tea", "who", "send coffee"]);
        types(&mut editor, "dra");
        editor.press(Key::Ctrl('r'));
        types(&mut editor, "send");
        assert_eq!(picture(&editor), "|send coffee");
        assert_eq!(editor.search().as_deref(), Some("(search) send: "));
        editor.press(Key::Ctrl('r'));
        assert_eq!(picture(&editor), "|send tea");
        assert_eq!(editor.press(Key::Ctrl('r')), Did::Nothing);
        assert_eq!(editor.search().as_deref(), Some("(failed search) send: "));
        editor.press(Key::Ctrl('s'));
        assert_eq!(picture(&editor), "|send coffee");
        editor.press(Key::Escape);
        assert_eq!((picture(&editor).as_str(), editor.search()), ("dra|", None));
    }

    #[test]
    fn a_found_line_is_edited_or_entered_as_any() {
        let mut editor = with_history(&["send tea", "who"]);
        editor.press(Key::Ctrl('r'));
        types(&mut editor, "tea");
        editor.press(Key::End);
        assert_eq!((picture(&editor).as_str(), editor.search()), ("send tea|", None));
        editor.press(Key::Down);
        assert_eq!(picture(&editor), "who|");
        editor.press(Key::Ctrl('r'));
        types(&mut editor, "te");
        assert_eq!(editor.press(Key::Enter), Did::Entered("send tea".into()));
    }

    proptest! {
        #[test]
        fn the_cursor_never_stands_inside_a_character(
            keys in prop::collection::vec(prop_oneof![
                prop::sample::select(vec!['a', '漢', '\u{301}', '👩', '\u{200d}', ' ', '\u{1f1e9}']).prop_map(Key::Char),
                prop::sample::select("abcdefghijklmnoprstuwxy_".chars().collect::<Vec<_>>()).prop_map(Key::Ctrl),
                prop::sample::select(vec!['b', 'f', 'd', 'u', 'c', 'l']).prop_map(Key::Alt),
                Just(Key::Backspace), Just(Key::Delete), Just(Key::Up), Just(Key::Enter), Just(Key::Escape),
            ], 0..60)
        ) {
            let mut editor = editor();
            for key in keys {
                if let Did::Entered(line) = editor.press(key) {
                    editor.remember(&line);
                }
                let boundaries = editor.text().grapheme_indices(true).map(|(at, _)| at);
                prop_assert!(boundaries.chain([editor.text().len()]).any(|at| at == editor.cursor()));
            }
        }
    }
}
