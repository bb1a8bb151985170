//! Records and checkpoints of a ledger, exchanged for others: whoever reads them back says what is wrong with them, and what
//! is found to be proved under the right keys is what was written.

use std::sync::LazyLock;

use cellbed::kernel::RngTree;
use cellbed::ledger::{
    Anchors, CheckpointKey, Contents, Depth, Genesis, Ledger, LedgerKeys, MemorySignerState, MemoryStore,
    Operators, Signer, Standing, WitnessKey, cosign, cosigned_head, read_history, verify,
};

use super::frames::frames;

/// The kinds of frames beyond the numbers of records.
pub const CHECKPOINT: u8 = 0xff;
/// A checkpoint that is given to a witness.
pub const COSIGN: u8 = 0xfe;
/// A record behind the last one.
pub const APPENDED: u8 = 0xfd;

/// What was written, and what a verifier knows of it.
pub struct Written {
    /// Records and checkpoint.
    pub contents: Contents,
    anchors: Anchors,
    log_key: String,
    /// Hash of each block, and when it was sealed.
    heads: Vec<([u8; 32], u64)>,
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
    Written { contents: store.contents(), anchors, log_key, heads }
});

/// Frames that exchange records by their number, or what else their kind says.
pub fn run(bytes: &[u8]) {
    let written = &*WRITTEN;
    let mut contents = written.contents.clone();
    for (kind, record) in frames(bytes) {
        match kind {
            CHECKPOINT => contents.checkpoint = String::from_utf8(record.to_vec()).ok(),
            COSIGN => witness(&String::from_utf8_lossy(record)),
            APPENDED => contents.records.push(record.to_vec()),
            number => {
                let number = usize::from(number) % contents.records.len();
                contents.records[number] = record.to_vec();
            }
        }
    }
    let unchanged = contents.records == written.contents.records;
    let _ = Ledger::open(Box::new(MemoryStore::with(contents.clone())), None);
    let _ = read_history(&mut MemoryStore::with(contents.clone()));
    let verified = verify(&mut MemoryStore::with(contents), Depth::Light, &written.anchors, &None);
    if let Ok(verified) = verified {
        if verified.standing == Standing::Proved {
            let head = (verified.head.hash, verified.sealed_ms);
            assert!(written.heads.contains(&head), "{verified:?} was never written");
        }
        assert!(!unchanged || verified.blocks == written.heads.len() as u64, "{verified:?}");
    }
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
