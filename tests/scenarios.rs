//! The gate of every scenario: its transcript is a snapshot in `lab/golden/`, and a function of its seed.
//!
//! Drop a file into `lab/scenarios/`, and it is a test. `INSTA_UPDATE=always cargo test --test scenarios` accepts
//! what changed; review the diff as code.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

mod support;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cellbed::crypto::tls::KeyLogSink;
use cellbed::event::Verdict;
use cellbed::lab::Run;
use cellbed::ledger::MemoryStore;
use cellbed::report::{EventLog, LoopRow, Pcapng, RunSummary, Story, Transcript, View};
use support::{from_variable, need};

const BENCH: &str = "lab/benches/virtual.toml";

/// The scenarios whose golden file has every byte: the main job, and the same without an eSIM. Most of what happens in
/// the others happens in these; their golden files tell the story.
const WHOLE: [&str; 2] = ["zero-touch", "plain-card"];

/// The scenario of a crowd, whose story nobody would read: its golden file says who was cut off, and how fast.
const CROWDS: [&str; 1] = ["ten-of-a-hundred"];

/// A writer whose content can be looked at afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Everything that a run puts out and that is a function of its seed.
struct Ran {
    transcript: String,
    story: String,
    capture: Vec<u8>,
    events: Vec<u8>,
    key_log: Vec<String>,
    ledger: Vec<Vec<u8>>,
    summary: RunSummary,
}

fn load(name: &str) -> Run {
    let path = PathBuf::from(format!("lab/scenarios/{name}.toml"));
    Run::load(&path, Path::new(BENCH)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Who was cut off and how fast, a line for each.
fn cut_off(summary: &RunSummary) -> String {
    let line = |row: &LoopRow| {
        let stages =
            row.stages().into_iter().map(|(stage, after)| format!("{stage} +{} ms", after.as_millis()));
        format!("dev{} {}: {}\n", row.device, row.cause, stages.collect::<Vec<_>>().join(", "))
    };
    summary.loops.iter().map(line).collect()
}

fn simulate(run: &Run) -> Ran {
    let outputs: [Shared; 4] = Default::default();
    let facts = run.facts();
    let mut views: Vec<Box<dyn View>> = vec![
        Box::new(Transcript::new(outputs[0].clone(), &facts).unwrap()),
        Box::new(Pcapng::new(outputs[1].clone(), &facts).unwrap()),
        Box::new(EventLog::new(outputs[2].clone())),
        Box::new(Story::new(outputs[3].clone(), &facts).unwrap()),
    ];
    let (store, key_log) = (MemoryStore::new(), KeyLogSink::new());
    let summary = run.simulate(Box::new(store.clone()), Some(key_log.clone()), &mut views).unwrap();
    Ran {
        transcript: String::from_utf8(outputs[0].take()).unwrap(),
        story: String::from_utf8(outputs[3].take()).unwrap(),
        capture: outputs[1].take(),
        events: outputs[2].take(),
        key_log: key_log.take(),
        ledger: store.contents().records,
        summary,
    }
}

#[test]
fn every_scenario_passes_and_reads_as_its_golden_file() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../lab/golden");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("../lab/scenarios", "*.toml", |path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let ran = simulate(&load(name));
            match name {
                _ if WHOLE.contains(&name) => insta::assert_snapshot!("transcript", ran.transcript),
                _ if CROWDS.contains(&name) => insta::assert_snapshot!("cut-off", cut_off(&ran.summary)),
                _ => insta::assert_snapshot!("story", ran.story),
            }
            assert_eq!(ran.summary.verdict, Verdict::Pass, "{name}: {:?}", ran.summary.reason);
        });
    });
}

/// The transcript of a release build, which `lab/test` names in `CELLBED_RELEASE_BIN`, is that of this build.
#[test]
fn a_release_build_writes_the_same_transcripts() {
    let unproved = "a release build writes the same transcripts";
    let Some(program) = need("release", unproved, from_variable("CELLBED_RELEASE_BIN")) else { return };
    let runs = tempfile::tempdir().unwrap();
    for scenario in std::fs::read_dir("lab/scenarios").unwrap() {
        let path = scenario.unwrap().path();
        let status = std::process::Command::new(&program)
            .arg("run")
            .args(["--quiet", "--runs"])
            .args([runs.path(), &path])
            .status()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
        assert!(status.success(), "{}: {status}", path.display());
        let transcript = std::fs::read_to_string(runs.path().join("last/transcript.txt")).unwrap();
        let ours = simulate(&load(path.file_stem().unwrap().to_str().unwrap())).transcript;
        assert!(transcript == ours, "{}: the release build writes another transcript", path.display());
    }
}

#[test]
fn a_hundred_runs_with_one_seed_are_the_same_to_the_byte() {
    let run = load("zero-touch");
    let first = simulate(&run);
    for n in 1..100 {
        let again = simulate(&run);
        assert_eq!(again.transcript, first.transcript, "transcript of run {n}");
        assert!(again.capture == first.capture, "capture of run {n}");
        assert!(again.events == first.events, "event log of run {n}");
        assert!(again.key_log == first.key_log, "TLS secrets of run {n}");
        assert!(again.ledger == first.ledger, "ledger of run {n}");
    }
}

#[test]
fn another_seed_is_another_run() {
    let (first, other) = (simulate(&load("zero-touch")), simulate(&load("zero-touch").with_seed(8)));
    assert_eq!(other.summary.verdict, Verdict::Pass);
    assert_ne!(first.transcript, other.transcript);
    assert!(first.ledger != other.ledger && first.key_log != other.key_log);
}

#[test]
fn every_algorithm_of_eps_security_onboards_a_device() {
    use cellbed::lab::scenario::{Ciphering, Integrity};
    for integrity in [Integrity::Eia1, Integrity::Eia2, Integrity::Eia3] {
        for ciphering in [Ciphering::Eea0, Ciphering::Eea1, Ciphering::Eea2, Ciphering::Eea3] {
            let mut run = load("zero-touch");
            run.scenario.network.integrity = vec![integrity];
            run.scenario.network.ciphering = vec![ciphering];
            let ran = simulate(&run);
            assert_eq!(
                ran.summary.verdict,
                Verdict::Pass,
                "{integrity:?} {ciphering:?}: {:?}",
                ran.summary.reason
            );
        }
    }
}

#[test]
fn many_devices_are_through_in_one_run() {
    let run = load("zero-touch").with_devices(60).unwrap();
    let ran = simulate(&run);
    assert_eq!(ran.summary.verdict, Verdict::Pass, "{:?}", ran.summary.reason);
    assert_eq!(ran.summary.steps.len(), 60 * run.scenario.steps.len());
}

/// Bad packets stay in the memory of a run: no bench on which somebody outside could get one takes such a scenario.
#[test]
fn a_bench_with_somebody_outside_refuses_a_scenario_with_attacks() {
    let folder = tempfile::tempdir().unwrap();
    let reader = folder.path().join("reader.toml");
    let bench =
        std::fs::read_to_string(BENCH).unwrap().replace("card = \"virtual\"", "card = \"pcsc:Reader 00 00\"");
    std::fs::write(&reader, bench).unwrap();
    let joined = Path::new("lab/benches/joined-enb.toml");
    for scenario in ["botnet", "neighbours", "own-guard", "slow-exfiltration", "ten-of-a-hundred"] {
        let path = PathBuf::from(format!("lab/scenarios/{scenario}.toml"));
        for (bench, what) in [(joined, "a base station of another process"), (&*reader, "a card in a reader")]
        {
            let refused = Run::load(&path, bench).err().expect("it is refused").to_string();
            assert!(refused.contains(what) && refused.contains(scenario), "{scenario}: {refused}");
        }
    }
    assert!(Run::load(Path::new("lab/scenarios/zero-touch.toml"), joined).is_ok());
}
