//! What this machine has of the things that a lab may use, and what each absence costs. Nothing is changed
//! and nothing is started but programs that print their version.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::process;

/// How long a program may take to print its version.
const VERSION_LIMIT: Duration = Duration::from_secs(5);

/// One thing that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub name: &'static str,
    /// Whether it is there.
    pub found: bool,
    /// Its version or place; where it is absent, what was looked for.
    pub detail: String,
    /// What does not work without it.
    pub cost: &'static str,
    /// How to get it.
    pub remedy: &'static str,
}

/// A thing to look for.
struct Probe {
    name: &'static str,
    cost: &'static str,
    remedy: &'static str,
    /// Its version or place where it is there, what was looked for where it is not.
    look: fn() -> Result<String, String>,
}

const PROBES: [Probe; 10] = [
    Probe {
        name: "readers",
        cost: "this build has no card readers: `cellbed card` serves virtual cards and modems only",
        remedy: "apt install libpcsclite-dev pkg-config, then build with --features pcsc (./lab/run does)",
        look: readers,
    },
    Probe {
        name: "PC/SC",
        cost: "no card readers: `cellbed card` and benches with `card = \"pcsc:...\"` reach no card",
        remedy: "apt install pcscd, then start it (systemctl start pcscd)",
        look: pcsc,
    },
    Probe {
        name: "vpcd",
        cost: "`cellbed card serve` has no reader for its cards: other programs do not see them",
        remedy: "apt install vsmartcard-vpcd",
        look: vpcd,
    },
    Probe {
        name: "srsRAN 4G",
        cost: "nothing yet: in this version base station, modem and core are the embedded ones",
        remedy: "build srsRAN 4G and put srsenb, srsue and srsepc into PATH, or set SRSRAN_DIR",
        look: srsran,
    },
    Probe {
        name: "kernel SCTP",
        cost: "nothing yet: S1AP stays in the process; towards other programs it will need another transport",
        remedy: "modprobe sctp (as root, on a kernel that has the module)",
        look: kernel_sctp,
    },
    Probe {
        name: "TUN",
        cost: "nothing yet: device traffic ends in the service network in process",
        remedy: "modprobe tun, and run where /dev/net/tun may be opened (CAP_NET_ADMIN)",
        look: tun,
    },
    Probe {
        name: "tshark",
        cost: "captures are not cross-checked by tests; runs write them all the same",
        remedy: "apt install tshark",
        look: || version_of(&["tshark"], &["--version"]),
    },
    Probe {
        name: "solc",
        cost: "the contract's committed bytecode is not compared with its source by tests",
        remedy: "run ./lab/test once, which installs it with npm, or set SOLC_JS_DIR",
        look: solc,
    },
    Probe {
        name: "Chromium",
        cost: "no screenshots of reports; any browser opens them",
        remedy: "apt install chromium",
        look: || version_of(&["chromium", "chromium-browser", "google-chrome"], &["--version"]),
    },
    Probe {
        name: "OpenSSL",
        cost: "certificates and enrolment are not cross-checked by tests",
        remedy: "apt install openssl",
        look: || version_of(&["openssl"], &["version"]),
    },
];

/// Looks for everything, at once.
pub fn examine() -> Vec<Finding> {
    let looks = PROBES.map(|probe| (thread::spawn(probe.look), probe));
    let finding = |(look, probe): (thread::JoinHandle<Result<String, String>>, Probe)| {
        let result = look.join().unwrap_or_else(|_| Err("the look itself failed".to_owned()));
        let found = result.is_ok();
        let detail = result.unwrap_or_else(|missing| missing);
        Finding { name: probe.name, found, detail, cost: probe.cost, remedy: probe.remedy }
    };
    looks.map(finding).into()
}

/// Whether this build reaches card readers; where it does not, what was missing when it was built.
fn readers() -> Result<String, String> {
    let library = env!("CELLBED_BUILD_LIBPCSCLITE");
    match (cfg!(feature = "pcsc"), library) {
        (true, "") => Ok("built in".to_owned()),
        (true, version) => Ok(format!("built in, with libpcsclite {version}")),
        (false, "") => {
            Err("built without the feature `pcsc`, on a machine without the headers of libpcsclite"
                .to_owned())
        }
        (false, version) => {
            Err(format!("built without the feature `pcsc`, though libpcsclite {version} was there"))
        }
    }
}

/// The version of the first of `names` that is installed, as it prints it itself.
fn version_of(names: &[&str], args: &[&str]) -> Result<String, String> {
    let program = names
        .iter()
        .find_map(|name| process::find(name))
        .ok_or_else(|| format!("no {} in PATH", names.join(" or ")))?;
    Ok(version_line(&program, args))
}

/// What `program` says of its version; its path where it says nothing of use. A program that cannot be
/// asked is still there.
fn version_line(program: &Path, args: &[&str]) -> String {
    let printed = process::output(program, args, VERSION_LIMIT);
    let line = match &printed {
        Ok(text) => text.lines().map(str::trim).find(|line| line.contains(|c: char| c.is_ascii_digit())),
        Err(_) => None,
    };
    let line = line.map(|line| line.trim_end_matches('.').chars().take(80).collect());
    match (line, printed) {
        (Some(line), _) => line,
        (None, Ok(_)) => program.display().to_string(),
        (None, Err(error)) => error.to_string(),
    }
}

fn pcsc() -> Result<String, String> {
    let socket = std::env::var_os("PCSCLITE_CSOCK_NAME")
        .map_or_else(|| PathBuf::from("/run/pcscd/pcscd.comm"), PathBuf::from);
    if !socket.exists() {
        return Err(format!("no socket {}", socket.display()));
    }
    Ok(version_of(&["pcscd"], &["--version"]).unwrap_or_else(|_| socket.display().to_string()))
}

fn vpcd() -> Result<String, String> {
    first_existing(&[
        "/etc/reader.conf.d/vpcd",
        "/usr/lib/pcsc/drivers/serial/libifdvpcd.so",
        "/usr/local/lib/pcsc/drivers/serial/libifdvpcd.so",
    ])
    .ok_or_else(|| "no vpcd driver in the folders of pcscd".to_owned())
}

fn srsran() -> Result<String, String> {
    let folder = std::env::var_os("SRSRAN_DIR").map(PathBuf::from);
    let locate = |name: &&str| {
        let in_folder = folder.iter().flat_map(|f| [f.join("bin").join(name), f.join(name)]);
        in_folder.into_iter().find(|file| file.is_file()).or_else(|| process::find(name))
    };
    let programs = ["srsenb", "srsue", "srsepc"];
    let missing: Vec<_> = programs.iter().filter(|name| locate(name).is_none()).copied().collect();
    match (missing.as_slice(), locate(&"srsenb")) {
        ([], Some(srsenb)) => Ok(version_line(&srsenb, &["--version"])),
        _ => Err(format!("no {} in SRSRAN_DIR or PATH", missing.join(", "))),
    }
}

fn kernel_sctp() -> Result<String, String> {
    if Path::new("/proc/net/sctp").exists() {
        return Ok("ready".to_owned());
    }
    let lists = |file: &str, word: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().any(|line| line.split_whitespace().next() == Some(word))
    };
    if lists("/proc/modules", "sctp") || lists("/proc/net/protocols", "SCTP") {
        return Ok("loaded".to_owned());
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = PathBuf::from("/lib/modules").join(release.trim()).join("kernel/net/sctp");
    if folder.is_dir() {
        return Ok("a module that the kernel loads when asked".to_owned());
    }
    Err("neither loaded nor a module of this kernel".to_owned())
}

fn tun() -> Result<String, String> {
    let device = "/dev/net/tun";
    match File::options().read(true).write(true).open(device) {
        Ok(_) => Ok(device.to_owned()),
        Err(error) => Err(format!("{device}: {error}")),
    }
}

fn solc() -> Result<String, String> {
    let node = version_of(&["node"], &["--version"]);
    let package = std::env::var_os("SOLC_JS_DIR")
        .map(|folder| PathBuf::from(folder).join("node_modules/solc/package.json"))
        .filter(|file| file.is_file());
    match (package, node) {
        (Some(package), Ok(node)) => {
            let text = std::fs::read_to_string(&package).unwrap_or_default();
            let manifest: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let version = manifest["version"].as_str().unwrap_or("of unknown version");
            Ok(format!("solc-js {version} on node {node}"))
        }
        (Some(_), Err(no_node)) => Err(format!("solc-js is there, but {no_node}")),
        (None, _) => {
            version_of(&["solc"], &["--version"]).map_err(|e| format!("no solc-js in SOLC_JS_DIR, {e}"))
        }
    }
}

fn first_existing(paths: &[&str]) -> Option<String> {
    paths.iter().find(|path| Path::new(path).exists()).map(|path| (*path).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_looked_for_and_explained() {
        let findings = examine();
        assert_eq!(findings.len(), PROBES.len());
        for finding in findings {
            assert!(!finding.detail.is_empty(), "{finding:?}");
            assert!(!finding.cost.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        assert_eq!(version_of(&["no-such-program"], &[]), Err("no no-such-program in PATH".to_owned()));
    }
}
