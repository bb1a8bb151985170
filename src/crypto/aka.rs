//! The authentication centre's part of authentication and key agreement (3GPP TS 33.102 clause 6.3), over Milenage (TS
//! 35.206), TUAK (TS 35.231) or the test algorithm of USIMs (TS 34.108 clause 8.1.2).

use zeroize::Zeroize;

use super::answer::{octets_of, xor};
use super::milenage::{Amf, Auts, K, Milenage, Opc, Rand, Sqn};
use super::test_usim::TestAlgorithm;
use super::tuak::{Tuak, USIM_LENGTHS};

/// The algorithm set of a subscriber with what it needs beside K, as the home network holds it.
#[derive(Clone, PartialEq, Eq)]
pub enum AlgorithmSet {
    /// Milenage, with OPc.
    Milenage([u8; 16]),
    /// TUAK with one iteration of Keccak, results of 64 bits and keys of 128, with TOPc.
    Tuak([u8; 32]),
    /// The test algorithm, which protects nothing, with RES of 64 bits.
    Test,
}

impl Drop for AlgorithmSet {
    fn drop(&mut self) {
        match self {
            Self::Milenage(opc) => opc.zeroize(),
            Self::Tuak(topc) => topc.zeroize(),
            Self::Test => {}
        }
    }
}

/// Octets of RES under the test algorithm.
const TEST_RES: usize = 8;

/// An authentication vector of EPS as far as K makes it (TS 33.102 clause 6.3.2): the serving network adds KASME.
#[derive(Clone, PartialEq, Eq)]
pub struct Vector {
    /// The challenge.
    pub rand: [u8; 16],
    /// SQN xor AK, AMF, MAC.
    pub autn: [u8; 16],
    /// What the card answers, 4 to 16 octets.
    pub xres: Vec<u8>,
    /// CK.
    pub ck: [u8; 16],
    /// IK.
    pub ik: [u8; 16],
}

impl std::fmt::Debug for Vector {
    /// Without what is secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vector").field("rand", &hex::encode(self.rand)).finish_non_exhaustive()
    }
}

impl AlgorithmSet {
    /// The vector of challenge `rand` under `k`. `None` where `sqn` has more than 48 bits.
    pub fn vector(&self, k: &[u8; 16], rand: [u8; 16], sqn: u64, amf: [u8; 2]) -> Option<Vector> {
        if let Self::Milenage(opc) = self {
            let milenage = Milenage::new(&K::new(k), &Opc::new(opc));
            let sqn = Sqn::try_from(sqn).ok()?;
            let values = milenage.authentication_vector(&Rand::new(&rand), &sqn, &Amf::new(&amf));
            return Some(Vector {
                rand,
                autn: *values.autn().as_octets(),
                xres: values.xres().as_octets().to_vec(),
                ck: *values.ck().as_octets(),
                ik: *values.ik().as_octets(),
            });
        }
        let number = octets_of(sqn);
        if sqn >> 48 != 0 {
            return None;
        }
        let (concealed, mac, xres, ck, ik) = match self {
            Self::Tuak(topc) => {
                let tuak = Tuak::new(k, *topc, 1, USIM_LENGTHS);
                let keys = tuak.f2345(&rand);
                let mac = tuak.f1(&rand, &number, &amf);
                (xor(&number, &keys.ak), mac, keys.res, keys.ck.try_into().ok()?, keys.ik.try_into().ok()?)
            }
            _ => {
                let test = TestAlgorithm::new(*k, TEST_RES);
                let (res, ck, ik) = test.keys(&rand);
                let mac = test.mac(&rand, &number, amf).to_vec();
                (xor(&number, &test.ak(&rand)), mac, res, ck, ik)
            }
        };
        let autn = [&concealed[..], &amf, &mac].concat().try_into().ok()?;
        Some(Vector { rand, autn, xres, ck, ik })
    }

    /// The sequence number of the card that `auts` reports for challenge `rand`. `None` where the card did not make it.
    pub fn resynchronised(&self, k: &[u8; 16], rand: &[u8; 16], auts: &[u8; 14]) -> Option<u64> {
        if let Self::Milenage(opc) = self {
            let milenage = Milenage::new(&K::new(k), &Opc::new(opc));
            return milenage.verify_auts(&Rand::new(rand), &Auts::new(auts)).ok().map(|sqn| sqn.get());
        }
        let (concealed, mac) = auts.split_first_chunk::<6>()?;
        // AMF is zero in MAC-S (TS 33.102 clause 6.3.3).
        let (sqn, own) = match self {
            Self::Tuak(topc) => {
                let tuak = Tuak::new(k, *topc, 1, USIM_LENGTHS);
                let sqn = xor(concealed, &tuak.f5_star(rand));
                (sqn, tuak.f1_star(rand, &sqn, &[0; 2]))
            }
            _ => {
                let test = TestAlgorithm::new(*k, TEST_RES);
                let sqn = xor(concealed, &test.ak(rand));
                (sqn, test.mac(rand, &sqn, [0; 2]).to_vec())
            }
        };
        let mut number = [0; 8];
        number[2..].copy_from_slice(&sqn);
        (own == mac).then(|| u64::from_be_bytes(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// TS 35.233 clause 6.3, test set 1, whose RES of 32 bits a USIM has not: f1 is that of the set, and f2 to f5, for which
    /// the length of RES counts, are those of the function that all test sets were run through.
    #[test]
    fn a_vector_of_tuak_has_what_the_specification_says() {
        let topc = octets("bd04d9530e87513c5d837ac2ad954623a8e2330c115305a73eb45d1f40cccbff");
        let (k, rand) = ([0xab; 16], [0x42; 16]);
        let vector = AlgorithmSet::Tuak(topc).vector(&k, rand, 0x1111_1111_1111, [0xff, 0xff]).unwrap();
        let keys = Tuak::new(&k, topc, 1, USIM_LENGTHS).f2345(&rand);
        assert_eq!(vector.autn[..6], xor(&[0x11; 6], &keys.ak));
        assert_eq!(hex::encode(&vector.autn[6..]), "fffff9a54e6aeaa8618d");
        assert_eq!((vector.xres, &vector.ck[..], &vector.ik[..]), (keys.res, &keys.ck[..], &keys.ik[..]));
    }

    #[test]
    fn a_vector_does_not_show_its_keys() {
        let vector = AlgorithmSet::Test.vector(&[0xab; 16], [0x42; 16], 1, [0x80, 0]).unwrap();
        assert_eq!(format!("{vector:?}"), format!("Vector {{ rand: \"{}\", .. }}", "42".repeat(16)));
    }

    /// TS 34.108 clause 8.1.2 by hand: XDOUT is K xor RAND, and every result a part of it.
    #[test]
    fn a_vector_of_the_test_algorithm_is_made_of_one_exclusive_or() {
        let k: [u8; 16] = std::array::from_fn(|i| i as u8);
        let vector = AlgorithmSet::Test.vector(&k, [0xf0; 16], 0x20, [0x80, 0]).unwrap();
        assert_eq!(hex::encode(&vector.xres), "f0f1f2f3f4f5f6f7");
        assert_eq!(hex::encode(vector.ck), "f1f2f3f4f5f6f7f8f9fafbfcfdfefff0");
        assert_eq!(hex::encode(vector.ik), "f2f3f4f5f6f7f8f9fafbfcfdfefff0f1");
        assert_eq!(hex::encode(vector.autn), "f3f4f5f6f7d88000f0f1f2f3f4d576f7");
    }

    #[test]
    fn a_report_of_the_card_is_believed_and_no_other() {
        let (k, rand) = ([0x46; 16], [0x23; 16]);
        for set in [AlgorithmSet::Milenage([0xcd; 16]), AlgorithmSet::Tuak([0x31; 32]), AlgorithmSet::Test] {
            let auts: [u8; 14] = match &set {
                AlgorithmSet::Milenage(opc) => {
                    let card = Milenage::new(&K::new(&k), &Opc::new(opc));
                    *card.auts(&Rand::new(&rand), &Sqn::try_from(0x4711).unwrap()).as_octets()
                }
                AlgorithmSet::Tuak(topc) => {
                    let card = Tuak::new(&k, *topc, 1, USIM_LENGTHS);
                    let sqn = octets_of(0x4711);
                    let mac = card.f1_star(&rand, &sqn, &[0; 2]);
                    [&xor(&sqn, &card.f5_star(&rand))[..], &mac].concat().try_into().unwrap()
                }
                AlgorithmSet::Test => TestAlgorithm::new(k, 8).auts(&rand, 0x4711),
            };
            assert_eq!(set.resynchronised(&k, &rand, &auts), Some(0x4711));
            for place in 0..14 {
                let mut forged = auts;
                forged[place] ^= 1;
                assert_eq!(set.resynchronised(&k, &rand, &forged), None, "octet {place}");
            }
            assert!(set.vector(&k, rand, 1 << 48, [0; 2]).is_none());
        }
    }
}
