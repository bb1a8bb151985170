//! The network's guard in front of the services: it sees every packet of every session, and what it finds goes to the guard
//! office as a signed alarm. It decides nothing.
//!
//! Nobody is judged while it is being onboarded: a device is watched from its first packet on after it has a certificate and has
//! been silent for a second.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cellbed_guard::{Model, mark_of};

use crate::corenet::UE_PREFIXES;
use crate::crypto::SoftKey;
use crate::guard::generator::Kind;
use crate::guard::watch::{Raised, Watch};
use crate::guard::{GuardError, learn};
use crate::kernel::{Duration, Instant, RngTree};
use crate::net::endpoint::{BROKER, EST, REGISTRAR};
use crate::wire::alarm::{Alarm, Witness};
use crate::wire::inet::addresses;

/// How many hours of generated life a kind of device is learned from: two weeks, so that a window may make certain.
const BASELINE_HOURS: u64 = 336;
/// With fewer windows a model judges nobody.
const WINDOWS_MIN: usize = 1_000;
/// TCP in an IPv4 header.
const TCP: u8 = 6;
/// How long a device has to be silent before it is judged.
const SETTLED: Duration = Duration::from_secs(1);

/// The guard of the network, with the models of the devices that have one.
pub struct Sentry {
    watch: Watch,
    key: SoftKey,
    /// The net that devices have their addresses of.
    pool: (Ipv4Addr, u8),
    models: BTreeMap<u32, Arc<Model>>,
    /// When somebody who is not judged yet was heard last.
    heard: BTreeMap<IpAddr, Instant>,
    /// What has been found and not been taken yet.
    raised: Vec<Raised>,
}

impl Sentry {
    /// A guard that raises alarms under the name `issuer`, signs with `key`, and knows devices by their number. Their addresses
    /// are of the net `pool`, an address and the length of its prefix.
    pub fn new(issuer: &str, key: SoftKey, pool: (Ipv4Addr, u8), models: BTreeMap<u32, Arc<Model>>) -> Self {
        let watch = Watch::new(issuer, Witness::Network);
        Self { watch, key, pool, models, heard: BTreeMap::new(), raised: Vec::new() }
    }

    /// The guard of devices by their numbers and kinds, with a model for each kind, learned from generated life, to which the
    /// services of the run are known besides, with their IPv6 addresses where the device may have that version. None where no
    /// device has a kind: nothing is drawn then.
    ///
    /// # Errors
    /// Where a kind does too little to learn from, or for its model to judge anybody.
    pub fn of_kinds(
        kinds: impl Iterator<Item = (u32, Kind, bool)>,
        issuer: &str,
        key: impl FnOnce() -> SoftKey,
        pool: (Ipv4Addr, u8),
        rng: &RngTree,
    ) -> Result<Option<Self>, GuardError> {
        let mut learned: BTreeMap<(&str, bool), Arc<Model>> = BTreeMap::new();
        let mut models = BTreeMap::new();
        for (number, kind, has_ipv6) in kinds {
            let model = match learned.get(&(kind.name, has_ipv6)) {
                Some(model) => model.clone(),
                None => {
                    let mut model = learn::of_kind(kind, &rng.branch(kind.name), BASELINE_HOURS)?;
                    // Nobody is left unwatched in silence.
                    if !model.is_armed() {
                        return Err(GuardError::Baseline {
                            windows: model.windows as usize,
                            least: WINDOWS_MIN,
                        });
                    }
                    for service in [BROKER, REGISTRAR, EST] {
                        model.known.add_peer(service.actor.transport_address().into());
                        if has_ipv6 {
                            model.known.add_peer(mark_of(service.actor.transport_address_v6().octets()));
                        }
                        model.known.add_service(TCP, service.port);
                    }
                    learned.entry((kind.name, has_ipv6)).or_insert(Arc::new(model)).clone()
                }
            };
            models.insert(number, model);
        }
        Ok((!models.is_empty()).then(|| Self::new(issuer, key(), pool, models)))
    }

    /// Takes a packet of the session `session` at `address`, which device `number` holds; `is_onboarded` says whether that has
    /// a certificate.
    pub fn packet(
        &mut self,
        now: Instant,
        whose: (IpAddr, u64, u32),
        packet: &[u8],
        is_onboarded: impl FnOnce() -> bool,
    ) {
        if self.watches(now, whose, is_onboarded) {
            self.watch.packet(now, whose.0, packet, &mut self.raised);
        }
    }

    /// The same of a packet that the switch has dropped. Only what was meant for another device counts: who is kept to the
    /// services that it is known for is not judged by what it is kept from.
    pub fn dropped(
        &mut self,
        now: Instant,
        whose: (IpAddr, u64, u32),
        packet: &[u8],
        is_onboarded: impl FnOnce() -> bool,
    ) {
        let Some((_, to)) = addresses(packet) else { return };
        let is_device = match to {
            IpAddr::V4(to) => {
                let (pool, prefix) = self.pool;
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                (u32::from(to) ^ u32::from(pool)) & mask == 0
            }
            IpAddr::V6(to) => {
                let (pool, prefix) = UE_PREFIXES;
                (u128::from(to) ^ u128::from(pool)) >> (128 - u32::from(prefix)) == 0
            }
        };
        if is_device && self.watches(now, whose, is_onboarded) {
            self.watch.dropped(now, whose.0, packet, &mut self.raised);
        }
    }

    /// Whether the session is watched, from `now` on where it was not and may be.
    fn watches(
        &mut self,
        now: Instant,
        (address, session, number): (IpAddr, u64, u32),
        is_onboarded: impl FnOnce() -> bool,
    ) -> bool {
        if self.watch.watches(address) {
            return true;
        }
        let Some(model) = self.models.get(&number) else { return false };
        let before = self.heard.insert(address, now);
        if before.is_some_and(|before| now.since(before) < SETTLED) || !is_onboarded() {
            return false;
        }
        self.heard.remove(&address);
        self.watch.begin(now, address, Some(session), model.clone())
    }

    /// The session at `address` is over.
    pub fn forget(&mut self, address: IpAddr) {
        self.heard.remove(&address);
        self.watch.end(address);
    }

    /// When a window is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.watch.deadline()
    }

    /// What was found since the last call, up to `now`: each alarm with the signed message that states it.
    pub fn found(&mut self, now: Instant) -> Vec<(Alarm, Vec<u8>)> {
        self.watch.tick(now, &mut self.raised);
        let signed = |Raised { alarm, .. }| {
            let message = alarm.encode(|over| self.key.sign(over));
            (alarm, message)
        };
        std::mem::take(&mut self.raised).into_iter().map(signed).collect()
    }

    /// The models by the numbers of devices.
    pub fn models(&self) -> &BTreeMap<u32, Arc<Model>> {
        &self.models
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::verify;
    use crate::guard::generator::{Attack, Flight, Habit, Host, RESOLVER, kinds};
    use crate::guard::watch::why;
    use crate::wire::alarm::Level;

    const FOUR: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 45, 0, 2);
    const DEVICE: IpAddr = IpAddr::V4(FOUR);

    fn sentry() -> Sentry {
        let tree = RngTree::new(1);
        let model = learn::of_kind(kinds::LIGHT, &tree, 336).unwrap();
        let key = SoftKey::from_stream(&mut tree.stream("guard"));
        Sentry::new("guard", key, (Ipv4Addr::new(10, 44, 0, 0), 14), [(3, Arc::new(model))].into())
    }

    /// A scan from second 10 on; what is raised within the ten seconds after it begins.
    fn scanned(sentry: &mut Sentry, number: u32, is_onboarded: bool) -> Vec<(Alarm, Vec<u8>)> {
        let attack = Attack::Scan { every_ms: 50, port: 23 };
        let flights = attack.flights(&RngTree::new(2), (RESOLVER, 53), 10_000, 15_000);
        let mut bytes = Vec::new();
        for flight in &flights {
            flight.write(FOUR, &mut bytes);
            let now = Instant::from_nanos(flight.at_ms * 1_000_000);
            sentry.packet(now, (DEVICE, 7, number), &bytes, || is_onboarded);
        }
        sentry.found(Instant::from_nanos(20_000_000_000))
    }

    #[test]
    fn a_scan_is_found_in_a_second() {
        let mut sentry = sentry();
        let raised = scanned(&mut sentry, 3, true);
        let (first, message) = &raised[0];
        assert_eq!((first.level, first.session), (Level::Certain, Some(7)));
        assert!(first.window_us.1 < 11_000_000 && why(first).contains("connections in a second"));
        let read = Alarm::decode(message, |issuer, over, signature| {
            issuer == "guard" && verify(&sentry.key.public(), over, signature).is_ok()
        });
        assert_eq!(read.as_ref(), Ok(first));
    }

    /// What ends at the switch: probes of neighbours are found, and what a suspect is kept from is no crime.
    #[test]
    fn probes_of_neighbours_that_the_switch_drops_are_found() {
        let probed = |stranger: bool| {
            let mut sentry = sentry();
            let attack = Attack::Lateral { every_s: 5 };
            let flights = attack.flights(&RngTree::new(2), (RESOLVER, 53), 10_000, 130_000);
            let (mut bytes, mut found) = (Vec::new(), Vec::new());
            for flight in flights.into_iter().filter(|flight| flight.up && flight.is_syn()) {
                let peer = if stranger { Ipv4Addr::new(198, 51, 100, 7) } else { flight.peer };
                let now = Instant::from_nanos(flight.at_ms * 1_000_000);
                Flight { peer, ..flight }.write(FOUR, &mut bytes);
                sentry.dropped(now, (DEVICE, 7, 3), &bytes, || true);
                found.extend(sentry.found(now).into_iter().map(|(alarm, _)| alarm.level));
            }
            found
        };
        assert_eq!(probed(false).last(), Some(&Level::Certain));
        assert!(probed(true).is_empty());
    }

    /// The kind that is heard least: two weeks of it are enough, and who does still less is refused.
    #[test]
    fn a_kind_whose_model_would_judge_nobody_is_refused() {
        let pool = (Ipv4Addr::new(10, 44, 0, 0), 14);
        let key = || SoftKey::from_stream(&mut RngTree::new(1).stream("guard"));
        let of =
            |kind| Sentry::of_kinds([(1, kind, false)].into_iter(), "guard", key, pool, &RngTree::new(1));
        let wearable = of(kinds::WEARABLE).unwrap().unwrap();
        assert!(wearable.models()[&1].is_armed() && wearable.models()[&1].is_seasoned());
        const RARE: Habit = Habit::Datagram {
            to: Host { name: "rare.example", pool: 1, ttl_s: 60, port: 5684 },
            every_ms: 7_200_000,
            jitter_pct: 10,
            up: (48, 48),
            down: (48, 48),
        };
        let error = of(Kind { name: "rare", habits: &[RARE], ..kinds::METER }).err();
        assert!(matches!(error, Some(GuardError::Baseline { least: 1_000, .. })), "{error:?}");
    }

    #[test]
    fn who_has_no_model_or_is_being_onboarded_is_not_judged() {
        assert!(scanned(&mut sentry(), 4, true).is_empty());
        let mut sentry = sentry();
        assert!(scanned(&mut sentry, 3, false).is_empty());
        sentry.forget(DEVICE);
        assert_eq!(sentry.deadline(), None);
    }
}
