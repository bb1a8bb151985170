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

    /// The root hash, recomputed where something changed.
    pub fn root(&mut self) -> B256 {
        match &mut self.root {
            None => EMPTY_ROOT_HASH,
            Some(node) => {
                let reference = node.reference(&mut Vec::new());
                reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()))
            }
        }
    }
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
    use alloy_primitives::U256;
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
    }

    #[test]
    fn empty_trie_has_the_known_root() {
        assert_eq!(Trie::default().root(), EMPTY_ROOT_HASH);
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
