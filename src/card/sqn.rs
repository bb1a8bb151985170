//! Freshness of sequence numbers in the USIM (TS 33.102 clause 6.3.3 and annex C.2). A personalised card has
//! profile 1 of annex C.3; a package says what it wants.

use super::CardError;
use super::state::{self, SEQUENCE, Stored, Writer, damaged, exactly};
use crate::wire::saip::SqnState;
use crate::wire::tlv;

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
    /// Δ, where there is a limit.
    delta: Option<u64>,
    /// L: how far SEQ may be behind the highest one accepted, where there is a limit.
    age_limit: Option<u64>,
    /// How often it has changed.
    changes: u64,
}

/// Bits of the option octet of a package: Δ counts; L counts.
const DELTA_COUNTS: u8 = 0x02;
const AGE_COUNTS: u8 = 0x01;

impl SqnArray {
    /// The array of a card that has accepted everything up to `highest`, 48 bits.
    pub(super) fn new(highest: u64) -> Self {
        let seq = [highest >> IND_BITS; 1 << IND_BITS];
        Self { seq, highest, delta: Some(DELTA), age_limit: None, changes: 0 }
    }

    /// The array that a package describes. An error says what is not possible.
    pub(super) fn of_image(image: &SqnState) -> Result<Self, String> {
        let unknown = image.options & !(DELTA_COUNTS | AGE_COUNTS);
        if unknown != 0 {
            return Err(format!("the bits {unknown:02X} of its sequence number options are not known here"));
        }
        let too_long = |seq: &u64| seq >> (48 - IND_BITS) != 0;
        if image.initial.iter().chain([&image.delta, &image.age_limit]).any(too_long) {
            return Err("a sequence number without its index has at most 43 bits".to_owned());
        }
        let numbers = image.initial.iter().zip(0..).map(|(seq, index): (_, u64)| seq << IND_BITS | index);
        Ok(Self {
            seq: image.initial,
            highest: numbers.max().unwrap_or(0),
            delta: (image.options & DELTA_COUNTS != 0).then_some(image.delta),
            age_limit: (image.options & AGE_COUNTS != 0).then_some(image.age_limit),
            changes: 0,
        })
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
        let too_far = self.delta.is_some_and(|delta| seq.saturating_sub(highest_seq) > delta);
        let too_old = self.age_limit.is_some_and(|limit| highest_seq.saturating_sub(seq) >= limit);
        if seq <= *last || too_far || too_old {
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

    /// Writes down the array of the application at `path`.
    pub(super) fn save(&self, path: &[u8], out: &mut Writer) {
        let seq: Vec<u8> = self.seq.iter().flat_map(|seq| seq.to_be_bytes()).collect();
        out.put_parts(SEQUENCE, &[&self.highest.to_be_bytes(), &seq, path]);
    }

    /// The array as it was stored, or as it is where nothing was. The first version of the format knew no paths:
    /// a card had one array.
    pub(super) fn restored(&self, path: &[u8], stored: Stored<'_>) -> Result<Self, CardError> {
        let mut restored = self.clone();
        for body in stored.all(SEQUENCE) {
            let [highest, seq] = state::parts(body)?;
            if stored.version() > 1 && tlv::find(body, 0x82) != Ok(path) {
                continue;
            }
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

    fn image(options: u8) -> SqnState {
        let mut initial = [100; 32];
        initial[7] = 200;
        SqnState { options, delta: 50, age_limit: 30, initial }
    }

    #[test]
    fn a_package_sets_the_limits() {
        let mut array = SqnArray::of_image(&image(DELTA_COUNTS)).unwrap();
        assert_eq!(array.highest(), (200 << 5) | 7);
        assert!(array.clone().accept(101 << 5), "old, but there is no limit");
        assert!(!array.accept(251 << 5));
        assert!(array.accept(250 << 5));
        let mut array = SqnArray::of_image(&image(AGE_COUNTS)).unwrap();
        assert!(!array.accept(170 << 5));
        assert!(array.accept(171 << 5));
        assert!(array.accept(100_000 << 5), "far, but there is no limit");
    }

    #[test]
    fn what_a_package_cannot_have_is_said() {
        assert!(SqnArray::of_image(&image(0x80)).unwrap_err().contains("80"));
        let long = SqnState { delta: 1 << 43, ..image(0) };
        assert!(SqnArray::of_image(&long).unwrap_err().contains("43 bits"));
    }
}
