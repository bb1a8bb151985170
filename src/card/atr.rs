//! The Answer To Reset of a virtual card (ISO/IEC 7816-3 clause 8.2; TS 102 221 clause 6.3): T=0 with Fi/Di 512/16,
//! clock stop, voltage classes A to C. The historical bytes offer selection by full and partial AID and eight logical
//! channels or more (`73 FE 21 1F`), and carry a name: it says where the card's keys come from.

use crate::kernel::Origin;

/// How long an Answer To Reset of ours is.
pub(super) const BYTES: usize = 22;

/// The name of a card whose keys were drawn from the system.
const OWN_KEYS: &[u8; 7] = b"cellbed";
/// The name of a card whose keys follow from a seed: they are public, and prove nothing.
pub const LAB_KEYS: &[u8; 7] = b"lab key";

/// The Answer To Reset of a card whose random values have this origin.
pub(super) fn of(origin: Origin) -> [u8; BYTES] {
    let head = [0x3b, 0x9f, 0x95, 0x80, 0x1f, 0xc7, 0x80, 0x31, 0xe0, 0x73, 0xfe, 0x21, 0x1f, 0x57];
    let name = match origin {
        Origin::Seed => LAB_KEYS,
        Origin::System => OWN_KEYS,
    };
    let mut atr = [0; BYTES];
    for (place, byte) in atr.iter_mut().zip(head.iter().chain(name)) {
        *place = *byte;
    }
    // TCK makes the exclusive-or over all bytes behind TS zero.
    atr[BYTES - 1] = atr[1..].iter().fold(0, |sum, byte| sum ^ byte);
    atr
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Atr;

    #[test]
    fn the_name_says_where_the_keys_come_from() {
        for (origin, lab) in [(Origin::Seed, true), (Origin::System, false)] {
            let atr = Atr::parse(&of(origin)).unwrap();
            assert_eq!(atr.has_lab_keys(), lab);
        }
    }
}
