//! Identifiers. Each has one constructor that parses; a value of the type is valid by construction.

mod apn;
mod device_name;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use apn::{Apn, ApnError};
pub use device_name::DeviceName;

/// Why a text is not the identifier that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum IdError {
    #[error("{kind} has {found} digits, it takes {expected}")]
    Length { kind: &'static str, found: usize, expected: &'static str },
    #[error("{kind} takes decimal digits only, found {found:?}")]
    NotDigits { kind: &'static str, found: char },
    #[error("{kind} ends in check digit {found}, the digits before it give {expected}")]
    CheckDigit { kind: &'static str, found: char, expected: char },
    #[error("{kind} is {expected}")]
    Form { kind: &'static str, expected: &'static str },
}

fn digits(
    kind: &'static str,
    text: &str,
    range: std::ops::RangeInclusive<usize>,
    expected: &'static str,
) -> Result<(), IdError> {
    if let Some(found) = text.chars().find(|c| !c.is_ascii_digit()) {
        return Err(IdError::NotDigits { kind, found });
    }
    if !range.contains(&text.len()) {
        return Err(IdError::Length { kind, found: text.len(), expected });
    }
    Ok(())
}

/// The Luhn check digit of a digit string (ISO/IEC 7812-1 annex B).
fn luhn(digits: &str) -> char {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let d = u32::from(b - b'0');
            if i % 2 == 0 { d * 2 / 10 + d * 2 % 10 } else { d }
        })
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// Up to `N` digits in their place, without an allocation: registers hold each identifier of a device several times.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Digits<const N: usize> {
    /// The digits, then zeros, so that they compare as texts do.
    text: [u8; N],
    length: u8,
}

impl<const N: usize> Digits<N> {
    /// `text`, which has been checked to be no more than `N` digits.
    fn of(text: &str) -> Self {
        let mut digits = Self { text: [0; N], length: 0 };
        for (place, digit) in digits.text.iter_mut().zip(text.bytes()) {
            *place = digit;
            digits.length += 1;
        }
        digits
    }

    fn as_str(&self) -> &str {
        let digits = self.text.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(digits).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Digits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The digits.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }
    };
}

/// An International Mobile Subscriber Identity: 6 to 15 digits (TS 23.003 clause 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Imsi(Digits<15>);
text_id!(Imsi);

impl FromStr for Imsi {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        digits("IMSI", text, 6..=15, "6 to 15")?;
        Ok(Self(Digits::of(text)))
    }
}

impl Imsi {
    /// The IMSI `n` subscribers further on, in the same PLMN. `None` where the digits overflow.
    pub fn plus(&self, n: u32) -> Option<Self> {
        // The first five digits (MCC and the shortest MNC) never change.
        let (head, tail) = self.as_str().split_at(5);
        let next = tail.parse::<u64>().ok()? + u64::from(n);
        let text = format!("{next:0width$}", width = tail.len());
        (text.len() == tail.len()).then(|| Self(Digits::of(&format!("{head}{text}"))))
    }
}

/// An Integrated Circuit Card Identifier: 18 to 20 digits, the last a Luhn check digit where there are 19
/// or 20 (ITU-T E.118; TS 102 221 clause 13.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Iccid(Digits<20>);
text_id!(Iccid);

impl FromStr for Iccid {
    type Err = IdError;
    /// Digits, with or without the filler `F` that makes 20 characters of them (SGP.22 clause 6.5.2; modems and cards
    /// print it). It is no part of the number: an [`Iccid`] is written without.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = match text.len() {
            20 => text.trim_end_matches(['F', 'f']),
            _ => text,
        };
        digits("ICCID", text, 18..=20, "18 to 20")?;
        if text.len() >= 19 {
            let (head, found) = text.split_at(text.len() - 1);
            let (found, expected) = (found.chars().next().unwrap_or('0'), luhn(head));
            if found != expected {
                return Err(IdError::CheckDigit { kind: "ICCID", found, expected });
            }
        }
        Ok(Self(Digits::of(text)))
    }
}

impl Iccid {
    /// The ICCID `n` cards further on, with its check digit. `None` where the digits overflow.
    pub fn plus(&self, n: u32) -> Option<Self> {
        let own = self.as_str();
        let body = if own.len() >= 19 { &own[..own.len() - 1] } else { own };
        let next = body.parse::<u128>().ok()? + u128::from(n);
        let text = format!("{next:0width$}", width = body.len());
        if text.len() != body.len() {
            return None;
        }
        let check = luhn(&text);
        Some(Self(Digits::of(&if own.len() >= 19 { format!("{text}{check}") } else { text })))
    }
}

/// An eUICC Identifier: 32 digits whose value modulo 97 is 1 (GSMA SGP.29).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Eid(Digits<32>);
text_id!(Eid);

fn mod97(digits: &str) -> u32 {
    digits.bytes().fold(0, |rest, b| (rest * 10 + u32::from(b - b'0')) % 97)
}

impl FromStr for Eid {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        digits("EID", text, 32..=32, "32")?;
        let check = 98 - mod97(&format!("{}00", &text[..30]));
        let expected = format!("{check:02}");
        if let Some((found, expected)) =
            text[30..].chars().zip(expected.chars()).find(|(found, expected)| found != expected)
        {
            return Err(IdError::CheckDigit { kind: "EID", found, expected });
        }
        Ok(Self(Digits::of(text)))
    }
}

impl Eid {
    /// The EID `n` cards further on, with its check digits. `None` where the digits overflow.
    pub fn plus(&self, n: u32) -> Option<Self> {
        let next = self.as_str()[..30].parse::<u128>().ok()? + u128::from(n);
        let body = format!("{next:030}");
        (body.len() == 30).then(|| {
            let check = 98 - mod97(&format!("{body}00"));
            Self(Digits::of(&format!("{body}{check:02}")))
        })
    }
}

/// An International Mobile station Equipment Identity: 15 digits, the last a Luhn check digit
/// (TS 23.003 clause 6.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Imei(Digits<15>);
text_id!(Imei);

impl FromStr for Imei {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        digits("IMEI", text, 15..=15, "15")?;
        let (found, expected) = (text.chars().nth(14).unwrap_or('0'), luhn(&text[..14]));
        if found != expected {
            return Err(IdError::CheckDigit { kind: "IMEI", found, expected });
        }
        Ok(Self(Digits::of(text)))
    }
}

impl Imei {
    /// The IMEI of device number `n` of the test type allocation code 00101301.
    pub fn test(n: u32) -> Self {
        Self::of_model(Self::TEST_TAC, n)
    }

    /// The type allocation code of the lab's devices.
    pub const TEST_TAC: Tac = Tac(*b"00101301");

    /// The IMEI of device number `n` of the model with this type allocation code.
    pub fn of_model(tac: Tac, n: u32) -> Self {
        let body = format!("{tac}{:06}", n % 1_000_000);
        let check = luhn(&body);
        Self(Digits::of(&format!("{body}{check}")))
    }

    /// The model of the equipment.
    pub fn tac(&self) -> Tac {
        let mut digits = *b"00000000";
        digits.copy_from_slice(&self.as_str().as_bytes()[..8]);
        Tac(digits)
    }
}

/// A type allocation code (TS 23.003 clause 6.2.1): eight digits that stand for a model of equipment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tac([u8; 8]);

impl std::fmt::Display for Tac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl std::str::FromStr for Tac {
    type Err = BadTac;

    fn from_str(text: &str) -> Result<Self, BadTac> {
        let digits: [u8; 8] = text.as_bytes().try_into().map_err(|_| BadTac(text.to_owned()))?;
        match digits.iter().all(u8::is_ascii_digit) {
            true => Ok(Self(digits)),
            false => Err(BadTac(text.to_owned())),
        }
    }
}

/// A text that is no type allocation code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no type allocation code: eight digits")]
pub struct BadTac(String);

/// A Public Land Mobile Network: MCC of three digits and MNC of two or three (TS 23.003 clause 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Plmn {
    digits: [u8; 6],
    mnc_len: u8,
}

impl FromStr for Plmn {
    type Err = IdError;
    /// Reads `MCC-MNC`, as in `001-01`.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (mcc, mnc) =
            text.split_once('-').unwrap_or((text.get(..3).unwrap_or(text), text.get(3..).unwrap_or("")));
        digits("MCC", mcc, 3..=3, "3")?;
        digits("MNC", mnc, 2..=3, "2 or 3")?;
        let mut digits = [b'0'; 6];
        digits[..3].copy_from_slice(mcc.as_bytes());
        digits[3..3 + mnc.len()].copy_from_slice(mnc.as_bytes());
        Ok(Self { digits, mnc_len: mnc.len() as u8 })
    }
}

impl Plmn {
    /// The test network 001-01.
    pub const fn test() -> Self {
        Self { digits: *b"001010", mnc_len: 2 }
    }

    /// The Mobile Country Code.
    pub fn mcc(&self) -> &str {
        std::str::from_utf8(&self.digits[..3]).unwrap_or("000")
    }

    /// The Mobile Network Code.
    pub fn mnc(&self) -> &str {
        std::str::from_utf8(&self.digits[3..3 + usize::from(self.mnc_len)]).unwrap_or("00")
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.mcc(), self.mnc())
    }
}

impl TryFrom<String> for Plmn {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Plmn> for String {
    fn from(plmn: Plmn) -> String {
        plmn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits() {
        // SGP.29's own example of an EID, and the IMEI and ICCID of their defining documents' arithmetic.
        assert!("89049032123451234512345678901235".parse::<Eid>().is_ok());
        assert!(matches!("89049032123451234512345678901234".parse::<Eid>(), Err(IdError::CheckDigit { .. })));
        assert!("490154203237518".parse::<Imei>().is_ok());
        assert!("490154203237517".parse::<Imei>().is_err());
        assert!("8988211000000000011".parse::<Iccid>().is_ok());
        assert!("8988211000000000016".parse::<Iccid>().is_err());
    }

    #[test]
    fn the_filler_of_an_iccid_is_no_part_of_it() {
        let number: Iccid = "8988211000000000011".parse().unwrap();
        for filled in ["8988211000000000011F", "8988211000000000011f"] {
            assert_eq!(filled.parse::<Iccid>(), Ok(number.clone()));
        }
        assert_eq!(number.as_str(), "8988211000000000011");
        assert_eq!("898821100000000001FF".parse::<Iccid>().unwrap().as_str(), "898821100000000001");
        for wrong in [
            "8988211000000000011FF",
            "89882110000000F00011",
            "8988211000000000016F",
            "F",
            "FFFFFFFFFFFFFFFFFFFF",
        ] {
            assert!(wrong.parse::<Iccid>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn successors_stay_valid() {
        let eid: Eid = "89049032123451234512345678901235".parse().unwrap();
        assert!(eid.plus(12345).unwrap().as_str().parse::<Eid>().is_ok());
        let iccid: Iccid = "8988211000000000011".parse().unwrap();
        assert!(iccid.plus(999).unwrap().as_str().parse::<Iccid>().is_ok());
        let imsi: Imsi = "001010000000001".parse().unwrap();
        assert_eq!(imsi.plus(9).unwrap().as_str(), "001010000000010");
        assert_eq!("001019999999999".parse::<Imsi>().unwrap().plus(1), None);
        assert!(Imei::test(77).as_str().parse::<Imei>().is_ok());
    }

    #[test]
    fn plmn_keeps_the_length_of_its_mnc() {
        assert_eq!("001-01".parse::<Plmn>().unwrap().to_string(), "001-01");
        assert_eq!("001-01".parse::<Plmn>().unwrap(), Plmn::test());
        assert_eq!("310-410".parse::<Plmn>().unwrap().mnc(), "410");
        assert!("1-01".parse::<Plmn>().is_err());
    }
}
