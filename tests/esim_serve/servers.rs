//! The functions over TLS: with our own client, with curl where it is there, killed and started again, and against
//! clients that misbehave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serving::{PROFILE, Serving};
use crate::support::need_command;

fn codes(answer: &Value) -> (Option<&str>, Option<&str>) {
    let data = &answer["header"]["functionExecutionStatus"]["statusCodeData"];
    (data["subjectCode"].as_str(), data["reasonCode"].as_str())
}

#[test]
fn functions_are_served_over_tls() {
    let order = format!("{PROFILE}:TOKEN-1");
    let serving = Serving::start(&["--order", &order]);
    let code = format!("LPA:1${}$TOKEN-1", serving.address);
    assert!(serving.codes[0].starts_with(&code), "{:?}", serving.codes);
    let mut client = serving.client();
    let body = json!({"smdpAddress": "other.example", "euiccChallenge": "AAAAAAAAAAAAAAAAAAAAAA==", "euiccInfo1": "vyAJggMCBQCpAKoA"});
    let (status, answer) = serving.post(&mut client, "es9plus/initiateAuthentication", &body);
    assert_eq!((status, codes(&answer)), (200, (Some("8.8.1"), Some("3.8"))), "{answer}");
    let (status, answer) = serving.post(&mut client, "es11/initiateAuthentication", &body);
    assert_eq!((status, codes(&answer)), (200, (Some("8.9.1"), Some("3.8"))), "{answer}");
    let header = json!({"functionRequesterIdentifier": "2.999.20", "functionCallIdentifier": "1"});
    let order = json!({"header": header, "profileType": "none"});
    let (status, answer) = serving.post(&mut client, "es2plus/downloadOrder", &order);
    assert_eq!((status, codes(&answer)), (200, (Some("8.2.5"), Some("3.9"))), "{answer}");
    let (status, answer) = serving.post(&mut client, "es9plus/unheardOf", &json!({}));
    assert_eq!((status, codes(&answer)), (404, (Some("1.6"), Some("3.1"))), "{answer}");
    let root = serving.root.clone();
    serving.interrupt();
    assert!(!root.exists(), "the temporary file goes at the end");
}

#[test]
fn curl_is_served() {
    if !need_command("curl", "curl is served over TLS that it verifies") {
        return;
    }
    let serving = Serving::start(&[]);
    let curl = |root: &Path, args: &[&str]| {
        let url = format!("https://{}/gsma/rsp2/es9plus/handleNotification", serving.address);
        let output = Command::new("curl")
            .args([
                "-sS",
                "--noproxy",
                "*",
                "-o",
                "-",
                "-w",
                "\n%{http_code} %header{x-admin-protocol}",
                "--cacert",
            ])
            .arg(root)
            .args(args)
            .arg(&url)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let protocol = "X-Admin-Protocol: gsma/rsp/v2.2.0";
    let json =
        ["-H", protocol, "-H", "Content-Type: application/json", "-d", r#"{"pendingNotification": "AAAA"}"#];
    let (done, out) = curl(&serving.root, &json);
    assert!(done && out.contains("\n200 gsma/rsp/v2.5.0") && out.contains("malformed"), "{out}");
    // No JSON, no protocol, another content.
    let content = "Content-Type: application/json";
    for (args, status) in [
        (["-H", protocol, "-H", content, "-d", "no"], 400),
        (["-H", "Accept: */*", "-H", content, "-d", "{}"], 400),
        (["-H", protocol, "-H", "Content-Type: a/b", "-d", "{}"], 415),
    ] {
        let (done, out) = curl(&serving.root, &args);
        assert!(done && out.contains(&format!("\n{status} ")), "{args:?}: {out}");
    }
    let (done, out) = curl(&serving.root, &[]);
    assert!(done && out.contains("\n405 "), "{out}");
    // A client that does not know the root does not go on.
    let (done, _) = curl(Path::new("/etc/ssl/certs/ca-certificates.crt"), &json);
    assert!(!done);
}

#[test]
fn slow_clients_hold_nobody_up_and_nothing_is_too_long() {
    let serving = Serving::start(&[]);
    // Many that say nothing, and one that says half of a handshake.
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(&serving.address).unwrap()).collect();
    let mut half = TcpStream::connect(&serving.address).unwrap();
    half.write_all(&[0x16, 0x03, 0x01]).unwrap();
    let begun = Instant::now();
    let mut client = serving.client();
    let (status, _) = serving.post(&mut client, "es9plus/unheardOf", &json!({}));
    assert_eq!(status, 404);
    assert!(begun.elapsed() < Duration::from_secs(5));
    let (status, _) = serving.post(&mut client, "es9plus/cancelSession", &json!({"a": "x".repeat(300_000)}));
    assert_eq!(status, 413);
    // Plain HTTP, and rubbish.
    let mut plain = TcpStream::connect(&serving.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP"));
    drop(idle);
    serving.interrupt();
}

#[test]
fn a_server_that_is_killed_has_its_orders_when_it_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let keys = dir.path().join("subscribers.jsonl");
    let args =
        ["--order", PROFILE, "--state", state.to_str().unwrap(), "--subscribers", keys.to_str().unwrap()];
    let mut serving = Serving::start(&args);
    let code = |serving: &Serving| serving.codes[0].split('$').nth(2).unwrap().to_owned();
    let first = code(&serving);
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();
    let again = Serving::start(&args);
    assert_eq!(code(&again), first, "the order is the same, its token too");
    let subscribers = std::fs::read_to_string(&keys).unwrap();
    assert_eq!(subscribers.lines().count(), 1);
    let subscriber: Value = serde_json::from_str(&subscribers).unwrap();
    let k = subscriber["k"].as_str().unwrap();
    assert_eq!((subscriber["imsi"].as_str(), k.len()), (Some("001010000100001"), 32));
    // K is in no other file, neither as digits nor as bytes.
    let raw = hex::decode(k).unwrap();
    let mut looked_at = 0;
    for entry in std::fs::read_dir(state.join("order")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(32).any(|window| window == k.as_bytes()));
        assert!(!bytes.windows(16).any(|window| window == raw));
        looked_at += 1;
    }
    assert_eq!(looked_at, 1);
    again.interrupt();
}

#[test]
fn what_cannot_be_served_is_said() {
    let run = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_cellbed")).args(["esim", "serve"]).args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = run(&["--pki", "/nonexistent", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(96) && error.contains("/nonexistent"), "{error}");
    let (code, error) = run(&["--order", "nothing.toml", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(96) && error.contains("nothing.toml"), "{error}");
    let order = format!("{PROFILE}:lower");
    let (code, error) = run(&["--order", &order, "--listen", "127.0.0.1:0"]);
    assert!(code == Some(96) && error.contains("A-Z, 0-9 and -"), "{error}");
}
