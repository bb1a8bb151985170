//! Seeds that are messages of real runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cellbed::card::CardSlot;
use cellbed::esim::HttpRequest;
use cellbed::esim::ipa::IpaStep;
use cellbed::esim::lpa::{Es10, Step};
use cellbed::wire::gtpu;
use serde_json::Value;

use super::folder;
use super::targets::{TARGETS, device, ledger_records, network, servers};

/// Scenarios whose messages are seeds.
const SCENARIOS: [&str; 6] =
    ["zero-touch", "re-attach", "auth-mac-failure", "auth-sqn-resync", "esim-indirect", "unknown-subscriber"];

/// Seeds by target, each with a name.
#[derive(Default)]
struct Seeds(BTreeMap<&'static str, BTreeMap<String, Vec<u8>>>);

impl Seeds {
    /// The first one of a name stays.
    fn add(&mut self, target: &'static str, name: &str, bytes: Vec<u8>) {
        let longest = TARGETS.iter().find(|one| one.name == target).unwrap().longest;
        if bytes.is_empty() || bytes.len() > longest {
            return;
        }
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        self.0.entry(target).or_default().entry(format!("run-{name}")).or_insert(bytes);
    }

    fn write(self) {
        for (target, seeds) in self.0 {
            fs::create_dir_all(folder(target)).unwrap();
            for old in super::seeds(target) {
                let of_a_run = old.file_name().unwrap().to_str().unwrap().starts_with("run-");
                if of_a_run {
                    fs::remove_file(old).unwrap();
                }
            }
            for (name, bytes) in seeds {
                fs::write(folder(target).join(name), bytes).unwrap();
            }
        }
    }
}

/// A message as the targets with several read it.
fn frame(kind: u8, message: &[u8]) -> Vec<u8> {
    let message = &message[..message.len().min(usize::from(u16::MAX))];
    [&[kind][..], &(message.len() as u16).to_be_bytes(), message].concat()
}

/// Where each message ends.
fn ends(frames: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length: [u8; 2] = frames.get(at + 1..at + 3)?.try_into().ok()?;
        at += 3 + usize::from(u16::from_be_bytes(length));
        Some(at)
    })
}

fn kind(name: &str) -> u8 {
    network::KINDS.iter().position(|kind| *kind == name).unwrap() as u8
}

/// What stands behind the header fields of an HTTP message.
fn body(message: &[u8]) -> &[u8] {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    &message[end..]
}

/// What in JSON is Base64.
fn decoded(json: &Value, each: &mut dyn FnMut(Vec<u8>)) {
    match json {
        Value::String(text) if text.len() > 8 => {
            if let Ok(bytes) = STANDARD.decode(text) {
                each(bytes);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| decoded(one, each)),
        Value::Object(all) => all.values().for_each(|one| decoded(one, each)),
        _ => {}
    }
}

fn of_run(scenario: &str, seeds: &mut Seeds) {
    let runs = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .current_dir(root)
        .args(["run", &format!("lab/scenarios/{scenario}.toml"), "-q", "--runs"])
        .arg(runs.path())
        .status()
        .unwrap();
    let mut stranger = Vec::new();
    for line in fs::read_to_string(runs.path().join("last/events.jsonl")).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        let bytes = hex::decode(text("bytes")).unwrap();
        let (name, from) = (text("name"), text("from"));
        match text("proto") {
            "EMM" | "ESM" => {
                let up = from.starts_with("ue");
                seeds.add("nas", &format!("{name}{}", if up { "-up" } else { "-down" }), {
                    [&[u8::from(!up)][..], &bytes].concat()
                });
                let how = if name.starts_with("Attach Request") { "initial-nas" } else { "nas" };
                if up {
                    stranger.extend(frame(kind(how), &bytes));
                    seeds.add("network", &format!("nas-{name}"), frame(kind("initial-nas"), &bytes));
                }
            }
            "S1AP" => {
                seeds.add("s1ap", name, bytes.clone());
                if from.starts_with("enb") {
                    stranger.extend(frame(kind("s1ap"), &bytes));
                    seeds.add("network", name, frame(kind("s1ap"), &bytes));
                }
            }
            "GTP-U" => {
                seeds.add("gtp_u", &format!("{name}-{from}"), bytes.clone());
                let to = if from == "gw" { "gtp-u-enb" } else { "gtp-u" };
                seeds.add("network", &format!("{name}-{from}"), frame(kind(to), &bytes));
                let inner = bytes.get(8..).unwrap_or_default();
                seeds.add("network", &format!("sgi-{from}"), frame(kind("sgi"), inner));
            }
            "MQTT" => seeds.add("mqtt", name, bytes),
            "HTTP" | "EST" | "ES9+" | "ESipa" => {
                seeds.add("http", &format!("{name}-{from}"), bytes.clone());
                let body = body(&bytes);
                if let Ok(text) = std::str::from_utf8(body) {
                    seeds.add("texts", &format!("{name}-{from}"), text.as_bytes().to_vec());
                    if let Ok(der) = STANDARD.decode(text.replace(['\r', '\n'], "")) {
                        seeds.add("certificates", &format!("{name}-{from}"), der);
                        seeds.add("certificates", &format!("{name}-{from}-base64"), text.as_bytes().to_vec());
                    }
                }
            }
            "CWT" => seeds.add("texts", name, bytes),
            "APDU" if from != "card1" => {
                seeds.add("tlv", name, bytes.get(5..).unwrap_or_default().to_vec());
                seeds.add("at_lines", name, {
                    let digits = hex::encode_upper(&bytes);
                    format!("AT+CSIM={},\"{digits}\"\r", digits.len()).into_bytes()
                });
            }
            _ => {}
        }
    }
    seeds.add("network", &format!("all-of-{scenario}"), stranger);
}

/// The downloads and polls of a device at the servers, both ways.
fn of_servers(seeds: &mut Seeds) {
    let mut office = servers::office();
    let mut slot = CardSlot::new(Box::new(device::euicc()));
    let mut es10 = Es10::open(&mut slot).unwrap();
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let mut one = |request: &HttpRequest, seeds: &mut Seeds, step: u32| {
        let path = request.path.trim_start_matches("/gsma/rsp2/");
        let number = servers::PATHS.iter().position(|one| *one == path).unwrap() as u8;
        let response = servers::ask(&mut office, number, &request.body);
        let name = format!("{path}-{step}");
        seeds.add("servers", &name, frame(number, &request.body));
        asked.extend(frame(number, &request.body));
        let answer = if response.content_type.ends_with("json") { 0 } else { 1 }
            | u8::from(response.status == 204) << 1;
        let first = answered.is_empty();
        answered.extend(frame(if first { answer << 1 } else { answer }, &response.body));
        for body in [&request.body, &response.body] {
            let mut count = 0;
            match serde_json::from_slice::<Value>(body) {
                Ok(json) => decoded(&json, &mut |bytes| {
                    count += 1;
                    seeds.add("certificates", &format!("{name}-{count}"), bytes.clone());
                    seeds.add("rsp", &format!("{name}-{count}"), bytes);
                }),
                Err(_) => seeds.add("rsp", &name, body.clone()),
            }
        }
        response
    };
    let mut download = device::download();
    let mut step = download.start(&mut es10);
    for number in 0.. {
        let Step::Send(request) = step else { break };
        let response = one(&request, seeds, number);
        step = download.resume(&mut es10, &response);
    }
    seeds.add("servers", "a-download", asked);
    seeds.add("device", "a-download", answered.clone());
    // Servers that fall silent after their first answers.
    let ends: Vec<_> = ends(&answered).collect();
    for (number, end) in ends.iter().enumerate().take(3) {
        seeds.add("device", &format!("{}-answers", number + 1), answered[..*end].to_vec());
    }

    let mut office = servers::office();
    let mut slot = CardSlot::new(Box::new(device::euicc()));
    let mut es10 = Es10::open(&mut slot).unwrap();
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    let mut ipa = device::ipa();
    let mut step = ipa.start(&mut es10);
    for number in 0..20 {
        step = match step {
            IpaStep::Send(request) => {
                let response = servers::ask(&mut office, 14, &request.body);
                seeds.add("servers", &format!("esipa-{number}"), frame(14, &request.body));
                seeds.add("rsp", &format!("esipa-{number}-request"), request.body.clone());
                seeds.add("rsp", &format!("esipa-{number}-response"), response.body.clone());
                asked.extend(frame(14, &request.body));
                answered.extend(frame(if answered.is_empty() { 3 } else { 1 }, &response.body));
                ipa.resume(&mut es10, &response)
            }
            IpaStep::ProfileChanged => ipa.resume_after_refresh(&mut es10, true),
            IpaStep::Idle(_) | IpaStep::Failed(_) => break,
        };
    }
    seeds.add("servers", "a-poll", asked);
    seeds.add("device", "a-poll", answered);
}

#[test]
#[ignore = "writes the seeds of the fuzz targets"]
fn renew_the_seeds_of_runs() {
    let mut seeds = Seeds::default();
    for scenario in SCENARIOS {
        of_run(scenario, &mut seeds);
    }
    of_servers(&mut seeds);
    let written = &ledger_records::WRITTEN.contents;
    for (number, record) in written.records.iter().enumerate() {
        seeds.add("ledger_records", &format!("record-{number}"), frame(number as u8, record));
    }
    let checkpoint = written.checkpoint.clone().unwrap();
    for (name, kind) in [("checkpoint", ledger_records::CHECKPOINT), ("cosign", ledger_records::COSIGN)] {
        seeds.add("ledger_records", name, frame(kind, checkpoint.as_bytes()));
    }
    let last = written.records.last().unwrap();
    seeds.add("ledger_records", "appended", frame(ledger_records::APPENDED, last));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in fs::read_dir(root.join("sim-profiles")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_some_and(|ending| ending == "toml") {
            seeds.add("texts", &format!("profile-{name}"), fs::read(&path).unwrap());
            let package = tempfile::NamedTempFile::new().unwrap();
            let built = Command::new(env!("CARGO_BIN_EXE_cellbed"))
                .args(["profile", "build"])
                .arg(&path)
                .arg("-o")
                .arg(package.path())
                .output()
                .unwrap();
            if built.status.success() {
                seeds.add("saip", &name, fs::read(package.path()).unwrap());
            }
        }
    }
    let (indication, _) = gtpu::error_indication(7, [10, 53, 2, 1].into()).unwrap();
    let (answer, _) = gtpu::echo_response(1).unwrap();
    let request = vec![0x32, 1, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
    for (name, bytes) in
        [("error-indication", indication), ("echo-response", answer), ("echo-request", request)]
    {
        seeds.add("gtp_u", name, bytes.clone());
        seeds.add("network", name, frame(kind("gtp-u"), &bytes));
    }
    for (name, text) in [
        ("activation-code", "LPA:1$smdp.example$M-1$1.3.6.1.4.1.31746$1"),
        ("operation", "/.well-known/est/label/simpleenroll"),
        ("iccid", "8988211000000000011"),
    ] {
        seeds.add("texts", name, text.as_bytes().to_vec());
    }
    seeds.write();
}
