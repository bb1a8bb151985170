//! The committed artefact is what the committed source compiles to, and what the code speaks to.

use std::process::Command;

use serde_json::Value;

use crate::support::need;

const CONTRACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts");

fn artefact() -> Value {
    let text = std::fs::read_to_string(format!("{CONTRACTS}/DeviceRegistry.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Needs Node.js and the compiler of `contracts/package.json`, found in `contracts/node_modules` or SOLC_JS_DIR.
#[test]
fn source_compiles_to_the_committed_bytecode() {
    let present = Command::new("node")
        .args(["-e", "require.resolve('solc', {paths: [process.env.SOLC_JS_DIR, '.'].filter(Boolean)})"])
        .current_dir(CONTRACTS)
        .output();
    let found = match present {
        Ok(output) if output.status.success() => Ok(()),
        Ok(_) => Err("it is neither in contracts/node_modules nor in SOLC_JS_DIR".to_owned()),
        Err(error) => Err(format!("node does not start ({error})")),
    };
    if need("solc", "the committed bytecode is what the contract's source compiles to", found).is_none() {
        return;
    }
    let output =
        Command::new("node").args(["compile.js", "--print"]).current_dir(CONTRACTS).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let compiled: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(compiled, artefact());
}

/// What `src/ledger/abi.rs` declares by hand is in the ABI, argument by argument.
#[test]
fn declared_interface_is_the_compiled_one() {
    let declared = include_str!("../../src/ledger/abi.rs");
    let start = declared.find("contract DeviceRegistry {").unwrap();
    let declared = &declared[start..start + declared[start..].find("\n}\n").unwrap()];
    let declared =
        declared.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(").replace(" )", ")");
    let artefact = artefact();
    let mut compared = 0;
    for item in artefact["abi"].as_array().unwrap() {
        let kind = item["type"].as_str().unwrap();
        if item["stateMutability"] == "view" {
            continue;
        }
        let arguments: Vec<_> = item["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|input| {
                let indexed = if input["indexed"] == true { " indexed" } else { "" };
                format!("{}{indexed} {}", input["type"].as_str().unwrap(), input["name"].as_str().unwrap())
            })
            .collect();
        let kind = if kind == "constructor" {
            kind.to_owned()
        } else {
            format!("{kind} {}", item["name"].as_str().unwrap())
        };
        let expected = format!("{kind}({})", arguments.join(", "));
        assert!(declared.contains(&expected), "{expected} is not in abi.rs");
        compared += 1;
    }
    assert_eq!(compared, 45, "the ABI has another number of functions, events and errors");
}
