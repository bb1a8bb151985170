//! The Home Subscriber Server: keys, authentication vectors, sequence numbers (TS 33.102 clause 6.3 and annex
//! C, TS 35.206), and the answers of S6a (TS 29.272) as function calls.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use zeroize::Zeroize;

use super::CorenetError;
use super::gateway::Policy;
use super::pdn::SubscribedPdn;
use crate::crypto::aka::{self, AlgorithmSet};
use crate::id::{Iccid, Imsi};
use crate::kernel::RngTree;

/// Bits of a sequence number that are its index (TS 33.102 clause C.1.1.1, C.3).
const IND_BITS: u32 = 5;
const IND_MASK: u64 = (1 << IND_BITS) - 1;
const SQN_MAX: u64 = (1 << 48) - 1;

/// What is wrong with an HSS, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HssFault {
    /// Nothing.
    #[default]
    None,
    /// It holds another K than the card: every MAC it makes is wrong for the card.
    WrongKey,
    /// It flips a bit of the MAC of every AUTN.
    WrongMac,
    /// Its sequence number is behind the card's, so that the first challenge is stale.
    SqnBehind,
}

/// A subscriber as the operator provisions it.
#[derive(Clone)]
pub struct Subscriber {
    /// Who it is.
    pub imsi: Imsi,
    /// The card, or the profile, that carries the subscription.
    pub iccid: Iccid,
    /// The subscriber's key (TS 33.102), the same as on the card.
    pub k: [u8; 16],
    /// The algorithm set, with the operator's constant encrypted with K.
    pub algorithm: AlgorithmSet,
    /// Authentication management field. The separation bit is set by the HSS (TS 33.401 clause 6.1.2).
    pub amf: [u8; 2],
    /// The highest sequence number that the card has accepted, 48 bits.
    pub sqn: u64,
    /// The access point name of the subscription; `None` for the network's default.
    pub apn: Option<String>,
    /// The versions of IP that it may have.
    pub pdn: SubscribedPdn,
    /// What it may reach.
    pub policy: Policy,
    /// Overrides the fault of the network where it is not `None`.
    pub fault: HssFault,
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber")
            .field("imsi", &self.imsi)
            .field("iccid", &self.iccid)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// Why S6a refuses (TS 29.272 clause 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum S6aError {
    /// DIAMETER_ERROR_USER_UNKNOWN (5001).
    UserUnknown,
    /// DIAMETER_AUTHENTICATION_DATA_UNAVAILABLE (4181): the AUTS is not the card's, or no number is left.
    AuthenticationDataUnavailable,
}

impl S6aError {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UserUnknown => "USER_UNKNOWN",
            Self::AuthenticationDataUnavailable => "AUTHENTICATION_DATA_UNAVAILABLE",
        }
    }
}

/// What the subscription grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub apn: Option<String>,
    pub pdn: SubscribedPdn,
    pub iccid: Iccid,
    pub policy: Policy,
    /// Whether the operator has barred it from packet services (TS 23.015).
    pub barred: bool,
}

/// An authentication vector with the AUTN that is sent, which a fault may have spoilt.
#[derive(Debug)]
pub(super) struct Vector {
    pub values: aka::Vector,
    pub autn: [u8; 16],
}

impl Vector {
    /// Whether `res` is the answer to this challenge.
    pub(super) fn accepts(&self, res: &[u8]) -> bool {
        self.values.xres == res
    }
}

/// How many words of its stream a challenge takes.
const CHALLENGE_WORDS: u128 = 4;

/// A subscriber. Key schedules and streams are made when they are used: most subscribers of a large network rest.
struct Record {
    k: [u8; 16],
    algorithm: AlgorithmSet,
    amf: [u8; 2],
    /// The last sequence number that was used.
    sqn: u64,
    /// How many challenges were drawn.
    challenges: u32,
    fault: HssFault,
    subscription: Subscription,
}

pub(super) struct Hss {
    records: BTreeMap<Imsi, Record>,
    rng: RngTree,
    fault: HssFault,
}

impl Hss {
    pub(super) fn new(fault: HssFault, rng: RngTree) -> Self {
        Self { records: BTreeMap::new(), rng, fault }
    }

    pub(super) fn provision(&mut self, subscriber: Subscriber) -> Result<(), CorenetError> {
        let Subscriber { imsi, iccid, mut k, algorithm, amf, sqn, apn, pdn, policy, fault } = subscriber;
        if sqn > SQN_MAX {
            return Err(CorenetError::Sqn { imsi });
        }
        if self.records.contains_key(&imsi) {
            return Err(CorenetError::Duplicate { imsi });
        }
        let fault = if fault == HssFault::None { self.fault } else { fault };
        if fault == HssFault::WrongKey {
            k[0] ^= 0x01;
        }
        let record = Record {
            k,
            algorithm,
            amf: [amf[0] | 0x80, amf[1]],
            sqn,
            challenges: 0,
            fault,
            subscription: Subscription { apn, pdn, iccid, policy, barred: false },
        };
        self.records.insert(imsi, record);
        Ok(())
    }

    /// Bars every subscription with one of these cards or profiles, or lifts the bar. Returns whose they are.
    pub(super) fn bar(&mut self, iccids: &[Iccid], barred: bool) -> Vec<Imsi> {
        let concerned =
            self.records.iter_mut().filter(|(_, record)| iccids.contains(&record.subscription.iccid));
        let barring = concerned.map(|(imsi, record)| {
            record.subscription.barred = barred;
            imsi.clone()
        });
        barring.collect()
    }

    /// Whose these cards or profiles are.
    pub(super) fn holders(&self, iccids: &[Iccid]) -> Vec<Imsi> {
        let concerned = self.subscribers().filter(|(_, iccid, _)| iccids.contains(iccid));
        concerned.map(|(imsi, ..)| imsi.clone()).collect()
    }

    /// Every subscriber: who, by which card or profile, and what it may reach.
    pub(super) fn subscribers(&self) -> impl Iterator<Item = (&Imsi, &Iccid, &Policy)> {
        self.records.iter().map(|(imsi, record)| {
            let Subscription { iccid, policy, .. } = &record.subscription;
            (imsi, iccid, policy)
        })
    }

    /// Authentication-Information-Request: one vector, after a resynchronisation where RAND and AUTS of the
    /// failed challenge come with it.
    pub(super) fn authentication_information(
        &mut self,
        imsi: &Imsi,
        resynchronisation: Option<(&[u8; 16], &[u8; 14])>,
    ) -> Result<Vector, S6aError> {
        let record = self.records.get_mut(imsi).ok_or(S6aError::UserUnknown)?;
        if let Some((rand, auts)) = resynchronisation {
            let sqn_ms = record
                .algorithm
                .resynchronised(&record.k, rand, auts)
                .ok_or(S6aError::AuthenticationDataUnavailable)?;
            // The number is reset only where the next one would be out of range (TS 33.102 clause 6.3.5).
            if (record.sqn >> IND_BITS) <= (sqn_ms >> IND_BITS) {
                record.sqn = sqn_ms;
            }
        }
        record.vector(self.rng.branch(imsi).stream("rand"))
    }

    /// Update-Location-Request.
    pub(super) fn update_location(&self, imsi: &Imsi) -> Result<Subscription, S6aError> {
        self.records.get(imsi).map(|r| r.subscription.clone()).ok_or(S6aError::UserUnknown)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.k.zeroize();
    }
}

impl Record {
    /// A vector with the next challenge of the subscriber's stream `rands`.
    fn vector(&mut self, mut rands: ChaCha20Rng) -> Result<Vector, S6aError> {
        let unavailable = S6aError::AuthenticationDataUnavailable;
        if self.fault == HssFault::SqnBehind {
            // The card's own highest number once more: stale in any window.
            self.fault = HssFault::None;
        } else {
            self.sqn = next_sqn(self.sqn).ok_or(unavailable)?;
        }
        let mut rand = [0; 16];
        rands.set_word_pos(u128::from(self.challenges) * CHALLENGE_WORDS);
        rands.fill_bytes(&mut rand);
        self.challenges = self.challenges.wrapping_add(1);
        let values = self.algorithm.vector(&self.k, rand, self.sqn, self.amf).ok_or(unavailable)?;
        let mut autn = values.autn;
        if self.fault == HssFault::WrongMac {
            autn[15] ^= 0x01;
        }
        Ok(Vector { values, autn })
    }
}

/// The next sequence number: SEQ and IND each one further (TS 33.102 clauses C.1.2 and C.3.2). `None` where
/// SEQ is used up.
fn next_sqn(sqn: u64) -> Option<u64> {
    let next = ((sqn >> IND_BITS) + 1) << IND_BITS | ((sqn & IND_MASK) + 1) & IND_MASK;
    (next <= SQN_MAX).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::milenage::{Autn, K, Milenage, Opc, Rand, Sqn};

    const OPC: [u8; 16] = [0xcd; 16];

    fn subscriber(fault: HssFault) -> Subscriber {
        Subscriber {
            imsi: "001010000000001".parse().unwrap(),
            iccid: "8988211000000000011".parse().unwrap(),
            k: [0x46; 16],
            algorithm: AlgorithmSet::Milenage(OPC),
            amf: [0, 0],
            sqn: 5 << IND_BITS | 31,
            apn: None,
            pdn: SubscribedPdn::Ipv4,
            policy: Policy::Unrestricted,
            fault,
        }
    }

    fn hss(fault: HssFault) -> (Hss, Imsi, Milenage) {
        let mut hss = Hss::new(HssFault::None, RngTree::new(1));
        let one = subscriber(fault);
        let (imsi, card) = (one.imsi.clone(), Milenage::new(&K::new(&one.k), &Opc::new(&OPC)));
        hss.provision(one).unwrap();
        (hss, imsi, card)
    }

    #[test]
    fn sequence_numbers_grow_in_both_parts() {
        assert_eq!(next_sqn(5 << IND_BITS | 31), Some(6 << IND_BITS));
        assert_eq!(next_sqn(6 << IND_BITS), Some(7 << IND_BITS | 1));
        assert_eq!(next_sqn(SQN_MAX), None);
    }

    #[test]
    fn vectors_are_authentic_and_carry_the_separation_bit() {
        let (mut hss, imsi, card) = hss(HssFault::None);
        let vector = hss.authentication_information(&imsi, None).unwrap();
        let response = card.check_autn(&Rand::new(&vector.values.rand), &Autn::new(&vector.autn)).unwrap();
        assert!(response.amf().separation_bit());
        assert_eq!(response.sqn().get(), 6 << IND_BITS);
        assert!(vector.accepts(response.res().as_octets()));
        assert!(!vector.accepts(&response.res().as_octets()[..4]));
    }

    #[test]
    fn resynchronisation_follows_the_card_and_only_the_card() {
        let (mut hss, imsi, card) = hss(HssFault::None);
        let vector = hss.authentication_information(&imsi, None).unwrap();
        let ahead = Sqn::try_from(900 << IND_BITS | 3).unwrap();
        let auts = *card.auts(&Rand::new(&vector.values.rand), &ahead).as_octets();
        let mut forged = auts;
        forged[13] ^= 1;
        let refused = hss.authentication_information(&imsi, Some((&vector.values.rand, &forged)));
        assert_eq!(refused.unwrap_err(), S6aError::AuthenticationDataUnavailable);
        let fresh = hss.authentication_information(&imsi, Some((&vector.values.rand, &auts))).unwrap();
        let response = card.check_autn(&Rand::new(&fresh.values.rand), &Autn::new(&fresh.autn)).unwrap();
        assert_eq!(response.sqn().get(), 901 << IND_BITS | 4);
    }

    #[test]
    fn faults_do_what_they_say() {
        for fault in [HssFault::WrongKey, HssFault::WrongMac] {
            let (mut hss, imsi, card) = hss(fault);
            let vector = hss.authentication_information(&imsi, None).unwrap();
            assert!(card.check_autn(&Rand::new(&vector.values.rand), &Autn::new(&vector.autn)).is_err());
        }
        let (mut hss, imsi, card) = hss(HssFault::SqnBehind);
        let vector = hss.authentication_information(&imsi, None).unwrap();
        let response = card.check_autn(&Rand::new(&vector.values.rand), &Autn::new(&vector.autn)).unwrap();
        assert_eq!(response.sqn().get(), 5 << IND_BITS | 31);
    }

    #[test]
    fn strangers_and_doubles_are_refused() {
        let (mut hss, _, _) = hss(HssFault::None);
        let stranger = "001010000000002".parse().unwrap();
        assert_eq!(hss.authentication_information(&stranger, None).unwrap_err(), S6aError::UserUnknown);
        assert!(matches!(hss.provision(subscriber(HssFault::None)), Err(CorenetError::Duplicate { .. })));
        let mut wide = subscriber(HssFault::None);
        wide.sqn = 1 << 48;
        assert!(matches!(hss.provision(wide), Err(CorenetError::Sqn { .. })));
        assert!(!format!("{:?}", subscriber(HssFault::None)).contains("cd"));
    }
}
