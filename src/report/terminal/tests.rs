//! Every status line, as the terminal shows it.

use super::super::sample;
use super::*;
use crate::event::Step;
use crate::wire::Reason;

const PLAIN: Style = Style { colour: false, live: false, width: 100 };

fn screen(devices: u32, style: Style) -> String {
    let (events, summary) = sample::run(devices);
    show(&events, &summary, style)
}

fn show(events: &[Event], summary: &RunSummary, style: Style) -> String {
    let mut out = Vec::new();
    let mut view = Terminal::new(&mut out, &summary.facts, style).expect("memory takes it");
    events.iter().for_each(|event| view.event(event).expect("memory takes it"));
    view.finish(summary).expect("memory takes it");
    String::from_utf8(out).expect("a screen is text")
}

#[test]
fn one_device() {
    insta::assert_snapshot!(screen(1, PLAIN));
}

#[test]
fn a_refusal_on_a_narrow_screen() {
    insta::assert_snapshot!(screen(2, Style { width: 72, ..PLAIN }));
}

#[test]
fn many_devices_are_a_line_per_step() {
    insta::assert_snapshot!(screen(12, PLAIN));
}

#[test]
fn every_verdict() {
    let (_, mut summary) = sample::run(1);
    let verdicts = [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail, Verdict::Error];
    summary.steps.truncate(verdicts.len());
    for (row, verdict) in summary.steps.iter_mut().zip(verdicts) {
        row.verdict = verdict;
        row.cpu_time = None;
    }
    summary.verdict = Verdict::Error;
    summary.reason = Some("dev1 keys: nothing was proved".to_owned());
    insta::assert_snapshot!(show(&[], &summary, PLAIN));
}

#[test]
fn the_line_at_the_bottom_is_overwritten_and_gone_in_the_end() {
    // Wide enough that nothing is cut.
    let wide = Style { width: 160, ..PLAIN };
    let screen = screen(2, Style { live: true, ..wide });
    assert!(screen.contains("… dev1 attach, dev2 attach"), "{screen}");
    // What a terminal would show: each line after its last erasure.
    let shown: Vec<&str> =
        screen.lines().map(|line| line.rsplit("\r\x1b[K").next().unwrap_or(line)).collect();
    assert_eq!(shown, self::screen(2, wide).lines().collect::<Vec<_>>());
}

#[test]
fn colours_change_nothing_but_colour() {
    let coloured = screen(2, Style { colour: true, ..PLAIN });
    assert!(coloured.contains("\x1b["));
    let mut plain = String::new();
    let mut in_escape = false;
    for c in coloured.chars() {
        match (in_escape, c) {
            (false, '\x1b') => in_escape = true,
            (false, c) => plain.push(c),
            (true, c) => in_escape = c != 'm',
        }
    }
    assert_eq!(plain, screen(2, PLAIN));
}

#[test]
fn nothing_from_outside_moves_the_cursor() {
    let (mut events, mut summary) = sample::run(1);
    let hostile = "\x1b[2J\r\nPASS";
    for event in &mut events {
        if let Body::StepEnded { outcome, .. } = &mut event.body {
            *outcome = Outcome::Refused { reason: Reason::of(hostile), detail: hostile.to_owned() };
        }
    }
    summary.facts.scenario = hostile.to_owned();
    summary.verdict = Verdict::Fail;
    summary.reason = Some(hostile.to_owned());
    summary.rerun = hostile.to_owned();
    summary.steps.iter_mut().for_each(|row| row.finding = hostile.to_owned());
    summary.expectations.iter_mut().for_each(|row| row.found = hostile.to_owned());
    assert!(!show(&events, &summary, PLAIN).contains(['\x1b', '\r']));
}

#[test]
fn steps_that_are_repeated_keep_the_columns() {
    let (events, mut summary) = sample::run(1);
    summary.facts.plan.push(StepId { step: Step::Register, nth: 2 });
    let screen = show(&events, &summary, PLAIN);
    assert!(screen.contains("1/7 attach     IP session"), "{screen}");
    assert!(screen.contains("3/7 register   device"), "{screen}");
}

#[test]
fn a_screen_is_as_wide_as_it_is_and_what_is_no_screen_is_whole() {
    let width = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    let live = |columns| screen(1, Style { live: true, width: columns, ..PLAIN }).replace("\r\x1b[K", "\n");
    let narrow = live(40);
    let rule = narrow.lines().find(|line| line.starts_with('─')).unwrap();
    assert_eq!(rule.chars().count(), 40);
    assert!(!narrow.contains("CPU  "), "{narrow}");
    assert!(width(&live(200)) >= 200 && live(200).lines().any(|line| line == "─".repeat(200)));
    let (mut events, summary) = sample::run(1);
    let long = "word ".repeat(60);
    for event in &mut events {
        if let Body::StepEnded { outcome: Outcome::Done { proof }, .. } = &mut event.body {
            proof.clone_from(&long);
        }
    }
    assert!(show(&events, &summary, PLAIN).contains(long.trim_end()));
    assert!(!show(&events, &summary, Style { live: true, ..PLAIN }).contains(long.trim_end()));
}

#[test]
fn times_of_a_run_with_somebody_outside_are_real() {
    let (events, mut summary) = sample::run(1);
    assert!(show(&events, &summary, PLAIN).contains("   virtual"));
    summary.facts.outside = vec!["enb1".to_owned()];
    assert!(show(&events, &summary, PLAIN).contains("      real"));
}
