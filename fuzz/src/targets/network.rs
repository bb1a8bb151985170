//! A network under attack: a device is registered, and strangers send what they like from another base station, over the
//! radio, to the tunnels' port and from the service network. Nothing panics, what the core keeps of strangers has a bound,
//! and the device is served as before.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use cellbed::card::{CardSlot, Personalisation, SharedDiary, SimProfile, Uicc};
use cellbed::corenet::{AddressPool, Epc, EpcConfig, EpcInput, EpcOutput, HssFault, Policy, Subscriber};
use cellbed::event::Actor;
use cellbed::kernel::{Duration, Instant, RngTree};
use cellbed::ran::{Bearer, Enb, EnbConfig, EnbInput, EnbOutput, Frame, Ue, UeConfig, UeInput, UeOutput};
use cellbed::wire::rrc::connection::{RrcConnectionRequest, RrcConnectionSetupComplete};
use cellbed::wire::rrc::security::{DedicatedInfo, UlInformationTransfer};
use cellbed::wire::rrc::{Octets, UlCcch, UlDcch};

use super::frames::frames;

const PROFILE: &str = include_str!("../../../sim-profiles/lte-test.toml");
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 20);
const TAC: u16 = 7;
/// The most messages of one run.
const MESSAGES_MAX: usize = 40;

/// What a stranger's message is sent as, by the kind of its frame modulo the number of these.
pub const KINDS: [&str; 7] = ["s1ap", "initial-nas", "nas", "gtp-u", "gtp-u-enb", "sgi", "time"];

enum Job {
    Core(Vec<u8>, u32),
    Station(Vec<u8>),
    Air(u32, Frame),
    Tunnel(Vec<u8>),
    TunnelDown(Vec<u8>),
}

struct Net {
    now: Instant,
    epc: Epc,
    enb: Enb,
    ue: Ue,
    jobs: VecDeque<Job>,
    ip: Option<Ipv4Addr>,
    /// The system information of the cell.
    system: Vec<Vec<u8>>,
    /// IP packets that reached the service network.
    reached: Vec<Vec<u8>>,
}

impl Net {
    fn new() -> Self {
        let profile = SimProfile::parse(PROFILE).expect("a profile");
        // The seeds have answers of the first card to this network's challenges.
        let made: Personalisation = profile.personalise(3).expect("a card");
        let card = Uicc::new(&made, RngTree::new(7).branch("card1"), &[]).expect("a card");
        let pool = AddressPool::new(Ipv4Addr::new(10, 45, 0, 0), 24).expect("a pool");
        let plmn = profile.plmn;
        let config = EpcConfig::new(plmn, TAC, "internet", pool);
        let mut epc = Epc::new(config, RngTree::new(7)).expect("a core");
        epc.provision(Subscriber {
            imsi: made.imsi.clone(),
            iccid: made.iccid.clone(),
            k: made.k,
            algorithm: made.algorithm_set(),
            amf: [0x80, 0],
            sqn: 0,
            apn: None,
            pdn: Default::default(),
            policy: Policy::Unrestricted,
            fault: HssFault::None,
        })
        .expect("a subscriber");
        let mut net = Self {
            now: Instant::ZERO,
            epc,
            enb: Enb::new(EnbConfig::new(1, plmn, TAC), &RngTree::new(7).branch("enb")),
            ue: Ue::new(
                UeConfig::new(1),
                CardSlot::shared(Box::new(card), SharedDiary::default()),
                RngTree::new(7).branch("ue1"),
            ),
            jobs: VecDeque::new(),
            ip: None,
            system: Vec::new(),
            reached: Vec::new(),
        };
        net.core(EpcInput::S1Connected { enb: 1 });
        net.core(EpcInput::S1Connected { enb: 2 });
        net.station(EnbInput::S1Connected);
        net.settle();
        net.device(UeInput::PowerOn);
        net.settle();
        net
    }

    fn core(&mut self, input: EpcInput<'_>) {
        let mut out = Vec::new();
        self.epc.handle(self.now, input, &mut out).expect("the core goes on");
        for output in out {
            match output {
                EpcOutput::S1 { enb: 1, bytes, .. } => self.jobs.push_back(Job::Station(bytes)),
                EpcOutput::GtpU { bytes, to, .. } if to == Actor::enb(1).transport_address() => {
                    self.jobs.push_back(Job::TunnelDown(bytes));
                }
                EpcOutput::Sgi(packet) => self.reached.push(packet),
                _ => {}
            }
        }
    }

    fn station(&mut self, input: EnbInput<'_>) {
        let mut out = Vec::new();
        self.enb.handle(self.now, input, &mut out).expect("the base station goes on");
        for output in out {
            match output {
                EnbOutput::S1 { bytes, .. } => self.jobs.push_back(Job::Core(bytes, 1)),
                EnbOutput::Air { ue, frame } => self.jobs.push_back(Job::Air(ue, frame)),
                EnbOutput::System { messages } => self.system = messages,
                EnbOutput::GtpU { bytes, to, .. } if to == Actor::GATEWAY.transport_address() => {
                    self.jobs.push_back(Job::Tunnel(bytes));
                }
                _ => {}
            }
        }
    }

    fn device(&mut self, input: UeInput) {
        let mut out = Vec::new();
        self.ue.handle(self.now, input, &mut out).expect("the device goes on");
        for output in out {
            match output {
                UeOutput::Air(frame) => self.station(EnbInput::Air { ue: 1, frame }),
                UeOutput::SelectCell => {
                    let heard = self.system.iter().map(|octets| Frame::new(Bearer::Bcch, octets.clone()));
                    self.jobs.extend(heard.map(|frame| Job::Air(1, frame)));
                }
                UeOutput::Attached { ip, .. } => self.ip = ip,
                UeOutput::Detached => self.ip = None,
                _ => {}
            }
        }
    }

    /// Until nobody has anything to say.
    fn settle(&mut self) {
        let from = Actor::enb(1).transport_address();
        for _ in 0..10_000 {
            let Some(job) = self.jobs.pop_front() else { return };
            match job {
                Job::Core(bytes, enb) => self.core(EpcInput::S1 { enb, bytes: &bytes }),
                Job::Station(bytes) => self.station(EnbInput::S1(&bytes)),
                Job::Air(1, frame) => self.device(UeInput::Air(frame)),
                Job::Air(..) => {}
                Job::Tunnel(bytes) => self.core(EpcInput::GtpU { from, bytes: &bytes }),
                Job::TunnelDown(bytes) => {
                    self.station(EnbInput::GtpU { from: Actor::GATEWAY.transport_address(), bytes: &bytes })
                }
            }
        }
        panic!("the network never comes to rest");
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..1_000 {
            let core = self.epc.deadline().filter(|at| *at <= until);
            let station = self.enb.deadline().filter(|at| *at <= until);
            let device = self.ue.deadline().filter(|at| *at <= until);
            let Some(next) = [core, station, device].into_iter().flatten().min() else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            if core == Some(next) {
                self.core(EpcInput::Timer);
            }
            if station == Some(next) {
                self.station(EnbInput::Timer);
            }
            if device == Some(next) {
                self.device(UeInput::Timer);
            }
            self.settle();
        }
        panic!("timers expire for ever");
    }

    /// A packet of the device reaches the server.
    fn serves(&mut self) -> bool {
        let Some(ip) = self.ip else { return false };
        let packet = udp(ip, SERVER);
        self.reached.clear();
        self.device(UeInput::SendIp(packet.clone()));
        self.settle();
        self.reached == [packet]
    }
}

/// An RRC message of a UE without security.
fn srb1(message: impl Into<UlDcch>) -> Frame {
    let octets = message.into().encode().unwrap_or_default();
    Frame::new(Bearer::Srb1, [&[0][..], &octets, &[0; 4]].concat())
}

/// An empty UDP datagram in an IPv4 packet.
fn udp(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend([0x12, 0x34, 0, 53, 0, 8, 0, 0]);
    packet
}

/// Frames of [`KINDS`].
pub fn run(bytes: &[u8]) {
    let mut net = Net::new();
    assert!(net.serves(), "the device is served before anybody comes");
    for (kind, message) in frames(bytes).take(MESSAGES_MAX) {
        let air = |frame| EnbInput::Air { ue: 9, frame };
        match KINDS[usize::from(kind) % KINDS.len()] {
            "s1ap" => net.core(EpcInput::S1 { enb: 2, bytes: message }),
            "initial-nas" => {
                let request = UlCcch::from(RrcConnectionRequest::default()).encode().unwrap_or_default();
                net.station(air(Frame::new(Bearer::Ccch, request)));
                let nas = Octets(message.to_vec());
                net.station(air(srb1(RrcConnectionSetupComplete { nas, ..Default::default() })));
            }
            "nas" => {
                let info = DedicatedInfo::Nas(Octets(message.to_vec()));
                net.station(air(srb1(UlInformationTransfer { info, later: Default::default() })));
                // The same as anything else on the radio.
                for bearer in [Bearer::Ccch, Bearer::Srb1, Bearer::Srb2, Bearer::Drb(1)] {
                    net.station(air(Frame::new(bearer, message.to_vec())));
                }
            }
            "gtp-u" => net.core(EpcInput::GtpU { from: STRANGER, bytes: message }),
            "gtp-u-enb" => net.station(EnbInput::GtpU { from: STRANGER, bytes: message }),
            "sgi" => net.core(EpcInput::Sgi(message)),
            _ => net.pass(Duration::from_millis(u64::from(message.first().copied().unwrap_or(1)) * 100)),
        }
        net.settle();
    }
    assert!(net.epc.contexts() <= 1 + MESSAGES_MAX, "{} contexts", net.epc.contexts());
    assert!(net.serves(), "the device is served among strangers");
}
