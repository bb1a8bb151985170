//! What can be asked of `cellbed compare`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::lab::scenario::DEVICES_MAX;

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A scenario: a file, or the name of one in lab/scenarios
    #[arg(value_name = "SCENARIO", default_value = "zero-touch", value_hint = ValueHint::FilePath)]
    pub first: String,

    /// The scenario to compare it with
    #[arg(value_name = "OTHER", default_value = "traditional", value_hint = ValueHint::FilePath)]
    pub second: String,

    /// With how many devices, one number after the other
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_value = "1,10,100", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    pub devices: Vec<u32>,

    /// How many runs of each, with the seeds from 1
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub seeds: u32,

    /// The bench of both
    #[arg(long, value_name = "FILE", default_value = "lab/benches/virtual.toml", value_hint = ValueHint::FilePath)]
    pub bench: PathBuf,

    /// What hours and things cost
    #[arg(long, value_name = "FILE", default_value = "lab/prices.toml", value_hint = ValueHint::FilePath)]
    pub prices: PathBuf,

    /// Draw a picture into this file (SVG)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,

    /// Print JSON, for programs: every run
    #[arg(long)]
    pub json: bool,
}
