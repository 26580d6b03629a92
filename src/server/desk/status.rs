//! How the server stands, for a person at the control socket.

use super::health;
use crate::log::NodeState;
#[cfg(feature = "tls")]
use crate::server::guard::unix_seconds;
use crate::server::registry::state::State;
use std::fmt::{self, Write as _};
use std::time::Duration;

/// Appends a line for each thing there is to know.
#[inline(never)]
pub fn render(state: &State, out: &mut String) {
    let State { tally, counters, .. } = state;
    let rows: [(&str, &dyn fmt::Display); 16] = [
        ("version", &env!("CARGO_PKG_VERSION")),
        ("uptime", &state.uptime.as_secs()),
        ("members", &state.members),
        ("guests", &state.guests),
        ("connections", &(state.members + state.guests)),
        ("max-connections", &state.max_connections),
        ("messages", &tally.messages),
        ("bytes", &tally.bytes),
        ("deliveries", &tally.deliveries),
        ("sent", &state.sent),
        ("lagging", &state.lagging),
        ("backlog", &state.backlog),
        ("stalled", &counters.stalled()),
        ("draining", &if state.is_draining { "yes" } else { "no" }),
        ("journal", &health::journal(state)),
        ("node", &state.node.as_ref().map_or("none", node)),
    ];
    push(&rows, out);
    if let Some(node) = &state.node {
        let rows: [(&str, &dyn fmt::Display); 4] = [
            ("room", &state.room),
            ("under-way", &node.under_way),
            ("behind", &node.behind),
            ("log-away", &node.away.unwrap_or_default().as_secs()),
        ];
        push(&rows, out);
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &state.tls {
        push(&[("handshakes", &counters.handshakes)], out);
        if let Some(not_after) = tls.not_after {
            push(&[("certificate-left", &not_after.saturating_sub(unix_seconds()))], out);
        }
    }
}

fn node(node: &NodeState) -> &str {
    node.epoch.as_deref().unwrap_or("unregistered")
}

#[inline(never)]
fn push(rows: &[(&str, &dyn fmt::Display)], out: &mut String) {
    for (key, value) in rows {
        let _ = writeln!(out, "STATUS {key} {value}");
    }
}

/// A time in seconds, to the microsecond, without the tables that a float takes.
#[derive(Debug)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        match time.subsec_micros() {
            0 => write!(f, "{}", time.as_secs()),
            micros => write!(f, "{}.{micros:06}", time.as_secs()),
        }
    }
}
