//! The activation code: what a user would scan (SGP.22 clause 4.1).

use std::fmt;
use std::str::FromStr;

use crate::kernel::Blame;
use crate::kernel::text::is_disruptive;

/// Why text is no activation code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ActivationCodeError {
    #[error("an activation code has at most 255 characters, this has {found}")]
    TooLong { found: usize },
    #[error("an activation code of format 1 is LPA:1$address$token, this begins with {found:?}")]
    Format { found: String },
    #[error("an activation code has 3 to 5 parts between dollar signs, this has {found}")]
    Parts { found: usize },
    #[error("{found:?} is no address of an SM-DP+: a host name with no scheme and no path is expected")]
    Address { found: String },
    #[error(
        "{found:?} is no matching identifier: it has a dollar sign or a control character, or more than 255 bytes"
    )]
    Token { found: String },
    #[error("{found:?} is no object identifier: numbers and dots are expected")]
    Oid { found: String },
    #[error("the last part says with 1 that a confirmation code is needed, this is {found:?}")]
    Flag { found: String },
}

impl ActivationCodeError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        Blame::Bench
    }
}

/// An activation code of format 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationCode {
    /// FQDN of the SM-DP+, with `:port` where it is not 443.
    pub address: String,
    /// The matching identifier, which may be empty.
    pub token: String,
    /// The object identifier that the SM-DP+ has to have.
    pub oid: Option<String>,
    /// Whether the user has to type a code.
    pub confirmation_code_required: bool,
}

/// Checks that text is a host, with a port or without.
pub(super) fn check_address(text: &str) -> Result<(), ActivationCodeError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if !text.is_empty() && text.len() <= 253 && text.chars().all(allowed) {
        Ok(())
    } else {
        Err(ActivationCodeError::Address { found: text.to_owned() })
    }
}

/// Checks that text can be sent as a matching identifier. SGP.22 clause 4.1 has capital letters, digits and hyphens; servers
/// have others, and what is no identifier of theirs they refuse.
///
/// # Errors
/// [`ActivationCodeError::Token`] for what no activation code can hold.
pub fn check_token(text: &str) -> Result<(), ActivationCodeError> {
    match text.len() > 255 || text.contains(|c| c == '$' || is_disruptive(c)) {
        true => Err(ActivationCodeError::Token { found: text.to_owned() }),
        false => Ok(()),
    }
}

/// Whether text is a matching identifier as SGP.22 clause 4.1 has them.
pub fn is_standard_token(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-')
}

impl FromStr for ActivationCode {
    type Err = ActivationCodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = text.chars().count();
        if found > 255 {
            return Err(ActivationCodeError::TooLong { found });
        }
        let text = text.trim();
        let code = text.strip_prefix("LPA:").unwrap_or(text);
        let parts: Vec<&str> = code.split('$').collect();
        let (format, rest) = parts.split_first().unwrap_or((&"", &[]));
        if *format != "1" {
            return Err(ActivationCodeError::Format { found: (*format).to_owned() });
        }
        let part = |at: usize| rest.get(at).copied().unwrap_or_default();
        if !(2..=4).contains(&rest.len()) {
            return Err(ActivationCodeError::Parts { found: parts.len() });
        }
        let (address, token, oid, flag) = (part(0), part(1), part(2), part(3));
        check_address(address)?;
        check_token(token)?;
        if !oid.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(ActivationCodeError::Oid { found: oid.to_owned() });
        }
        let confirmation_code_required = match flag {
            "" | "0" => false,
            "1" => true,
            found => return Err(ActivationCodeError::Flag { found: found.to_owned() }),
        };
        Ok(Self {
            address: address.to_owned(),
            token: token.to_owned(),
            oid: (!oid.is_empty()).then(|| oid.to_owned()),
            confirmation_code_required,
        })
    }
}

impl fmt::Display for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LPA:1${}${}", self.address, self.token)?;
        match (&self.oid, self.confirmation_code_required) {
            (None, false) => Ok(()),
            (oid, false) => write!(f, "${}", oid.as_deref().unwrap_or_default()),
            (oid, true) => write!(f, "${}$1", oid.as_deref().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        // SGP.22 clause 4.1, with its four forms.
        let read = |text: &str| text.parse::<ActivationCode>();
        let plain = read("1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815").unwrap();
        assert_eq!(
            (plain.address.as_str(), plain.token.as_str()),
            ("SMDP.GSMA.COM", "04386-AGYFT-A74Y8-3F815")
        );
        assert_eq!((plain.oid, plain.confirmation_code_required), (None, false));
        let flag = read("LPA:1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$$1").unwrap();
        assert!(flag.confirmation_code_required);
        let both = read("1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746$1").unwrap();
        assert_eq!(both.oid.as_deref(), Some("1.3.6.1.4.1.31746"));
        let oid = read("1$SMDP.GSMA.COM$04386-AGYFT-A74Y8-3F815$1.3.6.1.4.1.31746").unwrap();
        assert!(!oid.confirmation_code_required);
        assert_eq!(read("LPA:1$SMDP.GSMA.COM$").unwrap().token, "");
        for code in [flag, both, oid] {
            assert_eq!(read(&code.to_string()), Ok(code));
        }
    }

    #[test]
    fn a_matching_identifier_is_the_servers_business() {
        let code: ActivationCode = "LPA:1$HOST$TS48v5_SAIP2.3_BERTLV_SUCI".parse().unwrap();
        assert_eq!(code.token, "TS48v5_SAIP2.3_BERTLV_SUCI");
        assert!(!is_standard_token(&code.token) && is_standard_token("TOKEN-1"));
        assert!(check_token("a$b").is_err() && check_token("Größe 1").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |text: &str| text.parse::<ActivationCode>().unwrap_err().to_string();
        assert!(said("2$a$b").contains("begins with \"2\""));
        assert!(said("LPA:1$a").contains("this has 2"));
        assert!(said("LPA:1$https://a/$b").contains("no scheme"));
        assert!(said("LPA:1$a$b\u{1b}c").contains("matching identifier"));
        assert!(said("LPA:1$a$b$x$1").contains("object identifier"));
        assert!(said("LPA:1$a$b$$yes").contains("\"yes\""));
        assert!(said(&format!("LPA:1$a${}", "b".repeat(250))).contains("at most 255"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(LPA:)?[12]?\\$?\\PC{0,60}") {
            if let Ok(code) = text.parse::<ActivationCode>() {
                prop_assert_eq!(code.to_string().parse::<ActivationCode>(), Ok(code));
            }
        }
    }
}
