//! What an evil peer can do to the programs of people: `smoltalk`, and `smoltalk direct`.

use crate::process::{Result, Server};
use crate::run::Siege;
use crate::table::Figure;
use crate::window::Window;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
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
            let mut program = start(siege, direct, peer.addr)?;
            std::thread::sleep(LEAD);
            let took = leaves(&mut program, way)?.as_secs_f64();
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
    let mut program = start(siege, false, peer.addr)?;
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

/// Has a program talk to a peer, on a terminal.
fn start(siege: &Siege, direct: bool, addr: SocketAddr) -> Result<Window> {
    let program = siege.client.as_ref().ok_or("smoltalk was not built")?;
    let (whole, port) = (addr.to_string(), addr.port().to_string());
    let room = ["-u", "ada", "--host", "127.0.0.1", "--port", &port];
    let two = ["direct", &whole];
    Window::open(program, if direct { &two } else { &room }, |_| {})
}

/// How long it takes; no longer than [`PATIENCE`].
fn leaves(program: &mut Window, way: Way) -> Result<Duration> {
    let begun = Instant::now();
    if program.child.try_wait()?.is_some() {
        return Ok(Duration::ZERO);
    }
    match way {
        Way::Sigterm => {
            let process = i32::try_from(program.child.id()).ok().and_then(Pid::from_raw);
            kill_process(process.ok_or("the program has no number")?, Signal::TERM)?;
        }
        Way::CtrlC => program.keys.write_all(b"\x03")?,
        Way::CtrlD => program.keys.write_all(b"\x04")?,
    }
    while program.child.try_wait()?.is_none() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(begun.elapsed())
}
