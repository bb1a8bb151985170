//! The `enable` step: the eIM has the operational profile enabled, and the modem attaches as its subscriber.

use super::download::assist;
use super::{DeviceContext, Flow, Task};
use crate::device::{DeviceError, DeviceOutput};
use crate::event::Step;

pub(super) struct Enable;

impl Task for Enable {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        assist(Step::Enable, cx, out)
    }
}
