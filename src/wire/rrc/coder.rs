//! Unaligned PER (ITU-T X.691), as far as TS 36.331 uses it: one [`Coder`] that reads or writes, so that each type says
//! once of what it consists.

use super::error::{Cause, Error};

/// The longest RRC message: what a PDCP PDU holds (TS 36.323 clause 4.3.1).
pub const LONGEST: usize = 8188;
/// The most octets behind a length determinant that has no fragments (X.691 clause 11.9.3.6).
const UNFRAGMENTED: u64 = 16_383;

/// Reads a message bit by bit, or writes one.
#[derive(Debug)]
pub struct Coder<'a> {
    way: Way<'a>,
}

#[derive(Debug)]
enum Way<'a> {
    Read {
        octets: &'a [u8],
        at: usize,
    },
    Write {
        octets: Vec<u8>,
        count: usize,
    },
    /// Draws any value of a type out of the octets, which begin anew at their end.
    #[cfg(test)]
    Draw {
        octets: &'a [u8],
        at: usize,
    },
}

/// A type that is read and written by one function.
pub trait Code: Default {
    /// Its bit in the preamble of the SEQUENCE that it is a component of, where it has one: whether it is there.
    fn flag(&mut self, _: &mut Coder<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Itself.
    fn code(&mut self, c: &mut Coder<'_>) -> Result<(), Error>;
}

/// Bits that are needed to tell `count` values apart.
fn width(count: u64) -> u32 {
    u64::BITS - count.saturating_sub(1).leading_zeros()
}

impl<'a> Coder<'a> {
    /// A reader. Fails on more octets than a message can have.
    pub fn reader(octets: &'a [u8]) -> Result<Self, Error> {
        if octets.len() > LONGEST {
            return Err(Cause::TooLong.into());
        }
        Ok(Self { way: Way::Read { octets, at: 0 } })
    }

    /// A writer.
    pub fn writer() -> Self {
        Self { way: Way::Write { octets: Vec::new(), count: 0 } }
    }

    #[cfg(test)]
    pub(super) fn drawing(octets: &'a [u8]) -> Self {
        Self { way: Way::Draw { octets, at: 0 } }
    }

    /// Whether values come out of it.
    pub fn reads(&self) -> bool {
        !matches!(self.way, Way::Write { .. })
    }

    /// Whether it makes values up, of which each is to be one that can be written.
    fn draws(&self) -> bool {
        #[cfg(test)]
        if matches!(self.way, Way::Draw { .. }) {
            return true;
        }
        false
    }

    /// The octets that were written, the last filled up with zeros. Fails where they are too many for a message.
    pub fn written(self) -> Result<Vec<u8>, Error> {
        match self.way {
            // A message has one octet at least (X.691 clause 11.1.3).
            Way::Write { octets, .. } if octets.is_empty() => Ok(vec![0]),
            Way::Write { octets, .. } if octets.len() <= LONGEST => Ok(octets),
            _ => Err(Cause::TooLong.into()),
        }
    }

    /// How many bits have not been read yet.
    pub fn left(&self) -> usize {
        match &self.way {
            Way::Read { octets, at } => octets.len() * 8 - at,
            Way::Write { .. } => 0,
            #[cfg(test)]
            Way::Draw { octets, .. } => octets.len(),
        }
    }

    /// `count` bits, at most 64, as the last of a number.
    pub fn bits(&mut self, count: u32, value: &mut u64) -> Result<(), Error> {
        match &mut self.way {
            Way::Read { octets, at } => {
                *value = peek(octets, *at, count).ok_or(Cause::Truncated)?;
                *at += count as usize;
            }
            Way::Write { octets, count: written } => {
                for place in (0..count).rev() {
                    if *written % 8 == 0 {
                        octets.push(0);
                    }
                    if *value >> place & 1 == 1 {
                        octets[*written / 8] |= 0x80 >> (*written % 8);
                    }
                    *written += 1;
                }
            }
            #[cfg(test)]
            Way::Draw { octets, at } => {
                *value = 0;
                for _ in 0..count {
                    let octet = octets.get(*at / 8 % octets.len().max(1)).copied().unwrap_or(0);
                    *value = *value << 1 | u64::from(octet >> (7 - *at % 8) & 1);
                    *at += 1;
                }
            }
        }
        Ok(())
    }

    /// Takes `count` bits where they are `value`, and says whether they are.
    pub fn matches(&mut self, count: u32, value: u64) -> bool {
        match &mut self.way {
            Way::Read { octets, at } if peek(octets, *at, count) == Some(value) => {
                *at += count as usize;
                true
            }
            _ => false,
        }
    }

    /// One bit.
    pub fn bit(&mut self, value: &mut bool) -> Result<(), Error> {
        let mut number = u64::from(*value);
        self.bits(1, &mut number)?;
        *value = number == 1;
        Ok(())
    }

    /// One of `count` values, as its number from 0 (a constrained whole number, X.691 clause 11.5.6).
    pub fn one_of(&mut self, count: u64, value: &mut u64) -> Result<(), Error> {
        if !self.reads() && *value >= count {
            return Err(Cause::Range.into());
        }
        self.bits(width(count), value)?;
        if self.draws() {
            *value %= count;
        }
        if *value < count { Ok(()) } else { Err(Cause::Range.into()) }
    }

    /// The bit that says that something later than the root follows, which is `what`: written as none, refused where it
    /// comes.
    pub fn no_extension(&mut self, what: &'static str) -> Result<(), Error> {
        let mut later = false;
        self.bit(&mut later)?;
        if later && !self.draws() { Err(Cause::Unspoken(what).into()) } else { Ok(()) }
    }

    /// The same of a choice of which only the first alternative is spoken, `count` bits wide.
    pub fn first_only(&mut self, count: u32, what: &'static str) -> Result<(), Error> {
        let mut other = 0;
        self.bits(count, &mut other)?;
        if other != 0 && !self.draws() { Err(Cause::Unspoken(what).into()) } else { Ok(()) }
    }

    /// The bit of an extensible SEQUENCE: whether additions follow its root, for [`Self::skip_additions`].
    pub fn extended(&mut self) -> Result<bool, Error> {
        let mut extended = false;
        self.bit(&mut extended)?;
        Ok(extended && !self.draws())
    }

    /// Passes over the additions of a SEQUENCE (X.691 clause 19.7).
    pub fn skip_additions(&mut self, extended: bool) -> Result<(), Error> {
        if !extended {
            return Ok(());
        }
        let mut large = false;
        self.bit(&mut large)?;
        let mut count = 0;
        if large {
            count = self.length(0)? as u64;
        } else {
            self.bits(6, &mut count)?;
            count += 1;
        }
        let mut present = 0;
        for _ in 0..count {
            let mut one = false;
            self.bit(&mut one)?;
            present += usize::from(one);
        }
        for _ in 0..present {
            let octets = self.length(0)?;
            self.skip(octets.saturating_mul(8))?;
        }
        Ok(())
    }

    fn skip(&mut self, count: usize) -> Result<(), Error> {
        if count > self.left() {
            return Err(Cause::Truncated.into());
        }
        if let Way::Read { at, .. } = &mut self.way {
            *at += count;
        }
        Ok(())
    }

    /// A length determinant without a bound (X.691 clause 11.9).
    fn length(&mut self, own: usize) -> Result<usize, Error> {
        let mut value = own as u64;
        if !self.reads() && value > UNFRAGMENTED {
            return Err(Cause::Fragmented.into());
        }
        let mut long = value > 127;
        self.bit(&mut long)?;
        if long && !self.draws() {
            let mut fragmented = false;
            self.bit(&mut fragmented)?;
            if fragmented {
                return Err(Cause::Fragmented.into());
            }
            self.bits(14, &mut value)?;
        } else {
            self.bits(7, &mut value)?;
        }
        Ok(value as usize)
    }

    /// An OCTET STRING without a bound.
    pub fn octets(&mut self, value: &mut Vec<u8>) -> Result<(), Error> {
        let length = self.length(value.len())?;
        if self.reads() {
            if length.saturating_mul(8) > self.left() && !self.draws() {
                return Err(Cause::Truncated.into());
            }
            *value = vec![0; length];
        }
        for octet in value {
            let mut number = u64::from(*octet);
            self.bits(8, &mut number)?;
            *octet = number as u8;
        }
        Ok(())
    }

    /// Whatever is left, as single bits.
    pub fn rest(&mut self, value: &mut Vec<bool>) -> Result<(), Error> {
        if self.reads() {
            *value = vec![false; self.left()];
        }
        value.iter_mut().try_for_each(|bit| self.bit(bit))
    }

    /// The end of a message: nothing but zeros fills up its last octet, or, on a channel whose blocks have a size of their
    /// own (`padded`), what octets follow.
    pub fn end(&mut self, padded: bool) -> Result<(), Error> {
        if self.left() >= 8 && !padded {
            return Err(Cause::Trailing.into());
        }
        while self.left() > 0 {
            let mut one = false;
            self.bit(&mut one)?;
            if one {
                return Err(Cause::Trailing.into());
            }
        }
        Ok(())
    }
}

fn peek(octets: &[u8], at: usize, count: u32) -> Option<u64> {
    let count = count as usize;
    if at + count > octets.len() * 8 {
        return None;
    }
    let bit = |place: usize| u64::from(octets[place / 8] >> (7 - place % 8) & 1);
    Some((at..at + count).fold(0, |value, place| value << 1 | bit(place)))
}
