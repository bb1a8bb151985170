//! Templates of the ISIM (3GPP TS 31.103).

use super::{Place, Row, Template, application, ber_tlv, linear, transparent};

pub(super) const ISIM: Template =
    Template { element: "isim", number: 8, versions: 1, by_default: true, place: Place::Mf, rows: ISIM_ROWS };

const ISIM_ROWS: &[Row] = &[
    application("adf-isim"),
    transparent("ef-impi", 0x6f02, 0, 2, 0x02),
    linear("ef-impu", 0x6f04, (1, 0), 2, 0x04),
    transparent("ef-domain", 0x6f03, 0, 2, 0x05),
    transparent("ef-ist", 0x6f07, 14, 2, 0x07),
    transparent("ef-ad", 0x6fad, 3, 10, 0x03).fill(&[0]),
    linear("ef-arr", 0x6f06, (0, 0), 10, 0x06),
];

pub(super) const OPT_ISIM: Template = Template {
    element: "opt-isim",
    number: 9,
    versions: 2,
    by_default: false,
    place: Place::Isim,
    rows: OPT_ISIM_ROWS,
};

const OPT_ISIM_ROWS: &[Row] = &[
    linear("ef-pcscf", 0x6f09, (1, 0), 2, 0),
    linear("ef-sms", 0x6f3c, (10, 176), 5, 0).fill(&[0x00, 0xff]),
    linear("ef-smsp", 0x6f42, (1, 38), 5, 0),
    transparent("ef-smss", 0x6f43, 2, 5, 0),
    linear("ef-smsr", 0x6f47, (10, 30), 5, 0).fill(&[0x00, 0xff]),
    transparent("ef-gbabp", 0x6fd5, 0, 5, 0),
    linear("ef-gbanl", 0x6fd7, (0, 0), 2, 0),
    linear("ef-nafkca", 0x6fdd, (0, 0), 2, 0),
    linear("ef-uicciari", 0x6fe7, (0, 0), 2, 0),
    transparent("ef-frompreferred", 0x6ff7, 1, 2, 0).fill(&[0]).since(2),
    ber_tlv("ef-imsconfigdata", 0x6ff8, 2, 0).since(2),
    ber_tlv("ef-xcapconfigdata", 0x6ffc, 2, 0).since(2),
    linear("ef-webrtcuri", 0x6ffa, (0, 0), 2, 0).since(2),
    ber_tlv("ef-mudmidconfigdata", 0x6ffe, 2, 0).since(2),
];
