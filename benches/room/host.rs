//! The servers under test: how each is started, and what the kernel says it costs.

use crate::crowd::Result;
use crate::wire::Wire;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(10);

/// A server that can be measured.
pub struct Candidate {
    pub name: &'static str,
    pub wire: Wire,
    program: PathBuf,
    /// `PORT` and `CONFIG` stand for what they say.
    args: &'static str,
    config: &'static str,
    running: Option<(SocketAddr, u32)>,
}

/// The peers, as their distribution's packages bring them, without limits that the jobs would meet,
/// and without persistence or logs.
const PEERS: [(&str, Wire, &str, &str, &str); 4] = [
    (
        "redis",
        Wire::Redis,
        "redis-server",
        "CONFIG",
        "bind 127.0.0.1\nport PORT\nsave \"\"\nappendonly no\nmaxclients 19000\n\
         client-output-buffer-limit pubsub 0 0 0\ntcp-backlog 4096\n",
    ),
    (
        "nats",
        Wire::Nats,
        "nats-server",
        "-c CONFIG",
        "listen: \"127.0.0.1:PORT\"\nmax_connections: 65536\nmax_pending: 1GB\n\
         write_deadline: \"60s\"\nping_interval: \"1h\"\n",
    ),
    (
        "ngircd",
        Wire::Irc,
        "ngircd",
        "-n -f CONFIG",
        "[Global]\nName = irc.room.test\nInfo = room\nListen = 127.0.0.1\nPorts = PORT\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxJoins = 0\nMaxNickLength = 16\n\
         MaxPenaltyTime = 0\nPingTimeout = 3600\nPongTimeout = 3600\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\n",
    ),
    (
        "mosquitto",
        Wire::Mqtt,
        "mosquitto",
        "-c CONFIG",
        "listener PORT 127.0.0.1\nallow_anonymous true\nmax_connections -1\nlog_type none\n\
         max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\n\
         persistence false\nset_tcp_nodelay true\nuser root\n",
    ),
];

impl Candidate {
    /// The floor that this program is itself.
    pub fn floor() -> Result<Self> {
        let program = std::env::current_exe().map_err(|e| e.to_string())?;
        Ok(Self::new("floor", Wire::Smoltalk, program, "--floor PORT", ""))
    }

    /// The server that was built along with this bench.
    pub fn smoltalkd() -> Self {
        let program = env!("CARGO_BIN_EXE_smoltalkd");
        let args = "--listen 127.0.0.1:PORT --quiet";
        Self::new("smoltalkd", Wire::Smoltalk, program.into(), args, "")
    }

    /// A server that somebody else started.
    pub fn running(wire: Wire, addr: SocketAddr, pid: u32) -> Self {
        let running = Some((addr, pid));
        Self { running, ..Self::new("server", wire, PathBuf::new(), "", "") }
    }

    /// The peers that are installed here, and the names of those that are not.
    pub fn peers(wanted: &str) -> (Vec<Self>, Vec<&'static str>) {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (name, wire, program, args, config) in PEERS {
            if wanted != "all" && !wanted.split(',').any(|word| word == name) {
                continue;
            }
            match installed(program) {
                Some(program) => found.push(Self::new(name, wire, program, args, config)),
                None => missing.push(program),
            }
        }
        (found, missing)
    }

    fn new(
        name: &'static str,
        wire: Wire,
        program: PathBuf,
        args: &'static str,
        config: &'static str,
    ) -> Self {
        Self { name, wire, program, args, config, running: None }
    }

    /// Starts it on a free port of the loopback interface and waits until it answers.
    pub fn start(&self, quiet: bool) -> Result<Server> {
        if let Some((addr, pid)) = self.running {
            return Ok(Server { addr, pid, child: None });
        }
        let port = free_port().map_err(|e| format!("no free port: {e}"))?;
        let config = std::env::temp_dir().join(format!("room-{}-{port}", std::process::id()));
        let fill = |text: &str| text.replace("PORT", &port.to_string());
        fs::write(&config, fill(self.config)).map_err(|e| format!("{}: {e}", config.display()))?;
        let mut command = on_cpu_0(&self.program);
        for word in self.args.split(' ') {
            command.arg(fill(word).replace("CONFIG", &config.to_string_lossy()));
        }
        if quiet && self.name == "smoltalkd" {
            command.args(["--presence-limit", "0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("{}: {e}", self.program.display()));
        let started = child.and_then(|child| {
            let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Server { addr, pid: child.id(), child: Some(child) }.once_it_answers()
        });
        let _ = fs::remove_file(&config);
        started
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// `program` on CPU 0, and killed should this process die: as far as util-linux is installed.
fn on_cpu_0(program: &Path) -> Command {
    let mut words: Vec<&str> = Vec::new();
    if works("setpriv", &["--pdeathsig", "KILL", "true"]) {
        words.extend(["setpriv", "--pdeathsig", "KILL"]);
    }
    if works("taskset", &["-c", "0", "true"]) {
        words.extend(["taskset", "-c", "0"]);
    }
    let Some((first, rest)) = words.split_first() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(rest).arg(program);
    command
}

/// Moves this process to CPU 1; says whether servers and it have a CPU each.
pub fn take_cpu_1() -> bool {
    let me = std::process::id().to_string();
    works("taskset", &["-c", "0", "true"]) && works("taskset", &["-cp", "1", &me])
}

fn works(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A server that runs. What was started here is killed when this is dropped.
pub struct Server {
    pub addr: SocketAddr,
    pid: u32,
    child: Option<Child>,
}

impl Server {
    fn once_it_answers(mut self) -> Result<Self> {
        let begun = Instant::now();
        while TcpStream::connect(self.addr).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(format!("it ended by itself, {status}"));
            }
            if begun.elapsed() > START_LIMIT {
                return Err(format!("it did not listen within {START_LIMIT:?}"));
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

    fn times(&self) -> Result<(Duration, Duration)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid))
            .map_err(|e| format!("process {}: {e}", self.pid))?;
        Ok(tasks
            .flatten()
            .filter_map(|task| schedstat(&task.path()))
            .fold(Default::default(), |(ran, waited), (r, w)| (ran + r, waited + w)))
    }

    /// Bytes of memory that are backed by no file: heap and stacks.
    pub fn anonymous(&self) -> Result<f64> {
        self.kilobytes("smaps_rollup", "Anonymous:")
    }

    /// The most memory it ever had, in bytes.
    pub fn peak(&self) -> Result<f64> {
        self.kilobytes("status", "VmHWM:")
    }

    fn kilobytes(&self, file: &str, field: &str) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid));
        let text = text.map_err(|e| format!("process {}: {e}", self.pid))?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        let value: Option<f64> = value.split_whitespace().next().and_then(|n| n.parse().ok());
        Ok(value.ok_or(format!("{file} has no {field}"))? * 1024.0)
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
fn schedstat(task: &Path) -> Option<(Duration, Duration)> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    let mut numbers = text.split(' ').map(|n| n.parse().map(Duration::from_nanos));
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Machine, kernel and commit, in one line.
pub fn here() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown CPU", |(_, m)| m);
    let cpus = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let commit = git.map_or(String::new(), |out| String::from_utf8_lossy(&out.stdout).into());
    let (kernel, commit) = (kernel.trim(), commit.trim());
    format!("{cpus} × {}, Linux {kernel}, smoltalk {commit}", model.replace(['"', '\\'], ""))
}
