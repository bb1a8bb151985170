//! Verifying chains of certificates (SGP.22 clauses 4.5.2.1 and 4.5.2.2; RFC 5280 section 6).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::super::{CryptoError, Tally, key};
use super::{Crl, ExtensionName, KeyUse, Role, RspCertError, RspCertificate, RspPublicKey, Subtree};
use crate::id::Eid;

/// A certificate issuer that is trusted, and what it has revoked.
#[derive(Debug, Clone)]
pub struct TrustAnchor {
    ci: RspCertificate,
    /// By what they are for: one for everything, and such for some certificates or reasons alone.
    crls: BTreeMap<Vec<u8>, KeptCrl>,
    signed: Signed,
}

/// How many issuers below a CI are known by heart: one is the EUM of many eUICCs.
const SIGNED_MAX: usize = 64;

/// Which certificates of issuers carry the CI's signature, by the SHA-256 of all their octets, the last ones that were
/// looked at. Everything else about them is checked each time: dates and revocation change.
#[derive(Debug, Clone, Default)]
struct Signed(Arc<Mutex<VecDeque<[u8; 32]>>>);

impl Signed {
    /// Remembers a certificate for which `check` finds nothing wrong; one that is remembered is not checked.
    fn unless_known(
        &self,
        certificate: &RspCertificate,
        check: impl FnOnce() -> Result<(), RspCertError>,
    ) -> Result<(), RspCertError> {
        let digest: [u8; 32] = Sha256::digest(certificate.der()).into();
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&digest) {
            return Ok(());
        }
        check()?;
        let mut known = known();
        known.truncate(SIGNED_MAX - 1);
        known.push_front(digest);
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct KeptCrl {
    number: u64,
    next_update_unix_s: Option<u64>,
    revoked: BTreeSet<Vec<u8>>,
}

impl TrustAnchor {
    /// Trusts a certificate issuer. That it is trusted is the caller's decision; that its certificate is one of a CI
    /// and carries its own signature is checked.
    ///
    /// # Errors
    /// [`RspCertError`] with what is wrong in the certificate.
    pub fn new(ci: RspCertificate, tally: &Tally) -> Result<Self, RspCertError> {
        check_understood(&ci)?;
        check_role(&ci, Role::Ci)?;
        check_issuer(&ci, 0)?;
        check_key_id(&ci)?;
        check_signature(&ci, &ci, tally)?;
        Ok(Self { ci, crls: BTreeMap::new(), signed: Signed::default() })
    }

    /// The certificate of the issuer.
    pub fn ci(&self) -> &RspCertificate {
        &self.ci
    }

    /// Its subjectKeyIdentifier: the CI key identifier of SGP.22.
    pub fn key_id(&self) -> &[u8] {
        self.ci.key_id()
    }

    /// Takes a revocation list, where it is newer than the one that is held for the same. One for some certificates or
    /// reasons alone (issuingDistributionPoint, RFC 5280 section 5.2.5) stands beside that for all.
    ///
    /// # Errors
    /// [`RspCertError::CrlIssuer`], [`RspCertError::CrlSignature`], [`RspCertError::CrlStale`] (only with a clock),
    /// [`RspCertError::KeyUsage`] where the issuer may not sign lists.
    pub fn take_crl(
        &mut self,
        crl: &Crl,
        now_unix_s: Option<u64>,
        tally: &Tally,
    ) -> Result<(), RspCertError> {
        let issuer = self.ci.subject_text();
        if crl.issuer() != self.ci.subject() || crl.authority_key_id().is_some_and(|id| id != self.key_id()) {
            return Err(RspCertError::CrlIssuer { issuer, found: crl.issuer().to_string() });
        }
        check_use(&self.ci, KeyUse::CrlSigning)?;
        verify(self.ci.public(), crl.tbs(), crl.signature_der(), tally)
            .map_err(|_| RspCertError::CrlSignature { issuer })?;
        let kept = KeptCrl {
            number: crl.number(),
            next_update_unix_s: crl.next_update_unix_s(),
            revoked: crl.revoked().keys().cloned().collect(),
        };
        self.check_fresh(&kept, now_unix_s)?;
        let held = self.crls.get(crl.scope());
        if held.is_none_or(|held| held.number <= kept.number) {
            self.crls.insert(crl.scope().to_vec(), kept);
        }
        Ok(())
    }

    /// Verifies a chain without its CI, the certificate in question first: `[eUICC, EUM]`, or one certificate of a
    /// server. An eUICC has no clock and gives none; a server has to give one.
    ///
    /// Checked are, from the CI downwards: who issued what (names and key identifiers), critical extensions, roles,
    /// basic constraints, key usage, dates, revocation, the signature of each certificate, and for an eUICC its EID
    /// and the EUM's right to it.
    ///
    /// # Errors
    /// [`RspCertError`] with the subject and what is wrong.
    pub fn verify_chain(
        &self,
        chain: &[&RspCertificate],
        role: Role,
        now_unix_s: Option<u64>,
        tally: &Tally,
    ) -> Result<(), RspCertError> {
        let expected = if role == Role::Euicc { 2 } else { 1 };
        if chain.len() != expected {
            return Err(RspCertError::ChainLength { role, expected, found: chain.len() });
        }
        self.check_dates(&self.ci, now_unix_s)?;
        let mut issuer = &self.ci;
        for (below, certificate) in chain.iter().enumerate().rev() {
            let own = if below == 0 { role } else { Role::Eum };
            self.check_link(certificate, issuer, own, below as u8, now_unix_s)?;
            match below {
                0 => check_signature(certificate, issuer, tally)?,
                // There is one issuer below a CI, so that this one is the CI's.
                _ => self.signed.unless_known(certificate, || check_signature(certificate, issuer, tally))?,
            }
            issuer = certificate;
        }
        match chain {
            [euicc, eum] => check_eid(euicc, eum),
            _ => Ok(()),
        }
    }

    /// Everything about one certificate but its signature, the cheap checks first.
    fn check_link(
        &self,
        certificate: &RspCertificate,
        issuer: &RspCertificate,
        role: Role,
        below: u8,
        now_unix_s: Option<u64>,
    ) -> Result<(), RspCertError> {
        self.check_issued_by(certificate, issuer)?;
        check_understood(certificate)?;
        check_role(certificate, role)?;
        check_key_id(certificate)?;
        if role == Role::Eum {
            // Of the issuers below it, the last certificate of a chain does not count.
            check_issuer(certificate, below.saturating_sub(1))?;
        } else if certificate.is_issuer() {
            return Err(RspCertError::Issuer { subject: certificate.subject_text(), role });
        } else {
            check_use(certificate, KeyUse::DigitalSignature)?;
        }
        check_issuer(issuer, below)?;
        if role.is_tls() && !certificate.may_serve_tls() {
            let subject = certificate.subject_text();
            return Err(RspCertError::KeyUsage { subject, needed: "serving TLS" });
        }
        self.check_dates(certificate, now_unix_s)?;
        if std::ptr::eq(issuer, &self.ci) { self.check_revocation(certificate, now_unix_s) } else { Ok(()) }
    }

    fn check_issued_by(
        &self,
        certificate: &RspCertificate,
        issuer: &RspCertificate,
    ) -> Result<(), RspCertError> {
        let Some(found) = certificate.authority_key_id() else {
            return Err(RspCertError::Missing {
                subject: certificate.subject_text(),
                extension: ExtensionName::AuthorityKeyIdentifier.as_str(),
            });
        };
        if found != issuer.key_id() {
            let found = hex::encode(found);
            if std::ptr::eq(issuer, &self.ci) {
                return Err(RspCertError::UnknownCi { found, trusted: hex::encode(self.key_id()) });
            }
            let (issuer, expected) = (issuer.subject_text(), hex::encode(issuer.key_id()));
            let subject = certificate.subject_text();
            return Err(RspCertError::OtherIssuerKey { subject, issuer, found, expected });
        }
        if certificate.issuer() != issuer.subject() {
            let (issuer, found) = (issuer.subject_text(), certificate.issuer().to_string());
            let subject = certificate.subject_text();
            return Err(RspCertError::OtherIssuer { subject, issuer, found });
        }
        Ok(())
    }

    fn check_dates(&self, certificate: &RspCertificate, now_unix_s: Option<u64>) -> Result<(), RspCertError> {
        let Some(now_unix_s) = now_unix_s else { return Ok(()) };
        let subject = || certificate.subject_text();
        let (not_before_unix_s, not_after_unix_s) =
            (certificate.not_before_unix_s(), certificate.not_after_unix_s());
        if now_unix_s < not_before_unix_s {
            return Err(RspCertError::NotYetValid { subject: subject(), not_before_unix_s, now_unix_s });
        }
        if now_unix_s > not_after_unix_s {
            return Err(RspCertError::Expired { subject: subject(), not_after_unix_s, now_unix_s });
        }
        Ok(())
    }

    fn check_revocation(
        &self,
        certificate: &RspCertificate,
        now_unix_s: Option<u64>,
    ) -> Result<(), RspCertError> {
        if self.crls.values().any(|crl| crl.revoked.contains(certificate.serial())) {
            let (subject, serial) = (certificate.subject_text(), hex::encode(certificate.serial()));
            return Err(RspCertError::Revoked { subject, serial });
        }
        self.crls.values().try_for_each(|crl| self.check_fresh(crl, now_unix_s))
    }

    fn check_fresh(&self, crl: &KeptCrl, now_unix_s: Option<u64>) -> Result<(), RspCertError> {
        match (now_unix_s, crl.next_update_unix_s) {
            (Some(now_unix_s), Some(next_update_unix_s)) if now_unix_s > next_update_unix_s => {
                let issuer = self.ci.subject_text();
                Err(RspCertError::CrlStale { issuer, next_update_unix_s, now_unix_s })
            }
            _ => Ok(()),
        }
    }
}

/// Checks that two certificates belong to one SM-DP+: the same registeredID (SGP.22 clause 5.7.5, where the eUICC
/// compares CERT.DPpb with the CERT.DPauth of the session). `second` is the one at fault.
///
/// # Errors
/// [`RspCertError::NoOid`], [`RspCertError::OtherOid`].
pub fn check_same_oid(first: &RspCertificate, second: &RspCertificate) -> Result<(), RspCertError> {
    let oid = |certificate: &RspCertificate| {
        certificate
            .registered_id()
            .cloned()
            .ok_or_else(|| RspCertError::NoOid { subject: certificate.subject_text() })
    };
    let (expected, found) = (oid(first)?, oid(second)?);
    if expected == found {
        return Ok(());
    }
    Err(RspCertError::OtherOid { subject: second.subject_text(), found, expected })
}

/// Checks that a certificate carries a signature of its own key: what an eIM's certificate that no CI issued can
/// be asked (SGP.32 leaves to the associated eUICC what else it trusts).
///
/// # Errors
/// [`RspCertError::Signature`], and [`RspCertError::UnknownCritical`].
pub fn check_self_signed(certificate: &RspCertificate, tally: &Tally) -> Result<(), RspCertError> {
    check_understood(certificate)?;
    check_signature(certificate, certificate, tally)
}

fn check_understood(certificate: &RspCertificate) -> Result<(), RspCertError> {
    match certificate.unknown_critical().first() {
        None => Ok(()),
        Some(oid) => Err(RspCertError::UnknownCritical {
            subject: certificate.subject_text(),
            extension: oid.to_string(),
        }),
    }
}

/// The policies have to name the role. That of an eIM has no identifier: there, no other role may be named.
fn check_role(certificate: &RspCertificate, expected: Role) -> Result<(), RspCertError> {
    let named = match expected.policy_oid() {
        Some(policy) => certificate.policies().contains(&policy),
        None if expected == Role::Operator => certificate.role() == Some(Role::Operator),
        None => certificate.role().is_none(),
    };
    if named {
        return Ok(());
    }
    let subject = certificate.subject_text();
    let found = certificate.role().map_or_else(|| "no role".to_owned(), |role| role.to_string());
    Err(RspCertError::Role { subject, expected, found })
}

/// Checks that `below` certificates of issuers may stand below this issuer in a chain.
fn check_issuer(certificate: &RspCertificate, below: u8) -> Result<(), RspCertError> {
    let subject = || certificate.subject_text();
    if !certificate.is_issuer() {
        return Err(RspCertError::NotAnIssuer { subject: subject() });
    }
    if let Some(allowed) = certificate.path_length().filter(|allowed| *allowed < below) {
        return Err(RspCertError::PathLength { subject: subject(), allowed, found: below });
    }
    check_use(certificate, KeyUse::CertificateSigning)
}

fn check_use(certificate: &RspCertificate, usage: KeyUse) -> Result<(), RspCertError> {
    if certificate.may(usage) {
        return Ok(());
    }
    Err(RspCertError::KeyUsage { subject: certificate.subject_text(), needed: usage.as_str() })
}

fn check_key_id(certificate: &RspCertificate) -> Result<(), RspCertError> {
    if !certificate.key_id().is_empty() {
        return Ok(());
    }
    Err(RspCertError::Missing {
        subject: certificate.subject_text(),
        extension: ExtensionName::SubjectKeyIdentifier.as_str(),
    })
}

fn check_signature(
    certificate: &RspCertificate,
    issuer: &RspCertificate,
    tally: &Tally,
) -> Result<(), RspCertError> {
    verify(issuer.public(), certificate.tbs(), certificate.signature_der(), tally).map_err(|_| {
        RspCertError::Signature { subject: certificate.subject_text(), issuer: issuer.subject_text() }
    })
}

fn verify(public: &RspPublicKey, message: &[u8], signature: &[u8], tally: &Tally) -> Result<(), CryptoError> {
    // The order of brainpoolP256r1 is below that of P-256, so one reader of DER serves both curves.
    public.verify(message, &key::signature_from_der(signature)?, tally)
}

/// The EID has to be one, and the EUM has to be allowed to certify it (SGP.22 clause 4.5.2.1).
fn check_eid(euicc: &RspCertificate, eum: &RspCertificate) -> Result<(), RspCertError> {
    let subject = || euicc.subject_text();
    let eid = euicc.eid().ok_or_else(|| RspCertError::NoEid { subject: subject() })?;
    eid.parse::<Eid>().map_err(|source| RspCertError::Eid { subject: subject(), source })?;
    let Some(permitted) = eum.permitted() else {
        let extension = ExtensionName::NameConstraints.as_str();
        return Err(RspCertError::Missing { subject: eum.subject_text(), extension });
    };
    if permitted.is_empty() {
        return Err(RspCertError::NameConstraints { subject: eum.subject_text() });
    }
    let fits = |tree: &Subtree| {
        eid.starts_with(&tree.ein)
            && tree.organization.as_deref().is_none_or(|name| euicc.organization() == Some(name))
    };
    if permitted.iter().any(fits) {
        return Ok(());
    }
    let list: Vec<&str> = permitted.iter().map(|tree| tree.ein.as_str()).collect();
    let (issuer, eid) = (eum.subject_text(), eid.to_owned());
    Err(RspCertError::NotPermitted { issuer, eid, permitted: list.join(", ") })
}
