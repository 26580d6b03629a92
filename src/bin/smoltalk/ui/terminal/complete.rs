//! What Tab puts in.

use crate::ui::grammar::Grammar;
use smoltalk::protocol::Name;
use std::collections::BTreeSet;

/// What can stand at the cursor.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    /// Where in the line the unfinished word begins.
    pub start: usize,
    /// All words that begin so.
    pub words: Vec<String>,
    /// Whether they do so in the same case of letters, too.
    pub exactly: bool,
}

/// The words that can be meant at the end of `line`: commands, and after them the names of those
/// who are here, whom one tells something or talks about.
pub fn at_end(line: &str, grammar: Grammar, here: &BTreeSet<Name>) -> Completion {
    let start = line.rfind([' ', '\n']).map_or(0, |blank| blank + 1);
    let word = &line[start..];
    let told = ["tell ", "/tell "].iter().any(|tell| line[..start] == **tell);
    let command = start == 0 && (grammar == Grammar::Commands || word.starts_with('/'));
    let words = if command {
        let commands = grammar.commands().into_iter();
        commands.filter(|command| command.starts_with(word)).collect()
    } else if word.is_empty() && !told {
        Vec::new()
    } else {
        let names = here.iter().map(Name::to_string);
        names.filter(|name| begins(name, word)).collect()
    };
    Completion { start, words, exactly: false }
}

impl Completion {
    /// What surely comes next: the whole word and a blank, or what all words have in common.
    pub fn common(&self) -> Option<String> {
        let (first, others) = self.words.split_first()?;
        if others.is_empty() {
            // What is in a folder is still to come.
            return Some(if first.ends_with('/') { first.clone() } else { format!("{first} ") });
        }
        let same = |(a, b): &(char, char)| a == b || !self.exactly && a.eq_ignore_ascii_case(b);
        let alike = |word: &String| first.chars().zip(word.chars()).take_while(same).count();
        let alike = others.iter().map(alike).min().unwrap_or_default();
        Some(first.chars().take(alike).collect())
    }
}

/// Names and commands are ASCII.
fn begins(name: &str, word: &str) -> bool {
    name.as_bytes().get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str, grammar: Grammar) -> Vec<String> {
        let names = ["ada", "bob", "Bobby", "eve"];
        let here = names.iter().filter_map(|name| Name::new(name.as_bytes())).collect();
        at_end(line, grammar, &here).words
    }

    #[test]
    fn commands_come_first() {
        assert_eq!(words("t", Grammar::Commands), ["tell"]);
        assert_eq!(words("/t", Grammar::Chat), ["/tell"]);
        assert_eq!(words("x", Grammar::Commands).len(), 0);
        assert!(words("", Grammar::Commands).len() > 3);
        assert_eq!(words("", Grammar::Chat).len(), 0);
    }

    #[test]
    fn names_follow_whatever_their_case() {
        assert_eq!(words("tell ", Grammar::Commands), ["ada", "bob", "Bobby", "eve"]);
        assert_eq!(words("tell B", Grammar::Commands), ["bob", "Bobby"]);
        assert_eq!(words("send thanks A", Grammar::Commands), ["ada"]);
        assert_eq!(words("e", Grammar::Chat), ["eve"]);
        assert_eq!(words("send ", Grammar::Commands).len(), 0);
        assert_eq!(words("send 漢", Grammar::Commands).len(), 0);
    }

    #[test]
    fn only_what_is_sure_is_put_in() {
        let completion = |words: &[&str]| {
            let words = words.iter().map(ToString::to_string).collect();
            Completion { start: 0, words, exactly: false }.common()
        };
        assert_eq!(completion(&["eve"]).as_deref(), Some("eve "));
        assert_eq!(completion(&["bob", "Bobby"]).as_deref(), Some("bob"));
        assert_eq!(completion(&["ada", "eve"]).as_deref(), Some(""));
        assert_eq!(completion(&[]), None);
    }
}
