//! What a vendor offers: images with manifests that it has signed, and what the ledger is to be told of them.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use sha2::{Digest as _, Sha256};

use super::image::Image;
use super::trust::{AuthorKey, Trust, vendor_id};
use crate::crypto::SoftKey;
use crate::ledger::{Component, Model, Release};
use crate::wire::cose::Algorithm;
use crate::wire::suit::{Command, Condition, Directive, Envelope, Manifest, Parameter, Section, Severable};

/// The reporting bits of the draft's examples: a fetch is reported where it fails.
const ON_FAILURE: u8 = 2;

/// Somebody who makes devices of one model, and writes manifests for their one component.
#[derive(Debug, Clone)]
pub struct Vendor {
    key: SoftKey,
    /// The vendor, a UUID.
    pub id: [u8; 16],
    /// The class of the model, a UUID.
    pub class: [u8; 16],
    /// The model, as the ledger calls it.
    pub model: Model,
    /// The component, as the ledger calls it.
    pub component: Component,
}

/// An image with its manifest, as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The manifest in its envelope.
    pub envelope: Vec<u8>,
    /// The image.
    pub image: Arc<[u8]>,
    /// What the ledger is to be told.
    pub release: Release,
}

impl Vendor {
    /// The vendor with this domain, who signs with `key`.
    pub fn new(domain: &str, key: SoftKey, model: Model, component: Component) -> Self {
        let id = vendor_id(domain);
        let class = Trust::class_of(&id, model);
        Self { key, id, class, model, component }
    }

    /// The key that devices of this vendor trust.
    pub fn author(&self) -> AuthorKey {
        AuthorKey::esp256(self.key.public())
    }

    /// An image of `size` bytes with a manifest of this sequence number, to be fetched below `base`. `program` gives what is
    /// in the image behind its header.
    pub fn offer(
        &self,
        header: Image,
        size: usize,
        sequence: u64,
        base: &str,
        program: &mut ChaCha20Rng,
    ) -> Offer {
        self.offer_of(header.build(size, program), sequence, base)
    }

    /// The same of an image that there is.
    pub fn offer_of(&self, image: Vec<u8>, sequence: u64, base: &str) -> Offer {
        let digest: [u8; 32] = Sha256::digest(&image).into();
        let uri = format!("{base}/images/{}", hex::encode(digest));
        let manifest = self.manifest(sequence, digest, image.len() as u64, uri);
        let envelope = self.signed(&manifest);
        let release = Release {
            manifest: envelope.digest(),
            image: digest,
            model: self.model,
            component: self.component,
            sequence,
            min_sequence: 0,
            uri: format!("{base}/manifests/{}", hex::encode(envelope.digest())),
        };
        Offer { envelope: envelope.encode(), image: image.into(), release }
    }

    /// `manifest` in an envelope that this vendor has signed.
    pub fn signed(&self, manifest: &Manifest) -> Envelope {
        let mut envelope = Envelope::unsigned(manifest);
        let signature = self.key.sign(&envelope.to_be_signed(Algorithm::Esp256));
        envelope.add(Algorithm::Esp256, signature);
        envelope
    }

    /// The manifest of an image: for whom it is, how it is installed, and that it is started where it is whole.
    pub fn manifest(&self, sequence: u64, image: [u8; 32], size: u64, uri: String) -> Manifest {
        let parameters = vec![
            Parameter::VendorIdentifier(self.id),
            Parameter::ClassIdentifier(self.class),
            Parameter::ImageDigest(image),
            Parameter::ImageSize(size),
        ];
        let shared = vec![
            Command::Directive(Directive::OverrideParameters(parameters)),
            Command::condition(Condition::VendorIdentifier),
            Command::condition(Condition::ClassIdentifier),
        ];
        let install = vec![
            Command::Directive(Directive::OverrideParameters(vec![Parameter::Uri(uri)])),
            Command::Directive(Directive::Fetch(ON_FAILURE)),
            Command::condition(Condition::ImageMatch),
        ];
        let sections = [
            (Section::Validate, vec![Command::condition(Condition::ImageMatch)]),
            (Section::Invoke, vec![Command::Directive(Directive::Invoke(ON_FAILURE))]),
            (Section::Install, install),
        ];
        Manifest {
            sequence,
            components: vec![vec![self.component.name().into_bytes()]],
            shared,
            reference_uri: None,
            sections: sections
                .into_iter()
                .map(|(section, commands)| (section, Severable::Inside(commands)))
                .collect(),
            text: None,
        }
    }
}
