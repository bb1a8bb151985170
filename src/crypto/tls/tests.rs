//! Whole handshakes in memory.

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConnection, Connection, ServerConnection};
use sha2::Digest;

use super::*;
use crate::ca::{Authority, Csr, CsrBuilder, DeviceCertificate, Subject};
use crate::crypto::{Op, SoftKey, Tally};
use crate::id::DeviceName;
use crate::kernel::{EPOCH_UNIX_S, RngTree};

const SERVER_NAME: &str = "mqtt.cellbed.test";
const DAY_S: u64 = 86_400;

/// A server, a device with a certificate, and what both trust.
struct Pair {
    server_key: SoftKey,
    server_chain: Vec<Vec<u8>>,
    device_key: SoftKey,
    device_chain: Vec<Vec<u8>>,
    root: Vec<u8>,
    seed: RngTree,
    tally: Tally,
    clock: VirtualClock,
}

impl Pair {
    /// The keys and certificates are always the same; `seed` is that of the handshakes.
    fn new(seed: u64) -> Self {
        let keys = RngTree::new(1);
        let uncounted = Tally::new();
        let mut ca = Authority::new(keys.branch("ca"), &uncounted, EPOCH_UNIX_S).unwrap();
        let server_key = SoftKey::from_stream(&mut keys.stream("server"));
        let server = ca.issue_server(&[SERVER_NAME], &[], &server_key.public(), EPOCH_UNIX_S).unwrap();
        let device_key = SoftKey::from_stream(&mut keys.stream("device"));
        let builder = CsrBuilder::new(None, &device_key.public(), None).unwrap();
        let signature = device_key.sign(builder.tbs());
        let csr = Csr::parse(&builder.finish(&signature).unwrap()).unwrap();
        let named = Subject::device(&DeviceName::from_random([1; 16])).unwrap();
        let prepared = ca.prepare(&csr, &named, EPOCH_UNIX_S).unwrap();
        let device = ca.issue(prepared).unwrap();
        Self {
            server_key,
            server_chain: vec![server],
            device_key,
            device_chain: vec![device],
            root: ca.root_der().to_vec(),
            seed: RngTree::new(seed),
            tally: uncounted,
            clock: VirtualClock::new(EPOCH_UNIX_S),
        }
        .with_fresh_tally()
    }

    fn with_fresh_tally(mut self) -> Self {
        self.tally = Tally::new();
        self
    }

    /// A signing function as a card has it: behind a lock, answering with a raw signature.
    fn card(&self) -> SignFn {
        let card = Arc::new(Mutex::new(self.device_key.clone()));
        Arc::new(move |message| Ok(card.lock().map_err(|_| "the card is gone")?.sign(message)))
    }

    fn client(&self, with_certificate: bool, keylog: Option<KeyLogSink>) -> Arc<ClientConfig> {
        let key = || signing_key(self.card(), self.device_key.public());
        client_config(
            provider(self.seed.branch("ue1"), &self.tally),
            std::slice::from_ref(&self.root),
            with_certificate.then(|| (self.device_chain.clone(), key())),
            None,
            self.clock.clone(),
            keylog,
        )
        .unwrap()
    }

    fn server(&self, mutual: bool, keylog: Option<KeyLogSink>) -> Arc<ServerConfig> {
        server_config(
            provider(self.seed.branch("cloud"), &self.tally),
            self.server_chain.clone(),
            signing_key(self.server_key.sign_fn(), self.server_key.public()),
            match mutual {
                true => ClientAuth::Required(std::slice::from_ref(&self.root)),
                false => ClientAuth::Nobody,
            },
            self.clock.clone(),
            keylog,
        )
        .unwrap()
    }

    fn mutual(&self) -> Handshake {
        Handshake::run(self.client(true, None), self.server(true, None), SERVER_NAME)
    }
}

/// What went over the wire, and how it ended for both.
struct Handshake {
    flights: Vec<Vec<u8>>,
    client: Result<ClientConnection, Error>,
    server: Result<ServerConnection, Error>,
}

impl Handshake {
    fn run(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &'static str) -> Self {
        let name = ServerName::try_from(name).unwrap();
        let mut client = Connection::from(ClientConnection::new(client, name).unwrap());
        let mut server = Connection::from(ServerConnection::new(server).unwrap());
        let mut flights = Vec::new();
        let (mut client_error, mut server_error) = (None, None);
        loop {
            let up = flight(&mut client);
            take(&mut server, &up, &mut server_error);
            let down = flight(&mut server);
            take(&mut client, &down, &mut client_error);
            if up.is_empty() && down.is_empty() {
                break;
            }
            flights.extend([up, down]);
        }
        let (Connection::Client(client), Connection::Server(server)) = (client, server) else {
            unreachable!("they are what they were made as")
        };
        Self {
            flights,
            client: client_error.map_or(Ok(client), Err),
            server: server_error.map_or(Ok(server), Err),
        }
    }

    fn client_error(self) -> Error {
        self.client.map(|_| ()).unwrap_err()
    }

    fn server_error(self) -> Error {
        self.server.map(|_| ()).unwrap_err()
    }
}

fn flight(from: &mut Connection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    bytes
}

fn take(to: &mut Connection, mut bytes: &[u8], error: &mut Option<Error>) {
    while !bytes.is_empty() && error.is_none() {
        to.read_tls(&mut bytes).unwrap();
        *error = to.process_new_packets().err();
    }
}

#[test]
fn equal_seeds_give_equal_flights() {
    let (one, again, other) = (Pair::new(7).mutual(), Pair::new(7).mutual(), Pair::new(8).mutual());
    assert!(one.client.is_ok() && one.server.is_ok());
    assert!(one.flights.len() >= 3 && one.flights.iter().map(Vec::len).sum::<usize>() > 1_000);
    assert_eq!(one.flights, again.flights);
    for (index, flight) in other.flights.iter().enumerate().filter(|(_, flight)| !flight.is_empty()) {
        assert_ne!(Some(flight), one.flights.get(index), "flight {index}");
    }
}

#[test]
fn shared_configurations_give_another_handshake_each_time_and_repeat_as_a_whole() {
    let pair = |seed| {
        let pair = Pair::new(seed);
        let (client, server) = (pair.client(true, None), pair.server(true, None));
        [0, 1].map(|_| Handshake::run(client.clone(), server.clone(), SERVER_NAME).flights)
    };
    let [first, second] = pair(7);
    assert_ne!(first, second);
    assert_eq!(pair(7), [first, second]);
}

#[test]
fn a_mutual_handshake_costs_what_the_protocol_says() {
    let pair = Pair::new(7);
    let handshake = pair.mutual();
    // Each side makes a share and agrees; each verifies the other's certificate and its signature.
    assert_eq!(
        pair.tally.snapshot().into_iter().collect::<Vec<_>>(),
        [(Op::P256Verify, 4), (Op::EcdhKeyGen, 2), (Op::P256Agree, 2)]
    );
    let (client, server) = (handshake.client.unwrap(), handshake.server.unwrap());
    assert_eq!(
        server.negotiated_cipher_suite().map(|suite| suite.suite()),
        Some(rustls::CipherSuite::TLS13_AES_128_GCM_SHA256)
    );
    let peer = server.peer_certificates().unwrap();
    assert_eq!(DeviceCertificate::parse(&peer[0]).unwrap().name(), DeviceName::from_random([1; 16]));
    let export = |bytes: Result<[u8; 32], Error>| bytes.unwrap();
    assert_eq!(
        export(client.export_keying_material([0; 32], crate::ca::csr::CHANNEL_BINDING_LABEL, None)),
        export(server.export_keying_material([0; 32], crate::ca::csr::CHANNEL_BINDING_LABEL, None)),
    );
}

#[test]
fn a_server_without_client_roots_asks_for_no_certificate() {
    let pair = Pair::new(7);
    let handshake = Handshake::run(pair.client(false, None), pair.server(false, None), SERVER_NAME);
    assert!(handshake.client.is_ok());
    assert!(handshake.server.unwrap().peer_certificates().is_none());
}

#[test]
fn a_client_without_certificate_is_refused_where_one_is_required() {
    let pair = Pair::new(7);
    let handshake = Handshake::run(pair.client(false, None), pair.server(true, None), SERVER_NAME);
    // In TLS 1.3 the client is done before the server judges it; the alert reaches it afterwards.
    assert_eq!(
        handshake.client.as_ref().map(|_| ()),
        Err(&Error::AlertReceived(AlertDescription::CertificateRequired))
    );
    assert_eq!(handshake.server_error(), Error::NoCertificatesPresented);
}

#[test]
fn another_root_is_refused_on_either_side() {
    let other = Authority::new(RngTree::new(2), &Tally::new(), EPOCH_UNIX_S).unwrap().root_der().to_vec();

    let mut pair = Pair::new(7);
    let server = pair.server(true, None);
    pair.root = other.clone();
    let handshake = Handshake::run(pair.client(true, None), server, SERVER_NAME);
    assert_eq!(handshake.client_error(), Error::InvalidCertificate(CertificateError::UnknownIssuer));

    let mut pair = Pair::new(7);
    let client = pair.client(true, None);
    pair.root = other;
    let handshake = Handshake::run(client, pair.server(true, None), SERVER_NAME);
    assert_eq!(handshake.server_error(), Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[test]
fn a_certificate_that_was_not_meant_is_refused_though_the_authority_has_signed_it() {
    let pair = Pair::new(7);
    let run = |digest: [u8; 32], name: &'static str| {
        let client = client_config(
            provider(pair.seed.branch("ue1"), &pair.tally),
            std::slice::from_ref(&pair.root),
            Some((pair.device_chain.clone(), signing_key(pair.card(), pair.device_key.public()))),
            Some(digest),
            pair.clock.clone(),
            None,
        );
        Handshake::run(client.unwrap(), pair.server(true, None), name)
    };
    let digest: [u8; 32] = sha2::Sha256::digest(&pair.server_chain[0]).into();
    assert!(run(digest, SERVER_NAME).client.is_ok());
    let mut other = digest;
    other[31] ^= 1;
    let refused = run(other, SERVER_NAME);
    let expected = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
    assert_eq!(refused.client_error(), expected);
    // The very certificate under another name is refused as ever.
    let named = run(digest, "est.cellbed.test").client_error();
    assert!(matches!(named, Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })));
}

#[test]
fn another_server_name_is_refused() {
    let pair = Pair::new(7);
    let handshake = Handshake::run(pair.client(true, None), pair.server(true, None), "est.cellbed.test");
    assert!(matches!(
        handshake.client_error(),
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
    ));
}

#[test]
fn certificates_expire_by_the_virtual_clock() {
    let pair = Pair::new(7);
    let (client, server) = (pair.client(true, None), pair.server(true, None));
    let run = || Handshake::run(client.clone(), server.clone(), SERVER_NAME);
    pair.clock.set(EPOCH_UNIX_S + 90 * DAY_S);
    assert!(run().client.is_ok());
    pair.clock.set(EPOCH_UNIX_S + 90 * DAY_S + 1);
    let expired = |error| matches!(error, Error::InvalidCertificate(CertificateError::ExpiredContext { .. }));
    assert!(expired(run().client_error()));
    pair.clock.set(EPOCH_UNIX_S - 1);
    assert!(matches!(
        run().client_error(),
        Error::InvalidCertificate(CertificateError::NotValidYetContext { .. })
    ));
}

#[test]
fn a_card_that_does_not_sign_ends_the_handshake_with_its_reason() {
    let pair = Pair::new(7);
    let broken = signing_key(Arc::new(|_| Err("status word 6985".to_owned())), pair.device_key.public());
    let client = client_config(
        provider(pair.seed.branch("ue1"), &pair.tally),
        std::slice::from_ref(&pair.root),
        Some((pair.device_chain.clone(), broken)),
        None,
        pair.clock.clone(),
        None,
    );
    let handshake = Handshake::run(client.unwrap(), pair.server(true, None), SERVER_NAME);
    assert_eq!(handshake.client_error(), Error::General("status word 6985".to_owned()));
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused_before_any_handshake() {
    let pair = Pair::new(7);
    let refused = server_config(
        provider(pair.seed.branch("cloud"), &pair.tally),
        pair.server_chain.clone(),
        signing_key(pair.card(), pair.device_key.public()),
        ClientAuth::Nobody,
        pair.clock.clone(),
        None,
    );
    assert!(matches!(refused, Err(CryptoError::Tls { part: "certificate chain", .. })));
}

#[test]
fn both_sides_log_the_same_secrets() {
    let pair = Pair::new(7);
    let (client_log, server_log) = (KeyLogSink::new(), KeyLogSink::new());
    Handshake::run(
        pair.client(true, Some(client_log.clone())),
        pair.server(true, Some(server_log.clone())),
        SERVER_NAME,
    );
    let (mut client, mut server) = (client_log.take(), server_log.take());
    client.sort();
    server.sort();
    assert_eq!(client, server);
    let labels: Vec<_> = client.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        labels,
        [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_TRAFFIC_SECRET_0"
        ]
    );
    assert!(client.iter().all(|line| line.split(' ').map(str::len).skip(1).eq([64, 64])));
    assert!(client_log.take().is_empty());
}
