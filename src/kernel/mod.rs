//! Virtual time, the event queue, alarms and the tree of randomness.

mod alarm;
mod queue;
mod rng;
mod time;

pub use alarm::{Alarm, Ring};
pub use queue::Queue;
pub use rng::RngTree;
#[cfg(test)]
pub use rng::watch;
pub use std::time::Duration;
pub use time::{EPOCH_UNIX_S, Instant};
