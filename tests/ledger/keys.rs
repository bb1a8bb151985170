//! One identity, one key: what the registry does about another one.

use cellbed::ledger::{Reason, RegistryEvent, Rotation, Status, TxOutcome, read_history, rotation_message};

use crate::lab::{Card, Lab};

const REVERTED: fn(&'static str) -> TxOutcome = |reason| TxOutcome::Reverted { reason };
const FORK: TxOutcome = TxOutcome::Conflict { reason: "identity-already-registered" };

/// A replacement of the key of `old` by that of `new`, signed by both or by the new one alone.
fn rotation(lab: &Lab, old: &Card, new: &Card, both: bool) -> Rotation {
    let seq = lab.ledger.device(&old.id).map_or(0, |record| record.seq);
    let message = rotation_message(lab.contract(), &old.id, &new.card_key(), seq);
    Rotation {
        id: old.id,
        key: new.card_key(),
        signature: new.sign(&message),
        old_signature: both.then(|| old.sign(&message)),
    }
}

fn status(lab: &Lab, card: &Card) -> Status {
    lab.ledger.device(&card.id).unwrap().status
}

#[test]
fn a_newer_key_of_the_card_takes_the_place_of_the_one_before() {
    let (mut lab, store) = Lab::in_memory();
    let (first, second) = (Card::new(1), Card::with_key_of(1, 2).of_generation(2));
    lab.register(&first);
    lab.certify(&first, 0xce);
    assert_eq!(lab.register(&second), TxOutcome::Done);
    let record = lab.ledger.device(&first.id).unwrap();
    assert_eq!((record.x, record.y), second.point());
    assert_eq!((record.generation, record.cert_hash, record.status), (2, [0; 32], Status::Registered));
    let (x, y) = second.point();
    assert_eq!(lab.ledger.id_of_key(&x, &y), Some(first.id));
    let history = read_history(&mut store.clone()).unwrap();
    let last = &history.devices[&first.id].entries.last().unwrap().event;
    assert!(matches!(last, RegistryEvent::KeyRotated { generation: 2, seq: 3, .. }), "{last:?}");
    // The key before is over for ever, whatever its holder says.
    assert_eq!(lab.register(&first.clone().of_generation(3)), FORK);
    assert_eq!(status(&lab, &first), Status::Quarantined);
}

#[test]
fn two_cards_for_one_identity_are_both_cut_off_until_somebody_decides() {
    for generation in [1, 2] {
        let (mut lab, _) = Lab::in_memory();
        let (card, other) = (Card::new(1).of_generation(2), Card::with_key_of(1, 2));
        lab.register(&card);
        lab.certify(&card, 0xce);
        assert_eq!(lab.register(&other.clone().of_generation(generation)), FORK);
        let record = lab.ledger.device(&card.id).unwrap();
        assert_eq!((record.status, record.held), (Status::Quarantined, Status::Active));
        assert_eq!((record.x, record.y), card.point());
        let (x, y) = other.point();
        assert_eq!(lab.ledger.id_of_key(&x, &y), None);
        assert_eq!(lab.certify(&card, 2), REVERTED("wrong-state"));
        let contract = lab.contract();
        let release = lab.operators.guard.release(contract, card.id, Reason::RemoveFromCrl, [0; 32]);
        assert_eq!(lab.outcome(&release), TxOutcome::Done);
        assert_eq!(status(&lab, &card), Status::Active);
    }
}

#[test]
fn release_leads_back_to_where_the_quarantine_began() {
    let (mut lab, _) = Lab::in_memory();
    let (card, contract) = (Card::new(1), lab.contract());
    lab.register(&card);
    for _ in 0..2 {
        let quarantine = lab.operators.guard.quarantine(contract, card.id, Reason::CertificateHold, [1; 32]);
        assert_eq!(lab.outcome(&quarantine), TxOutcome::Done);
        let again = lab.operators.guard.quarantine(contract, card.id, Reason::CertificateHold, [1; 32]);
        assert_eq!(lab.outcome(&again), REVERTED("wrong-state"));
        let before = lab.ledger.device(&card.id).unwrap().held;
        let release = lab.operators.guard.release(contract, card.id, Reason::RemoveFromCrl, [1; 32]);
        assert_eq!(lab.outcome(&release), TxOutcome::Done);
        assert_eq!(status(&lab, &card), before);
        lab.certify(&card, 1);
    }
    assert_eq!(status(&lab, &card), Status::Active);
}

#[test]
fn a_key_is_replaced_with_the_old_one_or_by_an_operator() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let keys: Vec<_> =
        (1..=4).map(|number| Card::with_key_of(1, number).of_generation(number.into())).collect();
    lab.register(&keys[0]);
    lab.certify(&keys[0], 1);

    // The guard is a stranger here: it brings what the old key has signed.
    let alone = rotation(&lab, &keys[0], &keys[1], false);
    let raw = lab.operators.guard.rotate_key(contract, &alone);
    assert_eq!(lab.outcome(&raw), REVERTED("not-authorised"));
    let both = rotation(&lab, &keys[0], &keys[1], true);
    let raw = lab.operators.guard.rotate_key(contract, &both);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    assert_eq!(status(&lab, &keys[0]), Status::Registered);
    let replayed = lab.operators.guard.rotate_key(contract, &both);
    assert_eq!(lab.outcome(&replayed), REVERTED("bad-signature"));

    for (next, admin) in [(2, true), (3, false)] {
        let vouched = rotation(&lab, &keys[next - 1], &keys[next], false);
        let operators = &mut lab.operators;
        let account = if admin { &mut operators.admin } else { &mut operators.registrar };
        let raw = account.rotate_key(contract, &vouched);
        assert_eq!(lab.outcome(&raw), TxOutcome::Done);
        assert_eq!(lab.ledger.device(&keys[0].id).unwrap().generation, next as u64 + 1);
    }
}

#[test]
fn a_rotation_that_is_not_in_order_is_refused() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let card = Card::new(1).of_generation(5);
    lab.register(&card);
    lab.register(&Card::new(9));

    let same = Card::with_key_of(1, 2).of_generation(5);
    let taken = Card::with_key_of(1, 9).of_generation(6);
    let mut forged = rotation(&lab, &card, &Card::with_key_of(1, 2).of_generation(6), true);
    forged.signature[9] ^= 1;
    let stranger = rotation(&lab, &Card::new(7), &Card::with_key_of(7, 2).of_generation(6), true);
    let cases = [
        (rotation(&lab, &card, &same, true), "bad-generation"),
        (rotation(&lab, &card, &taken, true), "key-already-registered"),
        (forged, "bad-signature"),
        (stranger, "wrong-state"),
    ];
    for (rotation, expected) in cases {
        let raw = lab.operators.registrar.rotate_key(contract, &rotation);
        assert_eq!(lab.outcome(&raw), REVERTED(expected));
    }
    let record = lab.ledger.device(&card.id).unwrap();
    assert_eq!(((record.x, record.y), record.seq), (card.point(), 1));
}

#[test]
fn in_quarantine_only_an_operator_replaces_a_key() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let (card, next) = (Card::new(1), Card::with_key_of(1, 2).of_generation(2));
    lab.register(&card);
    lab.certify(&card, 1);
    lab.register(&Card::with_key_of(1, 3));
    let both = rotation(&lab, &card, &next, true);
    let raw = lab.operators.guard.rotate_key(contract, &both);
    assert_eq!(lab.outcome(&raw), REVERTED("wrong-state"));
    let raw = lab.operators.admin.rotate_key(contract, &both);
    assert_eq!(lab.outcome(&raw), TxOutcome::Done);
    let record = lab.ledger.device(&card.id).unwrap();
    // It has no certificate any more, so that a release leads to no active device.
    assert_eq!(
        (record.status, record.held, record.cert_hash),
        (Status::Quarantined, Status::Registered, [0; 32])
    );
}

#[test]
fn a_registration_without_identity_or_count_is_refused() {
    let (mut lab, _) = Lab::in_memory();
    let nobody = Card { id: [0; 32], ..Card::new(1) };
    assert_eq!(lab.register(&nobody), REVERTED("bad-identity"));
    assert_eq!(lab.register(&Card::new(1).of_generation(0)), REVERTED("bad-generation"));
}

#[test]
fn nothing_leaves_the_end_of_a_life() {
    for retired in [true, false] {
        let (mut lab, _) = Lab::in_memory();
        let (card, contract) = (Card::new(1), lab.contract());
        lab.register(&card);
        lab.register(&Card::with_key_of(1, 2));
        let (registrar, ca) = (&mut lab.operators.registrar, &mut lab.operators.ca);
        let end = match retired {
            true => registrar.retire(contract, card.id, Reason::CessationOfOperation, [0; 32]),
            false => ca.revoke(contract, card.id, Reason::KeyCompromise, [0; 32]),
        };
        assert_eq!(lab.outcome(&end), TxOutcome::Done);
        let record = lab.ledger.device(&card.id).unwrap();
        assert_eq!(record.held, Status::None);
        let newer = Card::with_key_of(1, 3).of_generation(2);
        assert_eq!(lab.register(&newer), REVERTED("wrong-state"));
        assert_eq!(lab.register(&Card::with_key_of(1, 3)), REVERTED("wrong-state"));
        let raw = rotation(&lab, &card, &newer, true);
        let raw = lab.operators.admin.rotate_key(contract, &raw);
        assert_eq!(lab.outcome(&raw), REVERTED("wrong-state"));
        let guard = &mut lab.operators.guard;
        for raw in [
            guard.quarantine(contract, card.id, Reason::Unspecified, [0; 32]),
            guard.release(contract, card.id, Reason::Unspecified, [0; 32]),
            guard.revoke(contract, card.id, Reason::Unspecified, [0; 32]),
        ] {
            assert_eq!(lab.outcome(&raw), REVERTED("wrong-state"));
        }
    }
}
