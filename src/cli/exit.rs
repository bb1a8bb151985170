//! What the program says with its exit code: whether it is in order, and otherwise who is to blame.
//!
//! One table has the numbers; `--help` prints it, and README.md is compared with it.

use std::process::ExitCode;

use crate::event::Verdict;
use crate::kernel::Blame;
use crate::lab::LabError;

/// Why the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for was done, and every scenario passed.
    Pass,
    /// Nothing was there to be done.
    NothingRan,
    /// The set-up is wrong.
    SetUp,
    /// The bench failed after the set-up: what it tests is not to blame.
    Bench,
    /// What was measured is on the wrong side of a limit that was given.
    Threshold,
    /// A scenario failed, or what was verified is not in order.
    Failed,
    /// Nothing failed, and not everything could be put to the test or is proved.
    Inconclusive,
    /// A signal ended the run before it was through.
    Interrupted,
}

/// Every exit with its number and what it says. Numbers are part of the command line: they never change. 4, 96 and 100
/// are those of cargo-nextest, 99 is k6's, and 130 is what a shell says of a program that SIGINT has ended.
const TABLE: [(Exit, u8, &str); 8] = [
    (Exit::Pass, 0, "every scenario passed; everything that was asked for was done"),
    (Exit::NothingRan, 4, "nothing was there to be done"),
    (Exit::SetUp, 96, "the set-up is wrong: arguments, files, or what this machine lacks"),
    (Exit::Bench, 97, "the bench failed after the set-up; nothing is said of what it tests"),
    (Exit::Threshold, 99, "what was measured is past a limit that was given"),
    (Exit::Failed, 100, "a scenario failed, or what was verified is not in order"),
    (
        Exit::Inconclusive,
        101,
        "a scenario could not be put to the test in full, or a ledger is not proved; nothing failed",
    ),
    (Exit::Interrupted, 130, "a signal (SIGINT, SIGTERM, SIGHUP) ended the run; its folder is whole"),
];

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        // The table has a row for each, in their order, as a test checks.
        TABLE[self as usize].1
    }
}

/// The table as `--help` prints it.
pub fn help() -> String {
    let rows: Vec<String> =
        TABLE.iter().map(|(_, code, meaning)| format!("  {code:<3}  {meaning}")).collect();
    format!("Exit codes:\n{}", rows.join("\n"))
}

/// The table as a page of the reference.
pub fn page() -> String {
    let rows: String = TABLE.iter().map(|(_, code, meaning)| format!("| {code} | {meaning} |\n")).collect();
    let introduction = "They say who is to blame, and every verb means the same by them.";
    format!("# Exit codes\n\n{introduction}\n\n| code | meaning |\n|---|---|\n{rows}")
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Fail => Self::Failed,
            Verdict::Interrupted => Self::Interrupted,
            Verdict::Error => Self::Bench,
        }
    }
}

impl From<&LabError> for Exit {
    fn from(error: &LabError) -> Self {
        match error {
            // The disk was good enough when the run began.
            LabError::Output(_) => Self::Bench,
            // A set-up that is right and does not work is not the user's fault.
            error if error.blame() == Blame::Ours => Self::Bench,
            _ => Self::SetUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exit_has_its_row_and_no_number_is_there_twice() {
        for (place, (exit, code, _)) in TABLE.iter().enumerate() {
            assert_eq!((*exit as usize, exit.code()), (place, *code));
        }
        assert!(TABLE.windows(2).all(|rows| rows[0].1 < rows[1].1));
    }

    #[test]
    fn the_numbers_that_scripts_rely_on_stay() {
        let codes = TABLE.map(|(_, code, _)| code);
        assert_eq!(codes, [0, 4, 96, 97, 99, 100, 101, 130]);
    }

    #[test]
    fn the_readme_has_the_table() {
        let readme = include_str!("../../README.md");
        for (_, code, meaning) in TABLE {
            let row = format!("| {code} | {meaning} |");
            assert!(readme.contains(&row), "README.md lacks the line {row:?}");
        }
    }
}
