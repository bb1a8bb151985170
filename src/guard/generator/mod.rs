//! Generated traffic: lives of devices, and attacks that are laid over them, as real packets in virtual time. Nothing here
//! reaches a network: what is generated exists in the memory of a run.

pub mod attack;
pub mod drawn;
pub mod evaluation;
pub mod flight;
pub mod kinds;
pub mod life;
pub mod other_hand;

use std::iter::Peekable;

pub use attack::Attack;
pub use flight::{Content, Flight};
pub use life::{Habit, Host, Kind, Life, RESOLVER};

/// The packets of two rows, both in the order of time, in one.
pub struct Merged<A: Iterator<Item = Flight>, B: Iterator<Item = Flight>> {
    first: Peekable<A>,
    second: Peekable<B>,
}

impl<A: Iterator<Item = Flight>, B: Iterator<Item = Flight>> Merged<A, B> {
    /// `first` goes before `second` where both have a packet at the same moment.
    pub fn new(first: A, second: B) -> Self {
        Self { first: first.peekable(), second: second.peekable() }
    }
}

impl<A: Iterator<Item = Flight>, B: Iterator<Item = Flight>> Iterator for Merged<A, B> {
    /// A packet, and whether it is of the second row.
    type Item = (Flight, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let second_first = match (self.first.peek(), self.second.peek()) {
            (Some(first), Some(second)) => second.at_ms < first.at_ms,
            (first, _) => first.is_none(),
        };
        if second_first {
            self.second.next().map(|flight| (flight, true))
        } else {
            self.first.next().map(|flight| (flight, false))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;

    const DAY_MS: u64 = 86_400_000;

    fn day(kind: Kind, seed: u64) -> Vec<Flight> {
        Life::new(kind, &RngTree::new(seed), 0).take_while(|flight| flight.at_ms < DAY_MS).collect()
    }

    #[test]
    fn a_life_is_a_function_of_its_seed_and_goes_on_in_the_order_of_time() {
        for kind in kinds::DESIGN {
            let flights = day(kind, 1);
            assert!(flights.len() > 500, "{}: {} packets", kind.name, flights.len());
            assert!(flights.is_sorted_by_key(|flight| flight.at_ms), "{}", kind.name);
            assert_eq!(flights, day(kind, 1));
            assert_ne!(flights, day(kind, 2));
            let down = flights.iter().filter(|flight| !flight.up).count();
            assert!(down * 4 > flights.len(), "{}: it is answered", kind.name);
        }
    }

    #[test]
    fn attacks_stay_within_their_time_and_keep_their_pace() {
        let cloud = Life::new(kinds::METER, &RngTree::new(1), 0).cloud();
        for attack in attack::DESIGN {
            let flights = attack.flights(&RngTree::new(1), cloud, 50_000, 650_000);
            assert!(flights.is_sorted_by_key(|flight| flight.at_ms), "{attack:?}");
            assert!(flights.first().is_some_and(|flight| flight.at_ms >= 50_000), "{attack:?}");
            let last = flights.last().map_or(0, |flight| flight.at_ms);
            assert!(last < 720_000, "{attack:?}: {last}");
            let bytes =
                |up| -> usize { flights.iter().filter(|flight| flight.up == up).map(Flight::length).sum() };
            let rate = match attack {
                Attack::Flood { per_s, bytes } => per_s * (u32::from(bytes) + 28),
                Attack::Bulk { bytes_per_s, .. } | Attack::Mimic { bytes_per_s, .. } => bytes_per_s,
                // 100 bytes of data are in a packet of 221.
                Attack::DnsExfil { bytes_per_s } => bytes_per_s * 221 / 100,
                _ => continue,
            };
            let found = bytes(true) as f64 / 600.0;
            assert!(
                found > f64::from(rate) * 0.8 && found < f64::from(rate) * 1.5 + 20.0,
                "{attack:?}: {found} B/s"
            );
        }
    }

    #[test]
    fn two_rows_become_one() {
        let flights = day(kinds::LIGHT, 1);
        let (odd, even): (Vec<_>, Vec<_>) =
            flights.iter().cloned().enumerate().partition(|(n, _)| n % 2 == 1);
        let row = |row: Vec<(usize, Flight)>| row.into_iter().map(|(_, flight)| flight);
        let merged: Vec<_> = Merged::new(row(even), row(odd)).collect();
        assert!(merged.is_sorted_by_key(|(flight, _)| flight.at_ms));
        assert_eq!(merged.len(), flights.len());
        assert_eq!(merged.iter().filter(|(_, second)| *second).count(), flights.len() / 2);
    }
}
