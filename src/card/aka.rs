//! Authentication and key agreement as the USIM does it (3GPP TS 33.102 clause 6.3.3), over Milenage (TS 35.206),
//! TUAK (TS 35.231) or the test algorithm.

use super::{Algorithm, Personalisation};
use crate::crypto::answer::{Answer, octets_of, xor};
use crate::crypto::milenage::{Autn, K, Milenage, Opc, Rand, Sqn};
use crate::crypto::test_usim::TestAlgorithm;
use crate::crypto::tuak::{Lengths, Tuak, USIM_LENGTHS};
use crate::wire::saip::{AkaAlgorithm, Subscription};

/// The algorithm set of a subscriber, with the keys.
pub(super) enum Aka {
    Milenage(Milenage),
    Tuak(Box<Tuak>),
    Test(TestAlgorithm),
}

/// Constants of Milenage that an operator may change and that this one does not have otherwise: rotations in bits,
/// and the last octet of what is added (TS 35.206 clause 4.1).
const ROTATION: [u8; 5] = [64, 0, 32, 64, 96];
const XORING: [u8; 5] = [0, 1, 2, 4, 8];

impl Aka {
    pub(super) fn new(p: &Personalisation) -> Self {
        match &p.algorithm {
            Algorithm::Milenage => Self::Milenage(Milenage::new(&K::new(&p.k), &Opc::new(&p.opc))),
            Algorithm::Tuak { topc } => Self::Tuak(Box::new(Tuak::new(&p.k, topc.0, 1, USIM_LENGTHS))),
            Algorithm::Test => Self::Test(TestAlgorithm::new(p.k, 8)),
        }
    }

    /// The algorithm of a subscription in a package. An error says what is not possible.
    pub(super) fn of_image(image: &Subscription) -> Result<Self, String> {
        fn exactly<const N: usize>(what: &str, bytes: &[u8]) -> Result<[u8; N], String> {
            bytes.try_into().map_err(|_| format!("{what} has {} bytes instead of {N}", bytes.len()))
        }
        match image.algorithm {
            AkaAlgorithm::Milenage => {
                let xoring = XORING.map(|last| u128::from(last).to_be_bytes());
                if (image.rotation, image.xoring) != (ROTATION, xoring) {
                    return Err("Milenage with other constants r and c than those of TS 35.206".to_owned());
                }
                let (k, opc) = (exactly("K", &image.key)?, exactly("OPc", &image.opc)?);
                Ok(Self::Milenage(Milenage::new(&K::new(&k), &Opc::new(&opc))))
            }
            AkaAlgorithm::Tuak => {
                let lengths = Lengths { res: res_bytes(image.options)?, ..USIM_LENGTHS };
                if ![16, 32].contains(&image.key.len()) {
                    return Err(format!("K of TUAK has {} bytes instead of 16 or 32", image.key.len()));
                }
                if image.keccak == 0 {
                    return Err("TUAK without an iteration of Keccak".to_owned());
                }
                let topc = exactly("TOPc", &image.opc)?;
                Ok(Self::Tuak(Box::new(Tuak::new(&image.key, topc, u32::from(image.keccak), lengths))))
            }
            AkaAlgorithm::Test => {
                let res_bytes = res_bytes(image.options)?;
                Ok(Self::Test(TestAlgorithm::new(exactly("K", &image.key)?, res_bytes)))
            }
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
                    amf: [autn[6], autn[7]],
                    res: res.as_octets().to_vec(),
                    ck: *ck.as_octets(),
                    ik: *ik.as_octets(),
                })
            }
            Self::Tuak(tuak) => check_tuak(tuak, rand, autn),
            Self::Test(test) => test.check(rand, autn),
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
            Self::Test(test) => Some(test.auts(rand, highest)),
        }
    }

    /// RES, CK and IK of a challenge that carries no AUTN: the GSM context.
    pub(super) fn keys(&self, rand: &[u8; 16]) -> Option<(Vec<u8>, [u8; 16], [u8; 16])> {
        match self {
            Self::Milenage(milenage) => {
                let (res, ck, ik, _) = milenage.f2345(&Rand::new(rand));
                Some((res.as_octets().to_vec(), *ck.as_octets(), *ik.as_octets()))
            }
            Self::Tuak(tuak) => {
                let keys = tuak.f2345(rand);
                Some((keys.res, keys.ck.try_into().ok()?, keys.ik.try_into().ok()?))
            }
            Self::Test(test) => Some(test.keys(rand)),
        }
    }
}

/// The length of RES by the option octet of a package, whose bits 3 to 1 say it. Milenage has 8 bytes whatever it
/// says.
fn res_bytes(options: u8) -> Result<usize, String> {
    match options {
        0x00 | 0x01 => Ok(8),
        0x02 => Ok(16),
        other => Err(format!("the algorithm options {other:02X}: RES has 8 bytes (01) or 16 (02) here")),
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
        amf: *amf,
        res: keys.res,
        ck: keys.ck.try_into().ok()?,
        ik: keys.ik.try_into().ok()?,
    })
}
