//! What the judge makes of runs that go right, wrong, and nowhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::event::Actor;
use crate::lab::ProfileInfo;
use crate::lab::scenario;
use crate::wire::Reason;
use crate::wire::{Label, Proto};

const END: Instant = Instant::from_nanos(120_000_000_000);

fn judge(rest: &str) -> Judge {
    let profiles =
        BTreeMap::from([("p".to_owned(), ProfileInfo::counting_from("001010000000001".parse().unwrap()))]);
    let source = format!("summary = \"x\"\nsteps = [\"attach\", \"enrol\", \"ready\"]\n{rest}");
    Judge::new(&scenario::check(&source, "x.toml", &profiles).unwrap())
}

fn event(body: Body) -> Event {
    Event::new(Instant::ZERO, body)
}

fn done(judge: &mut Judge, device: u32, step: Step) {
    end(judge, device, StepId::first(step), Outcome::Done { proof: "proved".to_owned() });
}

fn all_done(judge: &mut Judge, device: u32) {
    for step in [Step::Attach, Step::Enrol, Step::Ready] {
        done(judge, device, step);
    }
}

fn refused(judge: &mut Judge, device: u32, step: Step, reason: &str) {
    end(
        judge,
        device,
        StepId::first(step),
        Outcome::Refused { reason: Reason::of(reason), detail: String::new() },
    );
}

fn end(judge: &mut Judge, device: u32, step: StepId, outcome: Outcome) {
    judge.observe(&event(Body::StepStarted { device, step }));
    judge.observe(&event(Body::StepEnded { device, step, took: Duration::ZERO, outcome }));
}

fn message(judge: &mut Judge, from: Actor, name: &'static str) {
    let label = Label::new(Proto::Emm, name);
    judge.observe(&event(Body::Message(Message { from, to: Actor::MME, label, bytes: Vec::new() })));
}

fn verdicts(judgement: &Judgement) -> Vec<Verdict> {
    judgement.rulings.iter().map(|r| r.verdict).collect()
}

const ONE: &str = "[[device]]\nprofile = \"p\"\n";
const REFUSED: &str = "[[device]]\nprofile = \"p\"\n[[expect]]\nstep = \"enrol\"\noutcome = \"refused\"\nreason = \"not-on-allow-list\"\n";

#[test]
fn a_step_that_nothing_is_said_about_must_be_done() {
    let mut judge = judge(ONE);
    all_done(&mut judge, 1);
    let judgement = judge.finish(END);
    assert_eq!((judgement.verdict, judgement.reason), (Verdict::Pass, None));
    assert_eq!(judgement.rulings.len(), 3);
}

#[test]
fn after_an_expected_refusal_nothing_may_be_reached() {
    let mut right = judge(REFUSED);
    assert_eq!(right.expected(1, StepId::first(Step::Ready)), Some(&Expected::NotReached));
    done(&mut right, 1, Step::Attach);
    refused(&mut right, 1, Step::Enrol, "not-on-allow-list");
    assert_eq!(right.finish(END).verdict, Verdict::Pass);

    let mut other_reason = judge(REFUSED);
    done(&mut other_reason, 1, Step::Attach);
    refused(&mut other_reason, 1, Step::Enrol, "key-not-on-ledger");
    let judgement = other_reason.finish(END);
    let reason = "device 1: enrol should be refused: not-on-allow-list, but was refused: key-not-on-ledger";
    assert_eq!((judgement.verdict, judgement.reason.as_deref()), (Verdict::Fail, Some(reason)));

    let mut went_on = judge(REFUSED);
    done(&mut went_on, 1, Step::Attach);
    refused(&mut went_on, 1, Step::Enrol, "not-on-allow-list");
    done(&mut went_on, 1, Step::Ready);
    assert_eq!(verdicts(&went_on.finish(END)), [Verdict::Pass, Verdict::Pass, Verdict::Fail]);
}

#[test]
fn what_a_failure_keeps_from_being_reached_is_inconclusive() {
    let mut judge = judge(ONE);
    refused(&mut judge, 1, Step::Attach, "emm-cause-8");
    assert_eq!(judge.verdict(), Verdict::Fail);
    let judgement = judge.finish(END);
    assert_eq!(verdicts(&judgement), [Verdict::Fail, Verdict::Inconclusive, Verdict::Inconclusive]);
    assert_eq!(judgement.rulings[2].found, "not reached after attach went wrong");
    assert_eq!(judgement.reason.unwrap(), "device 1: attach should be done, but was refused: emm-cause-8");
}

#[test]
fn a_step_that_never_ends_is_a_failure() {
    let mut judge = judge(ONE);
    judge.observe(&event(Body::StepStarted { device: 1, step: StepId::first(Step::Attach) }));
    let judgement = judge.finish(END);
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert_eq!(judgement.rulings[0].found, "begun and not ended when the run stopped at 120.000000 s");
}

#[test]
fn nothing_at_all_is_a_failure() {
    let judgement = judge(ONE).finish(Instant::ZERO);
    assert_eq!(judgement.verdict, Verdict::Fail);
    assert!(judgement.reason.unwrap().starts_with("device 1: attach should be done, but was not reached"));
}

#[test]
fn an_expectation_of_one_device_goes_before_that_of_all() {
    let judge = judge(
        "[[device]]\nprofile = \"p\"\ncount = 2\n[[expect]]\nstep = \"attach\"\noutcome = \"done\"\n\
         [[expect]]\ndevice = 2\nstep = \"attach\"\noutcome = \"refused\"\nreason = \"not-on-allow-list\"\n",
    );
    assert_eq!(judge.expected(1, StepId::first(Step::Attach)), Some(&Expected::Done));
    assert_eq!(
        judge.expected(2, StepId::first(Step::Attach)),
        Some(&Expected::Refused { reason: Reason::NotOnAllowList })
    );
    assert_eq!(judge.expected(1, StepId::first(Step::Enrol)), Some(&Expected::Done));
    assert_eq!(judge.expected(2, StepId::first(Step::Enrol)), Some(&Expected::NotReached));
    assert_eq!(judge.expected(3, StepId::first(Step::Attach)), None);
    assert_eq!(judge.expected(1, StepId::first(Step::Keys)), None);
}

#[test]
fn a_message_counts_for_the_device_that_sends_or_receives_it() {
    let expects =
        "[[device]]\nprofile = \"p\"\ncount = 2\n[[expect]]\ndevice = 2\nseen = \"EMM Attach Reject\"\n";
    let with = |from| {
        let mut judge = judge(expects);
        for device in [1, 2] {
            all_done(&mut judge, device);
        }
        message(&mut judge, from, "Attach Reject");
        judge.finish(END)
    };
    assert_eq!(with(Actor::ue(2)).verdict, Verdict::Pass);
    let missing = with(Actor::ue(1));
    let reason = "device 2: EMM Attach Reject was never seen";
    assert_eq!((missing.verdict, missing.reason.as_deref()), (Verdict::Fail, Some(reason)));
}

#[test]
fn the_first_reason_is_kept_while_the_verdict_worsens() {
    let mut judge = judge(ONE);
    refused(&mut judge, 1, Step::Attach, "not-on-allow-list");
    judge.bench_error("the disk is full");
    let judgement = judge.finish(END);
    assert_eq!(judgement.verdict, Verdict::Error);
    assert_eq!(
        judgement.reason.unwrap(),
        "device 1: attach should be done, but was refused: not-on-allow-list"
    );
}

#[test]
fn a_step_that_was_not_asked_for_is_the_benchs_fault() {
    let mut judge = judge(ONE);
    done(&mut judge, 1, Step::Keys);
    done(&mut judge, 9, Step::Attach);
    assert_eq!(judge.verdict(), Verdict::Error);
}

#[test]
fn what_is_said_of_one_time_goes_before_what_is_said_of_every_time() {
    let profiles =
        BTreeMap::from([("p".to_owned(), ProfileInfo::counting_from("001010000000001".parse().unwrap()))]);
    let source = "summary = \"x\"\nsteps = [\"attach\", \"detach\", \"attach\", \"detach\", \"attach\"]\n\
        [[device]]\nprofile = \"p\"\ncount = 2\n\
        [[expect]]\nstep = \"attach\"\noutcome = \"done\"\n\
        [[expect]]\nstep = \"attach\"\nnth = 3\noutcome = \"refused\"\nreason = \"not-on-allow-list\"\n\
        [[expect]]\ndevice = 2\nstep = \"attach\"\noutcome = \"not-reached\"\n\
        [[expect]]\ndevice = 2\nstep = \"attach\"\nnth = 2\noutcome = \"done\"\n";
    let judge = Judge::new(&scenario::check(source, "x.toml", &profiles).unwrap());
    let of = |device, nth| judge.expected(device, StepId { step: Step::Attach, nth }).cloned().unwrap();
    let refused = Expected::Refused { reason: Reason::NotOnAllowList };
    assert_eq!([of(1, 1), of(1, 2), of(1, 3)], [Expected::Done, Expected::Done, refused]);
    assert_eq!([of(2, 1), of(2, 2), of(2, 3)], [Expected::NotReached, Expected::Done, Expected::NotReached]);
    assert_eq!(judge.expected(1, StepId { step: Step::Attach, nth: 4 }), None);
}

#[test]
fn a_power_cut_that_does_not_come_puts_nothing_to_the_test() {
    let cut = "[[device]]\nprofile = \"p\"\n\
        [[fault]]\nkind = \"power-cut\"\ndevice = 1\nstep = \"enrol\"\nafter_messages = 9\n";
    let pulled = |judge: &mut Judge, device| {
        judge.observe(&event(Body::note(Actor::device(device), POWER_CUT, Vec::new())));
    };
    let mut came = judge(cut);
    done(&mut came, 1, Step::Attach);
    came.observe(&event(Body::StepStarted { device: 1, step: StepId::first(Step::Enrol) }));
    pulled(&mut came, 1);
    done(&mut came, 1, Step::Enrol);
    done(&mut came, 1, Step::Ready);
    assert_eq!(came.finish(END).verdict, Verdict::Pass);

    let mut elsewhere = judge(cut);
    all_done(&mut elsewhere, 1);
    pulled(&mut elsewhere, 1);
    let judgement = elsewhere.finish(END);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
    let reason = "device 1: enrol was over before its power cut after 9 messages";
    assert_eq!(judgement.reason.as_deref(), Some(reason));
}

#[test]
fn what_an_interrupted_run_has_not_come_to_is_not_judged() {
    let mut judge = judge("[[device]]\nprofile = \"p\"\n[[expect]]\nseen = \"EMM Attach reject\"\n");
    done(&mut judge, 1, Step::Attach);
    judge.observe(&event(Body::StepStarted { device: 1, step: StepId::first(Step::Enrol) }));
    judge.interrupted(END);
    let judgement = judge.finish(END);
    assert_eq!(judgement.verdict, Verdict::Interrupted);
    assert_eq!(judgement.reason.as_deref(), Some("the run was interrupted at 120.000000 s"));
    let verdicts: Vec<Verdict> = judgement.rulings.iter().map(|ruling| ruling.verdict).collect();
    use Verdict::{Inconclusive, Pass};
    assert_eq!(verdicts, [Pass, Inconclusive, Inconclusive, Inconclusive]);
}
