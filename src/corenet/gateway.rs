//! The serving and PDN gateway: addresses, tunnels, and the user plane between S1-U and the service network
//! (TS 23.401, TS 29.281). Its control plane is a function call of the MME.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::session::{Attestation, PdnAddress, RatType, SessionChange, SessionId, Statement};
use super::{CorenetError, EpcOutput};
use crate::crypto::SoftKey;
use crate::event::{Actor, SessionKey};
use crate::id::{Iccid, Imei, Imsi, Plmn};
use crate::kernel::Instant;
use crate::wire::gtpu::{self, Datagram, Endpoint, FarEnd};
use crate::wire::{Label, Proto};

/// How many downlink packets wait for a tunnel towards the base station before the oldest are dropped.
const BUFFERED: usize = 32;

/// What a subscription may reach on the service network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Policy {
    /// Everywhere.
    #[default]
    Unrestricted,
    /// Onboarding only: these addresses and no other.
    Only(Arc<[Ipv4Addr]>),
}

impl Policy {
    fn permits(&self, destination: Ipv4Addr) -> bool {
        match self {
            Self::Unrestricted => true,
            Self::Only(addresses) => addresses.contains(&destination),
        }
    }

    /// The name that attestations carry.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unrestricted => "unrestricted",
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
}

/// A session that was created: the gateway's end of its tunnel, and the address of the UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Created {
    pub teid: u32,
    pub ip: Ipv4Addr,
}

struct Session {
    /// The gateway's end of its tunnel.
    teid: u32,
    attestation: Attestation,
    policy: Policy,
    /// The number of the last statement on it.
    sequence: u64,
    /// Downlink packets that wait until the tunnel leads to a base station.
    waiting: VecDeque<Vec<u8>>,
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
    /// By the address of the UE.
    sessions: BTreeMap<Ipv4Addr, Session>,
    tunnels: Endpoint<Ipv4Addr>,
    last_session: u64,
}

impl Gateway {
    pub(super) fn new(network: Plmn, pool: AddressPool, key: SoftKey) -> Self {
        Self {
            network,
            key,
            pool,
            used: 0,
            free: VecDeque::new(),
            sessions: BTreeMap::new(),
            tunnels: Endpoint::new(Actor::GATEWAY.transport_address()),
            last_session: 0,
        }
    }

    pub(super) fn address(&self) -> Ipv4Addr {
        self.tunnels.address()
    }

    /// The public key, `X || Y`, under which its statements are to be verified.
    pub(super) fn attestation_key(&self) -> [u8; 64] {
        self.key.public()
    }

    /// Create Session: an address and a tunnel end; `None` where the pool is empty.
    pub(super) fn create(
        &mut self,
        now: Instant,
        request: CreateSession,
        out: &mut Vec<EpcOutput>,
    ) -> Option<Created> {
        let ip = self.allocate()?;
        let teid = self.tunnels.open(ip);
        self.last_session += 1;
        let CreateSession { imsi, iccid, imei, apn, policy, rat } = request;
        let attestation = Attestation {
            session: SessionId(self.last_session),
            imsi,
            iccid,
            imei,
            apn,
            addresses: vec![PdnAddress::Ipv4(ip)],
            policy: policy.name().to_owned(),
            rat,
            // To the microsecond, as it is written.
            since: Instant::from_nanos(now.as_micros() * 1_000),
        };
        let up = SessionChange::Up(attestation.clone());
        out.push(state(self.network, &self.key, now, (&attestation, 1), up));
        if let Policy::Only(addresses) = &policy {
            let addresses: Vec<_> = addresses.iter().map(Ipv4Addr::to_string).collect();
            out.push(EpcOutput::State {
                actor: Actor::GATEWAY,
                machine: "",
                change: "session is for onboarding only".into(),
                fields: vec![("session", ip.to_string()), ("permitted", addresses.join(","))],
                session: Some(SessionKey::Address(ip)),
            });
        }
        let session = Session { teid, attestation, policy, sequence: 1, waiting: VecDeque::new() };
        self.sessions.insert(ip, session);
        Some(Created { teid, ip })
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

    /// Modify Bearer: where the base station wants downlink packets; those that waited leave at once.
    pub(super) fn modify(
        &mut self,
        teid: u32,
        remote: (Ipv4Addr, u32),
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        let Some(session) = self.tunnels.key(teid).and_then(|ip| self.sessions.get_mut(&ip)) else {
            return Ok(());
        };
        let (address, far) = remote;
        self.tunnels.connect(teid, FarEnd { address, teid: far });
        let waiting = std::mem::take(&mut session.waiting);
        waiting.iter().try_for_each(|packet| self.downlink(teid, packet, out).map(drop))
    }

    /// Release Access Bearers: the session stays, its tunnel to the base station goes.
    pub(super) fn release_access(&mut self, teid: u32) {
        self.tunnels.disconnect(teid);
    }

    /// Delete Session.
    pub(super) fn delete(&mut self, now: Instant, teid: u32, out: &mut Vec<EpcOutput>) {
        let Some(ip) = self.tunnels.key(teid) else { return };
        self.tunnels.close(teid);
        if let Some(session) = self.sessions.remove(&ip) {
            self.free.push_back(ip);
            let about = (&session.attestation, session.sequence + 1);
            let down = SessionChange::Down(session.attestation.session);
            out.push(state(self.network, &self.key, now, about, down));
        }
    }

    /// A datagram on the GTP-U port.
    pub(super) fn receive_gtpu(
        &mut self,
        from: Ipv4Addr,
        bytes: &[u8],
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        match self.tunnels.receive(bytes).map_err(|e| fault("GTP-U answer", &e))? {
            gtpu::Event::Deliver { key, packet } => {
                if let Some(session) = self.sessions.get(&key) {
                    uplink(key, session, packet, out);
                }
            }
            gtpu::Event::Answer { bytes, label } => {
                out.push(EpcOutput::GtpU { to: from, bytes, label, session: None });
            }
            gtpu::Event::Lost { key } => {
                if let Some(session) = self.sessions.get(&key) {
                    self.tunnels.disconnect(session.teid);
                }
            }
            gtpu::Event::Nothing => {}
        }
        Ok(())
    }

    /// A packet of the service network. One for an address that nobody holds is dropped.
    pub(super) fn receive_sgi(
        &mut self,
        packet: &[u8],
        out: &mut Vec<EpcOutput>,
    ) -> Result<(), CorenetError> {
        let Some((_, destination)) = gtpu::ipv4_addresses(packet) else { return Ok(()) };
        let Some(teid) = self.sessions.get(&destination).map(|session| session.teid) else { return Ok(()) };
        if self.downlink(teid, packet, out)? {
            return Ok(());
        }
        if let Some(session) = self.sessions.get_mut(&destination) {
            if session.waiting.len() == BUFFERED {
                session.waiting.pop_front();
            }
            session.waiting.push_back(packet.to_vec());
        }
        Ok(())
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

/// A UE may use its own address only, and send to where its policy lets it; what does otherwise is dropped and
/// told.
fn uplink(ip: Ipv4Addr, session: &Session, packet: &[u8], out: &mut Vec<EpcOutput>) {
    let (change, field) = match gtpu::ipv4_addresses(packet) {
        Some((source, destination)) if source == ip => {
            if session.policy.permits(destination) {
                out.push(EpcOutput::Sgi(packet.to_vec()));
                return;
            }
            ("uplink packet dropped: onboarding only", ("destination", destination.to_string()))
        }
        Some((source, _)) => ("uplink packet dropped", ("source", source.to_string())),
        None => ("uplink packet dropped", ("source", "not IPv4".to_owned())),
    };
    out.push(EpcOutput::State {
        actor: Actor::GATEWAY,
        machine: "",
        change: change.into(),
        fields: vec![("session", ip.to_string()), field],
        session: Some(SessionKey::Address(ip)),
    });
}

fn fault(what: &'static str, cause: &impl std::fmt::Display) -> CorenetError {
    CorenetError::Encode { place: "gateway", what, cause: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kernel::RngTree;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    const ENB: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 1);
    const NOW: Instant = Instant::from_nanos(5_000_000_123);

    fn gateway() -> Gateway {
        let pool = AddressPool::new(Ipv4Addr::new(10, 45, 0, 0), 29).unwrap();
        Gateway::new(Plmn::test(), pool, SoftKey::from_stream(&mut RngTree::new(1).stream("key")))
    }

    fn request() -> CreateSession {
        CreateSession {
            imsi: "001010000000001".parse().unwrap(),
            iccid: "8988211000000000011".parse().unwrap(),
            imei: None,
            apn: "internet".into(),
            policy: Policy::Unrestricted,
            rat: RatType::Eutran,
        }
    }

    fn packet(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let mut packet = vec![0; 24];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&source.octets());
        packet[16..20].copy_from_slice(&destination.octets());
        packet
    }

    #[test]
    fn packets_pass_both_ways_and_wait_for_their_tunnel() {
        let (mut gateway, mut out) = (gateway(), Vec::new());
        let created = gateway.create(NOW, request(), &mut out).unwrap();
        let server = Ipv4Addr::new(10, 99, 0, 20);
        let down = packet(server, created.ip);
        gateway.receive_sgi(&down, &mut out).unwrap();
        assert_eq!(out.len(), 1, "only that the session is up: {out:?}");
        gateway.modify(created.teid, (ENB, 7), &mut out).unwrap();
        assert!(matches!(&out[1], EpcOutput::GtpU { to, bytes, .. }
            if *to == ENB && gtpu::decode(bytes).unwrap() == gtpu::Received::User { teid: 7, packet: &down }));
        let up = packet(created.ip, server);
        let (bytes, _) = gtpu::user(created.teid, &up).unwrap();
        gateway.receive_gtpu(ENB, &bytes, &mut out).unwrap();
        assert_eq!(out[2], EpcOutput::Sgi(up));
    }

    #[test]
    fn what_becomes_of_a_session_is_stated_under_the_key_of_the_network() {
        let (mut gateway, mut out) = (gateway(), Vec::new());
        let created = gateway.create(NOW, request(), &mut out).unwrap();
        gateway.restate(NOW, &mut out);
        gateway.delete(NOW, created.teid, &mut out);
        gateway.create(NOW, request(), &mut out).unwrap();
        let stated = out.iter().map(|output| {
            let EpcOutput::Session { change, token, .. } = output else { panic!("{output:?}") };
            let key = |network| (network == Plmn::test()).then_some(gateway.attestation_key());
            let statement = Statement::verify(token, NOW.unix_s(), key).unwrap();
            assert_eq!(statement.change, *change);
            (change.name(), change.session().0, statement.sequence)
        });
        let expected =
            [("SessionUp", 1, 1), ("SessionChanged", 1, 2), ("SessionDown", 1, 3), ("SessionUp", 2, 1)];
        assert_eq!(stated.collect::<Vec<_>>(), expected);
        let EpcOutput::Session { change: SessionChange::Up(attestation), .. } = &out[0] else {
            panic!("{out:?}")
        };
        assert_eq!(attestation.ipv4().collect::<Vec<_>>(), [created.ip]);
        assert_eq!((&attestation.imsi, attestation.policy.as_str()), (&request().imsi, "unrestricted"));
    }

    #[test]
    fn foreign_sources_are_dropped() {
        let (mut gateway, mut out) = (gateway(), Vec::new());
        let created = gateway.create(NOW, request(), &mut out).unwrap();
        out.clear();
        let spoofed = packet(Ipv4Addr::new(10, 45, 0, 6), Ipv4Addr::new(10, 99, 0, 20));
        let (bytes, _) = gtpu::user(created.teid, &spoofed).unwrap();
        gateway.receive_gtpu(ENB, &bytes, &mut out).unwrap();
        assert!(matches!(out.as_slice(), [EpcOutput::State { .. }]));
    }

    #[test]
    fn an_onboarding_session_reaches_what_its_policy_names_and_nothing_else() {
        let (mut gateway, mut out) = (gateway(), Vec::new());
        let eim = Ipv4Addr::new(10, 99, 0, 60);
        let policy = Policy::Only([eim].into());
        let created = gateway.create(NOW, CreateSession { policy, ..request() }, &mut out).unwrap();
        out.clear();
        for destination in [eim, Ipv4Addr::new(10, 99, 0, 30)] {
            let (bytes, _) = gtpu::user(created.teid, &packet(created.ip, destination)).unwrap();
            gateway.receive_gtpu(ENB, &bytes, &mut out).unwrap();
        }
        assert!(
            matches!(&out[..], [EpcOutput::Sgi(sent), EpcOutput::State { change, .. }]
            if *sent == packet(created.ip, eim) && change.contains("onboarding only")),
            "{out:?}"
        );
    }

    #[test]
    fn unknown_tunnels_and_echo_are_answered() {
        let (mut gateway, mut out) = (gateway(), Vec::new());
        let (bytes, _) = gtpu::user(99, b"x").unwrap();
        gateway.receive_gtpu(ENB, &bytes, &mut out).unwrap();
        let EpcOutput::GtpU { bytes, .. } = &out[0] else { panic!("{out:?}") };
        let expected = gtpu::Received::ErrorIndication { teid: 99, address: gateway.address() };
        assert_eq!(gtpu::decode(bytes).unwrap(), expected);
        let echo = hex::decode("320100040000000000070000").unwrap();
        gateway.receive_gtpu(ENB, &echo, &mut out).unwrap();
        assert!(matches!(&out[1], EpcOutput::GtpU { label, .. } if label.name == "Echo Response"));
    }

    #[test]
    fn the_pool_ends_and_addresses_rest_before_they_return() {
        let (mut gateway, mut out) = (gateway(), Vec::new());
        let all: Vec<Created> = (0..5).map(|_| gateway.create(NOW, request(), &mut out).unwrap()).collect();
        assert_eq!(all[0].ip, Ipv4Addr::new(10, 45, 0, 2));
        assert_eq!(all[4].ip, Ipv4Addr::new(10, 45, 0, 6));
        assert!(gateway.create(NOW, request(), &mut out).is_none());
        gateway.delete(NOW, all[3].teid, &mut out);
        gateway.delete(NOW, all[1].teid, &mut out);
        assert_eq!(gateway.create(NOW, request(), &mut out).unwrap().ip, all[3].ip);
        assert!(AddressPool::new(Ipv4Addr::LOCALHOST, 30).is_err());
    }

    /// More than 16 bits can tell apart.
    #[test]
    fn a_hundred_thousand_sessions_have_addresses_and_tunnels_of_their_own() {
        const SESSIONS: usize = 100_000;
        let pool = AddressPool::new(Ipv4Addr::new(10, 44, 0, 0), 14).unwrap();
        let mut gateway =
            Gateway::new(Plmn::test(), pool, SoftKey::from_stream(&mut RngTree::new(1).stream("key")));
        let addresses: BTreeSet<_> = (0..SESSIONS).map(|_| gateway.allocate().unwrap()).collect();
        assert_eq!(addresses.len(), SESSIONS);
        assert_eq!(addresses.last(), Some(&Ipv4Addr::new(10, 45, 0x86, 0xa1)));
        let tunnels: BTreeSet<_> = addresses.iter().map(|ip| (gateway.tunnels.open(*ip), *ip)).collect();
        let holders = tunnels.iter().filter(|(teid, ip)| gateway.tunnels.key(*teid) == Some(*ip));
        assert_eq!((holders.count(), tunnels.len()), (SESSIONS, SESSIONS));
    }

    proptest::proptest! {
        #[test]
        fn any_datagram_is_taken_or_dropped_and_the_session_goes_on(
            bytes in bent(gtpu::user(1, &packet([10, 45, 0, 2].into(), [10, 99, 0, 20].into())).unwrap().0),
        ) {
            let (mut gateway, mut out) = (gateway(), Vec::new());
            let created = gateway.create(NOW, request(), &mut out).unwrap();
            out.clear();
            gateway.receive_gtpu(ENB, &bytes, &mut out).unwrap();
            gateway.receive_sgi(&bytes, &mut out).unwrap();
            // One thing at the most comes of a datagram, and what leaves is the holder's own.
            prop_assert!(out.len() <= 1, "{out:?}");
            if let Some(EpcOutput::Sgi(sent)) = out.first() {
                prop_assert_eq!(gtpu::ipv4_addresses(sent).map(|(source, _)| source), Some(created.ip));
            }
            out.clear();
            let up = packet(created.ip, [10, 99, 0, 20].into());
            let (good, _) = gtpu::user(created.teid, &up).unwrap();
            gateway.receive_gtpu(ENB, &good, &mut out).unwrap();
            prop_assert_eq!(out, [EpcOutput::Sgi(up)]);
        }
    }
}
