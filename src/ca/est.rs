//! Enrollment over Secure Transport (RFC 7030 with the clarifications of RFC 8951), without its transport:
//! which operation a request names, what its body holds, and what both sides put into bodies and headers.
//! HTTP and TLS belong to the caller.
//!
//! Bodies are base64 in one line: RFC 8951 section 3.1 asks no sender for white space, and there are clients that take
//! none (strongSwan). What is received may have any or none, and may also be plain DER, which is told by its first octet.
//! Content-Transfer-Encoding is sent, since clients of RFC 7030 as first published ask for it, and ignored on receipt, as
//! RFC 8951 has it.
//!
//! Who decides whether a client gets a certificate stands in front of this: the ledger of a run, or the list of
//! clients of an authority that is served. What every such office does alike is in `desk`.

mod basic;
mod desk;
mod failures;

pub use basic::{Credentials, basic_authorization};
pub use desk::{Linking, Wanted, certificate_of, request};
pub use failures::Failures;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerInfos};
use der::asn1::{Any, ObjectIdentifier, SetOfVec};
use der::{Decode, Encode};
use time::PrimitiveDateTime;
use time::macros::format_description;
use x509_cert::certificate::Certificate;

use super::csr::Csr;
use super::{CaError, der_error};
use crate::wire::Reason;
use crate::wire::http;

/// The limit of a request's body, in bytes. A request for a P-256 key takes under 600.
pub const REQUEST_MAX: usize = 8 * 1024;
/// The limit of a response's body, in bytes.
pub const RESPONSE_MAX: usize = 64 * 1024;

/// Header fields, with names in the upper and lower case that the strictest peers want.
pub type Headers = Vec<(&'static str, String)>;

const PKCS10: &str = "application/pkcs10";
const PKCS7: &str = "application/pkcs7-mime";
const CSRATTRS: &str = "application/csrattrs";

/// id-data and id-signedData (RFC 5652 sections 4 and 5.1).
const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

/// challengePassword, by which the authority asks that a request be linked to its TLS session (RFC 7030 section
/// 4.5.2).
const CHALLENGE_PASSWORD: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07];

/// What the authority wants of every request: an id-ecPublicKey on secp256r1, and ecdsa-with-SHA256.
const KEY_AND_SIGNATURE: [u8; 33] = [
    0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, //
    0x31, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, //
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];

/// The operations of EST that are not: keys are made where they are used, and full CMC is optional (RFC 7030 sections
/// 4.3 and 4.4).
const NOT_OFFERED: [&str; 2] = ["/.well-known/est/serverkeygen", "/.well-known/est/fullcmc"];

/// The operations of EST that are offered here (RFC 7030 section 3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The trust anchors (section 4.1).
    CaCerts,
    /// A first certificate (section 4.2.1).
    SimpleEnroll,
    /// A further certificate for who has one already (section 4.2.2).
    SimpleReenroll,
    /// What a request should hold (section 4.5).
    CsrAttrs,
}

impl Operation {
    const ALL: [Self; 4] = [Self::CaCerts, Self::SimpleEnroll, Self::SimpleReenroll, Self::CsrAttrs];

    /// The operation that the request line names; a query is ignored.
    pub fn of(method: &str, target: &str) -> Result<Self, Refusal> {
        let path = target.split('?').next().unwrap_or(target);
        let operation = Self::ALL.into_iter().find(|operation| operation.path() == path);
        match operation {
            Some(operation) if operation.method() == method => Ok(operation),
            Some(operation) => Err(Refusal::Method { allowed: operation.method() }),
            None if NOT_OFFERED.contains(&path) => Err(Refusal::NotOffered),
            None => Err(Refusal::NotFound),
        }
    }

    /// The path of the operation.
    pub const fn path(self) -> &'static str {
        match self {
            Self::CaCerts => "/.well-known/est/cacerts",
            Self::SimpleEnroll => "/.well-known/est/simpleenroll",
            Self::SimpleReenroll => "/.well-known/est/simplereenroll",
            Self::CsrAttrs => "/.well-known/est/csrattrs",
        }
    }

    /// The HTTP method of the operation.
    pub const fn method(self) -> &'static str {
        match self {
            Self::CaCerts | Self::CsrAttrs => "GET",
            Self::SimpleEnroll | Self::SimpleReenroll => "POST",
        }
    }
}

/// A request, as far as EST decides it. The caller adds Host and Content-Length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstRequest {
    /// What is asked for.
    pub operation: Operation,
    /// The header fields that EST decides.
    pub headers: Headers,
    /// The content, in base64 as RFC 8951 has it.
    pub body: Vec<u8>,
}

impl EstRequest {
    /// Asks for the trust anchors.
    pub fn cacerts() -> Self {
        let headers = vec![("Accept", PKCS7.to_owned())];
        Self { operation: Operation::CaCerts, headers, body: Vec::new() }
    }

    /// Asks for a first certificate with this request in DER.
    pub fn simple_enroll(csr_der: &[u8]) -> Self {
        Self::enroll(Operation::SimpleEnroll, csr_der)
    }

    /// Asks for a further certificate with this request in DER.
    pub fn simple_reenroll(csr_der: &[u8]) -> Self {
        Self::enroll(Operation::SimpleReenroll, csr_der)
    }

    /// The HTTP request to `host`.
    pub fn to_http(self, host: &str) -> http::Request {
        let base = http::Request::new(self.operation.method(), self.operation.path(), host);
        let with_headers = self.headers.iter().fold(base, |base, (name, value)| base.header(name, value));
        http::Request { body: self.body, ..with_headers }
    }

    fn enroll(operation: Operation, csr_der: &[u8]) -> Self {
        let mut headers = encoded(PKCS10);
        headers.push(("Accept", PKCS7.to_owned()));
        Self { operation, headers, body: encode(csr_der) }
    }
}

/// A response, as far as EST decides it. The caller adds Content-Length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstResponse {
    /// The HTTP status.
    pub status: u16,
    /// The header fields that EST decides.
    pub headers: Headers,
    /// The content: base64, or a reason in plain text.
    pub body: Vec<u8>,
}

impl EstResponse {
    /// The trust anchors, each in DER (RFC 7030 section 4.1.3).
    ///
    /// # Errors
    /// [`CaError::Der`] where one of them is no certificate.
    pub fn cacerts(roots_der: &[&[u8]]) -> Result<Self, CaError> {
        Ok(Self { status: 200, headers: encoded(PKCS7), body: encode(&certs_only(roots_der)?) })
    }

    /// An issued certificate in DER (RFC 7030 section 4.2.3).
    ///
    /// # Errors
    /// [`CaError::Der`] where it is no certificate.
    pub fn enrolled(certificate_der: &[u8]) -> Result<Self, CaError> {
        let body = encode(&certs_only(&[certificate_der])?);
        Ok(Self { status: 200, headers: encoded("application/pkcs7-mime; smime-type=certs-only"), body })
    }

    /// What a request should hold (RFC 7030 section 4.5.2); a challengePassword only where linking is demanded, since
    /// clients of TLS 1.2 take it for a wish for tls-unique.
    pub fn csrattrs(linking: Linking) -> Self {
        let linked = if linking == Linking::Demanded { &CHALLENGE_PASSWORD[..] } else { &[] };
        let content = [linked, &KEY_AND_SIGNATURE].concat();
        // Under 128 octets: the length is one.
        let der = [&[0x30, content.len() as u8][..], &content].concat();
        Self { status: 200, headers: encoded(CSRATTRS), body: encode(&der) }
    }

    /// The HTTP response.
    pub fn to_http(self) -> http::Response {
        let base = http::Response::new(self.status);
        let with_headers = self.headers.iter().fold(base, |base, (name, value)| base.header(name, value));
        http::Response { body: self.body, ..with_headers }
    }

    /// The request is being looked at: come again after `after_s` seconds (RFC 7030 section 4.2.3).
    pub fn retry(after_s: u32) -> Self {
        Self { status: 202, headers: vec![("Retry-After", after_s.to_string())], body: Vec::new() }
    }

    /// There is too much to do; the client comes again after `after_s` seconds (RFC 9110 section 15.6.4).
    pub fn unavailable(after_s: u32) -> Self {
        Self { status: 503, ..Self::retry(after_s) }
    }
}

/// The challenge of a server that knows its clients by user name and password (RFC 7617).
pub const BASIC: &str = "Basic realm=\"EST\", charset=\"UTF-8\"";

/// Why a request gets no certificate, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Refusal {
    /// The request is not what the operation takes.
    BadRequest { reason: Reason, detail: String },
    /// The server does not know who asks. The challenge says how to tell it (RFC 9110 section 11.6.1).
    NotAuthenticated { reason: Reason, detail: String, challenge: &'static str },
    /// The server knows who asks, and the answer is no.
    Forbidden { reason: Reason, detail: String },
    /// There is no such operation.
    NotFound,
    /// The operation is one of EST that this server does not have.
    NotOffered,
    /// The operation has another method.
    Method { allowed: &'static str },
    /// The body is over the limit, in bytes.
    TooLarge { limit: usize },
    /// The body is said to be something else.
    MediaType { found: String },
    /// Whoever asks has asked, or has given wrong credentials, too often: not before `after_s` seconds are over.
    TooOften { reason: Reason, detail: String, after_s: u64 },
}

impl Refusal {
    /// Of a request that its own key has not signed.
    ///
    /// # Errors
    /// Any other `error` of the authority is given back: it is none of the client's.
    pub fn of_request(error: CaError) -> Result<Self, CaError> {
        match error {
            CaError::Crypto { .. } => {
                Ok(Self::BadRequest { reason: Reason::BadCsr, detail: error.to_string() })
            }
            error => Err(error),
        }
    }

    /// The HTTP status code.
    pub const fn status(&self) -> u16 {
        match self {
            Self::BadRequest { .. } => 400,
            Self::NotAuthenticated { .. } => 401,
            Self::Forbidden { .. } => 403,
            Self::NotFound => 404,
            Self::Method { .. } => 405,
            Self::TooLarge { .. } => 413,
            Self::MediaType { .. } => 415,
            Self::TooOften { .. } => 429,
            Self::NotOffered => 501,
        }
    }

    /// The reason in words, one line: a word that stands for it, and what there is to say.
    pub fn reason(&self) -> String {
        match self {
            Self::BadRequest { reason, detail }
            | Self::NotAuthenticated { reason, detail, .. }
            | Self::Forbidden { reason, detail }
            | Self::TooOften { reason, detail, .. } => format!("{reason}: {detail}"),
            Self::NotFound => "no such EST operation".to_owned(),
            Self::NotOffered => "this server makes no keys for others and speaks no full CMC".to_owned(),
            Self::Method { allowed } => format!("the operation takes {allowed}"),
            Self::TooLarge { limit } => format!("the body is over {limit} bytes"),
            Self::MediaType { found } => format!("content type {found:?}, {PKCS10} is expected"),
        }
    }

    /// The response, with the reason as its text (RFC 7030 section 4.2.3).
    pub fn response(&self) -> EstResponse {
        let mut headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        match self {
            Self::NotAuthenticated { challenge, .. } => {
                headers.push(("WWW-Authenticate", (*challenge).to_owned()))
            }
            Self::Method { allowed } => headers.push(("Allow", (*allowed).to_owned())),
            Self::TooOften { after_s, .. } => headers.push(("Retry-After", after_s.to_string())),
            _ => {}
        }
        let body = format!("{}\n", self.reason()).into_bytes();
        EstResponse { status: self.status(), headers, body }
    }
}

/// The certification request in the body of a simpleenroll or simplereenroll (RFC 7030 section 4.2.1).
/// The request is read and not yet verified.
pub fn read_enroll_request(content_type: Option<&str>, body: &[u8]) -> Result<Csr, Refusal> {
    let content_type = content_type.unwrap_or_default();
    if !is_media_type(content_type, PKCS10) {
        return Err(Refusal::MediaType { found: content_type.chars().take(80).collect() });
    }
    let csr = decode(body, REQUEST_MAX).and_then(|der| Csr::parse(&der));
    csr.map_err(|error| match error {
        CaError::TooLarge { limit, .. } => Refusal::TooLarge { limit },
        error => Refusal::BadRequest { reason: Reason::BadCsr, detail: error.to_string() },
    })
}

/// When to come again (RFC 9110 section 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// After this many seconds.
    Delay(u32),
    /// At this moment, in Unix seconds.
    At(u64),
}

impl RetryAfter {
    /// Reads the value of the header field: seconds, or a date in the form that senders use (IMF-fixdate, RFC 9110
    /// section 5.6.7).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Self::Delay(seconds));
        }
        let form = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let moment = PrimitiveDateTime::parse(text, form).ok()?.assume_utc().unix_timestamp();
        u64::try_from(moment).ok().map(Self::At)
    }
}

/// What became of a request for a certificate, as the client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Enrolment {
    /// The certificate in DER.
    Issued(Vec<u8>),
    /// Come again, when the server says so, where it does.
    Retry { after: Option<RetryAfter> },
    /// No; the reason is the server's own first line, shortened to 200 characters.
    Refused { status: u16, reason: String },
}

/// Reads the response to a simpleenroll or simplereenroll (RFC 7030 section 4.2.3), from its status, the
/// header fields Content-Type and Retry-After, and its body.
///
/// # Errors
/// [`CaError`] where the response is a success that does not hold exactly one certificate.
pub fn read_enroll_response(
    status: u16,
    content_type: Option<&str>,
    retry_after: Option<&str>,
    body: &[u8],
) -> Result<Enrolment, CaError> {
    match status {
        200 => {
            let certificates = read_certs_only(content_type, body)?;
            let found = certificates.len();
            let one: Result<[Vec<u8>; 1], _> = certificates.try_into();
            let [certificate] =
                one.map_err(|_| CaError::CertificateCount { found, expected: "exactly one is expected" })?;
            Ok(Enrolment::Issued(certificate))
        }
        202 => Ok(Enrolment::Retry { after: retry_after.and_then(RetryAfter::parse) }),
        _ => Ok(Enrolment::Refused { status, reason: first_line(body) }),
    }
}

/// Reads the body of a successful response to cacerts (RFC 7030 section 4.1.3): certificates in DER.
///
/// # Errors
/// [`CaError`] where it does not hold at least one certificate.
pub fn read_cacerts_response(content_type: Option<&str>, body: &[u8]) -> Result<Vec<Vec<u8>>, CaError> {
    let certificates = read_certs_only(content_type, body)?;
    if certificates.is_empty() {
        return Err(CaError::CertificateCount { found: 0, expected: "at least one is expected" });
    }
    Ok(certificates)
}

const WHAT: &str = "certs-only CMS message";

/// The CMS message that carries certificates and nothing else: SignedData without signers
/// (RFC 5272 section 4.1, RFC 5652 section 5.1).
fn certs_only(certificates: &[&[u8]]) -> Result<Vec<u8>, CaError> {
    let mut set = SetOfVec::new();
    for der in certificates {
        let certificate = Certificate::from_der(der).map_err(der_error("certificate"))?;
        set.insert(CertificateChoices::Certificate(certificate)).map_err(der_error(WHAT))?;
    }
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::new(),
        encap_content_info: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
        certificates: Some(CertificateSet(set)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::new()),
    };
    let content = Any::encode_from(&signed).map_err(der_error(WHAT))?;
    ContentInfo { content_type: ID_SIGNED_DATA, content }.to_der().map_err(der_error(WHAT))
}

fn read_certs_only(content_type: Option<&str>, body: &[u8]) -> Result<Vec<Vec<u8>>, CaError> {
    let content_type = content_type.unwrap_or_default();
    if !is_media_type(content_type, PKCS7) {
        let found = content_type.chars().take(80).collect();
        return Err(CaError::ContentType { found, expected: PKCS7 });
    }
    let der = decode(body, RESPONSE_MAX)?;
    let message = ContentInfo::from_der(&der).map_err(der_error(WHAT))?;
    if message.content_type != ID_SIGNED_DATA {
        let reason = format!("content of type {} is not SignedData", message.content_type);
        return Err(CaError::Der { what: WHAT, reason });
    }
    let signed: SignedData = message.content.decode_as().map_err(der_error(WHAT))?;
    let set = signed.certificates.map(|set| set.0.into_vec()).unwrap_or_default();
    let certificates = set.iter().filter_map(|choice| match choice {
        CertificateChoices::Certificate(certificate) => Some(certificate.to_der()),
        CertificateChoices::Other(_) => None,
    });
    certificates.collect::<Result<_, _>>().map_err(der_error(WHAT))
}

fn encoded(content_type: &str) -> Headers {
    vec![("Content-Type", content_type.to_owned()), ("Content-Transfer-Encoding", "base64".to_owned())]
}

fn encode(der: &[u8]) -> Vec<u8> {
    STANDARD.encode(der).into_bytes()
}

/// Reads base64 or DER. No base64 of a SEQUENCE begins with the octet of a SEQUENCE: it begins with `M`.
fn decode(body: &[u8], limit: usize) -> Result<Vec<u8>, CaError> {
    if body.len() > limit {
        return Err(CaError::TooLarge { found: body.len(), limit });
    }
    if body.first() == Some(&0x30) {
        return Ok(body.to_vec());
    }
    let text: Vec<u8> = body.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(text).map_err(|_| CaError::Encoding)
}

/// Whether a Content-Type names this media type, whatever its parameters.
fn is_media_type(content_type: &str, media_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(1024)]);
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
