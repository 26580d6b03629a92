//! The test vectors of `tests/vectors/` are true: each is run against a real server, twice.
//! `tests/vectors/README.md` says how they are written.

mod support;

use futures_lite::future;
use smoltalk::direct::Direct;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use support::{Telnet, TestServer, echo};

/// A step longer than this is not sent by the byte, but by pieces of a thousand.
const LONG: usize = 8 * 1024;

#[test]
fn every_vector_comes_out_as_it_is_written() {
    for (file, vector) in vectors(|file| file != "direct.txt") {
        for piece in vector.pieces() {
            let server = TestServer::start();
            println!("{file}: {}, in pieces of {piece}", vector.title); // Shown if it fails.
            let mut cast = vector.run(piece, |greeted| {
                if greeted { server.guest() } else { Telnet::tcp(server.address()) }
            });
            // Twice: after the first time all that was said is in the room; nobody may get more.
            for _ in 0..2 {
                for (name, who) in &mut cast {
                    let quiet = who.try_fence();
                    quiet.unwrap_or_else(|problem| panic!("{name}, at the end: {problem}"));
                }
            }
        }
    }
}

#[test]
fn every_vector_of_two_comes_out_as_it_is_written() {
    let bob = smol::block_on(Direct::listen("127.0.0.1", 0)).expect("a port");
    let address = bob.address();
    let echo = smol::spawn(async move {
        future::or(echo(&bob), async { match bob.run().await {} }).await;
    });
    for (file, vector) in vectors(|file| file == "direct.txt") {
        for piece in vector.pieces() {
            println!("{file}: {}, in pieces of {piece}", vector.title);
            for (name, mut who) in vector.run(piece, |_| Telnet::tcp(address)) {
                who.ends();
                let ended = who.try_see_end();
                ended.unwrap_or_else(|problem| panic!("{name}, at the end: {problem}"));
            }
        }
    }
    drop(echo);
}

/// One of the vectors of a file.
struct Vector {
    title: String,
    steps: Vec<Step>,
}

/// One line of it.
struct Step {
    line: String,
    who: String,
    what: What,
}

enum What {
    Sends(Vec<u8>),
    Ends,
    Sees(String),
    /// A line that begins so.
    SeesSome(String),
    Finds(String),
    Gets(Vec<u8>),
    SeesTheEnd,
}

impl Vector {
    /// By how many bytes its steps are to be sent, each in turn.
    fn pieces(&self) -> Vec<usize> {
        if self.title.ends_with("(one write)") { vec![usize::MAX] } else { vec![usize::MAX, 1] }
    }

    /// Returns the connections that are still open.
    fn run(&self, piece: usize, connect: impl Fn(bool) -> Telnet) -> BTreeMap<&str, Telnet> {
        let mut cast = BTreeMap::new();
        for step in &self.steps {
            let who = cast.entry(step.who.as_str()).or_insert_with(|| connect(!step.greets()));
            let done = step.run(piece, who);
            done.unwrap_or_else(|problem| panic!("at `{}`: {problem}", step.line));
            if matches!(step.what, What::SeesTheEnd) {
                cast.remove(step.who.as_str());
            }
        }
        cast
    }
}

impl Step {
    /// Whether it awaits the first line itself.
    fn greets(&self) -> bool {
        matches!(&self.what, What::Sees(line) if line.starts_with("HELLO "))
    }

    fn run(&self, piece: usize, who: &mut Telnet) -> Result<(), String> {
        match &self.what {
            What::Sends(bytes) => {
                let piece = if bytes.len() > LONG { piece.max(1000) } else { piece };
                // The other side may close before it has read all: what it says shows that.
                let _ = bytes.chunks(piece).try_for_each(|piece| who.try_send(piece));
                Ok(())
            }
            What::Ends => who.try_end(),
            What::Sees(expected) => match who.try_line()? {
                Some(line) if line == *expected => Ok(()),
                got => Err(format!("got: {}", got.as_deref().unwrap_or("the end of the stream"))),
            },
            What::SeesSome(beginning) => who.try_see(&format!("{beginning}...")),
            What::Finds(line) => {
                while who.try_line()?.ok_or("the stream has ended")? != *line {}
                Ok(())
            }
            What::Gets(expected) => {
                let mut got = vec![0; expected.len()];
                who.read_exact(&mut got).map_err(|error| error.to_string())?;
                let same = got == *expected;
                same.then_some(()).ok_or_else(|| format!("got: {}", got.escape_ascii()))
            }
            What::SeesTheEnd => who.try_see_end(),
        }
    }
}

/// The vectors of those files that are `wanted`, each with its file's name.
fn vectors(wanted: impl Fn(&str) -> bool) -> Vec<(String, Vector)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of the vectors") {
        let path = entry.expect("a file").path();
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "txt") && wanted(&file) {
            let text = fs::read_to_string(&path).expect("text");
            all.extend(parse(&text).into_iter().map(|vector| (file.clone(), vector)));
        }
    }
    assert!(!all.is_empty(), "there are no vectors");
    all
}

fn parse(text: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("== ") {
            vectors.push(Vector { title: title.into(), steps: Vec::new() });
        } else {
            let vector = vectors.last_mut().expect("a title before the first step");
            vector.steps.push(step(line));
        }
    }
    vectors
}

fn step(line: &str) -> Step {
    let at = line.find(['<', '>']).unwrap_or_else(|| panic!("no arrow: `{line}`"));
    let (who, rest) = line.split_at(at);
    let (arrow, written) = rest.split_once(' ').unwrap_or((rest, ""));
    let text = || String::from_utf8(unescaped(written)).expect("a line is UTF-8");
    let what = match (arrow, written) {
        (">", "^D") => What::Ends,
        (">", _) => What::Sends([unescaped(written), b"\n".to_vec()].concat()),
        (">>", _) => What::Sends(unescaped(written)),
        ("<", "^D") => What::SeesTheEnd,
        ("<", _) => match text().strip_suffix("...") {
            Some(beginning) if beginning.ends_with(' ') => What::SeesSome(beginning.into()),
            _ => What::Sees(text()),
        },
        ("<~", _) => What::Finds(text()),
        ("<<", _) => What::Gets(unescaped(written)),
        _ => panic!("no such arrow: `{line}`"),
    };
    Step { line: line.into(), who: who.into(), what }
}

/// The bytes that are meant.
fn unescaped(written: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = written;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let mut length = 1;
        match escape.as_bytes().first() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b't') => bytes.push(b'\t'),
            Some(b'\\') => bytes.push(b'\\'),
            Some(b'x') => {
                bytes.push(u8::from_str_radix(&escape[1..3], 16).expect("two digits"));
                length = 3;
            }
            Some(b'{') => {
                let (repeated, _) = escape[1..].split_once('}').expect("a closing brace");
                let (count, what) = repeated.split_once('*').expect("a count");
                bytes.extend(unescaped(what).repeat(count.parse().expect("a number")));
                length = repeated.len() + 2;
            }
            _ => panic!("no such escape: `{written}`"),
        }
        rest = &escape[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[test]
fn escapes_are_read_as_the_readme_says() {
    assert_eq!(unescaped(r"a\x1b\\n\n\{3*\xffb}é"), b"a\x1b\\n\n\xffb\xffb\xffb\xc3\xa9");
}

#[test]
#[should_panic(expected = "at `ada< PONG 2`")]
fn a_vector_that_goes_otherwise_fails() {
    let server = TestServer::start();
    parse("== wrong\nada> PING 1\nada< PONG 2")[0].run(1, |_| server.guest());
}
