//! File control parameters, the answer to SELECT and STATUS (ETSI TS 102 221 clause 11.1.1.3). At most 100
//! bytes: there are terminals that take no more.

use super::super::pin::{ADM1, PIN1, PIN2};
use super::arr_of;
use super::table::{Directory, File, ISIM_AID, Structure, USIM_AID};
use crate::wire::tlv;

/// The FCP template of `file`.
pub(super) fn template(file: &File, pin1_enabled: bool) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    tlv::push(&mut body, 0x82, &descriptor(file.structure));
    tlv::push(&mut body, 0x83, &file.id.to_be_bytes());
    match file.directory() {
        Some(Directory::Usim) => tlv::push(&mut body, 0x84, &USIM_AID),
        Some(Directory::Isim) => tlv::push(&mut body, 0x84, &ISIM_AID),
        _ => {}
    }
    let is_directory = file.directory().is_some();
    if is_directory {
        // UICC characteristics: clock stop allowed, supply voltage classes A to C.
        tlv::push(&mut body, 0xa5, &[0x80, 0x01, 0x71]);
    }
    // Operational, activated.
    tlv::push(&mut body, 0x8a, &[0x05]);
    tlv::push(&mut body, 0x8b, &access_rule(file));
    if is_directory {
        tlv::push(&mut body, 0xc6, &pin_status(pin1_enabled));
    } else {
        tlv::push(&mut body, 0x80, &(file.size() as u16).to_be_bytes());
        // An empty tag 88 says that there is no short file identifier.
        let sfi = [file.sfi << 3];
        tlv::push(&mut body, 0x88, if file.sfi == 0 { &[] } else { &sfi });
    }
    let mut out = Vec::with_capacity(body.len() + 2);
    tlv::push(&mut out, 0x62, &body);
    out
}

/// File descriptor byte, data coding byte and, for records, their length and number.
fn descriptor(structure: Structure) -> Vec<u8> {
    match structure {
        Structure::Directory(_) => vec![0x78, 0x21],
        Structure::Transparent { .. } => vec![0x41, 0x21],
        Structure::LinearFixed { record, count } => vec![0x42, 0x21, 0x00, record, count],
        Structure::Cyclic { record, count } => vec![0x46, 0x21, 0x00, record, count],
    }
}

/// The EF.ARR of the directory, and the record in it.
fn access_rule(file: &File) -> [u8; 3] {
    let [a, b] = arr_of(file).1.to_be_bytes();
    [a, b, file.rule]
}

/// PIN status template: a bit per key reference, most significant first, set where the PIN is enabled.
fn pin_status(pin1_enabled: bool) -> [u8; 12] {
    let enabled = if pin1_enabled { 0xe0 } else { 0x60 };
    [0x90, 0x01, enabled, 0x83, 0x01, PIN1, 0x83, 0x01, PIN2, 0x83, 0x01, ADM1]
}
