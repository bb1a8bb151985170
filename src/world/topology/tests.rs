use super::*;
use crate::ran::Rat;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn at(ms: u64) -> Instant {
    Instant::ZERO + MS(ms)
}

fn enb(number: u32, iface: Iface) -> Port {
    Port::new(Actor::enb(number), iface)
}

fn mme() -> Port {
    Port::new(Actor::MME, Iface::S1Mme)
}

fn topology(links: impl IntoIterator<Item = LinkSpec>) -> Topology {
    let mut topology = Topology::new(AirModel::of(Rat::Lte), RngTree::new(7));
    for number in [1, 2] {
        topology.cell(CellSpec { station: Actor::enb(number), devices: 1..=10 * number });
    }
    lte_links([Actor::enb(1), Actor::enb(2)].into_iter()).into_iter().for_each(|link| topology.link(link));
    links.into_iter().for_each(|link| topology.link(link));
    topology
}

fn send(topology: &mut Topology, ms: u64, from: Port, to: To, payload: Payload) -> Vec<Arrival> {
    let mut out = Vec::new();
    topology.carry(at(ms), from, to, payload, &mut out).unwrap();
    out
}

fn frame() -> Frame {
    Frame::new(Bearer::Srb1, vec![0; 8])
}

/// Base station `number` says whether its cell is barred.
fn says(topology: &mut Topology, ms: u64, number: u32, barred: bool) {
    let cell = Heard { plmn: "001-01".parse().unwrap(), tac: 7, station: Actor::enb(number), barred };
    let said = Payload::System(cell.system_information(0).unwrap());
    assert!(send(topology, ms, enb(number, Iface::Uu), To::Cells, said).is_empty());
}

/// The cell that a device selects, where a frame of it arrives then.
fn select(topology: &mut Topology, ms: u64, ue: Port) -> Vec<Port> {
    let heard = send(topology, ms, ue, To::Cells, Payload::Search);
    let to: Vec<Port> =
        send(topology, ms, ue, To::Serving, Payload::Up(frame())).iter().map(|one| one.to).collect();
    assert!(heard.iter().all(|one| [one.from] == to[..] && one.to == ue));
    to
}

fn octets(length: usize) -> Payload {
    Payload::Bytes(vec![0; length])
}

#[test]
fn frames_find_their_base_station_by_port_and_by_address() {
    let mut topology = topology([]);
    let [frame] = &send(&mut topology, 0, mme(), To::Port(enb(2, Iface::S1Mme)), octets(9))[..] else {
        panic!()
    };
    assert_eq!((frame.to, frame.at), (enb(2, Iface::S1Mme), Instant::ZERO + BACKHAUL));
    let gateway = Port::new(Actor::GATEWAY, Iface::S1U);
    for number in [1, 2] {
        let to = To::Address(Actor::enb(number).transport_address());
        assert_eq!(send(&mut topology, 0, gateway, to, octets(9))[0].to, enb(number, Iface::S1U));
    }
}

#[test]
fn what_has_no_way_is_a_fault_that_says_so() {
    let mut topology = topology([]);
    let mut carry = |from, to, payload| {
        topology.carry(at(0), from, to, payload, &mut Vec::new()).unwrap_err().to_string()
    };
    assert_eq!(
        carry(mme(), To::Port(enb(3, Iface::S1Mme)), octets(1)),
        "nothing links mme.s1-mme with enb3.s1-mme; the bench needs a [[link]] between them"
    );
    let nowhere = To::Address(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(
        carry(Port::new(Actor::GATEWAY, Iface::S1U), nowhere, octets(1)),
        "gw.s1-u sends to 192.0.2.1, which nobody on s1-u has"
    );
    // The MME has an address, but not on this interface.
    let mme_address = To::Address(Actor::MME.transport_address());
    carry(Port::new(Actor::GATEWAY, Iface::S1U), mme_address, octets(1));
    let to_device = Payload::Down(frame());
    carry(mme(), To::Address(Actor::enb(1).transport_address()), to_device);
    carry(Port::new(Actor::ue(1), Iface::Uu), To::Serving, octets(1));
}

#[test]
fn a_slow_link_makes_frames_wait_for_one_another() {
    let slow = LinkSpec { rate_bps: Some(8_000), ..LinkSpec::new(enb(1, Iface::S1Mme), mme(), MS(10)) };
    let mut topology = topology([slow]);
    let mut arrives = |ms, from, to| send(&mut topology, ms, from, To::Port(to), octets(50))[0].at;
    // A byte takes a millisecond.
    assert_eq!(arrives(0, enb(1, Iface::S1Mme), mme()), at(60));
    assert_eq!(arrives(0, enb(1, Iface::S1Mme), mme()), at(110));
    assert_eq!(arrives(0, mme(), enb(1, Iface::S1Mme)), at(60), "the other direction is free");
    assert_eq!(arrives(0, enb(2, Iface::S1Mme), mme()), Instant::ZERO + BACKHAUL, "and so is the other link");
}

#[test]
fn a_datagram_that_is_lost_is_lost_and_an_association_sends_again() {
    let gateway = Port::new(Actor::GATEWAY, Iface::S1U);
    let lossy = |a, b| LinkSpec { loss_ppm: 300_000, ..LinkSpec::new(a, b, MS(1)) };
    let mut topology = topology([lossy(enb(1, Iface::S1U), gateway), lossy(enb(1, Iface::S1Mme), mme())]);
    let arrived = |topology: &mut Topology, from, to| -> Vec<Instant> {
        (0..1_000)
            .flat_map(|n| send(topology, n * 100, from, To::Port(to), octets(1)))
            .map(|frame| frame.at)
            .collect()
    };
    let datagrams = arrived(&mut topology, enb(1, Iface::S1U), gateway).len();
    assert!((600..800).contains(&datagrams), "{datagrams}");
    let chunks = arrived(&mut topology, enb(1, Iface::S1Mme), mme());
    assert_eq!(chunks.len(), 1_000);
    assert!(chunks.is_sorted(), "in order");
    assert!(chunks.iter().zip(0..).any(|(arrives, n)| *arrives >= at(n * 100 + 1_001)), "a second later");
}

#[test]
fn a_cut_association_takes_with_it_what_was_under_way() {
    let mut topology = topology([]);
    let (number, other) = (topology.associations()[0], topology.associations()[1]);
    assert_eq!(topology.ends(number), (enb(1, Iface::S1Mme), mme()));
    let [frame] = &send(&mut topology, 0, enb(1, Iface::S1Mme), To::Port(mme()), octets(1))[..] else {
        panic!()
    };
    assert!(topology.survives(frame));
    assert!(topology.set_up(number, false) && !topology.set_up(number, false));
    assert!(!topology.survives(frame));
    assert!(send(&mut topology, 5, enb(1, Iface::S1Mme), To::Port(mme()), octets(1)).is_empty());
    assert_eq!(send(&mut topology, 5, enb(2, Iface::S1Mme), To::Port(mme()), octets(1)).len(), 1);
    assert!(topology.set_up(number, true));
    assert!(!topology.survives(frame), "it is another association");
    assert_eq!(send(&mut topology, 6, enb(1, Iface::S1Mme), To::Port(mme()), octets(1)).len(), 1);
    assert_ne!(number, other);
}

#[test]
fn a_device_takes_the_first_cell_that_is_not_barred_and_hears_no_other() {
    let mut topology = topology([]);
    let ue = |n| Port::new(Actor::ue(n), Iface::Uu);
    let connect = |topology: &mut Topology, n, ms| select(topology, ms, ue(n));
    says(&mut topology, 0, 1, false);
    says(&mut topology, 0, 2, false);
    let release = || Payload::Down(frame());
    assert_eq!(connect(&mut topology, 1, 0), [enb(1, Iface::Uu)]);
    assert_eq!(connect(&mut topology, 11, 0), [enb(2, Iface::Uu)], "it does not hear the first");
    assert!(connect(&mut topology, 21, 0).is_empty(), "it hears none");
    assert_eq!(send(&mut topology, 1, enb(1, Iface::Uu), To::Port(ue(1)), release()).len(), 1);
    assert!(send(&mut topology, 1, enb(2, Iface::Uu), To::Port(ue(1)), release()).is_empty());

    says(&mut topology, 2, 1, true);
    assert_eq!(connect(&mut topology, 1, 3), [enb(2, Iface::Uu)]);
    assert!(send(&mut topology, 4, enb(1, Iface::Uu), To::Port(ue(1)), release()).is_empty());
    says(&mut topology, 5, 2, true);
    assert_eq!(connect(&mut topology, 1, 6), [enb(1, Iface::Uu)], "where all are barred, the first says so");
    topology.leave(1);
    assert!(send(&mut topology, 7, enb(1, Iface::Uu), To::Port(ue(1)), release()).is_empty());
}

#[test]
fn a_device_that_leaves_a_cell_is_served_there_no_more() {
    let mut topology = topology([]);
    let [ue, stayed] = [1, 2].map(|n| Port::new(Actor::ue(n), Iface::Uu));
    says(&mut topology, 0, 1, false);
    says(&mut topology, 0, 2, false);
    let arrives_at = |frames: Vec<Arrival>| -> Vec<Port> { frames.iter().map(|frame| frame.to).collect() };
    for ue in [ue, stayed] {
        assert_eq!(select(&mut topology, 0, ue), [enb(1, Iface::Uu)]);
    }
    topology.cover(Actor::enb(1), 2..=10);
    let message = || Payload::Up(frame());
    assert!(send(&mut topology, 1, ue, To::Serving, message()).is_empty());
    let release = || Payload::Down(frame());
    assert!(send(&mut topology, 1, enb(1, Iface::Uu), To::Port(ue), release()).is_empty());
    assert_eq!(arrives_at(send(&mut topology, 1, stayed, To::Serving, message())), [enb(1, Iface::Uu)]);

    assert_eq!(select(&mut topology, 2, ue), [enb(2, Iface::Uu)]);
    topology.cover(Actor::enb(1), 1..=10);
    assert_eq!(
        arrives_at(send(&mut topology, 3, ue, To::Serving, message())),
        [enb(2, Iface::Uu)],
        "it stays"
    );
    assert_eq!(select(&mut topology, 4, ue), [enb(1, Iface::Uu)]);
}

#[test]
fn a_device_listens_until_a_cell_speaks() {
    let mut topology = topology([]);
    let ue = Port::new(Actor::ue(1), Iface::Uu);
    assert!(select(&mut topology, 0, ue).is_empty());
    let cell = Heard { plmn: "001-01".parse().unwrap(), tac: 7, station: Actor::enb(2), barred: false };
    let said = || Payload::System(cell.system_information(0).unwrap());
    let heard = send(&mut topology, 5, enb(2, Iface::Uu), To::Cells, said());
    assert_eq!(heard.iter().map(|one| one.to).collect::<Vec<_>>(), [ue, ue]);
    assert_eq!(heard[0].at, at(5) + AirModel::of(Rat::Lte).cell_search);
    // What it has heard once it is not told again.
    assert!(send(&mut topology, 6, enb(2, Iface::Uu), To::Cells, said()).is_empty());
}
