//! What the registrar orders of the parts of a network when the ledger has changed the status of a device.
//!
//! An order is a CBOR Web Token (RFC 8392): a COSE_Sign1 (RFC 9052) with ES256 under the registrar's own key. Its claims
//! are, in the notation of RFC 8610:
//!
//! ```text
//! order = {
//!   1: tstr,                  ; iss: who orders it
//!   4: uint,                  ; exp: when it is too late to take it in, seconds of Unix time
//!   6: uint,                  ; iat: when it was made
//!   -65539: {                 ; a label of private use (RFC 8392 clause 9.1)
//!     1: uint,                ; sequence, counted by the issuer from 1: a lower one than the last comes again
//!     2: 1 / 2 / 3 / 4,       ; isolate, restrict, release, revoke
//!     3: tstr,                ; why, in a stable word
//!     4: bstr .size 32,       ; the identity of the device on the ledger
//!     5: event / bstr .size 32,  ; the ledger's event; of `restrict` alone, the digest of the evidence
//!     6: [1*16 tstr],         ; ICCIDs of the subscriptions that the device holds
//!     7: [*32 [uint, address]]               ; its sessions, each with its number and address (RFC 9164)
//!   }
//! }
//! address = #6.52(bstr .size 4) / #6.54(bstr .size 16)
//! event = [uint, bstr .size 32, uint]  ; number of the block, hash of the transaction, sequence of the record
//! ```
//!
//! Nobody is isolated, released or revoked but on an event of a sealed block. What is only suspected can be restricted,
//! which is nothing that stays.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::Reason;
use super::cbor::{self, CborError, Value};
use super::cose::{CoseError, Sign1};
use crate::id::Iccid;
use crate::kernel::Blame;

/// How long an order may be on its way, in seconds.
pub const VALIDITY_S: u64 = 60;
/// The most subscriptions of one device.
pub const SUBSCRIPTIONS_MAX: usize = 16;
/// The most sessions of one device.
pub const SESSIONS_MAX: usize = 32;
/// The longest name of an issuer, in bytes.
const ISSUER_MAX: usize = 64;

const ISS: i64 = 1;
const EXP: i64 = 4;
const IAT: i64 = 6;
const ORDER: i64 = -65_539;

const SEQUENCE: i64 = 1;
const VERDICT: i64 = 2;
const REASON: i64 = 3;
const DEVICE: i64 = 4;
const GROUNDS: i64 = 5;
const SUBSCRIPTIONS: i64 = 6;
const SESSIONS: i64 = 7;

/// What is to become of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It reaches nothing, or what helps it and nothing else, until it is released.
    Isolate = 1,
    /// It reaches what it has always reached, and nothing new.
    Restrict = 2,
    /// It is as it was before.
    Release = 3,
    /// It is cut off for good.
    Revoke = 4,
}

impl Verdict {
    const ALL: [Self; 4] = [Self::Isolate, Self::Restrict, Self::Release, Self::Revoke];

    /// The name that labels and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Isolate => "Isolate",
            Self::Restrict => "Restrict",
            Self::Release => "Release",
            Self::Revoke => "Revoke",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an order rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grounds {
    /// An event of a sealed block: its number, the hash of the transaction, and the sequence of the device's record.
    Ledger {
        /// The number of the block.
        block: u64,
        /// The hash of the transaction that changed the status.
        transaction: [u8; 32],
        /// How many times the record of the device had changed with it.
        sequence: u64,
    },
    /// The SHA-256 of what somebody has seen: for a restriction, and for the end of one.
    Evidence([u8; 32]),
}

/// An order, signed or to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Who orders it.
    pub issuer: String,
    /// Counted by the issuer from 1, over all devices.
    pub sequence: u64,
    /// When it was made, in seconds of Unix time.
    pub issued_unix_s: u64,
    /// When it is too late to take it in, in the same.
    pub until_unix_s: u64,
    /// What is to become of the device.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The identity of the device on the ledger.
    pub device: [u8; 32],
    /// What it rests on.
    pub grounds: Grounds,
    /// The subscriptions that the device holds, at least one.
    pub subscriptions: Vec<Iccid>,
    /// The sessions that it has as far as the issuer knows, by the network's number, each with its address.
    pub sessions: Vec<(u64, IpAddr)>,
}

/// Why an order is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum OrderError {
    #[error(transparent)]
    Cose(#[from] CoseError),
    #[error("the claims of the order: {0}")]
    Cbor(#[from] CborError),
    #[error("the order has no {claim}, or none that can be understood")]
    Claim { claim: &'static str },
    #[error("the order rests on no event of the ledger, and is more than a restriction")]
    NoEvent,
    #[error("nobody here follows orders of {issuer:?}")]
    ForeignIssuer { issuer: String },
    #[error("the signature is not that of {issuer}")]
    BadSignature { issuer: String },
    #[error("the order was to be taken in up to {until} s of Unix time, and it is {now} s")]
    Expired { until: u64, now: u64 },
    #[error("order {sequence} of {issuer} comes after order {last}")]
    Replayed { issuer: String, sequence: u64, last: u64 },
}

impl OrderError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Cose(_) | Self::Cbor(_) | Self::Claim { .. } | Self::NoEvent => Blame::PeerBrokeProtocol,
            Self::ForeignIssuer { .. }
            | Self::BadSignature { .. }
            | Self::Expired { .. }
            | Self::Replayed { .. } => Blame::PeerUntrusted,
        }
    }

    /// The reason in one stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cose(_) | Self::Cbor(_) | Self::Claim { .. } => "malformed",
            Self::NoEvent => "no-ledger-event",
            Self::ForeignIssuer { .. } => "foreign-issuer",
            Self::BadSignature { .. } => "bad-signature",
            Self::Expired { .. } => "expired",
            Self::Replayed { .. } => "replayed",
        }
    }
}

impl Order {
    /// The token, signed by `sign`, which hashes what it is given with SHA-256 and returns `r || s`.
    pub fn sign(&self, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Vec<u8> {
        let payload = self.claims().encode();
        let signature = sign(&Sign1::to_be_signed(&payload));
        Sign1 { payload, signature }.encode()
    }

    fn claims(&self) -> Value {
        let grounds = match self.grounds {
            Grounds::Ledger { block, transaction, sequence } => Value::Array(vec![
                Value::Unsigned(block),
                Value::Bytes(transaction.to_vec()),
                Value::Unsigned(sequence),
            ]),
            Grounds::Evidence(digest) => Value::Bytes(digest.to_vec()),
        };
        let session = |(number, address): &(u64, IpAddr)| {
            Value::Array(vec![Value::Unsigned(*number), cbor::address(*address)])
        };
        let subscriptions = self.subscriptions.iter().map(|iccid| Value::text(iccid.as_str())).collect();
        let order = map([
            (SEQUENCE, Value::Unsigned(self.sequence)),
            (VERDICT, Value::Unsigned(self.verdict as u64)),
            (REASON, Value::text(self.reason.to_string())),
            (DEVICE, Value::Bytes(self.device.to_vec())),
            (GROUNDS, grounds),
            (SUBSCRIPTIONS, Value::Array(subscriptions)),
            (SESSIONS, Value::Array(self.sessions.iter().map(session).collect())),
        ]);
        map([
            (ISS, Value::text(&*self.issuer)),
            (EXP, Value::Unsigned(self.until_unix_s)),
            (IAT, Value::Unsigned(self.issued_unix_s)),
            (ORDER, order),
        ])
    }

    /// Reads the claims of an order; nothing is said of its signature.
    fn read(claims: &Value) -> Result<Self, OrderError> {
        let issuer = text(claims, ISS, "iss")?;
        if issuer.is_empty() || issuer.len() > ISSUER_MAX {
            return Err(OrderError::Claim { claim: "iss" });
        }
        let order = claims.get(ORDER).ok_or(OrderError::Claim { claim: "order" })?;
        let verdict = number(order, VERDICT, "verdict")?;
        let verdict = Verdict::ALL.into_iter().find(|known| *known as u64 == verdict);
        let verdict = verdict.ok_or(OrderError::Claim { claim: "verdict" })?;
        let reason = Reason::of(text(order, REASON, "reason")?);
        if !reason.is_known() {
            return Err(OrderError::Claim { claim: "reason" });
        }
        let grounds = order.get(GROUNDS).and_then(grounds).ok_or(OrderError::Claim { claim: "grounds" })?;
        if matches!(grounds, Grounds::Evidence(_)) && matches!(verdict, Verdict::Isolate | Verdict::Revoke) {
            return Err(OrderError::NoEvent);
        }
        let subscriptions = list(order, SUBSCRIPTIONS, "subscriptions", 1..=SUBSCRIPTIONS_MAX, |iccid| {
            iccid.as_text()?.parse().ok()
        })?;
        let sessions = list(order, SESSIONS, "sessions", 0..=SESSIONS_MAX, session)?;
        let device = order.get(DEVICE).and_then(digest).ok_or(OrderError::Claim { claim: "device" })?;
        Ok(Self {
            issuer: issuer.to_owned(),
            sequence: number(order, SEQUENCE, "sequence")?,
            issued_unix_s: number(claims, IAT, "iat")?,
            until_unix_s: number(claims, EXP, "exp")?,
            verdict,
            reason,
            device,
            grounds,
            subscriptions,
            sessions,
        })
    }
}

fn grounds(value: &Value) -> Option<Grounds> {
    match value.as_array() {
        Some([Value::Unsigned(block), transaction, Value::Unsigned(sequence)]) => {
            let transaction = digest(transaction)?;
            Some(Grounds::Ledger { block: *block, transaction, sequence: *sequence })
        }
        Some(_) => None,
        None => digest(value).map(Grounds::Evidence),
    }
}

fn session(value: &Value) -> Option<(u64, IpAddr)> {
    let Some([Value::Unsigned(number), address]) = value.as_array() else { return None };
    Some((*number, cbor::read_address(address)?))
}

fn digest(value: &Value) -> Option<[u8; 32]> {
    value.as_bytes()?.try_into().ok()
}

fn map<const N: usize>(pairs: [(i64, Value); N]) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (Value::int(key), value)).collect())
}

fn number(map: &Value, key: i64, claim: &'static str) -> Result<u64, OrderError> {
    map.get(key).and_then(Value::as_unsigned).ok_or(OrderError::Claim { claim })
}

fn text<'a>(map: &'a Value, key: i64, claim: &'static str) -> Result<&'a str, OrderError> {
    map.get(key).and_then(Value::as_text).ok_or(OrderError::Claim { claim })
}

fn list<T>(
    map: &Value,
    key: i64,
    claim: &'static str,
    lengths: std::ops::RangeInclusive<usize>,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<T>, OrderError> {
    let items = map.get(key).and_then(Value::as_array).filter(|items| lengths.contains(&items.len()));
    items.and_then(|items| items.iter().map(read).collect()).ok_or(OrderError::Claim { claim })
}

/// Verifies `r || s` of a message under a public point `X || Y`; hashes with SHA-256.
pub type Check = fn(public: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool;

/// Takes orders in: of issuers that are known, each order once, and none that is older than the last.
#[derive(Debug, Clone)]
pub struct Inbox {
    check: Check,
    issuers: BTreeMap<String, Issuer>,
}

#[derive(Debug, Clone)]
struct Issuer {
    public: [u8; 64],
    /// The sequence of the last order that was taken.
    last: u64,
}

impl Inbox {
    /// One that follows nobody yet and verifies by `check`.
    pub fn new(check: Check) -> Self {
        Self { check, issuers: BTreeMap::new() }
    }

    /// The same, which follows the orders of `issuer` under the public point `X || Y`.
    #[must_use]
    pub fn following(mut self, issuer: &str, public: [u8; 64]) -> Self {
        self.follow(issuer, public);
        self
    }

    /// Follows the orders of `issuer` from now on, under the public point `X || Y`.
    pub fn follow(&mut self, issuer: &str, public: [u8; 64]) {
        self.issuers.insert(issuer.to_owned(), Issuer { public, last: 0 });
    }

    /// Takes an order in. What is not followed changes nothing here either.
    ///
    /// # Errors
    /// Why it is not to be followed.
    pub fn take(&mut self, now_unix_s: u64, token: &[u8]) -> Result<Order, OrderError> {
        let signed = Sign1::decode(token)?;
        let order = Order::read(&Value::decode(&signed.payload)?)?;
        let issuer = || order.issuer.clone();
        let Some(known) = self.issuers.get_mut(&order.issuer) else {
            return Err(OrderError::ForeignIssuer { issuer: issuer() });
        };
        if !(self.check)(&known.public, &Sign1::to_be_signed(&signed.payload), &signed.signature) {
            return Err(OrderError::BadSignature { issuer: issuer() });
        }
        let (until, now) = (order.until_unix_s, now_unix_s);
        if now > until {
            return Err(OrderError::Expired { until, now });
        }
        if order.sequence <= known.last {
            let (sequence, last) = (order.sequence, known.last);
            return Err(OrderError::Replayed { issuer: issuer(), sequence, last });
        }
        known.last = order.sequence;
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::SoftKey;
    use crate::crypto::key::verify;
    use crate::kernel::RngTree;

    fn seal(seed: u64) -> impl Fn(&[u8]) -> [u8; 64] {
        let key = key(seed);
        move |message| key.sign(message)
    }

    fn key(seed: u64) -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(seed).stream("key"))
    }

    fn check(public: &[u8; 64], message: &[u8], signature: &[u8; 64]) -> bool {
        verify(public, message, signature).is_ok()
    }

    fn inbox() -> Inbox {
        Inbox::new(check).following("registrar", key(1).public())
    }

    fn order() -> Order {
        Order {
            issuer: "registrar".into(),
            sequence: 7,
            issued_unix_s: 1_767_225_601,
            until_unix_s: 1_767_225_661,
            verdict: Verdict::Isolate,
            reason: Reason::DeviceQuarantined,
            device: [0xd1; 32],
            grounds: Grounds::Ledger { block: 5, transaction: [0x7a; 32], sequence: 3 },
            subscriptions: vec!["8988211000000000011".parse().unwrap()],
            sessions: vec![(4, IpAddr::V4(std::net::Ipv4Addr::new(10, 44, 0, 2)))],
        }
    }

    const NOW: u64 = 1_767_225_602;

    /// Written with Debian's python3-cbor2 5.4.6: `cbor2.dumps({...}, canonical=True)` of the same claims.
    const CLAIMS: &str = "a40169726567697374726172041a6955b93d061a6955b9013a00010002a70107020103726465766963652d7175617261\
        6e74696e6564045820d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d105830558207a7a\
        7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a030681733839383832313130303030303030\
        303030313107818204d834440a2c0002";

    #[test]
    fn the_claims_are_those_that_another_encoder_writes() {
        assert_eq!(hex::encode(order().claims().encode()), CLAIMS);
    }

    #[test]
    fn an_order_is_taken_once_and_none_that_is_older() {
        let mut inbox = inbox();
        let token = order().sign(seal(1));
        assert_eq!(inbox.take(NOW, &token), Ok(order()));
        let again = inbox.take(NOW, &token).unwrap_err();
        assert_eq!((again.word(), again.blame()), ("replayed", Blame::PeerUntrusted));
        let older = Order { sequence: 6, ..order() }.sign(seal(1));
        assert_eq!(inbox.take(NOW, &older).unwrap_err().word(), "replayed");
        let later = Order { sequence: 9, ..order() };
        assert_eq!(inbox.take(NOW, &later.sign(seal(1))), Ok(later));
    }

    #[test]
    fn what_others_sign_or_came_too_late_is_not_followed_and_does_not_count() {
        let mut inbox = inbox();
        let word = |inbox: &mut Inbox, now, token: &[u8]| inbox.take(now, token).unwrap_err().word();
        assert_eq!(word(&mut inbox, NOW, &order().sign(seal(2))), "bad-signature");
        let foreign = Order { issuer: "somebody".into(), ..order() }.sign(seal(1));
        assert_eq!(word(&mut inbox, NOW, &foreign), "foreign-issuer");
        assert_eq!(word(&mut inbox, order().until_unix_s + 1, &order().sign(seal(1))), "expired");
        // A changed octet of the payload is another order, which nobody has signed.
        let mut changed = order().sign(seal(1));
        let at = changed.windows(4).position(|octets| octets == [10, 44, 0, 2]).unwrap();
        changed[at + 3] = 3;
        assert_eq!(word(&mut inbox, NOW, &changed), "bad-signature");
        assert_eq!(inbox.take(order().until_unix_s, &order().sign(seal(1))), Ok(order()));
    }

    #[test]
    fn only_a_restriction_rests_on_evidence_alone() {
        let take = |verdict| {
            let order = Order { verdict, grounds: Grounds::Evidence([9; 32]), ..order() };
            inbox().take(NOW, &order.sign(seal(1))).map(|taken| assert_eq!(taken, order))
        };
        assert_eq!([Verdict::Restrict, Verdict::Release].map(take), [Ok(()), Ok(())]);
        for verdict in [Verdict::Isolate, Verdict::Revoke] {
            assert_eq!(take(verdict).unwrap_err().word(), "no-ledger-event");
        }
    }

    #[test]
    fn a_claim_that_is_missing_or_of_another_form_is_named() {
        let claim = |order: &Order| match inbox().take(NOW, &order.sign(seal(1))) {
            Err(OrderError::Claim { claim }) => claim,
            other => panic!("{other:?}"),
        };
        assert_eq!(claim(&Order { subscriptions: Vec::new(), ..order() }), "subscriptions");
        let many = vec![order().subscriptions[0].clone(); SUBSCRIPTIONS_MAX + 1];
        assert_eq!(claim(&Order { subscriptions: many, ..order() }), "subscriptions");
        let many = vec![order().sessions[0]; SESSIONS_MAX + 1];
        assert_eq!(claim(&Order { sessions: many, ..order() }), "sessions");
        assert_eq!(claim(&Order { issuer: String::new(), ..order() }), "iss");
        assert_eq!(claim(&Order { issuer: "x".repeat(65), ..order() }), "iss");
        assert_eq!(claim(&Order { reason: Reason::of("because"), ..order() }), "reason");
        // Each claim left out.
        let Value::Map(whole) = order().claims() else { panic!("a map") };
        for left_out in 0..whole.len() {
            let mut claims = whole.clone();
            claims.remove(left_out);
            assert!(matches!(Order::read(&Value::Map(claims)), Err(OrderError::Claim { .. })), "{left_out}");
        }
        let Some(Value::Map(inner)) = order().claims().get(ORDER).cloned() else { panic!("a map") };
        for left_out in 0..inner.len() {
            let mut inner = inner.clone();
            inner.remove(left_out);
            let mut claims = whole.clone();
            claims[3].1 = Value::Map(inner);
            assert!(matches!(Order::read(&Value::Map(claims)), Err(OrderError::Claim { .. })), "{left_out}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            sequence in 1..=u64::MAX,
            verdict in 0..4_usize,
            device: [u8; 32],
            block: u64,
            addresses in prop::collection::vec(any::<(u64, IpAddr)>(), 0..SESSIONS_MAX),
            subscriptions in 1..=SUBSCRIPTIONS_MAX,
        ) {
            let order = Order {
                sequence,
                verdict: Verdict::ALL[verdict],
                device,
                grounds: Grounds::Ledger { block, transaction: device, sequence: block },
                subscriptions: vec![order().subscriptions[0].clone(); subscriptions],
                sessions: addresses,
                ..order()
            };
            prop_assert_eq!(inbox().take(NOW, &order.sign(seal(1))), Ok(order));
        }

        #[test]
        fn no_bytes_are_followed_that_nobody_has_signed(
            bytes: Vec<u8>,
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            prop_assert!(inbox().take(NOW, &bytes).is_err());
            let mut bent = order().sign(seal(1));
            let at = at.index(bent.len());
            bent[at] ^= 1 << bit;
            // Unprotected headers are passed over, as COSE has it: they say nothing here.
            let taken = inbox().take(NOW, &bent);
            prop_assert!(taken.is_err(), "bit {} of byte {}: {:?}", bit, at, taken);
        }
    }
}
