//! What people do by hand in a scenario, and who they are.

use std::collections::BTreeSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Between, Entry, Scenario};
use crate::lab::diagnostic::suggest;
use crate::lab::document::Document;
use crate::world::desk::{Estimate, Staff, Work};

/// People who do the same work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffSection {
    /// What they are.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]{0,31}$"))]
    pub name: String,
    /// How many there are. Each does one thing at a time.
    #[serde(default = "StaffSection::default_count")]
    #[schemars(range(min = 1, max = 1_000))]
    pub count: u32,
}

impl StaffSection {
    fn default_count() -> u32 {
        1
    }

    /// The same for a run.
    pub fn people(&self) -> Staff {
        Staff { name: self.name.as_str().into(), count: self.count }
    }
}

/// Something that is done by hand: how long it takes is drawn for each device from a triangular distribution.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkSection {
    /// What it is: `steps` ask for it by this name.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]{0,31}$"))]
    pub name: String,
    /// Who does it: the `name` of a `staff`.
    pub by: String,
    /// How long it takes at least, in seconds of working time.
    #[schemars(range(min = 0, max = 604_800))]
    pub low_s: u32,
    /// How long it takes most often, in seconds.
    #[schemars(range(min = 0, max = 604_800))]
    pub usual_s: u32,
    /// How long it takes at most, in seconds.
    #[schemars(range(min = 1, max = 604_800))]
    pub high_s: u32,
    /// How often it goes wrong and is done again, in a thousand. Default: never.
    #[serde(default)]
    #[schemars(range(max = 900))]
    pub again_permille: u16,
    /// With `true` it is done once for all devices, when the first of them asks.
    #[serde(default)]
    pub once: bool,
    /// Where the durations are from.
    #[schemars(length(min = 1))]
    pub source: String,
}

impl WorkSection {
    /// How long it takes.
    pub fn takes(&self) -> Estimate {
        let [low, usual, high] =
            [self.low_s, self.usual_s, self.high_s].map(|seconds| Duration::from_secs(seconds.into()));
        Estimate { low, usual, high }
    }
}

impl Scenario {
    /// What is done by hand, for a run.
    pub fn works(&self) -> Vec<Work> {
        let by = |name: &str| self.staff.iter().position(|staff| staff.name == name);
        let work = |one: &WorkSection| Work {
            name: one.name.as_str().into(),
            // A name that nobody has is refused where the scenario is read.
            by: by(&one.by).unwrap_or(usize::MAX),
            takes: one.takes(),
            again_permille: one.again_permille,
            once: one.once,
        };
        self.work.iter().map(work).collect()
    }

    /// The number of the work called `name`.
    pub(super) fn work_number(&self, name: &str) -> Option<u16> {
        self.work.iter().position(|work| work.name == name)?.try_into().ok()
    }
}

/// Notes what is wrong with the work in `document`.
pub(super) fn check(scenario: &Scenario, document: &mut Document<'_>) {
    let mut names = BTreeSet::new();
    for (i, staff) in scenario.staff.iter().enumerate() {
        if !names.insert(&staff.name) {
            let span = document.root().key("staff").item(i).key("name").span();
            document.problem(span, format!("staff `{}` stands twice", staff.name), "the second", None);
        }
    }
    let mut works = BTreeSet::new();
    for (i, work) in scenario.work.iter().enumerate() {
        let span = |document: &Document<'_>, key| document.root().key("work").item(i).key(key).span();
        if !works.insert(&work.name) {
            let span = span(document, "name");
            document.problem(span, format!("work `{}` stands twice", work.name), "the second", None);
        }
        if !names.contains(&work.by) {
            let known = scenario.staff.iter().map(|staff| staff.name.as_str());
            let help =
                suggest(&work.by, known).unwrap_or_else(|| "add a `[[staff]]` of this name".to_owned());
            let span = span(document, "by");
            document.problem(span, format!("there is no staff `{}`", work.by), "unknown", Some(help));
        }
        if !(work.low_s <= work.usual_s && work.usual_s <= work.high_s) {
            let span = span(document, "usual_s");
            let message = format!(
                "the usual time of {} s is not between {} and {}",
                work.usual_s, work.low_s, work.high_s
            );
            let help = "write `low_s`, `usual_s` and `high_s` in rising order".to_owned();
            document.problem(span, message, "out of order", Some(help));
        }
    }
    for (i, entry) in scenario.steps.iter().enumerate() {
        let Entry::Between(Between { work: Some(name), .. }) = entry else { continue };
        if !works.contains(name) {
            let help = suggest(name, scenario.work.iter().map(|work| work.name.as_str()))
                .unwrap_or_else(|| "add a `[[work]]` of this name".to_owned());
            let span = document.root().key("steps").item(i).key("work").span();
            document.problem(span, format!("there is no work `{name}`"), "unknown", Some(help));
        }
    }
}
