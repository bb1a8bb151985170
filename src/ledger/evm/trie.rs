//! The Merkle Patricia trie in memory (Ethereum Yellow Paper, appendix D), for keys of 32 hashed bytes.
//!
//! Every node remembers its reference, so that a block costs the paths that it touched and no more. All keys
//! have one length, so no branch ever holds a value of its own.

use alloy_primitives::{B256, keccak256};
use alloy_trie::nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieMask};

/// A trie, empty at first.
#[derive(Debug, Default)]
pub struct Trie {
    root: Option<Box<Node>>,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    /// How a parent refers to this node; none since a change below it.
    reference: Option<RlpNode>,
}

#[derive(Debug)]
enum Kind {
    Leaf { path: Nibbles, value: Box<[u8]> },
    Extension { path: Nibbles, child: Box<Node> },
    Branch(Box<[Option<Box<Node>>; 16]>),
}

impl Trie {
    /// Sets the value (RLP) under a hashed key; an empty value removes the key.
    pub fn set(&mut self, key: B256, value: &[u8]) {
        let path = Nibbles::unpack(key);
        let root = self.root.take();
        self.root = if value.is_empty() {
            root.and_then(|node| remove(node, path))
        } else {
            Some(insert(root, path, value))
        };
    }

    /// The nodes from the root to where `key` is or would be (EIP-1186): what proves its value, or that it has none, to
    /// whoever knows the root. `None` where something has changed since the root was computed.
    pub fn prove(&self, key: B256) -> Option<Vec<Vec<u8>>> {
        let (mut path, mut at) = (Nibbles::unpack(key), self.root.as_deref());
        let mut nodes = Vec::new();
        while let Some(node) = at {
            let reference = node.reference.as_ref()?;
            // The bytes of a short node stand in its parent.
            if nodes.is_empty() || reference.as_hash().is_some() {
                nodes.push(node.rlp()?);
            }
            at = match &node.kind {
                Kind::Leaf { .. } => None,
                Kind::Extension { path: own, child } if path.starts_with(own) => {
                    path = path.slice(own.len()..);
                    Some(child)
                }
                Kind::Extension { .. } => None,
                Kind::Branch(children) => {
                    let child = children[nibble(&path, 0)].as_deref();
                    path = path.slice(1..);
                    child
                }
            };
        }
        Some(nodes)
    }

    /// The root hash, recomputed where something changed.
    pub fn root(&mut self) -> B256 {
        match &mut self.root {
            None => EMPTY_ROOT_HASH,
            Some(node) => hash_of(&node.reference(&mut Vec::new())),
        }
    }

    /// The root hash; `None` where something has changed since it was computed.
    pub fn known_root(&self) -> Option<B256> {
        self.root.as_ref().map_or(Some(EMPTY_ROOT_HASH), |node| node.reference.as_ref().map(hash_of))
    }
}

/// The hash of the root that is referred to so.
fn hash_of(reference: &RlpNode) -> B256 {
    reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()))
}

impl Node {
    fn new(kind: Kind) -> Box<Self> {
        Box::new(Self { kind, reference: None })
    }

    fn reference(&mut self, buffer: &mut Vec<u8>) -> RlpNode {
        if let Some(known) = &self.reference {
            return known.clone();
        }
        let reference = match &mut self.kind {
            Kind::Leaf { path, value } => {
                buffer.clear();
                LeafNodeRef::new(path, value).rlp(buffer)
            }
            Kind::Extension { path, child } => {
                let below = child.reference(buffer);
                buffer.clear();
                ExtensionNodeRef::new(path, below.as_slice()).rlp(buffer)
            }
            Kind::Branch(children) => {
                let mut stack = Vec::with_capacity(16);
                let mut mask = 0u16;
                for (nibble, child) in children.iter_mut().enumerate() {
                    if let Some(child) = child {
                        mask |= 1 << nibble;
                        stack.push(child.reference(buffer));
                    }
                }
                buffer.clear();
                BranchNodeRef::new(&stack, TrieMask::new(mask)).rlp(buffer)
            }
        };
        self.reference = Some(reference.clone());
        reference
    }

    /// The bytes of this node, where all below it have their references.
    fn rlp(&self) -> Option<Vec<u8>> {
        let mut buffer = Vec::new();
        match &self.kind {
            Kind::Leaf { path, value } => LeafNodeRef::new(path, value).rlp(&mut buffer),
            Kind::Extension { path, child } => {
                ExtensionNodeRef::new(path, child.reference.as_ref()?.as_slice()).rlp(&mut buffer)
            }
            Kind::Branch(children) => {
                let mut stack = Vec::with_capacity(16);
                let mut mask = 0u16;
                for (nibble, child) in children.iter().enumerate() {
                    if let Some(child) = child {
                        mask |= 1 << nibble;
                        stack.push(child.reference.clone()?);
                    }
                }
                BranchNodeRef::new(&stack, TrieMask::new(mask)).rlp(&mut buffer)
            }
        };
        Some(buffer)
    }
}

fn insert(node: Option<Box<Node>>, path: Nibbles, value: &[u8]) -> Box<Node> {
    let Some(mut node) = node else { return leaf(path, value) };
    node.reference = None;
    match &mut node.kind {
        Kind::Leaf { path: own, value: held } => {
            let shared = own.common_prefix_length(&path);
            if shared == own.len() {
                *held = value.into();
                return node;
            }
            let mut children = no_children();
            children[nibble(own, shared)] = Some(leaf(own.slice(shared + 1..), held));
            children[nibble(&path, shared)] = Some(leaf(path.slice(shared + 1..), value));
            extend(path.slice(..shared), Node::new(Kind::Branch(children)))
        }
        Kind::Extension { path: own, .. } => {
            let own = *own;
            let shared = own.common_prefix_length(&path);
            let Kind::Extension { child, .. } = node.kind else { unreachable!("matched above") };
            if shared == own.len() {
                return extend(own, insert(Some(child), path.slice(shared..), value));
            }
            let mut children = no_children();
            children[nibble(&own, shared)] = Some(extend(own.slice(shared + 1..), child));
            children[nibble(&path, shared)] = Some(leaf(path.slice(shared + 1..), value));
            extend(path.slice(..shared), Node::new(Kind::Branch(children)))
        }
        Kind::Branch(children) => {
            let slot = &mut children[nibble(&path, 0)];
            *slot = Some(insert(slot.take(), path.slice(1..), value));
            node
        }
    }
}

fn remove(mut node: Box<Node>, path: Nibbles) -> Option<Box<Node>> {
    node.reference = None;
    match node.kind {
        Kind::Leaf { path: own, .. } if own == path => None,
        Kind::Leaf { .. } => Some(node),
        Kind::Extension { path: own, child } => {
            if !path.starts_with(&own) {
                return Some(extend(own, child));
            }
            Some(prefixed(own, remove(child, path.slice(own.len()..))?))
        }
        Kind::Branch(mut children) => {
            let slot = &mut children[nibble(&path, 0)];
            *slot = slot.take().and_then(|child| remove(child, path.slice(1..)));
            if children.iter().flatten().count() > 1 {
                return Some(Node::new(Kind::Branch(children)));
            }
            let (index, last) = children
                .iter_mut()
                .enumerate()
                .find_map(|(index, child)| child.take().map(|child| (index, child)))?;
            Some(prefixed(Nibbles::from_nibbles([index as u8]), last))
        }
    }
}

/// The node that stands for `child` at the end of `prefix`, in its only canonical form.
fn prefixed(prefix: Nibbles, mut child: Box<Node>) -> Box<Node> {
    match &mut child.kind {
        Kind::Leaf { path, .. } | Kind::Extension { path, .. } => {
            *path = prefix.join(path);
            child.reference = None;
            child
        }
        Kind::Branch(_) => extend(prefix, child),
    }
}

fn extend(path: Nibbles, child: Box<Node>) -> Box<Node> {
    if path.is_empty() { child } else { Node::new(Kind::Extension { path, child }) }
}

fn leaf(path: Nibbles, value: &[u8]) -> Box<Node> {
    Node::new(Kind::Leaf { path, value: value.into() })
}

fn no_children() -> Box<[Option<Box<Node>>; 16]> {
    Box::new(std::array::from_fn(|_| None))
}

/// The nibble of a path that has one at `index`: keys have one length, so a path never ends inside another.
fn nibble(path: &Nibbles, index: usize) -> usize {
    usize::from(path.get_unchecked(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, U256};
    use alloy_trie::proof::verify_proof;
    use alloy_trie::root::storage_root;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(steps: &[(B256, u8)]) {
        let mut trie = Trie::default();
        let mut model = BTreeMap::new();
        for (key, value) in steps {
            let value = U256::from(*value);
            if value.is_zero() {
                model.remove(key);
                trie.set(*key, &[]);
            } else {
                model.insert(*key, value);
                trie.set(*key, &alloy_rlp::encode(value));
            }
            let expected = storage_root(model.iter().map(|(key, value)| (*key, *value)));
            assert_eq!(trie.root(), expected, "after {} keys", model.len());
        }
        // Alloy's verifier takes the proof of every key, of those too that there are not, and of no other value.
        let root = trie.root();
        for key in steps.iter().map(|(key, _)| *key).chain([B256::ZERO, B256::repeat_byte(0xee)]) {
            let proof: Vec<Bytes> = trie.prove(key).unwrap().into_iter().map(Bytes::from).collect();
            let value = model.get(&key).map(alloy_rlp::encode);
            let path = Nibbles::unpack(key);
            assert_eq!(verify_proof(root, path, value.clone(), &proof), Ok(()), "{key}: {value:?}");
            let other = value.map_or_else(|| Some(vec![1]), |_| None);
            assert!(verify_proof(root, path, other, &proof).is_err());
        }
    }

    #[test]
    fn empty_trie_has_the_known_root() {
        assert_eq!(Trie::default().root(), EMPTY_ROOT_HASH);
        assert_eq!(Trie::default().prove(B256::ZERO), Some(Vec::new()));
    }

    #[test]
    fn nothing_is_proved_of_a_trie_whose_root_is_not_computed() {
        let mut trie = Trie::default();
        trie.set(B256::ZERO, &[1]);
        assert_eq!(trie.prove(B256::ZERO), None);
        trie.root();
        assert_eq!(trie.prove(B256::ZERO).map(|nodes| nodes.len()), Some(1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Keys that share long prefixes, so that extensions split and collapse.
        #[test]
        fn agrees_with_the_hash_builder(steps in proptest::collection::vec((0u8..4, 0u8..4, 0u8..4, 0u8..3), 1..60)) {
            let steps: Vec<_> = steps
                .into_iter()
                .map(|(a, b, c, value)| {
                    let mut key = B256::ZERO;
                    key[0] = a;
                    key[15] = b << 4;
                    key[31] = c;
                    (key, value)
                })
                .collect();
            check(&steps);
        }

        #[test]
        fn agrees_on_hashed_keys(steps in proptest::collection::vec((0u8..24, 0u8..4), 1..80)) {
            let steps: Vec<_> = steps.into_iter().map(|(key, value)| (keccak256([key]), value)).collect();
            check(&steps);
        }
    }
}
