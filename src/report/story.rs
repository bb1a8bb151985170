//! The story: what a transcript tells, without its bytes. For goldens of scenarios that differ from the main job in
//! some places only: a byte that changes in a file of the card changes no story, a message that comes or goes does.
//!
//! No times, no lengths, no digests of bytes; no GET RESPONSE, and no answer that is a status word of success and
//! nothing else; a line that comes again at once is counted. At the end of each step stand how many messages there
//! were, and one digest over who said what to whom, so that those that are left out are told as well.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::summary::{title, verdict_name};
use super::{RunFacts, RunSummary, View, text};
use crate::event::{Body, Event, Message, Outcome, StateChange, StepId};
use crate::wire::Proto;

/// The width of an actor's name.
const ACTOR: usize = 9;

/// Writes the story.
pub struct Story<W> {
    out: W,
    /// Whether lines must name their device, as there are several.
    several: bool,
    /// The last line, and how often it came.
    last: Option<(String, u32)>,
    /// What was said since the step of each device began. Where there are several devices, it is what each of them
    /// had a part in.
    said: Vec<Said>,
}

/// Messages of one device.
#[derive(Clone, Default)]
struct Said {
    messages: u64,
    digest: Sha256,
}

impl<W: Write> Story<W> {
    /// Begins a story in `out`.
    ///
    /// # Errors
    /// Those of the output.
    pub fn new(mut out: W, facts: &RunFacts) -> io::Result<Self> {
        writeln!(out, "{} · story", title(facts))?;
        let devices = usize::try_from(facts.devices).unwrap_or_default();
        Ok(Self { out, several: facts.devices > 1, last: None, said: vec![Said::default(); devices] })
    }

    fn message(&mut self, message: &Message) -> io::Result<()> {
        let (proto, name) = (message.label.proto, text::one_line(&message.label.name));
        if proto == Proto::GtpU {
            return Ok(());
        }
        let device = if self.several { message.from.part_of().or(message.to.part_of()) } else { Some(1) };
        if let Some(said) = device.and_then(|number| self.said.get_mut((number as usize).wrapping_sub(1))) {
            said.messages += 1;
            said.digest.update(format!("{} {} {} {name}\n", message.from, message.to, proto.name()));
        }
        let fields = text::fields(&message.label.fields);
        if proto == Proto::Apdu && (name == "GET RESPONSE" || fields.is_empty() && is_success(&name)) {
            return Ok(());
        }
        let (from, to) = (message.from, message.to);
        self.line(
            format!("{from:ACTOR$} > {to:ACTOR$} {:<5} {name}  {fields}", proto.name()).trim_end().to_owned(),
        )
    }

    fn state(&mut self, state: &StateChange) -> io::Result<()> {
        let dot = if state.machine.is_empty() { "" } else { "." };
        let who = format!("{}{dot}{}", state.actor, state.machine);
        let (change, fields) = (text::brief(&state.change), text::fields(&state.fields));
        self.line(format!("    {who:17} {change}  {fields}").trim_end().to_owned())
    }

    fn step_ended(&mut self, device: u32, step: StepId, outcome: &Outcome) -> io::Result<()> {
        let (word, why) = match outcome {
            Outcome::Done { proof } => ("done", proof.clone()),
            Outcome::Refused { reason, .. } => ("refused", reason.to_string()),
        };
        let said =
            self.said.get_mut((device as usize).wrapping_sub(1)).map(std::mem::take).unwrap_or_default();
        let digest = hex::encode(&said.digest.finalize()[..3]);
        let of = self.of(device);
        self.line(format!(
            "-- {step}{of} {word}: {} · {} messages {digest}",
            text::brief(&why),
            said.messages
        ))
    }

    /// Writes a line, or counts it where it is the one before again.
    fn line(&mut self, line: String) -> io::Result<()> {
        match &mut self.last {
            Some((last, times)) if *last == line => {
                *times += 1;
                Ok(())
            }
            _ => {
                self.flush_line()?;
                self.last = Some((line, 1));
                Ok(())
            }
        }
    }

    fn flush_line(&mut self) -> io::Result<()> {
        match self.last.take() {
            Some((line, 1)) => writeln!(self.out, "{line}"),
            Some((line, times)) => writeln!(self.out, "{line}  ×{times}"),
            None => Ok(()),
        }
    }

    fn of(&self, device: u32) -> String {
        if self.several { format!(" (dev{device})") } else { String::new() }
    }
}

/// Whether a card's answer is called by a status word of success and nothing more (TS 102 221 clause 10.2.1.1).
fn is_success(name: &str) -> bool {
    name.len() == 4 && ["90", "91", "61"].iter().any(|sw1| name.starts_with(sw1))
}

impl<W: Write> View for Story<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.body {
            Body::Message(message) => self.message(message),
            Body::State(state) => self.state(state),
            Body::StepStarted { device, step } => {
                let of = self.of(*device);
                self.line(format!("== {step}{of}"))
            }
            Body::StepEnded { device, step, outcome, .. } => self.step_ended(*device, *step, outcome),
        }
    }

    fn finish(&mut self, summary: &RunSummary) -> io::Result<()> {
        let reason = summary.reason.as_deref().map(|why| format!(": {}", text::one_line(why)));
        self.line(format!("== verdict {}{}", verdict_name(summary.verdict), reason.unwrap_or_default()))?;
        for row in &summary.expectations {
            let (verdict, told) = (verdict_name(row.verdict), row.told());
            self.line(format!("{verdict:12} expected: {}", text::brief(&told)))?;
        }
        self.flush_line()?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn story(events: &[Event], summary: &RunSummary) -> String {
        let mut out = Vec::new();
        let mut view = Story::new(&mut out, &summary.facts).expect("memory takes it");
        events.iter().for_each(|event| view.event(event).expect("memory takes it"));
        view.finish(summary).expect("memory takes it");
        String::from_utf8(out).expect("a story is text")
    }

    #[test]
    fn one_device() {
        let (events, summary) = sample::run(1);
        insta::assert_snapshot!(story(&events, &summary));
    }

    #[test]
    fn bytes_and_times_change_nothing_and_a_message_that_is_left_out_does() {
        let (events, summary) = sample::run(2);
        let told = story(&events, &summary);
        let mut other = events.clone();
        for event in &mut other {
            event.at += std::time::Duration::from_micros(3);
            if let Body::Message(message) = &mut event.body {
                message.bytes.iter_mut().for_each(|byte| *byte ^= 1);
            }
        }
        assert_eq!(story(&other, &summary), told);
        let bare = |event: &Event| {
            matches!(&event.body, Body::Message(message) if message.label.proto == Proto::Apdu
                && message.label.fields.is_empty() && is_success(&message.label.name))
        };
        let at = other.iter().position(bare).expect("a card says no more than that it is done");
        other.remove(at);
        let without = story(&other, &summary);
        assert_ne!(without, told);
        assert_eq!(without.lines().count(), told.lines().count());
    }
}
