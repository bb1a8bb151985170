//! Digits in half octets: telephony BCD with the first digit low, as ICCID (TS 102 221 clause 13.2), IMSI (TS 31.102
//! clause 4.2.2) and PLMN (TS 24.008 clause 10.5.1.3, TS 36.413 clause 9.2.3.8) have it, and BCD in reading order, as
//! the EID has it.

use crate::id::{Eid, Iccid, Imsi, Plmn};

/// The half octet that fills up what has no digit.
const FILLER: u8 = 0x0f;

/// Why octets are no digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BcdError {
    /// A half octet above 9 where a digit belongs.
    #[error("half octet {at} is {nibble:x}, no decimal digit")]
    Digit {
        /// Its value, 10 to 15.
        nibble: u8,
        /// Which half octet it is, from 0 in the order in which digits are read.
        at: usize,
    },
    /// Too few octets, or too many.
    #[error("{found} octets, {expected} are needed")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Digits, but not those of such an identifier.
    #[error("the digits are no {identifier}")]
    Identifier {
        /// Its name: ICCID, IMSI, PLMN or EID.
        identifier: &'static str,
    },
}

/// The half octets of `octets`, the low one of each first.
pub fn nibbles(octets: &[u8]) -> impl DoubleEndedIterator<Item = u8> {
    octets.iter().flat_map(|octet| [octet & 0x0f, octet >> 4])
}

/// The values of the decimal digits of `text`.
pub fn values(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.wrapping_sub(b'0') & 0x0f)
}

/// `digits` on `N` octets, the first one low, filled up with `F`. Those that have no room are left out.
pub fn filled<const N: usize>(digits: impl IntoIterator<Item = u8>) -> [u8; N] {
    let mut out = [0xff; N];
    fill(digits, &mut out);
    out
}

/// `digits` on as many octets as they take.
pub fn packed(digits: &str) -> Vec<u8> {
    let mut out = vec![0xff; digits.len().div_ceil(2)];
    fill(values(digits), &mut out);
    out
}

fn fill(digits: impl IntoIterator<Item = u8>, out: &mut [u8]) {
    for (n, digit) in digits.into_iter().take(2 * out.len()).enumerate() {
        let octet = &mut out[n / 2];
        *octet = if n % 2 == 0 { *octet & 0xf0 | digit } else { *octet & 0x0f | digit << 4 };
    }
}

/// The digits up to the first filler. Fails where a half octet before it is no digit.
pub fn read(octets: &[u8]) -> Result<String, BcdError> {
    text(nibbles(octets).take_while(|nibble| *nibble != FILLER))
}

/// The digits where fillers stand behind them only.
pub fn read_filled(octets: &[u8]) -> Result<String, BcdError> {
    let used = 2 * octets.len() - nibbles(octets).rev().take_while(|nibble| *nibble == FILLER).count();
    text(nibbles(octets).take(used))
}

/// The digits up to the first half octet that is none: what there is of a number that may be damaged.
pub fn leading_digits(octets: &[u8]) -> String {
    nibbles(octets).take_while(|nibble| *nibble < 10).map(|digit| char::from(b'0' + digit)).collect()
}

fn text(digits: impl Iterator<Item = u8>) -> Result<String, BcdError> {
    let digit = |(at, nibble): (usize, u8)| match nibble {
        0..=9 => Ok(char::from(b'0' + nibble)),
        _ => Err(BcdError::Digit { nibble, at }),
    };
    digits.enumerate().map(digit).collect()
}

/// EF.ICCID.
pub fn iccid(iccid: &Iccid) -> [u8; 10] {
    filled(values(iccid.as_str()))
}

/// Reads [`iccid`], its check digit included.
pub fn read_iccid(octets: &[u8; 10]) -> Result<Iccid, BcdError> {
    read_filled(octets)?.parse().map_err(|_| BcdError::Identifier { identifier: "ICCID" })
}

/// EF.IMSI: a length, then the digits behind a nibble of identity type and parity.
pub fn imsi(imsi: &Imsi) -> [u8; 9] {
    let digits = imsi.as_str();
    let parity = if digits.len() % 2 == 1 { 0x9 } else { 0x1 };
    let [a, b, c, d, e, f, g, h] = filled(std::iter::once(parity).chain(values(digits)));
    [(digits.len() / 2 + 1) as u8, a, b, c, d, e, f, g, h]
}

/// Reads [`imsi`]. The nibble of identity type and parity is not looked at.
pub fn read_imsi(content: &[u8]) -> Result<Imsi, BcdError> {
    let digits = nibbles(imsi_octets(content)?).skip(1).take_while(|nibble| *nibble != FILLER);
    text(digits)?.parse().map_err(|_| BcdError::Identifier { identifier: "IMSI" })
}

/// The octets of EF.IMSI that its first says are used: parity and digits.
pub fn imsi_octets(content: &[u8]) -> Result<&[u8], BcdError> {
    let (&length, rest) = content.split_first().ok_or(BcdError::Length { found: 0, expected: 1 })?;
    let expected = usize::from(length);
    rest.get(..expected).ok_or(BcdError::Length { found: rest.len(), expected })
}

/// The EID, whose digits stand in reading order.
pub fn eid(eid: &Eid) -> [u8; 16] {
    let mut digits = values(eid.as_str());
    std::array::from_fn(|_| digits.next().unwrap_or(0) << 4 | digits.next().unwrap_or(0))
}

/// Reads [`eid`], its check digits included.
pub fn read_eid(octets: &[u8; 16]) -> Result<Eid, BcdError> {
    let digits = text(octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0f]))?;
    digits.parse().map_err(|_| BcdError::Identifier { identifier: "EID" })
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
    for (digit, value) in digits.iter_mut().zip(values(plmn.mcc()).chain(values(plmn.mnc()))) {
        *digit = value;
    }
    digits
}

fn plmn_of(digits: [u8; 6]) -> Result<Plmn, BcdError> {
    let used = if digits[5] == FILLER { &digits[..5] } else { &digits[..] };
    text(used.iter().copied())?.parse().map_err(|_| BcdError::Identifier { identifier: "PLMN" })
}

/// Reads EF.ICCID. The check digit is not looked at: test cards in the field have wrong ones.
pub fn iccid_digits(content: &[u8]) -> Option<String> {
    read(content.get(..10)?).ok().filter(|digits| (18..=20).contains(&digits.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iccid_as_its_file_holds_it() {
        // TS 102 221 clause 13.2: digit 1 in the low half of byte 1, F in the high half of byte 10.
        let number: Iccid = "8988211000000000011".parse().unwrap();
        assert_eq!(hex::encode(iccid(&number)), "988812010000000010f1");
        assert_eq!(read_iccid(&iccid(&number)), Ok(number));
        assert_eq!(read_iccid(&[0xff; 10]), Err(BcdError::Identifier { identifier: "ICCID" }));
        // A filler between digits is none.
        let mut torn = iccid(&"8988211000000000011".parse().unwrap());
        torn[4] = 0x0f;
        assert_eq!(read_iccid(&torn), Err(BcdError::Digit { nibble: 15, at: 8 }));
        assert_eq!(read(&torn).unwrap(), "89882110");
        torn[1] = 0x8a;
        assert_eq!(read(&torn), Err(BcdError::Digit { nibble: 10, at: 2 }));
        assert_eq!(leading_digits(&torn), "89");
    }

    #[test]
    fn an_imsi_as_its_file_holds_it() {
        // TS 31.102 clause 4.2.2: length 8, parity bit of an odd number of digits, digit 1 behind it.
        let odd: Imsi = "001010000000001".parse().unwrap();
        assert_eq!(hex::encode(imsi(&odd)), "080910100000000010");
        assert_eq!(read_imsi(&imsi(&odd)), Ok(odd));
        let even: Imsi = "00101000000001".parse().unwrap();
        assert_eq!(hex::encode(imsi(&even)), "0801101000000000f1");
        assert_eq!(read_imsi(&imsi(&even)), Ok(even));
        assert_eq!(read_imsi(&[]), Err(BcdError::Length { found: 0, expected: 1 }));
        assert_eq!(read_imsi(&[9, 1]), Err(BcdError::Length { found: 1, expected: 9 }));
        let hexadecimal = hex::decode("0809aaaaaaaaaaaaaa").unwrap();
        assert_eq!(read_imsi(&hexadecimal), Err(BcdError::Digit { nibble: 10, at: 1 }));
    }

    #[test]
    fn an_eid_stands_in_reading_order() {
        let number: Eid = "89049032123451234512345678901235".parse().unwrap();
        assert_eq!(hex::encode(eid(&number)), number.as_str());
        assert_eq!(read_eid(&eid(&number)), Ok(number));
        assert_eq!(read_eid(&[0xff; 16]), Err(BcdError::Digit { nibble: 15, at: 0 }));
    }

    #[test]
    fn digits_take_the_octets_they_need() {
        assert_eq!(packed("00012080"), [0x00, 0x10, 0x02, 0x08]);
        assert_eq!(packed("123"), [0x21, 0xf3]);
        assert_eq!(filled::<2>(values("0")), [0xf0, 0xff]);
        assert_eq!(filled::<1>(values("123")), [0x21]);
    }

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
        assert!(read_ran_plmn([0x02, 0x98, 0xf3]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>, plmn_octets: [u8; 3]) {
            let _ = (read_imsi(&octets), leading_digits(&octets), read_filled(&octets));
            if let Ok(digits) = read_filled(&octets) {
                proptest::prop_assert!(octets.starts_with(&packed(&digits)));
            }
            if let Ok(network) = read_plmn(plmn_octets) {
                proptest::prop_assert_eq!(plmn(network), plmn_octets);
            }
            if let Ok(network) = read_ran_plmn(plmn_octets) {
                proptest::prop_assert_eq!(ran_plmn(network), plmn_octets);
            }
        }
    }
}
