//! `cellbed run`: a scenario on a bench.

use std::process::ExitCode;

use serde::Serialize;

use super::args::RunArgs;
use super::exit::Exit;
use super::{interrupt, terminal};
use crate::kernel::text::row;
use crate::lab::{LabError, Run, Screen};
use crate::report::{RunSummary, Style};

/// How wide the table is where the terminal does not say, in columns.
const WIDTH: usize = 100;

/// What `--json` prints.
#[derive(Serialize)]
struct Ended<'a> {
    folder: String,
    #[serde(flatten)]
    summary: &'a RunSummary,
}

/// Runs what is asked for and says what became of it.
pub fn main(args: &RunArgs) -> ExitCode {
    let finished = set_up(args).and_then(|run| run.into_folder(&args.runs, screen(args)));
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => return terminal::lab_error(&error),
    };
    let verdict = finished.summary.verdict;
    if let Some(other) = &finished.in_the_way {
        terminal::warning(format_args!(
            "{} is no link and was left alone: it is not the newest run; rename it",
            other.display()
        ));
    }
    if args.json {
        let folder = finished.folder.display().to_string();
        terminal::json(&Ended { folder, summary: &finished.summary });
    } else if args.quiet {
        terminal::line(format_args!("{} {}", verdict.name(), finished.folder.display()));
    } else {
        let folder = finished.folder.display();
        terminal::page(
            &(row!("") + row!("report    {folder}/report.html") + row!("capture   {folder}/trace.pcapng")),
        );
    }
    Exit::from(verdict).into()
}

fn set_up(args: &RunArgs) -> Result<Run, LabError> {
    let mut run = Run::load(&args.scenario, &args.bench)?;
    if let Some(count) = args.devices {
        run = run.with_devices(count)?;
    }
    if let Some(seed) = args.seed {
        run = run.with_seed(seed);
    }
    if args.no_key_log || args.key_log {
        run.bench.capture.key_log = Some(args.key_log);
    }
    if args.live {
        run = run.live();
    }
    let stop = interrupt::flag().map_err(LabError::Signals)?;
    Ok(run.with_join_socket(args.join_socket.clone()).with_stop(stop).with_tell(|line| terminal::note(line)))
}

fn screen(args: &RunArgs) -> Option<Screen> {
    let (colour, live) = (terminal::colours_output(), terminal::is_looked_at());
    let style = Style { colour, live, width: terminal::width().unwrap_or(WIDTH) };
    (!args.quiet && !args.json).then(|| Screen { out: Box::new(terminal::output()), style })
}
