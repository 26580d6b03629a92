//! What an evil peer can do to the programs of people: `smoltalk`, and `smoltalk direct`.

use crate::process::{Result, Server, works};
use crate::run::Siege;
use crate::table::Figure;
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// For so long the peer talks before somebody wants to leave.
const LEAD: Duration = Duration::from_millis(400);
/// Who is not gone by then never goes.
const PATIENCE: Duration = Duration::from_secs(1);
/// For so long names pass.
const PASSING: Duration = Duration::from_secs(8);

/// How somebody leaves.
#[derive(Clone, Copy, Debug)]
enum Way {
    Sigterm,
    CtrlC,
    CtrlD,
}

pub fn evil_peer(siege: &Siege) -> Result<Vec<Figure>> {
    let (mut longest, mut never) = (0f64, 0);
    for (direct, flood) in [(false, "\n"), (false, "WHAT\n"), (true, "\n"), (true, "WHAT\n")] {
        for way in [Way::Sigterm, Way::CtrlC, Way::CtrlD] {
            let words = flood.repeat(1024);
            let peer = Peer::new(direct, move |_| words.clone())?;
            let mut program = Program::start(siege, direct, peer.addr)?;
            std::thread::sleep(LEAD);
            let took = program.leaves(way)?.as_secs_f64();
            let program = if direct { "smoltalk direct" } else { "smoltalk" };
            eprintln!("siege:   {program}, {flood:?} without end, {way:?}: gone after {took:.3} s");
            longest = longest.max(took);
            never += usize::from(took >= PATIENCE.as_secs_f64());
            if never == 6 {
                return Ok(vec![longest.into()]);
            }
        }
    }
    Ok(vec![longest.into()])
}

pub fn evil_names(siege: &Siege) -> Result<Vec<Figure>> {
    // As many as it can show: of more than that it says that too much waits, and goes.
    let name = |at: usize| format!("MSG a-name-as-long-as-may-be-{at:07} x\n");
    let peer = Peer::new(false, move |turn| {
        std::thread::sleep(Duration::from_millis(10));
        (turn * 100..turn * 100 + 100).map(name).collect()
    })?;
    let mut program = Program::start(siege, false, peer.addr)?;
    let (begun, mut most) = (Instant::now(), 0f64);
    while begun.elapsed() < PASSING && program.child.try_wait()?.is_none() {
        let process = Server::running(peer.addr, program.child.id());
        most = most.max(process.memory("status", "RssAnon:").unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    eprintln!("siege:   names passed for {:.1} s", begun.elapsed().as_secs_f64());
    Ok(vec![most.into()])
}

/// A peer that lets somebody in, and then talks without end.
struct Peer {
    addr: SocketAddr,
}

impl Peer {
    fn new(direct: bool, mut flood: impl FnMut(usize) -> String + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        // It ends with the connection, and that with the program that calls.
        std::thread::spawn(move || {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut said = welcome(&mut stream, direct);
            for turn in 0.. {
                if said.is_err() {
                    return;
                }
                said = stream.write_all(flood(turn).as_bytes());
            }
        });
        Ok(Self { addr })
    }
}

/// Lets somebody in who says who it is.
fn welcome(stream: &mut TcpStream, direct: bool) -> std::io::Result<()> {
    let (hello, ok): (&[u8], &[u8]) = if direct {
        (b"HELLO smoltalk-direct/1 eve\n", b"")
    } else {
        (b"HELLO smoltalk/1 hi\n", b"OK ada 1\n")
    };
    stream.write_all(hello)?;
    BufReader::new(&*stream).read_line(&mut String::new())?;
    stream.write_all(ok)
}

/// A program on a terminal. Killed when this is dropped.
struct Program {
    child: Child,
    window: File,
}

impl Program {
    fn start(siege: &Siege, direct: bool, addr: SocketAddr) -> Result<Self> {
        let program = siege.client.as_ref().ok_or("smoltalk was not built")?;
        if !works("setsid", &["--version"]) {
            return Err("util-linux' setsid is missing".into());
        }
        let window = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&window)?;
        unlockpt(&window)?;
        let path = ptsname(&window, Vec::new())?;
        let tty = open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        tcsetwinsize(&tty, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })?;
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program);
        if direct {
            command.args(["direct", &addr.to_string()]);
        } else {
            command.args(["-u", "ada", "--host", "127.0.0.1", "--port", &addr.port().to_string()]);
        }
        command.env("TERM", "xterm-256color").stdin(Stdio::from(tty.try_clone()?));
        command.stdout(Stdio::from(tty.try_clone()?)).stderr(Stdio::from(tty));
        let child = command.spawn()?;
        let mut screen = File::from(window.try_clone()?);
        // It ends when nobody holds the terminal any more.
        std::thread::spawn(move || {
            let mut shown = vec![0; 64 * 1024];
            while screen.read(&mut shown).is_ok_and(|shown| shown > 0) {}
        });
        Ok(Self { child, window: File::from(window) })
    }

    /// How long it takes; no longer than [`PATIENCE`].
    fn leaves(&mut self, way: Way) -> Result<Duration> {
        let begun = Instant::now();
        if self.child.try_wait()?.is_some() {
            return Ok(Duration::ZERO);
        }
        match way {
            Way::Sigterm => {
                let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
                kill_process(process.ok_or("the program has no number")?, Signal::TERM)?;
            }
            Way::CtrlC => self.window.write_all(b"\x03")?,
            Way::CtrlD => self.window.write_all(b"\x04")?,
        }
        while self.child.try_wait()?.is_none() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(begun.elapsed())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
