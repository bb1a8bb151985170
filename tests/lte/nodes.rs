//! The nodes of the bench: machines that a test holds together with the world, UEs, and what stands behind the gateway.

use std::cell::RefCell;
use std::rc::Rc;

use cellbed::card::{CardSlot, SharedDiary};
use cellbed::corenet::Statement;
use cellbed::event::{Actor, Body, Message, StateChange};
use cellbed::kernel::{Instant, RngTree};
use cellbed::ran::{Ue, UeConfig, UeInput, UeOutput};
use cellbed::world::{Iface, Input, Node, Output, Payload, Port, To, WorldError};

use crate::card::TestCard;
use crate::log::{Fact, Log};

/// A node that the world and a test hold. What the test makes it do waits until the world resumes it.
pub struct Shared<N>(Rc<RefCell<Seat<N>>>);

struct Seat<N> {
    node: N,
    done: Vec<Output>,
}

impl<N: Node + 'static> Shared<N> {
    pub fn new(node: N) -> Self {
        Self(Rc::new(RefCell::new(Seat { node, done: Vec::new() })))
    }

    /// What the world is to hold.
    pub fn for_world(&self) -> Box<dyn Node> {
        Box::new(Self(self.0.clone()))
    }

    pub fn make(&self, act: impl FnOnce(&mut N, &mut Vec<Output>) -> Result<(), WorldError>) {
        let Seat { node, done } = &mut *self.0.borrow_mut();
        act(node, done).unwrap();
    }

    pub fn look<T>(&self, at: impl FnOnce(&N) -> T) -> T {
        at(&self.0.borrow().node)
    }
}

impl<N: Node> Node for Shared<N> {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let Seat { node, done } = &mut *self.0.borrow_mut();
        out.append(done);
        if input == Input::Resume { Ok(()) } else { node.handle(now, input, out) }
    }

    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        self.0.borrow_mut().node.deadline(now)
    }
}

/// A UE with the card of a test, which is switched on by hand.
pub struct UeNode {
    pub ue: Ue,
    number: u32,
    log: Rc<RefCell<Log>>,
}

impl UeNode {
    pub fn new(number: u32, config: UeConfig, card: TestCard, log: Rc<RefCell<Log>>) -> Self {
        let card = CardSlot::shared(Box::new(card), SharedDiary::default());
        Self { ue: Ue::new(config, card, RngTree::new(7).branch(Actor::ue(number))), number, log }
    }

    pub fn take(&mut self, now: Instant, input: UeInput, out: &mut Vec<Output>) -> Result<(), WorldError> {
        let mut outputs = Vec::new();
        self.ue.handle(now, input, &mut outputs)?;
        outputs.into_iter().for_each(|output| self.put(now, output, out));
        Ok(())
    }

    fn put(&self, now: Instant, output: UeOutput, out: &mut Vec<Output>) {
        let (ue, actor) = (self.number, Actor::ue(self.number));
        let fact = match output {
            UeOutput::Air(frame) => return out.push(radio(now, actor, To::Serving, Payload::Up(frame))),
            UeOutput::SelectCell => return out.push(radio(now, actor, To::Cells, Payload::Search)),
            UeOutput::Rrc { to_network, station, label, bytes } => {
                let (from, to) = if to_network { (actor, station) } else { (station, actor) };
                let body = Body::Message(Message { from, to, label, bytes });
                return out.push(Output::Tell { at: now, body, session: None });
            }
            UeOutput::Nas { to_network, label, bytes } => {
                let (from, to) = if to_network { (actor, Actor::MME) } else { (Actor::MME, actor) };
                let body = Body::Message(Message { from, to, label, bytes });
                return out.push(Output::Tell { at: now, body, session: None });
            }
            UeOutput::State { machine, change, fields } => {
                let body = Body::State(StateChange { actor, machine, change, fields });
                return out.push(Output::Tell { at: now, body, session: None });
            }
            UeOutput::Attached { ip, interface, dns, mtu, apn } => {
                assert_eq!((dns.is_some(), mtu, apn.as_str()), (true, 1400, "internet"));
                Fact::Attached { ue, ip, interface }
            }
            UeOutput::ReceiveIp(packet) => Fact::ReceivedIp { ue, packet },
            UeOutput::AttachFailed { reason, retry, .. } => {
                Fact::Failed { ue, reason: reason.to_string(), retry }
            }
            UeOutput::Card(_) | UeOutput::Subscriber(_) => return,
            UeOutput::Detached => Fact::Detached { ue },
        };
        self.log.borrow_mut().facts.push(fact);
    }
}

fn radio(at: Instant, actor: Actor, to: To, payload: Payload) -> Output {
    Output::Send { at, from: Port::new(actor, Iface::Uu), to, payload, label: None, session: None }
}

impl Node for UeNode {
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        match input {
            Input::Frame { payload: Payload::Down(frame), .. } => self.take(now, UeInput::Air(frame), out),
            Input::Timer => self.take(now, UeInput::Timer, out),
            _ => Ok(()),
        }
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        self.ue.deadline()
    }
}

/// Takes everything in, and says nothing.
pub struct SilentNode;

impl Node for SilentNode {
    fn handle(&mut self, _: Instant, _: Input, _: &mut Vec<Output>) -> Result<(), WorldError> {
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        None
    }
}

/// What stands behind the gateway: it takes everything in, believes what the network has signed, and says nothing.
pub struct SgiNode {
    /// The public key of the network.
    pub key: [u8; 64],
    pub log: Rc<RefCell<Log>>,
}

impl Node for SgiNode {
    fn handle(&mut self, now: Instant, input: Input, _: &mut Vec<Output>) -> Result<(), WorldError> {
        let Input::Frame { at, payload: Payload::Bytes(bytes), .. } = input else { return Ok(()) };
        match at {
            Iface::Sgi => self.log.borrow_mut().facts.push(Fact::Sgi(bytes)),
            _ => {
                let statement = Statement::verify(&bytes, now.unix_s(), |_| Some(self.key)).unwrap();
                self.log.borrow_mut().session(statement.change);
            }
        }
        Ok(())
    }

    fn deadline(&mut self, _: Instant) -> Option<Instant> {
        None
    }
}
