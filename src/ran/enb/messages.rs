//! The S1AP messages that a base station sends.

use std::net::Ipv4Addr;

use oxirush_s1ap::helpers::{EnbKind, eutran_cgi, global_enb_id, plmn, tai};
use oxirush_s1ap::{Error, build_s1ap, build_s1ap_ie, s1ap::*};

use super::EnbConfig;
use crate::wire::s1ap::transport_address;

type Pdu = Result<S1APPDU<'static>, Error>;

fn network(config: &EnbConfig) -> Result<PLMNidentity, Error> {
    plmn(config.plmn.mcc(), config.plmn.mnc())
}

pub(super) fn s1_setup_request(config: &EnbConfig) -> Pdu {
    let network = network(config)?;
    let area = SupportedTAsItem::new(TAC(config.tac.to_be_bytes()), BPLMNs(vec![network]), None);
    build_s1ap!(
        InitiatingMessage,
        S1Setup,
        S1SetupRequest,
        Global_ENB_ID(global_enb_id(network, EnbKind::Macro, config.number)?),
        eNBname(format!("enb-{}", config.number)),
        SupportedTAs(SupportedTAs(vec![area])),
        DefaultPagingDRX(PagingDRX::v128),
    )
}

pub(super) fn initial_ue_message(config: &EnbConfig, enb_id: u32, nas: Vec<u8>) -> Pdu {
    let network = network(config)?;
    build_s1ap!(
        InitiatingMessage,
        initialUEMessage,
        InitialUEMessage,
        eNB_UE_S1AP_ID(enb_id),
        NAS_PDU(nas),
        TAI(tai(network, config.tac.to_be_bytes())),
        EUTRAN_CGI(eutran_cgi(network, EnbKind::Macro, config.number, 1)?),
        RRC_Establishment_Cause(RRCEstablishmentCause::mo_Signalling),
    )
}

pub(super) fn uplink_nas_transport(config: &EnbConfig, mme_id: u32, enb_id: u32, nas: Vec<u8>) -> Pdu {
    let network = network(config)?;
    build_s1ap!(
        InitiatingMessage,
        uplinkNASTransport,
        UplinkNASTransport,
        MME_UE_S1AP_ID(mme_id),
        eNB_UE_S1AP_ID(enb_id),
        NAS_PDU(nas),
        EUTRAN_CGI(eutran_cgi(network, EnbKind::Macro, config.number, 1)?),
        TAI(tai(network, config.tac.to_be_bytes())),
    )
}

pub(super) fn initial_context_setup_response(
    mme_id: u32,
    enb_id: u32,
    erab: u64,
    address: Ipv4Addr,
    teid: u32,
) -> Pdu {
    let item = ERABSetupItemCtxtSURes::new(
        ERABID(erab),
        transport_address(address),
        GTPTEID(teid.to_be_bytes()),
        None,
    );
    let items = vec![build_s1ap_ie!(IGNORE E_RABSetupItemCtxtSURes(item))?];
    build_s1ap!(
        SuccessfulOutcome,
        InitialContextSetup,
        InitialContextSetupResponse,
        MME_UE_S1AP_ID(mme_id),
        eNB_UE_S1AP_ID(enb_id),
        E_RABSetupListCtxtSURes(ERABSetupListCtxtSURes(items)),
    )
}

pub(super) fn initial_context_setup_failure(mme_id: u32, enb_id: u32, cause: Cause) -> Pdu {
    build_s1ap!(
        UnsuccessfulOutcome,
        InitialContextSetup,
        InitialContextSetupFailure,
        MME_UE_S1AP_ID(mme_id),
        eNB_UE_S1AP_ID(enb_id),
        Cause(cause),
    )
}

pub(super) fn ue_context_release_request(mme_id: u32, enb_id: u32, cause: Cause) -> Pdu {
    build_s1ap!(
        InitiatingMessage,
        UEContextReleaseRequest,
        UEContextReleaseRequest,
        MME_UE_S1AP_ID(mme_id),
        eNB_UE_S1AP_ID(enb_id),
        Cause(cause),
    )
}

pub(super) fn ue_context_release_complete(mme_id: u32, enb_id: u32) -> Pdu {
    build_s1ap!(
        SuccessfulOutcome,
        UEContextRelease,
        UEContextReleaseComplete,
        MME_UE_S1AP_ID(mme_id),
        eNB_UE_S1AP_ID(enb_id),
    )
}

pub(super) fn erab_release_response(mme_id: u32, enb_id: u32, released: &[u64], unknown: &[u64]) -> Pdu {
    let mut ies = vec![
        build_s1ap_ie!(ERABReleaseResponse, MME_UE_S1AP_ID(mme_id))?,
        build_s1ap_ie!(ERABReleaseResponse, eNB_UE_S1AP_ID(enb_id))?,
    ];
    if !released.is_empty() {
        let items = released
            .iter()
            .map(|&erab| {
                let item = ERABReleaseItemBearerRelComp::new(ERABID(erab), None);
                build_s1ap_ie!(IGNORE E_RABReleaseItemBearerRelComp(item))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let list = ERABReleaseListBearerRelComp(items);
        ies.push(build_s1ap_ie!(ERABReleaseResponse, E_RABReleaseListBearerRelComp(list))?);
    }
    if !unknown.is_empty() {
        let cause = Cause::radioNetwork(CauseRadioNetwork::unknown_E_RAB_ID);
        let items = unknown
            .iter()
            .map(|&erab| build_s1ap_ie!(IGNORE E_RABItem(ERABItem::new(ERABID(erab), cause.clone(), None))))
            .collect::<Result<Vec<_>, _>>()?;
        ies.push(build_s1ap_ie!(ERABReleaseResponse, E_RABFailedToReleaseList(ERABList(items)))?);
    }
    S1AP_PDU::of_message(&ERABReleaseResponse::new(ProtocolIEContainer(ies)), Criticality::reject)
}
