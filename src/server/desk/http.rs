//! As much of HTTP as a scraper speaks. Pure: bytes in, an answer out, and the connection is over.

use crate::limits;
use crate::protocol::lines::{Line, Lines};
use std::fmt::Write as _;

/// A request, as it comes.
#[derive(Debug)]
pub struct Request {
    lines: Lines,
    asked: Option<Asked>,
    /// How many bytes have come.
    heard: usize,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The page.
    pub page: Page,
    /// Only what would come before it.
    pub head: bool,
}

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// `/metrics`
    Metrics,
    /// `/healthz`
    Health,
}

/// What a request comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Ok,
    BadRequest,
    NotFound,
    NotAllowed,
    TooLarge,
    Unavailable,
}

impl Request {
    /// One of which nothing has come.
    pub fn new() -> Self {
        Self { lines: Lines::new(limits::LINE), asked: None, heard: 0 }
    }

    /// Takes what has come. Once that is enough, says what is asked for, or what is wrong with it. What is garbage from the
    /// first line on is not heard out.
    pub fn hear(&mut self, mut bytes: &[u8]) -> Option<Result<Asked, Status>> {
        self.heard += bytes.len();
        while let Some(line) = self.lines.next(&mut bytes) {
            match (line, self.asked) {
                (Line::Whole(b""), Some(asked)) => return Some(Ok(asked)),
                // An empty line before a request means nothing, nor does a field.
                (Line::Whole(b""), None) | (Line::Whole(_), Some(_)) => {}
                (Line::Whole(line), None) => match read(line) {
                    Ok(asked) => self.asked = Some(asked),
                    Err(status) => return Some(Err(status)),
                },
                _ => return Some(Err(Status::TooLarge)),
            }
        }
        (self.heard > limits::REQUEST).then_some(Err(Status::TooLarge))
    }
}

fn read(line: &[u8]) -> Result<Asked, Status> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Status::BadRequest);
    };
    if !matches!(version, b"HTTP/1.0" | b"HTTP/1.1") {
        return Err(Status::BadRequest);
    }
    let page = match target.split(|byte| *byte == b'?').next() {
        Some(b"/metrics") => Page::Metrics,
        Some(b"/healthz") => Page::Health,
        _ => return Err(Status::NotFound),
    };
    match method {
        b"GET" => Ok(Asked { page, head: false }),
        b"HEAD" => Ok(Asked { page, head: true }),
        _ => Err(Status::NotAllowed),
    }
}

/// Appends an answer, but of the text only its length where no more was asked for.
pub fn answer(status: Status, text: &str, head: bool, out: &mut String) {
    let (line, more) = match status {
        Status::Ok => ("200 OK", ""),
        Status::BadRequest => ("400 Bad Request", ""),
        Status::NotFound => ("404 Not Found", ""),
        Status::NotAllowed => ("405 Method Not Allowed", "Allow: GET, HEAD\r\n"),
        Status::TooLarge => ("431 Request Header Fields Too Large", ""),
        Status::Unavailable => ("503 Service Unavailable", ""),
    };
    let _ = write!(
        out,
        "HTTP/1.1 {line}\r\n{more}Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{}",
        text.len(),
        if head { "" } else { text },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const METRICS: Asked = Asked { page: Page::Metrics, head: false };

    fn heard(request: &[u8]) -> Option<Result<Asked, Status>> {
        Request::new().hear(request)
    }

    #[test]
    fn what_is_asked_for_is_a_method_a_path_and_a_version() {
        let health = Asked { page: Page::Health, head: false };
        for (line, expected) in [
            ("GET /metrics HTTP/1.1", Ok(METRICS)),
            ("GET /metrics HTTP/1.0", Ok(METRICS)),
            ("GET /metrics?name[]=up HTTP/1.1", Ok(METRICS)),
            ("GET /healthz HTTP/1.1", Ok(health)),
            ("HEAD /healthz HTTP/1.1", Ok(Asked { head: true, ..health })),
            ("GET / HTTP/1.1", Err(Status::NotFound)),
            ("GET /metrics/ HTTP/1.1", Err(Status::NotFound)),
            ("POST /x HTTP/1.1", Err(Status::NotFound)),
            ("POST /metrics HTTP/1.1", Err(Status::NotAllowed)),
            ("get /metrics HTTP/1.1", Err(Status::NotAllowed)),
            ("GET /metrics", Err(Status::BadRequest)),
            ("GET /metrics HTTP/2.0", Err(Status::BadRequest)),
            ("GET  /metrics HTTP/1.1", Err(Status::BadRequest)),
            ("STATUS", Err(Status::BadRequest)),
            ("\0\u{1}\0", Err(Status::BadRequest)),
        ] {
            assert_eq!(
                heard(format!("{line}\r\nHost: x\r\n\r\n").as_bytes()),
                Some(expected),
                "{line}"
            );
        }
    }

    #[test]
    fn it_is_answered_when_its_head_is_whole_and_garbage_at_once() {
        assert_eq!(heard(b"GET /metrics HTTP/1.1\r\n"), None);
        assert_eq!(heard(b"GET /metrics HTTP/1.1\r\nA: b\r\n"), None);
        assert_eq!(heard(b"\r\nGET /metrics HTTP/1.1\n\n"), Some(Ok(METRICS)));
        assert_eq!(heard(b"hello\n"), Some(Err(Status::BadRequest)));
        assert_eq!(heard(b"hello"), None);
    }

    #[test]
    fn what_never_ends_is_too_large() {
        let mut request = Request::new();
        assert_eq!(request.hear(b"GET /metrics HTTP/1.1\r\n"), None);
        let field = b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
        let answers = (0..limits::REQUEST).find_map(|_| request.hear(field));
        assert_eq!(answers, Some(Err(Status::TooLarge)));
        let mut request = Request::new();
        assert_eq!((0..20).find_map(|_| request.hear(&[b'a'; 1000])), Some(Err(Status::TooLarge)));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_the_same(cuts in proptest::collection::vec(1_usize..9, 1..40)) {
            let whole = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
            let (mut request, mut at, mut cuts) = (Request::new(), 0, cuts.into_iter().cycle());
            let mut answer = None;
            while at < whole.len() && answer.is_none() {
                let end = (at + cuts.next().unwrap_or(1)).min(whole.len());
                answer = request.hear(&whole[at..end]);
                at = end;
            }
            prop_assert_eq!((answer, at), (Some(Ok(METRICS)), whole.len()));
        }

        #[test]
        fn whatever_comes_it_does_not_panic(bytes: Vec<u8>) {
            let _ = heard(&bytes);
        }
    }

    #[test]
    fn an_answer_says_how_long_it_is_and_a_head_no_more() {
        let mut out = String::new();
        answer(Status::Ok, "ok\n", false, &mut out);
        assert!(out.starts_with("HTTP/1.1 200 OK\r\n") && out.ends_with("\r\n\r\nok\n"), "{out}");
        assert!(out.contains("\r\nContent-Length: 3\r\n"), "{out}");
        let mut out = String::new();
        answer(Status::NotAllowed, "no\n", true, &mut out);
        assert!(out.contains("\r\nAllow: GET, HEAD\r\n") && out.ends_with("\r\n\r\n"), "{out}");
    }
}
