//! Reading and writing octets: big-endian numbers, fields in a row, padding.

use super::code::{Code, OpenflowError};

/// What is left to be read. What is missing is refused with `short`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    short: OpenflowShort,
}

/// How it is refused that octets are missing.
#[derive(Debug, Clone, Copy)]
struct OpenflowShort {
    code: Code,
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(octets: &'a [u8], code: Code, what: &'static str) -> Self {
        Self { rest: octets, short: OpenflowShort { code, what } }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], OpenflowError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.refuse())?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], OpenflowError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.refuse())?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn u8(&mut self) -> Result<u8, OpenflowError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub fn u16(&mut self) -> Result<u16, OpenflowError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, OpenflowError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, OpenflowError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Passes over `count` octets, whatever they are (clause 7.1: padding).
    pub fn pad(&mut self, count: usize) -> Result<(), OpenflowError> {
        self.take(count).map(drop)
    }

    /// A text in a field of `count` octets that ends at its first zero, at the last octet at the latest. It is ASCII
    /// (OpenFlow 1.3 clause 7.2.1 has names in it); what is none is read as `?`, octet by octet, so that it is written again as
    /// long as it was.
    pub fn text(&mut self, count: usize) -> Result<String, OpenflowError> {
        let field = self.take(count)?;
        let end = field.iter().position(|octet| *octet == 0).unwrap_or(count).min(count.saturating_sub(1));
        let letter = |octet: &u8| if octet.is_ascii() { char::from(*octet) } else { '?' };
        Ok(field[..end].iter().map(letter).collect())
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), OpenflowError> {
        if self.is_empty() { Ok(()) } else { Err(self.refuse()) }
    }

    /// A reader of the next `count` octets.
    pub fn part(&mut self, count: usize, code: Code, what: &'static str) -> Result<Self, OpenflowError> {
        let cut = OpenflowError::refused(code, what);
        let (part, rest) = self.rest.split_at_checked(count).ok_or(cut)?;
        self.rest = rest;
        Ok(Self::new(part, code, what))
    }

    fn refuse(&self) -> OpenflowError {
        OpenflowError::refused(self.short.code, self.short.what)
    }
}

/// Octets that are being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub octets: Vec<u8>,
}

impl Writer {
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    pub fn bytes(&mut self, octets: &[u8]) -> &mut Self {
        self.octets.extend_from_slice(octets);
        self
    }

    /// `count` octets of zero.
    pub fn pad(&mut self, count: usize) -> &mut Self {
        self.octets.resize(self.octets.len() + count, 0);
        self
    }

    /// A text in a field of `count` octets, cut where it is longer than all but one of them.
    pub fn text(&mut self, text: &str, count: usize) -> &mut Self {
        let mut end = text.len().min(count - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes(&text.as_bytes()[..end]).pad(count - end)
    }

    /// Fills up, since `start`, to a multiple of eight octets.
    pub fn align(&mut self, start: usize) -> &mut Self {
        let length = self.octets.len() - start;
        self.pad(length.next_multiple_of(8) - length)
    }

    /// Writes the length of what was written since `start` into the two octets at `at`.
    pub fn set_length(&mut self, start: usize, at: usize) -> Result<(), OpenflowError> {
        let length = self.octets.len() - start;
        let short = u16::try_from(length).map_err(|_| OpenflowError::TooLong { length })?;
        self.octets[at..at + 2].copy_from_slice(&short.to_be_bytes());
        Ok(())
    }
}
