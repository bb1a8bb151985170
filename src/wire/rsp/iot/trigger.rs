//! The order to download a profile, and acknowledgements (SGP.32 clauses 2.11.1.3, 2.11.1.4 and 2.11.2.3).

use super::super::RspError;
use super::super::fields::{Fields, int, optional_text, tlv};
use super::{optional_bytes, optional_id};

/// Where the profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownloadTrigger {
    /// At most 255 characters (SGP.22 clause 4.1).
    ActivationCode(String),
    /// The SM-DP+ whose address the eUICC holds.
    DefaultSmdp,
    /// An SM-DS; the root one whose address the eUICC holds where none is named.
    Smds(Option<String>),
}

/// ProfileDownloadTriggerRequest, `BF54`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfileDownloadTriggerRequest {
    /// Where it is absent, the eIM gives address and matching id in the course of an indirect download.
    pub trigger: Option<DownloadTrigger>,
    /// `eimTransactionId`, tag `82`: 1 to 16 bytes, which the result repeats.
    pub transaction_id: Option<Vec<u8>>,
}

impl ProfileDownloadTriggerRequest {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProfileDownloadTriggerRequest", 0xbf54, bytes)?;
        let trigger = if f.peek() == Some(0xa0) {
            let mut f = f.nested(0xa0, "profileDownloadData")?;
            Some(match f.peek() {
                Some(0x81) => DownloadTrigger::DefaultSmdp,
                Some(0xa2) => {
                    DownloadTrigger::Smds(f.nested(0xa2, "contactSmds")?.optional_text(0x80, "smdsAddress")?)
                }
                _ => {
                    let code = f.text(0x80, "activationCode")?;
                    if code.chars().count() > 255 {
                        return Err(f.wrong("activationCode", "it has at most 255 characters"));
                    }
                    DownloadTrigger::ActivationCode(code)
                }
            })
        } else {
            None
        };
        Ok(Self { trigger, transaction_id: optional_id(&mut f, 0x82)? })
    }

    /// The whole request, `BF54`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let data = self.trigger.as_ref().map(|trigger| {
            let data = match trigger {
                DownloadTrigger::ActivationCode(code) => tlv(0x80, &[code.as_bytes()]),
                DownloadTrigger::DefaultSmdp => tlv(0x81, &[]),
                DownloadTrigger::Smds(address) => tlv(0xa2, &[&optional_text(0x80, address.as_deref())]),
            };
            tlv(0xa0, &[&data])
        });
        let id = optional_bytes(0x82, self.transaction_id.as_deref());
        tlv(0xbf54, &[&data.unwrap_or_default(), &id])
    }
}

/// What became of a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerOutcome {
    /// ProfileInstallationResult, `BF37`, as the eUICC gave it.
    Installation(Vec<u8>),
    /// `profileDownloadError`: the download did not come as far as an installation.
    Error {
        /// ecallActive (104), undefinedError (127).
        reason: Option<u64>,
        /// What the SM-DP+ said, where it was that.
        response: Option<Vec<u8>>,
    },
}

/// ProfileDownloadTriggerResult, `BF54`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileDownloadTriggerResult {
    /// `eimTransactionId`, tag `82`, of the trigger, where it had one: 1 to 16 bytes.
    pub transaction_id: Option<Vec<u8>>,
    /// The installation, or why there was none.
    pub outcome: TriggerOutcome,
}

impl ProfileDownloadTriggerResult {
    /// # Errors
    /// Where the bytes are no such message.
    pub fn parse(bytes: &[u8]) -> Result<Self, RspError> {
        let mut f = Fields::open("ProfileDownloadTriggerResult", 0xbf54, bytes)?;
        let transaction_id = optional_id(&mut f, 0x82)?;
        let outcome = if f.peek() == Some(0x30) {
            let mut f = f.nested(0x30, "profileDownloadError")?;
            TriggerOutcome::Error {
                reason: f.optional_integer(0x80, "profileDownloadErrorReason")?,
                response: f.optional(0x04, "errorResponse")?.map(<[u8]>::to_vec),
            }
        } else {
            TriggerOutcome::Installation(f.take_raw(0xbf37, "profileInstallationResult")?.to_vec())
        };
        Ok(Self { transaction_id, outcome })
    }

    /// The whole result, `BF54`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let outcome = match &self.outcome {
            TriggerOutcome::Installation(result) => result.clone(),
            TriggerOutcome::Error { reason, response } => {
                let reason = reason.map(|reason| int(0x80, reason)).unwrap_or_default();
                tlv(0x30, &[&reason, &optional_bytes(0x04, response.as_deref())])
            }
        };
        tlv(0xbf54, &[&optional_bytes(0x82, self.transaction_id.as_deref()), &outcome])
    }
}

/// EimAcknowledgements, `BF53`: the sequence numbers of what the eIM has received and the eUICC may forget.
pub fn acknowledgements(sequence_numbers: &[u64]) -> Vec<u8> {
    let list: Vec<u8> = sequence_numbers.iter().flat_map(|number| int(0x80, *number)).collect();
    tlv(0xbf53, &[&list])
}

/// The sequence numbers in EimAcknowledgements.
///
/// # Errors
/// Where the bytes are no such message.
pub fn parse_acknowledgements(bytes: &[u8]) -> Result<Vec<u64>, RspError> {
    let mut f = Fields::open("EimAcknowledgements", 0xbf53, bytes)?;
    let mut out = Vec::new();
    while !f.is_empty() {
        out.push(f.integer(0x80, "SequenceNumber")?);
    }
    Ok(out)
}
