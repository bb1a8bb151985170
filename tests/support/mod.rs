//! What a test may need and a machine may lack: a program of somebody else, a folder of test data, a right.
//!
//! Where it is missing the test is skipped: one line on standard error, past the harness, names what is missing and
//! what was therefore not shown, and the same line is appended to the file that `CELLBED_SKIPPED` names, from which
//! `lab/test` counts. `CELLBED_REQUIRE` turns skips into failures: `all` for everything that `lab/test` installs,
//! or names of [`NEEDS`] with commas between them.
//!
//! Test targets have it by `mod support;` (`#[path]` in folders), the tests in `src` as `crate::support`.
#![allow(dead_code, reason = "each test target uses its part")]
#![allow(clippy::disallowed_methods, reason = "a test asks the machine what it has")]

pub mod bent;

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// One thing that a machine may lack.
pub struct Need {
    /// As tests, `CELLBED_REQUIRE` and the list of skips call it.
    pub name: &'static str,
    /// How it gets there.
    pub remedy: &'static str,
    /// Whether `lab/test` sees to it on Debian, so that `all` asks for it.
    pub from_lab_test: bool,
}

const fn debian(name: &'static str, remedy: &'static str) -> Need {
    Need { name, remedy, from_lab_test: true }
}

const fn elsewhere(name: &'static str, remedy: &'static str) -> Need {
    Need { name, remedy, from_lab_test: false }
}

pub const NEEDS: [Need; 27] = [
    debian("tshark", "apt-get install tshark"),
    debian("openssl", "apt-get install openssl"),
    debian("curl", "apt-get install curl"),
    debian(
        "openvswitch",
        "apt-get install openvswitch-switch openvswitch-testcontroller iproute2 iputils-ping util-linux",
    ),
    debian("gcc", "apt-get install gcc"),
    debian("arm-none-eabi-gcc", "apt-get install gcc-arm-none-eabi"),
    debian("qemu-system-arm", "apt-get install qemu-system-arm"),
    debian("opensc", "apt-get install opensc"),
    debian("pcscd", "apt-get install pcscd pcsc-tools opensc vsmartcard-vpcd python3-pyscard"),
    debian("readers", "apt-get install libpcsclite-dev, then cargo test --features pcsc"),
    debian(
        "solc",
        "apt-get install nodejs npm, then npm install in contracts/, or name its folder in SOLC_JS_DIR",
    ),
    debian(
        "ethereumjs",
        "apt-get install nodejs npm, then npm install what tests/ledger/package.json names into a folder, and name that \
         in ETHEREUMJS_DIR",
    ),
    debian(
        "anvil",
        "apt-get install nodejs npm, then npm install what tests/ledger/package.json names into a folder, and name that \
         in ETHEREUMJS_DIR; or name the program in ANVIL",
    ),
    debian(
        "pycrate",
        "python3 -m venv FOLDER, then FOLDER/bin/pip install --no-deps -r tests/encodings/requirements.txt, and name its \
         Python in ENCODINGS_PYTHON",
    ),
    debian("release", "cargo build --release, then name the program in CELLBED_RELEASE_BIN"),
    elsewhere("namespaces", "run as root with CAP_SYS_ADMIN (docker run --privileged)"),
    elsewhere("onnxruntime", "pip install onnxruntime, and name that Python in ONNX_PYTHON"),
    elsewhere("lpac", "build lpac and name the program in LPAC"),
    elsewhere(
        "pysim",
        "name pySim's folder in PYSIM_DIR, and a Python with its requirements in PYSIM_PYTHON",
    ),
    elsewhere("osmo-smdpp", "as pysim; the Python needs klein, pyopenssl and service_identity besides"),
    elsewhere("onomondo-ipa", "build onomondo-ipa and name the program `ipa` in ONOMONDO_IPA"),
    elsewhere(
        "pkcs11",
        "name a PKCS#11 module for IoT SAFE in IOT_SAFE_PKCS11_MODULE; libengine-pkcs11-openssl",
    ),
    elsewhere(
        "cryptomobile",
        "python3 -m venv FOLDER, then build CryptoMobile into it with its setup.py, and name its Python in CRYPTOMOBILE_PYTHON",
    ),
    elsewhere(
        "python-tuf",
        "python3 -m venv FOLDER, then FOLDER/bin/pip install tuf securesystemslib[crypto] cbor2, and name its Python in TUF_PYTHON",
    ),
    elsewhere("go-sumdb", "apt-get install golang-go golang-golang-x-mod-dev"),
    elsewhere("strongswan", "apt-get install strongswan-pki libstrongswan-standard-plugins (5.9.8 or later)"),
    elsewhere("sgp26", "name the folder of the SGP.26 test certificates in SGP26_DIR"),
];

/// Runs `program`, which is cellbed, in the checkout, and returns what it printed on both streams when it ended with `code`.
///
/// # Panics
///
/// Where it ended otherwise.
pub fn ended(program: &str, code: i32, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cellbed starts");
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

/// Hands on what was `found`; `None`, said and counted, where the machine lacks it.
///
/// `name` is one of [`NEEDS`]; `unproved` is what the test would have shown; `found` says otherwise why not.
///
/// # Panics
///
/// Where `CELLBED_REQUIRE` asks for it, and how it gets there; or where that names what no test knows.
#[track_caller]
pub fn need<T>(name: &str, unproved: &str, found: Result<T, String>) -> Option<T> {
    let need =
        named(name).unwrap_or_else(|| panic!("{name} does not stand among the needs of tests/support"));
    let list = env::var("CELLBED_REQUIRE").unwrap_or_default();
    let required = required(&list, need).unwrap_or_else(|error| panic!("{error}"));
    match found {
        Ok(found) => Some(found),
        Err(cause) if required => panic!("{name}: {cause}; CELLBED_REQUIRE asks for it: {}", need.remedy),
        Err(cause) => {
            skip(&line(name, &cause, unproved, thread::current().name()));
            None
        }
    }
}

/// Whether the command `name`, which is also the need, is in the path.
#[track_caller]
pub fn need_command(name: &str, unproved: &str) -> bool {
    need(name, unproved, on_path(name)).is_some()
}

/// Where the path has this command.
pub fn on_path(command: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(command)).find(|program| program.is_file());
    found.ok_or_else(|| format!("{command} is not installed"))
}

/// What an environment variable names.
pub fn from_variable(variable: &str) -> Result<PathBuf, String> {
    env::var_os(variable).map(PathBuf::from).ok_or_else(|| format!("{variable} names none"))
}

/// The folder of pySim, and the Python that has what it requires.
pub fn pysim() -> Result<(PathBuf, String), String> {
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).find(|folder| folder.join("pySim-read.py").is_file())
    };
    let Some(folder) = env::var_os("PYSIM_DIR").map(PathBuf::from).or_else(on_path) else {
        return Err("pySim-read.py is neither in PYSIM_DIR nor on the path".to_owned());
    };
    Ok((folder, env::var("PYSIM_PYTHON").unwrap_or_else(|_| "python3".to_owned())))
}

/// Whether `list`, as in `CELLBED_REQUIRE`, asks for it.
pub fn required(list: &str, need: &Need) -> Result<bool, String> {
    let mut asked = false;
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        asked |= match named(word) {
            Some(named) => named.name == need.name,
            None if word == "all" => need.from_lab_test,
            None => {
                let known: Vec<_> = NEEDS.iter().map(|need| need.name).collect();
                return Err(format!("CELLBED_REQUIRE names {word:?}; there are all, {}", known.join(", ")));
            }
        };
    }
    Ok(asked)
}

fn named(name: &str) -> Option<&'static Need> {
    NEEDS.iter().find(|need| need.name == name)
}

fn line(name: &str, cause: &str, unproved: &str, test: Option<&str>) -> String {
    // Causes come from programs: one line stays one.
    let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("skipped: {name}: {cause}; not shown: {unproved} ({})\n", test.unwrap_or("no test"))
}

/// Says the line, and leaves it where it is counted.
fn skip(line: &str) {
    // The macros would be caught by the harness, which shows them of failed tests only.
    std::io::stderr().write_all(line.as_bytes()).expect("standard error can be written");
    if let Some(file) = env::var_os("CELLBED_SKIPPED") {
        let opened = OpenOptions::new().append(true).create(true).open(Path::new(&file));
        // One write: tests of several threads and programs append to it.
        let written = opened.and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("CELLBED_SKIPPED: {}: {error}", Path::new(&file).display()));
    }
}
