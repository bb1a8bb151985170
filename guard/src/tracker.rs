//! What a device has done lately, and the features of a window of ten seconds.

use crate::fixed::{log1p_of_q16, log1p_q8, mark_of};
use crate::model::Known;
use crate::packet::{Dns, Packet};
use crate::tables::{Distinct, Flow, Peer, place};

/// How many features a window has; the model's `FEATURES_NAMES` says which.
pub const FEATURES: usize = 25;
/// How many counters a second has; the model's `INSTANT_NAMES` says which.
pub const INSTANT: usize = 4;
/// How long a window is, in milliseconds.
pub const WINDOW_MS: u64 = 10_000;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// A peer is new for ten minutes.
const NEW_S: u32 = 600;
/// A peer that was not spoken to for so long is spoken to anew.
const SILENCE_MS: u64 = 5_000;
/// A UDP flow that was silent for so long is over.
const UDP_OVER_MS: u64 = 60_000;
/// A TCP connection that is closed sooner is a short one.
const SHORT_MS: u64 = 5_000;
/// Windows in five minutes and in an hour: what the two averages forget in.
const FIVE_MINUTES: i64 = 30;
const HOUR: i64 = 360;
/// Behind so many windows without a packet nothing is left of what was before.
const FORGOTTEN: u64 = 8 * HOUR as u64;

/// What was sent in one second: packets, bytes, new connections, questions of DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Second(pub [u32; INSTANT]);

/// A window that is over, and in which there was a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it began, in milliseconds.
    pub begin_ms: u64,
    /// Its features, log2(1 + x) in 1/256.
    pub values: [i16; FEATURES],
    /// The most that a second of it had.
    pub peak: Second,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    any: bool,
    packets: [u32; 2],
    bytes: [u32; 2],
    peers: Distinct,
    services: Distinct,
    connections: u32,
    opened: u32,
    accepted: u32,
    resets: u32,
    queries: u32,
    name_length: u8,
    name_entropy_q4: u8,
    foreign: u32,
    new_peers: u32,
    regular: u8,
    short: u32,
    dns_bytes: u32,
    spoken_peak: u32,
    peak: Second,
}

/// What a device has done lately. The size is a constant, whatever its traffic is.
#[derive(Debug, Clone)]
pub struct Tracker {
    begin_ms: u64,
    /// Counts windows from 1.
    number: u32,
    window: Counts,
    second_ms: u64,
    second: Second,
    /// Packets of this second that are more than acknowledgements.
    spoken: u32,
    /// Acknowledgements of this second, and what there was to acknowledge in it and in the one before.
    acknowledged: u32,
    heard: [u32; 2],
    peers: [Peer; 16],
    flows: [Flow; 16],
    /// Addresses that known names were answered with, and which of them is written next.
    named: [u32; 32],
    named_next: u8,
    /// Of each of the last five minutes, the services.
    minutes: [Distinct; 5],
    /// Averages in 1/65536: bytes, connections, failures and bytes of DNS of five minutes, bytes of an hour.
    averages_q16: [u64; 5],
}

impl Tracker {
    /// A device of which nothing is known yet, at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        Self {
            begin_ms: now_ms - now_ms % WINDOW_MS,
            number: 1,
            window: Counts::default(),
            second_ms: now_ms - now_ms % 1_000,
            second: Second::default(),
            spoken: 0,
            acknowledged: 0,
            heard: [0; 2],
            peers: [Peer::default(); 16],
            flows: [Flow::default(); 16],
            named: [0; 32],
            named_next: 0,
            minutes: [Distinct::default(); 5],
            averages_q16: [0; 5],
        }
    }

    /// When the window that now runs is over, where there was a packet in it.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.window.any.then_some(self.begin_ms + WINDOW_MS)
    }

    /// Closes the windows that are over at `now_ms`, and hands over the one among them that had a packet. Time does not go
    /// back: an earlier `now_ms` closes none.
    pub fn advance(&mut self, now_ms: u64) -> Option<Window> {
        let over = now_ms.saturating_sub(self.begin_ms) / WINDOW_MS;
        if over == 0 {
            return None;
        }
        let closed = self.close();
        if over > FORGOTTEN {
            (self.averages_q16, self.minutes) = ([0; 5], [Distinct::default(); 5]);
            self.begin_ms += (over - 1) * WINDOW_MS;
        } else {
            for _ in 1..over {
                self.close();
            }
        }
        closed
    }

    /// Takes a packet at `now_ms`; [`Tracker::advance`] comes before. What a baseline `knows` is not new.
    pub fn packet(&mut self, now_ms: u64, packet: &Packet, knows: &Known) {
        let side = usize::from(!packet.up);
        let window = &mut self.window;
        window.any = true;
        if !packet.only_acknowledges() {
            window.packets[side] = window.packets[side].saturating_add(1);
            window.bytes[side] = window.bytes[side].saturating_add(u32::from(packet.length));
        }
        window.peers.add(packet.peer);
        let (protocol, port) = (packet.protocol, packet.service_port());
        let mark = mark_of(packet.peer.to_be_bytes().into_iter().chain([protocol]).chain(port.to_be_bytes()));
        window.services.add(mark);
        self.minutes[0].add(mark);
        if !knows.has_service(protocol, port) {
            window.foreign = window.foreign.saturating_add(1);
        }
        if packet.resets() || packet.unreachable {
            window.resets = window.resets.saturating_add(1);
        }
        window.accepted = window.accepted.saturating_add(u32::from(!packet.up && packet.accepts()));
        let opened = self.flow(now_ms, packet);
        if let Some(dns) = &packet.dns {
            self.dns(packet, dns, knows);
        }
        if !knows.has_peer(packet.peer) && !self.named.contains(&packet.peer) {
            self.peer(now_ms, packet);
        }
        self.roll(now_ms);
        if !packet.up {
            self.heard[0] = self.heard[0].saturating_add(u32::from(!packet.only_acknowledges()));
        } else {
            let asks = u32::from(packet.dns.is_some());
            // What acknowledges says what the other side does; what there is nothing to acknowledge for is a flood like others.
            self.acknowledged = self.acknowledged.saturating_add(u32::from(packet.only_acknowledges()));
            let excused = packet.only_acknowledges()
                && self.acknowledged <= self.heard[0].saturating_add(self.heard[1]);
            let bytes = if excused { 0 } else { u32::from(packet.length) };
            self.count_second([u32::from(!excused), bytes, opened, asks]);
            if !packet.only_acknowledges() {
                self.spoken += 1;
                self.window.spoken_peak = self.window.spoken_peak.max(self.spoken);
            }
        }
    }

    /// What was sent in the second that now runs.
    pub fn second(&self) -> Second {
        self.second
    }

    /// Begins another second where one is over.
    fn roll(&mut self, now_ms: u64) {
        let second_ms = now_ms - now_ms % 1_000;
        if second_ms != self.second_ms {
            let before = if second_ms == self.second_ms + 1_000 { self.heard[0] } else { 0 };
            (self.second_ms, self.second, self.spoken) = (second_ms, Second::default(), 0);
            (self.acknowledged, self.heard) = (0, [0, before]);
        }
    }

    fn count_second(&mut self, more: [u32; INSTANT]) {
        for ((count, peak), more) in self.second.0.iter_mut().zip(&mut self.window.peak.0).zip(more) {
            *count = count.saturating_add(more);
            *peak = (*peak).max(*count);
        }
    }

    /// Follows the flow of `packet`; says how many connections it opens.
    fn flow(&mut self, now_ms: u64, packet: &Packet) -> u32 {
        if !matches!(packet.protocol, TCP | UDP) {
            return 0;
        }
        let ports = packet.local_port.to_be_bytes().into_iter().chain(packet.peer_port.to_be_bytes());
        let mark = mark_of(packet.peer.to_be_bytes().into_iter().chain([packet.protocol]).chain(ports));
        let (at, found) = place(&mut self.flows, |flow| flow.mark == mark, |flow| flow.last_ms);
        let flow = &mut self.flows[at];
        let fresh = if packet.protocol == TCP {
            packet.opens()
        } else {
            !found || now_ms.saturating_sub(flow.last_ms) > UDP_OVER_MS
        };
        if fresh {
            *flow = Flow { mark, start_ms: now_ms, last_ms: now_ms };
        } else if found {
            flow.last_ms = now_ms;
            if packet.protocol == TCP && packet.closes() {
                let short = now_ms.saturating_sub(flow.start_ms) < SHORT_MS;
                self.window.short = self.window.short.saturating_add(u32::from(short));
                *flow = Flow::default();
            }
        }
        let opened = u32::from(fresh && packet.up);
        self.window.connections = self.window.connections.saturating_add(opened);
        self.window.opened = self.window.opened.saturating_add(u32::from(packet.up && packet.opens()));
        opened
    }

    fn dns(&mut self, packet: &Packet, dns: &Dns, knows: &Known) {
        let window = &mut self.window;
        window.dns_bytes = window.dns_bytes.saturating_add(u32::from(packet.length));
        if packet.up {
            window.queries = window.queries.saturating_add(1);
            window.name_length = window.name_length.max(dns.length);
            window.name_entropy_q4 = window.name_entropy_q4.max(dns.entropy_q4);
        } else if knows.has_mark(dns.name) && knows.has_peer(packet.peer) {
            // Only a resolver of the baseline may say who a known name is.
            for answer in dns.answers.into_iter().filter(|answer| *answer != 0) {
                if !self.named.contains(&answer) {
                    self.named[usize::from(self.named_next)] = answer;
                    self.named_next = (self.named_next + 1) % self.named.len() as u8;
                }
            }
        }
    }

    /// Follows a peer that the baseline does not know.
    fn peer(&mut self, now_ms: u64, packet: &Packet) {
        let now_s = (now_ms / 1_000) as u32;
        let (at, found) = place(&mut self.peers, |peer| peer.address == packet.peer, |peer| peer.last_ms);
        let peer = &mut self.peers[at];
        if !found {
            *peer = Peer { address: packet.peer, first_s: now_s, start_s: now_s, ..Peer::default() };
        } else if packet.up && now_ms.saturating_sub(peer.last_ms) >= SILENCE_MS {
            let interval_s = now_s.saturating_sub(peer.start_s);
            peer.start_s = now_s;
            let off = interval_s.abs_diff(peer.interval_s);
            if peer.interval_s > 0 && off * 20 <= peer.interval_s * 7 {
                peer.regular = peer.regular.saturating_add(1);
                peer.interval_s = (peer.interval_s * 3 + interval_s) / 4;
            } else {
                peer.regular = peer.regular.saturating_sub(1);
                peer.interval_s = interval_s;
            }
        }
        peer.last_ms = now_ms;
        self.window.regular = self.window.regular.max(peer.regular);
        if now_s.saturating_sub(peer.first_s) < NEW_S && peer.counted != self.number {
            peer.counted = self.number;
            self.window.new_peers = self.window.new_peers.saturating_add(1);
        }
    }

    /// Ends the window that runs and begins the next one.
    fn close(&mut self) -> Option<Window> {
        let window = self.window;
        let unanswered = window.opened.saturating_sub(window.accepted);
        let failures = unanswered.saturating_add(window.resets);
        let spans = [FIVE_MINUTES, FIVE_MINUTES, FIVE_MINUTES, FIVE_MINUTES, HOUR];
        let news = [window.bytes[0], window.connections, failures, window.dns_bytes, window.bytes[0]];
        for ((average_q16, new), span) in self.averages_q16.iter_mut().zip(news).zip(spans) {
            let (old, new) = (*average_q16 as i64, i64::from(new) << 16);
            *average_q16 = (old + (new - old) / span) as u64;
        }
        let closed = self.deadline_ms().map(|_| Window {
            begin_ms: self.begin_ms,
            values: self.values(&window, unanswered),
            peak: window.peak,
        });
        self.window = Counts::default();
        self.begin_ms += WINDOW_MS;
        self.number = self.number.wrapping_add(1).max(1);
        if self.begin_ms.is_multiple_of(60_000) {
            self.minutes.rotate_right(1);
            self.minutes[0] = Distinct::default();
        }
        closed
    }

    fn values(&self, window: &Counts, unanswered: u32) -> [i16; FEATURES] {
        let log = log1p_q8;
        let [up, down] = window.bytes;
        let mean_up = up.checked_div(window.packets[0]).unwrap_or(0);
        let mut lately = Distinct::default();
        self.minutes.iter().for_each(|minute| lately.merge(*minute));
        let [bytes, connections, failures, dns, hour] = self.averages_q16.map(log1p_of_q16);
        [
            log(window.packets[0]),
            log(window.packets[1]),
            log(up),
            log(down),
            log(up) - log(down),
            log(mean_up),
            log(window.spoken_peak),
            log(window.peers.count()),
            log(window.services.count()),
            log(window.connections),
            log(unanswered),
            log(window.resets),
            log(window.queries),
            log(u32::from(window.name_length)),
            log(u32::from(window.name_entropy_q4)),
            log(window.foreign),
            log(window.new_peers),
            bytes,
            log(lately.count()),
            connections,
            failures,
            log(u32::from(window.regular)),
            log(window.short),
            hour,
            dns,
        ]
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const CLOUD: u32 = 0x0102_0304;
    const RESOLVER: u32 = 0x0808_0808;

    fn packet(up: bool, peer: u32, protocol: u8, ports: (u16, u16), flags: u8, length: u16) -> Packet {
        let (local_port, peer_port) = ports;
        Packet { up, peer, protocol, local_port, peer_port, length, flags, unreachable: false, dns: None }
    }

    fn knows() -> Known {
        let mut knows = Known::default();
        knows.add_service(TCP, 443);
        knows.add_peer(CLOUD);
        knows.add_peer(RESOLVER);
        knows
    }

    fn closed(tracker: &mut Tracker, now_ms: u64) -> [i16; FEATURES] {
        tracker.advance(now_ms).expect("a window with packets").values
    }

    #[test]
    fn a_window_counts_what_was_in_it() {
        let mut tracker = Tracker::new(12_345);
        let knows = knows();
        tracker.packet(12_400, &packet(true, CLOUD, TCP, (50_000, 443), 0x02, 40), &knows);
        tracker.packet(12_450, &packet(false, CLOUD, TCP, (50_000, 443), 0x12, 40), &knows);
        tracker.packet(13_500, &packet(true, CLOUD, TCP, (50_000, 443), 0x18, 1000), &knows);
        tracker.packet(13_600, &packet(true, CLOUD, TCP, (50_000, 443), 0x11, 40), &knows);
        assert_eq!(tracker.deadline_ms(), Some(20_000));
        assert_eq!(tracker.advance(19_999), None);
        let window = tracker.advance(20_000).unwrap();
        assert_eq!((window.begin_ms, window.peak), (10_000, Second([2, 1040, 1, 0])));
        let log = |x: u32| log1p_q8(x);
        let values = window.values;
        assert_eq!(
            values[..10],
            [
                log(3),
                log(1),
                log(1080),
                log(40),
                log(1080) - log(40),
                log(360),
                log(2),
                log(1),
                log(1),
                log(1)
            ]
        );
        // Nothing unanswered, no reset, no DNS, nothing foreign or new; one short connection.
        assert_eq!(values[10..17], [0; 7]);
        assert_eq!(values[22], log(1));
        // A thirtieth of 1080, and a 360th.
        assert_eq!((values[17], values[23]), (log1p_of_q16(36 << 16), log1p_of_q16(3 << 16)));
        assert_eq!(tracker.advance(60_000), None, "empty windows are not handed over");
    }

    #[test]
    fn averages_and_services_of_five_minutes_fade() {
        let mut tracker = Tracker::new(0);
        for port in 1..=20 {
            tracker.packet(0, &packet(true, CLOUD, TCP, (50_000, port), 0x02, 40), &knows());
        }
        let first = closed(&mut tracker, 10_000);
        assert!(first[18] > log1p_q8(15) && first[15] == log1p_q8(20));
        assert_eq!(first[10], log1p_q8(20), "no SYN was answered");
        let mut tracker = Tracker::new(0);
        tracker.packet(0, &packet(true, CLOUD, TCP, (50_000, 80), 0x02, 40), &knows());
        let first = closed(&mut tracker, 10_000);
        tracker.advance(400_000);
        tracker.packet(400_000, &packet(true, CLOUD, TCP, (50_000, 443), 0x18, 40), &knows());
        let later = closed(&mut tracker, 410_000);
        assert_eq!((first[18], later[18]), (log1p_q8(1), log1p_q8(1)));
        assert!(later[20] < first[20] && later[19] < first[19]);
        // A day later nothing is left, and nothing takes long.
        tracker.advance(10_000_000_000_000);
        assert_eq!(tracker.averages_q16, [0; 5]);
        assert_eq!(tracker.begin_ms, 10_000_000_000_000);
    }

    #[test]
    fn a_beacon_to_a_stranger_is_counted_and_one_to_the_cloud_is_not() {
        for (peer, expected) in [(0x0505_0505, 9), (CLOUD, 0)] {
            let mut tracker = Tracker::new(0);
            let mut last = 0;
            for turn in 0..11_u64 {
                let now_ms = turn * 60_000 + turn % 3 * 4_000;
                if let Some(window) = tracker.advance(now_ms) {
                    last = window.values[21];
                }
                tracker.packet(now_ms, &packet(true, peer, TCP, (50_000, 443), 0x18, 100), &knows());
            }
            assert_eq!(closed(&mut tracker, 2_000_000).get(21), Some(&log1p_q8(expected)), "{last}");
        }
    }

    #[test]
    fn a_peer_that_a_known_name_leads_to_is_not_new_and_strangers_cannot_name_one() {
        let mut knows = knows();
        knows.add_mark(77);
        let dns = |name, peer| {
            let dns = Dns { name, length: 11, entropy_q4: 46, answers: [0x0606_0606, 0, 0, 0] };
            Packet { dns: Some(dns), ..packet(false, peer, UDP, (50_000, 53), 0, 80) }
        };
        for (answer, new) in [(dns(77, RESOLVER), 0), (dns(78, RESOLVER), 1), (dns(77, 0x0909_0909), 2)] {
            let mut tracker = Tracker::new(0);
            tracker.packet(0, &answer, &knows);
            tracker.packet(1, &packet(true, 0x0606_0606, TCP, (50_000, 443), 0x02, 40), &knows);
            assert_eq!(closed(&mut tracker, 10_000)[16], log1p_q8(new));
        }
    }

    /// What only acknowledges says what the other side does: a firmware that comes makes nobody a flood.
    #[test]
    fn acknowledgements_of_what_has_come_are_no_packets_and_others_are() {
        let mut tracker = Tracker::new(0);
        for n in 0..30 {
            tracker.packet(n, &packet(false, CLOUD, TCP, (50_000, 443), 0x18, 1_400), &knows());
            tracker.packet(n, &packet(true, CLOUD, TCP, (50_000, 443), 0x10, 52), &knows());
        }
        tracker.packet(31, &packet(true, CLOUD, TCP, (50_000, 443), 0x10, 53), &knows());
        assert_eq!(tracker.second().0[..2], [1, 53]);
        let values = closed(&mut tracker, 10_000);
        assert_eq!([values[0], values[2], values[6]], [1, 53, 1].map(log1p_q8));
        assert_eq!(values[1], log1p_q8(30));
        // In the next second 30 more may come late, and the 31st is for nothing; two seconds later there is nothing left.
        for (begin_ms, counted) in [(20_000, 31), (30_000, 1), (40_000, 31)] {
            let mut tracker = Tracker::new(begin_ms);
            let gap_ms = if begin_ms == 40_000 { 2_000 } else { 1_000 };
            for n in 0..30 * u64::from(begin_ms != 20_000) {
                tracker.packet(
                    begin_ms + n,
                    &packet(false, CLOUD, TCP, (50_000, 443), 0x18, 1_400),
                    &knows(),
                );
            }
            for n in 0..31 {
                let ack = packet(true, CLOUD, TCP, (50_000, 443), 0x10, 52);
                tracker.packet(begin_ms + gap_ms + n, &ack, &knows());
            }
            assert_eq!(tracker.second().0[0], counted, "{begin_ms}");
        }
    }

    /// What comes second after second is acknowledged second after second; acknowledgements that come are nothing to acknowledge.
    #[test]
    fn each_second_has_its_own_acknowledgements() {
        for (flags, counted) in [(0x18, 0), (0x10, 30)] {
            let mut tracker = Tracker::new(0);
            for second in 0..5 {
                for n in 0..30 {
                    let now_ms = second * 1_000 + n;
                    let length = if flags == 0x18 { 1_400 } else { 52 };
                    tracker.packet(
                        now_ms,
                        &packet(false, CLOUD, TCP, (50_000, 443), flags, length),
                        &knows(),
                    );
                    tracker.packet(now_ms, &packet(true, CLOUD, TCP, (50_000, 443), 0x10, 52), &knows());
                }
                assert_eq!(tracker.second().0[0], counted, "second {second}");
            }
        }
    }

    /// A packet that the network has dropped counts as one that was refused.
    #[test]
    fn what_is_dropped_is_a_failure() {
        for (dropped, failures) in [(false, 0), (true, 1)] {
            let mut tracker = Tracker::new(0);
            let sent = packet(true, 0x0505_0505, UDP, (50_000, 53), 0, 60);
            tracker.packet(0, &if dropped { sent.dropped() } else { sent }, &knows());
            assert_eq!(closed(&mut tracker, 10_000)[11], log1p_q8(failures));
        }
    }

    #[test]
    fn a_peer_is_new_for_ten_minutes() {
        for (later_ms, new) in [(599_000, 1), (600_000, 0)] {
            let mut tracker = Tracker::new(0);
            let sent = packet(true, 0x0505_0505, TCP, (50_000, 443), 0x18, 100);
            tracker.packet(0, &sent, &knows());
            tracker.advance(later_ms);
            tracker.packet(later_ms, &sent, &knows());
            assert_eq!(closed(&mut tracker, 700_000)[16], log1p_q8(new), "{later_ms}");
        }
    }

    #[test]
    fn questions_and_failures() {
        let mut tracker = Tracker::new(0);
        let dns = Dns { name: 5, length: 30, entropy_q4: 60, answers: [0; 4] };
        let question = Packet { dns: Some(dns), ..packet(true, RESOLVER, UDP, (50_000, 53), 0, 76) };
        tracker.packet(0, &question, &knows());
        tracker.packet(1, &question, &knows());
        tracker.packet(2, &packet(false, CLOUD, TCP, (50_000, 443), 0x04, 40), &knows());
        let unreachable = Packet { unreachable: true, ..packet(false, CLOUD, 1, (0, 0), 0, 56) };
        tracker.packet(3, &unreachable, &knows());
        let values = closed(&mut tracker, 10_000);
        assert_eq!(values[9..15], [1, 0, 2, 2, 30, 60].map(log1p_q8));
        assert_eq!(values[24], log1p_of_q16((152 << 16) / 30));
        assert_eq!(tracker.second(), Second([2, 152, 1, 2]));
    }

    proptest! {
        #[test]
        fn any_traffic_keeps_the_tables_bounded(
            steps in proptest::collection::vec((0..100_000_u64, any::<(bool, u32, u16, u16, u8, u16)>()), 0..200)
        ) {
            let mut tracker = Tracker::new(0);
            let mut now_ms = 0;
            for (wait, (up, peer, local, remote, flags, length)) in steps {
                now_ms += wait;
                if let Some(window) = tracker.advance(now_ms) {
                    prop_assert!(window.values.iter().all(|value| (-32 * 256..=32 * 256).contains(value)));
                }
                let protocol = [1, TCP, UDP][usize::from(flags % 3)];
                tracker.packet(now_ms, &packet(up, peer, protocol, (local, remote), flags, length), &knows());
            }
        }
    }

    #[test]
    fn time_that_goes_back_is_no_matter() {
        let mut tracker = Tracker::new(50_000);
        let sent = packet(true, 9, TCP, (50_000, 443), 2, 40);
        let times: Vec<u64> = [50_000, 40_000, 60_001, 100].into();
        for now_ms in times {
            tracker.advance(now_ms);
            tracker.packet(now_ms, &sent, &knows());
        }
    }
}
