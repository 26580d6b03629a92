//! What is measured.

use crate::peer::{Says, peer};
use crate::process::{Result, Server};
use crate::run::Programs;
use crate::window::Window;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Lines through a pipe.
const LINES: usize = 100_000;
/// Messages of a flood in each millisecond.
const FLOOD: usize = 10;
/// Keys that are pressed in it.
const KEYS: usize = 500;
/// Those of one line.
const LINE: usize = 40;
/// Messages of a day, and after how many the first look is taken.
const DAY: usize = 1_000_000;
const MORNING: usize = 100_000;
/// After this, something hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Lines a second that are said and confirmed, out of a file.
pub fn said(programs: &Programs) -> Result<f64> {
    let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut server = Command::new(&programs.server);
    let _server = Server::start(server.args(["--quiet", "--listen", &addr.to_string()]), addr)?;
    let path = std::env::temp_dir().join(format!("smoltalk-lines-{}", std::process::id()));
    let line = |n| format!("send {n} is what a script says\n");
    fs::write(&path, (0..LINES).map(line).collect::<String>())?;
    let file = File::open(&path)?;
    fs::remove_file(&path)?;
    let begun = Instant::now();
    let status = client(&programs.client, addr).stdin(file).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("the client ended with {status}").into());
    }
    Ok(LINES as f64 / begun.elapsed().as_secs_f64())
}

/// Lines a second that are heard and printed.
pub fn heard(programs: &Programs) -> Result<f64> {
    let addr = peer(Says::Messages(LINES))?;
    let mut command = client(&programs.client, addr);
    let mut child = command.arg("--stay").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let begun = Instant::now();
    let printed = BufReader::new(child.stdout.take().ok_or("it has no output")?);
    let lines = printed.split(b'\n').take(LINES).count();
    let took = begun.elapsed();
    child.kill()?;
    child.wait()?;
    if lines < LINES {
        return Err(format!("only {lines} lines were printed").into());
    }
    Ok(LINES as f64 / took.as_secs_f64())
}

fn client(program: &Path, addr: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.args(["-u", "ada", "--port", &addr.port().to_string()]);
    command
}

/// How long it takes from a key to the screen, in seconds of each key.
#[derive(Default)]
pub struct Keys {
    /// In a room in which much is said.
    pub room: Vec<f64>,
    /// On a terminal beside it, on which `cat` does nothing else.
    pub cat: Vec<f64>,
}

/// Presses keys in turn at both.
pub fn keys(programs: &Programs) -> Result<Keys> {
    let (mut window, mut screen) = talk(programs, Says::EachTick(FLOOD))?;
    let quiet = ["-c", "stty raw -echo; echo ready; exec cat"];
    let (mut cat, mut echo) = open("sh".as_ref(), &quiet)?;
    screen.until("ada> ")?;
    echo.until("ready")?;
    let (mut line, mut took) = (String::new(), Keys::default());
    let (begun, before) = (Instant::now(), screen.messages);
    for n in 0..KEYS {
        // At no beat of the flood's.
        std::thread::sleep(Duration::from_micros(10_000 + n as u64 * 7919 % 10_000));
        let key = char::from(b'a' + (n % 26) as u8);
        took.cat.push(echo.shows(&mut cat, key, &key.to_string())?);
        if line.len() == LINE {
            line.clear();
            screen.shows(&mut window, '\x15', "ada> \x1b[?7h")?;
        }
        line.push(key);
        took.room.push(screen.shows(&mut window, key, &format!("ada> {line}\x1b[?7h"))?);
    }
    let rate = (screen.messages - before) as f64 / begun.elapsed().as_secs_f64();
    eprintln!("client: {KEYS} keys, while {rate:.0} messages a second were shown");
    Ok(took)
}

/// The memory of a client in the morning and in the evening of a day in a busy room, in bytes.
pub fn memory(programs: &Programs) -> Result<(f64, f64)> {
    let (window, mut screen) = talk(programs, Says::Messages(DAY))?;
    let mut after = |messages| {
        while screen.messages < messages {
            screen.next()?;
            screen.seen.clear();
        }
        let client = Server::running(SocketAddr::from(([127, 0, 0, 1], 0)), window.child.id());
        client.memory("status", "RssAnon:")
    };
    Ok((after(MORNING)?, after(DAY)?))
}

/// The client on a terminal, in a room in which somebody talks.
fn talk(programs: &Programs, says: Says) -> Result<(Window, Screen)> {
    let addr = peer(says)?;
    let port = addr.port().to_string();
    let args = ["-u", "ada", "--port", &port, "--color", "never", "--no-bell"];
    open(&programs.client, &args)
}

/// A program on a terminal.
fn open(program: &Path, args: &[&str]) -> Result<(Window, Screen)> {
    let (sender, shown) = channel();
    let window = Window::open(program, args, move |bytes| {
        let _ = sender.send((Instant::now(), bytes.to_vec()));
    })?;
    Ok((window, Screen { shown, seen: Vec::new(), messages: 0 }))
}

/// What is shown on a terminal, and when.
struct Screen {
    shown: Receiver<(Instant, Vec<u8>)>,
    /// The end of it.
    seen: Vec<u8>,
    /// How many messages have been shown: rows that have ended.
    messages: usize,
}

impl Screen {
    /// Presses a key, and waits until `text` is shown: how many seconds that took.
    fn shows(&mut self, window: &mut Window, key: char, text: &str) -> Result<f64> {
        self.catch_up();
        let pressed = Instant::now();
        window.keys.write_all(&[key as u8])?;
        let seen = self.until(text)?;
        Ok(seen.saturating_duration_since(pressed).as_secs_f64())
    }

    /// Waits until `text` is shown that was not before; when it was.
    fn until(&mut self, text: &str) -> Result<Instant> {
        loop {
            let at = self.next()?;
            if find(&self.seen, text.as_bytes()) > 0 {
                return Ok(at);
            }
            let tail = self.seen.len().saturating_sub(2 * LINE);
            self.seen.drain(..tail);
        }
    }

    /// Takes in what has been shown.
    fn catch_up(&mut self) {
        while let Ok((_, bytes)) = self.shown.try_recv() {
            self.messages += find(&bytes, b"\n");
        }
        self.seen.clear();
    }

    /// Waits until something is shown; when it was.
    fn next(&mut self) -> Result<Instant> {
        let (at, bytes) = self.shown.recv_timeout(LIMIT).map_err(|error| match error {
            RecvTimeoutError::Timeout => "nothing more is shown",
            RecvTimeoutError::Disconnected => "the client has gone",
        })?;
        self.messages += find(&bytes, b"\n");
        self.seen.extend_from_slice(&bytes);
        Ok(at)
    }
}

/// How often `part` is in `bytes`.
fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|window| *window == part).count()
}
