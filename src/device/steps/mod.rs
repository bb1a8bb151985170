//! The steps of the procedure as the device does them: each is a [`Task`] that decides from the card and the network,
//! and not from what it remembers, what there is left to do. So a device whose power was cut comes back as itself.

mod attach;
mod cry;
mod detach;
mod download;
mod enable;
mod enrol;
mod flow;
mod keys;
mod register;
mod report;
mod update;

pub use cry::Cries;
pub use flow::Flow;
use serde::de::DeserializeOwned;

use super::application::Application;
use super::ipa::Assistant;
use super::link::Link;
use super::{DeviceError, DeviceOutput};
use crate::ca::est::RetryAfter;
use crate::event::Step;
use crate::kernel::{Duration, Instant};
use crate::net::{Host, ServiceAddress};
use crate::wire::Reason;
use crate::wire::http::Response;
use crate::wire::registration::Problem;

/// How long a device leaves a service alone that has put it off, at least.
const AGAIN_AFTER_MIN: Duration = Duration::from_secs(1);

/// What a task has at hand while it works.
pub struct DeviceContext<'a> {
    /// The moment of the run.
    pub now: Instant,
    /// The application, with the card and what it remembers.
    pub application: &'a mut Application,
    /// The IPA of a device whose card is an eUICC.
    pub assistant: Option<&'a mut Assistant>,
    /// The IP stack, while the modem has a session.
    pub host: Option<&'a mut Host>,
    /// When the step that runs is given up.
    pub until: Instant,
    /// Whether the task is not the step that runs, but an earlier one that the device goes through once more to learn
    /// what it has forgotten.
    pub recalling: bool,
    /// Whether the device has power: without it nothing is written down any more.
    pub powered: bool,
}

/// A step that is under way.
pub trait Task: Send {
    /// Does what can be done now.
    ///
    /// # Errors
    /// A refusal with its reason, or a fault of the bench.
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError>;

    /// The modem has an IP session, `told` says which; what the step proves where that was all it wanted.
    fn attached(&mut self, _told: &str) -> Option<String> {
        None
    }

    /// The modem has left the network; what the step proves where that was all it wanted.
    fn detached(&mut self) -> Option<String> {
        None
    }

    /// When the task has something to do without anything coming in.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Ends the connection that is open, so that the far end does not keep it.
    fn hang_up(&mut self, _host: &mut Host) {}
}

/// The task of a step.
pub fn task(step: Step) -> Box<dyn Task> {
    match step {
        Step::Attach => Box::new(attach::Attach::default()),
        Step::Download => Box::new(download::Download),
        Step::Enable => Box::new(enable::Enable),
        Step::Keys => Box::new(keys::Keys),
        Step::Register => Box::new(register::Register::default()),
        Step::Enrol => Box::new(enrol::Enrol::default()),
        Step::Ready => Box::new(report::Report::default()),
        Step::Update => Box::new(update::Update::default()),
        Step::Detach => Box::new(detach::Detach::default()),
    }
}

/// Whether the step is done over the network, by a device that is attached.
pub fn needs_network(step: Step) -> bool {
    !matches!(step, Step::Attach | Step::Keys | Step::Detach)
}

/// The steps whose results the application has to have in memory for `step`, the first one first.
pub fn needed_for(step: Step) -> &'static [Step] {
    match step {
        Step::Attach | Step::Download | Step::Enable | Step::Keys | Step::Detach => &[],
        Step::Register => &[Step::Keys],
        Step::Enrol => &[Step::Keys, Step::Register],
        Step::Ready | Step::Update => &[Step::Keys, Step::Register, Step::Enrol],
    }
}

/// A conversation with one service, over a connection that is opened when it begins.
#[derive(Default)]
struct Conversation {
    link: Option<Link>,
    /// Before which moment the service does not want to be asked again.
    not_before: Option<Instant>,
    /// The SHA-256 of the only certificate that the service may show, where that is known.
    server: Option<[u8; 32]>,
}

impl Conversation {
    /// The secured connection to `endpoint`, opened where it was not; with the device's certificate where `mutual`.
    /// `None` as long as it is not secured.
    fn link(
        &mut self,
        endpoint: ServiceAddress,
        mutual: bool,
        cx: &mut DeviceContext<'_>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Option<&mut Link>, DeviceError> {
        if self.not_before.is_some_and(|at| cx.now < at) {
            return Ok(None);
        }
        self.not_before = None;
        let Some(host) = cx.host.as_deref_mut() else { return Ok(None) };
        if self.link.is_none() {
            let config = cx.application.tls_client(mutual, self.server)?;
            self.link = Some(Link::open(host, endpoint, config, cx.application)?);
        }
        cx.application.clock.set(cx.now.unix_s());
        let Some(link) = &mut self.link else { return Ok(None) };
        Ok(link.pump(host, out)?.then_some(link))
    }

    /// Puts the conversation off until `at`: it begins anew then, over another connection.
    fn put_off(&mut self, at: Instant, cx: &mut DeviceContext<'_>) -> Flow {
        if let Some(host) = cx.host.as_deref_mut() {
            self.hang_up(host);
        }
        self.not_before = Some(at);
        Flow::Progress
    }

    /// When the conversation goes on by itself.
    fn deadline(&self) -> Option<Instant> {
        self.not_before
    }

    /// What `flow` means for the connection: it is ended, or what was written is sent. A peer that has ended it and
    /// owes an answer is a refusal.
    fn settle(&mut self, flow: Flow, host: Option<&mut Host>) -> Result<Flow, DeviceError> {
        let (Some(link), Some(host)) = (&mut self.link, host) else { return Ok(flow) };
        match flow {
            Flow::Done(_) => link.close(host),
            Flow::Waiting if link.ended() => {
                let detail = "the service ended the connection before it had answered";
                return Err(DeviceError::refused(Reason::ConnectionClosed, detail));
            }
            _ => link.flush(host)?,
        }
        Ok(flow)
    }

    fn hang_up(&mut self, host: &mut Host) {
        if let Some(mut link) = self.link.take() {
            link.close(host);
        }
    }
}

/// When the service wants to be asked again, where it says so (RFC 9110 section 10.2.3) and the step is not over by then:
/// not at once, whatever it says.
fn when_again(response: &Response, cx: &DeviceContext<'_>) -> Option<Instant> {
    if !matches!(response.status, 202 | 429 | 503) {
        return None;
    }
    let asked = match RetryAfter::parse(response.headers.get("retry-after")?)? {
        RetryAfter::Delay(seconds) => cx.now + Duration::from_secs(seconds.into()),
        RetryAfter::At(unix_s) => Instant::from_unix_s(unix_s),
    };
    Some(asked.max(cx.now + AGAIN_AFTER_MIN)).filter(|at| *at < cx.until)
}

/// A JSON answer, or the refusal that it carries.
fn accepted<T: DeserializeOwned>(response: &Response) -> Result<T, DeviceError> {
    if response.is_success() {
        return serde_json::from_slice(&response.body)
            .map_err(|error| DeviceError::refused(Reason::MalformedAnswer, error.to_string()));
    }
    Err(refusal_in(response))
}

/// The refusal that an answer carries which is no success.
fn refusal_in(response: &Response) -> DeviceError {
    match serde_json::from_slice::<Problem>(&response.body) {
        Ok(problem) => DeviceError::refused(problem.reason, problem.detail),
        Err(_) => DeviceError::refused(Reason::Http(response.status), response.reason.clone()),
    }
}
