//! A device's TLS connection to one service, with HTTP or MQTT inside.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::ClientConfig;

use super::application::Application;
use super::{DeviceError, DeviceOutput};
use crate::ca::csr::ChannelBinding;
use crate::card::CardHandle;
use crate::event::{Actor, Body, Message};
use crate::net::mqtt::{MqttEvent, MqttOutput};
use crate::net::{Host, NetError, ServiceAddress, TlsStream};
use crate::wire::Label;
use crate::wire::Reason;
use crate::wire::http::{self, Limits, Request, Response, ResponseParser};
use crate::wire::reason::Text;

/// A connection to a service.
pub struct Link {
    tls: TlsStream,
    /// What signs for the session, where it is mutual.
    card: CardHandle,
    from: Actor,
    to: Actor,
    secured: bool,
    incoming: Vec<u8>,
    responses: ResponseParser,
}

impl Link {
    /// Opens a connection of `application` to `endpoint`; the handshake follows by itself.
    ///
    /// # Errors
    /// A refusal where the host cannot connect.
    pub fn open(
        host: &mut Host,
        endpoint: ServiceAddress,
        config: Arc<ClientConfig>,
        application: &Application,
    ) -> Result<Self, DeviceError> {
        // A host that has both takes IPv6 (RFC 6724 clause 2.1).
        let six = host.addresses().find(|own| matches!(own, IpAddr::V6(six) if !six.is_unicast_link_local()));
        let like = six.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let connection = host.connect(endpoint.socket_like(like)).map_err(refusal)?;
        let tls = TlsStream::client(config, endpoint.name, connection).map_err(refusal)?;
        Ok(Self {
            tls,
            card: application.card.clone(),
            from: Actor::device(application.number),
            to: endpoint.actor,
            secured: false,
            incoming: Vec::new(),
            responses: ResponseParser::new(Limits::default()),
        })
    }

    /// Moves bytes in both directions; says whether the session is secured.
    ///
    /// # Errors
    /// A refusal where the connection or the session has failed with nothing left to read.
    pub fn pump(&mut self, host: &mut Host, out: &mut Vec<DeviceOutput>) -> Result<bool, DeviceError> {
        let result = self.tls.pump(host);
        if let Some(handshake) = self.tls.take_handshake() {
            self.secured = true;
            self.emit(handshake.label(), Vec::new(), out);
        }
        let arrived = self.tls.read(&mut self.incoming);
        match result {
            Err(error) if arrived == 0 => Err(refusal(error)),
            _ => Ok(self.secured),
        }
    }

    /// Sends what was written meanwhile.
    ///
    /// # Errors
    /// A refusal where the connection has failed.
    pub fn flush(&mut self, host: &mut Host) -> Result<(), DeviceError> {
        self.tls.pump(host).map_err(refusal)
    }

    /// Ends the session in order, after what was written.
    pub fn close(&mut self, host: &mut Host) {
        self.tls.close();
        // The step is over: how the peer takes the farewell changes nothing.
        let _ = self.tls.pump(host);
        host.remove(self.tls.connection());
    }

    /// Whether the far end has ended its direction, so that nothing more will come.
    pub fn ended(&self) -> bool {
        self.tls.peer_closed()
    }

    /// The value that binds a CSR to this session (RFC 9266).
    ///
    /// # Errors
    /// A refusal before the handshake is complete.
    pub fn channel_binding(&self) -> Result<ChannelBinding, DeviceError> {
        self.tls.channel_binding().map_err(refusal)
    }

    /// Sends an HTTP request.
    ///
    /// # Errors
    /// A refusal where the session has failed.
    pub fn request(&mut self, request: &Request, out: &mut Vec<DeviceOutput>) -> Result<(), DeviceError> {
        self.send(http::label(request), request.encode(), out)
    }

    /// The next HTTP response, once it is complete.
    ///
    /// # Errors
    /// A refusal where the bytes are no HTTP response.
    pub fn response(&mut self) -> Result<Option<Response>, DeviceError> {
        self.responses.push(&self.incoming);
        self.incoming.clear();
        self.responses.next_response().map_err(|fault| refusal(fault.into()))
    }

    /// What has come in since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.incoming)
    }

    /// Sends application data under the name of `label`.
    ///
    /// # Errors
    /// A refusal where the session has failed.
    pub fn send(
        &mut self,
        label: Label,
        bytes: Vec<u8>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<(), DeviceError> {
        self.tls.write(&bytes).map_err(refusal)?;
        self.emit(label, bytes, out);
        Ok(())
    }

    /// Sends the packets among `outputs`, and returns the events among them.
    ///
    /// # Errors
    /// A refusal where the session has failed.
    pub fn send_mqtt(
        &mut self,
        outputs: Vec<MqttOutput>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Vec<MqttEvent>, DeviceError> {
        let mut events = Vec::new();
        for output in outputs {
            match output {
                MqttOutput::Send { label, bytes } => self.send(label, bytes, out)?,
                MqttOutput::Event(event) => events.push(event),
            }
        }
        Ok(events)
    }

    fn emit(&self, label: Label, bytes: Vec<u8>, out: &mut Vec<DeviceOutput>) {
        // What TLS or the application had the card do until now comes first.
        DeviceOutput::of_card(&self.card, out);
        let message = Message { from: self.from, to: self.to, label, bytes };
        out.push(DeviceOutput::Event(Body::Message(message)));
    }
}

/// A failed connection as the end of a step, with one stable word.
pub fn refusal(error: NetError) -> DeviceError {
    let reason = match &error {
        NetError::Refused { .. } => Reason::ConnectionRefused,
        NetError::Reset { .. } => Reason::ConnectionReset,
        NetError::TimedOut { .. } => Reason::ConnectionTimeout,
        // What this side sends where the authority's word is not enough (`crypto::tls`), and nowhere else.
        NetError::Tls(fault) if !fault.received && fault.alert == "access_denied" => {
            Reason::ServerNotOnLedger
        }
        NetError::Tls(fault) => Reason::TlsAlert(Text::new(&fault.alert.replace('_', "-"))),
        NetError::Mqtt(fault) => Reason::Mqtt(Text::new(&fault.reason)),
        _ => Reason::ConnectionFailed,
    };
    DeviceError::refused(reason, error.to_string())
}
