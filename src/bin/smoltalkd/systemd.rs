//! What systemd, or whoever does as it does, hands over: see `sd_notify(3)`, `sd_listen_fds(3)` and `sd-daemon(3)`.

use rustix::fs::fstat;
#[cfg(target_os = "linux")]
use rustix::io::Errno;
use smoltalk::protocol::text::to_safe;
use smoltalk::server::Supervisor;
use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Where it wants to hear how the server does, if it does.
pub fn supervisor() -> Option<Supervisor> {
    let socket = env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())?;
    let micros = number("WATCHDOG_USEC").filter(|_| is_meant("WATCHDOG_PID", true));
    let watchdog = micros.filter(|micros| *micros > 0).map(Duration::from_micros);
    Some(Supervisor { socket, watchdog })
}

/// Whether standard error is its journal, and not a file or a pipe in the place of it.
pub fn has_log() -> bool {
    let journal = env::var("JOURNAL_STREAM").ok();
    journal.is_some_and(|journal| {
        let own = fstat(io::stderr()).map(|own| format!("{}:{}", own.st_dev, own.st_ino));
        own.is_ok_and(|own| own == journal)
    })
}

/// How many sockets it has opened for this process; or what is wrong with what it says of that, in one line.
pub fn sockets() -> Result<i32, String> {
    let said = env::var_os("LISTEN_FDS").filter(|said| !said.is_empty());
    let Some(said) = said.filter(|_| is_meant("LISTEN_PID", false)) else { return Ok(0) };
    let number = said.to_str().and_then(|said| said.parse().ok()).filter(|number| *number >= 0);
    number.ok_or_else(|| {
        let said = to_safe(said.as_encoded_bytes());
        format!("LISTEN_FDS is how many sockets were handed over, not '{said}'")
    })
}

/// Takes them: they are the descriptors from 3 on.
///
/// Nobody in this process owns those, and to say so of a number takes `unsafe`. So the kernel is asked for a second
/// descriptor of the same socket, as of another process; the first stays open, as it has to until the end anyway.
#[cfg(target_os = "linux")]
pub fn take_sockets() -> io::Result<Vec<OwnedFd>> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    const FIRST: i32 = 3;
    let count = sockets().map_err(io::Error::other)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(not_taken)?;
    let last = FIRST.saturating_add(count);
    let take = |fd| pidfd_getfd(&own, fd, PidfdGetfdFlags::empty()).map_err(not_taken);
    // From the last on: what is taken gets a number behind the others, and is not to be taken for one of them.
    let mut sockets: Vec<OwnedFd> = (FIRST..last).rev().map(take).collect::<io::Result<_>>()?;
    sockets.reverse();
    Ok(sockets)
}

/// Why a socket cannot be taken. Where it is forbidden to, the name of the system call is what helps to allow it.
#[cfg(target_os = "linux")]
fn not_taken(error: Errno) -> io::Error {
    let why = match error {
        Errno::PERM | Errno::ACCESS => "the system call pidfd_getfd is forbidden here: ",
        Errno::NOSYS => "the system call pidfd_getfd is not there, or forbidden: ",
        _ => "",
    };
    io::Error::new(error.kind(), format!("LISTEN_FDS: {why}{error}"))
}

/// Elsewhere nobody hands over any.
#[cfg(not(target_os = "linux"))]
pub fn take_sockets() -> io::Result<Vec<OwnedFd>> {
    Ok(Vec::new())
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Whether what was handed over is meant for this process, and not for one that has started it.
fn is_meant(variable: &str, where_it_is_missing: bool) -> bool {
    match env::var(variable) {
        Ok(pid) => pid.parse() == Ok(std::process::id()),
        Err(_) => where_it_is_missing,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn where_sockets_cannot_be_taken_the_call_that_is_forbidden_is_named() {
        for (error, named) in [(Errno::PERM, true), (Errno::NOSYS, true), (Errno::BADF, false)] {
            let why = not_taken(error).to_string();
            assert!(why.starts_with("LISTEN_FDS: "), "{why}");
            assert_eq!(why.contains("pidfd_getfd"), named, "{why}");
        }
    }
}
