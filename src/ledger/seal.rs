//! What makes a block final: the validators' signatures over it, kept beside the block and not in it, so that a block
//! stays what every Ethereum client re-executes.
//!
//! A certificate has the form that a consensus of the Tendermint kind ends a height with: the precommits of validators
//! with more than two thirds of the power, all for one height, round and block. What a validator signs is typed data
//! (EIP-712), so that any wallet or library of Ethereum can check it; the real time stands in it in milliseconds, since
//! a block's own time is whole seconds that strictly increase.

use alloy_consensus::crypto::secp256k1::recover_signer;
use alloy_primitives::{Address, B256, FixedBytes, Signature, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use alloy_sol_types::{Eip712Domain, SolStruct, sol};

/// The most validators that a set can have.
pub const VALIDATORS_MAX: usize = 100;

sol! {
    /// What a validator signs.
    #[derive(Debug, PartialEq, Eq)]
    struct Precommit {
        uint64 height;
        uint32 round;
        bytes32 block;
        bytes32 validators;
        uint64 timeMs;
    }
}

/// Which ledger a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainName {
    /// The chain identifier (EIP-155).
    pub chain_id: u64,
    /// The hash of the first block.
    pub genesis: [u8; 32],
}

impl ChainName {
    fn domain(&self) -> Eip712Domain {
        Eip712Domain {
            name: Some("cellbed ledger".into()),
            version: Some("1".into()),
            chain_id: Some(alloy_primitives::U256::from(self.chain_id)),
            verifying_contract: None,
            salt: Some(self.genesis.into()),
        }
    }
}

/// Somebody who seals blocks, and how much his word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, RlpEncodable, RlpDecodable)]
pub struct Validator {
    pub address: Address,
    pub power: u64,
}

/// Who seals the blocks of a height, in ascending order of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorSet(Vec<Validator>);

impl ValidatorSet {
    /// A set of these validators.
    ///
    /// # Errors
    /// A text that says why they are none: nobody, too many, one twice, or one without power.
    pub fn new(mut validators: Vec<Validator>) -> Result<Self, String> {
        validators.sort_unstable();
        if validators.is_empty() || validators.len() > VALIDATORS_MAX {
            return Err(format!("{} validators, where 1 to {VALIDATORS_MAX} are taken", validators.len()));
        }
        if let Some(pair) = validators.windows(2).find(|pair| pair[0].address == pair[1].address) {
            return Err(format!("validator {} is there twice", pair[0].address));
        }
        if let Some(idle) = validators.iter().find(|validator| validator.power == 0) {
            return Err(format!("validator {} has no power", idle.address));
        }
        Ok(Self(validators))
    }

    /// The set of one validator.
    pub fn of_one(address: Address) -> Self {
        Self(vec![Validator { address, power: 1 }])
    }

    /// The validators, in ascending order of addresses.
    pub fn validators(&self) -> &[Validator] {
        &self.0
    }

    /// Whether this account is one of them.
    pub fn contains(&self, address: Address) -> bool {
        self.power_of(address).is_some()
    }

    /// The keccak-256 of the RLP list of address and power.
    pub fn hash(&self) -> [u8; 32] {
        keccak256(alloy_rlp::encode(&self.0)).0
    }

    fn power_of(&self, address: Address) -> Option<u64> {
        let place = self.0.binary_search_by_key(&address, |validator| validator.address).ok()?;
        Some(self.0[place].power)
    }

    /// Whether so much power decides: more than two thirds of all.
    fn decides(&self, power: u128) -> bool {
        let total: u128 = self.0.iter().map(|validator| u128::from(validator.power)).sum();
        power * 3 > total * 2
    }
}

/// One validator's signature in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct CommitSignature {
    pub validator: Address,
    /// r || s || v, where v is 27 or 28.
    pub signature: FixedBytes<65>,
}

/// The seal of a block.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Certificate {
    /// The number of the block.
    pub height: u64,
    /// In which round the validators agreed; 0 where they did at once.
    pub round: u64,
    /// The hash of the block.
    pub block: B256,
    /// The hash of the set whose members signed ([`ValidatorSet::hash`]).
    pub validators: B256,
    /// When the block was proposed, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// In ascending order of addresses.
    pub signatures: Vec<CommitSignature>,
}

impl Certificate {
    /// The bytes that stand beside the block.
    pub fn encode_record(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(self.length());
        self.encode(&mut record);
        record
    }

    /// Reads a certificate, in its only encoding.
    ///
    /// # Errors
    /// A text that says what is wrong with the bytes.
    pub fn decode_record(record: &[u8]) -> Result<Self, String> {
        let mut rest = record;
        let certificate = Self::decode(&mut rest).map_err(|error| format!("no seal: {error}"))?;
        if !rest.is_empty() || certificate.encode_record() != record {
            return Err("no seal: the encoding is not canonical".into());
        }
        Ok(certificate)
    }

    /// What each of the signatures is over.
    ///
    /// # Errors
    /// Where the round is no number of 32 bits.
    pub fn precommit(&self) -> Result<Precommit, String> {
        let round = u32::try_from(self.round).map_err(|_| format!("round {} is out of range", self.round))?;
        Ok(Precommit {
            height: self.height,
            round,
            block: self.block,
            validators: self.validators,
            timeMs: self.time_ms,
        })
    }

    /// Checks that validators of `set` with more than two thirds of its power have sealed block `number` with this
    /// `hash` on `chain`. One signature that is wrong makes the whole certificate wrong.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub fn verify(
        &self,
        chain: &ChainName,
        set: &ValidatorSet,
        number: u64,
        hash: &[u8; 32],
    ) -> Result<(), String> {
        if self.height != number || self.block != *hash {
            return Err(format!("the seal is of block {} with hash {}", self.height, self.block));
        }
        if self.validators != set.hash() {
            return Err("the seal is of another set of validators".into());
        }
        if !self.signatures.windows(2).all(|pair| pair[0].validator < pair[1].validator) {
            return Err("the seal has a validator twice, or in the wrong order".into());
        }
        let signed = signing_hash(chain, &self.precommit()?);
        let mut power: u128 = 0;
        for one in &self.signatures {
            let held = set.power_of(one.validator);
            let held = held.ok_or_else(|| format!("{} seals and is no validator", one.validator))?;
            let signature = Signature::from_raw_array(&one.signature).map_err(|error| error.to_string())?;
            // The check of the lower half of s is in there: a signature has one form (EIP-2).
            if signature.as_bytes() != one.signature.0
                || recover_signer(&signature, signed).ok() != Some(one.validator)
            {
                return Err(format!("the signature of validator {} is wrong", one.validator));
            }
            power += u128::from(held);
        }
        if !set.decides(power) {
            return Err(format!("validators with a power of {power} have sealed it, which are too few"));
        }
        Ok(())
    }
}

/// The digest that a validator signs (EIP-712).
pub fn signing_hash(chain: &ChainName, precommit: &Precommit) -> B256 {
    precommit.eip712_signing_hash(&chain.domain())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use crate::ledger::account::Account;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    const CHAIN: ChainName = ChainName { chain_id: 4242, genesis: [0xab; 32] };

    fn accounts(count: usize) -> Vec<Account> {
        let mut rng = RngTree::new(7).stream("validators");
        let mut accounts: Vec<_> = (0..count).map(|_| Account::from_rng(&mut rng)).collect();
        accounts.sort_unstable_by_key(Account::address);
        accounts
    }

    fn set(accounts: &[Account], power: u64) -> ValidatorSet {
        let validators = accounts.iter().map(|one| Validator { address: one.address(), power });
        ValidatorSet::new(validators.collect()).unwrap()
    }

    /// The seal of block 3 by the first `signers` of `accounts`, who are all validators.
    fn sealed(accounts: &[Account], signers: usize) -> (Certificate, ValidatorSet) {
        let set = set(accounts, 5);
        let mut certificate = Certificate {
            height: 3,
            round: 1,
            block: [7; 32].into(),
            validators: set.hash().into(),
            time_ms: 1_767_225_600_123,
            signatures: Vec::new(),
        };
        let hash = signing_hash(&CHAIN, &certificate.precommit().unwrap());
        let sign = |one: &Account| CommitSignature {
            validator: one.address(),
            signature: one.sign_digest(hash.0).into(),
        };
        certificate.signatures = accounts[..signers].iter().map(sign).collect();
        (certificate, set)
    }

    fn verify(certificate: &Certificate, set: &ValidatorSet) -> Result<(), String> {
        certificate.verify(&CHAIN, set, 3, &[7; 32])
    }

    /// One of one; of four, three are more than two thirds and two are not; of three, two are not more.
    #[test]
    fn more_than_two_thirds_decide() {
        for (validators, signers, decided) in [
            (1, 0, false),
            (1, 1, true),
            (3, 2, false),
            (3, 3, true),
            (4, 2, false),
            (4, 3, true),
            (4, 4, true),
        ] {
            let (certificate, set) = sealed(&accounts(validators), signers);
            assert_eq!(verify(&certificate, &set).is_ok(), decided, "{signers} of {validators}");
        }
    }

    #[test]
    fn power_decides_and_not_heads() {
        let accounts = accounts(4);
        let power = |address, power| Validator { address, power };
        let set = ValidatorSet::new(vec![
            power(accounts[0].address(), u64::MAX),
            power(accounts[1].address(), 1),
            power(accounts[2].address(), 1),
            power(accounts[3].address(), 1),
        ])
        .unwrap();
        let with_set = |signers: &[&Account]| {
            let (mut certificate, _) = sealed(&accounts, 0);
            certificate.validators = set.hash().into();
            let hash = signing_hash(&CHAIN, &certificate.precommit().unwrap());
            let signature = |one: &&Account| CommitSignature {
                validator: one.address(),
                signature: one.sign_digest(hash.0).into(),
            };
            certificate.signatures = signers.iter().map(signature).collect();
            verify(&certificate, &set)
        };
        assert_eq!(with_set(&[&accounts[0]]), Ok(()));
        assert!(with_set(&[&accounts[1], &accounts[2], &accounts[3]]).unwrap_err().contains("too few"));
    }

    #[test]
    fn each_field_is_signed_and_nothing_else_is_taken() {
        let accounts = accounts(4);
        let (good, set) = sealed(&accounts, 3);
        let twist = |change: &dyn Fn(&mut Certificate)| {
            let mut bad = good.clone();
            change(&mut bad);
            verify(&bad, &set).unwrap_err()
        };
        assert!(twist(&|bad| bad.height = 4).contains("the seal is of block 4"));
        assert!(twist(&|bad| bad.block = [8; 32].into()).contains("the seal is of block 3"));
        assert!(twist(&|bad| bad.validators = [8; 32].into()).contains("another set"));
        assert!(twist(&|bad| bad.round = 0).contains("is wrong"));
        assert!(twist(&|bad| bad.round = 1 << 40).contains("out of range"));
        assert!(twist(&|bad| bad.time_ms += 1).contains("is wrong"));
        assert!(twist(&|bad| bad.signatures.swap(0, 1)).contains("wrong order"));
        assert!(twist(&|bad| bad.signatures[1] = bad.signatures[0].clone()).contains("twice"));
        assert!(twist(&|bad| bad.signatures[0].signature.0[5] ^= 1).contains("is wrong"));
        assert!(twist(&|bad| bad.signatures[2].validator = [0xff; 20].into()).contains("is no validator"));
        // What is signed on one ledger says nothing on another.
        for other in [ChainName { chain_id: 1, ..CHAIN }, ChainName { genesis: [1; 32], ..CHAIN }] {
            assert!(good.verify(&other, &set, 3, &[7; 32]).is_err());
        }
    }

    /// The other form of a signature, with n - s, is of the same key over the same digest, and is not taken.
    #[test]
    fn a_signature_has_one_form() {
        let (mut certificate, set) = sealed(&accounts(1), 1);
        let raw = &mut certificate.signatures[0].signature.0;
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let order = alloy_primitives::U256::from_str_radix(order, 16).unwrap();
        let s = alloy_primitives::U256::from_be_slice(&raw[32..64]);
        raw[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        raw[64] = 27 + (28 - raw[64]);
        assert!(verify(&certificate, &set).unwrap_err().contains("is wrong"));
    }

    /// EIP-712 taken apart by hand: "\x19\x01" || hash of the domain || hash of the type and its values.
    #[test]
    fn what_is_signed_is_typed_data() {
        let precommit = sealed(&accounts(1), 1).0.precommit().unwrap();
        let word = |number: u64| alloy_primitives::U256::from(number).to_be_bytes::<32>();
        let domain = keccak256(
            [
                keccak256("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)").0,
                keccak256("cellbed ledger").0,
                keccak256("1").0,
                word(4242),
                [0xab; 32],
            ]
            .concat(),
        );
        let kind = "Precommit(uint64 height,uint32 round,bytes32 block,bytes32 validators,uint64 timeMs)";
        let value = keccak256(
            [keccak256(kind).0, word(3), word(1), [7; 32], precommit.validators.0, word(1_767_225_600_123)]
                .concat(),
        );
        let expected = keccak256([b"\x19\x01".as_slice(), &domain.0, &value.0].concat());
        assert_eq!(signing_hash(&CHAIN, &precommit), expected);
    }

    #[test]
    fn sets_that_are_none_are_refused() {
        let one = Validator { address: [1; 20].into(), power: 1 };
        for wrong in [vec![], vec![one, one], vec![Validator { power: 0, ..one }]] {
            assert!(ValidatorSet::new(wrong).is_err());
        }
    }

    proptest! {
        /// Whatever became of a seal, it is not read, or it is read as what it is and verifies only as it was.
        #[test]
        fn bent_seals_do_not_verify(record in bent(sealed(&accounts(4), 3).0.encode_record())) {
            let (good, set) = sealed(&accounts(4), 3);
            if let Ok(read) = Certificate::decode_record(&record) {
                prop_assert_eq!(read.encode_record(), record);
                prop_assert_eq!(verify(&read, &set).is_ok(), read == good);
            }
        }
    }
}
