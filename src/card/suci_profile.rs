//! The part of a SIM profile that says how the subscriber's identity is concealed in 5G (3GPP TS 33.501 clause
//! 6.12.2, TS 31.102 clauses 4.4.11.8 and 4.4.11.11).

use p256::PublicKey;
use p256::elliptic_curve::sec1::ToEncodedPoint;
use serde::Deserialize;

use crate::wire::digits;

/// How the SUCI is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "SuciToml")]
pub struct Suci {
    /// Whether the card calculates it (service 125); otherwise the terminal does.
    pub by_card: bool,
    /// 1 to 4 digits.
    pub routing_indicator: String,
    /// How the identity is concealed.
    pub scheme: SuciScheme,
    /// Identifier of the home network's public key.
    pub key_id: u8,
}

/// The protection scheme, with the public key of the home network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SuciScheme {
    /// Not at all.
    Null,
    /// ECIES on Curve25519.
    ProfileA([u8; 32]),
    /// ECIES on P-256; the key is a compressed point.
    ProfileB([u8; 33]),
}

impl SuciScheme {
    /// ECIES on P-256 with a point in either form, compressed or not (SEC 1 clause 2.3.3); none where it is no point.
    pub(super) fn profile_b(key: &[u8]) -> Option<Self> {
        if !matches!((key.first(), key.len()), (Some(0x02 | 0x03), 33) | (Some(0x04), 65)) {
            return None;
        }
        let point = PublicKey::from_sec1_bytes(key).ok()?.to_encoded_point(true);
        Some(Self::ProfileB(point.as_bytes().try_into().ok()?))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Calculator {
    Card,
    Terminal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum SchemeName {
    Null,
    A,
    B,
}

/// How the SUCI is calculated (TS 33.501 clause 6.12).
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SuciToml {
    /// Who calculates the SUCI: the card (GET IDENTITY) or the terminal, which reads EF.SUCI_Calc_Info.
    calculated_by: Calculator,
    /// Routing indicator, 1 to 4 decimal digits. Default: 0.
    #[serde(default = "zero")]
    routing_indicator: String,
    /// Protection scheme: null, a (Curve25519) or b (P-256).
    scheme: SchemeName,
    /// Identifier of the home network's public key. Default: 0, which the null scheme has.
    #[serde(default)]
    key_id: u8,
    /// The home network's public key in hexadecimal digits: 64 for scheme a; for b a point, 66 compressed or 130 not.
    public_key: Option<String>,
}

fn zero() -> String {
    "0".to_owned()
}

impl TryFrom<SuciToml> for Suci {
    type Error = String;
    fn try_from(toml: SuciToml) -> Result<Self, String> {
        let digits = &toml.routing_indicator;
        if !(1..=4).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("`routing_indicator` has 1 to 4 decimal digits".to_owned());
        }
        let key = match (toml.scheme, &toml.public_key) {
            (SchemeName::Null, None) => Vec::new(),
            (SchemeName::Null, Some(_)) => return Err("the null scheme has no `public_key`".to_owned()),
            (_, None) => return Err("schemes a and b need the home network's `public_key`".to_owned()),
            (_, Some(text)) => {
                digits::octets(text).map_err(|error| format!("`public_key`: {error}"))?.to_vec()
            }
        };
        let wrong = |digits: &str| format!("the `public_key` of this scheme has {digits} hexadecimal digits");
        let scheme = match toml.scheme {
            SchemeName::Null => SuciScheme::Null,
            SchemeName::A => SuciScheme::ProfileA(key.try_into().map_err(|_| wrong("64"))?),
            SchemeName::B if !matches!(key.len(), 33 | 65) => return Err(wrong("66 or 130")),
            SchemeName::B => SuciScheme::profile_b(&key)
                .ok_or("`public_key` is no point of P-256: 02 or 03 and X, or 04, X and Y")?,
        };
        let by_card = toml.calculated_by == Calculator::Card;
        Ok(Self { by_card, routing_indicator: toml.routing_indicator, scheme, key_id: toml.key_id })
    }
}

impl schemars::JsonSchema for Suci {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Suci".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SuciToml::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_A: &str = "5a8d38864820197c3394b92613b20b91633cbd897119273bf8e4a6f4eec0a650";
    const KEY_B: &str = "0272da71976234ce833a6907425867b82e074d44ef907dfb4b3e21c1c2256ebcd1";

    fn parse(text: &str) -> Result<Suci, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.to_string())
    }

    #[test]
    fn schemes_and_their_keys() {
        let a = format!("calculated_by = 'card'\nscheme = 'a'\nkey_id = 27\npublic_key = '{KEY_A}'");
        let suci = parse(&a).unwrap();
        assert!(suci.by_card && suci.key_id == 27 && matches!(suci.scheme, SuciScheme::ProfileA(_)));
        assert!(parse(&a.replace("'a'", "'b'")).unwrap_err().contains("66 or 130 hexadecimal digits"));
        assert!(parse(&a.replace(KEY_A, KEY_B).replace("'a'", "'b'")).is_ok());
        let long = PublicKey::from_sec1_bytes(&hex::decode(KEY_B).unwrap()).unwrap().to_encoded_point(false);
        let both = [KEY_B, &hex::encode(long)].map(|key| parse(&a.replace(KEY_A, key).replace("'a'", "'b'")));
        assert_eq!(both[0].as_ref().unwrap().scheme, both[1].as_ref().unwrap().scheme);
        let no_point = KEY_B.replace("0272", "0572");
        let message = parse(&a.replace(KEY_A, &no_point).replace("'a'", "'b'")).unwrap_err();
        assert!(message.contains("no point"), "{message}");
        assert!(parse("calculated_by = 'terminal'\nscheme = 'null'").is_ok());
        let message = parse("calculated_by = 'card'\nscheme = 'null'\nrouting_indicator = '12345'");
        assert!(message.unwrap_err().contains("1 to 4"));
        assert!(parse("calculated_by = 'card'\nscheme = 'a'").unwrap_err().contains("need"));
    }
}
