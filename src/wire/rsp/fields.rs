//! The small layer of DER under the messages: a reader that names the field it fails at, and a writer.

use super::RspError;
use crate::wire::tlv;

/// The fields of a constructed data object, read in their order.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of `bytes`, which are those of a message already opened.
    pub(crate) fn of(message: &'static str, bytes: &'a [u8]) -> Self {
        Self { message, rest: bytes }
    }

    /// Opens a message that is one data object with `tag` and nothing behind it.
    pub(crate) fn open(message: &'static str, tag: u16, bytes: &'a [u8]) -> Result<Self, RspError> {
        let mut outer = Self::of(message, bytes);
        let value = outer.take(tag, "the message")?;
        if !outer.rest.is_empty() {
            return Err(outer.wrong("the message", "bytes follow behind its end"));
        }
        Ok(Self::of(message, value))
    }

    /// The tag of the next field; none at the end.
    pub(crate) fn peek(&self) -> Option<u16> {
        tlv::header(self.rest).ok().map(|(tag, ..)| tag)
    }

    /// What is left, not yet read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The value of the next field, which must have `tag`.
    pub(crate) fn take(&mut self, tag: u16, field: &'static str) -> Result<&'a [u8], RspError> {
        self.take_both(tag, field).map(|(_, value)| value)
    }

    /// The next field with its tag and length, as it was received.
    pub(crate) fn take_raw(&mut self, tag: u16, field: &'static str) -> Result<&'a [u8], RspError> {
        self.take_both(tag, field).map(|(raw, _)| raw)
    }

    fn take_both(&mut self, tag: u16, field: &'static str) -> Result<(&'a [u8], &'a [u8]), RspError> {
        let message = self.message;
        if self.rest.is_empty() {
            return Err(RspError::Tag { message, field, expected: tag, found: None });
        }
        let tlv_error = |cause| RspError::Tlv { message, field, cause };
        let (found, length, value) = tlv::header(self.rest).map_err(tlv_error)?;
        if found != tag {
            return Err(RspError::Tag { message, field, expected: tag, found: Some(found) });
        }
        let Some((value, rest)) = value.split_at_checked(length) else {
            return Err(tlv_error(tlv::TlvError::Value { tag, announced: length, found: value.len() }));
        };
        let raw = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok((raw, value))
    }

    /// The value of the next field if it has `tag`.
    pub(crate) fn optional(&mut self, tag: u16, field: &'static str) -> Result<Option<&'a [u8]>, RspError> {
        if self.peek() == Some(tag) { self.take(tag, field).map(Some) } else { Ok(None) }
    }

    /// The next field as it was received, if it has `tag`.
    pub(crate) fn optional_raw(
        &mut self,
        tag: u16,
        field: &'static str,
    ) -> Result<Option<&'a [u8]>, RspError> {
        if self.peek() == Some(tag) { self.take_raw(tag, field).map(Some) } else { Ok(None) }
    }

    /// The next field, opened.
    pub(crate) fn nested(&mut self, tag: u16, field: &'static str) -> Result<Fields<'a>, RspError> {
        Ok(Self::of(self.message, self.take(tag, field)?))
    }

    /// A field of exactly `N` bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        tag: u16,
        field: &'static str,
    ) -> Result<[u8; N], RspError> {
        let value = self.take(tag, field)?;
        self.exactly(value, field)
    }

    /// `value` as the array that a field of fixed length is.
    pub(crate) fn exactly<const N: usize>(
        &self,
        value: &[u8],
        field: &'static str,
    ) -> Result<[u8; N], RspError> {
        let expected = match N {
            3 => "3 are",
            10 => "10 are",
            16 => "16 are",
            32 => "32 are",
            64 => "64 are",
            65 => "65 are",
            _ => "another number is",
        };
        let length = RspError::Length { message: self.message, field, found: value.len(), expected };
        value.try_into().map_err(|_| length)
    }

    /// A field that is text.
    pub(crate) fn text(&mut self, tag: u16, field: &'static str) -> Result<String, RspError> {
        let value = self.take(tag, field)?;
        self.utf8(value, field)
    }

    pub(crate) fn optional_text(
        &mut self,
        tag: u16,
        field: &'static str,
    ) -> Result<Option<String>, RspError> {
        self.optional(tag, field)?.map(|value| self.utf8(value, field)).transpose()
    }

    pub(crate) fn utf8(&self, value: &[u8], field: &'static str) -> Result<String, RspError> {
        String::from_utf8(value.to_vec()).map_err(|_| self.wrong(field, "it is not UTF-8"))
    }

    /// A field that is an INTEGER from 0 to 2^63 - 1.
    pub(crate) fn integer(&mut self, tag: u16, field: &'static str) -> Result<u64, RspError> {
        let value = self.take(tag, field)?;
        self.number(value, field)
    }

    pub(crate) fn optional_integer(
        &mut self,
        tag: u16,
        field: &'static str,
    ) -> Result<Option<u64>, RspError> {
        self.optional(tag, field)?.map(|value| self.number(value, field)).transpose()
    }

    /// A field that is an INTEGER of 64 bits, which may be negative.
    pub(crate) fn optional_signed(&mut self, tag: u16, field: &'static str) -> Result<Option<i64>, RspError> {
        let Some(value) = self.optional(tag, field)? else { return Ok(None) };
        match value {
            [] => Err(self.wrong(field, "an INTEGER has one byte or more")),
            [first, ..] if value.len() <= 8 => {
                let sign = if *first & 0x80 == 0 { 0 } else { -1 };
                Ok(Some(value.iter().fold(sign, |sum: i64, byte| sum << 8 | i64::from(*byte))))
            }
            _ => Err(self.wrong(field, "it is beyond 64 bits")),
        }
    }

    fn number(&self, value: &[u8], field: &'static str) -> Result<u64, RspError> {
        match value {
            [] => Err(self.wrong(field, "an INTEGER has one byte or more")),
            [0x80..=0xff, ..] => Err(self.wrong(field, "it is negative")),
            [0, rest @ ..] | rest if rest.len() <= 8 => {
                Ok(rest.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
            }
            _ => Err(self.wrong(field, "it is beyond 64 bits")),
        }
    }

    /// A field that is a BIT STRING of named bits: the first eight of them, bit 0 in the most significant place.
    pub(crate) fn bits(&mut self, tag: u16, field: &'static str) -> Result<u8, RspError> {
        let value = self.take(tag, field)?;
        self.first_bits(value, field)
    }

    pub(crate) fn first_bits(&self, value: &[u8], field: &'static str) -> Result<u8, RspError> {
        match value {
            [0] => Ok(0),
            [unused @ 0..=7, first, rest @ ..] => {
                Ok(if rest.is_empty() { first & (0xffu8 << unused) } else { *first })
            }
            _ => Err(self.wrong(field, "it is no BIT STRING")),
        }
    }

    /// A field that is a BOOLEAN.
    pub(crate) fn boolean(&mut self, tag: u16, field: &'static str) -> Result<bool, RspError> {
        match self.take(tag, field)? {
            [value] => Ok(*value != 0),
            _ => Err(self.wrong(field, "a BOOLEAN has one byte")),
        }
    }

    pub(crate) fn wrong(&self, field: &'static str, problem: &'static str) -> RspError {
        RspError::Value { message: self.message, field, problem }
    }
}

/// A data object of `parts`, one behind the other.
pub(crate) fn tlv(tag: u16, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    tlv::push(&mut out, tag, &parts.concat());
    out
}

/// An INTEGER that is not negative, in the fewest bytes.
pub(crate) fn int(tag: u16, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(7);
    // A leading one would make it negative.
    let sign: &[u8] = if bytes[first] & 0x80 != 0 { &[0] } else { &[] };
    tlv(tag, &[sign, &bytes[first..]])
}

/// An INTEGER, in the fewest bytes.
pub(crate) fn signed_int(tag: u16, value: i64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    // A leading byte says nothing where the next one has the same sign (X.690 clause 8.3.2).
    let spare = |pair: &&[u8]| matches!(pair, [0, 0..=0x7f] | [0xff, 0x80..=0xff]);
    let first = bytes.windows(2).take_while(spare).count();
    tlv(tag, &[&bytes[first..]])
}

/// A BIT STRING of named bits, without the zeros behind the last one (X.690 clause 11.2.2).
pub(crate) fn bits(tag: u16, value: u8) -> Vec<u8> {
    match value {
        0 => tlv(tag, &[&[0]]),
        value => tlv(tag, &[&[value.trailing_zeros() as u8, value]]),
    }
}

/// A BOOLEAN (X.690 clause 11.1).
pub(crate) fn boolean(tag: u16, value: bool) -> Vec<u8> {
    tlv(tag, &[&[if value { 0xff } else { 0x00 }]])
}

/// A data object of text; none where there is none.
pub(super) fn optional_text(tag: u16, text: Option<&str>) -> Vec<u8> {
    text.map(|text| tlv(tag, &[text.as_bytes()])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_the_fewest_bytes() {
        for (value, encoded) in [(0u64, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100")] {
            assert_eq!(hex::encode(int(0x02, value)), encoded);
            assert_eq!(Fields::of("m", &int(0x02, value)).integer(0x02, "f"), Ok(value));
        }
        for (value, encoded) in
            [(0, "020100"), (-1, "0201ff"), (-128, "020180"), (-129, "0202ff7f"), (128, "02020080")]
        {
            assert_eq!(hex::encode(signed_int(0x02, value)), encoded);
        }
        for value in [0, 1, -1, 127, 128, -128, -129, i64::MIN, i64::MAX] {
            assert_eq!(Fields::of("m", &signed_int(0x02, value)).optional_signed(0x02, "f"), Ok(Some(value)));
        }
        let most = int(0x02, u64::MAX);
        assert_eq!(Fields::of("m", &most).integer(0x02, "f"), Ok(u64::MAX));
        assert!(Fields::of("m", &[0x02, 1, 0x80]).integer(0x02, "f").is_err());
        assert!(Fields::of("m", &[0x02, 0]).integer(0x02, "f").is_err());
    }

    #[test]
    fn named_bits_lose_the_zeros_behind_the_last_one() {
        for (value, encoded) in [(0u8, "810100"), (0x80, "81020780"), (0x10, "81020410"), (0xf0, "810204f0")]
        {
            assert_eq!(hex::encode(bits(0x81, value)), encoded);
            assert_eq!(Fields::of("m", &bits(0x81, value)).bits(0x81, "f"), Ok(value));
        }
        // Unused bits are not read, whatever they are.
        assert_eq!(Fields::of("m", &[0x81, 2, 7, 0xff]).bits(0x81, "f"), Ok(0x80));
    }

    #[test]
    fn a_field_that_is_not_there_is_named() {
        let bytes = tlv(0xbf20, &[&tlv(0x82, &[&[2, 5, 0]])]);
        let mut fields = Fields::open("EUICCInfo1", 0xbf20, &bytes).unwrap();
        assert_eq!(fields.array::<3>(0x82, "svn"), Ok([2, 5, 0]));
        let error = fields.take(0xa9, "euiccCiPKIdListForVerification").unwrap_err();
        assert_eq!(
            error.to_string(),
            "EUICCInfo1: tag A9 is expected for euiccCiPKIdListForVerification, found the end"
        );
        let error = Fields::open("EUICCInfo1", 0xbf20, &[&bytes[..], &[0]].concat()).unwrap_err();
        assert_eq!(error.to_string(), "EUICCInfo1: the message: bytes follow behind its end");
    }
}
