//! The virtual card that is an eUICC: with a personalised profile as its bootstrap profile, or empty.

use super::WorldError;
use crate::card::{Delivered, EuiccConfig, EuiccIdentity, Personalisation, Uicc};
use crate::crypto::Tally;
use crate::esim::pki::lab::{EIM_ID, eim_identity};
use crate::esim::{EsimError, Pki};
use crate::event::Actor;
use crate::kernel::RngTree;
use crate::net::endpoint::{EIM, SMDP, SMDS};
use crate::wire::bcd;
use crate::wire::rsp::iot::{EimConfigurationData, EimIdType, EimKey};
use crate::wire::rsp::{
    NotificationConfiguration, OperatorId, PolicyRules, ProfileClass, ProfileMetadata, Version,
};

/// The servers that an eUICC is delivered with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EuiccServers {
    /// FQDN of the SM-DP+ that is asked where nobody says another.
    pub default_smdp: Option<String>,
    /// FQDN of the root SM-DS; that of the GSMA where there is none.
    pub root_smds: Option<String>,
    /// The eIMs that it is delivered with (SGP.32 clause 2.11.1).
    pub eims: Vec<EimConfigurationData>,
}

impl EuiccServers {
    /// Those of the lab, for the run whose randomness is `run`: the eIM's certificate is issued in `pki`.
    ///
    /// # Errors
    /// Where no certificate can be issued.
    pub fn lab(pki: &Pki, run: &RngTree, indirect: bool) -> Result<Self, EsimError> {
        let certificate = eim_identity(pki, run)?.certificate;
        let eim = EimConfigurationData {
            eim_id: EIM_ID.to_owned(),
            fqdn: Some(EIM.name.to_owned()),
            id_type: Some(EimIdType::Proprietary),
            counter: Some(0),
            key: Some(EimKey::Certificate(certificate.der().to_vec())),
            protocols: Some(EimConfigurationData::RETRIEVE_HTTPS),
            indirect_download: indirect,
            ..EimConfigurationData::default()
        };
        Ok(Self {
            default_smdp: Some(SMDP.name.to_owned()),
            root_smds: Some(SMDS.name.to_owned()),
            eims: vec![eim],
        })
    }
}

/// What makes a virtual card an eUICC.
pub struct EuiccIssue<'a> {
    /// The hierarchy that it is certified in and trusts.
    pub pki: &'a Pki,
    /// The servers that it is delivered with.
    pub servers: &'a EuiccServers,
    /// Whether the profile of its card is on it and enabled.
    pub bootstrap: bool,
    /// The version of SGP.22 that it says it supports; the newest where there is none.
    pub svn: Option<Version>,
    /// Who it is, where it has been certified before; otherwise the hierarchy certifies a fresh key.
    pub identity: Option<EuiccIdentity>,
}

/// The card that device `number` of a run carries if it is an eUICC: its EID is that of `card`. Its bootstrap profile
/// is the one that a plain card would be, with its keys and random numbers.
///
/// # Errors
/// Where the EUM may not certify the EID, or the profile has no such card.
pub fn virtual_euicc(
    card: &Personalisation,
    number: u32,
    run: &RngTree,
    trust_anchor: &[u8],
    issue: &EuiccIssue<'_>,
) -> Result<Uicc, WorldError> {
    let rng = run.branch(Actor::card(number));
    let EuiccIssue { pki, servers, bootstrap, svn, identity } = issue;
    let identity = match identity {
        Some(identity) => identity.clone(),
        None => {
            let (key, chain) = pki.euicc(&card.eid, &rng.branch("euicc"))?;
            EuiccIdentity { key, chain }
        }
    };
    let plain = config(card, identity, trust_anchor, pki)?;
    let config = EuiccConfig {
        default_smdp: servers.default_smdp.clone(),
        root_smds: servers.root_smds.clone().unwrap_or(plain.root_smds),
        eims: servers.eims.clone(),
        svn: svn.unwrap_or(plain.svn),
        ..plain
    };
    let delivered = Delivered::Personalised {
        personalisation: Box::new(card.clone()),
        trust_anchor: trust_anchor.to_vec(),
        metadata: metadata(card),
    };
    let delivered = if *bootstrap { vec![delivered] } else { Vec::new() };
    Ok(Uicc::with_euicc(config, rng, delivered)?.with_enabled(0))
}

/// What an eUICC with the EID of `card` is made with.
///
/// # Errors
/// Where the CI's certificate is not in order.
fn config(
    card: &Personalisation,
    identity: EuiccIdentity,
    trust_anchor: &[u8],
    pki: &Pki,
) -> Result<EuiccConfig, EsimError> {
    let EuiccIdentity { key, chain } = identity;
    let anchor = pki.anchor(None, &Tally::new())?;
    let config = EuiccConfig::new(card.eid.clone(), key, chain, vec![anchor]);
    Ok(EuiccConfig { trust_anchor: trust_anchor.to_vec(), ..config })
}

/// What the eUICC says of its bootstrap profile.
fn metadata(card: &Personalisation) -> ProfileMetadata {
    ProfileMetadata {
        iccid: bcd::iccid(&card.iccid),
        service_provider: "cellbed".to_owned(),
        name: "bootstrap".to_owned(),
        icon: None,
        class: ProfileClass::Provisioning,
        notifications: Vec::<NotificationConfiguration>::new(),
        owner: Some(OperatorId { mcc_mnc: bcd::plmn(card.plmn), gid1: None, gid2: None }),
        rules: PolicyRules::default(),
        further: Vec::new(),
    }
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
        let servers = EuiccServers::lab(&pki, &run, false).unwrap();
        let mut issue =
            EuiccIssue { pki: &pki, servers: &servers, bootstrap: true, svn: None, identity: None };
        let euicc = &mut virtual_euicc(&card, 2, &run, &[1; 300], &issue).unwrap();
        // The ICCID, and a random number and a key of the applet.
        for command in
            ["00a4000c022fe2", "00b000000a", "00a4040c07a0000005590010", "0084000010", "00b900000384010100"]
        {
            let command = hex::decode(command).unwrap();
            assert_eq!(plain.transmit(&command), euicc.transmit(&command));
        }
        assert_eq!(bcd::plmn(card.plmn), [0x00, 0xf1, 0x10]);
        issue.bootstrap = false;
        let empty = virtual_euicc(&card, 2, &run, &[], &issue).unwrap();
        assert!(empty.installed_profiles().is_empty());
    }
}
