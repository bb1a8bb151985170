//! Profile packages as a user meets them: the commands by their exit codes, files and messages.
#![allow(clippy::disallowed_methods, reason = "a test starts the program and reads files")]

use std::fs;

mod support;

const PROFILE: &str = "sim-profiles/lte-test.toml";
const TS_48: &str = "sim-profiles/ts48/ts48-v7.0-nobertlv-noramrfm.der";

/// Runs `cellbed profile`: see [`support::ended`].
fn ended(code: i32, arguments: &[&str]) -> String {
    support::ended(env!("CARGO_BIN_EXE_cellbed"), code, &[&["profile"], arguments].concat())
}

#[test]
fn a_package_is_made_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("card.der");
    let package = package.to_str().unwrap();

    assert!(ended(96, &["build", PROFILE]).contains("say with -o"));
    assert!(ended(0, &["build", PROFILE, "--index", "3", "-o", package]).contains("holds K"));
    assert!(ended(0, &["check", package, TS_48]).lines().all(|line| line.ends_with("in order")));

    let shown = ended(0, &["show", package, "--json", "--show-identifiers"]);
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let file = |name: &str| json["files"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap();
    assert_eq!(file("ef-imsi")["content"], "080910100000000040");
    assert_eq!(file("ef-keys")["withheld"], "keys");
    assert!(json["keys"][0]["k"].is_null());

    assert!(ended(0, &["build", PROFILE, "--base", TS_48, "-o", package]).contains("elements"));
    assert!(ended(0, &["show", package]).contains("Milenage"));
}

#[test]
fn a_package_that_no_card_takes_is_a_finding_and_a_missing_one_a_wrong_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.der");
    let whole = fs::read(TS_48).unwrap();
    // Without the last element, which is eleven bytes or fewer.
    let end = whole.iter().rposition(|byte| *byte == 0xaa).unwrap();
    fs::write(&cut, &whole[..end]).unwrap();
    let cut = cut.to_str().unwrap();
    for verb in ["check", "show"] {
        let said = ended(100, &[verb, cut]);
        assert!(said.contains("element 24 (securityDomain): the package is cut off"), "{said}");
    }
    assert!(ended(96, &["check", "no/such.der"]).contains("no/such.der"));
    assert!(ended(96, &["show", PROFILE]).contains("this is text, no form of DER"));
}
