//! What the applet's store holds, and how GET DATA tells of it (GSMA IoT.05 clauses 2 and 3.3: application
//! information, object list, object information).

use crate::wire::tlv;

/// Identifier of the device's key pair.
pub const DEVICE_KEY: u8 = 0x01;
/// Identifier of a volatile key pair for key agreement.
pub const EPHEMERAL_KEY: u8 = 0x02;
/// Identifier of the container for a public key of somebody else.
pub const PEER_KEY: u8 = 0x03;
/// Identifier of the key that the device shares with its service.
pub const PRE_SHARED_KEY: u8 = 0x01;
/// Identifier of the file for the device's certificate, DER.
pub const CERTIFICATE_FILE: u8 = 0x01;
/// Identifier of the file with the certificate of the authority that the device trusts, DER.
pub const TRUST_ANCHOR_FILE: u8 = 0x02;

/// Sessions that may be open at a time on one channel; they are numbered from 0.
pub(super) const SESSIONS: usize = 4;

/// Object access conditions (tag 60).
pub(super) const READ: u8 = 0x01;
pub(super) const UPDATE: u8 = 0x02;

/// Cryptographic functions (tag 61).
pub(super) const SIGNATURE: u8 = 0x01;
pub(super) const KEY_GENERATION: u8 = 0x02;
pub(super) const KEY_AGREEMENT: u8 = 0x04;
pub(super) const KEY_DERIVATION: u8 = 0x08;

/// Algorithms of key derivation (tag 94): the pseudo-random function of TLS 1.2, HKDF.
const PRF_AND_HKDF: u8 = 0x03;

/// A key container: both halves of a pair, or a public key alone.
pub(super) struct Key {
    /// Identifies the private half and the public half.
    pub(super) id: u8,
    pub(super) label: &'static str,
    /// Whether there is a private half.
    pub(super) private: bool,
    /// A volatile key is gone after a reset.
    pub(super) volatile: bool,
    /// What the key may be used for: a sum of [`SIGNATURE`], [`KEY_GENERATION`] and [`KEY_AGREEMENT`].
    pub(super) functions: u8,
    /// What may be done with the public half: a sum of [`READ`] and [`UPDATE`].
    pub(super) public_access: u8,
}

/// A file of the store.
pub(super) struct File {
    pub(super) id: u8,
    pub(super) label: &'static str,
    /// A sum of [`READ`] and [`UPDATE`].
    pub(super) access: u8,
    /// The most that it holds, bytes.
    pub(super) capacity: usize,
}

/// A secret of the store.
pub(super) struct Secret {
    pub(super) id: u8,
    pub(super) label: &'static str,
    /// What it may be used for: [`KEY_DERIVATION`] or nothing.
    pub(super) functions: u8,
}

/// The layout of a store.
pub(super) struct Store {
    pub(super) keys: &'static [Key],
    pub(super) files: &'static [File],
    pub(super) secrets: &'static [Secret],
}

/// The store of every card here.
pub(super) static STORE: Store = Store {
    keys: &[
        Key {
            id: DEVICE_KEY,
            label: "device",
            private: true,
            volatile: false,
            functions: SIGNATURE | KEY_GENERATION,
            public_access: READ,
        },
        Key {
            id: EPHEMERAL_KEY,
            label: "ecdhe",
            private: true,
            volatile: true,
            functions: KEY_GENERATION | KEY_AGREEMENT,
            public_access: READ,
        },
        Key {
            id: PEER_KEY,
            label: "peer",
            private: false,
            volatile: true,
            functions: SIGNATURE | KEY_AGREEMENT,
            public_access: READ | UPDATE,
        },
    ],
    files: &[
        File { id: CERTIFICATE_FILE, label: "device", access: READ | UPDATE, capacity: 2560 },
        File { id: TRUST_ANCHOR_FILE, label: "anchor", access: READ, capacity: 2560 },
    ],
    secrets: &[Secret { id: PRE_SHARED_KEY, label: "psk", functions: KEY_DERIVATION }],
};

/// Application information (P1 `00`).
pub(super) fn application(store: &Store) -> Vec<u8> {
    let private = store.keys.iter().filter(|k| k.private).count();
    let mut out = Vec::with_capacity(68);
    let mut put = |tag, value: &[u8]| tlv::push(&mut out, tag, value);
    put(0x10, &[0x01]);
    put(0x11, b"cellbed IoT SAFE applet version1");
    put(0xb1, &[store.files.len() as u8]);
    put(0xb2, &[private as u8]);
    put(0xb3, &[store.keys.len() as u8]);
    put(0xb4, &[store.secrets.len() as u8]);
    put(0x90, &[SIGNATURE | KEY_GENERATION | KEY_AGREEMENT | KEY_DERIVATION]);
    // SHA-256. One byte here and two in object information: a widespread client takes nothing else.
    put(0x91, &[0x01]);
    // ECDSA; ECKA.
    put(0x92, &[0x04]);
    put(0x93, &[0x01]);
    put(0x94, &[PRF_AND_HKDF]);
    put(0xb7, &[SESSIONS as u8]);
    out
}

/// Information on a private key, template C1.
pub(super) fn private_key(key: &Key, filled: bool) -> Vec<u8> {
    let generation = key.functions & KEY_GENERATION != 0;
    key_information(key, filled, (0xc1, 0x74, 0x84), if generation { UPDATE } else { 0 })
}

/// Information on a public key, template C2.
pub(super) fn public_key(key: &Key, filled: bool) -> Vec<u8> {
    key_information(key, filled, (0xc2, 0x75, 0x85), key.public_access)
}

fn key_information(key: &Key, filled: bool, (template, label, id): (u16, u16, u16), access: u8) -> Vec<u8> {
    let mut body = Vec::with_capacity(40);
    let mut put = |tag, value: &[u8]| tlv::push(&mut body, tag, value);
    put(label, key.label.as_bytes());
    put(id, &[key.id]);
    put(0x60, &[access]);
    put(0x4a, &[u8::from(filled)]);
    // NIST P-256, volatile or persistent; general purpose.
    put(0x4b, &[if key.volatile { 0x14 } else { 0x13 }]);
    put(0x4e, &[0x01]);
    put(0x61, &[key.functions]);
    if key.functions & SIGNATURE != 0 {
        put(0x92, &[0x04]);
        put(0x91, &[0x00, 0x01]);
    }
    if key.functions & KEY_AGREEMENT != 0 {
        put(0x6f, &[0x01]);
    }
    template_of(template, &body)
}

/// Information on a file of `size` bytes, template C3.
pub(super) fn file(file: &File, size: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(28);
    let mut put = |tag, value: &[u8]| tlv::push(&mut body, tag, value);
    put(0x73, file.label.as_bytes());
    put(0x83, &[file.id]);
    put(0x60, &[file.access]);
    put(0x4a, &[u8::from(size > 0)]);
    put(0x20, &(size as u16).to_be_bytes());
    // X.509 certificate storage.
    put(0x21, &[0x02]);
    template_of(0xc3, &body)
}

/// Information on a secret, template C4.
pub(super) fn secret(secret: &Secret, filled: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(24);
    let mut put = |tag, value: &[u8]| tlv::push(&mut body, tag, value);
    put(0x76, secret.label.as_bytes());
    put(0x86, &[secret.id]);
    put(0x60, &[0]);
    put(0x4a, &[u8::from(filled)]);
    // HMAC capable.
    put(0x4b, &[0xa0]);
    put(0x61, &[secret.functions]);
    put(0x94, &[PRF_AND_HKDF]);
    template_of(0xc4, &body)
}

fn template_of(tag: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 3);
    tlv::push(&mut out, tag, body);
    out
}
