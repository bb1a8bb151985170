//! What can be asked for of cards in readers and virtual ones.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::ota::CardOtaArgs;
use crate::card::{AdmCode, PinCode};
use crate::cli::exit;
use crate::io::vpcd::Address;
use crate::lab::scenario::DEVICES_MAX;
use crate::wire::digits::{self, DigitsError};

#[derive(Debug, Args)]
pub struct CardArgs {
    #[command(subcommand)]
    pub verb: CardVerb,
}

#[derive(Debug, Subcommand)]
pub enum CardVerb {
    /// List the readers and what is in them
    List,
    /// Say what a card is: applications, subscriber, services, PIN, IoT SAFE, eSIM
    Info(CardInfoArgs),
    /// Print the file tree of a card with the contents of its files
    Dump(CardDumpArgs),
    /// Run AUTHENTICATE with a challenge and say what the answer means
    #[command(after_long_help = exit::help())]
    Auth(CardAuthArgs),
    /// Test an IoT SAFE applet: features, dialect, objects
    #[command(after_long_help = exit::help())]
    IotSafe(CardIotSafeArgs),
    /// Send a secured packet over the air to a card, and say what the answer means
    #[command(after_long_help = exit::help())]
    Ota(CardOtaArgs),
    /// Write the files of a SIM profile to a programmable test card
    #[command(after_long_help = exit::help())]
    Program(CardProgramArgs),
    /// Put virtual cards behind pcscd, for any PC/SC program
    Serve(ServeArgs),
    /// Put a virtual card behind a serial line with the AT commands of a modem
    Modem(CardModemArgs),
}

/// Which card is meant.
#[derive(Debug, Args)]
pub struct WhichCard {
    /// The reader that the card is in: its number in `cellbed card list`, its name, or a beginning of it
    #[arg(long, value_name = "READER", default_value = "0")]
    pub reader: String,

    /// Instead of a reader, a virtual card made from this SIM profile for the one command
    #[arg(id = "virtual", long = "virtual", value_name = "PROFILE", value_hint = ValueHint::FilePath, conflicts_with = "reader")]
    pub profile: Option<PathBuf>,

    /// Verify PIN1 first; it is not tried where fewer than two tries are left
    #[arg(long, value_name = "DIGITS")]
    pub pin: Option<PinDigits>,

    /// Try a PIN or key although fewer than two tries are left, or the card does not say how many
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct CardInfoArgs {
    #[command(flatten)]
    pub card: WhichCard,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Print IMSI and ICCID in full, not masked
    #[arg(long)]
    pub show_identifiers: bool,
}

#[derive(Debug, Args)]
pub struct CardDumpArgs {
    #[command(flatten)]
    pub card: WhichCard,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Print what names the subscriber in full, not masked
    #[arg(long)]
    pub show_identifiers: bool,

    /// Print the files that hold keys, too
    #[arg(long)]
    pub show_keys: bool,
}

#[derive(Debug, Args)]
pub struct CardAuthArgs {
    #[command(flatten)]
    pub card: WhichCard,

    /// RAND of the challenge, 32 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub rand: Hex<16>,

    /// AUTN of the challenge, 32 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub autn: Hex<16>,

    /// The security context; the card computes the same for both, EPS adds a check of AMF
    #[arg(long, value_enum, default_value_t = SecurityContext::Eps)]
    pub context: SecurityContext,

    /// K of the subscriber, to compare the card with Milenage as computed here
    #[arg(long, value_name = "HEX", requires = "operator")]
    pub k: Option<Hex<16>>,

    /// OPc of the subscriber
    #[arg(long, value_name = "HEX", group = "operator", requires = "k")]
    pub opc: Option<Hex<16>>,

    /// OP of the operator, in the place of OPc
    #[arg(long, value_name = "HEX", group = "operator", requires = "k")]
    pub op: Option<Hex<16>>,

    /// Print RES, CK and IK
    #[arg(long)]
    pub show_identifiers: bool,
}

/// The security context of AUTHENTICATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SecurityContext {
    /// LTE
    Eps,
    /// UMTS
    #[value(name = "3g")]
    Umts,
}

#[derive(Debug, Args)]
pub struct CardIotSafeArgs {
    #[command(flatten)]
    pub card: WhichCard,

    /// Test what changes the card, too: generate key pairs, put public keys
    #[arg(long)]
    pub write: bool,
}

#[derive(Debug, Args)]
pub struct CardProgramArgs {
    /// The SIM profile to write
    #[arg(value_name = "PROFILE", value_hint = ValueHint::FilePath)]
    pub profile: PathBuf,

    #[command(flatten)]
    pub card: WhichCard,

    /// The administrative key ADM1 of the card: up to 8 characters as they are printed with it, or 16 hexadecimal digits
    #[arg(long, value_name = "KEY", required_unless_present_any = ["dry_run", "table"])]
    pub adm: Option<AdmKey>,

    /// A table of cards (CSV) as their vendor delivers it: the card is one of its lines, and ADM1 is there as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "in_table", conflicts_with = "index")]
    pub table: Option<PathBuf>,

    /// The card in the table: its ICCID or its IMSI
    #[arg(id = "in_table", long = "card", value_name = "DIGITS", requires = "table")]
    pub in_table: Option<String>,

    /// Write subscriber number N of the profile; 0 has exactly the profile's values
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub index: u32,

    /// Say what would be written, and write nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// A virtual card, or several of one profile, that others use until a signal ends it.
#[derive(Debug, Args)]
pub struct ServedCards {
    /// The SIM profile of the cards
    #[arg(value_name = "PROFILE", value_hint = ValueHint::FilePath)]
    pub profile: PathBuf,

    /// Draw the cards' keys and random numbers from this seed, as a run with it does: they are public then. Without it
    /// they come from the operating system
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Make each card an eUICC (GSMA SGP.22 and SGP.32) that has the profile as its bootstrap profile
    #[arg(long)]
    pub euicc: bool,

    /// Issue the eUICCs' certificates in the hierarchy of this directory, see `cellbed pki`. Without it they are in
    /// the lab's own, whose keys are public
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "euicc")]
    pub pki: Option<PathBuf>,

    /// The root certificate that the IoT SAFE applets trust, PEM or DER. Without it they trust the authority of a run,
    /// whose key is public
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub trust_anchor: Option<PathBuf>,

    /// Leave the eUICCs without a profile
    #[arg(long, requires = "euicc")]
    pub no_profile: bool,

    /// Leave what SGP.32 adds out of EUICCInfo2 (ipaMode, iotSpecificInfo), for programs that know SGP.22 alone and
    /// lose it from what the eUICC has signed
    #[arg(long, requires = "euicc")]
    pub no_iot_info: bool,

    /// Where the cards keep their state; without it they forget everything when they are pulled out for good
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state: Option<PathBuf>,

    /// Print every command and response, by name
    #[arg(long)]
    pub trace: bool,
}

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub cards: ServedCards,

    /// Where the virtual reader of vsmartcard-vpcd listens; further cards take the ports behind it
    /// [default: localhost:35963]
    #[arg(long, value_name = "HOST:PORT")]
    pub vpcd: Option<Address>,

    /// How many cards; pcscd has a virtual reader for two, see /etc/reader.conf.d/vpcd
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(DEVICES_MAX)))]
    pub count: u32,
}

#[derive(Debug, Args)]
pub struct CardModemArgs {
    #[command(flatten)]
    pub card: ServedCards,

    /// Make a symbolic link to the pseudo terminal here, for programs that want a fixed name, and remove it at the end
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub link: Option<PathBuf>,
}

/// `N` bytes written as hexadecimal digits. Not shown by `Debug`: they may be a key.
#[derive(Clone, Copy)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> FromStr for Hex<N> {
    type Err = DigitsError;
    fn from_str(text: &str) -> Result<Self, DigitsError> {
        digits::array(text).map(Self)
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hex(..)")
    }
}

/// A PIN of 4 to 8 decimal digits. Not shown by `Debug`.
#[derive(Clone)]
pub struct PinDigits(pub PinCode);

impl FromStr for PinDigits {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        PinCode::try_from(text.to_owned()).map(Self)
    }
}

impl fmt::Debug for PinDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinDigits(..)")
    }
}

/// An administrative key as VERIFY carries it: 8 bytes (TS 102 221 clause 9.5.1).
#[derive(Clone, Copy)]
pub struct AdmKey(pub [u8; 8]);

impl FromStr for AdmKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        AdmCode::try_from(text.to_owned()).map(|code| Self(code.0))
    }
}

impl fmt::Debug for AdmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdmKey(..)")
    }
}
