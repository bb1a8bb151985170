//! The first block: who has means to transact, which system contracts stand, who seals blocks, and which key signs
//! checkpoints.
//!
//! It is kept as the `genesis.json` that geth, anvil and Besu read, so that a second engine can start the same
//! chain. The DeviceRegistry is not in it: the administrator deploys it with the first transaction of block 1,
//! so that every engine gets its address and its code by executing the same bytes.

use std::collections::BTreeMap;

use alloy_consensus::{Header, Sealable};
use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::execute::{HashedHeader, empty_header};
use super::world::{AccountChange, World};
use crate::ledger::account::{Account, Operators};
use crate::ledger::error::LedgerError;
use crate::ledger::seal::{Validator, ValidatorSet};
use crate::ledger::signer::LedgerKeys;

/// What each operator account holds in wei: enough for ever, as gas is not money here.
const ENDOWMENT: u128 = 1_000_000_000_000_000_000_000_000_000;

/// The least base fee that Ethereum's rule can hold, in wei per gas (EIP-1559).
const BASE_FEE: u64 = 7;

/// The latest time that a block can have, in seconds since the Unix epoch: the end of the year 9999, up to which RFC 3339
/// can write it.
pub const TIME_MAX_S: u64 = 253_402_300_799;

/// Everything that distinguishes one chain from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The chain identifier (EIP-155).
    pub chain_id: u64,
    /// The time of the first block, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// Drawn for this ledger, so that no two ledgers have one name.
    pub nonce: [u8; 32],
    /// The Ed25519 key that checkpoints are signed with.
    pub checkpoint_key: [u8; 32],
    /// Who seals blocks, every one of them: the registry's role VALIDATOR is not followed, since a set of several needs
    /// signatures that nobody here asks for (docs/ledger.md).
    pub validators: ValidatorSet,
    /// Whether the keys follow from the seed of a run, so that the ledger proves nothing to anybody who knows the seed.
    pub lab: bool,
    /// The accounts with means to transact, in ascending order.
    pub funded: Vec<Address>,
}

impl Genesis {
    /// The chain of these operators, written with `keys`, which `nonce` names.
    pub fn new(
        chain_id: u64,
        timestamp: u64,
        nonce: [u8; 32],
        operators: &Operators,
        keys: &LedgerKeys,
    ) -> Self {
        let validator = keys.signer.address();
        let mut funded: Vec<_> = operators.all().into_iter().map(Account::address).collect();
        funded.sort_unstable();
        Self {
            chain_id,
            timestamp,
            nonce,
            checkpoint_key: keys.checkpoint.public(),
            validators: ValidatorSet::of_one(validator),
            lab: keys.lab,
            funded,
        }
    }

    /// What the extra data of the first block is, so that the hash of every block depends on what Ethereum's rules do
    /// not know: keccak256("cellbed/genesis/v1" || nonce || checkpoint key || hash of the validator set || 1 if the keys
    /// are a lab's, else 0).
    fn commitment(&self) -> B256 {
        let validators = self.validators.hash();
        keccak256(
            [
                b"cellbed/genesis/v1".as_slice(),
                &self.nonce,
                &self.checkpoint_key,
                &validators,
                &[u8::from(self.lab)],
            ]
            .concat(),
        )
    }

    /// The state and the header of the first block.
    pub(super) fn begin(&self) -> (World, HashedHeader) {
        let mut world = self.world();
        let (state_root, _) = world.take_changes();
        let head = self.header(state_root).seal_slow();
        world.remember_block(0, head.hash());
        (world, head)
    }

    /// The hash of the first block.
    pub fn hash(&self) -> [u8; 32] {
        self.begin().1.hash().0
    }

    /// The state of the first block.
    fn world(&self) -> World {
        let mut world = World::default();
        for change in self.accounts() {
            world.apply(&change);
        }
        world
    }

    /// The header of the first block, over the state root of [`Genesis::world`].
    fn header(&self, state_root: B256) -> Header {
        Header {
            state_root,
            timestamp: self.timestamp,
            extra_data: self.commitment().into(),
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
            .and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok())
            .filter(|timestamp| *timestamp <= TIME_MAX_S);
        let word = |path: &str| -> Result<[u8; 32], LedgerError> {
            let text = field(path)?.as_str().unwrap_or_default();
            let read = text.parse::<B256>().map_err(|_| failed(format!("{path} is not 32 bytes")))?;
            Ok(read.0)
        };
        let own: OwnSection = serde_json::from_value(field("/config/cellbed")?.clone())
            .map_err(|error| failed(format!("/config/cellbed: {error}")))?;
        let read =
            |one: &OwnValidator| Some(Validator { address: one.address.parse().ok()?, power: one.power });
        let validators = own.validators.iter().map(read).collect::<Option<Vec<_>>>();
        let validators = validators.ok_or_else(|| failed("a validator has no address".into()))?;
        let validators = ValidatorSet::new(validators).map_err(failed)?;
        let mut funded = Vec::new();
        for (address, account) in field("/alloc")?.as_object().into_iter().flatten() {
            if account.get("code").is_none() {
                funded.push(address.parse().map_err(|_| failed(format!("{address:?} is no address")))?);
            }
        }
        funded.sort_unstable();
        let (Some(chain_id), Some(timestamp)) = (chain_id, timestamp) else {
            return Err(failed("chainId or timestamp is not readable".into()));
        };
        let genesis = Self {
            chain_id,
            timestamp,
            nonce: word("/config/cellbed/nonce")?,
            checkpoint_key: word("/config/cellbed/checkpointKey")?,
            validators,
            lab: own.keys == "lab",
            funded,
        };
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
        let validators = self.validators.validators().iter();
        let validators: Vec<_> = validators
            .map(|one| json!({ "address": format!("{:#x}", one.address), "power": one.power }))
            .collect();
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
            "cellbed": {
                "keys": if self.lab { "lab" } else { "own" },
                "nonce": format!("0x{}", hex::encode(self.nonce)),
                "checkpointKey": format!("0x{}", hex::encode(self.checkpoint_key)),
                "validators": validators,
            },
        })
    }
}

/// What Ethereum's genesis has no place for.
#[derive(Deserialize)]
struct OwnSection {
    keys: String,
    validators: Vec<OwnValidator>,
}

#[derive(Deserialize)]
struct OwnValidator {
    address: String,
    power: u64,
}

fn account(address: Address, balance: U256, nonce: u64, code: Bytes) -> AccountChange {
    AccountChange { address, gone: false, balance, nonce, code, slots: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use crate::ledger::signer::MemorySignerState;
    use proptest::prelude::*;

    fn genesis() -> Genesis {
        let rng = RngTree::new(7);
        let operators = Operators::from_rng(&mut rng.stream("operators"));
        let keys = LedgerKeys::lab(&rng, &operators, Box::<MemorySignerState>::default()).unwrap();
        Genesis::new(4242, 1_700_000_000, [3; 32], &operators, &keys)
    }

    #[test]
    fn text_form_is_read_back() {
        let genesis = genesis();
        assert_eq!(Genesis::parse(genesis.to_json().as_bytes()).unwrap(), genesis);
    }

    #[test]
    fn other_rules_are_refused() {
        // The mark of the keys is in the extra data as well, so that nobody takes it off.
        for (from, to) in [
            ("\"osakaTime\": 0", "\"osakaTime\": 9"),
            ("0xbebc200", "0xbebc201"),
            ("\"keys\": \"lab\"", "\"keys\": \"own\""),
            ("\"power\": 1", "\"power\": 2"),
            ("\"timestamp\": \"0x", "\"timestamp\": \"0xffffffff"),
        ] {
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
