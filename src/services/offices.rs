//! All offices of a run, and what they share: who is asked, and who learns what has happened.

use super::chain::{Chain, Ticket};
use super::esim::EsimServices;
use super::guard::{Deed, OPERATOR_ACTS, OperatorAct};
use super::inventory::Inventory;
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::orders::Change;
use super::{Cloud, Enrolment, Guard, Registrar, ServiceError, Updates};
use crate::event::{Actor, Body};
use crate::kernel::{Gone, Instant};
use crate::ledger::StatusChanged;
use crate::wire::http;

/// What has come of the offices' waking.
#[derive(Default)]
pub struct Woken {
    /// Answers to requests that have waited.
    pub answers: Vec<(Ticket, Response)>,
    /// What the ledger has changed that others have to follow, in the order of the blocks.
    pub changes: Vec<Change>,
}

/// All offices, and what they share.
pub struct Offices {
    /// Writes the keys of devices to the ledger.
    pub registrar: Registrar,
    /// Decides who gets a certificate.
    pub enrolment: Enrolment,
    /// Has the telemetry.
    pub cloud: Cloud,
    /// Has devices cut off and released.
    pub guard: Guard,
    /// The eSIM servers, on a bench with some.
    pub esim: Option<EsimServices>,
    /// The update service, on a bench with one.
    pub updates: Option<Updates>,
    /// The devices that the operator has ordered.
    pub inventory: Inventory,
    /// The ledger, with what waits to be written.
    pub chain: Chain,
}

impl Offices {
    /// Takes the offices down one by one, and names each once it is gone.
    pub(super) fn take_down(self, gone: Gone<'_>) {
        let Self { registrar, enrolment, cloud, guard, esim, updates, inventory, chain } = self;
        drop((registrar, cloud, guard, updates));
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
        let Self { registrar, enrolment, cloud, esim, updates, inventory, chain, .. } = self;
        let office: &mut dyn Office = match who.at {
            Actor::CA => enrolment,
            Actor::CLOUD => cloud,
            Actor::SMDP | Actor::SMDS | Actor::EIM => match esim {
                Some(esim) => esim,
                None => return Ok(http::Response::new(503).into()),
            },
            Actor::UPDATES => match updates {
                Some(updates) => updates,
                None => return Ok(http::Response::new(503).into()),
            },
            _ => registrar,
        };
        let mut answers = Vec::new();
        office.answer(who, request, &mut Context { now, inventory, chain, events, answers: &mut answers })
    }

    /// Does what an operator wants done with the device that the ledger knows by `id`.
    ///
    /// # Errors
    /// Where the ledger does not take the transaction.
    pub fn operate(
        &mut self,
        now: Instant,
        act: OperatorAct,
        id: [u8; 32],
        events: &mut Vec<Body>,
    ) -> Result<(), ServiceError> {
        let Self { enrolment, guard, inventory, chain, .. } = self;
        let mut answers = Vec::new();
        let mut cx = Context { now, inventory, chain, events, answers: &mut answers };
        let OperatorAct { deed, device, cause } = act;
        let fields = vec![("deed", deed.name().to_owned()), ("device", device.to_string())];
        cx.note(Actor::GUARD, OPERATOR_ACTS, fields);
        match deed {
            Deed::RevokeCertificate => enrolment.end_certificate(id, cause, &mut cx),
            _ => guard.ask(deed, id, cause, [0; 32], &mut cx),
        }
    }

    /// When something happens by itself.
    pub fn deadline(&self) -> Option<Instant> {
        let updates = self.updates.as_ref().and_then(Updates::deadline);
        [self.chain.deadline(), updates].into_iter().flatten().min()
    }

    /// Lets happen what is due, and returns the answers that waited for it and what has changed for devices.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then.
    pub fn wake(&mut self, now: Instant, events: &mut Vec<Body>) -> Result<Woken, ServiceError> {
        let Self { registrar, enrolment, guard, updates, inventory, chain, .. } = self;
        let Woken { mut answers, mut changes } = Woken::default();
        if let Some(updates) = updates {
            updates.open(now, chain, events)?;
        }
        for sealed in chain.poll(now, events)? {
            let status = sealed.receipt.status_changes.iter();
            let (block, transaction) = (sealed.block, sealed.receipt.tx_hash);
            let change = |status: &StatusChanged| Change { block, transaction, status: status.clone() };
            let followed: Vec<_> = status.map(change).filter(Change::is_followed).collect();
            let submitters: [&mut dyn Office; 3] = [registrar, enrolment, guard];
            let updates = updates.as_mut().map(|updates| updates as &mut dyn Office);
            for office in submitters.into_iter().chain(updates) {
                let mut cx =
                    Context { now, inventory: &mut *inventory, chain, events, answers: &mut answers };
                office.notify(&Notice::Sealed(&sealed), &mut cx)?;
                followed.iter().try_for_each(|change| office.notify(&Notice::Status(change), &mut cx))?;
            }
            changes.extend(followed);
        }
        Ok(Woken { answers, changes })
    }
}
