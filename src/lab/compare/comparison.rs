//! The whole of a comparison, and how it is told.

use std::fmt::{self, Display, Write};

use serde::Serialize;

use super::{CLAIM_HIGH, CLAIM_LOW, Prices, Ratio, Sample, Series, Sway, tornado};
use crate::lab::{LabError, Run};

/// Two scenarios with one number of devices after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The radio access technology of both.
    pub rat: String,
    /// How many seeds.
    pub seeds: u32,
    /// A pair for each number of devices.
    pub pairs: Vec<Pair>,
    /// What decides the ratio of the smallest number of devices, the widest first.
    pub tornado: Vec<Sway>,
    /// The currency of the costs.
    pub currency: String,
    /// What has no price: by whom it is worked.
    pub unpriced: Vec<String>,
}

/// Both scenarios with the same number of devices.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pair {
    /// What is compared.
    pub first: Series,
    /// With what.
    pub second: Series,
    /// How many times the second takes as long, by the median device.
    pub ratio: Ratio,
    /// What a device costs, of both.
    pub cost: [f64; 2],
    /// How long a device takes without anybody's work, of both, in seconds.
    pub machine_s: [f64; 2],
}

impl Comparison {
    /// Compares the scenarios that `first` and `second` give: each is run with every number of `devices` and every one of
    /// `seeds`. `told` hears what is done.
    ///
    /// # Errors
    /// Where a run cannot be set up, the two have different radios, or the bench is at fault.
    pub fn of(
        first: &dyn Fn() -> Result<Run, LabError>,
        second: &dyn Fn() -> Result<Run, LabError>,
        devices: &[u32],
        seeds: u32,
        prices: &Prices,
        mut told: impl FnMut(&str),
    ) -> Result<Self, LabError> {
        let (one, other) = (first()?, second()?);
        if one.scenario.rat != other.scenario.rat {
            return Err(LabError::Apart { first: one.scenario.name, second: other.scenario.name });
        }
        let (mut pairs, mut unpriced) = (Vec::new(), Vec::new());
        for &count in devices {
            let mut series = |load: &dyn Fn() -> Result<Run, LabError>, name: &str| {
                told(&format!("{name}: {count} devices, {seeds} seeds"));
                Series::of(load, count, 1..=u64::from(seeds))
            };
            let first = series(first, &one.scenario.name)?;
            let second = series(second, &other.scenario.name)?;
            let (costs, unknown): (Vec<_>, Vec<_>) =
                [&first, &second].map(|series| series.cost(prices)).into_iter().unzip();
            unpriced.extend(unknown.into_iter().flatten());
            pairs.push(Pair {
                ratio: Ratio::of(&first, &second, Sample::median_s),
                cost: [costs[0], costs[1]],
                machine_s: [first.machine_s(), second.machine_s()],
                first,
                second,
            });
        }
        unpriced.sort_unstable();
        unpriced.dedup();
        let tornado = pairs.first().map_or_else(Vec::new, |pair| {
            tornado(&other, pair.first.mean(Sample::median_s), pair.machine_s[1])
        });
        let (rat, currency) = (one.scenario.rat.name().to_owned(), prices.currency.clone());
        Ok(Self { rat, seeds, pairs, tornado, currency, unpriced })
    }
}

/// Seconds as people say them.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "never".to_owned(),
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 100.0 * 60.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A ratio with three digits.
fn times(ratio: f64) -> String {
    match ratio {
        r if r < 9.995 => format!("{r:.2}"),
        r if r < 99.95 => format!("{r:.1}"),
        r => format!("{r:.0}"),
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.interval {
            Some([low, high]) if low < high => {
                format!("{} ({} to {})", times(self.times), times(low), times(high))
            }
            _ => times(self.times),
        };
        f.pad(&text)
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(smallest) = self.pairs.first() else { return Ok(()) };
        let (one, other) = (&smallest.first.scenario, &smallest.second.scenario);
        writeln!(f, "{one} beside {other}, {}, {} seeds", self.rat, self.seeds)?;
        self.table(f, one, other)?;
        for (title, series) in [(one, &smallest.first), (other, &smallest.second)] {
            writeln!(f, "\n{title}, {} device, by step and work", smallest.first.devices)?;
            let mut parts: Vec<_> = series.parts().into_iter().collect();
            parts.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (part, seconds) in parts {
                writeln!(f, "  {part:<26}{:>10}", time(seconds))?;
            }
        }
        self.verdict(f, smallest)?;
        if !self.tornado.is_empty() {
            writeln!(
                f,
                "\nwhat decides it: one estimate at its lowest and highest, the others at their means (computed)"
            )?;
            for Sway { work, low, high } in &self.tornado {
                writeln!(f, "  {work:<26}{:>8} to {}", times(*low), times(*high))?;
            }
        }
        for name in &self.unpriced {
            writeln!(f, "no price for the work of: {name}")?;
        }
        Ok(())
    }
}

impl Comparison {
    fn table(&self, f: &mut fmt::Formatter<'_>, one: &str, other: &str) -> fmt::Result {
        writeln!(f, "\n{:<9}{:<22}{one:>14}{other:>14}   ratio, 95 % interval", "devices", "")?;
        for pair in &self.pairs {
            let (first, second) = (&pair.first, &pair.second);
            let mut devices = first.devices.to_string();
            let mut row = |f: &mut fmt::Formatter<'_>, title: &str, a: String, b: String, ratio: String| {
                let devices = std::mem::take(&mut devices);
                let mut line = String::new();
                write!(line, "{devices:<9}{title:<22}{a:>14}{b:>14}   {ratio}")?;
                writeln!(f, "{}", line.trim_end())
            };
            let ratio = |of: fn(&Sample) -> f64| Ratio::of(first, second, of).to_string();
            for (title, of) in
                [("median", Sample::median_s as fn(&Sample) -> f64), ("95 of 100", Sample::p95_s)]
            {
                row(f, title, time(first.mean(of)), time(second.mean(of)), ratio(of))?;
            }
            let [a, b] = pair.machine_s;
            row(f, "without people", time(a), time(b), times(b / a))?;
            let work = [first, second].map(|series| time(series.mean(Sample::work_s)));
            let [a, b] = work;
            row(f, "work, each device", a, b, String::new())?;
            let [a, b] = pair.cost.map(|cost| format!("{cost:.2} {}", self.currency));
            row(
                f,
                "cost, each device",
                a,
                b,
                if pair.cost[0] > 0.0 { times(pair.cost[1] / pair.cost[0]) } else { String::new() },
            )?;
            let missing =
                [first, second].map(|series| series.samples.iter().map(|one| one.not_ready).sum::<u32>());
            if missing != [0, 0] {
                row(f, "never ready", missing[0].to_string(), missing[1].to_string(), String::new())?;
            }
        }
        Ok(())
    }

    /// Whether the claim holds, in both readings, and from which work on the first is the faster one.
    fn verdict(&self, f: &mut fmt::Formatter<'_>, smallest: &Pair) -> fmt::Result {
        writeln!(f, "\n\"up to 150 % more efficient\", by the time of the median device:")?;
        for (reading, claimed) in [("half as much again", CLAIM_LOW), ("150 % on top", CLAIM_HIGH)] {
            let reached = self.pairs.iter().filter(|pair| pair.ratio.reaches(claimed));
            let reached: Vec<_> = reached.map(|pair| pair.first.devices.to_string()).collect();
            let verdict = match reached.len() {
                0 => "not reproduced".to_owned(),
                all if all == self.pairs.len() => "reproduced".to_owned(),
                _ => format!("reproduced with {} devices only", reached.join(", ")),
            };
            writeln!(f, "  a ratio of {claimed:.1} ({reading}): {verdict}")?;
        }
        let [first, second] = smallest.machine_s;
        let (one, other) = (&smallest.first.scenario, &smallest.second.scenario);
        match first > second {
            true => writeln!(
                f,
                "  without people {other} is the faster one: {one} wins as soon as people spend more than {} on a device",
                time(first - second)
            ),
            false => writeln!(f, "  without people {one} is the faster one as well"),
        }
    }
}
