//! How fast and how small is the client? `benches/README.md` says how to read the answer.
//!
//! In reading order: `run` (the table), `figures` (what is measured), `peer` (a server without end),
//! `window` (a terminal), `process` (what the kernel knows of a program).
#![cfg_attr(
    target_os = "linux",
    allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)
)] // Counts become figures of three digits here.

#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
#[path = "../room/process.rs"]
#[allow(dead_code)] // Some of it is the others'.
mod process;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
#[path = "../room/window.rs"]
mod window;

#[cfg(target_os = "linux")]
use run::main;

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("client: this bench needs Linux (/proc, pseudo-terminals)");
}
