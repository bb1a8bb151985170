//! An HTTPS server for request-and-response services (RFC 9110, RFC 9112, RFC 8446): a thread per connection, a bound
//! on how many, and a time limit on everything a client may make it wait for.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::crypto::tls::signing_key;
use crate::esim::{HttpRequest, HttpResponse, Identity};
use crate::wire::http::{Limits, Request, RequestParser, Response};

/// What is read from a connection at once.
const CHUNK: usize = 16 * 1024;
/// How long, and how much, a client may still send after its last answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;
/// How long the end waits before it looks again whether a connection has ended.
const END_LOOK: Duration = Duration::from_millis(50);

/// What clients may ask of the server.
#[derive(Debug, Clone, Copy)]
pub struct HttpsLimits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a connection may be idle between requests.
    pub idle: Duration,
    /// How long the TLS handshake, and each request from its first byte to its response, may take.
    pub exchange: Duration,
    /// How large a message may be.
    pub message: Limits,
}

impl Default for HttpsLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            idle: Duration::from_secs(15),
            exchange: Duration::from_secs(10),
            message: Limits { header: 8 * 1024, body: 256 * 1024 },
        }
    }
}

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum HttpsError {
    #[error("cannot listen on {address}: {cause}")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error("the TLS certificate cannot be used: {0}")]
    Tls(String),
}

/// The identities of a server, by the names that their certificates have; the first where a client names none.
#[derive(Debug)]
struct ByName(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name().unwrap_or_default();
        let named = self.0.iter().find(|(names, _)| names.iter().any(|n| n.eq_ignore_ascii_case(wanted)));
        named.or(self.0.first()).map(|(_, key)| key.clone())
    }
}

/// TLS 1.2 and 1.3 with randomness of the system, for a server that has these identities.
///
/// # Errors
/// [`HttpsError::Tls`] where a key is not on a curve of TLS, or not the certificate's.
pub fn tls_config(identities: &[Identity]) -> Result<Arc<ServerConfig>, HttpsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let wrong = |error: rustls::Error| HttpsError::Tls(error.to_string());
    let mut named = Vec::new();
    for identity in identities {
        let soft = identity.key.soft().ok_or_else(|| {
            HttpsError::Tls(format!("{} is not on P-256", identity.certificate.subject_text()))
        })?;
        let key = signing_key(soft.sign_fn(), soft.public());
        let certified =
            CertifiedKey::new(vec![CertificateDer::from(identity.certificate.der().to_vec())], key);
        certified.keys_match().map_err(wrong)?;
        named.push((identity.certificate.hosts().to_vec(), Arc::new(certified)));
    }
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName(named)));
    Ok(Arc::new(config))
}

/// A server that listens.
pub struct HttpsServer {
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<ServerConfig>,
    limits: HttpsLimits,
    state: Arc<Ending>,
}

/// Ends a server from another thread.
#[derive(Clone)]
pub struct HttpsStopper {
    address: SocketAddr,
    state: Arc<Ending>,
}

#[derive(Default)]
struct Ending {
    connections: Mutex<Connections>,
    changed: Condvar,
}

#[derive(Default)]
struct Connections {
    requested: bool,
    next: u64,
    open: BTreeMap<u64, TcpStream>,
}

impl HttpsStopper {
    /// Ends everything: a request that is being answered is answered, then its connection closes.
    pub fn stop(&self) {
        let mut connections = self.state.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.requested = true;
        for stream in connections.open.values() {
            // Whoever waits for a request finds the end of the stream.
            let _ = stream.shutdown(Shutdown::Read);
        }
        self.state.changed.notify_all();
        drop(connections);
        // Whoever waits for a connection finds one.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl HttpsServer {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`HttpsError::Listen`].
    pub fn bind(
        address: SocketAddr,
        config: Arc<ServerConfig>,
        limits: HttpsLimits,
    ) -> Result<Self, HttpsError> {
        let failed = |cause| HttpsError::Listen { address, cause };
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, config, limits, state: Arc::default() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends the server from another thread.
    pub fn stopper(&self) -> HttpsStopper {
        HttpsStopper { address: self.address, state: self.state.clone() }
    }

    /// Serves until it is stopped. `handler` gives the response to each POST request, from several threads at once.
    pub fn serve(&self, handler: &(impl Fn(&HttpRequest) -> HttpResponse + Sync)) {
        thread::scope(|scope| {
            while let Some(number) = self.admit() {
                let accepted = self.listener.accept().map(|(stream, _)| stream);
                let Some(stream) = accepted.ok().filter(|stream| self.enter(number, stream)) else {
                    self.leave(number);
                    // Out of descriptors, or a client that was gone at once: no reason to spin.
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                scope.spawn(move || {
                    // A connection that breaks is the client's affair.
                    let _ = self.connection(stream, handler);
                    self.leave(number);
                });
            }
        });
    }

    /// Waits for a free place; `None` at the end.
    fn admit(&self) -> Option<u64> {
        let mut connections = self.state.connections.lock().unwrap_or_else(PoisonError::into_inner);
        while !connections.requested && connections.open.len() >= self.limits.connections {
            let waited = self.state.changed.wait_timeout(connections, END_LOOK);
            connections = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        connections.next += 1;
        (!connections.requested).then_some(connections.next)
    }

    fn enter(&self, number: u64, stream: &TcpStream) -> bool {
        let Ok(copy) = stream.try_clone() else { return false };
        let mut connections = self.state.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if connections.requested {
            return false;
        }
        connections.open.insert(number, copy);
        true
    }

    fn leave(&self, number: u64) {
        let mut connections = self.state.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.open.remove(&number);
        self.state.changed.notify_all();
    }

    fn connection(
        &self,
        stream: TcpStream,
        handler: &(impl Fn(&HttpRequest) -> HttpResponse + Sync),
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut tls = ServerConnection::new(self.config.clone()).map_err(io::Error::other)?;
        let mut timed = Timed { stream, deadline: Instant::now() + self.limits.exchange };
        while tls.is_handshaking() {
            tls.complete_io(&mut timed)?;
        }
        let mut parser = RequestParser::new(self.limits.message);
        let mut chunk = vec![0; CHUNK];
        loop {
            let idle = parser.pending() == 0;
            let wait = if idle { self.limits.idle } else { self.limits.exchange };
            timed.deadline = Instant::now() + wait;
            let request = loop {
                match parser.next_request() {
                    Ok(Some(request)) => break request,
                    Ok(None) => {}
                    Err(error) => {
                        let status = error.status();
                        let response = Response::new(status).last();
                        return finish(&mut tls, &mut timed, &response.encode());
                    }
                }
                let begun = parser.pending() > 0;
                match Stream::new(&mut tls, &mut timed).read(&mut chunk)? {
                    0 => return Ok(()),
                    read => parser.push(&chunk[..read]),
                }
                if !begun {
                    timed.deadline = Instant::now() + self.limits.exchange;
                }
            };
            timed.deadline = Instant::now() + self.limits.exchange;
            let response = answer(&request, handler);
            let last = !response.keep_alive;
            if last {
                return finish(&mut tls, &mut timed, &response.encode());
            }
            let mut out = Stream::new(&mut tls, &mut timed);
            out.write_all(&response.encode())?;
            out.flush()?;
        }
    }
}

fn finish(tls: &mut ServerConnection, timed: &mut Timed, bytes: &[u8]) -> io::Result<()> {
    tls.writer().write_all(bytes)?;
    tls.send_close_notify();
    while tls.wants_write() {
        tls.write_tls(timed)?;
    }
    timed.stream.shutdown(Shutdown::Write)?;
    // A connection that is closed with bytes unread is reset, and the client may never see the answer to them.
    timed.deadline = Instant::now() + LINGER;
    let mut chunk = vec![0; CHUNK];
    let mut unread = LINGER_BYTES;
    while unread > 0 {
        match timed.read(&mut chunk)? {
            0 => break,
            read => unread = unread.saturating_sub(read),
        }
    }
    Ok(())
}

fn answer(request: &Request, handler: &(impl Fn(&HttpRequest) -> HttpResponse + Sync)) -> Response {
    if request.method != "POST" {
        return Response::new(405).header("Allow", "POST");
    }
    let given = handler(&HttpRequest {
        host: request.headers.get("host").unwrap_or_default().to_owned(),
        path: request.path().to_owned(),
        content_type: request.headers.get("content-type").unwrap_or_default().to_owned(),
        body: request.body.clone(),
    });
    let mut response = Response::new(given.status).header("X-Admin-Protocol", "gsma/rsp/v2.5.0");
    if !given.content_type.is_empty() {
        response = response.body(&given.content_type, given.body);
    }
    if request.keep_alive { response } else { response.last() }
}

/// A stream on which nothing waits past a deadline, however slowly bytes come.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
