//! `cellbed new`, `schema`, `completions` and `man`: files made from what the program knows of itself.

use std::process::ExitCode;

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs, FolderArgs};
use super::exit::Exit;
use super::terminal;
use crate::io::files;
use crate::lab::{LabError, schema};

/// What a lab has to begin with, by its place in the folder.
const LAB: [(&str, &str); 7] = [
    ("lab/scenarios/zero-touch.toml", include_str!("../../lab/scenarios/zero-touch.toml")),
    ("lab/scenarios/plain-card.toml", include_str!("../../lab/scenarios/plain-card.toml")),
    ("lab/benches/virtual.toml", include_str!("../../lab/benches/virtual.toml")),
    ("sim-profiles/bootstrap.toml", include_str!("../../sim-profiles/bootstrap.toml")),
    ("sim-profiles/lte-test.toml", include_str!("../../sim-profiles/lte-test.toml")),
    ("sim-profiles/lte-test-op.toml", include_str!("../../sim-profiles/lte-test-op.toml")),
    ("sim-profiles/lte-5g-test.toml", include_str!("../../sim-profiles/lte-5g-test.toml")),
];

/// Writes a lab into a folder that is new or empty, with the schemas that editors read beside it.
pub fn lab(args: &FolderArgs) -> ExitCode {
    if std::fs::read_dir(&args.dir).is_ok_and(|mut entries| entries.next().is_some()) {
        terminal::failure(format_args!(
            "{} is not empty, and nothing is overwritten; name a new folder",
            args.dir.display()
        ));
        return Exit::SetUp.into();
    }
    let schemas = schema::all().into_iter().map(|(name, text)| (format!("lab/schema/{name}"), text));
    let files = LAB.iter().map(|(place, text)| ((*place).to_owned(), (*text).to_owned())).chain(schemas);
    for (place, text) in files {
        let path = args.dir.join(place);
        if let Err(error) = files::write_text(&path, &text) {
            return terminal::lab_error(&LabError::File(error));
        }
        terminal::line(path.display());
    }
    Exit::Pass.into()
}

/// Writes the JSON Schemas of the lab's files, or the pages of the reference.
pub fn schemas(args: &super::args::SchemaArgs) -> ExitCode {
    for (name, text) in if args.markdown { super::reference::pages() } else { schema::all() } {
        let path = args.dir.join(name);
        if let Err(error) = files::write_text(&path, &text) {
            return terminal::lab_error(&LabError::File(error));
        }
        terminal::line(path.display());
    }
    Exit::Pass.into()
}

/// Prints the completions of a shell.
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cellbed", &mut script);
    terminal::own(&script);
    Exit::Pass.into()
}

/// Writes a manual page for the program and one for each of its verbs.
pub fn man_pages(args: &FolderArgs) -> ExitCode {
    let written = std::fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &args.dir));
    match written {
        Ok(()) => Exit::Pass.into(),
        Err(cause) => {
            let path = args.dir.clone();
            terminal::lab_error(&LabError::File(files::FileError::Write { path, cause }))
        }
    }
}
