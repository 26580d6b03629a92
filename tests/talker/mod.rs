//! People who talk and do what PROTOCOL.md tells those who write clients, over bare sockets. What they say is
//! numbered; each hears everything, itself included: so all have the same story, or something is wrong.

// Each test crate uses its own part of this.
#![allow(dead_code)]

use smoltalk::protocol::Id;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};
use std::{env, mem};

/// So many lines may be said and not be confirmed yet.
const WINDOW: usize = 16;
/// How long nobody may get on: a kill, a start, and some hundred messages take far less.
const PATIENCE: Duration = Duration::from_secs(60);

/// When it happened, who said it, and which number.
pub type Story = Vec<(Id, String, u32)>;

/// All who talk, and what they share with whoever disturbs them.
pub struct Talkers {
    room: Arc<Room>,
    threads: Vec<JoinHandle<Story>>,
}

impl Talkers {
    /// So many, each at one of these addresses first. Returns when all are in.
    pub fn begin(many: usize, addresses: Vec<SocketAddr>) -> Self {
        let room = Arc::new(Room {
            many,
            addresses: Mutex::new(addresses),
            begin: Barrier::new(many + 1),
            heard: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
        });
        let threads = (0..many).map(|number| {
            let room = room.clone();
            thread::spawn(move || {
                let _watched = Watched(room.clone());
                Talker::new(number, room).talk()
            })
        });
        let threads = threads.collect();
        room.begin.wait();
        Self { room, threads }
    }

    /// Until they have heard so many messages more, together.
    pub fn wait_for(&self, more: usize) {
        let until = self.room.heard.load(Ordering::Relaxed) + more;
        let begun = Instant::now();
        while self.room.heard.load(Ordering::Relaxed) < until {
            assert!(!self.room.has_failed(), "somebody has failed");
            assert!(begun.elapsed() < PATIENCE, "nobody gets on");
            thread::yield_now();
        }
    }

    /// All say what they have to say to the end, and their stories are held against each other. How long
    /// these are.
    pub fn end(self) -> usize {
        self.room.is_over.store(true, Ordering::Relaxed);
        let stories: Vec<Story> =
            self.threads.into_iter().map(|talker| talker.join().expect("a story")).collect();
        check(&stories);
        stories[0].len()
    }
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
    assert_eq!(next.len(), stories.len());
    eprintln!("{} messages, each once", first.len());
}

/// What the talkers share.
struct Room {
    many: usize,
    addresses: Mutex<Vec<SocketAddr>>,
    begin: Barrier,
    /// How many messages all have heard together.
    heard: AtomicUsize,
    is_over: AtomicBool,
    /// A talker has come to a bad end: nobody waits for it.
    has_failed: AtomicBool,
}

impl Room {
    fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    fn address(&self, number: usize) -> SocketAddr {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses[number % addresses.len()]
    }
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

/// A line that was said, or will be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Msg,
    Data,
    /// To oneself: that is never refused.
    Tell,
    /// The last.
    End,
}

/// Somebody who talks, over as many connections as it takes.
struct Talker {
    number: usize,
    name: String,
    secret: String,
    room: Arc<Room>,
    begun: bool,
    /// Which server it goes to next.
    next: usize,
    /// Up to where it has heard all.
    last: Option<Id>,
    unconfirmed: VecDeque<(Kind, u32)>,
    said: u32,
    told: u32,
    has_ended: bool,
    story: Story,
    tells: Vec<u32>,
    /// Who has said the last word.
    ended: BTreeSet<String>,
}

impl Talker {
    fn new(number: usize, room: Arc<Room>) -> Self {
        Self {
            number,
            name: format!("t{number}"),
            secret: format!("secret-of-talker-{number}"),
            room,
            begun: false,
            next: number,
            last: None,
            unconfirmed: VecDeque::new(),
            said: 0,
            told: 0,
            has_ended: false,
            story: Vec::new(),
            tells: Vec::new(),
            ended: BTreeSet::new(),
        }
    }

    fn talk(mut self) -> Story {
        let (mut since, mut known) = (Instant::now(), 0);
        while self.connection().is_err() {
            self.next += 1;
            if self.story.len() > known {
                (known, since) = (self.story.len(), Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{} does not get on", self.name);
            assert!(!self.room.has_failed(), "another has failed");
        }
        assert_eq!(self.tells, (1..=self.told).collect::<Vec<_>>(), "{} tells itself", self.name);
        self.story
    }

    /// One connection; an error where it broke.
    fn connection(&mut self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.room.address(self.next))?;
        stream.set_read_timeout(Some(PATIENCE / 2))?;
        stream.set_nodelay(true)?;
        let mut lines = BufReader::new(stream.try_clone()?);
        let since = self.last.map_or(String::new(), |last| format!(" since={last}"));
        let Self { name, secret, .. } = &*self;
        write!(stream, "JOIN {name} id echo data resume={secret}{since}\nPING back\n")?;
        let mut is_back = false;
        while self.ended.len() < self.room.many {
            let line = read_line(&mut lines)?;
            if line == b"PONG back" {
                is_back = true;
                if !mem::replace(&mut self.begun, true) {
                    self.room.begin.wait();
                }
                self.say_again(&mut stream)?;
            }
            self.hear(&line, &mut lines)?;
            if is_back {
                self.say_more(&mut stream)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, line: &[u8], lines: &mut BufReader<TcpStream>) -> io::Result<()> {
        let (id, words) = Id::stamped(line);
        let words = String::from_utf8_lossy(words).into_owned();
        match words.split(' ').collect::<Vec<_>>()[..] {
            ["OK", _, _, id, _] if self.last.is_none() => {
                self.last = id.strip_prefix("id=").and_then(|id| Id::parse(id.as_bytes()));
            }
            ["GAP"] => panic!("{} has a gap", self.name),
            // A server that stops has not let it in, or does not any longer.
            ["BYE", ..] => return Err(ErrorKind::ConnectionReset.into()),
            ["ERR", "name-taken" | "full", ..] => return Err(ErrorKind::ConnectionRefused.into()),
            ["MSG", who, "end"] => {
                self.ended.insert(who.into());
                self.note(id);
                if who == self.name {
                    self.confirm(Kind::End, 0);
                }
            }
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
                self.tells.push(number);
                self.note(id);
                self.confirm(Kind::Tell, number);
            }
            _ => {}
        }
        Ok(())
    }

    fn say_more(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        if self.room.is_over.load(Ordering::Relaxed) {
            if self.unconfirmed.is_empty() && !mem::replace(&mut self.has_ended, true) {
                self.unconfirmed.push_back((Kind::End, 0));
                self.say(stream, Kind::End, 0)?;
            }
            return Ok(());
        }
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

    fn say_again(&self, stream: &mut TcpStream) -> io::Result<()> {
        self.unconfirmed.iter().try_for_each(|(kind, number)| self.say(stream, *kind, *number))
    }

    fn say(&self, stream: &mut TcpStream, kind: Kind, number: u32) -> io::Result<()> {
        match kind {
            Kind::Msg => writeln!(stream, "MSG {number}"),
            Kind::End => writeln!(stream, "MSG end"),
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
        let is_text = |kind: Kind| matches!(kind, Kind::Msg | Kind::End);
        let is_such = |other: Kind| other == kind || is_text(kind) && is_text(other);
        let first = self.unconfirmed.iter().position(|(other, _)| is_such(*other));
        let said = first.and_then(|at| self.unconfirmed.remove(at));
        assert_eq!(said, Some((kind, number)), "{}: an echo of something else", self.name);
    }
}

fn read_line(lines: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line)?;
    // What has no end is nothing: it may be half an id.
    match line.pop() {
        Some(b'\n') => Ok(line),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// A number out of the environment.
pub fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

/// A seed of its own, where the environment has none.
pub fn seed(name: &str) -> u64 {
    setting(name).unwrap_or_else(|| {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        u64::from(now.subsec_nanos())
    })
}

/// xorshift64*: the same each time, which is all that is wanted.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 |= 1;
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap_or(0) % n
    }
}
