//! An alarm: what a guard states of a device whose traffic is not what it was, to the office that decides.
//!
//! An [`Alarm`] is a CBOR Web Token (RFC 8392) in a COSE_Sign1 with ES256 under the key of the guard, or of the device or
//! the peer that raises it. Its claims are, in the notation of RFC 8610:
//!
//! ```text
//! alarm = {
//!   1: tstr,                  ; iss: who raises it, by the name that its key is known under
//!   6: uint,                  ; iat: when, seconds of Unix time
//!   -65538: subject           ; a label of private use (RFC 8392 clause 9.1)
//! }
//! subject = {
//!   1: uint,                  ; sequence, greater than that of the issuer's last alarm
//!   2: 1 / 2 / 3,             ; from the network, from the device itself, from a peer of it
//!   3: 1 / 2,                 ; suspect, certain
//!   ? 4: uint,                ; session, the number that the network gave
//!   5: address,               ; of the session; of IPv6 its first 64 bits (RFC 9164)
//!   6: bstr .size 32,         ; SHA-256 of the record of the evidence
//!   7: uint,                  ; begin of the window, microseconds of the issuer's clock
//!   8: uint,                  ; its end
//!   9: uint,                  ; features above their limit: bit n is feature n
//!   10: uint,                 ; residuals of the model above theirs, in the same order
//!   11: uint                  ; counters of one second above theirs: bit n is counter n
//! }
//! address = #6.52(bstr .size 4) / #6.54(bstr .size 16)
//! ```
//!
//! An alarm never says what was sent: the record stays with whoever raised it, and its digest binds it.

use std::net::IpAddr;

use super::cbor::{self, CborError, Value};
use super::cose::{CoseError, Sign1};

/// Where a device POSTs an alarm of its own, at the registrar.
pub const ALARM_PATH: &str = "/alarms";
/// What it is (RFC 8392 clause 9.2).
pub const ALARM_TYPE: &str = "application/cwt";

const ISS: i64 = 1;
const IAT: i64 = 6;
const SUBJECT: i64 = -65_538;

const SEQUENCE: i64 = 1;
const WITNESS: i64 = 2;
const LEVEL: i64 = 3;
const SESSION: i64 = 4;
const ADDRESS: i64 = 5;
const EVIDENCE: i64 = 6;
const BEGIN: i64 = 7;
const END: i64 = 8;
const FEATURES: i64 = 9;
const RESIDUALS: i64 = 10;
const INSTANT: i64 = 11;

/// Who has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Witness {
    /// The guard of the network, which sees every packet of the session.
    Network = 1,
    /// The guard on the device: evidence, and never proof that it is well.
    Device = 2,
    /// Somebody whom the device talks to.
    Peer = 3,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Model or counters: the device is to be kept to the services that it is known for.
    Suspect = 1,
    /// Both, or a counter of one second: the device is to be isolated.
    Certain = 2,
}

impl Level {
    /// The level in one stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Suspect => "suspect",
            Self::Certain => "certain",
        }
    }
}

impl Witness {
    /// The witness in one stable word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Device => "device",
            Self::Peer => "peer",
        }
    }
}

/// What an alarm states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Who raises it, by the name that its key is known under.
    pub issuer: String,
    /// When it was raised, in seconds of Unix time.
    pub issued_unix_s: u64,
    /// Counted by the issuer, from any number on: one that is not greater than the last is an old alarm that comes again.
    pub sequence: u64,
    /// Who has seen it.
    pub witness: Witness,
    /// How sure it is.
    pub level: Level,
    /// The session by the number that the network gave it, where the issuer knows it.
    pub session: Option<u64>,
    /// The address of the device.
    pub address: IpAddr,
    /// SHA-256 of the record of the evidence, which the issuer keeps.
    pub evidence: [u8; 32],
    /// Begin and end of the window, in microseconds of the issuer's clock.
    pub window_us: (u64, u64),
    /// Features above their limit: bit n is feature n.
    pub features: u64,
    /// Residuals of the model above their limit, in the order of the features.
    pub residuals: u64,
    /// Counters of one second above their limit: bit n is counter n.
    pub instant: u64,
}

/// Why an alarm is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum AlarmError {
    #[error(transparent)]
    Cose(#[from] CoseError),
    #[error("the claims of the alarm: {0}")]
    Cbor(#[from] CborError),
    #[error("the alarm has no {claim}, or none that can be understood")]
    Claim { claim: &'static str },
    #[error("the alarm names {issuer:?}, whose signature it does not bear")]
    BadSignature { issuer: String },
}

impl AlarmError {
    /// The reason in one stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Cose(_) | Self::Cbor(_) | Self::Claim { .. } => "malformed",
            Self::BadSignature { .. } => "bad-signature",
        }
    }
}

impl Alarm {
    /// The message. `sign` gives the raw signature, `r || s`, over what it is handed.
    pub fn encode(&self, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Vec<u8> {
        let payload = self.claims().encode();
        let signature = sign(&Sign1::to_be_signed(&payload));
        Sign1 { payload, signature }.encode()
    }

    /// Reads a message and believes it where `verify` finds that the issuer, whose name it is handed with what was signed
    /// and the raw signature, has signed it. Whether it comes again is for the caller to see by its sequence.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn decode(
        message: &[u8],
        verify: impl FnOnce(&str, &[u8], &[u8; 64]) -> bool,
    ) -> Result<Self, AlarmError> {
        let signed = Sign1::decode(message)?;
        let alarm = Self::read(&Value::decode(&signed.payload)?)?;
        if verify(&alarm.issuer, &Sign1::to_be_signed(&signed.payload), &signed.signature) {
            Ok(alarm)
        } else {
            Err(AlarmError::BadSignature { issuer: alarm.issuer })
        }
    }

    fn claims(&self) -> Value {
        let address = cbor::address(self.address);
        let mut subject = vec![
            (SEQUENCE, Value::Unsigned(self.sequence)),
            (WITNESS, Value::Unsigned(self.witness as u64)),
            (LEVEL, Value::Unsigned(self.level as u64)),
            (ADDRESS, address),
            (EVIDENCE, Value::Bytes(self.evidence.to_vec())),
            (BEGIN, Value::Unsigned(self.window_us.0)),
            (END, Value::Unsigned(self.window_us.1)),
            (FEATURES, Value::Unsigned(self.features)),
            (RESIDUALS, Value::Unsigned(self.residuals)),
            (INSTANT, Value::Unsigned(self.instant)),
        ];
        subject.extend(self.session.map(|session| (SESSION, Value::Unsigned(session))));
        map(vec![
            (ISS, Value::text(&*self.issuer)),
            (IAT, Value::Unsigned(self.issued_unix_s)),
            (SUBJECT, map(subject)),
        ])
    }

    fn read(claims: &Value) -> Result<Self, AlarmError> {
        let claim = |claim| AlarmError::Claim { claim };
        let issuer = claims.get(ISS).and_then(Value::as_text).ok_or(claim("iss"))?.to_owned();
        let issued_unix_s = number(claims, IAT, "iat")?;
        let subject = claims.get(SUBJECT).ok_or(claim("subject"))?;
        let witness = match number(subject, WITNESS, "witness")? {
            1 => Witness::Network,
            2 => Witness::Device,
            3 => Witness::Peer,
            _ => return Err(claim("witness")),
        };
        let level = match number(subject, LEVEL, "level")? {
            1 => Level::Suspect,
            2 => Level::Certain,
            _ => return Err(claim("level")),
        };
        let session = subject.get(SESSION).map(|_| number(subject, SESSION, "session")).transpose()?;
        let address = subject.get(ADDRESS).and_then(cbor::read_address).ok_or(claim("address"))?;
        let evidence = subject.get(EVIDENCE).and_then(Value::as_bytes);
        let window_us = (number(subject, BEGIN, "begin")?, number(subject, END, "end")?);
        if window_us.1 < window_us.0 {
            return Err(claim("end"));
        }
        Ok(Self {
            issuer,
            issued_unix_s,
            sequence: number(subject, SEQUENCE, "sequence")?,
            witness,
            level,
            session,
            address,
            evidence: evidence.and_then(|digest| digest.try_into().ok()).ok_or(claim("evidence"))?,
            window_us,
            features: number(subject, FEATURES, "features")?,
            residuals: number(subject, RESIDUALS, "residuals")?,
            instant: number(subject, INSTANT, "instant counters")?,
        })
    }
}

fn map(pairs: Vec<(i64, Value)>) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (Value::int(key), value)).collect())
}

fn number(map: &Value, key: i64, claim: &'static str) -> Result<u64, AlarmError> {
    map.get(key).and_then(Value::as_unsigned).ok_or(AlarmError::Claim { claim })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SoftKey;
    use crate::crypto::key::verify;
    use crate::kernel::RngTree;
    use proptest::prelude::*;

    fn key(seed: u64) -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(seed).stream("key"))
    }

    fn alarm() -> Alarm {
        Alarm {
            issuer: "guard".to_owned(),
            issued_unix_s: 1_767_225_600,
            sequence: 1,
            witness: Witness::Network,
            level: Level::Certain,
            session: Some(7),
            address: IpAddr::V4(std::net::Ipv4Addr::new(10, 45, 0, 2)),
            evidence: [0xee; 32],
            window_us: (10_000_000, 20_000_000),
            features: 1 << 24 | 1,
            residuals: 2,
            instant: 4,
        }
    }

    fn believed(message: &[u8], key: &SoftKey) -> Result<Alarm, AlarmError> {
        let public = key.public();
        Alarm::decode(message, |issuer, over, signature| {
            issuer == "guard" && verify(&public, over, signature).is_ok()
        })
    }

    /// The bytes as RFC 8949 has them, written by hand from the notation at the top: a change of a label shows here.
    #[test]
    fn the_claims_are_those_of_the_notation() {
        let expected = [
            "a3",                                    // three claims
            "01 65 6775617264",                      // iss: "guard"
            "06 1a 6955b900",                        // iat
            "3a 00010001 ab",                        // -65538: eleven
            "01 01",                                 // sequence
            "02 01",                                 // network
            "03 02",                                 // certain
            "04 07",                                 // session
            "05 d834 44 0a2d0002",                   // 52(h'0a2d0002')
            &format!("06 5820 {}", "ee".repeat(32)), // evidence
            "07 1a 00989680",                        // begin
            "08 1a 01312d00",                        // end
            "09 1a 01000001",                        // features
            "0a 02",                                 // residuals
            "0b 04",                                 // instant
        ];
        assert_eq!(hex::encode(alarm().claims().encode()), expected.concat().replace(' ', ""));
    }

    #[test]
    fn what_is_signed_is_believed_and_nothing_else() {
        let message = alarm().encode(|over| key(1).sign(over));
        assert_eq!(believed(&message, &key(1)), Ok(alarm()));
        let refused = believed(&message, &key(2)).unwrap_err();
        assert_eq!(refused, AlarmError::BadSignature { issuer: "guard".to_owned() });
        assert_eq!(refused.word(), "bad-signature");
        let other = Alarm { issuer: "somebody".to_owned(), ..alarm() }.encode(|over| key(1).sign(over));
        assert!(believed(&other, &key(1)).is_err());
        for at in 0..message.len() {
            let mut bent = message.clone();
            bent[at] ^= 1;
            assert!(believed(&bent, &key(1)).is_err(), "byte {at} does not matter");
            assert!(believed(&message[..at], &key(1)).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn claims_that_are_missing_or_nonsense_are_refused() {
        let good = alarm().claims();
        let Value::Map(outer) = &good else { panic!("a map") };
        let Some(Value::Map(inner)) = good.get(SUBJECT) else { panic!("a map") };
        let with = |inner: Vec<(Value, Value)>| {
            let mut outer = outer.clone();
            outer.retain(|(key, _)| *key != Value::int(SUBJECT));
            outer.push((Value::int(SUBJECT), Value::Map(inner)));
            Alarm::read(&Value::Map(outer))
        };
        assert_eq!(with(inner.clone()), Ok(alarm()));
        for (left_out, _) in inner {
            let rest: Vec<_> = inner.iter().filter(|(key, _)| key != left_out).cloned().collect();
            let read = with(rest);
            match left_out {
                Value::Unsigned(4) => assert_eq!(read, Ok(Alarm { session: None, ..alarm() })),
                _ => assert!(matches!(read, Err(AlarmError::Claim { .. })), "without {left_out:?}: {read:?}"),
            }
        }
        for (label, value) in [
            (WITNESS, Value::Unsigned(4)),
            (LEVEL, Value::Unsigned(0)),
            (SESSION, Value::text("7")),
            (EVIDENCE, Value::Bytes(vec![0; 31])),
            (ADDRESS, Value::Bytes(vec![10, 45, 0, 2])),
            (END, Value::Unsigned(9_999_999)),
        ] {
            let mut inner = inner.clone();
            inner.retain(|(key, _)| *key != Value::int(label));
            inner.push((Value::int(label), value));
            assert!(matches!(with(inner), Err(AlarmError::Claim { .. })), "label {label}");
        }
    }

    fn alarms() -> impl Strategy<Value = Alarm> {
        let whose = (".{0,20}", any::<u64>(), any::<u64>(), any::<Option<u64>>(), any::<IpAddr>());
        let what = (any::<[u8; 32]>(), any::<(u64, u64)>(), any::<[u64; 3]>(), 0..3usize, any::<bool>());
        (whose, what).prop_map(|((issuer, issued_unix_s, sequence, session, address), what)| {
            let (evidence, (a, b), [features, residuals, instant], witness, certain) = what;
            Alarm {
                issuer,
                issued_unix_s,
                sequence,
                witness: [Witness::Network, Witness::Device, Witness::Peer][witness],
                level: if certain { Level::Certain } else { Level::Suspect },
                session,
                address,
                evidence,
                window_us: (a.min(b), a.max(b)),
                features,
                residuals,
                instant,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(alarm in alarms()) {
            let message = alarm.encode(|_| [7; 64]);
            prop_assert_eq!(Alarm::decode(&message, |_, _, signature| *signature == [7; 64]), Ok(alarm));
        }

        #[test]
        fn any_bytes_are_an_alarm_or_refused(bytes: Vec<u8>) {
            if let Ok(alarm) = Alarm::decode(&bytes, |_, _, _| true) {
                prop_assert_eq!(Alarm::decode(&alarm.encode(|_| [0; 64]), |_, _, _| true), Ok(alarm));
            }
        }
    }
}
