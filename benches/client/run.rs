//! The table.

use crate::figures;
use crate::process::{self, Result};
use rustix::process::setpriority_process;
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
    // On a machine that others use, too: what is measured is not their doing. Children inherit it.
    let first = if setpriority_process(None, -15).is_ok() { "; before all others" } else { "" };
    println!("{}{first}\n", process::here());
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
    let figures::Keys { mut room, mut cat } = figures::keys(programs)?;
    let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| at(&mut room, share));
    let floor = at(&mut cat, 0.99);
    let [p50_ms, p99_ms, most_ms, floor_ms] = [p50, p99, most, floor].map(|time| time * 1e3);
    let shown = format!(
        "p50 {p50_ms:.2} ms, p99 **{p99_ms:.2} ms**, most {most_ms:.2} ms; of `cat` p99 {floor_ms:.2} ms"
    );
    Ok((shown, p99 <= FRAME.max(floor * 1.2)))
}

/// What so large a share of them is at most.
fn at(took: &mut [f64], share: f64) -> f64 {
    took.sort_by(f64::total_cmp);
    took[((took.len() - 1) as f64 * share) as usize]
}

fn memory(programs: &Programs) -> Result<(String, bool)> {
    let (morning, evening) = figures::memory(programs)?;
    let shown = format!("{:.1} MB, **{:.1} MB**", morning / 1e6, evening / 1e6);
    Ok((shown, evening - morning <= GROWTH))
}
