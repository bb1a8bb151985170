//! Views of the event stream: transcript, capture, event log, terminal, JUnit, metrics and the HTML page.
//!
//! A view is fed every [`Event`] as it happens and the [`RunSummary`] at the end, and writes to what it was
//! given. No view computes a verdict. All but the HTML page write as they go and keep nothing that grows with
//! the number of messages; the page keeps a bounded number and says what it left out.

use std::io;

use crate::event::Event;

pub mod axis;
mod events;
mod html;
mod junit;
pub mod loop_chart;
pub mod loops;
mod metrics;
mod pcapng;
mod story;
mod summary;
mod terminal;
mod text;
mod transcript;

#[cfg(test)]
mod sample;

pub use events::{EventLog, read_events};
pub use html::Html;
pub use junit::Junit;
pub use loop_chart::ChartRow;
pub use loops::{LoopRow, LoopWatch};
pub use metrics::{Metrics, read_metrics};
pub use pcapng::Pcapng;
pub use story::Story;
pub use summary::{
    AuditFinding, AuditSummary, Counters, Ending, ExpectationRow, FileDigest, Gathered, LedgerKeyKind,
    LedgerRow, LeftOut, Provenance, RunFacts, RunSummary, StepRow, StepTimes, Version,
};
pub use terminal::{Style, Terminal};
pub use transcript::Transcript;

/// What is said of the keys of every run.
pub const LAB_KEYS: &str =
    "lab keys: what the run has made follows from its seed; that is public and proves nothing";

/// What is fed the events of a run and makes something readable of them.
pub trait View {
    /// Takes the next event. Errors are those of the output.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Takes the end of the run and flushes the output. Called once, last.
    fn finish(&mut self, summary: &RunSummary) -> io::Result<()>;
}

/// Why what a run left behind cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A line of the event log is not an event.
    #[error("line {line} is not an event: {cause}; the log was changed after the run wrote it")]
    Event {
        /// Which line of the log it is, from 1.
        line: u64,
        /// What is wrong with it, in the words of the JSON reader.
        cause: String,
    },
    /// The event log ends within a line.
    #[error("the log is cut off in line {line}; what came before it is whole")]
    CutOff {
        /// Which line is incomplete, from 1.
        line: u64,
    },
    /// The event log could not be read.
    #[error("line {line} could not be read: {source}")]
    Input {
        /// Which line was to be read, from 1.
        line: u64,
        /// The error of the input.
        source: io::Error,
    },
    /// The metrics end too early.
    #[error("the file ends too early: the run did not come to its end, or the file was cut off")]
    Unfinished,
    /// The metrics are not a summary of a run.
    #[error("the metrics are not those of a run: {0}; the file was changed after the run wrote it")]
    Metrics(#[source] serde_json::Error),
}
