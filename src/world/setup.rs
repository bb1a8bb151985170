//! Sets the virtual bench up: network, services, ledger and authority, and the devices that will use them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rand_core::RngCore;

use super::WorldError;
use super::acts::PlannedAct;
use super::desk::{Desk, Staff, Work};
use super::euicc::EuiccServers;
use super::factory::{Blueprint, EsimIssue, Factory, Mischief, burned_secret};
use super::nodes::{ControllerNode, CoreNode, EnbNode, Reach, ServicesNode, SliceReach, SwitchNode};
use super::topology::{CellSpec, LinkSpec, lte_links};
use super::{Fleet, Topology, World};
use crate::ca::index::IndexStore;
use crate::ca::{Authority, Publication};
use crate::card::{CardPort, Personalisation, SimProfile};
use crate::corenet::{
    AddressPool, Epc, EpcConfig, HssFault, Policy, Quarantine, SubscribedPdn, Subscriber, UE_PREFIXES,
};
use crate::crypto::tls::{KeyLogSink, Providers, VirtualClock};
use crate::crypto::{Op, SoftKey, Tally};
use crate::device::iot_safe::Dialect;
use crate::device::plan::{Act, Cut};
use crate::event::Actor;
use crate::guard::generator::Kind;
use crate::id::{DeviceName, Imei, Plmn, Tac};
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::ledger::{
    Account, Genesis, Ledger, LedgerError, LedgerKeys, LedgerOp, LightAnchors, Model, Operators, Place,
};
use crate::net::ServiceAddress;
use crate::net::endpoint::{BROKER, ESIM_SERVERS, EST, PKI, REGISTRAR, UPDATES};
use crate::ran::{AirModel, Enb, EnbConfig};
use crate::sdn::{Controller, ControllerConfig, Switch, SwitchConfig};
use crate::services::chain::Chain;
use crate::services::enrolment::EstFault;
use crate::services::esim::{self, EsimSetup, Means, Ordered, Provisioned, SmdpFault};
use crate::services::inventory::{Entry, Inventory};
use crate::services::network::Services;
use crate::services::orders::{ISSUER, Orders};
use crate::services::ota::OtaServer;
use crate::services::sentry::Sentry;
use crate::services::servers::Servers;
use crate::services::updates::Delivered;
use crate::services::{
    Central, Cloud, Enrolment, Guard, Holders, Offices, Registrar, RegistrationPolicy, RelyingSetup,
    ServiceError, Sessions, UpdateFault, UpdateSetup, Updates, Vouched, Way,
};
use crate::wire::nas::PdnType;
use crate::wire::ota::Counter;

/// The name under which the guard of the network raises alarms.
pub const SENTRY: &str = "guard";
/// The chain identifier of a bench's ledger (EIP-155): "cell" in a private range.
pub const CHAIN_ID: u64 = 0x6365_6c6c;
/// The tracking area of the virtual bench.
pub const TAC: u16 = 1;
/// The access point name of subscribers that have none of their own.
const APN: &str = "internet";
/// Where UEs get their addresses: room for 262,141 at a time.
const UE_POOL: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 44, 0, 0), 14);
/// The largest packet on the user plane, in bytes: what GTP-U leaves of a backhaul of 1500 with room to spare.
const MTU: u16 = 1400;
/// The number of the switch behind the gateway.
const DATAPATH: u64 = 1;
/// The model that the registrar records for a device of which the scenario names none.
const MODEL: &str = "cellbed-virtual-1";

/// One device, as the scenario wants it.
#[derive(Debug, Clone)]
pub struct DeviceSetup {
    /// The SIM profile that its card is made from.
    pub profile: Arc<SimProfile>,
    /// Which card of the profile it carries, from 0.
    pub index: u32,
    /// Whether the owner expects it.
    pub allowed: bool,
    /// Whether its subscriber is provisioned in the HSS.
    pub subscribed: bool,
    /// When it is switched on.
    pub start: Duration,
    /// What the HSS gets wrong about its subscriber on purpose.
    pub fault: HssFault,
    /// What the SM-DP+ gets wrong about its profile on purpose.
    pub smdp_fault: Option<SmdpFault>,
    /// Where its power is cut in the middle of a step.
    pub power_cuts: Vec<Cut>,
    /// Whether its identity is another device's.
    pub clone: bool,
    /// The number of the device whose secret the factory has burned into it: of the one that it copies, or its own.
    pub secret_of: u32,
    /// The number of the device whose very card it carries, with all that has come to be on it, once that one has left.
    pub card_of: Option<u32>,
    /// What is not as it should be inside the device.
    pub mischief: Mischief,
    /// The EUM of its eUICC, by its name in [`EsimSetup`]; the lab's own where there is none.
    pub eum: Option<Arc<str>>,
    /// What the registrar records as its model; a virtual device where there is none.
    pub model: Option<Arc<str>>,
    /// The type allocation code of its modem.
    pub tac: Tac,
    /// Whose the cloud is that it reaches, where that is somebody else's.
    pub rogue_cloud: Option<RogueCloud>,
    /// How EST puts its first request off on purpose.
    pub est_fault: Option<EstFault>,
    /// How its application speaks to the IoT SAFE applet.
    pub dialect: Dialect,
    /// What goes wrong with its update on purpose.
    pub update_fault: Option<UpdateFault>,
    /// What the network's guard has learned that it does; nobody judges it where there is none.
    pub kind: Option<Kind>,
    /// Whether it carries the guard itself as well.
    pub own_guard: bool,
    /// The access point name that its modem asks for, where it is not that of its profile.
    pub apn: Option<String>,
    /// The versions of IP that its modem asks for.
    pub pdn_type: PdnType,
    /// Those that its subscription may have.
    pub pdn: SubscribedPdn,
}

/// Somebody else's cloud, in the place of the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RogueCloud {
    /// Its certificate is of another authority.
    OtherAuthority,
    /// Its certificate is of the operator's own authority, and nobody has recorded it.
    SameAuthority,
}

/// One base station, as the bench wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationSetup {
    /// Its number, from 1.
    pub number: u32,
    /// The devices that hear its cell.
    pub devices: RangeInclusive<u32>,
    /// Whether a program outside plays it.
    pub outside: bool,
}

impl StationSetup {
    /// The one base station of a bench that says nothing of base stations: every device hears it.
    pub fn only() -> Self {
        Self { number: 1, devices: 1..=u32::MAX, outside: false }
    }
}

/// Everything that a run depends on.
pub struct Setup {
    /// What the run is called: its ledger gets a name of its own from this and the seed.
    pub name: String,
    /// What every random value of the run is drawn from.
    pub seed: u64,
    /// What hides devices, their salts and their names, is drawn from it; from the seed where there is none, and who
    /// knows the seed knows them then.
    pub hiding: Option<RngTree>,
    /// How long radio messages take.
    pub air: AirModel,
    /// The network's identity.
    pub plmn: Plmn,
    /// How long a device may be without a connection before it shows itself (T3412), where that is not the usual time.
    pub t3412: Option<Duration>,
    /// After how long without a user packet base stations give a connection up.
    pub inactivity: Option<Duration>,
    /// EIA and EEA numbers that the MME allows, the most wanted first.
    pub integrity: Vec<u8>,
    /// Ciphering algorithms that the MME allows, by number, the most wanted first.
    pub ciphering: Vec<u8>,
    /// What every device is to do.
    pub plan: Vec<Act>,
    /// How devices come to their identity.
    pub way: Way,
    /// Present where the cards are eUICCs and `devices` have bootstrap profiles.
    pub esim: Option<EsimSetup>,
    /// The devices, numbered from 1.
    pub devices: Vec<DeviceSetup>,
    /// The base stations.
    pub stations: Vec<StationSetup>,
    /// The links that are not as [`lte_links`] draws them.
    pub links: Vec<LinkSpec>,
    /// Where the secrets of TLS sessions go, if anywhere.
    pub key_log: Option<KeyLogSink>,
    /// Where public-key operations are counted.
    pub tally: Tally,
    /// The card of the first device, where it is not a virtual one made for the run.
    pub card: Option<Box<dyn CardPort>>,
    /// Where it is kept which certificates the authority has issued, if anywhere.
    pub certificates: Option<Box<dyn IndexStore>>,
    /// What it takes to have a key put on the ledger.
    pub registration: RegistrationPolicy,
    /// What the core network does with a device that is in quarantine.
    pub quarantine: Quarantine,
    /// What sessions of a slice reach, by its access point name.
    pub slices: BTreeMap<String, SliceReach>,
    /// Whether the network's guard is alive.
    pub guarded: bool,
    /// A peer that asks by OCSP about the certificate of a device, where there is one.
    pub relying: Option<RelyingSetup>,
    /// Whether the ledger vouches for the cloud's certificate, and devices take no other cloud.
    pub servers_on_ledger: bool,
    /// What operators do in the course of the run.
    pub acts: Vec<PlannedAct>,
    /// What people do by hand, by its number in the plan.
    pub works: Vec<Work>,
    /// Who does it.
    pub staff: Vec<Staff>,
    /// How long the certificate of a device is valid, in seconds, where that is not for the authority to say.
    pub certificate_validity_s: Option<u32>,
    /// The update service, where there is one.
    pub updates: Option<UpdateSetup>,
    /// Packets to cards count from here, where the cards' own counters are lower: a card that outlives the run has
    /// counted the packets of others.
    pub ota_counter: Counter,
}

/// The root certificate of the run with `seed`, DER: what the operator leaves on every card.
///
/// # Errors
/// Where the authority cannot sign it.
pub fn trust_anchor(seed: u64) -> Result<Vec<u8>, WorldError> {
    let authority = authority(&RngTree::new(seed), &Tally::new())?;
    Ok(authority.root_der().to_vec())
}

fn authority(rng: &RngTree, tally: &Tally) -> Result<Authority, WorldError> {
    let publication = Publication::below(&format!("http://{}", PKI.name));
    Ok(Authority::new(rng.branch(Actor::CA), tally, EPOCH_UNIX_S)?.published(publication))
}

impl World {
    /// Sets up the bench that `setup` describes, with its ledger in `place`.
    ///
    /// # Errors
    /// Where the store is not empty or fails, or a profile has no card of that number.
    pub fn set_up(mut setup: Setup, place: impl Into<Place>) -> Result<Self, WorldError> {
        let rng = RngTree::new(setup.seed);
        let clock = VirtualClock::new(EPOCH_UNIX_S);
        let tally = setup.tally.clone();
        let mut authority = authority(&rng, &tally)?;
        if let Some(store) = setup.certificates.take() {
            authority = authority.kept(store);
        }
        if let Some(seconds) = setup.certificate_validity_s {
            authority = authority.for_clients_s(seconds.into());
        }
        let updates = setup.updates.is_some();
        let mut servers =
            Servers::new(&mut authority, &rng, &tally, &clock, setup.key_log.as_ref(), updates)?;
        let (ledger, mut operators) = ledger(&setup.name, &rng, &tally, place.into())?;
        let vouched = match (setup.servers_on_ledger, servers.certificate(BROKER)) {
            (true, Some(certificate)) => {
                Some(Vouched::new(&mut operators.publisher, ledger.contract(), BROKER, certificate)?)
            }
            _ => None,
        };
        let vouching = setup.servers_on_ledger.then(|| Arc::new(ledger.light_anchors()));
        let (mut epc, inventory, mut holders, mut ota) = network(&setup, &rng)?;
        let central = central(&setup, &inventory, &rng)?;
        let (esim, issue) = match &setup.esim {
            Some(plan) => {
                let key_log = setup.key_log.as_ref();
                let means = Means { run: &rng, tally: &tally, clock: &clock, key_log };
                let ordered = ordered(&setup)?;
                let prepared = esim::prepare(plan, &ordered, &means)?;
                for Provisioned { device, subscriber, ota: keys } in prepared.subscribers {
                    ota.provision(subscriber.iccid.clone(), keys.set, keys.counter);
                    let tac = setup.devices.get(device as usize - 1).map_or(Imei::TEST_TAC, |one| one.tac);
                    holders.add(subscriber.iccid.clone(), device, Imei::of_model(tac, device));
                    epc.provision(subscriber)?;
                }
                for (endpoint, config) in prepared.tls {
                    servers.add(endpoint, config);
                }
                let issue = EsimIssue {
                    servers: EuiccServers::lab(&prepared.pki, &rng, plan.indirect)?,
                    pki: prepared.pki,
                    eums: prepared.eums,
                    indirect: plan.indirect,
                };
                (Some(prepared.services), Some(issue))
            }
            None => (None, None),
        };
        let (updates, delivered) = match &setup.updates {
            Some(plan) => {
                let (office, delivered) =
                    updates_of(plan, &setup.devices, operators.publisher, ledger.light_anchors(), &rng)?;
                (Some(office), Some(delivered))
            }
            None => (None, None),
        };
        let kinds = (1..)
            .zip(&setup.devices)
            .filter_map(|(number, device)| Some((number, device.kind?, device.pdn != SubscribedPdn::Ipv4)));
        let key = || sentry(&rng).counted(&tally);
        let watcher = Sentry::of_kinds(kinds, SENTRY, key, UE_POOL, &rng.branch("guard"))?;
        let factory = Factory {
            blueprints: setup.devices.iter().map(blueprint).collect(),
            plan: setup.plan.clone(),
            way: setup.way,
            esim: issue,
            delivered,
            trust_anchor: authority.root_der().to_vec(),
            clock: clock.clone(),
            key_log: setup.key_log.clone(),
            tally: tally.clone(),
            providers: Providers::new(&tally),
            rng: rng.clone(),
            card: setup.card,
            models: own_guards(&setup.devices, watcher.as_ref()),
            vouching,
        };
        let rogue = rogues(&setup.devices, &servers, &mut authority, &rng, &tally, &clock)?;
        let chain = Chain::new(ledger.into());
        let standing = chain.watch();
        let nonces = rng.branch(Actor::REGISTRAR).stream("nonces");
        let put_off =
            (1..).zip(&setup.devices).filter_map(|(number, device)| Some((number, device.est_fault?)));
        let offices = Offices {
            registrar: Registrar::new(operators.registrar, ota, setup.registration, nonces).vouching(vouched),
            enrolment: Enrolment::new(authority, operators.ca)
                .putting_off(put_off)
                .central(central)
                .asked_by(setup.relying),
            cloud: Cloud::new(setup.way),
            guard: Guard::new(operators.guard).believing(SENTRY, sentry(&rng).public()),
            esim,
            updates,
            inventory,
            chain,
            accused: Vec::new(),
        };
        let networks: BTreeMap<_, _> = [(setup.plmn, epc.attestation_key())].into();
        let mirrors = setup.guarded && setup.devices.iter().any(|device| device.kind.is_some());
        let (controller, switch) = switching(&networks, &tally, mirrors);
        let mut controller = controller.sliced(setup.slices.clone());
        let orders = SoftKey::from_stream(&mut rng.branch(Actor::REGISTRAR).stream("orders")).counted(&tally);
        let orders = Orders::new(orders);
        epc.follow(ISSUER, orders.public());
        controller.follow(ISSUER, orders.public());
        let sessions = Sessions::new(networks, holders, &tally);
        let services = Services::new(offices, servers, sessions, orders, clock, MTU, rng.branch("services"));
        let services = services.with_rogue(rogue).guarded(watcher.filter(|_| setup.guarded));
        let topology = topology(&setup.stations, setup.links, setup.air, &rng);
        let starts: Vec<Duration> = setup.devices.iter().map(|device| device.start).collect();
        let mut world = Self::new(topology, Fleet::new(factory, starts.len()), &starts).with_ledger(standing);
        world.add(&[Actor::MME, Actor::HSS, Actor::GATEWAY], Box::new(CoreNode(epc)));
        world.add(&[Actor::SWITCH], Box::new(switch));
        world.add(&[Actor::CONTROLLER], Box::new(controller));
        for station in setup.stations {
            let (number, actor) = (station.number, Actor::enb(station.number));
            match station.outside {
                true => world.add_outside(&[actor]),
                false => {
                    let mut config = EnbConfig::new(number, setup.plmn, TAC);
                    config.inactivity = setup.inactivity;
                    let enb = Enb::new(config, &rng.branch(actor));
                    world.add(&[actor], Box::new(EnbNode::new(number, enb)));
                }
            }
        }
        world.add(&[Actor::SERVICES, Actor::REGISTRAR, Actor::GUARD], Box::new(ServicesNode::new(services)));
        world.plan_acts(setup.acts);
        world.staff(Desk::new(setup.works, setup.staff, rng.branch("desk")));
        world.watch(setup.plan.iter().filter_map(|act| match act {
            Act::Until(condition) => Some(*condition),
            _ => None,
        }));
        Ok(world)
    }
}

/// The models of the devices that carry a guard of their own, by number.
fn own_guards(devices: &[DeviceSetup], watcher: Option<&Sentry>) -> BTreeMap<u32, Arc<cellbed_guard::Model>> {
    let models = watcher.map(Sentry::models).into_iter().flatten();
    let carries = |number: u32| devices.get(number as usize - 1).is_some_and(|device| device.own_guard);
    models.filter(|(number, _)| carries(**number)).map(|(number, model)| (*number, model.clone())).collect()
}

/// What the guard of the network signs its alarms with.
pub(super) fn sentry(rng: &RngTree) -> SoftKey {
    SoftKey::from_stream(&mut rng.branch(Actor::GUARD).stream("alarms"))
}

/// Somebody else's authority, whose root no device has.
/// The servers that devices reach whose cloud is somebody else's; all but the cloud are the operator's.
fn rogues(
    devices: &[DeviceSetup],
    servers: &Servers,
    authority: &mut Authority,
    rng: &RngTree,
    tally: &Tally,
    clock: &VirtualClock,
) -> Result<BTreeMap<u32, Arc<Servers>>, WorldError> {
    let mut made: BTreeMap<RogueCloud, Arc<Servers>> = BTreeMap::new();
    let mut reached = BTreeMap::new();
    for (number, rogue) in
        (1..).zip(devices).filter_map(|(number, device)| Some((number, device.rogue_cloud?)))
    {
        let servers = match made.get(&rogue) {
            Some(servers) => servers.clone(),
            None => {
                let (mut other, branch) = match rogue {
                    RogueCloud::OtherAuthority => (Some(rogue_authority(rng, tally)?), "rogue"),
                    RogueCloud::SameAuthority => (None, "impostor"),
                };
                let authority = other.as_mut().unwrap_or(&mut *authority);
                let others = Servers::new(authority, &rng.branch(branch), tally, clock, None, false)?;
                made.entry(rogue).or_insert(Arc::new(servers.with(&others, Actor::CLOUD))).clone()
            }
        };
        reached.insert(number, servers);
    }
    Ok(reached)
}

fn rogue_authority(rng: &RngTree, tally: &Tally) -> Result<Authority, WorldError> {
    Ok(Authority::new(rng.branch("rogue").branch(Actor::CA), tally, EPOCH_UNIX_S)?)
}

/// The switch behind the gateway, and its controller, which believes these networks; `mirrors`: whether there is a guard.
fn switching(
    networks: &BTreeMap<Plmn, [u8; 64]>,
    tally: &Tally,
    mirrors: bool,
) -> (ControllerNode, SwitchNode) {
    let config = ControllerConfig {
        devices: SwitchConfig::DEVICES,
        services: SwitchConfig::SERVICES,
        pool: UE_POOL,
        pool_v6: UE_PREFIXES,
        // The association says whether the switch is there.
        echo_after: None,
    };
    // First those of IPv4, then those of IPv6.
    let of = |services: &[ServiceAddress]| -> Vec<IpAddr> {
        [0, 1].into_iter().flat_map(|at| services.iter().map(move |one| one.addresses()[at])).collect()
    };
    let esim = of(&ESIM_SERVERS);
    let services = of(&[REGISTRAR, EST, BROKER, UPDATES]);
    let reach = Reach {
        restricted: [&esim[..], &services].concat().into(),
        onboarding: esim.into(),
        // Who is cut off may be repaired.
        isolated: UPDATES.addresses().into(),
    };
    let controller = ControllerNode::new(Controller::new(config), networks.clone(), reach, tally);
    (controller, SwitchNode::new(Switch::new(SwitchConfig::behind_gateway(DATAPATH)), mirrors))
}

fn topology(stations: &[StationSetup], links: Vec<LinkSpec>, air: AirModel, rng: &RngTree) -> Topology {
    let mut topology = Topology::new(air, rng.branch("links"));
    for station in stations {
        topology.cell(CellSpec { station: Actor::enb(station.number), devices: station.devices.clone() });
    }
    let drawn = lte_links(stations.iter().map(|station| Actor::enb(station.number)));
    drawn.into_iter().chain(links).for_each(|link| topology.link(link));
    topology
}

/// The devices that are to get an operational profile. A clone of a card brings no order of its own.
fn ordered(setup: &Setup) -> Result<Vec<Ordered>, WorldError> {
    let originals = (1..).zip(&setup.devices).filter(|(_, device)| !device.clone);
    originals
        .map(|(number, device)| {
            let eid = device.profile.personalise(device.index)?.eid;
            Ok(Ordered { number, eid, fault: device.smdp_fault })
        })
        .collect()
}

fn blueprint(device: &DeviceSetup) -> Blueprint {
    Blueprint {
        profile: device.profile.clone(),
        index: device.index,
        cuts: device.power_cuts.clone(),
        mischief: device.mischief,
        eum: device.eum.clone(),
        dialect: device.dialect,
        model: device.model.clone().unwrap_or_else(|| MODEL.into()),
        board: UpdateFault::board(device.update_fault),
        tac: device.tac,
        secret_of: device.secret_of,
        card_of: device.card_of,
        apn: device.apn.clone(),
        pdn_type: device.pdn_type,
    }
}

/// The update service, and what devices are delivered with. Its releases are for the model of the first device.
fn updates_of(
    plan: &UpdateSetup,
    devices: &[DeviceSetup],
    account: Account,
    ledger: LightAnchors,
    rng: &RngTree,
) -> Result<(Updates, Delivered), WorldError> {
    let model = devices.first().and_then(|device| device.model.as_deref()).unwrap_or(MODEL);
    let model = Model::new(model).map_err(|error| ServiceError::Release(error.to_string()))?;
    let faults = (1..).zip(devices).filter_map(|(number, device)| Some((number, device.update_fault?)));
    Ok(Updates::new(plan, model, account, ledger, faults.collect(), rng)?)
}

/// Opens the ledger that a run with `seed` has left in `place`, to go on with it.
///
/// # Errors
/// Where it cannot be read, or is not in order.
pub fn reopened(seed: u64, place: Place) -> Result<(Ledger, Operators), LedgerError> {
    let rng = RngTree::new(seed).branch(Actor::LEDGER);
    let mut operators = Operators::from_rng(&mut rng.stream("operators"));
    let keys = LedgerKeys::lab(&rng, &operators, place.signer)?;
    let ledger = Ledger::open(place.store, Some(keys))?;
    operators.resume(|account| ledger.nonce(account));
    Ok((ledger, operators))
}

fn ledger(name: &str, rng: &RngTree, tally: &Tally, place: Place) -> Result<(Ledger, Operators), WorldError> {
    let rng = rng.branch(Actor::LEDGER);
    let tally = tally.clone();
    let count: Arc<dyn Fn(LedgerOp) + Send + Sync> = Arc::new(move |op| {
        tally.count(match op {
            LedgerOp::P256Verify => Op::P256Verify,
            LedgerOp::Secp256k1Sign => Op::Secp256k1Sign,
            LedgerOp::Secp256k1Recover => Op::Secp256k1Recover,
        });
    });
    let mut operators = Operators::from_rng(&mut rng.stream("operators")).counted(&count);
    let keys = LedgerKeys::lab(&rng, &operators, place.signer)?;
    let mut nonce = [0; 32];
    rng.branch(name).stream("nonce").fill_bytes(&mut nonce);
    let genesis = Genesis::new(CHAIN_ID, EPOCH_UNIX_S - 1, nonce, &operators, &keys);
    let mut ledger = Ledger::create(&genesis, &mut operators, keys, place.store)?;
    ledger.count_with(count);
    Ok((ledger, operators))
}

/// The central server of the traditional way, at which the devices are entered that the owner expects.
fn central(setup: &Setup, inventory: &Inventory, rng: &RngTree) -> Result<Option<Central>, WorldError> {
    if setup.way == Way::ZeroTouch {
        return Ok(None);
    }
    let mut central = Central::default();
    let expected = (1..).zip(&setup.devices).filter(|(_, device)| device.allowed && !device.clone);
    for (number, device) in expected {
        let card = device.profile.personalise(device.index)?;
        if let Some(entry) = inventory.find(&card.iccid) {
            let (serial, password) = burned_secret(rng, number);
            central.enter(serial, password, entry.name);
        }
    }
    Ok(Some(central))
}

/// The core with its subscribers, what operator and owner know of the devices, who was given which card, and who speaks
/// to cards over the air.
fn network(setup: &Setup, rng: &RngTree) -> Result<(Epc, Inventory, Holders, OtaServer), WorldError> {
    let (address, prefix) = UE_POOL;
    let mut config = EpcConfig {
        eia: setup.integrity.clone(),
        eea: setup.ciphering.clone(),
        mtu: MTU,
        quarantine: setup.quarantine,
        tally: setup.tally.clone(),
        ..EpcConfig::new(setup.plmn, TAC, APN, AddressPool::new(address, prefix)?)
    };
    config.t3412 = setup.t3412.unwrap_or(config.t3412);
    let mut epc = Epc::new(config, rng.clone())?;
    let (mut inventory, mut holders, mut ota): (Inventory, Holders, OtaServer) = Default::default();
    // A bootstrap subscription reaches what it takes to get another one.
    let policy = match &setup.esim {
        Some(_) => Policy::Only(ESIM_SERVERS.iter().flat_map(|server| server.addresses()).collect()),
        None => Policy::Unrestricted,
    };
    let hiding = setup.hiding.as_ref().unwrap_or(rng).branch(Actor::REGISTRAR);
    for (number, device) in (1..).zip(&setup.devices) {
        let card = device.profile.personalise(device.index)?;
        holders.add(card.iccid.clone(), number, Imei::of_model(device.tac, number));
        if device.clone {
            continue;
        }
        if device.subscribed {
            epc.provision(subscriber(&card, device.pdn, policy.clone(), device.fault))?;
        }
        if let Some(keys) = card.ota {
            ota.provision(card.iccid.clone(), keys.set, keys.counter.max(setup.ota_counter));
        }
        let mut salt = [0; 32];
        hiding.stream(&format!("salt-{number}")).fill_bytes(&mut salt);
        let mut octets = [0; 16];
        hiding.stream(&format!("name-{number}")).fill_bytes(&mut octets);
        let name = DeviceName::from_random(octets);
        let model = device.model.as_deref().unwrap_or(MODEL).to_owned();
        let eid = card.eid.clone();
        let equipment = Some(device.tac);
        let entry = Entry { eid, model, salt, name, allowed: device.allowed, equipment };
        inventory.add(card.iccid.clone(), entry);
    }
    Ok((epc, inventory, holders, ota))
}

fn subscriber(card: &Personalisation, pdn: SubscribedPdn, policy: Policy, fault: HssFault) -> Subscriber {
    Subscriber {
        imsi: card.imsi.clone(),
        iccid: card.iccid.clone(),
        k: card.k,
        algorithm: card.algorithm_set(),
        amf: card.amf,
        sqn: card.sqn,
        apn: card.apn.clone().map(String::from),
        pdn,
        policy,
        fault,
    }
}
