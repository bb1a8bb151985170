//! How well the guard tells attacks from life: on generated lives, each with a baseline, then days of life, then attacks that
//! are laid over those days.
//!
//! Nothing of the days that are judged is learned from: model, limits and what is known come from the baseline, which lies
//! before them. An attack branches off the life and is thrown away, so that the days themselves stay clean.

mod bound;
pub mod flows;
mod table;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cellbed_guard::{Finding, Guard, Level, Model, Packet, WINDOW_MS};
use rand_core::RngCore;
use serde::Serialize;

use super::GuardError;
use super::generator::{Attack, Flight, Kind, Life, Merged};
use super::learn::{Acquaintance, Baseline, learn, read};
use crate::kernel::RngTree;

pub use bound::{poisson_upper, proportion_upper};

const DEVICE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);
const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;
/// What is found so long after the last packet of an attack still counts as found.
const TAIL_MS: u64 = 60_000;
/// Certainty within an hour of the last is the same isolation.
const SAME_MS: u64 = HOUR_MS;
/// Features that only know what is new: services, peers and rhythms outside the baseline.
const NOVELTY: u32 = 1 << 15 | 1 << 16 | 1 << 21;
/// Bytes a second of the attacks whose rate is varied.
const RATES: [u32; 11] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];

/// What is evaluated.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the lives are.
    pub kinds: Vec<Kind>,
    /// What is laid over them, once each on each device.
    pub attacks: Vec<Attack>,
    /// How many devices there are of each kind.
    pub devices: u32,
    /// How many days are learned from.
    pub baseline_days: u32,
    /// How many days are judged.
    pub days: u32,
    /// Whether detection against rate is asked for.
    pub with_rates: bool,
}

/// Windows in which each part saw something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Seen {
    /// All that were judged.
    pub windows: u64,
    /// A limit of a feature or of a second: counters alone.
    pub counters: u64,
    /// A residual of the model.
    pub model: u64,
    /// Either: suspect.
    pub either: u64,
    /// Both, or a counter of one second.
    pub both: u64,
    /// Either, without the features that know what is new.
    pub either_without_novelty: u64,
    /// Both, without them.
    pub both_without_novelty: u64,
}

/// What happened in the days of life.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Benign {
    /// The kind, or "all".
    pub kind: String,
    /// Days of devices.
    pub device_days: u32,
    /// False windows.
    pub seen: Seen,
    /// Devices cut off, an hour's as one.
    pub isolations: u64,
    /// Devices restricted, an hour's as one.
    pub restrictions: u64,
}

/// What became of the attacks of one class.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Class {
    /// The class.
    pub class: String,
    /// How often it was laid over a life.
    pub incidents: u32,
    /// Of these, a limit alone found so many, and so on.
    pub by_counters: u32,
    /// Of these, a residual alone.
    pub by_model: u32,
    /// At least suspect.
    pub suspected: u32,
    /// Isolated.
    pub isolated: u32,
    /// At least suspect without the features that know what is new.
    pub suspected_without_novelty: u32,
    /// Windows with a packet of the attack.
    pub seen: Seen,
    /// Median time from the first packet to the first suspicion, in milliseconds; of those that were suspected.
    pub suspected_after_ms: Option<u64>,
    /// Median time from the first packet to certainty, likewise.
    pub isolated_after_ms: Option<u64>,
    /// The kinds on which an incident was not even suspected.
    pub missed_on: Vec<String>,
}

/// Detection at one rate.
#[derive(Debug, Clone, Serialize)]
pub struct Rate {
    /// What is done.
    pub attack: String,
    /// Bytes a second.
    pub bytes_per_s: u32,
    /// How often.
    pub incidents: u32,
    /// At least suspect.
    pub suspected: u32,
    /// Isolated.
    pub isolated: u32,
}

/// What an evaluation has shown.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// All kinds, then one by one.
    pub benign: Vec<Benign>,
    /// By class.
    pub classes: Vec<Class>,
    /// By attack and rate.
    pub rates: Vec<Rate>,
}

/// A life that can be read up to a moment, and read twice from there.
#[derive(Clone)]
struct Course {
    life: Life,
    held: Option<Flight>,
}

impl Course {
    fn until(&mut self, end_ms: u64) -> impl Iterator<Item = Flight> {
        std::iter::from_fn(move || {
            let flight = self.held.take().or_else(|| self.life.next())?;
            if flight.at_ms < end_ms {
                return Some(flight);
            }
            self.held = Some(flight);
            None
        })
    }
}

/// Lives and attacks of `plan`; what is drawn comes from the branch `tree`. `told` hears of each device that is done.
///
/// # Errors
/// Where a baseline is too short to learn from.
pub fn evaluate(plan: &Plan, tree: &RngTree, mut told: impl FnMut(&str)) -> Result<Report, GuardError> {
    let mut all = Benign { kind: "all".to_owned(), ..Benign::default() };
    let (mut kinds, mut runs, mut rated) = (Vec::new(), Vec::new(), Vec::new());
    for kind in &plan.kinds {
        let mut own = Benign { kind: kind.name.to_owned(), ..Benign::default() };
        for device in 0..plan.devices {
            let branch = tree.branch(kind.name).branch(device);
            let mut subject = Subject::new(*kind, plan, branch)?;
            subject.live(plan, &mut own, &mut runs, &mut rated);
            told(&format!("{} {} of {}", kind.name, device + 1, plan.devices));
        }
        all.add(&own);
        kinds.push(own);
    }
    kinds.insert(0, all);
    Ok(Report { benign: kinds, classes: table::classes(&runs), rates: table::rates(&rated) })
}

/// One device: its life, and the guard that has learned it.
struct Subject {
    course: Course,
    guard: Guard,
    model: Model,
    tree: RngTree,
    begin_ms: u64,
    kind: &'static str,
}

/// What became of one attack.
struct Run {
    class: String,
    kind: String,
    seen: Seen,
    by_counters: bool,
    by_model: bool,
    suspected_without_novelty: bool,
    suspected_after_ms: Option<u64>,
    isolated_after_ms: Option<u64>,
}

impl Subject {
    fn new(kind: Kind, plan: &Plan, tree: RngTree) -> Result<Self, GuardError> {
        let life = Life::new(kind, &tree, 0);
        let start = Course { life, held: None };
        let begin_ms = u64::from(plan.baseline_days) * DAY_MS;
        let mut acquaintance = Acquaintance::default();
        let mut course = start.clone();
        read(course.until(begin_ms), DEVICE).for_each(|(_, packet)| acquaintance.packet(&packet));
        let known = acquaintance.known();
        let mut course = start.clone();
        let baseline = Baseline::of(read(course.until(begin_ms), DEVICE), &known);
        let model = learn(&baseline, &known, &tree)?;
        let mut course = start;
        // It sees the baseline once more, as a guard that has been there all the time.
        let mut guard = Guard::new(0);
        for (at_ms, packet) in read(course.until(begin_ms), DEVICE) {
            guard.packet(at_ms, &packet, &model, &mut |_| {});
        }
        Ok(Self { course, guard, model, tree, begin_ms, kind: kind.name })
    }

    /// The days that are judged, and the attacks at moments of them.
    fn live(&mut self, plan: &Plan, own: &mut Benign, runs: &mut Vec<Run>, rated: &mut Vec<(Attack, Run)>) {
        let mut stream = self.tree.stream("moments");
        let span_ms = u64::from(plan.days) * DAY_MS;
        let end_ms = self.begin_ms + span_ms;
        let rates = if plan.with_rates { &RATES[..] } else { &[] };
        let varied = rates.iter().flat_map(|rate| {
            let bytes_per_s = *rate;
            [
                Attack::Bulk { bytes_per_s, at_cloud: false },
                Attack::Bulk { bytes_per_s, at_cloud: true },
                Attack::DnsExfil { bytes_per_s },
            ]
        });
        let attacks =
            plan.attacks.iter().map(|attack| (*attack, false)).chain(varied.map(|attack| (attack, true)));
        let mut moments: Vec<_> =
            attacks.map(|attack| (self.begin_ms + stream.next_u64() % span_ms, attack)).collect();
        moments.sort_by_key(|(at_ms, _)| *at_ms);
        let (mut isolated_ms, mut restricted_ms) = (None, None);
        for (number, (moment_ms, (attack, is_rated))) in moments.into_iter().enumerate() {
            self.walk(moment_ms, own, &mut isolated_ms, &mut restricted_ms);
            let tree = self.tree.branch(format!("attack {number}"));
            let run = self.attacked(attack, &tree, moment_ms);
            if is_rated {
                rated.push((attack, run));
            } else {
                runs.push(run);
            }
        }
        self.walk(end_ms, own, &mut isolated_ms, &mut restricted_ms);
        own.device_days += plan.days;
    }

    /// The life up to `end_ms`, where everything that is found is false.
    fn walk(
        &mut self,
        end_ms: u64,
        own: &mut Benign,
        isolated: &mut Option<u64>,
        restricted: &mut Option<u64>,
    ) {
        let (guard, model) = (&mut self.guard, &self.model);
        let mut instant_ms = None;
        let mut begun = BTreeSet::new();
        for (at_ms, packet) in read(self.course.until(end_ms), DEVICE) {
            begun.insert(at_ms / WINDOW_MS);
            guard.packet(at_ms, &packet, model, &mut |finding| {
                own.seen.add(&finding, &mut instant_ms);
                let at_ms = finding.end_ms;
                let is_new = |last: &Option<u64>| last.is_none_or(|last| at_ms > last + SAME_MS);
                own.restrictions += u64::from(is_new(restricted));
                *restricted = Some(at_ms);
                if finding.level == Level::Certain {
                    own.isolations += u64::from(is_new(isolated));
                    *isolated = Some(at_ms);
                }
            });
        }
        own.seen.windows += begun.len() as u64;
    }

    /// A branch of the life over which `attack` is laid from `begin_ms` on.
    fn attacked(&self, attack: Attack, tree: &RngTree, begin_ms: u64) -> Run {
        let end_ms = begin_ms + lasts_ms(attack);
        let flights = attack.flights(tree, self.course.life.cloud(), begin_ms, end_ms);
        let last_ms = flights.last().map_or(end_ms, |flight| flight.at_ms);
        let mut course = self.course.clone();
        let mut bytes = Vec::new();
        let merged = Merged::new(course.until(last_ms + TAIL_MS), flights.into_iter());
        let packets = merged.filter_map(|(flight, is_bad)| {
            flight.write(DEVICE, &mut bytes);
            let packet = Packet::parse(&bytes, DEVICE.into()).ok()?;
            Some((flight.at_ms, packet, is_bad))
        });
        let names = (attack.class().to_owned(), self.kind.to_owned());
        laid_over(names, self.guard.clone(), &self.model, packets, (begin_ms, last_ms))
    }
}

/// What a guard finds in `packets`, each with its moment and whether it is of the attack, which goes from a moment to another.
fn laid_over(
    (class, kind): (String, String),
    mut guard: Guard,
    model: &Model,
    packets: impl Iterator<Item = (u64, Packet, bool)>,
    (begin_ms, last_ms): (u64, u64),
) -> Run {
    let mut run = Run {
        class,
        kind,
        seen: Seen::default(),
        by_counters: false,
        by_model: false,
        suspected_without_novelty: false,
        suspected_after_ms: None,
        isolated_after_ms: None,
    };
    let (mut bad, mut findings) = (BTreeSet::new(), Vec::new());
    let mut keep = |finding| findings.push(finding);
    for (at_ms, packet, is_bad) in packets {
        if is_bad {
            bad.insert(at_ms / WINDOW_MS);
        }
        guard.packet(at_ms, &packet, model, &mut keep);
    }
    guard.tick(last_ms + TAIL_MS, model, &mut keep);
    run.seen.windows = bad.len() as u64;
    let mut instant_ms = None;
    for finding in findings.iter().filter(|finding| finding.end_ms >= begin_ms) {
        let after_ms = finding.end_ms - begin_ms;
        run.suspected_after_ms.get_or_insert(after_ms);
        if finding.level == Level::Certain {
            run.isolated_after_ms.get_or_insert(after_ms);
        }
        run.by_counters |= finding.features != 0 || finding.instant != 0;
        run.by_model |= finding.residuals != 0;
        run.suspected_without_novelty |=
            (finding.features | finding.residuals) & !NOVELTY != 0 || finding.instant != 0;
        if bad.contains(&(finding.begin_ms / WINDOW_MS)) {
            run.seen.add(finding, &mut instant_ms);
        }
    }
    run
}

/// How long an attack is kept up: loud ones need no hour.
fn lasts_ms(attack: Attack) -> u64 {
    match attack {
        Attack::Flood { .. } => 60_000,
        Attack::Scan { every_ms, .. } if every_ms < 5_000 => 300_000,
        Attack::Brute { .. } => 300_000,
        Attack::Beacon { every_s, .. } if every_s >= 200 => 4 * HOUR_MS,
        Attack::Bulk { bytes_per_s, .. } if bytes_per_s >= 3_000 => 600_000,
        Attack::DnsExfil { bytes_per_s } if bytes_per_s >= 3_000 => 60_000,
        _ => HOUR_MS,
    }
}

impl Seen {
    /// Counts the window of a finding. A window in which a second tripped comes twice at least: it is counted with the second.
    fn add(&mut self, finding: &Finding, instant_ms: &mut Option<u64>) {
        let window_ms = finding.begin_ms - finding.begin_ms % WINDOW_MS;
        if *instant_ms == Some(window_ms) {
            return;
        }
        let is_instant = finding.instant != 0;
        if is_instant {
            *instant_ms = Some(window_ms);
        }
        let (features, residuals) = (finding.features != 0, finding.residuals != 0);
        let (own_features, own_residuals) =
            (finding.features & !NOVELTY != 0, finding.residuals & !NOVELTY != 0);
        self.counters += u64::from(features || is_instant);
        self.model += u64::from(residuals);
        self.either += 1;
        self.both += u64::from(finding.both() || is_instant);
        self.either_without_novelty += u64::from(own_features || own_residuals || is_instant);
        self.both_without_novelty += u64::from((own_features && own_residuals) || is_instant);
    }

    fn merge(&mut self, other: &Self) {
        self.windows += other.windows;
        self.counters += other.counters;
        self.model += other.model;
        self.either += other.either;
        self.both += other.both;
        self.either_without_novelty += other.either_without_novelty;
        self.both_without_novelty += other.both_without_novelty;
    }
}

impl Benign {
    fn add(&mut self, other: &Self) {
        self.device_days += other.device_days;
        self.seen.merge(&other.seen);
        self.isolations += other.isolations;
        self.restrictions += other.restrictions;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::generator::{attack, kinds};

    #[test]
    fn loud_attacks_are_found_and_an_ordinary_day_is_not() {
        let plan = Plan {
            kinds: vec![kinds::LIGHT],
            attacks: vec![attack::DESIGN[0], attack::DESIGN[1], attack::DESIGN[3]],
            devices: 1,
            baseline_days: 14,
            days: 1,
            with_rates: false,
        };
        let report = evaluate(&plan, &RngTree::new(5), |_| {}).unwrap();
        let all = &report.benign[0];
        assert!(all.device_days == 1 && all.seen.windows > 3_000, "{all:?}");
        assert_eq!(all.isolations, 0, "{all:?}");
        let classes: Vec<_> = report.classes.iter().map(|class| (&*class.class, class.isolated)).collect();
        assert_eq!(classes, [("brute", 1), ("flood", 1), ("scan-fast", 1)]);
        for class in &report.classes {
            assert_eq!((class.incidents, class.suspected), (1, 1));
            assert!(class.isolated_after_ms.is_some_and(|after_ms| after_ms <= 20_000), "{class:?}");
            assert!(
                class.seen.either <= class.seen.windows && class.seen.both * 10 >= class.seen.windows * 9,
                "{class:?}"
            );
        }
        let text = report.to_string();
        assert!(text.contains("flood") && text.contains("device-days"), "{text}");
    }
}
