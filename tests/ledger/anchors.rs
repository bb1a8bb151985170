//! What a ledger proves to somebody who brings a key, an earlier checkpoint, a witness or a hash; and witnesses.

use std::fs;
use std::path::{Path, PathBuf};

use cellbed::cli::exit::Exit;
use cellbed::cli::ledger::{Asked, Brought, LedgerCliError, verify, witness};
use cellbed::io::witness_folder::WitnessFolder;

use crate::lab::{Card, Lab};

struct Site {
    dir: tempfile::TempDir,
    lab: Lab,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut lab = Lab::on_disk(dir.path());
        lab.register(&Card::new(1));
        Self { dir, lab }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn kept(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn verify(&self, brought: Brought) -> Result<Exit, LedgerCliError> {
        verify(&self.path("ledger"), &brought, &mut Vec::new())
    }

    fn witness(&self, out: &str, key: Option<String>) -> Result<PathBuf, LedgerCliError> {
        self.witness_of(&self.path("ledger"), out, key)
    }

    fn witness_of(&self, ledger: &Path, out: &str, key: Option<String>) -> Result<PathBuf, LedgerCliError> {
        let out = self.path(out);
        let asked = Asked {
            state: self.path("witness"),
            name: "auditor.example/w1".into(),
            key,
            out: Some(out.clone()),
        };
        witness(ledger, &asked, &mut Vec::new())?;
        Ok(out)
    }

    fn key(&self) -> String {
        self.lab.ledger.standing().verifier_key
    }
}

#[test]
fn each_anchor_proves_and_a_wrong_one_is_a_failure() {
    let mut site = Site::new();
    let earlier = site.kept("earlier.txt", site.lab.ledger.checkpoint());
    let head = hex::encode(site.lab.ledger.head().hash);
    site.lab.certify(&Card::new(1), 7);
    let validator = format!("{}", crate::lab::genesis().validators.validators()[0].address);
    let vkey = site.key();
    for brought in [
        Brought { keys: vec![validator.clone()], ..Brought::default() },
        Brought { keys: vec![vkey.clone()], ..Brought::default() },
        Brought { keys: vec![vkey.clone(), validator], ..Brought::default() },
        Brought { checkpoints: vec![earlier.clone()], ..Brought::default() },
        Brought { heads: vec![head], ..Brought::default() },
    ] {
        assert_eq!(site.verify(brought.clone()).unwrap(), Exit::Pass, "{brought:?}");
    }
    assert_eq!(site.verify(Brought::default()).unwrap(), Exit::Inconclusive);
    let forged = fs::read_to_string(&earlier).unwrap().replacen("\n3\n", "\n2\n", 1);
    let forged = site.kept("forged.txt", &forged);
    for (wrong, expected) in [
        (
            Brought { keys: vec![format!("0x{}", "11".repeat(20))], ..Brought::default() },
            "none of its validators",
        ),
        (Brought { keys: vec![vkey.replace("cellbed", "other")], ..Brought::default() }, "not other/ledger"),
        (Brought { checkpoints: vec![forged], ..Brought::default() }, "the checkpoint that was brought"),
        (Brought { heads: vec!["ab".repeat(32)], ..Brought::default() }, "none of its blocks has the hash"),
        (Brought { witnesses: vec!["w+00000000+BA==".into()], ..Brought::default() }, "has not cosigned"),
    ] {
        let error = site.verify(wrong).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert_eq!(error.exit(), Exit::Failed);
    }
    let no_key = site.verify(Brought { keys: vec!["0x12".into()], ..Brought::default() }).unwrap_err();
    assert_eq!(no_key.exit(), Exit::SetUp);
}

#[test]
fn a_witness_signs_what_continues_and_nothing_else() {
    let mut site = Site::new();
    let unknown = site.witness("first.txt", None).unwrap_err();
    assert!(unknown.to_string().contains(&site.key()), "{unknown}");
    assert_eq!(unknown.exit(), Exit::SetUp);
    assert!(!site.path("first.txt").exists());
    let first = site.witness("first.txt", Some(site.key())).unwrap();
    // The same again, and more after it, without the key.
    site.witness("again.txt", None).unwrap();
    let old = tempfile::tempdir().unwrap();
    copy(&site.path("ledger"), old.path());
    site.lab.certify(&Card::new(1), 7);
    site.lab.register(&Card::new(2));
    let second = site.witness("second.txt", None).unwrap();
    let key = WitnessFolder::open(&site.path("witness"), "").unwrap().key().verifier_key();
    for note in [&first, &second] {
        let brought =
            Brought { checkpoints: vec![note.clone()], witnesses: vec![key.clone()], ..Brought::default() };
        assert_eq!(site.verify(brought).unwrap(), Exit::Pass);
    }
    let uncosigned = site.kept("plain.txt", site.lab.ledger.checkpoint());
    let brought = Brought { checkpoints: vec![uncosigned], witnesses: vec![key], ..Brought::default() };
    assert!(site.verify(brought).unwrap_err().to_string().contains("has cosigned no checkpoint"));

    // An older state of the same ledger.
    let refused = site.witness_of(old.path(), "x.txt", None).unwrap_err();
    assert!(refused.to_string().contains("it is an older one"), "{refused}");
    assert_eq!(refused.exit(), Exit::Failed);
    // Another history under the same keys, of the same size and of a greater one.
    let fork_dir = tempfile::tempdir().unwrap();
    let mut fork = Lab::on_disk(fork_dir.path());
    fork.register(&Card::new(1));
    fork.certify(&Card::new(1), 9);
    fork.register(&Card::new(2));
    for _ in 0..2 {
        let refused = site.witness_of(&fork_dir.path().join("ledger"), "x.txt", None).unwrap_err();
        assert!(refused.to_string().contains("a fork"), "{refused}");
        fork.register(&Card::new(3));
    }
    assert!(!site.path("x.txt").exists());
    // What it refused changed nothing.
    site.lab.register(&Card::new(4));
    site.witness("third.txt", None).unwrap();
}

/// Nothing leaves where it could not be remembered.
#[test]
fn a_witness_that_cannot_remember_signs_nothing() {
    let site = Site::new();
    site.witness("first.txt", Some(site.key())).unwrap();
    let memory = fs::read_dir(site.path("witness")).unwrap().map(|entry| entry.unwrap().path());
    let memory = memory.into_iter().find(|path| path.extension().is_some_and(|e| e == "checkpoint")).unwrap();
    let blocked = memory.with_extension("checkpoint.cellbed-new");
    fs::create_dir(&blocked).unwrap();
    let error = site.witness("second.txt", None).unwrap_err();
    assert_eq!(error.exit(), Exit::SetUp, "{error}");
    assert!(!site.path("second.txt").exists());
    fs::remove_dir(blocked).unwrap();
    fs::write(&memory, "nonsense").unwrap();
    let error = site.witness("second.txt", None).unwrap_err().to_string();
    assert!(error.contains("no memory of a witness"), "{error}");
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn what_is_no_ledger_or_no_key_of_a_witness_is_said_before_anything_is_judged() {
    let site = Site::new();
    let error = site.verify(Brought { witnesses: vec!["auditor".into()], ..Brought::default() }).unwrap_err();
    assert_eq!(error.exit(), Exit::SetUp, "{error}");
    assert!(error.to_string().contains("\"auditor\" is no verifier key of a witness"), "{error}");
    let error = verify(site.dir.path(), &Brought::default(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.exit(), Exit::SetUp, "{error}");
    assert!(
        error.to_string().contains("is no ledger; a run leaves its ledger in runs/last/ledger"),
        "{error}"
    );
}
