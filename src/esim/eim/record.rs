//! What an eIM knows of one eUICC, and what it still wants of it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::super::store;
use crate::id::{Eid, Iccid};
use crate::wire::rsp::iot::{
    DownloadTrigger, EuiccData, EuiccPackage, IpaEuiccDataRequest, ProfileDownloadTriggerRequest, Psmo,
};

/// One step of a rule. The next one is begun when the one before has succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum RuleStep {
    /// Downloads by the activation code.
    DownloadByCode { code: String, hidden: bool },
    /// Downloads from the SM-DP+ that the eUICC holds.
    DownloadFromDefault,
    /// Downloads what the SM-DS knows; the root one where none is named.
    DownloadBySmds { address: Option<String> },
    /// Enables what was downloaded last.
    Enable { rollback: bool },
    /// Lists the profiles.
    List,
}

/// A kind of work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum WorkKind {
    /// Operations for the eUICC, signed.
    Package(EuiccPackage),
    /// The IPA is asked for data of its eUICC.
    Data(IpaEuiccDataRequest),
    /// A download; with `hidden` the IPA is not told from where, and goes through the eIM.
    Download { trigger: DownloadTrigger, hidden: bool },
}

impl WorkKind {
    /// Asks for everything that the eIM wants to know first.
    pub fn introduction() -> Self {
        Self::Data(IpaEuiccDataRequest {
            tags: EuiccData::ALL_TAGS.to_vec(),
            ..IpaEuiccDataRequest::default()
        })
    }

    /// The profiles with their states.
    pub fn list() -> Self {
        Self::Package(EuiccPackage::Psmo(vec![Psmo::ListProfileInfo(Default::default())]))
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Package(package) => package.names().join(", "),
            Self::Data(_) => "eUICC data".to_owned(),
            Self::Download { trigger: DownloadTrigger::ActivationCode(_), .. } => {
                "download by activation code".to_owned()
            }
            Self::Download { trigger: DownloadTrigger::DefaultSmdp, .. } => {
                "download from the default SM-DP+".to_owned()
            }
            Self::Download { trigger: DownloadTrigger::Smds(_), .. } => {
                "download by way of an SM-DS".to_owned()
            }
        }
    }

    fn to_stored(&self) -> Stored {
        match self {
            Self::Package(package) => Stored { kind: StoredKind::Package, bytes: package.to_bytes() },
            Self::Data(request) => Stored { kind: StoredKind::Data, bytes: request.to_bytes() },
            Self::Download { trigger, hidden } => Stored {
                kind: if *hidden { StoredKind::HiddenDownload } else { StoredKind::Download },
                bytes: ProfileDownloadTriggerRequest { trigger: Some(trigger.clone()), transaction_id: None }
                    .to_bytes(),
            },
        }
    }

    fn from_stored(stored: &Stored) -> Option<Self> {
        let download = |hidden| {
            let request = ProfileDownloadTriggerRequest::parse(&stored.bytes).ok()?;
            Some(Self::Download { trigger: request.trigger?, hidden })
        };
        match stored.kind {
            StoredKind::Package => EuiccPackage::parse(&stored.bytes).ok().map(Self::Package),
            StoredKind::Data => IpaEuiccDataRequest::parse(&stored.bytes).ok().map(Self::Data),
            StoredKind::Download => download(false),
            StoredKind::HiddenDownload => download(true),
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredKind {
    Package,
    Data,
    Download,
    HiddenDownload,
}

/// [`WorkKind`] as it is kept: as the message says it.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    kind: StoredKind,
    #[serde(with = "store")]
    bytes: Vec<u8>,
}

impl Serialize for WorkKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_stored().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WorkKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Self::from_stored(&stored).ok_or_else(|| serde::de::Error::custom("a package that does not read"))
    }
}

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Counts from 1 for each eUICC.
    pub number: u64,
    /// What is to be done.
    pub kind: WorkKind,
}

/// Work that the IPA has fetched and not answered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Out {
    pub(super) work: Work,
    #[serde(with = "store")]
    pub(super) transaction_id: Vec<u8>,
    /// Of a package.
    pub(super) counter: u64,
    /// As it was sent: a package that is fetched again is the same one.
    #[serde(with = "store")]
    pub(super) message: Vec<u8>,
}

/// How a piece of work ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The number of the work.
    pub number: u64,
    /// What it was.
    pub what: String,
    /// Whether all of it was done.
    pub ok: bool,
    /// What came of it, operation by operation.
    pub detail: String,
    /// When, in Unix seconds.
    pub finished_unix_s: u64,
}

/// A profile, as the eUICC last listed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownProfile {
    /// The number of the profile.
    pub iccid: Iccid,
    /// Whether it is the one that is enabled.
    pub enabled: bool,
    /// The name that its metadata have.
    pub name: String,
}

/// A notification on its way to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) address: String,
    #[serde(with = "store")]
    pub(super) notification: Vec<u8>,
}

/// One eUICC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EuiccRecord {
    /// Its identifier.
    pub eid: Eid,
    /// The counter of the last package that was signed.
    pub counter: u64,
    /// What results are bound to this eIM by (SGP.32 clause 2.11.1.1).
    pub association_token: Option<u64>,
    /// CERT.EUICC.ECDSA and CERT.EUM.ECDSA, DER, verified; none where they are not known yet.
    #[serde(with = "store")]
    pub(super) chain: Vec<Vec<u8>>,
    /// EUICCInfo1, `BF20`.
    #[serde(with = "store")]
    pub(super) info1: Option<Vec<u8>>,
    /// Bits of `ipaFeatures`, as the IPA has said them.
    #[serde(default)]
    pub(super) ipa_features: u8,
    /// FQDN of the SM-DP+ that it asks where nobody says another, as it has told.
    pub default_smdp: Option<String>,
    /// Its profiles, as it last listed them.
    pub profiles: Vec<KnownProfile>,
    /// Work that the IPA has not fetched yet, the next first.
    pub queue: VecDeque<Work>,
    pub(super) out: Option<Out>,
    /// The last package that was answered: a rollback refers to it.
    pub(super) last: Option<(u64, Vec<u8>)>,
    /// Sequence numbers of results that were taken, the newest last.
    pub(super) taken: VecDeque<u64>,
    /// How work has ended, the newest last.
    pub outcomes: Vec<Outcome>,
    pub(super) outbox: BTreeMap<u64, Waiting>,
    /// What of its rule is still to be done.
    pub(super) steps: VecDeque<RuleStep>,
    /// Whether a rule was applied to it already.
    pub(super) ruled: bool,
    pub(super) numbers: u64,
}

/// How many results and outcomes are remembered.
const REMEMBERED: usize = 64;

impl EuiccRecord {
    pub(super) fn new(eid: Eid) -> Self {
        Self {
            eid,
            counter: 0,
            association_token: None,
            chain: Vec::new(),
            info1: None,
            ipa_features: 0,
            default_smdp: None,
            profiles: Vec::new(),
            queue: VecDeque::new(),
            out: None,
            last: None,
            taken: VecDeque::new(),
            outcomes: Vec::new(),
            outbox: BTreeMap::new(),
            steps: VecDeque::new(),
            ruled: false,
            numbers: 0,
        }
    }

    pub(super) fn push(&mut self, kind: WorkKind) -> u64 {
        self.numbers += 1;
        self.queue.push_back(Work { number: self.numbers, kind });
        self.numbers
    }

    pub(super) fn push_first(&mut self, kind: WorkKind) {
        self.numbers += 1;
        self.queue.push_front(Work { number: self.numbers, kind });
    }

    /// Whether something was fetched and not answered yet.
    pub fn is_waiting(&self) -> bool {
        self.out.is_some()
    }

    /// Whether its certificates are known and verified.
    pub fn is_verified(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Ends the work that is out.
    pub(super) fn finish(&mut self, ok: bool, detail: String, now_unix_s: u64) {
        if let Some(out) = self.out.take() {
            if matches!(out.work.kind, WorkKind::Package(_)) {
                self.last = Some((out.counter, out.transaction_id));
            }
            self.note(out.work.number, out.work.kind.describe(), ok, detail, now_unix_s);
        }
    }

    pub(super) fn note(&mut self, number: u64, what: String, ok: bool, detail: String, now_unix_s: u64) {
        if self.outcomes.len() >= REMEMBERED {
            self.outcomes.remove(0);
        }
        self.outcomes.push(Outcome { number, what, ok, detail, finished_unix_s: now_unix_s });
    }

    pub(super) fn take(&mut self, sequence_number: u64) {
        if self.taken.len() >= REMEMBERED {
            self.taken.pop_front();
        }
        self.taken.push_back(sequence_number);
    }
}
