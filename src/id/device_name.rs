//! The name under which a device is known to others than its operator.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::IdError;

/// A name that says nothing of what it names: a UUID of version 4 (RFC 9562 section 5.4), drawn once for each device.
///
/// It stands in certificates, client identifiers and topics. Who is behind it the operator's inventory knows, and
/// nobody can work it out from ICCID, IMSI or EID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName([u8; 16]);

/// What stands before a UUID in its URN (RFC 9562 section 4).
const URN: &str = "urn:uuid:";
/// Where the text of a UUID has its hyphens.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl DeviceName {
    /// The name that these random octets give: version and variant take the place of six of their bits.
    pub fn from_random(mut octets: [u8; 16]) -> Self {
        octets[6] = octets[6] & 0x0f | 0x40;
        octets[8] = octets[8] & 0x3f | 0x80;
        Self(octets)
    }

    /// The name as a URI.
    pub fn urn(&self) -> String {
        format!("{URN}{self}")
    }

    /// The name that a URI of this form holds.
    ///
    /// # Errors
    /// [`IdError::Form`] where it is no such URI.
    pub fn from_urn(uri: &str) -> Result<Self, IdError> {
        uri.strip_prefix(URN).ok_or(FORM)?.parse()
    }
}

const FORM: IdError =
    IdError::Form { kind: "a device's name", expected: "a UUID of version 4 in lower-case digits" };

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            if [4, 6, 8, 10].contains(&at) {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for DeviceName {
    type Err = IdError;
    /// Only the one spelling that `Display` writes is taken, so that two texts are one name only where they are equal.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let hyphens = text.match_indices('-').map(|(at, _)| at);
        if text.len() != 36 || !hyphens.eq(HYPHENS) {
            return Err(FORM);
        }
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let mut octets = [0; 16];
        hex::decode_to_slice(&digits, &mut octets).map_err(|_| FORM)?;
        let name = Self::from_random(octets);
        if name.to_string() == text { Ok(name) } else { Err(FORM) }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> String {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_have_one_spelling() {
        // RFC 9562 appendix A.3.
        let text = "919108f7-52d1-4320-9bac-f847db4148a8";
        let name: DeviceName = text.parse().unwrap();
        assert_eq!(name.to_string(), text);
        assert_eq!(name.urn(), format!("urn:uuid:{text}"));
        assert_eq!(DeviceName::from_urn(&name.urn()), Ok(name));
        for wrong in [
            text.to_uppercase(),
            text.replace('-', ""),
            text.replace("-4320-", "-7320-"),
            text.replace("-9bac-", "-1bac-"),
            format!("{text}0"),
            name.urn(),
            String::new(),
        ] {
            assert_eq!(wrong.parse::<DeviceName>(), Err(FORM), "{wrong}");
        }
        assert!(DeviceName::from_urn(text).is_err());
    }

    proptest! {
        #[test]
        fn what_is_drawn_is_a_name_and_what_is_no_name_is_refused(octets in any::<[u8; 16]>(), text in "\\PC{0,40}") {
            let name = DeviceName::from_random(octets);
            prop_assert_eq!(name.to_string().parse(), Ok(name));
            if let Ok(read) = text.parse::<DeviceName>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
