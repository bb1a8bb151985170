//! Messages that are lost: every procedure ends by its timers, and well.

use cellbed::ran::UeInput;
use cellbed::wire::rrc::DlDcch;
use cellbed::world::Payload;

use crate::air;
use crate::bench::{Bench, config};
use crate::log::Fact;

/// Attaches and detaches with message `lost` missing; returns how many messages there were.
fn run(lost: &[u32]) -> (Bench, u32) {
    let mut bench = Bench::with(config(), 1, |ue| ue.apn = Some("internet".into()));
    bench.lose(lost);
    bench.power_on(1, 100);
    bench.run(200);
    let messages = bench.carried();
    bench.ue(1, UeInput::Detach);
    // Where every sign of the UE is lost, the network takes it for gone when its timers have expired.
    bench.run(400 + 54 * 60 + 8 * 60);
    (bench, messages)
}

#[test]
fn any_one_message_may_be_lost() {
    let (whole, _) = run(&[]);
    for lost in 1..=whole.carried() {
        let (bench, _) = run(&[lost]);
        assert!(bench.ip_of(1).is_some(), "message {lost} lost: {:#?}", bench.facts);
        assert!(bench.facts.contains(&Fact::Detached { ue: 1 }), "message {lost} lost: {:#?}", bench.facts);
        assert_eq!(bench.contexts(), 0, "message {lost} lost: {:#?}", bench.facts);
        assert_eq!(bench.connections(1), 0, "message {lost} lost: {:#?}", bench.facts);
    }
}

#[test]
fn a_deaf_network_is_tried_five_times_and_then_rarely() {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    bench.lose_if(|_, _, frame| matches!(air::for_ue(frame), Some(DlDcch::DlInformationTransfer(_))));
    bench.ue(1, UeInput::PowerOn);
    bench.run(5 * 25 + 100);
    let failures: Vec<_> = bench
        .facts
        .iter()
        .filter(|f| matches!(f, Fact::Failed { reason, retry: true, .. } if reason == "timeout-t3410"))
        .collect();
    assert_eq!(failures.len(), 5);
    assert_eq!(bench.sent("ue1 > Attach Request"), 5);
    bench.lose_if(|_, _, _| false);
    bench.run(1_000);
    assert!(bench.ip_of(1).is_some());
}

#[test]
fn an_unanswered_detach_ends_after_five_requests() {
    let mut bench = Bench::new(config(), 1);
    bench.power_on(1, 100);
    bench.run(5);
    bench.lose_if(|_, _, frame| matches!(frame, Payload::Up(_)));
    bench.ue(1, UeInput::Detach);
    bench.run(100);
    assert!(bench.facts.contains(&Fact::Detached { ue: 1 }));
    assert_eq!(bench.sent("ue1 > Detach Request"), 5);
}

#[test]
fn any_two_messages_may_be_lost() {
    let (whole, _) = run(&[]);
    for first in 1..whole.carried() {
        for second in first + 1..=whole.carried() {
            let (bench, _) = run(&[first, second]);
            let story = || format!("messages {first} and {second} lost: {:#?}", bench.facts);
            assert!(bench.ip_of(1).is_some(), "{}", story());
            assert!(bench.facts.contains(&Fact::Detached { ue: 1 }), "{}", story());
            assert_eq!((bench.contexts(), bench.connections(1)), (0, 0), "{}", story());
        }
    }
}
