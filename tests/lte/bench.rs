//! An LTE network in a world of its own: UEs, two base stations, a core network and what stands behind it. A test holds
//! each machine together with the world, and may look at it and give it an input of its own.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::rc::Rc;

use cellbed::corenet::{AddressPool, Attestation, Epc, EpcConfig, EpcInput, HssFault, Policy, Subscriber};
use cellbed::crypto::aka::AlgorithmSet;
use cellbed::event::Actor;
use cellbed::id::{Iccid, Imsi, Plmn};
use cellbed::kernel::{Duration, Instant, RngTree};
use cellbed::ran::{AirModel, Bearer, Enb, EnbConfig, EnbInput, Frame, Rat, UeConfig, UeInput};
use cellbed::wire::rrc::UlCcch;
use cellbed::wire::rrc::connection::InitialUeIdentity;
use cellbed::wire::s1ap::{DownlinkNasTransport, Location, Pdu, UeIds, UplinkNasTransport};
use cellbed::world::nodes::{CoreNode, EnbNode};
use cellbed::world::topology::{CellSpec, LinkSpec, lte_links};
use cellbed::world::{Fleet, Iface, Payload, Port, Sink, Topology, World, WorldError};

use crate::card::TestCard;
use crate::log::{Fact, Log};
use crate::nodes::{SgiNode, Shared, SilentNode, UeNode};

pub const PLMN: &str = "001-01";
pub const TAC: u16 = 7;
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 20);
/// Nobody is in a cell of these devices: they are numbered from 1.
pub const NOBODY: RangeInclusive<u32> = 0..=0;
pub const EVERYBODY: RangeInclusive<u32> = 1..=u32::MAX;
pub const K: [u8; 16] = [0x46; 16];
pub const OPC: [u8; 16] = [0xcd; 16];
pub const SQN: u64 = 1_000 << 5;

pub struct Bench {
    world: World,
    log: Rc<RefCell<Log>>,
    ues: Vec<Shared<UeNode>>,
    enbs: [Shared<EnbNode>; 2],
    core: Shared<CoreNode>,
    carried: Rc<Cell<u32>>,
    pub facts: Vec<Fact>,
    /// The S1AP and NAS PDUs that were sent.
    pub bytes: Vec<Vec<u8>>,
}

pub fn config() -> EpcConfig {
    let pool = AddressPool::new(Ipv4Addr::new(10, 45, 0, 0), 16).unwrap();
    let mut config = EpcConfig::new(PLMN.parse::<Plmn>().unwrap(), TAC, "internet", pool);
    config.dns = Some(Ipv4Addr::new(10, 99, 0, 53));
    config
}

/// The IMSI of subscriber `n`, from 0.
pub fn imsi(n: u32) -> Imsi {
    "001010000000001".parse::<Imsi>().unwrap().plus(n).unwrap()
}

/// `ms` milliseconds after the start of the run.
pub fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

/// The core network of `config`, with the first `subscribers`.
pub fn epc(config: EpcConfig, subscribers: u32) -> Epc {
    let mut epc = Epc::new(config, RngTree::new(7)).unwrap();
    let iccid: Iccid = "8988211000000000011".parse().unwrap();
    for n in 0..subscribers {
        let subscriber = Subscriber {
            imsi: imsi(n),
            iccid: iccid.plus(n).unwrap(),
            k: K,
            algorithm: AlgorithmSet::Milenage(OPC),
            amf: [0x80, 0],
            sqn: SQN,
            apn: None,
            pdn: Default::default(),
            policy: Policy::Unrestricted,
            fault: HssFault::None,
        };
        epc.provision(subscriber).unwrap();
    }
    epc
}

/// Two stations, of which everybody hears the first, on links that `adjust` may change.
fn topology(adjust: impl Fn(&mut LinkSpec)) -> Topology {
    let air = AirModel {
        cell_search: Duration::ZERO,
        connection_setup: Duration::from_millis(5),
        signalling: Duration::from_millis(5),
        data: Duration::from_millis(4),
        ..AirModel::of(Rat::Lte)
    };
    let mut topology = Topology::new(air, RngTree::new(7).branch("links"));
    for (number, devices) in [(1, EVERYBODY), (2, NOBODY)] {
        topology.cell(CellSpec { station: Actor::enb(number), devices });
    }
    for mut link in lte_links([1, 2].map(Actor::enb).into_iter()) {
        link.delay = Duration::from_millis(1);
        adjust(&mut link);
        topology.link(link);
    }
    topology
}

impl Bench {
    pub fn new(config: EpcConfig, ues: u32) -> Self {
        Self::with(config, ues, |_| {})
    }

    pub fn with(config: EpcConfig, ues: u32, adjust: impl Fn(&mut UeConfig)) -> Self {
        Self::on(|_| {}, config, ues, adjust)
    }

    /// One UE, and base stations that give a connection up on which nothing passes for this long.
    pub fn with_inactivity(config: EpcConfig, inactivity: Duration) -> Self {
        let mut bench = Self::new(config, 1);
        let mut station = EnbConfig::new(1, PLMN.parse().unwrap(), TAC);
        station.inactivity = Some(inactivity);
        bench.replace_enb(1, Enb::new(station, &RngTree::new(7).branch(Actor::enb(1))));
        bench
    }

    /// UEs 1 to `ues`, each with the card of a subscriber, on links that `link` may change.
    pub fn on(
        link: impl Fn(&mut LinkSpec),
        config: EpcConfig,
        ues: u32,
        adjust: impl Fn(&mut UeConfig),
    ) -> Self {
        let log = Rc::new(RefCell::new(Log::default()));
        let epc = epc(config, ues);
        let behind = SgiNode { key: epc.attestation_key(), log: log.clone() };
        let core = Shared::new(CoreNode(epc));
        let enbs = [1, 2].map(|number| {
            let rng = RngTree::new(7).branch(Actor::enb(number));
            let enb = Enb::new(EnbConfig::new(number, PLMN.parse().unwrap(), TAC), &rng);
            Shared::new(EnbNode::new(number, enb))
        });
        let mut world = World::new(topology(link), Fleet::none(), &[]);
        world.add(&[Actor::MME, Actor::HSS, Actor::GATEWAY], core.for_world());
        for (number, enb) in (1..).zip(&enbs) {
            world.add(&[Actor::enb(number)], enb.for_world());
        }
        world.add(&[Actor::SWITCH, Actor::SERVICES, Actor::REGISTRAR], Box::new(behind));
        world.add(&[Actor::CONTROLLER], Box::new(SilentNode));
        let (facts, bytes, carried) = (Vec::new(), Vec::new(), Rc::default());
        let mut bench = Self { world, log, ues: Vec::new(), enbs, core, carried, facts, bytes };
        for n in 0..ues {
            bench.add_ue(n, &adjust);
        }
        bench
    }

    /// Adds a UE with the card of subscriber `n`, and returns its number.
    pub fn add_ue(&mut self, n: u32, adjust: impl Fn(&mut UeConfig)) -> u32 {
        let number = self.ues.len() as u32 + 1;
        let mut config = UeConfig::new(number);
        adjust(&mut config);
        let card = TestCard::new(imsi(n).as_str(), K, OPC, SQN);
        let ue = Shared::new(UeNode::new(number, config, card, self.log.clone()));
        self.world.add(&[Actor::ue(number)], ue.for_world());
        self.ues.push(ue);
        number
    }

    // ---- time ----

    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// Lets everything happen that is due until `end_s` seconds.
    pub fn run(&mut self, end_s: u64) {
        self.run_until(at(end_s * 1_000));
    }

    pub fn run_until(&mut self, end: Instant) {
        self.watch(|world, sink| world.step_until(end, sink));
    }

    /// Lets happen what is due next, where anything is.
    pub fn step(&mut self) {
        if let Some(next) = self.world.next_at() {
            self.run_until(next);
        }
    }

    /// Switches `ue` on at `ms`.
    pub fn power_on(&mut self, ue: u32, ms: u64) {
        self.run_until(at(ms));
        self.ue(ue, UeInput::PowerOn);
    }

    /// Has the world do something, and takes down what comes of it.
    fn watch(&mut self, act: impl FnOnce(&mut World, Sink<'_>) -> Result<(), WorldError>) {
        let log = self.log.clone();
        act(&mut self.world, &mut |event| log.borrow_mut().event(event)).unwrap();
        let mut log = log.borrow_mut();
        self.facts.append(&mut log.facts);
        self.bytes.append(&mut log.bytes);
    }

    /// The moment at which a machine takes an input of the test, with everything done that was due before.
    fn moment(&mut self) -> Instant {
        let now = self.now();
        self.run_until(now);
        now
    }

    // ---- machines ----

    pub fn ue(&mut self, number: u32, input: UeInput) {
        let now = self.moment();
        self.ues[number as usize - 1].make(|node, out| node.take(now, input, out));
        self.watch(|world, sink| world.poke(Actor::ue(number), sink));
    }

    pub fn enb(&mut self, number: u32, input: EnbInput<'_>) {
        let now = self.moment();
        self.enbs[number as usize - 1].make(|node, out| node.take(now, input, out));
        self.watch(|world, sink| world.poke(Actor::enb(number), sink));
    }

    pub fn core(&mut self, input: EpcInput<'_>) {
        let now = self.moment();
        self.core.make(|node, out| node.take(now, input, out));
        self.watch(|world, sink| world.poke(Actor::MME, sink));
    }

    /// Another base station takes the place of station `number`.
    pub fn replace_enb(&mut self, number: u32, enb: Enb) {
        let node = Shared::new(EnbNode::new(number, enb));
        self.watch(|world, sink| world.restart(Actor::enb(number), node.for_world(), sink));
        self.enbs[number as usize - 1] = node;
    }

    /// The core network restarts and has forgotten everything but its first `subscribers`.
    pub fn restart_core(&mut self, config: EpcConfig, subscribers: u32) {
        let node = Shared::new(CoreNode(epc(config, subscribers)));
        self.watch(|world, sink| world.restart(Actor::MME, node.for_world(), sink));
        self.core = node;
    }

    /// How many UEs the MME has a context of.
    pub fn contexts(&self) -> usize {
        self.core.look(|node| node.0.contexts())
    }

    /// How many UEs base station `number` has a connection with.
    pub fn connections(&self, number: u32) -> usize {
        self.enbs[number as usize - 1].look(|node| node.enb.connections())
    }

    /// When the next timer of UE `number` expires.
    pub fn deadline(&self, number: u32) -> Option<Instant> {
        self.ues[number as usize - 1].look(|node| node.ue.deadline())
    }

    /// Base station 1 has a NAS message from its MME for the UE of this connection, which hears it.
    pub fn ue_hears(&mut self, ids: UeIds, nas: Vec<u8>) {
        let pdu = DownlinkNasTransport { ids, nas }.build().unwrap().encode().unwrap();
        self.enb(1, EnbInput::S1(&pdu));
        let end = self.now() + Duration::from_millis(10);
        self.run_until(end);
    }

    /// The MME has a NAS message from base station 1 of the UE of this connection.
    pub fn mme_hears(&mut self, ids: UeIds, nas: Vec<u8>) {
        let location = Some(Location { plmn: PLMN.parse().unwrap(), tac: TAC, enb: 1, cell: 1 });
        let pdu = UplinkNasTransport { ids, nas, location }.build().unwrap().encode().unwrap();
        self.core(EpcInput::S1 { enb: 1, bytes: &pdu });
    }

    /// The S-TMSI by which UE `number` asks for its next connection, as MME code and M-TMSI; that one is lost.
    pub fn s_tmsi(&mut self, number: u32) -> (u8, u32) {
        let caught = Rc::new(RefCell::new(None));
        let net = caught.clone();
        self.world.topology().meddle(Some(Box::new(move |_, _, payload| match payload {
            Payload::Up(Frame { bearer: Bearer::Ccch, octets }) => {
                if let Ok(UlCcch::RrcConnectionRequest(request)) = UlCcch::decode(octets)
                    && let InitialUeIdentity::STmsi(s_tmsi) = request.ue_identity
                {
                    *net.borrow_mut() = Some(s_tmsi.parts());
                }
                true
            }
            _ => false,
        })));
        let ip = self.ip_of(number).unwrap();
        self.ue(number, UeInput::SendIp(packet(ip, SERVER, b"lost")));
        let end = self.now() + Duration::from_secs(10);
        self.run_until(end);
        self.world.topology().meddle(None);
        caught.take().unwrap()
    }

    /// The connection that S1 was last about.
    pub fn last_connection(&self) -> Option<UeIds> {
        self.bytes.iter().rev().find_map(|bytes| match Pdu::decode(bytes).ok()?.ids() {
            (Some(mme), Some(enb)) => Some(UeIds { mme, enb }),
            _ => None,
        })
    }

    /// Has UE `number` send a packet, which does not arrive: the test has its frame.
    pub fn intercept(&mut self, number: u32, packet: Vec<u8>) -> Frame {
        let caught = Rc::new(RefCell::new(None));
        let net = caught.clone();
        self.world.topology().meddle(Some(Box::new(move |_, _, payload| match payload {
            Payload::Up(frame) if frame.is_data() => {
                *net.borrow_mut() = Some(frame.clone());
                true
            }
            _ => false,
        })));
        self.ue(number, UeInput::SendIp(packet));
        self.world.topology().meddle(None);
        caught.take().unwrap()
    }

    // ---- ways ----

    /// From now on the cell of base station `number` is heard by `ues` and nobody else.
    pub fn cover(&mut self, number: u32, ues: RangeInclusive<u32>) {
        self.world.topology().cover(Actor::enb(number), ues);
    }

    /// Loses every frame of which `lost` says so.
    pub fn lose_if(&mut self, lost: fn(Port, Port, &Payload) -> bool) {
        self.world.topology().meddle(Some(Box::new(lost)));
    }

    /// Counts the messages on the air and on S1, and loses those with these numbers.
    pub fn lose(&mut self, numbers: &[u32]) {
        let (numbers, carried) = (numbers.to_vec(), self.carried.clone());
        self.world.topology().meddle(Some(Box::new(move |from, _, _| {
            if !matches!(from.at, Iface::Uu | Iface::S1Mme) {
                return false;
            }
            carried.set(carried.get() + 1);
            numbers.contains(&carried.get())
        })));
    }

    /// How many messages [`lose`](Self::lose) has counted.
    pub fn carried(&self) -> u32 {
        self.carried.get()
    }

    // ---- what happened ----

    /// What the network states of the session with this address.
    pub fn attestation(&self, ip: Ipv4Addr) -> Option<Attestation> {
        let log = self.log.borrow();
        log.sessions.values().find(|attestation| attestation.ipv4().any(|address| address == ip)).cloned()
    }

    pub fn ip_of(&self, wanted: u32) -> Option<Ipv4Addr> {
        self.facts.iter().rev().find_map(|fact| match fact {
            Fact::Attached { ue, ip, .. } if *ue == wanted => *ip,
            _ => None,
        })
    }

    pub fn sent(&self, part: &str) -> usize {
        self.facts.iter().filter(|fact| matches!(fact, Fact::Sent(line) if line.contains(part))).count()
    }

    pub fn failure(&self, wanted: u32) -> Option<(&str, bool)> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Failed { ue, reason, retry } if *ue == wanted => Some((reason.as_str(), *retry)),
            _ => None,
        })
    }
}

/// An IPv4 packet with `payload` behind a header that is good enough for a gateway.
pub fn packet(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 20];
    packet[0] = 0x45;
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&destination.octets());
    packet.extend_from_slice(payload);
    packet
}
