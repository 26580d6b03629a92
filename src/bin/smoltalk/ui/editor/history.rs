//! What was entered before, in this run and in earlier ones.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Lines that are remembered.
const MOST: usize = 1000;

/// Bytes of the longest line that is remembered: nobody looks for a longer one.
const LONGEST: usize = 4096;

/// The lines entered, oldest first, and where one is among them.
#[derive(Debug, Default)]
pub struct History {
    lines: Vec<String>,
    /// Which line is shown; none of them, if it is `lines.len()`.
    at: usize,
    /// The line that was being typed before older ones were looked at.
    draft: String,
    file: Option<PathBuf>,
}

impl History {
    /// What is kept in `file`, where more will be kept.
    ///
    /// No history is no reason not to talk: what cannot be read or written is not kept.
    pub fn kept_in(file: Option<PathBuf>) -> Self {
        let mut lines = file.as_deref().map(load).unwrap_or_default();
        let kept = lines.len().saturating_sub(MOST);
        lines.drain(..kept);
        if let Some(file) = file.as_deref().filter(|_| kept > 0) {
            let _ = rewrite(file, &lines);
        }
        Self { at: lines.len(), lines, draft: String::new(), file }
    }

    /// Remembers a line, unless it is the last one again.
    pub fn entered(&mut self, line: &str) {
        let new = self.lines.last().is_none_or(|last| last != line);
        if new && !line.trim().is_empty() && line.len() <= LONGEST {
            self.lines.push(line.into());
            let surplus = self.lines.len().saturating_sub(MOST);
            self.lines.drain(..surplus);
            if let Some(file) = self.file.as_deref().filter(|_| is_kept(line)) {
                let _ = append(file, line);
            }
        }
        self.at = self.lines.len();
    }

    /// The line before the one shown, which now is `shown`.
    pub fn older(&mut self, shown: &str) -> Option<String> {
        if self.at == self.lines.len() {
            self.draft = shown.into();
        }
        self.at = self.at.checked_sub(1)?;
        self.lines.get(self.at).cloned()
    }

    /// The line after the one shown; at the end, what was being typed.
    pub fn newer(&mut self) -> Option<String> {
        if self.at == self.lines.len() {
            return None;
        }
        self.at += 1;
        Some(self.lines.get(self.at).unwrap_or(&self.draft).clone())
    }

    /// The newest line before the `before`th in which `part` occurs.
    pub fn search_older(&self, part: &str, before: usize) -> Option<usize> {
        let before = before.min(self.lines.len());
        self.lines[..before].iter().rposition(|line| line.contains(part))
    }

    /// The oldest line after the `after`th in which `part` occurs.
    pub fn search_newer(&self, part: &str, after: usize) -> Option<usize> {
        (after + 1..self.lines.len()).find(|at| self.lines[*at].contains(part))
    }

    pub fn line(&self, at: usize) -> Option<&str> {
        self.lines.get(at).map(String::as_str)
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Shows the `at`th line; the one that was being typed is `draft`.
    pub fn go_to(&mut self, at: usize, draft: &str) {
        if self.at == self.lines.len() {
            self.draft = draft.into();
        }
        self.at = at;
    }
}

/// `smoltalk/history` in the user's folder for what programs remember; of those who chat,
/// `smoltalk/chat-history`: what is a command to the one would be said by the other.
pub fn file(chats: bool) -> Option<PathBuf> {
    let absolute = |variable| env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    let name = if chats { "chat-history" } else { "history" };
    Some(state.join("smoltalk").join(name))
}

/// Whether a line may lie on a disk: what was told to one is nobody else's, and a paste may hold
/// anything.
fn is_kept(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    let first = first.trim_start_matches('/').to_ascii_lowercase();
    let private = ["tell", "msg", "reply"].contains(&first.as_str());
    !private && !line.contains('\n')
}

fn load(file: &Path) -> Vec<String> {
    let mut bytes = Vec::new();
    let most = (MOST * LONGEST * 2) as u64;
    let read = File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes));
    let Ok(_) = read else { return Vec::new() };
    // Whatever has got into the file must not get to the terminal.
    bytes
        .split(|b| *b == b'\n')
        .map(smoltalk::protocol::text::to_safe)
        .filter(|l| !l.is_empty())
        .collect()
}

fn append(file: &Path, line: &str) -> io::Result<()> {
    // In one write, so that two clients do not mix their lines.
    private(file, OpenOptions::new().append(true))?.write_all(format!("{line}\n").as_bytes())
}

fn rewrite(file: &Path, lines: &[String]) -> io::Result<()> {
    let new = file.with_extension("new");
    let text = lines.join("\n") + "\n";
    private(&new, OpenOptions::new().write(true).truncate(true))?.write_all(text.as_bytes())?;
    fs::rename(new, file)
}

/// Opens a file that is the user's alone, in folders that are.
fn private(file: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = options.create(true).mode(0o600).open(file)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("smoltalk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder.join("smoltalk/history")
    }

    #[test]
    fn up_and_down_go_through_the_lines_and_back_to_the_draft() {
        let mut history = History::default();
        for line in ["a", "b", "b", " "] {
            history.entered(line);
        }
        assert_eq!(history.older("draft").as_deref(), Some("b"));
        assert_eq!(history.older("b").as_deref(), Some("a"));
        assert_eq!(history.newer().as_deref(), Some("b"));
        assert_eq!(history.newer().as_deref(), Some("draft"));
        assert_eq!(history.newer(), None);
    }

    #[test]
    fn at_the_oldest_line_up_stays() {
        let mut history = History::default();
        history.entered("a");
        assert_eq!(history.older("").as_deref(), Some("a"));
        assert_eq!(history.older("a"), None);
        assert_eq!(history.newer().as_deref(), Some(""));
    }

    #[test]
    fn what_is_told_and_what_is_pasted_is_not_kept() {
        let file = temporary("tell");
        let mut history = History::kept_in(Some(file.clone()));
        for line in ["send hi", "tell bob x", "/tell bob x", " TELL bob", "a\ntell bob x", "who"] {
            history.entered(line);
        }
        for line in ["/msg bob x", "reply x", "/reply x"] {
            history.entered(line);
        }
        assert_eq!(history.len(), 9);
        assert_eq!(fs::read_to_string(&file).expect("a file"), "send hi\nwho\n");
        assert_eq!(History::kept_in(Some(file.clone())).lines, ["send hi", "who"]);
        fs::remove_dir_all(file.parent().expect("a folder")).expect("removed");
    }

    #[test]
    fn the_file_is_the_user_s_alone_and_bounded() {
        let file = temporary("bounded");
        let mut history = History::kept_in(Some(file.clone()));
        history.entered("first");
        fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("it is ours");
        for n in 0..MOST + 10 {
            history.entered(&n.to_string());
        }
        let mode = |file: &Path| fs::metadata(file).expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().expect("a folder")), 0o700);
        assert_eq!(history.len(), MOST);
        assert_eq!(History::kept_in(Some(file.clone())).len(), MOST);
        assert_eq!(fs::read_to_string(&file).expect("a file").lines().count(), MOST);
        assert_eq!(mode(&file), 0o600);
        fs::remove_dir_all(file.parent().expect("a folder")).expect("removed");
    }

    #[test]
    fn a_file_that_was_tampered_with_is_harmless() {
        let file = temporary("tampered");
        append(&file, "\x1b[2J\u{202e}").expect("it is ours");
        assert_eq!(History::kept_in(Some(file.clone())).lines, ["␛[2J\u{fffd}"]);
        fs::remove_dir_all(file.parent().expect("a folder")).expect("removed");
    }
}
