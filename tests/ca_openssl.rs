//! OpenSSL reads and verifies what the authority and a device write, and the authority takes what OpenSSL
//! writes.
#![allow(clippy::disallowed_methods, reason = "a test reads files and starts programs")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use cellbed::ca::est::{self, EstRequest, EstResponse};
use cellbed::ca::{Authority, Csr, CsrBuilder, DeviceCertificate, Publication, RevocationReason, Subject};
use cellbed::crypto::{SoftKey, Tally};
use cellbed::id::DeviceName;
use cellbed::kernel::{EPOCH_UNIX_S, RngTree};
use tempfile::TempDir;

/// A directory in which `openssl` works; none where it is not installed.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new(unproved: &str) -> Option<Self> {
        support::need_command("openssl", unproved).then(|| Self { folder: TempDir::new().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs one openssl command in the directory; returns whether it succeeded, and all that it said.
    fn openssl(&self, arguments: &str) -> (bool, String) {
        let output = run(self.folder.path(), arguments);
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn passes(&self, arguments: &str) -> String {
        let (passed, text) = self.openssl(arguments);
        assert!(passed, "openssl {arguments}: {text}");
        text
    }

    fn put_certificate(&self, name: &str, der: &[u8]) {
        self.put("certificate.der", der);
        self.passes(&format!("x509 -inform DER -in certificate.der -out {name}"));
    }
}

fn run(folder: &Path, arguments: &str) -> Output {
    Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output().unwrap()
}

fn key(purpose: &str) -> SoftKey {
    SoftKey::from_stream(&mut RngTree::new(7).stream(purpose))
}

fn authority() -> Authority {
    let authority = Authority::new(RngTree::new(7), &Tally::new(), EPOCH_UNIX_S).unwrap();
    authority.published(Publication::below("http://pki.test"))
}

fn csr_der() -> Vec<u8> {
    let builder = CsrBuilder::new(Some(&device()), &key("device").public(), Some(&[5; 32])).unwrap();
    let signature = key("device").sign(builder.tbs());
    builder.finish(&signature).unwrap()
}

fn issue_device(ca: &mut Authority) -> Vec<u8> {
    issue(ca, &Csr::parse(&csr_der()).unwrap())
}

fn issue(ca: &mut Authority, csr: &Csr) -> Vec<u8> {
    let prepared = ca.prepare(csr, &device(), EPOCH_UNIX_S).unwrap();
    ca.issue(prepared).unwrap()
}

fn name() -> DeviceName {
    DeviceName::from_random([1; 16])
}

fn device() -> Subject {
    Subject::device(&name()).unwrap()
}

#[test]
fn certificates_verify_for_their_purpose_only() {
    let Some(bench) = Bench::new("OpenSSL verifies certificates for their purpose only") else { return };
    let mut ca = authority();
    let server = ca.issue_server(
        &["est.cellbed.test", "mqtt.cellbed.test"],
        &["10.0.0.1".parse().unwrap()],
        &key("server").public(),
        EPOCH_UNIX_S,
    );
    bench.put_certificate("root.pem", ca.root_der());
    bench.put_certificate("server.pem", &server.unwrap());
    bench.put_certificate("device.pem", &issue_device(&mut ca));

    let verify = format!("verify -x509_strict -CAfile root.pem -attime {EPOCH_UNIX_S}");
    bench.passes(&format!("{verify} -purpose sslserver -verify_hostname mqtt.cellbed.test server.pem"));
    bench.passes(&format!("{verify} -purpose sslserver -verify_ip 10.0.0.1 server.pem"));
    bench.passes(&format!("{verify} -purpose sslclient device.pem"));
    assert!(!bench.openssl(&format!("{verify} -purpose sslclient server.pem")).0);
    assert!(!bench.openssl(&format!("{verify} -purpose sslserver device.pem")).0);
    assert!(!bench.openssl(&format!("{verify} -verify_hostname cellbed.test server.pem")).0);
    let expired = EPOCH_UNIX_S + 400 * 86_400;
    assert!(!bench.openssl(&format!("verify -CAfile root.pem -attime {expired} device.pem")).0);

    let text = bench.passes("x509 -in device.pem -noout -text");
    for part in [
        "Version: 3 (0x2)",
        &format!("URI:{}", name().urn()),
        "URI:http://pki.test/ca.crl",
        "OCSP - URI:http://pki.test/ocsp",
        "CA Issuers - URI:http://pki.test/ca.cer",
        "TLS Web Client Authentication",
        "CA:FALSE",
        "Digital Signature",
        "Subject Key Identifier",
        "Authority Key Identifier",
        "Not Before: Jan  1 00:00:00 2026 GMT",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn openssl_verifies_a_devices_request() {
    let Some(bench) = Bench::new("OpenSSL verifies a device's request") else { return };
    bench.put("csr.der", &csr_der());
    let text = bench.passes("req -inform DER -in csr.der -noout -verify -text");
    assert!(text.contains("verify OK"), "{text}");
    assert!(text.contains("challengePassword"), "{text}");
}

#[test]
fn openssl_reads_the_bodies_of_est() {
    let Some(bench) = Bench::new("OpenSSL reads the bodies of EST") else { return };
    let mut ca = authority();
    let cacerts = EstResponse::cacerts(&[ca.root_der()]).unwrap();
    let enrolled = EstResponse::enrolled(&issue_device(&mut ca)).unwrap();
    for (body, name) in [(cacerts.body, "cellbed test root"), (enrolled.body, &name().to_string())] {
        bench.put("body.txt", &body);
        bench.passes("base64 -A -d -in body.txt -out body.der");
        let text = bench.passes("pkcs7 -inform DER -in body.der -print_certs -noout");
        assert!(text.contains(name), "{text}");
    }
    bench.put("body.txt", &EstRequest::simple_enroll(&csr_der()).body);
    bench.passes("base64 -A -d -in body.txt -out body.der");
    bench.passes("req -inform DER -in body.der -noout -verify");
    bench.put("body.txt", &EstResponse::csrattrs(est::Linking::Demanded).body);
    bench.passes("base64 -A -d -in body.txt -out body.der");
    assert!(bench.passes("asn1parse -inform DER -in body.der").contains("challengePassword"));
}

#[test]
fn openssl_obeys_the_revocation_list() {
    let Some(bench) = Bench::new("OpenSSL obeys the revocation list") else { return };
    let mut ca = authority();
    let device = issue_device(&mut ca);
    bench.put_certificate("root.pem", ca.root_der());
    bench.put_certificate("device.pem", &device);
    let verify =
        format!("verify -x509_strict -crl_check -CAfile root.pem -CRLfile list.pem -attime {EPOCH_UNIX_S}");
    let list = |ca: &mut Authority| {
        bench.put("list.der", ca.revocation_list(EPOCH_UNIX_S).unwrap());
        bench.passes("crl -inform DER -in list.der -out list.pem");
        bench.passes("crl -in list.pem -CAfile root.pem -noout -text")
    };

    assert!(list(&mut ca).contains("No Revoked Certificates"));
    bench.passes(&format!("{verify} device.pem"));

    let serial = DeviceCertificate::parse(&device).unwrap().serial();
    ca.revoke(serial, RevocationReason::PrivilegeWithdrawn, EPOCH_UNIX_S).unwrap();
    let text = list(&mut ca);
    assert!(text.to_lowercase().contains(&serial.to_string()), "{text}");
    assert!(text.contains("Privilege Withdrawn"), "{text}");
    let (passed, text) = bench.openssl(&format!("{verify} device.pem"));
    assert!(!passed && text.contains("certificate revoked"), "{text}");
}

#[test]
fn openssl_asks_for_the_status_of_a_certificate() {
    let Some(bench) = Bench::new("OpenSSL understands the OCSP responder") else { return };
    let mut ca = authority();
    let device = issue_device(&mut ca);
    // The same authority as if it had lost its index. OpenSSL believes an authority of its own certificates only.
    let mut twin = authority();
    issue_device(&mut twin);
    bench.put_certificate("root.pem", ca.root_der());
    bench.put_certificate("device.pem", &device);
    bench.put_certificate("forgotten.pem", &issue_device(&mut twin));
    // The answer to a request with a nonce, as OpenSSL verifies it: signed by the authority, and with that nonce.
    let ask = |ca: &Authority, digest: &str, certificate: &str| {
        let options = format!("{digest} -issuer root.pem -cert {certificate}");
        bench.passes(&format!("ocsp {options} -reqout request.der"));
        let request = std::fs::read(bench.path("request.der")).unwrap();
        bench.put("response.der", &ca.ocsp(&request, EPOCH_UNIX_S));
        let verify = format!(
            "-CAfile root.pem -attime {EPOCH_UNIX_S} -no_nonce -reqin request.der -respin response.der"
        );
        let said = bench.passes(&format!("ocsp {verify} {options} -validity_period 999999999"));
        assert!(said.contains("Response verify OK"), "{said}");
        assert!(!said.to_lowercase().contains("nonce"), "the nonce is repeated: {said}");
        said
    };
    for digest in ["-sha1", "-sha256"] {
        assert!(ask(&ca, digest, "device.pem").contains("device.pem: good"));
        // The index does not have that number.
        assert!(ask(&ca, digest, "forgotten.pem").contains("forgotten.pem: unknown"));
    }
    let serial = DeviceCertificate::parse(&device).unwrap().serial();
    ca.revoke(serial, RevocationReason::KeyCompromise, EPOCH_UNIX_S).unwrap();
    let said = ask(&ca, "-sha1", "device.pem");
    assert!(said.contains("device.pem: revoked") && said.contains("Reason: keyCompromise"), "{said}");
}

#[test]
fn the_authority_takes_a_request_of_openssl() {
    let Some(bench) = Bench::new("the authority takes a request of OpenSSL") else { return };
    bench.passes("ecparam -name prime256v1 -genkey -noout -out key.pem");
    bench.passes("req -new -key key.pem -subj /CN=device -outform DER -out csr.der");
    bench.passes("base64 -in csr.der -out body.txt");
    let body = std::fs::read(bench.path("body.txt")).unwrap();
    let csr = est::read_enroll_request(Some("application/pkcs10"), &body).unwrap();
    let mut ca = authority();
    let device = issue(&mut ca, &csr);
    bench.put_certificate("root.pem", ca.root_der());
    bench.put_certificate("device.pem", &device);
    bench.passes(&format!("verify -CAfile root.pem -attime {EPOCH_UNIX_S} device.pem"));
    assert_eq!(bench.passes("x509 -in device.pem -noout -pubkey"), bench.passes("pkey -in key.pem -pubout"),);
}
