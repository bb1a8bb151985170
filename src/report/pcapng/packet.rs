//! The lower layers that the bench does not have: IPv4 (RFC 791), UDP (RFC 768), TCP (RFC 9293), SCTP (RFC 9260) and GSMTAP.

use std::io;
use std::net::Ipv4Addr;

use crate::wire::inet::{fold, sum};

/// S1AP's port (TS 36.412 clause 7).
const S1AP_PORT: u16 = 36412;
/// S1AP's payload protocol identifier (TS 36.412 clause 7).
const S1AP_PPID: u32 = 18;
/// GTP-U's port (TS 29.281 clause 4.4.2).
pub(super) const GTP_U_PORT: u16 = 2152;
/// GSMTAP's port.
pub(super) const GSMTAP_PORT: u16 = 4729;

/// A GSMTAP header (version 2, four words) of type SIM (4) and subtype APDU (0).
pub(super) const GSMTAP_SIM_HEADER: [u8; 16] = [2, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The port of a switch on its connection to a controller.
pub(super) const SWITCH_PORT: u16 = 49_152;

const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_SCTP: u8 = 132;

/// The longest segment of a connection on a link of 1,500 bytes.
const TCP_SEGMENT_BYTES: usize = 1500 - 20 - 20;

/// User data in one DATA chunk: what a packet of 1,500 bytes holds after IPv4 and SCTP, in whole words.
const SCTP_FRAGMENT_BYTES: usize = 1500 - 20 - 12 - 16;

/// Where one direction of an SCTP association stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sequence {
    tsn: u32,
    ssn: u16,
}

/// `payload` as UDP in IPv4.
pub(super) fn udp(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> io::Result<Vec<u8>> {
    let length =
        u16::try_from(payload.len() + 8).ok().filter(|length| *length <= u16::MAX - 20).ok_or_else(|| {
            let what = format!("a message of {} bytes does not fit UDP, which takes 65,507", payload.len());
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
    let mut datagram = Vec::with_capacity(payload.len() + 8);
    datagram.extend_from_slice(&from.1.to_be_bytes());
    datagram.extend_from_slice(&to.1.to_be_bytes());
    datagram.extend_from_slice(&length.to_be_bytes());
    datagram.extend_from_slice(&[0, 0]);
    datagram.extend_from_slice(payload);

    let pseudo_header =
        [&from.0.octets()[..], &to.0.octets(), &[0, PROTOCOL_UDP], &length.to_be_bytes()].concat();
    // Zero means "not computed", so a sum of zero is sent as its other representation.
    let checksum = match !fold(sum(&pseudo_header) + sum(&datagram)) {
        0 => 0xffff,
        checksum => checksum,
    };
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    Ok(ipv4(from.0, to.0, PROTOCOL_UDP, &datagram))
}

/// How many octets each end of a connection has sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    /// The sender's.
    pub own: u32,
    /// The receiver's.
    pub peer: u32,
}

/// `payload` as segments of TCP in IPv4, of a connection whose beginning was not captured: every octet that came before is
/// acknowledged.
pub(super) fn tcp(
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    payload: &[u8],
    mut sent: Sent,
) -> Vec<Vec<u8>> {
    let segments = payload.chunks(TCP_SEGMENT_BYTES).map(|segment| {
        let mut packet = Vec::with_capacity(segment.len() + 20);
        packet.extend_from_slice(&from.1.to_be_bytes());
        packet.extend_from_slice(&to.1.to_be_bytes());
        // The first octet has number 1, behind the SYN that is not there.
        packet.extend_from_slice(&sent.own.wrapping_add(1).to_be_bytes());
        packet.extend_from_slice(&sent.peer.wrapping_add(1).to_be_bytes());
        // Five words of header; PSH and ACK; the largest window; checksum and urgent pointer.
        packet.extend_from_slice(&[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend_from_slice(segment);
        let length = (packet.len() as u16).to_be_bytes();
        let pseudo_header = [&from.0.octets()[..], &to.0.octets(), &[0, PROTOCOL_TCP], &length].concat();
        let checksum = !fold(sum(&pseudo_header) + sum(&packet));
        packet[16..18].copy_from_slice(&checksum.to_be_bytes());
        sent.own = sent.own.wrapping_add(segment.len() as u32);
        ipv4(from.0, to.0, PROTOCOL_TCP, &packet)
    });
    segments.collect()
}

/// `payload` as SCTP in IPv4: one packet, or as many as its fragments take (RFC 9260 clause 6.9).
pub(super) fn sctp(from: Ipv4Addr, to: Ipv4Addr, payload: &[u8], sequence: &mut Sequence) -> Vec<Vec<u8>> {
    let fragments = payload.chunks(SCTP_FRAGMENT_BYTES).collect::<Vec<_>>();
    let last = fragments.len().saturating_sub(1);
    let packets = fragments.iter().enumerate().map(|(i, fragment)| {
        sequence.tsn = sequence.tsn.wrapping_add(1);
        let flags = (u8::from(i == 0) << 1) | u8::from(i == last);
        ipv4(from, to, PROTOCOL_SCTP, &sctp_data(to, flags, fragment, *sequence))
    });
    let packets = packets.collect();
    sequence.ssn = sequence.ssn.wrapping_add(1);
    packets
}

/// An SCTP packet with one DATA chunk. No handshake was captured; the tag is made of the receiver's address.
fn sctp_data(to: Ipv4Addr, flags: u8, data: &[u8], sequence: Sequence) -> Vec<u8> {
    let mut packet = Vec::with_capacity(data.len() + 31);
    packet.extend_from_slice(&S1AP_PORT.to_be_bytes());
    packet.extend_from_slice(&S1AP_PORT.to_be_bytes());
    packet.extend_from_slice(&to.octets());
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(&[0, flags]);
    packet.extend_from_slice(&((data.len() + 16) as u16).to_be_bytes());
    packet.extend_from_slice(&sequence.tsn.to_be_bytes());
    packet.extend_from_slice(&0u16.to_be_bytes());
    packet.extend_from_slice(&sequence.ssn.to_be_bytes());
    packet.extend_from_slice(&S1AP_PPID.to_be_bytes());
    packet.extend_from_slice(data);
    packet.resize(packet.len().next_multiple_of(4), 0);
    // The CRC goes out least significant byte first (RFC 9260 appendix A).
    let crc = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&crc);
    packet
}

/// `payload`, of at most 65,515 bytes, in IPv4.
fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(payload.len() + 20);
    packet.extend_from_slice(&[0x45, 0]);
    packet.extend_from_slice(&((payload.len() + 20) as u16).to_be_bytes());
    // An atomic datagram (RFC 6864): identification zero, don't fragment; TTL 64.
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    let checksum = !fold(sum(&packet));
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// CRC-32C (Castagnoli), as RFC 9260 appendix A has it.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| (crc >> 8) ^ CRC32C_TABLE[usize::from(crc as u8 ^ byte)])
}

const CRC32C_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = n as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_of_the_check_string() {
        // The check value of CRC-32/ISCSI in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn checksums_of_a_header_sum_to_all_ones() {
        let packet =
            udp((Ipv4Addr::new(10, 0, 0, 1), 1), (Ipv4Addr::new(10, 0, 0, 2), 2), b"odd").expect("fits");
        assert_eq!(fold(sum(&packet[..20])), 0xffff);
        let pseudo = [&packet[12..20], &[0, 17, 0, 11]].concat();
        assert_eq!(fold(sum(&pseudo) + sum(&packet[20..])), 0xffff);
    }

    #[test]
    fn segments_follow_one_another_and_their_checksums_sum_to_all_ones() {
        let end = (Ipv4Addr::new(10, 0, 0, 1), 1);
        let packets = tcp(end, end, &[7; 3001], Sent { own: 5, peer: 9 });
        let number = |packet: &[u8], at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
        let seen: Vec<_> =
            packets.iter().map(|packet| (number(packet, 24), number(packet, 28), packet.len())).collect();
        assert_eq!(seen, [(6, 10, 1500), (1466, 10, 1500), (2926, 10, 121)]);
        for packet in &packets {
            let length = (packet.len() as u16 - 20).to_be_bytes();
            let pseudo = [&packet[12..20], &[0, 6], &length].concat();
            assert_eq!(fold(sum(&pseudo) + sum(&packet[20..])), 0xffff);
        }
    }

    #[test]
    fn what_udp_cannot_hold_is_an_error() {
        let end = (Ipv4Addr::LOCALHOST, 1);
        assert!(udp(end, end, &vec![0; 65_507]).is_ok());
        assert!(udp(end, end, &vec![0; 65_508]).is_err());
    }

    #[test]
    fn a_long_message_is_fragmented_under_one_stream_sequence_number() {
        let mut sequence = Sequence::default();
        let end = Ipv4Addr::LOCALHOST;
        let packets = sctp(end, end, &[7; 3000], &mut sequence);
        let flags: Vec<u8> = packets.iter().map(|packet| packet[33]).collect();
        assert_eq!(flags, [2, 0, 1]);
        assert!(packets.iter().all(|packet| packet.len() <= 1500 && packet[42..44] == [0, 0]));
        assert_eq!((sequence.tsn, sequence.ssn), (3, 1));
        assert_eq!(sctp(end, end, b"short", &mut sequence)[0][33], 3);
    }
}
