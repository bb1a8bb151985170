//! The same on connection logs with labels ([`ConnLog`]): captures in which nothing is bad are lives, and what is bad in the others is
//! laid over them. Of a life the first seven tenths are the baseline, and the rest is judged; nothing of the rest is learned from.
//!
//! Such a life is hours, not days: no model of it is armed, and it is judged all the same, as by one of two weeks.

use std::collections::BTreeMap;
use std::fmt;

use cellbed_guard::{Guard, Level, Model, Packet, WINDOW_MS};
use serde::Serialize;

use super::{Class, Run, SAME_MS, Seen, TAIL_MS, laid_over, proportion_upper, table};
use crate::guard::GuardError;
use crate::guard::conn_log::{ConnLog, Flow};
use crate::guard::learn::{Acquaintance, Baseline, learn};
use crate::kernel::RngTree;

/// Flows of a class that are further apart are two incidents.
const APART_MS: u64 = 600_000;
/// Of each class and capture so many incidents are laid over each life, the first ones.
const INCIDENTS_MAX: usize = 20;
/// Of one incident so many flows.
const FLOWS_MAX: usize = 20_000;

/// A log with the name of its capture.
#[derive(Debug, Clone)]
pub struct Capture {
    /// As its file is called.
    pub name: String,
    /// What it has.
    pub log: ConnLog,
}

/// What was seen of a life in which nothing is bad.
#[derive(Debug, Clone, Serialize)]
pub struct LifeRow {
    /// The capture.
    pub capture: String,
    /// How long the baseline is, and what is judged, in hours.
    pub hours: (f64, f64),
    /// Windows of the baseline.
    pub baseline_windows: usize,
    /// Whether a guard with this model would judge anybody.
    pub armed: bool,
    /// False windows.
    pub seen: Seen,
    /// How often the device would have been cut off, an hour's as one.
    pub isolations: u64,
    /// The same of restrictions.
    pub restrictions: u64,
}

/// What an evaluation on logs has shown.
#[derive(Debug, Clone, Serialize)]
pub struct FlowsReport {
    /// By life.
    pub lives: Vec<LifeRow>,
    /// Captures without anything bad that are too short to learn from, or of no device.
    pub too_short: Vec<String>,
    /// By class, as the labels call it.
    pub classes: Vec<Class>,
}

/// A device that was learned, and the rest of its life.
struct Learned {
    name: String,
    guard: Guard,
    model: Model,
    rest: Vec<(u64, Packet)>,
    split_ms: u64,
}

/// What is bad in one go.
struct Incident {
    class: String,
    /// From its own beginning on.
    packets: Vec<(u64, Packet)>,
}

/// Evaluates the guard on `captures`; what is drawn comes from the branch `tree`. `told` hears of each life that is done.
///
/// # Errors
/// Where no capture is a life that can be learned from.
pub fn evaluate_flows(
    captures: &[Capture],
    tree: &RngTree,
    mut told: impl FnMut(&str),
) -> Result<FlowsReport, GuardError> {
    let is_bad = |capture: &&Capture| capture.log.flows.iter().any(|flow| flow.class.is_some());
    let (bad, clean): (Vec<_>, Vec<_>) = captures.iter().partition(is_bad);
    let incidents: Vec<Incident> = bad.iter().flat_map(|capture| incidents(&capture.log)).collect();
    let (mut lives, mut too_short, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    let mut why_none = GuardError::Baseline { windows: 0, least: 1 };
    for capture in clean {
        match learned(capture, &tree.branch(&*capture.name)) {
            Ok((row, life)) => {
                lives.push(row);
                runs.extend(incidents.iter().map(|incident| attacked(&life, incident)));
            }
            Err(error) => {
                too_short.push(capture.name.clone());
                why_none = error;
            }
        }
        told(&capture.name);
    }
    if lives.is_empty() {
        return Err(why_none);
    }
    Ok(FlowsReport { lives, too_short, classes: table::classes(&runs) })
}

/// The packets of flows in the order of time.
fn packets<'a>(flows: impl Iterator<Item = &'a Flow>, log: &ConnLog) -> Vec<(u64, Packet)> {
    let Some(device) = log.device() else { return Vec::new() };
    let mut packets: Vec<_> =
        flows.filter(|flow| flow.is_of(device)).flat_map(|flow| flow.packets(device)).collect();
    packets.sort_by_key(|(at_ms, _)| *at_ms);
    packets
}

fn learned(capture: &Capture, tree: &RngTree) -> Result<(LifeRow, Learned), GuardError> {
    let all = packets(capture.log.flows.iter(), &capture.log);
    let (begin_ms, end_ms) = match (all.first(), all.last()) {
        (Some(first), Some(last)) => (first.0, last.0),
        _ => return Err(GuardError::Baseline { windows: 0, least: 1 }),
    };
    let split_ms = begin_ms + (end_ms - begin_ms) * 7 / 10;
    let split_ms = split_ms - split_ms % WINDOW_MS;
    let place = all.partition_point(|(at_ms, _)| *at_ms < split_ms);
    let (before, rest) = all.split_at(place);
    let mut acquaintance = Acquaintance::default();
    before.iter().for_each(|(_, packet)| acquaintance.packet(packet));
    let known = acquaintance.known();
    let baseline = Baseline::of(before.iter().copied(), &known);
    let mut model = learn(&baseline, &known, tree)?;
    let armed = model.is_armed();
    // It is judged by as if it were two weeks.
    model.hours = model.hours.max(336);
    let mut guard = Guard::new(begin_ms);
    for (at_ms, packet) in before {
        guard.packet(*at_ms, packet, &model, &mut |_| {});
    }
    let hour = |ms: u64| ms as f64 / 3_600_000.0;
    let mut row = LifeRow {
        capture: capture.name.clone(),
        hours: (hour(split_ms - begin_ms), hour(end_ms - split_ms)),
        baseline_windows: baseline.windows.len(),
        armed,
        seen: Seen::default(),
        isolations: 0,
        restrictions: 0,
    };
    let life =
        Learned { name: capture.name.clone(), guard: guard.clone(), model, rest: rest.to_vec(), split_ms };
    let (mut instant_ms, mut isolated, mut restricted) = (None, None, None);
    let mut found = Vec::new();
    for (at_ms, packet) in rest {
        guard.packet(*at_ms, packet, &life.model, &mut |finding| found.push(finding));
    }
    guard.tick(end_ms + WINDOW_MS, &life.model, &mut |finding| found.push(finding));
    let is_new = |last: Option<u64>, at_ms: u64| last.is_none_or(|last| at_ms > last + SAME_MS);
    // The window that runs at the split is the baseline's.
    for finding in found.iter().filter(|finding| finding.begin_ms >= split_ms) {
        row.seen.add(finding, &mut instant_ms);
        row.restrictions += u64::from(is_new(restricted, finding.end_ms));
        restricted = Some(finding.end_ms);
        if finding.level == Level::Certain {
            row.isolations += u64::from(is_new(isolated, finding.end_ms));
            isolated = Some(finding.end_ms);
        }
    }
    let mut windows: Vec<u64> = rest.iter().map(|(at_ms, _)| at_ms / WINDOW_MS).collect();
    windows.dedup();
    row.seen.windows = windows.len() as u64;
    Ok((row, life))
}

/// What is bad in a log, each incident on its own.
fn incidents(log: &ConnLog) -> Vec<Incident> {
    let mut by_class: BTreeMap<&str, Vec<&Flow>> = BTreeMap::new();
    for flow in &log.flows {
        if let Some(class) = &flow.class {
            by_class.entry(class).or_default().push(flow);
        }
    }
    let mut incidents = Vec::new();
    for (class, flows) in by_class {
        let parts = flows.chunk_by(|a, b| b.begin_ms.saturating_sub(a.begin_ms + a.duration_ms) <= APART_MS);
        for part in parts.take(INCIDENTS_MAX) {
            let mut packets = packets(part.iter().copied().take(FLOWS_MAX), log);
            let Some(first_ms) = packets.first().map(|(at_ms, _)| *at_ms) else { continue };
            packets.iter_mut().for_each(|(at_ms, _)| *at_ms -= first_ms);
            incidents.push(Incident { class: class.to_owned(), packets });
        }
    }
    incidents
}

/// An incident that begins where the baseline ends.
fn attacked(life: &Learned, incident: &Incident) -> Run {
    let begin_ms = life.split_ms;
    let last_ms = begin_ms + incident.packets.last().map_or(0, |(at_ms, _)| *at_ms);
    let own = life.rest.iter().filter(|(at_ms, _)| *at_ms <= last_ms + TAIL_MS);
    let mut both: Vec<(u64, Packet, bool)> = own.map(|(at_ms, packet)| (*at_ms, *packet, false)).collect();
    both.extend(incident.packets.iter().map(|(at_ms, packet)| (begin_ms + at_ms, *packet, true)));
    both.sort_by_key(|(at_ms, ..)| *at_ms);
    let (class, kind) = (incident.class.clone(), life.name.clone());
    laid_over((class, kind), life.guard.clone(), &life.model, both.into_iter(), (begin_ms, last_ms))
}

impl fmt::Display for FlowsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "lives, false windows in % (both: upper bound with 95 % confidence)")?;
        writeln!(
            f,
            "{:<40} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10} {:>12} armed",
            "capture",
            "baseline h",
            "windows",
            "judged h",
            "windows",
            "either",
            "both",
            "both <=",
            "isolations",
            "restrictions",
        )?;
        for row in &self.lives {
            let windows = row.seen.windows.max(1);
            let part = |count: u64| count as f64 * 100.0 / windows as f64;
            writeln!(
                f,
                "{:<40} {:>10.1} {:>8} {:>8.1} {:>8} {:>8.3} {:>8.3} {:>9.3} {:>10} {:>12} {}",
                row.capture,
                row.hours.0,
                row.baseline_windows,
                row.hours.1,
                row.seen.windows,
                part(row.seen.either),
                part(row.seen.both),
                proportion_upper(row.seen.both, windows) * 100.0,
                row.isolations,
                row.restrictions,
                if row.armed { "yes" } else { "no" },
            )?;
        }
        for capture in &self.too_short {
            writeln!(f, "{capture}: too short to learn from")?;
        }
        table::attacks(f, &self.classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// A log of a device that speaks UDP to its cloud every 20 s for so many hours, and scans from `bad_ms` on.
    fn log(hours: u64, bad_ms: Option<u64>) -> ConnLog {
        let device = Ipv4Addr::new(192, 168, 1, 2);
        let flow = |begin_ms, to: Ipv4Addr, port, protocol, state: &str, packets, class: Option<&str>| Flow {
            begin_ms,
            ends: [device, to],
            ports: [50_000, port],
            protocol,
            duration_ms: 40,
            state: state.to_owned(),
            packets,
            bytes: packets.map(|count| count * 80),
            class: class.map(str::to_owned),
        };
        let cloud = Ipv4Addr::new(1, 2, 3, 4);
        let mut flows: Vec<Flow> = (0..hours * 180)
            .map(|n| flow(n * 20_000 + n * 7_919 % 3_000, cloud, 5684, 17, "SF", [1 + n % 2, 1], None))
            .collect();
        let bad = bad_ms.into_iter().flat_map(|bad_ms| (0..600).map(move |n| bad_ms + n * 500));
        flows.extend(bad.enumerate().map(|(n, at_ms)| {
            let victim = Ipv4Addr::from(0x0b00_0000 + n as u32);
            flow(at_ms, victim, 23, 6, "S0", [1, 0], Some("PartOfAHorizontalPortScan"))
        }));
        flows.sort_by_key(|flow| flow.begin_ms);
        ConnLog { flows, passed_over: 0 }
    }

    #[test]
    fn a_scan_of_one_capture_is_found_over_the_life_of_another() {
        let capture = |name: &str, log| Capture { name: name.to_owned(), log };
        let captures = [
            capture("clean", log(20, None)),
            capture("bad", log(1, Some(60_000))),
            capture("short", log(0, None)),
        ];
        let report = evaluate_flows(&captures, &RngTree::new(1), |_| {}).unwrap();
        assert_eq!((report.lives.len(), &report.too_short[..]), (1, &["short".to_owned()][..]));
        let life = &report.lives[0];
        assert!((life.hours.0 - 14.0).abs() < 0.1 && (life.hours.1 - 6.0).abs() < 0.1, "{life:?}");
        assert_eq!((life.seen.both, life.isolations, life.armed), (0, 0, false));
        let class = &report.classes[0];
        assert_eq!((&*class.class, class.incidents, class.isolated), ("PartOfAHorizontalPortScan", 1, 1));
        assert!(class.isolated_after_ms.is_some_and(|after_ms| after_ms < 30_000));
        let text = report.to_string();
        assert!(
            text.contains("too short to learn from") && text.contains("PartOfAHorizontalPortScan"),
            "{text}"
        );
        assert!(evaluate_flows(&captures[1..], &RngTree::new(1), |_| {}).is_err(), "no life");
    }

    #[test]
    fn what_is_far_apart_is_two_incidents() {
        let mut log = log(1, Some(60_000));
        let later = log.flows.iter().filter(|flow| flow.class.is_some()).cloned();
        let later: Vec<_> = later.map(|flow| Flow { begin_ms: flow.begin_ms + 2_000_000, ..flow }).collect();
        log.flows.extend(later);
        log.flows.sort_by_key(|flow| flow.begin_ms);
        let found = incidents(&log);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|incident| incident.packets[0].0 == 0 && incident.packets.len() == 600));
    }
}
