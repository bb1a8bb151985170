//! The transcript: what snapshots hold. One line per message, state changes under it, and nothing that
//! another machine or another moment would print differently: no processor time, no counters, no logs.
//!
//! Columns: seconds since the line before, `from > to`, protocol, name, fields, length in bytes and the first
//! six digits of the SHA-256 of the bytes. Hexadecimal numbers of 32 digits or more are cut to eight and an
//! ellipsis. GTP-U packets are counted, not printed; they are in the capture.

use std::io::{self, Write};

use super::summary::{title, verdict_name};
use super::{RunFacts, RunSummary, View, text};
use crate::event::{Body, Event, Message, Outcome, StateChange, StepId, Verdict};
use crate::kernel::{Duration, Instant};
use crate::wire::Proto;

/// The width of an actor: the longest name of a network node, or of a card in a run of 99,999 devices.
const ACTOR: usize = 9;
const NAME: usize = 36;
const FIELDS: usize = 32;

/// Writes the transcript.
pub struct Transcript<W> {
    out: W,
    /// Whether lines must name their device, as there are several.
    several: bool,
    last: Instant,
    user_plane: UserPlane,
}

/// Packets and bytes of the user plane not yet printed.
#[derive(Default)]
struct UserPlane {
    up: (u64, u64),
    down: (u64, u64),
}

impl<W: Write> Transcript<W> {
    /// Begins a transcript in `out`.
    pub fn new(mut out: W, facts: &RunFacts) -> io::Result<Self> {
        writeln!(out, "{}", title(facts))?;
        if let Some(via) = &facts.card_via {
            writeln!(out, "card via {}", text::one_line(via))?;
        }
        if let Some(registration) = &facts.registration {
            writeln!(out, "registration {}", text::one_line(registration))?;
        }
        if !facts.outside.is_empty() {
            let who = text::one_line(&facts.outside.join(", ")).into_owned();
            writeln!(out, "in real time, not reproducible: {who} outside")?;
        }
        if let Some(which) = facts.recorded() {
            writeln!(out, "{which}")?;
        }
        Ok(Self { out, several: facts.devices > 1, last: Instant::ZERO, user_plane: UserPlane::default() })
    }

    fn message(&mut self, at: Instant, message: &Message) -> io::Result<()> {
        if message.label.proto == Proto::GtpU {
            self.user_plane.count(message);
            return Ok(());
        }
        let name = text::one_line(&message.label.name);
        let fields = text::fields(&message.label.fields);
        let mut line = format!(
            "{} {:ACTOR$} > {:ACTOR$} {:<5} {name:NAME$} {fields:FIELDS$}",
            self.delta(at),
            message.from,
            message.to,
            message.label.proto.name()
        );
        if !message.bytes.is_empty() {
            line.push_str(&format!(" {:5} {}", message.bytes.len(), text::digest(&message.bytes)));
        }
        writeln!(self.out, "{}", line.trim_end())
    }

    fn state(&mut self, state: &StateChange) -> io::Result<()> {
        let dot = if state.machine.is_empty() { "" } else { "." };
        let who = format!("{}{dot}{}", state.actor, state.machine);
        let change = text::brief(&state.change);
        let fields = text::fields(&state.fields);
        let space = if fields.is_empty() { "" } else { "  " };
        writeln!(self.out, "         {who:21} {change}{space}{fields}")
    }

    fn step_ended(&mut self, device: u32, step: StepId, took: Duration, outcome: &Outcome) -> io::Result<()> {
        // Tunnels do not say whose they are, so what several devices sent is one sum, at the end of the run.
        if !self.several {
            self.user_plane()?;
        }
        let of = self.of(device);
        let took = text::seconds(took);
        let (word, why) = match outcome {
            Outcome::Done { proof } => ("done", proof.clone()),
            Outcome::Refused { reason, detail } if detail.is_empty() => ("refused", reason.to_string()),
            Outcome::Refused { reason, detail } => ("refused", format!("{reason} ({detail})")),
        };
        writeln!(self.out, "-- {}{of} {word} in {took} s: {}", step, text::brief(&why))
    }

    /// Prints and forgets the user-plane traffic since the last time.
    fn user_plane(&mut self) -> io::Result<()> {
        let UserPlane { up, down } = std::mem::take(&mut self.user_plane);
        if up.0 + down.0 == 0 {
            return Ok(());
        }
        writeln!(self.out, "         {:21} {}", "user plane", text::user_plane(up, down))
    }

    fn of(&self, device: u32) -> String {
        if self.several { format!(" (dev{device})") } else { String::new() }
    }

    fn delta(&mut self, at: Instant) -> String {
        let since = at.since(self.last);
        self.last = at;
        format!("+{:<7}", text::seconds(since))
    }
}

impl UserPlane {
    fn count(&mut self, message: &Message) {
        let up = message.from.role.is_base_station();
        let (packets, bytes) = if up { &mut self.up } else { &mut self.down };
        *packets += 1;
        *bytes += message.bytes.len() as u64;
    }
}

impl<W: Write> View for Transcript<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.body {
            Body::Message(message) => self.message(event.at, message),
            Body::State(state) => self.state(state),
            Body::StepStarted { device, step } => {
                let of = self.of(*device);
                writeln!(self.out, "== {step}{of}")
            }
            Body::StepEnded { device, step, took, outcome } => {
                self.step_ended(*device, *step, *took, outcome)
            }
        }
    }

    fn finish(&mut self, summary: &RunSummary) -> io::Result<()> {
        self.user_plane()?;
        if let Some(left_out) = &summary.left_out {
            writeln!(self.out, "-- not recorded: {}", left_out.told())?;
        }
        let reason = summary.reason.as_deref().map(|why| format!(": {}", text::one_line(why)));
        writeln!(self.out, "== verdict {}{}", verdict_name(summary.verdict), reason.unwrap_or_default())?;
        if let Some(gathered) = &summary.gathered {
            let (devices, steps) = (u64::from(gathered.devices), gathered.steps);
            let (devices, steps) = (text::count(devices, "device"), text::count(steps, "step"));
            writeln!(self.out, "{:12} {devices} as expected, in {steps}", verdict_name(Verdict::Pass))?;
        }
        for row in &summary.steps {
            let step = format!("{}{}", row.step, self.of(row.device));
            let (verdict, time) = (verdict_name(row.verdict), text::seconds(row.virtual_time));
            let line = format!("{verdict:12} {step:20} {time:>9} s  {}", text::brief(&row.told()));
            writeln!(self.out, "{}", line.trim_end())?;
        }
        for row in &summary.expectations {
            let (verdict, told) = (verdict_name(row.verdict), row.told());
            writeln!(self.out, "{verdict:12} expected: {}", text::brief(&told))?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::event::Actor;
    use crate::wire::Label;

    fn transcript(events: &[Event], summary: &RunSummary) -> String {
        let mut out = Vec::new();
        let mut view = Transcript::new(&mut out, &summary.facts).expect("memory takes it");
        events.iter().for_each(|event| view.event(event).expect("memory takes it"));
        view.finish(summary).expect("memory takes it");
        String::from_utf8(out).expect("a transcript is text")
    }

    #[test]
    fn one_device() {
        let (events, summary) = sample::run(1);
        insta::assert_snapshot!(transcript(&events, &summary));
    }

    #[test]
    fn several_devices_are_told_apart() {
        let (events, summary) = sample::run(2);
        insta::assert_snapshot!(transcript(&events, &summary));
    }

    #[test]
    fn processor_and_wall_time_leave_no_trace() {
        let (events, summary) = sample::run(2);
        let mut slower = summary.clone();
        slower.cpu_time = Some(Duration::from_secs(9));
        slower.wall_time = None;
        slower.steps.iter_mut().for_each(|row| row.cpu_time = None);
        assert_eq!(transcript(&events, &summary), transcript(&events, &slower));
    }

    #[test]
    fn hostile_texts_stay_on_their_line() {
        let (_, summary) = sample::run(1);
        let label = Label::new(Proto::Http, "GET /\r\n== verdict pass\x1b[2J").with("a", "b\nc");
        let body = Body::Message(Message { from: Actor::device(1), to: Actor::CA, label, bytes: vec![] });
        let event = Event::new(Instant::ZERO, body);
        let with = transcript(&[event], &summary);
        assert_eq!(with.lines().count(), transcript(&[], &summary).lines().count() + 1);
        assert!(!with.contains('\x1b'));
    }
}
