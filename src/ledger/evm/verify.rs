//! Verification against what the verifier knows from elsewhere.
//!
//! Whoever has a ledger's folder has its keys' public halves with it, and can put others there with a history of his
//! own. What a ledger proves therefore depends on what is brought to it: a key, an earlier checkpoint, a witness, or the
//! hash of a block.

use alloy_primitives::Address;

use super::genesis::Genesis;
use super::replay::{AHEAD_MAX_S, Depth, Watch, Whole, replay};
use crate::ledger::checkpoint::{self, MerkleLog, TreeHead, origin};
use crate::ledger::count::Counter;
use crate::ledger::error::LedgerError;
use crate::ledger::receipt::Head;
use crate::ledger::slots;
use crate::ledger::store::Store;
use crate::ledger::witness;

/// What a verifier knows that does not come from the ledger's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchors {
    /// Validators; each is one of the ledger, and together they are all.
    pub validators: Vec<Address>,
    /// The key of the checkpoints, in the text form of signed-note.
    pub verifier_key: Option<String>,
    /// Checkpoints of this ledger from earlier on (C2SP tlog-checkpoint).
    pub checkpoints: Vec<String>,
    /// Verifier keys of witnesses (C2SP tlog-cosignature), each of whom must have signed one of `checkpoints`, or the
    /// ledger's own where there are none.
    pub witnesses: Vec<String>,
    /// Hashes of blocks.
    pub heads: Vec<[u8; 32]>,
    /// The time of the verifier in milliseconds since the Unix epoch: nothing was sealed after it. A ledger with the keys
    /// of a run has the run's time, which is compared with nothing.
    pub now_ms: Option<u64>,
}

/// How far what was found in order is also proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every block is sealed by keys that were brought, or was known before.
    Proved,
    /// Nothing was brought: keys and history are of one hand, whosever it is.
    OnItsOwn,
    /// The keys are those of a run: only blocks up to `blocks` were known before, and who knows the seed can have
    /// written the others.
    LabKeys { blocks: u64 },
    /// Everything is proved but the last block, which has no seal.
    Unsealed { number: u64 },
}

/// What a verification found to be in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub depth: Depth,
    pub chain_id: u64,
    /// What the ledger is called in its checkpoints.
    pub origin: String,
    /// Whether the keys follow from the seed of a run.
    pub lab: bool,
    /// The last sealed block.
    pub head: Head,
    /// When it was sealed, in milliseconds since the Unix epoch.
    pub sealed_ms: u64,
    pub state_root: [u8; 32],
    pub transactions: u64,
    /// How many blocks the stored checkpoint covers, the genesis included.
    pub covered: u64,
    /// How many sealed blocks there are, the genesis included.
    pub blocks: u64,
    /// The checkpoint's verifier key in the text form of signed-note.
    pub verifier_key: String,
    pub validators: Vec<Address>,
    /// Who has the role VALIDATOR in the registry, which nobody follows yet.
    pub named_validators: Vec<Address>,
    /// The number and hash of a block behind the last one that has no seal: its writer was interrupted, and nobody was
    /// told of it. Nothing is said of it.
    pub unsealed: Option<(u64, [u8; 32])>,
    /// An interrupted append at the end, in words.
    pub torn: Option<String>,
    /// How many blocks are in what was brought: none, or the genesis and those after it.
    pub known: u64,
    pub standing: Standing,
}

/// Verifies a stored chain without changing it.
///
/// # Errors
/// [`LedgerError`] that names the first place where something is wrong; [`LedgerError::Anchor`] where the ledger is in
/// order and not the one that `anchors` are of.
pub fn verify(
    store: &mut dyn Store,
    depth: Depth,
    anchors: &Anchors,
    counter: &Counter,
) -> Result<Verified, LedgerError> {
    let mut compared = Compared::new(anchors);
    let replayed = replay(store, depth, counter, &mut compared)?;
    let genesis = &replayed.genesis;
    if anchors.checkpoints.is_empty() && !anchors.witnesses.is_empty() {
        compared.witnessed(&replayed.checkpoint, &replayed.log, replayed.covered)?;
    }
    compared.finish(replayed.log.size())?;
    let known = compared.known;
    let blocks = replayed.log.size();
    let unsealed = replayed.unsealed.as_ref().map(|block| (block.number, block.hash().0));
    let keys = known > 0 || !anchors.validators.is_empty() || anchors.verifier_key.is_some();
    let standing = match unsealed {
        _ if !keys => Standing::OnItsOwn,
        _ if genesis.lab && known < blocks => Standing::LabKeys { blocks: known },
        Some((number, _)) => Standing::Unsealed { number },
        None => Standing::Proved,
    };
    let head = &replayed.head;
    Ok(Verified {
        depth,
        chain_id: genesis.chain_id,
        lab: genesis.lab,
        head: Head { number: head.number, hash: head.hash().0, timestamp: head.timestamp },
        sealed_ms: replayed.time_ms,
        state_root: head.state_root.0,
        transactions: replayed.transactions,
        covered: replayed.covered.size,
        blocks,
        verifier_key: checkpoint::verifier_key(&compared.origin, &genesis.checkpoint_key)?,
        origin: compared.origin,
        validators: genesis.validators.validators().iter().map(|one| one.address).collect(),
        named_validators: slots::validators(|at| replayed.world.slot(replayed.contract.address, at)),
        unsealed,
        torn: replayed.torn.map(|torn| format!("{}: {} bytes, {}", torn.place, torn.bytes, torn.cause)),
        known,
        standing,
    })
}

/// Compares a chain with what was brought while it is read back.
struct Compared<'a> {
    anchors: &'a Anchors,
    origin: String,
    lab: bool,
    /// Tree heads that must be those of the chain, the smallest last.
    heads: Vec<TreeHead>,
    /// Hashes that no block had so far.
    missing: Vec<[u8; 32]>,
    /// How many blocks are behind what was found.
    known: u64,
}

fn foreign(cause: impl Into<String>) -> LedgerError {
    LedgerError::Anchor { cause: cause.into() }
}

impl<'a> Compared<'a> {
    fn new(anchors: &'a Anchors) -> Self {
        let missing = anchors.heads.clone();
        Self { anchors, origin: String::new(), lab: false, heads: Vec::new(), missing, known: 0 }
    }

    fn check_keys(&self, genesis: &Genesis, verifier_key: &str) -> Result<(), LedgerError> {
        let Anchors { validators, verifier_key: brought, .. } = self.anchors;
        if let Some(brought) = brought.as_ref().filter(|brought| *brought != verifier_key) {
            return Err(foreign(format!("its checkpoints have the key {verifier_key}, not {brought}")));
        }
        let own = genesis.validators.validators();
        if let Some(stranger) = validators.iter().find(|one| !genesis.validators.contains(**one)) {
            return Err(foreign(format!("{stranger} is none of its validators")));
        }
        match own.iter().find(|one| !validators.is_empty() && !validators.contains(&one.address)) {
            Some(other) => Err(foreign(format!("{} seals it as well, and was not named", other.address))),
            None => Ok(()),
        }
    }

    fn take_checkpoints(&mut self, genesis: &Genesis) -> Result<(), LedgerError> {
        let anchors = self.anchors;
        for note in &anchors.checkpoints {
            let head = checkpoint::verify(note, &self.origin, &genesis.checkpoint_key)
                .map_err(|error| foreign(format!("the checkpoint that was brought: {error}")))?;
            self.heads.push(head);
        }
        for witness in anchors.witnesses.iter().filter(|_| !anchors.checkpoints.is_empty()) {
            if !anchors.checkpoints.iter().any(|note| witness::is_cosigned(note, &self.origin, witness)) {
                return Err(foreign(format!("{witness} has cosigned no checkpoint that was brought")));
            }
        }
        self.heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.size));
        Ok(())
    }

    /// The ledger's own checkpoint must have the cosignature of every witness; it is then as one that was brought.
    fn witnessed(&mut self, note: &str, log: &MerkleLog, covered: TreeHead) -> Result<(), LedgerError> {
        let silent =
            self.anchors.witnesses.iter().find(|witness| !witness::is_cosigned(note, &self.origin, witness));
        if let Some(witness) = silent {
            return Err(foreign(format!("{witness} has not cosigned its checkpoint; bring one that it has")));
        }
        self.known = self.known.max(covered.size.min(log.size()));
        Ok(())
    }

    fn compare(&mut self, log: &MerkleLog, hash: [u8; 32]) -> Result<(), LedgerError> {
        while let Some(head) = self.heads.last().copied().filter(|head| head.size <= log.size()) {
            if head.size < log.size() || head.root != log.root() {
                return Err(foreign(format!(
                    "the checkpoint that was brought covers {} blocks, and they are others than the first {} here",
                    head.size, head.size
                )));
            }
            self.heads.pop();
            self.known = self.known.max(head.size);
        }
        if self.missing.contains(&hash) {
            self.missing.retain(|missing| *missing != hash);
            self.known = self.known.max(log.size());
        }
        Ok(())
    }

    fn finish(&self, blocks: u64) -> Result<(), LedgerError> {
        if let Some(head) = self.heads.first() {
            return Err(foreign(format!(
                "the checkpoint that was brought covers {} blocks, and {blocks} are here: it was cut, or put back",
                head.size
            )));
        }
        match self.missing.first() {
            Some(hash) => Err(foreign(format!("none of its blocks has the hash {}", hex::encode(hash)))),
            None => Ok(()),
        }
    }
}

impl Watch for Compared<'_> {
    fn genesis(&mut self, genesis: &Genesis, hash: [u8; 32], log: &MerkleLog) -> Result<(), LedgerError> {
        self.origin = origin(&hash);
        self.lab = genesis.lab;
        self.check_keys(genesis, &checkpoint::verifier_key(&self.origin, &genesis.checkpoint_key)?)?;
        self.take_checkpoints(genesis)?;
        self.compare(log, hash)
    }

    fn block(&mut self, block: &Whole<'_>) -> Result<(), LedgerError> {
        let sealed = block.seal.time_ms;
        let now = self.anchors.now_ms.filter(|_| !self.lab);
        if let Some(now) = now.filter(|now| sealed > now.saturating_add(AHEAD_MAX_S * 1000)) {
            let number = block.seal.height;
            return Err(foreign(format!("block {number} was sealed at {sealed} ms, and it is {now} ms now")));
        }
        self.compare(block.log, block.hash)
    }
}
