//! What each cause of an ATTACH REJECT does to the UE (TS 24.301 clause 5.5.1.2.5).

use cellbed::event::Actor;
use cellbed::kernel::{Duration, Instant};
use cellbed::ran::{Downlink, UeInput};
use cellbed::world::{Iface, Port};

use crate::bench::{Bench, config};
use crate::log::Fact;

/// A UE that has sent its ATTACH REQUEST to a network that says nothing.
fn waiting() -> Bench {
    let mut bench = Bench::new(config(), 1);
    bench.run(1);
    bench.lose_if(|_, to, _| to == Port::new(Actor::MME, Iface::S1Mme));
    bench.ue(1, UeInput::PowerOn);
    bench.run(2);
    assert_eq!(bench.sent("ue1 > Attach Request"), 1);
    bench
}

fn rejected(nas: &str) -> Bench {
    let mut bench = waiting();
    bench.ue(1, UeInput::Air(Downlink::Information { nas: hex::decode(nas).unwrap() }));
    bench
}

#[test]
fn causes_that_hold() {
    let cases = [
        (3, "NO_IMSI"),
        (6, "NO_IMSI"),
        (7, "NO_IMSI"),
        (8, "NO_IMSI"),
        (11, "PLMN_SEARCH"),
        (12, "LIMITED_SERVICE"),
        (13, "PLMN_SEARCH"),
        (14, "PLMN_SEARCH"),
        (15, "LIMITED_SERVICE"),
        (35, "PLMN_SEARCH"),
    ];
    for (cause, state) in cases {
        let mut bench = rejected(&format!("0744{cause:02x}"));
        assert_eq!(bench.failure(1), Some((format!("emm-cause-{cause}").as_str(), false)));
        let change = format!("ue1.emm REGISTERED_INITIATED -> DEREGISTERED.{state}");
        assert!(bench.facts.contains(&Fact::State(change)), "#{cause}: {:?}", bench.facts);
        assert_eq!(bench.deadline(1), None);
        bench.run(5_000);
        assert_eq!(bench.sent("ue1 > Attach Request"), 1, "#{cause}");
    }
}

#[test]
fn causes_that_pass() {
    // Network failure, and ESM failure without a reason: T3411. Protocol error: T3402 at once.
    for (cause, wait_s) in [(17, 10), (19, 10), (111, 12 * 60)] {
        let bench = rejected(&format!("0744{cause:02x}"));
        assert_eq!(bench.failure(1), Some((format!("emm-cause-{cause}").as_str(), true)));
        assert_eq!(bench.deadline(1), Some(bench.now() + Duration::from_secs(wait_s)));
    }
}

#[test]
fn congestion_waits_as_long_as_it_is_told() {
    // T3346 of ten minutes; then none.
    let bench = rejected("0744165f012a");
    assert_eq!(bench.failure(1), Some(("emm-cause-22", true)));
    assert_eq!(bench.deadline(1), Some(bench.now() + Duration::from_secs(600)));
    let bench = rejected("074416");
    assert_eq!(bench.deadline(1), Some(bench.now() + Duration::from_secs(10)));
}

#[test]
fn a_closed_group_needs_proof() {
    // #25 is not taken without integrity protection (clause 4.4.4.2).
    let bench = rejected("074419");
    assert_eq!(bench.failure(1), None);
}

#[test]
fn an_authentication_reject_holds() {
    let bench = rejected("0754");
    assert_eq!(bench.failure(1), Some(("authentication-reject", false)));
    assert_eq!(bench.deadline(1), None);
}

#[test]
fn a_challenge_for_another_system_is_refused() {
    // An AUTN whose AMF has no separation bit.
    let challenge = format!("075200{}10{}", "23".repeat(16), "00".repeat(16));
    let mut bench = rejected(&challenge);
    assert_eq!(bench.sent("ue1 > Authentication Failure cause=26"), 1);
    // T3418, and the cell is left to itself for a while.
    assert_eq!(bench.deadline(1), Some(bench.now() + Duration::from_secs(20)));
    bench.run(30);
    assert_eq!(bench.failure(1), Some(("non-eps-authentication", true)));
    assert!(bench.deadline(1) > Some(Instant::from_nanos(300_000_000_000)));
}

#[test]
fn three_wrong_challenges_are_enough() {
    let mut bench = waiting();
    let challenge = hex::decode(format!("075200{}10{}", "23".repeat(16), "80".repeat(16))).unwrap();
    for _ in 0..3 {
        bench.ue(1, UeInput::Air(Downlink::Information { nas: challenge.clone() }));
    }
    assert_eq!(bench.sent("ue1 > Authentication Failure cause=20"), 3);
    assert_eq!(bench.failure(1), Some(("mac-failure", true)));
}

#[test]
fn unknown_and_malformed_messages_get_a_status() {
    // A message type that there is not; an AUTHENTICATION REQUEST cut short.
    for (nas, cause) in [("07ff", 97), ("07520011", 96)] {
        let bench = rejected(nas);
        assert_eq!(bench.sent(&format!("ue1 > EMM Status cause={cause}")), 1, "{:?}", bench.facts);
        assert_eq!(bench.failure(1), None);
    }
}
