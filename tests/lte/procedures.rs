//! Procedures that this network does not have: each is refused with its own failure message and a cause (TS 36.413
//! clause 8), and what stands is left alone.

use cellbed::corenet::EpcInput;
use cellbed::ran::EnbInput;
use cellbed::wire::s1ap::Pdu;
use oxirush_s1ap::helpers::{EnbKind, global_enb_id, tai};
use oxirush_s1ap::{build_s1ap, build_s1ap_ie, s1ap::*};

use crate::bench::{Bench, SERVER, TAC, config, packet};
use crate::log::Fact;

const PLMN: [u8; 3] = [0x00, 0xf1, 0x10];

fn plmn(code: [u8; 3]) -> PLMNidentity {
    PLMNidentity(TBCDSTRING(code))
}

fn attached() -> Bench {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    assert_eq!(bench.contexts(), 1);
    bench
}

/// The labels, with their fields, of the S1AP messages that `who` sends in answer to `pdu`.
fn answers(bench: &mut Bench, who: &str, pdu: S1APPDU<'_>) -> Vec<String> {
    let (before, bytes) = (bench.bytes.len(), pdu.encode().unwrap());
    match who {
        "mme" => bench.core(EpcInput::S1 { enb: 1, bytes: &bytes }),
        _ => bench.enb(1, EnbInput::S1(&bytes)),
    }
    let labels = bench.bytes[before..].iter().filter_map(|bytes| Some(Pdu::decode(bytes).ok()?.label()));
    let texts = labels.map(|label| {
        let fields: Vec<String> =
            label.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", label.name, fields.join(" "))
    });
    texts.collect()
}

fn ids(bench: &Bench) -> (u32, u32) {
    let known = bench.bytes.iter().filter_map(|bytes| Some(Pdu::decode(bytes).ok()?.ids()));
    known.filter_map(|(mme, enb)| Some((mme?, enb?))).next().unwrap()
}

fn target() -> TargetID {
    let enb = global_enb_id(plmn(PLMN), EnbKind::Macro, 2).unwrap();
    TargetID::targeteNB_ID(TargeteNBID::new(enb, tai(plmn(PLMN), TAC.to_be_bytes()), None))
}

fn handover_required(mme: u32, enb: u32) -> S1APPDU<'static> {
    build_s1ap!(
        InitiatingMessage,
        HandoverPreparation,
        HandoverRequired,
        MME_UE_S1AP_ID(mme),
        eNB_UE_S1AP_ID(enb),
        HandoverType(HandoverType::intralte),
        Cause(Cause::radioNetwork(CauseRadioNetwork::handover_desirable_for_radio_reason)),
        TargetID(target()),
        Source_ToTarget_TransparentContainer(vec![0u8; 8]),
    )
    .unwrap()
}

/// The UE goes on as before: what it is sent reaches it.
fn goes_on(bench: &mut Bench) {
    let ip = bench.ip_of(1).unwrap();
    let (down, before) = (packet(SERVER, ip, b"still there?"), bench.facts.len());
    bench.core(EpcInput::Sgi(&down));
    bench.run(20);
    assert!(bench.facts[before..].contains(&Fact::ReceivedIp { ue: 1, packet: down }));
    assert_eq!((bench.contexts(), bench.connections(1)), (1, 1));
}

#[test]
fn a_handover_is_refused_as_one_and_cancelled_as_one() {
    let mut bench = attached();
    let (mme, enb) = ids(&bench);
    let sent = answers(&mut bench, "mme", handover_required(mme, enb));
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].starts_with("HandoverPreparationFailure"), "{sent:?}");
    assert!(sent[0].contains("cause=radio-network/ho-target-not-allowed"), "{sent:?}");
    // Of a UE that there is not nothing is refused: the identifiers are wrong (clause 10.6).
    let sent = answers(&mut bench, "mme", handover_required(mme + 7, enb));
    assert!(sent[0].starts_with("ErrorIndication"), "{sent:?}");
    let cancel = build_s1ap!(
        InitiatingMessage,
        HandoverCancel,
        HandoverCancel,
        MME_UE_S1AP_ID(mme),
        eNB_UE_S1AP_ID(enb),
        Cause(Cause::radioNetwork(CauseRadioNetwork::handover_cancelled)),
    );
    let sent = answers(&mut bench, "mme", cancel.unwrap());
    assert!(sent[0].starts_with("HandoverCancelAcknowledge"), "{sent:?}");
    goes_on(&mut bench);
}

#[test]
fn a_path_switch_is_refused_as_one() {
    let mut bench = attached();
    let (mme, _) = ids(&bench);
    let switch = |mme: u32| {
        let cell = oxirush_s1ap::helpers::eutran_cgi(plmn(PLMN), EnbKind::Macro, 1, 1).unwrap();
        let capabilities = oxirush_s1ap::helpers::ue_security_capabilities(0xe0, 0xe0);
        build_s1ap!(
            InitiatingMessage,
            PathSwitchRequest,
            PathSwitchRequest,
            eNB_UE_S1AP_ID(77u32),
            SourceMME_UE_S1AP_ID(mme),
            EUTRAN_CGI(cell),
            TAI(tai(plmn(PLMN), TAC.to_be_bytes())),
            UESecurityCapabilities(capabilities),
        )
        .unwrap()
    };
    for (mme, cause) in [(mme, "ho-target-not-allowed"), (mme + 7, "unknown-mme-ue-s1ap-id")] {
        let sent = answers(&mut bench, "mme", switch(mme));
        assert!(sent[0].starts_with("PathSwitchRequestFailure"), "{sent:?}");
        assert!(sent[0].contains("enb-ue-id=77") && sent[0].contains(cause), "{sent:?}");
    }
    goes_on(&mut bench);
}

#[test]
fn a_base_station_may_change_its_name_but_not_leave_the_network() {
    let mut bench = attached();
    let areas = |code: [u8; 3], tac: u16| {
        let area =
            SupportedTAsItem::new(oxirush_s1ap::s1ap::TAC(tac.to_be_bytes()), BPLMNs(vec![plmn(code)]), None);
        SupportedTAs(vec![area])
    };
    let renamed = build_s1ap!(
        InitiatingMessage,
        ENBConfigurationUpdate,
        ENBConfigurationUpdate,
        eNBname("another name".to_owned()),
        SupportedTAs(areas(PLMN, TAC)),
    );
    let sent = answers(&mut bench, "mme", renamed.unwrap());
    assert!(sent[0].starts_with("ENBConfigurationUpdateAcknowledge"), "{sent:?}");
    for (code, tac, cause) in
        [([0x00, 0xf1, 0x20], TAC, "misc/unknown-plmn"), (PLMN, TAC + 1, "misc/unspecified")]
    {
        let moved = build_s1ap!(
            InitiatingMessage,
            ENBConfigurationUpdate,
            ENBConfigurationUpdate,
            SupportedTAs(areas(code, tac)),
        );
        let sent = answers(&mut bench, "mme", moved.unwrap());
        assert!(sent[0].starts_with("ENBConfigurationUpdateFailure"), "{sent:?}");
        assert!(sent[0].contains(cause), "{sent:?}");
    }
    goes_on(&mut bench);
}

#[test]
fn a_ue_that_nobody_suspended_is_not_resumed() {
    let mut bench = attached();
    let (mme, enb) = ids(&bench);
    let resume = build_s1ap!(
        InitiatingMessage,
        UEContextResume,
        UEContextResumeRequest,
        MME_UE_S1AP_ID(mme),
        eNB_UE_S1AP_ID(enb),
    );
    let sent = answers(&mut bench, "mme", resume.unwrap());
    assert!(sent[0].starts_with("UEContextResumeFailure"), "{sent:?}");
    goes_on(&mut bench);
}

#[test]
fn a_base_station_refuses_what_it_does_not_do_as_well() {
    let mut bench = attached();
    let (mme, enb) = ids(&bench);
    let request = build_s1ap!(
        InitiatingMessage,
        HandoverResourceAllocation,
        HandoverRequest,
        MME_UE_S1AP_ID(99u32),
        HandoverType(HandoverType::intralte),
    );
    let sent = answers(&mut bench, "enb1", request.unwrap());
    assert!(sent[0].starts_with("HandoverFailure") && sent[0].contains("mme-ue-id=99"), "{sent:?}");
    let update = build_s1ap!(
        InitiatingMessage,
        MMEConfigurationUpdate,
        MMEConfigurationUpdate,
        MMEname("another name".to_owned()),
    );
    let sent = answers(&mut bench, "enb1", update.unwrap());
    assert!(sent[0].starts_with("MMEConfigurationUpdateFailure"), "{sent:?}");
    let modify = |enb: u32| {
        build_s1ap!(
            InitiatingMessage,
            UEContextModification,
            UEContextModificationRequest,
            MME_UE_S1AP_ID(mme),
            eNB_UE_S1AP_ID(enb),
        )
        .unwrap()
    };
    let sent = answers(&mut bench, "enb1", modify(enb));
    assert!(sent[0].starts_with("UEContextModificationFailure"), "{sent:?}");
    let sent = answers(&mut bench, "enb1", modify(enb + 7));
    assert!(sent[0].starts_with("ErrorIndication"), "{sent:?}");
    goes_on(&mut bench);
}

fn reset(mme: Option<u32>, enb: Option<u32>) -> S1APPDU<'static> {
    let item = UEAssociatedLogicalS1ConnectionItem::new(mme.map(MMEUES1APID), enb.map(ENBUES1APID), None);
    let item = build_s1ap_ie!(REJECT UE_associatedLogicalS1_ConnectionItem(item)).unwrap();
    let kind = ResetType::partOfS1_Interface(UEAssociatedLogicalS1ConnectionListRes(vec![item]));
    let cause = Cause::misc(CauseMisc::om_intervention);
    build_s1ap!(InitiatingMessage, Reset, Reset, Cause(cause), ResetType(kind)).unwrap()
}

/// A RESET that names one UE by the one identifier and another by the other resets neither.
#[test]
fn a_reset_by_two_identifiers_needs_both() {
    let mut bench = Bench::new(config(), 2);
    for ue in 1..=2 {
        bench.power_on(ue, 100);
    }
    bench.run(5);
    let known = bench.bytes.iter().filter_map(|bytes| Some(Pdu::decode(bytes).ok()?.ids()));
    let pairs: std::collections::BTreeSet<_> = known.filter_map(|(mme, enb)| Some((mme?, enb?))).collect();
    let [(mme_1, enb_1), (mme_2, enb_2)] = pairs.into_iter().collect::<Vec<_>>()[..] else { panic!() };
    for (mme, enb) in [(mme_1, enb_2), (mme_2, enb_1), (mme_1 + 7, enb_1), (mme_1, enb_1 + 7)] {
        let sent = answers(&mut bench, "enb1", reset(Some(mme), Some(enb)));
        assert!(sent[0].starts_with("ResetAcknowledge"), "{sent:?}");
        answers(&mut bench, "mme", reset(Some(mme), Some(enb)));
    }
    bench.run(6);
    assert_eq!(bench.connections(1), 2);
    for ue in 1..=2 {
        let ip = bench.ip_of(ue).unwrap();
        let down = packet(SERVER, ip, b"still there?");
        bench.core(EpcInput::Sgi(&down));
        bench.run(6 + u64::from(ue));
        assert!(bench.facts.contains(&Fact::ReceivedIp { ue, packet: down }), "UE {ue}");
    }
    answers(&mut bench, "enb1", reset(Some(mme_2), Some(enb_2)));
    assert_eq!(bench.connections(1), 1);
    answers(&mut bench, "enb1", reset(Some(mme_1), None));
    assert_eq!(bench.connections(1), 0);
}
