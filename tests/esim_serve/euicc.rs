//! `cellbed euicc` with a virtual eUICC against the servers: each command is a process of its own, and the card keeps
//! its state in a folder.

use std::path::Path;
use std::process::Command;

use cellbed::card::SimProfile;
use cellbed::id::Eid;
use serde_json::{Value, json};

use crate::serving::{PROFILE, Serving};

/// The EID of the virtual eUICC.
fn eid() -> Eid {
    let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
    profile.personalise(0).unwrap().eid
}

/// A device: a virtual eUICC, and the command line.
struct Device {
    dir: tempfile::TempDir,
    /// Where the hierarchy of the eUICC is, where it is not the lab's.
    pki: Option<String>,
}

impl Device {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), pki: None }
    }

    /// Runs a verb; exit code, what it printed, and what it complained of.
    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let state = self.dir.path().join("card");
        let output = Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .arg("euicc")
            .args(args)
            .args(["--virtual", PROFILE, "--state", state.to_str().unwrap()])
            .args(self.pki.iter().flat_map(|dir| ["--pki", dir]))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    /// Runs a verb that has to succeed, and takes its JSON.
    fn json(&self, args: &[&str]) -> Value {
        let (code, out, error) = self.run(&[args, &["--json", "--show-identifiers"]].concat());
        assert_eq!(code, Some(0), "{args:?}: {out}{error}");
        serde_json::from_str(&out).unwrap()
    }

    /// ICCID and state of each profile.
    fn profiles(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = self.json(&["list"]);
        list.as_array().unwrap().iter().map(|one| (text(&one["iccid"]), text(&one["state"]))).collect()
    }

    fn poll(&self, serving: &Serving) -> Value {
        self.json(&["poll", "--eim", &serving.eim, "--ca", path(&serving.root)])
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The ICCID of the first order.
fn ordered(serving: &Serving) -> String {
    serving.codes[0].split([' ', ',']).find(|word| word.starts_with("89")).unwrap().to_owned()
}

/// One poll of a device that nobody touches: download, enable, list.
fn zero_touch(serving: &Serving) -> Device {
    let device = Device::new();
    let report = device.poll(serving);
    assert_eq!(report["profile_changed"], true, "{report} {:#?}", serving.log());
    let profiles = device.profiles();
    let states: Vec<_> = profiles.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(states, ["disabled", "enabled"]);
    assert_eq!(profiles[1].0, ordered(serving));
    serving.wait_for(&["ESipa.ProvideEimPackageResult", "listProfileInfo: 2 profiles"]);
    // What is done is done once.
    assert_eq!(device.poll(serving)["done"], json!([]));
    device
}

#[test]
fn zero_touch_by_a_matching_identifier() {
    let order = format!("{PROFILE}:TOKEN-1");
    let serving = Serving::start(&["--order", &order, "--eim-download", "TOKEN-1"]);
    let device = zero_touch(&serving);
    // The eUICC's word that the profile is enabled goes through the eIM to the SM-DP+.
    serving.wait_for(&["ES9+.HandleNotification", "enable"]);
    assert_eq!(device.json(&["notifications"]), json!([]));
    serving.interrupt();
}

#[test]
fn zero_touch_through_the_eim() {
    let order = format!("{PROFILE}::{}", eid());
    let download = format!("{}=order", eid());
    let serving = Serving::start(&["--order", &order, "--eim-download", &download, "--eim-indirect"]);
    zero_touch(&serving);
    let log = serving.log();
    assert!(log.iter().any(|line| line.starts_with("ESipa.GetBoundProfilePackage")), "{log:#?}");
}

#[test]
fn the_eim_reaches_an_smdp_that_is_elsewhere() {
    let elsewhere = Serving::start(&["--order", &format!("{PROFILE}:TOKEN-1")]);
    let code = elsewhere.codes[0].split(' ').next().unwrap();
    let serving = Serving::start(&["--eim-download", code, "--eim-indirect"]);
    let device = Device::new();
    assert_eq!(device.poll(&serving)["profile_changed"], true, "{:#?}", serving.log());
    assert_eq!(device.profiles()[1], (ordered(&elsewhere), "enabled".to_owned()));
    elsewhere.wait_for(&["ES9+.HandleNotification", "installed"]);
    elsewhere.wait_for(&["ES9+.HandleNotification", "enable"]);
    assert!(!serving.log().iter().any(|line| line.starts_with("ES9+")), "{:#?}", serving.log());
}

#[test]
fn zero_touch_by_way_of_the_smds() {
    let order = format!("{PROFILE}:EV-1:{}", eid());
    let serving = Serving::start(&["--order", &order, "--announce", "--eim-download", "smds"]);
    serving.wait_for(&["ES12.RegisterEvent"]);
    let waiting = Device::new().json(&["discover", "--smds", &serving.smds, "--ca", path(&serving.root)]);
    assert_eq!(waiting, json!([{"event_id": "EV-1", "server": serving.address}]));
    zero_touch(&serving);
}

#[test]
fn an_eim_without_work_for_a_device_says_so() {
    let eid = eid().plus(1).unwrap();
    let order = format!("{PROFILE}:TOKEN-1");
    let serving = Serving::start(&["--order", &order, "--eim-download", &format!("{eid}=TOKEN-1")]);
    let (code, _, error) = Device::new().run(&["poll", "--eim", &serving.eim, "--ca", path(&serving.root)]);
    assert!(code == Some(100) && error.contains("eid-not-found"), "{error}");
}

#[test]
fn download_by_activation_code_and_notifications() {
    let serving = Serving::start(&["--order", PROFILE]);
    let device = Device::new();
    let ca = ["--ca", path(&serving.root)];
    let code = serving.codes[0].split(' ').next().unwrap();
    let report = device.json(&[&["download", code][..], &ca].concat());
    assert_eq!(report["iccid"].as_str(), Some(&*ordered(&serving)), "{report}");
    assert_eq!(report["notification_kept"], Value::Null);
    serving.wait_for(&["ES9+.HandleNotification", "install"]);
    let (code, _, error) = device.run(&[&["download", code][..], &ca].concat());
    assert!(code == Some(100) && error.contains("matching-id"), "{error}");

    device.json(&["enable", "2"]);
    let waiting = device.json(&["notifications"]);
    assert_eq!(waiting.as_array().map(Vec::len), Some(1), "{waiting}");
    device.json(&[&["notifications", "--send"][..], &ca].concat());
    serving.wait_for(&["ES9+.HandleNotification", "enable"]);
    assert_eq!(device.json(&["notifications"]), json!([]));
}

#[test]
fn an_euicc_of_another_hierarchy_is_told_of_the_eim() {
    let dir = tempfile::tempdir().unwrap();
    let pki = path(dir.path()).to_owned() + "/pki";
    let made = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(["pki", "new", &pki, "--host", "localhost", "--host", "127.0.0.1"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let order = format!("{PROFILE}:TOKEN-1");
    let args = ["--pki", &pki, "--order", &order, "--eim-download", "TOKEN-1"];
    let serving = Serving::start(&args);
    let device = Device { pki: Some(pki.clone()), ..Device::new() };
    assert_eq!(device.json(&["info"])["eims"], json!([]));
    let added = device.json(&["add-eim", path(&serving.configuration)]);
    assert_eq!(added, json!([{"id": "cellbed-eim", "association_token": 1}]));
    assert_eq!(device.json(&["info"])["eims"], json!([{"id": "cellbed-eim", "address": serving.eim}]));
    let (code, _, error) = device.run(&["add-eim", path(&serving.configuration)]);
    assert!(code == Some(100) && error.contains("exist"), "{error}");
    assert_eq!(device.poll(&serving)["profile_changed"], true, "{:#?}", serving.log());
    assert_eq!(device.profiles()[1], (ordered(&serving), "enabled".to_owned()));
    // A card of the lab is none of this hierarchy, whatever it calls itself.
    let serving = Serving::start(&args);
    let (code, out, error) = Device::new().run(&["poll", "--eim", &serving.eim, "--ca", path(&serving.root)]);
    assert!(code == Some(100) && out.contains("the eIM does not take a result"), "{out}{error}");
    serving.wait_for(&["refused, certificate-chain"]);
}

#[test]
fn the_eim_goes_on_after_it_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let order = format!("{PROFILE}:TOKEN-1");
    let args = ["--state", path(&state), "--order", &order, "--eim-download", "TOKEN-1"];
    let mut serving = Serving::start(&args);
    let device = zero_touch(&serving);
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();
    let again = Serving::start(&args);
    assert_eq!(device.poll(&again)["done"], json!([]), "the rule is not begun again");
    assert_eq!(std::fs::read_dir(state.join("euicc")).unwrap().count(), 1);
}

#[test]
fn a_poll_ends_with_the_code_of_what_was_refused() {
    // What the eUICC or the SM-DP+ refuses is a finding; a server that is not there is a wrong set-up.
    for (download, expected) in [("TOKEN-9", 100), ("LPA:1$smdp.invalid$X", 96)] {
        let order = format!("{PROFILE}:TOKEN-1");
        let serving = Serving::start(&["--order", &order, "--eim-download", download]);
        let (code, out, error) =
            Device::new().run(&["poll", "--eim", &serving.eim, "--ca", path(&serving.root)]);
        assert_eq!(code, Some(expected), "{out}{error}");
        serving.wait_for(&["ESipa.ProvideEimPackageResult", "the download failed"]);
    }
}
