//! BER-TLV data objects (ISO/IEC 8825-1 clause 8.1; ISO/IEC 7816-4 clause 5.2.2) with tags of one or two
//! bytes and definite lengths up to 16,777,215 bytes, which is all that cards use.

/// Why bytes are not a BER-TLV data object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// Nothing is there, or a tag of two bytes ends after the first one.
    #[error("the data object is cut off inside its tag")]
    Tag,
    /// A tag of three bytes or more.
    #[error("the tag has more than two bytes, which no card application uses")]
    LongTag,
    /// The length field is wrong, whatever the value.
    #[error("the length of tag {tag:02X} is cut off, indefinite, or longer than 16,777,215 bytes")]
    Length {
        /// The tag before it.
        tag: u16,
    },
    /// The value is cut off.
    #[error("tag {tag:02X} announces {announced} bytes, {found} are there")]
    Value {
        /// The tag of the object.
        tag: u16,
        /// What its length field says, in bytes.
        announced: usize,
        /// How many bytes follow it.
        found: usize,
    },
    /// A field that has to be there is not.
    #[error("tag {tag:02X} is missing")]
    Missing {
        /// The tag that it would have.
        tag: u16,
    },
}

/// One data object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The tag, one or two bytes, big-endian.
    pub tag: u16,
    /// The value field, whatever is in it.
    pub value: &'a [u8],
}

/// Reads data objects one after another; an error ends it.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn object(&mut self) -> Result<Tlv<'a>, TlvError> {
        let (tag, length, value) = header(self.rest)?;
        let Some((value, rest)) = value.split_at_checked(length) else {
            return Err(TlvError::Value { tag, announced: length, found: value.len() });
        };
        self.rest = rest;
        Ok(Tlv { tag, value })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Tlv<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let object = self.object();
        if object.is_err() {
            self.rest = &[];
        }
        Some(object)
    }
}

/// Reads a tag and a length. Returns both with all that follows them, which may be shorter or longer than
/// the length says: a value may go on in the next command of a chain.
pub fn header(bytes: &[u8]) -> Result<(u16, usize, &[u8]), TlvError> {
    let (tag, rest) = match bytes {
        [a, b, ..] if a & 0x1f == 0x1f && b & 0x80 != 0 => return Err(TlvError::LongTag),
        [a, b, rest @ ..] if a & 0x1f == 0x1f => (u16::from_be_bytes([*a, *b]), rest),
        [a, rest @ ..] if a & 0x1f != 0x1f => (u16::from(*a), rest),
        _ => return Err(TlvError::Tag),
    };
    match rest {
        [n @ 0..=0x7f, value @ ..] => Ok((tag, usize::from(*n), value)),
        [0x81, n, value @ ..] => Ok((tag, usize::from(*n), value)),
        [0x82, a, b, value @ ..] => Ok((tag, usize::from(u16::from_be_bytes([*a, *b])), value)),
        [0x83, a, b, c, value @ ..] => Ok((tag, u32::from_be_bytes([0, *a, *b, *c]) as usize, value)),
        _ => Err(TlvError::Length { tag }),
    }
}

/// The value of the first data object with `tag` at the top level of `bytes`.
pub fn find(bytes: &[u8], tag: u16) -> Result<&[u8], TlvError> {
    for object in Reader::new(bytes) {
        let object = object?;
        if object.tag == tag {
            return Ok(object.value);
        }
    }
    Err(TlvError::Missing { tag })
}

/// Appends a data object. Of a value longer than 16,777,215 bytes, which no card holds, the first ones go in.
pub fn push(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    let value = &value[..value.len().min(0xff_ffff)];
    match tag.to_be_bytes() {
        [0, tag] => out.push(tag),
        tag => out.extend_from_slice(&tag),
    }
    match value.len() {
        n @ 0..=0x7f => out.push(n as u8),
        n @ 0x80..=0xff => out.extend_from_slice(&[0x81, n as u8]),
        n @ 0x100..=0xffff => {
            out.push(0x82);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x83);
            out.extend_from_slice(&(n as u32).to_be_bytes()[1..]);
        }
    }
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_of_one_to_four_bytes() {
        for n in [0usize, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x1_2345] {
            let mut out = Vec::new();
            push(&mut out, 0x9b, &vec![0x5a; n]);
            assert_eq!(find(&out, 0x9b).unwrap().len(), n);
        }
        let mut out = Vec::new();
        push(&mut out, 0x5f37, &[1; 0x80]);
        assert_eq!(out[..4], [0x5f, 0x37, 0x81, 0x80]);
    }

    #[test]
    fn an_application_template_reads() {
        // TS 102 221 clause 13.1: an EF.DIR record, padded with FF.
        let record = hex::decode("61084f06a00000008710ffffff").unwrap();
        let template = Reader::new(&record).next().unwrap().unwrap();
        assert_eq!(template.tag, 0x61);
        assert_eq!(find(template.value, 0x4f).unwrap(), hex::decode("a00000008710").unwrap());
    }

    #[test]
    fn refusals() {
        assert_eq!(find(&[0x84, 2, 1], 0x84), Err(TlvError::Value { tag: 0x84, announced: 2, found: 1 }));
        assert_eq!(find(&[0x84, 0x80], 0x84), Err(TlvError::Length { tag: 0x84 }));
        assert_eq!(find(&[0x1f, 0x81, 1, 0], 0x84), Err(TlvError::LongTag));
        assert_eq!(find(&[0x84, 0], 0x85), Err(TlvError::Missing { tag: 0x85 }));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Reader::new(&bytes).count() <= bytes.len());
        }

        #[test]
        fn what_is_written_reads_back(
            objects in proptest::collection::vec(
                (0u8..0xff, proptest::collection::vec(any::<u8>(), 0..300)), 0..5),
        ) {
            let objects: Vec<_> = objects.into_iter().filter(|(tag, _)| tag & 0x1f != 0x1f).collect();
            let mut out = Vec::new();
            for (tag, value) in &objects {
                push(&mut out, u16::from(*tag), value);
            }
            let read: Vec<_> = Reader::new(&out).map(|o| o.unwrap()).collect();
            prop_assert_eq!(read.len(), objects.len());
            for (read, (tag, value)) in read.iter().zip(&objects) {
                prop_assert_eq!(read.tag, u16::from(*tag));
                prop_assert_eq!(read.value, &value[..]);
            }
        }
    }
}
