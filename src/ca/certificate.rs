//! What a relying party reads out of a device's certificate: who the device is, by which key, and for how
//! long. Also what a device checks of a certificate before it keeps it.

use der::{Decode, Encode};
use rustls::pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::certificate::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::x509::{self, Serial};
use super::{CaError, der_error};
use crate::crypto::{Op, Tally};

const WHAT: &str = "certificate";

/// A device's certificate, read. Reading proves nothing: either TLS has verified it, or call
/// [`DeviceCertificate::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    der: Vec<u8>,
    device: [u8; 32],
    device_uri: String,
    fingerprint: [u8; 32],
    public: [u8; 64],
    spki: Vec<u8>,
    serial: Serial,
    not_before_unix_s: u64,
    not_after_unix_s: u64,
}

impl DeviceCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`CaError::Der`] where it is no certificate, [`CaError::NotADevice`] where it lacks the one device
    /// URI or the form of serial number that the authority gives, [`CaError::Crypto`] where its key is
    /// not on P-256.
    pub fn parse(der: &[u8]) -> Result<Self, CaError> {
        let certificate = Certificate::from_der(der).map_err(der_error(WHAT))?.tbs_certificate;
        let device_uri = single_uri(&certificate)?;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        Ok(Self {
            der: der.to_vec(),
            device: x509::device_of_uri(&device_uri)?,
            device_uri,
            fingerprint: Sha256::digest(der).into(),
            public: x509::public_of(WHAT, &certificate.subject_public_key_info)?,
            spki: certificate.subject_public_key_info.to_der().map_err(der_error(WHAT))?,
            serial: Serial::of(&certificate.serial_number)
                .ok_or(CaError::NotADevice { missing: "serial number of 16 octets" })?,
            not_before_unix_s: seconds(certificate.validity.not_before),
            not_after_unix_s: seconds(certificate.validity.not_after),
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
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map(|_| ())
            .map_err(untrusted)
    }

    /// Checks that this is the certificate for the public point `X || Y`: what a device asks before it
    /// keeps what it was sent.
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

    /// The ledger identity of the device.
    pub fn device(&self) -> &[u8; 32] {
        &self.device
    }

    /// The same as the URI in subjectAltName: `urn:cellbed:device:` and hexadecimal digits.
    pub fn device_uri(&self) -> &str {
        &self.device_uri
    }

    /// SHA-256 of the certificate: what the ledger holds of it.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
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
}

fn single_uri(certificate: &x509_cert::TbsCertificate) -> Result<String, CaError> {
    let missing = CaError::NotADevice { missing: "single device URI in subjectAltName" };
    let names = certificate.get::<SubjectAltName>().map_err(der_error("subjectAltName"))?;
    let Some((_, SubjectAltName(names))) = names else { return Err(missing) };
    match &names[..] {
        [GeneralName::UniformResourceIdentifier(uri)] => Ok(uri.as_str().to_owned()),
        _ => Err(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::{Authority, Csr, CsrBuilder, device_uri};
    use crate::crypto::{SoftKey, key};
    use crate::kernel::{EPOCH_UNIX_S, RngTree};
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn issued() -> (Authority, Vec<u8>, SoftKey) {
        let mut ca = Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap();
        let device = SoftKey::from_stream(&mut RngTree::new(7).stream("device"));
        let builder = CsrBuilder::new("device", &device.public(), None).unwrap();
        let signature = device.sign(builder.tbs());
        let csr = Csr::parse(&builder.finish(&signature).unwrap()).unwrap();
        let der = ca.issue_device(&csr, &device_uri(&[9; 32]), EPOCH_UNIX_S).unwrap();
        (ca, der, device)
    }

    #[test]
    fn a_relying_party_reads_device_key_and_fingerprint() {
        let (ca, der, device) = issued();
        let certificate = DeviceCertificate::parse(&der).unwrap();
        assert_eq!(certificate.device(), &[9; 32]);
        assert_eq!(certificate.device_uri(), device_uri(&[9; 32]));
        assert_eq!(certificate.spki(), key::spki_der(&device.public()));
        assert_eq!(certificate.check_key(&device.public()), Ok(()));
        assert_eq!(certificate.check_key(&[0; 64]), Err(CaError::OtherKey));
        let issued = &ca.issued()[&certificate.serial()];
        assert_eq!(certificate.fingerprint(), &issued.fingerprint);
        assert_eq!(certificate.not_before_unix_s(), EPOCH_UNIX_S);
        assert_eq!(certificate.not_after_unix_s(), issued.not_after_unix_s);
    }

    #[test]
    fn verification_is_by_root_and_clock() {
        let (ca, der, _) = issued();
        let certificate = DeviceCertificate::parse(&der).unwrap();
        let tally = Tally::new();
        let verify = |root: &[u8], now| certificate.verify(root, now, &tally);
        assert_eq!(verify(ca.root_der(), EPOCH_UNIX_S), Ok(()));
        assert_eq!(tally.of(Op::P256Verify), 1);
        assert!(matches!(verify(ca.root_der(), EPOCH_UNIX_S - 1), Err(CaError::Untrusted { .. })));
        let expired = certificate.not_after_unix_s() + 1;
        assert!(matches!(verify(ca.root_der(), expired), Err(CaError::Untrusted { .. })));
        let other = Authority::new(RngTree::new(8), &tally, EPOCH_UNIX_S).unwrap();
        assert!(matches!(verify(other.root_der(), EPOCH_UNIX_S), Err(CaError::Untrusted { .. })));
    }

    #[test]
    fn servers_and_roots_are_no_devices() {
        let (mut ca, _, device) = issued();
        let server = ca.issue_server(&["a.test"], &[], &device.public(), EPOCH_UNIX_S).unwrap();
        for der in [&server[..], ca.root_der()] {
            assert!(matches!(DeviceCertificate::parse(der), Err(CaError::NotADevice { .. })));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_devices_certificate_or_refused(der in bent(issued().1)) {
            match DeviceCertificate::parse(&der) {
                Ok(read) => {
                    prop_assert_eq!(read.der(), &der[..]);
                    prop_assert_eq!(read.fingerprint()[..].to_vec(), Sha256::digest(&der).to_vec());
                    prop_assert_eq!(read.device_uri(), device_uri(read.device()));
                    prop_assert_eq!(read.spki(), key::spki_der(read.public()));
                    // What the authority signed is trusted, and nothing else.
                    let (ca, right, _) = issued();
                    let trusted = read.verify(ca.root_der(), EPOCH_UNIX_S, &Tally::new());
                    prop_assert_eq!(trusted.is_ok(), der == right);
                }
                Err(error) => prop_assert!(error.to_string().contains("certificate") || error.to_string().contains("subjectAltName")
                    || matches!(error, CaError::DeviceUri { .. }), "{error}"),
            }
        }

        #[test]
        fn a_changed_certificate_is_not_trusted(at in 0usize..1000, mask in 1u8..) {
            let (ca, mut der, _) = issued();
            let at = at % der.len();
            der[at] ^= mask;
            if let Ok(certificate) = DeviceCertificate::parse(&der) {
                prop_assert!(certificate.verify(ca.root_der(), EPOCH_UNIX_S, &Tally::new()).is_err());
            }
        }
    }
}
