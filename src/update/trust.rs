//! What a device was delivered with, and judges updates by: who made it, of which kind it is, whose signatures count, and
//! which ledger. None of it comes over the network.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::crypto::key;
use crate::ledger::{Component, LightAnchors, Model};
use crate::wire::cose::Algorithm;
use crate::wire::suit::{Authentication, ComponentId};

/// The name space of domain names (RFC 9562 section 6.6).
const DNS: [u8; 16] =
    [0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];

/// The key of somebody who writes manifests. What is signed with it is part of the key: a message that says otherwise is
/// signed with another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorKey {
    /// What signatures of this key are made with.
    pub algorithm: Algorithm,
    /// X || Y on P-256.
    pub public: [u8; 64],
}

impl AuthorKey {
    /// A key on P-256 that signs with ESP256.
    pub fn esp256(public: [u8; 64]) -> Self {
        Self { algorithm: Algorithm::Esp256, public }
    }

    /// Whether this key has made the signature.
    pub fn has_signed(&self, one: &Authentication) -> bool {
        self.algorithm != Algorithm::Ed25519
            && self.algorithm == one.algorithm
            && key::verify(&self.public, &one.message, &one.signature).is_ok()
    }
}

/// What a device judges updates by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// The vendor, a UUID ([`vendor_id`]).
    pub vendor: [u8; 16],
    /// The class of the device, a UUID: [`uuid5`] of the vendor and the model.
    pub class: [u8; 16],
    /// The model, as the ledger calls it.
    pub model: Model,
    /// The one component that is updated, as the ledger calls it; manifests call it by the same letters.
    pub component: Component,
    /// Whose manifests count.
    pub authors: Vec<AuthorKey>,
    /// The ledger that has to vouch for a release.
    pub ledger: LightAnchors,
}

impl Trust {
    /// What manifests call the component.
    pub fn component_id(&self) -> ComponentId {
        vec![self.component.name().into_bytes()]
    }

    /// The class of a model of `vendor`.
    pub fn class_of(vendor: &[u8; 16], model: Model) -> [u8; 16] {
        uuid5(vendor, &model.name())
    }
}

/// The UUID of the vendor who has this domain (draft-ietf-suit-manifest-37 clause 8.4.8.2.1).
pub fn vendor_id(domain: &str) -> [u8; 16] {
    uuid5(&DNS, domain)
}

/// A UUID of version 5: the SHA-1 of name space and name (RFC 9562 section 5.5). SHA-1 hides nothing and proves nothing here.
pub fn uuid5(space: &[u8; 16], name: &str) -> [u8; 16] {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[space, name.as_bytes()].concat());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_ref()[..16]);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9562 appendix A.4, and vendor and class of the SUIT draft's examples.
    #[test]
    fn uuids_are_those_of_the_documents() {
        assert_eq!(hex::encode(vendor_id("www.example.com")), "2ed6657de927568b95e12665a8aea6a2");
        let arm = vendor_id("arm.com");
        assert_eq!(hex::encode(arm), "fa6b4a53d5ad5fdfbe9de663e4d41ffe");
        assert_eq!(hex::encode(uuid5(&arm, "cortex")), hex::encode(uuid5(&arm, "cortex")));
        assert_ne!(uuid5(&arm, "cortex"), uuid5(&arm, "other"));
    }
}
