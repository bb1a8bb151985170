//! UEs, base stations and a core network on one event queue, with a log of everything and a way to lose
//! messages. Whatever is sent is checked against the codecs' own idea of a clean message.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use cellbed::card::CardSlot;
use cellbed::corenet::{
    AddressPool, Attestation, Epc, EpcConfig, EpcInput, EpcOutput, HssFault, Policy, SessionChange,
    SessionId, Subscriber,
};
use cellbed::event::Actor;
use cellbed::id::{Iccid, Imsi, Plmn};
use cellbed::kernel::{Duration, Instant, Queue, RngTree};
use cellbed::ran::{Downlink, Enb, EnbConfig, EnbInput, EnbOutput, Ue, UeConfig, UeInput, UeOutput, Uplink};
use oxirush_nas::nas_eps::{NasEpsMessage, Validate};
use oxirush_s1ap::s1ap::S1AP_PDU;

use crate::card::TestCard;

pub const PLMN: &str = "001-01";
pub const TAC: u16 = 7;
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 20);
const K: [u8; 16] = [0x46; 16];
const OPC: [u8; 16] = [0xcd; 16];
const SQN: u64 = 1_000 << 5;

pub enum Event {
    Power(usize),
    Detach(usize),
    AirUp(usize, Uplink),
    AirDown(usize, Downlink),
    S1Up(u32, Vec<u8>),
    S1Down(u32, Vec<u8>),
    GtpUp(u32, Vec<u8>),
    GtpDown(u32, Vec<u8>),
    UeTimer(usize),
    EnbTimer(u32),
    EpcTimer,
}

/// What is worth asserting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Attached {
        ue: usize,
        ip: Ipv4Addr,
    },
    Failed {
        ue: usize,
        reason: String,
        retry: bool,
    },
    Detached {
        ue: usize,
    },
    /// "ue0 > Attach Request", "enb1 > S1SetupRequest", "mme > ...", "mme > hss ...".
    Sent(String),
    ReceivedIp {
        ue: usize,
        packet: Vec<u8>,
    },
    Sgi(Vec<u8>),
    SessionUp(Ipv4Addr),
    SessionDown(Ipv4Addr),
    State(String),
}

pub struct Bench {
    pub now: Instant,
    pub queue: Queue<Event>,
    pub ues: Vec<Ue>,
    pub enbs: Vec<Enb>,
    pub epc: Epc,
    pub facts: Vec<Fact>,
    /// What the network has stated of the sessions that are up.
    sessions: BTreeMap<SessionId, Attestation>,
    pub bytes: Vec<Vec<u8>>,
    /// The base station of each UE, from 1.
    pub serving: Vec<u32>,
    /// Messages on the air and on S1 so far, and the numbers of those to lose.
    pub carried: u32,
    pub lose: Vec<u32>,
    /// Loses every message that this says.
    pub lose_if: fn(&Event) -> bool,
}

pub fn config() -> EpcConfig {
    let pool = AddressPool::new(Ipv4Addr::new(10, 45, 0, 0), 16).unwrap();
    let mut config = EpcConfig::new(PLMN.parse::<Plmn>().unwrap(), TAC, "internet", pool);
    config.dns = Some(Ipv4Addr::new(10, 99, 0, 53));
    config
}

pub fn imsi(n: u32) -> Imsi {
    "001010000000001".parse::<Imsi>().unwrap().plus(n).unwrap()
}

impl Bench {
    pub fn new(config: EpcConfig, ues: u32) -> Self {
        Self::with(config, ues, |_| {})
    }

    pub fn with(config: EpcConfig, ues: u32, adjust: impl Fn(&mut UeConfig)) -> Self {
        let rng = RngTree::new(7);
        let mut epc = Epc::new(config, rng.clone()).unwrap();
        let iccid: Iccid = "8988211000000000011".parse().unwrap();
        for n in 0..ues {
            let subscriber = Subscriber {
                imsi: imsi(n),
                iccid: iccid.plus(n).unwrap(),
                k: K,
                opc: OPC,
                amf: [0x80, 0],
                sqn: SQN,
                apn: None,
                policy: Policy::Unrestricted,
                fault: HssFault::None,
            };
            epc.provision(subscriber).unwrap();
        }
        let mut bench = Self::bare(epc, ues);
        for n in 0..ues {
            bench.add_ue(n, &adjust);
        }
        bench
    }

    fn bare(epc: Epc, _ues: u32) -> Self {
        let enbs = (1..=2).map(|n| Enb::new(EnbConfig::new(n, PLMN.parse().unwrap(), TAC))).collect();
        let mut bench = Self {
            now: Instant::ZERO,
            queue: Queue::default(),
            ues: Vec::new(),
            enbs,
            epc,
            facts: Vec::new(),
            sessions: BTreeMap::new(),
            bytes: Vec::new(),
            serving: Vec::new(),
            carried: 0,
            lose: Vec::new(),
            lose_if: |_| false,
        };
        for enb in 1..=2 {
            bench.core(EpcInput::S1Connected { enb });
            bench.enb(enb, EnbInput::S1Connected);
        }
        bench
    }

    /// A UE with the card of subscriber `n`.
    pub fn add_ue(&mut self, n: u32, adjust: impl Fn(&mut UeConfig)) -> usize {
        let number = self.ues.len() as u32 + 1;
        let mut config = UeConfig::new(number);
        adjust(&mut config);
        let card = CardSlot::shared(Box::new(TestCard::new(imsi(n).as_str(), K, OPC, SQN)));
        self.ues.push(Ue::new(config, card, RngTree::new(7).branch(Actor::ue(number))));
        self.serving.push(1);
        self.ues.len() - 1
    }

    pub fn after(&mut self, ms: u64, event: Event) {
        self.queue.push(self.now + Duration::from_millis(ms), event);
    }

    /// Runs until nothing happens any more before `end_s` seconds.
    pub fn run(&mut self, end_s: u64) {
        self.run_until(Instant::from_nanos(end_s * 1_000_000_000));
    }

    pub fn run_until(&mut self, end: Instant) {
        while self.queue.next_at().is_some_and(|at| at <= end) {
            let Some((at, event)) = self.queue.pop() else { break };
            self.now = at;
            self.step(event);
        }
        self.now = end;
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Power(ue) => self.ue(ue, UeInput::PowerOn),
            Event::Detach(ue) => self.ue(ue, UeInput::Detach),
            Event::UeTimer(ue) => self.ue(ue, UeInput::Timer),
            // A device that only a test's noise speaks for.
            Event::AirDown(ue, _) if ue >= self.ues.len() => {}
            Event::AirDown(ue, message) => self.ue(ue, UeInput::Air(message)),
            Event::AirUp(ue, message) => {
                self.enb(self.serving[ue], EnbInput::Air { ue: ue as u32, message });
            }
            Event::S1Down(enb, bytes) => self.enb(enb, EnbInput::S1(&bytes)),
            Event::GtpDown(enb, bytes) => self.enb(enb, EnbInput::GtpU(&bytes)),
            Event::EnbTimer(enb) => self.enb(enb, EnbInput::Timer),
            Event::S1Up(enb, bytes) => self.core(EpcInput::S1 { enb, bytes: &bytes }),
            Event::GtpUp(enb, bytes) => {
                self.core(EpcInput::GtpU { from: Actor::enb(enb).transport_address(), bytes: &bytes });
            }
            Event::EpcTimer => self.core(EpcInput::Timer),
        }
    }

    fn carry(&mut self, ms: u64, event: Event) {
        self.carried += 1;
        if !self.lose.contains(&self.carried) && !(self.lose_if)(&event) {
            self.after(ms, event);
        }
    }

    pub fn ue(&mut self, ue: usize, input: UeInput) {
        let mut out = Vec::new();
        self.ues[ue].handle(self.now, input, &mut out).unwrap();
        for output in out {
            match output {
                UeOutput::Air(message) => {
                    // Packets overtake signalling, as on the air.
                    self.carry(if message.is_data() { 4 } else { 5 }, Event::AirUp(ue, message));
                }
                UeOutput::Nas { to_network, label, bytes } => {
                    if to_network {
                        check_nas(&bytes);
                    }
                    let way = if to_network { '>' } else { '<' };
                    let fields: Vec<String> = label.fields.iter().map(|(n, v)| format!("{n}={v}")).collect();
                    self.facts.push(Fact::Sent(format!("ue{ue} {way} {} {}", label.name, fields.join(" "))));
                    self.bytes.push(bytes);
                }
                UeOutput::State { machine, change, .. } => {
                    self.facts.push(Fact::State(format!("ue{ue}.{machine} {change}")));
                }
                UeOutput::Attached { ip, dns, mtu, apn } => {
                    assert_eq!((dns.is_some(), mtu, apn.as_str()), (true, 1400, "internet"));
                    self.facts.push(Fact::Attached { ue, ip });
                }
                UeOutput::ReceiveIp(packet) => self.facts.push(Fact::ReceivedIp { ue, packet }),
                UeOutput::AttachFailed { reason, retry, .. } => {
                    self.facts.push(Fact::Failed { ue, reason, retry });
                }
                UeOutput::Detached => self.facts.push(Fact::Detached { ue }),
            }
        }
        if let Some(at) = self.ues[ue].deadline() {
            self.queue.push(at, Event::UeTimer(ue));
        }
    }

    pub fn enb(&mut self, enb: u32, input: EnbInput<'_>) {
        let mut out = Vec::new();
        let station = &mut self.enbs[enb as usize - 1];
        station.handle(self.now, input, &mut out).unwrap();
        if let Some(at) = station.deadline() {
            self.queue.push(at, Event::EnbTimer(enb));
        }
        for output in out {
            match output {
                EnbOutput::S1 { bytes, label } => {
                    check_s1ap(&bytes);
                    self.facts.push(Fact::Sent(format!("enb{enb} > {}", label.name)));
                    self.bytes.push(bytes.clone());
                    self.carry(1, Event::S1Up(enb, bytes));
                }
                EnbOutput::Air { ue, message } => self.carry(5, Event::AirDown(ue as usize, message)),
                EnbOutput::GtpU { to, bytes, .. } => {
                    assert_eq!(to, Actor::GATEWAY.transport_address());
                    self.after(1, Event::GtpUp(enb, bytes));
                }
                EnbOutput::State { machine, change, .. } => {
                    self.facts.push(Fact::State(format!("enb{enb}.{machine} {change}")));
                }
                EnbOutput::Access { .. } => {}
            }
        }
    }

    pub fn core(&mut self, input: EpcInput<'_>) {
        let mut out = Vec::new();
        self.epc.handle(self.now, input, &mut out).unwrap();
        if let Some(at) = self.epc.deadline() {
            self.queue.push(at, Event::EpcTimer);
        }
        for output in out {
            match output {
                EpcOutput::S1 { enb, bytes, label } => {
                    check_s1ap(&bytes);
                    check_nas_of(&bytes);
                    self.facts.push(Fact::Sent(format!("mme > {}", label.name)));
                    self.bytes.push(bytes.clone());
                    self.carry(1, Event::S1Down(enb, bytes));
                }
                EpcOutput::GtpU { to, bytes, .. } => {
                    let enb = (1..=2).find(|n| Actor::enb(*n).transport_address() == to).unwrap();
                    self.after(1, Event::GtpDown(enb, bytes));
                }
                EpcOutput::Sgi(packet) => self.facts.push(Fact::Sgi(packet)),
                EpcOutput::State { machine, change, .. } => {
                    self.facts.push(Fact::State(format!("{machine} {change}")));
                }
                EpcOutput::Call { from, to, label } => {
                    let fields: Vec<String> = label.fields.iter().map(|(n, v)| format!("{n}={v}")).collect();
                    let line = format!("{from} > {to} {} {}", label.name, fields.join(" "));
                    self.facts.push(Fact::Sent(line));
                }
                EpcOutput::Session { change, .. } => self.session(change),
            }
        }
    }

    fn session(&mut self, change: SessionChange) {
        let ip = |attestation: &Attestation| attestation.ipv4().next().unwrap();
        match change {
            SessionChange::Up(attestation) | SessionChange::Changed(attestation) => {
                self.facts.push(Fact::SessionUp(ip(&attestation)));
                self.sessions.insert(attestation.session, attestation);
            }
            SessionChange::Down(session) => {
                let ended = self.sessions.remove(&session).unwrap();
                self.facts.push(Fact::SessionDown(ip(&ended)));
            }
        }
    }

    /// What the network states of the session with this address.
    pub fn attestation(&self, ip: Ipv4Addr) -> Option<&Attestation> {
        self.sessions.values().find(|attestation| attestation.ipv4().any(|address| address == ip))
    }

    pub fn ip_of(&self, wanted: usize) -> Option<Ipv4Addr> {
        self.facts.iter().rev().find_map(|fact| match fact {
            Fact::Attached { ue, ip } if *ue == wanted => Some(*ip),
            _ => None,
        })
    }

    pub fn sent(&self, part: &str) -> usize {
        self.facts.iter().filter(|fact| matches!(fact, Fact::Sent(line) if line.contains(part))).count()
    }

    pub fn failure(&self, wanted: usize) -> Option<(&str, bool)> {
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

fn check_s1ap(bytes: &[u8]) {
    let pdu = S1AP_PDU::decode(bytes).unwrap();
    let deviations = pdu.check().unwrap();
    assert!(deviations.is_empty(), "{pdu}: {deviations:?}");
}

/// The NAS PDUs that the MME sends; a base station only carries what UEs send.
fn check_nas_of(bytes: &[u8]) {
    let pdu = S1AP_PDU::decode(bytes).unwrap();
    if let Some(Ok(nas)) = pdu.ie::<oxirush_s1ap::ie::NAS_PDU>() {
        check_nas(&nas.0);
    }
    for item in pdu.items::<oxirush_s1ap::ie::E_RABToBeSetupListCtxtSUReq>() {
        check_nas(&item.unwrap().nas_pdu.unwrap().0);
    }
}

fn check_nas(bytes: &[u8]) {
    let message = NasEpsMessage::decode(bytes).unwrap();
    check_clean(&message);
    // Under EEA0, what is inside can be read too.
    if EEA0.get() && matches!(message, NasEpsMessage::SecurityProtected(..)) {
        check_clean(&message.decode_null_ciphered_payload().unwrap());
    }
}

fn check_clean(message: &NasEpsMessage) {
    let mut findings = message.validate();
    // One test has a network choose EIA0, to see it refused.
    findings.retain(|finding| !finding.message.starts_with("EIA0 is only used for"));
    assert!(findings.is_empty(), "{message}: {findings:?}");
}

thread_local! {
    /// Whether the test runs without ciphering, so that what is inside protected messages can be checked.
    pub static EEA0: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
