//! What an eIM knows of one eUICC, and what it still wants of it.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::super::store;
use crate::esim::lpa::ActivationCode;
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
    /// Of a package: the association token that its signature covers.
    #[serde(default)]
    pub(super) token: Option<u64>,
    /// How often it was set aside.
    #[serde(default)]
    pub(super) tries: u32,
    /// In how many minutes it was handed out since it was last set aside, and when last, Unix seconds.
    #[serde(default)]
    pub(super) handed: u32,
    #[serde(default)]
    pub(super) handed_unix_s: u64,
    /// Until when it stays aside, Unix seconds.
    #[serde(default)]
    pub(super) not_before_unix_s: u64,
}

impl Out {
    pub(super) fn is_package(&self) -> bool {
        matches!(self.work.kind, WorkKind::Package(_))
    }

    pub(super) fn is_download(&self) -> bool {
        matches!(self.work.kind, WorkKind::Download { .. })
    }
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
    /// When it came, Unix seconds.
    #[serde(default)]
    pub(super) since_unix_s: u64,
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
    /// Whether the eUICC has signed over that token, or the operator has said it.
    #[serde(default)]
    pub(super) token_proven: bool,
    /// Another token that somebody has told since, without a signature.
    #[serde(default)]
    pub(super) token_told: Option<u64>,
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
    /// What was fetched, did not end in a way that is to be believed, and is handed out again later.
    #[serde(default)]
    pub(super) aside: VecDeque<Out>,
    /// How often in a row the eUICC has refused a counter as used.
    #[serde(default)]
    pub(super) replays: u32,
    /// The last package that was answered: a rollback refers to it.
    pub(super) last: Option<(u64, Vec<u8>)>,
    /// Sequence numbers of results that were taken, the newest last.
    pub(super) taken: VecDeque<u64>,
    /// How work has ended, the newest last.
    pub outcomes: Vec<Outcome>,
    pub(super) outbox: BTreeMap<u64, Waiting>,
    /// Sessions with SM-DP+s whose installation results were taken, the newest last.
    #[serde(default, with = "store")]
    pub(super) installations: Vec<Vec<u8>>,
    /// The highest sequence number of an installation result that was taken.
    #[serde(default)]
    pub(super) installed_sequence: u64,
    /// The profile that was installed last.
    #[serde(default)]
    pub(super) installed: Option<Iccid>,
    /// SM-DP+s that it was sent to by an activation code.
    #[serde(default)]
    pub(super) servers: Vec<String>,
    /// What of its rule is still to be done.
    pub(super) steps: VecDeque<RuleStep>,
    /// Whether a rule was applied to it already.
    pub(super) ruled: bool,
    pub(super) numbers: u64,
    /// Nobody has ordered anything for it by name, and its certificates are not known: it is kept in memory alone.
    #[serde(skip)]
    pub(super) stranger: bool,
}

/// How many results and outcomes are remembered.
const REMEMBERED: usize = 64;

impl EuiccRecord {
    pub(super) fn new(eid: Eid) -> Self {
        Self {
            eid,
            counter: 0,
            association_token: None,
            token_proven: false,
            token_told: None,
            chain: Vec::new(),
            info1: None,
            ipa_features: 0,
            default_smdp: None,
            profiles: Vec::new(),
            queue: VecDeque::new(),
            out: None,
            aside: VecDeque::new(),
            replays: 0,
            last: None,
            taken: VecDeque::new(),
            outcomes: Vec::new(),
            outbox: BTreeMap::new(),
            installations: Vec::new(),
            installed_sequence: 0,
            installed: None,
            servers: Vec::new(),
            steps: VecDeque::new(),
            ruled: false,
            numbers: 0,
            stranger: false,
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

    /// Remembers where a trigger sends the device.
    pub(super) fn send_to(&mut self, trigger: &DownloadTrigger) {
        let DownloadTrigger::ActivationCode(code) = trigger else { return };
        let Ok(code) = code.parse::<ActivationCode>() else { return };
        if !self.was_sent_to(&code.address) {
            if self.servers.len() >= REMEMBERED {
                self.servers.remove(0);
            }
            self.servers.push(code.address);
        }
    }

    /// Whether an activation code has sent it to this server.
    pub(super) fn was_sent_to(&self, server: &str) -> bool {
        self.servers.iter().any(|known| known.eq_ignore_ascii_case(server))
    }

    /// Whether something was fetched and not answered yet.
    pub fn is_waiting(&self) -> bool {
        self.out.is_some()
    }

    /// Whether nothing is left to do: no work waits, is out, or was put aside to be handed out again.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.under_way().next().is_none()
    }

    /// Whether its certificates are known and verified.
    pub fn is_verified(&self) -> bool {
        !self.chain.is_empty()
    }

    /// Everything that was fetched and has not ended: what is out before what is aside.
    pub(super) fn under_way(&self) -> impl Iterator<Item = &Out> {
        self.out.iter().chain(&self.aside)
    }

    /// Takes what was fetched under this transaction out of what is under way.
    pub(super) fn take_under_way(&mut self, transaction_id: &[u8]) -> Option<Out> {
        if self.out.as_ref().is_some_and(|out| out.transaction_id == transaction_id) {
            return self.out.take();
        }
        let at = self.aside.iter().position(|out| out.transaction_id == transaction_id)?;
        self.aside.remove(at)
    }

    /// Ends work that was taken out of what is under way.
    pub(super) fn finish(&mut self, out: Out, ok: bool, detail: String, now_unix_s: u64) {
        self.note(out.work.number, out.work.kind.describe(), ok, detail, now_unix_s);
        if out.is_package() {
            self.last = Some((out.counter, out.transaction_id));
        }
        if !ok {
            self.steps.clear();
        }
    }

    pub(super) fn note(&mut self, number: u64, what: String, ok: bool, detail: String, now_unix_s: u64) {
        let again = |last: &Outcome| last.number == number && last.detail == detail && !last.ok && !ok;
        if self.outcomes.last().is_some_and(again) {
            return;
        }
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
