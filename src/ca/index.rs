//! What an authority remembers of the certificates that it has issued: the index that a status is read from, and that
//! an audit compares with the ledger.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::revocation::{Revocation, RevocationReason};
use super::x509::Serial;

/// One certificate, as the index has it. As JSON, digests and serial numbers are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The serial number.
    pub serial: Serial,
    /// Whom it names: the common name.
    pub subject: String,
    /// SHA-256 of the `SubjectPublicKeyInfo`: whose key it is.
    #[serde(with = "hex::serde")]
    pub spki_sha256: [u8; 32],
    /// SHA-256 of the part that is signed: what the ledger holds of it.
    #[serde(with = "hex::serde")]
    pub tbs_sha256: [u8; 32],
    /// From when it is valid, in Unix seconds.
    pub not_before_unix_s: u64,
    /// The last second in which it is valid, in Unix seconds.
    pub not_after_unix_s: u64,
    /// Since when and why it is not good any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revocation>,
}

/// What is known of a serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Issued, and not revoked.
    Good,
    /// Issued, and revoked or on hold.
    Revoked(Revocation),
    /// Not issued by this authority.
    Unknown,
}

/// Where an index is kept. What was put is durable when the call returns, where the place is one that lasts.
pub trait IndexStore: Send {
    /// Keeps a record, in the place of an earlier one with its serial number.
    ///
    /// # Errors
    /// Why it is not kept; nothing has changed then.
    fn put(&mut self, record: &Record) -> Result<(), String>;

    /// Keeps the revocation list `der` with its number, in the place of the list before.
    ///
    /// # Errors
    /// The same.
    fn put_list(&mut self, number: u64, der: &[u8]) -> Result<(), String>;
}

/// A place that forgets: for a run without a folder, and for tests.
pub struct Unkept;

impl IndexStore for Unkept {
    fn put(&mut self, _: &Record) -> Result<(), String> {
        Ok(())
    }

    fn put_list(&mut self, _: u64, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

/// The records by serial number.
#[derive(Debug, Default)]
pub struct Index(BTreeMap<Serial, Record>);

impl Index {
    /// The index of `records`; of two with one serial number the later one counts.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        Self(records.into_iter().map(|record| (record.serial, record)).collect())
    }

    /// Reads an index that was written as lines of JSON, each a record.
    ///
    /// # Errors
    /// The number of the line that is none, from 1, and why.
    pub fn read(text: &str) -> Result<Self, (usize, String)> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let records: Result<Vec<Record>, _> = lines
            .map(|(at, line)| serde_json::from_str(line).map_err(|error| (at, error.to_string())))
            .collect();
        records.map(Self::new)
    }

    /// The records, by serial number.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.0.values()
    }

    /// The record of a certificate.
    pub fn get(&self, serial: &Serial) -> Option<&Record> {
        self.0.get(serial)
    }

    /// What is known of a serial number.
    pub fn status(&self, serial: &Serial) -> Status {
        match self.0.get(serial) {
            None => Status::Unknown,
            Some(Record { revoked: Some(revocation), .. }) => Status::Revoked(*revocation),
            Some(_) => Status::Good,
        }
    }

    /// What the record becomes where the certificate is revoked; `None` where that changes nothing. One that is revoked
    /// for good keeps its first date and reason, and a hold is not held twice.
    pub(super) fn revoked(&self, serial: &Serial, revocation: Revocation) -> Option<Record> {
        let record = self.0.get(serial)?;
        let changes = match record.revoked {
            None => true,
            Some(Revocation { reason: RevocationReason::CertificateHold, .. }) => {
                revocation.reason != RevocationReason::CertificateHold
            }
            Some(_) => false,
        };
        changes.then(|| Record { revoked: Some(revocation), ..record.clone() })
    }

    /// What the record becomes where the certificate is taken off hold; `None` where it is not on hold.
    pub(super) fn released(&self, serial: &Serial) -> Option<Record> {
        let record = self.0.get(serial)?;
        let held =
            matches!(record.revoked, Some(Revocation { reason: RevocationReason::CertificateHold, .. }));
        held.then(|| Record { revoked: None, ..record.clone() })
    }

    pub(super) fn put(&mut self, record: Record) {
        self.0.insert(record.serial, record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::RngTree;

    fn record() -> Record {
        Record {
            serial: Serial::draw(&mut RngTree::new(7).stream("serial")),
            subject: "sensor-1".to_owned(),
            spki_sha256: [1; 32],
            tbs_sha256: [2; 32],
            not_before_unix_s: 10,
            not_after_unix_s: 20,
            revoked: None,
        }
    }

    #[test]
    fn lines_are_read_back_and_the_last_one_counts() {
        let revocation = Revocation { reason: RevocationReason::KeyCompromise, since_unix_s: 12 };
        let later = Record { revoked: Some(revocation), ..record() };
        let lines = [record(), later.clone()].map(|record| serde_json::to_string(&record).unwrap());
        let index = Index::read(&lines.join("\n")).unwrap();
        assert_eq!(index.records().collect::<Vec<_>>(), [&later]);
        assert_eq!(index.status(&later.serial), Status::Revoked(revocation));
        let (at, why) = Index::read(&format!("{}\n{{}}\n", lines[0])).unwrap_err();
        assert!(at == 2 && why.contains("serial"), "{at}: {why}");
    }

    #[test]
    fn only_a_hold_is_released_and_a_hold_can_become_final() {
        let mut index = Index::new([record()]);
        let serial = record().serial;
        let revoke = |index: &mut Index, reason, since_unix_s| {
            let changed = index.revoked(&serial, Revocation { reason, since_unix_s });
            changed.map(|record| index.put(record)).is_some()
        };
        assert_eq!(index.released(&serial), None);
        assert!(revoke(&mut index, RevocationReason::CertificateHold, 1));
        assert!(!revoke(&mut index, RevocationReason::CertificateHold, 2));
        let free = index.released(&serial).unwrap();
        index.put(free);
        assert_eq!(index.status(&serial), Status::Good);

        assert!(revoke(&mut index, RevocationReason::CertificateHold, 3));
        assert!(revoke(&mut index, RevocationReason::PrivilegeWithdrawn, 4));
        assert!(!revoke(&mut index, RevocationReason::Superseded, 5));
        assert_eq!(index.released(&serial), None);
        let stands = Revocation { reason: RevocationReason::PrivilegeWithdrawn, since_unix_s: 4 };
        assert_eq!(index.status(&serial), Status::Revoked(stands));
        let other = Serial::draw(&mut RngTree::new(8).stream("serial"));
        assert_eq!(index.status(&other), Status::Unknown);
    }
}
