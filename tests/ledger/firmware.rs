//! What devices run: published, reported, withdrawn.

use cellbed::ledger::{
    Component, FirmwareReport, Model, Reason, Release, Status, TxOutcome, firmware_message,
};

use crate::lab::{Card, Lab};

pub fn model() -> Model {
    Model::new("acme-meter-1").unwrap()
}

pub fn component() -> Component {
    Component::new("application").unwrap()
}

/// The release of a number: manifest, image and sequence follow from it.
fn release(number: u8) -> Release {
    Release {
        manifest: [number; 32],
        image: [0x80 | number; 32],
        model: model(),
        component: component(),
        sequence: number.into(),
        min_sequence: 0,
        uri: format!("coap://updates.example/{number}"),
    }
}

fn publish(lab: &mut Lab, release: &Release) -> TxOutcome {
    let raw = lab.operators.publisher.publish_firmware(lab.contract(), release);
    lab.outcome(&raw)
}

fn report_of(lab: &Lab, card: &Card, release: &Release) -> FirmwareReport {
    let seq = lab.ledger.device(&card.id).map_or(0, |record| record.seq);
    let Release { manifest, image, component, .. } = *release;
    let message = firmware_message(lab.contract(), &card.id, component, &manifest, &image, seq);
    FirmwareReport { id: card.id, component, manifest, image, signature: card.sign(&message) }
}

fn report(lab: &mut Lab, card: &Card, release: &Release) -> TxOutcome {
    let report = report_of(lab, card, release);
    let raw = lab.operators.validator.report_firmware(lab.contract(), &report);
    lab.outcome(&raw)
}

fn conflict(reason: &'static str) -> TxOutcome {
    TxOutcome::Conflict { reason }
}

/// A lab with an active device that runs release 2 of four.
fn running() -> (Lab, Card) {
    let (mut lab, _) = Lab::in_memory();
    let card = Card::new(1);
    lab.register(&card);
    lab.certify(&card, 1);
    for number in 1..=4 {
        assert_eq!(publish(&mut lab, &release(number)), TxOutcome::Done);
    }
    assert_eq!(report(&mut lab, &card, &release(2)), TxOutcome::Done);
    (lab, card)
}

#[test]
fn a_published_image_is_recorded_and_a_newer_one_follows() {
    let (mut lab, card) = running();
    let before = lab.ledger.device(&card.id).unwrap();
    assert_eq!(report(&mut lab, &card, &release(3)), TxOutcome::Done);
    let record = lab.ledger.device(&card.id).unwrap();
    assert_eq!((record.status, record.seq), (Status::Active, before.seq + 1));
    let firmware = lab.ledger.firmware(&card.id, component().bytes()).unwrap();
    assert_eq!((firmware.manifest, firmware.sequence), ([3; 32], 3));
    assert_eq!(lab.ledger.firmware(&card.id, Model::new("modem").unwrap().bytes()), None);
    let stored = lab.ledger.release(&[3; 32]).unwrap();
    assert_eq!((stored.image, stored.valid, stored.model), ([0x83; 32], true, model()));
}

#[test]
fn what_a_device_should_not_run_cuts_it_off_in_the_same_transaction() {
    let other_image = Release { image: [9; 32], ..release(3) };
    let other_part = Release { component: Model::new("modem").unwrap(), ..release(3) };
    let cases = [
        (release(5), "firmware-unknown"),
        (release(4), "firmware-withdrawn"),
        (other_image, "firmware-mismatch"),
        (other_part, "firmware-mismatch"),
        (release(1), "firmware-older"),
    ];
    for (reported, expected) in cases {
        let (mut lab, card) = running();
        let contract = lab.contract();
        let publisher = &mut lab.operators.publisher;
        let raw = publisher.withdraw_firmware(contract, [4; 32], Reason::Superseded, [0; 32]);
        assert_eq!(lab.outcome(&raw), TxOutcome::Done);
        let report = report_of(&lab, &card, &reported);
        let raw = lab.operators.validator.report_firmware(contract, &report);
        lab.ledger.submit(&raw).unwrap();
        let receipt = lab.seal().receipts.remove(0);
        assert_eq!(receipt.outcome, conflict(expected));
        let [change] = &receipt.status_changes[..] else { panic!("{:?}", receipt.status_changes) };
        assert_eq!((change.from, change.to, change.reason), (Status::Active, Status::Quarantined, 6));
        assert_eq!(change.evidence, reported.image);
        // What it ran before stands, and what it says now does not.
        assert_eq!(lab.ledger.firmware(&card.id, component().bytes()).unwrap().manifest, [2; 32]);
    }
}

#[test]
fn a_model_of_another_name_does_not_fit() {
    let (mut lab, card) = running();
    let foreign = Release { manifest: [7; 32], model: Model::new("other").unwrap(), ..release(7) };
    publish(&mut lab, &foreign);
    assert_eq!(report(&mut lab, &card, &foreign), conflict("firmware-mismatch"));
}

#[test]
fn a_model_is_led_past_a_sequence_number() {
    let (mut lab, card) = running();
    assert_eq!(publish(&mut lab, &Release { min_sequence: 4, ..release(6) }), TxOutcome::Done);
    assert_eq!(lab.ledger.min_sequence(model().bytes(), component().bytes()), 4);
    assert_eq!(publish(&mut lab, &Release { min_sequence: 1, ..release(5) }), TxOutcome::Done);
    assert_eq!(lab.ledger.min_sequence(model().bytes(), component().bytes()), 4);
    assert_eq!(report(&mut lab, &card, &release(3)), conflict("firmware-older"));
}

#[test]
fn a_device_repairs_itself_in_quarantine_and_is_released_by_the_guard() {
    let (mut lab, card) = running();
    assert_eq!(report(&mut lab, &card, &release(9)), conflict("firmware-unknown"));
    assert_eq!(report(&mut lab, &card, &release(9)), conflict("firmware-unknown"));
    assert_eq!(report(&mut lab, &card, &release(3)), TxOutcome::Done);
    assert_eq!(lab.ledger.device(&card.id).unwrap().status, Status::Quarantined);
    let contract = lab.contract();
    let raw = lab.operators.guard.release(contract, card.id, Reason::RemoveFromCrl, [0; 32]);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    assert_eq!(lab.ledger.device(&card.id).unwrap().status, Status::Active);
}

#[test]
fn a_report_is_the_device_s_own_and_counts_once() {
    let (mut lab, card) = running();
    let contract = lab.contract();
    let report = report_of(&lab, &card, &release(3));
    let forged = FirmwareReport { signature: Card::new(2).sign(b"x"), ..report.clone() };
    let bent = FirmwareReport { image: [1; 32], ..report.clone() };
    for wrong in [forged, bent] {
        let raw = lab.operators.validator.report_firmware(contract, &wrong);
        assert_eq!(lab.outcome(&raw), TxOutcome::Reverted { reason: "bad-signature" });
    }
    let twice = [&report, &report].map(|report| lab.operators.validator.report_firmware(contract, report));
    assert_eq!(lab.outcome(&twice[0]), TxOutcome::Done);
    assert_eq!(lab.outcome(&twice[1]), TxOutcome::Reverted { reason: "bad-signature" });
    let stranger = report_of(&lab, &Card::new(2), &release(3));
    let raw = lab.operators.validator.report_firmware(contract, &stranger);
    assert_eq!(lab.outcome(&raw), TxOutcome::Reverted { reason: "wrong-state" });
}

#[test]
fn a_release_is_published_once_and_withdrawn_once() {
    let (mut lab, _) = running();
    let contract = lab.contract();
    let wrong = [
        (release(2), "wrong-release"),
        (Release { manifest: [0; 32], ..release(8) }, "bad-release"),
        (Release { image: [0; 32], ..release(8) }, "bad-release"),
        (Release { min_sequence: 9, ..release(8) }, "bad-release"),
        (Release { uri: "u".repeat(257), ..release(8) }, "bad-release"),
    ];
    for (release, expected) in wrong {
        assert_eq!(publish(&mut lab, &release), TxOutcome::Reverted { reason: expected });
    }
    assert_eq!(publish(&mut lab, &Release { uri: "u".repeat(256), ..release(8) }), TxOutcome::Done);
    for expected in [TxOutcome::Done, TxOutcome::Reverted { reason: "wrong-release" }] {
        let publisher = &mut lab.operators.publisher;
        let raw = publisher.withdraw_firmware(contract, [8; 32], Reason::Superseded, [0; 32]);
        assert_eq!(lab.outcome(&raw), expected);
    }
    assert!(!lab.ledger.release(&[8; 32]).unwrap().valid);
}
