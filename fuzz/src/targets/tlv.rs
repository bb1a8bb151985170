//! BER-TLV: any bytes are data objects or refused, and what was read is written and read again as it was.

use cellbed::wire::tlv::{Reader, Tlv, find, push};

/// Any bytes.
pub fn run(bytes: &[u8]) {
    let objects: Vec<Tlv<'_>> = Reader::new(bytes).map_while(Result::ok).collect();
    let mut written = Vec::new();
    for object in &objects {
        push(&mut written, object.tag, object.value);
    }
    let again: Result<Vec<Tlv<'_>>, _> = Reader::new(&written).collect();
    assert_eq!(again.as_deref(), Ok(&objects[..]));
    for object in &objects {
        let first = objects.iter().find(|other| other.tag == object.tag).map(|first| first.value);
        assert_eq!(find(bytes, object.tag).ok(), first);
    }
}
