//! Wireshark reads what a run captured: every protocol is dissected, and nothing is malformed.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use cellbed::event::Verdict;
use cellbed::lab::Run;
use cellbed::lab::scenario::Ciphering;

/// Runs tshark on the capture of a run.
fn tshark(capture: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tshark").arg("-r").arg(capture).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn load(scenario: &str) -> Run {
    let path = format!("lab/scenarios/{scenario}.toml");
    Run::load(Path::new(&path), Path::new("lab/benches/virtual.toml")).unwrap()
}

fn run_into(folder: &Path, scenario: &str) -> std::path::PathBuf {
    let finished = load(scenario).into_folder(folder, None).unwrap();
    assert_eq!(finished.summary.verdict, Verdict::Pass, "{:?}", finished.summary.reason);
    finished.folder
}

#[test]
fn every_protocol_is_dissected_and_nothing_is_malformed() {
    if !support::need_command(
        "tshark",
        "Wireshark dissects every protocol of a run and finds nothing malformed",
    ) {
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    for scenario in ["zero-touch", "auth-sqn-resync", "auth-mac-failure", "forked-counter"] {
        let capture = run_into(runs.path(), scenario).join("trace.pcapng");
        let checks = [
            "ip.check_checksum:TRUE",
            "udp.check_checksum:TRUE",
            "sctp.checksum:TRUE",
            "tcp.check_checksum:TRUE",
            // What is ciphered must not be guessed at: by chance its bytes look like a message in clear.
            "nas-eps.null_decipher:FALSE",
        ];
        let mut arguments: Vec<&str> = checks.iter().flat_map(|check| ["-o", check]).collect();
        arguments.extend([
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "frame.protocols",
            "-e",
            "_ws.malformed",
            "-e",
            "_ws.expert.message",
        ]);
        let text = tshark(&capture, &arguments);
        let mut protocols = BTreeSet::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            assert!(
                fields.get(2).is_none_or(|malformed| malformed.is_empty()),
                "{scenario}: malformed: {line}"
            );
            for complaint in ["hecksum", "Malformed", "undecoded", "not dissected"] {
                assert!(!line.contains(complaint), "{scenario}: {line}");
            }
            protocols.extend(fields[1].split(':').map(str::to_owned));
        }
        let expected: &[&str] = match scenario {
            "auth-mac-failure" | "auth-sqn-resync" => {
                &["gsm_sim", "lte_rrc", "sctp", "s1ap", "nas-eps", "openflow_v4"]
            }
            _ => &[
                "gsm_sim",
                "lte_rrc",
                "s1ap",
                "nas-eps",
                "gtp",
                "ip",
                "tcp",
                "tls",
                "openflow",
                "openflow_v4",
            ],
        };
        for protocol in expected {
            assert!(protocols.contains(*protocol), "{scenario}: no {protocol} in {protocols:?}");
        }
    }
}

/// Each message between controller and switch, by its type in the header; and the flows of a session as they are meant.
#[test]
fn openflow_is_read_message_by_message() {
    if !support::need_command("tshark", "Wireshark reads each OpenFlow message of a run as it was meant") {
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    let folder = run_into(runs.path(), "zero-touch");
    let fields = [
        "-Y",
        "openflow_v4",
        "-T",
        "fields",
        "-e",
        "openflow_v4.type",
        "-e",
        "openflow_v4.flowmod.command",
        "-e",
        "openflow_v4.flowmod.priority",
        "-e",
        "openflow_v4.oxm.value_ipv4addr",
    ];
    let text = tshark(&folder.join("trace.pcapng"), &fields);
    let events = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let sent = events.lines().filter(|line| line.contains("\"proto\":\"OFP\"")).count();
    assert_eq!(text.lines().count(), sent, "every message is one, and is read: {text}");
    // HELLO, FEATURES_REQUEST and _REPLY, FLOW_MOD, BARRIER_REQUEST and _REPLY.
    let types: BTreeSet<&str> = text.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(types, ["0", "5", "6", "14", "20", "21"].into());
    // The first session, for onboarding only: what it sends, and what is sent to it.
    for flow in ["14\t0\t100\t10.44.0.2", "14\t0\t100\t10.99.0.40", "14\t3\t"] {
        assert!(text.lines().any(|line| line.starts_with(flow)), "no {flow:?} in {text}");
    }
}

/// Each RRC message of an attach and a detach, by the name that Wireshark has for it.
#[test]
fn rrc_is_read_message_by_message() {
    if !support::need_command("tshark", "Wireshark reads each RRC message of an attach and a detach") {
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    let folder = run_into(runs.path(), "plain-card");
    let fields =
        ["-Y", "lte_rrc", "-T", "fields", "-e", "_ws.col.Info", "-e", "ip.src", "-e", "_ws.malformed"];
    let text = tshark(&folder.join("trace.pcapng"), &fields);
    let events = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let sent = events.lines().filter(|line| line.contains("\"proto\":\"RRC\"")).count();
    assert_eq!(text.lines().count(), sent, "every message is one, and is read: {text}");
    for name in [
        "SystemInformationBlockType1",
        "SystemInformation ",
        "RRCConnectionRequest",
        "RRCConnectionSetup",
        "RRCConnectionSetupComplete",
        "DLInformationTransfer",
        "ULInformationTransfer",
        "SecurityModeCommand",
        "SecurityModeComplete",
        "RRCConnectionReconfiguration",
        "RRCConnectionReconfigurationComplete",
    ] {
        assert!(text.contains(name.trim_end()), "no {name} in {text}");
    }
    // The NAS messages of before the Security Mode Command are read inside.
    assert!(text.contains("Attach request") && text.contains("Authentication request"), "{text}");
}

/// Each message of an attach and a detach, as TS 24.301 numbers it (table 9.8.1).
#[test]
fn nas_is_read_message_by_message_where_it_is_not_ciphered() {
    if !support::need_command("tshark", "Wireshark reads each NAS message of an attach and a detach") {
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    // A device with a plain card asks for its access point, so that no message of an attach is missing.
    let mut run = load("plain-card");
    run.scenario.network.ciphering = vec![Ciphering::Eea0];
    let finished = run.into_folder(runs.path(), None).unwrap();
    let fields =
        ["-Y", "nas-eps", "-T", "fields", "-e", "nas_eps.nas_msg_emm_type", "-e", "nas_eps.nas_msg_esm_type"];
    let text = tshark(&finished.folder.join("trace.pcapng"), &fields);
    let seen: BTreeSet<&str> = text.split(['\t', '\n', ',']).filter(|number| !number.is_empty()).collect();
    for (number, name) in [
        ("0x41", "Attach Request"),
        ("0x52", "Authentication Request"),
        ("0x53", "Authentication Response"),
        ("0x5d", "Security Mode Command"),
        ("0x5e", "Security Mode Complete"),
        ("0xd0", "PDN Connectivity Request"),
        ("0xd9", "ESM Information Request"),
        ("0xda", "ESM Information Response"),
        ("0x42", "Attach Accept"),
        ("0xc1", "Activate Default EPS Bearer Context Request"),
        ("0x43", "Attach Complete"),
        ("0xc2", "Activate Default EPS Bearer Context Accept"),
        ("0x45", "Detach Request"),
        ("0x46", "Detach Accept"),
    ] {
        assert!(seen.contains(number), "{name} ({number}) is not among {seen:?}");
    }
}

#[test]
fn the_key_log_opens_what_tls_protects() {
    if !support::need_command("tshark", "Wireshark opens TLS with the key log, and only with it") {
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    let folder = run_into(runs.path(), "zero-touch");
    let keys = format!("tls.keylog_file:{}", folder.join("sslkeylog.txt").display());
    let fields = ["-T", "fields", "-e", "http.request.uri", "-e", "http.response.code", "-e", "mqtt.topic"];
    let closed = tshark(&folder.join("trace.pcapng"), &fields);
    assert!(!closed.contains("simpleenroll"), "without its secrets TLS has to stay closed");
    let with_keys: Vec<&str> = ["-o", keys.as_str()].into_iter().chain(fields).collect();
    let open = tshark(&folder.join("trace.pcapng"), &with_keys);
    for seen in [
        "/gsma/rsp2/asn1",
        "/gsma/rsp2/es9plus/initiateAuthentication",
        "/gsma/rsp2/es9plus/getBoundProfilePackage",
        "/.well-known/est/cacerts",
        "/.well-known/est/simpleenroll",
        "/registration",
        "200",
        "/telemetry",
    ] {
        assert!(open.contains(seen), "no {seen} in {open}");
    }
}

/// The update of a device, out of the capture: manifest and proof as CBOR, the image in ranges, the report under COSE.
#[test]
fn an_update_is_read_out_of_the_capture() {
    if !support::need_command("tshark", "Wireshark reads manifest, ranges and report of an update") {
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    let folder = run_into(runs.path(), "update");
    let keys = format!("tls.keylog_file:{}", folder.join("sslkeylog.txt").display());
    let read = |filter: &str, field: &str| -> Vec<String> {
        let arguments = ["-o", &keys, "-Y", filter, "-T", "fields", "-e", field];
        tshark(&folder.join("trace.pcapng"), &arguments).lines().map(str::to_owned).collect()
    };
    let asked = read("http.request.uri contains \"/images/\"", "http.request.line");
    assert!(asked.len() >= 3 && asked.iter().all(|lines| lines.contains("Range: bytes=")), "{asked:?}");
    assert!(asked.iter().skip(1).all(|lines| lines.contains("If-Range: ")), "{asked:?}");
    let parts = read("http.response.code == 206", "http.response.line");
    assert_eq!(parts.len(), asked.len());
    assert!(parts.iter().all(|lines| lines.contains("Content-Range: bytes ")), "{parts:?}");
    let manifests = read("http.request.uri contains \"/manifest\"", "http.request.method");
    assert!(!manifests.is_empty() && manifests.iter().all(|method| method == "GET"), "{manifests:?}");
    let reports = read("http.request.uri contains \"/report\"", "http.request.method");
    // What there is to sign, and the signed report.
    assert_eq!(reports, ["GET", "POST"]);
    // EST's bodies are Base64 (RFC 8951), which Wireshark takes for the BER that their media type stands for.
    let malformed =
        read("_ws.malformed and not http.content_type contains \"application/pkcs\"", "frame.number");
    assert!(malformed.is_empty(), "{malformed:?}");
}

/// Whoever is attacked answers: both directions of an attack are in the capture, whole, with the numbers of one connection.
#[test]
fn an_attack_has_two_sides_in_the_capture() {
    if !support::need_command(
        "tshark",
        "Wireshark reads both sides of an attack, with check sums and sequence numbers",
    ) {
        return;
    }
    let runs = tempfile::tempdir().unwrap();
    let folder = run_into(runs.path(), "slow-exfiltration");
    let count = |filter: &str| {
        let sums = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-Y", filter];
        tshark(&folder.join("trace.pcapng"), &sums).lines().count()
    };
    let stranger = "ip.addr == 203.0.113.0/24";
    assert!(count(&format!("{stranger} && tcp.flags == 0x002")) > 0, "SYN");
    assert!(count(&format!("{stranger} && tcp.flags == 0x012")) > 0, "SYN and ACK");
    assert!(count(&format!("{stranger} && tcp.len > 0")) > 0, "data");
    let wrong = "ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.ack_lost_segment || tcp.analysis.lost_segment";
    assert_eq!(count(&format!("{stranger} && ({wrong})")), 0);
}

#[test]
fn the_run_folder_holds_everything_and_last_points_at_it() {
    let runs = tempfile::tempdir().unwrap();
    let folder = run_into(runs.path(), "zero-touch");
    for name in [
        "transcript.txt",
        "trace.pcapng",
        "junit.xml",
        "events.jsonl",
        "report.html",
        "metrics.json",
        "sslkeylog.txt",
        "certificates.jsonl",
        "ledger/blocks.log",
        "ledger/checkpoint",
    ] {
        let size =
            std::fs::metadata(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")).len();
        assert!(size > 0, "{name} is empty");
    }
    let last = std::fs::canonicalize(runs.path().join("last")).unwrap();
    assert_eq!(last, std::fs::canonicalize(folder).unwrap());
}
