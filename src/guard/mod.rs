//! The guard: what a device's traffic is learned from, and how it is told from what it was.
//!
//! What is computed of each packet stands in the crate `cellbed-guard`, which firmware can link as well. Here is what needs
//! a machine with memory: learning ([`learn`]), generated traffic ([`generator`]), the evaluation ([`eval`]), and the guard
//! of a whole network ([`watch`]).

pub mod conn_log;
pub mod eval;
pub mod generator;
pub mod learn;
pub mod onnx;
pub mod watch;

use crate::kernel::Blame;

/// Why the guard did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// There is too little to learn from.
    #[error(
        "the baseline has {windows} windows with packets, and a model needs {least} to learn anything: give it more days"
    )]
    Baseline {
        /// How many there are.
        windows: usize,
        /// How many are needed.
        least: usize,
    },
    /// A connection log is not one.
    #[error("line {line} {what}")]
    ConnLog {
        /// Which line, from 1.
        line: usize,
        /// What it is or lacks.
        what: String,
    },
}

impl GuardError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Baseline { .. } | Self::ConnLog { .. } => Blame::Bench,
        }
    }
}
