//! The test vectors of `tests/vectors/` are true: each is run against a real server, twice.
//! `tests/vectors/README.md` says how they are written.

mod support;

use futures_lite::future;
use smoltalk::direct::Direct;
use smoltalk::protocol::Id;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use support::{Telnet, TestServer, Varying, echo};

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
    /// Bytes, as they are written.
    Sends(String),
    Ends,
    /// A line, as it is written.
    Sees(String),
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
        let (mut cast, mut varying) = (BTreeMap::new(), Varying::default());
        for step in &self.steps {
            let who = cast.entry(step.who.as_str()).or_insert_with(|| connect(!step.greets()));
            let done = step.run(piece, who, &mut varying);
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

    fn run(&self, piece: usize, who: &mut Telnet, varying: &mut Varying) -> Result<(), String> {
        match &self.what {
            What::Sends(written) => {
                let bytes = unescaped(&filled(written, varying)?);
                let piece = if bytes.len() > LONG { piece.max(1000) } else { piece };
                // The other side may close before it has read all: what it says shows that.
                let _ = bytes.chunks(piece).try_for_each(|piece| who.try_send(piece));
                Ok(())
            }
            What::Ends => who.try_end(),
            What::Sees(expected) => match who.try_line()? {
                Some(line) if is_line(expected, &line, varying) => Ok(()),
                got => Err(format!("got: {}", got.as_deref().unwrap_or("the end of the stream"))),
            },
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
    let what = match (arrow, written) {
        (">", "^D") => What::Ends,
        (">", _) => What::Sends(format!("{written}\\n")),
        (">>", _) => What::Sends(written.into()),
        ("<", "^D") => What::SeesTheEnd,
        ("<", _) => What::Sees(written.into()),
        ("<~", _) => What::Finds(text(written)),
        ("<<", _) => What::Gets(unescaped(written)),
        _ => panic!("no such arrow: `{line}`"),
    };
    Step { line: line.into(), who: who.into(), what }
}

/// A place in what is written that stands for something that varies: what is before it, its name, and
/// what is behind it.
fn place(written: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = written.split_once("\\[")?;
    let (name, behind) = rest.split_once(']').expect("a closing bracket");
    Some((before, name, behind))
}

/// The id for which a number stands.
fn id(name: &str) -> Option<Id> {
    name.parse().ok().map(Id::from_ms)
}

/// What is to be sent, where all that varies is known.
fn filled(written: &str, varying: &Varying) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), written);
    while let Some((before, name, behind)) = place(rest) {
        let known = id(name).map_or_else(|| varying.secret(name), |id| varying.id(id));
        text = text + before + &known.ok_or(format!("nobody knows {name} yet"))?;
        rest = behind;
    }
    Ok(text + rest)
}

/// Whether a line may be what is written.
fn is_line(written: &str, line: &str, varying: &mut Varying) -> bool {
    let Some((before, name, behind)) = place(written) else {
        let whole = text(written);
        let beginning = whole.strip_suffix("...").filter(|beginning| beginning.ends_with(' '));
        return beginning.map_or(line == whole, |beginning| line.starts_with(beginning));
    };
    let Some(rest) = line.strip_prefix(&text(before)) else { return false };
    let (got, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    let is_it = match id(name) {
        Some(id) => varying.is_id(id, got),
        None => varying.is_secret(name, got),
    };
    is_it && is_line(behind, rest, varying)
}

/// The line that is meant.
fn text(written: &str) -> String {
    String::from_utf8(unescaped(written)).expect("a line is UTF-8")
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
fn what_varies_is_the_same_each_time_and_ids_rise_as_they_are_numbered() {
    let varying = &mut Varying::default();
    assert!(is_line(r"@\[2] MSG", "@7-1 MSG", varying));
    assert!(is_line(r"OK id=\[1] token=\[a]", "OK id=7-0 token=0123456789abcdef", varying));
    assert_eq!(filled(r"\[a] \[2]\n", varying), Ok(r"0123456789abcdef 7-1\n".into()));
    for (written, line) in [
        (r"@\[2] MSG", "@7-2 MSG"),
        (r"@\[3] MSG", "@7-1 MSG"),
        (r"@\[3] MSG", "@7-01 MSG"),
        (r"@\[0] MSG", "@7-0 MSG"),
        (r"@\[2] MSG", "MSG"),
        (r"\[a]", "0123456789abcdeg"),
        (r"\[b]", "short"),
    ] {
        assert!(!is_line(written, line, varying), "{written} is not {line}");
    }
    assert!(filled(r"\[b]", varying).is_err());
}

#[test]
#[should_panic(expected = "at `ada< PONG 2`")]
fn a_vector_that_goes_otherwise_fails() {
    let server = TestServer::start();
    parse("== wrong\nada> PING 1\nada< PONG 2")[0].run(1, |_| server.guest());
}
