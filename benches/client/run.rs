//! The table.

use crate::figures;
use crate::process::{self, Result};
use std::path::PathBuf;
use std::process::ExitCode;

/// A key is to be seen within a frame of a screen that draws 60 of them a second.
const FRAME: f64 = 0.016;
/// What the client may have more of in the evening: what the allocator keeps varies by as much.
const GROWTH: f64 = 1e6;

/// What is measured.
pub struct Programs {
    pub server: PathBuf,
    pub client: PathBuf,
}

pub fn main() -> ExitCode {
    // `cargo test --all-targets` runs this too, and should not take a minute.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("client: measures only with --bench, which `cargo bench --bench client` gives");
        return ExitCode::SUCCESS;
    }
    let Some(client) = option_env!("CARGO_BIN_EXE_smoltalk") else {
        eprintln!("client: smoltalk was not built: it needs the feature terminal");
        return ExitCode::FAILURE;
    };
    let programs =
        Programs { server: env!("CARGO_BIN_EXE_smoltalkd").into(), client: client.into() };
    println!("{}\n", process::here());
    println!("| what | must | measured | |\n|---|---|---|---|");
    let pace = |lines: Result<f64>| Ok((format!("**{:.0}** lines a second", lines?), true));
    let rows = [
        ("100,000 lines of a file are said, and confirmed", "", pace(figures::said(&programs))),
        ("100,000 lines are heard, and printed into a pipe", "", pace(figures::heard(&programs))),
        (
            "from a key to the screen, while 10,000 messages a second are shown",
            "p99 16 ms",
            keys(&programs),
        ),
        (
            "memory after 100,000 messages on a terminal, and after 1,000,000",
            "1 MB more",
            memory(&programs),
        ),
    ];
    let mut holds = true;
    for (what, must, row) in rows {
        let (measured, ok) = row.unwrap_or_else(|why| (format!("FAILED: {why}"), false));
        println!("| {what} | {must} | {measured} | {} |", if ok { "ok" } else { "FAIL" });
        holds &= ok;
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keys(programs: &Programs) -> Result<(String, bool)> {
    let mut took = figures::keys(programs)?;
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| at(share) * 1e3);
    Ok((format!("p50 {p50:.2} ms, p99 **{p99:.2} ms**, most {most:.2} ms"), at(0.99) <= FRAME))
}

fn memory(programs: &Programs) -> Result<(String, bool)> {
    let (morning, evening) = figures::memory(programs)?;
    let shown = format!("{:.1} MB, **{:.1} MB**", morning / 1e6, evening / 1e6);
    Ok((shown, evening - morning <= GROWTH))
}
