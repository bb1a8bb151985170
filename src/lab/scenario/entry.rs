//! What stands in the list of steps of a scenario.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Assault;
use crate::event::{Step, StepId};

/// One entry of `steps`: the name of a step, or what stands between two steps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Entry {
    /// A step.
    Step(Step),
    /// What stands between two steps.
    Between(Between),
}

impl Entry {
    /// The attack that it is, if it is one.
    pub fn attack(&self) -> Option<&Assault> {
        match self {
            Self::Step(_) => None,
            Self::Between(between) => between.attack.as_ref(),
        }
    }
}

/// What stands between two steps: one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// How long the device does nothing of its own accord, in virtual milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub wait_ms: Option<u32>,
    /// With `true`, the battery is pulled out and put back: of modem, IP stack and application nothing is left, and of
    /// the card what it has written down. The device is detached then.
    pub power_cut: Option<bool>,
    /// The device goes on when this is so. A device does not wait for itself.
    pub until: Option<Until>,
    /// One device turns bad.
    pub attack: Option<Assault>,
    /// Somebody does this by hand, and the device goes on when it is done: the `name` of a `work`.
    pub work: Option<String>,
}

/// What a device waits for: that another one has done a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The number of the other device.
    pub device: u32,
    /// The step that it must have done.
    pub step: Step,
    /// Which time, from 1. Default: the first.
    #[schemars(range(min = 1))]
    pub nth: Option<u16>,
}

impl Until {
    /// The step that the other device must have done.
    pub fn id(&self) -> StepId {
        StepId { step: self.step, nth: self.nth.unwrap_or(1) }
    }
}
