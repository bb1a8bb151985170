//! Messages that survive the way to octets and back, and octets of others.

use std::net::Ipv4Addr;

use super::super::{
    AlgorithmSet, DefaultBearer, Direction, Esm, EsmCause, EsmProcedure, Message, PdnType, hash_mme,
};
use super::*;

fn survives(message: Emm, direction: Direction) {
    let octets = Message::Emm(message.clone()).encode().unwrap().octets;
    let read = Message::decode(&octets, direction).unwrap().message;
    assert_eq!(read, Message::Emm(message), "{}", hex::encode(octets));
}

fn guti() -> Guti {
    Guti { plmn: Plmn::test(), mme_group: 1, mme_code: 1, tmsi: 0xc123_4567 }
}

#[test]
fn attach_survives() {
    let capability = NetworkCapability::new(AlgorithmSet::ALL, AlgorithmSet::PROTECTING);
    let esm = Some(EsmMessage::new(
        0,
        3,
        Esm::PdnConnectivityRequest { pdn_type: PdnType::Ipv4, information: true },
    ));
    for (identity, ksi) in [(Identity::Imsi("001010000000001".into()), 7), (Identity::Guti(guti()), 3)] {
        for kind in [AttachType::Eps, AttachType::Combined, AttachType::Emergency] {
            let (identity, capability) = (identity.clone(), capability.clone());
            let request = AttachRequest { kind, identity, ksi, capability, esm: esm.clone() };
            survives(Emm::AttachRequest(request), Direction::Uplink);
        }
    }
    let bearer = DefaultBearer {
        qci: 9,
        apn: "internet".into(),
        ip: Some(Ipv4Addr::new(10, 45, 0, 2)),
        interface: None,
        dns: None,
        mtu: Some(1400),
        cause: Some(EsmCause::PDN_TYPE_IPV4_ONLY_ALLOWED),
    };
    let esm = Some(EsmMessage::new(5, 3, Esm::DefaultBearerRequest(bearer)));
    for (t3412_s, cause) in [(0, None), (54 * 60, Some(EmmCause::CS_DOMAIN_NOT_AVAILABLE))] {
        let (areas, esm) = (vec![(Plmn::test(), 7)], esm.clone());
        let accept = AttachAccept { t3412_s, cause, guti: Some(guti()), areas, esm };
        survives(Emm::AttachAccept(accept), Direction::Downlink);
    }
    let esm = Some(EsmMessage::new(5, 0, Esm::DefaultBearerAccept));
    survives(Emm::AttachComplete { esm }, Direction::Uplink);
    let reject =
        Esm::Reject { procedure: EsmProcedure::PdnConnectivity, cause: EsmCause::MISSING_OR_UNKNOWN_APN };
    for (esm, back_off_s) in [(None, Some(60)), (Some(EsmMessage::new(0, 3, reject)), None)] {
        let reject = AttachReject { cause: EmmCause::ESM_FAILURE, esm, back_off_s };
        survives(Emm::AttachReject(reject), Direction::Downlink);
    }
}

#[test]
fn an_attach_request_is_the_one_of_another_encoder() {
    let octets = hex::decode("07410108298039000000001002e0e000040201d031").unwrap();
    let Message::Emm(Emm::AttachRequest(request)) =
        Message::decode(&octets, Direction::Uplink).unwrap().message
    else {
        panic!("another message")
    };
    assert_eq!(request.identity, Identity::Imsi("208930000000001".into()));
    assert_eq!(
        (request.ksi, request.capability.eea_octet(), request.capability.eia_octet()),
        (0, 0xe0, 0xe0)
    );
    assert!(request.capability.eea(0) && request.capability.eia(2) && !request.capability.eia(3));
    let esm = request.esm.unwrap();
    assert_eq!((esm.bearer, esm.pti), (0, 1));
    assert_eq!(esm.body, Esm::PdnConnectivityRequest { pdn_type: PdnType::Ipv4v6, information: false });
}

#[test]
fn authentication_survives() {
    let request = Emm::AuthenticationRequest { ksi: 1, rand: [0x23; 16], autn: [0x55; 16] };
    survives(request, Direction::Downlink);
    survives(Emm::AuthenticationReject, Direction::Downlink);
    survives(Emm::AuthenticationResponse { res: vec![1; 8] }, Direction::Uplink);
    for auts in [None, Some([7; 14])] {
        survives(Emm::AuthenticationFailure { cause: EmmCause::SYNCH_FAILURE, auts }, Direction::Uplink);
    }
    assert!(Message::Emm(Emm::AuthenticationResponse { res: vec![1; 3] }).encode().is_err());
    // RAND of 16 octets and AUTN of 15: no request that is read.
    let short = [&[0x07, 0x52, 0x00][..], &[1; 16], &[15], &[2; 15]].concat();
    assert!(Message::decode(&short, Direction::Downlink).is_err());
}

#[test]
fn security_mode_survives() {
    let capability = NetworkCapability::new(AlgorithmSet::ALL, AlgorithmSet::PROTECTING);
    let replayed = ReplayedCapability::of(&capability);
    assert!(replayed.matches(&capability));
    let fewer = NetworkCapability::new(AlgorithmSet::of(&[0]), AlgorithmSet::PROTECTING);
    assert!(!replayed.matches(&fewer));
    for (imeisv_requested, hash_mme) in [(false, None), (true, Some([7; 8]))] {
        let replayed = replayed.clone();
        let command = SecurityModeCommand { eia: 2, eea: 0, ksi: 1, replayed, imeisv_requested, hash_mme };
        survives(Emm::SecurityModeCommand(command), Direction::Downlink);
    }
    let request = hex::decode("07410108298039000000001002e0e000040201d031").unwrap();
    for imeisv in [None, Some(Identity::Imeisv("4901542032375101".into()))] {
        for replayed in [None, Some(request.clone())] {
            let imeisv = imeisv.clone();
            survives(Emm::SecurityModeComplete { imeisv, replayed }, Direction::Uplink);
        }
    }
    survives(Emm::SecurityModeReject { cause: EmmCause::SECURITY_MODE_REJECTED }, Direction::Uplink);
}

/// SECURITY MODE COMPLETE whose IMEISV says "no identity"; found by fuzzing.
#[test]
fn an_imeisv_that_is_none_is_as_if_it_were_not_there() {
    let octets = hex::decode("075e230d0000000000001a0000ff1027").unwrap();
    let read = Message::decode(&octets, Direction::Uplink).unwrap().message;
    assert_eq!(read, Message::Emm(Emm::SecurityModeComplete { imeisv: None, replayed: None }));
    survives(Emm::SecurityModeComplete { imeisv: None, replayed: None }, Direction::Uplink);
}

#[test]
fn identification_and_detach_survive() {
    for kind in [IdentityKind::Imsi, IdentityKind::Imei, IdentityKind::Imeisv, IdentityKind::Tmsi] {
        survives(Emm::IdentityRequest { kind }, Direction::Downlink);
    }
    survives(Emm::IdentityResponse { identity: Identity::None }, Direction::Uplink);
    for switch_off in [false, true] {
        let identity = Identity::Guti(guti());
        survives(Emm::DetachRequest { switch_off, ksi: 7, identity }, Direction::Uplink);
    }
    for kind in [NetworkDetach::ReattachRequired, NetworkDetach::ReattachNotRequired, NetworkDetach::Imsi] {
        survives(Emm::NetworkDetachRequest { kind }, Direction::Downlink);
    }
    survives(Emm::DetachAccept, Direction::Uplink);
    survives(Emm::DetachAccept, Direction::Downlink);
}

#[test]
fn refusals_survive() {
    let cause = EmmCause::UE_IDENTITY_CANNOT_BE_DERIVED;
    survives(Emm::TrackingAreaUpdateReject { cause }, Direction::Downlink);
    survives(Emm::ServiceReject { cause }, Direction::Downlink);
    survives(Emm::Status { cause }, Direction::Uplink);
    assert!(Message::Emm(Emm::Other).encode().is_err());
}

#[test]
fn updates_and_reallocations_survive() {
    for periodic in [false, true] {
        let identity = Identity::Guti(guti());
        let request = TrackingAreaUpdateRequest { periodic, ksi: 2, identity };
        survives(Emm::TrackingAreaUpdateRequest(request), Direction::Uplink);
    }
    for t3412_s in [None, Some(0), Some(62), Some(54 * 60)] {
        survives(Emm::TrackingAreaUpdateAccept { t3412_s }, Direction::Downlink);
    }
    survives(Emm::GutiReallocationCommand { guti: Some(guti()) }, Direction::Downlink);
    survives(Emm::GutiReallocationComplete, Direction::Uplink);
    assert!(Message::Emm(Emm::GutiReallocationCommand { guti: None }).encode().is_err());
}

#[test]
fn t3412_takes_the_finest_unit_that_holds_it() {
    for (seconds, octet) in [(0, 0xe0), (1, 0x01), (62, 0x1f), (63, 0x22), (3240, 0x49), (11_160, 0x5f)] {
        assert_eq!(t3412(seconds).unwrap().value, octet, "{seconds} s");
    }
    assert!(t3412(11_161).is_err());
}

#[test]
fn hash_mme_is_that_of_another_implementation() {
    // HMAC-SHA-256 of the octets under a key of 32 zero octets, its last 64 bits (TS 33.401 annex I.2), by another
    // implementation.
    let request = hex::decode("07410108298039000000001002e0e000040201d031").unwrap();
    assert_eq!(hex::encode(hash_mme(&request)), "d2286a0d77a2ca4f");
}
