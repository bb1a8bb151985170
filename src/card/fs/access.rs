//! Access rules of files (ETSI TS 102 221 clause 9.2): records of EF.ARR in expanded format (ISO/IEC 7816-4
//! clause 5.4.3). What such a record says is what the card enforces: a file has no other rule.

use crate::card::pin::{PIN1, PIN2};
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

impl Mode {
    /// The bit of an access mode byte (ISO/IEC 7816-4 table 17). INCREASE has none.
    fn bit(self) -> u8 {
        match self {
            Self::Read => 0x01,
            Self::Update => 0x02,
            Self::Increase => 0x00,
        }
    }

    /// Class and instruction byte that a command description may name.
    fn commands(self) -> &'static [[u8; 2]] {
        match self {
            Self::Read => &[[0x00, 0xb0], [0x00, 0xb2], [0x00, 0xa2]],
            Self::Update => &[[0x00, 0xd6], [0x00, 0xdc]],
            Self::Increase => &[[0x80, 0x32]],
        }
    }

    /// Whether an access mode data object means this: `80` is an access mode byte; `81` to `8F` list commands by
    /// class, instruction, P1 and P2, of which bits 4 to 1 of the tag say which are given.
    fn meant(self, tag: u16, value: &[u8]) -> bool {
        if tag == 0x80 {
            return matches!(value, &[modes] if modes & self.bit() != 0);
        }
        let given = |bit: u16| usize::from(tag & bit != 0);
        let (class, instruction) = (given(0x08), given(0x04));
        let length = class + instruction + given(0x02) + given(0x01);
        // What holds for one P1 or P2 only says nothing about the whole file.
        if tag & 0x03 != 0 || !value.len().is_multiple_of(length) {
            return false;
        }
        let matches = |described: &[u8]| {
            self.commands().iter().any(|command| described == &command[1 - class..1 + instruction])
        };
        value.chunks_exact(length).any(matches)
    }
}

/// Whether `rule`, a record of EF.ARR, permits `mode` when `granted` says which keys are verified or disabled.
pub(super) fn permits(rule: &[u8], mode: Mode, granted: &dyn Fn(u8) -> bool) -> bool {
    conditions(rule, mode).any(|(tag, value)| condition(tag, value, granted))
}

/// The conditions of `rule` that stand behind an access mode which covers `mode`.
fn conditions(rule: &[u8], mode: Mode) -> impl Iterator<Item = (u16, &[u8])> {
    let mut concerned = false;
    // The filling `FF` behind the last rule is no data object: it ends the list.
    Reader::new(rule).map_while(Result::ok).filter_map(move |object| {
        match (object.tag, object.value) {
            (tag @ 0x80..=0x8f, value) => concerned = mode.meant(tag, value),
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

/// Whether a security condition is met (ISO/IEC 7816-4 table 23). One that is not known is not, and neither is a
/// template that holds one.
fn condition(tag: u16, value: &[u8], granted: &dyn Fn(u8) -> bool) -> bool {
    let mut inner = Reader::new(value).map_while(Result::ok);
    match tag {
        0x90 => true,
        0xa4 => inner.any(|object| matches!(object.value, &[key] if object.tag == 0x83 && granted(key))),
        0xa0 => inner.any(|object| condition(object.tag, object.value, granted)),
        0xaf => {
            let whole = Reader::new(value).all(|object| object.is_ok());
            whole && !value.is_empty() && inner.all(|object| condition(object.tag, object.value, granted))
        }
        _ => false,
    }
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
    use crate::support::bent::bent;
    use proptest::prelude::*;

    /// PIN1 as `pin1` says, PIN2 and ADM1 not verified.
    fn pins(pin1: bool) -> impl Fn(u8) -> bool {
        move |key| key == 0x01 && pin1
    }

    #[test]
    fn rules_say_who_may() {
        let rule = |number: u8| &ARR[usize::from((number - 1) * ARR_RECORD)..][..usize::from(ARR_RECORD)];
        for number in 1..=ARR_COUNT {
            let modes = [Mode::Read, Mode::Update, Mode::Increase];
            let found: Vec<bool> = [true, false]
                .iter()
                .flat_map(|pin1| modes.map(|mode| permits(rule(number), mode, &pins(*pin1))))
                .collect();
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

    fn key(key: u8) -> [u8; 8] {
        [0xa4, 0x06, 0x83, 0x01, key, 0x95, 0x01, 0x08]
    }

    #[test]
    fn templates_join_conditions() {
        let joined = |tag: u8| [&[0x80, 1, 1, tag, 16][..], &key(0x01), &key(0x0a)].concat();
        assert!(permits(&joined(0xa0), Mode::Read, &pins(true)), "one of both");
        assert!(!permits(&joined(0xa0), Mode::Read, &pins(false)), "none");
        assert!(!permits(&joined(0xaf), Mode::Read, &pins(true)), "not both");
        assert!(permits(&joined(0xaf), Mode::Read, &|_| true), "both");
        // Either ADM1, or PIN1 and PIN2.
        let nested = [&[0x80, 1, 1, 0xa0, 26][..], &key(0x0a), &[0xaf, 16], &key(0x01), &key(0x81)].concat();
        assert!(permits(&nested, Mode::Read, &|key| key == 0x0a));
        assert!(permits(&nested, Mode::Read, &|key| key != 0x0a));
        assert!(!permits(&nested, Mode::Read, &pins(true)));
    }

    #[test]
    fn an_unknown_condition_is_never_met() {
        // Secure messaging, a security byte, an AND with something behind it that is no data object.
        for condition in [&[0xb4, 3, 0x80, 1, 4][..], &[0x9e, 1, 0x00], &[0xaf, 3, 0x90, 0, 0x1f], &[0xaf, 0]]
        {
            assert!(!permits(&[&[0x80, 1, 1][..], condition].concat(), Mode::Read, &|_| true));
        }
    }

    #[test]
    fn commands_are_described_by_parts_of_their_headers() {
        let rule = |tag: u8, value: &[u8]| [&[tag, value.len() as u8][..], value, &[0x90, 0]].concat();
        let increase = |tag, value: &[u8]| permits(&rule(tag, value), Mode::Increase, &|_| false);
        assert!(increase(0x84, &[0x32]) && increase(0x84, &[0xd4, 0x32]));
        assert!(increase(0x8c, &[0x80, 0x32]) && !increase(0x8c, &[0x00, 0x32]));
        assert!(!increase(0x84, &[0x33]) && !increase(0x8c, &[0x80, 0x32, 0x80]));
        assert!(!increase(0x86, &[0x32, 0x00]), "one P1 is not the file");
        assert!(permits(&rule(0x84, &[0xb2]), Mode::Read, &|_| false));
        assert!(!permits(&rule(0x84, &[0xb2]), Mode::Update, &|_| false));
    }

    proptest! {
        /// Who has more keys may do no less, and a rule of fillers lets nobody do anything.
        #[test]
        fn more_keys_permit_no_less(
            rule in (1..=usize::from(ARR_COUNT)).prop_flat_map(|record| {
                bent(ARR[(record - 1) * usize::from(ARR_RECORD)..record * usize::from(ARR_RECORD)].to_vec())
            }),
            held in any::<[bool; 256]>(),
        ) {
            for mode in [Mode::Read, Mode::Update, Mode::Increase] {
                let none = permits(&rule, mode, &|_| false);
                let some = permits(&rule, mode, &|key| held[usize::from(key)]);
                let every = permits(&rule, mode, &|_| true);
                prop_assert!(none <= some && some <= every, "{mode:?}: {none} {some} {every}");
                // It takes a condition that stands behind an access mode.
                prop_assert!(!every || conditions(&rule, mode).next().is_some());
                prop_assert!(!permits(&vec![0xff; rule.len()], mode, &|_| true));
            }
        }
    }
}
