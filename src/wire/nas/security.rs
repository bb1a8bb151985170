//! The security of a NAS connection (TS 24.301 clause 4.4, TS 33.401 clauses 6.2 and 8): algorithms, keys, and the
//! context that protects and verifies messages.

use oxirush_nas::nas_eps::{
    CipheringAlgorithm, IntegrityAlgorithm, NasCount, NasEpsMessage, NasEpsSecurityHeaderType, NasError,
    NasSecurityContext,
};
use oxirush_security::Autn;
use oxirush_security::nas_eps::{KAsme, KEnb, compute_hash_mme, derive_kasme, derive_kenb};

use super::identity::codec_plmn;
use super::{Direction, Encoded, Error, Message, label, malformed};
use crate::id::Plmn;
use crate::wire::Label;

pub use oxirush_security::{Ck, Ik};

/// HASHMME: the hash of a whole plain ATTACH REQUEST or TRACKING AREA UPDATE REQUEST (TS 33.401 annex I.2), by which a
/// UE sees in the SECURITY MODE COMMAND what has reached the network of a message that nothing protected.
pub fn hash_mme(plain: &[u8]) -> [u8; 8] {
    compute_hash_mme(plain)
}

/// A set of EPS algorithms (EEA0 to EEA3, or EIA0 to EIA3), as the UE network capability codes it: bit 8 is
/// algorithm 0 (TS 24.301 clause 9.9.3.34).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmSet(u8);

impl AlgorithmSet {
    /// The three algorithms that protect: SNOW 3G, AES and ZUC.
    pub const PROTECTING: Self = Self(0x70);
    /// These and the null algorithm.
    pub const ALL: Self = Self(0xf0);

    /// The set of the algorithms `numbers`, 0 to 3; other numbers are reserved and left out.
    pub fn of(numbers: &[u8]) -> Self {
        Self(numbers.iter().filter(|&&n| n < 4).fold(0, |octet, n| octet | (0x80 >> n)))
    }

    /// Whether algorithm `number` is in the set.
    pub fn contains(self, number: u8) -> bool {
        number < 4 && self.0 & (0x80 >> number) != 0
    }

    /// The octet of the UE network capability.
    pub fn octet(self) -> u8 {
        self.0
    }
}

/// Whether there is an algorithm EIA`number` and EEA`number`; the others are reserved.
pub fn algorithm_exists(number: u8) -> bool {
    number < 4
}

pub(super) fn algorithms(eia: u8, eea: u8) -> Result<(IntegrityAlgorithm, CipheringAlgorithm), Error> {
    let integrity = IntegrityAlgorithm::from_u8(eia).filter(|_| algorithm_exists(eia));
    let ciphering = CipheringAlgorithm::from_u8(eea).filter(|_| algorithm_exists(eea));
    integrity.zip(ciphering).ok_or_else(|| Error::Value(format!("EIA{eia} or EEA{eea} is reserved")))
}

/// KASME (TS 33.401 annex A.2). `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kasme(KAsme);

impl Kasme {
    /// The key of a challenge with `autn` that was answered in network `plmn`.
    pub fn derive(ck: &Ck, ik: &Ik, plmn: Plmn, autn: &[u8; 16]) -> Result<Self, Error> {
        Ok(Self(derive_kasme(ck, ik, codec_plmn(plmn)?, &Autn::new(autn))))
    }

    /// KeNB of the connection whose NAS messages begin at uplink `count` (annex A.3).
    pub fn kenb(&self, count: Count) -> Kenb {
        Kenb(derive_kenb(&self.0, count.0))
    }
}

/// KeNB (TS 33.401 annex A.3), which S1AP brings to the base station. `Debug` does not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kenb(KEnb);

impl Kenb {
    /// `None` where the octets are not 32.
    pub fn from_slice(octets: &[u8]) -> Option<Self> {
        KEnb::from_slice(octets).ok().map(Self)
    }

    /// The 32 octets.
    pub fn octets(&self) -> &[u8; 32] {
        self.0.as_octets()
    }
}

/// A NAS COUNT (TS 24.301 clause 4.4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(NasCount);

/// The security headers that protect (TS 24.301 clause 9.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityHeader {
    /// Integrity protected.
    Integrity,
    /// Integrity protected and ciphered.
    Ciphered,
    /// Integrity protected with a context that this message takes into use: SECURITY MODE COMMAND.
    IntegrityNew,
    /// Integrity protected and ciphered with a context that was just taken into use: SECURITY MODE COMPLETE.
    CipheredNew,
}

impl SecurityHeader {
    fn codec(self) -> NasEpsSecurityHeaderType {
        use NasEpsSecurityHeaderType as H;
        match self {
            Self::Integrity => H::IntegrityProtected,
            Self::Ciphered => H::IntegrityProtectedAndCiphered,
            Self::IntegrityNew => H::IntegrityProtectedWithNewEpsSecurityContext,
            Self::CipheredNew => H::IntegrityProtectedAndCipheredWithNewEpsSecurityContext,
        }
    }
}

/// A message whose integrity was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The message that was behind the security header.
    pub message: Message,
    /// Name and telling fields for a transcript.
    pub label: Label,
    /// The NAS COUNT under which the sender has protected it.
    pub count: Count,
}

/// An EPS NAS security context (TS 33.401 clause 8): keys, algorithms and both NAS COUNTs.
#[derive(Debug)]
pub struct SecurityContext(NasSecurityContext);

impl SecurityContext {
    /// The context of a key that no message was protected with yet. Fails on reserved algorithms, and on null integrity
    /// with a cipher.
    pub fn new(kasme: &Kasme, eia: u8, eea: u8) -> Result<Self, Error> {
        let (integrity, ciphering) = algorithms(eia, eea)?;
        NasSecurityContext::from_fresh_kasme(&kasme.0, integrity, ciphering).map(Self).map_err(refused)
    }

    /// Takes other algorithms under the same key; the counts go on (TS 33.401 clause 6.5).
    pub fn reselect(&mut self, kasme: &Kasme, eia: u8, eea: u8) -> Result<(), Error> {
        let (integrity, ciphering) = algorithms(eia, eea)?;
        self.0.reselect_algorithms(&kasme.0, integrity, ciphering).map_err(refused)
    }

    /// The next uplink NAS COUNT; `None` where all were used.
    pub fn uplink_count(&self) -> Option<Count> {
        self.0.nas_count(Direction::Uplink.codec()).map(Count)
    }

    /// The octets of a message behind a security header, under the next count.
    pub fn protect(
        &mut self,
        message: &Message,
        header: SecurityHeader,
        direction: Direction,
    ) -> Result<Encoded, Error> {
        let message = message.codec()?;
        let octets = self.0.protect(&message, header.codec(), direction.codec()).map_err(refused)?;
        Ok(Encoded { octets, label: label::label(&message) })
    }

    /// The SERVICE REQUEST of a UE whose key set is `ksi` (TS 24.301 clause 8.2.25): four octets with a code of sixteen bits,
    /// under the next count.
    pub fn service_request(&mut self, ksi: u8) -> Result<Encoded, Error> {
        let request = NasEpsMessage::ServiceRequest(self.0.protect_service_request(ksi).map_err(refused)?);
        let octets = request.encode().map_err(refused)?;
        Ok(Encoded { octets, label: label::label(&request) })
    }

    /// The uplink NAS COUNT of a SERVICE REQUEST that is authentic. Fails with [`Error::NotAuthentic`], and on what is none.
    pub fn verify_service_request(&mut self, octets: &[u8]) -> Result<Count, Error> {
        let not = |error: NasError| Error::NotAuthentic(error.to_string());
        let message = NasEpsMessage::decode_with_direction(octets, Direction::Uplink.codec()).map_err(not)?;
        let NasEpsMessage::ServiceRequest(request) = message else {
            return Err(Error::NotAuthentic("no SERVICE REQUEST".to_owned()));
        };
        self.0.unprotect_service_request(&request).map(Count).map_err(not)
    }

    /// Verifies and deciphers a message. Fails with [`Error::NotAuthentic`], and with [`Error::Malformed`] on
    /// what is authentic and no message.
    pub fn unprotect(&mut self, octets: &[u8], direction: Direction) -> Result<Verified, Error> {
        match self.0.unprotect(octets, direction.codec()) {
            Ok(verified) => Ok(Verified {
                label: label::label(&verified.message),
                message: Message::of(&verified.message),
                count: Count(verified.count),
            }),
            Err(error @ NasError::AuthenticMessageRefused { .. }) => {
                Err(malformed(octets, &error, direction))
            }
            Err(error) => Err(Error::NotAuthentic(error.to_string())),
        }
    }
}

fn refused(error: NasError) -> Error {
    Error::Value(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::{Emm, EmmCause};
    use super::*;

    #[test]
    fn algorithm_sets_are_coded_from_the_high_bit() {
        assert_eq!(AlgorithmSet::of(&[1, 2, 3]), AlgorithmSet::PROTECTING);
        assert_eq!(AlgorithmSet::of(&[0, 1, 2, 3, 9]).octet(), 0xf0);
        assert!(!AlgorithmSet::PROTECTING.contains(0));
        assert!(!AlgorithmSet::ALL.contains(8));
        assert!(algorithms(4, 0).is_err() && algorithms(0, 9).is_err() && algorithms(3, 3).is_ok());
    }

    #[test]
    fn a_message_passes_once_between_two_contexts_and_no_forgery_does() {
        let kasme = Kasme::derive(&Ck::new(&[1; 16]), &Ik::new(&[2; 16]), Plmn::test(), &[3; 16]).unwrap();
        let (mut ue, mut mme) =
            (SecurityContext::new(&kasme, 2, 2).unwrap(), SecurityContext::new(&kasme, 2, 2).unwrap());
        let message = Message::Emm(Emm::Status { cause: EmmCause(98) });
        let first = mme.uplink_count().unwrap();
        let sent = ue.protect(&message, SecurityHeader::Ciphered, Direction::Uplink).unwrap().octets;
        let mut forged = sent.clone();
        forged[7] ^= 1;
        assert!(matches!(mme.unprotect(&forged, Direction::Uplink), Err(Error::NotAuthentic(_))));
        let verified = mme.unprotect(&sent, Direction::Uplink).unwrap();
        assert_eq!((verified.message, verified.count), (message, first));
        assert!(matches!(mme.unprotect(&sent, Direction::Uplink), Err(Error::NotAuthentic(_))));
        assert_ne!(kasme.kenb(first), kasme.kenb(ue.uplink_count().unwrap()));
    }

    #[test]
    fn a_service_request_passes_once() {
        let kasme = Kasme::derive(&Ck::new(&[1; 16]), &Ik::new(&[2; 16]), Plmn::test(), &[3; 16]).unwrap();
        let (mut ue, mut mme) =
            (SecurityContext::new(&kasme, 2, 2).unwrap(), SecurityContext::new(&kasme, 2, 2).unwrap());
        // Beyond the five bits of its sequence number.
        for number in 0..70_u8 {
            let count = ue.uplink_count().unwrap();
            let sent = ue.service_request(3).unwrap();
            assert_eq!((sent.octets.len(), sent.octets[0]), (4, 0xc7));
            assert_eq!(sent.octets[1], (3 << 5) | (number % 32));
            let mut forged = sent.octets.clone();
            forged[3] ^= 1;
            assert!(matches!(mme.verify_service_request(&forged), Err(Error::NotAuthentic(_))));
            assert_eq!(mme.verify_service_request(&sent.octets).unwrap(), count);
            assert!(mme.verify_service_request(&sent.octets).is_err());
        }
        assert!(mme.verify_service_request(&[0x07, 0x60, 0x02]).is_err());
        assert!(ue.service_request(7).is_err());
    }

    #[test]
    fn a_key_has_32_octets_and_is_not_shown() {
        let kenb = Kenb::from_slice(&[5; 32]).unwrap();
        assert_eq!(Kenb::from_slice(&[5; 31]), None);
        assert!(!format!("{kenb:?}").contains("5, 5"));
    }
}
