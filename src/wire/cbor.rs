//! CBOR in its core deterministic encoding (RFC 8949 clause 4.2.1): the shortest heads, definite lengths, keys of
//! maps in the order of their bytes. What is encoded otherwise is refused, so that a value has one encoding and a
//! signature covers all that there is to it. Floats and simple values other than true, false and null are not taken:
//! nothing here has any.

use std::net::IpAddr;

/// How deep data items may stand in each other: more than any message here needs.
const DEPTH_MAX: usize = 16;

/// Why bytes are not one data item in deterministic encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// The bytes end inside a data item.
    #[error("CBOR: cut off at byte {at}, {missing} bytes are missing")]
    Cut {
        /// Where the piece stands that is cut off, in bytes from the start.
        at: usize,
        /// How many bytes of that piece are missing.
        missing: u64,
    },
    /// An initial byte that is not taken here.
    #[error("CBOR: initial byte {head:02x} at byte {at} is a float, a reserved one, or of indefinite length")]
    Head {
        /// Where it stands, in bytes from the start.
        at: usize,
        /// Major type in the three high bits, additional information in the others (RFC 8949 clause 3).
        head: u8,
    },
    /// A number in more bytes than it needs (RFC 8949 clause 4.2.1).
    #[error("CBOR: the number at byte {at} is not in its shortest form")]
    NotShortest {
        /// Where its head stands, in bytes from the start.
        at: usize,
    },
    /// A text string with other bytes than UTF-8.
    #[error("CBOR: the text at byte {at} is not UTF-8")]
    Text {
        /// Where its head stands, in bytes from the start.
        at: usize,
    },
    /// A map whose keys are not in the order of their bytes, or not all different.
    #[error("CBOR: the key at byte {at} is not greater than the one before it")]
    KeyOrder {
        /// Where the key stands, in bytes from the start.
        at: usize,
    },
    /// Arrays, maps and tags in each other beyond the limit.
    #[error("CBOR: data items stand in each other more than {DEPTH_MAX} deep at byte {at}")]
    Depth {
        /// Where the one too many stands, in bytes from the start.
        at: usize,
    },
    /// Something behind the data item.
    #[error("CBOR: {bytes} bytes follow the data item")]
    Trailing {
        /// How many bytes it is.
        bytes: usize,
    },
}

/// A data item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Major type 0.
    Unsigned(u64),
    /// The number -1 - n.
    Negative(u64),
    /// Major type 2, a byte string.
    Bytes(Vec<u8>),
    /// Major type 3, a text string.
    Text(String),
    /// Major type 4.
    Array(Vec<Value>),
    /// In any order here; written in that of the encoded keys.
    Map(Vec<(Value, Value)>),
    /// Major type 6: the number of the tag, and what it is put on.
    Tag(u64, Box<Value>),
    /// Major type 7, simple values 20 and 21.
    Bool(bool),
    /// Major type 7, simple value 22: there is nothing where something could be.
    Null,
}

impl Value {
    /// The integer `n`.
    pub fn int(n: i64) -> Self {
        match u64::try_from(n) {
            Ok(n) => Self::Unsigned(n),
            Err(_) => Self::Negative(n.unsigned_abs() - 1),
        }
    }

    /// The text `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// This data item, encoded.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unsigned(n) => head(out, 0, *n),
            Self::Negative(n) => head(out, 1, *n),
            Self::Bytes(bytes) => {
                head(out, 2, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(out, 3, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            Self::Array(items) => {
                head(out, 4, items.len() as u64);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(pairs) => {
                head(out, 5, pairs.len() as u64);
                let mut pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.encode(), value)).collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                for (key, value) in pairs {
                    out.extend_from_slice(&key);
                    value.write(out);
                }
            }
            Self::Tag(tag, item) => {
                head(out, 6, *tag);
                item.write(out);
            }
            Self::Bool(value) => out.push(0xf4 + u8::from(*value)),
            Self::Null => out.push(0xf6),
        }
    }

    /// Reads one data item that takes up all of `bytes`.
    ///
    /// # Errors
    /// Where it is none, or not in deterministic encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader { bytes, at: 0 };
        let value = reader.item(0)?;
        match bytes.len() - reader.at {
            0 => Ok(value),
            left => Err(CborError::Trailing { bytes: left }),
        }
    }

    /// The value under the integer `key` of a map; `None` in anything else.
    pub fn get(&self, key: i64) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let key = Self::int(key);
        pairs.iter().find_map(|(known, value)| (*known == key).then_some(value))
    }

    /// The number, where this is one that is not negative.
    pub fn as_unsigned(&self) -> Option<u64> {
        if let Self::Unsigned(n) = self { Some(*n) } else { None }
    }

    /// The byte string, where this is one.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The text, where this is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The items, where this is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }
}

/// The head of a data item: major type and argument (RFC 8949 clause 3).
fn head(out: &mut Vec<u8>, major: u8, n: u64) {
    let major = major << 5;
    let bytes = n.to_be_bytes();
    let (info, length) = match n {
        0..24 => return out.push(major | bytes[7]),
        24..0x100 => (24, 1),
        0x100..0x1_0000 => (25, 2),
        0x1_0000..0x1_0000_0000 => (26, 4),
        _ => (27, 8),
    };
    out.push(major | info);
    out.extend_from_slice(&bytes[8 - length..]);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8], CborError> {
        let left = &self.bytes[self.at..];
        let taken = usize::try_from(length).ok().and_then(|length| left.get(..length));
        let missing = CborError::Cut { at: self.at, missing: length.saturating_sub(left.len() as u64) };
        let taken = taken.ok_or(missing)?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Major type and argument.
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let at = self.at;
        let head = self.take(1)?[0];
        let (major, info) = (head >> 5, head & 0x1f);
        if major == 7 && !matches!(info, 20..=22) {
            return Err(CborError::Head { at, head });
        }
        let (length, least) = match info {
            0..24 => return Ok((major, u64::from(info))),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(CborError::Head { at, head }),
        };
        let n = self.take(length)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        if n < least { Err(CborError::NotShortest { at }) } else { Ok((major, n)) }
    }

    fn item(&mut self, depth: usize) -> Result<Value, CborError> {
        let at = self.at;
        if depth > DEPTH_MAX {
            return Err(CborError::Depth { at });
        }
        let (major, n) = self.head()?;
        Ok(match major {
            0 => Value::Unsigned(n),
            1 => Value::Negative(n),
            2 => Value::Bytes(self.take(n)?.to_vec()),
            3 => {
                let text = std::str::from_utf8(self.take(n)?).map_err(|_| CborError::Text { at })?;
                Value::Text(text.to_owned())
            }
            // Nothing is set aside for what a head merely announces.
            4 => Value::Array((0..n).map(|_| self.item(depth + 1)).collect::<Result<_, _>>()?),
            5 => Value::Map(self.pairs(n, depth + 1)?),
            6 => Value::Tag(n, Box::new(self.item(depth + 1)?)),
            _ if n == 22 => Value::Null,
            _ => Value::Bool(n == 21),
        })
    }

    fn pairs(&mut self, count: u64, depth: usize) -> Result<Vec<(Value, Value)>, CborError> {
        let mut pairs = Vec::new();
        let mut before: &[u8] = &[];
        for _ in 0..count {
            let at = self.at;
            let key = self.item(depth)?;
            let encoded = &self.bytes[at..self.at];
            if encoded <= before {
                return Err(CborError::KeyOrder { at });
            }
            before = encoded;
            pairs.push((key, self.item(depth)?));
        }
        Ok(pairs)
    }
}

/// Tags of an IPv4 and of an IPv6 address (RFC 9164 clause 5).
const IPV4: u64 = 52;
const IPV6: u64 = 54;

/// An IP address (RFC 9164 clause 3.1.1).
pub fn address(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(four) => Value::Tag(IPV4, Box::new(Value::Bytes(four.octets().to_vec()))),
        IpAddr::V6(six) => Value::Tag(IPV6, Box::new(Value::Bytes(six.octets().to_vec()))),
    }
}

/// Reads an IP address; `None` where it is none.
pub fn read_address(value: &Value) -> Option<IpAddr> {
    let Value::Tag(tag, octets) = value else { return None };
    match (*tag, octets.as_bytes()?) {
        (IPV4, octets) => Some(<[u8; 4]>::try_from(octets).ok()?.into()),
        (IPV6, octets) => Some(<[u8; 16]>::try_from(octets).ok()?.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(text: &str) -> Result<Value, CborError> {
        Value::decode(&hex::decode(text).unwrap())
    }

    /// RFC 8949 appendix A, those of the types that are taken.
    #[test]
    fn examples_of_rfc_8949() {
        let text = |text: &str| Value::text(text);
        let int = Value::int;
        let vectors = [
            ("00", int(0)),
            ("17", int(23)),
            ("1818", int(24)),
            ("1903e8", int(1000)),
            ("1a000f4240", int(1_000_000)),
            ("1b000000e8d4a51000", int(1_000_000_000_000)),
            ("1bffffffffffffffff", Value::Unsigned(u64::MAX)),
            ("3bffffffffffffffff", Value::Negative(u64::MAX)),
            ("20", int(-1)),
            ("3863", int(-100)),
            ("3903e7", int(-1000)),
            ("f4", Value::Bool(false)),
            ("f5", Value::Bool(true)),
            ("f6", Value::Null),
            ("4401020304", Value::Bytes(vec![1, 2, 3, 4])),
            ("60", text("")),
            ("6449455446", text("IETF")),
            ("64f0908591", text("\u{10151}")),
            ("80", Value::Array(vec![])),
            (
                "8301820203820405",
                Value::Array(vec![
                    int(1),
                    Value::Array(vec![int(2), int(3)]),
                    Value::Array(vec![int(4), int(5)]),
                ]),
            ),
            ("a201020304", Value::Map(vec![(int(1), int(2)), (int(3), int(4))])),
            (
                "a26161016162820203",
                Value::Map(vec![(text("a"), int(1)), (text("b"), Value::Array(vec![int(2), int(3)]))]),
            ),
            ("c11a514b67b0", Value::Tag(1, Box::new(int(1_363_896_240)))),
        ];
        for (encoded, value) in vectors {
            assert_eq!(hex::encode(value.encode()), encoded);
            assert_eq!(decoded(encoded).as_ref(), Ok(&value), "{encoded}");
        }
    }

    /// RFC 8949 clause 4.2.1 has this order of keys.
    #[test]
    fn keys_are_written_in_the_order_of_their_bytes() {
        let keys = [Value::text("aa"), Value::Bool(false), Value::int(-1), Value::int(100), Value::int(10)];
        let map = Value::Map(keys.into_iter().map(|key| (key, Value::int(0))).collect());
        assert_eq!(hex::encode(map.encode()), "a50a00186400200062616100f400");
        assert_eq!(map.get(100), Some(&Value::int(0)));
        assert_eq!(map.get(7), None);
    }

    #[test]
    fn what_is_not_deterministic_is_refused() {
        assert_eq!(decoded("1817"), Err(CborError::NotShortest { at: 0 }));
        assert_eq!(decoded("58010a"), Err(CborError::NotShortest { at: 0 }));
        assert_eq!(decoded("9fff"), Err(CborError::Head { at: 0, head: 0x9f }), "indefinite length");
        assert_eq!(decoded("f90000"), Err(CborError::Head { at: 0, head: 0xf9 }), "a float");
        assert_eq!(decoded("f7"), Err(CborError::Head { at: 0, head: 0xf7 }), "undefined");
        assert_eq!(decoded("a202000100"), Err(CborError::KeyOrder { at: 3 }));
        assert_eq!(decoded("a201000100"), Err(CborError::KeyOrder { at: 3 }), "twice the same key");
        assert_eq!(decoded("0000"), Err(CborError::Trailing { bytes: 1 }));
        assert_eq!(decoded("5903e800"), Err(CborError::Cut { at: 3, missing: 999 }));
        assert_eq!(decoded(""), Err(CborError::Cut { at: 0, missing: 1 }));
        assert_eq!(decoded("61ff"), Err(CborError::Text { at: 0 }));
        assert_eq!(decoded(&"81".repeat(100)), Err(CborError::Depth { at: 17 }));
        assert!(decoded("9bffffffffffffffff").is_err(), "announces more than there is memory");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u64>().prop_map(Value::Unsigned),
            any::<u64>().prop_map(Value::Negative),
            any::<Vec<u8>>().prop_map(Value::Bytes),
            ".*".prop_map(Value::Text),
            any::<bool>().prop_map(Value::Bool),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map(any::<u64>(), inner.clone(), 0..4).prop_map(|map| {
                    Value::Map(map.into_iter().map(|(key, value)| (Value::Unsigned(key), value)).collect())
                }),
                (any::<u64>(), inner).prop_map(|(tag, item)| Value::Tag(tag, Box::new(item))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in values()) {
            prop_assert_eq!(Value::decode(&value.encode()), Ok(value));
        }

        /// There is one encoding: what is read at all is written back as it was.
        #[test]
        fn what_is_read_is_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = Value::decode(&bytes) {
                prop_assert_eq!(value.encode(), bytes);
            }
        }
    }
}
