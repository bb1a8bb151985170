//! `cellbed update`: manifests and repositories by hand, and python-tuf as the reader of the latter.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::{from_variable, need};

const KEY: &str = "tests/vectors/update-key.pem";
/// Its public half.
const PUBLIC: &str = "b6af0e271ab51effbb1c2d95b786bfe738d6820cab3778143\
    3c84f27303232b1532610d67b55f55412a3eac5f46aea00202b461e7a26da67f99f92b4a398faf2";

fn cellbed(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_cellbed");
    Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// An image and its manifest in `folder`.
fn signed(folder: &Path) -> (String, String) {
    let at = |name: &str| folder.join(name).display().to_string();
    let (image, manifest) = (at("app-7.bin"), at("app-7.suit"));
    fs::write(&image, [7; 5000]).unwrap();
    let (code, told) =
        said(&cellbed(&["update", "sign", &image, "--key", KEY, "--sequence", "7", "-o", &manifest]));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(PUBLIC) && told.contains("5000 bytes"), "{told}");
    (image, manifest)
}

#[test]
fn a_manifest_is_signed_shown_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let (image, manifest) = signed(folder.path());
    let (code, shown) = said(&cellbed(&["update", "show", &manifest]));
    assert_eq!(code, Some(0), "{shown}");
    for line in ["sequence number 7", "component 0: app", "image size 5000", "  fetch", "  invoke"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    // As Python's uuid.uuid5(NAMESPACE_DNS, "cellbed.test") has it, and below that "cellbed-virtual-1".
    assert!(shown.contains("set vendor 3eb3f6bede05505d885b28d93e025714"), "{shown}");
    assert!(shown.contains("set class 7dd4bbf3356952c6815a85754837fed8"), "{shown}");
    let verify = |more: &[&str]| said(&cellbed(&[&["update", "verify", &manifest], more].concat()));
    let (code, told) = verify(&["--key", PUBLIC, "--image", &image]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("is in order"), "{told}");
    let other_key = PUBLIC.replacen('b', "a", 1);
    for (more, word) in [
        (vec!["--key", &*other_key], "none of the signatures"),
        (vec!["--key", PUBLIC, "--vendor", "other.test"], "another vendor"),
        (vec!["--key", PUBLIC, "--model", "other"], "another class"),
        (vec!["--key", PUBLIC, "--component", "modem"], "another component"),
        (vec!["--key", PUBLIC, "--image", "README.md"], "not the one of the manifest"),
    ] {
        let (code, told) = verify(&more);
        assert_eq!(code, Some(100), "{told}");
        assert!(told.contains(word), "{word}: {told}");
    }
}

/// cbor2 and cryptography, which know nothing of SUIT, find digest and signature where the draft has them.
#[test]
fn others_read_and_verify_what_is_signed() {
    let unproved = "that others verify what `update sign` writes";
    let Some(python) = need("python-tuf", unproved, from_variable("TUF_PYTHON")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (_, manifest) = signed(folder.path());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/update/suit_read.py");
    let read =
        |public: &str| said(&Command::new(&python).args(["-B", script, &manifest, public]).output().unwrap());
    let (code, told) = read(PUBLIC);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("version 1 sequence 7 components [[b'app']]"), "{told}");
    assert!(
        told.contains(
            "shared [1, 15, 2, 15] install [21, 2, 3, 15] uri https://updates.cellbed.test/images/"
        ),
        "{told}"
    );
    // The key of the draft's examples.
    let other = "8496811aae0baaabd26157189eecda26beaa8bf11b6f3fe6e2b5659c85dbc0ad\
        3b1f2a4b6c098131c0a36dacd1d78bd381dcdfb09c052db33991db7338b4a896";
    let (code, told) = read(other);
    assert!(code != Some(0), "{told}");
}

#[test]
fn python_tuf_reads_the_repository() {
    let unproved = "that others read what `update publish` writes";
    let Some(python) = need("python-tuf", unproved, from_variable("TUF_PYTHON")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (image, manifest) = signed(folder.path());
    let repository = folder.path().join("repository").display().to_string();
    let publish = |version: &str| {
        said(&cellbed(&[
            "update",
            "publish",
            &manifest,
            &image,
            "--key",
            KEY,
            "--into",
            &repository,
            "--version",
            version,
        ]))
    };
    let (code, told) = publish("1");
    assert_eq!(code, Some(0), "{told}");
    let read = |names: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/update/tuf_read.py");
        said(&Command::new(&python).args(["-B", script, &repository]).args(names).output().unwrap())
    };
    let (code, read_back) = read(&["app-7.suit", "app-7.bin", "app-8.bin"]);
    assert_eq!(code, Some(0), "{read_back}");
    assert!(read_back.contains("app-7.bin 5000 []"), "{read_back}");
    assert!(read_back.contains("app-7.suit ") && read_back.contains("('suit-digest', '"), "{read_back}");
    assert!(read_back.contains("app-8.bin is not there"), "{read_back}");
    // The next version is read as well, and metadata that was changed is not.
    assert_eq!(publish("2").0, Some(0));
    assert_eq!(read(&["app-7.bin"]).0, Some(0));
    let timestamp = Path::new(&repository).join("metadata/timestamp.json");
    let changed = fs::read_to_string(&timestamp).unwrap().replace("\"version\":2", "\"version\":3");
    fs::write(&timestamp, changed).unwrap();
    let (code, refused) = read(&["app-7.bin"]);
    assert!(code != Some(0) && refused.contains("was signed by 0/1 keys"), "{refused}");
}
