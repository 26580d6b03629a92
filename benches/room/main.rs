//! How fast, how small and how correct is the room? `benches/README.md` says how to read the answer.
//!
//! In reading order: `run` (flags, the plan), `jobs` (what is measured), `work` (how), `crowd` (the
//! load), `wire` (what the crowd speaks), `payloads` (the load of long messages), `floor` (what
//! everything is compared with), `host` (servers), `process` (what the kernel knows of them), `report` and
//! `plot`.
#![cfg_attr(
    target_os = "linux",
    allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)
)] // Counts become figures of three digits here.

#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod floor;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod jobs;
#[cfg(target_os = "linux")]
mod payloads;
#[cfg(target_os = "linux")]
mod plot;
#[cfg(target_os = "linux")]
#[allow(dead_code)] // Some of it is the siege's.
mod process;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod work;

#[cfg(target_os = "linux")]
use run::main;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("room: this bench needs Linux (epoll, /proc)");
}
