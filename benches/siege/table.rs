//! What is measured, in the order: what somebody does, what that did once, and what it may do.

use crate::process::Result;
use crate::run::Siege;
use crate::{fairness, memory, programs, thrown_out};

/// One line of the table.
pub struct Row {
    /// What `--only` takes.
    pub name: &'static str,
    pub what: &'static str,
    pub before: &'static str,
    pub musts: &'static [Must],
    pub job: fn(&Siege) -> Result<Vec<Figure>>,
    /// Too long for `--quick`.
    pub is_long: bool,
}

/// What a figure may be at most.
pub struct Must {
    pub most: f64,
    pub unit: Unit,
    /// What the figure is.
    pub of: &'static str,
}

#[derive(Clone, Copy)]
pub enum Unit {
    /// Seconds, shown as milliseconds.
    Time,
    /// Bytes, shown as MB.
    Memory,
    Members,
}

/// What was measured; and what the same was before, where that may excuse it.
#[derive(Clone, Copy)]
pub struct Figure {
    pub value: f64,
    pub quiet: Option<f64>,
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self { value, quiet: None }
    }
}

const fn time(of: &'static str, ms: f64) -> Must {
    Must { most: ms / 1e3, unit: Unit::Time, of }
}

const fn memory(of: &'static str, mb: f64) -> Must {
    Must { most: mb * 1e6, unit: Unit::Memory, of }
}

const NOBODY: &[Must] = &[Must { most: 0.0, unit: Unit::Members, of: "thrown out" }];

const fn row(
    name: &'static str,
    what: &'static str,
    before: &'static str,
    musts: &'static [Must],
    job: fn(&Siege) -> Result<Vec<Figure>>,
) -> Row {
    Row { name, what, before, musts, job, is_long: false }
}

pub const ROWS: [Row; 19] = [
    row(
        "help-storm",
        "4,000 guests connect, send 850 HELPs each, never read",
        "15.9 s",
        &[time("longest PING", 100.0)],
        fairness::help_storm,
    ),
    row(
        "who-storm",
        "each of 10,000 reading members sends one WHO",
        "14 s",
        &[time("longest PING", 500.0)],
        fairness::who_storm,
    ),
    row(
        "who-unread",
        "1,000 non-readers send 500 WHOs each in a room of 5,000",
        "8.2 s",
        &[time("longest PING", 100.0)],
        fairness::who_unread,
    ),
    row(
        "who-one",
        "one reading member sends 16,384 WHOs in a room of 5,000",
        "630 ms",
        &[time("longest PING", 50.0)],
        fairness::who_one,
    ),
    row(
        "waiting",
        "1,500 clients wait for their own backlog",
        "0.03 → 0.7 ms",
        &[time("median PING", 0.05)],
        fairness::waiting,
    ),
    row(
        "blown-up",
        "DATA of 64 KiB of \\x80 LF again and again, 100 text members; one reads 100 MB/s",
        "9.5 s; 9 s",
        &[time("longest PING", 100.0), time("it is heard late by", 200.0)],
        fairness::blown_up,
    ),
    row(
        "steady",
        "a steady 2 MB/s reader while one says 3 MB/s of MSG",
        "13.7 s",
        &[time("it is heard late by", 300.0)],
        fairness::steady,
    ),
    row(
        "blown-up-once",
        "one such DATA to 4,000 members who read as fast as they can",
        "605",
        NOBODY,
        thrown_out::blown_up_once,
    ),
    row(
        "tell-slow",
        "A reads 550 KB/s, B TELLs A 1.9 MB/s",
        "0.6 to 0.8 s",
        &[time("the others' median PING", 10.0)],
        fairness::tell_slow,
    ),
    row(
        "tell-deaf",
        "one TELLs 4 MB to a member that never reads, then asks PING (found by this bench)",
        "never",
        &[time("its PING", 1500.0)],
        fairness::tell_deaf,
    ),
    row(
        "slow-and-flood",
        "a reader at 0.6 MB/s and a flooder; a third says a line a second",
        "0.55 s",
        &[time("its median PING", 20.0)],
        fairness::slow_and_flood,
    ),
    row(
        "come-back",
        "1,000 are thrown out at once and come back for 1 MiB of what they missed, while others talk",
        "",
        &[time("until all have it", 2000.0), time("p99 of how late the others hear", 50.0)],
        fairness::come_back,
    ),
    row(
        "tell-stalled",
        "1,000 stalled members, 5 flooders, and TELL to each of the stalled",
        "1,577 MB",
        &[memory("most memory", 64.0)],
        memory::tell_stalled,
    ),
    row(
        "tell-steady",
        "100 readers at 700 KB/s, 5 flooders, and TELL to each of them",
        "878 MB",
        &[memory("most memory", 160.0)],
        memory::tell_steady,
    ),
    row(
        "guests",
        "19,000 guests send 5 KB of HELP and do not read",
        "17 GB",
        &[memory("most memory", 256.0)],
        memory::guests,
    ),
    Row {
        is_long: true,
        ..row(
            "idle",
            "10,000 members connect within a second and are idle for 25 s",
            "1,400 to 4,100",
            NOBODY,
            thrown_out::idle,
        )
    },
    row(
        "pause",
        "the server stands still for 2 s in a flood to 20 readers",
        "20",
        NOBODY,
        thrown_out::pause,
    ),
    row(
        "evil-peer",
        "a peer sends blank lines or unknown words without end to smoltalk or direct: SIGTERM, Ctrl-C, Ctrl-D",
        "10 s",
        &[time("until it is gone", 300.0)],
        programs::evil_peer,
    ),
    row(
        "evil-names",
        "a server of passing names without end, to smoltalk in a terminal",
        "94 MB",
        &[memory("most memory", 4.0)],
        programs::evil_names,
    ),
];

impl Unit {
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Time if value < 0.001 => format!("{:.3} ms", value * 1e3),
            Self::Time if value < 0.01 => format!("{:.1} ms", value * 1e3),
            Self::Time if value < 1.0 => format!("{:.0} ms", value * 1e3),
            Self::Time => format!("{value:.1} s"),
            Self::Memory => format!("{:.0} MB", value / 1e6),
            Self::Members => format!("{value:.0}"),
        }
    }
}

impl Must {
    /// Whether a figure is as it must be. Where all was quiet and yet it was hardly less, the machine
    /// is to blame.
    pub fn holds(&self, figure: Figure) -> bool {
        figure.value <= self.most || figure.quiet.is_some_and(|quiet| figure.value <= quiet * 1.2)
    }
}
