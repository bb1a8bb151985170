//! AUTHENTICATE of the USIM in the 3G security context, which EPS and 5GS use too (TS 31.102 clause 7.1.2.1): the data
//! of the command, and what the card answers.

use std::fmt;

use super::nas::{Ck, Ik};

/// The data of the command: RAND and AUTN, each behind its length.
pub fn challenge(rand: &[u8; 16], autn: &[u8; 16]) -> Vec<u8> {
    [&[0x10][..], rand, &[0x10], autn].concat()
}

/// What a card answers to a challenge. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The challenge is authentic and fresh. RES has 4 to 16 bytes; `kc`: Kc came too (service 27).
    Success {
        /// RES.
        res: Vec<u8>,
        /// The cipher key CK.
        ck: Ck,
        /// The integrity key IK.
        ik: Ik,
        /// Whether Kc was there.
        kc: bool,
    },
    /// The challenge is authentic, its sequence number is not in the right range.
    SynchronisationFailure {
        /// AUTS: SQN of the card, concealed, and MAC-S (TS 33.102 clause 6.3.3).
        auts: [u8; 14],
    },
    /// The challenge is not authentic: the status word 9862, without data.
    MacFailure,
}

/// Bytes that are neither RES, CK and IK nor AUTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {field} of an answer to AUTHENTICATE is missing or has a wrong length (TS 31.102 clause 7.1.2.1)"
)]
pub struct OutcomeError {
    /// Which field of the answer it is: the tag, RES, CK, IK or AUTS.
    pub field: &'static str,
}

impl Outcome {
    /// Reads the data of an answer with the status word 9000: `DB` LV(RES) LV(CK) LV(IK) \[LV(Kc)\], or `DC` LV(AUTS).
    /// What stands behind it is passed over.
    pub fn read(data: &[u8]) -> Result<Self, OutcomeError> {
        let wrong = |field| OutcomeError { field };
        let (tag, mut rest) = data.split_first().ok_or(wrong("tag"))?;
        let mut value = || {
            let (length, behind) = rest.split_first()?;
            let (value, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            Some(value)
        };
        match tag {
            0xdb => {
                let res = value().filter(|res| (4..=16).contains(&res.len())).ok_or(wrong("RES"))?.to_vec();
                let ck = value().and_then(|ck| Ck::from_slice(ck).ok()).ok_or(wrong("CK"))?;
                let ik = value().and_then(|ik| Ik::from_slice(ik).ok()).ok_or(wrong("IK"))?;
                Ok(Self::Success { res, ck, ik, kc: value().is_some() })
            }
            0xdc => {
                let auts = value().and_then(|auts| auts.try_into().ok()).ok_or(wrong("AUTS"))?;
                Ok(Self::SynchronisationFailure { auts })
            }
            _ => Err(wrong("tag")),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::bent::bent;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read_or_refused() {
        let success = [&[0xdb, 4][..], &[1; 4], &[16], &[2; 16], &[16], &[3; 16]].concat();
        let read =
            Outcome::Success { res: vec![1; 4], ck: Ck::new(&[2; 16]), ik: Ik::new(&[3; 16]), kc: false };
        assert_eq!(Outcome::read(&success), Ok(read.clone()));
        let with_kc = [&success[..], &[8], &[4; 8]].concat();
        assert!(matches!(Outcome::read(&with_kc), Ok(Outcome::Success { kc: true, .. })));
        assert_eq!(Outcome::read(&success[..success.len() - 1]), Err(OutcomeError { field: "IK" }));
        assert_eq!(Outcome::read(&[0xdb, 3, 1, 1, 1]), Err(OutcomeError { field: "RES" }));
        let synchronise = [&[0xdc, 14][..], &[7; 14]].concat();
        assert_eq!(Outcome::read(&synchronise), Ok(Outcome::SynchronisationFailure { auts: [7; 14] }));
        assert_eq!(Outcome::read(&[0xdc, 14, 1]), Err(OutcomeError { field: "AUTS" }));
        assert_eq!(Outcome::read(&[]), Err(OutcomeError { field: "tag" }));
        assert!(!format!("{read:?}").contains('2'));
    }

    #[test]
    fn a_challenge_is_rand_and_autn_behind_their_lengths() {
        let data = challenge(&[0xaa; 16], &[0xbb; 16]);
        assert_eq!((data.len(), data[0], data[1], data[17], data[18]), (34, 16, 0xaa, 16, 0xbb));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_of_an_answer_stands_in_it(data in prop_oneof![
            bent([&[0xdb, 4][..], &[1; 4], &[16], &[2; 16], &[16], &[3; 16], &[8], &[4; 8]].concat()),
            bent([&[0xdc, 14][..], &[5; 14]].concat()),
            (0u8..20).prop_map(|res| [&[0xdb, res][..], &vec![1; res.into()], &[16], &[2; 16], &[16], &[3; 16]].concat()),
        ]) {
            let begins = match Outcome::read(&data) {
                Ok(Outcome::Success { res, ck, ik, .. }) => {
                    prop_assert!((4..=16).contains(&res.len()));
                    [&[0xdb, res.len() as u8][..], &res, &[16], ck.as_octets(), &[16], ik.as_octets()].concat()
                }
                Ok(Outcome::SynchronisationFailure { auts }) => [&[0xdc, 14][..], &auts].concat(),
                Ok(Outcome::MacFailure) => return Err(TestCaseError::fail("data do not say this")),
                Err(error) => {
                    prop_assert!(!error.field.is_empty());
                    return Ok(());
                }
            };
            prop_assert!(data.starts_with(&begins));
        }
    }
}
