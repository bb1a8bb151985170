//! Flows: FLOW_MOD (clause 7.3.4.1), FLOW_REMOVED (clause 7.4.2), and what multiparts say of flows (clauses 7.3.5.2 and
//! 7.3.5.3).

use super::action::{Instruction, port};
use super::code::{Code, OpenflowError};
use super::matching::Match;
use super::octets::{Reader, Writer};

/// `OFP_NO_BUFFER`.
pub const NO_BUFFER: u32 = 0xffff_ffff;
/// `OFPTT_ALL`: every table, in requests and deletions.
pub const ALL_TABLES: u8 = 0xff;
/// `OFPG_ANY`.
pub(super) const ANY_GROUP: u32 = 0xffff_ffff;

/// Flags of a flow (`ofp_flow_mod_flags`).
pub mod flag {
    /// Tells with FLOW_REMOVED that it is gone.
    pub const SEND_FLOW_REM: u16 = 1;
    /// Is refused where it overlaps another one of its priority.
    pub const CHECK_OVERLAP: u16 = 1 << 1;
    /// Begins its counters anew.
    pub const RESET_COUNTS: u16 = 1 << 2;
    /// Does not count packets.
    pub const NO_PKT_COUNTS: u16 = 1 << 3;
    /// Does not count octets.
    pub const NO_BYT_COUNTS: u16 = 1 << 4;
    /// All of them.
    pub(in crate::wire::openflow) const ALL: u16 = 0x1f;
}

/// What FLOW_MOD does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowCommand {
    /// Puts a flow in the place of the one with the same match and priority.
    Add = 0,
    /// Changes what flows do that are within the match.
    Modify = 1,
    /// The same of the one flow with this match and priority.
    ModifyStrict = 2,
    /// Removes flows within the match.
    Delete = 3,
    /// The same of the one flow with this match and priority.
    DeleteStrict = 4,
}

impl FlowCommand {
    const ALL: [Self; 5] = [Self::Add, Self::Modify, Self::ModifyStrict, Self::Delete, Self::DeleteStrict];

    /// The name that labels carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Modify => "modify",
            Self::ModifyStrict => "modify-strict",
            Self::Delete => "delete",
            Self::DeleteStrict => "delete-strict",
        }
    }
}

/// FLOW_MOD.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_flow_mod, by their names")]
pub struct FlowMod {
    pub cookie: u64,
    /// Which bits of the cookie a flow has to share to be changed or removed; not looked at by `Add`.
    pub cookie_mask: u64,
    pub table: u8,
    pub command: FlowCommand,
    /// Seconds; 0 is never.
    pub idle_timeout_s: u16,
    /// Seconds; 0 is never.
    pub hard_timeout_s: u16,
    pub priority: u16,
    pub buffer: u32,
    /// Removes only flows that lead there.
    pub out_port: u32,
    pub out_group: u32,
    pub flags: u16,
    pub matching: Match,
    pub instructions: Vec<Instruction>,
}

impl FlowMod {
    /// A flow that never ends by itself, with neither cookie nor flags.
    pub fn add(table: u8, priority: u16, matching: Match, instructions: Vec<Instruction>) -> Self {
        Self { instructions, ..Self::new(FlowCommand::Add, table, priority, matching) }
    }

    /// Removes every flow of any table whose cookie has the bits of `cookie` where `mask` has ones.
    pub fn delete_by_cookie(cookie: u64, mask: u64) -> Self {
        let delete = Self::new(FlowCommand::Delete, ALL_TABLES, 0, Match::any());
        Self { cookie, cookie_mask: mask, ..delete }
    }

    /// Removes the one flow with this match and priority.
    pub fn delete_strict(table: u8, priority: u16, matching: Match) -> Self {
        Self::new(FlowCommand::DeleteStrict, table, priority, matching)
    }

    fn new(command: FlowCommand, table: u8, priority: u16, matching: Match) -> Self {
        Self {
            cookie: 0,
            cookie_mask: 0,
            table,
            command,
            idle_timeout_s: 0,
            hard_timeout_s: 0,
            priority,
            buffer: NO_BUFFER,
            out_port: port::ANY,
            out_group: ANY_GROUP,
            flags: 0,
            matching,
            instructions: Vec::new(),
        }
    }

    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let (cookie, cookie_mask, table) = (body.u64()?, body.u64()?, body.u8()?);
        let number = body.u8()?;
        let command = FlowCommand::ALL.into_iter().find(|command| *command as u8 == number);
        let (idle_timeout_s, hard_timeout_s, priority) = (body.u16()?, body.u16()?, body.u16()?);
        let (buffer, out_port, out_group, flags) = (body.u32()?, body.u32()?, body.u32()?, body.u16()?);
        body.pad(2)?;
        let unknown = OpenflowError::refused(Code::FLOW_COMMAND, "FLOW_MOD has no such command");
        let command = command.ok_or(unknown)?;
        if flags & !flag::ALL != 0 {
            return Err(OpenflowError::refused(Code::FLOW_FLAGS, "FLOW_MOD has no such flag"));
        }
        let matching = Match::read(body)?;
        let instructions = Instruction::read_all(body.rest())?;
        Ok(Self {
            cookie,
            cookie_mask,
            table,
            command,
            idle_timeout_s,
            hard_timeout_s,
            priority,
            buffer,
            out_port,
            out_group,
            flags,
            matching,
            instructions,
        })
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        out.u64(self.cookie).u64(self.cookie_mask).u8(self.table).u8(self.command as u8);
        out.u16(self.idle_timeout_s).u16(self.hard_timeout_s).u16(self.priority);
        out.u32(self.buffer).u32(self.out_port).u32(self.out_group).u16(self.flags).pad(2);
        self.matching.write(out)?;
        Instruction::write_all(&self.instructions, out)
    }
}

/// Why a flow is gone (`ofp_flow_removed_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum RemovedReason {
    IdleTimeout = 0,
    HardTimeout = 1,
    Delete = 2,
    GroupDelete = 3,
}

impl RemovedReason {
    const ALL: [Self; 4] = [Self::IdleTimeout, Self::HardTimeout, Self::Delete, Self::GroupDelete];

    /// The name that labels carry.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle-timeout",
            Self::HardTimeout => "hard-timeout",
            Self::Delete => "delete",
            Self::GroupDelete => "group-delete",
        }
    }
}

/// What a flow has counted, and how long it has been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "what a field is says its name")]
pub struct Counts {
    pub duration_s: u32,
    pub duration_ns: u32,
    pub packets: u64,
    pub bytes: u64,
}

/// FLOW_REMOVED.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_flow_removed, by their names")]
pub struct FlowRemoved {
    pub cookie: u64,
    pub priority: u16,
    pub reason: RemovedReason,
    pub table: u8,
    pub idle_timeout_s: u16,
    pub hard_timeout_s: u16,
    pub counts: Counts,
    pub matching: Match,
}

impl FlowRemoved {
    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let (cookie, priority, reason, table) = (body.u64()?, body.u16()?, body.u8()?, body.u8()?);
        let (duration_s, duration_ns) = (body.u32()?, body.u32()?);
        let (idle_timeout_s, hard_timeout_s) = (body.u16()?, body.u16()?);
        let counts = Counts { duration_s, duration_ns, packets: body.u64()?, bytes: body.u64()? };
        let unknown = OpenflowError::refused(Code::BAD_TYPE, "FLOW_REMOVED has no such reason");
        let reason = RemovedReason::ALL.into_iter().find(|known| *known as u8 == reason).ok_or(unknown)?;
        let matching = Match::read(body)?;
        Ok(Self { cookie, priority, reason, table, idle_timeout_s, hard_timeout_s, counts, matching })
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        out.u64(self.cookie).u16(self.priority).u8(self.reason as u8).u8(self.table);
        out.u32(self.counts.duration_s).u32(self.counts.duration_ns);
        out.u16(self.idle_timeout_s).u16(self.hard_timeout_s);
        out.u64(self.counts.packets).u64(self.counts.bytes);
        self.matching.write(out)
    }
}

/// Which flows are asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_flow_stats_request, by their names")]
pub struct FlowFilter {
    pub table: u8,
    pub out_port: u32,
    pub out_group: u32,
    pub cookie: u64,
    pub cookie_mask: u64,
    pub matching: Match,
}

impl FlowFilter {
    /// Every flow whose cookie has the bits of `cookie` where `mask` has ones.
    pub fn by_cookie(cookie: u64, mask: u64) -> Self {
        Self {
            table: ALL_TABLES,
            out_port: port::ANY,
            out_group: ANY_GROUP,
            cookie,
            cookie_mask: mask,
            matching: Match::any(),
        }
    }

    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let table = body.u8()?;
        body.pad(3)?;
        let (out_port, out_group) = (body.u32()?, body.u32()?);
        body.pad(4)?;
        let (cookie, cookie_mask) = (body.u64()?, body.u64()?);
        Ok(Self { table, out_port, out_group, cookie, cookie_mask, matching: Match::read(body)? })
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        out.u8(self.table).pad(3).u32(self.out_port).u32(self.out_group).pad(4);
        out.u64(self.cookie).u64(self.cookie_mask);
        self.matching.write(out)
    }
}

/// One flow, as a multipart tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_flow_stats, by their names")]
pub struct FlowStats {
    pub table: u8,
    pub priority: u16,
    pub idle_timeout_s: u16,
    pub hard_timeout_s: u16,
    pub flags: u16,
    pub cookie: u64,
    pub counts: Counts,
    pub matching: Match,
    pub instructions: Vec<Instruction>,
}

impl FlowStats {
    pub(super) fn read(list: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let what = "the length of a flow is not its own";
        let length = usize::from(list.u16()?);
        let inner = length.checked_sub(2).ok_or(OpenflowError::refused(Code::BAD_LEN, what))?;
        let mut body = list.part(inner, Code::BAD_LEN, what)?;
        let table = body.u8()?;
        body.pad(1)?;
        let (duration_s, duration_ns, priority) = (body.u32()?, body.u32()?, body.u16()?);
        let (idle_timeout_s, hard_timeout_s, flags) = (body.u16()?, body.u16()?, body.u16()?);
        body.pad(4)?;
        let cookie = body.u64()?;
        let counts = Counts { duration_s, duration_ns, packets: body.u64()?, bytes: body.u64()? };
        let matching = Match::read(&mut body)?;
        let instructions = Instruction::read_all(body.rest())?;
        Ok(Self {
            table,
            priority,
            idle_timeout_s,
            hard_timeout_s,
            flags,
            cookie,
            counts,
            matching,
            instructions,
        })
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        let start = out.octets.len();
        out.u16(0).u8(self.table).pad(1);
        out.u32(self.counts.duration_s).u32(self.counts.duration_ns).u16(self.priority);
        out.u16(self.idle_timeout_s).u16(self.hard_timeout_s).u16(self.flags).pad(4).u64(self.cookie);
        out.u64(self.counts.packets).u64(self.counts.bytes);
        self.matching.write(out)?;
        Instruction::write_all(&self.instructions, out)?;
        out.set_length(start, start)
    }
}
