//! The registry's rules, the chain's rules, and what a reopened ledger remembers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cellbed::kernel::{EPOCH_UNIX_S, Instant, RngTree};
use cellbed::ledger::{
    AHEAD_MAX_S, Account, Anchors, Depth, GroupCommit, Ledger, LedgerError, LedgerOp, MemorySignerState,
    MemoryStore, Reason, Roles, Status, TxOutcome, read_history, verify, verify_checkpoint,
};

use crate::lab::{BEGIN, Card, Lab, genesis, keys, keys_of, operators};

fn reverted(reason: &'static str) -> TxOutcome {
    TxOutcome::Reverted { reason }
}

fn conflict(reason: &'static str) -> TxOutcome {
    TxOutcome::Conflict { reason }
}

#[test]
fn a_device_lives_its_whole_life() {
    let (mut lab, store) = Lab::in_memory();
    let card = Card::new(1);
    let (x, y) = card.point();
    assert_eq!(lab.ledger.device(&card.id), None);
    assert_eq!(lab.register(&card), TxOutcome::Done);
    let record = lab.ledger.device(&card.id).unwrap();
    assert_eq!((record.x, record.y, record.status, record.seq), (x, y, Status::Registered, 1));
    assert_eq!((record.model.name().as_str(), record.cert_hash), ("acme-meter-1", [0; 32]));
    assert_eq!(record.updated_at, BEGIN + 2);
    assert_eq!(lab.ledger.id_of_key(&x, &y), Some(card.id));

    assert_eq!(lab.certify(&card, 0xce), TxOutcome::Done);
    let contract = lab.contract();
    let guard = &mut lab.operators.guard;
    let quarantine = guard.quarantine(contract, card.id, Reason::CertificateHold, [1; 32]);
    let release = guard.release(contract, card.id, Reason::RemoveFromCrl, [2; 32]);
    let revoke = guard.revoke(contract, card.id, Reason::KeyCompromise, [3; 32]);
    for raw in [&quarantine, &release, &revoke] {
        lab.ledger.submit(raw).unwrap();
    }
    let sealed = lab.seal();
    let changes: Vec<_> = sealed
        .receipts
        .iter()
        .flat_map(|receipt| &receipt.status_changes)
        .map(|change| (change.from, change.to, change.reason, change.evidence[0], change.seq))
        .collect();
    assert_eq!(
        changes,
        [
            (Status::Active, Status::Quarantined, 6, 1, 3),
            (Status::Quarantined, Status::Active, 8, 2, 4),
            (Status::Active, Status::Revoked, 1, 3, 5),
        ]
    );
    assert_eq!(lab.ledger.device(&card.id).unwrap().status, Status::Revoked);
    assert_eq!(lab.register(&card), reverted("wrong-state"));
    let history = read_history(&mut store.clone()).unwrap();
    assert_eq!(history.devices[&card.id].entries.len(), 6);
}

#[test]
fn a_stolen_key_leaves_evidence_and_changes_nothing() {
    let (mut lab, store) = Lab::in_memory();
    let card = Card::new(1);
    lab.register(&card);
    let before = lab.ledger.device(&card.id);
    assert_eq!(lab.register(&Card::with_key_of(3, 1)), conflict("key-already-registered"));
    assert_eq!(lab.register(&card), TxOutcome::Unchanged);
    assert_eq!(lab.ledger.device(&card.id), before);
    assert_eq!(lab.ledger.device(&Card::new(3).id), None);
    assert_eq!(read_history(&mut store.clone()).unwrap().devices[&card.id].entries.len(), 3);
}

#[test]
fn signatures_are_bound_to_everything_they_are_about() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let good = Card::new(1).registration(contract);
    let mut other_chain = contract;
    other_chain.chain_id += 1;
    let mut wrong = vec![Card::new(1).registration(other_chain)];
    for twist in 0..6 {
        let mut registration = good.clone();
        match twist {
            0 => registration.signature[5] ^= 1,
            1 => registration.id[0] ^= 1,
            2 => registration.key.x[0] ^= 1,
            3 => registration.key.generation += 1,
            4 => registration.context[31] ^= 1,
            _ => registration.model = cellbed::ledger::Model::new("other").unwrap(),
        }
        wrong.push(registration);
    }
    for registration in wrong {
        let raw = lab.operators.registrar.register_device(contract, &registration);
        assert_eq!(lab.outcome(&raw), reverted("bad-signature"));
    }
    assert_eq!(lab.register(&Card::new(1)), TxOutcome::Done);
}

#[test]
fn roles_and_states_are_enforced() {
    let (mut lab, _) = Lab::in_memory();
    let (card, contract) = (Card::new(1), lab.contract());
    let registration = card.registration(contract);
    let no_roles = [
        lab.operators.admin.register_device(contract, &registration),
        lab.operators.registrar.record_certificate(contract, card.id, [1; 32]),
        lab.operators.ca.quarantine(contract, card.id, Reason::Unspecified, [0; 32]),
        lab.operators.publisher.revoke(contract, card.id, Reason::Unspecified, [0; 32]),
        lab.operators.guard.retire(contract, card.id, Reason::Unspecified, [0; 32]),
        lab.operators.guard.propose_roles(contract, lab.operators.ca.address(), Roles::ADMIN),
    ];
    for raw in no_roles {
        assert_eq!(lab.outcome(&raw), reverted("not-authorised"));
    }
    assert_eq!(lab.certify(&card, 1), reverted("wrong-state"));
    lab.register(&card);
    assert_eq!(lab.certify(&card, 1), TxOutcome::Done);
    assert_eq!(lab.certify(&card, 2), TxOutcome::Done);
    let renewed = lab.ledger.device(&card.id).unwrap();
    assert_eq!((renewed.cert_hash, renewed.status, renewed.seq), ([2; 32], Status::Active, 3));
    let retire = lab.operators.registrar.retire(contract, card.id, Reason::CessationOfOperation, [0; 32]);
    assert_eq!(lab.outcome(&retire), TxOutcome::Done);
    assert_eq!(lab.certify(&card, 3), reverted("wrong-state"));
}

#[test]
fn a_certificate_is_something_and_ends_without_its_device() {
    let (mut lab, _) = Lab::in_memory();
    let (card, contract) = (Card::new(1), lab.contract());
    lab.register(&card);
    assert_eq!(lab.certify(&card, 0), reverted("bad-certificate-hash"));
    let revoke = |lab: &mut Lab| {
        let ca = &mut lab.operators.ca;
        let raw = ca.revoke_certificate(contract, card.id, Reason::Superseded, [1; 32]);
        lab.outcome(&raw)
    };
    assert_eq!(revoke(&mut lab), reverted("bad-certificate-hash"));
    lab.certify(&card, 1);
    assert_eq!(revoke(&mut lab), TxOutcome::Done);
    let record = lab.ledger.device(&card.id).unwrap();
    assert_eq!((record.status, record.cert_hash), (Status::Registered, [0; 32]));
    lab.certify(&card, 2);
    let quarantine = lab.operators.guard.quarantine(contract, card.id, Reason::CertificateHold, [1; 32]);
    assert_eq!(lab.outcome(&quarantine), TxOutcome::Done);
    assert_eq!(revoke(&mut lab), TxOutcome::Done);
    let record = lab.ledger.device(&card.id).unwrap();
    assert_eq!((record.status, record.held), (Status::Quarantined, Status::Registered));
}

#[test]
fn what_cannot_be_in_a_block_is_refused_at_the_door() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let registration = Card::new(1).registration(contract);
    let mut foreign = contract;
    foreign.chain_id += 1;
    let mut stranger = Account::from_rng(&mut RngTree::new(8).stream("stranger"));
    let raw = lab.operators.registrar.register_device(contract, &registration);
    let again = raw.clone();
    let cases = [
        (vec![0x02, 0xff], "malformed-transaction"),
        ([raw.as_slice(), &[0]].concat(), "malformed-transaction"),
        (lab.operators.registrar.register_device(contract, &registration), "wrong-nonce"),
        (lab.operators.ca.register_device(foreign, &registration), "wrong-chain"),
        (stranger.register_device(contract, &registration), "no-funds"),
    ];
    for (raw, expected) in cases {
        match lab.ledger.submit(&raw) {
            Err(LedgerError::Refused { reason, .. }) => assert_eq!(reason, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    lab.ledger.submit(&raw).unwrap();
    assert!(matches!(lab.ledger.submit(&again), Err(LedgerError::Refused { reason: "wrong-nonce", .. })));
    assert_eq!(lab.seal().receipts.len(), 1);
}

#[test]
fn time_strictly_increases_and_stays_near_the_clock() {
    let (mut lab, store) = Lab::in_memory();
    assert_eq!(lab.ledger.head().timestamp, BEGIN + 1);
    let now = (BEGIN + 1) * 1000 + 250;
    for ahead in 1..=AHEAD_MAX_S {
        assert_eq!(lab.ledger.seal(now).unwrap().timestamp, BEGIN + 1 + ahead);
    }
    let head = lab.ledger.head();
    assert!(matches!(lab.ledger.seal(now), Err(LedgerError::Ahead { .. })));
    assert_eq!((lab.ledger.head(), lab.ledger.seals_from_s()), (head, BEGIN + 2));
    // It was only too early: a second later it goes on, and once the clock is there the times are the clock's.
    assert_eq!(lab.ledger.seal(now + 1000).unwrap().timestamp, BEGIN + 17);
    assert_eq!(lab.ledger.seal((BEGIN + 100) * 1000).unwrap().timestamp, BEGIN + 100);
    // A clock that was put back moves no time back, and one at its end ends nothing.
    assert_eq!(lab.ledger.seal((BEGIN + 90) * 1000).unwrap().timestamp, BEGIN + 101);
    assert!(matches!(lab.ledger.seal(u64::MAX), Err(LedgerError::Ahead { .. })));
    assert!(matches!(lab.ledger.seal(0), Err(LedgerError::Ahead { .. })));
    verify(&mut store.clone(), Depth::Full, &Anchors::default(), &None).unwrap();
}

#[test]
fn equal_inputs_give_equal_bytes_and_a_reopened_ledger_goes_on() {
    let run = |reopen: bool| {
        let (mut lab, store, state) = Lab::remembered();
        for number in 1..=3 {
            lab.register(&Card::new(number));
            lab.certify(&Card::new(number), 7);
            if reopen {
                lab = Lab::open(store.clone(), state.clone());
            }
        }
        (store.contents(), lab.ledger.head())
    };
    let (contents, head) = run(false);
    assert_eq!(run(true), (contents.clone(), head));
    let mut store = MemoryStore::with(contents);
    for depth in [Depth::Light, Depth::Full] {
        let verified = verify(&mut store, depth, &Anchors::default(), &None).unwrap();
        assert_eq!((verified.head, verified.transactions), (head, 7));
    }
}

#[test]
fn the_checkpoint_covers_every_block() {
    let (mut lab, _) = Lab::in_memory();
    lab.register(&Card::new(1));
    let head =
        verify_checkpoint(lab.ledger.checkpoint(), &lab.ledger.origin(), &genesis().checkpoint_key).unwrap();
    assert_eq!(head.size, lab.ledger.head().number + 1);
}

#[test]
fn a_reader_cannot_write_and_another_key_cannot_sign() {
    let (_, store, state) = Lab::remembered();
    let mut reader = Ledger::open(Box::new(store.clone()), None).unwrap();
    assert_eq!(reader.seal(0), Err(LedgerError::ReadOnly));
    let other = keys_of(8, state);
    assert_eq!(Ledger::open(Box::new(store.clone()), Some(other)).err(), Some(LedgerError::WrongKey));
    let keys = keys(MemorySignerState::default());
    let again = Ledger::create(&genesis(), &mut operators(), keys, Box::new(store));
    assert_eq!(again.err(), Some(LedgerError::NotEmpty));
}

#[test]
fn public_key_work_is_counted() {
    let counts: Arc<[AtomicU64; 3]> = Arc::default();
    let shared = Arc::clone(&counts);
    let count: Arc<dyn Fn(LedgerOp) + Send + Sync> = Arc::new(move |op: LedgerOp| {
        shared[op as usize].fetch_add(1, Ordering::Relaxed);
    });
    let (mut lab, _) = Lab::in_memory();
    lab.ledger.count_with(Arc::clone(&count));
    lab.operators = lab.operators.counted(&count);
    for number in 1..=3 {
        assert_eq!(lab.register(&Card::new(number)), TxOutcome::Done);
    }
    lab.certify(&Card::new(1), 1);
    let counted = [LedgerOp::P256Verify, LedgerOp::Secp256k1Sign, LedgerOp::Secp256k1Recover]
        .map(|op| counts[op as usize].load(Ordering::Relaxed));
    assert_eq!(counted, [3, 4, 4]);
}

#[test]
fn a_block_takes_500_registrations_and_the_base_fee_stays() {
    let (mut lab, store) = Lab::in_memory();
    let cards: Vec<_> = (1..=500).map(Card::new).collect();
    for card in &cards {
        let contract = lab.contract();
        let raw = lab.operators.registrar.register_device(contract, &card.registration(contract));
        lab.ledger.submit(&raw).unwrap();
    }
    let sealed = lab.seal();
    assert_eq!((sealed.receipts.len(), lab.ledger.pending()), (500, 0));
    assert!(sealed.receipts.iter().all(|receipt| receipt.outcome == TxOutcome::Done));
    let gas: u64 = sealed.receipts.iter().map(|receipt| receipt.gas).sum();
    assert!(gas < 100_000_000, "{gas} gas are above the target of the base fee");
    verify(&mut store.clone(), Depth::Full, &Anchors::default(), &None).unwrap();
}

#[test]
fn what_does_not_fit_stays_for_the_next_block() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    for number in 1..=1200 {
        let registration = Card::new(number).registration(contract);
        let raw = lab.operators.registrar.register_device(contract, &registration);
        lab.ledger.submit(&raw).unwrap();
    }
    let blocks = [lab.seal(), lab.seal(), lab.seal()];
    assert_eq!(blocks.each_ref().map(|block| block.receipts.len()), [500, 500, 200]);
    let mut receipts = blocks.iter().flat_map(|block| &block.receipts);
    assert!(receipts.all(|receipt| receipt.outcome == TxOutcome::Done));
    assert_eq!(lab.ledger.pending(), 0);
}

/// Each of 60 transactions comes 20 ms after the one before, far faster than a block a second.
#[test]
fn blocks_that_come_too_fast_wait_and_fill() {
    let (mut lab, _) = Lab::in_memory();
    let contract = lab.contract();
    let raws: Vec<_> = (1..=3000)
        .map(|number| {
            lab.operators.registrar.register_device(contract, &Card::new(number).registration(contract))
        })
        .collect();
    let begin = Instant::from_unix_s(EPOCH_UNIX_S + 1000);
    let mut chain = GroupCommit::new(lab.ledger);
    let (mut blocks, mut now) = (Vec::new(), begin);
    let mut raws = raws.into_iter();
    loop {
        let raw = raws.next();
        if let Some(raw) = &raw {
            chain.submit(now, raw).unwrap();
        }
        while let Some(block) = chain.poll(now).unwrap() {
            let ahead = block.timestamp.saturating_sub(now.unix_s());
            assert!(ahead <= AHEAD_MAX_S, "{ahead} s ahead");
            blocks.push(block.receipts.len());
        }
        match (raw, chain.deadline()) {
            (Some(_), _) => now += Duration::from_millis(20),
            (None, Some(at)) => now = at,
            (None, None) => break,
        }
    }
    assert_eq!(blocks.iter().sum::<usize>(), 3000);
    let seconds = now.since(begin).as_secs();
    assert!(blocks.len() as u64 <= seconds + AHEAD_MAX_S + 1, "{} blocks in {seconds} s", blocks.len());
    assert!(now.since(begin) < Duration::from_secs(63), "{seconds} s");
}

#[test]
fn so_many_transactions_wait_and_no_more() {
    let (mut lab, _) = Lab::in_memory();
    let (contract, id) = (lab.contract(), Card::new(1).id);
    for _ in 0..10_000 {
        let raw = lab.operators.guard.quarantine(contract, id, Reason::Unspecified, [0; 32]);
        lab.ledger.submit(&raw).unwrap();
    }
    let raw = lab.operators.guard.quarantine(contract, id, Reason::Unspecified, [0; 32]);
    assert!(matches!(lab.ledger.submit(&raw), Err(LedgerError::Refused { reason: "queue-full", .. })));
}
