//! Two hosts and a link with latency between them.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpPacket};

use super::*;
use crate::kernel::{Instant, Queue, RngTree};
use crate::net::NetError;

const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);
pub(in crate::net) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 20);
pub const PORT: u16 = 443;

/// Loss as if by chance. (A period that fits the window hits every retransmission, and ends connections.)
pub(in crate::net) fn one_in_thirty(n: u64) -> bool {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & 0xff < 9
}

/// A device, a service, and the path between them.
pub(in crate::net) struct Pair {
    pub now: Instant,
    pub device: Host,
    pub service: Host,
    pub latency: Duration,
    /// Which packets get lost, by their number on the path.
    pub loses: fn(u64) -> bool,
    pub carried: u64,
    path: Queue<(bool, Vec<u8>)>,
}

impl Pair {
    pub fn new() -> Self {
        let rng = RngTree::new(7);
        let addresses = [SERVICE, Ipv4Addr::new(10, 99, 0, 10), Ipv4Addr::new(10, 99, 0, 30)];
        let mut service = Host::with_addresses(&addresses, 1400, rng.branch("service")).unwrap();
        service.listen((SERVICE, PORT));
        Self {
            now: Instant::ZERO,
            device: Host::new(DEVICE, 1400, rng.branch("device")),
            service,
            latency: Duration::from_millis(10),
            loses: |_| false,
            carried: 0,
            path: Queue::default(),
        }
    }

    /// Polls both, and puts what they send on the path.
    pub fn poll(&mut self) {
        let mut out = Vec::new();
        for to_service in [true, false] {
            let host = if to_service { &mut self.device } else { &mut self.service };
            host.poll(self.now, &mut out);
            for packet in out.drain(..) {
                self.carried += 1;
                if !(self.loses)(self.carried) {
                    self.path.push(self.now + self.latency, (to_service, packet));
                }
            }
        }
    }

    /// Goes on to the next packet or deadline; false where there is none before `until`.
    pub fn step(&mut self, until: Instant) -> bool {
        self.poll();
        let deadlines =
            [self.device.deadline(self.now), self.service.deadline(self.now), self.path.next_at()];
        let Some(next) = deadlines.into_iter().flatten().min().filter(|at| *at <= until) else {
            return false;
        };
        self.now = next;
        while self.path.next_at() == Some(self.now) {
            let (_, (to_service, packet)) = self.path.pop().expect("it has a moment");
            if to_service { self.service.receive(packet) } else { self.device.receive(packet) }
        }
        self.poll();
        true
    }

    /// Runs until `done`, or until nothing is left to do, or for ten virtual minutes.
    pub fn run(&mut self, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let until = self.now + Duration::from_secs(600);
        for _ in 0..200_000 {
            if done(self) {
                return true;
            }
            if !self.step(until) {
                return done(self);
            }
        }
        panic!("the hosts spin at {}", self.now);
    }

    pub fn settle(&mut self) {
        self.run(|_| false);
    }

    /// An open connection, with its name on either side.
    pub fn open(&mut self) -> (ConnId, ConnId) {
        let client = self.device.connect((SERVICE, PORT)).unwrap();
        let mut server = None;
        self.run(|pair| {
            server = server.or(pair.service.accept());
            server.is_some() && pair.device.state(client) == ConnState::Open
        });
        (client, server.expect("the service accepts").0)
    }

    /// Sends `data` from the device to the service, and says what arrives.
    pub fn transfer(&mut self, from: ConnId, to: ConnId, data: &[u8]) -> Vec<u8> {
        let (mut sent, mut got) = (0, Vec::new());
        self.run(|pair| {
            sent += pair.device.send(from, &data[sent..]).unwrap();
            pair.service.recv(to, &mut got).unwrap();
            got.len() == data.len()
        });
        got
    }
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| ((i * 31) >> 3) as u8).collect()
}

#[test]
fn a_connection_opens_in_one_round_trip_and_half() {
    let mut pair = Pair::new();
    let client = pair.device.connect((SERVICE, PORT)).unwrap();
    assert_eq!(pair.device.state(client), ConnState::Connecting);
    assert_eq!(pair.device.send(client, b"early"), Ok(0));
    let mut accepted = None;
    pair.run(|pair| {
        accepted = accepted.or(pair.service.accept());
        accepted.is_some()
    });
    let (_, local, remote) = accepted.unwrap();
    assert_eq!(local, Endpoint::from((SERVICE, PORT)));
    assert_eq!(remote.ip(), IpAddr::V4(DEVICE));
    assert!(remote.port() >= 49_152);
    assert_eq!(pair.now, Instant::ZERO + Duration::from_millis(30));
    assert_eq!(pair.carried, 3);
    assert_eq!(pair.service.accept(), None);
}

#[test]
fn a_hundred_kilobytes_arrive_and_few_packets_carry_them() {
    let mut pair = Pair::new();
    let (client, server) = pair.open();
    let data = pattern(100_000);
    assert_eq!(pair.transfer(client, server, &data), data);
    // 74 full segments, and at most one acknowledgement for each.
    assert!(pair.carried < 160, "{} packets", pair.carried);
    assert!(pair.now < Instant::ZERO + Duration::from_secs(1), "took until {}", pair.now);
}

#[test]
fn every_nth_packet_lost_is_survived() {
    for loses in [(|n| n % 7 == 0) as fn(u64) -> bool, |n| n % 10 == 2, |n| n % 13 < 2, one_in_thirty] {
        let mut pair = Pair { loses, ..Pair::new() };
        let (client, server) = pair.open();
        let data = pattern(30_000);
        assert_eq!(pair.transfer(client, server, &data), data);
        pair.device.close(client);
        pair.service.close(server);
        pair.settle();
        assert_eq!(pair.device.state(client), ConnState::Closed);
        assert_eq!(pair.service.state(server), ConnState::Closed);
    }
}

#[test]
fn a_port_where_nothing_listens_refuses() {
    let mut pair = Pair::new();
    let client = pair.device.connect((SERVICE, 80)).unwrap();
    pair.settle();
    assert_eq!(pair.device.state(client), ConnState::Refused);
    let refused = NetError::Refused { address: SERVICE.into(), port: 80 };
    assert_eq!(pair.device.recv(client, &mut Vec::new()), Err(refused.clone()));
    assert_eq!(pair.device.send(client, b"x"), Err(refused));
    assert_eq!(pair.now, Instant::ZERO + Duration::from_millis(20));
}

#[test]
fn a_peer_that_is_not_there_times_out() {
    let mut pair = Pair { loses: |_| true, ..Pair::new() };
    let client = pair.device.connect((SERVICE, PORT)).unwrap();
    pair.settle();
    assert_eq!(pair.device.state(client), ConnState::TimedOut);
    assert_eq!(pair.now, Instant::ZERO + Duration::from_secs(30));
    assert!(pair.carried >= 5, "SYN is repeated");
}

#[test]
fn a_peer_that_dies_times_out_only_when_it_owes_something() {
    let mut pair = Pair::new();
    let (client, server) = pair.open();
    pair.transfer(client, server, b"hello");
    pair.settle();
    // Nothing is outstanding: the connection may stay idle for hours.
    assert_eq!(pair.device.deadline(pair.now), None);
    pair.now += Duration::from_secs(7200);
    pair.poll();
    assert_eq!(pair.device.state(client), ConnState::Open);
    pair.loses = |_| true;
    let died = pair.now;
    pair.device.send(client, b"anyone?").unwrap();
    pair.settle();
    assert_eq!(pair.device.state(client), ConnState::TimedOut);
    assert_eq!(pair.now.since(died), Duration::from_secs(30));
    let mut late = Vec::new();
    assert_eq!(
        pair.device.recv(client, &mut late),
        Err(NetError::TimedOut { address: SERVICE.into(), port: PORT })
    );
}

#[test]
fn a_connection_that_never_opened_is_nobodys() {
    for resets in [false, true] {
        let mut pair = Pair::new();
        let client = pair.device.connect((SERVICE, PORT)).unwrap();
        let mut out = Vec::new();
        pair.device.poll(pair.now, &mut out);
        let syn = out.pop().unwrap();
        pair.service.receive(syn.clone());
        if resets {
            // RST and another SYN come at once with the first.
            pair.device.abort(client);
            pair.device.poll(pair.now, &mut out);
            pair.service.receive(out.pop().unwrap());
            pair.service.receive(syn);
        }
        pair.loses = |_| true;
        pair.settle();
        assert_eq!(pair.service.accept(), None);
        assert!(pair.service.connections.is_empty());
        assert_eq!(pair.service.sockets.iter().count(), 0);
    }
}

#[test]
fn an_abort_resets_the_peer() {
    let mut pair = Pair::new();
    let (client, server) = pair.open();
    pair.device.send(client, b"last words").unwrap();
    pair.poll();
    pair.device.abort(client);
    pair.settle();
    assert_eq!(pair.device.state(client), ConnState::Closed);
    assert_eq!(pair.service.state(server), ConnState::Reset);
    let mut got = Vec::new();
    assert_eq!(pair.service.recv(server, &mut got), Ok(10));
    assert_eq!(got, b"last words");
    assert_eq!(pair.service.recv(server, &mut got).map_err(|e| e.to_string().contains("reset")), Err(true));
}

#[test]
fn each_direction_closes_on_its_own() {
    let mut pair = Pair::new();
    let (client, server) = pair.open();
    pair.device.send(client, b"question").unwrap();
    pair.device.close(client);
    assert_eq!(pair.device.send(client, b"more"), Err(NetError::Closed(client)));
    pair.run(|pair| pair.service.state(server) == ConnState::PeerClosed);
    let mut got = Vec::new();
    pair.service.recv(server, &mut got).unwrap();
    assert_eq!(got, b"question");
    assert_eq!(pair.device.state(client), ConnState::Closing);
    pair.service.send(server, b"answer").unwrap();
    pair.service.close(server);
    pair.settle();
    assert_eq!(pair.device.state(client), ConnState::Closed);
    assert_eq!(pair.service.state(server), ConnState::Closed);
    // The answer is still there, though the sockets are gone.
    let mut got = Vec::new();
    pair.device.recv(client, &mut got).unwrap();
    assert_eq!(got, b"answer");
}

#[test]
fn buffers_exist_only_while_connections_live() {
    let mut pair = Pair::new();
    for port in 8000..8003 {
        pair.service.listen((SERVICE, port));
    }
    let idle = pair.service.memory();
    assert!(idle < 3_000, "an idle host takes {idle} bytes");
    let (first, second) = (pair.open(), pair.open());
    let busy = pair.service.memory();
    assert!(busy < 20_000, "a host with two connections takes {busy} bytes");
    for (client, server) in [first, second] {
        pair.transfer(client, server, &pattern(10_000));
        pair.device.close(client);
        pair.service.close(server);
    }
    pair.settle();
    for (client, server) in [first, second] {
        pair.device.remove(client);
        pair.service.remove(server);
    }
    pair.settle();
    let after = pair.service.memory();
    assert!(after < 3_000, "a host takes {after} bytes after its connections");
}

#[test]
fn a_removed_connection_still_delivers_what_it_was_closing_with() {
    let mut pair = Pair::new();
    let (client, server) = pair.open();
    pair.device.send(client, b"goodbye").unwrap();
    pair.device.close(client);
    pair.device.remove(client);
    assert_eq!(pair.device.send(client, b"x"), Err(NetError::NoConnection(client)));
    pair.run(|pair| pair.service.state(server) == ConnState::PeerClosed);
    let mut got = Vec::new();
    pair.service.recv(server, &mut got).unwrap();
    assert_eq!(got, b"goodbye");
    pair.service.close(server);
    pair.settle();
    assert_eq!(pair.service.state(server), ConnState::Closed);
}

/// What nobody will read any more keeps no host busy: it is done at the moment at which it was removed.
#[test]
fn a_connection_that_is_removed_with_data_unread_is_gone() {
    let mut pair = Pair::new();
    let (client, server) = pair.open();
    pair.device.send(client, b"nobody reads this").unwrap();
    pair.settle();
    pair.service.remove(server);
    pair.settle();
    assert_eq!(pair.device.state(client), ConnState::Reset);
    assert_eq!(pair.service.live_connections(), 0);
}

#[test]
fn connections_beyond_the_limit_are_refused() {
    let mut pair = Pair::new();
    let clients: Vec<_> = (0..16).map(|_| pair.device.connect((SERVICE, PORT)).unwrap()).collect();
    assert_eq!(pair.device.connect((SERVICE, PORT)), Err(NetError::TooManyConnections { limit: 16 }));
    pair.settle();
    assert!(clients.iter().all(|c| pair.device.state(*c) == ConnState::Open));
    let mut other = Host::new(Ipv4Addr::new(10, 45, 0, 3), 1400, RngTree::new(1));
    let late = other.connect((SERVICE, PORT)).unwrap();
    let mut packets = Vec::new();
    other.poll(pair.now, &mut packets);
    pair.service.receive(packets.pop().unwrap());
    pair.service.poll(pair.now, &mut packets);
    other.receive(packets.pop().unwrap());
    other.poll(pair.now, &mut packets);
    assert_eq!(other.state(late), ConnState::Refused);
}

#[test]
fn an_address_too_many_is_an_error_and_no_panic() {
    let addresses: Vec<_> = (1..=9).map(|n| Ipv4Addr::new(10, 99, 0, n)).collect();
    let host = |count: usize| Host::with_addresses(&addresses[..count], 1400, RngTree::new(1)).map(|_| ());
    assert_eq!(host(8), Ok(()));
    assert_eq!(host(9), Err(NetError::TooManyAddresses { found: 9, limit: 8 }));
}

#[test]
fn connecting_needs_an_address_and_a_destination() {
    let mut homeless = Host::new(Ipv4Addr::new(224, 0, 0, 1), 0, RngTree::new(1));
    assert_eq!(homeless.connect((SERVICE, PORT)), Err(NetError::NoAddress));
    let mut host = Host::new(DEVICE, 0, RngTree::new(1));
    let nowhere = Ipv4Addr::UNSPECIFIED;
    assert_eq!(
        host.connect((nowhere, PORT)),
        Err(NetError::Unaddressable { address: nowhere.into(), port: PORT })
    );
    assert_eq!(host.connect((SERVICE, 0)), Err(NetError::Unaddressable { address: SERVICE.into(), port: 0 }));
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let packets = |seed| {
        let mut host = Host::new(DEVICE, 1400, RngTree::new(seed));
        let mut out = Vec::new();
        for _ in 0..3 {
            host.connect((SERVICE, PORT)).unwrap();
        }
        host.poll(Instant::ZERO, &mut out);
        out
    };
    assert_eq!(packets(1), packets(1));
    assert_ne!(packets(1), packets(2));
}

#[test]
fn pings_are_answered() {
    let echo = Icmpv4Repr::EchoRequest { ident: 7, seq_no: 1, data: b"cellbed" };
    let ip = Ipv4Repr {
        src_addr: DEVICE,
        dst_addr: SERVICE,
        next_header: IpProtocol::Icmp,
        payload_len: echo.buffer_len(),
        hop_limit: 64,
    };
    let sums = ChecksumCapabilities::default();
    let mut packet = vec![0; ip.buffer_len() + echo.buffer_len()];
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut packet[..]), &sums);
    echo.emit(&mut Icmpv4Packet::new_unchecked(&mut packet[20..]), &sums);
    let mut host = Host::new(SERVICE, 1400, RngTree::new(1));
    host.receive(packet);
    assert_eq!(host.deadline(Instant::ZERO), Some(Instant::ZERO));
    let mut out = Vec::new();
    host.poll(Instant::ZERO, &mut out);
    let reply = Icmpv4Packet::new_checked(&out[0][20..]).unwrap();
    let reply = Icmpv4Repr::parse(&reply, &sums).unwrap();
    assert_eq!(reply, Icmpv4Repr::EchoReply { ident: 7, seq_no: 1, data: b"cellbed" });
    assert_eq!(host.deadline(Instant::ZERO), None);
}

/// Overwrites a field of a TCP segment and makes its checksums right again.
fn forge(packet: &mut [u8], at: usize, with: u32) {
    let at = 20 + at % packet.len().saturating_sub(24).max(1);
    if packet.len() < at + 4 {
        return;
    }
    packet[at..at + 4].copy_from_slice(&with.to_be_bytes());
    let ip = Ipv4Packet::new_unchecked(&packet[..]);
    let (from, to) = (ip.src_addr().into(), ip.dst_addr().into());
    if let Ok(mut tcp) = TcpPacket::new_checked(&mut packet[20..]) {
        tcp.fill_checksum(&from, &to);
    }
}

proptest! {
    #[test]
    fn any_packet_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..120), tcp in any::<bool>()) {
        let mut bytes = bytes;
        if bytes.len() >= 40 {
            // Let some of them get past the first checks.
            bytes[0] = 0x45;
            bytes[9] = if tcp { 6 } else { 1 };
            bytes[16..20].copy_from_slice(&SERVICE.octets());
            let length = bytes.len() as u16;
            let mut ip = Ipv4Packet::new_unchecked(&mut bytes[..]);
            ip.set_total_len(length);
            ip.fill_checksum();
        }
        let mut pair = Pair::new();
        pair.service.receive(bytes);
        pair.settle();
        let (client, server) = pair.open();
        prop_assert_eq!(pair.transfer(client, server, b"some data afterwards"), b"some data afterwards");
    }

    #[test]
    fn forged_segments_are_survived(
        forgeries in prop::collection::vec((0usize..24, any::<u32>(), 0u64..12), 1..8),
        flood in any::<bool>(),
    ) {
        let mut pair = Pair::new();
        let (client, server) = pair.open();
        let mut out = Vec::new();
        for (at, with, pause_ms) in forgeries {
            for (host, id) in [(&mut pair.device, client), (&mut pair.service, server)] {
                let sent = host.send(id, b"some data to carry");
                prop_assert!(sent.is_ok() || host.state(id) != ConnState::Open, "{sent:?}");
            }
            pair.device.poll(pair.now, &mut out);
            for mut packet in out.drain(..) {
                if flood {
                    pair.service.receive(packet.clone());
                }
                forge(&mut packet, at, with);
                pair.service.receive(packet);
            }
            pair.now += Duration::from_millis(pause_ms);
            pair.service.poll(pair.now, &mut out);
            for mut packet in out.drain(..) {
                forge(&mut packet, at, with);
                pair.device.receive(packet);
            }
        }
        let until = pair.now + Duration::from_secs(60);
        let steps = (0..2_000).take_while(|_| pair.step(until)).count();
        prop_assert!(steps < 2_000, "the hosts spin at {}", pair.now);
        // Neither host is the worse for it: what is left of the connection ends, and the next one is as good as ever.
        pair.device.remove(client);
        while let Some((accepted, ..)) = pair.service.accept() {
            pair.service.remove(accepted);
        }
        pair.service.remove(server);
        let (client, server) = pair.open();
        prop_assert_eq!(pair.transfer(client, server, b"some data afterwards"), b"some data afterwards");
        prop_assert!(pair.device.memory() < 1 << 20 && pair.service.memory() < 1 << 20);
    }
}

#[test]
fn a_connection_over_ipv6_carries_what_one_over_ipv4_does() {
    let (device, service): (IpAddr, IpAddr) =
        ("2001:db8:4000:7::2".parse().unwrap(), "2001:db8:99::a63:14".parse().unwrap());
    let mut pair = Pair::new();
    assert_eq!(
        pair.device.connect((service, PORT)),
        Err(NetError::NoAddress),
        "it has none of that version yet"
    );
    pair.device.add_address(device);
    assert_eq!(pair.device.addresses().collect::<Vec<_>>(), [IpAddr::V4(DEVICE), device]);
    pair.service.add_address(service);
    pair.service.listen((service, PORT));
    let client = pair.device.connect((service, PORT)).unwrap();
    while pair.step(Instant::ZERO + Duration::from_secs(1)) {}
    assert_eq!(pair.device.state(client), ConnState::Open);
    let (server, local, remote) = pair.service.accept().unwrap();
    assert_eq!((local, remote.ip()), (Endpoint::from((service, PORT)), device));
    let sent: Vec<u8> = (0..3_000).map(|n| n as u8).collect();
    assert_eq!(pair.device.send(client, &sent), Ok(3_000));
    let mut received = Vec::new();
    while pair.step(pair.now + Duration::from_secs(1)) {
        pair.service.recv(server, &mut received).unwrap();
    }
    assert_eq!(received, sent);
}
