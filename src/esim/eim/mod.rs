//! The eIM: who manages eUICCs from afar (SGP.32 clauses 3.2, 3.3, 5.14 and 6.3).
//!
//! IPAs ask it for packages over ESipa and bring the results. It signs what an eUICC shall do, and believes only what
//! that eUICC has signed, with a certificate chain that leads to a trusted CI. Downloads that an IPA cannot do itself
//! go through it ([`Action::Relay`]).

mod attempts;
mod downloads;
mod euiccs;
mod notifications;
mod packages;
mod record;
mod relay;
mod results;
mod rules;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

pub use record::{EuiccRecord, KnownProfile, Outcome, RuleStep, Work, WorkKind};
pub use relay::RelayToken;
pub use rules::Rule;

use self::euiccs::Euiccs;
use self::relay::Relays;
use self::rules::Rules;
use super::pki::Identity;
use super::store::{self, Kind, Records, Store, StoreError};
use super::{ASN1, ESIPA_PATH, HttpRequest, HttpResponse};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::TrustAnchor;
use crate::id::Eid;
use crate::wire::rsp::iot::{
    EimConfigurationData, EimIdType, EimKey, EsipaRequest, EsipaResponse, NotificationForEim,
};

/// For how long a server that has not taken a notification is left alone, in seconds.
pub const FORWARD_AGAIN_S: u64 = 60;
/// For how long it is tried, in seconds: a week.
const FORWARD_S: u64 = 7 * 86_400;

/// What an eIM is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EimSettings {
    /// The `eimId`, 1 to 128 bytes.
    pub id: String,
    /// FQDN, with `:port` where it is not 443.
    pub address: String,
    /// Whether IPAs may download through it.
    pub indirect: bool,
    /// The servers that it connects to beside those of the activation codes that it hands out: FQDN, with `:port` where
    /// that is not 443.
    pub peers: Vec<String>,
}

/// Why the eIM does not do or believe something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EimRefusal {
    /// The message cannot be read.
    Malformed,
    /// No eUICC with this EID is managed here.
    UnknownEid,
    /// No package is out that it could be the result of.
    UnknownPackage,
    /// The eUICC has not signed this.
    WrongSignature,
    /// It has another counter than the package that is out.
    WrongCounter,
    /// It is for another eIM.
    WrongEim,
    /// It has another transaction than the package that is out.
    WrongTransaction,
    /// The certificates are those of another eUICC.
    WrongEid,
    /// The certificates of the eUICC are not known.
    NoCertificate,
    /// The certificates of the eUICC do not verify.
    CertificateChain,
    /// The server that was asked has refused.
    ServerRefuses,
    /// The server that was asked has not answered.
    ServerSilent,
    /// The record of the eUICC could not be kept.
    NotKept,
    /// The result is of an earlier download.
    OldResult,
    /// The server is none that this eIM connects to.
    HostNotAllowed,
    /// The IPA could not do what it was asked, and nobody has signed that.
    IpaReports,
    /// The eUICC has refused a package, and has not signed that.
    NotSigned,
    /// The IPA says that a download failed, and nobody has signed that.
    DownloadFailed,
}

impl EimRefusal {
    /// The stable word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownEid => "unknown-eid",
            Self::UnknownPackage => "unknown-package",
            Self::WrongSignature => "wrong-signature",
            Self::WrongCounter => "wrong-counter",
            Self::WrongEim => "wrong-eim",
            Self::WrongTransaction => "wrong-transaction",
            Self::WrongEid => "wrong-eid",
            Self::NoCertificate => "no-certificate",
            Self::CertificateChain => "certificate-chain",
            Self::ServerRefuses => "server-refuses",
            Self::ServerSilent => "server-silent",
            Self::NotKept => "not-kept",
            Self::OldResult => "old-result",
            Self::HostNotAllowed => "host-not-allowed",
            Self::IpaReports => "ipa-reports-error",
            Self::NotSigned => "not-signed",
            Self::DownloadFailed => "download-failed",
        }
    }

    /// The sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Malformed => "the message is malformed",
            Self::UnknownEid => "no eUICC with this EID is managed here",
            Self::UnknownPackage => "no package is out for this eUICC",
            Self::WrongSignature => "the signature is not that of this eUICC over this result",
            Self::WrongCounter => "the result has another counter than the package that is out",
            Self::WrongEim => "the result is for another eIM",
            Self::WrongTransaction => "the result has another transaction than the package that is out",
            Self::WrongEid => "the eUICC's certificate names another EID",
            Self::NoCertificate => "the certificates of this eUICC are not known yet",
            Self::CertificateChain => "the certificate chain of this eUICC does not verify",
            Self::ServerRefuses => "the server refuses",
            Self::ServerSilent => "the server does not answer",
            Self::NotKept => "the state could not be kept",
            Self::OldResult => "the result is of an earlier download",
            Self::HostNotAllowed => "this eIM does not connect to that server",
            Self::IpaReports => "the IPA reports error",
            Self::NotSigned => "the eUICC does not know this eIM, or not its signature",
            Self::DownloadFailed => "the download failed",
        }
    }

    /// Whether it is only what an IPA has to report.
    const fn is_report(self) -> bool {
        matches!(self, Self::IpaReports | Self::NotSigned | Self::DownloadFailed)
    }

    /// The sentence with what there is to say beside it.
    fn with(self, detail: &str) -> String {
        match (self, detail) {
            (_, "") => self.sentence().to_owned(),
            (Self::IpaReports, detail) => format!("{} {detail}", self.sentence()),
            (Self::NotSigned, _) => self.sentence().to_owned(),
            (_, detail) => format!("{}: {detail}", self.sentence()),
        }
    }
}

/// What the eIM did with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EimAnswer {
    /// What goes back.
    pub response: HttpResponse,
    /// The function as the standard names it: `ESipa.GetEimPackage`.
    pub function: String,
    /// What came of it, for people.
    pub note: String,
    /// Why it was not done or believed, where it was not.
    pub refusal: Option<EimRefusal>,
}

/// What is to be done with a message.
#[derive(Debug)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Action {
    /// Answer at once.
    Answer(EimAnswer),
    /// Ask a server first, and then call [`Eim::relayed`].
    Relay { request: HttpRequest, token: RelayToken },
}

/// A notification that is for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The eUICC that has signed it.
    pub eid: Eid,
    /// By which [`Eim::forwarded`] is told.
    pub number: u64,
    /// What is to be sent.
    pub request: HttpRequest,
}

/// An eIM.
pub struct Eim {
    settings: EimSettings,
    identity: Identity,
    anchors: Vec<TrustAnchor>,
    euiccs: Euiccs,
    relays: Relays,
    rules: Rules,
    rng: ChaCha20Rng,
    store: Box<dyn Store>,
    tally: Tally,
}

impl Eim {
    /// An eIM that signs with `identity` and trusts eUICCs under `anchors`. Transactions are drawn from `rng`, which
    /// must not begin again where `records` of before are given.
    ///
    /// # Errors
    /// [`StoreError`] where a record is not one of an eIM.
    pub fn new(
        settings: EimSettings,
        identity: Identity,
        anchors: Vec<TrustAnchor>,
        rng: ChaCha20Rng,
        store: Box<dyn Store>,
        records: &Records,
        tally: &Tally,
    ) -> Result<Self, StoreError> {
        let mut euiccs = Euiccs::default();
        for ((kind, key), bytes) in records {
            if *kind == Kind::Euicc {
                euiccs.insert(store::read(*kind, key, bytes)?);
            }
        }
        Ok(Self {
            settings,
            identity,
            anchors,
            euiccs,
            relays: Relays::default(),
            rules: Rules::default(),
            rng,
            store,
            tally: tally.clone(),
        })
    }

    /// Takes another certificate, and other anchors with their revocation lists, while it serves.
    pub fn renew(&mut self, identity: Identity, anchors: Vec<TrustAnchor>) {
        self.identity = identity;
        self.anchors = anchors;
    }

    /// Its settings.
    pub fn settings(&self) -> &EimSettings {
        &self.settings
    }

    /// What an eUICC has to be told of this eIM, over ES10b.AddInitialEim or an addEim of another eIM. A token is
    /// asked for.
    pub fn configuration(&self) -> EimConfigurationData {
        EimConfigurationData {
            eim_id: self.settings.id.clone(),
            fqdn: Some(self.settings.address.clone()),
            id_type: Some(EimIdType::Proprietary),
            counter: Some(0),
            association_token: Some(EimConfigurationData::CALCULATE_TOKEN),
            key: Some(EimKey::Certificate(self.identity.certificate.der().to_vec())),
            tls: None,
            protocols: Some(EimConfigurationData::RETRIEVE_HTTPS),
            ci_key_id: None,
            indirect_download: self.settings.indirect,
        }
    }

    /// Adds a rule; the first one that fits an EID is the one that counts.
    pub fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Manages an eUICC from now on. One that is managed already keeps its state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn register(&mut self, eid: &Eid, association_token: Option<u64>) -> Result<(), StoreError> {
        let mut record = match self.euiccs.get(eid) {
            Some(record) => record.clone(),
            None => EuiccRecord::new(eid.clone()),
        };
        record.stranger = false;
        if association_token.is_some() {
            record.association_token = association_token;
            record.token_proven = true;
        }
        self.keep(record)
    }

    /// Puts work at the end of the queue of an eUICC, which is managed from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn enqueue(&mut self, eid: &Eid, kind: WorkKind) -> Result<u64, StoreError> {
        let mut record = self.euiccs.get(eid).cloned().unwrap_or_else(|| EuiccRecord::new(eid.clone()));
        record.stranger = false;
        let number = record.push(kind);
        self.keep(record)?;
        Ok(number)
    }

    /// Every eUICC that is managed.
    pub fn euiccs(&self) -> impl Iterator<Item = &EuiccRecord> {
        self.euiccs.iter()
    }

    /// What is known of an eUICC.
    pub fn euicc(&self, eid: &Eid) -> Option<&EuiccRecord> {
        self.euiccs.get(eid)
    }

    /// Answers a message of an IPA.
    pub fn handle(&mut self, now_unix_s: u64, request: &HttpRequest) -> Action {
        let message = match EsipaRequest::parse(&request.body) {
            Ok(message) if request.path == ESIPA_PATH => message,
            Ok(_) => return Action::Answer(http_error(404, "the path of ESipa is /gsma/rsp2/asn1")),
            Err(error) => return Action::Answer(http_error(400, &error.to_string())),
        };
        let function = format!("ESipa.{}", message.name());
        match message {
            EsipaRequest::GetEimPackage(get) => {
                Action::Answer(self.get_eim_package(now_unix_s, &function, &get))
            }
            EsipaRequest::ProvideEimPackageResult(provide) => {
                Action::Answer(self.provide_result(now_unix_s, &function, provide, true))
            }
            EsipaRequest::HandleNotification(NotificationForEim::Result(provide)) => {
                Action::Answer(self.provide_result(now_unix_s, &function, provide, false))
            }
            EsipaRequest::HandleNotification(NotificationForEim::Pending(raw)) => {
                Action::Answer(self.pending_notification(now_unix_s, &function, &raw))
            }
            EsipaRequest::TransferEimPackageResponse(_) => {
                Action::Answer(http_error(400, "this eIM sends nothing unasked"))
            }
            message => self.relay(now_unix_s, &function, message),
        }
    }

    /// The next notification that is due to be forwarded to its server, one at a time for each; what comes of it goes to
    /// [`Eim::forwarded`] or [`Eim::not_forwarded`]. One that is not forgotten with
    /// [`Eim::forwarded`] is due again after [`FORWARD_AGAIN_S`].
    pub fn next_forward(&mut self, now_unix_s: u64) -> Option<Forward> {
        loop {
            let again_unix_s = now_unix_s.saturating_add(FORWARD_AGAIN_S);
            let (forward, since_unix_s) = self.euiccs.next_forward(now_unix_s, again_unix_s)?;
            if now_unix_s <= since_unix_s.saturating_add(FORWARD_S) {
                return Some(forward);
            }
            // Nobody wants it. Where that cannot be kept, it is tried once more later.
            if self.forwarded(&forward).is_err() {
                return None;
            }
        }
    }

    /// When something has to be done although no IPA asks: a notification is to be forwarded. Unix seconds; in the
    /// past where it is due.
    pub fn deadline_unix_s(&self) -> Option<u64> {
        self.euiccs.due_unix_s()
    }

    /// Forgets a notification that its server has taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forwarded(&mut self, forward: &Forward) -> Result<(), StoreError> {
        self.not_forwarded(forward);
        let Some(mut record) = self.euiccs.get(&forward.eid).cloned() else { return Ok(()) };
        record.outbox.remove(&forward.number);
        self.keep(record)
    }

    /// Leaves a notification where it is that its server has not taken.
    pub fn not_forwarded(&mut self, forward: &Forward) {
        self.euiccs.is_free(&forward.request.host);
    }

    /// Keeps what has changed. Of whoever nobody has ordered anything for by name nothing is written before its
    /// certificates are known.
    fn keep(&mut self, mut record: EuiccRecord) -> Result<(), StoreError> {
        record.stranger &= !record.is_verified();
        if self.euiccs.get(&record.eid) == Some(&record) {
            return Ok(());
        }
        if !record.stranger {
            self.store.put(Kind::Euicc, record.eid.as_str(), &mut || store::record(&record))?;
        }
        self.euiccs.insert(record);
        Ok(())
    }

    /// Whether this eIM connects to a server, whatever was ordered.
    fn may_reach(&self, host: &str) -> bool {
        self.settings.peers.iter().any(|peer| peer.eq_ignore_ascii_case(host))
    }

    fn transaction_id(&mut self) -> Vec<u8> {
        let mut id = vec![0; 16];
        self.rng.fill_bytes(&mut id);
        id
    }
}

/// An answer in ASN.1.
fn answer(function: &str, response: &EsipaResponse, note: impl Into<String>) -> EimAnswer {
    EimAnswer {
        response: HttpResponse { status: 200, content_type: ASN1.to_owned(), body: response.to_bytes() },
        function: function.to_owned(),
        note: note.into(),
        refusal: None,
    }
}

/// An answer in ASN.1 that refuses.
fn refused(function: &str, response: &EsipaResponse, refusal: EimRefusal, detail: &str) -> EimAnswer {
    let note = if detail.is_empty() {
        refusal.sentence().to_owned()
    } else {
        format!("{}: {detail}", refusal.sentence())
    };
    EimAnswer { refusal: Some(refusal), ..answer(function, response, note) }
}

/// 204, as HandleNotification is answered.
fn nothing(function: &str, note: String) -> EimAnswer {
    EimAnswer {
        response: HttpResponse { status: 204, content_type: String::new(), body: Vec::new() },
        function: function.to_owned(),
        note,
        refusal: None,
    }
}

/// 503, since nothing was decided: what cannot be kept now may be brought again.
fn not_kept(function: &str, problem: &StoreError) -> EimAnswer {
    let refusal = EimRefusal::NotKept;
    EimAnswer {
        function: function.to_owned(),
        note: refusal.with(&problem.to_string()),
        refusal: Some(refusal),
        ..http_error(503, "the state could not be kept")
    }
}

/// What is no message of ESipa at all.
fn http_error(status: u16, problem: &str) -> EimAnswer {
    EimAnswer {
        response: HttpResponse {
            status,
            content_type: "text/plain".to_owned(),
            body: format!("{problem}\n").into_bytes(),
        },
        function: "ESipa".to_owned(),
        note: problem.to_owned(),
        refusal: Some(EimRefusal::Malformed),
    }
}
