//! What somebody can do who has a ledger's folder, perhaps an old copy of it, and none of its keys: each attack of
//! docs/security.md, "The ledger".

use std::fs;
use std::path::Path;

use cellbed::cli::exit::Exit;
use cellbed::cli::ledger::{Brought, LedgerCliError, verify};
use cellbed::io::ledger_store::FileStore;
use cellbed::io::signer_state::FileSignerState;
use cellbed::kernel::RngTree;
use cellbed::ledger::{
    Contents, Genesis, Ledger, LedgerError, LedgerKeys, MemorySignerState, MemoryStore, Store,
};

use crate::lab::{BEGIN, CHAIN_ID, Card, Lab, genesis, keys, keys_of, operators};

/// A ledger on disk with blocks 1 to 5, and what its auditor has kept: the checkpoint after block 3, and the key.
struct Victim {
    dir: tempfile::TempDir,
    earlier: String,
    key: String,
}

/// What the attacker has: the ledger's folder and what can be read from it.
fn records(ledger: &Path) -> Contents {
    let mut store = FileStore::read_only(ledger).unwrap();
    let mut records = Vec::new();
    store
        .read(&mut |record| {
            records.push(record);
            true
        })
        .unwrap();
    Contents { records, torn: None, checkpoint: store.checkpoint().unwrap() }
}

/// He writes what he wants in the format of the program.
fn rewrite(ledger: &Path, contents: &Contents) {
    fs::remove_dir_all(ledger).unwrap();
    let mut store = FileStore::open(ledger).unwrap();
    contents.records.iter().for_each(|record| store.append(record).unwrap());
    if let Some(checkpoint) = &contents.checkpoint {
        store.put_checkpoint(checkpoint).unwrap();
    }
}

impl Victim {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut lab = Lab::on_disk(dir.path());
        lab.register(&Card::new(1));
        lab.certify(&Card::new(1), 7);
        let earlier = lab.ledger.checkpoint().to_owned();
        lab.register(&Card::new(2));
        lab.register(&Card::with_key_of(1, 3));
        let key = lab.ledger.standing().verifier_key;
        Self { dir, earlier, key }
    }

    fn ledger(&self) -> std::path::PathBuf {
        self.dir.path().join("ledger")
    }

    /// What `verify --full` says to somebody who brings nothing.
    fn alone(&self) -> Result<Exit, LedgerCliError> {
        verify(&self.ledger(), &Brought { full: true, ..Brought::default() }, &mut Vec::new())
    }

    /// What it says to the auditor.
    fn audited(&self) -> Result<Exit, LedgerCliError> {
        let kept = self.dir.path().join("kept.txt");
        fs::write(&kept, &self.earlier).unwrap();
        let brought = Brought {
            full: true,
            keys: vec![self.key.clone()],
            checkpoints: vec![kept],
            ..Brought::default()
        };
        verify(&self.ledger(), &brought, &mut Vec::new())
    }

    /// What the operator is told who goes on with the ledger.
    fn reopened(&self) -> LedgerError {
        Lab::try_open_on_disk(self.dir.path()).err().unwrap()
    }
}

fn text(result: Result<Exit, LedgerCliError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_ledger_that_nobody_touched_is_proved_to_the_auditor_only() {
    let victim = Victim::new();
    assert_eq!(victim.alone().unwrap(), Exit::Inconclusive);
    assert_eq!(victim.audited().unwrap(), Exit::Pass);
    drop(Lab::open_on_disk(victim.dir.path()));
}

/// The history is gone but for genesis and block 1, and the checkpoint with it.
#[test]
fn erase() {
    let victim = Victim::new();
    let mut contents = records(&victim.ledger());
    contents.records.truncate(3);
    contents.checkpoint = None;
    rewrite(&victim.ledger(), &contents);
    assert!(text(victim.alone()).contains("left before its first block was durable"));
    assert!(text(victim.audited()).contains("left before its first block was durable"));
    let error = victim.reopened();
    assert!(matches!(error, LedgerError::Unfinished), "{error}");
    // A longer rest without checkpoint is no better.
    let victim = Victim::new();
    fs::remove_file(victim.ledger().join("checkpoint")).unwrap();
    assert!(text(victim.alone()).contains("but no checkpoint"));
    // Without seals a block is none.
    let victim = Victim::new();
    let mut contents = records(&victim.ledger());
    let mut number = 0;
    contents.records.retain(|_| {
        number += 1;
        number < 4 || number % 2 == 0
    });
    rewrite(&victim.ledger(), &contents);
    assert!(text(victim.alone()).contains("no seal"));
}

/// The last blocks are cut off.
#[test]
fn truncate() {
    for kept in [9, 7] {
        let victim = Victim::new();
        let mut contents = records(&victim.ledger());
        contents.records.truncate(kept);
        rewrite(&victim.ledger(), &contents);
        assert!(text(victim.alone()).contains("the checkpoint covers 6 blocks"));
        assert!(matches!(victim.reopened(), LedgerError::Missing { covered: 6, .. }));
    }
}

/// Blocks behind an old checkpoint are exchanged for others, which he executed himself.
#[test]
fn exchange() {
    let victim = Victim::new();
    let mut contents = records(&victim.ledger());
    // Another ledger of the same genesis and operators: what a forger of blocks would come to, with his own validator.
    let (mut other, store) = Lab::in_memory();
    other.register(&Card::new(1));
    other.certify(&Card::new(1), 9);
    other.register(&Card::new(4));
    let forged = store.contents().records;
    contents.checkpoint = Some(victim.earlier.clone());
    // His blocks with the victim's seals.
    for at in [5, 7] {
        contents.records[at] = forged[at].clone();
    }
    rewrite(&victim.ledger(), &contents);
    assert!(text(victim.alone()).contains("the seal is of block 3"));
    assert!(text(victim.audited()).contains("the seal is of block 3"));
    assert!(matches!(victim.reopened(), LedgerError::Block { number: 3, .. }));
}

/// The whole ledger is another one, with keys of his own: in itself it is in order.
#[test]
fn foreign_key() {
    let victim = Victim::new();
    fs::remove_dir_all(victim.ledger()).unwrap();
    let (mut ours, state) = (operators(), MemorySignerState::default());
    let keys = keys_of(666, state);
    let genesis = Genesis::new(CHAIN_ID, BEGIN, [1; 32], &ours, &keys);
    let store = FileStore::open(&victim.ledger()).unwrap();
    drop(Ledger::create(&genesis, &mut ours, keys, Box::new(store)).unwrap());
    let mut report = Vec::new();
    assert_eq!(verify(&victim.ledger(), &Brought::default(), &mut report).unwrap(), Exit::Inconclusive);
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("the keys were read from the ledger itself"), "{report}");
    assert!(text(victim.audited()).contains("its checkpoints have the key"));
    let error = victim.reopened();
    assert!(matches!(error, LedgerError::WrongKey), "{error}");
}

/// The seals of the blocks are by a key of his own.
#[test]
fn forged_seals() {
    let victim = Victim::new();
    let mut contents = records(&victim.ledger());
    let (mut theirs, store) = Lab::in_memory();
    theirs.register(&Card::new(5));
    let foreign = store.contents().records;
    // A seal of another block, and one with a signature of nobody.
    contents.records[10] = foreign[4].clone();
    rewrite(&victim.ledger(), &contents);
    assert!(text(victim.alone()).contains("the seal is of block 2"));
    let mut contents = records(&Victim::new().ledger());
    let seal = &mut contents.records[10];
    let end = seal.len() - 10;
    seal[end] ^= 1;
    rewrite(&victim.ledger(), &contents);
    assert!(text(victim.alone()).contains("the signature of validator"));
}

/// The folder is put back to an old copy, all of it.
#[test]
fn roll_back() {
    let victim = Victim::new();
    let mut contents = records(&victim.ledger());
    contents.records.truncate(5);
    let (mut lab, ..) = Lab::in_memory();
    lab.register(&Card::new(1));
    contents.checkpoint = Some(lab.ledger.checkpoint().to_owned());
    rewrite(&victim.ledger(), &contents);
    // In itself it is in order: it was, once. Who has kept a later checkpoint knows better, and so does the validator.
    assert_eq!(victim.alone().unwrap(), Exit::Inconclusive);
    assert!(text(victim.audited()).contains("it was cut, or put back"));
    let error = victim.reopened();
    assert!(matches!(error, LedgerError::RolledBack { signed: 5, held: 2 }), "{error}");
}

/// Two copies of the folder are gone on with, one after the other and with the true key.
#[test]
fn two_copies_signed() {
    let victim = Victim::new();
    let copy = records(&victim.ledger());
    let mut lab = Lab::open_on_disk(victim.dir.path());
    lab.register(&Card::new(10));
    drop(lab);
    let signed = records(&victim.ledger());
    rewrite(&victim.ledger(), &copy);
    let error = victim.reopened();
    assert!(matches!(error, LedgerError::RolledBack { signed: 6, held: 5 }), "{error}");
    // With the block that was not signed in the place of the one that was.
    let mut other = signed.clone();
    other.records.truncate(11);
    let (mut fork, store) = Lab::in_memory();
    fork.register(&Card::new(1));
    fork.certify(&Card::new(1), 7);
    fork.register(&Card::new(2));
    fork.register(&Card::with_key_of(1, 3));
    fork.register(&Card::new(11));
    other.records.push(store.contents().records[11].clone());
    other.checkpoint = copy.checkpoint.clone();
    rewrite(&victim.ledger(), &other);
    let error = victim.reopened();
    assert!(matches!(error, LedgerError::Signed { height: 6, .. }), "{error}");
}

/// The same at once: the copy is opened while the first one is written.
#[test]
fn two_copies_at_once() {
    let victim = Victim::new();
    let _lab = Lab::open_on_disk(victim.dir.path());
    let copy = victim.dir.path().join("copy");
    rewrite_copy(&victim.ledger(), &copy);
    let state = FileSignerState::open(&victim.dir.path().join("signer"));
    assert!(state.unwrap_err().to_string().contains("another process signs with this key"));
    // Without the memory the key signs nothing on a ledger that has blocks.
    let store = FileStore::open(&copy).unwrap();
    let fresh = Ledger::open(Box::new(store), Some(keys(MemorySignerState::default())));
    assert!(matches!(fresh.err(), Some(LedgerError::Forgetful { held: 5, .. })));
}

fn rewrite_copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    rewrite(to, &records(from));
}

/// A second history grows from block 3 on: he has the true operators' transactions, and replays some of them.
#[test]
fn fork() {
    let victim = Victim::new();
    let (mut fork, store) = Lab::in_memory();
    fork.register(&Card::new(1));
    fork.certify(&Card::new(1), 9);
    fork.register(&Card::new(2));
    fork.register(&Card::new(8));
    let contents = store.contents();
    // Even signed with the stolen key of the validator it is not what the auditor has seen.
    rewrite(&victim.ledger(), &contents);
    assert!(text(victim.audited()).contains("they are others than the first 4 here"));
    let error = victim.reopened();
    assert!(matches!(error, LedgerError::Signed { height: 5, .. }), "{error}");
}

/// A block at the end of time, which only an empty one can be without a key.
#[test]
fn future_time() {
    use alloy_rlp::{Decodable, Header};
    let victim = Victim::new();
    let mut contents = records(&victim.ledger());
    // The record is a list whose first item is the block, whose first item is the header; the time is its 12th item.
    let unwrap = |mut bytes: &[u8]| {
        let list = Header::decode(&mut bytes).unwrap();
        assert!(list.list);
        bytes[..list.payload_length].to_vec()
    };
    let record = unwrap(&contents.records[9]);
    let block = unwrap(&record);
    let header = unwrap(&block);
    let mut items = Vec::new();
    let mut rest = header.as_slice();
    while !rest.is_empty() {
        let before = rest;
        let item = Header::decode(&mut rest).unwrap();
        rest = &rest[item.payload_length..];
        items.push(before[..before.len() - rest.len()].to_vec());
    }
    let list = |payload: Vec<u8>| {
        let mut out = Vec::new();
        Header { list: true, payload_length: payload.len() }.encode(&mut out);
        [out, payload].concat()
    };
    let number = u64::decode(&mut items[8].as_slice()).unwrap();
    assert_eq!(number, 5);
    items[11] = alloy_rlp::encode(u64::MAX);
    let rest_of = |all: &[u8]| {
        let mut rest = all;
        let item = Header::decode(&mut rest).unwrap();
        rest[item.payload_length..].to_vec()
    };
    let new_header = list(items.concat());
    let new_block = list([new_header, rest_of(&block)].concat());
    let new_record = list([new_block, rest_of(&record)].concat());
    contents.records[9] = new_record;
    contents.records.truncate(10);
    contents.checkpoint = Some({
        let (mut lab, ..) = Lab::in_memory();
        lab.register(&Card::new(1));
        lab.certify(&Card::new(1), 7);
        lab.register(&Card::new(2));
        lab.ledger.checkpoint().to_owned()
    });
    rewrite(&victim.ledger(), &contents);
    let error = text(victim.alone());
    assert!(error.contains("its number or its time does not follow"), "{error}");
    assert!(matches!(victim.reopened(), LedgerError::Block { number: 5, .. }));
}

/// The last record is damaged, and the checkpoint is that of before: the block was acknowledged.
#[test]
fn damaged_and_torn_records() {
    let before = |victim: &Victim| {
        let (mut lab, ..) = Lab::in_memory();
        lab.register(&Card::new(1));
        lab.certify(&Card::new(1), 7);
        lab.register(&Card::new(2));
        fs::write(victim.ledger().join("checkpoint"), lab.ledger.checkpoint()).unwrap();
    };
    // The seal is damaged or torn: the validator still has it.
    for (flip, cut) in [(true, 0), (false, 5), (false, 100)] {
        let victim = Victim::new();
        let path = victim.ledger().join("blocks.log");
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole[..whole.len() - cut].to_vec();
        if flip {
            *bytes.last_mut().unwrap() ^= 1;
        }
        fs::write(&path, &bytes).unwrap();
        // Behind the newest checkpoint it is missing.
        assert!(text(victim.alone()).contains("the checkpoint covers 6 blocks"), "{flip} {cut}");
        before(&victim);
        let mut report = Vec::new();
        let exit = verify(&victim.ledger(), &Brought::default(), &mut report).unwrap();
        let report = String::from_utf8(report).unwrap();
        assert_eq!(exit, Exit::Inconclusive);
        assert!(report.contains("not sealed  block 5"), "{report}");
        let lab = Lab::open_on_disk(victim.dir.path());
        assert_eq!(lab.ledger.head().number, 5);
        drop(lab);
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(victim.audited().unwrap(), Exit::Pass);
    }
    // The block is damaged, and its seal gone: nothing that was acknowledged is cut in silence.
    let victim = Victim::new();
    let contents = records(&victim.ledger());
    let path = victim.ledger().join("blocks.log");
    let seal = contents.records.last().unwrap().len() + 12;
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - seal);
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    before(&victim);
    let error = victim.reopened();
    assert!(matches!(error, LedgerError::RolledBack { signed: 5, held: 4 }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    // A record in the middle is damage, whatever else is there.
    let victim = Victim::new();
    let mut bytes = fs::read(path_of(&victim)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path_of(&victim), &bytes).unwrap();
    assert!(text(victim.alone()).contains("does not match its checksum"));
}

fn path_of(victim: &Victim) -> std::path::PathBuf {
    victim.ledger().join("blocks.log")
}

/// The mark of a lab's keys is part of the first block: who takes it off has another ledger.
#[test]
fn the_mark_of_lab_keys_stays() {
    let state = Box::<MemorySignerState>::default();
    let keys = LedgerKeys::lab(&RngTree::new(7), &operators(), state).unwrap();
    let mut ours = operators();
    let genesis = Genesis { lab: true, ..genesis() };
    let store = MemoryStore::new();
    drop(Ledger::create(&genesis, &mut ours, keys, Box::new(store.clone())).unwrap());
    let mut contents = store.contents();
    let text = String::from_utf8(contents.records[0].clone()).unwrap();
    contents.records[0] = text.replace("\"keys\": \"lab\"", "\"keys\": \"own\"").into_bytes();
    let dir = tempfile::tempdir().unwrap();
    rewrite(dir.path(), &store.contents());
    let mut report = Vec::new();
    let head = hex::encode(Ledger::open(Box::new(store.clone()), None).unwrap().head().hash);
    let own = vec![Ledger::open(Box::new(store), None).unwrap().standing().verifier_key];
    let key_only = Brought { keys: own, ..Brought::default() };
    assert_eq!(verify(dir.path(), &key_only, &mut report).unwrap(), Exit::Inconclusive);
    let with_head = Brought { heads: vec![head], ..key_only };
    assert_eq!(verify(dir.path(), &with_head, &mut report).unwrap(), Exit::Pass);
    let report = String::from_utf8(report).unwrap();
    assert_eq!(report.matches("LAB KEYS").count(), 2, "{report}");
    assert!(report.contains("who knows the seed can write another history"), "{report}");
    rewrite(dir.path(), &contents);
    let error = verify(dir.path(), &Brought::default(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("asks for rules or accounts") || error.contains("genesis"), "{error}");
}
