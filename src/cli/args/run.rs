//! What can be asked of `cellbed run` and `cellbed node`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::event::Actor;
use crate::id::Plmn;
use crate::lab::JOIN_SOCKET;
use crate::lab::scenario::DEVICES_MAX;

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

    /// Leave no secret in any file: neither those that let Wireshark read TLS in clear, nor what it protected, nor CK, IK,
    /// codes and keys that a card hears or gives. A bench with a card in a reader does so by itself
    #[arg(long)]
    pub no_key_log: bool,

    /// Write the secrets of the run, also where the card is one in a reader or the bench says no
    #[arg(long, conflicts_with = "no_key_log")]
    pub key_log: bool,

    /// Let it go on in real time, so that operators can speak to it: `cellbed ledger quarantine 1` from another terminal
    #[arg(long)]
    pub live: bool,

    /// Where nodes of other processes join, on a bench with some
    #[arg(long, value_name = "SOCKET", default_value = JOIN_SOCKET, value_hint = ValueHint::FilePath)]
    pub join_socket: PathBuf,

    /// Print the verdict only
    #[arg(long, short)]
    pub quiet: bool,

    /// Print JSON, for programs: the folder, and what `metrics.json` in it has
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Who it is: a base station that the bench says is `joined`, as in enb1
    #[arg(value_name = "NODE")]
    pub node: Actor,

    /// The socket of the run; it is waited for
    #[arg(long, value_name = "SOCKET", default_value = JOIN_SOCKET, value_hint = ValueHint::FilePath)]
    pub join: PathBuf,

    /// The network that it belongs to, MCC-MNC
    #[arg(long, value_name = "PLMN", default_value = "001-01")]
    pub plmn: Plmn,
}
