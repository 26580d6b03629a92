//! A line as rows of a terminal, its parts in their looks.

use super::width::{width, wrap};
use std::ops::Range;

/// The end of a look.
pub const PLAIN: &str = "\x1b[m";

/// A part of a line, and how it looks.
pub type Span = (Range<usize>, String);

/// `line` in rows of `columns`, all but the first indented, each with its line end. The spans are
/// in order and apart.
pub fn rows(line: &str, indent: usize, columns: usize, spans: &[Span]) -> String {
    let mut shown = String::new();
    let indent = indent.min(columns / 2);
    let (first, rest) = first_row(line, indent, columns);
    push(&mut shown, line, first, spans);
    for row in wrap(&line[rest..], columns.saturating_sub(indent).max(1)) {
        if rest == line.len() {
            break;
        }
        shown.extend(std::iter::repeat_n(' ', indent));
        push(&mut shown, line, row.start + rest..row.end + rest, spans);
    }
    shown
}

/// What is in the first row, which is not indented, and where the second begins.
fn first_row(line: &str, indent: usize, columns: usize) -> (Range<usize>, usize) {
    let mut wrapped = wrap(line, columns).into_iter();
    let first = wrapped.next().unwrap_or_default();
    let mut rest = wrapped.next().map_or(line.len(), |second| second.start);
    // A long word belongs to where the text begins, and not below it.
    let text = &line[..first.end];
    let mut end = first.end;
    let taken = width(&line[..rest]);
    if rest < line.len() && width(text) <= indent && taken < columns {
        let cut = wrap(&line[rest..], columns - taken);
        if let Some(part) = cut.first() {
            end = rest + part.end;
            rest = cut.get(1).map_or(line.len(), |second| rest + second.start);
        }
    }
    (0..end, rest)
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
