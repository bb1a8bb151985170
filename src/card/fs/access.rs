//! Access rules of files (ETSI TS 102 221 clause 9.2): who may read and who may update, and the records of
//! EF.ARR that say so to a terminal, in expanded format (ISO/IEC 7816-4 clause 5.4.3).

use super::super::pin::Access;

/// Bytes of one record of EF.ARR.
pub(super) const ARR_RECORD: u8 = 24;

/// One rule. Files refer to it by the number of its record in EF.ARR.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Record number in EF.ARR, from 1.
    pub(super) record: u8,
    pub(super) read: Access,
    pub(super) update: Access,
}

pub(super) const DIRECTORY: Rule = Rule { record: 1, read: Access::Never, update: Access::Never };
/// Read by anybody, updated by the administrator.
pub(super) const PUBLIC: Rule = Rule { record: 2, read: Access::Always, update: Access::Adm1 };
/// Read with PIN1, updated by the administrator.
pub(super) const SUBSCRIPTION: Rule = Rule { record: 3, read: Access::Pin1, update: Access::Adm1 };
/// Read and updated with PIN1: what the terminal stores in the card.
pub(super) const TERMINAL: Rule = Rule { record: 4, read: Access::Pin1, update: Access::Pin1 };
/// Read by anybody, updated with PIN1.
pub(super) const PREFERENCE: Rule = Rule { record: 5, read: Access::Always, update: Access::Pin1 };

// Access mode bytes: 01 read, 02 update, 10 activate, 08 deactivate. `90 00` is always, `97 00` never, and
// `A4 06 83 01 <key reference> 95 01 08` is "after verification of that key".
/// The content of EF.ARR: the rules above in the order of their records.
#[rustfmt::skip]
pub(super) static ARR: [u8; 5 * ARR_RECORD as usize] = filled_up(ARR_RECORD, &[
    &[0x80, 0x01, 0x7f, 0x97, 0x00],
    &[0x80, 0x01, 0x01, 0x90, 0x00, 0x80, 0x01, 0x1a, 0xa4, 0x06, 0x83, 0x01, 0x0a, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x01, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08,
      0x80, 0x01, 0x1a, 0xa4, 0x06, 0x83, 0x01, 0x0a, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x03, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08,
      0x80, 0x01, 0x18, 0xa4, 0x06, 0x83, 0x01, 0x0a, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x01, 0x90, 0x00, 0x80, 0x01, 0x02, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08],
]);

/// Records of `record` bytes each, filled up with `FF`.
pub(super) const fn filled_up<const N: usize>(record: u8, values: &[&[u8]]) -> [u8; N] {
    let mut out = [0xff; N];
    let mut number = 0;
    while number < values.len() {
        let mut i = 0;
        while i < values[number].len() {
            out[number * record as usize + i] = values[number][i];
            i += 1;
        }
        number += 1;
    }
    out
}
