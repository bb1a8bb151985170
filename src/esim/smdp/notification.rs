//! ES9+.HandleNotification (SGP.22 clauses 3.5 and 5.6.4).
//!
//! The answer is 204 whatever the notification says; only what is no notification at all is refused. One that does
//! not verify changes nothing.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::authenticate::malformed;
use super::super::json::Body;
use super::super::store::{self, Kind};
use super::super::{FunctionRefusal, HttpResponse, Reason, Served};
use super::notice::ProfileNotice;
use super::package::Package;
use super::{Order, OrderState, Smdp, not_kept};
use crate::id::{Eid, Iccid};
use crate::wire::bcd;
use crate::wire::rsp::{
    FinalResult, NotificationMetadata, OtherSignedNotification, PendingNotification,
    ProfileInstallationResult, ProfileInstallationResultData,
};

/// ErrorReason of an installation after which the profile may be downloaded again (SGP.22 annex H): memory may be
/// made free (10), and what was interrupted (11) is begun again.
const MAY_BE_REPEATED: [u64; 2] = [10, 11];

/// How many notifications of one eUICC are kept.
const NOTIFICATIONS_EACH: usize = 256;

/// A notification that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRecord {
    /// The eUICC that has signed it.
    pub eid: Eid,
    /// Its number, counted by the eUICC.
    pub sequence_number: u64,
    /// `install`, `enable`, `disable` or `delete`.
    pub event: String,
    /// The profile, where it says one.
    pub iccid: Option<Iccid>,
    /// When it came in, in Unix seconds.
    pub received_unix_s: u64,
    /// Of an installation that failed: which command, and why.
    pub error: Option<String>,
}

impl Smdp {
    pub(super) fn handle_notification(&mut self, now_unix_s: u64, body: &[u8]) -> Served {
        let function = "ES9+.HandleNotification".to_owned();
        let read = Body::parse(body).and_then(|body| {
            let bytes = body.binary("pendingNotification")?;
            let pending = PendingNotification::parse(&bytes).map_err(malformed)?;
            Ok((bytes, pending))
        });
        let (bytes, pending) = match read {
            Ok(read) => read,
            Err(refusal) => return Served::refused(&function, &refusal, None),
        };
        let noted = match &pending {
            PendingNotification::Installation(result) => self.installation(now_unix_s, &bytes, result),
            PendingNotification::Other(other) => self.other(now_unix_s, &bytes, other),
        };
        let response = HttpResponse { status: 204, content_type: String::new(), body: Vec::new() };
        match noted {
            Ok(note) => {
                let notice = self.notice(&pending);
                Served { response, function, note, refusal: None, notice }
            }
            // It would be lost if it were acknowledged now.
            Err(refusal) if refusal.reason == Reason::NotKept => Served {
                response: HttpResponse { status: 503, ..response },
                function,
                note: refusal.to_string(),
                refusal: Some(refusal.reason),
                notice: None,
            },
            Err(refusal) => Served {
                response,
                function,
                note: format!("discarded: {refusal}"),
                refusal: Some(refusal.reason),
                notice: None,
            },
        }
    }

    /// What a notification that was verified says of a profile.
    fn notice(&self, pending: &PendingNotification) -> Option<ProfileNotice> {
        let metadata = pending.metadata().ok()?;
        let order = self.orders.get(&bcd::read_iccid(metadata.iccid.as_ref()?).ok()?)?;
        Some(ProfileNotice {
            event: metadata.event,
            iccid: order.iccid.clone(),
            eid: order.eid.clone()?,
            order: order.state,
        })
    }

    fn installation(
        &mut self,
        now_unix_s: u64,
        bytes: &[u8],
        result: &ProfileInstallationResult,
    ) -> Result<String, FunctionRefusal> {
        let data = ProfileInstallationResultData::parse(&result.data).map_err(malformed)?;
        let iccid = self.by_transaction.get(&data.transaction_id).ok_or(Reason::TransactionUnknown)?;
        let order = self.orders.get(iccid).ok_or(Reason::TransactionUnknown)?;
        let binding = order.binding.as_ref().ok_or(Reason::TransactionUnknown)?;
        binding
            .euicc_key
            .verify(&result.data, &result.signature, &self.tally)
            .map_err(|_| Reason::EuiccSignature)?;
        let (mut order, eid) = (order.clone(), binding.eid.clone());
        let error = match &data.result {
            FinalResult::Success { .. } => None,
            FinalResult::Error { command, reason, .. } => {
                Some(format!("{}: {}", bpp_command(*command), install_error(*reason)))
            }
        };
        let key = key_of(&eid, &data.notification, bytes);
        if self.notifications.contains_key(&key) {
            return Ok(format!("again, from EID {eid}"));
        }
        let told = error.as_deref().unwrap_or("installed");
        let note = format!("EID {eid}, profile {}: {told}", order.iccid);
        // A result that comes late, after the order has ended, is kept but moves nothing.
        if order.waits() {
            match &data.result {
                FinalResult::Success { .. } => installed(&mut order),
                FinalResult::Error { reason, .. } if MAY_BE_REPEATED.contains(reason) => {}
                FinalResult::Error { .. } => order.fail(told.to_owned()),
            }
            if !order.waits() {
                self.forget_event(&mut order);
            }
            self.keep(order)?;
        }
        self.end_session(&data.transaction_id);
        self.record(now_unix_s, key, eid, &data.notification, error)?;
        Ok(note)
    }

    fn other(
        &mut self,
        now_unix_s: u64,
        bytes: &[u8],
        other: &OtherSignedNotification,
    ) -> Result<String, FunctionRefusal> {
        let metadata = NotificationMetadata::parse(&other.metadata).map_err(malformed)?;
        let (eid, public) =
            self.authenticator.any_euicc(&other.euicc_certificate, &other.eum_certificate, now_unix_s)?;
        public.verify(&other.metadata, &other.signature, &self.tally).map_err(|_| Reason::EuiccSignature)?;
        let key = key_of(&eid, &metadata, bytes);
        if self.notifications.contains_key(&key) {
            return Ok(format!("again, from EID {eid}"));
        }
        let note = format!("EID {eid}: {}", metadata.event.name());
        self.record(now_unix_s, key, eid, &metadata, None)?;
        Ok(note)
    }

    fn record(
        &mut self,
        now_unix_s: u64,
        key: String,
        eid: Eid,
        metadata: &NotificationMetadata,
        error: Option<String>,
    ) -> Result<(), FunctionRefusal> {
        let record = NotificationRecord {
            eid,
            sequence_number: metadata.sequence_number,
            event: metadata.event.name().to_owned(),
            iccid: metadata.iccid.as_ref().and_then(|iccid| bcd::read_iccid(iccid).ok()),
            received_unix_s: now_unix_s,
            error,
        };
        self.store.put(Kind::Notification, &key, &mut || store::record(&record)).map_err(not_kept)?;
        self.make_room(&record.eid);
        self.notifications.insert(key, record);
        Ok(())
    }

    /// Forgets the oldest notification of an eUICC that has sent as many as are kept.
    fn make_room(&mut self, eid: &Eid) {
        let prefix = format!("{eid}-");
        let own = self.notifications.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let own: Vec<(u64, &String)> = own.map(|(key, record)| (record.received_unix_s, key)).collect();
        if own.len() >= NOTIFICATIONS_EACH
            && let Some((_, oldest)) = own.into_iter().min()
        {
            let oldest = oldest.clone();
            self.notifications.remove(&oldest);
            // One that stays in the store is forgotten with the next one after a start.
            let _ = self.store.remove(Kind::Notification, &oldest);
        }
    }
}

/// What is installed is not handed out again, so its keys need not be kept.
fn installed(order: &mut Order) {
    order.state = OrderState::Installed;
    order.package = Package::Plain(Vec::new());
    if let Some(binding) = &mut order.binding {
        binding.forget_segments();
    }
}

/// A notification is known by EID and sequence number. A card that was made anew counts from the start again: what
/// it says is another notification where its bytes are others.
fn key_of(eid: &Eid, metadata: &NotificationMetadata, bytes: &[u8]) -> String {
    format!("{eid}-{}-{}", metadata.sequence_number, hex::encode(&Sha256::digest(bytes)[..4]))
}

/// BppCommandId (SGP.22 annex H) for people.
fn bpp_command(number: u64) -> &'static str {
    match number {
        0 => "initialiseSecureChannel",
        1 => "configureISDP",
        2 | 3 => "storeMetadata",
        4 => "replaceSessionKeys",
        5 => "loadProfileElements",
        _ => "an unknown command",
    }
}

/// ErrorReason (SGP.22 annex H) for people.
fn install_error(number: u64) -> &'static str {
    match number {
        1 => "incorrectInputValues",
        2 => "invalidSignature",
        3 => "invalidTransactionId",
        4 => "unsupportedCrtValues",
        5 => "unsupportedRemoteOperationType",
        6 => "unsupportedProfileClass",
        7 => "scp03tStructureError",
        8 => "scp03tSecurityError",
        9 => "installFailedDueToIccidAlreadyExistsOnEuicc",
        10 => "installFailedDueToInsufficientMemoryForProfile",
        11 => "installFailedDueToInterruption",
        12 => "installFailedDueToPEProcessingError",
        13 => "installFailedDueToIccidMismatch",
        14 => "testProfileInstallFailedDueToInvalidNaaKey",
        15 => "pprNotAllowed",
        127 => "installFailedDueToUnknownError",
        _ => "an unknown error",
    }
}
