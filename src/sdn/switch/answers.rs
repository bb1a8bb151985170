//! What a switch says of itself, its flows and its ports, in as many parts as it takes.

use super::{Switch, TABLES};
use crate::kernel::Instant;
use crate::sdn::table::{FLOWS_MAX, Flow};
use crate::wire::openflow::{
    Body, Code, Description, Field, FlowFilter, FlowStats, MultipartReply, MultipartRequest, PortStats,
    TableFeatures, TableStats, port, property,
};

/// How many flows stand in one part: one has at most 2,450 octets, with every field and two lists of 64 actions.
const FLOWS_IN_PART: usize = 25;

/// Instructions that are served, by their numbers: Goto-Table, Write-Metadata, Write-Actions, Apply-Actions, Clear-Actions.
const INSTRUCTIONS: [u16; 5] = [1, 2, 3, 4, 5];
/// Actions that are served: output.
const ACTIONS: [u16; 1] = [0];

pub(super) struct Answers<'a> {
    pub switch: &'a Switch,
    pub now: Instant,
}

impl Answers<'_> {
    /// The parts of the answer.
    pub fn to(&self, request: MultipartRequest) -> Result<Vec<Body>, Code> {
        let one = |reply| vec![Body::MultipartReply { reply, more: false }];
        Ok(match request {
            MultipartRequest::Description => one(MultipartReply::Description(Description {
                manufacturer: "cellbed".to_owned(),
                hardware: "none".to_owned(),
                software: env!("CARGO_PKG_VERSION").to_owned(),
                serial: "none".to_owned(),
                datapath: "the switch behind the gateway".to_owned(),
            })),
            MultipartRequest::Flow(filter) => self.flows(&filter)?,
            MultipartRequest::Aggregate(filter) => {
                let flows = self.filtered(&filter)?;
                let sum = |of: fn(&Flow) -> u64| flows.iter().map(|flow| of(flow)).sum();
                one(MultipartReply::Aggregate {
                    packets: sum(|flow| flow.packets),
                    bytes: sum(|flow| flow.bytes),
                    flows: flows.len() as u32,
                })
            }
            MultipartRequest::Table => {
                let table = |table: u8| {
                    let (lookups, matched) = self.switch.lookups[usize::from(table)];
                    TableStats { table, active: self.switch.flows.in_table(table) as u32, lookups, matched }
                };
                one(MultipartReply::Table((0..TABLES).map(table).collect()))
            }
            MultipartRequest::PortStats(number) => {
                let ports = self.switch.ports.values();
                let wanted = ports.filter(|state| [state.setup.number, port::ANY].contains(&number));
                let age = self.now.since(Instant::ZERO);
                let stats: Vec<PortStats> = wanted
                    .map(|state| PortStats {
                        duration_s: u32::try_from(age.as_secs()).unwrap_or(u32::MAX),
                        duration_ns: age.subsec_nanos(),
                        ..state.stats
                    })
                    .collect();
                if stats.is_empty() {
                    return Err(Code::BAD_PORT);
                }
                one(MultipartReply::PortStats(stats))
            }
            MultipartRequest::TableFeatures => {
                one(MultipartReply::TableFeatures((0..TABLES).map(table_features).collect()))
            }
            MultipartRequest::PortDescription => {
                let ports = self.switch.ports.values().map(super::PortState::description);
                one(MultipartReply::PortDescription(ports.collect()))
            }
        })
    }

    fn filtered(&self, filter: &FlowFilter) -> Result<Vec<&Flow>, Code> {
        if filter.table >= TABLES && filter.table != crate::wire::openflow::ALL_TABLES {
            return Err(Code::BAD_TABLE_ID);
        }
        Ok(self.switch.flows.filtered(filter))
    }

    fn flows(&self, filter: &FlowFilter) -> Result<Vec<Body>, Code> {
        let flows = self.filtered(filter)?;
        let parts = flows.chunks(FLOWS_IN_PART).map(|part| {
            let stats = part.iter().map(|flow| FlowStats {
                table: flow.table,
                priority: flow.priority,
                idle_timeout_s: flow.idle_timeout_s,
                hard_timeout_s: flow.hard_timeout_s,
                flags: flow.flags,
                cookie: flow.cookie,
                counts: flow.counts(self.now),
                matching: flow.matching.clone(),
                instructions: flow.instructions.clone(),
            });
            MultipartReply::Flow(stats.collect())
        });
        let mut parts: Vec<_> = parts.collect();
        if parts.is_empty() {
            parts.push(MultipartReply::Flow(Vec::new()));
        }
        let last = parts.len() - 1;
        let parts = parts.into_iter().enumerate();
        Ok(parts.map(|(place, reply)| Body::MultipartReply { reply, more: place < last }).collect())
    }
}

/// What a table can do. Every property is there, since ovs-ofctl asks for each.
fn table_features(table: u8) -> TableFeatures {
    // Instruction and action identifiers are a type and a length of four octets (clause 7.3.5.5.2).
    let identifiers =
        |kinds: &[u16]| kinds.iter().flat_map(|kind| [kind.to_be_bytes(), [0, 4]].concat()).collect();
    let headers = |masked: bool| {
        let of = |field: &Field| field.header(masked && field.is_maskable()).to_be_bytes();
        Field::ALL.iter().flat_map(of).collect::<Vec<u8>>()
    };
    let properties = vec![
        (property::INSTRUCTIONS, identifiers(&INSTRUCTIONS)),
        (property::NEXT_TABLES, (table + 1..TABLES).collect()),
        (property::WRITE_ACTIONS, identifiers(&ACTIONS)),
        (property::APPLY_ACTIONS, identifiers(&ACTIONS)),
        (property::MATCH, headers(true)),
        (property::WILDCARDS, headers(false)),
        (property::WRITE_SETFIELD, Vec::new()),
        (property::APPLY_SETFIELD, Vec::new()),
    ];
    let name = ["who", "may", "third", "fourth"].get(usize::from(table)).copied().unwrap_or_default();
    TableFeatures {
        table,
        name: name.to_owned(),
        metadata_match: u64::MAX,
        metadata_write: u64::MAX,
        config: 0,
        max_entries: FLOWS_MAX as u32,
        properties,
    }
}
