//! Virtual time per step: where on the time axis each step of each device lies, or, of many devices, how
//! much the time of each step spreads. Bars are percentages, so that text keeps its size on any screen.

use std::io::{self, Write};

use super::{DEVICES_TIMED, Span};
use crate::event::Step;
use crate::kernel::{Duration, Instant};
use crate::report::RunSummary;
use crate::report::text::{readable, seconds, seconds_range};

/// Writes the section, or nothing where no step was begun.
pub(super) fn write(out: &mut impl Write, summary: &RunSummary, spans: &[Span]) -> io::Result<()> {
    let many = summary.facts.devices > DEVICES_TIMED;
    if spans.is_empty() || (many && summary.step_times().is_empty()) {
        return Ok(());
    }
    writeln!(
        out,
        "<section aria-labelledby=\"time\">\n<h2 id=\"time\">Time per step <small>virtual time</small></h2>\n\
         <div class=\"chart\">"
    )?;
    if many {
        spread(out, summary)?;
    } else if summary.facts.devices > 1 {
        by_device(out, spans)?;
    } else {
        by_step(out, spans)?;
    }
    writeln!(out, "</div>\n</section>")
}

/// One device: a row per step, each where it lies in the run.
fn by_step(out: &mut impl Write, spans: &[Span]) -> io::Result<()> {
    let end = end_of(spans);
    for span in spans {
        let took = span.to - span.from;
        let bar = rect(span.from - Instant::ZERO, span.to - Instant::ZERO, end, step_class(span.step.step));
        let name = &span.step.to_string();
        let what = format!("{name}: {} s from {} s on", seconds(took), seconds(span.from - Instant::ZERO));
        row(out, name, &what, end, &bar, &readable(took))?;
    }
    axis(out, end)
}

/// Several devices: a row per device, its steps one after the other.
fn by_device(out: &mut impl Write, spans: &[Span]) -> io::Result<()> {
    let end = end_of(spans);
    let mut devices: Vec<u32> = spans.iter().map(|span| span.device).collect();
    devices.sort_unstable();
    devices.dedup();
    for device in devices {
        let own = || spans.iter().filter(|span| span.device == device);
        let mut bars = String::new();
        let mut words = format!("device {device}:");
        for span in own() {
            bars.push_str(&rect(
                span.from - Instant::ZERO,
                span.to - Instant::ZERO,
                end,
                step_class(span.step.step),
            ));
            words.push_str(&format!(" {} {} s,", span.step, seconds(span.to - span.from)));
        }
        let total = own().map(|span| span.to - span.from).sum();
        row(out, &format!("device {device}"), words.trim_end_matches(','), end, &bars, &readable(total))?;
    }
    axis(out, end)?;
    legend(out, spans)
}

/// Many devices: from the least to the most time of each step, with a mark at the median.
fn spread(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    let steps = summary.step_times();
    let end = steps.iter().map(|times| times.max).max().unwrap_or_default();
    for times in &steps {
        let name = &times.step.to_string();
        let class = step_class(times.step.step);
        let mut bar = rect(Duration::ZERO, times.median, end, &format!("{class} reach"));
        bar.push_str(&rect(times.min, times.max, end, class));
        bar.push_str(&format!(
            "<rect class=\"median\" x=\"{}\" width=\"3\" height=\"100%\"/>",
            percent(times.median, end)
        ));
        let range = seconds_range(times.min, times.max);
        let what = format!("{name}: {range}, median {} s", seconds(times.median));
        row(out, name, &what, end, &bar, &readable(times.median))?;
    }
    axis(out, end)?;
    writeln!(
        out,
        "<p class=\"legend\">The full colour reaches from the least to the most; the mark is the median.</p>"
    )
}

pub(super) fn row(
    out: &mut impl Write,
    name: &str,
    what: &str,
    end: Duration,
    bars: &str,
    value: &str,
) -> io::Result<()> {
    let grid: String = ticks(end)
        .map(|tick| {
            let x = percent(tick, end);
            format!("<line x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"100%\"/>")
        })
        .collect();
    writeln!(
        out,
        "<div class=\"name\">{name}</div><svg class=\"bars\" role=\"img\" aria-label=\"{what}\"><title>{what}</title>\
         {grid}{bars}</svg><div class=\"value\">{value}</div>"
    )
}

pub(super) fn axis(out: &mut impl Write, end: Duration) -> io::Result<()> {
    write!(out, "<div></div><svg class=\"axis\" aria-hidden=\"true\">")?;
    for tick in ticks(end) {
        let anchor = if tick.is_zero() { "start" } else { "middle" };
        let label = format!("{}", tick.as_secs_f64());
        write!(out, "<text x=\"{}\" y=\"12\" text-anchor=\"{anchor}\">{label} s</text>", percent(tick, end))?;
    }
    writeln!(out, "</svg><div></div>")
}

fn legend(out: &mut impl Write, spans: &[Span]) -> io::Result<()> {
    write!(out, "<p class=\"legend\">")?;
    for step in Step::ALL.into_iter().filter(|step| spans.iter().any(|span| span.step.step == *step)) {
        write!(out, "<span class=\"key {}\">{}</span> ", step_class(step), step.name())?;
    }
    writeln!(out, "</p>")
}

pub(super) fn rect(from: Duration, to: Duration, end: Duration, class: &str) -> String {
    let width = percent(to.saturating_sub(from), end);
    format!(
        "<rect class=\"{class}\" x=\"{}\" width=\"{width}\" height=\"100%\" rx=\"3\"/>",
        percent(from, end)
    )
}

/// The class that gives a step its colour.
pub(super) fn step_class(step: Step) -> &'static str {
    match step {
        Step::Attach => "s-attach",
        Step::Download => "s-download",
        Step::Enable => "s-enable",
        Step::Keys => "s-keys",
        Step::Register => "s-register",
        Step::Enrol => "s-enrol",
        Step::Ready => "s-ready",
        Step::Update => "s-update",
        Step::Detach => "s-detach",
    }
}

fn end_of(spans: &[Span]) -> Duration {
    spans.iter().map(|span| span.to - Instant::ZERO).max().unwrap_or_default()
}

/// `time` as a share of `end`.
fn percent(time: Duration, end: Duration) -> String {
    let share = if end.is_zero() { 0.0 } else { time.as_secs_f64() / end.as_secs_f64() };
    format!("{:.2}%", 100.0 * share)
}

/// From four to ten round moments up to `end`.
fn ticks(end: Duration) -> impl Iterator<Item = Duration> {
    let end = u64::try_from(end.as_nanos()).unwrap_or(u64::MAX);
    let mut unit = 1u64;
    while end / unit >= 50 {
        unit = unit.saturating_mul(10);
    }
    let step = match end / unit {
        0..10 => unit,
        10..25 => unit * 2,
        _ => unit.saturating_mul(5),
    };
    // The last label would be cut off where it stands at the very edge.
    (0..=10)
        .map(move |i| step.saturating_mul(i))
        .take_while(move |tick| *tick <= end - end / 25)
        .map(Duration::from_nanos)
}
