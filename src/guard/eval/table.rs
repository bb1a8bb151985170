//! What an evaluation has shown, put together and as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Attack, Benign, Class, Rate, Report, Run, poisson_upper, proportion_upper};

pub(super) fn classes(runs: &[Run]) -> Vec<Class> {
    let mut by_class: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        by_class.entry(&run.class).or_default().push(run);
    }
    by_class.into_iter().map(|(name, runs)| class(name, &runs)).collect()
}

fn class(name: &str, runs: &[&Run]) -> Class {
    let count = |is: fn(&Run) -> bool| runs.iter().filter(|run| is(run)).count() as u32;
    let mut class = Class {
        class: name.to_owned(),
        incidents: runs.len() as u32,
        by_counters: count(|run| run.by_counters),
        by_model: count(|run| run.by_model),
        suspected: count(|run| run.suspected_after_ms.is_some()),
        isolated: count(|run| run.isolated_after_ms.is_some()),
        suspected_without_novelty: count(|run| run.suspected_without_novelty),
        suspected_after_ms: median(runs.iter().filter_map(|run| run.suspected_after_ms).collect()),
        isolated_after_ms: median(runs.iter().filter_map(|run| run.isolated_after_ms).collect()),
        ..Class::default()
    };
    let missed = runs.iter().filter(|run| run.suspected_after_ms.is_none());
    class.missed_on = missed.map(|run| run.kind.to_owned()).collect::<BTreeSet<_>>().into_iter().collect();
    runs.iter().for_each(|run| class.seen.merge(&run.seen));
    class
}

fn median(mut times: Vec<u64>) -> Option<u64> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

pub(super) fn rates(rated: &[(Attack, Run)]) -> Vec<Rate> {
    let mut by_rate: BTreeMap<(&str, u32), Vec<&Run>> = BTreeMap::new();
    for (attack, run) in rated {
        let bytes_per_s = match attack {
            Attack::Bulk { bytes_per_s, .. } | Attack::DnsExfil { bytes_per_s } => *bytes_per_s,
            _ => continue,
        };
        by_rate.entry((&run.class, bytes_per_s)).or_default().push(run);
    }
    let rate = |((attack, bytes_per_s), runs): ((&str, u32), Vec<&Run>)| Rate {
        attack: attack.to_owned(),
        bytes_per_s,
        incidents: runs.len() as u32,
        suspected: runs.iter().filter(|run| run.suspected_after_ms.is_some()).count() as u32,
        isolated: runs.iter().filter(|run| run.isolated_after_ms.is_some()).count() as u32,
    };
    by_rate.into_iter().map(rate).collect()
}

impl Report {
    /// By attack: the least rate from which on at least 95 % of incidents are suspected, and isolated; `None` where there
    /// is none.
    pub fn knees(&self) -> Vec<(String, Option<u32>, Option<u32>)> {
        let mut attacks: Vec<String> = self.rates.iter().map(|rate| rate.attack.clone()).collect();
        attacks.dedup();
        let knee = |attack: &String, of: fn(&Rate) -> u32| {
            let rows = self.rates.iter().filter(|rate| rate.attack == *attack).rev();
            rows.take_while(|rate| of(rate) * 100 >= rate.incidents * 95).last().map(|rate| rate.bytes_per_s)
        };
        let knees = |attack: String| {
            let (suspected, isolated) =
                (knee(&attack, |rate| rate.suspected), knee(&attack, |rate| rate.isolated));
            (attack, suspected, isolated)
        };
        attacks.into_iter().map(knees).collect()
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}", part as f64 * 100.0 / whole as f64) }
}

fn seconds(time_ms: Option<u64>) -> String {
    time_ms.map_or("-".to_owned(), |time_ms| format!("{:.1}", time_ms as f64 / 1_000.0))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "life, windows in which something was seen, % (both: upper bound with 95 % confidence)")?;
        writeln!(
            f,
            "{:<16} {:>11} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10} {:>12} {:>13}",
            "kind",
            "device-days",
            "windows",
            "counters",
            "model",
            "either",
            "both",
            "both <=",
            "isolations",
            "a day <=",
            "restrictions"
        )?;
        self.benign.iter().try_for_each(|row| benign(f, row))?;
        attacks(f, &self.classes)?;
        if self.rates.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nincidents found against rate, suspected / isolated, %")?;
        for row in &self.rates {
            let part = |count: u32| percent(count.into(), row.incidents.into());
            writeln!(
                f,
                "{:<13} {:>7} B/s {:>7} {:>7}",
                row.attack,
                row.bytes_per_s,
                part(row.suspected),
                part(row.isolated)
            )?;
        }
        for (attack, suspected, isolated) in self.knees() {
            let from = |rate: Option<u32>| rate.map_or("no rate".to_owned(), |rate| format!("{rate} B/s"));
            writeln!(
                f,
                "{attack}: at least 95 % are suspected from {}, isolated from {}",
                from(suspected),
                from(isolated)
            )?;
        }
        Ok(())
    }
}

/// The table of attacks.
pub(super) fn attacks(f: &mut fmt::Formatter<'_>, classes: &[Class]) -> fmt::Result {
    writeln!(f, "\nattacks, windows / incidents found, %; medians in seconds")?;
    writeln!(
        f,
        "{:<13} {:>9} {:>13} {:>13} {:>13} {:>13} {:>14} {:>9} {:>9} missed on",
        "class",
        "incidents",
        "counters",
        "model",
        "suspected",
        "isolated",
        "no novelty",
        "suspected",
        "isolated",
    )?;
    for row in classes {
        let pair = |windows: u64, incidents: u32| {
            format!(
                "{}/{}",
                percent(windows, row.seen.windows),
                percent(incidents.into(), row.incidents.into())
            )
        };
        writeln!(
            f,
            "{:<13} {:>9} {:>13} {:>13} {:>13} {:>13} {:>14} {:>9} {:>9} {}",
            row.class,
            row.incidents,
            pair(row.seen.counters, row.by_counters),
            pair(row.seen.model, row.by_model),
            pair(row.seen.either, row.suspected),
            pair(row.seen.both, row.isolated),
            pair(row.seen.either_without_novelty, row.suspected_without_novelty),
            seconds(row.suspected_after_ms),
            seconds(row.isolated_after_ms),
            row.missed_on.join(" "),
        )?;
    }
    Ok(())
}

fn benign(f: &mut fmt::Formatter<'_>, row: &Benign) -> fmt::Result {
    let seen = &row.seen;
    let part = |count: u64| format!("{:.3}", count as f64 * 100.0 / seen.windows.max(1) as f64);
    writeln!(
        f,
        "{:<16} {:>11} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9.4} {:>10} {:>12.4} {:>13}",
        row.kind,
        row.device_days,
        seen.windows,
        part(seen.counters),
        part(seen.model),
        part(seen.either),
        part(seen.both),
        proportion_upper(seen.both, seen.windows.max(1)) * 100.0,
        row.isolations,
        poisson_upper(row.isolations) / f64::from(row.device_days.max(1)),
        row.restrictions,
    )
}
