//! The evolved packet core as a node: MME, HSS and gateway in one machine, with a port for each of their interfaces.

use crate::corenet::{Epc, EpcInput, EpcOutput, Policy, SessionChange};
use crate::event::{Actor, Body, Message, SessionKey, StateChange};
use crate::kernel::{Gone, Instant};
use crate::world::WorldError;
use crate::world::books::{Fact, Tell};
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
        outputs.into_iter().for_each(|output| Self::put(now, output, out));
        Ok(())
    }

    fn put(now: Instant, output: EpcOutput, out: &mut Vec<Output>) {
        let mme = Port::new(Actor::MME, Iface::S1Mme);
        let gateway = |at| Port::new(Actor::GATEWAY, at);
        let output = match output {
            EpcOutput::S1 { enb, bytes, label, session } => {
                let to = To::Port(Port::new(Actor::enb(enb), Iface::S1Mme));
                Output::frame(now, mme, to, bytes, label).about(session)
            }
            EpcOutput::GtpU { to, bytes, label, session } => {
                Output::frame(now, gateway(Iface::S1U), To::Address(to), bytes, label).about(session)
            }
            EpcOutput::Sgi(packet) => Output::Send {
                at: now,
                from: gateway(Iface::Sgi),
                to: To::Port(Port::new(Actor::SWITCH, Iface::Sgi)),
                payload: Payload::Bytes(packet),
                label: None,
                session: None,
            },
            EpcOutput::State { actor, machine, change, fields, session } => {
                let body = Body::State(StateChange { actor, machine, change, fields });
                Output::Tell { at: now, body, session }
            }
            EpcOutput::Call { from, to, label, session } => {
                let body = Body::Message(Message { from, to, label, bytes: Vec::new() });
                Output::Tell { at: now, body, session: Some(session) }
            }
            EpcOutput::Session { change, token, label, session } => {
                if let SessionChange::Up(attestation) | SessionChange::Changed(attestation) = &change {
                    out.extend(attestation.addresses().map(|address| Output::Known {
                        key: SessionKey::Address(address),
                        session: session.clone(),
                    }));
                }
                // Whoever has to know of sessions: the controller of the switch, and the services' registrar.
                let from = gateway(Iface::SgiAaa);
                let to = |who| To::Port(Port::new(who, Iface::SgiAaa));
                let first = Output::frame(now, from, to(Actor::CONTROLLER), token.clone(), label.clone());
                out.push(first.about(Some(session.clone())));
                Output::frame(now, from, to(Actor::REGISTRAR), token, label).about(Some(session))
            }
        };
        out.push(output);
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
            Input::Frame { at: Iface::Orders, payload: Payload::Bytes(token), .. } => {
                bytes = token;
                EpcInput::Order(&bytes)
            }
            Input::Timer => EpcInput::Timer,
            _ => return Ok(()),
        };
        self.take(now, input, out)
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.0.deadline()
    }

    fn books(&self, tell: Tell<'_>) {
        for (imsi, iccid, policy) in self.0.subscribers() {
            let bootstrap = matches!(policy, Policy::Only(_));
            tell(Fact::Subscription { imsi: imsi.clone(), iccid: iccid.clone(), bootstrap });
        }
    }

    fn counters(&self, tell: &mut dyn FnMut(String, u64)) {
        self.0.drops().for_each(|(why, count)| tell(format!("gateway.dropped.{why}"), count));
        tell("mme.contexts".to_owned(), self.0.contexts() as u64);
    }

    fn take_down(self: Box<Self>, gone: Gone<'_>) {
        self.0.take_down(gone);
    }
}
