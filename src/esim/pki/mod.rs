//! The certificates of a whole remote SIM provisioning system (SGP.22 clause 4.5, variant O; SGP.32 for the eIM): a
//! CI, an EUM below it, and what they issue to eUICCs and servers.
//!
//! What is issued is a function of who issues it, for whom, when, and of the tree of randomness that is handed in.
//! Nothing issued is remembered: an eUICC more costs one key pair and one signature.

mod deployment;
mod files;
pub mod lab;
mod material;
#[cfg(test)]
mod tests;
mod x509;

use x509_cert::ext::pkix::CrlReason;

pub use deployment::Deployment;
pub use files::PkiFile;
pub use lab::LAB_SEED;
pub use material::{Checked, Material};

use self::x509::{COMMON_NAME, ORGANIZATION, ORGANIZATIONAL_UNIT, SERIAL_NUMBER, Terms};
use super::EsimError;
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{
    Crl, Curve, Oid, Revocation, Role, RspCertError, RspCertificate, RspKey, TrustAnchor, check_same_oid,
};
use crate::id::Eid;
use crate::kernel::{EPOCH_UNIX_S, RngTree};

const DAY_S: u64 = 86_400;
/// How long CI and EUM are valid, in seconds: 35 years, as in SGP.26.
pub const ISSUER_LIFETIME_S: u64 = 35 * 365 * DAY_S;
/// How long DPauth, DPpb, DSauth and an eIM's certificate are valid, in seconds: 3 years.
pub const SERVER_LIFETIME_S: u64 = 3 * 365 * DAY_S;
/// How long DPtls and DStls are valid, in seconds: 398 days, the most that TLS clients take.
pub const TLS_LIFETIME_S: u64 = 398 * DAY_S;
/// For how long a revocation list is valid, in seconds: a year.
pub const CRL_LIFETIME_S: u64 = 365 * DAY_S;
/// 9999-12-31T23:59:59Z: no end (RFC 5280 section 4.1.2.5). An eUICC is used for as long as it works.
const NO_END_UNIX_S: u64 = 253_402_300_799;

/// The EUM identification number of the test EIDs of SGP.26, which the SIM profiles here have too.
pub const TEST_EIN: &str = "89049032";
/// Object identifiers below 2.999, which is for examples (ITU-T X.660), as SGP.26 uses them.
const CI_OID: &str = "2.999.1";
const EUM_OID: &str = "2.999.5";

/// A key pair and the certificate on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The private key.
    pub key: RspKey,
    /// The certificate on its public half.
    pub certificate: RspCertificate,
}

impl Identity {
    /// The same identity, whose signatures are counted in `tally`.
    pub fn counted(mut self, tally: &Tally) -> Self {
        self.key = self.key.counted(tally);
        self
    }
}

/// Who issues certificates. The key is absent where somebody else holds it: then nothing more is issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// What it has been certified as.
    pub certificate: RspCertificate,
    /// What it signs with, where that is here.
    pub key: Option<RspKey>,
}

/// The three identities of an SM-DP+, which share an object identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmdpIdentity {
    /// The object identifier that the certificates have.
    pub oid: Oid,
    /// Authenticates it towards the eUICC: CERT.DPauth.ECDSA.
    pub auth: Identity,
    /// Binds profiles: CERT.DPpb.ECDSA.
    pub pb: Identity,
    /// For TLS: CERT.DP.TLS.
    pub tls: Identity,
}

/// The two identities of an SM-DS, which share an object identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmdsIdentity {
    /// The object identifier that the certificates have.
    pub oid: Oid,
    /// Authenticates it towards the eUICC: CERT.DSauth.ECDSA.
    pub auth: Identity,
    /// For TLS: CERT.DS.TLS.
    pub tls: Identity,
}

/// How a hierarchy is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkiOptions {
    /// The curve of all keys.
    pub curve: Curve,
    /// The organization that CI, EUM, eUICCs and servers name.
    pub organization: String,
    /// The first digits of the EIDs that the EUM may certify; at least one.
    pub eins: Vec<String>,
    /// Where the certificates say that revocation lists are.
    pub crl_url: String,
    /// From when CI and EUM are valid, in Unix seconds.
    pub now_unix_s: u64,
}

impl Default for PkiOptions {
    fn default() -> Self {
        Self {
            curve: Curve::P256,
            organization: "cellbed".to_owned(),
            eins: vec![TEST_EIN.to_owned()],
            crl_url: "http://ci.cellbed.test/ci.crl".to_owned(),
            now_unix_s: EPOCH_UNIX_S,
        }
    }
}

/// A certificate issuer, its EUM, and what the CI has revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pki {
    /// The certificate issuer.
    pub ci: Issuer,
    /// None in material without one, which certifies servers only.
    pub eum: Option<Issuer>,
    /// What the CI has revoked, where it has a list of everything.
    pub crl: Option<Crl>,
    /// Lists of the CI for some certificates or reasons alone.
    pub partial_crls: Vec<Crl>,
}

impl Pki {
    /// Makes a CI and an EUM from the branches "ci" and "eum" of `rng`.
    ///
    /// # Errors
    /// [`EsimError::Ein`], [`EsimError::Write`].
    pub fn new(rng: &RngTree, options: &PkiOptions) -> Result<Self, EsimError> {
        let usable = |ein: &String| (1..=30).contains(&ein.len()) && ein.bytes().all(|b| b.is_ascii_digit());
        if options.eins.is_empty() || !options.eins.iter().all(usable) {
            return Err(EsimError::Ein { found: options.eins.join(", ") });
        }
        let organization = options.organization.as_str();
        let ci_oid = CI_OID.parse()?;
        let end = options.now_unix_s.saturating_add(ISSUER_LIFETIME_S);

        let ci_rng = rng.branch("ci");
        let ci_key = RspKey::from_stream(options.curve, &mut ci_rng.stream("key"));
        // Two CIs of one name would be taken for one.
        let common_name = format!("cellbed test CI {}", hex::encode(&ci_key.public().key_id()[..4]));
        let terms = Terms {
            role: Role::Ci,
            subject: x509::name(&[
                (COMMON_NAME, &common_name),
                (ORGANIZATIONAL_UNIT, "TESTCERT"),
                (ORGANIZATION, organization),
            ])?,
            public: ci_key.public(),
            oid: Some(&ci_oid),
            hosts: &[],
            permitted: None,
            crl_url: Some(&options.crl_url),
            not_before_unix_s: options.now_unix_s,
            not_after_unix_s: end,
        };
        let ci = x509::certificate(&terms, None, &ci_key, &mut ci_rng.stream("serial"))?;

        let pki = Self {
            ci: Issuer { certificate: ci, key: Some(ci_key) },
            eum: None,
            crl: None,
            partial_crls: Vec::new(),
        };
        pki.with_eum(organization, &options.eins, &options.crl_url, &rng.branch("eum"))
    }

    /// The same CI with an EUM of this organization, for EIDs that begin with one of `eins`. Its key comes from `rng`. It
    /// is valid for as long as the CI is.
    ///
    /// # Errors
    /// [`EsimError::Write`], [`EsimError::NoIssuerKey`].
    pub fn with_eum(
        &self,
        organization: &str,
        eins: &[String],
        crl_url: &str,
        rng: &RngTree,
    ) -> Result<Self, EsimError> {
        let ci = &self.ci.certificate;
        let key = RspKey::from_stream(self.curve(), &mut rng.stream("key"));
        let terms = Terms {
            role: Role::Eum,
            subject: x509::name(&[(ORGANIZATION, organization), (COMMON_NAME, "cellbed test EUM")])?,
            public: key.public(),
            oid: Some(&EUM_OID.parse()?),
            hosts: &[],
            permitted: Some((organization, eins)),
            crl_url: Some(crl_url),
            not_before_unix_s: ci.not_before_unix_s(),
            not_after_unix_s: ci.not_after_unix_s(),
        };
        let certificate = x509::certificate(&terms, Some(ci), self.ci_key()?, &mut rng.stream("serial"))?;
        Ok(Self { eum: Some(Issuer { certificate, key: Some(key) }), ..self.clone() })
    }

    /// The curve of every key here: SGP.22 clause 4.5.2.1 wants one curve in a chain.
    pub fn curve(&self) -> Curve {
        self.ci.certificate.public().curve()
    }

    /// The CI as an eUICC or a server trusts it, with its revocation list.
    ///
    /// # Errors
    /// [`EsimError::Certificate`] where the CI's certificate or list is not in order.
    pub fn anchor(&self, now_unix_s: Option<u64>, tally: &Tally) -> Result<TrustAnchor, EsimError> {
        let mut anchor = TrustAnchor::new(self.ci.certificate.clone(), tally)?;
        for crl in self.crl.iter().chain(&self.partial_crls) {
            anchor.take_crl(crl, now_unix_s, tally)?;
        }
        Ok(anchor)
    }

    /// Certifies an eUICC. The key comes from the stream "key" of `rng`, which is the device's own branch. Returns
    /// the key and the chain `[eUICC, EUM]`. Valid from when the EUM is, without end.
    ///
    /// # Errors
    /// [`EsimError::NotPermitted`] where the EID is not one of the EUM's, [`EsimError::NoEum`],
    /// [`EsimError::NoIssuerKey`].
    pub fn euicc(&self, eid: &Eid, rng: &RngTree) -> Result<(RspKey, [RspCertificate; 2]), EsimError> {
        let eum = self.eum.as_ref().ok_or(EsimError::NoEum)?;
        let eum_key = eum.key.as_ref().ok_or(EsimError::NoIssuerKey { issuer: "EUM" })?;
        let permitted = eum.certificate.permitted().unwrap_or_default();
        let Some(subtree) = permitted.iter().find(|tree| eid.as_str().starts_with(&tree.ein)) else {
            let eins: Vec<_> = permitted.iter().map(|tree| tree.ein.as_str()).collect();
            return Err(EsimError::NotPermitted { eid: eid.to_string(), permitted: eins.join(", ") });
        };
        let organization = subtree.organization.as_deref().or(eum.certificate.organization());
        let key = RspKey::from_stream(self.curve(), &mut rng.stream("key"));
        let terms = Terms {
            role: Role::Euicc,
            subject: x509::name(&[
                (ORGANIZATION, organization.unwrap_or("cellbed")),
                (SERIAL_NUMBER, eid.as_str()),
                (COMMON_NAME, "cellbed test eUICC"),
            ])?,
            public: key.public(),
            oid: None,
            hosts: &[],
            permitted: None,
            crl_url: None,
            not_before_unix_s: eum.certificate.not_before_unix_s(),
            not_after_unix_s: NO_END_UNIX_S,
        };
        let certificate =
            x509::certificate(&terms, Some(&eum.certificate), eum_key, &mut rng.stream("serial"))?;
        Ok((key, [certificate, eum.certificate.clone()]))
    }

    /// Certifies an SM-DP+: DPauth, DPpb and DPtls, the last for `hosts` (DNS names and addresses). Keys come from
    /// branches of `rng`.
    ///
    /// # Errors
    /// [`EsimError::Host`], [`EsimError::NoHost`], [`EsimError::NoIssuerKey`].
    pub fn smdp(
        &self,
        oid: &Oid,
        hosts: &[String],
        now_unix_s: u64,
        rng: &RngTree,
    ) -> Result<SmdpIdentity, EsimError> {
        let issue = |role, hosts: &[String]| self.server(role, Some(oid), "SM-DP+", hosts, now_unix_s, rng);
        Ok(SmdpIdentity {
            oid: oid.clone(),
            auth: issue(Role::DpAuth, &[])?,
            pb: issue(Role::DpPb, &[])?,
            tls: issue(Role::DpTls, hosts)?,
        })
    }

    /// Certifies an SM-DS: DSauth and DStls, the last for `hosts`.
    ///
    /// # Errors
    /// As [`Pki::smdp`].
    pub fn smds(
        &self,
        oid: &Oid,
        hosts: &[String],
        now_unix_s: u64,
        rng: &RngTree,
    ) -> Result<SmdsIdentity, EsimError> {
        let issue = |role, hosts: &[String]| self.server(role, Some(oid), "SM-DS", hosts, now_unix_s, rng);
        Ok(SmdsIdentity {
            oid: oid.clone(),
            auth: issue(Role::DsAuth, &[])?,
            tls: issue(Role::DsTls, hosts)?,
        })
    }

    /// Certifies an eIM that signs its packages; its identifier is the common name (SGP.32). An eIM that is known by
    /// its bare key uses the public key of the same identity.
    ///
    /// # Errors
    /// [`EsimError::NoIssuerKey`].
    pub fn eim(&self, id: &str, now_unix_s: u64, rng: &RngTree) -> Result<Identity, EsimError> {
        self.server(Role::Eim, None, id, &[], now_unix_s, rng)
    }

    /// Certifies an operator as a TLS client of ES2+. Its object identifier says whose orders are whose.
    ///
    /// # Errors
    /// [`EsimError::NoIssuerKey`].
    pub fn operator(&self, oid: &Oid, now_unix_s: u64, rng: &RngTree) -> Result<Identity, EsimError> {
        self.server(Role::Operator, Some(oid), "operator", &[], now_unix_s, rng)
    }

    /// Certifies the same SM-DP+ anew: new keys, the same object identifier and hosts.
    ///
    /// # Errors
    /// As [`Pki::smdp`].
    pub fn renew_smdp(
        &self,
        smdp: &SmdpIdentity,
        now_unix_s: u64,
        rng: &RngTree,
    ) -> Result<SmdpIdentity, EsimError> {
        let rng = rng.branch("renew").branch(hex::encode(smdp.auth.certificate.serial()));
        self.smdp(&smdp.oid, &hosts_of(&smdp.tls.certificate), now_unix_s, &rng)
    }

    /// Certifies the same SM-DS anew: new keys, the same object identifier and hosts.
    ///
    /// # Errors
    /// As [`Pki::smdp`].
    pub fn renew_smds(
        &self,
        smds: &SmdsIdentity,
        now_unix_s: u64,
        rng: &RngTree,
    ) -> Result<SmdsIdentity, EsimError> {
        let rng = rng.branch("renew").branch(hex::encode(smds.auth.certificate.serial()));
        self.smds(&smds.oid, &hosts_of(&smds.tls.certificate), now_unix_s, &rng)
    }

    /// Certifies the same operator anew: a new key, the same object identifier.
    ///
    /// # Errors
    /// As [`Pki::operator`]; [`EsimError::Certificate`] where it has no object identifier.
    pub fn renew_operator(
        &self,
        operator: &Identity,
        now_unix_s: u64,
        rng: &RngTree,
    ) -> Result<Identity, EsimError> {
        let certificate = &operator.certificate;
        let rng = rng.branch("renew").branch(hex::encode(certificate.serial()));
        let oid = certificate.registered_id();
        let oid = oid.ok_or_else(|| RspCertError::NoOid { subject: certificate.subject_text() })?;
        self.operator(oid, now_unix_s, &rng)
    }

    /// Revokes a certificate that the CI issued, and signs the next revocation list.
    ///
    /// # Errors
    /// [`EsimError::NotIssuedHere`], [`EsimError::AlreadyRevoked`], [`EsimError::NoIssuerKey`].
    pub fn revoke(
        &mut self,
        certificate: &RspCertificate,
        reason: CrlReason,
        now_unix_s: u64,
    ) -> Result<(), EsimError> {
        let ci = &self.ci.certificate;
        let issued_here = certificate.issuer() == ci.subject()
            && certificate.authority_key_id() == Some(ci.key_id())
            && certificate.serial() != ci.serial();
        if !issued_here {
            return Err(EsimError::NotIssuedHere { subject: certificate.subject_text() });
        }
        let mut revoked = self.crl.as_ref().map(|crl| crl.revoked().clone()).unwrap_or_default();
        let entry = Revocation { since_unix_s: now_unix_s, reason: Some(reason) };
        if revoked.insert(certificate.serial().to_vec(), entry).is_some() {
            return Err(EsimError::AlreadyRevoked { subject: certificate.subject_text() });
        }
        self.crl = Some(self.sign_crl(&revoked, now_unix_s)?);
        Ok(())
    }

    /// Signs the next revocation list with what is revoked already, so that it does not run out.
    ///
    /// # Errors
    /// [`EsimError::NoIssuerKey`].
    pub fn renew_crl(&mut self, now_unix_s: u64) -> Result<(), EsimError> {
        let revoked = self.crl.as_ref().map(|crl| crl.revoked().clone()).unwrap_or_default();
        self.crl = Some(self.sign_crl(&revoked, now_unix_s)?);
        Ok(())
    }

    fn sign_crl(
        &self,
        revoked: &std::collections::BTreeMap<Vec<u8>, Revocation>,
        now_unix_s: u64,
    ) -> Result<Crl, EsimError> {
        let number = self.crl.as_ref().map_or(1, |crl| crl.number().saturating_add(1));
        let next = now_unix_s.saturating_add(CRL_LIFETIME_S);
        x509::crl(&self.ci.certificate, self.ci_key()?, number, revoked.iter(), now_unix_s, next)
    }

    fn ci_key(&self) -> Result<&RspKey, EsimError> {
        self.ci.key.as_ref().ok_or(EsimError::NoIssuerKey { issuer: "CI" })
    }

    fn server(
        &self,
        role: Role,
        oid: Option<&Oid>,
        name: &str,
        hosts: &[String],
        now_unix_s: u64,
        rng: &RngTree,
    ) -> Result<Identity, EsimError> {
        let ci_key = self.ci_key()?;
        let lifetime_s =
            if role.is_tls() || role == Role::Operator { TLS_LIFETIME_S } else { SERVER_LIFETIME_S };
        let common_name = match (role.is_tls(), hosts.first()) {
            (true, None) => return Err(EsimError::NoHost),
            (true, Some(host)) => host.chars().take(64).collect(),
            _ if role == Role::Eim => name.to_owned(),
            _ => format!("cellbed test {name}"),
        };
        let organization = self.ci.certificate.organization().unwrap_or("cellbed");
        let rng = rng.branch(role);
        let key = RspKey::from_stream(self.curve(), &mut rng.stream("key"));
        let terms = Terms {
            role,
            subject: x509::name(&[(ORGANIZATION, organization), (COMMON_NAME, &common_name)])?,
            public: key.public(),
            oid,
            hosts,
            permitted: None,
            crl_url: self.ci.certificate.crl_urls().first().map(String::as_str),
            not_before_unix_s: now_unix_s,
            not_after_unix_s: now_unix_s
                .saturating_add(lifetime_s)
                .min(self.ci.certificate.not_after_unix_s()),
        };
        let certificate =
            x509::certificate(&terms, Some(&self.ci.certificate), ci_key, &mut rng.stream("serial"))?;
        Ok(Identity { key, certificate })
    }
}

impl SmdpIdentity {
    /// Checks that the three belong together and to the CI.
    ///
    /// # Errors
    /// [`RspCertError`] of the first one that does not.
    pub fn check(
        &self,
        anchor: &TrustAnchor,
        now_unix_s: Option<u64>,
        tally: &Tally,
    ) -> Result<(), RspCertError> {
        let all = [(&self.auth, Role::DpAuth), (&self.pb, Role::DpPb), (&self.tls, Role::DpTls)];
        check_server(&all, anchor, now_unix_s, tally)
    }
}

impl SmdsIdentity {
    /// Checks that the two belong together and to the CI.
    ///
    /// # Errors
    /// [`RspCertError`] of the first one that does not.
    pub fn check(
        &self,
        anchor: &TrustAnchor,
        now_unix_s: Option<u64>,
        tally: &Tally,
    ) -> Result<(), RspCertError> {
        check_server(&[(&self.auth, Role::DsAuth), (&self.tls, Role::DsTls)], anchor, now_unix_s, tally)
    }
}

/// Verifies the certificates of one server, and that all of them name the object identifier of the first.
fn check_server(
    identities: &[(&Identity, Role)],
    anchor: &TrustAnchor,
    now_unix_s: Option<u64>,
    tally: &Tally,
) -> Result<(), RspCertError> {
    for (identity, role) in identities {
        anchor.verify_chain(&[&identity.certificate], *role, now_unix_s, tally)?;
        check_same_oid(&identities[0].0.certificate, &identity.certificate)?;
    }
    Ok(())
}

fn hosts_of(certificate: &RspCertificate) -> Vec<String> {
    let addresses = certificate.addresses().iter().map(ToString::to_string);
    certificate.hosts().iter().cloned().chain(addresses).collect()
}
