//! What can be asked of a ledger, and of the audit of a run.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueHint};

use crate::cli::exit;
use crate::lab::audit::erase::Who;
use crate::services::guard::Cause;

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
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Check a ledger from the bytes on disk, and against what you know of it from elsewhere
    #[command(after_long_help = exit::help())]
    Verify(LedgerVerifyArgs),
    /// Cosign the checkpoint of a ledger, where it continues what was cosigned before
    #[command(after_long_help = exit::help())]
    Witness(LedgerWitnessArgs),
    /// Write a ledger for others' programs: genesis.json and blocks.rlp, the seals, checkpoint and tiles
    Export {
        /// The folder of the ledger, as in runs/last/ledger
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// The folder that everything goes to
        #[arg(value_name = "OUT", value_hint = ValueHint::DirPath)]
        out: PathBuf,
    },
    /// Cut a device off until it is released, by a transaction of the operator
    ///
    /// A run that goes on (`cellbed run --live`) follows the ledger at once: certificate on hold, session ended, flow
    /// removed, device detached. Of a run that has ended the ledger in its folder is gone on with.
    #[command(after_long_help = exit::help())]
    Quarantine(LedgerDeedArgs),
    /// Let a device back from quarantine, as what it was
    #[command(after_long_help = exit::help())]
    Release(LedgerDeedArgs),
    /// End the life of a device: it is not to be trusted any more
    #[command(after_long_help = exit::help())]
    Revoke(LedgerDeedArgs),
    /// Erase a device: afterwards nothing in a run's folder says whose record on the ledger is its
    ///
    /// The entries of the device and every recording of the run are removed. The record on the ledger stays,
    /// and nobody can say whose it was.
    #[command(after_long_help = exit::help())]
    Erase {
        /// The number of the device in the run, its EID, or its identity on the ledger
        #[arg(value_name = "DEVICE")]
        device: Who,
        /// The folder of the run
        #[arg(long, value_name = "RUN", value_hint = ValueHint::DirPath)]
        run: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct LedgerDeedArgs {
    /// The number of the device in the run; its EID or its identity on the ledger where the run has ended
    #[arg(value_name = "DEVICE")]
    pub device: Who,
    /// The folder of the run
    #[arg(long, value_name = "RUN", default_value = "runs/last", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// Why, in the words of RFC 5280; what is usual for it otherwise
    #[arg(long, value_name = "REASON", value_parser = PossibleValuesParser::new(Cause::ALL.map(Cause::name)))]
    pub reason: Option<String>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LedgerVerifyArgs {
    /// The folder of the ledger, as in runs/last/ledger
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Execute every transaction again, besides checking hashes, roots, seals and signatures
    #[arg(long)]
    pub full: bool,
    /// A key that the ledger must have: the address of each validator (0x...), or the verifier key of its checkpoints
    #[arg(long, value_name = "KEY")]
    pub key: Vec<String>,
    /// A checkpoint of this ledger from earlier on, which it must continue
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub checkpoint: Vec<PathBuf>,
    /// The verifier key of a witness, who must have cosigned the checkpoint
    #[arg(long, value_name = "VKEY")]
    pub witness: Vec<String>,
    /// The hash of a block that the ledger must have, as the report of a run says it
    #[arg(long, value_name = "HASH")]
    pub head: Vec<String>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LedgerWitnessArgs {
    /// The folder of the ledger, as in runs/last/ledger
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// The folder of the witness: its key, made where it is missing, and what it has cosigned
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: PathBuf,
    /// What the witness is called, where it has no key yet
    #[arg(long, value_name = "NAME", default_value = "cellbed/witness")]
    pub name: String,
    /// The verifier key of the ledger, from its operator; needed the first time
    #[arg(long, value_name = "VKEY")]
    pub key: Option<String>,
    /// Where the cosigned checkpoint goes; standard output otherwise
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The folder of the run
    #[arg(value_name = "RUN", default_value = "runs/last", value_hint = ValueHint::DirPath)]
    pub run: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}
