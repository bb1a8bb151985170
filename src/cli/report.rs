//! `cellbed report`: draws the page of a run again, from the events and metrics that the run left.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::args::ReportArgs;
use super::exit::Exit;
use super::terminal;
use crate::event::Verdict;
use crate::io::files::{self, FileError};
use crate::report::{Counters, Html, ReadError, RunSummary, View, read_events, read_metrics};

/// Why the page cannot be drawn.
#[derive(Debug, thiserror::Error)]
enum RedrawError {
    #[error("{}: {}", path.display(), files::told(cause))]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{}: {cause}", path.display())]
    Content { path: PathBuf, cause: ReadError },
    #[error(transparent)]
    Page(#[from] FileError),
}

/// Draws the page in the folder of a run and prints its path.
pub fn main(args: &ReportArgs) -> ExitCode {
    if args.dir.join("metrics.json").is_file() {
        return match redraw(&args.dir) {
            Ok(drawn) if args.json => {
                terminal::json(&json!({
                    "report": drawn.report.display().to_string(),
                    "verdict": drawn.verdict.name(),
                    "whole": drawn.whole,
                }));
                Exit::Pass.into()
            }
            Ok(drawn) => {
                terminal::line(drawn.report.display());
                Exit::Pass.into()
            }
            Err(error) => {
                terminal::failure(error);
                Exit::SetUp.into()
            }
        };
    }
    if args.dir.is_dir() {
        terminal::failure(format!(
            "{} holds no metrics.json: it is not the folder of a run, or the run did not come to its end",
            args.dir.display()
        ));
    } else {
        terminal::failure(format!("there is no folder {}; `cellbed run` makes one", args.dir.display()));
    }
    Exit::SetUp.into()
}

/// A page that was drawn.
struct Drawn {
    report: PathBuf,
    verdict: Verdict,
    /// Whether the log held everything that the run recorded.
    whole: bool,
}

fn redraw(dir: &Path) -> Result<Drawn, RedrawError> {
    let open = |name: &str| {
        let path = dir.join(name);
        match File::open(&path) {
            Ok(file) => Ok((path, BufReader::new(file))),
            Err(cause) => Err(RedrawError::File { path, cause }),
        }
    };
    let (path, metrics) = open("metrics.json")?;
    let summary = read_metrics(metrics).map_err(|cause| RedrawError::Content { path, cause })?;
    let (path, events) = open("events.jsonl")?;
    let mut page = Vec::new();
    let mut html = Html::new(&mut page, &summary.facts);
    let mut counters = Counters::default();
    let drawn = |cause| RedrawError::File { path: path.clone(), cause };
    for event in read_events(events) {
        let event = match event {
            Ok(event) => event,
            Err(ReadError::CutOff { .. }) => break,
            Err(cause) => return Err(RedrawError::Content { path, cause }),
        };
        counters.count(&event);
        html.event(&event).map_err(drawn)?;
    }
    let whole = is_whole(counters, &summary);
    if !whole {
        html.log_is_not_whole();
        terminal::warning(format!("{} is not whole, and neither is the page's ladder", path.display()));
    }
    html.finish(&summary).map_err(drawn)?;
    drop(html);
    let report = dir.join("report.html");
    files::write_bytes(&report, &page)?;
    Ok(Drawn { report, verdict: summary.verdict, whole })
}

/// Whether the log held every message and state change that the run recorded.
fn is_whole(read: Counters, summary: &RunSummary) -> bool {
    let read = read.into_map();
    let left_out =
        |name| summary.left_out.as_ref().and_then(|left_out| left_out.counters.get(name)).unwrap_or(&0);
    let mut of_run = summary.counters.iter().filter(|(name, _)| name.starts_with("events."));
    of_run.all(|(name, count)| read.get(name).unwrap_or(&0) + left_out(name) == *count)
}
