//! The page: whole, safe, bounded, and the same each time.

use super::super::sample;
use super::*;
use crate::event::{Step, Verdict};
use crate::wire::Label;
use crate::wire::Reason;

fn page(events: &[Event], summary: &RunSummary) -> String {
    let mut out = Vec::new();
    let mut view = Html::new(&mut out, &summary.facts);
    events.iter().for_each(|event| view.event(event).expect("memory takes it"));
    view.finish(summary).expect("memory takes it");
    String::from_utf8(out).expect("a page is text")
}

/// Every element that is opened is closed, in order. Void elements and the text of script and style aside.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 2] = ["meta", "input"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').expect("each tag ends");
        let tag = &rest[..end];
        let name = tag.split([' ', '/', '\n']).find(|part| !part.is_empty()).unwrap_or("");
        rest = &rest[end + 1..];
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "at {:.80}", rest);
        } else if matches!(name, "script" | "style") {
            let close = format!("</{name}>");
            rest = &rest[rest.find(&close).expect("it is closed") + close.len()..];
        } else if !tag.starts_with('!') && !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn pages_are_well_formed_and_repeatable() {
    for devices in [1, 2, 3, 12] {
        let (events, summary) = sample::run(devices);
        let first = page(&events, &summary);
        assert_well_formed(&first);
        assert_eq!(first, page(&events, &summary));
    }
}

#[test]
fn a_run_without_events_has_a_page() {
    let (_, mut summary) = sample::run(1);
    summary.steps.clear();
    summary.expectations.clear();
    summary.counters.clear();
    assert_well_formed(&page(&[], &summary));
}

#[test]
fn a_page_of_half_a_log_says_so() {
    let (events, summary) = sample::run(1);
    let mut out = Vec::new();
    let mut view = Html::new(&mut out, &summary.facts);
    events.iter().take(9).for_each(|event| view.event(event).expect("memory takes it"));
    view.log_is_not_whole();
    view.finish(&summary).expect("memory takes it");
    let page = String::from_utf8(out).expect("a page is text");
    assert_well_formed(&page);
    assert!(page.contains("is not whole"));
}

#[test]
fn nothing_is_fetched() {
    let (events, summary) = sample::run(2);
    let page = page(&events, &summary);
    for reference in ["http://", "https://", "url(", "@import", "src="] {
        assert!(!page.replace("http-equiv", "").contains(reference), "{reference}");
    }
}

#[test]
fn hostile_names_are_text() {
    const HOSTILE: &str = "</style></script><script>alert(1)</script>\"'><img onerror=x>\u{202e}";
    let (_, mut summary) = sample::run(1);
    summary.facts.scenario = HOSTILE.to_owned();
    summary.facts.summary = HOSTILE.to_owned();
    summary.facts.bench = HOSTILE.to_owned();
    summary.reason = Some(HOSTILE.to_owned());
    summary.rerun = HOSTILE.to_owned();
    summary.steps[0].finding = HOSTILE.to_owned();
    summary.expectations[0].text = HOSTILE.to_owned();
    summary.expectations[0].found = HOSTILE.to_owned();
    summary.versions[0].name = HOSTILE.to_owned();
    summary.versions[0].value = HOSTILE.to_owned();
    summary.counters.insert(HOSTILE.to_owned(), 1);
    let at = Instant::ZERO;
    let label = Label::new(Proto::Http, HOSTILE).with("field", HOSTILE);
    let bytes = HOSTILE.as_bytes().to_vec();
    let message = Message { from: Actor::device(1), to: Actor::CA, label, bytes };
    let fields = vec![("field", HOSTILE.to_owned())];
    let state = StateChange { actor: Actor::CA, machine: "m", change: HOSTILE.into(), fields };
    let outcome = Outcome::Refused { reason: Reason::of(HOSTILE), detail: HOSTILE.to_owned() };
    let took = Duration::ZERO;
    let events = [
        Event::new(at, Body::StepStarted { device: 1, step: StepId::first(Step::Attach) }),
        Event::new(at, Body::Message(message)),
        Event::new(at, Body::State(state)),
        Event::new(at, Body::StepEnded { device: 1, step: StepId::first(Step::Attach), took, outcome }),
    ];
    let page = page(&events, &summary);
    assert_well_formed(&page);
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(!page.contains("<img") && !page.contains('\u{202e}'));
}

#[test]
fn a_large_run_has_a_bounded_page_that_says_so() {
    let (_, summary) = sample::run(12);
    let message = |from, i: u64| {
        let label = Label::new(Proto::S1ap, "Paging");
        let body = Body::Message(Message { from, to: Actor::MME, label, bytes: vec![0; 5000] });
        Event::new(Instant::from_nanos(i), body)
    };
    let mut events = Vec::new();
    for i in 0..6000 {
        events.push(message(Actor::enb(1), i));
        events.push(message(Actor::ue(1), i));
        events.push(message(Actor::ue(9), i));
    }
    let page = page(&events, &summary);
    assert_eq!(page.matches("<details").count(), DEVICE_ROWS_MAX + NETWORK_ROWS_MAX);
    assert!(
        page.contains("6000 rows of other devices than the first 3; 7000 rows that came when it was full;")
    );
    assert!(page.len() < 12 << 20, "{}", page.len());
}

#[test]
fn what_the_network_does_for_a_device_goes_with_that_device() {
    let (events, summary) = sample::run(3);
    let page = page(&events, &summary);
    for name in ["InitialUEMessage", "Authentication-Information-Answer"] {
        let of = |device: u32| {
            let row = |line: &&str| line.contains(&format!("<b>{name}</b>")) && line.contains("<summary>");
            page.lines().filter(row).filter(|line| line.contains(&format!("data-d=\"{device}\""))).count()
        };
        assert_eq!([of(1), of(2), of(3)], [1, 1, 1], "{name}");
    }
}

#[test]
fn a_refusal_that_was_expected_shows() {
    let (events, mut summary) = sample::run(2);
    let row = |row: &&mut crate::report::StepRow| row.ending == crate::report::Ending::Refused;
    summary.steps.iter_mut().find(row).expect("one is refused").verdict = Verdict::Pass;
    let page = page(&events, &summary);
    assert!(page.contains("<span class=\"remark is-pass\">refused as expected</span> not-on-allow-list"));
}

#[test]
fn every_verdict_is_a_word_and_a_sign() {
    let (events, mut summary) = sample::run(1);
    let verdicts = [Verdict::Pass, Verdict::Inconclusive, Verdict::Fail, Verdict::Error];
    for (row, verdict) in summary.steps.iter_mut().zip(verdicts) {
        row.verdict = verdict;
    }
    let page = page(&events, &summary);
    for word in ["pass", "inconclusive", "fail", "error"] {
        assert!(page.contains(&format!("</svg>{word}</span>")), "{word}");
    }
}

/// `CELLBED_SAMPLE_PAGES=DIR cargo test sample_pages` leaves pages of made-up runs to look at.
#[test]
fn sample_pages() {
    let Some(dir) = std::env::var_os("CELLBED_SAMPLE_PAGES") else { return };
    for devices in [1, 3, 12] {
        let (events, summary) = sample::run(devices);
        let path = std::path::Path::new(&dir).join(format!("{devices}.html"));
        std::fs::write(path, page(&events, &summary)).expect("the directory can be written to");
    }
}
