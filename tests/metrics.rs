//! Metrics and health by HTTP, from outside.

mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use support::{Daemon, SocketPath, Telnet, command, run};

/// A server with metrics, and where they are.
fn watched(arguments: &[&str]) -> (Daemon, SocketAddr) {
    let mut daemon = Daemon::start(&[&["--metrics", "127.0.0.1:0"], arguments].concat());
    let line = daemon.log.line();
    let address = line.strip_prefix("metrics on ").expect("a line for the metrics");
    (daemon, address.parse().expect("an address"))
}

/// What a request is answered, all of it.
#[track_caller]
fn answer(address: SocketAddr, request: &str) -> String {
    let mut socket = Telnet::tcp(address);
    socket.sends(request.as_bytes());
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("an answer, and its end");
    answer
}

/// The status and the text of a page.
#[track_caller]
fn get(address: SocketAddr, page: &str) -> (u16, String) {
    let answer = answer(address, &format!("GET {page} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
    let length = format!("\r\nContent-Length: {}\r\n", text.len());
    assert!(head.contains(&length), "{head}");
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
    (status.and_then(|status| status.parse().ok()).expect("a status"), text.into())
}

/// What `smoltalkd --health` comes to: its exit code, and all that it says.
#[track_caller]
fn asked(address: &str) -> (i32, String) {
    let output = run(command(&["--health", address]));
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("a code"), String::from_utf8(said).expect("UTF-8"))
}

/// The value of a metric.
#[track_caller]
fn metric(address: SocketAddr, name: &str) -> f64 {
    let (_, text) = get(address, "/metrics");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

#[test]
fn what_happens_is_counted() {
    let (daemon, address) = watched(&[]);
    let (mut ada, mut bob) = (daemon.member("ada"), daemon.member("bob"));
    let mut guest = daemon.guest();
    guest.types("JOIN ada");
    guest.sees("ERR name-taken ...");
    ada.sees("JOINED bob");
    ada.types("MSG hello\nDATA 3\nabc\nTELL bob hi");
    bob.sees("MSG ada hello");
    bob.sees("MSG ada abc");
    bob.sees("TELL ada hi");
    daemon.member("eve").types("LEAVE");
    ada.finds("LEFT eve");
    for (name, value) in [
        ("smoltalk_members", 2.0),
        ("smoltalk_guests", 1.0),
        ("smoltalk_messages_total", 3.0),
        ("smoltalk_message_bytes_total", 10.0),
        ("smoltalk_deliveries_total", 3.0),
        ("smoltalk_refused_total{code=\"name-taken\"}", 1.0),
        ("smoltalk_refused_total{code=\"full\"}", 0.0),
        ("smoltalk_left_total{reason=\"left\"}", 1.0),
        ("smoltalk_left_total{reason=\"kicked\"}", 0.0),
        ("smoltalk_lagging_members", 0.0),
        ("smoltalk_backlog_bytes", 0.0),
        ("smoltalk_draining", 0.0),
    ] {
        assert_eq!(metric(address, name).to_string(), value.to_string(), "{name}");
    }
    assert!(metric(address, "smoltalk_sent_bytes_total") > 100.0);
    let flushes = metric(address, "smoltalk_flush_seconds_count");
    assert!(flushes > 3.0 && metric(address, "smoltalk_flush_seconds_sum") > 0.0);
    assert!(metric(address, "smoltalk_flush_seconds_bucket{le=\"+Inf\"}") >= flushes);
    assert!(metric(address, "process_resident_memory_bytes") > 100_000.0);
    assert!(metric(address, "process_cpu_seconds_total") > 0.0);
    assert!(metric(address, "process_start_time_seconds") > 1.7e9);
    assert!(metric(address, "process_max_fds") >= 64.0);
}

#[test]
fn each_way_to_be_gone_is_counted_under_its_reason() {
    let (daemon, address) = watched(&[]);
    let mut ada = daemon.member("ada");
    daemon.member("bob").breaks();
    ada.finds("LEFT bob");
    let mut eve = daemon.guest();
    eve.types("JOIN eve resume=0123456789abcdef");
    eve.sees("OK eve 2");
    let mut again = daemon.guest();
    again.types("JOIN eve resume=0123456789abcdef");
    eve.sees("BYE replaced");
    for (reason, count) in [("left", 0.0), ("lost", 1.0), ("replaced", 1.0), ("stalled", 0.0)] {
        let name = format!("smoltalk_left_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(address, &name).to_string(), f64::to_string(&count), "{reason}");
    }
}

#[test]
fn names_and_kinds_are_those_that_prometheus_expects() {
    let (_daemon, address) = watched(&[]);
    let (status, text) = get(address, "/metrics");
    assert_eq!(status, 200);
    let mut kind = "";
    let mut described = "";
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["#", "HELP", name, ..] => {
                assert!(line.ends_with('.'), "{line}");
                described = name;
            }
            ["#", "TYPE", name, what] => {
                assert_eq!(name, described);
                kind = what;
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            }
            [name, value] => {
                assert!(value.parse::<f64>().is_ok(), "{line}");
                let base = name.split('{').next().expect("a name");
                assert!(base == described || kind == "histogram" && base.starts_with(described));
                assert!(base.starts_with("smoltalk_") || base.starts_with("process_"), "{base}");
            }
            _ => panic!("{line}"),
        }
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let journal = SocketPath::new("metrics-journal");
    let (_daemon, address) = watched(&["--journal", journal.0.to_str().expect("UTF-8")]);
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut promtool) = promtool.stderr(Stdio::piped()).spawn() else {
        return eprintln!("skipped: there is no promtool");
    };
    let (_, text) = get(address, "/metrics");
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_head_has_no_text_and_what_is_not_there_is_said_to_be_so() {
    let (_daemon, address) = watched(&[]);
    let head = answer(address, "HEAD /healthz HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(
        head.contains("\r\nContent-Length: 3\r\n") && head.contains("\r\nConnection: close\r\n")
    );
    let old = answer(address, "GET /healthz HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("\r\n\r\nok\n"), "{old}");
    assert_eq!(get(address, "/").0, 404);
    assert_eq!(get(address, "/metrics/x").0, 404);
    let refused = answer(address, "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc");
    assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
    assert!(refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
    let refused = answer(address, "JOIN ada\n");
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
}

#[test]
fn a_server_is_in_good_health_until_it_drains() {
    let (mut daemon, address) = watched(&["--drain", "3600"]);
    assert_eq!(get(address, "/healthz"), (200, "ok\n".into()));
    assert_eq!(asked(&address.to_string()), (0, "ok\n".into()));
    let (mut ada, mut bob) = (daemon.member("ada"), daemon.member("bob"));
    ada.sees("JOINED bob");
    daemon.signal("TERM");
    let deadline = Instant::now() + support::DEADLINE;
    while TcpStream::connect(daemon.address()).is_ok() {
        assert!(Instant::now() < deadline, "it takes more");
    }
    assert_eq!(get(address, "/healthz"), (503, "draining\n".into()));
    assert_eq!(asked(&address.to_string()), (1, "smoltalkd: draining\n".into()));
    assert_eq!(metric(address, "smoltalk_draining").to_string(), "1");
    bob.types("MSG still here");
    ada.sees("MSG bob still here");
    daemon.signal("TERM");
    assert_eq!(daemon.end().0.code(), Some(1));
}

#[test]
fn where_there_are_no_metrics_is_no_good_health() {
    let path = SocketPath::new("metrics-of-another");
    let daemon = Daemon::start(&["--metrics", &path.address()]);
    assert_eq!(asked(&path.address()), (0, "ok\n".into()));
    let room = daemon.address().to_string();
    assert_eq!(asked(&room).1, "smoltalkd: that is not the --metrics of a smoltalkd\n");
    drop(daemon);
    assert_eq!(asked(&room), (1, format!("smoltalkd: {room}: Connection refused\n")));
}

#[test]
fn a_journal_that_fails_is_no_good_health() {
    let journal = SocketPath::new("metrics-failing-journal");
    let path = journal.0.to_str().expect("UTF-8");
    // No file may have more than so many blocks.
    let mut daemon =
        Daemon::start_after("ulimit -f 8", &["--metrics", "127.0.0.1:0", "--journal", path]);
    let address = daemon.log.finds("metrics on ").split_off("metrics on ".len());
    let address = address.parse().expect("an address");
    assert_eq!(get(address, "/healthz").0, 200);
    assert_eq!(metric(address, "smoltalk_journal_failing").to_string(), "0");
    let mut ada = daemon.member("ada");
    for _ in 0..10 {
        ada.types(&format!("MSG {}", "x".repeat(4000)));
    }
    ada.fence();
    assert_eq!(get(address, "/healthz"), (503, "journal failing\n".into()));
    assert_eq!(metric(address, "smoltalk_journal_failing").to_string(), "1");
    let _ = std::fs::remove_file(format!("{path}.1"));
}

#[test]
fn slow_huge_and_strange_requests_keep_nobody_from_being_served() {
    let (daemon, address) = watched(&[]);
    let mut slow: Vec<Telnet> = (0..50).map(|_| Telnet::tcp(address)).collect();
    for socket in &mut slow {
        let _ = socket.try_send(b"GET /metrics HTTP/1.1\r\nX: ");
    }
    let mut huge = Telnet::tcp(address);
    while huge.try_send(&[b'x'; 10_000]).is_ok() {}
    assert_eq!(get(address, "/healthz").0, 200);
    let began = Instant::now();
    daemon.member("ada").fence();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(get(address, "/metrics").0, 200);
}

#[test]
fn dashboard_and_alerts_know_no_metric_that_there_is_not() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a file");
    let source = read("src/server/desk/metrics.rs");
    for path in ["deploy/grafana.json", "deploy/alerts.yaml"] {
        let text = read(path);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let is_metric = |word: &&str| word.starts_with("smoltalk_") || word.starts_with("process_");
        let mut metrics = 0;
        for metric in words.filter(is_metric) {
            let name = metric.strip_suffix("_bucket").unwrap_or(metric);
            assert!(source.contains(&format!("\"{name}\"")), "{path}: {metric}");
            metrics += 1;
        }
        assert!(metrics > 5, "{path}");
    }
    serde_json::from_str::<serde_json::Value>(&read("deploy/grafana.json")).expect("JSON");
}
