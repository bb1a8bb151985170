//! Messages of Open vSwitch, byte for byte; messages of all kinds there and back; and messages that are none.

use super::*;
use crate::support::bent::bent;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// What Open vSwitch has written. How it was recorded says the head of the file.
const OVS: &str = include_str!("ovs.txt");

fn vectors() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let lines = OVS.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (who, octets) = line.rsplit_once(": ").unwrap();
        (who, hex::decode(octets).unwrap())
    })
}

/// The one message that ovs-ofctl was made to send with these words.
fn of(words: &str) -> Message {
    let mut found =
        vectors().filter(|(who, octets)| who.contains(words) && matches!(octets[1], 13..=17 | 29));
    let (_, octets) = found.next().unwrap_or_else(|| panic!("nothing was recorded of {words}"));
    assert!(found.next().is_none(), "{words} was recorded twice");
    Message::decode(&octets).unwrap()
}

#[test]
fn what_open_vswitch_writes_is_read_and_written_as_it_was() {
    let mut kinds = std::collections::BTreeSet::new();
    for (who, octets) in vectors() {
        let message = Message::decode(&octets).unwrap_or_else(|error| panic!("{who}: {error}"));
        kinds.insert(octets[1]);
        assert_eq!(hex::encode(message.encode().unwrap()), hex::encode(&octets), "{who}");
    }
    let expected = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 24, 25, 29];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

/// What ovs-ofctl was told in its own words is what is read.
#[test]
fn flows_of_ovs_ofctl_are_what_its_words_say() {
    let ip = || Match::any().with(Field::EthType, IPV4).unwrap();
    let Body::FlowMod(flow) = of("add-flow table=0,cookie=").body else { panic!() };
    let matching = Match::any().with(Field::InPort, 1_u64).unwrap().with(Field::EthType, IPV4).unwrap();
    let matching = matching.with(Field::Ipv4Src, 0x0a2c_0002_u64).unwrap();
    let session = 0x0200_0000_0000_0007;
    let instructions =
        vec![Instruction::WriteMetadata { value: session, mask: u64::MAX }, Instruction::GotoTable(1)];
    let expected = FlowMod {
        cookie: 0x0101_0000_0000_0007,
        idle_timeout_s: 60,
        hard_timeout_s: 300,
        flags: flag::SEND_FLOW_REM | flag::CHECK_OVERLAP,
        ..FlowMod::add(0, 100, matching, instructions)
    };
    assert_eq!(flow, expected);
    assert_eq!(flow.matching.to_string(), "in_port=1,eth_type=0x800,ipv4_src=10.44.0.2");

    let Body::FlowMod(flow) = of("priority=50,tcp").body else { panic!() };
    assert_eq!(flow.matching.get(Field::Ipv4Dst), Some((0x0a63_0000, 0xffff_0000)));
    assert_eq!(flow.matching.get(Field::Metadata), Some((2 << 56, 0xff << 56)));
    assert_eq!(flow.matching.get(Field::TcpDst), Some((443, 0xffff)));
    assert_eq!(flow.instructions, [Instruction::ApplyActions(vec![Action::output(2)])]);

    let Body::FlowMod(flow) = of("add-flow table=1,priority=40,udp").body else { panic!() };
    assert_eq!(flow.instructions, [Instruction::ApplyActions(vec![Action::controller(128)])]);
    let Body::FlowMod(flow) = of("dl_vlan=5").body else { panic!() };
    assert_eq!(flow.matching.get(Field::VlanVid), Some((0x1005, 0x1fff)));
    let pop = Action::Other { kind: 18, body: vec![0; 4] };
    assert_eq!(flow.instructions, [Instruction::ApplyActions(vec![pop, Action::output(1)])]);

    let Body::FlowMod(flow) = of("--strict mod-flows").body else { panic!() };
    let udp = ip().with(Field::Ipv4Src, 0x0a63_000a_u64).unwrap().with(Field::IpProto, UDP).unwrap();
    let expected = FlowMod::delete_strict(1, 40, udp.with(Field::UdpSrc, 53_u64).unwrap());
    assert_eq!(flow, FlowMod { command: FlowCommand::ModifyStrict, ..expected });

    let Body::FlowMod(flow) = of("del-flows cookie=").body else { panic!() };
    let expected = FlowMod::delete_by_cookie(0x0101_0000_0000_0007, u64::MAX);
    // What priority a deletion has that is not strict does not matter; ovs-ofctl says its default.
    assert_eq!(flow, FlowMod { priority: 32768, ..expected });

    let Body::PacketOut(packet) = of("packet-out").body else { panic!() };
    assert_eq!((packet.in_port, packet.buffer, packet.data.len()), (1, NO_BUFFER, 32));
    assert_eq!(packet.actions, [Action::output(2)]);
    assert!(matches!(of("add-group").body, Body::Other { kind: other::GROUP_MOD, .. }));
    assert!(matches!(of("add-meter").body, Body::Other { kind: other::METER_MOD, .. }));
    assert!(matches!(of("mod-port").body, Body::Other { kind: other::PORT_MOD, .. }));
}

/// What ovs-vswitchd says, as ovs-ofctl printed it.
#[test]
fn answers_of_ovs_vswitchd_are_what_ovs_ofctl_prints_of_them() {
    let all: Vec<Body> = vectors().map(|(_, octets)| Message::decode(&octets).unwrap().body).collect();
    let find = |wanted: fn(&Body) -> bool| all.iter().find(|body| wanted(body)).unwrap();
    let features = Features { datapath: 0xaa, buffers: 0, tables: 254, auxiliary: 0, capabilities: 0x4f };
    assert_eq!(find(|body| matches!(body, Body::FeaturesReply(_))), &Body::FeaturesReply(features));

    let Body::FlowRemoved(removed) = find(|body| matches!(body, Body::FlowRemoved(_))) else { panic!() };
    assert_eq!((removed.cookie, removed.reason), (0x77, RemovedReason::Delete));
    assert_eq!((removed.counts.packets, removed.counts.bytes), (1, 54));

    let Body::PacketIn(packet) = find(|body| matches!(body, Body::PacketIn(_))) else { panic!() };
    assert_eq!((packet.cookie, packet.total, packet.data.len()), (0x77, 54, 54));
    assert_eq!(packet.matching.get(Field::InPort), Some((1, 0xffff_ffff)));

    let Body::PortStatus { reason, port } = find(|body| matches!(body, Body::PortStatus { .. })) else {
        panic!()
    };
    assert_eq!((*reason, port.number, &*port.name), (PortReason::Modify, 2, "v2"));

    let is_flows = |body: &Body| matches!(body, Body::MultipartReply { reply: MultipartReply::Flow(_), .. });
    let Body::MultipartReply { reply: MultipartReply::Flow(flows), more: false } = find(is_flows) else {
        panic!()
    };
    let seen: Vec<_> = flows.iter().map(|flow| (flow.table, flow.priority, flow.idle_timeout_s)).collect();
    assert_eq!(seen, [(0, 100, 60), (0, 3, 0), (0, 2, 0), (0, 1, 0), (1, 50, 0), (1, 40, 0)]);

    let is_sum =
        |body: &Body| matches!(body, Body::MultipartReply { reply: MultipartReply::Aggregate { .. }, .. });
    let sum = MultipartReply::Aggregate { packets: 0, bytes: 0, flows: 6 };
    assert_eq!(find(is_sum), &Body::MultipartReply { reply: sum, more: false });
    let is_description =
        |body: &Body| matches!(body, Body::MultipartReply { reply: MultipartReply::Description(_), .. });
    let Body::MultipartReply { reply: MultipartReply::Description(who), .. } = find(is_description) else {
        panic!()
    };
    assert_eq!((&*who.manufacturer, &*who.software, &*who.datapath), ("Nicira, Inc.", "3.1.0", "None"));
}

/// What Open vSwitch has refused is refused here with the same type and code.
#[test]
fn what_open_vswitch_refuses_is_refused_with_its_code() {
    let tcp_without_prerequisite = "040e00400000000a000000000000000000000000000000000000000000000001\
                                    ffffffffffffffffffffffff000000000001000a80001c020050000000000000";
    let unknown_type = "046300080000000b";
    for (octets, code) in
        [(tcp_without_prerequisite, Code::MATCH_PREREQUISITE), (unknown_type, Code::BAD_TYPE)]
    {
        let octets = hex::decode(octets).unwrap();
        assert_eq!(Message::decode(&octets).unwrap_err().code(), Some(code));
        let answer = Message::new(Message::xid_of(&octets), Body::error(code, &octets)).encode().unwrap();
        let seen = vectors().any(|(_, seen)| seen == answer);
        assert!(seen, "Open vSwitch did not answer {}", hex::encode(answer));
    }
}

#[test]
fn a_hello_says_what_its_sender_speaks() {
    let hello = |octets: &[u8]| Message::decode(octets).unwrap().body;
    assert_eq!(hello(&[4, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x10]), Body::HELLO);
    assert!(Body::HELLO.speaks_1_3());
    // 1.5 and what is below, without a bitmap.
    assert!(hello(&[6, 0, 0, 8, 0, 0, 0, 1]).speaks_1_3());
    assert!(!hello(&[1, 0, 0, 8, 0, 0, 0, 1]).speaks_1_3());
    // 1.0 and 1.5 alone.
    assert!(!hello(&[6, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x42]).speaks_1_3());
    // An element of nobody's, then the bitmap; an element that is cut off.
    let elements = [6, 0, 0, 24, 0, 0, 0, 1, 0, 9, 0, 5, 1, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x10];
    assert!(hello(&elements).speaks_1_3());
    assert!(hello(&[4, 0, 0, 12, 0, 0, 0, 1, 0, 1, 0, 8]).speaks_1_3());
    // Any other message has the version.
    let refused = Message::decode(&[1, 5, 0, 8, 0, 0, 0, 1]).unwrap_err();
    assert_eq!(refused.code(), Some(Code::BAD_VERSION));
}

#[test]
fn lengths_that_are_not_their_own_are_refused() {
    let code = |octets: &[u8]| Message::decode(octets).unwrap_err().code();
    assert_eq!(code(&[4, 5, 0, 8]), Some(Code::BAD_LEN));
    assert_eq!(code(&[4, 5, 0, 9, 0, 0, 0, 1]), Some(Code::BAD_LEN));
    assert_eq!(code(&[4, 5, 0, 9, 0, 0, 0, 1, 0]), Some(Code::BAD_LEN));
    let (_, whole) = vectors().find(|(who, _)| who.contains("add-flow table=0,cookie=")).unwrap();
    for length in HEADER..whole.len() {
        let mut cut = whole[..length].to_vec();
        cut[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        // A FLOW_MOD without instructions, or with the first one alone, is one.
        let is_whole = [80, 104].contains(&length);
        assert_eq!(Message::decode(&cut).is_ok(), is_whole, "{length}");
    }
    let too_long = Message::new(1, Body::EchoRequest(vec![0; 65_528]));
    assert_eq!(too_long.encode(), Err(OpenflowError::TooLong { length: 65_536 }));
    assert!(Message::new(1, Body::EchoRequest(vec![0; 65_527])).encode().is_ok());
}

#[test]
fn what_is_not_its_own_length_inside_is_refused_with_its_own_code() {
    let flow = |matching: &str, instructions: &str| {
        let head = "0000000000000000000000000000000000000000000000010000000000000000000000000000000000000000";
        // ofp_flow_mod without its match is 40 octets.
        let body = hex::decode([&head[..80], matching, instructions].concat()).unwrap();
        let octets = [&[4, 14][..], &((HEADER + body.len()) as u16).to_be_bytes(), &[0; 4], &body].concat();
        Message::decode(&octets).map_err(|error| error.code().unwrap())
    };
    let any = "0001000400000000";
    assert!(flow(any, "").is_ok());
    for (matching, code) in [
        ("0000000400000000", Code::MATCH_TYPE),
        ("0001000300000000", Code::MATCH_LEN),
        ("0001000980000004", Code::MATCH_LEN),
        ("0001000c800000030000000100000000", Code::MATCH_LEN),
        ("0001000c000000040000000100000000", Code::MATCH_FIELD),
        ("0001000a80004e020006000000000000", Code::MATCH_FIELD),
        // IPV6_SRC of two octets.
        ("0001000a800034020006000000000000", Code::MATCH_LEN),
        ("00010010800001080000000100000001", Code::MATCH_MASK),
    ] {
        assert_eq!(flow(matching, "").unwrap_err(), code, "{matching}");
    }
    for (instructions, code) in [
        ("0001000700000000", Code::INSTRUCTION_LEN),
        ("0001001001000000", Code::INSTRUCTION_LEN),
        ("00010008010000000001000802000000", Code::INSTRUCTION_UNSUPPORTED),
        ("0009000800000000", Code::INSTRUCTION_UNKNOWN),
        ("000500100000000000000010ffffffff", Code::ACTION_LEN),
        ("0004001000000000000000080000000100000000", Code::ACTION_LEN),
        ("0004001000000000001200070000000000000000", Code::ACTION_LEN),
    ] {
        assert_eq!(flow(any, instructions).unwrap_err(), code, "{instructions}");
    }
}

#[test]
fn flags_that_there_are_not_and_requests_in_parts_are_refused() {
    let octets = Message::new(1, Body::FlowMod(FlowMod::add(0, 1, Match::any(), vec![]))).encode().unwrap();
    let mut flagged = octets.clone();
    // The flags are the last but two octets before the match.
    flagged[HEADER + 37] = 0x20;
    assert_eq!(Message::decode(&flagged).unwrap_err().code(), Some(Code::FLOW_FLAGS));
    let mut commanded = octets;
    commanded[HEADER + 17] = 5;
    assert_eq!(Message::decode(&commanded).unwrap_err().code(), Some(Code::FLOW_COMMAND));
    let mut request = Message::new(1, Body::MultipartRequest(MultipartRequest::Table)).encode().unwrap();
    request[HEADER + 3] = 1;
    assert_eq!(Message::decode(&request).unwrap_err().code(), Some(Code::MULTIPART_OVERFLOW));
}

#[test]
fn lists_of_actions_have_a_bound_and_texts_end() {
    let flow = |count| {
        let actions = vec![Instruction::ApplyActions(vec![Action::output(1); count])];
        Message::new(1, Body::FlowMod(FlowMod::add(0, 1, Match::any(), actions))).encode().unwrap()
    };
    assert!(Message::decode(&flow(64)).is_ok());
    assert_eq!(Message::decode(&flow(65)).unwrap_err().code(), Some(Code::ACTION_TOO_MANY));
    // The last octet of a name is zero, however long it is (clause 7.2.1).
    let port = PortDescription::up(1, [0; 6], "a-name-of-20-octets!");
    let octets = Message::new(1, Body::PortStatus { reason: PortReason::Add, port }).encode().unwrap();
    assert_eq!(&octets[HEADER + 8 + 16..HEADER + 8 + 32], b"a-name-of-20-oc\0");
}

#[test]
fn codes_are_told_apart_by_their_names() {
    let names: std::collections::BTreeSet<_> = code::KNOWN.iter().map(|code| code.name()).collect();
    assert_eq!(names.len(), code::KNOWN.len());
    assert!(!names.contains(&None));
    assert_eq!(Code { kind: 4, code: 99 }.to_string(), "4/99");
}

// ---- messages of all kinds ----

fn matches() -> impl Strategy<Value = Match> {
    let fields = subsequence(Field::ALL.to_vec(), 0..Field::ALL.len());
    let kinds = select(vec![(IPV4, TCP), (IPV4, UDP), (IPV4, ICMP), (IPV6, TCP), (ARP, 0)]);
    (fields, kinds, vec((any::<u128>(), any::<u128>()), Field::ALL.len())).prop_map(
        |(fields, kind, numbers)| {
            let mut found = Match::any();
            for (field, (value, mask)) in fields.into_iter().zip(numbers) {
                let (value, mask) = match field {
                    Field::EthType => (kind.0.into(), field.full()),
                    Field::IpProto => (kind.1.into(), field.full()),
                    Field::VlanVid => (value & field.full() | u128::from(VLAN_PRESENT), field.full()),
                    _ if field.is_maskable() => (value & mask & field.full(), mask & field.full()),
                    _ => (value & field.full(), field.full()),
                };
                // What it depends on may not be there.
                found = found.clone().with_masked(field, value, mask).unwrap_or(found);
            }
            found
        },
    )
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let other = (select(vec![17_u16, 18, 21, 22, 23, 24, 25, 0xffff]), vec(any::<u8>(), 4..=4), 0..3_usize);
    let action = prop_oneof![
        (any::<u32>(), any::<u16>()).prop_map(|(port, max_len)| Action::Output { port, max_len }),
        other.prop_map(|(kind, body, more)| Action::Other { kind, body: [body, vec![7; 8 * more]].concat() }),
    ];
    vec(action, 0..5)
}

fn instructions() -> impl Strategy<Value = Vec<Instruction>> {
    let all = (any::<u8>(), any::<u64>(), any::<u64>(), actions(), actions(), any::<u32>()).prop_map(
        |(table, value, mask, apply, write, meter)| {
            vec![
                Instruction::Meter(meter),
                Instruction::ApplyActions(apply),
                Instruction::ClearActions,
                Instruction::WriteActions(write),
                Instruction::WriteMetadata { value, mask },
                Instruction::GotoTable(table),
            ]
        },
    );
    (all, vec(any::<bool>(), 6)).prop_map(|(all, keep)| {
        all.into_iter().zip(keep).filter_map(|(instruction, keep)| keep.then_some(instruction)).collect()
    })
}

fn counts() -> impl Strategy<Value = Counts> {
    (any::<u32>(), any::<u32>(), any::<u64>(), any::<u64>()).prop_map(
        |(duration_s, duration_ns, packets, bytes)| Counts { duration_s, duration_ns, packets, bytes },
    )
}

fn flow_mods() -> impl Strategy<Value = FlowMod> {
    use FlowCommand::{Add, Delete, DeleteStrict, Modify, ModifyStrict};
    let command = select(vec![Add, Modify, ModifyStrict, Delete, DeleteStrict]);
    let numbers = (any::<[u64; 2]>(), any::<[u32; 3]>(), any::<[u16; 3]>(), 0..=flag::ALL, any::<u8>());
    (command, numbers, matches(), instructions()).prop_map(
        |(
            command,
            ([cookie, cookie_mask], wide, [idle, hard, priority], flags, table),
            matching,
            instructions,
        )| {
            let [buffer, out_port, out_group] = wide;
            let (idle_timeout_s, hard_timeout_s) = (idle, hard);
            FlowMod {
                cookie,
                cookie_mask,
                table,
                command,
                idle_timeout_s,
                hard_timeout_s,
                priority,
                buffer,
                out_port,
                out_group,
                flags,
                matching,
                instructions,
            }
        },
    )
}

fn flow_stats() -> impl Strategy<Value = FlowStats> {
    (flow_mods(), counts()).prop_map(|(flow, counts)| FlowStats {
        table: flow.table,
        priority: flow.priority,
        idle_timeout_s: flow.idle_timeout_s,
        hard_timeout_s: flow.hard_timeout_s,
        flags: flow.flags,
        cookie: flow.cookie,
        counts,
        matching: flow.matching,
        instructions: flow.instructions,
    })
}

fn ports() -> impl Strategy<Value = PortDescription> {
    (any::<u32>(), any::<[u8; 6]>(), "[a-z0-9-]{0,15}", any::<[u32; 8]>()).prop_map(
        |(number, hardware, name, [config, state, speed, speed_max, a, b, c, d])| PortDescription {
            number,
            hardware,
            name,
            config,
            state,
            features: [a, b, c, d],
            speed,
            speed_max,
        },
    )
}

fn filters() -> impl Strategy<Value = FlowFilter> {
    (any::<u8>(), any::<[u32; 2]>(), any::<[u64; 2]>(), matches()).prop_map(
        |(table, [out_port, out_group], [cookie, cookie_mask], matching)| FlowFilter {
            table,
            out_port,
            out_group,
            cookie,
            cookie_mask,
            matching,
        },
    )
}

fn requests() -> impl Strategy<Value = MultipartRequest> {
    use MultipartRequest::{Aggregate, Description, Flow, PortDescription, PortStats, Table, TableFeatures};
    prop_oneof![
        select(vec![Description, Table, TableFeatures, PortDescription]),
        filters().prop_map(Flow),
        filters().prop_map(Aggregate),
        any::<u32>().prop_map(PortStats),
    ]
}

fn replies() -> impl Strategy<Value = MultipartReply> {
    let texts = ("[ -~]{0,255}", "[ -~]{0,255}", "[ -~]{0,255}", "[ -~]{0,31}", "[ -~]{0,255}");
    let table = (any::<u8>(), any::<u32>(), any::<u64>(), any::<u64>())
        .prop_map(|(table, active, lookups, matched)| TableStats { table, active, lookups, matched });
    let port = (any::<[u32; 3]>(), any::<[u64; 12]>()).prop_map(
        |([port, duration_s, duration_ns], [a, b, c, d, e, f, g, h, i, j, k, l])| PortStats {
            port,
            rx_packets: a,
            tx_packets: b,
            rx_bytes: c,
            tx_bytes: d,
            rx_dropped: e,
            tx_dropped: f,
            errors: [g, h, i, j, k, l],
            duration_s,
            duration_ns,
        },
    );
    let properties = vec((any::<u16>(), vec(any::<u8>(), 0..20)), 0..4);
    let features =
        (any::<u8>(), "[a-z]{0,31}", any::<[u64; 2]>(), any::<[u32; 2]>(), properties).prop_map(
            |(table, name, [metadata_match, metadata_write], [config, max_entries], properties)| {
                TableFeatures { table, name, metadata_match, metadata_write, config, max_entries, properties }
            },
        );
    prop_oneof![
        texts.prop_map(|(manufacturer, hardware, software, serial, datapath)| {
            let description = Description { manufacturer, hardware, software, serial, datapath };
            MultipartReply::Description(description)
        }),
        vec(flow_stats(), 0..4).prop_map(MultipartReply::Flow),
        (any::<u64>(), any::<u64>(), any::<u32>())
            .prop_map(|(packets, bytes, flows)| MultipartReply::Aggregate { packets, bytes, flows }),
        vec(table, 0..4).prop_map(MultipartReply::Table),
        vec(port, 0..4).prop_map(MultipartReply::PortStats),
        vec(features, 0..4).prop_map(MultipartReply::TableFeatures),
        vec(ports(), 0..4).prop_map(MultipartReply::PortDescription),
    ]
}

fn roles() -> impl Strategy<Value = Role> {
    use ControllerRole::{Equal, Master, NoChange, Slave};
    (select(vec![NoChange, Equal, Master, Slave]), any::<u64>())
        .prop_map(|(role, generation)| Role { role, generation })
}

fn bodies() -> impl Strategy<Value = Body> {
    let data = || vec(any::<u8>(), 0..80);
    let config =
        || (any::<u16>(), any::<u16>()).prop_map(|(flags, miss_send_len)| Config { flags, miss_send_len });
    let reasons = select(vec![PacketInReason::NoMatch, PacketInReason::Action, PacketInReason::InvalidTtl]);
    let gone = vec![RemovedReason::IdleTimeout, RemovedReason::HardTimeout, RemovedReason::Delete];
    let port_reasons = vec![PortReason::Add, PortReason::Delete, PortReason::Modify];
    let plain = vec![
        Body::FeaturesRequest,
        Body::GetConfigRequest,
        Body::BarrierRequest,
        Body::BarrierReply,
        Body::HELLO,
        Body::Hello { highest: 6, bitmap: None },
    ];
    prop_oneof![
        select(plain),
        (any::<u16>(), any::<u16>(), data())
            .prop_map(|(kind, code, data)| Body::Error { code: Code { kind, code }, data }),
        data().prop_map(Body::EchoRequest),
        data().prop_map(Body::EchoReply),
        (any::<u64>(), any::<[u32; 2]>(), any::<[u8; 2]>()).prop_map(
            |(datapath, [buffers, capabilities], [tables, auxiliary])| {
                Body::FeaturesReply(Features { datapath, buffers, tables, auxiliary, capabilities })
            }
        ),
        config().prop_map(Body::GetConfigReply),
        config().prop_map(Body::SetConfig),
        (any::<u32>(), any::<u16>(), reasons, any::<u8>(), any::<u64>(), matches(), data()).prop_map(
            |(buffer, total, reason, table, cookie, matching, data)| {
                Body::PacketIn(PacketIn { buffer, total, reason, table, cookie, matching, data })
            }
        ),
        (flow_mods(), counts(), select(gone)).prop_map(|(flow, counts, reason)| {
            Body::FlowRemoved(FlowRemoved {
                cookie: flow.cookie,
                priority: flow.priority,
                reason,
                table: flow.table,
                idle_timeout_s: flow.idle_timeout_s,
                hard_timeout_s: flow.hard_timeout_s,
                counts,
                matching: flow.matching,
            })
        }),
        (select(port_reasons), ports()).prop_map(|(reason, port)| Body::PortStatus { reason, port }),
        (any::<u32>(), any::<u32>(), actions(), data()).prop_map(|(buffer, in_port, actions, data)| {
            Body::PacketOut(PacketOut { buffer, in_port, actions, data })
        }),
        flow_mods().prop_map(Body::FlowMod),
        requests().prop_map(Body::MultipartRequest),
        (replies(), any::<bool>()).prop_map(|(reply, more)| Body::MultipartReply { reply, more }),
        roles().prop_map(Body::RoleRequest),
        roles().prop_map(Body::RoleReply),
        (select(vec![4_u8, 15, 16, 17, 22, 23, 26, 27, 28, 29]), data())
            .prop_map(|(kind, body)| Body::Other { kind, body }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(xid: u32, body in bodies()) {
        let message = Message::new(xid, body);
        let octets = message.encode().unwrap();
        prop_assert_eq!(Message::xid_of(&octets), xid);
        prop_assert_eq!(Message::decode(&octets), Ok(message));
    }

    #[test]
    fn a_match_is_never_wider_than_it_was_sent(matching in matches(), field in select(Field::ALL.to_vec())) {
        // Whatever is changed in the header of a field, the fields that are read have its bits or all is refused.
        let octets = Message::new(1, Body::FlowMod(FlowMod::add(0, 1, matching.clone(), vec![]))).encode().unwrap();
        let mut at = HEADER + 44;
        for oxm in matching.fields() {
            if oxm.field == field {
                let mut changed = octets.clone();
                changed[at] ^= 0x40;
                prop_assert!(Message::decode(&changed).is_err());
            }
            at += 4 + (oxm.field.octets() << u32::from(oxm.mask != oxm.field.full()));
        }
    }
}

proptest! {
    #[test]
    fn any_octets_are_a_message_or_refused(octets in select(vectors().collect::<Vec<_>>()).prop_flat_map(|(_, octets)| bent(octets))) {
        let mut octets = octets;
        // What is nearly right has a length that is right, so that what is inside is looked at.
        if let (Ok(length), Some(field)) = (u16::try_from(octets.len()), octets.get_mut(2..4)) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        match Message::decode(&octets) {
            Ok(message) => {
                let again = message.encode().unwrap();
                prop_assert_eq!(Message::decode(&again), Ok(message));
            }
            Err(error) => prop_assert!(error.code().is_some()),
        }
    }
}

/// A name that is not ASCII, and one that no zero ends, are read in a way that is written again as it was read.
#[test]
fn a_port_may_have_any_octets_in_its_name() {
    for (name, read) in [
        ([0xff; 12].as_slice(), "????????????"),
        ("Funk\u{fc}".as_bytes(), "Funk??"),
        (b"sixteen-octets-x", "sixteen-octets-"),
    ] {
        let mut octets = hex::decode("0413005000000003000d000000000000").unwrap();
        octets.extend([0; 64]);
        octets[32..32 + name.len()].copy_from_slice(name);
        let message = Message::decode(&octets).unwrap();
        let Body::MultipartReply { reply: MultipartReply::PortDescription(ports), .. } = &message.body else {
            panic!("{message:?}");
        };
        assert_eq!(ports[0].name, read);
        assert_eq!(Message::decode(&message.encode().unwrap()), Ok(message));
    }
}
