//! How each job is done, once its server runs.

use crate::crowd::{Crowd, Stage};
use crate::jobs::{Figures, KIB, Lengths, MIB};
use crate::payloads::{Exchange, Way};
use crate::process::{Result, Server};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SENDERS: usize = 4;
const LISTENERS: usize = 1000;
/// Time between two messages of the latency job: 50 a second.
const BEAT: Duration = Duration::from_millis(20);
const CROWD: usize = 10_000;
/// Of a storm's clients, so many at most are on their way in: a listener's queue holds 4,096, and
/// past that the kernel's own wait of a second would be measured.
const STORM: usize = 4000;
/// Members of the room in which clients come and go, or one does not read.
const SMALL: usize = 100;
const LANES: usize = 4;

/// A job's server, and what is needed to load it.
pub struct Run {
    pub server: Server,
    pub crowd: Crowd,
    pub at_once: usize,
    pub way: Option<Way>,
    pub spin: bool,
    pub length: Lengths,
}

impl Run {
    pub fn fan_out(&mut self, members: usize, window: u64) -> Result<Figures> {
        self.gather(members, window)?;
        self.crowd.chat(window, self.length.warm_up)?;
        let before = self.server.ran()?;
        let (deliveries, seconds) = self.crowd.chat(window, self.length.chat)?;
        let cpu = self.server.ran_since(before)?;
        self.crowd.finish()?;
        Ok(vec![
            ("server CPU per delivery, µs", micros(cpu) / deliveries),
            ("deliveries a second (more is better)", deliveries / seconds),
        ])
    }

    /// Lets so many members join. Every hundredth and the last are witnesses: of those who speak
    /// and of those who listen.
    fn gather(&mut self, members: usize, window: u64) -> Result<()> {
        self.crowd.join(members, self.at_once)?;
        let witnesses: Vec<usize> = (0..members).step_by(100).chain([members - 1]).collect();
        self.crowd.start(SENDERS, window, &witnesses)
    }

    pub fn latency(&mut self) -> Result<Figures> {
        let messages = self.length.latency.div_duration_f64(BEAT) as u64;
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
            for heard in self.crowd.heard.drain(..) {
                let number = heard.count * SENDERS as u64 + heard.sender as u64;
                // The first second is for warming up.
                if due(number) >= begun + Duration::from_secs(1) {
                    waits.push(micros(heard.at - due(number)));
                }
            }
            if begun.elapsed() > self.length.latency + Duration::from_secs(10) {
                return Err("messages were ten seconds late".into());
            }
        }
        self.crowd.finish()?;
        Ok(percentiles(waits))
    }

    pub fn round_trip(&mut self) -> Result<Figures> {
        self.crowd.join(2, self.at_once)?;
        self.crowd.start(2, 2, &[0, 1])?;
        let begun = Instant::now();
        let mut trips = Vec::new();
        while begun.elapsed() < self.length.warm_up + self.length.chat {
            let asked = Instant::now();
            self.ask(0)?;
            let answered = self.ask(1)?;
            if asked - begun > self.length.warm_up {
                trips.push(micros(answered - asked));
            }
        }
        self.crowd.finish()?;
        Ok(percentiles(trips))
    }

    /// One who says something and asks at once whether it has been heard: PING behind MSG.
    pub fn barrier(&mut self) -> Result<Figures> {
        let stream = TcpStream::connect(self.server.addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let (mut lines, mut asks) = (BufReader::new(stream.try_clone()?).lines(), &stream);
        asks.write_all(b"JOIN u0\n")?;
        let mut finds = |answer| {
            let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with(answer)));
            found.ok_or("the connection was closed")?.map_err(Box::<dyn Error>::from)
        };
        finds("OK ")?;
        let begun = Instant::now();
        let mut trips = Vec::new();
        while begun.elapsed() < self.length.warm_up + self.length.chat {
            let asked = Instant::now();
            asks.write_all(b"MSG so much is said as people mostly say at once\nPING\n")?;
            finds("PONG")?;
            if asked - begun > self.length.warm_up {
                trips.push(micros(asked.elapsed()));
            }
        }
        Ok(percentiles(trips))
    }

    /// Lets one of two speak; says when the other has heard it.
    fn ask(&mut self, speaker: usize) -> Result<Instant> {
        self.crowd.say(speaker)?;
        self.crowd.flush_all()?;
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(5) {
            self.crowd.poll()?;
            let mut heard = self.crowd.heard.drain(..);
            if let Some(heard) = heard.find(|h| h.sender == speaker && h.client != speaker) {
                return Ok(heard.at);
            }
        }
        Err("no answer within 5 s".into())
    }

    pub fn memory(&mut self) -> Result<Figures> {
        let before = self.server.anonymous()?;
        self.crowd.join(CROWD, self.at_once)?;
        self.crowd.settle()?;
        std::thread::sleep(Duration::from_secs(1));
        let more = self.server.anonymous()? - before;
        Ok(vec![("memory of a silent member, bytes", more / CROWD as f64)])
    }

    pub fn storm(&mut self) -> Result<Figures> {
        let (begun, before) = (Instant::now(), self.server.ran()?);
        // Whose queue for newcomers is known to be short is not stormed.
        let at_once = if self.at_once < 64 { self.at_once } else { STORM };
        self.crowd.join(CROWD, at_once)?;
        let (took, cpu) = (begun.elapsed(), self.server.ran_since(before)?);
        Ok(vec![
            ("10,000 join at once: ms until all are in", micros(took) / 1e3),
            ("server CPU per join, µs", micros(cpu) / CROWD as f64),
        ])
    }

    pub fn churn(&mut self) -> Result<Figures> {
        self.gather(SMALL, 1)?;
        let (begun, before) = (Instant::now(), self.server.ran()?);
        let lanes = SMALL..SMALL + LANES;
        for lane in lanes.clone() {
            self.crowd.open(lane)?;
        }
        let mut busy = true;
        while busy {
            self.crowd.poll()?;
            let more = begun.elapsed() < self.length.chat;
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
            if begun.elapsed() > self.length.chat + Duration::from_secs(5) {
                return Err("a connection was not closed within 5 s".into());
            }
        }
        let cpu = self.server.ran_since(before)?;
        self.crowd.finish()?;
        let cycles = (self.crowd.opened() - SMALL) as f64;
        Ok(vec![("server CPU per connect, join, leave, µs", micros(cpu) / cycles)])
    }

    pub fn stall(&mut self) -> Result<Figures> {
        const WINDOW: u64 = 256;
        self.gather(SMALL, WINDOW)?;
        self.crowd.chat(WINDOW, self.length.warm_up)?;
        let (before, seconds) = self.crowd.chat(WINDOW, self.length.chat)?;
        let before = before / seconds;
        self.crowd.join(1, 1)?;
        self.crowd.stall(SMALL)?;
        let (after, seconds) = self.crowd.chat(WINDOW, self.length.chat)?;
        self.crowd.finish()?;
        Ok(vec![
            ("the others' pace, after / before (more is better)", after / seconds / before),
            ("peak memory of the server, MiB", self.server.peak()? / 1024.0 / 1024.0),
        ])
    }

    pub fn direct(&mut self, bytes: usize) -> Result<Figures> {
        let mut exchange = self.exchange(1, bytes)?;
        exchange.speak(1, self.length.warm_up)?;
        let (trips, _) = exchange.speak(1, self.length.chat)?;
        exchange.finish()?;
        Ok(percentiles(trips.into_iter().map(micros).collect()))
    }

    pub fn stream(&mut self) -> Result<Figures> {
        let (_, seconds, messages) = self.speak(1, MIB, 2)?;
        Ok(vec![("MiB a second (more is better)", messages / seconds)])
    }

    pub fn payloads(&mut self) -> Result<Figures> {
        let (cpu, seconds, messages) = self.speak(SMALL - 1, 64 * KIB, 4)?;
        let delivered = messages * (SMALL - 1) as f64 / 16.0;
        Ok(vec![
            ("server CPU per MiB delivered, µs", micros(cpu) / delivered),
            ("MiB delivered a second (more is better)", delivered / seconds),
        ])
    }

    /// Messages of `bytes` bytes, `window` under way: the server's CPU, the seconds, how many.
    fn speak(
        &mut self,
        listeners: usize,
        bytes: usize,
        window: usize,
    ) -> Result<(Duration, f64, f64)> {
        let mut exchange = self.exchange(listeners, bytes)?;
        exchange.speak(window, self.length.warm_up)?;
        let before = self.server.ran()?;
        let (trips, time) = exchange.speak(window, self.length.chat)?;
        let cpu = self.server.ran_since(before)?;
        exchange.finish()?;
        Ok((cpu, time.as_secs_f64(), trips.len() as f64))
    }

    fn exchange(&self, listeners: usize, bytes: usize) -> Result<Exchange> {
        let way = self.way.ok_or("no long messages go through it")?;
        Exchange::new(way, self.server.addr, listeners, bytes, self.spin)
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The median, and what 99 % and 99.9 % stay below.
fn percentiles(mut values: Vec<f64>) -> Figures {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied();
    [("p50, µs", 0.5), ("p99, µs", 0.99), ("p99.9, µs", 0.999)]
        .into_iter()
        .filter_map(|(name, share)| Some((name, at(share)?)))
        .collect()
}
