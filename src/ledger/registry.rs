//! The DeviceRegistry contract as seen from outside, whichever engine runs it: identities, records, calls, events and
//! refusals.
//!
//! The source is `contracts/DeviceRegistry.sol`; the bytecode is the committed artefact beside it.

use std::sync::LazyLock;

use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use alloy_sol_types::{SolEventInterface, SolInterface, SolValue, sol};

sol! {
    #[derive(Debug, PartialEq, Eq)]
    contract DeviceRegistry {
        constructor(address registrar, address ca, address guard, address publisher);

        event RolesChanged(address indexed account, uint256 roles);
        event StatusChanged(
            bytes32 indexed id, uint8 from, uint8 to, uint8 reason, bytes32 evidence, uint64 seq
        );
        event CertificateRecorded(bytes32 indexed id, bytes32 certHash, uint64 seq);
        event RegistrationConflict(bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar);
        event KeyConflict(
            bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar, bytes32 holder
        );
        event RegistrationRepeated(bytes32 indexed id, bytes32 indexed keyHash, address indexed registrar);

        error NotAuthorised(address account, uint256 roles);
        error BadSignature();
        error BadIdentity();
        error WrongState(bytes32 id, uint8 status);

        function grant(address account, uint256 roles) external;
        function registerDevice(bytes32 id, bytes32 model, bytes32 x, bytes32 y, bytes32 r, bytes32 s)
            external returns (bool registered);
        function recordCertificate(bytes32 id, bytes32 certHash) external;
        function quarantine(bytes32 id, uint8 reason, bytes32 evidence) external;
        function release(bytes32 id, uint8 reason, bytes32 evidence) external;
        function revoke(bytes32 id, uint8 reason, bytes32 evidence) external;
        function retire(bytes32 id, uint8 reason, bytes32 evidence) external;
    }
}

pub(super) use DeviceRegistry as abi;

/// The compiled contract, as `contracts/compile.js` writes it.
struct Artefact {
    creation: Bytes,
    runtime: Bytes,
}

static ARTEFACT: LazyLock<Artefact> = LazyLock::new(|| {
    let text = include_str!("../../contracts/DeviceRegistry.json");
    let json: serde_json::Value = serde_json::from_str(text).expect("the committed artefact is JSON");
    let code = |name: &str| {
        let code = json[name].as_str().expect("the committed artefact has both codes");
        code.parse().expect("the committed codes are hexadecimal")
    };
    Artefact { creation: code("creation"), runtime: code("runtime") }
});

/// The code that deploys the contract, its constructor arguments included.
pub(super) fn creation_code(registrar: Address, ca: Address, guard: Address, publisher: Address) -> Bytes {
    let arguments = abi::constructorCall { registrar, ca, guard, publisher };
    let mut code = ARTEFACT.creation.to_vec();
    code.extend(alloy_sol_types::SolConstructor::abi_encode(&arguments));
    code.into()
}

/// The code of the deployed contract.
pub(super) fn runtime_code() -> &'static Bytes {
    &ARTEFACT.runtime
}

/// Where a registry is: what a signature or a transaction is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// The chain identifier (EIP-155).
    pub chain_id: u64,
    /// The address of the DeviceRegistry on that chain.
    pub address: Address,
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

/// What the card signs (ECDSA with SHA-256 over this) to put its key on the chain:
/// "ztp/register/v1" || chain id (32 bytes) || contract (20) || id (32) || model (32) || x (32) || y (32).
pub fn registration_message(
    contract: Contract,
    id: &[u8; 32],
    model: Model,
    x: &[u8; 32],
    y: &[u8; 32],
) -> Vec<u8> {
    let chain_id = U256::from(contract.chain_id).to_be_bytes::<32>();
    [b"ztp/register/v1".as_slice(), &chain_id, contract.address.as_slice(), id, model.bytes(), x, y].concat()
}

/// What a registrar puts on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// See [`device_id`].
    pub id: [u8; 32],
    pub model: Model,
    /// The public key of the card.
    pub x: [u8; 32],
    pub y: [u8; 32],
    /// The card's signature over [`registration_message`], r || s.
    pub signature: [u8; 64],
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
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    CertificateHold = 6,
    RemoveFromCrl = 8,
    PrivilegeWithdrawn = 9,
}

impl Reason {
    const ALL: [Self; 8] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::RemoveFromCrl,
        Self::PrivilegeWithdrawn,
    ];

    /// The name that RFC 5280 gives to a number; "unknown" for a number without one.
    pub fn name_of(number: u8) -> &'static str {
        match Self::ALL.into_iter().find(|reason| *reason as u8 == number) {
            None => "unknown",
            Some(Self::Unspecified) => "unspecified",
            Some(Self::KeyCompromise) => "keyCompromise",
            Some(Self::AffiliationChanged) => "affiliationChanged",
            Some(Self::Superseded) => "superseded",
            Some(Self::CessationOfOperation) => "cessationOfOperation",
            Some(Self::CertificateHold) => "certificateHold",
            Some(Self::RemoveFromCrl) => "removeFromCRL",
            Some(Self::PrivilegeWithdrawn) => "privilegeWithdrawn",
        }
    }
}

/// What the ledger knows of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The public key of the card.
    pub x: [u8; 32],
    pub y: [u8; 32],
    /// The SHA-256 of its certificate; zero if none was issued yet.
    pub cert_hash: [u8; 32],
    pub model: Model,
    pub status: Status,
    /// How many times the record has changed.
    pub seq: u64,
    /// The time of the last change, in seconds since the Unix epoch.
    pub updated_at: u64,
}

/// A change of status, as the ledger announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChanged {
    pub id: [u8; 32],
    pub from: Status,
    pub to: Status,
    /// A CRLReason; see [`Reason::name_of`].
    pub reason: u8,
    /// The digest of what the decision rests on; zero if there is nothing.
    pub evidence: [u8; 32],
    pub seq: u64,
}

/// An event of the registry that says more than a change of status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEvent {
    Status(StatusChanged),
    Certificate {
        id: [u8; 32],
        cert_hash: [u8; 32],
        seq: u64,
    },
    /// Another key was presented for a taken identity.
    IdentityConflict {
        id: [u8; 32],
        key_hash: [u8; 32],
        registrar: Address,
    },
    /// The key of `holder` was presented for another identity.
    KeyConflict {
        id: [u8; 32],
        key_hash: [u8; 32],
        registrar: Address,
        holder: [u8; 32],
    },
    /// A device was registered again with its own key; nothing changed.
    Repeated {
        id: [u8; 32],
        key_hash: [u8; 32],
    },
    Roles {
        account: Address,
        roles: U256,
    },
}

impl RegistryEvent {
    /// Reads a log of the registry at `contract`; none if it is of another contract or unknown.
    pub fn read(contract: Address, log: &Log) -> Option<Self> {
        if log.address != contract {
            return None;
        }
        Some(match abi::DeviceRegistryEvents::decode_log(log).ok()?.data {
            abi::DeviceRegistryEvents::StatusChanged(event) => Self::Status(StatusChanged {
                id: event.id.0,
                from: Status::from_number(event.from)?,
                to: Status::from_number(event.to)?,
                reason: event.reason,
                evidence: event.evidence.0,
                seq: event.seq,
            }),
            abi::DeviceRegistryEvents::CertificateRecorded(event) => {
                Self::Certificate { id: event.id.0, cert_hash: event.certHash.0, seq: event.seq }
            }
            abi::DeviceRegistryEvents::RegistrationConflict(event) => Self::IdentityConflict {
                id: event.id.0,
                key_hash: event.keyHash.0,
                registrar: event.registrar,
            },
            abi::DeviceRegistryEvents::KeyConflict(event) => Self::KeyConflict {
                id: event.id.0,
                key_hash: event.keyHash.0,
                registrar: event.registrar,
                holder: event.holder.0,
            },
            abi::DeviceRegistryEvents::RegistrationRepeated(event) => {
                Self::Repeated { id: event.id.0, key_hash: event.keyHash.0 }
            }
            abi::DeviceRegistryEvents::RolesChanged(event) => {
                Self::Roles { account: event.account, roles: event.roles }
            }
        })
    }
}

/// The stable word for what the registry reverted with.
pub fn revert_word(output: &[u8]) -> &'static str {
    match abi::DeviceRegistryErrors::abi_decode(output) {
        Ok(abi::DeviceRegistryErrors::BadSignature(_)) => "bad-signature",
        Ok(abi::DeviceRegistryErrors::NotAuthorised(_)) => "not-authorised",
        Ok(abi::DeviceRegistryErrors::BadIdentity(_)) => "bad-identity",
        Ok(abi::DeviceRegistryErrors::WrongState(_)) => "wrong-state",
        Err(_) => "reverted",
    }
}

/// The number of the contract's variables (Solidity storage layout).
const DEVICES: u64 = 1;
const ID_OF_KEY: u64 = 2;

/// Reads a record straight from its storage slots: `slot` gives what the contract keeps at a place (zero where it
/// keeps nothing). None if the contract does not know the device.
pub(super) fn device(slot: impl Fn(U256) -> U256, id: &[u8; 32]) -> Option<DeviceRecord> {
    let base = mapping_slot(id, DEVICES);
    let word = |offset: u64| slot(base.wrapping_add(U256::from(offset))).to_be_bytes::<32>();
    // The last slot packs, from its low end: status (1 byte), seq (8), updatedAt (8).
    let packed = word(4);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let status = Status::from_number(packed[31])?;
    if status == Status::None {
        return None;
    }
    Some(DeviceRecord {
        x: word(0),
        y: word(1),
        cert_hash: word(2),
        model: Model(word(3)),
        status,
        seq: number(&packed[23..31]),
        updated_at: number(&packed[15..23]),
    })
}

/// Reads which identity a key belongs to, straight from its storage slot.
pub(super) fn id_of_key(slot: impl Fn(U256) -> U256, x: &[u8; 32], y: &[u8; 32]) -> Option<[u8; 32]> {
    let key_hash = keccak256([x.as_slice(), y].concat());
    let id = slot(mapping_slot(&key_hash, ID_OF_KEY));
    (!id.is_zero()).then(|| id.to_be_bytes())
}

fn mapping_slot(key: &[u8; 32], variable: u64) -> U256 {
    U256::from_be_bytes(keccak256((B256::from(*key), U256::from(variable)).abi_encode()).0)
}
