//! What the registry says has happened, and why it refuses.

use alloy_primitives::{Address, Log};
use alloy_sol_types::{SolEventInterface, SolInterface};

use super::abi::{DeviceRegistryErrors, DeviceRegistryEvents};
use super::firmware::FirmwareFault;
use super::registry::Status;
use super::roles::Roles;

/// A change of status, as the ledger announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChanged {
    pub id: [u8; 32],
    pub from: Status,
    pub to: Status,
    /// A CRLReason; see [`super::Reason::name_of`].
    pub reason: u8,
    /// The digest of what the decision rests on; zero if there is nothing.
    pub evidence: [u8; 32],
    pub seq: u64,
}

/// An event of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryEvent {
    Status(StatusChanged),
    /// The device has another key, and no certificate.
    KeyRotated {
        id: [u8; 32],
        key_hash: [u8; 32],
        generation: u64,
        by: Address,
        seq: u64,
    },
    Certificate {
        id: [u8; 32],
        cert_hash: [u8; 32],
        seq: u64,
    },
    /// The certificate has ended, and the device has not.
    CertificateRevoked {
        id: [u8; 32],
        cert_hash: [u8; 32],
        reason: u8,
        evidence: [u8; 32],
        seq: u64,
    },
    /// A key that is no newer one was presented for a taken identity.
    IdentityConflict {
        id: [u8; 32],
        key_hash: [u8; 32],
        registrar: Address,
        generation: u64,
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
    /// The device runs an image as published.
    Firmware {
        id: [u8; 32],
        component: [u8; 32],
        manifest: [u8; 32],
        sequence: u64,
        seq: u64,
    },
    /// The device runs an image that it should not.
    FirmwareRefused {
        id: [u8; 32],
        component: [u8; 32],
        manifest: [u8; 32],
        image: [u8; 32],
        fault: FirmwareFault,
        seq: u64,
    },
    Published {
        manifest: [u8; 32],
        model: [u8; 32],
        sequence: u64,
        min_sequence: u64,
    },
    Withdrawn {
        manifest: [u8; 32],
        reason: u8,
        evidence: [u8; 32],
    },
    RolesProposed {
        account: Address,
        roles: Roles,
        by: Address,
    },
    RolesSeconded {
        account: Address,
        roles: Roles,
        by: Address,
    },
    Roles {
        account: Address,
        from: Roles,
        to: Roles,
        by: Address,
        reason: u8,
    },
}

impl RegistryEvent {
    /// Reads a log of the registry at `contract`; none if it is of another contract or unknown.
    pub fn read(contract: Address, log: &Log) -> Option<Self> {
        if log.address != contract {
            return None;
        }
        Self::of(DeviceRegistryEvents::decode_log(log).ok()?.data)
    }

    fn of(event: DeviceRegistryEvents) -> Option<Self> {
        use DeviceRegistryEvents as E;
        let roles = |roles| Roles::from_bits(u8::try_from(roles).ok()?);
        Some(match event {
            E::StatusChanged(event) => Self::Status(StatusChanged {
                id: event.id.0,
                from: Status::from_number(event.from)?,
                to: Status::from_number(event.to)?,
                reason: event.reason,
                evidence: event.evidence.0,
                seq: event.seq,
            }),
            E::KeyRotated(event) => Self::KeyRotated {
                id: event.id.0,
                key_hash: event.keyHash.0,
                generation: event.generation,
                by: event.by,
                seq: event.seq,
            },
            E::CertificateRecorded(event) => {
                Self::Certificate { id: event.id.0, cert_hash: event.certHash.0, seq: event.seq }
            }
            E::CertificateRevoked(event) => Self::CertificateRevoked {
                id: event.id.0,
                cert_hash: event.certHash.0,
                reason: event.reason,
                evidence: event.evidence.0,
                seq: event.seq,
            },
            E::RegistrationConflict(event) => Self::IdentityConflict {
                id: event.id.0,
                key_hash: event.keyHash.0,
                registrar: event.registrar,
                generation: event.generation,
            },
            E::KeyConflict(event) => Self::KeyConflict {
                id: event.id.0,
                key_hash: event.keyHash.0,
                registrar: event.registrar,
                holder: event.holder.0,
            },
            E::RegistrationRepeated(event) => Self::Repeated { id: event.id.0, key_hash: event.keyHash.0 },
            E::FirmwareReported(event) => Self::Firmware {
                id: event.id.0,
                component: event.component.0,
                manifest: event.manifestDigest.0,
                sequence: event.sequence,
                seq: event.seq,
            },
            E::FirmwareRefused(event) => Self::FirmwareRefused {
                id: event.id.0,
                component: event.component.0,
                manifest: event.manifestDigest.0,
                image: event.imageDigest.0,
                fault: FirmwareFault::from_number(event.fault)?,
                seq: event.seq,
            },
            E::FirmwarePublished(event) => Self::Published {
                manifest: event.manifestDigest.0,
                model: event.model.0,
                sequence: event.sequence,
                min_sequence: event.minSequence,
            },
            E::FirmwareWithdrawn(event) => Self::Withdrawn {
                manifest: event.manifestDigest.0,
                reason: event.reason,
                evidence: event.evidence.0,
            },
            E::RolesProposed(event) => {
                Self::RolesProposed { account: event.account, roles: roles(event.roles)?, by: event.by }
            }
            E::RolesSeconded(event) => {
                Self::RolesSeconded { account: event.account, roles: roles(event.roles)?, by: event.by }
            }
            E::RolesChanged(event) => Self::Roles {
                account: event.account,
                from: roles(event.from)?,
                to: roles(event.to)?,
                by: event.by,
                reason: event.reason,
            },
        })
    }

    /// The device that it is about: where a key is presented for a second identity, the one that holds it.
    pub fn device(&self) -> Option<[u8; 32]> {
        match self {
            Self::Status(change) => Some(change.id),
            Self::KeyConflict { holder, .. } => Some(*holder),
            Self::KeyRotated { id, .. }
            | Self::Certificate { id, .. }
            | Self::CertificateRevoked { id, .. }
            | Self::IdentityConflict { id, .. }
            | Self::Repeated { id, .. }
            | Self::Firmware { id, .. }
            | Self::FirmwareRefused { id, .. } => Some(*id),
            Self::Published { .. }
            | Self::Withdrawn { .. }
            | Self::RolesProposed { .. }
            | Self::RolesSeconded { .. }
            | Self::Roles { .. } => None,
        }
    }
}

/// The stable word for what the registry reverted with.
pub fn revert_word(output: &[u8]) -> &'static str {
    use DeviceRegistryErrors as E;
    match E::abi_decode(output) {
        Ok(E::BadSignature(_)) => "bad-signature",
        Ok(E::NotAuthorised(_)) => "not-authorised",
        Ok(E::BadIdentity(_)) => "bad-identity",
        Ok(E::BadGeneration(_)) => "bad-generation",
        Ok(E::BadCertificate(_)) => "bad-certificate-hash",
        Ok(E::BadReason(_)) => "bad-reason",
        Ok(E::BadRelease(_)) => "bad-release",
        Ok(E::BadRoles(_)) => "bad-roles",
        Ok(E::KeyTaken(_)) => "key-already-registered",
        Ok(E::LastOfRole(_)) => "last-of-role",
        Ok(E::NoProposal(_)) => "no-proposal",
        Ok(E::NotSeconded(_)) => "not-seconded",
        Ok(E::WrongRelease(_)) => "wrong-release",
        Ok(E::WrongState(_)) => "wrong-state",
        Err(_) => "reverted",
    }
}
