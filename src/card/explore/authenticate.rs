//! AUTHENTICATE in the 3G security context, which EPS uses too (TS 31.102 clause 7.1.2), and a diagnosis of the
//! answer against Milenage as computed here (TS 35.206; TS 33.102 clause 6.3).

use std::fmt;

use oxirush_security::milenage::{Amf, Auts, K, Milenage, Op, Opc, Sqn};
use oxirush_security::{Autn, Rand};

use super::{ExploreError, Terminal, info};
use crate::wire::{Command, StatusWord};

const CLAUSE: &str = "TS 31.102 clause 7.1.2.1";

/// What a card answers to a challenge.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The challenge is authentic and fresh.
    Success { res: Vec<u8>, ck: [u8; 16], ik: [u8; 16], kc: bool },
    /// The challenge is authentic, its sequence number is not in the right range.
    SynchronisationFailure { auts: [u8; 14] },
    /// The challenge is not authentic: SW 9862.
    MacFailure,
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success { .. } => "Success(..)",
            Self::SynchronisationFailure { .. } => "SynchronisationFailure(..)",
            Self::MacFailure => "MacFailure",
        })
    }
}

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
    let data = [&[0x10][..], rand, &[0x10], autn].concat();
    let answer = terminal.send(NAME, Command::new(0x00, 0x88, 0x00, 0x81).with_data(&data))?;
    if answer.status == StatusWord::INCORRECT_MAC {
        return Ok(Outcome::MacFailure);
    }
    let data = answer.said().map_err(|status| ExploreError::Refused { command: NAME, status })?;
    read(&data).ok_or_else(|| ExploreError::Answer {
        command: NAME,
        clause: CLAUSE,
        detail: format!("{} bytes that are neither RES, CK and IK nor AUTS", data.len()),
    })
}

/// `DB` LV(RES) LV(CK) LV(IK) \[LV(Kc)\], or `DC` LV(AUTS).
fn read(data: &[u8]) -> Option<Outcome> {
    let (tag, mut rest) = data.split_first()?;
    let mut value = || {
        let (length, behind) = rest.split_first()?;
        let (value, behind) = behind.split_at_checked(usize::from(*length))?;
        rest = behind;
        Some(value)
    };
    match tag {
        0xdb => {
            let res = value().filter(|res| (4..=16).contains(&res.len()))?.to_vec();
            let (ck, ik) = (value()?.try_into().ok()?, value()?.try_into().ok()?);
            Some(Outcome::Success { res, ck, ik, kc: value().is_some() })
        }
        0xdc => Some(Outcome::SynchronisationFailure { auts: value()?.try_into().ok()? }),
        _ => None,
    }
}

/// The operator's constant, as somebody says that it is.
#[derive(Clone, Copy)]
pub enum Operator {
    Op([u8; 16]),
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

fn agreement(
    milenage: &Milenage,
    rand: &Rand,
    res: &[u8],
    ck: &[u8; 16],
    ik: &[u8; 16],
) -> Vec<(&'static str, bool)> {
    let (own_res, own_ck, own_ik, _) = milenage.f2345(rand);
    vec![
        // A card may be made to give fewer bytes of RES.
        ("RES", own_res.as_octets().starts_with(res)),
        ("CK", own_ck.as_octets() == ck),
        ("IK", own_ik.as_octets() == ik),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read_or_refused() {
        let success = [&[0xdb, 4][..], &[1; 4], &[16], &[2; 16], &[16], &[3; 16]].concat();
        assert_eq!(
            read(&success),
            Some(Outcome::Success { res: vec![1; 4], ck: [2; 16], ik: [3; 16], kc: false })
        );
        let with_kc = [&success[..], &[8], &[4; 8]].concat();
        assert!(matches!(read(&with_kc), Some(Outcome::Success { kc: true, .. })));
        assert_eq!(read(&success[..success.len() - 1]), None);
        assert_eq!(read(&[0xdc, 14, 1]), None);
        assert!(!format!("{:?}", read(&success)).contains('2'));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_of_an_answer_stands_in_it(data in prop_oneof![
            bent([&[0xdb, 4][..], &[1; 4], &[16], &[2; 16], &[16], &[3; 16], &[8], &[4; 8]].concat()),
            bent([&[0xdc, 14][..], &[5; 14]].concat()),
            (0u8..20).prop_map(|res| [&[0xdb, res][..], &vec![1; res.into()], &[16], &[2; 16], &[16], &[3; 16]].concat()),
        ]) {
            let begins = match read(&data) {
                Some(Outcome::Success { res, ck, ik, .. }) => {
                    prop_assert!((4..=16).contains(&res.len()));
                    [&[0xdb, res.len() as u8][..], &res, &[16], &ck, &[16], &ik].concat()
                }
                Some(Outcome::SynchronisationFailure { auts }) => [&[0xdc, 14][..], &auts].concat(),
                Some(Outcome::MacFailure) => return Err(TestCaseError::fail("data do not say this")),
                None => return Ok(()),
            };
            prop_assert!(data.starts_with(&begins));
        }
    }
}
