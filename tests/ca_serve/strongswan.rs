//! strongSwan's `pki`: an EST client with a TLS, an X.509 and an OCSP of its own.

use std::path::PathBuf;
use std::process::Command;

use crate::serving::Serving;
use crate::support::{need, on_path};

/// strongSwan's `pki` with EST, which came with 5.9.8; other programs have that name as well.
fn pki() -> Result<PathBuf, String> {
    let program = on_path("pki")?;
    let output =
        Command::new(&program).args(["--est", "--help"]).output().map_err(|error| error.to_string())?;
    let said = [output.stdout, output.stderr].concat();
    match String::from_utf8_lossy(&said).contains("pki --est --url") {
        true => Ok(program),
        false => Err(format!("{} has no EST", program.display())),
    }
}

#[test]
fn strongswan_enrols_and_renews_and_asks_for_the_status() {
    let Some(pki) = need("strongswan", "strongSwan enrols, renews and asks the OCSP responder", pki()) else {
        return;
    };
    let serving = Serving::start(&[]);
    // Its TLS has version 1.3 where it is told so.
    serving.place.put("strongswan.conf", b"libtls {\n  version_max = 1.3\n}\n");
    let run = |arguments: &[&str], into: &str| {
        let output = Command::new(&pki)
            .current_dir(serving.place.folder.path())
            .env("STRONGSWAN_CONF", serving.place.path("strongswan.conf"))
            .args(arguments)
            .output()
            .unwrap();
        serving.place.put(into, &output.stdout);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let url = format!("https://localhost:{}", serving.est.port());
    assert!(run(&["--gen", "--type", "ecdsa", "--size", "256", "--outform", "pem"], "two.key").0);
    let request =
        ["--req", "--in", "two.key", "--type", "ecdsa", "--dn", "CN=sensor-2", "--digest", "sha256"];
    assert!(run(&request, "two.der").0);
    let est = ["--est", "--url", &url, "--in", "two.der", "--cacert", "ca/ca.pem", "--outform", "pem"];

    let (done, said) =
        run(&["--estca", "--url", &url, "--cacert", "ca/ca.pem", "--caout", "root.pem"], "out");
    assert!(done && said.contains("Root CA equals trusted TLS Root CA"), "{said}");
    let (done, said) = run(&[&est[..], &["--userpass", "two:wrong"]].concat(), "out");
    assert!(!done && said.contains("HTTP 401"), "{said}");
    let (done, said) = run(&[&est[..], &["--userpass", "two:second secret"]].concat(), "two.pem");
    assert!(done && said.contains("Issued certificate is trusted"), "{said}");
    // It looks at the server's own certificate as well.
    assert!(
        said.contains("ocsp response correctly signed") && said.contains("certificate status is good"),
        "{said}"
    );
    let (done, said) = run(&[&est[..], &["--cert", "two.pem", "--key", "two.key"]].concat(), "again.pem");
    assert!(done && said.contains("Issued certificate is trusted"), "{said}");

    let verify = ["--verify", "--in", "two.pem", "--cacert", "ca/ca.pem", "--online"];
    let (done, said) = run(&verify, "out");
    assert!(done && said.contains("certificate status is good"), "{said}");
    let (_, listed) = serving.place.ca("list", &[]);
    for line in listed.lines().filter(|line| line.contains("sensor-2")) {
        let serial = line.split(' ').next().unwrap();
        assert_eq!(serving.place.ca("revoke", &[serial]).0, 0);
    }
    let (done, said) = run(&verify, "out");
    assert!(!done && said.contains("revoked"), "{said}");
}
