//! The event log: one JSON object per event, one event per line, and the way back from it to events.
//!
//! ```text
//! {"at_ns":5000000,"kind":"message","from":"ue1","to":"mme","proto":"EMM","name":"Attach Request","fields":{"imsi":"001010000000001"},"bytes":"0741…"}
//! {"at_ns":5000000,"kind":"state","actor":"ue1","machine":"emm","change":"DEREGISTERED -> REGISTERED_INITIATED","fields":{"T3410":"15s"}}
//! {"at_ns":0,"kind":"step-started","device":1,"step":"attach"}
//! {"at_ns":254000000,"kind":"step-ended","device":1,"step":"attach","took_ns":254000000,"outcome":"done","proof":"…"}
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, BufRead, Read, Write};

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};

use super::{ReadError, RunSummary, View, text};
use crate::event::{Actor, Body, Event, Message, Outcome, StateChange, StepId};
use crate::kernel::{Duration, Instant};
use crate::wire::Reason;
use crate::wire::{Fields, Label, Proto};

/// The longest line that is read: an event with 8 MB of bytes.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// How many names of fields and machines a log may use, and how long each may be. Ours are a few dozen words.
const NAMES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 64;

/// Writes the event log.
pub struct EventLog<W> {
    out: W,
}

impl<W: Write> EventLog<W> {
    /// Begins a log in `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> View for EventLog<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, &Line::from(event))?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads an event log line by line. After an error nothing more is read: a log that was cut off in the
/// middle of a line gives all its whole events first.
pub fn read_events(input: impl BufRead) -> impl Iterator<Item = Result<Event, ReadError>> {
    let mut reader = Reader { input, line: 0, names: BTreeSet::new(), ended: false };
    std::iter::from_fn(move || {
        if reader.ended {
            return None;
        }
        let next = reader.next_event().transpose();
        reader.ended = !matches!(next, Some(Ok(_)));
        next
    })
}

struct Reader<R> {
    input: R,
    /// Lines read so far.
    line: u64,
    names: BTreeSet<&'static str>,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    fn next_event(&mut self) -> Result<Option<Event>, ReadError> {
        let mut text = Vec::new();
        self.line += 1;
        let line = self.line;
        let mut limited = (&mut self.input).take(LINE_BYTES_MAX);
        if limited.read_until(b'\n', &mut text).map_err(|source| ReadError::Input { line, source })? == 0 {
            return Ok(None);
        }
        let whole = text.ends_with(b"\n");
        let parsed: Line<'_> = serde_json::from_slice(&text).map_err(|error| match error.is_eof() {
            true if !whole => ReadError::CutOff { line },
            _ => ReadError::Event { line, cause: error.to_string() },
        })?;
        self.event(parsed).map(Some).map_err(|cause| ReadError::Event { line, cause })
    }

    fn event(&mut self, line: Line<'_>) -> Result<Event, String> {
        let mut about = None;
        let body = match line.body {
            Record::Message { from, to, proto, name, fields, bytes, device } => {
                about = device;
                let proto = Proto::ALL
                    .into_iter()
                    .find(|known| known.name() == proto)
                    .ok_or_else(|| format!("{proto:?} is not a protocol"))?;
                let label =
                    Label { proto, name: Cow::Owned(name.into_owned()), fields: self.fields(fields)? };
                let bytes = hex::decode(bytes.as_bytes()).map_err(|e| format!("bytes: {e}"))?;
                Body::Message(Message { from: actor(&from)?, to: actor(&to)?, label, bytes })
            }
            Record::State { actor: who, machine, change, fields, device } => {
                about = device;
                Body::State(StateChange {
                    actor: actor(&who)?,
                    machine: self.name(&machine)?,
                    change: Cow::Owned(change.into_owned()),
                    fields: self.fields(fields)?,
                })
            }
            Record::StepStarted { device, step } => Body::StepStarted { device, step },
            Record::StepEnded { device, step, took_ns, outcome } => Body::StepEnded {
                device,
                step,
                took: Duration::from_nanos(took_ns),
                outcome: match outcome {
                    Ending::Done { proof } => Outcome::Done { proof: proof.into_owned() },
                    Ending::Refused { reason, detail } => {
                        Outcome::Refused { reason: Reason::of(&reason), detail: detail.into_owned() }
                    }
                },
            },
        };
        let event = Event::new(Instant::from_nanos(line.at_ns), body);
        Ok(Event { device: about.or(event.device), ..event })
    }

    fn fields(&mut self, fields: Pairs<'_>) -> Result<Fields, String> {
        fields.0.into_iter().map(|(name, value)| Ok((self.name(&name)?, value.into_owned()))).collect()
    }

    /// `name` as an event carries it. Events borrow such names from the program; a log's are a small
    /// vocabulary, of which one copy each is kept for the life of the process.
    fn name(&mut self, name: &str) -> Result<&'static str, String> {
        if let Some(known) = self.names.get(name) {
            return Ok(known);
        }
        if name.len() > NAME_BYTES_MAX || self.names.len() >= NAMES_MAX {
            return Err(format!(
                "names of fields are at most {NAMES_MAX}, of {NAME_BYTES_MAX} bytes; {} came before one of {}",
                self.names.len(),
                name.len()
            ));
        }
        let kept: &'static str = Box::leak(Box::from(name));
        self.names.insert(kept);
        Ok(kept)
    }
}

fn actor(name: &str) -> Result<Actor, String> {
    name.parse().map_err(|e: crate::event::UnknownActor| e.to_string())
}

/// One line of the log.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    at_ns: u64,
    #[serde(flatten)]
    body: Record<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Record<'a> {
    Message {
        from: Cow<'a, str>,
        to: Cow<'a, str>,
        proto: Cow<'a, str>,
        name: Cow<'a, str>,
        fields: Pairs<'a>,
        /// Hexadecimal.
        bytes: Cow<'a, str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u32>,
    },
    State {
        actor: Cow<'a, str>,
        machine: Cow<'a, str>,
        change: Cow<'a, str>,
        fields: Pairs<'a>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<u32>,
    },
    StepStarted {
        device: u32,
        step: StepId,
    },
    StepEnded {
        device: u32,
        step: StepId,
        took_ns: u64,
        #[serde(flatten)]
        outcome: Ending<'a>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum Ending<'a> {
    Done { proof: Cow<'a, str> },
    Refused { reason: Cow<'a, str>, detail: Cow<'a, str> },
}

/// Fields as a JSON object that keeps their order, and both where two have one name.
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> From<&'a Event> for Line<'a> {
    fn from(event: &'a Event) -> Self {
        // Where the body names a device itself, once is enough.
        let about = event.device.filter(|_| event.body.device().is_none());
        let body = match &event.body {
            Body::Message(message) => Record::Message {
                from: message.from.to_string().into(),
                to: message.to.to_string().into(),
                proto: message.label.proto.name().into(),
                name: message.label.name.as_ref().into(),
                fields: Pairs::from(&message.label.fields),
                bytes: text::hex(&message.bytes).into(),
                device: about,
            },
            Body::State(state) => Record::State {
                actor: state.actor.to_string().into(),
                machine: state.machine.into(),
                change: state.change.as_ref().into(),
                fields: Pairs::from(&state.fields),
                device: about,
            },
            Body::StepStarted { device, step } => Record::StepStarted { device: *device, step: *step },
            Body::StepEnded { device, step, took, outcome } => Record::StepEnded {
                device: *device,
                step: *step,
                took_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
                outcome: match outcome {
                    Outcome::Done { proof } => Ending::Done { proof: proof.into() },
                    Outcome::Refused { reason, detail } => {
                        Ending::Refused { reason: reason.to_string().into(), detail: detail.into() }
                    }
                },
            },
        };
        Self { at_ns: event.at.as_nanos(), body }
    }
}

impl<'a> From<&'a Fields> for Pairs<'a> {
    fn from(fields: &'a Fields) -> Self {
        Self(
            fields
                .iter()
                .map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(value.as_str())))
                .collect(),
        )
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Pairs<'_> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, String)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        let pairs = from.deserialize_map(Object)?;
        Ok(Self(pairs.into_iter().map(|(name, value)| (Cow::Owned(name), Cow::Owned(value))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample;
    use super::*;
    use crate::event::Step;

    fn log(events: &[Event], summary: &RunSummary) -> Vec<u8> {
        let mut out = Vec::new();
        let mut view = EventLog::new(&mut out);
        events.iter().for_each(|event| view.event(event).expect("memory takes it"));
        view.finish(summary).expect("memory takes it");
        out
    }

    #[test]
    fn what_is_read_equals_what_was_written() {
        let (events, summary) = sample::run(2);
        let read: Result<Vec<Event>, ReadError> = read_events(log(&events, &summary).as_slice()).collect();
        assert_eq!(read.expect("our own log is sound"), events);
    }

    #[test]
    fn keys_are_stable() {
        let (mut events, summary) = sample::run(2);
        events.retain(|event| match &event.body {
            Body::Message(message) => message.label.name == "Detach Request",
            Body::State(state) => state.actor == Actor::LEDGER,
            Body::StepStarted { device, step } => (*device, step.step) == (2, Step::Enrol),
            Body::StepEnded { step, .. } => step.step == Step::Enrol,
        });
        let text = String::from_utf8(log(&events, &summary)).expect("JSON is text");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_log_cut_off_gives_its_whole_events_and_says_where_it_ends() {
        let (events, summary) = sample::run(1);
        let whole = log(&events, &summary);
        let mut read: Vec<_> = read_events(&whole[..whole.len() - 9]).collect();
        let last = read.pop().expect("there is a last line").expect_err("it is cut");
        assert_eq!(read.len(), events.len() - 1);
        assert!(last.to_string().contains(&format!("cut off in line {}", events.len())), "{last}");
    }

    #[test]
    fn names_without_end_are_refused() {
        let line = |i| {
            format!(
                r#"{{"at_ns":0,"kind":"state","actor":"mme","machine":"m{i}","change":"","fields":{{}}}}"#
            )
        };
        let text: Vec<String> = (0..=NAMES_MAX).map(line).collect();
        let read: Vec<_> = read_events(text.join("\n").as_bytes()).collect();
        assert_eq!(read.iter().filter(|event| event.is_ok()).count(), NAMES_MAX);
        assert!(read[NAMES_MAX].is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_events_or_one_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let errors = read_events(bytes.as_slice()).filter(Result::is_err).count();
            prop_assert!(errors <= 1);
        }

        #[test]
        fn a_changed_log_is_read_up_to_the_change_and_names_its_line(at in 0..6000usize, byte in any::<u8>()) {
            let (events, summary) = sample::run(1);
            let mut bytes = log(&events, &summary);
            let at = at % bytes.len();
            let before = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
            bytes[at] = byte;
            let read: Vec<_> = read_events(bytes.as_slice()).collect();
            for (read, written) in read.iter().zip(&events[..before]) {
                prop_assert_eq!(read.as_ref().unwrap(), written);
            }
            for (number, read) in read.iter().enumerate() {
                if let Err(error) = read {
                    prop_assert_eq!(number, before);
                    prop_assert!(error.to_string().contains(&format!("line {}", before + 1)), "{error}");
                }
            }
        }
    }
}
