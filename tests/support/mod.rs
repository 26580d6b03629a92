//! A server to talk to, a telnet to talk with, and dialogues that read like a session.

// Each test crate uses its own part of this.
#![allow(dead_code, unused_imports)]

pub mod again;
mod daemon;
mod telnet;
mod varying;

pub use daemon::{Daemon, command, command_after, run};
pub use telnet::{Stream, Telnet};
pub use varying::Varying;

use smoltalk::direct::{self, Waiting};
use smoltalk::limits::Limits;
use smoltalk::protocol::Name;
use smoltalk::server::{Bound, Config, Server};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::ops::Range;
use std::panic::{self, resume_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

/// How long anything may take that must happen. Far more than it needs on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A real server in a thread of its own. Stops when dropped; if it panicked, so does the test.
pub struct TestServer {
    addresses: Vec<Bound>,
    stop: Option<async_channel::Sender<()>>,
    /// Disconnected when the server has ended.
    running: Mutex<mpsc::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub fn start() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        Self::on(&["127.0.0.1:0"], limits)
    }

    pub fn on(listen: &[&str], limits: Limits) -> Self {
        let listen = listen.iter().map(|a| a.parse().expect("an address")).collect();
        Self::of(Config { listen, limits, ..Config::default() })
    }

    /// A server that does this; where it is not said where it listens, on a port of its own.
    pub fn of(mut config: Config) -> Self {
        if config.listen.is_empty() {
            config.listen.push("127.0.0.1:0".parse().expect("an address"));
        }
        let server = Server::bind(config).expect("bound");
        let addresses = server.addresses().to_vec();
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let (ends, running) = mpsc::channel();
        let thread = thread::spawn(move || {
            let _ends = ends;
            watch_for_panics();
            let stopped = async move { stopped.recv().await.unwrap_or(()) };
            smol::block_on(server.run(stopped)).expect("it goes on");
        });
        Self { addresses, stop: Some(stop), running: Mutex::new(running), thread: Some(thread) }
    }

    /// Where it listens; of several addresses, the first for TCP.
    pub fn address(&self) -> SocketAddr {
        let tcp =
            |bound: &Bound| if let Bound::Tcp(address) = bound { Some(*address) } else { None };
        self.addresses.iter().find_map(tcp).expect("a TCP address")
    }

    pub fn addresses(&self) -> &[Bound] {
        &self.addresses
    }

    /// Asks it to shut down, and does not wait for that.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// A connection that has read its HELLO.
    #[track_caller]
    pub fn guest(&self) -> Telnet {
        Telnet::tcp(self.address()).greeted()
    }

    /// A connection that has joined.
    #[track_caller]
    pub fn member(&self, name: &str) -> Telnet {
        self.guest().joined(name)
    }

    /// Connections that have joined, one after the other, and have seen those come who came later.
    #[track_caller]
    pub fn members<const N: usize>(&self, names: [&str; N]) -> [Telnet; N] {
        let mut members = names.map(|name| self.member(name));
        for (at, member) in members.iter_mut().enumerate() {
            for later in &names[at + 1..] {
                member.sees(&format!("JOINED {later}"));
            }
        }
        members
    }

    /// Plays a script. `ada> WHO`: the connection ada sends a line. `ada< WHO 1 ada`: that is the
    /// next line it gets; `...` at the end matches any rest. `^D` is the end of a stream.
    ///
    /// An id or a secret, where a line begins with it or an OK says it, stands for whichever the server
    /// makes up, and in a later JOIN as well: see [`Varying`].
    ///
    /// A name opens its connection on first use. A BYE must be followed by the end of the stream.
    /// When the script is over, no connection may have got a line that is not in it.
    #[track_caller]
    pub fn plays(&self, script: &str) {
        let mut cast =
            play(
                script,
                |greeted| {
                    if greeted { self.guest() } else { Telnet::tcp(self.address()) }
                },
            );
        // Twice: after the first time all that was said is in the room; nobody may get more of it.
        for _ in 0..2 {
            for (name, who) in &mut cast {
                who.try_fence().unwrap_or_else(|problem| panic!("{name}, at the end: {problem}"));
            }
        }
    }
}

/// Plays a script over connections that `connect` makes, greeted unless the script begins with that;
/// returns those that are still open.
#[track_caller]
pub fn play(script: &str, connect: impl Fn(bool) -> Telnet) -> BTreeMap<&str, Telnet> {
    let mut cast: BTreeMap<&str, Telnet> = BTreeMap::new();
    let mut varying = Varying::default();
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (name, arrow, text) = stage_direction(line);
        let who = match cast.entry(name) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(new) => new.insert(connect(!text.starts_with("HELLO "))),
        };
        let ends = arrow == '<' && (text == "^D" || text.split(' ').next() == Some("BYE"));
        let played = match (arrow, text) {
            ('>', "^D") => who.try_end(),
            ('>', _) => who.try_send(format!("{}\n", varying.meant(text)).as_bytes()),
            (_, "^D") => Ok(()),
            _ => sees(who, text, &mut varying),
        };
        let played = if ends { played.and_then(|()| who.try_see_end()) } else { played };
        played.unwrap_or_else(|problem| panic!("at `{line}`: {problem}"));
        if ends {
            cast.remove(name);
        }
    }
    cast
}

fn sees(who: &mut Telnet, expected: &str, varying: &mut Varying) -> Result<(), String> {
    match who.try_line()? {
        Some(line) if varying.is_line(expected, &line) => Ok(()),
        Some(line) => Err(format!("got: {line}")),
        None => Err("got: the end of the stream".into()),
    }
}

/// `ada> hi` in its three parts.
#[track_caller]
fn stage_direction(line: &str) -> (&str, char, &str) {
    let at = line.find(['<', '>']).unwrap_or_else(|| panic!("neither typed nor seen: `{line}`"));
    let text = &line[at + 1..];
    (&line[..at], char::from(line.as_bytes()[at]), text.strip_prefix(' ').unwrap_or(text))
}

/// Plays a script on a server of its own; see [`TestServer::plays`].
#[track_caller]
pub fn transcript(script: &str) {
    TestServer::start().plays(script);
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        let hangs = running.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout);
        if thread::panicking() {
            return;
        }
        assert!(!hangs, "the server does not stop");
        let thread = self.thread.take().expect("joined once");
        let id = thread.thread().id();
        if let Err(panic) = thread.join() {
            resume_unwind(panic);
        }
        // The executor swallows what a task of the server panics with.
        assert!(!panicked().contains(&id), "the server panicked");
    }
}

/// The threads of servers in which something has panicked.
fn panicked() -> MutexGuard<'static, Vec<ThreadId>> {
    static PANICKED: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());
    PANICKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, whatever panics is noted in [`panicked`].
fn watch_for_panics() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let say = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            panicked().push(thread::current().id());
            say(info);
        }));
    });
}

/// A path for a Unix socket that no other test uses, where nothing is. Removed when dropped.
pub struct SocketPath(pub PathBuf);

impl SocketPath {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("smoltalk-{}-{test}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    /// The address that means this path.
    pub fn address(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder that goes with the test, unless that fails.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("smoltalk-{}-{name}", std::process::id()));
        // What a test that failed has left, long ago, under the same number of a process.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// `MSG 0`, `MSG 1` and so on, a line each.
pub fn numbered(verb: &str, numbers: Range<u32>) -> String {
    numbers.fold(String::new(), |lines, n| lines + verb + " " + &n.to_string() + "\n")
}

/// Whether this machine has IPv6. Says so where it has not.
pub fn has_ipv6() -> bool {
    let has = std::net::TcpListener::bind("[::1]:0").is_ok();
    if !has {
        eprintln!("skipped: this machine has no IPv6");
    }
    has
}

/// Bob, who says back what he is told.
pub async fn echo(waiting: &Waiting) {
    let name = Name::new(b"bob").expect("a name");
    let config = direct::Config { name, ..direct::Config::default() };
    loop {
        let Ok(mut peer) = waiting.accept(&config).await else { continue };
        while let Ok(event) = peer.next().await {
            if let direct::Event::Message { id, bytes } = event {
                peer.ack(id);
                peer.queue(&bytes).expect("there is room");
            }
        }
        peer.leave().await;
    }
}
