//! A line as rows of a terminal, its parts in their looks.

use super::width::wrap;
use std::ops::Range;

/// The end of a look.
pub const PLAIN: &str = "\x1b[m";

/// A part of a line, and how it looks.
pub type Span = (Range<usize>, String);

/// `line` in rows of `columns`, all but the first indented, each with its line end. The spans are
/// in order and apart. Only a word for which no row has room makes one wider.
pub fn rows(line: &str, indent: usize, columns: usize, spans: &[Span]) -> String {
    let mut shown = String::new();
    let indent = indent.min(columns / 2);
    for (n, row) in wrap(line, indent, columns).into_iter().enumerate() {
        if n > 0 {
            shown.extend(std::iter::repeat_n(' ', indent));
        }
        push(&mut shown, line, row, spans);
    }
    shown
}

fn push(shown: &mut String, line: &str, row: Range<usize>, spans: &[Span]) {
    let mut at = row.start;
    // A crowd's names have as many spans, in as many rows.
    let first = spans.partition_point(|(span, _)| span.end <= row.start);
    let here = spans[first..].iter().take_while(|(span, _)| span.start < row.end);
    for (span, style) in here {
        let (start, end) = (span.start.clamp(at, row.end), span.end.clamp(at, row.end));
        if start < end {
            shown.push_str(&line[at..start]);
            shown.push_str(style);
            shown.push_str(&line[start..end]);
            shown.push_str(PLAIN);
            at = end;
        }
    }
    shown.push_str(&line[at..row.end]);
    shown.push('\n');
}
