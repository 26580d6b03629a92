//! Flags, the plan, and the order of measuring.

use crate::host::Candidate;
use crate::jobs::{JOBS, Job, Lengths};
use crate::process::{self, Result};
use crate::report::{Record, Report};
use crate::wire::Wire;
use crate::{floor, plot};
use argh::FromArgs;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measures smoltalkd beside a floor: the least work that a broadcast can cost. Speaks to the
/// loopback interface only, ends by itself, and kills only what it started.
#[derive(FromArgs)]
struct Args {
    /// be the floor, on this port
    #[argh(option, hidden_help)]
    floor: Option<u16>,
    /// be an echo, on this port
    #[argh(option, hidden_help)]
    echo: Option<u16>,
    /// short jobs: a minute for all of them
    #[argh(switch)]
    quick: bool,
    /// how many interleaved runs to take the medians of: 3, with --quick 1
    #[argh(option)]
    runs: Option<usize>,
    /// measure these too, as far as installed: all, or some of redis,nats,ngircd,inspircd,mosquitto
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
    /// only these jobs, as the table names them, or by a word of the name
    #[argh(positional)]
    jobs: Vec<String>,
}

pub fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs this too, and should not take minutes.
    if !given.iter().any(|arg| ["--bench", "--floor", "--echo"].contains(&arg.as_str())) {
        println!("room: measures only with --bench, which `cargo bench --bench room` gives");
        return ExitCode::SUCCESS;
    }
    let flags: Vec<&str> =
        given.iter().map(String::as_str).filter(|arg| *arg != "--bench").collect();
    let args = match Args::from_args(&["cargo bench --bench room --"], &flags) {
        Ok(args) => args,
        Err(early) => {
            eprintln!("{}", early.output);
            return early.status.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
    };
    let raised =
        Rlimit { current: getrlimit(Resource::Nofile).maximum, ..getrlimit(Resource::Nofile) };
    let _ = setrlimit(Resource::Nofile, raised);
    let done = match (args.floor, args.echo) {
        (Some(port), _) => floor::serve(port).map(|()| true).map_err(Into::into),
        (_, Some(port)) => floor::echo(port).map(|()| true).map_err(Into::into),
        (None, None) => run(&args),
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
        Some(file) => Report::from_json(&std::fs::read_to_string(file)?),
        None => measure_all(args)?,
    };
    println!("{}", report.markdown());
    if let Some(file) = &args.json {
        std::fs::write(file, report.json())?;
    }
    if let Some(file) = &args.plot {
        let svg = plot::svg(&report).ok_or("the plot needs fan-outs of two sizes at least")?;
        std::fs::write(file, svg)?;
    }
    let ours = ["floor", "smoltalkd", "with a journal", "half with ids", "with Redis", "server"];
    Ok(report.failures().all(|failure| !ours.contains(&failure.server.as_str())))
}

fn measure_all(args: &Args) -> Result<Report> {
    let spin = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    let pinned = spin && process::take_cpu_1();
    let pinning = if pinned { "server and load on a CPU each" } else { "not pinned to CPUs" };
    let runs = args.runs.unwrap_or(if args.quick { 1 } else { 3 });
    let short = if args.quick { " short" } else { "" };
    let here = format!("{}; {pinning}; medians of {runs}{short} runs", process::here());
    let mut report = Report { here, ..Report::default() };
    let candidates = candidates(args)?;
    let wanted = |job: &Job| {
        let name = job.to_string();
        let named = |word: &String| name == *word || name.split(' ').any(|part| part == word);
        args.jobs.is_empty() || args.jobs.iter().any(named)
    };
    for run in 1..=runs {
        for job in JOBS.into_iter().filter(wanted) {
            for candidate in candidates.iter().filter(|candidate| job.suits(candidate)) {
                let failed = |r: &Record| r.server == candidate.name && r.job == job.to_string();
                if !report.failures().any(failed) {
                    report.records.extend(measure(job, candidate, run, args.quick, spin));
                }
            }
        }
    }
    Ok(report)
}

/// The floor first, so that it is measured beside everything else.
fn candidates(args: &Args) -> Result<Vec<Candidate>> {
    let mut candidates = vec![Candidate::floor()?];
    candidates.push(match args.addr {
        Some(addr) if !addr.ip().is_loopback() => {
            return Err("--addr takes a loopback address".into());
        }
        Some(addr) => Candidate::running(args.proto, addr, args.pid.ok_or("--addr needs --pid")?),
        None => Candidate::smoltalkd(),
    });
    if args.addr.is_none() {
        candidates.extend([Candidate::with_journal(), Candidate::with_ids()]);
        candidates.extend(Candidate::with_redis());
        candidates.push(Candidate::echo()?);
        candidates.extend(Candidate::direct());
    }
    candidates.extend(args.compare.iter().flat_map(|wanted| Candidate::peers(wanted)));
    Ok(candidates)
}

/// Measures once, or where others disturb it up to three times.
fn measure(job: Job, candidate: &Candidate, run: usize, quick: bool, spin: bool) -> Vec<Record> {
    let [warm_up, chat, latency] =
        if quick { [100, 400, 3000] } else { [300, 1500, 9000] }.map(Duration::from_millis);
    let length = Lengths { warm_up, chat, latency };
    let record = |figure: &str, value, disturbed| Record {
        server: candidate.name.to_owned(),
        job: job.to_string(),
        figure: figure.to_owned(),
        run,
        value,
        disturbed,
    };
    let mut tries = if quick { 1 } else { 3 };
    loop {
        eprint!("run {run}: {job}: {}", candidate.name);
        tries -= 1;
        match job.measure(candidate, length, spin) {
            Ok((_, true)) if tries > 0 => eprintln!(": disturbed, once more"),
            Ok((figures, disturbed)) => {
                eprintln!();
                let records = figures.into_iter().map(|(name, v)| record(name, Some(v), disturbed));
                return records.collect();
            }
            Err(why) => {
                eprintln!(": FAILED: {why}");
                return vec![record(&why.to_string(), None, false)];
            }
        }
    }
}
