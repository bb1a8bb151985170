//! A picture of a comparison: the time of the median device against the number of devices, both on logarithmic scales.

use std::fmt::Write;

use super::Sample;
use super::comparison::{Comparison, time};
use crate::report::axis::LogAxis;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 46.0;
/// Of the first and the second scenario.
const COLOURS: [&str; 2] = ["#0b7285", "#c2410c"];

/// The times that are marked, in seconds, with how people say them.
const TICKS: [(f64, &str); 10] = [
    (0.001, "1 ms"),
    (0.01, "10 ms"),
    (0.1, "100 ms"),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3_600.0, "1 h"),
    (36_000.0, "10 h"),
    (360_000.0, "100 h"),
];

impl Comparison {
    /// The picture, as an SVG document. Names are those of files of the lab: letters, digits and dashes.
    pub fn svg(&self) -> String {
        let medians: Vec<[f64; 2]> = self
            .pairs
            .iter()
            .map(|pair| [&pair.first, &pair.second].map(|series| series.mean(Sample::median_s)))
            .collect();
        let values = || medians.iter().flatten().copied().filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let devices = || self.pairs.iter().map(|pair| f64::from(pair.first.devices));
        let x = LogAxis {
            from: LEFT,
            to: WIDTH - RIGHT,
            low: devices().fold(f64::INFINITY, f64::min),
            high: devices().fold(0.0, f64::max),
        };
        let floor = 10_f64.powf(low.log10().floor());
        let y = LogAxis { from: HEIGHT - BOTTOM, to: TOP, low: floor, high: high.max(floor * 10.0) };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"bold\">Time until the median device is ready ({})</text>\n",
            self.rat
        );
        for (tick, label) in TICKS.into_iter().filter(|(tick, _)| (y.low..=y.high).contains(tick)) {
            let at = y.place(tick);
            let end = WIDTH - RIGHT;
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{end}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{}</text>\n",
                LEFT - 8.0,
                at + 4.0,
                label
            );
        }
        for count in devices() {
            let at = x.place(count);
            let _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">{count}</text>",
                HEIGHT - BOTTOM + 20.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555\">devices</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0
        );
        for (which, colour) in COLOURS.into_iter().enumerate() {
            let points: Vec<_> =
                devices().zip(&medians).map(|(count, pair)| (x.place(count), y.place(pair[which]))).collect();
            let line: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                line.join(" ")
            );
            for ((x, y), pair) in points.iter().zip(&medians) {
                let _ = write!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>\n\
                     <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{colour}\">{}</text>\n",
                    y - 9.0,
                    time(pair[which])
                );
            }
            if let (Some((_, y)), Some(pair)) = (points.last(), self.pairs.first()) {
                let name = [&pair.first, &pair.second][which].scenario.as_str();
                let _ = writeln!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\" font-weight=\"bold\">{name}</text>",
                    WIDTH - RIGHT + 24.0,
                    y + 4.0
                );
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}
