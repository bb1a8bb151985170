//! The S1AP messages that the MME sends.

use std::net::Ipv4Addr;

use oxirush_s1ap::helpers::{plmn, ue_security_capabilities};
use oxirush_s1ap::{Deviation, Error, build_s1ap, build_s1ap_ie, s1ap::*};
use oxirush_security::nas_eps::KEnb;

use crate::corenet::EpcConfig;
use crate::wire::s1ap::transport_address;

type Pdu = Result<S1APPDU<'static>, Error>;

/// The default bearer's QoS class (TS 23.203 table 6.1.7) and priority (the lowest that operators use).
pub(super) const DEFAULT_QCI: u8 = 9;
const PRIORITY: u8 = 8;
/// What a UE may use in all, bits per second.
const UE_AMBR_DOWN: u64 = 100_000_000;
const UE_AMBR_UP: u64 = 50_000_000;

/// What an INITIAL CONTEXT SETUP REQUEST carries.
pub(super) struct ContextSetup<'a> {
    pub mme_id: u32,
    pub enb_id: u32,
    /// The algorithm octets of the UE network capability.
    pub eea: u8,
    pub eia: u8,
    pub kenb: &'a KEnb,
    pub erab: u64,
    pub gateway: Ipv4Addr,
    pub teid: u32,
    pub nas: Vec<u8>,
}

pub(super) fn s1_setup_response(config: &EpcConfig) -> Pdu {
    let network = plmn(config.plmn.mcc(), config.plmn.mnc())?;
    let served = ServedGUMMEIsItem::new(
        ServedPLMNs(vec![network]),
        ServedGroupIDs(vec![MMEGroupID(config.mme_group.to_be_bytes())]),
        ServedMMECs(vec![MMECode([config.mme_code])]),
        None,
    );
    build_s1ap!(
        SuccessfulOutcome,
        S1Setup,
        S1SetupResponse,
        MMEname("mme-1"),
        ServedGUMMEIs(ServedGUMMEIs(vec![served])),
        RelativeMMECapacity(RelativeMMECapacity(255)),
    )
}

pub(super) fn s1_setup_failure(cause: Cause) -> Pdu {
    build_s1ap!(UnsuccessfulOutcome, S1Setup, S1SetupFailure, Cause(cause))
}

/// The refusal of a request that does not say what it must.
pub(super) fn s1_setup_not_understood(request: &S1APPDU<'_>) -> Pdu {
    let deviations = request.check_structure().unwrap_or_default();
    let cause =
        deviations.iter().find_map(Deviation::cause).unwrap_or(CauseProtocol::abstract_syntax_error_reject);
    build_s1ap!(
        UnsuccessfulOutcome,
        S1Setup,
        S1SetupFailure,
        Cause(Cause::protocol(cause)),
        CriticalityDiagnostics(request.criticality_diagnostics_for_response(&deviations)),
    )
}

pub(super) fn downlink_nas_transport(mme_id: u32, enb_id: u32, nas: Vec<u8>) -> Pdu {
    build_s1ap!(
        InitiatingMessage,
        downlinkNASTransport,
        DownlinkNASTransport,
        MME_UE_S1AP_ID(mme_id),
        eNB_UE_S1AP_ID(enb_id),
        NAS_PDU(nas),
    )
}

pub(super) fn initial_context_setup_request(setup: ContextSetup<'_>) -> Pdu {
    let priority = AllocationAndRetentionPriority::new(
        PriorityLevel(PRIORITY),
        PreEmptionCapability::shall_not_trigger_pre_emption,
        PreEmptionVulnerability::not_pre_emptable,
        None,
    );
    let bearer = ERABToBeSetupItemCtxtSUReq::new(
        ERABID(setup.erab),
        ERABLevelQoSParameters::new(QCI(DEFAULT_QCI), priority, None, None),
        transport_address(setup.gateway),
        GTPTEID(setup.teid.to_be_bytes()),
        Some(NASPDU::from(setup.nas)),
        None,
    );
    let bearers = vec![build_s1ap_ie!(REJECT E_RABToBeSetupItemCtxtSUReq(bearer))?];
    let rates = UEAggregateMaximumBitrate::new(BitRate(UE_AMBR_DOWN), BitRate(UE_AMBR_UP), None);
    build_s1ap!(
        InitiatingMessage,
        InitialContextSetup,
        InitialContextSetupRequest,
        MME_UE_S1AP_ID(setup.mme_id),
        eNB_UE_S1AP_ID(setup.enb_id),
        uEaggregateMaximumBitrate(rates),
        E_RABToBeSetupListCtxtSUReq(ERABToBeSetupListCtxtSUReq(bearers)),
        // S1AP signals algorithms 1 to 3 from its first bit, NAS from its second.
        UESecurityCapabilities(ue_security_capabilities(setup.eea << 1, setup.eia << 1)),
        SecurityKey(*setup.kenb.as_octets()),
    )
}

pub(super) fn ue_context_release_command(mme_id: u32, enb_id: u32, cause: Cause) -> Pdu {
    let pair = UES1APIDPair::new(MMEUES1APID(mme_id), ENBUES1APID(enb_id), None);
    build_s1ap!(
        InitiatingMessage,
        UEContextRelease,
        UEContextReleaseCommand,
        UE_S1AP_IDs(UES1APIDs::uE_S1AP_ID_pair(pair)),
        Cause(cause),
    )
}
