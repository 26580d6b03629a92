//! How a payload looks: as text where it is text, else in a few words.

use smoltalk::text::to_safe;

/// The lines that show `bytes`, each with `head` before it, joined by LF. All of it is safe to print.
pub fn lines(head: &str, bytes: &[u8]) -> String {
    let Some(text) = text(bytes) else {
        return format!("{head}[{} bytes]", grouped(bytes.len()));
    };
    let shown = |line: &str| {
        format!("{head}{}", to_safe(line.strip_suffix('\r').unwrap_or(line).as_bytes()))
    };
    let lines: Vec<String> =
        text.strip_suffix('\n').unwrap_or(text).split('\n').map(shown).collect();
    lines.join("\n")
}

/// `bytes`, if they are text: UTF-8 without NUL, which no text has and most other files have.
fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
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
            ("hi", "<bob> hi"),
            ("hi\n", "<bob> hi"),
            ("a\r\n\n  b\tc\n", "<bob> a\n<bob> \n<bob>   b\tc"),
            ("", "<bob> "),
            ("\x1b[2J\u{9b}\u{202e}\rx", "<bob> ␛[2J\u{fffd}\u{fffd}␍x"),
        ] {
            assert_eq!(lines("<bob> ", bytes.as_bytes()), shown);
        }
    }

    #[test]
    fn what_is_no_text_is_counted() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(lines("<bob> ", &every), "<bob> [256 bytes]");
        assert_eq!(lines("<bob> ", b"a\0b"), "<bob> [3 bytes]");
        assert_eq!(lines("<bob> ", &[0xff; 12_345]), "<bob> [12,345 bytes]");
        assert_eq!(lines("<bob> ", &vec![0; 1_048_576]), "<bob> [1,048,576 bytes]");
    }
}
