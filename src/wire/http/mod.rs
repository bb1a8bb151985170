//! HTTP/1.1 over any byte stream (RFC 9110, RFC 9112): messages, their encoding, and their names in
//! transcripts, and the incremental parsers that read them.
//!
//! Bodies that are sent carry `Content-Length`; chunked bodies are understood on reading. `Expect:
//! 100-continue` needs no answer of its own: the final response is one (RFC 9110, clause 10.1.1).

mod parse;

mod fault;

pub use fault::HttpFault;
pub use parse::{Limits, RequestParser, ResponseParser};

use crate::wire::rsp::names;
use crate::wire::{Label, Proto};

/// Header fields in the order of the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of the first field of that name, in whatever case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The values of all fields of that name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Every name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Whether a field that is a comma-separated list names `token`.
    fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name).flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(token))
    }

    fn encode(&self, body: Option<usize>, out: &mut String) {
        let framing = |name: &str| {
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding")
        };
        for (name, value) in self.0.iter().filter(|(name, _)| !framing(name)) {
            title_case(name, out);
            out.push_str(": ");
            out.extend(value.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }));
            out.push_str("\r\n");
        }
        if let Some(size) = body {
            out.push_str(&format!("Content-Length: {size}\r\n"));
        }
        out.push_str("\r\n");
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, as it stands in the request line: `GET`, `POST` (RFC 9110 clause 9).
    pub method: String,
    /// The request target in origin form: path and query.
    pub target: String,
    /// The header fields in their order; Content-Length is written from the body.
    pub headers: Headers,
    /// The content, without any transfer coding; empty where there is none.
    pub body: Vec<u8>,
    /// Whether the connection may carry another request after this one.
    pub keep_alive: bool,
}

impl Request {
    /// A request to `host` without a body.
    pub fn new(method: &str, target: &str, host: &str) -> Self {
        let request = Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Headers::default(),
            body: Vec::new(),
            keep_alive: true,
        };
        request.header("Host", host)
    }

    /// The same with one header field more. Control characters in the value are sent as spaces.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The same with a body.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.header("Content-Type", content_type) }
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = String::with_capacity(256);
        head.extend(self.method.chars().filter(|c| is_token(*c)));
        head.push(' ');
        // Nothing in a target may end the request line.
        head.extend(self.target.chars().filter(char::is_ascii_graphic));
        head.push_str(" HTTP/1.1\r\n");
        if !self.keep_alive {
            head.push_str("Connection: close\r\n");
        }
        let expects_body = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let size = (expects_body || !self.body.is_empty()).then_some(self.body.len());
        self.headers.encode(size, &mut head);
        [head.into_bytes(), self.body.clone()].concat()
    }
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, three digits (RFC 9110 clause 15).
    pub status: u16,
    /// The reason phrase, for people; it may be empty.
    pub reason: String,
    /// The header fields in their order; Content-Length is written from the body.
    pub headers: Headers,
    /// The content, without any transfer coding; empty where there is none.
    pub body: Vec<u8>,
    /// Whether the connection may carry another exchange after this one.
    pub keep_alive: bool,
}

impl Response {
    /// A response without a body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            reason: reason(status).to_owned(),
            headers: Headers::default(),
            body: Vec::new(),
            keep_alive: true,
        }
    }

    /// The same with one header field more. Control characters in the value are sent as spaces.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The same with a body.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.header("Content-Type", content_type) }
    }

    /// The same, as the last one on its connection.
    pub fn last(self) -> Self {
        Self { keep_alive: false, ..self }
    }

    /// Whether the status says success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {:03} ", self.status);
        head.extend(self.reason.chars().filter(|c| !c.is_control()));
        head.push_str("\r\n");
        if !self.keep_alive {
            head.push_str("Connection: close\r\n");
        }
        let bodiless = has_no_body(self.status);
        self.headers.encode((!bodiless).then_some(self.body.len()), &mut head);
        let mut bytes = head.into_bytes();
        if !bodiless {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// Paths of remote SIM provisioning (SGP.22 clause 6.5; SGP.32 clause 6.2).
const ES9P: &str = "/gsma/rsp2/es9plus/";
const ES11: &str = "/gsma/rsp2/es11/";
const RSP_ASN1: &str = "/gsma/rsp2/asn1";

/// How a request is called in transcripts: method and path; under EST's well-known path, as EST; under a path of
/// remote SIM provisioning, by its function.
pub fn label(request: &Request) -> Label {
    if let Some((proto, function)) = rsp_function(request) {
        let label = Label::new(proto, function);
        return match names::eim_package(&request.body).filter(|_| proto == Proto::Esipa) {
            Some(package) => label.with("result", package),
            None => label,
        };
    }
    let label = Label::new(protocol(request.path()), format!("{} {}", request.method, request.path()));
    match request.headers.get("content-type") {
        Some(kind) => label.with("type", kind),
        None => label,
    }
}

/// The interface and the function of remote SIM provisioning that a request is for.
fn rsp_function(request: &Request) -> Option<(Proto, String)> {
    let path = request.path();
    if path == RSP_ASN1 {
        return Some((Proto::Esipa, names::esipa(&request.body).to_owned()));
    }
    let named = |prefix, proto| path.strip_prefix(prefix).map(|function: &str| (proto, function.to_owned()));
    named(ES9P, Proto::Es9p).or_else(|| named(ES11, Proto::Es11))
}

/// The status of a function execution (SGP.22 clause 6.5.1.4): `Executed-Success`, or the codes of subject and reason.
fn execution_status(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        header: Header,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Header {
        function_execution_status: Status,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        status: String,
        status_code_data: Option<Codes>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Codes {
        subject_code: String,
        reason_code: String,
    }
    let status = serde_json::from_slice::<Envelope>(body).ok()?.header.function_execution_status;
    Some(match status.status_code_data {
        Some(codes) => format!("{} {}/{}", status.status, codes.subject_code, codes.reason_code),
        None => status.status,
    })
}

/// How the response to `request` is called in transcripts: status and reason; of a function of remote SIM
/// provisioning, what became of it.
pub fn response_label(request: &Request, response: &Response) -> Label {
    let name = format!("{} {}", response.status, response.reason);
    if let Some((proto, _)) = rsp_function(request) {
        let label = Label::new(proto, name);
        let (field, value) = match proto {
            Proto::Esipa if names::esipa(&response.body) == "GetEimPackage" => {
                ("package", names::eim_package(&response.body).map(str::to_owned))
            }
            Proto::Esipa => return label,
            _ => ("status", execution_status(&response.body)),
        };
        return match value {
            Some(value) => label.with(field, value),
            None => label,
        };
    }
    let label = Label::new(protocol(request.path()), name);
    match response.headers.get("content-type") {
        Some(kind) => label.with("type", kind),
        None => label,
    }
}

/// EST has a path prefix of its own (RFC 7030, clause 3.2.2).
fn protocol(path: &str) -> Proto {
    if path.starts_with("/.well-known/est/") { Proto::Est } else { Proto::Http }
}

/// Whether responses of this status never have a body (RFC 9112, clause 6.3).
fn has_no_body(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

/// The characters of a token (RFC 9110, clause 5.6.2).
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// `content-type` to `Content-Type`: names are case-insensitive, but some clients (libest) insist. What is a capital
/// already stays one, as in `WWW-Authenticate`.
fn title_case(name: &str, out: &mut String) {
    let mut start = true;
    for c in name.chars().filter(|c| is_token(*c)) {
        out.push(if start { c.to_ascii_uppercase() } else { c });
        start = c == '-';
    }
}

/// The reason phrases of RFC 9110, clause 15, that are in use here.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_encoded_with_title_case_names_and_its_length() {
        let request = Request::new("POST", "/v1/devices?dry-run", "registrar")
            .header("x-request-id", "7")
            .body("application/json", "{}");
        let expected = "POST /v1/devices?dry-run HTTP/1.1\r\nHost: registrar\r\nX-Request-Id: 7\r\n\
                        Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8(request.encode()).unwrap(), expected);
        assert_eq!(label(&request).name, "POST /v1/devices");
        assert_eq!(label(&request).proto, Proto::Http);
    }

    #[test]
    fn a_response_says_when_it_is_the_last() {
        let text = String::from_utf8(Response::new(401).last().encode()).unwrap();
        assert_eq!(text, "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let asked = Response::new(401).header("WWW-Authenticate", "Basic").encode();
        assert!(String::from_utf8(asked).unwrap().contains("\r\nWWW-Authenticate: Basic\r\n"));
        let text = String::from_utf8(Response::new(204).encode()).unwrap();
        assert_eq!(text, "HTTP/1.1 204 No Content\r\n\r\n");
    }

    #[test]
    fn values_cannot_smuggle_header_fields() {
        let request = Request::new("GET", "/a\r\nEvil: 1", "host\r\nEvil: 2")
            .header("Content-Length", "9")
            .header("Bad Name:\r\n", "x");
        let text = String::from_utf8(request.encode()).unwrap();
        assert_eq!(text, "GET /aEvil:1 HTTP/1.1\r\nHost: host  Evil: 2\r\nBadName: x\r\n\r\n");
    }

    #[test]
    fn functions_of_remote_sim_provisioning_are_called_by_name() {
        let request = Request::new("POST", "/gsma/rsp2/es9plus/initiateAuthentication", "smdp");
        assert_eq!(
            (label(&request).proto, label(&request).name.as_ref()),
            (Proto::Es9p, "initiateAuthentication")
        );
        let body = r#"{"header":{"functionExecutionStatus":{"status":"Failed","statusCodeData":
            {"subjectCode":"8.2.6","reasonCode":"3.8","message":"refused"}}}}"#;
        let refused = response_label(&request, &Response::new(200).body("application/json", body));
        assert_eq!(refused.fields, [("status", "Failed 8.2.6/3.8".to_owned())]);
        let poll = Request::new("POST", "/gsma/rsp2/asn1", "eim")
            .body("application/x-gsma-rsp-asn1", hex::decode("bf4f035a0101").unwrap());
        assert_eq!((label(&poll).proto, label(&poll).name.as_ref()), (Proto::Esipa, "GetEimPackage"));
        let none =
            Response::new(200).body("application/x-gsma-rsp-asn1", hex::decode("bf4f03020101").unwrap());
        assert_eq!(response_label(&poll, &none).fields, [("package", "none".to_owned())]);
    }

    #[test]
    fn est_has_its_own_protocol_name() {
        let request = Request::new("POST", "/.well-known/est/simpleenroll", "ca");
        assert_eq!(label(&request).proto, Proto::Est);
        let response = Response::new(200).body("application/pkcs7-mime", "x");
        let label = response_label(&request, &response);
        assert_eq!((label.proto, label.name.as_ref()), (Proto::Est, "200 OK"));
        assert_eq!(label.fields, [("type", "application/pkcs7-mime".to_owned())]);
    }
}
