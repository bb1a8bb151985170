//! What an ATTACH REQUEST may ask for, and what it gets.

use cellbed::corenet::EpcInput;
use cellbed::ran::UeInput;
use cellbed::wire::nas::{
    AttachType, Emm, EmmCause, Esm, EsmCause, EsmMessage, EsmProcedure, Identity, Message, PdnType,
    SecurityHeader,
};
use cellbed::wire::s1ap::{ErrorIndication, Kind, Pdu};

use crate::bench::{Bench, TAC, config};
use crate::raw::{Phone, Raw, attach_request, octets};

#[test]
fn a_combined_attach_is_for_eps_only_and_says_why() {
    let mut raw = Raw::new(config(), 1);
    let request = || attach_request(0);
    let accept = Phone::new().attach(&mut raw, 1, request());
    assert_eq!(accept.cause, None);
    raw.epc = crate::bench::epc(config(), 1);
    raw.set_up(1);
    let combined = cellbed::wire::nas::AttachRequest { kind: AttachType::Combined, ..request() };
    let accept = Phone::new().attach(&mut raw, 1, combined);
    assert_eq!(accept.cause, Some(EmmCause::CS_DOMAIN_NOT_AVAILABLE));
}

#[test]
fn a_ue_that_asks_for_both_domains_is_attached() {
    let mut bench = Bench::with(config(), 1, |ue| ue.attach_type = AttachType::Combined);
    bench.ue(1, UeInput::PowerOn);
    bench.run(5);
    assert!(bench.ip_of(1).is_some());
}

/// The answer of the core to one message in the clear, and how many challenges it has cost.
fn answer(nas: Vec<u8>) -> (Message, usize) {
    let mut raw = Raw::new(config(), 1);
    raw.initial(1, 1, nas);
    assert!(raw.kinds(1).contains(&Kind::UeContextReleaseCommand), "{:?}", raw.kinds(1));
    (raw.nas(1).pop().unwrap().1, raw.challenges())
}

#[test]
fn an_emergency_attach_is_refused_with_its_cause() {
    let mut request = attach_request(0);
    request.kind = AttachType::Emergency;
    let (answered, challenges) = answer(octets(Emm::AttachRequest(request.clone())));
    let Message::Emm(Emm::AttachReject(reject)) = answered else { panic!("{answered:?}") };
    let refusal = Esm::Reject {
        procedure: EsmProcedure::PdnConnectivity,
        cause: EsmCause::SERVICE_OPTION_NOT_SUPPORTED,
    };
    assert_eq!((reject.cause, challenges), (EmmCause::ESM_FAILURE, 0));
    assert_eq!(reject.esm, Some(EsmMessage::new(0, 1, refusal)));
    request.identity = Identity::Imei("490154203237518".into());
    let (answered, _) = answer(octets(Emm::AttachRequest(request)));
    let Message::Emm(Emm::AttachReject(reject)) = answered else { panic!("{answered:?}") };
    assert_eq!(reject.cause, EmmCause::IMEI_NOT_ACCEPTED);
}

#[test]
fn a_transaction_identity_that_there_is_not_is_refused() {
    for pti in [0u8, 255] {
        let mut nas = octets(Emm::AttachRequest(attach_request(0)));
        // The ESM message: no bearer, PTI, PDN CONNECTIVITY REQUEST.
        let at = nas.windows(3).position(|window| window == [0x02, 0x01, 0xd0]).unwrap();
        nas[at + 1] = pti;
        let (answered, challenges) = answer(nas);
        let Message::Emm(Emm::AttachReject(reject)) = answered else { panic!("{answered:?}") };
        assert_eq!((reject.cause, challenges), (EmmCause::ESM_FAILURE, 0));
        let esm = reject.esm.unwrap();
        assert_eq!(esm.pti, pti);
        assert!(matches!(esm.body, Esm::Reject { cause: EsmCause::INVALID_PTI_VALUE, .. }), "{esm:?}");
    }
}

#[test]
fn the_pdn_type_is_what_the_network_has_or_refused() {
    // (type, what an accept says, what a refusal says)
    let only = EsmCause::PDN_TYPE_IPV4_ONLY_ALLOWED;
    for (pdn_type, expected) in [
        (PdnType::Ipv4, Ok(None)),
        (PdnType::Ipv4v6, Ok(Some(only))),
        (PdnType::Ipv6, Err(only)),
        (PdnType::NonIp, Err(only)),
        (PdnType::Ethernet, Err(only)),
    ] {
        let (mut raw, mut phone) = (Raw::new(config(), 1), Phone::new());
        let mut request = attach_request(0);
        let body = Esm::PdnConnectivityRequest { pdn_type, information: false };
        request.esm = Some(EsmMessage::new(0, 1, body));
        phone.authenticate(&mut raw, 1, request);
        let got = match phone_message(&mut phone, &raw) {
            Message::Emm(Emm::AttachAccept(accept)) => match accept.esm.unwrap().body {
                Esm::DefaultBearerRequest(bearer) => Ok(bearer.cause),
                other => panic!("{other:?}"),
            },
            Message::Emm(Emm::AttachReject(reject)) => match reject.esm.unwrap().body {
                Esm::Reject { cause, .. } => Err(cause),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected, "{pdn_type:?}");
    }
}

/// The last message that is for the phone and not a release.
fn phone_message(phone: &mut Phone, raw: &Raw) -> Message {
    phone.received(raw).unwrap_or_else(|| panic!("{:?}", raw.out))
}

#[test]
fn a_ue_that_wants_both_versions_gets_ipv4_and_one_that_wants_ipv6_alone_is_told() {
    let mut bench = Bench::with(config(), 2, |ue| {
        let both = ue.actor == cellbed::event::Actor::ue(1);
        ue.pdn_type = if both { PdnType::Ipv4v6 } else { PdnType::Ipv6 };
    });
    bench.ue(1, UeInput::PowerOn);
    bench.ue(2, UeInput::PowerOn);
    bench.run(5);
    assert!(bench.ip_of(1).is_some());
    assert_eq!(bench.failure(2), Some(("esm-cause-50", false)));
}

#[test]
fn a_message_without_tracking_area_is_an_error_and_one_of_a_foreign_area_is_sent_elsewhere() {
    use cellbed::wire::s1ap::{InitialUeMessage, Location};
    let mut raw = Raw::new(config(), 1);
    let nas = octets(Emm::AttachRequest(attach_request(0)));
    let location = Some(Location { plmn: crate::bench::PLMN.parse().unwrap(), tac: TAC, enb: 1, cell: 1 });
    let cause = cellbed::wire::rrc::connection::EstablishmentCause::MoSignalling;
    let whole = InitialUeMessage { enb: 1, nas: nas.clone(), location, cause, s_tmsi: None };
    let whole = whole.build().unwrap().encode().unwrap();
    // The TAI, element 67 with criticality reject, becomes an element that nobody knows and may ignore.
    let at = whole.windows(3).position(|window| window == [0x00, 0x43, 0x00]).unwrap();
    let mut without = whole.clone();
    without[at..at + 3].copy_from_slice(&[0xff, 0xfe, 0x40]);
    raw.give(EpcInput::S1 { enb: 1, bytes: &without });
    let (_, error) = raw.out.pop().unwrap();
    let error = Pdu::decode(&error).unwrap();
    assert_eq!(error.kind(), Kind::ErrorIndication);
    let cause = ErrorIndication::read(&error).cause.unwrap().to_string();
    assert!(cause.starts_with("protocol/abstract-syntax-error"), "{cause}");
    assert_eq!((raw.epc.contexts(), raw.challenges()), (0, 0));

    for (nas, expected) in [
        (nas, "AttachReject"),
        (hex::decode("c7001234").unwrap(), "ServiceReject"),
        (hex::decode("0748000bf600f110000101c0000001").unwrap(), "TrackingAreaUpdateReject"),
    ] {
        raw.out.clear();
        raw.initial_from(TAC + 1, 1, 2, nas);
        let answered = raw.nas(1).pop().unwrap().1;
        let text = format!("{answered:?}");
        assert!(text.contains(expected) && text.contains("EmmCause(15)"), "{text}");
    }
    assert_eq!(raw.challenges(), 0);
    raw.wait(30);
    assert_eq!(raw.epc.contexts(), 0);
}

#[test]
fn the_same_request_once_more_goes_on_and_another_one_begins_anew() {
    let (mut raw, mut phone) = (Raw::new(config(), 1), Phone::new());
    let request = attach_request(0);
    raw.initial(1, 1, octets(Emm::AttachRequest(request.clone())));
    let (ids, Message::Emm(Emm::AuthenticationRequest { rand, .. })) = raw.nas(1).pop().unwrap() else {
        panic!("{:?}", raw.nas(1))
    };
    raw.out.clear();
    raw.uplink(1, ids, octets(Emm::AttachRequest(request.clone())));
    assert!(raw.out.is_empty(), "the challenge is on its way");
    let mut other = request.clone();
    other.kind = AttachType::Combined;
    raw.uplink(1, ids, octets(Emm::AttachRequest(other)));
    let Some((_, Message::Emm(Emm::AuthenticationRequest { rand: again, .. }))) = raw.nas(1).pop() else {
        panic!("{:?}", raw.nas(1))
    };
    assert_ne!(rand, again);
    assert_eq!(raw.challenges(), 2);

    // After the ATTACH ACCEPT: the same request has it sent once more, and nothing else.
    let mut raw = Raw::new(config(), 1);
    phone.authenticate(&mut raw, 1, request.clone());
    assert!(matches!(phone_message(&mut phone, &raw), Message::Emm(Emm::AttachAccept(_))));
    raw.out.clear();
    phone.send(&mut raw, Emm::AttachRequest(request).into(), SecurityHeader::Integrity);
    assert_eq!(raw.kinds(1), [Kind::DownlinkNasTransport]);
    assert!(matches!(phone_message(&mut phone, &raw), Message::Emm(Emm::AttachAccept(_))));
}
