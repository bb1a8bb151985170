//! What `cellbed ca` can be asked for.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::super::exit;
use crate::ca::{RevocationReason, Serial};

#[derive(Debug, Args)]
pub struct CaArgs {
    #[command(subcommand)]
    pub verb: CaVerb,
}

#[derive(Debug, Subcommand)]
pub enum CaVerb {
    /// Make a folder: a key from the operating system's randomness, and its root certificate
    New {
        /// The folder to make; it must not be there
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Serve EST (RFC 7030) to clients outside, and OCSP, the revocation list and the root beside it
    #[command(after_long_help = exit::help())]
    Serve(CaServeArgs),
    /// List what the authority has issued, with its status
    List {
        /// A folder of `cellbed ca new`
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Revoke a certificate; who serves the folder takes note at once
    Revoke {
        /// A folder of `cellbed ca new`
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: PathBuf,

        /// The serial number of the certificate, as `cellbed ca list` prints it
        #[arg(value_name = "SERIAL")]
        serial: Serial,

        /// Why
        #[arg(long, value_enum, default_value_t = CaReason::KeyCompromise)]
        reason: CaReason,
    },
}

#[derive(Debug, Args)]
pub struct CaServeArgs {
    /// A folder of `cellbed ca new`
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Where to serve EST over TLS; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8085")]
    pub listen: SocketAddr,

    /// Where to serve OCSP, the revocation list and the root over plain HTTP; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8086")]
    pub status: SocketAddr,

    /// Under which URL relying parties reach that, as certificates are to say [default: its address]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub status_url: Option<String>,

    /// A DNS name or address for the server's own certificate; may be given more than once
    #[arg(long, value_name = "NAME", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
    pub host: Vec<String>,

    /// Who may have certificates, and how each shows who it is (docs/ca.md); without it nobody enrols
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub clients: Option<PathBuf>,

    /// Take first requests by certificates under this root (PEM or DER) as well, of those that the clients' file names;
    /// may be given more than once
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub client_ca: Vec<PathBuf>,

    /// Refuse a CSR that is not linked to its TLS session by tls-exporter (RFC 9266)
    #[arg(long)]
    pub linked: bool,

    /// Listen on addresses beyond loopback; needs --clients
    #[arg(long)]
    pub outside: bool,
}

/// Why a certificate is revoked (RFC 5280 section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaReason {
    KeyCompromise,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

impl From<CaReason> for RevocationReason {
    fn from(reason: CaReason) -> Self {
        match reason {
            CaReason::KeyCompromise => Self::KeyCompromise,
            CaReason::Superseded => Self::Superseded,
            CaReason::CessationOfOperation => Self::CessationOfOperation,
            CaReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}
