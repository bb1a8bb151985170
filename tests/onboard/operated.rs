//! An operator cuts a device off from another terminal: of a run that goes on, where everybody follows though the guard is
//! dead, and on the ledger that a run has left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cellbed::io::drive::control::{Answer, Word, ask};
use cellbed::lab::audit::erase::Who;
use cellbed::lab::operate::operate;
use cellbed::services::guard::{Cause, Deed};
use serde_json::Value;

/// A device that scans for victims, and nobody who looks.
const GUARD_DEAD: &str = r#"
summary = "A device turns bad, and the guard is dead"
guard = false
steps = [
    "attach", "keys", "register", "enrol", "ready",
    { wait_ms = 300 }, { attack = { kind = "scan", device = 2, for_s = 20 } }, { wait_ms = 20000 }, "ready",
]
[[device]]
profile = "lte-test"
count = 2
kind = "tracker"
[[expect]]
device = 2
step = "ready"
nth = 2
outcome = "refused"
reason = "esm-cause-8"
"#;

/// How a verb ends whose word the ledger refuses.
const REFUSED: i32 = 100;

/// Ends a run that a failed test leaves behind.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn cellbed(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cellbed"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what} has not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The scenario in a folder of its own, with the profiles of the lab beside it.
fn scenario(folder: &Path, text: &str) -> PathBuf {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-profiles");
    std::os::unix::fs::symlink(profiles, folder.join("sim-profiles")).unwrap();
    let path = folder.join("operated.toml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_device_of_a_run_that_goes_on_is_cut_off_with_the_guard_dead() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, runs) = (scenario(folder.path(), GUARD_DEAD), folder.path().join("runs"));
    let arguments =
        ["run", scenario.to_str().unwrap(), "--live", "--quiet", "--runs", runs.to_str().unwrap()];
    let run = cellbed(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut run = Ending(run);
    let last = runs.join("last");
    let socket = last.join("control.sock");
    until("the socket", || socket.exists().then_some(()));
    // A device that nobody has ordered is told at once, and what is no word is answered.
    let nobody = ask(&socket, &Word { deed: Deed::Quarantine, device: 9, cause: None }).unwrap();
    assert!(matches!(nobody, Some(Answer::Refused { cause }) if cause.contains("no device 9")));
    let quarantine = || {
        let mut command = cellbed(&["ledger", "quarantine", "2", "--reason", "privilege-withdrawn", "--run"]);
        command.arg(&last).output().unwrap()
    };
    // A word is taken in when the run has come as far as the clock: after two seconds the device is in service.
    std::thread::sleep(Duration::from_secs(5));
    let output = quarantine();
    assert!(said(&output).contains("active -> quarantined"), "{}", said(&output));
    assert!(said(&output).contains("everybody in the run follows"), "{}", said(&output));
    let again = quarantine();
    assert_eq!(again.status.code(), Some(REFUSED), "{}", said(&again));
    assert!(said(&again).contains("wrong-state"), "{}", said(&again));
    let by_identity = operate(&last, &Who::Id([0; 32]), Deed::Release, None).unwrap_err();
    assert!(by_identity.to_string().contains("by number"), "{by_identity}");

    let status = run.0.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(!last.join("control.sock").exists(), "the socket goes with the run");
    let metrics: Value =
        serde_json::from_str(&fs::read_to_string(last.join("metrics.json")).unwrap()).unwrap();
    assert_eq!(metrics["facts"]["outside"][0], "operator", "a run with somebody outside says so");
    let row = metrics["loop"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(row["device"], 2);
    // A tracker ends its session when it has reported.
    for stage in ["ledger", "certificate", "flow", "detach"] {
        assert!(row["after_ns"][stage].is_u64(), "{stage}: {row}");
    }
    assert!(row["after_ns"]["alarm"].is_null(), "the guard is dead: {row}");
    let transcript = fs::read_to_string(last.join("transcript.txt")).unwrap();
    assert!(transcript.contains("not reproducible: operator outside"), "{}", &transcript[..400]);
}

/// Every other device says and hears what it does where nobody turns bad, and a peer that asks OCSP refuses the certificate
/// as soon as it asks after the authority has revoked it.
#[test]
fn nobody_else_notices_that_a_device_is_cut_off_and_a_peer_refuses_its_certificate() {
    let output = cellbed(&["bench", "loop", "--class", "flood", "--beside", "3", "--json"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &rows[0];
    assert_eq!(
        (row["cut_off"].as_bool(), row["touched"].as_array().map(Vec::len)),
        (Some(true), Some(0)),
        "{row}"
    );
    let after = |stage: &str| row["after_ns"][stage].as_u64().unwrap();
    assert!((after("certificate")..=after("certificate") + 100_000_000).contains(&after("peer")), "{row}");
}

#[test]
fn the_ledger_that_a_run_has_left_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let run = ["run", "lab/scenarios/plain-card.toml", "--quiet", "--runs", runs.to_str().unwrap()];
    assert!(cellbed(&run).output().unwrap().status.success());
    let last = runs.join("last");
    let done = |deed, cause| operate(&last, &Who::Number(1), deed, cause);
    let quarantined = done(Deed::Quarantine, Some(Cause::KeyCompromise)).unwrap();
    assert_eq!(quarantined.change, "active -> quarantined");
    let id = quarantined.id.clone();
    let twice = done(Deed::Quarantine, None).unwrap_err().to_string();
    assert!(twice.contains("wrong-state") && twice.contains("quarantined"), "{twice}");
    let mut whole = [0; 32];
    hex::decode_to_slice(&id, &mut whole).unwrap();
    let released = operate(&last, &Who::Id(whole), Deed::Release, None).unwrap();
    assert_eq!((released.change.as_str(), released.id), ("quarantined -> active", id));
    let revoked = done(Deed::Revoke, None).unwrap();
    assert_eq!(revoked.change, "active -> revoked");
    assert!(revoked.block > released.block);
    assert!(done(Deed::Release, None).is_err(), "what is revoked does not come back");
    assert!(
        operate(&last, &Who::Number(9), Deed::Revoke, None)
            .unwrap_err()
            .to_string()
            .contains("no such device")
    );
    // What was added is executed again with the rest, and the run's own blocks are still those that it has recorded.
    let verify = cellbed(&["ledger", "verify", "--full"]).arg(last.join("ledger")).output().unwrap();
    assert_ne!(verify.status.code(), Some(REFUSED), "{}", said(&verify));
    assert!(said(&verify).contains("executed again"), "{}", said(&verify));
    // Whoever has another ledger than the run's keys seal is refused.
    let metrics = last.join("metrics.json");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, text.replace("\"seed\": 7", "\"seed\": 8")).unwrap();
    assert!(done(Deed::Quarantine, None).is_err(), "other keys do not seal");
}
