//! S1AP (TS 36.413) as both ends share it: names, causes and the answers to what cannot be understood.
//!
//! The codec is `oxirush-s1ap`; eNB and MME build their own messages beside their machines.

use std::net::Ipv4Addr;

use oxirush_s1ap::{BitString, Deviation, Error, S1apPduKind, build_s1ap, build_s1ap_ie, ie, s1ap::*};

use crate::wire::{Label, Proto};

/// The label of a PDU: its name as TS 36.413 writes it, the two identifiers and the cause.
pub fn label(pdu: &S1APPDU<'_>) -> Label {
    let mut label = Label::new(Proto::S1ap, name(pdu));
    let (mme, enb) = ids(pdu);
    if let Some(enb) = enb {
        label = label.with("enb-ue-id", enb);
    }
    if let Some(mme) = mme {
        label = label.with("mme-ue-id", mme);
    }
    match pdu.ie::<ie::Cause>() {
        Some(Ok(cause)) => label.with("cause", cause_name(&cause)),
        _ => label,
    }
}

/// The label of what may be a PDU.
pub fn label_of(bytes: &[u8]) -> Label {
    match S1AP_PDU::decode_borrowed(bytes) {
        Ok(pdu) => label(&pdu),
        Err(_) => Label::new(Proto::S1ap, "no S1AP PDU"),
    }
}

/// The MME UE S1AP ID and the eNB UE S1AP ID that a PDU carries.
pub fn ids(pdu: &S1APPDU<'_>) -> (Option<u32>, Option<u32>) {
    if let Some(Ok(ids)) = pdu.ie::<ie::UE_S1AP_IDs>() {
        return match ids {
            UES1APIDs::uE_S1AP_ID_pair(pair) => (Some(pair.mme_ue_s1ap_id.0), Some(pair.enb_ue_s1ap_id.0)),
            UES1APIDs::mME_UE_S1AP_ID(id) => (Some(id.0), None),
            _ => (None, None),
        };
    }
    let mme = pdu.ie::<ie::MME_UE_S1AP_ID>().and_then(Result::ok).map(|id| id.0);
    let enb = pdu.ie::<ie::eNB_UE_S1AP_ID>().and_then(Result::ok).map(|id| id.0);
    (mme, enb)
}

fn name(pdu: &S1APPDU<'_>) -> String {
    use S1apPduKind as K;
    match pdu.kind() {
        K::Initiating_S1Setup => "S1SetupRequest",
        K::Successful_S1Setup => "S1SetupResponse",
        K::Unsuccessful_S1Setup => "S1SetupFailure",
        K::Initiating_initialUEMessage => "InitialUEMessage",
        K::Initiating_downlinkNASTransport => "DownlinkNASTransport",
        K::Initiating_uplinkNASTransport => "UplinkNASTransport",
        K::Initiating_InitialContextSetup => "InitialContextSetupRequest",
        K::Successful_InitialContextSetup => "InitialContextSetupResponse",
        K::Unsuccessful_InitialContextSetup => "InitialContextSetupFailure",
        K::Initiating_UEContextRelease => "UEContextReleaseCommand",
        K::Successful_UEContextRelease => "UEContextReleaseComplete",
        K::Initiating_UEContextReleaseRequest => "UEContextReleaseRequest",
        K::Initiating_E_RABRelease => "E-RABReleaseCommand",
        K::Successful_E_RABRelease => "E-RABReleaseResponse",
        K::Initiating_Reset => "Reset",
        K::Successful_Reset => "ResetAcknowledge",
        K::Initiating_ErrorIndication => "ErrorIndication",
        _ => return pdu.procedure_name().to_owned(),
    }
    .to_owned()
}

/// A cause as TS 36.413 clause 9.2.1.3 writes it, as in `nas/detach`.
pub fn cause_name(cause: &Cause) -> String {
    let (group, value) = match cause {
        Cause::radioNetwork(c) => ("radio-network", format!("{c:?}")),
        Cause::transport(c) => ("transport", format!("{c:?}")),
        Cause::nas(c) => ("nas", format!("{c:?}")),
        Cause::protocol(c) => ("protocol", format!("{c:?}")),
        Cause::misc(c) => ("misc", format!("{c:?}")),
        other => ("unknown", format!("{other:?}")),
    };
    format!("{group}/{}", value.replace('_', "-").to_lowercase())
}

/// An ErrorIndication about octets that are no S1AP PDU (TS 36.413 clause 10.2).
pub fn transfer_syntax_error() -> Result<S1APPDU<'static>, Error> {
    build_s1ap!(
        InitiatingMessage,
        ErrorIndication,
        ErrorIndication,
        Cause(Cause::protocol(CauseProtocol::transfer_syntax_error)),
    )
}

/// An ErrorIndication about `pdu`, which was not understood, is incomplete, or came in a state that has no
/// use for it (TS 36.413 clauses 10.3 and 10.4). `None` for an ErrorIndication, which is never answered with
/// another, and for a procedure of criticality `ignore` that is merely unknown.
pub fn abstract_syntax_error(pdu: &S1APPDU<'_>) -> Result<Option<S1APPDU<'static>>, Error> {
    if pdu.kind() == S1apPduKind::Initiating_ErrorIndication {
        return Ok(None);
    }
    let deviations = pdu.check_structure().unwrap_or_default();
    let unknown = matches!(pdu.kind(), S1apPduKind::Other { .. });
    if unknown && pdu.criticality() == Criticality::ignore {
        return Ok(None);
    }
    let cause =
        deviations.iter().find_map(Deviation::cause).unwrap_or(CauseProtocol::abstract_syntax_error_reject);
    let diagnostics = pdu.criticality_diagnostics(&deviations);
    let (mme, enb) = ids(pdu);
    error_indication(mme, enb, Cause::protocol(cause), Some(diagnostics)).map(Some)
}

/// An ErrorIndication with the identifiers that are known.
pub fn error_indication(
    mme: Option<u32>,
    enb: Option<u32>,
    cause: Cause,
    diagnostics: Option<CriticalityDiagnostics>,
) -> Result<S1APPDU<'static>, Error> {
    let mut ies = Vec::new();
    if let Some(id) = mme {
        ies.push(build_s1ap_ie!(ErrorIndication, MME_UE_S1AP_ID(id))?);
    }
    if let Some(id) = enb {
        ies.push(build_s1ap_ie!(ErrorIndication, eNB_UE_S1AP_ID(id))?);
    }
    ies.push(build_s1ap_ie!(ErrorIndication, Cause(cause))?);
    if let Some(diagnostics) = diagnostics {
        ies.push(build_s1ap_ie!(ErrorIndication, CriticalityDiagnostics(diagnostics))?);
    }
    S1AP_PDU::of_message(&ErrorIndication::new(ProtocolIEContainer(ies)), Criticality::ignore)
}

/// The answer to a Reset of the named connections, or of all where there are none.
pub fn reset_acknowledge(
    connections: Vec<UEAssociatedLogicalS1ConnectionItem>,
) -> Result<S1APPDU<'static>, Error> {
    let mut ies = Vec::new();
    if !connections.is_empty() {
        let items = connections
            .into_iter()
            .map(|item| build_s1ap_ie!(IGNORE UE_associatedLogicalS1_ConnectionItem(item)))
            .collect::<Result<Vec<_>, _>>()?;
        let list = UEAssociatedLogicalS1ConnectionListResAck(items);
        ies.push(build_s1ap_ie!(ResetAcknowledge, UE_associatedLogicalS1_ConnectionListResAck(list))?);
    }
    S1AP_PDU::of_message(&ResetAcknowledge::new(ProtocolIEContainer(ies)), Criticality::reject)
}

/// The connections that a Reset names; `None` where it is about all of them.
pub fn reset_connections(kind: &ResetType<'_>) -> Option<Vec<UEAssociatedLogicalS1ConnectionItem>> {
    match kind {
        ResetType::partOfS1_Interface(list) => {
            Some(list.0.iter().filter_map(|field| decode_open_type(&field.value).ok()).collect())
        }
        _ => None,
    }
}

/// An IPv4 address as a Transport Layer Address.
pub fn transport_address(address: Ipv4Addr) -> TransportLayerAddress<'static> {
    TransportLayerAddress(BitString::from(address.octets()))
}

/// The IPv4 address of a Transport Layer Address: the first 32 bits of one of 32 (IPv4) or 160 bits (IPv4 and
/// IPv6, TS 36.414 clause 5.3). `None` for one of IPv6 alone.
pub fn ipv4_of(address: &TransportLayerAddress) -> Option<Ipv4Addr> {
    let octets = address.0.as_octets();
    match octets.len() {
        4 | 20 => octets.first_chunk::<4>().map(|&octets| Ipv4Addr::from(octets)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_message_identifiers_and_cause() {
        // The UE CONTEXT RELEASE REQUEST of the codec's own documentation.
        let octets = hex::decode("0012401500000300000002002a000800020007000240020280").unwrap();
        let label = label(&S1AP_PDU::decode(&octets).unwrap());
        assert_eq!(label.name, "UEContextReleaseRequest");
        let fields = [("enb-ue-id", "7"), ("mme-ue-id", "42"), ("cause", "radio-network/user-inactivity")];
        assert_eq!(label.fields, fields.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn error_indications_are_clean_and_never_answer_each_other() {
        let error = transfer_syntax_error().unwrap();
        assert!(error.check().unwrap().is_empty());
        assert!(abstract_syntax_error(&error).unwrap().is_none());
        let incomplete = build_s1ap!(
            InitiatingMessage,
            UEContextReleaseRequest,
            UEContextReleaseRequest,
            MME_UE_S1AP_ID(1u32)
        )
        .unwrap();
        let answer = abstract_syntax_error(&incomplete).unwrap().unwrap();
        assert!(answer.check().unwrap().is_empty());
        assert_eq!(ids(&answer), (Some(1), None));
    }

    #[test]
    fn transport_addresses_survive() {
        let address = Ipv4Addr::new(10, 53, 1, 2);
        assert_eq!(ipv4_of(&transport_address(address)), Some(address));
    }
}
