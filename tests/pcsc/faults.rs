//! A card that fails in the middle of a run: the verdict is `error`, with the reason, and nothing hangs.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use cellbed::card::{CardPort, SimProfile, Uicc};
use cellbed::io::vpcd::{Link, Request};
use cellbed::kernel::RngTree;
use cellbed::world::factory::virtual_card;
use cellbed::world::setup::trust_anchor;

use super::lab::{Lab, PROFILE};
use super::run::bench;

/// In the middle of the procedure: attached, the key being made.
const COMMANDS: u32 = 20;

/// What the device does whose card fails.
const SCENARIO: &str = "lab/scenarios/plain-card.toml";

/// The card that `cellbed card serve` serves.
pub fn uicc() -> Uicc {
    let profile = SimProfile::parse(&fs::read_to_string(PROFILE).unwrap()).unwrap().personalise(0).unwrap();
    virtual_card(&profile, 1, &RngTree::new(7), &trust_anchor(7).unwrap()).unwrap()
}

/// Answers some commands, then calls `fail` once, and leaves if that says so; otherwise it falls silent.
fn card(mut link: Link, fail: impl FnOnce() -> bool) {
    let mut uicc = uicc();
    let mut commands = 0;
    while let Ok(Some(request)) = link.receive() {
        match request {
            Request::Atr => {
                let atr = uicc.reset().unwrap();
                link.answer(&atr).unwrap();
            }
            Request::Command(command) => {
                commands += 1;
                if commands > COMMANDS {
                    break;
                }
                let response = uicc.transmit(&command).unwrap();
                link.answer(&response).unwrap();
            }
            Request::PowerOff | Request::PowerOn | Request::Reset => {}
        }
    }
    if !fail() {
        while let Ok(Some(_)) = link.receive() {}
    }
}

/// What a run says and leaves when its card fails.
fn run(lab: &Lab, fail: impl FnOnce() -> bool + Send + 'static) -> String {
    let link = Link::connect(&lab.vpcd().parse().unwrap()).unwrap();
    let card = thread::spawn(move || card(link, fail));
    lab.wait_for_card();
    let runs = lab.path().join("runs");
    let began = Instant::now();
    let bench = bench(lab.path(), "0");
    let output = lab.cellbed(&["run", SCENARIO, "--bench", &bench, "--runs", runs.to_str().unwrap()]);
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?}", began.elapsed());
    // A fault of the bench while it runs.
    assert_eq!(output.status.code(), Some(97));
    drop(card);
    let transcript = fs::read_to_string(runs.join("last/transcript.txt")).unwrap();
    assert!(transcript.contains("\n== verdict error: "), "{transcript}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_card_that_is_pulled_out() {
    let Some(lab) = Lab::start_with_readers("a card that is pulled out ends a run with its reason") else {
        return;
    };
    let said = run(&lab, || true);
    assert!(said.contains("the card was removed"), "{said}");
}

#[test]
fn a_card_that_falls_silent() {
    let Some(lab) = Lab::start_with_readers("a card that falls silent ends a run with its reason") else {
        return;
    };
    let said = run(&lab, || false);
    assert!(said.contains("the card did not answer within 10 s"), "{said}");
}

#[test]
fn a_service_that_is_stopped() {
    let Some(lab) = Lab::start_with_readers("a PC/SC service that is stopped ends a run with its reason")
    else {
        return;
    };
    let pid = lab.service_pid().to_string();
    let said = run(&lab, move || Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    assert!(said.contains("the PC/SC service has stopped"), "{said}");
}
