//! What an auditor concludes of the facts that it has.

use std::collections::HashMap;

use super::{Auditor, Card, Holding, Issued, Mark, Record};
use crate::event::Step;
use crate::report::{AuditFinding, AuditSummary};
use crate::services::Way;
use crate::wire::Reason;

/// How many findings are kept one by one.
const FINDINGS_MAX: usize = 20;

/// Compares everything.
pub(super) fn judge(mut auditor: Auditor) -> AuditSummary {
    auditor.holdings.sort_unstable();
    auditor.subscriptions.sort_unstable_by_key(|(iccid, _)| *iccid);
    auditor.issued.sort_by_key(|(name, _)| *name);
    auditor.records.sort_by_key(|(id, _)| *id);
    // What is told twice in the same words is one record.
    auditor.records.dedup();
    let mut owners: HashMap<Mark, u32> = HashMap::new();
    for holding in &auditor.holdings {
        owners.entry(holding.id).or_insert(holding.device);
    }
    let mut audit = Audit { auditor: &auditor, owners, summary: AuditSummary::default() };
    audit.summary.devices = auditor.devices;
    for device in 1..=auditor.devices {
        audit.device(device);
    }
    audit.shared_keys();
    audit.strangers();
    audit.summary
}

/// The entries of a sorted list that belong to `mark`.
fn of<T>(list: &[(Mark, T)], mark: Mark) -> &[(Mark, T)] {
    let begin = list.partition_point(|(one, _)| *one < mark);
    let end = begin + list[begin..].partition_point(|(one, _)| *one == mark);
    &list[begin..end]
}

struct Audit<'a> {
    auditor: &'a Auditor,
    /// The first device of each identity; another one of the same is a copy.
    owners: HashMap<Mark, u32>,
    summary: AuditSummary,
}

impl Audit<'_> {
    fn find(&mut self, device: Option<u32>, word: &str, detail: String) {
        self.summary.found += 1;
        if self.summary.findings.len() < FINDINGS_MAX {
            self.summary.findings.push(AuditFinding { device, word: word.to_owned(), detail });
        }
    }

    fn device(&mut self, device: u32) {
        if self.auditor.erased.contains(&device) {
            self.summary.erased += 1;
            return;
        }
        let all = &self.auditor.holdings;
        let begin = all.partition_point(|holding| holding.device < device);
        let end = begin + all[begin..].partition_point(|holding| holding.device == device);
        let holdings = &all[begin..end];
        let Some(first) = holdings.first() else {
            return self.find(Some(device), "no-identity", "nobody has ordered it".to_owned());
        };
        let same = |other: &Holding| (other.eid, other.id, other.name) == (first.eid, first.id, first.name);
        if !holdings.iter().all(same) {
            self.find(Some(device), "two-identities", "its subscriptions are of different cards".to_owned());
        }
        let lacks = [
            self.subscription(device, holdings),
            self.key(device, first.id),
            self.certificate(device, first),
        ];
        // The first is what the others follow from.
        if let Some(reason) = lacks.into_iter().flatten().next() {
            *self.summary.without.entry(reason).or_default() += 1;
        }
    }

    /// What a device lacks has a reason, which is given, or is a finding.
    fn lacks(&mut self, device: u32, step: Step, word: &str, detail: &str) -> Option<String> {
        let reason = self.auditor.reason(device, step).map(str::to_owned);
        if reason.is_none() {
            self.find(Some(device), word, format!("{detail}, and no reason is known"));
        }
        reason
    }

    fn is_copy(&self, device: u32, id: Mark) -> bool {
        self.owners.get(&id) != Some(&device)
    }

    fn subscription(&mut self, device: u32, holdings: &[Holding]) -> Option<String> {
        let mut operational = 0;
        for holding in holdings {
            let entries = of(&self.auditor.subscriptions, holding.iccid);
            operational += entries.iter().filter(|(_, entry)| !entry.bootstrap).count();
            if entries.len() > 1 {
                let detail = format!("the HSS has its card {} times", entries.len());
                self.find(Some(device), "subscription-twice", detail);
            }
        }
        let copy = holdings.first().is_some_and(|first| self.is_copy(device, first.id));
        match operational {
            _ if copy => {
                self.lacks(device, Step::Ready, "subscription-shared", "its subscription is another device's")
            }
            1 => {
                self.summary.subscriptions += 1;
                None
            }
            0 => {
                let esim = self.auditor.plan.iter().any(|planned| planned.step.is_esim());
                let step = if esim { Step::Enable } else { Step::Attach };
                self.lacks(device, step, "no-subscription", "the HSS has none for its card")
            }
            several => {
                let mut entries =
                    holdings.iter().map(|holding| of(&self.auditor.subscriptions, holding.iccid));
                // One that is there twice has been said.
                if entries.all(|entries| entries.len() < 2) {
                    let detail = format!("the HSS has {several} for it besides the bootstrap");
                    self.find(Some(device), "two-subscriptions", detail);
                }
                None
            }
        }
    }

    fn record(&self, id: Mark) -> Option<Record> {
        of(&self.auditor.records, id).last().map(|(_, record)| *record)
    }

    fn card(&self, device: u32) -> Card {
        self.auditor.cards.get(&device).copied().unwrap_or_default()
    }

    fn key(&mut self, device: u32, id: Mark) -> Option<String> {
        let card = self.card(device);
        if card.keys_differ {
            self.find(Some(device), "two-keys", "its card was found with different keys".to_owned());
        }
        if self.auditor.way == Way::Traditional {
            // Its host has made a key, and nobody else is to know it.
            self.summary.keys += u32::from(card.key != 0);
            return match card.key {
                0 => self.lacks(device, Step::Keys, "no-key", "its host has no key"),
                _ => None,
            };
        }
        let on_ledger = self.record(id).map_or(0, |record| record.key);
        if of(&self.auditor.records, id).len() > 1 {
            self.find(Some(device), "two-keys", "the ledger has it with different keys".to_owned());
        }
        match (card.key, on_ledger) {
            (0, 0) => self.lacks(device, Step::Register, "no-key", "neither card nor ledger has a key"),
            (0, _) => {
                self.lacks(device, Step::Register, "no-key", "the ledger has a key that its card has not")
            }
            (_, 0) => {
                self.lacks(device, Step::Register, "no-key", "its card has a key that the ledger has not")
            }
            (own, known) if own != known => {
                self.lacks(device, Step::Register, "two-keys", "card and ledger have different keys")
            }
            _ => {
                self.summary.keys += 1;
                None
            }
        }
    }

    fn certificate(&mut self, device: u32, holding: &Holding) -> Option<String> {
        let id = holding.id;
        let card = self.card(device);
        if card.certificates_differ {
            let detail = "its card was found with different certificates".to_owned();
            self.find(Some(device), "two-certificates", detail);
        }
        if self.is_copy(device, id) {
            let detail = "it is a copy of another device";
            return self.lacks(device, Step::Enrol, "certificate-shared", detail);
        }
        if self.auditor.way == Way::Traditional {
            return self.issued_to(device, holding, card.certificate);
        }
        let record = self.record(id);
        let (on_ledger, cut_off) = record.map_or((0, false), |record| (record.certificate, record.cut_off));
        let issued = of(&self.auditor.issued, holding.name);
        self.others(device, id, issued, on_ledger);
        let valid = issued.iter().any(|(_, one)| one.digest == on_ledger && !one.revoked);
        let ended = cut_off || on_ledger == 0;
        let own = issued.iter().find(|(_, one)| card.certificate != 0 && one.digest == card.certificate);
        match (card.certificate, on_ledger, valid) {
            (_, _, true) if cut_off => {
                let detail = "the ledger has cut it off, and the CA calls its certificate good";
                self.find(Some(device), "certificate-not-revoked", detail.to_owned());
                None
            }
            (own, known, true) if own == known => {
                self.summary.certificates += 1;
                None
            }
            // It is on hold, or has ended: the CA says so to whoever asks.
            _ if ended && own.is_some_and(|(_, one)| one.revoked) => {
                Some(Reason::CertificateRevoked.to_string())
            }
            (0, 0, _) => self.lacks(device, Step::Enrol, "no-certificate", "it has none"),
            _ => {
                let detail = "card, ledger and CA do not have the same one";
                self.lacks(device, Step::Enrol, "certificate-mismatch", detail)
            }
        }
    }

    /// The same without a ledger: what the device has is good with the CA.
    fn issued_to(&mut self, device: u32, holding: &Holding, own: Mark) -> Option<String> {
        let issued = of(&self.auditor.issued, holding.name);
        if issued.iter().any(|(_, one)| own != 0 && one.digest == own && !one.revoked) {
            self.summary.certificates += 1;
            self.summary.superseded += u32::try_from(issued.len() - 1).unwrap_or(u32::MAX);
            return None;
        }
        self.lacks(device, Step::Enrol, "no-certificate", "it has none that is good")
    }

    /// Certificates besides the one that the ledger names: each stood there before, or was revoked.
    fn others(&mut self, device: u32, id: Mark, issued: &[(Mark, Issued)], on_ledger: Mark) {
        let of_ledger = issued.iter().filter(|(_, one)| one.digest == on_ledger).count();
        if of_ledger > 1 {
            self.find(Some(device), "two-certificates", "the CA has the same one twice".to_owned());
        }
        for (_, other) in issued.iter().filter(|(_, one)| one.digest != on_ledger && !one.revoked) {
            let recorded = self.auditor.recorded.as_ref();
            if recorded.is_none_or(|recorded| recorded.contains(&(id, other.digest))) {
                self.summary.superseded += 1;
            } else {
                let detail = "the CA has one that the ledger never had".to_owned();
                self.find(Some(device), "two-certificates", detail);
            }
        }
    }

    fn shared_keys(&mut self) {
        let cards = self.auditor.cards.iter().filter(|(_, card)| card.key != 0);
        let mut keys: Vec<(Mark, u32)> = cards.map(|(device, card)| (card.key, *device)).collect();
        keys.sort_unstable();
        for pair in keys.windows(2) {
            if let [(first, one), (second, other)] = pair
                && first == second
            {
                self.find(Some(*other), "key-shared", format!("device {one} has the same key"));
            }
        }
    }

    /// What belongs to nobody.
    fn strangers(&mut self) {
        let known = |id: &Mark| self.owners.contains_key(id);
        // Of an erased device its record stays on the ledger, and nobody can say which it is.
        let mut strange: Vec<Mark> =
            self.auditor.records.iter().map(|(id, _)| *id).filter(|id| !known(id)).collect();
        strange.dedup();
        let unknown = strange.len().saturating_sub(self.auditor.erased.len());
        let mut names: Vec<Mark> = self.auditor.holdings.iter().map(|holding| holding.name).collect();
        names.sort_unstable();
        let issued = &self.auditor.issued;
        let unasked = issued.iter().filter(|(name, _)| names.binary_search(name).is_err()).count();
        let held = self.auditor.holdings.iter().map(|holding| holding.iccid);
        let mut iccids: Vec<Mark> = held.chain(self.auditor.reserved.iter().copied()).collect();
        iccids.sort_unstable();
        let subscriptions = &self.auditor.subscriptions;
        let unheld = subscriptions.iter().filter(|(iccid, _)| iccids.binary_search(iccid).is_err()).count();
        let mut imsis: Vec<Mark> = subscriptions.iter().map(|(_, one)| one.imsi).collect();
        imsis.sort_unstable();
        let twice = imsis.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let beyond = self.auditor.cards.keys().filter(|device| **device > self.auditor.devices).count();
        for (count, word, detail) in [
            (unknown, "unknown-device", "on the ledger and in no inventory"),
            (unasked, "unknown-certificate", "of the CA for nobody who is known"),
            (unheld, "unknown-subscription", "of the HSS that nobody holds"),
            (twice, "subscriber-twice", "of the HSS under an IMSI that has one"),
            (beyond, "unknown-card", "of devices that the run does not have"),
        ] {
            if count > 0 {
                self.find(None, word, format!("{count} {detail}"));
            }
        }
    }
}
