//! The audit: every device has one key, one certificate and one subscription, or there is a named reason.
//!
//! It compares what ledger, CA, HSS, cards and inventory have in their books ([`Fact`]). Of a fact it keeps fingerprints
//! of a few bytes, under a key that is drawn for each audit, so that nobody prepares two values with one fingerprint.

pub mod erase;
mod findings;
pub mod folder;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::event::{Step, StepId};
use crate::report::AuditSummary;
use crate::services::Way;
use crate::wire::Reason;
use crate::world::books::Fact;

/// A fingerprint; zero is none.
type Mark = u64;

/// What the card of a device holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Card {
    key: Mark,
    certificate: Mark,
    /// Whether it was found with other keys, or other certificates, as well.
    keys_differ: bool,
    certificates_differ: bool,
}

/// One subscription of a device, as its owner knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Holding {
    device: u32,
    iccid: Mark,
    eid: Mark,
    id: Mark,
    name: Mark,
}

/// What the HSS knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Subscription {
    imsi: Mark,
    bootstrap: bool,
}

/// What the CA knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Issued {
    digest: Mark,
    revoked: bool,
}

/// What the ledger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    key: Mark,
    certificate: Mark,
    cut_off: bool,
}

/// Takes facts in, in any order, and says what does not agree.
pub struct Auditor {
    state: RandomState,
    devices: u32,
    plan: Vec<StepId>,
    way: Way,
    cards: HashMap<u32, Card>,
    /// The earliest step at which a device was refused, and why, by its place in `reasons`.
    refused: HashMap<u32, (Step, u16)>,
    reasons: Vec<String>,
    under_way: HashSet<u32>,
    erased: HashSet<u32>,
    holdings: Vec<Holding>,
    /// The ICCIDs of profiles that no card has.
    reserved: Vec<Mark>,
    /// By ICCID.
    subscriptions: Vec<(Mark, Subscription)>,
    /// By name.
    issued: Vec<(Mark, Issued)>,
    /// By identity on the ledger.
    records: Vec<(Mark, Record)>,
    /// Identity and certificate, where the ledger's history is known.
    recorded: Option<HashSet<(Mark, Mark)>>,
}

/// How many reasons are told apart; what comes after counts as `other`.
const REASONS_MAX: usize = 1000;

impl Auditor {
    /// An auditor of a run of so many devices that were to go through `plan`.
    pub fn new(devices: u32, plan: &[StepId]) -> Self {
        Self {
            state: RandomState::new(),
            devices,
            plan: plan.to_vec(),
            way: Way::default(),
            cards: HashMap::new(),
            refused: HashMap::new(),
            reasons: Vec::new(),
            under_way: HashSet::new(),
            erased: HashSet::new(),
            holdings: Vec::new(),
            reserved: Vec::new(),
            subscriptions: Vec::new(),
            issued: Vec::new(),
            records: Vec::new(),
            recorded: None,
        }
    }

    /// The same where the ledger's whole history is told: a certificate that never stood there is then a finding.
    #[must_use]
    pub fn with_history(self) -> Self {
        Self { recorded: Some(HashSet::new()), ..self }
    }

    /// Takes a fact in.
    pub fn take(&mut self, fact: &Fact) {
        match fact {
            Fact::Run { devices, plan, way, .. } => {
                self.way = *way;
                self.devices = *devices;
                self.plan.clone_from(plan);
            }
            Fact::Device { device, iccid, eid, id, name, .. } => {
                let id = self.mark(&id.0);
                let (iccid, eid) = (self.mark_text(iccid.as_str()), self.mark_text(eid.as_str()));
                let name = self.mark_text(&name.to_string());
                self.holdings.push(Holding { device: *device, iccid, eid, id, name });
            }
            Fact::Reserved { iccid, .. } => self.reserved.push(self.mark_text(iccid.as_str())),
            Fact::Subscription { imsi, iccid, bootstrap } => {
                let imsi = self.mark_text(imsi.as_str());
                let subscription = Subscription { imsi, bootstrap: *bootstrap };
                self.subscriptions.push((self.mark_text(iccid.as_str()), subscription));
            }
            Fact::Certificate { name, digest, revoked } => {
                let issued = Issued { digest: self.mark(&digest.0), revoked: *revoked };
                self.issued.push((self.mark_text(&name.to_string()), issued));
            }
            Fact::Record { id, x, y, certificate, cut_off } => {
                let certificate = certificate.map_or(0, |digest| self.mark(&digest.0));
                let record = Record { key: self.mark(&[x.0, y.0].concat()), certificate, cut_off: *cut_off };
                self.records.push((self.mark(&id.0), record));
            }
            Fact::Recorded { id, certificate } => {
                let entry = (self.mark(&id.0), self.mark(&certificate.0));
                self.recorded.get_or_insert_default().insert(entry);
            }
            Fact::Card { device, public_key, certificate } => {
                let key = public_key.map_or(0, |key| self.mark(&key.0));
                let certificate = certificate.map_or(0, |digest| self.mark(&digest.0));
                let found = Card { key, certificate, ..Card::default() };
                let card = self.cards.entry(*device).or_insert(found);
                card.keys_differ |= card.key != key;
                card.certificates_differ |= card.certificate != certificate;
            }
            Fact::UnderWay { device } => {
                self.under_way.insert(*device);
            }
            Fact::Refused { device, step, reason } => self.refuse(*device, step.step, reason),
            Fact::Erased { device } => {
                self.erased.insert(*device);
            }
        }
    }

    fn refuse(&mut self, device: u32, step: Step, reason: &Reason) {
        let reason = reason.to_string();
        let place = self.reasons.iter().position(|known| *known == reason).unwrap_or(self.reasons.len());
        if place == self.reasons.len() && place < REASONS_MAX {
            self.reasons.push(reason);
        }
        let refusal = (step, u16::try_from(place).unwrap_or(u16::MAX));
        let earliest = self.refused.entry(device).or_insert(refusal);
        if order(step) < order(earliest.0) {
            *earliest = refusal;
        }
    }

    /// Why a device may lack what `step` gives: it was not to have it, was refused it or something before, or is not
    /// through.
    fn reason(&self, device: u32, step: Step) -> Option<&str> {
        if !self.plan.iter().any(|planned| planned.step == step) {
            return Some("not-planned");
        }
        if let Some((at, place)) = self.refused.get(&device)
            && order(*at) <= order(step)
        {
            return Some(self.reasons.get(usize::from(*place)).map_or("other", String::as_str));
        }
        // Its card is asked when it is through.
        let through = self.cards.contains_key(&device) && !self.under_way.contains(&device);
        (!through).then_some("not-through")
    }

    fn mark(&self, octets: &[u8]) -> Mark {
        self.state.hash_one(octets).max(1)
    }

    fn mark_text(&self, text: &str) -> Mark {
        self.mark(text.as_bytes())
    }

    /// What does not agree, and how much does.
    pub fn finish(self) -> AuditSummary {
        findings::judge(self)
    }
}

/// The place of a step in the life of a device.
fn order(step: Step) -> usize {
    Step::ALL.iter().position(|one| *one == step).unwrap_or(Step::ALL.len())
}
