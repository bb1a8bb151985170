//! The eSIM side of a scenario: where operational profiles come from, and who made the eUICCs.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::services::esim::{EsimTrigger, EumSetup};
use crate::wire::rsp::Version;

/// How devices get their operational eSIM profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EsimPlan {
    /// The SIM profile that operational profiles are made from: the name of a file in `sim-profiles/`. Device number
    /// `n` gets its card number `n - 1`.
    pub profile: String,
    /// A profile package (DER) in the place of those that cellbed makes: a path below `sim-profiles/`. It gets the
    /// identity and the keys of each subscriber. Such a profile has no IoT SAFE applet: end with `enable` or `detach`.
    pub package: Option<String>,
    /// How the eIM tells a device what to download.
    #[serde(default)]
    pub trigger: EsimTrigger,
    /// Who speaks to the SM-DP+.
    #[serde(default)]
    pub download: EsimDownload,
    /// Whether the operational subscribers are provisioned in the HSS.
    #[serde(default = "default_true")]
    pub subscribed: bool,
    /// Manufacturers of eUICCs, in a hierarchy of certificates of their own. Devices name theirs.
    #[serde(default)]
    pub eum: Vec<EumPlan>,
}

/// Who speaks to the SM-DP+ (SGP.32 clauses 3.2.3.1 and 3.2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EsimDownload {
    /// The device itself.
    #[default]
    Direct,
    /// The eIM, for devices that can afford one connection only.
    Indirect,
}

/// A manufacturer of eUICCs (EUM, SGP.22 clause 2.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EumPlan {
    /// Its name, by which devices name it and which its certificate has as organization.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// The name of the certificate issuer (CI) that certifies it. EUMs that name the same one share it. Default: the
    /// lab's own.
    #[schemars(length(min = 1, max = 64))]
    pub ci: Option<String>,
    /// Whether SM-DP+ and SM-DS trust that CI and have certificates of it. The eIM takes every eUICC of the scenario: its
    /// owner knows them.
    #[serde(default = "default_true")]
    pub trusted: bool,
    /// Whether the CI has revoked the EUM's certificate before the run begins.
    #[serde(default)]
    pub revoked: bool,
    /// The version of SGP.22 that its eUICCs say they support, as in `2.2.2`. Default: the newest that is implemented.
    #[schemars(regex(pattern = "^[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}$"))]
    pub svn: Option<String>,
}

impl EumPlan {
    /// The version that it names; `None` where it names none, or none that can be read.
    pub fn version(&self) -> Option<Version> {
        let numbers: Vec<u8> = self.svn.as_ref()?.split('.').map_while(|part| part.parse().ok()).collect();
        numbers.try_into().ok()
    }
}

impl From<&EumPlan> for EumSetup {
    fn from(plan: &EumPlan) -> Self {
        Self {
            name: plan.name.clone(),
            ci: plan.ci.clone(),
            trusted: plan.trusted,
            revoked: plan.revoked,
            svn: plan.version(),
        }
    }
}

fn default_true() -> bool {
    true
}
