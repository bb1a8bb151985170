//! SIM profiles: what a card is personalised with, as a commented TOML file of `sim-profiles/`.
//!
//! One profile makes any number of cards: number 0 has exactly its values, number `n` has the IMSI, ICCID and
//! EID `n` further on and a key of its own.

use std::fmt;

use serde::Deserialize;
use zeroize::Zeroize;

use super::CardError;
use super::ota_profile::OtaKeys;
pub use super::suci_profile::{Suci, SuciScheme};
use super::table::CardTable;
use crate::crypto::aka::AlgorithmSet;
use crate::crypto::milenage::{K, Op, Opc, hmac_sha256};
use crate::crypto::tuak::Tuak;
use crate::id::{Apn, Eid, Iccid, Imsi, Plmn};
use crate::wire::digits::{self, DigitsError};

/// A SIM profile.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimProfile {
    /// The first subscriber's IMSI; it begins with the digits of `plmn`.
    #[schemars(with = "String")]
    pub imsi: Imsi,
    /// The first card's ICCID, with its check digit.
    #[schemars(with = "String")]
    pub iccid: Iccid,
    /// The first card's EID, with its check digits.
    #[schemars(with = "String")]
    pub eid: Eid,
    /// The home network, MCC-MNC. The length of the MNC goes into EF.AD.
    #[schemars(with = "String")]
    pub plmn: Plmn,
    /// The access point name that the device asks for (TS 23.003 clause 9.1). Empty or left out: it asks for none and gets
    /// its subscription's default.
    #[serde(default, deserialize_with = "apn_or_none")]
    #[schemars(with = "Option<String>")]
    pub apn: Option<Apn>,
    /// A table of cards (CSV), beside this file: each line is a card with what its columns say, and the rest is as here.
    /// Without it one card follows from the other.
    pub cards: Option<String>,
    /// The table, once it is read.
    #[serde(skip)]
    pub table: Option<CardTable>,
    /// What card and home network share.
    #[schemars(with = "AuthenticationToml")]
    pub authentication: Authentication,
    /// How the subscriber's identity is concealed in 5G. Without it the null scheme applies.
    pub suci: Option<Suci>,
    /// What the IoT SAFE applet is delivered with.
    #[serde(default)]
    pub iot_safe: IotSafeContent,
    /// The keys for packets over the air. Without them the card takes none.
    #[schemars(with = "Option<super::ota_profile::OtaToml>")]
    pub ota: Option<OtaKeys>,
    /// PIN1, PIN2 and the administrative code.
    #[serde(default)]
    pub pin: PinCodes,
}

/// What the IoT SAFE applet is delivered with, beside the trust anchor of the lab.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IotSafeContent {
    /// The pre-shared key of the first card, 64 hexadecimal digits. Without it the container is empty.
    pub pre_shared_key: Option<Secret<32>>,
}

/// Milenage keys and the state of the sequence number (TS 35.206, TS 33.102 annex C).
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "AuthenticationToml")]
pub struct Authentication {
    /// K of the first subscriber.
    pub k: Secret<16>,
    /// The operator's constant.
    pub operator: OperatorKey,
    /// Authentication management field that the home network puts into AUTN.
    pub amf: [u8; 2],
    /// The highest sequence number that the card has accepted, 48 bits.
    pub sqn: u64,
}

/// The operator's constant of Milenage (TS 35.206 clause 4.1) or TUAK. It says which of both applies.
#[derive(Debug, Clone)]
pub enum OperatorKey {
    /// OP, common to all subscribers of the operator: each card's OPc is computed from it and its K.
    Op(Secret<16>),
    /// OPc, as the card holds it.
    Opc(Secret<16>),
    /// TOP of TUAK, common to all subscribers of the operator (TS 35.231).
    Top(Secret<32>),
    /// TOPc of TUAK, as the card holds it.
    Topc(Secret<32>),
    /// None: the test algorithm has K alone (TS 34.108 clause 8.1.2).
    Test,
}

/// The algorithm set of a card, with what it needs beside K and OPc.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Algorithm {
    /// Milenage (TS 35.206), with the operator's constant in OPc.
    Milenage,
    /// TUAK (TS 35.231), with its operator's constant.
    Tuak { topc: Secret<32> },
    /// The test algorithm of USIMs, which protects nothing (TS 34.108 clause 8.1.2).
    Test,
}

/// The keys of the subscriber: K, and exactly one of the operator's constants.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Authentication")]
struct AuthenticationToml {
    /// K of the first subscriber, 32 hexadecimal digits.
    k: Secret<16>,
    /// OP of Milenage, 32 hexadecimal digits. Either this or `opc`, `top` or `topc`.
    op: Option<Secret<16>>,
    /// OPc of Milenage, 32 hexadecimal digits. Either this or `op`, `top` or `topc`.
    opc: Option<Secret<16>>,
    /// TOP of TUAK, 64 hexadecimal digits.
    top: Option<Secret<32>>,
    /// TOPc of TUAK, 64 hexadecimal digits.
    topc: Option<Secret<32>>,
    /// Whether the card has the test algorithm of TS 34.108 clause 8.1.2, exclusive-or with K, in the place of these keys:
    /// `true`. It protects nothing. Default: `false`.
    #[serde(default)]
    xor: bool,
    /// Authentication management field of AUTN, 4 hexadecimal digits. EPS wants its first bit, the separation
    /// bit, set: `8000`, the default.
    #[serde(default = "separation_bit")]
    amf: Secret<2>,
    /// The highest sequence number that the card has accepted, 12 hexadecimal digits. Default: 0.
    #[serde(default)]
    sqn: Secret<6>,
}

/// An access point name, or none where the text is empty.
fn apn_or_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Apn>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.is_empty() {
        true => Ok(None),
        false => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

fn separation_bit() -> Secret<2> {
    Secret([0x80, 0x00])
}

impl TryFrom<AuthenticationToml> for Authentication {
    type Error = &'static str;
    fn try_from(toml: AuthenticationToml) -> Result<Self, Self::Error> {
        let operator = match (toml.op, toml.opc, toml.top, toml.topc) {
            (None, None, None, None) if toml.xor => OperatorKey::Test,
            _ if toml.xor => {
                return Err("`xor` is given, which has K alone: leave out `op`, `opc`, `top` and `topc`");
            }
            (Some(op), None, None, None) => OperatorKey::Op(op),
            (None, Some(opc), None, None) => OperatorKey::Opc(opc),
            (None, None, Some(top), None) => OperatorKey::Top(top),
            (None, None, None, Some(topc)) => OperatorKey::Topc(topc),
            (Some(_), Some(_), ..) => return Err("both `op` and `opc` are given: keep exactly one of them"),
            (None, None, None, None) => {
                return Err(
                    "neither `op` nor `opc` is given: give exactly one of them, `top` or `topc` for TUAK, or `xor = true`",
                );
            }
            _ => return Err("keys of Milenage and TUAK are given: keep one of `op`, `opc`, `top`, `topc`"),
        };
        let mut sqn = [0; 8];
        sqn[2..].copy_from_slice(&toml.sqn.0);
        Ok(Self { k: toml.k, operator, amf: toml.amf.0, sqn: u64::from_be_bytes(sqn) })
    }
}

impl SimProfile {
    /// Reads a profile.
    pub fn parse(toml: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(toml)
    }

    /// The pre-shared key of card number `index`.
    pub(super) fn pre_shared_key(&self, index: u32) -> Option<[u8; 32]> {
        self.iot_safe.pre_shared_key.as_ref().map(|key| match index {
            0 => key.0,
            n => *hmac_sha256(&key.0, &n.to_be_bytes()),
        })
    }

    /// What card number `index` is personalised with. K of a card other than the first is HMAC-SHA-256 of the
    /// first K over the index, four bytes big-endian, cut to its first 16 bytes.
    pub fn personalise(&self, index: u32) -> Result<Personalisation, CardError> {
        if let Some(table) = &self.table {
            return self.personalise_of_table(table, index);
        }
        let past_end = |what, first: &str| CardError::PastEnd { what, first: first.to_owned(), index };
        let plmn_digits = format!("{}{}", self.plmn.mcc(), self.plmn.mnc());
        if !self.imsi.as_str().starts_with(&plmn_digits) {
            return Err(CardError::ForeignImsi { imsi: self.imsi.to_string(), plmn: self.plmn });
        }
        let k = match index {
            0 => self.authentication.k.0,
            n => first_half(*hmac_sha256(&self.authentication.k.0, &n.to_be_bytes())),
        };
        let (opc, algorithm) = match &self.authentication.operator {
            OperatorKey::Opc(opc) => (opc.0, Algorithm::Milenage),
            OperatorKey::Op(op) => {
                (*Opc::from_op(&K::new(&k), &Op::new(&op.0)).as_octets(), Algorithm::Milenage)
            }
            OperatorKey::Topc(topc) => ([0; 16], Algorithm::Tuak { topc: topc.clone() }),
            OperatorKey::Top(top) => ([0; 16], Algorithm::Tuak { topc: Secret(Tuak::topc(&k, top.0, 1)) }),
            OperatorKey::Test => ([0; 16], Algorithm::Test),
        };
        Ok(Personalisation {
            imsi: self.imsi.plus(index).ok_or_else(|| past_end("IMSI", self.imsi.as_str()))?,
            iccid: self.iccid.plus(index).ok_or_else(|| past_end("ICCID", self.iccid.as_str()))?,
            eid: self.eid.plus(index).ok_or_else(|| past_end("EID", self.eid.as_str()))?,
            k,
            opc,
            algorithm,
            amf: self.authentication.amf,
            sqn: self.authentication.sqn,
            plmn: self.plmn,
            apn: self.apn.clone(),
            suci: self.suci.clone(),
            pre_shared_key: self.pre_shared_key(index),
            ota: self.ota.as_ref().map(|keys| keys.of_card(index)).transpose()?,
            pin: self.pin.clone(),
        })
    }
}

impl Personalisation {
    /// What the home network holds for the card beside K.
    pub fn algorithm_set(&self) -> AlgorithmSet {
        match &self.algorithm {
            Algorithm::Milenage => AlgorithmSet::Milenage(self.opc),
            Algorithm::Tuak { topc } => AlgorithmSet::Tuak(topc.0),
            Algorithm::Test => AlgorithmSet::Test,
        }
    }
}

fn first_half(bytes: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&bytes[..16]);
    half
}

/// What one card is personalised with.
#[derive(Clone)]
pub struct Personalisation {
    /// The number of the subscriber.
    pub imsi: Imsi,
    /// The number of the card.
    pub iccid: Iccid,
    /// The identifier of the card as an eUICC.
    pub eid: Eid,
    /// K, which card and home network share.
    pub k: [u8; 16],
    /// OPc of Milenage; zero where the algorithm is another.
    pub opc: [u8; 16],
    /// The algorithm set for which the keys are.
    pub algorithm: Algorithm,
    /// Authentication management field for AUTN; the card does not look at it.
    pub amf: [u8; 2],
    /// The highest sequence number that the card has accepted, 48 bits.
    pub sqn: u64,
    /// The home network.
    pub plmn: Plmn,
    /// The access point name that the device asks for, where it asks for one.
    pub apn: Option<Apn>,
    /// How the identity is concealed in 5G, where it is.
    pub suci: Option<Suci>,
    /// The secret of the IoT SAFE applet.
    pub pre_shared_key: Option<[u8; 32]>,
    /// The keys for packets over the air.
    pub ota: Option<OtaKeys>,
    /// The codes of the card.
    pub pin: PinCodes,
}

impl fmt::Debug for Personalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Personalisation")
            .field("imsi", &self.imsi)
            .field("iccid", &self.iccid)
            .field("eid", &self.eid)
            .field("plmn", &self.plmn)
            .field("apn", &self.apn)
            .finish_non_exhaustive()
    }
}

/// PIN codes: 4 to 8 decimal digits each.
#[derive(Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PinCodes {
    /// Whether PIN1 must be verified before the USIM may be used. Unattended devices need it disabled.
    pub enabled: bool,
    /// PIN1.
    pub pin1: PinCode,
    /// What unblocks PIN1, 8 digits.
    pub puk1: PinCode,
    /// PIN2.
    pub pin2: PinCode,
    /// What unblocks PIN2, 8 digits.
    pub puk2: PinCode,
    /// The administrative code ADM1: up to 8 characters of ASCII, as they are printed with a card, or 16 hexadecimal
    /// digits.
    #[serde(deserialize_with = "administrative")]
    #[schemars(with = "AdmCode")]
    pub adm1: PinCode,
}

impl Default for PinCodes {
    fn default() -> Self {
        Self {
            enabled: false,
            pin1: PinCode(*b"0000\xff\xff\xff\xff"),
            puk1: PinCode(*b"00000000"),
            pin2: PinCode(*b"0000\xff\xff\xff\xff"),
            puk2: PinCode(*b"00000000"),
            adm1: PinCode(*b"00000000"),
        }
    }
}

impl fmt::Debug for PinCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinCodes").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// A PIN as it crosses the interface: digits, filled up with `FF` to 8 bytes (TS 102 221 clause 9.5.1).
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct PinCode(pub [u8; 8]);

impl TryFrom<String> for PinCode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if !(4..=8).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err("a PIN has 4 to 8 decimal digits".to_owned());
        }
        let mut code = [0xff; 8];
        code[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(code))
    }
}

/// The administrative code ADM1 as a card takes it (TS 102 221 clause 9.5.1): characters of ASCII filled up with `FF` to 8
/// bytes, or any 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct AdmCode(pub [u8; 8]);

impl TryFrom<String> for AdmCode {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let text = zeroize::Zeroizing::new(text);
        let mut code = [0xff; 8];
        match code.get_mut(..text.len()) {
            Some(start) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) => {
                start.copy_from_slice(text.as_bytes());
                Ok(Self(code))
            }
            _ => digits::array(&text).map(Self).map_err(|_| {
                "an administrative code has 1 to 8 characters of ASCII without blanks, or 16 hexadecimal digits".to_owned()
            }),
        }
    }
}

impl fmt::Debug for AdmCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdmCode(..)")
    }
}

fn administrative<'de, D: serde::Deserializer<'de>>(from: D) -> Result<PinCode, D::Error> {
    AdmCode::deserialize(from).map(|code| PinCode(code.0))
}

impl fmt::Debug for PinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinCode(..)")
    }
}

/// `N` bytes, written as hexadecimal digits, that no report may show.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret<const N: usize>(pub [u8; N]);

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> Default for Secret<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> TryFrom<String> for Secret<N> {
    type Error = DigitsError;
    fn try_from(text: String) -> Result<Self, DigitsError> {
        let text = zeroize::Zeroizing::new(text);
        digits::array(&text).map(Self)
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<const N: usize> schemars::JsonSchema for Secret<N> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Hex{N}").into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": digits::pattern(Some(N)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LTE_TEST: &str = include_str!("../../sim-profiles/lte-test.toml");
    const LTE_TEST_OP: &str = include_str!("../../sim-profiles/lte-test-op.toml");

    #[test]
    fn op_and_opc_make_the_same_first_card() {
        // TS 35.208 test set 1 gives K, OP and OPc.
        let opc = SimProfile::parse(LTE_TEST).unwrap().personalise(0).unwrap();
        let op = SimProfile::parse(LTE_TEST_OP).unwrap().personalise(0).unwrap();
        assert_eq!(hex::encode(op.opc), "cd63cb71954a9f4e48a5994e37a02baf");
        assert_eq!((op.k, op.opc), (opc.k, opc.opc));
        assert_eq!(opc.imsi.as_str(), "001010000000001");
    }

    #[test]
    fn a_profile_may_conceal_the_identity_and_share_a_key() {
        let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-5g-test.toml")).unwrap();
        let (a, b) = (profile.personalise(0).unwrap(), profile.personalise(1).unwrap());
        assert!(a.suci.as_ref().is_some_and(|suci| suci.by_card && suci.key_id == 27));
        assert!(a.pre_shared_key.is_some() && a.pre_shared_key != b.pre_shared_key);
    }

    #[test]
    fn cards_differ_in_everything_that_names_them() {
        let profile = SimProfile::parse(LTE_TEST).unwrap();
        let (a, b) = (profile.personalise(0).unwrap(), profile.personalise(1).unwrap());
        assert_eq!(b.imsi.as_str(), "001010000000002");
        assert!(a.iccid != b.iccid && a.eid != b.eid && a.k != b.k);
        assert_eq!(b.k, profile.personalise(1).unwrap().k);
        assert!(matches!(profile.personalise(u32::MAX), Ok(_) | Err(CardError::PastEnd { .. })));
    }

    #[test]
    fn errors_say_where_and_what() {
        let message = |toml: &str| SimProfile::parse(toml).unwrap_err().to_string();
        let both = LTE_TEST.replace("opc =", "op = \"00000000000000000000000000000000\"\nopc =");
        assert!(message(&both).contains("both `op` and `opc`"), "{}", message(&both));
        let neither: String =
            LTE_TEST.lines().filter(|l| !l.starts_with("opc")).map(|l| format!("{l}\n")).collect();
        assert!(message(&neither).contains("neither `op` nor `opc`"), "{}", message(&neither));
        assert!(message(&LTE_TEST.replace("apn =", "apm =")).contains("apm"));
        let short = LTE_TEST.replace("465b5ce8b199b49faa5f0a2ee238a6bc", "465b");
        assert!(message(&short).contains("32 hexadecimal digits"), "{}", message(&short));
        let foreign =
            SimProfile::parse(&LTE_TEST.replace("plmn = \"001-01\"", "plmn = \"310-410\"")).unwrap();
        assert!(matches!(foreign.personalise(0), Err(CardError::ForeignImsi { .. })));
    }

    #[test]
    fn keys_are_read_as_other_tools_print_them() {
        let key = "465b5ce8b199b49faa5f0a2ee238a6bc";
        for notation in [
            "465B5CE8 B199B49F AA5F0A2E E238A6BC",
            "46:5b:5c:e8:b1:99:b4:9f:aa:5f:0a:2e:e2:38:a6:bc",
            "0x465b5ce8b199b49faa5f0a2ee238a6bc",
        ] {
            let profile = SimProfile::parse(&LTE_TEST.replace(key, notation)).unwrap();
            assert_eq!(hex::encode(profile.authentication.k.0), key, "{notation}");
        }
        let wrong = SimProfile::parse(&LTE_TEST.replace(key, &key.replace('f', "g"))).unwrap_err();
        assert!(wrong.message().contains("found 'g' at position 16"), "{wrong}");
    }

    #[test]
    fn an_administrative_code_is_text_or_octets() {
        let code = |text: &str| AdmCode::try_from(text.to_owned()).map(|code| code.0);
        assert_eq!(code("TESTADM1"), Ok(*b"TESTADM1"));
        assert_eq!(code("adm1"), Ok(*b"adm1\xff\xff\xff\xff"));
        assert_eq!(code("0102030405060708"), Ok([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(code("01 02 03 04 05 06 07 08"), Ok([1, 2, 3, 4, 5, 6, 7, 8]));
        for wrong in ["", "nine char", "a b", "größe", "0102030405060708ff"] {
            assert!(code(wrong).is_err(), "{wrong}");
        }
        let profile = LTE_TEST.replace("adm1 = \"88888888\"", "adm1 = \"TESTADM1\"");
        assert_eq!(SimProfile::parse(&profile).unwrap().pin.adm1, PinCode(*b"TESTADM1"));
    }

    #[test]
    fn an_access_point_name_is_checked_when_it_is_read() {
        let with = |apn: &str| SimProfile::parse(&LTE_TEST.replace("apn = \"internet\"", apn));
        assert_eq!(with("apn = \"\"").unwrap().apn, None);
        assert_eq!(with("").unwrap().apn, None);
        assert_eq!(with("apn = \"internet\"").unwrap().apn.unwrap().as_str(), "internet");
        let error = with("apn = \"my_apn\"").unwrap_err().to_string();
        assert!(error.contains("line 14") && error.contains("the character '_'"), "{error}");
        let error = with(&format!("apn = \"{}\"", "a".repeat(64))).unwrap_err().to_string();
        assert!(error.contains("a label of 64 characters"), "{error}");
    }

    #[test]
    fn debug_shows_no_key() {
        let profile = SimProfile::parse(LTE_TEST).unwrap();
        let shown = format!("{profile:?} {:?}", profile.personalise(0).unwrap()).to_lowercase();
        for hidden in ["465b5c", "cd63cb", "70, 91, 92", "205, 99, 203"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }

    #[test]
    fn the_schema_knows_every_field() {
        let schema = serde_json::to_string(&schemars::schema_for!(SimProfile)).unwrap();
        for field in ["imsi", "iccid", "eid", "plmn", "apn", "opc", "sqn", "pin1"] {
            assert!(schema.contains(field), "{field} is not in {schema}");
        }
    }
}
