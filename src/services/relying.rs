//! A peer of devices that believes no certificate without having asked the authority: it has met the device behind the cloud, and
//! asks by OCSP (RFC 6960) again and again whether its certificate still stands. It knows no ledger, and learns of a revocation
//! from the authority alone.

use super::ServiceError;
use crate::ca::Authority;
use crate::ca::ocsp::{Answered, Question};
use crate::ca::status::{self, OCSP};
use crate::event::{Actor, Body, Message};
use crate::kernel::{Duration, Instant};
use crate::net::endpoint::PKI;
use crate::wire::http;

/// What a peer says that has been told of a revocation.
pub const PEER_REFUSES: &str = "a peer that asks OCSP refuses the certificate";

/// Whom a peer asks about, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelyingSetup {
    /// The number of the device.
    pub device: u32,
    /// How long after an answer it asks again.
    pub every: Duration,
}

/// A peer of one device.
pub struct Relying {
    setup: RelyingSetup,
    /// What it asks, once it has met the device, and when it asks next; never again once it has refused.
    question: Option<Question>,
    next: Option<Instant>,
    last: Option<Answered>,
}

impl Relying {
    /// A peer that has met nobody.
    pub fn new(setup: RelyingSetup) -> Self {
        Self { setup, question: None, next: None, last: None }
    }

    /// When it asks next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Device `device` has shown `certificate` (DER), of `authority`. A new one is another one to ask about.
    ///
    /// # Errors
    /// Where the authority's own certificate cannot be read.
    pub(super) fn met(
        &mut self,
        now: Instant,
        device: u32,
        certificate: &[u8],
        authority: &Authority,
    ) -> Result<(), ServiceError> {
        if device == self.setup.device {
            self.question = Some(Question::new(certificate, authority.root_der())?);
            (self.next, self.last) = (Some(now), None);
        }
        Ok(())
    }

    /// Asks, where it is time. Of its questions those are told whose answer is another one than before.
    ///
    /// # Errors
    /// Where the authority cannot answer.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        authority: &mut Authority,
        events: &mut Vec<Body>,
    ) -> Result<(), ServiceError> {
        let Some(question) = self.question.as_ref().filter(|_| self.next.is_some_and(|at| at <= now)) else {
            return Ok(());
        };
        let request =
            http::Request::new("POST", OCSP, PKI.name).body("application/ocsp-request", question.request()?);
        let response = status::answer(authority, &request, now.unix_s())?;
        let answered = question.read(&response.body, now.unix_s())?;
        self.next = (answered != Answered::Revoked).then_some(now + self.setup.every);
        if self.last.replace(answered) == Some(answered) {
            return Ok(());
        }
        let (from, to) = (Actor::CLOUD, Actor::CA);
        let label = http::response_label(&request, &response);
        let asked = Message { from, to, label: http::label(&request), bytes: request.encode() };
        let told = Message { from: to, to: from, label, bytes: response.encode() };
        events.extend([Body::Message(asked), Body::Message(told)]);
        if answered == Answered::Revoked {
            events.push(Body::note(Actor::CLOUD, PEER_REFUSES, Vec::new()));
        }
        Ok(())
    }

    /// The device that it asks about.
    pub(super) fn device(&self) -> u32 {
        self.setup.device
    }
}
