//! The algorithm of test USIMs (3GPP TS 34.108 clause 8.1.2): exclusive-or. It protects nothing.

use zeroize::Zeroize;

use super::answer::{Answer, octets_of, xor};

/// AMF by which the network makes a test USIM fail to synchronise.
const AMF_RESYNCH: [u8; 2] = [0xff, 0xff];

/// The test algorithm with the key of one subscriber.
pub struct TestAlgorithm {
    k: [u8; 16],
    /// Bytes of RES, 4 to 16.
    res_bytes: usize,
}

impl Drop for TestAlgorithm {
    fn drop(&mut self) {
        self.k.zeroize();
    }
}

impl TestAlgorithm {
    /// With RES of `res_bytes` octets, 4 to 16.
    pub fn new(k: [u8; 16], res_bytes: usize) -> Self {
        Self { k, res_bytes }
    }

    /// XDOUT, which all results are parts of.
    fn xdout(&self, rand: &[u8; 16]) -> [u8; 16] {
        std::array::from_fn(|i| self.k[i] ^ rand[i])
    }

    /// f5: bits 24 to 71 of XDOUT. f5* is the same.
    pub fn ak(&self, rand: &[u8; 16]) -> [u8; 6] {
        let xdout = self.xdout(rand);
        std::array::from_fn(|i| xdout[i + 3])
    }

    /// f1: the first half of XDOUT, exclusive-or SQN and AMF. f1* is the same.
    pub fn mac(&self, rand: &[u8; 16], sqn: &[u8; 6], amf: [u8; 2]) -> [u8; 8] {
        let xdout = self.xdout(rand);
        let [a, b, c, d, e, f] = *sqn;
        let cdout = [a, b, c, d, e, f, amf[0], amf[1]];
        std::array::from_fn(|i| xdout[i] ^ cdout[i])
    }

    /// RES, the first bytes of XDOUT; CK and IK, XDOUT turned by one and by two bytes.
    pub fn keys(&self, rand: &[u8; 16]) -> (Vec<u8>, [u8; 16], [u8; 16]) {
        let mut turned = self.xdout(rand);
        let res = turned[..self.res_bytes].to_vec();
        turned.rotate_left(1);
        let ck = turned;
        turned.rotate_left(1);
        (res, ck, turned)
    }

    /// What `autn` says and what `rand` makes. `None` where the MAC is wrong.
    pub fn check(&self, rand: &[u8; 16], autn: &[u8; 16]) -> Option<Answer> {
        let (concealed, rest) = autn.split_first_chunk::<6>()?;
        let (&amf, mac) = rest.split_first_chunk::<2>()?;
        let sqn = xor(concealed, &self.ak(rand));
        if self.mac(rand, &sqn, amf) != mac {
            return None;
        }
        let mut number = [0; 8];
        number[2..].copy_from_slice(&sqn);
        let (res, ck, ik) = self.keys(rand);
        Some(Answer { sqn: u64::from_be_bytes(number), amf, res, ck, ik })
    }

    /// AUTS that reports `sqn`. AMF is zero in MAC-S (TS 33.102 clause 6.3.3).
    pub fn auts(&self, rand: &[u8; 16], sqn: u64) -> [u8; 14] {
        let sqn = octets_of(sqn);
        let mut auts = [0; 14];
        auts[..6].copy_from_slice(&xor(&sqn, &self.ak(rand)));
        auts[6..].copy_from_slice(&self.mac(rand, &sqn, [0; 2]));
        auts
    }

    /// Whether a challenge is to fail: a test USIM takes any sequence number but this one.
    pub fn resynchronises(amf: [u8; 2]) -> bool {
        amf == AMF_RESYNCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_parts_of_one_exclusive_or() {
        let k: [u8; 16] = std::array::from_fn(|i| i as u8);
        let test = TestAlgorithm::new(k, 16);
        let (res, ck, ik) = test.keys(&[0xf0; 16]);
        assert_eq!(hex::encode(&res), "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        assert_eq!(hex::encode(ck), "f1f2f3f4f5f6f7f8f9fafbfcfdfefff0");
        assert_eq!(hex::encode(ik), "f2f3f4f5f6f7f8f9fafbfcfdfefff0f1");
        assert_eq!(hex::encode(test.ak(&[0xf0; 16])), "f3f4f5f6f7f8");
        let mac = test.mac(&[0xf0; 16], &[0, 0, 0, 0, 0, 0x20], [0x80, 0]);
        assert_eq!(hex::encode(mac), "f0f1f2f3f4d576f7");
        assert_eq!(TestAlgorithm::new(k, 8).keys(&[0xf0; 16]).0, res[..8]);
    }

    #[test]
    fn a_challenge_is_checked() {
        let test = TestAlgorithm::new([7; 16], 8);
        let rand = [0x23; 16];
        let concealed = xor(&[0, 0, 0, 0, 1, 2], &test.ak(&rand));
        let mac = test.mac(&rand, &[0, 0, 0, 0, 1, 2], AMF_RESYNCH);
        let mut autn: [u8; 16] = [&concealed[..], &AMF_RESYNCH, &mac].concat().try_into().unwrap();
        let answer = test.check(&rand, &autn).unwrap();
        assert_eq!(answer.sqn, 0x0102);
        assert!(TestAlgorithm::resynchronises(answer.amf));
        autn[15] ^= 1;
        assert!(test.check(&rand, &autn).is_none());
    }
}
