//! Files that cards may have (TS 102 221 clause 13, TS 31.102 clauses 4.2 to 4.7, TS 31.103 clause 4.2,
//! TS 51.011 clause 10), by name and with what they hold. A card cannot be asked for a list of its files; it
//! can be asked for each of these.

/// What the content of a file gives away, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// Nothing about anybody.
    Settings,
    /// Who the subscriber is, whom they know, or where they were.
    Identifiers,
    /// Keys.
    Keys,
}

/// A file, and the files in it where it is a directory.
pub(super) struct Known {
    pub(super) id: u16,
    pub(super) name: &'static str,
    pub(super) holds: Holds,
    pub(super) inside: &'static [Known],
}

const fn ef(id: u16, name: &'static str) -> Known {
    Known { id, name, holds: Holds::Settings, inside: &[] }
}

const fn who(id: u16, name: &'static str) -> Known {
    Known { id, name, holds: Holds::Identifiers, inside: &[] }
}

const fn key(id: u16, name: &'static str) -> Known {
    Known { id, name, holds: Holds::Keys, inside: &[] }
}

const fn df(id: u16, name: &'static str, inside: &'static [Known]) -> Known {
    Known { id, name, holds: Holds::Settings, inside }
}

/// What a file with this identifier may hold: the most that one of the directories here has under it, since a packet over
/// the air names a file and not where it is. A file that is not known is taken for settings.
pub fn holds(id: u16) -> Holds {
    fn among(id: u16, files: &[Known]) -> Holds {
        let of = |file: &Known| if file.id == id { file.holds } else { among(id, file.inside) };
        files.iter().map(of).max().unwrap_or(Holds::Settings)
    }
    among(id, MF).max(among(id, USIM)).max(among(id, ISIM))
}

/// Directly under the MF.
#[rustfmt::skip]
pub(super) static MF: &[Known] = &[
    ef(0x2f00, "EF.DIR"), ef(0x2f05, "EF.PL"), ef(0x2f06, "EF.ARR"), ef(0x2f08, "EF.UMPC"),
    who(0x2fe2, "EF.ICCID"),
    df(0x7f10, "DF.TELECOM", TELECOM), df(0x7f20, "DF.GSM", GSM),
];

#[rustfmt::skip]
static TELECOM: &[Known] = &[
    ef(0x6f06, "EF.ARR"), who(0x6f3a, "EF.ADN"), who(0x6f3b, "EF.FDN"), who(0x6f3c, "EF.SMS"),
    ef(0x6f3d, "EF.CCP"), who(0x6f40, "EF.MSISDN"), who(0x6f42, "EF.SMSP"), ef(0x6f43, "EF.SMSS"),
    who(0x6f44, "EF.LND"), ef(0x6f47, "EF.SMSR"), who(0x6f49, "EF.SDN"), ef(0x6f4a, "EF.EXT1"),
    ef(0x6f4b, "EF.EXT2"), ef(0x6f4c, "EF.EXT3"), who(0x6f4d, "EF.BDN"), ef(0x6f54, "EF.SUME"),
    df(0x5f3a, "DF.PHONEBOOK", PHONEBOOK), df(0x5f50, "DF.GRAPHICS", &[ef(0x4f20, "EF.IMG")]),
];

#[rustfmt::skip]
static PHONEBOOK: &[Known] = &[
    ef(0x4f22, "EF.PSC"), ef(0x4f23, "EF.CC"), ef(0x4f24, "EF.PUID"), ef(0x4f30, "EF.PBR"),
    who(0x4f3a, "EF.ADN"),
];

#[rustfmt::skip]
static GSM: &[Known] = &[
    ef(0x6f05, "EF.LP"), who(0x6f07, "EF.IMSI"), key(0x6f20, "EF.Kc"), ef(0x6f30, "EF.PLMNsel"),
    ef(0x6f31, "EF.HPPLMN"), ef(0x6f38, "EF.SST"), ef(0x6f3e, "EF.GID1"), ef(0x6f3f, "EF.GID2"),
    ef(0x6f46, "EF.SPN"), key(0x6f52, "EF.KcGPRS"), who(0x6f53, "EF.LOCIGPRS"),
    ef(0x6f60, "EF.PLMNwAcT"), ef(0x6f61, "EF.OPLMNwAcT"), ef(0x6f62, "EF.HPLMNwAcT"),
    ef(0x6f74, "EF.BCCH"), ef(0x6f78, "EF.ACC"), ef(0x6f7b, "EF.FPLMN"), who(0x6f7e, "EF.LOCI"),
    ef(0x6fad, "EF.AD"), ef(0x6fae, "EF.Phase"), ef(0x6fb7, "EF.ECC"),
];

/// In ADF.USIM.
#[rustfmt::skip]
pub(super) static USIM: &[Known] = &[
    ef(0x6f05, "EF.LI"), ef(0x6f06, "EF.ARR"), who(0x6f07, "EF.IMSI"), key(0x6f08, "EF.Keys"),
    key(0x6f09, "EF.KeysPS"), ef(0x6f2c, "EF.DCK"), ef(0x6f31, "EF.HPPLMN"), ef(0x6f32, "EF.CNL"),
    ef(0x6f37, "EF.ACMmax"), ef(0x6f38, "EF.UST"), ef(0x6f39, "EF.ACM"), who(0x6f3b, "EF.FDN"),
    who(0x6f3c, "EF.SMS"), ef(0x6f3e, "EF.GID1"), ef(0x6f3f, "EF.GID2"), who(0x6f40, "EF.MSISDN"),
    ef(0x6f41, "EF.PUCT"), who(0x6f42, "EF.SMSP"), ef(0x6f43, "EF.SMSS"), ef(0x6f45, "EF.CBMI"),
    ef(0x6f46, "EF.SPN"), ef(0x6f47, "EF.SMSR"), ef(0x6f48, "EF.CBMID"), who(0x6f49, "EF.SDN"),
    ef(0x6f4b, "EF.EXT2"), ef(0x6f4c, "EF.EXT3"), who(0x6f4d, "EF.BDN"), ef(0x6f4e, "EF.EXT5"),
    ef(0x6f50, "EF.CBMIR"), ef(0x6f55, "EF.EXT4"), ef(0x6f56, "EF.EST"), ef(0x6f57, "EF.ACL"),
    ef(0x6f58, "EF.CMI"), ef(0x6f5b, "EF.START-HFN"), ef(0x6f5c, "EF.THRESHOLD"),
    ef(0x6f60, "EF.PLMNwAcT"), ef(0x6f61, "EF.OPLMNwAcT"), ef(0x6f62, "EF.HPLMNwAcT"),
    who(0x6f73, "EF.PSLOCI"), ef(0x6f78, "EF.ACC"), ef(0x6f7b, "EF.FPLMN"), who(0x6f7e, "EF.LOCI"),
    who(0x6f80, "EF.ICI"), who(0x6f81, "EF.OCI"), ef(0x6f82, "EF.ICT"), ef(0x6f83, "EF.OCT"),
    ef(0x6fad, "EF.AD"), ef(0x6fb1, "EF.VGCS"), ef(0x6fb2, "EF.VGCSS"), ef(0x6fb3, "EF.VBS"),
    ef(0x6fb4, "EF.VBSS"), ef(0x6fb5, "EF.eMLPP"), ef(0x6fb6, "EF.AAeM"), ef(0x6fb7, "EF.ECC"),
    ef(0x6fc4, "EF.NETPAR"), ef(0x6fc5, "EF.PNN"), ef(0x6fc6, "EF.OPL"), who(0x6fc7, "EF.MBDN"),
    ef(0x6fc8, "EF.EXT6"), ef(0x6fc9, "EF.MBI"), ef(0x6fca, "EF.MWIS"), ef(0x6fcb, "EF.CFIS"),
    ef(0x6fcd, "EF.SPDI"), ef(0x6fce, "EF.MMSN"), ef(0x6fd6, "EF.GBABP"), key(0x6fd7, "EF.MSK"),
    key(0x6fd8, "EF.MUK"), ef(0x6fd9, "EF.EHPLMN"), ef(0x6fda, "EF.GBANL"), ef(0x6fdb, "EF.EHPLMNPI"),
    ef(0x6fdc, "EF.LRPLMNSI"), key(0x6fdd, "EF.NAFKCA"), ef(0x6fde, "EF.SPNI"), ef(0x6fdf, "EF.PNNI"),
    who(0x6fe2, "EF.NCP-IP"), who(0x6fe3, "EF.EPSLOCI"), key(0x6fe4, "EF.EPSNSC"),
    ef(0x6fe6, "EF.UFC"), ef(0x6fe8, "EF.NASCONFIG"), ef(0x6fec, "EF.PWS"),
    df(0x5f3a, "DF.PHONEBOOK", PHONEBOOK), df(0x5f3b, "DF.GSM-ACCESS", GSM_ACCESS),
    df(0x5fc0, "DF.5GS", FIVE_GS), df(0x5fd0, "DF.SAIP", &[ef(0x4f01, "EF.SUCI_Calc_Info_USIM")]),
];

#[rustfmt::skip]
static GSM_ACCESS: &[Known] = &[
    key(0x4f20, "EF.Kc"), key(0x4f52, "EF.KcGPRS"), ef(0x4f63, "EF.CPBCCH"), ef(0x4f64, "EF.InvScan"),
];

#[rustfmt::skip]
static FIVE_GS: &[Known] = &[
    who(0x4f01, "EF.5GS3GPPLOCI"), who(0x4f02, "EF.5GSN3GPPLOCI"), key(0x4f03, "EF.5GS3GPPNSC"),
    key(0x4f04, "EF.5GSN3GPPNSC"), key(0x4f05, "EF.5GAUTHKEYS"), ef(0x4f06, "EF.UAC_AIC"),
    ef(0x4f07, "EF.SUCI_Calc_Info"), ef(0x4f08, "EF.OPL5G"), who(0x4f09, "EF.SUPI_NAI"),
    ef(0x4f0a, "EF.Routing_Indicator"), ef(0x4f0b, "EF.URSP"), ef(0x4f0c, "EF.TN3GPPSNN"),
];

/// In ADF.ISIM.
#[rustfmt::skip]
pub(super) static ISIM: &[Known] = &[
    who(0x6f02, "EF.IMPI"), who(0x6f03, "EF.DOMAIN"), who(0x6f04, "EF.IMPU"), ef(0x6f06, "EF.ARR"),
    ef(0x6f07, "EF.IST"), ef(0x6f09, "EF.P-CSCF"), who(0x6f3c, "EF.SMS"), who(0x6f42, "EF.SMSP"),
    ef(0x6f43, "EF.SMSS"), ef(0x6f47, "EF.SMSR"), ef(0x6fad, "EF.AD"), ef(0x6fd5, "EF.GBABP"),
    ef(0x6fd7, "EF.GBANL"), key(0x6fdd, "EF.NAFKCA"), ef(0x6fe7, "EF.UICCIARI"),
];
