//! The scripts and the engine, against a real Redis.

mod chaos;
mod host;
mod measure;
mod proxy;
mod rules;
mod server;
mod stay;

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers that are the same where the seed is.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From the seed in `SMOLTALK_SEED`, or another one each time; it is printed.
    pub fn new() -> Self {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.subsec_nanos());
        let seed = env::var("SMOLTALK_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(now));
        println!("SMOLTALK_SEED={seed}");
        Self(seed | 1 << 40)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end.max(1)
    }

    pub fn another(&mut self) -> Self {
        self.below(2);
        Self(self.0.rotate_left(21) | 1)
    }
}

/// How long a test takes that could go on forever: some seconds, or what `SMOLTALK_CHAOS_SECONDS` says.
pub fn seconds(few: u64) -> u64 {
    env::var("SMOLTALK_CHAOS_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}
