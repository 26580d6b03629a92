//! Flags, the order of measuring, and the table.

use crate::mob::Mob;
use crate::process::{self, Result, Server, on_cpu_0};
use crate::table::{Figure, ROWS, Row};
use argh::FromArgs;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use std::cell::Cell;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Descriptors that are not for the mob.
const OTHERS: usize = 200;

/// Attacks a server of its own in all the ways that once worked, and says what the others notice.
/// Speaks to the loopback interface only, ends by itself, and kills only what it started.
#[derive(FromArgs)]
struct Args {
    /// once each, and without what takes half a minute
    #[argh(switch)]
    quick: bool,
    /// how many runs to take the medians of: 3, with --quick 1
    #[argh(option)]
    runs: Option<usize>,
    /// only the rows whose names contain this; may be repeated
    #[argh(option)]
    only: Vec<String>,
    /// attack this smoltalkd instead of the one that was built along with the bench
    #[argh(option, default = "env!(\"CARGO_BIN_EXE_smoltalkd\").into()")]
    server: PathBuf,
    /// the same for smoltalk
    #[argh(option)]
    client: Option<PathBuf>,
    /// say what the rows are called
    #[argh(switch)]
    list: bool,
}

/// What a job needs to know.
pub struct Siege {
    program: PathBuf,
    /// `smoltalk`, where it was built.
    pub client: Option<PathBuf>,
    /// Connections that a process may have.
    descriptors: usize,
    /// What became of a size that the machine does not allow.
    scaled: Cell<Option<usize>>,
    /// The share of the time for which the server had no CPU.
    disturbed: Cell<bool>,
}

impl Siege {
    /// As many, if the machine allows it.
    pub fn at_most(&self, wanted: usize) -> usize {
        let allowed = self.descriptors.saturating_sub(OTHERS);
        if allowed < wanted {
            self.scaled.set(Some(allowed));
        }
        wanted.min(allowed)
    }

    /// A server of its own for one job.
    pub fn server(&self) -> Result<Server> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = on_cpu_0(&self.program);
        command.args(["--quiet", "--listen", &free.to_string()]);
        Server::start(&mut command, free)
    }

    /// Notes whether a server was kept from its CPU for more than a tenth of the time since then, and
    /// says whether there was an attack at all.
    pub fn note(&self, server: &Server, mob: &Mob, before: Before) -> Result<()> {
        let ran = server.ran_since(before.ran)?;
        let waited = server.waited()?.saturating_sub(before.waited);
        let time = before.at.elapsed();
        self.disturbed.set(waited * 10 > time);
        eprintln!(
            "siege:   {:.1} s: the server ran {:.1} s and waited for its CPU {:.1} s; of the mob {} \
             have gone, {:.1} MB were said and {:.1} MB read",
            time.as_secs_f64(),
            ran.as_secs_f64(),
            waited.as_secs_f64(),
            mob.gone(0..mob.len()),
            mob.said() as f64 / 1e6,
            mob.received(0..mob.len()) as f64 / 1e6,
        );
        Ok(())
    }
}

/// What a server had cost when an attack began.
#[derive(Clone, Copy)]
pub struct Before {
    pub at: Instant,
    ran: Duration,
    waited: Duration,
}

impl Before {
    pub fn now(server: &Server) -> Result<Self> {
        Ok(Self { at: Instant::now(), ran: server.ran()?, waited: server.waited()? })
    }
}

pub fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs this too, and should not take minutes.
    if !given.iter().any(|arg| arg == "--bench") {
        println!("siege: measures only with --bench, which `cargo bench --bench siege` gives");
        return ExitCode::SUCCESS;
    }
    let flags: Vec<&str> =
        given.iter().map(String::as_str).filter(|arg| *arg != "--bench").collect();
    let args = match Args::from_args(&["cargo bench --bench siege --"], &flags) {
        Ok(args) => args,
        Err(early) => {
            eprintln!("{}", early.output);
            return early.status.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
    };
    if args.list {
        for row in &ROWS {
            println!("{:14} {}", row.name, row.what);
        }
        return ExitCode::SUCCESS;
    }
    if run(&args) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the table. False where something is not as it must be.
fn run(args: &Args) -> bool {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let siege = Siege {
        program: args.server.clone(),
        client: args.client.clone().or(option_env!("CARGO_BIN_EXE_smoltalk").map(Into::into)),
        descriptors: usize::try_from(descriptors).unwrap_or(usize::MAX),
        scaled: Cell::new(None),
        disturbed: Cell::new(false),
    };
    // On a machine that others use, too: what is measured is not their doing. Children inherit it.
    let first = setpriority_process(None, -15).is_ok();
    let pinned = process::take_cpu_1();
    let pinning = if pinned { "server and attackers on a CPU each" } else { "not pinned to CPUs" };
    let runs = args.runs.unwrap_or(if args.quick { 1 } else { 3 }).max(1);
    let pinning = if first { format!("{pinning}, before all others") } else { pinning.into() };
    println!("{}; {pinning}; medians of {runs} runs\n", process::here());
    println!("| what somebody does | before | must | measured | |\n|---|---|---|---|---|");
    let mut holds = true;
    let wanted = |row: &&Row| {
        let named = args.only.iter().any(|part| row.name.contains(part.as_str()));
        if args.only.is_empty() { !(args.quick && row.is_long) } else { named }
    };
    for row in ROWS.iter().filter(wanted) {
        holds &= show(row, runs, &siege);
    }
    println!("\n~ the server was kept from its CPU for a tenth of the time or more");
    holds
}

/// Measures and prints one row. Says whether all is as it must be.
fn show(row: &Row, runs: usize, siege: &Siege) -> bool {
    siege.scaled.set(None);
    let mut measured: Vec<Vec<Figure>> = Vec::new();
    let (mut disturbed, mut trouble) = (false, None);
    while measured.len() < runs && trouble.is_none() {
        eprintln!("siege: {} {}/{runs}", row.name, measured.len() + 1);
        siege.disturbed.set(false);
        match (row.job)(siege) {
            Ok(figures) => measured.push(figures),
            Err(why) => trouble = Some(why.to_string()),
        }
        disturbed |= siege.disturbed.get();
    }
    let mut cells = Vec::new();
    let mut holds = trouble.is_none();
    for (number, must) in row.musts.iter().enumerate() {
        let Some(figure) = median(measured.iter().map(|figures| figures[number]).collect()) else {
            continue;
        };
        let quiet = figure.quiet.map_or(String::new(), |quiet| must.unit.show(quiet) + " → ");
        let range = measured.iter().map(|figures| figures[number].value);
        let (low, high) =
            range.fold((f64::MAX, 0f64), |(low, high), one| (low.min(one), high.max(one)));
        let range = if measured.len() > 1 {
            format!(" ({} to {})", must.unit.show(low), must.unit.show(high))
        } else {
            String::new()
        };
        holds &= must.holds(figure);
        cells.push(format!("{} {quiet}**{}**{range}", must.of, must.unit.show(figure.value)));
    }
    cells.extend(trouble.map(|why| format!("FAILED: {why}")));
    let musts: Vec<String> = row.musts.iter().map(|must| must.unit.show(must.most)).collect();
    let scaled = siege.scaled.get().map_or(String::new(), |size| format!(" (here {size})"));
    let mark = if disturbed { " ~" } else { "" };
    println!(
        "| {}{scaled} | {} | {} | {}{mark} | {} |",
        row.what,
        row.before,
        musts.join("; "),
        cells.join("; "),
        if holds { "ok" } else { "FAIL" }
    );
    holds
}

fn median(mut figures: Vec<Figure>) -> Option<Figure> {
    figures.sort_by(|a, b| a.value.total_cmp(&b.value));
    figures.get(figures.len() / 2).copied()
}

/// For so long a flood is watched.
pub const WATCH: Duration = Duration::from_secs(5);
