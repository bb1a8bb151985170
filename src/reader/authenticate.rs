//! AUTHENTICATE in the 3G security context, which EPS uses too (TS 31.102 clause 7.1.2), and a diagnosis of the
//! answer against Milenage as computed here (TS 35.206; TS 33.102 clause 6.3).

use super::{ExploreError, Terminal, info};
use crate::crypto::milenage::{Amf, Autn, Auts, Ck, Ik, K, Milenage, Op, Opc, Rand, Sqn};
use crate::wire::authenticate::challenge;
use crate::wire::{Command, StatusWord};

pub use crate::wire::authenticate::Outcome;

const CLAUSE: &str = "TS 31.102 clause 7.1.2.1";

/// Selects the USIM of the card.
pub fn select_usim(terminal: &mut Terminal<'_>) -> Result<(), ExploreError> {
    let applications = info::applications(terminal)?;
    info::select_usim(terminal, &applications)?.map(drop).ok_or(ExploreError::NoUsim)
}

/// Sends a challenge to the USIM, which is selected.
pub fn authenticate(
    terminal: &mut Terminal<'_>,
    rand: &[u8; 16],
    autn: &[u8; 16],
) -> Result<Outcome, ExploreError> {
    const NAME: &str = "AUTHENTICATE";
    let data = challenge(rand, autn);
    let answer = terminal.send(NAME, Command::new(0x00, 0x88, 0x00, 0x81).with_data(&data))?;
    if answer.status == StatusWord::INCORRECT_MAC {
        return Ok(Outcome::MacFailure);
    }
    let data = answer.said().map_err(|status| ExploreError::Refused { command: NAME, status })?;
    Outcome::read(&data).map_err(|_| ExploreError::Answer {
        command: NAME,
        clause: CLAUSE,
        detail: format!("{} bytes that are neither RES, CK and IK nor AUTS", data.len()),
    })
}

/// The operator's constant, as somebody says that it is.
#[derive(Clone, Copy)]
pub enum Operator {
    /// OP, which is the same for all subscribers.
    Op([u8; 16]),
    /// OPc, which K has been worked into.
    Opc([u8; 16]),
}

/// How a value is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// OP as OP, or OPc as OPc.
    AsSaid,
    /// OP was taken for OPc, or OPc for OP.
    MixedUp,
}

/// What Milenage with a given K and OP or OPc says of a challenge and of the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// With what the home network made the challenge; `None`: with another K, or with another constant.
    pub challenge: Option<Reading>,
    /// With what the card computes; `None` as above.
    pub card: Option<Reading>,
    /// Each value of the answer, and whether it is the one computed here from what was said.
    pub fields: Vec<(&'static str, bool)>,
    /// Sequence number of the challenge, where it could be read.
    pub sqn_challenge: Option<u64>,
    /// The highest sequence number that the card has accepted, where it told.
    pub sqn_card: Option<u64>,
}

/// A way to take the values, with the Milenage that follows.
struct Candidate {
    reading: Reading,
    milenage: Milenage,
}

/// Finds out what challenge and card were computed with. A card that said only "MAC failure" is asked again,
/// with challenges of sequence number 0: a card whose keys fit answers them with AUTS and accepts nothing.
pub fn diagnose(
    terminal: &mut Terminal<'_>,
    (rand, autn): (&[u8; 16], &[u8; 16]),
    outcome: &Outcome,
    k: &[u8; 16],
    operator: Operator,
) -> Result<Diagnosis, ExploreError> {
    let candidates = candidates(k, operator);
    let (rand, autn) = (Rand::new(rand), Autn::new(autn));
    let made = candidates.iter().find_map(|c| {
        let response = c.milenage.check_autn(&rand, &autn).ok()?;
        Some((c.reading, response.sqn().get()))
    });
    let mut diagnosis = Diagnosis {
        challenge: made.map(|(reading, _)| reading),
        card: None,
        fields: Vec::new(),
        sqn_challenge: made.map(|(_, sqn)| sqn),
        sqn_card: None,
    };
    match outcome {
        Outcome::Success { res, ck, ik, .. } => {
            let agreeing = |c: &Candidate| agreement(&c.milenage, &rand, res, ck, ik);
            let full = candidates.iter().find(|c| agreeing(c).iter().all(|(_, agrees)| *agrees));
            diagnosis.card = full.map(|c| c.reading);
            diagnosis.fields = agreeing(&candidates[0]);
        }
        Outcome::SynchronisationFailure { auts } => {
            (diagnosis.card, diagnosis.sqn_card) = resynchronised(&candidates, &rand, auts).unzip();
            diagnosis.fields = vec![("MAC-S", diagnosis.card == Some(Reading::AsSaid))];
        }
        Outcome::MacFailure => {
            (diagnosis.card, diagnosis.sqn_card) = probe(terminal, &candidates, &rand)?;
        }
    }
    Ok(diagnosis)
}

fn candidates(k: &[u8; 16], operator: Operator) -> [Candidate; 2] {
    let k = K::new(k);
    let from_op = |value| Opc::from_op(&k, &Op::new(value));
    let (as_said, mixed_up) = match &operator {
        Operator::Op(value) => (from_op(value), Opc::new(value)),
        Operator::Opc(value) => (Opc::new(value), from_op(value)),
    };
    [(Reading::AsSaid, as_said), (Reading::MixedUp, mixed_up)]
        .map(|(reading, opc)| Candidate { reading, milenage: Milenage::new(&k, &opc) })
}

fn agreement(milenage: &Milenage, rand: &Rand, res: &[u8], ck: &Ck, ik: &Ik) -> Vec<(&'static str, bool)> {
    let (own_res, own_ck, own_ik, _) = milenage.f2345(rand);
    vec![
        // A card may be made to give fewer bytes of RES.
        ("RES", own_res.as_octets().starts_with(res)),
        ("CK", own_ck == *ck),
        ("IK", own_ik == *ik),
    ]
}

fn resynchronised(candidates: &[Candidate], rand: &Rand, auts: &[u8; 14]) -> Option<(Reading, u64)> {
    candidates.iter().find_map(|c| {
        let sqn = c.milenage.verify_auts(rand, &Auts::new(auts)).ok()?;
        Some((c.reading, sqn.get()))
    })
}

/// Challenges the card in each reading with sequence number 0.
fn probe(
    terminal: &mut Terminal<'_>,
    candidates: &[Candidate],
    rand: &Rand,
) -> Result<(Option<Reading>, Option<u64>), ExploreError> {
    let Ok(oldest) = Sqn::try_from(0) else { return Ok((None, None)) };
    for candidate in candidates {
        let vector = candidate.milenage.authentication_vector(rand, &oldest, &Amf::new(&[0x80, 0x00]));
        match authenticate(terminal, rand.as_octets(), vector.autn().as_octets())? {
            Outcome::MacFailure => {}
            Outcome::Success { .. } => return Ok((Some(candidate.reading), None)),
            Outcome::SynchronisationFailure { auts } => {
                let sqn = resynchronised(candidates, rand, &auts).map(|(_, sqn)| sqn);
                return Ok((Some(candidate.reading), sqn));
            }
        }
    }
    Ok((None, None))
}

/// Whether AUTN carries the separation bit that EPS and 5GS want (TS 33.401 clause 6.1.1).
pub fn separation_bit(autn: &[u8; 16]) -> bool {
    autn[6] & 0x80 != 0
}
