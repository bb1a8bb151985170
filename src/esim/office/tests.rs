use super::*;
use crate::card::SimProfile;
use crate::crypto::Tally;
use crate::esim::JSON;
use crate::esim::eim::{Action, EimSettings, WorkKind};
use crate::esim::pki::Pki;
use crate::esim::pki::lab::{EIM_ID, eim_identity};
use crate::esim::smdp::{ConfirmOrder, DownloadOrder, Producer, SmdpSettings};
use crate::esim::store::{Forgetful, Records};
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::wire::rsp::EuiccInfo1;
use crate::wire::rsp::iot::{
    DownloadTrigger, EimPackage, EimPackageResult, EsipaRequest, EsipaResponse, EuiccData, GetEimPackage,
    IpaEuiccDataResponse, ProvideEimPackageResult,
};

const NOW: u64 = EPOCH_UNIX_S + 86_400;
const SMDP: &str = "smdp.example:8443";
const SMDS: &str = "smds.example";
const ELSEWHERE: &str = "elsewhere.example";

fn office() -> (Office, Pki) {
    let (pki, rng, tally) = (Pki::lab().unwrap(), RngTree::new(7), Tally::new());
    let issue = Issue {
        pki: &pki,
        smdp_hosts: &["smdp.example".to_owned()],
        smds_hosts: &[SMDS.to_owned()],
        from_unix_s: EPOCH_UNIX_S,
        now_unix_s: NOW,
        rng: &rng,
        tally: &tally,
    };
    let office = Office::open(Opening {
        smdp: SmdpSettings::new(SMDP),
        smds_address: SMDS,
        eim: Some(EimSettings {
            id: EIM_ID.to_owned(),
            address: "eim.example".to_owned(),
            indirect: true,
            peers: vec![ELSEWHERE.to_owned()],
        }),
        identities: Identities::issue(&issue, Some(eim_identity(&pki, &rng).unwrap())).unwrap(),
        rng: &rng,
        store: &|| Box::new(Forgetful),
        records: &Records::new(),
        tally: &tally,
    });
    (office.unwrap(), pki)
}

fn request(host: &str, path: &str, body: Vec<u8>) -> HttpRequest {
    HttpRequest { host: host.to_owned(), path: path.to_owned(), content_type: JSON.to_owned(), body }
}

/// What an IPA asks the eIM that wants to download from `smdp`.
fn initiate(pki: &Pki, smdp: &str, eim_transaction_id: Option<Vec<u8>>) -> HttpRequest {
    let ci = pki.ci.certificate.public().key_id().to_vec();
    let info1 =
        EuiccInfo1 { svn: [2, 3, 0], ci_for_verification: vec![ci.clone()], ci_for_signing: vec![ci] };
    let message = EsipaRequest::InitiateAuthentication {
        euicc_challenge: [1; 16],
        smdp_address: Some(smdp.to_owned()),
        euicc_info1: Some(info1.to_bytes()),
        eim_transaction_id,
    };
    request("eim.example", ESIPA_PATH, message.to_bytes())
}

/// Has a download from `smdp` out for a device whose certificates the eIM knows; its transaction.
fn trigger(office: &mut Office, pki: &Pki, smdp: &str) -> Option<Vec<u8>> {
    let profile = SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).unwrap();
    let eid = profile.personalise(0).unwrap().eid;
    let (_, [euicc, eum]) = pki.euicc(&eid, &RngTree::new(3)).unwrap();
    let code = DownloadTrigger::ActivationCode(format!("LPA:1${smdp}$M-1"));
    let eim = office.eim_mut().unwrap();
    eim.enqueue(&eid, WorkKind::Download { trigger: code, hidden: false }).unwrap();
    let eid = crate::wire::bcd::eid(&eid);
    let mut ask = |message: EsipaRequest| {
        let Action::Answer(answer) = eim.handle(NOW, &request("eim.example", ESIPA_PATH, message.to_bytes()))
        else {
            panic!("it relays")
        };
        EsipaResponse::parse(&answer.response.body).unwrap()
    };
    let get = GetEimPackage { eid, notify_state_change: false, cause: None, plmn: None };
    let mut transaction_id = None;
    for _ in 0..2 {
        let EsipaResponse::GetEimPackage(Ok(package)) = ask(EsipaRequest::GetEimPackage(get.clone())) else {
            panic!("no package")
        };
        match *package {
            EimPackage::Data(wanted) => {
                let data = EuiccData {
                    euicc_certificate: Some(euicc.der().to_vec()),
                    eum_certificate: Some(eum.der().to_vec()),
                    transaction_id: wanted.transaction_id,
                    ..EuiccData::default()
                };
                let result = EimPackageResult::Data(IpaEuiccDataResponse::Ok(Box::new(data)));
                ask(EsipaRequest::ProvideEimPackageResult(ProvideEimPackageResult {
                    eid: Some(eid),
                    result,
                }));
            }
            EimPackage::Download(out) => transaction_id = out.transaction_id,
            other => panic!("{other:?}"),
        }
    }
    transaction_id
}

/// What was done, in short.
fn told(deeds: &[Deed]) -> Vec<String> {
    let one = |deed: &Deed| match deed {
        Deed::Served { server, function, refusal, .. } => {
            format!("{server}: {function} {}", refusal.unwrap_or("ok"))
        }
        Deed::Asked { from, to, .. } => format!("{from} asks {to}"),
        Deed::Answered { from, to, .. } => format!("{to} answers {from}"),
        Deed::Learned(notice) => format!("learned {}", notice.iccid),
        Deed::Failed { server, what, .. } => format!("{server}: {what}"),
    };
    deeds.iter().map(one).collect()
}

/// Orders a profile for a card, of which the SM-DS at `smds` is to hear.
fn order(office: &mut Office, smds: &str) {
    let profile = SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).unwrap();
    let eid = profile.personalise(0).unwrap().eid;
    let producer = Producer::new(profile, "lte-test", SMDP, RngTree::new(7));
    let (profile, _) = producer.make(0).unwrap();
    let iccid = profile.iccid.clone();
    let smdp = office.smdp_mut();
    smdp.add_profile(profile).unwrap();
    let download = DownloadOrder { eid: Some(eid), iccid: Some(iccid.clone()), profile_type: None };
    smdp.download_order(&download).unwrap();
    let confirm = ConfirmOrder {
        iccid,
        eid: None,
        matching_id: Some("M-1".to_owned()),
        confirmation_code: None,
        smds: Some(smds.to_owned()),
        release: true,
    };
    smdp.confirm_order(NOW, &confirm).unwrap();
}

#[test]
fn behind_one_door_path_and_host_say_who_is_asked() {
    let (office, _) = office();
    for (host, path, server) in [
        (SMDP, ESIPA_PATH, Server::Eim),
        (SMDP, "/gsma/rsp2/es9plus/initiateAuthentication", Server::Smdp),
        (SMDP, "/gsma/rsp2/es11/initiateAuthentication", Server::Smds),
        (SMDP, "/gsma/rsp2/es12/registerEvent", Server::Smds),
        ("SMDS.example", "/gsma/rsp2/es9plus/initiateAuthentication", Server::Smds),
        ("anybody", "/elsewhere", Server::Smdp),
    ] {
        assert_eq!(office.server_of(&request(host, path, Vec::new())), server, "{host}{path}");
    }
}

#[test]
fn the_eim_asks_a_server_of_the_office_at_once_and_waits_for_one_elsewhere() {
    let (mut office, pki) = office();
    let mut deeds = Vec::new();
    let id = trigger(&mut office, &pki, SMDP);
    let reply =
        office.handle(NOW, &Caller::House, Server::Eim, &initiate(&pki, SMDP, id.clone()), &mut deeds);
    let Reply::Now(response) = reply else { panic!("{reply:?}") };
    let answer = EsipaResponse::parse(&response.body).unwrap();
    assert!(matches!(answer, EsipaResponse::InitiateAuthentication(Ok(_))), "{answer:?}");
    assert_eq!(
        told(&deeds),
        [
            "eim asks smdp",
            "smdp: ES9+.InitiateAuthentication ok",
            "smdp answers eim",
            "eim: ESipa.InitiateAuthentication ok"
        ]
    );

    deeds.clear();
    let reply = office.handle(NOW, &Caller::House, Server::Eim, &initiate(&pki, ELSEWHERE, id), &mut deeds);
    let Reply::After(relay) = reply else { panic!("{reply:?}") };
    assert_eq!((relay.request.host.as_str(), deeds.len()), (ELSEWHERE, 0));
    let response = office.relayed(relay, Err("there is no way to it"), &mut deeds);
    let answer = EsipaResponse::parse(&response.body).unwrap();
    assert!(matches!(answer, EsipaResponse::InitiateAuthentication(Err(_))), "{answer:?}");
    assert_eq!(told(&deeds), ["eim: ESipa.InitiateAuthentication server-silent"]);
}

#[test]
fn an_smds_of_the_office_hears_of_an_order_at_once() {
    let (mut office, _) = office();
    assert_eq!(office.deadline_unix_s(), None);
    order(&mut office, SMDS);
    assert_eq!(office.deadline_unix_s(), Some(NOW));
    let mut deeds = Vec::new();
    assert!(office.poll(NOW - 1, &mut deeds).is_none() && deeds.is_empty());
    assert!(office.poll(NOW, &mut deeds).is_none());
    assert_eq!(told(&deeds), ["smdp asks smds", "smds: ES12.RegisterEvent ok", "smds answers smdp"]);
    assert_eq!((office.smds().unwrap().events().count(), office.deadline_unix_s()), (1, None));
}

#[test]
fn an_smds_elsewhere_that_does_not_answer_is_told_again() {
    let (mut office, _) = office();
    order(&mut office, ELSEWHERE);
    let mut deeds = Vec::new();
    let errand = office.poll(NOW, &mut deeds).unwrap();
    assert_eq!(errand.request.host, ELSEWHERE);
    assert!(office.poll(NOW, &mut deeds).is_none(), "it is under way");
    office.done(NOW, &errand, Err("there is no way to it"), &mut deeds);
    assert_eq!(told(&deeds), ["smdp: event not told"]);
    assert_eq!(office.deadline_unix_s(), Some(NOW + 60));
    assert!(office.poll(NOW + 59, &mut deeds).is_none());
    assert!(office.poll(NOW + 60, &mut deeds).is_some());
}

#[test]
fn an_office_without_an_eim_says_so() {
    let (office, pki) = office();
    let mut office = Office { eim: None, ..office };
    let mut deeds = Vec::new();
    assert_eq!(office.server_of(&initiate(&pki, SMDP, None)), Server::Smdp);
    for server in [Server::Eim, Server::Smdp] {
        let reply = office.handle(NOW, &Caller::House, server, &initiate(&pki, SMDP, None), &mut deeds);
        assert!(matches!(reply, Reply::Now(response) if response.status == 404));
    }
}
