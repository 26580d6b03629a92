//! Figures: kept as lines of JSON, shown as a table of ratios.

use std::fmt::Write;

/// All that a run has found out.
#[derive(Default)]
pub struct Report {
    /// Machine, kernel, commit, and how the run was made.
    pub here: String,
    pub records: Vec<Record>,
    /// Server, job, and what went wrong.
    pub failures: Vec<[String; 3]>,
}

/// One figure of one run.
pub struct Record {
    pub server: String,
    pub job: String,
    pub figure: String,
    pub run: usize,
    pub value: f64,
    pub disturbed: bool,
}

impl Report {
    /// One JSON object a line: where it was measured, each figure of each run, each failure.
    pub fn json(&self) -> String {
        let mut out = format!("{{\"here\":\"{}\"}}\n", self.here);
        for Record { server, job, figure, run, value, disturbed } in &self.records {
            let _ =
                write!(out, "{{\"server\":\"{server}\",\"job\":\"{job}\",\"figure\":\"{figure}\",");
            let _ = writeln!(out, "\"run\":{run},\"value\":{value},\"disturbed\":{disturbed}}}");
        }
        for [server, job, why] in &self.failures {
            let why = why.replace(['"', '\\'], "'");
            let _ =
                writeln!(out, "{{\"server\":\"{server}\",\"job\":\"{job}\",\"failed\":\"{why}\"}}");
        }
        out
    }

    /// Reads what [`Report::json`] wrote.
    pub fn from_json(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            let get = |key: &str| {
                let (_, rest) = line.split_once(&format!("\"{key}\":"))?;
                let value = rest.strip_prefix('"').map_or_else(
                    || rest.split([',', '}']).next(),
                    |quoted| quoted.split('"').next(),
                );
                value.map(str::to_owned)
            };
            let text = |key| get(key).unwrap_or_default();
            if let Some(here) = get("here") {
                report.here = here;
            } else if let Some(why) = get("failed") {
                report.failures.push([text("server"), text("job"), why]);
            } else if let (Ok(value), Ok(run)) = (text("value").parse(), text("run").parse()) {
                let (server, job, figure) = (text("server"), text("job"), text("figure"));
                let disturbed = text("disturbed") == "true";
                report.records.push(Record { server, job, figure, run, value, disturbed });
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

    /// The Markdown table: ratios first, then the figures, and under it what was not measured.
    pub fn markdown(&self) -> String {
        let servers = self.servers();
        let mut out = format!("{}\n\n| job | figure |", self.here);
        for server in &servers {
            let _ = write!(out, " {server} |");
        }
        let _ = writeln!(out, "\n|---|---|{}", "---|".repeat(servers.len()));
        for (job, figure) in distinct(self.records.iter().map(|r| (&*r.job, &*r.figure))) {
            let _ = write!(out, "| {job} | {figure} |");
            for server in &servers {
                let _ = write!(out, " {} |", self.cell(server, job, figure));
            }
            out.push('\n');
        }
        for [server, job, why] in &self.failures {
            let _ = write!(out, "\nNot measured: {server}, {job}: {why}.\n");
        }
        out
    }

    fn cell(&self, server: &str, job: &str, figure: &str) -> String {
        let mine = self.runs(server, job, figure);
        let values = mine.iter().map(|record| record.value).collect();
        let Some(value) = median(values) else { return "–".to_owned() };
        let mark = if mine.iter().any(|record| record.disturbed) { "~" } else { "" };
        let floor = self.runs("floor", job, figure);
        let ratios: Vec<f64> = mine
            .iter()
            .filter_map(|m| Some(m.value / floor.iter().find(|f| f.run == m.run)?.value))
            .collect();
        let (low, high) =
            ratios.iter().fold((f64::MAX, 0.0f64), |(l, h), r| (l.min(*r), h.max(*r)));
        match median(ratios) {
            Some(ratio) if server != "floor" && low < high => {
                format!("**{ratio:.2}×** ({low:.2}–{high:.2}) {}{mark}", short(value))
            }
            Some(ratio) if server != "floor" => format!("**{ratio:.2}×** {}{mark}", short(value)),
            _ => format!("{}{mark}", short(value)),
        }
    }

    fn runs(&self, server: &str, job: &str, figure: &str) -> Vec<&Record> {
        let wanted = |r: &&Record| r.server == server && r.job == job && r.figure == figure;
        self.records.iter().filter(wanted).collect()
    }

    /// The median over the runs.
    pub fn median(&self, server: &str, job: &str, figure: &str) -> Option<f64> {
        median(self.runs(server, job, figure).iter().map(|record| record.value).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2)?;
    let other = values[(values.len() - 1) / 2];
    Some(f64::midpoint(*middle, other))
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

/// Three digits are more than a shared machine can promise.
fn short(value: f64) -> String {
    let digits = (2 - value.abs().max(0.001).log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
