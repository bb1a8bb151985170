//! Certificates, lists of revoked ones and requests, as PKI of eSIM, CA and EST read them: any bytes are one or refused, and
//! nothing that the lab's CI has not signed stands under it.

use std::sync::LazyLock;

use cellbed::ca::est::{read_cacerts_response, read_enroll_request, read_enroll_response};
use cellbed::ca::{ClientCertificate, Csr, DeviceCertificate};
use cellbed::crypto::Tally;
use cellbed::crypto::rsp_cert::{Crl, RspCertificate, RspKey, RspPublicKey, TrustAnchor};
use cellbed::esim::Pki;

static PKI: LazyLock<Pki> = LazyLock::new(|| Pki::lab().expect("the lab's hierarchy"));

/// Any bytes.
pub fn run(bytes: &[u8]) {
    let tally = Tally::new();
    for certificate in [RspCertificate::parse(bytes), RspCertificate::from_file(bytes)].into_iter().flatten()
    {
        let _ =
            (certificate.subject_text(), certificate.fingerprint(), certificate.hosts(), certificate.eid());
        let _ = TrustAnchor::new(certificate, &tally);
    }
    let mut anchor = TrustAnchor::new(PKI.ci.certificate.clone(), &tally).expect("the lab's CI");
    for crl in [Crl::parse(bytes), Crl::from_file(bytes)].into_iter().flatten() {
        let _ = (crl.number(), crl.revoked().len());
        let _ = anchor.take_crl(&crl, None, &tally);
    }
    let _ = (RspKey::from_file(bytes).is_ok(), RspPublicKey::from_spki(bytes).is_ok());
    if let Ok(csr) = Csr::parse(bytes) {
        let _ = (csr.verify(&tally), csr.subject(), csr.challenge_password());
    }
    let _ = (ClientCertificate::parse(bytes).is_ok(), DeviceCertificate::parse(bytes).is_ok());
    for kind in [None, Some("application/pkcs10"), Some("application/pkcs7-mime; smime-type=certs-only")] {
        let _ = read_enroll_request(kind, bytes).is_ok();
        let _ = read_cacerts_response(kind, bytes).is_ok();
        let _ = read_enroll_response(200, kind, None, bytes).is_ok();
    }
}
