//! Rules about who made what: manufacturers of eUICCs, and models of devices.

use std::collections::BTreeMap;

use super::Scenario;
use crate::device::iot_safe::AppletAid;
use crate::lab::diagnostic::suggest;
use crate::lab::document::Document;

/// Notes every broken rule in `document`, which `scenario` was read from.
pub(super) fn check(scenario: &Scenario, document: &mut Document<'_>) {
    eums(scenario, document);
    devices(scenario, document);
}

fn eums(scenario: &Scenario, document: &mut Document<'_>) {
    let Some(plan) = &scenario.esim else { return };
    let mut trust: BTreeMap<&str, bool> = BTreeMap::new();
    for (i, eum) in plan.eum.iter().enumerate() {
        let span =
            |document: &Document<'_>, key| document.root().key("esim").key("eum").item(i).key(key).span();
        if plan.eum[..i].iter().any(|other| other.name == eum.name) {
            let place = span(document, "name");
            let message = format!("there are two EUMs of the name `{}`", eum.name);
            document.problem(place, message, "the second", Some("call one of them otherwise".to_owned()));
        }
        if eum.svn.is_some() && eum.version().is_none() {
            let place = span(document, "svn");
            let message = "`svn` is no version of SGP.22";
            document.problem(place, message, "here", Some("write three numbers, as in \"2.2.2\"".to_owned()));
        }
        match &eum.ci {
            None if !eum.trusted => {
                let place = span(document, "trusted");
                let message = "the lab's own CI is trusted by its servers";
                document.problem(place, message, "here", Some("name another `ci`".to_owned()));
            }
            Some(ci) if *trust.entry(ci).or_insert(eum.trusted) != eum.trusted => {
                let place = span(document, "ci");
                let message = format!("CI `{ci}` is trusted for one EUM and not for another");
                let help = "say the same `trusted` wherever this CI is named".to_owned();
                document.problem(place, message, "the second that names it", Some(help));
            }
            _ => {}
        }
    }
}

fn devices(scenario: &Scenario, document: &mut Document<'_>) {
    let known = || scenario.esim.iter().flat_map(|plan| plan.eum.iter().map(|eum| eum.name.as_str()));
    for (i, group) in scenario.device.iter().enumerate() {
        let span = |document: &Document<'_>, key| document.root().key("device").item(i).key(key).span();
        if let Some(name) = group.eum.as_deref().filter(|name| !known().any(|eum| eum == *name)) {
            let place = span(document, "eum");
            let help = suggest(name, known())
                .unwrap_or_else(|| format!("describe it: [[esim.eum]] with name = \"{name}\""));
            document.problem(place, format!("there is no EUM `{name}`"), "unknown", Some(help));
        }
        if scenario.esim.is_some() && group.iot_safe.aid != AppletAid::Gsma {
            let place = document.root().key("device").item(i).key("iot_safe").key("aid").span();
            let message = "the applet of an operational profile has the AID of the GSMA alone";
            let help = "leave `aid` out, or take a scenario without an `esim` section".to_owned();
            document.problem(place, message, "there is an `esim` section", Some(help));
        }
        let fits = |model: &str| {
            (1..=32).contains(&model.len())
                && model.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if group.model.as_deref().is_some_and(|model| !fits(model)) {
            let place = span(document, "model");
            let help = "1 to 32 letters, digits, dots, hyphens and underscores".to_owned();
            document.problem(place, "`model` cannot be recorded", "here", Some(help));
        }
    }
}
