//! One device's address as the service network sees it: an IP host, and the connections that it has open.

use std::net::IpAddr;
use std::sync::Arc;

use super::ServiceError;
use super::chain::Ticket;
use super::office::{Answer, Caller, Request, Response};
use super::offices::Offices;
use super::orders::SignedOrder;
use super::servers::Servers;
use super::sessions::Session;
use crate::ca::ClientCertificate;
use crate::event::{Actor, Body, Message};
use crate::kernel::{Instant, Restless, RngTree};
use crate::net::mqtt::{MqttEvent, MqttOutput, MqttServer, RefuseReason};
use crate::net::{Host, NetError, PlainStream, Stream, TlsStream};
use crate::wire::Label;
use crate::wire::Reason;
use crate::wire::http::{self, Limits, RequestParser};
use crate::wire::registration::Problem;

/// What the service network puts out.
#[derive(Debug)]
pub enum ServiceOutput {
    /// An IP packet to a device.
    Packet(Vec<u8>),
    /// Something happened that views want to know, of this device where it is one's.
    Event(Body, Option<u32>),
    /// An order of the registrar, to those who follow them.
    Order(SignedOrder),
}

/// How often host and sessions may take turns at one moment. A peer takes a handful.
const TURNS_MAX: u32 = 10_000;

/// The far end of one device address.
pub struct Peer {
    device: u32,
    ip: IpAddr,
    host: Host,
    servers: Arc<Servers>,
    connections: Vec<Connection>,
    /// When this peer is to be woken, as the services have scheduled it.
    pub scheduled: Option<Instant>,
}

/// One connection, with an office behind it.
struct Connection {
    stream: Stream,
    office: Actor,
    incoming: Vec<u8>,
    protocol: Protocol,
    /// What its answer waits for.
    ticket: Option<Ticket>,
    /// Whether we have ended it: what the peer still sends is not looked at.
    ended: bool,
    /// Whether its failure was told.
    failed: bool,
}

enum Protocol {
    /// HTTP, with the request that is being answered.
    Http {
        parser: Box<RequestParser>,
        asked: Option<Box<http::Request>>,
    },
    Mqtt(Box<MqttServer>),
}

impl Peer {
    /// The far end of `ip`, which is device number `device`, with these services on it.
    ///
    /// # Errors
    /// Where the services have more addresses than a host can.
    pub fn new(
        device: u32,
        ip: IpAddr,
        servers: Arc<Servers>,
        mtu: u16,
        rng: RngTree,
    ) -> Result<Self, ServiceError> {
        // Services may share an address.
        let mut addresses = Vec::new();
        for service in servers.endpoints() {
            let address = service.socket_like(ip).ip();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut host = Host::with_addresses(&addresses, mtu, rng)?;
        for service in servers.endpoints() {
            host.listen(service.socket_like(ip));
        }
        Ok(Self { device, ip, host, servers, connections: Vec::new(), scheduled: None })
    }

    /// Takes a packet from the device.
    pub fn receive(&mut self, packet: Vec<u8>) {
        self.host.receive(packet);
    }

    /// Answers the request that waits for `ticket`.
    pub fn answer(&mut self, now: Instant, ticket: Ticket, response: Response, out: &mut Vec<ServiceOutput>) {
        if let Some(open) = self.connections.iter_mut().find(|open| open.ticket == Some(ticket)) {
            open.ticket = None;
            open.give(now, self.device, response, out);
        }
    }

    /// Sends every MQTT client away that is in: the device is cut off. The connections are ended; what is to be sent goes
    /// with the next [`work`](Self::work). Says how many there were.
    pub fn send_away(&mut self, now: Instant, out: &mut Vec<ServiceOutput>) -> usize {
        let device = self.device;
        self.connections
            .iter_mut()
            .filter(|open| open.is_admitted())
            .map(|open| open.send_away(now, device, out))
            .count()
    }

    /// What its connections wait for.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.connections.iter().filter_map(|open| open.ticket)
    }

    /// Lets host and connections work until nothing is left to do. The network attests `session` of this address.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn work(
        &mut self,
        now: Instant,
        session: &Session,
        offices: &mut Offices,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        let mut packets = Vec::new();
        let mut moved = true;
        for _ in 0..TURNS_MAX {
            self.host.poll(now, &mut packets);
            moved = self.accept();
            for open in &mut self.connections {
                moved |= open.work(now, &mut self.host, session, offices, out)?;
            }
            self.host.poll(now, &mut packets);
            if !moved {
                break;
            }
        }
        if moved {
            return Err(Restless { who: format!("the far end of {}", self.ip), at: now }.into());
        }
        let host = &mut self.host;
        self.connections.retain(|open| !open.over(host));
        out.extend(packets.into_iter().map(ServiceOutput::Packet));
        let mqtt = self.connections.iter().filter_map(Connection::deadline).min();
        self.scheduled = [self.host.deadline(now), mqtt].into_iter().flatten().min();
        Ok(())
    }

    fn accept(&mut self) -> bool {
        let mut moved = false;
        while let Some((connection, local, _)) = self.host.accept() {
            let open = self.servers.at(local).and_then(|(office, config)| {
                let stream = match config {
                    Some(config) => {
                        Stream::Tls(Box::new(TlsStream::server(config.clone(), connection).ok()?))
                    }
                    None => Stream::Plain(PlainStream::new(connection)),
                };
                Some(Connection::new(stream, office))
            });
            match open {
                Some(open) => self.connections.push(open),
                None => self.host.abort(connection),
            }
            moved = true;
        }
        moved
    }
}

impl Connection {
    fn new(stream: Stream, office: Actor) -> Self {
        let protocol = match office {
            Actor::CLOUD => Protocol::Mqtt(Box::default()),
            _ => Protocol::Http { parser: Box::new(RequestParser::new(Limits::default())), asked: None },
        };
        Self { stream, office, incoming: Vec::new(), protocol, ticket: None, ended: false, failed: false }
    }

    /// Whether nothing more can happen; lets the host forget the connection then.
    fn over(&self, host: &mut Host) -> bool {
        let connection = self.stream.connection();
        let over = host.state(connection).is_final();
        if over {
            host.remove(connection);
        }
        over
    }

    /// Reads, decides and writes. Says whether anything was done.
    fn work(
        &mut self,
        now: Instant,
        host: &mut Host,
        session: &Session,
        offices: &mut Offices,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<bool, ServiceError> {
        let result = self.stream.pump(host);
        // What comes behind a request that is being answered waits where its size is bounded: in the stream, and then
        // in the window of the connection.
        let arrived = !self.is_answering() && self.stream.read(&mut self.incoming) > 0;
        match result {
            Err(error) if !arrived => {
                self.fail(&error, session.device, out);
                return Ok(false);
            }
            _ if self.ended => {
                self.incoming.clear();
                return Ok(false);
            }
            _ => {}
        }
        let done = match self.protocol {
            Protocol::Http { .. } => self.http(now, session, offices, out)?,
            Protocol::Mqtt(_) => self.broker(now, session, offices, out)?,
        };
        if self.stream.peer_closed() && !self.is_answering() {
            self.end();
        }
        // A failure shows at the next turn.
        let _ = self.stream.pump(host);
        Ok(done)
    }

    /// Asks the office, and gives what it says to the client, or waits for it.
    fn ask(
        &mut self,
        now: Instant,
        session: &Session,
        request: &Request<'_>,
        offices: &mut Offices,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<(), ServiceError> {
        let Ok(channel_binding) = self.stream.tls().map(TlsStream::channel_binding).transpose() else {
            // Requests come after the handshake, so that there is one.
            self.end();
            return Ok(());
        };
        let certificate = self.stream.peer_certificate().and_then(|leaf| ClientCertificate::parse(leaf).ok());
        let Session { device, attestation, .. } = session;
        let who = Caller {
            at: self.office,
            device: *device,
            attestation,
            channel_binding,
            certificate: certificate.as_ref(),
        };
        let mut events = Vec::new();
        let answer = offices.answer(now, &who, request, &mut events)?;
        out.extend(events.into_iter().map(|body| ServiceOutput::Event(body, Some(*device))));
        match answer {
            Answer::Now(response) => self.give(now, *device, response, out),
            Answer::Later(ticket) => self.ticket = Some(ticket),
        }
        Ok(())
    }

    /// Gives the client what the office says.
    fn give(&mut self, now: Instant, device: u32, response: Response, out: &mut Vec<ServiceOutput>) {
        let mut answers = Vec::new();
        // What goes wrong at the broker has ended the session, which is looked at once the answers are sent.
        match (&mut self.protocol, response) {
            (Protocol::Http { .. }, Response::Http(response)) => self.respond(device, &response, out),
            (Protocol::Mqtt(server), Response::Admitted { root }) => {
                let _ = server.accept(now, &root, &mut answers);
            }
            (Protocol::Mqtt(server), Response::TurnedAway) => {
                let _ = server.refuse(now, RefuseReason::NotAuthorized, &mut answers);
            }
            (Protocol::Mqtt(_), Response::Taken) => {}
            // An office that does not speak this protocol.
            _ => self.end(),
        }
        for answer in answers {
            if let MqttOutput::Send { label, bytes } = answer {
                self.send(device, label, bytes, out);
            }
        }
    }

    /// Tells of a failed TLS session, once. A connection that broke off is no news: devices vanish.
    fn fail(&mut self, error: &NetError, device: u32, out: &mut Vec<ServiceOutput>) {
        if let (NetError::Tls(fault), false) = (error, self.failed) {
            let change = if fault.received { "TLS refused by the client" } else { "TLS client refused" };
            let fields = vec![("client", Actor::device(device).to_string()), ("alert", fault.alert.clone())];
            out.push(ServiceOutput::Event(Body::note(self.office, change, fields), Some(device)));
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

    // ---- HTTP ----

    fn http(
        &mut self,
        now: Instant,
        session: &Session,
        offices: &mut Offices,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<bool, ServiceError> {
        let Protocol::Http { parser, asked } = &mut self.protocol else { return Ok(false) };
        parser.push(&self.incoming);
        self.incoming.clear();
        if asked.is_some() {
            return Ok(false);
        }
        match parser.next_request() {
            Ok(Some(request)) => {
                *asked = Some(Box::new(request.clone()));
                self.ask(now, session, &Request::Http(&request), offices, out)?;
            }
            Ok(None) => return Ok(false),
            Err(error) => {
                let status = error.status();
                let response =
                    Problem::new(status, Reason::MalformedRequest, error.to_string()).response().last();
                self.respond(session.device, &response, out);
            }
        }
        Ok(true)
    }

    fn respond(&mut self, device: u32, response: &http::Response, out: &mut Vec<ServiceOutput>) {
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

    // ---- MQTT ----

    fn broker(
        &mut self,
        now: Instant,
        session: &Session,
        offices: &mut Offices,
        out: &mut Vec<ServiceOutput>,
    ) -> Result<bool, ServiceError> {
        let incoming = std::mem::take(&mut self.incoming);
        let Protocol::Mqtt(server) = &mut self.protocol else { return Ok(false) };
        let mut outputs = Vec::new();
        let due = server.deadline().is_some_and(|at| at <= now);
        let mut broken = due && server.on_timer(now, &mut outputs).is_err();
        broken |= !incoming.is_empty() && server.receive(now, &incoming, &mut outputs).is_err();
        let moved = broken || !outputs.is_empty();
        for output in outputs {
            match output {
                MqttOutput::Send { label, bytes } => self.send(session.device, label, bytes, out),
                MqttOutput::Event(MqttEvent::ConnectRequested { client_id, .. }) => {
                    let request = Request::Connect { client_id: &client_id };
                    self.ask(now, session, &request, offices, out)?;
                    if !self.is_admitted() {
                        self.end();
                    }
                }
                MqttOutput::Event(MqttEvent::Published { payload, .. }) => {
                    let request = Request::Publish { payload: &payload };
                    self.ask(now, session, &request, offices, out)?;
                }
                MqttOutput::Event(MqttEvent::Disconnected { .. }) => self.end(),
                MqttOutput::Event(_) => {}
            }
        }
        if broken {
            self.end();
        }
        Ok(moved)
    }

    /// DISCONNECT with reason code 0x98, administrative action (MQTT 5.0 clause 3.14.2.1).
    fn send_away(&mut self, now: Instant, device: u32, out: &mut Vec<ServiceOutput>) {
        let Protocol::Mqtt(server) = &mut self.protocol else { return };
        let mut outputs = Vec::new();
        // A session that cannot be told so ends all the same.
        let _ = server.disconnect(now, &mut outputs);
        for output in outputs {
            if let MqttOutput::Send { label, bytes } = output {
                self.send(device, label, bytes, out);
            }
        }
        self.end();
    }

    fn is_admitted(&self) -> bool {
        matches!(&self.protocol, Protocol::Mqtt(server) if server.is_connected())
    }

    /// Ends our direction after what was written.
    fn end(&mut self) {
        self.ended = true;
        self.stream.close();
    }

    fn send(&mut self, device: u32, label: Label, bytes: Vec<u8>, out: &mut Vec<ServiceOutput>) {
        // Where the session has failed nobody is left to read this.
        if self.stream.write(&bytes).is_ok() {
            let message = Message { from: self.office, to: Actor::device(device), label, bytes };
            out.push(ServiceOutput::Event(Body::Message(message), Some(device)));
        }
    }
}
