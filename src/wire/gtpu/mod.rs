//! GTP-U (TS 29.281) as both ends of a user plane share it: messages, their names, and the endpoint of tunnels.
//!
//! The codec is `oxirush-gtp-u`; its types stay inside this module.

mod drops;
mod endpoint;

use std::net::{IpAddr, Ipv4Addr};

use oxirush_gtp_u::{InformationElement, MessageType, Packet};

use crate::wire::{Label, Proto};

pub use drops::{DropCause, Drops, TOLD_EVERY};
pub use endpoint::{Datagram, Endpoint, Event, FarEnd, PeerGroups};

/// Why octets are no GTP-U message, or a packet does not fit into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The octets are no message of version 1, in the codec's words.
    #[error("no GTP-U message: {0}")]
    Malformed(String),
    /// A packet is too long for the length field, in the codec's words.
    #[error("{0}")]
    Value(String),
}

impl Error {
    fn malformed(error: oxirush_gtp_u::Error) -> Self {
        Self::Malformed(error.to_string())
    }

    fn value(error: oxirush_gtp_u::Error) -> Self {
        Self::Value(error.to_string())
    }
}

/// A GTP-U message as a node of the testbed treats it.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A user packet in tunnel `teid`.
    User {
        /// The tunnel endpoint identifier in the header (clause 5.1): the receiver's own.
        teid: u32,
        /// The T-PDU: an IP packet.
        packet: &'a [u8],
    },
    /// Is the path alive?
    EchoRequest {
        /// The sequence number, which the answer repeats; 0 where the request has none.
        sequence: u16,
    },
    /// The peer `address` has no tunnel `teid`.
    ErrorIndication {
        /// Tunnel Endpoint Identifier Data I (clause 8.3): the TEID that the peer does not have.
        teid: u32,
        /// GTP-U Peer Address (clause 8.4): who does not have it.
        address: Ipv4Addr,
    },
    /// Something that asks for nothing: an Echo Response, an End Marker, a notification.
    Other,
}

/// Reads a GTP-U message. Octets that are none, and versions other than 1, are an error; they are dropped
/// silently (TS 29.281 clause 11).
pub fn decode(bytes: &[u8]) -> Result<Received<'_>, Error> {
    let packet = Packet::decode_borrowed(bytes).map_err(Error::malformed)?;
    Ok(match packet.message_type {
        MessageType::G_PDU => Received::User { teid: packet.teid, packet: packet.payload },
        MessageType::ECHO_REQUEST => Received::EchoRequest { sequence: packet.sequence.unwrap_or(0) },
        MessageType::ERROR_INDICATION => {
            let mut found = (None, None);
            for element in packet.information_elements().map_err(Error::malformed)? {
                match element {
                    InformationElement::TeidDataI(teid) => found.0 = Some(teid),
                    InformationElement::GtpUPeerAddress(IpAddr::V4(address)) => found.1 = Some(address),
                    _ => {}
                }
            }
            match found {
                (Some(teid), Some(address)) => Received::ErrorIndication { teid, address },
                _ => Received::Other,
            }
        }
        _ => Received::Other,
    })
}

/// A user packet for tunnel `teid` of the peer. Fails on packets over 65,535 bytes.
pub fn user(teid: u32, packet: &[u8]) -> Result<(Vec<u8>, Label), Error> {
    let label = Label::new(Proto::GtpU, "G-PDU").with("teid", format!("{teid:08x}"));
    Ok((Packet::g_pdu(teid, packet).encode().map_err(Error::value)?, label))
}

/// The answer to an Echo Request.
pub fn echo_response(sequence: u16) -> Result<(Vec<u8>, Label), Error> {
    Ok((
        Packet::echo_response(sequence).encode().map_err(Error::value)?,
        Label::new(Proto::GtpU, "Echo Response"),
    ))
}

/// The answer to a user packet on a tunnel that `own` does not have.
pub fn error_indication(teid: u32, own: Ipv4Addr) -> Result<(Vec<u8>, Label), Error> {
    let label = Label::new(Proto::GtpU, "Error Indication").with("teid", format!("{teid:08x}"));
    Ok((Packet::error_indication(teid, IpAddr::V4(own)).encode().map_err(Error::value)?, label))
}

/// The label of what may be a GTP-U message.
pub fn label_of(bytes: &[u8]) -> Label {
    let name = match decode(bytes) {
        Ok(Received::User { teid, .. }) => {
            return Label::new(Proto::GtpU, "G-PDU").with("teid", format!("{teid:08x}"));
        }
        Ok(Received::ErrorIndication { teid, .. }) => {
            return Label::new(Proto::GtpU, "Error Indication").with("teid", format!("{teid:08x}"));
        }
        Ok(Received::EchoRequest { .. }) => "Echo Request",
        Ok(Received::Other) => "other message",
        Err(_) => "no GTP-U message",
    };
    Label::new(Proto::GtpU, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn user_packets_have_the_eight_octet_header() {
        // TS 29.281 clause 5.1: version 1, PT 1, message type 255, length, TEID.
        let (bytes, label) = user(0x1234_5678, b"an IP packet").unwrap();
        assert_eq!(bytes[..8], [0x30, 0xff, 0x00, 0x0c, 0x12, 0x34, 0x56, 0x78]);
        assert_eq!(decode(&bytes).unwrap(), Received::User { teid: 0x1234_5678, packet: b"an IP packet" });
        assert_eq!(label.name, "G-PDU");
    }

    #[test]
    fn signalling_survives() {
        let (bytes, _) = echo_response(7).unwrap();
        assert_eq!(decode(&bytes).unwrap(), Received::Other);
        let echo = Packet::echo_request(7).encode().unwrap();
        assert_eq!(decode(&echo).unwrap(), Received::EchoRequest { sequence: 7 });
        let own = Ipv4Addr::new(10, 53, 1, 2);
        let (bytes, _) = error_indication(9, own).unwrap();
        assert_eq!(decode(&bytes).unwrap(), Received::ErrorIndication { teid: 9, address: own });
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(bytes in prop_oneof![
            bent(user(0x1234_5678, b"an IP packet").unwrap().0),
            bent(error_indication(9, Ipv4Addr::new(10, 53, 1, 2)).unwrap().0),
            bent(Packet::echo_request(7).encode().unwrap()),
        ]) {
            let label = label_of(&bytes);
            match decode(&bytes) {
                Ok(Received::User { teid, packet }) => {
                    prop_assert_eq!(&teid.to_be_bytes()[..], &bytes[4..8]);
                    prop_assert!(bytes.ends_with(packet));
                    let (again, named) = user(teid, packet).unwrap();
                    prop_assert_eq!(decode(&again), Ok(Received::User { teid, packet }));
                    prop_assert_eq!(label, named);
                }
                Ok(Received::ErrorIndication { teid, address }) => {
                    let (again, named) = error_indication(teid, address).unwrap();
                    prop_assert_eq!(decode(&again), Ok(Received::ErrorIndication { teid, address }));
                    prop_assert_eq!(label, named);
                }
                Ok(Received::EchoRequest { sequence }) => {
                    let again = Packet::echo_request(sequence).encode().unwrap();
                    prop_assert_eq!(decode(&again), Ok(Received::EchoRequest { sequence }));
                }
                Ok(Received::Other) => prop_assert_eq!(label.name, "other message"),
                Err(error) => {
                    prop_assert_eq!(label.name, "no GTP-U message");
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}
