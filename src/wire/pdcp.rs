//! PDCP of LTE and NB-IoT (TS 36.323): sequence numbers, integrity and ciphering of what travels on one radio bearer.
//!
//! RLC below it delivers in order and may lose. There is no header compression, no status report and no retransmission after
//! handover.

use std::sync::Arc;

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

/// The keys of the radio under one KeNB (TS 33.401 clause 6.2): KRRCint, KRRCenc and KUPenc, which all bearers share.
#[derive(Clone)]
pub struct RadioKeys(Arc<Keys>);

struct Keys {
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
        Some(Self(Arc::new(Keys {
            integrity: IntegrityContext::new(&derive_krrc_int(&kenb, integrity), integrity),
            signalling: CipheringContext::new(&derive_krrc_enc(&kenb, ciphering), ciphering),
            user: CipheringContext::new(&derive_kup_enc(&kenb, ciphering), ciphering),
        })))
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

/// How one way of a signalling radio bearer is secured, and where its COUNT stands.
#[derive(Debug, Clone, Default)]
struct Way {
    keys: Option<RadioKeys>,
    ciphered: bool,
    next: Next,
}

impl Way {
    /// The integrity code of a PDU without it, in clear; zero before security.
    fn mac(&self, count: u32, bearer: Bearer, direction: Direction, pdu: &[u8]) -> [u8; MAC_LEN] {
        self.keys.as_ref().map_or(0, |keys| keys.0.integrity.mac(count, bearer, direction, pdu)).to_be_bytes()
    }

    fn cipher(&self, count: u32, bearer: Bearer, direction: Direction, octets: &mut [u8]) {
        if let Some(keys) = self.keys.as_ref().filter(|_| self.ciphered) {
            keys.0.signalling.cipher(count, bearer, direction, octets);
        }
    }

    /// The COUNT of what comes with a sequence number of 5 bits, and what is awaited after it. Before security nothing says
    /// whether a PDU is authentic, and the nearest COUNT is taken, ahead or behind, so that one that is not moves it no
    /// further than the next one moves it back.
    fn heard(&self, sequence: u8) -> Result<(u32, Next), Error> {
        let ahead = self.next.ahead(u32::from(sequence & 0x1f), 5);
        let count = self.next.count(ahead)?;
        if self.keys.is_some() || ahead < 16 {
            return Ok((count, Next::after(count)));
        }
        Ok(count.checked_sub(32).map_or((count, self.next), |behind| (behind, Next::after(behind))))
    }
}

/// One end of a signalling radio bearer, which has sequence numbers of 5 bits and an integrity code (clauses 5.1.2.2 and
/// 6.2.2). Before security the code is zero. Each way is secured on its own: SecurityModeCommand and what answers it begin
/// them one after the other (TS 36.331 clause 5.3.4).
#[derive(Debug, Clone)]
pub struct Signalling {
    bearer: Bearer,
    end: End,
    sending: Way,
    hearing: Way,
}

impl Signalling {
    /// SRB`identity`, 1 or 2, without security.
    pub fn new(identity: u8, end: End) -> Self {
        Self { bearer: bearer(identity), end, sending: Way::default(), hearing: Way::default() }
    }

    /// SRB`identity` with integrity and ciphering both ways, as it is set up after security has begun.
    pub fn secured(identity: u8, end: End, keys: RadioKeys) -> Self {
        let mut own = Self::new(identity, end);
        own.hearing.keys = Some(keys.clone());
        own.protect_sending(keys);
        own.cipher_sending();
        own.cipher_hearing();
        own
    }

    /// From now on what is sent has integrity. The sequence goes on, so that no COUNT is used twice under a key where `keys`
    /// are new.
    pub fn protect_sending(&mut self, keys: RadioKeys) {
        self.sending.keys = Some(keys);
    }

    /// From now on what is sent is ciphered.
    pub fn cipher_sending(&mut self) {
        self.sending.ciphered = true;
    }

    /// From now on what comes is ciphered.
    pub fn cipher_hearing(&mut self) {
        self.hearing.ciphered = true;
    }

    /// What is sent has neither integrity nor ciphering any more: the other end could not verify SecurityModeCommand.
    pub fn unprotect_sending(&mut self) {
        (self.sending.keys, self.sending.ciphered) = (None, false);
    }

    /// Whether what comes has integrity.
    pub fn is_protected(&self) -> bool {
        self.hearing.keys.is_some()
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
        let count = self.sending.next.count(0)?;
        let mut pdu = Vec::with_capacity(1 + message.len() + MAC_LEN);
        pdu.push((count & 0x1f) as u8);
        pdu.extend_from_slice(message);
        let direction = self.end.sends();
        let mac = self.sending.mac(count, self.bearer, direction, &pdu);
        pdu.extend_from_slice(&mac);
        self.sending.cipher(count, self.bearer, direction, &mut pdu[1..]);
        self.sending.next = Next::after(count);
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
        let (count, next) = self.hearing.heard(pdu[0])?;
        let direction = self.end.hears();
        self.hearing.cipher(count, self.bearer, direction, &mut pdu[1..]);
        if self.is_protected()
            && !constant_time_eq(&self.hearing.mac(count, self.bearer, direction, &pdu[..end]), &pdu[end..])
        {
            return Err(Error::NotAuthentic);
        }
        self.hearing.next = next;
        pdu.truncate(end);
        pdu.remove(0);
        Ok(pdu)
    }

    /// The RRC message of the PDU with which integrity begins: SecurityModeCommand at a UE, SecurityModeComplete at a base
    /// station. Where it is authentic under `keys`, what comes has integrity from now on; else nothing is changed.
    pub fn begin(&mut self, keys: RadioKeys, pdu: &[u8]) -> Result<Vec<u8>, Error> {
        let (count, _) = self.hearing.heard(pdu.first().copied().unwrap_or_default())?;
        let mut secured = self.clone();
        secured.hearing.keys = Some(keys);
        secured.hearing.next = Next(u64::from(count));
        let message = secured.receive(pdu)?;
        *self = secured;
        Ok(message)
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
        self.keys.0.user.cipher(count, self.bearer, self.end.sends(), &mut pdu[header..]);
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
        self.keys.0.user.cipher(count, self.bearer, self.end.hears(), &mut packet);
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
        [End::Ue, End::BaseStation].map(|end| Signalling::secured(1, end, keys(eia, eea)))
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
        enb.protect_sending(keys(2, 2));
        let command = enb.send(b"command").unwrap();
        enb.cipher_sending();
        assert_eq!(command[0], 1);
        // Read before it can be verified, since it says how.
        assert_eq!(Signalling::look(&command), Some(&b"command"[..]));
        assert_eq!(ue.begin(keys(3, 2), &command), Err(Error::NotAuthentic));
        assert!(!ue.is_protected());
        // What the UE has sent meanwhile has no integrity, and is still taken.
        let crossing = ue.send(b"crossing").unwrap();
        assert_eq!(enb.receive(&crossing), Ok(b"crossing".to_vec()));
        assert_eq!(ue.begin(keys(2, 2), &command), Ok(b"command".to_vec()));
        assert!(ue.is_protected());
        ue.cipher_hearing();
        // The answer has integrity and is not ciphered.
        ue.protect_sending(keys(2, 2));
        let complete = ue.send(b"complete").unwrap();
        ue.cipher_sending();
        assert_eq!(Signalling::look(&complete), Some(&b"complete"[..]));
        assert_eq!(enb.begin(keys(2, 2), &complete), Ok(b"complete".to_vec()));
        enb.cipher_hearing();
        let later = enb.send(b"secret").unwrap();
        assert!(!later.windows(6).any(|six| six == b"secret"));
        assert_eq!(ue.receive(&later), Ok(b"secret".to_vec()));
    }

    #[test]
    fn a_failed_command_leaves_the_bearer_as_it_was() {
        let (mut ue, mut enb) = (Signalling::new(1, End::Ue), Signalling::new(1, End::BaseStation));
        enb.protect_sending(keys(2, 2));
        let command = enb.send(b"command").unwrap();
        enb.cipher_sending();
        assert_eq!(ue.begin(keys(1, 2), &command), Err(Error::NotAuthentic));
        ue.receive(&command).unwrap();
        enb.unprotect_sending();
        let later = enb.send(b"later").unwrap();
        assert_eq!(later, [&[1][..], b"later", &[0; 4]].concat());
        assert_eq!(ue.receive(&later), Ok(b"later".to_vec()));
    }

    #[test]
    fn forged_pdus_before_security_do_not_move_the_count() {
        for forged in [0, 5, 17, 31] {
            let (mut ue, mut enb) = (Signalling::new(1, End::Ue), Signalling::new(1, End::BaseStation));
            for _ in 0..50 {
                ue.receive(&[forged, 0xab, 0, 0, 0, 0]).unwrap();
                assert_eq!(ue.receive(&enb.send(b"own").unwrap()), Ok(b"own".to_vec()));
            }
            ue.receive(&[50 % 32, 0xab, 0, 0, 0, 0]).unwrap();
            enb.protect_sending(keys(2, 2));
            assert!(ue.begin(keys(2, 2), &enb.send(b"command").unwrap()).is_ok(), "{forged}");
        }
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
        let mut other = Signalling::secured(2, End::Ue, keys(2, 2));
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
        ue.sending.next = Next(u64::from(u32::MAX));
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
