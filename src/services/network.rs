//! The service network: registrar, onboarding service and broker, as devices reach them over IP.
//!
//! Each device address has an IP host of its own on this side, so that a packet costs the same whatever the
//! number of devices.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::net::Ipv4Addr;
use std::sync::Arc;

use rustls::ServerConfig;

use super::ServiceError;
use super::backend::Backend;
use super::esim::EsimServices;
use super::peer::{Desk, Peer};
use crate::ca::Authority;
use crate::corenet::Epc;
use crate::crypto::tls::{self, KeyLogSink, VirtualClock};
use crate::crypto::{SoftKey, Tally};
use crate::event::{Actor, Body};
use crate::kernel::{Instant, RngTree};
use crate::ledger::TxHash;
use crate::net::endpoint::{BROKER, EST, REGISTRAR};
use crate::net::{ConnId, ServiceAddress};

/// What reaches the service network.
#[derive(Debug)]
pub enum ServiceInput {
    /// An IP packet from a device.
    Packet(Vec<u8>),
    Timer,
}

/// What the service network puts out.
#[derive(Debug)]
pub enum ServiceOutput {
    /// An IP packet to a device.
    Packet(Vec<u8>),
    Event(Body),
}

/// The TLS servers of the services, each at its endpoint.
pub struct Servers(Vec<(ServiceAddress, Arc<ServerConfig>)>);

impl Servers {
    /// The servers with fresh keys and certificates of `authority`. Each draws from its own branch of `rng`.
    ///
    /// # Errors
    /// Where the authority or TLS refuses what it is given.
    pub fn new(
        authority: &mut Authority,
        rng: &RngTree,
        tally: &Tally,
        clock: &VirtualClock,
        key_log: Option<&KeyLogSink>,
    ) -> Result<Self, ServiceError> {
        let roots = [authority.root_der().to_vec()];
        let mut server = |endpoint: ServiceAddress, mutual: bool| {
            let rng = rng.branch(endpoint.actor);
            let key = SoftKey::from_stream(&mut rng.stream("tls-key")).counted(tally);
            let (names, addresses) = ([endpoint.name], [endpoint.actor.transport_address()]);
            let certificate = authority.issue_server(&names, &addresses, &key.public(), clock.unix_s())?;
            let signer = tls::signing_key(key.sign_fn(), key.public());
            let client_roots = mutual.then_some(&roots[..]);
            let provider = tls::provider(rng, tally);
            let (chain, key_log) = (vec![certificate], key_log.cloned());
            tls::server_config(provider, chain, signer, client_roots, clock.clone(), key_log)
                .map_err(ServiceError::from)
        };
        // The broker asks for a client certificate: mutual TLS.
        let servers = [(REGISTRAR, false), (EST, false), (BROKER, true)];
        let with_config = |(endpoint, mutual)| Ok((endpoint, server(endpoint, mutual)?));
        servers.into_iter().map(with_config).collect::<Result<_, ServiceError>>().map(Self)
    }

    /// Adds a server.
    pub fn add(&mut self, endpoint: ServiceAddress, config: Arc<ServerConfig>) {
        self.0.push((endpoint, config));
    }

    /// Where they are.
    pub fn endpoints(&self) -> impl Iterator<Item = ServiceAddress> {
        self.0.iter().map(|(endpoint, _)| *endpoint)
    }

    /// The server that listens on `local`.
    pub fn at(&self, local: (Ipv4Addr, u16)) -> Option<(Actor, &Arc<ServerConfig>)> {
        let (endpoint, config) = self.0.iter().find(|(endpoint, _)| endpoint.socket() == local)?;
        Some((endpoint.actor, config))
    }
}

/// Everything that devices talk to, and what stands behind it.
pub struct Services {
    backend: Backend,
    esim: Option<EsimServices>,
    servers: Servers,
    clock: VirtualClock,
    rng: RngTree,
    mtu: u16,
    peers: BTreeMap<Ipv4Addr, Peer>,
    schedule: BTreeSet<(Instant, Ipv4Addr)>,
    waiting: BTreeMap<TxHash, (Ipv4Addr, ConnId)>,
}

impl Services {
    /// Services that nobody has talked to yet.
    pub fn new(
        backend: Backend,
        esim: Option<EsimServices>,
        servers: Servers,
        clock: VirtualClock,
        mtu: u16,
        rng: RngTree,
    ) -> Self {
        Self {
            backend,
            esim,
            servers,
            clock,
            rng,
            mtu,
            peers: BTreeMap::new(),
            schedule: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// What stands behind the services.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// When the services want to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        let peers = self.schedule.first().map(|(at, _)| *at);
        [peers, self.backend.deadline()].into_iter().flatten().min()
    }

    /// Drops what is kept for a device whose IP session has ended.
    pub fn forget(&mut self, ip: Ipv4Addr) {
        if let Some(at) = self.peers.remove(&ip).and_then(|peer| peer.scheduled) {
            self.schedule.remove(&(at, ip));
        }
        // The next holder of the address must not get the answers to this one.
        self.waiting.retain(|_, (waiting, _)| *waiting != ip);
    }

    /// Takes one input. `epc` attests who holds an address; `devices` only names them in events.
    ///
    /// # Errors
    /// Only where the bench is at fault, such as a ledger that cannot be written.
    pub fn handle(
        &mut self,
        now: Instant,
        input: ServiceInput,
        epc: &Epc,
        devices: &BTreeMap<Ipv4Addr, u32>,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        self.clock.set(now.unix_s());
        match input {
            ServiceInput::Packet(packet) => {
                let Some(ip) = source(&packet) else { return Ok(()) };
                let peer = match self.peers.entry(ip) {
                    Entry::Occupied(peer) => peer.into_mut(),
                    Entry::Vacant(place) => {
                        // A packet that was still on its way when its session ended is nobody's.
                        let (Some(_), Some(&device)) = (epc.attestation(ip), devices.get(&ip)) else {
                            return Ok(());
                        };
                        let rng = self.rng.branch(ip);
                        place.insert(Peer::new(device, ip, &self.servers, self.mtu, rng))
                    }
                };
                peer.receive(packet);
                self.serve(now, ip, epc, out)
            }
            ServiceInput::Timer => self.wake(now, epc, out),
        }
    }

    fn wake(&mut self, now: Instant, epc: &Epc, out: &mut Vec<ServiceOutput>) -> Result<(), ServiceError> {
        let mut events = Vec::new();
        let answers = self.backend.seal(now, &mut events)?;
        out.extend(events.into_iter().map(ServiceOutput::Event));
        for (hash, response) in answers {
            let Some((ip, connection)) = self.waiting.remove(&hash) else { continue };
            if let Some(peer) = self.peers.get_mut(&ip) {
                peer.answer(connection, response, out);
                self.serve(now, ip, epc, out)?;
            }
        }
        // Whoever asks for more at this moment is woken again: the world sees to it that this comes to an end.
        let due = self.schedule.iter().map_while(|&(at, ip)| (at <= now).then_some(ip)).collect::<Vec<_>>();
        due.into_iter().try_for_each(|ip| self.serve(now, ip, epc, out))
    }

    /// Lets one peer's connections do what they can.
    fn serve(
        &mut self,
        now: Instant,
        ip: Ipv4Addr,
        epc: &Epc,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        let Some(peer) = self.peers.get_mut(&ip) else { return Ok(()) };
        if let Some(at) = peer.scheduled.take() {
            self.schedule.remove(&(at, ip));
        }
        let mut desk = Desk {
            now,
            backend: &mut self.backend,
            esim: self.esim.as_mut(),
            servers: &self.servers,
            attestation: epc.attestation(ip),
            waiting: &mut self.waiting,
        };
        let result = peer.work(&mut desk, out);
        if let Some(at) = peer.scheduled {
            self.schedule.insert((at, ip));
        }
        result
    }
}

/// The source address of an IPv4 packet (RFC 791 clause 3.1).
fn source(packet: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    (packet[0] >> 4 == 4).then(|| octets.into())
}
