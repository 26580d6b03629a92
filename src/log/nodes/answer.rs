//! What Redis says: values, and why it cannot do as it is asked.

use super::pack::Pack;
use crate::protocol::Id;
use redis::{RedisError, Value};
use std::io;

/// Why something did not come about: one line for the operator's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Redis is out of reach, or as good as that. It may pass.
    Away(String),
    /// The room cannot be kept there. That does not pass by itself.
    Unfit(String),
}

/// Packs, as XRANGE answers them.
pub fn packs(value: Value) -> Result<Vec<Pack>, Trouble> {
    array(value)?.into_iter().map(pack).collect()
}

fn pack(value: Value) -> Result<Pack, Trouble> {
    let mut entry = array(value)?.into_iter();
    let mut next = || entry.next().ok_or_else(unreadable);
    let id = id(&String::from_utf8_lossy(&bytes(next()?)?))?;
    let parts = array(next()?)?.into_iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (at, part) in parts.into_iter().enumerate() {
        if at % 2 == 0 { names.push(part) } else { values.push(part) }
    }
    Pack::read(id, names.iter().map(Vec::as_slice).zip(values)).ok_or_else(unreadable)
}

/// An array.
pub fn array(value: Value) -> Result<Vec<Value>, Trouble> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(unreadable()),
    }
}

/// A string.
pub fn bytes(value: Value) -> Result<Vec<u8>, Trouble> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Ok(text.into()),
        _ => Err(unreadable()),
    }
}

/// An array of words, numbers among them.
pub fn words(value: Value) -> Result<Vec<String>, Trouble> {
    let word = |value| match value {
        Value::Int(n) => Ok(n.to_string()),
        value => Ok(String::from_utf8_lossy(&bytes(value)?).into_owned()),
    };
    array(value)?.into_iter().map(word).collect()
}

/// An id.
pub fn id(text: &str) -> Result<Id, Trouble> {
    Id::parse(text.as_bytes()).ok_or_else(unreadable)
}

/// What is answered is nothing that was asked for.
pub fn unreadable() -> Trouble {
    Trouble::Away("Redis says what this version cannot read".into())
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Away(said_of("", &error.to_string()))
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self::Away(said_of(error.code().unwrap_or_default(), &error.to_string()))
    }
}

/// What Redis's own words for a state of its own mean. Some come within the words of an error of a
/// script.
const STATES: [(&str, &str); 16] = [
    ("OOM", "Redis is full"),
    ("READONLY", "Redis is read-only"),
    ("MISCONF", "Redis cannot write to its disk"),
    ("NOREPLICAS", "Redis has too few replicas"),
    ("BUSY", "Redis is busy with a script"),
    ("LOADING", "Redis is loading its data"),
    ("NOAUTH", "Redis asks for a password"),
    ("WRONGPASS", "Redis does not know the user or the password"),
    ("NOPERM", "Redis does not allow this user what is needed"),
    ("NOSCRIPT", "Redis has forgotten the script"),
    ("UNBLOCKED", "Redis has become a replica"),
    ("MASTERDOWN", "Redis is a replica that has lost its master"),
    ("CLUSTERDOWN", "the Redis cluster is down"),
    ("MOVED", "the room is on another node of the Redis cluster"),
    ("ASK", "the room is moving to another node of the Redis cluster"),
    ("TRYAGAIN", "the room is moving to another node of the Redis cluster"),
];

fn said_of(code: &str, text: &str) -> String {
    let is_word = |state: &str| text.split(|c: char| !c.is_ascii_alphabetic()).any(|w| w == state);
    let state = STATES.iter().find(|(state, _)| code == *state);
    match state.or_else(|| STATES.iter().find(|(state, _)| is_word(state))) {
        Some((state, meaning)) => format!("{meaning} ({state})"),
        None => text.split(['\r', '\n']).next().unwrap_or_default().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_what_is_the_matter_with_redis() {
        for (code, text, said) in [
            ("OOM", "\"OOM\": command not allowed", "Redis is full (OOM)"),
            ("ERR", "Error running script: @user_script:42: -OOM command", "Redis is full (OOM)"),
            ("BUSY", "\"BUSY\": Redis is busy", "Redis is busy with a script (BUSY)"),
            ("READONLY", "", "Redis is read-only (READONLY)"),
            ("", "Connection refused (os error 111)\nmore", "Connection refused (os error 111)"),
        ] {
            assert_eq!(said_of(code, text), said);
        }
    }
}
