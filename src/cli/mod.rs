//! The command line: one file per verb, argv in, exit code out.
//!
//! The lint on effects (`clippy.toml`) is lifted for this folder, for `io` and for the run driver: here is
//! where they belong.
#![allow(missing_docs, reason = "arguments say what they are to the user")]
#![allow(clippy::disallowed_methods, reason = "effects live here")]

pub mod args;
mod audit;
mod bench;
pub mod ca;
mod card;
mod check;
mod compare;
mod doctor;
mod esim;
pub mod euicc;
pub mod exit;
mod generate;
mod guard;
mod interrupt;
mod isolate;
pub mod ledger;
mod limits;
mod loops;
mod node;
mod pki;
mod profile;
pub mod reference;
mod report;
mod run;
mod sdn;
mod strangers;
mod terminal;
mod update;
mod yardstick;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};
use exit::Exit;

use crate::lab::held::Live;

/// Runs the program and returns its exit code. `live` says how much is allocated, where the program counts that.
pub fn main(live: Option<Live>) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help and version are asked for, and not an error; clap knows which stream each belongs on.
            let code = if message.use_stderr() { Exit::SetUp } else { Exit::Pass };
            terminal::parser(&message);
            return terminal::ended(code.into());
        }
    };
    terminal::ended(perform(&cli.verb, live))
}

fn perform(verb: &Verb, live: Option<Live>) -> ExitCode {
    match verb {
        Verb::Run(args) => run::main(args),
        Verb::Node(args) => node::main(args),
        Verb::Check(args) => check::main(args),
        Verb::Compare(args) => compare::main(args),
        Verb::Ledger(args) => ledger::main(&args.verb),
        Verb::Audit(args) => audit::main(args),
        Verb::Report(args) => report::main(args),
        Verb::Card(args) => card::main(&args.verb),
        Verb::Ca(args) => ca::main(&args.verb),
        Verb::Pki(args) => pki::main(&args.verb),
        Verb::Esim(args) => esim::main(&args.verb),
        Verb::Profile(args) => profile::main(&args.verb),
        Verb::Euicc(args) => euicc::main(args),
        Verb::Update(args) => update::main(&args.verb),
        Verb::Guard(args) => guard::main(&args.verb),
        Verb::Sdn(args) => sdn::main(args),
        Verb::Doctor(args) => doctor::main(args),
        Verb::Bench(args) => bench::main(args, live),
        Verb::New(args) => generate::lab(args),
        Verb::Schema(args) => generate::schemas(args),
        Verb::Completions(args) => generate::completions(args),
        Verb::Man(args) => generate::man_pages(args),
    }
}
