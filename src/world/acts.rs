//! What operators do in the course of a run: at a moment, or after a device has done a step.

use std::time::Duration;

use crate::device::plan::Condition;
use crate::event::StepId;
use crate::services::guard::OperatorAct;

/// When an operator acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long after the start of the run.
    At(Duration),
    /// So long after this is so.
    After(Condition, Duration),
}

/// What an operator is to do, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedAct {
    /// When.
    pub when: When,
    /// What.
    pub act: OperatorAct,
}

/// The acts that wait for a device.
#[derive(Debug, Default)]
pub(super) struct Acts(Vec<PlannedAct>);

impl Acts {
    /// Takes the acts of a plan in; those that wait for nobody are returned, each with its moment.
    pub fn plan(&mut self, acts: Vec<PlannedAct>) -> Vec<(Duration, OperatorAct)> {
        let mut timed = Vec::new();
        for planned in acts {
            match planned.when {
                When::At(at) => timed.push((at, planned.act)),
                When::After(..) => self.0.push(planned),
            }
        }
        timed
    }

    /// Device `number` has done `step`. Returns what follows, each with how long after.
    pub fn done(&mut self, number: u32, step: StepId) -> Vec<(Duration, OperatorAct)> {
        let mut due = Vec::new();
        self.0.retain(|planned| match planned.when {
            When::After(condition, delay) if condition == (Condition { device: number, step }) => {
                due.push((delay, planned.act));
                false
            }
            _ => true,
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Step;
    use crate::services::guard::Deed;

    #[test]
    fn an_act_comes_once_and_after_what_it_waits_for() {
        let act = |deed| OperatorAct { deed, device: 1, cause: None };
        let ready = Condition { device: 2, step: StepId::first(Step::Ready) };
        let (after, later) = (Duration::from_millis(5), Duration::from_secs(1));
        let mut acts = Acts::default();
        let timed = acts.plan(vec![
            PlannedAct { when: When::At(later), act: act(Deed::Release) },
            PlannedAct { when: When::After(ready, after), act: act(Deed::Quarantine) },
        ]);
        assert_eq!(timed, [(later, act(Deed::Release))]);
        assert!(acts.done(1, ready.step).is_empty() && acts.done(2, StepId::first(Step::Enrol)).is_empty());
        assert_eq!(acts.done(2, ready.step), [(after, act(Deed::Quarantine))]);
        assert!(acts.done(2, ready.step).is_empty());
    }
}
