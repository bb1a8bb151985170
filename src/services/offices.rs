//! All offices of a run, and what they share: who is asked, and who learns what has happened.

use super::chain::{Chain, Ticket};
use super::esim::EsimServices;
use super::inventory::Inventory;
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::{Cloud, Enrolment, Registrar, ServiceError};
use crate::event::{Actor, Body};
use crate::kernel::{Gone, Instant};
use crate::wire::http;

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
    /// Takes the offices down one by one, and names each once it is gone.
    pub(super) fn take_down(self, gone: Gone<'_>) {
        let Self { registrar, enrolment, cloud, esim, inventory, chain } = self;
        drop((registrar, cloud));
        gone("registrar and cloud");
        drop(enrolment);
        gone("CA");
        if let Some(esim) = esim {
            esim.take_down(gone);
        }
        drop(inventory);
        gone("inventory");
        drop(chain);
        gone("ledger");
    }

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
