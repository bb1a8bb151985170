//! What an eUICC answers to a bound profile package, in words, and what the device compares before it hands one over
//! (SGP.22 clauses 2.5.6, 3.1.3.3 and 5.7.6).

use crate::wire::rsp::{BoundProfilePackage, ProfileMetadata};
use crate::wire::saip::{EuiccResponse, PeStatus, PeStatusCode};

/// Bytes of the MAC behind each protected segment.
const MAC: usize = 8;

/// Whether the metadata that `package` will have stored are those that were `accepted`: they are in the clear, behind
/// each segment a MAC. What cannot be read is left to the eUICC, which refuses it.
pub(super) fn is_as_accepted(package: &BoundProfilePackage, accepted: &ProfileMetadata) -> bool {
    let parts = package.store_metadata.iter();
    let bytes: Vec<u8> = parts.flat_map(|part| &part[..part.len().saturating_sub(MAC)]).copied().collect();
    ProfileMetadata::parse(&bytes).is_ok_and(|bound| bound == *accepted)
        || ProfileMetadata::parse(&bytes).is_err()
}

/// What an `EUICCResponse` says of the profile elements that could not be processed; none where it says nothing.
pub(super) fn element_at_fault(response: &[u8]) -> Option<String> {
    let response = EuiccResponse::decode(response).ok()?;
    let of = |status: &PeStatus| {
        let element =
            status.identification.map(|number| format!("the profile element with identification {number}"));
        let offset = status.offset.map(|offset| format!(", byte {offset} of it")).unwrap_or_default();
        format!("{}{offset}: {}", element.as_deref().unwrap_or("the profile header"), status.status)
    };
    let bad = response.statuses.iter().filter(|status| status.status != PeStatusCode::OK);
    let mut said: Vec<String> = bad.map(of).collect();
    said.extend(response.message.map(|message| format!("{message:?}")));
    (!said.is_empty()).then(|| said.join(", "))
}

/// BppCommandId.
pub(super) fn command_name(number: u64) -> &'static str {
    match number {
        0 => "initialiseSecureChannel",
        1 => "configureISDP",
        2 => "storeMetadata",
        3 => "storeMetadata2",
        4 => "replaceSessionKeys",
        5 => "loadProfileElements",
        _ => "an unknown command",
    }
}

/// ErrorReason.
pub(super) fn reason_name(code: u64) -> &'static str {
    match code {
        1 => "incorrect-input-values",
        2 => "invalid-signature",
        3 => "invalid-transaction-id",
        4 => "unsupported-crt-values",
        5 => "unsupported-remote-operation-type",
        6 => "unsupported-profile-class",
        7 => "scp03t-structure-error",
        8 => "scp03t-security-error",
        9 => "iccid-already-exists-on-euicc",
        10 => "insufficient-memory",
        11 => "interruption",
        12 => "profile-element-processing-error",
        13 => "iccid-mismatch",
        14 => "test-profile-with-invalid-naa-key",
        15 => "ppr-not-allowed",
        _ => "unknown-error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_card_says_of_an_element_is_told() {
        let status = PeStatus {
            status: PeStatusCode::FEATURE_NOT_SUPPORTED,
            identification: Some(11),
            additional: None,
            offset: Some(9),
        };
        let response = EuiccResponse {
            statuses: vec![PeStatus::OK, status],
            aborted: true,
            message: Some("element 10".to_owned()),
            extra: Vec::new(),
        };
        assert_eq!(
            element_at_fault(&response.encode()).unwrap(),
            "the profile element with identification 11, byte 9 of it: feature-not-supported (10), \"element 10\""
        );
        assert_eq!(element_at_fault(&EuiccResponse::installed(&[]).encode()), None);
        assert_eq!(element_at_fault(&[0x30, 0x05]), None);
    }
}
