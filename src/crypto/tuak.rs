//! The TUAK algorithm set (3GPP TS 35.231): f1, f1*, f2 to f5 and f5* on the Keccak-f\[1600\] permutation.

use zeroize::Zeroize;

/// Octets of the state of Keccak-f\[1600\].
const STATE: usize = 200;
/// Octets that take part in TUAK before the padding: TOPc, INSTANCE, ALGONAME, RAND, AMF, SQN, K.
const INPUT: usize = 32 + 1 + 7 + 16 + 2 + 6 + 32;

// Bits of INSTANCE (TS 35.231 clause 6).
const K_256: u8 = 0x01;
const IK_256: u8 = 0x02;
const CK_256: u8 = 0x04;
const F2345: u8 = 0x40;
const F1_STAR: u8 = 0x80;
const F5_STAR: u8 = 0xc0;

/// How long the results are, octets: TS 35.231 leaves that to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// 8, 16 or 32.
    pub mac: usize,
    /// 4, 8, 16 or 32.
    pub res: usize,
    /// 16 or 32.
    pub ck: usize,
    /// 16 or 32.
    pub ik: usize,
}

/// What a USIM uses: MAC and RES of 64 bits, keys of 128.
pub const USIM_LENGTHS: Lengths = Lengths { mac: 8, res: 8, ck: 16, ik: 16 };

/// TUAK with the keys of one subscriber. K has 16 or 32 octets.
pub struct Tuak {
    k: Box<[u8]>,
    topc: [u8; 32],
    iterations: u32,
    lengths: Lengths,
}

/// Results of f2, f3, f4 and f5.
pub struct Keys {
    /// f2.
    pub res: Vec<u8>,
    /// f3.
    pub ck: Vec<u8>,
    /// f4.
    pub ik: Vec<u8>,
    /// f5.
    pub ak: [u8; 6],
}

impl Drop for Tuak {
    fn drop(&mut self) {
        self.k.zeroize();
        self.topc.zeroize();
    }
}

impl Tuak {
    /// With the operator's constant as the card holds it, and so many iterations of Keccak.
    pub fn new(k: &[u8], topc: [u8; 32], iterations: u32, lengths: Lengths) -> Self {
        Self { k: k.into(), topc, iterations, lengths }
    }

    /// TOPc of the operator's constant TOP and the subscriber's K (clause 6.1).
    pub fn topc(k: &[u8], top: [u8; 32], iterations: u32) -> [u8; 32] {
        let tuak = Self::new(k, top, iterations, USIM_LENGTHS);
        let mut topc = [0; 32];
        topc.copy_from_slice(&taken(&tuak.permuted(0, &[0; 16], &[0; 2], &[0; 6]), 0, 32));
        topc
    }

    /// f1: MAC-A.
    pub fn f1(&self, rand: &[u8; 16], sqn: &[u8; 6], amf: &[u8; 2]) -> Vec<u8> {
        let mac = self.lengths.mac;
        taken(&self.permuted(mac as u8, rand, amf, sqn), 0, mac)
    }

    /// f1*: MAC-S.
    pub fn f1_star(&self, rand: &[u8; 16], sqn: &[u8; 6], amf: &[u8; 2]) -> Vec<u8> {
        let mac = self.lengths.mac;
        taken(&self.permuted(F1_STAR | mac as u8, rand, amf, sqn), 0, mac)
    }

    /// f2 to f5.
    pub fn f2345(&self, rand: &[u8; 16]) -> Keys {
        let Lengths { res, ck, ik, .. } = self.lengths;
        let long = |length: usize, bit: u8| if length == 32 { bit } else { 0 };
        // A RES of 32 bits has 0 in the place of its length.
        let instance = F2345 | (res as u8 & 0x38) | long(ck, CK_256) | long(ik, IK_256);
        let out = self.permuted(instance, rand, &[0; 2], &[0; 6]);
        Keys { res: taken(&out, 0, res), ck: taken(&out, 32, ck), ik: taken(&out, 64, ik), ak: ak_of(&out) }
    }

    /// f5*: AK for resynchronisation.
    pub fn f5_star(&self, rand: &[u8; 16]) -> [u8; 6] {
        ak_of(&self.permuted(F5_STAR, rand, &[0; 2], &[0; 6]))
    }

    /// The state behind the permutation. Every field goes in with its last octet first.
    fn permuted(&self, instance: u8, rand: &[u8; 16], amf: &[u8; 2], sqn: &[u8; 6]) -> [u8; STATE] {
        let instance = instance | if self.k.len() == 32 { K_256 } else { 0 };
        let fields: [&[u8]; 7] = [&self.topc, &[instance], b"TUAK1.0", rand, amf, sqn, &self.k];
        let mut state = [0u8; STATE];
        let mut at = 0;
        for field in fields {
            for (to, from) in state[at..].iter_mut().zip(field.iter().rev()) {
                *to = *from;
            }
            at += field.len();
        }
        // A short K leaves its second half zero. Then the padding of clause 5.
        state[INPUT] = 0x1f;
        state[135] = 0x80;
        for _ in 0..self.iterations {
            permute(&mut state);
        }
        state
    }
}

fn permute(state: &mut [u8; STATE]) {
    let mut lanes = [0u64; STATE / 8];
    for (lane, octets) in lanes.iter_mut().zip(state.as_chunks::<8>().0) {
        *lane = u64::from_le_bytes(*octets);
    }
    keccak::f1600(&mut lanes);
    for (octets, lane) in state.as_chunks_mut::<8>().0.iter_mut().zip(lanes) {
        *octets = lane.to_le_bytes();
    }
}

fn taken(state: &[u8; STATE], at: usize, length: usize) -> Vec<u8> {
    state[at..at + length].iter().rev().copied().collect()
}

fn ak_of(state: &[u8; STATE]) -> [u8; 6] {
    let mut ak = [0; 6];
    ak.copy_from_slice(&taken(state, 96, 6));
    ak
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K, RAND, SQN, AMF, TOP, iterations; TOPc, f1, f1*, f2, f3, f4, f5, f5*.
    type Set = ([&'static str; 5], u32, [&'static str; 8]);

    /// TS 35.233 clauses 6.3 to 6.8, test sets 1 to 6.
    #[rustfmt::skip]
    const SETS: [Set; 6] = [
        (["abababababababababababababababab", "42424242424242424242424242424242", "111111111111", "ffff",
          "5555555555555555555555555555555555555555555555555555555555555555"], 1,
         ["bd04d9530e87513c5d837ac2ad954623a8e2330c115305a73eb45d1f40cccbff", "f9a54e6aeaa8618d",
          "e94b4dc6c7297df3", "657acd64", "d71a1e5c6caffe986a26f783e5c78be1", "be849fa2564f869aecee6f62d4337e72",
          "719f1e9b9054", "e7af6b3d0e38"]),
        (["fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0", "0123456789abcdef0123456789abcdef",
          "0123456789ab", "abcd", "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"], 1,
         ["305425427e18c503c8a4b294ea72c95d0c36c6c6b29d0c65de5974d5977f8524", "c0b8c2d4148ec7aa5f1d78a97e4d1d58",
          "ef81af7290f7842c6ceafa537fa0745b", "e9d749dc4eea0035", "a4cb6f6529ab17f8337f27baa8234d47",
          "2274155ccf4199d5e2abcbf621907f90", "480a9345cc1e", "f84eb338848c"]),
        (["fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0", "0123456789abcdef0123456789abcdef",
          "0123456789ab", "abcd", "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"], 1,
         ["305425427e18c503c8a4b294ea72c95d0c36c6c6b29d0c65de5974d5977f8524",
          "d97b75a1776065271b1e212bc3b1bf173f438b21e6c64a55a96c372e085e5cc5",
          "427bbf07c6e3a86c54f8c5216499f3909a6fd4a164c9fe235b1550258111b821", "07021c73e7635c7d",
          "4d59ac796834eb85d11fa148a5058c3c", "126d47500136fdc5ddfd14f19ebf16749ce4b6435323fbb5715a3a796a6082bd",
          "1d6622c4e59a", "f84eb338848c"]),
        (["b8da837a50652d6ac7c97da14f6acc61", "6887e55425a966bd86c9661a5fa72be8", "0dea2ee2c5af", "df1e",
          "0952be13556c32ebc58195d9dd930493e12a9003669988ffde5fa1f0fe35cc01"], 1,
         ["2bc16eb657a68e1f446f08f57c0efb1d493527a2e652ce281eb6ca0e4487760a", "749214087958dd8f58bfcdf869d8ae3f",
          "619e865afe80e382aee13063f9dfb56d", "4041ce438e3e38e8aa96562eed83ac43",
          "3e3bc01bea0cd914c4c2c83ce2d92757", "666a8e6f577b1aa77b7fd53cebb8a3d6", "1f880d005119", "45e617d77fe5"]),
        (["1574ca56881d05c189c82880f789c9cd4244955f4426aa2b69c29f15770e5aa5", "c570aac68cde651fb1e3088322498bef",
          "c89bb71f3a41", "297d", "e59f6eb10ea406813f4991b0b9e02f181edf4c7e17b480f66d34da35ee88c95e"], 1,
         ["3c6052e41532a28a47aa3cbb89f223e8f3aaa976aecd48bc3e7d6165a55eff62", "d7340dad02b4cb01",
          "c6021e2e66accb15", "84d89b41db1867ffd4c7ba1d82163f4d526a20fbae5418fbb526940b1eeb905c",
          "d419676afe5ab58c1d8bee0d43523a4d2f52ef0b31a4676a0c334427a988fe65", "205533e505661b61d05cc0eac87818f4",
          "d7b3d2d4980a", "ca9655264986"]),
        (["1574ca56881d05c189c82880f789c9cd4244955f4426aa2b69c29f15770e5aa5", "c570aac68cde651fb1e3088322498bef",
          "c89bb71f3a41", "297d", "e59f6eb10ea406813f4991b0b9e02f181edf4c7e17b480f66d34da35ee88c95e"], 2,
         ["b04a66f26c62fcd6c82de22a179ab65506ecf47f56245cd149966cfa9cec7a51",
          "90d2289ed1ca1c3dbc2247bb480d431ac71d2e4a7677f6e997cfddb0cbad88b7",
          "427355dbac30e825063aba61b556e87583abac638e3ab01c4c884ad9d458dc2f",
          "d67e6e64590d22eecba7324afa4af4460c93f01b24506d6e12047d789a94c867",
          "ede57edfc57cdffe1aae75066a1b7479bbc3837438e88d37a801cccc9f972b89",
          "48ed9299126e5057402fe01f9201cf25249f9c5c0ed2afcf084755daff1d3999", "6aae8d18c448", "8c5f33b61f4e"]),
    ];

    fn octets<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_test_sets_of_the_specification() {
        for ([k, rand, sqn, amf, top], iterations, expected) in SETS {
            let k = hex::decode(k).unwrap();
            let length = |at: usize| expected[at].len() / 2;
            let lengths = Lengths { mac: length(1), res: length(3), ck: length(4), ik: length(5) };
            let topc = Tuak::topc(&k, octets(top), iterations);
            let tuak = Tuak::new(&k, topc, iterations, lengths);
            let (rand, sqn, amf) = (octets(rand), octets(sqn), octets(amf));
            let keys = tuak.f2345(&rand);
            let found = [
                hex::encode(topc),
                hex::encode(tuak.f1(&rand, &sqn, &amf)),
                hex::encode(tuak.f1_star(&rand, &sqn, &amf)),
                hex::encode(keys.res),
                hex::encode(keys.ck),
                hex::encode(keys.ik),
                hex::encode(keys.ak),
                hex::encode(tuak.f5_star(&rand)),
            ];
            assert_eq!(found, expected);
        }
    }
}
