//! What is needed to go on where a run has ended, in a file that is true at every moment: `--resume`.
//!
//! ```text
//! smoltalk-state/1 ada kmyDnZ7Gdd…                                            name and secret
//! last 1767225599042-3                           00000000000000000017         taken; lines settled
//! 17 msg hello                                                                to be said
//! 18 tell bob psst
//! 19 data 5
//! a⏎b c⏎
//! ```
//!
//! The second line is written over in one piece: the place of the last line that was printed, and how
//! many of one's own were settled by then belong together. It begins with `gap ` where something was
//! missing before that place, and what came behind it was not all there yet. Lines to be said are appended before they
//! are sent. Once all are settled the file is cut off behind the second line: so it needs no second
//! one to be written anew, and stays locked.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use smoltalk::client::{Ledger, Saying};
use smoltalk::protocol::{Id, Name, Secret};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The first word.
const MAGIC: &str = "smoltalk-state/1";

/// Bytes of lines to be said, settled ones among them, from which on the file is cut off as soon as all
/// are settled.
const MUCH: u64 = 64 * 1024;

/// The same, past which no more lines are taken before that.
const MOST: u64 = 1024 * 1024;

/// The longest file that is read, so that what is none does not fill the memory.
const LONGEST: u64 = 64 * 1024 * 1024;

/// A state file, locked as long as this lives.
pub struct State {
    file: File,
    /// Where the second line begins, and where the first line to be said.
    last_at: u64,
    lines_at: u64,
    end: u64,
    written: Last,
}

/// What the second line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Last {
    id: Option<Id>,
    settled: u64,
    /// One is in doubt about what is not settled.
    doubt: bool,
}

/// What an earlier run has left.
#[derive(Debug, PartialEq, Eq)]
pub struct Before {
    pub name: Name,
    secret: Secret,
    last: Last,
    lines: Vec<Saying>,
}

/// The second line, always as long.
fn last_line(last: Last) -> String {
    let word = if last.doubt { "gap" } else { "last" };
    let id = last.id.map_or_else(|| "-".into(), |id| id.to_string());
    format!("{word:4} {id:41} {:020}\n", last.settled)
}

impl State {
    /// Opens the file, or makes one, and locks it. What it says, if there has been a run with it.
    pub fn open(path: &Path) -> io::Result<(Self, Option<Before>)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "this is no file"));
        }
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => io::Error::new(ErrorKind::WouldBlock, "another run uses it"),
            error => error.into(),
        })?;
        let mut state = Self { file, last_at: 0, lines_at: 0, end: 0, written: Last::default() };
        let before = state.read()?;
        Ok((state, before))
    }

    /// Reads what is there, if anything is.
    fn read(&mut self) -> io::Result<Option<Before>> {
        let no_state =
            || io::Error::new(ErrorKind::InvalidData, "this is no file that --resume has made");
        if self.file.metadata()?.len() > LONGEST {
            return Err(no_state());
        }
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let (before, lines) = parse(&bytes).ok_or_else(no_state)?;
        self.lines_at = (bytes.len() - lines.rest.len()) as u64;
        self.last_at = self.lines_at - last_line(Last::default()).len() as u64;
        // A last line that was not written whole was not sent either.
        self.end = self.lines_at + lines.whole as u64;
        self.file.set_len(self.end)?;
        self.written = before.last;
        Ok(Some(before))
    }

    /// The first run with this file begins.
    pub fn begin(&mut self, name: Name, secret: Secret) -> io::Result<()> {
        let first = format!("{MAGIC} {name} {}\n", secret.as_str());
        self.last_at = first.len() as u64;
        let head = first + &last_line(Last::default());
        self.lines_at = head.len() as u64;
        self.end = self.lines_at;
        // There may have been an empty file.
        self.file.set_permissions(Permissions::from_mode(0o600))?;
        let written = self.file.write_all_at(head.as_bytes(), 0);
        if written.is_err() {
            // Half of it would be no state, also when there is room again.
            self.file.set_len(0)?;
        }
        written
    }

    /// A line is to be said. After this, it may be sent.
    pub fn says(&mut self, number: u64, saying: &Saying) -> io::Result<()> {
        let mut line = format!("{number} ").into_bytes();
        match saying {
            Saying::Msg(text) => line.extend_from_slice(format!("msg {text}").as_bytes()),
            Saying::Tell(to, text) => {
                line.extend_from_slice(format!("tell {to} {text}").as_bytes());
            }
            Saying::Data(bytes) => {
                line.extend_from_slice(format!("data {}\n", bytes.len()).as_bytes());
                line.extend_from_slice(bytes);
            }
        }
        line.push(b'\n');
        self.file.write_all_at(&line, self.end)?;
        self.end += line.len() as u64;
        Ok(())
    }

    /// All has been printed that was taken so far.
    pub fn printed(&mut self, ledger: &Ledger) -> io::Result<()> {
        let (id, settled, doubt) = (ledger.last(), ledger.settled(), ledger.is_in_doubt());
        let now = Last { id, settled, doubt };
        // Half of something is neither here nor there.
        if id.is_none() || now == self.written {
            return Ok(());
        }
        self.file.write_all_at(last_line(now).as_bytes(), self.last_at)?;
        self.written = now;
        if ledger.unsettled() == 0 && self.end - self.lines_at >= MUCH {
            self.file.set_len(self.lines_at)?;
            self.end = self.lines_at;
        }
        Ok(())
    }

    /// Whether one may send: not before it is known since when nothing may be missed.
    pub fn has_begun(&self) -> bool {
        self.written.id.is_some()
    }

    /// Whether more lines should be taken to be said.
    pub fn has_room(&self) -> bool {
        self.end - self.lines_at < MOST
    }
}

impl Before {
    /// The books of that run, to be gone on with.
    pub fn ledger(self) -> Ledger {
        let Self { secret, last, lines, .. } = self;
        let ledger = Ledger::restored(secret, last.id, last.settled, lines);
        if last.doubt { ledger.in_doubt() } else { ledger }
    }
}

/// The lines to be said: where they begin, and how many bytes of that are whole lines.
struct Lines<'a> {
    rest: &'a [u8],
    whole: usize,
}

/// Reads a state; `None` if it is none.
fn parse(bytes: &[u8]) -> Option<(Before, Lines<'_>)> {
    let (first, rest) = line(bytes)?;
    let mut words = str::from_utf8(first).ok()?.split(' ');
    let (magic, name, secret) = (words.next()?, words.next()?, words.next()?);
    let name = Name::new(name.as_bytes()).filter(|_| magic == MAGIC && words.next().is_none())?;
    let secret = Secret::new(secret.as_bytes())?;
    let (second, rest) = line(rest)?;
    let last = parse_last(str::from_utf8(second).ok()?)?;
    let (mut lines, mut whole) = (Vec::new(), 0);
    while let Some((number, saying, behind)) = parse_line(&rest[whole..])? {
        whole = rest.len() - behind;
        if number >= last.settled {
            lines.push(saying);
        }
    }
    Some((Before { name, secret, last, lines }, Lines { rest, whole }))
}

fn parse_last(line: &str) -> Option<Last> {
    let (doubt, words) = match line.strip_prefix("last ") {
        Some(words) => (false, words),
        None => (true, line.strip_prefix("gap  ")?),
    };
    let mut words = words.split_whitespace();
    let id = match words.next()? {
        "-" => None,
        id => Some(Id::parse(id.as_bytes())?),
    };
    // There are many more numbers than lines that anybody could say.
    let settled = words.next()?.parse().ok().filter(|settled| *settled <= u64::MAX / 2)?;
    (line.len() + 1 == last_line(Last::default()).len()).then_some(Last { id, settled, doubt })
}

/// The next line to be said: its number, itself, and how many bytes follow. The inner is `None` at the
/// end, or where the last is not whole; the outer, where it is no such line.
#[allow(clippy::option_option)]
fn parse_line(bytes: &[u8]) -> Option<Option<(u64, Saying, usize)>> {
    let Some((first, rest)) = line(bytes) else { return Some(None) };
    let (number, first) = word(first)?;
    let (kind, text) = word(first)?;
    let number = str::from_utf8(number).ok()?.parse().ok()?;
    let owned = |text: &[u8]| String::from_utf8(text.to_vec()).ok();
    let (saying, rest) = match kind {
        b"msg" => (Saying::Msg(owned(text)?), rest),
        b"tell" => {
            let (to, text) = word(text)?;
            (Saying::Tell(Name::new(to)?, owned(text)?), rest)
        }
        b"data" => {
            let len: usize = str::from_utf8(text).ok()?.parse().ok()?;
            if rest.len() <= len {
                return Some(None);
            }
            let (data, rest) = rest.split_at(len);
            (Saying::Data(data.to_vec()), rest.strip_prefix(b"\n")?)
        }
        _ => return None,
    };
    Some(Some((number, saying, rest.len())))
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == b' ')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltalk::client::Event;
    use smoltalk::protocol::Standing;
    use std::fs;
    use std::path::PathBuf;

    /// A path where nothing is, and later nothing stays.
    struct Place(PathBuf);

    impl Place {
        fn new(test: &str) -> Self {
            let name = format!("smoltalk-state-{}-{test}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_file(&path);
            Self(path)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn ada() -> Name {
        Name::new(b"ada").expect("a name")
    }

    fn secret() -> Secret {
        Secret::from_random([7; 24])
    }

    fn sayings() -> Vec<Saying> {
        vec![
            Saying::Msg(" hello  ".into()),
            Saying::Tell(ada(), "a b".into()),
            Saying::Data(b"\n7 msg no\n\0".to_vec()),
            Saying::Msg("ä".into()),
        ]
    }

    fn opened(place: &Place) -> (State, Option<Before>) {
        State::open(&place.0).expect("a state")
    }

    /// A state with lines to be said, and the ledger of it.
    fn begun(place: &Place) -> (State, Ledger) {
        let (mut state, before) = opened(place);
        assert_eq!(before, None);
        state.begin(ada(), secret()).expect("written");
        let mut ledger = Ledger::new(secret());
        ledger.joined(ada(), Standing { id: Id::from_ms(5), token: secret() });
        ledger.caught_up();
        state.printed(&ledger).expect("written");
        for saying in sayings() {
            let number = ledger.push(saying.clone());
            state.says(number, &saying).expect("written");
            assert!(ledger.to_say().is_some());
        }
        (state, ledger)
    }

    #[test]
    fn a_state_reads_back() {
        let place = Place::new("back");
        let (mut state, mut ledger) = begun(&place);
        assert_eq!(fs::metadata(&place.0).expect("a file").permissions().mode() & 0o777, 0o600);
        let echo = Event::Msg { from: ada(), text: " hello  ".into() };
        ledger.heard(Some(Id::from_ms(9)), &echo);
        state.printed(&ledger).expect("written");
        drop(state);
        let (_state, before) = opened(&place);
        let last = Last { id: Some(Id::from_ms(9)), settled: 1, doubt: false };
        let lines = sayings()[1..].to_vec();
        let expected = Before { name: ada(), secret: secret(), last, lines };
        assert_eq!(before, Some(expected));
    }

    #[test]
    fn a_doubt_reads_back_and_goes() {
        let place = Place::new("doubt");
        let (mut state, mut ledger) = begun(&place);
        ledger.disconnected();
        ledger.joined(ada(), Standing { id: Id::from_ms(20), token: secret() });
        ledger.heard(None, &Event::Gap);
        ledger.heard(Some(Id::from_ms(19)), &Event::Note("hi".into()));
        state.printed(&ledger).expect("written");
        drop(state);
        let (mut state, before) = opened(&place);
        let before = before.expect("a run");
        assert_eq!(before.last, Last { id: Some(Id::from_ms(19)), settled: 0, doubt: true });
        let mut ledger = before.ledger();
        assert!(ledger.is_in_doubt());
        ledger.joined(ada(), Standing { id: Id::from_ms(20), token: secret() });
        assert_eq!(ledger.caught_up(), 4);
        state.printed(&ledger).expect("written");
        drop(state);
        let last = opened(&place).1.expect("a run").last;
        assert_eq!(last, Last { id: Some(Id::from_ms(20)), settled: 4, doubt: false });
    }

    #[test]
    fn however_it_is_cut_what_was_written_whole_is_there() {
        let place = Place::new("cut");
        let (state, _) = begun(&place);
        let head = usize::try_from(state.lines_at).expect("short");
        drop(state);
        let whole = fs::read(&place.0).expect("a file");
        let mut counts = Vec::new();
        for end in head..=whole.len() {
            fs::write(&place.0, &whole[..end]).expect("written");
            let (state, before) = opened(&place);
            let lines = before.expect("a run").lines;
            assert_eq!(lines, sayings()[..lines.len()]);
            counts.push(lines.len());
            assert_eq!(fs::metadata(&place.0).expect("a file").len(), state.end);
        }
        assert!(counts.is_sorted());
        assert_eq!((counts.first(), counts.last()), (Some(&0), Some(&4)));
    }

    #[test]
    fn what_is_no_state_is_refused_and_not_touched() {
        let place = Place::new("none");
        let head = format!("{MAGIC} ada {}\n", secret().as_str());
        for text in [
            "hello\n",
            "\n",
            "smoltalk-state/2 ada 0123456789abcdef\n",
            &head,
            &format!("{head}last 1-1 0\n"),
            &format!("{head}last {:41} {}\n", "1-1", u64::MAX),
            &format!("{head}{}hello\n", last_line(Last::default())),
            &format!("{head}{}0 shout hello\n", last_line(Last::default())),
        ] {
            fs::write(&place.0, text).expect("written");
            let error = State::open(&place.0).err().expect("no state");
            assert_eq!(error.to_string(), "this is no file that --resume has made", "{text:?}");
            assert_eq!(fs::read_to_string(&place.0).expect("a file"), text);
        }
        assert!(State::open(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn one_run_uses_it_at_a_time() {
        let place = Place::new("lock");
        let (state, _) = opened(&place);
        assert!(State::open(&place.0).is_err());
        drop(state);
        assert!(State::open(&place.0).is_ok());
    }

    #[test]
    fn it_is_cut_off_once_all_is_settled() {
        let place = Place::new("short");
        let (mut state, mut ledger) = begun(&place);
        let line = Saying::Msg("x".repeat(4000));
        while state.has_room() {
            let number = ledger.push(line.clone());
            state.says(number, &line).expect("written");
            assert!(ledger.to_say().is_some());
        }
        ledger.ask();
        ledger.answered();
        let later = Event::Note("hi".into());
        ledger.heard(Some(Id::from_ms(7)), &later);
        state.printed(&ledger).expect("written");
        assert!(state.has_room());
        assert_eq!(fs::metadata(&place.0).expect("a file").len(), state.lines_at);
        drop(state);
        let before = opened(&place).1.expect("a run");
        assert_eq!((before.last.settled, before.lines), (ledger.settled(), vec![]));
    }
}
