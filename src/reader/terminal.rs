//! Commands of a terminal, one function each (ETSI TS 102 221 clause 11.1).

use super::{ExploreError, Fcp};
use crate::card::CardSlot;
use crate::wire::{Command, StatusWord};

/// Response bytes asked for in one command: what every reader and every card can do.
const CHUNK: usize = 255;

/// The most bytes that READ BINARY reaches with an offset of 15 bits.
const OFFSETS: usize = 0x8000;

/// What a card said: what was asked for, or the status word of its refusal.
pub type Said<T> = Result<T, StatusWord>;

/// A response APDU, after GET RESPONSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The data.
    pub data: Vec<u8>,
    /// The status word behind it.
    pub status: StatusWord,
}

impl Answer {
    /// The data where the command was executed: normal ending, also with a proactive command waiting, or with
    /// a warning that nothing was changed (TS 102 221 clauses 10.2.1.1 to 10.2.1.3). `63CF` with data is that of IoT
    /// SAFE, done behind a remote session; without data it is a code with 15 tries left.
    pub fn said(self) -> Said<Vec<u8>> {
        match self.status.0 >> 8 {
            _ if self.status == StatusWord::REMOTE_SESSION && !self.data.is_empty() => Ok(self.data),
            0x90..=0x92 | 0x62 => Ok(self.data),
            _ => Err(self.status),
        }
    }
}

/// What SELECT selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A file by its identifier, seen from where the card stands; `3F00` is the MF.
    File(u16),
    /// An application by its AID, or by the first bytes of it.
    Application(&'a [u8]),
}

/// A terminal at the basic logical channel of a card.
pub struct Terminal<'a> {
    slot: &'a mut CardSlot,
}

impl<'a> Terminal<'a> {
    /// A terminal for the card in `slot`.
    pub fn new(slot: &'a mut CardSlot) -> Self {
        Self { slot }
    }

    /// Resets the card and returns its Answer To Reset.
    pub fn reset(&mut self) -> Result<Vec<u8>, ExploreError> {
        self.slot.reset().map_err(|source| ExploreError::Port { command: "reset", source })
    }

    /// Sends one command, and fetches all of its answer.
    pub fn send(&mut self, name: &'static str, command: Command<'_>) -> Result<Answer, ExploreError> {
        let bytes = command.encode().map_err(|source| ExploreError::Command { command: name, source })?;
        let port = |source| ExploreError::Port { command: name, source };
        let mut response = self.slot.exchange(&bytes).map_err(port);
        // Nobody looks at the record of the slot here, and it would grow with every file.
        drop(self.slot.take_log());
        let response = response.as_mut().map_err(|error| error.clone())?;
        let status = StatusWord::split(response).map(|(_, status)| status);
        let Some(status) = status else {
            let detail = "no status word".to_owned();
            return Err(ExploreError::Answer { command: name, clause: "ISO/IEC 7816-4 clause 5.1", detail });
        };
        response.truncate(response.len() - 2);
        Ok(Answer { data: std::mem::take(response), status })
    }

    /// Sends one command exactly as it is, with neither GET RESPONSE nor a corrected length.
    pub fn send_raw(&mut self, name: &'static str, bytes: &[u8]) -> Result<Answer, ExploreError> {
        let port = |source| ExploreError::Port { command: name, source };
        let response = self.slot.transmit(bytes).map_err(port)?;
        drop(self.slot.take_log());
        match StatusWord::split(&response) {
            Some((data, status)) => Ok(Answer { data: data.to_vec(), status }),
            None => Err(ExploreError::Answer {
                command: name,
                clause: "ISO/IEC 7816-4 clause 5.1",
                detail: "no status word".to_owned(),
            }),
        }
    }

    /// SELECT (clause 11.1.1), asking for the file control parameters.
    pub fn select(&mut self, target: Target<'_>) -> Result<Said<Fcp>, ExploreError> {
        let said = match target {
            Target::File(id) => {
                let data = id.to_be_bytes();
                self.send("SELECT", Command::new(0x00, 0xa4, 0x00, 0x04).with_data(&data))?
            }
            Target::Application(aid) => {
                self.send("SELECT", Command::new(0x00, 0xa4, 0x04, 0x04).with_data(aid))?
            }
        };
        Ok(said.said().map(|data| Fcp::parse(&data)))
    }

    /// Selects an application that is no ADF, such as an applet, and says whether it answers.
    pub fn select_applet(&mut self, aid: &[u8]) -> Result<Said<Vec<u8>>, ExploreError> {
        Ok(self.send("SELECT", Command::new(0x00, 0xa4, 0x04, 0x00).with_data(aid))?.said())
    }

    /// Walks from the MF, or from an application, down a chain of file identifiers; what it gives is of the
    /// last one.
    pub fn select_path(&mut self, from: Target<'_>, path: &[u16]) -> Result<Said<Fcp>, ExploreError> {
        let mut said = self.select(from)?;
        for id in path {
            if said.is_err() {
                break;
            }
            said = self.select(Target::File(*id))?;
        }
        Ok(said)
    }

    /// READ BINARY (clause 11.1.3) from the start of the selected file, `size` bytes as SELECT told them.
    pub fn read_binary(&mut self, size: usize) -> Result<Said<Vec<u8>>, ExploreError> {
        let size = size.min(OFFSETS);
        let mut content = Vec::new();
        while content.len() < size {
            let [high, low] = (content.len() as u16).to_be_bytes();
            let expected = (size - content.len()).min(CHUNK) as u16;
            let command = Command::new(0x00, 0xb0, high, low).with_expected(expected);
            match self.send("READ BINARY", command)?.said() {
                Ok(part) if part.is_empty() => break,
                Ok(part) => content.extend_from_slice(&part),
                Err(status) => return Ok(Err(status)),
            }
        }
        content.truncate(size);
        Ok(Ok(content))
    }

    /// READ RECORD (clause 11.1.5) of the selected file, by number.
    pub fn read_record(&mut self, number: u8, length: u8) -> Result<Said<Vec<u8>>, ExploreError> {
        let command = Command::new(0x00, 0xb2, number, 0x04).with_expected(u16::from(length.max(1)));
        Ok(self.send("READ RECORD", command)?.said())
    }

    /// UPDATE BINARY (clause 11.1.4) of the selected file, from its start.
    pub fn update_binary(&mut self, content: &[u8]) -> Result<Said<()>, ExploreError> {
        for (n, part) in content.chunks(CHUNK).enumerate() {
            let [high, low] = ((n * CHUNK) as u16).to_be_bytes();
            let command = Command::new(0x00, 0xd6, high, low).with_data(part);
            if let Err(status) = self.send("UPDATE BINARY", command)?.said() {
                return Ok(Err(status));
            }
        }
        Ok(Ok(()))
    }
}

/// What a status word means (TS 102 221 clause 10.2.1, TS 31.102 clause 7.3).
pub fn meaning(status: StatusWord) -> &'static str {
    match status.0 {
        0x9000 => "done",
        0x9100..=0x91ff => "done, and a proactive command waits",
        0x6283 => "the file is deactivated",
        0x6300 | 0x63c0..=0x63cf => "the verification failed",
        0x6581 => "the card could not write its memory",
        0x6700 => "wrong length",
        0x6881 => "there is no such logical channel",
        0x6981 => "the command does not fit the structure of the file",
        0x6982 => "a PIN or key must be verified first",
        0x6983 => "the PIN or key is blocked",
        0x6984 => "the PIN or file is disabled",
        0x6985 => "conditions of use are not satisfied",
        0x6986 => "no file is selected",
        0x6a80 => "the data are incorrect",
        0x6a81 => "the function is not supported",
        0x6a82 => "there is no such file or application",
        0x6a83 => "there is no such record",
        0x6a84 => "not enough memory",
        0x6a86 | 0x6b00 => "wrong parameters P1-P2",
        0x6a87 => "the length does not fit P1-P2",
        0x6a88 => "there is no such key or object",
        0x6d00 => "the instruction is not supported",
        0x6d01 => "the signature does not match",
        0x6e00 => "the class is not supported",
        0x6f00..=0x6fff => "technical problem in the card",
        0x9862 => "the MAC of the challenge is wrong",
        0x9864 => "the security context is not supported",
        0x9865 => "the key is not fresh enough",
        _ => "a status word of this card's own",
    }
}
