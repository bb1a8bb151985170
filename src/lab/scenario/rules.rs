//! The rules of a scenario that its schema cannot say: what refers to what, and what would never happen.

use std::collections::{BTreeMap, BTreeSet};

use super::names::{device_exists, step_is_run};
use super::{
    DEVICES_MAX, DeviceGroup, Entry, Expectation, ExpectedOutcome, Fault, FaultKind, Scenario, carried,
    guard, makers, operator, order, work,
};
use crate::event::{Step, StepId};
use crate::id::Imsi;
use crate::lab::catalogue::ProfileInfo;
use crate::lab::diagnostic::suggest;
use crate::lab::document::Document;
use crate::wire::Proto;
use crate::wire::Reason;

/// Notes every broken rule in `document`, which `scenario` was read from.
pub(super) fn check(
    scenario: &Scenario,
    document: &mut Document<'_>,
    profiles: &BTreeMap<String, ProfileInfo>,
) {
    order::check(scenario, document);
    if scenario.servers_on_ledger && !scenario.way.is_zero_touch() {
        let span = document.root().key("servers_on_ledger").span();
        let message = "in the traditional way devices know no ledger";
        document.problem(span, message, "nobody asks it", Some("leave it out".to_owned()));
    }
    makers::check(scenario, document);
    esim(scenario, document, profiles);
    let sizes_known = device_groups(scenario, document, profiles);
    if sizes_known {
        identities(scenario, document, profiles);
        clone_profiles(scenario, document);
    }
    if let Some(peer) = &scenario.peer {
        let span = document.root().key("peer").key("device").span();
        device_exists(scenario, document, span, peer.device);
    }
    faults(scenario, document);
    operator::check(scenario, document);
    guard::check(scenario, document);
    work::check(scenario, document);
    expectations(scenario, document);
}

/// Checks that what is about eSIM profiles has an `esim` section to go with, and that its profile exists and takes no
/// identity that a bootstrap profile has.
fn esim(scenario: &Scenario, document: &mut Document<'_>, profiles: &BTreeMap<String, ProfileInfo>) {
    let Some(plan) = &scenario.esim else {
        let help = || Some("add an `[esim]` section with the operational `profile`".to_owned());
        for (i, entry) in scenario.steps.iter().enumerate() {
            let Entry::Step(step) = entry else { continue };
            if !step.is_esim() {
                continue;
            }
            let span = document.root().key("steps").item(i).span();
            let message = format!("step `{}` needs an eSIM profile to come from somewhere", step.name());
            document.problem(span, message, "there is no `esim` section", help());
        }
        for (i, _) in scenario.fault.iter().enumerate().filter(|(_, fault)| fault.kind.is_esim()) {
            let span = document.root().key("fault").item(i).key("kind").span();
            let message = "this fault happens to the download of an eSIM profile";
            document.problem(span, message, "there is no `esim` section", help());
        }
        return;
    };
    let span = document.root().key("esim").key("profile").span();
    let Some(info) = profiles.get(&plan.profile) else {
        let help = suggest(&plan.profile, profiles.keys().map(String::as_str))
            .unwrap_or_else(|| "there is no file in sim-profiles/".to_owned());
        let message = format!("there is no SIM profile `{}`", plan.profile);
        document.problem(span, message, "unknown", Some(help));
        return;
    };
    let count = scenario.device_count().min(DEVICES_MAX);
    let range = |info: &ProfileInfo| Some((info.imsi(0)?, info.imsi(count.max(1) - 1)?));
    let Some((first, last)) = range(info) else {
        let message = format!("profile `{}` runs out of IMSIs before device {count}", plan.profile);
        document.problem(span, message, "too few identities", None);
        return;
    };
    for name in scenario.device.iter().filter_map(|group| group.profile.as_ref()) {
        let Some((from, to)) = profiles.get(name).and_then(range) else { continue };
        if from.as_str().len() == first.as_str().len() && from <= last && first <= to {
            let message = format!("the operational profile has IMSIs that bootstrap profile `{name}` has");
            let help = "take a profile whose `imsi` is further away".to_owned();
            document.problem(span, message, "the same subscribers", Some(help));
            return;
        }
    }
}

/// Checks profile and clone references and the total. False where the sizes make no sense, so that
/// nothing should be computed from them.
fn device_groups(
    scenario: &Scenario,
    document: &mut Document<'_>,
    profiles: &BTreeMap<String, ProfileInfo>,
) -> bool {
    let mut before: u32 = 0;
    for (i, group) in scenario.device.iter().enumerate() {
        let span = |document: &Document<'_>, key| document.root().key("device").item(i).key(key).span();
        match (&group.profile, group.original()) {
            (None, None) => {
                let known = profiles.keys().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
                let help = format!("name a file of sim-profiles/: {known}");
                let span = span(document, "profile");
                document.problem(span, "the device has no `profile`", "it belongs here", Some(help));
            }
            (Some(name), _) if profiles.get(name).is_some_and(|info| info.pin_enabled) => {
                let span = span(document, "profile");
                let message = format!("the cards of `{name}` want PIN1, and a device has nobody to give it");
                let help = format!("write `enabled = false` below `[pin]` of sim-profiles/{name}.toml");
                document.problem(span, message, "PIN1 is enabled", Some(help));
            }
            (Some(name), _) if !profiles.contains_key(name) => {
                let help = suggest(name, profiles.keys().map(String::as_str))
                    .unwrap_or_else(|| "there is no file in sim-profiles/".to_owned());
                let span = span(document, "profile");
                document.problem(span, format!("there is no SIM profile `{name}`"), "unknown", Some(help));
            }
            _ => {}
        }
        let key = if group.card_of.is_some() { "card_of" } else { "clone_of" };
        if group.card_of.is_some() {
            carried::check(scenario, document, i, group);
        }
        if let Some(original) = group.original()
            && !(1..=before).contains(&original)
        {
            let help = match before {
                0 => "put the device that has it first".to_owned(),
                1 => "device 1 is the only one before this".to_owned(),
                _ => format!("the devices before this are 1 to {before}"),
            };
            let span = span(document, key);
            let message = format!("`{key}` is {original}, which is no earlier device");
            document.problem(span, message, "not an earlier device", Some(help));
        }
        before = before.saturating_add(group.count);
        if before > DEVICES_MAX {
            let span = span(document, "count");
            let message = format!("the scenario has more than {DEVICES_MAX} devices");
            document.problem(span, message, "too many with this group", None);
            return false;
        }
    }
    true
}

/// Checks that every card that is not a clone has an IMSI, and one of its own.
fn identities(scenario: &Scenario, document: &mut Document<'_>, profiles: &BTreeMap<String, ProfileInfo>) {
    let mut taken: BTreeMap<Imsi, (usize, &str)> = BTreeMap::new();
    let mut used: BTreeMap<&str, u32> = BTreeMap::new();
    for (i, group) in scenario.device.iter().enumerate() {
        let Some((name, info)) = own_profile(group, profiles) else { continue };
        let first = used.entry(name).or_default();
        let span = document.root().key("device").item(i).key("profile").span();
        for index in *first..*first + group.count {
            let Some(imsi) = info.imsi(index) else {
                let message = format!("profile `{name}` runs out of IMSIs at its card {}", index + 1);
                let help = match info.listed.len() {
                    0 => format!("it starts at {}", info.base_imsi),
                    cards => format!("its table has {cards} cards"),
                };
                document.problem(span, message, "too many cards of this profile", Some(help));
                break;
            };
            if let Some((group, other)) = taken.get(&imsi) {
                let message = format!("IMSI {imsi} would belong to two devices");
                let help = format!(
                    "profile `{other}` of device group {} reaches it too; use fewer devices, another profile, \
                     or `clone_of` for a clone on purpose",
                    group + 1
                );
                document.problem(span, message, "this profile reaches it", Some(help));
                break;
            }
            taken.insert(imsi, (i, name));
        }
        *first += group.count;
    }
}

/// Checks that a clone which names a profile names that of its original.
fn clone_profiles(scenario: &Scenario, document: &mut Document<'_>) {
    let devices = scenario.devices();
    for (i, group) in scenario.device.iter().enumerate() {
        let original = group.original().and_then(|n| devices.get((n as usize).checked_sub(1)?));
        if let (Some(name), Some(original)) = (&group.profile, original)
            && **name != *original.profile
        {
            let span = document.root().key("device").item(i).key("profile").span();
            let message = format!("the card of device {} cannot be of profile `{name}`", original.number);
            let help = format!("leave `profile` out, or say \"{}\" as the original does", original.profile);
            document.problem(span, message, "not the original's profile", Some(help));
        }
    }
}

fn own_profile<'a>(
    group: &DeviceGroup,
    profiles: &'a BTreeMap<String, ProfileInfo>,
) -> Option<(&'a str, &'a ProfileInfo)> {
    let name = group.profile.as_ref().filter(|_| group.original().is_none())?;
    profiles.get_key_value(name).map(|(name, info)| (name.as_str(), info))
}

fn faults(scenario: &Scenario, document: &mut Document<'_>) {
    let (mut faulty, mut cuts) = (BTreeSet::new(), BTreeSet::new());
    for (i, fault) in scenario.fault.iter().enumerate() {
        let span = document.root().key("fault").item(i).key("device").span();
        if !device_exists(scenario, document, span.clone(), fault.device) {
            continue;
        }
        power_cut(scenario, document, i, fault);
        if fault.kind == FaultKind::PowerCut {
            if !cuts.insert((fault.device, fault.step.map(Step::name), fault.nth.unwrap_or(1))) {
                let message = format!("device {} has two power cuts in one step", fault.device);
                let help = "leave one out, or say another `nth`".to_owned();
                document.problem(span, message, "the second", Some(help));
            }
            continue;
        }
        if fault.kind == FaultKind::CardNoOtaKeys && scenario.esim.is_some() {
            let span = document.root().key("fault").item(i).key("kind").span();
            let message = "this fault is of a card that was personalised with its keys, and here they come with a profile";
            let help = "take a scenario without an `esim` section".to_owned();
            document.problem(span, message, "there is an `esim` section", Some(help));
        }
        if fault.kind.of_update().is_some() && scenario.update.is_none() {
            let span = document.root().key("fault").item(i).key("kind").span();
            let message = "this fault is of an update, and nobody offers one";
            let help = "write `[update]`, or take another fault".to_owned();
            document.problem(span, message, "there is no `update` section", Some(help));
        }
        if !faulty.insert(fault.device) {
            let message = format!("device {} has two faults", fault.device);
            let help = "one fault per device: use another device for the other one".to_owned();
            document.problem(span, message, "the second", Some(help));
        }
    }
}

/// Checks that a power cut says in which step, that the step is run, and that no other fault speaks of steps.
fn power_cut(scenario: &Scenario, document: &mut Document<'_>, i: usize, fault: &Fault) {
    let span = |document: &Document<'_>, key| document.root().key("fault").item(i).key(key).span();
    if fault.kind != FaultKind::PowerCut {
        let said = [
            ("step", fault.step.is_some()),
            ("nth", fault.nth.is_some()),
            ("after_messages", fault.after_messages.is_some()),
        ];
        for (key, _) in said.into_iter().filter(|(_, said)| *said) {
            let span = span(document, key);
            let message = format!("`{key}` goes with kind = \"power-cut\" only");
            document.problem(span, message, "here", Some("leave it out".to_owned()));
        }
        return;
    }
    match fault.power_cut() {
        Some(cut) => {
            let key = if fault.nth.is_some() { "nth" } else { "step" };
            let span = span(document, key);
            step_is_run(scenario, document, span, cut.step);
        }
        None => {
            let help = "say in the middle of which step, as in step = \"register\"".to_owned();
            let span = span(document, "kind");
            document.problem(span, "`power-cut` lacks its `step`", "this fault", Some(help));
        }
    }
}

fn expectations(scenario: &Scenario, document: &mut Document<'_>) {
    let mut said = BTreeSet::new();
    for (i, expect) in scenario.expect.iter().enumerate() {
        if let Some(number) = expect.device {
            let span = document.root().key("expect").item(i).key("device").span();
            device_exists(scenario, document, span, number);
        }
        match (&expect.step, &expect.seen) {
            (Some(step), None) => {
                step_expectation(scenario, document, i, expect, *step);
                if !said.insert((expect.device, step.name(), expect.nth)) {
                    let span = document.root().key("expect").item(i).key("step").span();
                    let time = expect.nth.map(|nth| format!(" for time {nth}")).unwrap_or_default();
                    let message = format!("step `{}` is already spoken of{time}", step.name());
                    document.problem(span, message, "the second time for the same device", None);
                }
            }
            (None, Some(seen)) => seen_expectation(document, i, expect, seen),
            (found, _) => {
                let span = document.root().key("expect").item(i).span();
                let message = match found {
                    None => "the expectation says neither `step` nor `seen`",
                    Some(_) => "the expectation says both `step` and `seen`",
                };
                let help = "write two expectations, one with `step` and `outcome`, one with `seen`";
                let help = found.map_or("write `step` and `outcome`, or `seen`", |_| help);
                document.problem(span, message, "this expectation", Some(help.to_owned()));
            }
        }
    }
}

fn step_expectation(
    scenario: &Scenario,
    document: &mut Document<'_>,
    i: usize,
    expect: &Expectation,
    step: Step,
) {
    let span = |document: &Document<'_>, key| document.root().key("expect").item(i).key(key).span();
    let key = if expect.nth.is_some() { "nth" } else { "step" };
    let place = span(document, key);
    step_is_run(scenario, document, place, StepId { step, nth: expect.nth.unwrap_or(1) });
    let (message, help) = match (expect.outcome, &expect.reason) {
        (None, _) => ("the expectation lacks `outcome`", "say done, refused or not-reached"),
        (Some(ExpectedOutcome::Refused), None) => (
            "`refused` lacks its `reason`",
            "name the stable word of the refusal, as in reason = \"emm-cause-8\"",
        ),
        (Some(ExpectedOutcome::Done | ExpectedOutcome::NotReached), Some(_)) => {
            ("`reason` goes with outcome = \"refused\" only", "leave it out, or expect a refusal")
        }
        (_, Some(reason)) if !Reason::of(reason).is_known() => {
            let span = span(document, "reason");
            let help = suggest(reason, Reason::words());
            document.problem(span, "no refusal has this reason", "unknown", help);
            return;
        }
        _ => return,
    };
    let key = if expect.reason.is_some() { "reason" } else { "outcome" };
    let span = span(document, key);
    document.problem(span, message, "here", Some(help.to_owned()));
}

fn seen_expectation(document: &mut Document<'_>, i: usize, expect: &Expectation, seen: &str) {
    let here = |document: &Document<'_>, key| document.root().key("expect").item(i).key(key).span();
    let of_steps = [
        ("outcome", expect.outcome.is_some()),
        ("reason", expect.reason.is_some()),
        ("nth", expect.nth.is_some()),
    ];
    if let Some((key, _)) = of_steps.into_iter().find(|(_, said)| *said) {
        let span = here(document, key);
        document.problem(span, format!("`{key}` does not go with `seen`"), "leave it out", None);
    }
    let span = here(document, "seen");
    let known = || Proto::ALL.map(Proto::name);
    let help = match seen.split_once(' ') {
        Some((proto, name)) if known().contains(&proto) && !name.trim().is_empty() => return,
        Some((proto, _)) if !known().contains(&proto) => suggest(proto, known()),
        _ => Some("write the protocol and the message's name, as in \"EMM Attach Reject\"".to_owned()),
    };
    document.problem(span, format!("\"{seen}\" names no message"), "protocol and name wanted", help);
}
