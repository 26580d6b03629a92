//! How a payload looks: as text where it is text, else in a few words.

use smoltalk::protocol::text::to_safe;

/// The lines that show `bytes`, one at least. All of them are safe to print.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    text(bytes).unwrap_or_else(|| vec![format!("[{} bytes]", grouped(bytes.len()))])
}

/// The lines of `bytes`, made safe to print, if they are text: UTF-8 without NUL, which no text has
/// and most other files have.
pub fn text(bytes: &[u8]) -> Option<Vec<String>> {
    let text = str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    Some(lines.map(|line| to_safe(line.strip_suffix('\r').unwrap_or(line).as_bytes())).collect())
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
    fn what_is_no_text_is_counted() {
        let every: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(lines(&every), ["[256 bytes]"]);
        assert_eq!(lines(b"a\0b"), ["[3 bytes]"]);
        assert_eq!(lines(&[0xff; 12_345]), ["[12,345 bytes]"]);
        assert_eq!(lines(&vec![0; 1_048_576]), ["[1,048,576 bytes]"]);
    }
}
