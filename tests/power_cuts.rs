//! The battery of a device is pulled out after each message of each step, card exchanges and what comes over the air
//! alike: the device comes back as itself, with the one key that it has ever made and under the identity that it had.

use std::io;
use std::path::{Path, PathBuf};

use cellbed::event::{Body, Event, Step, StepId, Verdict};
use cellbed::lab::Run;
use cellbed::lab::scenario::{Entry, Fault, FaultKind};
use cellbed::ledger::MemoryStore;
use cellbed::report::{RunSummary, View};

/// More messages than any step has.
const MESSAGES_MAX: u32 = 1000;

/// What a run tells of a device's identity, and what went wrong.
#[derive(Default)]
struct Told {
    keys_made: usize,
    /// The identities that the ledger took in.
    registered: Vec<String>,
    certificates: usize,
    refused: Vec<String>,
}

impl View for &mut Told {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let value = |fields: &[(&'static str, String)], wanted: &str| {
            fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        };
        match &event.body {
            Body::Message(message) => {
                self.keys_made += usize::from(message.label.name == "GENERATE KEY PAIR");
                self.certificates += usize::from(message.label.name == "recordCertificate");
            }
            Body::State(state) => {
                if state.change == "none -> registered" {
                    self.registered.extend(value(&state.fields, "id"));
                }
                let reason = value(&state.fields, "reason");
                self.refused.extend(reason.map(|reason| format!("{}: {reason}", state.change)));
            }
            Body::StepStarted { .. } | Body::StepEnded { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        Ok(())
    }
}

fn load(name: &str) -> Run {
    let path = PathBuf::from(format!("lab/scenarios/{name}.toml"));
    Run::load(&path, Path::new("lab/benches/virtual.toml")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn simulate(run: &Run) -> (RunSummary, Told) {
    let mut told = Told::default();
    let mut views: Vec<Box<dyn View + '_>> = vec![Box::new(&mut told)];
    let summary = run.simulate(Box::new(MemoryStore::new()), None, &mut views).unwrap();
    drop(views);
    (summary, told)
}

/// The same run with the power of its device cut in `id` after so many messages; `None` where the step has fewer.
fn cut(scenario: &str, id: StepId, after: u32) -> Option<(RunSummary, Told)> {
    let mut run = load(scenario);
    run.scenario.fault.push(Fault {
        kind: FaultKind::PowerCut,
        device: 1,
        step: Some(id.step),
        nth: Some(id.nth),
        after_messages: Some(after),
    });
    let (summary, told) = simulate(&run);
    let came = |text: &str| text.contains("loses its power after");
    let row = summary.expectations.iter().find(|row| came(&row.text)).expect("the cut is an expectation");
    let was_over = row.verdict == Verdict::Inconclusive;
    (!was_over).then_some((summary, told))
}

/// Cuts the power after each message of each step of `scenario`, and checks that it ends as it does without. Returns
/// how many messages each step has, and what went wrong.
fn cut_everywhere(scenario: &str) -> (Vec<(StepId, u32)>, Vec<String>) {
    let (whole, undisturbed) = simulate(&load(scenario));
    assert_eq!(whole.verdict, Verdict::Pass);
    let (mut lengths, mut wrong) = (Vec::new(), Vec::new());
    for id in load(scenario).scenario.step_ids() {
        let runs = (0..MESSAGES_MAX).map_while(|after| cut(scenario, id, after).map(|run| (after, run)));
        let mut length = 0;
        for (after, (summary, told)) in runs {
            length = after + 1;
            let as_itself =
                told.keys_made == undisturbed.keys_made && told.registered == undisturbed.registered;
            // What the card says of a download that was cut short is as it should be.
            let refused: Vec<_> =
                told.refused.iter().filter(|reason| !reason.ends_with("installation-interrupted")).collect();
            if summary.verdict != Verdict::Pass || !as_itself || !refused.is_empty() {
                wrong.push(format!(
                    "{scenario}, {id} after {after}: {:?}, {} keys, {refused:?}",
                    summary.reason, told.keys_made
                ));
            }
        }
        assert!(length > 0, "{scenario}: the power can be cut in {id}");
        lengths.push((id, length));
    }
    (lengths, wrong)
}

#[test]
fn a_device_with_a_plain_card_comes_back_as_itself_from_a_cut_anywhere() {
    let (lengths, wrong) = cut_everywhere("plain-card");
    assert_eq!(wrong, [] as [String; 0]);
    let of = |step| lengths.iter().find(|(id, _)| id.step == step).map_or(0, |(_, length)| *length);
    // Sound counts: the card alone answers this often in these steps.
    assert!(of(Step::Attach) >= 10 && of(Step::Keys) >= 5 && of(Step::Enrol) >= 5, "{lengths:?}");
}

#[test]
fn a_device_that_has_come_back_once_does_so_again() {
    assert_eq!(cut_everywhere("re-attach").1, [] as [String; 0]);
}

#[test]
fn a_device_with_an_euicc_comes_back_as_itself_from_a_cut_anywhere() {
    assert_eq!(cut_everywhere("zero-touch").1, [] as [String; 0]);
}

/// Where the eIM talks to the SM-DP+ in the place of the device.
#[test]
fn a_device_that_downloads_through_the_eim_comes_back_as_itself_from_a_cut_anywhere() {
    assert_eq!(cut_everywhere("esim-indirect").1, [] as [String; 0]);
}

#[test]
fn a_device_that_comes_back_makes_no_key_and_asks_for_no_certificate() {
    let (summary, told) = simulate(&load("re-attach"));
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reason);
    assert_eq!((told.keys_made, told.registered.len(), told.certificates), (1, 1, 1));
    // Nor does one that goes through all steps once more after its power was cut.
    let mut run = load("re-attach");
    let again = [Step::Attach, Step::Keys, Step::Register, Step::Enrol, Step::Ready].map(Entry::Step);
    let detach = run.scenario.steps.pop();
    let between = cellbed::lab::scenario::Between { power_cut: Some(true), ..Default::default() };
    run.scenario.steps.push(Entry::Between(between));
    run.scenario.steps.extend(again.into_iter().chain(detach));
    let (summary, told) = simulate(&run);
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reason);
    assert_eq!((told.keys_made, told.registered.len(), told.certificates), (1, 1, 1));
    assert_eq!(told.refused, [] as [String; 0]);
}

#[test]
fn a_device_goes_on_when_another_one_has_done_a_step() {
    let mut run = load("plain-card").with_devices(3).unwrap();
    let until = cellbed::lab::scenario::Until { device: 2, step: Step::Ready, nth: None };
    let between = cellbed::lab::scenario::Between { until: Some(until), ..Default::default() };
    run.scenario.steps.insert(2, Entry::Between(between));
    let mut order = Order::default();
    let mut views: Vec<Box<dyn View + '_>> = vec![Box::new(&mut order)];
    let summary = run.simulate(Box::new(MemoryStore::new()), None, &mut views).unwrap();
    drop(views);
    assert_eq!(summary.verdict, Verdict::Pass, "{:?}", summary.reason);
    let place = |device, step| order.0.iter().position(|one| *one == (device, step)).unwrap();
    assert!(place(1, Step::Keys) < place(2, Step::Ready) && place(3, Step::Keys) < place(2, Step::Ready));
    assert!(
        place(2, Step::Ready) < place(1, Step::Register) && place(2, Step::Ready) < place(3, Step::Register)
    );

    // One that waits for what will never be does nothing more, and the run ends.
    run.scenario.device[0].allow = false;
    let (summary, _) = simulate(&run);
    assert_eq!(summary.verdict, Verdict::Fail);
    assert!(summary.virtual_time.as_secs() < 10, "{:?}", summary.virtual_time);
}

/// The ends of steps, in their order.
#[derive(Default)]
struct Order(Vec<(u32, Step)>);

impl View for &mut Order {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Body::StepEnded { device, step, .. } = &event.body {
            self.0.push((*device, step.step));
        }
        Ok(())
    }

    fn finish(&mut self, _: &RunSummary) -> io::Result<()> {
        Ok(())
    }
}
