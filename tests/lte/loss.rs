//! Messages that are lost: every procedure ends by its timers, and well.

use cellbed::ran::UeInput;

use crate::bench::{Bench, Event, Fact, config};

/// Attaches and detaches with message `lost` missing; returns how many messages there were.
fn run(lost: &[u32]) -> (Bench, u32) {
    let mut bench = Bench::with(config(), 1, |ue| ue.apn = Some("internet".into()));
    bench.lose = lost.to_vec();
    bench.after(100, Event::Power(0));
    bench.run(200);
    let messages = bench.carried;
    bench.ue(0, UeInput::Detach);
    bench.run(400);
    (bench, messages)
}

#[test]
fn any_one_message_may_be_lost() {
    let (whole, _) = run(&[]);
    for lost in 1..=whole.carried {
        let (bench, _) = run(&[lost]);
        assert!(bench.ip_of(0).is_some(), "message {lost} lost: {:#?}", bench.facts);
        assert!(bench.facts.contains(&Fact::Detached { ue: 0 }), "message {lost} lost: {:#?}", bench.facts);
        assert_eq!(bench.epc.contexts(), 0, "message {lost} lost: {:#?}", bench.facts);
        assert_eq!(bench.enbs[0].connections(), 0, "message {lost} lost: {:#?}", bench.facts);
    }
}

#[test]
fn a_deaf_network_is_tried_five_times_and_then_rarely() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    bench.lose_if = |event| matches!(event, Event::AirDown(_, cellbed::ran::Downlink::Information { .. }));
    bench.after(0, Event::Power(0));
    bench.run(5 * 25 + 100);
    let failures: Vec<_> = bench
        .facts
        .iter()
        .filter(|f| matches!(f, Fact::Failed { reason, retry: true, .. } if reason == "timeout-t3410"))
        .collect();
    assert_eq!(failures.len(), 5);
    assert_eq!(bench.sent("ue0 > Attach Request"), 5);
    bench.lose_if = |_| false;
    bench.run(1_000);
    assert!(bench.ip_of(0).is_some());
}

#[test]
fn an_unanswered_detach_ends_after_five_requests() {
    let mut bench = Bench::new(config(), 1);
    bench.after(100, Event::Power(0));
    bench.run(5);
    bench.lose_if = |event| matches!(event, Event::AirUp(..));
    bench.ue(0, UeInput::Detach);
    bench.run(100);
    assert!(bench.facts.contains(&Fact::Detached { ue: 0 }));
    assert_eq!(bench.sent("ue0 > Detach Request"), 5);
}

#[test]
fn any_two_messages_may_be_lost() {
    let (whole, _) = run(&[]);
    for first in 1..whole.carried {
        for second in first + 1..=whole.carried {
            let (bench, _) = run(&[first, second]);
            let story = || format!("messages {first} and {second} lost: {:#?}", bench.facts);
            assert!(bench.ip_of(0).is_some(), "{}", story());
            assert!(bench.facts.contains(&Fact::Detached { ue: 0 }), "{}", story());
            assert_eq!((bench.epc.contexts(), bench.enbs[0].connections()), (0, 0), "{}", story());
        }
    }
}
