//! A small HTTPS client for the functions of remote SIM provisioning: POST, one request after another, with a given
//! root of trust. Connections are kept while the server keeps them.

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
const LIMITS: Limits = Limits { header: 16 * 1024, body: 4 * 1024 * 1024 };

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum HttpsClientError {
    #[error("{0} is no host, or host and port")]
    Host(String),
    #[error("cannot reach {host}: {cause}")]
    Reach { host: String, cause: io::Error },
    #[error("the connection to {host} failed: {cause}")]
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
    kept: BTreeMap<String, Connection>,
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
        // A kept connection may have been closed by the server meanwhile: then nothing of the request was seen.
        if let Some(mut kept) = self.kept.remove(&request.host)
            && let Ok(response) = self.exchange(&mut kept, &bytes, &request.host)
        {
            return Ok(self.keep(&request.host, kept, response));
        }
        let mut connection = self.connect(&request.host)?;
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
            self.kept.insert(host.to_owned(), connection);
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
                    return Ok(StreamOwned::new(tls, stream));
                }
                Err(error) => last = error,
            }
        }
        Err(reach(last))
    }

    fn exchange(
        &self,
        connection: &mut Connection,
        bytes: &[u8],
        host: &str,
    ) -> Result<(HttpResponse, bool), HttpsClientError> {
        let broken = |cause| HttpsClientError::Broken { host: host.to_owned(), cause };
        let deadline = Instant::now() + self.timeout;
        let limit = |connection: &Connection| {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            connection.sock.set_read_timeout(Some(left))?;
            connection.sock.set_write_timeout(Some(left))
        };
        limit(connection).map_err(broken)?;
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
            limit(connection).map_err(broken)?;
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
    use super::*;
    use crate::esim::{ASN1, ESIPA_PATH};

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

    #[test]
    fn names_below_localhost_are_this_computer() {
        let here = addresses("smds.LOCALHOST", 8443).unwrap();
        assert_eq!(here, ["127.0.0.1:8443".parse().unwrap(), "[::1]:8443".parse().unwrap()]);
        assert_eq!(addresses("192.0.2.1", 1).unwrap(), ["192.0.2.1:1".parse().unwrap()]);
    }
}
