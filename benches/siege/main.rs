//! What can one connection do to the others? `benches/README.md` says how to read the answer.
//!
//! In reading order: `run` (flags, the order of measuring), `table` (what is measured, and what it
//! must be), `fairness`, `memory`, `thrown_out` and `programs` (how), `mob` (the many), `person` (one
//! who is watched), `window` (a terminal), `process` (the server, and what the kernel knows of it).
#![cfg_attr(
    target_os = "linux",
    allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)
)] // Counts become figures of three digits here.

#[cfg(target_os = "linux")]
mod fairness;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod mob;
#[cfg(target_os = "linux")]
mod person;
#[cfg(target_os = "linux")]
#[path = "../room/process.rs"]
#[allow(dead_code)] // Some of it is the room's bench's.
mod process;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod thrown_out;
#[cfg(target_os = "linux")]
#[path = "../room/window.rs"]
mod window;
#[cfg(target_os = "linux")]
#[path = "../room/wire.rs"]
#[allow(dead_code)] // Some of it is the room's bench's.
mod wire;

#[cfg(target_os = "linux")]
use run::main;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("siege: this bench needs Linux (epoll, /proc)");
}
