//! The messages about a UE's context and its bearers (TS 36.413 clauses 8.2.3, 8.3, 9.1.3 and 9.1.4).

use oxirush_s1ap::helpers::ue_security_capabilities;
use oxirush_s1ap::{build_s1ap, build_s1ap_ie, extract_s1ap_ies, ie, s1ap::*};

use super::{Cause, Error, Pdu, SecurityCapabilities, Tunnel, UeIds};
use crate::wire::nas::Kenb;

/// The priority of a bearer (clause 9.2.1.60): 8 is the lowest that operators use.
const PRIORITY: u8 = 8;

/// INITIAL CONTEXT SETUP REQUEST (clause 9.1.4.1) with one bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSetupRequest {
    /// The connection of the UE.
    pub ids: UeIds,
    /// What the UE may use in all, downlink and uplink, in bits per second.
    pub ambr_bps: (u64, u64),
    /// The UE Security Capabilities (clause 9.2.1.40).
    pub capabilities: SecurityCapabilities,
    /// The Security Key (clause 9.2.1.41): KeNB, from which the base station derives its own keys.
    pub kenb: Kenb,
    /// The E-RAB ID (clause 9.2.1.2), which is the EPS bearer identity.
    pub erab: u64,
    /// The QoS class of the bearer (TS 23.203 table 6.1.7).
    pub qci: u8,
    /// The gateway's end.
    pub tunnel: Tunnel,
    /// The NAS-PDU for the UE, as a rule ATTACH ACCEPT.
    pub nas: Option<Vec<u8>>,
}

impl ContextSetupRequest {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let priority = AllocationAndRetentionPriority::new(
            PriorityLevel(PRIORITY),
            PreEmptionCapability::shall_not_trigger_pre_emption,
            PreEmptionVulnerability::not_pre_emptable,
            None,
        );
        let bearer = ERABToBeSetupItemCtxtSUReq::new(
            ERABID(self.erab),
            ERABLevelQoSParameters::new(QCI(self.qci), priority, None, None),
            self.tunnel.address.ie(),
            GTPTEID(self.tunnel.teid.to_be_bytes()),
            self.nas.clone().map(NASPDU::from),
            None,
        );
        let bearers = vec![build_s1ap_ie!(REJECT E_RABToBeSetupItemCtxtSUReq(bearer))?];
        let (down, up) = self.ambr_bps;
        let pdu = build_s1ap!(
            InitiatingMessage,
            InitialContextSetup,
            InitialContextSetupRequest,
            MME_UE_S1AP_ID(self.ids.mme),
            eNB_UE_S1AP_ID(self.ids.enb),
            uEaggregateMaximumBitrate(UEAggregateMaximumBitrate::new(BitRate(down), BitRate(up), None)),
            E_RABToBeSetupListCtxtSUReq(ERABToBeSetupListCtxtSUReq(bearers)),
            UESecurityCapabilities(ue_security_capabilities(
                self.capabilities.encryption,
                self.capabilities.integrity
            )),
            SecurityKey(*self.kenb.octets()),
        );
        Ok(Pdu(pdu?))
    }

    /// The first bearer counts.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let pdu = &pdu.0;
        extract_s1ap_ies!(pdu, InitialContextSetupRequest,
            req mme: u32 = MME_UE_S1AP_ID(id),
            req enb: u32 = eNB_UE_S1AP_ID(id),
            lax ambr: (u64, u64) = uEaggregateMaximumBitrate(rates) => (
                rates.ue_aggregate_maximum_bit_rate_dl.0,
                rates.ue_aggregate_maximum_bit_rate_ul.0,
            ),
            req capabilities: SecurityCapabilities = UESecurityCapabilities(c) => SecurityCapabilities {
                encryption: c.encryption_algorithms.0.as_octets().first().copied().unwrap_or(0),
                integrity: c.integrity_protection_algorithms.0.as_octets().first().copied().unwrap_or(0),
            },
            req kenb: Option<Kenb> = SecurityKey(key) => Kenb::from_slice(key.0.as_octets()),
        );
        let bearer = pdu
            .items::<ie::E_RABToBeSetupListCtxtSUReq>()
            .next()
            .ok_or_else(|| Error::AbstractSyntax("no E-RAB to set up".to_owned()))??;
        Ok(Self {
            ids: UeIds { mme, enb },
            ambr_bps: ambr.unwrap_or_default(),
            capabilities,
            kenb: kenb.ok_or_else(|| Error::AbstractSyntax("KeNB has 256 bits".to_owned()))?,
            erab: bearer.e_rab_id.0,
            qci: bearer.e_rab_level_qos_parameters.qci.0,
            tunnel: Tunnel::of(&bearer.transport_layer_address, &bearer.gtp_teid),
            nas: bearer.nas_pdu.map(|nas| nas.0.to_vec()),
        })
    }
}

/// INITIAL CONTEXT SETUP RESPONSE (clause 9.1.4.3) with one bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSetupResponse {
    /// The connection of the UE.
    pub ids: UeIds,
    /// The E-RAB ID (clause 9.2.1.2) of the request.
    pub erab: u64,
    /// The base station's end.
    pub tunnel: Tunnel,
}

impl ContextSetupResponse {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let item = ERABSetupItemCtxtSURes::new(
            ERABID(self.erab),
            self.tunnel.address.ie(),
            GTPTEID(self.tunnel.teid.to_be_bytes()),
            None,
        );
        let items = vec![build_s1ap_ie!(IGNORE E_RABSetupItemCtxtSURes(item))?];
        let pdu = build_s1ap!(
            SuccessfulOutcome,
            InitialContextSetup,
            InitialContextSetupResponse,
            MME_UE_S1AP_ID(self.ids.mme),
            eNB_UE_S1AP_ID(self.ids.enb),
            E_RABSetupListCtxtSURes(ERABSetupListCtxtSURes(items)),
        );
        Ok(Pdu(pdu?))
    }

    /// The first bearer that was set up counts.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let ids = pdu.ue_ids()?;
        let bearer = pdu
            .0
            .items::<ie::E_RABSetupListCtxtSURes>()
            .next()
            .ok_or_else(|| Error::AbstractSyntax("no E-RAB was set up".to_owned()))??;
        Ok(Self {
            ids,
            erab: bearer.e_rab_id.0,
            tunnel: Tunnel::of(&bearer.transport_layer_address, &bearer.gtp_teid),
        })
    }
}

/// INITIAL CONTEXT SETUP FAILURE (clause 9.1.4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSetupFailure {
    /// The connection of the UE.
    pub ids: UeIds,
    /// `None` where the sender's cannot be read.
    pub cause: Option<Cause>,
}

impl ContextSetupFailure {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mut ies = vec![
            build_s1ap_ie!(InitialContextSetupFailure, MME_UE_S1AP_ID(self.ids.mme))?,
            build_s1ap_ie!(InitialContextSetupFailure, eNB_UE_S1AP_ID(self.ids.enb))?,
        ];
        if let Some(cause) = &self.cause {
            ies.push(build_s1ap_ie!(InitialContextSetupFailure, Cause(cause.0.clone()))?);
        }
        let message = InitialContextSetupFailure::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// Reads the message. Fails without both identifiers.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        Ok(Self { ids: pdu.ue_ids()?, cause: pdu.cause() })
    }
}

/// UE CONTEXT RELEASE REQUEST (clause 9.1.4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextReleaseRequest {
    /// The connection of the UE.
    pub ids: UeIds,
    /// `None` where the sender's cannot be read.
    pub cause: Option<Cause>,
}

impl ContextReleaseRequest {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mut ies = vec![
            build_s1ap_ie!(UEContextReleaseRequest, MME_UE_S1AP_ID(self.ids.mme))?,
            build_s1ap_ie!(UEContextReleaseRequest, eNB_UE_S1AP_ID(self.ids.enb))?,
        ];
        if let Some(cause) = &self.cause {
            ies.push(build_s1ap_ie!(UEContextReleaseRequest, Cause(cause.0.clone()))?);
        }
        let message = UEContextReleaseRequest::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::ignore)?))
    }

    /// Reads the message. Fails without both identifiers.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        Ok(Self { ids: pdu.ue_ids()?, cause: pdu.cause() })
    }
}

/// UE CONTEXT RELEASE COMMAND (clause 9.1.4.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextReleaseCommand {
    /// The MME UE S1AP ID (clause 9.2.3.3).
    pub mme: u32,
    /// `None` where the MME never heard of it.
    pub enb: Option<u32>,
    /// `None` where the sender's cannot be read.
    pub cause: Option<Cause>,
}

impl ContextReleaseCommand {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mme = MMEUES1APID(self.mme);
        let ids = match self.enb {
            Some(enb) => UES1APIDs::uE_S1AP_ID_pair(UES1APIDPair::new(mme, ENBUES1APID(enb), None)),
            None => UES1APIDs::mME_UE_S1AP_ID(mme),
        };
        let mut ies = vec![build_s1ap_ie!(UEContextReleaseCommand, UE_S1AP_IDs(ids))?];
        if let Some(cause) = &self.cause {
            ies.push(build_s1ap_ie!(UEContextReleaseCommand, Cause(cause.0.clone()))?);
        }
        let message = UEContextReleaseCommand::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// Reads the message. Fails without MME UE S1AP ID.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let (Some(mme), enb) = pdu.ids() else {
            return Err(Error::AbstractSyntax("no MME UE S1AP ID".to_owned()));
        };
        Ok(Self { mme, enb, cause: pdu.cause() })
    }
}

/// UE CONTEXT RELEASE COMPLETE (clause 9.1.4.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextReleaseComplete {
    /// The connection that is released.
    pub ids: UeIds,
}

impl ContextReleaseComplete {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let pdu = build_s1ap!(
            SuccessfulOutcome,
            UEContextRelease,
            UEContextReleaseComplete,
            MME_UE_S1AP_ID(self.ids.mme),
            eNB_UE_S1AP_ID(self.ids.enb),
        );
        Ok(Pdu(pdu?))
    }

    /// Reads the message. Fails without both identifiers.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        Ok(Self { ids: pdu.ue_ids()? })
    }
}

/// E-RAB RELEASE COMMAND (clause 9.1.3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErabReleaseCommand {
    /// The connection of the UE.
    pub ids: UeIds,
    /// The E-RAB IDs (clause 9.2.1.2) to be released.
    pub erabs: Vec<u64>,
    /// Why; it stands with each bearer.
    pub cause: Cause,
    /// The NAS-PDU for the UE, as in a DEACTIVATE EPS BEARER CONTEXT REQUEST.
    pub nas: Option<Vec<u8>>,
}

impl ErabReleaseCommand {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mut ies = vec![
            build_s1ap_ie!(ERABReleaseCommand, MME_UE_S1AP_ID(self.ids.mme))?,
            build_s1ap_ie!(ERABReleaseCommand, eNB_UE_S1AP_ID(self.ids.enb))?,
            build_s1ap_ie!(ERABReleaseCommand, E_RABToBeReleasedList(list(&self.erabs, &self.cause)?))?,
        ];
        if let Some(nas) = &self.nas {
            ies.push(build_s1ap_ie!(ERABReleaseCommand, NAS_PDU(nas.clone()))?);
        }
        let message = ERABReleaseCommand::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// The cause is that of the first bearer.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let pdu = &pdu.0;
        extract_s1ap_ies!(pdu, ERABReleaseCommand,
            req mme: u32 = MME_UE_S1AP_ID(id),
            req enb: u32 = eNB_UE_S1AP_ID(id),
            lax nas: Vec<u8> = NAS_PDU(nas) => nas.0.to_vec(),
        );
        let items = pdu.items::<ie::E_RABToBeReleasedList>().collect::<Result<Vec<_>, _>>()?;
        let cause = items.first().map_or(Cause::RADIO_UNSPECIFIED, |item| Cause(item.cause.clone()));
        let erabs = items.iter().map(|item| item.e_rab_id.0).collect();
        Ok(Self { ids: UeIds { mme, enb }, erabs, cause, nas })
    }
}

/// E-RAB RELEASE RESPONSE (clause 9.1.3.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErabReleaseResponse {
    /// The connection of the UE.
    pub ids: UeIds,
    /// The E-RAB IDs (clause 9.2.1.2) that were released.
    pub released: Vec<u64>,
    /// Those that there are not.
    pub unknown: Vec<u64>,
}

impl ErabReleaseResponse {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mut ies = vec![
            build_s1ap_ie!(ERABReleaseResponse, MME_UE_S1AP_ID(self.ids.mme))?,
            build_s1ap_ie!(ERABReleaseResponse, eNB_UE_S1AP_ID(self.ids.enb))?,
        ];
        if !self.released.is_empty() {
            let items = self
                .released
                .iter()
                .map(|&erab| {
                    let item = ERABReleaseItemBearerRelComp::new(ERABID(erab), None);
                    build_s1ap_ie!(IGNORE E_RABReleaseItemBearerRelComp(item))
                })
                .collect::<Result<Vec<_>, _>>()?;
            let list = ERABReleaseListBearerRelComp(items);
            ies.push(build_s1ap_ie!(ERABReleaseResponse, E_RABReleaseListBearerRelComp(list))?);
        }
        if !self.unknown.is_empty() {
            let failed = list(&self.unknown, &Cause::UNKNOWN_ERAB)?;
            ies.push(build_s1ap_ie!(ERABReleaseResponse, E_RABFailedToReleaseList(failed))?);
        }
        let message = ERABReleaseResponse::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// Reads the message. Fails without both identifiers, and on a list that does not decode.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let ids = pdu.ue_ids()?;
        let released = pdu.0.items::<ie::E_RABReleaseListBearerRelComp>();
        let released = released.map(|item| Ok(item?.e_rab_id.0)).collect::<Result<Vec<u64>, Error>>()?;
        let unknown = pdu.0.items::<ie::E_RABFailedToReleaseList>();
        let unknown = unknown.map(|item| Ok(item?.e_rab_id.0)).collect::<Result<Vec<u64>, Error>>()?;
        Ok(Self { ids, released, unknown })
    }
}

fn list(erabs: &[u64], cause: &Cause) -> Result<ERABList<'static>, Error> {
    let items = erabs
        .iter()
        .map(|&erab| build_s1ap_ie!(IGNORE E_RABItem(ERABItem::new(ERABID(erab), cause.0.clone(), None))));
    Ok(ERABList(items.collect::<Result<Vec<_>, _>>()?))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::{Kind, sent};
    use super::*;

    const IDS: UeIds = UeIds { mme: 42, enb: 7 };

    #[test]
    fn context_setup_survives() {
        let tunnel = Tunnel::new(Ipv4Addr::new(10, 53, 1, 2), 0x1234_5678);
        for nas in [None, Some(vec![0x07, 0x42])] {
            let request = ContextSetupRequest {
                ids: IDS,
                ambr_bps: (100_000_000, 50_000_000),
                capabilities: SecurityCapabilities { encryption: 0xe0, integrity: 0xe0 },
                kenb: Kenb::from_slice(&[0x5a; 32]).unwrap(),
                erab: 5,
                qci: 9,
                tunnel: tunnel.clone(),
                nas,
            };
            let octets = sent(request.build(), Kind::InitialContextSetupRequest);
            assert_eq!(ContextSetupRequest::read(&Pdu::decode(&octets).unwrap()).unwrap(), request);
            assert!(!format!("{request:?}").contains("5a, 5a"), "KeNB is not shown");
        }
        let response = ContextSetupResponse { ids: IDS, erab: 5, tunnel };
        let octets = sent(response.build(), Kind::InitialContextSetupResponse);
        assert_eq!(ContextSetupResponse::read(&Pdu::decode(&octets).unwrap()).unwrap(), response);

        let failure = ContextSetupFailure { ids: IDS, cause: Some(Cause::TRANSPORT_UNAVAILABLE) };
        let octets = sent(failure.build(), Kind::InitialContextSetupFailure);
        assert_eq!(ContextSetupFailure::read(&Pdu::decode(&octets).unwrap()).unwrap(), failure);
    }

    #[test]
    fn release_survives() {
        let request = ContextReleaseRequest { ids: IDS, cause: Some(Cause::RADIO_CONNECTION_LOST) };
        let octets = sent(request.build(), Kind::UeContextReleaseRequest);
        assert_eq!(ContextReleaseRequest::read(&Pdu::decode(&octets).unwrap()).unwrap(), request);
        for enb in [None, Some(7)] {
            let command = ContextReleaseCommand { mme: 42, enb, cause: Some(Cause::NAS_DETACH) };
            let octets = sent(command.build(), Kind::UeContextReleaseCommand);
            assert_eq!(ContextReleaseCommand::read(&Pdu::decode(&octets).unwrap()).unwrap(), command);
        }
        let complete = ContextReleaseComplete { ids: IDS };
        let octets = sent(complete.build(), Kind::UeContextReleaseComplete);
        assert_eq!(ContextReleaseComplete::read(&Pdu::decode(&octets).unwrap()).unwrap(), complete);
    }

    #[test]
    fn a_release_request_is_the_one_of_the_codecs_documentation() {
        let octets = hex::decode("0012401500000300000002002a000800020007000240020280").unwrap();
        let request = ContextReleaseRequest::read(&Pdu::decode(&octets).unwrap()).unwrap();
        assert_eq!(request.ids, IDS);
        assert_eq!(request.build().unwrap().encode().unwrap(), octets);
    }

    #[test]
    fn bearer_release_survives() {
        for nas in [None, Some(vec![0x52, 0x01, 0xcd])] {
            let command =
                ErabReleaseCommand { ids: IDS, erabs: vec![5, 6], cause: Cause::NAS_NORMAL_RELEASE, nas };
            let octets = sent(command.build(), Kind::ErabReleaseCommand);
            assert_eq!(ErabReleaseCommand::read(&Pdu::decode(&octets).unwrap()).unwrap(), command);
        }
        for (released, unknown) in [(vec![5], vec![6, 7]), (vec![], vec![9]), (vec![5], vec![])] {
            let response = ErabReleaseResponse { ids: IDS, released, unknown };
            let octets = sent(response.build(), Kind::ErabReleaseResponse);
            assert_eq!(ErabReleaseResponse::read(&Pdu::decode(&octets).unwrap()).unwrap(), response);
        }
    }
}
