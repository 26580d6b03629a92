//! Which names there are, and which of them are the same.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A member's name: 1 to [`Name::MAX`] characters of `A–Z a–z 0–9 _ - .`.
///
/// Shown as typed, compared without case: while Alice is in, nobody is alice.
#[derive(Clone, Copy)]
pub struct Name {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl Name {
    /// The longest name, in characters, each of them one byte.
    pub const MAX: usize = 32;

    /// The name that `bytes` spell, if they spell one.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
        if bytes.is_empty() || bytes.len() > Self::MAX || !bytes.iter().all(allowed) {
            return None;
        }
        let mut name = Self { len: u8::try_from(bytes.len()).ok()?, bytes: [0; Self::MAX] };
        name.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(name)
    }

    /// The name as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The name as it was typed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.as_bytes().iter().map(u8::to_ascii_lowercase)
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|b| b.hash(state));
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::name;

    #[test]
    fn a_name_has_1_to_32_characters_of_the_alphabet() {
        assert!(Name::new(b"").is_none());
        assert!(Name::new(&[b'a'; 32]).is_some());
        assert!(Name::new(&[b'a'; 33]).is_none());
        for byte in 0..=u8::MAX {
            let allowed = byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            assert_eq!(Name::new(&[byte]).is_some(), allowed, "{byte:#x}");
        }
    }

    #[test]
    fn names_are_compared_without_case_and_shown_as_typed() {
        assert_eq!(name("Alice"), name("aLICE"));
        assert_eq!(name("Alice").cmp(&name("aLICE")), Ordering::Equal);
        assert_ne!(name("Alice"), name("Alic"));
        assert_eq!(name("Alice").to_string(), "Alice");
    }
}
