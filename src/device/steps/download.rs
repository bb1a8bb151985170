//! The `download` step: the IPA gets the operational profile onto the card.

use super::{DeviceContext, Flow, Task};
use crate::device::{DeviceError, DeviceOutput};
use crate::event::Step;
use crate::wire::Reason;

pub(super) struct Download;

impl Task for Download {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        assist(Step::Download, cx, out)
    }
}

/// Lets the IPA, which stays the same from one step to the next, do what can be done now for `step`.
pub(super) fn assist(
    step: Step,
    cx: &mut DeviceContext<'_>,
    out: &mut Vec<DeviceOutput>,
) -> Result<Flow, DeviceError> {
    let Some(assistant) = cx.assistant.as_deref_mut() else {
        return Err(DeviceError::refused(Reason::NoEuicc, "the card of this device is no eUICC"));
    };
    match cx.host.as_deref_mut() {
        Some(host) => assistant.poll(cx.now, step, cx.application, host, out),
        None => Ok(Flow::Waiting),
    }
}
