//! The audit finds what was tampered with, and says nothing of what has its reason.

use super::*;
use crate::report::AuditFinding;
use crate::world::books::{Octets, Salts};

/// The books of two devices, as a run leaves them.
struct Books(Vec<Fact>);

fn name(device: u32) -> crate::id::DeviceName {
    crate::id::DeviceName::from_random([device as u8; 16])
}

fn iccid(number: u32) -> crate::id::Iccid {
    let iccids = ["8988211000000000011", "8988211000000000029", "8988211070000000014", "8988211070000000022"];
    iccids[number as usize].parse().unwrap()
}

fn octets<const N: usize>(kind: u8, device: u32) -> Octets<N> {
    let mut octets = [kind; N];
    octets[0] = device as u8;
    Octets(octets)
}

fn key(device: u32) -> Octets<64> {
    let (x, y): (Octets<32>, Octets<32>) = (octets(0xaa, device), octets(0xbb, device));
    let mut key = [0; 64];
    key[..32].copy_from_slice(&x.0);
    key[32..].copy_from_slice(&y.0);
    Octets(key)
}

fn card(device: u32) -> Fact {
    Fact::Card { device, public_key: Some(key(device)), certificate: Some(octets(0xce, device)) }
}

fn certificate(device: u32) -> Fact {
    Fact::Certificate { name: name(device), digest: octets(0xce, device), revoked: false }
}

fn record(device: u32) -> Fact {
    let (id, x, y) = (octets(0x1d, device), octets(0xaa, device), octets(0xbb, device));
    Fact::Record { id, x, y, certificate: Some(octets(0xce, device)), cut_off: false }
}

fn subscription(device: u32) -> Fact {
    let imsi = format!("00101000000000{device}").parse().unwrap();
    Fact::Subscription { imsi, iccid: iccid(device - 1), bootstrap: false }
}

fn ordered(device: u32, iccid: crate::id::Iccid, of: u32) -> Fact {
    let eid = ["89049032700000000000000000000062", "89049032700000000000000000000159"][of as usize - 1];
    let (eid, id, name) = (eid.parse().unwrap(), octets(0x1d, of), name(of));
    Fact::Device { device, iccid, eid, id, name, model: "m".into(), allowed: true }
}

impl Books {
    fn of(devices: u32) -> Self {
        let plan = Step::ALL.map(StepId::first).to_vec();
        let mut facts = vec![Fact::Run { devices, plan, salts: Salts::LabKeys, way: Way::default() }];
        for device in 1..=devices {
            let bootstrap = Fact::Subscription {
                imsi: format!("00101700000000{device}").parse().unwrap(),
                iccid: iccid(device + 1),
                bootstrap: true,
            };
            let recorded = Fact::Recorded { id: octets(0x1d, device), certificate: octets(0xce, device) };
            facts.extend([card(device), certificate(device), record(device), recorded, subscription(device)]);
            facts.extend([bootstrap, ordered(device, iccid(device - 1), device)]);
            facts.push(ordered(device, iccid(device + 1), device));
        }
        Self(facts)
    }

    fn with(mut self, fact: Fact) -> Self {
        self.0.push(fact);
        self
    }

    fn without(mut self, fact: &Fact) -> Self {
        let before = self.0.len();
        self.0.retain(|one| one != fact);
        assert!(self.0.len() < before, "{fact:?} is not there");
        self
    }

    fn instead(self, fact: &Fact, other: Fact) -> Self {
        self.without(fact).with(other)
    }

    fn refused(self, device: u32, step: Step, reason: Reason) -> Self {
        self.with(Fact::Refused { device, step: StepId::first(step), reason })
    }

    fn audit(&self) -> AuditSummary {
        let mut auditor = Auditor::new(0, &[]).with_history();
        self.0.iter().for_each(|fact| auditor.take(fact));
        auditor.finish()
    }

    fn found(&self) -> Vec<(Option<u32>, String)> {
        self.audit().findings.into_iter().map(|AuditFinding { device, word, .. }| (device, word)).collect()
    }
}

fn of(device: u32, words: &[&str]) -> Vec<(Option<u32>, String)> {
    words.iter().map(|word| (Some(device), (*word).to_owned())).collect()
}

fn of_nobody(word: &str) -> Vec<(Option<u32>, String)> {
    vec![(None, word.to_owned())]
}

#[test]
fn a_run_in_order_has_nothing_to_find() {
    let audit = Books::of(2).audit();
    let counts = (audit.devices, audit.keys, audit.certificates, audit.subscriptions, audit.found);
    assert_eq!(counts, (2, 2, 2, 2, 0));
    assert!(audit.without.is_empty());
}

#[test]
fn two_keys_are_found() {
    let other = Fact::Card { device: 1, public_key: Some(key(9)), certificate: Some(octets(0xce, 1)) };
    assert_eq!(Books::of(2).with(other.clone()).found(), of(1, &["two-keys"]));
    // Another key in the card than on the ledger, whoever has changed it.
    assert_eq!(Books::of(2).instead(&card(1), other).found(), of(1, &["two-keys"]));
    let twice = Fact::Record {
        id: octets(0x1d, 1),
        x: octets(0xaa, 9),
        y: octets(0xbb, 9),
        certificate: Some(octets(0xce, 1)),
        cut_off: false,
    };
    assert!(Books::of(2).with(twice).found().contains(&of(1, &["two-keys"])[0]));
}

#[test]
fn one_key_in_two_cards_is_found() {
    let other = Fact::Card { device: 2, public_key: Some(key(1)), certificate: Some(octets(0xce, 2)) };
    assert_eq!(Books::of(2).instead(&card(2), other).found(), of(2, &["two-keys", "key-shared"]));
}

#[test]
fn two_certificates_are_found() {
    let second = |revoked| Fact::Certificate { name: name(1), digest: octets(0xcf, 1), revoked };
    assert_eq!(Books::of(2).with(second(false)).found(), of(1, &["two-certificates"]));
    assert_eq!(Books::of(2).with(certificate(1)).found(), of(1, &["two-certificates"]));
    // One that was revoked, or that the ledger has had before, is none too many.
    assert!(Books::of(2).with(second(true)).found().is_empty());
    let before = Fact::Recorded { id: octets(0x1d, 1), certificate: octets(0xcf, 1) };
    let renewed = Books::of(2).with(second(false)).with(before).audit();
    assert_eq!((renewed.found, renewed.superseded), (0, 1));
}

#[test]
fn a_certificate_on_which_not_all_agree_is_found() {
    let revoked = Fact::Certificate { name: name(1), digest: octets(0xce, 1), revoked: true };
    assert_eq!(Books::of(2).instead(&certificate(1), revoked).found(), of(1, &["certificate-mismatch"]));
    let on_card = Fact::Card { device: 1, public_key: Some(key(1)), certificate: Some(octets(0xcf, 1)) };
    assert_eq!(Books::of(2).instead(&card(1), on_card).found(), of(1, &["certificate-mismatch"]));
    assert_eq!(Books::of(2).without(&certificate(1)).found(), of(1, &["certificate-mismatch"]));
}

/// What the ledger has cut off, or whose certificate it has ended, the CA calls revoked; and what it has not, it does not.
#[test]
fn a_device_that_is_cut_off_has_no_good_certificate() {
    let revoked = Fact::Certificate { name: name(1), digest: octets(0xce, 1), revoked: true };
    let (id, x, y) = (octets(0x1d, 1), octets(0xaa, 1), octets(0xbb, 1));
    let cut_off = Fact::Record { id, x, y, certificate: Some(octets(0xce, 1)), cut_off: true };
    let ended = Fact::Record { id, x, y, certificate: None, cut_off: false };
    for record_of_it in [cut_off.clone(), ended] {
        let books = Books::of(2).instead(&record(1), record_of_it).instead(&certificate(1), revoked.clone());
        let audit = books.audit();
        assert_eq!((audit.found, audit.certificates), (0, 1), "{:?}", audit.findings);
        assert_eq!(audit.without.get("certificate-revoked"), Some(&1));
    }
    assert_eq!(Books::of(2).instead(&record(1), cut_off).found(), of(1, &["certificate-not-revoked"]));
}

#[test]
fn a_subscription_twice_is_found() {
    let imsi = "001010000000007".parse().unwrap();
    let again = Fact::Subscription { imsi, iccid: iccid(0), bootstrap: false };
    assert_eq!(Books::of(2).with(again).found(), of(1, &["subscription-twice"]));
    let Fact::Subscription { imsi, .. } = subscription(1) else { unreachable!() };
    let other_card = Fact::Subscription { imsi, iccid: iccid(3), bootstrap: true };
    let bootstrap =
        Fact::Subscription { imsi: "001017000000002".parse().unwrap(), iccid: iccid(3), bootstrap: true };
    assert_eq!(Books::of(2).instead(&bootstrap, other_card).found(), of_nobody("subscriber-twice"));
    let second =
        Fact::Subscription { imsi: "001017000000002".parse().unwrap(), iccid: iccid(3), bootstrap: false };
    assert_eq!(Books::of(2).instead(&bootstrap, second).found(), of(2, &["two-subscriptions"]));
}

#[test]
fn a_missing_reason_is_found() {
    let refused = || {
        let bare = Fact::Card { device: 1, public_key: Some(key(1)), certificate: None };
        let bare_record = Fact::Record {
            id: octets(0x1d, 1),
            x: octets(0xaa, 1),
            y: octets(0xbb, 1),
            certificate: None,
            cut_off: false,
        };
        let recorded = Fact::Recorded { id: octets(0x1d, 1), certificate: octets(0xce, 1) };
        let books = Books::of(2).instead(&card(1), bare).without(&certificate(1)).without(&recorded);
        books.instead(&record(1), bare_record)
    };
    assert_eq!(refused().found(), of(1, &["no-certificate"]));
    let audit = refused().refused(1, Step::Enrol, Reason::NotOnAllowList).audit();
    assert_eq!((audit.found, audit.certificates), (0, 1));
    assert_eq!(audit.without, [("not-on-allow-list".to_owned(), 1)].into());
    // What came later is no reason for what was missing before.
    assert_eq!(refused().refused(1, Step::Ready, Reason::Timeout).found(), of(1, &["no-certificate"]));
    // A device that is not through has its reason in that.
    let under_way = refused().with(Fact::UnderWay { device: 1 }).audit();
    assert_eq!(under_way.without, [("not-through".to_owned(), 1)].into());
}

#[test]
fn a_copy_of_a_card_needs_a_reason() {
    let copied = || {
        let mut books = Books::of(1);
        books.0[0] = Fact::Run {
            devices: 2,
            plan: Step::ALL.map(StepId::first).to_vec(),
            salts: Salts::LabKeys,
            way: Way::default(),
        };
        let card = Fact::Card { device: 2, public_key: Some(key(2)), certificate: None };
        books.with(ordered(2, iccid(0), 1)).with(ordered(2, iccid(2), 1)).with(card)
    };
    let found = of(2, &["subscription-shared", "two-keys", "certificate-shared"]);
    assert_eq!(copied().found(), found);
    let told = copied().refused(2, Step::Register, Reason::IdentityAlreadyRegistered).audit();
    assert_eq!((told.found, told.keys, told.subscriptions), (0, 1, 1));
}

#[test]
fn what_belongs_to_nobody_is_found() {
    assert_eq!(Books::of(1).with(record(2)).found(), of_nobody("unknown-device"));
    assert_eq!(Books::of(1).with(certificate(2)).found(), of_nobody("unknown-certificate"));
    assert_eq!(Books::of(1).with(subscription(2)).found(), of_nobody("unknown-subscription"));
    assert_eq!(Books::of(1).with(card(2)).found(), of_nobody("unknown-card"));
    let unordered = Books::of(1).without(&ordered(1, iccid(0), 1)).without(&ordered(1, iccid(2), 1));
    assert!(unordered.found().contains(&of(1, &["no-identity"])[0]));
    let mixed = Books::of(2).instead(&ordered(1, iccid(2), 1), ordered(1, iccid(2), 2));
    assert!(mixed.found().contains(&of(1, &["two-identities"])[0]));
}

#[test]
fn an_erased_device_leaves_a_record_that_is_nobody_s() {
    let erased = Books(vec![
        Fact::Run {
            devices: 1,
            plan: Step::ALL.map(StepId::first).to_vec(),
            salts: Salts::System,
            way: Way::default(),
        },
        Fact::Erased { device: 1 },
        record(1),
    ]);
    let audit = erased.audit();
    assert_eq!((audit.found, audit.erased), (0, 1));
    assert_eq!(erased.with(record(2)).found(), of_nobody("unknown-device"));
}

/// In the traditional way there is no ledger: what the host has is compared with the CA.
#[test]
fn without_a_ledger_the_authority_is_asked() {
    let plan: Vec<_> = [Step::Attach, Step::Keys, Step::Enrol].map(StepId::first).into();
    let traditional = |change: &dyn Fn(Fact) -> Option<Fact>| {
        let way = Way::Traditional;
        let run = Fact::Run { devices: 1, plan: plan.clone(), salts: Salts::LabKeys, way };
        let rest = [card(1), certificate(1), subscription(1), ordered(1, iccid(0), 1)];
        Books([run].into_iter().chain(rest).filter_map(change).collect()).audit()
    };
    let whole = traditional(&Some);
    assert_eq!((whole.keys, whole.certificates, whole.found), (1, 1, 0), "{:?}", whole.findings);
    for (change, word) in [
        (
            (|fact| (!matches!(fact, Fact::Certificate { .. })).then_some(fact)) as fn(Fact) -> Option<Fact>,
            "no-certificate",
        ),
        (
            |fact| match fact {
                Fact::Certificate { name, digest, .. } => {
                    Some(Fact::Certificate { name, digest, revoked: true })
                }
                other => Some(other),
            },
            "no-certificate",
        ),
        (
            |fact| match fact {
                Fact::Card { device, certificate, .. } => {
                    Some(Fact::Card { device, public_key: None, certificate })
                }
                other => Some(other),
            },
            "no-key",
        ),
    ] {
        let found: Vec<_> = traditional(&change).findings.into_iter().map(|one| one.word).collect();
        assert_eq!(found, [word]);
    }
}
