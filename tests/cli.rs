//! The program as its user meets it: exit codes, streams, and the files that stand in the repository.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cellbed::lab::schema;

fn cellbed(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn toml_files(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_scenario_and_bench_is_in_order() {
    let files = [toml_files("lab/scenarios"), toml_files("lab/benches")].concat();
    let args: Vec<&str> = ["check"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let output = cellbed(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output).lines().filter(|line| line.ends_with("in order")).count(), files.len());
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_types() {
    for (name, text) in schema::all() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/schema").join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{name} is out of step: run `cargo run -- schema lab/schema`");
    }
}

#[test]
fn a_broken_file_is_a_set_up_error_that_names_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.toml");
    fs::write(&file, "summary = \"x\"\nseeds = 1\n[[device]]\nprofil = \"lte-test\"\n").unwrap();
    let output = cellbed(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(96));
    let told = stderr(&output);
    assert!(told.contains("did you mean `seed`?") && told.contains("did you mean `profile`?"), "{told}");
    assert!(!told.contains('\u{1b}'), "no colour where no person looks");
}

/// A lab with one scenario and the SIM profile that it names, and `more` among the profiles.
fn lab(more: &[(&str, &str)]) -> tempfile::TempDir {
    let lab = tempfile::tempdir().unwrap();
    for folder in ["lab/scenarios", "lab/benches", "sim-profiles"] {
        fs::create_dir_all(lab.path().join(folder)).unwrap();
    }
    for file in ["lab/scenarios/plain-card.toml", "lab/benches/virtual.toml", "sim-profiles/lte-test.toml"] {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), lab.path().join(file)).unwrap();
    }
    for (name, text) in more {
        fs::write(lab.path().join("sim-profiles").join(name), text).unwrap();
    }
    lab
}

#[test]
fn a_broken_profile_matters_only_to_who_names_it() {
    let notes = "# Not a SIM profile: notes of a colleague.\nimsi = \"to be decided\"\n";
    let place = |lab: &tempfile::TempDir, name: &str| lab.path().join(name).to_str().unwrap().to_owned();
    let beside = lab(&[("notes.toml", notes)]);
    let scenario = place(&beside, "lab/scenarios/plain-card.toml");
    let output = cellbed(&["check", &scenario]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let profile_text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("sim-profiles/lte-test.toml")).unwrap();
    let wrong = profile_text.replace("imsi = \"001010000000001\"", "imsi = \"to be decided\"");
    let named = lab(&[("lte-test.toml", &wrong)]);
    let scenario = place(&named, "lab/scenarios/plain-card.toml");
    let profile = place(&named, "sim-profiles/lte-test.toml");
    for args in [
        &["check", scenario.as_str()][..],
        &["run", &scenario, "--runs", &place(&named, "runs")],
        &["check", &profile],
    ] {
        let output = cellbed(args);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(96), "{told}");
        assert!(
            told.contains("IMSI takes decimal digits only") && told.contains("lte-test.toml:7:"),
            "{told}"
        );
    }
    // What can be known is found before a run.
    let locked = lab(&[("lte-test.toml", &profile_text.replace("enabled = false", "enabled = true"))]);
    let output = cellbed(&["check", &place(&locked, "lab/scenarios/plain-card.toml")]);
    assert_eq!(output.status.code(), Some(96));
    assert!(stderr(&output).contains("PIN1 is enabled"), "{}", stderr(&output));
    let output = cellbed(&["check", "sim-profiles/lte-test.toml"]);
    assert!(stdout(&output).ends_with("a SIM profile, in order\n"), "{}", stderr(&output));
}

#[test]
fn a_missing_file_is_a_set_up_error() {
    for args in [&["check", "no/such.toml"][..], &["run", "no/such.toml"], &["report", "no/such/run"]] {
        let output = cellbed(args);
        assert_eq!(output.status.code(), Some(96), "{args:?}");
        assert!(stderr(&output).contains("no/such"), "{args:?}: {}", stderr(&output));
    }
}

/// In another folder, where no lab is.
fn cellbed_in(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cellbed")).args(args).current_dir(folder).output().unwrap()
}

#[test]
fn a_new_lab_runs_in_a_folder_where_nothing_was() {
    let empty = tempfile::tempdir().unwrap();
    let refused = cellbed_in(empty.path(), &["run", "--quiet"]);
    assert_eq!(refused.status.code(), Some(96));
    assert!(stderr(&refused).contains("`cellbed new DIR` writes one"), "{}", stderr(&refused));

    assert_eq!(cellbed_in(empty.path(), &["new", "lab1"]).status.code(), Some(0));
    let lab = empty.path().join("lab1");
    let checked = cellbed_in(
        &lab,
        &[
            "check",
            "lab/scenarios/zero-touch.toml",
            "lab/scenarios/plain-card.toml",
            "lab/benches/virtual.toml",
            "sim-profiles/bootstrap.toml",
            "sim-profiles/lte-test.toml",
            "sim-profiles/lte-test-op.toml",
            "sim-profiles/lte-5g-test.toml",
        ],
    );
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let run = cellbed_in(&lab, &["run", "--quiet"]);
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let scenario = fs::read_to_string(lab.join("lab/scenarios/zero-touch.toml")).unwrap();
    let schema = scenario.lines().next().unwrap().strip_prefix("#:schema ").unwrap().to_owned();
    assert!(lab.join("lab/scenarios").join(schema).exists());

    let again = cellbed_in(empty.path(), &["new", "lab1"]);
    assert_eq!(again.status.code(), Some(96));
    assert!(stderr(&again).contains("not empty"), "{}", stderr(&again));
}

#[test]
fn a_page_is_drawn_again_from_what_is_left_of_the_log() {
    let runs = tempfile::tempdir().unwrap();
    let of_runs = runs.path().to_str().unwrap();
    let output = cellbed(&["run", "lab/scenarios/zero-touch.toml", "--quiet", "--runs", of_runs]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let last = runs.path().join("last");
    let report = || cellbed(&["report", last.to_str().unwrap()]);
    let page = || fs::read_to_string(last.join("report.html")).unwrap();

    let first = page();
    assert_eq!((report().status.code(), page()), (Some(0), first), "the same page from the same log");

    let log = fs::read(last.join("events.jsonl")).unwrap();
    fs::write(last.join("events.jsonl"), &log[..log.len() / 2]).unwrap();
    let output = report();
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("is not whole") && page().contains("is not whole"));

    fs::write(last.join("metrics.json"), "").unwrap();
    let output = report();
    assert_eq!(output.status.code(), Some(96));
    assert!(stderr(&output).contains("metrics.json: the file ends too early"), "{}", stderr(&output));
}

#[test]
fn a_wrong_argument_is_a_set_up_error_and_help_is_none() {
    assert_eq!(cellbed(&["run", "--devices", "0"]).status.code(), Some(96));
    assert_eq!(cellbed(&["rum"]).status.code(), Some(96));
    for args in [&["--help"][..], &["--version"], &["run", "--help"], &["ledger", "verify", "--help"]] {
        let output = cellbed(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!stdout(&output).is_empty());
    }
    for code in ["0 ", "4 ", "96 ", "97 ", "99 ", "100 ", "101 ", "130 "] {
        assert!(stdout(&cellbed(&["run", "--help"])).contains(&format!("\n  {code}")), "{code} is explained");
    }
}

#[test]
fn the_doctor_answers_programs_too() {
    let output = cellbed(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = json["findings"].as_array().expect("findings");
    assert!(findings.iter().any(|f| f["name"] == "tshark" && f["found"].is_boolean()));
}

#[test]
fn completions_and_manual_pages_know_every_verb() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = cellbed(&["completions", shell]);
        assert!(stdout(&output).contains("doctor"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(cellbed(&["man", folder.path().to_str().unwrap()]).status.code(), Some(0));
    for page in ["cellbed.1", "cellbed-run.1", "cellbed-ledger-verify.1"] {
        assert!(folder.path().join(page).is_file(), "{page}");
    }
}

/// A run of many devices that has begun to write, and its folder.
fn begun(runs: &Path) -> (Child, PathBuf) {
    let args = ["run", "--devices", "2000", "--quiet", "--no-key-log", "--runs", runs.to_str().unwrap()];
    let mut child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begun = || {
        let folder = fs::read_dir(runs).ok()?.find_map(|entry| Some(entry.ok()?.path()))?;
        fs::metadata(folder.join("events.jsonl")).ok().filter(|log| log.len() > 0).map(|_| folder)
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(folder) = begun() {
            return (child, folder);
        }
        assert!(Instant::now() < deadline, "it has written nothing");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_interrupted_run_leaves_a_whole_folder_and_says_so() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let runs = tempfile::tempdir().unwrap();
        let (child, _) = begun(runs.path());
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {}", stderr(&output));
        assert!(stdout(&output).starts_with("interrupted "), "{}", stdout(&output));
        let last = runs.path().join("last");
        let metrics = fs::read(last.join("metrics.json")).unwrap();
        let metrics: serde_json::Value = serde_json::from_slice(&metrics).expect("the metrics are whole");
        assert_eq!(metrics["verdict"], "interrupted");
        assert!(fs::read_to_string(last.join("junit.xml")).unwrap().contains("</testsuites>"));
        let page = cellbed(&["report", last.to_str().unwrap()]);
        assert_eq!((page.status.code(), stderr(&page)), (Some(0), String::new()), "the event log is whole");
    }
}

fn json(args: &[&str], code: i32) -> serde_json::Value {
    let output = cellbed(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{args:?}: {error}: {}", stdout(&output)))
}

fn has(value: &serde_json::Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "{key} is not in {value}");
    }
}

#[test]
fn runs_reports_and_ledgers_are_told_to_programs() {
    let runs = tempfile::tempdir().unwrap();
    let of_runs = runs.path().to_str().unwrap();
    let run = json(&["run", "lab/scenarios/zero-touch.toml", "--json", "--runs", of_runs], 0);
    has(
        &run,
        &[
            "folder",
            "facts",
            "verdict",
            "reason",
            "steps",
            "expectations",
            "rerun",
            "ledger",
            "counters",
            "provenance",
        ],
    );
    assert_eq!(run["verdict"], "pass");
    has(&run["provenance"], &["started", "host", "version", "read", "files"]);
    assert_eq!(run["provenance"]["read"][0]["path"], "lab/scenarios/zero-touch.toml");
    let folder = run["folder"].as_str().unwrap();
    let report = json(&["report", folder, "--json"], 0);
    assert_eq!((&report["verdict"], &report["whole"]), (&"pass".into(), &true.into()));
    let page = fs::read_to_string(report["report"].as_str().unwrap()).unwrap();
    let digest = &run["provenance"]["read"][0]["sha256"].as_str().unwrap()[..16];
    assert!(page.contains(digest) && page.contains("sslkeylog.txt") && page.contains("href=\"ledger\""));
    let ledger = format!("{folder}/ledger");
    let verified = json(&["ledger", "verify", &ledger, "--json"], 101);
    has(
        &verified,
        &[
            "in_order",
            "standing",
            "chain_id",
            "name",
            "head",
            "state_root",
            "blocks",
            "verifier_key",
            "lab_keys",
        ],
    );
    assert_eq!(verified["head"]["hash"], run["ledger"]["head"]);
    let shown = json(&["ledger", "show", &ledger, "--json"], 0);
    has(&shown, &["chain_id", "registry", "head", "validators", "transactions", "devices"]);
    has(&shown["devices"][0], &["id", "status", "model", "key", "certificate_sha256", "history"]);
    assert!(shown["devices"][0]["history"][0]["what"].as_str().is_some_and(|what| what.contains("->")));
    // Nothing is overwritten.
    let out = format!("{folder}-exported");
    assert_eq!(cellbed(&["ledger", "export", &ledger, &out]).status.code(), Some(0));
    let again = cellbed(&["ledger", "export", &ledger, &out]);
    assert_eq!(again.status.code(), Some(96));
    assert!(stderr(&again).contains("is not empty, and nothing is overwritten"), "{}", stderr(&again));
    // The folder of a run is no ledger, and a ledger of another run is not this one's.
    let output = cellbed(&["ledger", "verify", folder]);
    assert_eq!(output.status.code(), Some(96));
    assert!(stderr(&output).contains(&format!("did you mean {ledger}?")), "{}", stderr(&output));
    let other =
        json(&["run", "lab/scenarios/zero-touch.toml", "--json", "--seed", "8", "--runs", of_runs], 0);
    fs::rename(&ledger, runs.path().join("away")).unwrap();
    fs::rename(format!("{}/ledger", other["folder"].as_str().unwrap()), &ledger).unwrap();
    let foreign = json(&["ledger", "verify", &ledger, "--json"], 100);
    assert!(foreign["error"].as_str().unwrap().contains("this is not the ledger of the run"), "{foreign}");
}

#[test]
fn checks_cards_and_figures_are_told_to_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.toml");
    fs::write(&file, "summary = \"x\"\nseeds = 1\n[[device]]\nprofile = \"lte-test\"\n").unwrap();
    let checked =
        json(&["check", "--json", "lab/scenarios/zero-touch.toml", file.to_str().unwrap(), "none.toml"], 96);
    assert_eq!(checked[0]["problems"], serde_json::json!([]));
    has(&checked[1]["problems"][0], &["file", "line", "column", "message", "label", "help"]);
    assert_eq!(
        (&checked[1]["problems"][0]["line"], &checked[1]["problems"][0]["column"]),
        (&2.into(), &1.into())
    );
    assert!(checked[2]["problems"][0]["message"].as_str().unwrap().contains("none.toml"));
    let card = json(&["card", "info", "--json", "--virtual", "sim-profiles/lte-test.toml"], 0);
    has(
        &card,
        &["atr", "iccid", "imsi", "applications", "services", "pins", "iot_safe", "euicc", "eid", "withheld"],
    );
    let figures = json(&["bench", "onboard", "--json", "--devices", "1"], 0);
    has(
        &figures,
        &["devices", "verdict", "wall_s", "devices_per_s", "virtual_s", "cpu_s", "public_key_s", "peak_kib"],
    );
}

#[test]
fn a_command_to_run_again_is_quoted_for_the_shell() {
    let lab = lab(&[]);
    let scenario = lab.path().join("lab/scenarios/a;b$(x).toml");
    fs::rename(lab.path().join("lab/scenarios/plain-card.toml"), &scenario).unwrap();
    let runs = lab.path().join("runs");
    let run = json(&["run", scenario.to_str().unwrap(), "--json", "--runs", runs.to_str().unwrap()], 0);
    assert!(
        run["rerun"].as_str().unwrap().starts_with(&format!("cellbed run '{}' ", scenario.display())),
        "{run}"
    );
}

#[test]
fn a_set_up_that_fails_leaves_no_folder() {
    let lab = lab(&[]);
    let runs = lab.path().join("runs");
    let scenario = lab.path().join("lab/scenarios/plain-card.toml");
    // Nobody can join there: the folder of the socket is missing.
    let socket = lab.path().join("none/join.sock");
    let args = [
        "run",
        scenario.to_str().unwrap(),
        "--bench",
        "lab/benches/joined-enb.toml",
        "--runs",
        runs.to_str().unwrap(),
        "--join-socket",
        socket.to_str().unwrap(),
    ];
    let output = cellbed(&args);
    assert_eq!(output.status.code(), Some(96), "{}", stderr(&output));
    let left: Vec<_> =
        fs::read_dir(&runs).map(|all| all.map(|one| one.unwrap().path()).collect()).unwrap_or_default();
    assert!(left.is_empty(), "{left:?}: {}", stderr(&output));
}

#[test]
fn a_run_that_was_killed_can_be_drawn() {
    let runs = tempfile::tempdir().unwrap();
    let (mut child, folder) = begun(runs.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let report = json(&["report", folder.to_str().unwrap(), "--json"], 0);
    assert_eq!(report["verdict"], "interrupted");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("the run did not come to its end"));
}

#[test]
fn a_limit_that_is_crossed_has_its_own_exit_code() {
    let bench = |limit: &str| cellbed(&["bench", "onboard", "--devices", "1", "--min-rate", limit]);
    assert_eq!(bench("0").status.code(), Some(0));
    let crossed = bench("1e9");
    assert_eq!(crossed.status.code(), Some(99));
    assert!(stderr(&crossed).contains("devices/s is past the limit"), "{}", stderr(&crossed));
}
