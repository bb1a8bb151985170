//! The LPA against the SM-DP+ and the SM-DS of the house, and the card of the house.

use cellbed::esim::es9p::AnswerError;
use cellbed::esim::lpa::{
    ActivationCode, CancelReason, Decision, Delivery, Discovery, Download, DownloadOptions, DownloadReport,
    Es10, LpaError, Source, Transport,
};
use cellbed::esim::smdp::OrderState;
use cellbed::wire::rsp::{ProfileFilter, ProfileId, ProfileMetadata, Switch, SwitchKind};

use crate::lab::*;

fn code(text: &str) -> Source {
    Source::ActivationCode(text.parse::<ActivationCode>().unwrap())
}

fn run(lab: &mut Lab, device: &mut Device, download: &mut Download) -> Result<DownloadReport, LpaError> {
    let mut es10 = Es10::open(&mut device.slot).unwrap();
    let first = download.start(&mut es10);
    let result = lab.drive(&mut es10, first, |es10, answer| match answer {
        Ok(response) => download.resume(es10, response),
        Err(problem) => download.failed(problem),
    });
    es10.close().unwrap();
    result
}

fn options() -> DownloadOptions {
    DownloadOptions::accepting(crate::lab::device())
}

fn state(lab: &Lab) -> OrderState {
    lab.smdp.order(&lab.iccid()).unwrap().state()
}

#[test]
fn a_profile_is_downloaded_and_its_notification_delivered() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    let mut device = lab.device(1, false);
    let mut download = Download::new(code("LPA:1$smdp.example$M-1$2.999.10"), Transport::Direct, options());
    let report = run(&mut lab, &mut device, &mut download).unwrap();
    assert_eq!(report.server, SMDP);
    assert_eq!(report.metadata.unwrap().name, "operational");
    assert_eq!((report.aid.len(), report.notification_kept), (16, None));
    assert_eq!(state(&lab), OrderState::Installed);
    let mut es10 = Es10::open(&mut device.slot).unwrap();
    assert_eq!(es10.notifications().unwrap(), []);
    assert_eq!(es10.profiles(&ProfileFilter::default()).unwrap().len(), 2);
    let iccid = report.iccid.unwrap();
    es10.set_nickname(&iccid, "work").unwrap();
    es10.switch(&Switch { kind: SwitchKind::Enable, profile: ProfileId::Iccid(iccid), refresh: true })
        .unwrap();
    device.slot.reset().unwrap();
    assert_eq!(device.enabled().as_deref(), Some("operational"));
    // The enable notification goes to the SM-DP+; that of the bootstrap profile, too.
    let mut es10 = Es10::open(&mut device.slot).unwrap();
    let waiting = es10.notifications().unwrap().len();
    assert!(waiting >= 1);
    let mut delivery = Delivery::new(Transport::Direct);
    let first = delivery.start(&mut es10);
    let delivered = lab
        .drive(&mut es10, first, |es10, answer| match answer {
            Ok(response) => delivery.resume(es10, response),
            Err(problem) => delivery.failed(es10, problem),
        })
        .unwrap();
    assert_eq!((delivered.delivered.len(), delivered.kept.len()), (waiting, 0));
    assert_eq!(es10.notifications().unwrap(), []);
}

#[test]
fn blocks_may_be_short() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    let mut device = lab.device(1, false);
    let mut download = Download::new(code("LPA:1$smdp.example$M-1"), Transport::Direct, options());
    let mut es10 = Es10::open(&mut device.slot).unwrap().with_block(120);
    let first = download.start(&mut es10);
    let report = lab.drive(&mut es10, first, |es10, answer| download.resume(es10, answer.unwrap())).unwrap();
    assert_eq!(report.server, SMDP);
}

#[test]
fn the_default_smdp_needs_no_code_where_the_order_is_for_the_eid() {
    let mut lab = Lab::new();
    lab.order("", Some(eid(1)), None);
    let mut device = lab.device(1, false);
    let mut download = Download::new(Source::DefaultSmdp, Transport::Direct, options());
    run(&mut lab, &mut device, &mut download).unwrap();
    assert_eq!(state(&lab), OrderState::Installed);
}

#[test]
fn an_smds_knows_where_a_profile_waits() {
    let mut lab = Lab::new();
    lab.order("EV-1", Some(eid(1)), None);
    lab.announce(&eid(1), "EV-1");
    let mut device = lab.device(1, false);
    let mut es10 = Es10::open(&mut device.slot).unwrap();
    let mut discovery = Discovery::new(None, None, crate::lab::device());
    let first = discovery.start(&mut es10);
    let events = lab.drive(&mut es10, first, |es10, answer| discovery.resume(es10, answer.unwrap())).unwrap();
    assert_eq!((events.len(), events[0].server.as_str()), (1, SMDP));
    es10.close().unwrap();
    let source =
        Source::Smdp { address: events[0].server.clone(), matching_id: Some(events[0].event_id.clone()) };
    run(&mut lab, &mut device, &mut Download::new(source, Transport::Direct, options())).unwrap();
    assert_eq!(state(&lab), OrderState::Installed);
}

#[test]
fn a_confirmation_code_is_asked_for_and_checked() {
    let mut lab = Lab::new();
    lab.order("M-1", None, Some("1234"));
    let mut device = lab.device(1, false);
    let source = || code("LPA:1$smdp.example$M-1$$1");
    let attempt = |lab: &mut Lab, device: &mut Device, given: Option<&str>| {
        let options = DownloadOptions { confirmation_code: given.map(str::to_owned), ..options() };
        run(lab, device, &mut Download::new(source(), Transport::Direct, options))
    };
    assert_eq!(attempt(&mut lab, &mut device, None), Err(LpaError::CodeNeeded));
    assert_eq!(state(&lab), OrderState::Released, "postponed: it may be tried again");
    let error = attempt(&mut lab, &mut device, Some("4321")).unwrap_err();
    assert_eq!(error.word(), "confirmation-code-refused");
    attempt(&mut lab, &mut device, Some("1234")).unwrap();
    assert_eq!(state(&lab), OrderState::Installed);
}

#[test]
fn what_the_user_refuses_is_not_stored() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    let mut device = lab.device(1, false);
    let mut options = options();
    options.decide = Box::new(|offer| {
        assert_eq!(offer.metadata.as_ref().unwrap().name, "operational");
        Decision::Refuse(CancelReason::EndUserRejection, "the user said no")
    });
    let mut download = Download::new(code("LPA:1$smdp.example$M-1"), Transport::Direct, options);
    assert_eq!(run(&mut lab, &mut device, &mut download), Err(LpaError::Refused("the user said no")));
    assert!(lab.log.last().unwrap().contains("endUserRejection"), "{:?}", lab.log);
    assert_eq!(state(&lab), OrderState::Error, "the SM-DP+ heard it");
}

#[test]
fn an_interrupted_download_goes_on() {
    // Every request of a download is lost once, before the server or behind it.
    for lost in 0..4 {
        let mut lab = Lab::new();
        lab.order("M-1", None, None);
        let mut device = lab.device(1, false);
        let mut count = 0;
        lab.between = Box::new(move |_, response| {
            count += 1;
            (count != lost + 1).then_some(response)
        });
        let mut download = Download::new(code("LPA:1$smdp.example$M-1"), Transport::Direct, options());
        let first = run(&mut lab, &mut device, &mut download);
        if lost == 3 {
            // The profile is there; only its notification is not delivered.
            assert!(first.unwrap().notification_kept.unwrap().contains("lost on the way"));
        } else {
            assert!(first.unwrap_err().is_transient());
            let report = run(&mut lab, &mut device, &mut download).unwrap();
            assert_eq!(report.notification_kept, None);
        }
        assert_eq!(state(&lab), OrderState::Installed, "{lost}: {:#?}", lab.log);
    }
}

#[test]
fn refusals_of_servers_have_their_reason() {
    let mut lab = Lab::new();
    lab.order("M-1", Some(eid(2)), None);
    let mut device = lab.device(1, false);
    let mut attempt = |text: &str| {
        run(&mut lab, &mut device, &mut Download::new(code(text), Transport::Direct, options())).unwrap_err()
    };
    let other = attempt("LPA:1$smdp.example$M-2");
    assert_eq!(other.word(), "matching-id-refused");
    assert!(other.to_string().contains("(8.2.6, 3.8)"), "{other}");
    assert_eq!(attempt("LPA:1$smdp.example$M-1").word(), "eid-mismatch");
    let oid = attempt("LPA:1$smdp.example$M-1$2.999.11");
    assert_eq!(
        oid.to_string(),
        "the activation code names the SM-DP+ 2.999.11, the certificate is of 2.999.10"
    );
}

#[test]
fn a_changed_answer_is_noticed_by_the_euicc_or_before_it() {
    // One bit of each signed field of the answers, in turn.
    for (path, name, word) in [
        ("initiateAuthentication", "serverSigned1", "euicc-refuses"),
        ("initiateAuthentication", "serverSignature1", "euicc-refuses"),
        ("authenticateClient", "smdpSigned2", "confirmation-code-needed"),
        ("authenticateClient", "smdpSignature2", "euicc-refuses"),
        ("getBoundProfilePackage", "boundProfilePackage", "installation-failed"),
    ] {
        let mut lab = Lab::new();
        lab.order("M-1", None, None);
        let mut device = lab.device(1, false);
        lab.between = Box::new(move |request, mut response| {
            if request.path.ends_with(path) {
                let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
                use base64::Engine;
                let engine = base64::engine::general_purpose::STANDARD;
                let mut bytes = engine.decode(body[name].as_str().unwrap()).unwrap();
                let last = bytes.len() - 1;
                bytes[last] ^= 1;
                body[name] = engine.encode(bytes).into();
                response.body = body.to_string().into_bytes();
            }
            Some(response)
        });
        let mut download = Download::new(code("LPA:1$smdp.example$M-1"), Transport::Direct, options());
        let error = run(&mut lab, &mut device, &mut download).unwrap_err();
        assert_eq!(error.word(), word, "{name}: {error}");
        let mut es10 = Es10::open(&mut device.slot).unwrap();
        assert_eq!(es10.profiles(&ProfileFilter::default()).unwrap().len(), 1, "{name}");
    }
}

#[test]
fn a_bound_package_with_other_metadata_than_were_accepted_is_cancelled() {
    let mut lab = Lab::new();
    lab.order("M-1", None, None);
    let mut device = lab.device(1, false);
    // The user is shown another name than the package has.
    lab.between = Box::new(|request, mut response| {
        if request.path.ends_with("authenticateClient") {
            use base64::Engine;
            let engine = base64::engine::general_purpose::STANDARD;
            let mut body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
            let bytes = engine.decode(body["profileMetadata"].as_str().unwrap()).unwrap();
            let mut metadata = ProfileMetadata::parse(&bytes).unwrap();
            metadata.name = "harmless".to_owned();
            body["profileMetadata"] = engine.encode(metadata.to_bytes()).into();
            response.body = body.to_string().into_bytes();
        }
        Some(response)
    });
    let mut download = Download::new(code("LPA:1$smdp.example$M-1"), Transport::Direct, options());
    let error = run(&mut lab, &mut device, &mut download).unwrap_err();
    assert_eq!((error.word(), error), ("other-metadata", LpaError::OtherMetadata));
    assert!(lab.log.last().unwrap().contains("metadataMismatch"), "{:#?}", lab.log);
    let mut es10 = Es10::open(&mut device.slot).unwrap();
    assert_eq!(es10.profiles(&ProfileFilter::default()).unwrap().len(), 1);
    assert_eq!(es10.notifications().unwrap(), [], "nothing was loaded");
}

#[test]
fn the_answer_of_another_server_is_refused() {
    let mut lab = Lab::new();
    let mut device = lab.device(1, false);
    // The SM-DS answers in the place of the SM-DP+.
    lab.between = Box::new(|_, mut response| {
        response.body = br#"{"header":{"functionExecutionStatus":{"status":"Executed-Success"}}}"#.to_vec();
        Some(response)
    });
    let mut download = Download::new(code("LPA:1$smdp.example$M-1"), Transport::Direct, options());
    let error = run(&mut lab, &mut device, &mut download).unwrap_err();
    assert!(matches!(error, LpaError::Server(AnswerError::Malformed { .. })), "{error}");
}

#[test]
fn a_card_without_isd_r_says_so() {
    use cellbed::card::{CardSlot, SimProfile, Uicc};
    let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
    let card = Uicc::new(&profile.personalise(0).unwrap(), cellbed::kernel::RngTree::new(1), &[]).unwrap();
    let mut slot = CardSlot::new(Box::new(card));
    slot.reset().unwrap();
    let error = Es10::open(&mut slot).err().unwrap();
    assert_eq!(error.word(), "no-euicc");
}
