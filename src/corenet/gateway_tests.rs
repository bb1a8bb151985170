use std::collections::BTreeSet;

use super::*;
use crate::kernel::RngTree;
use crate::support::bent::bent;
use proptest::prelude::*;

const ENB: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 1);
/// Another address of the same base station.
const ENB_TOO: Ipv4Addr = Ipv4Addr::new(10, 53, 9, 1);
const OTHER_ENB: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 53, 2, 3);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 20);
const NOW: Instant = Instant::from_nanos(5_000_000_123);

fn gateway() -> Gateway {
    let pool = AddressPool::new(Ipv4Addr::new(10, 45, 0, 0), 29).unwrap();
    of(pool)
}

/// A gateway with a base station of two addresses and one of one.
fn of(pool: AddressPool) -> Gateway {
    let rng = RngTree::new(1);
    let peers = vec![vec![ENB, ENB_TOO], vec![OTHER_ENB]];
    Gateway::new(Plmn::test(), pool, SoftKey::from_stream(&mut rng.stream("key")), peers.into(), 1400, &rng)
}

/// A session with its bearer to [`ENB`], where it is called 7.
fn connected(gateway: &mut Gateway, policy: Policy) -> Created {
    let mut out = Vec::new();
    let created = gateway.create(NOW, CreateSession { policy, ..request() }, &mut out).unwrap();
    gateway.modify(NOW, created.teid, (ENB, 7), &mut out).unwrap();
    created
}

/// What comes of a user packet from `from`, with this inner source, in this tunnel.
fn sends(gateway: &mut Gateway, from: Ipv4Addr, teid: u32, source: Ipv4Addr) -> Vec<EpcOutput> {
    let (bytes, _) = gtpu::user(teid, &packet(source, SERVER)).unwrap();
    let mut out = Vec::new();
    gateway.receive_gtpu(NOW, from, &bytes, &mut out).unwrap();
    out
}

/// The reason of the only event there is.
fn reason(out: &[EpcOutput]) -> &str {
    let [EpcOutput::State { change, fields, .. }] = out else { panic!("{out:?}") };
    assert_eq!(change, "packet dropped");
    &fields.iter().find(|(name, _)| *name == "reason").unwrap().1
}

fn count(gateway: &Gateway, why: DropCause) -> u64 {
    gateway.drops().find(|(found, _)| *found == why).map_or(0, |(_, count)| count)
}

impl Created {
    fn v4(&self) -> Ipv4Addr {
        self.ip.unwrap()
    }
}

fn request() -> CreateSession {
    CreateSession {
        imsi: "001010000000001".parse().unwrap(),
        iccid: "8988211000000000011".parse().unwrap(),
        imei: None,
        apn: "internet".into(),
        policy: Policy::Unrestricted,
        rat: RatType::Eutran,
        versions: PdnAddresses::Ipv4,
    }
}

fn packet(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0; 24];
    packet[0] = 0x45;
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&destination.octets());
    packet
}

#[test]
fn packets_pass_both_ways_and_wait_for_their_tunnel() {
    let (mut gateway, mut out) = (gateway(), Vec::new());
    let created = gateway.create(NOW, request(), &mut out).unwrap();
    let down = packet(SERVER, created.v4());
    gateway.receive_sgi(NOW, &down, &mut out).unwrap();
    assert_eq!(out.len(), 1, "only that the session is up: {out:?}");
    gateway.modify(NOW, created.teid, (ENB, 7), &mut out).unwrap();
    assert!(matches!(&out[1], EpcOutput::GtpU { to, bytes, .. }
        if *to == ENB && gtpu::decode(bytes).unwrap() == gtpu::Received::User { teid: 7, packet: &down }));
    let up = packet(created.v4(), SERVER);
    let (bytes, _) = gtpu::user(created.teid, &up).unwrap();
    gateway.receive_gtpu(NOW, ENB, &bytes, &mut out).unwrap();
    assert_eq!(out[2], EpcOutput::Sgi(up));
}

#[test]
fn what_becomes_of_a_session_is_stated_under_the_key_of_the_network() {
    let (mut gateway, mut out) = (gateway(), Vec::new());
    let created = gateway.create(NOW, request(), &mut out).unwrap();
    gateway.restate(NOW, &mut out);
    gateway.delete(NOW, created.teid, &mut out);
    gateway.create(NOW, request(), &mut out).unwrap();
    let stated = out.iter().map(|output| {
        let EpcOutput::Session { change, token, .. } = output else { panic!("{output:?}") };
        let key = |network| (network == Plmn::test()).then_some(gateway.attestation_key());
        let statement = Statement::verify(token, NOW.unix_s(), key).unwrap();
        assert_eq!(statement.change, *change);
        (change.name(), change.session().0, statement.sequence)
    });
    let expected =
        [("SessionUp", 1, 1), ("SessionChanged", 1, 2), ("SessionDown", 1, 3), ("SessionUp", 2, 1)];
    assert_eq!(stated.collect::<Vec<_>>(), expected);
    let EpcOutput::Session { change: SessionChange::Up(attestation), .. } = &out[0] else {
        panic!("{out:?}")
    };
    assert_eq!(attestation.ipv4().collect::<Vec<_>>(), [created.v4()]);
    assert_eq!((&attestation.imsi, attestation.policy.as_str()), (&request().imsi, "unrestricted"));
}

#[test]
fn a_packet_counts_from_the_base_station_of_the_bearer_and_with_the_address_of_the_ue() {
    let mut gateway = gateway();
    let (mine, other) =
        (connected(&mut gateway, Policy::Unrestricted), connected(&mut gateway, Policy::Unrestricted));
    for from in [ENB, ENB_TOO] {
        let out = sends(&mut gateway, from, mine.teid, mine.v4());
        assert_eq!(out, [EpcOutput::Sgi(packet(mine.v4(), SERVER))], "the base station has both addresses");
    }
    for (n, from) in [STRANGER, OTHER_ENB, SERVER].into_iter().enumerate() {
        let out = sends(&mut gateway, from, mine.teid, mine.v4());
        // The first is told, and then nothing for a second.
        assert!(if n == 0 { reason(&out) == "foreign-peer" } else { out.is_empty() }, "{out:?}");
    }
    assert_eq!(count(&gateway, DropCause::ForeignPeer), 3);
    let out = sends(&mut gateway, ENB, mine.teid, other.v4());
    assert_eq!(reason(&out), "foreign-inner-source");
    assert_eq!(count(&gateway, DropCause::InnerSource), 1);
}

/// What comes before the bearer stands counts once it does, if it was not long ago and from where the bearer leads.
#[test]
fn nothing_passes_before_the_bearer_stands_nor_after_it_was_released() {
    let (mut gateway, mut out) = (gateway(), Vec::new());
    let created = gateway.create(NOW, request(), &mut out).unwrap();
    out.clear();
    for from in [ENB, STRANGER, ENB_TOO] {
        assert_eq!(sends(&mut gateway, from, created.teid, created.v4()), []);
    }
    gateway.modify(NOW + EARLY_KEPT, created.teid, (ENB, 7), &mut out).unwrap();
    let passed = EpcOutput::Sgi(packet(created.v4(), SERVER));
    assert_eq!((&out[0], reason(&out[1..2]), &out[2]), (&passed, "foreign-peer", &passed));
    assert_eq!(out.len(), 3);
    assert_eq!(sends(&mut gateway, ENB, created.teid, created.v4()), [passed]);
    gateway.release_access(created.teid);
    for n in 0..20 {
        let out = sends(&mut gateway, ENB, created.teid, created.v4());
        assert!(if n == EARLY { reason(&out) == "no-bearer" } else { out.is_empty() }, "{n}: {out:?}");
    }
    assert_eq!(count(&gateway, DropCause::NoBearer), 20 - EARLY as u64);
    out.clear();
    let late = NOW + EARLY_KEPT + Duration::from_millis(1);
    gateway.modify(late, created.teid, (ENB, 8), &mut out).unwrap();
    assert!(out.iter().all(|output| !matches!(output, EpcOutput::Sgi(_))), "they came too long ago: {out:?}");
    assert_eq!(count(&gateway, DropCause::NoBearer), 20);
}

/// Somebody who says that a base station has lost a tunnel, and is not that base station, takes nobody's bearer.
#[test]
fn a_forged_error_indication_takes_no_bearer() {
    let mut gateway = gateway();
    let created = connected(&mut gateway, Policy::Unrestricted);
    let down = packet(SERVER, created.v4());
    let reached = |gateway: &mut Gateway| {
        let mut out = Vec::new();
        gateway.receive_sgi(NOW, &down, &mut out).unwrap();
        matches!(out[..], [EpcOutput::GtpU { to: ENB, .. }])
    };
    let mut out = Vec::new();
    for (from, claimed) in [(STRANGER, ENB), (OTHER_ENB, ENB), (OTHER_ENB, OTHER_ENB), (STRANGER, STRANGER)] {
        let (bytes, _) = gtpu::error_indication(7, claimed).unwrap();
        gateway.receive_gtpu(NOW, from, &bytes, &mut out).unwrap();
        assert!(reached(&mut gateway), "{from} speaks for {claimed}");
    }
    assert_eq!(count(&gateway, DropCause::ForgedErrorIndication), 4);
    // One that guesses numbers of the base station finds none.
    let (bytes, _) = gtpu::error_indication(8, ENB).unwrap();
    gateway.receive_gtpu(NOW, ENB, &bytes, &mut out).unwrap();
    assert!(reached(&mut gateway));
    let (bytes, _) = gtpu::error_indication(7, ENB).unwrap();
    gateway.receive_gtpu(NOW, ENB, &bytes, &mut out).unwrap();
    assert!(!reached(&mut gateway), "the base station itself is believed");
}

#[test]
fn an_onboarding_session_reaches_what_its_policy_names_and_nothing_else_reaches_it() {
    let mut gateway = gateway();
    let (eim, cloud) = (Ipv4Addr::new(10, 99, 0, 60), Ipv4Addr::new(10, 99, 0, 30));
    let created = connected(&mut gateway, Policy::Only([eim.into()].into()));
    let mut out = Vec::new();
    for destination in [eim, cloud] {
        let (bytes, _) = gtpu::user(created.teid, &packet(created.v4(), destination)).unwrap();
        gateway.receive_gtpu(NOW, ENB, &bytes, &mut out).unwrap();
    }
    assert_eq!(out[0], EpcOutput::Sgi(packet(created.v4(), eim)));
    assert_eq!(reason(&out[1..]), "policy-uplink");
    out.clear();
    for source in [eim, cloud, Ipv4Addr::new(10, 45, 0, 3)] {
        gateway.receive_sgi(NOW, &packet(source, created.v4()), &mut out).unwrap();
    }
    assert!(matches!(&out[0], EpcOutput::GtpU { to: ENB, .. }), "{out:?}");
    assert_eq!(reason(&out[1..]), "policy-downlink");
    assert_eq!(
        (count(&gateway, DropCause::PolicyUplink), count(&gateway, DropCause::PolicyDownlink)),
        (1, 2)
    );
}

#[test]
fn what_waits_for_a_bearer_is_bounded_and_what_nobody_gets_is_counted() {
    let (mut gateway, mut out) = (gateway(), Vec::new());
    let created = gateway.create(NOW, request(), &mut out).unwrap();
    out.clear();
    for _ in 0..=BUFFERED {
        gateway.receive_sgi(NOW, &packet(SERVER, created.v4()), &mut out).unwrap();
    }
    assert_eq!(reason(&out), "buffer-full");
    out.clear();
    gateway.receive_sgi(NOW, &packet(SERVER, [10, 45, 0, 5].into()), &mut out).unwrap();
    assert_eq!((out.as_slice(), count(&gateway, DropCause::NoSession)), (&[][..], 1));
    gateway.receive_sgi(NOW, &[0x50; 40], &mut out).unwrap();
    assert_eq!(reason(&out), "not-ip");
}

#[test]
fn unknown_tunnels_and_echo_are_answered() {
    let (mut gateway, mut out) = (gateway(), Vec::new());
    let (bytes, _) = gtpu::user(99, b"x").unwrap();
    gateway.receive_gtpu(NOW, ENB, &bytes, &mut out).unwrap();
    let EpcOutput::GtpU { bytes, .. } = &out[0] else { panic!("{out:?}") };
    let expected = gtpu::Received::ErrorIndication { teid: 99, address: gateway.address() };
    assert_eq!(gtpu::decode(bytes).unwrap(), expected);
    let echo = hex::decode("320100040000000000070000").unwrap();
    gateway.receive_gtpu(NOW, ENB, &echo, &mut out).unwrap();
    assert!(matches!(&out[1], EpcOutput::GtpU { label, .. } if label.name == "Echo Response"));
}

#[test]
fn the_pool_ends_and_addresses_rest_before_they_return() {
    let (mut gateway, mut out) = (gateway(), Vec::new());
    let all: Vec<Created> = (0..5).map(|_| gateway.create(NOW, request(), &mut out).unwrap()).collect();
    assert_eq!(all[0].v4(), Ipv4Addr::new(10, 45, 0, 2));
    assert_eq!(all[4].v4(), Ipv4Addr::new(10, 45, 0, 6));
    assert!(gateway.create(NOW, request(), &mut out).is_none());
    gateway.delete(NOW, all[3].teid, &mut out);
    gateway.delete(NOW, all[1].teid, &mut out);
    assert_eq!(gateway.create(NOW, request(), &mut out).unwrap().v4(), all[3].v4());
    assert!(AddressPool::new(Ipv4Addr::LOCALHOST, 30).is_err());
}

/// More than 16 bits can tell apart.
#[test]
fn a_hundred_thousand_sessions_have_addresses_and_tunnels_of_their_own() {
    const SESSIONS: usize = 100_000;
    let pool = AddressPool::new(Ipv4Addr::new(10, 44, 0, 0), 14).unwrap();
    let mut gateway = of(pool);
    let addresses: BTreeSet<_> = (0..SESSIONS).map(|_| gateway.allocate().unwrap()).collect();
    assert_eq!(addresses.len(), SESSIONS);
    assert_eq!(addresses.last(), Some(&Ipv4Addr::new(10, 45, 0x86, 0xa1)));
    let tunnels: BTreeSet<_> = addresses.iter().map(|ip| (gateway.tunnels.open((*ip).into()), *ip)).collect();
    let holders = tunnels.iter().filter(|(teid, ip)| gateway.tunnels.key(*teid) == Some((*ip).into()));
    assert_eq!((holders.count(), tunnels.len()), (SESSIONS, SESSIONS));
}

/// A header of IPv6 with nothing behind it.
fn six(from: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    [&[0x60; 1][..], &[0; 5], &[59, 64], &from.octets(), &to.octets()].concat()
}

fn uplink(gateway: &mut Gateway, teid: u32, packet: &[u8]) -> Vec<EpcOutput> {
    let (mut out, (bytes, _)) = (Vec::new(), gtpu::user(teid, packet).unwrap());
    gateway.receive_gtpu(NOW, ENB, &bytes, &mut out).unwrap();
    out
}

/// The advertisement that a base station is handed.
fn advertised(out: &[EpcOutput]) -> Advertisement {
    let [EpcOutput::GtpU { to: ENB, bytes, .. }] = out else { panic!("{out:?}") };
    let gtpu::Received::User { teid: 7, packet } = gtpu::decode(bytes).unwrap() else { panic!("{out:?}") };
    let Some((ROUTER, Message::Advertisement(found))) = ndp::read(packet) else { panic!("{packet:?}") };
    found
}

#[test]
fn a_ue_is_told_its_prefix_and_uses_any_address_of_it() {
    for versions in [PdnAddresses::Ipv6, PdnAddresses::Both] {
        let (mut gateway, mut out) = (gateway(), Vec::new());
        let created = gateway.create(NOW, CreateSession { versions, ..request() }, &mut out).unwrap();
        let EpcOutput::Session { change: SessionChange::Up(attestation), .. } = &out[0] else {
            panic!("{out:?}")
        };
        let prefix = [0x20, 0x01, 0x0d, 0xb8, 0x40, 0, 0, 1];
        assert_eq!(attestation.addresses.last(), Some(&PdnAddress::Ipv6Prefix(prefix)));
        assert_eq!(created.ip.is_some(), versions == PdnAddresses::Both);
        let interface = created.interface.unwrap();
        out.clear();
        gateway.modify(NOW, created.teid, (ENB, 7), &mut out).unwrap();
        let expected = Advertisement { lifetime_s: u16::MAX, prefix: Some(prefix), mtu: Some(1400) };
        assert_eq!(advertised(&out), expected, "without being asked");
        let asked = ndp::packet(link_local(interface), ndp::ALL_ROUTERS, &Message::Solicitation);
        assert_eq!(advertised(&uplink(&mut gateway, created.teid, &asked)), expected);
        // A bearer that is set up again has told it already.
        out.clear();
        gateway.modify(NOW, created.teid, (ENB, 7), &mut out).unwrap();
        assert_eq!(out, []);
        let server = Actor::CLOUD.transport_address_v6();
        for own in ["2001:db8:4000:1::1", "2001:db8:4000:1:ffff:ffff:ffff:ffff"] {
            let own: Ipv6Addr = own.parse().unwrap();
            let up = six(own, server);
            assert_eq!(uplink(&mut gateway, created.teid, &up), [EpcOutput::Sgi(up)]);
            out.clear();
            gateway.receive_sgi(NOW, &six(server, own), &mut out).unwrap();
            assert!(matches!(&out[..], [EpcOutput::GtpU { .. }]), "{out:?}");
        }
        gateway.delete(NOW, created.teid, &mut out);
        out.clear();
        gateway.receive_sgi(NOW, &six(server, "2001:db8:4000:1::1".parse().unwrap()), &mut out).unwrap();
        assert_eq!((out, count(&gateway, DropCause::NoSession)), (Vec::new(), 1));
        assert!(gateway.dual.is_empty());
    }
}

#[test]
fn nobody_speaks_as_another_over_ipv6() {
    let mut gateway = gateway();
    let mut out = Vec::new();
    let [mine, _, four] = [PdnAddresses::Ipv6, PdnAddresses::Both, PdnAddresses::Ipv4].map(|versions| {
        let created = gateway.create(NOW, CreateSession { versions, ..request() }, &mut out).unwrap();
        gateway.modify(NOW, created.teid, (ENB, 7), &mut out).unwrap();
        created
    });
    let server = Actor::CLOUD.transport_address_v6();
    let own: Ipv6Addr = "2001:db8:4000:1::1".parse().unwrap();
    let local = link_local(mine.interface.unwrap());
    for (from, to, why) in [
        ("2001:db8:4000:2::1", server, "foreign-inner-source"),
        ("2001:db8:4000:3::1", server, "foreign-inner-source"),
        ("2001:db8:99::a63:1e", server, "foreign-inner-source"),
        ("::", server, "foreign-inner-source"),
        ("fe80::dead", server, "foreign-inner-source"),
    ] {
        let packet = six(from.parse().unwrap(), to);
        assert_eq!(reason(&uplink(&mut gateway, mine.teid, &packet)), why, "{from}");
        gateway.drops.forget(IpAddr::V6("2001:db8:4000:1::".parse().unwrap()));
    }
    for (from, to) in
        [(local, server), (local, ndp::ALL_ROUTERS), (own, ndp::ALL_NODES), (own, "fe80::1".parse().unwrap())]
    {
        assert_eq!(reason(&uplink(&mut gateway, mine.teid, &six(from, to))), "link-local", "{from} to {to}");
        gateway.drops.forget(IpAddr::V6("2001:db8:4000:1::".parse().unwrap()));
    }
    // A session of the other version has none of this one, and asks in vain.
    assert_eq!(reason(&uplink(&mut gateway, four.teid, &six(own, server))), "foreign-inner-source");
    let asked = ndp::packet(local, ndp::ALL_ROUTERS, &Message::Solicitation);
    assert_eq!(uplink(&mut gateway, four.teid, &asked), [], "told a moment ago");
    assert_eq!(uplink(&mut gateway, mine.teid, &packet(Ipv4Addr::new(10, 45, 0, 2), SERVER)).len(), 1);
}

#[test]
fn a_policy_holds_for_ipv6() {
    let mut gateway = gateway();
    let (eim, cloud) = (Actor::EIM.transport_address_v6(), Actor::CLOUD.transport_address_v6());
    let policy = Policy::Only([IpAddr::V6(eim)].into());
    let mut out = Vec::new();
    let request = CreateSession { policy, versions: PdnAddresses::Ipv6, ..request() };
    let created = gateway.create(NOW, request, &mut out).unwrap();
    gateway.modify(NOW, created.teid, (ENB, 7), &mut out).unwrap();
    let own: Ipv6Addr = "2001:db8:4000:1::1".parse().unwrap();
    assert_eq!(uplink(&mut gateway, created.teid, &six(own, eim)), [EpcOutput::Sgi(six(own, eim))]);
    assert_eq!(reason(&uplink(&mut gateway, created.teid, &six(own, cloud))), "policy-uplink");
    out.clear();
    gateway.receive_sgi(NOW, &six(cloud, own), &mut out).unwrap();
    assert_eq!(reason(&out), "policy-downlink");
}

proptest::proptest! {
    #[test]
    fn any_datagram_is_taken_or_dropped_and_the_session_goes_on(
        bytes in bent(gtpu::user(1, &packet([10, 45, 0, 2].into(), [10, 99, 0, 20].into())).unwrap().0),
        bent_teid in any::<bool>(),
    ) {
        let mut gateway = gateway();
        let created = connected(&mut gateway, Policy::Unrestricted);
        let mut bytes = bytes;
        if let (false, Some(teid)) = (bent_teid, bytes.get_mut(4..8)) {
            teid.copy_from_slice(&created.teid.to_be_bytes());
        }
        let mut out = Vec::new();
        gateway.receive_gtpu(NOW, ENB, &bytes, &mut out).unwrap();
        // One thing at the most comes of a datagram, and what leaves is the holder's own.
        prop_assert!(out.len() <= 1, "{out:?}");
        if let Some(EpcOutput::Sgi(sent)) = out.first() {
            prop_assert_eq!(addresses(sent).map(|(source, _)| source), Some(created.v4().into()));
        }
        out.clear();
        gateway.receive_sgi(NOW, &bytes, &mut out).unwrap();
        prop_assert!(out.len() <= 1, "{out:?}");
        out.clear();
        let up = packet(created.v4(), [10, 99, 0, 20].into());
        let (good, _) = gtpu::user(created.teid, &up).unwrap();
        gateway.receive_gtpu(NOW, ENB, &good, &mut out).unwrap();
        prop_assert_eq!(out, [EpcOutput::Sgi(up)]);
    }
}
