//! The `detach` step: the modem leaves the network, and the device stays on.

use super::{DeviceContext, Flow, Task};
use crate::device::{DeviceError, DeviceOutput};

#[derive(Default)]
pub(super) struct Detach {
    asked: bool,
}

impl Task for Detach {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, _: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        // After a loss of power the modem has to be known to the network again before it can leave it.
        let attached = cx.host.is_some();
        Ok(if !attached || std::mem::replace(&mut self.asked, true) { Flow::Waiting } else { Flow::Detach })
    }

    fn detached(&mut self) -> Option<String> {
        Some("session and context released".to_owned())
    }
}
