//! What lies in a folder of certificates and keys: read, checked, and put together to a hierarchy. Files are known by
//! what they hold and belong together by keys and object identifiers; their names do not matter, so that folders of
//! SGP.26 of any version are taken as well.

use std::collections::BTreeSet;

use super::{Deployment, EsimError, Identity, Issuer, Pki, PkiFile, SmdpIdentity, SmdsIdentity};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{
    Crl, Curve, Oid, Role, RspCertError, RspCertificate, RspKey, RspPublicKey, TrustAnchor,
};

/// How the names of files begin that have to be readable.
const OURS: [&str; 3] = ["CERT_", "SK_", "CRL_"];

/// The certificates, keys and revocation lists of a folder, each with its path.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The certificates.
    pub certificates: Vec<(String, RspCertificate)>,
    /// The private keys.
    pub keys: Vec<(String, RspKey)>,
    /// The revocation lists.
    pub crls: Vec<(String, Crl)>,
    /// Files that should hold one of these and do not, with the reason.
    pub broken: Vec<(String, String)>,
    /// Files that are something else, with what is known of them.
    pub left_out: Vec<(String, String)>,
}

/// What a check found of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Where it is, below the folder.
    pub path: String,
    /// Of a certificate, its role.
    pub role: Option<Role>,
    /// Why it is not in order; none where it is.
    pub problem: Option<String>,
}

impl Material {
    /// Reads files.
    pub fn read(files: &[PkiFile]) -> Self {
        let mut material = Self::default();
        for file in files {
            material.take(file);
        }
        material
    }

    fn take(&mut self, file: &PkiFile) {
        let path = || file.path.clone();
        if file.name().starts_with("PK_") {
            return;
        }
        if file.is_secret() {
            match RspKey::from_file(&file.bytes) {
                Ok(key) => self.keys.push((path(), key)),
                Err(error) => self.broken.push((path(), error.to_string())),
            }
            return;
        }
        let certificate = RspCertificate::from_file(&file.bytes);
        if let Ok(certificate) = certificate {
            return self.certificates.push((path(), certificate));
        }
        match (Crl::from_file(&file.bytes), certificate) {
            (Ok(crl), _) => self.crls.push((path(), crl)),
            (Err(error), _) if file.name().starts_with("CRL_") => {
                self.broken.push((path(), error.to_string()));
            }
            (_, Err(error)) if OURS.iter().any(|prefix| file.name().starts_with(prefix)) => {
                self.broken.push((path(), error.to_string()));
            }
            _ => self.left_out.push((path(), "neither a certificate nor a revocation list".to_owned())),
        }
    }

    /// Verifies every certificate up to its CI at `now_unix_s`, every revocation list, and that every key has its
    /// certificate. In the order of the files.
    pub fn check(&self, now_unix_s: u64, tally: &Tally) -> Vec<Checked> {
        let now = Some(now_unix_s);
        let mut checked: Vec<Checked> = Vec::new();
        let mut anchors: Vec<TrustAnchor> = Vec::new();
        for (path, certificate) in self.of_role(Role::Ci) {
            let problem = match TrustAnchor::new(certificate.clone(), tally) {
                Ok(anchor) if anchors.iter().any(|known| known.ci() == anchor.ci()) => None,
                Ok(anchor) => {
                    anchors.push(anchor);
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            checked.push(Checked { path: path.clone(), role: Some(Role::Ci), problem });
        }
        for (path, crl) in &self.crls {
            let anchor = anchors.iter_mut().find(|anchor| {
                anchor.ci().subject() == crl.issuer()
                    && crl.authority_key_id().is_none_or(|id| id == anchor.key_id())
            });
            let problem = match anchor {
                Some(anchor) => anchor.take_crl(crl, now, tally).err().map(|error| error.to_string()),
                None => Some(format!("its issuer, {}, is not here", crl.issuer())),
            };
            checked.push(Checked { path: path.clone(), role: None, problem });
        }
        for (path, certificate) in &self.certificates {
            let role = role_of(certificate);
            if role != Role::Ci {
                let problem = self.check_one(certificate, role, &anchors, now, tally).err();
                checked.push(Checked { path: path.clone(), role: Some(role), problem });
            }
        }
        for (path, key) in &self.keys {
            let problem =
                (!self.certificates.iter().any(|(_, certificate)| certificate.public() == key.public()))
                    .then(|| "no certificate here has this key".to_owned());
            checked.push(Checked { path: path.clone(), role: None, problem });
        }
        checked.extend(self.broken.iter().map(|(path, reason)| Checked {
            path: path.clone(),
            role: None,
            problem: Some(reason.clone()),
        }));
        checked.sort_by(|a, b| a.path.cmp(&b.path));
        checked
    }

    fn check_one(
        &self,
        certificate: &RspCertificate,
        role: Role,
        anchors: &[TrustAnchor],
        now_unix_s: Option<u64>,
        tally: &Tally,
    ) -> Result<(), String> {
        let eum = match role {
            Role::Euicc => Some(
                self.of_role(Role::Eum)
                    .map(|(_, eum)| eum)
                    .find(|eum| certificate.authority_key_id() == Some(eum.key_id()))
                    .ok_or("its EUM is not here")?,
            ),
            _ => None,
        };
        let top = eum.unwrap_or(certificate);
        let anchor = anchors
            .iter()
            .find(|anchor| top.authority_key_id() == Some(anchor.key_id()))
            .ok_or("its CI is not here, or not in order")?;
        let chain: Vec<&RspCertificate> = std::iter::once(certificate).chain(eum).collect();
        anchor.verify_chain(&chain, role, now_unix_s, tally).map_err(|error| error.to_string())
    }

    /// Puts the hierarchy on `curve` together; without a curve, on the first one that has a CI. Also says what was
    /// left out, and why: servers that lack a certificate or key, and certificates that a later one replaces.
    ///
    /// # Errors
    /// [`EsimError::NoCi`], [`EsimError::SeveralCi`].
    pub fn deployment(&self, curve: Option<Curve>) -> Result<(Deployment, Vec<String>), EsimError> {
        let curve = curve.unwrap_or_else(|| {
            let p256 = self.of_role(Role::Ci).any(|(_, ci)| ci.public().curve() == Curve::P256);
            if p256 || self.of_role(Role::Ci).next().is_none() { Curve::P256 } else { Curve::BrainpoolP256r1 }
        });
        let mut notes = Vec::new();
        let ci = self.ci(curve)?;
        let crls = self.crls.iter().map(|(_, crl)| crl).filter(|crl| {
            crl.issuer() == ci.subject() && crl.authority_key_id().is_none_or(|id| id == ci.key_id())
        });
        let (full, partial): (Vec<&Crl>, Vec<&Crl>) = crls.partition(|crl| crl.scope().is_empty());
        let crl = full.into_iter().max_by_key(|crl| crl.number()).cloned();
        let partial_crls = partial.into_iter().cloned().collect();
        let eum = self.newest(Role::Eum, None, ci.key_id(), &mut notes).cloned();
        let issuer = |certificate: &RspCertificate| Issuer {
            certificate: certificate.clone(),
            key: self.key_of(certificate.public()).cloned(),
        };
        let pki = Pki { ci: issuer(ci), eum: eum.as_ref().map(issuer), crl, partial_crls };

        let (mut smdp, mut smds) = (Vec::new(), Vec::new());
        for oid in self.oids(&[Role::DpAuth, Role::DpPb, Role::DpTls], ci) {
            let mut get = |role| self.identity(role, &oid, ci, &mut notes);
            let (auth, pb, tls) = (get(Role::DpAuth), get(Role::DpPb), get(Role::DpTls));
            match (auth, pb, tls) {
                (Some(auth), Some(pb), Some(tls)) => smdp.push(SmdpIdentity { oid, auth, pb, tls }),
                _ => notes.push(format!("the SM-DP+ {oid} is left out: it is not complete")),
            }
        }
        for oid in self.oids(&[Role::DsAuth, Role::DsTls], ci) {
            let mut get = |role| self.identity(role, &oid, ci, &mut notes);
            match (get(Role::DsAuth), get(Role::DsTls)) {
                (Some(auth), Some(tls)) => smds.push(SmdsIdentity { oid, auth, tls }),
                _ => notes.push(format!("the SM-DS {oid} is left out: it is not complete")),
            }
        }
        let eim = self.with_keys(Role::Eim, ci.key_id(), &mut notes);
        let operator = self.with_keys(Role::Operator, ci.key_id(), &mut notes);
        let euicc = eum.as_ref().map(|eum| self.with_keys(Role::Euicc, eum.key_id(), &mut notes));
        Ok((Deployment { pki, smdp, smds, eim, operator, euicc: euicc.unwrap_or_default() }, notes))
    }

    fn ci(&self, curve: Curve) -> Result<&RspCertificate, EsimError> {
        let mut found: Vec<&RspCertificate> = Vec::new();
        for (_, ci) in self.of_role(Role::Ci).filter(|(_, ci)| ci.public().curve() == curve) {
            if !found.contains(&ci) {
                found.push(ci);
            }
        }
        match found[..] {
            [ci] => Ok(ci),
            [] => Err(EsimError::NoCi { curve }),
            _ => Err(EsimError::SeveralCi { curve, found: found.len() }),
        }
    }

    fn of_role(&self, role: Role) -> impl Iterator<Item = &(String, RspCertificate)> {
        self.certificates.iter().filter(move |(_, certificate)| role_of(certificate) == role)
    }

    fn key_of(&self, public: &RspPublicKey) -> Option<&RspKey> {
        self.keys.iter().map(|(_, key)| key).find(|key| key.public() == public)
    }

    fn oids(&self, roles: &[Role], ci: &RspCertificate) -> BTreeSet<Oid> {
        let certificates = self.certificates.iter().map(|(_, certificate)| certificate);
        certificates
            .filter(|c| roles.contains(&role_of(c)) && c.authority_key_id() == Some(ci.key_id()))
            .filter_map(|certificate| certificate.registered_id().cloned())
            .collect()
    }

    fn identity(
        &self,
        role: Role,
        oid: &Oid,
        ci: &RspCertificate,
        notes: &mut Vec<String>,
    ) -> Option<Identity> {
        let certificate = self.newest(role, Some(oid), ci.key_id(), notes);
        let Some(certificate) = certificate else {
            notes.push(format!("there is no certificate of {role} for {oid}"));
            return None;
        };
        let Some(key) = self.key_of(certificate.public()) else {
            notes.push(format!("there is no private key for the certificate of {role} for {oid}"));
            return None;
        };
        Some(Identity { key: key.clone(), certificate: certificate.clone() })
    }

    /// Of the certificates for one purpose, one with a key before one without, then the one that ends last.
    fn newest(
        &self,
        role: Role,
        oid: Option<&Oid>,
        issuer_key_id: &[u8],
        notes: &mut Vec<String>,
    ) -> Option<&RspCertificate> {
        let fits = |c: &RspCertificate| {
            c.authority_key_id() == Some(issuer_key_id) && (oid.is_none() || c.registered_id() == oid)
        };
        let candidates = || self.of_role(role).filter(|(_, certificate)| fits(certificate));
        let best = candidates().map(|(_, certificate)| certificate).max_by_key(|certificate| {
            (
                self.key_of(certificate.public()).is_some(),
                certificate.not_after_unix_s(),
                certificate.not_before_unix_s(),
            )
        })?;
        for (path, _) in candidates().filter(|(_, certificate)| certificate != best) {
            notes.push(format!(
                "{path} is left out: serial number {} replaces it",
                hex::encode(best.serial())
            ));
        }
        Some(best)
    }

    /// The certificates of a role that have their keys, without repetition.
    fn with_keys(&self, role: Role, issuer_key_id: &[u8], notes: &mut Vec<String>) -> Vec<Identity> {
        let mut identities: Vec<Identity> = Vec::new();
        for (path, certificate) in self
            .of_role(role)
            .filter(|(_, certificate)| certificate.authority_key_id() == Some(issuer_key_id))
        {
            match self.key_of(certificate.public()) {
                None => notes.push(format!("{path} is left out: its private key is not here")),
                Some(_) if identities.iter().any(|known| known.certificate == *certificate) => {}
                Some(key) => {
                    identities.push(Identity { key: key.clone(), certificate: certificate.clone() });
                }
            }
        }
        identities
    }
}

/// What a certificate is for; an eIM's, which names no role, is whatever remains.
fn role_of(certificate: &RspCertificate) -> Role {
    certificate.role().unwrap_or(Role::Eim)
}

impl Deployment {
    /// Verifies everything in it.
    ///
    /// # Errors
    /// [`EsimError::Certificate`] of the first certificate that is not in order.
    pub fn check(&self, now_unix_s: Option<u64>, tally: &Tally) -> Result<(), EsimError> {
        let anchor = self.pki.anchor(now_unix_s, tally)?;
        let verify = |chain: &[&RspCertificate], role| -> Result<(), RspCertError> {
            anchor.verify_chain(chain, role, now_unix_s, tally)
        };
        for smdp in &self.smdp {
            smdp.check(&anchor, now_unix_s, tally)?;
        }
        for smds in &self.smds {
            smds.check(&anchor, now_unix_s, tally)?;
        }
        for eim in &self.eim {
            verify(&[&eim.certificate], Role::Eim)?;
        }
        for operator in &self.operator {
            verify(&[&operator.certificate], Role::Operator)?;
        }
        if let Some(eum) = &self.pki.eum {
            verify(&[&eum.certificate], Role::Eum)?;
            for euicc in &self.euicc {
                verify(&[&euicc.certificate, &eum.certificate], Role::Euicc)?;
            }
        }
        Ok(())
    }
}
