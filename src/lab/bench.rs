//! A bench: which vendor plays each role of a scenario, and what is recorded.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LabError;
use super::diagnostic::Diagnostic;
use super::document::Document;
use crate::io::files;

/// A cellbed bench.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// The name of the file, without its ending.
    #[serde(skip)]
    pub name: String,
    /// What the bench is, in one line.
    #[schemars(length(min = 1))]
    pub summary: String,
    /// Who plays which role.
    pub roles: Roles,
    /// What is recorded.
    #[serde(default)]
    pub capture: Capture,
}

/// Who plays which role. A role that is left out is played by its embedded vendor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Roles {
    /// The UICC.
    pub card: CardVendor,
    /// The user equipment.
    pub modem: ModemVendor,
    /// The base station.
    pub base_station: BaseStationVendor,
    /// The core network.
    pub core: CoreVendor,
    /// The radio between modem and base station.
    pub air: AirVendor,
    /// The device registry.
    pub ledger: LedgerVendor,
    /// The certificate authority.
    pub ca: CaVendor,
}

/// Declares the vendors of each role; the first is the embedded one, which needs nothing installed.
macro_rules! vendors {
    ($($(#[$of:meta])* $role:ident { $(#[$what:meta])* $embedded:ident })*) => {$(
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $role {
            $(#[$what])*
            #[default]
            $embedded,
        }
    )*};
}

vendors! {
    /// Vendors of the card.
    CardVendor {
        /// The virtual UICC in the same process.
        Virtual
    }
    /// Vendors of the modem.
    ModemVendor {
        /// The protocol UE: real NAS bytes, card commands and IP stack; RRC is modelled.
        Protocol
    }
    /// Vendors of the base station.
    BaseStationVendor {
        /// The protocol eNB: real S1AP and GTP-U bytes; RRC is modelled.
        Protocol
    }
    /// Vendors of the core network.
    CoreVendor {
        /// MME, HSS and gateway in the same process.
        Embedded
    }
    /// Vendors of the radio.
    AirVendor {
        /// A model of each technology's timing, in virtual time.
        Model
    }
    /// Vendors of the ledger.
    LedgerVendor {
        /// The EVM chain in the same process, on disk.
        Embedded
    }
    /// Vendors of the certificate authority.
    CaVendor {
        /// The authority and its EST server in the same process.
        Embedded
    }
}

/// What a run records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// Whether the TLS secrets of the run are written beside the capture (`SSLKEYLOGFILE` format), so that
    /// Wireshark reads what TLS protects.
    pub key_log: bool,
}

impl Default for Capture {
    fn default() -> Self {
        Self { key_log: true }
    }
}

impl Bench {
    /// Reads and checks the bench at `path`.
    pub fn load(path: &Path) -> Result<Self, LabError> {
        let text = files::read_text(path)?;
        check(&text, &path.to_string_lossy()).map_err(LabError::Invalid)
    }
}

/// Reads a bench out of `source`, the content of the file called `name`.
pub fn check(source: &str, name: &str) -> Result<Bench, Vec<Diagnostic>> {
    let mut document = Document::parse(source, name);
    let mut bench = document.read::<Bench>();
    if let Some(bench) = &mut bench {
        bench.name = super::file_stem(name).to_owned();
    }
    document.finish(bench)
}
