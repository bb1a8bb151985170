//! AUTHENTICATE of USIM and ISIM (3GPP TS 31.102 clause 7.1, TS 31.103 clause 7.1). The 3G security context serves
//! EPS AKA and 5G AKA too: the mobile equipment derives the rest (TS 33.401 clause 6.1, TS 33.501 clause 6.1.3).
//!
//! The card verifies MAC and SQN. The separation bit of AMF is for the mobile equipment to check.

use super::aka::Aka;
use super::fs::{Index, Tree};
use super::sqn::SqnArray;
use super::state::{AUTHENTICATIONS, Stored, Writer, damaged, exactly};
use super::{CardError, Personalisation, Reply};
use crate::crypto::test_usim::TestAlgorithm;
use crate::wire::{Command, StatusWord};

/// Tag of a successful 3G authentication.
const SUCCESS: u8 = 0xdb;
/// Tag of a synchronisation failure.
const SYNCHRONISATION_FAILURE: u8 = 0xdc;
/// Authentication context of P2 (TS 31.102 table 7.1): application-specific reference data, and the context.
pub(super) const GSM_CONTEXT: u8 = 0x80;
const THREE_G_CONTEXT: u8 = 0x81;

/// The keys of one subscriber.
pub(super) struct Usim {
    aka: Aka,
    /// The ADFs that authenticate with them.
    adfs: Vec<Index>,
    /// Whose sequence numbers count: a place among those of the [`Subscribers`].
    sqn: usize,
    /// How many challenges it still answers, where there is a limit.
    left: Option<u32>,
}

/// The subscribers of a profile, with their sequence numbers.
#[derive(Default)]
pub(super) struct Subscribers {
    usims: Vec<Usim>,
    sqn: Vec<SqnArray>,
    /// How often a limited subscriber has answered a challenge.
    counted: u64,
}

impl Usim {
    pub(super) fn new(aka: Aka, adfs: Vec<Index>, sqn: usize, left: Option<u32>) -> Self {
        Self { aka, adfs, sqn, left }
    }
}

impl Subscribers {
    /// The one subscriber of a personalised card, for all its `adfs`.
    pub(super) fn personalised(p: &Personalisation, adfs: Vec<Index>) -> Result<Self, CardError> {
        if p.sqn >> 48 != 0 {
            return Err(CardError::Sqn { sqn: p.sqn });
        }
        Ok(Self::new(vec![Usim::new(Aka::new(p), adfs, 0, None)], vec![SqnArray::new(p.sqn)]))
    }

    pub(super) fn new(usims: Vec<Usim>, sqn: Vec<SqnArray>) -> Self {
        Self { usims, sqn, counted: 0 }
    }

    /// AUTHENTICATE in the application of `adf`, which is an ISIM or not.
    pub(super) fn authenticate(&mut self, adf: Index, is_isim: bool, command: &Command<'_>) -> Reply {
        let usim = self.usims.iter_mut().find(|usim| usim.adfs.contains(&adf));
        let usim = usim.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let sqn = self.sqn.get_mut(usim.sqn).ok_or(StatusWord::TECHNICAL_PROBLEM)?;
        if usim.left == Some(0) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let reply = match (command.p1, command.p2) {
            (0x00, THREE_G_CONTEXT) => usim.three_g(sqn, command.data),
            (0x00, GSM_CONTEXT) if !is_isim => usim.gsm(command.data),
            (0x00, p2) if p2 & 0x78 == 0 => Err(StatusWord::CONTEXT_NOT_SUPPORTED),
            _ => Err(StatusWord::INCORRECT_P1_P2),
        };
        if let (Ok(_), Some(left)) = (&reply, &mut usim.left) {
            *left -= 1;
            self.counted += 1;
        }
        reply
    }

    pub(super) fn changes(&self) -> u64 {
        self.sqn.iter().map(SqnArray::changes).sum::<u64>() + self.counted
    }

    /// Writes down sequence numbers and limits, by the path of the first application that has them.
    pub(super) fn save(&self, tree: &Tree, out: &mut Writer) {
        for (at, sqn) in self.sqn.iter().enumerate() {
            sqn.save(&self.path(tree, at), out);
        }
        for usim in &self.usims {
            if let (Some(left), Some(adf)) = (usim.left, usim.adfs.first()) {
                out.put_parts(AUTHENTICATIONS, &[&tree.path(*adf), &left.to_be_bytes()]);
            }
        }
    }

    /// The path of the first application that uses the sequence numbers at `at`.
    fn path(&self, tree: &Tree, at: usize) -> Vec<u8> {
        let usim = self.usims.iter().find(|usim| usim.sqn == at);
        usim.and_then(|usim| usim.adfs.first()).map(|adf| tree.path(*adf)).unwrap_or_default()
    }

    /// What [`assume`](Self::assume) takes over from a stored state.
    pub(super) fn restored(&self, tree: &Tree, stored: Stored<'_>) -> Result<Restored, CardError> {
        let arrays = self.sqn.iter().enumerate();
        let sqn: Result<_, _> = arrays.map(|(at, sqn)| sqn.restored(&self.path(tree, at), stored)).collect();
        let mut left: Vec<Option<u32>> = self.usims.iter().map(|usim| usim.left).collect();
        for parts in stored.all_parts::<2>(AUTHENTICATIONS) {
            let [path, number] = parts?;
            let adf = tree.at_path(path);
            let at = self.usims.iter().position(|u| u.left.is_some() && u.adfs.first().copied() == adf);
            let at = at.ok_or(damaged("it limits an application that has no limit"))?;
            left[at] = Some(u32::from_be_bytes(exactly(number)?));
        }
        Ok(Restored { sqn: sqn?, left })
    }

    pub(super) fn assume(&mut self, restored: Restored) {
        self.sqn = restored.sqn;
        for (usim, left) in self.usims.iter_mut().zip(restored.left) {
            usim.left = left;
        }
    }
}

/// What subscribers take over from a stored state.
pub(super) struct Restored {
    sqn: Vec<SqnArray>,
    left: Vec<Option<u32>>,
}

impl Usim {
    /// `10 RAND 10 AUTN` gives `DB LV(RES) LV(CK) LV(IK)` or `DC LV(AUTS)`.
    fn three_g(&self, sqn: &mut SqnArray, data: &[u8]) -> Reply {
        let (rand, autn) = challenge(data).ok_or(StatusWord::WRONG_LENGTH)?;
        let answer = self.aka.check(rand, autn).ok_or(StatusWord::INCORRECT_MAC)?;
        let stale = match &self.aka {
            Aka::Test(_) => TestAlgorithm::resynchronises(answer.amf).then_some(answer.sqn),
            _ => (!sqn.accept(answer.sqn)).then_some(sqn.highest()),
        };
        if let Some(highest) = stale {
            let auts = self.aka.auts(rand, highest).ok_or(StatusWord::TECHNICAL_PROBLEM)?;
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
        let sres: [u8; 4] = std::array::from_fn(|i| res.iter().skip(i).step_by(4).fold(0, |sum, b| sum ^ b));
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
