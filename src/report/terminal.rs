//! The live view: steps as they start and end, then the verdict table, and what went wrong repeated last.
//!
//! A run of few devices shows a line per step of each device. A run of many shows one line per step, once
//! the last device is through with it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use owo_colors::Style as Paint;

use super::summary::verdict_name;
use super::{RunFacts, RunSummary, View, text};
use crate::event::{Body, Event, Outcome, StepId, Verdict};
use crate::kernel::Duration;

mod table;

/// The most devices whose steps are shown one by one.
const DEVICES_SHOWN_MAX: u32 = 5;
/// Where the words at the left end: as wide as `INCONCLUSIVE`.
const WORD: usize = 12;
/// The columns that the name of a step takes at least: as many as `download` and `register`.
const STEP_MIN: usize = 8;
/// The narrowest terminal that is laid out for.
const WIDTH_MIN: usize = 40;

/// What the terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours.
    pub colour: bool,
    /// Whether the line at the bottom may be overwritten, to show what runs now.
    pub live: bool,
    /// Columns.
    pub width: usize,
}

/// Writes the live view.
pub struct Terminal<W> {
    out: W,
    style: Style,
    facts: RunFacts,
    ended: u64,
    /// Steps that have begun and not ended, by device, for the line at the bottom.
    running: BTreeMap<u32, StepId>,
    /// What is not shown yet of each step, where there are many devices.
    gathered: Vec<(StepId, Gathered)>,
    bottom_shown: bool,
}

/// One step over many devices.
#[derive(Default)]
struct Gathered {
    times: Vec<Duration>,
    refused: u64,
    first_reason: Option<String>,
}

impl<W: Write> Terminal<W> {
    /// Begins the view in `out` with what the run is about.
    pub fn new(out: W, facts: &RunFacts, style: Style) -> io::Result<Self> {
        let style = Style { width: style.width.max(WIDTH_MIN), ..style };
        let mut view = Self {
            out,
            style,
            facts: facts.clone(),
            ended: 0,
            running: BTreeMap::new(),
            gathered: Vec::new(),
            bottom_shown: false,
        };
        let about = format!(
            "{} on {} · {} · {} · seed {}",
            view.paint(&text::one_line(&facts.scenario), Paint::new().bold()),
            text::one_line(&facts.bench),
            facts.rat.name(),
            text::count(facts.devices.into(), "device"),
            facts.seed
        );
        view.worded("Running", Paint::new().bold().green(), &about)?;
        if !facts.summary.is_empty() {
            let summary = text::one_line(&facts.summary).into_owned();
            view.worded("", Paint::new(), &summary)?;
        }
        if let Some(registration) = &facts.registration {
            let registration = format!("registration {}", text::one_line(registration));
            view.worded("", Paint::new(), &registration)?;
        }
        view.rule()?;
        Ok(view)
    }

    fn step_ended(&mut self, device: u32, step: StepId, took: Duration, outcome: &Outcome) -> io::Result<()> {
        self.ended += 1;
        self.running.remove(&device);
        if self.facts.devices <= DEVICES_SHOWN_MAX {
            return self.step_line(device, step, took, outcome);
        }
        let place = self.gathered.iter().position(|(known, _)| *known == step).unwrap_or_else(|| {
            self.gathered.push((step, Gathered::default()));
            self.gathered.len() - 1
        });
        let gathered = &mut self.gathered[place].1;
        gathered.times.push(took);
        if let Outcome::Refused { reason, .. } = outcome {
            gathered.refused += 1;
            gathered.first_reason.get_or_insert_with(|| reason.to_string());
        }
        if gathered.times.len() as u64 >= u64::from(self.facts.devices) {
            let (step, gathered) = self.gathered.remove(place);
            self.gathered_line(step, gathered)?;
        }
        Ok(())
    }

    /// The columns that the name of a step takes.
    fn step_width(&self) -> usize {
        self.facts.plan.iter().map(|step| step.to_string().chars().count()).fold(STEP_MIN, usize::max)
    }

    /// One step of one device.
    fn step_line(&mut self, device: u32, step: StepId, took: Duration, outcome: &Outcome) -> io::Result<()> {
        let of = if self.facts.devices > 1 { format!("dev{device} ") } else { String::new() };
        let total = u64::from(self.facts.devices) * self.facts.plan.len() as u64;
        let (word, paint, why) = match outcome {
            Outcome::Done { proof } => ("DONE", Paint::new().bold().green(), text::brief(proof)),
            Outcome::Refused { reason, .. } => (
                "REFUSED",
                Paint::new().bold().yellow(),
                text::brief(&reason.to_string()).into_owned().into(),
            ),
        };
        let head = format!("[{:>8}s] {:>2}/{total} ", text::seconds(took), self.ended);
        let name = format!("{of}{step:<width$}", width = self.step_width());
        let room =
            self.style.width.saturating_sub(WORD + 1 + head.chars().count() + name.chars().count() + 1);
        // What goes to a file or another program is whole.
        let why = if self.style.live { table::cut(&why, room) } else { why.into_owned() };
        let line = format!("{head}{} {why}", self.paint(&name, Paint::new().bold()));
        self.worded(word, paint, line.trim_end())
    }

    /// One step of all devices that got to it.
    fn gathered_line(&mut self, step: StepId, mut gathered: Gathered) -> io::Result<()> {
        gathered.times.sort_unstable();
        let times = &gathered.times;
        let (Some(min), Some(max)) = (times.first(), times.last()) else { return Ok(()) };
        let median = times[(times.len() - 1) / 2];
        let done = times.len() as u64 - gathered.refused;
        let mut line = format!(
            "[{:>8}s] {done:>4}/{} {} {}",
            text::seconds(median),
            self.facts.devices,
            self.paint(&format!("{step:<width$}", width = self.step_width()), Paint::new().bold()),
            text::seconds_range(*min, *max)
        );
        if let Some(reason) = &gathered.first_reason {
            line.push_str(&format!(", {} refused: {}", gathered.refused, text::one_line(reason)));
        }
        let paint =
            if gathered.refused > 0 { Paint::new().bold().yellow() } else { Paint::new().bold().green() };
        self.worded(if done > 0 { "DONE" } else { "REFUSED" }, paint, &line)
    }

    /// What runs now, on a line that the next one overwrites.
    fn bottom(&mut self) -> io::Result<()> {
        if !self.style.live {
            return Ok(());
        }
        let now = match self.running.len() {
            0 => return Ok(()),
            1..=3 => {
                let each = self.running.iter().map(|(device, step)| format!("dev{device} {step}"));
                each.collect::<Vec<_>>().join(", ")
            }
            n => format!("{n} devices on their way, {} ended", text::count(self.ended, "step")),
        };
        let line = table::cut(&format!("{:>WORD$} {now}", "…"), self.style.width - 1);
        let erase = if self.bottom_shown { "\r\x1b[K" } else { "" };
        self.bottom_shown = true;
        write!(self.out, "{erase}{line}")?;
        self.out.flush()
    }

    /// A line with a right-aligned word at its left, as nextest has them.
    fn worded(&mut self, word: &str, paint: Paint, rest: &str) -> io::Result<()> {
        if std::mem::take(&mut self.bottom_shown) {
            write!(self.out, "\r\x1b[K")?;
        }
        let word = self.paint(&format!("{word:>WORD$}"), paint);
        writeln!(self.out, "{}", format!("{word} {rest}").trim_end())
    }

    fn rule(&mut self) -> io::Result<()> {
        let rule = "─".repeat(self.style.width);
        writeln!(self.out, "{}", self.paint(&rule, Paint::new().dimmed()))
    }

    fn paint(&self, text: &str, paint: Paint) -> String {
        if self.style.colour && !text.trim().is_empty() {
            paint.style(text).to_string()
        } else {
            text.to_owned()
        }
    }

    fn verdict(&mut self, verdict: Verdict, rest: &str) -> io::Result<()> {
        self.worded(&verdict_name(verdict).to_uppercase(), verdict_paint(verdict), rest)
    }
}

impl<W: Write> View for Terminal<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.body {
            Body::StepStarted { device, step } => {
                self.running.insert(*device, *step);
                self.bottom()
            }
            Body::StepEnded { device, step, took, outcome } => {
                self.step_ended(*device, *step, *took, outcome)?;
                self.bottom()
            }
            Body::Message(_) | Body::State(_) => Ok(()),
        }
    }

    fn finish(&mut self, summary: &RunSummary) -> io::Result<()> {
        self.running.clear();
        let mut left = std::mem::take(&mut self.gathered);
        left.sort_by_key(|(step, _)| self.facts.plan.iter().position(|planned| planned == step));
        for (step, gathered) in left {
            self.gathered_line(step, gathered)?;
        }
        self.table(summary)?;
        self.totals(summary)?;
        self.failures(summary)?;
        self.out.flush()
    }
}

fn verdict_paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Pass => Paint::new().bold().green(),
        Verdict::Inconclusive => Paint::new().bold().yellow(),
        Verdict::Interrupted => Paint::new().bold().yellow(),
        Verdict::Fail => Paint::new().bold().red(),
        Verdict::Error => Paint::new().bold().magenta(),
    }
}

#[cfg(test)]
mod tests;
