//! Object information of GET DATA (GSMA IoT.05 clause 3.3): templates C1 to C4.

use crate::wire::tlv;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A container for a private key.
    PrivateKey,
    /// A container for a public key.
    PublicKey,
    /// A file.
    File,
    /// A container for a secret key.
    Secret,
}

/// An object of the applet's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Identifier; more than one byte on some cards.
    pub id: Vec<u8>,
    /// What the card calls it; may be empty.
    pub label: String,
    /// Access conditions: a sum of [`READ`](Self::READ) and [`UPDATE`](Self::UPDATE).
    pub access: u8,
    /// Whether there is something in it.
    pub filled: bool,
    /// Type of a key (tag 4B).
    pub key_type: Option<u8>,
    /// What a key may be used for: a sum of the constants below.
    pub functions: u8,
    /// Bytes of content of a file.
    pub size: usize,
}

impl Object {
    /// The object may be read.
    pub const READ: u8 = 0x01;
    /// The object may be written.
    pub const UPDATE: u8 = 0x02;

    /// The key signs, or verifies.
    pub const SIGNATURE: u8 = 0x01;
    /// The key may be generated on the card.
    pub const KEY_GENERATION: u8 = 0x02;
    /// The key takes part in key agreement.
    pub const KEY_AGREEMENT: u8 = 0x04;
    /// Other keys are derived from the key.
    pub const KEY_DERIVATION: u8 = 0x08;

    /// Whether the key may be used for all of `functions`.
    pub fn may(&self, functions: u8) -> bool {
        self.functions & functions == functions
    }

    /// Whether what is in it may be replaced without harm: it is empty, or gone after a reset.
    pub fn expendable(&self) -> bool {
        !self.filled || self.key_type == Some(0x14)
    }

    /// The type of a key in words.
    pub fn key_type_name(&self) -> &'static str {
        match self.key_type {
            None => "",
            Some(0x13) => "P-256 persistent",
            Some(0x14) => "P-256 volatile",
            Some(0x23) => "brainpoolP256r1 persistent",
            Some(0x24) => "brainpoolP256r1 volatile",
            Some(0xa0) => "HMAC capable",
            Some(_) => "another type",
        }
    }
}

/// All objects of an object list. What cannot be read ends it.
pub(super) fn read_list(list: &[u8]) -> Vec<Object> {
    tlv::Reader::new(list).map_while(Result::ok).filter_map(|t| read(t.tag, t.value)).collect()
}

fn read(tag: u16, body: &[u8]) -> Option<Object> {
    let kind = match tag {
        0xc1 => Kind::PrivateKey,
        0xc2 => Kind::PublicKey,
        0xc3 => Kind::File,
        0xc4 => Kind::Secret,
        _ => return None,
    };
    let (id_tag, label_tag) = tags(kind);
    let byte = |tag| tlv::find(body, tag).ok().and_then(|value| value.first().copied());
    let label = tlv::find(body, label_tag).unwrap_or_default();
    let size = tlv::find(body, 0x20).unwrap_or_default();
    Some(Object {
        kind,
        id: tlv::find(body, id_tag).unwrap_or_default().to_vec(),
        label: label.iter().filter(|b| (0x20..0x7f).contains(*b)).map(|b| char::from(*b)).collect(),
        access: byte(0x60).unwrap_or(0),
        filled: byte(0x4a) == Some(0x01),
        key_type: byte(0x4b),
        functions: byte(0x61).unwrap_or(0),
        size: size.iter().take(2).fold(0, |size, byte| size << 8 | usize::from(*byte)),
    })
}

/// Tags of identifier and label.
pub(super) fn tags(kind: Kind) -> (u16, u16) {
    match kind {
        Kind::PrivateKey => (0x84, 0x74),
        Kind::PublicKey => (0x85, 0x75),
        Kind::File => (0x83, 0x73),
        Kind::Secret => (0x86, 0x76),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn objects_of_a_list() {
        let list = hex::decode(
            "c11d740664657669636584010160010 24a01014b01134e01016101039201049102 0001c30d730161830102600103200200ff"
                .replace(' ', ""),
        )
        .unwrap();
        let objects = read_list(&list);
        assert_eq!(objects.len(), 2, "{objects:?}");
        assert_eq!((objects[0].label.as_str(), &objects[0].id[..]), ("device", &[1][..]));
        assert!(objects[0].filled && objects[0].may(Object::SIGNATURE | Object::KEY_GENERATION));
        assert!(!objects[0].expendable());
        assert_eq!((objects[1].kind, objects[1].size), (Kind::File, 255));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_of_a_list_stands_in_it(
            list in bent(hex::decode(
                "c11d74066465766963658401016001024a01014b01134e01016101039201049102\
                 0001c30d730161830102600103200200ff",
            ).unwrap()),
            cut in any::<proptest::sample::Index>(),
        ) {
            let objects = read_list(&list);
            for object in &objects {
                let within = |part: &[u8]| part.is_empty() || list.windows(part.len()).any(|window| window == part);
                prop_assert!(within(&object.id) && object.size <= 0xffff);
                prop_assert!(object.label.bytes().all(|octet| (0x20..0x7f).contains(&octet)));
            }
            // A list that was cut off tells its first objects.
            let first = read_list(&list[..cut.index(list.len() + 1)]);
            prop_assert_eq!(&first[..], &objects[..first.len()]);
        }
    }
}
