//! Rules: what is to happen to eUICCs that nobody has ordered anything for. This is what makes a device ready
//! without anybody touching it.

use serde::{Deserialize, Serialize};

use super::record::{EuiccRecord, WorkKind};
use crate::id::{Eid, Iccid};
use crate::wire::bcd;
use crate::wire::rsp::iot::{DownloadTrigger, EuiccPackage, Psmo};

/// One step of a rule. The next one is begun when the one before has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum RuleStep {
    /// Downloads by the activation code.
    DownloadByCode { code: String, hidden: bool },
    /// Downloads from the SM-DP+ that the eUICC holds.
    DownloadFromDefault,
    /// Downloads what the SM-DS knows; the root one where none is named.
    DownloadBySmds { address: Option<String> },
    /// Enables what was downloaded last.
    Enable { rollback: bool },
    /// Lists the profiles.
    List,
}

/// What is to happen to the eUICCs whose EIDs begin so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The first digits of the EIDs; empty for all.
    pub eid_prefix: String,
    pub steps: Vec<RuleStep>,
}

impl Rule {
    /// The usual one: download, enable with a way back, list.
    pub fn zero_touch(eid_prefix: &str, download: RuleStep) -> Self {
        let steps = vec![download, RuleStep::Enable { rollback: true }, RuleStep::List];
        Self { eid_prefix: eid_prefix.to_owned(), steps }
    }

    pub(super) fn fits(&self, eid: &Eid) -> bool {
        eid.as_str().starts_with(&self.eid_prefix)
    }
}

impl EuiccRecord {
    /// Begins the next step of the rule where nothing else is to be done.
    pub(super) fn next_step(&mut self, downloaded: Option<&Iccid>) {
        if !self.queue.is_empty() || self.out.is_some() {
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
                let Some(iccid) = downloaded else {
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
