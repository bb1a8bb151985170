//! Access point names (TS 23.003 clause 9.1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is no access point name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ApnError {
    #[error(
        "`apn` \"{apn}\" has the character {found:?}, and labels are letters, digits and hyphens (TS 23.003 clause 9.1)"
    )]
    Character { apn: String, found: char },
    #[error(
        "`apn` \"{apn}\" has a label of {length} characters, and labels have 1 to 63 (TS 23.003 clause 9.1); leave `apn` out, or empty, for the subscriber's default"
    )]
    Label { apn: String, length: usize },
    #[error(
        "`apn` \"{apn}\" has a label that begins or ends with a hyphen, which no label may (TS 23.003 clause 9.1)"
    )]
    Hyphen { apn: String },
    #[error(
        "`apn` \"{apn}\" takes {octets} octets, and a network identifier takes at most 63 (TS 23.003 clause 9.1.1)"
    )]
    Length { apn: String, octets: usize },
    #[error("`apn` \"{apn}\" {why} (TS 23.003 clause 9.1.1)")]
    Reserved { apn: String, why: &'static str },
}

/// The network identifier of an access point name: labels with dots between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Apn(String);

/// The longest label, and the longest network identifier, in octets with the length of each label.
const LABEL_MAX: usize = 63;
const IDENTIFIER_MAX: usize = 63;

impl Apn {
    /// The labels with dots between them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Apn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Apn> for String {
    fn from(apn: Apn) -> Self {
        apn.0
    }
}

impl TryFrom<String> for Apn {
    type Error = ApnError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Apn {
    type Err = ApnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let apn = || text.escape_debug().to_string();
        for label in text.split('.') {
            if let Some(found) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
                return Err(ApnError::Character { apn: apn(), found });
            }
            if !(1..=LABEL_MAX).contains(&label.len()) {
                return Err(ApnError::Label { apn: apn(), length: label.len() });
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(ApnError::Hyphen { apn: apn() });
            }
        }
        // One octet for the length of each label; the dots are not sent.
        let octets = text.len() + 1;
        if octets > IDENTIFIER_MAX {
            return Err(ApnError::Length { apn: apn(), octets });
        }
        let lower = text.to_ascii_lowercase();
        if ["rac", "lac", "sgsn", "rnc"].iter().any(|prefix| lower.starts_with(prefix)) {
            return Err(ApnError::Reserved { apn: apn(), why: "begins with rac, lac, sgsn or rnc" });
        }
        if lower.ends_with(".gprs") {
            return Err(ApnError::Reserved { apn: apn(), why: "ends in .gprs, as operator identifiers do" });
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_numbering_plan() {
        for good in ["internet", "iot.example", "a", "m2m-2.op", "INTERNET", &"a".repeat(62)] {
            assert_eq!(good.parse::<Apn>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("my_apn", "the character '_'"),
            ("", "leave `apn` out"),
            ("a..b", "a label of 0 characters"),
            (".a", "a label of 0 characters"),
            ("-a", "hyphen"),
            ("a-.b", "hyphen"),
            ("söl", "the character 'ö'"),
            ("rac1", "begins with rac"),
            ("x.gprs", "ends in .gprs"),
            (&"a".repeat(64), "a label of 64 characters"),
            (&"a".repeat(63), "takes 64 octets"),
            (&["a".repeat(40), "b".repeat(40)].join("."), "takes 82 octets"),
        ] {
            let message = bad.parse::<Apn>().unwrap_err().to_string();
            assert!(message.contains(why), "{bad}: {message}");
        }
    }
}
