//! Osmocom's pySim, unmodified: `pySim-read.py`, which takes an Answer To Reset that it does not know for a SIM and
//! speaks class A0, and `pySim-shell.py`, which finds the UICC.
//!
//! PYSIM_DIR names the folder with both, unless they are on PATH; PYSIM_PYTHON a Python with what they require.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::lab::{Lab, PROFILE};
use crate::support::{need, pysim};

/// TS 35.208 clause 4.3, test set 1: RAND, AUTN of its SQN and AMF, RES, CK, IK.
const RAND: &str = "23553cbe9637a89d218ae64dae47bf35";
const AUTN: &str = "55f328b43577b9b94a9ffac354dfafb3";
const RES: &str = "a54211d5e3ba50bf";
const CK: &str = "b40ba9a3c58b2a05bbf0d987b21bf8cb";
const IK: &str = "f769bcd751044604127672711c6d3441";

struct PySim {
    python: String,
    folder: PathBuf,
}

impl PySim {
    fn find(unproved: &str) -> Option<Self> {
        need("pysim", unproved, Self::look())
    }

    fn look() -> Result<Self, String> {
        let (folder, python) = pysim()?;
        let mut imports = Command::new(&python);
        let imports = imports.args(["-c", "import pySim.app, pySim.legacy.cards"]).env("PYTHONPATH", &folder);
        match imports.output() {
            Ok(output) if output.status.success() => Ok(Self { python, folder }),
            Ok(output) => {
                let cause = String::from_utf8_lossy(&output.stderr);
                let cause = cause.lines().last().unwrap_or_default();
                Err(format!("{python} lacks what it requires ({cause})"))
            }
            Err(cause) => Err(format!("{python} does not start ({cause})")),
        }
    }

    /// Runs a script of pySim on the first reader to its end; what it printed.
    fn run(&self, lab: &Lab, script: &str, args: &[&str]) -> String {
        let mut command = lab.command(&self.python);
        let command =
            command.arg(self.folder.join(script)).args(["-p", "0"]).args(args).env("HOME", lab.path());
        let output = command.output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{text}");
        text
    }
}

#[test]
fn pysim_read_runs_to_its_end() {
    let unproved = "pySim-read reads the card to its end";
    let Some(pysim) = PySim::find(unproved) else { return };
    let Some(lab) = Lab::start(unproved) else { return };
    let served = lab.serve(&["--trace"]);
    let text = pysim.run(&lab, "pySim-read.py", &[]);
    for line in [
        "ICCID: 8988211000000000011",
        "IMSI: 001010000000001",
        "SPN: cellbed",
        "SMSC: +001001",
        "\t00f1104800 # MCC: 001 MNC: 01 AcT: E-UTRAN NB-S1, E-UTRAN WB-S1, NG-RAN",
        "ACC: 0002",
        "Administrative data: 00000002",
        "SIM Service Table: ff33c3fc0300000f0000f0030000",
        "Done !",
    ] {
        assert!(text.lines().any(|l| l.trim_end() == line), "no line {line:?} in {text}");
    }
    assert!(!text.contains("Can't read"), "{text}");
    // It really went through the SIM.
    served.wait_for("9F0F");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn pysim_shell_authenticates_as_ts_35_208_says() {
    let unproved = "pySim-shell authenticates as TS 35.208 says";
    let Some(pysim) = PySim::find(unproved) else { return };
    let Some(lab) = Lab::start(unproved) else { return };
    // The sequence number of the test set is not far above the one that this card has accepted.
    let profile = fs::read_to_string(PROFILE).unwrap();
    let profile = profile.replace("sqn = \"000000000000\"", "sqn = \"ff9bb4d0b5e0\"");
    assert!(profile.contains("ff9bb4d0b5e0"));
    let near = lab.path().join("near.toml");
    fs::write(&near, profile).unwrap();
    let served = lab.serve_card(near.to_str().unwrap(), &[]);

    let script = lab.path().join("script.pysim");
    // STATUS by its bytes: the command `status` sends it without Le and then takes the data for an error, on every card.
    let commands = format!(
        "select MF\nselect EF.ICCID\nread_binary_decoded\nselect ADF.USIM\nselect EF.IMSI\nread_binary\n\
         select ADF.USIM\napdu 80f2000000\nauthenticate {RAND} {AUTN}\n\
         open_channel 1\nswitch_channel 1\nselect MF\nselect EF.DIR\nread_record 1\nswitch_channel 0\n\
         select EF.IMSI\nread_binary\nclose_channel 1\nselect ADF.USIM\nauthenticate {RAND} {AUTN}\n"
    );
    fs::write(&script, commands).unwrap();
    let text = pysim.run(&lab, "pySim-shell.py", &["--noprompt", "--script", script.to_str().unwrap()]);
    let digest = |name: &str, value: &str| format!("\"{name}\": \"{value}\"");
    for expected in [
        digest("iccid", "8988211000000000011"),
        digest("df_name", "a0000000871002ffffffff8900000100"),
        digest("res", RES),
        digest("ck", CK),
        digest("ik", IK),
    ] {
        assert!(text.contains(&expected), "no {expected} in {text}");
    }
    let status =
        text.lines().find(|line| line.contains("RESP: 62")).unwrap_or_else(|| panic!("no STATUS in {text}"));
    assert!(
        status.contains("SW: 9000") && status.contains("8410a0000000871002ffffffff8900000100"),
        "{status}"
    );
    assert!(text.contains("001 61184f10a0000000871002"), "EF.DIR on channel 1: {text}");
    assert_eq!(text.matches("080910100000000010").count(), 2, "EF.IMSI before and after channel 1: {text}");
    assert!(text.contains("synchronisation_failure"), "the same challenge again: {text}");
    assert!(!text.contains("EXCEPTION"), "{text}");
    assert_eq!(served.terminate(), Some(0));
}
