//! `cellbed schema`, `completions` and `man`: files made from what the program knows of itself.

use std::process::ExitCode;

use clap::CommandFactory;

use super::args::{Cli, CompletionsArgs, FolderArgs};
use super::exit::Exit;
use super::terminal;
use crate::io::files;
use crate::lab::{LabError, schema};

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
