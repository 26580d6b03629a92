//! One who is watched: in a thread of its own, it asks PING and says what time it is, and notes how
//! long it takes until it reads PONG and the time that others say.

use crate::mob::{Reads, SOME, connect};
use crate::process::{Result, schedstat};
use crate::wire;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const ENTRY_LIMIT: Duration = Duration::from_secs(10);
/// For so long one waits for the last answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How one behaves.
#[derive(Clone, Copy)]
pub struct Ways {
    pub reads: Reads,
    /// Asks so long after the last answer; without end where it is zero.
    pub asks: Option<Duration>,
    /// Says the time so often.
    pub says: Option<Duration>,
}

/// One who reads as fast as it can and asks again and again.
pub const VICTIM: Ways =
    Ways { reads: Reads::Fast, asks: Some(Duration::from_millis(1)), says: None };

/// A thread that does it.
pub struct Person {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::result::Result<Seen, String>>,
}

/// A PING and its PONG.
#[derive(Clone, Copy)]
struct Trip {
    asked: Instant,
    took: Duration,
    /// How long the one who asked has meanwhile waited for a CPU.
    waited: Duration,
}

/// What one has seen.
#[derive(Default)]
pub struct Seen {
    /// What it asked.
    trips: Vec<Trip>,
    /// When what it heard had been said, and how long ago that was.
    heard: Vec<(Instant, Duration)>,
    /// When it last said something.
    said: Option<Instant>,
}

impl Person {
    /// Lets it in.
    pub fn enter(addr: SocketAddr, name: &str, ways: Ways) -> Result<Self> {
        let buffer = matches!(ways.reads, Reads::Steady(_)).then_some(SOME);
        let stream = connect(addr, buffer, Ipv4Addr::LOCALHOST)?;
        let mut talk = Talk::new(stream, ways);
        talk.out.extend_from_slice(format!("JOIN {name}\n").as_bytes());
        let begun = Instant::now();
        while !talk.is_in {
            talk.turn(false)?;
            if begun.elapsed() > ENTRY_LIMIT {
                return Err(format!("{name} was not in after {ENTRY_LIMIT:?}").into());
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            talk.go_on(&stopped).map_err(|error| error.to_string())?;
            Ok(talk.seen)
        });
        Ok(Self { stop, thread })
    }

    /// Stops once the last answer has come.
    pub fn leave(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.thread.join().map_err(|_| "a thread failed")??)
    }
}

impl Seen {
    fn since(&self, since: Instant) -> impl Iterator<Item = &Trip> {
        self.trips.iter().filter(move |trip| trip.asked >= since)
    }

    /// The longest round trip since then, in seconds.
    pub fn longest(&self, since: Instant) -> f64 {
        let Some(longest) = self.since(since).max_by_key(|trip| trip.took) else { return 0.0 };
        eprintln!(
            "siege:   the longest of {} PINGs took {:.1?}, {:.1?} after the attack began; who asked \
             waited {:.1?} for its CPU",
            self.since(since).count(),
            longest.took,
            longest.asked - since,
            longest.waited,
        );
        longest.took.as_secs_f64()
    }

    /// The median of the round trips since then, in seconds.
    pub fn median(&self, since: Instant) -> f64 {
        median(self.since(since).map(|trip| trip.took.as_secs_f64()).collect())
    }

    /// How late all but a hundredth of what others have said since then was heard, in seconds.
    pub fn late(&self, since: Instant) -> f64 {
        let heard = self.heard.iter().filter(|(said, _)| *said >= since);
        let mut late: Vec<f64> = heard.map(|(_, late)| late.as_secs_f64()).collect();
        late.sort_by(f64::total_cmp);
        late.get(late.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// How late the latest of what others have said since then was heard, in seconds; and what
    /// `speaker` said last counts too if it was never heard.
    pub fn latest(&self, since: Instant, speaker: &Seen) -> f64 {
        let heard = self.heard.iter().filter(|(said, _)| *said >= since);
        let latest = heard.clone().map(|(_, late)| late.as_secs_f64()).fold(0.0, f64::max);
        let last = heard.map(|(said, _)| *said).max().unwrap_or(since);
        let unheard = speaker.said.map_or(0.0, |said| (said - last).as_secs_f64());
        latest.max(unheard)
    }
}

/// The middle one; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

struct Talk {
    stream: TcpStream,
    ways: Ways,
    is_in: bool,
    out: Vec<u8>,
    /// A line that has begun.
    piece: Vec<u8>,
    scratch: Vec<u8>,
    asked: Option<(Instant, Duration)>,
    answered: Instant,
    said: Instant,
    allowance: f64,
    last: Instant,
    seen: Seen,
}

impl Talk {
    fn new(stream: TcpStream, ways: Ways) -> Self {
        epoch();
        let now = Instant::now();
        Self {
            stream,
            ways,
            is_in: false,
            out: Vec::new(),
            piece: Vec::new(),
            scratch: vec![0; 256 * 1024],
            asked: None,
            answered: now,
            said: now,
            allowance: 0.0,
            last: now,
            seen: Seen::default(),
        }
    }

    fn go_on(&mut self, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.turn(true)?;
        }
        let stopped = Instant::now();
        while self.asked.is_some() || !self.out.is_empty() {
            self.turn(false)?;
            if stopped.elapsed() > PATIENCE {
                break;
            }
        }
        self.answer(Instant::now());
        // What was said last may still be on its way.
        let stopped = Instant::now();
        while stopped.elapsed() < Duration::from_millis(500) {
            self.turn(false)?;
        }
        Ok(())
    }

    fn turn(&mut self, talks: bool) -> Result<()> {
        let now = Instant::now();
        if talks {
            self.talk(now);
        }
        if !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut most = self.scratch.len();
        if let Reads::Steady(pace) = self.ways.reads {
            self.allowance += pace * (now - self.last).as_secs_f64();
            self.allowance = self.allowance.min(pace * 0.1);
            most = most.min(self.allowance as usize);
            self.last = now;
        }
        if self.ways.reads == Reads::Fast || most < 1024 {
            self.sleep(now, most >= 1024)?;
        }
        if most >= 1024 {
            match self.stream.read(&mut self.scratch[..most]) {
                Ok(0) => return Err("one who is watched was sent away".into()),
                Ok(got) => {
                    self.allowance -= got as f64;
                    self.hear(got);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.ways.reads != Reads::Fast {
                        self.sleep(now, false)?;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn talk(&mut self, now: Instant) {
        if let Some(pause) = self.ways.asks
            && self.asked.is_none()
            && now - self.answered >= pause
        {
            self.asked = Some((now, waited()));
            self.out.extend_from_slice(b"PING p\n");
        }
        if let Some(pause) = self.ways.says
            && now - self.said >= pause
        {
            self.said = now;
            self.seen.said = Some(now);
            let time = (now - epoch()).as_nanos();
            self.out.extend_from_slice(format!("MSG t={time}\n").as_bytes());
        }
    }

    /// Waits for something to read, if it may be read, but no longer than until there is something
    /// to say.
    fn sleep(&self, now: Instant, reads: bool) -> Result<()> {
        let nap = match self.ways.asks {
            // Awake, as long as an answer is to come: to be woken takes as long as the answer does.
            Some(Duration::ZERO) => Duration::ZERO,
            Some(pause) if self.asked.is_none() => pause.saturating_sub(now - self.answered),
            _ => Duration::from_millis(2),
        };
        let nap = nap.min(Duration::from_millis(2));
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, reads);
        flags.set(PollFlags::OUT, !self.out.is_empty());
        let nap = Timespec { tv_sec: 0, tv_nsec: i64::from(nap.subsec_nanos()) };
        match poll(&mut [PollFd::new(&self.stream, flags)], Some(&nap)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn hear(&mut self, got: usize) {
        let now = Instant::now();
        let scratch = std::mem::take(&mut self.scratch);
        let mut rest = &scratch[..got];
        while let Some(end) = wire::find(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            if self.piece.is_empty() {
                self.hear_line(line, now);
            } else {
                let mut whole = std::mem::take(&mut self.piece);
                whole.extend_from_slice(line);
                self.hear_line(&whole, now);
            }
            rest = after;
        }
        self.piece.extend_from_slice(rest);
        self.scratch = scratch;
    }

    fn answer(&mut self, now: Instant) {
        if let Some((asked, before)) = self.asked.take() {
            let waited = waited().saturating_sub(before);
            self.seen.trips.push(Trip { asked, took: now - asked, waited });
        }
    }

    fn hear_line(&mut self, line: &[u8], now: Instant) {
        if line.starts_with(b"OK ") {
            self.is_in = true;
        } else if line == b"PONG p" {
            self.answer(now);
            self.answered = now;
        } else if line.starts_with(b"MSG ") && line.len() < 80 {
            let time = str::from_utf8(line).ok().and_then(|line| line.split_once(" t="));
            if let Some(nanos) = time.and_then(|(_, time)| time.parse().ok()) {
                let said = epoch() + Duration::from_nanos(nanos);
                self.seen.heard.push((said, now - said));
            }
        }
    }
}

/// What times are counted from.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// How long this thread has been ready to run and did not.
fn waited() -> Duration {
    schedstat(Path::new("/proc/thread-self")).map_or(Duration::ZERO, |(_, waited)| waited)
}
