//! Not a step: a device whose own guard has found something tells the registrar, beside whatever it does. The card signs.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Conversation, DeviceContext, Flow, Task};
use crate::device::application::Application;
use crate::device::{DeviceError, DeviceOutput, StepRefusal};
use crate::event::{Actor, Body};
use crate::kernel::Instant;
use crate::net::Host;
use crate::net::endpoint::REGISTRAR;
use crate::wire::Reason;
use crate::wire::alarm::{ALARM_PATH, ALARM_TYPE, Alarm};
use crate::wire::http::Request;

/// How long a device tries to tell an alarm of its own guard.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// How many more alarms wait to be told: the first ones decide.
const WAITING_MAX: usize = 4;

/// The alarms of a device's own guard that have not been told yet.
#[derive(Default)]
pub struct Cries {
    /// The one that is being told, and until when.
    now: Option<(Cry, Instant)>,
    waiting: VecDeque<Alarm>,
}

impl Cries {
    /// One more; where too many wait it is dropped.
    pub fn add(&mut self, now: Instant, alarm: Alarm) {
        if self.now.is_none() {
            self.now = Some((Cry::new(alarm), now + TIME_LIMIT));
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(alarm);
        }
    }

    /// Whether none is left.
    pub fn are_told(&self) -> bool {
        self.now.is_none()
    }

    /// When the one that is being told is given up.
    pub fn deadline(&self) -> Option<Instant> {
        self.now.as_ref().map(|(_, until)| *until)
    }

    /// Tells the alarm that is to be told; says whether anything was done.
    ///
    /// # Errors
    /// Where the bench is at fault. An alarm that is not taken is told among the events.
    pub fn poll(
        &mut self,
        now: Instant,
        application: &mut Application,
        powered: bool,
        mut host: Option<&mut Host>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<bool, DeviceError> {
        let Some((cry, until)) = &mut self.now else { return Ok(false) };
        let until = *until;
        let mut cx = DeviceContext {
            now,
            application,
            assistant: None,
            host: host.as_deref_mut(),
            until,
            recalling: false,
            powered,
        };
        let flow = if now < until {
            cry.poll(&mut cx, out)
        } else {
            let detail = format!("not told after {} s", TIME_LIMIT.as_secs());
            Err(DeviceError::refused(Reason::Timeout, detail))
        };
        DeviceOutput::of_card(&application.card, out);
        match flow {
            Ok(Flow::Done(_)) => {}
            Ok(Flow::Waiting) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(DeviceError::Refused(StepRefusal { reason, detail })) => {
                let who = Actor::device(application.number);
                let fields = vec![("reason", reason.to_string()), ("detail", detail)];
                out.push(DeviceOutput::Event(Body::note(who, "its alarm is not taken", fields)));
                if let Some(host) = host {
                    cry.hang_up(host);
                }
            }
            Err(error) => return Err(error),
        }
        self.now = self.waiting.pop_front().map(|alarm| (Cry::new(alarm), now + TIME_LIMIT));
        Ok(true)
    }
}

/// An alarm on its way.
struct Cry {
    alarm: Alarm,
    conversation: Conversation,
    asked: bool,
}

impl Cry {
    /// Tells `alarm`, under the name that the device's certificate gives it.
    fn new(alarm: Alarm) -> Self {
        Self { alarm, conversation: Conversation::default(), asked: false }
    }
}

impl Task for Cry {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        let Some(link) = self.conversation.link(REGISTRAR, false, cx, out)? else { return Ok(Flow::Waiting) };
        let flow = if self.asked {
            match link.response()? {
                Some(response) if response.is_success() => Flow::Done("the alarm is told".to_owned()),
                Some(response) => {
                    return Err(DeviceError::refused(Reason::Http(response.status), response.reason));
                }
                None => Flow::Waiting,
            }
        } else {
            let name = cx.application.identity.certificate.as_ref().map(|one| one.name().to_string());
            self.alarm.issuer = name.unwrap_or_default();
            let mut failed = None;
            let token = self.alarm.encode(|message| {
                cx.application.sign(message).unwrap_or_else(|error| {
                    failed = Some(error);
                    [0; 64]
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
            link.request(&Request::new("POST", ALARM_PATH, REGISTRAR.name).body(ALARM_TYPE, token), out)?;
            self.asked = true;
            Flow::Progress
        };
        self.conversation.settle(flow, cx.host.as_deref_mut())
    }

    fn hang_up(&mut self, host: &mut Host) {
        self.conversation.hang_up(host);
    }
}
