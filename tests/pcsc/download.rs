//! lpac downloads a profile from `cellbed esim serve` into the eUICC that `cellbed card serve --euicc` puts into a
//! reader: the client in the middle is another's.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::euicc::{data, lpac, run};
use super::lab::{Lab, PROFILE};

/// A `cellbed esim serve` and what it prints.
struct Servers {
    child: Child,
    lines: Receiver<String>,
    address: String,
}

impl Servers {
    fn start(lab: &Lab, args: &[&str]) -> Self {
        let mut command = lab.command(env!("CARGO_BIN_EXE_cellbed"));
        let command = command.args(["esim", "serve", "--listen", "127.0.0.1:0"]).args(args);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut servers = Self { child, lines, address: String::new() };
        servers.address = servers.wait_for("SM-DP+ ").split_off("SM-DP+ ".len());
        servers
    }

    fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(20));
            let line = line.unwrap_or_else(|_| panic!("cellbed esim serve does not say {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn lpac_downloads_from_our_server_into_our_card() {
    let unproved = "lpac downloads from our server into our card";
    let Some(lpac) = lpac(unproved) else { return };
    let Some(lab) = Lab::start(unproved) else { return };
    let order = format!("{PROFILE}:TOKEN-1");
    let servers = Servers::start(&lab, &["--order", &order]);
    let card = lab.serve(&["--euicc"]);
    let smdp = servers.address.clone();

    let wrong = run(&lab, &lpac, &["profile", "download", "-s", &smdp, "-m", "OTHER"]);
    assert_ne!(wrong["payload"]["code"], 0, "{wrong}");
    servers.wait_for("matching-id-refused");

    let began = Instant::now();
    data(&lab, &lpac, &["profile", "download", "-s", &smdp, "-m", "TOKEN-1"]);
    println!("lpac profile download: {} ms", began.elapsed().as_millis());
    servers.wait_for("ES9+.GetBoundProfilePackage");
    let list = data(&lab, &lpac, &["profile", "list"]);
    let ours = list.as_array().unwrap().iter().find(|profile| profile["profileName"] == "lte-test 001-01");
    let iccid = ours.unwrap_or_else(|| panic!("{list}"))["iccid"].as_str().unwrap().to_owned();
    data(&lab, &lpac, &["profile", "enable", &iccid]);
    data(&lab, &lpac, &["notification", "process", "-a", "-r"]);
    servers.wait_for("installed");
    servers.wait_for("enable");
    assert!(data(&lab, &lpac, &["notification", "list"]).as_array().unwrap().is_empty());
    // One profile is installed once.
    data(&lab, &lpac, &["profile", "disable", &iccid]);
    data(&lab, &lpac, &["profile", "delete", &iccid]);
    data(&lab, &lpac, &["notification", "process", "-a", "-r"]);
    servers.wait_for("delete");
    let again = run(&lab, &lpac, &["profile", "download", "-s", &smdp, "-m", "TOKEN-1"]);
    assert_ne!(again["payload"]["code"], 0, "{again}");
    servers.wait_for("Its state is installed");
    assert_eq!(card.terminate(), Some(0));
}

#[test]
fn lpac_finds_the_profile_by_its_eid_and_by_the_smds() {
    let unproved = "lpac finds a profile by EID and through the SM-DS";
    let Some(lpac) = lpac(unproved) else { return };
    let Some(lab) = Lab::start(unproved) else { return };
    let order = format!("{PROFILE}::89049032123451234512345678901235");
    let servers = Servers::start(&lab, &["--order", &order, "--announce"]);
    let smds = servers.wait_for("SM-DS ").trim_start_matches("SM-DS").trim().to_owned();
    servers.wait_for("ES12.RegisterEvent");
    let _card = lab.serve(&["--euicc", "--no-profile"]);
    let found = data(&lab, &lpac, &["profile", "discovery", "-s", &smds]);
    assert_eq!(found[0], servers.address.as_str(), "{found}");
    // No matching identifier at all: the EID alone decides.
    data(&lab, &lpac, &["profile", "download", "-s", &servers.address]);
    assert_eq!(data(&lab, &lpac, &["profile", "list"]).as_array().unwrap().len(), 1);
}
