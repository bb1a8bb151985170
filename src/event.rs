//! THE event: everything that happens in a run is one of these, and every view is made of them.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use crate::id::Imsi;
use crate::kernel::Instant;
use crate::wire::Reason;
use crate::wire::{Fields, Label};

/// What a device says of itself when an attack of the scenario begins, with its class in the field `attack`.
pub const TURNS_BAD: &str = "turns bad";

/// What somebody is in a run. Everything that views and addresses need of a role is a row of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The application of a device: what runs above its modem.
    Device,
    /// The modem (user equipment) of a device.
    Ue,
    /// The card of a device.
    Card,
    /// An LTE base station.
    Enb,
    /// Mobility Management Entity.
    Mme,
    /// Home Subscriber Server.
    Hss,
    /// Serving and PDN gateway.
    Gateway,
    /// The switch behind the gateway.
    Switch,
    /// The controller of the switch.
    Controller,
    /// The network that the services are on, behind the switch.
    Services,
    /// The operator's registrar, which writes identities to the ledger.
    Registrar,
    /// The ledger.
    Ledger,
    /// The onboarding service with the certificate authority behind it.
    Ca,
    /// The cloud: MQTT broker and what listens behind it.
    Cloud,
    /// The subscription manager that prepares profiles (SM-DP+).
    Smdp,
    /// The subscription manager's discovery server (SM-DS).
    Smds,
    /// The remote manager of eSIMs in IoT devices (eIM).
    Eim,
    /// The guard office, which has devices cut off and released.
    Guard,
    /// The lab itself.
    Lab,
    /// The vendor's update service.
    Updates,
}

/// The row of a role.
struct Row {
    role: Role,
    /// What transcripts print, before the number where there is one.
    name: &'static str,
    /// Whether there may be several, numbered from 1.
    numbered: bool,
    /// Whether it is part of the device of its number.
    in_device: bool,
    /// The transport address of the one that there is, or of number 0.
    address: [u8; 4],
    /// Where it stands in a ladder, from the card on the left.
    lane: u8,
}

/// Roles and what there is to know of them. Parts of devices have no address on a wire of the bench: theirs stand for
/// them in captures, with room for 131,071 of each.
const ROLES: [Row; 20] = [
    row(Role::Device, "dev", true, true, [10, 54, 0, 0], 1),
    row(Role::Ue, "ue", true, true, [10, 54, 0, 0], 2),
    row(Role::Card, "card", true, true, [10, 56, 0, 0], 0),
    row(Role::Enb, "enb", true, false, [10, 53, 2, 0], 3),
    row(Role::Mme, "mme", false, false, [10, 53, 1, 1], 4),
    row(Role::Hss, "hss", false, false, [10, 53, 0, 1], 5),
    row(Role::Gateway, "gw", false, false, [10, 53, 1, 2], 6),
    row(Role::Switch, "switch", false, false, [10, 53, 1, 3], 7),
    row(Role::Controller, "control", false, false, [10, 53, 1, 4], 8),
    row(Role::Services, "services", false, false, [10, 99, 0, 1], 19),
    row(Role::Registrar, "registrar", false, false, [10, 99, 0, 10], 13),
    row(Role::Ledger, "ledger", false, false, [10, 53, 0, 1], 14),
    row(Role::Ca, "ca", false, false, [10, 99, 0, 20], 12),
    row(Role::Cloud, "cloud", false, false, [10, 99, 0, 30], 15),
    row(Role::Smdp, "smdp", false, false, [10, 99, 0, 40], 11),
    row(Role::Smds, "smds", false, false, [10, 99, 0, 50], 10),
    row(Role::Eim, "eim", false, false, [10, 99, 0, 60], 9),
    row(Role::Guard, "guard", false, false, [10, 99, 0, 70], 17),
    row(Role::Lab, "lab", false, false, [10, 53, 0, 1], 16),
    row(Role::Updates, "updates", false, false, [10, 99, 0, 80], 18),
];

const fn row(
    role: Role,
    name: &'static str,
    numbered: bool,
    in_device: bool,
    address: [u8; 4],
    lane: u8,
) -> Row {
    Row { role, name, numbered, in_device, address, lane }
}

impl Role {
    fn row(self) -> &'static Row {
        // The table has a row for each role, in their order, as a test checks.
        &ROLES[self as usize]
    }

    /// Where it stands in a ladder, from the card (0) outwards.
    pub fn lane(self) -> u8 {
        self.row().lane
    }

    /// Whether it is a base station: what it sends on the user plane goes up.
    pub fn is_base_station(self) -> bool {
        self == Self::Enb
    }
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Actor {
    /// What it is.
    pub role: Role,
    /// From 1; 0 where there is but one.
    pub number: u32,
}

impl Actor {
    /// The MME.
    pub const MME: Self = Self::one(Role::Mme);
    /// The HSS.
    pub const HSS: Self = Self::one(Role::Hss);
    /// The gateway.
    pub const GATEWAY: Self = Self::one(Role::Gateway);
    /// The switch behind the gateway.
    pub const SWITCH: Self = Self::one(Role::Switch);
    /// The controller of the switch.
    pub const CONTROLLER: Self = Self::one(Role::Controller);
    /// The service network.
    pub const SERVICES: Self = Self::one(Role::Services);
    /// The registrar.
    pub const REGISTRAR: Self = Self::one(Role::Registrar);
    /// The ledger.
    pub const LEDGER: Self = Self::one(Role::Ledger);
    /// The onboarding service.
    pub const CA: Self = Self::one(Role::Ca);
    /// The cloud.
    pub const CLOUD: Self = Self::one(Role::Cloud);
    /// The SM-DP+.
    pub const SMDP: Self = Self::one(Role::Smdp);
    /// The SM-DS.
    pub const SMDS: Self = Self::one(Role::Smds);
    /// The eIM.
    pub const EIM: Self = Self::one(Role::Eim);
    /// The guard office.
    pub const GUARD: Self = Self::one(Role::Guard);
    /// The lab.
    pub const LAB: Self = Self::one(Role::Lab);
    /// The update service.
    pub const UPDATES: Self = Self::one(Role::Updates);

    const fn one(role: Role) -> Self {
        Self { role, number: 0 }
    }

    /// The application of device `number`.
    pub const fn device(number: u32) -> Self {
        Self { role: Role::Device, number }
    }

    /// The modem of device `number`.
    pub const fn ue(number: u32) -> Self {
        Self { role: Role::Ue, number }
    }

    /// The card of device `number`.
    pub const fn card(number: u32) -> Self {
        Self { role: Role::Card, number }
    }

    /// LTE base station `number`.
    pub const fn enb(number: u32) -> Self {
        Self { role: Role::Enb, number }
    }

    /// The address of a network node on S1-MME, S1-U or the service network. What is part of a device has none of
    /// its own there; this one stands for it in captures.
    pub fn transport_address(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Ipv4Addr::from(self.role.row().address)).wrapping_add(self.number))
    }

    /// The same in IPv6: a network of the documentation prefix (RFC 3849), with the IPv4 address as the last 32 bits.
    pub fn transport_address_v6(self) -> Ipv6Addr {
        let [a, b, c, d] = self.transport_address().octets().map(u16::from);
        Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, a << 8 | b, c << 8 | d)
    }

    /// The number of the device that this actor is part of.
    pub fn part_of(self) -> Option<u32> {
        self.role.row().in_device.then_some(self.number)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { name, numbered, .. } = self.role.row();
        if *numbered { f.pad(&format!("{name}{}", self.number)) } else { f.pad(name) }
    }
}

/// Why a text is not the name of an actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an actor; actors are called as in dev1, ue1, card1, enb1, mme or ledger")]
pub struct UnknownActor(String);

impl FromStr for Actor {
    type Err = UnknownActor;

    /// Reads what `Display` prints.
    fn from_str(text: &str) -> Result<Self, UnknownActor> {
        let unknown = || UnknownActor(text.to_owned());
        let (name, digits) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len()));
        let row = ROLES.iter().find(|row| row.name == name && row.numbered != digits.is_empty());
        let role = row.ok_or_else(unknown)?.role;
        let number = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| unknown())? };
        Ok(Self { role, number })
    }
}

/// By what somebody knows the device that it speaks about. An MME knows no device numbers, and a base station no
/// subscribers: the world finds out whose each key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionKey {
    /// The device itself, by its number: who hears it on the radio knows that much.
    Device(u32),
    /// The subscriber whose card is in it.
    Subscriber(Imsi),
    /// Its connection on S1.
    Connection {
        /// The number of the base station.
        enb: u32,
        /// The eNB UE S1AP ID (TS 36.413 clause 9.2.3.4).
        id: u32,
    },
    /// The address of its IP session; of IPv6 the first 64 bits, and nothing behind them.
    Address(IpAddr),
}

/// A message between two actors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub from: Actor,
    /// Whom it is for.
    pub to: Actor,
    /// How it is called.
    pub label: Label,
    /// The encoded message: the command or response APDU, the NAS PDU as protected, the S1AP PDU, the GTP-U
    /// PDU, and for what travels inside TLS the plaintext. Empty for a function call.
    pub bytes: Vec<u8>,
}

/// A change of state inside one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// In whom.
    pub actor: Actor,
    /// The machine, as in `emm` or `ecm`; empty for a plain note.
    pub machine: &'static str,
    /// What changed, as in `DEREGISTERED -> REGISTERED_INITIATED`.
    pub change: Cow<'static, str>,
    /// What is worth knowing beside it.
    pub fields: Fields,
}

/// A kind of step of the zero-touch procedure. Which order they come in is the scenario's business.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The device registers with the network and has an IP session.
    Attach,
    /// The card, an eUICC, has its operational profile from an SM-DP+.
    Download,
    /// The operational profile is enabled, and the device is attached as its own subscriber.
    Enable,
    /// The card makes a key pair.
    Keys,
    /// The public key is registered on the ledger.
    Register,
    /// The identity is verified and the CA issues a certificate.
    Enrol,
    /// Mutual TLS with the card's key; the cloud has received telemetry.
    Ready,
    /// The device has the newest firmware that the vendor offers and the ledger vouches for.
    Update,
    /// The device leaves the network.
    Detach,
}

impl Step {
    /// Every kind of step, in the order in which a device that nobody touches goes through them.
    pub const ALL: [Self; 9] = [
        Self::Attach,
        Self::Download,
        Self::Enable,
        Self::Keys,
        Self::Register,
        Self::Enrol,
        Self::Ready,
        Self::Update,
        Self::Detach,
    ];

    /// Whether the step is about an eSIM profile.
    pub fn is_esim(self) -> bool {
        matches!(self, Self::Download | Self::Enable)
    }

    /// The name that scenarios and transcripts use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Download => "download",
            Self::Enable => "enable",
            Self::Keys => "keys",
            Self::Register => "register",
            Self::Enrol => "enrol",
            Self::Ready => "ready",
            Self::Update => "update",
            Self::Detach => "detach",
        }
    }
}

/// One step of a device: its kind, and which time it is. Text and JSON say `attach` for the first time and `attach#2`
/// for the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StepId {
    /// Its kind.
    pub step: Step,
    /// Which time the device does a step of this kind, from 1.
    pub nth: u16,
}

impl StepId {
    /// The first step of its kind.
    pub fn first(step: Step) -> Self {
        Self { step, nth: 1 }
    }

    /// Each of `steps` with which time it is.
    pub fn numbered(steps: impl IntoIterator<Item = Step>) -> Vec<Self> {
        let mut ids: Vec<Self> = Vec::new();
        for step in steps {
            let before = ids.iter().rev().find(|id| id.step == step);
            let nth = before.map_or(1, |id| id.nth.saturating_add(1));
            ids.push(Self { step, nth });
        }
        ids
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            1 => f.pad(self.step.name()),
            nth => f.pad(&format!("{}#{nth}", self.step.name())),
        }
    }
}

impl From<StepId> for String {
    fn from(id: StepId) -> Self {
        id.to_string()
    }
}

/// Why a text is not the name of a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a step; steps are called as in attach or attach#2")]
pub struct UnknownStep(String);

impl FromStr for StepId {
    type Err = UnknownStep;

    /// Reads what `Display` prints.
    fn from_str(text: &str) -> Result<Self, UnknownStep> {
        let (name, nth) = match text.split_once('#') {
            Some((name, nth)) => (name, nth.parse().ok()),
            None => (text, Some(1)),
        };
        let step = Step::ALL.into_iter().find(|step| step.name() == name);
        let id = step.zip(nth).map(|(step, nth)| Self { step, nth });
        // A step has one name: neither `attach#1` nor `attach#02` is one.
        id.filter(|id| id.nth > 0 && id.to_string() == text).ok_or_else(|| UnknownStep(text.to_owned()))
    }
}

impl TryFrom<String> for StepId {
    type Error = UnknownStep;

    fn try_from(text: String) -> Result<Self, UnknownStep> {
        text.parse()
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Outcome {
    /// What was proved.
    Done { proof: String },
    /// The other side said no.
    Refused { reason: Reason, detail: String },
}

/// How good a run, or a part of one, is: the worst of what was found. It only ever worsens.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that was expected happened.
    #[default]
    Pass,
    /// What was expected could not be put to the test.
    Inconclusive,
    /// Something else happened than what was expected.
    Fail,
    /// Somebody ended the run before it was through: what it has not come to is not judged.
    Interrupted,
    /// The bench itself is at fault: nothing is said about what it tested.
    Error,
}

impl Verdict {
    /// The name that tables print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
            Self::Interrupted => "interrupted",
            Self::Error => "error",
        }
    }

    /// Takes `found` into account. True where it made this verdict worse, so that the caller may keep the
    /// reason of the first time.
    pub fn worsen(&mut self, found: Self) -> bool {
        let worse = found > *self;
        *self = (*self).max(found);
        worse
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Body {
    /// A message went from one actor to another.
    Message(Message),
    /// Something changed inside one actor.
    State(StateChange),
    /// Device `device` begins `step`.
    StepStarted { device: u32, step: StepId },
    /// Device `device` ended `step` after `took` of virtual time.
    StepEnded { device: u32, step: StepId, took: Duration, outcome: Outcome },
}

impl Body {
    /// A note on something that one actor decided.
    pub fn note(actor: Actor, change: impl Into<Cow<'static, str>>, fields: Fields) -> Self {
        Self::State(StateChange { actor, machine: "", change: change.into(), fields })
    }
}

/// Something that happened at a moment of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in virtual time.
    pub at: Instant,
    /// The number of the device that it is about; `None` where it is of the network as such, or nobody knows.
    pub device: Option<u32>,
    /// What.
    pub body: Body,
}

impl Event {
    /// What has happened at `at`, of the device that the body itself names.
    pub fn new(at: Instant, body: Body) -> Self {
        Self { at, device: body.device(), body }
    }
}

impl Body {
    /// The device that this names itself: whose step it is, or whose part speaks or is spoken to.
    pub fn device(&self) -> Option<u32> {
        match self {
            Self::StepStarted { device, .. } | Self::StepEnded { device, .. } => Some(*device),
            Self::State(state) => state.actor.part_of(),
            Self::Message(message) => message.from.part_of().or(message.to.part_of()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_only_worsens() {
        let mut verdict = Verdict::default();
        assert!(!verdict.worsen(Verdict::Pass));
        assert!(verdict.worsen(Verdict::Fail));
        assert!(!verdict.worsen(Verdict::Inconclusive));
        assert_eq!(verdict, Verdict::Fail);
        assert!(verdict.worsen(Verdict::Interrupted));
        assert!(verdict.worsen(Verdict::Error));
        assert_eq!(verdict.name(), "error");
    }

    #[test]
    fn the_table_has_each_role_in_its_place_and_no_name_or_lane_twice() {
        for (place, row) in ROLES.iter().enumerate() {
            assert_eq!(row.role as usize, place);
            let alike = ROLES.iter().filter(|other| other.name == row.name || other.lane == row.lane);
            assert_eq!(alike.count(), 1, "{}", row.name);
        }
    }

    #[test]
    fn no_two_of_a_hundred_thousand_devices_have_one_address() {
        let last = |actor: fn(u32) -> Actor| actor(100_000).transport_address();
        assert_eq!(last(Actor::ue), Ipv4Addr::new(10, 55, 0x86, 0xa0));
        assert!(last(Actor::device) < Actor::card(1).transport_address());
        assert_ne!(last(Actor::card), Actor::card(100_000 - (1 << 16)).transport_address());
    }

    #[test]
    fn actors_read_back_from_their_names() {
        for Row { role, numbered, .. } in &ROLES {
            for number in if *numbered { [1, 20, u32::MAX] } else { [0; 3] } {
                let actor = Actor { role: *role, number };
                assert_eq!(actor.to_string().parse(), Ok(actor));
            }
        }
        for text in ["", "ue", "mme1", "ue-1", "ue4294967296", "1ue", "UE1", "ue1 "] {
            assert!(text.parse::<Actor>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn steps_read_back_from_their_names() {
        let ids = StepId::numbered([Step::Attach, Step::Detach, Step::Attach, Step::Ready, Step::Attach]);
        let names: Vec<String> = ids.iter().map(StepId::to_string).collect();
        assert_eq!(names, ["attach", "detach", "attach#2", "ready", "attach#3"]);
        for (id, name) in ids.iter().zip(&names) {
            assert_eq!(name.parse(), Ok(*id));
            let json = serde_json::to_string(id).unwrap();
            assert_eq!((&json, serde_json::from_str(&json).unwrap()), (&format!("\"{name}\""), *id));
        }
        for text in ["", "attac", "attach#", "attach#0", "attach#1", "attach#02", "attach#+2", "attach#65536"]
        {
            assert!(text.parse::<StepId>().is_err(), "{text:?}");
        }
        assert_eq!(format!("{:<8}|", StepId { step: Step::Keys, nth: 2 }), "keys#2  |");
    }
}
