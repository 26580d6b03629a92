//! Those who attack, and the crowd around them: many connections in one thread, by epoll.

use crate::process::Result;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{self as sys, AddressFamily, SocketFlags, SocketType, sockopt};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ENTRY_LIMIT: Duration = Duration::from_secs(30);
/// So many are on their way in at a time: a listener's queue holds 4,096.
const AT_ONCE: usize = 2000;
/// What the kernel is asked to keep for one who reads slowly or never, in bytes: what waits is to
/// wait in the server.
pub const LITTLE: usize = 4096;
/// The same for one who reads at a steady pace.
pub const SOME: usize = 128 * 1024;

/// How one reads.
#[derive(Clone, Copy, PartialEq)]
pub enum Reads {
    /// As fast as it can.
    Fast,
    /// Not at all.
    Never,
    /// So many bytes a second.
    Steady(f64),
}

/// What one says.
#[derive(Clone)]
pub struct Says {
    text: Arc<[u8]>,
    at: usize,
    /// How often, from the beginning.
    times: u64,
    /// Bytes a second; as much as goes where there is none.
    pace: Option<f64>,
    credit: f64,
}

impl Says {
    pub fn once(text: impl Into<Vec<u8>>) -> Self {
        Self::times(text, 1)
    }

    pub fn times(text: impl Into<Vec<u8>>, times: u64) -> Self {
        Self { text: text.into().into(), at: 0, times, pace: None, credit: 0.0 }
    }

    /// Again and again.
    pub fn always(text: impl Into<Vec<u8>>) -> Self {
        Self::times(text, u64::MAX)
    }

    /// So many bytes a second.
    pub fn at_pace(self, pace: f64) -> Self {
        Self { pace: Some(pace), ..self }
    }
}

struct Peer {
    stream: TcpStream,
    stage: Stage,
    reads: Reads,
    allowance: f64,
    says: Option<Says>,
    /// The socket takes nothing more for now.
    is_full: bool,
    greeting: Vec<u8>,
    received: u64,
}

#[derive(PartialEq)]
enum Stage {
    /// What has come is to contain this.
    Coming(&'static [u8]),
    In,
    Gone,
}

/// Many connections.
pub struct Mob {
    addr: SocketAddr,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    scratch: Vec<u8>,
    peers: Vec<Peer>,
    coming: usize,
    speakers: Vec<usize>,
    steady: Vec<usize>,
    last: Instant,
    said: u64,
}

/// Where the connection with that number comes from. Linux looks long for a free port where an address
/// has half of its 28,000.
fn home(at: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 1 + (at / 10_000) as u8)
}

/// Connects, with so large a receive buffer if it is not to be the kernel's choice.
pub fn connect(addr: SocketAddr, buffer: Option<usize>, from: Ipv4Addr) -> Result<TcpStream> {
    let socket =
        sys::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    if let Some(buffer) = buffer {
        sockopt::set_socket_recv_buffer_size(&socket, buffer)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    if from != Ipv4Addr::LOCALHOST {
        sys::bind(&socket, &SocketAddrV4::new(from, 0))?;
    }
    sys::connect(&socket, &addr)?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

impl Mob {
    pub fn new(addr: SocketAddr) -> Result<Self> {
        Ok(Self {
            addr,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(1024),
            scratch: vec![0; 256 * 1024],
            peers: Vec::new(),
            coming: 0,
            speakers: Vec::new(),
            steady: Vec::new(),
            last: Instant::now(),
            said: 0,
        })
    }

    /// Brings members in, named by their numbers.
    pub fn join(&mut self, more: usize, buffer: Option<usize>) -> Result<Range<usize>> {
        self.enter(more, buffer, b"\nOK ", |at| format!("JOIN {}\n", name(at)).into())
    }

    /// Brings members in who want what they have missed.
    pub fn come_back(&mut self, more: usize, options: &str) -> Result<Range<usize>> {
        self.enter(more, None, b"\nOK ", |at| format!("JOIN {} {options}\n", name(at)).into())
    }

    /// Brings guests in, who have read HELLO.
    pub fn visit(&mut self, more: usize, buffer: Option<usize>) -> Result<Range<usize>> {
        self.enter(more, buffer, b"HELLO ", |_| Vec::new())
    }

    fn enter(
        &mut self,
        more: usize,
        buffer: Option<usize>,
        until: &'static [u8],
        says: impl Fn(usize) -> Vec<u8>,
    ) -> Result<Range<usize>> {
        let begun = Instant::now();
        let all = self.peers.len()..self.peers.len() + more;
        while self.peers.len() < all.end || self.coming > 0 {
            for _ in 0..64 {
                if self.peers.len() < all.end && self.coming < AT_ONCE {
                    self.open(buffer, until, says(self.peers.len()))?;
                }
            }
            self.turn(Duration::ZERO)?;
            if begun.elapsed() > ENTRY_LIMIT {
                let there = self.peers.len() - self.coming - all.start;
                return Err(format!("{there} of {more} were in after {ENTRY_LIMIT:?}").into());
            }
        }
        eprintln!("siege:   {more} are in after {:.2} s", begun.elapsed().as_secs_f64());
        Ok(all)
    }

    /// Opens one more connection, which says `words` and then reads.
    fn open(&mut self, buffer: Option<usize>, until: &'static [u8], words: Vec<u8>) -> Result<()> {
        let stream = connect(self.addr, buffer, home(self.peers.len()))?;
        let at = self.peers.len();
        epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), EventFlags::IN)?;
        self.peers.push(Peer {
            stream,
            stage: Stage::Coming(until),
            reads: Reads::Fast,
            allowance: 0.0,
            says: None,
            is_full: false,
            greeting: Vec::new(),
            received: 0,
        });
        self.coming += 1;
        self.say(at..at + 1, &Says::once(words))
    }

    /// Opens one that says its words at once and never reads.
    pub fn rush(&mut self, words: &Says) -> Result<()> {
        let stream = connect(self.addr, Some(LITTLE), home(self.peers.len()))?;
        let at = self.peers.len();
        epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), EventFlags::empty())?;
        self.peers.push(Peer {
            stream,
            stage: Stage::In,
            reads: Reads::Never,
            allowance: 0.0,
            says: None,
            is_full: false,
            greeting: Vec::new(),
            received: 0,
        });
        self.say(at..at + 1, words)
    }

    /// From now on these read so.
    pub fn read(&mut self, who: Range<usize>, reads: Reads) -> Result<()> {
        self.steady.retain(|at| !who.contains(at));
        for at in who {
            self.peers[at].reads = reads;
            if let Reads::Steady(_) = reads {
                self.steady.push(at);
            }
            self.watch(at)?;
        }
        Ok(())
    }

    /// From now on these say so.
    pub fn say(&mut self, who: Range<usize>, words: &Says) -> Result<()> {
        self.speakers.retain(|at| !who.contains(at));
        for at in who {
            self.peers[at].says = Some(words.clone());
            self.peers[at].is_full = false;
            if self.speak(at, Duration::ZERO)? {
                self.speakers.push(at);
            }
        }
        Ok(())
    }

    /// How many of these the server has sent away.
    pub fn gone(&self, who: Range<usize>) -> usize {
        self.peers[who].iter().filter(|peer| peer.stage == Stage::Gone).count()
    }

    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// How many bytes all have said.
    pub fn said(&self) -> u64 {
        self.said
    }

    /// How many bytes these have read.
    pub fn received(&self, who: Range<usize>) -> u64 {
        self.peers[who].iter().map(|peer| peer.received).sum()
    }

    /// Goes on for so long.
    pub fn run(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(Duration::from_millis(1))?;
        }
        Ok(())
    }

    /// Goes on until nobody has read anything for `quiet`, or for `most`.
    pub fn run_until_quiet(&mut self, quiet: Duration, most: Duration) -> Result<()> {
        let begun = Instant::now();
        let (mut bytes, mut since) = (self.received(0..self.peers.len()), begun);
        while since.elapsed() < quiet && begun.elapsed() < most {
            self.run(Duration::from_millis(20))?;
            let now = self.received(0..self.peers.len());
            if now != bytes {
                (bytes, since) = (now, Instant::now());
            }
        }
        Ok(())
    }

    fn turn(&mut self, nap: Duration) -> Result<()> {
        let now = Instant::now();
        let passed = now - self.last;
        self.last = now;
        for i in 0..self.steady.len() {
            self.read_steadily(self.steady[i], passed)?;
        }
        let mut speakers = std::mem::take(&mut self.speakers);
        let mut busy = false;
        let mut failed = None;
        speakers.retain(|at| {
            let more = self.speak(*at, passed).unwrap_or_else(|error| {
                failed = Some(error);
                false
            });
            let peer = &self.peers[*at];
            busy |= more && !peer.is_full && peer.says.as_ref().is_some_and(|s| s.pace.is_none());
            more
        });
        speakers.append(&mut self.speakers);
        self.speakers = speakers;
        if let Some(error) = failed {
            return Err(error);
        }
        let nap = if busy { Duration::ZERO } else { nap };
        self.events.clear();
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(nap.subsec_nanos()) };
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout))
        {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let at = usize::try_from(event.data.u64())?;
            let flags = event.flags;
            if flags.contains(EventFlags::OUT) {
                self.peers[at].is_full = false;
                self.watch(at)?;
            }
            if self.peers[at].reads == Reads::Fast {
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.receive(at, usize::MAX)?;
                }
            } else if flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP) {
                self.end(at)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn watch(&mut self, at: usize) -> Result<()> {
        let peer = &self.peers[at];
        if peer.stage == Stage::Gone {
            return Ok(());
        }
        let mut flags = EventFlags::empty();
        if peer.reads == Reads::Fast {
            flags |= EventFlags::IN;
        }
        if peer.reads == Reads::Never {
            flags |= EventFlags::RDHUP;
        }
        if peer.is_full {
            flags |= EventFlags::OUT;
        }
        Ok(epoll::modify(&self.epoll, &peer.stream, EventData::new_u64(at as u64), flags)?)
    }

    fn read_steadily(&mut self, at: usize, passed: Duration) -> Result<()> {
        let Reads::Steady(pace) = self.peers[at].reads else { return Ok(()) };
        if self.peers[at].stage == Stage::Gone {
            return Ok(());
        }
        let peer = &mut self.peers[at];
        // One that was not let do it makes up for it, but not for long ago.
        peer.allowance = (peer.allowance + pace * passed.as_secs_f64()).min(pace * 0.1);
        if peer.allowance < 4096.0 {
            return Ok(());
        }
        let most = peer.allowance as usize;
        let got = self.receive(at, most)?;
        self.peers[at].allowance -= got as f64;
        Ok(())
    }

    /// Reads once. An end, or an error, is the end of this one.
    fn receive(&mut self, at: usize, most: usize) -> Result<usize> {
        let most = most.min(self.scratch.len());
        let peer = &mut self.peers[at];
        match peer.stream.read(&mut self.scratch[..most]) {
            Ok(0) => self.end(at)?,
            Ok(got) => {
                peer.received += got as u64;
                if let Stage::Coming(until) = peer.stage {
                    peer.greeting.extend_from_slice(&self.scratch[..got]);
                    if peer.greeting.windows(until.len()).any(|part| part == until) {
                        peer.greeting = Vec::new();
                        peer.stage = Stage::In;
                        self.coming -= 1;
                    }
                }
                return Ok(got);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.end(at)?,
        }
        Ok(0)
    }

    fn end(&mut self, at: usize) -> Result<()> {
        let peer = &mut self.peers[at];
        if let Stage::Coming(_) = peer.stage {
            let said = String::from_utf8_lossy(&peer.greeting).into_owned();
            return Err(format!("was not let in: {said:?}").into());
        }
        peer.stage = Stage::Gone;
        peer.says = None;
        Ok(epoll::delete(&self.epoll, &peer.stream)?)
    }

    /// Says whether there is more to say.
    fn speak(&mut self, at: usize, passed: Duration) -> Result<bool> {
        let peer = &mut self.peers[at];
        let Some(says) = &mut peer.says else { return Ok(false) };
        if let Some(pace) = says.pace {
            says.credit = (says.credit + pace * passed.as_secs_f64()).min(pace * 0.05);
        }
        if peer.is_full {
            return Ok(true);
        }
        // Nobody is to keep the others from being served.
        for _ in 0..4 {
            if says.times == 0 || says.text.is_empty() {
                peer.says = None;
                return Ok(false);
            }
            let mut left = &says.text[says.at..];
            if says.pace.is_some() {
                left = &left[..left.len().min(says.credit.max(0.0) as usize)];
                if left.is_empty() {
                    return Ok(true);
                }
            }
            match peer.stream.write(left) {
                Ok(sent) => {
                    self.said += sent as u64;
                    says.credit -= sent as f64;
                    says.at += sent;
                    if says.at == says.text.len() {
                        says.at = 0;
                        says.times = says.times.saturating_sub(1);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    peer.is_full = true;
                    self.watch(at)?;
                    return Ok(true);
                }
                // It has been sent away. Who reads finds out.
                Err(_) => {
                    peer.says = None;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// The name of a member of the mob.
pub fn name(at: usize) -> String {
    format!("m{at}")
}
