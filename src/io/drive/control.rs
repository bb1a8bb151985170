//! What operators say to a run that goes on: one line of JSON each way over a Unix socket that is this user's alone.
//!
//! A word becomes a transaction, as one of the scenario would. It is answered when the ledger has it in a sealed block, or
//! has refused it: what is answered is what stands.

use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::Instant as Wall;

use crate::event::{Actor, Body, Event};
use crate::services::guard::{Cause, Deed, LEDGER_REFUSES, OperatorAct};
use crate::wire::Proto;

/// The longest line, in octets.
pub(super) const LINE_MAX: usize = 4_096;
/// How long a word may wait for its block.
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// What an operator wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Word {
    /// What.
    pub deed: Deed,
    /// With which device of the run, by its number.
    pub device: u32,
    /// Why; what is usual where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It stands in a sealed block.
    Stands {
        /// The device as the ledger knows it, in short.
        id: String,
        /// What has changed, as in `active -> quarantined`.
        change: String,
    },
    /// It does not.
    Refused {
        /// Why.
        cause: String,
    },
}

/// Why nobody answers.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum AskError {
    #[error("{}: the run does not take it: {}", path.display(), crate::io::files::told(cause))]
    Socket { path: PathBuf, cause: io::Error },
    #[error("{}: the run has ended before the ledger had it in a block: ask again, of what it has left", path.display())]
    Ended { path: PathBuf },
    #[error("{}: what answers there is no run of this version", path.display())]
    Answer { path: PathBuf },
}

/// Says `word` to the run that listens at `socket`, and waits for what becomes of it. `None` where nobody listens there.
///
/// # Errors
/// Where the run does not answer.
pub fn ask(socket: &Path, word: &Word) -> Result<Option<Answer>, AskError> {
    let failed = |cause| AskError::Socket { path: socket.to_owned(), cause };
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(cause) => return Err(failed(cause)),
    };
    // A little more than the run takes, so that its own word on that comes first.
    let patience = Some(WITHIN + Duration::from_secs(5));
    stream.set_read_timeout(patience).map_err(failed)?;
    stream.set_write_timeout(patience).map_err(failed)?;
    let mut line = serde_json::to_vec(word).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(failed)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_MAX as u64)).read_line(&mut answer).map_err(failed)?;
    if answer.is_empty() {
        return Err(AskError::Ended { path: socket.to_owned() });
    }
    serde_json::from_str(&answer).map(Some).map_err(|_| AskError::Answer { path: socket.to_owned() })
}

/// Whether a run listens at `socket`.
pub fn listens(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

/// Reads a word; what is wrong with it otherwise.
pub(super) fn read(line: &[u8]) -> Result<Word, String> {
    serde_json::from_slice(line).map_err(|_| {
        "this takes one line, as in {\"deed\":\"quarantine\",\"device\":1}: `cellbed ledger quarantine` writes it"
            .to_owned()
    })
}

/// A word that waits for its block.
struct Waiting {
    act: OperatorAct,
    /// The device as its transaction has it, once there is one.
    id: Option<String>,
    until: Wall,
    reply: oneshot::Sender<Answer>,
}

/// The words that wait for what becomes of them, which is seen in the events of the run.
#[derive(Default)]
pub(super) struct Words(Vec<Waiting>);

impl Words {
    /// How many words may wait at a time.
    const MAX: usize = 64;

    /// Takes in a word, which is given to the world afterwards. Where too many wait, it is refused.
    pub fn take(&mut self, word: Word, reply: oneshot::Sender<Answer>) -> Option<OperatorAct> {
        let Word { deed, device, cause } = word;
        if self.0.len() >= Self::MAX {
            refuse(reply, "too many words wait for a block: come again later".to_owned());
            return None;
        }
        let act = OperatorAct { deed, device, cause };
        self.0.push(Waiting { act, id: None, until: Wall::now() + WITHIN, reply });
        Some(act)
    }

    /// The world has taken in the last word: where no transaction came of it, none will.
    pub fn given(&mut self) {
        if let Some(last) = self.0.pop_if(|last| last.id.is_none()) {
            let cause = format!("this run has no device {} that its operator has ordered", last.act.device);
            refuse(last.reply, cause);
        }
    }

    /// Whether somebody waits.
    pub fn wait(&self) -> bool {
        !self.0.is_empty()
    }

    /// Gives up on words whose time is over.
    pub fn expire(&mut self, now: Wall) {
        let (over, rest) = std::mem::take(&mut self.0).into_iter().partition(|word| word.until <= now);
        self.0 = rest;
        for Waiting { reply, .. } in over {
            refuse(reply, format!("no block has come of it within {} s", WITHIN.as_secs()));
        }
    }

    /// Looks whether an event answers a word.
    pub fn observe(&mut self, event: &Event) {
        match &event.body {
            Body::Message(message) if message.label.proto == Proto::Evm => {
                let own = |word: &&mut Waiting| {
                    let act = &word.act;
                    let own = event.device == Some(act.device) && message.label.name == act.deed.call();
                    own && word.id.is_none()
                };
                if let (Some(word), Some((_, id))) =
                    (self.0.iter_mut().find(own), message.label.fields.iter().find(|(name, _)| *name == "id"))
                {
                    word.id = Some(id.clone());
                }
            }
            Body::State(change) => {
                let said =
                    |name| change.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
                let Some(id) = said("id") else { return };
                let answer = match (change.actor, &*change.change) {
                    (Actor::LEDGER, text) if text.contains(" -> ") => {
                        Answer::Stands { id: id.clone(), change: text.to_owned() }
                    }
                    (Actor::GUARD, LEDGER_REFUSES) => {
                        let text = |name| said(name).map(String::as_str).unwrap_or_default();
                        Answer::Refused { cause: format!("{}: {}", text("detail"), text("reason")) }
                    }
                    _ => return,
                };
                let Some(place) = self.0.iter().position(|word| word.id.as_ref() == Some(id)) else { return };
                // Nobody has to wait for his answer.
                let _ = self.0.remove(place).reply.send(answer);
            }
            _ => {}
        }
    }
}

fn refuse(reply: oneshot::Sender<Answer>, cause: String) {
    // Nobody has to wait for his answer.
    let _ = reply.send(Answer::Refused { cause });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Message;
    use crate::kernel::Instant;
    use crate::wire::Label;

    fn event(device: Option<u32>, body: Body) -> Event {
        Event { at: Instant::ZERO, device, body }
    }

    fn sent(device: u32, id: &str) -> Event {
        let label = Label::new(Proto::Evm, "quarantine").with("id", id);
        let message = Message { from: Actor::GUARD, to: Actor::LEDGER, label, bytes: Vec::new() };
        event(Some(device), Body::Message(message))
    }

    fn changed(id: &str) -> Event {
        event(None, Body::note(Actor::LEDGER, "active -> quarantined", vec![("id", id.to_owned())]))
    }

    fn said(words: &mut Words, device: u32) -> oneshot::Receiver<Answer> {
        let (reply, answer) = oneshot::channel();
        words.take(Word { deed: Deed::Quarantine, device, cause: None }, reply).unwrap();
        answer
    }

    #[test]
    fn a_word_is_answered_by_the_block_that_has_its_transaction() {
        let mut words = Words::default();
        let mut first = said(&mut words, 1);
        words.observe(&sent(1, "aa"));
        words.given();
        let mut second = said(&mut words, 2);
        words.observe(&sent(2, "bb"));
        words.given();
        words.observe(&changed("cc"));
        assert!(first.try_recv().is_err() && second.try_recv().is_err());
        words.observe(&changed("bb"));
        let stands = |id: &str| Answer::Stands { id: id.into(), change: "active -> quarantined".into() };
        assert_eq!((second.try_recv(), first.try_recv().is_err()), (Ok(stands("bb")), true));
        let fields = [("id", "aa"), ("reason", "wrong-state"), ("detail", "refused in block 7")];
        let fields = fields.map(|(name, value)| (name, value.to_owned())).to_vec();
        words.observe(&event(None, Body::note(Actor::GUARD, LEDGER_REFUSES, fields)));
        let Ok(Answer::Refused { cause }) = first.try_recv() else { panic!("an answer") };
        assert_eq!(cause, "refused in block 7: wrong-state");
        assert!(!words.wait());
    }

    #[test]
    fn a_device_that_nobody_knows_is_refused_at_once_and_no_block_in_time_too() {
        let mut words = Words::default();
        let mut nobody = said(&mut words, 9);
        words.given();
        assert!(matches!(nobody.try_recv(), Ok(Answer::Refused { cause }) if cause.contains("no device 9")));
        let mut late = said(&mut words, 1);
        words.observe(&sent(1, "aa"));
        words.given();
        words.expire(Wall::now());
        assert!(words.wait());
        words.expire(Wall::now() + WITHIN);
        assert!(matches!(late.try_recv(), Ok(Answer::Refused { cause }) if cause.contains("within 10 s")));
        let all: Vec<_> = (0..Words::MAX as u32).map(|device| said(&mut words, device)).collect();
        let (reply, mut answer) = oneshot::channel();
        assert_eq!(words.take(Word { deed: Deed::Release, device: 1, cause: None }, reply), None);
        assert!(matches!(answer.try_recv(), Ok(Answer::Refused { .. })));
        drop(all);
    }

    #[test]
    fn a_line_is_a_word_or_says_what_one_is() {
        let word = Word { deed: Deed::Revoke, device: 3, cause: Some(Cause::KeyCompromise) };
        assert_eq!(read(&serde_json::to_vec(&word).unwrap()), Ok(word));
        assert_eq!(read(b"{\"deed\":\"quarantine\",\"device\":3}").unwrap().cause, None);
        for wrong in [
            &b"{}"[..],
            b"[]",
            b"\xff",
            b"{\"deed\":\"retire\",\"device\":1}",
            b"{\"deed\":\"release\",\"device\":1,\"x\":1}",
        ] {
            assert!(read(wrong).unwrap_err().contains("takes one line"));
        }
    }
}
