//! File control parameters, the answer to SELECT and STATUS (ETSI TS 102 221 clause 11.1.1.3). Those of a
//! personalised card have at most 100 bytes: there are terminals that take no more.

use super::tree::{Index, Kind, Tree};
use crate::wire::tlv::{self, Reader};

/// The FCP template of the file at `index`. `enabled` says of a key reference whether its PIN is enabled; `None`
/// where there is no such PIN.
pub(super) fn template(tree: &Tree, index: Index, enabled: &dyn Fn(u8) -> Option<bool>) -> Vec<u8> {
    let file = tree.file(index);
    let shown = tree.file(tree.shown(index));
    let mut body = Vec::with_capacity(64);
    tlv::push(&mut body, 0x82, &descriptor(&shown.kind));
    // An ADF has no identifier of its own; `7FFF` is that of whichever is active.
    let id = if shown.aid().is_some() { super::ADF } else { file.id };
    tlv::push(&mut body, 0x83, &id.to_be_bytes());
    if let Some(aid) = shown.aid() {
        tlv::push(&mut body, 0x84, aid);
    }
    if shown.is_directory() {
        // UICC characteristics: clock stop allowed, supply voltage classes A to C.
        tlv::push(&mut body, 0xa5, &[0x80, 0x01, 0x71]);
    }
    tlv::push(&mut body, 0x8a, &[shown.life_cycle]);
    tlv::push(&mut body, 0x8b, &shown.security);
    match &shown.kind {
        Kind::Directory { pin_status, .. } => tlv::push(&mut body, 0xc6, &current(pin_status, enabled)),
        _ => {
            tlv::push(&mut body, 0x80, &(shown.size() as u16).to_be_bytes());
            // An empty tag 88 says that there is no short file identifier.
            let sfi = [file.sfi << 3];
            tlv::push(&mut body, 0x88, if file.sfi == 0 { &[] } else { &sfi });
        }
    }
    let mut out = Vec::with_capacity(body.len() + 2);
    tlv::push(&mut out, 0x62, &body);
    out
}

/// File descriptor byte, data coding byte and, for records, their length and number.
fn descriptor(kind: &Kind) -> Vec<u8> {
    match *kind {
        Kind::Directory { .. } => vec![0x78, 0x21],
        Kind::Transparent { .. } | Kind::Link { .. } => vec![0x41, 0x21],
        Kind::LinearFixed { record, count } => vec![0x42, 0x21, 0x00, record, count],
        Kind::Cyclic { record, count } => vec![0x46, 0x21, 0x00, record, count],
        Kind::BerTlv { .. } => vec![0x79, 0x21],
    }
}

/// The key references of a PIN status template, in order.
pub(super) fn key_references(pin_status: &[u8]) -> impl Iterator<Item = u8> {
    let objects = Reader::new(pin_status).map_while(Result::ok);
    objects.filter_map(|object| match object.value {
        &[key] if object.tag == 0x83 => Some(key),
        _ => None,
    })
}

/// A PIN status template (TS 102 221 clause 9.5.2) with its first object, a bit per key reference and most
/// significant first, as things stand. A bit of which nothing is known stays as it is.
fn current(pin_status: &[u8], enabled: &dyn Fn(u8) -> Option<bool>) -> Vec<u8> {
    let mut out = pin_status.to_vec();
    let [0x90, length, bits @ ..] = &mut out[..] else { return out };
    let bits = &mut bits[..usize::from(*length)];
    for (at, key) in key_references(pin_status).enumerate().take(8 * bits.len()) {
        let mask = 0x80 >> (at % 8);
        match enabled(key) {
            Some(true) => bits[at / 8] |= mask,
            Some(false) => bits[at / 8] &= !mask,
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pin_status_is_that_of_the_pins() {
        let template = [0x90, 0x01, 0x70, 0x83, 1, 0x01, 0x95, 1, 0x08, 0x83, 1, 0x81, 0x83, 1, 0x0a];
        let status = current(&template, &|key| match key {
            0x01 => Some(true),
            0x81 => Some(false),
            _ => None,
        });
        assert_eq!(status[..3], [0x90, 0x01, 0xb0]);
        assert_eq!(status[3..], template[3..]);
        assert_eq!(key_references(&template).collect::<Vec<_>>(), [0x01, 0x81, 0x0a]);
    }
}
