//! The files of the card as one constant table, shared by all cards (ETSI TS 102 221 clause 13; 3GPP TS 31.102
//! clause 4, TS 31.103 clause 4, TS 51.011 clause 10). This file has what belongs to no application; `usim` and
//! `isim` have theirs.

use super::access::{self, ARR, ARR_COUNT, ARR_RECORD};
use super::personal;
use super::{isim, usim};
use crate::card::Personalisation;

/// File identifier of the master file.
pub(super) const MF: u16 = 0x3f00;
/// File identifier that stands for the application that is active on a channel.
pub(super) const ADF: u16 = 0x7fff;

/// The USIM: RID of 3GPP, application code 1002, no country or provider, and a provider's part.
pub(super) const USIM_AID: [u8; 16] =
    [0xa0, 0, 0, 0, 0x87, 0x10, 0x02, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0];
/// The ISIM, application code 1004.
pub(super) const ISIM_AID: [u8; 16] =
    [0xa0, 0, 0, 0, 0x87, 0x10, 0x04, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0];

/// The directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directory {
    Mf,
    Telecom,
    /// DF.GSM of a SIM (TS 51.011), for terminals and tools that look there: it shows files of the USIM.
    Gsm,
    Usim,
    FiveGs,
    Isim,
}

impl Directory {
    pub(super) fn aid(self) -> Option<&'static [u8]> {
        match self {
            Self::Usim => Some(&USIM_AID),
            Self::Isim => Some(&ISIM_AID),
            Self::Mf | Self::Telecom | Self::Gsm | Self::FiveGs => None,
        }
    }

    /// The EF.ARR that holds the rules of what is in it: that of the application, or that of the MF.
    pub(super) fn arr(self) -> u16 {
        match self {
            Self::Mf | Self::Telecom | Self::Gsm => 0x2f06,
            Self::Usim | Self::FiveGs | Self::Isim => 0x6f06,
        }
    }
}

/// The shape of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    /// MF, DF or ADF.
    Directory(Directory),
    Transparent {
        size: u16,
    },
    LinearFixed {
        record: u8,
        count: u8,
    },
    Cyclic {
        record: u8,
        count: u8,
    },
}

/// What a file holds when the card is made.
#[derive(Clone, Copy)]
pub(super) enum Initial {
    /// All bytes `FF`.
    Erased,
    Bytes(&'static [u8]),
    /// Different on every card, filled up with `FF`. A card for which this is `None` does not have the file.
    Personal(fn(&Personalisation) -> Option<Vec<u8>>),
}

/// One file.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) within: Directory,
    pub(super) id: u16,
    pub(super) structure: Structure,
    /// Short file identifier, 1 to 30; 0 for none.
    pub(super) sfi: u8,
    /// The record of EF.ARR that says who may do what.
    pub(super) rule: u8,
    pub(super) initial: Initial,
}

pub(super) const fn directory(within: Directory, id: u16, which: Directory) -> Entry {
    let structure = Structure::Directory(which);
    Entry { within, id, structure, sfi: 0, rule: access::DIRECTORY, initial: Initial::Erased }
}

pub(super) const fn transparent(
    within: Directory,
    id: u16,
    sfi: u8,
    size: u16,
    rule: u8,
    initial: Initial,
) -> Entry {
    Entry { within, id, structure: Structure::Transparent { size }, sfi, rule, initial }
}

/// `shape` is the length of a record and how many there are.
pub(super) const fn records(
    within: Directory,
    id: u16,
    sfi: u8,
    shape: (u8, u8),
    rule: u8,
    initial: Initial,
) -> Entry {
    let structure = Structure::LinearFixed { record: shape.0, count: shape.1 };
    Entry { within, id, structure, sfi, rule, initial }
}

pub(super) const fn cyclic(
    within: Directory,
    id: u16,
    sfi: u8,
    shape: (u8, u8),
    rule: u8,
    initial: Initial,
) -> Entry {
    let structure = Structure::Cyclic { record: shape.0, count: shape.1 };
    Entry { within, id, structure, sfi, rule, initial }
}

use Directory::{Gsm, Mf, Telecom};
use Initial::{Bytes, Erased, Personal};
use access::{PREFERENCE, PUBLIC, RESTRICTED, SUBSCRIPTION, TERMINAL};

/// TS 102 221 clause 13.8: at most 50 mA, a time-out T_OP of 5 s, no need of more current when idle, no suspension.
const UMPC: [u8; 5] = [0x32, 0x05, 0x00, 0x00, 0x00];

#[rustfmt::skip]
const COMMON: &[Entry] = &[
    directory(Mf, MF, Mf),
    records(Mf, 0x2f00, 0x1e, (DIR_RECORD, 3), PUBLIC, Bytes(&DIR)),                // EF.DIR
    transparent(Mf, 0x2f05, 0x05, 2, PREFERENCE, Erased),                           // EF.PL
    records(Mf, 0x2f06, 0x06, (ARR_RECORD, ARR_COUNT), PUBLIC, Bytes(&ARR)),        // EF.ARR
    transparent(Mf, 0x2f08, 0x08, 5, PUBLIC, Bytes(&UMPC)),                   // EF.UMPC
    transparent(Mf, 0x2fe2, 0x02, 10, PUBLIC, Personal(personal::iccid)),           // EF.ICCID
    directory(Mf, 0x7f10, Telecom),
    records(Telecom, 0x6f3a, 0x00, (30, 10), TERMINAL, Erased),                     // EF.ADN
    records(Telecom, 0x6f3b, 0x00, (30, 5), RESTRICTED, Erased),                    // EF.FDN
    records(Telecom, 0x6f3c, 0x00, (176, 5), TERMINAL, Bytes(&usim::NO_MESSAGES)),  // EF.SMS
    records(Telecom, 0x6f40, 0x00, (30, 1), TERMINAL, Erased),                      // EF.MSISDN
    records(Telecom, 0x6f42, 0x00, (40, 1), TERMINAL, Bytes(&usim::SERVICE_CENTRE)), // EF.SMSP
    transparent(Telecom, 0x6f43, 0x00, 2, TERMINAL, Erased),                        // EF.SMSS
    directory(Mf, 0x7f20, Gsm),
    transparent(Gsm, 0x6f05, 0x00, 2, PREFERENCE, Erased),                          // EF.LP
    transparent(Gsm, 0x6f20, 0x00, 9, TERMINAL, Bytes(&usim::NO_KC)),               // EF.Kc
    transparent(Gsm, 0x6f30, 0x00, 24, TERMINAL, Erased),                           // EF.PLMNsel
    transparent(Gsm, 0x6f38, 0x00, 14, SUBSCRIPTION, Bytes(&SIM_SERVICES)),         // EF.SST
    transparent(Gsm, 0x6f74, 0x00, 16, TERMINAL, Erased),                           // EF.BCCH
    transparent(Gsm, 0x6fae, 0x00, 1, PUBLIC, Bytes(&[0x03])),                      // EF.Phase
];

/// The files that DF.GSM shows and that are those of the USIM (TS 31.102 annex A lists what they share).
pub(super) const SHARED_WITH_GSM: &[u16] = &[
    0x6f07, 0x6f31, 0x6f37, 0x6f39, 0x6f3e, 0x6f3f, 0x6f41, 0x6f45, 0x6f46, 0x6f48, 0x6f50, 0x6f60, 0x6f61,
    0x6f62, 0x6f78, 0x6f7b, 0x6f7e, 0x6fad,
];

/// What a card shows that has no enabled profile.
#[rustfmt::skip]
pub(super) const BARE: &[Entry] = &[
    directory(Mf, MF, Mf),
    records(Mf, 0x2f00, 0x1e, (DIR_RECORD, 1), PUBLIC, Erased),                     // EF.DIR: no application
    transparent(Mf, 0x2f05, 0x05, 2, PREFERENCE, Erased),                           // EF.PL
    records(Mf, 0x2f06, 0x06, (ARR_RECORD, ARR_COUNT), PUBLIC, Bytes(&ARR)),        // EF.ARR
];

/// Every file of a personalised card, the MF first.
pub(super) static FILES: [Entry; COMMON.len() + usim::FILES.len() + isim::FILES.len()] =
    joined(&[COMMON, usim::FILES, isim::FILES]);

const fn joined<const N: usize>(tables: &[&[Entry]]) -> [Entry; N] {
    let mut out = [COMMON[0]; N];
    let (mut table, mut at) = (0, 0);
    while table < tables.len() {
        let mut i = 0;
        while i < tables[table].len() {
            out[at] = tables[table][i];
            (i, at) = (i + 1, at + 1);
        }
        table += 1;
    }
    out
}

/// Bytes of one record of EF.DIR.
const DIR_RECORD: u8 = 32;

/// EF.DIR: application templates of the USIM, IoT SAFE and the ISIM (TS 102 221 clause 13.1).
#[rustfmt::skip]
static DIR: [u8; 3 * DIR_RECORD as usize] = access::filled_up(DIR_RECORD, &[
    &[0x61, 0x18, 0x4f, 0x10, 0xa0, 0, 0, 0, 0x87, 0x10, 0x02, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0,
      0x50, 0x04, b'U', b'S', b'I', b'M'],
    &[0x61, 0x13, 0x4f, 0x07, 0xa0, 0, 0, 0x05, 0x59, 0, 0x10,
      0x50, 0x08, b'I', b'o', b'T', b' ', b'S', b'A', b'F', b'E'],
    &[0x61, 0x18, 0x4f, 0x10, 0xa0, 0, 0, 0, 0x87, 0x10, 0x04, 0xff, 0xff, 0xff, 0xff, 0x89, 0, 0, 1, 0,
      0x50, 0x04, b'I', b'S', b'I', b'M'],
]);

/// EF.SST: two bits a service, 11 for one that is allocated and activated (TS 51.011 clause 10.3.7).
static SIM_SERVICES: [u8; 14] = {
    let mut bytes = [0; 14];
    // 1 CHV1 disable, 2 ADN, 3 FDN, 4 SMS, 5 advice of charge, 7 PLMN selector, 9 MSISDN, 12 SMSP, 14 CBMI, 15 and
    // 16 GID, 17 SPN, 29 proactive SIM, 30 CBMIR, 43 to 45 network lists with access technologies.
    let services = [1, 2, 3, 4, 5, 7, 9, 12, 14, 15, 16, 17, 29, 30, 43, 44, 45];
    let mut i = 0;
    while i < services.len() {
        let bit = 2 * (services[i] - 1);
        bytes[bit / 8] |= 3 << (bit % 8);
        i += 1;
    }
    bytes
};
