//! What the Internet's protocols have in common: the check sum of IPv4, TCP, UDP and ICMP (RFC 1071), and the flags of TCP
//! (RFC 9293 clause 3.1).

/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// The numbers begin.
pub const SYN: u8 = 0x02;
/// The connection is reset.
pub const RST: u8 = 0x04;
/// What was received is to be handed on.
pub const PSH: u8 = 0x08;
/// The acknowledgment number counts.
pub const ACK: u8 = 0x10;

/// The sum of big-endian 16-bit words; an odd byte is padded with zero.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: u64 = words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum();
    words + rest.first().map_or(0, |byte| u64::from(*byte) << 8)
}

/// A sum, or several, in the 16 bits whose complement is sent.
pub fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
