//! Every message of every scenario: what cards, devices, servers and network write in a run is read and written again
//! by the independent tools, and the bytes agree.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cellbed::event::{Body, Event, Message, Role};
use cellbed::lab::Run;
use cellbed::lab::scenario::Ciphering;
use cellbed::ledger::MemoryStore;
use cellbed::report::{RunSummary, View};
use cellbed::wire::Proto;

use crate::python::Python;

/// Keeps all messages.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Message>>>);

impl View for Kept {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Body::Message(message) = &event.body {
            self.0.lock().unwrap().push(message.clone());
        }
        Ok(())
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        Ok(())
    }
}

/// The messages of all scenarios, with nothing ciphered between device and core network.
fn messages() -> Vec<Message> {
    let mut all = Vec::new();
    let mut scenarios: Vec<_> =
        std::fs::read_dir("lab/scenarios").unwrap().map(|entry| entry.unwrap().path()).collect();
    scenarios.sort();
    for scenario in scenarios.iter().filter(|path| path.extension().is_some_and(|ending| ending == "toml")) {
        let mut run = Run::load(scenario, Path::new("lab/benches/virtual.toml")).unwrap();
        run.scenario.network.ciphering = vec![Ciphering::Eea0];
        let kept = Kept::default();
        let mut views: Vec<Box<dyn View>> = vec![Box::new(kept.clone())];
        run.simulate(Box::new(MemoryStore::new()), None, &mut views).unwrap();
        drop(views);
        all.append(&mut kept.0.lock().unwrap());
    }
    all
}

/// A type of an ASN.1 module, as module and name.
type Kind = (&'static str, &'static str);

/// A message of an ASN.1 module, as module, type and DER.
type Typed = (&'static str, &'static str, Vec<u8>);

const SGP22: &str = "RSPDefinitions";
const SGP32: &str = "SGP32Definitions";

/// Types of ES10 by tag: of the request, and of the response. SGP.32 has its own forms of some.
#[rustfmt::skip]
const ES10: &[(u16, Kind, Kind)] = &[
    (0xbf20, (SGP22, "GetEuiccInfo1Request"), (SGP22, "EUICCInfo1")),
    (0xbf21, (SGP22, "PrepareDownloadRequest"), (SGP32, "PrepareDownloadResponse")),
    (0xbf22, (SGP22, "GetEuiccInfo2Request"), (SGP32, "EUICCInfo2")),
    (0xbf28, (SGP22, "ListNotificationRequest"), (SGP22, "ListNotificationResponse")),
    (0xbf29, (SGP22, "SetNicknameRequest"), (SGP22, "SetNicknameResponse")),
    (0xbf2b, (SGP32, "RetrieveNotificationsListRequest"), (SGP32, "RetrieveNotificationsListResponse")),
    (0xbf2d, (SGP22, "ProfileInfoListRequest"), (SGP32, "ProfileInfoListResponse")),
    (0xbf2e, (SGP22, "GetEuiccChallengeRequest"), (SGP22, "GetEuiccChallengeResponse")),
    (0xbf30, (SGP22, "NotificationSentRequest"), (SGP22, "NotificationSentResponse")),
    (0xbf31, (SGP22, "EnableProfileRequest"), (SGP22, "EnableProfileResponse")),
    (0xbf32, (SGP22, "DisableProfileRequest"), (SGP22, "DisableProfileResponse")),
    (0xbf33, (SGP22, "DeleteProfileRequest"), (SGP22, "DeleteProfileResponse")),
    (0xbf34, (SGP22, "EuiccMemoryResetRequest"), (SGP22, "EuiccMemoryResetResponse")),
    (0xbf36, (SGP22, "BoundProfilePackage"), (SGP22, "ProfileInstallationResult")),
    (0xbf38, (SGP22, "AuthenticateServerRequest"), (SGP32, "AuthenticateServerResponse")),
    (0xbf3c, (SGP22, "EuiccConfiguredAddressesRequest"), (SGP22, "EuiccConfiguredAddressesResponse")),
    (0xbf3e, (SGP22, "GetEuiccDataRequest"), (SGP22, "GetEuiccDataResponse")),
    (0xbf3f, (SGP22, "SetDefaultDpAddressRequest"), (SGP22, "SetDefaultDpAddressResponse")),
    (0xbf41, (SGP22, "CancelSessionRequest"), (SGP32, "CancelSessionResponse")),
    (0xbf43, (SGP22, "GetRatRequest"), (SGP22, "GetRatResponse")),
    (0xbf51, (SGP32, "EuiccPackageRequest"), (SGP32, "EuiccPackageResult")),
    (0xbf55, (SGP32, "GetEimConfigurationDataRequest"), (SGP32, "GetEimConfigurationDataResponse")),
    (0xbf56, (SGP32, "GetCertsRequest"), (SGP32, "GetCertsResponse")),
    (0xbf57, (SGP32, "AddInitialEimRequest"), (SGP32, "AddInitialEimResponse")),
    (0xbf58, (SGP32, "ProfileRollbackRequest"), (SGP32, "ProfileRollbackResponse")),
    (0xbf59, (SGP32, "ConfigureImmediateProfileEnablingRequest"), (SGP32, "ConfigureImmediateProfileEnablingResponse")),
    (0xbf5a, (SGP32, "ImmediateEnableRequest"), (SGP32, "ImmediateEnableResponse")),
    (0xbf5d, (SGP32, "ExecuteFallbackMechanismRequest"), (SGP32, "ExecuteFallbackMechanismResponse")),
    (0xbf5e, (SGP32, "ReturnFromFallbackRequest"), (SGP32, "ReturnFromFallbackResponse")),
    (0xbf64, (SGP32, "EuiccMemoryResetRequest"), (SGP32, "EuiccMemoryResetResponse")),
    (0xbf65, (SGP32, "SetDefaultDpAddressRequest"), (SGP32, "SetDefaultDpAddressResponse")),
];

/// Types of what ES9+ and ES11 carry in base64, by the name of the JSON member.
const MEMBERS: &[(&str, &str, &str)] = &[
    ("euiccInfo1", SGP22, "EUICCInfo1"),
    ("serverSigned1", SGP22, "ServerSigned1"),
    ("authenticateServerResponse", SGP32, "AuthenticateServerResponse"),
    ("profileMetadata", SGP22, "StoreMetadataRequest"),
    ("smdpSigned2", SGP22, "SmdpSigned2"),
    ("prepareDownloadResponse", SGP22, "PrepareDownloadResponse"),
    ("boundProfilePackage", SGP22, "BoundProfilePackage"),
    ("pendingNotification", SGP22, "PendingNotification"),
    ("cancelSessionResponse", SGP22, "CancelSessionResponse"),
];

/// One command of ES10b or ES10c on its way.
#[derive(Default)]
struct Chain {
    request: Vec<u8>,
    whole: bool,
    response: Vec<u8>,
}

/// STORE DATA commands and GET RESPONSE put together again, card by card (SGP.22 clause 5.7.2).
#[derive(Default)]
struct Es10 {
    chains: BTreeMap<u32, Chain>,
    out: Vec<Typed>,
}

impl Es10 {
    fn command(&mut self, card: u32, apdu: &[u8]) {
        let chain = self.chains.entry(card).or_default();
        match apdu {
            [class, 0xe2, p1 @ (0x11 | 0x91), number, length, data @ ..] if class & 0x80 != 0 => {
                if *number == 0 {
                    *chain = Chain::default();
                }
                // A last byte may say how long an answer is wanted.
                chain.request.extend_from_slice(&data[..usize::from(*length).min(data.len())]);
                chain.whole = *p1 == 0x91;
            }
            [_, 0xc0, ..] => {}
            _ => *chain = Chain::default(),
        }
    }

    fn response(&mut self, card: u32, apdu: &[u8]) {
        let chain = self.chains.entry(card).or_default();
        let [data @ .., sw1, _] = apdu else { return };
        chain.response.extend_from_slice(data);
        // 91: a proactive command waits besides. A piece of a package has no tag of a command.
        if !chain.whole || !matches!(sw1, 0x90 | 0x91) || chain.request[0] != 0xbf {
            return;
        }
        let Chain { request, response, .. } = std::mem::take(chain);
        for (bytes, is_response) in [(request, false), (response, true)] {
            let Some(tag) = bytes.first_chunk().map(|tag| u16::from_be_bytes(*tag)) else { continue };
            // The pieces of a package are whole only together; the result of a download has a tag of its own.
            let tag = match (tag, is_response) {
                (0xbf36, false) => continue,
                (0xbf37, true) => 0xbf36,
                _ => tag,
            };
            let row = ES10.iter().find(|row| row.0 == tag);
            let row = row.unwrap_or_else(|| panic!("no type for {tag:04X}: {}", hex::encode(&bytes)));
            let (module, kind) = if is_response { row.2 } else { row.1 };
            self.out.push((module, kind, bytes));
        }
    }
}

/// Behind the head of an HTTP message.
fn body(http: &[u8]) -> &[u8] {
    let end = http.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(http, |end| &http[end + 4..])
}

fn typed(messages: &[Message]) -> Vec<Typed> {
    let mut es10 = Es10::default();
    let mut out = Vec::new();
    for message in messages {
        match message.label.proto {
            Proto::Apdu if message.to.role == Role::Card => es10.command(message.to.number, &message.bytes),
            Proto::Apdu => es10.response(message.from.number, &message.bytes),
            Proto::Esipa => {
                let to_eim = message.to.role == Role::Eim;
                let kind = if to_eim { "EsipaMessageFromIpaToEim" } else { "EsipaMessageFromEimToIpa" };
                if let bytes @ [_, ..] = body(&message.bytes) {
                    out.push((SGP32, kind, bytes.to_vec()));
                }
            }
            Proto::Es9p | Proto::Es11 => {
                let Ok(json) = serde_json::from_slice::<serde_json::Value>(body(&message.bytes)) else {
                    continue;
                };
                for (member, module, kind) in MEMBERS {
                    if let Some(text) = json.get(member).and_then(|value| value.as_str()) {
                        out.push((module, *kind, STANDARD.decode(text).unwrap()));
                    }
                }
            }
            _ => {}
        }
    }
    out.append(&mut es10.out);
    out
}

#[test]
fn every_provisioning_message_of_every_scenario_is_read_and_written_alike_by_another_tool() {
    let Some(python) =
        Python::find("another tool reads and writes each ES9+, ES10, ES11 and ESipa message alike")
    else {
        return;
    };
    let unique: BTreeSet<Typed> = typed(&messages()).into_iter().collect();
    let unique: Vec<Typed> = unique.into_iter().collect();
    let faults: Vec<String> = python
        .again(&unique)
        .iter()
        .zip(&unique)
        .filter(|(answer, (_, _, bytes))| **answer != hex::encode(bytes))
        .map(|(answer, (_, kind, bytes))| format!("{kind}: {}\n  {answer}", hex::encode(bytes)))
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), unique.len(), faults.join("\n"));
    let kinds: BTreeSet<&str> = unique.iter().map(|(_, kind, _)| *kind).collect();
    assert!(kinds.len() > 25, "{kinds:?}");
}

#[test]
fn every_s1ap_and_nas_message_of_every_scenario_is_read_and_written_alike_by_another_tool() {
    let Some(python) = Python::find("another tool reads and writes each S1AP and NAS message alike") else {
        return;
    };
    let mut lines = BTreeSet::new();
    for message in messages() {
        let kind = match message.label.proto {
            Proto::S1ap => "s1ap",
            Proto::Emm | Proto::Esm if message.from.role == Role::Ue => "nas-up",
            Proto::Emm | Proto::Esm => "nas-down",
            _ => continue,
        };
        lines.insert(format!("{kind} {}\n", hex::encode(&message.bytes)));
    }
    let answers = python.run("radio.py", &[], lines.iter().map(String::as_str).collect());
    let mut names = BTreeSet::new();
    let mut faults = Vec::new();
    for (line, answer) in lines.iter().zip(answers.lines()) {
        let (bytes, name) = answer.split_once(' ').unwrap_or((answer, ""));
        if line.trim_end().split_once(' ').is_some_and(|(_, sent)| sent == bytes) {
            names.insert(name);
        } else {
            faults.push(format!("{line}  {answer}"));
        }
    }
    assert_eq!(lines.len(), answers.lines().count());
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), lines.len(), faults.join("\n"));
    assert!(names.len() > 20, "{names:?}");
    // A message that stayed closed would be written as it was read without being understood.
    assert!(names.contains("EMMAttachRequest") && names.contains("EMMAttachAccept"), "{names:?}");
}
