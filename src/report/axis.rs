//! The logarithmic axis of the charts.

/// A logarithmic axis from one place of a picture to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogAxis {
    /// Where `low` stands.
    pub from: f64,
    /// Where `high` stands.
    pub to: f64,
    /// The least value, more than zero.
    pub low: f64,
    /// The greatest value, at least `low`.
    pub high: f64,
}

impl LogAxis {
    /// Where a value stands. On an axis of one value that is the middle; what is off the axis stands at its end.
    pub fn place(&self, value: f64) -> f64 {
        let span = (self.high / self.low).ln();
        let share = if span > 0.0 { (value.clamp(self.low, self.high) / self.low).ln() / span } else { 0.5 };
        self.from + share * (self.to - self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_decade_is_as_long_as_another_and_nothing_stands_off_the_axis() {
        let axis = LogAxis { from: 100.0, to: 400.0, low: 0.01, high: 10.0 };
        for (value, place) in
            [(0.01, 100.0), (0.1, 200.0), (1.0, 300.0), (10.0, 400.0), (0.0, 100.0), (1e9, 400.0)]
        {
            assert!((axis.place(value) - place).abs() < 1e-9, "{value}");
        }
        let down = LogAxis { from: 400.0, to: 100.0, ..axis };
        assert!((down.place(0.1) - 300.0).abs() < 1e-9);
        assert!((LogAxis { low: 10.0, ..axis }.place(10.0) - 250.0).abs() < 1e-9);
    }
}
