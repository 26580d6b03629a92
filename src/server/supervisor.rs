//! Whoever has started the server and wants to hear how it does: systemd, by its `NOTIFY_SOCKET`.

use super::Shared;
use super::desk::health;
use super::registry::state::State;
use crate::limits;
use crate::room::notice::{Notice, note};
use smol::Timer;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

/// Where it listens, and how often it wants to hear something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supervisor {
    /// The path of its socket; one that begins with `@` is a name without a file.
    pub socket: OsString,
    /// Where it hears nothing for so long, the server is taken to hang.
    pub watchdog: Option<Duration>,
}

/// The way to it. Nothing here waits.
#[derive(Debug)]
pub struct Line(UnixDatagram);

impl Line {
    /// Opens it.
    pub fn open(supervisor: &Supervisor) -> io::Result<Self> {
        let line = UnixDatagram::unbound()?;
        line.set_nonblocking(true)?;
        match supervisor.socket.as_encoded_bytes() {
            #[cfg(target_os = "linux")]
            [b'@', name @ ..] => {
                use std::os::linux::net::SocketAddrExt;
                use std::os::unix::net::SocketAddr;
                line.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
            }
            _ => line.connect(&supervisor.socket)?,
        }
        Ok(Self(line))
    }

    /// Says something; whether it was heard.
    pub fn say(&self, what: &str) -> bool {
        self.0.send(what.as_bytes()).is_ok()
    }

    /// Says that the server stops, and how long that may take.
    pub fn say_stopping(&self, time: Duration) {
        self.say(&format!("STOPPING=1\n{}", extension(time)));
    }

    /// Says how long the end may still take.
    pub fn say_time(&self, time: Duration) {
        self.say(&extension(time));
    }
}

/// Asks for time to end in, from now on; without that, systemd kills what takes longer than its unit says.
fn extension(time: Duration) -> String {
    format!("EXTEND_TIMEOUT_USEC={}", time.saturating_add(limits::END).as_micros())
}

impl Shared {
    /// Opens the way to whoever has started this server, if it wants to hear something. Where that cannot be, it is
    /// said, and the server does without.
    pub fn call(&self, supervisor: Option<&Supervisor>) -> Option<Arc<Line>> {
        match Line::open(supervisor?) {
            Ok(line) => Some(Arc::new(line)),
            Err(error) => {
                note(self.troubles.as_ref(), || Notice::Supervisor(error.to_string()));
                None
            }
        }
    }

    /// Tells it that the server is there, and then, again and again, how it stands: as long as what makes the room
    /// go on does.
    pub async fn report(self, line: Arc<Line>, watchdog: Option<Duration>) {
        let mut is_ready = false;
        loop {
            // A lock that cannot be had is what it is to find out.
            let state = self.state().await;
            is_ready = is_ready || line.say("READY=1");
            if watchdog.is_some() {
                line.say("WATCHDOG=1");
            }
            line.say(&status(&state));
            let often = watchdog.map_or(limits::REPORT, |watchdog| watchdog / 3);
            Timer::after(if is_ready { often.min(limits::REPORT) } else { limits::REPORT_AGAIN })
                .await;
        }
    }
}

/// How the server stands, in a line.
fn status(state: &State) -> String {
    let (members, guests) = (state.members, state.guests);
    let s = |number| if number == 1 { "" } else { "s" };
    let mut line = format!("STATUS={members} member{}, {guests} guest{}", s(members), s(guests));
    let goodbye = state.is_draining.then_some("saying goodbye");
    for what in health::failures(state).chain(goodbye) {
        line.extend([", ", what]);
    }
    line
}
