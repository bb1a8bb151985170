//! Input for property tests of parsers: what is right, what is nearly right, and anything at all.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// One change to some bytes.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
}

/// `right` as it is, bent in up to three places, or other bytes altogether.
///
/// Random bytes alone hardly ever come further than the first octets of a format.
pub fn bent(right: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let change = prop_oneof![
        4 => (any::<Index>(), 1u8..).prop_map(|(at, mask)| Change::Flip(at, mask)),
        2 => (any::<Index>(), vec(any::<u8>(), 1..6)).prop_map(|(at, with)| Change::Insert(at, with)),
        2 => (any::<Index>(), 1usize..6).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => any::<Index>().prop_map(Change::Cut),
    ];
    let nearly = vec(change, 0..4)
        .prop_map(move |changes| changes.into_iter().fold(right.clone(), |bytes, change| change.of(bytes)));
    prop_oneof![4 => nearly, 1 => vec(any::<u8>(), 0..600)]
}

impl Change {
    fn of(self, mut bytes: Vec<u8>) -> Vec<u8> {
        match self {
            _ if bytes.is_empty() => {}
            Self::Flip(at, mask) => {
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
            }
            Self::Insert(at, with) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, with);
            }
            Self::Remove(at, count) => {
                let at = at.index(bytes.len());
                let end = (at + count).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
        bytes
    }
}
