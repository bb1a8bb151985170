//! What `cellbed pki` can be asked for.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use time::macros::format_description;

use super::super::exit;
use crate::crypto::rsp_cert::{Curve, Oid};
use crate::id::Eid;

#[derive(Debug, Args)]
pub struct PkiArgs {
    #[command(subcommand)]
    pub verb: PkiVerb,
}

#[derive(Debug, Subcommand)]
pub enum PkiVerb {
    /// Make a folder: a CI, an EUM, an SM-DP+, an SM-DS, an eIM, an operator and their keys
    New(PkiNewArgs),
    /// Print the certificates of a folder as a table, or one certificate or revocation list in full
    Show {
        /// A folder of `cellbed pki new` or of SGP.26, or a file in one
        #[arg(value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
        path: PathBuf,
    },
    /// Verify every certificate of a folder up to its CI, its revocation lists and its keys
    #[command(after_long_help = exit::help())]
    Check {
        /// A folder of `cellbed pki new` or of SGP.26
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Revoke a certificate that the CI issued, and sign the next revocation list
    Revoke(PkiRevokeArgs),
    /// Give servers new keys and certificates under the object identifiers and hosts that they have
    Renew(PkiRenewArgs),
}

#[derive(Debug, Args)]
pub struct PkiNewArgs {
    /// The folder to make; it must not be there
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Draw every key from this seed, and begin on the first day of the virtual bench: the same folder each time
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// A DNS name or address under which SM-DP+ and SM-DS serve TLS; may be given more than once
    #[arg(long, value_name = "NAME", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
    pub host: Vec<String>,

    /// The first digits of the EIDs that the EUM may certify; may be given more than once [default: 89049032]
    #[arg(long, value_name = "DIGITS")]
    pub ein: Vec<String>,

    /// Certify an eUICC with this EID as well; may be given more than once
    #[arg(long, value_name = "EID")]
    pub eid: Vec<Eid>,

    /// The curve of all keys. A folder on brainpoolP256r1 is for eUICCs (`cellbed card serve --euicc --pki`) and other
    /// programs: TLS has no such certificates, so that `cellbed esim serve` does not take it
    #[arg(long, value_enum, default_value_t = PkiCurve::P256)]
    pub curve: PkiCurve,

    /// The first day of validity, in UTC [default: now]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub from: Option<Day>,
}

#[derive(Debug, Args)]
pub struct PkiRevokeArgs {
    /// The folder, with the key of the CI
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// The file of the certificate
    #[arg(value_name = "CERT", value_hint = ValueHint::FilePath)]
    pub certificate: PathBuf,

    /// Why
    #[arg(long, value_enum, default_value_t = PkiReason::KeyCompromise)]
    pub reason: PkiReason,
}

#[derive(Debug, Args)]
pub struct PkiRenewArgs {
    /// The folder, with the key of the CI
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Only the server with this object identifier
    #[arg(long, value_name = "OID")]
    pub oid: Option<Oid>,
}

/// The curves that a hierarchy can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PkiCurve {
    P256,
    BrainpoolP256r1,
}

impl From<PkiCurve> for Curve {
    fn from(curve: PkiCurve) -> Self {
        match curve {
            PkiCurve::P256 => Self::P256,
            PkiCurve::BrainpoolP256r1 => Self::BrainpoolP256r1,
        }
    }
}

/// Why a certificate is revoked (RFC 5280 section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PkiReason {
    KeyCompromise,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

/// The beginning of a day in UTC, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub u64);

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = time::Date::parse(text, format_description!("[year]-[month]-[day]"))
            .map_err(|_| "a day as 2026-01-31 is expected".to_owned())?;
        let seconds = date.midnight().assume_utc().unix_timestamp();
        u64::try_from(seconds).map(Self).map_err(|_| "a day from 1970-01-01 on is expected".to_owned())
    }
}
