//! No type that holds a secret prints it: what derives `Debug` and has octets or a text under the name of a secret is found in
//! the sources, and stands below with the reason why it is none.
#![allow(clippy::disallowed_methods, reason = "a test reads files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Names of fields that are keys, codes or passwords wherever this program has them.
const NAMES: &str = "k ki op opc top topc ck ik kc kasme kenb key keys secret secrets scalar private private_key \
    pre_shared_key psk kic kid dek password passwords puk pin adm adm1 senc smac s_enc s_mac chaining master session_key \
    shared shared_secret otpk confirmation_code";

/// Fields that are called as a secret is and are none: type, field, and what it is.
const NO_SECRETS: [(&str, &str, &str); 12] = [
    ("LedgerVerifyArgs", "key", "public keys, by which a ledger is verified"),
    ("LedgerWitnessArgs", "key", "a public verifier key"),
    ("Brought", "keys", "public keys, by which a ledger is verified"),
    ("Asked", "key", "a public verifier key"),
    ("StoreError", "key", "under which name a record is kept"),
    ("SlotChange", "key", "a slot of the contract's storage"),
    ("Material", "keys", "keys that do not print themselves, with the files that they are in"),
    ("DownloadArgs", "confirmation_code", "a word of the command line, which anybody on the machine sees"),
    ("OrderArg", "confirmation_code", "the same"),
    ("UpdateVerifyArgs", "key", "the public key of an author, by which a manifest is verified"),
    ("SuitError", "key", "a key of a map in CBOR"),
    ("Question", "key", "the public key of an authority that is asked"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            false => {}
        }
    }
}

/// What is between the bracket at the beginning of `text` and the one that closes it.
fn bracketed(text: &str) -> &str {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(1..at).unwrap_or_default();
        }
    }
    text
}

/// The types of a source that derive `Debug`: name and body.
fn types_that_print(code: &str) -> Vec<(String, String)> {
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices("#[derive(") {
        let list = bracketed(&code[at + "#[derive".len()..]);
        if !list.split(',').any(|one| one.trim() == "Debug") {
            continue;
        }
        let behind = &code[at..];
        let keyword =
            ["struct ", "enum "].into_iter().filter_map(|word| behind.find(word).map(|at| (at, word)));
        let Some((start, word)) = keyword.min() else { continue };
        let named = &behind[start + word.len()..];
        let name: String =
            named.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        let Some(open) = named.find(['{', '(', ';']) else { continue };
        found.push((name, bracketed(&named[open..]).to_owned()));
    }
    found
}

/// The fields of a body whose octets or text a derived `Debug` would print: name and type.
fn printed_fields(body: &str) -> Vec<(String, String)> {
    let field = |line: &str| {
        let (name, kind) = line.trim().trim_end_matches(',').split_once(": ")?;
        let name = name.rsplit([' ', '{', '(']).next()?;
        let raw =
            ["[u8", "Vec<u8>", "String", "Zeroizing", "Scalar", "SecretKey", "U256", "&str", "&'static str"];
        raw.iter().any(|one| kind.contains(one)).then(|| (name.to_owned(), kind.to_owned()))
    };
    body.split_inclusive(['\n', ',']).filter_map(field).collect()
}

fn suspects(code: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (name, body) in types_that_print(code) {
        for (field, kind) in printed_fields(&body) {
            if NAMES.split_whitespace().any(|secret| secret == field) || kind.contains("Zeroizing") {
                found.push((name.clone(), field, kind));
            }
        }
    }
    found
}

#[test]
fn no_derived_debug_prints_a_secret() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut seen = BTreeSet::new();
    let mut printed = Vec::new();
    for file in files {
        let code = fs::read_to_string(&file).unwrap();
        for (name, field, kind) in suspects(&code) {
            match NO_SECRETS.iter().find(|(known, of, _)| (*known, *of) == (&*name, &*field)) {
                Some((known, of, _)) => drop(seen.insert((*known, *of))),
                None => printed.push(format!("{}: {name}.{field}: {kind}", file.display())),
            }
        }
    }
    assert!(printed.is_empty(), "write a Debug by hand that leaves these out:\n{}", printed.join("\n"));
    let told: BTreeSet<_> = NO_SECRETS.iter().map(|(name, field, _)| (*name, *field)).collect();
    assert_eq!(seen, told, "what is said to be public is not there any more");
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let found = |code: &str| {
        suspects(code).into_iter().map(|(name, field, _)| format!("{name}.{field}")).collect::<Vec<_>>()
    };
    assert_eq!(
        found("#[derive(Clone, Debug)]\npub struct A {\n    /// K.\n    pub k: [u8; 16],\n}"),
        ["A.k"]
    );
    assert_eq!(
        found("#[derive(\n    Debug,\n    Clone,\n)]\nstruct B { opc: Vec<u8>, sqn: u64 }"),
        ["B.opc"]
    );
    assert_eq!(
        found("#[derive(Debug)]\n#[serde(x)]\nenum C { None, Some { password: Option<String> } }"),
        ["C.password"]
    );
    assert_eq!(found("#[derive(Debug)]\nstruct D { anything: Zeroizing<[u8; 32]> }"), ["D.anything"]);
    assert!(
        found("#[derive(Clone)]\nstruct E { k: [u8; 16] }\n#[derive(Debug)]\nstruct F { key: RspKey }")
            .is_empty()
    );
}
