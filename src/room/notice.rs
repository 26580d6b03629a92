//! What an operator is told: a line for each arrival, departure and refusal.

use crate::net::admission::Full;
use crate::net::peer::Peer;
use crate::protocol::{Name, Refusal};
use async_channel::Sender;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "tls")]
use std::time::Duration;

/// Why a connection is over. The room's farewell, the operator's line and the tests go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It said LEAVE.
    Left,
    /// Its stream ended.
    Ended,
    /// It broke.
    Lost,
    /// It took too little of what was sent to it.
    Stalled,
    /// It did not join in time.
    JoinTimeout,
    /// As a guest it was answered ERR too often.
    TooManyErrors,
    /// It had too many wrong keys.
    Denied,
    /// Its address may not come in.
    Banned,
    /// It spoke another protocol.
    NotSmoltalk,
    /// It said something from which there is no way back to the next line.
    BadFrame,
    /// The operator showed it the door.
    Kicked,
    /// It came back by another connection.
    Replaced,
    /// The others have given this server up.
    NodeLost,
    /// The log is lost.
    LogLost,
    /// The server stops.
    Shutdown,
    /// The same, while others go on.
    Drained,
}

impl Closed {
    /// The reason that the server's BYE gives; `None` where it says no BYE.
    #[must_use]
    pub fn bye(self) -> Option<&'static str> {
        match self {
            Self::Left => Some(""),
            Self::Ended | Self::Lost | Self::NotSmoltalk | Self::BadFrame | Self::Banned => None,
            Self::Stalled => Some("stalled"),
            Self::JoinTimeout => Some("join-timeout"),
            Self::TooManyErrors => Some("too-many-errors"),
            Self::Denied => Some(Refusal::Denied.code()),
            Self::Kicked => Some("kicked"),
            Self::Replaced => Some("replaced"),
            Self::NodeLost => Some("node-lost"),
            Self::LogLost => Some("log-lost"),
            Self::Shutdown | Self::Drained => Some("shutdown"),
        }
    }

    /// The reason that the others' LEFT gives; empty where it gives none.
    #[must_use]
    pub fn left(self) -> &'static str {
        match self {
            Self::Lost | Self::BadFrame => "lost",
            Self::Stalled => "stalled",
            Self::Kicked => "kicked",
            // The last five never were members, and whose place is taken over does not leave it.
            Self::Left
            | Self::Ended
            | Self::Shutdown
            | Self::Drained
            | Self::Replaced
            | Self::NodeLost
            | Self::LogLost
            | Self::JoinTimeout
            | Self::TooManyErrors
            | Self::Denied
            | Self::Banned
            | Self::NotSmoltalk => "",
        }
    }

    /// Whether an operator is told of a guest that ends so: not where it just went.
    #[must_use]
    pub fn is_worth_a_notice(self) -> bool {
        !matches!(self, Self::Left | Self::Ended | Self::Lost)
    }

    /// The reason in an operator's line.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Left => "said LEAVE",
            Self::Ended => "end of stream",
            Self::Lost => "lost",
            Self::NotSmoltalk => Refusal::NotSmoltalk.code(),
            Self::Banned => Refusal::Banned.code(),
            Self::BadFrame => Refusal::BadFrame.code(),
            Self::Stalled
            | Self::JoinTimeout
            | Self::TooManyErrors
            | Self::Denied
            | Self::Kicked
            | Self::Replaced
            | Self::NodeLost
            | Self::LogLost
            | Self::Shutdown
            | Self::Drained => self.bye().unwrap_or_default(),
        }
    }
}

/// Something that an operator may want to know. Its text is one line, safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A member came; so many are in now.
    Joined(Name, Peer, usize),
    /// A member came back before it was gone.
    Resumed(Name, Peer),
    /// A member went; so many are in now.
    Left(Name, Closed, usize),
    /// A guest was sent away.
    SentAway(Peer, Closed),
    /// There was no place for a connection.
    Full(Peer, Full),
    /// What a guest asked for was refused; and why, if the code does not say all.
    Refused(Peer, Refusal, &'static str),
    /// Too many wrong keys came from there, as it is counted: an IPv4 address, or the first of an IPv6 network of 64
    /// bits. No key is heard from it for a while.
    LockedOut(IpAddr),
    /// A connection did not come to speak within TLS.
    #[cfg(feature = "tls")]
    NoTls(Peer, String),
    /// The same, because of a certificate: the client's, or the server's.
    #[cfg(feature = "tls")]
    NoCertificate(Peer, String),
    /// What there is to say of a log that others share.
    Log(String),
    /// What is wrong with a file that says who may come in.
    Access(String),
    /// Such a file is read again: `key`, `bans` or `certificate`.
    ReadAgain(&'static str),
    /// The certificate for TLS has expired by `now`, or is about to; both since 1970.
    #[cfg(feature = "tls")]
    Certificate {
        /// Until when it holds.
        not_after: Duration,
        /// When that was found out.
        now: Duration,
    },
    /// By `now` the certificate does not hold yet; both since 1970.
    #[cfg(feature = "tls")]
    EarlyCertificate {
        /// From when on it does.
        not_before: Duration,
        /// When that was found out.
        now: Duration,
    },
    /// The certificate ends before it begins.
    #[cfg(feature = "tls")]
    NeverCertificate,
    /// What there is to say of the journal.
    Journal(String),
    /// No connection can be taken for now.
    CannotAccept(String),
    /// The server ended before so many connections had taken all that was queued for them.
    CutShort(usize),
    /// An operator did this.
    Operator(String),
    /// Whoever has started the server cannot be told how it does.
    Supervisor(String),
    /// So many notices were lost here, as what they are told to was full.
    Lost(usize),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined(name, peer, members) => {
                write!(f, "{name} joined from {peer}, {members} here")
            }
            Self::Resumed(name, peer) => write!(f, "{name} came back from {peer}"),
            Self::Left(name, closed, members) => {
                write!(f, "{name} left ({}), {members} here", closed.why())
            }
            Self::SentAway(peer, closed) => write!(f, "refused {peer}: {}", closed.why()),
            Self::Full(peer, full) => {
                write!(f, "refused {peer}: {} ({full})", Refusal::Full.code())
            }
            Self::Refused(peer, refusal, "") => write!(f, "refused {peer}: {}", refusal.code()),
            Self::Refused(peer, refusal, why) => {
                write!(f, "refused {peer}: {} ({why})", refusal.code())
            }
            Self::LockedOut(from) => {
                let net = if from.is_ipv6() { "/64" } else { "" };
                write!(f, "no key is heard from {from}{net} for a minute: ten wrong ones")
            }
            #[cfg(feature = "tls")]
            Self::NoTls(peer, why) => write!(f, "refused {peer}: no TLS ({why})"),
            #[cfg(feature = "tls")]
            Self::NoCertificate(peer, why) => write!(f, "refused {peer}: certificate ({why})"),
            Self::Log(what) => write!(f, "log: {what}"),
            Self::Access(what) => write!(f, "access: {what}"),
            Self::ReadAgain(what) => write!(f, "access: {what} read again"),
            #[cfg(feature = "tls")]
            Self::Certificate { not_after, now } if now <= not_after => {
                write!(f, "certificate: expires in {}", days(not_after.saturating_sub(*now)))
            }
            #[cfg(feature = "tls")]
            Self::Certificate { not_after, now } => {
                let since = days(now.saturating_sub(*not_after));
                write!(f, "certificate: expired {since} ago, and clients refuse it")
            }
            #[cfg(feature = "tls")]
            Self::EarlyCertificate { not_before, now } => {
                let time = days(not_before.saturating_sub(*now));
                write!(f, "certificate: not valid yet, it begins in {time}, and clients refuse it")
            }
            #[cfg(feature = "tls")]
            Self::NeverCertificate => f.write_str(
                "certificate: never valid, it ends before it begins, and clients refuse it",
            ),
            Self::Journal(what) => write!(f, "journal: {what}"),
            Self::CannotAccept(error) => write!(f, "cannot accept connections for now: {error}"),
            Self::Operator(order) => write!(f, "operator: {order}"),
            Self::Supervisor(error) => write!(f, "cannot tell the service manager: {error}"),
            Self::Lost(1) => f.write_str("1 line of this log was lost"),
            Self::Lost(lines) => write!(f, "{lines} lines of this log were lost"),
            Self::CutShort(connections) => {
                write!(f, "{connections} cut short: they had not read all that was queued")
            }
        }
    }
}

#[cfg(feature = "tls")]
fn days(time: Duration) -> String {
    match time.as_secs() / (24 * 60 * 60) {
        0 => "less than a day".into(),
        1 => "a day".into(),
        days => format!("{days} days"),
    }
}

/// Where notices go. Nobody waits there: what it has no room for is lost, and counted until it has again.
#[derive(Debug, Clone)]
pub struct Notices {
    to: Sender<Notice>,
    /// How many places it leaves to others.
    leaves: usize,
    lost: Arc<AtomicUsize>,
}

impl Notices {
    /// To that channel.
    pub fn new(to: Sender<Notice>) -> Self {
        Self { to, leaves: 0, lost: Arc::default() }
    }

    /// The same for what strangers can cause any number of: a quarter is left for the rest.
    pub fn of_strangers(&self) -> Self {
        Self { leaves: self.to.capacity().map_or(0, |all| all / 4), ..self.clone() }
    }

    fn tell(&self, notice: Notice) {
        let mut lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && self.take(Notice::Lost(lost)) {
            lost = 0;
        }
        if lost > 0 || !self.take(notice) {
            self.lost.fetch_add(lost + 1, Ordering::Relaxed);
        }
    }

    fn take(&self, notice: Notice) -> bool {
        let has_room = |all| self.to.len() + self.leaves < all;
        self.to.capacity().is_none_or(has_room) && self.to.try_send(notice).is_ok()
    }
}

/// Tells of something, if anybody wants to know.
pub fn note(notices: Option<&Notices>, notice: impl FnOnce() -> Notice) {
    if let Some(notices) = notices {
        notices.tell(notice());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_room_for_the_rest_and_what_is_lost_is_counted() {
        let (to, told) = async_channel::bounded(4);
        let others = Notices::new(to);
        let strangers = others.of_strangers();
        let told = || -> Vec<String> {
            std::iter::from_fn(|| told.try_recv().ok()).map(|notice| notice.to_string()).collect()
        };
        for who in "sssso".chars() {
            let notices = if who == 's' { &strangers } else { &others };
            note(Some(notices), || Notice::Log(who.into()));
        }
        assert_eq!(told(), ["log: s", "log: s", "log: s", "1 line of this log was lost"]);
        note(Some(&strangers), || Notice::Log("s".into()));
        assert_eq!(told(), ["1 line of this log was lost", "log: s"]);
        note(Some(&others), || Notice::Log("o".into()));
        assert_eq!(told(), ["log: o"]);
    }

    #[test]
    fn a_lockout_names_what_is_counted_as_one_address() {
        use crate::limits::{LOCKOUT, WRONG_KEYS};
        for (from, net) in [("10.0.0.7", "10.0.0.7"), ("2001:db8::", "2001:db8::/64")] {
            let told = Notice::LockedOut(from.parse().expect("an address")).to_string();
            assert_eq!(told, format!("no key is heard from {net} for a minute: ten wrong ones"));
        }
        assert_eq!((LOCKOUT.as_secs(), WRONG_KEYS), (60, 10));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn of_a_certificate_is_told_in_days() {
        const DAY: u64 = 24 * 60 * 60;
        for (not_after, told) in [
            (101 * DAY - 1, "expires in less than a day"),
            (102 * DAY - 1, "expires in a day"),
            (102 * DAY, "expires in 2 days"),
            (100 * DAY - 1, "expired less than a day ago, and clients refuse it"),
            (99 * DAY, "expired a day ago, and clients refuse it"),
            (0, "expired 100 days ago, and clients refuse it"),
        ] {
            let now = Duration::from_secs(100 * DAY);
            let notice = Notice::Certificate { not_after: Duration::from_secs(not_after), now };
            assert_eq!(notice.to_string(), format!("certificate: {told}"));
        }
    }
}
