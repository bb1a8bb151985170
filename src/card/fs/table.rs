//! The files of the card (ETSI TS 102 221 clause 13, 3GPP TS 31.102 clause 4) as one constant table, shared by
//! all cards: what an LTE attach needs. Initial values are those of TS 31.102 annex E.

use super::access::{self, ARR, ARR_RECORD, Rule};
use crate::card::Personalisation;
use crate::id::Plmn;

/// File identifier of the master file.
pub(super) const MF: u16 = 0x3f00;
/// File identifier that stands for the application that is active on a channel.
pub(super) const ADF: u16 = 0x7fff;

/// The USIM: RID of 3GPP, application code 1002, no country or provider, and a provider's part.
pub(crate) const USIM_AID: [u8; 16] =
    [0xa0, 0, 0, 0, 0x87, 0x10, 0x02, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0];

/// The shape of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    /// MF, DF or ADF.
    Directory,
    Transparent {
        size: u16,
    },
    LinearFixed {
        record: u8,
        count: u8,
    },
}

/// What a file holds when the card is made.
pub(super) enum Initial {
    /// All bytes `FF`.
    Erased,
    Bytes(&'static [u8]),
    /// Different on every card.
    Personal(fn(&Personalisation) -> Vec<u8>),
}

/// One file.
pub(super) struct File {
    pub(super) id: u16,
    /// Identifier of the directory that it is in.
    pub(super) parent: u16,
    pub(super) structure: Structure,
    /// Short file identifier, 1 to 30; 0 for none.
    pub(super) sfi: u8,
    pub(super) rule: Rule,
    pub(super) initial: Initial,
}

impl File {
    /// Bytes of content.
    pub(super) fn size(&self) -> usize {
        match self.structure {
            Structure::Directory => 0,
            Structure::Transparent { size } => usize::from(size),
            Structure::LinearFixed { record, count } => usize::from(record) * usize::from(count),
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.structure == Structure::Directory
    }
}

const fn directory(id: u16, parent: u16) -> File {
    let (structure, initial) = (Structure::Directory, Initial::Erased);
    File { id, parent, structure, sfi: 0, rule: access::DIRECTORY, initial }
}

const fn transparent(id: u16, parent: u16, sfi: u8, size: u16, rule: Rule, initial: Initial) -> File {
    File { id, parent, structure: Structure::Transparent { size }, sfi, rule, initial }
}

const fn records(id: u16, parent: u16, sfi: u8, shape: (u8, u8), rule: Rule, initial: Initial) -> File {
    let structure = Structure::LinearFixed { record: shape.0, count: shape.1 };
    File { id, parent, structure, sfi, rule, initial }
}

use Initial::{Bytes, Erased, Personal};
use access::{PREFERENCE, PUBLIC, SUBSCRIPTION, TERMINAL};

/// Every file, the MF first. A file is known elsewhere by its place in this table.
#[rustfmt::skip]
pub(super) static FILES: &[File] = &[
    directory(MF, MF),
    records(0x2f00, MF, 0x1e, (DIR_RECORD, 2), PUBLIC, Bytes(&DIR)),                  // EF.DIR
    transparent(0x2f05, MF, 0x05, 2, PREFERENCE, Erased),                             // EF.PL
    records(0x2f06, MF, 0x06, (ARR_RECORD, 5), PUBLIC, Bytes(&ARR)),                  // EF.ARR
    transparent(0x2fe2, MF, 0x02, 10, PUBLIC, Personal(iccid)),                       // EF.ICCID
    directory(ADF, MF),
    transparent(0x6f05, ADF, 0x02, 2, PREFERENCE, Erased),                            // EF.LI
    records(0x6f06, ADF, 0x17, (ARR_RECORD, 5), PUBLIC, Bytes(&ARR)),                 // EF.ARR
    transparent(0x6f07, ADF, 0x07, 9, SUBSCRIPTION, Personal(imsi)),                  // EF.IMSI
    transparent(0x6f08, ADF, 0x08, 33, TERMINAL, Bytes(&NO_KEYS)),                    // EF.Keys
    transparent(0x6f09, ADF, 0x09, 33, TERMINAL, Bytes(&NO_KEYS)),                    // EF.KeysPS
    transparent(0x6f31, ADF, 0x12, 1, SUBSCRIPTION, Bytes(&[0x05])),                  // EF.HPPLMN
    transparent(0x6f38, ADF, 0x04, 12, SUBSCRIPTION, Bytes(&SERVICES)),               // EF.UST
    transparent(0x6f5b, ADF, 0x0f, 6, TERMINAL, Bytes(&[0xf0, 0, 0, 0xf0, 0, 0])),    // EF.START-HFN
    transparent(0x6f5c, ADF, 0x10, 3, SUBSCRIPTION, Erased),                          // EF.THRESHOLD
    transparent(0x6f62, ADF, 0x13, 5, SUBSCRIPTION, Personal(home_plmn_with_access)), // EF.HPLMNwAcT
    transparent(0x6f73, ADF, 0x0c, 14, TERMINAL, Personal(ps_location)),              // EF.PSLOCI
    transparent(0x6f78, ADF, 0x06, 2, SUBSCRIPTION, Personal(access_class)),          // EF.ACC
    transparent(0x6f7b, ADF, 0x0d, 12, TERMINAL, Erased),                             // EF.FPLMN
    transparent(0x6f7e, ADF, 0x0b, 11, TERMINAL, Personal(location)),                 // EF.LOCI
    transparent(0x6fad, ADF, 0x03, 4, PUBLIC, Personal(administrative)),              // EF.AD
    records(0x6fb7, ADF, 0x01, (4, 1), PUBLIC, Bytes(&[0x11, 0xf2, 0xff, 0x00])),     // EF.ECC: 112
    transparent(0x6fc4, ADF, 0x00, 46, TERMINAL, Erased),                             // EF.NETPAR
    transparent(0x6fe3, ADF, 0x1e, 18, TERMINAL, Personal(eps_location)),             // EF.EPSLOCI
    records(0x6fe4, ADF, 0x18, (54, 1), TERMINAL, Erased),                            // EF.EPSNSC
];

/// Bytes of one record of EF.DIR.
const DIR_RECORD: u8 = 32;

/// EF.DIR: application templates of the USIM and of IoT SAFE (TS 102 221 clause 13.1).
#[rustfmt::skip]
static DIR: [u8; 2 * DIR_RECORD as usize] = access::filled_up(DIR_RECORD, &[
    &[0x61, 0x18, 0x4f, 0x10, 0xa0, 0, 0, 0, 0x87, 0x10, 0x02, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0,
      0x50, 0x04, b'U', b'S', b'I', b'M'],
    &[0x61, 0x13, 0x4f, 0x07, 0xa0, 0, 0, 0x05, 0x59, 0, 0x10,
      0x50, 0x08, b'I', b'o', b'T', b' ', b'S', b'A', b'F', b'E'],
]);

/// EF.Keys and EF.KeysPS without keys: KSI 7 means that none is available.
static NO_KEYS: [u8; 33] = {
    let mut bytes = [0xff; 33];
    bytes[0] = 0x07;
    bytes
};

/// EF.UST: services 33 (shall be 1), 43 (HPLMN selector with access technology) and 85 (EPS mobility
/// management information).
static SERVICES: [u8; 12] = {
    let mut bytes = [0; 12];
    let services = [33, 43, 85];
    let mut i = 0;
    while i < services.len() {
        let bit = services[i] - 1;
        bytes[bit / 8] |= 1 << (bit % 8);
        i += 1;
    }
    bytes
};

/// Swaps digits into nibbles, the first digit low, filled up with `F`.
fn swapped_bcd(digits: impl Iterator<Item = u8>, out: &mut [u8]) {
    out.fill(0xff);
    for (i, digit) in digits.enumerate().take(out.len() * 2) {
        let byte = &mut out[i / 2];
        *byte = if i % 2 == 0 { (*byte & 0xf0) | digit } else { (*byte & 0x0f) | (digit << 4) };
    }
}

fn values(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|b| b.wrapping_sub(b'0') & 0x0f)
}

fn iccid(p: &Personalisation) -> Vec<u8> {
    let mut out = vec![0; 10];
    swapped_bcd(values(p.iccid.as_str()), &mut out);
    out
}

/// Length, then the digits behind a nibble of identity type and parity (TS 31.102 clause 4.2.2).
fn imsi(p: &Personalisation) -> Vec<u8> {
    let digits = p.imsi.as_str();
    let parity = if digits.len() % 2 == 1 { 0x9 } else { 0x1 };
    let mut out = vec![0xff; 9];
    out[0] = (digits.len() / 2 + 1) as u8;
    swapped_bcd(std::iter::once(parity).chain(values(digits)), &mut out[1..]);
    out
}

/// MCC and MNC as TS 24.008 clause 10.5.1.3 packs them.
fn plmn(plmn: Plmn) -> [u8; 3] {
    let digits: Vec<u8> = values(plmn.mcc()).chain(values(plmn.mnc())).collect();
    let at = |i: usize| digits.get(i).copied().unwrap_or(0x0f);
    [at(1) << 4 | at(0), at(5) << 4 | at(2), at(4) << 4 | at(3)]
}

fn home_plmn_with_access(p: &Personalisation) -> Vec<u8> {
    // Access technology 4000: E-UTRAN.
    [&plmn(p.plmn)[..], &[0x40, 0x00]].concat()
}

/// TMSI, LAI, one byte reserved, "not updated".
fn location(p: &Personalisation) -> Vec<u8> {
    [&[0xff; 4][..], &plmn(p.plmn), &[0x00, 0x00, 0xff, 0x01]].concat()
}

/// P-TMSI, its signature, RAI, "not updated".
fn ps_location(p: &Personalisation) -> Vec<u8> {
    [&[0xff; 7][..], &plmn(p.plmn), &[0x00, 0x00, 0xff, 0x01]].concat()
}

/// GUTI, last visited TAI, "not updated".
fn eps_location(p: &Personalisation) -> Vec<u8> {
    [&[0xff; 12][..], &plmn(p.plmn), &[0x00, 0x00, 0x01]].concat()
}

/// The access class is the last digit of the IMSI (TS 22.011 clause 4.2).
fn access_class(p: &Personalisation) -> Vec<u8> {
    let class = values(p.imsi.as_str()).last().unwrap_or(0);
    (1u16 << class).to_be_bytes().to_vec()
}

/// Normal operation, and how many digits the MNC has.
fn administrative(p: &Personalisation) -> Vec<u8> {
    vec![0x00, 0x00, 0x00, p.plmn.mnc().len() as u8]
}
