//! ESipa.HandleNotification: what eUICCs have to say to servers (SGP.32 clause 5.14.7). Nothing is believed that is not
//! signed, and nothing goes to a host that this eIM has no business with.

use super::record::{EuiccRecord, Waiting, WorkKind};
use super::results::{Refused, malformed};
use super::{Eim, EimAnswer, EimRefusal, not_kept, nothing, refused};
use crate::crypto::rsp_cert::{Curve, RspCertificate, RspPublicKey};
use crate::id::Eid;
use crate::wire::bcd;
use crate::wire::rsp::iot::{
    CompactNotification, EsipaResponse, ProfileDownloadTriggerResult, TriggerOutcome,
};
use crate::wire::rsp::{
    NotificationMetadata, OtherSignedNotification, PendingNotification, ProfileInstallationResult,
    ProfileInstallationResultData, Signature,
};

const UNDEFINED: u64 = 127;
/// How many notifications of one eUICC wait to be forwarded.
const OUTBOX_MAX: usize = 64;

impl Eim {
    /// ESipa.HandleNotification with a notification for a server.
    pub(super) fn pending_notification(&mut self, now_unix_s: u64, function: &str, raw: &[u8]) -> EimAnswer {
        let none = EsipaResponse::ProvideEimPackageResult(Err(UNDEFINED));
        let Some(mut record) = self.sender(raw) else {
            return refused(function, &none, EimRefusal::UnknownEid, "");
        };
        let noted = match self.take_notification(now_unix_s, &mut record, raw) {
            // It is not forwarded; what it says of a download counts all the same.
            Err((refusal @ EimRefusal::HostNotAllowed, host)) => Ok(refusal.with(&host)),
            noted => noted,
        };
        let taken = noted.and_then(|note| match self.result_in_notification(&record, raw) {
            Some(result) => {
                let (_, detail) = self.downloaded(now_unix_s, &mut record, &result)?;
                Ok(format!("{note}: {detail}"))
            }
            None => Ok(note),
        });
        match taken {
            Ok(note) => match self.keep(record) {
                Ok(()) => nothing(function, note),
                Err(problem) => not_kept(function, &problem),
            },
            Err((refusal, detail)) => refused(function, &none, refusal, &detail),
        }
    }

    /// The result of the download that is out, where a notification is all that comes of it: so does an IPA of v1.0
    /// that has downloaded through the eIM.
    fn result_in_notification(
        &self,
        record: &EuiccRecord,
        raw: &[u8],
    ) -> Option<ProfileDownloadTriggerResult> {
        let out = record.out.as_ref()?;
        let CompactNotification::Full(PendingNotification::Installation(result)) =
            CompactNotification::parse(raw).ok()?
        else {
            return None;
        };
        let transaction_id = ProfileInstallationResultData::parse(&result.data).ok()?.transaction_id;
        let alone =
            matches!(out.work.kind, WorkKind::Download { .. }) && self.names_no_package(&transaction_id);
        let outcome = TriggerOutcome::Installation(raw.to_vec());
        alone.then_some(ProfileDownloadTriggerResult { transaction_id: None, outcome })
    }

    /// Who has sent a notification: the EID of its certificate or beside it. An installation result has neither: it is
    /// of the eUICC whose download with this transaction goes through this eIM, or else its signature says whose it is.
    fn sender(&self, raw: &[u8]) -> Option<EuiccRecord> {
        let eid: Option<Eid> = match CompactNotification::parse(raw).ok()? {
            CompactNotification::Other { eid, .. } => eid.as_ref().and_then(|eid| bcd::read_eid(eid).ok()),
            CompactNotification::Full(PendingNotification::Other(other)) => {
                RspCertificate::parse(&other.euicc_certificate).ok()?.eid().and_then(|eid| eid.parse().ok())
            }
            CompactNotification::Full(PendingNotification::Installation(result)) => {
                return self.installer(&result).cloned();
            }
            CompactNotification::Installation(_) => None,
        };
        self.euiccs.get(&eid?).cloned()
    }

    /// Who has signed an installation result, however many eUICCs there are: one verification, or the few keys that
    /// the signature can be of.
    fn installer(&self, result: &ProfileInstallationResult) -> Option<&EuiccRecord> {
        let data = ProfileInstallationResultData::parse(&result.data).ok()?;
        if let Some(eid) = self.relays.euicc(&data.transaction_id) {
            let record = self.euiccs.get(eid)?;
            let key = self.key_of(record).ok()?;
            return key.verify(&result.data, &result.signature, &self.tally).is_ok().then_some(record);
        }
        let iccid = data.notification.iccid.as_ref().and_then(|iccid| bcd::read_iccid(iccid).ok());
        let expected = |record: &&EuiccRecord| {
            record.out.is_some()
                || record.profiles.iter().any(|profile| Some(&profile.iccid) == iccid.as_ref())
        };
        [Curve::P256, Curve::BrainpoolP256r1].into_iter().find_map(|curve| {
            let keys = RspPublicKey::of_signature(curve, &result.data, &result.signature, &self.tally);
            keys.iter().find_map(|key| self.euiccs.with_key(key)).filter(expected)
        })
    }

    /// Puts a notification into the outbox, in its full form.
    pub(super) fn take_notification(
        &self,
        now_unix_s: u64,
        record: &mut EuiccRecord,
        raw: &[u8],
    ) -> Result<String, Refused> {
        let (full, metadata) = match CompactNotification::parse(raw).map_err(malformed)? {
            CompactNotification::Full(PendingNotification::Installation(result)) => {
                self.installation(record, raw)?;
                let data = ProfileInstallationResultData::parse(&result.data).map_err(malformed)?;
                (raw.to_vec(), data.notification)
            }
            CompactNotification::Full(PendingNotification::Other(other)) => {
                self.check_notification(record, &other.metadata, &other.signature)?;
                (raw.to_vec(), NotificationMetadata::parse(&other.metadata).map_err(malformed)?)
            }
            CompactNotification::Other { metadata, signature, .. } => {
                self.check_notification(record, &metadata, &signature)?;
                let read = NotificationMetadata::parse(&metadata).map_err(malformed)?;
                let [euicc, eum] = &record.chain[..] else {
                    return Err((EimRefusal::NoCertificate, String::new()));
                };
                let full = PendingNotification::Other(OtherSignedNotification {
                    metadata,
                    signature,
                    euicc_certificate: euicc.clone(),
                    eum_certificate: eum.clone(),
                });
                (full.to_bytes(), read)
            }
            CompactNotification::Installation(_) => {
                let problem = "a compact installation result has less than the SM-DP+ needs".to_owned();
                return Err((EimRefusal::Malformed, problem));
            }
        };
        let (event, address) = (metadata.event.name(), metadata.address.clone());
        if !self.may_reach(&address) && !record.was_sent_to(&address) {
            return Err((EimRefusal::HostNotAllowed, address));
        }
        if record.outbox.len() >= OUTBOX_MAX && !record.outbox.contains_key(&metadata.sequence_number) {
            // The oldest has waited longest in vain.
            record.outbox.pop_first();
        }
        let waiting = Waiting { address: address.clone(), notification: full, since_unix_s: now_unix_s };
        record.outbox.insert(metadata.sequence_number, waiting);
        Ok(format!("EID {}: notification of {event} for {address}", record.eid))
    }

    fn check_notification(
        &self,
        record: &EuiccRecord,
        metadata: &[u8],
        signature: &Signature,
    ) -> Result<(), Refused> {
        self.key_of(record)?
            .verify(metadata, signature, &self.tally)
            .map_err(|error| (EimRefusal::WrongSignature, error.to_string()))
    }
}
