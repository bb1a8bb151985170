//! The `attach` step: the modem registers with the network and has an IP session.

use super::{DeviceContext, Flow, Task};
use crate::device::{DeviceError, DeviceOutput};

#[derive(Default)]
pub(super) struct Attach {
    asked: bool,
}

impl Task for Attach {
    fn poll(&mut self, _: &mut DeviceContext<'_>, _: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        Ok(if std::mem::replace(&mut self.asked, true) { Flow::Waiting } else { Flow::Attach })
    }

    fn attached(&mut self, told: &str) -> Option<String> {
        Some(format!("EPS-AKA by the card, {told}"))
    }
}
