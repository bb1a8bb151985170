//! What messages that nothing protects do to a UE that attaches, where they do not refuse it (see `forged`).

use cellbed::kernel::{Duration, Instant};
use cellbed::ran::UeInput;

use crate::air;
use crate::bench::Bench;
use crate::forged::waiting;

fn rejected(nas: &str) -> Bench {
    let mut bench = waiting();
    bench.ue(1, UeInput::Air(air::down(hex::decode(nas).unwrap())));
    bench
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
fn a_closed_group_needs_proof() {
    // #25 is not taken without integrity protection (clause 4.4.4.2).
    let bench = rejected("074419");
    assert_eq!(bench.failure(1), None);
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
        bench.ue(1, UeInput::Air(air::down(challenge.clone())));
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
