//! Who may order and register events, and what a folder or command line is refused for.

use std::path::{Path, PathBuf};
use std::process::Command;

use cellbed::esim::{Deployment, Identity};
use cellbed::io::pki_folder;
use serde_json::{Value, json};

use crate::serving::{PROFILE, Serving};
use crate::support::need_command;

const EID: &str = "89049032123451234512345678901235";

/// A folder of certificates.
struct Folder {
    _place: tempfile::TempDir,
    dir: PathBuf,
    made: Deployment,
}

impl Folder {
    fn new(more: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let dir = place.path().join("pki");
        let made = Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .args(["pki", "new"])
            .arg(&dir)
            .args(["--host", "localhost", "--host", "127.0.0.1"])
            .args(more)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (made, _) = pki_folder::load(&dir, None).unwrap();
        Self { _place: place, dir, made }
    }

    fn path(&self) -> &str {
        self.dir.to_str().unwrap()
    }
}

fn header(requester: &str) -> Value {
    json!({"functionRequesterIdentifier": requester, "functionCallIdentifier": "1"})
}

fn order() -> Value {
    json!({"header": header("2.999.20"), "profileType": "lte-test"})
}

fn event(requester: &str) -> Value {
    json!({"header": header(requester), "eid": EID, "eventId": "E1", "rspServerAddress": "a.example"})
}

/// The HTTP status of a function for who shows this certificate.
fn status(serving: &Serving, who: Option<&Identity>, path: &str, body: &Value) -> u16 {
    let mut client = who.map_or_else(|| serving.client(), |who| serving.client_as(who));
    serving.post(&mut client, path, body).0
}

fn run(args: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_cellbed")).args(["esim", "serve"]).args(args).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn es2p_and_es12_need_a_certificate_of_the_right_role() {
    let folder = Folder::new(&[]);
    let serving = Serving::start(&["--pki", folder.path(), "--stock", &format!("{PROFILE}:2")]);
    let (operator, smdp) = (&folder.made.operator[0], &folder.made.smdp[0].tls);
    for (who, ordered, registered) in [
        (None, 403, 403),
        (Some(smdp), 403, 200),
        (Some(&folder.made.smds[0].tls), 403, 403),
        (Some(operator), 200, 403),
    ] {
        assert_eq!(status(&serving, who, "es2plus/downloadOrder", &order()), ordered, "{:#?}", serving.log());
        let requester = if ordered == 200 { "2.999.20" } else { "2.999.10" };
        assert_eq!(status(&serving, who, "es12/registerEvent", &event(requester)), registered);
    }
    // A certificate of another hierarchy does not even get through TLS.
    let other = Folder::new(&[]);
    let mut stranger = serving.client_as(&other.made.operator[0]);
    let request = cellbed::esim::HttpRequest {
        host: serving.address.clone(),
        path: "/gsma/rsp2/es2plus/downloadOrder".to_owned(),
        content_type: cellbed::esim::JSON.to_owned(),
        body: order().to_string().into_bytes(),
    };
    assert!(stranger.send(&request).is_err());
    // Devices need none.
    let body = json!({"smdpAddress": "other.example"});
    assert_eq!(status(&serving, None, "es9plus/initiateAuthentication", &body), 200);
}

#[test]
fn curl_orders_with_a_certificate() {
    if !need_command("curl", "curl orders a profile over ES2+ with mutual TLS") {
        return;
    }
    let folder = Folder::new(&[]);
    let serving = Serving::start(&["--pki", folder.path(), "--stock", PROFILE]);
    // As in docs/esim.md.
    let curl = |function: &str, certificate: bool, body: &str| {
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "--cacert"]).arg(&serving.root);
        if certificate {
            command.arg("--cert").arg(folder.dir.join("Operator/CERT_OPERATOR_TLS_NIST.pem"));
            command.arg("--key").arg(folder.dir.join("Operator/SK_OPERATOR_TLS_NIST.pem"));
        }
        command.args([
            "-H",
            "Content-Type: application/json",
            "-H",
            "X-Admin-Protocol: gsma/rsp/v2.5.0",
            "-d",
            body,
        ]);
        command.arg(format!("https://{}/gsma/rsp2/es2plus/{function}", serving.address));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let order = order().to_string();
    let refused = curl("downloadOrder", false, &order);
    let codes = &refused["header"]["functionExecutionStatus"]["statusCodeData"];
    assert_eq!((codes["subjectCode"].as_str(), codes["reasonCode"].as_str()), (Some("1.1"), Some("1.1")));
    let ordered = curl("downloadOrder", true, &order);
    let iccid = ordered["iccid"].as_str().unwrap_or_else(|| panic!("{ordered}"));
    let confirm = json!({"header": header("2.999.20"), "iccid": iccid, "releaseFlag": true}).to_string();
    let confirmed = curl("confirmOrder", true, &confirm);
    assert!(confirmed["matchingId"].is_string(), "{confirmed}");
}

#[test]
fn what_is_reached_from_elsewhere_is_not_left_open() {
    let (code, error) = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(96), "{error}");
    for way_out in ["--pki", "--client-ca", "--devices-only", "127.0.0.1"] {
        assert!(error.contains(way_out), "{error}");
    }
    let serving = Serving::start(&["--devices-only", "--stock", PROFILE]);
    assert_eq!(status(&serving, None, "es2plus/downloadOrder", &order()), 403);
    assert_eq!(status(&serving, None, "es12/registerEvent", &event("2.999.10")), 403);
    // On this computer alone nobody is asked.
    let serving = Serving::start(&["--stock", PROFILE]);
    assert_eq!(status(&serving, None, "es2plus/downloadOrder", &order()), 200);
}

#[test]
fn certificates_and_revocation_lists_are_loaded_again() {
    let folder = Folder::new(&[]);
    let serving = Serving::start(&["--pki", folder.path(), "--stock", &format!("{PROFILE}:5")]);
    let operator = &folder.made.operator[0];
    assert_eq!(status(&serving, Some(operator), "es2plus/downloadOrder", &order()), 200);
    let revoked = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(["pki", "revoke"])
        .arg(&folder.dir)
        .arg(folder.dir.join("Operator/CERT_OPERATOR_TLS_NIST.der"))
        .output()
        .unwrap();
    assert!(revoked.status.success());
    let hang_up = || {
        let pid = serving.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    };
    hang_up();
    serving.wait_for(&["loaded again"]);
    assert_eq!(status(&serving, Some(operator), "es2plus/downloadOrder", &order()), 403);
    serving.wait_for(&["ES2+.DownloadOrder", "not-authenticated", "revoked"]);
    // What does not load leaves everything as it was.
    std::fs::rename(folder.dir.join("DPauth"), folder.dir.join("../DPauth")).unwrap();
    hang_up();
    let body = json!({"smdpAddress": "other.example"});
    assert_eq!(status(&serving, None, "es9plus/initiateAuthentication", &body), 200);
    serving.interrupt();
}

#[test]
fn a_folder_without_an_smds_is_served() {
    let folder = Folder::new(&[]);
    for gone in ["DSauth", "DStls"] {
        std::fs::remove_dir_all(folder.dir.join(gone)).unwrap();
    }
    let args = ["--pki", folder.path(), "--order", PROFILE];
    let serving = Serving::start(&args);
    assert!(serving.smds.starts_with("none"), "{}", serving.smds);
    for path in ["es11/initiateAuthentication", "es12/registerEvent"] {
        assert_eq!(status(&serving, Some(&folder.made.smdp[0].tls), path, &event("2.999.10")), 404, "{path}");
    }
    for more in [&["--announce"][..], &["--eim-download", "smds"]] {
        let (code, error) = run(&[&args[..], more].concat());
        assert!(code == Some(96) && error.contains("there is no SM-DS"), "{error}");
    }
}

#[test]
fn the_certificate_of_the_eim_is_checked_at_the_start() {
    let folder = Folder::new(&[]);
    let revoked = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(["pki", "revoke"])
        .arg(&folder.dir)
        .arg(folder.dir.join("eIM/CERT_EIM_ECDSA_NIST.der"))
        .output()
        .unwrap();
    assert!(revoked.status.success());
    let (code, error) = run(&["--pki", folder.path(), "--listen", "127.0.0.1:0"]);
    assert!(code == Some(96) && error.contains("revoked"), "{error}");
}

/// The ICCIDs that are on order.
fn iccids(serving: &Serving) -> Vec<&str> {
    let iccid = |code: &'_ String| -> Option<usize> {
        code.split([' ', ',']).position(|word| word.starts_with("89"))
    };
    serving.codes.iter().filter_map(|code| code.split([' ', ',']).nth(iccid(code)?)).collect()
}

#[test]
fn two_orders_never_share_an_iccid() {
    let place = tempfile::tempdir().unwrap();
    let state = place.path().join("state");
    let root = env!("CARGO_MANIFEST_DIR");
    let (one, two) = (format!("{PROFILE}:FIRST"), format!("{root}/sim-profiles/lte-test-op.toml:SECOND"));
    let args = ["--order", &one, "--order", &two, "--state", state.to_str().unwrap()];
    let serving = Serving::start(&args);
    let first: Vec<String> = iccids(&serving).into_iter().map(str::to_owned).collect();
    assert!(first.len() == 2 && first[0] != first[1], "{:?}", serving.codes);
    assert!(serving.codes.iter().any(|code| code.contains("$FIRST")), "{:?}", serving.codes);
    assert!(serving.codes.iter().any(|code| code.contains("$SECOND")), "{:?}", serving.codes);
    serving.interrupt();
    // The same command line finds its orders again; another one gets profiles of its own.
    let again = Serving::start(&args);
    assert_eq!(iccids(&again), first);
    again.interrupt();
    let packages = ["ts48-v7.0-nobertlv-noramrfm.der:A", "ts48-v7.0-nobertlv-noramrfm.der:B"];
    let packages = packages.map(|package| format!("{root}/sim-profiles/ts48/{package}"));
    let (code, error) = run(&["--listen", "127.0.0.1:0", "--order", &packages[0], "--order", &packages[1]]);
    assert!(code == Some(96) && error.contains("ICCID") && error.contains("ts48-v7.0"), "{error}");
}

#[test]
fn the_folder_has_certificates_for_clients() {
    let folder = Folder::new(&[]);
    let has = |name: &str| Path::new(&folder.dir).join(name).exists();
    assert!(has("Operator/CERT_OPERATOR_TLS_NIST.der") && has("Operator/CERT_OPERATOR_TLS_NIST.pem"));
    assert!(folder.made.smdp[0].tls.certificate.may_be_tls_client());
    assert!(!folder.made.operator[0].certificate.may_serve_tls());
}
