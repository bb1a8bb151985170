//! How devices were cut off: what began it, and when each of those followed who follow the ledger. Taken from the events of
//! a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Actor, Body, Event, Message, StateChange, TURNS_BAD};
use crate::kernel::{Duration, Instant};
use crate::services::guard::{ALARM_TAKEN, OPERATOR_ACTS};
use crate::services::relying::PEER_REFUSES;
use crate::wire::Proto;

/// What follows, in the words of [`LoopRow::after_ns`], in the order in which it is told of.
pub const STAGES: [&str; 7] = ["alarm", "ledger", "certificate", "peer", "session", "flow", "detach"];

/// How a device was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopRow {
    /// The number of the device.
    pub device: u32,
    /// What began it: the class of an attack of the scenario, such as `scan-fast`, or `alarm`, `operator`, or `ledger` where
    /// nobody had asked.
    pub cause: String,
    /// When that was, in nanoseconds of virtual time since the start of the run.
    pub began_ns: u64,
    /// What followed, each with how many nanoseconds after: `alarm`, an alarm was taken in; `ledger`, the ledger had it in a
    /// sealed block; `certificate`, the CA called the certificate revoked; `peer`, a peer that asks OCSP refused it; `session`,
    /// the broker ended the session; `flow`,
    /// the switch had isolated the device; `detach`, the network had told it to detach.
    pub after_ns: BTreeMap<String, u64>,
}

/// Watches how devices are cut off.
#[derive(Debug, Default)]
pub struct LoopWatch {
    /// Which attack of a device began last, and when.
    attacks: BTreeMap<u32, (String, Instant)>,
    rows: Vec<LoopRow>,
    /// The row of each device that is being cut off.
    open: BTreeMap<u32, usize>,
}

impl LoopWatch {
    /// Takes an event down, where it is one of these.
    pub fn observe(&mut self, event: &Event) {
        let Some(device) = event.device else { return };
        match &event.body {
            Body::State(change) => self.state(device, event.at, change),
            Body::Message(message) => self.message(device, event.at, message),
            Body::StepStarted { .. } | Body::StepEnded { .. } => {}
        }
    }

    fn state(&mut self, device: u32, at: Instant, change: &StateChange) {
        let said =
            |name: &str| change.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| &**value);
        match (change.actor, &*change.change) {
            (_, TURNS_BAD) => {
                let class = said("attack").unwrap_or("attack").to_owned();
                self.attacks.insert(device, (class, at));
            }
            (Actor::GUARD, ALARM_TAKEN) => {
                self.open(device, at, "alarm");
                self.mark(device, at, "alarm");
            }
            (Actor::GUARD, OPERATOR_ACTS) if said("deed") != Some("release") => {
                self.open(device, at, "operator")
            }
            (Actor::CA, "certificate on hold" | "certificate revoked") => {
                self.mark(device, at, "certificate")
            }
            (Actor::CLOUD, PEER_REFUSES) => self.mark(device, at, "peer"),
            (Actor::CLOUD, "client sent away") => self.mark(device, at, "session"),
            (_, "policy stands") if said("policy") == Some("isolated") => self.mark(device, at, "flow"),
            _ => {}
        }
    }

    fn message(&mut self, device: u32, at: Instant, message: &Message) {
        match (message.label.proto, &*message.label.name) {
            (Proto::Cwt, "Isolate" | "Revoke") if message.from == Actor::REGISTRAR => {
                self.open(device, at, "ledger");
                self.mark(device, at, "ledger");
            }
            (Proto::Cwt, "Release") if message.from == Actor::REGISTRAR => drop(self.open.remove(&device)),
            (Proto::Emm, "Detach Request") if message.from == Actor::MME => self.mark(device, at, "detach"),
            _ => {}
        }
    }

    /// Begins a row of `device`, where none is open.
    fn open(&mut self, device: u32, at: Instant, cause: &str) {
        if self.open.contains_key(&device) {
            return;
        }
        let (cause, began) = self.attacks.remove(&device).unwrap_or_else(|| (cause.to_owned(), at));
        let began_ns = began.as_nanos();
        self.open.insert(device, self.rows.len());
        self.rows.push(LoopRow { device, cause, began_ns, after_ns: BTreeMap::new() });
    }

    /// Notes when `stage` came first.
    fn mark(&mut self, device: u32, at: Instant, stage: &str) {
        let Some(row) = self.open.get(&device).and_then(|place| self.rows.get_mut(*place)) else { return };
        row.after_ns.entry(stage.to_owned()).or_insert(at.as_nanos().saturating_sub(row.began_ns));
    }

    /// The rows of devices that the ledger has cut off, in the order in which that began.
    pub fn finish(self) -> Vec<LoopRow> {
        self.rows.into_iter().filter(|row| row.after_ns.contains_key("ledger")).collect()
    }
}

impl LoopRow {
    /// What followed, the first first.
    pub fn stages(&self) -> Vec<(&'static str, Duration)> {
        let after = |stage: &'static str| Some((stage, Duration::from_nanos(*self.after_ns.get(stage)?)));
        let mut stages: Vec<_> = STAGES.into_iter().filter_map(after).collect();
        stages.sort_by_key(|(_, after)| *after);
        stages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Label;

    fn at(ms: u64, device: u32, body: Body) -> Event {
        Event { at: Instant::ZERO + Duration::from_millis(ms), device: Some(device), body }
    }

    fn order(name: &'static str) -> Body {
        let label = Label::new(Proto::Cwt, name);
        Body::Message(Message { from: Actor::REGISTRAR, to: Actor::MME, label, bytes: Vec::new() })
    }

    #[test]
    fn a_row_says_what_began_it_and_what_followed_first() {
        let deed = |deed: &str| vec![("deed", deed.to_owned())];
        let events = [
            at(10, 1, Body::note(Actor::GUARD, OPERATOR_ACTS, deed("quarantine"))),
            at(30, 1, Body::note(Actor::CA, "certificate on hold", Vec::new())),
            at(30, 1, Body::note(Actor::CLOUD, "client sent away", Vec::new())),
            at(30, 1, order("Isolate")),
            at(30, 1, order("Isolate")),
            at(31, 1, Body::note(Actor::CLOUD, PEER_REFUSES, Vec::new())),
            at(33, 1, Body::note(Actor::CA, "certificate on hold", Vec::new())),
            // A device that is only suspected has no row.
            at(40, 2, Body::note(Actor::GUARD, ALARM_TAKEN, Vec::new())),
            at(41, 3, Body::note(Actor::device(3), TURNS_BAD, vec![("attack", "flood".to_owned())])),
            at(45, 3, Body::note(Actor::GUARD, ALARM_TAKEN, Vec::new())),
            at(65, 3, order("Isolate")),
            at(90, 1, Body::note(Actor::GUARD, OPERATOR_ACTS, deed("release"))),
            at(95, 1, order("Release")),
            at(99, 1, order("Revoke")),
        ];
        let mut watch = LoopWatch::default();
        events.iter().for_each(|event| watch.observe(event));
        let rows = watch.finish();
        let ms = |row: &LoopRow| {
            row.stages().into_iter().map(|(stage, after)| (stage, after.as_millis())).collect()
        };
        let told: Vec<(&str, u64, Vec<_>)> =
            rows.iter().map(|row| (&*row.cause, row.began_ns / 1_000_000, ms(row))).collect();
        assert_eq!(
            told,
            [
                ("operator", 10, vec![("ledger", 20), ("certificate", 20), ("session", 20), ("peer", 21)]),
                ("flood", 41, vec![("alarm", 4), ("ledger", 24)]),
                ("ledger", 99, vec![("ledger", 0)]),
            ]
        );
    }
}
