//! What a server says of itself in its HELLO.

use crate::protocol::text::to_safe;

/// What the words in brackets say, at the end of a HELLO: ` [line=4096 payload=65536 history]`. An
/// older server says none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Greeting {
    /// The longest line that the server takes, in bytes, if it says so: `line=`.
    pub line: Option<usize>,
    /// The longest payload that it takes, in bytes, if it says so: `payload=`.
    pub payload: Option<usize>,
    /// All that it says, in its order, words of later versions among them; safe to print.
    pub words: Vec<String>,
}

impl Greeting {
    /// Reads the text of a HELLO.
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = to_safe(text);
        let bracketed = text.strip_suffix(']').and_then(|text| text.rsplit_once('['));
        // Brackets within a word are a person's: `call me [x]` has its blank, `a[0]` has not.
        let said = bracketed.filter(|(before, _)| before.is_empty() || before.ends_with(' '));
        let words: Vec<String> =
            said.map_or("", |(_, words)| words).split_whitespace().map(String::from).collect();
        let number = |key: &str| {
            let value = words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            value.and_then(|value| value.parse().ok())
        };
        Self { line: number("line"), payload: number("payload"), words }
    }

    /// Whether the server says `word`, as `history`.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|said| said == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_last_brackets_is_said() {
        let said = Greeting::parse(b"JOIN <name> to [x] enter [payload=100 history line=4096]");
        assert_eq!((said.line, said.payload), (Some(4096), Some(100)));
        assert!(said.has("history") && said.has("payload=100") && !said.has("key"));
        assert_eq!(Greeting::parse(b"[line=1]").line, Some(1));
    }

    #[test]
    fn what_cannot_be_read_is_not_said() {
        for text in ["", "hi", "hi []", "hi line=1", "hi [line=1] there", "a[line=1]"] {
            assert_eq!(Greeting::parse(text.as_bytes()), Greeting::default(), "{text}");
        }
        for text in ["[line=]", "[line=-1]", "[line]", "[line=99999999999999999999999]", "[LINE=1]"]
        {
            assert_eq!(Greeting::parse(text.as_bytes()).line, None, "{text}");
        }
        assert_eq!(Greeting::parse(b"[\x1b]").words, ["␛"]);
    }
}
