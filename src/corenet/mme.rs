//! The Mobility Management Entity: S1AP towards base stations (TS 36.413), NAS towards UEs (TS 24.301), and
//! the orders to HSS and gateway.
//!
//! Every attach runs authentication, whatever context the UE claims to have. Not built: tracking area update
//! and service request (rejected), paging, handover.

mod attach;
mod authentication;
mod context;
mod detach;
mod nas;
mod s1;

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use self::context::{Phase, Timer, UeContext};
use super::gateway::Gateway;
use super::hss::Hss;
use super::{CorenetError, EpcConfig, EpcOutput};
use crate::event::{Actor, SessionKey};
use crate::id::Imsi;
use crate::kernel::{Instant, RngTree};
use crate::wire::nas::EsmCause;
use crate::wire::s1ap::{self, Pdu};
use crate::wire::{Fields, Label, Proto};

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
    /// M-TMSIs that were given out, and whose they are.
    tmsis: BTreeMap<u32, Imsi>,
    tmsi_of: BTreeMap<Imsi, u32>,
    timers: BTreeSet<(Instant, u32)>,
    next_id: u32,
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
            tmsis: BTreeMap::new(),
            tmsi_of: BTreeMap::new(),
            timers: BTreeSet::new(),
            next_id: 1,
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
        } else {
            self.ues.insert(id, ue);
        }
        Some(result)
    }

    fn forget(&mut self, ue: &mut UeContext) {
        self.stop_timer(ue);
        if let Some(enb_id) = ue.enb_id.take() {
            self.by_enb.remove(&(ue.enb, enb_id));
        }
        if let Some(imsi) = &ue.imsi
            && self.registered.get(imsi) == Some(&ue.mme_id)
        {
            self.registered.remove(imsi);
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

    /// The M-TMSI of a subscriber: 32 bits of which the first two are set, as a P-TMSI's are (TS 23.003 clause
    /// 2.4), never given to another.
    fn new_tmsi(&mut self, imsi: &Imsi) -> u32 {
        let tmsi = loop {
            let candidate = self.tmsi_stream.next_u32() | 0xc000_0000;
            if !self.tmsis.contains_key(&candidate) {
                break candidate;
            }
        };
        if let Some(old) = self.tmsi_of.insert(imsi.clone(), tmsi) {
            self.tmsis.remove(&old);
        }
        self.tmsis.insert(tmsi, imsi.clone());
        tmsi
    }

    fn start_timer(&mut self, ue: &mut UeContext, timer: Timer, now: Instant) {
        self.stop_timer(ue);
        let at = now + timer.duration();
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
        Ok(())
    }

    /// A guard expired: the same message again, or the end of the procedure.
    fn expired(&mut self, ue: &mut UeContext, timer: Timer, core: &mut Core<'_>) -> Result<(), CorenetError> {
        ue.retransmissions += 1;
        if ue.retransmissions <= timer.retransmissions() {
            self.start_timer(ue, timer, core.now);
            return self.resend(ue, timer, core);
        }
        if timer == Timer::Release {
            self.connection_lost(ue, core);
            return Ok(());
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
