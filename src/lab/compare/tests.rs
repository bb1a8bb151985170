use std::path::PathBuf;

use super::*;

fn load(name: &str) -> Result<Run, LabError> {
    let lab = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lab");
    Run::load(&lab.join(format!("scenarios/{name}.toml")), &lab.join("benches/virtual.toml"))
}

fn compare(first: &str, second: &str) -> Result<Comparison, LabError> {
    let prices = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("lab/prices.toml");
    let prices = Prices::load(&prices)?;
    Comparison::of(&|| load(first), &|| load(second), &[1, 3], 2, &prices, |_| ())
}

#[test]
fn what_takes_people_takes_longer_and_says_what_for() {
    let comparison = compare("plain-card", "traditional").unwrap();
    insta::assert_snapshot!(comparison);
    insta::assert_snapshot!("picture", comparison.svg());
    let [one, three] = &comparison.pairs[..] else { panic!("two") };
    // Each ratio is that of the runs, and what people do is between the least and the most that the scenario says.
    let sample = &one.second.samples[0];
    let works = &load("traditional").unwrap().scenario.work;
    let least: u32 = works.iter().map(|work| work.low_s).sum();
    let most: u32 = works.iter().map(|work| work.high_s).sum();
    let worked = sample.work_s();
    assert!(f64::from(least) <= worked && worked <= f64::from(most) * 10.0, "{worked}");
    assert!((sample.median_s() - worked - one.machine_s[1]).abs() < 0.1, "one device waits for nobody else");
    // Of three devices the last waits for the technician twice.
    assert!(three.second.samples[0].p95_s() > three.second.samples[0].median_s());
    assert!(one.ratio.times > 100.0 && three.ratio.reaches(CLAIM_HIGH) && !three.ratio.reaches(1e9));
}

#[test]
fn a_scenario_beside_itself_is_as_fast() {
    let comparison = compare("plain-card", "plain-card").unwrap();
    let Ratio { times, interval } = comparison.pairs[0].ratio;
    assert_eq!((times, interval), (1.0, Some([1.0, 1.0])));
    assert!(comparison.to_string().contains("a ratio of 1.5 (half as much again): not reproduced"));
}

#[test]
fn a_ratio_reaches_what_its_whole_interval_does() {
    let ratio = |times, interval| Ratio { times, interval };
    assert!(ratio(2.5, None).reaches(2.5) && ratio(3.0, Some([2.5, 3.6])).reaches(2.5));
    assert!(!ratio(2.4999, None).reaches(2.5) && !ratio(3.0, Some([2.49, 3.6])).reaches(2.5));
}

#[test]
fn the_widest_estimate_decides_most() {
    let run = load("traditional").unwrap();
    let rows = tornado(&run, 2.0, 1.0);
    let mean: f64 = run.scenario.work.iter().map(|work| work.takes().mean().as_secs_f64()).sum();
    let widest = rows.first().unwrap();
    assert_eq!((rows.len(), widest.work.as_str()), (5, "configure-device"));
    // 120 and 900 s in the place of a mean of 440 s.
    assert!((widest.low - (1.0 + mean - 440.0 + 120.0) / 2.0).abs() < 1e-9);
    assert!((widest.high - (1.0 + mean - 440.0 + 900.0) / 2.0).abs() < 1e-9);
    assert!(rows.is_sorted_by(|one, other| one.high - one.low >= other.high - other.low));
}

#[test]
fn devices_that_never_become_ready_are_counted() {
    let sample = |ready_s: &[f64], not_ready| Sample {
        seed: 1,
        ready_s: ready_s.to_vec(),
        not_ready,
        staff_s: [("clerk".to_owned(), 30.0)].into(),
        parts_s: BTreeMap::new(),
    };
    let (some, none) = (sample(&[1.0, 2.0], 1), sample(&[], 3));
    assert_eq!((some.devices(), some.work_s(), some.p95_s()), (3.0, 10.0, 2.0));
    assert!(none.median_s().is_nan());
    let series = |sample| Series { scenario: "x".to_owned(), devices: 3, samples: vec![sample] };
    let ratio = Ratio::of(&series(some), &series(none), Sample::median_s);
    assert!(!ratio.reaches(CLAIM_LOW), "of nothing nothing follows");
}
