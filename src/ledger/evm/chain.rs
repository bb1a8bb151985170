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
use super::genesis::{Genesis, TIME_MAX_S};
use super::replay::{AHEAD_MAX_S, Depth, Replayed, recover, replay};
use super::world::World;
use crate::ledger::account::Operators;
use crate::ledger::checkpoint::{MerkleLog, origin, verifier_key};
use crate::ledger::count::{Counter, LedgerOp};
use crate::ledger::error::LedgerError;
use crate::ledger::events::{RegistryEvent, revert_word};
use crate::ledger::firmware::{Component, FirmwareRecord, ReleaseRecord};
use crate::ledger::proof::{LightAnchors, ReleaseProof};
use crate::ledger::receipt::{Head, Sealed, Standing, TxHash, TxOutcome, TxReceipt};
use crate::ledger::registry::{Contract, DeviceRecord, Model};
use crate::ledger::roles::Roles;
use crate::ledger::seal::{Certificate, ChainName, CommitSignature, Precommit};
use crate::ledger::signer::{LedgerKeys, Signer};
use crate::ledger::slots;
use crate::ledger::store::Store;

/// The most transactions in a block.
const BLOCK_TRANSACTIONS_MAX: usize = 500;
/// The most transactions that wait for a block.
const PENDING_MAX: usize = 10_000;

/// An EVM chain with one device registry, kept in a store.
pub struct Ledger {
    genesis: Genesis,
    name: ChainName,
    contract: Contract,
    world: World,
    head: HashedHeader,
    /// When the last block was sealed, in milliseconds since the Unix epoch.
    time_ms: u64,
    /// The seal of the last block.
    seal: Option<Certificate>,
    log: MerkleLog,
    checkpoint: String,
    /// Seals blocks and signs checkpoints; without them the ledger can only be read.
    keys: Option<LedgerKeys>,
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
    /// other keys; [`LedgerError::OtherLedger`] if the signer has signed something before; what the store says.
    pub fn create(
        genesis: &Genesis,
        operators: &mut Operators,
        keys: LedgerKeys,
        mut store: Box<dyn Store>,
    ) -> Result<Self, LedgerError> {
        let mut empty = store.checkpoint()?.is_none();
        let torn = store.read(&mut |_| {
            empty = false;
            false
        })?;
        if !empty || torn.is_some() {
            return Err(LedgerError::NotEmpty);
        }
        check_keys(genesis, &keys)?;
        if keys.lab != genesis.lab {
            return Err(LedgerError::WrongKey);
        }
        if keys.signer.last().is_some() {
            return Err(LedgerError::OtherLedger { place: keys.signer.place() });
        }
        let (world, head) = genesis.begin();
        let mut log = MerkleLog::default();
        log.push(head.hash());
        let address = operators.admin.address().create(operators.admin.nonce());
        store.append(genesis.to_json().as_bytes())?;
        let mut ledger = Self {
            genesis: genesis.clone(),
            name: ChainName { chain_id: genesis.chain_id, genesis: head.hash().0 },
            contract: Contract { chain_id: genesis.chain_id, address },
            world,
            head,
            time_ms: 0,
            seal: None,
            log,
            checkpoint: String::new(),
            keys: Some(keys),
            store,
            pending: Vec::new(),
            nonces: BTreeMap::new(),
            counter: None,
            failed: false,
        };
        ledger.submit(&operators.deploy(genesis.chain_id))?;
        let sealed = ledger.seal(genesis.timestamp.saturating_add(1).saturating_mul(1000))?;
        match sealed.receipts.first().map(|receipt| &receipt.outcome) {
            Some(TxOutcome::Done) => Ok(ledger),
            other => Err(LedgerError::Execution {
                number: sealed.number,
                cause: format!("the registry was not deployed: {other:?}"),
            }),
        }
    }

    /// Opens what a store holds and checks it (light). With `keys` it goes on from there, if the store holds what the
    /// signer has signed last: a block that it signed and whose seal was not kept gets it again, and a block that it has
    /// never signed is cut off with what was left of an interrupted append, since nobody was told of it. Nothing is
    /// signed that this signer has not made.
    ///
    /// Without `keys` the ledger is for reading, and the store stays as it is.
    ///
    /// # Errors
    /// [`LedgerError`] that names the place of the first damage, or what the signer remembers otherwise:
    /// [`LedgerError::RolledBack`], [`LedgerError::Forgetful`], [`LedgerError::Signed`].
    pub fn open(mut store: Box<dyn Store>, keys: Option<LedgerKeys>) -> Result<Self, LedgerError> {
        let mut replayed = replay(store.as_mut(), Depth::Light, &None, &mut ())?;
        let name = ChainName { chain_id: replayed.genesis.chain_id, genesis: replayed.genesis.hash() };
        let mut keys = keys;
        if let Some(keys) = &mut keys {
            check_keys(&replayed.genesis, keys)?;
            if let Some(seal) = recall(&replayed, &name, &mut keys.signer)? {
                store.cut(records(replayed.head.number) + 1)?;
                store.append(&seal.encode_record())?;
                store.sync()?;
                replayed = replay(store.as_mut(), Depth::Light, &None, &mut ())?;
            } else if replayed.torn.is_some() || replayed.unsealed.is_some() {
                store.cut(records(replayed.head.number))?;
            }
        }
        let mut ledger = Self {
            genesis: replayed.genesis,
            name,
            contract: replayed.contract,
            world: replayed.world,
            head: replayed.head,
            time_ms: replayed.time_ms,
            seal: replayed.seal,
            log: replayed.log,
            checkpoint: replayed.checkpoint,
            keys,
            store,
            pending: Vec::new(),
            nonces: BTreeMap::new(),
            counter: None,
            failed: false,
        };
        if replayed.covered.size < ledger.log.size() && ledger.keys.is_some() {
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

    /// What the ledger is called in its checkpoints.
    pub fn origin(&self) -> String {
        origin(&self.name.genesis)
    }

    /// What the ledger is called, and how far it has come.
    pub fn standing(&self) -> Standing {
        let origin = self.origin();
        // The genesis was checked when it was read or made.
        let verifier_key = verifier_key(&origin, &self.genesis.checkpoint_key).unwrap_or_default();
        Standing { origin, verifier_key, lab: self.genesis.lab, head: self.head() }
    }

    /// Counts a verification of a P-256 signature outside the contract.
    pub(in crate::ledger) fn count_verification(&self) {
        if let Some(count) = &self.counter {
            count(LedgerOp::P256Verify);
        }
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

    /// What proves to somebody without a ledger how this one has a release with its last block. `None` before the first
    /// block.
    pub fn prove_release(
        &self,
        manifest: &[u8; 32],
        model: Model,
        component: Component,
    ) -> Option<ReleaseProof> {
        let places = slots::places_of_release(manifest, model.bytes(), component.bytes());
        let proved = self.world.prove(self.contract.address, &places)?;
        let values = places.map(|at| self.slot(at)).to_vec();
        let account = self.world.leaf(self.contract.address)?;
        Some(ReleaseProof::new(self.head.inner(), self.seal.as_ref()?, account, proved.0, values, proved.1))
    }

    /// What somebody has to know to check such a proof.
    pub fn light_anchors(&self) -> LightAnchors {
        let validators = self.genesis.validators.clone();
        LightAnchors { chain: self.name, validators, contract: self.contract }
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

    /// From when on the next block can be sealed, in seconds since the Unix epoch: its time must not be more than
    /// [`AHEAD_MAX_S`] ahead of the clock.
    pub fn seals_from_s(&self) -> u64 {
        self.head.timestamp.saturating_add(1).saturating_sub(AHEAD_MAX_S)
    }

    /// Executes up to 500 of the pending transactions as the next block, and returns when the block and its seal are
    /// durable. What is left over stays pending. The time of the block is `unix_ms`, in whole seconds, or one second
    /// after the block before, whichever is later: time on a chain strictly increases. The seal has `unix_ms`.
    ///
    /// # Errors
    /// [`LedgerError::Ahead`] before [`Ledger::seals_from_s`], and nothing has changed; [`LedgerError::Store`] if the
    /// store failed, [`LedgerError::Signed`] if the validator does not sign: the ledger must then be opened again.
    pub fn seal(&mut self, unix_ms: u64) -> Result<Sealed, LedgerError> {
        self.check_writable()?;
        let now = unix_ms / 1000;
        let timestamp = self.head.timestamp.checked_add(1).map_or(u64::MAX, |next| next.max(now));
        if timestamp > now.saturating_add(AHEAD_MAX_S) || timestamp > TIME_MAX_S {
            return Err(LedgerError::Ahead { timestamp, now, ahead_max: AHEAD_MAX_S });
        }
        let sealed = self.seal_or_fail(timestamp, unix_ms.max(self.time_ms));
        self.failed = sealed.is_err();
        sealed
    }

    fn seal_or_fail(&mut self, timestamp: u64, time_ms: u64) -> Result<Sealed, LedgerError> {
        let number = self.head.number + 1;
        let mut transactions = std::mem::take(&mut self.pending);
        let rest = transactions.split_off(transactions.len().min(BLOCK_TRANSACTIONS_MAX));
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
        self.pending.extend(rest);
        self.nonces = self.pending.iter().map(|waiting| (waiting.signer(), waiting.nonce() + 1)).collect();
        let mut bodies: Vec<_> = transactions.into_iter().map(|one| Some(one.into_inner())).collect();
        let included =
            execution.included.iter().filter_map(|executed| bodies[executed.index].take()).collect();
        let head = execution.header.seal_slow();
        let hash = head.hash();
        let stored = StoredBlock::new(head.inner().clone(), included, &execution.receipts, changes);
        // The block first: what the validator has signed is there, whenever the process ends.
        self.store.append(&stored.encode_record())?;
        self.store.sync()?;
        let keys = self.keys.as_mut().ok_or(LedgerError::ReadOnly)?;
        let validators = self.genesis.validators.hash();
        let precommit = Precommit {
            height: number,
            round: 0,
            block: hash,
            validators: validators.into(),
            timeMs: time_ms,
        };
        let seal = certificate(&precommit, keys.signer.sign(&self.name, &precommit)?);
        self.store.append(&seal.encode_record())?;
        self.store.sync()?;

        self.head = head;
        self.time_ms = time_ms;
        self.seal = Some(seal);
        self.world.remember_block(number, hash);
        self.log.push(hash);
        self.sign_checkpoint()?;
        Ok(Sealed { number, hash: hash.0, timestamp, state_root: state_root.0, receipts })
    }

    /// Signs the tree of all blocks, each of which has its seal: what is sealed never changes, so no two checkpoints
    /// contradict each other.
    fn sign_checkpoint(&mut self) -> Result<(), LedgerError> {
        let keys = self.keys.as_ref().ok_or(LedgerError::ReadOnly)?;
        self.checkpoint = self.log.sign(&origin(&self.name.genesis), &keys.checkpoint)?;
        Ok(self.store.put_checkpoint(&self.checkpoint)?)
    }

    fn check_writable(&self) -> Result<(), LedgerError> {
        match (self.failed, &self.keys) {
            (true, _) => Err(LedgerError::Failed),
            (false, None) => Err(LedgerError::ReadOnly),
            (false, Some(_)) => Ok(()),
        }
    }

    /// Everything that would make a transaction invalid and that is known before its turn.
    fn check_submission(&self, transaction: &Transaction) -> Result<(), LedgerError> {
        let refused = |reason: &'static str, detail: String| Err(LedgerError::Refused { reason, detail });
        if self.pending.len() >= PENDING_MAX {
            return refused("queue-full", format!("{PENDING_MAX} transactions wait for a block"));
        }
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

/// Checks that `keys` are those that the genesis names.
fn check_keys(genesis: &Genesis, keys: &LedgerKeys) -> Result<(), LedgerError> {
    let known = keys.checkpoint.public() == genesis.checkpoint_key
        && genesis.validators.contains(keys.signer.address());
    if known { Ok(()) } else { Err(LedgerError::WrongKey) }
}

/// How many records a ledger has up to the seal of block `number`.
fn records(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(2).saturating_add(1)
}

/// Compares what a ledger holds with what its signer remembers. Returns the seal that the block behind the last sealed
/// one has had.
fn recall(
    replayed: &Replayed,
    name: &ChainName,
    signer: &mut Signer,
) -> Result<Option<Certificate>, LedgerError> {
    let (held, hash) = (replayed.head.number, replayed.head.hash().0);
    let forgetful =
        |signer: &Signer, remembered| LedgerError::Forgetful { held, place: signer.place(), remembered };
    let Some(last) = signer.last() else { return Err(forgetful(signer, "that nothing was signed".into())) };
    if last.ledger != name.genesis {
        return Err(LedgerError::OtherLedger { place: signer.place() });
    }
    if last.height < held {
        return Err(forgetful(signer, format!("that block {} was the last", last.height)));
    }
    let signed_otherwise = |at, block: [u8; 32]| LedgerError::Signed {
        height: last.height,
        block: hex::encode(last.block),
        asked: at,
        asked_block: hex::encode(block),
    };
    if last.height == held {
        return if last.block == hash { Ok(None) } else { Err(signed_otherwise(held, hash)) };
    }
    match &replayed.unsealed {
        Some(block) if block.number == last.height && block.hash().0 != last.block => {
            Err(signed_otherwise(block.number, block.hash().0))
        }
        Some(block) if block.number == last.height => {
            let precommit = last.precommit();
            Ok(Some(certificate(&precommit, signer.sign(name, &precommit)?)))
        }
        _ => Err(LedgerError::RolledBack { signed: last.height, held }),
    }
}

/// The seal that one validator's signature makes.
fn certificate(precommit: &Precommit, signature: CommitSignature) -> Certificate {
    Certificate {
        height: precommit.height,
        round: precommit.round.into(),
        block: precommit.block,
        validators: precommit.validators,
        time_ms: precommit.timeMs,
        signatures: vec![signature],
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
