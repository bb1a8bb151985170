//! The IoT Profile Assistant of a device at work (SGP.32 clauses 3.2 and 3.3): it polls the eIM over the device's own
//! IP session, has the operational profile downloaded and enabled, and goes on after the modem has registered anew.
//!
//! What is said and in which order is [`Ipa`]'s; here it gets its card, its connections and its steps.

use std::sync::Arc;

use rustls::ClientConfig;

use super::application::Application;
use super::link::Link;
use super::steps::Flow;
use super::{DeviceError, DeviceOutput, StepRefusal};
use crate::crypto::tls;
use crate::esim::ipa::{Ipa, IpaOptions, IpaStep, PollReport};
use crate::esim::lpa::{Channel, Delivery, Es10, LpaError, Step as LpaStep, Transport};
use crate::esim::{ASN1, ESIPA_PATH, HttpRequest, HttpResponse, UserAgent};
use crate::event::Step;
use crate::kernel::Instant;
use crate::net::endpoint::EIM;
use crate::net::{Host, ServiceAddress};
use crate::wire::Reason;
use crate::wire::http::Request;
use crate::wire::rsp::iot::{
    EimPackageResult, EsipaRequest, ProfileDownloadTriggerResult, ProvideEimPackageResult, TriggerOutcome,
};
use crate::wire::rsp::{
    DeviceInfo, FinalResult, PendingNotification, ProfileClass, ProfileFilter, ProfileInfo,
    ProfileInstallationResultData, ProfileState, RetrieveNotifications, names,
};

/// The type allocation code of the device's test IMEI (TS 23.003 clause 6.2).
const TAC: [u8; 4] = [0x00, 0x10, 0x10, 0x01];

/// The assistant of one device.
pub struct Assistant {
    ipa: Ipa,
    options: IpaOptions,
    /// The CI under which the servers' certificates are, DER.
    ci: Vec<u8>,
    /// The logical channel on which the ISD-R is selected, until the card is reset.
    channel: Option<Channel>,
    link: Option<(ServiceAddress, Link)>,
    /// What is to be sent, or was sent and waits for its answer.
    request: Option<HttpRequest>,
    sent: bool,
    work: Work,
    /// What comes first since the device has lost its power.
    catching_up: Option<CatchingUp>,
    /// What the modem reported when it registered last.
    session: String,
}

/// A device that has lost its power does not know what it has done. The card knows what nobody has taken from it.
enum CatchingUp {
    Begin,
    /// The eIM is told that a profile was installed.
    Telling,
    /// The card's notifications are on their way to the eIM, which passes them on.
    Delivering(Box<Delivery>),
}

/// Where the assistant stands.
enum Work {
    /// Nothing was begun, or everything is to be begun again.
    Begin,
    UnderWay,
    /// Waits for the modem; then goes on. With why the profile before came back, if it did.
    Refreshing(Option<StepRefusal>),
    /// As [`UnderWay`](Self::UnderWay), with the profile before back in force.
    RolledBack(StepRefusal),
}

impl Assistant {
    /// The assistant of a device that trusts servers under `ci`. Without a direct way to the SM-DP+ where `indirect`.
    pub fn new(ci: Vec<u8>, indirect: bool) -> Self {
        let options = IpaOptions {
            eim: EIM.name.to_owned(),
            device: DeviceInfo::lte(TAC),
            indirect,
            immediate_enable: false,
            plmn: None,
        };
        Self {
            ipa: Ipa::new(options.clone()),
            options,
            ci,
            channel: None,
            link: None,
            request: None,
            sent: false,
            work: Work::Begin,
            catching_up: None,
            session: String::new(),
        }
    }

    /// The modem has an IP session, `told` says which, with a card that was reset before.
    pub fn attached(&mut self, told: &str) {
        self.channel = None;
        self.link = None;
        self.session = format!("attached as its subscriber, {told}");
    }

    /// Ends the connection that is open.
    pub fn hang_up(&mut self, host: &mut Host) {
        if let Some((_, mut link)) = self.link.take() {
            link.close(host);
        }
    }

    /// Does what can be done now for `step`.
    ///
    /// # Errors
    /// A refusal with its reason, or a fault of the bench.
    pub fn poll(
        &mut self,
        now: Instant,
        step: Step,
        application: &mut Application,
        host: &mut Host,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        application.clock.set(now.unix_s());
        if let Some(flow) = self.catch_up(step, application, host, out)? {
            return Ok(flow);
        }
        let next = match (&self.request, std::mem::replace(&mut self.work, Work::UnderWay)) {
            (_, Work::Begin) => self.with_card(application, |ipa, es10| ipa.start(es10))?,
            (_, Work::Refreshing(why)) => {
                if let Some(why) = why {
                    self.work = Work::RolledBack(why);
                }
                self.with_card(application, |ipa, es10| ipa.resume_after_refresh(es10, true))?
            }
            (Some(request), work) => {
                self.work = work;
                let request = request.clone();
                match self.exchange(&request, application, host, out)? {
                    Some(response) => {
                        self.request = None;
                        self.with_card(application, |ipa, es10| ipa.resume(es10, &response))?
                    }
                    None => return Ok(Flow::Waiting),
                }
            }
            (None, work) => {
                self.work = work;
                return Ok(Flow::Waiting);
            }
        };
        self.follow(step, next, application, host)
    }

    /// Brings what the card has to say to the eIM before anything else, where the power was lost: that a profile is
    /// installed may be news there. `None` where there is nothing more of it to do.
    fn catch_up(
        &mut self,
        step: Step,
        application: &mut Application,
        host: &mut Host,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Option<Flow>, DeviceError> {
        let Some(catching_up) = self.catching_up.take() else { return Ok(None) };
        let response = match (&catching_up, self.request.clone()) {
            (CatchingUp::Begin, _) | (_, None) => None,
            (_, Some(request)) => match self.exchange(&request, application, host, out)? {
                None => {
                    self.catching_up = Some(catching_up);
                    return Ok(Some(Flow::Waiting));
                }
                response => response,
            },
        };
        self.request = None;
        let next = match (catching_up, response) {
            (CatchingUp::Delivering(mut delivery), Some(response)) => {
                let next = self.es10(application, |_, es10| delivery.resume(es10, &response))?;
                (delivery, next)
            }
            (CatchingUp::Begin, _) => match self.news(application)? {
                Some(request) => {
                    (self.request, self.sent) = (Some(request), false);
                    self.catching_up = Some(CatchingUp::Telling);
                    return Ok(Some(Flow::Progress));
                }
                None => return self.known(step, application, host),
            },
            // The eIM may say what it likes to what it may know already.
            (CatchingUp::Telling | CatchingUp::Delivering(_), _) => {
                let way = Transport::Eim { host: EIM.name.to_owned(), eim_transaction_id: None };
                let mut delivery = Box::new(Delivery::new(way));
                let next = self.es10(application, |_, es10| delivery.start(es10))?;
                (delivery, next)
            }
        };
        match next {
            (delivery, LpaStep::Send(request)) => {
                (self.request, self.sent) = (Some(request), false);
                self.catching_up = Some(CatchingUp::Delivering(delivery));
                Ok(Some(Flow::Progress))
            }
            (_, LpaStep::Failed(error)) => Err(refusal(error)),
            (_, LpaStep::Done(_)) => self.known(step, application, host),
        }
    }

    /// The end of a download whose profile is on the card; `None` for everything else, which is begun anew.
    fn known(
        &mut self,
        step: Step,
        application: &Application,
        host: &mut Host,
    ) -> Result<Option<Flow>, DeviceError> {
        if step != Step::Download {
            return Ok(None);
        }
        let profile = self.operational(application)?;
        let Some(iccid) = profile.and_then(|profile| profile.iccid) else { return Ok(None) };
        self.hang_up(host);
        let iccid = digits(&hex::encode(iccid));
        Ok(Some(Flow::Done(format!("profile {iccid} is on the card already"))))
    }

    /// What the eIM is to be told of the installation whose notification is still on the card, if there is one.
    fn news(&mut self, application: &Application) -> Result<Option<HttpRequest>, DeviceError> {
        let read = |es10: &mut Es10<'_>| -> Result<_, LpaError> {
            Ok((es10.eid()?, es10.retrieve(RetrieveNotifications::All)?.notifications))
        };
        let (eid, notifications) = self.es10(application, |_, es10| read(es10))?.map_err(refusal)?;
        // The card also tells of an installation that the power cut short; that one is only to be done again.
        let installed = |raw: &Vec<u8>| match PendingNotification::parse(raw) {
            Ok(PendingNotification::Installation(result)) => {
                ProfileInstallationResultData::parse(&result.data)
                    .is_ok_and(|data| matches!(data.result, FinalResult::Success { .. }))
            }
            _ => false,
        };
        let Some(raw) = notifications.into_iter().rfind(installed) else { return Ok(None) };
        let outcome = TriggerOutcome::Installation(raw);
        let result = ProfileDownloadTriggerResult { transaction_id: None, outcome };
        let provide = ProvideEimPackageResult { eid: Some(eid), result: EimPackageResult::Download(result) };
        Ok(Some(HttpRequest {
            host: EIM.name.to_owned(),
            path: ESIPA_PATH.to_owned(),
            content_type: ASN1.to_owned(),
            body: EsipaRequest::ProvideEimPackageResult(provide).to_bytes(),
        }))
    }

    /// What a step of the assistant means for the step of the device.
    fn follow(
        &mut self,
        step: Step,
        next: IpaStep,
        application: &Application,
        host: &mut Host,
    ) -> Result<Flow, DeviceError> {
        match next {
            IpaStep::Send(request) => {
                let polls = names::esipa(&request.body) == "GetEimPackage";
                let installed = self.ipa.report().installed.first().map(hex::encode);
                self.request = Some(request);
                self.sent = false;
                match installed {
                    // The eIM knows of the profile and is asked what comes next: that is the next step's.
                    Some(iccid) if polls && step == Step::Download => {
                        self.hang_up(host);
                        Ok(Flow::Done(format!("profile {} is on the card, disabled", digits(&iccid))))
                    }
                    _ => Ok(Flow::Progress),
                }
            }
            IpaStep::ProfileChanged => {
                self.work = Work::Refreshing(None);
                Ok(Flow::CardChanged)
            }
            IpaStep::Idle(report) => {
                self.hang_up(host);
                self.finished(step, report, application)
            }
            IpaStep::Failed(error) => Err(refusal(error)),
        }
    }

    fn finished(
        &mut self,
        step: Step,
        report: PollReport,
        application: &Application,
    ) -> Result<Flow, DeviceError> {
        if let Work::RolledBack(why) = std::mem::replace(&mut self.work, Work::Begin) {
            let detail = format!("{} ({}); the profile before is enabled again", why.reason, why.detail);
            return Err(DeviceError::refused(Reason::RolledBack, detail));
        }
        if let Some(error) = report.not_downloaded {
            return Err(refusal(error));
        }
        match step {
            // Where the power was lost meanwhile, the assistant does not remember; the card does.
            Step::Enable if report.profile_changed || self.is_operational(application)? => {
                Ok(Flow::Done(format!("the operational profile is enabled; {}", self.session)))
            }
            _ => Err(DeviceError::refused(Reason::NoEimPackage, "the eIM has nothing for this card")),
        }
    }

    /// The profile that was enabled gets no service, as `why` says: asks the card to enable the one before again.
    /// Says whether it has.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn roll_back(&mut self, application: &Application, why: &StepRefusal) -> Result<bool, DeviceError> {
        if !matches!(self.work, Work::Refreshing(None)) {
            return Ok(false);
        }
        // The card was reset by the modem.
        self.channel = None;
        match self.with_card(application, |ipa, es10| ipa.resume_after_refresh(es10, false))? {
            IpaStep::ProfileChanged => {
                self.work = Work::Refreshing(Some(why.clone()));
                Ok(true)
            }
            IpaStep::Failed(LpaError::Port { source, .. }) => Err(source.into()),
            _ => Ok(false),
        }
    }

    /// Whether an operational profile is enabled.
    fn is_operational(&mut self, application: &Application) -> Result<bool, DeviceError> {
        let profile = self.operational(application)?;
        Ok(profile.is_some_and(|profile| profile.state == Some(ProfileState::Enabled)))
    }

    /// The operational profile, where one is on the card.
    fn operational(&mut self, application: &Application) -> Result<Option<ProfileInfo>, DeviceError> {
        let profiles =
            self.es10(application, |_, es10| es10.profiles(&ProfileFilter::default()))?.map_err(refusal)?;
        let mut all = profiles.into_iter();
        Ok(all.find(|profile| profile.class == Some(ProfileClass::Operational)))
    }

    /// Everything that was in memory is gone.
    pub fn power_lost(&mut self) {
        self.ipa = Ipa::new(self.options.clone());
        self.work = Work::Begin;
        self.catching_up = Some(CatchingUp::Begin);
        (self.request, self.link, self.channel) = (None, None, None);
    }

    /// Lets the IPA work with the ISD-R of the card. An ISD-R that does not open is a failure of the IPA's.
    fn with_card(
        &mut self,
        application: &Application,
        work: impl FnOnce(&mut Ipa, &mut Es10<'_>) -> IpaStep,
    ) -> Result<IpaStep, DeviceError> {
        match self.es10(application, work) {
            Err(Opening::Failed(error)) => Ok(IpaStep::Failed(error)),
            Err(Opening::Slot) => Err(DeviceError::Slot),
            Ok(step) => Ok(step),
        }
    }

    /// Does something with the ISD-R of the card, which is selected where it is not.
    fn es10<T>(
        &mut self,
        application: &Application,
        work: impl FnOnce(&mut Ipa, &mut Es10<'_>) -> T,
    ) -> Result<T, Opening> {
        let mut slot = application.card.lock().map_err(|_| Opening::Slot)?;
        let mut es10 = match self.channel {
            Some(channel) => Es10::attach(&mut slot, channel),
            None => Es10::open(&mut slot).map_err(Opening::Failed)?,
        };
        self.channel = Some(es10.channel());
        Ok(work(&mut self.ipa, &mut es10))
    }

    /// The response to `request`, once it is there. A connection is kept for what follows to the same server.
    fn exchange(
        &mut self,
        request: &HttpRequest,
        application: &Application,
        host: &mut Host,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Option<HttpResponse>, DeviceError> {
        let endpoint = ServiceAddress::esim_server(&request.host).ok_or_else(|| {
            DeviceError::refused(
                Reason::UnknownServer,
                format!("{:?} is no server of this lab", request.host),
            )
        })?;
        let other =
            |open: &(ServiceAddress, Link)| open.0.name != endpoint.name || !self.sent && open.1.ended();
        if self.link.as_ref().is_some_and(other) {
            self.hang_up(host);
        }
        let link = match &mut self.link {
            Some((_, link)) => link,
            None => {
                let link = Link::open(host, endpoint, self.tls_client(application)?, application)?;
                self.sent = false;
                &mut self.link.insert((endpoint, link)).1
            }
        };
        if !link.pump(host, out)? {
            return Ok(None);
        }
        if !self.sent {
            link.request(&http_request(request), out)?;
            link.flush(host)?;
            self.sent = true;
        }
        match link.response()? {
            Some(response) => Ok(Some(HttpResponse {
                status: response.status,
                content_type: response.headers.get("content-type").unwrap_or_default().to_owned(),
                body: response.body,
            })),
            None if link.ended() => Err(DeviceError::refused(
                Reason::ConnectionClosed,
                "the server ended the connection before it had answered",
            )),
            None => Ok(None),
        }
    }

    fn tls_client(&self, application: &Application) -> Result<Arc<ClientConfig>, DeviceError> {
        let roots = [self.ci.clone()];
        let (provider, clock) = (application.provider.clone(), application.clock.clone());
        Ok(tls::client_config(provider, &roots, None, None, clock, application.key_log.clone())?)
    }
}

/// Why the ISD-R is not there to work with.
enum Opening {
    Slot,
    Failed(LpaError),
}

impl From<Opening> for DeviceError {
    fn from(problem: Opening) -> Self {
        match problem {
            Opening::Slot => Self::Slot,
            Opening::Failed(error) => refusal(error),
        }
    }
}

/// Header fields of SGP.22 clause 6.2 beside those of HTTP.
fn http_request(request: &HttpRequest) -> Request {
    Request::new("POST", &request.path, &request.host)
        .header("User-Agent", UserAgent::Ipa.as_str())
        .header("X-Admin-Protocol", "gsma/rsp/v2.2.0")
        .body(&request.content_type, request.body.clone())
}

/// Why the assistant did not get through: the most precise word that there is for it. Only a card that is gone is a
/// fault of the bench.
fn refusal(error: LpaError) -> DeviceError {
    match error {
        LpaError::Port { source, .. } => source.into(),
        LpaError::Euicc { word, .. } => DeviceError::refused(Reason::of(word), error.to_string()),
        LpaError::Installation { reason, .. } => DeviceError::refused(Reason::of(reason), error.to_string()),
        error => DeviceError::refused(Reason::of(error.word()), error.to_string()),
    }
}

/// The digits of an ICCID as EF.ICCID holds it, in hex.
fn digits(swapped: &str) -> String {
    hex::decode(swapped).map(|octets| crate::wire::bcd::leading_digits(&octets)).unwrap_or_default()
}
