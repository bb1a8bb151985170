//! Where an authority says what there is to know of its certificates.

/// Where the revocation list is.
pub const LIST: &str = "/ca.crl";
/// Where the root certificate is.
pub const ISSUER: &str = "/ca.cer";
/// Where the OCSP responder is: POST, or GET with the request in base64 behind it.
pub const OCSP: &str = "/ocsp";

/// Where relying parties find out what an authority says of its certificates. Each is a URL of plain HTTP: what is
/// fetched is signed, and who verifies TLS certificates cannot ask by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Of the revocation list (cRLDistributionPoints, RFC 5280 section 4.2.1.13).
    pub list: String,
    /// Of the OCSP responder (authorityInfoAccess, RFC 5280 section 4.2.2.1).
    pub ocsp: String,
    /// Of the root certificate in DER (authorityInfoAccess).
    pub issuer: String,
}

impl Publication {
    /// Below `base`, as in `http://pki.cellbed.test`: at the paths that [`super::status::answer`] knows.
    pub fn below(base: &str) -> Self {
        let base = base.trim_end_matches('/');
        let at = |path: &str| format!("{base}{path}");
        Self { list: at(LIST), ocsp: at(OCSP), issuer: at(ISSUER) }
    }
}
