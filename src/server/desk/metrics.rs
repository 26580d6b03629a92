//! The metrics, in Prometheus's text form.

use super::health;
use super::http::{self, Asked, Page, Request, Status};
use super::process::Process;
use super::status::Seconds;
use super::wire::{Wire, late};
use crate::limits;
use crate::log::NodeState;
use crate::server::Shared;
#[cfg(feature = "tls")]
use crate::server::counters::Counters;
use crate::server::counters::Histogram;
use crate::server::registry::state::State;
#[cfg(feature = "tls")]
use crate::server::registry::state::TlsState;
use futures_lite::FutureExt;
use std::fmt::{self, Write as _};
use std::io::{self, ErrorKind};
use std::time::SystemTime;

impl Shared {
    /// Answers one request of a scraper, which has so long for it.
    pub async fn scraped(&self, wire: &mut Wire) -> io::Result<()> {
        let served = async {
            let asked = ask(wire).await?;
            let mut answer = String::new();
            let head = asked.is_ok_and(|asked| asked.head);
            match asked {
                Ok(Asked { page, .. }) => {
                    let (status, text) = page_of(page, &self.state().await);
                    http::answer(status, &text, head, &mut answer);
                }
                Err(status) => http::answer(status, "/metrics or /healthz\n", false, &mut answer),
            }
            wire.say(answer.as_bytes()).await
        };
        served.or(late(limits::SCRAPE)).await
    }
}

async fn ask(wire: &mut Wire) -> io::Result<Result<Asked, Status>> {
    let mut request = Request::new();
    loop {
        let heard = wire.hear(limits::SCRAPE).await?;
        if heard.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(asked) = request.hear(heard) {
            return Ok(asked);
        }
    }
}

fn page_of(page: Page, state: &State) -> (Status, String) {
    match page {
        Page::Metrics => (Status::Ok, render(state, &Process::now())),
        Page::Health => match health::complaints(state).join("\n") {
            none if none.is_empty() => (Status::Ok, "ok\n".into()),
            complaints => (Status::Unavailable, complaints + "\n"),
        },
    }
}

/// A text that grows by one metric after the other.
struct Sheet(String);

impl Sheet {
    #[inline(never)]
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    #[inline(never)]
    fn row(&mut self, name: &str, value: &dyn fmt::Display) {
        let _ = writeln!(self.0, "{name} {value}");
    }

    #[inline(never)]
    fn gauge(&mut self, name: &str, help: &str, value: &dyn fmt::Display) {
        self.head(name, "gauge", help);
        self.row(name, value);
    }

    #[inline(never)]
    fn counter(&mut self, name: &str, help: &str, value: &dyn fmt::Display) {
        self.head(name, "counter", help);
        self.row(name, value);
    }

    #[inline(never)]
    fn labelled(
        &mut self,
        (name, label): (&str, &str),
        help: &str,
        values: &mut dyn Iterator<Item = (&'static str, u64)>,
    ) {
        self.head(name, "counter", help);
        for (which, value) in values {
            let _ = writeln!(self.0, "{name}{{{label}=\"{which}\"}} {value}");
        }
    }

    #[inline(never)]
    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        let (count, sum) = histogram.total();
        for (bound, within) in histogram.within().chain([("+Inf", count)]) {
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {within}");
        }
        let _ = write!(self.0, "{name}_sum {}\n{name}_count {count}\n", Seconds(sum));
    }
}

#[inline(never)]
fn render(state: &State, process: &Process) -> String {
    let mut sheet = Sheet(String::new());
    room(state, &mut sheet);
    if let Some(journal) = state.journal {
        let help = "Whether what happens is not kept in the journal.";
        sheet.gauge("smoltalk_journal_failing", help, &u8::from(journal.is_failing));
        sheet.gauge("smoltalk_journal_bytes", "Size of the journal's file.", &journal.bytes);
    }
    if let Some(node) = &state.node {
        log(node, state.room, &mut sheet);
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &state.tls {
        within(tls, &state.counters, &mut sheet);
    }
    own(state, process, &mut sheet);
    sheet.0
}

fn room(state: &State, sheet: &mut Sheet) {
    let State { tally, counters, .. } = state;
    sheet.head("smoltalk_build_info", "gauge", "The version that runs.");
    let version = env!("CARGO_PKG_VERSION");
    sheet.row(&format!("smoltalk_build_info{{version=\"{version}\"}}"), &1);
    sheet.gauge("smoltalk_members", "Members that are connected here.", &state.members);
    sheet.gauge("smoltalk_guests", "Connections that have not joined.", &state.guests);
    let help = "Connections that there is room for.";
    sheet.gauge("smoltalk_max_connections", help, &state.max_connections);
    let help = "Whether the server is saying goodbye.";
    sheet.gauge("smoltalk_draining", help, &u8::from(state.is_draining));
    let help = "Messages said: MSG, DATA, TELL and NOTE.";
    sheet.counter("smoltalk_messages_total", help, &tally.messages);
    sheet.counter("smoltalk_message_bytes_total", "Bytes of these messages.", &tally.bytes);
    let help = "Messages, each counted for each who got it here.";
    sheet.counter("smoltalk_deliveries_total", help, &tally.deliveries);
    sheet.counter("smoltalk_sent_bytes_total", "Bytes that sockets have taken.", &state.sent);
    let help = "ERR answers.";
    sheet.labelled(("smoltalk_refused_total", "code"), help, &mut counters.refused());
    let help = "Members that are gone.";
    sheet.labelled(("smoltalk_left_total", "reason"), help, &mut counters.left());
    let help = "Connections for which something waits.";
    sheet.gauge("smoltalk_lagging_members", help, &state.lagging);
    let help = "Bytes that wait, counted once where several wait for them.";
    sheet.gauge("smoltalk_backlog_bytes", help, &state.backlog);
    sheet.gauge("smoltalk_backlog_max_bytes", "Bytes that may wait.", &state.max_backlog);
    let help = "Time to write what was said to all sockets.";
    sheet.histogram("smoltalk_flush_seconds", help, &counters.flush);
}

/// What there is to know of a log that several servers share.
fn log(node: &NodeState, room: usize, sheet: &mut Sheet) {
    sheet.gauge("smoltalk_room_members", "Members of the room, at whichever node.", &room);
    if let Some(epoch) = &node.epoch {
        sheet.head("smoltalk_log_node_info", "gauge", "As what this node is registered.");
        sheet.row(&format!("smoltalk_log_node_info{{epoch=\"{epoch}\"}}"), &1);
    }
    let help = "How long the log has been out of reach; 0 where it is not.";
    sheet.gauge("smoltalk_log_away_seconds", help, &Seconds(node.away.unwrap_or_default()));
    let help = "Entries that were submitted and have not come back.";
    sheet.gauge("smoltalk_log_under_way_entries", help, &node.under_way);
    let help = "By how much the slowest node is behind.";
    sheet.gauge("smoltalk_log_behind_bytes", help, &node.behind);
}

/// What there is to know of TLS.
#[cfg(feature = "tls")]
fn within(tls: &TlsState, counters: &Counters, sheet: &mut Sheet) {
    if let Some(not_after) = tls.not_after {
        let help = "Until when the certificate holds, since 1970.";
        sheet.gauge("smoltalk_certificate_not_after_timestamp_seconds", help, &not_after);
    }
    let help = "Connections that have a place and have not come to the end of the handshake.";
    sheet.gauge("smoltalk_handshakes_under_way", help, &counters.handshakes);
    let help = "Connections that were over before the end of the handshake.";
    let name = ("smoltalk_handshakes_failed_total", "reason");
    sheet.labelled(name, help, &mut counters.unshaken());
}

fn own(state: &State, process: &Process, sheet: &mut Sheet) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let began = Seconds(now.saturating_sub(state.uptime));
    sheet.gauge("process_start_time_seconds", "When it began, since 1970.", &began);
    sheet.counter("process_cpu_seconds_total", "Processor time used.", &Seconds(process.cpu));
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", process.resident),
        ("process_virtual_memory_bytes", "Address space in use.", process.virtual_memory),
        ("process_open_fds", "Open descriptors.", process.descriptors),
        ("process_max_fds", "Descriptors that may be open.", process.max_descriptors),
    ] {
        if let Some(value) = value {
            sheet.gauge(name, help, &value);
        }
    }
}
