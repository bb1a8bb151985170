//! A made-up run for the tests of the views: the shape of a zero-touch run, with bytes that only look real.

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{
    AuditSummary, Ending, ExpectationRow, LedgerKeyKind, LedgerRow, RunFacts, RunSummary, StepRow, Version,
};
use crate::event::{Actor, Body, Event, Message, Outcome, StateChange, Step, StepId, Verdict};
use crate::kernel::Instant;
use crate::ran::Rat;
use crate::wire::Reason;
use crate::wire::{Fields, Label, Proto};

use Proto::{Apdu, Emm, Esm, Est, Evm, GtpU, Http, Mqtt, S1ap, S6a, Tls};

/// `devices` of them one after the other, each 3 ms later than the one before; the last is refused
/// enrolment where there is more than one.
pub(super) fn run(devices: u32) -> (Vec<Event>, RunSummary) {
    let mut events = Vec::new();
    for device in 1..=devices {
        let at = Instant::from_nanos(u64::from(device - 1) * 3_000_000);
        let mut story = Story { events: &mut events, device, at, began: at };
        story.tell(devices > 1 && device == devices);
    }
    events.sort_by_key(|event| event.at);
    let summary = summary(devices, &events);
    (events, summary)
}

struct Story<'a> {
    events: &'a mut Vec<Event>,
    device: u32,
    at: Instant,
    began: Instant,
}

impl Story<'_> {
    fn tell(&mut self, refused: bool) {
        self.step(Step::Attach, Self::attach);
        self.step(Step::Keys, Self::keys);
        self.step(Step::Register, Self::register);
        if refused {
            self.begin(Step::Enrol);
            self.message(40, Actor::CA, Actor::device(self.device), Label::new(Http, "403 Forbidden"), 112);
            self.end(Step::Enrol, refusal());
            return;
        }
        self.step(Step::Enrol, Self::enrol);
        self.step(Step::Ready, Self::ready);
        self.step(Step::Detach, Self::detach);
    }

    fn step(&mut self, step: Step, content: impl FnOnce(&mut Self)) {
        self.begin(step);
        content(self);
        self.end(step, Outcome::Done { proof: proof(step).to_owned() });
    }

    fn attach(&mut self) {
        let (n, enb) = (self.device, Actor::enb(1));
        let imsi = format!("00101000000000{n}");
        self.exchange(Actor::ue(n), "SELECT", "file", "ADF.USIM", 13, 38);
        self.exchange(Actor::ue(n), "READ BINARY", "file", "EF.IMSI", 5, 11);
        self.message(
            170,
            Actor::ue(n),
            Actor::MME,
            Label::new(Emm, "Attach Request").with("imsi", &imsi),
            52,
        );
        self.state(
            Actor::ue(n),
            "emm",
            "DEREGISTERED -> REGISTERED_INITIATED",
            vec![("T3410", "15s".to_owned())],
        );
        let nas = filler(&format!("{}{}Attach Request", Actor::ue(n), Actor::MME), 52);
        let initial = Label::new(S1ap, "InitialUEMessage").with("enb-ue-id", n);
        let bytes = [filler("InitialUEMessage", 36), nas].concat();
        self.push(Body::Message(Message { from: enb, to: Actor::MME, label: initial, bytes }));
        self.call(
            Actor::MME,
            Actor::HSS,
            Label::new(S6a, "Authentication-Information-Request").with("imsi", &imsi),
        );
        self.call(
            Actor::HSS,
            Actor::MME,
            Label::new(S6a, "Authentication-Information-Answer").with("vectors", 1),
        );
        self.message(
            1,
            Actor::MME,
            Actor::ue(n),
            Label::new(Emm, "Authentication Request").with("ksi", 0),
            36,
        );
        self.exchange(Actor::ue(n), "AUTHENTICATE", "ctx", "3g", 39, 53);
        self.message(5, Actor::ue(n), Actor::MME, Label::new(Emm, "Authentication Response"), 11);
        self.message(
            5,
            Actor::MME,
            Actor::ue(n),
            Label::new(Emm, "Security Mode Command").with("eia", 2).with("eea", 2),
            14,
        );
        self.message(5, Actor::ue(n), Actor::MME, Label::new(Emm, "Security Mode Complete"), 19);
        self.message(
            0,
            Actor::MME,
            enb,
            Label::new(S1ap, "Initial Context Setup Request").with("mme-ue-id", n),
            194,
        );
        let accept = Label::new(Emm, "Attach Accept").with("tai", "00101-1").with("T3412", "54min");
        self.message(8, Actor::MME, Actor::ue(n), accept, 93);
        let bearer = Label::new(Esm, "Activate Default EPS Bearer Context Request");
        self.message(
            0,
            Actor::MME,
            Actor::ue(n),
            bearer.with("apn", "iot.cellbed").with("ip", format!("10.45.0.{}", n + 1)),
            71,
        );
        self.message(5, Actor::ue(n), Actor::MME, Label::new(Emm, "Attach Complete"), 13);
        self.state(Actor::ue(n), "emm", "REGISTERED_INITIATED -> REGISTERED", vec![]);
    }

    fn keys(&mut self) {
        let n = self.device;
        self.exchange(Actor::device(n), "SELECT", "aid", "IoT SAFE", 21, 2);
        self.exchange(Actor::device(n), "GENERATE KEY PAIR", "key", "1", 10, 76);
    }

    fn register(&mut self) {
        let n = self.device;
        self.tls(Actor::CA);
        self.exchange(Actor::device(n), "COMPUTE SIGNATURE", "key", "1", 140, 68);
        self.message(
            12,
            Actor::device(n),
            Actor::CA,
            Label::new(Http, "POST /register").with("length", 412),
            640,
        );
        self.call(Actor::CA, Actor::REGISTRAR, Label::new(Evm, "registerDevice"));
        self.message(
            1,
            Actor::REGISTRAR,
            Actor::LEDGER,
            Label::new(Evm, "registerDevice").with("nonce", 0),
            486,
        );
        self.message(
            2,
            Actor::LEDGER,
            Actor::REGISTRAR,
            Label::new(Evm, "Block").with("number", 1).with("gas", 178_212),
            32,
        );
        let change = vec![("id", "7f31…90".to_owned())];
        self.state(Actor::LEDGER, "registry", "NONE -> REGISTERED", change);
        self.message(10, Actor::CA, Actor::device(n), Label::new(Http, "201 Created"), 180);
    }

    fn enrol(&mut self) {
        let n = self.device;
        self.message(11, Actor::device(n), Actor::CA, Label::new(Est, "GET /.well-known/est/cacerts"), 96);
        self.message(
            11,
            Actor::CA,
            Actor::device(n),
            Label::new(Est, "200 OK").with("type", "application/pkcs7-mime"),
            830,
        );
        self.exchange(Actor::device(n), "COMPUTE SIGNATURE", "key", "1", 330, 68);
        self.message(
            14,
            Actor::device(n),
            Actor::CA,
            Label::new(Est, "POST /.well-known/est/simpleenroll"),
            702,
        );
        self.state(
            Actor::CA,
            "",
            "issued: ledger, network and owner agree",
            vec![("serial", "2".to_owned())],
        );
        self.message(
            16,
            Actor::CA,
            Actor::device(n),
            Label::new(Est, "200 OK").with("type", "application/pkcs7-mime"),
            1210,
        );
        self.exchange(Actor::device(n), "PUT DATA", "file", "certificate", 260, 2);
    }

    fn ready(&mut self) {
        let n = self.device;
        self.tls(Actor::CLOUD);
        self.message(
            5,
            Actor::device(n),
            Actor::CLOUD,
            Label::new(Mqtt, "CONNECT").with("client", format!("dev{n}")),
            38,
        );
        self.message(9, Actor::CLOUD, Actor::device(n), Label::new(Mqtt, "CONNACK").with("reason", 0), 5);
        let publish =
            Label::new(Mqtt, "PUBLISH").with("topic", format!("devices/dev{n}/telemetry")).with("qos", 1);
        self.message(8, Actor::device(n), Actor::CLOUD, publish, 96);
        self.message(9, Actor::CLOUD, Actor::device(n), Label::new(Mqtt, "PUBACK"), 4);
    }

    fn detach(&mut self) {
        let n = self.device;
        self.message(
            5,
            Actor::ue(n),
            Actor::MME,
            Label::new(Emm, "Detach Request").with("switch-off", false),
            24,
        );
        self.message(5, Actor::MME, Actor::ue(n), Label::new(Emm, "Detach Accept"), 9);
        self.state(Actor::ue(n), "emm", "REGISTERED -> DEREGISTERED", vec![]);
    }

    fn tls(&mut self, server: Actor) {
        let n = self.device;
        self.message(
            9,
            Actor::device(n),
            server,
            Label::new(Tls, "Client Hello").with("sni", "lab.cellbed"),
            0,
        );
        self.message(
            12,
            server,
            Actor::device(n),
            Label::new(Tls, "Server Hello").with("suite", "TLS_AES_128_GCM_SHA256"),
            0,
        );
        for i in 0..4 {
            let (from, to) =
                if i % 2 == 0 { (Actor::enb(1), Actor::GATEWAY) } else { (Actor::GATEWAY, Actor::enb(1)) };
            self.message(2, from, to, Label::new(GtpU, "G-PDU").with("teid", n), 300 + i * 90);
        }
        self.message(6, Actor::device(n), server, Label::new(Tls, "Finished"), 0);
    }

    fn exchange(
        &mut self,
        from: Actor,
        name: &'static str,
        key: &'static str,
        value: &str,
        command: usize,
        response: usize,
    ) {
        let card = Actor::card(self.device);
        self.message(0, from, card, Label::new(Apdu, name).with(key, value), command);
        self.message(18, card, from, Label::new(Apdu, "9000"), response);
    }

    fn call(&mut self, from: Actor, to: Actor, label: Label) {
        self.message(0, from, to, label, 0);
    }

    fn message(&mut self, ms: u64, from: Actor, to: Actor, label: Label, length: usize) {
        self.at += Duration::from_millis(ms);
        let bytes = filler(&format!("{from}{to}{}", label.name), length);
        self.push(Body::Message(Message { from, to, label, bytes }));
    }

    fn state(&mut self, actor: Actor, machine: &'static str, change: &'static str, fields: Fields) {
        self.push(Body::State(StateChange { actor, machine, change: change.into(), fields }));
    }

    fn begin(&mut self, step: Step) {
        self.began = self.at;
        self.push(Body::StepStarted { device: self.device, step: StepId::first(step) });
    }

    fn end(&mut self, step: Step, outcome: Outcome) {
        self.at += Duration::from_millis(1);
        let took = self.at - self.began;
        self.push(Body::StepEnded { device: self.device, step: StepId::first(step), took, outcome });
    }

    fn push(&mut self, body: Body) {
        // Messages between network nodes name their device as well; what a node becomes does not.
        let about = matches!(body, Body::Message(_)).then_some(self.device);
        let event = Event::new(self.at, body);
        self.events.push(Event { device: event.device.or(about), ..event });
    }
}

fn refusal() -> Outcome {
    Outcome::Refused {
        reason: Reason::NotOnAllowList,
        detail: "the owner's allow list does not name this EID".to_owned(),
    }
}

fn proof(step: Step) -> &'static str {
    match step {
        Step::Attach => "IP session 10.45.0.2 as 001010000000001, integrity EIA2, ciphering EEA2",
        Step::Download => "operational profile installed",
        Step::Enable => "operational profile enabled, attached as its subscriber",
        Step::Keys => "P-256 key 1 made on the card; the private key has no way out",
        Step::Register => "device 7f31…90 is REGISTERED in block 1",
        Step::Enrol => "certificate 2 issued by the lab CA, stored on the card, valid 90 days",
        Step::Ready => "the cloud received telemetry over mutual TLS",
        Step::Update => "firmware 2 runs in slot 1, as the ledger has it",
        Step::Detach => "context released",
    }
}

fn filler(name: &str, length: usize) -> Vec<u8> {
    let blocks = (0..length.div_ceil(32)).flat_map(|i| Sha256::digest(format!("{name}{i}")));
    blocks.take(length).collect()
}

fn summary(devices: u32, events: &[Event]) -> RunSummary {
    let mut counters = super::Counters::default();
    events.iter().for_each(|event| counters.count(event));
    let mut counters: BTreeMap<String, u64> = counters.into_map();
    counters.insert("crypto.P256Sign".to_owned(), 4 * u64::from(devices));
    let steps: Vec<StepRow> = events.iter().filter_map(row).collect();
    let failed = steps.iter().any(|row| row.verdict == Verdict::Fail);
    let verdict = if failed { Verdict::Fail } else { Verdict::Pass };
    RunSummary {
        facts: RunFacts {
            scenario: "zero-touch".to_owned(),
            summary: "A device goes from power-on to ready with nobody touching it".to_owned(),
            bench: "virtual".to_owned(),
            card_via: None,
            registration: None,
            outside: Vec::new(),
            seed: 7,
            rat: Rat::Lte,
            devices,
            plan: StepId::numbered(
                Step::ALL.into_iter().filter(|step| !step.is_esim() && *step != Step::Update),
            ),
            recorded: None,
        },
        verdict,
        reason: failed.then(|| format!("dev{devices} enrol: not-on-allow-list")),
        steps,
        expectations: vec![ExpectationRow {
            text: "the cloud receives telemetry from every device".to_owned(),
            verdict,
            found: format!("{} of {devices}", if failed { devices - 1 } else { devices }),
        }],
        versions: [
            ("cellbed", "0.1.0"),
            ("git", "7082b53"),
            ("rustc", "1.95.0"),
            ("revm", "43.0.0"),
            ("rustls", "0.23.41"),
        ]
        .map(|(name, value)| Version { name: name.to_owned(), value: value.to_owned() })
        .to_vec(),
        rerun: format!("cellbed run lab/scenarios/zero-touch.toml --seed 7 --devices {devices}"),
        virtual_time: events.last().map_or(Duration::ZERO, |event| event.at - Instant::ZERO),
        cpu_time: Some(Duration::from_micros(41_700)),
        wall_time: Some(Duration::from_micros(63_200)),
        ledger: Some(LedgerRow {
            name: "cellbed/ledger/3f2a".to_owned(),
            verifier_key: "cellbed/ledger/3f2a+00112233+AQID".to_owned(),
            keys: LedgerKeyKind::Lab,
            block: 1 + u64::from(devices),
            head: "5c".repeat(32),
        }),
        counters,
        gathered: None,
        audit: Some(AuditSummary {
            devices,
            keys: devices,
            certificates: devices - u32::from(failed),
            subscriptions: devices,
            without: failed.then(|| ("not-on-allow-list".to_owned(), 1)).into_iter().collect(),
            ..AuditSummary::default()
        }),
        left_out: None,
        loops: Vec::new(),
        provenance: None,
    }
}

fn row(event: &Event) -> Option<StepRow> {
    let Body::StepEnded { device, step, took, outcome } = &event.body else { return None };
    let (verdict, ending, finding) = match outcome {
        Outcome::Done { proof } => (Verdict::Pass, Ending::Done, proof.clone()),
        Outcome::Refused { reason, detail } => {
            (Verdict::Fail, Ending::Refused, format!("{reason} ({detail})"))
        }
    };
    let cpu_time = Some(Duration::from_micros(900 + 2_100 * step.step as u64));
    Some(StepRow { device: *device, step: *step, verdict, ending, finding, virtual_time: *took, cpu_time })
}
