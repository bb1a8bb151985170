//! PDUs of S1AP: octets are a PDU or refused, what is built of what was read is read again as it was, and nothing that is
//! read of a PDU panics.

use cellbed::wire::s1ap::{
    ContextReleaseCommand, ContextReleaseComplete, ContextReleaseRequest, ContextSetupFailure,
    ContextSetupRequest, ContextSetupResponse, DownlinkNasTransport, ErabReleaseCommand, ErabReleaseResponse,
    ErrorIndication, InitialUeMessage, Pdu, Reset, ResetAcknowledge, S1SetupFailure, S1SetupRequest,
    S1SetupResponse, UplinkNasTransport, label_of,
};

/// Octets.
pub fn run(octets: &[u8]) {
    let _ = label_of(octets);
    let Ok(pdu) = Pdu::decode(octets) else { return };
    let _ = (pdu.kind(), pdu.ids(), pdu.label(), pdu.abstract_syntax_error());
    let _ = (InitialUeMessage::read(&pdu).is_ok(), UplinkNasTransport::read(&pdu).is_ok());
    let _ = (DownlinkNasTransport::read(&pdu).is_ok(), ContextSetupRequest::read(&pdu).is_ok());
    let _ = (ContextSetupResponse::read(&pdu).is_ok(), ContextSetupFailure::read(&pdu).is_ok());
    let _ = (ContextReleaseRequest::read(&pdu).is_ok(), ContextReleaseCommand::read(&pdu).is_ok());
    let _ = (ContextReleaseComplete::read(&pdu).is_ok(), ErabReleaseCommand::read(&pdu).is_ok());
    let _ = (ErabReleaseResponse::read(&pdu).is_ok(), S1SetupRequest::read(&pdu).is_ok());
    let _ = (S1SetupResponse::read(&pdu).is_ok(), Reset::read(&pdu).is_ok());
    let _ = (S1SetupFailure::read(&pdu), ResetAcknowledge::read(&pdu), ErrorIndication::read(&pdu));
    // What is not canonical becomes so once.
    let Ok(built) = pdu.encode() else { return };
    let again = Pdu::decode(&built).expect("what was built is a PDU").encode();
    assert_eq!(again.as_deref(), Ok(&built[..]));
}
