//! How a payload looks: as text where it is text, else in a few words.

use smoltalk::protocol::text::to_safe;

/// Bytes of a payload's lines that are shown, a name before each: as many as a server gives to
/// those who take text alone.
const MOST: usize = 256 * 1024;

/// What a name and a time add to a line, at the most.
const BESIDE: usize = 40;

/// The lines that show `bytes`, one at least. All of them are safe to print.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let Some(text) = text(bytes) else {
        return vec![format!("[{} bytes]", grouped(bytes.len()))];
    };
    let (mut lines, mut taken, mut room) = (Vec::new(), 0, MOST);
    for line in text.split('\n') {
        if room == 0 {
            lines.push(format!("[… and {} more bytes]", grouped(bytes.len() - taken)));
            break;
        }
        lines.push(safe(line));
        taken += line.len() + 1;
        room = room.saturating_sub(line.len() + BESIDE);
    }
    lines
}

/// `bytes` as one text, safe to print but for the LF between its lines, if they are text.
pub fn whole(bytes: &[u8]) -> Option<String> {
    Some(text(bytes)?.split('\n').map(safe).collect::<Vec<_>>().join("\n"))
}

/// `bytes` without a last LF, if they are text: UTF-8 without NUL, which no text has and most other
/// files have.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    Some(text.strip_suffix('\n').unwrap_or(text))
}

fn safe(line: &str) -> String {
    to_safe(line.strip_suffix('\r').unwrap_or(line).as_bytes())
}

/// `number` with a comma after each three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let group = |(at, digit): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_line_by_line() {
        for (bytes, shown) in [
            ("hi", &["hi"][..]),
            ("hi\n", &["hi"]),
            ("a\r\n\n  b\tc\n", &["a", "", "  b\tc"]),
            ("", &[""]),
            ("\x1b[2J\u{9b}\u{202e}\rx", &["␛[2J\u{fffd}\u{fffd}␍x"]),
        ] {
            assert_eq!(lines(bytes.as_bytes()), shown);
        }
    }

    #[test]
    fn of_a_million_lines_the_first_are_shown() {
        let lines = lines(&vec![b'\n'; 1024 * 1024]);
        assert_eq!(lines.len(), MOST.div_ceil(BESIDE) + 1);
        assert_eq!(lines.last().map(String::as_str), Some("[… and 1,042,022 more bytes]"));
        let source = "0123456789012345678901234567890123456789\n".repeat(1600);
        assert_eq!(super::lines(source.as_bytes()).len(), 1600, "what any server takes is shown");
    }

    #[test]
    fn what_is_no_text_is_counted() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(lines(&every), ["[256 bytes]"]);
        assert_eq!(lines(b"a\0b"), ["[3 bytes]"]);
        assert_eq!(lines(&[0xff; 12_345]), ["[12,345 bytes]"]);
        assert_eq!(lines(&vec![0; 1_048_576]), ["[1,048,576 bytes]"]);
    }
}
