//! A ledger with its operators, and cards that sign for keys of their own.

use cellbed::io::ledger_store::FileStore;
use cellbed::io::signer_state::FileSignerState;
use cellbed::kernel::RngTree;
use cellbed::ledger::{
    CardKey, CheckpointKey, Contract, Genesis, Ledger, LedgerError, LedgerKeys, MemorySignerState,
    MemoryStore, Model, Operators, Registration, Sealed, Signer, SignerState, Store, TxOutcome, device_id,
    registration_message,
};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use std::path::Path;

pub const CHAIN_ID: u64 = 4242;
pub const BEGIN: u64 = 1_700_000_000;

/// Everything that a seed gives, and what the validator remembers.
pub struct Lab {
    pub ledger: Ledger,
    pub operators: Operators,
}

pub fn operators() -> Operators {
    Operators::from_rng(&mut RngTree::new(7).stream("operators"))
}

/// Keys that count as nobody's but the operator's.
pub fn keys(state: impl SignerState + 'static) -> LedgerKeys {
    keys_of(7, state)
}

pub fn keys_of(seed: u64, state: impl SignerState + 'static) -> LedgerKeys {
    let rng = RngTree::new(seed);
    let account = Operators::from_rng(&mut rng.stream("operators")).validator;
    let signer = Signer::open(account, Box::new(state)).unwrap();
    LedgerKeys::new(CheckpointKey::from_rng(&mut rng.stream("checkpoint")), signer)
}

pub fn genesis() -> Genesis {
    Genesis::new(CHAIN_ID, BEGIN, [1; 32], &operators(), &keys(MemorySignerState::default()))
}

impl Lab {
    pub fn create(store: impl Store + 'static, state: impl SignerState + 'static) -> Self {
        let mut operators = operators();
        let ledger = Ledger::create(&genesis(), &mut operators, keys(state), Box::new(store)).unwrap();
        Self { ledger, operators }
    }

    pub fn in_memory() -> (Self, MemoryStore) {
        let (lab, store, _) = Self::remembered();
        (lab, store)
    }

    /// The same with what the validator remembers, for whoever opens it again.
    pub fn remembered() -> (Self, MemoryStore, MemorySignerState) {
        let (store, state) = (MemoryStore::new(), MemorySignerState::default());
        (Self::create(store.clone(), state.clone()), store, state)
    }

    pub fn open(store: impl Store + 'static, state: impl SignerState + 'static) -> Self {
        Self::try_open(store, state).unwrap()
    }

    pub fn try_open(
        store: impl Store + 'static,
        state: impl SignerState + 'static,
    ) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(Box::new(store), Some(keys(state)))?;
        let mut operators = operators();
        operators.resume(|address| ledger.nonce(address));
        Ok(Self { ledger, operators })
    }

    /// A ledger in `dir/ledger`, whose validator remembers in `dir/signer`.
    pub fn on_disk(dir: &Path) -> Self {
        Self::create(
            FileStore::open(&dir.join("ledger")).unwrap(),
            FileSignerState::open(&dir.join("signer")).unwrap(),
        )
    }

    pub fn try_open_on_disk(dir: &Path) -> Result<Self, LedgerError> {
        let store = FileStore::open(&dir.join("ledger"))?;
        Self::try_open(store, FileSignerState::open(&dir.join("signer"))?)
    }

    pub fn open_on_disk(dir: &Path) -> Self {
        Self::try_open_on_disk(dir).unwrap()
    }

    pub fn contract(&self) -> Contract {
        self.ledger.contract()
    }

    /// Submits, seals, and returns what became of the one transaction.
    pub fn outcome(&mut self, raw: &[u8]) -> TxOutcome {
        self.ledger.submit(raw).unwrap();
        let sealed = self.seal();
        assert_eq!(sealed.receipts.len(), 1);
        sealed.receipts[0].outcome.clone()
    }

    /// The next block, a second after the one before.
    pub fn seal(&mut self) -> Sealed {
        self.ledger.seal((self.ledger.head().timestamp + 1) * 1000).unwrap()
    }

    pub fn register(&mut self, card: &Card) -> TxOutcome {
        let raw =
            self.operators.registrar.register_device(self.contract(), &card.registration(self.contract()));
        self.outcome(&raw)
    }

    pub fn certify(&mut self, card: &Card, hash: u8) -> TxOutcome {
        let raw = self.operators.ca.record_certificate(self.contract(), card.id, [hash; 32]);
        self.outcome(&raw)
    }
}

/// A card with its identity on the ledger and its key.
#[derive(Clone)]
pub struct Card {
    pub id: [u8; 32],
    pub key: SigningKey,
    /// How many keys it has made.
    pub generation: u64,
}

impl Card {
    pub fn new(number: u32) -> Self {
        Self::with_key_of(number, number)
    }

    /// The identity of one card with the first key of another.
    pub fn with_key_of(identity: u32, key: u32) -> Self {
        let rng = RngTree::new(7).branch(format!("card{key}"));
        let mut secret = [0; 32];
        rand_core::RngCore::fill_bytes(&mut rng.stream("key"), &mut secret);
        let eid = format!("{identity:032}");
        let key = SigningKey::from_slice(&secret).unwrap();
        Self { id: device_id(&[9; 32], &eid), key, generation: 1 }
    }

    /// The card says that it has made so many keys.
    pub fn of_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    pub fn point(&self) -> ([u8; 32], [u8; 32]) {
        let point = self.key.verifying_key().to_encoded_point(false);
        ((*point.x().unwrap()).into(), (*point.y().unwrap()).into())
    }

    pub fn card_key(&self) -> CardKey {
        let (x, y) = self.point();
        CardKey { x, y, generation: self.generation }
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature: Signature = self.key.sign(message);
        signature.to_bytes().into()
    }

    pub fn registration(&self, contract: Contract) -> Registration {
        let model = Model::new("acme-meter-1").unwrap();
        let (key, context) = (self.card_key(), [0xc0; 32]);
        let signature = self.sign(&registration_message(contract, &self.id, model, &key, &context));
        Registration { id: self.id, model, key, context, signature }
    }
}
