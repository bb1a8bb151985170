//! An office: somebody behind the service network who decides. Registrar, enrolment, cloud and the eSIM servers have
//! one shape, and who talks to devices for them needs to know no more.

use super::chain::{Chain, Sealed, Ticket};
use super::inventory::{Entry, Inventory};
use super::{Cloud, Enrolment, Registrar, ServiceError};
use crate::ca::DeviceCertificate;
use crate::ca::csr::ChannelBinding;
use crate::corenet::Attestation;
use crate::event::{Actor, Body};
use crate::kernel::Instant;
use crate::services::esim::EsimServices;
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
    /// The exporter of the TLS session (RFC 9266), which binds a CSR to it.
    pub channel_binding: ChannelBinding,
}

/// What is asked of an office.
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Request<'a> {
    /// An HTTP request.
    Http(&'a http::Request),
    /// An MQTT client wants in. The TLS layer has checked the chain of its certificate.
    Connect { client_id: &'a str, certificate: Option<&'a DeviceCertificate> },
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
    /// Where the operator has never ordered it.
    pub fn device_of(&self, who: &Caller<'_>) -> Result<&Entry, Problem> {
        self.inventory.find(&who.attestation.iccid).ok_or_else(|| {
            Problem::new(403, "not-in-inventory", "the card behind this session was never ordered")
        })
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

/// All offices, and what they share.
pub struct Offices {
    /// Writes the keys of devices to the ledger.
    pub registrar: Registrar,
    /// Decides who gets a certificate.
    pub enrolment: Enrolment,
    /// Has the telemetry.
    pub cloud: Cloud,
    /// The eSIM servers, on a bench with some.
    pub esim: Option<EsimServices>,
    /// The devices that the operator has ordered.
    pub inventory: Inventory,
    /// The ledger, with what waits to be written.
    pub chain: Chain,
}

impl Offices {
    /// What the office at `who.at` answers.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn answer(
        &mut self,
        now: Instant,
        who: &Caller<'_>,
        request: &Request<'_>,
        events: &mut Vec<Body>,
    ) -> Result<Answer, ServiceError> {
        let Self { registrar, enrolment, cloud, esim, inventory, chain } = self;
        let office: &mut dyn Office = match who.at {
            Actor::CA => enrolment,
            Actor::CLOUD => cloud,
            Actor::SMDP | Actor::SMDS | Actor::EIM => match esim {
                Some(esim) => esim,
                None => return Ok(http::Response::new(503).into()),
            },
            _ => registrar,
        };
        let mut answers = Vec::new();
        office.answer(who, request, &mut Context { now, inventory, chain, events, answers: &mut answers })
    }

    /// When something happens by itself.
    pub fn deadline(&self) -> Option<Instant> {
        self.chain.deadline()
    }

    /// Lets happen what is due, and returns the answers that waited for it.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then.
    pub fn wake(
        &mut self,
        now: Instant,
        events: &mut Vec<Body>,
    ) -> Result<Vec<(Ticket, Response)>, ServiceError> {
        let Self { registrar, enrolment, inventory, chain, .. } = self;
        let mut answers = Vec::new();
        for sealed in chain.poll(now, events)? {
            let submitters: [&mut dyn Office; 2] = [registrar, enrolment];
            for office in submitters {
                let mut cx =
                    Context { now, inventory: &mut *inventory, chain, events, answers: &mut answers };
                office.notify(&Notice::Sealed(&sealed), &mut cx)?;
            }
        }
        Ok(answers)
    }
}
