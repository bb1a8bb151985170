//! Programs of third parties see the card and talk to it.

use cellbed::card::{CardPort, Uicc};
use cellbed::kernel::ServedRng;

use super::lab::Lab;

#[test]
fn programs_of_third_parties_use_the_card() {
    let Some(lab) = Lab::start("pcsc_scan, opensc-tool and pyscard use the card") else { return };
    let served = lab.serve(&["--trace"]);

    let scan = lab.command("pcsc_scan").arg("-c").output().unwrap();
    let scan = String::from_utf8_lossy(&scan.stdout).into_owned();
    // The name in it says that its keys are its own.
    let rng = ServedRng::from_system(&[7; 32]);
    let atr = Uicc::without_profile(rng.tree().origin()).reset().unwrap();
    let atr: String = atr.iter().map(|octet| format!(" {octet:02X}")).collect();
    assert!(scan.contains(&format!("ATR:{atr}")), "{scan}");

    let opensc = lab.command("opensc-tool").args(["-r", "0", "-s", "00A4000C023F00"]).output().unwrap();
    let opensc = String::from_utf8_lossy(&opensc.stdout).into_owned();
    assert!(opensc.contains("SW1=0x90, SW2=0x00"), "{opensc}");

    // pyscard reads EF.ICCID, whose digits stand low nibble first (TS 102 221 clause 13.2).
    let answers = lab.send(&["00a40004022fe2", "00b000000a"]);
    let iccid: String = answers[1]
        .as_bytes()
        .chunks(2)
        .take(10)
        .flat_map(|octet| [octet[1], octet[0]])
        .map(char::from)
        .collect();
    let profile = std::fs::read_to_string(super::lab::PROFILE).unwrap();
    assert!(profile.contains(iccid.trim_end_matches('f')), "{iccid}");

    let read = served.wait_for("READ BINARY file=EF.ICCID");
    assert!(read.contains("> 9000") && read.contains("card1"), "{read}");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn two_cards_are_in_two_readers_and_find_back_to_them() {
    let Some(mut lab) = Lab::start("two cards find back to their readers") else { return };
    let served = lab.serve(&["--count", "2"]);
    let both = || {
        super::lab::wait("the second card", || {
            let scan = lab.command("pcsc_scan").arg("-c").output().unwrap();
            String::from_utf8_lossy(&scan.stdout).matches("Card inserted").count() == 2
        });
    };
    both();
    lab.stop_service();
    served.wait_for("has gone");
    lab.start_service();
    served.wait_for("is in the reader");
    lab.wait_for_card();
    assert_eq!(lab.send(&["00a4000c023f00"]), ["9000"]);
    assert_eq!(served.terminate(), Some(0));
}
