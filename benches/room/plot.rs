//! One picture: what a delivery costs, by the size of the room.

use crate::report::Report;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
/// The panel that the lines are drawn in: left, top, right, bottom.
const PANEL: [f64; 4] = [72.0, 64.0, 640.0, 384.0];
/// The lines, in the order of the servers; the floor is always grey and dashed.
const COLOURS: [&str; 5] = ["#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#a16207"];
const FLOOR: &str = "#6b7280";
const FIGURE: &str = "server CPU per delivery, µs";
const WINDOW: &str = "16";

/// A server, and its points: members and microseconds.
type Line<'a> = (&'a str, Vec<(f64, f64)>);

/// Draws all fan-outs at a window of 16 as an SVG, or nothing where there are none.
pub fn svg(report: &Report) -> Option<String> {
    let lines: Vec<Line> = report
        .servers()
        .into_iter()
        .map(|server| (server, points(report, server)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || lines.iter().flat_map(|(_, points)| points);
    let (least, most) = all().fold((f64::MAX, 0.0f64), |(l, m), (_, y)| (l.min(*y), m.max(*y)));
    let (few, many) = all().fold((f64::MAX, 0.0f64), |(f, m), (x, _)| (f.min(*x), m.max(*x)));
    let axes = Axes { x: (few, many), y: (least / 1.4, most * 1.4) };
    if few >= many {
        return None;
    }
    let mut out = frame(&report.here);
    axes.draw(&mut out, &lines[0].1);
    let mut labels = Vec::new();
    for ((server, points), colour) in lines.iter().zip(COLOURS.into_iter().cycle()) {
        let colour = if *server == "floor" { FLOOR } else { colour };
        draw_line(&mut out, &axes, points, colour);
        let (members, cost) = points[points.len() - 1];
        let up_to = if members < many { format!(" ≤ {members}") } else { String::new() };
        labels.push((axes.y_at(cost), format!("{server}{up_to}"), colour));
    }
    draw_labels(&mut out, labels);
    out.push_str("</svg>\n");
    Some(out)
}

fn points(report: &Report, server: &str) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = report
        .records
        .iter()
        .filter(|record| record.server == server && record.run == 1 && record.figure == FIGURE)
        .filter_map(|record| {
            let (members, window) = record.job.strip_prefix("fan-out ")?.split_once('/')?;
            let cost = report.median(server, &record.job, FIGURE)?;
            Some((members.parse().ok().filter(|_| window == WINDOW)?, cost))
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// What does not depend on the figures. It has a background of its own, for pages of any colour.
fn frame(here: &str) -> String {
    let [left, top, right, bottom] = PANEL;
    let (middle, side) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#1f2937">
<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>
<text x="{left}" y="30" font-size="17" font-weight="600">What it costs the server to deliver one message to one member</text>
<text x="{left}" y="49" fill="#6b7280">64 bytes, 4 senders, {WINDOW} messages under way; lower is better; both axes are logarithmic</text>
<text x="{middle}" y="{}" text-anchor="middle">members of the room</text>
<text transform="translate(22 {side}) rotate(-90)" text-anchor="middle">server CPU per delivery, µs</text>
<text x="{left}" y="{}" font-size="10" fill="#6b7280">{}</text>
"##,
        bottom + 40.0,
        HEIGHT - 12.0,
        here.replace('&', "&amp;").replace('<', "&lt;"),
    )
}

/// The ranges of both axes.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
}

impl Axes {
    fn x_at(&self, members: f64) -> f64 {
        PANEL[0] + 12.0 + (PANEL[2] - PANEL[0] - 24.0) * share(self.x, members)
    }

    fn y_at(&self, cost: f64) -> f64 {
        PANEL[3] - (PANEL[3] - PANEL[1]) * share(self.y, cost)
    }

    fn draw(&self, out: &mut String, points: &[(f64, f64)]) {
        let [left, _, right, bottom] = PANEL;
        for exponent in -3..5 {
            for step in [1.0, 2.0, 5.0] {
                let cost = step * 10f64.powi(exponent);
                if cost < self.y.0 || cost > self.y.1 {
                    continue;
                }
                let y = self.y_at(cost);
                let _ = writeln!(
                    out,
                    r##"<path d="M{left} {y:.1}H{right}" stroke="#e5e7eb"/><text x="{}" y="{:.1}" text-anchor="end">{cost}</text>"##,
                    left - 8.0,
                    y + 4.0,
                );
            }
        }
        let _ = writeln!(out, r##"<path d="M{left} {bottom}H{right}" stroke="#6b7280"/>"##);
        for (members, _) in points {
            let x = self.x_at(*members);
            let _ = writeln!(
                out,
                r##"<path d="M{x:.1} {bottom}v5" stroke="#6b7280"/><text x="{x:.1}" y="{}" text-anchor="middle">{members}</text>"##,
                bottom + 19.0,
            );
        }
    }
}

/// Where `value` is in a range, from 0 to 1, by its logarithm.
fn share((low, high): (f64, f64), value: f64) -> f64 {
    (value / low).ln() / (high / low).ln()
}

fn draw_line(out: &mut String, axes: &Axes, points: &[(f64, f64)], colour: &str) {
    let at: Vec<_> = points.iter().map(|(x, y)| (axes.x_at(*x), axes.y_at(*y))).collect();
    let path: Vec<_> = at.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let path = path.join(" ");
    let dashes = if colour == FLOOR { r#" stroke-dasharray="6 4""# } else { "" };
    let _ = writeln!(
        out,
        r#"<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dashes}/>"#
    );
    for (x, y) in at {
        let _ = writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{colour}"/>"#);
    }
}

/// Names the lines at their ends, where need be a little lower, so that no names overlap.
fn draw_labels(out: &mut String, mut labels: Vec<(f64, String, &str)>) {
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = 0.0;
    for (end, name, colour) in labels {
        let y = (end + 4.0).max(free);
        free = y + 16.0;
        let _ = writeln!(
            out,
            r#"<text x="{}" y="{y:.1}" font-weight="600" fill="{colour}">{name}</text>"#,
            PANEL[2] + 8.0,
        );
    }
}
