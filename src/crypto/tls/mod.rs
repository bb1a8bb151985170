//! TLS 1.3 for the parties of a run (RFC 8446): configurations of rustls in which randomness, time and
//! signing all come from outside.
//!
//! Configurations are meant to be shared: one server configuration serves every connection of a service,
//! and one client configuration without a certificate may serve every device. Sharing keeps a run
//! deterministic, because a provider is drawn from in the order of events. One provider per device
//! ([`Providers`]) keeps one device's draws out of another's. There are no tickets and no resumption:
//! every connection is a full handshake, whose cost is the same each time.

mod pinned;
mod provider;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{
    ClientConfig, Error, KeyLog, RootCertStore, ServerConfig, SignatureAlgorithm, SignatureScheme, version,
};

use self::pinned::Pinned;
pub use self::provider::{Providers, provider};
pub use super::key::SignFn;
use super::{CryptoError, key};

/// What a party proves itself with: its certificate chain (DER, its own certificate first) and its key.
pub type Credential = (Vec<Vec<u8>>, Arc<dyn SigningKey>);

/// The key `public` (`X || Y`), used through `sign`, as rustls wants it: ecdsa_secp256r1_sha256 only.
pub fn signing_key(sign: SignFn, public: [u8; 64]) -> Arc<dyn SigningKey> {
    Arc::new(RemoteKey { sign, spki: key::spki_der(&public) })
}

/// A client that trusts `roots` (DER) and, where `client` is given, proves itself with that. Where `server` is given, the
/// server's certificate has to have this SHA-256 besides: any other ends the handshake with `access_denied`. With `keylog`,
/// the secrets of its sessions are written there.
///
/// # Errors
/// [`CryptoError::Tls`] where a root or the chain is not usable, or the key is not the certificate's.
pub fn client_config(
    provider: Arc<CryptoProvider>,
    roots: &[Vec<u8>],
    client: Option<Credential>,
    server: Option<[u8; 32]>,
    clock: VirtualClock,
    keylog: Option<KeyLogSink>,
) -> Result<Arc<ClientConfig>, CryptoError> {
    let roots = root_store(roots)?;
    let builder = ClientConfig::builder_with_details(provider.clone(), Arc::new(clock))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| refused("protocol version", error))?;
    let builder = match server {
        None => builder.with_root_certificates(roots),
        Some(digest) => {
            let verifier = Pinned::new(roots, provider, digest)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match client {
        Some((chain, key)) => builder.with_client_cert_resolver(Arc::new(certified(chain, key)?)),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    if let Some(sink) = keylog {
        config.key_log = Arc::new(sink);
    }
    Ok(Arc::new(config))
}

/// Whether a server wants to see a certificate of its clients, and under which roots (DER).
#[derive(Debug, Clone, Copy)]
pub enum ClientAuth<'a> {
    /// It does not ask.
    Nobody,
    /// It asks, and takes clients without one as well.
    Asked(&'a [Vec<u8>]),
    /// It takes nobody without one: mutual TLS.
    Required(&'a [Vec<u8>]),
}

/// A server that proves itself with `chain` (DER, its own certificate first) and `key`.
///
/// # Errors
/// [`CryptoError::Tls`] where a root or the chain is not usable, or the key is not the certificate's.
pub fn server_config(
    provider: Arc<CryptoProvider>,
    chain: Vec<Vec<u8>>,
    key: Arc<dyn SigningKey>,
    clients: ClientAuth<'_>,
    clock: VirtualClock,
    keylog: Option<KeyLogSink>,
) -> Result<Arc<ServerConfig>, CryptoError> {
    let under = |roots: &[Vec<u8>]| {
        let roots = Arc::new(root_store(roots)?);
        Ok::<_, CryptoError>(WebPkiClientVerifier::builder_with_provider(roots, provider.clone()))
    };
    let verifier = match clients {
        ClientAuth::Nobody => Ok(WebPkiClientVerifier::no_client_auth()),
        ClientAuth::Asked(roots) => under(roots)?.allow_unauthenticated().build(),
        ClientAuth::Required(roots) => under(roots)?.build(),
    }
    .map_err(|error| refused("client roots", error))?;
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(clock))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| refused("protocol version", error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certified(chain, key)?));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    if let Some(sink) = keylog {
        config.key_log = Arc::new(sink);
    }
    Ok(Arc::new(config))
}

fn root_store(roots: &[Vec<u8>]) -> Result<RootCertStore, CryptoError> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(CertificateDer::from_slice(root)).map_err(|error| refused("root certificate", error))?;
    }
    Ok(store)
}

fn certified(chain: Vec<Vec<u8>>, key: Arc<dyn SigningKey>) -> Result<SingleCertAndKey, CryptoError> {
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|error| refused("certificate chain", error))?;
    Ok(certified.into())
}

fn refused(part: &'static str, error: impl fmt::Display) -> CryptoError {
    CryptoError::Tls { part, reason: error.to_string() }
}

/// A P-256 key that is somewhere else.
struct RemoteKey {
    sign: SignFn,
    spki: Vec<u8>,
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteKey")
    }
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(RemoteSigner { sign: self.sign.clone() }) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(&self.spki[..]))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

struct RemoteSigner {
    sign: SignFn,
}

impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteSigner")
    }
}

impl Signer for RemoteSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let raw = (self.sign)(message).map_err(Error::General)?;
        key::signature_to_der(&raw).map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// The time by which certificates are judged: Unix seconds, set by whoever drives the run. Clones share
/// one clock.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    unix_s: Arc<AtomicU64>,
}

impl VirtualClock {
    /// A clock that stands at `unix_s`.
    pub fn new(unix_s: u64) -> Self {
        Self { unix_s: Arc::new(AtomicU64::new(unix_s)) }
    }

    /// Sets the clock.
    pub fn set(&self, unix_s: u64) {
        self.unix_s.store(unix_s, Ordering::Relaxed);
    }

    /// What the clock says.
    pub fn unix_s(&self) -> u64 {
        self.unix_s.load(Ordering::Relaxed)
    }
}

impl TimeProvider for VirtualClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.unix_s())))
    }
}

/// Collects the secrets of sessions as lines of the NSS key log format (SSLKEYLOGFILE), with which Wireshark
/// decrypts a capture. Clones share one collection.
#[derive(Clone, Default)]
pub struct KeyLogSink {
    lines: Arc<Mutex<Vec<String>>>,
}

impl KeyLogSink {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line that another collection has given.
    pub fn add(&self, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// The lines so far, which are removed: `LABEL client-random secret`, without line ends.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for KeyLogSink {
    /// Without the lines: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogSink")
    }
}

impl KeyLog for KeyLogSink {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let line = format!("{label} {} {}", hex::encode(client_random), hex::encode(secret));
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}
