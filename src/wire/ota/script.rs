//! Scripts of card commands in a secured packet (ETSI TS 102 226 clause 5): compact, where only the last command may
//! answer with data, and expanded, where each does.

use super::super::StatusWord;
use super::super::tlv::{self, TlvError};

/// Command scripting template and response scripting template, of definite and of indefinite length.
const COMMANDS: u16 = 0xaa;
const COMMANDS_OPEN: u8 = 0xae;
const RESPONSES: u16 = 0xab;
const RESPONSES_OPEN: u8 = 0xaf;
/// What stands in them.
const C_APDU: u16 = 0x22;
const R_APDU: u16 = 0x23;
const EXECUTED: u16 = 0x80;
const IMMEDIATE_ACTION: u16 = 0x81;
const ERROR_ACTION: u16 = 0x82;
const CHAINING: u16 = 0x83;
const BAD_FORMAT: u16 = 0x90;

/// Why octets are no script or no answer to one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what it is")]
pub enum ScriptError {
    #[error(
        "command {number} of the compact script is cut off: each has five octets and what the fifth announces"
    )]
    CutOff { number: usize },
    #[error("the script is empty: there is nothing to do")]
    Empty,
    #[error("the compact answer has {found} octets: a number of commands and a status word are three")]
    CompactAnswer { found: usize },
    #[error("the expanded format: {0}")]
    Object(#[from] TlvError),
    #[error("the expanded format has no object {tag:02X} in this place")]
    Tag { tag: u16 },
    #[error("a template of indefinite length does not end in two octets of zero")]
    Open,
    #[error("{left} octets follow the template: nothing may")]
    Rest { left: usize },
    #[error("the object {tag:02X} has {found} octets, which it cannot")]
    Value { tag: u16, found: usize },
}

/// Whether the data of a packet is a script in expanded format, by its first octet. One for a compact script would be a
/// class of commands that no card has.
pub fn is_expanded(data: &[u8]) -> bool {
    matches!(data.first(), Some(&COMMANDS_OPEN)) || data.first().map(|tag| u16::from(*tag)) == Some(COMMANDS)
}

/// A script in compact format (clause 5.2.1): commands with a P3, back to back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compact<'a>(pub Vec<&'a [u8]>);

impl<'a> Compact<'a> {
    /// Takes the commands apart. P3 announces data, but for the last command, which may have a bare Le there or one
    /// behind its data.
    ///
    /// # Errors
    /// [`ScriptError::CutOff`], [`ScriptError::Empty`].
    pub fn parse(data: &'a [u8]) -> Result<Self, ScriptError> {
        let (mut commands, mut rest) = (Vec::new(), data);
        while !rest.is_empty() {
            let cut_off = ScriptError::CutOff { number: commands.len() + 1 };
            let p3 = usize::from(*rest.get(4).ok_or(cut_off.clone())?);
            let length = match rest.len() {
                5 => 5,
                // One octet behind the last command's data is its Le.
                left if left == 6 + p3 => left,
                _ => 5 + p3,
            };
            let (command, behind) = rest.split_at_checked(length).ok_or(cut_off)?;
            commands.push(command);
            rest = behind;
        }
        if commands.is_empty() { Err(ScriptError::Empty) } else { Ok(Self(commands)) }
    }

    /// The data of the packet.
    pub fn encode(&self) -> Vec<u8> {
        self.0.concat()
    }
}

/// The answer to a compact script (clause 5.2.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactAnswer {
    /// How many commands were executed, the one that failed included.
    pub executed: u8,
    /// The status word of the last of them, and what it gave.
    pub status: StatusWord,
    /// What that command gave, without its status word.
    pub data: Vec<u8>,
}

impl CompactAnswer {
    /// The data of the response packet.
    pub fn encode(&self) -> Vec<u8> {
        [&[self.executed][..], &self.status.to_bytes(), &self.data].concat()
    }

    /// Reads the data of a response packet.
    ///
    /// # Errors
    /// [`ScriptError::CompactAnswer`].
    pub fn parse(data: &[u8]) -> Result<Self, ScriptError> {
        let cut_off = ScriptError::CompactAnswer { found: data.len() };
        let (&[executed, sw1, sw2], data) = data.split_first_chunk::<3>().ok_or(cut_off)?;
        Ok(Self { executed, status: StatusWord(u16::from_be_bytes([sw1, sw2])), data: data.to_vec() })
    }
}

/// What stands in a script of expanded format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A command APDU.
    Command(&'a [u8]),
    /// What to do before the rest.
    ImmediateAction(&'a [u8]),
    /// What to do when a command fails.
    ErrorAction(&'a [u8]),
    /// Which part of a longer script this is.
    Chaining(&'a [u8]),
}

impl<'a> Item<'a> {
    fn parts(self) -> (u16, &'a [u8]) {
        match self {
            Self::Command(value) => (C_APDU, value),
            Self::ImmediateAction(value) => (IMMEDIATE_ACTION, value),
            Self::ErrorAction(value) => (ERROR_ACTION, value),
            Self::Chaining(value) => (CHAINING, value),
        }
    }
}

/// A script in expanded format (clause 5.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded<'a> {
    /// Whether the template has an indefinite length, and its answer too.
    pub open: bool,
    /// In the order in which they are executed.
    pub items: Vec<Item<'a>>,
}

impl<'a> Expanded<'a> {
    /// A script of these commands.
    pub fn of(commands: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { open: false, items: commands.into_iter().map(Item::Command).collect() }
    }

    /// Takes a script apart.
    ///
    /// # Errors
    /// [`ScriptError`].
    pub fn parse(data: &'a [u8]) -> Result<Self, ScriptError> {
        let (open, objects) = template(data, COMMANDS, COMMANDS_OPEN)?;
        let mut items = Vec::new();
        for object in tlv::Reader::new(objects) {
            let object = object?;
            items.push(match object.tag {
                C_APDU => Item::Command(object.value),
                IMMEDIATE_ACTION => Item::ImmediateAction(object.value),
                ERROR_ACTION => Item::ErrorAction(object.value),
                CHAINING => Item::Chaining(object.value),
                tag => return Err(ScriptError::Tag { tag }),
            });
        }
        if items.is_empty() { Err(ScriptError::Empty) } else { Ok(Self { open, items }) }
    }

    /// The data of the packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut objects = Vec::new();
        for (tag, value) in self.items.iter().map(|item| item.parts()) {
            tlv::push(&mut objects, tag, value);
        }
        framed(self.open, COMMANDS, COMMANDS_OPEN, &objects)
    }
}

/// The answer to one command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The response data, without the status word.
    pub data: Vec<u8>,
    /// The status word.
    pub status: StatusWord,
}

/// Why a script in expanded format was not taken or not ended (clause 5.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its format is wrong: 1 an unknown tag, 2 a wrong length, 3 no length.
    BadFormat(u8),
    /// The immediate action was not done.
    ImmediateAction(u8),
    /// The chaining was not: 1 no script before, 2 not supported, 3 cannot be processed.
    Chaining(u8),
}

/// The answer to a script in expanded format.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpandedAnswer {
    /// Whether the script's template had an indefinite length.
    pub open: bool,
    /// How many commands were executed; said where the length is definite.
    pub executed: u8,
    /// One R-APDU for each command that was executed, in their order.
    pub answers: Vec<Answered>,
    /// Why the script was not taken, or ended early for another reason than a command.
    pub trouble: Option<Trouble>,
}

impl ExpandedAnswer {
    /// The data of the response packet.
    pub fn encode(&self) -> Vec<u8> {
        let mut objects = Vec::new();
        if !self.open {
            tlv::push(&mut objects, EXECUTED, &[self.executed]);
        }
        for answer in &self.answers {
            tlv::push(&mut objects, R_APDU, &[&answer.data[..], &answer.status.to_bytes()].concat());
        }
        match self.trouble {
            Some(Trouble::BadFormat(code)) => tlv::push(&mut objects, BAD_FORMAT, &[code]),
            Some(Trouble::ImmediateAction(code)) => tlv::push(&mut objects, IMMEDIATE_ACTION, &[code]),
            Some(Trouble::Chaining(code)) => tlv::push(&mut objects, CHAINING, &[code]),
            None => {}
        }
        framed(self.open, RESPONSES, RESPONSES_OPEN, &objects)
    }

    /// Reads the data of a response packet.
    ///
    /// # Errors
    /// [`ScriptError`].
    pub fn parse(data: &[u8]) -> Result<Self, ScriptError> {
        let (open, objects) = template(data, RESPONSES, RESPONSES_OPEN)?;
        let mut read = Self { open, ..Self::default() };
        for object in tlv::Reader::new(objects) {
            let tlv::Tlv { tag, value } = object?;
            let one = || match value {
                [one] => Ok(*one),
                _ => Err(ScriptError::Value { tag, found: value.len() }),
            };
            match tag {
                EXECUTED if !open => read.executed = one()?,
                R_APDU => {
                    let split = StatusWord::split(value);
                    let (data, status) = split.ok_or(ScriptError::Value { tag, found: value.len() })?;
                    read.answers.push(Answered { data: data.to_vec(), status });
                }
                BAD_FORMAT => read.trouble = Some(Trouble::BadFormat(one()?)),
                IMMEDIATE_ACTION => read.trouble = Some(Trouble::ImmediateAction(one()?)),
                CHAINING => read.trouble = Some(Trouble::Chaining(one()?)),
                tag => return Err(ScriptError::Tag { tag }),
            }
        }
        Ok(read)
    }
}

/// Whether the template that `data` is has an indefinite length, and what is in it.
fn template(data: &[u8], definite: u16, indefinite: u8) -> Result<(bool, &[u8]), ScriptError> {
    if let [tag, 0x80, rest @ ..] = data
        && *tag == indefinite
    {
        return Ok((true, rest.strip_suffix(&[0, 0]).ok_or(ScriptError::Open)?));
    }
    let (tag, length, rest) = tlv::header(data)?;
    if tag != definite {
        return Err(ScriptError::Tag { tag });
    }
    match rest.split_at_checked(length) {
        Some((objects, [])) => Ok((false, objects)),
        Some((_, left)) => Err(ScriptError::Rest { left: left.len() }),
        None => Err(TlvError::Value { tag, announced: length, found: rest.len() }.into()),
    }
}

fn framed(open: bool, definite: u16, indefinite: u8, objects: &[u8]) -> Vec<u8> {
    if open {
        return [&[indefinite, 0x80][..], objects, &[0, 0]].concat();
    }
    let mut out = Vec::new();
    tlv::push(&mut out, definite, objects);
    out
}
