//! HTTP/1.1 messages: in one piece or byte by byte the same messages come out, a request that is written again is read as
//! it was, and what is kept has a bound.

use cellbed::wire::http::{HttpFault, Limits, Request, RequestParser, Response, ResponseParser};

const LIMITS: Limits = Limits { header: 512, body: 2048 };
/// Limits that short inputs reach as well, in chunks and lines of chunks above all.
const TIGHT: Limits = Limits { header: 160, body: 24 };
/// What is written says more of its length and of the connection.
const LONGER: Limits = Limits { header: 1024, ..LIMITS };
/// The longest line of a chunk, its end included.
const CHUNK_LINE: usize = 258;
/// The most bytes of one input: longer ones find nothing that shorter ones do not.
const BYTES_MAX: usize = 8192;

/// The most that waits for the rest of a message: a header or trailer, a body, or the line of a chunk, which has a limit
/// of its own.
fn most(limits: Limits) -> usize {
    (limits.header + 2).max(limits.body).max(CHUNK_LINE)
}

type All<M> = (Vec<M>, Option<HttpFault>);

fn requests(limits: Limits, pieces: &mut dyn Iterator<Item = &[u8]>) -> All<Request> {
    let mut parser = RequestParser::new(limits);
    let mut all = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.next_request() {
                Ok(Some(request)) => all.push(request),
                Ok(None) => break,
                Err(fault) => return (all, Some(fault)),
            }
        }
    }
    assert!(parser.pending() <= most(limits), "{} bytes wait", parser.pending());
    (all, None)
}

fn responses(limits: Limits, pieces: &mut dyn Iterator<Item = &[u8]>) -> All<Response> {
    let mut parser = ResponseParser::new(limits);
    let mut all = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.next_response() {
                Ok(Some(response)) => all.push(response),
                Ok(None) => break,
                Err(fault) => return (all, Some(fault)),
            }
        }
    }
    assert!(parser.pending() <= most(limits), "{} bytes wait", parser.pending());
    match parser.end() {
        Ok(last) => {
            all.extend(last);
            (all, None)
        }
        Err(fault) => (all, Some(fault)),
    }
}

/// A connection's bytes, as a server and as a client read them.
pub fn run(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(BYTES_MAX)];
    read(bytes, LIMITS);
    read(bytes, TIGHT);
}

fn read(bytes: &[u8], limits: Limits) {
    let whole = requests(limits, &mut std::iter::once(bytes));
    assert_eq!(whole, requests(limits, &mut bytes.chunks(1)), "the pieces of a stream mean nothing");
    assert!(whole.0.iter().all(|request| request.body.len() <= limits.body), "a body has a bound");
    // HTTP/1.0 has requests without a host; what is written is HTTP/1.1.
    for request in whole.0.iter().filter(|request| request.headers.get("host").is_some()) {
        let (again, fault) = requests(LONGER, &mut std::iter::once(&request.encode()[..]));
        assert_eq!(fault, None, "{request:?}");
        let [again] = &again[..] else { panic!("{request:?} became {again:?}") };
        assert_eq!(
            (&again.method, &again.target, &again.body),
            (&request.method, &request.target, &request.body)
        );
    }
    let whole = responses(limits, &mut std::iter::once(bytes));
    assert!(whole.0.iter().all(|response| response.body.len() <= limits.body), "a body has a bound");
    assert_eq!(whole, responses(limits, &mut bytes.chunks(1)));
}
