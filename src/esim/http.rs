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
    pub body: Vec<u8>,
}

/// The response to an [`HttpRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    /// Empty where there is no body.
    pub content_type: String,
    pub body: Vec<u8>,
}

/// The content type of functions in JSON.
pub const JSON: &str = "application/json";
/// The content type of functions in ASN.1.
pub const ASN1: &str = "application/x-gsma-rsp-asn1";
