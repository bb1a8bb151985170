//! ICCIDs and EIDs as messages hold them: digits in bytes.

use crate::id::{Eid, Iccid, Plmn};
use crate::wire::rsp::{EidBytes, IccidBytes};

/// The ICCID in nibble-swapped BCD, filled up with `F` (TS 102 221 clause 13.2).
pub fn iccid_bytes(iccid: &Iccid) -> IccidBytes {
    let digits = iccid.as_str().as_bytes();
    let nibble = |at: usize| digits.get(at).map_or(0x0f, |digit| digit - b'0');
    std::array::from_fn(|i| nibble(2 * i + 1) << 4 | nibble(2 * i))
}

/// The ICCID of `bytes`; `None` where they hold none.
pub fn iccid_of(bytes: &IccidBytes) -> Option<Iccid> {
    let digits: String = bytes.iter().flat_map(|b| [b & 0x0f, b >> 4]).map(|n| format!("{n:x}")).collect();
    digits.trim_end_matches('f').parse().ok()
}

/// MCC and MNC as TS 24.008 clause 10.5.1.3 packs them.
pub fn mcc_mnc(plmn: Plmn) -> [u8; 3] {
    let digit = |text: &str, at: usize| text.as_bytes().get(at).map_or(0x0f, |digit| digit - b'0');
    let (mcc, mnc) = (plmn.mcc(), plmn.mnc());
    [
        digit(mcc, 1) << 4 | digit(mcc, 0),
        digit(mnc, 2) << 4 | digit(mcc, 2),
        digit(mnc, 1) << 4 | digit(mnc, 0),
    ]
}

/// The EID in BCD.
pub fn eid_bytes(eid: &Eid) -> EidBytes {
    let digits = eid.as_str().as_bytes();
    std::array::from_fn(|i| (digits[2 * i] - b'0') << 4 | (digits[2 * i + 1] - b'0'))
}

/// The EID of `bytes`; `None` where they hold none.
pub fn eid_of(bytes: &EidBytes) -> Option<Eid> {
    hex::encode(bytes).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_go_into_bytes_and_back() {
        let iccid: Iccid = "8988211000000000011".parse().unwrap();
        assert_eq!(hex::encode(iccid_bytes(&iccid)), "988812010000000010f1");
        assert_eq!(iccid_of(&iccid_bytes(&iccid)), Some(iccid));
        assert_eq!(iccid_of(&[0xff; 10]), None);
        let eid: Eid = "89049032123451234512345678901235".parse().unwrap();
        assert_eq!(hex::encode(eid_bytes(&eid)), eid.as_str());
        assert_eq!(eid_of(&eid_bytes(&eid)), Some(eid));
        assert_eq!(eid_of(&[0xff; 16]), None);
    }
}
