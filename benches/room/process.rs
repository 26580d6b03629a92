//! A program under test as a process: how it is kept to a CPU, and what the kernel says it costs.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A failure is one sentence for the person who reads the table.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const START_LIMIT: Duration = Duration::from_secs(10);

/// `program` on CPU 0, to be killed should this process die: as far as util-linux is installed.
pub fn on_cpu_0(program: &Path) -> Command {
    let mut words: Vec<&str> = Vec::new();
    for tool in [&["setpriv", "--pdeathsig", "KILL"][..], &["taskset", "-c", "0"]] {
        if works(tool[0], &[&tool[1..], &["true"]].concat()) {
            words.extend(tool);
        }
    }
    let Some((first, rest)) = words.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// Moves this process to CPU 1; says whether the servers and it have a CPU each.
pub fn take_cpu_1() -> bool {
    let me = std::process::id().to_string();
    works("taskset", &["-c", "0", "true"]) && works("taskset", &["-cp", "1", &me])
}

pub fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A server that runs. What was started here is killed when this is dropped.
pub struct Server {
    pub addr: SocketAddr,
    pid: u32,
    child: Option<Child>,
    /// Another one, which it needs.
    beside: Option<Box<Server>>,
}

impl Server {
    /// One that somebody else started.
    pub fn running(addr: SocketAddr, pid: u32) -> Self {
        Self { addr, pid, child: None, beside: None }
    }

    /// It with another one, which ends with it.
    pub fn beside(mut self, other: Option<Self>) -> Self {
        self.beside = other.map(Box::new);
        self
    }

    /// Starts it, without standard streams, and waits until it answers at `addr`.
    pub fn start(command: &mut Command, addr: SocketAddr) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        Self { addr, pid: child.id(), child: Some(child), beside: None }.once_it_answers()
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn once_it_answers(mut self) -> Result<Self> {
        let begun = Instant::now();
        while TcpStream::connect(self.addr).is_err() {
            if let Some(Some(status)) = self.child.as_mut().map(Child::try_wait).transpose()? {
                return Err(format!("it ended by itself, {status}").into());
            }
            if begun.elapsed() > START_LIMIT {
                return Err(format!("it did not listen within {START_LIMIT:?}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(self)
    }

    /// The processor time of all its threads so far, to the nanosecond.
    pub fn ran(&self) -> Result<Duration> {
        Ok(self.times()?.0)
    }

    /// How much of it is newer than `before`.
    pub fn ran_since(&self, before: Duration) -> Result<Duration> {
        Ok(self.ran()?.saturating_sub(before))
    }

    /// How long its threads, or this process, have been ready to run and did not.
    pub fn longest_wait(&self) -> Result<Duration> {
        let (_, own) = schedstat(Path::new("/proc/self")).unwrap_or_default();
        Ok(self.times()?.1.max(own))
    }

    /// How long its threads have been ready to run and did not.
    pub fn waited(&self) -> Result<Duration> {
        Ok(self.times()?.1)
    }

    fn times(&self) -> Result<(Duration, Duration)> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid))?;
        let times = threads.flatten().filter_map(|thread| schedstat(&thread.path()));
        Ok(times.reduce(|all, one| (all.0 + one.0, all.1 + one.1)).unwrap_or_default())
    }

    /// Bytes of memory that no file backs: heap and stacks.
    pub fn anonymous(&self) -> Result<f64> {
        self.memory("smaps_rollup", "Anonymous:")
    }

    /// The most memory it ever had, in bytes.
    pub fn peak(&self) -> Result<f64> {
        self.memory("status", "VmHWM:")
    }

    /// A field of a file of the kernel about it, in bytes.
    pub fn memory(&self, file: &str, field: &str) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid))?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        let kilobytes: f64 = value.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How long a thread has run, and how long it has waited for a CPU.
pub fn schedstat(thread: &Path) -> Option<(Duration, Duration)> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    let mut times = text.split(' ').map(|n| n.parse().map(Duration::from_nanos));
    Some((times.next()?.ok()?, times.next()?.ok()?))
}

/// Machine, kernel and commit, in one line.
pub fn here() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("CPU", |(_, model)| model).replace(['"', '\\'], "");
    let cpus = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = commit.map_or(Vec::new(), |git| git.stdout);
    let (kernel, commit) = (kernel.trim(), String::from_utf8_lossy(&commit));
    format!("{cpus} × {model}, Linux {kernel}, smoltalk {}", commit.trim())
}
