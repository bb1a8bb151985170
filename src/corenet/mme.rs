//! The Mobility Management Entity: S1AP towards base stations (TS 36.413), NAS towards UEs (TS 24.301), and
//! the orders to HSS and gateway.
//!
//! A UE whose initial message is authentic under the context of its last authentication needs no other. Not built:
//! tracking area update with bearers, handover.

mod attach;
mod authentication;
mod challenges;
mod context;
mod detach;
mod initial;
mod nas;
mod pending;
mod s1;
mod service;
mod stored;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_chacha::ChaCha20Rng;

use self::challenges::Challenges;
use self::context::{Phase, Timer, UeContext};
use self::pending::Pending;
use self::stored::{Gutis, Native};
use super::gateway::Gateway;
use super::hss::Hss;
use super::{CorenetError, EpcConfig, EpcOutput};
use crate::event::{Actor, SessionKey};
use crate::id::Imsi;
use crate::kernel::{Duration, Instant, RngTree};
use crate::wire::nas::EsmCause;
use crate::wire::s1ap::{self, Cause, Pdu};
use crate::wire::{Fields, Label, Proto};

pub use self::pending::PendingLimits;

/// How much longer than T3412 the MME waits for a sign of a UE without a connection, and again before it takes the UE for
/// gone (TS 24.301 clause 5.3.5 and table 10.2.2: the mobile reachable timer and the implicit detach timer).
const GRACE: Duration = Duration::from_secs(4 * 60);

/// Of how many subscribers that are not registered the MME keeps the security context. Who comes later is challenged.
const RESTING_MAX: usize = 64;

/// What the MME works with while it takes one input.
pub(super) struct Core<'a> {
    pub now: Instant,
    pub hss: &'a mut Hss,
    pub gateway: &'a mut Gateway,
    pub out: &'a mut Vec<EpcOutput>,
}

impl Core<'_> {
    /// A message of S6a and its answer, for the ladder.
    fn s6a(&mut self, request: &'static str, answer: &'static str, imsi: &Imsi, result: &str) {
        let (mme, hss) = (Actor::MME, Actor::HSS);
        let label = Label::new(Proto::S6a, request).with("imsi", imsi);
        let session = SessionKey::Subscriber(imsi.clone());
        self.out.push(EpcOutput::Call { from: mme, to: hss, label, session: session.clone() });
        let label = Label::new(Proto::S6a, answer).with("result", result);
        self.out.push(EpcOutput::Call { from: hss, to: mme, label, session });
    }

    fn state(&mut self, ue: &UeContext, machine: &'static str, change: &'static str, fields: Fields) {
        let (actor, change, session) = (Actor::MME, change.into(), ue.session_key());
        self.out.push(EpcOutput::State { actor, machine, change, fields, session });
    }
}

pub(super) struct Mme {
    config: EpcConfig,
    tmsi_stream: ChaCha20Rng,
    /// Base stations, and whether S1 is set up.
    enbs: BTreeMap<u32, bool>,
    /// UE contexts by MME UE S1AP ID.
    ues: BTreeMap<u32, Box<UeContext>>,
    /// From (base station, eNB UE S1AP ID) to MME UE S1AP ID.
    by_enb: BTreeMap<(u32, u32), u32>,
    /// The context that holds the registration of an IMSI.
    registered: BTreeMap<Imsi, u32>,
    /// The security context of each subscriber that has authenticated.
    natives: BTreeMap<Imsi, Box<Native>>,
    /// The subscribers whose registration ended last.
    resting: VecDeque<Imsi>,
    gutis: Gutis,
    challenges: Challenges,
    pending: Pending,
    timers: BTreeSet<(Instant, u32)>,
    next_id: u32,
    /// How many NAS messages were dropped.
    pub(super) dropped: u64,
    /// How many connections were given up because there were too many.
    pub(super) given_up: u64,
}

impl Mme {
    pub(super) fn new(config: EpcConfig, rng: &RngTree) -> Self {
        Self {
            config,
            tmsi_stream: rng.stream("m-tmsi"),
            enbs: BTreeMap::new(),
            ues: BTreeMap::new(),
            by_enb: BTreeMap::new(),
            registered: BTreeMap::new(),
            natives: BTreeMap::new(),
            resting: VecDeque::new(),
            gutis: Gutis::default(),
            challenges: Challenges::default(),
            pending: Pending::default(),
            timers: BTreeSet::new(),
            next_id: 1,
            dropped: 0,
            given_up: 0,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn contexts(&self) -> usize {
        self.ues.len()
    }

    pub(super) fn connected(&mut self, enb: u32) {
        self.enbs.insert(enb, false);
    }

    /// The association is gone, and with it the connections that ran over it (TS 23.007 clause 15).
    pub(super) fn lost(&mut self, enb: u32, core: &mut Core<'_>) {
        self.enbs.remove(&enb);
        self.pending.forget_enb(enb);
        self.connections_lost(enb, core);
    }

    fn connections_lost(&mut self, enb: u32, core: &mut Core<'_>) {
        let ids: Vec<u32> = self.by_enb.range((enb, 0)..=(enb, u32::MAX)).map(|(_, id)| *id).collect();
        for id in ids {
            self.with(id, |mme, ue| mme.connection_lost(ue, core));
        }
    }

    /// Runs `step` on a context that is out of the map meanwhile, and puts it back unless it ended.
    fn with<T>(&mut self, id: u32, step: impl FnOnce(&mut Self, &mut UeContext) -> T) -> Option<T> {
        let mut ue = self.ues.remove(&id)?;
        let result = step(self, &mut ue);
        if ue.phase == Phase::Ended {
            self.forget(&mut ue);
            return Some(result);
        }
        if ue.enb_id.is_some() && !ue.exchanged {
            self.pending.record(id, ue.enb, ue.imsi.as_ref(), self.config.pending);
        } else {
            self.pending.remove(id);
        }
        self.ues.insert(id, ue);
        Some(result)
    }

    fn forget(&mut self, ue: &mut UeContext) {
        self.stop_timer(ue);
        self.pending.remove(ue.mme_id);
        if let Some(enb_id) = ue.enb_id.take() {
            self.by_enb.remove(&(ue.enb, enb_id));
        }
        if let Some(imsi) = &ue.imsi
            && self.registered.get(imsi) == Some(&ue.mme_id)
        {
            self.unregister(imsi);
        }
    }

    /// The registration of a subscriber ends; its security context is kept as one of the last [`RESTING_MAX`].
    fn unregister(&mut self, imsi: &Imsi) {
        self.registered.remove(imsi);
        self.resting.retain(|resting| resting != imsi);
        self.resting.push_back(imsi.clone());
        if self.resting.len() > RESTING_MAX
            && let Some(oldest) = self.resting.pop_front()
            && !self.registered.contains_key(&oldest)
        {
            self.natives.remove(&oldest);
        }
    }

    /// A context for a UE that has just shown up at `enb`.
    fn new_context(&mut self, enb: u32, enb_id: u32) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1).max(1);
        self.by_enb.insert((enb, enb_id), id);
        self.ues.insert(id, Box::new(UeContext::new(id, enb, enb_id)));
        id
    }

    fn start_timer(&mut self, ue: &mut UeContext, timer: Timer, now: Instant) {
        self.stop_timer(ue);
        let at = now + timer.duration(self.config.t3412);
        ue.timer = Some((at, timer));
        self.timers.insert((at, ue.mme_id));
    }

    fn stop_timer(&mut self, ue: &mut UeContext) {
        if let Some((at, _)) = ue.timer.take() {
            self.timers.remove(&(at, ue.mme_id));
        }
    }

    pub(super) fn expire(&mut self, core: &mut Core<'_>) -> Result<(), CorenetError> {
        while let Some(&(at, id)) = self.timers.first().filter(|(at, _)| *at <= core.now) {
            self.timers.remove(&(at, id));
            let expired = self.with(id, |mme, ue| match ue.timer.take() {
                Some((_, timer)) => mme.expired(ue, timer, core),
                None => Ok(()),
            });
            expired.unwrap_or(Ok(()))?;
        }
        self.relieve(core)
    }

    /// A UE without a connection is to be heard of in time, where it has been told when.
    fn await_update(&mut self, ue: &mut UeContext, now: Instant) {
        // It has just been heard of: whoever pages it was answered.
        ue.reachable = None;
        if self.config.t3412.is_zero() {
            self.stop_timer(ue);
        } else {
            self.start_timer(ue, Timer::MobileReachable, now);
        }
    }

    /// A guard expired: the same message again, or the end of the procedure.
    fn expired(&mut self, ue: &mut UeContext, timer: Timer, core: &mut Core<'_>) -> Result<(), CorenetError> {
        ue.retransmissions += 1;
        if ue.retransmissions <= timer.retransmissions() {
            self.start_timer(ue, timer, core.now);
            return self.resend(ue, timer, core);
        }
        match timer {
            Timer::Release => {
                self.connection_lost(ue, core);
                return Ok(());
            }
            Timer::T3413 => {
                self.paging_failed(ue, core);
                return Ok(());
            }
            // The base station has not answered, and the registration is none the worse for it.
            Timer::ContextSetup => return self.release(ue, Cause::RADIO_PROCEDURE_FAILURE, core),
            Timer::MobileReachable => {
                self.start_timer(ue, Timer::ImplicitDetach, core.now);
                return Ok(());
            }
            Timer::ImplicitDetach => {
                let fields = vec![("mme-ue-id", ue.mme_id.to_string())];
                core.state(ue, "", "the UE was not heard of and is detached", fields);
                return self.abort(ue, core);
            }
            _ => {}
        }
        let fields = vec![("timer", timer.name().to_owned()), ("mme-ue-id", ue.mme_id.to_string())];
        core.state(ue, "", "the UE does not answer", fields);
        match timer {
            Timer::T3489 => self.refuse_session(ue, EsmCause::ESM_INFORMATION_NOT_RECEIVED, core),
            _ => self.abort(ue, core),
        }
    }

    fn send_s1(
        &mut self,
        enb: u32,
        what: &'static str,
        pdu: Result<Pdu<'static>, s1ap::Error>,
        core: &mut Core<'_>,
    ) -> Result<(), CorenetError> {
        let pdu = pdu.map_err(|e| fault(what, &e))?;
        let bytes = pdu.encode().map_err(|e| fault(what, &e))?;
        let session = pdu.ids().1.map(|id| SessionKey::Connection { enb, id });
        core.out.push(EpcOutput::S1 { enb, bytes, label: pdu.label(), session });
        Ok(())
    }
}

fn fault(what: &'static str, cause: &impl std::fmt::Display) -> CorenetError {
    CorenetError::Encode { place: "MME", what, cause: cause.to_string() }
}
