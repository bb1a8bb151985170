//! TLS between two hosts, and what runs on top of it.

use std::str::FromStr;
use std::time::Duration;

use der::Encode;
use der::asn1::{Ia5String, ObjectIdentifier};
use p256::ecdsa::signature::{self, Keypair};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use p256::pkcs8::EncodePrivateKey;
use proptest::prelude::*;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use super::*;
use crate::kernel::EPOCH_UNIX_S;
use crate::net::host::tests::{Pair, SERVICE, one_in_thirty};
use crate::net::mqtt::{ConnectOptions, MqttClient, MqttEvent, MqttOutput, MqttServer, Qos};
use crate::wire::http::{self, Limits, Request, RequestParser, Response, ResponseParser};

const NAME: &str = "ca.cellbed.test";

#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(EPOCH_UNIX_S)))
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A signing key that knows the name of its algorithm (RFC 5758, clause 3.2: ecdsa-with-SHA256).
#[derive(Clone)]
struct Signer(SigningKey);

impl Keypair for Signer {
    type VerifyingKey = VerifyingKey;
    fn verifying_key(&self) -> VerifyingKey {
        *self.0.verifying_key()
    }
}

impl signature::Signer<DerSignature> for Signer {
    fn try_sign(&self, message: &[u8]) -> Result<DerSignature, signature::Error> {
        self.0.try_sign(message)
    }
}

impl DynSignatureAlgorithmIdentifier for Signer {
    fn signature_algorithm_identifier(&self) -> x509_cert::spki::Result<AlgorithmIdentifierOwned> {
        let oid = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
        Ok(AlgorithmIdentifierOwned { oid, parameters: None })
    }
}

/// A root and what it has issued.
struct Authority {
    key: Signer,
    name: Name,
    root: CertificateDer<'static>,
}

impl Authority {
    fn new(seed: u8) -> Self {
        let key = Signer(SigningKey::from_slice(&[seed; 32]).unwrap());
        let name = Name::from_str("CN=root").unwrap();
        let root = certificate(Profile::Root, &name, &key.0, &key, None);
        Self { key, name, root }
    }

    fn issue(&self, seed: u8, dns: Option<&str>) -> Identity {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let profile = Profile::Leaf {
            issuer: self.name.clone(),
            enable_key_agreement: false,
            enable_key_encipherment: false,
        };
        let leaf = certificate(profile, &Name::from_str("CN=leaf").unwrap(), &key, &self.key, dns);
        let secret = key.to_pkcs8_der().unwrap().as_bytes().to_vec();
        (vec![leaf], PrivatePkcs8KeyDer::from(secret).into())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        roots
    }

    fn client(&self, identity: Option<Identity>) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_details(default_provider().into(), Arc::new(Clock))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(self.roots());
        Arc::new(match identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }

    fn server(&self, clients: Option<&Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_details(provider.clone(), Arc::new(Clock))
            .with_protocol_versions(&[&TLS13])
            .unwrap();
        let builder = match clients {
            Some(clients) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(clients.roots().into(), provider)
                    .build()
                    .unwrap(),
            ),
            None => builder.with_no_client_auth(),
        };
        let (chain, key) = self.issue(2, Some(NAME));
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.send_tls13_tickets = 0;
        Arc::new(config)
    }
}

fn certificate(
    profile: Profile,
    subject: &Name,
    key: &SigningKey,
    signer: &Signer,
    dns: Option<&str>,
) -> CertificateDer<'static> {
    let at = |s| Time::try_from(std::time::UNIX_EPOCH + Duration::from_secs(s)).unwrap();
    let validity = Validity { not_before: at(EPOCH_UNIX_S - 3600), not_after: at(EPOCH_UNIX_S + 86_400) };
    let public = SubjectPublicKeyInfoOwned::from_key(*key.verifying_key()).unwrap();
    let serial = SerialNumber::from(1u32);
    let mut builder =
        CertificateBuilder::new(profile, serial, validity, subject.clone(), public, signer).unwrap();
    if let Some(dns) = dns {
        let name = GeneralName::DnsName(Ia5String::new(dns).unwrap());
        builder.add_extension(&SubjectAltName(vec![name])).unwrap();
    }
    builder.build::<DerSignature>().unwrap().to_der().unwrap().into()
}

/// A TLS session between the two hosts of a pair.
struct Session {
    pair: Pair,
    client: TlsStream,
    server: TlsStream,
    client_error: Option<NetError>,
    server_error: Option<NetError>,
}

impl Session {
    fn new(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &str) -> Self {
        Self::on(Pair::new(), client, server, name)
    }

    fn on(mut pair: Pair, client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &str) -> Self {
        let (at_client, at_server) = pair.open();
        Self {
            pair,
            client: TlsStream::client(client, name, at_client).unwrap(),
            server: TlsStream::server(server, at_server).unwrap(),
            client_error: None,
            server_error: None,
        }
    }

    /// With a server that asks for no certificate.
    fn plain() -> Self {
        let authority = Authority::new(1);
        Self::new(authority.client(None), authority.server(None), NAME)
    }

    fn pump(&mut self) {
        self.client_error = self.client.pump(&mut self.pair.device).err();
        self.server_error = self.server.pump(&mut self.pair.service).err();
    }

    fn run(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.pair.now + Duration::from_secs(600);
        for _ in 0..100_000 {
            self.pump();
            if done(self) {
                return true;
            }
            if !self.pair.step(until) {
                self.pump();
                return done(self);
            }
        }
        panic!("the sessions spin at {}", self.pair.now);
    }

    fn settle(&mut self) {
        self.run(|_| false);
    }

    fn handshake(&mut self) {
        assert!(self.run(|s| !s.client.is_handshaking() && !s.server.is_handshaking()));
    }
}

fn fault_of(error: &Option<NetError>) -> (&str, bool, Blame) {
    match error {
        Some(NetError::Tls(fault)) => (&fault.alert, fault.received, fault.blame),
        other => panic!("expected a TLS fault, got {other:?}"),
    }
}

#[test]
fn a_mutual_handshake_is_reported_once_at_either_end() {
    let authority = Authority::new(1);
    let device = authority.issue(3, None);
    let leaf = device.0[0].clone();
    let server = authority.server(Some(&authority));
    let mut session = Session::new(authority.client(Some(device)), server, NAME);
    let begun = session.pair.now;
    assert!(session.client.exporter("EXPORTER-Channel-Binding").is_err());
    session.handshake();
    // Two one-way trips for the client, three for the server, and the window's worth of nothing else.
    assert_eq!(session.pair.now.since(begun), Duration::from_millis(30));
    let at_client = session.client.take_handshake().unwrap();
    let at_server = session.server.take_handshake().unwrap();
    assert_eq!((session.client.take_handshake(), session.server.take_handshake()), (None, None));
    assert!(at_client.suite.starts_with("TLS_AES_"), "{}", at_client.suite);
    assert_eq!((&at_client.suite, &at_client.group), (&at_server.suite, &at_server.group));
    assert_eq!(at_server.peer_certificate.as_deref(), Some(&leaf[..]));
    let binding = session.client.exporter("EXPORTER-Channel-Binding").unwrap();
    assert_eq!(session.server.exporter("EXPORTER-Channel-Binding"), Ok(binding));
    assert_eq!(at_server.label().fields[2], ("peer", "certificate".to_owned()));
}

#[test]
fn http_runs_over_it_and_both_ends_close_in_order() {
    let mut session = Session::plain();
    let request = Request::new("POST", "/v1/devices", NAME).body("application/json", "{\"eid\":1}");
    // Written ahead of the handshake, it waits for it.
    session.client.write(&request.encode()).unwrap();
    session.client.close();
    assert_eq!(session.client.write(b"more"), Err(NetError::Closed(session.client.connection())));
    let mut parser = RequestParser::new(Limits::default());
    let mut bytes = Vec::new();
    let mut received = None;
    session.run(|s| {
        if s.server.read(&mut bytes) > 0 {
            parser.push(&std::mem::take(&mut bytes));
        }
        received = received.take().or(parser.next_request().unwrap());
        received.is_some() && s.server.peer_closed()
    });
    let received = received.unwrap();
    assert_eq!(http::label(&received).name, "POST /v1/devices");
    // The other direction is still open.
    session.server.write(&Response::new(201).body("application/json", "{}").encode()).unwrap();
    session.server.close();
    session.settle();
    assert_eq!((&session.client_error, &session.server_error), (&None, &None));
    let mut parser = ResponseParser::new(Limits::default());
    session.client.read(&mut bytes);
    parser.push(&bytes);
    assert_eq!(parser.next_response().unwrap().map(|r| (r.status, r.body)), Some((201, b"{}".to_vec())));
    assert!(session.client.peer_closed());
    for (host, id) in [
        (&session.pair.device, session.client.connection()),
        (&session.pair.service, session.server.connection()),
    ] {
        assert_eq!(host.state(id), ConnState::Closed);
    }
}

#[test]
fn mqtt_runs_over_it() {
    let mut session = Session::plain();
    let now = session.pair.now;
    let mut to_server = Vec::new();
    let options = ConnectOptions { client_id: "dev1".into(), keep_alive_s: 60 };
    let mut client = MqttClient::connect(now, &options, &mut to_server).unwrap();
    let (mut broker, mut to_client) = (MqttServer::new(), Vec::new());
    let (mut told_client, mut told_server) = (Vec::new(), Vec::new());
    let mut bytes = Vec::new();
    let done = session.run(|s| {
        s.client.read(&mut bytes);
        client.receive(s.pair.now, &std::mem::take(&mut bytes), &mut to_server).unwrap();
        s.server.read(&mut bytes);
        broker.receive(s.pair.now, &std::mem::take(&mut bytes), &mut to_client).unwrap();
        if to_client.iter().any(|o| matches!(o, MqttOutput::Event(MqttEvent::ConnectRequested { .. }))) {
            broker.accept(s.pair.now, "", &mut to_client).unwrap();
        }
        if to_server.contains(&MqttOutput::Event(MqttEvent::Connected)) {
            client.publish(s.pair.now, "t", b"21.5", Qos::AtLeastOnce, &mut to_server).unwrap();
        }
        for (outputs, stream, told) in [
            (&mut to_server, &mut s.client, &mut told_client),
            (&mut to_client, &mut s.server, &mut told_server),
        ] {
            for output in outputs.drain(..) {
                match output {
                    MqttOutput::Send { bytes, .. } => stream.write(&bytes).unwrap(),
                    MqttOutput::Event(event) => told.push(event),
                }
            }
        }
        s.pump();
        told_client.iter().any(|e| matches!(e, MqttEvent::Acknowledged { success: true, .. }))
    });
    assert!(done);
    assert!(matches!(&told_server[1], MqttEvent::Published { payload, .. } if payload == b"21.5"));
}

#[test]
fn bulk_passes_in_both_directions_without_piling_up() {
    for loses in [(|_| false) as fn(u64) -> bool, one_in_thirty] {
        let authority = Authority::new(1);
        let mut pair = Pair::new();
        pair.loses = loses;
        let mut session = Session::on(pair, authority.client(None), authority.server(None), NAME);
        let data: Vec<u8> = (0..200_000u32).map(|i| ((i * 31) >> 4) as u8).collect();
        let mut sent = [0, 0];
        let mut got = [Vec::new(), Vec::new()];
        let done = session.run(|s| {
            for (at, stream) in [&mut s.client, &mut s.server].into_iter().enumerate() {
                let piece = &data[sent[at]..data.len().min(sent[at] + 16_000)];
                match stream.write(piece) {
                    Ok(()) => sent[at] += piece.len(),
                    Err(NetError::BufferFull { room, .. }) => assert!(room < 16_000),
                    Err(other) => panic!("{other}"),
                }
                stream.read(&mut got[at]);
            }
            got.iter().all(|g| g.len() == data.len())
        });
        assert!(done && got[0] == data && got[1] == data);
    }
}

#[test]
fn a_client_without_certificate_is_told_that_one_is_required() {
    let authority = Authority::new(1);
    let server = authority.server(Some(&authority));
    let mut session = Session::new(authority.client(None), server, NAME);
    session.settle();
    assert_eq!(fault_of(&session.server_error), ("certificate_required", false, Blame::PeerUntrusted));
    assert_eq!(fault_of(&session.client_error), ("certificate_required", true, Blame::PeerRefused));
    let text = session.client_error.unwrap().to_string();
    assert!(text.starts_with("tls: alert certificate_required received"), "{text}");
}

#[test]
fn a_certificate_of_another_authority_is_not_trusted() {
    let (authority, other) = (Authority::new(1), Authority::new(9));
    let trusting = authority.client(Some(other.issue(3, None)));
    let mut session = Session::new(trusting, authority.server(Some(&authority)), NAME);
    session.settle();
    let (alert, received, blame) = fault_of(&session.server_error);
    assert_eq!((received, blame), (false, Blame::PeerUntrusted));
    assert_eq!(fault_of(&session.client_error), (alert, true, Blame::PeerRefused));

    let mut session = Session::new(authority.client(None), authority.server(None), "cloud.cellbed.test");
    session.settle();
    assert_eq!(fault_of(&session.client_error), ("bad_certificate", false, Blame::PeerUntrusted));
    assert_eq!(fault_of(&session.server_error), ("bad_certificate", true, Blame::PeerRefused));
}

#[test]
fn what_is_no_tls_breaks_the_protocol() {
    let mut session = Session::plain();
    let raw = session.client.connection();
    session.pair.device.send(raw, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    session.run(|s| s.server_error.is_some());
    assert_eq!(fault_of(&session.server_error).2, Blame::PeerBrokeProtocol);
}

#[test]
fn an_end_without_close_notify_is_a_truncation() {
    let mut session = Session::plain();
    session.handshake();
    session.pair.service.close(session.server.connection());
    session.run(|s| s.client_error.is_some());
    assert_eq!(session.client_error, Some(NetError::TlsTruncated));
    assert_eq!(session.client.write(b"x"), Err(NetError::TlsTruncated));

    let mut session = Session::plain();
    session.handshake();
    session.pair.service.abort(session.server.connection());
    session.run(|s| s.client_error.is_some());
    assert_eq!(session.client_error, Some(NetError::Reset { address: SERVICE.into(), port: 443 }));
}

#[test]
fn a_refused_connection_fails_the_session() {
    let authority = Authority::new(1);
    let mut pair = Pair::new();
    let id = pair.device.connect((SERVICE, 444)).unwrap();
    let mut client = TlsStream::client(authority.client(None), NAME, id).unwrap();
    let mut error = None;
    pair.run(|pair| {
        error = client.pump(&mut pair.device).err();
        error.is_some()
    });
    assert_eq!(error, Some(NetError::Refused { address: SERVICE.into(), port: 444 }));
    assert!(TlsStream::client(authority.client(None), "not a name", id).is_err());
}

#[test]
fn alerts_are_named_as_in_the_standard() {
    let names: Vec<_> =
        ["UnknownCA", "CertificateRequired", "BadRecordMac", "NoApplicationProtocol"].map(snake_case).into();
    assert_eq!(names, ["unknown_ca", "certificate_required", "bad_record_mac", "no_application_protocol"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_make_a_session(bytes in prop::collection::vec(any::<u8>(), 1..600), handshake in any::<bool>()) {
        let mut session = Session::plain();
        let bytes = if handshake { [&[22, 3, 1, 0, 80, 1, 0, 0, 76][..], &bytes].concat() } else { bytes };
        session.pair.device.send(session.client.connection(), &bytes).unwrap();
        for _ in 0..50 {
            let refused = session.server.pump(&mut session.pair.service).err();
            // No session comes of it, and nothing of it is taken for data.
            prop_assert!(session.server.is_handshaking() && session.server.take_handshake().is_none());
            prop_assert_eq!(session.server.read(&mut Vec::new()), 0);
            prop_assert!(session.server.exporter("EXPORTER-Channel-Binding").is_err());
            if let Some(refused) = refused {
                prop_assert_eq!(session.server.pump(&mut session.pair.service), Err(refused));
                break;
            }
            let until = session.pair.now + Duration::from_secs(5);
            if !session.pair.step(until) {
                break;
            }
        }
    }
}
