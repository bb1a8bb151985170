//! All offices of a run, and what they share: who is asked, and who learns what has happened.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::chain::{Chain, Ticket};
use super::esim::EsimServices;
use super::guard::{Deed, OPERATOR_ACTS, OperatorAct, Restriction};
use super::inventory::Inventory;
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::orders::Change;
use super::sessions::Session;
use super::short;
use super::{Cloud, Enrolment, Guard, Registrar, ServiceError, Updates};
use crate::crypto::key::whole;
use crate::event::{Actor, Body};
use crate::id::{Iccid, Imei, Tac};
use crate::kernel::{Gone, Instant};
use crate::ledger::{StatusChanged, device_id};
use crate::wire::alarm::ALARM_PATH;
use crate::wire::http;

/// What has come of the offices' waking.
#[derive(Default)]
pub struct Woken {
    /// Answers to requests that have waited.
    pub answers: Vec<(Ticket, Response)>,
    /// What the ledger has changed that others have to follow, in the order of the blocks.
    /// Each with what was told of it.
    pub changes: Vec<(Change, Vec<Body>)>,
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
    /// Devices that have accused themselves, and are to be restricted.
    pub accused: Vec<(u32, Restriction)>,
}

impl Offices {
    /// The devices that have accused themselves since the last call, by their numbers.
    pub(super) fn take_accused(&mut self) -> Vec<(u32, Restriction)> {
        std::mem::take(&mut self.accused)
    }

    /// Takes in what a device states of itself, in a session of its own: the office believes the key that the ledger has of the
    /// device that holds the session, and nobody else.
    fn accuse(
        &mut self,
        now: Instant,
        who: &Caller<'_>,
        request: &http::Request,
        events: &mut Vec<Body>,
    ) -> http::Response {
        let Self { guard, inventory, chain, accused, .. } = self;
        let mut answers = Vec::new();
        let mut cx = Context { now, inventory, chain, events, answers: &mut answers };
        if request.method != "POST" {
            return http::Response::new(405);
        }
        let entry = match cx.device_of(who) {
            Ok(entry) => entry,
            Err(problem) => return problem.response(),
        };
        let (id, name) = (device_id(&entry.salt, entry.eid.as_str()), entry.name.to_string());
        let record = cx.chain.ledger().device(&id);
        let addresses: Vec<_> = who.attestation.addresses().collect();
        let result = match record {
            Some(record) => {
                let public = whole(&record.x, &record.y);
                let device = (who.device, id, public);
                guard.own_alarm(&request.body, device, (&name, &addresses), &mut cx)
            }
            None => Err("not-on-the-ledger"),
        };
        match result {
            Ok(restriction) => {
                accused.extend(restriction.map(|restriction| (who.device, restriction)));
                http::Response::new(204)
            }
            Err(reason) => {
                cx.note(Actor::GUARD, "alarm refused", vec![("reason", reason.to_owned())]);
                http::Response::new(403)
            }
        }
    }

    /// Takes the offices down one by one, and names each once it is gone.
    pub(super) fn take_down(self, gone: Gone<'_>) {
        let Self { registrar, enrolment, cloud, guard, esim, updates, inventory, chain, .. } = self;
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
        if let (Actor::REGISTRAR, Request::Http(request)) = (who.at, request)
            && request.target == ALARM_PATH
        {
            return Ok(self.accuse(now, who, request, events).into());
        }
        let Self { registrar, enrolment, cloud, esim, updates, inventory, chain, .. } = self;
        if let (Actor::CLOUD, Request::Connect { .. }) = (who.at, request) {
            enrolment.shown(now, who)?;
        }
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

    /// A network has stated `session` with `token`. A card that turns up in another model of equipment than it was ordered
    /// for is suspended: the statement is the evidence.
    ///
    /// # Errors
    /// Where the ledger does not take the transaction.
    pub(super) fn attested(
        &mut self,
        now: Instant,
        session: &Session,
        token: &[u8],
        events: &mut Vec<Body>,
    ) -> Result<(), ServiceError> {
        let Self { guard, inventory, chain, .. } = self;
        let attestation = &session.attestation;
        let elsewhere = inventory.find(&attestation.iccid).filter(|entry| entry.is_elsewhere(attestation));
        let Some(entry) = elsewhere else { return Ok(()) };
        let id = device_id(&entry.salt, entry.eid.as_str());
        let tac = |tac: Option<Tac>| tac.map(|tac| tac.to_string()).unwrap_or_default();
        let fields = vec![
            ("id", short(&id)),
            ("ordered", tac(entry.equipment)),
            ("found", tac(attestation.imei.as_ref().map(Imei::tac))),
        ];
        let mut answers = Vec::new();
        let mut cx = Context { now, inventory, chain, events, answers: &mut answers };
        cx.note(Actor::GUARD, "the card is in another device", fields);
        guard.suspend(id, Sha256::digest(token).into(), &mut cx)
    }

    /// Takes in what a guard states; `who` says which device holds an address, under which subscription. Returns the
    /// device, and what is to be restricted.
    ///
    /// # Errors
    /// Where the ledger does not take the transaction.
    pub(super) fn alarm(
        &mut self,
        now: Instant,
        token: &[u8],
        who: impl Fn(IpAddr) -> Option<(u32, Iccid)>,
        events: &mut Vec<Body>,
    ) -> Result<(Option<u32>, Option<Restriction>), ServiceError> {
        let Self { guard, inventory, chain, .. } = self;
        let (mut answers, mut device) = (Vec::new(), None);
        let mut cx = Context { now, inventory, chain, events, answers: &mut answers };
        let found = |address, cx: &Context<'_>| {
            let (number, iccid) = who(address)?;
            let entry = cx.inventory.find(&iccid)?;
            Some((number, device_id(&entry.salt, entry.eid.as_str())))
        };
        let decided = guard.alarm(token, found, &mut device, &mut cx)?;
        Ok((device, decided))
    }

    /// When something happens by itself.
    pub fn deadline(&self) -> Option<Instant> {
        let updates = self.updates.as_ref().and_then(Updates::deadline);
        let own = [self.chain.deadline(), self.registrar.deadline(), self.enrolment.deadline(), updates];
        own.into_iter().flatten().min()
    }

    /// Lets happen what is due, and returns the answers that waited for it and what has changed for devices.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then.
    pub fn wake(&mut self, now: Instant, events: &mut Vec<Body>) -> Result<Woken, ServiceError> {
        let Self { registrar, enrolment, guard, updates, inventory, chain, .. } = self;
        let Woken { mut answers, mut changes } = Woken::default();
        // The first transactions of the publisher are these.
        registrar.begin(now, chain, events)?;
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
            }
            for change in followed {
                let mut told = Vec::new();
                let events = &mut told;
                let mut cx =
                    Context { now, inventory: &mut *inventory, chain, events, answers: &mut answers };
                let submitters: [&mut dyn Office; 3] = [registrar, enrolment, guard];
                for office in submitters {
                    office.notify(&Notice::Status(&change), &mut cx)?;
                }
                changes.push((change, told));
            }
        }
        Ok(Woken { answers, changes })
    }
}
