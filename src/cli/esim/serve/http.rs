//! A request of remote SIM provisioning over HTTP (SGP.22 clauses 6.2 and 6.5.1, SGP.32 clause 6.1).

use super::servers::Servers;
use crate::esim::{ASN1, Caller, ESIPA_PATH, HttpRequest, HttpResponse, JSON};
use crate::io::clock;
use crate::io::https::Asked;
use crate::wire::http::{Request, Response};

/// What a server says it speaks.
const PROTOCOL: &str = "gsma/rsp/v2.5.0";

/// The response to a request, all of which are POST.
pub(super) fn answer(
    asked: &Asked<'_>,
    handle: impl Fn(&Caller, &HttpRequest) -> HttpResponse,
    servers: &Servers,
) -> Response {
    if let Some(refused) = refused(asked.request) {
        return refused.header("X-Admin-Protocol", PROTOCOL);
    }
    let request = asked.request;
    let given = HttpRequest {
        host: request.headers.get("host").unwrap_or_default().to_owned(),
        path: request.path().to_owned(),
        content_type: request.headers.get("content-type").unwrap_or_default().to_owned(),
        body: request.body.clone(),
    };
    let client = servers.client(asked.certificate, clock::unix_s());
    let caller = Caller::Peer { address: asked.from.ip().to_string(), client };
    let given = handle(&caller, &given);
    let response = Response::new(given.status).header("X-Admin-Protocol", PROTOCOL);
    match given.content_type.is_empty() {
        true => response,
        false => response.body(&given.content_type, given.body),
    }
}

/// What is wrong with the head of a request: 405, 415, or 400 for a protocol that is not spoken here.
fn refused(request: &Request) -> Option<Response> {
    if request.method != "POST" {
        return Some(Response::new(405).header("Allow", "POST"));
    }
    let to_eim = request.path() == ESIPA_PATH;
    let expected = if to_eim { ASN1 } else { JSON };
    let given = request.headers.get("content-type").unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case(expected) {
        let text = format!("the content is to be {expected}\n");
        return Some(Response::new(415).body("text/plain", text.into_bytes()));
    }
    // What an IPA says there differs between the versions of SGP.32, and some say nothing.
    let speaks = |said: &str| {
        let version = said.strip_prefix("gsma/rsp/v").unwrap_or_default();
        let numbers: Vec<_> = version.split('.').map(str::parse::<u8>).collect();
        matches!(numbers[..], [Ok(major), Ok(_), Ok(_)] if to_eim || (2..=3).contains(&major))
    };
    match request.headers.get("x-admin-protocol") {
        Some(said) if speaks(said) => None,
        None if to_eim => None,
        _ => {
            let text = b"X-Admin-Protocol is to be gsma/rsp/v2.x.y\n".to_vec();
            Some(Response::new(400).body("text/plain", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_request_is_checked() {
        let status = |path: &str, kind: &str, protocol: &str| {
            let request = Request::new("POST", path, "a.example").header("X-Admin-Protocol", protocol);
            refused(&request.body(kind, b"{}".to_vec())).map(|response| response.status)
        };
        let es9p = "/gsma/rsp2/es9plus/initiateAuthentication";
        for (path, kind, protocol, expected) in [
            (es9p, JSON, "gsma/rsp/v2.2.0", None),
            (es9p, "application/json; charset=utf-8", "gsma/rsp/v3.0.0", None),
            (es9p, ASN1, "gsma/rsp/v2.2.0", Some(415)),
            (es9p, "text/plain", "gsma/rsp/v2.2.0", Some(415)),
            (es9p, JSON, "gsma/rsp/v1.0.0", Some(400)),
            (es9p, JSON, "gsma/rsp/v2", Some(400)),
            (es9p, JSON, "http", Some(400)),
            (ESIPA_PATH, ASN1, "gsma/rsp/v1.2.0", None),
            (ESIPA_PATH, JSON, "gsma/rsp/v2.2.0", Some(415)),
            (ESIPA_PATH, ASN1, "http", Some(400)),
        ] {
            assert_eq!(status(path, kind, protocol), expected, "{path} {kind} {protocol}");
        }
        let bare = |path: &str, kind: &str| {
            let request = Request::new("POST", path, "a.example").body(kind, b"{}".to_vec());
            refused(&request).map(|response| response.status)
        };
        assert_eq!((bare(es9p, JSON), bare(ESIPA_PATH, ASN1)), (Some(400), None));
        let get = Request::new("GET", es9p, "a.example");
        assert_eq!(refused(&get).map(|response| response.status), Some(405));
    }
}
