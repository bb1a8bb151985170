//! What becomes of a packet: actions (clause 7.2.5) and instructions (clause 7.2.4).

use super::code::{Code, OpenflowError};
use super::octets::{Reader, Writer};

/// Ports that are none of a switch's own (clause 7.2.1).
pub mod port {
    /// The highest number of a real port.
    pub const MAX: u32 = 0xffff_ff00;
    /// Back to where it came from.
    pub const IN_PORT: u32 = 0xffff_fff8;
    /// Through the tables, from a PACKET_OUT.
    pub const TABLE: u32 = 0xffff_fff9;
    /// Everywhere but where it came from, as a learning switch does.
    pub const FLOOD: u32 = 0xffff_fffb;
    /// Everywhere but where it came from.
    pub const ALL: u32 = 0xffff_fffc;
    /// To the controller.
    pub const CONTROLLER: u32 = 0xffff_fffd;
    /// Any port, in requests; no port, as where a packet came from.
    pub const ANY: u32 = 0xffff_ffff;
}

/// `OFPCML_NO_BUFFER`: the controller gets the whole packet.
pub const WHOLE: u16 = 0xffff;
/// How many actions are taken in one list.
const ACTIONS_MAX: usize = 64;
/// How many instructions are taken: one of each.
const INSTRUCTIONS_MAX: usize = 6;

/// An action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends the packet out of a port; at most `max_len` octets of it where that is the controller.
    Output {
        /// The port, or one of [`port`].
        port: u32,
        /// For the controller alone.
        max_len: u16,
    },
    /// An action that this code carries and does not know.
    Other {
        /// `ofp_action_type`.
        kind: u16,
        /// What follows its length; with the four octets before it a multiple of eight.
        body: Vec<u8>,
    },
}

impl Action {
    /// Out of `port`.
    pub const fn output(port: u32) -> Self {
        Self::Output { port, max_len: 0 }
    }

    /// To the controller, with at most `max_len` octets of the packet.
    pub const fn controller(max_len: u16) -> Self {
        Self::Output { port: port::CONTROLLER, max_len }
    }

    fn read(list: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let what = "the length of an action is not its own";
        let (kind, length) = (list.u16()?, usize::from(list.u16()?));
        let refused = OpenflowError::refused(Code::ACTION_LEN, what);
        let inner = length.checked_sub(4).filter(|_| length % 8 == 0).ok_or(refused.clone())?;
        let mut body = list.part(inner, Code::ACTION_LEN, what)?;
        match kind {
            0 if length == 16 => Ok(Self::Output { port: body.u32()?, max_len: body.u16()? }),
            0 => Err(refused),
            _ => Ok(Self::Other { kind, body: body.rest().to_vec() }),
        }
    }

    fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        let start = out.octets.len();
        match self {
            Self::Output { port, max_len } => {
                out.u16(0).u16(0).u32(*port).u16(*max_len).pad(6);
            }
            Self::Other { kind, body } => {
                out.u16(*kind).u16(0).bytes(body).align(start);
            }
        }
        out.set_length(start, start + 2)
    }

    /// Reads actions until nothing is left.
    pub(super) fn read_all(mut list: Reader<'_>) -> Result<Vec<Self>, OpenflowError> {
        let mut found = Vec::new();
        while !list.is_empty() {
            if found.len() == ACTIONS_MAX {
                return Err(OpenflowError::refused(Code::ACTION_TOO_MANY, "a list has more than 64 actions"));
            }
            found.push(Self::read(&mut list)?);
        }
        Ok(found)
    }

    pub(super) fn write_all(actions: &[Self], out: &mut Writer) -> Result<(), OpenflowError> {
        actions.iter().try_for_each(|action| action.write(out))
    }
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// Goes on in a later table.
    GotoTable(u8),
    /// Changes the bits of the metadata that `mask` has.
    WriteMetadata {
        /// The bits.
        value: u64,
        /// Which of them.
        mask: u64,
    },
    /// Adds to the action set, which is done at the end.
    WriteActions(Vec<Action>),
    /// Does these at once, in their order.
    ApplyActions(Vec<Action>),
    /// Empties the action set.
    ClearActions,
    /// Passes through a meter.
    Meter(u32),
}

impl Instruction {
    fn number(&self) -> u16 {
        match self {
            Self::GotoTable(_) => 1,
            Self::WriteMetadata { .. } => 2,
            Self::WriteActions(_) => 3,
            Self::ApplyActions(_) => 4,
            Self::ClearActions => 5,
            Self::Meter(_) => 6,
        }
    }

    fn read(list: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let what = "the length of an instruction is not its own";
        let (kind, length) = (list.u16()?, usize::from(list.u16()?));
        let refused = OpenflowError::refused(Code::INSTRUCTION_LEN, what);
        let inner = length.checked_sub(4).filter(|_| length % 8 == 0).ok_or(refused.clone())?;
        let mut body = list.part(inner, Code::INSTRUCTION_LEN, what)?;
        let found = match kind {
            1 => {
                let table = body.u8()?;
                body.pad(3)?;
                Self::GotoTable(table)
            }
            2 => {
                body.pad(4)?;
                Self::WriteMetadata { value: body.u64()?, mask: body.u64()? }
            }
            3..=5 => {
                body.pad(4)?;
                let list = Reader::new(body.rest(), Code::ACTION_LEN, "an action is cut off");
                let actions = Action::read_all(list)?;
                match kind {
                    3 => Self::WriteActions(actions),
                    4 => Self::ApplyActions(actions),
                    _ if actions.is_empty() => Self::ClearActions,
                    _ => return Err(refused),
                }
            }
            6 => Self::Meter(body.u32()?),
            _ => {
                let what = "an instruction is not known here";
                return Err(OpenflowError::refused(Code::INSTRUCTION_UNKNOWN, what));
            }
        };
        body.end()?;
        Ok(found)
    }

    fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        let start = out.octets.len();
        out.u16(self.number()).u16(0);
        match self {
            Self::GotoTable(table) => drop(out.u8(*table).pad(3)),
            Self::WriteMetadata { value, mask } => drop(out.pad(4).u64(*value).u64(*mask)),
            Self::WriteActions(actions) | Self::ApplyActions(actions) => {
                out.pad(4);
                Action::write_all(actions, out)?;
            }
            Self::ClearActions => drop(out.pad(4)),
            Self::Meter(meter) => drop(out.u32(*meter)),
        }
        out.set_length(start, start + 2)
    }

    /// Reads instructions until nothing is left: at most one of each kind (clause 5.9).
    pub(super) fn read_all(octets: &[u8]) -> Result<Vec<Self>, OpenflowError> {
        let mut list = Reader::new(octets, Code::INSTRUCTION_LEN, "an instruction is cut off");
        let mut found: Vec<Self> = Vec::new();
        while !list.is_empty() {
            let next = Self::read(&mut list)?;
            if found.iter().any(|before| before.number() == next.number()) {
                let what = "an instruction stands there twice";
                return Err(OpenflowError::refused(Code::INSTRUCTION_UNSUPPORTED, what));
            }
            found.push(next);
        }
        debug_assert!(found.len() <= INSTRUCTIONS_MAX);
        Ok(found)
    }

    pub(super) fn write_all(all: &[Self], out: &mut Writer) -> Result<(), OpenflowError> {
        all.iter().try_for_each(|instruction| instruction.write(out))
    }
}
