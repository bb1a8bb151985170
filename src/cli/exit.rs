//! What the program says with its exit code. `--help` documents the same numbers.

use std::process::ExitCode;

/// Why the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

/// Everything that was asked for was done, and every scenario passed.
pub const PASS: Exit = Exit(0);
/// Nothing was there to be done.
pub const NOTHING_RAN: Exit = Exit(4);
/// The set-up is wrong: arguments, files, folders, or what this machine lacks.
pub const SET_UP_ERROR: Exit = Exit(96);
/// A scenario did not pass, or what was verified is not in order.
pub const SCENARIO_FAILED: Exit = Exit(100);

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}
