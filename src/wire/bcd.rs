//! Digits in half octets, the first one low (telephony BCD): ICCID (TS 102 221 clause 13.2), IMSI (TS 31.102 clause
//! 4.2.2), and PLMN (TS 24.008 clause 10.5.1.3, TS 36.413 clause 9.2.3.8).

use crate::id::Plmn;

/// The half octet that fills up what has no digit.
const FILLER: u8 = 0x0f;

/// Why octets are no digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BcdError {
    #[error("half octet {at} is {nibble:x}, no decimal digit")]
    Digit { nibble: u8, at: usize },
    #[error("{found} octets, it takes {expected}")]
    Length { found: usize, expected: &'static str },
}

/// The half octets of `octets`, the low one of each first.
pub fn nibbles(octets: &[u8]) -> impl DoubleEndedIterator<Item = u8> {
    octets.iter().flat_map(|octet| [octet & 0x0f, octet >> 4])
}

/// A PLMN as NAS and the card have it: a two-digit MNC leaves the filler in the place of its third digit.
pub fn plmn(plmn: Plmn) -> [u8; 3] {
    let [c1, c2, c3, n1, n2, n3] = plmn_digits(plmn);
    [c2 << 4 | c1, n3 << 4 | c3, n2 << 4 | n1]
}

/// Reads [`plmn`].
pub fn read_plmn(octets: [u8; 3]) -> Result<Plmn, BcdError> {
    let [c1, c2, c3, n3, n1, n2] = half_octets(octets);
    plmn_of([c1, c2, c3, n1, n2, n3])
}

/// A PLMN as S1AP and NGAP have it: the filler stands before a two-digit MNC.
pub fn ran_plmn(plmn: Plmn) -> [u8; 3] {
    let [c1, c2, c3, n1, n2, n3] = plmn_digits(plmn);
    if n3 == FILLER {
        return [c2 << 4 | c1, FILLER << 4 | c3, n2 << 4 | n1];
    }
    [c2 << 4 | c1, n1 << 4 | c3, n3 << 4 | n2]
}

/// Reads [`ran_plmn`].
pub fn read_ran_plmn(octets: [u8; 3]) -> Result<Plmn, BcdError> {
    match half_octets(octets) {
        [c1, c2, c3, FILLER, n1, n2] => plmn_of([c1, c2, c3, n1, n2, FILLER]),
        [.., nibble @ FILLER] => Err(BcdError::Digit { nibble, at: 5 }),
        digits => plmn_of(digits),
    }
}

fn half_octets(octets: [u8; 3]) -> [u8; 6] {
    let [a, b, c] = octets;
    [a & 0x0f, a >> 4, b & 0x0f, b >> 4, c & 0x0f, c >> 4]
}

/// MCC and MNC, with the filler for a third digit that the MNC does not have.
fn plmn_digits(plmn: Plmn) -> [u8; 6] {
    let mut digits = [FILLER; 6];
    for (digit, byte) in digits.iter_mut().zip(plmn.mcc().bytes().chain(plmn.mnc().bytes())) {
        *digit = byte - b'0';
    }
    digits
}

fn plmn_of(digits: [u8; 6]) -> Result<Plmn, BcdError> {
    let used = if digits[5] == FILLER { &digits[..5] } else { &digits[..] };
    if let Some((at, &nibble)) = used.iter().enumerate().find(|(_, digit)| **digit > 9) {
        return Err(BcdError::Digit { nibble, at });
    }
    let text: String = used.iter().map(|digit| char::from(b'0' + digit)).collect();
    text.parse().map_err(|_| BcdError::Length { found: text.len(), expected: "5 or 6 digits" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plmns_of_nas() {
        for (text, octets) in [("001-01", [0x00, 0xf1, 0x10]), ("310-410", [0x13, 0x00, 0x14])] {
            let network: Plmn = text.parse().unwrap();
            assert_eq!(plmn(network), octets);
            assert_eq!(read_plmn(octets), Ok(network));
        }
        assert_eq!(read_plmn([0x0a, 0xf1, 0x10]), Err(BcdError::Digit { nibble: 10, at: 0 }));
    }

    #[test]
    fn plmns_of_s1ap() {
        for (text, octets) in [("208-93", [0x02, 0xf8, 0x39]), ("310-410", [0x13, 0x40, 0x01])] {
            let network: Plmn = text.parse().unwrap();
            assert_eq!(ran_plmn(network), octets);
            assert_eq!(read_ran_plmn(octets), Ok(network));
        }
        // A filler in the last place, and one that is no filler.
        assert!(read_ran_plmn([0x02, 0xf8, 0xf9]).is_err());
        assert!(read_ran_plmn([0xab, 0xcd, 0xef]).is_err());
    }
}
