//! What names a subscriber, as files hold it (TS 102 221 clause 13.2; TS 31.102 clauses 4.2.2, 4.2.5, 4.2.15,
//! 4.2.18; TS 24.008 clause 10.5.1.3), and how it is shown to somebody who need not see it.

use crate::id::{Iccid, Imsi, Plmn};

/// Digits of an identifier that say whose it is, not which one: MCC with the shortest MNC, or industry and
/// country.
const SHOWN: usize = 5;

/// The first digits of an identifier; the others are stars.
pub fn mask(digits: &str) -> String {
    digits.chars().enumerate().map(|(n, digit)| if n < SHOWN { digit } else { '*' }).collect()
}

/// Digits on nibbles, the low one first, up to the first filler. `None` where a nibble is no digit.
fn digits(bytes: &[u8]) -> Option<String> {
    let nibbles = bytes.iter().flat_map(|byte| [byte & 0x0f, byte >> 4]);
    nibbles.take_while(|n| *n != 0x0f).map(|n| char::from_digit(n.into(), 10)).collect()
}

fn nibbles(digits: impl Iterator<Item = u8>, out: &mut [u8]) {
    out.fill(0xff);
    for (n, digit) in digits.enumerate().take(2 * out.len()) {
        let byte = &mut out[n / 2];
        *byte = if n % 2 == 0 { *byte & 0xf0 | digit } else { *byte & 0x0f | digit << 4 };
    }
}

fn values(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.wrapping_sub(b'0') & 0x0f)
}

/// Reads EF.ICCID. The check digit is not looked at: test cards in the field have wrong ones.
pub fn iccid_digits(content: &[u8]) -> Option<String> {
    digits(content.get(..10)?).filter(|digits| (18..=20).contains(&digits.len()))
}

/// EF.ICCID, 10 bytes.
pub fn encode_iccid(iccid: &Iccid) -> Vec<u8> {
    let mut out = vec![0; 10];
    nibbles(values(iccid.as_str()), &mut out);
    out
}

/// Reads EF.IMSI: a length, then parity, then digits.
pub fn imsi(content: &[u8]) -> Option<Imsi> {
    let (&length, rest) = content.split_first()?;
    let digits = digits(rest.get(..usize::from(length))?)?;
    digits.get(1..)?.parse().ok()
}

/// EF.IMSI, 9 bytes.
pub fn encode_imsi(imsi: &Imsi) -> Vec<u8> {
    let text = imsi.as_str();
    let parity = if text.len() % 2 == 1 { 0x9 } else { 0x1 };
    let mut out = vec![0xff; 9];
    out[0] = (text.len() / 2 + 1) as u8;
    nibbles(std::iter::once(parity).chain(values(text)), &mut out[1..]);
    out
}

/// How many digits of the IMSI are the MNC, out of EF.AD: its fourth byte, where it has one.
pub fn mnc_digits(content: &[u8]) -> Option<u8> {
    content.get(3).map(|byte| byte & 0x0f).filter(|n| (2..=3).contains(n))
}

/// MCC and MNC on three bytes.
pub fn encode_plmn(plmn: Plmn) -> [u8; 3] {
    let digits: Vec<u8> = values(plmn.mcc()).chain(values(plmn.mnc())).collect();
    let at = |n: usize| digits.get(n).copied().unwrap_or(0x0f);
    [at(1) << 4 | at(0), at(5) << 4 | at(2), at(4) << 4 | at(3)]
}

/// EF.ACC: the access class is the last digit of the IMSI (TS 22.011 clause 4.2).
pub fn access_class(imsi: &Imsi) -> [u8; 2] {
    let class = values(imsi.as_str()).last().unwrap_or(0);
    (1_u16 << class).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_reads_back() {
        let subscriber: Imsi = "001010000000001".parse().unwrap();
        assert_eq!(hex::encode(encode_imsi(&subscriber)), "080910100000000010");
        assert_eq!(imsi(&encode_imsi(&subscriber)), Some(subscriber.clone()));
        let even: Imsi = "00101000000001".parse().unwrap();
        assert_eq!(imsi(&encode_imsi(&even)), Some(even));
        let card: Iccid = "8988211000000000011".parse().unwrap();
        assert_eq!(iccid_digits(&encode_iccid(&card)).unwrap(), card.as_str());
        assert_eq!(access_class(&subscriber), [0x00, 0x02]);
    }

    #[test]
    fn networks_have_two_or_three_digits() {
        // TS 24.008 clause 10.5.1.3: the third digit of the MNC shares a byte with the third of the MCC.
        assert_eq!(encode_plmn("001-01".parse().unwrap()), [0x00, 0xf1, 0x10]);
        assert_eq!(encode_plmn("310-410".parse().unwrap()), [0x13, 0x00, 0x14]);
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
                bent(encode_iccid(&"8988211000000000011".parse().unwrap())),
                bent(vec![0, 0, 0, 2]),
            ],
        ) {
            if let Some(read) = imsi(&content) {
                prop_assert_eq!(imsi(&encode_imsi(&read)), Some(read));
            }
            if let Some(digits) = iccid_digits(&content) {
                let mut again = [0; 10];
                nibbles(values(&digits), &mut again);
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
