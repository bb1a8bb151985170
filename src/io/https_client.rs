//! A small HTTPS client for the functions of remote SIM provisioning: POST, one request after another, with a given
//! root of trust. Connections are kept while the server keeps them.
//!
//! A request is sent once: POST is not idempotent, and whether a server has seen one that it has not answered nobody
//! knows (RFC 9110 clause 9.2.2). Before a request is sent on a kept connection it is looked whether the server has
//! ended that meanwhile.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::esim::{HttpRequest, HttpResponse, UserAgent};
use crate::wire::http::{Limits, Request, ResponseParser};

/// The port where a host names none.
const PORT: u16 = 443;
const CHUNK: usize = 16 * 1024;
/// How long a connection is kept for the next request: servers close what is idle, the one here after 15 s.
const KEPT: Duration = Duration::from_secs(10);
const LIMITS: Limits = Limits { header: 16 * 1024, body: 4 * 1024 * 1024 };

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum HttpsClientError {
    #[error("{0} is no host, or host and port")]
    Host(String),
    #[error("cannot reach {host}: {cause}")]
    Reach { host: String, cause: io::Error },
    #[error(
        "the connection to {host} failed: {cause}; it may have seen the request, which was not sent again: look what \
         has become of it before you repeat it"
    )]
    Broken { host: String, cause: io::Error },
    #[error("{host} answers with something that is no HTTP response: {cause}")]
    NoHttp { host: String, cause: String },
    #[error("the root certificate cannot be used: {0}")]
    Root(String),
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

/// A client.
pub struct HttpsClient {
    config: Arc<ClientConfig>,
    timeout: Duration,
    user_agent: &'static str,
    kept: BTreeMap<String, (Connection, Instant)>,
}

impl HttpsClient {
    /// A client that trusts servers under `roots` (DER) and waits for `timeout` at most for each response.
    ///
    /// # Errors
    /// [`HttpsClientError::Root`].
    pub fn new(roots: &[Vec<u8>], timeout: Duration) -> Result<Self, HttpsClientError> {
        Self::with_certificate(roots, None, timeout)
    }

    /// The same for a client that shows a certificate where it is asked for one.
    ///
    /// # Errors
    /// [`HttpsClientError::Root`].
    pub fn with_certificate(
        roots: &[Vec<u8>],
        certificate: Option<Arc<CertifiedKey>>,
        timeout: Duration,
    ) -> Result<Self, HttpsClientError> {
        let mut store = RootCertStore::empty();
        for root in roots {
            let root = CertificateDer::from_slice(root);
            store.add(root).map_err(|error| HttpsClientError::Root(error.to_string()))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| HttpsClientError::Root(error.to_string()))?
            .with_root_certificates(store);
        let config = match certificate {
            Some(key) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => config.with_no_client_auth(),
        };
        let user_agent = UserAgent::Lpa.as_str();
        Ok(Self { config: Arc::new(config), timeout, user_agent, kept: BTreeMap::new() })
    }

    /// Says who asks, where that is not an LPA.
    pub fn speaking_as(mut self, who: UserAgent) -> Self {
        self.user_agent = who.as_str();
        self
    }

    /// Sends a request and waits for its response.
    ///
    /// # Errors
    /// [`HttpsClientError`].
    pub fn send(&mut self, request: &HttpRequest) -> Result<HttpResponse, HttpsClientError> {
        let bytes = self.encode(request);
        let kept = self.kept.remove(&request.host).filter(|(_, since)| since.elapsed() < KEPT);
        let kept = kept.and_then(|(mut kept, _)| is_open(&mut kept).then_some(kept));
        let mut connection = match kept {
            Some(kept) => kept,
            None => self.connect(&request.host)?,
        };
        let response = self.exchange(&mut connection, &bytes, &request.host)?;
        Ok(self.keep(&request.host, connection, response))
    }

    fn encode(&self, request: &HttpRequest) -> Vec<u8> {
        Request::new("POST", &request.path, &request.host)
            .header("User-Agent", self.user_agent)
            .header("X-Admin-Protocol", "gsma/rsp/v2.2.0")
            .body(&request.content_type, request.body.clone())
            .encode()
    }

    fn keep(
        &mut self,
        host: &str,
        connection: Connection,
        (response, keep): (HttpResponse, bool),
    ) -> HttpResponse {
        if keep {
            self.kept.insert(host.to_owned(), (connection, Instant::now()));
        }
        response
    }

    fn connect(&self, host: &str) -> Result<Connection, HttpsClientError> {
        let wrong = || HttpsClientError::Host(host.to_owned());
        let (name, port) = split(host).ok_or_else(wrong)?;
        let server = ServerName::try_from(name.to_owned()).map_err(|_| wrong())?;
        let reach = |cause| HttpsClientError::Reach { host: host.to_owned(), cause };
        let mut last = io::Error::from(ErrorKind::NotFound);
        for address in addresses(name, port).map_err(reach)? {
            match TcpStream::connect_timeout(&address, self.timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(reach)?;
                    let tls = ClientConnection::new(self.config.clone(), server)
                        .map_err(|error| reach(io::Error::other(error)))?;
                    let mut connection = StreamOwned::new(tls, stream);
                    self.shake_hands(&mut connection).map_err(reach)?;
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
        }
        Err(reach(last))
    }

    /// Until this is done nothing of a request is sent.
    fn shake_hands(&self, connection: &mut Connection) -> io::Result<()> {
        let deadline = Instant::now() + self.timeout;
        while connection.conn.is_handshaking() {
            limit(connection, deadline)?;
            connection.conn.complete_io(&mut connection.sock)?;
        }
        Ok(())
    }

    fn exchange(
        &self,
        connection: &mut Connection,
        bytes: &[u8],
        host: &str,
    ) -> Result<(HttpResponse, bool), HttpsClientError> {
        let broken = |cause| HttpsClientError::Broken { host: host.to_owned(), cause };
        let deadline = Instant::now() + self.timeout;
        limit(connection, deadline).map_err(broken)?;
        connection.write_all(bytes).and_then(|()| connection.flush()).map_err(broken)?;
        let mut parser = ResponseParser::new(LIMITS);
        let mut chunk = vec![0; CHUNK];
        let no_http = |error: crate::wire::http::HttpFault| HttpsClientError::NoHttp {
            host: host.to_owned(),
            cause: error.to_string(),
        };
        let response = loop {
            if let Some(response) = parser.next_response().map_err(no_http)? {
                break response;
            }
            limit(connection, deadline).map_err(broken)?;
            match connection.read(&mut chunk).map_err(broken)? {
                0 => match parser.end().map_err(no_http)? {
                    Some(response) => break response,
                    None => return Err(broken(ErrorKind::UnexpectedEof.into())),
                },
                read => parser.push(&chunk[..read]),
            }
        };
        let content_type = response.headers.get("content-type").unwrap_or_default().to_owned();
        let keep = response.keep_alive;
        Ok((HttpResponse { status: response.status, content_type, body: response.body }, keep))
    }
}

/// Lets nothing on the connection wait past `deadline`.
fn limit(connection: &Connection, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    connection.sock.set_read_timeout(Some(left))?;
    connection.sock.set_write_timeout(Some(left))
}

/// Whether a kept connection may carry another request: its server has not ended it, and has said nothing unasked. What
/// TLS itself has to say, such as the tickets of a session, is taken in.
fn is_open(connection: &mut Connection) -> bool {
    let waiting = |tls: &mut ClientConnection, stream: &mut TcpStream| loop {
        match tls.read_tls(stream) {
            Ok(0) => return false,
            Ok(_) => match tls.process_new_packets() {
                Ok(state) if state.peer_has_closed() || state.plaintext_bytes_to_read() > 0 => return false,
                Ok(_) => {}
                Err(_) => return false,
            },
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    };
    let Connection { conn, sock, .. } = connection;
    sock.set_nonblocking(true).is_ok() && waiting(conn, sock) && sock.set_nonblocking(false).is_ok()
}

/// Where `name` is. What ends with `localhost` is this computer, whatever its resolver says (RFC 6761 clause 6.3).
fn addresses(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if name.to_ascii_lowercase().ends_with(".localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    Ok((name, port).to_socket_addrs()?.collect())
}

/// Host and port; an IPv6 address stands in brackets.
fn split(host: &str) -> Option<(&str, u16)> {
    if let Some(rest) = host.strip_prefix('[') {
        let (name, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { PORT } else { rest.strip_prefix(':')?.parse().ok()? };
        return Some((name, port));
    }
    match host.split_once(':') {
        Some((name, port)) => Some((name, port.parse().ok()?)),
        None => Some((host, PORT)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::crypto::rsp_cert::Oid;
    use crate::esim::{ASN1, ESIPA_PATH, Pki};
    use crate::io::clock;
    use crate::io::https::tls_config;
    use crate::kernel::RngTree;
    use crate::wire::http::{RequestParser, Response};

    #[test]
    fn hosts_are_split() {
        assert_eq!(split("smdp.example"), Some(("smdp.example", 443)));
        assert_eq!(split("127.0.0.1:8443"), Some(("127.0.0.1", 8443)));
        assert_eq!(split("[::1]:8443"), Some(("::1", 8443)));
        assert_eq!(split("[::1]"), Some(("::1", 443)));
        assert_eq!(split("a:b:c"), None);
        assert_eq!(split("a:99999"), None);
    }

    #[test]
    fn lpa_and_ipa_say_which_they_are() {
        let request = HttpRequest {
            host: "eim.example".to_owned(),
            path: ESIPA_PATH.to_owned(),
            content_type: ASN1.to_owned(),
            body: vec![0],
        };
        let client = || HttpsClient::new(&[], Duration::from_secs(1)).unwrap();
        let agent = |client: HttpsClient| {
            let bytes = client.encode(&request);
            let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
            text.lines().find_map(|line| line.strip_prefix("user-agent: ").map(str::to_owned))
        };
        assert_eq!(agent(client()).as_deref(), Some("gsma-rsp-lpad"));
        assert_eq!(agent(client().speaking_as(UserAgent::Ipa)).as_deref(), Some("gsma-rsp-ipad"));
    }

    /// A server that answers the first request on its only connection, and then does `then`. Returns all requests that it
    /// has seen, and how often somebody came.
    fn twice(
        then: impl FnOnce(&mut rustls::StreamOwned<rustls::ServerConnection, TcpStream>) + Send,
    ) -> (Vec<Result<u16, String>>, usize, usize) {
        let (pki, rng) = (Pki::lab().unwrap(), RngTree::new(7));
        let oid: Oid = "2.999.10".parse().unwrap();
        let hosts = ["localhost".to_owned()];
        let smdp = pki.smdp(&oid, &hosts, clock::unix_s() - 60, &rng).unwrap();
        let config = tls_config(&[smdp.tls], None).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (come, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let statuses = thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let mut then = Some(then);
                // A third connection is the test's own, and ends it.
                while let Ok((stream, _)) = listener.accept() {
                    let tls = rustls::ServerConnection::new(config.clone()).unwrap();
                    let mut stream = rustls::StreamOwned::new(tls, stream);
                    if !requested(&mut stream) {
                        return;
                    }
                    come.fetch_add(1, Ordering::Relaxed);
                    seen.fetch_add(1, Ordering::Relaxed);
                    stream.write_all(&Response::new(204).encode()).unwrap();
                    let Some(then) = then.take() else { continue };
                    then(&mut stream);
                    stream.sock.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                    seen.fetch_add(usize::from(requested(&mut stream)), Ordering::Relaxed);
                }
            });
            let mut client =
                HttpsClient::new(&[pki.ci.certificate.der().to_vec()], Duration::from_secs(5)).unwrap();
            let request = HttpRequest {
                host: host.clone(),
                path: "/gsma/rsp2/es9plus/getBoundProfilePackage".to_owned(),
                content_type: ASN1.to_owned(),
                body: vec![7; 32],
            };
            let mut statuses = Vec::new();
            for _ in 0..2 {
                let sent = client.send(&request);
                statuses.push(sent.map(|response| response.status).map_err(|error| error.to_string()));
                thread::sleep(Duration::from_millis(200));
            }
            drop(client);
            let _ = TcpStream::connect(listener.local_addr().unwrap());
            serving.join().unwrap();
            statuses
        });
        (statuses, come.into_inner(), seen.into_inner())
    }

    /// Whether a whole request comes.
    fn requested(stream: &mut impl Read) -> bool {
        let mut parser = RequestParser::new(LIMITS);
        let mut chunk = [0; 1024];
        while let Ok(read @ 1..) = stream.read(&mut chunk) {
            parser.push(&chunk[..read]);
            if parser.next_request().unwrap().is_some() {
                return true;
            }
        }
        false
    }

    #[test]
    fn a_request_that_may_have_been_seen_is_not_sent_again() {
        // The second request on the kept connection is read, and then the connection is closed.
        let (statuses, come, seen) = twice(|_| {});
        assert_eq!(statuses[0], Ok(204));
        assert_eq!((come, seen), (1, 2), "{statuses:?}");
        assert!(statuses[1].as_ref().is_err_and(|cause| cause.contains("not sent again")), "{statuses:?}");
    }

    #[test]
    fn a_connection_that_was_closed_meanwhile_is_made_anew() {
        // With the farewell of TLS, and without.
        for farewell in [true, false] {
            let (statuses, come, seen) = twice(|stream| {
                if farewell {
                    stream.conn.send_close_notify();
                    stream.flush().unwrap();
                }
                stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
            });
            assert_eq!((statuses, come, seen), (vec![Ok(204), Ok(204)], 2, 2), "farewell {farewell}");
        }
    }

    #[test]
    fn names_below_localhost_are_this_computer() {
        let here = addresses("smds.LOCALHOST", 8443).unwrap();
        assert_eq!(here, ["127.0.0.1:8443".parse().unwrap(), "[::1]:8443".parse().unwrap()]);
        assert_eq!(addresses("192.0.2.1", 1).unwrap(), ["192.0.2.1:1".parse().unwrap()]);
    }
}
