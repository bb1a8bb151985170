//! What a device does.

use super::plan::Condition;
use crate::card::{CardHandle, Exchange};
use crate::event::{Body, Outcome, StepId};
use crate::id::Imsi;
use crate::ran::Frame;

/// What a device does, in the order in which it does it.
#[derive(Debug)]
pub enum DeviceOutput {
    /// A frame for the base station of its cell.
    Air(Frame),
    /// It looks for a cell.
    SelectCell,
    /// Something happened that views want to know.
    Event(Body),
    /// The card was busy with this; whatever follows happens after it.
    Card(Exchange),
    /// The card says who its subscriber is.
    Subscriber(Imsi),
    /// A step begins.
    StepStarted(StepId),
    /// A step has ended.
    StepEnded(StepId, Outcome),
    /// The device does nothing until it is told that this is so.
    Awaits(Condition),
    /// The device does nothing until it is told that the work of this number is done.
    AwaitsWork(u16),
}

impl DeviceOutput {
    /// Puts what the card was asked since the last call into its place: behind everything that came before, and ahead
    /// of whatever `out` takes next.
    pub fn of_card(card: &CardHandle, out: &mut Vec<Self>) {
        out.extend(card.take_log().into_iter().map(Self::Card));
    }
}
