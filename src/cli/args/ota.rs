//! The arguments of `cellbed card ota`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::{Hex, WhichCard};
use crate::wire::digits::{self, DigitsError};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct CardOtaArgs {
    #[command(flatten)]
    pub card: WhichCard,

    /// The application that the packet is for, 6 hexadecimal digits; of files and applications known by itself
    #[arg(long, value_name = "HEX")]
    pub tar: Option<Hex<3>>,

    /// Take version, keys and lengths from `[ota]` of this SIM profile; of a virtual card, it is its own
    #[arg(long, value_name = "PROFILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["kic", "kid"])]
    pub keys_of: Option<PathBuf>,

    /// Version of the keys, 1 to 15
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub key_version: u8,

    /// The file that holds KIc, in hexadecimal digits; it is asked for where neither file nor profile is named
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kic: Option<PathBuf>,

    /// The file that holds KID
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kid: Option<PathBuf>,

    /// What the keys are for
    #[arg(long, value_enum, default_value_t = OtaAlgorithm::Aes)]
    pub algorithm: OtaAlgorithm,

    /// Bytes of a checksum: 8 or 4
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub checksum_bytes: usize,

    /// The counter of the packet: higher than that of the last one
    #[arg(long, value_name = "N")]
    pub counter: u64,

    /// How packet and answer are protected, SPI in hexadecimal digits
    #[arg(long, value_name = "HEX", default_value = "1619")]
    pub spi: Hex<2>,

    /// Send this script, compact or expanded
    #[arg(long, value_name = "HEX", group = "what", requires = "tar")]
    pub script: Option<Script>,

    /// Read a transparent file: its identifier, 4 hexadecimal digits, of the UICC (2Fxx) or of the USIM
    #[arg(long, value_name = "FID", group = "what")]
    pub read_file: Option<Hex<2>>,

    /// List applications, and keys by version and algorithm
    #[arg(long, group = "what")]
    pub list_applications: bool,

    /// Print files that name the subscriber, too
    #[arg(long, requires = "read_file", conflicts_with_all = ["list_applications", "script"])]
    pub show_identifiers: bool,

    /// Print files that hold keys, too
    #[arg(long, requires = "read_file", conflicts_with_all = ["list_applications", "script"])]
    pub show_keys: bool,
}

/// The algorithm of a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OtaAlgorithm {
    /// AES with 128, 192 or 256 bits
    Aes,
    /// Triple DES with two or three keys
    TripleDes,
}

/// The octets of a script.
#[derive(Clone)]
pub struct Script(pub Vec<u8>);

impl FromStr for Script {
    type Err = DigitsError;
    fn from_str(text: &str) -> Result<Self, DigitsError> {
        digits::octets(text).map(|octets| Self(octets.to_vec()))
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script(..)")
    }
}
