//! Tables of fixed size: what does not fit takes the place of what was used longest ago.

/// How many different things were seen, by the bits that their marks set: exact while they are few, a lower bound beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Distinct {
    bits: u128,
}

impl Distinct {
    pub(crate) fn add(&mut self, mark: u32) {
        // The upper bits of a product depend on all bits of its factor (Knuth 6.4).
        self.bits |= 1 << (mark.wrapping_mul(0x9e37_79b1) >> 25);
    }

    pub(crate) fn count(self) -> u32 {
        self.bits.count_ones()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.bits |= other.bits;
    }
}

/// Peers that the baseline does not know.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peer {
    /// 0 is an empty place.
    pub address: u32,
    pub first_s: u32,
    pub last_ms: u64,
    /// When it was last spoken to after a silence.
    pub start_s: u32,
    /// The mean time between those moments; 0 before there are two.
    pub interval_s: u32,
    /// How often the time between them was as before, less how often it was not.
    pub regular: u8,
    /// The number of the window in which it was last counted.
    pub counted: u32,
}

/// A flow that may still be open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow {
    /// 0 is an empty place.
    pub mark: u32,
    pub start_ms: u64,
    pub last_ms: u64,
}

/// The place of what `is` finds, or else the one that was used longest ago, and whether it was found.
pub(crate) fn place<T>(
    table: &mut [T],
    is: impl Fn(&T) -> bool,
    last_ms: impl Fn(&T) -> u64,
) -> (usize, bool) {
    if let Some(at) = table.iter().position(is) {
        return (at, true);
    }
    let oldest = table.iter().enumerate().min_by_key(|(_, entry)| last_ms(entry));
    (oldest.map_or(0, |(at, _)| at), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_counted_exactly_and_many_are_bounded() {
        let mut seen = Distinct::default();
        for mark in [1, 2, 3, 1, 2] {
            seen.add(mark);
        }
        assert_eq!(seen.count(), 3);
        (0..10_000).for_each(|mark| seen.add(mark));
        assert_eq!(seen.count(), 128);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut flows =
            [(1, 30), (2, 10), (3, 20)].map(|(mark, last_ms)| Flow { mark, start_ms: 0, last_ms });
        assert_eq!(place(&mut flows, |flow| flow.mark == 3, |flow| flow.last_ms), (2, true));
        assert_eq!(place(&mut flows, |flow| flow.mark == 4, |flow| flow.last_ms), (1, false));
    }
}
