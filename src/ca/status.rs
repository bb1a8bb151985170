//! What an authority publishes over plain HTTP: its root, its revocation list and the answers of its OCSP responder
//! (RFC 5280 sections 4.2.1.13 and 4.2.2.1, RFC 6960 appendix A). All of it is signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use super::publication::{ISSUER, LIST, OCSP};
use super::{Authority, CaError, ocsp};
use crate::wire::http::{Request, Response};

const OCSP_REQUEST: &str = "application/ocsp-request";

/// Answers a request.
///
/// # Errors
/// [`CaError::Kept`] and [`CaError::Time`] where the authority cannot sign its list.
pub fn answer(authority: &mut Authority, request: &Request, now_unix_s: u64) -> Result<Response, CaError> {
    let (method, path) = (request.method.as_str(), request.path());
    let by_get = path.strip_prefix(OCSP).and_then(|rest| rest.strip_prefix('/'));
    Ok(match (method, path, by_get) {
        ("GET", LIST, _) => {
            let list = authority.revocation_list(now_unix_s)?;
            Response::new(200).body("application/pkix-crl", list)
        }
        ("GET", ISSUER, _) => Response::new(200).body("application/pkix-cert", authority.root_der()),
        ("POST", OCSP, _) => {
            let kind = request.headers.get("content-type").unwrap_or_default();
            if !kind.eq_ignore_ascii_case(OCSP_REQUEST) {
                return Ok(Response::new(415));
            }
            if request.body.len() > ocsp::REQUEST_MAX {
                return Ok(Response::new(413));
            }
            ocsp_response(authority.ocsp(&request.body, now_unix_s))
        }
        ("GET", _, Some(text)) if !text.is_empty() => {
            // What is no base64 is no request either, and is answered as such.
            let der = percent_decoded(text).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
            ocsp_response(authority.ocsp(&der, now_unix_s))
        }
        (_, LIST | ISSUER, _) => Response::new(405).header("Allow", "GET"),
        (_, OCSP, _) => Response::new(405).header("Allow", "GET, POST"),
        (_, _, Some(_)) => Response::new(405).header("Allow", "GET"),
        _ => Response::new(404),
    })
}

fn ocsp_response(der: Vec<u8>) -> Response {
    Response::new(200).body("application/ocsp-response", der)
}

/// The octets behind the percent-encoding of a path (RFC 3986 section 2.1).
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let mut decoded = [0];
                hex::decode_to_slice(digits, &mut decoded).ok()?;
                decoded[0]
            }
            other => other,
        });
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Tally;
    use crate::kernel::{EPOCH_UNIX_S, RngTree};

    fn ask(method: &str, target: &str, kind: &str, body: &[u8]) -> Response {
        let mut ca = Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap();
        let request = Request::new(method, target, "pki.test").body(kind, body);
        answer(&mut ca, &request, EPOCH_UNIX_S).unwrap()
    }

    #[test]
    fn each_thing_is_at_its_path() {
        let list = ask("GET", LIST, "", b"");
        assert_eq!((list.status, list.headers.get("content-type")), (200, Some("application/pkix-crl")));
        let root = ask("GET", ISSUER, "", b"");
        assert_eq!((root.status, root.body[0]), (200, 0x30));
        // Malformed, in the words of OCSP.
        let malformed = [0x30, 3, 0x0a, 1, 1];
        assert_eq!(ask("POST", OCSP, OCSP_REQUEST, b"no").body, malformed);
        for target in ["/ocsp/AAAA%2b%2F", "/ocsp/%zz"] {
            assert_eq!(ask("GET", target, "", b"").body, malformed, "{target}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused() {
        for (method, target, kind, status) in [
            ("GET", "/", "", 404),
            ("GET", "/ocspx", "", 404),
            ("POST", LIST, "", 405),
            ("DELETE", OCSP, "", 405),
            ("POST", OCSP, "text/plain", 415),
        ] {
            assert_eq!(ask(method, target, kind, b"x").status, status, "{method} {target}");
        }
        assert_eq!(ask("POST", OCSP, OCSP_REQUEST, &[0; ocsp::REQUEST_MAX + 1]).status, 413);
    }

    #[test]
    fn percent_encoding_is_undone_or_refused() {
        assert_eq!(percent_decoded("a%2Bb%2f%3D"), Some(b"a+b/=".to_vec()));
        for wrong in ["%", "%4", "%4g"] {
            assert_eq!(percent_decoded(wrong), None);
        }
    }
}
