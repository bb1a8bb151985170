//! A second engine, with its own EVM and its own trie, comes to the same head.

use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Card, Lab};
use crate::support::{from_variable, need};

/// Needs Node.js and `npm install @ethereumjs/vm@10 @ethereumjs/blockchain@10 @ethereumjs/statemanager@10` in the
/// directory that ETHEREUMJS_DIR names.
#[test]
fn another_engine_executes_the_chain_to_the_same_head() {
    let unproved = "another engine comes to the same head";
    if need("ethereumjs", unproved, from_variable("ETHEREUMJS_DIR")).is_none() {
        return;
    }
    let (mut lab, store) = Lab::in_memory();
    for number in 1..=3 {
        lab.register(&Card::new(number));
        lab.certify(&Card::new(number), 7);
    }
    lab.register(&Card::with_key_of(1, 9));
    lab.certify(&Card::new(8), 7);
    lab.seal();

    let records = store.contents().records;
    let genesis: Value = serde_json::from_slice(&records[0]).unwrap();
    let blocks: Vec<_> = records[1..].iter().map(hex::encode).collect();
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("chain.json");
    std::fs::write(&export, json!({ "genesis": genesis, "records": blocks }).to_string()).unwrap();
    let output = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ledger/reexecute.js"))
        .arg(&export)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["head"], format!("0x{}", hex::encode(lab.ledger.head().hash)));
}
