//! The page of a run: verdict, facts, steps, time, and the ladder of every message, in one file that needs no
//! network. It is made once the run has ended, from what was kept of it: a run of a thousand devices has
//! far more messages than a reader, so the page keeps the first devices and says what it left out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{RunFacts, RunSummary, View, text};
use crate::event::{Actor, Body, Event, Message, Outcome, StateChange, StepId};
use crate::kernel::{Duration, Instant};
use crate::wire::{Fields, Proto};

mod chart;
mod ladder;
mod loops;
mod page;

/// Messages and state changes are kept of the devices up to this one, as far as they say whose they are.
const DEVICES_KEPT: u32 = 3;
/// How many messages and state changes of these devices are kept.
const DEVICE_ROWS_MAX: usize = 4000;
/// How many are kept of those that say no device: network nodes, services and ledger among themselves.
const NETWORK_ROWS_MAX: usize = 1000;
/// How much is kept of the bytes of a message.
const DUMP_BYTES_MAX: usize = 256;
/// Step times are kept one by one of the devices up to this one; of more devices only the spread is shown.
const DEVICES_TIMED: u32 = 10;

/// Writes the page.
pub struct Html<W> {
    out: W,
    several: bool,
    rows: Vec<Row>,
    /// Place in `rows` of the tunnel row that further packets join.
    tunnel: Option<usize>,
    device_rows: usize,
    network_rows: usize,
    left_out: LeftOut,
    /// The step that each device has begun and not ended.
    begun: BTreeMap<u32, (StepId, Instant)>,
    spans: Vec<Span>,
}

/// What the page does not show.
#[derive(Default)]
struct LeftOut {
    /// Of devices that are not kept.
    of_other_devices: u64,
    /// Of what came after the page was full.
    too_late: u64,
    /// Whether there was more than the log from which the page is drawn still holds.
    log_is_not_whole: bool,
}

/// A step of a device on the time axis.
struct Span {
    device: u32,
    step: StepId,
    from: Instant,
    to: Instant,
}

/// One row of the ladder.
struct Row {
    at: Instant,
    device: Option<u32>,
    content: Content,
}

enum Content {
    Message(Arrow),
    Tunnel(Tunnel),
    State(StateChange),
    StepStarted(StepId),
    StepEnded(StepId, Duration, Outcome),
}

/// A message as far as the page shows it.
struct Arrow {
    from: Actor,
    to: Actor,
    proto: Proto,
    name: Cow<'static, str>,
    fields: Fields,
    length: usize,
    digest: String,
    /// The first bytes.
    head: Vec<u8>,
}

/// User-plane packets between two ends or beginnings of steps: one row for all.
struct Tunnel {
    up: (u64, u64),
    down: (u64, u64),
    last: Instant,
}

impl<W: Write> Html<W> {
    /// Will write to `out` once the run has ended.
    pub fn new(out: W, facts: &RunFacts) -> Self {
        Self {
            out,
            several: facts.devices > 1,
            rows: Vec::new(),
            tunnel: None,
            device_rows: 0,
            network_rows: 0,
            left_out: LeftOut::default(),
            begun: BTreeMap::new(),
            spans: Vec::new(),
        }
    }

    /// Lets the page say that events are missing that the run had: its log is not whole.
    pub fn log_is_not_whole(&mut self) {
        self.left_out.log_is_not_whole = true;
    }

    /// The device to write on one more row about `device`; `None` where there is no room for it.
    fn room_for(&mut self, device: Option<u32>) -> Option<Option<u32>> {
        // Where there is but one device, its rows need not say so.
        let device = device.filter(|_| self.several);
        let (rows, max) = match device {
            Some(device) if device > DEVICES_KEPT => {
                self.left_out.of_other_devices += 1;
                return None;
            }
            Some(_) => (&mut self.device_rows, DEVICE_ROWS_MAX),
            None => (&mut self.network_rows, NETWORK_ROWS_MAX),
        };
        if *rows >= max {
            self.left_out.too_late += 1;
            return None;
        }
        *rows += 1;
        Some(device)
    }

    fn message(&mut self, at: Instant, device: Option<u32>, message: &Message) {
        if message.label.proto == Proto::GtpU {
            return self.tunnelled(at, message);
        }
        let Some(device) = self.room_for(device) else { return };
        let arrow = Arrow {
            from: message.from,
            to: message.to,
            proto: message.label.proto,
            name: message.label.name.clone(),
            fields: message.label.fields.clone(),
            length: message.bytes.len(),
            digest: text::digest(&message.bytes),
            head: message.bytes[..message.bytes.len().min(DUMP_BYTES_MAX)].to_vec(),
        };
        self.rows.push(Row { at, device, content: Content::Message(arrow) });
    }

    fn tunnelled(&mut self, at: Instant, message: &Message) {
        if self.tunnel.is_none() {
            let Some(device) = self.room_for(None) else { return };
            let content = Content::Tunnel(Tunnel { up: (0, 0), down: (0, 0), last: at });
            self.tunnel = Some(self.rows.len());
            self.rows.push(Row { at, device, content });
        }
        let row = self.tunnel.and_then(|at| self.rows.get_mut(at));
        let Some(Row { content: Content::Tunnel(tunnel), .. }) = row else { return };
        let up = message.from.role.is_base_station();
        let (packets, bytes) = if up { &mut tunnel.up } else { &mut tunnel.down };
        *packets += 1;
        *bytes += message.bytes.len() as u64;
        tunnel.last = at;
    }

    fn state(&mut self, at: Instant, device: Option<u32>, state: &StateChange) {
        if let Some(device) = self.room_for(device) {
            self.rows.push(Row { at, device, content: Content::State(state.clone()) });
        }
    }

    fn step_started(&mut self, at: Instant, device: u32, step: StepId) {
        if device <= DEVICES_TIMED {
            self.begun.insert(device, (step, at));
        }
        if device <= DEVICES_KEPT {
            self.tunnel = None;
            self.rows.push(Row { at, device: Some(device), content: Content::StepStarted(step) });
        }
    }

    fn step_ended(&mut self, at: Instant, device: u32, step: StepId, took: Duration, outcome: &Outcome) {
        if let Some((_, from)) = self.begun.remove(&device).filter(|(begun, _)| *begun == step) {
            self.spans.push(Span { device, step, from, to: at });
        }
        if device <= DEVICES_KEPT {
            self.tunnel = None;
            let content = Content::StepEnded(step, took, outcome.clone());
            self.rows.push(Row { at, device: Some(device), content });
        }
    }
}

impl<W: Write> View for Html<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.body {
            Body::Message(message) => self.message(event.at, event.device, message),
            Body::State(state) => self.state(event.at, event.device, state),
            Body::StepStarted { device, step } => self.step_started(event.at, *device, *step),
            Body::StepEnded { device, step, took, outcome } => {
                self.step_ended(event.at, *device, *step, *took, outcome);
            }
        }
        Ok(())
    }

    fn finish(&mut self, summary: &RunSummary) -> io::Result<()> {
        // A step that never ended took until the end of the run.
        let end = Instant::ZERO + summary.virtual_time;
        let open = std::mem::take(&mut self.begun);
        self.spans.extend(open.into_iter().map(|(device, (step, from))| Span {
            device,
            step,
            from,
            to: end,
        }));
        page::write(&mut self.out, summary, &self.spans, |out| {
            ladder::write(out, &self.rows, self.several, &self.left_out, summary.left_out.as_ref())
        })?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
