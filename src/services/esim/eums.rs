//! The EUMs of a run: who certifies its eUICCs, and which of their CIs the servers trust.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use x509_cert::ext::pkix::CrlReason;

use crate::crypto::Tally;
use crate::crypto::rsp_cert::{Oid, TrustAnchor};
use crate::esim::EsimError;
use crate::esim::office::UnderCi;
use crate::esim::pki::{Pki, PkiOptions, SmdpIdentity};
use crate::event::Actor;
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::wire::rsp::Version;

/// An eUICC manufacturer (EUM), as the scenario wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EumSetup {
    /// Its name, which its certificate has as organization.
    pub name: String,
    /// Who certifies it; the lab's CI where there is none.
    pub ci: Option<String>,
    /// Whether SM-DP+ and SM-DS trust that CI and have certificates of it.
    pub trusted: bool,
    /// Whether the CI has revoked its certificate.
    pub revoked: bool,
    /// The version of SGP.22 that its eUICCs say they support; the newest where there is none.
    pub svn: Option<Version>,
}

/// An eUICC manufacturer, ready to certify.
#[derive(Clone)]
pub struct Eum {
    /// Its own hierarchy: the CI, and itself below.
    pub pki: Pki,
    /// The version of SGP.22 that its eUICCs say they support; the newest where there is none.
    pub svn: Option<Version>,
}

/// All EUMs of a run, and the CIs above them.
pub(super) struct Eums {
    /// By name.
    pub(super) by_name: BTreeMap<String, Eum>,
    /// The lab's CI as servers know it: with what it has revoked.
    pub(super) lab: Pki,
    /// Every other CI, by name, the same way, and whether SM-DP+ and SM-DS trust it.
    others: BTreeMap<String, (bool, Pki)>,
}

impl Eums {
    /// Makes them. Whatever is not of the lab's own hierarchy is drawn from `rng`.
    ///
    /// # Errors
    /// Where a certificate or a revocation list cannot be signed.
    pub(super) fn new(setup: &[EumSetup], rng: &RngTree) -> Result<Self, EsimError> {
        let mut eums = Self { by_name: BTreeMap::new(), lab: Pki::lab()?, others: BTreeMap::new() };
        for EumSetup { name, ci, trusted, revoked, svn } in setup {
            let options =
                PkiOptions { organization: ci.clone().unwrap_or_default(), ..PkiOptions::default() };
            let above = match ci {
                None => &mut eums.lab,
                Some(ci) => match eums.others.entry(ci.clone()) {
                    Entry::Occupied(known) => &mut known.into_mut().1,
                    Entry::Vacant(place) => {
                        let own = Pki::new(&rng.branch("ci").branch(ci), &options)?;
                        &mut place.insert((*trusted, own)).1
                    }
                },
            };
            let pki = Pki { crl: None, partial_crls: Vec::new(), ..above.clone() };
            let pki = pki.with_eum(name, &options.eins, &options.crl_url, &rng.branch("eum").branch(name))?;
            if let (true, Some(eum)) = (revoked, &pki.eum) {
                above.revoke(&eum.certificate, CrlReason::KeyCompromise, EPOCH_UNIX_S)?;
            }
            eums.by_name.insert(name.clone(), Eum { pki, svn: *svn });
        }
        Ok(eums)
    }

    /// Who the servers are under the CIs that are not the lab's.
    ///
    /// # Errors
    /// Where a certificate cannot be issued.
    pub(super) fn further(
        &self,
        (smdp_oid, smdp_hosts): (&Oid, &[String]),
        (smds_oid, smds_hosts): (&Oid, &[String]),
        rng: &RngTree,
        tally: &Tally,
    ) -> Result<Vec<UnderCi>, EsimError> {
        let under = |(name, ci): (&String, &Pki)| {
            let branch = |server| rng.branch(server).branch("ci").branch(name);
            let smdp = ci.smdp(smdp_oid, smdp_hosts, EPOCH_UNIX_S, &branch(Actor::SMDP))?;
            Ok(UnderCi {
                anchor: ci.anchor(Some(EPOCH_UNIX_S), tally)?,
                smdp: SmdpIdentity { auth: smdp.auth.counted(tally), pb: smdp.pb.counted(tally), ..smdp },
                smds: ci.smds(smds_oid, smds_hosts, EPOCH_UNIX_S, &branch(Actor::SMDS))?,
            })
        };
        self.others
            .iter()
            .filter(|(_, (trusted, _))| *trusted)
            .map(|(name, (_, ci))| under((name, ci)))
            .collect()
    }

    /// Every CI of the run, without what it has revoked: the eIM takes the eUICCs that its owner has, whoever made them.
    ///
    /// # Errors
    /// Where the certificate of a CI is not in order.
    pub(super) fn all_anchors(&self, tally: &Tally) -> Result<Vec<TrustAnchor>, EsimError> {
        let cis = std::iter::once(&self.lab).chain(self.others.values().map(|(_, ci)| ci));
        cis.map(|ci| Pki { crl: None, partial_crls: Vec::new(), ..ci.clone() }.anchor(None, tally)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eum(name: &str, ci: Option<&str>) -> EumSetup {
        EumSetup {
            name: name.to_owned(),
            ci: ci.map(str::to_owned),
            trusted: true,
            revoked: false,
            svn: None,
        }
    }

    #[test]
    fn eums_of_one_ci_share_it_and_a_revoked_one_stands_on_its_list() {
        let setup = [
            eum("a", None),
            eum("b", Some("other")),
            eum("c", Some("other")),
            EumSetup { revoked: true, ..eum("d", Some("other")) },
            EumSetup { trusted: false, ..eum("e", Some("foreign")) },
        ];
        let eums = Eums::new(&setup, &RngTree::new(7)).unwrap();
        let ci = |name: &str| eums.by_name[name].pki.ci.certificate.key_id().to_vec();
        assert_eq!(ci("a"), Pki::lab().unwrap().ci.certificate.key_id());
        assert_eq!((ci("b"), ci("c")), (ci("c"), ci("d")));
        assert!(![ci("a"), ci("b")].contains(&ci("e")));
        assert_eq!(
            eums.others.iter().filter(|(_, ci)| ci.0).map(|(name, _)| name).collect::<Vec<_>>(),
            ["other"]
        );
        let tally = Tally::new();
        let anchor = eums.others["other"].1.anchor(Some(EPOCH_UNIX_S), &tally).unwrap();
        let verified = |name: &str| {
            let eum = eums.by_name[name].pki.eum.as_ref().unwrap();
            let role = crate::crypto::rsp_cert::Role::Eum;
            anchor.verify_chain(&[&eum.certificate], role, Some(EPOCH_UNIX_S), &tally).is_ok()
        };
        assert_eq!(["b", "c", "d"].map(verified), [true, true, false]);
    }
}
