//! A hierarchy with the identities of the servers and eUICCs that were issued in it: what is kept on disk and loaded
//! from there.

use super::{EsimError, Identity, Pki, PkiOptions, SmdpIdentity, SmdsIdentity};
use crate::crypto::rsp_cert::Oid;
use crate::kernel::RngTree;

/// The object identifiers of the first SM-DP+ (that of SGP.26) and SM-DS.
const SMDP_OID: &str = "2.999.10";
const SMDS_OID: &str = "2.999.15";
/// The object identifier of the first operator.
const OPERATOR_OID: &str = "2.999.20";

/// A hierarchy and who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// The CI and the EUM.
    pub pki: Pki,
    /// The SM-DP+s that they have certified.
    pub smdp: Vec<SmdpIdentity>,
    /// The SM-DSs.
    pub smds: Vec<SmdsIdentity>,
    /// The eIMs.
    pub eim: Vec<Identity>,
    /// Operators, as TLS clients of ES2+.
    pub operator: Vec<Identity>,
    /// The eUICCs.
    pub euicc: Vec<Identity>,
}

impl Deployment {
    /// Makes a hierarchy with one SM-DP+ and one SM-DS that serve TLS as `hosts`, one eIM, and one operator.
    ///
    /// # Errors
    /// As [`Pki::new`] and [`Pki::smdp`].
    pub fn new(rng: &RngTree, options: &PkiOptions, hosts: &[String]) -> Result<Self, EsimError> {
        let pki = Pki::new(rng, options)?;
        let (smdp_oid, smds_oid): (Oid, Oid) = (SMDP_OID.parse()?, SMDS_OID.parse()?);
        let now_unix_s = options.now_unix_s;
        Ok(Self {
            smdp: vec![pki.smdp(&smdp_oid, hosts, now_unix_s, &rng.branch("smdp"))?],
            smds: vec![pki.smds(&smds_oid, hosts, now_unix_s, &rng.branch("smds"))?],
            eim: vec![pki.eim("cellbed-eim", now_unix_s, &rng.branch("eim"))?],
            operator: vec![pki.operator(&OPERATOR_OID.parse()?, now_unix_s, &rng.branch("operator"))?],
            euicc: Vec::new(),
            pki,
        })
    }
}
