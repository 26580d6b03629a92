//! What is measured: a job starts with a fresh server and ends with figures, or with a sentence that
//! says what went wrong.

use crate::crowd::Crowd;
use crate::host::Candidate;
use crate::payloads::Way;
use crate::process::Result;
use crate::work::Run;
use std::time::{Duration, Instant};

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;

/// One kind of work for a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Senders in a closed loop, `window` messages under way.
    FanOut { members: usize, window: u64 },
    /// A calm room: messages at fixed times, whatever the server does.
    Latency,
    /// A question and its answer.
    RoundTrip,
    /// A message, and word that it is in the room's order.
    Barrier,
    /// What a silent member costs.
    Memory,
    /// Everybody comes at once.
    Storm,
    /// Clients that come and go.
    Churn,
    /// One member never reads.
    Stall,
    /// One to one: a message of so many bytes, and word that it has arrived.
    Direct { bytes: usize },
    /// One to one, as much as goes.
    Stream,
    /// Payloads to a room.
    Payloads,
}

/// The plan of a whole run, in the order in which it is worked through.
pub const JOBS: [Job; 17] = [
    Job::FanOut { members: 10, window: 16 },
    Job::FanOut { members: 100, window: 16 },
    Job::FanOut { members: 1000, window: 1 },
    Job::FanOut { members: 1000, window: 16 },
    Job::FanOut { members: 1000, window: 256 },
    Job::FanOut { members: 5000, window: 16 },
    Job::Latency,
    Job::RoundTrip,
    Job::Barrier,
    Job::Memory,
    Job::Storm,
    Job::Churn,
    Job::Stall,
    Job::Direct { bytes: 64 },
    Job::Direct { bytes: 64 * KIB },
    Job::Stream,
    Job::Payloads,
];

/// How long the timed jobs take.
#[derive(Clone, Copy)]
pub struct Lengths {
    pub warm_up: Duration,
    pub chat: Duration,
    pub latency: Duration,
}

/// Names with their units, and values.
pub type Figures = Vec<(&'static str, f64)>;

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::FanOut { members, window } => return write!(f, "fan-out {members}/{window}"),
            Self::Latency => "latency",
            Self::RoundTrip => "round trip",
            Self::Barrier => "barrier",
            Self::Memory => "memory",
            Self::Storm => "storm",
            Self::Churn => "churn",
            Self::Stall => "stall",
            Self::Direct { bytes } if *bytes < KIB => return write!(f, "direct {bytes} B"),
            Self::Direct { bytes } => return write!(f, "direct {} KiB", bytes / KIB),
            Self::Stream => "direct 1 MiB",
            Self::Payloads => "payloads",
        })
    }
}

impl Job {
    /// Whether it can be done with this server, or as its yardstick.
    pub fn suits(self, candidate: &Candidate) -> bool {
        let one_to_one = matches!(candidate.way, Some(Way::Direct | Way::Echo));
        match self {
            Self::Direct { .. } => one_to_one,
            Self::Stream => matches!(candidate.way, Some(Way::Direct | Way::Lines)),
            Self::Payloads => matches!(candidate.way, Some(Way::Data | Way::Lines)),
            Self::FanOut { members: 1000, .. } => !one_to_one,
            Self::RoundTrip => !one_to_one && (!candidate.is_variant || candidate.has_redis),
            Self::Barrier => matches!(candidate.way, Some(Way::Data)) || candidate.has_redis,
            _ => !one_to_one && !candidate.is_variant,
        }
    }

    /// Does the job once; says too whether the server or the load was kept from its CPU for more
    /// than a tenth of the time.
    pub fn measure(
        self,
        candidate: &Candidate,
        length: Lengths,
        spin: bool,
    ) -> Result<(Figures, bool)> {
        let server = candidate.start(matches!(self, Self::Churn | Self::Payloads))?;
        let crowd = Crowd::new(candidate.wire, server.addr, spin)?;
        let (begun, before) = (Instant::now(), server.longest_wait()?);
        let (at_once, way) = (candidate.wire.at_once(), candidate.way);
        let mut run = Run { server, crowd, at_once, way, spin, length };
        let figures = match self {
            Self::FanOut { members, window } => run.fan_out(members, window),
            Self::Latency => run.latency(),
            Self::RoundTrip => run.round_trip(),
            Self::Barrier => run.barrier(),
            Self::Memory => run.memory(),
            Self::Storm => run.storm(),
            Self::Churn => run.churn(),
            Self::Stall => run.stall(),
            Self::Direct { bytes } => run.direct(bytes),
            Self::Stream => run.stream(),
            Self::Payloads => run.payloads(),
        }?;
        let waited = run.server.longest_wait()?.saturating_sub(before);
        Ok((figures, waited * 10 > begun.elapsed()))
    }
}
