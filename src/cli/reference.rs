//! The pages of `docs/reference/`: the lab's files by their schemas, and the command line by what parses it.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use super::args::Cli;
use super::exit;
use crate::lab::schema;

/// Every generated page with the name of its file: Markdown.
pub fn pages() -> Vec<(&'static str, String)> {
    let mut pages = schema::pages();
    pages.push(("command-line.md", command_line()));
    pages.push(("exit-codes.md", exit::page()));
    pages
}

/// Every verb with its arguments.
fn command_line() -> String {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let introduction = "Every verb takes `--help` as well, which says more and lists the exit codes. This page is made \
                        from the program: `cellbed schema --markdown`.";
    let mut text = format!("# Command line\n\n{introduction}\n");
    verbs(&root, "", &mut text);
    text
}

fn verbs(command: &Command, above: &str, text: &mut String) {
    let name = format!("{above}{}", command.get_name());
    let verbs_below: Vec<_> = command.get_subcommands().collect();
    if verbs_below.is_empty() {
        verb(command, &name, text);
    }
    for below in verbs_below {
        verbs(below, &format!("{name} "), text);
    }
}

fn verb(command: &Command, name: &str, text: &mut String) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(text, "\n## {name}\n\n{}.\n", one_line(&about));
    // `--help` and `--version` are everywhere.
    let arguments: Vec<_> =
        command.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version")).collect();
    if arguments.is_empty() {
        return;
    }
    text.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
    for argument in arguments {
        let defaults: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .collect();
        let default = if argument.is_required_set() { "required".to_owned() } else { defaults.join(", ") };
        let meaning = argument.get_help().map(|help| one_line(&help.to_string())).unwrap_or_default();
        let words = words(argument);
        let _ = writeln!(
            text,
            "| `{}` | {} | {}{words} |",
            cell(&spelling(argument)),
            cell(&default),
            cell(&meaning)
        );
    }
}

/// As it is written on the command line.
fn spelling(argument: &Arg) -> String {
    let takes_value = argument.get_action().takes_values();
    let value = argument
        .get_value_names()
        .filter(|_| takes_value)
        .map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let option = match (argument.get_short(), long) {
        (Some(short), Some(long)) => Some(format!("-{short}, {long}")),
        (Some(short), None) => Some(format!("-{short}")),
        (None, long) => long,
    };
    [option, value].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The words that an argument takes, where it takes some only.
fn words(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let words: Vec<_> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What would end the cell of a table is escaped.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
