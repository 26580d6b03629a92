//! What systemd, or whoever does as it does, hands over: see `sd_notify(3)` and `sd_listen_fds(3)`.

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

/// How many sockets it has opened for this process.
pub fn sockets() -> u64 {
    number("LISTEN_FDS").filter(|_| is_meant("LISTEN_PID", false)).unwrap_or_default()
}

/// Takes them: they are the descriptors from 3 on.
///
/// Nobody in this process owns those, and to say so of a number takes `unsafe`. So the kernel is asked for a second
/// descriptor of the same socket, as of another process; the first stays open, as it has to until the end anyway.
#[cfg(target_os = "linux")]
pub fn take_sockets() -> io::Result<Vec<OwnedFd>> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    const FIRST: i32 = 3;
    let named = |e: rustix::io::Errno| io::Error::new(e.kind(), format!("LISTEN_FDS: {e}"));
    let count = sockets();
    if count == 0 {
        return Ok(Vec::new());
    }
    let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(named)?;
    let last = FIRST.saturating_add(i32::try_from(count).unwrap_or(i32::MAX));
    let take = |fd| pidfd_getfd(&own, fd, PidfdGetfdFlags::empty()).map_err(named);
    (FIRST..last).map(take).collect()
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
