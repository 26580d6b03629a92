//! How a command line may be written.

use crate::protocol::text::to_safe;
use argh::{FlagInfo, FlagInfoKind, Optionality};
use std::collections::VecDeque;

/// A word of a command line, and the value that belongs to it.
#[derive(Debug)]
struct Word {
    written: String,
    value: Option<String>,
    /// What it counts as, where a later one of the same takes its place.
    replaces: Option<String>,
}

/// A command line as argh reads it, which knows `--flag value` alone and each flag but once: so
/// `--flag=value`, `-uada` and `-Vh` can be written as well; of a flag that is given again the last
/// counts, and `--no-flag` is the same as `--flag` there. Who asks for help gets nothing else.
///
/// Of some flags the value may be left out: `defaults` has what it then is.
pub fn plain(
    args: &[String],
    flags: &[FlagInfo<'_>],
    defaults: &[(&str, &str)],
) -> Result<Vec<String>, String> {
    let mut words: Vec<Word> = Vec::new();
    let mut args: VecDeque<String> = args.iter().cloned().collect();
    while let Some(arg) = args.pop_front() {
        match split(&arg, flags) {
            _ if arg == "--" => {
                words.push(Word::other(arg));
                words.extend(args.drain(..).map(Word::other));
            }
            Split::Help => return Ok(vec!["--help".into()]),
            Split::Flag { flag, written, attached } if takes_value(flag) => {
                let default = || left_out(flag, defaults, args.front());
                let value = attached.or_else(default).or_else(|| args.pop_front());
                words.push(Word { written, value, replaces: replaced(flag, flags) });
            }
            Split::Flag { written, attached: Some(value), .. } if written.starts_with("--") => {
                let value = to_safe(value.as_bytes());
                return Err(format!("{written} takes no value, and not \"{value}\""));
            }
            Split::Flag { flag, written, attached } => {
                words.push(Word { written, value: None, replaces: replaced(flag, flags) });
                // More short ones behind the same dash.
                if let Some(more) = attached {
                    args.push_front(format!("-{more}"));
                }
            }
            // What it was given is not repeated: it may be a secret.
            Split::Other if arg.starts_with("--") => {
                words.push(Word::other(arg.split('=').next().unwrap_or_default().into()));
            }
            Split::Other => words.push(Word::other(arg)),
        }
    }
    Ok(last_of_each(words))
}

/// What a word is.
enum Split<'a> {
    Help,
    /// A flag, and what stands in the same word behind it.
    Flag {
        flag: &'a FlagInfo<'a>,
        written: String,
        attached: Option<String>,
    },
    Other,
}

fn split<'a>(arg: &str, flags: &'a [FlagInfo<'a>]) -> Split<'a> {
    let (name, attached) = match arg.split_once('=') {
        Some((name, value)) if arg.starts_with("--") => (name, Some(value)),
        _ if arg.starts_with("--") => (arg, None),
        _ => match arg.char_indices().nth(2) {
            Some((at, _)) => (&arg[..at], Some(&arg[at..])),
            None => (arg, None),
        },
    };
    if ["-h", "--help"].contains(&name) && attached.is_none() {
        return Split::Help;
    }
    let short = |flag: &FlagInfo<'_>| flag.short.map(|short| format!("-{short}"));
    let is_it = |flag: &&FlagInfo<'_>| flag.long == name || short(flag).as_deref() == Some(name);
    match flags.iter().find(is_it) {
        Some(flag) => {
            Split::Flag { flag, written: name.into(), attached: attached.map(String::from) }
        }
        None => Split::Other,
    }
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

/// The value of a flag whose own is left out, as another flag or nothing is `next`.
fn left_out(
    flag: &FlagInfo<'_>,
    defaults: &[(&str, &str)],
    next: Option<&String>,
) -> Option<String> {
    let (_, default) = defaults.iter().find(|(long, _)| *long == flag.long)?;
    next.is_none_or(|next| next.starts_with('-')).then(|| (*default).to_string())
}

/// What a flag counts as, if it counts once.
fn replaced(flag: &FlagInfo<'_>, flags: &[FlagInfo<'_>]) -> Option<String> {
    let opposite = flag.long.strip_prefix("--no-").map(|rest| format!("--{rest}"));
    let opposite = opposite.filter(|long| flags.iter().any(|flag| flag.long == long));
    let once = flag.optionality != Optionality::Repeating;
    once.then(|| opposite.unwrap_or_else(|| flag.long.into()))
}

fn last_of_each(words: Vec<Word>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut last: Vec<Word> = Vec::new();
    for word in words.into_iter().rev() {
        if word.replaces.as_ref().is_none_or(|same| !seen.contains(same)) {
            seen.extend(word.replaces.clone());
            last.push(word);
        }
    }
    last.into_iter().rev().flat_map(|word| [Some(word.written), word.value]).flatten().collect()
}

impl Word {
    fn other(written: String) -> Self {
        Self { written, value: None, replaces: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn flag(
        long: &'static str,
        short: Option<char>,
        kind: FlagInfoKind<'static>,
    ) -> FlagInfo<'static> {
        let optionality = Optionality::Optional;
        FlagInfo { kind, optionality, long, short, description: "", hidden: false }
    }

    const VALUE: FlagInfoKind<'static> = FlagInfoKind::Option { arg_name: "x" };

    fn read(args: &str) -> Result<String, String> {
        let flags = [
            flag("--username", Some('u'), VALUE),
            flag("--port", Some('p'), VALUE),
            flag("--stay", None, FlagInfoKind::Switch),
            flag("--version", Some('V'), FlagInfoKind::Switch),
            flag("--reconnect", None, FlagInfoKind::Switch),
            flag("--no-reconnect", None, FlagInfoKind::Switch),
            FlagInfo { optionality: Optionality::Repeating, ..flag("--listen", None, VALUE) },
        ];
        let args: Vec<String> = args.split(' ').map(String::from).collect();
        plain(&args, &flags, &[("--listen", "here")]).map(|plain| plain.join(" "))
    }

    #[test]
    fn a_value_may_stand_in_the_same_word() {
        for (written, plain) in [
            ("--port=1 --username=a=b", "--port 1 --username a=b"),
            ("--port= -uada", "--port  -u ada"),
            ("-u=x -p 7 -u", "-p 7 -u"),
            ("-Vuada host", "-V -u ada host"),
            ("-u--port 1", "-u --port 1"),
            ("-uäb", "-u äb"),
        ] {
            assert_eq!(read(written).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn of_a_flag_that_is_given_again_the_last_counts() {
        for (written, plain) in [
            ("-p 1 --port 2 -u a --port=3", "-u a --port 3"),
            ("--stay --reconnect --stay --no-reconnect", "--stay --no-reconnect"),
            ("--no-reconnect --reconnect", "--reconnect"),
            ("--listen a --listen b", "--listen a --listen b"),
            ("--username --stay --stay", "--username --stay --stay"),
        ] {
            assert_eq!(read(written).as_deref(), Ok(plain));
        }
    }

    #[test]
    fn a_value_may_be_left_out_where_there_is_a_default() {
        assert_eq!(read("--listen --stay").as_deref(), Ok("--listen here --stay"));
        assert_eq!(read("--stay --listen").as_deref(), Ok("--stay --listen here"));
        assert_eq!(read("--listen= x").as_deref(), Ok("--listen  x"));
    }

    #[test]
    fn what_is_no_flag_stays_as_it_is() {
        for as_it_is in ["host -x --prot -", "-- --port=1 -uada --stay --stay", "--port"] {
            assert_eq!(read(as_it_is).as_deref(), Ok(as_it_is));
        }
        assert_eq!(read("--prot=1 a=b -x=y").as_deref(), Ok("--prot a=b -x=y"));
        assert_eq!(
            read("--stay=\x1b").expect_err("a mistake"),
            "--stay takes no value, and not \"␛\""
        );
    }

    #[test]
    fn who_asks_for_help_gets_it() {
        for written in ["--port x --help", "-h --stay", "-Vh -p"] {
            assert_eq!(read(written).as_deref(), Ok("--help"));
        }
        assert_eq!(read("-u --help").as_deref(), Ok("-u --help"));
        assert_eq!(read("-- --help").as_deref(), Ok("-- --help"));
    }
}
