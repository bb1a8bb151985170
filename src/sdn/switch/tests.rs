//! A switch, spoken to in OpenFlow and given packets.

use std::net::Ipv4Addr;

use super::*;
use crate::wire::openflow::{
    Action, Code, Config, ControllerRole, Field, FlowFilter, FlowMod, IPV4, Instruction, Match,
    MultipartReply, MultipartRequest, NO_BUFFER, PacketInReason, PacketOut, Role, WHOLE, other, port,
};
use proptest::prelude::*;

const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 44, 0, 2);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 10);

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn packet(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0; 28];
    packet[0] = 0x45;
    packet[9] = 17;
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&to.octets());
    packet
}

/// A switch with a controller.
struct Lab {
    switch: Switch,
    /// What was seen of packets: the address, and whether it passed.
    seen: Vec<(Direction, IpAddr, TapVerdict)>,
}

impl Lab {
    fn new() -> Self {
        Self::of(SwitchConfig::behind_gateway(7))
    }

    /// Frames at ports 1 to 3.
    fn ethernet() -> Self {
        let port =
            |number| PortSetup { number, name: format!("p{number}"), side: Side::Devices, bare: false };
        Self::of(SwitchConfig { datapath: 7, ports: (1..=3).map(port).collect() })
    }

    fn of(config: SwitchConfig) -> Self {
        let mut lab = Self { switch: Switch::new(config), seen: Vec::new() };
        let greeting = lab.take(0, SwitchInput::Connected { channel: 1 });
        assert!(matches!(&greeting[..], [SwitchOutput::Message { channel: 1, .. }]));
        assert_eq!(lab.say(0, 1, Body::HELLO), []);
        lab
    }

    fn take(&mut self, ms: u64, input: SwitchInput<'_>) -> Vec<SwitchOutput> {
        let mut out = Vec::new();
        let seen = &mut self.seen;
        let mut watch = |tap: Tap<'_>| seen.push((tap.direction, tap.address, tap.verdict));
        self.switch.handle(at(ms), input, &mut watch, &mut out).unwrap();
        out
    }

    /// What a controller is answered.
    fn say(&mut self, ms: u64, channel: u32, body: Body) -> Vec<Body> {
        let octets = Message::new(0x77, body).encode().unwrap();
        self.octets(ms, channel, &octets)
    }

    fn octets(&mut self, ms: u64, channel: u32, octets: &[u8]) -> Vec<Body> {
        let out = self.take(ms, SwitchInput::Message { channel, octets });
        let messages = out.into_iter().filter_map(|output| match output {
            SwitchOutput::Message { channel: to, octets, .. } => {
                let message = Message::decode(&octets).unwrap();
                let unasked = matches!(message.body, Body::FlowRemoved(_) | Body::PacketIn(_));
                assert!(unasked || (message.xid, to) == (0x77, channel));
                Some(message.body)
            }
            _ => None,
        });
        messages.collect()
    }

    fn flow(&mut self, flow: FlowMod) {
        assert_eq!(self.say(0, 1, Body::FlowMod(flow)), []);
    }

    /// Ports and octets that leave for a packet.
    fn packet(&mut self, ms: u64, port: u32, octets: Vec<u8>) -> Vec<(u32, Vec<u8>)> {
        let out = self.take(ms, SwitchInput::Packet { port, octets });
        let sent = out.into_iter().filter_map(|output| match output {
            SwitchOutput::Packet { port, octets } => Some((port, octets)),
            _ => None,
        });
        sent.collect()
    }

    fn code(&mut self, body: Body) -> Option<Code> {
        match &self.say(0, 1, body)[..] {
            [Body::Error { code, .. }] => Some(*code),
            [] => None,
            other => panic!("{other:?}"),
        }
    }
}

fn of(field: Field, address: Ipv4Addr) -> Match {
    Match::any().with(Field::EthType, IPV4).and_then(|m| m.with(field, u32::from(address))).unwrap()
}

fn out_of(port: u32) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(vec![Action::output(port)])]
}

#[test]
fn without_a_flow_nothing_passes_and_everything_is_counted() {
    let mut lab = Lab::new();
    for _ in 0..3 {
        assert_eq!(lab.take(0, SwitchInput::Packet { port: 1, octets: packet(DEVICE, SERVER) }), []);
    }
    assert_eq!(lab.packet(0, 9, packet(DEVICE, SERVER)), []);
    assert_eq!(lab.switch.drops().collect::<Vec<_>>(), [(DropCause::NoFlow, 3)]);
    let seen = (Direction::Up, DEVICE.into(), TapVerdict::Dropped(DropCause::NoFlow));
    assert_eq!(lab.seen, [seen; 3]);
}

#[test]
fn a_flow_in_each_direction_lets_packets_pass_as_they_are() {
    let mut lab = Lab::new();
    let goto =
        vec![Instruction::WriteMetadata { value: 5 << 56 | 9, mask: u64::MAX }, Instruction::GotoTable(1)];
    lab.flow(FlowMod::add(0, 100, of(Field::Ipv4Src, DEVICE), goto));
    let class = Match::any().with_masked(Field::Metadata, 5 << 56, 0xff << 56).unwrap();
    lab.flow(FlowMod::add(1, 100, class.clone(), vec![Instruction::WriteActions(vec![Action::output(2)])]));
    lab.flow(FlowMod::add(0, 100, of(Field::Ipv4Dst, DEVICE), out_of(1)));
    let (up, down) = (packet(DEVICE, SERVER), packet(SERVER, DEVICE));
    assert_eq!(lab.packet(0, 1, up.clone()), [(2, up.clone())]);
    assert_eq!(lab.packet(0, 2, down.clone()), [(1, down)]);
    let passed = TapVerdict::Passed;
    assert_eq!(lab.seen, [(Direction::Up, DEVICE.into(), passed), (Direction::Down, DEVICE.into(), passed)]);
    // Cleared in the later table; nothing is left to be done.
    lab.flow(FlowMod::add(1, 200, class, vec![Instruction::ClearActions]));
    let stay = vec![Instruction::WriteActions(vec![Action::output(2)]), Instruction::GotoTable(2)];
    lab.flow(FlowMod::add(1, 300, of(Field::Ipv4Dst, SERVER), stay));
    assert_eq!(lab.packet(0, 1, up.clone()), []);
    lab.flow(FlowMod::add(2, 1, Match::any(), vec![Instruction::ClearActions]));
    assert_eq!(lab.packet(0, 1, up), []);
    // Never back to where it came from, unless that is said.
    lab.flow(FlowMod::add(0, 900, of(Field::Ipv4Src, DEVICE), out_of(1)));
    assert_eq!(lab.packet(0, 1, packet(DEVICE, SERVER)), []);
    lab.flow(FlowMod::add(0, 900, of(Field::Ipv4Src, DEVICE), out_of(port::IN_PORT)));
    assert_eq!(lab.packet(0, 1, packet(DEVICE, SERVER)).len(), 1);
}

#[test]
fn what_a_flow_drops_is_told_once_a_second() {
    let mut lab = Lab::new();
    lab.flow(FlowMod::add(0, 100, of(Field::Ipv4Src, DEVICE), vec![]));
    let told = (0..2_500).filter_map(|ms| {
        let out = lab.take(ms, SwitchInput::Packet { port: 1, octets: packet(DEVICE, SERVER) });
        match &out[..] {
            [] => None,
            [
                SwitchOutput::Dropped {
                    address: Some(IpAddr::V4(DEVICE)),
                    direction: Direction::Up,
                    count,
                    ..
                },
            ] => Some(*count),
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(told.collect::<Vec<_>>(), [1, 1_001, 2_001]);
    assert_eq!(lab.switch.drops().collect::<Vec<_>>(), [(DropCause::FlowDrops, 2_500)]);
}

#[test]
fn who_does_not_speak_1_3_is_sent_away() {
    let mut lab = Lab::new();
    for first in [
        Body::Hello { highest: 1, bitmap: None },
        Body::Hello { highest: 6, bitmap: Some(1 << 6) },
        Body::FeaturesRequest,
    ] {
        lab.take(0, SwitchInput::Connected { channel: 2 });
        let octets = Message::new(0x77, first).encode().unwrap();
        let out = lab.take(0, SwitchInput::Message { channel: 2, octets: &octets });
        let [SwitchOutput::Message { octets, .. }, SwitchOutput::Close { channel: 2 }] = &out[..] else {
            panic!("{out:?}")
        };
        let answer = Message::decode(octets).unwrap().body;
        assert!(matches!(answer, Body::Error { code: Code::INCOMPATIBLE, .. }));
    }
    // The 17th of those that are connected as well.
    for channel in 2..=16 {
        assert_eq!(lab.take(0, SwitchInput::Connected { channel }).len(), 1);
    }
    let out = lab.take(0, SwitchInput::Connected { channel: 17 });
    assert_eq!(out, [SwitchOutput::Close { channel: 17 }]);
}

#[test]
fn what_is_not_served_is_refused_with_its_code() {
    let mut lab = Lab::new();
    let other = |kind| Body::Other { kind, body: vec![0; 16] };
    assert_eq!(lab.code(other(other::GROUP_MOD)), Some(Code::NO_GROUPS));
    assert_eq!(lab.code(other(other::METER_MOD)), Some(Code::NO_METERS));
    assert_eq!(lab.code(other(other::EXPERIMENTER)), Some(Code::BAD_EXPERIMENTER));
    assert_eq!(lab.code(other(other::PORT_MOD)), Some(Code::PORT_MOD_REFUSED));
    assert_eq!(lab.code(other(other::SET_ASYNC)), Some(Code::BAD_TYPE));
    assert_eq!(lab.code(Body::BarrierReply), Some(Code::BAD_TYPE));
    assert_eq!(lab.code(Body::SetConfig(Config { flags: 1, miss_send_len: 0 })), Some(Code::CONFIG_FLAGS));
    let mut add = |table, instructions: Vec<Instruction>| {
        lab.code(Body::FlowMod(FlowMod::add(table, 1, Match::any(), instructions)))
    };
    assert_eq!(add(0, vec![Instruction::GotoTable(0)]), Some(Code::INSTRUCTION_TABLE));
    assert_eq!(add(0, vec![Instruction::GotoTable(TABLES)]), Some(Code::INSTRUCTION_TABLE));
    assert_eq!(add(0, vec![Instruction::Meter(1)]), Some(Code::INSTRUCTION_UNSUPPORTED));
    assert_eq!(add(TABLES, vec![]), Some(Code::FLOW_TABLE));
    for port in [0, 3, port::TABLE, port::ANY, port::MAX] {
        assert_eq!(add(0, out_of(port)), Some(Code::ACTION_OUT_PORT), "{port:#x}");
    }
    let pop = Action::Other { kind: 18, body: vec![0; 4] };
    assert_eq!(add(0, vec![Instruction::WriteActions(vec![pop])]), Some(Code::ACTION_TYPE));
    assert_eq!(lab.switch.flows().len(), 0);
    let buffered = FlowMod { buffer: 1, ..FlowMod::add(0, 1, Match::any(), vec![]) };
    assert_eq!(lab.code(Body::FlowMod(buffered)), Some(Code::BUFFER_UNKNOWN));
    // A message that cannot be read is answered with its own first octets.
    let answer = lab.octets(0, 1, &[4, 99, 0, 8, 0, 0, 0, 0x77]);
    assert_eq!(answer, [Body::error(Code::BAD_TYPE, &[4, 99, 0, 8, 0, 0, 0, 0x77])]);
}

#[test]
fn a_switch_says_what_it_is() {
    let mut lab = Lab::new();
    assert_eq!(lab.say(0, 1, Body::EchoRequest(vec![1, 2])), [Body::EchoReply(vec![1, 2])]);
    assert_eq!(lab.say(0, 1, Body::BarrierRequest), [Body::BarrierReply]);
    let [Body::FeaturesReply(features)] = &lab.say(0, 1, Body::FeaturesRequest)[..] else { panic!() };
    assert_eq!((features.datapath, features.tables, features.buffers), (7, TABLES, 0));
    assert_eq!(lab.say(0, 1, Body::SetConfig(Config { flags: 0, miss_send_len: 99 })), []);
    let config = Config { flags: 0, miss_send_len: 99 };
    assert_eq!(lab.say(0, 1, Body::GetConfigRequest), [Body::GetConfigReply(config)]);
    let mut ask = |request| match lab.say(1_500, 1, Body::MultipartRequest(request)).remove(0) {
        Body::MultipartReply { reply, more: false } => Ok(reply),
        Body::Error { code, .. } => Err(code),
        other => panic!("{other:?}"),
    };
    let Ok(MultipartReply::PortDescription(ports)) = ask(MultipartRequest::PortDescription) else { panic!() };
    let named: Vec<_> = ports.iter().map(|port| (port.number, &*port.name)).collect();
    assert_eq!(named, [(1, "sgi"), (2, "sgi-lan")]);
    let Ok(MultipartReply::TableFeatures(tables)) = ask(MultipartRequest::TableFeatures) else { panic!() };
    let kinds = |table: &crate::wire::openflow::TableFeatures| {
        table.properties.iter().map(|(kind, _)| *kind).collect::<Vec<_>>()
    };
    assert!(tables.len() == 4 && tables.iter().all(|table| kinds(table) == [0, 2, 4, 6, 8, 10, 12, 14]));
    let Ok(MultipartReply::PortStats(ports)) = ask(MultipartRequest::PortStats(2)) else { panic!() };
    assert_eq!((ports.len(), ports[0].duration_s, ports[0].duration_ns), (1, 1, 500_000_000));
    assert_eq!(ask(MultipartRequest::PortStats(9)), Err(Code::BAD_PORT));
    let no_table = FlowFilter { table: 9, ..FlowFilter::by_cookie(0, 0) };
    assert_eq!(ask(MultipartRequest::Flow(no_table)), Err(Code::BAD_TABLE_ID));
    assert!(matches!(ask(MultipartRequest::Description), Ok(MultipartReply::Description(_))));
}

#[test]
fn flows_are_told_of_in_as_many_parts_as_it_takes() {
    let mut lab = Lab::new();
    for number in 0..1_000_u32 {
        let matching = of(Field::Ipv4Src, Ipv4Addr::from(number));
        let flow = FlowMod { cookie: number.into(), ..FlowMod::add(0, 1, matching, out_of(2)) };
        lab.flow(flow);
    }
    lab.packet(0, 1, packet(Ipv4Addr::from(3), SERVER));
    let filter = FlowFilter::by_cookie(0, 0);
    let parts = lab.say(0, 1, Body::MultipartRequest(MultipartRequest::Flow(filter.clone())));
    let mut flows = Vec::new();
    let last = parts.len() - 1;
    for (place, part) in parts.into_iter().enumerate() {
        let Body::MultipartReply { reply: MultipartReply::Flow(found), more } = part else { panic!() };
        assert_eq!(more, place < last);
        flows.extend(found);
    }
    let cookies: Vec<u64> = flows.iter().map(|flow| flow.cookie).collect();
    assert_eq!(cookies, (0..1_000).collect::<Vec<_>>());
    assert_eq!((flows[3].counts.packets, flows[3].counts.bytes, flows[4].counts.packets), (1, 28, 0));
    let sum = lab.say(0, 1, Body::MultipartRequest(MultipartRequest::Aggregate(filter)));
    let reply = MultipartReply::Aggregate { packets: 1, bytes: 28, flows: 1_000 };
    assert_eq!(sum, [Body::MultipartReply { reply, more: false }]);
    let tables = lab.say(0, 1, Body::MultipartRequest(MultipartRequest::Table));
    let [Body::MultipartReply { reply: MultipartReply::Table(tables), .. }] = &tables[..] else { panic!() };
    assert_eq!((tables[0].active, tables[0].lookups, tables[0].matched), (1_000, 1, 1));
}

/// As long as a flow can be: every field, and two lists of as many actions as are taken.
#[test]
fn the_longest_flows_fit_into_their_part() {
    let mut lab = Lab::new();
    let tcp = of(Field::Ipv4Src, DEVICE).with_masked(Field::Ipv4Dst, 0x0a00_0000, 0xff00_0000).unwrap();
    let tcp = tcp.with(Field::IpProto, 6_u64).unwrap().with(Field::TcpDst, 443_u64).unwrap();
    for priority in 1..=30 {
        let actions = vec![Action::output(2); 64];
        let instructions = vec![
            Instruction::ApplyActions(actions.clone()),
            Instruction::WriteActions(actions),
            Instruction::WriteMetadata { value: 1, mask: u64::MAX },
            Instruction::GotoTable(1),
        ];
        lab.flow(FlowMod::add(0, priority, tcp.clone(), instructions));
    }
    let filter = FlowFilter::by_cookie(0, 0);
    assert_eq!(lab.say(0, 1, Body::MultipartRequest(MultipartRequest::Flow(filter))).len(), 2);
}

#[test]
fn flows_end_when_they_are_idle_or_old_and_that_is_told() {
    let mut lab = Lab::new();
    let flags = flag::SEND_FLOW_REM;
    let up = of(Field::Ipv4Src, DEVICE);
    let idle = FlowMod { cookie: 1, idle_timeout_s: 2, flags, ..FlowMod::add(0, 2, up.clone(), out_of(2)) };
    let hard = FlowMod {
        cookie: 2,
        idle_timeout_s: 60,
        hard_timeout_s: 5,
        flags,
        ..FlowMod::add(0, 1, up, out_of(2))
    };
    lab.flow(idle);
    lab.flow(hard);
    let timer = |lab: &mut Lab, ms| {
        let out = lab.take(ms, SwitchInput::Timer);
        let removed = out.into_iter().map(|output| match output {
            SwitchOutput::Message { octets, .. } => match Message::decode(&octets).unwrap().body {
                Body::FlowRemoved(removed) => (removed.cookie, removed.reason, removed.counts.packets),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        });
        removed.collect::<Vec<_>>()
    };
    assert_eq!(lab.switch.deadline(), Some(at(2_000)));
    lab.packet(1_500, 1, packet(DEVICE, SERVER));
    // It has been used, and is looked at again.
    assert_eq!(timer(&mut lab, 2_000), []);
    assert_eq!(lab.switch.deadline(), Some(at(3_500)));
    assert_eq!(timer(&mut lab, 3_500), [(1, RemovedReason::IdleTimeout, 1)]);
    assert_eq!(timer(&mut lab, 5_000), [(2, RemovedReason::HardTimeout, 0)]);
    assert_eq!((lab.switch.deadline(), lab.switch.flows().len()), (None, 0));
}

#[test]
fn a_slave_changes_nothing_and_hears_nothing_of_packets() {
    let mut lab = Lab::new();
    lab.take(0, SwitchInput::Connected { channel: 2 });
    lab.say(0, 2, Body::HELLO);
    let role = |role, generation| Body::RoleRequest(Role { role, generation });
    let (master, slave) = (ControllerRole::Master, ControllerRole::Slave);
    assert_eq!(lab.say(0, 1, role(master, 5)), [Body::RoleReply(Role { role: master, generation: 5 })]);
    // The second master makes the first one a slave.
    assert_eq!(lab.say(0, 2, role(master, 6)), [Body::RoleReply(Role { role: master, generation: 6 })]);
    let now = Role { role: slave, generation: 6 };
    assert_eq!(lab.say(0, 1, role(ControllerRole::NoChange, 0)), [Body::RoleReply(now)]);
    let flow = || {
        Body::FlowMod(FlowMod::add(
            0,
            1,
            Match::any(),
            vec![Instruction::ApplyActions(vec![Action::controller(64)])],
        ))
    };
    let [Body::Error { code: Code::IS_SLAVE, .. }] = &lab.say(0, 1, flow())[..] else { panic!() };
    assert_eq!(lab.say(0, 2, flow()), []);
    let out = lab.take(0, SwitchInput::Packet { port: 1, octets: packet(DEVICE, SERVER) });
    assert!(matches!(&out[..], [SwitchOutput::Message { channel: 2, .. }]), "{out:?}");
    let [Body::Error { code: Code::ROLE_STALE, .. }] = &lab.say(0, 1, role(master, 5))[..] else { panic!() };
}

#[test]
fn a_controller_sees_packets_in_frames_and_sends_them() {
    let mut lab = Lab::new();
    lab.flow(FlowMod::add(0, 1, Match::any(), vec![Instruction::ApplyActions(vec![Action::controller(20)])]));
    let up = packet(DEVICE, SERVER);
    let out = lab.take(0, SwitchInput::Packet { port: 1, octets: up.clone() });
    let [SwitchOutput::Message { octets, .. }] = &out[..] else { panic!("{out:?}") };
    let Body::PacketIn(seen) = Message::decode(octets).unwrap().body else { panic!() };
    assert_eq!(
        (seen.total, seen.data.len(), seen.matching.get(Field::InPort)),
        (42, 20, Some((1, 0xffff_ffff)))
    );
    assert_eq!((&seen.data[..6], &seen.data[12..14]), (&[2, 0xce, 0x11, 0, 0, 1][..], &[8, 0][..]));
    assert_eq!((seen.reason, seen.table), (PacketInReason::Action, 0));
    // The flow for what no other one takes.
    lab.flow(FlowMod::delete_strict(0, 1, Match::any()));
    let whole = vec![Instruction::ApplyActions(vec![Action::controller(WHOLE)])];
    lab.flow(FlowMod::add(0, 0, Match::any(), whole));
    let out = lab.take(0, SwitchInput::Packet { port: 1, octets: up.clone() });
    let [SwitchOutput::Message { octets, .. }] = &out[..] else { panic!("{out:?}") };
    let Body::PacketIn(seen) = Message::decode(octets).unwrap().body else { panic!() };
    assert_eq!(seen.reason, PacketInReason::NoMatch);
    // Sent on by the controller, it leaves as a packet again.
    let mut send = |in_port, actions, data: &[u8]| {
        let packet = PacketOut { buffer: NO_BUFFER, in_port, actions, data: data.to_vec() };
        let octets = Message::new(1, Body::PacketOut(packet)).encode().unwrap();
        lab.take(0, SwitchInput::Message { channel: 1, octets: &octets })
    };
    let sent = [SwitchOutput::Packet { port: 2, octets: up.clone() }];
    assert_eq!(send(1, vec![Action::output(2)], &seen.data), sent);
    assert_eq!(send(1, vec![Action::output(port::FLOOD)], &seen.data), sent);
    let both = send(port::CONTROLLER, vec![Action::output(port::ALL)], &seen.data);
    assert_eq!(both.len(), 2);
    // What is no IPv4 packet has no way out of a port that carries nothing else.
    assert_eq!(send(1, vec![Action::output(2)], &[0; 20]), []);
    // Through the tables it comes back.
    assert!(matches!(
        send(1, vec![Action::output(port::TABLE)], &seen.data)[..],
        [SwitchOutput::Message { .. }]
    ));
    let refused = send(port::FLOOD, vec![Action::output(2)], &seen.data);
    assert!(matches!(&refused[..], [SwitchOutput::Message { label, .. }] if label.name == "ERROR"));
}

#[test]
fn frames_are_flooded_to_all_ports_but_their_own() {
    let mut lab = Lab::ethernet();
    lab.flow(FlowMod::add(0, 0, Match::any(), out_of(port::FLOOD)));
    let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[8, 6], &[0; 28]].concat();
    assert_eq!(lab.packet(0, 2, frame.clone()), [(1, frame.clone()), (3, frame)]);
}

proptest! {
    #[test]
    fn no_octets_break_a_switch(
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..20),
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5),
    ) {
        let mut lab = Lab::new();
        for mut octets in messages {
            if octets.len() >= 8 {
                octets[0] = 4;
                octets[1] %= 30;
                let length = octets.len() as u16;
                octets[2..4].copy_from_slice(&length.to_be_bytes());
            }
            lab.take(0, SwitchInput::Message { channel: 1, octets: &octets });
        }
        for packet in packets {
            lab.take(0, SwitchInput::Packet { port: 1, octets: packet });
        }
        prop_assert_eq!(lab.say(0, 1, Body::BarrierRequest), [Body::BarrierReply]);
    }
}
