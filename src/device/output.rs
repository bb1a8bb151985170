//! What a device does.

use super::plan::Condition;
use crate::card::Exchange;
use crate::event::{Actor, Body, Outcome, StepId};
use crate::ran::Uplink;

/// What a device does, in the order in which it does it.
#[derive(Debug)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum DeviceOutput {
    /// A message for the base station.
    Air(Uplink),
    /// Something happened that views want to know.
    Event(Body),
    /// The card was busy with this; whatever follows happens after it.
    Card { from: Actor, exchange: Exchange },
    /// A step begins.
    StepStarted(StepId),
    /// A step has ended.
    StepEnded(StepId, Outcome),
    /// The device does nothing until it is told that this is so.
    Awaits(Condition),
}
