//! What `cellbed euicc` can be asked for.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueHint};

use crate::cli::args::WhichCard;
use crate::esim::lpa::check_token;
use crate::wire::digits;

#[derive(Debug, Args)]
pub struct EuiccArgs {
    #[command(subcommand)]
    pub verb: EuiccVerb,

    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,

    /// Print EID and ICCIDs in full, not masked
    #[arg(long, global = true)]
    pub show_identifiers: bool,
}

#[derive(Debug, Subcommand)]
pub enum EuiccVerb {
    /// Say what an eUICC is: EID, versions, memory, addresses, trusted CIs, eIMs
    Info(LocalArgs),
    /// List the profiles
    List(LocalArgs),
    /// Enable a profile
    Enable(SwitchArgs),
    /// Disable a profile
    Disable(SwitchArgs),
    /// Delete a profile
    Delete(ProfileChoice),
    /// Give a profile a nickname, or take it away
    Nickname(NicknameArgs),
    /// Tell an eUICC that has no eIM which one may manage it
    AddEim(AddEimArgs),
    /// List the notifications that wait, or deliver them
    Notifications(NotificationsArgs),
    /// Delete all operational profiles
    Reset(ResetArgs),
    /// Download and install a profile
    Download(DownloadArgs),
    /// Ask an SM-DS what waits for this eUICC
    Discover(DiscoverArgs),
    /// Do what an eIM wants, as the IPA of a device does
    Poll(PollArgs),
}

/// The card, and how long the blocks to it may be.
#[derive(Debug, Args)]
pub struct LocalArgs {
    #[command(flatten)]
    pub card: WhichCard,

    /// Issue the virtual eUICC's certificates in the hierarchy of this directory, see `cellbed pki`. Without it they
    /// are in the lab's own, whose keys are public, as those of `cellbed esim serve` and `cellbed card serve --euicc`
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "virtual")]
    pub pki: Option<PathBuf>,

    /// Where the virtual eUICC keeps its state from one command to the next; `cellbed card serve --euicc` goes on
    /// with it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "virtual")]
    pub state: Option<PathBuf>,

    /// The AID of the ISD-R, 5 to 16 bytes, where it is another than that of SGP.22: removable eUICCs have their own
    #[arg(long, value_name = "AID")]
    pub isd_r: Option<Aid>,

    /// The most bytes in one command; some readers do not pass the longest
    #[arg(long, value_name = "BYTES", default_value_t = 255, value_parser = clap::value_parser!(u8).range(1..))]
    pub block: u8,
}

#[derive(Debug, Args)]
pub struct ProfileChoice {
    /// The profile: its ICCID, the AID of its ISD-P, or its number in `cellbed euicc list`
    #[arg(value_name = "ICCID|AID|NUMBER")]
    pub profile: String,

    #[command(flatten)]
    pub local: LocalArgs,
}

#[derive(Debug, Args)]
pub struct SwitchArgs {
    #[command(flatten)]
    pub choice: ProfileChoice,

    /// Ask for no REFRESH (refreshFlag); the card has to be reset before the change is seen
    #[arg(long)]
    pub no_refresh: bool,
}

/// An application identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aid(pub Vec<u8>);

impl FromStr for Aid {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let octets = digits::octets(text).map_err(|error| error.to_string())?;
        match octets.len() {
            5..=16 => Ok(Self(octets.to_vec())),
            found => Err(format!("an AID has 5 to 16 bytes (ISO/IEC 7816-4), this one has {found}")),
        }
    }
}

#[derive(Debug, Args)]
pub struct NicknameArgs {
    /// The profile: its ICCID, or its number in `cellbed euicc list`
    #[arg(value_name = "ICCID|NUMBER")]
    pub profile: String,

    /// The nickname, at most 64 bytes; empty to take it away
    #[arg(value_name = "NAME")]
    pub name: String,

    #[command(flatten)]
    pub local: LocalArgs,
}

#[derive(Debug, Args)]
pub struct AddEimArgs {
    /// The configuration (EimConfigurationData or AddInitialEimRequest of SGP.32), in DER or hex; `cellbed esim serve`
    /// writes one
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub configuration: PathBuf,

    #[command(flatten)]
    pub local: LocalArgs,
}

/// Who is trusted on the network.
#[derive(Debug, Args)]
pub struct Network {
    /// Certificates under which servers are trusted: one in DER, or any number in PEM; may be given several times
    #[arg(long = "ca", value_name = "FILE", value_hint = ValueHint::FilePath, required = true)]
    pub ca: Vec<PathBuf>,

    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
}

#[derive(Debug, Args)]
pub struct NotificationsArgs {
    #[command(flatten)]
    pub local: LocalArgs,

    /// Deliver them to their servers, and remove those that were taken
    #[arg(long, requires = "ca")]
    pub send: bool,

    /// Certificates under which servers are trusted: one in DER, or any number in PEM; may be given several times
    #[arg(long = "ca", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct ResetArgs {
    #[command(flatten)]
    pub local: LocalArgs,

    /// Do it: profiles that are deleted are gone
    #[arg(long, required = true)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// The activation code, LPA:1$...; without it the default SM-DP+ of the eUICC is asked
    #[arg(value_name = "CODE")]
    pub code: Option<String>,

    /// Ask this SM-DP+ instead
    #[arg(long, value_name = "HOST", conflicts_with = "code")]
    pub smdp: Option<String>,

    /// The matching identifier at that SM-DP+
    #[arg(long, value_name = "ID", requires = "smdp", value_parser = matching_id)]
    pub matching_id: Option<String>,

    /// The confirmation code of the order
    #[arg(long, value_name = "CODE")]
    pub confirmation_code: Option<String>,

    #[command(flatten)]
    pub local: LocalArgs,

    #[command(flatten)]
    pub network: Network,
}

#[derive(Debug, Args)]
pub struct DiscoverArgs {
    /// The SM-DS to ask instead of the one that the eUICC names
    #[arg(long, value_name = "HOST")]
    pub smds: Option<String>,

    #[command(flatten)]
    pub local: LocalArgs,

    #[command(flatten)]
    pub network: Network,
}

#[derive(Debug, Args)]
pub struct PollArgs {
    /// The eIM, as host or host:port
    #[arg(long, value_name = "HOST")]
    pub eim: String,

    /// Download through the eIM instead of from the SM-DP+ itself
    #[arg(long)]
    pub indirect: bool,

    #[command(flatten)]
    pub local: LocalArgs,

    #[command(flatten)]
    pub network: Network,
}

/// The same as what may stand in an activation code.
fn matching_id(text: &str) -> Result<String, String> {
    check_token(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}
