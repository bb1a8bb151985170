//! Reading a stored chain back, with one of two degrees of distrust.
//!
//! Light: every hash link, transaction root, receipt root and the checkpoint's signature are checked, the stored
//! changes are applied, and the state root of the last block must come out. Full: every block is executed again
//! from the genesis, and every header and every stored change must come out.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Sealable, Transaction as _, TxEnvelope, Typed2718};
use alloy_primitives::Address;

use super::block::StoredBlock;
use super::execute::{HashedHeader, Transaction, execute};
use super::genesis::Genesis;
use super::world::World;
use crate::ledger::abi::runtime_code;
use crate::ledger::checkpoint::{self, MerkleLog, TreeHead};
use crate::ledger::count::{Counter, LedgerOp};
use crate::ledger::error::LedgerError;
use crate::ledger::registry::Contract;
use crate::ledger::store::{Contents, Store};

/// How much is taken on trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Hashes and signatures; blocks that no checkpoint covers are executed all the same.
    Light,
    /// Everything is executed again.
    Full,
}

/// A chain that was read back.
#[derive(Debug)]
pub struct Replayed {
    pub genesis: Genesis,
    pub contract: Contract,
    pub world: World,
    pub head: HashedHeader,
    pub log: MerkleLog,
    /// What the stored checkpoint vouches for; none if there is no checkpoint.
    pub covered: Option<TreeHead>,
    /// The number of transactions in all blocks.
    pub transactions: u64,
}

/// Reads a stored chain back, and shows each block to `each` after it was checked.
///
/// # Errors
/// [`LedgerError`] that names the first place where something is wrong.
pub fn replay(
    store: &dyn Store,
    contents: &Contents,
    depth: Depth,
    counter: &Counter,
    each: &mut dyn FnMut(&StoredBlock, Contract),
) -> Result<Replayed, LedgerError> {
    let Some((genesis, records)) = contents.records.split_first() else { return Err(LedgerError::Empty) };
    let genesis = Genesis::parse(genesis)?;
    let covered = contents
        .checkpoint
        .as_deref()
        .map(|note| checkpoint::verify(note, genesis.chain_id, &genesis.checkpoint_key))
        .transpose()?;
    check_coverage(contents, covered)?;

    let mut chain = Chain::begin(genesis, counter);
    chain.check_checkpoint(covered)?;
    for (index, record) in (1..).zip(records) {
        let number = index as u64;
        let broken = |cause: String| LedgerError::Block { number, place: store.place(index), cause };
        let stored = StoredBlock::decode_record(record).map_err(broken)?;
        chain.check_links(&stored).map_err(broken)?;
        let execute = depth == Depth::Full || covered.is_none_or(|covered| number >= covered.size);
        if execute {
            chain.check_state().map_err(broken)?;
            chain.execute(&stored).map_err(broken)?;
        } else {
            stored.changes.iter().for_each(|change| chain.world.apply(change));
        }
        if number == 1 {
            chain.find_contract(&stored).map_err(broken)?;
        }
        chain.step(&stored);
        chain.check_checkpoint(covered)?;
        each(&stored, chain.contract);
    }
    let last = contents.records.len() - 1;
    let broken = |cause| LedgerError::Block { number: last as u64, place: store.place(last), cause };
    chain.check_state().map_err(broken)?;
    Ok(chain.finish(covered))
}

/// A checkpoint is written after its blocks, so it never vouches for more than is there.
fn check_coverage(contents: &Contents, covered: Option<TreeHead>) -> Result<(), LedgerError> {
    let held = contents.records.len() as u64;
    match (covered, &contents.torn) {
        (Some(covered), torn) if covered.size > held => {
            let torn = torn.as_ref();
            Err(LedgerError::Missing {
                covered: covered.size,
                held,
                place: torn.map_or_else(|| "after the last record".into(), |torn| torn.place.clone()),
                cause: torn.map_or_else(|| "nothing follows".into(), |torn| torn.cause.clone()),
            })
        }
        // The first checkpoint covers the genesis and block 1.
        (None, _) if held < 2 => Err(LedgerError::Unfinished),
        (None, _) if held > 2 => Err(LedgerError::NoCheckpoint { held }),
        _ => Ok(()),
    }
}

struct Chain<'a> {
    genesis: Genesis,
    contract: Contract,
    world: World,
    head: HashedHeader,
    log: MerkleLog,
    transactions: u64,
    counter: &'a Counter,
}

impl<'a> Chain<'a> {
    fn begin(genesis: Genesis, counter: &'a Counter) -> Self {
        let mut world = genesis.world();
        let (state_root, _) = world.take_changes();
        let head = genesis.header(state_root).seal_slow();
        let mut log = MerkleLog::default();
        log.push(head.hash());
        world.remember_block(0, head.hash());
        let contract = Contract { chain_id: genesis.chain_id, address: Address::ZERO };
        Self { genesis, contract, world, head, log, transactions: 0, counter }
    }

    fn check_links(&self, stored: &StoredBlock) -> Result<(), String> {
        let header = &stored.block.header;
        if header.parent_hash != self.head.hash() {
            return Err(format!(
                "its parent is {}, the block before it is {}",
                header.parent_hash,
                self.head.hash()
            ));
        }
        if header.number != self.head.number + 1 || header.timestamp <= self.head.timestamp {
            return Err("its number or its time does not follow".into());
        }
        stored.check_body()
    }

    /// Checks that the state is the one that the last header names.
    fn check_state(&mut self) -> Result<(), String> {
        let (root, _) = self.world.take_changes();
        if root == self.head.state_root {
            return Ok(());
        }
        Err(format!(
            "the stored changes up to block {} give state root {root}, its header says {}",
            self.head.number, self.head.state_root
        ))
    }

    /// Executes the transactions of a block again, and compares everything.
    fn execute(&mut self, stored: &StoredBlock) -> Result<(), String> {
        let transactions = stored
            .block
            .body
            .transactions
            .iter()
            .map(|transaction| recover(transaction.clone(), self.counter))
            .collect::<Result<Vec<_>, _>>()?;
        let mut execution = execute(
            &mut self.world,
            self.genesis.chain_id,
            &self.head,
            stored.block.header.timestamp,
            &transactions,
            self.counter,
        )?;
        if let Some((index, cause)) = execution.invalid.first() {
            return Err(format!("transaction {index} is not valid: {cause}"));
        }
        let (state_root, changes) = self.world.take_changes();
        execution.header.state_root = state_root;
        if execution.header != stored.block.header {
            return Err(format!(
                "executing it gives block {} with state root {state_root}, its header says {}",
                execution.header.hash_slow(),
                stored.block.header.state_root
            ));
        }
        if changes != stored.changes {
            return Err("executing it changes the state in another way than stored".into());
        }
        Ok(())
    }

    /// The registry is what the first transaction of block 1 creates.
    fn find_contract(&mut self, stored: &StoredBlock) -> Result<(), String> {
        let deployment = stored.block.body.transactions.first().ok_or("it does not deploy the registry")?;
        let deployment = recover(deployment.clone(), &None)?;
        self.contract.address = deployment.signer().create(deployment.nonce());
        if self.world.code(self.contract.address) != *runtime_code() {
            return Err("the registry that it deploys is not the one that this program knows".into());
        }
        Ok(())
    }

    fn step(&mut self, stored: &StoredBlock) {
        self.head = stored.block.header.clone().seal_slow();
        self.world.remember_block(self.head.number, self.head.hash());
        self.log.push(self.head.hash());
        self.transactions += stored.block.body.transactions.len() as u64;
    }

    fn check_checkpoint(&self, covered: Option<TreeHead>) -> Result<(), LedgerError> {
        match covered {
            Some(covered) if covered.size == self.log.size() && covered.root != self.log.root() => {
                Err(LedgerError::Checkpoint {
                    cause: format!(
                        "it was signed over other blocks than the {} that are stored",
                        covered.size
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    fn finish(self, covered: Option<TreeHead>) -> Replayed {
        let Self { genesis, contract, world, head, log, transactions, .. } = self;
        Replayed { genesis, contract, world, head, log, covered, transactions }
    }
}

/// Recovers the sender of a transaction of a type that this chain takes.
pub(super) fn recover(transaction: TxEnvelope, counter: &Counter) -> Result<Transaction, String> {
    if transaction.ty() > 2 {
        return Err(format!("transactions of type {} are not taken", transaction.ty()));
    }
    if let Some(count) = counter {
        count(LedgerOp::Secp256k1Recover);
    }
    transaction.try_into_recovered().map_err(|_| "its signature does not give a sender".to_string())
}

/// What a verification found to be in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub depth: Depth,
    pub chain_id: u64,
    /// The number of the last block.
    pub head: u64,
    pub head_hash: [u8; 32],
    pub state_root: [u8; 32],
    pub transactions: u64,
    /// How many blocks the checkpoint covers. Blocks behind it were sealed just before a crash: they were executed
    /// again here, and opening the ledger with its key signs them.
    pub covered: u64,
    /// How many blocks there are, the genesis included.
    pub blocks: u64,
    /// The checkpoint's verifier key in the text form of signed-note.
    pub verifier_key: String,
    /// An interrupted append behind the last block, in words. Nothing that was acknowledged is in it.
    pub torn: Option<String>,
}

/// Verifies a stored chain without changing it.
///
/// # Errors
/// [`LedgerError`] that names the first place where something is wrong.
pub fn verify(store: &mut dyn Store, depth: Depth, counter: &Counter) -> Result<Verified, LedgerError> {
    let contents = store.read_all()?;
    let replayed = replay(store, &contents, depth, counter, &mut |_, _| ())?;
    Ok(Verified {
        depth,
        chain_id: replayed.genesis.chain_id,
        head: replayed.head.number,
        head_hash: replayed.head.hash().0,
        state_root: replayed.head.state_root.0,
        transactions: replayed.transactions,
        covered: replayed.covered.map_or(0, |covered| covered.size),
        blocks: replayed.log.size(),
        verifier_key: checkpoint::verifier_key(replayed.genesis.chain_id, &replayed.genesis.checkpoint_key)?,
        torn: contents.torn.map(|torn| format!("{}: {} bytes, {}", torn.place, torn.bytes, torn.cause)),
    })
}
