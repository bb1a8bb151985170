//! Multiparts: what is asked of a switch, and answers in several parts (clause 7.3.5).

use super::code::{Code, OpenflowError};
use super::flow::{FlowFilter, FlowStats};
use super::octets::{Reader, Writer};
use super::switch::PortDescription;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of ofp_multipart_type")]
pub enum MultipartRequest {
    Description,
    Flow(FlowFilter),
    Aggregate(FlowFilter),
    Table,
    /// The counters of a port, or of [`port::ANY`](super::port::ANY).
    PortStats(u32),
    /// What the tables can do. One that changes that is refused.
    TableFeatures,
    PortDescription,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of ofp_multipart_type")]
pub enum MultipartReply {
    Description(Description),
    Flow(Vec<FlowStats>),
    Aggregate { packets: u64, bytes: u64, flows: u32 },
    Table(Vec<TableStats>),
    PortStats(Vec<PortStats>),
    TableFeatures(Vec<TableFeatures>),
    PortDescription(Vec<PortDescription>),
}

const DESCRIPTION: u16 = 0;
const FLOW: u16 = 1;
const AGGREGATE: u16 = 2;
const TABLE: u16 = 3;
const PORT_STATS: u16 = 4;
const TABLE_FEATURES: u16 = 12;
const PORT_DESCRIPTION: u16 = 13;

/// `OFPMPF_REQ_MORE` and `OFPMPF_REPLY_MORE`.
const MORE: u16 = 1;

/// Who made a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_desc, by their names")]
pub struct Description {
    pub manufacturer: String,
    pub hardware: String,
    pub software: String,
    pub serial: String,
    pub datapath: String,
}

/// What a table has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_table_stats, by their names")]
pub struct TableStats {
    pub table: u8,
    pub active: u32,
    pub lookups: u64,
    pub matched: u64,
}

/// What a port has carried, of packets and octets each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are those of ofp_port_stats, by their names")]
pub struct PortStats {
    pub port: u32,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    /// Errors of the link: received, sent, framing, overrun, checksum, collisions.
    pub errors: [u64; 6],
    pub duration_s: u32,
    pub duration_ns: u32,
}

/// What a table can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_table_features, by their names")]
pub struct TableFeatures {
    pub table: u8,
    pub name: String,
    pub metadata_match: u64,
    pub metadata_write: u64,
    pub config: u32,
    pub max_entries: u32,
    /// Type and content of each property (clause 7.3.5.5.2).
    pub properties: Vec<(u16, Vec<u8>)>,
}

/// Properties of a table that a controller asks for (`ofp_table_feature_prop_type`). Those for a table miss are each one
/// more, and the same where they are left out.
pub mod property {
    /// Instructions.
    pub const INSTRUCTIONS: u16 = 0;
    /// Tables that Goto-Table may lead to.
    pub const NEXT_TABLES: u16 = 2;
    /// Write-Actions.
    pub const WRITE_ACTIONS: u16 = 4;
    /// Apply-Actions.
    pub const APPLY_ACTIONS: u16 = 6;
    /// Fields that are matched.
    pub const MATCH: u16 = 8;
    /// Fields that may be left out.
    pub const WILDCARDS: u16 = 10;
    /// Fields that Set-Field may set in Write-Actions.
    pub const WRITE_SETFIELD: u16 = 12;
    /// The same in Apply-Actions.
    pub const APPLY_SETFIELD: u16 = 14;
}

impl TableFeatures {
    fn read(list: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let what = "the length of a table's features is not their own";
        let refused = OpenflowError::refused(Code::BAD_LEN, what);
        let inner = usize::from(list.u16()?).checked_sub(2).ok_or(refused.clone())?;
        let mut body = list.part(inner, Code::BAD_LEN, what)?;
        let table = body.u8()?;
        body.pad(5)?;
        let (name, metadata_match, metadata_write) = (body.text(32)?, body.u64()?, body.u64()?);
        let (config, max_entries) = (body.u32()?, body.u32()?);
        let mut properties = Vec::new();
        while !body.is_empty() {
            let (kind, length) = (body.u16()?, usize::from(body.u16()?));
            let inner = length.checked_sub(4).ok_or(refused.clone())?;
            properties.push((kind, body.take(inner)?.to_vec()));
            body.pad(length.next_multiple_of(8) - length)?;
        }
        Ok(Self { table, name, metadata_match, metadata_write, config, max_entries, properties })
    }

    fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        let start = out.octets.len();
        out.u16(0).u8(self.table).pad(5).text(&self.name, 32);
        out.u64(self.metadata_match).u64(self.metadata_write).u32(self.config).u32(self.max_entries);
        for (kind, content) in &self.properties {
            let at = out.octets.len();
            out.u16(*kind).u16(0).bytes(content);
            out.set_length(at, at + 2)?;
            out.align(at);
        }
        out.set_length(start, start)
    }
}

impl MultipartRequest {
    fn number(&self) -> u16 {
        match self {
            Self::Description => DESCRIPTION,
            Self::Flow(_) => FLOW,
            Self::Aggregate(_) => AGGREGATE,
            Self::Table => TABLE,
            Self::PortStats(_) => PORT_STATS,
            Self::TableFeatures => TABLE_FEATURES,
            Self::PortDescription => PORT_DESCRIPTION,
        }
    }

    /// The name that labels carry.
    pub fn name(&self) -> &'static str {
        name(self.number())
    }

    pub(super) fn read(body: &mut Reader<'_>) -> Result<Self, OpenflowError> {
        let (kind, flags) = (body.u16()?, body.u16()?);
        body.pad(4)?;
        if flags & MORE != 0 {
            let what = "a request in several parts is not taken";
            return Err(OpenflowError::refused(Code::MULTIPART_OVERFLOW, what));
        }
        Ok(match kind {
            DESCRIPTION => Self::Description,
            FLOW => Self::Flow(FlowFilter::read(body)?),
            AGGREGATE => Self::Aggregate(FlowFilter::read(body)?),
            TABLE => Self::Table,
            PORT_STATS => {
                let port = body.u32()?;
                body.pad(4)?;
                Self::PortStats(port)
            }
            TABLE_FEATURES => Self::TableFeatures,
            PORT_DESCRIPTION => Self::PortDescription,
            _ => return Err(OpenflowError::refused(Code::BAD_MULTIPART, "there is no such multipart here")),
        })
    }

    pub(super) fn write(&self, out: &mut Writer) -> Result<(), OpenflowError> {
        out.u16(self.number()).u16(0).pad(4);
        match self {
            Self::Flow(filter) | Self::Aggregate(filter) => filter.write(out),
            Self::PortStats(port) => {
                out.u32(*port).pad(4);
                Ok(())
            }
            Self::Description | Self::Table | Self::TableFeatures | Self::PortDescription => Ok(()),
        }
    }
}

impl MultipartReply {
    fn number(&self) -> u16 {
        match self {
            Self::Description(_) => DESCRIPTION,
            Self::Flow(_) => FLOW,
            Self::Aggregate { .. } => AGGREGATE,
            Self::Table(_) => TABLE,
            Self::PortStats(_) => PORT_STATS,
            Self::TableFeatures(_) => TABLE_FEATURES,
            Self::PortDescription(_) => PORT_DESCRIPTION,
        }
    }

    /// The name that labels carry.
    pub fn name(&self) -> &'static str {
        name(self.number())
    }

    /// Reads one part, and whether more follow.
    pub(super) fn read(body: &mut Reader<'_>) -> Result<(Self, bool), OpenflowError> {
        let (kind, flags) = (body.u16()?, body.u16()?);
        body.pad(4)?;
        let reply = match kind {
            DESCRIPTION => Self::Description(Description {
                manufacturer: body.text(256)?,
                hardware: body.text(256)?,
                software: body.text(256)?,
                serial: body.text(32)?,
                datapath: body.text(256)?,
            }),
            FLOW => Self::Flow(all(body, FlowStats::read)?),
            AGGREGATE => {
                let (packets, bytes, flows) = (body.u64()?, body.u64()?, body.u32()?);
                body.pad(4)?;
                Self::Aggregate { packets, bytes, flows }
            }
            TABLE => Self::Table(all(body, read_table)?),
            PORT_STATS => Self::PortStats(all(body, read_port)?),
            TABLE_FEATURES => Self::TableFeatures(all(body, TableFeatures::read)?),
            PORT_DESCRIPTION => Self::PortDescription(all(body, PortDescription::read)?),
            _ => return Err(OpenflowError::refused(Code::BAD_MULTIPART, "there is no such multipart here")),
        };
        Ok((reply, flags & MORE != 0))
    }

    pub(super) fn write(&self, more: bool, out: &mut Writer) -> Result<(), OpenflowError> {
        out.u16(self.number()).u16(u16::from(more) * MORE).pad(4);
        match self {
            Self::Description(description) => {
                let Description { manufacturer, hardware, software, serial, datapath } = description;
                out.text(manufacturer, 256).text(hardware, 256).text(software, 256);
                out.text(serial, 32).text(datapath, 256);
            }
            Self::Flow(flows) => flows.iter().try_for_each(|flow| flow.write(out))?,
            Self::Aggregate { packets, bytes, flows } => {
                out.u64(*packets).u64(*bytes).u32(*flows).pad(4);
            }
            Self::Table(tables) => tables.iter().for_each(|table| {
                out.u8(table.table).pad(3).u32(table.active).u64(table.lookups).u64(table.matched);
            }),
            Self::PortStats(ports) => ports.iter().for_each(|port| write_port(port, out)),
            Self::TableFeatures(tables) => tables.iter().try_for_each(|table| table.write(out))?,
            Self::PortDescription(ports) => ports.iter().for_each(|port| port.write(out)),
        }
        Ok(())
    }
}

fn name(number: u16) -> &'static str {
    match number {
        DESCRIPTION => "description",
        FLOW => "flow",
        AGGREGATE => "aggregate",
        TABLE => "table",
        PORT_STATS => "port-stats",
        TABLE_FEATURES => "table-features",
        _ => "port-description",
    }
}

/// Reads entries until nothing is left.
fn all<T>(
    body: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Result<T, OpenflowError>,
) -> Result<Vec<T>, OpenflowError> {
    let mut found = Vec::new();
    while !body.is_empty() {
        found.push(read(body)?);
    }
    Ok(found)
}

fn read_table(body: &mut Reader<'_>) -> Result<TableStats, OpenflowError> {
    let table = body.u8()?;
    body.pad(3)?;
    Ok(TableStats { table, active: body.u32()?, lookups: body.u64()?, matched: body.u64()? })
}

fn read_port(body: &mut Reader<'_>) -> Result<PortStats, OpenflowError> {
    let port = body.u32()?;
    body.pad(4)?;
    Ok(PortStats {
        port,
        rx_packets: body.u64()?,
        tx_packets: body.u64()?,
        rx_bytes: body.u64()?,
        tx_bytes: body.u64()?,
        rx_dropped: body.u64()?,
        tx_dropped: body.u64()?,
        errors: [body.u64()?, body.u64()?, body.u64()?, body.u64()?, body.u64()?, body.u64()?],
        duration_s: body.u32()?,
        duration_ns: body.u32()?,
    })
}

fn write_port(port: &PortStats, out: &mut Writer) {
    out.u32(port.port).pad(4).u64(port.rx_packets).u64(port.tx_packets).u64(port.rx_bytes).u64(port.tx_bytes);
    out.u64(port.rx_dropped).u64(port.tx_dropped);
    for count in port.errors {
        out.u64(count);
    }
    out.u32(port.duration_s).u32(port.duration_ns);
}
