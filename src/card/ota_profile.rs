//! The keys for packets over the air, in a SIM profile: what card and operator share (ETSI TS 102 225).

use std::fmt;

use rand_core::RngCore;
use serde::Deserialize;

use super::CardError;
use crate::crypto::milenage::hmac_sha256;
use crate::wire::ota::{Counter, Key, KeyError, KeySet};

/// A counter that rises, ciphering and a cryptographic checksum, as the first octet of an SPI says it.
const ALL: u8 = 0x16;
/// Octets of a checksum where nobody says it.
const CHECKSUM_OCTETS: usize = 8;

/// The keys of the issuer's security domain, and what it wants of packets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "OtaToml")]
pub struct OtaKeys {
    /// KIc and KID with their version.
    pub set: KeySet,
    /// The key that ciphers other keys. This card takes no keys over the air; a profile package has it all the same.
    pub dek: Option<Key>,
    /// The counter that the card begins with: a packet has to have a higher one.
    pub counter: Counter,
    /// The least security of a packet, in the form of the first octet of an SPI (TS 102 225 clause 5.1.1).
    pub minimum_security_level: u8,
}

impl OtaKeys {
    /// Fresh ones from `rng`: version 1, AES with 128 bits, the counter at zero.
    ///
    /// # Errors
    /// None that these keys could have.
    pub fn draw(rng: &mut impl RngCore) -> Result<Self, CardError> {
        let mut key = || {
            let mut octets = [0; 16];
            rng.fill_bytes(&mut octets);
            Key::Aes128(octets)
        };
        let (kic, kid, dek) = (key(), key(), key());
        Ok(Self {
            set: KeySet::new(1, kic, kid, CHECKSUM_OCTETS).map_err(CardError::Ota)?,
            dek: Some(dek),
            counter: Counter::default(),
            minimum_security_level: ALL,
        })
    }

    /// Those of card number `index`. A key of a card other than the first is HMAC-SHA-256 of the first one's over the
    /// index, four bytes big-endian, cut to its length.
    pub(super) fn of_card(&self, index: u32) -> Result<Self, CardError> {
        if index == 0 {
            return Ok(self.clone());
        }
        let derived = |key: &Key| {
            let octets = hmac_sha256(key.octets(), &index.to_be_bytes());
            let octets = &octets[..key.octets().len()];
            if key.is_aes() { Key::aes(octets) } else { Key::triple_des(octets) }
        };
        let set = &self.set;
        let made = || {
            let set =
                KeySet::new(set.version(), derived(set.kic())?, derived(set.kid())?, set.checksum_octets())?;
            Ok(Self { set, dek: self.dek.as_ref().map(derived).transpose()?, ..self.clone() })
        };
        made().map_err(CardError::Ota)
    }
}

/// What the keys are for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    /// AES: keys of 16, 24 or 32 bytes.
    #[default]
    Aes,
    /// Triple DES: keys of 16 or 24 bytes.
    TripleDes,
}

/// The keys for packets over the air.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ota")]
pub(super) struct OtaToml {
    /// Version of the key set, 1 to 15. Default: 1.
    #[serde(default = "first_version")]
    version: u8,
    /// What the keys are for: `aes`, the default, or `triple-des`.
    #[serde(default)]
    algorithm: Algorithm,
    /// KIc of the first card, which ciphers: 32, 48 or 64 hexadecimal digits.
    kic: Octets,
    /// KID of the first card, which makes checksums.
    kid: Octets,
    /// The key for keys of the first card. Profile packages have it; the card does not use it.
    dek: Option<Octets>,
    /// The counter that the card begins with, at most 0xFFFFFFFFFF. Default: 0.
    #[serde(default)]
    counter: u64,
    /// Bytes of a checksum: 8, the default, or 4.
    #[serde(default = "checksum_octets")]
    checksum_bytes: usize,
    /// The least security of a packet, in the form of the first byte of an SPI. Default: 0x16: a counter that rises,
    /// ciphering and a cryptographic checksum. The IoT SAFE applet wants that in any case, and no application is open
    /// to packets without a cryptographic checksum.
    #[serde(default = "all")]
    minimum_security_level: u8,
}

fn first_version() -> u8 {
    1
}

fn checksum_octets() -> usize {
    CHECKSUM_OCTETS
}

fn all() -> u8 {
    ALL
}

impl TryFrom<OtaToml> for OtaKeys {
    type Error = String;
    fn try_from(toml: OtaToml) -> Result<Self, String> {
        let counter = Counter::new(toml.counter).ok_or("a counter has five bytes: at most 0xFFFFFFFFFF")?;
        let told = |error: KeyError| error.to_string();
        let key = |octets: &Octets| match toml.algorithm {
            Algorithm::Aes => Key::aes(&octets.0),
            Algorithm::TripleDes => Key::triple_des(&octets.0),
        };
        let set = || KeySet::new(toml.version, key(&toml.kic)?, key(&toml.kid)?, toml.checksum_bytes);
        Ok(Self {
            set: set().map_err(told)?,
            dek: toml.dek.as_ref().map(key).transpose().map_err(told)?,
            counter,
            minimum_security_level: toml.minimum_security_level,
        })
    }
}

/// The octets of a key, written as hexadecimal digits, that no report may show.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct Octets(zeroize::Zeroizing<Vec<u8>>);

impl TryFrom<String> for Octets {
    type Error = crate::wire::digits::DigitsError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = zeroize::Zeroizing::new(text);
        crate::wire::digits::octets(&text).map(Self)
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Octets(..)")
    }
}

impl schemars::JsonSchema for Octets {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HexKey".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": crate::wire::digits::pattern(None) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::SimProfile;

    const PROFILE: &str = include_str!("../../sim-profiles/lte-test.toml");

    fn with(ota: &str) -> Result<SimProfile, String> {
        let (before, _) = PROFILE.split_once("[ota]").unwrap();
        SimProfile::parse(&format!("{before}{ota}")).map_err(|error| error.to_string())
    }

    #[test]
    fn each_card_has_keys_of_its_own_and_none_is_shown() {
        let profile = SimProfile::parse(PROFILE).unwrap();
        let [a, b, again] = [0, 1, 1].map(|index| profile.personalise(index).unwrap().ota.unwrap());
        assert!(a.set.kic() != b.set.kic() && a.set.kid() != b.set.kid() && a.dek != b.dek && b == again);
        assert_eq!((a.set.version(), a.minimum_security_level), (1, 0x16));
        let shown = format!("{profile:?} {a:?} {b:?}");
        for keys in [&a, &b] {
            for key in [Some(keys.set.kic()), Some(keys.set.kid()), keys.dek.as_ref()].into_iter().flatten() {
                let decimal = format!("{:?}", &key.octets()[..3]);
                assert!(!shown.contains(&hex::encode(&key.octets()[..3])), "{shown}");
                assert!(!shown.contains(decimal.trim_matches(['[', ']'])), "{shown}");
            }
        }
    }

    #[test]
    fn keys_have_the_lengths_of_their_algorithm() {
        let ota = |algorithm: &str, digits: usize| {
            let key = "5a".repeat(digits / 2);
            with(&format!("[ota]\nalgorithm = \"{algorithm}\"\nkic = \"{key}\"\nkid = \"{key}\"\n"))
        };
        for (algorithm, digits) in
            [("aes", 32), ("aes", 48), ("aes", 64), ("triple-des", 32), ("triple-des", 48)]
        {
            assert!(ota(algorithm, digits).is_ok(), "{algorithm} {digits}");
        }
        assert!(ota("triple-des", 16).unwrap_err().contains("single DES is not taken"));
        assert!(ota("aes", 30).unwrap_err().contains("15"));
        let key = "5a".repeat(16);
        let set = format!("[ota]\nkic = \"{key}\"\nkid = \"{key}\"\n");
        assert!(with(&format!("{set}version = 16\n")).unwrap_err().contains("16"));
        assert!(with(&format!("{set}checksum_bytes = 6\n")).is_err());
        let with_counter = with(&format!("{set}counter = 0x102\n")).unwrap();
        let counter = with_counter.personalise(0).unwrap().ota.unwrap().counter;
        assert_eq!(counter.value(), 0x102);
    }
}
