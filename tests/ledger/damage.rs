//! Damage of every kind is found, named, and never a panic.

use std::fs;

use cellbed::cli::ledger::{Brought, show, verify as verify_command};
use cellbed::io::ledger_store::FileStore;
use cellbed::ledger::{Anchors, Contents, Depth, LedgerError, MemoryStore, SignerState, Standing, verify};
use proptest::prelude::*;

use crate::lab::{Card, Lab};

fn small_chain() -> Contents {
    let (mut lab, store) = Lab::in_memory();
    lab.register(&Card::new(1));
    lab.certify(&Card::new(1), 7);
    store.contents()
}

#[test]
fn any_flipped_byte_of_the_files_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::on_disk(dir.path());
    lab.register(&Card::new(1));
    drop(lab);
    let ledger = dir.path().join("ledger");
    let (mut report, brought) = (Vec::new(), Brought::default());
    verify_command(&ledger, &Brought { full: true, ..brought.clone() }, &mut report).unwrap();
    for (name, step) in [("blocks.log", 7), ("checkpoint", 1)] {
        let path = ledger.join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(step) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, &damaged).unwrap();
            let error = verify_command(&ledger, &brought, &mut report)
                .expect_err(&format!("byte {at} of {name} is wrong"))
                .to_string();
            assert!(error.contains(name), "byte {at} of {name}: {error}");
        }
        fs::write(&path, &whole).unwrap();
    }
    verify_command(&ledger, &brought, &mut report).unwrap();
}

#[test]
fn an_interrupted_append_is_reported_and_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::on_disk(dir.path());
    lab.register(&Card::new(1));
    let head = lab.ledger.head();
    drop(lab);
    let ledger = dir.path().join("ledger");
    let path = ledger.join("blocks.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([1, 2, 3]);
    fs::write(&path, &bytes).unwrap();
    let mut report = Vec::new();
    verify_command(&ledger, &Brought::default(), &mut report).unwrap();
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("an interrupted append follows"), "{report}");
    let mut lab = Lab::open_on_disk(dir.path());
    assert_eq!(lab.ledger.head(), head);
    lab.certify(&Card::new(1), 1);
    drop(lab);
    verify_command(&ledger, &Brought { full: true, ..Brought::default() }, &mut Vec::new()).unwrap();
}

/// Interrupted before the validator signed: nobody was told of the block, and it is no part of the chain.
#[test]
fn a_block_that_was_never_signed_is_cut_and_not_signed() {
    let (mut lab, store, state) = Lab::remembered();
    lab.register(&Card::new(1));
    let (head, whole) = (lab.ledger.head(), store.contents());
    let signed = state.clone();
    let remembered = state.clone().load().unwrap().unwrap();
    lab.certify(&Card::new(1), 7);
    // As it was after the block and before the signature.
    let mut contents = store.contents();
    contents.records.pop();
    contents.checkpoint = whole.checkpoint.clone();
    state.clone().keep(&remembered).unwrap();
    let store = MemoryStore::with(contents);
    let found = verify(&mut store.clone(), Depth::Full, &Anchors::default(), &None).unwrap();
    assert_eq!((found.head, found.unsealed.map(|(number, _)| number)), (head, Some(3)));
    let lab = Lab::open(store.clone(), signed);
    assert_eq!((lab.ledger.head(), store.contents()), (head, whole));
}

/// Interrupted after the validator signed: the same signature stands beside the block again.
#[test]
fn a_block_that_was_signed_gets_its_seal_again() {
    let (mut lab, store, state) = Lab::remembered();
    lab.register(&Card::new(1));
    let old = store.contents().checkpoint;
    lab.certify(&Card::new(1), 7);
    let (head, whole) = (lab.ledger.head(), store.contents());
    let last = whole.records.last().unwrap().clone();
    for checkpoint in [old, whole.checkpoint.clone()] {
        let covers_it = checkpoint == whole.checkpoint;
        // Without the seal, or with a part of it.
        let mut contents = Contents { checkpoint, ..whole.clone() };
        contents.records.pop();
        let store = MemoryStore::with(contents);
        let found = verify(&mut store.clone(), Depth::Full, &Anchors::default(), &None);
        assert_eq!(matches!(found, Err(LedgerError::Missing { covered: 4, held: 3, .. })), covers_it);
        if covers_it {
            // A checkpoint is written after the seal: this is no interruption, and nothing is repaired.
            assert!(Lab::try_open(store, state.clone()).is_err());
            continue;
        }
        let lab = Lab::open(store.clone(), state.clone());
        assert_eq!((lab.ledger.head(), store.contents()), (head, whole.clone()));
        assert_eq!(store.contents().records.last(), Some(&last));
    }
}

/// Stored changes that execution does not give are found when the block gets its seal again.
#[test]
fn a_signed_block_whose_changes_are_forged_is_found() {
    let (mut lab, store, state) = Lab::remembered();
    lab.register(&Card::new(1));
    let old = store.contents().checkpoint;
    lab.certify(&Card::new(1), 7);
    let mut forged = Contents { checkpoint: old, ..store.contents() };
    forged.records.pop();
    let last = forged.records.last_mut().unwrap();
    let end = last.len() - 1;
    last[end] ^= 1;
    let opened = Lab::try_open(MemoryStore::with(forged), state);
    assert!(matches!(opened.err(), Some(LedgerError::Block { number: 3, .. })));
}

#[test]
fn show_tells_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::on_disk(dir.path());
    lab.register(&Card::new(1));
    lab.certify(&Card::new(1), 0xce);
    lab.register(&Card::with_key_of(1, 2));
    lab.register(&Card::with_key_of(1, 3).of_generation(2));
    let mut text = Vec::new();
    show(&dir.path().join("ledger"), &mut text).unwrap();
    insta::assert_snapshot!(String::from_utf8(text).unwrap());
}

#[test]
fn a_place_without_ledger_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = show(dir.path(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("blocks.log"), "{error}");
    drop(FileStore::open(dir.path()).unwrap());
    let error = show(dir.path(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("no ledger here"), "{error}");
    fs::write(dir.path().join("blocks.log"), b"cellbed ledger 1 and what it had").unwrap();
    let error = show(dir.path(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("of an earlier program, and its blocks have no seals"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Behind the file's checksums: one bit wrong in any record is found by executing again.
    #[test]
    fn any_flipped_bit_of_a_record_is_found(record in 0usize..7, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        thread_local!(static CHAIN: Contents = small_chain());
        let mut contents = CHAIN.with(Clone::clone);
        let bytes = &mut contents.records[record];
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut store = MemoryStore::with(contents);
        let anchors = Anchors::default();
        prop_assert!(verify(&mut store, Depth::Full, &anchors, &None).is_err());
        // Without executing, less is found, but nothing is made up.
        if let Ok(light) = verify(&mut store, Depth::Light, &anchors, &None) {
            let right = CHAIN.with(|chain| {
                verify(&mut MemoryStore::with(chain.clone()), Depth::Light, &anchors, &None)
            }).unwrap();
            prop_assert_eq!(light.standing.clone(), Standing::OnItsOwn);
            prop_assert_eq!(light, right);
        }
    }
}
