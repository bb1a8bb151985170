//! Whole runs of the world: its limits, its determinism, and wires that lose packets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use cellbed::card::{CardPort, PortError, SimProfile, Uicc};
use cellbed::corenet::{HssFault, Quarantine, SessionChange, Statement};
use cellbed::crypto::{SoftKey, Tally};
use cellbed::device::iot_safe::Dialect;
use cellbed::device::plan::Act;
use cellbed::device::{DeviceInput, DeviceOutput};
use cellbed::event::{Actor, Body, Event, Outcome, Step, StepId};
use cellbed::id::Imei;
use cellbed::kernel::{Duration, EPOCH_UNIX_S, Instant, RngTree};
use cellbed::ledger::MemoryStore;
use cellbed::ran::{AirModel, Rat};
use cellbed::services::{RegistrationPolicy, Way};
use cellbed::wire::ota::Counter;
use cellbed::world::factory::{Blueprint, Factory, Mischief, virtual_card};
use cellbed::world::setup::{DeviceSetup, RogueCloud, Setup, StationSetup, trust_anchor};
use cellbed::world::topology::{Cut, LinkSpec, lte_links};
use cellbed::world::{Ended, Iface, Payload, Port, To, World};

use super::lab::{Subject, notes, outcome};

const LIMIT: Duration = Duration::from_secs(300);

fn profile() -> Arc<SimProfile> {
    let text = std::fs::read_to_string("sim-profiles/lte-test.toml").unwrap();
    Arc::new(SimProfile::parse(&text).unwrap())
}

/// Every step of a device whose card is no eUICC.
fn plain_steps() -> Vec<StepId> {
    StepId::numbered(Step::ALL.into_iter().filter(|step| !step.is_esim() && *step != Step::Update))
}

pub fn setup(devices: u32) -> Setup {
    let profile = profile();
    let device = |index| DeviceSetup {
        profile: profile.clone(),
        index,
        allowed: true,
        subscribed: true,
        start: Duration::from_millis(20) * index,
        fault: HssFault::None,
        smdp_fault: None,
        power_cuts: Vec::new(),
        clone: false,
        mischief: Mischief::None,
        eum: None,
        model: None,
        tac: Imei::TEST_TAC,
        secret_of: index + 1,
        card_of: None,
        rogue_cloud: None,
        est_fault: None,
        dialect: Dialect::default(),
        update_fault: None,
        kind: None,
        own_guard: false,
        apn: None,
        pdn_type: Default::default(),
        pdn: Default::default(),
    };
    Setup {
        name: "test".into(),
        seed: 7,
        hiding: None,
        air: AirModel::of(Rat::Lte),
        plmn: "00101".parse().unwrap(),
        inactivity: None,
        t3412: None,
        integrity: vec![2, 1, 3],
        ciphering: vec![2, 1, 3, 0],
        plan: plain_steps().into_iter().map(Act::Step).collect(),
        way: Way::ZeroTouch,
        esim: None,
        devices: (0..devices).map(device).collect(),
        stations: vec![StationSetup::only()],
        links: Vec::new(),
        key_log: None,
        tally: Tally::new(),
        card: None,
        certificates: None,
        registration: RegistrationPolicy::CardProof,
        quarantine: Quarantine::Detach,
        slices: BTreeMap::new(),
        guarded: true,
        servers_on_ledger: false,
        relying: None,
        acts: Vec::new(),
        works: Vec::new(),
        staff: Vec::new(),
        certificate_validity_s: None,
        updates: None,
        ota_counter: Counter::default(),
    }
}

fn run(setup: Setup, limit: Duration) -> (Ended, Instant, Vec<Event>) {
    let mut world = World::set_up(setup, Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    let ended = world.run(limit, &mut |event| events.push(event)).unwrap();
    (ended, world.now(), events)
}

/// The steps of each device in their order, each with how it ended in one word.
pub fn outcomes(events: &[Event]) -> BTreeMap<u32, Vec<(StepId, String)>> {
    let mut outcomes: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for event in events {
        if let Body::StepEnded { device, step, outcome: found, .. } = &event.body {
            outcomes.entry(*device).or_default().push((*step, outcome(found)));
        }
    }
    outcomes
}

pub fn all_done(devices: u32) -> BTreeMap<u32, Vec<(StepId, String)>> {
    let steps: Vec<_> = plain_steps().into_iter().map(|step| (step, "done".to_owned())).collect();
    (1..=devices).map(|device| (device, steps.clone())).collect()
}

#[test]
fn a_run_ends_when_nothing_is_under_way_and_not_at_its_limit() {
    let (ended, now, events) = run(setup(1), LIMIT);
    assert_eq!((ended, outcomes(&events)), (Ended::Settled, all_done(1)));
    assert!(now < Instant::ZERO + Duration::from_secs(2), "{now}");
    // A limit that comes before what is left of the timers changes nothing.
    let (ended, same, _) = run(setup(1), now.since(Instant::ZERO) + Duration::from_millis(1));
    assert_eq!((ended, same), (Ended::Settled, now));
}

#[test]
fn a_run_stops_at_its_limit() {
    let limit = Duration::from_millis(500);
    let (ended, now, events) = run(setup(1), limit);
    assert_eq!((ended, now), (Ended::TimeLimit, Instant::ZERO + limit));
    assert_eq!(outcomes(&events)[&1].len(), 2, "attach and keys");
}

#[test]
fn several_devices_are_a_function_of_the_seed() {
    let (_, _, first) = run(setup(12), LIMIT);
    let (_, _, again) = run(setup(12), LIMIT);
    assert_eq!(outcomes(&first), all_done(12));
    assert!(first == again);
    let (_, _, other) = run(Setup { seed: 8, ..setup(12) }, LIMIT);
    assert!(first != other);
}

/// What a device draws for itself is its own: key and attach of the first do not change with the others.
#[test]
fn the_draws_of_one_device_are_not_those_of_another() {
    let draws = |devices| {
        let (_, _, events) = run(setup(devices), LIMIT);
        let of_first = events.into_iter().filter_map(|event| match event.body {
            Body::Message(message) if message.from.part_of() == Some(1) => {
                ["APDU", "EMM"].contains(&message.label.proto.name()).then_some(message)
            }
            Body::StepEnded { device: 1, step: StepId { step: Step::Keys, .. }, outcome, .. } => {
                assert!(matches!(outcome, Outcome::Done { .. }));
                None
            }
            _ => None,
        });
        // Up to the first signature: that is over what the services say, whose draws all devices share.
        of_first.take_while(|message| !message.label.name.starts_with("COMPUTE")).collect::<Vec<_>>()
    };
    let alone = draws(1);
    assert!(alone.len() > 20);
    assert!(alone == draws(3));
}

/// What comes later cannot change what was before.
#[test]
fn a_device_that_comes_later_changes_nothing_before() {
    let (_, alone_until, alone) = run(setup(1), LIMIT);
    let mut two = setup(2);
    two.devices[1].start = alone_until.since(Instant::ZERO) + Duration::from_secs(1);
    let (_, _, both) = run(two, LIMIT);
    assert!(both[..alone.len()] == alone[..]);
    assert_eq!(outcomes(&both), all_done(2));
}

/// The wires of the user plane, which lose so many packets in a million.
fn lossy(loss_ppm: u32) -> Vec<LinkSpec> {
    let wires = lte_links([Actor::enb(1)].into_iter()).into_iter();
    let lossy = [Iface::S1U, Iface::SgiLan];
    wires.filter(|link| lossy.contains(&link.ends.0.at)).map(|link| LinkSpec { loss_ppm, ..link }).collect()
}

#[test]
fn every_device_gets_through_wires_that_lose_packets() {
    for (seed, loss_ppm) in [(1, 10_000), (2, 50_000), (4, 100_000)] {
        let (ended, _, events) = run(Setup { seed, links: lossy(loss_ppm), ..setup(4) }, LIMIT);
        assert_eq!((ended, outcomes(&events)), (Ended::Settled, all_done(4)), "{loss_ppm} ppm, seed {seed}");
    }
}

#[test]
fn a_device_whose_packets_are_all_lost_says_so_and_the_run_goes_on() {
    let (ended, _, events) = run(Setup { links: lossy(1_000_000), ..setup(2) }, LIMIT);
    assert_eq!(ended, Ended::Settled);
    for device in [1, 2] {
        let (step, found) = outcomes(&events)[&device].last().unwrap().clone();
        assert_eq!((step, found.as_str()), (StepId::first(Step::Register), "connection-timeout"));
    }
}

/// While nobody states who holds a session no packet of it is served; when somebody does again all is well.
#[test]
fn devices_wait_for_a_network_whose_statements_do_not_arrive() {
    let ends = (Port::new(Actor::GATEWAY, Iface::SgiAaa), Port::new(Actor::REGISTRAR, Iface::SgiAaa));
    let cut = Cut { from: Duration::from_millis(50), until: Duration::from_secs(3) };
    let link = LinkSpec { cuts: vec![cut], ..LinkSpec::new(ends.0, ends.1, Duration::from_millis(5)) };
    let (ended, _, events) = run(Setup { links: vec![link], ..setup(2) }, LIMIT);
    assert_eq!((ended, outcomes(&events)), (Ended::Settled, all_done(2)));
    let mended = Instant::ZERO + cut.until;
    let dropped = events.iter().filter(|event| {
        matches!(&event.body, Body::State(state) if state.change == "packet dropped: no attested session")
    });
    let dropped: Vec<_> = dropped.map(|event| event.at).collect();
    assert!(
        dropped.len() >= 2 && dropped.iter().all(|at| *at < mended + Duration::from_millis(10)),
        "{dropped:?}"
    );
    let restated = events.iter().filter(|event| {
        event.at == mended
            && matches!(&event.body, Body::Message(message)
                if message.label.name == "SessionChanged" && message.to == Actor::REGISTRAR)
    });
    assert_eq!(restated.count(), 2);
}

/// Somebody on the wire between network and services makes a statement for a device that has no session.
#[test]
fn a_statement_that_the_network_has_not_signed_changes_nothing() {
    let thief = SoftKey::from_stream(&mut RngTree::new(9).stream("key"));
    let attestation = Subject::new(1).attestation;
    let forged = Statement::new("00101".parse().unwrap(), 9, EPOCH_UNIX_S, SessionChange::Up(attestation));
    let mut world = World::set_up(setup(1), Box::new(MemoryStore::new())).unwrap();
    let mut events = Vec::new();
    world.step_until(Instant::ZERO, &mut |event| events.push(event)).unwrap();
    let (from, to) = (Port::new(Actor::GATEWAY, Iface::SgiAaa), Port::new(Actor::REGISTRAR, Iface::SgiAaa));
    let token = Payload::Bytes(forged.sign(&thief));
    world.inject(from, To::Port(to), token, &mut |event| events.push(event)).unwrap();
    world.run(LIMIT, &mut |event| events.push(event)).unwrap();
    let refused = notes(events.iter().map(|event| &event.body));
    let refused =
        refused.iter().filter(|note| note.contains("session statement refused reason=bad-signature"));
    assert_eq!((refused.count(), outcomes(&events)), (1, all_done(1)));
}

#[test]
fn one_that_is_refused_does_not_disturb_the_others() {
    let mut setup = setup(6);
    setup.devices[1].allowed = false;
    setup.devices[2].subscribed = false;
    setup.devices[3].fault = HssFault::WrongMac;
    setup.devices[4] = DeviceSetup { clone: true, start: Duration::from_secs(5), ..setup.devices[0].clone() };
    let (ended, _, events) = run(setup, LIMIT);
    assert_eq!(ended, Ended::Settled);
    let outcomes = outcomes(&events);
    let last = |device| outcomes[&device].last().map(|(id, found)| (id.step, found.as_str())).unwrap();
    assert_eq!(last(1), (Step::Detach, "done"));
    assert_eq!(last(2), (Step::Enrol, "not-on-allow-list"));
    assert_eq!(last(3), (Step::Attach, "emm-cause-8"));
    assert_eq!(last(4), (Step::Attach, "mac-failure"));
    assert_eq!(last(5), (Step::Register, "identity-already-registered"));
    assert_eq!(last(6), (Step::Detach, "done"));
}

/// A device in a cell that never answers: the modem tries again, and the step has an end.
#[test]
fn a_step_is_given_up_at_its_time_limit() {
    let mut factory = Factory {
        blueprints: vec![Blueprint {
            profile: profile(),
            index: 0,
            cuts: Vec::new(),
            mischief: Mischief::None,
            eum: None,
            dialect: Dialect::default(),
            model: "cellbed-virtual-1".into(),
            board: 0,
            tac: Imei::TEST_TAC,
            secret_of: 1,
            card_of: None,
            apn: None,
            pdn_type: Default::default(),
        }],
        plan: plain_steps().into_iter().map(Act::Step).collect(),
        way: Way::ZeroTouch,
        esim: None,
        delivered: None,
        trust_anchor: vec![0x30, 0x00],
        clock: cellbed::crypto::tls::VirtualClock::new(0),
        key_log: None,
        tally: Tally::new(),
        providers: cellbed::crypto::tls::Providers::new(&Tally::new()),
        rng: RngTree::new(7),
        card: None,
        models: BTreeMap::new(),
        vouching: None,
    };
    assert!(factory.build(0, None).is_err() && factory.build(2, None).is_err());
    let mut device = factory.build(1, None).unwrap();
    let (mut now, mut out) = (Instant::ZERO, Vec::new());
    device.handle(now, DeviceInput::PowerOn, &mut out).unwrap();
    while !device.finished() {
        now = device.deadline(now).unwrap();
        device.handle(now, DeviceInput::Timer, &mut out).unwrap();
    }
    assert_eq!(now, Instant::ZERO + Duration::from_secs(60));
    let ended = out.iter().filter_map(|output| match output {
        DeviceOutput::StepEnded(step, found) => Some((*step, outcome(found))),
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [(StepId::first(Step::Attach), "timeout-t3410".to_owned())]);
}

/// Certificates, MQTT and what cloud and authority tell say nothing of card, subscriber and ledger.
/// A second device, switched on at `start` in a modem of type `tac`, with the very card of the first.
fn carried_on(start: Duration, tac: &str) -> Setup {
    let mut setup = setup(2);
    let original = setup.devices[0].clone();
    let tac = tac.parse().unwrap();
    setup.devices[1] = DeviceSetup { clone: true, card_of: Some(1), secret_of: 1, start, tac, ..original };
    setup
}

#[test]
fn what_a_stolen_card_carries_would_do_and_the_model_of_the_device_is_what_stops_it() {
    let later = Duration::from_secs(10);
    let detail = |events: &[Event], step: Step| {
        let ended =
            events.iter().filter(|event| event.device == Some(2)).find_map(|event| match &event.body {
                Body::StepEnded { step: ended, outcome: Outcome::Done { proof }, .. }
                    if ended.step == step =>
                {
                    Some(proof.to_string())
                }
                _ => None,
            });
        ended.unwrap_or_default()
    };
    // In a device of the model that it was ordered for the card is what it was: key and certificate go along, and let it in.
    let (_, _, same) = run(carried_on(later, "00101301"), LIMIT);
    assert_eq!(outcomes(&same)[&2], all_done(2)[&2]);
    assert!(detail(&same, Step::Keys).contains("is in the card already"), "{}", detail(&same, Step::Keys));
    let told = |events: &[Event], what: &str| {
        notes(events.iter().map(|event| &event.body)).iter().filter(|note| note.contains(what)).count()
    };
    let sealed = |events: &[Event]| told(events, "block sealed");
    let (_, _, alone) = run(setup(1), LIMIT);
    assert_eq!(sealed(&same), sealed(&alone), "nothing of the card is new to the ledger");
    // In another model it gets nowhere, with the same key and the same certificate.
    let (_, _, other) = run(carried_on(later, "86012304"), LIMIT);
    assert!(detail(&other, Step::Keys).contains("is in the card already"), "{}", detail(&other, Step::Keys));
    assert_eq!(told(&other, "the card is in another device"), 1);
    assert_eq!(outcomes(&other)[&1], all_done(1)[&1]);
    assert!(
        !outcomes(&other)[&2].iter().any(|(step, _)| step.step == Step::Ready),
        "{:?}",
        outcomes(&other)[&2]
    );
}

#[test]
fn a_cloud_with_a_certificate_of_the_authority_deceives_whoever_trusts_the_authority_alone() {
    let with = |servers_on_ledger, rogue_cloud| {
        let mut setup = Setup { servers_on_ledger, ..setup(2) };
        setup.devices[0].rogue_cloud = rogue_cloud;
        run(setup, LIMIT).2
    };
    let end = |events: &[Event]| {
        let told = outcomes(events)[&1].iter().find(|(step, _)| step.step == Step::Ready).cloned();
        told.map(|(_, word)| word).unwrap_or_default()
    };
    // The attack: the authority was deceived, and the device hands its telemetry to somebody else.
    let impostor = Some(RogueCloud::SameAuthority);
    assert_eq!(end(&with(false, impostor)), "done");
    assert_eq!(end(&with(false, Some(RogueCloud::OtherAuthority))), "tls-unknown-ca");
    // Where the ledger has to vouch for the cloud the device says nothing to it, and the one that it vouches for is served.
    let refused = with(true, impostor);
    assert_eq!(end(&refused), "server-not-on-ledger");
    let signed = |event: &&Event| match &event.body {
        Body::Message(message) => message.to == Actor::CLOUD && event.device == Some(1),
        _ => false,
    };
    assert_eq!(refused.iter().filter(signed).count(), 0, "nothing was said to it");
    assert_eq!(outcomes(&refused)[&2], all_done(2)[&2]);
    assert_eq!(end(&with(true, Some(RogueCloud::OtherAuthority))), "tls-unknown-ca");
    assert_eq!(outcomes(&with(true, None)), all_done(2));
}

#[test]
fn a_card_is_in_one_device_at_a_time() {
    let mut world =
        World::set_up(carried_on(Duration::from_millis(20), "00101301"), Box::new(MemoryStore::new()))
            .unwrap();
    let error = world.run(LIMIT, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("the card of device 1, which has not left"), "{error}");
}

#[test]
fn what_the_cloud_learns_leads_back_to_no_card() {
    let (_, _, events) = run(setup(2), LIMIT);
    let mut secrets: Vec<String> = Vec::new();
    for index in 0..2 {
        let card = profile().personalise(index).unwrap();
        secrets.extend([card.eid.to_string(), card.iccid.to_string(), card.imsi.to_string()]);
    }
    // The first octets of the identity on the ledger, as the registrar's transaction has them.
    let ids = events.iter().filter_map(|event| match &event.body {
        Body::Message(message) if message.label.name == "registerDevice" => {
            message.label.fields.iter().find(|(name, _)| *name == "id").map(|(_, id)| id.clone())
        }
        _ => None,
    });
    secrets.extend(ids);
    assert!(secrets.len() >= 8, "{secrets:?}");
    let mut seen = 0;
    for event in &events {
        let (text, bytes) = match &event.body {
            Body::Message(message)
                if [message.from, message.to].contains(&Actor::CLOUD)
                    || (message.to == Actor::CA || message.from == Actor::CA)
                        && message.to != Actor::LEDGER =>
            {
                (format!("{} {:?}", message.label.name, message.label.fields), &message.bytes[..])
            }
            Body::State(change) if [Actor::CLOUD, Actor::CA].contains(&change.actor) => {
                (format!("{} {:?}", change.change, change.fields), &[][..])
            }
            _ => continue,
        };
        seen += 1;
        let bytes = [String::from_utf8_lossy(bytes).into_owned(), hex::encode(bytes)].concat();
        for secret in &secrets {
            assert!(!text.contains(secret) && !bytes.contains(secret), "{secret} in {text}");
        }
    }
    assert!(seen > 20, "{seen}");
}

/// A card that stays when the run is over, as one in a reader does.
#[derive(Clone)]
struct Kept(Arc<Mutex<Uicc>>);

impl CardPort for Kept {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
        self.0.lock().unwrap().transmit(command)
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        self.0.lock().unwrap().reset()
    }
}

/// A card in a reader was in another run before. Its key stays, the ledger of this run takes it, and the certificate of
/// the other run is not taken for one of this.
#[test]
fn a_card_that_already_has_a_key_keeps_it_and_gets_a_certificate_of_the_run() {
    let personalisation = profile().personalise(0).unwrap();
    let trust_anchor = trust_anchor(7).unwrap();
    let card = virtual_card(&personalisation, 1, &RngTree::new(7), &trust_anchor).unwrap();
    let card = Kept(Arc::new(Mutex::new(card)));
    let run_with_card = |packets_before| {
        let ota_counter = Counter::new(packets_before).unwrap();
        let (ended, _, events) =
            run(Setup { card: Some(Box::new(card.clone())), ota_counter, ..setup(1) }, LIMIT);
        assert_eq!((ended, outcomes(&events)), (Ended::Settled, all_done(1)));
        let proof = |wanted| {
            let mut proofs = events.iter().filter_map(|event| match &event.body {
                Body::StepEnded { step, outcome: Outcome::Done { proof }, .. } if step.step == wanted => {
                    Some(proof)
                }
                _ => None,
            });
            proofs.next().unwrap().clone()
        };
        (proof(Step::Keys), proof(Step::Enrol))
    };
    let (made, _) = run_with_card(0);
    let (kept, certified) = run_with_card(1000);
    let key = made.strip_prefix("P-256 key pair made in the card, ").unwrap();
    assert_eq!(kept, format!("P-256 key pair is in the card already, {key}"));
    assert!(certified.starts_with("ledger, network and owner agree; certificate "), "{certified}");
}
