//! A chart of how fast devices were cut off, as an SVG that stands by itself: a row for each measurement, a mark for each
//! part that followed, on a logarithmic axis.

use std::fmt::Write as _;

use super::axis::LogAxis;
use super::loops::STAGES;
use crate::kernel::Duration;

/// A row of the chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRow {
    /// How it is called.
    pub name: String,
    /// What followed, in the words of [`STAGES`], each with how long after the first bad packet.
    pub stages: Vec<(&'static str, Duration)>,
}

const LEFT: f64 = 190.0;
const WIDTH: f64 = 820.0;
const ROW: f64 = 22.0;
const TOP: f64 = 46.0;
/// The decades of the axis: from 0.1 ms to 1,000 s.
const DECADES: [(f64, &str); 8] = [
    (1e-4, "0.1 ms"),
    (1e-3, "1 ms"),
    (1e-2, "10 ms"),
    (1e-1, "0.1 s"),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (100.0, "100 s"),
    (1e3, "1000 s"),
];

/// The colours of the stages, in the order of [`STAGES`]: told apart without colour vision by their order as well.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#cc79a7", "#000000", "#009e73", "#f0e442", "#56b4e9"];

/// Where a time stands on the axis.
fn x(seconds: f64) -> f64 {
    let (low, high) = (DECADES[0].0, DECADES[DECADES.len() - 1].0);
    LogAxis { from: LEFT, to: WIDTH - 30.0, low, high }.place(seconds)
}

/// The chart of `rows`.
pub fn svg(rows: &[ChartRow]) -> String {
    let bottom = TOP + ROW * rows.len() as f64;
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>From the first bad packet until each part has followed</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
        bottom + 30.0
    );
    for ((stage, colour), place) in STAGES.iter().zip(COLOURS).zip(0..) {
        let left = LEFT + 86.0 * f64::from(place);
        let _ = writeln!(
            out,
            "<circle cx=\"{left:.1}\" cy=\"16\" r=\"5\" fill=\"{colour}\" stroke=\"#333\"/><text x=\"{:.1}\" y=\"20\">{stage}</text>",
            left + 9.0
        );
    }
    for (seconds, name) in DECADES {
        let at = x(seconds);
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} {:.1}V{bottom:.1}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" \
             fill=\"#555\">{name}</text>",
            TOP - 10.0,
            bottom + 18.0
        );
    }
    for (row, place) in rows.iter().zip(0..) {
        let y = TOP + ROW * f64::from(place) + ROW / 2.0 - 6.0;
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 12.0,
            y + 4.0,
            row.name
        );
        if row.stages.is_empty() {
            let _ =
                writeln!(out, "<text x=\"{LEFT:.1}\" y=\"{:.1}\" fill=\"#555\">not cut off</text>", y + 4.0);
        }
        for (stage, after) in &row.stages {
            let colour = STAGES.iter().position(|one| one == stage).map_or("#000", |place| COLOURS[place]);
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\" stroke=\"#333\"/>",
                x(after.as_secs_f64())
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_where_its_time_is() {
        let row = ChartRow {
            name: "scan-fast, 1 beside".to_owned(),
            stages: vec![("alarm", Duration::from_millis(100)), ("ledger", Duration::from_secs(1))],
        };
        let text = svg(&[row, ChartRow { name: "slow".to_owned(), stages: Vec::new() }]);
        let mark = |seconds: f64, colour: &str| {
            format!("cx=\"{:.1}\" cy=\"51.0\" r=\"5\" fill=\"{colour}\"", x(seconds))
        };
        assert!(text.contains(&mark(0.1, COLOURS[0])) && text.contains(&mark(1.0, COLOURS[1])), "{text}");
        assert!(x(1.0) > x(0.1) && x(1e9) <= WIDTH && x(0.0) >= LEFT);
        assert_eq!(text.matches("not cut off").count(), 1);
        assert_eq!(text.matches("<text").count(), text.matches("</text>").count());
    }
}
