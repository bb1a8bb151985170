//! Devices beside a base station from which nobody but strangers comes: ATTACH REQUESTs of one IMSI, of IMSIs that nobody
//! has and of GUTIs that nobody was given (TS 24.301 clause 5.5.1.2.2), each in a connection of its own and never heard
//! of again.
//!
//! The run goes on as fast as the clock does. A device waits for what its procedure takes in virtual time, and for as
//! long as the network is behind the clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant as Clock};

use serde::Serialize;

use super::figures::Waits;
use crate::event::{Actor, Body, Event, StepId};
use crate::id::Plmn;
use crate::io::clock::peak_memory_bytes;
use crate::kernel::Instant;
use crate::lab::{LabError, Run, ledger_place};
use crate::wire::nas::{
    AlgorithmSet, AttachRequest, AttachType, Emm, Esm, EsmMessage, Guti, Identity, Message,
    NetworkCapability, PdnType,
};
use crate::wire::rrc::connection::EstablishmentCause;
use crate::wire::s1ap::{InitialUeMessage, Location, S1SetupRequest, label_of};
use crate::world::setup::{StationSetup, TAC};
use crate::world::{Iface, Outbound, Payload, Port, To, World, WorldError};

const SCENARIO: &str = "lab/scenarios/plain-card.toml";
const BENCH: &str = "lab/benches/virtual.toml";
/// How long after one device the next is switched on.
const INTERVAL_MS: u32 = 100;
/// The base station of the strangers.
const STATION: u32 = 2;
/// How long the network may be at it, in virtual time, beyond the last device.
const LIMIT: Duration = Duration::from_secs(60);
/// How often strangers come, and the run is looked after.
const TICK: Duration = Duration::from_millis(1);
/// How much virtual time passes before strangers come again.
const SLICE: Duration = Duration::from_millis(5);
/// The IMSI that many of them say they are.
const IMSI: &str = "001019999999999";

/// What the network has shown.
#[derive(Debug, Serialize)]
pub struct Network {
    pub devices: u32,
    /// How long the steps of the devices took.
    pub quiet: Waits,
    pub crowded: Waits,
    pub median_ratio: f64,
    /// The largest of each step's worst beside strangers, in times of its median without them.
    pub worst_ratio: f64,
    /// How far the network was behind the clock at most, in milliseconds: what a device waits more than its procedure
    /// takes.
    pub behind_ms: [f64; 2],
    pub attach_requests: u64,
    /// What the strangers were sent, by message.
    pub answers: BTreeMap<String, u64>,
    /// How many UEs the MME has a context of at the end.
    pub contexts: u64,
    /// The most memory before and after, in KiB.
    pub memory_kib: [Option<u64>; 2],
}

pub fn measure(devices: u32, attach_requests: u32) -> Result<Network, LabError> {
    let run = Run::load(Path::new(SCENARIO), Path::new(BENCH))?;
    let run = run.with_devices(devices)?.with_interval_ms(INTERVAL_MS);
    let quiet = Phase::run(&run, devices, 0)?;
    let before = peak_memory_bytes();
    let crowded = Phase::run(&run, devices, attach_requests)?;
    let kib = |bytes: Option<u64>| bytes.map(|bytes| bytes / 1024);
    let unserved = |phase: &Phase| u64::from(devices).saturating_sub(phase.through);
    let waits = |phase: &Phase| {
        let all = phase.waits.values().flatten().copied().collect();
        Waits::of(all, 0, unserved(phase))
    };
    let (alone, beside) = (waits(&quiet), waits(&crowded));
    Ok(Network {
        devices,
        median_ratio: beside.ratio_of_medians(&alone),
        worst_ratio: crowded.worst_ratio(&quiet),
        quiet: alone,
        crowded: beside,
        behind_ms: [&quiet, &crowded].map(|phase| phase.behind.as_secs_f64() * 1e3),
        attach_requests: crowded.sent,
        answers: crowded.answers,
        contexts: crowded.contexts,
        memory_kib: [kib(before), kib(peak_memory_bytes())],
    })
}

/// A run, and what came of it.
#[derive(Default)]
struct Phase {
    /// How long each step took on the clock.
    waits: BTreeMap<String, Vec<Duration>>,
    /// Devices that went through all their steps.
    through: u64,
    behind: Duration,
    sent: u64,
    answers: BTreeMap<String, u64>,
    contexts: u64,
}

impl Phase {
    fn run(run: &Run, devices: u32, attach_requests: u32) -> Result<Self, LabError> {
        let folder = super::server::Scratch::new("network").map_err(LabError::Output)?;
        let station = StationSetup { number: STATION, devices: 0..=0, outside: true };
        let mut world = run.world_with(ledger_place(folder.path())?, station)?;
        let span = Duration::from_millis(u64::from(devices) * u64::from(INTERVAL_MS));
        let mut phase = Self::default();
        phase.drive(&mut world, span, attach_requests, run.facts().plan.last().copied())?;
        phase.contexts = world.counters().get("mme.contexts").copied().unwrap_or_default();
        Ok(phase)
    }

    /// Lets the world go on with the clock. The strangers come evenly while devices are switched on.
    fn drive(
        &mut self,
        world: &mut World,
        span: Duration,
        attach_requests: u32,
        last: Option<StepId>,
    ) -> Result<(), LabError> {
        let begun = Clock::now();
        let mut strangers = Strangers::new(attach_requests);
        let mut open: BTreeMap<(u32, String), Clock> = BTreeMap::new();
        let total = u64::from(attach_requests);
        loop {
            let elapsed = begun.elapsed();
            let mut sink = |event: Event| {
                let due = Duration::from_nanos(event.at.as_micros() * 1_000);
                self.behind = self.behind.max(begun.elapsed().saturating_sub(due + TICK));
                match event.body {
                    Body::StepStarted { device, step } => {
                        open.insert((device, step.to_string()), Clock::now());
                    }
                    Body::StepEnded { device, step, .. } => {
                        if let Some(since) = open.remove(&(device, step.to_string())) {
                            self.waits.entry(step.to_string()).or_default().push(since.elapsed());
                        }
                        self.through += u64::from(Some(step) == last);
                    }
                    _ => {}
                }
            };
            // In slices, however far behind the clock the network is: what is for the strangers is taken off its hands.
            let mut until = world.now();
            while until < Instant::ZERO + elapsed {
                until = (until + SLICE).min(Instant::ZERO + elapsed);
                world.step_until(until, &mut sink)?;
                let share = until.as_micros() as f64 / span.as_micros() as f64;
                strangers.come(world, ((total as f64 * share) as u64).min(total), &mut sink)?;
                for outbound in world.take_outbound() {
                    if let Outbound::Frame { payload: Payload::Bytes(bytes), .. } = outbound {
                        *self.answers.entry(label_of(&bytes).name.into_owned()).or_default() += 1;
                    }
                }
            }
            let over = world.is_settled() && strangers.sent == total;
            if over || elapsed > span + LIMIT {
                break;
            }
            thread::sleep(TICK);
        }
        self.sent = strangers.sent;
        Ok(())
    }

    fn worst_ratio(&self, quiet: &Self) -> f64 {
        let of = |waits: &Vec<Duration>| Waits::of(waits.clone(), 0, 0);
        let ratios = self
            .waits
            .iter()
            .filter_map(|(step, waits)| Some(of(waits).ratio_of_worst(&of(quiet.waits.get(step)?))));
        ratios.fold(0.0, f64::max)
    }
}

/// The base station of the strangers.
struct Strangers {
    wanted: u64,
    sent: u64,
    joined: bool,
}

impl Strangers {
    fn new(wanted: u32) -> Self {
        Self { wanted: wanted.into(), sent: 0, joined: false }
    }

    /// Has as many of them come as are due.
    fn come(&mut self, world: &mut World, due: u64, sink: &mut dyn FnMut(Event)) -> Result<(), LabError> {
        if !self.joined && self.wanted > 0 {
            self.joined = true;
            world.joined(Actor::enb(STATION), true, sink)?;
            let plmn = Plmn::test();
            let request =
                S1SetupRequest { plmn: Some(plmn), enb: Some(STATION), name: None, areas: vec![(plmn, TAC)] };
            self.send(world, request.build().and_then(|pdu| pdu.encode()), sink)?;
        }
        while self.sent < due {
            let message = self.message();
            self.sent += 1;
            self.send(world, message, sink)?;
        }
        Ok(())
    }

    fn send(
        &self,
        world: &mut World,
        octets: Result<Vec<u8>, crate::wire::s1ap::Error>,
        sink: &mut dyn FnMut(Event),
    ) -> Result<(), WorldError> {
        // Every value fits its field.
        let Ok(octets) = octets else { return Ok(()) };
        let from = Port::new(Actor::enb(STATION), Iface::S1Mme);
        let to = To::Port(Port::new(Actor::MME, Iface::S1Mme));
        world.inject(from, to, Payload::Bytes(octets), sink)
    }

    fn message(&self) -> Result<Vec<u8>, crate::wire::s1ap::Error> {
        // Numbers that jump about and do not come again (Knuth's multiplicative hashing).
        let drawn = (self.sent as u32).wrapping_mul(2_654_435_761);
        let identity = match self.sent % 3 {
            0 => Identity::Imsi(IMSI.to_owned()),
            1 => Identity::Imsi(format!("00101{:010}", drawn)),
            _ => Identity::Guti(Guti {
                plmn: Plmn::test(),
                mme_group: 1,
                mme_code: 1,
                tmsi: drawn | 0xc000_0000,
            }),
        };
        let request = Message::Emm(Emm::AttachRequest(AttachRequest {
            kind: AttachType::Eps,
            identity,
            ksi: 7,
            capability: NetworkCapability::new(AlgorithmSet::ALL, AlgorithmSet::PROTECTING),
            esm: Some(EsmMessage {
                bearer: 0,
                pti: 1,
                body: Esm::PdnConnectivityRequest { pdn_type: PdnType::Ipv4, information: false },
            }),
        }));
        // Every value fits its field.
        let nas = request.encode().map(|encoded| encoded.octets).unwrap_or_default();
        let location = Location { plmn: Plmn::test(), tac: TAC, enb: STATION, cell: 1 };
        // The eNB UE S1AP ID has 24 bits.
        let enb = u32::try_from(self.sent & 0x00ff_ffff).unwrap_or(0);
        let (location, cause) = (Some(location), EstablishmentCause::MoSignalling);
        InitialUeMessage { enb, nas, location, cause, s_tmsi: None }.build()?.encode()
    }
}
