//! How fast devices were cut off: a row for each, from what began it to the last that followed.

use std::io::{self, Write};

use super::chart::{axis, rect, row};
use crate::kernel::Duration;
use crate::report::RunSummary;
use crate::report::text::{readable, seconds};

/// The most rows of the chart.
const ROWS_MAX: usize = 100;

/// Writes the section, or nothing where no device was cut off.
pub(super) fn write(out: &mut impl Write, summary: &RunSummary) -> io::Result<()> {
    if summary.loops.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<section aria-labelledby=\"loops\">\n<h2 id=\"loops\">Cut off <small>virtual time since what began it</small></h2>\n\
         <div class=\"chart\">"
    )?;
    let last = |stages: &[(&str, Duration)]| stages.last().map(|(_, after)| *after).unwrap_or_default();
    let end = summary.loops.iter().map(|one| last(&one.stages())).max().unwrap_or_default();
    for one in summary.loops.iter().take(ROWS_MAX) {
        let stages = one.stages();
        let (mut bars, mut before) = (String::new(), Duration::ZERO);
        let mut words = format!(
            "device {}: {} at {} s",
            one.device,
            one.cause,
            seconds(Duration::from_nanos(one.began_ns))
        );
        for (stage, after) in &stages {
            bars.push_str(&rect(before, *after, end, class(stage)));
            words.push_str(&format!(", {stage} after {}", readable(*after)));
            before = *after;
        }
        row(out, &format!("{} of {}", one.cause, one.device), &words, end, &bars, &readable(last(&stages)))?;
    }
    axis(out, end)?;
    write!(out, "<p class=\"legend\">")?;
    for stage in crate::report::loops::STAGES {
        write!(out, "<span class=\"key {}\">{stage}</span> ", class(stage))?;
    }
    writeln!(out, "</p>\n</div>\n</section>")
}

/// The class that gives a stage its colour: that of a step which it is like.
fn class(stage: &str) -> &'static str {
    match stage {
        "alarm" => "s-keys",
        "ledger" => "s-register",
        "certificate" => "s-enrol",
        "session" => "s-ready",
        "flow" => "s-enable",
        _ => "s-detach",
    }
}
