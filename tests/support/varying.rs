//! What is not the same each time: the ids and secrets that a server makes up.

use smoltalk::protocol::{Id, Secret};
use std::collections::BTreeMap;

/// Which ones stand for which written ones. Written ids have the order of those that they stand for.
#[derive(Debug, Default)]
pub struct Varying {
    ids: BTreeMap<Id, Id>,
    secrets: BTreeMap<String, String>,
}

impl Varying {
    /// Whether `got` may be what was written as `written`; the first time, it is from then on.
    pub fn is_id(&mut self, written: Id, got: &str) -> bool {
        let Some(got) = Id::parse(got.as_bytes()) else { return false };
        let before = self.ids.range(..written).next_back();
        let after = self.ids.range(written..).find(|(other, _)| **other > written);
        let in_order =
            before.is_none_or(|(_, id)| *id < got) && after.is_none_or(|(_, id)| *id > got);
        in_order && *self.ids.entry(written).or_insert(got) == got
    }

    /// The same for a secret.
    pub fn is_secret(&mut self, written: &str, got: &str) -> bool {
        let is_one = Secret::new(got.as_bytes()).is_some();
        is_one && self.secrets.entry(written.into()).or_insert(got.into()) == got
    }

    /// What `written` stands for, if that is known.
    pub fn id(&self, written: Id) -> Option<String> {
        self.ids.get(&written).map(ToString::to_string)
    }

    /// The same for a secret.
    pub fn secret(&self, written: &str) -> Option<String> {
        self.secrets.get(written).cloned()
    }

    /// A line to be sent: in a JOIN, known ids and secrets stand for others.
    pub fn meant(&self, line: &str) -> String {
        if !line.starts_with("JOIN ") {
            return line.into();
        }
        let meant = |word: &str| match word.split_once('=') {
            Some(("since", id)) => Some(format!("since={}", self.id(Id::parse(id.as_bytes())?)?)),
            Some(("resume", secret)) => Some(format!("resume={}", self.secret(secret)?)),
            _ => None,
        };
        let words = line.split(' ').map(|word| meant(word).unwrap_or_else(|| word.into()));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Whether `got` is the line that was written so, where `...` at the end stands for any rest: the
    /// id before it, and what an OK says, may be others.
    pub fn is_line(&mut self, written: &str, got: &str) -> bool {
        let ((id, written), (got_id, got)) =
            (Id::stamped(written.as_bytes()), Id::stamped(got.as_bytes()));
        let same_id = match (id, got_id) {
            (Some(id), Some(got)) => self.is_id(id, &got.to_string()),
            (id, got) => id.is_none() && got.is_none(),
        };
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        same_id && self.is_rest(text(written), text(got))
    }

    fn is_rest(&mut self, written: &str, got: &str) -> bool {
        if let Some(beginning) = written.strip_suffix("...") {
            return got.starts_with(beginning);
        }
        if !written.starts_with("OK ") {
            return written == got;
        }
        let (written, got): (Vec<&str>, Vec<&str>) =
            (written.split(' ').collect(), got.split(' ').collect());
        let mut is_word =
            |(written, got): (&&str, &&str)| match (written.split_once('='), got.split_once('=')) {
                (Some(("id", id)), Some(("id", got))) => {
                    Id::parse(id.as_bytes()).is_some_and(|id| self.is_id(id, got))
                }
                (Some(("token", secret)), Some(("token", got))) => self.is_secret(secret, got),
                _ => written == got,
            };
        written.len() == got.len() && written.iter().zip(&got).all(&mut is_word)
    }
}
