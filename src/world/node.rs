//! A node: a machine of the bench, as the world sees it.

use super::WorldError;
use super::books::Tell;
use super::conditions::Told;
use super::port::{Iface, Payload, Port, To};
use crate::device::plan::Condition;
use crate::event::{Body, SessionKey};
use crate::kernel::{Gone, Instant};
use crate::services::guard::OperatorAct;
use crate::wire::Label;

/// What happens to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Input {
    /// It is switched on.
    Start,
    /// The association with `peer` is up.
    Linked { at: Iface, peer: Port },
    /// The association with `peer` is lost.
    Unlinked { at: Iface, peer: Port },
    /// A frame has come in on interface `at`.
    Frame { at: Iface, from: Port, payload: Payload },
    /// The moment of [`Node::deadline`] has come.
    Timer,
    /// The moment that it has asked for with [`Output::Resume`] has come.
    Resume,
    /// What became of the condition of [`Output::Await`].
    Told(Told),
    /// An operator wants something done.
    Operator(OperatorAct),
}

/// What a node does, in the order in which it does it. `at` is now, or later where what the node does takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Output {
    /// Sends a frame. With a label it is told as a message; what a node cannot name (the NAS that a base station
    /// passes on) is told by the one who can.
    /// `session` is by what the sender knows the device that the frame is about.
    Send {
        at: Instant,
        from: Port,
        to: To,
        payload: Payload,
        label: Option<Label>,
        session: Option<SessionKey>,
    },
    /// Tells what has happened. `session` is by what the node knows the device that it is about, where the body does
    /// not name one.
    Tell { at: Instant, body: Body, session: Option<SessionKey> },
    /// From now on `key` stands for the device that `session` stands for.
    Known { key: SessionKey, session: SessionKey },
    /// Is busy until `at`, and is to be woken then: unlike a deadline this keeps the run going.
    Resume { at: Instant },
    /// Waits for something that another device does, and wants to be told.
    Await { at: Instant, condition: Condition },
    /// Waits for the work of this number, which somebody does by hand, and wants to be told.
    AwaitWork { at: Instant, work: u16 },
}

impl Output {
    /// Sends a frame of octets now, under its name.
    pub fn frame(now: Instant, from: Port, to: To, bytes: Vec<u8>, label: Label) -> Self {
        let (payload, label) = (Payload::Bytes(bytes), Some(label));
        Self::Send { at: now, from, to, payload, label, session: None }
    }

    /// The same about the device that `key` stands for.
    pub fn about(mut self, key: Option<SessionKey>) -> Self {
        if let Self::Send { session, .. } | Self::Tell { session, .. } = &mut self {
            *session = key;
        }
        self
    }
}

/// A machine of the bench. Machines of the folders below keep their own typed `handle`; a node is an adapter.
pub trait Node {
    /// Takes one input.
    ///
    /// # Errors
    /// Where the bench is at fault. What a peer does wrong is answered in its protocol.
    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) -> Result<(), WorldError>;

    /// When it wants to be woken.
    fn deadline(&mut self, now: Instant) -> Option<Instant>;

    /// Tells what stands in its books.
    fn books(&self, _tell: Tell<'_>) {}

    /// Tells what it has counted, by a name that begins with whose it is. What several nodes count is added up.
    fn counters(&self, _tell: &mut dyn FnMut(String, u64)) {}

    /// Takes it down part by part, and names each part once it is gone.
    fn take_down(self: Box<Self>, gone: Gone<'_>) {
        drop(self);
        gone("other nodes");
    }
}
