//! Servers to test a client against: one that follows a script, and the real one.

// Each test file uses its part.
#![allow(dead_code)]

use smoltalk::server::{Bound, Config, Server};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// After this, something hangs.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A server on a port of its own that plays one conversation.
pub struct Fake {
    pub port: u16,
    thread: JoinHandle<()>,
}

impl Fake {
    /// Plays `script`, a line each: `< ` is said, `> ` must be heard, `.` waits for the other side's
    /// end. Then it closes.
    pub fn plays(script: &str) -> Self {
        Self::plays_in_turn(&[script])
    }

    /// Plays the scripts one after the other, each on a connection of its own.
    pub fn plays_in_turn(scripts: &[&str]) -> Self {
        let scripts: Vec<String> = scripts.iter().map(ToString::to_string).collect();
        Self::serves(move |listener| {
            for script in scripts {
                Peer::of(listener).plays(&script);
            }
        })
    }

    /// Says HELLO, lets `ada` in, then does as `then` says.
    pub fn after_join(then: impl FnOnce(Peer) + Send + 'static) -> Self {
        Self::runs(|mut peer| {
            peer.say("HELLO smoltalk/1 hi");
            assert_eq!(peer.hear(), "JOIN ada");
            peer.say("OK ada 1");
            then(peer);
        })
    }

    /// Does with its one connection as `script` says.
    pub fn runs(script: impl FnOnce(Peer) + Send + 'static) -> Self {
        Self::serves(|listener| script(Peer::of(listener)))
    }

    /// Does with all that comes to its port as `script` says.
    pub fn serves(script: impl FnOnce(&TcpListener) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        Self { port, thread: thread::spawn(move || script(&listener)) }
    }

    /// Ends once the script has been played; fails if it went otherwise.
    pub fn done(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// The client, as a [`Fake`] sees it.
pub struct Peer {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Peer {
    /// The next connection.
    pub fn of(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        Self { reader: BufReader::new(stream.try_clone().expect("a handle")), stream }
    }

    pub fn plays(mut self, script: &str) {
        for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            match line.split_once(' ') {
                Some(("<", said)) => self.say(said),
                Some((">", expected)) => assert_eq!(self.hear(), expected),
                _ => assert_eq!(line, self.end()),
            }
        }
    }

    pub fn say(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\n").as_bytes()).expect("it listens");
    }

    /// The next line, heard by a server that knows no ids: it refuses a JOIN that asks for them. What is
    /// asked behind the TELL of a script is answered, and left out. That a
    /// client joins with the option `data` is left out: there is a test for it, and all others have
    /// servers that just let it in.
    pub fn hear(&mut self) -> String {
        let mut line = self.hear_all();
        if line.starts_with("JOIN ") && line.split(' ').any(|word| word == "id") {
            self.say("ERR bad-option no ids");
            line = self.hear_all();
        }
        if line.starts_with("PING line ") {
            self.say(&line.replacen("PING", "PONG", 1));
            line = self.hear_all();
        }
        let join = line.strip_prefix("JOIN ").and_then(|join| join.strip_suffix(" data"));
        join.map_or(line.clone(), |name| format!("JOIN {name}"))
    }

    /// The next line, as it is.
    pub fn hear_all(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("it speaks, in UTF-8");
        line.strip_suffix('\n')
            .map_or_else(|| format!("(end of stream after {line:?})"), String::from)
    }

    /// The next bytes.
    pub fn read_exact(&mut self, bytes: &mut [u8]) {
        self.reader.read_exact(bytes).expect("so many bytes");
    }

    /// The next line; `None` at the end, however it comes.
    pub fn hear_or_end(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| line.trim_end_matches('\n').into())
    }

    /// Waits for the end; what comes before it, or `.` for nothing.
    pub fn end(&mut self) -> String {
        let mut rest = String::new();
        // A client that dies leaves a reset behind.
        let _ = self.reader.read_to_string(&mut rest);
        if rest.is_empty() { ".".into() } else { rest }
    }
}

/// The real server.
pub struct Real {
    pub port: u16,
    stop: async_channel::Sender<()>,
    thread: JoinHandle<()>,
}

impl Real {
    pub fn start(config: Config) -> Self {
        let listen = vec!["127.0.0.1:0".parse().expect("an address")];
        let server = Server::bind(Config { listen, ..config }).expect("a port");
        let Bound::Tcp(address) = server.addresses()[0] else { panic!("it is TCP") };
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let shutdown = async move { _ = stopped.recv().await };
        let thread = thread::spawn(|| smol::block_on(server.run(shutdown)).expect("it goes on"));
        Self { port: address.port(), stop, thread }
    }

    pub fn stop(self) {
        self.stop.close();
        self.thread.join().expect("it ended well");
    }
}
