//! Freshness of sequence numbers in the USIM (TS 33.102 clause 6.3.3 and annex C.2, profile 1 of annex C.3).

/// Bits of IND, the index part of a sequence number.
const IND_BITS: u32 = 5;
/// Δ: how far SEQ may run ahead of the highest one accepted, so that nobody can wrap the counter around.
const DELTA: u64 = 1 << 28;

/// SEQ as last accepted for each value of IND. Challenges may then arrive in another order than that in which
/// they were made, as long as each was made for its own IND.
#[derive(Debug, Clone)]
pub(super) struct SqnArray {
    seq: [u64; 1 << IND_BITS],
    /// SQN_MS: the highest sequence number accepted anywhere in the array.
    highest: u64,
}

impl SqnArray {
    /// The array of a card that has accepted everything up to `highest`, 48 bits.
    pub(super) fn new(highest: u64) -> Self {
        Self { seq: [highest >> IND_BITS; 1 << IND_BITS], highest }
    }

    /// SQN_MS, which a synchronisation failure reports.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Accepts `sqn` if it is fresh, and says whether it was.
    pub(super) fn accept(&mut self, sqn: u64) -> bool {
        let seq = sqn >> IND_BITS;
        let last = &mut self.seq[(sqn & ((1 << IND_BITS) - 1)) as usize];
        let highest_seq = self.highest >> IND_BITS;
        if seq <= *last || seq.saturating_sub(highest_seq) > DELTA {
            return false;
        }
        *last = seq;
        self.highest = self.highest.max(sqn);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_counts_alone() {
        let mut array = SqnArray::new(0);
        assert!(array.accept((2 << 5) | 3));
        assert!(!array.accept((2 << 5) | 3), "a replay");
        assert!(array.accept((1 << 5) | 4), "an older challenge made for another index");
        assert!(!array.accept((1 << 5) | 3), "an older challenge of the same index");
        assert_eq!(array.highest(), (2 << 5) | 3);
    }

    #[test]
    fn a_jump_beyond_delta_is_refused() {
        let mut array = SqnArray::new(100 << 5);
        assert!(!array.accept((100 + DELTA + 1) << 5));
        assert!(array.accept((100 + DELTA) << 5));
    }
}
