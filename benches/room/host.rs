//! The servers under test: how each is started, and what the kernel says it costs.

use crate::crowd::Result;
use crate::payloads::Way;
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
    /// How long messages go through it, if they do.
    pub way: Option<Way>,
    program: PathBuf,
    /// `PORT` and `CONFIG` stand for what they say, here and in the configuration.
    args: &'static str,
    config: &'static str,
    running: Option<(SocketAddr, u32)>,
}

/// The peers as their packages bring them, but without logs, persistence, and limits that the jobs
/// would meet: name, protocol, program, arguments, configuration.
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
        let (program, args) = (std::env::current_exe()?, "--floor PORT");
        let (name, wire, way) = ("floor", Wire::Smoltalk, Some(Way::Lines));
        Ok(Self { name, wire, way, program, args, config: "", running: None })
    }

    /// The floor of those who talk one to one.
    pub fn echo() -> Result<Self> {
        Ok(Self { args: "--echo PORT", way: Some(Way::Echo), ..Self::floor()? })
    }

    /// The server that was built along with this bench.
    pub fn smoltalkd() -> Self {
        let program = env!("CARGO_BIN_EXE_smoltalkd").into();
        let (name, wire, way) = ("smoltalkd", Wire::Smoltalk, Some(Way::Data));
        let args = "--listen 127.0.0.1:PORT --quiet";
        Self { name, wire, way, program, args, config: "", running: None }
    }

    /// The side that waits when two talk without a server; `None` where it was not built.
    pub fn direct() -> Option<Self> {
        let program = option_env!("CARGO_BIN_EXE_smoltalk")?.into();
        let args = "direct --listen 127.0.0.1:PORT --whole";
        Some(Self { way: Some(Way::Direct), program, args, ..Self::smoltalkd() })
    }

    /// A server that somebody else started.
    pub fn running(wire: Wire, addr: SocketAddr, pid: u32) -> Self {
        let (name, program, running) = ("server", PathBuf::new(), Some((addr, pid)));
        let way = (wire == Wire::Smoltalk).then_some(Way::Data);
        Self { name, wire, way, program, args: "", config: "", running }
    }

    /// Those of the peers that are wanted and installed.
    pub fn peers(wanted: &str) -> Vec<Self> {
        let named = |name| wanted == "all" || wanted.split(',').any(|word| word == name);
        let peers = PEERS.into_iter().filter(|peer| named(peer.0));
        let found = peers.filter_map(|(name, wire, program, args, config)| {
            let Some(program) = installed(program) else {
                eprintln!("room: {program} is not installed: left out");
                return None;
            };
            Some(Self { name, wire, way: None, program, args, config, running: None })
        });
        found.collect()
    }

    /// Starts it on a free port of the loopback interface and waits until it answers.
    pub fn start(&self, without_notices: bool) -> Result<Server> {
        if let Some((addr, pid)) = self.running {
            return Ok(Server { addr, pid, child: None });
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = free.port().to_string();
        let config = std::env::temp_dir().join(format!("room-{}", std::process::id()));
        fs::write(&config, self.config.replace("PORT", &port))?;
        let mut command = on_cpu_0(&self.program);
        for word in self.args.split(' ') {
            command.arg(word.replace("PORT", &port).replace("CONFIG", &config.to_string_lossy()));
        }
        if without_notices && self.args.ends_with("--quiet") {
            command.args(["--presence-limit", "0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        let server = Server { addr: free, pid: child.id(), child: Some(child) }.once_it_answers();
        fs::remove_file(&config)?;
        server
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}

/// `program` on CPU 0, to be killed should this process die: as far as util-linux is installed.
fn on_cpu_0(program: &Path) -> Command {
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

    fn memory(&self, file: &str, field: &str) -> Result<f64> {
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
fn schedstat(thread: &Path) -> Option<(Duration, Duration)> {
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
