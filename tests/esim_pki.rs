//! The certificates of remote SIM provisioning as other programs and users meet them: OpenSSL reads and verifies
//! them, and `cellbed pki` keeps them in a folder. Where `openssl` is not installed, its tests say so and pass.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cellbed::crypto::rsp_cert::RspCertificate;
use tempfile::TempDir;

const SEED: [&str; 2] = ["--seed", "7"];
const EID: &str = "89049032123451234512345678901235";
/// 2026-02-01T00:00:00Z, a month after the certificates of a seed begin.
const AT: &str = "1769904000";

fn cellbed(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cellbed"))
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the program starts")
}

/// Runs `cellbed pki`; returns its exit code and all that it said.
fn pki(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = cellbed(folder, &[&["pki"], args].concat());
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn passes(folder: &Path, args: &[&str]) -> String {
    let (code, text) = pki(folder, args);
    assert_eq!(code, Some(0), "{args:?}: {text}");
    text
}

/// A folder `pki` with a hierarchy of seed 7 that serves as smdp.cellbed.test and 10.45.0.10.
fn made(more: &[&str]) -> TempDir {
    let place = TempDir::new().unwrap();
    let hosts = ["--host", "smdp.cellbed.test", "--host", "10.45.0.10", "--eid", EID];
    passes(place.path(), &[&["new", "pki"], &SEED[..], &hosts, more].concat());
    place
}

fn openssl(folder: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn openssl_passes(folder: &Path, arguments: &str) -> String {
    let (passed, text) = openssl(folder, arguments);
    assert!(passed, "openssl {arguments}: {text}");
    text
}

/// The DER signature that ends a certificate: behind the header of the certificate, what is signed, the algorithm
/// (12 bytes) and the header of the BIT STRING (3 bytes).
fn signature_of(certificate: &RspCertificate) -> &[u8] {
    &certificate.der()[4 + certificate.tbs().len() + 12 + 3..]
}

/// A certificate as PEM, for programs that want that.
fn to_pem(folder: &Path, path: &str) -> String {
    let name = path.replace('/', "_") + ".pem";
    openssl_passes(folder, &format!("x509 -inform DER -in pki/{path} -out {name}"));
    name
}

#[test]
fn openssl_verifies_every_chain_and_reads_every_key() {
    if !support::need_command("openssl", "OpenSSL verifies every chain and reads every key") {
        return;
    }
    for (curve, suffix, name) in
        [("p256", "NIST", "prime256v1"), ("brainpool-p256r1", "BRP", "brainpoolP256r1")]
    {
        let place = made(&["--curve", curve]);
        let at = place.path();
        let ci = to_pem(at, &format!("CertificateIssuer/CERT_CI_ECDSA_{suffix}.der"));
        let eum = to_pem(at, &format!("EUM/CERT_EUM_ECDSA_{suffix}.der"));
        let verify = format!("verify -x509_strict -CAfile {ci} -attime {AT}");
        for server in [
            "DPauth/CERT_S_SM_DPauth_ECDSA",
            "DPpb/CERT_S_SM_DPpb_ECDSA",
            "DSauth/CERT_S_SM_DSauth_ECDSA",
            "eIM/CERT_EIM_ECDSA",
        ] {
            let server = to_pem(at, &format!("{server}_{suffix}.der"));
            openssl_passes(at, &format!("{verify} {server}"));
        }
        let tls = to_pem(at, &format!("DPtls/CERT_S_SM_DP_TLS_{suffix}.der"));
        openssl_passes(at, &format!("{verify} -purpose sslserver -verify_hostname smdp.cellbed.test {tls}"));
        openssl_passes(at, &format!("{verify} -purpose sslserver -verify_ip 10.45.0.10 {tls}"));
        assert!(!openssl(at, &format!("{verify} -verify_hostname other.test {tls}")).0);
        openssl_passes(at, &format!("{verify} {eum}"));
        // OpenSSL takes name constraints by RFC 5280, where 89049032 is not the beginning of an EID: SGP.22 gives
        // them its own meaning, so the eUICC's link is verified without them.
        let euicc = to_pem(at, &format!("eUICC/CERT_EUICC_{EID}_ECDSA_{suffix}.der"));
        let (passed, text) = openssl(at, &format!("{verify} -untrusted {eum} {euicc}"));
        assert!(!passed && text.contains("permitted subtree violation"), "{text}");
        let certificate = RspCertificate::parse(
            &fs::read(at.join(format!("pki/eUICC/CERT_EUICC_{EID}_ECDSA_{suffix}.der"))).unwrap(),
        )
        .unwrap();
        fs::write(at.join("tbs"), certificate.tbs()).unwrap();
        fs::write(at.join("signature"), signature_of(&certificate)).unwrap();
        let key = openssl_passes(at, &format!("x509 -in {eum} -noout -pubkey"));
        fs::write(at.join("eum.pub"), key).unwrap();
        openssl_passes(at, "dgst -sha256 -verify eum.pub -signature signature tbs");

        for path in ["DPauth/SK_S_SM_DPauth_ECDSA", "CertificateIssuer/SK_CI_ECDSA"] {
            let text = openssl_passes(at, &format!("pkey -in pki/{path}_{suffix}.pem -noout -check -text"));
            assert!(text.contains("Key is valid") && text.contains(name), "{text}");
        }
        let key = openssl_passes(at, &format!("pkey -in pki/DPtls/SK_S_SM_DP_TLS_{suffix}.pem -pubout"));
        assert_eq!(key, openssl_passes(at, &format!("x509 -in {tls} -noout -pubkey")));
    }
}

#[test]
fn openssl_prints_the_extensions_of_sgp_22() {
    if !support::need_command("openssl", "OpenSSL reads the extensions of SGP.22") {
        return;
    }
    let place = made(&[]);
    let text =
        |path: &str| openssl_passes(place.path(), &format!("x509 -inform DER -in pki/{path} -noout -text"));
    let all = |path: &str, parts: &[&str]| {
        let text = text(path);
        for part in parts {
            assert!(text.contains(part), "{path}: {part} is not in\n{text}");
        }
    };
    let critical = |name: &str, value: &str| format!("{name}: critical\n                {value}");
    let policy = |number: u8| critical("Certificate Policies", &format!("Policy: 2.23.146.1.2.1.{number}"));
    let signs = critical("Key Usage", "Digital Signature");
    all(
        "CertificateIssuer/CERT_CI_ECDSA_NIST.der",
        &[
            &critical("Basic Constraints", "CA:TRUE\n"),
            &critical("Key Usage", "Certificate Sign, CRL Sign"),
            &policy(0),
            "Registered ID:2.999.1\n",
            "URI:http://ci.cellbed.test/ci.crl",
        ],
    );
    all(
        "EUM/CERT_EUM_ECDSA_NIST.der",
        &[
            &critical("Basic Constraints", "CA:TRUE, pathlen:0"),
            &critical("Key Usage", "Certificate Sign\n"),
            &policy(2),
            "Name Constraints: critical\n                Permitted:\n                  DirName:O = cellbed, serialNumber = 89049032",
        ],
    );
    let euicc = format!("eUICC/CERT_EUICC_{EID}_ECDSA_NIST.der");
    all(
        &euicc,
        &[&signs, &policy(1), &format!("serialNumber = {EID}"), "Not After : Dec 31 23:59:59 9999 GMT"],
    );
    all("DPauth/CERT_S_SM_DPauth_ECDSA_NIST.der", &[&signs, &policy(4), "Registered ID:2.999.10"]);
    all("DPpb/CERT_S_SM_DPpb_ECDSA_NIST.der", &[&signs, &policy(5), "Registered ID:2.999.10"]);
    all("DSauth/CERT_S_SM_DSauth_ECDSA_NIST.der", &[&signs, &policy(7), "Registered ID:2.999.15"]);
    for (path, number) in [("DPtls/CERT_S_SM_DP_TLS_NIST.der", 3), ("DStls/CERT_S_SM_DS_TLS_NIST.der", 6)] {
        all(
            path,
            &[
                &signs,
                "Extended Key Usage: critical\n                TLS Web Server Authentication, TLS Web Client",
                &format!("Certificate Policies: \n                Policy: 2.23.146.1.2.1.{number}"),
                "DNS:smdp.cellbed.test, IP Address:10.45.0.10, Registered ID:2.999.1",
            ],
        );
    }
    assert!(!text("DPauth/CERT_S_SM_DPauth_ECDSA_NIST.der").contains("Basic Constraints"));
}

#[test]
fn openssl_takes_the_revocation_list() {
    if !support::need_command("openssl", "OpenSSL takes the revocation list") {
        return;
    }
    // The list is signed now, so the certificates begin now as well.
    let place = TempDir::new().unwrap();
    let at = place.path();
    passes(at, &["new", "pki"]);
    passes(at, &["revoke", "pki", "pki/DPpb/CERT_S_SM_DPpb_ECDSA_NIST.der", "--reason", "superseded"]);
    let ci = to_pem(at, "CertificateIssuer/CERT_CI_ECDSA_NIST.der");
    let (auth, pb) = (
        to_pem(at, "DPauth/CERT_S_SM_DPauth_ECDSA_NIST.der"),
        to_pem(at, "DPpb/CERT_S_SM_DPpb_ECDSA_NIST.der"),
    );
    let list = "crl -inform DER -in pki/CertificateIssuer/CRL_CI_ECDSA_NIST.crl";
    let extensions = openssl_passes(at, &format!("{list} -noout -text"));
    for part in ["X509v3 Issuing Distribution Point: critical", "URI:http://ci.cellbed.test/ci.crl"] {
        assert!(extensions.contains(part), "{extensions}");
    }
    openssl_passes(at, &format!("{list} -out list.pem"));
    let text = openssl_passes(at, &format!("{list} -noout -text -CAfile {ci}"));
    assert!(text.contains("verify OK") && text.contains("Superseded"), "{text}");
    let verify = format!("verify -crl_check -CRLfile list.pem -CAfile {ci}");
    openssl_passes(at, &format!("{verify} {auth}"));
    let (passed, text) = openssl(at, &format!("{verify} {pb}"));
    assert!(!passed && text.contains("certificate revoked"), "{text}");
}

#[test]
fn a_seed_gives_the_same_folder_and_no_folder_is_written_over() {
    let (one, two) = (made(&[]), made(&[]));
    let path = "pki/DPauth/SK_S_SM_DPauth_ECDSA_NIST.pem";
    let read = |place: &TempDir| fs::read(place.path().join(path)).unwrap();
    assert_eq!(read(&one), read(&two));
    let (code, text) = pki(one.path(), &["new", "pki", "--seed", "8"]);
    assert_eq!(code, Some(96), "{text}");
    assert!(text.contains("pki is already there"), "{text}");
    assert_eq!(read(&one), read(&two));
    // Without a seed nobody can make the same.
    let place = TempDir::new().unwrap();
    passes(place.path(), &["new", "a"]);
    passes(place.path(), &["new", "b"]);
    let key = |name: &str| {
        fs::read(place.path().join(name).join("CertificateIssuer/SK_CI_ECDSA_NIST.pem")).unwrap()
    };
    assert_ne!(key("a"), key("b"));
}

#[test]
fn a_folder_whose_keys_follow_from_a_seed_says_so_for_good() {
    let place = TempDir::new().unwrap();
    let at = place.path();
    for (name, more, marked) in [("lab", &["--seed", "7"][..], true), ("own", &[], false)] {
        passes(at, &[&["new", name], more].concat());
        let mark = format!("LAB KEYS: the private keys of {name} are public");
        // Whoever loads it for some purpose says it, as `renew` does, and the mark outlives that.
        for verb in ["show", "renew", "check"] {
            let (_, text) = pki(at, &[verb, name]);
            assert_eq!(text.contains(&mark), marked, "{verb}: {text}");
        }
        assert_eq!(at.join(name).join("LAB-KEYS.txt").exists(), marked);
    }
}

#[test]
fn show_prints_the_chain_and_single_files() {
    let place = made(&[]);
    let text = passes(place.path(), &["show", "pki"]);
    for part in ["CI ", "EUM ", "DPauth ", "DStls ", EID, "2.999.10", "2.999.20", "10 private keys"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("PRIVATE KEY"));
    let text = passes(place.path(), &["show", "pki/EUM/CERT_EUM_ECDSA_NIST.der"]);
    assert!(text.contains("EIDs 89049032...") && text.contains("certificate of EUM"), "{text}");
    let (code, text) = pki(place.path(), &["show", "pki/EUM/SK_EUM_ECDSA_NIST.pem"]);
    assert!(code == Some(96) && text.contains("SK_EUM"), "{text}");
}

#[test]
fn check_names_file_and_reason() {
    let place = TempDir::new().unwrap();
    let at = place.path();
    passes(at, &["new", "pki"]);
    let text = passes(at, &["check", "pki"]);
    assert!(text.contains("files are in order"), "{text}");

    passes(at, &["revoke", "pki", "pki/DPauth/CERT_S_SM_DPauth_ECDSA_NIST.der"]);
    let (code, text) = pki(at, &["check", "pki"]);
    assert_eq!(code, Some(100), "{text}");
    let line = text.lines().find(|line| line.contains("CERT_S_SM_DPauth")).unwrap();
    assert!(line.contains("WRONG") && line.contains("is revoked"), "{line}");

    passes(at, &["renew", "pki"]);
    let text = passes(at, &["check", "pki"]);
    assert!(text.contains("files are in order"), "{text}");
    let (code, text) = pki(at, &["renew", "pki", "--oid", "1.2.3"]);
    assert!(code == Some(96) && text.contains("has no server 1.2.3"), "{text}");

    let file = at.join("pki/DPtls/CERT_S_SM_DP_TLS_NIST.der");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let (code, text) = pki(at, &["check", "pki"]);
    assert!(code == Some(100) && text.contains("1 of "), "{text}");
    for missing in ["show", "check", "renew"] {
        let (code, text) = pki(at, &[missing, "no/such"]);
        assert!(code == Some(96) && text.contains("no/such"), "{text}");
    }
}
