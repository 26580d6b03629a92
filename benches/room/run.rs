//! Flags, the plan, and the order of measuring.

use crate::host::{self, Candidate};
use crate::jobs::{JOBS, Job, Lengths};
use crate::report::{Record, Report};
use crate::wire::Wire;
use crate::{crowd::Result, floor, plot};
use argh::FromArgs;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures smoltalkd beside a floor: the least work that a broadcast can cost. Speaks to the
/// loopback interface only, ends by itself, and kills only what it started.
#[derive(FromArgs)]
struct Args {
    /// given by cargo: measure
    #[argh(switch, hidden_help)]
    #[expect(dead_code, reason = "main looks for it before it reads any other flag")]
    bench: bool,
    /// be the floor, on this port
    #[argh(option, hidden_help)]
    floor: Option<u16>,
    /// one short run: a minute
    #[argh(switch)]
    quick: bool,
    /// how many interleaved runs to take the medians of: 3
    #[argh(option, default = "3")]
    runs: usize,
    /// measure these too, as far as installed: all, or some of redis,nats,ngircd,mosquitto
    #[argh(option)]
    compare: Option<String>,
    /// measure the server at this address instead of smoltalkd
    #[argh(option)]
    addr: Option<SocketAddr>,
    /// its process
    #[argh(option)]
    pid: Option<u32>,
    /// what it speaks: smoltalk (as without this), redis, nats, irc or mqtt
    #[argh(option, default = "Wire::Smoltalk")]
    proto: Wire,
    /// write every figure of every run to this file, one JSON object a line
    #[argh(option)]
    json: Option<PathBuf>,
    /// measure nothing: take the figures from such a file
    #[argh(option)]
    from: Option<PathBuf>,
    /// draw the cost of a delivery by the size of the room, as an SVG
    #[argh(option)]
    plot: Option<PathBuf>,
    /// only jobs with one of these in their names
    #[argh(positional)]
    jobs: Vec<String>,
}

pub fn main() -> ExitCode {
    // `cargo test --all-targets` runs this too, and should not take minutes.
    if !std::env::args().any(|arg| arg == "--bench" || arg == "--floor") {
        println!("room: measures only with --bench, which `cargo bench --bench room` gives");
        return ExitCode::SUCCESS;
    }
    let args: Args = argh::from_env();
    let raised =
        Rlimit { current: getrlimit(Resource::Nofile).maximum, ..getrlimit(Resource::Nofile) };
    let _ = setrlimit(Resource::Nofile, raised);
    let done = match args.floor {
        Some(port) => floor::serve(port).map(|()| true).map_err(|e| e.to_string()),
        None => run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("room: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Measures or reads, then shows. False where a server that must be right was wrong.
fn run(args: &Args) -> Result<bool> {
    let report = match &args.from {
        None => measure_all(args)?,
        Some(file) => {
            let text = std::fs::read_to_string(file);
            Report::from_json(&text.map_err(|e| format!("{}: {e}", file.display()))?)
        }
    };
    println!("{}", report.markdown());
    if let Some(file) = &args.json {
        write(file, &report.json())?;
    }
    if let Some(file) = &args.plot {
        write(file, &plot::svg(&report).ok_or("the plot needs fan-outs of two sizes at least")?)?;
    }
    let peer = |server: &str| !["floor", "smoltalkd", "server"].contains(&server);
    Ok(report.failures.iter().all(|[server, ..]| peer(server)))
}

fn write(file: &PathBuf, text: &str) -> Result<()> {
    std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}

fn measure_all(args: &Args) -> Result<Report> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let pinned = cpus > 1 && host::take_cpu_1();
    let candidates = candidates(args)?;
    let pinning = if pinned { "server and load on a CPU each" } else { "not pinned to CPUs" };
    let runs = if args.quick { 1 } else { args.runs };
    let mut report = Report {
        here: format!("{}; {pinning}; medians of {runs}", host::here()),
        ..Report::default()
    };
    let wanted = |job: &Job| {
        let name = job.to_string();
        args.jobs.is_empty() || args.jobs.iter().any(|word| name.contains(word.as_str()))
    };
    for run in 1..=runs {
        for job in JOBS.into_iter().filter(wanted) {
            for candidate in &candidates {
                measure(job, candidate, run, args.quick, cpus > 1, &mut report);
            }
        }
    }
    Ok(report)
}

/// The floor first, so that it is measured beside everything else.
fn candidates(args: &Args) -> Result<Vec<Candidate>> {
    let mut candidates = vec![Candidate::floor()?];
    candidates.push(match args.addr {
        Some(addr) if !addr.ip().is_loopback() => return Err(format!("{addr} is not loopback")),
        Some(addr) => Candidate::running(args.proto, addr, args.pid.ok_or("--addr needs --pid")?),
        None => Candidate::smoltalkd(),
    });
    if let Some(wanted) = &args.compare {
        let (found, missing) = Candidate::peers(wanted);
        candidates.extend(found);
        for program in missing {
            eprintln!("room: {program} is not installed: left out");
        }
    }
    Ok(candidates)
}

/// Measures once, or where others disturbed it up to three times.
fn measure(
    job: Job,
    candidate: &Candidate,
    run: usize,
    quick: bool,
    spin: bool,
    report: &mut Report,
) {
    let (server, job_name) = (candidate.name.to_owned(), job.to_string());
    if report.failures.iter().any(|[s, j, _]| *s == server && *j == job_name) {
        return;
    }
    let length = if quick {
        Lengths { warm_up: 0.1, chat: 0.4, latency: 3.0 }
    } else {
        Lengths { warm_up: 0.3, chat: 1.5, latency: 9.0 }
    };
    let mut tries = if quick { 1 } else { 3 };
    loop {
        eprint!("run {run}: {job_name}: {server}");
        match job.measure(candidate, length, spin) {
            Ok(outcome) if outcome.disturbed && tries > 1 => {
                tries -= 1;
                eprintln!(": disturbed, once more");
            }
            Ok(outcome) => {
                eprintln!();
                report.records.extend(outcome.figures.into_iter().map(|(figure, value)| Record {
                    server: server.clone(),
                    job: job_name.clone(),
                    figure: figure.to_owned(),
                    run,
                    value,
                    disturbed: outcome.disturbed,
                }));
                return;
            }
            Err(why) => {
                eprintln!(": FAILED: {why}");
                report.failures.push([server, job_name, why]);
                return;
            }
        }
    }
}
