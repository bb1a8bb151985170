//! The registration API between device and registrar: HTTP/1.1 over TLS, JSON bodies.
//!
//! `GET /registration` gives the device a question for its card, in a packet under keys of the operator, and what the
//! card is to sign; `POST /registration` carries both answers. Which key is in the card is in the first: what the device
//! itself says of it does not count. Every refusal is a [`Problem`] (RFC 9457) whose `reason` is one stable word.

use crate::wire::Reason;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::http::Response;

/// Where the registration lives.
pub const REGISTRATION_PATH: &str = "/registration";

/// Below which the certificates of the operator's servers are, each by its name: the SHA-256 of the certificate, and behind it
/// what proves that the ledger vouches for it.
pub const SERVERS_PATH: &str = "/servers/";

/// The generation of a card's key where no card tells it: its first one.
pub const FIRST_KEY: u64 = 1;

/// What binds a card's signature to the conversation in which it was asked: SHA-256 over "ztp/context/v1", the
/// registrar's nonce, and the exporter of the TLS session (RFC 9266), which no other session has.
pub fn session_context(nonce: &[u8; 32], exporter: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update(b"ztp/context/v1").chain_update(nonce).chain_update(exporter).finalize().into()
}

/// What the card is asked, and what it is to sign besides its own public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The chain that the registration is meant for (EIP-155).
    pub chain_id: u64,
    /// The registry contract, 20 octets in hex.
    pub registry: String,
    /// The salted identifier under which the ledger will know the device, 32 octets in hex.
    pub id: String,
    /// The model of the device.
    pub model: String,
    /// Drawn for this conversation, 32 octets in hex.
    pub nonce: String,
    /// The ENVELOPE commands that carry the operator's question to the card, in hex; none where the registrar takes a
    /// key without proof.
    pub envelopes: Vec<String>,
}

/// The card's half of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The identifier that was offered, 32 octets in hex.
    pub id: String,
    /// What the card gave to each of the ENVELOPE commands, without status word, in hex.
    #[serde(default)]
    pub reports: Vec<String>,
    /// P-256 public key X || Y, 64 octets in hex: where the registrar takes a key without proof, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// ECDSA signature r || s by the card's key over the message of the contract, 64 octets in hex.
    pub signature: String,
}

/// Where the registration stands on the ledger: answered with 201 where it is new, with 200 where the same stood there
/// already and nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The identifier of the device, 32 octets in hex.
    pub id: String,
    /// The transaction that has written it; none where nothing was written.
    #[serde(flatten)]
    pub written: Option<Written>,
}

/// What has written something onto the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The number of the block that the transaction is in.
    pub block: u64,
    /// The transaction, 32 octets in hex.
    pub transaction: String,
}

/// Why a request was refused (RFC 9457, with `reason` as extension member).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status of the answer, which stands in the document as well.
    pub status: u16,
    /// The word for programs, from the closed list of reasons.
    pub reason: Reason,
    /// A sentence for people.
    pub detail: String,
    /// After how many seconds it may be asked again. It stands in the header field Retry-After (RFC 9110 section 10.2.3)
    /// and not in the document.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    /// Media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A refusal with an HTTP status.
    pub fn new(status: u16, reason: Reason, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into(), retry_after_s: None }
    }

    /// The same, which stands for so many seconds only.
    pub fn for_s(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The HTTP response that carries it.
    pub fn response(&self) -> Response {
        // Three plain members always serialise.
        let body = serde_json::to_vec(self).unwrap_or_default();
        let base = Response::new(self.status);
        let base = match self.retry_after_s {
            Some(seconds) => base.header("Retry-After", &seconds.to_string()),
            None => base,
        };
        base.body(Self::MEDIA_TYPE, body)
    }
}

/// Reads `N` octets in hex.
pub fn octets<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut octets = [0; N];
    hex::decode_to_slice(text, &mut octets).ok()?;
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn a_context_is_of_one_nonce_and_one_session() {
        let of = |nonce, exporter| session_context(&[nonce; 32], &[exporter; 32]);
        // echo -n "ztp/context/v1" and 32 octets each of 01 and 02, with sha256sum.
        assert_eq!(hex::encode(of(1, 2)), "fb5d8188cc3136d37cb145f0c179dced5894e2a743a0e83b5478466812eae85f");
        assert!(of(1, 2) != of(2, 1) && of(1, 2) != of(1, 1));
    }

    #[test]
    fn octets_take_their_exact_length() {
        assert_eq!(octets::<2>("0a0B"), Some([10, 11]));
        assert_eq!(octets::<2>("0a0b0c"), None);
        assert_eq!(octets::<2>("0g00"), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(body in prop_oneof![
            bent(br#"{"id":"00","reports":["ab",""],"public_key":"ab","signature":"cd"}"#.to_vec()),
            bent(br#"{"chain_id":7,"registry":"00","id":"ab","model":"cd","nonce":"0","envelopes":["80"]}"#.to_vec()),
            bent(br#"{"id":"00","block":7,"transaction":"ab"}"#.to_vec()),
            bent(Problem::new(403, Reason::NotOnAllowList, "It is not expected.").response().body),
        ]) {
            macro_rules! again {
                ($($kind:ty)*) => { $(
                    if let Ok(read) = serde_json::from_slice::<$kind>(&body) {
                        let written = serde_json::to_vec(&read).unwrap();
                        prop_assert_eq!(serde_json::from_slice::<$kind>(&written).unwrap(), read);
                    }
                )* };
            }
            again!(Claim Offer Registered Problem);
        }
    }
}
