//! The card and the LPA against an SM-DP+ of somebody else: Osmocom's osmo-smdpp, unmodified, with the certificates
//! that `cellbed pki new` makes and a profile package that it brings along.
//!
//! PYSIM_DIR names the folder with osmo-smdpp.py; PYSIM_PYTHON a Python with what it requires.
#![allow(clippy::disallowed_methods, reason = "a test starts programs and reads files")]

mod support;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{from_variable, need};

const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sim-profiles/lte-test.toml");
/// The name that osmo-smdpp has, and a package of GSMA TS.48 under its file name, which is its matching identifier.
const HOST: &str = "testsmdpplus1.example.com";
const MATCHING_ID: &str = "TS48V5-SAIP2-3-NOBERTLV-UNIQUE";

/// Runs in network and mount namespaces of its own: the server takes port 443 and a name of its own there.
/// $1 Python, $2 osmo-smdpp.py, then a command that is run once the server answers.
const SCRIPT: &str = r#"
set -e
ip link set lo up
printf '127.0.0.1 localhost testsmdpplus1.example.com\n' > hosts
mount --bind hosts /etc/hosts
python=$1 server=$2
shift 2
"$python" "$server" -m > server.log 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null || true' EXIT
n=0
until (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null; do
    n=$((n + 1))
    [ $n -lt 200 ] && kill -0 $pid || { cat server.log >&2; exit 70; }
    sleep 0.1
done
"$@"
"#;

/// osmo-smdpp.py and its Python; `None`, and says why, where the machine has none.
fn osmo_smdpp() -> Option<(PathBuf, String)> {
    let unproved = "the card and the LPA download from osmo-smdpp";
    let found = need("osmo-smdpp", unproved, find_osmo_smdpp())?;
    let namespaces = Command::new("unshare").args(["--net", "--mount", "ip", "link"]).output();
    let may = namespaces.is_ok_and(|output| output.status.success());
    need("namespaces", unproved, may.then_some(()).ok_or("this user may not make them".to_owned()))?;
    Some(found)
}

fn find_osmo_smdpp() -> Result<(PathBuf, String), String> {
    let folder = from_variable("PYSIM_DIR")?;
    let server = folder.join("osmo-smdpp.py");
    let python = env::var("PYSIM_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let help = Command::new(&python).arg(&server).arg("--help").env("PYTHONPATH", &folder).output();
    match help {
        Ok(output) if output.status.success() => Ok((server, python)),
        _ => Err(format!("{python} lacks what it requires")),
    }
}

fn cellbed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cellbed")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The folder in which osmo-smdpp looks for its data: our certificates, and the packages that it brings along.
fn data(folder: &Path, server: &Path) {
    let data = folder.join("smdpp-data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(server.with_file_name("smdpp-data").join("upp"), data.join("upp")).unwrap();
    let certs = data.join("certs");
    cellbed(&["pki", "new", certs.to_str().unwrap(), "--host", HOST]);
    // It takes everything beside the CI's certificate for one.
    std::fs::remove_file(certs.join("CertificateIssuer/SK_CI_ECDSA_NIST.pem")).unwrap();
    let parameters = certs.join("dhparam2048.pem");
    let made = Command::new("openssl")
        .args(["dhparam", "-dsaparam", "-out", parameters.to_str().unwrap(), "2048"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_profile_comes_from_osmo_smdpp() {
    let Some((server, python)) = osmo_smdpp() else { return };
    let folder = tempfile::tempdir().unwrap();
    data(folder.path(), &server);
    let (state, pki) = (folder.path().join("state"), folder.path().join("smdpp-data/certs"));
    let card = ["--virtual", PROFILE, "--state", state.to_str().unwrap(), "--pki", pki.to_str().unwrap()];
    let code = format!("LPA:1${HOST}${MATCHING_ID}");
    let ci = pki.join("CertificateIssuer/CERT_CI_ECDSA_NIST.pem");
    let output = Command::new("unshare")
        .args(["--net", "--mount", "bash", "-c", SCRIPT, "bash", &python])
        .arg(&server)
        .args([env!("CARGO_BIN_EXE_cellbed"), "euicc", "download", &code, "--ca", ci.to_str().unwrap()])
        .args(card)
        .env("PYTHONPATH", server.parent().unwrap())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains(&format!("({MATCHING_ID}) from {HOST}")),
        "{said}{errors}"
    );
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    assert!(
        log.contains("handleNotification HTTP/1.1\" 204"),
        "the card's signed result was not taken: {log}"
    );
    let listed = cellbed(&[&["euicc", "list"][..], &card].concat());
    assert!(listed.contains(MATCHING_ID), "{listed}");
}
