//! The files of the ISIM (3GPP TS 31.103 clause 4.2).

use super::access::{ARR, ARR_COUNT, ARR_RECORD, PUBLIC, SUBSCRIPTION};
use super::personal;
use super::table::Directory::{Isim, Mf};
use super::table::Initial::{Bytes, Erased, Personal};
use super::table::{ADF, Entry, directory, records, transparent};

#[rustfmt::skip]
pub(super) const FILES: &[Entry] = &[
    directory(Mf, ADF, Isim),
    transparent(Isim, 0x6f02, 0x02, 80, SUBSCRIPTION, Personal(personal::private_identity)), // EF.IMPI
    transparent(Isim, 0x6f03, 0x05, 80, SUBSCRIPTION, Personal(personal::home_domain)), // EF.DOMAIN
    records(Isim, 0x6f04, 0x04, (80, 1), SUBSCRIPTION, Personal(personal::public_identity)), // EF.IMPU
    records(Isim, 0x6f06, 0x06, (ARR_RECORD, ARR_COUNT), PUBLIC, Bytes(&ARR)),        // EF.ARR
    transparent(Isim, 0x6f07, 0x07, 2, SUBSCRIPTION, Bytes(&[0x01, 0x00])),           // EF.IST: P-CSCF address
    records(Isim, 0x6f09, 0x00, (40, 1), SUBSCRIPTION, Erased),                       // EF.P-CSCF
    transparent(Isim, 0x6fad, 0x03, 4, PUBLIC, Personal(personal::administrative)),   // EF.AD
];
