//! The zero-touch procedure as the device runs it: its plan, entry by entry, each step as a [`Task`].
//!
//! Every step has a deadline, and every refusal has a reason of one stable word. After a refusal the
//! procedure is over: a device that was told no does not try its luck.
//!
//! Where the power is cut, the step that ran begins anew and ends as the step that it is. Before it the application goes
//! through the earlier steps of its plan whose results it needs and has forgotten; they find what is there already.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::application::Application;
use super::assault;
use super::ipa::Assistant;
use super::plan::{Act, Assault};
use super::power::Battery;
use super::steps::{Cries, DeviceContext, Flow, Task, needed_for, needs_network, task};
use super::{DeviceError, DeviceOutput, StepRefusal};
use crate::event::{Actor, Body, Outcome, Step, StepId, TURNS_BAD};
use crate::kernel::{Instant, RngTree};
use crate::net::Host;
use crate::update::Boot;
use crate::wire::Reason;
use crate::wire::alarm::Alarm;

/// Longer than any step takes in a cell with coverage: a step that is not done by then is refused. A step whose power
/// was cut has as long once more.
const STEP_TIME_LIMIT: Duration = Duration::from_secs(60);
/// The same of an update, which waits for its wave and for images that do not start.
const UPDATE_TIME_LIMIT: Duration = Duration::from_secs(900);

/// After which time a step is given up.
fn time_limit(step: Step) -> Duration {
    match step {
        Step::Update => UPDATE_TIME_LIMIT,
        _ => STEP_TIME_LIMIT,
    }
}

/// Where the device stands when the card holds another subscriber than the one that is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Refresh {
    /// It does not.
    None,
    /// The modem is to leave the network and to read the card again.
    Wanted,
    UnderWay,
    /// The new subscriber was refused.
    Failed(StepRefusal),
}

/// What came of a turn of the procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is nothing to do.
    Idle,
    /// Something was done.
    Moved,
    /// The modem is to attach, or to detach.
    Attach,
    /// The modem is to detach.
    Detach,
    /// The battery is pulled out and put back.
    PowerCut,
    /// The device starts anew, on purpose.
    Restart,
    /// The power went with the last answer of the card: what was made of it is not to leave the device.
    CutOff,
}

/// What a card holds of its device's identity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holdings {
    /// The public key of the IoT SAFE applet, X || Y.
    pub public_key: Option<[u8; 64]>,
    /// The digest of the certificate for this key, as the ledger holds it.
    pub certificate: Option<[u8; 32]>,
}

/// The procedure of one device.
pub struct Procedure {
    plan: Vec<Act>,
    position: usize,
    started: Instant,
    application: Application,
    battery: Battery,
    /// What is under way: the step that runs, or an earlier one that is gone through again.
    task: Option<(Step, Box<dyn Task>)>,
    /// The steps whose results the application has in memory, as far as it needs them.
    known: Vec<Step>,
    /// The attack that is under way, where the device has turned.
    assault: Option<assault::Running>,
    /// What the device's own guard has found and the registrar has not been told yet.
    cries: Cries,
    /// The IPA of a device whose card is an eUICC.
    assistant: Option<Assistant>,
    refresh: Refresh,
    last_failure: Option<StepRefusal>,
    /// Whether the modem is to be attached whenever the device is on.
    connected: bool,
    /// Whether the network has detached the device while it had nothing to do; it attaches again when it has.
    expelled: bool,
    /// Whether an entry has begun on which nothing was done yet.
    fresh: bool,
    over: bool,
}

impl Procedure {
    /// A procedure that goes through `plan` in its order, in a device with this battery.
    pub fn new(
        plan: Vec<Act>,
        application: Application,
        assistant: Option<Assistant>,
        battery: Battery,
    ) -> Self {
        Self {
            plan,
            position: 0,
            started: Instant::ZERO,
            application,
            battery,
            task: None,
            known: Vec::new(),
            assault: None,
            cries: Cries::default(),
            assistant,
            refresh: Refresh::None,
            last_failure: None,
            connected: false,
            expelled: false,
            fresh: false,
            over: false,
        }
    }

    /// Whether the procedure has come to its end.
    pub fn finished(&self) -> bool {
        self.over && self.cries.are_told()
    }

    /// Whether the device is onboarded: it has a certificate.
    pub fn is_onboarded(&self) -> bool {
        self.application.identity.certificate.is_some()
    }

    /// The device's own guard has raised `alarm`: the registrar is told beside whatever the device does.
    pub fn cry(&mut self, now: Instant, alarm: Alarm) {
        self.cries.add(now, alarm);
    }

    /// What the card is found to hold when the device is asked for it: its public key, and the digest of its
    /// certificate. A card that was to have no key is not asked.
    pub fn holdings(&mut self) -> Holdings {
        let wants_key = |act: &Act| matches!(act, Act::Step(step) if step.step == Step::Keys);
        if !self.plan.iter().any(wants_key) {
            return Holdings::default();
        }
        // A card that does not answer holds nothing that anybody could use.
        let public_key = self.application.key_on_card().ok().flatten();
        let certificate = self.application.identity.certificate.as_ref().filter(|_| public_key.is_some());
        Holdings { public_key, certificate: certificate.map(|one| *one.tbs_digest()) }
    }

    /// When there is something to do without anything coming in: an entry is to be begun, a wait is over, or a step is
    /// to be given up.
    pub fn deadline(&self) -> Option<Instant> {
        [self.due(), self.cries.deadline()].into_iter().flatten().min()
    }

    /// The same of its plan.
    fn due(&self) -> Option<Instant> {
        let lasts = match self.act()? {
            _ if self.fresh => Duration::ZERO,
            Act::Step(id) => {
                let task = self.task.as_ref().and_then(|(_, task)| task.deadline());
                let given_up = self.started + time_limit(id.step);
                return (!self.over).then(|| task.map_or(given_up, |at| at.min(given_up)));
            }
            Act::Wait(time) => time,
            Act::PowerCut => Duration::ZERO,
            Act::Until(_) | Act::Work(_) => return None,
            Act::Assault(one) if self.is_own(&one) => {
                let next = self.assault.as_ref().map(assault::Running::deadline);
                return (!self.over).then(|| next.unwrap_or(self.started));
            }
            Act::Assault(_) => Duration::ZERO,
        };
        (!self.over).then_some(self.started + lasts)
    }

    /// The device was switched on.
    pub fn begin(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        self.start(now, out);
        self.proceed();
    }

    /// Lets the entry that the last one has led to begin. Between the two the device comes to rest, so that
    /// what a step costs is not booked on the one before.
    pub fn proceed(&mut self) {
        if let (true, Some(id)) = (std::mem::take(&mut self.fresh), self.step()) {
            self.battery.step_begins(id);
        }
    }

    /// What the device waits for is so.
    pub fn go_on(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        if let Some(Act::Until(_) | Act::Work(_)) = self.act() {
            self.next(now, out);
        }
    }

    /// What the device waits for will never be so: it does nothing more.
    pub fn give_up(&mut self, out: &mut Vec<DeviceOutput>) {
        if let Some(Act::Until(condition)) = self.act() {
            let change = format!("waits in vain for {} of device {}", condition.step, condition.device);
            let body = Body::note(Actor::device(self.application.number), change, Vec::new());
            out.push(DeviceOutput::Event(body));
            self.over = true;
        }
    }

    /// The modem has an IP session: the first one, or another in place of one that was lost.
    pub fn attached(&mut self, now: Instant, addresses: &str, apn: &str, out: &mut Vec<DeviceOutput>) {
        let told = format!("{addresses} on APN {apn}");
        if let Some(assistant) = &mut self.assistant {
            assistant.attached(&told);
        }
        self.refresh = Refresh::None;
        self.expelled = false;
        let attached = self.task.as_mut().and_then(|(kind, task)| Some((*kind, task.attached(&told)?)));
        match attached {
            // It has come back for a step that needs the network.
            Some((kind, _)) if self.step().is_some_and(|id| id.step != kind) => {
                self.learn(kind);
                self.task = None;
            }
            Some((_, proof)) => self.done(now, proof, out),
            // A connection that ran over the session before is gone: its step opens another.
            None => self.task = None,
        }
    }

    /// The modem failed to attach. Where it will try again by itself the step goes on; where the card holds a new
    /// profile, [`settle_refresh`](Self::settle_refresh) sees to it.
    pub fn attach_failed(
        &mut self,
        reason: Reason,
        detail: String,
        retry: bool,
        out: &mut Vec<DeviceOutput>,
    ) {
        let refusal = StepRefusal { reason, detail };
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
            Some(assistant) => {
                let rolled_back = assistant.roll_back(&self.application, &refusal);
                DeviceOutput::of_card(&self.application.card, out);
                rolled_back?
            }
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
        match self.task.as_mut().and_then(|(_, task)| task.detached()) {
            Some(proof) => {
                self.connected = false;
                self.done(now, proof, out);
            }
            None if self.refresh == Refresh::UnderWay || self.over => {}
            None if self.step().is_none() => (self.connected, self.expelled) = (false, true),
            None => {
                let detail = "the network detached the device".to_owned();
                self.refused(StepRefusal { reason: Reason::NetworkDetach, detail }, out);
            }
        }
    }

    /// Whether the modem is to leave the network since the card holds another subscriber now; asked once.
    pub fn take_refresh_request(&mut self) -> bool {
        let wanted = self.refresh == Refresh::Wanted;
        if wanted {
            self.refresh = Refresh::UnderWay;
        }
        wanted
    }

    /// Whether the modem has left, or is leaving, the network since the card holds another subscriber.
    pub fn is_refreshing(&self) -> bool {
        self.refresh == Refresh::UnderWay
    }

    /// The card was reset by the modem.
    pub fn card_was_reset(&mut self) {
        self.application.card_was_reset();
    }

    /// The power was cut and is back: everything that was in memory is gone. Says whether the modem is to attach by
    /// itself, as that of a device which was to be connected.
    pub fn power_lost(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) -> bool {
        self.task = None;
        self.known.clear();
        self.cries = Cries::default();
        self.refresh = Refresh::None;
        self.last_failure = None;
        let boot = self.application.power_lost();
        if let Some(assistant) = &mut self.assistant {
            assistant.power_lost();
        }
        match self.act() {
            Some(Act::Step(_)) => self.started = now,
            Some(Act::PowerCut) => {
                self.connected = false;
                self.next(now, out);
            }
            _ => {}
        }
        match boot {
            Ok(None) => {}
            Ok(Some(boot)) => self.tell_boot(&boot, out),
            Err(DeviceError::Refused(refusal)) => self.refused(refusal, out),
            Err(_) => self.over = true,
        }
        self.connected
    }

    /// Says what was started.
    fn tell_boot(&self, boot: &Boot, out: &mut Vec<DeviceOutput>) {
        let mut fields = vec![("slot", boot.slot.to_string()), ("sequence", boot.sequence.to_string())];
        if boot.hung > 0 {
            fields.push(("hung", boot.hung.to_string()));
        }
        let change = match (boot.on_trial, boot.fell_back) {
            (true, _) => "new firmware starts on trial",
            (false, true) => "falls back to the firmware before",
            (false, false) => "firmware starts",
        };
        let who = Actor::device(self.application.number);
        out.push(DeviceOutput::Event(Body::note(who, change, fields)));
    }

    /// Does what can be done now.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn poll(
        &mut self,
        now: Instant,
        mut host: Option<&mut Host>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Turn, DeviceError> {
        let powered = !self.battery.is_lost();
        let cries = self.cries.poll(now, &mut self.application, powered, host.as_deref_mut(), out)?;
        match self.poll_plan(now, host, out)? {
            Turn::Idle if cries => Ok(Turn::Moved),
            turn => Ok(turn),
        }
    }

    fn poll_plan(
        &mut self,
        now: Instant,
        host: Option<&mut Host>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Turn, DeviceError> {
        match self.act().filter(|_| !self.over && !self.fresh) {
            None | Some(Act::Until(_) | Act::Work(_)) => Ok(Turn::Idle),
            Some(Act::Wait(time)) if now < self.started + time => Ok(Turn::Idle),
            Some(Act::Wait(_)) => {
                self.next(now, out);
                Ok(Turn::Moved)
            }
            Some(Act::Assault(one)) if self.is_own(&one) && now < self.started + one.time => Ok(Turn::Idle),
            Some(Act::Assault(_)) => {
                self.assault = None;
                self.next(now, out);
                Ok(Turn::Moved)
            }
            Some(Act::PowerCut) => Ok(Turn::PowerCut),
            Some(Act::Step(_)) if self.refresh != Refresh::None => Ok(Turn::Idle),
            Some(Act::Step(id)) => self.poll_step(now, id.step, host, out),
        }
    }

    fn poll_step(
        &mut self,
        now: Instant,
        step: Step,
        mut host: Option<&mut Host>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Turn, DeviceError> {
        if step == Step::Detach && std::mem::take(&mut self.expelled) {
            self.done(now, "the network has detached it before".to_owned(), out);
            return Ok(Turn::Moved);
        }
        let forgotten = self.forgotten_before(step, now);
        let (kind, running) = self.task.get_or_insert_with(|| {
            let kind = forgotten.unwrap_or(step);
            (kind, task(kind))
        });
        let (kind, recalling) = (*kind, *kind != step);
        let mut cx = DeviceContext {
            now,
            application: &mut self.application,
            assistant: self.assistant.as_mut(),
            host: host.as_deref_mut(),
            until: self.started + time_limit(step),
            recalling,
            powered: !self.battery.is_lost(),
        };
        let flow = running.poll(&mut cx, out);
        DeviceOutput::of_card(&self.application.card, out);
        if self.battery.is_lost() {
            return Ok(if flow.is_ok() { Turn::CutOff } else { Turn::Idle });
        }
        match flow {
            Ok(Flow::Waiting) => Ok(Turn::Idle),
            Ok(Flow::Progress) => Ok(Turn::Moved),
            Ok(Flow::Attach) => {
                self.connected = true;
                Ok(Turn::Attach)
            }
            Ok(Flow::Detach) => Ok(Turn::Detach),
            Ok(Flow::Restart) => {
                self.hang_up(host);
                Ok(Turn::Restart)
            }
            Ok(Flow::CardChanged) => {
                self.hang_up(host);
                self.refresh = Refresh::Wanted;
                Ok(Turn::Moved)
            }
            Ok(Flow::Done(_)) if recalling => {
                self.learn(kind);
                self.task = None;
                Ok(Turn::Moved)
            }
            Ok(Flow::Done(proof)) => {
                self.done(now, proof, out);
                Ok(Turn::Moved)
            }
            Err(DeviceError::Refused(refusal)) => {
                self.hang_up(host);
                self.refused(refusal, out);
                Ok(Turn::Moved)
            }
            Err(error) => Err(error),
        }
    }

    /// The first of the steps that `step` needs, was done before, and is not in memory any more or is to be done again:
    /// a certificate that nears its end is renewed before it is used. A device that the network has detached attaches first.
    fn forgotten_before(&self, step: Step, now: Instant) -> Option<Step> {
        if self.expelled && needs_network(step) {
            return Some(Step::Attach);
        }
        let before = self.plan.get(..self.position)?;
        let done = |needed: &Step| before.iter().any(|act| act.step().is_some_and(|id| id.step == *needed));
        let certificate = self.application.identity.certificate.as_ref();
        let nears_its_end = certificate.is_some_and(|one| one.nears_its_end(now.unix_s()));
        let known = |needed: &Step| self.known.contains(needed) && !(nears_its_end && *needed == Step::Enrol);
        needed_for(step).iter().copied().find(|needed| done(needed) && !known(needed))
    }

    fn is_own(&self, assault: &Assault) -> bool {
        assault.device == self.application.number
    }

    /// What the device sends now that has turned, from its `address`; without a session it is sent nowhere. What is drawn comes
    /// from the branch `tree`.
    pub fn assault(&mut self, now: Instant, tree: &RngTree, address: Option<Ipv4Addr>) -> Vec<Vec<u8>> {
        let Some(Act::Assault(one)) = self.act().filter(|_| !self.over && !self.fresh) else {
            return Vec::new();
        };
        if !self.is_own(&one) {
            return Vec::new();
        }
        let (started, tree) = (self.started, tree.branch(format!("assault-{}", self.position)));
        let running = self.assault.get_or_insert_with(|| assault::Running::new(&one, &tree, started));
        let packets = running.packets(now, address.unwrap_or(Ipv4Addr::UNSPECIFIED));
        if address.is_some() { packets } else { Vec::new() }
    }

    /// Whether a packet that has come in is for the attack that is under way, and not for the device's IP stack.
    pub fn answers_attack(&mut self, now: Instant, packet: &[u8]) -> bool {
        self.assault.as_mut().is_some_and(|running| running.receive(now, packet))
    }

    /// Gives the running step up when its time is over.
    pub fn check_deadline(&mut self, now: Instant, host: Option<&mut Host>, out: &mut Vec<DeviceOutput>) {
        let Some(limit) = self.step().filter(|_| !self.over).map(|id| time_limit(id.step)) else { return };
        if now < self.started + limit {
            return;
        }
        self.hang_up(host);
        let seconds = limit.as_secs();
        let refusal = self.last_failure.take().unwrap_or_else(|| StepRefusal {
            reason: Reason::Timeout,
            detail: format!("not done after {seconds} s"),
        });
        self.refused(refusal, out);
    }

    /// Ends the connection of the running step, so that the far end does not keep it.
    fn hang_up(&mut self, host: Option<&mut Host>) {
        let running = self.task.take();
        let Some(host) = host else { return };
        if let Some((_, mut task)) = running {
            task.hang_up(host);
        }
        if let Some(assistant) = &mut self.assistant {
            assistant.hang_up(host);
        }
    }

    fn act(&self) -> Option<Act> {
        self.plan.get(self.position).copied()
    }

    fn step(&self) -> Option<StepId> {
        self.act()?.step()
    }

    fn start(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        self.started = now;
        self.last_failure = None;
        self.task = None;
        self.fresh = true;
        match self.act() {
            Some(Act::Step(id)) => {
                out.push(DeviceOutput::StepStarted(id));
                let forgotten = self.forgotten_before(id.step, now);
                self.task = forgotten.is_none().then(|| (id.step, task(id.step)));
            }
            Some(Act::Until(condition)) => out.push(DeviceOutput::Awaits(condition)),
            Some(Act::Work(number)) => out.push(DeviceOutput::AwaitsWork(number)),
            Some(Act::Assault(one)) if self.is_own(&one) => {
                let fields = vec![
                    ("attack", one.attack.class().to_owned()),
                    ("time_s", one.time.as_secs().to_string()),
                ];
                let body = Body::note(Actor::device(self.application.number), TURNS_BAD, fields);
                out.push(DeviceOutput::Event(body));
            }
            Some(Act::Wait(_) | Act::PowerCut | Act::Assault(_)) => {}
            None => self.over = true,
        }
    }

    fn next(&mut self, now: Instant, out: &mut Vec<DeviceOutput>) {
        self.position += 1;
        self.start(now, out);
    }

    fn done(&mut self, now: Instant, proof: String, out: &mut Vec<DeviceOutput>) {
        if let Some(id) = self.step() {
            self.learn(id.step);
        }
        self.end(Outcome::Done { proof }, out);
        self.next(now, out);
    }

    fn learn(&mut self, step: Step) {
        if !self.known.contains(&step) {
            self.known.push(step);
        }
    }

    fn refused(&mut self, refusal: StepRefusal, out: &mut Vec<DeviceOutput>) {
        let StepRefusal { reason, detail } = refusal;
        self.end(Outcome::Refused { reason, detail }, out);
        self.over = true;
    }

    fn end(&mut self, outcome: Outcome, out: &mut Vec<DeviceOutput>) {
        if let Some(id) = self.step() {
            self.battery.step_ended();
            out.push(DeviceOutput::StepEnded(id, outcome));
        }
    }
}
