//! Kinds and attacks that nobody has chosen: what a device does, how often, how much and with whom, and what it does when it has
//! turned, is drawn. Whoever freezes the guard in a commit draws them from the digest of that commit, and knows none of them before.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::attack::Attack;
use super::life::{Habit, Host, Kind, Range, between};
use crate::kernel::RngTree;

const NAMES: [&str; 16] = [
    "drawn-1", "drawn-2", "drawn-3", "drawn-4", "drawn-5", "drawn-6", "drawn-7", "drawn-8", "drawn-9",
    "drawn-10", "drawn-11", "drawn-12", "drawn-13", "drawn-14", "drawn-15", "drawn-16",
];
const HOSTS: [&str; 8] = [
    "a.drawn.example",
    "bb.drawn.example",
    "ccc.cdn.drawn.example",
    "data-eu-1.drawn.example",
    "api.drawn.example",
    "f.drawn.example",
    "gateway.iot.drawn.example",
    "h0.drawn.example",
];
const PORTS: [u16; 8] = [443, 8883, 5684, 5683, 1883, 123, 9443, 990];

/// The most kinds that can be drawn.
pub const KINDS_MAX: usize = NAMES.len();

/// `count` kinds, at most [`KINDS_MAX`], drawn from the branch `tree`.
pub fn kinds(tree: &RngTree, count: usize) -> Vec<Kind> {
    NAMES.into_iter().take(count).map(|name| kind(name, &mut tree.stream(name))).collect()
}

/// From `least` to `most`, each order of magnitude as likely as another.
fn spread(rng: &mut ChaCha20Rng, least: u32, most: u32) -> u32 {
    let octaves = (f64::from(most) / f64::from(least)).log2();
    let at = f64::from(rng.next_u32()) / f64::from(u32::MAX) * octaves;
    let whole = at.floor();
    // 2^x for x in 0 to 1 is close enough to 1 + x here, and the same on every machine.
    let drawn = f64::from(least) * f64::from(1_u32 << (whole as u32)) * (1.0 + at - whole);
    (drawn as u32).clamp(least, most)
}

fn range(rng: &mut ChaCha20Rng, least: u32, most: u32) -> Range {
    let from = spread(rng, least, most);
    (from, from.saturating_add(spread(rng, 1, from.max(2))))
}

fn host(rng: &mut ChaCha20Rng) -> Host {
    Host {
        name: HOSTS[rng.next_u32() as usize % HOSTS.len()],
        pool: between(rng, (1, 6)) as u8,
        ttl_s: spread(rng, 20, 3_600),
        port: PORTS[rng.next_u32() as usize % PORTS.len()],
    }
}

fn kind(name: &'static str, rng: &mut ChaCha20Rng) -> Kind {
    let mut habits = Vec::new();
    // What it is for: one or two things, from every second to every quarter of an hour.
    for _ in 0..between(rng, (1, 2)) {
        let (to, every_ms, jitter_pct) = (host(rng), spread(rng, 1_000, 900_000), between(rng, (1, 60)));
        let (up, down) = (range(rng, 20, 8_000), range(rng, 20, 8_000));
        habits.push(match rng.next_u32() % 3 {
            0 => Habit::Stream { to, every_ms, jitter_pct, up, down, hours: spread(rng, 1, 48) },
            1 => Habit::Request { to, every_ms: every_ms.max(5_000), jitter_pct, up, down },
            _ => Habit::Datagram {
                to,
                every_ms,
                jitter_pct,
                up: (up.0.min(1_200), up.1.min(1_300)),
                down: (down.0.min(1_200), down.1.min(1_300)),
            },
        });
    }
    // What happens now and then, from once in three weeks to a hundred times a day.
    for _ in 0..between(rng, (1, 4)) {
        let begin = between(rng, (0, 22));
        let (up, down) = if rng.next_u32().is_multiple_of(2) {
            (range(rng, 500, 3_000_000), range(rng, 100, 5_000))
        } else {
            (range(rng, 100, 5_000), range(rng, 500, 8_000_000))
        };
        habits.push(Habit::Burst {
            to: host(rng),
            per_day_x10: spread(rng, 1, 1_000),
            hours: (begin, between(rng, (begin + 1, 24))),
            up,
            down,
            pace: spread(rng, 5_000, 1_000_000),
        });
    }
    habits.push(Habit::Datagram {
        to: Host { port: 123, ..host(rng) },
        every_ms: spread(rng, 600_000, 86_400_000),
        jitter_pct: 10,
        up: (48, 48),
        down: (48, 48),
    });
    habits.push(Habit::Reboot { per_day_x10: spread(rng, 1, 40) });
    let rtt = between(rng, (10, 120));
    // A kind is a constant wherever it is written down; those that are drawn are few, and live as long as the program.
    let habits = Vec::leak(habits);
    Kind { name, habits, rtt_ms: (rtt, rtt + between(rng, (5, 200))), loss_permille: between(rng, (0, 15)) }
}

/// Attacks of every class, two of each, drawn from the branch `tree`.
pub fn attacks(tree: &RngTree) -> Vec<Attack> {
    let rng = &mut tree.stream("attacks");
    let mut attacks = Vec::new();
    for _ in 0..2 {
        let port = [22, 23, 80, 445, 2323, 5555, 6667, 8080][rng.next_u32() as usize % 8];
        let beacon = |rng: &mut ChaCha20Rng, at_cloud| Attack::Beacon {
            every_s: spread(rng, 30, 900),
            jitter_pct: between(rng, (0, 40)),
            bytes: spread(rng, 20, 2_000) as u16,
            port: [443, 6_667, 8_443, 53_413][rng.next_u32() as usize % 4],
            at_cloud,
        };
        attacks.extend([
            Attack::Flood { per_s: spread(rng, 100, 3_000), bytes: spread(rng, 40, 1_200) as u16 },
            Attack::Scan { every_ms: spread(rng, 20, 1_000), port },
            Attack::Scan { every_ms: spread(rng, 5_000, 30_000), port },
            Attack::Brute { every_ms: spread(rng, 300, 5_000), port },
            beacon(rng, false),
            beacon(rng, false),
            beacon(rng, true),
            Attack::DnsExfil { bytes_per_s: spread(rng, 5, 1_000) },
            Attack::Bulk { bytes_per_s: spread(rng, 50, 30_000), at_cloud: false },
            Attack::Bulk { bytes_per_s: spread(rng, 50, 30_000), at_cloud: true },
            Attack::Lateral { every_s: spread(rng, 2, 60) },
            Attack::Mimic { bytes_per_s: spread(rng, 10, 500), every_s: spread(rng, 10, 120) },
        ]);
    }
    attacks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::{Flight, Life};

    #[test]
    fn what_is_drawn_lives_and_is_a_function_of_its_branch() {
        let (tree, other) = (RngTree::new(1), RngTree::new(2));
        assert_eq!((kinds(&tree, 16), attacks(&tree)), (kinds(&tree, 16), attacks(&tree)));
        assert_ne!(attacks(&tree), attacks(&other));
        for kind in kinds(&tree, KINDS_MAX + 1) {
            let life: Vec<Flight> = Life::new(kind, &tree, 0).take(3_000).collect();
            assert!(life.is_sorted_by_key(|flight| flight.at_ms), "{kind:?}");
            assert_eq!(life.len(), 3_000);
        }
        assert_eq!(kinds(&tree, KINDS_MAX + 1).len(), KINDS_MAX);
    }

    #[test]
    fn spreads_stay_within_their_ends() {
        let rng = &mut RngTree::new(1).stream("spread");
        let drawn: Vec<u32> = (0..1_000).map(|_| spread(rng, 10, 1_000)).collect();
        assert!(drawn.iter().all(|x| (10..=1_000).contains(x)));
        let below = drawn.iter().filter(|x| **x < 100).count();
        assert!((400..600).contains(&below), "{below}");
    }
}
