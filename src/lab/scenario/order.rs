//! The order of a scenario's steps: any that makes sense. What a device could never do at that point is refused.

use super::names::{device_exists, step_is_run};
use super::{Between, Entry, Scenario};
use crate::device::plan::Act;
use crate::event::Step;
use crate::lab::document::Document;

/// Pairs of steps of which the second makes no sense before the first, where a scenario has both.
const FIRST_AND_THEN: [(Step, Step); 7] = [
    (Step::Download, Step::Enable),
    // Each profile has an applet of its own: a key that was made before would be in another one.
    (Step::Enable, Step::Keys),
    (Step::Keys, Step::Register),
    (Step::Keys, Step::Enrol),
    (Step::Register, Step::Enrol),
    (Step::Enrol, Step::Ready),
    (Step::Enrol, Step::Update),
];

/// Steps that need a ledger, or a card that is more than a SIM.
const NOT_TRADITIONAL: [Step; 4] = [Step::Download, Step::Enable, Step::Register, Step::Update];

/// Notes every entry of `steps` in `document` that could never be done where it stands.
pub(super) fn check(scenario: &Scenario, document: &mut Document<'_>) {
    let mut attached = false;
    let mut before: Vec<Step> = Vec::new();
    for (i, entry) in scenario.steps.iter().enumerate() {
        let step = match entry {
            Entry::Step(step) => *step,
            Entry::Between(between) => {
                attached &= between.power_cut.is_none();
                self::between(scenario, document, i, between);
                continue;
            }
        };
        if let Some((message, label, help)) = wrong(scenario, step, attached, &before) {
            let span = document.root().key("steps").item(i).span();
            document.problem(span, message, label, Some(help));
        }
        attached = match step {
            Step::Attach => true,
            Step::Detach => false,
            _ => attached,
        };
        before.push(step);
    }
    if before.is_empty() {
        let span = document.root().key("steps").span();
        let help = "name at least one, as in \"attach\"".to_owned();
        document.problem(span, "`steps` has no step", "nothing to do", Some(help));
    }
    circle(scenario, document);
}

/// Why `step` makes no sense after the steps in `before`, where to look, and the way out.
fn wrong(
    scenario: &Scenario,
    step: Step,
    attached: bool,
    before: &[Step],
) -> Option<(String, &'static str, String)> {
    let name = step.name();
    let runs = |wanted: Step| scenario.steps.contains(&Entry::Step(wanted));
    let needs_network = !matches!(step, Step::Attach | Step::Detach | Step::Keys);
    let missing = FIRST_AND_THEN
        .into_iter()
        .filter(|(_, then)| *then == step)
        .find(|(first, _)| runs(*first) && !before.contains(first));
    match step {
        Step::Attach if attached => Some((
            "step `attach` comes again while the device is attached".to_owned(),
            "attached already",
            "put `detach` or `{ power_cut = true }` before it".to_owned(),
        )),
        Step::Detach if !attached => Some((
            "step `detach` comes while the device is detached".to_owned(),
            "detached already",
            "put `attach` before it, or leave it out".to_owned(),
        )),
        Step::Download | Step::Enable if before.contains(&step) => Some((
            format!("step `{name}` stands twice"),
            "the second",
            "a device has one operational profile: leave it out".to_owned(),
        )),
        Step::Ready | Step::Update if !runs(Step::Enrol) => Some((
            format!("step `{name}` comes without `enrol`"),
            "no certificate to show",
            "put `enrol` before it, or leave it out".to_owned(),
        )),
        _ if !scenario.way.is_zero_touch() && NOT_TRADITIONAL.contains(&step) => Some((
            format!("step `{name}` is none of the traditional way"),
            "of the zero-touch way",
            "leave it out, or leave `way` out".to_owned(),
        )),
        Step::Update if scenario.update.is_none() => Some((
            "step `update` comes without an `update` section".to_owned(),
            "nobody offers updates",
            "write `[update]`, or leave the step out".to_owned(),
        )),
        _ if missing.is_some() => missing.map(|(first, _)| {
            (
                format!("step `{name}` cannot come before `{}`", first.name()),
                "out of order",
                format!("put `{}` before it", first.name()),
            )
        }),
        _ if needs_network && !attached => Some((
            format!("step `{name}` needs the network, and the device is detached there"),
            "detached",
            "put `attach` before it".to_owned(),
        )),
        _ => None,
    }
}

/// Checks that what stands between two steps is one thing, and can be.
fn between(scenario: &Scenario, document: &mut Document<'_>, i: usize, between: &Between) {
    let span = |document: &Document<'_>| document.root().key("steps").item(i).span();
    let said = [
        between.wait_ms.is_some(),
        between.power_cut.is_some(),
        between.until.is_some(),
        between.attack.is_some(),
        between.work.is_some(),
    ];
    match said.into_iter().filter(|said| *said).count() {
        1 => {}
        0 => {
            let help = "write wait_ms = 5000, power_cut = true, work = \"insert-sim\", or until = { device = 2, step = \"ready\" }";
            let span = span(document);
            document.problem(span, "the entry says nothing", "this entry", Some(help.to_owned()));
        }
        _ => {
            let help = "write an entry for each, in their order".to_owned();
            let span = span(document);
            document.problem(span, "the entry says two things at once", "this entry", Some(help));
        }
    }
    if between.power_cut == Some(false) {
        let help = "say `true`, or leave the entry out".to_owned();
        let span = document.root().key("steps").item(i).key("power_cut").span();
        document.problem(span, "`power_cut` is false, which says nothing", "here", Some(help));
    }
    let Some(until) = &between.until else { return };
    let place =
        |document: &Document<'_>, key| document.root().key("steps").item(i).key("until").key(key).span();
    let key = place(document, "device");
    device_exists(scenario, document, key, until.device);
    let key = place(document, if until.nth.is_some() { "nth" } else { "step" });
    step_is_run(scenario, document, key, until.id());
}

/// Checks that devices do not wait for each other in a circle: lets all go on as far as they can.
fn circle(scenario: &Scenario, document: &mut Document<'_>) {
    let plan = scenario.plan();
    let mut devices: Vec<u32> =
        plan.iter().filter_map(|act| awaited(*act)).map(|(device, _)| device).collect();
    devices.sort_unstable();
    devices.dedup();
    let reached = |done: usize, place: usize| done > place;
    let mut done = vec![0; devices.len()];
    loop {
        let before = done.clone();
        for (i, device) in devices.iter().enumerate() {
            while let Some(act) = plan.get(done[i]) {
                let waits =
                    awaited(*act).filter(|(other, _)| other != device).is_some_and(|(other, step)| {
                        let place = plan.iter().position(|act| act.step() == Some(step));
                        let other = devices.iter().position(|known| *known == other);
                        // What names no device or step is told elsewhere.
                        place.zip(other).is_some_and(|(place, other)| !reached(done[other], place))
                    });
                if waits {
                    break;
                }
                done[i] += 1;
            }
        }
        if done == before {
            break;
        }
    }
    let stuck = devices.iter().zip(&done).find(|(_, done)| **done < plan.len());
    if let Some((device, place)) = stuck {
        let span = document.root().key("steps").item(*place).span();
        let message = format!("device {device} would wait for ever: the other one waits for it");
        let help = "leave one of the conditions out, or put it after what it is waited for".to_owned();
        document.problem(span, message, "waits here", Some(help));
    }
}

fn awaited(act: Act) -> Option<(u32, crate::event::StepId)> {
    match act {
        Act::Until(condition) => Some((condition.device, condition.step)),
        _ => None,
    }
}
