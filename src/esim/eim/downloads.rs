//! What became of a download (SGP.32 clause 2.11.2.3). An installation counts once, and only where the eUICC has
//! signed it.

use super::record::{EuiccRecord, KnownProfile, Out};
use super::results::{Refused, Taken, malformed, reported, take_out};
use super::{Eim, EimRefusal};
use crate::id::Iccid;
use crate::wire::bcd;
use crate::wire::rsp::iot::{ProfileDownloadTriggerResult, TriggerOutcome};
use crate::wire::rsp::{FinalResult, ProfileInstallationResult, ProfileInstallationResultData};

/// How much is kept of what an IPA says of a download that failed, in characters.
const SAID_MAX: usize = 255;
/// How many installations are remembered.
const REMEMBERED: usize = 64;

/// What an eUICC has signed of an installation.
pub(super) struct Installation {
    ok: bool,
    detail: String,
    iccid: Option<Iccid>,
    /// The session with the SM-DP+.
    transaction_id: Vec<u8>,
    sequence_number: u64,
}

impl Eim {
    pub(super) fn downloaded(
        &self,
        now_unix_s: u64,
        record: &mut EuiccRecord,
        result: &ProfileDownloadTriggerResult,
    ) -> Taken {
        let raw = match &result.outcome {
            TriggerOutcome::Installation(raw) => raw,
            TriggerOutcome::Error { response, .. } => {
                let said = response.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
                let said: String = said.chars().take(SAID_MAX).collect();
                let id = result.transaction_id.as_deref();
                return Err(reported(record, id, Out::is_download, EimRefusal::DownloadFailed, said));
            }
        };
        let installation = self.installation(record, raw)?;
        // An IPA that lost its power before it had the answer brings the result once more.
        if record.installations.contains(&installation.transaction_id) {
            return Ok((Vec::new(), "the same result again".to_owned()));
        }
        if installation.sequence_number <= record.installed_sequence {
            return Err((EimRefusal::OldResult, format!("sequence number {}", installation.sequence_number)));
        }
        let out = take_out(record, result.transaction_id.as_deref(), Out::is_download)?;
        let Installation { ok, detail, iccid, transaction_id, sequence_number } = installation;
        if record.installations.len() >= REMEMBERED {
            record.installations.remove(0);
        }
        record.installations.push(transaction_id);
        record.installed_sequence = sequence_number;
        record.finish(out, ok, detail.clone(), now_unix_s);
        if let Some(iccid) = iccid.filter(|_| ok) {
            if !record.profiles.iter().any(|profile| profile.iccid == iccid) {
                let name = String::new();
                record.profiles.push(KnownProfile { iccid: iccid.clone(), enabled: false, name });
            }
            record.installed = Some(iccid);
            record.next_step();
        }
        Ok((Vec::new(), detail))
    }

    /// What the eUICC has signed of an installation.
    pub(super) fn installation(&self, record: &EuiccRecord, raw: &[u8]) -> Result<Installation, Refused> {
        let result = ProfileInstallationResult::parse(raw).map_err(malformed)?;
        self.key_of(record)?
            .verify(&result.data, &result.signature, &self.tally)
            .map_err(|error| (EimRefusal::WrongSignature, error.to_string()))?;
        let data = ProfileInstallationResultData::parse(&result.data).map_err(malformed)?;
        let (ok, detail) = match data.result {
            FinalResult::Success { .. } => (true, "the profile is installed".to_owned()),
            FinalResult::Error { command, reason, .. } => {
                (false, format!("the installation failed: command {command}, reason {reason}"))
            }
        };
        Ok(Installation {
            ok,
            detail,
            iccid: data.notification.iccid.as_ref().and_then(|iccid| bcd::read_iccid(iccid).ok()),
            transaction_id: data.transaction_id,
            sequence_number: data.notification.sequence_number,
        })
    }
}
