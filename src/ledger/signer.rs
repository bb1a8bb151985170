//! A validator's key, and the memory of what was signed with it.
//!
//! A ledger's folder can be copied, cut or put back from an old copy. What a validator has signed last is therefore
//! kept beside its key and not beside the blocks, and is durable before a signature leaves: with it the key signs one
//! history and no second one, whatever becomes of the folder.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::account::{Account, Operators};
use super::error::LedgerError;
use super::seal::{ChainName, CommitSignature, Precommit, signing_hash};
use super::store::StoreError;
use crate::kernel::RngTree;
use crate::ledger::checkpoint::CheckpointKey;

/// The memory of a signer: one replaceable text that is kept beside the key.
pub trait SignerState: Send {
    /// The text that was kept last; none if there never was one.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn load(&mut self) -> Result<Option<String>, StoreError>;

    /// Replaces the text as a whole; it is durable on return.
    ///
    /// # Errors
    /// Where it cannot be kept; what is kept is then the old text or the new one.
    fn keep(&mut self, text: &str) -> Result<(), StoreError>;

    /// Where it is kept, for a person to read.
    fn place(&self) -> String;
}

/// A memory that is lost with the process. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemorySignerState(Arc<Mutex<Option<String>>>);

impl SignerState for MemorySignerState {
    fn load(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn keep(&mut self, text: &str) -> Result<(), StoreError> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
        Ok(())
    }

    fn place(&self) -> String {
        "the signer's state in memory".into()
    }
}

/// What was signed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    /// The ledger, by the hash of its first block.
    #[serde(with = "hex::serde")]
    pub ledger: [u8; 32],
    pub height: u64,
    pub round: u32,
    #[serde(with = "hex::serde")]
    pub block: [u8; 32],
    #[serde(with = "hex::serde")]
    pub validators: [u8; 32],
    pub time_ms: u64,
}

impl Signed {
    fn of(chain: &ChainName, precommit: &Precommit) -> Self {
        Self {
            ledger: chain.genesis,
            height: precommit.height,
            round: precommit.round,
            block: precommit.block.0,
            validators: precommit.validators.0,
            time_ms: precommit.timeMs,
        }
    }

    pub fn precommit(&self) -> Precommit {
        Precommit {
            height: self.height,
            round: self.round,
            block: self.block.into(),
            validators: self.validators.into(),
            timeMs: self.time_ms,
        }
    }
}

/// A validator that signs each height of one ledger once.
pub struct Signer {
    account: Account,
    state: Box<dyn SignerState>,
    last: Option<Signed>,
    /// Set when the state failed: what it holds is then unknown, and only opening again tells.
    failed: bool,
}

impl Signer {
    /// The validator with this key, which goes on from what `state` holds.
    ///
    /// # Errors
    /// Where the state cannot be read, or is none.
    pub fn open(account: Account, mut state: Box<dyn SignerState>) -> Result<Self, LedgerError> {
        let last = match state.load()? {
            None => None,
            Some(text) => Some(serde_json::from_str(&text).map_err(|cause| StoreError::Corrupt {
                place: state.place(),
                cause: format!("it is no memory of a signer ({cause}), and without it nothing may be signed"),
            })?),
        };
        Ok(Self { account, state, last, failed: false })
    }

    /// The account that validates.
    pub fn address(&self) -> alloy_primitives::Address {
        self.account.address()
    }

    /// What was signed last, whichever ledger it was for.
    pub(super) fn last(&self) -> Option<&Signed> {
        self.last.as_ref()
    }

    /// Signs a precommit, once it is durable that it did. What was signed last is signed again with the same bytes.
    ///
    /// # Errors
    /// [`LedgerError::Signed`] where another block of this height, or a later height, was signed before, whatever the
    /// round: a set of one never changes its mind. [`LedgerError::OtherLedger`] where the memory is of another ledger.
    pub(super) fn sign(
        &mut self,
        chain: &ChainName,
        precommit: &Precommit,
    ) -> Result<CommitSignature, LedgerError> {
        let wanted = Signed::of(chain, precommit);
        match &self.last {
            _ if self.failed => return Err(LedgerError::Failed),
            Some(last) if last.ledger != wanted.ledger => {
                return Err(LedgerError::OtherLedger { place: self.state.place() });
            }
            Some(last) if *last == wanted => {}
            Some(last) if last.height >= wanted.height => {
                return Err(LedgerError::Signed {
                    height: last.height,
                    block: hex::encode(last.block),
                    asked: wanted.height,
                    asked_block: hex::encode(wanted.block),
                });
            }
            _ => {
                // A structure of numbers and hexadecimal texts always serialises.
                let text = serde_json::to_string(&wanted).unwrap_or_default() + "\n";
                self.failed = true;
                self.state.keep(&text)?;
                self.failed = false;
                self.last = Some(wanted);
            }
        }
        let signature = self.account.sign_digest(signing_hash(chain, precommit).0);
        Ok(CommitSignature { validator: self.account.address(), signature: signature.into() })
    }

    /// Where the memory is.
    pub(super) fn place(&self) -> String {
        self.state.place()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({}, {:?})", self.account.address(), self.last.as_ref().map(|last| last.height))
    }
}

/// The keys that a ledger is written with.
#[derive(Debug)]
pub struct LedgerKeys {
    /// Signs the tree of all blocks.
    pub checkpoint: CheckpointKey,
    /// Seals each block.
    pub signer: Signer,
    /// Whether anybody who knows the seed of a run has them as well.
    pub lab: bool,
}

impl LedgerKeys {
    /// Keys from outside any seed.
    pub fn new(checkpoint: CheckpointKey, signer: Signer) -> Self {
        Self { checkpoint, signer, lab: false }
    }

    /// The keys of a run, which follow from its seed, so that the ledger says that it proves nothing. The validator
    /// among `operators` seals.
    ///
    /// # Errors
    /// Where the state cannot be read, or is none.
    pub fn lab(
        rng: &RngTree,
        operators: &Operators,
        state: Box<dyn SignerState>,
    ) -> Result<Self, LedgerError> {
        let checkpoint = CheckpointKey::from_rng(&mut rng.stream("checkpoint"));
        let signer = Signer::open(operators.validator.same_key(), state)?;
        Ok(Self { checkpoint, signer, lab: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: ChainName = ChainName { chain_id: 1, genesis: [9; 32] };

    fn precommit(height: u64, block: u8) -> Precommit {
        Precommit { height, round: 0, block: [block; 32].into(), validators: [0; 32].into(), timeMs: 5 }
    }

    fn signer(state: &MemorySignerState) -> Signer {
        let account = Account::from_rng(&mut RngTree::new(7).stream("validator"));
        Signer::open(account, Box::new(state.clone())).unwrap()
    }

    #[test]
    fn each_height_is_signed_once_by_whoever_has_the_key() {
        let state = MemorySignerState::default();
        let mut first = signer(&state);
        let signature = first.sign(&CHAIN, &precommit(1, 1)).unwrap();
        assert_eq!(first.sign(&CHAIN, &precommit(1, 1)).unwrap(), signature);
        first.sign(&CHAIN, &precommit(2, 2)).unwrap();
        // Another process with the same key and memory goes on, and does not go back.
        let mut second = signer(&state);
        for (height, block) in [(1, 1), (1, 3), (2, 3), (0, 0)] {
            let error = second.sign(&CHAIN, &precommit(height, block)).unwrap_err();
            assert!(matches!(error, LedgerError::Signed { height: 2, .. }), "{error}");
        }
        let later_round = Precommit { round: 4, ..precommit(2, 3) };
        assert!(matches!(second.sign(&CHAIN, &later_round), Err(LedgerError::Signed { .. })));
        second.sign(&CHAIN, &precommit(3, 1)).unwrap();
        let other = ChainName { genesis: [1; 32], ..CHAIN };
        assert!(matches!(second.sign(&other, &precommit(4, 1)), Err(LedgerError::OtherLedger { .. })));
    }

    struct Failing;

    impl SignerState for Failing {
        fn load(&mut self) -> Result<Option<String>, StoreError> {
            Ok(None)
        }
        fn keep(&mut self, _: &str) -> Result<(), StoreError> {
            Err(StoreError::Io { place: "disk".into(), cause: "full".into() })
        }
        fn place(&self) -> String {
            "disk".into()
        }
    }

    #[test]
    fn nothing_is_signed_that_is_not_remembered() {
        let account = Account::from_rng(&mut RngTree::new(7).stream("validator"));
        let mut signer = Signer::open(account, Box::new(Failing)).unwrap();
        assert!(matches!(signer.sign(&CHAIN, &precommit(1, 1)), Err(LedgerError::Store(_))));
        assert_eq!(signer.last(), None);
    }

    #[test]
    fn a_memory_that_cannot_be_read_is_no_fresh_start() {
        for text in ["", "{}", "{\"height\":1}"] {
            let mut state = MemorySignerState::default();
            state.keep(text).unwrap();
            let account = Account::from_rng(&mut RngTree::new(7).stream("validator"));
            let error = Signer::open(account, Box::new(state)).unwrap_err().to_string();
            assert!(error.contains("nothing may be signed"), "{error}");
        }
    }
}
