//! What is measured: each job starts with a fresh server and ends with figures, or with a sentence
//! that says what went wrong.

use crate::crowd::{Crowd, Result, Stage};
use crate::host::{Candidate, Server};
use std::time::{Duration, Instant};

/// One kind of work for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Senders in a closed loop, `window` messages under way.
    FanOut { members: usize, window: u64 },
    /// A calm room: messages at fixed times, whatever the server does.
    Latency,
    /// A question and its answer.
    RoundTrip,
    /// What a silent member costs.
    Memory,
    /// Everybody comes at once.
    Storm,
    /// Clients that come and go.
    Churn,
    /// One member never reads.
    Stall,
}

/// The plan of a whole run, in the order in which it is worked through.
pub const JOBS: [Job; 12] = [
    Job::FanOut { members: 10, window: 16 },
    Job::FanOut { members: 100, window: 16 },
    Job::FanOut { members: 1000, window: 1 },
    Job::FanOut { members: 1000, window: 16 },
    Job::FanOut { members: 1000, window: 256 },
    Job::FanOut { members: 5000, window: 16 },
    Job::Latency,
    Job::RoundTrip,
    Job::Memory,
    Job::Storm,
    Job::Churn,
    Job::Stall,
];

/// How long the timed jobs take, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    pub warm_up: f64,
    pub chat: f64,
    pub latency: f64,
}

const SENDERS: usize = 4;
const LISTENERS: usize = 1000;
/// Time between two messages of the latency job: 50 a second.
const BEAT: Duration = Duration::from_millis(20);
const CROWD: usize = 10_000;
/// Of a storm's clients, so many at most are on their way in: a listener's queue holds 4,096, and
/// past that the kernel's own wait of a second would be measured.
const STORM: usize = 4000;
const LANES: usize = 4;

/// A name with its unit, and its value.
pub type Figure = (&'static str, f64);

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FanOut { members, window } => write!(f, "fan-out {members}/{window}"),
            Self::Latency => write!(f, "latency"),
            Self::RoundTrip => write!(f, "round trip"),
            Self::Memory => write!(f, "memory"),
            Self::Storm => write!(f, "storm"),
            Self::Churn => write!(f, "churn"),
            Self::Stall => write!(f, "stall"),
        }
    }
}

/// What a job came to.
pub struct Outcome {
    pub figures: Vec<Figure>,
    /// Whether server or load waited for its CPU more than a tenth of the time.
    pub disturbed: bool,
}

impl Job {
    /// Does the job once.
    pub fn measure(self, candidate: &Candidate, length: Lengths, spin: bool) -> Result<Outcome> {
        let server = candidate.start(self == Self::Churn)?;
        let crowd = Crowd::new(candidate.wire, server.addr, spin)?;
        let (begun, before) = (Instant::now(), server.longest_wait()?);
        let at_once = candidate.wire.at_once();
        let mut run = Run { server, crowd, at_once, length };
        let figures = match self {
            Self::FanOut { members, window } => run.fan_out(members, window),
            Self::Latency => run.latency(),
            Self::RoundTrip => run.round_trip(),
            Self::Memory => run.memory(),
            Self::Storm => run.storm(),
            Self::Churn => run.churn(),
            Self::Stall => run.stall(),
        }?;
        let waited = run.server.longest_wait()?.saturating_sub(before);
        Ok(Outcome { figures, disturbed: waited * 10 > begun.elapsed() })
    }
}

struct Run {
    server: Server,
    crowd: Crowd,
    at_once: usize,
    length: Lengths,
}

impl Run {
    fn fan_out(&mut self, members: usize, window: u64) -> Result<Vec<Figure>> {
        self.gather(members, window)?;
        self.chat(window, self.length.warm_up)?;
        let before = self.server.ran()?;
        let tally = self.chat(window, self.length.chat)?;
        let cpu = self.server.ran_since(before)?;
        self.crowd.finish()?;
        Ok(vec![
            ("server CPU per delivery, µs", micros(cpu) / tally.deliveries),
            ("deliveries a second (more is better)", tally.deliveries / tally.seconds),
        ])
    }

    /// Lets so many members join. One that speaks and one that listens are witnesses.
    fn gather(&mut self, members: usize, window: u64) -> Result<()> {
        self.crowd.join(members, self.at_once)?;
        self.crowd.start(SENDERS, window, &[0, members - 1])
    }

    fn chat(&mut self, window: u64, seconds: f64) -> Result<crate::crowd::Tally> {
        self.crowd.chat(SENDERS, window, Duration::from_secs_f64(seconds))
    }

    fn latency(&mut self) -> Result<Vec<Figure>> {
        let messages = (self.length.latency / BEAT.as_secs_f64()) as u64;
        let everybody: Vec<usize> = (0..LISTENERS).collect();
        self.crowd.join(LISTENERS, self.at_once)?;
        self.crowd.start(SENDERS, messages, &everybody)?;
        let begun = Instant::now();
        let due = |number: u64| begun + BEAT * number as u32;
        let (mut said, mut waits) = (0, Vec::new());
        while said < messages || !self.crowd.all_arrived() {
            while said < messages && due(said) <= Instant::now() {
                self.crowd.say(said as usize % SENDERS)?;
                said += 1;
            }
            self.crowd.flush_all()?;
            self.crowd.poll()?;
            for heard in self.crowd.heard() {
                let number = heard.count * SENDERS as u64 + heard.sender as u64;
                // The first second is for warming up.
                if due(number) >= begun + Duration::from_secs(1) {
                    waits.push(micros(heard.at - due(number)));
                }
            }
            if begun.elapsed() > BEAT * messages as u32 + Duration::from_secs(10) {
                return Err("messages were ten seconds late".to_owned());
            }
        }
        self.crowd.finish()?;
        Ok(percentiles(waits))
    }

    fn round_trip(&mut self) -> Result<Vec<Figure>> {
        self.crowd.join(2, self.at_once)?;
        self.crowd.start(2, 2, &[0, 1])?;
        let (begun, warm_up) = (Instant::now(), Duration::from_secs_f64(self.length.warm_up));
        let end = warm_up + Duration::from_secs_f64(self.length.chat);
        let mut trips = Vec::new();
        while begun.elapsed() < end {
            let asked = Instant::now();
            self.ask(0)?;
            let back = self.ask(1)?;
            if asked - begun > warm_up {
                trips.push(micros(back - asked));
            }
        }
        self.crowd.finish()?;
        Ok(percentiles(trips))
    }

    /// Lets one of two speak; says when the other has heard it.
    fn ask(&mut self, speaker: usize) -> Result<Instant> {
        self.crowd.say(speaker)?;
        self.crowd.flush_all()?;
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(5) {
            self.crowd.poll()?;
            let heard = self.crowd.heard().find(|h| h.sender == speaker && h.client != speaker);
            if let Some(heard) = heard {
                return Ok(heard.at);
            }
        }
        Err("no answer within 5 s".to_owned())
    }

    fn memory(&mut self) -> Result<Vec<Figure>> {
        let before = self.server.anonymous()?;
        self.crowd.join(CROWD, self.at_once)?;
        self.crowd.settle()?;
        self.rest(Duration::from_secs(1))?;
        let after = self.server.anonymous()?;
        Ok(vec![("memory of a silent member, bytes", (after - before) / CROWD as f64)])
    }

    fn rest(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.crowd.poll()?;
        }
        Ok(())
    }

    fn storm(&mut self) -> Result<Vec<Figure>> {
        let before = self.server.ran()?;
        // One whose listener's queue is short cannot be stormed; it is joined as fast as it allows.
        let at_once = if self.at_once < 64 { self.at_once } else { STORM };
        let took = self.crowd.join(CROWD, at_once)?;
        let cpu = self.server.ran_since(before)?;
        Ok(vec![
            ("10,000 join at once, ms until all are in", took.as_secs_f64() * 1e3),
            ("server CPU per join, µs", micros(cpu) / CROWD as f64),
        ])
    }

    fn churn(&mut self) -> Result<Vec<Figure>> {
        self.gather(100, 1)?;
        let (begun, before) = (Instant::now(), self.server.ran()?);
        let lanes = 100..100 + LANES;
        for lane in lanes.clone() {
            self.crowd.open(lane)?;
        }
        let (mut cycles, mut busy) = (0u32, true);
        while busy {
            self.crowd.poll()?;
            let more = begun.elapsed().as_secs_f64() < self.length.chat;
            busy = more;
            for lane in lanes.clone() {
                match self.crowd.stage(lane) {
                    Stage::Gone if more => self.crowd.open(lane)?,
                    Stage::Gone => continue,
                    Stage::In => self.crowd.leave(lane)?,
                    Stage::Leaving | Stage::Joining(_) => {}
                }
                busy = true;
            }
            cycles = self.crowd.opened() as u32 - 100;
            if begun.elapsed().as_secs_f64() > self.length.chat + 5.0 {
                return Err("a connection was not closed within 5 s".to_owned());
            }
        }
        let cpu = self.server.ran_since(before)?;
        self.crowd.finish()?;
        Ok(vec![("server CPU per connect, join, leave, µs", micros(cpu) / f64::from(cycles))])
    }

    fn stall(&mut self) -> Result<Vec<Figure>> {
        const WINDOW: u64 = 256;
        self.gather(100, WINDOW)?;
        self.chat(WINDOW, self.length.warm_up)?;
        let before = self.chat(WINDOW, self.length.chat)?;
        self.crowd.join(1, 1)?;
        self.crowd.stall(100)?;
        let after = self.chat(WINDOW, self.length.chat)?;
        self.crowd.finish()?;
        let pace = after.deliveries / after.seconds / (before.deliveries / before.seconds);
        Ok(vec![
            ("the others' pace, after / before (more is better)", pace),
            ("peak memory of the server, MiB", self.server.peak()? / 1024.0 / 1024.0),
        ])
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The median, and what 99 % and 99.9 % stay below.
fn percentiles(mut values: Vec<f64>) -> Vec<Figure> {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied();
    [("p50, µs", 0.5), ("p99, µs", 0.99), ("p99.9, µs", 0.999)]
        .into_iter()
        .filter_map(|(name, share)| Some((name, at(share)?)))
        .collect()
}
