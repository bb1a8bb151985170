//! The chain itself: transactions in, sealed blocks out, records to be read at any time.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::{Sealable, Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{Address, U256};
use revm::context::result::ExecutionResult;

use super::block::StoredBlock;
use super::execute::{Execution, HashedHeader, Transaction, execute};
use super::genesis::Genesis;
use super::replay::{Depth, recover, replay};
use super::world::World;
use crate::ledger::account::Operators;
use crate::ledger::checkpoint::{CheckpointKey, MerkleLog};
use crate::ledger::count::{Counter, LedgerOp};
use crate::ledger::error::LedgerError;
use crate::ledger::events::{RegistryEvent, revert_word};
use crate::ledger::firmware::{FirmwareRecord, ReleaseRecord};
use crate::ledger::receipt::{Head, Sealed, TxHash, TxOutcome, TxReceipt};
use crate::ledger::registry::{Contract, DeviceRecord};
use crate::ledger::roles::Roles;
use crate::ledger::slots;
use crate::ledger::store::Store;

/// An EVM chain with one device registry, kept in a store.
pub struct Ledger {
    contract: Contract,
    world: World,
    head: HashedHeader,
    log: MerkleLog,
    checkpoint: String,
    /// Signs checkpoints; without it the ledger can only be read.
    key: Option<CheckpointKey>,
    store: Box<dyn Store>,
    pending: Vec<Transaction>,
    /// The next nonces of the senders in `pending`.
    nonces: BTreeMap<Address, u64>,
    counter: Counter,
    /// Set when the store failed: what it holds is then unknown, and only opening again tells.
    failed: bool,
}

impl Ledger {
    /// Creates a ledger in an empty store and deploys the registry in block 1, one second after the genesis.
    ///
    /// # Errors
    /// [`LedgerError::NotEmpty`] if the store holds something; [`LedgerError::WrongKey`] if the genesis names
    /// another checkpoint key; what the store says.
    pub fn create(
        genesis: &Genesis,
        operators: &mut Operators,
        key: CheckpointKey,
        mut store: Box<dyn Store>,
    ) -> Result<Self, LedgerError> {
        let contents = store.read_all()?;
        if !contents.records.is_empty() || contents.torn.is_some() || contents.checkpoint.is_some() {
            return Err(LedgerError::NotEmpty);
        }
        if key.public() != genesis.checkpoint_key {
            return Err(LedgerError::WrongKey);
        }
        let mut world = genesis.world();
        let (state_root, _) = world.take_changes();
        let head = genesis.header(state_root).seal_slow();
        world.remember_block(0, head.hash());
        let mut log = MerkleLog::default();
        log.push(head.hash());
        let address = operators.admin.address().create(operators.admin.nonce());
        store.append(genesis.to_json().as_bytes())?;
        let mut ledger = Self {
            contract: Contract { chain_id: genesis.chain_id, address },
            world,
            head,
            log,
            checkpoint: String::new(),
            key: Some(key),
            store,
            pending: Vec::new(),
            nonces: BTreeMap::new(),
            counter: None,
            failed: false,
        };
        ledger.submit(&operators.deploy(genesis.chain_id))?;
        let sealed = ledger.seal(genesis.timestamp + 1)?;
        match sealed.receipts.first().map(|receipt| &receipt.outcome) {
            Some(TxOutcome::Done) => Ok(ledger),
            other => Err(LedgerError::Execution {
                number: sealed.number,
                cause: format!("the registry was not deployed: {other:?}"),
            }),
        }
    }

    /// Opens what a store holds: checks it (light), cuts off an interrupted append, and signs a checkpoint over
    /// blocks that have none yet, after executing them again.
    ///
    /// Without `key` the ledger is for reading, and the store stays as it is.
    ///
    /// # Errors
    /// [`LedgerError`] that names the place of the first damage.
    pub fn open(mut store: Box<dyn Store>, key: Option<CheckpointKey>) -> Result<Self, LedgerError> {
        let contents = store.read_all()?;
        let replayed = replay(store.as_ref(), &contents, Depth::Light, &None, &mut |_, _| ())?;
        if key.as_ref().is_some_and(|key| key.public() != replayed.genesis.checkpoint_key) {
            return Err(LedgerError::WrongKey);
        }
        if key.is_some() && contents.torn.is_some() {
            store.cut_tail()?;
        }
        let mut ledger = Self {
            contract: replayed.contract,
            world: replayed.world,
            head: replayed.head,
            log: replayed.log,
            checkpoint: contents.checkpoint.unwrap_or_default(),
            key,
            store,
            pending: Vec::new(),
            nonces: BTreeMap::new(),
            counter: None,
            failed: false,
        };
        let covered = replayed.covered.map_or(0, |covered| covered.size);
        if covered < ledger.log.size() && ledger.key.is_some() {
            ledger.sign_checkpoint()?;
        }
        Ok(ledger)
    }

    /// Reports each signature check to `count` from now on.
    pub fn count_with(&mut self, count: Arc<dyn Fn(LedgerOp) + Send + Sync>) {
        self.counter = Some(count);
    }

    /// The registry's address and the chain it is on.
    pub fn contract(&self) -> Contract {
        self.contract
    }

    /// The chain identifier (EIP-155).
    pub fn chain_id(&self) -> u64 {
        self.contract.chain_id
    }

    /// The address of the registry.
    pub fn registry(&self) -> Address {
        self.contract.address
    }

    /// The last block.
    pub fn head(&self) -> Head {
        Head { number: self.head.number, hash: self.head.hash().0, timestamp: self.head.timestamp }
    }

    /// The nonce that the next transaction of an account must have, after the pending ones.
    pub fn nonce(&self, account: Address) -> u64 {
        self.nonces.get(&account).copied().unwrap_or_else(|| self.world.nonce(account))
    }

    /// The record of a device; none if the ledger does not know it. Pending transactions do not count.
    pub fn device(&self, id: &[u8; 32]) -> Option<DeviceRecord> {
        slots::device(|at| self.slot(at), id)
    }

    /// The identity that a public key belongs to or belonged to.
    pub fn id_of_key(&self, x: &[u8; 32], y: &[u8; 32]) -> Option<[u8; 32]> {
        slots::id_of_key(|at| self.slot(at), x, y)
    }

    /// A release by the digest of its manifest.
    pub fn release(&self, manifest: &[u8; 32]) -> Option<ReleaseRecord> {
        slots::release(|at| self.slot(at), manifest)
    }

    /// What a component of a device runs, as it has reported.
    pub fn firmware(&self, id: &[u8; 32], component: &[u8; 32]) -> Option<FirmwareRecord> {
        slots::firmware(|at| self.slot(at), id, component)
    }

    /// The least sequence number that an image for a component of a model may have.
    pub fn min_sequence(&self, model: &[u8; 32], component: &[u8; 32]) -> u64 {
        slots::min_sequence(|at| self.slot(at), model, component)
    }

    /// The roles of an account.
    pub fn roles(&self, account: Address) -> Roles {
        slots::roles(|at| self.slot(at), account)
    }

    /// Who seals blocks as the registry has it, in ascending order.
    pub fn validators(&self) -> Vec<Address> {
        slots::validators(|at| self.slot(at))
    }

    fn slot(&self, at: U256) -> U256 {
        self.world.slot(self.contract.address, at)
    }

    /// The signed checkpoint over all blocks (C2SP tlog-checkpoint).
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// The number of transactions that wait for the next block.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes a raw transaction (EIP-2718) for the next block.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] with a stable word; the transaction is then forgotten.
    pub fn submit(&mut self, raw: &[u8]) -> Result<TxHash, LedgerError> {
        self.check_writable()?;
        let refused = |reason: &'static str, detail: String| LedgerError::Refused { reason, detail };
        let mut rest = raw;
        let envelope = TxEnvelope::decode_2718(&mut rest)
            .map_err(|error| refused("malformed-transaction", error.to_string()))?;
        if !rest.is_empty() {
            return Err(refused("malformed-transaction", format!("{} bytes follow it", rest.len())));
        }
        let transaction =
            recover(envelope, &self.counter).map_err(|detail| refused("malformed-transaction", detail))?;
        self.check_submission(&transaction)?;
        let hash = transaction.tx_hash().0;
        self.nonces.insert(transaction.signer(), transaction.nonce() + 1);
        self.pending.push(transaction);
        Ok(hash)
    }

    /// Executes the pending transactions as the next block, and returns when the block and its checkpoint are
    /// durable. What the gas limit leaves over stays pending. The time is `unix_s` or one second after the block
    /// before, whichever is later: time on a chain strictly increases.
    ///
    /// # Errors
    /// [`LedgerError::Store`] if the store failed; the ledger must then be opened again.
    pub fn seal(&mut self, unix_s: u64) -> Result<Sealed, LedgerError> {
        self.check_writable()?;
        let sealed = self.seal_or_fail(unix_s);
        self.failed = sealed.is_err();
        sealed
    }

    fn seal_or_fail(&mut self, unix_s: u64) -> Result<Sealed, LedgerError> {
        let timestamp = unix_s.max(self.head.timestamp + 1);
        let number = self.head.number + 1;
        let mut transactions = std::mem::take(&mut self.pending);
        let mut execution = execute(
            &mut self.world,
            self.contract.chain_id,
            &self.head,
            timestamp,
            &transactions,
            &self.counter,
        )
        .map_err(|cause| LedgerError::Execution { number, cause })?;
        let (state_root, changes) = self.world.take_changes();
        execution.header.state_root = state_root;

        let receipts = self.receipts(&transactions, &execution);
        self.pending = transactions.split_off(execution.left_from);
        self.nonces = self.pending.iter().map(|waiting| (waiting.signer(), waiting.nonce() + 1)).collect();
        let mut bodies: Vec<_> = transactions.into_iter().map(|one| Some(one.into_inner())).collect();
        let included =
            execution.included.iter().filter_map(|executed| bodies[executed.index].take()).collect();
        let header = execution.header;
        let stored = StoredBlock::new(header.clone(), included, &execution.receipts, changes);
        self.store.append(&stored.encode_record())?;
        self.store.sync()?;

        self.head = header.seal_slow();
        let hash = self.head.hash();
        self.world.remember_block(number, hash);
        self.log.push(hash);
        self.sign_checkpoint()?;
        Ok(Sealed { number, hash: hash.0, timestamp, state_root: state_root.0, receipts })
    }

    fn sign_checkpoint(&mut self) -> Result<(), LedgerError> {
        let key = self.key.as_ref().ok_or(LedgerError::ReadOnly)?;
        self.checkpoint = self.log.sign(self.contract.chain_id, key)?;
        Ok(self.store.put_checkpoint(&self.checkpoint)?)
    }

    fn check_writable(&self) -> Result<(), LedgerError> {
        match (self.failed, &self.key) {
            (true, _) => Err(LedgerError::Failed),
            (false, None) => Err(LedgerError::ReadOnly),
            (false, Some(_)) => Ok(()),
        }
    }

    /// Everything that would make a transaction invalid and that is known before its turn.
    fn check_submission(&self, transaction: &Transaction) -> Result<(), LedgerError> {
        let refused = |reason: &'static str, detail: String| Err(LedgerError::Refused { reason, detail });
        let chain = self.contract.chain_id;
        if transaction.chain_id() != Some(chain) {
            return refused(
                "wrong-chain",
                format!("it is for {:?}, this is {chain}", transaction.chain_id()),
            );
        }
        let nonce = self.nonce(transaction.signer());
        if transaction.nonce() != nonce {
            let sender = transaction.signer();
            return refused(
                "wrong-nonce",
                format!("it has {}, the next of {sender} is {nonce}", transaction.nonce()),
            );
        }
        let gas = transaction.gas_limit();
        if gas > MAX_TX_GAS_LIMIT_OSAKA {
            return refused(
                "too-much-gas",
                format!("it asks for {gas}, the limit is {MAX_TX_GAS_LIMIT_OSAKA}"),
            );
        }
        let base_fee = self.head.base_fee_per_gas.unwrap_or_default();
        if transaction.max_fee_per_gas() < u128::from(base_fee) {
            return refused("fee-too-low", format!("the base fee is {base_fee} wei"));
        }
        let most = U256::from(transaction.max_fee_per_gas()) * U256::from(gas);
        if most.saturating_add(transaction.value()) > self.world.balance(transaction.signer()) {
            return refused("no-funds", format!("{} cannot pay for it", transaction.signer()));
        }
        Ok(())
    }

    fn receipts(&self, transactions: &[Transaction], execution: &Execution) -> Vec<TxReceipt> {
        let mut receipts: BTreeMap<usize, TxReceipt> = BTreeMap::new();
        for executed in &execution.included {
            let tx_hash = transactions[executed.index].tx_hash().0;
            receipts.insert(executed.index, receipt(self.contract.address, tx_hash, &executed.result));
        }
        for (index, cause) in &execution.invalid {
            let tx_hash = transactions[*index].tx_hash().0;
            let outcome = TxOutcome::Invalid { cause: cause.clone() };
            receipts.insert(*index, TxReceipt { tx_hash, outcome, gas: 0, status_changes: Vec::new() });
        }
        receipts.into_values().collect()
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger(chain {}, block {})", self.contract.chain_id, self.head.number)
    }
}

/// Reads the result of a transaction in the words of the registry.
fn receipt(contract: Address, tx_hash: TxHash, result: &ExecutionResult) -> TxReceipt {
    let mut status_changes = Vec::new();
    let outcome = match result {
        ExecutionResult::Success { logs, .. } => {
            let mut outcome = TxOutcome::Done;
            for event in logs.iter().filter_map(|log| RegistryEvent::read(contract, log)) {
                match event {
                    RegistryEvent::Status(change) => status_changes.push(change),
                    RegistryEvent::IdentityConflict { .. } => {
                        outcome = TxOutcome::Conflict { reason: "identity-already-registered" };
                    }
                    RegistryEvent::KeyConflict { .. } => {
                        outcome = TxOutcome::Conflict { reason: "key-already-registered" };
                    }
                    RegistryEvent::FirmwareRefused { fault, .. } => {
                        outcome = TxOutcome::Conflict { reason: fault.word() };
                    }
                    RegistryEvent::Repeated { .. } => outcome = TxOutcome::Unchanged,
                    _ => (),
                }
            }
            outcome
        }
        ExecutionResult::Revert { output, .. } => TxOutcome::Reverted { reason: revert_word(output) },
        ExecutionResult::Halt { .. } => TxOutcome::Reverted { reason: "halted" },
    };
    TxReceipt { tx_hash, outcome, gas: result.tx_gas_used(), status_changes }
}
