//! What is plainly another protocol: a TLS hello, or an HTTP request, by which a web page could talk
//! to the room through its reader's browser.

use super::lines::Line;

/// Whether a guest's line is another protocol's.
#[must_use]
pub fn is_foreign(line: Line<'_>) -> bool {
    let (beginning, end) = match line {
        Line::Whole(line) => (line, line),
        Line::TooLong { beginning, end } => (beginning, end),
        Line::TimingMark | Line::Interrupt => return false,
    };
    begins_foreign(beginning) || ends_as_a_request(end)
}

/// Whether what has come of a guest's line is enough to know that.
#[must_use]
pub fn begins_foreign(beginning: &[u8]) -> bool {
    const TLS_HANDSHAKE: &[u8] = &[0x16, 0x03]; // RFC 8446, 5.1
    const METHODS: [&[u8]; 10] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"OPTIONS ",
        b"CONNECT ",
        b"DELETE ",
        b"PATCH ",
        b"TRACE ",
        b"PRI * HTTP/", // RFC 9110, 9; RFC 5789; RFC 9113, 3.4
    ];
    const HOST: &[u8] = b"host:"; // The one header that every request has.
    beginning.starts_with(TLS_HANDSHAKE)
        || METHODS.iter().any(|method| beginning.starts_with(method))
        || beginning.get(..HOST.len()).is_some_and(|b| b.eq_ignore_ascii_case(HOST))
}

/// Whether a line ends in ` HTTP/` and a version: a page may choose its method, `PING` for one, but
/// not that.
fn ends_as_a_request(line: &[u8]) -> bool {
    let last = line.rsplit(|b| *b == b' ').next().filter(|last| last.len() < line.len());
    let version = last.and_then(|last| last.strip_prefix(b"HTTP/"));
    version.is_some_and(|v| !v.is_empty() && v.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_protocol_is_known_by_its_first_bytes() {
        for foreign in
            [&b"\x16\x03\x01\x02"[..], b"GET / HTTP/1.1", b"POST /x", b"CONNECT a:1", b"hOsT:x"]
        {
            assert!(begins_foreign(foreign));
            assert!(is_foreign(Line::Whole(foreign)));
            assert!(is_foreign(Line::TooLong { beginning: foreign, end: b"" }));
        }
        for ours in [&b"JOIN ada"[..], b"GET", b"get /", b"PUTTY", b"", b"\x16", b"HOST x"] {
            assert!(!is_foreign(Line::Whole(ours)));
        }
    }

    #[test]
    fn a_request_is_known_by_its_end_once_that_has_come() {
        for request in ["PING / HTTP/1.1", "MSG HTTP/1.0", "JOIN x HTTP/2", "x  HTTP/1.1"] {
            assert!(!begins_foreign(request.as_bytes()), "{request}");
            assert!(is_foreign(Line::Whole(request.as_bytes())), "{request}");
            assert!(is_foreign(Line::TooLong { beginning: b"PING /", end: request.as_bytes() }));
        }
        for ours in ["HTTP/1.1", "PING HTTP/", "PING http/1.1", "PING /HTTP/1.1", "x HTTP/1.1 "] {
            assert!(!is_foreign(Line::Whole(ours.as_bytes())), "{ours}");
        }
    }
}
