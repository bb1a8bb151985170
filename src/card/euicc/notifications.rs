//! Notifications: what servers are to learn, signed and kept until they have learnt it (SGP.22 clauses 3.5 and 5.7.9
//! to 5.7.11).

use super::Euicc;
use super::es10::Answer;
use super::events::EuiccRefusal;
use super::memory::StoredNotification;
use crate::wire::rsp::iot::Retrieved;
use crate::wire::rsp::{
    Fields, IccidBytes, ListNotificationRequest, NotificationEvents, NotificationMetadata,
    OtherSignedNotification, PendingNotification, ProfileInstallationResult, ProfileInstallationResultData,
    ProfileMetadata, RetrieveNotifications, result_response,
};

/// The most notifications that are kept. The oldest go, as on cards with little memory.
const NOTIFICATIONS_MAX: usize = 128;

impl StoredNotification {
    fn metadata(&self) -> Option<NotificationMetadata> {
        if self.signature.is_some() {
            return NotificationMetadata::parse(&self.content).ok();
        }
        let result = ProfileInstallationResult::parse(&self.content).ok()?;
        ProfileInstallationResultData::parse(&result.data).ok().map(|data| data.notification)
    }
}

impl Euicc {
    /// The metadata of another notification, with the next sequence number.
    pub(super) fn next_notification(
        &mut self,
        event: NotificationEvents,
        address: String,
        iccid: Option<IccidBytes>,
    ) -> NotificationMetadata {
        let sequence_number = self.memory.next_sequence;
        self.memory.next_sequence += 1;
        self.changed();
        NotificationMetadata { sequence_number, event, address, iccid }
    }

    /// Signs and keeps the result of an installation, and returns it.
    pub(super) fn keep_installation_result(&mut self, data: &ProfileInstallationResultData) -> Vec<u8> {
        let raw = data.to_bytes();
        let signature = self.config.key.sign(&raw);
        let content = ProfileInstallationResult { data: raw, signature }.to_bytes();
        self.keep(StoredNotification {
            sequence: data.notification.sequence_number,
            event: data.notification.event,
            content: content.clone(),
            signature: None,
        });
        content
    }

    /// Notifies every server that the profile wants to hear of `event`, but the one that knows already.
    pub(super) fn notify(
        &mut self,
        profile: &ProfileMetadata,
        event: NotificationEvents,
        told: Option<&str>,
    ) {
        for wanted in profile.notifications.iter().filter(|wanted| wanted.events.meets(event)) {
            if told == Some(wanted.address.as_str()) {
                continue;
            }
            let metadata = self.next_notification(event, wanted.address.clone(), Some(profile.iccid));
            let content = metadata.to_bytes();
            let signature = Some(self.config.key.sign(&content));
            self.keep(StoredNotification { sequence: metadata.sequence_number, event, content, signature });
        }
    }

    fn keep(&mut self, notification: StoredNotification) {
        if self.memory.notifications.len() == NOTIFICATIONS_MAX {
            self.memory.notifications.remove(0);
        }
        self.memory.notifications.push(notification);
        self.changed();
    }

    /// ES10b.ListNotification.
    pub(super) fn list_notifications(&mut self, bytes: &[u8]) -> Answer {
        let filter = ListNotificationRequest::parse(bytes)?.filter.unwrap_or(NotificationEvents::ALL);
        let wanted = self.memory.notifications.iter().filter(|stored| stored.event.meets(filter));
        let list: Vec<_> = wanted.filter_map(StoredNotification::metadata).collect();
        Ok(ListNotificationRequest::response(&list))
    }

    /// ES10b.RetrieveNotificationsList.
    pub(super) fn retrieve_notifications(&mut self, bytes: &[u8]) -> Answer {
        let wanted = RetrieveNotifications::parse(bytes)?;
        let of_packages = |number: Option<u64>| -> Vec<Vec<u8>> {
            let results = self.memory.package_results.iter();
            let results = results.filter(|(sequence, _)| number.is_none_or(|number| number == *sequence));
            results.map(|(_, result)| result.clone()).collect()
        };
        Ok(match wanted {
            RetrieveNotifications::EuiccPackageResults => {
                Retrieved::package_results_response(&of_packages(None))
            }
            RetrieveNotifications::SequenceNumber(number) if !of_packages(Some(number)).is_empty() => {
                Retrieved::package_results_response(&of_packages(Some(number)))
            }
            wanted => RetrieveNotifications::response(&self.pending(wanted)),
        })
    }

    /// The notifications that are wanted, as they go to their servers.
    pub(super) fn pending(&self, wanted: RetrieveNotifications) -> Vec<Vec<u8>> {
        let matches = |stored: &&StoredNotification| match wanted {
            RetrieveNotifications::All => true,
            RetrieveNotifications::SequenceNumber(number) => stored.sequence == number,
            RetrieveNotifications::Events(events) => stored.event.meets(events),
            RetrieveNotifications::EuiccPackageResults => false,
        };
        self.memory.notifications.iter().filter(matches).map(|stored| self.complete(stored)).collect()
    }

    fn complete(&self, stored: &StoredNotification) -> Vec<u8> {
        let Some(signature) = stored.signature else { return stored.content.clone() };
        let [euicc, eum] = &self.config.chain;
        PendingNotification::Other(OtherSignedNotification {
            metadata: stored.content.clone(),
            signature,
            euicc_certificate: euicc.der().to_vec(),
            eum_certificate: eum.der().to_vec(),
        })
        .to_bytes()
    }

    /// ES10b.RemoveNotificationFromList.
    pub(super) fn remove_notification(&mut self, bytes: &[u8]) -> Answer {
        let number = Fields::open("NotificationSentRequest", 0xbf30, bytes)?.integer(0x80, "seqNumber")?;
        let kept = |memory: &super::Memory| memory.notifications.len() + memory.package_results.len();
        let before = kept(&self.memory);
        self.memory.notifications.retain(|stored| stored.sequence != number);
        self.memory.package_results.retain(|(sequence, _)| *sequence != number);
        if kept(&self.memory) == before {
            let text = format!("there is no notification {number}");
            let refusal = EuiccRefusal::new(1, "notification-unknown", text);
            return Ok(result_response(0xbf30, self.refuse("ES10b.RemoveNotificationFromList", refusal)));
        }
        self.changed();
        Ok(result_response(0xbf30, 0))
    }
}
