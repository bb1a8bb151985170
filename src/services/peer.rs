//! One device's address as the service network sees it: an IP host, and the connections that it has open.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::backend::{Answer, Backend, Caller};
use super::esim::EsimServices;
use super::network::{Servers, ServiceOutput};
use super::{ServiceError, short};
use crate::ca::DeviceCertificate;
use crate::corenet::Attestation;
use crate::event::{Actor, Body, Message};
use crate::kernel::{Instant, RngTree};
use crate::ledger::TxHash;
use crate::net::mqtt::{MqttEvent, MqttOutput, MqttServer, RefuseReason};
use crate::net::{ConnId, Host, NetError, TlsStream};
use crate::wire::Label;
use crate::wire::http::{self, Limits, Request, RequestParser, Response};
use crate::wire::registration::Problem;

/// How often host and sessions may take turns at one moment. A peer takes a handful.
const TURNS_MAX: u32 = 10_000;

/// What a peer needs of the services while it works.
pub struct Desk<'a> {
    pub now: Instant,
    pub backend: &'a mut Backend,
    pub esim: Option<&'a mut EsimServices>,
    pub servers: &'a Servers,
    pub attestation: &'a Attestation,
    pub waiting: &'a mut BTreeMap<TxHash, (Ipv4Addr, ConnId)>,
}

/// The far end of one device address.
pub struct Peer {
    device: u32,
    ip: Ipv4Addr,
    host: Host,
    sessions: Vec<Session>,
    /// When this peer is to be woken, as the services have scheduled it.
    pub scheduled: Option<Instant>,
}

/// One TLS session.
struct Session {
    tls: TlsStream,
    office: Actor,
    incoming: Vec<u8>,
    protocol: Protocol,
    /// Whether we have ended it: what the peer still sends is not looked at.
    ended: bool,
    /// Whether its failure was told.
    failed: bool,
}

enum Protocol {
    /// HTTP, with the request that is being answered.
    Http {
        parser: Box<RequestParser>,
        asked: Option<Box<Request>>,
    },
    Mqtt(Box<MqttServer>),
}

impl Peer {
    /// The far end of `ip`, which is device number `device`, with these services on it.
    pub fn new(device: u32, ip: Ipv4Addr, servers: &Servers, mtu: u16, rng: RngTree) -> Self {
        let addresses: Vec<_> =
            servers.endpoints().map(|service| service.actor.transport_address()).collect();
        let mut host = Host::new(&addresses, mtu, rng);
        for service in servers.endpoints() {
            host.listen(service.socket());
        }
        Self { device, ip, host, sessions: Vec::new(), scheduled: None }
    }

    /// Takes a packet from the device.
    pub fn receive(&mut self, packet: Vec<u8>) {
        self.host.receive(packet);
    }

    /// Answers the request that `connection` is waiting for.
    pub fn answer(&mut self, connection: ConnId, response: Response, out: &mut Vec<ServiceOutput>) {
        let device = self.device;
        if let Some(session) = self.sessions.iter_mut().find(|session| session.tls.connection() == connection)
        {
            session.respond(device, &response, out);
        }
    }

    /// Lets host and sessions work until nothing is left to do.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn work(&mut self, desk: &mut Desk<'_>, out: &mut Vec<ServiceOutput>) -> Result<(), ServiceError> {
        let mut packets = Vec::new();
        let mut moved = true;
        for _ in 0..TURNS_MAX {
            self.host.poll(desk.now, &mut packets);
            moved = self.accept(desk.servers);
            for session in &mut self.sessions {
                moved |= session.work(&mut self.host, self.device, self.ip, desk, out)?;
            }
            self.host.poll(desk.now, &mut packets);
            if !moved {
                break;
            }
        }
        if moved {
            return Err(ServiceError::Restless { who: format!("the far end of {}", self.ip), at: desk.now });
        }
        let host = &mut self.host;
        self.sessions.retain(|session| !session.over(host));
        out.extend(packets.into_iter().map(ServiceOutput::Packet));
        let mqtt = self.sessions.iter().filter_map(Session::deadline).min();
        self.scheduled = [self.host.deadline(desk.now), mqtt].into_iter().flatten().min();
        Ok(())
    }

    fn accept(&mut self, servers: &Servers) -> bool {
        let mut moved = false;
        while let Some((connection, local, _)) = self.host.accept() {
            let session = servers.at(local).and_then(|(office, config)| {
                TlsStream::server(config.clone(), connection).ok().map(|tls| Session::new(tls, office))
            });
            match session {
                Some(session) => self.sessions.push(session),
                None => self.host.abort(connection),
            }
            moved = true;
        }
        moved
    }
}

impl Session {
    fn new(tls: TlsStream, office: Actor) -> Self {
        let protocol = match office {
            Actor::CLOUD => Protocol::Mqtt(Box::default()),
            _ => Protocol::Http { parser: Box::new(RequestParser::new(Limits::default())), asked: None },
        };
        Self { tls, office, incoming: Vec::new(), protocol, ended: false, failed: false }
    }

    /// Whether nothing more can happen; lets the host forget the connection then.
    fn over(&self, host: &mut Host) -> bool {
        let connection = self.tls.connection();
        let over = host.state(connection).is_final();
        if over {
            host.remove(connection);
        }
        over
    }

    /// Reads, decides and writes. Says whether anything was done.
    fn work(
        &mut self,
        host: &mut Host,
        device: u32,
        ip: Ipv4Addr,
        desk: &mut Desk<'_>,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<bool, ServiceError> {
        let result = self.tls.pump(host);
        let arrived = self.tls.read(&mut self.incoming) > 0;
        match result {
            Err(error) if !arrived => {
                self.fail(&error, device, out);
                return Ok(false);
            }
            _ if self.ended => {
                self.incoming.clear();
                return Ok(false);
            }
            _ => {}
        }
        let done = match self.office {
            Actor::CLOUD => self.broker(device, desk, out),
            _ => self.http(device, ip, desk, out)?,
        };
        if self.tls.peer_closed() && !self.is_answering() {
            self.end();
        }
        // A failure shows at the next turn.
        let _ = self.tls.pump(host);
        Ok(done)
    }

    /// Tells of a failed TLS session, once. A connection that broke off is no news: devices vanish.
    fn fail(&mut self, error: &NetError, device: u32, out: &mut Vec<ServiceOutput>) {
        if let (NetError::Tls(fault), false) = (error, self.failed) {
            let change = if fault.received { "TLS refused by the client" } else { "TLS client refused" };
            let fields = vec![("client", Actor::device(device).to_string()), ("alert", fault.alert.clone())];
            out.push(ServiceOutput::Event(Body::note(self.office, change, fields)));
        }
        self.failed = true;
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.protocol {
            Protocol::Mqtt(server) => server.deadline(),
            Protocol::Http { .. } => None,
        }
    }

    fn is_answering(&self) -> bool {
        matches!(self.protocol, Protocol::Http { asked: Some(_), .. })
    }

    // ---- HTTP: registrar and onboarding service ----

    fn http(
        &mut self,
        device: u32,
        ip: Ipv4Addr,
        desk: &mut Desk<'_>,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<bool, ServiceError> {
        let Protocol::Http { parser, asked } = &mut self.protocol else { return Ok(false) };
        parser.push(&self.incoming);
        self.incoming.clear();
        if asked.is_some() {
            return Ok(false);
        }
        let request = match parser.next_request() {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(false),
            Err(error) => {
                let status = error.status();
                let response = Problem::new(status, "malformed-request", error.to_string()).response().last();
                self.respond(device, &response, out);
                return Ok(true);
            }
        };
        let Ok(channel_binding) = self.tls.channel_binding() else {
            // Requests come after the handshake, so that there is one.
            self.end();
            return Ok(false);
        };
        *asked = Some(Box::new(request.clone()));
        let caller = Caller { attestation: desk.attestation, channel_binding };
        let mut events = Vec::new();
        let answer = match self.office {
            Actor::CA => desk.backend.est(desk.now, &caller, &request, &mut events)?,
            Actor::SMDP | Actor::SMDS | Actor::EIM => match &mut desk.esim {
                Some(esim) => {
                    let inventory = desk.backend.inventory_mut();
                    Answer::Now(esim.answer(desk.now, self.office, device, &request, inventory, &mut events))
                }
                None => Answer::Now(Response::new(503)),
            },
            _ => desk.backend.registration(desk.now, &caller, &request, &mut events)?,
        };
        out.extend(events.into_iter().map(ServiceOutput::Event));
        match answer {
            Answer::Now(response) => self.respond(device, &response, out),
            Answer::OnceSealed(hash) => {
                desk.waiting.insert(hash, (ip, self.tls.connection()));
            }
        }
        Ok(true)
    }

    fn respond(&mut self, device: u32, response: &Response, out: &mut Vec<ServiceOutput>) {
        let Protocol::Http { asked, .. } = &mut self.protocol else { return };
        let label = match asked.take() {
            Some(request) => http::response_label(&request, response),
            None => Label::new(crate::wire::Proto::Http, format!("{} {}", response.status, response.reason)),
        };
        let close = !response.keep_alive;
        self.send(device, label, response.encode(), out);
        if close {
            self.end();
        }
    }

    // ---- MQTT: the cloud ----

    fn broker(&mut self, device: u32, desk: &mut Desk<'_>, out: &mut Vec<ServiceOutput>) -> bool {
        let incoming = std::mem::take(&mut self.incoming);
        let Protocol::Mqtt(server) = &mut self.protocol else { return false };
        let mut outputs = Vec::new();
        let due = server.deadline().is_some_and(|at| at <= desk.now);
        let mut broken = due && server.on_timer(desk.now, &mut outputs).is_err();
        broken |= !incoming.is_empty() && server.receive(desk.now, &incoming, &mut outputs).is_err();
        let moved = broken || !outputs.is_empty();
        self.broker_outputs(device, desk, outputs, out);
        if broken {
            self.end();
        }
        moved
    }

    fn broker_outputs(
        &mut self,
        device: u32,
        desk: &mut Desk<'_>,
        outputs: Vec<MqttOutput>,
        out: &mut Vec<ServiceOutput>,
    ) {
        for output in outputs {
            match output {
                MqttOutput::Send { label, bytes } => self.send(device, label, bytes, out),
                MqttOutput::Event(MqttEvent::ConnectRequested { client_id, .. }) => {
                    let answers = self.admission(desk, &client_id, out);
                    self.broker_outputs(device, desk, answers, out);
                    if !self.is_admitted() {
                        self.end();
                    }
                }
                MqttOutput::Event(MqttEvent::Published { payload, .. }) => {
                    desk.backend.count_telemetry();
                    let fields = vec![("octets", payload.len().to_string())];
                    out.push(ServiceOutput::Event(Body::note(Actor::CLOUD, "telemetry received", fields)));
                }
                MqttOutput::Event(MqttEvent::Disconnected { .. }) => self.end(),
                MqttOutput::Event(_) => {}
            }
        }
    }

    /// Lets a client in, or turns it away: its certificate has to name it, and the ledger has to agree.
    fn admission(
        &mut self,
        desk: &mut Desk<'_>,
        client_id: &str,
        out: &mut Vec<ServiceOutput>,
    ) -> Vec<MqttOutput> {
        let verdict = match self.identity() {
            Some(identity) if hex::encode(identity.device()) == client_id => desk.backend.admit(&identity),
            _ => Err(Problem::new(403, "client-identity-mismatch", "the certificate names another client")),
        };
        let Protocol::Mqtt(server) = &mut self.protocol else { return Vec::new() };
        let mut answers = Vec::new();
        // What goes wrong here has ended the session, which is looked at once the answers are sent.
        let _ = match verdict {
            Ok(id) => {
                let change = "client admitted: certificate under the CA, active on the ledger";
                out.push(ServiceOutput::Event(Body::note(Actor::CLOUD, change, vec![("id", short(&id))])));
                server.accept(desk.now, &format!("devices/{client_id}"), &mut answers)
            }
            Err(problem) => {
                let fields = vec![("reason", problem.reason)];
                out.push(ServiceOutput::Event(Body::note(Actor::CLOUD, "client turned away", fields)));
                server.refuse(desk.now, RefuseReason::NotAuthorized, &mut answers)
            }
        };
        answers
    }

    fn is_admitted(&self) -> bool {
        matches!(&self.protocol, Protocol::Mqtt(server) if server.is_connected())
    }

    /// Ends our direction after what was written.
    fn end(&mut self) {
        self.ended = true;
        self.tls.close();
    }

    /// Who the client certificate says this is.
    fn identity(&self) -> Option<DeviceCertificate> {
        let leaf = self.tls.peer_certificates()?.first()?;
        DeviceCertificate::parse(leaf).ok()
    }

    fn send(&mut self, device: u32, label: Label, bytes: Vec<u8>, out: &mut Vec<ServiceOutput>) {
        // Where the session has failed nobody is left to read this.
        if self.tls.write(&bytes).is_ok() {
            let message = Message { from: self.office, to: Actor::device(device), label, bytes };
            out.push(ServiceOutput::Event(Body::Message(message)));
        }
    }
}
