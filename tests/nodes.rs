//! Several servers are one room: members of different nodes cannot tell, whatever breaks between them.
//!
//! `NODES_SECONDS=600 cargo test --release --features redis --test nodes` breaks longer, `NODES_SEED=…` again.

mod support;
mod talker;

#[path = "../src/log/nodes/tests/proxy.rs"]
#[allow(dead_code)] // Some of it is the engine's tests'.
mod proxy;
#[path = "../src/log/nodes/tests/server.rs"]
#[allow(dead_code)]
mod redis;

use proxy::Proxy;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};
use support::{Daemon, Telnet, command};
use talker::{Random, Talkers, seed, setting};

const SECRET: &str = "0123456789abcdef";

/// What the proxy rolls.
#[derive(Debug)]
pub struct Dice(Random);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.below(usize::try_from(n).expect("few")) as u64
    }

    fn another(&mut self) -> Self {
        Self(Random(self.below(u64::from(u32::MAX))))
    }
}

/// A server that shares its room, and may be killed and started again at the same address.
struct Node {
    daemon: Daemon,
    url: String,
}

impl Node {
    fn start(port: u16) -> Self {
        let url = format!("redis://127.0.0.1:{port}");
        Self { daemon: Self::spawn("127.0.0.1:0", &url), url }
    }

    fn spawn(listen: &str, url: &str) -> Daemon {
        let history = ["--history", "1000000", "--history-bytes", "100000000"];
        Self::spawn_with(listen, url, &history)
    }

    fn spawn_with(listen: &str, url: &str, flags: &[&str]) -> Daemon {
        Daemon::spawn(command(&[&["--listen", listen, "--redis", url], flags].concat()))
    }

    fn kill_and_start(&mut self) {
        let listening = self.daemon.listening.clone();
        self.daemon.signal("KILL");
        self.daemon.end();
        self.daemon = Self::spawn(&listening, &self.url);
    }

    fn member(&self, name: &str) -> Telnet {
        self.daemon.member(name)
    }
}

/// A Redis and so many nodes; nothing, where no Redis is installed.
fn room(nodes: usize) -> Option<(redis::Server, Vec<Node>)> {
    let redis = redis::Server::start()?;
    let nodes = (0..nodes).map(|_| Node::start(redis.port)).collect();
    Some((redis, nodes))
}

#[test]
fn members_of_different_nodes_are_in_one_room() {
    let Some((_redis, nodes)) = room(2) else { return };
    let mut ada = nodes[0].member("ada");
    let mut bob = nodes[1].member("Bob");
    ada.sees("JOINED Bob");
    ada.types("MSG hi");
    bob.sees("MSG ada hi");
    bob.types("TELL ADA psst");
    ada.sees("TELL Bob psst");
    ada.sends(b"DATA 5\none\n2\n");
    bob.sees("MSG ada one");
    bob.sees("MSG ada 2");
    bob.types("WHO");
    bob.sees("WHO 2 ada Bob");
    bob.types("TELL eve hi");
    bob.sees("ERR no-such-member ...");
    let mut other = nodes[1].daemon.guest();
    other.types("JOIN Ada");
    other.sees("ERR name-taken ...");
    other.types("JOIN eve last=2");
    other.sees("OK eve 3");
    other.sees("MSG ada hi");
    other.sees("MSG ada one");
    other.sees("MSG ada 2");
    ada.sees("JOINED eve");
    ada.types("LEAVE");
    ada.sees("BYE");
    bob.sees("JOINED eve");
    bob.sees("LEFT ada");
}

#[test]
fn who_says_a_word_and_ends_its_stream_has_said_it() {
    let Some((_redis, nodes)) = room(2) else { return };
    let mut ada = nodes[0].member("ada");
    let mut bob = nodes[1].daemon.guest();
    bob.sends(b"JOIN bob\nMSG one\nMSG two\nMSG three");
    bob.ends();
    ada.sees("JOINED bob");
    for line in ["MSG bob one", "MSG bob two", "MSG bob three", "LEFT bob"] {
        ada.sees(line);
    }
}

#[test]
fn who_ends_its_stream_is_answered_first() {
    let Some((_redis, nodes)) = room(1) else { return };
    let mut bob = nodes[0].daemon.guest();
    bob.sends(b"JOIN bob echo\nMSG hi\nTELL ada hi\nMSG end");
    bob.ends();
    let answers = ["OK bob 1", "MSG bob hi", "ERR no-such-member ...", "MSG bob end"];
    for line in answers {
        bob.sees(line);
    }
    bob.sees_the_end();
}

#[test]
fn what_waits_for_an_answer_is_what_was_said() {
    let Some((_redis, nodes)) = room(1) else { return };
    let mut bob = nodes[0].member("bob");
    // An escaped byte that would be, with the next one, telnet's wish to go; and two CRs.
    bob.sends(b"MSG hi\nPING \xff\xff\xf4\r\r\n");
    bob.sees("PONG \u{fffd}\u{fffd}\u{240d}");
}

#[test]
fn a_place_is_taken_over_at_another_node_unseen() {
    let Some((_redis, nodes)) = room(2) else { return };
    let mut bob = nodes[0].member("bob");
    let mut old = nodes[0].daemon.guest();
    old.types(&format!("JOIN Ada id echo resume={SECRET}"));
    old.sees("OK Ada 2 ...");
    bob.sees("JOINED Ada");
    let mut new = nodes[1].daemon.guest();
    new.types(&format!("JOIN ada id echo resume={SECRET}"));
    new.sees("OK Ada 2 ...");
    old.sees("BYE replaced");
    new.types("MSG here");
    bob.sees("MSG Ada here");
}

#[test]
fn of_two_who_want_a_name_at_two_nodes_one_gets_it() {
    let Some((_redis, nodes)) = room(2) else { return };
    let names = usize::try_from(setting("NODES_NAMES").unwrap_or(300)).expect("few");
    for name in 0..names {
        let mut both = [0, 1].map(|node| nodes[node].daemon.guest());
        for guest in &mut both {
            guest.types(&format!("JOIN n{name}"));
        }
        let answers = both.each_mut().map(Telnet::line);
        let got = answers.iter().filter(|answer| answer.starts_with("OK ")).count();
        assert_eq!(got, 1, "{answers:?}");
    }
}

#[test]
fn a_killed_nodes_members_are_lost_after_a_while_but_for_who_comes_back_before() {
    let Some((_redis, mut nodes)) = room(2) else { return };
    let mut bob = nodes[0].member("bob");
    let _eve = nodes[1].member("eve");
    bob.sees("JOINED eve");
    let mut ada = nodes[1].daemon.guest();
    ada.types(&format!("JOIN ada id echo resume={SECRET}"));
    ada.sees("OK ada 3 ...");
    bob.sees("JOINED ada");
    nodes[1].kill_and_start();
    let mut ada = nodes[0].daemon.guest();
    ada.types(&format!("JOIN ada id echo resume={SECRET}"));
    ada.sees("OK ada 3 ...");
    bob.sees("LEFT eve lost");
    bob.types("WHO");
    bob.sees("WHO 2 ada bob");
}

#[test]
fn a_log_that_is_emptied_is_said_to_all_and_is_a_gap() {
    let Some((redis, nodes)) = room(2) else { return };
    let mut ada = nodes[0].daemon.guest();
    ada.types(&format!("JOIN ada id echo resume={SECRET}"));
    let ok = ada.line();
    let since = ok.split_once("id=").and_then(|(_, rest)| rest.split(' ').next()).expect("an id");
    let mut bob = nodes[1].member("bob");
    redis.ask(&["FLUSHALL"]);
    ada.finds("BYE log-lost");
    bob.finds("BYE log-lost");
    let mut ada = nodes[1].daemon.guest();
    ada.types(&format!("JOIN ada id echo resume={SECRET} since={since}"));
    ada.sees("OK ada 1 ...");
    ada.sees("GAP");
}

#[test]
fn a_steady_reader_stays_whatever_is_said_at_another_node() {
    let Some(redis) = redis::Server::start() else { return };
    let nodes = [0, 1].map(|_| {
        let url = format!("redis://127.0.0.1:{}", redis.port);
        let small = ["--outbox", "131072", "--memory", "4194304"];
        let listen = ["--listen", "127.0.0.1:0", "--redis", &url];
        Daemon::spawn(command(&[&listen[..], &small[..]].concat()))
    });
    let slow = nodes[1].member("slow");
    let flood = nodes[0].member("flood");
    let mut flooding = flood.writer();
    let line = [&b"MSG "[..], &[b'x'; 1500], b"\n"].concat();
    // It ends with the connection.
    let flooder = thread::spawn(move || while flooding.write_all(&line).is_ok() {});
    let mut reading = slow.writer();
    let mut bytes = [0; 16 * 1024];
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        reading.read_exact(&mut bytes).expect("it stays");
        thread::sleep(Duration::from_millis(20));
    }
    flood.socket().shutdown(Shutdown::Both).expect("it is there");
    flooder.join().expect("it ends");
}

#[test]
fn a_node_that_was_stopped_for_too_long_says_so_and_takes_members_again() {
    let Some((_redis, mut nodes)) = room(2) else { return };
    let mut bob = nodes[0].member("bob");
    let mut ada = nodes[1].member("ada");
    bob.sees("JOINED ada");
    nodes[1].daemon.signal("STOP");
    bob.sees("LEFT ada lost");
    nodes[1].daemon.signal("CONT");
    ada.finds("BYE node-lost");
    let mut ada = nodes[1].member("ada");
    bob.sees("JOINED ada");
    ada.types("MSG back");
    bob.sees("MSG ada back");
    nodes[1].daemon.log.finds("log: the others have given this node up");
}

#[test]
fn while_redis_is_away_all_wait_and_nothing_is_lost() {
    let Some((mut redis, nodes)) = room(2) else { return };
    let (mut ada, mut bob) = (nodes[0].member("ada"), nodes[1].member("bob"));
    ada.sees("JOINED bob");
    redis.restart();
    for n in 0..20 {
        ada.types(&format!("MSG {n}"));
    }
    for n in 0..20 {
        bob.sees(&format!("MSG ada {n}"));
    }
    redis.restart();
    nodes[0].member("eve");
    bob.sees("JOINED eve");
}

#[test]
fn who_has_said_all_and_waits_for_redis_is_let_in_however_late() {
    let Some(redis) = redis::Server::start() else { return };
    let node = Node::spawn_with(
        "127.0.0.1:0",
        &format!("redis://127.0.0.1:{}", redis.port),
        &["--join-timeout", "1"],
    );
    let mut ada = node.member("ada");
    redis.signal("-STOP");
    let mut bob = node.guest();
    bob.sends(b"JOIN bob\nMSG hi");
    bob.ends();
    // Who came after bob has had its time, and so has bob: twice.
    for _ in 0..2 {
        node.guest().sees("BYE join-timeout");
    }
    redis.signal("-CONT");
    for line in ["JOINED bob", "MSG bob hi", "LEFT bob"] {
        ada.sees(line);
    }
}

/// Stops Redis, and waits until these know it.
fn stop(redis: &redis::Server, nodes: &mut [Node]) {
    redis.signal("-STOP");
    for node in nodes {
        node.daemon.log.finds("log: out of reach: ");
    }
}

#[test]
fn who_waited_for_redis_here_and_asks_again_elsewhere_is_not_put_out_by_that() {
    let Some((redis, mut nodes)) = room(3) else { return };
    let mut ada = nodes[0].member("ada");
    stop(&redis, &mut nodes);
    let join = format!("JOIN bob id echo resume={SECRET}");
    for node in &nodes {
        let mut bob = node.daemon.guest();
        bob.types(&join);
        bob.types("PING there?");
    }
    let mut bob = nodes[1].daemon.guest();
    bob.types(&join);
    redis.signal("-CONT");
    bob.sees("OK bob 2 ...");
    ada.sees("JOINED bob");
    // Whatever else was asked for is decided before this.
    for node in &nodes {
        node.member("eve").types("LEAVE");
        ada.sees("JOINED eve");
        ada.sees("LEFT eve");
    }
    bob.types("MSG here");
    ada.sees("MSG bob here");
}

#[test]
fn who_gave_up_waiting_for_redis_holds_no_name() {
    let Some((redis, mut nodes)) = room(1) else { return };
    let mut ada = nodes[0].member("ada");
    stop(&redis, &mut nodes);
    nodes[0].daemon.guest().types("JOIN bob");
    let mut bob = nodes[0].daemon.guest();
    bob.types("JOIN bob");
    redis.signal("-CONT");
    bob.sees("OK bob 2");
    ada.sees("JOINED bob");
    bob.types("MSG here");
    ada.sees("MSG bob here");
}

#[test]
fn who_gave_up_waiting_for_redis_and_can_come_back_keeps_no_place() {
    let Some(redis) = redis::Server::start() else { return };
    let flags = ["--join-timeout", "1", "--max-connections", "2"];
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let mut nodes = [Node { daemon: Node::spawn_with("127.0.0.1:0", &url, &flags), url }];
    nodes[0].member("ada").types("LEAVE");
    stop(&redis, &mut nodes);
    nodes[0].daemon.guest().types(&format!("JOIN bob id resume={SECRET}"));
    nodes[0].daemon.guest().sees("BYE join-timeout");
    // Who came before it has had its time as well.
    let (_one, _another) = (nodes[0].daemon.guest(), nodes[0].daemon.guest());
    redis.signal("-CONT");
}

#[test]
fn who_has_gone_and_is_not_out_yet_is_nobodys_addressee() {
    let Some((redis, nodes)) = room(1) else { return };
    let (mut ada, mut bob) = (nodes[0].member("ada"), nodes[0].member("bob"));
    ada.sees("JOINED bob");
    redis.signal("-STOP");
    ada.types("LEAVE");
    ada.finds("BYE");
    ada.sees_the_end();
    drop(ada);
    // Until nothing of the connection is left.
    thread::sleep(Duration::from_millis(200));
    bob.types("TELL ada hi");
    thread::sleep(Duration::from_millis(100));
    redis.signal("-CONT");
    bob.sees("LEFT ada");
    bob.sees("ERR no-such-member ...");
    bob.fence();
}

#[test]
fn who_has_gone_and_is_not_out_yet_does_not_go_again_with_the_log() {
    let Some((mut redis, nodes)) = room(1) else { return };
    let mut ada = nodes[0].member("ada");
    redis.copy();
    let mut bob = nodes[0].member("bob");
    ada.sees("JOINED bob");
    redis.signal("-STOP");
    ada.types("LEAVE");
    ada.finds("BYE");
    ada.sees_the_end();
    drop(ada);
    thread::sleep(Duration::from_millis(200));
    // It may have the seat now.
    let mut eve = nodes[0].daemon.guest();
    redis.go_back();
    bob.finds("BYE log-lost");
    eve.types("JOIN eve");
    eve.sees("OK eve 1");
}

#[test]
fn members_stay_while_redis_takes_nothing_and_the_log_says_why() {
    let Some((redis, mut nodes)) = room(2) else { return };
    let (mut ada, mut bob) = (nodes[0].member("ada"), nodes[1].member("bob"));
    ada.sees("JOINED bob");
    // Nobody's replica, but it does not know.
    redis.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    ada.types("MSG hi");
    nodes[0].daemon.log.finds("log: out of reach: ");
    redis.ask(&["REPLICAOF", "NO", "ONE"]);
    bob.sees("MSG ada hi");
    nodes[0].daemon.log.finds("log: within reach again");
}

#[test]
fn a_redis_that_would_evict_what_it_likes_is_refused() {
    let Some(redis) = redis::Server::start() else { return };
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let (status, log) = Node::start(redis.port).daemon.end();
    assert_eq!(status.code(), Some(1));
    assert!(log.iter().any(|line| line.contains("and has to be noeviction")), "{log:?}");
}

#[test]
fn whatever_breaks_between_the_nodes_changes_nobodys_story() {
    let Some(mut redis) = redis::Server::start() else { return };
    let (seed, seconds) = (seed("NODES_SEED"), setting("NODES_SECONDS").unwrap_or(15));
    eprintln!("NODES_SECONDS={seconds} NODES_SEED={seed}");
    let mut random = Random(seed);
    let mut dice = Dice(Random(seed + 1));
    let proxies: Vec<Proxy> = (0..3).map(|_| Proxy::start(redis.port, dice.another())).collect();
    let mut nodes: Vec<Node> = proxies.iter().map(|proxy| Node::start(proxy.port)).collect();
    let addresses: Vec<SocketAddr> = nodes.iter().map(|node| node.daemon.address()).collect();
    let talkers = Talkers::begin(9, addresses);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        talkers.wait_for(random.below(3000));
        let at = random.below(3);
        match random.below(8) {
            0..=2 => nodes[at].kill_and_start(),
            3 => proxies[at].cut(),
            4 => {
                proxies[at].set_mischief(50);
                talkers.wait_for(2000);
                proxies[at].set_mischief(0);
            }
            5 => {
                // So long that the others give it up.
                nodes[at].daemon.signal("STOP");
                thread::sleep(Duration::from_millis(random.below(8000) as u64));
                nodes[at].daemon.signal("CONT");
            }
            6 => redis.stop_for(Duration::from_millis(random.below(3000) as u64)),
            _ => redis.restart(),
        }
    }
    talkers.end();
}

#[test]
fn an_operator_sees_how_his_node_stands_with_the_log() {
    let Some(mut redis) = redis::Server::start() else { return };
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let path = support::SocketPath::new("nodes-operator");
    let flags = ["--control", &path.address(), "--metrics", "127.0.0.1:0"];
    let mut one = Node::spawn_with("127.0.0.1:0", &url, &flags);
    let metrics = one.log.finds("metrics on ").split_off("metrics on ".len());
    let epoch = one.log.finds("log: node ").split(' ').nth(2).expect("an epoch").to_string();
    let other = Node::start(redis.port);
    let (mut ada, mut bob) = (one.member("ada"), other.member("bob"));
    ada.sees("JOINED bob");
    let _eve = other.member("eve");
    for member in [&mut ada, &mut bob] {
        member.sees("JOINED eve");
    }
    let mut operator = Telnet::unix(&path.0);
    let status = |operator: &mut Telnet| {
        operator.types("STATUS");
        let mut rows = Vec::new();
        while rows.last().is_none_or(|row| row != "OK") {
            rows.push(operator.line());
        }
        rows
    };
    let health = || {
        let mut answer = String::new();
        let mut socket = Telnet::tcp(metrics.parse().expect("an address"));
        socket.types("GET /healthz HTTP/1.0\n");
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let rows = status(&mut operator);
    let node = format!("STATUS node {epoch}");
    for row in ["STATUS members 1", "STATUS connections 1", "STATUS room 3", &node] {
        assert!(rows.iter().any(|it| it == row), "no {row} in {rows:?}");
    }
    assert!(health().starts_with("HTTP/1.1 200 "));
    // Who is at another node is shown the door there, and all are told something.
    operator.types("NOTE hello\nKICK bob enough");
    operator.sees("OK");
    operator.sees("OK");
    ada.sees("NOTE hello");
    bob.sees("NOTE hello");
    bob.sees("BYE kicked enough");
    ada.sees("LEFT bob kicked");
    redis.kill();
    one.log.finds("log: out of reach");
    // Nobody would hear of it if the node did not come back in time.
    for order in ["NOTE hello", "KICK eve"] {
        operator.types(order);
        operator.sees("ERR failed the log is out of reach...");
    }
    assert!(health().starts_with("HTTP/1.1 503 ") && health().ends_with("\nlog out of reach\n"));
    assert!(status(&mut operator).iter().any(|row| row.starts_with("STATUS log-away ")));
    redis.restart();
    one.log.finds("log: ");
    assert!(status(&mut operator).iter().any(|row| row == "STATUS log-away 0"));
}

#[test]
fn a_note_that_nobody_could_hear_is_refused() {
    let port = redis::free_port();
    let control = support::SocketPath::new("nodes-early");
    let url = format!("redis://127.0.0.1:{port}");
    let mut one = Node::spawn_with("127.0.0.1:0", &url, &["--control", &control.address()]);
    let mut operator = Telnet::unix(&control.0);
    operator.types("NOTE hello");
    operator.sees("ERR failed the log is out of reach...");
    one.log.finds("log: out of reach");
    operator.types("NOTE hello");
    operator.sees("ERR failed the log is out of reach...");
}

#[test]
fn a_key_is_asked_for_at_each_node_and_what_is_said_behind_join_waits_for_its_answer() {
    let Some(redis) = redis::Server::start() else { return };
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let file = std::env::temp_dir().join(format!("smoltalk-{}-nodes-key", std::process::id()));
    std::fs::write(&file, "open sesame\n").expect("written");
    let flags = ["--key-file", file.to_str().expect("UTF-8"), "--pace", "100"];
    let nodes = [(); 2].map(|()| Node::spawn_with("127.0.0.1:0", &url, &flags));
    let _ = std::fs::remove_file(&file);
    let mut ada = Telnet::tcp(nodes[0].address());
    let hello = ada.line();
    assert!(hello.ends_with(" history key nodes]"), "{hello}");
    ada.sends(b"JOIN ada\nPASS open sesame\nJOIN ada\nPASS x\nPING 1\n");
    for line in ["ERR denied ...", "OK pass", "OK ada 1", "ERR already-joined ...", "PONG 1"] {
        ada.sees(line);
    }
    let mut bob = nodes[1].guest();
    bob.sends(b"PASS open sesame\nJOIN ADA\nPASS x\nJOIN bob\nMSG hi");
    bob.ends();
    for line in ["OK pass", "ERR name-taken ...", "ERR denied ...", "OK bob 2"] {
        bob.sees(line);
    }
    for line in ["JOINED bob", "MSG bob hi", "LEFT bob"] {
        ada.sees(line);
    }
}
