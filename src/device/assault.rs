//! What somebody who has taken over the host of a device has it send: packets past its IP stack, into the session that it has.
//! They exist in the network of the run only.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use super::plan::Assault;
use crate::guard::generator::Flight;
use crate::kernel::{Instant, RngTree};
use crate::net::endpoint::BROKER;

/// An attack that is under way.
pub struct Running {
    /// What the device is still to send, in the order of time.
    flights: VecDeque<Flight>,
    until: Instant,
}

impl Running {
    /// Begins `assault` at `now`; what is drawn comes from the branch `tree`. Of both directions the device sends its own:
    /// the other one is for the victims.
    pub fn new(assault: &Assault, tree: &RngTree, now: Instant) -> Self {
        let until = now + assault.time;
        let (begin_ms, end_ms) = (millis(now), millis(until));
        let flights = assault.attack.flights(tree, BROKER.socket(), begin_ms, end_ms);
        let own = flights.into_iter().filter(|flight| flight.up && flight.at_ms >= begin_ms);
        Self { flights: own.collect(), until }
    }

    /// When the next packet goes, or the attack is over.
    pub fn deadline(&self) -> Instant {
        let next = self.flights.front().map(|flight| at(flight).min(self.until));
        next.unwrap_or(self.until)
    }

    /// The packets of the device with this address that go now.
    pub fn packets(&mut self, now: Instant, address: Ipv4Addr) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while self.flights.front().is_some_and(|flight| at(flight) <= now) {
            let Some(flight) = self.flights.pop_front() else { break };
            let mut bytes = Vec::new();
            flight.write(address, &mut bytes);
            packets.push(bytes);
        }
        packets
    }
}

fn millis(at: Instant) -> u64 {
    at.as_micros().div_ceil(1_000)
}

fn at(flight: &Flight) -> Instant {
    Instant::from_nanos(flight.at_ms.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::Attack;
    use crate::kernel::Duration;

    #[test]
    fn packets_go_at_their_moments_and_none_after_the_end() {
        let attack = Attack::Scan { every_ms: 100, port: 23 };
        let assault = Assault { device: 1, attack, time: Duration::from_secs(2) };
        let begin = Instant::from_nanos(5_000_000_001);
        let mut running = Running::new(&assault, &RngTree::new(1), begin);
        let (mut sent, mut turns) = (0, 0);
        let mut now = begin;
        while now < begin + assault.time {
            let next = running.deadline();
            assert!(next > now || turns == 0, "{next} after {now}");
            now = next.max(now);
            for packet in running.packets(now, Ipv4Addr::new(10, 45, 0, 2)) {
                assert_eq!((packet[0], &packet[12..16]), (0x45, &[10, 45, 0, 2][..]));
                assert!(matches!(packet[33], 2 | 4), "a SYN, or an RST");
                sent += 1;
            }
            turns += 1;
        }
        assert!((18..=30).contains(&sent), "{sent}");
    }
}
