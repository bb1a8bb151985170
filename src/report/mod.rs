//! Views of the event stream: transcript, capture, event log, terminal, JUnit, metrics and the HTML page.
//!
//! A view is fed every [`Event`] as it happens and the [`RunSummary`] at the end, and writes to what it was
//! given. No view computes a verdict. All but the HTML page write as they go and keep nothing that grows with
//! the number of messages; the page keeps a bounded number and says what it left out.

use std::io;

use crate::event::Event;

mod pcapng;
mod summary;
mod text;
mod transcript;

#[cfg(test)]
mod sample;

pub use pcapng::Pcapng;
pub use summary::{Counters, ExpectationRow, RunFacts, RunSummary, StepRow, StepTimes, Version, step_times};
pub use transcript::Transcript;

/// What is fed the events of a run and makes something readable of them.
pub trait View {
    /// Takes the next event. Errors are those of the output.
    fn event(&mut self, event: &Event) -> io::Result<()>;

    /// Takes the end of the run and flushes the output. Called once, last.
    fn finish(&mut self, summary: &RunSummary) -> io::Result<()>;
}
