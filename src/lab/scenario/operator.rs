//! What operators do in the course of a scenario.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::names::{device_exists, step_is_run};
use super::{Scenario, Until};
use crate::device::plan::Condition;
use crate::lab::document::Document;
use crate::services::guard::{Cause, Deed, OperatorAct};
use crate::world::acts::{PlannedAct, When};

/// Something that an operator does with a device, by a transaction on the ledger. Everybody else follows the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// What is done.
    pub action: Deed,
    /// The number of the device that it is done with.
    pub device: u32,
    /// When, in virtual milliseconds since the start. This or `after`.
    #[schemars(range(max = 86_400_000))]
    pub at_ms: Option<u32>,
    /// After which step of which device. This or `at_ms`.
    pub after: Option<Until>,
    /// Of `after`: how long after the step is done, in virtual milliseconds. Default: at once.
    #[schemars(range(max = 86_400_000))]
    pub delay_ms: Option<u32>,
    /// Why, in the words of RFC 5280. Default: `certificate-hold` of a quarantine, `privilege-withdrawn` of a revocation,
    /// `key-compromise` of a certificate's.
    pub reason: Option<Cause>,
}

impl Operation {
    /// What is done, and when.
    pub fn planned(&self) -> PlannedAct {
        let ms = |ms: Option<u32>| Duration::from_millis(ms.unwrap_or(0).into());
        let when = match &self.after {
            Some(until) => {
                When::After(Condition { device: until.device, step: until.id() }, ms(self.delay_ms))
            }
            None => When::At(ms(self.at_ms)),
        };
        PlannedAct { when, act: OperatorAct { deed: self.action, device: self.device, cause: self.reason } }
    }
}

/// Notes every operation in `document` that could never be done.
pub(super) fn check(scenario: &Scenario, document: &mut Document<'_>) {
    for (i, operation) in scenario.operator.iter().enumerate() {
        let place =
            |document: &Document<'_>, key: &str| document.root().key("operator").item(i).key(key).span();
        let span = place(document, "device");
        device_exists(scenario, document, span, operation.device);
        match (operation.at_ms, &operation.after) {
            (None, Some(until)) => {
                let after = |document: &Document<'_>, key| {
                    document.root().key("operator").item(i).key("after").key(key).span()
                };
                let span = after(document, "device");
                device_exists(scenario, document, span, until.device);
                let span = after(document, if until.nth.is_some() { "nth" } else { "step" });
                step_is_run(scenario, document, span, until.id());
            }
            (Some(_), None) => {
                if operation.delay_ms.is_some() {
                    let span = place(document, "delay_ms");
                    let help = "add it to `at_ms`, or say `after` which step".to_owned();
                    document.problem(span, "`delay_ms` goes with `after` only", "here", Some(help));
                }
            }
            (said, _) => {
                let span = document.root().key("operator").item(i).span();
                let message = match said {
                    None => "the operation says neither `at_ms` nor `after`",
                    Some(_) => "the operation says both `at_ms` and `after`",
                };
                let help = "write at_ms = 4000, or after = { device = 1, step = \"ready\" }".to_owned();
                document.problem(span, message, "this operation", Some(help));
            }
        }
        if operation.reason == Some(Cause::Unspecified) && operation.action == Deed::RevokeCertificate {
            let span = place(document, "reason");
            let help = "say why, as in reason = \"key-compromise\"".to_owned();
            document.problem(span, "a certificate does not end without a reason", "here", Some(help));
        }
    }
}
