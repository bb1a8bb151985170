//! Virtual time, the event queue, alarms, the tree of randomness, whose fault an error is, and text that is safe to show.

mod alarm;
mod blame;
mod gone;
mod queue;
mod rng;
pub mod text;
mod time;

pub use alarm::{Alarm, Restless, Ring};
pub use blame::Blame;
pub use gone::Gone;
pub use queue::Queue;
#[cfg(test)]
pub use rng::watch;
pub use rng::{Origin, RngTree, ServedRng};
pub use std::time::Duration;
pub use text::Page;
pub use time::{EPOCH_UNIX_S, Instant};
