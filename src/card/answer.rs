//! What every algorithm of authentication makes of a challenge (3GPP TS 33.102 clause 6.3).

/// What a challenge says and what it makes.
pub(super) struct Answer {
    /// SQN of AUTN, 48 bits; whether it is fresh is for the caller to judge.
    pub(super) sqn: u64,
    pub(super) amf: [u8; 2],
    pub(super) res: Vec<u8>,
    pub(super) ck: [u8; 16],
    pub(super) ik: [u8; 16],
}

/// SQN as AUTN carries it.
pub(super) fn octets_of(sqn: u64) -> [u8; 6] {
    let [_, _, octets @ ..] = sqn.to_be_bytes();
    octets
}

/// Conceals SQN with the anonymity key, and reveals it.
pub(super) fn xor(a: &[u8; 6], b: &[u8; 6]) -> [u8; 6] {
    std::array::from_fn(|i| a[i] ^ b[i])
}
