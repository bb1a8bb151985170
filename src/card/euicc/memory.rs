//! What of an eUICC outlives its power.

use std::collections::BTreeMap;

use super::EuiccConfig;
use super::slots::{Aid, Slot};
use crate::crypto::rsp_cert::RspKey;
use crate::wire::rsp::iot::{EimConfigurationData, ImmediateEnableConfiguration};
use crate::wire::rsp::{IccidBytes, NotificationEvents, Signature};

/// What outlives the power.
pub(super) struct Memory {
    /// The installed profiles, in the order in which they came.
    pub(super) slots: Vec<Slot>,
    pub(super) enabled: Option<Aid>,
    /// What was enabled before a test profile took its place.
    pub(super) before_test: Option<Aid>,
    /// A change of profile that waits for the terminal: what is to be enabled, or none.
    pub(super) waiting: Option<Option<Aid>>,
    pub(super) default_smdp: Option<String>,
    pub(super) notifications: Vec<StoredNotification>,
    pub(super) next_sequence: u64,
    /// How many profiles were ever installed from packages: each has random numbers of its own.
    pub(super) installs: u64,
    /// Keys of downloads that were prepared and may be resumed, the oldest first.
    pub(super) one_time_keys: Vec<OneTimeKey>,
    /// Revocation lists in DER, by place of the CI.
    pub(super) crls: BTreeMap<usize, Vec<u8>>,
    /// The installation under way, for the result that has to be given if it is interrupted.
    pub(super) installing: Option<Installing>,
    /// The eIMs that may manage this eUICC.
    pub(super) eims: Vec<EimConfigurationData>,
    /// The last association token that was given.
    pub(super) association_tokens: u64,
    /// Results of eUICC packages that were not acknowledged yet, by sequence number.
    pub(super) package_results: Vec<(u64, Vec<u8>)>,
    pub(super) rollback: Option<Rollback>,
    pub(super) immediate: ImmediateEnableConfiguration,
    /// The profile with the fallback attribute.
    pub(super) fallback: Option<Aid>,
    /// What was enabled when the eUICC fell back.
    pub(super) before_fallback: Option<Aid>,
}

/// What an eIM has granted: to go back to the profile before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rollback {
    pub(super) previous: Aid,
    pub(super) eim_id: String,
    /// Of the package that has granted it.
    pub(super) counter: u64,
    pub(super) transaction_id: Option<Vec<u8>>,
}

/// A notification that was not acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredNotification {
    pub(super) sequence: u64,
    pub(super) event: NotificationEvents,
    /// `BF2F` as it was signed, or the whole `BF37`.
    pub(super) content: Vec<u8>,
    /// None for `BF37`, which has its own.
    pub(super) signature: Option<Signature>,
}

/// A key pair that a profile package is bound to.
#[derive(Clone)]
pub(super) struct OneTimeKey {
    /// The SM-DP+: content of its OBJECT IDENTIFIER.
    pub(super) smdp_oid: Vec<u8>,
    pub(super) key: RspKey,
}

/// An installation under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installing {
    pub(super) transaction_id: Vec<u8>,
    pub(super) server_address: String,
    pub(super) smdp_oid: Vec<u8>,
    pub(super) iccid: Option<IccidBytes>,
}

impl Memory {
    pub(super) fn new(config: &EuiccConfig) -> Self {
        Self {
            slots: Vec::new(),
            enabled: None,
            before_test: None,
            waiting: None,
            default_smdp: config.default_smdp.clone(),
            notifications: Vec::new(),
            next_sequence: 1,
            installs: 0,
            one_time_keys: Vec::new(),
            crls: BTreeMap::new(),
            installing: None,
            eims: config.eims.clone(),
            association_tokens: 0,
            package_results: Vec::new(),
            rollback: None,
            immediate: ImmediateEnableConfiguration::default(),
            fallback: None,
            before_fallback: None,
        }
    }

    pub(super) fn slot(&self, aid: &Aid) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.aid == *aid)
    }

    pub(super) fn slot_mut(&mut self, aid: &Aid) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.aid == *aid)
    }

    /// The AID of the next ISD-P: the lowest of the range of SGP.02 annex H that is free.
    pub(super) fn free_aid(&self) -> Aid {
        let aid = |number: u16| {
            let mut aid = super::ISD_R_AID;
            aid[13..15].copy_from_slice(&number.to_be_bytes());
            aid[15] = 0;
            aid
        };
        (0x10..u16::MAX).map(aid).find(|aid| self.slot(aid).is_none()).unwrap_or_else(|| aid(u16::MAX))
    }
}
