//! HTTP/1.1 messages: in one piece or byte by byte the same messages come out, a request that is written again is read as
//! it was, and what is kept has a bound.

use cellbed::wire::http::{HttpFault, Limits, Request, RequestParser, Response, ResponseParser};

const LIMITS: Limits = Limits { header: 512, body: 2048 };
/// What is written says more of its length and of the connection.
const LONGER: Limits = Limits { header: 1024, ..LIMITS };
/// The most bytes of one input: longer ones find nothing that shorter ones do not.
const BYTES_MAX: usize = 8192;

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
    assert!(parser.pending() <= limits.header + limits.body, "{} bytes wait", parser.pending());
    (all, None)
}

fn responses(pieces: &mut dyn Iterator<Item = &[u8]>) -> All<Response> {
    let mut parser = ResponseParser::new(LIMITS);
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
    let whole = requests(LIMITS, &mut std::iter::once(bytes));
    assert_eq!(whole, requests(LIMITS, &mut bytes.chunks(1)), "the pieces of a stream mean nothing");
    assert!(whole.0.iter().all(|request| request.body.len() <= LIMITS.body), "a body has a bound");
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
    assert_eq!(responses(&mut std::iter::once(bytes)), responses(&mut bytes.chunks(1)));
}
