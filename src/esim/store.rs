//! What servers must not forget, and how it is written down. A record holds keys of profiles: whoever keeps one
//! keeps a secret.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::crypto::rsp_cert::RspPublicKey;
use crate::wire::rsp::{ProfileMetadata, ReplaceSessionKeys};
use crate::wire::tlv;

/// What a record is of; with its key it names the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Of the SM-DP+, by ICCID.
    Order,
    /// Of the SM-DP+, by transaction identifier.
    Session,
    /// Of the SM-DP+, by EID and sequence number.
    Notification,
    /// Of the SM-DS, by EID and event identifier.
    Event,
    /// Of the eIM, by EID.
    Euicc,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Order, Self::Session, Self::Notification, Self::Event, Self::Euicc];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Session => "session",
            Self::Notification => "notification",
            Self::Event => "event",
            Self::Euicc => "euicc",
        }
    }
}

/// Why a record was not kept or is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {} record {key}: {problem}", kind.as_str())]
pub struct StoreError {
    /// What kind of record it is.
    pub kind: Kind,
    /// By which it is kept.
    pub key: String,
    /// What is wrong, in words.
    pub problem: String,
}

/// Records by kind and key.
pub type Records = BTreeMap<(Kind, String), Vec<u8>>;

/// Where servers keep their records. Keys are words of letters, digits and `-`.
pub trait Store: Send {
    /// Keeps a record in the place of one with the same kind and key; it is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then the record before is still there.
    fn put(&mut self, kind: Kind, key: &str, record: &mut dyn FnMut() -> Vec<u8>) -> Result<(), StoreError>;

    /// Forgets a record; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    fn remove(&mut self, kind: Kind, key: &str) -> Result<(), StoreError>;
}

/// Keeps nothing: for servers that end with the run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forgetful;

impl Store for Forgetful {
    fn put(&mut self, _: Kind, _: &str, _: &mut dyn FnMut() -> Vec<u8>) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove(&mut self, _: Kind, _: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Keeps records in memory, so that a server can be started again from them in one process. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Records>>);

impl MemoryStore {
    /// What is kept now.
    pub fn records(&self) -> Records {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn put(&mut self, kind: Kind, key: &str, record: &mut dyn FnMut() -> Vec<u8>) -> Result<(), StoreError> {
        self.lock().insert((kind, key.to_owned()), record());
        Ok(())
    }

    fn remove(&mut self, kind: Kind, key: &str) -> Result<(), StoreError> {
        self.lock().remove(&(kind, key.to_owned()));
        Ok(())
    }
}

/// A record as bytes.
pub(super) fn record<T: serde::Serialize>(value: &T) -> Vec<u8> {
    // What records are made of always has a JSON form.
    serde_json::to_vec(value).unwrap_or_default()
}

/// A record from bytes.
pub(super) fn read<T: serde::de::DeserializeOwned>(
    kind: Kind,
    key: &str,
    bytes: &[u8],
) -> Result<T, StoreError> {
    let wrong =
        |error: serde_json::Error| StoreError { kind, key: key.to_owned(), problem: error.to_string() };
    serde_json::from_slice(bytes).map_err(wrong)
}

/// A value that a record holds as Base64.
pub(super) trait Bytes: Sized {
    fn put(&self) -> Vec<u8>;
    fn take(bytes: Vec<u8>) -> Option<Self>;
}

/// For `#[serde(with)]`.
pub(super) fn serialize<T: Bytes, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(value.put()))
}

/// For `#[serde(with)]`.
pub(super) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
    T::take(bytes).ok_or_else(|| D::Error::custom("a value in Base64 is not what it should be"))
}

impl Bytes for Vec<u8> {
    fn put(&self) -> Vec<u8> {
        self.clone()
    }

    fn take(bytes: Vec<u8>) -> Option<Self> {
        Some(bytes)
    }
}

impl<const N: usize> Bytes for [u8; N] {
    fn put(&self) -> Vec<u8> {
        self.to_vec()
    }

    fn take(bytes: Vec<u8>) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl Bytes for Vec<Vec<u8>> {
    fn put(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in self {
            tlv::push(&mut out, 0x04, part);
        }
        out
    }

    fn take(bytes: Vec<u8>) -> Option<Self> {
        let parts = tlv::Reader::new(&bytes);
        parts.map(|part| part.ok().map(|part| part.value.to_vec())).collect()
    }
}

impl Bytes for ProfileMetadata {
    fn put(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn take(bytes: Vec<u8>) -> Option<Self> {
        Self::parse(&bytes).ok()
    }
}

impl Bytes for ReplaceSessionKeys {
    fn put(&self) -> Vec<u8> {
        self.to_bytes()
    }

    fn take(bytes: Vec<u8>) -> Option<Self> {
        Self::parse(&bytes).ok()
    }
}

impl Bytes for RspPublicKey {
    fn put(&self) -> Vec<u8> {
        self.spki_der()
    }

    fn take(bytes: Vec<u8>) -> Option<Self> {
        Self::from_spki(&bytes).ok()
    }
}

/// Absent is empty.
impl<T: Bytes> Bytes for Option<T> {
    fn put(&self) -> Vec<u8> {
        self.as_ref().map(Bytes::put).unwrap_or_default()
    }

    fn take(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() { Some(None) } else { T::take(bytes).map(Some) }
    }
}
