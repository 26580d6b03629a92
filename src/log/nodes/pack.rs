//! What comes back from the stream: packs of entries, in the room's order.
//!
//! A pack is what came of one batch, and one entry of the stream, whose id is that of the pack's last
//! entry. The entries before it have the same milliseconds, and each a number less by one than the next.
//! `commit.lua` says how they are written.

use crate::protocol::{Id, Name, Secret};
use std::fmt;

/// A node, for as long as it is not fenced: 16 characters of `A-Z a-z 0-9 _ -` that are never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; 16]);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A member, wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Its node.
    pub epoch: Epoch,
    /// The node's number for it.
    pub serial: u64,
}

/// A hash of a secret: the first half of its SHA-1, which Redis computes. The same secret has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(u128);

impl SecretHash {
    /// What stands for the secret where it is only compared.
    pub fn as_secret(self) -> Option<Secret> {
        Secret::new(format!("{:032x}", self.0).as_bytes())
    }
}

/// Who did it, or to whom it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// The member.
    pub holder: Holder,
    /// Its name, as it was first typed.
    pub name: Name,
    /// By what it is known again, if it can come back.
    pub secret: Option<SecretHash>,
}

/// What happened in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// The log began anew: whatever was before is lost.
    Begun,
    /// Somebody came.
    Joined(Party),
    /// Somebody came in the place of another connection, the second, which had the same secret. Nobody
    /// else notices.
    Taken(Party, Holder),
    /// What this member of this name wanted is refused. Nobody else notices.
    No(Holder, Name, Refused),
    /// Text for all.
    Msg(Party, &'a [u8]),
    /// Any bytes for all.
    Data(Party, &'a [u8]),
    /// Text for one, who is the second.
    Tell(Party, Party, &'a [u8]),
    /// The operator of this node said text to all.
    Note(Holder, &'a [u8]),
    /// The operator of this node, the first, shows somebody the door: so it goes, where it is.
    Kicked(Holder, Party, &'a [u8]),
    /// Somebody went; the reason is that of LEFT, or empty.
    Left(Party, &'a str),
}

/// What is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Somebody has the name.
    Join,
    /// Nobody has the addressee's name; or the speaker has lost its own meanwhile.
    Tell,
    /// The speaker has lost its name meanwhile: another connection has taken it over.
    Other,
}

/// The entries that came of one batch. There is at least one.
#[derive(Debug, Clone)]
pub struct Pack {
    /// The id of the pack before it.
    pub before: Id,
    /// How much there is in it.
    pub extent: Extent,
    many: u64,
    entries: Vec<u8>,
}

/// How far a pack goes, and how much there is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The id of its last entry.
    pub id: Id,
    /// The bytes of the log up to its end.
    pub end: u64,
    /// How many messages are in it: MSG and DATA.
    pub messages: usize,
    /// The bytes that were said in these.
    pub said: usize,
    /// All bytes.
    pub bytes: usize,
}

impl Pack {
    /// Reads it from the fields of an entry of the stream; `None` where they make none.
    pub fn read<'a>(id: Id, fields: impl IntoIterator<Item = (&'a [u8], Vec<u8>)>) -> Option<Self> {
        let (mut before, mut end, mut many, mut entries) = (None, None, None, None);
        for (field, value) in fields {
            match field {
                b"p" => before = Id::parse(&value),
                b"b" => end = number(&value),
                b"n" => many = number(&value),
                b"e" => entries = Some(value),
                _ => {}
            }
        }
        let (end, entries) = (end?, entries?);
        let extent = Extent { id, end, messages: 0, said: 0, bytes: entries.len() };
        let mut pack = Self { before: before?, extent, many: many?, entries };
        pack.count().then_some(pack)
    }

    /// Its entries, without those of a kind that this version does not know.
    pub fn entries(&self) -> impl Iterator<Item = (Id, Entry<'_>)> {
        let ids = (0..self.many).filter_map(|at| self.extent.id.back(self.many - 1 - at));
        ids.zip(Frames(&self.entries)).filter_map(|(id, (head, said))| {
            Some((id, Entry::read(str::from_utf8(head).ok()?, said)?))
        })
    }

    /// Counts messages. Says whether it is whole: each entry has its id, and nothing is left over.
    fn count(&mut self) -> bool {
        let (mut many, mut frames) = (0, Frames(&self.entries));
        for (head, said) in &mut frames {
            many += 1;
            if head.starts_with(b"M ") || head.starts_with(b"D ") {
                self.extent.messages += 1;
                self.extent.said += said.len();
            }
        }
        many > 0
            && many == self.many
            && frames.0.is_empty()
            && self.extent.id.back(many - 1).is_some()
    }
}

/// Cuts entries into their words and what was said. Ends where that cannot be done.
struct Frames<'a>(&'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.iter().position(|b| *b == b'\n')?;
        let (line, rest) = (&self.0[..line], &self.0[line + 1..]);
        let space = line.iter().rposition(|b| *b == b' ')?;
        let len = usize::try_from(number(&line[space + 1..])?).ok()?;
        let said = rest.get(..len)?;
        self.0 = rest[len..].strip_prefix(b"\n")?;
        Some((&line[..space], said))
    }
}

impl<'a> Entry<'a> {
    /// Reads it from its words, but the length, and what was said.
    fn read(head: &'a str, said: &'a [u8]) -> Option<Self> {
        let mut words = head.split(' ');
        let kind = words.next()?;
        if kind == "B" {
            return Some(Self::Begun);
        }
        let party = Party::read(&mut words)?;
        Some(match kind {
            "J" => Self::Joined(party),
            "K" => Self::Taken(party, Holder::read(words.next()?)?),
            "N" => Self::No(party.holder, party.name, Refused::read(words.next()?)),
            "M" => Self::Msg(party, said),
            "D" => Self::Data(party, said),
            "T" => Self::Tell(party, Party::read(&mut words)?, said),
            "O" => Self::Note(party.holder, said),
            "X" => Self::Kicked(party.holder, Party::read(&mut words)?, said),
            "L" => Self::Left(party, words.next().filter(|reason| *reason != "-").unwrap_or("")),
            _ => return None,
        })
    }
}

impl Refused {
    fn read(kind: &str) -> Self {
        match kind {
            "J" => Self::Join,
            "T" => Self::Tell,
            _ => Self::Other,
        }
    }
}

impl Party {
    /// Reads `who name hash`.
    pub fn read<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Self> {
        let holder = Holder::read(words.next()?)?;
        let name = Name::new(words.next()?.as_bytes())?;
        let secret = match words.next()? {
            "-" => None,
            hash => Some(SecretHash(u128::from_str_radix(hash, 16).ok()?)),
        };
        Some(Self { holder, name, secret })
    }
}

impl Holder {
    fn read(word: &str) -> Option<Self> {
        let (epoch, serial) = word.split_once('.')?;
        Some(Self { epoch: Epoch::read(epoch)?, serial: serial.parse().ok()? })
    }
}

impl Epoch {
    /// One that is like no other, where these numbers are.
    pub fn new(random: [u64; 2]) -> Self {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let letter = |at: usize| {
            let six_bits = (random[at / 8] >> (6 * (at % 8))) % 64;
            LETTERS[usize::try_from(six_bits).unwrap_or_default()]
        };
        Self(std::array::from_fn(letter))
    }

    fn read(word: &str) -> Option<Self> {
        Some(Self(word.as_bytes().try_into().ok()?))
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> Id {
        Id::parse(text.as_bytes()).expect("an id")
    }

    fn pack(many: &str, entries: &str) -> Option<Pack> {
        let fields = [("p", "1-0"), ("b", "77"), ("n", many), ("e", entries), ("new", "")];
        let fields = fields.map(|(field, value)| (field.as_bytes(), value.into()));
        Pack::read(id("5-9"), fields)
    }

    const ADA: &str = "aaaaaaaaaaaaaaaa.1 Ada 000102030405060708090a0b0c0d0e0f";
    const BOB: &str = "bbbbbbbbbbbbbbbb.22 bob -";

    fn party(text: &str) -> Party {
        Party::read(&mut text.split(' ')).expect("a party")
    }

    #[test]
    fn each_entry_has_its_id_and_what_is_unknown_is_passed_over() {
        let text = format!(
            "J {ADA} 0\n\nM {ADA} 3\n\n \n\nY {ADA} 2\nhm\nT {ADA} {BOB} 2\nhi\nL {BOB} lost 0\n\n\
             L {BOB} - 0\n\nK {ADA} bbbbbbbbbbbbbbbb.2 0\n\nN aaaaaaaaaaaaaaaa.1 Ada - T 0\n\nB x 0\n\n"
        );
        let pack = pack("9", &text).expect("a pack");
        let (ada, bob) = (party(ADA), party(BOB));
        let old = Holder { serial: 2, ..bob.holder };
        let expected = [
            ("5-1", Entry::Joined(ada)),
            ("5-2", Entry::Msg(ada, b"\n \n")),
            ("5-4", Entry::Tell(ada, bob, b"hi")),
            ("5-5", Entry::Left(bob, "lost")),
            ("5-6", Entry::Left(bob, "")),
            ("5-7", Entry::Taken(ada, old)),
            ("5-8", Entry::No(ada.holder, ada.name, Refused::Tell)),
            ("5-9", Entry::Begun),
        ];
        let entries: Vec<_> = pack.entries().collect();
        assert_eq!(entries, expected.map(|(at, entry)| (id(at), entry)));
        let extent = Extent { id: id("5-9"), end: 77, messages: 1, said: 3, bytes: text.len() };
        assert_eq!((pack.before, pack.extent), (id("1-0"), extent));
        assert!(ada.secret.is_some() && bob.secret.is_none());
    }

    #[test]
    fn what_an_operator_does_is_nobodys_word() {
        let nobody = "bbbbbbbbbbbbbbbb.0 - -";
        let pack = pack("2", &format!("O {nobody} 2\nhi\nX {nobody} {ADA} 2\ngo\n"));
        let pack = pack.expect("a pack");
        let by = party(nobody).holder;
        let expected = [Entry::Note(by, b"hi"), Entry::Kicked(by, party(ADA), b"go")];
        assert_eq!(pack.entries().map(|(_, entry)| entry).collect::<Vec<_>>(), expected);
        assert_eq!(pack.extent.messages, 0);
    }

    #[test]
    fn what_is_not_whole_is_no_pack() {
        assert!(pack("1", "B x 0\n\n").is_some());
        for (many, entries) in [
            ("0", ""),
            ("2", "B x 0\n\n"),
            ("1", "B x 0\n"),
            ("1", "B x 9\n\n"),
            ("1", "B x\n\n"),
            ("1", "B x 0\n\nrest"),
            ("11", &"B x 0\n\n".repeat(11)),
            ("x", "B x 0\n\n"),
        ] {
            assert!(pack(many, entries).is_none(), "{many} {entries:?}");
        }
        assert!(Pack::read(id("1-1"), [(&b"p"[..], b"1-0".to_vec())]).is_none());
    }

    #[test]
    fn an_epoch_reads_back() {
        let epoch = Epoch::new([u64::MAX, 0x0123_4567_89ab_cdef]);
        assert_eq!(Epoch::read(epoch.as_str()), Some(epoch));
        assert!(epoch.as_str().starts_with("________"));
        assert_eq!(Epoch::read("short"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, many in 0_u64..4) {
            let many = many.to_string().into_bytes();
            let fields = [(&b"p"[..], b"1-0".to_vec()), (b"b", b"1".to_vec()), (b"n", many), (b"e", bytes)];
            if let Some(pack) = Pack::read(id("5-9"), fields) {
                prop_assert!(pack.entries().count() as u64 <= pack.many);
            }
        }
    }
}
