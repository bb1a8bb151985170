//! The adapters that make nodes of the machines of the folders below.

mod controller;
mod core;
mod device;
mod enb;
mod services;
mod switch;

pub use self::controller::{ControllerNode, Reach, SliceReach};
pub use self::core::CoreNode;
pub use device::DeviceNode;
pub use enb::EnbNode;
pub use services::{ServicesNode, record_of};
pub use switch::SwitchNode;
