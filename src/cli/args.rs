//! What can be asked for on the command line.

mod card;
mod compare;
mod guard;
mod ledger;
mod ota;
mod pki;
mod run;
mod sdn;
mod update;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use super::ca::args::CaArgs;
use super::esim::args::EsimArgs;
use super::euicc::args::EuiccArgs;
use super::exit;
use crate::io::vpcd::Address;
use crate::lab::scenario::DEVICES_MAX;

pub use card::*;
pub use compare::*;
pub use guard::*;
pub use ledger::*;
pub use ota::*;
pub use pki::*;
pub use run::*;
pub use sdn::*;
pub use update::*;

const EXAMPLES: &str = "\
Examples:
  cellbed run                                    the main job: one device from power-on to ready
  cellbed run lab/scenarios/re-key.toml --seed 8 another scenario, other random values
  cellbed run --devices 100 --quiet              the main job for a hundred devices at once
  cellbed check lab/scenarios/*.toml             are these files right?
  cellbed ledger verify runs/last/ledger --full  is everything on the ledger in order?
  cellbed card info --reader 0                   what is this SIM card?
  cellbed doctor                                 what does this machine have?";

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
    after_long_help = format!("{EXAMPLES}\n\n{}", exit::help()),
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
    #[command(after_long_help = exit::help())]
    Run(RunArgs),
    /// Write a lab to begin with into a new folder: scenarios, a bench and SIM profiles
    #[command(
        after_help = "Example:\n  cellbed new my-lab && cd my-lab && cellbed run",
        after_long_help = format!("Example:\n  cellbed new my-lab && cd my-lab && cellbed run\n\n{}", exit::help())
    )]
    New(FolderArgs),
    /// Play one node of a run that another process drives
    #[command(after_long_help = exit::help())]
    Node(NodeArgs),
    /// Check scenarios, benches and SIM profiles without running them
    #[command(after_long_help = exit::help())]
    Check(CheckArgs),
    /// Run two scenarios and compare how long devices take to be ready, and what it costs
    #[command(after_long_help = exit::help())]
    Compare(CompareArgs),
    /// Show or verify the ledger of a run, cut a device off by it, or erase whose a record on it is
    Ledger(LedgerArgs),
    /// Check that every device of a run has one key, one certificate and one subscription
    #[command(after_long_help = exit::help())]
    Audit(AuditArgs),
    /// Draw the report of a run again, from its events and metrics
    Report(ReportArgs),
    /// Look at SIM cards in readers, test and write them, and serve virtual ones
    Card(CardArgs),
    /// A certificate authority for clients outside: EST, OCSP and revocation lists
    Ca(CaArgs),
    /// Make, show, check and change the certificates of remote SIM provisioning
    Pki(PkiArgs),
    /// Serve profiles to eUICCs outside
    Esim(EsimArgs),
    /// Make, show and check profile packages, which an eSIM downloads
    Profile(ProfileArgs),
    /// Manage the profiles of an eUICC: an LPA, and an IPA
    #[command(after_long_help = exit::help())]
    Euicc(EuiccArgs),
    /// Serve the switch of the lab at real sockets, for controllers of others
    Sdn(SdnArgs),
    /// Sign, show and check manifests of firmware updates, and write repositories of them
    Update(UpdateArgs),
    /// Models that tell what a device does from what it did: learn, show and evaluate them
    Guard(GuardArgs),
    /// Say what this machine has for a lab, and what each absence costs
    Doctor(DoctorArgs),
    /// Measure cellbed itself
    #[command(after_long_help = exit::help())]
    Bench(BenchArgs),
    /// Write the JSON Schemas of the lab's files, for editors, or the pages of the reference, for people
    Schema(SchemaArgs),
    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  cellbed completions bash > ~/.local/share/bash-completion/completions/cellbed"
    )]
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(FolderArgs),
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenarios, benches and SIM profiles
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,

    /// Print JSON, for programs: each file with its problems
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of the run
    #[arg(value_name = "DIR", default_value = "runs/last", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Print JSON, for programs: where the page is, the verdict, and whether the log was whole
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(subcommand)]
    pub verb: ProfileVerb,
}

#[derive(Debug, Subcommand)]
pub enum ProfileVerb {
    /// Make the package of a SIM profile; it holds K and the other secrets in clear
    Build(ProfileBuildArgs),
    /// Print what is in a package: elements, files, codes, keys, applications
    #[command(after_long_help = exit::help())]
    Show(ProfileShowArgs),
    /// Check packages: encoding, order of elements, templates, every file
    #[command(after_long_help = exit::help())]
    Check {
        /// Packages in DER
        #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct ProfileBuildArgs {
    /// The SIM profile
    #[arg(value_name = "PROFILE", value_hint = ValueHint::FilePath)]
    pub profile: PathBuf,

    /// Make the package of subscriber number N; 0 has exactly the profile's values
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub index: u32,

    /// Put keys, IMSI and ICCID of the subscriber into this package instead, and leave the rest as it is
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub base: Option<PathBuf>,

    /// Where to put the package, in DER
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ProfileShowArgs {
    /// The package, in DER
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Print what names the subscriber in full, not masked
    #[arg(long)]
    pub show_identifiers: bool,

    /// Print keys and codes, and the files that hold keys, too
    #[arg(long)]
    pub show_keys: bool,
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
    /// Send commands to a virtual card, in process and through pcscd: median latency of each
    Card(CardBenchArgs),
    /// Download profiles to virtual eUICCs: downloads per second, APDUs, and the share of public-key cryptography
    Esim(EsimBenchArgs),
    /// Ask servers and network for something, alone and while strangers come in numbers: how long each takes
    Strangers(StrangersArgs),
    /// Cut a device off at a switch behind real sockets: how long until its last packet, beside a long-lived ovs-ofctl
    Isolate(IsolateArgs),
    /// Let one device of many turn bad, in each way: how long until each part of the loop has followed, and whether the others
    /// notice
    Loop(LoopArgs),
}

#[derive(Debug, Args)]
pub struct LoopArgs {
    /// How many good devices stand beside the bad one; may be several numbers, as in 1,100,1000
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,100", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub beside: Vec<u32>,

    /// What the bad one does, as in flood,scan; every class otherwise
    #[arg(long, value_name = "CLASS", value_delimiter = ',', value_parser = ["flood", "scan", "brute", "lateral", "dns-exfil", "slow-exfil", "slow-scan", "beacon"])]
    pub class: Vec<String>,

    /// Draw random values from this seed
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,

    /// Draw a chart as SVG into this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct IsolateArgs {
    /// How many sessions are installed
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sessions: u32,

    /// How often a device is cut off, by the controller and by ovs-ofctl each
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,

    /// How many packets a second the device sends
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// How many packets a second all other sessions send together, one after the other; 0: they are silent
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub others: u32,

    /// End with exit code 99 where the controller takes more than so many times what ovs-ofctl takes, at p50 or p99
    #[arg(long, value_name = "RATIO")]
    pub max_ratio: Option<f64>,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct StrangersArgs {
    /// How many connections strangers make to each server; 0 leaves the servers out
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub connections: u32,

    /// How many requests the good client makes alone; beside the strangers as many, and more until all of them have come
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub requests: u32,

    /// How many ATTACH REQUESTs strangers send to the embedded core network; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub attaches: u32,

    /// How many devices go through their procedure beside them, switched on at intervals of 100 ms
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub devices: u32,

    /// End with exit code 99 where a request waits longer, or the network is further behind the clock, in milliseconds
    #[arg(long, value_name = "MS")]
    pub max_wait_ms: Option<f64>,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct OnboardArgs {
    /// How many devices
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    pub devices: u32,

    /// How long after one device the next is switched on, in virtual milliseconds; 0: all at once
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub interval_ms: u32,

    /// End with exit code 99 where fewer devices a second of the wall clock are onboarded
    #[arg(long, value_name = "RATE")]
    pub min_rate: Option<f64>,

    /// End with exit code 99 where a device takes more memory than this, above what there was before the run
    #[arg(long, value_name = "KIB")]
    pub max_kib: Option<f64>,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct EsimBenchArgs {
    /// How many downloads, each to an eUICC of its own
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub downloads: u32,

    /// The SIM profile of the subscribers that are made
    #[arg(long, value_name = "PROFILE", default_value = "sim-profiles/lte-test.toml", value_hint = ValueHint::FilePath)]
    pub profile: PathBuf,

    /// Encrypt each package anew with the keys of its session, instead of once with keys of its own
    #[arg(long)]
    pub session_keys: bool,

    /// End with exit code 99 where fewer downloads a second of the wall clock are done
    #[arg(long, value_name = "RATE")]
    pub min_rate: Option<f64>,

    /// Draw random values from this seed
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct CardBenchArgs {
    /// The SIM profile of the card
    #[arg(value_name = "PROFILE", default_value = "sim-profiles/lte-test.toml", value_hint = ValueHint::FilePath)]
    pub profile: PathBuf,

    /// Where the virtual reader of vsmartcard-vpcd listens [default: localhost:35963]
    #[arg(long, value_name = "HOST:PORT")]
    pub vpcd: Option<Address>,

    /// How often each command is sent
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rounds: u32,

    /// End with exit code 99 where AUTHENTICATE in process takes longer than this, as the median
    #[arg(long, value_name = "MICROSECONDS")]
    pub max_us: Option<f64>,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The folder to write to
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Write pages in Markdown: each kind of file, and the command line
    #[arg(long)]
    pub markdown: bool,
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

    #[test]
    fn an_administrative_key_is_text_or_hexadecimal() {
        assert_eq!("88888888".parse::<AdmKey>().unwrap().0, *b"88888888");
        assert_eq!("3838383838383838".parse::<AdmKey>().unwrap().0, *b"88888888");
        assert_eq!("TESTADM1".parse::<AdmKey>().unwrap().0, *b"TESTADM1");
        assert_eq!("ADM1".parse::<AdmKey>().unwrap().0, *b"ADM1\xff\xff\xff\xff");
        assert!("123456789".parse::<AdmKey>().is_err());
        assert!(!format!("{:?}", AdmKey(*b"12345678")).contains('1'));
    }
}
