//! What `lab/run` and `lab/test` share: two clones with one build cache get each their own program.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/packages.sh");
/// As `lab/run` does it: builds, then starts what it has built.
const RUN: &str = "set -euo pipefail; source \"$1\"; build_release; exec \"$release\"";
/// As `lab/test` does it: the tests have the build cache for themselves.
const TEST: &str = "set -euo pipefail; source \"$1\"; checks() { own_build dev; cargo test --locked; }; \
                    locked tests checks";

/// A clone of a small package of the same name, whose program says `says` and whose test expects it.
fn clone(folder: &Path, says: &str) -> PathBuf {
    let clone = folder.join(says);
    fs::create_dir_all(clone.join("src")).unwrap();
    fs::create_dir_all(clone.join("tests")).unwrap();
    let files = [
        ("Cargo.toml", "[package]\nname = \"cellbed\"\nversion = \"0.1.0\"\nedition = \"2024\"\n".to_owned()),
        ("Cargo.lock", "version = 4\n[[package]]\nname = \"cellbed\"\nversion = \"0.1.0\"\n".to_owned()),
        ("src/lib.rs", format!("pub const SAYS: &str = \"{says}\";\n")),
        ("src/main.rs", "fn main() { println!(\"{}\", cellbed::SAYS); }\n".to_owned()),
        (
            "tests/says.rs",
            format!(
                "#[test]\nfn says() {{\n    std::thread::sleep(std::time::Duration::from_millis(300));\n    \
                 let program = std::process::Command::new(env!(\"CARGO_BIN_EXE_cellbed\")).output().unwrap();\n    \
                 assert_eq!((cellbed::SAYS, &program.stdout[..]), (\"{says}\", &b\"{says}\\n\"[..]));\n}}\n"
            ),
        ),
    ];
    files.into_iter().for_each(|(name, text)| fs::write(clone.join(name), text).unwrap());
    clone
}

fn start(script: &str, clone: &Path, cache: &Path) -> Child {
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash", SCRIPTS]).current_dir(clone).env("CARGO_TARGET_DIR", cache);
    // What runs these tests has its own build in mind.
    bash.env_remove("RUSTFLAGS").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    bash.spawn().unwrap()
}

/// What it printed; it has to succeed.
fn end(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn a_clone_starts_the_program_that_it_has_built() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    // Both are older than anything that is built: by the age of its files neither is to be built again.
    let clones = ["one", "two"].map(|says| (says, clone(folder.path(), says)));
    for _ in 0..2 {
        for (says, clone) in &clones {
            let said = end(start(RUN, clone, &cache));
            assert_eq!(said.lines().last(), Some(*says), "{said}");
        }
    }
    let both = clones.each_ref().map(|(says, clone)| (says, start(RUN, clone, &cache)));
    for (says, child) in both {
        let said = end(child);
        assert_eq!(said.lines().last(), Some(*says), "{said}");
    }
}

#[test]
fn tests_of_two_clones_do_not_start_each_others_programs() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let clones = ["one", "two"].map(|says| clone(folder.path(), says));
    for _ in 0..2 {
        for child in clones.each_ref().map(|clone| start(TEST, clone, &cache)) {
            end(child);
        }
    }
}
