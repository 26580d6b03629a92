//! Figures: kept as lines of JSON, shown as a table of ratios.

use std::fmt::Write;

/// All that was found out.
#[derive(Default)]
pub struct Report {
    /// Machine, kernel, commit, and how it was measured.
    pub here: String,
    pub records: Vec<Record>,
}

/// One figure of one run.
pub struct Record {
    pub server: String,
    pub job: String,
    /// Its name with its unit; or where there is no value, what went wrong.
    pub figure: String,
    pub run: usize,
    pub value: Option<f64>,
    /// Whether something else took the CPU meanwhile.
    pub disturbed: bool,
}

impl Report {
    /// A line that says where it was measured, then one JSON object a record.
    pub fn json(&self) -> String {
        let mut out = format!("{{\"here\":\"{}\"}}\n", self.here);
        for Record { server, job, figure, run, value, disturbed } in &self.records {
            let value = value.map_or("null".to_owned(), |value| value.to_string());
            let _ = writeln!(
                out,
                "{{\"server\":\"{server}\",\"job\":\"{job}\",\"figure\":\"{}\",\
                 \"run\":{run},\"value\":{value},\"disturbed\":{disturbed}}}",
                figure.replace(['"', '\\'], "'"),
            );
        }
        out
    }

    /// Reads what [`Report::json`] wrote, and no other JSON.
    pub fn from_json(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split('"').collect();
            let bare = |at: usize| words[at].trim_matches([':', ',', '}']);
            if words.len() == 5 {
                words[3].clone_into(&mut report.here);
            } else if words.len() == 19 {
                report.records.push(Record {
                    server: words[3].to_owned(),
                    job: words[7].to_owned(),
                    figure: words[11].to_owned(),
                    run: bare(14).parse().unwrap_or_default(),
                    value: bare(16).parse().ok(),
                    disturbed: bare(18) == "true",
                });
            }
        }
        report
    }

    /// The servers in the order in which they were measured, but the floor last.
    pub fn servers(&self) -> Vec<&str> {
        let mut servers = distinct(self.records.iter().map(|record| record.server.as_str()));
        servers.sort_by_key(|server| *server == "floor");
        servers
    }

    /// What went wrong.
    pub fn failures(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.value.is_none())
    }

    /// The Markdown table: ratios first, then the figures; under it, what went wrong.
    pub fn markdown(&self) -> String {
        let servers = self.servers();
        let rule = "---|".repeat(servers.len());
        let mut out = format!("{}\n\n| job | figure | {} |\n", self.here, servers.join(" | "));
        let _ = writeln!(out, "|---|---|{rule}");
        let measured = self.records.iter().filter(|record| record.value.is_some());
        for (job, figure) in distinct(measured.map(|r| (r.job.as_str(), r.figure.as_str()))) {
            let cell = |server: &&str| self.cell(server, job, figure);
            let cells: Vec<_> = servers.iter().map(cell).collect();
            let _ = writeln!(out, "| {job} | {figure} | {} |", cells.join(" | "));
        }
        for Record { server, job, figure, .. } in self.failures() {
            let _ = writeln!(out, "\nFailed: {server}, {job}: {figure}.");
        }
        out
    }

    /// The median ratio to the floor's figure of the same run, the range of ratios, and the figure.
    fn cell(&self, server: &str, job: &str, figure: &str) -> String {
        let Some(value) = self.median(server, job, figure) else { return "–".to_owned() };
        let disturbed = self.runs(server, job, figure).any(|(_, _, disturbed)| disturbed);
        let value = short(value) + if disturbed { "~" } else { "" };
        let floor: Vec<_> = self.runs("floor", job, figure).collect();
        let ratios: Vec<f64> = self
            .runs(server, job, figure)
            .filter_map(|(run, value, _)| Some(value / floor.iter().find(|f| f.0 == run)?.1))
            .collect();
        let low = ratios.iter().copied().fold(f64::MAX, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        match median(ratios) {
            Some(ratio) if server != "floor" && low < high => {
                let digits = if high < 0.1 { 3 } else { 2 };
                format!("**{ratio:.digits$}×** ({low:.digits$}–{high:.digits$}) {value}")
            }
            Some(ratio) if server != "floor" => format!("**{ratio:.2}×** {value}"),
            _ => value,
        }
    }

    /// Number and value of each run, and whether it was disturbed.
    fn runs(
        &self,
        server: &str,
        job: &str,
        figure: &str,
    ) -> impl Iterator<Item = (usize, f64, bool)> {
        self.records
            .iter()
            .filter(move |r| r.server == server && r.job == job && r.figure == figure)
            .filter_map(|r| Some((r.run, r.value?, r.disturbed)))
    }

    /// The median over the runs.
    pub fn median(&self, server: &str, job: &str, figure: &str) -> Option<f64> {
        median(self.runs(server, job, figure).map(|(_, value, _)| value).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    Some(f64::midpoint(*upper, values[(values.len() - 1) / 2]))
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// Three digits: a shared machine promises no more. Thousands as such.
fn short(value: f64) -> String {
    let digits = (2 - value.max(0.001).log10().floor() as i32).max(0) as usize;
    match (value.round() as u64 / 1000, value.round() as u64 % 1000) {
        (0, _) => format!("{value:.digits$}"),
        (thousands @ 1..1000, rest) => format!("{thousands},{rest:03}"),
        (thousands, rest) => format!("{},{:03},{rest:03}", thousands / 1000, thousands % 1000),
    }
}
