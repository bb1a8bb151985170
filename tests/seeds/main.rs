//! The seeds of the fuzz targets: messages of real runs and what the fuzzer has found, taken by the same code that it runs.
//!
//! `cargo test --test seeds -- --ignored` makes those of real runs anew.
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

mod renew;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use targets::TARGETS;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

fn seeds(target: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_target_has_seeds_and_every_folder_a_target() {
    let folders: BTreeSet<_> =
        fs::read_dir(folder("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name.into()).collect();
    assert_eq!(folders, names);
    for target in TARGETS {
        let seeds = seeds(target.name);
        assert!(seeds.len() >= 4, "{} has {} seeds", target.name, seeds.len());
        for path in seeds {
            let length = fs::metadata(&path).unwrap().len();
            assert!(length <= target.longest as u64, "{} has {length} bytes", path.display());
        }
    }
}

#[test]
fn every_seed_is_taken() {
    std::thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(move || {
                for path in seeds(target.name) {
                    let bytes = fs::read(&path).unwrap();
                    let taken = std::panic::catch_unwind(|| (target.run)(&bytes));
                    assert!(taken.is_ok(), "{} breaks {}", path.display(), target.name);
                }
            });
        }
    });
}

/// A seed and what is near to it: shortened, and with single bits turned. What a fuzzer would try first, in each run of the
/// tests.
#[test]
fn what_is_near_to_a_seed_is_taken() {
    const TRIES: usize = 24;
    std::thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(move || {
                for path in seeds(target.name).iter().step_by(4) {
                    let seed = fs::read(path).unwrap();
                    for turn in 0..TRIES.min(seed.len() * 8) {
                        let mut bytes = seed.clone();
                        let bit = turn * (seed.len() * 8 / TRIES).max(1) + turn % 8;
                        match turn % 4 {
                            0 => bytes.truncate(bit / 8),
                            _ => bytes[bit / 8 % seed.len()] ^= 1 << (bit % 8),
                        }
                        let taken = std::panic::catch_unwind(|| (target.run)(&bytes));
                        assert!(taken.is_ok(), "{} with turn {turn} breaks {}", path.display(), target.name);
                    }
                }
            });
        }
    });
}
