//! `cellbed card ota` through pcscd: packets over the air, and counters that outlive the card's program.

use std::fs;

use super::lab::{Lab, PROFILE, ended};

#[test]
fn a_packet_is_done_once_also_after_the_card_was_killed() {
    let unproved = "card ota reaches a card through pcscd";
    let Some(lab) = Lab::start_with_readers(unproved) else { return };
    let state = lab.path().join("state");
    let state = ["--state", state.to_str().unwrap()];
    let served = lab.serve(&state);
    let ota = |counter: &str, args: &[&str]| {
        let fixed = ["card", "ota", "--keys-of", PROFILE, "--counter", counter];
        lab.cellbed(&[&fixed[..], args].concat())
    };
    let text = ended(0, &ota("1", &["--read-file", "2fe2", "--show-identifiers"]));
    assert!(text.contains("data          988812010000000010f1"), "{text}");
    let text = ended(0, &ota("2", &["--list-applications"]));
    assert!(text.contains("0B (") && text.contains("application A0000005590010"), "{text}");
    let generate = ["--tar", "495341", "--script", "aa0b220980b900000384010100"];
    let text = ended(0, &ota("3", &generate));
    assert!(text.contains("9000  8401018501013445494386410"), "{text}");
    served.kill();
    let served = lab.serve(&state);
    let text = ended(100, &ota("3", &generate));
    assert!(text.contains("02 (the counter is too low)"), "{text}");
    // Somebody with other keys hears nothing.
    let key = lab.path().join("key");
    fs::write(&key, "00112233445566778899aabbccddeeff\n").unwrap();
    let key = key.to_str().unwrap();
    let keys = ["card", "ota", "--kic", key, "--kid", key, "--counter", "9", "--read-file", "2fe2"];
    let text = ended(100, &lab.cellbed(&keys));
    assert!(text.contains("answer        none; ENVELOPE ended with 9000"), "{text}");
    assert_eq!(served.terminate(), Some(0));
}
