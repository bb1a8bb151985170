//! What the factory has burned into a device of the traditional way, and what its host keeps in flash: there is no applet
//! that would hold a key.

use crate::ca::DeviceCertificate;
use crate::crypto::{SoftKey, Tally};
use crate::kernel::RngTree;

/// The secret of a device, and its key and certificate as soon as there are some. None of it is safe from somebody who reads
/// the flash.
pub struct Burned {
    /// The serial number that is printed on it.
    serial: String,
    password: String,
    /// The root of the central server's authority, DER.
    pub trust_anchor: Vec<u8>,
    key: Option<SoftKey>,
    certificate: Option<DeviceCertificate>,
    rng: RngTree,
    tally: Tally,
}

impl Burned {
    /// A device as the factory delivers it. Its key will be drawn from `rng`.
    pub fn new(serial: String, password: String, trust_anchor: Vec<u8>, rng: RngTree, tally: Tally) -> Self {
        Self { serial, password, trust_anchor, key: None, certificate: None, rng, tally }
    }

    /// The value of the Authorization header field that shows the secret (RFC 7617).
    pub fn authorization(&self) -> String {
        crate::ca::est::basic_authorization(&self.serial, &self.password)
    }

    /// The key, where it was made.
    pub fn key(&self) -> Option<&SoftKey> {
        self.key.as_ref()
    }

    /// Makes the key; whatever certificate there was is gone.
    pub fn make_key(&mut self) -> &SoftKey {
        self.certificate = None;
        self.key.insert(SoftKey::from_stream(&mut self.rng.stream("host-key")).counted(&self.tally))
    }

    /// The certificate, where there is one.
    pub fn certificate(&self) -> Option<&DeviceCertificate> {
        self.certificate.as_ref()
    }

    /// Writes the certificate down.
    pub fn keep(&mut self, certificate: DeviceCertificate) {
        self.certificate = Some(certificate);
    }
}
