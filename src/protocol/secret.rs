//! By what a member is known again after its connection broke.

use std::fmt;

/// 16 to 64 characters of `A-Z a-z 0-9 _ -`. It is no password, but nobody else is to know it: so it
/// is not shown where it is printed for debugging.
#[derive(Clone, Copy)]
pub struct Secret {
    len: u8,
    bytes: [u8; Self::MAX],
}

/// The characters of a secret, six bits each.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Secret {
    /// The shortest.
    pub const MIN: usize = 16;
    /// The longest.
    pub const MAX: usize = 64;

    /// The secret that these characters are, if they are one.
    #[must_use]
    pub fn new(characters: &[u8]) -> Option<Self> {
        let allowed = characters.iter().all(|b| ALPHABET.contains(b));
        if !allowed || !(Self::MIN..=Self::MAX).contains(&characters.len()) {
            return None;
        }
        let mut secret = Self { len: u8::try_from(characters.len()).ok()?, bytes: [0; Self::MAX] };
        secret.bytes[..characters.len()].copy_from_slice(characters);
        Some(secret)
    }

    /// One that nobody can guess, where nobody can guess these bytes: 24 characters of six bits.
    #[must_use]
    pub fn from_random(random: [u8; 24]) -> Self {
        let mut secret = Self { len: 24, bytes: [0; Self::MAX] };
        for (character, byte) in secret.bytes.iter_mut().zip(random) {
            *character = ALPHABET[usize::from(byte % 64)];
        }
        secret
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Its characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_16_to_64_characters_of_its_alphabet() {
        for good in ["a".repeat(16), "Z-_9".repeat(16)] {
            assert_eq!(Secret::new(good.as_bytes()).map(|s| s.as_str().to_owned()), Some(good));
        }
        for bad in
            ["a".repeat(15), "a".repeat(65), "a b".repeat(10), "a.".repeat(10), "ä".repeat(10)]
        {
            assert_eq!(Secret::new(bad.as_bytes()), None);
        }
    }

    #[test]
    fn a_random_one_is_one_and_is_not_shown() {
        let secret = Secret::from_random([
            0, 63, 64, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
        ]);
        assert_eq!(Secret::new(secret.as_bytes()), Some(secret));
        assert!(secret.as_str().starts_with("A_A_B"));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
