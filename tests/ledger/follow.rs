//! Another client of transparency logs follows an exported ledger.

use std::path::Path;
use std::process::Command;

use cellbed::cli::ledger::export;

use crate::engines::answer;
use crate::lab::{Card, Lab};
use crate::support::{need, on_path};

/// Needs Go and the checksum database's packages (Debian: golang-go, golang-golang-x-mod-dev), which know the formats from
/// their origin: signed notes, trees and tiles.
#[test]
fn another_client_follows_checkpoint_and_tiles() {
    let sources = Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb");
    let found = on_path("go").and_then(|go| match sources.is_dir() {
        true => Ok(go),
        false => Err(format!("{} is not there", sources.display())),
    });
    let unproved = "another client verifies checkpoint, tiles, inclusion and consistency";
    let Some(go) = need("go-sumdb", unproved, found) else { return };
    let dir = tempfile::tempdir().unwrap();
    // More than one tile.
    let mut lab = Lab::on_disk(dir.path());
    while lab.ledger.head().number + 1 < 300 {
        lab.seal();
    }
    let out = dir.path().join("exported");
    let earlier = dir.path().join("earlier");
    std::fs::write(&earlier, lab.ledger.checkpoint()).unwrap();
    lab.register(&Card::new(20));
    export(&dir.path().join("ledger"), &out, &mut Vec::new()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ledger/follow.go");
    let run = |earlier: &Path| {
        Command::new(&go)
            .args(["run", script])
            .args([&out, earlier])
            .env("GOPATH", "/usr/share/gocode")
            .env("GO111MODULE", "off")
            .env("GOFLAGS", "")
            .env("GOCACHE", std::env::temp_dir().join("cellbed-go-cache"))
            .output()
            .unwrap()
    };
    let told = answer(&run(&earlier));
    assert_eq!((told["size"].as_u64(), told["earlier"].as_u64()), (Some(301), Some(300)));
    assert_eq!(told["head"], hex::encode(lab.ledger.head().hash));

    // One leaf of an old tile is another one.
    let tile = out.join("tile/0/000");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    assert!(!run(&earlier).status.success());
}
