//! What a device does when it has turned: a row of packets in the order of time. They exist inside a run only.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::flight::{ACK, Content, FIN, Flight, PUSH, RST, SYN, lookup};
use super::life::{RESOLVER, Range, between};
use crate::kernel::RngTree;

const TELNET: u16 = 23;
const SEGMENT: u32 = 1_360;
/// The ports that the attacker takes for itself.
const PORTS: Range = (61_000, 64_999);

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// UDP datagrams to one victim.
    Flood {
        /// Packets a second.
        per_s: u32,
        /// Bytes of a datagram.
        bytes: u16,
    },
    /// SYNs to strangers, few of whom answer.
    Scan {
        /// How often, in milliseconds.
        every_ms: u32,
        /// The ports that are tried.
        port: u16,
    },
    /// Passwords at one stranger, a connection for each.
    Brute {
        /// How often, in milliseconds.
        every_ms: u32,
        /// The service.
        port: u16,
    },
    /// A sign of life to who commands.
    Beacon {
        /// How often, in seconds.
        every_s: u32,
        /// How far off it may be, in percent.
        jitter_pct: u32,
        /// Bytes up and down.
        bytes: u16,
        /// The service.
        port: u16,
        /// Over the device's own cloud.
        at_cloud: bool,
    },
    /// Names that carry data.
    DnsExfil {
        /// Bytes of data a second.
        bytes_per_s: u32,
    },
    /// Data to a stranger, or to the device's own cloud.
    Bulk {
        /// Bytes a second.
        bytes_per_s: u32,
        /// To its own cloud.
        at_cloud: bool,
    },
    /// Connections to neighbours.
    Lateral {
        /// How often, in seconds.
        every_s: u32,
    },
    /// Data to the device's own cloud, in the rhythm in which it speaks anyway.
    Mimic {
        /// Bytes a second on average.
        bytes_per_s: u32,
        /// The rhythm, in seconds.
        every_s: u32,
    },
}

impl Attack {
    /// The class in one word.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Flood { .. } => "flood",
            Self::Scan { every_ms, .. } if *every_ms >= 5_000 => "scan-slow",
            Self::Scan { .. } => "scan-fast",
            Self::Brute { .. } => "brute",
            Self::Beacon { at_cloud: true, .. } => "beacon-known",
            Self::Beacon { every_s, .. } if *every_s >= 200 => "beacon-300s",
            Self::Beacon { .. } => "beacon-60s",
            Self::DnsExfil { .. } => "dns-exfil",
            Self::Bulk { at_cloud: true, .. } => "bulk-known",
            Self::Bulk { .. } => "bulk-new",
            Self::Lateral { .. } => "lateral",
            Self::Mimic { .. } => "mimic",
        }
    }

    /// The packets of the attack from `begin_ms` to `end_ms`, of a device whose cloud is at the address and port `cloud`; what is drawn comes from the
    /// branch `tree`.
    pub fn flights(&self, tree: &RngTree, cloud: (Ipv4Addr, u16), begin_ms: u64, end_ms: u64) -> Vec<Flight> {
        let mut attacker = Attacker { rng: tree.stream("attack"), flights: Vec::new() };
        let host = attacker.rng.next_u32();
        // Documentation's third net (RFC 5737): nobody of the kinds is there.
        let stranger = Ipv4Addr::from(0xcb00_7100 | (host % 250 + 1));
        let mut now_ms = begin_ms;
        while now_ms < end_ms {
            now_ms += attacker.act(*self, now_ms, stranger, cloud).max(1);
        }
        let mut flights = attacker.flights;
        flights.sort_by_key(|flight| flight.at_ms);
        flights
    }
}

struct Attacker {
    rng: ChaCha20Rng,
    flights: Vec<Flight>,
}

impl Attacker {
    /// Does it once, and says how long until it is done again, in milliseconds.
    fn act(&mut self, attack: Attack, now_ms: u64, stranger: Ipv4Addr, cloud: (Ipv4Addr, u16)) -> u64 {
        match attack {
            Attack::Flood { per_s, bytes } => {
                // A tenth of a second at a time.
                let count = per_s.div_ceil(10);
                for n in 0..count {
                    let content = Content::Udp { bytes };
                    let (local_port, peer_port) = (PORTS.0 as u16, 80);
                    let at_ms = now_ms + u64::from(n * 100 / count);
                    self.flights.push(Flight {
                        at_ms,
                        up: true,
                        peer: stranger,
                        local_port,
                        peer_port,
                        content,
                    });
                }
                100
            }
            Attack::Scan { every_ms, port } => {
                let victim = Ipv4Addr::from(0xc633_6400 | (self.rng.next_u32() % 250 + 1));
                let local = self.port();
                self.tcp(now_ms, true, (victim, local, port), SYN, 0);
                // One of ten is there and refuses, one of twenty accepts.
                match self.rng.next_u32() % 20 {
                    0 | 1 => self.tcp(now_ms + 60, false, (victim, local, port), RST | ACK, 0),
                    2 => {
                        self.tcp(now_ms + 60, false, (victim, local, port), SYN | ACK, 0);
                        self.tcp(now_ms + 61, true, (victim, local, port), RST, 0);
                    }
                    _ => {}
                }
                self.around(u64::from(every_ms), 20)
            }
            Attack::Brute { every_ms, port } => {
                self.connection(now_ms, stranger, port, 120, 80, 1_000_000);
                self.around(u64::from(every_ms), 20)
            }
            Attack::Beacon { every_s, jitter_pct, bytes, port, at_cloud } => {
                let (peer, port) = if at_cloud { cloud } else { (stranger, port) };
                self.connection(now_ms, peer, port, u32::from(bytes), u32::from(bytes), 1_000_000);
                self.around(u64::from(every_s) * 1_000, jitter_pct)
            }
            Attack::DnsExfil { bytes_per_s } => {
                let name = self.name();
                let local = self.port();
                // 100 bytes of data a name: 160 characters of base32.
                let pair = lookup(now_ms, 50, RESOLVER, local, &name, vec![stranger]);
                self.flights.extend(pair);
                self.around(100_000 / u64::from(bytes_per_s.max(1)), 20)
            }
            Attack::Bulk { bytes_per_s, at_cloud } => {
                let (peer, port) = if at_cloud { cloud } else { (stranger, 443) };
                // Slow ones open a connection for each piece of a minute; fast ones one for each ten seconds.
                let every_s: u32 = if bytes_per_s < 200 { 60 } else { 10 };
                let bytes = bytes_per_s.saturating_mul(every_s).max(1);
                self.connection(now_ms, peer, port, bytes, 100, bytes_per_s.max(2_000));
                self.around(u64::from(every_s) * 1_000, 10)
            }
            Attack::Lateral { every_s } => {
                let neighbour = Ipv4Addr::from(0x0a2d_0000 | (self.rng.next_u32() % 200 + 10));
                let port = [TELNET, 22, 2323, 80][self.rng.next_u32() as usize % 4];
                if self.rng.next_u32().is_multiple_of(4) {
                    self.connection(now_ms, neighbour, port, 200, 100, 1_000_000);
                } else {
                    let local = self.port();
                    self.tcp(now_ms, true, (neighbour, local, port), SYN, 0);
                    self.tcp(now_ms + 40, false, (neighbour, local, port), RST | ACK, 0);
                }
                self.around(u64::from(every_s) * 1_000, 40)
            }
            Attack::Mimic { bytes_per_s, every_s } => {
                let bytes = bytes_per_s.saturating_mul(every_s).max(1);
                self.connection(now_ms, cloud.0, cloud.1, bytes, 60, 1_000_000);
                self.around(u64::from(every_s) * 1_000, 5)
            }
        }
    }

    /// Opens a connection, sends and gets so many bytes at `pace` bytes a second, and closes it.
    fn connection(&mut self, now_ms: u64, peer: Ipv4Addr, port: u16, up: u32, down: u32, pace: u32) {
        let ends = (peer, self.port(), port);
        self.tcp(now_ms, true, ends, SYN, 0);
        self.tcp(now_ms + 50, false, ends, SYN | ACK, 0);
        self.tcp(now_ms + 51, true, ends, ACK, 0);
        let (mut left, mut at_ms) = (up, now_ms + 52);
        while left > 0 {
            let size = left.min(SEGMENT);
            self.tcp(at_ms, true, ends, PUSH, size as u16);
            self.tcp(at_ms + 30, false, ends, ACK, 0);
            left -= size;
            at_ms += u64::from(size) * 1_000 / u64::from(pace.max(1));
        }
        self.tcp(at_ms + 40, false, ends, PUSH, down.min(SEGMENT) as u16);
        self.tcp(at_ms + 45, true, ends, FIN, 0);
        self.tcp(at_ms + 90, false, ends, FIN, 0);
    }

    fn tcp(&mut self, at_ms: u64, up: bool, ends: (Ipv4Addr, u16, u16), flags: u8, bytes: u16) {
        let (peer, local_port, peer_port) = ends;
        let content = Content::Tcp { flags, bytes };
        self.flights.push(Flight { at_ms, up, peer, local_port, peer_port, content });
    }

    fn name(&mut self) -> Arc<str> {
        const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut name = String::new();
        for label in [60, 60, 40] {
            name.extend((0..label).map(|_| char::from(BASE32[self.rng.next_u32() as usize % 32])));
            name.push('.');
        }
        (name + "t.evil.example").into()
    }

    fn port(&mut self) -> u16 {
        between(&mut self.rng, PORTS) as u16
    }

    fn around(&mut self, every_ms: u64, jitter_pct: u32) -> u64 {
        let off = u64::from(between(&mut self.rng, (0, 2 * jitter_pct)));
        every_ms * (100 + off) / 100 - every_ms * u64::from(jitter_pct) / 100
    }
}

/// The attacks that the guard was designed with.
pub const DESIGN: [Attack; 16] = [
    Attack::Flood { per_s: 400, bytes: 512 },
    Attack::Scan { every_ms: 100, port: TELNET },
    Attack::Scan { every_ms: 10_000, port: TELNET },
    Attack::Brute { every_ms: 1_000, port: 22 },
    Attack::Beacon { every_s: 60, jitter_pct: 10, bytes: 120, port: 443, at_cloud: false },
    Attack::Beacon { every_s: 60, jitter_pct: 10, bytes: 60, port: 6667, at_cloud: false },
    Attack::Beacon { every_s: 300, jitter_pct: 30, bytes: 120, port: 443, at_cloud: false },
    Attack::Beacon { every_s: 60, jitter_pct: 10, bytes: 120, port: 443, at_cloud: true },
    Attack::DnsExfil { bytes_per_s: 200 },
    Attack::DnsExfil { bytes_per_s: 10 },
    Attack::Bulk { bytes_per_s: 5_000, at_cloud: false },
    Attack::Bulk { bytes_per_s: 300, at_cloud: false },
    Attack::Bulk { bytes_per_s: 5_000, at_cloud: true },
    Attack::Bulk { bytes_per_s: 300, at_cloud: true },
    Attack::Lateral { every_s: 30 },
    Attack::Mimic { bytes_per_s: 50, every_s: 30 },
];
