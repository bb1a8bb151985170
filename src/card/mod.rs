//! The UICC: files, PIN, USIM and the IoT SAFE applet.
//!
//! [`Uicc`] answers command APDUs as a card with protocol T=0 does. It is built from tables: which files there
//! are (`fs`), which instructions ([`Uicc`]'s table) and which objects the applet holds (`iot_safe`).

mod aka;
mod atr;
mod capabilities;
mod commands;
mod euicc;
mod fs;
mod gsm;
mod impersonate;
mod install;
mod installed;
pub mod iot_safe;
mod modem;
mod ota;
mod ota_profile;
mod package;
mod pin;
mod profile;
mod slot;
mod sqn;
mod state;
mod suci;
mod suci_profile;
mod table;
#[cfg(test)]
mod tests;
mod timing;
mod toolkit;
#[cfg(test)]
mod ts_35_208;
mod uicc;
mod usim;

pub use atr::LAB_KEYS;
pub use euicc::{
    Delivered, EuiccConfig, EuiccEvent, EuiccIdentity, Installable, InstalledInfo, OnEuiccEvent, RatRule,
    try_package,
};
pub use impersonate::impersonate;
pub use installed::InstalledProfile;
pub use modem::Modem;
pub use ota_profile::OtaKeys;
pub use package::package;
pub use profile::{
    AdmCode, Algorithm, Authentication, IotSafeContent, OperatorKey, Personalisation, PinCode, PinCodes,
    Secret, SimProfile, Suci, SuciScheme,
};
pub use slot::{CardDiary, CardHandle, CardPort, CardSlot, CardUser, Exchange, PortError, SharedDiary};
pub use table::{CardTable, TableError};
pub use timing::{CardModel, StoreDataChain};
pub use toolkit::Refresh;
pub use uicc::Uicc;

use crate::id::Plmn;
use crate::kernel::Blame;
use crate::wire::StatusWord;

/// What a command gives: response data with `9000`, or the status word of a refusal.
type Reply = Result<Vec<u8>, StatusWord>;

/// A public key operation that a card did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CardOp {
    /// A key pair was made.
    KeyGen,
    /// Something was signed.
    Sign,
    /// A shared secret was computed.
    Agree,
    /// A signature was verified.
    Verify,
}

/// Is told of each public key operation of a card.
pub type OnOp = std::sync::Arc<dyn Fn(CardOp) + Send + Sync>;

/// Why a card cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum CardError {
    #[error(
        "the {what} {index} cards after {first} has too many digits; start the profile lower or make fewer cards"
    )]
    PastEnd { what: &'static str, first: String, index: u32 },
    #[error("IMSI {imsi} does not begin with PLMN {plmn}; correct `imsi` or `plmn` of the profile")]
    ForeignImsi { imsi: String, plmn: Plmn },
    #[error("the trust anchor has {bytes} bytes, its file holds {max}; use a smaller certificate")]
    TrustAnchor { bytes: usize, max: usize },
    #[error("sequence number {sqn:#x} has more than 48 bits; correct `sqn` of the profile")]
    Sqn { sqn: u64 },
    #[error("the keys for packets over the air: {0}")]
    Ota(crate::wire::ota::KeyError),
    #[error("the eUICC cannot be made: {what}")]
    Euicc { what: &'static str },
    #[error("a profile package cannot be installed: {0}")]
    Package(crate::wire::saip::PackageError),
    #[error("the stored state of the card is damaged: {what}; remove it to begin with a card as delivered")]
    StateDamaged { what: &'static str },
    #[error("the stored state has format {found}, this program knows {known}; use the program that wrote it")]
    StateVersion { found: u8, known: u8 },
    #[error("the stored state belongs to the card {found}, this is the card {card}; keep them apart")]
    StateForeign { found: String, card: String },
    #[error(
        "the stored state is that of an eUICC with another key (certificate {found}) than this one ({card}); take the hierarchy that it was certified in, or another state"
    )]
    StateIdentity { found: String, card: String },
}

impl CardError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Bench
    }
}
