//! Virtual time, seeded randomness, the event queue and the models of what is not simulated in bytes.

mod air;
mod alarm;
mod card;
mod queue;
mod rng;
mod time;

pub use air::{AirModel, Lane, Rat};
pub use alarm::{Alarm, Ring};
pub use card::{CardModel, StoreDataChain};
pub use queue::Queue;
pub use rng::RngTree;
pub use std::time::Duration;
pub use time::{EPOCH_UNIX_S, Instant};
