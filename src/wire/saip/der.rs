//! DER (ITU-T X.690 clause 10) as far as profile packages use it: tags of one or two bytes, definite lengths in as
//! few bytes as possible, integers without leading zeros. Strict, so that what is read is written back byte for
//! byte. Every fault knows its place.

use std::fmt;

use super::error::PeStatusCode;

/// Why a value is not what the ASN.1 module says, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Names from the outermost field to the one that is wrong.
    pub(super) path: String,
    pub(super) cause: String,
    pub(super) status: PeStatusCode,
    /// Bytes from the start of the element.
    pub(super) offset: Option<usize>,
}

impl Fault {
    pub(super) fn new(status: PeStatusCode, cause: impl Into<String>) -> Self {
        Self { path: String::new(), cause: cause.into(), status, offset: None }
    }

    /// A fault of the encoding.
    fn format(offset: usize, cause: impl Into<String>) -> Self {
        let fault = Self::new(PeStatusCode::INVALID_REQUEST_FORMAT, cause);
        Self { offset: Some(offset), ..fault }
    }

    /// The same, seen from the field that encloses it.
    pub(super) fn within(mut self, name: &str) -> Self {
        self.path = if self.path.is_empty() { name.to_owned() } else { format!("{name}/{}", self.path) };
        self
    }
}

/// Names the field that a fault is in.
pub(super) trait Within {
    fn within(self, name: &str) -> Self;
}

impl<T> Within for Result<T, Fault> {
    fn within(self, name: &str) -> Self {
        self.map_err(|fault| fault.within(name))
    }
}

/// Context-specific primitive tag.
pub(super) const fn context(number: u8) -> u16 {
    if number < 31 { 0x80 | number as u16 } else { 0x9f00 | number as u16 }
}

/// Context-specific constructed tag.
pub(super) const fn constructed(number: u8) -> u16 {
    if number < 31 { 0xa0 | number as u16 } else { 0xbf00 | number as u16 }
}

pub(super) const INTEGER: u16 = 0x02;
pub(super) const OCTETS: u16 = 0x04;
pub(super) const OID: u16 = 0x06;
pub(super) const SEQUENCE: u16 = 0x30;

/// A field that this version of the specification does not know: kept, so that it is written back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its one or two bytes, big-endian.
    pub tag: u16,
    /// Everything behind its length.
    pub value: Vec<u8>,
}

/// One object of the encoding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) tag: u16,
    pub(super) value: &'a [u8],
    /// Where its tag stands, and where its value does.
    pub(super) offset: usize,
    start: usize,
}

impl<'a> Object<'a> {
    /// Reads the object at the start of `bytes`, which stand at `offset`. Returns it with what follows.
    pub(super) fn read(bytes: &'a [u8], offset: usize) -> Result<(Self, &'a [u8]), Fault> {
        let (tag, tag_length) = match bytes {
            [a, b, ..] if a & 0x1f == 0x1f && b & 0x80 != 0 => {
                return Err(Fault::format(
                    offset,
                    "a tag of three bytes or more, which the format does not use",
                ));
            }
            [a, b, ..] if a & 0x1f == 0x1f && *b < 31 => {
                return Err(Fault::format(offset, format!("tag {a:02X}{b:02X} is not written in one byte")));
            }
            [a, b, ..] if a & 0x1f == 0x1f => (u16::from_be_bytes([*a, *b]), 2),
            [a, ..] if a & 0x1f != 0x1f => (u16::from(*a), 1),
            _ => return Err(Fault::format(offset, "cut off inside a tag")),
        };
        let rest = &bytes[tag_length..];
        let length_bytes = match rest.first() {
            None => return Err(Fault::format(offset, format!("cut off behind tag {tag:02X}"))),
            Some(0..=0x7f) => 0,
            Some(first @ 0x81..=0x83) => usize::from(first & 0x0f),
            Some(first) => {
                let cause = format!(
                    "length byte {first:02X} of tag {tag:02X}: DER has definite lengths only, here of 16 MiB at most"
                );
                return Err(Fault::format(offset, cause));
            }
        };
        let Some((digits, value)) = rest[1..].split_at_checked(length_bytes) else {
            return Err(Fault::format(offset, format!("cut off inside the length of tag {tag:02X}")));
        };
        let length = match digits {
            [] => usize::from(rest[0]),
            digits => digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
        };
        if digits.first() == Some(&0) || (digits.len() == 1 && length < 0x80) {
            let cause =
                format!("the length of tag {tag:02X} takes more bytes than it needs, which DER forbids");
            return Err(Fault::format(offset, cause));
        }
        let Some((value, rest)) = value.split_at_checked(length) else {
            let cause = format!("tag {tag:02X} announces {length} bytes, {} are there", value.len());
            return Err(Fault::format(offset, cause));
        };
        let start = offset + tag_length + 1 + length_bytes;
        Ok((Self { tag, value, offset, start }, rest))
    }

    /// The objects inside.
    pub(super) fn objects(&self) -> Result<Vec<Self>, Fault> {
        let (mut rest, mut offset) = (self.value, self.start);
        let mut objects = Vec::new();
        while !rest.is_empty() {
            let (object, behind) = Self::read(rest, offset)?;
            offset += rest.len() - behind.len();
            rest = behind;
            objects.push(object);
        }
        Ok(objects)
    }

    /// The objects inside, as the fields of a SEQUENCE.
    pub(super) fn fields(&self) -> Result<Fields<'a>, Fault> {
        Ok(Fields { objects: self.objects()?, at: 0, asked: Vec::new(), end: self.start + self.value.len() })
    }

    /// The elements of a SEQUENCE OF whose elements have `tag`.
    pub(super) fn list<T>(
        &self,
        tag: u16,
        read: impl Fn(&Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut list = Vec::new();
        for (number, object) in self.objects()?.iter().enumerate() {
            let element = if object.tag == tag {
                read(object)
            } else {
                Err(object.wrong(format!("tag {:02X} where {tag:02X} belongs", object.tag)))
            };
            list.push(element.within(&format!("[{number}]"))?);
        }
        Ok(list)
    }

    /// An integer from 0 to `max`.
    pub(super) fn integer(&self, max: u32) -> Result<u32, Fault> {
        let value = match self.value {
            [] => return Err(self.wrong("an integer without a byte")),
            [0x80..=0xff, ..] => {
                return Err(self.bad(format!("a negative number; 0 to {max} may stand here")));
            }
            [0, 0..=0x7f, ..] => return Err(self.wrong("an integer with a leading zero, which DER forbids")),
            digits if digits.len() > 5 => return Err(self.bad(format!("a number above {max}"))),
            digits => digits.iter().fold(0u64, |sum, digit| sum << 8 | u64::from(*digit)),
        };
        u32::try_from(value)
            .ok()
            .filter(|value| *value <= max)
            .ok_or_else(|| self.bad(format!("{value}; 0 to {max} may stand here")))
    }

    pub(super) fn byte(&self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    /// Exactly `N` bytes.
    pub(super) fn array<const N: usize>(&self) -> Result<[u8; N], Fault> {
        self.value.try_into().map_err(|_| self.bad(format!("{} bytes; {N} belong here", self.value.len())))
    }

    /// Between `min` and `max` bytes.
    pub(super) fn octets(&self, min: usize, max: usize) -> Result<Vec<u8>, Fault> {
        if (min..=max).contains(&self.value.len()) {
            return Ok(self.value.to_vec());
        }
        Err(self.bad(format!("{} bytes; {min} to {max} may stand here", self.value.len())))
    }

    /// An application identifier.
    pub(super) fn aid(&self) -> Result<Vec<u8>, Fault> {
        self.octets(5, 16)
    }

    pub(super) fn null(&self) -> Result<(), Fault> {
        if self.value.is_empty() { Ok(()) } else { Err(self.wrong("NULL with content")) }
    }

    pub(super) fn oid(&self) -> Result<Oid, Fault> {
        Oid::from_body(self.value).ok_or_else(|| self.wrong("no object identifier"))
    }

    pub(super) fn raw(&self) -> Raw {
        Raw { tag: self.tag, value: self.value.to_vec() }
    }

    /// A fault of the encoding at this object.
    pub(super) fn wrong(&self, cause: impl Into<String>) -> Fault {
        Fault::format(self.offset, cause)
    }

    /// A value that may not stand here.
    pub(super) fn bad(&self, cause: impl Into<String>) -> Fault {
        Fault { offset: Some(self.offset), ..Fault::new(PeStatusCode::BAD_VALUES, cause) }
    }
}

/// The fields of a SEQUENCE, asked for in the order of the ASN.1 module.
pub(super) struct Fields<'a> {
    objects: Vec<Object<'a>>,
    at: usize,
    asked: Vec<u16>,
    end: usize,
}

impl<'a> Fields<'a> {
    /// The next field, if it has `tag`.
    pub(super) fn take(&mut self, tag: u16) -> Option<Object<'a>> {
        self.asked.push(tag);
        let object = *self.objects.get(self.at).filter(|object| object.tag == tag)?;
        self.at += 1;
        Some(object)
    }

    /// The next field, which has to have `tag`.
    pub(super) fn need(&mut self, tag: u16, name: &str) -> Result<Object<'a>, Fault> {
        let offset = self.objects.get(self.at).map_or(self.end, |object| object.offset);
        self.take(tag)
            .ok_or_else(|| Fault::format(offset, format!("it is missing (tag {tag:02X})")).within(name))
    }

    /// The next field, if it has `tag`, read.
    pub(super) fn optional<T>(
        &mut self,
        tag: u16,
        name: &str,
        read: impl FnOnce(Object<'a>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.take(tag).map(read).transpose().within(name)
    }

    /// The next field, which has to have `tag`, read.
    pub(super) fn required<T>(
        &mut self,
        tag: u16,
        name: &str,
        read: impl FnOnce(Object<'a>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.need(tag, name).and_then(|object| read(object).within(name))
    }

    /// What stands behind the known fields. A field that is known may not.
    pub(super) fn rest(self) -> Result<Vec<Raw>, Fault> {
        let rest = &self.objects[self.at..];
        match rest.iter().find(|object| self.asked.contains(&object.tag)) {
            Some(object) => {
                Err(object.wrong(format!("tag {:02X} stands twice or out of its order", object.tag)))
            }
            None => Ok(rest.iter().map(Object::raw).collect()),
        }
    }
}

/// Writes DER.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn put(&mut self, tag: u16, value: &[u8]) {
        match tag.to_be_bytes() {
            [0, tag] => self.0.push(tag),
            tag => self.0.extend_from_slice(&tag),
        }
        let length = (value.len() as u64).to_be_bytes();
        let skipped = length.iter().take_while(|byte| **byte == 0).count().min(7);
        match &length[skipped..] {
            [short @ 0..=0x7f] => self.0.push(*short),
            digits => {
                self.0.push(0x80 | digits.len() as u8);
                self.0.extend_from_slice(digits);
            }
        }
        self.0.extend_from_slice(value);
    }

    pub(super) fn maybe(&mut self, tag: u16, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.put(tag, value);
        }
    }

    pub(super) fn integer(&mut self, tag: u16, value: u32) {
        let digits = [&[0][..], &value.to_be_bytes()].concat();
        // The first digit that may not be left out: the last zero in front of a byte that would read as negative.
        let first = (0..4).find(|i| digits[*i] != 0 || digits[i + 1] & 0x80 != 0).unwrap_or(4);
        self.put(tag, &digits[first..]);
    }

    /// A constructed object.
    pub(super) fn group(&mut self, tag: u16, content: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        content(&mut inner);
        self.put(tag, &inner.0);
    }

    pub(super) fn raw(&mut self, raw: &[Raw]) {
        for raw in raw {
            self.put(raw.tag, &raw.value);
        }
    }
}

/// An object identifier.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u8>);

impl Oid {
    /// From its arcs, of which there are two at least.
    pub fn new(arcs: &[u32]) -> Self {
        let mut body = Vec::new();
        let [a, b, rest @ ..] = arcs else { return Self(body) };
        for arc in std::iter::once(a * 40 + b).chain(rest.iter().copied()) {
            let septets = (1..5).find(|n| n * 7 >= 32 || arc >> (n * 7) == 0).unwrap_or(5);
            for i in (0..septets).rev() {
                let more = if i == 0 { 0 } else { 0x80 };
                body.push(more | (arc >> (i * 7)) as u8 & 0x7f);
            }
        }
        Self(body)
    }

    fn from_body(body: &[u8]) -> Option<Self> {
        let starts = std::iter::once(0).chain((1..body.len()).filter(|i| body[i - 1] & 0x80 == 0));
        let padded = starts.clone().any(|start| body.get(start) == Some(&0x80));
        let ended = body.last().is_some_and(|last| last & 0x80 == 0);
        (ended && !padded).then(|| Self(body.to_vec()))
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.0
    }

    /// Its arcs. One that does not fit is cut.
    pub fn arcs(&self) -> Vec<u32> {
        let mut arcs = Vec::new();
        let mut arc: u32 = 0;
        for byte in &self.0 {
            arc = arc << 7 | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                match (arcs.is_empty(), arc) {
                    (true, 0..80) => arcs.extend([arc / 40, arc % 40]),
                    (true, _) => arcs.extend([2, arc - 80]),
                    _ => arcs.push(arc),
                }
                arc = 0;
            }
        }
        arcs
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arc) in self.arcs().iter().enumerate() {
            write!(f, "{}{arc}", if i == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn written(put: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        put(&mut writer);
        writer.0
    }

    #[test]
    fn integers_as_x690_writes_them() {
        for (value, hex) in
            [(0, "020100"), (127, "02017f"), (128, "02020080"), (170, "020200aa"), (256, "02020100")]
        {
            assert_eq!(hex::encode(written(|w| w.integer(INTEGER, value))), hex);
        }
        assert_eq!(hex::encode(written(|w| w.integer(INTEGER, u32::MAX))), "020500ffffffff");
    }

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        for (length, head) in [
            (0, "0400"),
            (127, "047f"),
            (128, "048180"),
            (255, "0481ff"),
            (256, "04820100"),
            (70_000, "0483011170"),
        ] {
            let out = written(|w| w.put(OCTETS, &vec![0; length]));
            assert!(hex::encode(&out[..8.min(out.len())]).starts_with(head), "{length}");
            assert_eq!(Object::read(&out, 0).unwrap().0.value.len(), length);
        }
    }

    #[test]
    fn what_is_not_der_is_refused() {
        let cause = |hex: &str| Object::read(&hex::decode(hex).unwrap(), 7).unwrap_err();
        for (hex, part) in [
            ("", "cut off inside a tag"),
            ("bf", "cut off inside a tag"),
            ("bf8120", "three bytes"),
            ("bf0100", "one byte"),
            ("30", "cut off behind"),
            ("308000", "definite"),
            ("3081", "inside the length"),
            ("30810100", "more bytes than it needs"),
            ("3082000100", "more bytes than it needs"),
            ("300200", "announces 2 bytes, 1 are there"),
        ] {
            let fault = cause(hex);
            assert!(fault.cause.contains(part), "{hex}: {}", fault.cause);
            assert_eq!(fault.offset, Some(7));
        }
    }

    #[test]
    fn object_identifiers() {
        let oid = Oid::new(&[2, 23, 143, 1, 2, 13, 4]);
        assert_eq!(hex::encode(oid.body()), "67810f01020d04");
        assert_eq!(oid.to_string(), "2.23.143.1.2.13.4");
        assert_eq!(Oid::from_body(oid.body()), Some(oid));
        assert_eq!(Oid::from_body(&[0x67, 0x80, 0x01]), None, "an arc with a leading zero");
        assert_eq!(Oid::from_body(&[0x67, 0x81]), None, "cut off");
        assert_eq!(Oid::from_body(&[]), None);
    }

    proptest! {
        #[test]
        fn integers_and_identifiers_read_back(value in any::<u32>(), arcs in proptest::collection::vec(any::<u32>(), 0..6)) {
            let bytes = written(|w| w.integer(INTEGER, value));
            prop_assert_eq!(Object::read(&bytes, 0).unwrap().0.integer(u32::MAX).unwrap(), value);
            let arcs: Vec<u32> = [2, 23].into_iter().chain(arcs).collect();
            let oid = Oid::new(&arcs);
            prop_assert_eq!(Oid::from_body(oid.body()), Some(oid.clone()));
            prop_assert_eq!(oid.arcs(), arcs);
        }

        #[test]
        fn what_reads_is_written_back(bytes in bent(hex::decode("3011a00c300a8001038101088302012c8100").unwrap())) {
            if let Ok((object, rest)) = Object::read(&bytes, 0) {
                let again = written(|w| w.put(object.tag, object.value));
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - rest.len()]);
                if let Ok(objects) = object.objects() {
                    let inside = written(|w| objects.iter().for_each(|object| w.put(object.tag, object.value)));
                    prop_assert_eq!(&inside[..], object.value);
                }
            }
        }
    }
}
