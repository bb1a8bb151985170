//! The guard of a whole network: one guard for each session, and what they find as alarms, which whoever has the key signs. A device
//! that carries a guard of its own has one of its one session.
//!
//! A machine without input and output of its own: whoever sees the packets hands them over, and takes the alarms away. Nobody is
//! judged while it is being onboarded: what is then normal is not what it does later.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cellbed_guard::{
    FEATURES_NAMES, Finding, Guard, INSTANT_NAMES, Level as Found, Model, Packet, PacketError,
};
use sha2::{Digest, Sha256};

use crate::kernel::{Duration, Instant};
use crate::wire::alarm::{Alarm, Level, Witness};
use crate::wire::cbor::Value;
use crate::wire::inet::prefix_of;

/// More sessions than a run can have are not watched.
const SESSIONS_MAX: usize = 200_000;
/// The averages of a guard that has just begun are empty, which is far from what the model expects: so long a residual
/// alone says nothing.
const COLD: Duration = Duration::from_secs(3_600);
/// The same is not said again for so long.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// An alarm, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// What is stated.
    pub alarm: Alarm,
    /// The record whose digest the alarm has: CBOR, a map of the address, the window in milliseconds, the features with
    /// their limits in 1/256 of log2, and the digest of the model.
    pub evidence: Vec<u8>,
}

/// The guard of one session.
struct Watched {
    session: Option<u64>,
    guard: Guard,
    model: Arc<Model>,
    since: Instant,
    /// What was raised last, and when.
    last: Option<(Level, Instant)>,
}

/// The guards of a network, or the one of a device.
pub struct Watch {
    name: String,
    witness: Witness,
    sequence: u64,
    sessions: BTreeMap<IpAddr, Watched>,
    /// When the window of which session is over.
    due: BTreeSet<(u64, IpAddr)>,
}

impl Watch {
    /// Watches nobody yet. Alarms are raised under `name`.
    pub fn new(name: impl Into<String>, witness: Witness) -> Self {
        let (sessions, due) = (BTreeMap::new(), BTreeSet::new());
        Self { name: name.into(), witness, sequence: 0, sessions, due }
    }

    /// The same, whose alarms are counted from the one behind `last` on: for somebody who forgets how many there were.
    #[must_use]
    pub fn counting_from(self, last: u64) -> Self {
        Self { sequence: last, ..self }
    }

    /// Watches the session with this address from `now` on, by a model of its device. A model that is not armed judges
    /// nobody: the session is not watched. Says whether it is.
    pub fn begin(&mut self, now: Instant, address: IpAddr, session: Option<u64>, model: Arc<Model>) -> bool {
        self.end(address);
        if !model.is_armed() || self.sessions.len() >= SESSIONS_MAX {
            return false;
        }
        let guard = Guard::new(millis(now));
        self.sessions.insert(address, Watched { session, guard, model, since: now, last: None });
        true
    }

    /// Watches the session with this address no more.
    pub fn end(&mut self, address: IpAddr) {
        if let Some(watched) = self.sessions.remove(&address)
            && let Some(due_ms) = watched.guard.deadline_ms()
        {
            self.due.remove(&(due_ms, address));
        }
    }

    /// Whether the session with this address is watched.
    pub fn watches(&self, address: IpAddr) -> bool {
        self.sessions.contains_key(&address)
    }

    /// Takes an IP packet to or from the device with this address. What is no such packet, or of nobody who is watched,
    /// is passed over.
    pub fn packet(&mut self, now: Instant, address: IpAddr, bytes: &[u8], out: &mut Vec<Raised>) {
        if let Ok(packet) = parse(bytes, address) {
            self.take(now, address, &packet, out);
        }
    }

    /// Likewise one that the network has dropped: the guard knows what its sender may only guess.
    pub fn dropped(&mut self, now: Instant, address: IpAddr, bytes: &[u8], out: &mut Vec<Raised>) {
        if let Ok(packet) = parse(bytes, address) {
            self.take(now, address, &packet.dropped(), out);
        }
    }

    fn take(&mut self, now: Instant, address: IpAddr, packet: &Packet, out: &mut Vec<Raised>) {
        let Some(watched) = self.sessions.get_mut(&address) else { return };
        let mut found = Vec::new();
        let before = watched.guard.deadline_ms();
        watched.guard.packet(millis(now), packet, &watched.model, &mut |finding| found.push(finding));
        let after = watched.guard.deadline_ms();
        self.reschedule(address, before, after);
        found.into_iter().for_each(|finding| self.raise(now, address, &finding, out));
    }

    /// When [`Watch::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due_ms, _)| Instant::from_nanos(due_ms.saturating_mul(1_000_000)))
    }

    /// Closes the windows that are over at `now`.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Raised>) {
        let now_ms = millis(now);
        while let Some((due_ms, address)) = self.due.first().copied().filter(|(due_ms, _)| *due_ms <= now_ms)
        {
            let Some(watched) = self.sessions.get_mut(&address) else { return };
            let mut found = Vec::new();
            watched.guard.tick(now_ms, &watched.model, &mut |finding| found.push(finding));
            let after = watched.guard.deadline_ms();
            self.reschedule(address, Some(due_ms), after);
            found.into_iter().for_each(|finding| self.raise(now, address, &finding, out));
        }
    }

    fn reschedule(&mut self, address: IpAddr, before: Option<u64>, after: Option<u64>) {
        if before != after {
            before.map(|due_ms| self.due.remove(&(due_ms, address)));
            self.due.extend(after.map(|due_ms| (due_ms, address)));
        }
    }

    /// Raises what was found, where it is new or worse than what was raised.
    fn raise(&mut self, now: Instant, address: IpAddr, finding: &Finding, out: &mut Vec<Raised>) {
        let Some(watched) = self.sessions.get_mut(&address) else { return };
        let only_residuals = finding.features == 0 && finding.instant == 0;
        if only_residuals && now.since(watched.since) < COLD {
            return;
        }
        let level = match finding.level {
            Found::Suspect => Level::Suspect,
            Found::Certain => Level::Certain,
        };
        if watched.last.is_some_and(|(last, at)| level <= last && now.since(at) < AGAIN_AFTER) {
            return;
        }
        watched.last = Some((level, now));
        self.sequence += 1;
        let evidence = record(address, finding, &watched.model);
        let alarm = Alarm {
            issuer: self.name.clone(),
            issued_unix_s: now.unix_s(),
            sequence: self.sequence,
            witness: self.witness,
            level,
            session: watched.session,
            address,
            evidence: Sha256::digest(&evidence).into(),
            window_us: (finding.begin_ms * 1_000, finding.end_ms * 1_000),
            features: finding.features.into(),
            residuals: finding.residuals.into(),
            instant: finding.instant.into(),
        };
        out.push(Raised { alarm, evidence });
    }
}

/// What was above its limit, in words.
pub fn why(alarm: &Alarm) -> String {
    let set = |bits: u64, names: &[&'static str]| -> Vec<&'static str> {
        names.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, name)| *name).collect()
    };
    let seconds = set(alarm.instant, &INSTANT_NAMES).into_iter().map(|name| format!("{name} in a second"));
    let features = set(alarm.features | alarm.residuals, &FEATURES_NAMES).into_iter().map(str::to_owned);
    seconds.chain(features).collect::<Vec<_>>().join(", ")
}

fn parse(bytes: &[u8], device: IpAddr) -> Result<Packet, PacketError> {
    match device {
        IpAddr::V4(address) => Packet::parse(bytes, address.into()),
        IpAddr::V6(address) => Packet::parse_v6(bytes, prefix_of(address)),
    }
}

/// The octets of an address.
fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn millis(at: Instant) -> u64 {
    at.as_micros() / 1_000
}

/// What an alarm rests on, in deterministic CBOR.
fn record(address: IpAddr, finding: &Finding, model: &Model) -> Vec<u8> {
    let numbers = |numbers: &[i16]| Value::Array(numbers.iter().map(|n| Value::int((*n).into())).collect());
    let pairs = [
        Value::Bytes(octets(address)),
        Value::Array(vec![Value::Unsigned(finding.begin_ms), Value::Unsigned(finding.end_ms)]),
        numbers(&finding.values),
        numbers(&model.limits),
        Value::Unsigned(finding.instant.into()),
        Value::Bytes(Sha256::digest(model.to_bytes()).to_vec()),
    ];
    Value::Map((1..).map(Value::int).zip(pairs).collect()).encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::{Attack, Flight, Life, Merged, kinds};
    use crate::guard::learn;
    use crate::kernel::RngTree;

    const FOUR: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 45, 0, 2);
    const DEVICE: IpAddr = IpAddr::V4(FOUR);
    const HOUR_MS: u64 = 3_600_000;

    fn model(hours: u64) -> Arc<Model> {
        Arc::new(learn::of_kind(kinds::LIGHT, &RngTree::new(1), hours).unwrap())
    }

    fn at(flight: &Flight) -> Instant {
        Instant::from_nanos(flight.at_ms * 1_000_000)
    }

    /// An hour of life, and `attack` from minute 30 on.
    fn watched(model: Arc<Model>, attack: Option<Attack>) -> Vec<Raised> {
        let mut watch = Watch::new("guard", Witness::Network);
        assert!(watch.begin(Instant::ZERO, DEVICE, Some(7), model));
        let life = Life::new(kinds::LIGHT, &RngTree::new(1), 0);
        let bad = attack
            .map(|attack| attack.flights(&RngTree::new(2), life.cloud(), HOUR_MS / 2, HOUR_MS / 2 + 60_000));
        let life = life.take_while(|flight| flight.at_ms < HOUR_MS);
        let (mut out, mut bytes) = (Vec::new(), Vec::new());
        for (flight, _) in Merged::new(life, bad.unwrap_or_default().into_iter()) {
            while let Some(due) = watch.deadline().filter(|due| *due <= at(&flight)) {
                watch.tick(due, &mut out);
            }
            flight.write(FOUR, &mut bytes);
            watch.packet(at(&flight), DEVICE, &bytes, &mut out);
        }
        watch.end(DEVICE);
        assert_eq!((watch.deadline(), watch.watches(DEVICE)), (None, false));
        out
    }

    #[test]
    fn a_device_that_turns_bad_is_told_once_a_level_and_the_digest_binds_the_evidence() {
        let model = model(336);
        assert_eq!(watched(model.clone(), None), []);
        let raised = watched(model.clone(), Some(Attack::Scan { every_ms: 100, port: 23 }));
        let levels: Vec<_> = raised.iter().map(|raised| raised.alarm.level).collect();
        assert_eq!(levels.last(), Some(&Level::Certain), "{levels:?}");
        assert!(levels.is_sorted() && raised.len() <= 2, "{levels:?}");
        for (n, raised) in raised.iter().enumerate() {
            let alarm = &raised.alarm;
            assert_eq!((alarm.sequence, alarm.session, alarm.address), (n as u64 + 1, Some(7), DEVICE));
            assert_eq!((&*alarm.issuer, alarm.witness), ("guard", Witness::Network));
            assert_eq!(alarm.evidence[..], Sha256::digest(&raised.evidence)[..]);
            assert!(alarm.window_us.0 >= HOUR_MS / 2 * 1_000 - 10_000_000, "{alarm:?}");
            let record = Value::decode(&raised.evidence).unwrap();
            assert_eq!(record.get(6).and_then(Value::as_bytes), Some(&Sha256::digest(model.to_bytes())[..]));
        }
    }

    #[test]
    fn strangers_short_baselines_and_nonsense_are_passed_over() {
        let mut watch = Watch::new("guard", Witness::Network);
        let mut out = Vec::new();
        assert!(!watch.begin(Instant::ZERO, DEVICE, None, model(24)), "a day is too short");
        watch.packet(Instant::ZERO, DEVICE, &[0x45], &mut out);
        assert!(watch.begin(Instant::ZERO, DEVICE, None, model(72)));
        for bytes in [&[][..], &[0x45; 10], &[0x60; 40]] {
            watch.packet(Instant::ZERO, DEVICE, bytes, &mut out);
        }
        watch.packet(Instant::ZERO, IpAddr::V4(std::net::Ipv4Addr::new(10, 45, 0, 3)), &[0x45; 40], &mut out);
        assert_eq!((out, watch.deadline()), (Vec::new(), None));
    }
}
