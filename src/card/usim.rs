//! AUTHENTICATE of USIM and ISIM (3GPP TS 31.102 clause 7.1, TS 31.103 clause 7.1). The 3G security context serves
//! EPS AKA and 5G AKA too: the mobile equipment derives the rest (TS 33.401 clause 6.1, TS 33.501 clause 6.1.3).
//!
//! The card verifies MAC and SQN. The separation bit of AMF is for the mobile equipment to check.

use super::aka::Aka;
use super::sqn::SqnArray;
use super::{CardError, Personalisation, Reply};
use crate::wire::{Command, StatusWord};

/// Tag of a successful 3G authentication.
const SUCCESS: u8 = 0xdb;
/// Tag of a synchronisation failure.
const SYNCHRONISATION_FAILURE: u8 = 0xdc;
/// Authentication context of P2 (TS 31.102 table 7.1): application-specific reference data, and the context.
pub(super) const GSM_CONTEXT: u8 = 0x80;
const THREE_G_CONTEXT: u8 = 0x81;

/// The keys and the sequence numbers of one subscriber.
pub(super) struct Usim {
    aka: Aka,
    sqn: SqnArray,
}

impl Usim {
    pub(super) fn new(p: &Personalisation) -> Result<Self, CardError> {
        if p.sqn >> 48 != 0 {
            return Err(CardError::Sqn { sqn: p.sqn });
        }
        Ok(Self { aka: Aka::new(p), sqn: SqnArray::new(p.sqn) })
    }

    /// AUTHENTICATE in a context of the USIM.
    pub(super) fn authenticate(&mut self, command: &Command<'_>) -> Reply {
        match (command.p1, command.p2) {
            (0x00, THREE_G_CONTEXT) => self.three_g(command.data),
            (0x00, GSM_CONTEXT) => self.gsm(command.data),
            (0x00, p2) if p2 & 0x78 == 0 => Err(StatusWord::CONTEXT_NOT_SUPPORTED),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    /// AUTHENTICATE in the IMS AKA context, the only one that an ISIM has here.
    pub(super) fn authenticate_ims(&mut self, command: &Command<'_>) -> Reply {
        match (command.p1, command.p2) {
            (0x00, THREE_G_CONTEXT) => self.three_g(command.data),
            (0x00, p2) if p2 & 0x78 == 0 => Err(StatusWord::CONTEXT_NOT_SUPPORTED),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        }
    }

    pub(super) fn sqn(&self) -> &SqnArray {
        &self.sqn
    }

    pub(super) fn set_sqn(&mut self, sqn: SqnArray) {
        self.sqn = sqn;
    }

    /// `10 RAND 10 AUTN` gives `DB LV(RES) LV(CK) LV(IK)` or `DC LV(AUTS)`.
    fn three_g(&mut self, data: &[u8]) -> Reply {
        let (rand, autn) = challenge(data).ok_or(StatusWord::WRONG_LENGTH)?;
        let answer = self.aka.check(rand, autn).ok_or(StatusWord::INCORRECT_MAC)?;
        if !self.sqn.accept(answer.sqn) {
            let auts = self.aka.auts(rand, self.sqn.highest()).ok_or(StatusWord::TECHNICAL_PROBLEM)?;
            return Ok([&[SYNCHRONISATION_FAILURE, auts.len() as u8][..], &auts].concat());
        }
        let mut out = vec![SUCCESS];
        for part in [&answer.res[..], &answer.ck, &answer.ik] {
            push_lv(&mut out, part);
        }
        Ok(out)
    }

    /// `10 RAND` gives `LV(SRES) LV(Kc)`, by the conversion functions c2 and c3 (TS 33.102 clause 6.8.1.2).
    fn gsm(&self, data: &[u8]) -> Reply {
        let rand = match data {
            [16, rand @ ..] => <&[u8; 16]>::try_from(rand).map_err(|_| StatusWord::WRONG_LENGTH)?,
            _ => return Err(StatusWord::WRONG_LENGTH),
        };
        let (res, ck, ik) = self.aka.keys(rand).ok_or(StatusWord::TECHNICAL_PROBLEM)?;
        let sres: [u8; 4] = std::array::from_fn(|i| res[i] ^ res[i + 4]);
        let kc: [u8; 8] = std::array::from_fn(|i| ck[i] ^ ck[i + 8] ^ ik[i] ^ ik[i + 8]);
        let mut out = Vec::with_capacity(14);
        push_lv(&mut out, &sres);
        push_lv(&mut out, &kc);
        Ok(out)
    }
}

fn push_lv(out: &mut Vec<u8>, value: &[u8]) {
    out.push(value.len() as u8);
    out.extend_from_slice(value);
}

fn challenge(data: &[u8]) -> Option<(&[u8; 16], &[u8; 16])> {
    let &[16, ref fields @ ..] = data else { return None };
    let (rand, &[16, ref autn @ ..]) = fields.split_first_chunk::<16>()? else { return None };
    Some((rand, autn.try_into().ok()?))
}
