//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::lab::scenario::DEVICES_MAX;

const EXAMPLES: &str = "\
Examples:
  cellbed run                                    the main job: one device from power-on to ready
  cellbed run lab/scenarios/clone.toml --seed 8  another scenario, other random values
  cellbed run --devices 100 --quiet              the main job for a hundred devices at once
  cellbed check lab/scenarios/*.toml             are these files right?
  cellbed ledger verify runs/last/ledger --full  is everything on the ledger in order?
  cellbed doctor                                 what does this machine have?";

const EXIT_CODES: &str = "\
Exit codes:
  0    every scenario passed; everything that was asked for was done
  4    nothing ran
  96   the set-up is wrong: arguments, files, or what this machine lacks
  100  a scenario did not pass, or what was verified is not in order";

/// A cellular testbed in one program.
///
/// cellbed stands up a mobile network, puts SIM cards into it, and takes devices from their first power-on
/// to "ready to operate" with nobody touching them. Ledger and certificate authority run in the same
/// process. A scenario says what happens; a bench says who plays which role.
#[derive(Debug, Parser)]
#[command(
    name = "cellbed",
    version,
    max_term_width = 100,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a scenario on a bench and report on it
    #[command(after_long_help = EXIT_CODES)]
    Run(RunArgs),
    /// Check scenario and bench files without running them
    Check(CheckArgs),
    /// Show or verify the ledger of a run
    Ledger(LedgerArgs),
    /// Draw the report of a run again, from its events and metrics
    Report(ReportArgs),
    /// Say what this machine has for a lab, and what each absence costs
    Doctor(DoctorArgs),
    /// Measure cellbed itself
    Bench(BenchArgs),
    /// Write the JSON Schemas of the lab's files, for editors
    Schema(FolderArgs),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  cellbed completions bash > ~/.local/share/bash-completion/completions/cellbed"
    )]
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(FolderArgs),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario to run
    #[arg(value_name = "SCENARIO", default_value = "lab/scenarios/zero-touch.toml", value_hint = ValueHint::FilePath)]
    pub scenario: PathBuf,

    /// The bench to run it on: who plays which role
    #[arg(long, value_name = "FILE", default_value = "lab/benches/virtual.toml", value_hint = ValueHint::FilePath)]
    pub bench: PathBuf,

    /// Run with this many devices, where the scenario's are all alike
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    pub devices: Option<u32>,

    /// Draw random values from this seed instead of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Where to put the run's folder, and the link `last` to it
    #[arg(long, value_name = "DIR", default_value = "runs", value_hint = ValueHint::DirPath)]
    pub runs: PathBuf,

    /// Leave out the TLS secrets that let Wireshark read the capture in clear
    #[arg(long)]
    pub no_key_log: bool,

    /// Print the verdict only
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenario and bench files
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct LedgerArgs {
    #[command(subcommand)]
    pub verb: LedgerVerb,
}

#[derive(Debug, Subcommand)]
pub enum LedgerVerb {
    /// Print the blocks, devices and checkpoint of a ledger
    Show {
        /// The folder of the ledger, as in runs/last/ledger
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Check a ledger from the bytes on disk
    #[command(after_long_help = EXIT_CODES)]
    Verify {
        /// The folder of the ledger, as in runs/last/ledger
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Execute every transaction again, besides checking hashes, roots and signatures
        #[arg(long)]
        full: bool,
    },
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of the run
    #[arg(value_name = "DIR", default_value = "runs/last", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub what: BenchVerb,
}

#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// Onboard many devices: devices per second, memory, and the share of public-key cryptography
    Onboard(OnboardArgs),
}

#[derive(Debug, Args)]
pub struct OnboardArgs {
    /// How many devices
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    pub devices: u32,
}

#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The folder to write to
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_has_the_main_job_as_default() {
        let Verb::Run(args) = Cli::try_parse_from(["cellbed", "run"]).unwrap().verb else {
            panic!("not run")
        };
        assert_eq!(args.scenario.to_str(), Some("lab/scenarios/zero-touch.toml"));
        assert_eq!(args.bench.to_str(), Some("lab/benches/virtual.toml"));
        assert!(Cli::try_parse_from(["cellbed", "run", "--devices", "0"]).is_err());
        assert!(Cli::try_parse_from(["cellbed", "run", "--devices", "100001"]).is_err());
    }
}
