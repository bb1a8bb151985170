//! Templates of the USIM (3GPP TS 31.102 clauses 4.2 and 4.4).

use super::{Place, Row, Template, application, ber_tlv, cyclic, directory, linear, transparent};

pub(super) const USIM: Template =
    Template { element: "usim", number: 4, versions: 2, by_default: true, place: Place::Mf, rows: USIM_ROWS };

/// What a file without networks, areas or messages begins with.
const FREE: &[u8] = &[0x00, 0xff];
const NO_KEY: &[u8] = &[0x07, 0xff];

#[rustfmt::skip]
const USIM_ROWS: &[Row] = &[
    application("adf-usim"),
    transparent("ef-imsi", 0x6f07, 9, 2, 0x07),
    linear("ef-arr", 0x6f06, (0, 0), 10, 0x17),
    transparent("ef-keys", 0x6f08, 33, 5, 0x08).fill(NO_KEY).busy(),
    transparent("ef-keysPS", 0x6f09, 33, 5, 0x09).fill(NO_KEY).busy(),
    transparent("ef-hpplmn", 0x6f31, 1, 2, 0x12).fill(&[0x0a]),
    transparent("ef-ust", 0x6f38, 14, 2, 0x04),
    transparent("ef-ust", 0x6f38, 17, 2, 0x04).since(2),
    linear("ef-fdn", 0x6f3b, (20, 26), 8, 0),
    linear("ef-sms", 0x6f3c, (10, 176), 5, 0).fill(FREE),
    linear("ef-smsp", 0x6f42, (1, 38), 5, 0),
    transparent("ef-smss", 0x6f43, 2, 5, 0),
    transparent("ef-spn", 0x6f46, 17, 10, 0),
    transparent("ef-est", 0x6f56, 1, 8, 0x05),
    transparent("ef-start-hfn", 0x6f5b, 6, 5, 0x0f).fill(&[0xf0, 0x00, 0x00, 0xf0, 0x00, 0x00]).busy(),
    transparent("ef-threshold", 0x6f5c, 3, 2, 0x10),
    transparent("ef-psloci", 0x6f73, 14, 5, 0x0c).ending(&[0x00, 0x00, 0xff, 0x01]).busy(),
    transparent("ef-acc", 0x6f78, 2, 2, 0x06),
    transparent("ef-fplmn", 0x6f7b, 12, 5, 0x0d),
    transparent("ef-loci", 0x6f7e, 11, 5, 0x0b).ending(&[0x00, 0x00, 0xff, 0x01]).busy(),
    transparent("ef-ad", 0x6fad, 4, 10, 0x03).fill(&[0x00, 0x00, 0x00, 0x02]),
    linear("ef-ecc", 0x6fb7, (1, 4), 10, 0x01),
    transparent("ef-netpar", 0x6fc4, 128, 5, 0).busy(),
    transparent("ef-epsloci", 0x6fe3, 18, 5, 0x1e).ending(&[0x00, 0x00, 0x01]).busy(),
    linear("ef-epsnsc", 0x6fe4, (1, 80), 5, 0x18).busy(),
];

pub(super) const OPT_USIM: Template = Template {
    element: "opt-usim",
    number: 5,
    versions: 3,
    by_default: false,
    place: Place::Usim,
    rows: OPT_USIM_ROWS,
};

/// An entry of a list of networks that is free: no network, no access technology.
const NO_NETWORK: &[u8] = &[0xff, 0xff, 0xff, 0x00, 0x00];

/// EF.UFC: the configuration of the USAT facilities that the template gives.
const FACILITIES: &[u8] = &[
    0x80, 0x1e, 0x60, 0xc0, 0x1e, 0x90, 0x00, 0x80, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xf0, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,
];

#[rustfmt::skip]
const OPT_USIM_ROWS: &[Row] = &[
    transparent("ef-li", 0x6f05, 6, 1, 0x02),
    transparent("ef-acmax", 0x6f37, 3, 5, 0).fill(&[0]),
    cyclic("ef-acm", 0x6f39, (1, 3), 7, 0).fill(&[0]).busy(),
    transparent("ef-gid1", 0x6f3e, 8, 2, 0),
    transparent("ef-gid2", 0x6f3f, 8, 2, 0),
    linear("ef-msisdn", 0x6f40, (1, 24), 2, 0),
    transparent("ef-puct", 0x6f41, 5, 5, 0).fill(&[0xff, 0xff, 0xff, 0x00, 0x00]),
    transparent("ef-cbmi", 0x6f45, 10, 5, 0),
    transparent("ef-cbmid", 0x6f48, 10, 2, 0x0e),
    linear("ef-sdn", 0x6f49, (10, 24), 2, 0),
    linear("ef-ext2", 0x6f4b, (10, 13), 8, 0).fill(FREE),
    linear("ef-ext3", 0x6f4c, (10, 13), 2, 0).fill(FREE),
    transparent("ef-cbmir", 0x6f50, 20, 5, 0),
    transparent("ef-plmnwact", 0x6f60, 40, 5, 0x0a).repeat(NO_NETWORK),
    transparent("ef-oplmnwact", 0x6f61, 40, 2, 0x11).repeat(NO_NETWORK),
    transparent("ef-hplmnwact", 0x6f62, 5, 2, 0x13).repeat(NO_NETWORK),
    transparent("ef-dck", 0x6f2c, 16, 5, 0),
    transparent("ef-cnl", 0x6f32, 30, 2, 0),
    linear("ef-smsr", 0x6f47, (10, 30), 5, 0).fill(FREE),
    linear("ef-bdn", 0x6f4d, (10, 25), 8, 0),
    linear("ef-ext5", 0x6f4e, (10, 13), 5, 0).fill(FREE),
    linear("ef-ccp2", 0x6f4f, (5, 15), 5, 0x16),
    linear("ef-ext4", 0x6f55, (10, 13), 8, 0).fill(FREE),
    transparent("ef-acl", 0x6f57, 101, 8, 0).fill(FREE),
    linear("ef-cmi", 0x6f58, (10, 11), 2, 0),
    cyclic("ef-ici", 0x6f80, (20, 38), 5, 0x14).ending(&[0x00, 0x00, 0x00, 0x00, 0x01, 0xff, 0xff]).busy(),
    cyclic("ef-oci", 0x6f81, (20, 37), 5, 0x15).ending(&[0x00, 0x00, 0x00, 0x01, 0xff, 0xff]).busy(),
    cyclic("ef-ict", 0x6f82, (1, 3), 7, 0).fill(&[0]).busy(),
    cyclic("ef-oct", 0x6f83, (1, 3), 7, 0).fill(&[0]).busy(),
    transparent("ef-vgcs", 0x6fb1, 20, 2, 0),
    transparent("ef-vgcss", 0x6fb2, 7, 5, 0),
    transparent("ef-vbs", 0x6fb3, 20, 2, 0),
    transparent("ef-vbss", 0x6fb4, 7, 5, 0),
    transparent("ef-emlpp", 0x6fb5, 2, 2, 0),
    transparent("ef-aaem", 0x6fb6, 1, 5, 0).fill(&[0]),
    transparent("ef-hiddenkey", 0x6fc3, 4, 5, 0),
    linear("ef-pnn", 0x6fc5, (10, 16), 10, 0x19),
    linear("ef-opl", 0x6fc6, (5, 8), 10, 0x1a),
    linear("ef-mbdn", 0x6fc7, (3, 24), 5, 0),
    linear("ef-ext6", 0x6fc8, (10, 13), 5, 0).fill(FREE),
    linear("ef-mbi", 0x6fc9, (10, 5), 5, 0),
    linear("ef-mwis", 0x6fca, (10, 6), 5, 0).fill(&[0]).busy(),
    linear("ef-cfis", 0x6fcb, (10, 16), 5, 0).fill(&[0x01, 0x00, 0xff]),
    linear("ef-ext7", 0x6fcc, (10, 13), 5, 0).fill(FREE),
    transparent("ef-spdi", 0x6fcd, 17, 2, 0x1b),
    linear("ef-mmsn", 0x6fce, (10, 6), 5, 0).fill(&[0x00, 0x00, 0x00, 0xff]),
    linear("ef-ext8", 0x6fcf, (10, 13), 5, 0).fill(FREE),
    transparent("ef-mmsicp", 0x6fd0, 100, 2, 0),
    linear("ef-mmsup", 0x6fd1, (0, 0), 5, 0),
    transparent("ef-mmsucp", 0x6fd2, 100, 5, 0),
    linear("ef-nia", 0x6fd3, (5, 11), 2, 0),
    transparent("ef-vgcsca", 0x6fd4, 0, 2, 0).fill(&[0]),
    transparent("ef-vbsca", 0x6fd5, 0, 2, 0).fill(&[0]),
    transparent("ef-gbabp", 0x6fd6, 0, 5, 0),
    linear("ef-msk", 0x6fd7, (0, 0), 2, 0).busy(),
    linear("ef-muk", 0x6fd8, (0, 0), 2, 0),
    transparent("ef-ehplmn", 0x6fd9, 15, 2, 0x1d),
    linear("ef-gbanl", 0x6fda, (0, 0), 2, 0),
    transparent("ef-ehplmnpi", 0x6fdb, 1, 2, 0).fill(&[0]),
    transparent("ef-lrplmnsi", 0x6fdc, 1, 2, 0).fill(&[0]),
    linear("ef-nafkca", 0x6fdd, (0, 0), 2, 0),
    transparent("ef-spni", 0x6fde, 0, 10, 0).fill(FREE),
    linear("ef-pnni", 0x6fdf, (0, 0), 10, 0).fill(FREE),
    linear("ef-ncp-ip", 0x6fe2, (0, 0), 2, 0),
    transparent("ef-ufc", 0x6fe6, 30, 10, 0).fill(FACILITIES),
    transparent("ef-nasconfig", 0x6fe8, 18, 2, 0),
    linear("ef-uicciari", 0x6fe7, (0, 0), 2, 0),
    transparent("ef-pws", 0x6fec, 0, 10, 0),
    linear("ef-fdnuri", 0x6fed, (0, 0), 8, 0),
    linear("ef-bdnuri", 0x6fee, (0, 0), 8, 0),
    linear("ef-sdnuri", 0x6fef, (0, 0), 2, 0),
    linear("ef-ial", 0x6ff0, (0, 0), 3, 0),
    cyclic("ef-ips", 0x6ff1, (0, 4), 10, 0).busy(),
    linear("ef-ipd", 0x6ff2, (0, 0), 3, 0).busy(),
    transparent("ef-epdgid", 0x6ff3, 0, 2, 0).since(2),
    transparent("ef-epdgselection", 0x6ff4, 0, 2, 0).since(2),
    transparent("ef-epdgidem", 0x6ff5, 0, 2, 0).since(2),
    transparent("ef-epdgselectionem", 0x6ff6, 0, 2, 0).since(2),
    transparent("ef-frompreferred", 0x6ff7, 1, 2, 0).fill(&[0]).since(2),
    ber_tlv("ef-imsconfigdata", 0x6ff8, 2, 0).since(2),
    transparent("ef-3gpppsdataoff", 0x6ff9, 4, 2, 0).since(2),
    linear("ef-3gpppsdataoffservicelist", 0x6ffa, (0, 0), 2, 0).since(2),
    ber_tlv("ef-xcapconfigdata", 0x6ffc, 2, 0).since(2),
    transparent("ef-earfcnlist", 0x6ffd, 0, 10, 0).since(2),
    ber_tlv("ef-mudmidconfigdata", 0x6ffe, 2, 0).since(2),
    transparent("ef-eaka", 0x6f01, 1, 3, 0).since(3),
];

pub(super) const GSM_ACCESS: Template = Template {
    element: "gsm-access",
    number: 7,
    versions: 1,
    by_default: false,
    place: Place::Usim,
    rows: &[
        directory("df-gsm-access", 0x5f3b),
        transparent("ef-kc", 0x4f20, 9, 5, 0x01).ending(&[0x07]).busy(),
        transparent("ef-kcgprs", 0x4f52, 9, 5, 0x02).ending(&[0x07]).busy(),
        transparent("ef-cpbcch", 0x4f63, 10, 5, 0).busy(),
        transparent("ef-invscan", 0x4f64, 1, 2, 0).fill(&[0]),
    ],
};

pub(super) const DF_5GS: Template = Template {
    element: "df-5gs",
    number: 13,
    versions: 4,
    by_default: false,
    place: Place::Usim,
    rows: DF_5GS_ROWS,
};

/// 5G location without a network: "not updated".
const NO_5G_LOCATION: &[u8] = &[0x00, 0x00, 0x00, 0x01];

#[rustfmt::skip]
const DF_5GS_ROWS: &[Row] = &[
    directory("df-df-5gs", 0x5fc0),
    transparent("ef-5gs3gpploci", 0x4f01, 20, 5, 0x01).ending(NO_5G_LOCATION).busy(),
    transparent("ef-5gsn3gpploci", 0x4f02, 20, 5, 0x02).ending(NO_5G_LOCATION).busy(),
    linear("ef-5gs3gppnsc", 0x4f03, (1, 57), 5, 0x03).busy(),
    linear("ef-5gsn3gppnsc", 0x4f04, (1, 57), 5, 0x04).busy(),
    transparent("ef-5gauthkeys", 0x4f05, 110, 5, 0x05).busy(),
    transparent("ef-uac-aic", 0x4f06, 4, 2, 0x06),
    transparent("ef-suci-calc-info", 0x4f07, 0, 2, 0x07),
    linear("ef-opl5g", 0x4f08, (0, 10), 10, 0x08),
    transparent("ef-supinai", 0x4f09, 0, 2, 0x09),
    transparent("ef-routing-indicator", 0x4f0a, 4, 2, 0x0a).fill(&[0xf0, 0xff]),
    ber_tlv("ef-ursp", 0x4f0b, 2, 0).since(2),
    transparent("ef-tn3gppsnn", 0x4f0c, 1, 2, 0x0c).fill(&[0]).since(2),
    linear("ef-5gs3gppnsc", 0x4f03, (2, 62), 5, 0x03).busy().since(3),
    linear("ef-5gsn3gppnsc", 0x4f04, (2, 62), 5, 0x04).busy().since(3),
    transparent("ef-routing-indicator", 0x4f0a, 4, 2, 0x0a).fill(&[0xf0, 0xff, 0x00]).since(4),
    transparent("ef-cag", 0x4f0d, 2, 2, 0x0d).since(4),
    transparent("ef-sor-cmci", 0x4f0e, 0, 2, 0x0e).since(4),
    transparent("ef-dri", 0x4f0f, 7, 2, 0x0f).since(4),
    transparent("ef-5gsedrx", 0x4f10, 2, 2, 0x10).since(4),
    transparent("ef-5gnswo-conf", 0x4f11, 1, 2, 0x11).since(4),
    transparent("ef-mchpplmn", 0x4f15, 1, 2, 0x15).since(4),
    transparent("ef-kausf-derivation", 0x4f16, 1, 2, 0x16).since(4),
];

pub(super) const DF_SAIP: Template = Template {
    element: "df-saip",
    number: 14,
    versions: 1,
    by_default: false,
    place: Place::Usim,
    rows: &[directory("df-df-saip", 0x5fd0), transparent("ef-suci-calc-info-usim", 0x4f01, 0, 3, 0)],
};

pub(super) const DF_SNPN: Template = Template {
    element: "df-snpn",
    number: 15,
    versions: 1,
    by_default: false,
    place: Place::Usim,
    rows: &[directory("df-df-snpn", 0x5fe0), transparent("ef-pws-snpn", 0x4f01, 1, 10, 0)],
};

pub(super) const DF_5GPROSE: Template = Template {
    element: "df-5gprose",
    number: 16,
    versions: 1,
    by_default: false,
    place: Place::Usim,
    rows: &[
        directory("df-df-5g-prose", 0x5ff0),
        transparent("ef-5g-prose-st", 0x4f01, 1, 2, 0x01),
        transparent("ef-5g-prose-dd", 0x4f02, 26, 2, 0x02),
        transparent("ef-5g-prose-dc", 0x4f03, 12, 2, 0x03),
        transparent("ef-5g-prose-u2nru", 0x4f04, 32, 2, 0x04),
        transparent("ef-5g-prose-ru", 0x4f05, 29, 2, 0x05),
        transparent("ef-5g-prose-uir", 0x4f06, 32, 2, 0x06),
    ],
};
