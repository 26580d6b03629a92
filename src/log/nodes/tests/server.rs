//! A Redis of one's own, on a free port, with a folder of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A Redis that keeps what it has confirmed. Killed when it is dropped.
pub struct Server {
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Server {
    /// Starts one; `None`, said aloud, where none is installed.
    pub fn start() -> Option<Self> {
        let installed = Command::new("redis-server").arg("--version").output();
        if installed.is_err() {
            eprintln!("skipped: no redis-server is installed");
            return None;
        }
        // Another may take the port first.
        (0..5).find_map(|_| Self::on(free_port()))
    }

    fn on(port: u16) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("smoltalk-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let mut server = Self { port, child: run(port, &folder), folder };
        server.await_life().then_some(server)
    }

    /// How it is reached without the net.
    pub fn unix_url(&self) -> String {
        format!("redis+unix://{}", self.folder.join("redis.sock").display())
    }

    /// Kills it, and starts it again on what it has kept.
    pub fn restart(&mut self) {
        self.kill();
        self.restart_dead();
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
    }

    /// Keeps a copy of what it has kept until now.
    pub fn copy(&self) {
        self.shell("rm -rf copy && cp -r appendonlydir copy");
    }

    /// Kills it, and starts it again on the copy: what has happened since is lost.
    pub fn go_back(&mut self) {
        self.kill();
        self.shell("rm -rf appendonlydir && cp -r copy appendonlydir");
        self.restart_dead();
    }

    fn restart_dead(&mut self) {
        self.child = run(self.port, &self.folder);
        assert!(self.await_life(), "Redis does not come up again");
    }

    fn shell(&self, command: &str) {
        let status = Command::new("sh").args(["-c", command]).current_dir(&self.folder).status();
        assert!(status.expect("a shell").success());
    }

    /// Stops it for a while, as it is.
    pub fn stop_for(&self, time: Duration) {
        self.signal("-STOP");
        thread::sleep(time);
        self.signal("-CONT");
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// What redis-cli would say, with these words. It panics where Redis says an error.
    pub fn ask(&self, words: &[&str]) -> Reply {
        let reply = self.try_ask(words);
        if let Reply::Error(error) = &reply {
            panic!("{words:?}: {error}");
        }
        reply
    }

    pub fn try_ask(&self, words: &[&str]) -> Reply {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("Redis");
        ask(&mut socket, words)
    }

    /// Says whether it is this one that lives.
    fn await_life(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                && matches!(ask(&mut socket, &["PING"]), Reply::Text(_))
            {
                return self.child.try_wait().is_ok_and(|ended| ended.is_none());
            }
            assert!(Instant::now() < until, "Redis does not come up");
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

fn run(port: u16, folder: &PathBuf) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(folder)
        .args(["--unixsocket", "redis.sock"])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server")
}

/// What Redis says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nothing,
    Number(i64),
    Text(String),
    Error(String),
    List(Vec<Reply>),
}

impl Reply {
    /// All texts and numbers in it, with spaces between.
    pub fn flat(&self) -> String {
        match self {
            Self::Nothing => "nil".into(),
            Self::Number(n) => n.to_string(),
            Self::Text(text) | Self::Error(text) => text.clone(),
            Self::List(list) => list.iter().map(Self::flat).collect::<Vec<_>>().join(" "),
        }
    }
}

/// Asks on a connection, in Redis's own protocol.
pub fn ask(socket: &mut TcpStream, words: &[&str]) -> Reply {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    socket.write_all(&request).expect("Redis listens");
    read(socket)
}

fn read(socket: &mut TcpStream) -> Reply {
    let line = line(socket);
    let (kind, rest) = line.split_at(1.min(line.len()));
    let number = || rest.parse::<i64>().expect("a number");
    match kind {
        "+" => Reply::Text(rest.into()),
        "-" => Reply::Error(rest.into()),
        ":" => Reply::Number(number()),
        "$" | "*" if number() < 0 => Reply::Nothing,
        "*" => Reply::List((0..number()).map(|_| read(socket)).collect()),
        "$" => {
            let mut bytes = vec![0; usize::try_from(number()).expect("a length") + 2];
            socket.read_exact(&mut bytes).expect("the rest");
            bytes.truncate(bytes.len() - 2);
            Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Reply::Error(format!("gone: {line:?}")),
    }
}

fn line(socket: &mut TcpStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while socket.read_exact(&mut byte).is_ok() && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    String::from_utf8_lossy(&line).trim_end().to_string()
}
