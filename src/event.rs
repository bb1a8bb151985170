//! THE event: everything that happens in a run is one of these, and every view is made of them.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use crate::kernel::Instant;

/// Who takes part. Devices and their cards are numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Actor {
    /// The application of device `n`: what runs above its modem.
    Device(u32),
    /// The modem (user equipment) of device `n`.
    Ue(u32),
    /// The card of device `n`.
    Card(u32),
    /// Base station `n`.
    Enb(u32),
    /// Mobility Management Entity.
    Mme,
    /// Home Subscriber Server.
    Hss,
    /// Serving and PDN gateway.
    Gateway,
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
    /// The lab itself.
    Lab,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, n) = match self {
            Self::Device(n) => ("dev", Some(n)),
            Self::Ue(n) => ("ue", Some(n)),
            Self::Card(n) => ("card", Some(n)),
            Self::Enb(n) => ("enb", Some(n)),
            Self::Mme => ("mme", None),
            Self::Hss => ("hss", None),
            Self::Gateway => ("gw", None),
            Self::Registrar => ("registrar", None),
            Self::Ledger => ("ledger", None),
            Self::Ca => ("ca", None),
            Self::Cloud => ("cloud", None),
            Self::Smdp => ("smdp", None),
            Self::Smds => ("smds", None),
            Self::Eim => ("eim", None),
            Self::Lab => ("lab", None),
        };
        match n {
            Some(n) => f.pad(&format!("{name}{n}")),
            None => f.pad(name),
        }
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
        let (name, number) = text.split_at(text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len()));
        let number = match number {
            "" => None,
            digits => Some(digits.parse::<u32>().map_err(|_| unknown())?),
        };
        Ok(match (name, number) {
            ("dev", Some(n)) => Self::Device(n),
            ("ue", Some(n)) => Self::Ue(n),
            ("card", Some(n)) => Self::Card(n),
            ("enb", Some(n)) => Self::Enb(n),
            ("mme", None) => Self::Mme,
            ("hss", None) => Self::Hss,
            ("gw", None) => Self::Gateway,
            ("registrar", None) => Self::Registrar,
            ("ledger", None) => Self::Ledger,
            ("ca", None) => Self::Ca,
            ("cloud", None) => Self::Cloud,
            ("smdp", None) => Self::Smdp,
            ("smds", None) => Self::Smds,
            ("eim", None) => Self::Eim,
            ("lab", None) => Self::Lab,
            _ => return Err(unknown()),
        })
    }
}

impl Actor {
    /// The transport address of a network node: on S1-MME, S1-U and the service network. Devices have none
    /// of their own; theirs is given by the gateway.
    pub fn transport_address(self) -> Ipv4Addr {
        match self {
            Self::Enb(n) => Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 53, 2, 0)).wrapping_add(n)),
            Self::Mme => Ipv4Addr::new(10, 53, 1, 1),
            Self::Gateway => Ipv4Addr::new(10, 53, 1, 2),
            Self::Registrar => Ipv4Addr::new(10, 99, 0, 10),
            Self::Ca => Ipv4Addr::new(10, 99, 0, 20),
            Self::Cloud => Ipv4Addr::new(10, 99, 0, 30),
            Self::Smdp => Ipv4Addr::new(10, 99, 0, 40),
            Self::Smds => Ipv4Addr::new(10, 99, 0, 50),
            Self::Eim => Ipv4Addr::new(10, 99, 0, 60),
            _ => Ipv4Addr::new(10, 53, 0, 1),
        }
    }

    /// The number of the device that this actor is part of.
    pub fn device(self) -> Option<u32> {
        match self {
            Self::Device(n) | Self::Ue(n) | Self::Card(n) => Some(n),
            _ => None,
        }
    }
}

/// What a message speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Proto {
    /// Card commands (ISO/IEC 7816-4, ETSI TS 102 221). `bytes` of an exchange: see [`Message::bytes`].
    Apdu,
    /// EPS mobility management (TS 24.301), as protected on the air.
    Emm,
    /// EPS session management (TS 24.301).
    Esm,
    /// S1 application protocol (TS 36.413).
    S1ap,
    /// GPRS tunnelling protocol, user plane (TS 29.281).
    GtpU,
    /// MME to HSS (TS 29.272), a function call here.
    S6a,
    /// TLS 1.3 (RFC 8446) handshake milestones.
    Tls,
    /// Registration API, HTTP/1.1 over TLS.
    Http,
    /// Enrolment over secure transport (RFC 7030).
    Est,
    /// LPA or IPA to SM-DP+ (SGP.22 clause 5.6), JSON over HTTPS.
    Es9p,
    /// LPA or IPA to SM-DS (SGP.22 clause 5.8), JSON over HTTPS.
    Es11,
    /// IPA to eIM (SGP.32 clause 6), ASN.1 over HTTPS.
    Esipa,
    /// MQTT 5.0.
    Mqtt,
    /// Ledger transactions (EIP-2718 envelopes) and blocks.
    Evm,
}

impl Proto {
    /// Every protocol, from the card outwards.
    pub const ALL: [Self; 14] = [
        Self::Apdu,
        Self::Emm,
        Self::Esm,
        Self::S1ap,
        Self::GtpU,
        Self::S6a,
        Self::Tls,
        Self::Http,
        Self::Est,
        Self::Es9p,
        Self::Es11,
        Self::Esipa,
        Self::Mqtt,
        Self::Evm,
    ];

    /// The name that transcripts print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apdu => "APDU",
            Self::Emm => "EMM",
            Self::Esm => "ESM",
            Self::S1ap => "S1AP",
            Self::GtpU => "GTP-U",
            Self::S6a => "S6a",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Est => "EST",
            Self::Es9p => "ES9+",
            Self::Es11 => "ES11",
            Self::Esipa => "ESipa",
            Self::Mqtt => "MQTT",
            Self::Evm => "EVM",
        }
    }
}

/// Names and values worth a reader's eye, in the order to print them. Never a secret.
pub type Fields = Vec<(&'static str, String)>;

/// How a message is called: what its sender (or its only reader) knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub proto: Proto,
    /// The name that its specification gives it.
    pub name: Cow<'static, str>,
    pub fields: Fields,
}

impl Label {
    /// A label without fields.
    pub fn new(proto: Proto, name: impl Into<Cow<'static, str>>) -> Self {
        Self { proto, name: name.into(), fields: Vec::new() }
    }

    /// The same with one field more.
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.fields.push((name, value.to_string()));
        self
    }
}

/// A message between two actors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub from: Actor,
    pub to: Actor,
    pub label: Label,
    /// The encoded message: the command or response APDU, the NAS PDU as protected, the S1AP PDU, the GTP-U
    /// PDU, and for what travels inside TLS the plaintext. Empty for a function call.
    pub bytes: Vec<u8>,
}

/// A change of state inside one actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    pub actor: Actor,
    /// The machine, as in `emm` or `ecm`; empty for a plain note.
    pub machine: &'static str,
    /// What changed, as in `DEREGISTERED -> REGISTERED_INITIATED`.
    pub change: Cow<'static, str>,
    pub fields: Fields,
}

/// A step of the zero-touch procedure.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
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
    /// The device leaves the network.
    Detach,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 8] = [
        Self::Attach,
        Self::Download,
        Self::Enable,
        Self::Keys,
        Self::Register,
        Self::Enrol,
        Self::Ready,
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
            Self::Detach => "detach",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// What was proved.
    Done { proof: String },
    /// The other side said no. `reason` is one stable word, as in `emm-cause-8` or `not-on-allow-list`.
    Refused { reason: String, detail: String },
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
pub enum Body {
    Message(Message),
    State(StateChange),
    /// Device `device` begins `step`.
    StepStarted {
        device: u32,
        step: Step,
    },
    /// Device `device` ended `step` after `took` of virtual time.
    StepEnded {
        device: u32,
        step: Step,
        took: Duration,
        outcome: Outcome,
    },
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
    pub at: Instant,
    pub body: Body,
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
        assert!(verdict.worsen(Verdict::Error));
        assert_eq!(verdict.name(), "error");
    }

    #[test]
    fn actors_read_back_from_their_names() {
        let numbered = [Actor::Device(1), Actor::Ue(20), Actor::Card(1000), Actor::Enb(u32::MAX)];
        let single = [
            Actor::Mme,
            Actor::Hss,
            Actor::Gateway,
            Actor::Registrar,
            Actor::Ledger,
            Actor::Ca,
            Actor::Cloud,
            Actor::Smdp,
            Actor::Smds,
            Actor::Eim,
            Actor::Lab,
        ];
        for actor in numbered.into_iter().chain(single) {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        for text in ["", "ue", "mme1", "ue-1", "ue4294967296", "1ue", "UE1", "ue1 "] {
            assert!(text.parse::<Actor>().is_err(), "{text:?}");
        }
    }
}
