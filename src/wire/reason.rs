//! Why somebody said no: every reason that ends a step, or that a service gives, with its stable word.
//!
//! The words are part of scenario files and of results: they never change their meaning. A number or a foreign name is
//! a field of a reason and no part of what it is. What a peer says that nobody here knows is [`Reason::Foreign`].

use std::fmt;

/// Who finds a reason, or hands it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The modem, of what the network does to it.
    Modem,
    /// The device's application.
    Device,
    /// TCP, TLS or MQTT below it.
    Connection,
    /// Registrar, enrolment or cloud.
    Service,
    /// The ledger's contract.
    Ledger,
    /// SM-DP+ or SM-DS (SGP.22 clause 5.2.6).
    EsimServer,
    /// The eUICC (SGP.22 clause 5.7, SGP.32 clause 5.9).
    Euicc,
    /// The local profile assistant, or the IPA.
    Assistant,
}

macro_rules! reasons {
    ($($name:ident = $word:literal, [$($origin:ident),+], $meaning:literal;)*) => {
        /// A reason. `Display` writes it as one word, which [`Reason::of`] reads.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = $meaning] $name,)*
            /// The network rejects the attach with this EMM cause (TS 24.301 clause 9.9.3.9).
            EmmCause(u8),
            /// The network rejects the session with this ESM cause (TS 24.301 clause 9.9.4.4).
            EsmCause(u8),
            /// A service answers with this HTTP status and says no more.
            Http(u16),
            /// EST answers with this HTTP status and no word.
            Est(u16),
            /// TLS ended with this alert (RFC 8446 clause 6), as in `bad-certificate`.
            TlsAlert(Text),
            /// MQTT ended with this reason code (MQTT 5.0 clause 2.4), as in `not-authorized`.
            Mqtt(Text),
            /// A word of a peer that is none of these.
            Foreign(Text),
        }

        /// Every reason that has no field.
        const TABLE: &[(Reason, &str, &[Origin], &str)] =
            &[$((Reason::$name, $word, &[$(Origin::$origin),+], $meaning),)*];

        impl Reason {
            fn word(&self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($word),)*
                    _ => None,
                }
            }

            fn of_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    AuthenticationReject = "authentication-reject", [Modem], "The network did not accept the card's answer to its challenge.";
    MacFailure = "mac-failure", [Modem], "The card found the MAC of the challenge wrong: the keys of network and card differ.";
    SyncFailure = "sync-failure", [Modem], "The sequence number of the challenge is not fresh, and resynchronisation did not help.";
    NonEpsAuthentication = "non-eps-authentication", [Modem], "The challenge is not for EPS: the separation bit of AMF is not set.";
    SecurityModeReject = "security-mode-reject", [Modem], "The modem refused the security algorithms that the network chose.";
    CellBarred = "cell-barred", [Modem], "The network failed authentication, so that the modem bars its cell.";
    EsmFailure = "esm-failure", [Modem], "The network accepted the attach without a usable bearer.";
    LowerLayerFailure = "lower-layer-failure", [Modem], "The radio connection was lost or never came about.";
    TimeoutT3410 = "timeout-t3410", [Modem], "The network did not answer the attach request in 15 s.";
    NetworkDetach = "network-detach", [Modem], "The network detached the device.";
    Timeout = "timeout", [Device], "The step was not done in its time, and nobody said no.";
    CardRefused = "card-refused", [Device], "The card's IoT SAFE applet refuses a command.";
    NoKey = "no-key", [Device], "The step `keys` was not run.";
    KeyMismatch = "key-mismatch", [Device], "The card answers with another public key than the one that it made.";
    ServerNotOnLedger = "server-not-on-ledger", [Device], "The ledger does not vouch for the certificate that the server shows.";
    NoCertificate = "no-certificate", [Device], "The step `enrol` was not run.";
    MalformedOffer = "malformed-offer", [Device], "The registrar's offer is not what it should be.";
    MalformedAnswer = "malformed-answer", [Device], "A service's answer cannot be read.";
    TrustAnchorMismatch = "trust-anchor-mismatch", [Device], "EST's CA certificates lack the trust anchor of the card.";
    EnrolmentPending = "enrolment-pending", [Device], "EST asks to come again later, and the step has no time for that.";
    BadEstResponse = "bad-est-response", [Device], "EST's answer cannot be used.";
    RolledBack = "rolled-back", [Device], "The new profile failed, and the card has enabled the profile before.";
    NoEimPackage = "no-eim-package", [Device], "The eIM has nothing for this card.";
    FirmwareUnusable = "firmware-unusable", [Device], "The device takes no updates, or has nothing left that it could start.";
    FirmwareRolledBack = "firmware-rolled-back", [Device], "The new firmware did not show that it works, and the one before runs again.";
    FirmwareFailedBefore = "firmware-failed-before", [Device], "The firmware was tried before and did not work.";
    FirmwareNotOnLedger = "firmware-not-on-ledger", [Device], "The ledger has no release with this manifest.";
    FirmwareWithdrawn = "firmware-withdrawn", [Device, Ledger], "The release was withdrawn.";
    FirmwareMismatch = "firmware-mismatch", [Device, Ledger], "The release on the ledger is of another image, component or model.";
    FirmwareOlder = "firmware-older", [Device, Ledger], "The firmware is not newer than what runs, or older than the model has to run.";
    FirmwareUnknown = "firmware-unknown", [Ledger], "Nobody has published the firmware that the device reports.";
    LedgerProofInvalid = "ledger-proof-invalid", [Device], "What is shown of the ledger proves nothing, or is older than what was seen of it.";
    ManifestMalformed = "manifest-malformed", [Device], "The manifest of the update is none, or was changed.";
    ManifestUntrusted = "manifest-untrusted", [Device], "Nobody whose word counts has signed the manifest of the update.";
    ManifestUnsupported = "manifest-unsupported", [Device], "The manifest of the update asks for what the device cannot do.";
    ManifestNotForDevice = "manifest-not-for-device", [Device], "The manifest of the update is for other devices.";
    ManifestConditionFails = "manifest-condition-fails", [Device], "A condition of the manifest does not hold.";
    ImageMismatch = "image-mismatch", [Device], "The image is not the one of the manifest.";
    UnknownServer = "unknown-server", [Device], "The profile is at a server that is none of this lab.";
    ConnectionRefused = "connection-refused", [Connection], "Nobody listens at the service's address and port.";
    ConnectionReset = "connection-reset", [Connection], "The peer has reset the connection.";
    ConnectionTimeout = "connection-timeout", [Connection], "The peer does not answer.";
    ConnectionClosed = "connection-closed", [Connection], "The peer ended the connection before it had answered.";
    ConnectionFailed = "connection-failed", [Connection], "The connection failed otherwise.";
    MalformedRequest = "malformed-request", [Service], "A service cannot read the request.";
    NotFound = "not-found", [Service], "The service has nothing at this path.";
    MethodNotAllowed = "method-not-allowed", [Service], "The service does not take this method at this path.";
    TooManyRequests = "too-many-requests", [Service], "The device has asked for more than a device needs.";
    NotInInventory = "not-in-inventory", [Service], "The card behind the session was never ordered.";
    SessionPolicy = "session-policy", [Service], "The session is for onboarding only, and the service is for subscribers.";
    MalformedClaim = "malformed-claim", [Service], "The registrar cannot read the claim.";
    BadModel = "bad-model", [Service], "The inventory has a model that the ledger does not take.";
    IdentityMismatch = "identity-mismatch", [Service], "The claim or key is for another device than the one behind the session.";
    NoOtaKeys = "no-ota-keys", [Service], "The operator cannot reach the card over the air, so that the card cannot prove its key.";
    CardProofMissing = "card-proof-missing", [Service], "The card has given no proof of receipt: it is not the one that was asked, or takes no packets.";
    CardProofWrong = "card-proof-wrong", [Service], "What was presented as the card's proof is not from this card, or not for this session.";
    CardProofStale = "card-proof-stale", [Service], "The registrar has asked nothing in this session, or too long ago.";
    CardReportsError = "card-reports-error", [Service], "The card says in its proof that it has not told its key.";
    BadCsr = "bad-csr", [Service], "The CSR is not in order.";
    CsrNotBound = "csr-not-bound", [Service], "The CSR was not signed for this TLS session.";
    NameMismatch = "name-mismatch", [Service], "The CSR asks for another name than its client has.";
    AuthorityAsked = "authority-asked", [Service], "The CSR asks for a certificate that could sign others.";
    ClientCertificateRequired = "client-certificate-required", [Service], "Re-enrolment needs mutual TLS with the certificate before.";
    CertificateNotOurs = "certificate-not-ours", [Service], "The client's certificate is none that this authority has issued.";
    CertificateRevoked = "certificate-revoked", [Service], "The client's certificate is revoked.";
    CertificateExpired = "certificate-expired", [Service], "The client's certificate has expired, or is not valid yet.";
    NotAuthenticated = "not-authenticated", [Service, EsimServer], "The client has not shown who it is.";
    TooManyFailures = "too-many-failures", [Service], "Wrong credentials were given too often.";
    MalformedReport = "malformed-report", [Service], "The service cannot read what a device reports of its firmware.";
    CampaignStopped = "campaign-stopped", [Service], "The update failed on too many devices, and nobody gets it any more.";
    KeyNotOnLedger = "key-not-on-ledger", [Service], "Nobody has registered the key that signed the CSR.";
    NotOnAllowList = "not-on-allow-list", [Service], "The owner does not expect this device.";
    ClientIdentityMismatch = "client-identity-mismatch", [Service], "The certificate names another MQTT client.";
    DeviceNotOnLedger = "device-not-on-ledger", [Service], "The ledger has no record of the device.";
    CertificateSuperseded = "certificate-superseded", [Service], "The ledger has another certificate for the device.";
    IdentityAlreadyRegistered = "identity-already-registered", [Ledger, Service], "Another key is registered for this identity.";
    KeyAlreadyRegistered = "key-already-registered", [Ledger], "This key is registered for another identity.";
    BadSignature = "bad-signature", [Ledger, Service], "The card's signature is wrong: not by its key, or not over this registration.";
    NotAuthorised = "not-authorised", [Ledger], "The contract does not allow this to the account.";
    BadIdentity = "bad-identity", [Ledger], "The contract does not take the identity.";
    BadGeneration = "bad-generation", [Ledger], "The contract does not take this count of the card's keys.";
    WrongState = "wrong-state", [Ledger, EsimServer], "The state of the device on the ledger, or of the profile at the SM-DP+, does not allow this.";
    Reverted = "reverted", [Ledger], "The contract refuses, and does not say why.";
    Halted = "halted", [Ledger], "The execution of the transaction was cut short.";
    InvalidTransaction = "invalid-transaction", [Ledger], "The transaction could not be part of a block.";
    DeviceNone = "device-none", [Service], "The ledger has this device as none.";
    DeviceRegistered = "device-registered", [Service], "The ledger has this device as registered.";
    DeviceActive = "device-active", [Service], "The ledger has this device as active.";
    DeviceQuarantined = "device-quarantined", [Service], "The ledger has this device as quarantined.";
    DeviceRevoked = "device-revoked", [Service], "The ledger has this device as revoked.";
    DeviceRetired = "device-retired", [Service], "The ledger has this device as retired.";
    EquipmentMismatch = "equipment-mismatch", [Service], "The card is in a device of another model than the one that it was ordered for.";
    Suspected = "suspected", [Service], "A guard finds that the traffic of the device is not what it was.";
    Malformed = "malformed", [EsimServer], "The request is malformed.";
    FieldMissing = "field-missing", [EsimServer], "A mandatory field of the request is missing.";
    UnknownFunction = "unknown-function", [EsimServer], "The function is not offered here.";
    NotKept = "not-kept", [EsimServer], "The server could not keep its state; nothing was changed.";
    Busy = "busy", [EsimServer, Service], "The server has as many sessions open as it takes.";
    EuiccSignature = "euicc-signature", [EsimServer], "The eUICC's signature does not verify, or it is not over what this server sent.";
    EuiccReportsError = "euicc-reports-error", [EsimServer], "The eUICC reports an error.";
    EuiccMemory = "euicc-memory", [EsimServer], "The eUICC has too little free memory for the profile.";
    EidMismatch = "eid-mismatch", [EsimServer], "The order is for another EID.";
    EidMissing = "eid-missing", [EsimServer], "The order needs an EID: it names an SM-DS, or has an empty matching identifier.";
    EidOther = "eid-other", [EsimServer], "The ICCID belongs to another EID.";
    EumCertificate = "eum-certificate", [EsimServer], "The EUM's certificate does not verify.";
    EumCertificateExpired = "eum-certificate-expired", [EsimServer], "The EUM's certificate has expired.";
    EuiccCertificate = "euicc-certificate", [EsimServer], "The eUICC's certificate does not verify.";
    EuiccCertificateExpired = "euicc-certificate-expired", [EsimServer], "The eUICC's certificate has expired.";
    NotReleased = "not-released", [EsimServer], "The profile has not been released.";
    NoNewBinding = "no-new-binding", [EsimServer], "The bound profile package cannot be bound again.";
    IccidUnknown = "iccid-unknown", [EsimServer], "There is no profile with this ICCID.";
    IccidInUse = "iccid-in-use", [EsimServer], "The profile with this ICCID is in use.";
    ProfileTypeUnknown = "profile-type-unknown", [EsimServer], "The profile type is unknown.";
    ProfileTypeMismatch = "profile-type-mismatch", [EsimServer], "The profile is of another type.";
    ProfileTypeExhausted = "profile-type-exhausted", [EsimServer], "No profile of this type is left.";
    NoEligibleProfile = "no-eligible-profile", [EsimServer], "The profile does not suit this eUICC.";
    MatchingIdRefused = "matching-id-refused", [EsimServer], "No order waits under this matching identifier.";
    MatchingIdInUse = "matching-id-in-use", [EsimServer], "The matching identifier is in use.";
    MatchingIdOther = "matching-id-other", [EsimServer], "The ICCID belongs to another matching identifier.";
    ConfirmationCodeMissing = "confirmation-code-missing", [EsimServer], "The confirmation code is missing.";
    ConfirmationCodeRefused = "confirmation-code-refused", [EsimServer], "The confirmation code is wrong.";
    ConfirmationCodeExhausted = "confirmation-code-exhausted", [EsimServer], "The confirmation code was wrong too often.";
    SmdpOid = "smdp-oid", [EsimServer], "The object identifier is not that of this SM-DP+.";
    SmdpAddress = "smdp-address", [EsimServer], "The address is not that of this SM-DP+.";
    SmdpNoSigningCi = "smdp-no-signing-ci", [EsimServer], "This SM-DP+ trusts no CI under which the eUICC signs.";
    SmdpVersion = "smdp-version", [EsimServer], "This SM-DP+ does not support the eUICC's version of SGP.22.";
    SmdpNoCertificate = "smdp-no-certificate", [EsimServer], "This SM-DP+ has no valid certificate from a CI that the eUICC verifies.";
    OrderExpired = "order-expired", [EsimServer], "The order has expired.";
    DownloadsExhausted = "downloads-exhausted", [EsimServer], "The order was tried too often.";
    SmdsAddress = "smds-address", [EsimServer], "The address is not that of this SM-DS.";
    SmdsNoSigningCi = "smds-no-signing-ci", [EsimServer], "This SM-DS trusts no CI under which the eUICC signs.";
    SmdsVersion = "smds-version", [EsimServer], "This SM-DS does not support the eUICC's version of SGP.22.";
    SmdsNoCertificate = "smds-no-certificate", [EsimServer], "This SM-DS has no valid certificate from a CI that the eUICC verifies.";
    NotJson = "not-json", [EsimServer], "The body of the request is no JSON object.";
    NotTheOwner = "not-the-owner", [EsimServer], "The order or event belongs to another requester.";
    SmdsNotAllowed = "smds-not-allowed", [EsimServer], "The SM-DP+ does not tell this SM-DS.";
    EventUnknown = "event-unknown", [EsimServer], "There is no such event for this EID.";
    EventInUse = "event-in-use", [EsimServer], "The event identifier is in use.";
    TransactionUnknown = "transaction-unknown", [EsimServer], "There is no such session, or it is in another step.";
    CiUnknown = "ci-unknown", [EsimServer], "The CI is not trusted here.";
    CardUnreachable = "card-unreachable", [Assistant], "The card does not answer.";
    CardRefuses = "card-refuses", [Assistant], "The card answers with a status word that refuses.";
    NoEuicc = "no-euicc", [Assistant], "The card is no eUICC.";
    NoLogicalChannel = "no-logical-channel", [Assistant], "The card opens no logical channel.";
    CardAnswerMalformed = "card-answer-malformed", [Assistant], "The card's answer is malformed.";
    EuiccRefuses = "euicc-refuses", [Assistant], "The eUICC refuses a function.";
    ServerRefuses = "server-refuses", [Assistant], "The server refuses, for a reason outside SGP.22.";
    ServerFails = "server-fails", [Assistant], "The server answers with an HTTP status that is no success.";
    ServerAnswerMalformed = "server-answer-malformed", [Assistant], "The server's answer is malformed.";
    EimRefuses = "eim-refuses", [Assistant], "The eIM refuses a function.";
    NoAnswer = "no-answer", [Assistant], "The server does not answer.";
    ActivationCode = "activation-code", [Assistant], "The activation code is none.";
    NoSmdp = "no-smdp", [Assistant], "No SM-DP+ is named, and the eUICC has no default one.";
    OtherServer = "other-server", [Assistant], "Another server than the one that was asked has signed the answer.";
    OtherSmdpOid = "other-smdp-oid", [Assistant], "The certificate is of another SM-DP+ than the activation code names.";
    OtherMetadata = "other-metadata", [Assistant], "The bound package has other metadata than the profile that was accepted.";
    OtherSession = "other-session", [Assistant], "The answer is for another session.";
    ConfirmationCodeNeeded = "confirmation-code-needed", [Assistant], "The order needs a confirmation code, and none was given.";
    ProfileRefused = "profile-refused", [Assistant], "The user, or the policy of the device, refused the profile.";
    PolicyRuleNotAllowed = "policy-rule-not-allowed", [Assistant], "The eUICC does not allow a policy rule of the profile to its owner.";
    InstallationFailed = "installation-failed", [Assistant], "The eUICC did not install the profile.";
    NoInstallationResult = "no-installation-result", [Assistant], "The eUICC took the whole package and gave no result.";
    Ended = "ended", [Assistant], "The procedure has ended already.";
    UndefinedError = "undefined-error", [Euicc], "The eUICC gives no more precise reason.";
    RollbackNotAllowed = "rollback-not-allowed", [Euicc], "No rollback is allowed now.";
    CatBusy = "cat-busy", [Euicc], "A proactive session of the card is under way.";
    CommandError = "command-error", [Euicc], "The eUICC could not do the command.";
    IccidOrAidNotFound = "iccid-or-aid-not-found", [Euicc], "The eUICC has no such profile.";
    ProfileNotInDisabledState = "profile-not-in-disabled-state", [Euicc], "The profile is not disabled.";
    DisallowedByPolicy = "disallowed-by-policy", [Euicc], "A policy rule of a profile forbids it.";
    WrongProfileReenabling = "wrong-profile-reenabling", [Euicc], "Another profile than the one before would be enabled.";
    IncorrectInputValues = "incorrect-input-values", [Euicc], "The eUICC does not take the values.";
    ProfileChangeOngoing = "profile-change-ongoing", [Euicc], "A change of profiles is under way.";
    NothingToDelete = "nothing-to-delete", [Euicc], "There is nothing to delete.";
    EcallActive = "ecall-active", [Euicc], "An emergency call is under way.";
    ImmediateEnableNotAvailable = "immediate-enable-not-available", [Euicc], "Immediate enabling is not available.";
    NoSessionContext = "no-session-context", [Euicc], "The eUICC has no session for this.";
    InsufficientMemory = "insufficient-memory", [Euicc], "The eUICC has too little memory.";
    AssociatedEimAlreadyExists = "associated-eim-already-exists", [Euicc], "The eUICC has an eIM with this identifier.";
    CiPkUnknown = "ci-pk-unknown", [Euicc], "The eUICC does not trust the CI's key.";
    InvalidAssociationToken = "invalid-association-token", [Euicc], "The association token is not the eUICC's.";
    CounterValueOutOfRange = "counter-value-out-of-range", [Euicc], "The counter is out of range.";
    InvalidCertificate = "invalid-certificate", [Euicc], "The eUICC finds the server's certificate wrong.";
    InvalidSignature = "invalid-signature", [Euicc], "The eUICC finds a signature wrong.";
    UnsupportedCurve = "unsupported-curve", [Euicc], "The eUICC does not know the curve.";
    InvalidOid = "invalid-oid", [Euicc], "The object identifiers of the server's certificates differ.";
    EuiccChallengeMismatch = "euicc-challenge-mismatch", [Euicc], "The server signed another challenge than the eUICC's.";
    InvalidTransactionId = "invalid-transaction-id", [Euicc], "The transaction is another one.";
    UnsupportedCrtValues = "unsupported-crt-values", [Euicc], "The eUICC does not take the control reference template.";
    UnsupportedRemoteOperationType = "unsupported-remote-operation-type", [Euicc], "The eUICC does not know the remote operation.";
    UnsupportedProfileClass = "unsupported-profile-class", [Euicc], "The eUICC does not take profiles of this class.";
    Scp03tStructureError = "scp03t-structure-error", [Euicc], "A segment of the package has the wrong structure.";
    Scp03tSecurityError = "scp03t-security-error", [Euicc], "A segment of the package fails its MAC.";
    IccidAlreadyExistsOnEuicc = "iccid-already-exists-on-euicc", [Euicc], "The eUICC has a profile with this ICCID.";
    Interruption = "interruption", [Euicc], "The installation was interrupted.";
    ProfileElementProcessingError = "profile-element-processing-error", [Euicc], "A profile element could not be installed.";
    IccidMismatch = "iccid-mismatch", [Euicc], "The profile has another ICCID than its metadata.";
    TestProfileWithInvalidNaaKey = "test-profile-with-invalid-naa-key", [Euicc], "A test profile has a key that test profiles may not have.";
    PprNotAllowed = "ppr-not-allowed", [Euicc], "The eUICC does not allow a policy rule of the profile.";
    UnknownError = "unknown-error", [Euicc], "The eUICC gives no known reason.";
}

/// The alerts of TLS (RFC 8446 clause 6, RFC 5246 clause 7.2).
const TLS_ALERTS: [&str; 32] = [
    "close-notify",
    "unexpected-message",
    "bad-record-mac",
    "decryption-failed",
    "record-overflow",
    "decompression-failure",
    "handshake-failure",
    "no-certificate",
    "bad-certificate",
    "unsupported-certificate",
    "certificate-revoked",
    "certificate-expired",
    "certificate-unknown",
    "illegal-parameter",
    "unknown-ca",
    "access-denied",
    "decode-error",
    "decrypt-error",
    "protocol-version",
    "insufficient-security",
    "internal-error",
    "inappropriate-fallback",
    "user-canceled",
    "no-renegotiation",
    "missing-extension",
    "unsupported-extension",
    "unrecognized-name",
    "bad-certificate-status-response",
    "unknown-psk-identity",
    "certificate-required",
    "general-error",
    "no-application-protocol",
];

/// The reason codes with which MQTT ends or refuses something (MQTT 5.0 clause 2.4).
const MQTT_CODES: [&str; 37] = [
    "normal-disconnection",
    "disconnect-with-will-message",
    "unspecified-error",
    "malformed-packet",
    "protocol-error",
    "implementation-specific-error",
    "unsupported-protocol-version",
    "client-identifier-not-valid",
    "bad-user-name-or-password",
    "not-authorized",
    "server-unavailable",
    "server-busy",
    "banned",
    "server-shutting-down",
    "bad-authentication-method",
    "keep-alive-timeout",
    "session-taken-over",
    "topic-filter-invalid",
    "topic-name-invalid",
    "packet-identifier-in-use",
    "packet-identifier-not-found",
    "receive-maximum-exceeded",
    "topic-alias-invalid",
    "packet-too-large",
    "message-rate-too-high",
    "quota-exceeded",
    "administrative-action",
    "payload-format-invalid",
    "retain-not-supported",
    "qos-not-supported",
    "use-another-server",
    "server-moved",
    "shared-subscriptions-not-supported",
    "connection-rate-exceeded",
    "maximum-connect-time",
    "subscription-identifiers-not-supported",
    "wildcard-subscriptions-not-supported",
];

/// A word of somebody else: printable ASCII, the rest escaped, and cut off where it is long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Text(String);

impl Text {
    /// How many characters are kept.
    const MAX: usize = 64;

    /// The word that `text` is. What was made of a text stays as it is when it is read again.
    pub fn new(text: &str) -> Self {
        let mut kept = String::new();
        for c in text.chars() {
            match c {
                ' '..='~' => kept.push(c),
                _ => kept.extend(c.escape_unicode()),
            }
            if kept.len() >= Self::MAX {
                kept.truncate(Self::MAX);
                break;
            }
        }
        Self(kept)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Reason {
    /// The reason that a word names, whoever says it.
    pub fn of(text: &str) -> Self {
        Self::of_word(text)
            .or_else(|| Self::of_family(text))
            .unwrap_or_else(|| Self::Foreign(Text::new(text)))
    }

    fn of_family(text: &str) -> Option<Self> {
        let rest = |family: &str| text.strip_prefix(family);
        let read = if let Some(number) = rest("emm-cause-") {
            Self::EmmCause(number.parse().ok()?)
        } else if let Some(number) = rest("esm-cause-") {
            Self::EsmCause(number.parse().ok()?)
        } else if let Some(number) = rest("http-") {
            Self::Http(number.parse().ok()?)
        } else if let Some(number) = rest("est-") {
            Self::Est(number.parse().ok()?)
        } else if let Some(alert) = rest("tls-") {
            return Some(Self::TlsAlert(Text::new(alert)));
        } else {
            return Some(Self::Mqtt(Text::new(rest("mqtt-")?)));
        };
        // A number has one form: neither 08 nor +8 is 8.
        (read.to_string() == text).then_some(read)
    }

    /// Whether this can be expected of anybody: it is in the table, or a number, alert or code that there is.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Foreign(_) => false,
            Self::TlsAlert(alert) => TLS_ALERTS.contains(&alert.0.as_str()),
            Self::Mqtt(code) => MQTT_CODES.contains(&code.0.as_str()),
            _ => true,
        }
    }

    /// The words that have no field, in the order of the table.
    pub fn words() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(_, word, ..)| *word)
    }

    /// What a reason of the table means, in a sentence, and who gives it; `None` where it has a field.
    pub fn meaning(&self) -> Option<(&'static str, &'static [Origin])> {
        let row = TABLE.iter().find(|(reason, ..)| reason == self)?;
        Some((row.3, row.2))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmmCause(cause) => write!(f, "emm-cause-{cause}"),
            Self::EsmCause(cause) => write!(f, "esm-cause-{cause}"),
            Self::Http(status) => write!(f, "http-{status}"),
            Self::Est(status) => write!(f, "est-{status}"),
            Self::TlsAlert(alert) => write!(f, "tls-{alert}"),
            Self::Mqtt(code) => write!(f, "mqtt-{code}"),
            Self::Foreign(text) => write!(f, "{text}"),
            known => f.write_str(known.word().unwrap_or_default()),
        }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.to_string()
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self::of(&text)
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <String as serde::Deserialize>::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_word_is_unique_documented_and_read_back() {
        let words: BTreeSet<&str> = Reason::words().collect();
        assert_eq!(words.len(), TABLE.len());
        for (reason, word, _, meaning) in TABLE {
            assert_eq!((&Reason::of(word), reason.to_string().as_str()), (reason, *word));
            assert!(
                word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{word}"
            );
            assert!(meaning.ends_with('.') && !meaning.contains('\n'), "{word}: {meaning}");
            assert!(reason.meaning().is_some() && reason.is_known());
        }
    }

    #[test]
    fn a_number_is_a_field() {
        assert_eq!(Reason::of("emm-cause-8"), Reason::EmmCause(8));
        assert_eq!(Reason::of("esm-cause-27"), Reason::EsmCause(27));
        assert_eq!(Reason::of("http-503"), Reason::Http(503));
        assert_eq!(Reason::of("est-401"), Reason::Est(401));
        for text in ["emm-cause-08", "emm-cause-256", "emm-cause-", "emm-cause-+8", "Not-On-Allow-List", ""] {
            assert!(
                matches!(Reason::of(text), Reason::Foreign(_)) && !Reason::of(text).is_known(),
                "{text:?}"
            );
        }
        assert!(Reason::of("tls-bad-certificate").is_known() && !Reason::of("tls-bad-day").is_known());
        assert!(Reason::of("mqtt-not-authorized").is_known() && !Reason::of("mqtt-anything").is_known());
    }

    #[test]
    fn what_others_say_is_bounded_and_harmless() {
        let told = Reason::of(&format!("\u{1b}[31m\u{202e}{}", "x".repeat(1000))).to_string();
        assert!(told.len() <= Text::MAX && told.bytes().all(|b| (b' '..=b'~').contains(&b)), "{told}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in prop_oneof![
            any::<String>(),
            "(emm-cause|esm-cause|http|est|tls|mqtt)-[0-9a-z-]{0,80}",
        ]) {
            let reason = Reason::of(&text);
            prop_assert_eq!(Reason::of(&reason.to_string()), reason);
        }
    }
}
