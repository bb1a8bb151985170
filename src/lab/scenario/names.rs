//! What a scenario may name: the devices and the steps that it has.

use super::Scenario;
use crate::event::StepId;
use crate::lab::document::Document;

/// Checks that the devices do this step, and that often.
pub(super) fn step_is_run(
    scenario: &Scenario,
    document: &mut Document<'_>,
    span: std::ops::Range<usize>,
    id: StepId,
) -> bool {
    let ids = scenario.step_ids();
    if ids.contains(&id) {
        return true;
    }
    let times = ids.iter().filter(|known| known.step == id.step).count();
    let (message, label, help) = match times {
        0 => {
            let steps = ids.iter().map(StepId::to_string).collect::<Vec<_>>().join(", ");
            let message = format!("step `{}` is not run", id.step.name());
            (message, "not among `steps`", format!("the steps are {steps}"))
        }
        1 => (format!("step `{}` is run once", id.step.name()), "no such time", "leave `nth` out".to_owned()),
        _ => {
            let message = format!("step `{}` is run {times} times", id.step.name());
            (message, "no such time", format!("say 1 to {times}"))
        }
    };
    document.problem(span, message, label, Some(help));
    false
}

/// Checks that the scenario has a device of this number.
pub(super) fn device_exists(
    scenario: &Scenario,
    document: &mut Document<'_>,
    span: std::ops::Range<usize>,
    number: u32,
) -> bool {
    let count = scenario.device_count();
    let exists = (1..=count).contains(&number);
    if !exists {
        let help = match count {
            1 => "the scenario has one device, number 1".to_owned(),
            _ => format!("the scenario's devices are 1 to {count}"),
        };
        document.problem(span, format!("there is no device {number}"), "no such device", Some(help));
    }
    exists
}
