//! `contracts/TABLES.md` says what the compiler and the engine say.

use std::fmt::Write;
use std::{env, fs};

use cellbed::ledger::TxOutcome;
use serde_json::Value;

use crate::every::every_method;
use crate::lab::Lab;

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts/TABLES.md");
const HEAD: &str = "# Storage and gas of the DeviceRegistry\n\nWritten by the test `tables_are_as_compiled_and_measured` \
    (`INSTA_UPDATE=always` writes it anew); do not edit.\n";

fn artefact() -> Value {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts/DeviceRegistry.json");
    serde_json::from_str(&fs::read_to_string(text).unwrap()).unwrap()
}

/// One row for each member: slot, first byte from the low end, type and name.
fn members(title: &str, members: &Value, text: &mut String) {
    writeln!(text, "\n### {title}\n\n| slot | byte | type | name |\n|---|---|---|---|").unwrap();
    for member in members.as_array().unwrap() {
        let word = |name: &str| member[name].as_str().unwrap().to_owned();
        let (slot, byte) = (&member["slot"], &member["offset"]);
        writeln!(text, "| {slot} | {byte} | `{}` | `{}` |", word("type"), word("label")).unwrap();
    }
}

fn what_became(outcome: &TxOutcome) -> &'static str {
    match outcome {
        TxOutcome::Done => "done",
        TxOutcome::Unchanged => "unchanged",
        other => other.refusal().unwrap(),
    }
}

#[test]
fn tables_are_as_compiled_and_measured() {
    let artefact = artefact();
    let mut text = HEAD.to_owned();
    text += "\n## Storage\n\nBytes count from the low end of a slot. A mapping's value stands at keccak256(key || slot), an array's \
        first at keccak256(slot).\n";
    members("The contract", &artefact["layout"]["variables"], &mut text);
    for (name, structure) in artefact["layout"]["structs"].as_object().unwrap() {
        members(name, structure, &mut text);
    }
    let size = artefact["runtime"].as_str().unwrap().len() / 2 - 1;
    writeln!(
        text,
        "\n## Gas\n\nThe code has {size} of 24,576 bytes that EIP-170 allows. Gas is what a receipt has."
    )
    .unwrap();
    text += "\n| call | gas | outcome |\n|---|---|---|\n";
    let (mut lab, _) = Lab::in_memory();
    for called in every_method(&mut lab) {
        writeln!(text, "| {} | {} | {} |", called.name, called.gas, what_became(&called.outcome)).unwrap();
    }
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(TABLES, &text).unwrap();
    }
    let kept = fs::read_to_string(TABLES).unwrap_or_default();
    assert!(kept == text, "contracts/TABLES.md is not what is compiled and measured; it would be:\n{text}");
}
