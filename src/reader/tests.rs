//! The terminal's side against the virtual card, and against cards that mean no good.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::authenticate::{Operator, Outcome, Reading};
use super::iot_safe::Verdict;
use super::program::Written;
use super::*;
use crate::card::{CardPort, CardSlot, Personalisation, SimProfile, Uicc};
use crate::crypto::milenage::{Amf, K, Milenage, Op, Opc, Rand, Sqn};
use crate::kernel::RngTree;

const K1: &str = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OP1: &str = "cdc202d5123e20f62b6d676ac72cb318";
const OPC1: &str = "cd63cb71954a9f4e48a5994e37a02baf";
const RAND: [u8; 16] = [0x23; 16];

fn bytes16(hex: &str) -> [u8; 16] {
    hex::decode(hex).unwrap().try_into().unwrap()
}

fn profile() -> SimProfile {
    SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap()
}

fn personalised(index: u32) -> Personalisation {
    profile().personalise(index).unwrap()
}

fn card_of(p: &Personalisation) -> CardSlot {
    let anchor: Vec<u8> = (0..700u32).map(|i| i as u8).collect();
    CardSlot::new(Box::new(Uicc::new(p, RngTree::new(7).branch("card1"), &anchor).unwrap()))
}

fn examined(terminal: &mut Terminal<'_>) -> CardInfo {
    let atr = terminal.reset().unwrap();
    examine(terminal, atr).unwrap()
}

fn card() -> CardSlot {
    card_of(&personalised(0))
}

/// AUTN of a home network with `opc` and sequence number `sqn`.
fn autn(opc: &Opc, sqn: u64) -> [u8; 16] {
    let milenage = Milenage::new(&K::new(&bytes16(K1)), opc);
    let vector = milenage.authentication_vector(
        &Rand::new(&RAND),
        &Sqn::try_from(sqn).unwrap(),
        &Amf::new(&[0x80, 0x00]),
    );
    *vector.autn().as_octets()
}

#[test]
fn a_card_says_what_it_is() {
    let mut slot = card();
    let info = examined(&mut Terminal::new(&mut slot));
    assert_eq!(info.decoded_atr().unwrap().protocols[0], 0);
    assert_eq!(info.no_uicc, None);
    assert!(info.applications.iter().any(|a| a.name() == "USIM" && a.label == "USIM"), "{info:?}");
    assert_eq!(info.iccid, Told::Value("8988211000000000011".to_owned()));
    let subscriber = info.subscriber.unwrap();
    assert_eq!(subscriber.imsi, Told::Value("001010000000001".parse().unwrap()));
    assert_eq!(subscriber.mnc_digits, Told::Value(2));
    let Told::Value(services) = subscriber.services else { panic!("no services") };
    assert!([33, 43, 85].iter().all(|service| services.contains(service)), "{services:?}");
    let pin1 = info.pins.iter().find(|pin| pin.reference == PIN1).unwrap();
    assert_eq!((pin1.enabled, pin1.tries), (Some(false), Tries::Left(3)));
    assert_eq!(info.iot_safe, ["GSMA", "Thales", "CIRA"]);
    assert!(guess(&mut Terminal::new(&mut slot)).unwrap().starts_with("UICC with USIM"));
}

#[test]
fn a_pin_closes_what_it_guards() {
    let mut p = personalised(0);
    p.pin.enabled = true;
    let mut slot = card_of(&p);
    let terminal = &mut Terminal::new(&mut slot);
    let info = examined(terminal);
    assert_eq!(info.subscriber.unwrap().imsi, Told::Refused(StatusWord::SECURITY_STATUS));
    terminal.select(Target::File(0x3f00)).unwrap().unwrap();
    terminal.verify(PIN1, b"0000\xff\xff\xff\xff", false).unwrap();
    let info = examine(terminal, Vec::new()).unwrap();
    assert!(matches!(info.subscriber.unwrap().imsi, Told::Value(_)));
    terminal.reset().unwrap();
    let entries = walk(terminal).unwrap();
    let imsi = entries.iter().find(|e| e.path == ["MF", "ADF.USIM", "EF.IMSI"]).unwrap();
    assert_eq!(imsi.content, Content::NoAccess(StatusWord::SECURITY_STATUS));
}

#[test]
fn the_last_try_is_the_users_to_take() {
    let mut p = personalised(0);
    p.pin.enabled = true;
    let mut slot = card_of(&p);
    let terminal = &mut Terminal::new(&mut slot);
    terminal.reset().unwrap();
    let wrong = b"9999\xff\xff\xff\xff";
    for left in [2, 1] {
        let error = terminal.verify(PIN1, wrong, false).unwrap_err();
        assert_eq!(error, ExploreError::WrongCode { code: "PIN1", tries: Some(left) });
    }
    let error = terminal.verify(PIN1, b"0000\xff\xff\xff\xff", false).unwrap_err();
    assert_eq!(error, ExploreError::FewTries { code: "PIN1", tries: Some(1) });
    assert_eq!(terminal.tries(PIN1).unwrap(), Tries::Left(1), "refusing took no try");
    terminal.verify(PIN1, b"0000\xff\xff\xff\xff", true).unwrap();
    assert_eq!(terminal.tries(PIN1).unwrap(), Tries::Left(3));
}

#[test]
fn the_tree_has_every_file_with_its_content() {
    let mut slot = card();
    let entries = walk(&mut Terminal::new(&mut slot)).unwrap();
    let find = |path: &[&str]| {
        entries.iter().find(|e| e.path == path).unwrap_or_else(|| panic!("{path:?} in {entries:?}"))
    };
    assert_eq!(find(&["MF"]).structure, Structure::Directory);
    let iccid = find(&["MF", "EF.ICCID"]);
    assert_eq!(iccid.content, Content::Bytes(hex::decode("988812010000000010f1").unwrap()));
    assert_eq!((iccid.holds, iccid.size, iccid.sfi), (Holds::Identifiers, 10, Some(2)));
    assert!(matches!(iccid.access, AccessRule::Referenced { arr: 0x2f06, .. }));
    let Content::Records(records) = &find(&["MF", "EF.DIR"]).content else { panic!("no records") };
    assert!(records[0].starts_with(&[0x61]));
    assert_eq!(find(&["MF", "ADF.USIM", "EF.Keys"]).holds, Holds::Keys);
    assert!(find(&["MF", "ADF.USIM"]).aid.is_some());
    let mut paths: Vec<_> = entries.iter().map(|e| &e.path).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), entries.len(), "a file is there once");
}

#[test]
fn a_challenge_is_answered_in_each_way() {
    let mut slot = card();
    let terminal = &mut Terminal::new(&mut slot);
    terminal.reset().unwrap();
    authenticate::select_usim(terminal).unwrap();
    let opc = Opc::new(&bytes16(OPC1));
    let mut ask = |autn: &[u8; 16]| authenticate::authenticate(terminal, &RAND, autn).unwrap();
    assert!(matches!(ask(&autn(&opc, 96)), Outcome::Success { .. }));
    assert!(matches!(ask(&autn(&opc, 64)), Outcome::SynchronisationFailure { .. }));
    assert_eq!(ask(&[0x11; 16]), Outcome::MacFailure);
}

/// What diagnosis says of a challenge made with `network` when the user says `operator`.
fn diagnosis(slot: &mut CardSlot, network: &Opc, sqn: u64, operator: Operator) -> authenticate::Diagnosis {
    let terminal = &mut Terminal::new(slot);
    terminal.reset().unwrap();
    authenticate::select_usim(terminal).unwrap();
    let autn = autn(network, sqn);
    let outcome = authenticate::authenticate(terminal, &RAND, &autn).unwrap();
    authenticate::diagnose(terminal, (&RAND, &autn), &outcome, &bytes16(K1), operator).unwrap()
}

#[test]
fn diagnosis_tells_a_mixed_up_constant() {
    let right = Opc::new(&bytes16(OPC1));
    let op_as_opc = Opc::new(&bytes16(OP1));
    // All is well.
    let d = diagnosis(&mut card(), &right, 96, Operator::Opc(bytes16(OPC1)));
    assert_eq!(
        (d.challenge, d.card, d.sqn_challenge),
        (Some(Reading::AsSaid), Some(Reading::AsSaid), Some(96))
    );
    assert!(d.fields.iter().all(|(_, agrees)| *agrees));
    // The user calls an OP what is an OPc.
    let d = diagnosis(&mut card(), &right, 96, Operator::Op(bytes16(OPC1)));
    assert_eq!((d.challenge, d.card), (Some(Reading::MixedUp), Some(Reading::MixedUp)));
    assert!(d.fields.iter().any(|(_, agrees)| !*agrees));
    // The home network took OP for OPc; the card is right.
    let d = diagnosis(&mut card(), &op_as_opc, 96, Operator::Op(bytes16(OP1)));
    assert_eq!((d.challenge, d.card), (Some(Reading::MixedUp), Some(Reading::AsSaid)));
    // The card got OP in the place of OPc; the home network is right.
    let mut p = personalised(0);
    p.opc = bytes16(OP1);
    p.sqn = 77;
    let d = diagnosis(&mut card_of(&p), &right, 96, Operator::Op(bytes16(OP1)));
    assert_eq!((d.challenge, d.card, d.sqn_card), (Some(Reading::AsSaid), Some(Reading::MixedUp), Some(77)));
    // Another K.
    let mut p = personalised(0);
    p.k = [1; 16];
    let d = diagnosis(&mut card_of(&p), &right, 96, Operator::Opc(bytes16(OPC1)));
    assert_eq!((d.challenge, d.card), (Some(Reading::AsSaid), None));
}

#[test]
fn op_and_opc_of_the_vectors_belong_together() {
    let from_op = Opc::from_op(&K::new(&bytes16(K1)), &Op::new(&bytes16(OP1)));
    assert_eq!(from_op.as_octets(), &bytes16(OPC1));
}

#[test]
fn the_applet_passes_its_self_test() {
    let mut slot = card();
    let report = iot_safe::self_test(&mut Terminal::new(&mut slot), true).unwrap();
    assert!(report.passed(), "{report:#?}");
    let passes = |name| report.checks.iter().any(|c| c.name == name && c.verdict == Verdict::Pass);
    for name in [
        "random",
        "key generation",
        "read public key",
        "sign full text",
        "sign last block",
        "sign hash",
        "verify on the card",
        "put public key",
        "key agreement",
        "read file",
    ] {
        assert!(passes(name), "{name} in {report:#?}");
    }
    assert_eq!(report.dialect.classes, [0x00, 0x80]);
    assert_eq!(report.dialect.signature_length, [(0x00, 1), (0x80, 2)]);
    assert_eq!(report.dialect.announces, Some(true));
    assert!(report.dialect.opens_channel_by_select);
}

#[test]
fn without_leave_the_self_test_changes_nothing() {
    let mut slot = card();
    let before = iot_safe::self_test(&mut Terminal::new(&mut slot), false).unwrap();
    assert!(before.passed());
    let key = |r: &iot_safe::Report| r.objects.iter().filter(|o| o.filled).count();
    let after = iot_safe::self_test(&mut Terminal::new(&mut slot), false).unwrap();
    assert_eq!(key(&before), key(&after));
    let sign = before.checks.iter().find(|c| c.name == "sign hash").unwrap();
    assert_eq!(sign.verdict, Verdict::Skipped);
}

#[test]
fn the_self_test_never_replaces_a_key_that_lasts() {
    let mut slot = card();
    let terminal = &mut Terminal::new(&mut slot);
    let device_key = |terminal: &mut Terminal<'_>| {
        terminal.select_applet(&crate::card::iot_safe::AID_GSMA).unwrap().unwrap();
        let read = crate::wire::Command::new(0x80, 0xcd, 0, 0).with_data(&[0x85, 1, 1]).with_expected(256);
        terminal.send("READ PUBLIC KEY", read).unwrap().said().unwrap()
    };
    iot_safe::self_test(terminal, true).unwrap();
    let first = device_key(terminal);
    let report = iot_safe::self_test(terminal, true).unwrap();
    assert!(report.passed(), "{report:#?}");
    assert_eq!(device_key(terminal), first);
}

#[test]
fn another_subscriber_is_written_and_read_back() {
    let mut slot = card();
    let terminal = &mut Terminal::new(&mut slot);
    let other = personalised(4);
    let planned = program::plan(terminal, &other).unwrap();
    assert!(planned.iter().any(|f| f.name == "EF.IMSI" && !f.in_order()));
    let wrong = program::apply(terminal, &planned, b"00000000", false).unwrap_err();
    assert!(matches!(wrong, ExploreError::WrongCode { code: "ADM1", tries: Some(2) }), "{wrong}");
    let written = program::apply(terminal, &planned, b"88888888", false).unwrap();
    assert!(written.iter().all(|w| matches!(w, Written::Done | Written::InOrder)), "{written:?}");
    let info = examined(terminal);
    assert_eq!(info.iccid, Told::Value(other.iccid.as_str().to_owned()));
    assert_eq!(info.subscriber.unwrap().imsi, Told::Value(other.imsi.clone()));
    assert!(program::plan(terminal, &other).unwrap().iter().all(program::Planned::in_order));
}

/// Answers with what it was given, over and over, and counts.
struct Hostile {
    answers: Vec<Vec<u8>>,
    count: Arc<Mutex<usize>>,
}

impl CardPort for Hostile {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, PortError> {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        Ok(self.answers[*count % self.answers.len()].clone())
    }

    fn reset(&mut self) -> Result<Vec<u8>, PortError> {
        Ok(self.answers[0].clone())
    }
}

/// Runs every tool on a card with these answers and returns how many commands that took.
fn suffer(answers: Vec<Vec<u8>>) -> usize {
    let count = Arc::new(Mutex::new(0));
    let mut slot = CardSlot::new(Box::new(Hostile { answers, count: Arc::clone(&count) }));
    let terminal = &mut Terminal::new(&mut slot);
    let _ = terminal.reset().and_then(|atr| examine(terminal, atr));
    let _ = guess(terminal);
    let _ = walk(terminal);
    let _ = iot_safe::self_test(terminal, true);
    let p = personalised(0);
    if let Ok(planned) = program::plan(terminal, &p) {
        let _ = program::apply(terminal, &planned, b"88888888", false);
    }
    if let Ok(outcome) = authenticate::authenticate(terminal, &RAND, &RAND) {
        let operator = Operator::Op(bytes16(OP1));
        let _ = authenticate::diagnose(terminal, (&RAND, &RAND), &outcome, &bytes16(K1), operator);
    }
    drop(slot);
    Arc::into_inner(count).unwrap().into_inner().unwrap()
}

/// The most commands that all tools together may need, whatever a card says.
const COMMANDS_MAX: usize = 400_000;

#[test]
fn cards_that_go_on_for_ever_are_left() {
    let answers = [
        "6100",
        "61ff",
        "6c00",
        "6c01",
        "9000",
        "6a82",
        "6982",
        "63c3",
        "",
        "90",
        "9100",
        "ff9000",
        "6f00",
        // The largest files that file control parameters can announce.
        "620c8202412183026f078002ffff9000",
        "62118205422100fffe83022f008002ffff8801f09000",
        "c1ff9000",
        "c20484010161ff9000",
    ];
    for answer in answers {
        let commands = suffer(vec![hex::decode(answer).unwrap()]);
        assert!(commands < COMMANDS_MAX, "{answer}: {commands} commands");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_card_makes_the_tools_panic_or_hang(
        answers in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..6),
        status in proptest::sample::select(vec![0x9000u16, 0x6a82, 0x6982, 0x6110, 0x6c10, 0x63c3]),
        fcp in any::<bool>(),
    ) {
        let answers = answers.into_iter().map(|mut answer| {
            if fcp {
                answer.splice(0..0, [0x62, 0x40, 0x82, 0x05, 0x42, 0x21, 0x00, 0x08, 0x04]);
            }
            answer.extend_from_slice(&status.to_be_bytes());
            answer
        });
        prop_assert!(suffer(answers.collect()) < COMMANDS_MAX);
    }

    /// The tools go on to their ends, and leave a card that is as good as before where nothing was written.
    #[test]
    fn a_damaged_answer_of_a_good_card_does_no_harm(at in 0usize..400, mask in 1u8.., cut in 0usize..4) {
        struct Damaged { card: Uicc, at: usize, mask: u8, cut: usize, left: Arc<Mutex<usize>> }
        impl CardPort for Damaged {
            fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, PortError> {
                let mut response = self.card.transmit(command)?;
                let mut left = self.left.lock().unwrap();
                if *left > 0 {
                    *left -= 1;
                    if let Some(byte) = response.get_mut(self.at % 40) {
                        *byte ^= self.mask;
                    }
                    response.truncate(response.len().saturating_sub(self.cut));
                }
                Ok(response)
            }
            fn reset(&mut self) -> Result<Vec<u8>, PortError> {
                self.card.reset()
            }
        }
        let good = || Uicc::new(&personalised(0), RngTree::new(7).branch("card1"), &[]).unwrap();
        let left = Arc::new(Mutex::new(COMMANDS_MAX));
        let damaged = Damaged { card: good(), at, mask, cut, left: Arc::clone(&left) };
        let mut slot = CardSlot::new(Box::new(damaged));
        let terminal = &mut Terminal::new(&mut slot);
        let _ = terminal.reset().and_then(|atr| examine(terminal, atr));
        let _ = walk(terminal);
        let _ = iot_safe::self_test(terminal, false);
        prop_assert!(*left.lock().unwrap() > 0, "the tools do not come to an end");

        *left.lock().unwrap() = 0;
        let mut slot_of_a_good_card = CardSlot::new(Box::new(good()));
        let other = &mut Terminal::new(&mut slot_of_a_good_card);
        prop_assert_eq!(examined(terminal), examined(other));
        let listed = |terminal: &mut Terminal<'_>| format!("{:?}", walk(terminal).unwrap());
        prop_assert_eq!(listed(terminal), listed(other));
    }
}
