//! Why a server refuses a function: subject and reason codes of SGP.22 clause 5.2.6, as the functions of clauses
//! 5.3, 5.6 and 5.8 use them.

use std::fmt;

macro_rules! reasons {
    ($($name:ident = $word:literal, $subject:literal, $reason:literal, $sentence:literal;)*) => {
        /// A reason with its codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// Whom or what the reason is about.
            pub const fn subject_code(self) -> &'static str {
                match self { $(Self::$name => $subject,)* }
            }

            /// What is wrong with it.
            pub const fn reason_code(self) -> &'static str {
                match self { $(Self::$name => $reason,)* }
            }

            /// The sentence for people.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    Malformed = "malformed", "1.3.1", "2.1", "The request is malformed.";
    NotJson = "not-json", "1.3.1", "2.1", "The body is no JSON object.";
    NotAuthenticated = "not-authenticated", "1.1", "1.1", "The requester has not shown who it is.";
    NotTheOwner = "not-the-owner", "1.1", "1.2", "It belongs to another requester.";
    FieldMissing = "field-missing", "1.3.1", "2.2", "A mandatory field of the request is missing.";
    UnknownFunction = "unknown-function", "1.6", "3.1", "The function is not offered here.";
    NotKept = "not-kept", "1.2", "4.2", "The server could not keep its state; nothing was changed.";
    Busy = "busy", "1.2", "3.7", "The server has as many sessions open as it takes.";
    EuiccSignature = "euicc-signature", "8.1", "6.1", "The eUICC's signature does not verify, or it is not over what this server sent.";
    EuiccReportsError = "euicc-reports-error", "8.1", "4.2", "The eUICC reports an error.";
    EuiccMemory = "euicc-memory", "8.1", "4.8", "The eUICC has too little free memory for the profile.";
    EidMismatch = "eid-mismatch", "8.1.1", "3.8", "The order is for another EID.";
    EidMissing = "eid-missing", "8.1.1", "2.2", "The order needs an EID: it names an SM-DS, or has an empty matching identifier.";
    EidOther = "eid-other", "8.1.1", "3.10", "The ICCID belongs to another EID.";
    EumCertificate = "eum-certificate", "8.1.2", "6.1", "The EUM's certificate does not verify.";
    EumCertificateExpired = "eum-certificate-expired", "8.1.2", "6.3", "The EUM's certificate has expired.";
    EuiccCertificate = "euicc-certificate", "8.1.3", "6.1", "The eUICC's certificate does not verify.";
    EuiccCertificateExpired = "euicc-certificate-expired", "8.1.3", "6.3", "The eUICC's certificate has expired.";
    NotReleased = "not-released", "8.2", "1.2", "The profile has not been released.";
    NoNewBinding = "no-new-binding", "8.2", "3.7", "The bound profile package cannot be bound again.";
    IccidUnknown = "iccid-unknown", "8.2.1", "3.9", "There is no profile with this ICCID.";
    IccidInUse = "iccid-in-use", "8.2.1", "3.3", "The profile with this ICCID is in use.";
    WrongState = "wrong-state", "8.2.1", "3.5", "The state of the profile does not allow this.";
    TypeUnknown = "profile-type-unknown", "8.2.5", "3.9", "The profile type is unknown.";
    TypeMismatch = "profile-type-mismatch", "8.2.5", "3.8", "The profile is of another type.";
    TypeExhausted = "profile-type-exhausted", "8.2.5", "3.7", "No profile of this type is left.";
    NoEligibleProfile = "no-eligible-profile", "8.2.5", "4.3", "The profile does not suit this eUICC.";
    MatchingIdRefused = "matching-id-refused", "8.2.6", "3.8", "No order waits under this matching identifier.";
    MatchingIdInUse = "matching-id-in-use", "8.2.6", "3.3", "The matching identifier is in use.";
    MatchingIdOther = "matching-id-other", "8.2.6", "3.10", "The ICCID belongs to another matching identifier.";
    CodeMissing = "confirmation-code-missing", "8.2.7", "2.2", "The confirmation code is missing.";
    CodeRefused = "confirmation-code-refused", "8.2.7", "3.8", "The confirmation code is wrong.";
    CodeExhausted = "confirmation-code-exhausted", "8.2.7", "6.4", "The confirmation code was wrong too often.";
    SmdpOid = "smdp-oid", "8.8", "3.10", "The object identifier is not that of this SM-DP+.";
    SmdpAddress = "smdp-address", "8.8.1", "3.8", "The address is not that of this SM-DP+.";
    SmdpNoSigningCi = "smdp-no-signing-ci", "8.8.2", "3.1", "This SM-DP+ trusts no CI under which the eUICC signs.";
    SmdpVersion = "smdp-version", "8.8.3", "3.1", "This SM-DP+ does not support the eUICC's version of SGP.22.";
    SmdpNoCertificate = "smdp-no-certificate", "8.8.4", "3.7", "This SM-DP+ has no valid certificate from a CI that the eUICC verifies.";
    OrderExpired = "order-expired", "8.8.5", "4.10", "The order has expired.";
    DownloadsExhausted = "downloads-exhausted", "8.8.5", "6.4", "The order was tried too often.";
    SmdsAddress = "smds-address", "8.9.1", "3.8", "The address is not that of this SM-DS.";
    SmdsNoSigningCi = "smds-no-signing-ci", "8.9.2", "3.1", "This SM-DS trusts no CI under which the eUICC signs.";
    SmdsVersion = "smds-version", "8.9.3", "3.1", "This SM-DS does not support the eUICC's version of SGP.22.";
    SmdsNoCertificate = "smds-no-certificate", "8.9.4", "3.7", "This SM-DS has no valid certificate from a CI that the eUICC verifies.";
    SmdsNotAllowed = "smds-not-allowed", "8.9", "3.8", "This SM-DP+ tells no such SM-DS.";
    EventUnknown = "event-unknown", "8.9.5", "3.9", "There is no such event for this EID.";
    EventInUse = "event-in-use", "8.9.5", "3.3", "The event identifier is in use.";
    TransactionUnknown = "transaction-unknown", "8.10.1", "3.9", "There is no such session, or it is in another step.";
    CiUnknown = "ci-unknown", "8.11.1", "3.9", "The CI is not trusted here.";
}

/// A function that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FunctionRefusal {
    /// The reason, with its codes of SGP.22.
    pub reason: Reason,
    /// What exactly, where there is more to say than the reason does.
    pub detail: Option<String>,
}

impl FunctionRefusal {
    /// The reason, with what there is to say beside it.
    pub fn new(reason: Reason, detail: impl fmt::Display) -> Self {
        Self { reason, detail: Some(detail.to_string()) }
    }
}

impl From<Reason> for FunctionRefusal {
    fn from(reason: Reason) -> Self {
        Self { reason, detail: None }
    }
}

impl fmt::Display for FunctionRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.sentence())?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, " {detail}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_and_codes_are_well_formed_and_words_are_unique() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            for code in [reason.subject_code(), reason.reason_code()] {
                assert!(code.split('.').all(|part| part.parse::<u8>().is_ok()), "{code}");
            }
            assert!(reason.word().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            assert!(reason.sentence().ends_with('.'));
            assert!(crate::wire::Reason::of(reason.word()).is_known(), "{}", reason.word());
        }
    }
}
