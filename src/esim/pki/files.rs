//! The files that a hierarchy is kept in, named as those of SGP.26, so that programs which expect its test material
//! take a folder of ours.

use super::{Deployment, Identity, Issuer};
use crate::crypto::rsp_cert::{Curve, RspCertificate, RspKey, pem};

/// A file: its path below the folder, with `/` between the parts, and its content.
#[derive(Clone, PartialEq, Eq)]
pub struct PkiFile {
    /// Where it is, below the folder.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl PkiFile {
    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it holds a private key: only its owner may read it.
    pub fn is_secret(&self) -> bool {
        self.name().starts_with("SK_")
    }
}

impl std::fmt::Debug for PkiFile {
    /// Not the content, which may be a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PkiFile({}, {} bytes)", self.path, self.bytes.len())
    }
}

impl Deployment {
    /// All files: certificates in DER (those that TLS programs want in PEM as well), keys in PEM, the revocation
    /// list in DER.
    pub fn to_files(&self) -> Vec<PkiFile> {
        let suffix = match self.pki.curve() {
            Curve::P256 => "NIST",
            Curve::BrainpoolP256r1 => "BRP",
        };
        let mut files = Files { list: Vec::new(), suffix };
        files.issuer("CertificateIssuer", "CI_ECDSA", &self.pki.ci);
        files.certificate_pem("CertificateIssuer", "CI_ECDSA", &self.pki.ci.certificate);
        if let Some(crl) = &self.pki.crl {
            files.push(format!("CertificateIssuer/CRL_CI_ECDSA_{suffix}.crl"), crl.der());
        }
        if let Some(eum) = &self.pki.eum {
            files.issuer("EUM", "EUM_ECDSA", eum);
        }
        for (number, smdp) in (1..).zip(&self.smdp) {
            let number = Number(number);
            files.identity("DPauth", &format!("S_SM_DP{number}auth_ECDSA"), &smdp.auth);
            files.identity("DPpb", &format!("S_SM_DP{number}pb_ECDSA"), &smdp.pb);
            files.identity("DPtls", &format!("S_SM_DP{number}_TLS"), &smdp.tls);
            files.certificate_pem("DPtls", &format!("S_SM_DP{number}_TLS"), &smdp.tls.certificate);
        }
        for (number, smds) in (1..).zip(&self.smds) {
            let number = Number(number);
            files.identity("DSauth", &format!("S_SM_DS{number}auth_ECDSA"), &smds.auth);
            files.identity("DStls", &format!("S_SM_DS{number}_TLS"), &smds.tls);
            files.certificate_pem("DStls", &format!("S_SM_DS{number}_TLS"), &smds.tls.certificate);
        }
        for (number, eim) in (1..).zip(&self.eim) {
            files.identity("eIM", &format!("EIM{}_ECDSA", Number(number)), eim);
        }
        for (number, operator) in (1..).zip(&self.operator) {
            let number = Number(number);
            files.identity("Operator", &format!("OPERATOR{number}_TLS"), operator);
            files.certificate_pem("Operator", &format!("OPERATOR{number}_TLS"), &operator.certificate);
        }
        for euicc in &self.euicc {
            let eid = euicc.certificate.eid().unwrap_or_default();
            files.identity("eUICC", &format!("EUICC_{eid}_ECDSA"), euicc);
        }
        files.list
    }
}

/// Nothing for the first, then 2, 3 and so on, as SGP.26 numbers its servers.
struct Number(usize);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 1 { Ok(()) } else { write!(f, "{}", self.0) }
    }
}

struct Files {
    list: Vec<PkiFile>,
    suffix: &'static str,
}

impl Files {
    fn push(&mut self, path: String, bytes: &[u8]) {
        self.list.push(PkiFile { path, bytes: bytes.to_vec() });
    }

    fn identity(&mut self, folder: &str, name: &str, identity: &Identity) {
        self.certificate(folder, name, &identity.certificate);
        self.key(folder, name, &identity.key);
    }

    fn issuer(&mut self, folder: &str, name: &str, issuer: &Issuer) {
        self.certificate(folder, name, &issuer.certificate);
        if let Some(key) = &issuer.key {
            self.key(folder, name, key);
        }
    }

    fn certificate(&mut self, folder: &str, name: &str, certificate: &RspCertificate) {
        self.push(format!("{folder}/CERT_{name}_{}.der", self.suffix), certificate.der());
    }

    fn certificate_pem(&mut self, folder: &str, name: &str, certificate: &RspCertificate) {
        let text = pem::write(pem::CERTIFICATE, certificate.der());
        self.push(format!("{folder}/CERT_{name}_{}.pem", self.suffix), text.as_bytes());
    }

    fn key(&mut self, folder: &str, name: &str, key: &RspKey) {
        self.push(format!("{folder}/SK_{name}_{}.pem", self.suffix), key.to_pem().as_bytes());
    }
}
