//! Freshness of sequence numbers in the USIM (TS 33.102 clause 6.3.3 and annex C.2, profile 1 of annex C.3).

use super::CardError;
use super::state::{SEQUENCE, Stored, Writer, damaged, exactly};

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
    /// How often it has changed.
    changes: u64,
}

impl SqnArray {
    /// The array of a card that has accepted everything up to `highest`, 48 bits.
    pub(super) fn new(highest: u64) -> Self {
        Self { seq: [highest >> IND_BITS; 1 << IND_BITS], highest, changes: 0 }
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
        self.changes += 1;
        true
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn save(&self, out: &mut Writer) {
        let seq: Vec<u8> = self.seq.iter().flat_map(|seq| seq.to_be_bytes()).collect();
        out.put_parts(SEQUENCE, &[&self.highest.to_be_bytes(), &seq]);
    }

    /// The array as it was stored, or as it is where nothing was.
    pub(super) fn restored(&self, stored: Stored<'_>) -> Result<Self, CardError> {
        let mut restored = self.clone();
        for parts in stored.all_parts::<2>(SEQUENCE) {
            let [highest, seq] = parts?;
            let seq: [u8; 8 << IND_BITS] = exactly(seq)?;
            restored.highest = u64::from_be_bytes(exactly(highest)?);
            for (to, from) in restored.seq.iter_mut().zip(seq.chunks_exact(8)) {
                *to = u64::from_be_bytes(exactly(from)?);
            }
            if restored.seq.iter().any(|seq| *seq > restored.highest >> IND_BITS)
                || restored.highest >> 48 != 0
            {
                return Err(damaged("a sequence number is out of range"));
            }
        }
        Ok(restored)
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
