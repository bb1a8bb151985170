//! The messages about the S1 interface as a whole: setup, reset, error indication (TS 36.413 clauses 8.7 and 9.1.8).

use oxirush_s1ap::helpers::{EnbKind, global_enb_id};
use oxirush_s1ap::s1ap::{
    ErrorIndication as AsnErrorIndication, Reset as AsnReset, ResetAcknowledge as AsnResetAcknowledge,
    S1SetupFailure as AsnS1SetupFailure, S1SetupRequest as AsnS1SetupRequest,
    S1SetupResponse as AsnS1SetupResponse,
};
use oxirush_s1ap::{build_s1ap_ie, extract_s1ap_ies, ie, s1ap::*};

use super::values::{network, plmn_of};
use super::{Cause, Connection, Diagnostics, Error, Pdu};
use crate::id::Plmn;

/// S1 SETUP REQUEST (clause 9.1.8.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S1SetupRequest {
    /// The network of the Global eNB ID (clause 9.2.1.37); `None` where its digits are none.
    pub plmn: Option<Plmn>,
    /// The macro eNB ID, 20 bits; `None` for a base station of another kind.
    pub enb: Option<u32>,
    /// The eNB Name, 1 to 150 characters, for people.
    pub name: Option<String>,
    /// Each tracking area with each network that is broadcast in it. What is no PLMN is left out.
    pub areas: Vec<(Plmn, u16)>,
}

impl S1SetupRequest {
    /// Fails without PLMN or eNB ID, and on an eNB ID or a name that does not fit.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let (Some(plmn), Some(enb)) = (self.plmn, self.enb) else {
            return Err(Error::Value("a base station has a PLMN and an eNB ID".to_owned()));
        };
        let mut areas: Vec<(u16, Vec<PLMNidentity>)> = Vec::new();
        for &(plmn, tac) in &self.areas {
            match areas.last_mut().filter(|(known, _)| *known == tac) {
                Some((_, plmns)) => plmns.push(network(plmn)),
                None => areas.push((tac, vec![network(plmn)])),
            }
        }
        let areas = areas
            .into_iter()
            .map(|(tac, plmns)| SupportedTAsItem::new(TAC(tac.to_be_bytes()), BPLMNs(plmns), None))
            .collect();
        let mut ies = vec![build_s1ap_ie!(
            S1SetupRequest,
            Global_ENB_ID(global_enb_id(network(plmn), EnbKind::Macro, enb)?)
        )?];
        if let Some(name) = &self.name {
            ies.push(build_s1ap_ie!(S1SetupRequest, eNBname(name.clone()))?);
        }
        ies.push(build_s1ap_ie!(S1SetupRequest, SupportedTAs(SupportedTAs(areas)))?);
        ies.push(build_s1ap_ie!(S1SetupRequest, DefaultPagingDRX(PagingDRX::v128))?);
        let message = AsnS1SetupRequest::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// Reads the message. Fails where Global eNB ID or Supported TAs are missing or do not decode.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let pdu = &pdu.0;
        extract_s1ap_ies!(pdu, S1SetupRequest,
            req enb: GlobalENBID = Global_ENB_ID(id) => id,
            req areas: SupportedTAs = SupportedTAs(areas) => areas,
            lax name: String = eNBname(name) => name.0.into_owned(),
        );
        Ok(Self {
            plmn: plmn_of(&enb.plmn_identity),
            enb: match enb.enb_id {
                ENBID::macroENB_ID(bits) => Some(bits.value() as u32),
                _ => None,
            },
            name,
            areas: areas_of(&areas),
        })
    }
}

/// Each tracking area with each network that is broadcast in it. What is no PLMN is left out.
pub(super) fn areas_of(areas: &SupportedTAs) -> Vec<(Plmn, u16)> {
    let plmns = |area: &SupportedTAsItem| {
        let tac = u16::from_be_bytes(area.tac.0);
        let plmns = area.broadcast_plmns.0.iter().filter_map(plmn_of);
        plmns.map(|plmn| (plmn, tac)).collect::<Vec<_>>()
    };
    areas.0.iter().flat_map(plmns).collect()
}

/// A group of MMEs and one of them, in a network (TS 23.003 clause 2.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gummei {
    /// The network.
    pub plmn: Plmn,
    /// The MME Group ID.
    pub group: u16,
    /// The MME Code.
    pub code: u8,
}

/// S1 SETUP RESPONSE (clause 9.1.8.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S1SetupResponse {
    /// The MME Name, 1 to 150 characters, for people.
    pub name: Option<String>,
    /// The Served GUMMEIs: who this MME is, in each of its networks and pools.
    pub served: Vec<Gummei>,
    /// How much of the load this MME takes, relative to the others of its pool.
    pub capacity: u8,
}

impl S1SetupResponse {
    /// Fails on a name that does not fit.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let served = self
            .served
            .iter()
            .map(|served| {
                ServedGUMMEIsItem::new(
                    ServedPLMNs(vec![network(served.plmn)]),
                    ServedGroupIDs(vec![MMEGroupID(served.group.to_be_bytes())]),
                    ServedMMECs(vec![MMECode([served.code])]),
                    None,
                )
            })
            .collect();
        let mut ies = Vec::new();
        if let Some(name) = &self.name {
            ies.push(build_s1ap_ie!(S1SetupResponse, MMEname(name.clone()))?);
        }
        ies.push(build_s1ap_ie!(S1SetupResponse, ServedGUMMEIs(ServedGUMMEIs(served)))?);
        ies.push(build_s1ap_ie!(S1SetupResponse, RelativeMMECapacity(RelativeMMECapacity(self.capacity)))?);
        let message = AsnS1SetupResponse::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// The first identity of each served item that names networks, groups and codes.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let pdu = &pdu.0;
        extract_s1ap_ies!(pdu, S1SetupResponse,
            lax name: String = MMEname(name) => name.0.into_owned(),
            req served: ServedGUMMEIs = ServedGUMMEIs(served) => served,
            req capacity: u8 = RelativeMMECapacity(capacity),
        );
        let gummei = |item: &ServedGUMMEIsItem| {
            Some(Gummei {
                plmn: plmn_of(item.served_plmns.0.first()?)?,
                group: u16::from_be_bytes(item.served_group_ids.0.first()?.0),
                code: item.served_mmecs.0.first()?.0[0],
            })
        };
        Ok(Self { name, served: served.0.iter().filter_map(gummei).collect(), capacity })
    }
}

/// S1 SETUP FAILURE (clause 9.1.8.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S1SetupFailure {
    /// `None` where the peer's cannot be read.
    pub cause: Option<Cause>,
    /// How long to wait before asking again, in seconds: 1, 2, 5, 10, 20 or 60.
    pub wait_s: Option<u64>,
    /// The Criticality Diagnostics: which elements of the request were not understood.
    pub diagnostics: Option<Diagnostics>,
}

/// TimeToWait (clause 9.2.1.61), in seconds.
const WAITS: [(u64, TimeToWait); 6] = [
    (1, TimeToWait::v1s),
    (2, TimeToWait::v2s),
    (5, TimeToWait::v5s),
    (10, TimeToWait::v10s),
    (20, TimeToWait::v20s),
    (60, TimeToWait::v60s),
];

impl S1SetupFailure {
    /// A refusal for `cause`.
    pub fn new(cause: Cause) -> Self {
        Self { cause: Some(cause), wait_s: None, diagnostics: None }
    }

    /// Fails on a wait that there is not.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mut ies = Vec::new();
        if let Some(cause) = &self.cause {
            ies.push(build_s1ap_ie!(S1SetupFailure, Cause(cause.0.clone()))?);
        }
        if let Some(wait) = self.wait_s {
            let wait = WAITS.iter().find(|(seconds, _)| *seconds == wait);
            let (_, wait) =
                wait.ok_or_else(|| Error::Value("a wait is 1, 2, 5, 10, 20 or 60 s".to_owned()))?;
            ies.push(build_s1ap_ie!(S1SetupFailure, TimeToWait(*wait))?);
        }
        if let Some(diagnostics) = &self.diagnostics {
            ies.push(build_s1ap_ie!(S1SetupFailure, CriticalityDiagnostics(diagnostics.0.clone()))?);
        }
        let message = AsnS1SetupFailure::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// Whatever it says: the refusal stands without it.
    pub fn read(pdu: &Pdu<'_>) -> Self {
        let wait = pdu.0.ie::<ie::TimeToWait>().and_then(Result::ok);
        Self {
            cause: pdu.cause(),
            wait_s: WAITS.iter().find(|(_, value)| Some(*value) == wait).map(|(seconds, _)| *seconds),
            diagnostics: pdu.0.ie::<ie::CriticalityDiagnostics>().and_then(Result::ok).map(Diagnostics),
        }
    }
}

/// RESET (clause 9.1.8.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// Why; `None` where the peer's cannot be read.
    pub cause: Option<Cause>,
    /// The connections that it is about; `None` for all of the interface. What does not decode is left out.
    pub connections: Option<Vec<Connection>>,
}

impl Reset {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let kind = match &self.connections {
            Some(connections) => ResetType::partOfS1_Interface(UEAssociatedLogicalS1ConnectionListRes(
                connections
                    .iter()
                    .map(|one| build_s1ap_ie!(REJECT UE_associatedLogicalS1_ConnectionItem(one.item())))
                    .collect::<Result<Vec<_>, _>>()?,
            )),
            None => ResetType::s1_Interface(ResetAll::reset_all),
        };
        let mut ies = Vec::new();
        if let Some(cause) = &self.cause {
            ies.push(build_s1ap_ie!(Reset, Cause(cause.0.clone()))?);
        }
        ies.push(build_s1ap_ie!(Reset, ResetType(kind))?);
        let message = AsnReset::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// Reads the message. Fails without a Reset Type that decodes.
    pub fn read(pdu: &Pdu<'_>) -> Result<Self, Error> {
        let Some(Ok(kind)) = pdu.0.ie::<ie::ResetType>() else {
            return Err(Error::AbstractSyntax("no Reset Type".to_owned()));
        };
        let connections = match &kind {
            ResetType::partOfS1_Interface(list) => {
                let items = list.0.iter().filter_map(|field| decode_open_type(&field.value).ok());
                Some(items.map(|item| Connection::of(&item)).collect())
            }
            _ => None,
        };
        Ok(Self { cause: pdu.cause(), connections })
    }
}

/// RESET ACKNOWLEDGE of the named connections, or of all where there are none (clause 9.1.8.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetAcknowledge {
    /// The connections that were reset, as the RESET has named them.
    pub connections: Vec<Connection>,
}

impl ResetAcknowledge {
    /// Fails on a value that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mut ies = Vec::new();
        if !self.connections.is_empty() {
            let items = self
                .connections
                .iter()
                .map(|one| build_s1ap_ie!(IGNORE UE_associatedLogicalS1_ConnectionItem(one.item())))
                .collect::<Result<Vec<_>, _>>()?;
            let list = UEAssociatedLogicalS1ConnectionListResAck(items);
            ies.push(build_s1ap_ie!(ResetAcknowledge, UE_associatedLogicalS1_ConnectionListResAck(list))?);
        }
        let message = AsnResetAcknowledge::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::reject)?))
    }

    /// Whatever it says: that it has come is what counts.
    pub fn read(pdu: &Pdu<'_>) -> Self {
        let list = pdu.0.ie::<ie::UE_associatedLogicalS1_ConnectionListResAck>().and_then(Result::ok);
        let items = list.iter().flat_map(|list| &list.0);
        let items = items.filter_map(|field| decode_open_type(&field.value).ok());
        Self { connections: items.map(|item| Connection::of(&item)).collect() }
    }
}

/// ERROR INDICATION with the identifiers that are known (clause 9.1.8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorIndication {
    /// The MME UE S1AP ID, where the error is about a UE's connection.
    pub mme: Option<u32>,
    /// The eNB UE S1AP ID, where the error is about a UE's connection.
    pub enb: Option<u32>,
    /// The cause; `None` where the peer's cannot be read.
    pub cause: Option<Cause>,
    /// The Criticality Diagnostics: what of a message was not understood.
    pub diagnostics: Option<Diagnostics>,
}

impl ErrorIndication {
    /// About octets that are no S1AP PDU (clause 10.2).
    pub fn transfer_syntax_error() -> Self {
        Self { mme: None, enb: None, cause: Some(Cause::TRANSFER_SYNTAX_ERROR), diagnostics: None }
    }

    /// About a message with identifiers that name no UE here (clause 10.6).
    pub fn unknown_ue(mme: u32, enb: u32, cause: Cause) -> Self {
        Self { mme: Some(mme), enb: Some(enb), cause: Some(cause), diagnostics: None }
    }

    /// Fails on an identifier that its field cannot hold.
    pub fn build(&self) -> Result<Pdu<'static>, Error> {
        let mut ies = Vec::new();
        if let Some(id) = self.mme {
            ies.push(build_s1ap_ie!(ErrorIndication, MME_UE_S1AP_ID(id))?);
        }
        if let Some(id) = self.enb {
            ies.push(build_s1ap_ie!(ErrorIndication, eNB_UE_S1AP_ID(id))?);
        }
        if let Some(cause) = &self.cause {
            ies.push(build_s1ap_ie!(ErrorIndication, Cause(cause.0.clone()))?);
        }
        if let Some(diagnostics) = &self.diagnostics {
            ies.push(build_s1ap_ie!(ErrorIndication, CriticalityDiagnostics(diagnostics.0.clone()))?);
        }
        let message = AsnErrorIndication::new(ProtocolIEContainer(ies));
        Ok(Pdu(S1AP_PDU::of_message(&message, Criticality::ignore)?))
    }

    /// Whatever it says: it is never answered.
    pub fn read(pdu: &Pdu<'_>) -> Self {
        let (mme, enb) = pdu.ids();
        let diagnostics = pdu.0.ie::<ie::CriticalityDiagnostics>().and_then(Result::ok).map(Diagnostics);
        Self { mme, enb, cause: pdu.cause(), diagnostics }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, sent};
    use super::*;

    #[test]
    fn setup_survives() {
        let request = S1SetupRequest {
            plmn: Some(Plmn::test()),
            enb: Some(0x12345),
            name: Some("enb-1".into()),
            areas: vec![(Plmn::test(), 7), ("310-410".parse().unwrap(), 7), (Plmn::test(), 8)],
        };
        let octets = sent(request.build(), Kind::S1SetupRequest);
        assert_eq!(S1SetupRequest::read(&Pdu::decode(&octets).unwrap()).unwrap(), request);
        assert!(matches!(S1SetupRequest { enb: Some(1 << 20), ..request }.build(), Err(Error::Value(_))));

        let served = vec![Gummei { plmn: Plmn::test(), group: 0x8001, code: 2 }];
        let response = S1SetupResponse { name: Some("mme-1".into()), served, capacity: 255 };
        let octets = sent(response.build(), Kind::S1SetupResponse);
        assert_eq!(S1SetupResponse::read(&Pdu::decode(&octets).unwrap()).unwrap(), response);

        let refusal = S1SetupFailure { wait_s: Some(20), ..S1SetupFailure::new(Cause::UNKNOWN_PLMN) };
        let octets = sent(refusal.build(), Kind::S1SetupFailure);
        assert_eq!(S1SetupFailure::read(&Pdu::decode(&octets).unwrap()), refusal);
        assert!(S1SetupFailure { wait_s: Some(3), ..refusal }.build().is_err());
    }

    #[test]
    fn a_setup_request_without_its_elements_is_refused_with_diagnostics() {
        // An S1 SETUP REQUEST with no information element.
        let octets = hex::decode("00110003000000").unwrap();
        let pdu = Pdu::decode(&octets).unwrap();
        assert!(matches!(S1SetupRequest::read(&pdu), Err(Error::AbstractSyntax(_))));
        let refusal = pdu.s1_setup_not_understood();
        let octets = sent(refusal.build(), Kind::S1SetupFailure);
        let read = S1SetupFailure::read(&Pdu::decode(&octets).unwrap());
        assert_eq!(read, refusal);
        assert!(read.diagnostics.is_some());
    }

    #[test]
    fn resets_survive() {
        let some = vec![
            Connection { mme: Some(1), enb: Some(2) },
            Connection { mme: None, enb: Some(3) },
            Connection { mme: Some(4), enb: None },
        ];
        for connections in [None, Some(some.clone())] {
            let reset = Reset { cause: Some(Cause::MISC_UNSPECIFIED), connections };
            let octets = sent(reset.build(), Kind::Reset);
            assert_eq!(Reset::read(&Pdu::decode(&octets).unwrap()).unwrap(), reset);
        }
        for connections in [Vec::new(), some] {
            let acknowledge = ResetAcknowledge { connections };
            let octets = sent(acknowledge.build(), Kind::ResetAcknowledge);
            assert_eq!(ResetAcknowledge::read(&Pdu::decode(&octets).unwrap()), acknowledge);
        }
    }

    #[test]
    fn error_indications_survive() {
        for error in
            [ErrorIndication::transfer_syntax_error(), ErrorIndication::unknown_ue(1, 2, Cause::UNKNOWN_PAIR)]
        {
            let octets = sent(error.build(), Kind::ErrorIndication);
            assert_eq!(ErrorIndication::read(&Pdu::decode(&octets).unwrap()), error);
        }
    }
}
