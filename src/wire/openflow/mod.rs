//! OpenFlow 1.3 (ONF TS-025, version 1.3.5) between a controller and a switch, both directions.
//!
//! Strict: what is not understood is refused with the code that the specification has for it, since a match or an action
//! that is passed over would do more than its sender meant. Padding is written as zeros and not looked at.

mod action;
mod code;
mod flow;
mod framer;
mod matching;
mod multipart;
mod octets;
mod switch;
#[cfg(test)]
mod tests;

pub use action::{Action, Instruction, WHOLE, port};
pub use code::{Code, OpenflowError};
pub use flow::{
    ALL_TABLES, Counts, FlowCommand, FlowFilter, FlowMod, FlowRemoved, FlowStats, NO_BUFFER, RemovedReason,
    flag,
};
pub use framer::Framer;
pub use matching::{ARP, Field, ICMP, IPV4, IPV6, Match, Oxm, TCP, UDP, VLAN_PRESENT};
pub use multipart::{
    Description, MultipartReply, MultipartRequest, PortStats, TableFeatures, TableStats, property,
};
pub use switch::{
    Config, ControllerRole, Features, PacketIn, PacketInReason, PacketOut, PortDescription, PortReason, Role,
    capability, port_state,
};

use super::{Label, Proto};
use octets::{Reader, Writer};

/// OpenFlow 1.3 on the wire.
pub const VERSION: u8 = 4;
/// How long a header is.
pub const HEADER: usize = 8;
/// The port that IANA gives to OpenFlow.
pub const PORT: u16 = 6653;
/// How much of a refused message an ERROR carries (clause 7.4.4: at least 64 octets).
pub const REFUSED: usize = 64;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What an answer repeats.
    pub xid: u32,
    /// What is said.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of ofp_type, and what each holds has its own words")]
pub enum Body {
    /// The versions of the sender: the highest, and where it says so, all of the first 32 as bits.
    Hello {
        highest: u8,
        bitmap: Option<u32>,
    },
    Error {
        code: Code,
        data: Vec<u8>,
    },
    EchoRequest(Vec<u8>),
    EchoReply(Vec<u8>),
    FeaturesRequest,
    FeaturesReply(Features),
    GetConfigRequest,
    GetConfigReply(Config),
    SetConfig(Config),
    PacketIn(PacketIn),
    FlowRemoved(FlowRemoved),
    PortStatus {
        reason: PortReason,
        port: PortDescription,
    },
    PacketOut(PacketOut),
    FlowMod(FlowMod),
    MultipartRequest(MultipartRequest),
    MultipartReply {
        reply: MultipartReply,
        more: bool,
    },
    BarrierRequest,
    BarrierReply,
    RoleRequest(Role),
    RoleReply(Role),
    /// A message whose inside is not looked at: EXPERIMENTER, GROUP_MOD, PORT_MOD, TABLE_MOD, QUEUE_GET_CONFIG, the
    /// asynchronous configuration and METER_MOD.
    Other {
        kind: u8,
        body: Vec<u8>,
    },
}

/// Numbers of messages whose inside is not looked at (`ofp_type`).
pub mod other {
    /// EXPERIMENTER.
    pub const EXPERIMENTER: u8 = 4;
    /// GROUP_MOD.
    pub const GROUP_MOD: u8 = 15;
    /// PORT_MOD.
    pub const PORT_MOD: u8 = 16;
    /// TABLE_MOD.
    pub const TABLE_MOD: u8 = 17;
    /// GET_ASYNC_REQUEST.
    pub const GET_ASYNC_REQUEST: u8 = 26;
    /// SET_ASYNC.
    pub const SET_ASYNC: u8 = 28;
    /// METER_MOD.
    pub const METER_MOD: u8 = 29;
}

impl Body {
    /// HELLO of somebody who speaks OpenFlow 1.3 and nothing else.
    pub const HELLO: Self = Self::Hello { highest: VERSION, bitmap: Some(1 << VERSION) };

    /// ERROR about a message that came in as `octets`.
    pub fn error(code: Code, octets: &[u8]) -> Self {
        Self::Error { code, data: octets[..octets.len().min(REFUSED)].to_vec() }
    }

    /// Whether somebody who has said this speaks OpenFlow 1.3; whoever says no more than the highest speaks what is below.
    pub fn speaks_1_3(&self) -> bool {
        match self {
            Self::Hello { bitmap: Some(bitmap), .. } => bitmap & 1 << VERSION != 0,
            Self::Hello { highest, bitmap: None } => *highest >= VERSION,
            _ => false,
        }
    }

    fn number(&self) -> u8 {
        match self {
            Self::Hello { .. } => 0,
            Self::Error { .. } => 1,
            Self::EchoRequest(_) => 2,
            Self::EchoReply(_) => 3,
            Self::FeaturesRequest => 5,
            Self::FeaturesReply(_) => 6,
            Self::GetConfigRequest => 7,
            Self::GetConfigReply(_) => 8,
            Self::SetConfig(_) => 9,
            Self::PacketIn(_) => 10,
            Self::FlowRemoved(_) => 11,
            Self::PortStatus { .. } => 12,
            Self::PacketOut(_) => 13,
            Self::FlowMod(_) => 14,
            Self::MultipartRequest(_) => 18,
            Self::MultipartReply { .. } => 19,
            Self::BarrierRequest => 20,
            Self::BarrierReply => 21,
            Self::RoleRequest(_) => 24,
            Self::RoleReply(_) => 25,
            Self::Other { kind, .. } => *kind,
        }
    }

    fn read(kind: u8, version: u8, octets: &[u8]) -> Result<Self, OpenflowError> {
        let mut body = Reader::new(octets, Code::BAD_LEN, "the length of the message is not its own");
        if kind == 0 {
            return Ok(Self::Hello { highest: version, bitmap: read_bitmap(body) });
        }
        if version != VERSION {
            return Err(OpenflowError::refused(Code::BAD_VERSION, "the header has another version than 1.3"));
        }
        let found = match kind {
            1 => Self::Error {
                code: Code { kind: body.u16()?, code: body.u16()? },
                data: body.rest().to_vec(),
            },
            2 => Self::EchoRequest(body.rest().to_vec()),
            3 => Self::EchoReply(body.rest().to_vec()),
            5 => Self::FeaturesRequest,
            6 => Self::FeaturesReply(Features::read(&mut body)?),
            7 => Self::GetConfigRequest,
            8 => Self::GetConfigReply(Config { flags: body.u16()?, miss_send_len: body.u16()? }),
            9 => Self::SetConfig(Config { flags: body.u16()?, miss_send_len: body.u16()? }),
            10 => Self::PacketIn(PacketIn::read(&mut body)?),
            11 => Self::FlowRemoved(FlowRemoved::read(&mut body)?),
            12 => {
                let reason = PortReason::of(body.u8()?)?;
                body.pad(7)?;
                Self::PortStatus { reason, port: PortDescription::read(&mut body)? }
            }
            13 => Self::PacketOut(PacketOut::read(&mut body)?),
            14 => Self::FlowMod(FlowMod::read(&mut body)?),
            18 => Self::MultipartRequest(MultipartRequest::read(&mut body)?),
            19 => {
                let (reply, more) = MultipartReply::read(&mut body)?;
                Self::MultipartReply { reply, more }
            }
            20 => Self::BarrierRequest,
            21 => Self::BarrierReply,
            24 => Self::RoleRequest(Role::read(&mut body)?),
            25 => Self::RoleReply(Role::read(&mut body)?),
            4 | 15..=17 | 22 | 23 | 26..=29 => Self::Other { kind, body: body.rest().to_vec() },
            _ => return Err(OpenflowError::refused(Code::BAD_TYPE, "there is no such message")),
        };
        body.end()?;
        Ok(found)
    }

    fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        match self {
            Self::Hello { bitmap: Some(bitmap), .. } => drop(out.u16(1).u16(8).u32(*bitmap)),
            Self::Error { code, data } => drop(out.u16(code.kind).u16(code.code).bytes(data)),
            Self::EchoRequest(data) | Self::EchoReply(data) | Self::Other { body: data, .. } => {
                out.bytes(data);
            }
            Self::FeaturesReply(features) => features.write(out),
            Self::GetConfigReply(config) | Self::SetConfig(config) => {
                out.u16(config.flags).u16(config.miss_send_len);
            }
            Self::PacketIn(packet) => packet.write(out)?,
            Self::FlowRemoved(removed) => removed.write(out)?,
            Self::PortStatus { reason, port } => {
                out.u8(*reason as u8).pad(7);
                port.write(out);
            }
            Self::PacketOut(packet) => packet.write(out)?,
            Self::FlowMod(flow) => flow.write(out)?,
            Self::MultipartRequest(request) => request.write(out)?,
            Self::MultipartReply { reply, more } => reply.write(*more, out)?,
            Self::RoleRequest(role) | Self::RoleReply(role) => role.write(out),
            Self::Hello { bitmap: None, .. }
            | Self::FeaturesRequest
            | Self::GetConfigRequest
            | Self::BarrierRequest
            | Self::BarrierReply => {}
        }
        Ok(())
    }
}

/// The bitmap of versions in the elements of a HELLO (clause 7.5.1). Elements that are not known, or are broken, are
/// passed over: a HELLO is what those say who do not know each other yet.
fn read_bitmap(mut elements: Reader<'_>) -> Option<u32> {
    while let (Ok(kind), Ok(length)) = (elements.u16(), elements.u16()) {
        let length = usize::from(length);
        let mut element =
            elements.part(length.checked_sub(4)?, Code::BAD_LEN, "a HELLO element is cut off").ok()?;
        if kind == 1 {
            return element.u32().ok();
        }
        elements.pad(length.next_multiple_of(8) - length).ok()?;
    }
    None
}

impl Message {
    /// A message.
    pub fn new(xid: u32, body: Body) -> Self {
        Self { xid, body }
    }

    /// Reads one whole message, which `octets` are.
    ///
    /// # Errors
    /// What the sender did wrong, with the code of the ERROR that answers it.
    pub fn decode(octets: &[u8]) -> Result<Self, OpenflowError> {
        let mut header = Reader::new(octets, Code::BAD_LEN, "the message is shorter than its header");
        let (version, kind, length, xid) = (header.u8()?, header.u8()?, header.u16()?, header.u32()?);
        if usize::from(length) != octets.len() {
            return Err(OpenflowError::refused(
                Code::BAD_LEN,
                "the length in the header is not the message's",
            ));
        }
        Ok(Self { xid, body: Body::read(kind, version, header.rest())? })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`OpenflowError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, OpenflowError> {
        let version = if let Body::Hello { highest, .. } = self.body { highest } else { VERSION };
        let mut out = Writer::default();
        out.u8(version).u8(self.body.number()).u16(0).u32(self.xid);
        self.body.write(&mut out)?;
        out.set_length(0, 2)?;
        Ok(out.octets)
    }

    /// The transaction identifier of what may be no message otherwise; 0 where there is none.
    pub fn xid_of(octets: &[u8]) -> u32 {
        octets.get(4..8).and_then(|xid| xid.try_into().ok()).map_or(0, u32::from_be_bytes)
    }

    /// What it is called.
    pub fn label(&self) -> Label {
        let label = |name: &'static str| Label::new(Proto::Openflow, name);
        match &self.body {
            Body::Hello { .. } => label("HELLO"),
            Body::Error { code, .. } => label("ERROR").with("reason", code),
            Body::EchoRequest(_) => label("ECHO_REQUEST"),
            Body::EchoReply(_) => label("ECHO_REPLY"),
            Body::FeaturesRequest => label("FEATURES_REQUEST"),
            Body::FeaturesReply(features) => {
                label("FEATURES_REPLY").with("datapath", format!("{:016x}", features.datapath))
            }
            Body::GetConfigRequest => label("GET_CONFIG_REQUEST"),
            Body::GetConfigReply(_) => label("GET_CONFIG_REPLY"),
            Body::SetConfig(config) => label("SET_CONFIG").with("miss_send_len", config.miss_send_len),
            Body::PacketIn(packet) => label("PACKET_IN").with("bytes", packet.total),
            Body::FlowRemoved(removed) => label("FLOW_REMOVED")
                .with("cookie", format!("{:016x}", removed.cookie))
                .with("reason", removed.reason.name())
                .with("packets", removed.counts.packets)
                .with("bytes", removed.counts.bytes),
            Body::PortStatus { port, .. } => label("PORT_STATUS").with("port", port.number),
            Body::PacketOut(packet) => label("PACKET_OUT").with("bytes", packet.data.len()),
            Body::FlowMod(flow) => flow_label(flow),
            Body::MultipartRequest(request) => label("MULTIPART_REQUEST").with("part", request.name()),
            Body::MultipartReply { reply, .. } => label("MULTIPART_REPLY").with("part", reply.name()),
            Body::BarrierRequest => label("BARRIER_REQUEST"),
            Body::BarrierReply => label("BARRIER_REPLY"),
            Body::RoleRequest(_) => label("ROLE_REQUEST"),
            Body::RoleReply(_) => label("ROLE_REPLY"),
            Body::Other { kind, .. } => label("other message").with("type", kind),
        }
    }
}

/// What is worth seeing of a FLOW_MOD: which table, for what, and whose it is.
fn flow_label(flow: &FlowMod) -> Label {
    let label = Label::new(Proto::Openflow, "FLOW_MOD").with("command", flow.command.name());
    let label = match flow.table {
        ALL_TABLES => label,
        table => label.with("table", table).with("priority", flow.priority),
    };
    let label = if flow.matching.fields().is_empty() { label } else { label.with("match", &flow.matching) };
    let label = if flow.cookie == 0 { label } else { label.with("cookie", format!("{:016x}", flow.cookie)) };
    let part = flow.cookie_mask != 0 && flow.cookie_mask != u64::MAX;
    if part { label.with("mask", format!("{:016x}", flow.cookie_mask)) } else { label }
}
