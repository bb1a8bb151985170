//! Incremental parsers of HTTP/1.1 messages (RFC 9112) with limits. They take bytes as they come, in
//! whatever pieces, and never look at a byte twice before a header is complete.
//!
//! Ambiguous framing is refused rather than guessed at (RFC 9112, clause 6.1 and 6.3): both a length and a
//! transfer coding, or two lengths that differ.

use super::{Headers, HttpFault, Request, Response, has_no_body};
use crate::wire::byte_queue::ByteQueue;

/// How many header fields a message may have.
const MAX_FIELDS: usize = 64;
/// The longest chunk-size line, extensions included.
const MAX_CHUNK_LINE: usize = 256;

/// How long a message may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Start line and header fields; also the trailer of a chunked body.
    pub header: usize,
    /// The content, without any transfer coding.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header: 8 * 1024, body: 64 * 1024 }
    }
}

/// Parses the messages of one kind on one connection.
pub struct HttpParser<M>(Parser<M>);

/// Parses the requests on one connection.
pub type RequestParser = HttpParser<Request>;
/// Parses the responses on one connection.
pub type ResponseParser = HttpParser<Response>;

impl<M> HttpParser<M> {
    /// A parser that refuses messages beyond `limits`.
    pub fn new(limits: Limits) -> Self {
        Self(Parser { buffer: ByteQueue::default(), limits, state: State::Head { scanned: 0 } })
    }

    /// Takes bytes from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.buffer.push(bytes);
    }

    /// Bytes taken in beyond the last complete message.
    pub fn pending(&self) -> usize {
        self.0.buffer.len()
    }
}

impl HttpParser<Request> {
    /// The next complete request, if there is one.
    ///
    /// # Errors
    ///
    /// Where the bytes are no acceptable request. Answer with [`HttpFault::status`] and close: the parser
    /// cannot find the next message.
    pub fn next_request(&mut self) -> Result<Option<Request>, HttpFault> {
        self.0.next()
    }
}

impl HttpParser<Response> {
    /// The next complete response, if there is one. Interim responses (1xx) are passed over. The parser does
    /// not know the request, so it cannot be used for the response to HEAD or CONNECT.
    ///
    /// # Errors
    ///
    /// Where the bytes are no acceptable response; the connection is of no more use then.
    pub fn next_response(&mut self) -> Result<Option<Response>, HttpFault> {
        loop {
            match self.0.next()? {
                Some(response) if response.status < 200 => {}
                other => return Ok(other),
            }
        }
    }

    /// Takes note that the peer has ended the stream: that may complete a response without a length.
    ///
    /// # Errors
    ///
    /// Where the stream ended within a response.
    pub fn end(&mut self) -> Result<Option<Response>, HttpFault> {
        match std::mem::replace(&mut self.0.state, State::Head { scanned: 0 }) {
            State::UntilEnd { mut message } => {
                message.body = self.0.buffer.take(usize::MAX);
                Ok(Some(message))
            }
            State::Head { .. } if self.0.buffer.is_empty() => Ok(None),
            _ => Err(HttpFault::Truncated),
        }
    }
}

/// What the two kinds of message have in common.
trait Message: Sized {
    /// Reads the start line and the header fields.
    fn parse(head: &[u8]) -> Result<Self, HttpFault>;
    fn headers(&self) -> &Headers;
    /// How long the body is where the header does not say.
    fn default_framing(&self) -> Framing;
    /// Whether there is no body whatever the header says.
    fn is_bodiless(&self) -> bool;
    fn set_body(&mut self, body: Vec<u8>);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

enum State<M> {
    /// Within the header, `scanned` bytes of which hold no end.
    Head {
        scanned: usize,
    },
    Body {
        message: M,
        length: usize,
    },
    Chunks {
        message: M,
        body: Vec<u8>,
        step: ChunkStep,
    },
    UntilEnd {
        message: M,
    },
    Failed(HttpFault),
}

#[derive(Clone, Copy)]
enum ChunkStep {
    Size,
    /// Bytes of the chunk that are still to come, without its CRLF.
    Data(usize),
    DataEnd,
    /// Bytes of the trailer so far.
    Trailer(usize),
}

struct Parser<M> {
    buffer: ByteQueue,
    limits: Limits,
    state: State<M>,
}

impl<M: Message> Parser<M> {
    fn next(&mut self) -> Result<Option<M>, HttpFault> {
        self.advance().inspect_err(|fault| {
            self.buffer = ByteQueue::default();
            self.state = State::Failed(fault.clone());
        })
    }

    fn advance(&mut self) -> Result<Option<M>, HttpFault> {
        loop {
            match std::mem::replace(&mut self.state, State::Head { scanned: 0 }) {
                State::Failed(fault) => return Err(fault),
                State::Head { scanned } => {
                    let Some(end) = self.find_head_end(scanned)? else { return Ok(None) };
                    let message = M::parse(&self.buffer.as_slice()[..end])?;
                    self.buffer.skip(end);
                    self.state = self.begin_body(message)?;
                }
                State::Body { mut message, length } => {
                    if self.buffer.len() < length {
                        self.state = State::Body { message, length };
                        return Ok(None);
                    }
                    message.set_body(self.buffer.take(length));
                    return Ok(Some(message));
                }
                State::Chunks { mut message, mut body, step } => match self.next_chunk(&mut body, step)? {
                    Progress::Done => {
                        message.set_body(body);
                        return Ok(Some(message));
                    }
                    Progress::Step(step) => self.state = State::Chunks { message, body, step },
                    Progress::Starved(step) => {
                        self.state = State::Chunks { message, body, step };
                        return Ok(None);
                    }
                },
                State::UntilEnd { message } => {
                    self.state = State::UntilEnd { message };
                    self.check_body(self.buffer.len())?;
                    return Ok(None);
                }
            }
        }
    }

    /// Where the header ends. Empty lines before a start line are passed over (RFC 9112, clause 2.2).
    fn find_head_end(&mut self, scanned: usize) -> Result<Option<usize>, HttpFault> {
        let blank = self.buffer.as_slice().iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if scanned == 0 && blank > 0 {
            self.buffer.skip(blank);
        }
        let from = scanned.min(self.buffer.len()).saturating_sub(3);
        let end =
            self.buffer.as_slice()[from..].windows(4).position(|w| w == b"\r\n\r\n").map(|at| from + at + 4);
        if end.unwrap_or(self.buffer.len()) > self.limits.header {
            return Err(HttpFault::HeaderTooLong(self.limits.header));
        }
        if end.is_none() {
            self.state = State::Head { scanned: self.buffer.len() };
        }
        Ok(end)
    }

    fn begin_body(&self, message: M) -> Result<State<M>, HttpFault> {
        let framing = if message.is_bodiless() {
            Framing::Length(0)
        } else {
            framing(message.headers())?.unwrap_or(message.default_framing())
        };
        match framing {
            Framing::Length(length) => {
                self.check_body(length)?;
                Ok(State::Body { message, length })
            }
            Framing::Chunked => Ok(State::Chunks { message, body: Vec::new(), step: ChunkStep::Size }),
            Framing::UntilEnd => Ok(State::UntilEnd { message }),
        }
    }

    fn next_chunk(&mut self, body: &mut Vec<u8>, step: ChunkStep) -> Result<Progress, HttpFault> {
        match step {
            ChunkStep::Size => {
                let Some(line) = self.take_line(MAX_CHUNK_LINE)? else { return Ok(Progress::Starved(step)) };
                let size = chunk_size(&line)?;
                self.check_body(body.len().saturating_add(size))?;
                Ok(Progress::Step(if size == 0 { ChunkStep::Trailer(0) } else { ChunkStep::Data(size) }))
            }
            ChunkStep::Data(left) => {
                let size = left.min(self.buffer.len());
                body.extend_from_slice(&self.buffer.as_slice()[..size]);
                self.buffer.skip(size);
                match left - size {
                    0 => Ok(Progress::Step(ChunkStep::DataEnd)),
                    left => Ok(Progress::Starved(ChunkStep::Data(left))),
                }
            }
            ChunkStep::DataEnd => match self.take_line(0)? {
                Some(_) => Ok(Progress::Step(ChunkStep::Size)),
                None => Ok(Progress::Starved(step)),
            },
            ChunkStep::Trailer(size) => match self.take_line(self.limits.header.saturating_sub(size))? {
                Some(line) if line.is_empty() => Ok(Progress::Done),
                Some(line) => Ok(Progress::Step(ChunkStep::Trailer(size + line.len() + 2))),
                None => Ok(Progress::Starved(step)),
            },
        }
    }

    /// A line of up to `limit` bytes, without its CRLF.
    fn take_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, HttpFault> {
        let reach = self.buffer.len().min(limit + 2);
        match self.buffer.as_slice()[..reach].windows(2).position(|w| w == b"\r\n") {
            Some(at) => {
                let line = self.buffer.take(at);
                self.buffer.skip(2);
                Ok(Some(line))
            }
            None if reach == limit + 2 => Err(HttpFault::Malformed("a line of a chunked body is too long")),
            None => Ok(None),
        }
    }

    fn check_body(&self, size: usize) -> Result<(), HttpFault> {
        if size > self.limits.body { Err(HttpFault::BodyTooLong(self.limits.body)) } else { Ok(()) }
    }
}

enum Progress {
    Done,
    Step(ChunkStep),
    Starved(ChunkStep),
}

impl Message for Request {
    fn parse(head: &[u8]) -> Result<Self, HttpFault> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        complete(request.parse(head))?;
        let headers = headers(request.headers)?;
        // RFC 9112, clause 3.2.
        match (headers.all("host").count(), request.version) {
            (1, _) | (0, Some(0)) => {}
            (0, _) => return Err(HttpFault::Malformed("there is no Host")),
            _ => return Err(HttpFault::Malformed("there is more than one Host")),
        }
        let target = request.path.unwrap_or_default();
        // Other characters are written as percent and digits (RFC 3986, clause 2.1).
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpFault::Malformed("the request target has a character that a URI has not"));
        }
        let keep_alive = keeps_alive(&headers, request.version);
        Ok(Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
            keep_alive,
        })
    }

    fn headers(&self) -> &Headers {
        &self.headers
    }

    fn default_framing(&self) -> Framing {
        Framing::Length(0)
    }

    fn is_bodiless(&self) -> bool {
        false
    }

    fn set_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }
}

impl Message for Response {
    fn parse(head: &[u8]) -> Result<Self, HttpFault> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        complete(response.parse(head))?;
        let headers = headers(response.headers)?;
        let keep_alive = keeps_alive(&headers, response.version);
        Ok(Self {
            status: response.code.unwrap_or_default(),
            reason: response.reason.unwrap_or_default().to_owned(),
            headers,
            body: Vec::new(),
            keep_alive,
        })
    }

    fn headers(&self) -> &Headers {
        &self.headers
    }

    fn default_framing(&self) -> Framing {
        Framing::UntilEnd
    }

    fn is_bodiless(&self) -> bool {
        has_no_body(self.status)
    }

    fn set_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }
}

fn complete(parsed: httparse::Result<usize>) -> Result<(), HttpFault> {
    match parsed {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Ok(httparse::Status::Partial) => Err(HttpFault::Malformed("the header ends too early")),
        Err(httparse::Error::HeaderName) => Err(HttpFault::Malformed("a header field has no proper name")),
        Err(httparse::Error::HeaderValue) => Err(HttpFault::Malformed("a header field has no proper value")),
        Err(httparse::Error::TooManyHeaders) => Err(HttpFault::Malformed("more than 64 header fields")),
        Err(httparse::Error::Version) => Err(HttpFault::Malformed("the version is not HTTP/1.0 or HTTP/1.1")),
        Err(_) => Err(HttpFault::Malformed("the start line is none of HTTP/1.1")),
    }
}

fn headers(fields: &[httparse::Header<'_>]) -> Result<Headers, HttpFault> {
    let mut headers = Headers::default();
    for field in fields {
        let value = std::str::from_utf8(field.value)
            .map_err(|_| HttpFault::Malformed("a header field is not UTF-8"))?;
        headers.push(field.name, value.trim());
    }
    Ok(headers)
}

/// Whether the connection outlives the message (RFC 9112, clause 9.3).
fn keeps_alive(headers: &Headers, minor_version: Option<u8>) -> bool {
    match minor_version {
        Some(1) => !headers.lists("connection", "close"),
        _ => headers.lists("connection", "keep-alive"),
    }
}

/// What the header says of the body's length (RFC 9112, clause 6.3).
fn framing(headers: &Headers) -> Result<Option<Framing>, HttpFault> {
    let mut length = None;
    for text in headers.all("content-length").flat_map(|value| value.split(',')) {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(HttpFault::Malformed("Content-Length is no number"));
        }
        let value = text.parse::<usize>().unwrap_or(usize::MAX);
        if length.is_some_and(|known| known != value) {
            return Err(HttpFault::Malformed("two values of Content-Length differ"));
        }
        length = Some(value);
    }
    let mut codings = headers.all("transfer-encoding");
    match (codings.next(), codings.next(), length) {
        (None, _, length) => Ok(length.map(Framing::Length)),
        (Some(_), _, Some(_)) => Err(HttpFault::Malformed("both Content-Length and Transfer-Encoding")),
        (Some(coding), None, None) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
        _ => Err(HttpFault::UnsupportedCoding),
    }
}

/// The size on a chunk-size line (RFC 9112, clause 7.1).
fn chunk_size(line: &[u8]) -> Result<usize, HttpFault> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end();
    let text = std::str::from_utf8(digits).unwrap_or_default();
    if text.is_empty() || text.len() > 8 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(HttpFault::Malformed("a chunk size is no number"));
    }
    usize::from_str_radix(text, 16).map_err(|_| HttpFault::Malformed("a chunk size is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    fn requests(limits: Limits, pieces: &[&[u8]]) -> Result<Vec<Request>, HttpFault> {
        let mut parser = RequestParser::new(limits);
        let mut found = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(request) = parser.next_request()? {
                found.push(request);
            }
        }
        Ok(found)
    }

    fn responses(pieces: &[&[u8]]) -> Result<Vec<Response>, HttpFault> {
        let mut parser = ResponseParser::new(Limits::default());
        let mut found = Vec::new();
        for piece in pieces {
            parser.push(piece);
            while let Some(response) = parser.next_response()? {
                found.push(response);
            }
        }
        found.extend(parser.end()?);
        Ok(found)
    }

    fn fault(text: &str) -> HttpFault {
        match requests(Limits { header: 256, body: 16 }, &[text.as_bytes()]) {
            Err(fault) => fault,
            other => panic!("{text:?} gave {other:?}"),
        }
    }

    /// RFC 9112, clause 7.1: chunks with extension and trailer.
    const CHUNKED: &str = "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                           4;name=value\r\nWiki\r\n5 \r\npedia\r\n0\r\nExpires: never\r\n\r\n";

    #[test]
    fn pipelined_requests_come_out_one_by_one() {
        let text = format!("\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n{CHUNKED}GET /b HTTP/1.0\r\n\r\n");
        let found = requests(Limits::default(), &[text.as_bytes()]).unwrap();
        let seen: Vec<_> =
            found.iter().map(|r| (r.target.as_str(), r.body.as_slice(), r.keep_alive)).collect();
        assert_eq!(seen, [("/a", &b""[..], true), ("/x", b"Wikipedia", true), ("/b", b"", false)]);
    }

    #[test]
    fn a_message_may_come_byte_by_byte() {
        let text =
            [Request::new("PUT", "/p", "h").body("text/plain", "hello").encode(), CHUNKED.into()].concat();
        let pieces: Vec<&[u8]> = text.chunks(1).collect();
        let found = requests(Limits::default(), &pieces).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].body, b"hello");
        assert_eq!(found[0].headers.get("HOST"), Some("h"));
    }

    #[test]
    fn limits_and_ambiguities_are_refused() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n", "a".repeat(300));
        assert_eq!(fault(&long), HttpFault::HeaderTooLong(256));
        assert_eq!(fault(&long).status(), 431);
        assert_eq!(
            fault("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 17\r\n\r\n"),
            HttpFault::BodyTooLong(16)
        );
        assert_eq!(
            fault("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n8\r\n"),
            HttpFault::BodyTooLong(16)
        );
        assert_eq!(
            fault("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n"),
            HttpFault::UnsupportedCoding
        );
        for ambiguous in [
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\nAccept: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET /\u{45d} HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(matches!(fault(ambiguous), HttpFault::Malformed(_)), "{ambiguous:?}");
        }
    }

    #[test]
    fn a_failed_parser_stays_failed() {
        let mut parser = RequestParser::new(Limits::default());
        parser.push(b"NOT HTTP\r\n\r\n");
        assert!(parser.next_request().is_err());
        parser.push(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(parser.next_request().is_err());
    }

    #[test]
    fn responses_end_by_length_by_status_or_with_the_stream() {
        let mut parser = ResponseParser::new(Limits::default());
        parser.push(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(parser.next_response().unwrap().map(|r| r.status), Some(204));
        parser.push(&Response::new(201).body("text/plain", "made").encode());
        assert_eq!(parser.next_response().unwrap().map(|r| r.body), Some(b"made".to_vec()));
        assert_eq!(parser.end(), Ok(None));
        parser.push(b"HTTP/1.0 200 OK\r\n\r\nto the end");
        assert_eq!(parser.next_response(), Ok(None));
        let last = parser.end().unwrap().unwrap();
        assert_eq!((last.body.as_slice(), last.keep_alive), (&b"to the end"[..], false));
        parser.push(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
        assert_eq!(parser.next_response(), Ok(None));
        assert_eq!(parser.end(), Err(HttpFault::Truncated));
    }

    proptest! {
        /// However the bytes are cut the result is the same, and no more comes out than went in.
        #[test]
        fn any_bytes_are_messages_or_a_fault_whatever_the_pieces(
            bytes in prop_oneof![
                bent(CHUNKED.as_bytes().to_vec()),
                bent([Response::new(201).body("text/plain", "made").encode(), b"HTTP/1.0 200 OK\r\n\r\nto the end".to_vec()].concat()),
            ],
            cut in 1usize..40,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let found = requests(Limits::default(), &pieces);
            prop_assert_eq!(&found, &requests(Limits::default(), &[&bytes]));
            for request in found.iter().flatten() {
                prop_assert!(request.body.len() <= bytes.len() && request.target.len() <= bytes.len());
            }
            let found = responses(&pieces);
            prop_assert_eq!(&found, &responses(&[&bytes]));
            let bodies: usize = found.iter().flatten().map(|response| response.body.len()).sum();
            prop_assert!(bodies <= bytes.len());
        }

        #[test]
        fn damaged_messages_are_survived_whatever_the_pieces(at in 0usize..140, with in any::<u8>(), cut in 1usize..40) {
            let mut bytes = CHUNKED.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = with;
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let split = requests(Limits::default(), &pieces);
            // However the bytes are cut, the result is the same.
            prop_assert_eq!(split, requests(Limits::default(), &[&bytes]));
        }

        #[test]
        fn what_is_encoded_is_read_back(target in "/[a-z0-9/?=]{0,40}", body in prop::collection::vec(any::<u8>(), 0..2000), cut in 1usize..500) {
            let request = Request::new("POST", &target, "host").body("application/octet-stream", body);
            let bytes = request.encode();
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let found = requests(Limits::default(), &pieces).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].body, &request.body);
            prop_assert_eq!(&found[0].target, &request.target);
        }
    }
}
