//! The update API between device and update service: HTTP/1.1 over mutual TLS.
//!
//! ```text
//! GET  /manifest            the manifest that is for this device, a SUIT envelope; 304 where it is what runs
//! GET  /ledger/{manifest}   what proves to the device how the ledger has it
//! GET  /images/{image}      the image, or a range of it (RFC 9110 clause 14); the entity tag is its digest
//! GET  /report              what a report is bound to            POST /report   what the device runs, signed by its card
//! ```

use serde::{Deserialize, Serialize};

use super::http::{Request, Response};
use super::registration::octets;

/// Where the manifest is.
pub const MANIFEST_PATH: &str = "/manifest";
/// Below which proofs are.
pub const LEDGER_PATH: &str = "/ledger/";
/// Below which images are.
pub const IMAGES_PATH: &str = "/images/";
/// Where devices report.
pub const REPORT_PATH: &str = "/report";
/// The media type of a manifest in its envelope (draft-ietf-suit-manifest-37 clause 12).
pub const ENVELOPE_TYPE: &str = "application/suit-envelope+cose";

/// What a report is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportOffer {
    /// The chain that the report is meant for (EIP-155).
    pub chain_id: u64,
    /// The registry contract, 20 octets in hex.
    pub registry: String,
    /// The device on the ledger, 32 octets in hex.
    pub id: String,
    /// The count of changes of the device's record, so that a report counts once.
    pub seq: u64,
}

/// What a device runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The component, as the ledger calls it.
    pub component: String,
    /// The digest of the manifest, 32 octets in hex.
    pub manifest: String,
    /// The SHA-256 of the image, 32 octets in hex.
    pub image: String,
    /// The digest of a manifest that was tried and did not work, 32 octets in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The signature of the card's key over what the contract checks, r || s, 64 octets in hex.
    pub signature: String,
}

/// The digest that a path names below `folder`.
pub fn digest_below(path: &str, folder: &str) -> Option<[u8; 32]> {
    octets(path.strip_prefix(folder)?)
}

/// The entity tag of what has this SHA-256: a strong one (RFC 9110 clause 8.8.3).
pub fn entity_tag(digest: &[u8; 32]) -> String {
    format!("\"{}\"", hex::encode(digest))
}

/// A request for the bytes `from` to `to` of what has this digest, if it is still that.
pub fn range_request(request: Request, from: u64, to: u64, digest: &[u8; 32]) -> Request {
    request.header("Range", &format!("bytes={from}-{to}")).header("If-Range", &entity_tag(digest))
}

/// The bytes that a request asks for of `length`, the first and the last; `None` where it asks for all, or for something
/// that is not taken here: then all is sent (RFC 9110 clause 14.2).
pub fn asked_range(
    request: &Request,
    length: u64,
    digest: &[u8; 32],
) -> Option<Result<(u64, u64), Unsatisfiable>> {
    let range = request.headers.get("range")?.strip_prefix("bytes=")?;
    if request.headers.get("if-range").is_some_and(|tag| tag != entity_tag(digest)) {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    let from: u64 = from.parse().ok()?;
    let to = if to.is_empty() { u64::MAX } else { to.parse().ok()? };
    if to < from {
        return None;
    }
    Some(if from < length { Ok((from, to.min(length - 1))) } else { Err(Unsatisfiable) })
}

/// A range behind the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsatisfiable;

/// `bytes` of which this is all, or the range that was asked for.
pub fn range_response(request: &Request, bytes: &[u8], digest: &[u8; 32]) -> Response {
    const OCTETS: &str = "application/octet-stream";
    let length = bytes.len() as u64;
    let tagged = |status| Response::new(status).header("ETag", &entity_tag(digest));
    match asked_range(request, length, digest) {
        None => tagged(200).header("Accept-Ranges", "bytes").body(OCTETS, bytes),
        Some(Err(Unsatisfiable)) => tagged(416).header("Content-Range", &format!("bytes */{length}")),
        Some(Ok((from, to))) => {
            let part = bytes.get(from as usize..=to as usize).unwrap_or_default();
            tagged(206).header("Content-Range", &format!("bytes {from}-{to}/{length}")).body(OCTETS, part)
        }
    }
}

/// Whether `response` has the bytes that were asked for with [`range_request`], of so many: the range of the answer is the one
/// of the question, and its entity tag the one that the device knows. `None` where it has something else.
pub fn received_range<'a>(
    response: &'a Response,
    from: u64,
    to: u64,
    length: u64,
    digest: &[u8; 32],
) -> Option<&'a [u8]> {
    let tag = response.headers.get("etag")?;
    if response.status != 206 || tag != entity_tag(digest) {
        return None;
    }
    let range = response.headers.get("content-range")?;
    let fits = range == format!("bytes {from}-{to}/{length}") && response.body.len() as u64 == to - from + 1;
    fits.then_some(&response.body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: [u8; 32] = [0xab; 32];

    fn asked(range: &str) -> Request {
        Request::new("GET", "/images/1", "updates.lab").header("Range", range)
    }

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        let of = |range| asked_range(&asked(range), 1000, &DIGEST);
        assert_eq!(of("bytes=0-499"), Some(Ok((0, 499))));
        assert_eq!(of("bytes=500-999"), Some(Ok((500, 999))));
        assert_eq!(of("bytes=900-5000"), Some(Ok((900, 999))));
        assert_eq!(of("bytes=9-"), Some(Ok((9, 999))));
        assert_eq!(of("bytes=1000-1001"), Some(Err(Unsatisfiable)));
        // What is none, or more than one, is passed over: all is sent.
        for range in ["bytes=-500", "bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"] {
            assert_eq!(of(range), None, "{range}");
        }
        let other = asked("bytes=0-1").header("If-Range", "\"other\"");
        assert_eq!(asked_range(&other, 1000, &DIGEST), None, "it is another file now");
    }

    #[test]
    fn what_is_not_the_part_that_was_asked_for_is_not_taken() {
        let bytes = [7; 100];
        let request = range_request(Request::new("GET", "/images/1", "updates.lab"), 10, 29, &DIGEST);
        let response = range_response(&request, &bytes, &DIGEST);
        assert_eq!(response.status, 206);
        assert_eq!(received_range(&response, 10, 29, 100, &DIGEST), Some(&bytes[10..30]));
        assert_eq!(received_range(&response, 0, 19, 100, &DIGEST), None);
        assert_eq!(received_range(&response, 10, 29, 101, &DIGEST), None);
        assert_eq!(received_range(&response, 10, 29, 100, &[0; 32]), None);
        let all = Response { status: 200, ..response.clone() };
        assert_eq!(received_range(&all, 10, 29, 100, &DIGEST), None);
        let mut short = response;
        short.body.pop();
        assert_eq!(received_range(&short, 10, 29, 100, &DIGEST), None);
        let behind = range_response(&asked("bytes=100-"), &bytes, &DIGEST);
        assert_eq!((behind.status, behind.headers.get("content-range")), (416, Some("bytes */100")));
        assert_eq!(range_response(&asked("bytes=-1"), &bytes, &DIGEST).status, 200);
    }

    #[test]
    fn paths_name_digests() {
        let path = format!("{IMAGES_PATH}{}", hex::encode(DIGEST));
        assert_eq!(digest_below(&path, IMAGES_PATH), Some(DIGEST));
        assert_eq!(digest_below(&path, LEDGER_PATH), None);
        assert_eq!(digest_below("/images/abcd", IMAGES_PATH), None);
    }

    proptest! {
        /// Whatever is asked for, what comes is a part of what there is, and says which.
        #[test]
        fn any_range_is_answered_with_what_there_is(range in "(bytes=)?[0-9]{0,3}-?[0-9]{0,3}", length in 0usize..300) {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let response = range_response(&asked(&range), &bytes, &DIGEST);
            match response.status {
                200 => prop_assert_eq!(response.body, bytes),
                206 => {
                    let told = response.headers.get("content-range").unwrap();
                    let (part, all) = told.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
                    let (from, to) = part.split_once('-').unwrap();
                    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                    prop_assert_eq!(all.parse(), Ok(length));
                    prop_assert_eq!(&response.body[..], &bytes[from..=to]);
                }
                status => prop_assert_eq!((status, response.body.len()), (416, 0)),
            }
        }
    }
}
