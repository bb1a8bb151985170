//! What can be asked of the guard.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::cli::exit;

#[derive(Debug, Args)]
pub struct GuardArgs {
    #[command(subcommand)]
    pub verb: GuardVerb,
}

#[derive(Debug, Subcommand)]
pub enum GuardVerb {
    /// Tell life from attacks on generated traffic or on connection logs, and say how well that went
    Eval(GuardEvalArgs),
    /// Learn a model of a device of generated traffic
    Train(GuardTrainArgs),
    /// Print the card of a model: what it was learned from, and its limits
    #[command(after_long_help = exit::help())]
    Card(GuardCardArgs),
}

#[derive(Debug, Args)]
pub struct GuardEvalArgs {
    /// How many devices there are of each kind
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub devices: u32,

    /// How many days of each device are learned from
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub baseline_days: u32,

    /// How many days of each device are judged
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,

    /// Which kinds and attacks: those that the guard was designed with, those that were written when it was frozen, those of another hand, or drawn ones
    #[arg(long, value_enum, default_value_t = GuardSet::Evaluation)]
    pub set: GuardSet,

    /// Judge connection logs of Zeek with labels instead, as IoT-23 has them: the files in this folder whose names end in .labeled or .csv
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with_all = ["devices", "baseline_days", "days", "set", "rates"])]
    pub conn_log: Option<PathBuf>,

    /// Vary the rate of exfiltration from 1 byte a second to 100 kB/s as well
    #[arg(long)]
    pub rates: bool,

    /// Draw random values from this seed
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GuardSet {
    /// What the guard was designed with
    Design,
    /// What it has never seen
    Evaluation,
    /// What somebody wrote who knew neither its features nor its limits
    OtherHand,
    /// What nobody has chosen: drawn from the seed
    Drawn,
}

#[derive(Debug, Args)]
pub struct GuardTrainArgs {
    /// The kind of device: meter, tracker, camera, wearable, machine, traffic-light
    #[arg(value_name = "KIND")]
    pub kind: String,

    /// How many days are learned from; less than three make a model that judges nobody
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub days: u32,

    /// Draw random values from this seed
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,

    /// Where to put the model
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,

    /// Where to put its autoencoder as an ONNX graph as well, for other runtimes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub onnx: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct GuardCardArgs {
    /// The model
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}
