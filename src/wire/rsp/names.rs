//! How messages of remote SIM provisioning are called in transcripts, read from their first tags.

use crate::wire::tlv;

/// What an ESipa message is called (SGP.32 clause 6.3); request and response have the same tag.
pub fn esipa(body: &[u8]) -> &'static str {
    match first_tag(body) {
        Some(0xbf39) => "InitiateAuthentication",
        Some(0xbf3a) => "GetBoundProfilePackage",
        Some(0xbf3b) => "AuthenticateClient",
        Some(0xbf3d) => "HandleNotification",
        Some(0xbf41) => "CancelSession",
        Some(0xbf4e) => "TransferEimPackage",
        Some(0xbf4f) => "GetEimPackage",
        Some(0xbf50) => "ProvideEimPackageResult",
        Some(_) => "unknown function",
        None => "empty",
    }
}

/// What an eIM package, or its result, inside an ESipa message is called (SGP.32 clauses 2.11.1 and 2.11.2). `None`
/// where the message carries none.
pub fn eim_package(body: &[u8]) -> Option<&'static str> {
    let (tag, _, inner) = tlv::header(body).ok()?;
    let first = match tag {
        0xbf4f => first_tag(inner)?,
        // The EID may stand before a result.
        0xbf50 => tlv::Reader::new(inner).flatten().map(|object| object.tag).find(|tag| *tag != 0x5a)?,
        _ => return None,
    };
    match first {
        0xbf51 => Some("euicc-package"),
        0xbf52 => Some("euicc-data"),
        0xbf54 => Some("profile-download-trigger"),
        // A result with notifications beside it, in the SEQUENCE that AUTOMATIC TAGS number 1 or that has its own tag.
        0x30 | 0xa0 | 0xa1 => Some("euicc-package-and-notifications"),
        0x02 => Some("none"),
        _ => None,
    }
}

fn first_tag(bytes: &[u8]) -> Option<u16> {
    tlv::header(bytes).ok().map(|(tag, ..)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn tags_tell_what_is_carried() {
        let body = hex::decode("bf4f03020101").unwrap();
        assert_eq!((esipa(&body), eim_package(&body)), ("GetEimPackage", Some("none")));
        let body = hex::decode("bf4f05bf5402a000").unwrap();
        assert_eq!(eim_package(&body), Some("profile-download-trigger"));
        // A request: the EID comes first.
        assert_eq!(eim_package(&hex::decode("bf4f035a0101").unwrap()), None);
        assert_eq!(
            eim_package(&hex::decode("bf50055a0101bf5400").unwrap()),
            Some("profile-download-trigger")
        );
        assert_eq!((esipa(&[]), eim_package(&[])), ("empty", None));
    }

    proptest::proptest! {
        /// The first tag is the name, and a package is in the two messages only that carry one.
        #[test]
        fn any_bytes_have_a_name(body in bent(hex::decode("bf50055a0101bf5400").unwrap())) {
            let tag = tlv::header(&body).ok().map(|(tag, ..)| tag);
            prop_assert_eq!(esipa(&body) == "empty", tag.is_none());
            prop_assert_eq!(esipa(&body) == "ProvideEimPackageResult", tag == Some(0xbf50));
            prop_assert!(eim_package(&body).is_none() || matches!(tag, Some(0xbf4f | 0xbf50)));
        }
    }
}
