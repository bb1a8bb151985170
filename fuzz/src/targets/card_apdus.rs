//! Sequences of commands to a whole UICC: no input may panic, get a key out of the card, or leave it in a state that
//! it cannot keep.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use cellbed::card::{CardPort, Personalisation, SimProfile, Uicc};
use cellbed::kernel::RngTree;

use super::{kept, secrets};

const PROFILE: &str = include_str!("../../../sim-profiles/lte-5g-test.toml");

/// The most steps of one run: longer ones find nothing that shorter ones do not.
const STEPS_MAX: usize = 200;

static CARD: LazyLock<Personalisation> =
    LazyLock::new(|| SimProfile::parse(PROFILE).expect("a profile").personalise(0).expect("a card"));

/// What happens to the card.
#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// A command that has a form at least: case 1 to 4 with short lengths.
    Command {
        class: u8,
        instruction: Instruction,
        p1: u8,
        p2: u8,
        data: Data<'a>,
        le: Option<u8>,
    },
    /// Any bytes.
    Bytes(&'a [u8]),
    /// GET RESPONSE for what the last status word announces, or the last command with the Le that it corrects.
    Follow,
    Reset,
    /// The card goes on from its saved state in another body.
    Restore,
}

/// An instruction byte: any, or one that means something.
#[derive(Debug, Arbitrary)]
enum Instruction {
    Known(u8),
    Any(u8),
}

impl Instruction {
    fn byte(&self) -> u8 {
        const KNOWN: &[u8] = &[
            0xa4, 0xb0, 0xb2, 0xd6, 0xdc, 0xf2, 0xa2, 0x32, 0x20, 0x24, 0x26, 0x28, 0x2c, 0x88, 0x70, 0xc0,
            0x84, 0xb9, 0xcd, 0xd8, 0x46, 0x48, 0x4a, 0x2a, 0x2b, 0x2d, 0xcb, 0x78, 0x10, 0x12, 0x14, 0xaa,
            0xfa, 0x04, 0x44,
        ];
        match *self {
            Self::Known(at) => KNOWN[usize::from(at) % KNOWN.len()],
            Self::Any(byte) => byte,
        }
    }
}

/// Command data: any, or some that gets somewhere.
#[derive(Debug, Arbitrary)]
enum Data<'a> {
    Known(u8),
    Any(&'a [u8]),
}

impl Data<'_> {
    fn bytes(&self) -> Vec<u8> {
        const KNOWN: &[&str] = &[
            "a0000000871002",
            "a0000000871004",
            "a0000005590010",
            "3f00",
            "2f00",
            "2f06",
            "7f10",
            "7f20",
            "7fff",
            "6f07",
            "6f39",
            "6f3a",
            "6f3b",
            "6f7b",
            "6f20",
            "5fc0",
            "4f07",
            "7fff6f07",
            "3030303030303030",
            "30303030ffffffff",
            "840101",
            "840102",
            "850101",
            "850102",
            "850103",
            "860101",
            "830101",
            "830102",
            "840101a1010191020001920104",
            "840101a1010291020001920104",
            "840101a1010391020001920104",
            "850101a1010391020001920104",
            "840102850103",
            "9b03616263",
            "8301015303616263",
            "a903830180",
            "10000102030405060708090a0b0c0d0e0f10000102030405060708090a0b0c0d0e0f",
            "23553cbe9637a89d218ae64dae47bf35",
        ];
        match self {
            Self::Known(at) => {
                hex::decode(KNOWN[usize::from(*at) % KNOWN.len()]).expect("hexadecimal digits")
            }
            Self::Any(bytes) => bytes[..bytes.len().min(255)].to_vec(),
        }
    }
}

/// What the bytes are read as is for `arbitrary` to say.
pub fn run(bytes: &[u8]) {
    if let Ok(steps) = Vec::<Step<'_>>::arbitrary_take_rest(Unstructured::new(bytes)) {
        take(&steps);
    }
}

fn new_card() -> Uicc {
    Uicc::new(&CARD, RngTree::new(7).branch("card1"), &[0x30; 700]).expect("a card")
}

fn take(steps: &[Step<'_>]) {
    let mut card = new_card();
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let mut answer = Vec::new();
    for step in steps.iter().take(STEPS_MAX) {
        let command = match step {
            Step::Command { class, instruction, p1, p2, data, le } => {
                let data = data.bytes();
                let mut command = vec![*class, instruction.byte(), *p1, *p2];
                if !data.is_empty() {
                    command.push(data.len() as u8);
                    command.extend(data);
                }
                command.extend(le);
                command
            }
            Step::Bytes(bytes) => bytes.to_vec(),
            Step::Follow => match (&answer[..], sent.last()) {
                (&[.., 0x61, length], Some(last)) => vec![last[0] & 0x43, 0xc0, 0, 0, length],
                (&[.., 0x9f, length], _) => vec![0xa0, 0xc0, 0, 0, length],
                (&[.., 0x6c | 0x67, length], Some(last)) if last.len() >= 4 => {
                    [&last[..4], &[length]].concat()
                }
                _ => continue,
            },
            Step::Reset => {
                assert!(card.reset().expect("a virtual card answers").starts_with(&[0x3b]));
                continue;
            }
            Step::Restore => {
                card = kept::restored(&card, new_card());
                continue;
            }
        };
        answer = card.transmit(&command).expect("a virtual card answers");
        assert!((2..=258).contains(&answer.len()), "{answer:02x?}");
        if !command.is_empty() {
            sent.push(command);
        }
        secrets::tells_none(&card, &CARD, &sent, &answer);
    }
    still_works(card);
}

/// The card goes on working, and its state is whole.
fn still_works(mut card: Uicc) {
    let mut again = kept::same(&card, new_card());
    for card in [&mut card, &mut again] {
        card.reset().expect("a virtual card answers");
        let select =
            card.transmit(&[0x00, 0xa4, 0x00, 0x0c, 0x02, 0x3f, 0x00]).expect("a virtual card answers");
        assert_eq!(select, [0x90, 0x00]);
        let select =
            card.transmit(&[0xa0, 0xa4, 0x00, 0x00, 0x02, 0x3f, 0x00]).expect("a virtual card answers");
        assert_eq!(select, [0x9f, 0x16]);
    }
}
