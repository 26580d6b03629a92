//! Which keys the bytes mean that a terminal sends.

use smoltalk::protocol::text::to_safe;

/// Bytes of one paste that are taken in; the rest of it is thrown away.
pub const PASTE: usize = 256 * 1024;

/// Bytes after which a control sequence that never ends is none.
const SEQUENCE: usize = 32;

/// Ctrl-D.
const END: u8 = 4;

/// Ctrl-C.
const INTERRUPT: u8 = 3;

/// How a terminal brackets what is pasted.
const PASTE_END: &[u8] = b"\x1b[201~";

/// One key, or one paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A character that can be shown.
    Char(char),
    /// Control and a letter, in lower case; or `_`.
    Ctrl(char),
    /// Alt and a character.
    Alt(char),
    Enter,
    Tab,
    Escape,
    /// Erases to the left.
    Backspace,
    /// Erases at the cursor.
    Delete,
    Up,
    Down,
    Left,
    Right,
    WordLeft,
    WordRight,
    /// Erases the word to the left.
    WordBackspace,
    /// Erases the word to the right.
    WordDelete,
    Home,
    End,
    /// A text of one or more lines, ended by LF, safe to show.
    Paste(String),
}

/// Takes bytes in, hands keys out. Sequences may come in pieces.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    /// What has come of a paste that is not over.
    paste: Option<Vec<u8>>,
}

/// What the bytes so far begin with.
enum Read {
    /// A key of so many bytes; `None` if it is none that has a meaning here.
    Key(usize, Option<Key>),
    /// The beginning of a paste.
    Paste(usize),
    /// Not enough to tell.
    Part,
}

impl Keys {
    pub fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether nothing more has been typed by now.
    pub fn are_all_taken(&self) -> bool {
        self.paste.is_none() && self.bytes.is_empty()
    }

    /// Whether more may be taken before any key is asked for.
    pub fn have_room(&self) -> bool {
        self.bytes.len() < PASTE
    }

    /// Whether nothing has come but a Ctrl-D.
    pub fn are_the_end(&self) -> bool {
        self.paste.is_none() && self.bytes == [END]
    }

    /// Throws away all up to a Ctrl-C, if one has come; whether there was more than that.
    pub fn interrupted(&mut self) -> Option<bool> {
        let at = self.bytes.iter().position(|b| *b == INTERRUPT && self.paste.is_none())?;
        self.bytes.drain(..=at);
        Some(at > 0)
    }

    /// Whether what has come may be the Escape key, or the beginning of something else.
    pub fn is_undecided(&self) -> bool {
        self.paste.is_none() && self.bytes.first() == Some(&b'\x1b')
    }

    /// Nothing has followed: it was the Escape key.
    pub fn decide(&mut self) -> Option<Key> {
        let undecided = self.is_undecided();
        self.bytes.clear();
        undecided.then_some(Key::Escape)
    }

    /// The next key that is complete.
    pub fn next(&mut self) -> Option<Key> {
        loop {
            if self.paste.is_some() {
                return self.pasted();
            }
            let (length, key) = match read(&self.bytes) {
                Read::Part => return None,
                Read::Key(length, key) => (length, key),
                Read::Paste(length) => {
                    self.paste = Some(Vec::new());
                    (length, None)
                }
            };
            self.bytes.drain(..length);
            if key.is_some() {
                return key;
            }
        }
    }

    /// The paste, once its end has come.
    fn pasted(&mut self) -> Option<Key> {
        let paste = self.paste.as_mut()?;
        let end = self.bytes.windows(PASTE_END.len()).position(|window| window == PASTE_END);
        // Without an end, what may be its beginning stays.
        let length = end.unwrap_or(self.bytes.len().saturating_sub(PASTE_END.len() - 1));
        let room = PASTE.saturating_sub(paste.len()).min(length);
        paste.extend_from_slice(&self.bytes[..room]);
        self.bytes.drain(..end.map_or(length, |end| end + PASTE_END.len()));
        end?;
        self.paste.take().map(|paste| Key::Paste(shown(&paste)))
    }
}

/// Pasted text, safe to show, its line ends all LF. Those at its very end are left out: nobody
/// means to paste an empty line.
fn shown(paste: &[u8]) -> String {
    let text = String::from_utf8_lossy(paste).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<String> = text.split('\n').map(|line| to_safe(line.as_bytes())).collect();
    lines.join("\n").trim_end_matches('\n').into()
}

fn read(bytes: &[u8]) -> Read {
    match bytes {
        [] | [b'\x1b'] | [b'\x1b', b'O'] => Read::Part,
        [b'\x1b', b'[', rest @ ..] => control_sequence(rest),
        [b'\x1b', b'O', last, ..] => Read::Key(3, named(*last, "")),
        [b'\x1b', b'\x1b', ..] => Read::Key(1, Some(Key::Escape)),
        [b'\x1b', rest @ ..] => match character(rest) {
            Read::Key(length, Some(Key::Char(c))) => Read::Key(length + 1, Some(Key::Alt(c))),
            Read::Key(length, Some(Key::Backspace)) => {
                Read::Key(length + 1, Some(Key::WordBackspace))
            }
            Read::Key(length, _) => Read::Key(length + 1, None),
            part => part,
        },
        _ => character(bytes),
    }
}

/// A character or a control; not ESC.
fn character(bytes: &[u8]) -> Read {
    let key = match bytes[0] {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        b'\x08' | b'\x7f' => Key::Backspace,
        control @ 1..=26 => Key::Ctrl(char::from(b'a' + control - 1)),
        b'\x1f' => Key::Ctrl('_'),
        b'\0' | b'\x1b'..=b'\x1e' => return Read::Key(1, None),
        first => return utf8(bytes, first),
    };
    Read::Key(1, Some(key))
}

fn utf8(bytes: &[u8], first: u8) -> Read {
    let length = match first {
        ..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    let here = &bytes[..length.min(bytes.len())];
    match std::str::from_utf8(here) {
        // What would drive the terminal when it is shown is made safe here already.
        Ok(text) => Read::Key(length, to_safe(text.as_bytes()).chars().next().map(Key::Char)),
        Err(error) if error.error_len().is_none() && bytes.len() < length => Read::Part,
        Err(error) => Read::Key(error.error_len().unwrap_or(1), None),
    }
}

/// What follows `ESC [`.
fn control_sequence(rest: &[u8]) -> Read {
    let Some(end) = rest.iter().position(|b| !matches!(b, b' '..=b'?')) else {
        return if rest.len() > SEQUENCE { Read::Key(rest.len() + 2, None) } else { Read::Part };
    };
    let parameters = std::str::from_utf8(&rest[..end]).unwrap_or_default();
    let length = end + 3;
    match (rest[end], parameters) {
        (b'~', "200") => Read::Paste(length),
        // The console of Linux sends these for F1 to F5: one byte more.
        (b'[', _) if rest.len() == end + 1 => Read::Part,
        (b'[', _) => Read::Key(length + 1, None),
        (last, parameters) => Read::Key(length, named(last, parameters)),
    }
}

/// The key of a sequence that ends with `last`. A modifier stands behind a semicolon.
fn named(last: u8, parameters: &str) -> Option<Key> {
    let (number, modifier) = parameters.split_once(';').unwrap_or((parameters, "1"));
    let word = modifier != "1" && modifier != "2";
    Some(match (last, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) if word => Key::WordRight,
        (b'C', _) => Key::Right,
        (b'D', _) if word => Key::WordLeft,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', "1" | "7") => Key::Home,
        (b'F', _) | (b'~', "4" | "8") => Key::End,
        (b'~', "3") if word => Key::WordDelete,
        (b'~', "3") => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The keys of what comes in pieces of `size` bytes.
    fn in_pieces(bytes: &[u8], size: usize) -> Vec<Key> {
        let mut keys = Keys::default();
        let mut read = Vec::new();
        for piece in bytes.chunks(size) {
            keys.take(piece);
            read.extend(std::iter::from_fn(|| keys.next()));
        }
        read
    }

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let read = in_pieces(bytes, usize::MAX);
        assert_eq!(in_pieces(bytes, 1), read, "in pieces");
        read
    }

    #[test]
    fn characters_come_whole() {
        assert_eq!(keys("aß漢😀".as_bytes()), ['a', 'ß', '漢', '😀'].map(Key::Char));
        assert_eq!(keys(b"a\xffb\xc3("), ['a', 'b', '('].map(Key::Char));
    }

    #[test]
    fn controls_have_their_letters() {
        assert_eq!(
            keys(b"\x01\x1a\x1f\r\n\t\x7f\x08"),
            [
                Key::Ctrl('a'),
                Key::Ctrl('z'),
                Key::Ctrl('_'),
                Key::Enter,
                Key::Enter,
                Key::Tab,
                Key::Backspace,
                Key::Backspace
            ]
        );
    }

    #[test]
    fn the_keys_of_common_terminals_are_known() {
        for (sequences, key) in [
            (["\x1b[A", "\x1bOA"], Key::Up),
            (["\x1b[D", "\x1bOD"], Key::Left),
            (["\x1b[1;5C", "\x1b[1;3C"], Key::WordRight),
            (["\x1b[H", "\x1b[1~"], Key::Home),
            (["\x1b[F", "\x1b[8~"], Key::End),
            (["\x1b[3~", "\x1b[3;2~"], Key::Delete),
            (["\x1b[3;5~", "\x1b[3;3~"], Key::WordDelete),
            (["\x1b\x7f", "\x1b\x08"], Key::WordBackspace),
            (["\x1bb", "\x1bb"], Key::Alt('b')),
        ] {
            for sequence in sequences {
                assert_eq!(keys(sequence.as_bytes()), std::slice::from_ref(&key), "{sequence:?}");
            }
        }
    }

    #[test]
    fn keys_without_a_meaning_are_skipped() {
        assert_eq!(keys(b"\x1b[5~\x1b[[A\x1bOP\x1b[15;2~\x1b[Ix"), [Key::Char('x')]);
    }

    #[test]
    fn escape_is_known_once_nothing_follows() {
        let mut keys = Keys::default();
        keys.take(b"\x1b");
        assert!(keys.next().is_none() && keys.is_undecided());
        assert_eq!(keys.decide(), Some(Key::Escape));
        assert!(!keys.is_undecided());
    }

    #[test]
    fn a_ctrl_c_takes_back_what_was_typed_ahead() {
        let mut keys = Keys::default();
        keys.take(b"ab\x03\x03c");
        assert_eq!(keys.interrupted(), Some(true));
        assert_eq!(keys.interrupted(), Some(false));
        assert_eq!(keys.interrupted(), None);
        assert_eq!(keys.next(), Some(Key::Char('c')));
    }

    #[test]
    fn a_paste_is_one_and_cannot_drive_the_terminal() {
        let pasted = |text: &str| vec![Key::Paste(text.into()), Key::Char('x')];
        assert_eq!(keys(b"\x1b[200~a\rb\r\nc\n\td\n\x1b[201~x"), pasted("a\nb\nc\n\td"));
        assert_eq!(keys(b"\x1b[200~\x1b[2J\x03\x1b[201~x"), pasted("␛[2J␃"));
    }

    #[test]
    fn a_paste_without_end_is_held_only_so_far() {
        let mut keys = Keys::default();
        keys.take(b"\x1b[200~");
        for _ in 0..100 {
            keys.take(&[b'x'; 16 * 1024]);
            assert_eq!(keys.next(), None);
        }
        assert!(keys.bytes.len() < PASTE_END.len());
        keys.take(PASTE_END);
        assert!(matches!(keys.next(), Some(Key::Paste(text)) if text.len() == PASTE));
    }

    proptest! {
        #[test]
        fn any_bytes_are_some_keys(bytes: Vec<u8>) {
            for key in in_pieces(&bytes, 3) {
                if let Key::Char(c) | Key::Alt(c) = key {
                    prop_assert!(!c.is_control());
                }
            }
        }
    }
}
