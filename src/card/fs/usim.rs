//! The files of the USIM (3GPP TS 31.102 clause 4). Initial values are those of its annex E.

use super::access::{
    ARR, ARR_COUNT, ARR_RECORD, COUNTER, PREFERENCE, PUBLIC, RESTRICTED, SUBSCRIPTION, TERMINAL, filled_up,
};
use super::personal;
use super::table::Directory::{FiveGs, Mf, Usim};
use super::table::Initial::{Bytes, Erased, Personal};
use super::table::{ADF, Entry, cyclic, directory, records, transparent};

#[rustfmt::skip]
pub(super) const FILES: &[Entry] = &[
    directory(Mf, ADF, Usim),
    transparent(Usim, 0x6f05, 0x02, 2, PREFERENCE, Erased),                           // EF.LI
    records(Usim, 0x6f06, 0x17, (ARR_RECORD, ARR_COUNT), PUBLIC, Bytes(&ARR)),        // EF.ARR
    transparent(Usim, 0x6f07, 0x07, 9, SUBSCRIPTION, Personal(personal::imsi)),       // EF.IMSI
    transparent(Usim, 0x6f08, 0x08, 33, TERMINAL, Bytes(&NO_KEYS)),                   // EF.Keys
    transparent(Usim, 0x6f09, 0x09, 33, TERMINAL, Bytes(&NO_KEYS)),                   // EF.KeysPS
    transparent(Usim, 0x6f31, 0x12, 1, SUBSCRIPTION, Bytes(&[0x05])),                 // EF.HPPLMN
    transparent(Usim, 0x6f37, 0x00, 3, RESTRICTED, Bytes(&[0; 3])),                   // EF.ACMmax
    transparent(Usim, 0x6f38, 0x04, 17, SUBSCRIPTION, Personal(personal::services)),  // EF.UST
    cyclic(Usim, 0x6f39, 0x00, (3, 3), COUNTER, Bytes(&[0; 9])),                      // EF.ACM
    records(Usim, 0x6f3b, 0x00, (30, 5), RESTRICTED, Erased),                         // EF.FDN
    records(Usim, 0x6f3c, 0x00, (176, 5), TERMINAL, Bytes(&NO_MESSAGES)),             // EF.SMS
    transparent(Usim, 0x6f3e, 0x00, 4, SUBSCRIPTION, Erased),                         // EF.GID1
    transparent(Usim, 0x6f3f, 0x00, 4, SUBSCRIPTION, Erased),                         // EF.GID2
    records(Usim, 0x6f40, 0x00, (30, 1), TERMINAL, Erased),                           // EF.MSISDN
    transparent(Usim, 0x6f41, 0x00, 5, RESTRICTED, Bytes(&[0xff, 0xff, 0xff, 0, 0])), // EF.PUCT
    records(Usim, 0x6f42, 0x00, (40, 1), TERMINAL, Bytes(&SERVICE_CENTRE)),           // EF.SMSP
    transparent(Usim, 0x6f43, 0x00, 2, TERMINAL, Erased),                             // EF.SMSS
    transparent(Usim, 0x6f45, 0x00, 20, TERMINAL, Erased),                            // EF.CBMI
    transparent(Usim, 0x6f46, 0x00, 17, PUBLIC, Bytes(&PROVIDER_NAME)),               // EF.SPN
    transparent(Usim, 0x6f48, 0x0e, 20, SUBSCRIPTION, Erased),                        // EF.CBMID
    transparent(Usim, 0x6f50, 0x00, 20, TERMINAL, Erased),                            // EF.CBMIR
    transparent(Usim, 0x6f56, 0x05, 1, RESTRICTED, Bytes(&[0])),                      // EF.EST
    transparent(Usim, 0x6f5b, 0x0f, 6, TERMINAL, Bytes(&[0xf0, 0, 0, 0xf0, 0, 0])),   // EF.START-HFN
    transparent(Usim, 0x6f5c, 0x10, 3, SUBSCRIPTION, Erased),                         // EF.THRESHOLD
    transparent(Usim, 0x6f60, 0x0a, 40, TERMINAL, Bytes(&NO_NETWORKS)),               // EF.PLMNwAcT
    transparent(Usim, 0x6f61, 0x11, 40, SUBSCRIPTION, Bytes(&NO_NETWORKS)),           // EF.OPLMNwAcT
    transparent(Usim, 0x6f62, 0x13, 5, SUBSCRIPTION, Personal(personal::home_network)), // EF.HPLMNwAcT
    transparent(Usim, 0x6f73, 0x0c, 14, TERMINAL, Personal(personal::ps_location)),   // EF.PSLOCI
    transparent(Usim, 0x6f78, 0x06, 2, SUBSCRIPTION, Personal(personal::access_class)), // EF.ACC
    transparent(Usim, 0x6f7b, 0x0d, 12, TERMINAL, Erased),                            // EF.FPLMN
    transparent(Usim, 0x6f7e, 0x0b, 11, TERMINAL, Personal(personal::location)),      // EF.LOCI
    transparent(Usim, 0x6fad, 0x03, 4, PUBLIC, Personal(personal::administrative)),   // EF.AD
    records(Usim, 0x6fb7, 0x01, (4, 1), PUBLIC, Bytes(&[0x11, 0xf2, 0xff, 0x00])),    // EF.ECC: 112
    transparent(Usim, 0x6fc4, 0x00, 46, TERMINAL, Erased),                            // EF.NETPAR
    records(Usim, 0x6fc5, 0x19, (20, 1), PUBLIC, Erased),                             // EF.PNN
    records(Usim, 0x6fc6, 0x1a, (8, 1), PUBLIC, Erased),                              // EF.OPL
    transparent(Usim, 0x6fd9, 0x1d, 12, SUBSCRIPTION, Personal(personal::equivalent_home)), // EF.EHPLMN
    transparent(Usim, 0x6fdb, 0x00, 1, SUBSCRIPTION, Bytes(&[0])),                    // EF.EHPLMNPI
    transparent(Usim, 0x6fe3, 0x1e, 18, TERMINAL, Personal(personal::eps_location)),  // EF.EPSLOCI
    records(Usim, 0x6fe4, 0x18, (54, 1), TERMINAL, Erased),                           // EF.EPSNSC
    transparent(Usim, 0x6fe8, 0x00, 24, SUBSCRIPTION, Erased),                        // EF.NASCONFIG
    directory(Usim, 0x5fc0, FiveGs),
    transparent(FiveGs, 0x4f01, 0x01, 20, TERMINAL, Personal(personal::five_gs_location)), // EF.5GS3GPPLOCI
    transparent(FiveGs, 0x4f02, 0x02, 20, TERMINAL, Personal(personal::five_gs_location)), // EF.5GSN3GPPLOCI
    records(FiveGs, 0x4f03, 0x03, (62, 1), TERMINAL, Erased),                         // EF.5GS3GPPNSC
    records(FiveGs, 0x4f04, 0x04, (62, 1), TERMINAL, Erased),                         // EF.5GSN3GPPNSC
    transparent(FiveGs, 0x4f05, 0x05, 110, TERMINAL, Erased),                         // EF.5GAUTHKEYS
    transparent(FiveGs, 0x4f06, 0x06, 4, SUBSCRIPTION, Bytes(&[0; 4])),               // EF.UAC_AIC
    transparent(FiveGs, 0x4f07, 0x07, 80, SUBSCRIPTION, Personal(personal::suci_calculation)), // EF.SUCI_Calc_Info
    records(FiveGs, 0x4f08, 0x08, (10, 1), PUBLIC, Erased),                           // EF.OPL5G
    transparent(FiveGs, 0x4f0a, 0x0a, 4, SUBSCRIPTION, Personal(personal::routing_indicator)), // EF.Routing_Indicator
];

/// EF.Keys and EF.KeysPS without keys: KSI 7 means that none is available.
static NO_KEYS: [u8; 33] = {
    let mut bytes = [0xff; 33];
    bytes[0] = 0x07;
    bytes
};

/// EF.Kc of DF.GSM without a key: sequence number 7.
pub(super) static NO_KC: [u8; 9] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07];

/// Network lists: no network, no access technology.
static NO_NETWORKS: [u8; 40] = {
    let mut bytes = [0xff; 40];
    let mut i = 3;
    while i < 40 {
        (bytes[i], bytes[i + 1]) = (0, 0);
        i += 5;
    }
    bytes
};

/// EF.SMS: five records that are free.
pub(super) static NO_MESSAGES: [u8; 5 * 176] = {
    let mut bytes = [0xff; 5 * 176];
    let mut record = 0;
    while record < 5 {
        bytes[record * 176] = 0;
        record += 1;
    }
    bytes
};

/// EF.SMSP: 12 bytes of name, then a service centre in the numbers that no operator has (+00 1 01).
pub(super) static SERVICE_CENTRE: [u8; 40] = filled_up(
    40,
    &[&[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x04, 0x91, 0x00, 0x01, 0x10,
    ]],
);

/// EF.SPN: shown in the home network.
static PROVIDER_NAME: [u8; 17] = filled_up(17, &[&[0x01, b'c', b'e', b'l', b'l', b'b', b'e', b'd']]);
