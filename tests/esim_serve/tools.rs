//! The command line of the LPA and the IPA: what it ends with, and what it takes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::serving::{PROFILE, Serving};

/// An eUICC that is kept in a folder.
struct Card {
    state: tempfile::TempDir,
}

impl Card {
    fn new() -> Self {
        Self { state: tempfile::tempdir().unwrap() }
    }

    fn euicc(&self, args: &[&str]) -> Output {
        let state = self.state.path().join("state");
        Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .arg("euicc")
            .args(args)
            .args(["--virtual", PROFILE, "--state", state.to_str().unwrap()])
            .output()
            .unwrap()
    }

    fn ended(&self, code: i32, args: &[&str]) -> String {
        let output = self.euicc(args);
        let told =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        told
    }

    fn list(&self) -> Value {
        serde_json::from_slice(&self.euicc(&["list", "--json"]).stdout).unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn commands_of_the_lpa_end_with_what_they_achieved() {
    let order = format!("{PROFILE}:ORD-1,cc=4711,class=provisioning");
    let ruled = format!("{PROFILE}:ORD-2,ppr2");
    let mut serving = Serving::start(&["--order", &order, "--order", &ruled, "--eim-download", "NOPE"]);
    let (root, eim) = (serving.root.clone(), serving.eim.clone());
    let code = serving.codes[0].split_whitespace().next().unwrap().to_owned();
    assert!(code.ends_with("$ORD-1$$1"), "{code}");
    let card = Card::new();

    // What the eIM asks for cannot be done.
    let told = card.ended(100, &["poll", "--eim", &eim, "--ca", text(&root)]);
    assert!(told.contains("no profile was downloaded"), "{told}");

    // A confirmation code is asked for by its option.
    let told = card.ended(96, &["download", &code, "--ca", text(&root)]);
    assert!(told.contains("--confirmation-code"), "{told}");
    card.ended(100, &["download", &code, "--ca", text(&root), "--confirmation-code", "1"]);
    card.ended(0, &["download", &code, "--ca", text(&root), "--confirmation-code", "4711"]);
    let list = card.list();
    let profile = list.as_array().unwrap().last().expect("it is there");
    assert_eq!(profile["class"], "provisioning", "{list}");
    let aid = profile["isdp_aid"].as_str().expect("it has an ISD-P");

    // A spelling that SGP.22 does not have is the server's business, and hinted at.
    let odd = code.replace("ORD-1$$1", "TS48v5_SAIP2.3_BERTLV_SUCI");
    let told = card.ended(100, &["download", &odd, "--ca", text(&root)]);
    assert!(told.contains("SGP.22 clause 4.1"), "{told}");

    // A profile with a policy rule is not deleted, by whatever name.
    let ruled = serving.codes[1].split_whitespace().next().unwrap().to_owned();
    card.ended(0, &["download", &ruled, "--ca", text(&root)]);
    let list_with_rule = card.list();
    let kept = list_with_rule.as_array().unwrap().last().unwrap()["isdp_aid"].as_str().unwrap().to_owned();
    assert_ne!(kept, aid);
    card.ended(100, &["delete", &kept]);

    // Notifications that nobody takes are kept, and that is not well.
    card.ended(0, &["enable", aid, "--no-refresh"]);
    let _ = serving.child.kill();
    let _ = serving.child.wait();
    let told = card.ended(96, &["notifications", "--send", "--ca", text(&root)]);
    assert!(told.contains("kept"), "{told}");
    card.ended(96, &["poll", "--eim", &eim, "--ca", text(&root)]);
}

#[test]
fn another_isd_r_and_the_aid_of_an_isd_p() {
    let card = Card::new();
    let list = card.list();
    let aid = list[0]["isdp_aid"].as_str().expect("it has an ISD-P").to_owned();
    assert!(aid.starts_with("a0000005591010"), "{aid}");
    card.ended(0, &["list", "--isd-r", "A0000005591010FFFFFFFF8900000100"]);
    let told = card.ended(96, &["list", "--isd-r", "A0000005591010FFFFFFFF8900000177"]);
    assert!(told.contains("there is no eUICC"), "{told}");
    assert!(card.ended(96, &["list", "--isd-r", "A0"]).contains("5 to 16 bytes"));
    card.ended(0, &["disable", &aid.to_uppercase(), "--no-refresh"]);
    card.ended(0, &["enable", &aid]);
    card.ended(100, &["enable", "a0000005591010ffffffff8900001177"]);
}

/// A name with colours, a bell, and a line that looks like one of cellbed's own.
#[test]
fn what_a_server_or_a_card_says_cannot_write_to_the_screen() {
    let card = Card::new();
    card.ended(0, &["nickname", "1", "a\nerror: b\u{1b}[31m\u{202e} Größe 📶"]);
    let told = card.ended(0, &["list"]);
    assert!(told.contains("a\\nerror: b\\u{1b}[31m\\u{202e} Größe 📶"), "{told}");
    let json = String::from_utf8(card.euicc(&["list", "--json"]).stdout).unwrap();
    assert!(!json.contains(['\u{1b}', '\u{202e}']), "{json}");
    assert_eq!(card.list()[0]["nickname"], "a\nerror: b\u{1b}[31m\u{202e} Größe 📶");
}
