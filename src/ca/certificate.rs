//! What a relying party reads out of a client's certificate: who it is, by which key, and for how long. Also what a
//! device checks of a certificate before it keeps it.

use der::{Decode, Encode};
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage as Purpose, anchor_from_trusted_cert};
use x509_cert::certificate::{Certificate, TbsCertificate};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::subject::Subject;
use super::x509::{self, CLIENT_AUTH, Serial};
use super::{CaError, der_error};
use crate::crypto::{Op, Tally};
use crate::id::DeviceName;

const WHAT: &str = "certificate";

/// A client's certificate, read. Reading proves nothing: either TLS has verified it, or call
/// [`ClientCertificate::verify`].
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    der: Vec<u8>,
    subject: Subject,
    tbs_digest: [u8; 32],
    public: [u8; 64],
    spki: Vec<u8>,
    serial: Serial,
    not_before_unix_s: u64,
    not_after_unix_s: u64,
}

impl ClientCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`CaError::Der`] where it is no certificate, [`CaError::NotAClient`] where it may be used for something else
    /// than to authenticate a client, or has no serial number of the form that an authority here gives,
    /// [`CaError::Crypto`] where its key is not on P-256.
    pub fn parse(der: &[u8]) -> Result<Self, CaError> {
        let certificate = Certificate::from_der(der).map_err(der_error(WHAT))?.tbs_certificate;
        for_a_client(&certificate)?;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        let spki = certificate.subject_public_key_info.to_der().map_err(der_error(WHAT))?;
        let alternatives = certificate.get::<SubjectAltName>().map_err(der_error("subjectAltName"))?;
        Ok(Self {
            der: der.to_vec(),
            // The bytes as signed, and not written anew.
            tbs_digest: Sha256::digest(x509::signed_part(der).map_err(der_error(WHAT))?).into(),
            public: x509::public_of(WHAT, &certificate.subject_public_key_info)?,
            spki,
            serial: Serial::of(&certificate.serial_number)
                .ok_or(CaError::NotAClient { wrong: "its serial number has not 16 octets" })?,
            not_before_unix_s: seconds(certificate.validity.not_before),
            not_after_unix_s: seconds(certificate.validity.not_after),
            subject: Subject::of(certificate.subject, alternatives.map(|(_, names)| names)),
        })
    }

    /// Checks signature, validity and purpose (TLS client) under a root in DER at `now_unix_s`, and counts
    /// the verification in `tally`.
    ///
    /// # Errors
    /// [`CaError::Untrusted`] where the root is no trust anchor or the certificate is not valid under it.
    pub fn verify(&self, root_der: &[u8], now_unix_s: u64, tally: &Tally) -> Result<(), CaError> {
        let untrusted =
            |error: webpki::Error| CaError::Untrusted { unix_s: now_unix_s, reason: error.to_string() };
        let (root, leaf) = (CertificateDer::from(root_der), CertificateDer::from(&self.der[..]));
        let anchor = anchor_from_trusted_cert(&root).map_err(untrusted)?;
        tally.count(Op::P256Verify);
        EndEntityCert::try_from(&leaf)
            .map_err(untrusted)?
            .verify_for_usage(
                &[webpki::aws_lc_rs::ECDSA_P256_SHA256],
                &[anchor],
                &[],
                UnixTime::since_unix_epoch(std::time::Duration::from_secs(now_unix_s)),
                Purpose::client_auth(),
                None,
                None,
            )
            .map(|_| ())
            .map_err(untrusted)
    }

    /// Checks that this is the certificate for the public point `X || Y`.
    ///
    /// # Errors
    /// [`CaError::OtherKey`] where it is not.
    pub fn check_key(&self, public: &[u8; 64]) -> Result<(), CaError> {
        if self.public == *public { Ok(()) } else { Err(CaError::OtherKey) }
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whom it names.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// SHA-256 of the part that is signed: what the ledger holds of it, since before the ledger agrees there is nothing
    /// else.
    pub fn tbs_digest(&self) -> &[u8; 32] {
        &self.tbs_digest
    }

    /// The public point `X || Y`.
    pub fn public(&self) -> &[u8; 64] {
        &self.public
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The serial number, by which it is revoked.
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// From when it is valid, in Unix seconds.
    pub fn not_before_unix_s(&self) -> u64 {
        self.not_before_unix_s
    }

    /// The last second in which it is valid, in Unix seconds.
    pub fn not_after_unix_s(&self) -> u64 {
        self.not_after_unix_s
    }

    /// Whether at `now_unix_s` less than a third of its life is left, or nothing: time to renew it.
    pub fn nears_its_end(&self, now_unix_s: u64) -> bool {
        let life = self.not_after_unix_s.saturating_sub(self.not_before_unix_s);
        self.not_after_unix_s.saturating_sub(now_unix_s) < life / 3
    }
}

/// Only digitalSignature and client authentication, and no authority (RFC 5280 sections 4.2.1.3, 4.2.1.9, 4.2.1.12).
fn for_a_client(certificate: &TbsCertificate) -> Result<(), CaError> {
    let wrong = |wrong| Err(CaError::NotAClient { wrong });
    if certificate
        .get::<BasicConstraints>()
        .map_err(der_error("basicConstraints"))?
        .is_some_and(|(_, c)| c.ca)
    {
        return wrong("it may sign certificates");
    }
    match certificate.get::<KeyUsage>().map_err(der_error("keyUsage"))? {
        Some((_, usage)) if usage.digital_signature() => {
            if usage.key_cert_sign() || usage.crl_sign() {
                return wrong("its key may sign certificates or revocation lists");
            }
        }
        _ => return wrong("its key usage does not say digitalSignature"),
    }
    let purposes = certificate.get::<ExtendedKeyUsage>().map_err(der_error("extKeyUsage"))?;
    match purposes {
        Some((_, ExtendedKeyUsage(purposes))) if purposes[..] == [CLIENT_AUTH] => Ok(()),
        _ => wrong("its purpose is not client authentication alone"),
    }
}

/// The certificate of a device of the lab: a client's, with the name that was drawn for the device.
#[derive(Debug, Clone)]
pub struct DeviceCertificate {
    client: ClientCertificate,
    name: DeviceName,
}

impl DeviceCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// As [`ClientCertificate::parse`], and [`CaError::NotAClient`] where it does not name one device, in
    /// subjectAltName and as common name alike.
    pub fn parse(der: &[u8]) -> Result<Self, CaError> {
        let client = ClientCertificate::parse(der)?;
        let unnamed =
            || CaError::NotAClient { wrong: "it does not name one device by its urn:uuid: and common name" };
        let name = match client.subject.alternatives() {
            [GeneralName::UniformResourceIdentifier(uri)] => DeviceName::from_urn(uri.as_str()).ok(),
            _ => None,
        };
        let name = name.ok_or_else(unnamed)?;
        if !Subject::device(&name)?.is_same(&client.subject) {
            return Err(unnamed());
        }
        Ok(Self { client, name })
    }

    /// What a device asks of a certificate that it was sent before it keeps it: it is for the device's own key
    /// (`public`), names the device as its certificate before (`known`), where it had one, and is valid under the
    /// device's trust anchor (`root_der`) now.
    ///
    /// # Errors
    /// As [`DeviceCertificate::parse`], [`CaError::OtherKey`], [`CaError::OtherName`], [`CaError::Untrusted`].
    pub fn accept(
        der: &[u8],
        public: &[u8; 64],
        known: Option<&DeviceName>,
        root_der: &[u8],
        now_unix_s: u64,
        tally: &Tally,
    ) -> Result<Self, CaError> {
        let certificate = Self::parse(der)?;
        certificate.client.check_key(public)?;
        if known.is_some_and(|known| *known != certificate.name) {
            return Err(CaError::OtherName);
        }
        certificate.client.verify(root_der, now_unix_s, tally)?;
        Ok(certificate)
    }

    /// The name of the device.
    pub fn name(&self) -> DeviceName {
        self.name
    }
}

impl std::ops::Deref for DeviceCertificate {
    type Target = ClientCertificate;

    fn deref(&self) -> &ClientCertificate {
        &self.client
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::{Authority, Csr, CsrBuilder};
    use crate::crypto::{SoftKey, key};
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use crate::support::bent::bent;
    use der::Encode;
    use proptest::prelude::*;
    use x509_cert::ext::Extension;
    use x509_cert::ext::pkix::KeyUsages;

    fn name() -> DeviceName {
        DeviceName::from_random([9; 16])
    }

    fn device_key() -> SoftKey {
        SoftKey::from_stream(&mut RngTree::new(7).stream("device"))
    }

    fn authority() -> Authority {
        Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap()
    }

    fn issue(ca: &mut Authority, subject: &Subject) -> Vec<u8> {
        let builder = CsrBuilder::new(None, &device_key().public(), None).unwrap();
        let signature = device_key().sign(builder.tbs());
        let csr = Csr::parse(&builder.finish(&signature).unwrap()).unwrap();
        let prepared = ca.prepare(&csr, subject, EPOCH_UNIX_S).unwrap();
        ca.issue(prepared).unwrap()
    }

    fn issued() -> (Authority, Vec<u8>) {
        let mut ca = authority();
        let der = issue(&mut ca, &Subject::device(&name()).unwrap());
        (ca, der)
    }

    /// What an authority with the key of the right one would issue, had it been told to issue `bent` certificates.
    fn bent_by(change: impl FnOnce(&mut TbsCertificate)) -> Vec<u8> {
        let mut certificate = Certificate::from_der(&issued().1).unwrap().tbs_certificate;
        change(&mut certificate);
        let ca_key = SoftKey::from_stream(&mut RngTree::new(7).stream("ca-key"));
        let signature = ca_key.sign(&certificate.to_der().unwrap());
        x509::certificate(certificate, &signature).unwrap()
    }

    fn replace(certificate: &mut TbsCertificate, with: Extension) {
        let extensions = certificate.extensions.as_mut().unwrap();
        extensions.iter_mut().find(|extension| extension.extn_id == with.extn_id).unwrap().extn_value =
            with.extn_value;
    }

    fn accept(der: &[u8], known: Option<&DeviceName>, now_unix_s: u64) -> Result<DeviceCertificate, CaError> {
        let (public, root) = (device_key().public(), authority().root_der().to_vec());
        DeviceCertificate::accept(der, &public, known, &root, now_unix_s, &Tally::new())
    }

    #[test]
    fn a_relying_party_reads_device_key_and_digest() {
        let (ca, der) = issued();
        let certificate = DeviceCertificate::parse(&der).unwrap();
        assert_eq!(certificate.name(), name());
        assert_eq!(certificate.spki(), key::spki_der(&device_key().public()));
        let record = ca.index().get(&certificate.serial()).unwrap();
        assert_eq!(certificate.tbs_digest(), &record.tbs_sha256);
        let tbs = Certificate::from_der(&der).unwrap().tbs_certificate.to_der().unwrap();
        assert_eq!(certificate.tbs_digest()[..], Sha256::digest(tbs)[..]);
        assert_eq!(certificate.not_before_unix_s(), EPOCH_UNIX_S);
        assert_eq!(certificate.not_after_unix_s(), record.not_after_unix_s);
    }

    #[test]
    fn a_device_accepts_the_certificate_that_is_its_own() {
        let (_, der) = issued();
        let tally = Tally::new();
        let (public, root) = (device_key().public(), authority().root_der().to_vec());
        let accepted = DeviceCertificate::accept(&der, &public, None, &root, EPOCH_UNIX_S, &tally).unwrap();
        assert_eq!((accepted.name(), tally.of(Op::P256Verify)), (name(), 1));
        assert!(accept(&der, Some(&name()), EPOCH_UNIX_S).is_ok(), "named as before");
    }

    #[test]
    fn a_device_throws_away_what_is_not_for_it_or_not_under_its_root() {
        let (_, der) = issued();
        let refused = |der: &[u8], now| accept(der, None, now).unwrap_err();
        let untrusted = |der: &[u8], now| matches!(refused(der, now), CaError::Untrusted { .. });
        let other_key = DeviceCertificate::accept(
            &der,
            &[1; 64],
            None,
            authority().root_der(),
            EPOCH_UNIX_S,
            &Tally::new(),
        );
        assert!(matches!(other_key, Err(CaError::OtherKey)));
        assert_eq!(
            accept(&der, Some(&DeviceName::from_random([8; 16])), EPOCH_UNIX_S).unwrap_err(),
            CaError::OtherName
        );
        assert!(untrusted(&der, EPOCH_UNIX_S - 1), "not valid yet");
        let end = DeviceCertificate::parse(&der).unwrap().not_after_unix_s();
        assert!(untrusted(&der, end + 1), "expired");
        let mut elsewhere = Authority::new(RngTree::new(8), &Tally::new(), EPOCH_UNIX_S).unwrap();
        assert!(untrusted(&issue(&mut elsewhere, &Subject::device(&name()).unwrap()), EPOCH_UNIX_S));
    }

    #[test]
    fn a_device_throws_away_what_is_for_another_use() {
        let refused =
            |change: fn(&mut TbsCertificate)| accept(&bent_by(change), None, EPOCH_UNIX_S).unwrap_err();
        assert!(accept(&bent_by(|_| {}), None, EPOCH_UNIX_S).is_ok());
        let changes: [fn(&mut TbsCertificate); 6] = [
            |one| {
                replace(
                    one,
                    x509::extension(true, &BasicConstraints { ca: true, path_len_constraint: None }).unwrap(),
                )
            },
            |one| {
                replace(
                    one,
                    x509::extension(true, &KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign))
                        .unwrap(),
                )
            },
            |one| replace(one, x509::extension(true, &KeyUsage(KeyUsages::KeyAgreement.into())).unwrap()),
            |one| replace(one, x509::extension(false, &ExtendedKeyUsage(vec![x509::SERVER_AUTH])).unwrap()),
            |one| {
                replace(
                    one,
                    x509::extension(false, &ExtendedKeyUsage(vec![CLIENT_AUTH, x509::SERVER_AUTH])).unwrap(),
                )
            },
            |one| one.subject = x509::common_name("somebody else").unwrap(),
        ];
        for change in changes {
            assert!(matches!(refused(change), CaError::NotAClient { .. }), "{:?}", refused(change));
        }
    }

    #[test]
    fn servers_roots_and_other_clients_are_no_devices() {
        let mut ca = authority();
        let server = ca.issue_server(&["a.test"], &[], &device_key().public(), EPOCH_UNIX_S).unwrap();
        let client = issue(&mut ca, &Subject::named("sensor-1", &[]).unwrap());
        assert_eq!(ClientCertificate::parse(&client).unwrap().subject().common_name(), Some("sensor-1"));
        for der in [&server[..], ca.root_der(), &client] {
            assert!(matches!(DeviceCertificate::parse(der), Err(CaError::NotAClient { .. })));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_devices_certificate_or_refused(der in bent(issued().1)) {
            match DeviceCertificate::parse(&der) {
                Ok(read) => {
                    prop_assert_eq!(read.der(), &der[..]);
                    prop_assert_eq!(read.spki(), key::spki_der(read.public()));
                    prop_assert!(read.subject().is_same(&Subject::device(&read.name()).unwrap()));
                    // What the authority signed is trusted, and nothing else.
                    let (ca, right) = issued();
                    let trusted = read.verify(ca.root_der(), EPOCH_UNIX_S, &Tally::new());
                    prop_assert_eq!(trusted.is_ok(), der == right);
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn a_changed_certificate_is_not_trusted(at in 0usize..1000, mask in 1u8..) {
            let (ca, mut der) = issued();
            let at = at % der.len();
            der[at] ^= mask;
            if let Ok(certificate) = DeviceCertificate::parse(&der) {
                prop_assert!(certificate.verify(ca.root_der(), EPOCH_UNIX_S, &Tally::new()).is_err());
            }
        }
    }
}
