//! The execution of a block under the rules of Ethereum's Osaka fork, and the header that results.

use std::sync::Arc;

use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, ReceiptEnvelope, Sealed, TxEnvelope, TxReceipt};
use alloy_eips::eip1559::BaseFeeParams;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_eips::eip7840::BlobParams;
use alloy_evm::block::{
    BlockExecutionError, BlockExecutionResult, BlockExecutor, BlockValidationError, ExecutableTx, TxResult,
};
use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
use alloy_evm::eth::spec::EthExecutorSpec;
use alloy_evm::eth::{EthBlockExecutionCtx, EthBlockExecutor, EthEvmBuilder};
use alloy_evm::precompiles::{DynPrecompile, Precompile, PrecompilesMap};
use alloy_evm::{Evm, EvmEnv};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, B256, Bloom, U256};
use revm::context::result::{ExecutionResult, HaltReason};
use revm::precompile::secp256r1::P256VERIFY_ADDRESS;
use revm::precompile::{PrecompileId, PrecompileSpecId, Precompiles, u64_to_address};
use revm::primitives::hardfork::SpecId;

use super::block::transactions_root;
use super::world::World;
use crate::ledger::count::{Counter, LedgerOp};

/// The gas limit of every block: 500 registrations of 150,000 gas stay under half of it, so that the base fee
/// never moves (EIP-1559).
pub const BLOCK_GAS_LIMIT: u64 = 200_000_000;

/// Which forks are active: all of them up to Osaka, from the first block.
#[derive(Debug, Clone, Copy)]
struct Osaka;

impl EthereumHardforks for Osaka {
    fn ethereum_fork_activation(&self, fork: EthereumHardfork) -> ForkCondition {
        match fork {
            // The DAO fork moves balances at its block; this chain has nothing to move.
            EthereumHardfork::Dao => ForkCondition::Never,
            EthereumHardfork::Paris => ForkCondition::TTD {
                activation_block_number: 0,
                fork_block: None,
                total_difficulty: U256::ZERO,
            },
            fork if fork < EthereumHardfork::Paris => ForkCondition::Block(0),
            fork if fork <= EthereumHardfork::Osaka => ForkCondition::Timestamp(0),
            _ => ForkCondition::Never,
        }
    }
}

impl EthExecutorSpec for Osaka {
    fn deposit_contract_address(&self) -> Option<Address> {
        None
    }
}

/// A header with its hash.
pub type HashedHeader = Sealed<Header>;

/// A transaction with its recovered sender.
pub type Transaction = Recovered<TxEnvelope>;

/// What became of one transaction of a block.
#[derive(Debug)]
pub struct Executed {
    /// The place of the transaction in the list that was given.
    pub index: usize,
    pub result: ExecutionResult,
}

/// A block that was executed; the state already stands after it.
#[derive(Debug)]
pub struct Execution {
    pub header: Header,
    /// The transactions that are in the block, in order.
    pub included: Vec<Executed>,
    /// Transactions that cannot be in any block now, and why.
    pub invalid: Vec<(usize, String)>,
    /// The index of the first transaction that the gas limit left for a later block.
    pub left_from: usize,
    pub receipts: Vec<ReceiptEnvelope>,
}

/// Executes `transactions` on `world` as the block after `parent`.
///
/// The header that comes out is complete but for the state root, which needs the tries.
///
/// # Errors
/// A text if the block as a whole cannot be executed, which no transaction can cause.
pub fn execute(
    world: &mut World,
    chain_id: u64,
    parent: &HashedHeader,
    timestamp: u64,
    transactions: &[Transaction],
    counter: &Counter,
) -> Result<Execution, String> {
    let header = next_header(parent, timestamp);
    let env = EvmEnv::for_eth_block(&header, Osaka, chain_id, Some(BlobParams::osaka()));
    let evm = EthEvmBuilder::new(world, env).precompiles(precompiles(counter)).build();
    let context = EthBlockExecutionCtx {
        parent_hash: parent.hash(),
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &[],
        withdrawals: Some(Default::default()),
        extra_data: header.extra_data.clone(),
        tx_count_hint: Some(transactions.len()),
        slot_number: None,
    };
    let mut executor = EthBlockExecutor::new(evm, context, Osaka, AlloyReceiptBuilder::default());
    executor.apply_pre_execution_changes().map_err(|error| error.to_string())?;

    let mut execution = Execution::new(header, transactions.len());
    run(&mut executor, transactions, &mut execution)?;
    let (_, result) = executor.finish().map_err(|error| error.to_string())?;

    execution.complete(transactions, result);
    Ok(execution)
}

/// Executes the transactions one by one, until one does not fit any more.
fn run<E>(executor: &mut E, transactions: &[Transaction], execution: &mut Execution) -> Result<(), String>
where
    E: BlockExecutor<Transaction = TxEnvelope, Evm: Evm<HaltReason = HaltReason>>,
    for<'a> &'a Transaction: ExecutableTx<E>,
{
    for (index, transaction) in transactions.iter().enumerate() {
        match executor.execute_transaction_without_commit(transaction) {
            Ok(output) => {
                execution.included.push(Executed { index, result: output.result().result.clone() });
                executor.commit_transaction(output);
            }
            Err(BlockExecutionError::Validation(
                BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas { .. },
            )) => {
                execution.left_from = index;
                break;
            }
            Err(BlockExecutionError::Validation(cause)) => {
                execution.invalid.push((index, cause.to_string()));
            }
            Err(cause) => return Err(cause.to_string()),
        }
    }
    Ok(())
}

impl Execution {
    fn new(header: Header, transactions: usize) -> Self {
        Self {
            header,
            included: Vec::with_capacity(transactions),
            invalid: Vec::new(),
            left_from: transactions,
            receipts: Vec::new(),
        }
    }

    /// Writes into the header what the transactions came to.
    fn complete(&mut self, transactions: &[Transaction], result: BlockExecutionResult<ReceiptEnvelope>) {
        let bodies = self.included.iter().map(|executed| transactions[executed.index].inner());
        self.header.transactions_root = transactions_root(bodies);
        self.header.receipts_root = calculate_receipt_root(&result.receipts);
        self.header.logs_bloom = result.receipts.iter().fold(Bloom::ZERO, |all, one| all | one.bloom());
        self.header.gas_used = result.gas_used;
        self.header.requests_hash = Some(result.requests.requests_hash());
        self.receipts = result.receipts;
    }
}

/// What the header of the block after `parent` says before its transactions are known.
fn next_header(parent: &HashedHeader, timestamp: u64) -> Header {
    Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        timestamp,
        base_fee_per_gas: parent.next_block_base_fee(BaseFeeParams::ethereum()),
        ..empty_header()
    }
}

/// A header of this chain in which only the constant fields are set.
pub fn empty_header() -> Header {
    Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        gas_limit: BLOCK_GAS_LIMIT,
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// Osaka's precompiled contracts; P256VERIFY (EIP-7951) counts its calls if somebody wants to know.
fn precompiles(counter: &Counter) -> PrecompilesMap {
    let mut map =
        PrecompilesMap::from_static(Precompiles::new(PrecompileSpecId::from_spec_id(SpecId::OSAKA)));
    if let Some(count) = counter {
        let count = Arc::clone(count);
        map.apply_precompile(&u64_to_address(P256VERIFY_ADDRESS), move |inner| {
            inner.map(|inner| {
                DynPrecompile::new(PrecompileId::P256Verify, move |input| {
                    count(LedgerOp::P256Verify);
                    inner.call(input)
                })
            })
        });
    }
    map
}
