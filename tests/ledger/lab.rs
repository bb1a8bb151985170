//! A ledger with its operators, and cards that sign for keys of their own.

use cellbed::io::ledger_store::FileStore;
use cellbed::kernel::RngTree;
use cellbed::ledger::{
    CardKey, CheckpointKey, Contract, Genesis, Ledger, MemoryStore, Model, Operators, Registration, Sealed,
    Store, TxOutcome, device_id, registration_message,
};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use std::path::Path;

pub const CHAIN_ID: u64 = 4242;
pub const BEGIN: u64 = 1_700_000_000;

/// Everything that a seed gives.
pub struct Lab {
    pub ledger: Ledger,
    pub operators: Operators,
}

pub fn operators() -> Operators {
    Operators::from_rng(&mut RngTree::new(7).stream("operators"))
}

pub fn checkpoint_key() -> CheckpointKey {
    CheckpointKey::from_rng(&mut RngTree::new(7).stream("checkpoint"))
}

pub fn genesis() -> Genesis {
    Genesis::new(CHAIN_ID, BEGIN, &operators(), &checkpoint_key())
}

impl Lab {
    pub fn create(store: impl Store + 'static) -> Self {
        let mut operators = operators();
        let ledger = Ledger::create(&genesis(), &mut operators, checkpoint_key(), Box::new(store)).unwrap();
        Self { ledger, operators }
    }

    pub fn in_memory() -> (Self, MemoryStore) {
        let store = MemoryStore::new();
        (Self::create(store.clone()), store)
    }

    pub fn open(store: impl Store + 'static) -> Self {
        let ledger = Ledger::open(Box::new(store), Some(checkpoint_key())).unwrap();
        let mut operators = operators();
        operators.resume(|address| ledger.nonce(address));
        Self { ledger, operators }
    }

    pub fn on_disk(dir: &Path) -> Self {
        Self::create(FileStore::open(dir).unwrap())
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

    pub fn seal(&mut self) -> Sealed {
        self.ledger.seal(0).unwrap()
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
