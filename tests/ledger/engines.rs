//! Two engines that share no code with ours, each with its own EVM and its own trie, come to the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use alloy_consensus::{Block, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, Log, U256};
use alloy_rlp::{Decodable, Header, RlpDecodable};
use cellbed::cli::ledger::export;
use cellbed::ledger::MemoryStore;
use serde_json::{Value, json};

use crate::every::every_method;
use crate::lab::Lab;
use crate::support::{from_variable, need};

/// A chain on which everything happened, and its records.
fn eventful_chain() -> (Lab, MemoryStore) {
    let (mut lab, store) = Lab::in_memory();
    every_method(&mut lab);
    lab.seal();
    (lab, store)
}

/// What the program of Node.js prints about a chain.
fn node(program: &str, chain: &Value) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("chain.json");
    std::fs::write(&export, chain.to_string()).unwrap();
    let program = format!("{}/tests/ledger/{program}", env!("CARGO_MANIFEST_DIR"));
    answer(&Command::new("node").arg(program).arg(&export).output().unwrap())
}

/// What a program that has done its work has printed.
pub fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Needs Node.js and what `package.json` beside this file names, in the folder that ETHEREUMJS_DIR names.
#[test]
fn another_engine_executes_the_chain_to_the_same_head() {
    let unproved = "another engine comes to the same head, and finds every seal right";
    if need("ethereumjs", unproved, from_variable("ETHEREUMJS_DIR")).is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Lab::on_disk(dir.path());
    every_method(&mut lab);
    let out = dir.path().join("exported");
    export(&dir.path().join("ledger"), &out, &mut Vec::new()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ledger/reexecute.js");
    let run = || Command::new("node").arg(script).arg(&out).output().unwrap();
    assert_eq!(answer(&run())["head"], text(lab.ledger.head().hash));

    // It looks at what it says that it looks at.
    let seals = std::fs::read_to_string(out.join("seals.jsonl")).unwrap();
    let later = seals.replacen("\"timeMs\":17000", "\"timeMs\":17001", 1);
    std::fs::write(out.join("seals.jsonl"), later).unwrap();
    let error = String::from_utf8(run().stderr).unwrap();
    assert!(error.contains("the seal is of nobody who seals"), "{error}");
}

/// The parts of a stored block that another engine can be asked about.
struct Stored {
    block: Block<TxEnvelope>,
    receipts: Vec<StoredReceipt>,
    changes: Vec<AccountChange>,
}

#[derive(RlpDecodable)]
struct StoredReceipt {
    kind: u8,
    success: bool,
    cumulative_gas_used: u64,
    logs: Vec<Log>,
}

#[derive(RlpDecodable)]
struct AccountChange {
    address: Address,
    gone: bool,
    balance: U256,
    nonce: u64,
    code: Bytes,
    slots: Vec<SlotChange>,
}

#[derive(RlpDecodable)]
struct SlotChange {
    key: U256,
    value: U256,
}

fn stored(record: &[u8]) -> Stored {
    let rest = &mut &record[..];
    assert!(Header::decode(rest).unwrap().list);
    Stored {
        block: Block::decode(rest).unwrap(),
        receipts: Vec::decode(rest).unwrap(),
        changes: Vec::decode(rest).unwrap(),
    }
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn word(number: U256) -> String {
    text(number.to_be_bytes::<32>())
}

/// What anvil would say of the logs of a receipt.
fn told(logs: &[Log]) -> Value {
    let log = |log: &Log| {
        let topics: Vec<_> = log.topics().iter().map(text).collect();
        json!({ "address": text(log.address), "topics": topics, "data": text(&log.data.data) })
    };
    Value::Array(logs.iter().map(log).collect())
}

/// Needs Node.js and `npm install @foundry-rs/anvil`; ANVIL names the program, or ETHEREUMJS_DIR the folder of both.
#[test]
fn anvil_takes_the_same_transactions() {
    let in_folder = |dir: PathBuf| {
        let program = dir.join("node_modules/.bin/anvil");
        if program.exists() { Ok(program) } else { Err(format!("{} is not there", program.display())) }
    };
    let found = from_variable("ANVIL").or_else(|_| from_variable("ETHEREUMJS_DIR").and_then(in_folder));
    let unproved = "a second engine takes the same transactions to the same storage and receipts";
    let Some(program) = need("anvil", unproved, found) else { return };

    let (lab, store) = eventful_chain();
    let records = store.contents().records;
    let genesis: Value = serde_json::from_slice(&records[0]).unwrap();
    let blocks: Vec<_> = records[1..].iter().step_by(2).map(|record| stored(record)).collect();
    let registry = lab.contract().address;
    let (mut slots, mut code) = (BTreeMap::new(), Bytes::new());
    for change in blocks.iter().flat_map(|block| &block.changes).filter(|one| one.address == registry) {
        assert!(!change.gone && change.balance.is_zero() && change.nonce == 1);
        slots.extend(change.slots.iter().map(|slot| (slot.key, slot.value)));
        if !change.code.is_empty() {
            code = change.code.clone();
        }
    }
    let transactions: Vec<_> = blocks
        .iter()
        .map(|block| {
            let raw = block.block.body.transactions.iter().map(|one| hex::encode(one.encoded_2718()));
            json!({ "time": block.block.header.timestamp, "raw": raw.collect::<Vec<_>>() })
        })
        .collect();
    let chain = json!({
        "anvil": program,
        "genesis": genesis,
        "blocks": transactions,
        "contract": text(registry),
        "slots": slots.keys().copied().map(word).collect::<Vec<_>>(),
    });
    let answer = node("replay.js", &chain);

    assert_eq!(answer["code"], code.to_string());
    assert_eq!(answer["slots"], json!(slots.values().copied().map(word).collect::<Vec<_>>()));
    let receipts = blocks.iter().flat_map(|block| {
        let mut before = 0;
        block.receipts.iter().map(move |receipt| {
            let gas =
                receipt.cumulative_gas_used - std::mem::replace(&mut before, receipt.cumulative_gas_used);
            assert_eq!(receipt.kind, 2);
            json!({ "status": u8::from(receipt.success), "gas": gas, "logs": told(&receipt.logs) })
        })
    });
    assert_eq!(answer["receipts"], Value::Array(receipts.collect()));
}
