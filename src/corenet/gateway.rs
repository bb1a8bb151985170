//! The serving and PDN gateway: addresses, tunnels, and the user plane between S1-U and the service network
//! (TS 23.401, TS 29.281). Its control plane is a function call of the MME.
//!
//! Nobody on the networks beside it is believed. A G-PDU counts where it comes from the base station to which the session
//! has its bearer, and carries a packet of the session's own address; a packet of the service network passes to a UE
//! where the UE might have asked for it. What does not is dropped, counted, and told.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::pdn::PdnAddresses;
use super::session::{Attestation, PdnAddress, RatType, SessionChange, SessionId, Statement, UNRESTRICTED};
use super::{CorenetError, EpcOutput};
use crate::crypto::SoftKey;
use crate::event::{Actor, SessionKey};
use crate::id::{Iccid, Imei, Imsi, Plmn};
use crate::kernel::{Duration, Instant, RngTree};
use crate::wire::gtpu::{self, Datagram, DropCause, Drops, Endpoint, FarEnd, PeerGroups};
use crate::wire::inet::{addresses, link_local, prefix_address, session_address};
use crate::wire::ndp::{self, ALL_NODES, Advertisement, Message};
use crate::wire::{Label, Proto};

/// How many downlink packets wait for a tunnel towards the base station before the oldest are dropped.
const BUFFERED: usize = 32;

/// How many uplink packets of a session may come before it is known from where, and for how long they are kept: what a
/// UE sends at once overtakes the base station's word that its bearer stands (TS 23.401 clause 5.3.2.1 lets it send after
/// ATTACH COMPLETE).
const EARLY: usize = 8;
const EARLY_KEPT: Duration = Duration::from_secs(1);

/// What a subscription may reach on the service network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Policy {
    /// Everywhere.
    #[default]
    Unrestricted,
    /// Onboarding only: these addresses and no other.
    Only(Arc<[IpAddr]>),
}

impl Policy {
    /// Whether packets pass to this address of the service network, and from it.
    fn permits(&self, far: IpAddr) -> bool {
        match self {
            Self::Unrestricted => true,
            Self::Only(addresses) => addresses.contains(&far),
        }
    }

    /// The name that attestations carry.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unrestricted => UNRESTRICTED,
            Self::Only(_) => "onboarding-only",
        }
    }
}

/// A subnet of which UEs get addresses: all but the network's, the broadcast and the first, which is the
/// gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPool {
    network: u32,
    prefix: u8,
}

impl AddressPool {
    /// The subnet of `address` with a prefix of 8 to 29 bits.
    pub fn new(address: Ipv4Addr, prefix: u8) -> Result<Self, CorenetError> {
        if !(8..=29).contains(&prefix) {
            return Err(CorenetError::Pool { prefix });
        }
        Ok(Self { network: u32::from(address) & (u32::MAX << (32 - prefix)), prefix })
    }

    /// How many UEs have room.
    pub fn capacity(&self) -> u32 {
        (1 << (32 - self.prefix)) - 3
    }

    fn address(&self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.network + 2 + n)
    }
}

/// The network of which UEs get 64 bits each, of the documentation prefix (RFC 3849), and how many bits of it count.
pub const UE_PREFIXES: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2001, 0xdb8, 0x4000, 0, 0, 0, 0, 0), 34);
/// How many UEs have room there.
const PREFIXES: u32 = 1 << 30;
/// The gateway's own address on the link to a UE, and how long it says that it is there: for as long as it can say.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const ROUTER_S: u16 = u16::MAX;

/// Prefixes of UEs.
#[derive(Debug, Default)]
struct Prefixes {
    /// How many were ever given out.
    used: u32,
    /// Those that came back, the one that rested longest first.
    free: VecDeque<[u8; 8]>,
}

impl Prefixes {
    fn allocate(&mut self) -> Option<[u8; 8]> {
        if self.used < PREFIXES {
            self.used += 1;
            let network = (u128::from(UE_PREFIXES.0) >> 64) as u64;
            return Some((network + u64::from(self.used)).to_be_bytes());
        }
        self.free.pop_front()
    }
}

/// What the MME asks for with Create Session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CreateSession {
    pub imsi: Imsi,
    pub iccid: Iccid,
    /// The equipment, as the UE told it under NAS security.
    pub imei: Option<Imei>,
    pub apn: String,
    pub policy: Policy,
    pub rat: RatType,
    /// The versions of IP that it is to have.
    pub versions: PdnAddresses,
}

/// A session that was created: the gateway's end of its tunnel, the IPv4 address of the UE, and the interface identifier of
/// its link-local address in IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Created {
    pub teid: u32,
    pub ip: Option<Ipv4Addr>,
    pub interface: Option<[u8; 8]>,
}

/// What a session has of IPv6.
#[derive(Debug, Clone, Copy)]
struct Six {
    prefix: [u8; 8],
    /// The identifier of its link-local address.
    interface: [u8; 8],
    /// Whether the UE was told its prefix.
    advertised: bool,
}

struct Session {
    /// The gateway's end of its tunnel.
    teid: u32,
    six: Option<Six>,
    attestation: Attestation,
    policy: Policy,
    /// The number of the last statement on it.
    sequence: u64,
    /// Downlink packets that wait until the tunnel leads to a base station.
    waiting: VecDeque<Vec<u8>>,
    /// Uplink packets that came before the tunnel leads to a base station, when and from where.
    early: VecDeque<(Instant, Ipv4Addr, Vec<u8>)>,
}

pub(super) struct Gateway {
    network: Plmn,
    /// What the network signs its statements with.
    key: SoftKey,
    pool: AddressPool,
    /// How many addresses of the pool were ever given out.
    used: u32,
    /// Addresses that came back, the one that rested longest first.
    free: VecDeque<Ipv4Addr>,
    prefixes: Prefixes,
    interfaces: ChaCha20Rng,
    /// By the IPv4 address of the UE, or by its prefix where it has none.
    sessions: BTreeMap<IpAddr, Session>,
    /// The prefixes of sessions that have an IPv4 address as well, with that.
    dual: BTreeMap<IpAddr, IpAddr>,
    tunnels: Endpoint<IpAddr>,
    drops: Drops<IpAddr>,
    mtu: u16,
    last_session: u64,
    /// The subscribers for whom packets have come that wait.
    notified: Vec<Imsi>,
}

impl Gateway {
    /// A gateway that states sessions under `key`. Base stations have one address each, but for those of `peers`; TEIDs are
    /// drawn from `rng`, and so are interface identifiers. UEs send packets of up to `mtu` bytes.
    pub(super) fn new(
        network: Plmn,
        pool: AddressPool,
        key: SoftKey,
        peers: PeerGroups,
        mtu: u16,
        rng: &RngTree,
    ) -> Self {
        Self {
            network,
            key,
            pool,
            used: 0,
            free: VecDeque::new(),
            prefixes: Prefixes::default(),
            interfaces: rng.stream("interface"),
            sessions: BTreeMap::new(),
            dual: BTreeMap::new(),
            tunnels: Endpoint::new(Actor::GATEWAY.transport_address(), rng.stream("teid"), peers),
            drops: Drops::default(),
            mtu,
            last_session: 0,
            notified: Vec::new(),
        }
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        self.tunnels.address()
    }

    /// The public key, `X || Y`, under which its statements are to be verified.
    pub(super) fn attestation_key(&self) -> [u8; 64] {
        self.key.public()
    }

    /// Create Session: addresses and a tunnel end; `None` where the pool is empty.
    pub(super) fn create(
        &mut self,
        now: Instant,
        request: CreateSession,
        out: &mut Vec<EpcOutput>,
    ) -> Option<Created> {
        let CreateSession { imsi, iccid, imei, apn, policy, rat, versions } = request;
        let ip = if versions.has_ipv4() { Some(self.allocate()?) } else { None };
        let six = if versions.has_ipv6() { Some(self.six()?) } else { None };
        let prefix = six.map(|six| IpAddr::V6(prefix_address(six.prefix)));
        let key = ip.map(IpAddr::V4).or(prefix)?;
        if let (Some(ip), Some(prefix)) = (ip, prefix) {
            self.dual.insert(prefix, ip.into());
        }
        let teid = self.tunnels.open(key);
        self.last_session += 1;
        let addresses = ip.map(PdnAddress::Ipv4).into_iter();
        let addresses = addresses.chain(six.map(|six| PdnAddress::Ipv6Prefix(six.prefix))).collect();
        let attestation = Attestation {
            session: SessionId(self.last_session),
            imsi,
            iccid,
            imei,
            apn,
            addresses,
            policy: policy.name().to_owned(),
            rat,
            // To the microsecond, as it is written.
            since: Instant::from_nanos(now.as_micros() * 1_000),
        };
        let up = SessionChange::Up(attestation.clone());
        out.push(state(self.network, &self.key, now, (&attestation, 1), up));
        if let Policy::Only(addresses) = &policy {
            let has = |far: &&IpAddr| if far.is_ipv6() { six.is_some() } else { ip.is_some() };
            let addresses: Vec<_> = addresses.iter().filter(has).map(IpAddr::to_string).collect();
            out.push(EpcOutput::State {
                actor: Actor::GATEWAY,
                machine: "",
                change: "session is for onboarding only".into(),
                fields: vec![("session", key.to_string()), ("permitted", addresses.join(","))],
                session: Some(SessionKey::Address(key)),
            });
        }
        let (waiting, early) = Default::default();
        let session = Session { teid, six, attestation, policy, sequence: 1, waiting, early };
        self.sessions.insert(key, session);
        Some(Created { teid, ip, interface: six.map(|six| six.interface) })
    }

    fn six(&mut self) -> Option<Six> {
        let prefix = self.prefixes.allocate()?;
        // That of the router is its own.
        let interface = loop {
            let drawn = self.interfaces.next_u64();
            if drawn > 1 {
                break drawn.to_be_bytes();
            }
        };
        Some(Six { prefix, interface, advertised: false })
    }

    /// The session that has this address, by what it is kept under.
    fn holder(&self, address: IpAddr) -> Option<IpAddr> {
        let known = session_address(address);
        self.dual.get(&known).copied().or_else(|| self.sessions.contains_key(&known).then_some(known))
    }

    /// Those who are told of sessions are there, and may have missed something: states every session that is up.
    pub(super) fn restate(&mut self, now: Instant, out: &mut Vec<EpcOutput>) {
        for session in self.sessions.values_mut() {
            session.sequence += 1;
            let about = (&session.attestation, session.sequence);
            let changed = SessionChange::Changed(session.attestation.clone());
            out.push(state(self.network, &self.key, now, about, changed));
        }
    }

    /// Modify Bearer: where the base station wants downlink packets. Those that waited leave at once, and what came too
    /// early counts now, where it came from there.
    pub(super) fn modify(
        &mut self,
        now: Instant,
        teid: u32,
        remote: (Ipv4Addr, u32),
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        let Some(ip) = self.tunnels.key(teid) else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(&ip) else { return Ok(()) };
        let (address, far) = remote;
        self.tunnels.connect(teid, FarEnd { address, teid: far });
        let waiting = std::mem::take(&mut session.waiting);
        let early = std::mem::take(&mut session.early);
        waiting.iter().try_for_each(|packet| self.downlink(teid, packet, out).map(drop))?;
        for (at, from, packet) in early {
            let peer = ("peer", from.to_string());
            if !self.tunnels.same_peer(address, from) {
                self.dropped(now, (DropCause::ForeignPeer, Some(ip)), peer, out);
            } else if now > at + EARLY_KEPT {
                self.dropped(now, (DropCause::NoBearer, Some(ip)), peer, out);
            } else {
                self.uplink(now, ip, &packet, out)?;
            }
        }
        // A UE need not ask (TS 29.061 clause 11.2.1.3.2).
        match self.sessions.get(&ip).and_then(|session| session.six) {
            Some(Six { advertised: false, .. }) => self.advertise(ip, out),
            _ => Ok(()),
        }
    }

    /// The subscribers for whom packets have come since the last call that wait for a bearer.
    pub(super) fn take_notified(&mut self) -> Vec<Imsi> {
        std::mem::take(&mut self.notified)
    }

    /// Drops what waits for a UE that was not reached.
    pub(super) fn discard(&mut self, now: Instant, teid: u32, out: &mut Vec<EpcOutput>) {
        let Some(ip) = self.tunnels.key(teid) else { return };
        let waiting = self.sessions.get_mut(&ip).map(|session| std::mem::take(&mut session.waiting));
        for packet in waiting.unwrap_or_default() {
            let bytes = ("bytes", packet.len().to_string());
            self.dropped(now, (DropCause::NoBearer, Some(ip)), bytes, out);
        }
    }

    /// Release Access Bearers: the session stays, its tunnel to the base station goes.
    pub(super) fn release_access(&mut self, teid: u32) {
        self.tunnels.disconnect(teid);
    }

    /// Delete Session.
    pub(super) fn delete(&mut self, now: Instant, teid: u32, out: &mut Vec<EpcOutput>) {
        let Some(ip) = self.tunnels.key(teid) else { return };
        self.tunnels.close(teid);
        let early = self.sessions.get_mut(&ip).map(|session| std::mem::take(&mut session.early));
        for (_, from, _) in early.unwrap_or_default() {
            self.dropped(now, (DropCause::NoBearer, Some(ip)), ("peer", from.to_string()), out);
        }
        if let Some(session) = self.sessions.remove(&ip) {
            if let IpAddr::V4(ip) = ip {
                self.free.push_back(ip);
            }
            if let Some(Six { prefix, .. }) = session.six {
                self.dual.remove(&prefix_address(prefix).into());
                self.prefixes.free.push_back(prefix);
            }
            self.drops.forget(ip);
            let about = (&session.attestation, session.sequence + 1);
            let down = SessionChange::Down(session.attestation.session);
            out.push(state(self.network, &self.key, now, about, down));
        }
    }

    /// What was dropped, by reason.
    pub(super) fn drops(&self) -> impl Iterator<Item = (DropCause, u64)> {
        self.drops.counts()
    }

    /// A datagram on the GTP-U port.
    pub(super) fn receive_gtpu(
        &mut self,
        now: Instant,
        from: Ipv4Addr,
        bytes: &[u8],
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        match self.tunnels.receive(from, bytes).map_err(|e| fault("GTP-U answer", &e))? {
            gtpu::Event::Deliver { key, packet } => self.uplink(now, key, packet, out)?,
            gtpu::Event::Early { key, packet } => self.early(now, key, from, packet, out),
            gtpu::Event::Answer { bytes, label } => {
                out.push(EpcOutput::GtpU { to: from, bytes, label, session: None });
            }
            gtpu::Event::Lost { keys } => {
                for session in keys.iter().filter_map(|key| self.sessions.get(key)) {
                    self.tunnels.disconnect(session.teid);
                }
            }
            gtpu::Event::Dropped { why, key } => {
                self.dropped(now, (why, key), ("peer", from.to_string()), out);
            }
            gtpu::Event::Nothing => {}
        }
        Ok(())
    }

    /// Keeps a packet of a session without a bearer for a moment.
    fn early(&mut self, now: Instant, ip: IpAddr, from: Ipv4Addr, packet: &[u8], out: &mut Vec<EpcOutput>) {
        if let Some(session) = self.sessions.get_mut(&ip) {
            session.early.push_back((now, from, packet.to_vec()));
        }
        while let Some(session) = self.sessions.get_mut(&ip)
            && let Some((at, from, _)) = session.early.front()
            && (session.early.len() > EARLY || now > *at + EARLY_KEPT)
        {
            let peer = ("peer", from.to_string());
            session.early.pop_front();
            self.dropped(now, (DropCause::NoBearer, Some(ip)), peer, out);
        }
    }

    /// A UE may use its own addresses only, and send to where its policy lets it. What it says on the link between it and the
    /// gateway goes no further, and neither does anything from its link-local address (RFC 4291 clause 2.5.6).
    fn uplink(
        &mut self,
        now: Instant,
        ip: IpAddr,
        packet: &[u8],
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        let Some(session) = self.sessions.get(&ip) else { return Ok(()) };
        let own = session.six.map(|six| link_local(six.interface));
        let (why, field) = match addresses(packet) {
            Some((IpAddr::V6(source), _)) if Some(source) == own => match ndp::read(packet) {
                Some((_, Message::Solicitation)) => return self.advertise(ip, out),
                // Whether an address is taken, and what else hosts ask one another: nobody else is there.
                _ => (DropCause::LinkLocal, ("source", source.to_string())),
            },
            Some((source, _)) if self.holder(source) != Some(ip) => {
                (DropCause::InnerSource, ("source", source.to_string()))
            }
            Some((_, IpAddr::V6(to))) if to.is_multicast() || to.is_unicast_link_local() => {
                (DropCause::LinkLocal, ("destination", to.to_string()))
            }
            Some((_, destination)) if !session.policy.permits(destination) => {
                (DropCause::PolicyUplink, ("destination", destination.to_string()))
            }
            Some(_) => {
                out.push(EpcOutput::Sgi(packet.to_vec()));
                return Ok(());
            }
            None => (DropCause::NotIp, ("bytes", packet.len().to_string())),
        };
        self.dropped(now, (why, Some(ip)), field, out);
        Ok(())
    }

    /// Tells a UE its prefix, with a Router Advertisement on its bearer (TS 29.061 clause 11.2.1.3.4).
    fn advertise(&mut self, ip: IpAddr, out: &mut Vec<EpcOutput>) -> Result<(), CorenetError> {
        let Some(session) = self.sessions.get_mut(&ip) else { return Ok(()) };
        let Some(six) = &mut session.six else { return Ok(()) };
        six.advertised = true;
        let (prefix, mtu) = (Some(six.prefix), Some(self.mtu.into()));
        let advertisement = Advertisement { lifetime_s: ROUTER_S, prefix, mtu };
        let packet = ndp::packet(ROUTER, ALL_NODES, &Message::Advertisement(advertisement));
        let teid = session.teid;
        self.downlink(teid, &packet, out).map(drop)
    }

    /// A packet of the service network: for whoever has its address, if that one's policy leads to its sender.
    pub(super) fn receive_sgi(
        &mut self,
        now: Instant,
        packet: &[u8],
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        let Some((source, destination)) = addresses(packet) else {
            let bytes = ("bytes", packet.len().to_string());
            self.dropped(now, (DropCause::NotIp, None), bytes, out);
            return Ok(());
        };
        let holder = self.holder(destination);
        let Some((destination, session)) = holder.and_then(|ip| Some((ip, self.sessions.get(&ip)?))) else {
            // Nothing to be told: the last segments of a connection are on their way when a device has left.
            self.drops.count(now, DropCause::NoSession, None);
            return Ok(());
        };
        if !session.policy.permits(source) {
            let told = ("source", source.to_string());
            self.dropped(now, (DropCause::PolicyDownlink, Some(destination)), told, out);
            return Ok(());
        }
        if self.downlink(session.teid, packet, out)? {
            return Ok(());
        }
        let Some(session) = self.sessions.get_mut(&destination) else { return Ok(()) };
        let full = session.waiting.len() == BUFFERED;
        if full {
            session.waiting.pop_front();
        }
        session.waiting.push_back(packet.to_vec());
        self.notified.push(session.attestation.imsi.clone());
        if full {
            let held = ("held", BUFFERED.to_string());
            self.dropped(now, (DropCause::BufferFull, Some(destination)), held, out);
        }
        Ok(())
    }

    /// Counts what was dropped, and tells it where that is due.
    fn dropped(
        &mut self,
        now: Instant,
        (why, ip): (DropCause, Option<IpAddr>),
        field: (&'static str, String),
        out: &mut Vec<EpcOutput>,
    ) {
        let Some(count) = self.drops.count(now, why, ip) else { return };
        let mut fields = vec![("reason", why.name().to_owned()), field, ("count", count.to_string())];
        if let Some(ip) = ip {
            fields.insert(0, ("session", ip.to_string()));
        }
        out.push(EpcOutput::State {
            actor: Actor::GATEWAY,
            machine: "",
            change: "packet dropped".into(),
            fields,
            session: ip.map(SessionKey::Address),
        });
    }

    /// Sends a packet to the base station; `false` where the tunnel does not lead to one.
    fn downlink(&self, teid: u32, packet: &[u8], out: &mut Vec<EpcOutput>) -> Result<bool, CorenetError> {
        let sent = self.tunnels.send(teid, packet).map_err(|e| fault("G-PDU", &e))?;
        let Some(Datagram { to, bytes, label }) = sent else { return Ok(false) };
        let session = self.tunnels.key(teid).map(SessionKey::Address);
        out.push(EpcOutput::GtpU { to, bytes, label, session });
        Ok(true)
    }

    fn allocate(&mut self) -> Option<Ipv4Addr> {
        if self.used < self.pool.capacity() {
            self.used += 1;
            return Some(self.pool.address(self.used - 1));
        }
        self.free.pop_front()
    }
}

/// The signed statement, the one of this number on its session, that `change` has come to what was attested.
fn state(
    network: Plmn,
    key: &SoftKey,
    now: Instant,
    (about, sequence): (&Attestation, u64),
    change: SessionChange,
) -> EpcOutput {
    let addresses: Vec<_> = about.addresses.iter().map(PdnAddress::to_string).collect();
    let label = Label::new(Proto::Cwt, change.name())
        .with("session", about.session)
        .with("imsi", &about.imsi)
        .with("address", addresses.join(","));
    let label = match &change {
        SessionChange::Up(_) | SessionChange::Changed(_) => label.with("policy", &about.policy),
        SessionChange::Down(_) => label,
    };
    let statement = Statement::new(network, sequence, now.unix_s(), change);
    let token = statement.sign(key);
    let session = SessionKey::Subscriber(about.imsi.clone());
    EpcOutput::Session { change: statement.change, token, label, session }
}

fn fault(what: &'static str, cause: &impl std::fmt::Display) -> CorenetError {
    CorenetError::Encode { place: "gateway", what, cause: cause.to_string() }
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
