//! A device as a node: what its card computes takes time, and whatever follows a card exchange happens after it.

use std::collections::VecDeque;

use crate::card::{CardHandle, CardModel, CardUser, Exchange, StoreDataChain};
use crate::device::procedure::Holdings;
use crate::device::{Device, DeviceInput, DeviceOutput};
use crate::event::{Actor, Body, Message, SessionKey, StateChange};
use crate::kernel::Instant;
use crate::wire::Namer;
use crate::world::WorldError;
use crate::world::books::{Fact, Octets};
use crate::world::conditions::Told;
use crate::world::node::{Input, Node, Output};
use crate::world::port::{Iface, Payload, Port, To};

/// A device that is under way.
pub struct DeviceNode {
    number: u32,
    device: Device,
    /// The number of the device that its card was given to: its own, but for a card that was carried on.
    card_owner: u32,
    namer: Namer,
    card: CardModel,
    /// What the card is taking in.
    chain: StoreDataChain,
    /// What came while the card was busy.
    inbox: VecDeque<DeviceInput>,
    busy_until: Instant,
    /// When the step that runs began.
    step_began: Instant,
    scratch: Vec<DeviceOutput>,
}

impl DeviceNode {
    /// Device `number`, which is switched off.
    pub fn new(number: u32, device: Device) -> Self {
        Self {
            number,
            device,
            card_owner: number,
            namer: Namer::default(),
            card: CardModel::default(),
            chain: StoreDataChain::default(),
            inbox: VecDeque::new(),
            busy_until: Instant::ZERO,
            step_began: Instant::ZERO,
            scratch: Vec::new(),
        }
    }

    /// The same with a card that was given to device `owner`.
    #[must_use]
    pub fn with_card_of(self, owner: u32) -> Self {
        Self { card_owner: owner, ..self }
    }

    /// Whether it is through with its procedure, and its card with the last command.
    pub fn is_through(&self, now: Instant) -> bool {
        self.device.finished() && self.busy_until <= now
    }

    /// Its card, which somebody takes out of it.
    pub fn take_card(self) -> CardHandle {
        self.device.take_card()
    }

    /// What its card holds.
    pub fn card(&mut self) -> Fact {
        let Holdings { public_key, certificate } = self.device.holdings();
        Fact::Card {
            device: self.card_owner,
            public_key: public_key.map(Octets),
            certificate: certificate.map(Octets),
        }
    }

    /// Carries what the device put out.
    fn put(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut at = now;
        let mut outputs = std::mem::take(&mut self.scratch);
        for output in outputs.drain(..) {
            match output {
                DeviceOutput::Air(frame) => out.push(self.radio(at, To::Serving, Payload::Up(frame))),
                DeviceOutput::SelectCell => out.push(self.radio(at, To::Cells, Payload::Search)),
                DeviceOutput::Event(body) => out.push(Output::Tell { at, body, session: None }),
                DeviceOutput::Subscriber(imsi) => {
                    let (key, session) = (SessionKey::Subscriber(imsi), SessionKey::Device(self.number));
                    out.push(Output::Known { key, session });
                }
                DeviceOutput::Card(exchange) => at = self.exchange(at, exchange, out),
                DeviceOutput::StepStarted(step) => {
                    self.step_began = at;
                    let body = Body::StepStarted { device: self.number, step };
                    out.push(Output::Tell { at, body, session: None });
                }
                DeviceOutput::StepEnded(step, outcome) => {
                    let took = at.since(self.step_began);
                    let body = Body::StepEnded { device: self.number, step, took, outcome };
                    out.push(Output::Tell { at, body, session: None });
                }
                DeviceOutput::Awaits(condition) => out.push(Output::Await { at, condition }),
                DeviceOutput::AwaitsWork(work) => out.push(Output::AwaitWork { at, work }),
            }
        }
        self.scratch = outputs;
        if at > now {
            self.busy_until = at;
            out.push(Output::Resume { at });
        }
    }

    /// What the device does on its radio.
    fn radio(&self, at: Instant, to: To, payload: Payload) -> Output {
        let from = Port::new(Actor::ue(self.number), Iface::Uu);
        Output::Send { at, from, to, payload, label: None, session: None }
    }

    /// A card exchange that begins at `at`; returns when the card is through.
    fn exchange(&mut self, at: Instant, exchange: Exchange, out: &mut Vec<Output>) -> Instant {
        let until = at + self.card.exchange(&mut self.chain, &exchange);
        let Exchange { by, command, response, refused, .. } = exchange;
        let from = match by {
            CardUser::Modem => Actor::ue(self.number),
            CardUser::Application => Actor::device(self.number),
        };
        let (asked, answered) = self.namer.describe(&command, &response);
        let card = Actor::card(self.number);
        let body = Body::Message(Message { from, to: card, label: asked, bytes: command });
        out.push(Output::Tell { at, body, session: None });
        let body = Body::Message(Message { from: card, to: from, label: answered, bytes: response });
        out.push(Output::Tell { at: until, body, session: None });
        for refusal in refused {
            let change = format!("{} refused", refusal.function).into();
            let fields = vec![("reason", refusal.name.to_owned()), ("detail", refusal.text)];
            let body = Body::State(StateChange { actor: card, machine: "", change, fields });
            out.push(Output::Tell { at: until, body, session: None });
        }
        until
    }
}

impl Node for DeviceNode {
    /// Lets the device take in what has come, until its card is busy or its inbox is empty.
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError> {
        match input {
            Input::Start => self.inbox.push_back(DeviceInput::PowerOn),
            Input::Frame { at: Iface::Uu, payload: Payload::Down(frame), .. } => {
                self.inbox.push_back(DeviceInput::Air(frame));
            }
            Input::Timer => self.inbox.push_back(DeviceInput::Timer),
            Input::Told(Told::Met) => self.inbox.push_back(DeviceInput::GoOn),
            Input::Told(Told::InVain) => self.inbox.push_back(DeviceInput::InVain),
            _ => {}
        }
        while self.busy_until <= now
            && let Some(input) = self.inbox.pop_front()
        {
            let result = self.device.handle(now, input, &mut self.scratch);
            self.put(now, out);
            result?;
        }
        Ok(())
    }

    /// None while the card is busy: the node has asked to be resumed then.
    fn deadline(&mut self, now: Instant) -> Option<Instant> {
        if self.busy_until > now { None } else { self.device.deadline(now) }
    }
}
