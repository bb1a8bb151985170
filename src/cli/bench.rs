//! `cellbed bench`: what cellbed itself costs.

use std::process::ExitCode;

use super::args::{BenchArgs, BenchVerb};
use super::{exit, terminal};

/// There is no driver to measure yet, and the program says so.
pub fn main(args: &BenchArgs) -> ExitCode {
    let BenchVerb::Onboard(args) = &args.what;
    terminal::failure(format!("this build has no driver to onboard {} devices with", args.devices));
    exit::NOTHING_RAN.into()
}
