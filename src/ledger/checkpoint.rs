//! The signed checkpoint over the block hashes: C2SP tlog-checkpoint and signed-note over the Merkle tree of
//! RFC 6962 clause 2.1.
//!
//! One operator can rewrite a chain that nobody else holds. A checkpoint that somebody else has kept, or that a
//! witness has signed too, makes the rewriting visible.

use alloy_primitives::B256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use signed_note::{Note, Signer, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::tlog::{Hash, node_hash, record_hash};

use super::error::LedgerError;

/// The Ed25519 key that signs checkpoints.
#[derive(Clone)]
pub struct CheckpointKey {
    key: SigningKey,
}

impl CheckpointKey {
    /// Draws a key.
    pub fn from_rng(rng: &mut ChaCha20Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self { key: SigningKey::from_bytes(&seed) }
    }

    /// The public key, 32 bytes (RFC 8032).
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

impl std::fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckpointKey({})", hex::encode(self.public()))
    }
}

/// The name of a ledger in its checkpoints, and of the key that signs them. Each ledger has its own: it follows from
/// the hash of the first block, which names keys, validators and a number of 32 bytes that is drawn for it.
pub fn origin(genesis: &[u8; 32]) -> String {
    format!("cellbed/ledger/{}", hex::encode(genesis))
}

/// The verifier key in the text form of signed-note, to be given to witnesses and auditors.
///
/// # Errors
/// [`LedgerError::Checkpoint`] if the 32 bytes are no Ed25519 key.
pub fn verifier_key(origin: &str, public: &[u8; 32]) -> Result<String, LedgerError> {
    let key = VerifyingKey::from_bytes(public)
        .map_err(|_| LedgerError::Checkpoint { cause: "the key in the genesis is no Ed25519 key".into() })?;
    Ok(signed_note::new_ed25519_verifier_key(origin, &key))
}

/// The Merkle tree over the block hashes, kept as the roots of its full subtrees: an append costs O(log n).
#[derive(Debug, Clone, Default)]
pub struct MerkleLog {
    size: u64,
    /// Roots of the full subtrees, largest first.
    peaks: Vec<Hash>,
}

impl MerkleLog {
    /// Appends the hash of the next block.
    pub fn push(&mut self, block: B256) {
        let mut hash = record_hash(block.as_slice());
        // Each trailing one bit of the size is a full subtree as large as the one in hand.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(left, hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The number of blocks, the genesis included.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> [u8; 32] {
        let mut peaks = self.peaks.iter().rev().copied();
        match peaks.next() {
            None => tlog_tiles::tlog::EMPTY_HASH.0,
            Some(last) => peaks.fold(last, |right, left| node_hash(left, right)).0,
        }
    }

    /// The signed checkpoint of the tree as it is.
    ///
    /// # Errors
    /// [`LedgerError::Checkpoint`] if the formats refuse the contents.
    pub fn sign(&self, origin: &str, key: &CheckpointKey) -> Result<String, LedgerError> {
        let failed = |cause: String| LedgerError::Checkpoint { cause };
        let text = tlog_tiles::Checkpoint::new(origin, self.size, Hash(self.root()), "")
            .map_err(|error| failed(error.to_string()))?
            .to_bytes();
        let mut note = Note::new(&text, &[]).map_err(|error| failed(error.to_string()))?;
        let signer = NoteSigner::new(origin.to_owned(), key);
        note.add_sigs(&[&signer]).map_err(|error| failed(error.to_string()))?;
        String::from_utf8(note.to_bytes()).map_err(|error| failed(error.to_string()))
    }
}

/// What a checkpoint vouches for: a tree of `size` block hashes with this root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    pub size: u64,
    pub root: [u8; 32],
}

/// Whether `text` has the form of a signed checkpoint (C2SP tlog-checkpoint): name, size and root on a line each, and
/// behind an empty line the signatures. Nothing is said of what it vouches for.
pub fn looks_like_checkpoint(text: &str) -> bool {
    let Some((body, signatures)) = text.split_once("\n\n") else { return false };
    let mut lines = body.lines();
    let name = lines.next().is_some_and(|name| !name.is_empty());
    let size = lines.next().is_some_and(|size| size.parse::<u64>().is_ok());
    let root = lines.next().is_some_and(|root| STANDARD.decode(root).is_ok_and(|root| root.len() == 32));
    name && size && root && signatures.starts_with("\u{2014} ")
}

/// Reads a checkpoint and checks the ledger's own signature on it. Signatures of witnesses may follow.
///
/// # Errors
/// [`LedgerError::Checkpoint`] with what is wrong.
pub fn verify(note: &str, origin: &str, public: &[u8; 32]) -> Result<TreeHead, LedgerError> {
    let failed = |cause: String| LedgerError::Checkpoint { cause };
    let verifier =
        StandardVerifier::new(&verifier_key(origin, public)?).map_err(|error| failed(error.to_string()))?;
    let (head, named) = read_signed(note, Box::new(verifier))?;
    if named != origin {
        return Err(failed(format!("it is of {named:?}, this ledger is {origin:?}")));
    }
    Ok(head)
}

/// Reads a checkpoint that `verifier` has signed, and says of which log it is.
///
/// # Errors
/// [`LedgerError::Checkpoint`] with what is wrong.
pub(super) fn read_signed(
    note: &str,
    verifier: Box<dyn Verifier>,
) -> Result<(TreeHead, String), LedgerError> {
    let failed = |cause: String| LedgerError::Checkpoint { cause };
    let parsed = Note::from_bytes(note.as_bytes()).map_err(|error| failed(error.to_string()))?;
    parsed.verify(&VerifierList::new(vec![verifier])).map_err(|error| failed(error.to_string()))?;
    let checkpoint =
        tlog_tiles::Checkpoint::from_bytes(parsed.text()).map_err(|error| failed(error.to_string()))?;
    let head = TreeHead { size: checkpoint.size(), root: checkpoint.hash().0 };
    Ok((head, checkpoint.origin().to_owned()))
}

/// An Ed25519 signer of signed-note (algorithm byte 1).
struct NoteSigner<'a> {
    name: String,
    id: u32,
    key: &'a SigningKey,
}

impl<'a> NoteSigner<'a> {
    fn new(name: String, key: &'a CheckpointKey) -> Self {
        let id = signed_note::key_id(&name, &[&[1], key.public().as_slice()].concat());
        Self { name, id, key: &key.key }
    }
}

impl Signer for NoteSigner<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.key.try_sign(message)?.to_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;
    use proptest::prelude::*;

    fn log(blocks: u8) -> MerkleLog {
        let mut log = MerkleLog::default();
        for block in 0..blocks {
            log.push(B256::repeat_byte(block));
        }
        log
    }

    /// The definition of RFC 6962 clause 2.1, word by word.
    fn tree_hash(leaves: &[B256]) -> Hash {
        match leaves {
            [] => tlog_tiles::tlog::EMPTY_HASH,
            [one] => record_hash(one.as_slice()),
            _ => {
                let split = 1 << (leaves.len() - 1).ilog2();
                node_hash(tree_hash(&leaves[..split]), tree_hash(&leaves[split..]))
            }
        }
    }

    #[test]
    fn incremental_root_is_the_defined_one() {
        for blocks in 0..70 {
            let leaves: Vec<_> = (0..blocks).map(B256::repeat_byte).collect();
            assert_eq!(log(blocks).root(), tree_hash(&leaves).0, "{blocks} blocks");
        }
    }

    #[test]
    fn signed_checkpoint_verifies_under_its_key_only() {
        let key = CheckpointKey::from_rng(&mut RngTree::new(1).stream("checkpoint"));
        let other = CheckpointKey::from_rng(&mut RngTree::new(2).stream("checkpoint"));
        let log = log(5);
        let (ours, theirs) = (origin(&[7; 32]), origin(&[8; 32]));
        let note = log.sign(&ours, &key).unwrap();
        assert_eq!(verify(&note, &ours, &key.public()).unwrap(), TreeHead { size: 5, root: log.root() });
        assert!(note.starts_with("cellbed/ledger/0707"), "{note}");
        assert!(verify(&note, &ours, &other.public()).is_err());
        assert!(verify(&note, &theirs, &key.public()).is_err());
        let forged = note.replace("\n5\n", "\n4\n");
        assert!(verify(&forged, &ours, &key.public()).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_refused_in_good_order(note in "\\PC*") {
            prop_assert!(verify(&note, "cellbed/ledger/7", &[1; 32]).is_err());
        }
    }
}
