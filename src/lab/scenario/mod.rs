//! A scenario: which devices there are, what they do, what goes wrong, and what is expected. It speaks of
//! roles only; who plays them is the bench's business.

mod carried;
mod entry;
mod esim;
mod guard;
mod makers;
mod names;
mod network;
mod operator;
mod order;
mod peer;
mod rules;
#[cfg(test)]
mod tests;
mod update;
mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::catalogue::{self, ProfileInfo};
use super::diagnostic::Diagnostic;
use super::document::Document;
use super::{FileKind, LabError};
use crate::corenet::SubscribedPdn;
use crate::device::iot_safe::Dialect;
use crate::device::plan::{Act, Condition, Counted, Cut};
use crate::event::{Step, StepId};
use crate::id::{Apn, Tac};
use crate::io::files;
use crate::ran::Rat;
use crate::services::{UpdateFault, Way};

pub use entry::{Between, Entry, Until};
pub use esim::{EsimDownload, EsimPlan, EumPlan};
pub use guard::{Assault, AttackKind, DeviceKind};
pub use network::{AskedPdn, Ciphering, Integrity, Network};
pub use operator::Operation;
pub use peer::Peer;
pub use update::{CampaignSection, UpdatePlan};
pub use work::{StaffSection, WorkSection};

/// The most devices that one scenario may have.
pub const DEVICES_MAX: u32 = 100_000;

/// A cellbed scenario.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name of the file, without its ending.
    #[serde(skip)]
    pub name: String,
    /// What the scenario shows, in one line.
    #[schemars(length(min = 1))]
    pub summary: String,
    /// The radio access technology.
    #[serde(default = "Scenario::default_rat")]
    pub rat: Rat,
    /// How devices come to their identity.
    #[serde(default)]
    pub way: Way,
    /// What every random value of the run is drawn from.
    #[serde(default = "Scenario::default_seed")]
    pub seed: u64,
    /// When to stop at the latest, in virtual seconds.
    #[serde(default = "Scenario::default_time_limit_s")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub time_limit_s: u32,
    /// What every device does, in this order: steps, which may repeat, and what stands between them. Default: every
    /// step once, `download` and `enable` only where there is an `esim` section, `update` only where there is an `update`
    /// section.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub steps: Vec<Entry>,
    /// The mobile network.
    #[serde(default)]
    pub network: Network,
    /// The eSIM side: where the operational profiles come from. Every device's card is an eUICC then, whose `profile`
    /// is the bootstrap profile.
    pub esim: Option<EsimPlan>,
    /// The vendor's update service: what devices run, and what they are offered.
    pub update: Option<UpdatePlan>,
    /// Whether the operator has the certificate of its cloud recorded on the ledger, and devices, which know the ledger, take
    /// no cloud with another one, whoever has signed it.
    #[serde(default)]
    pub servers_on_ledger: bool,
    /// The devices, in groups of equal ones, numbered from 1 through all groups.
    #[schemars(length(min = 1))]
    pub device: Vec<DeviceGroup>,
    /// Whether the network's guard is alive. Where it is dead nobody looks at packets, and devices of a `kind` live as before.
    #[serde(default = "DeviceGroup::default_true")]
    pub guard: bool,
    /// A peer of a device that asks by OCSP whether its certificate still stands.
    pub peer: Option<Peer>,
    /// What goes wrong on purpose.
    #[serde(default)]
    pub fault: Vec<Fault>,
    /// What operators do in the course of it.
    #[serde(default)]
    pub operator: Vec<Operation>,
    /// Who does things by hand.
    #[serde(default)]
    pub staff: Vec<StaffSection>,
    /// What is done by hand, where `steps` ask for it.
    #[serde(default)]
    pub work: Vec<WorkSection>,
    /// What is expected. A step that nothing is said about must be done, unless an earlier step of the
    /// same device is expected to be refused: then it must not be reached. What is said of a device goes before what is
    /// said of all, and what is said of one time of a step before what is said of every time.
    #[serde(default)]
    pub expect: Vec<Expectation>,
}

impl Scenario {
    fn default_rat() -> Rat {
        Rat::Lte
    }

    fn default_seed() -> u64 {
        7
    }

    fn default_time_limit_s() -> u32 {
        120
    }

    /// Every step, those about an eSIM profile only where there is one to come.
    fn default_steps(&self) -> Vec<Entry> {
        let has_section = |step: &Step| match step {
            Step::Update => self.update.is_some(),
            Step::Register => self.way.is_zero_touch(),
            step => self.esim.is_some() || !step.is_esim(),
        };
        let steps = Step::ALL.into_iter().filter(has_section);
        steps.map(Entry::Step).collect()
    }
}

/// Devices that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceGroup {
    /// The SIM profile: the name of a file in `sim-profiles/`. Groups with one profile count on through it,
    /// so that no identity is used twice. May be left out where `clone_of` or `card_of` stands.
    pub profile: Option<String>,
    /// How many of them there are.
    #[serde(default = "DeviceGroup::default_count")]
    #[schemars(range(min = 1, max = 100_000))]
    pub count: u32,
    /// Whether they are on the owner's allow list.
    #[serde(default = "DeviceGroup::default_true")]
    pub allow: bool,
    /// Whether their subscribers are provisioned in the HSS.
    #[serde(default = "DeviceGroup::default_true")]
    pub subscribed: bool,
    /// When the first of them is switched on, in virtual milliseconds.
    #[serde(default)]
    pub start_ms: u32,
    /// How long after one of them the next is switched on, in virtual milliseconds.
    #[serde(default = "DeviceGroup::default_interval_ms")]
    pub interval_ms: u32,
    /// The number of an earlier device whose identity (IMSI, K, ICCID, EID) these carry as well.
    pub clone_of: Option<u32>,
    /// The number of an earlier device whose very card this one carries, with its keys, its certificate and all that it has
    /// counted: it has to have left when this one is switched on.
    pub card_of: Option<u32>,
    /// The manufacturer of their eUICCs: the name of an `esim.eum`. Default: the lab's own.
    pub eum: Option<String>,
    /// The model that the registrar records for them. Default: `cellbed-virtual-1`.
    #[schemars(regex(pattern = "^[0-9A-Za-z._-]{1,32}$"))]
    pub model: Option<String>,
    /// The type allocation code of their modems: the first eight digits of their IMEIs. Default: 00101301. A card is ordered for
    /// the first device that carries it: in a device of another model it is not served, and is suspended.
    #[schemars(regex(pattern = "^[0-9]{8}$"))]
    pub tac: Option<String>,
    /// How their application speaks to the IoT SAFE applet (IoT.05).
    #[serde(default)]
    pub iot_safe: Dialect,
    /// What they do all day. The network's guard has learned it, and has who does otherwise cut off. Default: nobody judges
    /// them.
    pub kind: Option<DeviceKind>,
    /// Whether they carry the guard themselves as well: such a device acts on its own alarm before the network does. Needs a
    /// `kind`.
    #[serde(default)]
    pub own_guard: bool,
    /// The access point name that their modems ask for, in the place of that of the SIM profile. The subscription stays as the
    /// profile has it.
    #[schemars(with = "Option<String>")]
    pub apn: Option<Apn>,
    /// The versions of IP that their modems ask for.
    #[serde(default)]
    pub pdn_type: AskedPdn,
    /// The versions of IP that their subscriptions may have (TS 29.272 clause 7.3.62). The subscription to an operational profile
    /// has IPv4.
    #[serde(default)]
    pub subscribed_pdn: SubscribedPdn,
}

impl DeviceGroup {
    /// The number of the earlier device whose identity these carry: on cards of their own, or on its card.
    pub(super) fn original(&self) -> Option<u32> {
        self.clone_of.or(self.card_of)
    }

    fn default_count() -> u32 {
        1
    }

    fn default_interval_ms() -> u32 {
        20
    }

    fn default_true() -> bool {
        true
    }
}

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The number of the device that it happens to.
    pub device: u32,
    /// Of `power-cut`: the step in whose middle the power is cut.
    pub step: Option<Step>,
    /// Of `power-cut`: which time the device does this step, from 1. Default: the first.
    #[schemars(range(min = 1))]
    pub nth: Option<u16>,
    /// Of `power-cut`: how many messages of the step the device gets before: answers of its card, and what comes in
    /// over the air, RRC messages and IP packets. The last one of the air is lost with the power. Default: none.
    pub after_messages: Option<u32>,
}

impl Fault {
    /// Where the power is cut, of a `power-cut` that says it.
    pub fn power_cut(&self) -> Option<Cut> {
        let step = self.step.filter(|_| self.kind == FaultKind::PowerCut)?;
        Some(Cut {
            step: StepId { step, nth: self.nth.unwrap_or(1) },
            after: self.after_messages.unwrap_or(0),
            counted: Counted::Received,
        })
    }
}

/// What can go wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Every authentication vector of the HSS carries a wrong MAC.
    HssWrongMac,
    /// The HSS holds another K than the card.
    HssWrongKey,
    /// The sequence number of the HSS is behind the card's, so that the card asks to resynchronise.
    HssSqnBehind,
    /// The SM-DP+ has its certificates from an authority that the card does not know.
    SmdpRogue,
    /// The SM-DP+ answers with the signed challenge of an earlier session.
    SmdpReplayedChallenge,
    /// The order at the SM-DP+ is for the card of somebody else.
    SmdpWrongEid,
    /// A bit of the profile is changed on its way from the SM-DP+ to the card.
    SmdpTamperedSegment,
    /// The card loses its power in the middle of the download, once.
    CardPowerCut,
    /// The battery is pulled out and put back in the middle of a `step`, once. A device may have several of these.
    PowerCut,
    /// The host of the device, which somebody has taken over, presents a key of its own in the place of the card's.
    HostSoftKey,
    /// The host has its applet commands and the operator's packets answered by another card than the modem has: a
    /// genuine one, that belongs to another device.
    HostOtherCard,
    /// The host has the card make a new key each time that it comes to the step `keys`.
    HostNewKeys,
    /// The cloud that the device reaches shows a certificate of another authority: somebody has taken its place.
    CloudRogue,
    /// The cloud that the device reaches is somebody else's, and its certificate is of the operator's own authority, which was
    /// deceived.
    CloudImpostor,
    /// EST answers the first request for a certificate with 202 and when to come again: somebody has to decide first.
    EstPending,
    /// EST answers the first request for a certificate with 503 and when to come again: there is too much to do.
    EstUnavailable,
    /// The card has every secret of its identity but the operator's keys for packets over the air: a copy that was made
    /// from what the home network has.
    CardNoOtaKeys,
    /// The update service offers firmware that nobody has published on the ledger.
    UpdateNotOnLedger,
    /// The update service offers firmware that was withdrawn.
    UpdateWithdrawn,
    /// The update service offers firmware that is older than what the device runs.
    UpdateOlder,
    /// The update service offers firmware for devices of another vendor.
    UpdateOtherVendor,
    /// The update service offers firmware that somebody else has signed, and published.
    UpdateOtherAuthor,
    /// A bit of the manifest is changed on its way.
    UpdateTamperedManifest,
    /// A bit of the image is changed on its way.
    UpdateTamperedImage,
    /// The new firmware hangs on the board of this device.
    UpdateHangs,
    /// The new firmware never reaches the update service from the board of this device.
    UpdateMute,
}

impl FaultKind {
    /// What goes wrong with the update of the device, where it is that.
    pub fn of_update(self) -> Option<UpdateFault> {
        Some(match self {
            Self::UpdateNotOnLedger => UpdateFault::NotOnLedger,
            Self::UpdateWithdrawn => UpdateFault::Withdrawn,
            Self::UpdateOlder => UpdateFault::Older,
            Self::UpdateOtherVendor => UpdateFault::OtherVendor,
            Self::UpdateOtherAuthor => UpdateFault::OtherAuthor,
            Self::UpdateTamperedManifest => UpdateFault::TamperedManifest,
            Self::UpdateTamperedImage => UpdateFault::TamperedImage,
            Self::UpdateHangs => UpdateFault::Hangs,
            Self::UpdateMute => UpdateFault::Mute,
            _ => return None,
        })
    }

    /// Whether it concerns the download of an eSIM profile.
    pub fn is_esim(self) -> bool {
        matches!(
            self,
            Self::SmdpRogue
                | Self::SmdpReplayedChallenge
                | Self::SmdpWrongEid
                | Self::SmdpTamperedSegment
                | Self::CardPowerCut
        )
    }
}

/// One expectation: of a step (`step`, `outcome`, and `reason` where refused), or of a message (`seen`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The number of the device. Absent: every device; for `seen`: anybody.
    pub device: Option<u32>,
    /// The step that must end in `outcome`.
    pub step: Option<Step>,
    /// Which time the device does this step, from 1. Absent: every time.
    #[schemars(range(min = 1))]
    pub nth: Option<u16>,
    /// How the step must end.
    pub outcome: Option<ExpectedOutcome>,
    /// The stable word that names why the step is refused, as in `emm-cause-8`.
    pub reason: Option<String>,
    /// A message that must be sent or received, as in `EMM Authentication Failure`.
    pub seen: Option<String>,
}

/// How a step is expected to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedOutcome {
    /// It is done.
    Done,
    /// The other side refuses, for `reason`.
    Refused,
    /// The device does not get that far.
    NotReached,
}

/// One device of a scenario, with its groups resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its number, from 1.
    pub number: u32,
    /// The profile that its card is personalised from.
    pub profile: Arc<str>,
    /// Which card of that profile it is, from 0.
    pub index: u32,
    /// Whether it is on the owner's allow list.
    pub allow: bool,
    /// Whether its subscriber is provisioned in the HSS.
    pub subscribed: bool,
    /// When it is switched on, since the start of the run.
    pub start: Duration,
    /// The number of the device whose identity it carries.
    pub clone_of: Option<u32>,
    /// The number of the device whose very card it carries.
    pub card_of: Option<u32>,
    /// The manufacturer of its eUICC, where the scenario names one.
    pub eum: Option<Arc<str>>,
    /// Its model, where the scenario names one.
    pub model: Option<Arc<str>>,
    /// The type allocation code of its modem, where the scenario names one.
    pub tac: Option<Tac>,
    /// How its application speaks to the IoT SAFE applet.
    pub iot_safe: Dialect,
    /// What it does all day, where the guard has learned it.
    pub kind: Option<DeviceKind>,
    /// Whether it carries the guard itself as well.
    pub own_guard: bool,
    /// The access point name that its modem asks for, where it is not that of its profile.
    pub apn: Option<Apn>,
    /// The versions of IP that its modem asks for.
    pub pdn_type: AskedPdn,
    /// Those that its subscription may have.
    pub subscribed_pdn: SubscribedPdn,
}

impl Device {
    /// The number of the device whose identity it carries: on a card of its own, or on that very card.
    pub fn original(&self) -> Option<u32> {
        self.clone_of.or(self.card_of)
    }
}

impl Scenario {
    /// Reads and checks the scenario at `path`, against the SIM profiles that lie beside it.
    pub fn load(path: &Path) -> Result<Self, LabError> {
        let text = files::read_text(path)?;
        let mut catalogue = catalogue::read(&catalogue::folder_of(path))?;
        let name = path.to_string_lossy();
        check(&text, &name, &catalogue.profiles).map_err(|problems| {
            // A profile that is named and wrong is not unknown: what is wrong with it is told, in its own file.
            let named = Document::parse(&text, &name).read::<Self>();
            let named = named.as_ref().map(Self::profiles_named).unwrap_or_default();
            catalogue.fault_of(named).unwrap_or(LabError::Invalid(problems))
        })
    }

    /// The SIM profiles that it names.
    fn profiles_named(&self) -> Vec<&str> {
        let of_devices = self.device.iter().filter_map(|group| group.profile.as_deref());
        of_devices.chain(self.esim.iter().map(|plan| plan.profile.as_str())).collect()
    }

    /// The devices, in the order of their numbers.
    pub fn devices(&self) -> Vec<Device> {
        let mut devices: Vec<Device> = Vec::new();
        let mut next_index: BTreeMap<Arc<str>, u32> = BTreeMap::new();
        for group in &self.device {
            let original = group.original().and_then(|n| devices.get((n as usize).checked_sub(1)?)).cloned();
            let profile: Arc<str> = match &original {
                Some(device) => Arc::clone(&device.profile),
                None => group.profile.as_deref().unwrap_or_default().into(),
            };
            // A copy has what it was copied from.
            let eum = group.eum.as_deref().map(Arc::from).or_else(|| original.as_ref()?.eum.clone());
            let model: Option<Arc<str>> = group.model.as_deref().map(Arc::from);
            for nth in 0..u64::from(group.count) {
                let index = match &original {
                    Some(device) => device.index,
                    None => {
                        let next = next_index.entry(Arc::clone(&profile)).or_default();
                        *next += 1;
                        *next - 1
                    }
                };
                devices.push(Device {
                    number: devices.len() as u32 + 1,
                    profile: Arc::clone(&profile),
                    index,
                    allow: group.allow,
                    subscribed: group.subscribed,
                    start: Duration::from_millis(
                        u64::from(group.start_ms) + nth * u64::from(group.interval_ms),
                    ),
                    clone_of: group.clone_of,
                    card_of: group.card_of,
                    eum: eum.clone(),
                    model: model.clone(),
                    tac: group.tac.as_deref().and_then(|tac| tac.parse().ok()),
                    iot_safe: group.iot_safe,
                    kind: group.kind,
                    own_guard: group.own_guard,
                    apn: group.apn.clone(),
                    pdn_type: group.pdn_type,
                    subscribed_pdn: group.subscribed_pdn,
                });
            }
        }
        devices
    }

    /// How many devices there are.
    pub fn device_count(&self) -> u32 {
        self.device.iter().fold(0, |sum, group| sum.saturating_add(group.count))
    }

    /// What goes wrong on purpose with device `number`, besides [`power_cuts_of`](Self::power_cuts_of) it.
    pub fn fault_of(&self, number: u32) -> Option<FaultKind> {
        let mut kinds = self.fault.iter().filter(|fault| fault.device == number).map(|fault| fault.kind);
        kinds.find(|kind| *kind != FaultKind::PowerCut)
    }

    /// Where the power of device `number` is cut in the middle of a step.
    pub fn power_cuts_of(&self, number: u32) -> Vec<Cut> {
        let faults = self.fault.iter().filter(|fault| fault.device == number);
        faults.filter_map(Fault::power_cut).collect()
    }

    /// The steps, each with which time it is.
    pub fn step_ids(&self) -> Vec<StepId> {
        self.plan().into_iter().filter_map(Act::step).collect()
    }

    /// What every device is to do.
    pub fn plan(&self) -> Vec<Act> {
        let steps = self.steps.iter().filter_map(|entry| match entry {
            Entry::Step(step) => Some(*step),
            Entry::Between(_) => None,
        });
        let mut ids = StepId::numbered(steps).into_iter();
        let act = |entry: &Entry| match entry {
            Entry::Step(_) => ids.next().map(Act::Step),
            Entry::Between(Between { wait_ms: Some(time), .. }) => {
                Some(Act::Wait(Duration::from_millis((*time).into())))
            }
            Entry::Between(Between { attack: Some(assault), .. }) => Some(Act::Assault(assault.planned())),
            Entry::Between(Between { until: Some(until), .. }) => {
                Some(Act::Until(Condition { device: until.device, step: until.id() }))
            }
            Entry::Between(Between { work: Some(name), .. }) => self.work_number(name).map(Act::Work),
            Entry::Between(_) => Some(Act::PowerCut),
        };
        self.steps.iter().filter_map(act).collect()
    }

    /// The same scenario with `count` devices in place of its own, where these are all alike.
    pub fn with_devices(mut self, count: u32) -> Result<Self, LabError> {
        if !(1..=DEVICES_MAX).contains(&count) {
            return Err(LabError::Devices(format!(
                "{count} devices were asked for; a run takes 1 to {DEVICES_MAX}"
            )));
        }
        let awaited = self.steps.iter().filter_map(|entry| match entry {
            Entry::Between(between) => between.until.map(|until| until.device),
            Entry::Step(_) => None,
        });
        let turned = self.steps.iter().filter_map(|entry| match entry {
            Entry::Between(between) => between.attack.map(|assault| assault.device),
            Entry::Step(_) => None,
        });
        let of_faults = self.fault.iter().map(|f| f.device).chain(turned);
        let operated =
            self.operator.iter().flat_map(|one| [Some(one.device), one.after.map(|after| after.device)]);
        let named = self.expect.iter().filter_map(|e| e.device).chain(of_faults).chain(awaited);
        let named = named.chain(operated.flatten()).max();
        match (self.device.as_mut_slice(), named) {
            // What is said of one device by its number says nothing of others beside it.
            ([group], Some(named)) if count != group.count => Err(LabError::Devices(format!(
                "scenario {} speaks of device {named} by its number, so that it does not run with {count} devices: \
                 write them and what is expected of them in the file",
                self.name
            ))),
            ([group], _) => {
                // The last device has as long as the last one of the file.
                let later_ms = u64::from(count.saturating_sub(group.count)) * u64::from(group.interval_ms);
                let later_s = u32::try_from(later_ms.div_ceil(1000)).unwrap_or(u32::MAX);
                self.time_limit_s = self.time_limit_s.saturating_add(later_s);
                group.count = count;
                Ok(self)
            }
            (groups, _) => Err(LabError::Devices(format!(
                "scenario {} has {} groups of devices, so that their number cannot be set from outside: \
                 write it in the file",
                self.name,
                groups.len()
            ))),
        }
    }
}

/// Reads a scenario out of `source`, the content of the file called `name`, whose profiles are among
/// `profiles`. All problems that can be told apart are named at once.
pub fn check(
    source: &str,
    name: &str,
    profiles: &BTreeMap<String, ProfileInfo>,
) -> Result<Scenario, Vec<Diagnostic>> {
    let mut document = Document::parse(source, name);
    document.expect_kind(FileKind::Scenario)?;
    let mut scenario = document.read::<Scenario>();
    if let Some(scenario) = &mut scenario {
        scenario.name = super::file_stem(name).to_owned();
        if scenario.steps.is_empty() {
            scenario.steps = scenario.default_steps();
        }
        rules::check(scenario, &mut document, profiles);
    }
    document.finish(scenario)
}
