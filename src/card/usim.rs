//! The USIM's part of authentication and key agreement: AUTHENTICATE in the 3G security context, which EPS AKA
//! uses too (TS 31.102 clause 7.1, TS 33.102 clause 6.3, TS 33.401 clause 6.1), on Milenage (TS 35.206).
//!
//! The card verifies MAC and SQN. The separation bit of AMF is for the mobile equipment to check.

use oxirush_security::milenage::{K, Milenage, Opc, Sqn};
use oxirush_security::{Autn, Rand};

use super::sqn::SqnArray;
use super::{CardError, Personalisation, Reply};
use crate::wire::{Command, StatusWord};

/// Tag of a successful 3G authentication.
const SUCCESS: u8 = 0xdb;
/// Tag of a synchronisation failure.
const SYNCHRONISATION_FAILURE: u8 = 0xdc;

/// The keys and the sequence numbers of one subscriber.
pub(super) struct Usim {
    milenage: Milenage,
    sqn: SqnArray,
}

impl Usim {
    pub(super) fn new(p: &Personalisation) -> Result<Self, CardError> {
        if p.sqn > Sqn::MAX {
            return Err(CardError::Sqn { sqn: p.sqn });
        }
        Ok(Self { milenage: Milenage::new(&K::new(&p.k), &Opc::new(&p.opc)), sqn: SqnArray::new(p.sqn) })
    }

    /// AUTHENTICATE: `10 RAND 10 AUTN` gives `DB LV(RES) LV(CK) LV(IK)` or `DC LV(AUTS)`.
    pub(super) fn authenticate(&mut self, command: &Command<'_>) -> Reply {
        match (command.p1, command.p2) {
            (0x00, 0x81) => {}
            (0x00, p2) if p2 & 0x78 == 0 => return Err(StatusWord::CONTEXT_NOT_SUPPORTED),
            _ => return Err(StatusWord::INCORRECT_P1_P2),
        }
        let (rand, autn) = challenge(command.data)?;
        let response = self.milenage.check_autn(&rand, &autn).map_err(|_| StatusWord::INCORRECT_MAC)?;
        if !self.sqn.accept(response.sqn().get()) {
            return self.synchronisation_failure(&rand);
        }
        let mut out = vec![SUCCESS];
        for part in [&response.res().as_octets()[..], response.ck().as_octets(), response.ik().as_octets()] {
            push_lv(&mut out, part);
        }
        Ok(out)
    }

    pub(super) fn sqn(&self) -> &SqnArray {
        &self.sqn
    }

    pub(super) fn set_sqn(&mut self, sqn: SqnArray) {
        self.sqn = sqn;
    }

    fn synchronisation_failure(&self, rand: &Rand) -> Reply {
        let highest = Sqn::try_from(self.sqn.highest()).map_err(|_| StatusWord::TECHNICAL_PROBLEM)?;
        let mut out = vec![SYNCHRONISATION_FAILURE];
        push_lv(&mut out, self.milenage.auts(rand, &highest).as_octets());
        Ok(out)
    }
}

fn push_lv(out: &mut Vec<u8>, value: &[u8]) {
    out.push(value.len() as u8);
    out.extend_from_slice(value);
}

fn challenge(data: &[u8]) -> Result<(Rand, Autn), StatusWord> {
    let &[16, ref fields @ ..] = data else { return Err(StatusWord::WRONG_LENGTH) };
    let Some((rand, &[16, ref autn @ ..])) = fields.split_at_checked(16) else {
        return Err(StatusWord::WRONG_LENGTH);
    };
    match (Rand::from_slice(rand), Autn::from_slice(autn)) {
        (Ok(rand), Ok(autn)) => Ok((rand, autn)),
        _ => Err(StatusWord::WRONG_LENGTH),
    }
}
