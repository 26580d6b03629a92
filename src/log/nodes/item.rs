//! What a node's members did: what it submits.

use crate::protocol::{Name, Secret};
use std::io::Write;

/// Something that a member of this node did, or wants to.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Which member: a number that the node uses once in an epoch.
    pub serial: u64,
    /// Its name.
    pub name: Name,
    /// What it did.
    pub deed: Deed<'a>,
}

/// What a member did.
#[derive(Debug, Clone, Copy)]
pub enum Deed<'a> {
    /// It wants to be in under its name; with a secret, also in the place of whoever holds the name with
    /// the same.
    Join(Option<Secret>),
    /// It said text to all.
    Msg(&'a [u8]),
    /// It said any bytes to all.
    Data(&'a [u8]),
    /// It said text to one.
    Tell(Name, &'a [u8]),
    /// The operator said text to all.
    Note(&'a [u8]),
    /// The operator shows the door to whoever has the name, and says why.
    Kick(&'a [u8]),
    /// It went, for this reason, one word.
    Left(Option<&'a str>),
}

impl Item<'_> {
    /// Appends its words, as `commit.lua` reads them.
    pub fn render_head(&self, out: &mut Vec<u8>) {
        let Self { serial, name, deed } = self;
        // Writing to memory does not fail.
        let _ = match deed {
            Deed::Join(None) => write!(out, "J {serial} {name} -"),
            Deed::Join(Some(secret)) => write!(out, "J {serial} {name} {}", secret.as_str()),
            Deed::Msg(_) => write!(out, "M {serial} {name}"),
            Deed::Data(_) => write!(out, "D {serial} {name}"),
            Deed::Tell(to, _) => write!(out, "T {serial} {name} {to}"),
            Deed::Note(_) => write!(out, "O {serial} {name}"),
            Deed::Kick(_) => write!(out, "X {serial} {name}"),
            Deed::Left(reason) => write!(out, "L {serial} {name} {}", reason.unwrap_or("-")),
        };
    }

    /// What was said in it.
    pub fn said(&self) -> &[u8] {
        match self.deed {
            Deed::Msg(said)
            | Deed::Data(said)
            | Deed::Tell(_, said)
            | Deed::Note(said)
            | Deed::Kick(said) => said,
            Deed::Join(_) | Deed::Left(_) => b"",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_the_words_that_the_script_reads() {
        let name = |name: &str| Name::new(name.as_bytes()).expect("a name");
        let secret = Secret::new(b"0123456789abcdef").expect("a secret");
        for (deed, head, said) in [
            (Deed::Join(None), "J 7 Ada -", ""),
            (Deed::Join(Some(secret)), "J 7 Ada 0123456789abcdef", ""),
            (Deed::Msg(b"hi  there"), "M 7 Ada", "hi  there"),
            (Deed::Data(b"\n"), "D 7 Ada", "\n"),
            (Deed::Tell(name("bob"), b"hi"), "T 7 Ada bob", "hi"),
            (Deed::Note(b"hi"), "O 7 Ada", "hi"),
            (Deed::Kick(b"bye now"), "X 7 Ada", "bye now"),
            (Deed::Left(None), "L 7 Ada -", ""),
            (Deed::Left(Some("lost")), "L 7 Ada lost", ""),
        ] {
            let item = Item { serial: 7, name: name("Ada"), deed };
            let mut words = Vec::new();
            item.render_head(&mut words);
            assert_eq!(String::from_utf8_lossy(&words), head);
            assert_eq!(String::from_utf8_lossy(item.said()), said);
        }
    }
}
