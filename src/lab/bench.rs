//! A bench: which vendor plays each role of a scenario, and what is recorded.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::document::Document;
use super::{FileKind, LabError};
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
    /// The UICC: `virtual`, or `pcsc:` and a reader, called by its name, a beginning of it, or its number from 0.
    #[schemars(with = "String", regex(pattern = "^(virtual|pcsc:.+)$"))]
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

/// Vendors of the card: `virtual`, or `pcsc:` and a reader.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CardVendor {
    /// The virtual UICC in the same process.
    #[default]
    Virtual,
    /// The card in this PC/SC reader (see [`crate::io::pcsc::open`]).
    Pcsc(String),
}

impl TryFrom<String> for CardVendor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("pcsc:").map(str::trim) {
            _ if text == "virtual" => Ok(Self::Virtual),
            Some(reader) if !reader.is_empty() => Ok(Self::Pcsc(reader.to_owned())),
            _ => Err(format!("a card is `virtual` or `pcsc:READER`, not `{text}`")),
        }
    }
}

impl From<CardVendor> for String {
    fn from(vendor: CardVendor) -> Self {
        match vendor {
            CardVendor::Virtual => "virtual".to_owned(),
            CardVendor::Pcsc(reader) => format!("pcsc:{reader}"),
        }
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
    document.expect_kind(FileKind::Bench)?;
    let mut bench = document.read::<Bench>();
    if let Some(bench) = &mut bench {
        bench.name = super::file_stem(name).to_owned();
    }
    document.finish(bench)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_left_out_are_played_by_the_embedded_vendors() {
        let bench = check("summary = \"x\"\n[roles]\nair = \"model\"\n", "lab/benches/x.toml").unwrap();
        assert_eq!((bench.name.as_str(), bench.roles), ("x", Roles::default()));
        assert!(bench.capture.key_log);
    }

    #[test]
    fn a_scenario_is_no_bench() {
        let problems = check("summary = \"x\"\n[[device]]\nprofile = \"p\"\n", "x.toml").unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].message, "this is a scenario, where a bench is wanted");
    }

    #[test]
    fn a_card_is_virtual_or_in_a_reader() {
        let card = |value: &str| {
            check(&format!("summary = \"x\"\n[roles]\ncard = \"{value}\"\n"), "x.toml")
                .map(|bench| bench.roles.card)
                .map_err(|problems| problems[0].message.clone())
        };
        assert_eq!(card("virtual"), Ok(CardVendor::Virtual));
        assert_eq!(card("pcsc:Virtual PCD 00 00"), Ok(CardVendor::Pcsc("Virtual PCD 00 00".to_owned())));
        assert_eq!(card("pcsc"), Err("a card is `virtual` or `pcsc:READER`, not `pcsc`".to_owned()));
        assert!(card("pcsc: ").is_err() && card("").is_err());
    }

    #[test]
    fn an_unknown_vendor_or_role_names_the_known_ones() {
        let source = "summary = \"x\"\n[roles]\ncore = \"srs\"\nbasestation = \"srs\"\n";
        let problems = check(source, "x.toml").unwrap_err();
        insta::assert_snapshot!(problems.iter().map(|p| p.render(false, 90)).collect::<String>(), @r##"
     × `core` cannot be "srs"
      ╭─[x.toml:3:8]
    2 │ [roles]
    3 │ core = "srs"
      ·        ──┬──
      ·          ╰── unknown value
    4 │ basestation = "srs"
      ╰────
     help: the only one known here is `embedded`
     × unknown key `basestation` in `roles`
      ╭─[x.toml:4:1]
    3 │ core = "srs"
    4 │ basestation = "srs"
      · ─────┬─────
      ·      ╰── not a key here
      ╰────
     help: did you mean `base_station`? known here: `card`, `modem`, `base_station`,
           `core`, `air`, `ledger`, `ca`
    "##);
    }
}
