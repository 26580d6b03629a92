//! How `--help` looks.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind};

/// Where what a flag does begins, and where a line ends.
const COLUMN: usize = 26;
const END: usize = 80;

/// What argh prints as its help, but with what each flag takes, and what it does as a sentence.
#[must_use]
pub fn help(printed: &str, info: &CommandInfoWithArgs) -> String {
    const POSITIONALS: &str = "\nPositional Arguments:\n";
    const OPTIONS: &str = "\nOptions:\n";
    let Some((before, after)) = printed.split_once(OPTIONS) else { return printed.into() };
    let before = before.split(POSITIONALS).next().unwrap_or_default();
    let after = after.split_once("\n\n").map_or("", |(_, after)| after);
    // To end well is no error.
    let after = after.replacen("\nError codes:\n", "\nExit status:\n", 1);
    let arguments: String =
        info.positionals.iter().map(|is| row(&format!("<{}>", is.name), is.description)).collect();
    let arguments =
        if arguments.is_empty() { arguments } else { format!("{POSITIONALS}{arguments}") };
    let listed = info.flags.iter().filter(|flag| flag.long != "--help" && !flag.hidden);
    let flags = listed.map(|flag| row(&written(flag), flag.description));
    let flags: String = flags.chain([row("-h, --help", "print this")]).collect();
    format!("{before}{arguments}{OPTIONS}{flags}\n{after}")
}

/// `-p, --port <port>`
fn written(flag: &FlagInfo<'_>) -> String {
    let short = flag.short.map_or(String::new(), |short| format!("-{short}, "));
    let value = match flag.kind {
        FlagInfoKind::Option { arg_name } => format!(" <{arg_name}>"),
        FlagInfoKind::Switch => String::new(),
    };
    format!("{short}{}{value}", flag.long)
}

fn row(flag: &str, does: &str) -> String {
    let mut rows = String::new();
    let mut row = format!("  {flag}");
    if row.len() + 2 > COLUMN {
        rows = row + "\n";
        row = String::new();
    }
    for word in sentence(does).split_whitespace() {
        if row.len().max(COLUMN) + 1 + word.len() > END {
            rows = rows + &row + "\n";
            row = String::new();
        }
        let gap = COLUMN.saturating_sub(row.len()).max(1);
        row = format!("{row}{:gap$}{word}", "");
    }
    rows + &row + "\n"
}

/// argh wants no capitals, and people no fragments.
fn sentence(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(char::to_uppercase);
    let sentence: String = first.into_iter().flatten().chain(characters).collect();
    let end = if sentence.ends_with('.') { "" } else { "." };
    sentence + end
}

#[cfg(test)]
mod tests {
    use super::*;
    use argh::{Optionality, PositionalInfo};

    #[test]
    fn each_flag_has_what_it_takes_and_a_sentence() {
        const fn flag(
            long: &'static str,
            short: Option<char>,
            kind: FlagInfoKind<'static>,
            description: &'static str,
        ) -> FlagInfo<'static> {
            let optionality = Optionality::Optional;
            FlagInfo { kind, optionality, long, short, description, hidden: false }
        }
        const fn value(arg_name: &'static str) -> FlagInfoKind<'static> {
            FlagInfoKind::Option { arg_name }
        }
        const LONG: &str =
            "how many seconds it may take, at the end, until all of it has been read by all";
        const FLAGS: [FlagInfo<'static>; 3] = [
            flag("--help", None, FlagInfoKind::Switch, "display usage information"),
            flag("--port", Some('p'), value("port"), "the port (default: 7878)"),
            flag("--shutdown-timeout", None, value("secs"), LONG),
        ];
        const HOST: [PositionalInfo<'static>; 1] = [PositionalInfo {
            name: "host",
            description: "whom to call",
            optionality: Optionality::Optional,
            hidden: false,
        }];
        let info = CommandInfoWithArgs { flags: &FLAGS, positionals: &HOST, ..Default::default() };
        let printed = "Usage: x\n\nDoes x.\n\nPositional Arguments:\n  host   whom to call\n\n\
             Options:\n  --port  the port\n\nNotes:\n  None.\n";
        let expected = "Usage: x\n\nDoes x.\n\nPositional Arguments:
  <host>                  Whom to call.\n\nOptions:
  -p, --port <port>       The port (default: 7878).
  --shutdown-timeout <secs>
                          How many seconds it may take, at the end, until all of
                          it has been read by all.
  -h, --help              Print this.

Notes:\n  None.\n";
        assert_eq!(help(printed, &info), expected);
    }
}
