//! Authentication and key agreement as the USIM does it (3GPP TS 33.102 clause 6.3.3), over Milenage (TS 35.206)
//! or TUAK (TS 35.231).

use oxirush_security::milenage::{K, Milenage, Opc, Sqn};
use oxirush_security::{Autn, Rand};

use super::tuak::{Tuak, USIM_LENGTHS};
use super::{Algorithm, Personalisation};

/// The algorithm set of a subscriber, with the keys.
pub(super) enum Aka {
    Milenage(Milenage),
    Tuak(Box<Tuak>),
}

/// What a challenge says and what it makes.
pub(super) struct Answer {
    /// SQN of AUTN, 48 bits; whether it is fresh is for the caller to judge.
    pub(super) sqn: u64,
    pub(super) res: [u8; 8],
    pub(super) ck: [u8; 16],
    pub(super) ik: [u8; 16],
}

impl Aka {
    pub(super) fn new(p: &Personalisation) -> Self {
        match &p.algorithm {
            Algorithm::Milenage => Self::Milenage(Milenage::new(&K::new(&p.k), &Opc::new(&p.opc))),
            Algorithm::Tuak { topc } => Self::Tuak(Box::new(Tuak::new(&p.k, topc.0, 1, USIM_LENGTHS))),
        }
    }

    /// Checks the MAC of `autn`. `None` if it is wrong.
    pub(super) fn check(&self, rand: &[u8; 16], autn: &[u8; 16]) -> Option<Answer> {
        match self {
            Self::Milenage(milenage) => {
                let answer = milenage.check_autn(&Rand::new(rand), &Autn::new(autn)).ok()?;
                let (res, ck, ik) = (answer.res(), answer.ck(), answer.ik());
                Some(Answer {
                    sqn: answer.sqn().get(),
                    res: *res.as_octets(),
                    ck: *ck.as_octets(),
                    ik: *ik.as_octets(),
                })
            }
            Self::Tuak(tuak) => check_tuak(tuak, rand, autn),
        }
    }

    /// AUTS that reports `highest`, SQN_MS of 48 bits.
    pub(super) fn auts(&self, rand: &[u8; 16], highest: u64) -> Option<[u8; 14]> {
        match self {
            Self::Milenage(milenage) => {
                let highest = Sqn::try_from(highest).ok()?;
                Some(*milenage.auts(&Rand::new(rand), &highest).as_octets())
            }
            Self::Tuak(tuak) => {
                let sqn = octets_of(highest);
                let concealed = xor(&sqn, &tuak.f5_star(rand));
                // AMF is zero in MAC-S (TS 33.102 clause 6.3.3).
                [&concealed[..], &tuak.f1_star(rand, &sqn, &[0; 2])].concat().try_into().ok()
            }
        }
    }

    /// RES, CK and IK of a challenge that carries no AUTN: the GSM context.
    pub(super) fn keys(&self, rand: &[u8; 16]) -> Option<([u8; 8], [u8; 16], [u8; 16])> {
        match self {
            Self::Milenage(milenage) => {
                let (res, ck, ik, _) = milenage.f2345(&Rand::new(rand));
                Some((*res.as_octets(), *ck.as_octets(), *ik.as_octets()))
            }
            Self::Tuak(tuak) => {
                let keys = tuak.f2345(rand);
                Some((keys.res.try_into().ok()?, keys.ck.try_into().ok()?, keys.ik.try_into().ok()?))
            }
        }
    }
}

fn check_tuak(tuak: &Tuak, rand: &[u8; 16], autn: &[u8; 16]) -> Option<Answer> {
    let (&concealed, rest) = autn.split_first_chunk::<6>()?;
    let (amf, mac) = rest.split_first_chunk::<2>()?;
    let keys = tuak.f2345(rand);
    let sqn = xor(&concealed, &keys.ak);
    if tuak.f1(rand, &sqn, amf) != mac {
        return None;
    }
    let mut number = [0; 8];
    number[2..].copy_from_slice(&sqn);
    Some(Answer {
        sqn: u64::from_be_bytes(number),
        res: keys.res.try_into().ok()?,
        ck: keys.ck.try_into().ok()?,
        ik: keys.ik.try_into().ok()?,
    })
}

fn octets_of(sqn: u64) -> [u8; 6] {
    let [_, _, octets @ ..] = sqn.to_be_bytes();
    octets
}

fn xor(a: &[u8; 6], b: &[u8; 6]) -> [u8; 6] {
    std::array::from_fn(|i| a[i] ^ b[i])
}
