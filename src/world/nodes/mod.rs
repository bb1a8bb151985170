//! The adapters that make nodes of the machines of the folders below.

mod core;
mod device;
mod enb;
mod services;

pub use self::core::CoreNode;
pub use device::DeviceNode;
pub use enb::EnbNode;
pub use services::{ServicesNode, record_of};
