//! PDCP of LTE and NB-IoT (TS 36.323): sequence numbers, integrity and ciphering of what travels on one radio bearer.
//!
//! RLC below it delivers in order and may lose. There is no header compression, no status report and no retransmission after
//! handover.

use oxirush_security::nas_eps::{KEnb, derive_krrc_enc, derive_krrc_int, derive_kup_enc};
use oxirush_security::{
    Bearer, CipheringAlgorithm, CipheringContext, Direction, IntegrityAlgorithm, IntegrityContext,
    constant_time_eq,
};

use crate::wire::nas::{Kenb, algorithm_exists};

/// The longest SDU (TS 36.323 clause 4.3.1).
pub const LONGEST: usize = 8188;
const MAC_LEN: usize = 4;

/// Why octets are no PDU of this bearer, or nothing can be sent on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Shorter than its header, and its integrity code where it has one.
    #[error("a PDCP PDU of {0} octets")]
    Short(usize),
    /// Longer than an SDU can be.
    #[error("a PDCP SDU of {0} octets; the longest has 8188")]
    TooLong(usize),
    /// The integrity code is wrong: somebody else's, a repeated one, or after 32 lost ones.
    #[error("the integrity code is wrong")]
    NotAuthentic,
    /// All COUNTs under a key were used (TS 33.401 clause 7.2.9.1): the connection has to be released.
    #[error("all COUNTs under this key were used; release the connection")]
    CountsUsed,
}

/// Which end of the radio this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The device.
    Ue,
    /// The base station.
    BaseStation,
}

impl End {
    fn sends(self) -> Direction {
        match self {
            Self::Ue => Direction::Uplink,
            Self::BaseStation => Direction::Downlink,
        }
    }

    fn hears(self) -> Direction {
        match self {
            Self::Ue => Direction::Downlink,
            Self::BaseStation => Direction::Uplink,
        }
    }
}

/// The keys of the radio under one KeNB (TS 33.401 clause 6.2): KRRCint, KRRCenc and KUPenc.
#[derive(Clone)]
pub struct RadioKeys {
    integrity: IntegrityContext,
    signalling: CipheringContext,
    user: CipheringContext,
}

impl std::fmt::Debug for RadioKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RadioKeys")
    }
}

impl RadioKeys {
    /// The keys for EIA`eia` and EEA`eea`; `None` for a reserved algorithm.
    pub fn derive(kenb: &Kenb, eia: u8, eea: u8) -> Option<Self> {
        let integrity = IntegrityAlgorithm::try_from(eia).ok().filter(|_| algorithm_exists(eia))?;
        let ciphering = CipheringAlgorithm::try_from(eea).ok().filter(|_| algorithm_exists(eea))?;
        let kenb = KEnb::from_slice(kenb.octets()).ok()?;
        Some(Self {
            integrity: IntegrityContext::new(&derive_krrc_int(&kenb, integrity), integrity),
            signalling: CipheringContext::new(&derive_krrc_enc(&kenb, ciphering), ciphering),
            user: CipheringContext::new(&derive_kup_enc(&kenb, ciphering), ciphering),
        })
    }
}

/// BEARER of the algorithms: the identity of the radio bearer minus 1 (TS 36.323 clause 5.6).
fn bearer(identity: u8) -> Bearer {
    Bearer::new(identity.saturating_sub(1)).unwrap_or(Bearer::MAX)
}

/// The COUNT of what is sent or awaited next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Next(u64);

impl Next {
    fn count(self, ahead: u32) -> Result<u32, Error> {
        u32::try_from(self.0 + u64::from(ahead)).map_err(|_| Error::CountsUsed)
    }

    /// How far a sequence number of `bits` bits is ahead.
    fn ahead(self, sequence: u32, bits: u32) -> u32 {
        sequence.wrapping_sub(self.0 as u32) & ((1 << bits) - 1)
    }

    fn after(count: u32) -> Self {
        Self(u64::from(count) + 1)
    }
}

/// One end of a signalling radio bearer, which has sequence numbers of 5 bits and an integrity code (clauses 5.1.2.2 and
/// 6.2.2). Before security the code is zero.
#[derive(Debug, Clone)]
pub struct Signalling {
    bearer: Bearer,
    end: End,
    keys: Option<RadioKeys>,
    ciphered: bool,
    sent: Next,
    awaited: Next,
}

impl Signalling {
    /// SRB`identity`, 1 or 2, without security.
    pub fn new(identity: u8, end: End) -> Self {
        let (sent, awaited) = (Next::default(), Next::default());
        Self { bearer: bearer(identity), end, keys: None, ciphered: false, sent, awaited }
    }

    /// From now on both ways have integrity: from SecurityModeCommand, which is the first (TS 36.331 clause 5.3.4.3). The
    /// sequence goes on, so that no COUNT is used twice under a key where `keys` are new.
    pub fn protect(&mut self, keys: RadioKeys) {
        self.keys = Some(keys);
    }

    /// From now on both ways are ciphered: behind SecurityModeComplete, which is not.
    pub fn cipher(&mut self) {
        self.ciphered = true;
    }

    /// Whether its messages have integrity.
    pub fn is_protected(&self) -> bool {
        self.keys.is_some()
    }

    /// What a PDU that is not ciphered holds, unverified: SecurityModeCommand says under which algorithms it is to be
    /// verified.
    pub fn look(pdu: &[u8]) -> Option<&[u8]> {
        pdu.get(1..pdu.len().checked_sub(MAC_LEN)?)
    }

    /// The PDU of an RRC message.
    pub fn send(&mut self, message: &[u8]) -> Result<Vec<u8>, Error> {
        if message.len() > LONGEST {
            return Err(Error::TooLong(message.len()));
        }
        let count = self.sent.count(0)?;
        let mut pdu = Vec::with_capacity(1 + message.len() + MAC_LEN);
        pdu.push((count & 0x1f) as u8);
        pdu.extend_from_slice(message);
        let direction = self.end.sends();
        let mac =
            self.keys.as_ref().map_or(0, |keys| keys.integrity.mac(count, self.bearer, direction, &pdu));
        pdu.extend_from_slice(&mac.to_be_bytes());
        if let Some(keys) = self.keys.as_ref().filter(|_| self.ciphered) {
            keys.signalling.cipher(count, self.bearer, direction, &mut pdu[1..]);
        }
        self.sent = Next::after(count);
        Ok(pdu)
    }

    /// The RRC message of a PDU. What is not authentic changes nothing.
    pub fn receive(&mut self, pdu: &[u8]) -> Result<Vec<u8>, Error> {
        let Some(end) = pdu.len().checked_sub(MAC_LEN).filter(|end| *end >= 1) else {
            return Err(Error::Short(pdu.len()));
        };
        if end - 1 > LONGEST {
            return Err(Error::TooLong(end - 1));
        }
        let mut pdu = pdu.to_vec();
        let count = self.awaited.count(self.awaited.ahead(u32::from(pdu[0] & 0x1f), 5))?;
        let direction = self.end.hears();
        if let Some(keys) = &self.keys {
            if self.ciphered {
                keys.signalling.cipher(count, self.bearer, direction, &mut pdu[1..]);
            }
            let mac = keys.integrity.mac(count, self.bearer, direction, &pdu[..end]);
            if !constant_time_eq(&mac.to_be_bytes(), &pdu[end..]) {
                return Err(Error::NotAuthentic);
            }
        }
        self.awaited = Next::after(count);
        pdu.truncate(end);
        pdu.remove(0);
        Ok(pdu)
    }
}

/// How long the sequence numbers of a data radio bearer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceSize {
    /// 7 bits: NB-IoT, and unacknowledged mode.
    Seven,
    /// 12 bits.
    Twelve,
}

impl SequenceSize {
    fn bits(self) -> u32 {
        match self {
            Self::Seven => 7,
            Self::Twelve => 12,
        }
    }

    fn header_len(self) -> usize {
        match self {
            Self::Seven => 1,
            Self::Twelve => 2,
        }
    }
}

/// What came on a data radio bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// An IP packet.
    Packet(Vec<u8>),
    /// One that came before, or long after others.
    Old,
    /// A control PDU (clause 6.2.5), which asks nothing of this end.
    Control,
}

/// One end of a data radio bearer, which is ciphered and has no integrity (clauses 5.1.2.1 and 6.2.3).
#[derive(Debug, Clone)]
pub struct Data {
    bearer: Bearer,
    end: End,
    size: SequenceSize,
    keys: RadioKeys,
    sent: Next,
    awaited: Next,
}

impl Data {
    /// DRB`identity`, 1 to 32.
    pub fn new(identity: u8, end: End, size: SequenceSize, keys: RadioKeys) -> Self {
        let (sent, awaited) = (Next::default(), Next::default());
        Self { bearer: bearer(identity), end, size, keys, sent, awaited }
    }

    /// The PDU of an IP packet.
    pub fn send(&mut self, packet: &[u8]) -> Result<Vec<u8>, Error> {
        if packet.len() > LONGEST {
            return Err(Error::TooLong(packet.len()));
        }
        let count = self.sent.count(0)?;
        let mut pdu = match self.size {
            SequenceSize::Seven => vec![0x80 | (count & 0x7f) as u8],
            SequenceSize::Twelve => vec![0x80 | (count >> 8 & 0x0f) as u8, count as u8],
        };
        let header = pdu.len();
        pdu.extend_from_slice(packet);
        self.keys.user.cipher(count, self.bearer, self.end.sends(), &mut pdu[header..]);
        self.sent = Next::after(count);
        Ok(pdu)
    }

    /// What a PDU brings.
    pub fn receive(&mut self, pdu: &[u8]) -> Result<Received, Error> {
        let header = self.size.header_len();
        let Some(packet) = pdu.get(header..) else { return Err(Error::Short(pdu.len())) };
        if pdu[0] & 0x80 == 0 {
            return Ok(Received::Control);
        }
        if packet.len() > LONGEST {
            return Err(Error::TooLong(packet.len()));
        }
        let sequence = match self.size {
            SequenceSize::Seven => u32::from(pdu[0] & 0x7f),
            SequenceSize::Twelve => u32::from(pdu[0] & 0x0f) << 8 | u32::from(pdu[1]),
        };
        let ahead = self.awaited.ahead(sequence, self.size.bits());
        // Half of the numbers are ahead, the others behind (the reordering window, clause 7.2).
        if ahead >= 1 << (self.size.bits() - 1) {
            return Ok(Received::Old);
        }
        let count = self.awaited.count(ahead)?;
        let mut packet = packet.to_vec();
        self.keys.user.cipher(count, self.bearer, self.end.hears(), &mut packet);
        self.awaited = Next::after(count);
        Ok(Received::Packet(packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(eia: u8, eea: u8) -> RadioKeys {
        RadioKeys::derive(&Kenb::from_slice(&[7; 32]).unwrap(), eia, eea).unwrap()
    }

    fn signalling(eia: u8, eea: u8) -> [Signalling; 2] {
        [End::Ue, End::BaseStation].map(|end| {
            let mut bearer = Signalling::new(1, end);
            bearer.protect(keys(eia, eea));
            bearer.cipher();
            bearer
        })
    }

    fn data(size: SequenceSize) -> [Data; 2] {
        [End::Ue, End::BaseStation].map(|end| Data::new(1, end, size, keys(2, 2)))
    }

    #[test]
    fn before_security_the_code_is_zero() {
        // TS 36.323 clause 6.2.2: three reserved bits, the sequence number, the message, MAC-I.
        let (mut ue, mut enb) = (Signalling::new(1, End::Ue), Signalling::new(1, End::BaseStation));
        for number in 0..40_u8 {
            let pdu = ue.send(&[0xab, 0xcd]).unwrap();
            assert_eq!(pdu, [number % 32, 0xab, 0xcd, 0, 0, 0, 0]);
            assert_eq!(Signalling::look(&pdu), Some(&[0xab, 0xcd][..]));
            assert_eq!(enb.receive(&pdu), Ok(vec![0xab, 0xcd]));
        }
        assert_eq!(enb.receive(&[0; 4]), Err(Error::Short(4)));
        assert_eq!(enb.receive(&[]), Err(Error::Short(0)));
        assert_eq!(Signalling::look(&[0; 3]), None);
        assert_eq!(ue.send(&[0; 8189]), Err(Error::TooLong(8189)));
        assert_eq!(enb.receive(&[0; 8194]), Err(Error::TooLong(8189)));
    }

    #[test]
    fn the_command_that_begins_security_goes_on_in_the_sequence() {
        let (mut ue, mut enb) = (Signalling::new(1, End::Ue), Signalling::new(1, End::BaseStation));
        let before = enb.send(b"transfer").unwrap();
        ue.receive(&before).unwrap();
        enb.protect(keys(2, 2));
        let command = enb.send(b"command").unwrap();
        assert_eq!(command[0], 1);
        // Read before it can be verified, since it says how.
        assert_eq!(Signalling::look(&command), Some(&b"command"[..]));
        assert!(!ue.is_protected());
        ue.protect(keys(2, 2));
        assert!(ue.is_protected());
        assert_eq!(ue.receive(&command), Ok(b"command".to_vec()));
        // The answer has integrity and is not ciphered.
        let complete = ue.send(b"complete").unwrap();
        assert_eq!(Signalling::look(&complete), Some(&b"complete"[..]));
        assert_eq!(enb.receive(&complete), Ok(b"complete".to_vec()));
        ue.cipher();
        enb.cipher();
        let later = enb.send(b"secret").unwrap();
        assert!(!later.windows(6).any(|six| six == b"secret"));
        assert_eq!(ue.receive(&later), Ok(b"secret".to_vec()));
    }

    #[test]
    fn what_was_sent_before_is_not_taken_again() {
        let [mut ue, mut enb] = signalling(2, 2);
        let pdu = ue.send(b"once").unwrap();
        assert_eq!(enb.receive(&pdu), Ok(b"once".to_vec()));
        assert_eq!(enb.receive(&pdu), Err(Error::NotAuthentic));
        // Nor is what the other end has sent, nor what was on another bearer.
        let own = enb.send(b"own").unwrap();
        assert_eq!(enb.clone().receive(&own), Err(Error::NotAuthentic));
        let mut other = Signalling::new(2, End::Ue);
        other.protect(keys(2, 2));
        other.cipher();
        assert_eq!(other.receive(&own), Err(Error::NotAuthentic));
        assert_eq!(ue.receive(&own), Ok(b"own".to_vec()));
    }

    #[test]
    fn losses_are_passed_over_up_to_the_sequence() {
        let [mut ue, mut enb] = signalling(3, 3);
        for lost in [0, 1, 30, 31] {
            (0..lost).for_each(|_| drop(ue.send(b"lost").unwrap()));
            assert_eq!(enb.receive(&ue.send(b"next").unwrap()), Ok(b"next".to_vec()), "{lost}");
        }
        (0..32).for_each(|_| drop(ue.send(b"lost").unwrap()));
        assert_eq!(enb.receive(&ue.send(b"next").unwrap()), Err(Error::NotAuthentic));
    }

    #[test]
    fn a_data_bearer_counts_on_over_its_sequence() {
        for (size, window, header) in [(SequenceSize::Seven, 64, 1), (SequenceSize::Twelve, 2048, 2)] {
            let [mut ue, mut enb] = data(size);
            for round in 0..3 * window {
                let pdu = ue.send(b"packet").unwrap();
                assert_eq!(pdu.len(), header + 6);
                assert_eq!(enb.receive(&pdu), Ok(Received::Packet(b"packet".to_vec())), "{round}");
                assert_eq!(enb.receive(&pdu), Ok(Received::Old));
            }
            (0..window - 1).for_each(|_| drop(ue.send(b"lost").unwrap()));
            assert_eq!(enb.receive(&ue.send(b"next").unwrap()), Ok(Received::Packet(b"next".to_vec())));
            (0..window).for_each(|_| drop(ue.send(b"lost").unwrap()));
            assert_eq!(enb.receive(&ue.send(b"next").unwrap()), Ok(Received::Old));
            assert_eq!(enb.receive(&[0; 3]), Ok(Received::Control));
            assert_eq!(enb.receive(&[0x80][..header - 1]), Err(Error::Short(header - 1)));
            assert_eq!(ue.send(&[0; 8189]), Err(Error::TooLong(8189)));
        }
    }

    #[test]
    fn no_count_is_used_twice() {
        let [mut ue, _] = signalling(2, 2);
        ue.sent = Next(u64::from(u32::MAX));
        assert!(ue.send(b"last").is_ok());
        assert_eq!(ue.send(b"one more"), Err(Error::CountsUsed));
        let [mut ue, mut enb] = data(SequenceSize::Twelve);
        ue.sent = Next(u64::from(u32::MAX));
        enb.awaited = ue.sent;
        let last = ue.send(b"last").unwrap();
        assert_eq!(enb.receive(&last), Ok(Received::Packet(b"last".to_vec())));
        assert_eq!(ue.send(b"one more"), Err(Error::CountsUsed));
        assert_eq!(enb.receive(&[0x80, 0, 1]), Err(Error::CountsUsed));
        assert!(RadioKeys::derive(&Kenb::from_slice(&[7; 32]).unwrap(), 4, 0).is_none());
        assert!(RadioKeys::derive(&Kenb::from_slice(&[7; 32]).unwrap(), 1, 4).is_none());
        assert_eq!(format!("{:?}", keys(1, 1)), "RadioKeys");
    }

    proptest! {
        #[test]
        fn messages_arrive_and_bent_ones_do_not(
            eia in 1..=3_u8, eea in 0..=3_u8, message: Vec<u8>, at: proptest::sample::Index, bit in 0..8_u32,
        ) {
            let [mut ue, mut enb] = signalling(eia, eea);
            let pdu = ue.send(&message).unwrap();
            let mut bent = pdu.clone();
            bent[at.index(pdu.len())] ^= 1 << bit;
            prop_assert_eq!(enb.receive(&bent), Err(Error::NotAuthentic));
            prop_assert_eq!(enb.receive(&pdu), Ok(message));
        }

        #[test]
        fn any_octets_are_taken_or_refused(octets: Vec<u8>) {
            let [mut ue, _] = signalling(2, 2);
            prop_assert!(ue.receive(&octets).is_err());
            for size in [SequenceSize::Seven, SequenceSize::Twelve] {
                let [mut ue, _] = data(size);
                if let Ok(Received::Packet(packet)) = ue.receive(&octets) {
                    prop_assert_eq!(packet.len() + size.header_len(), octets.len());
                }
            }
        }
    }
}
