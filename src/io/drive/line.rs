//! What a world and a node in another process say to each other: lines of JSON, version 2.
//!
//! The node begins with `join`, the world answers `welcome` or `refused`. Then the world tells of associations and
//! both send frames. Octets are hex, ports are called as in `enb1.s1-mme`.

use serde::{Deserialize, Serialize};

use crate::event::Actor;
use crate::ran::Frame;
use crate::world::{Payload, Port, To};

/// The version of what is said.
pub const VERSION: u32 = 2;
/// The longest line, in bytes: an IP packet or S1AP PDU of 64 kB in hex, with room for what is around it.
pub const LINE_MAX: usize = 256 << 10;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// The node is there and plays `actor`.
    Join {
        actor: String,
        version: u32,
    },
    /// The world has taken it in.
    Welcome {
        version: u32,
    },
    /// The world has not, or takes no more of it.
    Refused {
        cause: String,
    },
    /// The association between the node's port and `peer` is up.
    Linked {
        own: String,
        peer: String,
    },
    /// It is lost.
    Unlinked {
        own: String,
        peer: String,
    },
    Frame {
        from: String,
        to: String,
        payload: Carried,
    },
}

/// What a frame carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Carried {
    Bytes(#[serde(with = "hex")] Vec<u8>),
    Up(Frame),
    Down(Frame),
    System(Vec<Octets>),
    Search,
}

/// Octets as hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Octets(#[serde(with = "hex")] pub Vec<u8>);

impl From<Payload> for Carried {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Bytes(bytes) => Self::Bytes(bytes),
            Payload::Up(frame) => Self::Up(frame),
            Payload::Down(frame) => Self::Down(frame),
            Payload::System(messages) => Self::System(messages.into_iter().map(Octets).collect()),
            Payload::Search => Self::Search,
        }
    }
}

impl From<Carried> for Payload {
    fn from(carried: Carried) -> Self {
        match carried {
            Carried::Bytes(bytes) => Self::Bytes(bytes),
            Carried::Up(frame) => Self::Up(frame),
            Carried::Down(frame) => Self::Down(frame),
            Carried::System(messages) => Self::System(messages.into_iter().map(|Octets(m)| m).collect()),
            Carried::Search => Self::Search,
        }
    }
}

/// Why a line is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("the line is longer than {LINE_MAX} bytes")]
    TooLong,
    #[error("the line is not one of version {VERSION}: {0}")]
    Malformed(String),
}

impl Line {
    /// Reads one line, without its end.
    ///
    /// # Errors
    /// [`LineError::Malformed`].
    pub fn parse(text: &[u8]) -> Result<Self, LineError> {
        serde_json::from_slice(text).map_err(|error| LineError::Malformed(error.to_string()))
    }

    /// The line with its end.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, numbers and lists of these always serialise.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// A frame.
    pub fn frame(from: Port, to: To, payload: Payload) -> Self {
        Self::Frame { from: from.to_string(), to: name_of(to), payload: payload.into() }
    }
}

fn name_of(to: To) -> String {
    match to {
        To::Port(port) => port.to_string(),
        To::Address(address) => format!("address:{address}"),
        To::Serving => "serving".to_owned(),
        To::Cells => "cells".to_owned(),
    }
}

/// Reads whom a frame is for.
///
/// # Errors
/// [`LineError::Malformed`].
pub fn read_to(text: &str) -> Result<To, LineError> {
    let malformed = |why: String| LineError::Malformed(format!("{text:?} names no receiver: {why}"));
    Ok(match (text, text.strip_prefix("address:")) {
        ("serving", _) => To::Serving,
        ("cells", _) => To::Cells,
        (_, Some(address)) => To::Address(
            address.parse().map_err(|error: std::net::AddrParseError| malformed(error.to_string()))?,
        ),
        (port, None) => To::Port(read_port(port)?),
    })
}

/// Reads a port.
///
/// # Errors
/// [`LineError::Malformed`].
pub fn read_port(text: &str) -> Result<Port, LineError> {
    text.parse().map_err(|error: crate::world::port::UnknownPort| LineError::Malformed(error.to_string()))
}

/// Reads an actor.
///
/// # Errors
/// [`LineError::Malformed`].
pub fn read_actor(text: &str) -> Result<Actor, LineError> {
    text.parse().map_err(|error: crate::event::UnknownActor| LineError::Malformed(error.to_string()))
}

/// Bytes that come in, cut into lines.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// Adds what has come in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line that is whole.
    ///
    /// # Errors
    /// Where it is none, or does not end: nothing more can be read then.
    pub fn next_line(&mut self) -> Result<Option<Line>, LineError> {
        match self.buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) if end > LINE_MAX => Err(LineError::TooLong),
            None if self.buffer.len() > LINE_MAX => Err(LineError::TooLong),
            None => Ok(None),
            Some(end) => {
                let line = Line::parse(&self.buffer[..end]);
                self.buffer.drain(..=end);
                line.map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ran::Bearer;
    use crate::world::Iface;

    fn samples() -> Vec<Line> {
        let from = Port::new(Actor::enb(1), Iface::Uu);
        let down =
            |message| Line::frame(from, To::Port(Port::new(Actor::ue(7), Iface::Uu)), Payload::Down(message));
        vec![
            Line::Join { actor: "enb1".into(), version: VERSION },
            Line::Linked { own: "enb1.s1-mme".into(), peer: "mme.s1-mme".into() },
            Line::frame(from, To::Cells, Payload::System(vec![vec![0x40, 0x48], vec![]])),
            Line::frame(from, To::Address([10, 53, 1, 2].into()), Payload::Bytes(vec![0, 0xff])),
            Line::frame(from, To::Serving, Payload::Up(Frame::new(Bearer::Ccch, vec![7]))),
            Line::frame(from, To::Cells, Payload::Search),
            down(Frame::new(Bearer::Srb1, vec![1, 2, 3, 4])),
            down(Frame::new(Bearer::Drb(1), vec![])),
        ]
    }

    #[test]
    fn lines_read_back_whatever_pieces_they_come_in() {
        let lines = samples();
        let bytes: Vec<u8> = lines.iter().flat_map(Line::to_bytes).collect();
        for size in [1, 7, 100, bytes.len()] {
            let (mut reader, mut found) = (Lines::default(), Vec::new());
            for piece in bytes.chunks(size) {
                reader.push(piece);
                while let Some(line) = reader.next_line().unwrap() {
                    found.push(line);
                }
            }
            assert_eq!(found, lines);
        }
    }

    #[test]
    fn a_frame_is_called_as_people_would_read_it() {
        let text = String::from_utf8(samples()[3].to_bytes()).unwrap();
        let expected = r#"{"frame":{"from":"enb1.uu","to":"address:10.53.1.2","payload":{"bytes":"00ff"}}}"#;
        assert_eq!(text.trim_end(), expected);
    }

    #[test]
    fn what_is_no_line_says_why() {
        for text in [
            "",
            "{}",
            "null",
            r#"{"join":{"actor":"enb1"}}"#,
            r#"{"frame":{"from":"a","to":"b","payload":{"bytes":"0"}}}"#,
        ] {
            let error = Line::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("the line is not one of version 2: "), "{error}");
        }
        let mut endless = Lines::default();
        endless.push(&vec![b' '; LINE_MAX + 1]);
        assert_eq!(endless.next_line(), Err(LineError::TooLong));
        assert!(
            read_to("nobody.uu").is_err() && read_to("address:1.2.3").is_err() && read_actor("x").is_err()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_lines_or_refused_and_what_is_read_is_written_again(bytes: Vec<u8>) {
            let mut lines = Lines::default();
            lines.push(&bytes);
            lines.push(b"\n");
            while let Ok(Some(line)) = lines.next_line() {
                prop_assert_eq!(Line::parse(line.to_bytes().trim_ascii_end()), Ok(line));
            }
        }
    }
}
