//! JUnit XML for CI systems: a suite per scenario, a test case per step of each device and per expectation; one for all
//! devices that are only counted.
//! Times are virtual, so that the file is a function of the run's inputs.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::summary::verdict_name;
use super::{RunSummary, View, text};
use crate::event::{Event, Verdict};

/// Writes the JUnit report.
pub struct Junit<W> {
    out: W,
}

impl<W: Write> Junit<W> {
    /// Will write to `out` once the run has ended.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> View for Junit<W> {
    fn event(&mut self, _: &Event) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, summary: &RunSummary) -> io::Result<()> {
        let mut report = Report::new("cellbed");
        report.set_time(summary.virtual_time);
        report.add_test_suite(suite(summary));
        report.serialize(&mut self.out).map_err(io::Error::other)?;
        self.out.flush()
    }
}

fn suite(summary: &RunSummary) -> TestSuite {
    let facts = &summary.facts;
    let mut suite = TestSuite::new(facts.scenario.as_str());
    suite.set_time(summary.virtual_time);
    suite.add_property(("bench", facts.bench.as_str()));
    suite.add_property(("seed", facts.seed.to_string().as_str()));
    suite.add_property(("rerun", summary.rerun.as_str()));
    suite.add_property(("verdict", verdict_name(summary.verdict)));
    for version in &summary.versions {
        suite.add_property((format!("version.{}", version.name).as_str(), version.value.as_str()));
    }
    if let Some(registration) = &facts.registration {
        suite.add_property(("registration", registration.as_str()));
    }
    if let Some(why) = facts.recorded() {
        suite.add_property(("recorded", why.as_str()));
    }
    if let Some(left_out) = &summary.left_out {
        suite.add_property(("left-out", left_out.told().as_str()));
    }
    if let Some(gathered) = summary.gathered.as_ref().filter(|gathered| gathered.devices > 0) {
        let mut case = TestCase::new("devices-as-expected", TestCaseStatus::success());
        case.set_classname(facts.scenario.as_str());
        case.set_system_out(format!(
            "{} went as expected, {} and {} in all; each other device has its own cases",
            text::count(gathered.devices.into(), "device"),
            text::count(gathered.steps, "step"),
            text::count(gathered.expectations, "other expectation")
        ));
        suite.add_test_case(case);
    }
    for row in &summary.steps {
        let mut case = TestCase::new(row.step.to_string(), status(row.verdict, &row.told()));
        case.set_classname(format!("{}.dev{}", facts.scenario, row.device));
        case.set_time(row.virtual_time);
        if row.verdict == Verdict::Pass {
            case.set_system_out(row.told());
        }
        suite.add_test_case(case);
    }
    for row in &summary.expectations {
        let mut case = TestCase::new(row.text.as_str(), status(row.verdict, &row.found));
        case.set_classname(format!("{}.expectations", facts.scenario));
        suite.add_test_case(case);
    }
    if !rows_show(summary, summary.verdict) {
        let why = summary.reason.as_deref().unwrap_or("no reason was given");
        let mut case = TestCase::new("run", status(summary.verdict, why));
        case.set_classname(facts.scenario.as_str());
        suite.add_test_case(case);
    }
    suite
}

/// Whether a reader of the rows alone would learn of `verdict`: a fault of the bench may belong to no step.
fn rows_show(summary: &RunSummary, verdict: Verdict) -> bool {
    let steps = summary.steps.iter().map(|row| row.verdict);
    let expectations = summary.expectations.iter().map(|row| row.verdict);
    verdict == Verdict::Pass || steps.chain(expectations).any(|shown| shown == verdict)
}

/// An inconclusive result did not fail and proved nothing: JUnit's word for it is skipped.
fn status(verdict: Verdict, why: &str) -> TestCaseStatus {
    let mut status = match verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Inconclusive => TestCaseStatus::skipped(),
        Verdict::Interrupted => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    status.set_message(why);
    status
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn junit(summary: &RunSummary) -> String {
        let mut out = Vec::new();
        Junit::new(&mut out).finish(summary).expect("memory takes it");
        String::from_utf8(out).expect("XML is text")
    }

    #[test]
    fn every_verdict_has_its_element() {
        let (_, mut summary) = sample::run(1);
        let verdicts = [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail, Verdict::Error];
        for (row, verdict) in summary.steps.iter_mut().zip(verdicts) {
            row.verdict = verdict;
        }
        summary.steps.truncate(verdicts.len());
        insta::assert_snapshot!(junit(&summary));
    }

    #[test]
    fn a_fault_that_belongs_to_no_step_has_its_own_case() {
        let (_, mut summary) = sample::run(1);
        summary.verdict = Verdict::Error;
        summary.reason = Some("the event queue ran dry".to_owned());
        let text = junit(&summary);
        assert!(text.contains(r#"<error message="the event queue ran dry"/>"#), "{text}");
    }

    #[test]
    fn hostile_texts_are_text() {
        let (_, mut summary) = sample::run(1);
        summary.facts.scenario = "</testsuite><script>\u{0}\"".to_owned();
        summary.steps[0].verdict = Verdict::Fail;
        summary.steps[0].finding = "]]>\u{1b}[31m&<".to_owned();
        let text = junit(&summary);
        assert!(!text.contains("<script>") && !text.contains(['\0', '\x1b']), "{text}");
        quick_junit::Report::deserialize_from_str(&text).expect("it is a JUnit report still");
    }
}
