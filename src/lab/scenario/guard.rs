//! What the guard has to do with a scenario: of which kind a device is, and what one does that has turned.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Scenario;
use super::names::device_exists;
use crate::device::plan;
use crate::guard::generator::{Attack, Kind, kinds};
use crate::lab::document::Document;

/// A kind of device, whose life the network's guard has learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// A meter of electricity.
    Meter,
    /// A tracker of goods.
    Tracker,
    /// A camera at a door.
    Camera,
    /// Something worn.
    Wearable,
    /// A sensor on a machine.
    Machine,
    /// A traffic light.
    TrafficLight,
}

impl DeviceKind {
    /// What it does all day.
    pub fn life(self) -> Kind {
        match self {
            Self::Meter => kinds::METER,
            Self::Tracker => kinds::TRACKER,
            Self::Camera => kinds::CAMERA,
            Self::Wearable => kinds::WEARABLE,
            Self::Machine => kinds::MACHINE,
            Self::TrafficLight => kinds::LIGHT,
        }
    }
}

/// What a device does that has turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AttackKind {
    /// UDP datagrams at one victim, 200 a second.
    Flood,
    /// SYNs to strangers, twenty a second.
    Scan,
    /// The same, one in ten seconds.
    SlowScan,
    /// Passwords at a stranger, one a second.
    Brute,
    /// A sign of life to a stranger, once a minute.
    Beacon,
    /// Names of DNS that carry 100 bytes a second.
    DnsExfil,
    /// Data to a stranger, 500 bytes a second.
    SlowExfil,
    /// Connections to neighbours, one in five seconds.
    Lateral,
}

/// One device turns bad for a while, and sends packets past its IP stack into its session. The others go on with the next
/// entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assault {
    /// What it does.
    pub kind: AttackKind,
    /// The number of the device.
    pub device: u32,
    /// For how long, in virtual seconds.
    #[schemars(range(min = 1, max = 3_600))]
    pub for_s: u32,
}

impl Assault {
    /// What the device is to do.
    pub fn planned(&self) -> plan::Assault {
        let attack = match self.kind {
            AttackKind::Flood => Attack::Flood { per_s: 200, bytes: 512 },
            AttackKind::Scan => Attack::Scan { every_ms: 50, port: 23 },
            AttackKind::SlowScan => Attack::Scan { every_ms: 10_000, port: 23 },
            AttackKind::Brute => Attack::Brute { every_ms: 1_000, port: 22 },
            AttackKind::Beacon => {
                Attack::Beacon { every_s: 60, jitter_pct: 10, bytes: 120, port: 6_667, at_cloud: false }
            }
            AttackKind::DnsExfil => Attack::DnsExfil { bytes_per_s: 100 },
            AttackKind::SlowExfil => Attack::Bulk { bytes_per_s: 500, at_cloud: false },
            AttackKind::Lateral => Attack::Lateral { every_s: 5 },
        };
        plan::Assault { device: self.device, attack, time: Duration::from_secs(self.for_s.into()) }
    }
}

impl Scenario {
    /// Whether a device turns bad in it: such packets exist in the network of a run only.
    pub fn is_hostile(&self) -> bool {
        self.steps.iter().any(|entry| entry.attack().is_some())
    }
}

/// Notes every attack in `document` of a device that does not exist, and every guard of a device without a model.
pub(super) fn check(scenario: &Scenario, document: &mut Document<'_>) {
    for (i, group) in scenario.device.iter().enumerate() {
        if group.own_guard && group.kind.is_none() {
            let span = document.root().key("device").item(i).key("own_guard").span();
            let message = "a guard of a device has nothing to judge by: its group has no `kind`";
            let help = Some("say of which `kind` these devices are".to_owned());
            document.problem(span, message, "there is no model for it", help);
        }
    }
    for (i, entry) in scenario.steps.iter().enumerate() {
        if let Some(assault) = entry.attack() {
            let span = document.root().key("steps").item(i).key("attack").key("device").span();
            device_exists(scenario, document, span, assault.device);
        }
    }
}
