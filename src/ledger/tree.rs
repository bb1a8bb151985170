//! The Merkle tree over the block hashes with all its nodes (RFC 6962 clause 2.1): consistency proofs, and the tiles from
//! which others' tools follow a ledger (C2SP tlog-tiles).

use tlog_tiles::tlog::{self, Hash, HashReader};
use tlog_tiles::{Tile, prove_tree};

use super::error::LedgerError;

/// How many levels a tile spans (C2SP tlog-tiles).
const TILE_HEIGHT: u8 = 8;

/// A tree whose leaves are the hashes of blocks, the genesis first. It has 64 bytes a block.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    leaves: Vec<[u8; 32]>,
    nodes: Nodes,
}

/// All nodes, in the order in which they come to be.
#[derive(Debug, Clone, Default)]
struct Nodes(Vec<Hash>);

impl HashReader for Nodes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        let node = |index: &u64| usize::try_from(*index).ok().and_then(|index| self.0.get(index)).copied();
        let found = indexes.iter().map(node).collect::<Option<Vec<_>>>();
        found.ok_or_else(|| tlog::Error::InvalidInput("a node that is not there".into()))
    }
}

fn failed(error: impl std::fmt::Display) -> LedgerError {
    LedgerError::Checkpoint { cause: error.to_string() }
}

impl Tree {
    /// Appends the hash of the next block.
    ///
    /// # Errors
    /// Where the arithmetic of the tree is at an end.
    pub fn push(&mut self, block: [u8; 32]) -> Result<(), LedgerError> {
        let nodes = tlog::stored_hashes(self.size(), &block, &self.nodes).map_err(failed)?;
        self.nodes.0.extend(nodes);
        self.leaves.push(block);
        Ok(())
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The proof that the tree of the first `newer` leaves begins with the first `older` ones (RFC 6962 clause 2.1.2).
    ///
    /// # Errors
    /// Where there are not so many leaves.
    pub fn consistency(&self, older: u64, newer: u64) -> Result<Vec<[u8; 32]>, LedgerError> {
        if newer > self.size() {
            return Err(failed(format!("{newer} leaves are asked for, {} are there", self.size())));
        }
        let proof = prove_tree(newer, older, &self.nodes).map_err(failed)?;
        Ok(proof.into_iter().map(|hash| hash.0).collect())
    }

    /// The tiles and bundles of entries of the tree of the first `size` leaves, each with the path below the prefix of
    /// the log at which it is served.
    ///
    /// # Errors
    /// Where there are not so many leaves.
    pub fn tiles(&self, size: u64) -> Result<Vec<(String, Vec<u8>)>, LedgerError> {
        let mut files = Vec::new();
        for tile in Tile::new_tiles(TILE_HEIGHT, 0, size) {
            // The crate has the height in the path, as Go's checksum database does; C2SP's paths have none.
            let path = tile.path();
            let path = path.strip_prefix("tile/8/").unwrap_or(&path);
            if tile.level() == 0 {
                let name = path.strip_prefix("0/").unwrap_or(path);
                let first = tile.level_index() * 256;
                files.push((format!("tile/entries/{name}"), self.entries(first, tile.width())?));
            }
            files.push((format!("tile/{path}"), tile.read_data(&self.nodes).map_err(failed)?));
        }
        Ok(files)
    }

    /// Entries with their lengths before them (16 bits, big endian).
    fn entries(&self, first: u64, count: u32) -> Result<Vec<u8>, LedgerError> {
        let range = usize::try_from(first).ok().map(|first| first..first + count as usize);
        let leaves = range.and_then(|range| self.leaves.get(range));
        let leaves = leaves.ok_or_else(|| failed("an entry that is not there"))?;
        Ok(leaves.iter().flat_map(|leaf| [[0, 32].as_slice(), leaf].concat()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::checkpoint::MerkleLog;

    fn leaf(number: u64) -> [u8; 32] {
        let mut leaf = [0; 32];
        leaf[..8].copy_from_slice(&number.to_be_bytes());
        leaf
    }

    #[test]
    fn proofs_hold_between_all_trees_and_between_no_others() {
        let (mut tree, mut log, mut roots) = (Tree::default(), MerkleLog::default(), vec![]);
        for number in 0..20 {
            tree.push(leaf(number)).unwrap();
            log.push(leaf(number).into());
            roots.push(Hash(log.root()));
        }
        for newer in 1..=20u64 {
            for older in 1..=newer {
                let proof = tree.consistency(older, newer).unwrap().into_iter().map(Hash).collect();
                let root = |size: u64| roots[size as usize - 1];
                tlog::check_tree(&proof, newer, root(newer), older, root(older)).unwrap();
                let other = if older == 1 { root(2) } else { root(older - 1) };
                assert!(tlog::check_tree(&proof, newer, root(newer), older, other).is_err());
            }
        }
        assert!(tree.consistency(1, 21).is_err() && tree.consistency(0, 20).is_err());
    }

    /// The example of C2SP tlog-tiles: "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial
    /// level 0 tile of width 112, one full level 1 tile, one partial level 1 tile of width 17, and one partial level 2
    /// tile of width 1".
    #[test]
    fn tiles_are_those_of_the_specification() {
        let mut tree = Tree::default();
        for number in 0..70_000 {
            tree.push(leaf(number)).unwrap();
        }
        let files = tree.tiles(70_000).unwrap();
        let count = |prefix: &str, partial: bool| {
            files
                .iter()
                .filter(|(path, _)| path.starts_with(prefix) && path.contains(".p/") == partial)
                .count()
        };
        assert_eq!((count("tile/0/", false), count("tile/0/", true)), (273, 1));
        assert_eq!((count("tile/1/", false), count("tile/1/", true)), (1, 1));
        assert_eq!((count("tile/2/", false), count("tile/2/", true)), (0, 1));
        assert_eq!((count("tile/entries/", false), count("tile/entries/", true)), (273, 1));
        for (path, octets) in [
            ("tile/0/000", 256 * 32),
            ("tile/0/273.p/112", 112 * 32),
            ("tile/1/001.p/17", 17 * 32),
            ("tile/2/000.p/1", 32),
            ("tile/entries/272", 256 * 34),
            ("tile/entries/273.p/112", 112 * 34),
        ] {
            let found = files.iter().find(|(name, _)| name == path);
            assert_eq!(found.map(|(_, bytes)| bytes.len()), Some(octets), "{path}");
        }
    }
}
