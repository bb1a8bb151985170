//! Damage of every kind is found, named, and never a panic.

use std::fs;

use cellbed::cli::ledger::{show, verify as verify_command};
use cellbed::io::ledger_store::FileStore;
use cellbed::ledger::{Contents, Depth, Ledger, LedgerError, MemoryStore, verify};
use proptest::prelude::*;

use crate::lab::{Card, Lab, checkpoint_key};

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
    let mut report = Vec::new();
    verify_command(dir.path(), true, &mut report).unwrap();
    for (name, step) in [("blocks.log", 7), ("checkpoint", 1)] {
        let path = dir.path().join(name);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(step) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&path, &damaged).unwrap();
            let error = verify_command(dir.path(), false, &mut report)
                .expect_err(&format!("byte {at} of {name} is wrong"))
                .to_string();
            assert!(error.contains(name), "byte {at} of {name}: {error}");
        }
        fs::write(&path, &whole).unwrap();
    }
    verify_command(dir.path(), false, &mut report).unwrap();
}

#[test]
fn a_cut_off_block_is_missed_when_the_checkpoint_covers_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::on_disk(dir.path());
    lab.register(&Card::new(1));
    drop(lab);
    let path = dir.path().join("blocks.log");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let opened = Ledger::open(Box::new(FileStore::open(dir.path()).unwrap()), Some(checkpoint_key()));
    let error = opened.err().unwrap();
    assert!(matches!(error, LedgerError::Missing { covered: 3, held: 2, .. }), "{error}");
    assert!(error.to_string().contains("blocks.log at byte"), "{error}");
}

#[test]
fn an_interrupted_append_is_reported_and_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::on_disk(dir.path());
    lab.register(&Card::new(1));
    let head = lab.ledger.head();
    drop(lab);
    let path = dir.path().join("blocks.log");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([1, 2, 3]);
    fs::write(&path, &bytes).unwrap();
    let mut report = Vec::new();
    verify_command(dir.path(), false, &mut report).unwrap();
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("an interrupted append follows"), "{report}");
    let mut lab = Lab::open(FileStore::open(dir.path()).unwrap());
    assert_eq!(lab.ledger.head(), head);
    lab.certify(&Card::new(1), 1);
    drop(lab);
    verify_command(dir.path(), true, &mut Vec::new()).unwrap();
}

#[test]
fn a_block_without_checkpoint_is_executed_again_and_signed() {
    let (mut lab, store) = Lab::in_memory();
    lab.register(&Card::new(1));
    let old = store.contents().checkpoint;
    lab.certify(&Card::new(1), 7);
    let behind = Contents { checkpoint: old, ..store.contents() };
    let mut store = MemoryStore::with(behind.clone());
    let before = verify(&mut store, Depth::Light, &None).unwrap();
    assert_eq!((before.covered, before.blocks), (3, 4));
    Lab::open(store.clone());
    let after = verify(&mut store, Depth::Full, &None).unwrap();
    assert_eq!((after.covered, after.blocks), (4, 4));

    // Stored changes that execution does not give are not signed.
    let mut forged = behind;
    let last = forged.records.last_mut().unwrap();
    let end = last.len() - 1;
    last[end] ^= 1;
    let opened = Ledger::open(Box::new(MemoryStore::with(forged)), Some(checkpoint_key()));
    assert!(matches!(opened.err(), Some(LedgerError::Block { number: 3, .. })));
}

#[test]
fn a_rewritten_chain_does_not_match_a_checkpoint() {
    let first = small_chain();
    let (mut lab, store) = Lab::in_memory();
    lab.register(&Card::new(2));
    lab.certify(&Card::new(2), 7);
    let rewritten = Contents { checkpoint: first.checkpoint, ..store.contents() };
    let error = verify(&mut MemoryStore::with(rewritten), Depth::Full, &None).unwrap_err();
    assert!(error.to_string().contains("other blocks"), "{error}");
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
    show(dir.path(), &mut text).unwrap();
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
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Behind the file's checksums: one bit wrong in any record is found by executing again.
    #[test]
    fn any_flipped_bit_of_a_record_is_found(record in 0usize..4, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        thread_local!(static CHAIN: Contents = small_chain());
        let mut contents = CHAIN.with(Clone::clone);
        let bytes = &mut contents.records[record];
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut store = MemoryStore::with(contents);
        prop_assert!(verify(&mut store, Depth::Full, &None).is_err());
        // Without executing, less is found, but nothing is made up.
        if let Ok(light) = verify(&mut store, Depth::Light, &None) {
            let right = CHAIN.with(|chain| verify(&mut MemoryStore::with(chain.clone()), Depth::Light, &None)).unwrap();
            prop_assert_eq!((light.head, light.blocks, light.covered), (right.head, right.blocks, right.covered));
            prop_assert_eq!((light.head_hash, light.state_root), (right.head_hash, right.state_root));
        }
    }
}
