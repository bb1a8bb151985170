//! Records and checkpoints of a ledger, exchanged for others: whoever reads them back says what is wrong with them, and what
//! is found to be proved under the right keys is what was written.
//!
//! A chain is read back in a thousandth of a second and more, and nearly every record that was changed is refused for a reason
//! that stands before what is looked for. So seals are also taken alone ([`SEAL`]), and made of the seals that there are with
//! other fields ([`RESEALED`]); an input of nothing else reads no chain.

use std::sync::LazyLock;

use cellbed::kernel::RngTree;
use cellbed::ledger::{
    Anchors, Certificate, ChainName, CheckpointKey, CommitSignature, Contents, Depth, Genesis, Ledger,
    LedgerKeys, MemorySignerState, MemoryStore, Operators, Signer, Standing, ValidatorSet, WitnessKey,
    cosign, cosigned_head, read_history, verify,
};

use super::frames::frames;

/// The kinds of frames beyond the numbers of records.
pub const CHECKPOINT: u8 = 0xff;
/// A checkpoint that is given to a witness.
pub const COSIGN: u8 = 0xfe;
/// A record behind the last one.
pub const APPENDED: u8 = 0xfd;

/// The record of a seal, alone.
pub const SEAL: u8 = 0xfc;
/// The seal of a block with other fields, alone: see [`resealed`].
pub const RESEALED: u8 = 0xfb;
/// The same, in its place in the chain.
pub const REPLACED: u8 = 0xfa;

/// What was written, and what a verifier knows of it.
pub struct Written {
    /// Records and checkpoint.
    pub contents: Contents,
    anchors: Anchors,
    log_key: String,
    /// Hash of each block, and when it was sealed.
    heads: Vec<([u8; 32], u64)>,
    chain: ChainName,
    validators: ValidatorSet,
    /// The seals of blocks 1 to 3.
    seals: Vec<Certificate>,
}

/// A ledger of three blocks.
pub static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let mut operators = Operators::from_rng(&mut RngTree::new(7).stream("operators"));
    let checkpoint = || CheckpointKey::from_rng(&mut RngTree::new(7).stream("checkpoint"));
    let keys = || {
        let account = Operators::from_rng(&mut RngTree::new(7).stream("operators")).validator;
        let signer = Signer::open(account, Box::new(MemorySignerState::default())).expect("a signer");
        LedgerKeys::new(checkpoint(), signer)
    };
    let genesis = Genesis::new(4242, 1_700_000_000, [1; 32], &operators, &keys());
    let store = MemoryStore::new();
    let mut ledger =
        Ledger::create(&genesis, &mut operators, keys(), Box::new(store.clone())).expect("a ledger");
    const BEGIN_MS: u64 = 1_700_000_000_000;
    let mut heads = vec![(genesis.hash(), BEGIN_MS), (ledger.head().hash, BEGIN_MS + 1000)];
    for second in 2..4 {
        let sealed_ms = BEGIN_MS + second * 1000;
        ledger.seal(sealed_ms).expect("a block");
        heads.push((ledger.head().hash, sealed_ms));
    }
    let log_key = cellbed::ledger::verifier_key(&ledger.origin(), &checkpoint().public()).expect("a key");
    let anchors = Anchors {
        validators: vec![operators.validator.address()],
        verifier_key: Some(log_key.clone()),
        ..Anchors::default()
    };
    let contents = store.contents();
    let seals = contents.records.iter().skip(2).step_by(2);
    let seals = seals.map(|record| Certificate::decode_record(record).expect("a seal")).collect();
    let chain = ChainName { chain_id: genesis.chain_id, genesis: genesis.hash() };
    let validators = ValidatorSet::of_one(operators.validator.address());
    Written { contents, anchors, log_key, heads, chain, validators, seals }
});

/// Frames that exchange records by their number, or what else their kind says.
pub fn run(bytes: &[u8]) {
    let written = &*WRITTEN;
    let mut contents = written.contents.clone();
    let mut alone = true;
    for (kind, record) in frames(bytes) {
        alone &= matches!(kind, SEAL | RESEALED | COSIGN);
        match kind {
            CHECKPOINT => contents.checkpoint = String::from_utf8(record.to_vec()).ok(),
            COSIGN => witness(&String::from_utf8_lossy(record)),
            APPENDED => contents.records.push(record.to_vec()),
            SEAL => seal(record),
            RESEALED => seal(&resealed(record).1),
            REPLACED => {
                let (block, record) = resealed(record);
                contents.records[2 * block] = record;
            }
            number => {
                let number = usize::from(number) % contents.records.len();
                contents.records[number] = record.to_vec();
            }
        }
    }
    if !alone {
        chain(contents);
    }
}

/// A chain is what was written, or refused.
fn chain(contents: Contents) {
    let written = &*WRITTEN;
    let own = &written.contents.records;
    let unchanged = contents.records == *own;
    let verified = verify(&mut MemoryStore::with(contents.clone()), Depth::Light, &written.anchors, &None);
    // These read the same, and what is refused there is refused here.
    let opened = Ledger::open(Box::new(MemoryStore::with(contents.clone())), None).is_ok();
    assert!(!opened || verified.is_ok(), "{:?} opens", verified.err());
    if opened {
        let _ = read_history(&mut MemoryStore::with(contents.clone()));
    }
    let Ok(verified) = verified else { return };
    assert!(!unchanged || verified.blocks == written.heads.len() as u64, "{verified:?}");
    if verified.standing == Standing::Proved {
        let head = (verified.head.hash, verified.sealed_ms);
        assert!(written.heads.contains(&head), "{verified:?} was never written");
        for block in 1..verified.blocks as usize {
            assert_eq!(contents.records[2 * block], own[2 * block], "the seal of block {block} is another");
        }
    }
}

/// A seal is read in its only encoding, and only those that were given are of the blocks.
fn seal(record: &[u8]) {
    let written = &*WRITTEN;
    let Ok(seal) = Certificate::decode_record(record) else { return };
    assert_eq!(seal.encode_record(), record);
    let _ = seal.precommit();
    for (block, (hash, _)) in written.heads.iter().enumerate() {
        if seal.verify(&written.chain, &written.validators, block as u64, hash).is_ok() {
            assert_eq!(Some(&seal), block.checked_sub(1).and_then(|at| written.seals.get(at)));
        }
    }
}

/// The record of a seal that was given with what is said of it changed, and of which block it was: the number of the block,
/// which fields are others, and octets that stand for them.
fn resealed(change: &[u8]) -> (usize, Vec<u8>) {
    let written = &*WRITTEN;
    let mut rest = change.iter().copied();
    let mut octet = || rest.next().unwrap_or_default();
    let block = usize::from(octet()) % written.seals.len() + 1;
    let mut seal = written.seals[block - 1].clone();
    let fields = octet();
    let mut number = || u64::from_be_bytes(std::array::from_fn(|_| octet()));
    let changed = |bit: u8| fields >> bit & 1 == 1;
    if changed(0) {
        seal.round = number();
    }
    if changed(1) {
        seal.height = number();
    }
    if changed(2) {
        seal.time_ms = number();
    }
    if changed(3) {
        seal.signatures.truncate(number() as usize % 3);
    }
    if changed(4) {
        let place = number() as usize;
        seal.signatures.iter_mut().for_each(|one| one.signature.0[place % 65] ^= (place >> 8) as u8 | 1);
    }
    if changed(5) {
        let validator = std::array::from_fn::<u8, 20, _>(|_| number() as u8);
        let signature = seal.signatures.first().map(|one| one.signature).unwrap_or_default();
        seal.signatures.push(CommitSignature { validator: validator.into(), signature });
    }
    if changed(6) {
        seal.block.0[number() as usize % 32] ^= 1;
    }
    let mut record = seal.encode_record();
    if changed(7) {
        record.extend(rest);
    }
    (block, record)
}

/// A witness cosigns what the log has signed, and that only.
fn witness(note: &str) {
    let written = &*WRITTEN;
    let key = WitnessKey::new("witness.example", &[9; 32]).expect("a witness");
    if cosign(&key, &written.log_key, None, note, &[], 1_700_000_009).is_ok() {
        let head = cosigned_head(&written.log_key, note).expect("what is cosigned is signed");
        let own = written.contents.checkpoint.as_deref().expect("a checkpoint");
        assert_eq!(Ok(head), cosigned_head(&written.log_key, own).map_err(|error| error.to_string()));
    }
}
