//! The server is killed, at any moment and again and again, and nobody misses or doubles a thing.
//!
//! Those who talk do what PROTOCOL.md tells people who write clients, over bare sockets. What they say is
//! numbered; each hears everything, itself included: so all have the same story, or it is wrong.
//!
//! `CRASH_ROUNDS=10000 cargo test --release --test crash` kills longer, `CRASH_SEED=…` again.

mod support;

use smoltalk::protocol::Id;
use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use support::{Daemon, command};

const TALKERS: usize = 5;
/// So many lines may be said and not be confirmed yet.
const WINDOW: usize = 16;
/// How long a round may take: a kill, a start, and some hundred messages.
const ROUND: Duration = Duration::from_secs(20);

#[test]
fn whoever_kills_the_server_changes_nobodys_story() {
    play("plain", &[]);
}

#[test]
fn nor_where_the_journal_begins_a_new_file_all_the_time() {
    play("rotating", &["--journal-size", "100000"]);
}

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

fn play(name: &str, arguments: &[&str]) {
    let rounds = setting("CRASH_ROUNDS").unwrap_or(100);
    let seed = setting("CRASH_SEED").unwrap_or_else(|| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::from(now.subsec_nanos())
    });
    eprintln!("{name}: CRASH_ROUNDS={rounds} CRASH_SEED={seed}");
    let folder = Folder::new(name);
    let journal = folder.0.join("journal");
    let mut server = Server::start(&journal, arguments);
    let room = Arc::new(Room::new(server.daemon.address()));
    let talkers: Vec<_> = (0..TALKERS)
        .map(|number| {
            let room = room.clone();
            thread::spawn(move || {
                let _watched = Watched(room.clone());
                Talker::new(number, room).talk()
            })
        })
        .collect();
    let mut random = Random(seed);
    room.begin.wait();
    for round in 0..rounds {
        // Before the first message, in the middle of many, and while nobody is back yet.
        let wait = [0, 1, 10, 100, 500][random.below(5)];
        room.wait_for(random.below(wait + 1), round);
        server.kill_and_start();
    }
    room.is_over.store(true, Ordering::Relaxed);
    let stories: Vec<Story> =
        talkers.into_iter().map(|talker| talker.join().expect("a story")).collect();
    check(&stories);
    drop(server);
    check_journal(&folder.0, stories[0].len());
}

/// All stories are the same, and in each everybody says each number once, in order.
fn check(stories: &[Story]) {
    let first = &stories[0];
    assert!(first.windows(2).all(|pair| pair[0].0 < pair[1].0), "ids rise");
    for story in stories {
        let differs = story.iter().zip(first).find(|(one, other)| one != other);
        assert_eq!(differs, None, "two have heard something else");
        assert_eq!(story.len(), first.len(), "one has heard more");
    }
    let mut next = BTreeMap::new();
    for (id, who, number) in first {
        let next = next.entry(who).or_insert(1);
        assert_eq!(number, next, "{who} at {id}");
        *next += 1;
    }
    assert_eq!(next.len(), TALKERS);
    eprintln!("{} messages, each once", first.len());
}

/// What is in the journal's last two files is the end of the story.
fn check_journal(folder: &Path, len: usize) {
    let read = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let journal = read("journal.1") + &read("journal");
    let said =
        |line: &&str| line.starts_with('@') && (line.contains(" MSG ") || line.contains(" DATA "));
    let kept = journal.lines().filter(said).count();
    assert!(kept > 0 && kept <= len, "{kept} of {len} are kept");
}

/// When it happened, who said it, and which number.
type Story = Vec<(Id, String, u32)>;

/// What the talkers and the killer share.
struct Room {
    address: SocketAddr,
    begin: Barrier,
    /// How many messages all have heard together.
    heard: AtomicUsize,
    is_over: AtomicBool,
    /// How many have all confirmed that they said.
    done: AtomicUsize,
    /// A talker has come to a bad end: nobody waits for it.
    has_failed: AtomicBool,
}

/// Says so where its thread panics.
struct Watched(Arc<Room>);

impl Drop for Watched {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.has_failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Room {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            begin: Barrier::new(TALKERS + 1),
            heard: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            done: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
        }
    }

    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Until so many messages more have been heard.
    fn wait_for(&self, more: usize, round: u64) {
        let until = self.heard.load(Ordering::Relaxed) + more;
        let begun = Instant::now();
        while self.heard.load(Ordering::Relaxed) < until {
            assert!(!self.has_failed(), "somebody has failed in round {round}");
            assert!(begun.elapsed() < ROUND, "nobody gets on in round {round}");
            thread::yield_now();
        }
    }
}

/// A line that was said, or will be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Msg,
    Data,
    /// To oneself: that is never refused.
    Tell,
}

/// Somebody who talks, over as many connections as it takes.
struct Talker {
    name: String,
    secret: String,
    room: Arc<Room>,
    /// Up to where it has heard all.
    last: Option<Id>,
    unconfirmed: VecDeque<(Kind, u32)>,
    said: u32,
    told: u32,
    story: Story,
    tells: Vec<(Id, u32)>,
}

impl Talker {
    fn new(number: usize, room: Arc<Room>) -> Self {
        Self {
            name: format!("t{number}"),
            secret: format!("secret-of-talker-{number}"),
            room,
            last: None,
            unconfirmed: VecDeque::new(),
            said: 0,
            told: 0,
            story: Vec::new(),
            tells: Vec::new(),
        }
    }

    fn talk(mut self) -> Story {
        let mut begun = false;
        let mut since = Instant::now();
        let mut known = 0;
        loop {
            // It is over for all at once, and all have heard the last.
            if self.connection(&mut begun).is_ok() {
                break;
            }
            if self.story.len() > known {
                (known, since) = (self.story.len(), Instant::now());
            }
            assert!(since.elapsed() < 3 * ROUND, "{} does not get on", self.name);
        }
        let told: Vec<u32> = self.tells.iter().map(|(_, n)| *n).collect();
        assert_eq!(told, (1..=self.told).collect::<Vec<_>>(), "{} tells itself", self.name);
        self.story
    }

    /// One connection; an error where it broke.
    fn connection(&mut self, begun: &mut bool) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.room.address)?;
        stream.set_read_timeout(Some(ROUND))?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let since = self.last.map_or(String::new(), |last| format!(" since={last}"));
        let Self { name, secret, .. } = &*self;
        write!(stream, "JOIN {name} id echo data resume={secret}{since}\nPING back\n")?;
        let mut is_back = false;
        let mut asks = false;
        loop {
            let line = read_line(&mut lines)?;
            let (id, words) = Id::stamped(&line);
            let words = String::from_utf8_lossy(words).into_owned();
            match words.split(' ').collect::<Vec<_>>()[..] {
                ["OK", _, _, ref rest @ ..] if self.last.is_none() => {
                    self.last = rest[0].strip_prefix("id=").and_then(|id| Id::parse(id.as_bytes()));
                }
                ["PONG", "back"] => {
                    is_back = true;
                    if !std::mem::replace(begun, true) {
                        self.room.begin.wait();
                    }
                    self.say_again(&mut stream)?;
                }
                ["PONG", "end"] => return Ok(()),
                ["GAP"] => panic!("{} has a gap", self.name),
                ["ERR", "name-taken", ..] => panic!("{} is taken", self.name),
                ["BYE", ..] => return Err(std::io::ErrorKind::ConnectionReset.into()),
                ["MSG", who, number] => self.heard(id, who, number, Kind::Msg),
                ["DATA", who, len] => {
                    let mut payload = vec![0; len.parse::<usize>().expect("a length") + 1];
                    lines.read_exact(&mut payload)?;
                    let payload = String::from_utf8(payload).expect("what was said");
                    self.heard(id, who, payload.trim_start_matches("x\n").trim_end(), Kind::Data);
                }
                // It comes with its TOLD, under one id: the first of the two confirms.
                ["TELL", _, number] => {
                    let number = number.parse().expect("a number");
                    self.tells.push((id.expect("an id"), number));
                    self.note(id);
                    self.confirm(Kind::Tell, number);
                }
                _ => {}
            }
            let is_over = self.room.is_over.load(Ordering::Relaxed);
            if is_back && !is_over {
                self.say_more(&mut stream)?;
            }
            if is_back && is_over && self.unconfirmed.is_empty() && !asks {
                asks = true;
                self.room.done.fetch_add(1, Ordering::Relaxed);
                // Nobody is killed any more: when all have said all, a PONG comes behind it.
                while self.room.done.load(Ordering::Relaxed) < TALKERS {
                    assert!(!self.room.has_failed(), "another has failed");
                    thread::yield_now();
                }
                stream.write_all(b"PING end\n")?;
            }
        }
    }

    fn say_more(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        while self.unconfirmed.len() < WINDOW {
            let kind = match self.said + self.told {
                n if n % 7 == 3 => Kind::Data,
                n if n % 5 == 2 => Kind::Tell,
                _ => Kind::Msg,
            };
            let number = if kind == Kind::Tell { &mut self.told } else { &mut self.said };
            *number += 1;
            let number = *number;
            self.unconfirmed.push_back((kind, number));
            self.say(stream, kind, number)?;
        }
        Ok(())
    }

    fn say_again(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        self.unconfirmed.iter().try_for_each(|(kind, number)| self.say(stream, *kind, *number))
    }

    fn say(&self, stream: &mut TcpStream, kind: Kind, number: u32) -> std::io::Result<()> {
        match kind {
            Kind::Msg => writeln!(stream, "MSG {number}"),
            Kind::Tell => writeln!(stream, "TELL {} {number}", self.name),
            Kind::Data => {
                let payload = format!("x\n{number}\n");
                writeln!(stream, "DATA {}\n{payload}", payload.len())
            }
        }
    }

    fn heard(&mut self, id: Option<Id>, who: &str, number: &str, kind: Kind) {
        let number = number.parse().expect("a number");
        self.story.push((id.expect("an id"), who.into(), number));
        self.room.heard.fetch_add(1, Ordering::Relaxed);
        self.note(id);
        if who == self.name {
            self.confirm(kind, number);
        }
    }

    fn note(&mut self, id: Option<Id>) {
        self.last = id;
    }

    fn confirm(&mut self, kind: Kind, number: u32) {
        let first = self.unconfirmed.iter().position(|(other, _)| *other == kind);
        let said = first.and_then(|at| self.unconfirmed.remove(at));
        assert_eq!(said, Some((kind, number)), "{}: an echo of something else", self.name);
    }
}

fn read_line(lines: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line)?;
    // What has no end is nothing: it may be half an id.
    match line.pop() {
        Some(b'\n') => Ok(line),
        _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A server that is killed and started again, at the same address with the same journal.
struct Server {
    daemon: Daemon,
    arguments: Vec<String>,
}

impl Server {
    fn start(journal: &Path, more: &[&str]) -> Self {
        let journal = journal.to_str().expect("a path");
        let history = ["--history", "1000000", "--history-bytes", "100000000"];
        let arguments = [&["--quiet", "--journal", journal], &history[..], more].concat();
        let daemon = Daemon::start(&arguments);
        Self { daemon, arguments: arguments.into_iter().map(String::from).collect() }
    }

    fn kill_and_start(&mut self) {
        let listening = self.daemon.listening.clone();
        self.daemon.signal("KILL");
        self.daemon.end();
        let mut arguments = vec!["--listen", &listening];
        arguments.extend(self.arguments.iter().map(String::as_str));
        self.daemon = Daemon::spawn(command(&arguments));
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("smoltalk-{}-crash-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// xorshift64*: the same each time, which is all that is wanted.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 |= 1;
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or(0) % n
    }
}
