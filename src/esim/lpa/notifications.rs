//! Delivery of the notifications that wait in the eUICC (SGP.22 clause 3.5).

use std::collections::VecDeque;

use super::super::HttpResponse;
use super::es10::Es10;
use super::transport::Transport;
use super::{LpaError, Step};
use crate::wire::rsp::{NotificationMetadata, RetrieveNotifications};

/// What became of the notifications.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Acknowledged by their servers, and removed from the eUICC.
    pub delivered: Vec<NotificationMetadata>,
    /// Still in the eUICC, with the reason.
    pub kept: Vec<(NotificationMetadata, String)>,
}

/// The delivery of every notification that waits, the oldest first. What cannot be delivered stays, and so do later
/// ones to the same server: it is to hear them in their order.
pub struct Delivery {
    transport: Transport,
    waiting: VecDeque<NotificationMetadata>,
    sent: Option<NotificationMetadata>,
    done: Delivered,
}

impl Delivery {
    /// A delivery over this way.
    pub fn new(transport: Transport) -> Self {
        Self { transport, waiting: VecDeque::new(), sent: None, done: Delivered::default() }
    }

    /// Begins.
    pub fn start(&mut self, es10: &mut Es10<'_>) -> Step<Delivered> {
        match es10.notifications() {
            Ok(mut list) => {
                list.sort_by_key(|metadata| metadata.sequence_number);
                self.waiting = list.into();
                self.next(es10)
            }
            Err(error) => Step::Failed(error),
        }
    }

    /// Takes the answer to what was sent.
    pub fn resume(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Step<Delivered> {
        let Some(sent) = self.sent.take() else { return Step::Failed(LpaError::Ended) };
        match self.transport.notified(response) {
            Ok(()) => match es10.remove_notification(sent.sequence_number) {
                Ok(()) => self.done.delivered.push(sent),
                Err(error) => return Step::Failed(error),
            },
            Err(error) => self.keep(sent, &error.to_string()),
        }
        self.next(es10)
    }

    /// Takes that there was no answer.
    pub fn failed(&mut self, es10: &mut Es10<'_>, problem: &str) -> Step<Delivered> {
        if let Some(sent) = self.sent.take() {
            self.keep(sent, problem);
        }
        self.next(es10)
    }

    fn keep(&mut self, sent: NotificationMetadata, problem: &str) {
        let (same, rest) =
            std::mem::take(&mut self.waiting).into_iter().partition(|m| m.address == sent.address);
        self.waiting = rest;
        self.done.kept.push((sent, problem.to_owned()));
        let same: VecDeque<NotificationMetadata> = same;
        self.done
            .kept
            .extend(same.into_iter().map(|m| (m, "an earlier one has to be delivered first".to_owned())));
    }

    fn next(&mut self, es10: &mut Es10<'_>) -> Step<Delivered> {
        while let Some(metadata) = self.waiting.pop_front() {
            let which = RetrieveNotifications::SequenceNumber(metadata.sequence_number);
            match es10.retrieve(which) {
                Err(error) => return Step::Failed(error),
                Ok(retrieved) => {
                    // Gone since it was listed: then there is nothing to deliver.
                    let Some(notification) = retrieved.notifications.into_iter().next() else { continue };
                    let request = self.transport.notify(&metadata.address, notification);
                    self.sent = Some(metadata);
                    return Step::Send(request);
                }
            }
        }
        Step::Done(std::mem::take(&mut self.done))
    }
}
