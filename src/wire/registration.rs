//! The registration API between device and registrar: HTTP/1.1 over TLS, JSON bodies.
//!
//! `GET /registration` tells the device what to sign, `POST /registration` carries what its card signed.
//! Every refusal is a [`Problem`] (RFC 9457) whose `reason` is one stable word.

use crate::wire::Reason;
use serde::{Deserialize, Serialize};

use super::http::Response;

/// Where the registration lives.
pub const REGISTRATION_PATH: &str = "/registration";

/// The generation of a card's key where the card does not tell it: its first one.
pub const FIRST_KEY: u64 = 1;
/// The context of a registration that is bound to no conversation.
pub const NO_CONTEXT: [u8; 32] = [0; 32];

/// What the card is to sign, besides its own public key.
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
}

/// The card's half of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The identifier that was offered, 32 octets in hex.
    pub id: String,
    /// P-256 public key X || Y, 64 octets in hex.
    pub public_key: String,
    /// ECDSA signature r || s by that key, 64 octets in hex.
    pub signature: String,
}

/// Where the registration stands on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The identifier of the device, 32 octets in hex.
    pub id: String,
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
}

impl Problem {
    /// Media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A refusal with an HTTP status.
    pub fn new(status: u16, reason: Reason, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into() }
    }

    /// The HTTP response that carries it.
    pub fn response(&self) -> Response {
        // Three plain members always serialise.
        let body = serde_json::to_vec(self).unwrap_or_default();
        Response::new(self.status).body(Self::MEDIA_TYPE, body)
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
    fn octets_take_their_exact_length() {
        assert_eq!(octets::<2>("0a0B"), Some([10, 11]));
        assert_eq!(octets::<2>("0a0b0c"), None);
        assert_eq!(octets::<2>("0g00"), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(body in prop_oneof![
            bent(br#"{"id":"00","public_key":"ab","signature":"cd"}"#.to_vec()),
            bent(br#"{"chain_id":7,"registry":"00","id":"ab","model":"cd"}"#.to_vec()),
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
