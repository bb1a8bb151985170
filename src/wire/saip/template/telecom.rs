//! Templates of DF.TELECOM and of the phonebook of a USIM (3GPP TS 31.102 clauses 4.4.2, 4.6).

use super::{Place, Row, Template, ber_tlv, directory, linear, transparent};

pub(super) const TELECOM: Template = Template {
    element: "telecom",
    number: 3,
    versions: 2,
    by_default: false,
    place: Place::Mf,
    rows: &TELECOM_ROWS,
};

pub(super) const PHONEBOOK: Template = Template {
    element: "phonebook",
    number: 6,
    versions: 1,
    by_default: false,
    place: Place::Usim,
    rows: &PHONEBOOK_ROWS,
};

const HEAD: [Row; 12] = [
    directory("df-telecom", 0x7f10),
    linear("ef-arr", 0x6f06, (0, 0), 10, 0),
    linear("ef-rma", 0x6f53, (0, 0), 3, 0),
    transparent("ef-sume", 0x6f54, 22, 3, 0),
    linear("ef-ice-dn", 0x6fe0, (50, 24), 9, 0),
    linear("ef-ice-ff", 0x6fe1, (0, 0), 9, 0),
    linear("ef-psismsc", 0x6fe5, (0, 0), 5, 0),
    directory("df-graphics", 0x5f50),
    linear("ef-img", 0x4f20, (0, 0), 2, 0).fill(&[0x00, 0xff]).within("df-graphics"),
    transparent("ef-iidf", 0x4f40, 0, 2, 0).within("df-graphics"),
    ber_tlv("ef-ice-graphics", 0x4f21, 9, 0).within("df-graphics"),
    transparent("ef-launch-scws", 0x4f01, 0, 10, 0).within("df-graphics"),
];

const ICON: Row = transparent("ef-icon", 0x4f80, 0, 10, 0).within("df-graphics");

const PHONEBOOK_ROWS: [Row; 18] = [
    directory("df-phonebook", 0x5f3a),
    linear("ef-pbr", 0x4f30, (0, 0), 2, 0).within("df-phonebook"),
    linear("ef-ext1", 0x4f38, (0, 13), 5, 0).fill(&[0x00, 0xff]).within("df-phonebook"),
    linear("ef-aas", 0x4f40, (0, 0), 5, 0).within("df-phonebook"),
    linear("ef-gas", 0x4f48, (0, 0), 5, 0).within("df-phonebook"),
    transparent("ef-psc", 0x4f22, 4, 5, 0).fill(&[0]).within("df-phonebook"),
    transparent("ef-cc", 0x4f23, 2, 5, 0).fill(&[0]).busy().within("df-phonebook"),
    transparent("ef-puid", 0x4f24, 2, 5, 0).fill(&[0]).busy().within("df-phonebook"),
    linear("ef-iap", 0x4f50, (0, 0), 5, 0).within("df-phonebook"),
    linear("ef-adn", 0x4f58, (0, 0), 5, 0).within("df-phonebook"),
    linear("ef-pbc", 0x4f60, (0, 2), 5, 0).fill(&[0]).within("df-phonebook"),
    linear("ef-anr", 0x4f68, (0, 0), 5, 0).within("df-phonebook"),
    linear("ef-puri", 0x4f70, (0, 0), 5, 0).within("df-phonebook"),
    linear("ef-email", 0x4f78, (0, 0), 5, 0).within("df-phonebook"),
    linear("ef-sne", 0x4f80, (0, 0), 5, 0).within("df-phonebook"),
    linear("ef-uid", 0x4f88, (0, 2), 5, 0).fill(&[0]).within("df-phonebook"),
    linear("ef-grp", 0x4f90, (0, 0), 5, 0).fill(&[0]).within("df-phonebook"),
    linear("ef-ccp1", 0x4f98, (0, 0), 5, 0).within("df-phonebook"),
];

const TAIL: [Row; 15] = [
    directory("df-multimedia", 0x5f3b),
    ber_tlv("ef-mml", 0x4f47, 5, 0).within("df-multimedia"),
    ber_tlv("ef-mmdf", 0x4f48, 5, 0).within("df-multimedia"),
    directory("df-mmss", 0x5f3c),
    transparent("ef-mlpl", 0x4f20, 0, 2, 0x01).within("df-mmss"),
    transparent("ef-mspl", 0x4f21, 0, 2, 0x02).within("df-mmss"),
    transparent("ef-mmssmode", 0x4f22, 1, 2, 0x03).within("df-mmss"),
    directory("df-mcs", 0x5f3d).since(2),
    transparent("ef-mst", 0x4f01, 0, 2, 0x01).within("df-mcs").since(2),
    ber_tlv("ef-mcs-config", 0x4f02, 2, 0x02).within("df-mcs").since(2),
    directory("df-v2x", 0x5f3e).since(2),
    transparent("ef-vst", 0x4f01, 0, 2, 0x01).within("df-v2x").since(2),
    ber_tlv("ef-v2x-config", 0x4f02, 2, 0x02).within("df-v2x").since(2),
    transparent("ef-v2xp-pc5", 0x4f03, 0, 2, 0).within("df-v2x").since(2),
    transparent("ef-v2xp-Uu", 0x4f04, 0, 2, 0).within("df-v2x").since(2),
];

const TELECOM_ROWS: [Row; HEAD.len() + 1 + PHONEBOOK_ROWS.len() + TAIL.len()] = {
    let mut rows = [ICON; HEAD.len() + 1 + PHONEBOOK_ROWS.len() + TAIL.len()];
    let parts: [&[Row]; 4] = [&HEAD, &[ICON], &PHONEBOOK_ROWS, &TAIL];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut i = 0;
        while i < parts[part].len() {
            rows[at] = parts[part][i];
            (i, at) = (i + 1, at + 1);
        }
        part += 1;
    }
    rows
};
