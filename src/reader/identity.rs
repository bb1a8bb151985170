//! What names a subscriber, as files hold it (TS 102 221 clause 13.2; TS 31.102 clauses 4.2.2, 4.2.5, 4.2.15,
//! 4.2.18; TS 24.008 clause 10.5.1.3), and how it is shown to somebody who need not see it.

use crate::id::Imsi;
use crate::wire::bcd;
pub use crate::wire::bcd::iccid_digits;

/// Digits of an identifier that say whose it is, not which one: MCC with the shortest MNC, or industry and
/// country.
const SHOWN: usize = 5;

/// The first digits of an identifier; the others are stars.
pub fn mask(digits: &str) -> String {
    digits.chars().enumerate().map(|(n, digit)| if n < SHOWN { digit } else { '*' }).collect()
}

/// Reads EF.IMSI: a length, then parity, which is a digit, then digits.
pub fn imsi(content: &[u8]) -> Option<Imsi> {
    let digits = bcd::read(bcd::imsi_octets(content).ok()?).ok()?;
    digits.get(1..)?.parse().ok()
}

/// How many digits of the IMSI are the MNC, out of EF.AD: its fourth byte, where it has one.
pub fn mnc_digits(content: &[u8]) -> Option<u8> {
    content.get(3).map(|byte| byte & 0x0f).filter(|n| (2..=3).contains(n))
}

/// EF.ACC: the access class is the last digit of the IMSI (TS 22.011 clause 4.2).
pub fn access_class(imsi: &Imsi) -> [u8; 2] {
    let class = bcd::values(imsi.as_str()).last().unwrap_or(0);
    (1_u16 << class).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Iccid;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_reads_back() {
        let subscriber: Imsi = "001010000000001".parse().unwrap();
        assert_eq!(imsi(&bcd::imsi(&subscriber)), Some(subscriber.clone()));
        let even: Imsi = "00101000000001".parse().unwrap();
        assert_eq!(imsi(&bcd::imsi(&even)), Some(even));
        let card: Iccid = "8988211000000000011".parse().unwrap();
        assert_eq!(iccid_digits(&bcd::iccid(&card)).unwrap(), card.as_str());
        assert_eq!(access_class(&subscriber), [0x00, 0x02]);
    }

    #[test]
    fn an_mnc_has_two_or_three_digits() {
        assert_eq!(mnc_digits(&[0, 0, 0, 3]), Some(3));
        assert_eq!(mnc_digits(&[0, 0, 0]), None);
    }

    #[test]
    fn a_mask_leaves_the_network() {
        assert_eq!(mask("001010123456789"), "00101**********");
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_written_back(
            content in prop_oneof![
                bent(hex::decode("080910100000000010").unwrap()),
                bent(bcd::iccid(&"8988211000000000011".parse().unwrap()).to_vec()),
                bent(vec![0, 0, 0, 2]),
            ],
        ) {
            if let Some(read) = imsi(&content) {
                prop_assert_eq!(imsi(&bcd::imsi(&read)), Some(read));
            }
            if let Some(digits) = iccid_digits(&content) {
                let again: [u8; 10] = bcd::filled(bcd::values(&digits));
                prop_assert_eq!(iccid_digits(&again), Some(digits.clone()));
                // Up to the first filler the octets are the file's.
                prop_assert_eq!(&again[..digits.len() / 2], &content[..digits.len() / 2]);
            }
            if let Some(count) = mnc_digits(&content) {
                prop_assert!(matches!(count, 2 | 3) && content[3] & 0x0f == count);
            }
        }
    }
}
