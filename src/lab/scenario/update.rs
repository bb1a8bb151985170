//! The update service of a scenario.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::services::UpdateSetup;
use crate::update::CampaignPlan;

/// The vendor's update service. Devices are delivered with firmware 5, and offered firmware 6.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlan {
    /// Size of an image, in bytes.
    #[serde(default = "default_size_bytes")]
    #[schemars(range(min = 64, max = 1_048_576))]
    pub size_bytes: u32,
    /// Who gets the update when. Default: everybody at once.
    pub campaign: Option<CampaignSection>,
}

/// Waves of devices, and when the campaign stops.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignSection {
    /// How many devices each wave has, by their numbers; one more wave has all that are left. A wave opens when all of
    /// the one before are through and were watched for `soak_s`.
    #[schemars(length(min = 1, max = 100))]
    pub waves: Vec<u32>,
    /// The share of failures among the devices that are through, in percent, at which the campaign stops.
    #[serde(default = "default_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub stop_at_percent: u32,
    /// How many failures there are at least before it stops.
    #[serde(default = "default_least")]
    #[schemars(range(min = 1))]
    pub stop_at_least: u32,
    /// How long a wave is watched before the next one opens, in virtual seconds.
    #[serde(default = "default_soak_s")]
    #[schemars(range(min = 0, max = 86_400))]
    pub soak_s: u32,
    /// After which time a device that says nothing counts as failed, in virtual seconds.
    #[serde(default = "default_silence_s")]
    #[schemars(range(min = 1, max = 86_400))]
    pub silence_s: u32,
}

fn default_size_bytes() -> u32 {
    32_768
}

fn default_percent() -> u32 {
    5
}

fn default_least() -> u32 {
    3
}

fn default_soak_s() -> u32 {
    10
}

fn default_silence_s() -> u32 {
    600
}

impl From<&UpdatePlan> for UpdateSetup {
    fn from(plan: &UpdatePlan) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let campaign = plan.campaign.as_ref().map(|section| CampaignPlan {
            waves: section.waves.iter().copied().chain([0]).collect(),
            stop_at_percent: section.stop_at_percent,
            stop_at_least: section.stop_at_least,
            soak: seconds(section.soak_s),
            silence: seconds(section.silence_s),
        });
        Self { size: plan.size_bytes, campaign }
    }
}
