//! The evolved packet core as a node: MME, HSS and gateway in one machine, with a port for each of their interfaces.

use crate::corenet::{Epc, EpcInput, EpcOutput};
use crate::event::{Actor, Body, Message, StateChange};
use crate::kernel::{Gone, Instant};
use crate::world::WorldError;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// The core network.
pub struct CoreNode(pub Epc);

impl CoreNode {
    /// Takes one input of the core network as the core network knows it.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn take(
        &mut self,
        now: Instant,
        input: EpcInput<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), WorldError> {
        let mut outputs = Vec::new();
        self.0.handle(now, input, &mut outputs)?;
        out.extend(outputs.into_iter().map(|output| Self::put(now, output)));
        Ok(())
    }

    fn put(now: Instant, output: EpcOutput) -> Output {
        let mme = Port::new(Actor::MME, Iface::S1Mme);
        let gateway = |at| Port::new(Actor::GATEWAY, at);
        match output {
            EpcOutput::S1 { enb, bytes, label } => {
                Output::frame(now, mme, To::Port(Port::new(Actor::enb(enb), Iface::S1Mme)), bytes, label)
            }
            EpcOutput::GtpU { to, bytes, label } => {
                Output::frame(now, gateway(Iface::S1U), To::Address(to), bytes, label)
            }
            EpcOutput::Sgi(packet) => Output::Send {
                at: now,
                from: gateway(Iface::Sgi),
                to: To::Port(Port::new(Actor::SERVICES, Iface::Sgi)),
                payload: Payload::Bytes(packet),
                label: None,
            },
            EpcOutput::State { actor, machine, change, fields } => {
                Output::Tell { at: now, body: Body::State(StateChange { actor, machine, change, fields }) }
            }
            EpcOutput::Call { from, to, label } => {
                Output::Tell { at: now, body: Body::Message(Message { from, to, label, bytes: Vec::new() }) }
            }
            EpcOutput::Session { token, label, .. } => {
                let to = To::Port(Port::new(Actor::REGISTRAR, Iface::SgiAaa));
                Output::frame(now, gateway(Iface::SgiAaa), to, token, label)
            }
        }
    }
}

impl Node for CoreNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let bytes;
        let input = match input {
            Input::Linked { at: Iface::S1Mme, peer } => EpcInput::S1Connected { enb: peer.who.number },
            Input::Linked { at: Iface::SgiAaa, .. } => EpcInput::AaaConnected,
            Input::Unlinked { at: Iface::S1Mme, peer } => EpcInput::S1Lost { enb: peer.who.number },
            Input::Frame { at: Iface::S1Mme, from, payload: Payload::Bytes(pdu) } => {
                bytes = pdu;
                EpcInput::S1 { enb: from.who.number, bytes: &bytes }
            }
            Input::Frame { at: Iface::S1U, from, payload: Payload::Bytes(datagram) } => {
                bytes = datagram;
                EpcInput::GtpU { from: from.who.transport_address(), bytes: &bytes }
            }
            Input::Frame { at: Iface::Sgi, payload: Payload::Bytes(packet), .. } => {
                bytes = packet;
                EpcInput::Sgi(&bytes)
            }
            Input::Timer => EpcInput::Timer,
            _ => return Ok(()),
        };
        self.take(now, input, out)
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.0.deadline()
    }

    fn take_down(self: Box<Self>, gone: Gone<'_>) {
        self.0.take_down(gone);
    }
}
