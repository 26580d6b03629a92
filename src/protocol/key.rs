//! The room's key: who says it may come in.

use super::telnet::IAC;
use crate::limits;
use std::fmt;

/// Any bytes that fit into a line behind `PASS `, but LF and CR. It is not shown where it is printed for
/// debugging.
#[derive(Clone)]
pub struct Key(Box<[u8]>);

impl Key {
    /// The longest, in bytes.
    pub const MAX: usize = limits::LINE - "PASS ".len();

    /// The key that these bytes are, if they are one.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let fits = (1..=Self::MAX).contains(&bytes.len());
        let is_line = !bytes.iter().any(|b| [b'\n', b'\r'].contains(b));
        (fits && is_line).then(|| Self(bytes.into()))
    }

    /// The first line of a file, without its LF and CR; spaces count.
    #[must_use]
    pub fn of_file(contents: &[u8]) -> Option<Self> {
        let line = contents.split(|b| *b == b'\n').next().unwrap_or_default();
        Self::new(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether this is it. How long that takes depends on what is `said` alone, and not on how much of it
    /// is right.
    #[must_use]
    pub fn is(&self, said: &[u8]) -> bool {
        let of_key = self.0.iter().cycle();
        let differences = said.iter().zip(of_key).fold(0, |all, (a, b)| all | (a ^ b));
        // What is compared must stay a secret of this function for the compiler, too.
        std::hint::black_box(differences) == 0 && said.len() == self.0.len()
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Appends what is said of a key as it is; but a byte that would be telnet's command has to come twice.
pub(super) fn push_raw(secret: &[u8], out: &mut Vec<u8>) {
    for part in secret.split_inclusive(|byte| *byte == IAC) {
        out.extend_from_slice(part);
        out.extend(part.last().filter(|byte| **byte == IAC));
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(contents: &[u8]) -> Option<Vec<u8>> {
        Key::of_file(contents).map(|key| key.as_bytes().to_vec())
    }

    #[test]
    fn the_first_line_of_a_file_is_the_key_and_spaces_count() {
        for (contents, key) in [
            ("open sesame", Some("open sesame")),
            ("open sesame\n", Some("open sesame")),
            ("open sesame\r\nmore\n", Some("open sesame")),
            (" x \t\n", Some(" x \t")),
            (" \n", Some(" ")),
            ("schl\u{fc}ssel\n", Some("schl\u{fc}ssel")),
            ("", None),
            ("\n", None),
            ("\r\n", None),
            ("\nsecond", None),
            ("a\rb\n", None),
        ] {
            assert_eq!(of_file(contents.as_bytes()), key.map(Into::into), "{contents:?}");
        }
        assert!(of_file(&[b'x'; Key::MAX]).is_some());
        assert!(of_file(&[b'x'; Key::MAX + 1]).is_none());
        assert!(of_file(b"\xff\0").is_some());
    }

    #[test]
    fn only_the_key_itself_is_it() {
        let key = Key::new(b"abab").expect("a key");
        assert!(key.is(b"abab"));
        for other in ["", "a", "ab", "aba", "ababa", "abababab", "abac", "bbab", "ABAB", " abab"] {
            assert!(!key.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}
