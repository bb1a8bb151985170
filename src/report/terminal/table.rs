//! What the terminal shows once the run has ended: the verdict table, the totals, and the failures again.

use std::collections::HashMap;
use std::io::{self, Write};

use owo_colors::Style as Paint;

use super::{DEVICES_SHOWN_MAX, Terminal, WORD};
use crate::event::{StepId, Verdict};
use crate::kernel::Duration;
use crate::report::{ExpectationRow, LAB_KEYS, RunSummary, StepRow, StepTimes, text};

/// The most failures that are repeated.
const FAILURES_MAX: usize = 20;
/// Columns of a duration.
const TIME: usize = 10;

/// From which width on processor times have a column.
const CPU_FROM: usize = 60;
/// The narrowest column of what was proved.
const PROVED_MIN: usize = 16;
/// The most expectations that are shown one by one.
const EXPECTATIONS_MAX: usize = 10;

/// One line of the table.
struct Row {
    verdict: Verdict,
    name: String,
    /// What stands out before what was proved; may be empty.
    remark: &'static str,
    proved: String,
    virtual_time: Option<Duration>,
    cpu_time: Option<Duration>,
}

/// How wide the columns are.
#[derive(Clone, Copy)]
struct Columns {
    name: usize,
    proved: usize,
    /// Whether there is one of processor times.
    measured: bool,
}

impl<W: Write> Terminal<W> {
    /// Step, what was proved, virtual time, processor time.
    pub(super) fn table(&mut self, summary: &RunSummary) -> io::Result<()> {
        if std::mem::take(&mut self.bottom_shown) {
            write!(self.out, "\r\x1b[K")?;
        }
        self.rule()?;
        let rows: Vec<Row> = rows(summary).into_iter().chain(expectations(&summary.expectations)).collect();
        let name = rows.iter().map(|row| row.name.chars().count()).chain([4]).max().unwrap_or(4);
        // A narrow screen has no room for what can be read elsewhere as well.
        let width = self.style.width;
        let measured = rows.iter().any(|row| row.cpu_time.is_some()) && width >= CPU_FROM;
        let times = if measured { 2 } else { 1 };
        let proved = width.saturating_sub(WORD + 1 + name + 2 + times * (TIME + 2)).max(PROVED_MIN);

        let time = match (summary.facts.devices > DEVICES_SHOWN_MAX, summary.facts.outside.is_empty()) {
            (true, _) => "median",
            (false, true) => "virtual",
            // Parties outside hold it to the clock.
            (false, false) => "real",
        };
        let cpu = if measured { format!("  {:>TIME$}", "CPU") } else { String::new() };
        let heading = format!("{:name$}  {:proved$}  {time:>TIME$}{cpu}", "step", "what was proved");
        self.worded("", Paint::new(), &self.paint(&heading, Paint::new().dimmed()))?;
        for row in rows {
            self.row(&row, Columns { name, proved, measured })?;
        }
        self.rule()
    }

    fn row(&mut self, row: &Row, Columns { name, proved, measured }: Columns) -> io::Result<()> {
        let time =
            |time: Option<Duration>| format!("{:>TIME$}", time.map_or_else(String::new, text::readable));
        let label = self.paint(&format!("{:name$}", row.name), Paint::new().bold());
        let remark = if row.remark.is_empty() { String::new() } else { format!("{}: ", row.remark) };
        let lines = wrap(&format!("{remark}{}", text::brief(&row.proved)), proved);
        let first = lines.first().map_or("", String::as_str);
        let first = match first.strip_prefix(row.remark) {
            Some(rest) => {
                let remark = self.paint(row.remark, Paint::new().bold().yellow());
                format!("{remark}{rest}{:1$}", "", proved.saturating_sub(first.chars().count()))
            }
            None => format!("{first:proved$}"),
        };
        let cpu = if measured { format!("  {}", time(row.cpu_time)) } else { String::new() };
        let line = format!("{label}  {first}  {}{cpu}", time(row.virtual_time));
        self.verdict(row.verdict, &line)?;
        for line in lines.iter().skip(1) {
            self.worded("", Paint::new(), &format!("{:name$}  {line}", ""))?;
        }
        Ok(())
    }

    pub(super) fn totals(&mut self, summary: &RunSummary) -> io::Result<()> {
        let (passed, steps) = summary.steps_passed();
        let (met, expected) = summary.expectations_met();
        let expectations = match expected {
            0 => String::new(),
            all => format!(" and {met}/{all} expectations"),
        };
        let mut line = format!(
            "[{:>8}s] {}: {passed}/{steps} steps{expectations} passed",
            text::seconds(summary.virtual_time),
            self.paint(&text::one_line(&summary.facts.scenario), Paint::new().bold())
        );
        if let Some(cpu) = summary.cpu_time {
            line.push_str(&format!(", {} CPU", text::readable(cpu)));
        }
        if let Some(wall) = summary.wall_time {
            line.push_str(&format!(", {} wall", text::readable(wall)));
        }
        self.verdict(summary.verdict, &line)?;
        self.worded("Keys", Paint::new(), LAB_KEYS)?;
        if let Some(left_out) = &summary.left_out {
            self.worded("Not recorded", Paint::new().bold(), &left_out.told())?;
        }
        if let Some(audit) = &summary.audit {
            self.worded("Audit", Paint::new().bold(), &text::one_line(&audit.told()))?;
        }
        Ok(())
    }

    /// What went wrong, once more, so that it is the last thing on the screen; and how to see it again.
    pub(super) fn failures(&mut self, summary: &RunSummary) -> io::Result<()> {
        if summary.verdict == Verdict::Pass {
            return Ok(());
        }
        let steps = failed_steps(summary);
        let expectations = summary.expectations.iter().filter(|row| row.verdict != Verdict::Pass);
        let expectations =
            expectations.map(|row| (row.verdict, format!("expected: {}", text::brief(&row.told()))));
        let findings = summary.audit.iter().flat_map(|audit| &audit.findings);
        let findings =
            findings.map(|one| (Verdict::Fail, format!("audit: {}", text::one_line(&one.to_string()))));
        let all: Vec<(Verdict, String)> = steps.into_iter().chain(expectations).chain(findings).collect();
        for (verdict, line) in all.iter().take(FAILURES_MAX) {
            self.verdict(*verdict, line)?;
        }
        if all.len() > FAILURES_MAX {
            self.worded(
                "",
                Paint::new(),
                &format!("and {} more; junit.xml has them all", all.len() - FAILURES_MAX),
            )?;
        }
        if let Some(reason) = &summary.reason {
            self.worded("Reason", Paint::new().bold(), &text::one_line(reason))?;
        }
        self.worded("Rerun", Paint::new().bold(), &text::one_line(&summary.rerun))
    }
}

/// What went wrong with steps; what went wrong alike with many devices is said once.
fn failed_steps(summary: &RunSummary) -> Vec<(Verdict, String)> {
    let mut groups: Vec<(&StepRow, u64)> = Vec::new();
    let mut known: HashMap<(StepId, Verdict, &str), usize> = HashMap::new();
    for row in summary.steps.iter().filter(|row| row.verdict != Verdict::Pass) {
        let group = *known.entry((row.step, row.verdict, &row.finding)).or_insert(groups.len());
        match groups.get_mut(group) {
            Some((_, devices)) => *devices += 1,
            None => groups.push((row, 1)),
        }
    }
    let line = |(row, devices): (&StepRow, u64)| {
        let of = match devices {
            _ if summary.facts.devices == 1 => String::new(),
            1 => format!("dev{} ", row.device),
            n => format!("{n} devices from dev{} on, ", row.device),
        };
        (row.verdict, format!("{of}{}: {}", row.step, text::brief(&row.told())))
    };
    groups.into_iter().map(line).collect()
}

/// A row per step and device, or per step where there are many devices.
fn rows(summary: &RunSummary) -> Vec<Row> {
    let devices = summary.facts.devices;
    if devices <= DEVICES_SHOWN_MAX {
        let rows = summary.steps.iter().map(|row| Row {
            verdict: row.verdict,
            name: match devices {
                1 => row.step.to_string(),
                _ => format!("dev{} {}", row.device, row.step),
            },
            remark: row.remark(),
            proved: row.finding.clone(),
            virtual_time: Some(row.virtual_time),
            cpu_time: row.cpu_time,
        });
        return rows.collect();
    }
    let of_step = |times: StepTimes| {
        let rows = summary.steps.iter().filter(|row| row.step == times.step);
        Row {
            verdict: rows.map(|row| row.verdict).max().unwrap_or(Verdict::Pass),
            name: times.step.to_string(),
            remark: "",
            proved: format!(
                "{} of {devices} devices, in {}{}",
                times.passed,
                text::seconds_range(times.min, times.max),
                if times.refused > 0 { format!(", {} refused", times.refused) } else { String::new() }
            ),
            virtual_time: Some(times.median),
            cpu_time: times.cpu_time,
        }
    };
    summary.step_times().into_iter().map(of_step).collect()
}

/// A row per expectation, or one for all where there are many.
fn expectations(all: &[ExpectationRow]) -> Vec<Row> {
    let row = |verdict, proved| Row {
        verdict,
        name: "expected".to_owned(),
        remark: "",
        proved,
        virtual_time: None,
        cpu_time: None,
    };
    if all.len() <= EXPECTATIONS_MAX {
        return all.iter().map(|one| row(one.verdict, one.told())).collect();
    }
    let met = all.iter().filter(|one| one.verdict == Verdict::Pass).count();
    let verdict = all.iter().map(|one| one.verdict).max().unwrap_or_default();
    vec![row(verdict, format!("{met} of {} expectations met", all.len()))]
}

/// `text` in at most `width` columns; an ellipsis says that something was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end_matches(['…', ' ']))
}

/// `text` in lines of at most `width` columns, broken between words where that is possible.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            // Only a word that is longer than a whole line gets here with the line full.
            if used == width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += 1;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_and_long_ones_break() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a abcdefghij b", 4), ["a", "abcd", "efgh", "ij b"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn a_cut_shows() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("ab… de", 4), "ab…");
    }
}
