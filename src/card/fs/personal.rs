//! What files hold that is different on every card (3GPP TS 31.102 clauses 4.2 and 4.4.11, TS 31.103 clause 4.2,
//! TS 23.003 clause 13).

use crate::card::{Personalisation, Suci, SuciScheme};
use crate::wire::bcd::{self, plmn};

type Content = Option<Vec<u8>>;

pub(in crate::card) fn iccid(p: &Personalisation) -> Content {
    Some(bcd::iccid(&p.iccid).to_vec())
}

pub(in crate::card) fn imsi(p: &Personalisation) -> Content {
    Some(bcd::imsi(&p.imsi).to_vec())
}

/// EF.UST: a bit a service (TS 31.102 clause 4.2.8).
pub(super) fn services(p: &Personalisation) -> Content {
    // 2 FDN, 10 SMS, 12 SMSP, 13 advice of charge, 15 and 16 cell broadcast, 17 and 18 GID, 19 SPN, 20 PLMN
    // selector, 21 MSISDN, 33 shall be 1, 38 GSM context, 42 and 43 network lists, 45 and 46 PNN and OPL,
    // 71 and 73 EHPLMN, 85 EPS mobility, 96 NAS configuration, 122 5GS mobility, 123 5G security, 126 access
    // identities.
    let always =
        [2, 10, 12, 13, 15, 16, 17, 18, 19, 20, 21, 33, 38, 42, 43, 45, 46, 71, 73, 85, 96, 122, 123, 126];
    let suci = match &p.suci {
        None => &[][..],
        Some(suci) if suci.by_card => &[124, 125],
        Some(_) => &[124],
    };
    // 28: the terminal hands short messages for the card to it.
    let download = if p.ota.is_some() { &[28][..] } else { &[] };
    let mut bytes = vec![0u8; 17];
    for bit in always.iter().chain(suci).chain(download).map(|service: &usize| service - 1) {
        bytes[bit / 8] |= 1 << (bit % 8);
    }
    Some(bytes)
}

/// EF.SUCI_Calc_Info (TS 31.102 clause 4.4.11.8), which a card that calculates itself does not show.
pub(super) fn suci_calculation(p: &Personalisation) -> Content {
    p.suci.as_ref().filter(|suci| !suci.by_card).map(calculation)
}

/// The protection schemes and keys of `suci`, as both EF.SUCI_Calc_Info hold them.
pub(super) fn calculation(suci: &Suci) -> Vec<u8> {
    let (scheme, key) = match &suci.scheme {
        SuciScheme::Null => return vec![0xa0, 0x02, 0x00, 0x00, 0xa1, 0x00],
        SuciScheme::ProfileA(key) => (1, &key[..]),
        SuciScheme::ProfileB(key) => (2, &key[..]),
    };
    // The list of schemes names the key by its place in the list of keys, from 1.
    let keys = [&[0x80, 0x01, suci.key_id, 0x81, key.len() as u8][..], key].concat();
    [&[0xa0, 0x02, scheme, 0x01, 0xa1, keys.len() as u8][..], &keys].concat()
}

/// EF.Routing_Indicator, digits as TS 24.501 clause 9.11.3.4 packs them, two bytes reserved.
pub(super) fn routing_indicator(p: &Personalisation) -> Content {
    let digits = p.suci.as_ref().map_or("0", |suci| suci.routing_indicator.as_str());
    Some(bcd::filled::<4>(bcd::values(digits).take(4)).to_vec())
}

pub(in crate::card) fn home_network(p: &Personalisation) -> Content {
    // Access technologies 4800: E-UTRAN and NG-RAN.
    Some([&plmn(p.plmn)[..], &[0x48, 0x00]].concat())
}

pub(in crate::card) fn equivalent_home(p: &Personalisation) -> Content {
    Some(plmn(p.plmn).to_vec())
}

/// TMSI, LAI, one byte reserved, "not updated".
pub(super) fn location(p: &Personalisation) -> Content {
    Some([&[0xff; 4][..], &plmn(p.plmn), &[0x00, 0x00, 0xff, 0x01]].concat())
}

/// P-TMSI, its signature, RAI, "not updated".
pub(super) fn ps_location(p: &Personalisation) -> Content {
    Some([&[0xff; 7][..], &plmn(p.plmn), &[0x00, 0x00, 0xff, 0x01]].concat())
}

/// GUTI, last visited TAI, "not updated".
pub(super) fn eps_location(p: &Personalisation) -> Content {
    Some([&[0xff; 12][..], &plmn(p.plmn), &[0x00, 0x00, 0x01]].concat())
}

/// 5G-GUTI, last visited TAI, "not updated".
pub(super) fn five_gs_location(p: &Personalisation) -> Content {
    Some([&[0xff; 13][..], &plmn(p.plmn), &[0x00, 0x00, 0x00, 0x01]].concat())
}

/// The access class is the last digit of the IMSI (TS 22.011 clause 4.2).
pub(in crate::card) fn access_class(p: &Personalisation) -> Content {
    let class = bcd::values(p.imsi.as_str()).last().unwrap_or(0);
    Some((1u16 << class).to_be_bytes().to_vec())
}

/// Normal operation, and how many digits the MNC has.
pub(super) fn administrative(p: &Personalisation) -> Content {
    Some(vec![0x00, 0x00, 0x00, p.plmn.mnc().len() as u8])
}

/// EF.IMPI: the IMSI at the home domain (TS 23.003 clause 13.3).
pub(in crate::card) fn private_identity(p: &Personalisation) -> Content {
    Some(uri(&format!("{}@{}", p.imsi, domain(p))))
}

pub(in crate::card) fn home_domain(p: &Personalisation) -> Content {
    Some(uri(&domain(p)))
}

/// EF.IMPU: the temporary public identity (TS 23.003 clause 13.4B).
pub(in crate::card) fn public_identity(p: &Personalisation) -> Content {
    Some(uri(&format!("sip:{}@{}", p.imsi, domain(p))))
}

fn domain(p: &Personalisation) -> String {
    format!("ims.mnc{:0>3}.mcc{}.3gppnetwork.org", p.plmn.mnc(), p.plmn.mcc())
}

fn uri(text: &str) -> Vec<u8> {
    [&[0x80, text.len() as u8][..], text.as_bytes()].concat()
}
