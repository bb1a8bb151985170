//! What the network says of its IP sessions, to whoever serves the devices behind them.
//!
//! A [`Statement`] is a CBOR Web Token (RFC 8392): a COSE_Sign1 (RFC 9052) with ES256 under the network's own key.
//! Its claims are, in the notation of RFC 8610:
//!
//! ```text
//! statement = {
//!   1: tstr,                  ; iss: MCC-MNC of the network
//!   ? 2: tstr,                ; sub: SUPI of the subscriber, "imsi-" and digits (TS 29.571 clause 5.3.2)
//!   4: uint,                  ; exp: when it is too late to take it in, seconds of Unix time
//!   6: uint,                  ; iat: when it was made
//!   -65537: session           ; a label of private use (RFC 8392 clause 9.1)
//! }
//! session = {
//!   1: uint,                  ; session, a number that the network gives once
//!   2: uint,                  ; sequence, counted within the session from 1
//!   3: 1 / 2 / 3,             ; up, changed, down; the rest stands only with the first two
//!   ? 4: tstr,                ; ICCID of the subscription
//!   ? 5: tstr,                ; IMEI, where the equipment has told it
//!   ? 6: tstr,                ; access point name
//!   ? 7: [* address],         ; none for a session without IP
//!   ? 8: tstr,                ; name of the policy
//!   ? 9: uint,                ; RAT type (TS 29.274 clause 8.17)
//!   ? 10: uint                ; since, microseconds of the network's clock
//! }
//! address = #6.52(bstr .size 4) / #6.54([64, bstr .size 8])    ; RFC 9164
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::crypto::SoftKey;
use crate::crypto::key::verify;
use crate::id::{Iccid, Imei, Imsi, Plmn};
use crate::kernel::{Blame, Instant};
use crate::wire::cbor::{CborError, Value};
use crate::wire::cose::{CoseError, Sign1};
use crate::wire::inet::prefix_address;

/// The policy of a session that leads everywhere, as an attestation names it.
pub const UNRESTRICTED: &str = "unrestricted";

/// How long a statement may be on its way, in seconds.
pub const VALIDITY_S: u64 = 60;

const ISS: i64 = 1;
const SUB: i64 = 2;
const EXP: i64 = 4;
const IAT: i64 = 6;
const SESSION: i64 = -65_537;

const ID: i64 = 1;
const SEQUENCE: i64 = 2;
const CHANGE: i64 = 3;
const ICCID: i64 = 4;
const IMEI: i64 = 5;
const APN: i64 = 6;
const ADDRESSES: i64 = 7;
const POLICY: i64 = 8;
const RAT: i64 = 9;
const SINCE: i64 = 10;

const UP: u64 = 1;
const CHANGED: u64 = 2;
const DOWN: u64 = 3;

/// Tags of an IPv4 address and of an IPv6 prefix (RFC 9164 clause 5).
const IPV4: u64 = 52;
const IPV6: u64 = 54;
const PREFIX_BITS: u64 = 64;

/// A session of one network, by a number that is never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a session may send from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PdnAddress {
    /// One IPv4 address.
    Ipv4(Ipv4Addr),
    /// The first 64 bits (TS 23.401 clause 5.3.1.2.2).
    Ipv6Prefix([u8; 8]),
}

impl fmt::Display for PdnAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6Prefix(prefix) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(prefix);
                write!(f, "{}/{PREFIX_BITS}", Ipv6Addr::from(octets))
            }
        }
    }
}

/// The radio access of a session, with the numbers of TS 29.274 clause 8.17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RatType {
    /// E-UTRAN (WB-E-UTRAN).
    Eutran = 6,
    /// E-UTRAN NB-IoT.
    NbIot = 8,
    /// LTE-M.
    LteM = 9,
    /// New Radio.
    Nr = 10,
}

impl RatType {
    const ALL: [Self; 4] = [Self::Eutran, Self::NbIot, Self::LteM, Self::Nr];
}

/// The network's own word on who holds a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The session that is stated.
    pub session: SessionId,
    /// The subscriber that holds it.
    pub imsi: Imsi,
    /// The card, or profile, of the subscription.
    pub iccid: Iccid,
    /// The equipment, as the UE told it under NAS security.
    pub imei: Option<Imei>,
    /// The name of the network that it leads to.
    pub apn: String,
    /// None for a session without IP.
    pub addresses: Vec<PdnAddress>,
    /// The name of what the subscription may reach.
    pub policy: String,
    /// The radio access that the device came by.
    pub rat: RatType,
    /// When the session began, to the microsecond.
    pub since: Instant,
}

impl Attestation {
    /// Whether the session is one that leads to some services only: for onboarding, and for nothing that a subscriber
    /// gets.
    pub fn is_restricted(&self) -> bool {
        self.policy != UNRESTRICTED
    }

    /// What its packets come from and go to: IPv4 addresses, and of IPv6 the first 64 bits with nothing behind them.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(|address| match address {
            PdnAddress::Ipv4(address) => IpAddr::V4(*address),
            PdnAddress::Ipv6Prefix(prefix) => prefix_address(*prefix).into(),
        })
    }

    /// The IPv4 addresses of the session.
    pub fn ipv4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().filter_map(|address| match address {
            PdnAddress::Ipv4(address) => Some(*address),
            PdnAddress::Ipv6Prefix(_) => None,
        })
    }
}

/// What becomes of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChange {
    /// The session is up from now on, as stated.
    Up(Attestation),
    /// Something of the session is other than before; what is stated replaces the earlier statement.
    Changed(Attestation),
    /// The session is over: its addresses may be somebody else's soon.
    Down(SessionId),
}

impl SessionChange {
    /// The session that it is about.
    pub fn session(&self) -> SessionId {
        match self {
            Self::Up(attestation) | Self::Changed(attestation) => attestation.session,
            Self::Down(session) => *session,
        }
    }

    /// The name of the message that says so.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Up(_) => "SessionUp",
            Self::Changed(_) => "SessionChanged",
            Self::Down(_) => "SessionDown",
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::Up(_) => UP,
            Self::Changed(_) => CHANGED,
            Self::Down(_) => DOWN,
        }
    }
}

/// A change of a session as its network states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The network that states it.
    pub network: Plmn,
    /// Counted within the session: a lower one than the last is an old statement that comes again.
    pub sequence: u64,
    /// When it was made, in seconds of Unix time.
    pub issued_unix_s: u64,
    /// When it is too late to take it in, in the same.
    pub until_unix_s: u64,
    /// What is stated.
    pub change: SessionChange,
}

/// Why a statement is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum StatementError {
    #[error(transparent)]
    Cose(#[from] CoseError),
    #[error("the claims of the token: {0}")]
    Cbor(#[from] CborError),
    #[error("the token has no {claim}, or none that can be understood")]
    Claim { claim: &'static str },
    #[error("network {network} is not known here")]
    ForeignNetwork { network: Plmn },
    #[error("the signature is not that of network {network}")]
    BadSignature { network: Plmn },
    #[error("the token was to be taken in up to {until} s of Unix time, and it is {now} s")]
    Expired { until: u64, now: u64 },
}

impl StatementError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Cose(_) | Self::Cbor(_) | Self::Claim { .. } => Blame::PeerBrokeProtocol,
            Self::ForeignNetwork { .. } | Self::BadSignature { .. } | Self::Expired { .. } => {
                Blame::PeerUntrusted
            }
        }
    }
}

impl StatementError {
    /// The reason in one stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cose(_) | Self::Cbor(_) | Self::Claim { .. } => "malformed",
            Self::ForeignNetwork { .. } => "foreign-network",
            Self::BadSignature { .. } => "bad-signature",
            Self::Expired { .. } => "expired",
        }
    }
}

impl Statement {
    /// A statement that may be [`VALIDITY_S`] on its way.
    pub fn new(network: Plmn, sequence: u64, issued_unix_s: u64, change: SessionChange) -> Self {
        let until_unix_s = issued_unix_s.saturating_add(VALIDITY_S);
        Self { network, sequence, issued_unix_s, until_unix_s, change }
    }

    /// The token, signed with the network's `key`.
    pub fn sign(&self, key: &SoftKey) -> Vec<u8> {
        let payload = self.claims().encode();
        let signature = key.sign(&Sign1::to_be_signed(&payload));
        Sign1 { payload, signature }.encode()
    }

    /// Reads a token and believes it where the network that it names has signed it and it is not too late.
    /// `key_of` has the public keys, `X || Y`, of the networks that are believed.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(
        token: &[u8],
        now_unix_s: u64,
        key_of: impl FnOnce(Plmn) -> Option<[u8; 64]>,
    ) -> Result<Self, StatementError> {
        let signed = Sign1::decode(token)?;
        let claims = Value::decode(&signed.payload)?;
        let statement = Self::read(&claims)?;
        let network = statement.network;
        let key = key_of(network).ok_or(StatementError::ForeignNetwork { network })?;
        verify(&key, &Sign1::to_be_signed(&signed.payload), &signed.signature)
            .map_err(|_| StatementError::BadSignature { network })?;
        let until = statement.until_unix_s;
        if now_unix_s > until {
            return Err(StatementError::Expired { until, now: now_unix_s });
        }
        Ok(statement)
    }

    fn claims(&self) -> Value {
        let mut claims = vec![
            (ISS, Value::text(self.network.to_string())),
            (EXP, Value::Unsigned(self.until_unix_s)),
            (IAT, Value::Unsigned(self.issued_unix_s)),
        ];
        let mut session = vec![
            (ID, Value::Unsigned(self.change.session().0)),
            (SEQUENCE, Value::Unsigned(self.sequence)),
            (CHANGE, Value::Unsigned(self.change.number())),
        ];
        if let SessionChange::Up(attestation) | SessionChange::Changed(attestation) = &self.change {
            claims.push((SUB, Value::text(format!("imsi-{}", attestation.imsi))));
            let addresses = attestation.addresses.iter().map(address).collect();
            session.extend([
                (ICCID, Value::text(attestation.iccid.as_str())),
                (APN, Value::text(&*attestation.apn)),
                (ADDRESSES, Value::Array(addresses)),
                (POLICY, Value::text(&*attestation.policy)),
                (RAT, Value::Unsigned(attestation.rat as u64)),
                (SINCE, Value::Unsigned(attestation.since.as_micros())),
            ]);
            session.extend(attestation.imei.iter().map(|imei| (IMEI, Value::text(imei.as_str()))));
        }
        claims.push((SESSION, map(session)));
        map(claims)
    }

    fn read(claims: &Value) -> Result<Self, StatementError> {
        let network = parsed(claims, ISS, "iss")?;
        let until_unix_s = number(claims, EXP, "exp")?;
        let issued_unix_s = number(claims, IAT, "iat")?;
        let session = claims.get(SESSION).ok_or(StatementError::Claim { claim: "session" })?;
        let sequence = number(session, SEQUENCE, "sequence")?;
        let id = SessionId(number(session, ID, "session number")?);
        let change = match number(session, CHANGE, "change")? {
            UP => SessionChange::Up(attestation(id, claims, session)?),
            CHANGED => SessionChange::Changed(attestation(id, claims, session)?),
            DOWN => SessionChange::Down(id),
            _ => return Err(StatementError::Claim { claim: "change" }),
        };
        Ok(Self { network, sequence, issued_unix_s, until_unix_s, change })
    }
}

fn attestation(id: SessionId, claims: &Value, session: &Value) -> Result<Attestation, StatementError> {
    let claim = |claim| StatementError::Claim { claim };
    let sub = text(claims, SUB, "sub")?;
    let rat = number(session, RAT, "RAT type")?;
    let addresses = session.get(ADDRESSES).and_then(Value::as_array).ok_or(claim("addresses"))?;
    let since = number(session, SINCE, "since")?.checked_mul(1_000).ok_or(claim("since"))?;
    Ok(Attestation {
        session: id,
        imsi: sub.strip_prefix("imsi-").and_then(|imsi| imsi.parse().ok()).ok_or(claim("sub"))?,
        iccid: parsed(session, ICCID, "ICCID")?,
        imei: session.get(IMEI).map(|_| parsed(session, IMEI, "IMEI")).transpose()?,
        apn: text(session, APN, "APN")?.to_owned(),
        addresses: addresses.iter().map(read_address).collect::<Option<_>>().ok_or(claim("addresses"))?,
        policy: text(session, POLICY, "policy")?.to_owned(),
        rat: RatType::ALL.into_iter().find(|known| *known as u64 == rat).ok_or(claim("RAT type"))?,
        since: Instant::from_nanos(since),
    })
}

fn address(address: &PdnAddress) -> Value {
    match address {
        PdnAddress::Ipv4(address) => Value::Tag(IPV4, Box::new(Value::Bytes(address.octets().to_vec()))),
        PdnAddress::Ipv6Prefix(prefix) => {
            let parts = vec![Value::Unsigned(PREFIX_BITS), Value::Bytes(prefix.to_vec())];
            Value::Tag(IPV6, Box::new(Value::Array(parts)))
        }
    }
}

fn read_address(value: &Value) -> Option<PdnAddress> {
    match value {
        Value::Tag(IPV4, address) => {
            let octets: [u8; 4] = address.as_bytes()?.try_into().ok()?;
            Some(PdnAddress::Ipv4(octets.into()))
        }
        Value::Tag(IPV6, parts) => match parts.as_array()? {
            [Value::Unsigned(PREFIX_BITS), Value::Bytes(prefix)] => {
                Some(PdnAddress::Ipv6Prefix(prefix.as_slice().try_into().ok()?))
            }
            _ => None,
        },
        _ => None,
    }
}

fn map(pairs: Vec<(i64, Value)>) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (Value::int(key), value)).collect())
}

fn number(map: &Value, key: i64, claim: &'static str) -> Result<u64, StatementError> {
    map.get(key).and_then(Value::as_unsigned).ok_or(StatementError::Claim { claim })
}

fn text<'a>(map: &'a Value, key: i64, claim: &'static str) -> Result<&'a str, StatementError> {
    map.get(key).and_then(Value::as_text).ok_or(StatementError::Claim { claim })
}

fn parsed<T: std::str::FromStr>(map: &Value, key: i64, claim: &'static str) -> Result<T, StatementError> {
    text(map, key, claim)?.parse().map_err(|_| StatementError::Claim { claim })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use proptest::prelude::*;

    fn key(seed: u64) -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(seed).stream("key"))
    }

    fn statement() -> Statement {
        let attestation = Attestation {
            session: SessionId(7),
            imsi: "001010000000001".parse().unwrap(),
            iccid: "8988211000000000011".parse().unwrap(),
            imei: Some(Imei::test(1)),
            apn: "internet".into(),
            addresses: vec![
                PdnAddress::Ipv4(Ipv4Addr::new(10, 44, 0, 2)),
                PdnAddress::Ipv6Prefix([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1]),
            ],
            policy: "unrestricted".into(),
            rat: RatType::Eutran,
            since: Instant::from_nanos(1_234_567_000),
        };
        Statement::new(Plmn::test(), 1, EPOCH_UNIX_S, SessionChange::Up(attestation))
    }

    fn of_test_network(key: &SoftKey) -> impl FnOnce(Plmn) -> Option<[u8; 64]> {
        let public = key.public();
        move |network| (network == Plmn::test()).then_some(public)
    }

    /// The claims byte for byte, as the notation above has them.
    #[test]
    fn the_encoding_is_the_documented_one() {
        let signed = Sign1::decode(&statement().sign(&key(1))).unwrap();
        let expected = [
            "a5",
            "01663030312d3031",
            "0274696d73692d303031303130303030303030303031",
            "041a6955b93c",
            "061a6955b900",
            "3a00010000aa",
            "0107",
            "0201",
            "0301",
            "0473",
            &hex::encode("8988211000000000011"),
            "056f",
            &hex::encode(Imei::test(1).as_str()),
            "0668696e7465726e6574",
            "0782d834440a2c0002d83682184048",
            "20010db800000001",
            "086c756e72657374726963746564",
            "0906",
            "0a1a0012d687",
        ];
        assert_eq!(hex::encode(signed.payload), expected.concat());
    }

    #[test]
    fn a_token_is_a_function_of_statement_and_key() {
        assert_eq!(statement().sign(&key(1)), statement().sign(&key(1)));
        assert_ne!(statement().sign(&key(1)), statement().sign(&key(2)));
    }

    #[test]
    fn what_the_network_has_signed_is_believed_while_it_is_fresh() {
        let key = key(1);
        let down = Statement { change: SessionChange::Down(SessionId(7)), sequence: 3, ..statement() };
        for statement in [statement(), down] {
            let token = statement.sign(&key);
            for later in [0, VALIDITY_S] {
                let found = Statement::verify(&token, EPOCH_UNIX_S + later, of_test_network(&key));
                assert_eq!(found, Ok(statement.clone()));
            }
            let late = EPOCH_UNIX_S + VALIDITY_S + 1;
            let refused = Statement::verify(&token, late, of_test_network(&key)).unwrap_err();
            assert_eq!(refused.word(), "expired");
        }
    }

    #[test]
    fn what_another_has_signed_or_changed_is_not_believed() {
        let (key, thief) = (key(1), key(2));
        let word = |token: &[u8]| {
            Statement::verify(token, EPOCH_UNIX_S, of_test_network(&key)).map_err(|error| error.word())
        };
        assert_eq!(word(&statement().sign(&thief)), Err("bad-signature"));
        let foreign = Statement { network: "001-02".parse().unwrap(), ..statement() };
        assert_eq!(word(&foreign.sign(&thief)), Err("foreign-network"));
        // Every bit of the token counts.
        let token = statement().sign(&key);
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed[at] ^= 1;
            assert!(word(&changed).is_err(), "byte {at}");
        }
        for length in 0..token.len() {
            assert_eq!(word(&token[..length]), Err("malformed"));
        }
    }

    fn attestations() -> impl Strategy<Value = Attestation> {
        let address = prop_oneof![
            any::<[u8; 4]>().prop_map(|octets| PdnAddress::Ipv4(octets.into())),
            any::<[u8; 8]>().prop_map(PdnAddress::Ipv6Prefix),
        ];
        let rat = proptest::sample::select(RatType::ALL.to_vec());
        let imei = proptest::option::of(any::<u32>().prop_map(Imei::test));
        let names = ("[0-9]{6,15}", ".{0,40}", ".{0,40}");
        let addresses = proptest::collection::vec(address, 0..4);
        (any::<u64>(), names, imei, addresses, rat, 0..u64::MAX / 1_000).prop_map(
            |(session, (imsi, apn, policy), imei, addresses, rat, since_us)| Attestation {
                session: SessionId(session),
                imsi: imsi.parse().unwrap(),
                iccid: "8988211000000000011".parse().unwrap(),
                imei,
                apn,
                addresses,
                policy,
                rat,
                since: Instant::from_nanos(since_us * 1_000),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_stated_is_read(attestation in attestations(), sequence: u64, number in 1_u64..=3) {
            let change = match number {
                UP => SessionChange::Up(attestation),
                CHANGED => SessionChange::Changed(attestation),
                _ => SessionChange::Down(attestation.session),
            };
            let statement = Statement { change, sequence, ..statement() };
            let claims = Value::decode(&statement.claims().encode()).unwrap();
            prop_assert_eq!(Statement::read(&claims), Ok(statement));
        }

        #[test]
        fn any_claims_are_a_statement_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let token = Sign1 { payload: bytes, signature: [1; 64] }.encode();
            prop_assert!(Statement::verify(&token, 0, |_| Some([1; 64])).is_err());
        }
    }
}
