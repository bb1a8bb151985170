//! STORE DATA to the ISD-R of an eUICC, in whole chains and in stray blocks, with other commands between them: no input
//! may panic, get a key out of the card, or leave it in a state that it cannot keep.

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use cellbed::card::{CardPort, Personalisation, SimProfile, Uicc};
use cellbed::esim::Pki;
use cellbed::kernel::RngTree;
use cellbed::world::euicc::{EuiccIssue, EuiccServers, virtual_euicc};

use super::{kept, secrets};

const PROFILE: &str = include_str!("../../../sim-profiles/bootstrap.toml");

/// The most steps of one run: longer ones find nothing that shorter ones do not.
const STEPS_MAX: usize = 60;

/// SELECT of the ISD-R (SGP.22 clause 2.4.3).
const SELECT_ISD_R: [u8; 21] = [
    0x00, 0xa4, 0x04, 0x00, 0x10, 0xa0, 0x00, 0x00, 0x05, 0x59, 0x10, 0x10, 0xff, 0xff, 0xff, 0xff, 0x89,
    0x00, 0x00, 0x01, 0x00,
];

struct Factory {
    card: Personalisation,
    pki: Pki,
    servers: EuiccServers,
}

static FACTORY: LazyLock<Factory> = LazyLock::new(|| {
    let card = SimProfile::parse(PROFILE).expect("a profile").personalise(0).expect("a card");
    let pki = Pki::lab().expect("the lab's hierarchy");
    let servers = EuiccServers::lab(&pki, &RngTree::new(7), true).expect("the lab's servers");
    Factory { card, pki, servers }
});

/// What happens to the card.
#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// A function with this body, in blocks of `block` bytes each.
    Function {
        channel: u8,
        function: u8,
        body: Body<'a>,
        block: u8,
    },
    /// One block of a chain, in order or not.
    Block {
        channel: u8,
        last: bool,
        number: u8,
        data: &'a [u8],
    },
    /// SELECT of the ISD-R, which opens the channel where it is closed.
    Select {
        channel: u8,
    },
    /// Any command.
    Bytes(&'a [u8]),
    /// GET RESPONSE for what the last status word announces.
    Follow,
    Reset,
    /// The card goes on from its saved state in another body.
    Restore,
}

/// What is in the data object of a function: any, or some that gets somewhere.
#[derive(Debug, Arbitrary)]
enum Body<'a> {
    Known(u8),
    Any(&'a [u8]),
}

impl Body<'_> {
    fn bytes(&self) -> Vec<u8> {
        const KNOWN: &[&str] = &[
            "",
            "5c015a",
            "5c035a9f70",
            // The bootstrap profile, by ISD-P AID and by number; with and without REFRESH.
            "a0114f10a0000005591010ffffffff89000010008101ff",
            "a0114f10a0000005591010ffffffff8900001000810100",
            "4f10a0000005591010ffffffff8900001000",
            "82020560",
            "8100",
            "8001ff",
            "80010181014082017f",
            "0a01000c00",
            "04100001020304050607080900010203040500",
            "800b736d64702e6578616d706c65",
            "8000",
        ];
        match self {
            Self::Known(at) => {
                hex::decode(KNOWN[usize::from(*at) % KNOWN.len()]).expect("hexadecimal digits")
            }
            Self::Any(bytes) => bytes[..bytes.len().min(2000)].to_vec(),
        }
    }
}

/// The data object of a function: its tag, its length and the body (SGP.22 clause 5.7; SGP.32 clause 5.9; the pieces of
/// a bound profile package).
fn data_object(function: u8, body: &[u8]) -> Vec<u8> {
    const TAGS: &[&[u8]] = &[
        &[0xbf, 0x20],
        &[0xbf, 0x21],
        &[0xbf, 0x22],
        &[0xbf, 0x28],
        &[0xbf, 0x29],
        &[0xbf, 0x2b],
        &[0xbf, 0x2d],
        &[0xbf, 0x2e],
        &[0xbf, 0x30],
        &[0xbf, 0x31],
        &[0xbf, 0x32],
        &[0xbf, 0x33],
        &[0xbf, 0x34],
        &[0xbf, 0x35],
        &[0xbf, 0x36],
        &[0xbf, 0x38],
        &[0xbf, 0x3c],
        &[0xbf, 0x3e],
        &[0xbf, 0x3f],
        &[0xbf, 0x41],
        &[0xbf, 0x43],
        &[0xbf, 0x51],
        &[0xbf, 0x55],
        &[0xbf, 0x56],
        &[0xbf, 0x57],
        &[0xbf, 0x58],
        &[0xbf, 0x59],
        &[0xbf, 0x5a],
        &[0xbf, 0x5d],
        &[0xbf, 0x5e],
        &[0xbf, 0x64],
        &[0xa0],
        &[0xa1],
        &[0xa2],
        &[0xa3],
        &[0x86],
        &[0x88],
    ];
    let length = body.len() as u16;
    let [high, low] = length.to_be_bytes();
    let head: &[u8] = match length {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [TAGS[usize::from(function) % TAGS.len()], head, body].concat()
}

/// What the bytes are read as is for `arbitrary` to say.
pub fn run(bytes: &[u8]) {
    if let Ok(steps) = Vec::<Step<'_>>::arbitrary_take_rest(Unstructured::new(bytes)) {
        take(&steps);
    }
}

fn new_card() -> Uicc {
    let Factory { card, pki, servers } = &*FACTORY;
    let issue = EuiccIssue { pki, servers, bootstrap: true, svn: None, identity: None };
    virtual_euicc(card, 1, &RngTree::new(7), &[0x30; 700], &issue).expect("an eUICC")
}

fn take(steps: &[Step<'_>]) {
    let mut card = new_card();
    let mut sent: Vec<Vec<u8>> = vec![SELECT_ISD_R.to_vec()];
    let mut answer = card.transmit(&SELECT_ISD_R).expect("a virtual card answers");
    for step in steps.iter().take(STEPS_MAX) {
        for command in commands(step, &sent, &answer) {
            answer = card.transmit(&command).expect("a virtual card answers");
            assert!((2..=258).contains(&answer.len()), "{answer:02x?}");
            sent.push(command);
            secrets::tells_none(&card, &FACTORY.card, &sent, &answer);
        }
        match step {
            Step::Reset => {
                assert!(card.reset().expect("a virtual card answers").starts_with(&[0x3b]));
            }
            Step::Restore => {
                card = kept::restored(&card, new_card());
            }
            _ => {}
        }
    }
    still_works(card);
}

/// The commands of a step.
fn commands(step: &Step<'_>, sent: &[Vec<u8>], answer: &[u8]) -> Vec<Vec<u8>> {
    let store = |channel: u8, last: bool, number: u8, data: &[u8]| {
        let data = &data[..data.len().min(255)];
        let head = [0x80 | channel & 0x03, 0xe2, if last { 0x91 } else { 0x11 }, number, data.len() as u8];
        [&head[..], data].concat()
    };
    match step {
        Step::Function { channel, function, body, block } => {
            let data = data_object(*function, &body.bytes());
            let blocks: Vec<&[u8]> = data.chunks(usize::from(*block).max(16)).collect();
            let last = blocks.len() - 1;
            let numbered = blocks.iter().enumerate();
            numbered.map(|(at, block)| store(*channel, at == last, at as u8, block)).collect()
        }
        Step::Block { channel, last, number, data } => vec![store(*channel, *last, *number, data)],
        Step::Select { channel } => {
            let mut select = SELECT_ISD_R.to_vec();
            select[0] = channel & 0x03;
            vec![select]
        }
        Step::Bytes(bytes) => vec![bytes.to_vec()],
        Step::Follow => match (answer, sent.last().and_then(|last| last.first())) {
            (&[.., 0x61, length], Some(class)) => vec![vec![class & 0x43, 0xc0, 0, 0, length]],
            _ => Vec::new(),
        },
        Step::Reset | Step::Restore => Vec::new(),
    }
}

/// The eUICC goes on working whatever was done to its profiles, and its state is whole.
fn still_works(mut card: Uicc) {
    let mut again = kept::same(&card, new_card());
    for card in [&mut card, &mut again] {
        card.reset().expect("a virtual card answers");
        let mut send = |command: &[u8]| card.transmit(command).expect("a virtual card answers");
        assert_eq!(send(&SELECT_ISD_R)[0], 0x61);
        // GetEUICCData of the EID.
        assert_eq!(send(&[0x80, 0xe2, 0x91, 0x00, 0x06, 0xbf, 0x3e, 0x03, 0x5c, 0x01, 0x5a]), [0x61, 0x15]);
        let answer = send(&[0x80, 0xc0, 0x00, 0x00, 0x15]);
        assert!(answer.starts_with(&[0xbf, 0x3e, 0x12, 0x5a, 0x10]) && answer.ends_with(&[0x90, 0x00]));
    }
}
