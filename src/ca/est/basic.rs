//! Client authentication by HTTP: the Basic scheme (RFC 7617), which TLS carries (RFC 7030 section 3.2.3).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The value of an Authorization header field with user name and password.
pub fn basic_authorization(user: &str, password: &str) -> String {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    format!("Basic {}", STANDARD.encode(pair.as_bytes()))
}

/// What a client gives as its user name and password.
pub struct Credentials {
    /// The user name.
    pub user: String,
    password: Zeroizing<String>,
}

impl Credentials {
    /// Reads the value of an Authorization header field; `None` where it is of another scheme or malformed.
    pub fn parse(authorization: &str) -> Option<Self> {
        let (scheme, token) = authorization.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = Zeroizing::new(STANDARD.decode(token.trim()).ok()?);
        let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(Self { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) })
    }

    /// Whether the password is `expected`. How long the comparison takes says nothing of where they differ, nor of how
    /// long `expected` is.
    pub fn has_password(&self, expected: &str) -> bool {
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        verify_slices_are_equal(&digest(&self.password), &digest(expected)).is_ok()
    }
}

impl fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?})", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_specification_is_read() {
        // RFC 7617 section 2.
        let credentials = Credentials::parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap();
        assert_eq!(credentials.user, "Aladdin");
        assert!(credentials.has_password("open sesame"));
        for wrong in ["", "open sesam", "open sesame ", "Open sesame"] {
            assert!(!credentials.has_password(wrong), "{wrong:?}");
        }
        assert_eq!(format!("{credentials:?}"), "Credentials(\"Aladdin\")");
        // Section 2.1: with UTF-8, the user `test` and the password 123£.
        let credentials = Credentials::parse("basic dGVzdDoxMjPCow==").unwrap();
        assert!(credentials.user == "test" && credentials.has_password("123£"));
    }

    #[test]
    fn what_is_no_basic_authentication_is_none() {
        for wrong in ["", "Basic", "Basic !", "Bearer QWxhZGRpbjpvcGVu", "Basic QWxhZGRpbg==", "Digest a=b"] {
            assert!(Credentials::parse(wrong).is_none(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_credentials_or_none(bytes in bent(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_vec())) {
            let text = String::from_utf8_lossy(&bytes);
            if let Some(credentials) = Credentials::parse(&text) {
                let pair = format!("{}:{}", credentials.user, *credentials.password);
                let again = Credentials::parse(&format!("Basic {}", STANDARD.encode(pair))).unwrap();
                prop_assert!(again.user == credentials.user && again.has_password(&credentials.password));
                prop_assert!(!credentials.user.contains(':'));
            }
        }
    }
}
