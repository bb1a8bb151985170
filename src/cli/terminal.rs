//! Printing: text from outside escaped, colours only where a person looks, no complaint when the reader of a pipe goes
//! away, and one where what was printed is lost.
//!
//! Everything that the command line prints goes through here (a test of `tests/house.rs` says so), as a [`Page`], a line
//! or JSON.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use super::exit::Exit;
use crate::io::files::FileError;
use crate::kernel::Page;
use crate::kernel::text::{is_disruptive, one_line};
use crate::lab::{Diagnostic, LabError};

/// How wide diagnostics are drawn where there is no terminal, in columns.
const WIDTH: usize = 100;

/// Why standard output was not written. As standard output itself, there is one in a process.
static LOST: OnceLock<String> = OnceLock::new();

/// Whether a person looks at standard output.
pub fn is_looked_at() -> bool {
    io::stdout().is_terminal()
}

/// Whether to colour what goes to standard output.
pub fn colours_output() -> bool {
    colours(&io::stdout())
}

/// Whether to colour what goes to `stream`: it is a terminal, and `NO_COLOR` (no-color.org) is not set.
fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The width of the terminal in columns; `None` where there is none.
pub fn width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| width.0.into())
}

/// Prints a line.
pub fn line(text: impl Display) {
    page(&Page::line(text));
}

/// Prints lines.
pub fn page(page: &Page) {
    own(page.as_str().as_bytes());
}

/// Prints JSON. Values stay what they are: characters that a screen would obey are written as their numbers.
pub fn json(value: &impl serde::Serialize) {
    // Maps with texts for keys, numbers and texts always serialise.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut safe = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // All of them are below U+10000, and in texts, where JSON takes their numbers for them (RFC 8259 clause 7).
        if c != '\n' && is_disruptive(c) {
            safe += &format!("\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe.push('\n');
    own(safe.as_bytes());
}

/// Prints what this program has made of itself alone, as it is.
pub fn own(text: &[u8]) {
    let mut out = Output(io::stdout());
    // What failed is said at the end.
    let _ = out.write_all(text).and_then(|()| out.flush());
}

/// Standard output. Where its reader has gone away nobody is there to be told; where it cannot be written, that is told
/// when the command ends.
pub fn output() -> Output<io::Stdout> {
    Output(io::stdout())
}

/// See [`output`].
pub struct Output<W>(W);

impl<W> Output<W> {
    fn lenient<T>(done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    // The first cause is the one that is told.
                    let _ = LOST.set(error.to_string());
                }
                Ok(instead)
            }
            done => done,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::lenient(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::lenient(self.0.flush(), ())
    }
}

/// The exit code of a command that ends with `code`: where what it printed is lost, that is said, and a command that did
/// what it was asked for has not done it.
pub fn ended(code: ExitCode) -> ExitCode {
    let Some(cause) = LOST.get() else { return code };
    failure(format_args!(
        "standard output cannot be written: {cause}; what was printed is lost: send it to a place that takes it"
    ));
    if code == ExitCode::SUCCESS { Exit::SetUp.into() } else { code }
}

/// Prints what the parser of the command line has to say. What was typed may be in it.
pub fn parser(message: &clap::Error) {
    let said = message.render();
    let tame = !said.to_string().contains(|c| c != '\n' && is_disruptive(c));
    if message.use_stderr() {
        if tame {
            // Where standard error is gone nobody can be told.
            let _ = message.print();
        } else {
            complain(Page::lines(&said.to_string()).as_str());
        }
    } else if colours(&io::stdout()) {
        own(said.ansi().to_string().as_bytes());
    } else {
        own(said.to_string().as_bytes());
    }
}

/// Prints `error` as what it is and returns its exit code.
pub fn lab_error(error: &LabError) -> ExitCode {
    match error {
        LabError::Invalid(problems) => diagnostics(problems),
        other => failure(other),
    }
    if let LabError::File(FileError::Read { path, cause }) = error
        && cause.kind() == io::ErrorKind::NotFound
        && path.starts_with("lab")
    {
        note("no lab is here; `cellbed new DIR` writes one to begin with");
    }
    Exit::from(error).into()
}

/// Prints what is wrong with a file, and where.
pub fn diagnostics(problems: &[Diagnostic]) {
    let colour = colours(&io::stderr());
    let width = width().unwrap_or(WIDTH);
    for problem in problems {
        // A diagnostic is made of text that is escaped already.
        complain(&problem.render(colour, width));
    }
}

/// Prints what somebody should know though it was done.
pub fn warning(what: impl Display) {
    complain(&format!("warning: {}\n", one_line(&what.to_string())));
}

/// Prints why something could not be done.
pub fn failure(cause: impl Display) {
    complain(&format!("error: {}\n", one_line(&cause.to_string())));
}

/// Prints what is going on, beside what is printed.
pub fn note(what: impl Display) {
    complain(&format!("{}\n", one_line(&what.to_string())));
}

/// Asks for something on the terminal, whose cursor stays behind the question.
pub fn ask(what: impl Display) {
    complain(&one_line(&what.to_string()));
}

fn complain(text: &str) {
    // Where standard error is gone nobody can be told.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_away_is_no_fault() {
        assert!(Output(Failing(io::ErrorKind::BrokenPipe)).write_all(b"x").is_ok());
        assert_eq!(LOST.get(), None);
    }
}
