//! The service table of the USIM, EF.UST (TS 31.102 clause 4.2.8): one bit per service, the lowest first.

/// Services by number, from 1. Reserved numbers have an empty name.
#[rustfmt::skip]
static NAMES: [&str; 135] = [
    "local phone book", "fixed dialling numbers", "extension 2", "service dialling numbers", "extension 3",
    "barred dialling numbers", "extension 4", "outgoing call information", "incoming call information",
    "short message storage", // 10
    "short message status reports", "short message service parameters", "advice of charge",
    "capability configuration parameters 2", "cell broadcast message identifiers",
    "cell broadcast message identifier ranges", "group identifier level 1", "group identifier level 2",
    "service provider name", "user controlled PLMN selector with access technology", // 20
    "MSISDN", "images", "localised service areas", "enhanced multi-level precedence and pre-emption",
    "automatic answer for eMLPP", "", "GSM access", "data download via SMS-PP", "data download via SMS-CB",
    "call control by USIM", // 30
    "MO-SMS control by USIM", "RUN AT COMMAND", "always set", "enabled services table",
    "APN control list", "depersonalisation control keys", "co-operative network list", "GSM security context",
    "CPBCCH information", "investigation scan", // 40
    "MExE", "operator controlled PLMN selector with access technology",
    "HPLMN selector with access technology", "extension 5", "PLMN network name", "operator PLMN list",
    "mailbox dialling numbers", "message waiting indication status", "call forwarding indication status",
    "", // 50
    "service provider display information", "multimedia messaging", "extension 8",
    "call control on GPRS by USIM", "MMS user connectivity parameters", "network's indication of alerting",
    "VGCS group identifiers", "VBS group identifiers", "pseudonym",
    "user controlled PLMN selector for I-WLAN", // 60
    "operator controlled PLMN selector for I-WLAN", "user controlled WSID list",
    "operator controlled WSID list", "VGCS security", "VBS security", "WLAN reauthentication identity",
    "multimedia message storage", "generic bootstrapping architecture", "MBMS security",
    "data download via USSD", // 70
    "equivalent HPLMN", "additional TERMINAL PROFILE", "equivalent HPLMN presentation indication",
    "last RPLMN selection indication", "OMA BCAST smart card profile", "GBA-based local key establishment",
    "terminal applications", "service provider name icon", "PLMN network name icon",
    "connectivity parameters for IP connections", // 80
    "home I-WLAN identifiers", "I-WLAN equivalent HPLMN presentation indication",
    "I-WLAN HPLMN priority indication", "I-WLAN last registered PLMN",
    "EPS mobility management information", "allowed CSG lists", "call control on EPS PDN connection by USIM",
    "HPLMN direct access", "eCall data", "operator CSG lists", // 90
    "SM-over-IP", "CSG display control", "communication control for IMS by USIM",
    "extended terminal applications", "UICC access to IMS", "NAS configuration by USIM",
    "PWS configuration by USIM", "", "URI support by UICC", "extended EARFCN", // 100
    "ProSe", "USAT application pairing", "media types", "IMS call disconnection cause",
    "URI support for MO short message control", "ePDG configuration information support",
    "ePDG configuration information configured", "ACDC", "mission critical services",
    "ePDG emergency configuration information support", // 110
    "ePDG emergency configuration information configured", "eCall data over IMS",
    "URI support for SMS-PP download", "From Preferred", "IMS configuration data", "TV configuration",
    "3GPP PS data off", "3GPP PS data off service list", "V2X", "XCAP configuration data", // 120
    "EARFCN list for MTC and NB-IoT", "5GS mobility management information", "5G security parameters",
    "subscription identifier privacy", "SUCI calculation by the USIM", "UAC access identities",
    "control plane-based steering of UE in VPLMN", "call control on PDU session by USIM",
    "5GS operator PLMN list", "SUPI of type NSI, GLI or GCI", // 130
    "3GPP PS data off separate home and roaming lists", "URSP by USIM", "5G security parameters extended",
    "MuD and MiD configuration data", "trusted non-3GPP access networks by USIM", // 135
];

/// The numbers of the services that a service table has, in order.
pub fn available(table: &[u8]) -> Vec<u16> {
    let bits = table.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    (1..=u16::MAX).zip(bits).filter(|(_, set)| *set).map(|(number, _)| number).collect()
}

/// What a service is; `None` for a number that is reserved, or newer than this table.
pub fn name(number: u16) -> Option<&'static str> {
    let name = NAMES.get(usize::from(number).checked_sub(1)?)?;
    (!name.is_empty()).then_some(*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_names() {
        for (number, expected) in [
            (1, "local phone book"),
            (20, "user controlled PLMN selector with access technology"),
            (33, "always set"),
            (43, "HPLMN selector with access technology"),
            (85, "EPS mobility management information"),
            (99, "URI support by UICC"),
            (122, "5GS mobility management information"),
            (125, "SUCI calculation by the USIM"),
        ] {
            assert_eq!(name(number), Some(expected));
        }
        assert_eq!((name(0), name(26), name(98), name(136)), (None, None, None, None));
    }

    #[test]
    fn the_first_service_is_the_lowest_bit() {
        assert_eq!(available(&[0x81, 0x00, 0x01]), [1, 8, 17]);
    }
}
