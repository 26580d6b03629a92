//! What an operator learns of TLS: how long the certificate holds, and who does not come in by it.

mod support;
#[path = "tls/mod.rs"]
mod within;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Daemon, Telnet, command};
use within::{VERSIONS, Within, client, file, path};

const NOT_AFTER: &str = "smoltalk_certificate_not_after_timestamp_seconds";

/// A server within TLS with metrics, and where both are.
struct Watched {
    daemon: Daemon,
    address: SocketAddr,
    metrics: SocketAddr,
}

impl Watched {
    #[track_caller]
    fn start(certificate: &Path, flags: &[&str]) -> Self {
        let certificate = certificate.to_str().expect("UTF-8");
        let key = path("key.pem");
        let listen = ["--listen", "tls:127.0.0.1:0", "--metrics", "127.0.0.1:0"];
        let tls = ["--tls-cert", certificate, "--tls-key", &key];
        let mut daemon = Daemon::spawn(command(&[&listen, &tls, flags].concat()));
        let address = daemon.listening.strip_prefix("tls:").expect("TLS").parse().expect("one");
        let metrics = daemon.log.finds("metrics on ").split_off("metrics on ".len());
        Self { daemon, address, metrics: metrics.parse().expect("an address") }
    }

    #[track_caller]
    fn page(&self) -> String {
        let mut socket = Telnet::tcp(self.metrics);
        socket.sends(b"GET /metrics HTTP/1.0\r\n\r\n");
        let mut page = String::new();
        socket.read_to_string(&mut page).expect("a page");
        page
    }

    /// The value of a metric, if there is one.
    #[track_caller]
    fn metric(&self, name: &str) -> Option<u64> {
        let page = self.page();
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(value.parse().expect("a number"))
    }

    /// Waits until a metric has come to that.
    #[track_caller]
    fn comes_to(&self, name: &str, value: u64) {
        let deadline = std::time::Instant::now() + support::DEADLINE;
        while self.metric(name) != Some(value) {
            assert!(std::time::Instant::now() < deadline, "{name} is {:?}", self.metric(name));
            std::thread::yield_now();
        }
    }
}

/// A certificate that holds for so many days from now on, of no authority but itself.
fn good_for(days: u32, folder: &Path) -> Option<PathBuf> {
    let certificate = folder.join(format!("{days}.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-new", "-subj", "/CN=localhost", "-key", &path("key.pem")]);
    openssl.args(["-days", &days.to_string(), "-out"]).arg(&certificate);
    openssl.output().ok()?.status.success().then_some(certificate)
}

#[test]
fn when_the_certificate_expires_is_a_metric_that_a_new_one_changes() {
    let folder = std::env::temp_dir().join(format!("smoltalk-{}-expires", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let cert = folder.join("cert.pem");
    fs::copy(file("server.pem"), &cert).expect("copied");
    let mut watched = Watched::start(&cert, &[]);
    // 2120-01-01 and 2021-01-01.
    assert_eq!(watched.metric(NOT_AFTER), Some(4_733_510_400));
    fs::copy(file("expired.pem"), &cert).expect("copied");
    watched.daemon.signal("HUP");
    watched.daemon.log.sees("access: certificate read again");
    let said = watched.daemon.log.line();
    assert!(said.starts_with("certificate: expired ") && said.contains(" days ago"), "{said}");
    assert_eq!(watched.metric(NOT_AFTER), Some(1_609_459_200));
    // One that is no good is not taken, and the old one is no better for that.
    fs::copy(file("make"), &cert).expect("copied");
    watched.daemon.signal("HUP");
    watched.daemon.log.finds("access: ");
    watched.daemon.log.sees("certificate: expired ...");
    assert_eq!(watched.metric(NOT_AFTER), Some(1_609_459_200));
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn who_starts_with_an_old_certificate_is_told_and_serves_it() {
    let mut watched = Watched::start(&file("expired.pem"), &["--quiet"]);
    watched.daemon.log.sees("certificate: expired ...");
    let mut ada = Within::connect(watched.address, &client(VERSIONS[1], None));
    let refused = ada.try_line().expect_err("it has expired");
    assert!(refused.contains("expired"), "{refused}");
}

#[test]
fn of_one_that_does_not_hold_yet_or_never_does_is_told_at_the_start_and_when_it_is_read_again() {
    let folder = std::env::temp_dir().join(format!("smoltalk-{}-early", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let cert = folder.join("cert.pem");
    let [early, never] = [
        ("early.pem", "certificate: not valid yet, it begins in "),
        (
            "backwards.pem",
            "certificate: never valid, it ends before it begins, and clients refuse it",
        ),
    ];
    for [(first, said), (second, said_then)] in [[early, never], [never, early]] {
        fs::copy(file(first), &cert).expect("copied");
        let mut watched = Watched::start(&cert, &["--quiet"]);
        let line = watched.daemon.log.line();
        assert!(line.starts_with(said), "{line}");
        fs::copy(file(second), &cert).expect("copied");
        watched.daemon.signal("HUP");
        watched.daemon.log.sees("access: certificate read again");
        let line = watched.daemon.log.line();
        assert!(line.starts_with(said_then), "{line}");
    }
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn with_json_it_is_an_object() {
    let key = path("key.pem");
    let flags = ["--listen", "tls:127.0.0.1:0", "--log", "json", "--tls-key", &key, "--tls-cert"];
    for (cert, field, time) in [
        ("expired.pem", "expires", "2021-01-01T00:00:00.000Z"),
        ("early.pem", "begins", "2110-01-01T00:00:00.000Z"),
        (
            "backwards.pem",
            "text",
            "certificate: never valid, it ends before it begins, and clients refuse it",
        ),
    ] {
        let mut daemon = Daemon::launch(command(&[&flags[..], &[&path(cert)]].concat()));
        let line = loop {
            let line = daemon.log.line();
            if line.contains("\"certificate\"") {
                break line;
            }
        };
        let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&told["level"], &told[field]), (&"error".into(), &time.into()), "{line}");
    }
}

#[test]
fn whose_certificate_is_not_taken_is_refused_for_that_and_counted_so() {
    const FAILED: &str = "smoltalk_handshakes_failed_total{reason=\"certificate\"}";
    // The client does not take the server's.
    let mut watched = Watched::start(&file("expired.pem"), &[]);
    watched.daemon.log.sees("certificate: expired ...");
    assert_eq!(watched.metric(FAILED), Some(0));
    for (version, so_far) in VERSIONS.into_iter().zip(1..) {
        let _ = Within::connect(watched.address, &client(version, None)).shakes_hands();
        let said = watched.daemon.log.line();
        assert!(said.contains(": certificate (received fatal alert: "), "{said}");
        watched.comes_to(FAILED, so_far);
    }
    // The server does not take the client's, or there is none.
    let flags = ["--tls-client-ca", &path("authority.pem")];
    let mut watched = Watched::start(&file("server.pem"), &flags);
    for (shows, so_far) in [Some("stranger.pem"), None].into_iter().zip(1..) {
        let _ = Within::connect(watched.address, &client(VERSIONS[1], shows)).try_line();
        let said = watched.daemon.log.line();
        assert!(said.starts_with("refused ") && said.contains(": certificate ("), "{said}");
        watched.comes_to(FAILED, so_far);
    }
    assert_eq!(watched.metric("smoltalk_handshakes_failed_total{reason=\"no-tls\"}"), Some(0));
}

#[test]
fn of_a_certificate_is_told_when_fewer_than_fourteen_days_are_left() {
    let folder = std::env::temp_dir().join(format!("smoltalk-{}-left", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    for (days, is_told) in [(13, true), (15, false)] {
        let Some(cert) = good_for(days, &folder) else {
            return eprintln!("skipped: this machine has no openssl");
        };
        let mut watched = Watched::start(&cert, &[]);
        watched.daemon.signal("TERM");
        let (_, log) = watched.daemon.end();
        let told = log.iter().any(|line| line.starts_with("certificate: expires in 1"));
        assert_eq!(told, is_told, "{log:?}");
    }
    fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn a_server_without_tls_has_no_metric_of_it() {
    let mut daemon = Daemon::start(&["--metrics", "127.0.0.1:0"]);
    let metrics = daemon.log.finds("metrics on ").split_off("metrics on ".len());
    let address = daemon.address();
    let watched = Watched { daemon, address, metrics: metrics.parse().expect("an address") };
    assert_eq!(watched.metric("smoltalk_members"), Some(0));
    let page = watched.page();
    assert!(!page.contains("certificate") && !page.contains("handshake"), "{page}");
}

#[test]
fn status_says_for_how_long_it_holds() {
    let control = support::SocketPath::new("tls-status");
    let flags = ["--control", &control.address()];
    let _watched = Watched::start(&file("server.pem"), &flags);
    let mut operator = Telnet::unix(&control.0);
    operator.types("STATUS");
    let left = operator.finds("STATUS certificate-left ").split_off(24);
    let left: u64 = left.parse().expect("seconds");
    assert!(left > 90 * 365 * 86_400 && left < 100 * 366 * 86_400, "{left}");
}

#[test]
fn handshakes_that_come_to_nothing_are_counted_by_what_became_of_them() {
    let watched = Watched::start(&file("server.pem"), &["--join-timeout", "2"]);
    let failed = |reason: &str| format!("smoltalk_handshakes_failed_total{{reason=\"{reason}\"}}");
    for reason in ["no-tls", "certificate", "join-timeout", "lost"] {
        assert_eq!(watched.metric(&failed(reason)), Some(0), "{reason}");
    }
    let mut plain = TcpStream::connect(watched.address).expect("connected");
    plain.write_all(b"JOIN ada\n").expect("sent");
    watched.comes_to(&failed("no-tls"), 1);
    let gone = TcpStream::connect(watched.address).expect("connected");
    gone.shutdown(Shutdown::Both).expect("shut");
    watched.comes_to(&failed("lost"), 1);
    let _silent = TcpStream::connect(watched.address).expect("connected");
    watched.comes_to(&failed("join-timeout"), 1);
    Within::connect(watched.address, &client(VERSIONS[1], None)).greeted().fence();
    for reason in ["no-tls", "join-timeout", "lost"] {
        assert_eq!(watched.metric(&failed(reason)), Some(1), "{reason}");
    }
}

#[test]
fn handshakes_under_way_are_seen_until_they_are_over() {
    const GAUGE: &str = "smoltalk_handshakes_under_way";
    let control = support::SocketPath::new("tls-under-way");
    let flags = ["--control", &control.address(), "--max-connections", "3"];
    let watched = Watched::start(&file("server.pem"), &flags);
    assert_eq!(watched.metric(GAUGE), Some(0));
    let [mut plain, gone, _silent] = [(); 3].map(|()| Telnet::tcp(watched.address));
    watched.comes_to(GAUGE, 3);
    // There is no place for another one, and the operator sees why.
    let mut socket = TcpStream::connect(watched.address).expect("connected");
    assert_eq!(socket.read(&mut [0; 9]).expect("the end"), 0);
    let mut operator = Telnet::unix(&control.0);
    operator.types("STATUS");
    operator.finds("STATUS connections 0");
    operator.finds("STATUS handshakes 3");
    // One is no TLS, one goes; and whose are over is somebody in the room.
    plain.types("JOIN ada");
    watched.comes_to(GAUGE, 2);
    gone.breaks();
    watched.comes_to(GAUGE, 1);
    let _guest = Within::connect(watched.address, &client(VERSIONS[1], None)).greeted();
    assert_eq!((watched.metric(GAUGE), watched.metric("smoltalk_guests")), (Some(1), Some(1)));
}

#[test]
fn who_is_closed_before_the_handshake_is_counted_like_any_who_is_refused() {
    let bans = std::env::temp_dir().join(format!("smoltalk-{}-tls-refused", std::process::id()));
    fs::write(&bans, "127.0.0.1\n").expect("written");
    let banned = Watched::start(&file("server.pem"), &["--bans", bans.to_str().expect("UTF-8")]);
    let mut socket = TcpStream::connect(banned.address).expect("connected");
    assert_eq!(socket.read(&mut [0; 9]).expect("the end"), 0);
    assert_eq!(banned.metric("smoltalk_refused_total{code=\"banned\"}"), Some(1));
    fs::remove_file(&bans).expect("removed");
    let full = Watched::start(&file("server.pem"), &["--max-per-address", "1"]);
    let _first = Within::connect(full.address, &client(VERSIONS[1], None)).greeted();
    let mut socket = TcpStream::connect(full.address).expect("connected");
    assert_eq!(socket.read(&mut [0; 9]).expect("the end"), 0);
    assert_eq!(full.metric("smoltalk_refused_total{code=\"full\"}"), Some(1));
    assert_eq!(full.metric("smoltalk_handshakes_failed_total{reason=\"lost\"}"), Some(0));
}

#[test]
fn promtool_finds_nothing_to_say_of_it() {
    use std::process::Stdio;
    let watched = Watched::start(&file("server.pem"), &[]);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut promtool) = promtool.stderr(Stdio::piped()).spawn() else {
        return eprintln!("skipped: there is no promtool");
    };
    let page = watched.page();
    let (_, text) = page.split_once("\r\n\r\n").expect("a head");
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
