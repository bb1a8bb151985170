//! What a switch is: FEATURES (clause 7.3.1), its configuration (clause 7.3.2), ports (clause 7.2.1), roles (clause 7.3.9),
//! and the packets that go to and come from its controller (clauses 7.4.1 and 7.3.7).

use super::action::Action;
use super::code::{Code, OpenflowError};
use super::matching::Match;
use super::octets::{Reader, Writer};

/// What a switch can do (`ofp_capabilities`).
pub mod capability {
    /// Counts per flow.
    pub const FLOW_STATS: u32 = 1;
    /// Counts per table.
    pub const TABLE_STATS: u32 = 1 << 1;
    /// Counts per port.
    pub const PORT_STATS: u32 = 1 << 2;
}

/// FEATURES_REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_switch_features, by their names")]
pub struct Features {
    pub datapath: u64,
    pub buffers: u32,
    pub tables: u8,
    pub auxiliary: u8,
    pub capabilities: u32,
}

impl Features {
    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let (datapath, buffers, tables, auxiliary) = (body.u64()?, body.u32()?, body.u8()?, body.u8()?);
        body.pad(2)?;
        let capabilities = body.u32()?;
        body.pad(4)?;
        Ok(Self { datapath, buffers, tables, auxiliary, capabilities })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u64(self.datapath).u32(self.buffers).u8(self.tables).u8(self.auxiliary).pad(2);
        out.u32(self.capabilities).pad(4);
    }
}

/// The configuration of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// What becomes of IP fragments; 0 is nothing.
    pub flags: u16,
    /// How many octets of a packet the controller gets that no flow takes.
    pub miss_send_len: u16,
}

/// Bits of the state of a port (`ofp_port_state`).
pub mod port_state {
    /// There is no link.
    pub const LINK_DOWN: u32 = 1;
    /// Fast failover may use it.
    pub const LIVE: u32 = 1 << 2;
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_port, by their names")]
pub struct PortDescription {
    pub number: u32,
    pub hardware: [u8; 6],
    /// At most 15 octets.
    pub name: String,
    pub config: u32,
    pub state: u32,
    /// Current, advertised, supported and peer's features, in this order.
    pub features: [u32; 4],
    /// In kilobits per second.
    pub speed: u32,
    /// The same.
    pub speed_max: u32,
}

impl PortDescription {
    /// A port that is up.
    pub fn up(number: u32, hardware: [u8; 6], name: impl Into<String>) -> Self {
        let (config, state, features) = (0, port_state::LIVE, [0; 4]);
        Self { number, hardware, name: name.into(), config, state, features, speed: 0, speed_max: 0 }
    }

    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let number = body.u32()?;
        body.pad(4)?;
        let hardware = body.array()?;
        body.pad(2)?;
        let (name, config, state) = (body.text(16)?, body.u32()?, body.u32()?);
        let features = [body.u32()?, body.u32()?, body.u32()?, body.u32()?];
        Ok(Self {
            number,
            hardware,
            name,
            config,
            state,
            features,
            speed: body.u32()?,
            speed_max: body.u32()?,
        })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u32(self.number).pad(4).bytes(&self.hardware).pad(2).text(&self.name, 16);
        out.u32(self.config).u32(self.state);
        for features in self.features {
            out.u32(features);
        }
        out.u32(self.speed).u32(self.speed_max);
    }
}

/// What has become of a port (`ofp_port_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum PortReason {
    Add = 0,
    Delete = 1,
    Modify = 2,
}

impl PortReason {
    pub(super) fn of(number: u8) -> Result<Self, OpenflowError> {
        let unknown = OpenflowError::refused(Code::BAD_TYPE, "PORT_STATUS has no such reason");
        [Self::Add, Self::Delete, Self::Modify]
            .into_iter()
            .find(|reason| *reason as u8 == number)
            .ok_or(unknown)
    }
}

/// What a controller is to a switch (`ofp_controller_role`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum ControllerRole {
    NoChange = 0,
    Equal = 1,
    Master = 2,
    Slave = 3,
}

/// ROLE_REQUEST and ROLE_REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// Which.
    pub role: ControllerRole,
    /// Of several masters the latest counts.
    pub generation: u64,
}

impl Role {
    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let number = body.u32()?;
        body.pad(4)?;
        use ControllerRole::{Equal, Master, NoChange, Slave};
        let unknown = OpenflowError::refused(Code::ROLE_UNKNOWN, "there is no such role");
        let role = [NoChange, Equal, Master, Slave].into_iter().find(|role| *role as u32 == number);
        Ok(Self { role: role.ok_or(unknown)?, generation: body.u64()? })
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u32(self.role as u32).pad(4).u64(self.generation);
    }
}

/// Why a packet comes to the controller (`ofp_packet_in_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the specification")]
pub enum PacketInReason {
    NoMatch = 0,
    Action = 1,
    InvalidTtl = 2,
}

/// PACKET_IN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_packet_in, by their names")]
pub struct PacketIn {
    pub buffer: u32,
    /// How long the packet was.
    pub total: u16,
    pub reason: PacketInReason,
    pub table: u8,
    pub cookie: u64,
    /// Where it came from, among others.
    pub matching: Match,
    /// The beginning of the packet, or all of it.
    pub data: Vec<u8>,
}

impl PacketIn {
    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let (buffer, total, reason, table, cookie) =
            (body.u32()?, body.u16()?, body.u8()?, body.u8()?, body.u64()?);
        use PacketInReason::{Action, InvalidTtl, NoMatch};
        let unknown = OpenflowError::refused(Code::BAD_TYPE, "PACKET_IN has no such reason");
        let reason = [NoMatch, Action, InvalidTtl].into_iter().find(|known| *known as u8 == reason);
        let matching = Match::read(body)?;
        body.pad(2)?;
        let data = body.rest().to_vec();
        Ok(Self { buffer, total, reason: reason.ok_or(unknown)?, table, cookie, matching, data })
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        out.u32(self.buffer).u16(self.total).u8(self.reason as u8).u8(self.table).u64(self.cookie);
        self.matching.write(out)?;
        out.pad(2).bytes(&self.data);
        Ok(())
    }
}

/// PACKET_OUT.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_packet_out, by their names")]
pub struct PacketOut {
    pub buffer: u32,
    pub in_port: u32,
    pub actions: Vec<Action>,
    pub data: Vec<u8>,
}

impl PacketOut {
    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let (buffer, in_port, length) = (body.u32()?, body.u32()?, usize::from(body.u16()?));
        body.pad(6)?;
        let actions = body.part(length, Code::ACTION_LEN, "an action is cut off")?;
        Ok(Self { buffer, in_port, actions: Action::read_all(actions)?, data: body.rest().to_vec() })
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        out.u32(self.buffer).u32(self.in_port);
        let at = out.octets.len();
        out.u16(0).pad(6);
        let start = out.octets.len();
        Action::write_all(&self.actions, out)?;
        out.set_length(start, at)?;
        out.bytes(&self.data);
        Ok(())
    }
}
