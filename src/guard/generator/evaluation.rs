//! The kinds and attacks that the guard is evaluated with: written from docs/guard-traffic.md when features, limits and code
//! were frozen, and not looked at before. What changes here is no longer an evaluation of that commit.

use super::attack::Attack;
use super::life::{Habit, Host, Kind};

const fn host(name: &'static str, pool: u8, ttl_s: u32, port: u16) -> Host {
    Host { name, pool, ttl_s, port }
}

const HTTPS: u16 = 443;
const MQTTS: u16 = 8883;
const COAP: u16 = 5683;
const LWM2M: u16 = 5684;

/// A clock that asks its maker's own server.
const fn clock(name: &'static str, every_ms: u32) -> Habit {
    Habit::Datagram { to: host(name, 2, 1_800, 123), every_ms, jitter_pct: 15, up: (48, 48), down: (48, 48) }
}

/// A lock: keeps a connection, and tells of every door that opens.
const LOCK: Kind = Kind {
    name: "lock",
    habits: &[
        Habit::Stream {
            to: host("hub.locks.test", 6, 60, HTTPS),
            every_ms: 60_000,
            jitter_pct: 8,
            up: (70, 130),
            down: (50, 90),
            hours: 8,
        },
        Habit::Burst {
            to: host("events.locks.test", 2, 300, HTTPS),
            per_day_x10: 250,
            hours: (6, 24),
            up: (800, 3_000),
            down: (300, 600),
            pace: 30_000,
        },
        clock("time.locks.test", 14_400_000),
        Habit::Request {
            to: host("ota.locks.test", 1, 3_600, HTTPS),
            every_ms: 43_200_000,
            jitter_pct: 20,
            up: (350, 450),
            down: (250, 2_500),
        },
        Habit::Burst {
            to: host("ota.locks.test", 1, 3_600, HTTPS),
            per_day_x10: 2,
            hours: (2, 4),
            up: (350, 450),
            down: (600_000, 900_000),
            pace: 80_000,
        },
        Habit::Reboot { per_day_x10: 2 },
    ],
    rtt_ms: (35, 120),
    loss_permille: 5,
};

/// A pump: LwM2M over CoAP, with a registration update, and readings that come in pairs of rhythms.
const PUMP: Kind = Kind {
    name: "pump",
    habits: &[
        Habit::Datagram {
            to: host("lwm2m.water.test", 1, 3_600, LWM2M),
            every_ms: 45_000,
            jitter_pct: 10,
            up: (100, 220),
            down: (24, 40),
        },
        Habit::Datagram {
            to: host("lwm2m.water.test", 1, 3_600, LWM2M),
            every_ms: 1_800_000,
            jitter_pct: 5,
            up: (40, 60),
            down: (20, 30),
        },
        Habit::Burst {
            to: host("files.water.test", 3, 600, HTTPS),
            per_day_x10: 10,
            hours: (0, 24),
            up: (5_000, 30_000),
            down: (200, 400),
            pace: 20_000,
        },
        clock("ntp.water.test", 10_800_000),
        Habit::Reboot { per_day_x10: 4 },
    ],
    rtt_ms: (80, 600),
    loss_permille: 10,
};

/// A vending machine: sales as they come, a stock list every hour, an advertisement that is loaded at night.
const VENDING: Kind = Kind {
    name: "vending",
    habits: &[
        Habit::Request {
            to: host("pay.vend.test", 4, 300, HTTPS),
            every_ms: 240_000,
            jitter_pct: 40,
            up: (900, 1_600),
            down: (500, 900),
        },
        Habit::Stream {
            to: host("mqtt.vend.test", 2, 600, MQTTS),
            every_ms: 20_000,
            jitter_pct: 4,
            up: (90, 110),
            down: (40, 50),
            hours: 24,
        },
        Habit::Request {
            to: host("stock.vend.test", 2, 3_600, HTTPS),
            every_ms: 3_600_000,
            jitter_pct: 3,
            up: (4_000, 9_000),
            down: (200, 500),
        },
        Habit::Burst {
            to: host("ads.vend.test", 6, 120, HTTPS),
            per_day_x10: 10,
            hours: (1, 4),
            up: (500, 700),
            down: (2_000_000, 8_000_000),
            pace: 120_000,
        },
        clock("time.vend.test", 21_600_000),
        Habit::Reboot { per_day_x10: 3 },
    ],
    rtt_ms: (25, 90),
    loss_permille: 3,
};

/// A station for weather: a reading every ten seconds without encryption, and a picture of the sky.
const WEATHER: Kind = Kind {
    name: "weather",
    habits: &[
        Habit::Datagram {
            to: host("in.sky.test", 1, 3_600, COAP),
            every_ms: 10_000,
            jitter_pct: 6,
            up: (60, 120),
            down: (12, 16),
        },
        Habit::Burst {
            to: host("pics.sky.test", 3, 60, HTTPS),
            per_day_x10: 480,
            hours: (5, 21),
            up: (40_000, 90_000),
            down: (200, 300),
            pace: 50_000,
        },
        clock("ntp.sky.test", 3_600_000),
        Habit::Reboot { per_day_x10: 6 },
    ],
    rtt_ms: (30, 200),
    loss_permille: 8,
};

/// A tag on a parcel: wakes every quarter of an hour, and tells what it has kept when a user asks.
const PARCEL: Kind = Kind {
    name: "parcel",
    habits: &[
        Habit::Request {
            to: host("tag.parcel.test", 4, 60, HTTPS),
            every_ms: 180_000,
            jitter_pct: 25,
            up: (200, 1_200),
            down: (100, 400),
        },
        Habit::Burst {
            to: host("tag.parcel.test", 4, 60, HTTPS),
            per_day_x10: 40,
            hours: (8, 20),
            up: (8_000, 40_000),
            down: (500, 2_000),
            pace: 15_000,
        },
        clock("ntp.parcel.test", 28_800_000),
        Habit::Reboot { per_day_x10: 15 },
    ],
    rtt_ms: (70, 700),
    loss_permille: 10,
};

/// All of them.
pub const KINDS: [Kind; 5] = [LOCK, PUMP, VENDING, WEATHER, PARCEL];

/// What is laid over them.
pub const ATTACKS: [Attack; 17] = [
    Attack::Flood { per_s: 150, bytes: 900 },
    Attack::Flood { per_s: 1_500, bytes: 64 },
    Attack::Scan { every_ms: 40, port: 2323 },
    Attack::Scan { every_ms: 20_000, port: 5555 },
    Attack::Scan { every_ms: 6_000, port: 443 },
    Attack::Brute { every_ms: 2_500, port: 23 },
    Attack::Beacon { every_s: 45, jitter_pct: 15, bytes: 90, port: 443, at_cloud: false },
    Attack::Beacon { every_s: 75, jitter_pct: 20, bytes: 200, port: 8443, at_cloud: false },
    Attack::Beacon { every_s: 280, jitter_pct: 25, bytes: 80, port: 443, at_cloud: false },
    Attack::Beacon { every_s: 70, jitter_pct: 15, bytes: 100, port: 443, at_cloud: true },
    Attack::DnsExfil { bytes_per_s: 60 },
    Attack::DnsExfil { bytes_per_s: 5 },
    Attack::Bulk { bytes_per_s: 8_000, at_cloud: false },
    Attack::Bulk { bytes_per_s: 150, at_cloud: false },
    Attack::Bulk { bytes_per_s: 1_500, at_cloud: true },
    Attack::Lateral { every_s: 50 },
    Attack::Mimic { bytes_per_s: 80, every_s: 45 },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::{attack, kinds};

    /// What is evaluated with is not what was designed with.
    #[test]
    fn nothing_is_in_both_sets() {
        assert!(KINDS.iter().all(|kind| kinds::DESIGN.iter().all(|known| known.name != kind.name)));
        assert!(ATTACKS.iter().all(|attack| !attack::DESIGN.contains(attack)));
    }
}
