//! Templates of files outside network access applications: the MF, DF.CD and DF.EAP.

use super::{Place, Row, Template, directory, linear, transparent};

pub(super) const MF: Template =
    Template { element: "mf", number: 1, versions: 1, by_default: true, place: Place::Root, rows: MF_ROWS };

const MF_ROWS: &[Row] = &[
    directory("mf", 0x3f00),
    transparent("ef-pl", 0x2f05, 2, 1, 0x05),
    transparent("ef-iccid", 0x2fe2, 10, 11, 0),
    linear("ef-dir", 0x2f00, (0, 0), 10, 0x1e),
    linear("ef-arr", 0x2f06, (0, 0), 10, 0),
    transparent("ef-umpc", 0x2f08, 5, 10, 0x08).fill(&[0]),
];

pub(super) const CD: Template =
    Template { element: "cd", number: 2, versions: 1, by_default: false, place: Place::Mf, rows: CD_ROWS };

const CD_ROWS: &[Row] = &[
    directory("df-cd", 0x7f11),
    transparent("ef-launchpad", 0x6f01, 0, 2, 0),
    transparent("ef-icon", 0x6f40, 0, 2, 0),
];

pub(super) const EAP: Template = Template {
    element: "eap",
    number: 12,
    versions: 1,
    by_default: false,
    place: Place::AnyApplication,
    rows: EAP_ROWS,
};

const EAP_ROWS: &[Row] = &[
    directory("df-eap", 0),
    transparent("ef-eapkeys", 0x4f01, 0, 2, 0).busy(),
    transparent("ef-eapstatus", 0x4f02, 1, 2, 0).fill(&[0]).busy(),
    transparent("ef-puid", 0x4f03, 0, 2, 0),
    transparent("ef-ps", 0x4f04, 0, 5, 0).busy(),
    transparent("ef-curid", 0x4f20, 0, 5, 0).busy(),
    transparent("ef-reid", 0x4f21, 0, 5, 0),
    transparent("ef-realm", 0x4f22, 0, 5, 0),
];
