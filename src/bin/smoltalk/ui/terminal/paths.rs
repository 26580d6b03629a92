//! The files that Tab puts in.

use super::complete::Completion;
use crate::ui::grammar::Grammar;
use smoltalk::protocol::text::to_safe;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Entries of a folder that are looked at.
const ENTRIES: usize = 10_000;

/// The paths that can be meant at the end of `line`, if it names a file.
pub fn at_end(line: &str, grammar: Grammar) -> Option<Completion> {
    let command = std::str::from_utf8(grammar.command(line.as_bytes())?).ok()?;
    let path = command.strip_prefix("send-file ")?;
    let (folder, part) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    let folder = if folder.is_empty() { "./" } else { folder };
    let words = names(&expand(folder.as_bytes()), part);
    Some(Completion { start: line.len() - part.len(), words, exactly: true })
}

/// The path that one types; `~/` is where one is at home.
pub fn expand(typed: &[u8]) -> PathBuf {
    let home = || env::var_os("HOME").filter(|home| !home.is_empty());
    match typed.strip_prefix(b"~/").and_then(|path| Some((path, home()?))) {
        Some((path, home)) => Path::new(&home).join(OsStr::from_bytes(path)),
        None => OsStr::from_bytes(typed).into(),
    }
}

/// What is in a folder and begins with `part`.
fn names(folder: &Path, part: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let found = entries.take(ENTRIES).flatten().filter_map(|entry| name(&entry, part));
    let mut found: Vec<String> = found.collect();
    found.sort();
    found
}

fn name(entry: &DirEntry, part: &str) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    let hidden = name.starts_with('.') && !part.starts_with('.');
    if hidden || !name.starts_with(part) || to_safe(name.as_bytes()) != name {
        return None;
    }
    Some(if entry.path().is_dir() { name + "/" } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_completed_behind_send_file() {
        let folder = env::temp_dir().join(format!("smoltalk-paths-{}", std::process::id()));
        fs::create_dir_all(folder.join("notes")).expect("a folder");
        for name in ["notes.txt", "naïve", "naïf", ".hidden", "a\u{1b}b", "two words"] {
            fs::write(folder.join(name), "").expect("a file");
        }
        let folder_typed = folder.to_str().expect("UTF-8");
        let found = |part: &str| {
            let line = format!("send-file {folder_typed}/{part}");
            let completion = at_end(&line, Grammar::Commands).expect("a path");
            assert_eq!(&line[completion.start..], part.trim_start_matches("notes/"));
            (completion.common(), completion.words)
        };
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("no"), (Some("notes".into()), words(&["notes.txt", "notes/"])));
        assert_eq!(found("notes/"), (None, words(&[])));
        // Two bytes of one character are no half of it.
        assert_eq!(found("na"), (Some("naï".into()), words(&["naïf", "naïve"])));
        assert_eq!(found("two w"), (Some("two words ".into()), words(&["two words"])));
        assert_eq!(found("NO").1, words(&[]));
        assert_eq!(found(".").1, words(&[".hidden"]));
        assert_eq!(found("").1.len(), 5);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn nothing_else_names_a_file() {
        for line in ["send-file", "send /etc/", "send-files /", "/send-file /"] {
            assert_eq!(at_end(line, Grammar::Commands), None, "{line}");
        }
        assert!(at_end("/send-file /", Grammar::Chat).is_some());
    }

    #[test]
    fn a_path_that_begins_at_home_does_so() {
        assert_eq!(expand(b"/a/~/b"), Path::new("/a/~/b"));
        assert_eq!(expand(b"~"), Path::new("~"));
        let home = env::var_os("HOME").filter(|home| !home.is_empty());
        if let Some(home) = home {
            assert_eq!(expand(b"~/a b"), Path::new(&home).join("a b"));
        }
    }
}
