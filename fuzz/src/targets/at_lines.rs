//! Characters to the modem of a card: no input may panic, and the modem goes on answering.

use std::sync::LazyLock;

use cellbed::card::{Modem, Personalisation, SimProfile, Uicc};
use cellbed::kernel::RngTree;

const PROFILE: &str = include_str!("../../../sim-profiles/lte-test.toml");

static CARD: LazyLock<Personalisation> =
    LazyLock::new(|| SimProfile::parse(PROFILE).expect("a profile").personalise(0).expect("a card"));

/// Any bytes.
pub fn run(characters: &[u8]) {
    let mut card = Uicc::new(&CARD, RngTree::new(7).branch("card1"), &[]).expect("a card");
    let mut modem = Modem::default();
    modem.receive(characters, &mut card);
    modem.receive(b"\rATZ\r", &mut card);
    assert!(modem.receive(b"AT\r", &mut card).ends_with(b"\r\nOK\r\n"));
}
