//! The IPA in the device (IPAd): fetches packages from the eIM and acts on them, with nobody there (SGP.32 clauses
//! 3.1, 3.2, 3.3 and 5.14).
//!
//! A machine as those of [`super::lpa`]. When a package has changed which profile is enabled, it stops with
//! [`IpaStep::ProfileChanged`]: the card is refreshed, the modem registers anew, and the caller goes on with
//! [`Ipa::resume_after_refresh`] and says whether there is connectivity. Without any, it rolls back if the eIM allowed
//! that. Results stay in the eUICC until the eIM acknowledges them, so that nothing is lost if the power is.

mod euicc;

use std::collections::VecDeque;

use self::euicc::{
    Executed, allows_rollback, executed, kept_under, not_executed, unreadable, waiting_notifications,
};
use super::es9p::{AnswerError, EventEntry};
use super::lpa::{
    ActivationCode, Discovery, Download, DownloadOptions, DownloadReport, Es10, LpaError, Source, Step,
    Transport, esipa, esipa_answer,
};
use super::{HttpRequest, HttpResponse};
use crate::wire::rsp::iot::{
    DownloadTrigger, EimPackage, EimPackageResult, EsipaRequest, EsipaResponse, GetEimPackage,
    ProfileDownloadTriggerRequest, ProfileDownloadTriggerResult, ProvideEimPackageResult, StateChangeCause,
    TriggerOutcome,
};
use crate::wire::rsp::{DeviceInfo, EidBytes, IccidBytes, RetrieveNotifications};

const UNDEFINED: u64 = 127;
/// How often a download that gets no answer is tried before the eIM is told that there is none.
const DOWNLOAD_ATTEMPTS: u32 = 3;
/// How many packages are done between two starts. What is left comes with the next one.
const PACKAGES_MAX: usize = 64;

/// How an IPA works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpaOptions {
    /// FQDN of the eIM, with `:port` where it is not 443.
    pub eim: String,
    /// What it says of the device.
    pub device: DeviceInfo,
    /// Whether downloads go through the eIM.
    pub indirect: bool,
    /// Whether a profile is enabled right after its download where that was configured (SGP.32 clause 5.9.15).
    pub immediate_enable: bool,
    /// The network last registered with, as TS 24.008 clause 10.5.1.3 packs it.
    pub plmn: Option<[u8; 3]>,
}

/// What is to be done next.
#[derive(Debug)]
pub enum IpaStep {
    /// Send this, and resume with the answer.
    Send(HttpRequest),
    /// Another profile is enabled, or none: refresh, register, and call [`Ipa::resume_after_refresh`].
    ProfileChanged,
    /// The eIM has nothing more to do.
    Idle(PollReport),
    /// It cannot go on.
    Failed(LpaError),
}

/// What an IPA has done since it was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PollReport {
    /// Sentences for people, in their order.
    pub done: Vec<String>,
    /// The profiles that were installed.
    pub installed: Vec<IccidBytes>,
    /// What eUICC or eIM have refused, in sentences that stand in `done` as well.
    pub refused: Vec<String>,
    /// Why a download did not end in a profile.
    pub not_downloaded: Option<LpaError>,
    /// Whether another profile is enabled than before.
    pub profile_changed: bool,
}

enum State {
    Begin,
    Polling,
    /// With the sequence numbers of the notifications that went along.
    Providing(Vec<u64>),
    Discovering(Box<Discovery>),
    Downloading(Box<Download>),
    /// Waits for the refresh; with whether a rollback is allowed.
    Changed {
        rollback: bool,
    },
}

/// An IPA.
pub struct Ipa {
    options: IpaOptions,
    state: State,
    eid: Option<EidBytes>,
    state_change: Option<StateChangeCause>,
    /// What is to be brought to the eIM.
    results: VecDeque<EimPackageResult>,
    /// What was brought and not answered yet.
    sent: Option<EimPackageResult>,
    /// The transaction of the trigger that is worked on.
    trigger: Option<Vec<u8>>,
    /// How often its download got no answer.
    attempts: u32,
    /// Answers of the eIM with a package since the start: one that comes again was not believed.
    handled: Vec<Vec<u8>>,
    events: VecDeque<EventEntry>,
    /// Notifications of installations that the SM-DP+ has. They stay in the eUICC until the eIM has answered to the
    /// result: if the power is lost in between, they are what still tells of the profile.
    delivered: Vec<u64>,
    report: PollReport,
}

type Advance = Result<IpaStep, LpaError>;

impl Ipa {
    /// An IPA that has not begun.
    pub fn new(options: IpaOptions) -> Self {
        Self {
            options,
            state: State::Begin,
            eid: None,
            state_change: None,
            results: VecDeque::new(),
            sent: None,
            trigger: None,
            attempts: 0,
            handled: Vec::new(),
            events: VecDeque::new(),
            delivered: Vec::new(),
            report: PollReport::default(),
        }
    }

    /// What was done since the last start.
    pub fn report(&self) -> &PollReport {
        &self.report
    }

    /// The next question to the eIM says that the eUICC is in another state than it knows.
    pub fn notify_state_change(&mut self, cause: StateChangeCause) {
        self.state_change = Some(cause);
    }

    /// Begins, or begins again after an interruption: results that the eIM has not acknowledged go first.
    pub fn start(&mut self, es10: &mut Es10<'_>) -> IpaStep {
        self.report = PollReport::default();
        // Of packages the eUICC keeps the results; of all else nobody does.
        self.results.extend(self.sent.take());
        self.results.retain(|result| !matches!(result, EimPackageResult::Euicc { .. }));
        self.events.clear();
        self.handled.clear();
        let step = self.begin(es10);
        self.ended_where_failed(step)
    }

    /// Takes the answer to what was sent.
    pub fn resume(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> IpaStep {
        let step = match std::mem::replace(&mut self.state, State::Begin) {
            State::Polling => self.polled(es10, response),
            State::Providing(notifications) => self.provided(es10, response, &notifications),
            State::Discovering(mut discovery) => {
                let step = discovery.resume(es10, response);
                self.discovering(es10, discovery, step)
            }
            State::Downloading(mut download) => {
                let step = download.resume(es10, response);
                self.downloading(es10, download, step)
            }
            State::Begin | State::Changed { .. } => Err(LpaError::Ended),
        };
        self.ended_where_failed(step)
    }

    /// Takes that there was no answer. What was under way is done again after the next [`start`](Self::start).
    pub fn failed(&mut self, es10: &mut Es10<'_>, problem: &str) -> IpaStep {
        let no_answer = || LpaError::Network { host: self.options.eim.clone(), problem: problem.to_owned() };
        let step = match std::mem::replace(&mut self.state, State::Begin) {
            State::Downloading(mut download) => match download.failed(problem) {
                // The eIM itself is silent: there is nobody to tell. It asks again, and the download goes on where it was.
                Step::Failed(error) if error.is_transient() && download.is_through_eim() => Err(error),
                Step::Failed(error) if error.is_transient() && self.tries_again() => {
                    let step = download.start(es10);
                    self.downloading(es10, download, step)
                }
                step => self.downloading(es10, download, step),
            },
            State::Discovering(mut discovery) => match discovery.failed(problem) {
                Step::Failed(error) if error.is_transient() && self.tries_again() => {
                    let step = discovery.start(es10);
                    self.discovering(es10, discovery, step)
                }
                step => self.discovering(es10, discovery, step),
            },
            _ => Err(no_answer()),
        };
        self.ended_where_failed(step)
    }

    /// Goes on after [`IpaStep::ProfileChanged`], with the ISD-R selected anew. Without connectivity the profile that
    /// was enabled before is enabled again, where the eIM allowed it, and the same is asked once more.
    pub fn resume_after_refresh(&mut self, es10: &mut Es10<'_>, connectivity: bool) -> IpaStep {
        let step = match std::mem::replace(&mut self.state, State::Begin) {
            State::Changed { rollback: true } if !connectivity => self.roll_back(es10),
            State::Changed { .. } if !connectivity => Err(LpaError::Network {
                host: self.options.eim.clone(),
                problem: "the enabled profile gives no connectivity, and there is no way back".to_owned(),
            }),
            State::Changed { .. } => self.next(es10),
            _ => Err(LpaError::Ended),
        };
        self.ended_where_failed(step)
    }

    fn tries_again(&mut self) -> bool {
        self.attempts += 1;
        self.attempts < DOWNLOAD_ATTEMPTS
    }

    fn ended_where_failed(&mut self, step: Advance) -> IpaStep {
        step.unwrap_or_else(|error| {
            self.state = State::Begin;
            IpaStep::Failed(error)
        })
    }

    fn begin(&mut self, es10: &mut Es10<'_>) -> Advance {
        self.eid = Some(es10.eid()?);
        // An eUICC of SGP.22 alone has none, and may not know the question.
        if let Ok(retrieved) = es10.retrieve(RetrieveNotifications::EuiccPackageResults) {
            let kept = retrieved.package_results.into_iter();
            self.results
                .extend(kept.map(|result| EimPackageResult::Euicc { result, notifications: Vec::new() }));
        }
        self.next(es10)
    }

    /// Brings the next result to the eIM; where there is none, asks for a package.
    fn next(&mut self, es10: &mut Es10<'_>) -> Advance {
        let Some(result) = self.results.pop_front() else { return Ok(self.poll()) };
        let (result, numbers) = match result {
            EimPackageResult::Euicc { result, .. } => {
                let (notifications, numbers) = waiting_notifications(es10)?;
                (EimPackageResult::Euicc { result, notifications }, numbers)
            }
            result => (result, Vec::new()),
        };
        self.sent = Some(result.clone());
        let provide = ProvideEimPackageResult { eid: self.eid, result };
        self.state = State::Providing(numbers);
        Ok(IpaStep::Send(esipa(&self.options.eim, &EsipaRequest::ProvideEimPackageResult(provide))))
    }

    fn poll(&mut self) -> IpaStep {
        let get = GetEimPackage {
            eid: self.eid.unwrap_or_default(),
            notify_state_change: self.state_change.is_some(),
            cause: self.state_change,
            plmn: self.options.plmn,
        };
        self.state = State::Polling;
        IpaStep::Send(esipa(&self.options.eim, &EsipaRequest::GetEimPackage(get)))
    }

    fn polled(&mut self, es10: &mut Es10<'_>, response: &HttpResponse) -> Advance {
        let function = "GetEimPackage";
        let package = match esipa_answer(function, response) {
            Ok(Some(EsipaResponse::GetEimPackage(Ok(package)))) => Ok(*package),
            Ok(Some(EsipaResponse::GetEimPackage(Err(1)))) => {
                self.state_change = None;
                return Ok(IpaStep::Idle(std::mem::take(&mut self.report)));
            }
            Ok(Some(EsipaResponse::GetEimPackage(Err(code)))) => {
                return Err(LpaError::Eim { function, code, word: poll_error(code) });
            }
            Ok(_) => return Err(LpaError::OtherSession),
            Err(error) => Err(unreadable(&response.body).ok_or(error)?),
        };
        // What is not believed comes again at once, and would do so for ever.
        if self.handled.contains(&response.body) || self.handled.len() >= PACKAGES_MAX {
            self.refused("the eIM hands out the same package again".to_owned());
            return Ok(IpaStep::Idle(std::mem::take(&mut self.report)));
        }
        self.handled.push(response.body.clone());
        let package = match package {
            Ok(package) => package,
            Err(error) => {
                self.state_change = None;
                self.refused("the eIM has a package that does not read".to_owned());
                self.results.push_back(error);
                return self.next(es10);
            }
        };
        self.state_change = None;
        match package {
            EimPackage::Euicc(request) => self.load(es10, &request),
            EimPackage::Data(request) => {
                let response = self.euicc_data(es10, &request)?;
                self.report.done.push("told the eIM what it asked of the eUICC".to_owned());
                self.results.push_back(EimPackageResult::Data(response));
                self.next(es10)
            }
            EimPackage::Download(request) => self.triggered(es10, request),
        }
    }

    fn provided(&mut self, es10: &mut Es10<'_>, response: &HttpResponse, notifications: &[u64]) -> Advance {
        let function = "ProvideEimPackageResult";
        let answer = esipa_answer(function, response);
        if let Err(error) = &answer
            && !is_definite(error)
        {
            // What was sent is brought again after the next start.
            return Err(error.clone());
        }
        // Whatever the eIM says to it: to bring the same again would change nothing.
        let brought = self.sent.take();
        if matches!(brought, Some(EimPackageResult::Download(_))) {
            for number in std::mem::take(&mut self.delivered) {
                es10.remove_notification(number)?;
            }
        }
        match answer {
            Ok(None) => {}
            Ok(Some(EsipaResponse::ProvideEimPackageResult(Ok(acknowledged)))) => {
                for number in acknowledged.iter().chain(notifications) {
                    es10.remove_notification(*number)?;
                }
            }
            Ok(Some(EsipaResponse::ProvideEimPackageResult(Err(code)))) => {
                self.refused(format!("the eIM does not take a result: {} ({code})", poll_error(code)));
                // It is not going to take it later either, and what waits behind it is to have its turn.
                if let Some(number) = brought.as_ref().and_then(kept_under) {
                    es10.remove_notification(number)?;
                }
            }
            Ok(Some(_)) => self.refused("the eIM answers a result with something else".to_owned()),
            Err(error) => self.refused(format!("the eIM does not take a result: {error}")),
        }
        self.next(es10)
    }

    /// Notes what was refused.
    fn refused(&mut self, sentence: String) {
        self.report.done.push(sentence.clone());
        self.report.refused.push(sentence);
    }

    /// An eUICC package: the eUICC verifies and executes it, and signs what came of it.
    fn load(&mut self, es10: &mut Es10<'_>, request: &[u8]) -> Advance {
        let result = match es10.load_euicc_package(request) {
            Ok(result) => result,
            // The eUICC gives no result at all, so that the IPA says it (SGP.32 clause 3.3.1).
            Err(error @ (LpaError::Status { .. } | LpaError::Card(_))) => {
                self.refused(format!("the eUICC cannot read a package of the eIM: {error}"));
                self.results.push_back(not_executed(request));
                return self.next(es10);
            }
            Err(error) => return Err(error),
        };
        let Executed { changed, refused, sentence } = executed(&result);
        if refused {
            self.refused(sentence);
        } else {
            self.report.done.push(sentence);
        }
        self.results.push_back(EimPackageResult::Euicc { result, notifications: Vec::new() });
        if !changed {
            return self.next(es10);
        }
        self.report.profile_changed = true;
        self.state = State::Changed { rollback: allows_rollback(request) };
        Ok(IpaStep::ProfileChanged)
    }

    fn roll_back(&mut self, es10: &mut Es10<'_>) -> Advance {
        let result = es10.rollback(true)?;
        self.report.done.push("no connectivity: rolled back to the profile before".to_owned());
        let result = result.map(|result| EimPackageResult::Euicc { result, notifications: Vec::new() });
        self.results.extend(result);
        self.state = State::Changed { rollback: false };
        Ok(IpaStep::ProfileChanged)
    }

    /// A profile download trigger.
    fn triggered(&mut self, es10: &mut Es10<'_>, request: ProfileDownloadTriggerRequest) -> Advance {
        self.trigger = request.transaction_id;
        self.attempts = 0;
        let source = match request.trigger {
            Some(DownloadTrigger::ActivationCode(code)) => match code.parse::<ActivationCode>() {
                Ok(code) => Source::ActivationCode(code),
                Err(error) => return self.not_downloaded(es10, &error.into(), None),
            },
            Some(DownloadTrigger::DefaultSmdp) => Source::DefaultSmdp,
            Some(DownloadTrigger::Smds(address)) => {
                let mut discovery = Box::new(Discovery::new(address, None, self.options.device.clone()));
                let step = discovery.start(es10);
                return self.discovering(es10, discovery, step);
            }
            None => Source::Eim,
        };
        self.download(es10, source)
    }

    fn download(&mut self, es10: &mut Es10<'_>, source: Source) -> Advance {
        let through_eim = self.options.indirect || source == Source::Eim;
        let transport = if through_eim {
            Transport::Eim { host: self.options.eim.clone(), eim_transaction_id: self.trigger.clone() }
        } else {
            Transport::Direct
        };
        let accepting = DownloadOptions::accepting(self.options.device.clone());
        let options = DownloadOptions { keep_notification: true, ..accepting };
        let mut download = Box::new(Download::new(source, transport, options));
        let step = download.start(es10);
        self.downloading(es10, download, step)
    }

    fn discovering(
        &mut self,
        es10: &mut Es10<'_>,
        discovery: Box<Discovery>,
        step: Step<Vec<EventEntry>>,
    ) -> Advance {
        match step {
            Step::Send(request) => {
                self.state = State::Discovering(discovery);
                Ok(IpaStep::Send(request))
            }
            Step::Done(events) => {
                self.events = events.into();
                match self.events.pop_front() {
                    Some(event) => self.download(es10, of_event(event)),
                    None => self.not_downloaded(es10, &LpaError::NoSmdp, None),
                }
            }
            Step::Failed(error) => self.not_downloaded(es10, &error, None),
        }
    }

    fn downloading(
        &mut self,
        es10: &mut Es10<'_>,
        download: Box<Download>,
        step: Step<DownloadReport>,
    ) -> Advance {
        match step {
            Step::Send(request) => {
                self.state = State::Downloading(download);
                Ok(IpaStep::Send(request))
            }
            Step::Done(report) => self.downloaded(es10, report),
            // Without its card the device is no IPA: the eIM, which hears nothing, asks again.
            Step::Failed(error @ LpaError::Port { .. }) => Err(error),
            Step::Failed(error) => {
                let result = download.installation_result().map(<[u8]>::to_vec);
                self.not_downloaded(es10, &error, result)
            }
        }
    }

    fn downloaded(&mut self, es10: &mut Es10<'_>, report: DownloadReport) -> Advance {
        self.report.done.push(format!("downloaded a profile from {}", report.server));
        self.report.installed.extend(report.iccid);
        if report.notification_kept.is_none() {
            self.delivered.push(report.sequence_number);
        }
        if let Some(event) = self.events.pop_front() {
            return self.download(es10, of_event(event));
        }
        let outcome = TriggerOutcome::Installation(report.result);
        self.bring(outcome);
        if self.options.immediate_enable && es10.immediate_enable(true).is_ok() {
            self.report.done.push("enabled the profile at once".to_owned());
            self.report.profile_changed = true;
            self.state_change = Some(StateChangeCause::IMMEDIATE_ENABLE);
            self.state = State::Changed { rollback: false };
            return Ok(IpaStep::ProfileChanged);
        }
        self.next(es10)
    }

    fn not_downloaded(&mut self, es10: &mut Es10<'_>, error: &LpaError, result: Option<Vec<u8>>) -> Advance {
        self.report.done.push(format!("no profile was downloaded: {error}"));
        self.report.not_downloaded = Some(error.clone());
        self.events.clear();
        let outcome = match result {
            Some(result) => TriggerOutcome::Installation(result),
            None => {
                let response = format!("{}: {error}", error.word()).into_bytes();
                TriggerOutcome::Error { reason: Some(UNDEFINED), response: Some(response) }
            }
        };
        self.bring(outcome);
        self.next(es10)
    }

    fn bring(&mut self, outcome: TriggerOutcome) {
        let result = ProfileDownloadTriggerResult { transaction_id: self.trigger.take(), outcome };
        self.results.push_back(EimPackageResult::Download(result));
    }
}

fn of_event(event: EventEntry) -> Source {
    Source::Smdp { address: event.server, matching_id: Some(event.event_id) }
}

/// Whether an error is an answer, of an eIM that would give the same again.
fn is_definite(error: &LpaError) -> bool {
    match error {
        LpaError::Server(AnswerError::Status { status, .. }) => (400..500).contains(status),
        LpaError::Server(AnswerError::Malformed { .. }) => true,
        _ => false,
    }
}

fn poll_error(code: u64) -> &'static str {
    match code {
        2 => "eid-not-found",
        3 => "invalid-eid",
        4 => "missing-eid",
        _ => "undefined-error",
    }
}
