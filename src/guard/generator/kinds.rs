//! The kinds of devices that the guard was designed with. docs/guard-traffic.md describes them in words; the kinds that it
//! is evaluated with stand in `evaluation.rs`, and were written when nothing here changed any more.

use super::life::{Habit, Host, Kind};

const fn host(name: &'static str, pool: u8, ttl_s: u32, port: u16) -> Host {
    Host { name, pool, ttl_s, port }
}

const MQTT: u16 = 8883;
const HTTPS: u16 = 443;
const COAPS: u16 = 5684;
const NTP: u16 = 123;

/// What the clock of a device is set by.
const TIME: Habit = Habit::Datagram {
    to: host("pool.ntp.example", 4, 3_600, NTP),
    every_ms: 7_200_000,
    jitter_pct: 10,
    up: (48, 48),
    down: (48, 48),
};

/// Once in a while a new firmware is asked for, and seldom one is there.
const fn firmware(name: &'static str) -> Habit {
    Habit::Request {
        to: host(name, 2, 3_600, HTTPS),
        every_ms: 21_600_000,
        jitter_pct: 10,
        up: (400, 520),
        down: (300, 700),
    }
}

const fn download(name: &'static str, down: (u32, u32)) -> Habit {
    Habit::Burst {
        to: host(name, 2, 3_600, HTTPS),
        per_day_x10: 3,
        hours: (1, 5),
        up: (400, 520),
        down,
        pace: 60_000,
    }
}

/// A meter of electricity: a reading every half minute over MQTT.
pub const METER: Kind = Kind {
    name: "meter",
    habits: &[
        Habit::Stream {
            to: host("mqtt.meters.example", 3, 600, MQTT),
            every_ms: 30_000,
            jitter_pct: 3,
            up: (180, 260),
            down: (40, 60),
            hours: 12,
        },
        TIME,
        firmware("fw.meters.example"),
        download("fw.meters.example", (200_000, 400_000)),
        Habit::Reboot { per_day_x10: 3 },
    ],
    rtt_ms: (30, 90),
    loss_permille: 2,
};

/// A tracker of goods: a position every minute, and every ten minutes what has gathered.
pub const TRACKER: Kind = Kind {
    name: "tracker",
    habits: &[
        Habit::Datagram {
            to: host("coap.tracks.example", 2, 3_600, COAPS),
            every_ms: 60_000,
            jitter_pct: 30,
            up: (90, 140),
            down: (20, 40),
        },
        Habit::Request {
            to: host("api.tracks.example", 4, 300, HTTPS),
            every_ms: 600_000,
            jitter_pct: 20,
            up: (600, 2_400),
            down: (200, 400),
        },
        TIME,
        Habit::Reboot { per_day_x10: 10 },
    ],
    rtt_ms: (60, 400),
    loss_permille: 10,
};

/// A camera at a door: a sign of life, and clips when somebody comes.
pub const CAMERA: Kind = Kind {
    name: "camera",
    habits: &[
        Habit::Stream {
            to: host("live.cams.example", 4, 300, HTTPS),
            every_ms: 15_000,
            jitter_pct: 5,
            up: (120, 300),
            down: (60, 200),
            hours: 6,
        },
        Habit::Burst {
            to: host("clips.cams.example", 6, 60, HTTPS),
            per_day_x10: 300,
            hours: (6, 23),
            up: (150_000, 900_000),
            down: (300, 900),
            pace: 90_000,
        },
        TIME,
        firmware("fw.cams.example"),
        download("fw.cams.example", (1_000_000, 3_000_000)),
        Habit::Reboot { per_day_x10: 2 },
    ],
    rtt_ms: (25, 80),
    loss_permille: 4,
};

/// Something worn: a heartbeat by day, and a sync when its user asks for it.
pub const WEARABLE: Kind = Kind {
    name: "wearable",
    habits: &[
        Habit::Request {
            to: host("sync.wear.example", 4, 300, HTTPS),
            every_ms: 300_000,
            jitter_pct: 40,
            up: (500, 4_000),
            down: (300, 2_000),
        },
        Habit::Burst {
            to: host("sync.wear.example", 4, 300, HTTPS),
            per_day_x10: 60,
            hours: (7, 22),
            up: (20_000, 120_000),
            down: (1_000, 20_000),
            pace: 40_000,
        },
        TIME,
        Habit::Reboot { per_day_x10: 5 },
    ],
    rtt_ms: (40, 150),
    loss_permille: 6,
};

/// A sensor on a machine: a message every five seconds, and every hour a spectrum.
pub const MACHINE: Kind = Kind {
    name: "machine",
    habits: &[
        Habit::Stream {
            to: host("mqtt.plant.example", 1, 3_600, MQTT),
            every_ms: 5_000,
            jitter_pct: 2,
            up: (150, 190),
            down: (40, 44),
            hours: 24,
        },
        Habit::Request {
            to: host("data.plant.example", 1, 3_600, HTTPS),
            every_ms: 3_600_000,
            jitter_pct: 2,
            up: (12_000, 20_000),
            down: (200, 300),
        },
        TIME,
        firmware("fw.plant.example"),
        Habit::Reboot { per_day_x10: 1 },
    ],
    rtt_ms: (20, 60),
    loss_permille: 1,
};

/// A traffic light: its state whenever it changes, over CoAP.
pub const LIGHT: Kind = Kind {
    name: "traffic-light",
    habits: &[
        Habit::Datagram {
            to: host("coap.city.example", 2, 3_600, COAPS),
            every_ms: 20_000,
            jitter_pct: 25,
            up: (60, 80),
            down: (16, 24),
        },
        Habit::Request {
            to: host("plans.city.example", 1, 3_600, HTTPS),
            every_ms: 900_000,
            jitter_pct: 5,
            up: (300, 380),
            down: (1_000, 8_000),
        },
        TIME,
        download("fw.city.example", (300_000, 500_000)),
        Habit::Reboot { per_day_x10: 1 },
    ],
    rtt_ms: (30, 70),
    loss_permille: 2,
};

/// All of them.
pub const DESIGN: [Kind; 6] = [METER, TRACKER, CAMERA, WEARABLE, MACHINE, LIGHT];
