//! Printing: colours only where a person looks, and no complaint when the reader of a pipe goes away.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use super::exit::Exit;
use crate::lab::{Diagnostic, LabError};

/// How wide diagnostics are drawn, in columns.
const WIDTH: usize = 100;

/// Whether to colour what goes to `stream`: it is a terminal, and `NO_COLOR` (no-color.org) is not set.
pub fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The width of the terminal in columns; `None` where there is none.
pub fn width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| width.0.into())
}

/// Prints a line.
pub fn line(text: impl Display) {
    raw(&format!("{text}\n"));
}

/// Prints `text` as it is.
pub fn raw(text: &str) {
    // The only way to fail is that nobody reads any more: then there is nobody to tell either.
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// Prints `error` as what it is and returns its exit code.
pub fn lab_error(error: &LabError) -> ExitCode {
    match error {
        LabError::Invalid(problems) => diagnostics(problems),
        other => failure(other),
    }
    Exit::from(error).into()
}

/// Prints what is wrong with a file, and where.
pub fn diagnostics(problems: &[Diagnostic]) {
    let colour = colours(&io::stderr());
    for problem in problems {
        let _ = io::stderr().lock().write_all(problem.render(colour, WIDTH).as_bytes());
    }
}

/// Prints what somebody should know though it was done.
pub fn warning(what: impl Display) {
    let _ = writeln!(io::stderr().lock(), "warning: {what}");
}

/// Prints why something could not be done.
pub fn failure(cause: impl Display) {
    let _ = writeln!(io::stderr().lock(), "error: {cause}");
}
