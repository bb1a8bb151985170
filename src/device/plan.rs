//! What a device is to do, as it was told before it was switched on: steps, and what stands between them.

use crate::event::{Step, StepId};
use crate::guard::generator::Attack;
use crate::kernel::Duration;

/// One entry of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A step of the procedure.
    Step(StepId),
    /// The device does nothing of its own accord for so long.
    Wait(Duration),
    /// The battery is pulled out and put back. The modem stays off until a step attaches it.
    PowerCut,
    /// The device waits until it is told that this is so. It cannot see it for itself.
    Until(Condition),
    /// One device turns bad for a while; the others pass over it.
    Assault(Assault),
    /// Somebody does something by hand, and the device waits until it is done: the work of this number.
    Work(u16),
}

/// What a device does that has turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assault {
    /// The number of the device.
    pub device: u32,
    /// What it does.
    pub attack: Attack,
    /// For how long.
    pub time: Duration,
}

/// Something that other devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The number of the device.
    pub device: u32,
    /// What it must have done.
    pub step: StepId,
}

impl Act {
    /// A plan of steps alone, each with which time it is.
    pub fn steps(steps: impl IntoIterator<Item = Step>) -> Vec<Self> {
        StepId::numbered(steps).into_iter().map(Self::Step).collect()
    }

    /// The step, where it is one.
    pub fn step(self) -> Option<StepId> {
        match self {
            Self::Step(id) => Some(id),
            Self::Wait(_) | Self::PowerCut | Self::Until(_) | Self::Assault(_) | Self::Work(_) => None,
        }
    }
}

/// A cut of the power in the middle of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The step in whose middle it is.
    pub step: StepId,
    /// How many messages of the step go through before.
    pub after: u32,
    /// Which messages count.
    pub counted: Counted,
}

/// Which messages a [`Cut`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Answers of the card, and what comes in over the air: RRC messages and IP packets. The last one of the air is
    /// lost with the power.
    Received,
    /// Answers of the card to STORE DATA, which carries a profile into an eUICC.
    StoreData,
}
