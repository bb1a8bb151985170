//! `cellbed ledger erase`: afterwards nothing in a run's folder says whose record on the ledger is whose.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::exit::Exit;
use crate::cli::terminal;
use crate::lab::audit::erase::{self, Who};
use crate::lab::audit::folder;
use crate::world::books::Salts;

/// Erases a device from the folder of a run, and says what is left.
pub fn erase(run: &Path, device: &Who) -> ExitCode {
    let erased = match erase::erase(run, device) {
        Ok(erased) => erased,
        Err(error) => {
            terminal::failure(error);
            return Exit::SetUp.into();
        }
    };
    let numbers: Vec<_> = erased.devices.iter().map(u32::to_string).collect();
    terminal::line(format!(
        "erased device {}: {} entries of {}, its rows in metrics.json{}",
        numbers.join(" and "),
        erased.entries,
        folder::BOOKS,
        match &erased.recordings[..] {
            [] => String::new(),
            recordings => format!(", and {}", recordings.join(", ")),
        }
    ));
    terminal::line("its record stays on the ledger, and nothing here says whose it was");
    if erased.salts == Salts::LabKeys {
        terminal::warning(
            "this run's salts are lab keys: whoever knows seed and scenario can draw them again, and the link with them",
        );
    }
    Exit::Pass.into()
}
