//! Tables beside a model that looks at every flow.

use super::*;
use crate::sdn::packet::Frame;
use crate::wire::openflow::{Field, IPV4};
use proptest::collection::vec;
use proptest::prelude::*;

fn at(s: u64) -> Instant {
    Instant::ZERO + std::time::Duration::from_secs(s)
}

/// A match on a port and parts of an address.
fn matching(port: Option<u32>, source: Option<(u32, u32)>) -> Match {
    let found = match port {
        Some(port) => Match::any().with(Field::InPort, port).unwrap(),
        None => Match::any(),
    };
    match source {
        Some((address, mask)) => found
            .with(Field::EthType, IPV4)
            .and_then(|m| m.with_masked(Field::Ipv4Src, (address & mask).into(), mask.into()))
            .unwrap(),
        None => found,
    }
}

fn packet(source: u32) -> Vec<u8> {
    let mut packet = vec![0; 20];
    packet[0] = 0x45;
    packet[12..16].copy_from_slice(&source.to_be_bytes());
    packet
}

#[test]
fn the_highest_priority_takes_a_packet_and_its_flow_counts_it() {
    let mut table = FlowTable::new(2);
    let mut removed = Vec::new();
    let mut add = |priority, matching, cookie| {
        let flow = FlowMod { cookie, ..FlowMod::add(0, priority, matching, vec![]) };
        table.apply(at(0), flow, &mut removed).unwrap();
    };
    add(100, matching(Some(1), Some((7, u32::MAX))), 1);
    add(1000, matching(Some(1), Some((7, u32::MAX))), 2);
    add(1, Match::any(), 3);
    let cookie = |table: &mut FlowTable, port, source| {
        let packet = packet(source);
        let key = Key::of(port, Frame::Ip(&packet));
        table.take(at(1), 0, &key, packet.len()).map(|(_, flow)| flow.cookie)
    };
    assert_eq!(cookie(&mut table, 1, 7), Some(2));
    assert_eq!((cookie(&mut table, 1, 8), cookie(&mut table, 2, 7)), (Some(3), Some(3)));
    let delete = FlowMod::delete_by_cookie(2, u64::MAX);
    table.apply(at(2), delete, &mut removed).unwrap();
    let (_, gone) = removed.pop().unwrap();
    assert_eq!((gone.packets, gone.bytes, gone.counts(at(2)).duration_s), (1, 20, 2));
    assert_eq!(cookie(&mut table, 1, 7), Some(1));
    assert!(table.take(at(1), 1, &Key::default(), 1).is_none() && table.in_table(0) == 2);
}

#[test]
fn a_flow_that_takes_the_place_of_another_goes_on_counting_unless_it_is_told_not_to() {
    let mut table = FlowTable::new(1);
    let flow = |cookie, flags| FlowMod { cookie, flags, ..FlowMod::add(0, 5, Match::any(), vec![]) };
    let put = |table: &mut FlowTable, flow| table.apply(at(0), flow, &mut Vec::new()).unwrap().unwrap();
    put(&mut table, flow(1, 0));
    table.take(at(1), 0, &Key::default(), 100).unwrap();
    let second = put(&mut table, flow(2, 0));
    assert_eq!((table.len(), table.get(second).unwrap().packets), (1, 1));
    let third = put(&mut table, flow(3, flag::RESET_COUNTS));
    assert_eq!((table.len(), table.get(third).unwrap().packets), (1, 0));
    // Only what is written of the cookie in force is found by it.
    let found = |cookie| table.filtered(&FlowFilter::by_cookie(cookie, u64::MAX)).len();
    assert_eq!((found(1), found(2), found(3)), (0, 0, 1));
}

#[test]
fn what_overlaps_is_refused_where_that_is_wanted() {
    let mut table = FlowTable::new(1);
    let mut put = |matching, priority, flags| {
        let flow = FlowMod { flags, ..FlowMod::add(0, priority, matching, vec![]) };
        table.apply(at(0), flow, &mut Vec::new()).map(drop)
    };
    put(matching(Some(1), None), 5, 0).unwrap();
    let check = flag::CHECK_OVERLAP;
    assert_eq!(put(matching(None, Some((7, u32::MAX))), 5, check), Err(Code::OVERLAP));
    assert_eq!(put(matching(None, Some((7, u32::MAX))), 6, check), Ok(()));
    assert_eq!(put(matching(Some(2), Some((7, u32::MAX))), 5, check), Ok(()));
}

#[test]
fn deletions_that_are_not_strict_take_what_is_within() {
    let mut table = FlowTable::new(2);
    let mut put = |table_id, matching, instructions| {
        let flow = FlowMod::add(table_id, 5, matching, instructions);
        table.apply(at(0), flow, &mut Vec::new()).unwrap();
    };
    let output = |port| vec![Instruction::ApplyActions(vec![Action::output(port)])];
    put(0, matching(Some(1), Some((0x0a00_0001, u32::MAX))), output(2));
    put(0, matching(Some(1), Some((0x0a00_0100, 0xffff_ff00))), output(3));
    put(0, matching(Some(2), None), output(2));
    put(1, matching(Some(1), None), output(2));
    let left = |delete: FlowMod| {
        let mut removed = Vec::new();
        let mut copy = FlowTable::new(2);
        for flow in table.filtered(&FlowFilter::by_cookie(0, 0)) {
            let flow =
                FlowMod::add(flow.table, flow.priority, flow.matching.clone(), flow.instructions.clone());
            copy.apply(at(0), flow, &mut removed).unwrap();
        }
        copy.apply(at(0), delete, &mut removed).unwrap();
        copy.len()
    };
    let delete = |table, matching| FlowMod { table, matching, ..FlowMod::delete_by_cookie(0, 0) };
    assert_eq!(left(delete(ALL_TABLES, Match::any())), 0);
    assert_eq!(left(delete(0, Match::any())), 1);
    assert_eq!(left(delete(ALL_TABLES, matching(Some(1), None))), 1);
    assert_eq!(left(delete(0, matching(None, Some((0x0a00_0000, 0xffff_0000))))), 2);
    assert_eq!(left(FlowMod { out_port: 3, ..delete(ALL_TABLES, Match::any()) }), 3);
    // What a flow does not say it is not within.
    assert_eq!(left(delete(ALL_TABLES, matching(None, Some((0, 0xff00_0000))))), 4);
    // A strict one means the one that is just so.
    assert_eq!(left(FlowMod::delete_strict(0, 5, matching(Some(1), None))), 4);
    assert_eq!(left(FlowMod::delete_strict(0, 5, matching(Some(2), None))), 3);
    assert_eq!(left(FlowMod::delete_strict(ALL_TABLES, 5, matching(Some(1), None))), 3);
    assert_eq!(left(FlowMod::delete_strict(0, 6, matching(Some(2), None))), 4);
}

#[test]
fn tables_that_there_are_not_are_refused() {
    let mut table = FlowTable::new(2);
    let mut code = |flow| table.apply(at(0), flow, &mut Vec::new()).map(drop);
    assert_eq!(code(FlowMod::add(2, 1, Match::any(), vec![])), Err(Code::FLOW_TABLE));
    assert_eq!(code(FlowMod::add(ALL_TABLES, 1, Match::any(), vec![])), Err(Code::FLOW_TABLE));
    assert_eq!(code(FlowMod::delete_strict(2, 1, Match::any())), Err(Code::FLOW_TABLE));
    assert_eq!(code(FlowMod::delete_by_cookie(0, 0)), Ok(()));
}

#[derive(Debug, Clone)]
enum Step {
    Put { port: Option<u32>, source: Option<(u32, u32)>, priority: u16, cookie: u64 },
    DeleteByCookie { cookie: u64, mask: u64 },
    DeleteStrict { port: Option<u32>, source: Option<(u32, u32)>, priority: u16 },
    Packet { port: u32, source: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let port = || proptest::option::of(1_u32..3);
    let mask = prop_oneof![Just(u32::MAX), Just(0xffff_fff0_u32), Just(0xffff_0000)];
    let source = || proptest::option::of((0_u32..32, mask.clone()));
    let cookies = prop_oneof![Just(u64::MAX), Just(0xff << 56), Just(1_u64), Just(0)];
    let cookie = || prop_oneof![0_u64..4, (0_u64..3).prop_map(|owner| owner << 56)];
    let step = prop_oneof![
        4 => (port(), source(), 1_u16..4, cookie())
            .prop_map(|(port, source, priority, cookie)| Step::Put { port, source, priority, cookie }),
        1 => (cookie(), cookies).prop_map(|(cookie, mask)| Step::DeleteByCookie { cookie, mask }),
        1 => (port(), source(), 1_u16..4)
            .prop_map(|(port, source, priority)| Step::DeleteStrict { port, source, priority }),
        4 => (1_u32..3, 0_u32..32).prop_map(|(port, source)| Step::Packet { port, source }),
    ];
    vec(step, 0..60)
}

proptest! {
    /// What takes a packet is what a look at every flow finds: the priority, at least, where several are equal.
    #[test]
    fn a_table_is_its_list_of_flows(steps in steps()) {
        let mut table = FlowTable::new(1);
        let mut model: Vec<(u16, Match, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Put { port, source, priority, cookie } => {
                    let matching = matching(port, source);
                    model.retain(|(of, like, _)| (*of, Key::of_match(like)) != (priority, Key::of_match(&matching)));
                    model.push((priority, matching.clone(), cookie));
                    let flow = FlowMod { cookie, ..FlowMod::add(0, priority, matching, vec![]) };
                    table.apply(at(0), flow, &mut Vec::new()).unwrap();
                }
                Step::DeleteByCookie { cookie, mask } => {
                    let before = model.len();
                    model.retain(|(.., own)| (own ^ cookie) & mask != 0);
                    let mut removed = Vec::new();
                    table.apply(at(0), FlowMod::delete_by_cookie(cookie, mask), &mut removed).unwrap();
                    prop_assert_eq!(removed.len(), before - model.len());
                }
                Step::DeleteStrict { port, source, priority } => {
                    let matching = matching(port, source);
                    model.retain(|(of, like, _)| (*of, Key::of_match(like)) != (priority, Key::of_match(&matching)));
                    let delete = FlowMod::delete_strict(0, priority, matching);
                    table.apply(at(0), delete, &mut Vec::new()).unwrap();
                }
                Step::Packet { port, source } => {
                    let octets = packet(source);
                    let key = Key::of(port, Frame::Ip(&octets));
                    let takes = |like: &Match| {
                        let (value, mask) = Key::of_match(like);
                        key.masked(&mask) == value
                    };
                    let best = model.iter().filter(|(_, like, _)| takes(like)).map(|(of, ..)| *of).max();
                    let found = table.take(at(0), 0, &key, 1).map(|(_, flow)| (flow.priority, takes(&flow.matching)));
                    prop_assert_eq!(found, best.map(|best| (best, true)));
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.in_table(0), model.len());
        }
    }
}
