//! Kinds and attacks by another hand: whoever wrote them knew docs/guard-traffic.md and the generator's types, and neither
//! features nor limits nor models.

use super::attack::Attack;
use super::life::{Habit, Host, Kind};

const fn host(name: &'static str, pool: u8, ttl_s: u32, port: u16) -> Host {
    Host { name, pool, ttl_s, port }
}

const HTTPS: u16 = 443;
const MQTTS: u16 = 8883;
const COAPS: u16 = 5684;
const FTPS: u16 = 990;
const NTP: u16 = 123;
/// Where the packet forwarders of gateways send to.
const LORA: u16 = 1700;

const fn clock(name: &'static str, ttl_s: u32, every_ms: u32, jitter_pct: u32) -> Habit {
    Habit::Datagram { to: host(name, 4, ttl_s, NTP), every_ms, jitter_pct, up: (48, 48), down: (48, 48) }
}

/// A charger of cars. It keeps a web socket to its operator (OCPP 1.6J) with a Heartbeat every five minutes, as many
/// operators set it; whoever plugs in starts a session of signed readings (calibration law) that trickles for up to two
/// hours.
pub const CHARGER: Kind = Kind {
    name: "ev-charger",
    habits: &[
        // Heartbeat.req is a dozen bytes of JSON; frame, TLS and StatusNotification now and then make the rest.
        Habit::Stream {
            to: host("ocpp.csms.example", 2, 60, HTTPS),
            every_ms: 300_000,
            jitter_pct: 2,
            up: (70, 420),
            down: (90, 140),
            hours: 24,
        },
        // RFID cards and stop buttons: Authorize and StartTransaction want an answer from the tariff's server.
        Habit::Burst {
            to: host("auth.roaming.example", 3, 300, HTTPS),
            per_day_x10: 110,
            hours: (6, 23),
            up: (700, 1_600),
            down: (500, 2_600),
            pace: 200_000,
        },
        // A session: 20 to 90 kB of OCMF readings at 12 bytes a second are half an hour to two hours.
        Habit::Burst {
            to: host("ocmf.csms.example", 2, 60, HTTPS),
            per_day_x10: 45,
            hours: (6, 23),
            up: (20_000, 90_000),
            down: (200, 500),
            pace: 12,
        },
        // GetDiagnostics: support wants a log, and still gets it over FTPS.
        Habit::Burst {
            to: host("diag.csms.example", 1, 3_600, FTPS),
            per_day_x10: 1,
            hours: (8, 18),
            up: (1_500_000, 6_000_000),
            down: (100, 300),
            pace: 250_000,
        },
        // An image of embedded Linux.
        Habit::Burst {
            to: host("dl.chargers.example", 4, 60, HTTPS),
            per_day_x10: 1,
            hours: (0, 5),
            up: (400, 600),
            down: (9_000_000, 16_000_000),
            pace: 300_000,
        },
        clock("ntp.csms.example", 3_600, 3_600_000, 5),
        // Residual current, power cuts, and a watchdog that resets where the operator's side is silent.
        Habit::Reboot { per_day_x10: 4 },
    ],
    rtt_ms: (45, 180),
    loss_permille: 6,
};

/// A payment terminal in a shop: a connection for each card, crowds at noon that nobody announces, the till's total at
/// night, and the restart every 24 hours that PCI PTS demands.
pub const TERMINAL: Kind = Kind {
    name: "payment-terminal",
    habits: &[
        // The management's server is asked for orders every quarter of an hour.
        Habit::Request {
            to: host("tms.pay.example", 2, 300, HTTPS),
            every_ms: 900_000,
            jitter_pct: 10,
            up: (550, 900),
            down: (250, 3_000),
        },
        // ISO 8583 in TLS: an authorisation is about a kilobyte, with the chip's data two.
        Habit::Burst {
            to: host("acquirer-a.pay.example", 4, 60, HTTPS),
            per_day_x10: 1_600,
            hours: (8, 21),
            up: (900, 2_400),
            down: (350, 900),
            pace: 100_000,
        },
        // Foreign schemes go to another acquirer, on another port.
        Habit::Burst {
            to: host("acquirer-b.pay.example", 2, 600, 9443),
            per_day_x10: 150,
            hours: (8, 21),
            up: (1_100, 2_900),
            down: (400, 1_000),
            pace: 100_000,
        },
        // Settlement, with the receipts and signatures of the day.
        Habit::Burst {
            to: host("settle.pay.example", 1, 3_600, HTTPS),
            per_day_x10: 12,
            hours: (21, 24),
            up: (30_000, 450_000),
            down: (2_000, 9_000),
            pace: 50_000,
        },
        // Tables of cards, keys of schemes, and the advertisement that the display shows.
        Habit::Burst {
            to: host("files.tms.pay.example", 4, 60, HTTPS),
            per_day_x10: 4,
            hours: (2, 5),
            up: (800, 1_200),
            down: (60_000, 7_000_000),
            pace: 120_000,
        },
        clock("time.pay.example", 3_600, 43_200_000, 20),
        Habit::Reboot { per_day_x10: 10 },
    ],
    rtt_ms: (35, 220),
    loss_permille: 5,
};

/// A lift: slow states over MQTT all day long, a report for groups of trips while the house is awake, and the trial of the
/// emergency line every three days (EN 81-28).
pub const LIFT: Kind = Kind {
    name: "lift",
    habits: &[
        // Doors, floors and faults whenever they change: anything but a rhythm.
        Habit::Stream {
            to: host("mqtt.lifts.example", 2, 600, MQTTS),
            every_ms: 40_000,
            jitter_pct: 95,
            up: (60, 1_100),
            down: (4, 40),
            hours: 48,
        },
        Habit::Burst {
            to: host("trips.lifts.example", 2, 300, HTTPS),
            per_day_x10: 1_200,
            hours: (6, 22),
            up: (800, 6_000),
            down: (180, 260),
            pace: 100_000,
        },
        // Acceleration over a whole ride where it felt rough, at a kilohertz and three axes.
        Habit::Burst {
            to: host("blobs.lifts.example", 6, 60, HTTPS),
            per_day_x10: 15,
            hours: (6, 22),
            up: (250_000, 1_400_000),
            down: (300, 500),
            pace: 80_000,
        },
        // The trial call: only its registration can be said here.
        Habit::Request {
            to: host("sip.emergency.example", 2, 3_600, 5061),
            every_ms: 259_200_000,
            jitter_pct: 2,
            up: (1_400, 2_600),
            down: (900, 1_800),
        },
        // A mechanic with a laptop in the machine room: the controller's whole memory goes out, and parameters come back.
        Habit::Burst {
            to: host("service.lifts.example", 1, 3_600, HTTPS),
            per_day_x10: 1,
            hours: (7, 17),
            up: (2_000_000, 7_000_000),
            down: (40_000, 200_000),
            pace: 150_000,
        },
        clock("pool.lifts.example", 600, 14_400_000, 30),
        Habit::Reboot { per_day_x10: 1 },
    ],
    rtt_ms: (40, 140),
    loss_permille: 3,
};

/// A logger in a crate of vaccines: asleep, and every few hours awake for a minute to send what has gathered; a lorry in a
/// valley or a ship's hold gathers for days. Each time it wakes names and connections begin anew.
pub const COLD_CHAIN: Kind = Kind {
    name: "cold-chain",
    habits: &[
        Habit::Request {
            to: host("ingest.cold.example", 3, 300, HTTPS),
            every_ms: 10_800_000,
            jitter_pct: 60,
            up: (3_000, 45_000),
            down: (150, 1_200),
        },
        // Too warm, a lid that opens, light: said at once, and again until somebody acknowledges it.
        Habit::Burst {
            to: host("alarm.cold.example", 2, 60, HTTPS),
            per_day_x10: 25,
            hours: (0, 24),
            up: (500, 1_100),
            down: (150, 300),
            pace: 20_000,
        },
        // The hold is opened: a week of readings at once, over what the harbour has.
        Habit::Burst {
            to: host("ingest.cold.example", 3, 300, HTTPS),
            per_day_x10: 4,
            hours: (0, 24),
            up: (300_000, 2_600_000),
            down: (1_000, 6_000),
            pace: 14_000,
        },
        // Ephemerides of satellites for a faster first fix, from the chip's maker.
        Habit::Request {
            to: host("agnss.chips.example", 6, 60, HTTPS),
            every_ms: 86_400_000,
            jitter_pct: 25,
            up: (300, 380),
            down: (25_000, 70_000),
        },
        clock("time.chips.example", 3_600, 86_400_000, 30),
        // Cold batteries sag when the radio sends.
        Habit::Reboot { per_day_x10: 15 },
    ],
    rtt_ms: (90, 1_400),
    loss_permille: 10,
};

/// A valve in a field, on NB-IoT with power saving: LwM2M over DTLS every four hours, a plan once a night and a farmer now and
/// then, with answers that take seconds. It lives for ten years on its battery, which is why it says little.
pub const VALVE: Kind = Kind {
    name: "irrigation-valve",
    habits: &[
        // The registration's update, before its lifetime ends; soil and flow ride along.
        Habit::Datagram {
            to: host("lwm2m.fields.example", 1, 3_600, COAPS),
            every_ms: 14_400_000,
            jitter_pct: 8,
            up: (60, 420),
            down: (16, 90),
        },
        // The plan for the next day, after the forecast is out.
        Habit::Burst {
            to: host("plan.fields.example", 2, 600, HTTPS),
            per_day_x10: 10,
            hours: (3, 6),
            up: (350, 500),
            down: (900, 5_000),
            pace: 20_000,
        },
        // A farmer plays with the app: open, shut, open; each state is told.
        Habit::Burst {
            to: host("plan.fields.example", 2, 600, HTTPS),
            per_day_x10: 40,
            hours: (5, 21),
            up: (300, 900),
            down: (200, 700),
            pace: 20_000,
        },
        // A delta of firmware, at the pace of NB-IoT.
        Habit::Burst {
            to: host("fota.fields.example", 1, 3_600, HTTPS),
            per_day_x10: 1,
            hours: (9, 16),
            up: (500, 800),
            down: (40_000, 160_000),
            pace: 3_000,
        },
        Habit::Reboot { per_day_x10: 1 },
    ],
    rtt_ms: (700, 6_000),
    loss_permille: 10,
};

/// A LoRaWAN gateway on a roof: Semtech's forwarder asks every ten seconds for something to send and passes on whatever it
/// hears, which depends on the neighbourhood; every hour it hands in a bulk of what the network's server did not take.
pub const GATEWAY: Kind = Kind {
    name: "lora-gateway",
    habits: &[
        // Spectral scans, logs and counters, compressed.
        Habit::Request {
            to: host("bulk.lora.example", 2, 300, HTTPS),
            every_ms: 3_600_000,
            jitter_pct: 3,
            up: (90_000, 650_000),
            down: (200, 900),
        },
        // PULL_DATA is 12 bytes, PULL_ACK 4; a PULL_RESP looks like a longer answer.
        Habit::Datagram {
            to: host("lns.lora.example", 3, 60, LORA),
            every_ms: 10_000,
            jitter_pct: 1,
            up: (12, 12),
            down: (4, 260),
        },
        // PUSH_DATA: up to three packets heard at once, as JSON.
        Habit::Datagram {
            to: host("lns.lora.example", 3, 60, LORA),
            every_ms: 7_000,
            jitter_pct: 98,
            up: (130, 760),
            down: (4, 4),
        },
        // A tunnel for maintenance that keeps itself alive.
        Habit::Stream {
            to: host("vpn.roofs.example", 1, 3_600, HTTPS),
            every_ms: 25_000,
            jitter_pct: 4,
            up: (90, 130),
            down: (90, 130),
            hours: 10,
        },
        // Somebody looks at the concentrator's spectrum or takes a capture through the tunnel.
        Habit::Burst {
            to: host("vpn.roofs.example", 1, 3_600, HTTPS),
            per_day_x10: 3,
            hours: (7, 20),
            up: (500_000, 9_000_000),
            down: (20_000, 90_000),
            pace: 200_000,
        },
        // Packages, one by one.
        Habit::Burst {
            to: host("deb.roofs.example", 6, 60, HTTPS),
            per_day_x10: 12,
            hours: (4, 7),
            up: (400, 1_500),
            down: (50_000, 4_000_000),
            pace: 400_000,
        },
        // ntpd at its smallest poll: time stamps of packets want it.
        clock("pool.roofs.example", 150, 64_000, 3),
        Habit::Reboot { per_day_x10: 2 },
    ],
    rtt_ms: (25, 110),
    loss_permille: 4,
};

/// A device against sleep apnoea, with a modem inside: short reports by night, the whole night's breath in one upload when
/// the mask comes off, next to nothing by day, and the plug that is pulled when the bed is made.
pub const SLEEP: Kind = Kind {
    name: "sleep-apnoea",
    habits: &[
        // Is there a new prescription?
        Habit::Request {
            to: host("device.sleep.example", 2, 300, HTTPS),
            every_ms: 2_700_000,
            jitter_pct: 35,
            up: (450, 800),
            down: (200, 2_200),
        },
        // Leaks and events of the last quarter of an hour.
        Habit::Burst {
            to: host("events.sleep.example", 2, 60, HTTPS),
            per_day_x10: 220,
            hours: (0, 7),
            up: (1_200, 5_200),
            down: (150, 250),
            pace: 50_000,
        },
        // Flow and pressure at 25 Hz: a night is megabytes.
        Habit::Burst {
            to: host("nights.sleep.example", 6, 60, HTTPS),
            per_day_x10: 12,
            hours: (6, 10),
            up: (1_200_000, 7_500_000),
            down: (400, 900),
            pace: 70_000,
        },
        // The patient's app asks the cloud, and the cloud the device.
        Habit::Burst {
            to: host("device.sleep.example", 2, 300, HTTPS),
            per_day_x10: 30,
            hours: (7, 23),
            up: (4_000, 60_000),
            down: (800, 2_500),
            pace: 60_000,
        },
        Habit::Burst {
            to: host("fw.sleep.example", 2, 3_600, HTTPS),
            per_day_x10: 1,
            hours: (11, 17),
            up: (500, 700),
            down: (1_500_000, 4_000_000),
            pace: 60_000,
        },
        clock("time.sleep.example", 3_600, 21_600_000, 15),
        Habit::Reboot { per_day_x10: 12 },
    ],
    rtt_ms: (50, 350),
    loss_permille: 7,
};

/// A screen at a bus stop: a small computer with a browser, which asks for names all day long, shows what others serve, and
/// sends pictures of itself so that the advertiser believes it.
pub const SIGN: Kind = Kind {
    name: "signage",
    habits: &[
        // Departures.
        Habit::Request {
            to: host("departures.stops.example", 4, 30, HTTPS),
            every_ms: 30_000,
            jitter_pct: 10,
            up: (420, 640),
            down: (900, 14_000),
        },
        // What is played next; long polls end when they end.
        Habit::Request {
            to: host("playlist.signs.example", 4, 60, HTTPS),
            every_ms: 75_000,
            jitter_pct: 60,
            up: (600, 1_500),
            down: (250, 22_000),
        },
        // Counters of a browser's pages, under names as long as those of content networks are.
        Habit::Request {
            to: host("d3a91f0c7be24.eu-central-1.metrics.collect.signs.example", 6, 20, HTTPS),
            every_ms: 50_000,
            jitter_pct: 45,
            up: (700, 3_800),
            down: (120, 300),
        },
        // A proof of what is shown: a picture of the screen.
        Habit::Request {
            to: host("proof.signs.example", 3, 60, HTTPS),
            every_ms: 600_000,
            jitter_pct: 15,
            up: (35_000, 240_000),
            down: (150, 300),
        },
        // News, by strangers' rhythm.
        Habit::Request {
            to: host("feeds.news.example", 6, 60, HTTPS),
            every_ms: 420_000,
            jitter_pct: 80,
            up: (400, 700),
            down: (4_000, 180_000),
        },
        // Films for the next campaign, from a content network whose addresses hardly ever come twice.
        Habit::Burst {
            to: host("e7714.dscb.media-edge.example", 12, 20, HTTPS),
            per_day_x10: 50,
            hours: (0, 24),
            up: (400, 900),
            down: (800_000, 12_000_000),
            pace: 500_000,
        },
        // The camera above the screen counts who looks, and sends the day's counts at night.
        Habit::Burst {
            to: host("audience.signs.example", 2, 300, HTTPS),
            per_day_x10: 10,
            hours: (1, 5),
            up: (2_000_000, 14_000_000),
            down: (300, 600),
            pace: 300_000,
        },
        clock("pool.signs.example", 150, 1_024_000, 5),
        // A browser that leaks memory is restarted with everything else.
        Habit::Reboot { per_day_x10: 25 },
    ],
    rtt_ms: (20, 160),
    loss_permille: 5,
};

/// All of them.
pub const KINDS: [Kind; 8] = [CHARGER, TERMINAL, LIFT, COLD_CHAIN, VALVE, GATEWAY, SLEEP, SIGN];

/// What they do when they have turned.
pub const ATTACKS: [Attack; 24] = [
    // A booter's customer wants volume: as much as an uplink of LTE yields, in datagrams just below the MTU.
    Attack::Flood { per_s: 900, bytes: 1_400 },
    // The query of Valve's engine is 25 bytes; of ten thousand devices each needs to send only a few.
    Attack::Flood { per_s: 30, bytes: 25 },
    // Mirai's scanner as published: 160 SYNs a second.
    Attack::Scan { every_ms: 6, port: 23 },
    // Debug bridges of Android (Fbot, Trinity): one a second, to live longer.
    Attack::Scan { every_ms: 1_000, port: 5555 },
    // Routers' TR-069, by somebody who knows that fast scans are found.
    Attack::Scan { every_ms: 45_000, port: 7547 },
    // A list of 62 passwords against Telnet, four a second.
    Attack::Brute { every_ms: 250, port: 23 },
    // SSH below the limit of fail2ban: five in ten minutes are allowed, and it takes a little fewer than that.
    Attack::Brute { every_ms: 150_000, port: 22 },
    // A bot of the plain sort: two bytes and a sleep(30).
    Attack::Beacon { every_s: 30, jitter_pct: 0, bytes: 8, port: 23, at_cloud: false },
    // An implant with jitter as penetration testers set it.
    Attack::Beacon { every_s: 75, jitter_pct: 40, bytes: 310, port: 443, at_cloud: false },
    // Commands by a broker of MQTT, where such devices talk anyway.
    Attack::Beacon { every_s: 240, jitter_pct: 15, bytes: 64, port: 8883, at_cloud: false },
    // Ten minutes, over what looks like DNS over TLS.
    Attack::Beacon { every_s: 600, jitter_pct: 25, bytes: 1_100, port: 853, at_cloud: false },
    // A tenant of the same cloud behind the same front (domain fronting), impatient.
    Attack::Beacon { every_s: 30, jitter_pct: 5, bytes: 500, port: 443, at_cloud: true },
    // The same, patient.
    Attack::Beacon { every_s: 420, jitter_pct: 40, bytes: 180, port: 443, at_cloud: true },
    // iodine or dnscat2 at full speed: 15 names a second.
    Attack::DnsExfil { bytes_per_s: 1_500 },
    // A shell over DNS while somebody types.
    Attack::DnsExfil { bytes_per_s: 45 },
    // Keys and a list of contacts, a name every 50 seconds.
    Attack::DnsExfil { bytes_per_s: 2 },
    // A film of a camera, or the whole flash, as fast as it goes without being throttled.
    Attack::Bulk { bytes_per_s: 60_000, at_cloud: false },
    // A microphone's words or card numbers, put aside and sent every minute.
    Attack::Bulk { bytes_per_s: 60, at_cloud: false },
    // The device's own storage at the cloud, in another's account.
    Attack::Bulk { bytes_per_s: 20_000, at_cloud: true },
    // The same at a trickle.
    Attack::Bulk { bytes_per_s: 120, at_cloud: true },
    // A worm that sweeps its subnet.
    Attack::Lateral { every_s: 3 },
    // A person who looks around in between.
    Attack::Lateral { every_s: 300 },
    // Stolen readings doubled in the minute's rhythm.
    Attack::Mimic { bytes_per_s: 20, every_s: 60 },
    // More greed, less often: 60 kB every five minutes.
    Attack::Mimic { bytes_per_s: 200, every_s: 300 },
];
