//! The virtual eUICC, the device's application and the servers together: over plain calls, and over TLS against
//! `cellbed esim serve`.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cellbed::card::{CardSlot, EuiccConfig, SimProfile, Uicc};
use cellbed::crypto::Tally;
use cellbed::esim::Caller;
use cellbed::esim::lpa::{
    Delivered, Delivery, Discovery, Download, DownloadOptions, DownloadReport, Es10, LpaError, Source, Step,
    Transport,
};
use cellbed::esim::office::{Deed, Office, Reply};
use cellbed::esim::smdp::{OrderState, Producer, ProfileNotice};
use cellbed::esim::{HttpRequest, HttpResponse, Pki};
use cellbed::id::{Eid, Iccid};
use cellbed::io::https_client::HttpsClient;
use cellbed::kernel::{EPOCH_UNIX_S, RngTree};
use cellbed::wire::rsp::{DeviceInfo, ProfileId, ProfileState, Switch, SwitchKind};
use serde_json::{Value, json};

#[path = "support/office.rs"]
mod opened;

const NOW: u64 = EPOCH_UNIX_S + 86_400;
const SMDP: &str = "smdp.example";
const SMDS: &str = "smds.example";
const EID: &str = "89049032123451234512345678901235";
const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sim-profiles/lte-test.toml");

fn eid() -> Eid {
    EID.parse().unwrap()
}

/// A virtual eUICC of the lab's hierarchy, without a profile.
fn card() -> CardSlot {
    let pki = Pki::lab().unwrap();
    let rng = RngTree::new(7).branch("card1");
    let (key, chain) = pki.euicc(&eid(), &rng).unwrap();
    let mut config = EuiccConfig::new(eid(), key, chain, vec![pki.anchor(None, &Tally::new()).unwrap()]);
    config.root_smds = SMDS.to_owned();
    config.default_smdp = Some(SMDP.to_owned());
    CardSlot::new(Box::new(Uicc::with_euicc(config, rng, Vec::new()).unwrap()))
}

struct Servers {
    office: Office,
    /// What the SM-DP+ has learned of its profiles.
    notices: Vec<ProfileNotice>,
}

impl Servers {
    fn new() -> Self {
        let identities = opened::identities(&Pki::lab().unwrap(), SMDP, SMDS, None, NOW);
        let office = opened::office(identities, SMDP, SMDS, None);
        Self { office, notices: Vec::new() }
    }

    /// An order for the EID, of which the SM-DS hears.
    fn order(&mut self, number: u32) -> Iccid {
        let profile = SimProfile::parse(&std::fs::read_to_string(PROFILE).unwrap()).unwrap();
        let producer = Producer::new(profile, "lte-test", SMDP, RngTree::new(7).branch("subscribers"));
        let (profile, _) = producer.make(number).expect("a profile");
        let iccid = opened::ordered(&mut self.office, profile, eid(), (None, Some(SMDS)), NOW);
        assert!(self.office.poll(NOW, &mut Vec::new()).is_none());
        iccid
    }

    fn handle(&mut self, request: &HttpRequest) -> HttpResponse {
        let mut deeds = Vec::new();
        let server = self.office.server_of(request);
        let reply = self.office.handle(NOW, &Caller::House, server, request, &mut deeds);
        assert!(self.office.poll(NOW, &mut deeds).is_none());
        let learned = deeds.into_iter().filter_map(|deed| match deed {
            Deed::Learned(notice) => Some(notice),
            _ => None,
        });
        self.notices.extend(learned);
        match reply {
            Reply::Now(response) => response,
            Reply::After(relay) => panic!("{relay:?}"),
        }
    }

    fn state(&self, iccid: &Iccid) -> OrderState {
        self.office.smdp().order(iccid).unwrap().state()
    }
}

fn new_download(source: Source) -> Download {
    let device = DeviceInfo::lte([0x35, 0x29, 0x06, 0x11]);
    Download::new(source, Transport::Direct, DownloadOptions::accepting(device))
}

/// Carries a download to its end; `way` is the network, which may lose or change what it carries.
fn run(
    card: &mut CardSlot,
    download: &mut Download,
    mut way: impl FnMut(&HttpRequest) -> Option<HttpResponse>,
) -> Result<DownloadReport, LpaError> {
    let mut es10 = Es10::open(card).unwrap();
    let mut step = download.start(&mut es10);
    let result = loop {
        match step {
            Step::Send(request) => {
                step = match way(&request) {
                    Some(response) => download.resume(&mut es10, &response),
                    None => download.failed("the network is gone"),
                };
            }
            Step::Done(report) => break Ok(report),
            Step::Failed(error) => break Err(error),
        }
    };
    es10.close().unwrap();
    result
}

/// Enables a profile, resets the card, and says which profiles are enabled.
fn enable(card: &mut CardSlot, report: &DownloadReport) -> Vec<bool> {
    let mut es10 = Es10::open(card).unwrap();
    let profile = ProfileId::Iccid(report.iccid.unwrap());
    es10.switch(&Switch { kind: SwitchKind::Enable, profile, refresh: true }).unwrap();
    card.reset().unwrap();
    let mut es10 = Es10::open(card).unwrap();
    let profiles = es10.profiles(&Default::default()).unwrap();
    es10.close().unwrap();
    profiles.iter().map(|profile| profile.state == Some(ProfileState::Enabled)).collect()
}

/// Delivers the notifications that wait.
fn deliver(card: &mut CardSlot, mut way: impl FnMut(&HttpRequest) -> HttpResponse) -> Delivered {
    let mut es10 = Es10::open(card).unwrap();
    let mut delivery = Delivery::new(Transport::Direct);
    let mut step = delivery.start(&mut es10);
    loop {
        match step {
            Step::Send(request) => step = delivery.resume(&mut es10, &way(&request)),
            Step::Done(delivered) => return delivered,
            Step::Failed(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_profile_is_downloaded_enabled_and_all_of_it_reported() {
    for smds in [false, true] {
        let (mut card, mut servers) = (card(), Servers::new());
        let iccid = servers.order(0);
        let source = match smds {
            false => Source::DefaultSmdp,
            true => {
                let mut es10 = Es10::open(&mut card).unwrap();
                let mut discovery =
                    Discovery::new(Some(SMDS.to_owned()), None, DeviceInfo::lte([0x35, 0x29, 0x06, 0x11]));
                let mut step = discovery.start(&mut es10);
                let events = loop {
                    match step {
                        Step::Send(request) => step = discovery.resume(&mut es10, &servers.handle(&request)),
                        Step::Done(events) => break events,
                        Step::Failed(error) => panic!("{error}"),
                    }
                };
                es10.close().unwrap();
                assert_eq!(events.len(), 1);
                let (address, event_id) = (events[0].server.clone(), events[0].event_id.clone());
                Source::Smdp { address, matching_id: Some(event_id) }
            }
        };
        let report =
            run(&mut card, &mut new_download(source), |request| Some(servers.handle(request))).unwrap();
        assert_eq!(report.notification_kept, None);
        assert_eq!(servers.state(&iccid), OrderState::Installed);
        assert!(
            servers
                .notices
                .iter()
                .any(|notice| { notice.is_installed() && (&notice.iccid, &notice.eid) == (&iccid, &eid()) })
        );
        assert_eq!(servers.office.smds().unwrap().events().count(), 0, "the event is gone with the order");
        assert_eq!(enable(&mut card, &report), [true]);
        let delivered = deliver(&mut card, |request| servers.handle(request));
        assert_eq!((delivered.delivered.len(), delivered.kept.len()), (1, 0));
        let told: Vec<_> =
            servers.office.smdp().notifications().map(|n| (n.event.as_str(), n.iccid.as_ref())).collect();
        assert_eq!(told, [("install", Some(&iccid)), ("enable", Some(&iccid))]);
    }
}

#[test]
fn a_download_that_lost_its_network_is_begun_again_with_the_same_binding() {
    let (mut card, mut servers) = (card(), Servers::new());
    let iccid = servers.order(0);
    let mut download = new_download(Source::DefaultSmdp);
    let mut packages = Vec::new();
    let mut lose = 1;
    let mut way = |request: &HttpRequest| {
        let response = servers.handle(request);
        if request.path.ends_with("getBoundProfilePackage") {
            let body: Value = serde_json::from_slice(&response.body).unwrap();
            packages.push(STANDARD.decode(body["boundProfilePackage"].as_str().unwrap()).unwrap());
            if lose > 0 {
                lose -= 1;
                return None;
            }
        }
        Some(response)
    };
    assert!(matches!(run(&mut card, &mut download, &mut way), Err(LpaError::Network { .. })));
    run(&mut card, &mut download, &mut way).unwrap();
    // Only the head is another one: what follows it, from ConfigureISDP on, is the same.
    let tail = |package: &Vec<u8>| {
        let package = cellbed::wire::rsp::BoundProfilePackage::parse(package).unwrap();
        (package.configure_isdp, package.store_metadata, package.replace_session_keys, package.profile)
    };
    assert_ne!(packages[0], packages[1]);
    assert!(tail(&packages[0]) == tail(&packages[1]));
    assert_eq!(servers.state(&iccid), OrderState::Installed);
}

#[test]
fn a_package_changed_on_the_way_is_refused_by_the_card_and_the_server_hears_why() {
    let (mut card, mut servers) = (card(), Servers::new());
    let iccid = servers.order(0);
    let way = |request: &HttpRequest| {
        let mut response = servers.handle(request);
        if request.path.ends_with("getBoundProfilePackage") {
            let mut body: Value = serde_json::from_slice(&response.body).unwrap();
            let mut package = STANDARD.decode(body["boundProfilePackage"].as_str().unwrap()).unwrap();
            let last = package.len() - 1;
            package[last] ^= 1;
            body["boundProfilePackage"] = json!(STANDARD.encode(package));
            response.body = body.to_string().into_bytes();
        }
        Some(response)
    };
    assert!(run(&mut card, &mut new_download(Source::DefaultSmdp), way).is_err());
    assert_eq!(servers.state(&iccid), OrderState::Error);
    let problem = servers.office.smdp().order(&iccid).unwrap().problem().unwrap();
    assert_eq!(problem, "loadProfileElements: scp03tSecurityError");
    let mut es10 = Es10::open(&mut card).unwrap();
    assert!(es10.profiles(&Default::default()).unwrap().is_empty());
}

/// A server that runs.
struct Serving {
    child: Child,
    address: String,
    root: PathBuf,
}

impl Serving {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .args(["esim", "serve"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = |prefix: &str| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line:?}")).trim().to_owned()
        };
        let address = line("SM-DP+ ");
        line("SM-DS  ");
        line("eIM    ");
        line("eUICCs are told of the eIM with ");
        let root = line("TLS clients have to trust ").into();
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        Self { child, address, root }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_same_over_tls_and_the_server_is_killed_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let order = format!("{PROFILE}:TOKEN-1");
    // One address for every start: a port that was free a moment ago.
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let root = dir.path().join("root.pem");
    let eim = dir.path().join("eim.der");
    let files = ["--root", root.to_str().unwrap(), "--eim-config", eim.to_str().unwrap()];
    let args = [&["--listen", &listen, "--order", &order, "--state", state][..], &files].concat();
    let mut card = card();
    let mut serving = Serving::start(&args);
    let source = Source::Smdp { address: serving.address.clone(), matching_id: Some("TOKEN-1".to_owned()) };
    let mut functions = Vec::new();
    let way = |request: &HttpRequest| {
        functions.push(request.path.rsplit('/').next().unwrap().to_owned());
        // Killed before every request, each of which finds what the one before it has left; but before the eUICC has
        // proved itself nothing is kept of it.
        if !request.path.ends_with("authenticateClient") {
            serving.child.kill().unwrap();
            serving.child.wait().unwrap();
            serving = Serving::start(&args);
        }
        let pem = std::fs::read_to_string(&serving.root).unwrap();
        let root = cellbed::crypto::rsp_cert::pem::block(&pem, "CERTIFICATE").unwrap().unwrap();
        let mut client = HttpsClient::new(&[root.to_vec()], Duration::from_secs(20)).unwrap();
        Some(client.send(request).unwrap())
    };
    let report = run(&mut card, &mut new_download(source), way).unwrap();
    assert_eq!(report.notification_kept, None);
    assert_eq!(enable(&mut card, &report), [true]);
    assert_eq!(
        functions,
        ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage", "handleNotification"]
    );
}
