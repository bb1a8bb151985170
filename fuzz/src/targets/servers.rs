//! The servers of remote SIM provisioning as strangers and eUICCs ask them: SM-DP+ and SM-DS in JSON, the eIM in ASN.1. No
//! request panics, each gets an answer, nobody's order is changed by somebody who proved nothing, and what the servers keep of
//! strangers has a bound.
//!
//! A request in JSON is its octets, or its fields alone, of which the text is put together ([`FIELDS`]): what is changed at
//! random in a text is no JSON any more, as a rule.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cellbed::card::{Personalisation, SimProfile};
use cellbed::esim::eim::{EimSettings, Rule, RuleStep};
use cellbed::esim::office::{Identities, Office, Reply};
use cellbed::esim::pki::lab::{EIM_ID, eim_identity};
use cellbed::esim::smdp::{Producer, Profile};
use cellbed::esim::{ASN1, Caller, Client, ESIPA_PATH, HttpRequest, HttpResponse, JSON, Pki};
use cellbed::id::Eid;
use cellbed::kernel::{EPOCH_UNIX_S, RngTree};

use serde_json::{Map, Value, json};

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

/// Added to the number of a path where what follows is the fields of the request, a frame each: its name by number, and a
/// first octet that says what kind of value the others are.
pub const FIELDS: u8 = 0x80;

/// The names of fields.
pub const NAMES: [&str; 24] = [
    "transactionId",
    "smdpAddress",
    "euiccChallenge",
    "euiccInfo1",
    "authenticateServerResponse",
    "prepareDownloadResponse",
    "cancelSessionResponse",
    "pendingNotification",
    "eid",
    "iccid",
    "profileType",
    "matchingId",
    "confirmationCode",
    "smdsAddress",
    "releaseFlag",
    "finalProfileStatusIndicator",
    "eventId",
    "rspServerAddress",
    "forwardingIndicator",
    "hashCc",
    "header",
    "notificationEvent",
    "lpaRspCapability",
    "nothing",
];

/// The hierarchy of the servers and of the eUICC whose profile waits.
pub static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::lab().expect("the lab's hierarchy"));

/// Made once: keys and certificates take longer than most requests.
static IDENTITIES: LazyLock<Identities> = LazyLock::new(|| {
    let eim = eim_identity(&PKI, &RngTree::new(7)).expect("an eIM");
    opened::identities(&PKI, SMDP, SMDS, Some(eim), NOW)
});

/// The eUICC whose profile waits.
static EID: LazyLock<Eid> = LazyLock::new(|| card().eid);

/// The card whose profile waits.
pub fn card() -> Personalisation {
    profile().personalise(0).expect("a card")
}

/// Made once, as the identities are: an order takes longer than most requests.
static MADE: LazyLock<Profile> = LazyLock::new(|| {
    let producer = Producer::new(profile(), "lte-test", SMDP, RngTree::new(7));
    producer.make(0).expect("a profile").0
});

fn profile() -> SimProfile {
    SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).expect("a profile")
}

/// The servers, with one order and one rule of the eIM.
pub fn office() -> Office {
    let settings =
        EimSettings { id: EIM_ID.to_owned(), address: EIM.to_owned(), indirect: true, peers: Vec::new() };
    let mut office = opened::office(IDENTITIES.clone(), SMDP, SMDS, Some(settings));
    opened::ordered(&mut office, MADE.clone(), EID.clone(), (Some(MATCHING_ID), None), NOW);
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

/// The text of a request with these fields.
fn of_fields(fields: &[u8]) -> Vec<u8> {
    let mut body = Map::new();
    let header = json!({"functionRequesterIdentifier": "a", "functionCallIdentifier": "b"});
    body.insert("header".to_owned(), header);
    for (name, value) in frames(fields).take(REQUESTS_MAX) {
        let name = NAMES[usize::from(name) % NAMES.len()];
        let (kind, value) = value.split_first().map_or((0, value), |(kind, value)| (*kind, value));
        let value = match kind % 8 {
            0 | 1 => Value::from(String::from_utf8_lossy(value)),
            2 => Value::from(STANDARD.encode(value)),
            3 => Value::from(hex::encode(value)),
            4 => Value::from(value.iter().fold(0u64, |all, octet| all << 8 | u64::from(*octet))),
            5 => Value::from(value.first().is_some_and(|octet| octet & 1 == 1)),
            // A text of this many letters of two bytes, and one before them or none.
            6 => {
                let letters = value.iter().map(|octet| usize::from(*octet)).sum::<usize>();
                Value::from("a".repeat(letters % 2) + &"\u{e9}".repeat(letters / 2))
            }
            _ => serde_json::from_slice(value).unwrap_or_default(),
        };
        body.insert(name.to_owned(), value);
    }
    Value::Object(body).to_string().into_bytes()
}

/// Frames of requests.
pub fn run(bytes: &[u8]) {
    let mut office = office();
    for (number, body) in frames(bytes).take(REQUESTS_MAX) {
        let response = match number < FIELDS {
            true => ask(&mut office, number, body),
            false => ask(&mut office, number - FIELDS, &of_fields(body)),
        };
        assert!((200..600).contains(&response.status), "{response:?}");
        // A text that was cut where it may not be, or a value of another kind, is no answer in JSON.
        if response.content_type.ends_with("json") && !response.body.is_empty() {
            let answer = serde_json::from_slice::<Value>(&response.body).expect("an answer is JSON");
            assert!(answer.is_object(), "{answer}");
        }
    }
    let mut deeds = Vec::new();
    let _ = office.poll(NOW, &mut deeds);
}
