//! An office: somebody behind the service network who decides. Registrar, enrolment, cloud and the eSIM servers have
//! one shape, and who talks to devices for them needs to know no more.

use super::ServiceError;
use super::chain::{Chain, Sealed, Ticket};
use super::inventory::{Entry, Inventory};
use super::orders::Change;
use crate::ca::ClientCertificate;
use crate::ca::csr::ChannelBinding;
use crate::corenet::Attestation;
use crate::event::{Actor, Body};
use crate::kernel::Instant;
use crate::wire::Reason;
use crate::wire::http;
use crate::wire::registration::Problem;

/// Who is asking, and where.
pub struct Caller<'a> {
    /// The server that is asked.
    pub at: Actor,
    /// The number of the device, for events and for what goes wrong on purpose.
    pub device: u32,
    /// The network's own word on who holds this session.
    pub attestation: &'a Attestation,
    /// The exporter of the TLS session (RFC 9266), which binds a CSR to it; none where there is no TLS.
    pub channel_binding: Option<ChannelBinding>,
    /// The certificate that the client has shown in the TLS handshake, which has checked its chain and key.
    pub certificate: Option<&'a ClientCertificate>,
}

impl Caller<'_> {
    /// Whether what subscribers get is for the session: the gateway lets one for onboarding through to the eSIM servers
    /// alone, and who serves subscribers looks for itself.
    ///
    /// # Errors
    /// Where it is for onboarding only.
    pub fn may_be_served(&self) -> Result<(), Problem> {
        match self.attestation.is_restricted() {
            true => {
                let detail = "the session is for onboarding only: come with the subscription that it was for";
                Err(Problem::new(403, Reason::SessionPolicy, detail))
            }
            false => Ok(()),
        }
    }
}

/// What is asked of an office.
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Request<'a> {
    /// An HTTP request.
    Http(&'a http::Request),
    /// An MQTT client wants in. Its certificate is the caller's.
    Connect { client_id: &'a str },
    /// An MQTT client that is in has published something.
    Publish { payload: &'a [u8] },
}

/// What an office says to a request of the same protocol.
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Response {
    /// An HTTP response.
    Http(http::Response),
    /// The client is let in, and may publish below `root`.
    Admitted { root: String },
    /// The client is not let in.
    TurnedAway,
    /// What was published is taken in.
    Taken,
}

/// When an office answers.
pub enum Answer {
    /// At once.
    Now(Response),
    /// When what this ticket stands for has happened.
    Later(Ticket),
}

impl From<http::Response> for Answer {
    fn from(response: http::Response) -> Self {
        Self::Now(Response::Http(response))
    }
}

/// What has happened that offices want to know of.
pub enum Notice<'a> {
    /// A transaction stands in a block.
    Sealed(&'a Sealed),
    /// The ledger has changed the status of a device, so that somebody else has to do something: it is cut off, released,
    /// or ended.
    Status(&'a Change),
}

/// What an office works with.
pub struct Context<'a> {
    /// The moment of the run.
    pub now: Instant,
    /// The devices that the operator has ordered.
    pub inventory: &'a mut Inventory,
    /// The ledger, with what waits to be written.
    pub chain: &'a mut Chain,
    /// What is to be told.
    pub events: &'a mut Vec<Body>,
    /// Answers to earlier requests.
    pub answers: &'a mut Vec<(Ticket, Response)>,
}

impl Context<'_> {
    /// Tells what the office has decided.
    pub fn note(&mut self, who: Actor, change: &'static str, fields: crate::wire::Fields) {
        self.events.push(Body::note(who, change, fields));
    }

    /// The device that holds the caller's subscription.
    ///
    /// # Errors
    /// Where its session is for onboarding only, where the operator has never ordered it, and where its card is in another
    /// device than it was ordered for.
    pub fn device_of(&self, who: &Caller<'_>) -> Result<&Entry, Problem> {
        who.may_be_served()?;
        let entry = self.inventory.find(&who.attestation.iccid).ok_or_else(|| {
            Problem::new(403, Reason::NotInInventory, "the card behind this session was never ordered")
        })?;
        match entry.is_elsewhere(who.attestation) {
            true => {
                let detail = "the card was ordered for a device of another model";
                Err(Problem::new(403, Reason::EquipmentMismatch, detail))
            }
            false => Ok(entry),
        }
    }
}

/// An office.
pub trait Office {
    /// Answers a request, or says for what the answer waits.
    ///
    /// # Errors
    /// Where the bench is at fault. What the caller does wrong is answered.
    fn answer(
        &mut self,
        who: &Caller<'_>,
        request: &Request<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError>;

    /// Learns what has happened, and answers what has waited for it.
    ///
    /// # Errors
    /// Where the bench is at fault.
    fn notify(&mut self, what: &Notice<'_>, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let _ = (what, cx);
        Ok(())
    }
}
