//! Why the device's side did not get through.

use super::super::es9p::AnswerError;
use super::activation::ActivationCodeError;
use crate::card::PortError;
use crate::kernel::Blame;
use crate::wire::StatusWord;
use crate::wire::rsp::RspError;

/// Why a function of the eUICC or a procedure with it did not get through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum LpaError {
    #[error("{function}: {source}")]
    Port { function: &'static str, source: PortError },
    #[error("{function}: the card answers {status}")]
    Status { function: &'static str, status: StatusWord },
    #[error("there is no eUICC: SELECT of the ISD-R gives {status}")]
    NoEuicc { status: StatusWord },
    #[error("the card opens no logical channel: MANAGE CHANNEL gives {status}")]
    NoChannel { status: StatusWord },
    #[error("the card's answer is malformed: {0}")]
    Card(#[from] RspError),
    #[error("{function}: the eUICC refuses: {word} ({code})")]
    Euicc { function: &'static str, code: u64, word: &'static str },
    #[error(transparent)]
    Server(#[from] AnswerError),
    #[error("the eIM refuses {function}: {word} ({code})")]
    Eim { function: &'static str, code: u64, word: &'static str },
    #[error("no answer from {host}: {problem}")]
    Network { host: String, problem: String },
    #[error(transparent)]
    ActivationCode(#[from] ActivationCodeError),
    #[error("no SM-DP+ is named, and the eUICC has no default one")]
    NoSmdp,
    #[error("{asked} was asked, {answered} has signed the answer")]
    OtherServer { asked: String, answered: String },
    #[error("the activation code names the SM-DP+ {expected}, the certificate is of {found}")]
    OtherOid { expected: String, found: String },
    #[error("the answer is for another session")]
    OtherSession,
    #[error("the order needs a confirmation code; --confirmation-code gives it")]
    CodeNeeded,
    #[error("the profile that came has other metadata than the one that was accepted")]
    OtherMetadata,
    #[error("the profile was refused: {0}")]
    Refused(&'static str),
    #[error("the profile has the policy rule {rule}, which this eUICC does not allow its owner")]
    RuleNotAllowed { rule: &'static str },
    #[error("the eUICC did not install the profile: {command} failed: {reason} ({code}){}", said(element.as_deref()))]
    Installation { command: &'static str, reason: &'static str, code: u64, element: Option<String> },
    #[error("the eUICC took the whole package and gave no result")]
    NoResult,
    #[error("nothing is awaited: the procedure has ended")]
    Ended,
}

/// What the eUICC says of the profile element, behind the code.
fn said(element: Option<&str>) -> String {
    element.map(|said| format!(": {said}")).unwrap_or_default()
}

impl LpaError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Port { source, .. } => source.blame(),
            Self::Server(error) => error.blame(),
            Self::ActivationCode(error) => error.blame(),
            Self::NoSmdp | Self::CodeNeeded => Blame::Bench,
            Self::NoEuicc { .. } | Self::NoChannel { .. } | Self::Network { .. } => Blame::PeerIncapable,
            Self::Status { .. }
            | Self::Euicc { .. }
            | Self::Eim { .. }
            | Self::Refused(_)
            | Self::RuleNotAllowed { .. }
            | Self::Installation { .. } => Blame::PeerRefused,
            Self::Card(_) | Self::NoResult => Blame::PeerBrokeProtocol,
            Self::OtherServer { .. } | Self::OtherOid { .. } | Self::OtherMetadata | Self::OtherSession => {
                Blame::PeerUntrusted
            }
            Self::Ended => Blame::Ours,
        }
    }
}

impl LpaError {
    /// A stable word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Port { .. } => "card-unreachable",
            Self::Status { .. } => "card-refuses",
            Self::NoEuicc { .. } => "no-euicc",
            Self::NoChannel { .. } => "no-logical-channel",
            Self::Card(_) => "card-answer-malformed",
            Self::Euicc { .. } => "euicc-refuses",
            Self::Server(AnswerError::Refused(refusal)) => {
                refusal.reason().map_or("server-refuses", super::super::Reason::word)
            }
            Self::Server(AnswerError::Status { .. }) => "server-fails",
            Self::Server(AnswerError::Malformed { .. }) => "server-answer-malformed",
            Self::Eim { .. } => "eim-refuses",
            Self::Network { .. } => "no-answer",
            Self::ActivationCode(_) => "activation-code",
            Self::NoSmdp => "no-smdp",
            Self::OtherServer { .. } => "other-server",
            Self::OtherOid { .. } => "other-smdp-oid",
            Self::OtherSession => "other-session",
            Self::CodeNeeded => "confirmation-code-needed",
            Self::OtherMetadata => "other-metadata",
            Self::Refused(_) => "profile-refused",
            Self::RuleNotAllowed { .. } => "policy-rule-not-allowed",
            Self::Installation { .. } => "installation-failed",
            Self::NoResult => "no-installation-result",
            Self::Ended => "ended",
        }
    }

    /// Whether the same may be tried again later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Port { .. } => true,
            Self::Server(AnswerError::Status { status, .. }) => *status >= 500,
            // Interruption.
            Self::Installation { code, .. } => *code == 11,
            _ => false,
        }
    }
}
