//! lpac, an LPA of third parties, manages the eUICC that `cellbed card serve --euicc` puts into a reader.

use std::path::PathBuf;

use super::lab::Lab;
use crate::support::{from_variable, need, on_path};

/// lpac: `LPAC` names it, or it is in the PATH.
pub fn lpac(unproved: &str) -> Option<PathBuf> {
    need("lpac", unproved, from_variable("LPAC").or_else(|_| on_path("lpac")))
}

/// What `lpac` says with these arguments: the last line of JSON.
pub fn run(lab: &Lab, lpac: &PathBuf, args: &[&str]) -> serde_json::Value {
    let output = lab
        .command(lpac)
        .env("LPAC_APDU", "pcsc")
        .env("LPAC_APDU_PCSC_DRV_IFID", "0")
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().rfind(|line| line.contains("\"type\":\"lpa\""));
    let line = line.unwrap_or_else(|| panic!("lpac {args:?} says {text:?} and {errors:?}"));
    serde_json::from_str(line).unwrap()
}

pub fn data(lab: &Lab, lpac: &PathBuf, args: &[&str]) -> serde_json::Value {
    let mut answer = run(lab, lpac, args);
    assert_eq!(answer["payload"]["code"], 0, "lpac {args:?}: {answer}");
    answer["payload"]["data"].take()
}

#[test]
fn lpac_manages_the_euicc() {
    let unproved = "lpac manages the eUICC";
    let Some(lpac) = lpac(unproved) else { return };
    let Some(lab) = Lab::start(unproved) else { return };
    let served = lab.serve(&["--euicc", "--trace"]);
    let chip = data(&lab, &lpac, &["chip", "info"]);
    assert_eq!(chip["eidValue"], "89049032123451234512345678901235");
    assert_eq!(chip["EUICCInfo2"]["profileVersion"], "3.3.1", "{chip}");
    assert_eq!(chip["EUICCInfo2"]["svn"], "2.5.0", "{chip}");
    let list = || data(&lab, &lpac, &["profile", "list"]);
    let iccid = "8988211000000000011";
    let first = list();
    assert_eq!(first[0]["iccid"], iccid, "{first}");
    assert_eq!(
        (&first[0]["profileState"], &first[0]["profileName"]),
        (&"enabled".into(), &"bootstrap".into())
    );
    data(&lab, &lpac, &["profile", "nickname", iccid, "first"]);
    assert_eq!(list()[0]["profileNickname"], "first");
    data(&lab, &lpac, &["profile", "disable", iccid]);
    assert_eq!(list()[0]["profileState"], "disabled");
    let refused = run(&lab, &lpac, &["profile", "disable", iccid]);
    assert_ne!(refused["payload"]["code"], 0, "{refused}");
    served.wait_for("profile-disabled");
    data(&lab, &lpac, &["profile", "enable", iccid]);
    assert_eq!(list()[0]["profileState"], "enabled");
    data(&lab, &lpac, &["profile", "disable", iccid]);
    data(&lab, &lpac, &["chip", "defaultsmdp", "smdp.example"]);
    let chip = data(&lab, &lpac, &["chip", "info"]);
    assert_eq!(chip["EuiccConfiguredAddresses"]["defaultDpAddress"], "smdp.example", "{chip}");
    assert!(
        data(&lab, &lpac, &["notification", "list"]).as_array().unwrap().is_empty(),
        "it wants no notifications"
    );
    data(&lab, &lpac, &["profile", "delete", iccid]);
    assert!(list().as_array().unwrap().is_empty());
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn lpac_downloads_a_profile_and_enables_it() {
    let unproved = "lpac downloads a profile and enables it";
    let Some(lpac) = lpac(unproved) else { return };
    let Some(lab) = Lab::start(unproved) else { return };
    let served = lab.serve(&["--euicc", "--no-profile"]);
    let server = lab.serve_profiles(&["--order", "sim-profiles/lte-test-op.toml:TOKEN-1"]);
    let address = server.wait_for("SM-DP+ ").trim_start_matches("SM-DP+ ").trim().to_owned();
    data(&lab, &lpac, &["profile", "download", "-s", &address, "-m", "TOKEN-1"]);
    let list = || data(&lab, &lpac, &["profile", "list"]);
    let installed = list();
    let iccid = installed[0]["iccid"].as_str().unwrap().to_owned();
    assert_eq!(installed[0]["profileState"], "disabled", "{installed}");
    data(&lab, &lpac, &["profile", "enable", &iccid]);
    assert_eq!(list()[0]["profileState"], "enabled");
    // The USIM of the profile is there, and its ICCID is that of the list.
    let answers = lab.send(&["00a4000c022fe2", "00b000000a", "00a4040c07a0000000871002"]);
    let swapped: String = answers[1]
        .as_bytes()
        .chunks(2)
        .take(10)
        .flat_map(|octet| [octet[1], octet[0]])
        .map(char::from)
        .collect();
    assert_eq!((answers[2].as_str(), swapped.trim_end_matches('f')), ("9000", iccid.as_str()));
    let pending = data(&lab, &lpac, &["notification", "list"]);
    assert!(!pending.as_array().unwrap().is_empty());
    data(&lab, &lpac, &["notification", "process", "-a", "-r"]);
    assert!(data(&lab, &lpac, &["notification", "list"]).as_array().unwrap().is_empty());
    assert_eq!(server.terminate(), Some(0));
    assert_eq!(served.terminate(), Some(0));
}
