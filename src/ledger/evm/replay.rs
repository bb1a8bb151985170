//! Reading a stored chain back, with one of two degrees of distrust.
//!
//! The first record is the genesis; each block has two more: itself, and its seal. Light: every hash link, transaction
//! root, receipt root, seal and the checkpoint's signature are checked, the stored changes are applied, and the state
//! root of the last block must come out. Full: every block is executed again from the genesis, and every header and
//! every stored change must come out. One record at a time is in memory.
//!
//! At most one block at the end can be without a seal, where its writer was interrupted. It is no part of the chain.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Sealable, Transaction as _, TxEnvelope, Typed2718};
use alloy_primitives::Address;

use super::block::StoredBlock;
use super::execute::{HashedHeader, Transaction, execute};
use super::genesis::{Genesis, TIME_MAX_S};
use super::world::World;
use crate::ledger::abi::runtime_code;
use crate::ledger::checkpoint::{self, MerkleLog, TreeHead, origin};
use crate::ledger::count::{Counter, LedgerOp};
use crate::ledger::error::LedgerError;
use crate::ledger::registry::Contract;
use crate::ledger::seal::{Certificate, ChainName};
use crate::ledger::store::{Store, Torn};

/// How far the time of a block may be ahead of the real time at which it was sealed, in seconds: Ethereum's times rise
/// by a second with each block, and blocks come faster for a while.
pub const AHEAD_MAX_S: u64 = 15;

/// How much is taken on trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Hashes and signatures.
    Light,
    /// Everything is executed again.
    Full,
}

/// A chain that was read back, up to its last sealed block.
#[derive(Debug)]
pub struct Replayed {
    pub genesis: Genesis,
    pub contract: Contract,
    pub world: World,
    pub head: HashedHeader,
    /// When the last block was sealed, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The seal of the last block; none of the genesis.
    pub seal: Option<Certificate>,
    pub log: MerkleLog,
    /// What the stored checkpoint vouches for.
    pub covered: TreeHead,
    /// The checkpoint itself.
    pub checkpoint: String,
    /// The number of transactions in all blocks.
    pub transactions: u64,
    /// The block behind the last sealed one.
    pub unsealed: Option<HashedHeader>,
    pub torn: Option<Torn>,
}

/// A block with its seal.
pub struct Whole<'a> {
    pub stored: &'a StoredBlock,
    pub seal: &'a Certificate,
    pub hash: [u8; 32],
    /// The tree of all blocks up to this one.
    pub log: &'a MerkleLog,
    pub contract: Contract,
}

/// What is shown of a chain while it is read back.
pub trait Watch {
    /// The genesis, and the hash of its block.
    ///
    /// # Errors
    /// Where reading shall end with it.
    fn genesis(&mut self, genesis: &Genesis, hash: [u8; 32], log: &MerkleLog) -> Result<(), LedgerError> {
        let _ = (genesis, hash, log);
        Ok(())
    }

    /// The next block, which is in order.
    ///
    /// # Errors
    /// Where reading shall end with it.
    fn block(&mut self, block: &Whole<'_>) -> Result<(), LedgerError> {
        let _ = block;
        Ok(())
    }
}

/// Nobody watches.
impl Watch for () {}

/// Reads a stored chain back, and shows it to `watch` as it comes out to be in order.
///
/// # Errors
/// [`LedgerError`] that names the first place where something is wrong.
pub fn replay(
    store: &mut dyn Store,
    depth: Depth,
    counter: &Counter,
    watch: &mut dyn Watch,
) -> Result<Replayed, LedgerError> {
    // The checkpoint first: blocks that a writer adds meanwhile are then only not covered.
    let note = store.checkpoint()?;
    let mut reader =
        Reader { depth, counter, note: note.as_deref(), chain: None, unsealed: None, records: 0 };
    let mut stopped: Option<Stop> = None;
    let torn = store.read(&mut |record| match reader.take(&record, watch) {
        Ok(()) => true,
        Err(stop) => {
            stopped = Some(stop);
            false
        }
    })?;
    let last = reader.records;
    let broken = |number, index, cause| LedgerError::Block { number, place: store.place(index), cause };
    match stopped {
        Some(Stop::Broken(cause)) => return Err(broken(last.div_ceil(2) as u64, last, cause)),
        Some(Stop::Error(error)) => return Err(error),
        None => {}
    }
    let Reader { chain, unsealed, .. } = reader;
    let Some(mut chain) = chain else { return Err(LedgerError::Empty) };
    chain.check_state().map_err(|cause| broken(chain.head.number, last.saturating_sub(1), cause))?;
    check_coverage(&chain, torn.as_ref(), &store.place(last))?;
    let (covered, checkpoint) = chain.covered.zip(note.clone()).ok_or(LedgerError::Unfinished)?;
    let unsealed = unsealed.map(|stored| stored.block.header.seal_slow());
    let Chain { genesis, contract, world, head, time_ms, seal, log, transactions, .. } = chain;
    Ok(Replayed {
        genesis,
        contract,
        world,
        head,
        time_ms,
        seal,
        log,
        covered,
        checkpoint,
        transactions,
        unsealed,
        torn,
    })
}

/// A checkpoint is written after each block, so it vouches for all that is there, or for all but the last.
fn check_coverage(chain: &Chain<'_>, torn: Option<&Torn>, end: &str) -> Result<(), LedgerError> {
    let held = chain.log.size();
    match chain.covered {
        Some(covered) if covered.size > held => Err(LedgerError::Missing {
            covered: covered.size,
            held,
            place: torn.map_or_else(|| end.to_owned(), |torn| torn.place.clone()),
            cause: torn.map_or_else(|| "nothing follows".into(), |torn| torn.cause.clone()),
        }),
        Some(covered) if covered.size + 1 < held => Err(LedgerError::Checkpoint {
            cause: format!("it covers {} of {held} blocks, and is written after each", covered.size),
        }),
        Some(_) => Ok(()),
        // The first checkpoint covers the genesis and block 1.
        None if held <= 2 => Err(LedgerError::Unfinished),
        None => Err(LedgerError::NoCheckpoint { held }),
    }
}

/// Why reading ends early.
enum Stop {
    /// The record in hand is not in order.
    Broken(String),
    Error(LedgerError),
}

impl From<String> for Stop {
    fn from(cause: String) -> Self {
        Self::Broken(cause)
    }
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Error(error)
    }
}

/// Takes records in their order.
struct Reader<'a> {
    depth: Depth,
    counter: &'a Counter,
    note: Option<&'a str>,
    chain: Option<Chain<'a>>,
    /// The block whose seal comes next.
    unsealed: Option<StoredBlock>,
    /// How many records were in order.
    records: usize,
}

impl Reader<'_> {
    fn take(&mut self, record: &[u8], watch: &mut dyn Watch) -> Result<(), Stop> {
        match (&mut self.chain, self.unsealed.take()) {
            (None, _) => {
                let genesis = Genesis::parse(record)?;
                let chain = Chain::begin(genesis, self.note, self.counter)?;
                watch.genesis(&chain.genesis, chain.head.hash().0, &chain.log)?;
                self.chain = Some(chain);
            }
            (Some(chain), None) => {
                let stored = StoredBlock::decode_record(record)?;
                chain.check_links(&stored)?;
                self.unsealed = Some(stored);
            }
            (Some(chain), Some(stored)) => {
                let seal = Certificate::decode_record(record)?;
                chain.add(&stored, &seal, self.depth)?;
                let hash = chain.head.hash().0;
                let (log, contract) = (&chain.log, chain.contract);
                watch.block(&Whole { stored: &stored, seal: &seal, hash, log, contract })?;
            }
        }
        self.records += 1;
        Ok(())
    }
}

struct Chain<'a> {
    genesis: Genesis,
    name: ChainName,
    contract: Contract,
    world: World,
    head: HashedHeader,
    time_ms: u64,
    seal: Option<Certificate>,
    log: MerkleLog,
    covered: Option<TreeHead>,
    transactions: u64,
    counter: &'a Counter,
}

impl<'a> Chain<'a> {
    fn begin(genesis: Genesis, note: Option<&str>, counter: &'a Counter) -> Result<Self, LedgerError> {
        let (world, head) = genesis.begin();
        let name = ChainName { chain_id: genesis.chain_id, genesis: head.hash().0 };
        let verify = |note| checkpoint::verify(note, &origin(&name.genesis), &genesis.checkpoint_key);
        let covered = note.map(verify).transpose()?;
        let mut log = MerkleLog::default();
        log.push(head.hash());
        let contract = Contract { chain_id: genesis.chain_id, address: Address::ZERO };
        let time_ms = genesis.timestamp.saturating_mul(1000);
        let (seal, transactions) = (None, 0);
        let chain =
            Self { genesis, name, contract, world, head, time_ms, seal, log, covered, transactions, counter };
        chain.check_checkpoint()?;
        Ok(chain)
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
        let follows = self.head.number.checked_add(1) == Some(header.number);
        if !follows || header.timestamp <= self.head.timestamp || header.timestamp > TIME_MAX_S {
            return Err("its number or its time does not follow".into());
        }
        stored.check_body()
    }

    /// Adds a block whose links were checked.
    fn add(&mut self, stored: &StoredBlock, seal: &Certificate, depth: Depth) -> Result<(), Stop> {
        let header = &stored.block.header;
        if let Some(count) = self.counter {
            seal.signatures.iter().for_each(|_| count(LedgerOp::Secp256k1Recover));
        }
        seal.verify(&self.name, &self.genesis.validators, header.number, &header.hash_slow().0)?;
        if seal.time_ms < self.time_ms || header.timestamp > (seal.time_ms / 1000).saturating_add(AHEAD_MAX_S)
        {
            return Err(Stop::Broken(format!(
                "it has time {} s, and was sealed at {} ms, after a seal at {} ms",
                header.timestamp, seal.time_ms, self.time_ms
            )));
        }
        match depth {
            Depth::Full => {
                self.check_state()?;
                self.execute(stored)?;
            }
            Depth::Light => stored.changes.iter().for_each(|change| self.world.apply(change)),
        }
        if header.number == 1 {
            self.find_contract(stored)?;
        }
        self.head = header.clone().seal_slow();
        self.time_ms = seal.time_ms;
        self.seal = Some(seal.clone());
        self.world.remember_block(self.head.number, self.head.hash());
        self.log.push(self.head.hash());
        self.transactions += stored.block.body.transactions.len() as u64;
        Ok(self.check_checkpoint()?)
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

    fn check_checkpoint(&self) -> Result<(), LedgerError> {
        match self.covered {
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
