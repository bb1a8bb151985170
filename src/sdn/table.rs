//! Flow tables: which flow takes a packet, and which flows a message of the controller means.
//!
//! Flows of one priority that match the same bits share a hash table (tuple space search), so that a packet costs as many
//! look-ups as there are such kinds, and not as there are flows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::packet::Key;
use crate::kernel::Instant;
use crate::wire::openflow::{
    ALL_TABLES, Action, Code, Counts, FlowCommand, FlowFilter, FlowMod, Instruction, Match, flag, port,
};

/// How many flows a switch has room for.
pub const FLOWS_MAX: usize = 1 << 18;

/// A flow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of ofp_flow_mod, by their names")]
pub struct Flow {
    pub table: u8,
    pub priority: u16,
    pub cookie: u64,
    pub flags: u16,
    pub idle_timeout_s: u16,
    pub hard_timeout_s: u16,
    pub matching: Match,
    pub instructions: Vec<Instruction>,
    pub packets: u64,
    pub bytes: u64,
    /// Since when it is there.
    pub since: Instant,
    /// When it took a packet last, or was put there.
    pub used: Instant,
    value: Key,
    mask: Key,
}

impl Flow {
    /// What it has counted until `now`.
    pub fn counts(&self, now: Instant) -> Counts {
        let age = now.since(self.since);
        Counts {
            duration_s: u32::try_from(age.as_secs()).unwrap_or(u32::MAX),
            duration_ns: age.subsec_nanos(),
            packets: self.packets,
            bytes: self.bytes,
        }
    }

    /// Whether it leads to `port` anywhere.
    fn leads_to(&self, port: u32) -> bool {
        self.instructions.iter().any(|instruction| match instruction {
            Instruction::ApplyActions(actions) | Instruction::WriteActions(actions) => actions
                .iter()
                .any(|action| matches!(action, Action::Output { port: out, .. } if *out == port)),
            _ => false,
        })
    }

    fn place(&self) -> (u8, u16, Key) {
        (self.table, self.priority, self.mask)
    }
}

/// Flows of one table and priority that match the same bits.
type Alike = HashMap<Key, u64>;

/// What a filter means: which flows are changed, removed or told of.
struct Wanted<'a> {
    table: u8,
    cookie: (u64, u64),
    out_port: u32,
    matching: (Key, Key),
    /// The one flow of this priority and match, or every one within it.
    strict: Option<u16>,
    whole: &'a Match,
}

/// All tables of a switch.
#[derive(Debug, Default)]
pub struct FlowTable {
    flows: BTreeMap<u64, Flow>,
    last: u64,
    /// By table, and within it the highest priority first.
    alike: Vec<Vec<(u16, Key, Alike)>>,
    by_cookie: BTreeSet<(u64, u64)>,
}

impl FlowTable {
    /// `tables` tables without a flow.
    pub fn new(tables: u8) -> Self {
        Self { alike: (0..tables).map(|_| Vec::new()).collect(), ..Self::default() }
    }

    /// How many tables there are.
    pub fn tables(&self) -> u8 {
        self.alike.len() as u8
    }

    /// How many flows there are in all.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// How many flows there are in a table.
    pub fn in_table(&self, table: u8) -> usize {
        self.alike
            .get(usize::from(table))
            .map_or(0, |kinds| kinds.iter().map(|(.., flows)| flows.len()).sum())
    }

    /// The flow that takes a packet with this key in this table: the one of the highest priority. Counts the packet.
    pub fn take(&mut self, now: Instant, table: u8, key: &Key, bytes: usize) -> Option<(u64, &Flow)> {
        let kinds = self.alike.get(usize::from(table))?;
        let id = *kinds.iter().find_map(|(_, mask, flows)| flows.get(&key.masked(mask)))?;
        let flow = self.flows.get_mut(&id)?;
        flow.packets += 1;
        flow.bytes += bytes as u64;
        flow.used = now;
        Some((id, flow))
    }

    /// The flow with this number.
    pub fn get(&self, id: u64) -> Option<&Flow> {
        self.flows.get(&id)
    }

    /// Does what FLOW_MOD wants, which a switch has looked at already. What it removes is put into `removed`.
    ///
    /// # Errors
    /// The code of the ERROR; nothing has changed then.
    pub fn apply(
        &mut self,
        now: Instant,
        flow: FlowMod,
        removed: &mut Vec<(u64, Flow)>,
    ) -> Result<Option<u64>, Code> {
        let all = flow.table == ALL_TABLES;
        let is_delete = matches!(flow.command, FlowCommand::Delete | FlowCommand::DeleteStrict);
        if flow.table >= self.tables() && !(all && is_delete) {
            return Err(Code::FLOW_TABLE);
        }
        match flow.command {
            FlowCommand::Add => self.add(now, flow).map(Some),
            FlowCommand::Modify | FlowCommand::ModifyStrict => {
                let strict = (flow.command == FlowCommand::ModifyStrict).then_some(flow.priority);
                for id in self.wanted(&Wanted::of(&flow, port::ANY, strict)) {
                    let Some(found) = self.flows.get_mut(&id) else { continue };
                    found.instructions.clone_from(&flow.instructions);
                    if flow.flags & flag::RESET_COUNTS != 0 {
                        (found.packets, found.bytes) = (0, 0);
                    }
                }
                Ok(None)
            }
            FlowCommand::Delete | FlowCommand::DeleteStrict => {
                let strict = (flow.command == FlowCommand::DeleteStrict).then_some(flow.priority);
                let wanted = self.wanted(&Wanted::of(&flow, flow.out_port, strict));
                removed.extend(wanted.into_iter().filter_map(|id| Some((id, self.remove(id)?))));
                Ok(None)
            }
        }
    }

    /// Every flow that `filter` means, by table, in the order in which they were put there.
    pub fn filtered(&self, filter: &FlowFilter) -> Vec<&Flow> {
        let wanted = self.wanted(&Wanted {
            table: filter.table,
            cookie: (filter.cookie, filter.cookie_mask),
            out_port: filter.out_port,
            matching: Key::of_match(&filter.matching),
            strict: None,
            whole: &filter.matching,
        });
        let mut flows: Vec<&Flow> = wanted.iter().filter_map(|id| self.flows.get(id)).collect();
        flows.sort_by_key(|flow| flow.table);
        flows
    }

    /// Takes out the flow with this number.
    pub fn remove(&mut self, id: u64) -> Option<Flow> {
        let flow = self.flows.remove(&id)?;
        self.by_cookie.remove(&(flow.cookie, id));
        let (table, priority, mask) = flow.place();
        let kinds = self.alike.get_mut(usize::from(table))?;
        if let Some(at) = kinds.iter().position(|(of, bits, _)| (*of, *bits) == (priority, mask)) {
            kinds[at].2.remove(&flow.value);
            if kinds[at].2.is_empty() {
                kinds.remove(at);
            }
        }
        Some(flow)
    }

    /// Puts a flow there. One with the same match and priority makes room, and its counters go on unless they are to begin
    /// anew (clause 6.4).
    fn add(&mut self, now: Instant, flow: FlowMod) -> Result<u64, Code> {
        let (value, mask) = Key::of_match(&flow.matching);
        let (table, priority) = (flow.table, flow.priority);
        if flow.flags & flag::CHECK_OVERLAP != 0 && self.overlaps(table, priority, (&value, &mask)) {
            return Err(Code::OVERLAP);
        }
        let kinds = self.alike.get_mut(usize::from(table)).ok_or(Code::FLOW_TABLE)?;
        let same = kinds.iter().find(|(of, bits, _)| (*of, *bits) == (priority, mask));
        let before = same.and_then(|(.., flows)| flows.get(&value)).copied();
        if before.is_none() && self.flows.len() >= FLOWS_MAX {
            return Err(Code::TABLE_FULL);
        }
        let before = before.and_then(|id| self.remove(id)).filter(|_| flow.flags & flag::RESET_COUNTS == 0);
        let (packets, bytes) = before.map_or((0, 0), |before| (before.packets, before.bytes));
        self.last += 1;
        let id = self.last;
        self.by_cookie.insert((flow.cookie, id));
        let kinds = self.alike.get_mut(usize::from(table)).ok_or(Code::FLOW_TABLE)?;
        let at = match kinds.iter().position(|(of, bits, _)| (*of, *bits) == (priority, mask)) {
            Some(at) => at,
            None => {
                let at = kinds.partition_point(|(of, ..)| *of >= priority);
                kinds.insert(at, (priority, mask, Alike::new()));
                at
            }
        };
        kinds[at].2.insert(value, id);
        let flow = Flow {
            table,
            priority,
            cookie: flow.cookie,
            flags: flow.flags,
            idle_timeout_s: flow.idle_timeout_s,
            hard_timeout_s: flow.hard_timeout_s,
            matching: flow.matching,
            instructions: flow.instructions,
            packets,
            bytes,
            since: now,
            used: now,
            value,
            mask,
        };
        self.flows.insert(id, flow);
        Ok(id)
    }

    /// Whether a packet could be for this flow and for another one of its priority.
    fn overlaps(&self, table: u8, priority: u16, (value, mask): (&Key, &Key)) -> bool {
        self.flows.values().filter(|flow| (flow.table, flow.priority) == (table, priority)).any(|flow| {
            (0..8).all(|word| {
                let both = mask.0[word] & flow.mask.0[word];
                (value.0[word] ^ flow.value.0[word]) & both == 0
            })
        })
    }

    /// The numbers of the flows that are meant, the oldest first.
    fn wanted(&self, wanted: &Wanted<'_>) -> Vec<u64> {
        let means = |id: &u64| self.flows.get(id).is_some_and(|flow| wanted.means(flow));
        if let Some(priority) = wanted.strict {
            let (value, mask) = &wanted.matching;
            let kinds = self.alike.iter().flatten().filter(|(of, bits, _)| (*of, bits) == (priority, mask));
            return kinds.filter_map(|(.., flows)| flows.get(value).copied()).filter(means).collect();
        }
        let (cookie, mask) = wanted.cookie;
        // A mask of leading ones means cookies in a row.
        let all = mask == 0 || mask.leading_ones() + mask.trailing_zeros() != 64;
        if all {
            return self.flows.keys().copied().filter(means).collect();
        }
        let (first, last) = ((cookie & mask, 0), (cookie | !mask, u64::MAX));
        let mut found: Vec<u64> =
            self.by_cookie.range(first..=last).map(|(_, id)| *id).filter(means).collect();
        found.sort_unstable();
        found
    }
}

impl<'a> Wanted<'a> {
    fn of(flow: &'a FlowMod, out_port: u32, strict: Option<u16>) -> Self {
        Self {
            table: flow.table,
            cookie: (flow.cookie, flow.cookie_mask),
            out_port,
            matching: Key::of_match(&flow.matching),
            strict,
            whole: &flow.matching,
        }
    }

    fn means(&self, flow: &Flow) -> bool {
        let (cookie, cookie_mask) = self.cookie;
        let (value, mask) = &self.matching;
        let within = || match self.strict {
            Some(priority) => flow.priority == priority && (flow.value, flow.mask) == (*value, *mask),
            // The flow says at least as much, and nothing else.
            None => {
                self.whole.fields().is_empty()
                    || (0..8).all(|word| {
                        mask.0[word] & !flow.mask.0[word] == 0
                            && (flow.value.0[word] ^ value.0[word]) & mask.0[word] == 0
                    })
            }
        };
        (self.table == ALL_TABLES || self.table == flow.table)
            && (flow.cookie ^ cookie) & cookie_mask == 0
            && (self.out_port == port::ANY || flow.leads_to(self.out_port))
            && within()
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
