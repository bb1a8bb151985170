//! Figures over devices and seeds.

/// The value below which a share of `part` of `sorted` lies (nearest rank).
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).or(sorted.last()).copied().unwrap_or(f64::NAN)
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Half the width of the 95 % confidence interval of the mean, by Student's t; none of fewer than two values.
pub fn half_width(values: &[f64]) -> Option<f64> {
    let n = values.len();
    if n < 2 {
        return None;
    }
    let mean = mean(values);
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    Some(student(n - 1) * (variance / n as f64).sqrt())
}

/// The quantile 0.975 of Student's distribution with so many degrees of freedom; beyond 30, of 30.
fn student(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    TABLE[degrees.clamp(1, TABLE.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([0.0, 0.5, 0.95, 1.0].map(|part| quantile(&hundred, part)), [1.0, 50.0, 95.0, 100.0]);
        assert_eq!(quantile(&[3.0], 0.95), 3.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    /// The mean of 1 to 5 is 3, the standard error sqrt(2.5 / 5), and t of four degrees of freedom 2.776.
    #[test]
    fn an_interval_is_as_wide_as_student_says() {
        let five = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(mean(&five), 3.0);
        assert!((half_width(&five).unwrap() - 2.776 * 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(half_width(&[1.0]), None);
        assert_eq!(half_width(&[2.0, 2.0]), Some(0.0));
    }
}
