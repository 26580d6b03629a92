//! What a message costs within TLS: smoltalkd beside a floor that encrypts the same lines for each with the same
//! library, and is no chat.
//!
//!     cargo bench --bench tls --features tls -- [RUNS]
//!
//! Members in a room of 200; so many messages of 64 bytes at a time, from four of them, until all have all. Figures are
//! processor time of the server's threads for each delivery.

mod crowd;
mod floor;

use crowd::{Crowd, file};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const MEMBERS: usize = 200;
const WINDOWS: [usize; 3] = [1, 16, 256];
/// How long each window is measured in each run.
const TIME: Duration = Duration::from_millis(1500);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "floor") {
        return floor::serve();
    }
    let runs = words.first().map_or(Ok(5), |runs| runs.parse())?;
    // Of each window and run: the floor's time for a delivery, and the server's.
    let mut figures = vec![Vec::new(); WINDOWS.len()];
    for _ in 0..runs {
        let floor = times(&mut Server::floor()?)?;
        let own = times(&mut Server::smoltalkd()?)?;
        for (figures, pair) in figures.iter_mut().zip(floor.into_iter().zip(own)) {
            figures.push(pair);
        }
    }
    println!("| messages at a time | floor, µs | smoltalkd, µs | ratio |\n|---|---|---|---|");
    for (window, figures) in WINDOWS.iter().zip(figures) {
        let floor = median(figures.iter().map(|(floor, _)| *floor));
        let own = median(figures.iter().map(|(_, own)| *own));
        let ratio = median(figures.iter().map(|(floor, own)| own / floor));
        println!("| {window} | {floor:.2} | {own:.2} | **{ratio:.2}×** |");
    }
    Ok(())
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Microseconds of the server's for a delivery, for each window.
fn times(server: &mut Server) -> Result<Vec<f64>> {
    let mut crowd = Crowd::join(server.address, MEMBERS)?;
    let mut times = Vec::new();
    for window in WINDOWS {
        // What is done once for all is done before.
        crowd.talk(window, Duration::from_millis(200))?;
        let before = server.nanoseconds()?;
        let deliveries = crowd.talk(window, TIME)?;
        let time = Duration::from_nanos(server.nanoseconds()? - before);
        times.push(1e6 * time.as_secs_f64() / f64::from(deliveries));
    }
    Ok(times)
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn floor() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        Self::start(command.arg("floor"))
    }

    fn smoltalkd() -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smoltalkd"));
        command.args(["--listen", "tls:127.0.0.1:0", "--presence-limit", "0", "--quiet"]);
        command.args([
            "--tls-cert".into(),
            file("server.pem"),
            "--tls-key".into(),
            file("key.pem"),
        ]);
        Self::start(&mut command)
    }

    /// Starts it, and waits until it says where it listens.
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let log = BufReader::new(child.stderr.take().ok_or("no log")?);
        for line in log.lines() {
            if let Some(address) = line?.strip_prefix("listening on tls:") {
                return Ok(Self { address: address.parse()?, child });
            }
        }
        Err("it did not start".into())
    }

    /// Processor time of all its threads.
    fn nanoseconds(&self) -> Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let said = fs::read_to_string(task?.path().join("schedstat"))?;
            sum += said.split(' ').next().ok_or("no figure")?.parse::<u64>()?;
        }
        Ok(sum)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
