//! What a device does all day, by its kind: an endless row of packets in the order of time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use super::flight::{ACK, Content, FIN, Flight, PUSH, RST, SYN, lookup};
use crate::kernel::RngTree;

/// Who answers questions of DNS.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 53);

const PORT_DNS: u16 = 53;
const DAY_MS: u64 = 86_400_000;
const SEGMENT: u32 = 1_360;

/// Where something goes: a name, and how many addresses it leads to by turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// In DNS.
    pub name: &'static str,
    /// How many addresses there are.
    pub pool: u8,
    /// For how long an answer is kept, in seconds.
    pub ttl_s: u32,
    /// The port that it serves.
    pub port: u16,
}

/// From, to.
pub type Range = (u32, u32);

/// One of the things that a device does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Messages over a TCP connection that stays open for hours, each answered.
    Stream {
        /// Where to.
        to: Host,
        /// How often, in milliseconds.
        every_ms: u32,
        /// How far off it may be, in percent.
        jitter_pct: u32,
        /// Bytes of a message.
        up: Range,
        /// Bytes of the answer.
        down: Range,
        /// For how many hours a connection stays open.
        hours: u32,
    },
    /// A TCP connection for each message.
    Request {
        /// Where to.
        to: Host,
        /// How often, in milliseconds.
        every_ms: u32,
        /// How far off it may be, in percent.
        jitter_pct: u32,
        /// Bytes of a message.
        up: Range,
        /// Bytes of the answer.
        down: Range,
    },
    /// UDP datagrams, each answered.
    Datagram {
        /// Where to.
        to: Host,
        /// How often, in milliseconds.
        every_ms: u32,
        /// How far off it may be, in percent.
        jitter_pct: u32,
        /// Bytes of a datagram.
        up: Range,
        /// Bytes of the answer.
        down: Range,
    },
    /// Something now and then, mostly in some hours of the day: an upload of a user, a clip, a new firmware.
    Burst {
        /// Where to.
        to: Host,
        /// How often, in tenths of a day.
        per_day_x10: u32,
        /// In which hours of the day it may happen.
        hours: Range,
        /// Bytes.
        up: Range,
        /// Bytes.
        down: Range,
        /// How fast it goes, in bytes a second.
        pace: u32,
    },
    /// The device starts again: every connection is opened anew.
    Reboot {
        /// How often, in tenths of a day.
        per_day_x10: u32,
    },
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// What it is called.
    pub name: &'static str,
    /// What it does.
    pub habits: &'static [Habit],
    /// How long a packet and its answer take, in milliseconds.
    pub rtt_ms: Range,
    /// How often a packet is lost, in thousandths.
    pub loss_permille: u32,
}

/// An open connection of a stream.
#[derive(Debug, Clone, Copy)]
struct Open {
    peer: Ipv4Addr,
    local_port: u16,
    until_ms: u64,
}

/// The life of one device.
#[derive(Clone)]
pub struct Life {
    kind: Kind,
    rng: ChaCha20Rng,
    /// How far this device is from others of its kind, by habit, in percent.
    own_pct: Vec<u32>,
    next: BinaryHeap<Reverse<(u64, usize)>>,
    open: BTreeMap<usize, Open>,
    resolved: BTreeMap<&'static str, (Ipv4Addr, u64)>,
    port: u16,
    /// What has been decided and is not over, by time and order.
    ready: BTreeMap<(u64, u64), Flight>,
    count: u64,
}

/// The address of `name` that is used in turn `turn`.
pub fn address_of(name: &str, turn: u32) -> Ipv4Addr {
    let mark = cellbed_guard::mark_of_name(name.as_bytes());
    // 198.18.0.0/15 is for measurements (RFC 2544 appendix C.2.2): nobody's.
    Ipv4Addr::from(0xc612_0000 | (mark & 0x1_ff00).max(0x100) | ((mark >> 20 & 0x7f) + turn % 120 + 1))
}

impl Life {
    /// The life of a device of `kind` from `begin_ms` on; what it draws comes from the branch `tree`.
    pub fn new(kind: Kind, tree: &RngTree, begin_ms: u64) -> Self {
        let mut rng = tree.stream("life");
        let own_pct = kind.habits.iter().map(|_| between(&mut rng, (85, 115))).collect();
        let mut life = Self {
            kind,
            rng,
            own_pct,
            next: BinaryHeap::new(),
            open: BTreeMap::new(),
            resolved: BTreeMap::new(),
            port: 49_152,
            ready: BTreeMap::new(),
            count: 0,
        };
        for at in 0..kind.habits.len() {
            let first = begin_ms + life.first_wait_ms(at);
            life.next.push(Reverse((first, at)));
        }
        life
    }

    /// The address and the port that the device talks to with the first of its habits that has somebody, as it knows them
    /// now: what an attacker would hide behind.
    pub fn cloud(&self) -> (Ipv4Addr, u16) {
        let to = |habit: &Habit| match habit {
            Habit::Stream { to, .. } | Habit::Request { to, .. } | Habit::Datagram { to, .. } => Some(*to),
            Habit::Burst { .. } | Habit::Reboot { .. } => None,
        };
        let Some(to) = self.kind.habits.iter().find_map(to) else { return (RESOLVER, PORT_DNS) };
        let resolved = self.resolved.get(to.name).map(|(address, _)| *address);
        (resolved.unwrap_or_else(|| address_of(to.name, 0)), to.port)
    }

    fn first_wait_ms(&mut self, at: usize) -> u64 {
        match self.kind.habits[at] {
            Habit::Stream { every_ms, .. }
            | Habit::Request { every_ms, .. }
            | Habit::Datagram { every_ms, .. } => u64::from(between(&mut self.rng, (0, every_ms))),
            Habit::Burst { per_day_x10, .. } | Habit::Reboot { per_day_x10 } => self.rare_ms(per_day_x10),
        }
    }

    /// Until something happens that does so `per_day_x10` / 10 times a day, without memory.
    fn rare_ms(&mut self, per_day_x10: u32) -> u64 {
        let mean_s = 864_000 / u64::from(per_day_x10.max(1));
        // A geometric wait in steps of a 64th of the mean needs no logarithm.
        let mut steps: u64 = 0;
        while !self.rng.next_u32().is_multiple_of(64) && steps < 64 * 8 {
            steps += 1;
        }
        let step_ms = (mean_s * 1_000 / 64).max(1);
        steps * step_ms + self.rng.next_u64() % step_ms
    }

    fn act(&mut self, now_ms: u64, at: usize) {
        let own_pct = u64::from(self.own_pct[at]);
        let habit = self.kind.habits[at];
        let wait_ms = match habit {
            Habit::Stream { to, every_ms, jitter_pct, up, down, hours } => {
                self.message(now_ms, at, to, up, down, hours);
                self.jittered(u64::from(every_ms) * own_pct / 100, jitter_pct)
            }
            Habit::Request { to, every_ms, jitter_pct, up, down } => {
                let (up, down) = (between(&mut self.rng, up), between(&mut self.rng, down));
                self.exchange(now_ms, to, up, down, 1_000_000);
                self.jittered(u64::from(every_ms) * own_pct / 100, jitter_pct)
            }
            Habit::Datagram { to, every_ms, jitter_pct, up, down } => {
                self.datagram(now_ms, to, up, down);
                self.jittered(u64::from(every_ms) * own_pct / 100, jitter_pct)
            }
            Habit::Burst { to, per_day_x10, hours, up, down, pace } => {
                let hour = (now_ms % DAY_MS / 3_600_000) as u32;
                if (hours.0..hours.1).contains(&hour) {
                    let (up, down) = (between(&mut self.rng, up), between(&mut self.rng, down));
                    self.exchange(now_ms, to, up, down, pace);
                }
                // As many hours of the day are open, so much more often it is tried.
                let open = hours.1.saturating_sub(hours.0).clamp(1, 24);
                self.rare_ms(per_day_x10 * 24 / open)
            }
            Habit::Reboot { per_day_x10 } => {
                self.reboot(now_ms);
                self.rare_ms(per_day_x10)
            }
        };
        self.next.push(Reverse((now_ms + wait_ms.max(1), at)));
    }

    fn reboot(&mut self, now_ms: u64) {
        self.open.clear();
        self.resolved.clear();
        self.port = 49_152 + (self.rng.next_u32() % 8_192) as u16;
        let begun = now_ms + u64::from(between(&mut self.rng, (5_000, 40_000)));
        for at in 0..self.kind.habits.len() {
            let later = begun + u64::from(between(&mut self.rng, (0, 4_000)));
            match self.kind.habits[at] {
                Habit::Stream { to, up, down, hours, .. } => self.message(later, at, to, up, down, hours),
                Habit::Datagram { to, up, down, .. } => self.datagram(later, to, up, down),
                Habit::Request { to, up, down, .. } => {
                    let (up, down) = (between(&mut self.rng, up), between(&mut self.rng, down));
                    self.exchange(later, to, up, down, 1_000_000);
                }
                Habit::Burst { .. } | Habit::Reboot { .. } => {}
            }
        }
    }

    /// The address of `to`, asked for where the answer has not been kept, and when it is known.
    fn resolve(&mut self, now_ms: u64, to: Host) -> (Ipv4Addr, u64) {
        if let Some((address, until_ms)) = self.resolved.get(to.name)
            && now_ms < *until_ms
        {
            return (*address, now_ms);
        }
        let turn = self.rng.next_u32() % u32::from(to.pool.max(1));
        let answers: Vec<_> =
            (0..to.pool.clamp(1, 2)).map(|n| address_of(to.name, turn + u32::from(n))).collect();
        let rtt_ms = self.rtt_ms();
        let (address, port) = (answers[0], self.fresh_port());
        lookup(now_ms, rtt_ms, RESOLVER, port, &Arc::from(to.name), answers)
            .into_iter()
            .for_each(|f| self.push(f));
        self.resolved.insert(to.name, (address, now_ms + u64::from(to.ttl_s) * 1_000));
        (address, now_ms + rtt_ms + 1)
    }

    /// A message over the connection of the habit `at`, which is opened where it is not.
    fn message(&mut self, now_ms: u64, at: usize, to: Host, up: Range, down: Range, hours: u32) {
        let known = self.open.get(&at).copied().filter(|open| now_ms < open.until_ms);
        let (open, mut now_ms) = match known {
            Some(open) => (open, now_ms),
            None => {
                if let Some(old) = self.open.remove(&at) {
                    self.segment(now_ms, true, &old, to.port, FIN, 0);
                    self.segment(now_ms + 40, false, &old, to.port, FIN, 0);
                }
                let (peer, now_ms) = self.resolve(now_ms, to);
                let until_ms =
                    now_ms + u64::from(between(&mut self.rng, (hours * 1_800, hours * 3_600))) * 1_000;
                let open = Open { peer, local_port: self.fresh_port(), until_ms };
                self.open.insert(at, open);
                (open, self.handshake(now_ms, &open, to.port))
            }
        };
        let rtt_ms = self.rtt_ms();
        let (up, down) = (between(&mut self.rng, up), between(&mut self.rng, down));
        now_ms = self.transfer(now_ms, &open, to.port, true, up, 1_000_000);
        self.transfer(now_ms + rtt_ms, &open, to.port, false, down, 1_000_000);
        self.segment(now_ms + rtt_ms + 20, true, &open, to.port, ACK, 0);
    }

    /// TCP's three packets and those of TLS 1.3.
    fn handshake(&mut self, now_ms: u64, open: &Open, port: u16) -> u64 {
        let rtt_ms = self.rtt_ms();
        self.segment(now_ms, true, open, port, SYN, 0);
        let mut now_ms = now_ms;
        if self.is_lost() {
            now_ms += 1_000;
            self.segment(now_ms, true, open, port, SYN, 0);
        }
        self.segment(now_ms + rtt_ms, false, open, port, SYN | ACK, 0);
        self.segment(now_ms + rtt_ms + 1, true, open, port, ACK, 0);
        self.segment(now_ms + rtt_ms + 5, true, open, port, PUSH, 230);
        self.segment(now_ms + 2 * rtt_ms + 5, false, open, port, PUSH, 1_300);
        self.segment(now_ms + 2 * rtt_ms + 9, true, open, port, PUSH, 700);
        now_ms + 3 * rtt_ms + 10
    }

    /// A connection for so many bytes up and down, at `pace` bytes a second.
    fn exchange(&mut self, now_ms: u64, to: Host, up: u32, down: u32, pace: u32) {
        let (peer, now_ms) = self.resolve(now_ms, to);
        let open = Open { peer, local_port: self.fresh_port(), until_ms: 0 };
        let mut now_ms = self.handshake(now_ms, &open, to.port);
        let rtt_ms = self.rtt_ms();
        now_ms = self.transfer(now_ms, &open, to.port, true, up, pace);
        now_ms = self.transfer(now_ms + rtt_ms, &open, to.port, false, down, pace.max(20_000));
        // Some servers and some middle boxes end a connection the short way.
        let last = if self.rng.next_u32().is_multiple_of(400) { RST } else { FIN };
        self.segment(now_ms + 5, true, &open, to.port, FIN, 0);
        self.segment(now_ms + 5 + rtt_ms, false, &open, to.port, last, 0);
    }

    fn transfer(&mut self, now_ms: u64, open: &Open, port: u16, up: bool, bytes: u32, pace: u32) -> u64 {
        let (mut left, mut sent) = (bytes, 0);
        while left > 0 {
            let size = left.min(SEGMENT);
            let at_ms = now_ms + u64::from(sent) * 1_000 / u64::from(pace.max(1));
            self.segment(at_ms, up, open, port, PUSH, size as u16);
            if self.is_lost() {
                self.segment(at_ms + 200, up, open, port, PUSH, size as u16);
            }
            (left, sent) = (left - size, sent + size);
            // Every other segment is acknowledged (RFC 9293 clause 3.8.6.3).
            if (sent / SEGMENT).is_multiple_of(2) || left == 0 {
                self.segment(at_ms + 30, !up, open, port, ACK, 0);
            }
        }
        now_ms + u64::from(sent) * 1_000 / u64::from(pace.max(1)) + 1
    }

    fn datagram(&mut self, now_ms: u64, to: Host, up: Range, down: Range) {
        let (peer, now_ms) = self.resolve(now_ms, to);
        let (rtt_ms, local_port) = (self.rtt_ms(), self.fresh_port());
        let content = Content::Udp { bytes: between(&mut self.rng, up) as u16 };
        let sent = Flight { at_ms: now_ms, up: true, peer, local_port, peer_port: to.port, content };
        let content = Content::Udp { bytes: between(&mut self.rng, down) as u16 };
        let answer = Flight { at_ms: now_ms + rtt_ms, up: false, content, ..sent.clone() };
        if self.is_lost() {
            self.push(Flight { at_ms: now_ms + 2_000, ..sent.clone() });
        }
        self.push(sent);
        self.push(answer);
    }

    fn segment(&mut self, at_ms: u64, up: bool, open: &Open, peer_port: u16, flags: u8, bytes: u16) {
        let content = Content::Tcp { flags, bytes };
        self.push(Flight { at_ms, up, peer: open.peer, local_port: open.local_port, peer_port, content });
    }

    fn push(&mut self, flight: Flight) {
        self.count += 1;
        self.ready.insert((flight.at_ms, self.count), flight);
    }

    fn fresh_port(&mut self) -> u16 {
        self.port = if self.port >= 65_000 { 49_152 } else { self.port + 1 };
        self.port
    }

    fn rtt_ms(&mut self) -> u64 {
        u64::from(between(&mut self.rng, self.kind.rtt_ms))
    }

    fn is_lost(&mut self) -> bool {
        self.rng.next_u32() % 1_000 < self.kind.loss_permille
    }

    fn jittered(&mut self, every_ms: u64, jitter_pct: u32) -> u64 {
        let off = u64::from(between(&mut self.rng, (0, 2 * jitter_pct)));
        every_ms * (100 + off) / 100 - every_ms * u64::from(jitter_pct) / 100
    }
}

impl Iterator for Life {
    type Item = Flight;

    /// Never `None`: a device goes on.
    fn next(&mut self) -> Option<Flight> {
        loop {
            let first = self.ready.first_key_value().map(|((at_ms, _), _)| *at_ms);
            match (first, self.next.peek().copied()) {
                // What is decided at a moment never comes before it.
                (Some(at_ms), Some(Reverse((next_ms, _)))) if at_ms <= next_ms => break,
                (_, Some(Reverse((next_ms, at)))) => {
                    self.next.pop();
                    self.act(next_ms, at);
                }
                (_, None) => break,
            }
        }
        self.ready.pop_first().map(|(_, flight)| flight)
    }
}

/// A number from `range`, both ends among them.
pub(crate) fn between(rng: &mut ChaCha20Rng, (from, to): Range) -> u32 {
    from + rng.next_u32() % (to.saturating_sub(from) + 1)
}
