//! Rules: what is to happen to eUICCs that nobody has ordered anything for. This is what makes a device ready
//! without anybody touching it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::{EuiccRecord, RuleStep, WorkKind};
use crate::id::Eid;
use crate::wire::bcd;
use crate::wire::rsp::iot::{DownloadTrigger, EuiccPackage, Psmo};

/// What is to happen to the eUICCs whose EIDs begin so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The first digits of the EIDs; empty for all.
    pub eid_prefix: String,
    /// What is done, one after another.
    pub steps: Vec<RuleStep>,
}

impl Rule {
    /// The usual one: download, enable with a way back, list.
    pub fn zero_touch(eid_prefix: &str, download: RuleStep) -> Self {
        let steps = vec![download, RuleStep::Enable { rollback: true }, RuleStep::List];
        Self { eid_prefix: eid_prefix.to_owned(), steps }
    }
}

/// Rules in the order in which they were added, found by the digits that EIDs begin with.
#[derive(Default)]
pub(super) struct Rules {
    rules: Vec<Rule>,
    /// The first rule of each prefix: a later one with the same prefix never counts.
    first: BTreeMap<String, usize>,
}

impl Rules {
    pub(super) fn push(&mut self, rule: Rule) {
        self.first.entry(rule.eid_prefix.clone()).or_insert(self.rules.len());
        self.rules.push(rule);
    }

    /// The first rule that fits an EID. Looks once for each of its digits, however many rules there are.
    pub(super) fn for_eid(&self, eid: &Eid) -> Option<&Rule> {
        let prefixes = (0..=eid.as_str().len()).filter_map(|end| eid.as_str().get(..end));
        let first = prefixes.filter_map(|prefix| self.first.get(prefix)).min()?;
        self.rules.get(*first)
    }
}

impl EuiccRecord {
    /// Begins the next step of the rule where nothing else is to be done.
    pub(super) fn next_step(&mut self) {
        if !self.queue.is_empty() || self.under_way().next().is_some() {
            return;
        }
        let Some(step) = self.steps.pop_front() else { return };
        let download = |trigger, hidden| WorkKind::Download { trigger, hidden };
        let kind = match step {
            RuleStep::DownloadByCode { code, hidden } => {
                download(DownloadTrigger::ActivationCode(code), hidden)
            }
            RuleStep::DownloadFromDefault => download(DownloadTrigger::DefaultSmdp, false),
            RuleStep::DownloadBySmds { address } => download(DownloadTrigger::Smds(address), false),
            RuleStep::Enable { rollback } => {
                let Some(iccid) = &self.installed else {
                    // Nothing is known to enable: the rule ends, and says so.
                    self.steps.clear();
                    return;
                };
                let iccid = bcd::iccid(iccid);
                WorkKind::Package(EuiccPackage::Psmo(vec![Psmo::Enable { iccid, rollback }]))
            }
            RuleStep::List => WorkKind::list(),
        };
        self.push(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let eid: Eid = "89049032123451234512345678901235".parse().unwrap();
        let other: Eid = eid.plus(1).unwrap();
        let rule = |prefix: &str, name: &str| {
            Rule::zero_touch(prefix, RuleStep::DownloadByCode { code: name.to_owned(), hidden: false })
        };
        let code = |rules: &Rules, eid: &Eid| {
            rules.for_eid(eid).map(|rule| match &rule.steps[0] {
                RuleStep::DownloadByCode { code, .. } => code.clone(),
                step => panic!("{step:?}"),
            })
        };
        let mut rules = Rules::default();
        assert_eq!(code(&rules, &eid), None);
        rules.push(rule("1", "none"));
        assert_eq!(code(&rules, &eid), None);
        rules.push(rule(eid.as_str(), "one"));
        rules.push(rule("890", "some"));
        rules.push(rule("", "all"));
        rules.push(rule("890", "too late"));
        assert_eq!(code(&rules, &eid).as_deref(), Some("one"));
        assert_eq!(code(&rules, &other).as_deref(), Some("some"));
    }
}
