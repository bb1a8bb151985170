//! PDUs of S1AP: octets are a PDU or refused, what is built of what was read is read again as it was, and nothing that is
//! read of a PDU panics.
//!
//! Nearly every octet of a PDU that is added or taken away makes a length around it wrong. So an input may be the elements
//! alone, of which a PDU is put together: [`ELEMENTS`], the kind of PDU, the procedure, and frames of elements.

use std::fmt::Debug;

use cellbed::wire::s1ap::{
    ContextReleaseCommand, ContextReleaseComplete, ContextReleaseRequest, ContextSetupFailure,
    ContextSetupRequest, ContextSetupResponse, DownlinkNasTransport, ErabReleaseCommand, ErabReleaseResponse,
    Error, ErrorIndication, InitialUeMessage, OverloadStart, Pdu, Reset, ResetAcknowledge, S1SetupFailure,
    S1SetupRequest, S1SetupResponse, Tunnel, UplinkNasTransport, label_of,
};

use super::frames::frames;

/// The first octet of an input that is elements: no PDU begins with it.
pub const ELEMENTS: u8 = 0xff;
/// Behind the identifier of an element: what follows is the items of a list, a frame each, and not its octets.
pub const LIST: u8 = 0x80;

/// Octets, or elements.
pub fn run(input: &[u8]) {
    match input {
        [ELEMENTS, kind, procedure, rest @ ..] => read(&put_together(kind % 3, *procedure, rest)),
        octets => read(octets),
    }
}

/// A PDU of these elements in aligned PER: each frame is an element, by the number of its identifier, and the first octet of
/// its message says its criticality and whether it is a list.
fn put_together(kind: u8, procedure: u8, elements: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut count = 0u16;
    for (id, message) in frames(elements) {
        let Some((&how, value)) = message.split_first() else { continue };
        count += 1;
        let value = if how & LIST == 0 { value.to_vec() } else { list(value) };
        field(id, how & 3, &value, &mut fields);
    }
    let [high, low] = count.to_be_bytes();
    let mut pdu = vec![kind << 5, procedure, 0];
    open_type(&[&[0, high, low][..], &fields].concat(), &mut pdu);
    pdu
}

/// A list of at most 256 items: its count is one octet.
fn list(items: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    let mut count = 0u8;
    for (id, message) in frames(items).take(256) {
        count = count.wrapping_add(1);
        field(id, 1, message, &mut fields);
    }
    [&[count.wrapping_sub(1)][..], &fields].concat()
}

fn field(id: u8, criticality: u8, value: &[u8], out: &mut Vec<u8>) {
    out.extend([0, id, criticality << 6]);
    open_type(value, out);
}

/// A length, and octets (X.691 clause 11.9).
fn open_type(value: &[u8], out: &mut Vec<u8>) {
    let value = &value[..value.len().min(0x3fff)];
    match u8::try_from(value.len()).ok().filter(|length| *length < 0x80) {
        Some(length) => out.push(length),
        None => out.extend((0x8000 | value.len() as u16).to_be_bytes()),
    }
    out.extend(value);
}

fn read(octets: &[u8]) {
    let _ = label_of(octets);
    let Ok(pdu) = Pdu::decode(octets) else { return };
    let _ = (pdu.kind(), pdu.ids(), pdu.label(), pdu.abstract_syntax_error());
    again(&pdu, InitialUeMessage::read, InitialUeMessage::build);
    again(&pdu, UplinkNasTransport::read, UplinkNasTransport::build);
    again(&pdu, DownlinkNasTransport::read, DownlinkNasTransport::build);
    again(&pdu, ContextSetupFailure::read, ContextSetupFailure::build);
    again(&pdu, ContextReleaseRequest::read, ContextReleaseRequest::build);
    again(&pdu, ContextReleaseCommand::read, ContextReleaseCommand::build);
    again(&pdu, ContextReleaseComplete::read, ContextReleaseComplete::build);
    again(&pdu, ErabReleaseResponse::read, ErabReleaseResponse::build);
    again(&pdu, ErabReleaseCommand::read, ErabReleaseCommand::build);
    again(&pdu, S1SetupRequest::read, S1SetupRequest::build);
    again(&pdu, S1SetupResponse::read, S1SetupResponse::build);
    again(&pdu, OverloadStart::read, OverloadStart::build);
    let _ = (pdu.updated_areas(), pdu.s1_setup_not_understood().build());
    if let Some(request) = again(&pdu, ContextSetupRequest::read, ContextSetupRequest::build) {
        addressed(&request.tunnel);
    }
    if let Some(response) = again(&pdu, ContextSetupResponse::read, ContextSetupResponse::build) {
        addressed(&response.tunnel);
    }
    again(&pdu, Reset::read, Reset::build);
    again(&pdu, |pdu| Ok(S1SetupFailure::read(pdu)), S1SetupFailure::build);
    again(&pdu, |pdu| Ok(ResetAcknowledge::read(pdu)), ResetAcknowledge::build);
    again(&pdu, |pdu| Ok(ErrorIndication::read(pdu)), ErrorIndication::build);
    // What is not canonical becomes so once.
    let Ok(built) = pdu.encode() else { return };
    let again = Pdu::decode(&built).expect("what was built is a PDU").encode();
    assert_eq!(again.as_deref(), Ok(&built[..]));
}

/// What was read is written, where its fields can hold it, and is then read as it was. Anybody's message is read so,
/// whatever it is called.
fn again<M: PartialEq + Debug>(
    pdu: &Pdu<'_>,
    read: fn(&Pdu<'_>) -> Result<M, Error>,
    build: fn(&M) -> Result<Pdu<'static>, Error>,
) -> Option<M> {
    let message = read(pdu).ok()?;
    if let Ok(octets) = build(&message).and_then(|built| built.encode()) {
        let built = Pdu::decode(&octets).expect("what was built is a PDU");
        assert_eq!(read(&built).as_ref(), Ok(&message));
    }
    Some(message)
}

/// An address is one of IPv4, or of IPv6 and none.
fn addressed(tunnel: &Tunnel) {
    let _ = (tunnel.address.ipv4(), format!("{tunnel:?}"));
}
