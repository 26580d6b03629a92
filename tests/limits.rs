//! A server keeps any limits that it was given, or does not begin.

mod support;

use smoltalk::limits::{LARGEST, LONGEST, Limits};
use smoltalk::server::{Config, Server};
use std::io::ErrorKind;
use std::time::Duration;
use support::TestServer;

#[test]
fn limits_that_cannot_be_kept_are_refused_by_name() {
    const TOO_LONG: Duration = LONGEST.saturating_add(Duration::from_nanos(1));
    let usual = Limits::default;
    for (name, limits) in [
        ("outbox", Limits { outbox: 0, ..usual() }),
        ("outbox", Limits { outbox: LARGEST + 1, ..usual() }),
        ("memory", Limits { memory: 0, ..usual() }),
        ("payload", Limits { payload: LARGEST + 1, ..usual() }),
        ("stall_timeout", Limits { stall_timeout: Duration::ZERO, ..usual() }),
        ("stall_timeout", Limits { stall_timeout: Duration::MAX, ..usual() }),
        ("join_timeout", Limits { join_timeout: Duration::ZERO, ..usual() }),
        ("join_timeout", Limits { join_timeout: TOO_LONG, ..usual() }),
        ("shutdown_timeout", Limits { shutdown_timeout: Duration::ZERO, ..usual() }),
        ("shutdown_timeout", Limits { shutdown_timeout: TOO_LONG, ..usual() }),
        ("drain", Limits { drain: TOO_LONG, ..usual() }),
    ] {
        let listen = vec!["127.0.0.1:0".parse().expect("an address")];
        let refused = Server::bind(Config { listen, limits, ..Config::default() });
        let error = refused.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(&format!("limits.{name} takes ")), "{error}");
    }
}

#[test]
fn a_room_works_within_the_smallest_and_within_the_largest_limits() {
    let instant = Duration::from_nanos(1);
    let least = Limits { outbox: 1, payload: 0, stall_timeout: instant, ..Limits::default() };
    let most = Limits {
        outbox: LARGEST,
        payload: LARGEST,
        stall_timeout: LONGEST,
        join_timeout: LONGEST,
        max_connections: usize::MAX,
        max_per_address: usize::MAX,
        presence_limit: usize::MAX,
        pace: u32::MAX,
        memory: usize::MAX,
        history: usize::MAX,
        history_bytes: usize::MAX,
        shutdown_timeout: LONGEST,
        drain: LONGEST,
    };
    for limits in [least, most] {
        TestServer::with(limits).plays(
            "
            ada> JOIN ada
            ada< OK ada 1
            bob> JOIN bob
            bob< OK bob 2
            ada< JOINED bob
            ada> MSG hi
            bob< MSG ada hi
        ",
        );
    }
}
