//! The words of smoltalk-direct/1, which both sides say. Pure: one line in, one line out.

use crate::protocol::{length, line, word};

/// What HELLO says that the peer speaks.
pub const VERSION: &str = "smoltalk-direct/1";

/// What a line says. Borrows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// `HELLO <version> <name>`
    Hello(&'a [u8], &'a [u8]),
    /// `DATA <id> <len>`: so many bytes follow, and an LF.
    Data(u64, u64),
    /// `ACK <id>`
    Ack(u64),
    /// `ERR <code> <text>`
    Err(&'a [u8], &'a [u8]),
    /// None of these.
    Unknown,
}

/// DATA or ACK without the numbers that belong to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl<'a> Word<'a> {
    /// Reads one line, its line end taken off. Verbs are read in any case.
    pub fn parse(line: &'a [u8]) -> Result<Self, Malformed> {
        let (verb, rest) = word(line);
        let (first, last) = word(rest);
        Ok(match verb.to_ascii_uppercase().as_slice() {
            b"DATA" => Self::Data(id(first)?, length(last).ok_or(Malformed)?),
            b"ACK" => Self::Ack(id(rest)?),
            b"HELLO" => Self::Hello(first, last),
            b"ERR" => Self::Err(first, last),
            _ => Self::Unknown,
        })
    }

    /// Appends the line that says this, made safe, with its LF. What is unknown cannot be said.
    pub fn render(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Hello(version, name) => line(out, &[b"HELLO ", version], Some(name)),
            Self::Data(id, len) => line(out, &[format!("DATA {id} {len}").as_bytes()], None),
            Self::Ack(id) => line(out, &[format!("ACK {id}").as_bytes()], None),
            Self::Err(code, text) => line(out, &[b"ERR ", code], Some(text)),
            Self::Unknown => {}
        }
    }
}

/// A number that the sender counts by. One that does not fit could not be acknowledged as it is.
fn id(digits: &[u8]) -> Result<u64, Malformed> {
    length(digits).filter(|id| *id < u64::MAX).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_decimal_and_there_are_as_many_as_it_takes() {
        assert_eq!(Word::parse(b"DATA 7 0"), Ok(Word::Data(7, 0)));
        assert_eq!(Word::parse(b"data 007 99999999999999999999"), Ok(Word::Data(7, u64::MAX)));
        assert_eq!(Word::parse(b"ack 12"), Ok(Word::Ack(12)));
        for malformed in [
            "DATA",
            "DATA 1",
            "DATA 1 ",
            "DATA x 1",
            "DATA 1 x",
            "DATA  1 1",
            "DATA 1 1 1",
            "DATA -1 1",
            "DATA 1 +1",
            "DATA 18446744073709551616 1",
            "ACK",
            "ACK ",
            "ACK x",
            "ACK 1 2",
            "ACK -1",
        ] {
            assert_eq!(Word::parse(malformed.as_bytes()), Err(Malformed), "{malformed}");
        }
    }

    #[test]
    fn other_words_are_unknown() {
        for line in ["", " ", "ACKS 1", "MSG hi", "\u{fffd}"] {
            assert_eq!(Word::parse(line.as_bytes()), Ok(Word::Unknown), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_parses_back(n in 0..u64::MAX, len: u64, text in "[^\\p{C}]+") {
            for word in [
                Word::Hello(VERSION.as_bytes(), text.as_bytes()), Word::Data(n, len), Word::Ack(n),
                Word::Err(b"busy", text.as_bytes()),
            ] {
                let mut line = Vec::new();
                word.render(&mut line);
                prop_assert_eq!(line.pop(), Some(b'\n'));
                prop_assert_eq!(Word::parse(&line), Ok(word));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(line: Vec<u8>) {
            let _ = Word::parse(&line);
        }
    }
}
