//! What both programs have in common when they are started: how a command line may be written, how
//! `--help` looks, and how they say what went wrong. Pure.

mod args;
mod help;

pub use args::plain;
pub use help::help;

use crate::protocol::text::to_safe;

/// What a usage error ends with.
pub const HINT: &str = "--help lists the flags";

/// What argh complains of, in one line that is safe to print.
#[must_use]
pub fn mistake(printed: &str) -> String {
    let first = printed.lines().next().unwrap_or_default().trim_end_matches('.');
    to_safe(first.replace("Unrecognized argument", "unknown argument").as_bytes())
}

/// `text` without the numbers that the system has for its errors, which tell nobody anything.
#[must_use]
pub fn in_words(text: &str) -> String {
    const NUMBER: &str = " (os error ";
    let mut parts = text.split(NUMBER);
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |words, part| words + part.split_once(')').map_or(part, |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_one_line() {
        let printed = "Unrecognized argument: --a\x1b\nmore\n";
        assert_eq!(mistake(printed), "unknown argument: --a␛");
        assert_eq!(
            mistake("No value provided for option '-p'.\n"),
            "No value provided for option '-p'"
        );
    }

    #[test]
    fn the_numbers_of_errors_are_left_out() {
        for (said, words) in [
            ("h:1: Connection refused (os error 111)", "h:1: Connection refused"),
            ("a (os error 2), b (os error 13)!", "a, b!"),
            ("something (else)", "something (else)"),
        ] {
            assert_eq!(in_words(said), words);
        }
    }
}
