//! Every verb of the program with what it does not expect: a file that is missing, a folder, empty, unreadable, bytes of
//! nothing, text that is not UTF-8, characters that a screen obeys, and a standard output that takes nothing.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use cellbed::cli::args::Cli;
use clap::CommandFactory as _;

/// The longest that a verb may take to refuse a file.
const WITHIN: Duration = Duration::from_secs(20);

/// Words of libraries that no message may have: they name types of this program or nothing that its user has done.
const RAW: [&str; 22] = [
    "panicked",
    "os error",
    "TOML parse error",
    "Odd number of digits",
    "Invalid string length",
    "Invalid character '",
    "PEM Base64",
    "PEM header",
    "PEM preamble",
    "RFC7468",
    "invalid type:",
    "expected value at line",
    "EOF while parsing",
    "at line 1 column",
    "stream did not contain",
    "missing field `",
    "unexpected end of",
    "ASN.1 DER message",
    "ASN.1 error",
    "SystemTime",
    "called `",
    "Error {",
];

/// What is wrong with what a verb is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    Folder,
    Unreadable,
    Empty,
    Garbage,
    Latin1,
    Controls,
}

use Fault::*;

const OF_A_FILE: &[Fault] = &[Missing, Folder, Unreadable, Empty, Garbage, Latin1, Controls];
/// What is a list may be empty, and what is bytes may be any.
const OF_A_LIST: &[Fault] = &[Missing, Folder, Unreadable, Garbage, Latin1, Controls];
/// Where a folder is wanted, with content.
const OF_A_FOLDER: &[Fault] = &[Missing, Garbage, Folder];
/// Where a folder is wanted that may be new.
const OF_A_STATE: &[Fault] = &[Garbage];

/// Verbs with `{}` where what is wrong is given, and which faults it can have. `OK-LEDGER`, `OK-CA`, `OK-PKI`, `OK-RUN`
/// stand for folders in order, `TMP` for an empty one.
const GIVEN: &[(&str, &[Fault])] = &[
    ("run {} --runs TMP", OF_A_FILE),
    ("run lab/scenarios/plain-card.toml --runs TMP --bench {}", OF_A_LIST),
    ("run lab/scenarios/plain-card.toml --runs {}", OF_A_STATE),
    ("check {}", OF_A_FILE),
    ("new {}", OF_A_STATE),
    ("ledger show {}", OF_A_FOLDER),
    ("ledger verify {}", OF_A_FOLDER),
    ("ledger verify OK-LEDGER --checkpoint {}", OF_A_FILE),
    ("ledger witness {} --state TMP", OF_A_FOLDER),
    ("ledger witness OK-LEDGER --state {}", OF_A_STATE),
    ("ledger export {} TMP/out", OF_A_FOLDER),
    ("ledger export OK-LEDGER {}", OF_A_STATE),
    ("ledger erase 1 --run {}", OF_A_FOLDER),
    ("ledger quarantine 1 --run {}", OF_A_FOLDER),
    ("ledger release 1 --run {}", OF_A_FOLDER),
    ("ledger revoke 1 --run {}", OF_A_FOLDER),
    ("audit {}", OF_A_FOLDER),
    ("report {}", OF_A_FOLDER),
    ("card info --virtual {}", OF_A_FILE),
    ("card dump --virtual {}", OF_A_FILE),
    (
        "card auth --rand 00000000000000000000000000000000 --autn 00000000000000000000000000000000 --virtual {}",
        OF_A_FILE,
    ),
    ("card iot-safe --virtual {}", OF_A_FILE),
    ("card ota --counter 1 --list-applications --virtual {}", OF_A_FILE),
    ("card ota --counter 1 --list-applications --virtual sim-profiles/lte-test.toml --keys-of {}", OF_A_FILE),
    (
        "card ota --counter 1 --list-applications --virtual sim-profiles/lte-test.toml --kic {} --kid {}",
        OF_A_FILE,
    ),
    ("card program {} --dry-run --virtual sim-profiles/lte-test.toml", OF_A_FILE),
    ("card program sim-profiles/lte-test.toml --dry-run --virtual {}", OF_A_FILE),
    (
        "card program sim-profiles/lte-test.toml --table {} --card 1 --virtual sim-profiles/lte-test.toml",
        OF_A_FILE,
    ),
    ("card serve {}", OF_A_FILE),
    ("card serve sim-profiles/lte-test.toml --trust-anchor {}", OF_A_FILE),
    ("card serve sim-profiles/lte-test.toml --euicc --pki {}", OF_A_FOLDER),
    ("card serve sim-profiles/lte-test.toml --state {}", OF_A_STATE),
    ("card modem {}", OF_A_FILE),
    ("card modem sim-profiles/lte-test.toml --link {}", OF_A_STATE),
    ("ca new {}", OF_A_STATE),
    ("ca serve {} --listen 127.0.0.1:0 --status 127.0.0.1:0", OF_A_FOLDER),
    ("ca serve OK-CA --listen 127.0.0.1:0 --status 127.0.0.1:0 --clients {}", OF_A_LIST),
    ("ca serve OK-CA --listen 127.0.0.1:0 --status 127.0.0.1:0 --client-ca {}", OF_A_FILE),
    ("ca list {}", OF_A_FOLDER),
    ("ca revoke {} 40000000000000000000000000000000", OF_A_FOLDER),
    ("pki new {}", OF_A_STATE),
    ("pki show {}", &[Missing, Unreadable, Empty, Garbage, Latin1, Controls]),
    ("pki check {}", OF_A_FOLDER),
    ("pki revoke {} sim-profiles/lte-test.toml", OF_A_FOLDER),
    ("pki revoke OK-PKI {}", OF_A_FILE),
    ("pki renew {}", OF_A_FOLDER),
    ("esim serve --listen 127.0.0.1:0 --order {}:X", OF_A_FILE),
    ("esim serve --listen 127.0.0.1:0 --pki {}", OF_A_FOLDER),
    ("esim serve --listen 127.0.0.1:0 --state {}", OF_A_STATE),
    ("esim serve --listen 127.0.0.1:0 --state TMP --state-key {}", &[Folder, Unreadable, Empty, Garbage]),
    ("esim serve --listen 127.0.0.1:0 --root {}", &[Folder]),
    ("esim serve --listen 127.0.0.1:0 --eim-config {}", &[Folder]),
    ("profile build {} -o TMP/p.der", OF_A_FILE),
    ("profile build sim-profiles/lte-test.toml -o TMP/p.der --base {}", OF_A_FILE),
    ("profile build sim-profiles/lte-test.toml -o {}", &[Folder]),
    ("profile show {}", OF_A_FILE),
    ("profile check {}", OF_A_FILE),
    ("euicc info --virtual {}", OF_A_FILE),
    ("euicc list --virtual {}", OF_A_FILE),
    ("euicc enable 1 --virtual {}", OF_A_FILE),
    ("euicc disable 1 --virtual {}", OF_A_FILE),
    ("euicc delete 1 --virtual {}", OF_A_FILE),
    ("euicc nickname 1 x --virtual {}", OF_A_FILE),
    ("euicc reset --yes --virtual {}", OF_A_FILE),
    ("euicc list --virtual sim-profiles/lte-test.toml --pki {}", OF_A_FOLDER),
    ("euicc list --virtual sim-profiles/lte-test.toml --state {}", OF_A_STATE),
    ("euicc add-eim {} --virtual sim-profiles/lte-test.toml", OF_A_FILE),
    ("euicc notifications --send --virtual sim-profiles/lte-test.toml --ca {}", OF_A_FILE),
    ("euicc download LPA:1$127.0.0.1:1$X --virtual sim-profiles/lte-test.toml --ca {}", OF_A_FILE),
    ("euicc discover --virtual sim-profiles/lte-test.toml --ca {}", OF_A_FILE),
    ("euicc poll --eim 127.0.0.1:1 --virtual sim-profiles/lte-test.toml --ca {}", OF_A_FILE),
    (
        "update sign {} --key tests/vectors/update-key.pem --sequence 2 -o TMP/m.suit",
        &[Missing, Folder, Unreadable],
    ),
    ("update sign sim-profiles/lte-test.toml --key {} --sequence 2 -o TMP/m.suit", OF_A_FILE),
    (
        "update sign sim-profiles/lte-test.toml --key tests/vectors/update-key.pem --sequence 2 -o {}",
        &[Folder],
    ),
    ("update show {}", OF_A_FILE),
    (
        concat!(
            "update verify {} --key ",
            "8496811aae0baaabd26157189eecda26beaa8bf11b6f3fe6e2b5659c85dbc0ad",
            "3b1f2a4b6c098131c0a36dacd1d78bd381dcdfb09c052db33991db7338b4a896"
        ),
        OF_A_FILE,
    ),
    ("update publish {} --key tests/vectors/update-key.pem --into TMP", &[Missing, Folder, Unreadable]),
    ("update publish sim-profiles/lte-test.toml --key {} --into TMP", OF_A_FILE),
    ("update publish sim-profiles/lte-test.toml --key tests/vectors/update-key.pem --into {}", OF_A_STATE),
    ("compare {} --devices 1 --seeds 1", OF_A_FILE),
    ("compare plain-card {} --devices 1 --seeds 1", OF_A_FILE),
    ("compare --devices 1 --seeds 1 --bench {}", OF_A_FILE),
    ("compare --devices 1 --seeds 1 --prices {}", OF_A_FILE),
    ("compare plain-card plain-card --devices 1 --seeds 1 --svg {}", &[Folder]),
    ("guard card {}", OF_A_FILE),
    ("guard train meter -o {}", &[Folder]),
    ("guard train meter -o TMP/m.model --onnx {}", &[Folder]),
    ("bench card {}", OF_A_FILE),
    ("bench esim --profile {}", OF_A_FILE),
    ("schema {}", OF_A_STATE),
    ("man {}", OF_A_STATE),
];

/// Verbs without any file that can be wrong, or that wait for what is not there, as `node` does for its socket.
const WITHOUT: &[&str] = &[
    "card list",
    "doctor",
    "bench onboard",
    "bench strangers",
    "bench isolate",
    "bench loop",
    "completions",
    "guard eval",
    "node",
    "sdn switch",
];

fn cellbed(args: &[String], stdout: Stdio) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut errors = child.stderr.take().expect("it is piped");
    let reading = std::thread::spawn(move || {
        let mut text = Vec::new();
        errors.read_to_end(&mut text).map(|_| text)
    });
    let printed = child.stdout.take().map(|mut out| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            out.read_to_end(&mut text).map(|_| text)
        })
    });
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        if began.elapsed() > WITHIN {
            // It has taken what it should have refused, and serves; the code says that a signal has ended it.
            child.kill().expect("it can be ended");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let stderr = reading.join().unwrap().unwrap();
    let stdout = printed.map(|reading| reading.join().unwrap().unwrap()).unwrap_or_default();
    Output { status, stdout, stderr }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Folders in order.
struct Places {
    root: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        let places = Self { root: tempfile::tempdir().unwrap() };
        for command in [
            "run lab/scenarios/zero-touch.toml --quiet --runs ROOT/runs",
            "ca new ROOT/ca",
            "pki new ROOT/pki",
        ] {
            let args = words(&command.replace("ROOT", &places.at("").display().to_string()));
            let output = cellbed(&args, Stdio::null());
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        }
        places
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn fill(&self, command: &str, given: &Path, fresh: &Path) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let command = command
            .replace("OK-LEDGER", &text(&self.at("runs/last/ledger")))
            .replace("OK-RUN", &text(&self.at("runs/last")))
            .replace("OK-CA", &text(&self.at("ca")))
            .replace("OK-PKI", &text(&self.at("pki")))
            .replace("TMP", &text(fresh));
        words(&command.replace("{}", &text(given)))
    }
}

/// What is wrong, at a place in `folder`.
fn make(fault: Fault, folder: &Path) -> PathBuf {
    let path = folder.join(format!("given-{fault:?}.toml").to_lowercase());
    match fault {
        Missing => {}
        Folder => fs::create_dir(&path).unwrap(),
        // Its first bytes cannot be read, by root neither.
        Unreadable => std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap(),
        Empty => fs::write(&path, "").unwrap(),
        Garbage => fs::write(&path, [0x00, 0xff, 0x30, 0x82, 0xff, 0xff, 0x80, 0x07, 0x1b, 0x5b]).unwrap(),
        Latin1 => fs::write(&path, b"# gr\xfc\xdfe\nimsi = \"\xfc\"\n").unwrap(),
        Controls => fs::write(&path, "imsi = \"\u{1b}[31m\u{202e}001\u{7}\"\n\u{9b}2J = 1\n").unwrap(),
    }
    path
}

fn judge(args: &[String], given: &Path, output: &Output) -> Vec<String> {
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut wrong = Vec::new();
    let code = output.status.code();
    if !matches!(code, Some(96 | 100 | 4)) {
        wrong.push(format!("ends with {code:?}"));
    }
    // A long name is broken where diagnostics are drawn.
    let name = given.file_name().unwrap().to_string_lossy().into_owned();
    if !(told.clone() + &printed).replace(['\n', ' ', '│'], "").contains(&name) {
        wrong.push("does not name the file".to_owned());
    }
    wrong.extend(RAW.iter().filter(|raw| told.contains(**raw)).map(|raw| format!("says {raw:?}")));
    let obeyed = |c: char| {
        c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    };
    if told.contains(obeyed) || printed.contains(obeyed) {
        wrong.push("prints characters that a screen obeys".to_owned());
    }
    if told.len() > 4000 {
        wrong.push(format!("says {} bytes", told.len()));
    }
    let first = told.lines().take(8).collect::<Vec<_>>().join("\n    ");
    wrong.iter().map(|wrong| format!("{}: {wrong}:\n    {first}", args.join(" "))).collect()
}

#[test]
fn every_verb_names_a_file_that_is_wrong_and_the_cause_in_words_of_its_own() {
    let places = Places::new();
    let mut wrong = Vec::new();
    for (command, faults) in GIVEN {
        for fault in *faults {
            let folder = tempfile::tempdir().unwrap();
            let given = make(*fault, folder.path());
            let fresh = folder.path().join("fresh");
            fs::create_dir(&fresh).unwrap();
            let args = places.fill(command, &given, &fresh);
            wrong.extend(judge(&args, &given, &cellbed(&args, Stdio::piped())));
        }
    }
    assert!(wrong.is_empty(), "{}\n{} faults", wrong.join("\n"), wrong.len());
}

/// The verbs of the command line, each with the words that lead to it.
fn verbs() -> BTreeSet<String> {
    fn leaves(command: &clap::Command, path: &str, found: &mut BTreeSet<String>) {
        let mut below = command.get_subcommands().filter(|verb| verb.get_name() != "help").peekable();
        if below.peek().is_none() {
            found.insert(path.trim().to_owned());
        }
        for verb in below {
            leaves(verb, &format!("{path} {}", verb.get_name()), found);
        }
    }
    let mut found = BTreeSet::new();
    leaves(&Cli::command(), "", &mut found);
    found
}

#[test]
fn no_verb_is_left_out() {
    let given: Vec<&str> = GIVEN.iter().map(|(command, _)| *command).chain(WITHOUT.iter().copied()).collect();
    let verbs = verbs();
    let missing: Vec<_> =
        verbs.iter().filter(|verb| !given.iter().any(|given| given.starts_with(verb.as_str()))).collect();
    assert!(missing.is_empty(), "not tried with a file that is wrong: {missing:?}");
}

#[test]
fn what_cannot_be_printed_is_told() {
    let places = Places::new();
    let fresh = places.at("fresh");
    fs::create_dir(&fresh).unwrap();
    for command in [
        "run lab/scenarios/plain-card.toml --quiet --runs TMP",
        "run lab/scenarios/plain-card.toml --runs TMP",
        "check lab/scenarios/plain-card.toml",
        "ledger show OK-LEDGER",
        "audit OK-RUN",
        "audit OK-RUN --json",
        "report OK-RUN",
        "card info --virtual sim-profiles/lte-test.toml",
        "card dump --json --virtual sim-profiles/lte-test.toml",
        "ca list OK-CA",
        "pki check OK-PKI",
        "pki show OK-PKI",
        "profile show sim-profiles/ts48/ts48-v7.0-bertlv-suci.der",
        "euicc list --virtual sim-profiles/lte-test.toml",
        "doctor",
        "doctor --json",
        "completions bash",
        "--help",
        "--version",
    ] {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full is there");
        let args = places.fill(command, Path::new("none"), &fresh);
        let output = cellbed(&args, full.into());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(96), "{command}: {told}");
        assert!(told.contains("standard output cannot be written: "), "{command}: {told}");
    }
}
