//! What every algorithm of authentication makes of a challenge (3GPP TS 33.102 clause 6.3).

/// What a challenge says and what it makes.
pub struct Answer {
    /// SQN of AUTN, 48 bits; whether it is fresh is for the caller to judge.
    pub sqn: u64,
    /// AMF of AUTN.
    pub amf: [u8; 2],
    /// What proves to the network who answers.
    pub res: Vec<u8>,
    /// CK.
    pub ck: [u8; 16],
    /// IK.
    pub ik: [u8; 16],
}

/// SQN as AUTN carries it.
pub fn octets_of(sqn: u64) -> [u8; 6] {
    let [_, _, octets @ ..] = sqn.to_be_bytes();
    octets
}

/// Conceals SQN with the anonymity key, and reveals it.
pub fn xor(a: &[u8; 6], b: &[u8; 6]) -> [u8; 6] {
    std::array::from_fn(|i| a[i] ^ b[i])
}
