//! Access rules of files (ETSI TS 102 221 clause 9.2): records of EF.ARR in expanded format (ISO/IEC 7816-4
//! clause 5.4.3). What such a record says is what the card enforces: a file has no other rule.

use crate::card::pin::{PIN1, PIN2, Pins};
use crate::wire::tlv::Reader;

/// Bytes of one record of EF.ARR.
pub(super) const ARR_RECORD: u8 = 36;
/// Records of EF.ARR.
pub(super) const ARR_COUNT: u8 = 7;

// Rules, by the number of their record in EF.ARR.
pub(super) const DIRECTORY: u8 = 1;
/// Read by anybody, updated by the administrator.
pub(super) const PUBLIC: u8 = 2;
/// Read with PIN1, updated by the administrator.
pub(super) const SUBSCRIPTION: u8 = 3;
/// Read and updated with PIN1: what the terminal stores in the card.
pub(super) const TERMINAL: u8 = 4;
/// Read by anybody, updated with PIN1.
pub(super) const PREFERENCE: u8 = 5;
/// Read with PIN1, updated with PIN2.
pub(super) const RESTRICTED: u8 = 6;
/// Read and increased with PIN1, updated with PIN2.
pub(super) const COUNTER: u8 = 7;

// Access mode bytes: 01 read, 02 update, 10 activate, 08 deactivate; `84 01 32` is the instruction INCREASE.
// `90 00` is always, `97 00` never, and `A4 06 83 01 <key reference> 95 01 08` "after verification of that key".
/// The content of EF.ARR: the rules above in the order of their records.
#[rustfmt::skip]
pub(super) static ARR: [u8; ARR_COUNT as usize * ARR_RECORD as usize] = filled_up(ARR_RECORD, &[
    &[0x80, 0x01, 0x7f, 0x97, 0x00],
    &[0x80, 0x01, 0x01, 0x90, 0x00, 0x80, 0x01, 0x1a, 0xa4, 0x06, 0x83, 0x01, 0x0a, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x01, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08,
      0x80, 0x01, 0x1a, 0xa4, 0x06, 0x83, 0x01, 0x0a, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x03, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08,
      0x80, 0x01, 0x18, 0xa4, 0x06, 0x83, 0x01, 0x0a, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x01, 0x90, 0x00, 0x80, 0x01, 0x02, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x01, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08,
      0x80, 0x01, 0x02, 0xa4, 0x06, 0x83, 0x01, 0x81, 0x95, 0x01, 0x08],
    &[0x80, 0x01, 0x01, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08,
      0x80, 0x01, 0x02, 0xa4, 0x06, 0x83, 0x01, 0x81, 0x95, 0x01, 0x08,
      0x84, 0x01, 0x32, 0xa4, 0x06, 0x83, 0x01, 0x01, 0x95, 0x01, 0x08],
]);

/// What is to be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    Update,
    Increase,
}

/// Whether `rule`, a record of EF.ARR, permits `mode` as things stand.
pub(super) fn permits(rule: &[u8], mode: Mode, pins: &Pins) -> bool {
    conditions(rule, mode).any(|(tag, value)| condition(tag, value, pins))
}

/// The conditions of `rule` that stand behind an access mode which covers `mode`.
fn conditions(rule: &[u8], mode: Mode) -> impl Iterator<Item = (u16, &[u8])> {
    let mut concerned = false;
    // The filling `FF` behind the last rule is no data object: it ends the list.
    Reader::new(rule).map_while(Result::ok).filter_map(move |object| {
        match (object.tag, object.value) {
            (0x80, &[modes]) => {
                concerned = match mode {
                    Mode::Read => modes & 0x01 != 0,
                    Mode::Update => modes & 0x02 != 0,
                    Mode::Increase => false,
                }
            }
            (0x84, &[instruction]) => concerned = mode == Mode::Increase && instruction == 0x32,
            condition if concerned => return Some(condition),
            _ => {}
        }
        None
    })
}

/// What a SIM calls a security condition (TS 51.011 clause 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Always,
    Chv1,
    Chv2,
    Administrative,
    Never,
}

impl Level {
    /// The condition as half a byte (TS 51.011 clause 9.3).
    pub(super) fn nibble(self) -> u8 {
        match self {
            Self::Always => 0x0,
            Self::Chv1 => 0x1,
            Self::Chv2 => 0x2,
            Self::Administrative => 0x4,
            Self::Never => 0xf,
        }
    }
}

/// What `rule`, a record of EF.ARR, asks for before `mode`. A SIM has no words for joined conditions: these are
/// the administrator's to know.
pub(super) fn level(rule: &[u8], mode: Mode) -> Level {
    let mut levels = conditions(rule, mode).map(|(tag, value)| match (tag, value) {
        (0x90, _) => Level::Always,
        (0xa4, &[0x83, 0x01, key, ..]) => match key {
            PIN1 => Level::Chv1,
            PIN2 => Level::Chv2,
            _ => Level::Administrative,
        },
        (0xa0 | 0xaf, _) => Level::Administrative,
        _ => Level::Never,
    });
    levels.next().unwrap_or(Level::Never)
}

/// Whether a security condition is met. One that is not known is not.
fn condition(tag: u16, value: &[u8], pins: &Pins) -> bool {
    let mut inner = Reader::new(value).map_while(Result::ok);
    match tag {
        0x90 => true,
        0xa4 => inner.any(|object| matches!(object.value, &[key] if object.tag == 0x83 && pins.granted(key))),
        0xa0 => inner.any(|object| simple(object.tag, object.value, pins)),
        0xaf => !value.is_empty() && inner.all(|object| simple(object.tag, object.value, pins)),
        _ => false,
    }
}

/// A condition inside OR and AND templates, which do not nest here.
fn simple(tag: u16, value: &[u8], pins: &Pins) -> bool {
    matches!(tag, 0x90 | 0xa4) && condition(tag, value, pins)
}

/// Records of `record` bytes each, filled up with `FF`.
pub(super) const fn filled_up<const N: usize>(record: u8, values: &[&[u8]]) -> [u8; N] {
    let mut out = [0xff; N];
    let mut number = 0;
    while number < values.len() {
        let mut i = 0;
        while i < values[number].len() {
            out[number * record as usize + i] = values[number][i];
            i += 1;
        }
        number += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::PinCodes;
    use proptest::prelude::*;

    fn pins(pin1_enabled: bool) -> Pins {
        Pins::new(&PinCodes { enabled: pin1_enabled, ..PinCodes::default() })
    }

    #[test]
    fn rules_say_who_may() {
        let rule = |number: u8| &ARR[usize::from((number - 1) * ARR_RECORD)..][..usize::from(ARR_RECORD)];
        let (open, closed) = (pins(false), pins(true));
        for number in 1..=ARR_COUNT {
            let modes = [Mode::Read, Mode::Update, Mode::Increase];
            let found: Vec<bool> =
                [&open, &closed].iter().flat_map(|p| modes.map(|m| permits(rule(number), m, p))).collect();
            let expected = match number {
                DIRECTORY => [false; 6],
                PUBLIC => [true, false, false, true, false, false],
                SUBSCRIPTION | RESTRICTED => [true, false, false, false, false, false],
                TERMINAL => [true, true, false, false, false, false],
                PREFERENCE => [true, true, false, true, false, false],
                _ => [true, false, true, false, false, false],
            };
            assert_eq!(found, expected, "record {number}");
        }
    }

    #[test]
    fn templates_join_conditions() {
        let key = |key: u8| [0xa4, 0x06, 0x83, 0x01, key, 0x95, 0x01, 0x08];
        let joined = |tag: u8| [&[0x80, 1, 1, tag, 16][..], &key(0x01), &key(0x0a)].concat();
        assert!(permits(&joined(0xa0), Mode::Read, &pins(false)), "one of both");
        assert!(!permits(&joined(0xaf), Mode::Read, &pins(false)), "not both");
    }

    proptest! {
        #[test]
        fn no_rule_breaks_the_card(rule in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = permits(&rule, Mode::Update, &pins(true));
        }
    }
}
