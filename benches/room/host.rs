//! The servers under test, and how each is started.

use crate::payloads::Way;
use crate::process::{Result, Server, on_cpu_0};
use crate::wire::Wire;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// A server that can be measured.
pub struct Candidate {
    pub name: &'static str,
    pub wire: Wire,
    /// How long messages go through it, if they do.
    pub way: Option<Way>,
    program: PathBuf,
    /// `PORT`, `CONFIG`, `JOURNAL` and `REDIS` stand for what they say, here and in the configuration.
    args: &'static str,
    config: &'static str,
    running: Option<(SocketAddr, u32)>,
    /// It is smoltalkd once more, in another way: the fan-outs to many tell what that costs.
    pub is_variant: bool,
    /// Its log is in a Redis that is started along with it.
    pub has_redis: bool,
}

/// The peers as their packages bring them, but without logs, persistence, and limits that the jobs
/// would meet: name, protocol, program, arguments, configuration.
const PEERS: [(&str, Wire, &str, &str, &str); 5] = [
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
        "inspircd",
        Wire::Irc,
        "inspircd",
        "--config CONFIG --nofork --runasroot --nopid --nolog",
        "<server name=\"irc.room.test\" description=\"room\" network=\"room\">\n\
         <admin name=\"a\" nick=\"a\" email=\"a@room.test\">\n\
         <bind address=\"127.0.0.1\" port=\"PORT\" type=\"clients\">\n\
         <connect name=\"all\" allow=\"*\" timeout=\"600\" pingfreq=\"3600\" limit=\"100000\" \
         threshold=\"100000000\" commandrate=\"100000000\" fakelag=\"no\" recvq=\"100000000\" \
         softsendq=\"1000000000\" hardsendq=\"2000000000\" localmax=\"100000\" \
         globalmax=\"100000\" useident=\"no\" resolvehostnames=\"no\">\n\
         <performance softlimit=\"19900\" somaxconn=\"4096\" clonesonconnect=\"no\">\n\
         <options defaultmodes=\"\">\n",
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
        Ok(Self { name, wire, way, program, args, ..Self::smoltalkd() })
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
        let (config, running, is_variant, has_redis) = ("", None, false, false);
        Self { name, wire, way, program, args, config, running, is_variant, has_redis }
    }

    /// The same, with its log in a file.
    pub fn with_journal() -> Self {
        let args = "--listen 127.0.0.1:PORT --quiet --journal JOURNAL";
        Self { name: "with a journal", args, way: None, is_variant: true, ..Self::smoltalkd() }
    }

    /// The same, where every second member gets ids.
    pub fn with_ids() -> Self {
        let (name, wire) = ("half with ids", Wire::Ids);
        Self { name, wire, way: None, is_variant: true, ..Self::smoltalkd() }
    }

    /// The same as a node, the only one of its room; `None` where that cannot be.
    pub fn with_redis() -> Option<Self> {
        let why = match installed("redis-server") {
            _ if !cfg!(feature = "redis") => "was built without the feature redis",
            None => "finds no redis-server",
            Some(_) => {
                let args = "--listen 127.0.0.1:PORT --quiet --redis redis://127.0.0.1:REDIS";
                let (name, is_variant, has_redis) = ("with Redis", true, true);
                return Some(Self {
                    name,
                    args,
                    way: None,
                    is_variant,
                    has_redis,
                    ..Self::smoltalkd()
                });
            }
        };
        eprintln!("room: {why}: smoltalkd with Redis is left out");
        None
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
        Self { name, wire, way, program, args: "", running, ..Self::smoltalkd() }
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
            Some(Self { name, wire, way: None, program, args, config, ..Self::smoltalkd() })
        });
        found.collect()
    }

    /// Starts it on a free port of the loopback interface and waits until it answers.
    pub fn start(&self, without_notices: bool) -> Result<Server> {
        if let Some((addr, pid)) = self.running {
            return Ok(Server::running(addr, pid));
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let port = free.port().to_string();
        let redis = if self.has_redis { Some(redis()?) } else { None };
        let redis_port = redis.as_ref().map_or(0, |redis| redis.addr.port()).to_string();
        let config = std::env::temp_dir().join(format!("room-{}", std::process::id()));
        let journal = std::env::temp_dir().join(format!("room-{}-journal", std::process::id()));
        fs::write(&config, self.config.replace("PORT", &port))?;
        let mut command = on_cpu_0(&self.program);
        for word in self.args.split(' ') {
            let word = word.replace("PORT", &port).replace("CONFIG", &config.to_string_lossy());
            let word = word.replace("JOURNAL", &journal.to_string_lossy());
            command.arg(word.replace("REDIS", &redis_port));
        }
        if without_notices && self.args.contains("--quiet") {
            command.args(["--presence-limit", "0"]);
        }
        let server = Server::start(&mut command, free).map(|server| server.beside(redis));
        fs::remove_file(&config)?;
        // Where there is one, it is written on all the same.
        let _ = fs::remove_file(&journal);
        server
    }
}

/// A Redis that keeps nothing on the disk: what a disk takes is not smoltalkd's.
fn redis() -> Result<Server> {
    let program = installed("redis-server").ok_or("redis-server is not installed any more")?;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let port = free.port().to_string();
    let mut command = on_cpu_0(&program);
    command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
    Server::start(&mut command, free)
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|file| file.is_file())
}
