//! The guard that a device carries with it, below its host: the same crate and the same model as in the network, on the
//! device's own packets. It acts before the network does: a packet that makes it certain does not leave, and from then on the device
//! speaks to the services that it knows and to nobody else, until it starts anew. It asks for help, and keeps the evidence.
//!
//! Whoever owns the device owns this guard: what it says is one voice, and the network decides for itself.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use cellbed_guard::Model;

use crate::guard::watch::{Raised, Watch, why};
use crate::kernel::{Duration, Instant};
use crate::net::endpoint::{BROKER, ESIM_SERVERS, EST, REGISTRAR, UPDATES};
use crate::wire::Fields;
use crate::wire::alarm::{Alarm, Level, Witness};
use crate::wire::inet::addresses;

/// How long the device has to be silent after onboarding before it judges itself.
const SETTLED: Duration = Duration::from_secs(1);
/// How many records are kept; the oldest go first.
const EVIDENCE_MAX: usize = 16;

/// What a device says when its own guard finds something.
pub const OWN_ALARM: &str = "its own guard raises an alarm";
/// What it says of packets that its guard keeps back: at the first, and whenever there are twice as many.
pub const KEPT_BACK: &str = "its own guard keeps packets back";

/// The guard on a device.
pub struct Sentinel {
    watch: Watch,
    model: Arc<Model>,
    /// When a packet passed last, while nobody is judged yet.
    heard: Option<Instant>,
    /// Whether it lets packets to known services pass and no others.
    shut: bool,
    kept_back: u64,
    /// How many packets were kept back when that is told next: 1, 2, 4 and so on.
    told_at: u64,
    /// Records of what was found: they outlive a cut of the power, as what is in a flash does.
    evidence: VecDeque<Vec<u8>>,
    raised: Vec<Raised>,
}

impl Sentinel {
    /// A guard with this model, which has seen nothing yet. Its counters of a second stop at three quarters of the model's: what
    /// it lets pass makes nobody in the network certain, whose seconds begin at other moments.
    pub fn new(model: &Model) -> Self {
        let instant = model.instant.map(|limit| limit / 4 * 3 + limit % 4 * 3 / 4);
        Self::judging_by(Arc::new(Model { instant, ..model.clone() }))
    }

    fn judging_by(model: Arc<Model>) -> Self {
        let watch = Watch::new("", Witness::Device);
        let (evidence, raised) = Default::default();
        Self { watch, model, heard: None, shut: false, kept_back: 0, told_at: 1, evidence, raised }
    }

    /// A packet is to leave the device, which has this address; `is_onboarded` says whether it has a certificate. Says whether
    /// it may leave.
    pub fn leaves(&mut self, now: Instant, address: IpAddr, packet: &[u8], is_onboarded: bool) -> bool {
        self.packet(now, address, packet, is_onboarded);
        let may = !self.shut || is_known(packet);
        self.kept_back += u64::from(!may);
        may
    }

    /// A packet has come in.
    pub fn arrives(&mut self, now: Instant, address: IpAddr, packet: &[u8], is_onboarded: bool) {
        self.packet(now, address, packet, is_onboarded);
    }

    fn packet(&mut self, now: Instant, address: IpAddr, packet: &[u8], is_onboarded: bool) {
        if !self.watch.watches(address) {
            let before = self.heard.replace(now);
            if before.is_some_and(|before| now.since(before) < SETTLED) || !is_onboarded {
                return;
            }
            self.watch.begin(now, address, None, self.model.clone());
        }
        self.watch.packet(now, address, packet, &mut self.raised);
        self.decide();
    }

    /// When a window is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.watch.deadline()
    }

    /// Closes the windows that are over at `now`.
    pub fn tick(&mut self, now: Instant) {
        self.watch.tick(now, &mut self.raised);
        self.decide();
    }

    fn decide(&mut self) {
        self.shut |= self.raised.iter().any(|raised| raised.alarm.level == Level::Certain);
    }

    /// The session of the device is over.
    pub fn session_over(&mut self, address: IpAddr) {
        self.watch.end(address);
        self.heard = None;
    }

    /// The device starts anew: what was in memory is gone.
    pub fn restarted(&mut self, now: Instant) {
        // A number that is greater than any before: the guard does not remember how many alarms there were.
        let watch = Watch::new("", Witness::Device).counting_from(now.as_micros());
        let evidence = std::mem::take(&mut self.evidence);
        *self = Self { watch, evidence, ..Self::judging_by(self.model.clone()) };
    }

    /// The alarms since the last call, and what is to be told of them and of packets that were kept back.
    pub fn found(&mut self) -> (Vec<Alarm>, Vec<(&'static str, Fields)>) {
        let mut told = Vec::new();
        let mut alarms = Vec::new();
        for Raised { alarm, evidence } in self.raised.drain(..) {
            let mut fields = vec![
                ("level", alarm.level.word().to_owned()),
                ("evidence", hex::encode(&alarm.evidence[..4])),
                ("why", why(&alarm)),
            ];
            if alarm.level == Level::Certain {
                fields.push(("stops", "true".to_owned()));
            }
            told.push((OWN_ALARM, fields));
            if self.evidence.len() >= EVIDENCE_MAX {
                self.evidence.pop_front();
            }
            self.evidence.push_back(evidence);
            alarms.push(alarm);
        }
        if self.kept_back >= self.told_at {
            told.push((KEPT_BACK, vec![("count", self.kept_back.to_string())]));
            self.told_at = self.told_at.saturating_mul(2);
        }
        (alarms, told)
    }

    /// The records that alarms rest on, the latest last.
    pub fn evidence(&self) -> impl Iterator<Item = &[u8]> {
        self.evidence.iter().map(Vec::as_slice)
    }
}

/// Whether a packet is for a service that every device of the lab knows.
fn is_known(packet: &[u8]) -> bool {
    let Some((_, to)) = addresses(packet) else { return false };
    let services = [REGISTRAR, EST, BROKER, UPDATES];
    services.iter().chain(&ESIM_SERVERS).any(|service| service.addresses().contains(&to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::{Attack, RESOLVER, kinds};
    use crate::guard::learn;
    use crate::kernel::RngTree;
    use sha2::{Digest, Sha256};

    const FOUR: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 45, 0, 2);
    const DEVICE: IpAddr = IpAddr::V4(FOUR);

    /// The packets of a fast scan, from second 10 to 15.
    fn scan() -> Vec<(Instant, Vec<u8>)> {
        let flights =
            Attack::Scan { every_ms: 50, port: 23 }.flights(&RngTree::new(2), (RESOLVER, 53), 10_000, 15_000);
        let packet = |flight: &crate::guard::generator::Flight| {
            let mut bytes = Vec::new();
            flight.write(FOUR, &mut bytes);
            (Instant::from_nanos(flight.at_ms * 1_000_000), bytes)
        };
        flights.iter().filter(|flight| flight.up).map(packet).collect()
    }

    #[test]
    fn what_makes_it_certain_does_not_leave_and_known_services_are_reached() {
        let mut sentinel = Sentinel::new(&learn::of_kind(kinds::LIGHT, &RngTree::new(1), 72).unwrap());
        let (mut left, mut alarms, mut told) = (0, Vec::new(), Vec::new());
        assert_eq!(sentinel.model.instant[2], 7, "of ten connections");
        for (now, packet) in scan() {
            let is_syn = packet[33] == 2;
            left += u32::from(sentinel.leaves(now, DEVICE, &packet, true) && is_syn);
            let (more, notes) = sentinel.found();
            alarms.extend(more);
            told.extend(notes.into_iter().map(|(what, _)| what));
        }
        assert_eq!((left, alarms.len()), (7, 1), "the eighth connection of a second is one too many");
        let alarm = &alarms[0];
        assert_eq!((alarm.witness, alarm.level, alarm.session), (Witness::Device, Level::Certain, None));
        let evidence: Vec<_> = sentinel.evidence().collect();
        assert_eq!(Sha256::digest(evidence[0])[..], alarm.evidence);
        assert_eq!(told[0], OWN_ALARM);
        assert!(told.iter().filter(|what| **what == KEPT_BACK).count() >= 5, "{told:?}");
        // To the broker it still speaks; once it has started anew, to strangers as well, and the evidence is there.
        let (now, mut to_broker) = scan().pop().unwrap();
        let stranger = to_broker.clone();
        to_broker[16..20].copy_from_slice(&BROKER.actor.transport_address().octets());
        assert!(
            sentinel.leaves(now, DEVICE, &to_broker, true) && !sentinel.leaves(now, DEVICE, &stranger, true)
        );
        sentinel.restarted(now);
        assert!(sentinel.leaves(now, DEVICE, &stranger, true));
        assert_eq!(sentinel.evidence().count(), 1);
        assert_eq!(sentinel.deadline(), Some(Instant::from_nanos(20_000_000_000)));
        sentinel.session_over(DEVICE);
        assert_eq!(sentinel.deadline(), None);
    }

    #[test]
    fn onboarding_is_not_judged() {
        let mut sentinel = Sentinel::new(&learn::of_kind(kinds::LIGHT, &RngTree::new(1), 72).unwrap());
        assert!(scan().into_iter().all(|(now, packet)| sentinel.leaves(now, DEVICE, &packet, false)));
        assert!(sentinel.found().0.is_empty());
    }
}
