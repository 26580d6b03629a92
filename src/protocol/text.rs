//! Text that is safe to print: valid UTF-8 in which nothing can drive a terminal.

/// What stands for something that cannot be shown: U+FFFD.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Appends `bytes` to `out`, made safe to print; safe text is copied byte for byte.
///
/// TAB stays. Any other C0 control becomes its Control Picture (U+2400 + code), DEL becomes U+2421.
/// A C1 control, a bidirectional control and each maximal invalid part of UTF-8 become U+FFFD.
/// The result is at most three times as long.
pub fn push_safe(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        return out.extend_from_slice(bytes);
    }
    let mut utf8 = [0; 4];
    for part in bytes.utf8_chunks() {
        for c in part.valid().chars() {
            out.extend_from_slice(safe(c).encode_utf8(&mut utf8).as_bytes());
        }
        if !part.invalid().is_empty() {
            out.extend_from_slice(REPLACEMENT.encode_utf8(&mut utf8).as_bytes());
        }
    }
}

/// `bytes` as text that is safe to print; the rules are those of [`push_safe`].
#[must_use]
pub fn to_safe(bytes: &[u8]) -> String {
    bytes
        .utf8_chunks()
        .flat_map(|part| {
            let invalid = (!part.invalid().is_empty()).then_some(REPLACEMENT);
            part.valid().chars().map(safe).chain(invalid)
        })
        .collect()
}

/// Whether `bytes` are printable ASCII and TAB alone: nearly all text, and found out quickly.
fn is_plain(bytes: &[u8]) -> bool {
    // No early exit: so written, the compiler turns it into vector instructions.
    bytes.iter().fold(true, |plain, b| plain & (matches!(b, b' '..=b'~') | (*b == b'\t')))
}

/// What is shown in place of `c`.
fn safe(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(REPLACEMENT),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => REPLACEMENT,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_safe(&mut out, bytes);
        String::from_utf8(out).expect("safe text is UTF-8")
    }

    #[test]
    fn plain_text_passes_byte_for_byte() {
        assert_eq!(shown(b"hi there\t~!"), "hi there\t~!");
        assert_eq!(shown("gr\u{fc}\u{df} dich \u{1f600}".as_bytes()), "grüß dich 😀");
    }

    #[test]
    fn an_escape_sequence_is_shown_and_not_obeyed() {
        assert_eq!(shown(b"\x1b[2J\x1b]0;title\x07"), "\u{241b}[2J\u{241b}]0;title\u{2407}");
    }

    #[test]
    fn backspace_nul_cr_and_del_become_pictures() {
        assert_eq!(shown(b"\x08\0\r\x7f\n"), "␈␀␍␡␊");
    }

    #[test]
    fn a_c1_control_in_utf8_is_replaced() {
        assert_eq!(shown(b"\xc2\x9b31m"), "\u{fffd}31m");
        assert_eq!(shown("\u{a0}".as_bytes()), "\u{a0}");
    }

    #[test]
    fn a_raw_c1_byte_is_invalid_utf8_and_replaced() {
        assert_eq!(shown(b"\x9b31m"), "\u{fffd}31m");
    }

    #[test]
    fn text_cannot_be_turned_around() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert_eq!(shown(c.to_string().as_bytes()), "\u{fffd}");
        }
    }

    #[test]
    fn each_maximal_invalid_part_becomes_one_replacement() {
        assert_eq!(shown(b"a\xf0\x9f\x98z"), "a\u{fffd}z");
        assert_eq!(shown(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(shown(b"\xe2\x82"), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_bytes_come_out_safe_and_stay_as_they_are_the_second_time(bytes: Vec<u8>) {
            let once = shown(&bytes);
            prop_assert!(once.chars().all(|c| c == '\t' || !c.is_control()));
            prop_assert!(once.len() <= 3 * bytes.len());
            prop_assert_eq!(&shown(once.as_bytes()), &once);
            prop_assert_eq!(to_safe(&bytes), once);
        }

        #[test]
        fn what_is_replaced_agrees_with_the_standard_lossy_conversion(bytes: Vec<u8>) {
            let lossy = String::from_utf8_lossy(&bytes).into_owned();
            prop_assert_eq!(shown(&bytes), shown(lossy.as_bytes()));
        }
    }
}
