//! Short messages to a card over ENVELOPE, of anybody and of somebody with the keys: no input may panic, get a key out of
//! the card, or leave it in a state that it cannot keep.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use cellbed::card::{CardPort, Personalisation, SimProfile, Uicc};
use cellbed::kernel::RngTree;
use cellbed::wire::ota::{
    Address, Command, Concatenation, Counter, Deliver, Kind, Part, SmsPpDownload, Spi, USER_DATA_MAX,
};

use super::{kept, secrets};

const PROFILE: &str = include_str!("../../../sim-profiles/lte-5g-test.toml");

/// The most steps of one run: longer ones find nothing that shorter ones do not.
const STEPS_MAX: usize = 60;

/// References of applications of the card.
const TARS: [[u8; 3]; 5] = [[0, 0, 0], [0xb0, 1, 0x20], [0xb0, 1, 0x40], [0xb0, 1, 0x41], [0x49, 0x53, 0x41]];

static CARD: LazyLock<Personalisation> =
    LazyLock::new(|| SimProfile::parse(PROFILE).expect("a profile").personalise(0).expect("a card"));

/// What happens to the card.
#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// Any data of ENVELOPE.
    Envelope(&'a [u8]),
    /// A message with any user data.
    Message(&'a [u8]),
    /// A packet of nobody, or a part of one.
    Packet {
        part: Option<(u8, u8, u8)>,
        kind: bool,
        packet: &'a [u8],
    },
    /// A script of somebody with the keys, or one of which an octet is changed on its way: which one, says `tar` as well.
    Script {
        tar: u8,
        spi: [u8; 2],
        unchanged: bool,
        script: &'a [u8],
    },
    /// GET RESPONSE, FETCH or TERMINAL RESPONSE for what the last status word announces.
    Follow,
    Reset,
    /// The card goes on from its saved state in another body.
    Restore,
}

/// What the bytes are read as is for `arbitrary` to say.
pub fn run(bytes: &[u8]) {
    if let Ok(steps) = Vec::<Step<'_>>::arbitrary_take_rest(Unstructured::new(bytes)) {
        take(&steps);
    }
}

fn new_card() -> Uicc {
    let mut card = Uicc::new(&CARD, RngTree::new(7).branch("card1"), &[0x30; 700]).expect("a card");
    greeted(&mut card);
    card
}

/// A terminal that does everything.
fn greeted(card: &mut Uicc) {
    card.transmit(&[0x80, 0x10, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]).expect("a virtual card answers");
}

fn envelope(user_data: Vec<u8>) -> Option<Vec<u8>> {
    let user_data = user_data.get(..user_data.len().min(USER_DATA_MAX))?.to_vec();
    let originator = Address::new(0x81, "12345678").ok()?;
    let tpdu = Deliver::to_card(originator, [0; 7], user_data).encode().ok()?;
    SmsPpDownload { service_centre: None, tpdu }.command().ok()
}

fn command(step: &Step<'_>, counter: u64, answer: &[u8]) -> Option<Vec<u8>> {
    match step {
        Step::Envelope(data) => {
            let data = &data[..data.len().min(255)];
            Some([&[0x80, 0xc2, 0, 0, data.len() as u8][..], data].concat())
        }
        Step::Message(user_data) => envelope(user_data.to_vec()),
        Step::Packet { part, kind, packet } => {
            let concatenation = part.map(|(reference, parts, number)| Concatenation {
                reference: reference.into(),
                parts: parts % 10,
                number: number % 10,
            });
            let part = Part { kind: kind.then_some(Kind::Command), concatenation, payload: packet.to_vec() };
            envelope(part.encode())
        }
        Step::Script { tar, spi, unchanged, script } => {
            let keys = &CARD.ota.as_ref()?.set;
            let header = keys.header(Spi(*spi), TARS[usize::from(*tar) % TARS.len()]);
            let data = script[..script.len().min(100)].to_vec();
            let mut packet =
                Command { header, counter: Counter::new(counter)?, data }.seal(Some(keys)).ok()?;
            if !unchanged {
                // Of what the checksum covers, the padding counter is looked at before the checksum is.
                let place = match usize::from(*tar) / TARS.len() {
                    0 => packet.len() - 1,
                    place => place % packet.len(),
                };
                packet[place] ^= 0x81;
            }
            envelope(Part::whole(Kind::Command, packet).encode())
        }
        Step::Follow => match *answer {
            [.., 0x61, length] => Some(vec![0x00, 0xc0, 0, 0, length]),
            [.., 0x91, length] => Some(vec![0x80, 0x12, 0, 0, length]),
            [0xd0, .., 0x90, 0x00] => Some(
                [&[0x80, 0x14, 0, 0, 12][..], &[0x81, 3, 1, 0x13, 0, 0x82, 2, 0x82, 0x81, 0x83, 1, 0]]
                    .concat(),
            ),
            _ => None,
        },
        Step::Reset | Step::Restore => None,
    }
}

fn take(steps: &[Step<'_>]) {
    let mut card = new_card();
    let (mut sent, mut answer, mut counter) = (Vec::new(), Vec::new(), 0);
    for step in steps.iter().take(STEPS_MAX) {
        counter += 1;
        match step {
            Step::Reset => {
                card.reset().expect("a virtual card answers");
                greeted(&mut card);
            }
            Step::Restore => {
                card = kept::restored(&card, new_card());
                greeted(&mut card);
            }
            _ => {}
        }
        let Some(command) = command(step, counter, &answer) else { continue };
        answer = card.transmit(&command).expect("a virtual card answers");
        assert!((2..=258).contains(&answer.len()), "{answer:02x?}");
        sent.push(command);
        secrets::tells_none(&card, &CARD, &sent, &answer);
    }
    let mut again = kept::same(&card, new_card());
    let select = again.transmit(&[0x00, 0xa4, 0x00, 0x0c, 0x02, 0x3f, 0x00]).expect("a virtual card answers");
    assert_eq!(select, [0x90, 0x00]);
}
