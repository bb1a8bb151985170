//! What is left in the folder of a run when a device is erased, and what its audit finds in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::*;
use super::search;
use crate::io::ledger_store::FileStore;
use crate::lab::audit::erase::{EraseError, Who, erase};
use crate::lab::audit::folder::{AuditError, audit, read_books};
use crate::ledger::read_history;
use crate::wire::bcd;

fn ran(scenario: &str, runs: &Path) -> PathBuf {
    let path = PathBuf::from(format!("lab/scenarios/{scenario}.toml"));
    let run = Run::load(&path, Path::new("lab/benches/virtual.toml")).unwrap().with_seed(11);
    run.into_folder(runs, None).unwrap().folder
}

/// What names device `number`: what no file may have, and what only the ledger may.
fn names(run: &Path, number: u32) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut nowhere, mut ledger) = (Vec::new(), Vec::new());
    let mut iccids = Vec::new();
    let mut digits = |digits: &str| {
        for form in [digits.to_owned(), format!("9{digits}")] {
            let packed = bcd::packed(&form);
            nowhere.push(packed.iter().map(|octet| octet.rotate_left(4)).collect());
            nowhere.push(packed);
        }
        nowhere.push(digits.as_bytes().to_vec());
    };
    let mut subscriptions = Vec::new();
    let mut uuid = None;
    read_books(run, |fact| match fact {
        Fact::Device { device, iccid, eid, id, name, .. } if device == number => {
            digits(eid.as_str());
            digits(iccid.as_str());
            iccids.push(iccid);
            ledger.push(id.0.to_vec());
            uuid = Some(name);
        }
        Fact::Card { device, public_key: Some(key), certificate: Some(digest) } if device == number => {
            ledger.extend([key.0[..32].to_vec(), key.0[32..].to_vec(), digest.0.to_vec()]);
        }
        Fact::Subscription { imsi, iccid, .. } => subscriptions.push((imsi, iccid)),
        _ => {}
    })
    .unwrap();
    let own = subscriptions.iter().filter(|(_, iccid)| iccids.contains(iccid));
    own.for_each(|(imsi, _)| digits(imsi.as_str()));
    let uuid = uuid.unwrap().to_string();
    nowhere.extend([hex::decode(uuid.replace('-', "")).unwrap(), uuid.into_bytes()]);
    (nowhere, ledger)
}

/// The files of `run` in which any of `needles` stands, however it is written there.
fn having(run: &Path, needles: &[Vec<u8>]) -> Vec<String> {
    let has = |path: &PathBuf| {
        let readings = search::readings(fs::read(path).unwrap());
        let in_one = |reading: &Vec<u8>, needle: &Vec<u8>| {
            reading.windows(needle.len()).any(|window| window == needle.as_slice())
        };
        readings.iter().any(|reading| needles.iter().any(|needle| in_one(reading, needle)))
    };
    let files = search::files(run).into_iter().filter(has);
    files.map(|path| path.strip_prefix(run).unwrap().display().to_string()).collect()
}

#[test]
fn nothing_says_whose_a_record_is_when_the_device_is_erased() {
    let runs = tempfile::tempdir().unwrap();
    let run = ran("clone-proved", runs.path());
    let (nowhere, ledger) = names(&run, 1);
    let recorded = having(&run, &nowhere);
    for file in ["devices.jsonl", "events.jsonl", "transcript.txt", "trace.pcapng", "report.html"] {
        assert!(recorded.contains(&file.to_owned()), "{file}: {recorded:?}");
    }
    let erased = erase(&run, &Who::Number(1)).unwrap();
    // The copy of the card is the same device to everybody outside.
    assert_eq!(erased.devices, [1, 2].into());
    assert_eq!(having(&run, &nowhere), Vec::<String>::new());
    let files = search::files(&run);
    for path in files.iter().filter(|path| !path.starts_with(run.join("ledger"))) {
        let name = path.file_name().unwrap().to_owned();
        fs::write(runs.path().join(&name), fs::read(path).unwrap()).unwrap();
        assert!(!having(runs.path(), &ledger).contains(&name.to_string_lossy().into_owned()), "{path:?}");
        fs::remove_file(runs.path().join(&name)).unwrap();
    }
    let history = read_history(&mut FileStore::read_only(&run.join("ledger")).unwrap()).unwrap();
    assert_eq!(history.devices.len(), 1, "the record stays");
    let left = audit(&run).unwrap();
    assert_eq!((left.found, left.erased), (0, 2));
    assert!(matches!(erase(&run, &Who::Number(1)), Err(EraseError::Nobody)));
}

#[test]
fn of_several_devices_the_others_stay() {
    let runs = tempfile::tempdir().unwrap();
    let run = ran("ten-devices", runs.path());
    let (third, _) = names(&run, 3);
    let (_, fourth) = names(&run, 4);
    let mut eid = None;
    read_books(&run, |fact| {
        if let Fact::Device { device: 3, eid: of, .. } = fact {
            eid = Some(of);
        }
    })
    .unwrap();
    assert_eq!(erase(&run, &Who::Eid(eid.unwrap())).unwrap().devices, [3].into());
    assert_eq!(having(&run, &third), Vec::<String>::new());
    assert!(having(&run, &fourth).contains(&"devices.jsonl".to_owned()));
    let left = audit(&run).unwrap();
    assert_eq!((left.found, left.erased, left.keys), (0, 1, 9));
}

#[test]
fn a_file_of_somebody_else_that_names_the_device_is_told() {
    let runs = tempfile::tempdir().unwrap();
    let run = ran("plain-card", runs.path());
    let (nowhere, _) = names(&run, 1);
    let note = run.join("note.txt");
    fs::write(&note, [b"seen: ", nowhere[0].as_slice()].concat()).unwrap();
    assert!(matches!(erase(&run, &Who::Number(1)), Err(EraseError::Left { path }) if path == note));
}

#[test]
fn what_a_device_is_called_by_is_told_apart() {
    assert_eq!("12".parse(), Ok(Who::Number(12)));
    assert_eq!("1d".repeat(32).parse(), Ok(Who::Id([0x1d; 32])));
    let eid = "89049032700000000000000000000062";
    assert_eq!(eid.parse(), Ok(Who::Eid(eid.parse().unwrap())));
    assert!("meter".parse::<Who>().is_err());
}

/// Each kind of tampering with the folder of a run.
#[test]
fn the_audit_of_a_folder_finds_what_was_tampered_with() {
    let runs = tempfile::tempdir().unwrap();
    let run = ran("not-on-allow-list", runs.path());
    assert_eq!(audit(&run).unwrap().found, 0);
    let books = run.join("devices.jsonl");
    let kept = fs::read_to_string(&books).unwrap();
    let line = |kind: &str| {
        let tag = format!("\"fact\":\"{kind}\"");
        kept.lines().find(|line| line.contains(&tag)).unwrap().to_owned() + "\n"
    };
    let other_key = {
        let card = line("card");
        let at = card.find("\"public_key\":\"").unwrap() + "\"public_key\":\"".len();
        let digit = if card[at..].starts_with('0') { "1" } else { "0" };
        format!("{}{digit}{}", &card[..at], &card[at + 1..])
    };
    let name = line("device").split("\"name\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let digest = "cf".repeat(32);
    let certificate = format!(
        "{{\"fact\":\"certificate\",\"name\":\"{name}\",\"digest\":\"{digest}\",\"revoked\":false}}\n"
    );
    for (text, word) in [
        (kept.clone() + &other_key, "two-keys"),
        (kept.replace(&line("card"), &other_key), "two-keys"),
        (kept.clone() + &certificate, "two-certificates"),
        (kept.clone() + &line("subscription"), "subscription-twice"),
        (kept.replace(&line("refused"), ""), "no-certificate"),
    ] {
        fs::write(&books, &text).unwrap();
        let words: Vec<_> = audit(&run).unwrap().findings.into_iter().map(|one| one.word).collect();
        assert!(words.contains(&word.to_owned()), "{word}: {words:?}");
    }
    for wrong in ["{\"fact\":\"card\"}\n", "{\"fact\":\"erased\",\"device\":4000000000}\n", "\u{fe}"] {
        fs::write(&books, kept.clone() + wrong).unwrap();
        assert!(matches!(audit(&run), Err(AuditError::Line { .. })), "{wrong:?}");
    }
    fs::remove_file(&books).unwrap();
    assert!(matches!(audit(&run), Err(AuditError::File { .. })));
}
