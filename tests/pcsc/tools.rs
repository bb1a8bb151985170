//! The card tools see the same card through pcscd as in process.

use super::lab::{Lab, PROFILE, ended};

#[test]
fn the_tools_reach_a_card_through_pcscd() {
    let Some(lab) = Lab::start_with_readers("the card tools reach a card through pcscd") else { return };
    let served = lab.serve(&[]);
    let tool = |args: &[&str]| lab.cellbed(&[&["card"], args].concat());

    let list = ended(0, &tool(&["list"]));
    assert!(list.contains("Virtual PCD 00 00\n     UICC with USIM"), "{list}");
    for command in ["info", "dump"] {
        let through_reader = ended(0, &tool(&[command, "--reader", "Virtual PCD 00 00"]));
        assert_eq!(through_reader, ended(0, &tool(&[command, "--virtual", PROFILE])));
    }
    let text = ended(0, &tool(&["iot-safe", "--write"]));
    assert!(text.contains("pass  sign full text") && text.contains(" 0 failed"), "{text}");
    let zeros = "00000000000000000000000000000000";
    let text = ended(100, &tool(&["auth", "--rand", zeros, "--autn", zeros]));
    assert!(text.contains("MAC failure"), "{text}");

    let program = ["program", PROFILE, "--index", "3", "--adm"];
    let text = ended(96, &tool(&[&program[..], &["12345678"]].concat()));
    assert!(text.contains("2 tries left"), "{text}");
    let text = ended(0, &tool(&[&program[..], &["88888888"]].concat()));
    assert!(text.contains("EF.IMSI       written and read back"), "{text}");
    let text = ended(0, &tool(&["info", "--show-identifiers"]));
    assert!(text.contains("001010000000004"), "{text}");

    let text = ended(96, &tool(&["info", "--reader", "ACME"]));
    assert!(text.contains("there is no reader \"ACME\"; there are: Virtual PCD 00 00"), "{text}");
    assert_eq!(served.terminate(), Some(0));
    assert!(ended(96, &tool(&["info"])).contains("no card in reader"));
}
