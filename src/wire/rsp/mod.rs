//! Messages of remote SIM provisioning between eUICC, device and servers: ES8+, ES9+, ES10 and ES11 (GSMA SGP.22
//! clauses 2.4 to 2.6, 5 and annex H). The encoding is DER with the tags of the `RSPDefinitions` module.
//!
//! Signatures cover the exact bytes that were received. Therefore whatever is signed is kept raw: a message holds
//! the bytes of its signed structure, and the structure is read from them. Fields that a later version of the
//! specification has added behind the known ones are passed over.

mod authentication;
mod bound_package;
mod download;
mod euicc_info;
mod fields;
pub mod iot;
pub mod names;
mod notification;
mod profiles;
#[cfg(test)]
mod tests;

pub use authentication::{
    AuthenticateServerRequest, AuthenticateServerResponse, CtxParams1, DeviceInfo, EuiccSigned1,
    ServerSigned1, challenge_request, challenge_response, parse_challenge_response,
};
pub use bound_package::{
    BoundProfilePackage, ConfigureIsdp, DpProprietaryData, InitialiseSecureChannel, ReplaceSessionKeys,
    Segments,
};
pub use download::{
    CancelSessionRequest, CancelSessionResponse, EuiccCancelSessionSigned, EuiccSigned2,
    PrepareDownloadRequest, PrepareDownloadResponse, SmdpSigned2,
};
pub use euicc_info::{EuiccInfo1, EuiccInfo2, Version};
pub(crate) use fields::{Fields, bits, boolean, int, tlv};
pub use notification::{
    BppCommand, FinalResult, InstallError, ListNotificationRequest, NotificationMetadata,
    OtherSignedNotification, PendingNotification, ProfileInstallationResult, ProfileInstallationResultData,
    RetrieveNotifications, notification_sent, parse_notification_list, parse_pending_list,
};
pub use profiles::{
    ConfiguredAddresses, Icon, NotificationConfiguration, OperatorId, ProfileClass, ProfileFilter, ProfileId,
    ProfileInfo, ProfileMetadata, ProfileState, Switch, SwitchKind, parse_profile_list, parse_result,
    result_response,
};

/// An ICCID as EF.ICCID holds it: nibble-swapped BCD, filled up with `F`.
pub type IccidBytes = [u8; 10];

/// A raw ECDSA signature `r || s` on a curve of 256 bits (BSI TR-03111).
pub type Signature = [u8; 64];

/// The EID, 32 digits as BCD.
pub type EidBytes = [u8; 16];

/// Why bytes are not the message that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RspError {
    /// A data object is cut off, or its tag or length cannot be read.
    #[error("{message}: {field}: {cause}")]
    Tlv {
        /// The ASN.1 name of the message.
        message: &'static str,
        /// The ASN.1 name of the field in it.
        field: &'static str,
        /// What is wrong with the data object.
        cause: super::tlv::TlvError,
    },
    /// Another field stands where this one is mandatory, or nothing does.
    #[error("{message}: tag {expected:02X} is expected for {field}, found {}", found_tag(*.found))]
    Tag {
        /// The ASN.1 name of the message.
        message: &'static str,
        /// The ASN.1 name of the field in it.
        field: &'static str,
        /// The tag that the field has.
        expected: u16,
        /// The tag that is there; none at the end of the message.
        found: Option<u16>,
    },
    /// A field of a fixed length has another one.
    #[error("{message}: {field} has {found} bytes: {expected} expected")]
    Length {
        /// The ASN.1 name of the message.
        message: &'static str,
        /// The ASN.1 name of the field in it.
        field: &'static str,
        /// How many bytes it has.
        found: usize,
        /// How many it should have, as words of the error's sentence.
        expected: &'static str,
    },
    /// A field has a value that the specification does not allow.
    #[error("{message}: {field}: {problem}")]
    Value {
        /// The ASN.1 name of the message.
        message: &'static str,
        /// The ASN.1 name of the field in it.
        field: &'static str,
        /// What is wrong with it, in words.
        problem: &'static str,
    },
}

fn found_tag(found: Option<u16>) -> String {
    found.map_or_else(|| "the end".to_owned(), |tag| format!("{tag:02X}"))
}

/// A set of notification events, as the bits of `NotificationEvent` (SGP.22 annex H): one for a notification, any
/// number in a filter or a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NotificationEvents(pub u8);

impl NotificationEvents {
    /// `notificationInstall`, bit 0 of the BIT STRING.
    pub const INSTALL: Self = Self(0x80);
    /// `notificationEnable`, bit 1.
    pub const ENABLE: Self = Self(0x40);
    /// `notificationDisable`, bit 2.
    pub const DISABLE: Self = Self(0x20);
    /// `notificationDelete`, bit 3.
    pub const DELETE: Self = Self(0x10);
    /// All four.
    pub const ALL: Self = Self(0xf0);

    /// Whether both have an event in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The word for people; of a set the first one.
    pub fn name(self) -> &'static str {
        [(0x80, "install"), (0x40, "enable"), (0x20, "disable"), (0x10, "delete")]
            .into_iter()
            .find(|(bit, _)| self.0 & bit != 0)
            .map_or("none", |(_, name)| name)
    }
}

/// Profile policy rules, as the bits of `PprIds` (SGP.22 annex H).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PolicyRules(pub u8);

impl PolicyRules {
    /// The rules may be changed later over ES6.
    pub const UPDATE_CONTROL: Self = Self(0x80);
    /// Disabling of this profile is not allowed.
    pub const PPR1: Self = Self(0x40);
    /// Deletion of this profile is not allowed.
    pub const PPR2: Self = Self(0x20);

    /// Whether all rules of `other` are in force.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is no rule.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
