//! The DeviceRegistry contract as seen from outside, whichever engine runs it: identities, keys, records and what
//! cards sign.

use alloy_primitives::{Address, U256, keccak256};

/// Where a registry is: what a signature or a transaction is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// The chain identifier (EIP-155).
    pub chain_id: u64,
    /// The address of the DeviceRegistry on that chain.
    pub address: Address,
}

impl Contract {
    /// What binds a signature to this registry: tag || chain id (32 bytes) || contract (20) || fields.
    pub(super) fn message(self, tag: &str, fields: &[&[u8]]) -> Vec<u8> {
        let chain_id = U256::from(self.chain_id).to_be_bytes::<32>();
        [&[tag.as_bytes(), &chain_id, self.address.as_slice()], fields].concat().concat()
    }
}

/// The identity of a device on the chain: keccak256("ztp/dev/v1" || salt || EID).
///
/// The salt is drawn per device and kept by the owner. Deleting it makes the identity meaningless.
pub fn device_id(salt: &[u8; 32], eid: &str) -> [u8; 32] {
    keccak256([b"ztp/dev/v1".as_slice(), salt, eid.as_bytes()].concat()).0
}

/// A model name: 1 to 32 printable ASCII characters, padded with zeros on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Model([u8; 32]);

/// A text that is no model name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no model name: 1 to 32 printable ASCII characters without spaces")]
pub struct BadModel(pub String);

impl Model {
    /// The model of this name.
    ///
    /// # Errors
    /// [`BadModel`] if the name is empty, too long, or has other characters than graphic ASCII.
    pub fn new(name: &str) -> Result<Self, BadModel> {
        let fits = (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(BadModel(name.to_owned()));
        }
        let mut padded = [0; 32];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self(padded))
    }

    /// The model that the chain has.
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes on the chain.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name; bytes that another writer put there appear as replacement characters.
    pub fn name(&self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(32);
        String::from_utf8_lossy(&self.0[..end]).into_owned()
    }
}

/// A key that a card has made, as it is put on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardKey {
    /// The public key.
    pub x: [u8; 32],
    pub y: [u8; 32],
    /// How many keys the card has made in this container, this one included.
    pub generation: u64,
}

/// What the card signs (ECDSA with SHA-256 over this) to put its key on the chain: "ztp/register/v2" || chain id
/// (32 bytes) || contract (20) || id (32) || model (32) || x (32) || y (32) || generation (8) || context (32).
/// `context` binds it to the conversation in which the card was asked; zero where there is none.
pub fn registration_message(
    contract: Contract,
    id: &[u8; 32],
    model: Model,
    key: &CardKey,
    context: &[u8; 32],
) -> Vec<u8> {
    let generation = key.generation.to_be_bytes();
    contract.message("ztp/register/v2", &[id, model.bytes(), &key.x, &key.y, &generation, context])
}

/// What the new key signs, and the old one as well where no operator vouches for the device, to replace a key:
/// "ztp/rotate/v2" || chain id (32 bytes) || contract (20) || id (32) || x (32) || y (32) || generation (8) || seq (8).
/// `seq` is [`DeviceRecord::seq`] of the record before, so that a signature counts once.
pub fn rotation_message(contract: Contract, id: &[u8; 32], key: &CardKey, seq: u64) -> Vec<u8> {
    let (generation, seq) = (key.generation.to_be_bytes(), seq.to_be_bytes());
    contract.message("ztp/rotate/v2", &[id, &key.x, &key.y, &generation, &seq])
}

/// What a registrar puts on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// See [`device_id`].
    pub id: [u8; 32],
    pub model: Model,
    pub key: CardKey,
    /// What binds the signature to its conversation.
    pub context: [u8; 32],
    /// The card's signature over [`registration_message`], r || s.
    pub signature: [u8; 64],
}

/// A new key for a device that is on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// See [`device_id`].
    pub id: [u8; 32],
    pub key: CardKey,
    /// The signature of the new key over [`rotation_message`], r || s.
    pub signature: [u8; 64],
    /// The signature of the old key over the same; none where ADMIN or REGISTRAR vouches for the device.
    pub old_signature: Option<[u8; 64]>,
}

/// Where a device stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Not on the ledger.
    None,
    /// Its key is on the ledger.
    Registered,
    /// It has a certificate and may work.
    Active,
    /// It is cut off until it is released.
    Quarantined,
    /// It is not to be trusted any more.
    Revoked,
    /// It was taken out of service in good order.
    Retired,
}

impl Status {
    /// The status that the contract means by a number.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::None, Self::Registered, Self::Active, Self::Quarantined, Self::Revoked, Self::Retired]
            .get(usize::from(number))
            .copied()
    }

    /// The name in events and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Registered => "registered",
            Self::Active => "active",
            Self::Quarantined => "quarantined",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Why a status changed: the CRLReason of RFC 5280 clause 5.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    Unspecified = 0,
    KeyCompromise = 1,
    CaCompromise = 2,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    CertificateHold = 6,
    RemoveFromCrl = 8,
    PrivilegeWithdrawn = 9,
    AaCompromise = 10,
}

impl Reason {
    const ALL: [Self; 10] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The name that RFC 5280 gives to a number; "unknown" for a number without one.
    pub fn name_of(number: u8) -> &'static str {
        match Self::ALL.into_iter().find(|reason| *reason as u8 == number) {
            None => "unknown",
            Some(Self::Unspecified) => "unspecified",
            Some(Self::KeyCompromise) => "keyCompromise",
            Some(Self::CaCompromise) => "cACompromise",
            Some(Self::AffiliationChanged) => "affiliationChanged",
            Some(Self::Superseded) => "superseded",
            Some(Self::CessationOfOperation) => "cessationOfOperation",
            Some(Self::CertificateHold) => "certificateHold",
            Some(Self::RemoveFromCrl) => "removeFromCRL",
            Some(Self::PrivilegeWithdrawn) => "privilegeWithdrawn",
            Some(Self::AaCompromise) => "aACompromise",
        }
    }
}

/// What the ledger knows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The public key of the card.
    pub x: [u8; 32],
    pub y: [u8; 32],
    /// The SHA-256 of what the CA signs of its certificate; zero if it has none.
    pub cert_hash: [u8; 32],
    pub model: Model,
    pub status: Status,
    /// What a release from quarantine leads to; [`Status::None`] where the device is in none.
    pub held: Status,
    /// How many times the record has changed.
    pub seq: u64,
    /// How many keys the card had made with this one.
    pub generation: u64,
    /// The time of the last change, in seconds since the Unix epoch.
    pub updated_at: u64,
}
