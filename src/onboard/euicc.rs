//! The virtual card that is an eUICC: with a personalised profile as its bootstrap profile, or empty.

use super::OnboardError;
use crate::card::{Delivered, EuiccConfig, Personalisation, Uicc};
use crate::crypto::Tally;
use crate::esim::{EsimError, Pki};
use crate::event::Actor;
use crate::sim::RngTree;
use crate::wire::rsp::{
    IccidBytes, NotificationConfiguration, OperatorId, PolicyRules, ProfileClass, ProfileMetadata,
};

/// The card that device `number` of a run carries if it is an eUICC: its EID is that of `card`, its certificate is
/// issued in `pki`, and with `bootstrap` the profile of `card` is on it and enabled. That profile is the one that a
/// plain card would be, with its keys and random numbers.
///
/// # Errors
/// Where the EUM may not certify the EID, or the profile has no such card.
pub fn virtual_euicc(
    card: &Personalisation,
    number: u32,
    run: &RngTree,
    trust_anchor: &[u8],
    pki: &Pki,
    bootstrap: bool,
) -> Result<Uicc, OnboardError> {
    let rng = run.branch(Actor::Card(number));
    let config = config(card, &rng, trust_anchor, pki)?;
    let delivered = Delivered::Personalised {
        personalisation: Box::new(card.clone()),
        trust_anchor: trust_anchor.to_vec(),
        metadata: metadata(card),
    };
    let delivered = if bootstrap { vec![delivered] } else { Vec::new() };
    Ok(Uicc::with_euicc(config, rng, delivered)?.with_enabled(0))
}

/// What an eUICC with the EID of `card` is made with.
///
/// # Errors
/// Where the EUM may not certify the EID.
pub fn config(
    card: &Personalisation,
    rng: &RngTree,
    trust_anchor: &[u8],
    pki: &Pki,
) -> Result<EuiccConfig, EsimError> {
    let (key, chain) = pki.euicc(&card.eid, &rng.branch("euicc"))?;
    let anchor = pki.anchor(None, &Tally::new())?;
    let config = EuiccConfig::new(card.eid.clone(), key, chain, vec![anchor]);
    Ok(EuiccConfig { trust_anchor: trust_anchor.to_vec(), ..config })
}

/// What the eUICC says of its bootstrap profile.
fn metadata(card: &Personalisation) -> ProfileMetadata {
    ProfileMetadata {
        iccid: iccid(card.iccid.as_str()),
        service_provider: "cellbed".to_owned(),
        name: "bootstrap".to_owned(),
        icon: None,
        class: ProfileClass::Provisioning,
        notifications: Vec::<NotificationConfiguration>::new(),
        owner: Some(OperatorId { mcc_mnc: mcc_mnc(card), gid1: None, gid2: None }),
        rules: PolicyRules::default(),
    }
}

/// Digits as swapped nibbles, filled up with `F`.
fn iccid(digits: &str) -> IccidBytes {
    let nibble = |at: usize| digits.as_bytes().get(at).map_or(0x0f, |digit| digit - b'0');
    std::array::from_fn(|at| nibble(2 * at + 1) << 4 | nibble(2 * at))
}

/// As TS 24.008 clause 10.5.1.3 packs them.
fn mcc_mnc(card: &Personalisation) -> [u8; 3] {
    let (mcc, mnc) = (card.plmn.mcc().as_bytes(), card.plmn.mnc().as_bytes());
    let digit = |digits: &[u8], at: usize| digits.get(at).map_or(0x0f, |digit| digit - b'0');
    [
        digit(mcc, 1) << 4 | digit(mcc, 0),
        digit(mnc, 2) << 4 | digit(mcc, 2),
        digit(mnc, 1) << 4 | digit(mnc, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{CardPort, SimProfile};

    #[test]
    fn the_bootstrap_profile_is_the_plain_card() {
        let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
        let (card, run) = (profile.personalise(1).unwrap(), RngTree::new(7));
        let plain = &mut super::super::factory::virtual_card(&card, 2, &run, &[1; 300]).unwrap();
        let pki = Pki::lab().unwrap();
        let euicc = &mut virtual_euicc(&card, 2, &run, &[1; 300], &pki, true).unwrap();
        // The ICCID, and a random number and a key of the applet.
        for command in
            ["00a4000c022fe2", "00b000000a", "00a4040c07a0000005590010", "0084000010", "00b900000384010100"]
        {
            let command = hex::decode(command).unwrap();
            assert_eq!(plain.transmit(&command), euicc.transmit(&command));
        }
        assert_eq!(mcc_mnc(&card), [0x00, 0xf1, 0x10]);
        let empty = virtual_euicc(&card, 2, &run, &[], &pki, false).unwrap();
        assert!(empty.installed_profiles().is_empty());
    }
}
