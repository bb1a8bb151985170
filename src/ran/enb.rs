//! The protocol base station: S1AP towards the MME (TS 36.413), GTP-U towards the gateway (TS 29.281), and the
//! modelled radio towards its UEs.

mod paging;
mod radio;
mod s1;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;

use super::RanError;
use super::uu::{Bearers, Frame};
use crate::event::Actor;
use crate::id::Plmn;
use crate::kernel::{Duration, Instant, RngTree};
use crate::wire::gtpu::{self, Datagram, DropCause, Drops, Endpoint, PeerGroups};
use crate::wire::pdcp::RadioKeys;
use crate::wire::rrc::Int;
use crate::wire::rrc::connection::EstablishmentCause;
use crate::wire::s1ap::{self, Cause, ContextReleaseRequest, Location, Pdu, UeIds};
use crate::wire::{Fields, Label};

/// How long the base station waits for the answer to an S1 SETUP REQUEST before it asks again.
pub const S1_SETUP_RETRY: Duration = Duration::from_secs(10);
/// How long the base station waits for a UE to complete the connection that it has asked for: as long as the largest
/// T300 (TS 36.331 clause 6.3.6), after which no UE waits either.
pub const CONNECTION_SETUP_WAIT: Duration = Duration::from_secs(2);

/// How long the base station waits for a sign of the MME about a UE that it has told of: longer than a UE waits for any
/// answer (TS 24.301 table 10.2.1).
pub const MME_WAIT: Duration = Duration::from_secs(30);

/// What a base station is.
#[derive(Debug, Clone)]
pub struct EnbConfig {
    /// Its number from 1; also its macro eNB ID.
    pub number: u32,
    /// The network that it belongs to.
    pub plmn: Plmn,
    /// The tracking area code of its cell.
    pub tac: u16,
    /// Access stratum integrity algorithms, best first.
    pub eia: Vec<u8>,
    /// Access stratum ciphering algorithms, best first.
    pub eea: Vec<u8>,
    /// After how long without a user packet a connection is given up; `None`: never.
    pub inactivity: Option<Duration>,
    /// Gateways that send user packets from more than one address, with all the addresses of each.
    pub peer_groups: PeerGroups,
}

impl EnbConfig {
    /// Base station `number` of tracking area `tac`, which prefers AES, then SNOW 3G, then ZUC.
    pub fn new(number: u32, plmn: Plmn, tac: u16) -> Self {
        let peer_groups = PeerGroups::default();
        Self { number, plmn, tac, eia: vec![2, 1, 3], eea: vec![2, 1, 3, 0], inactivity: None, peer_groups }
    }
}

/// What happens to a base station.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum EnbInput<'a> {
    /// The association to the MME is up.
    S1Connected,
    /// A PDU of the MME.
    S1(&'a [u8]),
    /// The association to the MME is gone.
    S1Lost,
    /// A frame of device `ue`.
    Air { ue: u32, frame: Frame },
    /// A datagram on the GTP-U port.
    GtpU { from: Ipv4Addr, bytes: &'a [u8] },
    /// The moment of [`Enb::deadline`] has come.
    Timer,
}

/// What a base station does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum EnbOutput {
    /// A PDU for the MME; `about` is the connection that it is of, with the device behind it where there is one.
    S1 { bytes: Vec<u8>, label: Label, about: Option<(u32, Option<u32>)> },
    /// A frame for device `ue`.
    Air { ue: u32, frame: Frame },
    /// A datagram for the GTP-U port of `to`, of device `ue` where it is one's.
    GtpU { to: Ipv4Addr, bytes: Vec<u8>, label: Label, ue: Option<u32> },
    /// A change of state, or a note with an empty `machine`.
    State { machine: &'static str, change: Cow<'static, str>, fields: Fields },
    /// What the cell says to everybody from now on: system information, as messages on BCCH. It is barred while there is no
    /// core network behind it.
    System { messages: Vec<Vec<u8>> },
    /// A message on PCCH, for whoever listens in the cell.
    Page { message: Vec<u8> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum S1State {
    Down,
    SettingUp,
    Ready,
}

/// How far a connection has come.
#[derive(Debug, Clone)]
enum Stage {
    /// RRCConnectionSetup was sent to whom who has asked for this reason, by this S-TMSI.
    Connecting { cause: EstablishmentCause, s_tmsi: Option<(u8, u32)> },
    /// NAS messages pass.
    Connected,
    /// SecurityModeCommand was sent.
    Securing(RadioKeys),
    /// RRCConnectionReconfiguration was sent.
    Reconfiguring,
    /// The bearer stands.
    Active,
}

#[derive(Debug)]
struct Context {
    /// The device; `None` once its radio connection is gone.
    ue: Option<u32>,
    mme_id: Option<u32>,
    stage: Stage,
    radio: Bearers,
    /// Of the next RRC message.
    transaction: u8,
    /// Security of the radio has begun.
    secured: bool,
    bearer: Option<Bearer>,
    /// When the last user packet passed.
    active: Instant,
    /// The NAS message that travels with the next reconfiguration.
    nas: Option<Vec<u8>>,
}

impl Context {
    /// Tells the answers to several messages apart (TS 36.331 clause 6.3.6).
    fn next_transaction(&mut self) -> Int<0, 3> {
        let transaction = Int::clamped(self.transaction.into());
        self.transaction = (self.transaction + 1) % 4;
        transaction
    }
}

#[derive(Debug, Clone, Copy)]
struct Bearer {
    erab: u64,
    /// The base station's end of the tunnel.
    teid: u32,
}

/// A base station with the connections of its UEs.
pub struct Enb {
    config: EnbConfig,
    s1: S1State,
    setup_at: Option<Instant>,
    contexts: BTreeMap<u32, Context>,
    /// From device to eNB UE S1AP ID.
    by_ue: BTreeMap<u32, u32>,
    /// Until when a connection that was asked for may be completed, by eNB UE S1AP ID, the oldest first.
    awaited: VecDeque<(Instant, u32)>,
    /// Until when the MME may say something of a connection that it was told of, the oldest first.
    unanswered: VecDeque<(Instant, u32)>,
    /// The tunnels of the contexts, by eNB UE S1AP ID.
    /// When the connections with a bearer are to be looked at for whether anything passes.
    idling: BTreeSet<(Instant, u32)>,
    /// Who is paged when, by MME code and M-TMSI, in the frame in which the UE listens.
    pages: VecDeque<(Instant, (u8, u32))>,
    tunnels: Endpoint<u32>,
    drops: Drops<u32>,
    next_id: u32,
    /// The MME has too much to do: nobody is let in (TS 36.413 clause 8.7.6).
    overloaded: bool,
    /// How often system information has changed.
    said: u32,
}

impl Enb {
    /// A base station without an association, which draws its TEIDs from `rng`.
    pub fn new(config: EnbConfig, rng: &RngTree) -> Self {
        let address = Actor::enb(config.number).transport_address();
        let tunnels = Endpoint::new(address, rng.stream("teid"), config.peer_groups.clone());
        Self {
            config,
            s1: S1State::Down,
            setup_at: None,
            contexts: BTreeMap::new(),
            by_ue: BTreeMap::new(),
            awaited: VecDeque::new(),
            unanswered: VecDeque::new(),
            idling: BTreeSet::new(),
            pages: VecDeque::new(),
            tunnels,
            drops: Drops::default(),
            next_id: 1,
            overloaded: false,
            said: 0,
        }
    }

    /// Takes one input. Fails where a codec lets the base station down; what its peers do wrong is answered in
    /// the protocol.
    pub fn handle(
        &mut self,
        now: Instant,
        input: EnbInput<'_>,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let handled = match input {
            EnbInput::S1Connected => self.set_up(now, out),
            EnbInput::S1(bytes) => self.receive_s1(now, bytes, out),
            EnbInput::S1Lost => self.lost(out),
            EnbInput::Air { ue, frame } => self.air(now, ue, &frame, out),
            EnbInput::GtpU { from, bytes } => self.receive_gtpu(now, from, bytes, out),
            EnbInput::Timer => match self.setup_at.filter(|at| *at <= now) {
                Some(_) => self.set_up(now, out),
                None => Ok(()),
            },
        };
        self.give_up_connecting(now);
        handled.and(self.give_up_unanswered(now, out))?;
        self.give_up_idle(now, out)?;
        self.page(now, out)
    }

    /// When the next timer expires.
    pub fn deadline(&self) -> Option<Instant> {
        let first = |queue: &VecDeque<(Instant, u32)>| queue.front().map(|(until, _)| *until);
        let queues = [&self.awaited, &self.unanswered];
        let idling = self.idling.first().map(|(until, _)| *until);
        let page = self.pages.iter().map(|(at, _)| *at).min();
        queues.into_iter().map(first).chain([self.setup_at, page, idling]).flatten().min()
    }

    /// What was dropped of the user plane, by reason, with how often.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.drops.counts().map(|(why, count)| (why.name(), count))
    }

    /// How many UEs have a connection, or one that the MME has not released yet.
    pub fn connections(&self) -> usize {
        self.contexts.len()
    }

    fn set_up(&mut self, now: Instant, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        self.s1 = S1State::SettingUp;
        self.overloaded = false;
        self.setup_at = Some(now + S1_SETUP_RETRY);
        let EnbConfig { number, plmn, tac, .. } = self.config;
        let name = Some(format!("enb-{number}"));
        let areas = vec![(plmn, tac)];
        let request = s1ap::S1SetupRequest { plmn: Some(plmn), enb: Some(number), name, areas };
        self.send_s1("S1SetupRequest", request.build(), out)
    }

    fn lost(&mut self, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        self.s1 = S1State::Down;
        self.setup_at = None;
        let ids: Vec<u32> = self.contexts.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.release(id, out))?;
        self.broadcast(true, out)?;
        Self::note("s1", "DOWN", out);
        Ok(())
    }

    /// Forgets connections that were asked for and never completed: the MME does not know of them, and nobody else
    /// would end them.
    fn give_up_connecting(&mut self, now: Instant) {
        while let Some(&(until, id)) = self.awaited.front() {
            let is_connecting = self
                .contexts
                .get(&id)
                .is_some_and(|context| matches!(context.stage, Stage::Connecting { .. }));
            if is_connecting && until > now {
                break;
            }
            self.awaited.pop_front();
            if is_connecting {
                self.forget(id);
            }
        }
    }

    /// Releases the connections that the MME was told of and has said nothing about.
    fn give_up_unanswered(&mut self, now: Instant, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        while let Some(&(until, id)) = self.unanswered.front() {
            let is_waiting = self.contexts.get(&id).is_some_and(|context| context.mme_id.is_none());
            if is_waiting && until > now {
                break;
            }
            self.unanswered.pop_front();
            if is_waiting {
                self.release(id, out)?;
            }
        }
        Ok(())
    }

    /// The radio connection of a context is gone; the MME releases the rest, where it knows of the UE.
    fn radio_lost(&mut self, id: u32, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        context.ue = None;
        match context.mme_id {
            Some(mme) => self.request_release(UeIds { mme, enb: id }, Cause::RADIO_CONNECTION_LOST, out),
            None => {
                self.forget(id);
                Ok(())
            }
        }
    }

    /// Releases the radio connection of a context and forgets it.
    fn release(&mut self, id: u32, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        let said = self.contexts.get_mut(&id).map(|context| Self::radio_release(context, out));
        self.forget(id);
        said.unwrap_or(Ok(()))
    }

    fn forget(&mut self, id: u32) {
        self.drop_bearer(id);
        self.drops.forget(id);
        if let Some(ue) = self.contexts.remove(&id).and_then(|context| context.ue) {
            self.by_ue.remove(&ue);
        }
    }

    fn drop_bearer(&mut self, id: u32) -> Option<Bearer> {
        let bearer = self.contexts.get_mut(&id)?.bearer.take()?;
        self.tunnels.close(bearer.teid);
        Some(bearer)
    }

    fn uplink(
        &mut self,
        now: Instant,
        ue: u32,
        identity: u8,
        pdu: &[u8],
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.by_ue.get(&ue).and_then(|id| self.contexts.get_mut(id)) else {
            return Ok(());
        };
        let (Some(packet), Some(bearer)) = (context.radio.receive_packet(identity, pdu), context.bearer)
        else {
            return Ok(());
        };
        context.active = now;
        let sent = self.tunnels.send(bearer.teid, &packet).map_err(|e| fault("G-PDU", &e))?;
        if let Some(Datagram { to, bytes, label }) = sent {
            out.push(EnbOutput::GtpU { to, bytes, label, ue: Some(ue) });
        }
        Ok(())
    }

    fn downlink(
        &mut self,
        now: Instant,
        id: u32,
        packet: &[u8],
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let Some(context) = self.contexts.get_mut(&id) else { return Ok(()) };
        context.active = now;
        match (context.ue, context.radio.send_packet(radio::DRB, packet)) {
            (Some(ue), Some(Ok(frame))) => {
                out.push(EnbOutput::Air { ue, frame });
                Ok(())
            }
            (Some(_), Some(Err(error))) => self.exhausted(id, &error.to_string(), out),
            _ => Ok(()),
        }
    }

    fn receive_gtpu(
        &mut self,
        now: Instant,
        from: Ipv4Addr,
        bytes: &[u8],
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        match self.tunnels.receive(from, bytes).map_err(|e| fault("GTP-U answer", &e))? {
            gtpu::Event::Deliver { key, packet } => self.downlink(now, key, packet, out),
            gtpu::Event::Answer { bytes, label } => {
                out.push(EnbOutput::GtpU { to: from, bytes, label, ue: None });
                Ok(())
            }
            gtpu::Event::Lost { keys } => keys.into_iter().try_for_each(|key| self.tunnel_lost(key, out)),
            gtpu::Event::Dropped { why, key } => {
                self.dropped(now, why, key, from, out);
                Ok(())
            }
            gtpu::Event::Early { key, .. } => {
                self.dropped(now, DropCause::NoBearer, Some(key), from, out);
                Ok(())
            }
            gtpu::Event::Nothing => Ok(()),
        }
    }

    /// Counts what was dropped, and tells it where that is due.
    fn dropped(
        &mut self,
        now: Instant,
        why: DropCause,
        id: Option<u32>,
        peer: Ipv4Addr,
        out: &mut Vec<EnbOutput>,
    ) {
        let Some(count) = self.drops.count(now, why, id) else { return };
        let mut fields = vec![("reason", why.name().to_owned()), ("peer", peer.to_string())];
        fields.extend(id.map(|id| ("enb-ue-id", id.to_string())));
        fields.push(("count", count.to_string()));
        out.push(EnbOutput::State { machine: "", change: "packet dropped".into(), fields });
    }

    /// The gateway does not know the tunnel any more: the UE's context is of no use (TS 23.007 clause 22).
    fn tunnel_lost(&mut self, id: u32, out: &mut Vec<EnbOutput>) -> Result<(), RanError> {
        self.drop_bearer(id);
        let Some(mme) = self.contexts.get(&id).and_then(|context| context.mme_id) else { return Ok(()) };
        self.request_release(UeIds { mme, enb: id }, Cause::TRANSPORT_UNAVAILABLE, out)
    }

    fn request_release(
        &mut self,
        ids: UeIds,
        cause: Cause,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let request = ContextReleaseRequest { ids, cause: Some(cause) };
        self.send_s1("UEContextReleaseRequest", request.build(), out)
    }

    /// Where the one cell of this base station is.
    fn location(&self) -> Location {
        let EnbConfig { number, plmn, tac, .. } = self.config;
        Location { plmn, tac, enb: number, cell: 1 }
    }

    fn send_s1(
        &mut self,
        what: &'static str,
        pdu: Result<Pdu<'static>, s1ap::Error>,
        out: &mut Vec<EnbOutput>,
    ) -> Result<(), RanError> {
        let pdu = pdu.map_err(|e| fault(what, &e))?;
        let bytes = pdu.encode().map_err(|e| fault(what, &e))?;
        let ue = |id| self.contexts.get(&id).and_then(|context| context.ue);
        let about = pdu.ids().1.map(|id| (id, ue(id)));
        out.push(EnbOutput::S1 { bytes, label: pdu.label(), about });
        Ok(())
    }

    fn note(machine: &'static str, change: impl Into<Cow<'static, str>>, out: &mut Vec<EnbOutput>) {
        out.push(EnbOutput::State { machine, change: change.into(), fields: Vec::new() });
    }
}

fn fault(what: &'static str, cause: &impl std::fmt::Display) -> RanError {
    RanError::Encode { place: "eNB", what, cause: cause.to_string() }
}
