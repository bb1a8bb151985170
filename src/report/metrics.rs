//! metrics.json: the summary of the run and the cost of each step over all devices, for machines to read.

use std::io::{self, Read, Write};

use serde::Serialize;

use super::{LAB_KEYS, ReadError, RunSummary, StepTimes, View};
use crate::event::Event;

/// Writes the metrics.
pub struct Metrics<W> {
    out: W,
}

impl<W: Write> Metrics<W> {
    /// Will write to `out` once the run has ended.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> View for Metrics<W> {
    fn event(&mut self, _: &Event) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, summary: &RunSummary) -> io::Result<()> {
        let document = Document { keys: LAB_KEYS, summary, step_times: summary.step_times() };
        serde_json::to_writer_pretty(&mut self.out, &document)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

/// Reads back the summary of a run.
pub fn read_metrics(input: impl Read) -> Result<RunSummary, ReadError> {
    serde_json::from_reader(input).map_err(|error: serde_json::Error| {
        if error.is_eof() { ReadError::Unfinished } else { ReadError::Metrics(error) }
    })
}

#[derive(Serialize)]
struct Document<'a> {
    keys: &'static str,
    #[serde(flatten)]
    summary: &'a RunSummary,
    step_times: Vec<StepTimes>,
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn metrics(summary: &RunSummary) -> Vec<u8> {
        let mut out = Vec::new();
        Metrics::new(&mut out).finish(summary).expect("memory takes it");
        out
    }

    #[test]
    fn what_is_read_equals_what_was_written() {
        let (_, mut summary) = sample::run(3);
        summary.wall_time = None;
        assert_eq!(read_metrics(metrics(&summary).as_slice()).expect("our own metrics are sound"), summary);
    }

    #[test]
    fn keys_are_stable() {
        let (_, mut summary) = sample::run(1);
        summary.steps.truncate(1);
        insta::assert_snapshot!(String::from_utf8(metrics(&summary)).expect("JSON is text"));
    }

    #[test]
    fn a_broken_file_is_an_error() {
        let whole = metrics(&sample::run(1).1);
        for cut in [0, whole.len() / 2] {
            let error = read_metrics(&whole[..cut]).expect_err("half a document");
            assert!(matches!(error, ReadError::Unfinished), "{error}");
        }
        let error = read_metrics(&b"{\"facts\": 1}"[..]).expect_err("something else");
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
