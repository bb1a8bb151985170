//! The zero-touch procedure as the device runs it: attach, keys, register, enrol, ready, detach.
//!
//! Every step has a deadline, and every refusal has a reason of one stable word. After a refusal the
//! procedure is over: a device that was told no does not try its luck.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::ipa::Assistant;
use super::steps::{Flow, NetworkStep, Tools};
use super::{DeviceError, DeviceOutput, Refusal};
use crate::event::{Outcome, Step};
use crate::kernel::Instant;
use crate::net::Host;

/// Longer than any step takes in a cell with coverage: a step that is not done by then is refused.
const STEP_TIME_LIMIT: Duration = Duration::from_secs(60);

/// Where the device stands when the card holds another subscriber than the one that is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refresh {
    /// It does not.
    None,
    /// The modem is to leave the network and to read the card again.
    Wanted,
    UnderWay,
    /// The device has lost its power: everything is to be switched on again.
    PowerLost,
    /// The new subscriber was refused.
    Failed(Refusal),
}

/// The procedure of one device.
pub struct Procedure {
    steps: Vec<Step>,
    position: usize,
    started: Instant,
    tools: Tools,
    network_step: Option<NetworkStep>,
    /// The IPA of a device whose card is an eUICC.
    assistant: Option<Assistant>,
    refresh: Refresh,
    last_failure: Option<Refusal>,
    wants_detach: bool,
    /// Whether a step has begun on which nothing was done yet.
    fresh: bool,
    over: bool,
}

impl Procedure {
    /// A procedure that runs `steps` in their order.
    pub fn new(steps: Vec<Step>, tools: Tools, assistant: Option<Assistant>) -> Self {
        Self {
            steps,
            position: 0,
            started: Instant::ZERO,
            tools,
            network_step: None,
            assistant,
            refresh: Refresh::None,
            last_failure: None,
            wants_detach: false,
            fresh: false,
            over: false,
        }
    }

    /// Whether the procedure has come to its end.
    pub fn finished(&self) -> bool {
        self.over
    }

    /// When there is something to do without anything coming in: a step is to be begun or given up.
    pub fn deadline(&self) -> Option<Instant> {
        let at = if self.fresh { self.started } else { self.started + STEP_TIME_LIMIT };
        (!self.over).then_some(at)
    }

    /// The device was switched on.
    pub fn begin(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        self.start(now, out);
    }

    /// Lets the step that the last one has led to begin. Between the two the device comes to rest, so that
    /// what a step costs is not booked on the one before.
    pub fn proceed(&mut self) {
        self.fresh = false;
    }

    /// The modem has an IP session: the first one, or another in place of one that was lost.
    pub fn attached(&mut self, now: Instant, ip: Ipv4Addr, apn: &str, out: &mut Vec<DeviceOutput>) {
        // A connection that ran over the session before is gone: its step opens another.
        self.network_step = None;
        if let Some(assistant) = &mut self.assistant {
            assistant.attached(ip, apn);
        }
        self.refresh = Refresh::None;
        if self.step() == Some(Step::Attach) {
            self.done(now, format!("EPS-AKA by the card, {ip} on APN {apn}"), out);
        }
    }

    /// The modem failed to attach. Where it will try again by itself the step goes on; where the card holds a new
    /// profile, [`settle_refresh`](Self::settle_refresh) sees to it.
    pub fn attach_failed(
        &mut self,
        reason: String,
        detail: String,
        retry: bool,
        out: &mut Vec<DeviceOutput>,
    ) {
        let refusal = Refusal { reason, detail };
        if retry {
            self.last_failure = Some(refusal);
        } else if self.refresh == Refresh::UnderWay {
            self.refresh = Refresh::Failed(refusal);
        } else if !self.over {
            self.refused(refusal, out);
        }
    }

    /// Sees to a profile that got no connectivity: the profile before it comes back where that was granted. Returns
    /// whether anything was done.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn settle_refresh(&mut self, out: &mut Vec<DeviceOutput>) -> Result<bool, DeviceError> {
        let Refresh::Failed(refusal) = &self.refresh else { return Ok(false) };
        let refusal = refusal.clone();
        let rolled_back = match &mut self.assistant {
            Some(assistant) => assistant.roll_back(&self.tools, &refusal)?,
            None => false,
        };
        self.refresh = if rolled_back { Refresh::Wanted } else { Refresh::None };
        if !rolled_back {
            self.refused(refusal, out);
        }
        Ok(true)
    }

    /// The modem has left the network.
    pub fn detached(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        match self.step() {
            Some(Step::Detach) => self.done(now, "session and context released".to_owned(), out),
            Some(_) if self.refresh == Refresh::UnderWay => {}
            Some(_) if !self.over => {
                let detail = "the network detached the device".to_owned();
                self.refused(Refusal { reason: "network-detach".to_owned(), detail }, out);
            }
            _ => {}
        }
    }

    /// Whether the modem is to detach now; asked once.
    pub fn take_detach_request(&mut self) -> bool {
        !self.fresh && std::mem::take(&mut self.wants_detach)
    }

    /// Whether the modem is to leave the network since the card holds another subscriber now; asked once.
    pub fn take_refresh_request(&mut self) -> bool {
        let wanted = self.refresh == Refresh::Wanted;
        if wanted {
            self.refresh = Refresh::UnderWay;
        }
        wanted
    }

    /// Whether the device has lost its power and is to be switched on again; asked once.
    pub fn take_power_loss(&mut self) -> bool {
        let lost = self.refresh == Refresh::PowerLost;
        if lost {
            self.refresh = Refresh::UnderWay;
        }
        lost
    }

    /// Whether the modem has left, or is leaving, the network since the card holds another subscriber.
    pub fn is_refreshing(&self) -> bool {
        self.refresh == Refresh::UnderWay
    }

    /// Does what can be done now. Returns whether anything was done.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn poll(
        &mut self,
        now: Instant,
        host: &mut Host,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<bool, DeviceError> {
        let Some(step) = self.step().filter(|_| !self.over && !self.fresh) else {
            return Ok(false);
        };
        let result = match step {
            Step::Attach | Step::Detach => return Ok(false),
            Step::Download | Step::Enable if self.refresh != Refresh::None => return Ok(false),
            Step::Download | Step::Enable => match &mut self.assistant {
                Some(assistant) => assistant.poll(now, step, &mut self.tools, host, out),
                None => Err(DeviceError::refused("no-euicc", "the card of this device is no eUICC")),
            },
            Step::Keys => self.tools.make_keys(),
            Step::Register | Step::Enrol | Step::Ready => self.poll_network_step(now, step, host, out),
        };
        match result {
            Ok(Flow::Waiting) => Ok(false),
            Ok(Flow::Progress) => Ok(true),
            Ok(Flow::PowerLost) => {
                self.refresh = Refresh::PowerLost;
                Ok(true)
            }
            Ok(Flow::CardChanged) => {
                self.hang_up(host);
                self.refresh = Refresh::Wanted;
                Ok(true)
            }
            Ok(Flow::Done(proof)) => {
                self.network_step = None;
                self.done(now, proof, out);
                Ok(true)
            }
            Err(DeviceError::Refused(refusal)) => {
                self.hang_up(host);
                self.refused(refusal, out);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn poll_network_step(
        &mut self,
        now: Instant,
        step: Step,
        host: &mut Host,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        let running = match &mut self.network_step {
            Some(running) => running,
            None => self.network_step.insert(NetworkStep::start(step, &self.tools, host)?),
        };
        running.poll(now, &mut self.tools, host, out)
    }

    /// Gives the running step up when its time is over.
    pub fn check_deadline(&mut self, now: Instant, host: Option<&mut Host>, out: &mut Vec<DeviceOutput>) {
        if self.over || now < self.started + STEP_TIME_LIMIT {
            return;
        }
        if let Some(host) = host {
            self.hang_up(host);
        }
        let seconds = STEP_TIME_LIMIT.as_secs();
        let refusal = self.last_failure.take().unwrap_or_else(|| Refusal {
            reason: "timeout".to_owned(),
            detail: format!("not done after {seconds} s"),
        });
        self.refused(refusal, out);
    }

    /// Ends the connection of the running step, so that the far end does not keep it.
    fn hang_up(&mut self, host: &mut Host) {
        if let Some(mut step) = self.network_step.take() {
            step.close(host);
        }
        if let Some(assistant) = &mut self.assistant {
            assistant.hang_up(host);
        }
    }

    fn step(&self) -> Option<Step> {
        self.steps.get(self.position).copied()
    }

    fn start(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        self.started = now;
        self.last_failure = None;
        let Some(step) = self.step() else {
            self.over = true;
            return;
        };
        out.push(DeviceOutput::StepStarted(step));
        self.fresh = true;
        self.wants_detach = step == Step::Detach;
    }

    fn done(&mut self, now: Instant, proof: String, out: &mut Vec<DeviceOutput>) {
        self.end(Outcome::Done { proof }, out);
        self.position += 1;
        self.start(now, out);
    }

    fn refused(&mut self, refusal: Refusal, out: &mut Vec<DeviceOutput>) {
        let Refusal { reason, detail } = refusal;
        self.end(Outcome::Refused { reason, detail }, out);
        self.over = true;
    }

    fn end(&mut self, outcome: Outcome, out: &mut Vec<DeviceOutput>) {
        if let Some(step) = self.step() {
            out.push(DeviceOutput::StepEnded(step, outcome));
        }
    }
}
