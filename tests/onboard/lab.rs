//! The offices behind the services with a ledger in memory, and devices that sign with keys of their own.

use std::net::Ipv4Addr;

use cellbed::ca::{Authority, ClientCertificate, Csr, CsrBuilder, Subject as Named, est::EstRequest};
use cellbed::corenet::{Attestation, PdnAddress, RatType, SessionId};
use cellbed::crypto::key::halves;
use cellbed::crypto::{SoftKey, Tally};
use cellbed::event::{Actor, Body, Outcome, StateChange};
use cellbed::id::{DeviceName, Eid, Iccid};
use cellbed::kernel::{Duration, EPOCH_UNIX_S, Instant, RngTree};
use cellbed::ledger::{
    Account, CardKey, Contract, Engine, Genesis, Ledger, LedgerKeys, MemorySignerState, MemoryStore, Model,
    Operators, Reason, Registration, TxOutcome, device_id, registration_message,
};
use cellbed::services::chain::Chain;
use cellbed::services::inventory::{Entry, Inventory};
use cellbed::services::office::{Answer, Caller, Request, Response};
use cellbed::services::orders::Orders;
use cellbed::services::ota::OtaServer;
use cellbed::services::{Cloud, Enrolment, Guard, Offices, Registrar, RegistrationPolicy};
use cellbed::wire::StatusWord;
use cellbed::wire::http;
use cellbed::wire::ota::{
    Answered, Command, CommandPacket, Counter, Deliver, ExpandedAnswer, Key, KeySet, Kind, Part,
    Response as Receipt, SmsPpDownload, Status as ReceiptStatus,
};
use cellbed::wire::registration::{
    Claim, FIRST_KEY, Offer, Problem, REGISTRATION_PATH, octets, session_context,
};
use cellbed::wire::{Label, Proto};

pub const CHAIN_ID: u64 = 4242;
pub const MODEL: &str = "test-model";
/// What the TLS session of every caller exports.
pub const BINDING: [u8; 32] = [0x5a; 32];

/// A device: its identity, its key and its IP session.
#[derive(Clone)]
pub struct Subject {
    pub key: SoftKey,
    pub eid: Eid,
    pub iccid: Iccid,
    pub ip: Ipv4Addr,
    pub attestation: Attestation,
    /// The keys for packets over the air that its card has.
    pub ota: KeySet,
    /// How many keys the card has made.
    pub generation: u64,
    /// What its TLS session exports.
    pub binding: [u8; 32],
}

impl Subject {
    pub fn new(n: u8) -> Self {
        let iccid: Iccid = "8988211000000000011".parse::<Iccid>().unwrap().plus(u32::from(n)).unwrap();
        let eid: Eid = "89049032123451234512345678901235".parse::<Eid>().unwrap().plus(u32::from(n)).unwrap();
        let ip = Ipv4Addr::new(10, 44, 0, n);
        let attestation = Attestation {
            session: SessionId(n.into()),
            imsi: format!("0010100000000{n:02}").parse().unwrap(),
            iccid: iccid.clone(),
            imei: None,
            apn: "internet".into(),
            addresses: vec![PdnAddress::Ipv4(ip)],
            policy: "unrestricted".into(),
            rat: RatType::Eutran,
            since: Instant::ZERO,
        };
        let key = SoftKey::from_stream(&mut RngTree::new(7).branch(n).stream("key"));
        let ota = KeySet::new(1, Key::Aes128([n; 16]), Key::Aes128([!n; 16]), 8).unwrap();
        Self { key, eid, iccid, ip, attestation, ota, generation: FIRST_KEY, binding: BINDING }
    }

    /// The same device with another key: what a copied card has.
    pub fn rekeyed(&self) -> Self {
        let key = SoftKey::from_stream(&mut RngTree::new(8).branch(&self.eid).stream("key"));
        Self { key, ..self.clone() }
    }

    pub fn salt(&self) -> [u8; 32] {
        let mut salt = [0; 32];
        salt[..4].copy_from_slice(&self.ip.octets());
        salt
    }

    pub fn id(&self) -> [u8; 32] {
        device_id(&self.salt(), self.eid.as_str())
    }

    /// The name that its certificate has.
    pub fn name(&self) -> DeviceName {
        let mut octets = [0; 16];
        octets[..4].copy_from_slice(&self.ip.octets());
        DeviceName::from_random(octets)
    }

    pub fn named(&self) -> Named {
        Named::device(&self.name()).unwrap()
    }

    pub fn entry(&self, allowed: bool) -> Entry {
        Entry {
            eid: self.eid.clone(),
            model: MODEL.into(),
            salt: self.salt(),
            name: self.name(),
            allowed,
            equipment: None,
        }
    }

    /// What the card signs to be registered as `id` in the conversation `context`.
    pub fn signature(&self, contract: Contract, id: &[u8; 32], context: &[u8; 32]) -> [u8; 64] {
        let model = Model::new(MODEL).unwrap();
        self.key.sign(&registration_message(contract, id, model, &self.card_key(), context))
    }

    pub fn card_key(&self) -> CardKey {
        let (x, y) = halves(&self.key.public());
        CardKey { x, y, generation: self.generation }
    }

    /// What the card finds in an ENVELOPE, where it is for it.
    pub fn received(&self, envelope: &str) -> Option<Command> {
        let envelope = hex::decode(envelope).unwrap();
        let data = cellbed::wire::Command::parse(&envelope).unwrap().data;
        let deliver = Deliver::parse(&SmsPpDownload::parse(data).unwrap().tpdu).unwrap();
        let packet = Part::parse(&deliver.user_data).unwrap().payload;
        CommandPacket::read(&packet).unwrap().open(Some(&self.ota)).ok()
    }

    /// What the card gives to an ENVELOPE: its key and its count, as it was asked, or nothing.
    pub fn report(&self, envelope: &str) -> String {
        let Some(Command { header, counter, .. }) = self.received(envelope) else { return String::new() };
        let key = [&[0x34, 0x45, 0x49, 0x43, 0x86, 0x41, 0x04][..], &self.key.public()].concat();
        let count = [&[0xdf, 0x20, 0x08][..], &self.generation.to_be_bytes()].concat();
        let answers = [key, count].map(|data| Answered { data, status: StatusWord::OK }).into();
        let data = ExpandedAnswer { executed: 2, answers, ..ExpandedAnswer::default() }.encode();
        let receipt = Receipt { tar: header.tar, counter, status: ReceiptStatus::OK, data };
        hex::encode(Part::whole(Kind::Response, receipt.seal(&header, Some(&self.ota)).unwrap()).encode())
    }

    /// The claim that answers `offer`.
    pub fn claim(&self, offer: &Offer) -> Claim {
        let contract =
            Contract { chain_id: offer.chain_id, address: octets::<20>(&offer.registry).unwrap().into() };
        let context = session_context(&octets(&offer.nonce).unwrap(), &self.binding);
        let id = octets(&offer.id).unwrap();
        Claim {
            id: offer.id.clone(),
            reports: offer.envelopes.iter().map(|envelope| self.report(envelope)).collect(),
            public_key: offer.envelopes.is_empty().then(|| hex::encode(self.key.public())),
            signature: hex::encode(self.signature(contract, &id, &context)),
        }
    }

    /// An enrolment request for `self`'s key, signed by `signer`, bound to `binding`.
    pub fn enrolment(&self, signer: &SoftKey, binding: Option<&[u8; 32]>) -> http::Request {
        EstRequest::simple_enroll(&self.csr(None, signer, binding)).to_http("est.cellbed.test")
    }

    /// A request for `self`'s key to be called `named`, signed by `signer`, bound to `binding`.
    pub fn csr(&self, named: Option<&Named>, signer: &SoftKey, binding: Option<&[u8; 32]>) -> Vec<u8> {
        let builder = CsrBuilder::new(named, &self.key.public(), binding).unwrap();
        builder.clone().finish(&signer.sign(builder.tbs())).unwrap()
    }

    /// A re-enrolment request as it should be.
    pub fn sound_reenrolment(&self) -> http::Request {
        let csr = self.csr(Some(&self.named()), &self.key, Some(&BINDING));
        EstRequest::simple_reenroll(&csr).to_http("est.cellbed.test")
    }

    /// An enrolment request as it should be.
    pub fn sound_enrolment(&self) -> http::Request {
        self.enrolment(&self.key, Some(&BINDING))
    }
}

/// The key of a guard of the network.
pub fn sentry() -> SoftKey {
    SoftKey::from_stream(&mut RngTree::new(7).stream("sentry"))
}

/// The key of a cloud that says what it has seen of devices.
pub fn peer() -> SoftKey {
    SoftKey::from_stream(&mut RngTree::new(7).stream("peer"))
}

/// The orders of a registrar whose key anybody may know.
pub fn orders() -> Orders {
    Orders::new(SoftKey::from_stream(&mut RngTree::new(7).stream("orders")))
}

pub fn est_request(request: EstRequest) -> http::Request {
    request.to_http("est.cellbed.test")
}

pub fn claim_request(claim: &Claim) -> http::Request {
    http::Request::new("POST", REGISTRATION_PATH, "registrar.cellbed.test")
        .body("application/json", serde_json::to_vec(claim).unwrap())
}

/// A ledger and an authority on which something may have happened before the offices open.
pub struct Lab {
    pub ledger: Ledger,
    pub operators: Operators,
    pub authority: Authority,
    inventory: Inventory,
    ota: OtaServer,
    policy: RegistrationPolicy,
    now_unix_s: u64,
}

impl Lab {
    pub fn new() -> Self {
        let rng = RngTree::new(7);
        let mut operators = Operators::from_rng(&mut rng.stream("operators"));
        let keys = LedgerKeys::lab(&rng, &operators, Box::<MemorySignerState>::default()).unwrap();
        let genesis = Genesis::new(CHAIN_ID, EPOCH_UNIX_S - 1, [0; 32], &operators, &keys);
        let store = Box::new(MemoryStore::new());
        Self {
            ledger: Ledger::create(&genesis, &mut operators, keys, store).unwrap(),
            operators,
            authority: Authority::new(rng.branch("ca"), &Tally::new(), EPOCH_UNIX_S).unwrap(),
            inventory: Inventory::default(),
            ota: OtaServer::default(),
            policy: RegistrationPolicy::CardProof,
            now_unix_s: EPOCH_UNIX_S,
        }
    }

    pub fn ordered(mut self, subject: &Subject, allowed: bool) -> Self {
        self.ota.provision(subject.iccid.clone(), subject.ota.clone(), Counter::default());
        self.ordered_without_keys(subject, allowed)
    }

    /// The same with a card that the operator cannot reach over the air.
    pub fn ordered_without_keys(mut self, subject: &Subject, allowed: bool) -> Self {
        self.inventory.add(subject.iccid.clone(), subject.entry(allowed));
        self
    }

    /// With a registrar that believes cards which it cannot reach.
    pub fn believing(self) -> Self {
        Self { policy: RegistrationPolicy::Unproved, ..self }
    }

    pub fn registered(mut self, subject: &Subject) -> Self {
        let contract = self.ledger.contract();
        let id = subject.id();
        let registration = Registration {
            id,
            model: Model::new(MODEL).unwrap(),
            key: subject.card_key(),
            context: [0; 32],
            signature: subject.signature(contract, &id, &[0; 32]),
        };
        let raw = self.operators.registrar.register_device(contract, &registration);
        self.seal(&raw);
        self
    }

    /// Issues a certificate for `subject` and records it on the ledger, which makes the device active.
    pub fn certify(&mut self, subject: &Subject) -> Vec<u8> {
        let der = self.issue(subject, &subject.named());
        let digest = *ClientCertificate::parse(&der).unwrap().tbs_digest();
        let raw = self.operators.ca.record_certificate(self.ledger.contract(), subject.id(), digest);
        self.seal(&raw);
        der
    }

    /// A certificate that names `named`, for the key of `subject`. The ledger does not know of it.
    pub fn issue(&mut self, subject: &Subject, named: &Named) -> Vec<u8> {
        let csr = Csr::parse(&subject.csr(None, &subject.key, None)).unwrap();
        let prepared = self.authority.prepare(&csr, named, self.now_unix_s).unwrap();
        self.authority.issue(prepared).unwrap()
    }

    pub fn quarantine(&mut self, subject: &Subject) {
        let contract = self.ledger.contract();
        let raw = self.operators.guard.quarantine(contract, subject.id(), Reason::CertificateHold, [1; 32]);
        self.seal(&raw);
    }

    pub fn revoke(&mut self, subject: &Subject) {
        let contract = self.ledger.contract();
        let raw = self.operators.ca.revoke(contract, subject.id(), Reason::KeyCompromise, [1; 32]);
        self.seal(&raw);
    }

    fn seal(&mut self, raw: &[u8]) {
        self.ledger.submit(raw).unwrap();
        self.now_unix_s += 1;
        let sealed = self.ledger.seal(self.now_unix_s * 1000).unwrap();
        assert_eq!(sealed.receipts[0].outcome, TxOutcome::Done);
    }

    /// The offices, as set up.
    pub fn offices(self) -> Offices {
        Offices {
            registrar: Registrar::new(
                self.operators.registrar,
                self.ota,
                self.policy,
                RngTree::new(7).stream("nonces"),
            ),
            enrolment: Enrolment::new(self.authority, self.operators.ca),
            cloud: Cloud::default(),
            guard: Guard::new(self.operators.guard)
                .believing("guard", sentry().public())
                .hearing("cloud", peer().public()),
            esim: None,
            updates: None,
            inventory: self.inventory,
            chain: Chain::new(self.ledger.into()),
            accused: Vec::new(),
        }
    }

    pub fn open(self) -> Open {
        let contract = self.ledger.contract();
        // What operators do while the offices are open is signed by a copy of their account.
        let rng = RngTree::new(7);
        let guard = Operators::from_rng(&mut rng.stream("operators")).guard;
        Open { offices: self.offices(), contract, guard, now: Instant::ZERO + Duration::from_secs(60) }
    }
}

/// The offices at work.
pub struct Open {
    pub offices: Offices,
    pub contract: Contract,
    guard: Account,
    pub now: Instant,
}

impl Open {
    pub fn ledger(&self) -> &Engine {
        self.offices.chain.ledger()
    }

    /// Has an operator revoke `subject`, in the next block.
    pub fn revoke_next(&mut self, subject: &Subject) {
        let raw = self.guard.revoke(self.contract, subject.id(), Reason::KeyCompromise, [1; 32]);
        let label = Label::new(Proto::Evm, "revoke");
        self.offices.chain.submit(self.now, Actor::LEDGER, label, raw, &mut Vec::new()).unwrap();
    }

    /// What the registrar offers.
    pub fn offer(&mut self, subject: &Subject) -> Offer {
        let request = http::Request::new("GET", REGISTRATION_PATH, "registrar.cellbed.test");
        let response = self.register(subject, &request);
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        serde_json::from_slice(&response.body).unwrap()
    }

    /// The claim of a device in order, which has asked for an offer.
    pub fn claim(&mut self, subject: &Subject) -> Claim {
        subject.claim(&self.offer(subject))
    }

    /// What the registrar answers, in the end.
    pub fn register(&mut self, subject: &Subject, request: &http::Request) -> http::Response {
        self.ask(subject, Actor::REGISTRAR, request)
    }

    /// What the onboarding service answers, in the end.
    pub fn enrol(&mut self, subject: &Subject, request: &http::Request) -> http::Response {
        self.ask(subject, Actor::CA, request)
    }

    /// The same for a client that shows `certificate`.
    pub fn enrol_with(
        &mut self,
        subject: &Subject,
        certificate: &ClientCertificate,
        request: &http::Request,
    ) -> http::Response {
        let caller = self.caller(subject, Actor::CA, Some(certificate));
        self.settle(&caller, request)
    }

    fn ask(&mut self, subject: &Subject, at: Actor, request: &http::Request) -> http::Response {
        let caller = self.caller(subject, at, None);
        self.settle(&caller, request)
    }

    fn settle(&mut self, caller: &Caller<'_>, request: &http::Request) -> http::Response {
        let response = match self.say(caller, &Request::Http(request)).0 {
            Answer::Now(response) => response,
            Answer::Later(ticket) => {
                self.now = self.offices.deadline().unwrap();
                let mut answers = self.offices.wake(self.now, &mut Vec::new()).unwrap().answers;
                assert_eq!(answers.len(), 1);
                let (sealed, response) = answers.remove(0);
                assert_eq!(sealed, ticket);
                response
            }
        };
        let Response::Http(response) = response else { panic!("no HTTP") };
        response
    }

    /// Lets the ledger seal what waits.
    pub fn seal_pending(&mut self) {
        self.now = self.offices.deadline().unwrap();
        self.offices.wake(self.now, &mut Vec::new()).unwrap();
    }

    /// What the office at `at` says at once, and what is told of it.
    pub fn answer(&mut self, subject: &Subject, at: Actor, request: &Request<'_>) -> (Answer, Vec<String>) {
        let caller = self.caller(subject, at, None);
        self.say(&caller, request)
    }

    /// Whoever has the session of `subject`, in TLS, with a certificate or without.
    pub fn caller<'a>(
        &self,
        subject: &'a Subject,
        at: Actor,
        certificate: Option<&'a ClientCertificate>,
    ) -> Caller<'a> {
        let attestation = &subject.attestation;
        let device = attestation.session.0.try_into().unwrap();
        Caller { at, device, attestation, channel_binding: Some(subject.binding), certificate }
    }

    /// What is said to `caller` at once, and what is told of it.
    pub fn say(&mut self, caller: &Caller<'_>, request: &Request<'_>) -> (Answer, Vec<String>) {
        let mut events = Vec::new();
        let answer = self.offices.answer(self.now, caller, request, &mut events).unwrap();
        (answer, notes(&events))
    }
}

/// The one word of a refusal by the registrar.
pub fn word(response: &http::Response) -> String {
    serde_json::from_slice::<Problem>(&response.body).unwrap().reason.to_string()
}

/// The one word of a refusal by the onboarding service.
pub fn est_word(response: &http::Response) -> String {
    let text = String::from_utf8(response.body.clone()).unwrap();
    text.split(": ").next().unwrap_or_default().to_owned()
}

/// Notes of state among events, each as `actor change key=value`.
pub fn notes<'a>(events: impl IntoIterator<Item = &'a Body>) -> Vec<String> {
    let note = |change: &StateChange| {
        let fields: Vec<String> = change.fields.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        format!("{} {}{}", change.actor, change.change, fields.concat())
    };
    events
        .into_iter()
        .filter_map(|body| match body {
            Body::State(change) => Some(note(change)),
            _ => None,
        })
        .collect()
}

/// How a step ended, in one word: `done`, or the reason of the refusal.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { .. } => "done".to_owned(),
        Outcome::Refused { reason, .. } => reason.to_string(),
    }
}
