//! What every office that takes EST requests does alike, whoever decides behind it.

use super::{Refusal, read_enroll_request};
use crate::ca::csr::ChannelBinding;
use crate::ca::index::Status;
use crate::ca::{Authority, ClientCertificate, Csr, Subject};
use crate::wire::Reason;

/// How clients are told that a certificate is what is asked for. No scheme of HTTP stands for it, and RFC 9110
/// section 11.6.1 wants one named.
const BY_CERTIFICATE: &str = "Certificate realm=\"EST\"";

/// Whether a request has to be linked to the TLS session that it comes over (RFC 7030 section 3.5, with the value of
/// RFC 9266 in the place of tls-unique, which TLS 1.3 does not have).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linking {
    /// A request that is not linked is refused.
    Demanded,
    /// A request that is linked to another session is refused, and one that is not linked is not.
    WherePresent,
}

/// What the office has found out of the client, which its request has to agree with.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whom the certificate is to name.
    pub subject: &'a Subject,
    /// Whether the request has to name it in full, as a re-enrolment has to (RFC 7030 section 4.2.2). A first request
    /// may leave names to the authority.
    pub in_full: bool,
    /// Whether it has to be linked to the session.
    pub linking: Linking,
    /// What the session exports, where it exports something.
    pub binding: Option<&'a ChannelBinding>,
}

/// The request in the body of a simpleenroll or simplereenroll, where it agrees with what is `wanted`. That it is
/// signed with its own key is checked where the certificate is prepared.
///
/// # Errors
/// What the client is told.
pub fn request(content_type: Option<&str>, body: &[u8], wanted: Wanted<'_>) -> Result<Csr, Refusal> {
    let csr = read_enroll_request(content_type, body)?;
    let bad = |reason, detail: &str| Err(Refusal::BadRequest { reason, detail: detail.to_owned() });
    if csr.asks_to_be_authority() {
        return bad(Reason::AuthorityAsked, "the CSR asks for a certificate that could sign others");
    }
    match (csr.challenge_password(), wanted.binding) {
        (None, _) if wanted.linking == Linking::WherePresent => {}
        (Some(_), Some(binding)) if csr.is_bound_to(binding) => {}
        _ => return bad(Reason::CsrNotBound, "the CSR was not signed for this TLS session (RFC 9266)"),
    }
    let named = match wanted.in_full {
        true => wanted.subject.is_same(csr.subject()),
        false => wanted.subject.covers(csr.subject()),
    };
    if !named {
        let detail = format!("the CSR asks for another name than {}, or for part of it only", wanted.subject);
        return Err(Refusal::Forbidden { reason: Reason::NameMismatch, detail });
    }
    Ok(csr)
}

/// The certificate that a client has shown in its TLS handshake, where it is one that `authority` has issued and that
/// is good now. TLS has checked that the client holds its key.
///
/// # Errors
/// What the client is told.
pub fn certificate_of<'a>(
    authority: &Authority,
    shown: Option<&'a ClientCertificate>,
    now_unix_s: u64,
) -> Result<&'a ClientCertificate, Refusal> {
    let forbidden = |reason, detail: String| Err(Refusal::Forbidden { reason, detail });
    let Some(certificate) = shown else {
        return Err(Refusal::NotAuthenticated {
            reason: Reason::ClientCertificateRequired,
            detail: "this takes mutual TLS with a certificate of this authority".to_owned(),
            challenge: BY_CERTIFICATE,
        });
    };
    let serial = certificate.serial();
    let record =
        authority.index().get(&serial).filter(|record| record.tbs_sha256 == *certificate.tbs_digest());
    if record.is_none() {
        return forbidden(Reason::CertificateNotOurs, format!("this authority has not issued {serial}"));
    }
    if let Status::Revoked(revocation) = authority.index().status(&serial) {
        return forbidden(Reason::CertificateRevoked, format!("{serial} is revoked: {}", revocation.reason));
    }
    if !(certificate.not_before_unix_s()..=certificate.not_after_unix_s()).contains(&now_unix_s) {
        return forbidden(Reason::CertificateExpired, format!("{serial} is not valid at {now_unix_s} s"));
    }
    Ok(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::est::EstRequest;
    use crate::ca::{CsrBuilder, RevocationReason};
    use crate::crypto::{SoftKey, Tally};
    use crate::id::DeviceName;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};

    fn key() -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(7).stream("keys"))
    }

    fn subject(n: u8) -> Subject {
        Subject::device(&DeviceName::from_random([n; 16])).unwrap()
    }

    fn asked(subject: Option<&Subject>, binding: Option<&ChannelBinding>) -> Vec<u8> {
        let builder = CsrBuilder::new(subject, &key().public(), binding).unwrap();
        let signature = key().sign(builder.tbs());
        EstRequest::simple_enroll(&builder.finish(&signature).unwrap()).body
    }

    fn refusal(body: &[u8], in_full: bool, linking: Linking) -> Option<String> {
        let (meant, binding) = (subject(1), [5; 32]);
        let wanted = Wanted { subject: &meant, in_full, linking, binding: Some(&binding) };
        let refused = request(Some("application/pkcs10"), body, wanted).err()?;
        Some(format!("{} {}", refused.status(), refused.reason().split(": ").next().unwrap()))
    }

    #[test]
    fn a_request_is_linked_to_its_session_or_to_none() {
        let refusal =
            |binding: Option<&ChannelBinding>, linking| refusal(&asked(None, binding), false, linking);
        let not_bound = Some("400 csr-not-bound".to_owned());
        for linking in [Linking::Demanded, Linking::WherePresent] {
            assert_eq!(refusal(Some(&[5; 32]), linking), None);
            // What was signed for another session and is sent again in this one.
            assert_eq!(refusal(Some(&[6; 32]), linking), not_bound);
        }
        assert_eq!(refusal(None, Linking::Demanded), not_bound);
        assert_eq!(refusal(None, Linking::WherePresent), None);
    }

    #[test]
    fn a_request_names_its_client_and_nobody_else() {
        let refusal = |named: Option<u8>, in_full| {
            refusal(&asked(named.map(subject).as_ref(), None), in_full, Linking::WherePresent)
        };
        let mismatch = Some("403 name-mismatch".to_owned());
        assert_eq!((refusal(Some(1), false), refusal(Some(1), true)), (None, None));
        assert_eq!((refusal(Some(2), false), refusal(Some(2), true)), (mismatch.clone(), mismatch.clone()));
        // A first request leaves the name to the authority, a re-enrolment repeats it.
        assert_eq!((refusal(None, false), refusal(None, true)), (None, mismatch));
    }

    #[test]
    fn only_a_certificate_that_is_good_speaks_for_its_client() {
        let issue = |ca: &mut Authority| {
            let builder = CsrBuilder::new(None, &key().public(), None).unwrap();
            let signature = key().sign(builder.tbs());
            let csr = Csr::parse(&builder.finish(&signature).unwrap()).unwrap();
            let prepared = ca.prepare(&csr, &subject(1), EPOCH_UNIX_S).unwrap();
            ClientCertificate::parse(&ca.issue(prepared).unwrap()).unwrap()
        };
        let authority = |seed| Authority::new(RngTree::new(seed), &Tally::new(), EPOCH_UNIX_S).unwrap();
        let (mut ours, mut other) = (authority(7), authority(8));
        let (certificate, foreign) = (issue(&mut ours), issue(&mut other));
        let ask = |ca: &Authority, shown, now| match certificate_of(ca, shown, now) {
            Ok(_) => "good".to_owned(),
            Err(refusal) => format!("{} {}", refusal.status(), refusal.reason().split(": ").next().unwrap()),
        };
        assert_eq!(ask(&ours, Some(&certificate), EPOCH_UNIX_S), "good");
        assert_eq!(ask(&ours, None, EPOCH_UNIX_S), "401 client-certificate-required");
        assert_eq!(ask(&ours, Some(&foreign), EPOCH_UNIX_S), "403 certificate-not-ours");
        let late = certificate.not_after_unix_s() + 1;
        assert_eq!(ask(&ours, Some(&certificate), late), "403 certificate-expired");
        assert_eq!(ask(&ours, Some(&certificate), EPOCH_UNIX_S - 1), "403 certificate-expired");
        ours.revoke(certificate.serial(), RevocationReason::KeyCompromise, EPOCH_UNIX_S).unwrap();
        assert_eq!(ask(&ours, Some(&certificate), EPOCH_UNIX_S), "403 certificate-revoked");
    }
}
