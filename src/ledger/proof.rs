//! What proves a release to somebody without a ledger: the header of a block, its seal, and the way from the state root in
//! the header to the places of the contract's storage (EIP-1186). Whoever knows the ledger's name, its validators and the
//! contract believes nobody else; that a release is *not* there is proved as well.

use alloy_consensus::Header;
use alloy_primitives::{Bytes, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use alloy_trie::proof::verify_proof;
use alloy_trie::{Nibbles, TrieAccount};

use super::firmware::{Component, ReleaseRecord};
use super::registry::{Contract, Model};
use super::seal::{Certificate, ChainName, ValidatorSet};
use super::slots;

/// The longest proof that is read, in bytes: some 64 levels of a branch are more than any trie here has.
const PROOF_MAX: usize = 64 * 1024;

/// What somebody has to know of a ledger before, to be shown anything of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LightAnchors {
    /// Which ledger it is.
    pub chain: ChainName,
    /// Who seals its blocks.
    pub validators: ValidatorSet,
    /// Where the registry is.
    pub contract: Contract,
}

/// How a ledger has a release, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct ReleaseProof {
    /// The header of the block (RLP).
    header: Bytes,
    /// Its seal ([`Certificate::encode_record`]).
    seal: Bytes,
    /// What the state has of the contract's account.
    account: TrieAccount,
    account_nodes: Vec<Bytes>,
    /// What is at each of the places, in the order in which [`slots::places_of_release`] has them, and its nodes.
    values: Vec<U256>,
    value_nodes: Vec<Vec<Bytes>>,
}

/// What a proof proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProvedRelease {
    /// The number of the block after which it is so.
    pub height: u64,
    /// When that block was sealed, in milliseconds since the Unix epoch.
    pub sealed_ms: u64,
    /// The release; none where nobody has published one with this manifest.
    pub release: Option<ReleaseRecord>,
    /// What the model is to run at least.
    pub min_sequence: u64,
}

impl ReleaseProof {
    /// Puts a proof together.
    pub(super) fn new(
        header: &Header,
        seal: &Certificate,
        account: TrieAccount,
        account_nodes: Vec<Bytes>,
        values: Vec<U256>,
        value_nodes: Vec<Vec<Bytes>>,
    ) -> Self {
        let (header, seal) = (alloy_rlp::encode(header).into(), seal.encode_record().into());
        Self { header, seal, account, account_nodes, values, value_nodes }
    }

    /// The bytes of it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length());
        self.encode(&mut bytes);
        bytes
    }

    /// Reads a proof, in its only encoding.
    ///
    /// # Errors
    /// A text that says what is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > PROOF_MAX {
            return Err(format!("a proof of {} bytes, more than the {PROOF_MAX} that are read", bytes.len()));
        }
        let mut rest = bytes;
        let proof = Self::decode(&mut rest).map_err(|error| format!("no proof: {error}"))?;
        if !rest.is_empty() || proof.to_bytes() != bytes {
            return Err("no proof: the encoding is not canonical".into());
        }
        Ok(proof)
    }

    /// What it proves of the release with this `manifest` for a component of a model.
    ///
    /// # Errors
    /// A text that says where it proves nothing: the seal, the account, or one of the places.
    pub fn verify(
        &self,
        anchors: &LightAnchors,
        manifest: &[u8; 32],
        model: Model,
        component: Component,
    ) -> Result<ProvedRelease, String> {
        let mut rest = &self.header[..];
        let header = Header::decode(&mut rest).map_err(|error| format!("the header: {error}"))?;
        let hash = keccak256(&self.header);
        if !rest.is_empty() || header.hash_slow() != hash {
            return Err("the header: the encoding is not canonical".into());
        }
        let seal = Certificate::decode_record(&self.seal)?;
        seal.verify(&anchors.chain, &anchors.validators, header.number, &hash.0)?;
        let path = Nibbles::unpack(keccak256(anchors.contract.address));
        verify_proof(header.state_root, path, Some(alloy_rlp::encode(self.account)), &self.account_nodes)
            .map_err(|error| format!("the contract's account: {error}"))?;
        let places = slots::places_of_release(manifest, model.bytes(), component.bytes());
        if self.values.len() != places.len() || self.value_nodes.len() != places.len() {
            return Err(format!("{} places instead of {}", self.values.len(), places.len()));
        }
        for ((place, value), nodes) in places.iter().zip(&self.values).zip(&self.value_nodes) {
            let expected = (!value.is_zero()).then(|| alloy_rlp::encode(value));
            let path = Nibbles::unpack(keccak256(place.to_be_bytes::<32>()));
            verify_proof(self.account.storage_root, path, expected, nodes)
                .map_err(|error| format!("a place of the contract's storage: {error}"))?;
        }
        let slot = |at: U256| {
            let found = places.iter().zip(&self.values).find(|(place, _)| **place == at);
            found.map_or(U256::ZERO, |(_, value)| *value)
        };
        Ok(ProvedRelease {
            height: header.number,
            sealed_ms: seal.time_ms,
            release: slots::release(slot, manifest),
            min_sequence: slots::min_sequence(slot, model.bytes(), component.bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use crate::ledger::{
        Genesis, Ledger, LedgerKeys, MemorySignerState, MemoryStore, Operators, Reason, Release,
    };
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn model() -> Model {
        Model::new("cellbed-virtual-1").unwrap()
    }

    fn app() -> Component {
        Model::new("app").unwrap()
    }

    fn ledger() -> (Ledger, Operators) {
        let rng = RngTree::new(7);
        let mut operators = Operators::from_rng(&mut rng.stream("operators"));
        let keys = LedgerKeys::lab(&rng, &operators, Box::new(MemorySignerState::default())).unwrap();
        let genesis = Genesis::new(4242, EPOCH_UNIX_S - 1, [3; 32], &operators, &keys);
        let store = Box::new(MemoryStore::default());
        let ledger = Ledger::create(&genesis, &mut operators, keys, store).unwrap();
        (ledger, operators)
    }

    fn release(manifest: [u8; 32], sequence: u64) -> Release {
        Release {
            manifest,
            image: [9; 32],
            model: model(),
            component: app(),
            sequence,
            min_sequence: sequence - 1,
            uri: "https://updates.lab/2".to_owned(),
        }
    }

    fn published(ledger: &mut Ledger, operators: &mut Operators, release: &Release) {
        let raw = operators.publisher.publish_firmware(ledger.contract(), release);
        ledger.submit(&raw).unwrap();
        ledger.seal((EPOCH_UNIX_S + 10) * 1000).unwrap();
    }

    fn prove(ledger: &Ledger, manifest: [u8; 32]) -> ReleaseProof {
        ledger.prove_release(&manifest, model(), app()).unwrap()
    }

    fn verify(ledger: &Ledger, proof: &ReleaseProof, manifest: [u8; 32]) -> Result<ProvedRelease, String> {
        proof.verify(&ledger.light_anchors(), &manifest, model(), app())
    }

    #[test]
    fn what_the_ledger_has_is_proved_and_what_it_has_not_as_well() {
        let (mut ledger, mut operators) = ledger();
        let nothing = verify(&ledger, &prove(&ledger, [1; 32]), [1; 32]).unwrap();
        assert_eq!((nothing.height, nothing.release, nothing.min_sequence), (1, None, 0));
        published(&mut ledger, &mut operators, &release([1; 32], 2));
        published(&mut ledger, &mut operators, &release([2; 32], 5));
        let proof = prove(&ledger, [1; 32]);
        assert_eq!(ReleaseProof::parse(&proof.to_bytes()).as_ref(), Ok(&proof));
        let proved = verify(&ledger, &proof, [1; 32]).unwrap();
        assert_eq!(proved.release, ledger.release(&[1; 32]));
        let told = proved.release.unwrap();
        assert!(told.valid && told.sequence == 2 && told.image == [9; 32] && told.component == app());
        assert_eq!((proved.height, proved.min_sequence), (3, 4));
        let raw =
            operators.publisher.withdraw_firmware(ledger.contract(), [1; 32], Reason::Superseded, [0; 32]);
        ledger.submit(&raw).unwrap();
        ledger.seal((EPOCH_UNIX_S + 20) * 1000).unwrap();
        let after = verify(&ledger, &prove(&ledger, [1; 32]), [1; 32]).unwrap();
        assert!(!after.release.unwrap().valid && after.height == 4 && after.sealed_ms > proved.sealed_ms);
        // The old proof still proves what was: whoever takes it has to remember how far the ledger was.
        assert!(verify(&ledger, &proof, [1; 32]).unwrap().release.unwrap().valid);
    }

    #[test]
    fn a_proof_is_of_one_ledger_one_contract_and_one_release() {
        let (mut ledger, mut operators) = ledger();
        published(&mut ledger, &mut operators, &release([1; 32], 2));
        let (proof, anchors) = (prove(&ledger, [1; 32]), ledger.light_anchors());
        let refused = |proof: &ReleaseProof, anchors: &LightAnchors| {
            proof.verify(anchors, &[1; 32], model(), app()).unwrap_err()
        };
        assert!(verify(&ledger, &proof, [2; 32]).is_err(), "another manifest");
        let other = Model::new("other").unwrap();
        assert!(proof.verify(&anchors, &[1; 32], model(), other).is_err(), "another component");
        let mut foreign = anchors.clone();
        foreign.chain.genesis[0] ^= 1;
        assert!(refused(&proof, &foreign).contains("signature"));
        let mut foreign = anchors.clone();
        foreign.validators = ValidatorSet::of_one(operators.admin.address());
        assert!(refused(&proof, &foreign).contains("another set"));
        let mut foreign = anchors.clone();
        foreign.contract.address = operators.admin.address();
        assert!(refused(&proof, &foreign).contains("account"));
        let mut forged = proof.clone();
        forged.values[3] += U256::from(1);
        assert!(refused(&forged, &anchors).contains("place"));
        let mut forged = proof.clone();
        forged.values.pop();
        assert!(refused(&forged, &anchors).contains("places"));
        let mut forged = proof.clone();
        forged.account.storage_root = [7; 32].into();
        assert!(refused(&forged, &anchors).contains("account"));
        let mut forged = proof;
        let mut header = forged.header.to_vec();
        header[40] ^= 1;
        forged.header = header.into();
        assert!(refused(&forged, &anchors).contains("the seal is of block"));
    }

    proptest! {
        /// Whatever is changed, it proves the truth or nothing.
        #[test]
        fn nothing_but_the_truth_is_proved(bytes in bent({
            let (mut ledger, mut operators) = ledger();
            published(&mut ledger, &mut operators, &release([1; 32], 2));
            prove(&ledger, [1; 32]).to_bytes()
        })) {
            let (mut ledger, mut operators) = ledger();
            published(&mut ledger, &mut operators, &release([1; 32], 2));
            if let Ok(proof) = ReleaseProof::parse(&bytes)
                && let Ok(proved) = verify(&ledger, &proof, [1; 32])
            {
                prop_assert_eq!(proved.release, ledger.release(&[1; 32]));
                prop_assert_eq!(proved.min_sequence, 1);
            }
        }
    }
}
