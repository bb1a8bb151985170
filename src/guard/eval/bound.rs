//! Exact upper bounds, with 95 % confidence: of a proportion (Clopper and Pearson, 1934), and of a rate (Garwood, 1936). At
//! none seen they are the rule of three.

/// The largest proportion under which `count` or fewer of `total` still come in one of twenty cases.
pub fn proportion_upper(count: u64, total: u64) -> f64 {
    if count >= total {
        return 1.0;
    }
    let n = total as f64;
    bisect(1.0, |p| {
        // The sum of the binomial terms, each from the one before.
        let (mut term, mut sum) = ((n * (-p).ln_1p()).exp(), 0.0);
        for k in 0..=count {
            sum += term;
            term *= (n - k as f64) / (k as f64 + 1.0) * p / (1.0 - p);
        }
        sum
    })
}

/// The largest rate under which `count` or fewer events in a time of 1 still come in one of twenty cases.
pub fn poisson_upper(count: u64) -> f64 {
    bisect(count as f64 * 2.0 + 20.0, |rate| {
        let (mut term, mut sum) = ((-rate).exp(), 0.0);
        for k in 0..=count {
            sum += term;
            term *= rate / (k as f64 + 1.0);
        }
        sum
    })
}

/// Where `chance`, which falls, is a twentieth, between 0 and `most`.
fn bisect(most: f64, chance: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if chance(middle) > 0.05 { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of the chi-square distribution give 2.996, 4.744 and 15.71 for 0, 1 and 9 events; 1 - 0.05^(1/n) is exact for
    /// none of n.
    #[test]
    fn bounds_are_those_of_the_tables() {
        for (count, expected) in [(0, 2.996), (1, 4.744), (9, 15.705)] {
            assert!((poisson_upper(count) - expected).abs() < 0.001, "{count}: {}", poisson_upper(count));
        }
        for total in [10, 300, 1_000_000] {
            let expected = 1.0 - 0.05_f64.powf(1.0 / total as f64);
            assert!((proportion_upper(0, total) / expected - 1.0).abs() < 1e-6);
        }
        // 1 of 10: 0.3942 (Clopper and Pearson's own table has 0.394).
        assert!((proportion_upper(1, 10) - 0.3942).abs() < 1e-4);
        assert_eq!(proportion_upper(3, 3), 1.0);
    }
}
