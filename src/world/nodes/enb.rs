//! A base station as a node.

use crate::event::{Actor, Body, SessionKey, StateChange};
use crate::kernel::{Gone, Instant};
use crate::ran::{Bearer, Enb, EnbInput, EnbOutput, Frame};
use crate::world::WorldError;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// A protocol eNB with one cell.
pub struct EnbNode {
    /// The machine.
    pub enb: Enb,
    actor: Actor,
}

impl EnbNode {
    /// Base station `number`.
    pub fn new(number: u32, enb: Enb) -> Self {
        Self { enb, actor: Actor::enb(number) }
    }

    /// Takes one input of the base station as the base station knows it.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn take(
        &mut self,
        now: Instant,
        input: EnbInput<'_>,
        out: &mut Vec<Output>,
    ) -> Result<(), WorldError> {
        let mut outputs = Vec::new();
        self.enb.handle(now, input, &mut outputs)?;
        outputs.into_iter().for_each(|output| self.put(now, output, out));
        Ok(())
    }

    fn put(&self, now: Instant, output: EnbOutput, out: &mut Vec<Output>) {
        let port = |at| Port::new(self.actor, at);
        let radio = |to, payload| Output::Send {
            at: now,
            from: port(Iface::Uu),
            to,
            payload,
            label: None,
            session: None,
        };
        let output = match output {
            EnbOutput::S1 { bytes, label, about } => {
                let key = about.map(|(id, _)| SessionKey::Connection { enb: self.actor.number, id });
                // The radio says which device a connection is of.
                if let (Some(key), Some((_, Some(ue)))) = (&key, about) {
                    out.push(Output::Known { key: key.clone(), session: SessionKey::Device(ue) });
                }
                let to = To::Port(Port::new(Actor::MME, Iface::S1Mme));
                Output::frame(now, port(Iface::S1Mme), to, bytes, label).about(key)
            }
            EnbOutput::GtpU { to, bytes, label, ue } => {
                Output::frame(now, port(Iface::S1U), To::Address(to), bytes, label)
                    .about(ue.map(SessionKey::Device))
            }
            EnbOutput::Air { ue, frame } => {
                radio(To::Port(Port::new(Actor::ue(ue), Iface::Uu)), Payload::Down(frame))
            }
            EnbOutput::State { machine, change, fields } => {
                let change = StateChange { actor: self.actor, machine, change, fields };
                Output::Tell { at: now, body: Body::State(change), session: None }
            }
            EnbOutput::Page { message } => radio(To::Cells, Payload::Down(Frame::new(Bearer::Pcch, message))),
            EnbOutput::System { messages } => radio(To::Cells, Payload::System(messages)),
        };
        out.push(output);
    }
}

impl Node for EnbNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let bytes;
        let input = match input {
            Input::Linked { at: Iface::S1Mme, .. } => EnbInput::S1Connected,
            Input::Unlinked { at: Iface::S1Mme, .. } => EnbInput::S1Lost,
            Input::Frame { at: Iface::S1Mme, payload: Payload::Bytes(pdu), .. } => {
                bytes = pdu;
                EnbInput::S1(&bytes)
            }
            Input::Frame { at: Iface::S1U, from, payload: Payload::Bytes(datagram) } => {
                bytes = datagram;
                EnbInput::GtpU { from: from.who.transport_address(), bytes: &bytes }
            }
            Input::Frame { at: Iface::Uu, from, payload: Payload::Up(frame) } => {
                EnbInput::Air { ue: from.who.number, frame }
            }
            Input::Timer => EnbInput::Timer,
            // Being switched on changes nothing until the MME is there; nothing else comes its way.
            _ => return Ok(()),
        };
        self.take(now, input, out)
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.enb.deadline()
    }

    fn counters(&self, tell: &mut dyn FnMut(String, u64)) {
        self.enb.drops().for_each(|(why, count)| tell(format!("base-station.dropped.{why}"), count));
    }

    fn take_down(self: Box<Self>, gone: Gone<'_>) {
        drop(self);
        gone("base stations");
    }
}
