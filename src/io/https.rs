//! An HTTP server for request-and-response services (RFC 9110, RFC 9112), with TLS (RFC 8446) or without: a thread per
//! connection, a bound on how many in all and of one address, and a time limit on everything a client may make it wait
//! for. Who comes is never kept waiting for who does nothing with the connection that it has.

mod seats;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use self::seats::{Place, Seats};
use crate::crypto::SoftKey;
use crate::crypto::tls::signing_key;
use crate::esim::Identity;
use crate::wire::http::{Limits, Request, RequestParser, Response};

pub use seats::Turned;

/// How many connections may wait to be accepted; the system may allow fewer.
const WAITING: i32 = 4096;
/// What is read from a connection at once.
const CHUNK: usize = 16 * 1024;
/// How long, and how much, a client may still send after its last answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 4 << 20;

/// What clients may ask of the server.
#[derive(Debug, Clone, Copy)]
pub struct HttpsLimits {
    /// Connections at once. One more takes the place of one that waits for its client; where there is none, since
    /// requests are being answered on all of them, it is closed.
    pub connections: usize,
    /// The same for the connections of one IPv4 address, or of one IPv6 network of 64 bits.
    pub per_peer: usize,
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
            connections: 256,
            per_peer: 192,
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
    #[error("cannot listen on {address}: {cause}; take another address, or port 0 for a free one")]
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

/// TLS 1.3, which is the only version that is built in, with randomness of the system, for a server that has these
/// identities. Where there are `roots` (DER), clients are asked for a certificate under one of them, and may have none.
///
/// # Errors
/// [`HttpsError::Tls`] where a key is not on a curve of TLS, or not the certificate's, or a root is none.
pub fn tls_config(
    identities: &[Identity],
    roots: Option<&[Vec<u8>]>,
) -> Result<Arc<ServerConfig>, HttpsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let wrong = |error: rustls::Error| HttpsError::Tls(error.to_string());
    let mut named = Vec::new();
    for identity in identities {
        named.push((identity.certificate.hosts().to_vec(), certified(identity)?));
    }
    let verifier = match roots {
        Some(roots) => optional_clients(roots, &provider)?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(wrong)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(ByName(named)));
    Ok(Arc::new(config))
}

/// The certificate and key of an identity, for TLS.
///
/// # Errors
/// [`HttpsError::Tls`].
pub fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>, HttpsError> {
    let soft = identity
        .key
        .soft()
        .ok_or_else(|| HttpsError::Tls(format!("{} is not on P-256", identity.certificate.subject_text())))?;
    let key = signing_key(soft.sign_fn(), soft.public());
    let chain = vec![CertificateDer::from(identity.certificate.der().to_vec())];
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|error| HttpsError::Tls(error.to_string()))?;
    Ok(Arc::new(certified))
}

/// Who may show a certificate under one of `roots` (DER), and need not.
fn optional_clients(
    roots: &[Vec<u8>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, HttpsError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        let added = store.add(CertificateDer::from_slice(root));
        added.map_err(|error| HttpsError::Tls(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| HttpsError::Tls(error.to_string()))
}

/// TLS 1.3 with randomness of the system, for one certificate chain (DER, its own certificate first). Clients are asked
/// for a certificate under one of `roots` (DER), and may have none.
///
/// # Errors
/// [`HttpsError::Tls`] where the key is not the certificate's, or a root is none.
pub fn tls_config_asking(
    chain: Vec<Vec<u8>>,
    key: &SoftKey,
    roots: &[Vec<u8>],
) -> Result<Arc<ServerConfig>, HttpsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let wrong = |error: rustls::Error| HttpsError::Tls(error.to_string());
    let verifier = optional_clients(roots, &provider)?;
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let certified = CertifiedKey::new(chain, signing_key(key.sign_fn(), key.public()));
    certified.keys_match().map_err(wrong)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(wrong)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    Ok(Arc::new(config))
}

/// A request, and what the connection says of who makes it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// Where it comes from.
    pub from: SocketAddr,
    /// The certificate, in DER, that the client has shown.
    pub certificate: Option<&'a [u8]>,
    /// What the TLS session exports for channel binding (RFC 9266); none without TLS.
    pub binding: Option<&'a [u8; 32]>,
}

/// What TLS knows of a client.
#[derive(Default)]
struct Peer {
    certificate: Option<Vec<u8>>,
    binding: Option<[u8; 32]>,
}

impl Peer {
    fn of(tls: &ServerConnection) -> Self {
        let certificate = tls.peer_certificates().and_then(|chain| chain.first());
        let binding = tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
        Self { certificate: certificate.map(|leaf| leaf.to_vec()), binding: binding.ok() }
    }
}

/// A server that listens.
pub struct HttpsServer {
    listener: TcpListener,
    address: SocketAddr,
    /// Replaced while it serves; a connection goes on with what it began with.
    config: Option<RwLock<Arc<ServerConfig>>>,
    limits: HttpsLimits,
    seats: Arc<Seats>,
}

/// Ends a server from another thread.
#[derive(Clone)]
pub struct HttpsStopper {
    address: SocketAddr,
    seats: Arc<Seats>,
}

impl HttpsStopper {
    /// Ends everything: a request that is being answered is answered, then its connection closes.
    pub fn stop(&self) {
        self.seats.end();
        // Whoever waits for a connection finds one.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl HttpsServer {
    /// Listens on `address`, for TLS where there is a configuration of it; port 0 takes a free one.
    ///
    /// # Errors
    /// [`HttpsError::Listen`].
    pub fn bind(
        address: SocketAddr,
        config: Option<Arc<ServerConfig>>,
        limits: HttpsLimits,
    ) -> Result<Self, HttpsError> {
        let failed = |cause| HttpsError::Listen { address, cause };
        let listener = TcpListener::bind(address).map_err(failed)?;
        // Said again with how many may wait to be accepted: of 128, which is what the library asks for, a crowd leaves no
        // place, and who finds none tries again after a second.
        rustix::net::listen(&listener, WAITING).map_err(|cause| failed(cause.into()))?;
        let address = listener.local_addr().map_err(failed)?;
        let seats = Arc::new(Seats::new(limits.connections, limits.per_peer));
        Ok(Self { listener, address, config: config.map(RwLock::new), limits, seats })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes another configuration of TLS for the connections that come from now on; a server without TLS stays so.
    pub fn renew(&self, config: Arc<ServerConfig>) {
        if let Some(held) = &self.config {
            *held.write().unwrap_or_else(PoisonError::into_inner) = config;
        }
    }

    /// What ends the server from another thread.
    pub fn stopper(&self) -> HttpsStopper {
        HttpsStopper { address: self.address, seats: self.seats.clone() }
    }

    /// How many connections had to give way until now, and how many were turned away.
    pub fn turned(&self) -> Turned {
        self.seats.turned()
    }

    /// Serves until it is stopped. `handler` gives the response to each request, from several threads at once; one that
    /// panics is answered for with 500.
    pub fn serve(&self, handler: &(impl Fn(&Asked<'_>) -> Response + Sync)) {
        thread::scope(|scope| {
            while self.seats.may_accept() {
                let Ok((stream, from)) = self.listener.accept() else {
                    // Out of descriptors, or a client that was gone at once: no reason to spin.
                    self.seats.spare();
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                let stream = Arc::new(stream);
                let Some(place) = self.seats.enter(&stream, from.ip()) else { continue };
                // A connection that breaks is the client's affair, and so is one for which there is no thread.
                let _ = thread::Builder::new().spawn_scoped(scope, move || {
                    let _ = self.connection(stream, from, &place, handler);
                });
            }
        });
    }

    fn connection(
        &self,
        stream: Arc<TcpStream>,
        from: SocketAddr,
        place: &Place<'_>,
        handler: &(impl Fn(&Asked<'_>) -> Response + Sync),
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut line =
            Line { tls: None, timed: Timed { stream, deadline: Instant::now() + self.limits.exchange } };
        let mut peer = Peer::default();
        if let Some(config) = &self.config {
            let config = config.read().unwrap_or_else(PoisonError::into_inner).clone();
            let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
            while tls.is_handshaking() {
                tls.complete_io(&mut line.timed)?;
            }
            place.shaken();
            peer = Peer::of(&tls);
            line.tls = Some(tls);
        }
        let mut parser = RequestParser::new(self.limits.message);
        let mut chunk = vec![0; CHUNK];
        loop {
            let idle = parser.pending() == 0;
            let wait = if idle { self.limits.idle } else { self.limits.exchange };
            line.timed.deadline = Instant::now() + wait;
            let request = loop {
                match parser.next_request() {
                    Ok(Some(request)) => break request,
                    Ok(None) => {}
                    Err(error) => {
                        let status = error.status();
                        let response = Response::new(status).last();
                        return line.finish(&response.encode());
                    }
                }
                let begun = parser.pending() > 0;
                match line.read(&mut chunk)? {
                    0 => return Ok(()),
                    read => parser.push(&chunk[..read]),
                }
                if !begun {
                    line.timed.deadline = Instant::now() + self.limits.exchange;
                }
            };
            line.timed.deadline = Instant::now() + self.limits.exchange;
            let (certificate, binding) = (peer.certificate.as_deref(), peer.binding.as_ref());
            if !place.answering() {
                return Ok(());
            }
            let asked = Asked { request: &request, from, certificate, binding };
            let response = catch_unwind(AssertUnwindSafe(|| handler(&asked)));
            let response = response.unwrap_or_else(|_| Response::new(500).last());
            place.answered();
            let response = if request.keep_alive { response } else { response.last() };
            if !response.keep_alive {
                return line.finish(&response.encode());
            }
            line.write_all(&response.encode())?;
            line.flush()?;
        }
    }
}

/// A connection, with TLS or without.
struct Line {
    tls: Option<ServerConnection>,
    timed: Timed,
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => Stream::new(tls, &mut self.timed).read(buffer),
            None => self.timed.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => Stream::new(tls, &mut self.timed).write(buffer),
            None => self.timed.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => Stream::new(tls, &mut self.timed).flush(),
            None => self.timed.flush(),
        }
    }
}

impl Line {
    /// Says the last bytes, and ends the connection so that they arrive.
    fn finish(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => {
                tls.writer().write_all(bytes)?;
                tls.send_close_notify();
                while tls.wants_write() {
                    tls.write_tls(&mut self.timed)?;
                }
            }
            None => self.timed.write_all(bytes)?,
        }
        let timed = &mut self.timed;
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
}

/// A stream on which nothing waits past a deadline, however slowly bytes come.
struct Timed {
    stream: Arc<TcpStream>,
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
        (&*self.stream).read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        (&*self.stream).write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.stream).flush()
    }
}
