//! What goes over HTTPS between the parties, as their machines see it (SGP.22 clause 6.2; SGP.32 clause 6.2).

/// A request as HTTP POST carries it (SGP.22 clause 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Name of the server, with `:port` where it is not 443.
    pub host: String,
    /// Begins with `/`.
    pub path: String,
    /// `application/json` or `application/x-gsma-rsp-asn1`.
    pub content_type: String,
    /// The content.
    pub body: Vec<u8>,
}

/// The response to an [`HttpRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Empty where there is no body.
    pub content_type: String,
    /// The content; empty where there is none.
    pub body: Vec<u8>,
}

/// The content type of functions in JSON.
pub const JSON: &str = "application/json";
/// The content type of functions in ASN.1.
pub const ASN1: &str = "application/x-gsma-rsp-asn1";
/// The path of ESipa in the ASN.1 binding (SGP.32 clause 6.1).
pub const ESIPA_PATH: &str = "/gsma/rsp2/asn1";

/// Who asks a server: what the header `User-Agent` says (SGP.22 clause 6.2, SGP.32 clause 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserAgent {
    /// An LPA in a device.
    Lpa,
    /// An IPA in a device.
    Ipa,
}

impl UserAgent {
    /// The value of the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lpa => "gsma-rsp-lpad",
            Self::Ipa => "gsma-rsp-ipad",
        }
    }
}
