//! The line being typed: keys in, a text and a cursor out. No I/O but the history's.

use super::history::History;
use super::keys::Key;
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// Bytes of the longest text that is taken in: as much as one paste may have.
const LONGEST: usize = 256 * 1024;

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
}

/// What keys before this one matter for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Typed,
    Killed,
    Other,
}

/// A search through the history.
#[derive(Debug)]
struct Search {
    part: String,
    /// The line found last.
    at: usize,
    /// `part` occurs in no further line.
    failed: bool,
    /// What was typed before.
    draft: (String, usize),
}

/// The line being typed. The keys are readline's.
#[derive(Debug)]
pub struct Editor {
    text: String,
    /// A byte of the text at which a visible character begins, or its end.
    cursor: usize,
    killed: String,
    last: Last,
    undos: Vec<(String, usize)>,
    search: Option<Search>,
    history: History,
}

impl Editor {
    pub fn new(history: History) -> Self {
        Self {
            text: String::new(),
            cursor: 0,
            killed: String::new(),
            last: Last::Other,
            undos: Vec::new(),
            search: None,
            history,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// What stands before the line instead of the prompt, during a search.
    pub fn search(&self) -> Option<String> {
        let Search { part, failed, .. } = self.search.as_ref()?;
        Some(format!("({}search) {part}: ", if *failed { "failed " } else { "" }))
    }

    /// Remembers a line that was entered.
    pub fn remember(&mut self, line: &str) {
        self.history.entered(line);
    }

    /// Puts `text` in the place of what stands between `start` and the cursor.
    pub fn complete(&mut self, start: usize, text: &str) {
        self.save();
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
        self.last = Last::Other;
    }

    pub fn press(&mut self, key: Key) -> Did {
        if self.search.is_some()
            && let Some(did) = self.press_in_search(&key)
        {
            return did;
        }
        let before = std::mem::replace(&mut self.last, Last::Other);
        match key {
            Key::Char(c) => return self.insert(c.encode_utf8(&mut [0; 4]), before),
            Key::Paste(text) => return self.insert(&text, Last::Other),
            Key::Enter => return self.enter(),
            Key::Tab => return Did::Complete,
            Key::Up | Key::Ctrl('p') => {
                let older = self.history.older(&self.text);
                return self.recall(older);
            }
            Key::Down | Key::Ctrl('n') => {
                let newer = self.history.newer();
                return self.recall(newer);
            }
            Key::Ctrl('r') => return self.begin_search(),
            Key::Ctrl('l') => return Did::ClearScreen,
            Key::Ctrl('d') if self.text.is_empty() => return Did::Ended,
            Key::Ctrl('t') => return self.transpose(),
            Key::Ctrl('y') => return self.insert(&self.killed.clone(), Last::Other),
            Key::Ctrl('_') => return self.undo(),
            Key::Alt(c @ ('u' | 'l' | 'c')) => return self.recase(c),
            _ => {}
        }
        if let Some(to) = self.motion(&key) {
            return self.go(to);
        }
        match key {
            Key::Backspace => self.erase(self.left(), self.cursor),
            Key::Delete | Key::Ctrl('d') => self.erase(self.cursor, self.right()),
            Key::WordBackspace => self.kill(self.word_left(), self.cursor, before),
            Key::Ctrl('w') => self.kill(self.blank_left(), self.cursor, before),
            Key::WordDelete | Key::Alt('d') => self.kill(self.cursor, self.word_right(), before),
            Key::Ctrl('u') => self.kill(0, self.cursor, before),
            Key::Ctrl('k') => self.kill(self.cursor, self.text.len(), before),
            _ => Did::Nothing,
        }
    }

    /// Where a key moves the cursor to.
    fn motion(&self, key: &Key) -> Option<usize> {
        Some(match key {
            Key::Left | Key::Ctrl('b') => self.left(),
            Key::Right | Key::Ctrl('f') => self.right(),
            Key::WordLeft | Key::Alt('b') => self.word_left(),
            Key::WordRight | Key::Alt('f') => self.word_right(),
            Key::Home | Key::Ctrl('a') => 0,
            Key::End | Key::Ctrl('e') => self.text.len(),
            _ => return None,
        })
    }

    fn go(&mut self, to: usize) -> Did {
        if self.cursor == to {
            return Did::Nothing;
        }
        self.cursor = to;
        Did::Edited
    }

    fn insert(&mut self, text: &str, before: Last) -> Did {
        if text.is_empty() || self.text.len() + text.len() > LONGEST {
            return Did::Nothing;
        }
        // What is typed without a pause for another key is undone together.
        if before != Last::Typed {
            self.save();
        }
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        // A joiner or an accent becomes one with what is around it.
        self.cursor = self.at_boundary(self.cursor);
        self.last = Last::Typed;
        Did::Edited
    }

    fn enter(&mut self) -> Did {
        self.cursor = 0;
        self.undos.clear();
        Did::Entered(std::mem::take(&mut self.text))
    }

    fn recall(&mut self, line: Option<String>) -> Did {
        let Some(line) = line else { return Did::Nothing };
        self.cursor = line.len();
        self.text = line;
        self.undos.clear();
        Did::Edited
    }

    fn erase(&mut self, start: usize, end: usize) -> Did {
        if start == end {
            return Did::Nothing;
        }
        self.save();
        self.text.drain(start..end);
        self.cursor = self.at_boundary(start);
        Did::Edited
    }

    /// Erases and keeps it for Ctrl-Y, together with what was killed just before.
    fn kill(&mut self, start: usize, end: usize, before: Last) -> Did {
        let part = self.text[start..end].to_string();
        if before != Last::Killed {
            self.killed.clear();
        }
        self.last = before;
        if part.is_empty() {
            return Did::Nothing;
        }
        let place = if end == self.cursor { 0 } else { self.killed.len() };
        self.killed.insert_str(place, &part);
        self.last = Last::Killed;
        self.erase(start, end)
    }

    fn transpose(&mut self) -> Did {
        let end = if self.cursor == self.text.len() { self.cursor } else { self.right() };
        let middle = self.left_of(end);
        let start = self.left_of(middle);
        if start == middle {
            return Did::Nothing;
        }
        self.save();
        let turned = self.text[middle..end].to_string() + &self.text[start..middle];
        self.text.replace_range(start..end, &turned);
        self.cursor = self.at_boundary(end);
        Did::Edited
    }

    /// Writes the word at the cursor large, small, or with a capital.
    fn recase(&mut self, how: char) -> Did {
        let end = self.word_right();
        let word = &self.text[self.cursor..end];
        let recased = match how {
            'u' => word.to_uppercase(),
            'l' => word.to_lowercase(),
            _ => {
                let first = word.find(char::is_alphanumeric).unwrap_or(0);
                let rest = word[first..].chars().next().map_or(first, |c| first + c.len_utf8());
                word[..rest].to_uppercase() + &word[rest..].to_lowercase()
            }
        };
        if end == self.cursor {
            return Did::Nothing;
        }
        self.save();
        self.text.replace_range(self.cursor..end, &recased);
        self.cursor = self.at_boundary(self.cursor + recased.len());
        Did::Edited
    }

    fn save(&mut self) {
        self.undos.push((self.text.clone(), self.cursor));
        let surplus = self.undos.len().saturating_sub(UNDOS);
        self.undos.drain(..surplus);
    }

    fn undo(&mut self) -> Did {
        let Some((text, cursor)) = self.undos.pop() else { return Did::Nothing };
        (self.text, self.cursor) = (text, cursor);
        Did::Edited
    }

    fn begin_search(&mut self) -> Did {
        let draft = (self.text.clone(), self.cursor);
        let at = self.history.len();
        self.search = Some(Search { part: String::new(), at, failed: false, draft });
        Did::Edited
    }

    /// `None`: the search is over, and the key is for the line found.
    fn press_in_search(&mut self, key: &Key) -> Option<Did> {
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
                (self.text, self.cursor) = self.search.take()?.draft;
                return Some(Did::Edited);
            }
            _ => {
                let Search { at, draft, .. } = self.search.take()?;
                if at < newest {
                    self.history.go_to(at, &draft.0);
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
            self.cursor = line.find(&search.part).unwrap_or(0);
            self.text = line.into();
            self.cursor = self.at_boundary(self.cursor);
        }
        Some(if found.is_some() { Did::Edited } else { Did::Nothing })
    }

    fn left(&self) -> usize {
        self.left_of(self.cursor)
    }

    fn left_of(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    fn right(&self) -> usize {
        let mut cursor = GraphemeCursor::new(self.cursor, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    /// `at`, or the end of the visible character that it is inside of.
    fn at_boundary(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        match cursor.is_boundary(&self.text, 0) {
            Ok(true) => at,
            _ => cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len()),
        }
    }

    fn word_left(&self) -> usize {
        let mut words = self.text[..self.cursor].unicode_word_indices();
        words.next_back().map_or(0, |(start, _)| start)
    }

    fn word_right(&self) -> usize {
        let mut words = self.text[self.cursor..].unicode_word_indices();
        words.next().map_or(self.text.len(), |(start, word)| self.cursor + start + word.len())
    }

    /// The beginning of the word to the left, where only blanks end words.
    fn blank_left(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        before
            .rfind(char::is_whitespace)
            .map_or(0, |blank| blank + before[blank..].chars().next().map_or(0, char::len_utf8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let (before, behind) = editor.text.split_at(editor.cursor);
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
        assert_eq!(after("ab cd", &[Key::Home, Key::Alt('u'), Key::Alt('c')]), "AB Cd|");
        assert_eq!(after("abc", &[Key::Ctrl('t')]), "acb|");
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
                let boundaries = editor.text.grapheme_indices(true).map(|(at, _)| at);
                prop_assert!(boundaries.chain([editor.text.len()]).any(|at| at == editor.cursor));
            }
        }
    }
}
