//! The servers of remote SIM provisioning as strangers and eUICCs ask them: SM-DP+ and SM-DS in JSON, the eIM in ASN.1. No
//! request panics, each gets an answer, nobody's order is changed by somebody who proved nothing, and what the servers keep of
//! strangers has a bound.

use std::sync::LazyLock;

use cellbed::card::{Personalisation, SimProfile};
use cellbed::esim::eim::{EimSettings, Rule, RuleStep};
use cellbed::esim::office::{Identities, Office, Reply};
use cellbed::esim::pki::lab::{EIM_ID, eim_identity};
use cellbed::esim::smdp::Producer;
use cellbed::esim::{ASN1, Caller, Client, ESIPA_PATH, HttpRequest, HttpResponse, JSON, Pki};
use cellbed::kernel::{EPOCH_UNIX_S, RngTree};

use super::frames::frames;

#[path = "../../../tests/support/office.rs"]
mod opened;

/// When it is: the virtual clock and a day.
pub const NOW: u64 = EPOCH_UNIX_S + 86_400;
/// The SM-DP+.
pub const SMDP: &str = "smdp.localhost";
/// The SM-DS.
pub const SMDS: &str = "smds.localhost";
/// The eIM.
pub const EIM: &str = "eim.localhost";
/// The matching identifier of the one order.
pub const MATCHING_ID: &str = "M-1";
/// The most requests of one run.
const REQUESTS_MAX: usize = 40;

/// The paths, by the kind of a frame modulo their number.
pub const PATHS: [&str; 15] = [
    "es9plus/initiateAuthentication",
    "es9plus/authenticateClient",
    "es9plus/getBoundProfilePackage",
    "es9plus/cancelSession",
    "es9plus/handleNotification",
    "es11/initiateAuthentication",
    "es11/authenticateClient",
    "es12/registerEvent",
    "es12/deleteEvent",
    "es2plus/downloadOrder",
    "es2plus/confirmOrder",
    "es2plus/cancelOrder",
    "es2plus/releaseProfile",
    "es9plus/nothing",
    "asn1",
];

/// The hierarchy of the servers and of the eUICC whose profile waits.
pub static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::lab().expect("the lab's hierarchy"));

/// Made once: keys and certificates take longer than most requests.
static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| {
    let eim = eim_identity(&PKI, &RngTree::new(7)).expect("an eIM");
    opened::identities(&PKI, SMDP, SMDS, Some(eim), NOW)
});

/// The card whose profile waits.
pub fn card() -> Personalisation {
    profile().personalise(0).expect("a card")
}

fn profile() -> SimProfile {
    SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).expect("a profile")
}

/// The servers, with one order and one rule of the eIM.
pub fn office() -> Office {
    let settings =
        EimSettings { id: EIM_ID.to_owned(), address: EIM.to_owned(), indirect: true, peers: Vec::new() };
    let mut office = opened::office(IDENTITIES.clone(), SMDP, SMDS, Some(settings));
    let producer = Producer::new(profile(), "lte-test", SMDP, RngTree::new(7));
    opened::ordered(&mut office, &producer, 0, card().eid, (Some(MATCHING_ID), None), NOW);
    let code = format!("LPA:1${SMDP}${MATCHING_ID}");
    let eim = office.eim_mut().expect("an eIM");
    eim.add_rule(Rule::zero_touch("", RuleStep::DownloadByCode { code, hidden: true }));
    office
}

/// One request to the office, by the number of its path.
pub fn ask(office: &mut Office, number: u8, body: &[u8]) -> HttpResponse {
    let path = PATHS[usize::from(number) % PATHS.len()];
    let (path, content_type, host) = match path {
        "asn1" => (ESIPA_PATH.to_owned(), ASN1, EIM),
        path if path.starts_with("es1") => (format!("/gsma/rsp2/{path}"), JSON, SMDS),
        path => (format!("/gsma/rsp2/{path}"), JSON, SMDP),
    };
    let request = HttpRequest {
        host: host.to_owned(),
        path,
        content_type: content_type.to_owned(),
        body: body.to_vec(),
    };
    let mut deeds = Vec::new();
    let server = office.server_of(&request);
    let caller = Caller::Peer { address: "192.0.2.1".to_owned(), client: Client::NotAsked };
    match office.handle(NOW, &caller, server, &request, &mut deeds) {
        Reply::Now(response) => response,
        Reply::After(relay) => office.relayed(relay, Err("there is no way to it"), &mut deeds),
    }
}

/// Frames of requests.
pub fn run(bytes: &[u8]) {
    let mut office = office();
    for (number, body) in frames(bytes).take(REQUESTS_MAX) {
        let response = ask(&mut office, number, body);
        assert!((200..600).contains(&response.status), "{response:?}");
    }
    let mut deeds = Vec::new();
    let _ = office.poll(NOW, &mut deeds);
}
