//! The first block: who has means to transact, which system contracts stand, and which key signs checkpoints.
//!
//! It is kept as the `genesis.json` that geth, anvil and Besu read, so that a second engine can start the same
//! chain. The DeviceRegistry is not in it: the administrator deploys it with the first transaction of block 1,
//! so that every engine gets its address and its code by executing the same bytes.

use std::collections::BTreeMap;

use alloy_consensus::Header;
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};

use super::execute::empty_header;
use super::world::{AccountChange, World};
use crate::ledger::account::{Account, Operators};
use crate::ledger::checkpoint::CheckpointKey;
use crate::ledger::error::LedgerError;

/// What each operator account holds in wei: enough for ever, as gas is not money here.
const ENDOWMENT: u128 = 1_000_000_000_000_000_000_000_000_000;

/// The least base fee that Ethereum's rule can hold, in wei per gas (EIP-1559).
const BASE_FEE: u64 = 7;

/// Everything that distinguishes one chain from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The chain identifier (EIP-155).
    pub chain_id: u64,
    /// The time of the first block, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// The Ed25519 key that checkpoints are signed with; it is the extra data of the first block, so that the
    /// hash of every block depends on it.
    pub checkpoint_key: [u8; 32],
    /// The accounts with means to transact, in ascending order.
    pub funded: Vec<Address>,
}

impl Genesis {
    /// The chain of these operators.
    pub fn new(chain_id: u64, timestamp: u64, operators: &Operators, key: &CheckpointKey) -> Self {
        let mut funded: Vec<_> = operators.all().into_iter().map(Account::address).collect();
        funded.sort_unstable();
        Self { chain_id, timestamp, checkpoint_key: key.public(), funded }
    }

    /// The state of the first block.
    pub(super) fn world(&self) -> World {
        let mut world = World::default();
        for change in self.accounts() {
            world.apply(&change);
        }
        world
    }

    /// The header of the first block, over the state root of [`Genesis::world`].
    pub(super) fn header(&self, state_root: B256) -> Header {
        Header {
            state_root,
            timestamp: self.timestamp,
            extra_data: Bytes::copy_from_slice(&self.checkpoint_key),
            base_fee_per_gas: Some(BASE_FEE),
            transactions_root: alloy_trie::EMPTY_ROOT_HASH,
            receipts_root: alloy_trie::EMPTY_ROOT_HASH,
            ..empty_header()
        }
    }

    /// The text of geth's `genesis.json`.
    pub fn to_json(&self) -> String {
        let header = self.header(B256::ZERO);
        let alloc: BTreeMap<String, Value> = self
            .accounts()
            .into_iter()
            .map(|account| {
                let mut entry = json!({ "balance": format!("{:#x}", account.balance) });
                if !account.code.is_empty() {
                    entry["nonce"] = json!(format!("{:#x}", account.nonce));
                    entry["code"] = json!(account.code.to_string());
                }
                (format!("{:#x}", account.address), entry)
            })
            .collect();
        let genesis = json!({
            "config": self.config(),
            "nonce": "0x0",
            "timestamp": format!("{:#x}", self.timestamp),
            "extraData": header.extra_data.to_string(),
            "gasLimit": format!("{:#x}", header.gas_limit),
            "difficulty": "0x0",
            "mixHash": format!("{:#x}", header.mix_hash),
            "coinbase": format!("{:#x}", header.beneficiary),
            "baseFeePerGas": format!("{BASE_FEE:#x}"),
            "excessBlobGas": "0x0",
            "blobGasUsed": "0x0",
            "alloc": alloc,
        });
        format!("{genesis:#}\n")
    }

    /// Reads what [`Genesis::to_json`] writes, and nothing else: a chain of other rules cannot be followed.
    ///
    /// # Errors
    /// [`LedgerError::Genesis`] with what is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, LedgerError> {
        let failed = |cause: String| LedgerError::Genesis { cause };
        let value: Value = serde_json::from_slice(text).map_err(|error| failed(error.to_string()))?;
        let field = |path: &str| value.pointer(path).ok_or_else(|| failed(format!("it has no field {path}")));
        let chain_id = field("/config/chainId")?.as_u64();
        let timestamp = field("/timestamp")?
            .as_str()
            .and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok());
        let checkpoint_key = field("/extraData")?
            .as_str()
            .and_then(|text| hex::decode(text.strip_prefix("0x")?).ok())
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let mut funded = Vec::new();
        for (address, account) in field("/alloc")?.as_object().into_iter().flatten() {
            if account.get("code").is_none() {
                funded.push(address.parse().map_err(|_| failed(format!("{address:?} is no address")))?);
            }
        }
        funded.sort_unstable();
        let (Some(chain_id), Some(timestamp), Some(checkpoint_key)) = (chain_id, timestamp, checkpoint_key)
        else {
            return Err(failed("chainId, timestamp or extraData is not readable".into()));
        };
        let genesis = Self { chain_id, timestamp, checkpoint_key, funded };
        if genesis.to_json().as_bytes() != text {
            return Err(failed("it asks for rules or accounts that this ledger does not have".into()));
        }
        Ok(genesis)
    }

    fn accounts(&self) -> Vec<AccountChange> {
        let endowed = |address| account(address, U256::from(ENDOWMENT), 0, Bytes::new());
        let contract = |address, code: &Bytes| account(address, U256::ZERO, 1, code.clone());
        let mut accounts: Vec<_> = self.funded.iter().copied().map(endowed).collect();
        // Osaka calls these four in every block.
        accounts.extend([
            contract(eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE),
            contract(eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE),
            contract(
                eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
                &eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE,
            ),
            contract(
                eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
                &eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE,
            ),
        ]);
        accounts
    }

    fn config(&self) -> Value {
        let blobs = json!({ "target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716 });
        json!({
            "chainId": self.chain_id,
            "homesteadBlock": 0,
            "eip150Block": 0,
            "eip155Block": 0,
            "eip158Block": 0,
            "byzantiumBlock": 0,
            "constantinopleBlock": 0,
            "petersburgBlock": 0,
            "istanbulBlock": 0,
            "berlinBlock": 0,
            "londonBlock": 0,
            "terminalTotalDifficulty": 0,
            "terminalTotalDifficultyPassed": true,
            "shanghaiTime": 0,
            "cancunTime": 0,
            "pragueTime": 0,
            "osakaTime": 0,
            "blobSchedule": {
                "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477 },
                "prague": blobs,
                "osaka": blobs,
            },
        })
    }
}

fn account(address: Address, balance: U256, nonce: u64, code: Bytes) -> AccountChange {
    AccountChange { address, gone: false, balance, nonce, code, slots: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use proptest::prelude::*;

    fn genesis() -> Genesis {
        let rng = RngTree::new(7);
        let operators = Operators::from_rng(&mut rng.stream("operators"));
        let key = CheckpointKey::from_rng(&mut rng.stream("checkpoint"));
        Genesis::new(4242, 1_700_000_000, &operators, &key)
    }

    #[test]
    fn text_form_is_read_back() {
        let genesis = genesis();
        assert_eq!(Genesis::parse(genesis.to_json().as_bytes()).unwrap(), genesis);
    }

    #[test]
    fn other_rules_are_refused() {
        for (from, to) in [("\"osakaTime\": 0", "\"osakaTime\": 9"), ("0xbebc200", "0xbebc201")] {
            let text = genesis().to_json();
            assert!(text.contains(from), "{from} in {text}");
            assert!(Genesis::parse(text.replace(from, to).as_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_refused_in_good_order(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Genesis::parse(&bytes).is_err());
        }
    }
}
