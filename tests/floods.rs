//! Many at once and more than anybody can read: order, loss, the slow, the stalled, the end.

mod support;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use smoltalk::limits::Limits;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Daemon, Telnet, TestServer, numbered};

// Many at once.

#[test]
fn of_fifty_who_want_one_name_exactly_one_gets_it() {
    let server = TestServer::start();
    let mut racers: Vec<Telnet> = (0..50).map(|_| server.guest()).collect();
    thread::scope(|scope| {
        for racer in &mut racers {
            scope.spawn(|| racer.types("JOIN ada"));
        }
    });
    let answers: Vec<String> = racers.iter_mut().map(Telnet::line).collect();
    let taken = answers.iter().filter(|answer| answer.starts_with("ERR name-taken ")).count();
    assert_eq!((taken, answers.contains(&"OK ada 1".into())), (49, true), "{answers:?}");
    racers.iter_mut().for_each(Telnet::fence);
}

#[test]
fn all_members_see_the_same_order() {
    const SPEAKERS: usize = 8;
    let server = TestServer::start();
    let mut observer = server.member("observer");
    let names: Vec<String> = (0..SPEAKERS).map(|n| format!("speaker{n}")).collect();
    let mut speakers: Vec<Telnet> = names.iter().map(|name| server.member(name)).collect();
    // Each hears of those who came after it; nothing else may be in its stream yet.
    for (n, speaker) in speakers.iter_mut().enumerate() {
        for later in &names[n + 1..] {
            speaker.sees(&format!("JOINED {later}"));
        }
    }
    for name in &names {
        observer.sees(&format!("JOINED {name}"));
    }

    let heard: Vec<Vec<String>> = thread::scope(|scope| {
        let listening: Vec<_> = speakers
            .iter_mut()
            .map(|speaker| {
                scope.spawn(|| {
                    let mut writer = speaker.writer();
                    let speech = numbered("MSG", 0..300) + "PING said\n";
                    let speaking = thread::spawn(move || writer.write_all(speech.as_bytes()));
                    let heard = lines_until_all_is_said(speaker, 300 * (SPEAKERS - 1) + 1);
                    speaking.join().expect("no panic").expect("said");
                    heard
                })
            })
            .collect();
        // Some come and go meanwhile: that has its place in the order, too.
        for _ in 0..20 {
            let mut passer_by = server.member("passer-by");
            passer_by.types("LEAVE");
            passer_by.finds("BYE");
        }
        listening.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });

    let order = lines_until_all_is_said(&mut observer, 300 * SPEAKERS);
    for (name, heard) in names.iter().zip(&heard) {
        let own = format!("MSG {name} ");
        let expected: Vec<_> = order.iter().filter(|line| !line.starts_with(&own)).collect();
        assert!(heard.iter().eq(expected), "{name} saw another order than the observer");
    }
}

/// So many messages of speakers (a PONG counts as one), with nothing but what is the same for all.
fn lines_until_all_is_said(listener: &mut Telnet, messages: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut seen = 0;
    while seen < messages {
        let line = listener.line();
        if line.starts_with("MSG ") || line.starts_with("PONG ") {
            seen += 1;
        }
        if line.starts_with("MSG ") {
            lines.push(line);
        }
    }
    lines
}

// More than anybody can read.

#[test]
fn a_flood_among_readers_of_every_speed_loses_nothing() {
    let server = TestServer::start();
    floods(&server, 10_000, &[u32::MAX, 8_000_000, 3_000_000]);
}

#[test]
fn one_megabyte_a_second_is_fast_enough_whatever_the_others_send() {
    let server = TestServer::start();
    floods(&server, 5_000, &[u32::MAX, 1_000_000]);
}

#[test]
fn with_little_memory_the_loud_wait_sooner_for_those_who_read() {
    let server = TestServer::with(Limits { memory: 4 * 1024 * 1024, ..Limits::default() });
    floods(&server, 8_000, &[u32::MAX, 3_000_000]);
}

/// One member says so many numbered lines of 1 kB as fast as it can, others read at these speeds.
/// Each must hear every line.
fn floods(server: &TestServer, lines: u32, bytes_per_second: &[u32]) {
    let mut ada = server.member("ada");
    let readers = bytes_per_second.iter().map(|speed| {
        let name = format!("reader-{speed}");
        let reader = server.guest();
        // What the kernel holds for the slow would hide how slow they are.
        set_socket_recv_buffer_size(reader.socket(), 64 * 1024).expect("a small buffer");
        BufReader::new(Paced::new(reader.joined(&name), *speed)).lines()
    });
    let readers: Vec<_> = readers.collect();
    thread::scope(|scope| {
        for reader in readers {
            scope.spawn(move || {
                let mut heard = reader.map(|line| line.expect("a line"));
                for n in 0..lines {
                    let message = heard.find(|line| !line.starts_with("JOINED "));
                    assert_eq!(message.as_deref(), Some(&*format!("MSG ada {}", kilobyte(n))));
                }
            });
        }
        for n in 0..lines {
            ada.types(&format!("MSG {}", kilobyte(n)));
        }
    });
}

/// A number with many zeros before it.
fn kilobyte(number: u32) -> String {
    format!("{number:0>1000}")
}

/// Reads at a certain speed. The waiting is what makes it slow; nothing is hoped to happen in it.
struct Paced {
    client: Telnet,
    bytes_per_second: u32,
    began: Instant,
    taken: u32,
}

impl Paced {
    fn new(client: Telnet, bytes_per_second: u32) -> Self {
        Self { client, bytes_per_second, began: Instant::now(), taken: 0 }
    }
}

impl Read for Paced {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let due = Duration::from_secs_f64(f64::from(self.taken) / f64::from(self.bytes_per_second));
        thread::sleep(due.saturating_sub(self.began.elapsed()));
        let len = self.client.read(bytes)?;
        self.taken += u32::try_from(len).expect("a small buffer");
        Ok(len)
    }
}

#[test]
fn a_stalled_member_goes_and_the_others_miss_nothing() {
    let server = TestServer::with(quick_to_judge());
    let (ada, mut bob) = (server.member("ada"), server.member("bob"));
    let mut stalled = server.member("stalled");
    bob.sees("JOINED stalled");
    while_flooding(&ada, || {
        let left = hears_until(&mut bob, "LEFT ");
        assert_eq!(left, "LEFT stalled stalled");
    });
    stalled.finds("MSG ada 0");
    // What it did not take is lost; that the stream ends is not.
    while !matches!(stalled.try_line(), Ok(None) | Err(_)) {}
    server.member("stalled");
}

#[test]
fn a_member_that_drips_goes_too() {
    let server = TestServer::with(quick_to_judge());
    let (ada, mut bob) = (server.member("ada"), server.member("bob"));
    let mut drip = Paced::new(server.member("drip"), 50_000);
    bob.sees("JOINED drip");
    let gone = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut drop = [0; 1000];
            while !gone.load(Ordering::Relaxed) {
                let _ = drip.read(&mut drop); // In the end it may fail: then it has gone.
            }
        });
        let _over = SetWhenDropped(&gone);
        while_flooding(&ada, || assert_eq!(hears_until(&mut bob, "LEFT "), "LEFT drip stalled"));
    });
}

/// As always, but the stall timeout is over soon.
fn quick_to_judge() -> Limits {
    Limits { stall_timeout: Duration::from_millis(200), ..Limits::default() }
}

/// Does something while a member says numbers.
fn while_flooding(member: &Telnet, does: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let mut writer = member.writer();
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                let said = writer.write_all(format!("MSG {n} {}\n", "x".repeat(1000)).as_bytes());
                if said.is_err() || done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        // Also if it fails: the flood must not outlive it.
        let _over = SetWhenDropped(&done);
        does();
    });
}

struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Hears ada's numbers without a gap, until another line comes, and a thousand more after it.
fn hears_until(listener: &mut Telnet, beginning: &str) -> String {
    let mut found = None;
    let mut last = u32::MAX;
    for n in 0u32.. {
        let mut line = listener.line();
        if found.is_none() && line.starts_with(beginning) {
            found = Some(line);
            last = n + 1000;
            line = listener.line();
        }
        assert!(line.starts_with(&format!("MSG ada {n} ")), "a gap before {n}: {line:.40}");
        if n == last {
            break;
        }
    }
    found.expect("the line")
}

#[test]
#[cfg(target_os = "linux")] // It reads /proc.
fn what_a_stalled_member_costs_is_bounded() {
    let daemon = Daemon::start(&[]);
    let (mut ada, mut bob) = (daemon.member("ada"), daemon.member("bob"));
    let _stalled = daemon.member("stalled");
    let before = daemon.kilobytes("VmRSS");
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..40_000 {
                ada.types(&format!("MSG {}", kilobyte(n)));
            }
        });
        bob.finds(&format!("MSG ada {}", kilobyte(39_999)));
    });
    let grown = daemon.kilobytes("VmHWM") - before;
    assert!(grown < 16 * 1024, "40 MB said to one who does not read cost {grown} kB");
}

#[test]
#[cfg(target_os = "linux")] // It reads /proc.
fn one_who_asks_and_does_not_read_the_answers_costs_little_and_holds_nobody_up() {
    let daemon = Daemon::start(&[]);
    let (mut ada, mut bob) = (daemon.member("ada"), daemon.member("bob"));
    let (guest, member) = (daemon.guest(), daemon.member("asker"));
    ada.sees("JOINED bob");
    ada.sees("JOINED asker");
    bob.sees("JOINED asker");
    let before = daemon.kilobytes("VmRSS");
    thread::scope(|scope| {
        scope.spawn(|| asks_forever(guest.writer(), "PING\nHELP\n"));
        scope.spawn(|| asks_forever(member.writer(), "WHO\nPING\nHELP\n"));
        for n in 0..500 {
            ada.types(&format!("MSG {n}"));
            bob.sees(&format!("MSG ada {n}"));
            bob.types(&format!("TELL ada {n}"));
            ada.sees(&format!("TELL bob {n}"));
        }
        while_flooding(&bob, || assert_eq!(ada.finds("LEFT"), "LEFT asker stalled"));
        for asker in [&guest, &member] {
            let _ = asker.socket().shutdown(Shutdown::Both); // It may be cut off already.
        }
    });
    let grown = daemon.kilobytes("VmHWM") - before;
    assert!(grown < 16 * 1024, "answers that nobody reads cost {grown} kB");
}

fn asks_forever(mut writer: TcpStream, questions: &str) {
    let questions = questions.repeat(1000);
    while writer.write_all(questions.as_bytes()).is_ok() {}
}

#[test]
fn a_server_that_stops_in_a_flood_tells_everybody() {
    let mut server = TestServer::start();
    let mut members: Vec<Telnet> = (0..8).map(|n| server.member(&format!("m{n}"))).collect();
    thread::scope(|scope| {
        for member in &mut members {
            let mut writer = member.writer();
            scope.spawn(move || while writer.write_all(&b"MSG hi all\n".repeat(100)).is_ok() {});
            scope.spawn(|| {
                let rest = member.rest();
                assert_eq!(rest.last().map(String::as_str), Some("BYE shutdown"));
                assert!(rest.len() > 1000);
                // The one who writes may stop now.
                let _ = member.socket().shutdown(Shutdown::Both);
            });
        }
        let mut witness = server.member("witness");
        for _ in 0..10_000 {
            witness.finds("MSG ");
        }
        server.stop();
        let rest = witness.rest();
        assert_eq!(rest.last().map(String::as_str), Some("BYE shutdown"));
    });
}

// What all may hold together.

#[test]
fn past_what_all_may_hold_together_the_one_goes_who_keeps_most_of_it() {
    // Nobody is judged by time here.
    let patient = Duration::from_secs(3600);
    let limits =
        Limits { memory: 800_000, outbox: 10_000_000, stall_timeout: patient, ..Limits::default() };
    let server = TestServer::with(limits);
    let mut ada = server.member("ada");
    let hoarder = server.guest();
    set_socket_recv_buffer_size(hoarder.socket(), 4096).expect("a small buffer");
    let _hoarder = hoarder.joined("hoarder");
    let _bystander = server.member("bystander");
    let words = "x".repeat(4000);
    let mut writer = ada.writer();
    let telling = thread::spawn(move || {
        for _ in 0..400 {
            writeln!(writer, "TELL hoarder {words}").expect("told");
        }
        writeln!(writer, "WHO").expect("asked");
    });
    ada.finds("LEFT hoarder stalled");
    ada.finds("WHO 2 ada bystander");
    telling.join().expect("no panic");
}
