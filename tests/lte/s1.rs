//! The S1 procedures around the attach: reset, release, E-RABs, tunnels that vanish.

use cellbed::corenet::EpcInput;
use cellbed::event::Actor;
use cellbed::ran::{EnbInput, UeInput};
use cellbed::wire::gtpu;
use cellbed::wire::rrc::{DlDcch, UlDcch};
use cellbed::wire::s1ap::{ContextSetupRequest, Pdu};
use oxirush_s1ap::{build_s1ap, build_s1ap_ie, s1ap::*};

use crate::air;
use crate::bench::{Bench, SERVER, config, packet};
use crate::log::Fact;

fn attached(ues: u32) -> Bench {
    let mut bench = Bench::new(config(), ues);
    for ue in 1..=ues {
        bench.power_on(ue, 100);
    }
    bench.run(5);
    assert_eq!(bench.contexts(), ues as usize);
    bench
}

fn reset(kind: ResetType<'_>) -> Vec<u8> {
    let cause = Cause::misc(CauseMisc::om_intervention);
    let kind = kind.into_owned();
    let pdu = build_s1ap!(InitiatingMessage, Reset, Reset, Cause(cause), ResetType(kind)).unwrap();
    pdu.encode().unwrap().to_vec()
}

fn one_connection(mme: Option<u32>, enb: Option<u32>) -> ResetType<'static> {
    let item = UEAssociatedLogicalS1ConnectionItem::new(mme.map(MMEUES1APID), enb.map(ENBUES1APID), None);
    let item = build_s1ap_ie!(REJECT UE_associatedLogicalS1_ConnectionItem(item)).unwrap();
    ResetType::partOfS1_Interface(UEAssociatedLogicalS1ConnectionListRes(vec![item]))
}

/// The gateway's end of the first tunnel, as the base station is told of it.
fn gateway_teid(bench: &Bench) -> u32 {
    let setup =
        bench.bytes.iter().find_map(|bytes| ContextSetupRequest::read(&Pdu::decode(bytes).ok()?).ok());
    setup.unwrap().tunnel.teid
}

#[test]
fn a_reset_by_the_mme_releases_all_or_some() {
    let mut bench = attached(2);
    bench.enb(1, EnbInput::S1(&reset(one_connection(None, Some(1)))));
    assert_eq!(bench.connections(1), 1);
    bench.enb(1, EnbInput::S1(&reset(ResetType::s1_Interface(ResetAll::reset_all))));
    assert_eq!(bench.connections(1), 0);
    assert_eq!(bench.sent("enb1 > ResetAcknowledge"), 2);
}

#[test]
fn a_reset_by_the_base_station_leaves_registrations_idle() {
    let mut bench = attached(2);
    let ip = bench.ip_of(1).unwrap();
    bench.core(EpcInput::S1 { enb: 1, bytes: &reset(one_connection(Some(1), None)) });
    bench.core(EpcInput::S1 { enb: 1, bytes: &reset(ResetType::s1_Interface(ResetAll::reset_all)) });
    assert_eq!(bench.sent("mme > ResetAcknowledge"), 2);
    assert_eq!(bench.contexts(), 2);
    assert!(bench.attestation(ip).is_some());
    // What comes for the UE now waits and is not sent anywhere.
    bench.core(EpcInput::Sgi(&packet(SERVER, ip, b"anybody?")));
    bench.run(6);
    assert!(!bench.facts.iter().any(|fact| matches!(fact, Fact::ReceivedIp { .. })));
}

#[test]
fn a_lost_radio_connection_leaves_the_registration_idle() {
    let mut bench = attached(1);
    let ip = bench.ip_of(1).unwrap();
    bench.ue(1, UeInput::RadioLinkFailure);
    // The device wants to send: it asks for service, its base station reports the old connection lost.
    let hello = packet(ip, SERVER, b"hello");
    bench.ue(1, UeInput::SendIp(hello.clone()));
    bench.run(20);
    assert_eq!(bench.sent("enb1 > UEContextReleaseRequest"), 1);
    assert!(bench.facts.contains(&Fact::Sgi(hello)));
    assert!(!bench.facts.contains(&Fact::SessionDown(ip)));
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 1));
}

#[test]
fn a_tunnel_that_the_gateway_forgot_ends_the_connection() {
    let mut bench = attached(1);
    let ip = bench.ip_of(1).unwrap();
    let gateway = Actor::GATEWAY.transport_address();
    let (bytes, _) = gtpu::error_indication(gateway_teid(&bench), gateway).unwrap();
    // Somebody else says so first: nothing comes of that.
    bench.enb(1, EnbInput::GtpU { from: Actor::enb(2).transport_address(), bytes: &bytes });
    bench.run(8);
    assert_eq!((bench.sent("enb1 > UEContextReleaseRequest"), bench.connections(1)), (0, 1));
    bench.enb(1, EnbInput::GtpU { from: gateway, bytes: &bytes });
    bench.run(10);
    assert_eq!(bench.sent("enb1 > UEContextReleaseRequest"), 1);
    assert_eq!(bench.connections(1), 0);
    assert!(bench.attestation(ip).is_some());
}

#[test]
fn erabs_are_released_by_number() {
    let mut bench = attached(1);
    let items = [5u64, 6]
        .map(|erab| {
            let item = ERABItem::new(ERABID(erab), Cause::nas(CauseNas::normal_release), None);
            build_s1ap_ie!(IGNORE E_RABItem(item)).unwrap()
        })
        .to_vec();
    let command = build_s1ap!(
        InitiatingMessage,
        E_RABRelease,
        ERABReleaseCommand,
        MME_UE_S1AP_ID(1u32),
        eNB_UE_S1AP_ID(1u32),
        E_RABToBeReleasedList(ERABList(items)),
    )
    .unwrap();
    bench.enb(1, EnbInput::S1(&command.encode().unwrap()));
    assert_eq!(bench.sent("enb1 > E-RABReleaseResponse"), 1);
    bench.run(6);
    let ip = bench.ip_of(1).unwrap();
    bench.ue(1, UeInput::SendIp(packet(ip, SERVER, b"no bearer")));
    bench.run(7);
    assert!(!bench.facts.iter().any(|fact| matches!(fact, Fact::Sgi(_))));
}

#[test]
fn a_ue_without_the_key_fails_the_context_setup() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    // The UE's answer is lost and a failure comes instead. The UE, which has secured its radio, does not hear that it is over.
    bench.lose_if(|_, _, frame| matches!(air::of_ue(frame), Some(UlDcch::SecurityModeComplete(_))));
    bench.ue(1, UeInput::PowerOn);
    bench.run(2);
    bench.enb(1, EnbInput::Air { ue: 1, frame: air::security_mode_failure() });
    bench.run(3);
    assert_eq!(bench.sent("enb1 > InitialContextSetupFailure"), 1);
    assert!(bench.facts.iter().any(|fact| matches!(fact, Fact::SessionDown(_))));
    assert_eq!((bench.contexts(), bench.failure(1)), (0, None));
    bench.lose_if(|_, _, _| false);
    bench.run(30);
    assert_eq!(bench.failure(1), Some(("timeout-t3410", true)));
    assert_eq!(bench.contexts(), 1);
}

#[test]
fn a_wrong_integrity_code_fails_the_security_mode() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    bench.lose_if(|_, _, frame| matches!(air::for_ue(frame), Some(DlDcch::SecurityModeCommand(_))));
    bench.ue(1, UeInput::PowerOn);
    bench.run(2);
    bench.ue(1, UeInput::Air(air::security_mode_command()));
    bench.run(3);
    assert_eq!(bench.sent("enb1 > InitialContextSetupFailure"), 1);
}

#[test]
fn a_forged_resynchronisation_ends_in_a_reject() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    bench.lose_if(|_, _, frame| matches!(air::of_ue(frame), Some(UlDcch::UlInformationTransfer(_))));
    bench.ue(1, UeInput::PowerOn);
    bench.run(2);
    let nas = hex::decode(format!("075c15300e{}", "00".repeat(14))).unwrap();
    bench.enb(1, EnbInput::Air { ue: 1, frame: air::up(nas) });
    bench.run(3);
    assert_eq!(bench.sent("result=AUTHENTICATION_DATA_UNAVAILABLE"), 1);
    assert_eq!(bench.failure(1), Some(("authentication-reject", false)));
}

#[test]
fn service_requests_and_updates_are_told_to_attach() {
    // SERVICE REQUEST with KSI 0; TRACKING AREA UPDATE REQUEST with a GUTI.
    for (nas, name) in
        [("c7001234", "074e09"), ("074800 0bf600f110000101c0000001".replace(' ', "").as_str(), "074b09")]
    {
        let mut bench = Bench::new(config(), 0);
        bench.run(1);
        bench.enb(1, EnbInput::Air { ue: 3, frame: air::request() });
        let nas = hex::decode(nas).unwrap();
        bench.enb(1, EnbInput::Air { ue: 3, frame: air::setup_complete(nas) });
        bench.run(20);
        let expected = hex::decode(name).unwrap();
        assert!(bench.bytes.iter().any(|bytes| bytes.windows(3).any(|w| w == expected)), "{:?}", bench.facts);
        assert_eq!((bench.contexts(), bench.connections(1)), (0, 0));
    }
}
