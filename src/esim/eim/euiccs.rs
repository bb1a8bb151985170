//! The eUICCs that an eIM manages, and how it finds the one that a message is of or that something waits for without a
//! look at the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Forward;
use super::record::{EuiccRecord, Out, WorkKind};
use crate::crypto::rsp_cert::{RspCertificate, RspPublicKey};
use crate::esim::es9p;
use crate::esim::lpa::ActivationCode;
use crate::id::Eid;
use crate::wire::rsp::iot::DownloadTrigger;

/// How many eUICCs are known in memory alone, because nobody has ordered anything for them by name and nobody has seen
/// their certificates.
const STRANGERS_MAX: usize = 1_000;

/// A notification in the outbox of an eUICC.
type Waiting = (Eid, u64);

/// Records by EID, and what leads to them. What is kept of an eUICC changes through [`Euiccs::insert`] alone.
#[derive(Default)]
pub(super) struct Euiccs {
    records: BTreeMap<Eid, EuiccRecord>,
    /// By the transaction of the work that is out.
    by_transaction: BTreeMap<Vec<u8>, Eid>,
    /// By the key that it signs with. Where two certificates have one key, the first stands.
    by_key: BTreeMap<RspPublicKey, Eid>,
    /// Where and when each notification is to be forwarded, Unix seconds; 0 is as soon as may be.
    due_of: BTreeMap<Waiting, (String, u64)>,
    /// By the server: one that does not answer holds nobody else up.
    due: BTreeMap<String, BTreeSet<(u64, Waiting)>>,
    /// Servers that something is under way to.
    busy: BTreeSet<String>,
    /// How many downloads are out, by the server of their activation code in small letters; empty where the eUICC or an
    /// SM-DS says the server.
    downloads: BTreeMap<String, usize>,
    /// Those that are in memory alone, the oldest first.
    strangers: VecDeque<Eid>,
}

impl Euiccs {
    pub(super) fn get(&self, eid: &Eid) -> Option<&EuiccRecord> {
        self.records.get(eid)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &EuiccRecord> {
        self.records.values()
    }

    /// The eUICC whose work that is out has this transaction.
    pub(super) fn with_transaction(&self, transaction_id: &[u8]) -> Option<&EuiccRecord> {
        self.records.get(self.by_transaction.get(transaction_id)?)
    }

    /// The eUICC whose verified certificate has this key.
    pub(super) fn with_key(&self, key: &RspPublicKey) -> Option<&EuiccRecord> {
        self.records.get(self.by_key.get(key)?)
    }

    /// When the first notification is to be forwarded, Unix seconds.
    pub(super) fn due_unix_s(&self) -> Option<u64> {
        let idle = self.due.iter().filter(|(server, _)| !self.busy.contains(*server));
        idle.filter_map(|(_, due)| due.first()).map(|(due_unix_s, _)| *due_unix_s).min()
    }

    /// The first notification that is due, not to be forwarded again before `again_unix_s`; with when it came, Unix
    /// seconds.
    pub(super) fn next_forward(&mut self, now_unix_s: u64, again_unix_s: u64) -> Option<(Forward, u64)> {
        let idle = self.due.iter().filter(|(server, _)| !self.busy.contains(*server));
        let (first, server) = idle.filter_map(|(server, due)| Some((due.first()?, server))).min()?;
        if first.0 > now_unix_s {
            return None;
        }
        let (waiting, server) = (first.1.clone(), server.clone());
        self.schedule(waiting.clone(), server.clone(), again_unix_s);
        self.busy.insert(server);
        let (eid, number) = waiting;
        let notification = self.records.get(&eid)?.outbox.get(&number)?;
        let request = es9p::handle_notification(&notification.address, &notification.notification);
        let since_unix_s = notification.since_unix_s;
        Some((Forward { eid, number, request }, since_unix_s))
    }

    /// A server has answered to what was forwarded, or has not.
    pub(super) fn is_free(&mut self, server: &str) {
        self.busy.remove(server);
    }

    /// Puts a record in the place of the one before.
    pub(super) fn insert(&mut self, record: EuiccRecord) {
        let eid = record.eid.clone();
        let before = self.records.remove(&eid).unwrap_or_else(|| EuiccRecord::new(eid.clone()));
        for out in before.under_way() {
            self.by_transaction.remove(&out.transaction_id);
        }
        for out in record.under_way() {
            self.by_transaction.insert(out.transaction_id.clone(), eid.clone());
        }
        for server in before.under_way().filter_map(server_of) {
            if let Some(count) = self.downloads.get_mut(&server) {
                *count = count.saturating_sub(1);
            }
        }
        for server in record.under_way().filter_map(server_of) {
            *self.downloads.entry(server).or_default() += 1;
        }
        self.downloads.retain(|_, count| *count > 0);
        let eid = &eid;
        if before.chain != record.chain {
            if let Some(key) = key_of(&before).filter(|key| self.by_key.get(key) == Some(eid)) {
                self.by_key.remove(&key);
            }
            if let Some(key) = key_of(&record) {
                self.by_key.entry(key).or_insert_with(|| eid.clone());
            }
        }
        for number in before.outbox.keys().filter(|number| !record.outbox.contains_key(number)) {
            self.unschedule(&(eid.clone(), *number));
        }
        for (number, waiting) in
            record.outbox.iter().filter(|(number, _)| !before.outbox.contains_key(number))
        {
            self.schedule((eid.clone(), *number), waiting.address.clone(), 0);
        }
        match (before.stranger, record.stranger) {
            (false, true) => self.strangers.push_back(eid.clone()),
            (true, false) => self.strangers.retain(|stranger| stranger != eid),
            _ => {}
        }
        self.records.insert(eid.clone(), record);
        while self.strangers.len() > STRANGERS_MAX {
            self.forget_stranger();
        }
    }

    /// Whether a download from this server is out, or one of which the eUICC says the server.
    pub(super) fn expects(&self, server: &str) -> (bool, bool) {
        let out = |server: &str| self.downloads.contains_key(server);
        (out(&server.to_ascii_lowercase()), out(""))
    }

    /// Forgets the oldest of those that are in memory alone. Whoever it was can begin again.
    fn forget_stranger(&mut self) {
        let Some(eid) = self.strangers.pop_front() else { return };
        if let Some(record) = self.records.get(&eid).cloned() {
            // Without anything that leads to it.
            self.insert(EuiccRecord { stranger: record.stranger, ..EuiccRecord::new(eid.clone()) });
            self.strangers.retain(|stranger| *stranger != eid);
            self.records.remove(&eid);
        }
    }

    fn schedule(&mut self, waiting: Waiting, server: String, due_unix_s: u64) {
        self.unschedule(&waiting);
        self.due.entry(server.clone()).or_default().insert((due_unix_s, waiting.clone()));
        self.due_of.insert(waiting, (server, due_unix_s));
    }

    fn unschedule(&mut self, waiting: &Waiting) {
        let Some((server, due_unix_s)) = self.due_of.remove(waiting) else { return };
        if let Some(of_server) = self.due.get_mut(&server) {
            of_server.remove(&(due_unix_s, waiting.clone()));
            if of_server.is_empty() {
                self.due.remove(&server);
            }
        }
    }
}

/// The server that a download under way goes to, in small letters; empty where the activation code does not say it.
fn server_of(out: &Out) -> Option<String> {
    match &out.work.kind {
        WorkKind::Download { trigger: DownloadTrigger::ActivationCode(code), .. } => {
            let code = code.parse::<ActivationCode>().ok()?;
            Some(code.address.to_ascii_lowercase())
        }
        WorkKind::Download { .. } => Some(String::new()),
        _ => None,
    }
}

/// The key of the eUICC's certificate, where it is known and verified.
fn key_of(record: &EuiccRecord) -> Option<RspPublicKey> {
    let certificate = RspCertificate::parse(record.chain.first()?).ok()?;
    Some(*certificate.public())
}
