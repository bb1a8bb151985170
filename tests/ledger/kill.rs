//! A ledger that is killed at any moment holds every block that it acknowledged, and goes on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cellbed::cli::ledger::{Brought, verify as verify_command};
use cellbed::io::ledger_store::FileStore;
use cellbed::kernel::RngTree;
use cellbed::ledger::{Anchors, Depth, verify};
use rand_core::RngCore;

use crate::lab::{Card, Lab};

const DIRECTORY: &str = "CELLBED_TEST_LEDGER_WRITER";
const KILLS: u32 = 50;

/// What the parent starts: it registers devices and acknowledges each block until it is killed.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let mut lab = Lab::open_on_disk(Path::new(&dir));
    for number in lab.ledger.head().number as u32.. {
        lab.register(&Card::new(number));
        let head = lab.ledger.head();
        println!("sealed {} {}", head.number, hex::encode(head.hash));
    }
}

#[test]
fn no_acknowledged_block_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    drop(Lab::on_disk(dir.path()));
    let mut moments = RngTree::new(7).stream("kill");
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    let mut interrupted = 0;
    for _ in 0..KILLS {
        acknowledged.extend(write_until(dir.path(), moments.next_u32() % 40));
        // As it was left, before anybody repairs it.
        let mut store = FileStore::read_only(&dir.path().join("ledger")).unwrap();
        let found = verify(&mut store, Depth::Full, &Anchors::default(), &None).unwrap();
        interrupted +=
            u32::from(found.covered < found.blocks || found.unsealed.is_some() || found.torn.is_some());
        assert!(acknowledged.last().is_some_and(|(last, _)| found.head.number >= *last), "{found:?}");
        let lab = Lab::open_on_disk(dir.path());
        let (last, hash) = acknowledged.last().unwrap();
        let head = lab.ledger.head();
        assert!(head.number >= *last, "block {last} was acknowledged, the head is {}", head.number);
        if head.number == *last {
            assert_eq!(&hex::encode(head.hash), hash);
        }
    }
    let brought = Brought { full: true, ..Brought::default() };
    verify_command(&dir.path().join("ledger"), &brought, &mut Vec::new()).unwrap();
    let numbers: Vec<_> = acknowledged.iter().map(|(number, _)| *number).collect();
    assert!(numbers.is_sorted(), "a block was sealed twice");
    println!(
        "{} blocks acknowledged, {interrupted} of {KILLS} kills between block and checkpoint",
        numbers.len()
    );
}

/// Runs a writer until `millis` after its first acknowledgement, and returns what it acknowledged.
fn write_until(dir: &Path, millis: u32) -> Vec<(u64, String)> {
    let mut child: Child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::writer", "--exact", "--nocapture"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let read = |line: String| {
        let rest = line.split_once("sealed ")?.1;
        let (number, hash) = rest.split_once(' ')?;
        // The kill can cut the last line off.
        (hash.len() == 64).then(|| Some((number.parse().ok()?, hash.to_owned())))?
    };
    let first = lines.by_ref().find_map(read).expect("the writer seals a block");
    std::thread::sleep(Duration::from_millis(millis.into()));
    child.kill().unwrap();
    child.wait().unwrap();
    std::iter::once(first).chain(lines.filter_map(read)).collect()
}
