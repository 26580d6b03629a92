//! Those who ask for what was said before, and those who come back.

use super::{Telnet, TestServer};
use smoltalk::limits::Limits;
use smoltalk::protocol::Id;

/// A secret of a client's own.
pub const SECRET: &str = "0123456789abcdef";

/// The next line, which must have an id.
#[track_caller]
pub fn stamped(member: &mut Telnet) -> (Id, String) {
    let line = member.line();
    let (id, rest) = Id::stamped(line.as_bytes());
    (id.unwrap_or_else(|| panic!("no id: {line}")), String::from_utf8_lossy(rest).into_owned())
}

/// What an OK says beside name and number.
#[track_caller]
pub fn standing(ok: &str) -> (Id, String) {
    let words: Vec<&str> = ok.split(' ').collect();
    let value = |at: usize, key| words[at].strip_prefix(key).unwrap_or_else(|| panic!("{ok}"));
    assert_eq!((words[0], words.len()), ("OK", 5), "{ok}");
    (Id::parse(value(3, "id=").as_bytes()).expect("an id"), value(4, "token=").into())
}

/// A connection that has asked to join so, and has not read the answer.
#[track_caller]
pub fn asking(server: &TestServer, join: &str) -> Telnet {
    let mut guest = server.guest();
    guest.types(&format!("JOIN {join}"));
    guest
}

/// One that has joined so, and what its OK says.
#[track_caller]
pub fn entering(server: &TestServer, join: &str) -> (Telnet, Id, String) {
    let mut member = asking(server, join);
    let (id, token) = standing(&member.line());
    (member, id, token)
}

/// All lines up to the PONG.
#[track_caller]
pub fn lines_until_pong(member: &mut Telnet) -> Vec<String> {
    member.types("PING");
    std::iter::from_fn(|| Some(member.line()).filter(|line| line != "PONG")).collect()
}

/// What one gets who joins so, beside OK; it leaves again.
#[track_caller]
pub fn replayed(server: &TestServer, join: &str) -> Vec<String> {
    let mut member = asking(server, join);
    assert!(member.line().starts_with("OK "));
    let lines = lines_until_pong(&mut member);
    member.types("LEAVE");
    member.sees("BYE");
    lines
}

/// Limits of a server that forgets nothing while a test lasts.
pub fn long_memory() -> Limits {
    Limits { history: usize::MAX, history_bytes: usize::MAX, ..Limits::default() }
}

/// Numbers that are the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
