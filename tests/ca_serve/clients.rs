//! What curl and OpenSSL get done.

use crate::serving::{Place, Serving, Tools};

const ONE: [&str; 2] = ["-u", "one:first secret"];
const SHOWN: [&str; 4] = ["--cert", "one.pem", "--key", "one.key"];

#[test]
fn curl_and_openssl_enrol_and_enrol_again() {
    let serving = Serving::start(&[]);
    let unproved = "curl and OpenSSL enrol with a password, and again with a certificate";
    let Some(tools) = Tools::new(&serving.place, unproved) else { return };

    // The root, as the client has it already.
    let (status, head) = tools.curl(&serving.url("cacerts"), &[]);
    assert_eq!(status, 200, "{head}");
    // Names as libest wants them, and the encoding that RFC 7030 asked for and RFC 8951 lets be.
    for field in
        ["Content-Type: application/pkcs7-mime", "Content-Transfer-Encoding: base64", "Content-Length: "]
    {
        assert!(head.contains(field), "{field} is not in\n{head}");
    }
    tools.passes("base64 -A -d -in body -out body.p7");
    tools.passes("pkcs7 -inform DER -in body.p7 -print_certs -out root.pem");
    let fingerprint = |file: &str| tools.passes(&format!("x509 -in {file} -noout -fingerprint -sha256"));
    assert_eq!(fingerprint("root.pem"), fingerprint("ca/ca.pem"));

    let (status, head) = tools.curl(&serving.url("csrattrs"), &[]);
    assert!(status == 200 && head.contains("Content-Type: application/csrattrs"), "{head}");
    tools.passes("base64 -A -d -in body -out body.der");
    let attributes = tools.passes("asn1parse -inform DER -in body.der");
    assert!(attributes.contains("prime256v1") && attributes.contains("ecdsa-with-SHA256"), "{attributes}");
    assert!(!attributes.contains("challengePassword"), "nobody is asked for tls-unique: {attributes}");

    // A first certificate, by user name and password.
    tools.csr("one", "-subj /CN=sensor-1");
    let (status, head) = tools.enrol(&serving, "simpleenroll", "one", &ONE);
    assert_eq!(status, 200, "{head}");
    assert!(head.contains("smime-type=certs-only"), "{head}");
    assert_eq!(tools.passes("x509 -in one.pem -noout -pubkey"), tools.passes("pkey -in one.key -pubout"));
    let text = tools.passes("x509 -in one.pem -noout -text");
    for part in [
        "Subject: CN = sensor-1",
        "DNS:sensor-1.test",
        &format!("URI:{}/ca.crl", serving.status),
        &format!("OCSP - URI:{}/ocsp", serving.status),
        "TLS Web Client Authentication",
        "CA:FALSE",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    tools.passes("verify -x509_strict -CAfile ca/ca.pem -purpose sslclient one.pem");

    // Another one for the same key, and one for a new key, by the certificate; without line breaks, and as DER.
    tools.csr_of("again", "one", "-subj /CN=sensor-1 -addext subjectAltName=DNS:sensor-1.test");
    let (status, _) = tools.enrol(&serving, "simplereenroll", "again", &SHOWN);
    assert_eq!((status, tools.word()), (200, tools.word()));
    assert_ne!(tools.serial("again"), tools.serial("one"));
    tools.csr("new", "-subj /CN=sensor-1 -addext subjectAltName=DNS:sensor-1.test");
    tools.passes("base64 -A -in new.der -out new.b64");
    assert_eq!(tools.enrol(&serving, "simplereenroll", "new", &SHOWN).0, 200, "{}", tools.word());
    std::fs::copy(tools.place().join("new.der"), tools.place().join("new.b64")).unwrap();
    assert_eq!(tools.enrol(&serving, "simplereenroll", "new", &SHOWN).0, 200, "{}", tools.word());
    tools.passes("verify -CAfile ca/ca.pem new.pem");
}

#[test]
fn openssl_asks_for_the_status_and_obeys_it() {
    let serving = Serving::start(&[]);
    let unproved = "OpenSSL asks the OCSP responder and obeys the revocation list";
    let Some(tools) = Tools::new(&serving.place, unproved) else { return };
    tools.csr("one", "-subj /CN=sensor-1");
    assert_eq!(tools.enrol(&serving, "simpleenroll", "one", &ONE).0, 200);

    // Where to ask stands in the certificate.
    let url = tools.passes("x509 -in one.pem -noout -ocsp_uri").trim().to_owned();
    let ask = || {
        let said =
            tools.passes(&format!("ocsp -issuer ca/ca.pem -cert one.pem -url {url} -CAfile ca/ca.pem"));
        assert!(said.contains("Response verify OK") && !said.contains("nonce"), "{said}");
        said
    };
    let list = || {
        assert_eq!(tools.curl(&format!("{}/ca.crl", serving.status), &[]).0, 200);
        tools.passes("crl -inform DER -in body -CAfile ca/ca.pem -out list.pem");
        tools.openssl("verify -x509_strict -crl_check -CAfile ca/ca.pem -CRLfile list.pem one.pem")
    };
    assert!(ask().contains("one.pem: good"));
    assert!(list().0);

    let serial = tools.serial("one");
    let (code, said) = serving.place.ca("revoke", &[&serial, "--reason", "superseded"]);
    assert_eq!(code, 0, "{said}");
    let said = ask();
    assert!(said.contains("one.pem: revoked") && said.contains("Reason: superseded"), "{said}");
    let (passed, said) = list();
    assert!(!passed && said.contains("certificate revoked"), "{said}");
    // OpenSSL gets it by the distribution point as well.
    let (passed, said) = tools.openssl("verify -crl_check -crl_download -CAfile ca/ca.pem one.pem");
    assert!(!passed && said.contains("certificate revoked"), "{said}");

    // By GET, as RFC 6960 appendix A.1 has it.
    tools.passes("ocsp -issuer ca/ca.pem -cert one.pem -reqout request.der -no_nonce");
    tools.passes("base64 -A -in request.der -out request.b64");
    let text = String::from_utf8(serving.place.get("request.b64")).unwrap();
    let escaped = text.trim().replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let (status, head) = tools.curl(&format!("{}/ocsp/{escaped}", serving.status), &[]);
    assert!(status == 200 && head.contains("application/ocsp-response"), "{head}");
    let said = tools.passes("ocsp -respin body -issuer ca/ca.pem -cert one.pem -CAfile ca/ca.pem");
    assert!(said.contains("one.pem: revoked"), "{said}");

    // It is the status that the list of the folder has, and it survives a restart.
    let (_, listed) = serving.place.ca("list", &[]);
    let line = listed.lines().find(|line| line.starts_with(&serial)).unwrap().to_owned();
    assert!(line.contains("sensor-1") && line.ends_with(": superseded"), "{line}");
    let place: Place = serving.interrupt();
    let serving = Serving::of(place, &[]);
    let tools = Tools::new(&serving.place, unproved).unwrap();
    tools.csr_of("again", "one", "-subj /CN=sensor-1 -addext subjectAltName=DNS:sensor-1.test");
    assert_eq!(tools.enrol(&serving, "simplereenroll", "again", &SHOWN).0, 403);
    assert_eq!(tools.word(), "certificate-revoked");
}

#[test]
fn a_certificate_of_another_authority_gets_a_first_one_where_it_is_listed() {
    let serving = Serving::start(&[]);
    let unproved = "a manufacturer's certificate enrols its device";
    let Some(tools) = Tools::new(&serving.place, unproved) else { return };
    let maker = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30";
    tools.passes(&format!("{maker} -keyout maker.key -out maker.pem -subj /CN=maker"));
    tools.csr("made", "-subj /CN=00112233");
    serving.place.put("made.cnf", b"basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n");
    let by_maker = "-CA maker.pem -CAkey maker.key -extfile made.cnf -days 30";
    tools.passes(&format!("x509 -req -in made.der -inform DER {by_maker} -out made.pem"));
    let said = tools.passes("x509 -in made.pem -noout -fingerprint -sha256");
    let digest = said.trim().rsplit('=').next().unwrap();
    let mut clients = String::from_utf8(serving.place.get("clients.toml")).unwrap();
    clients += &format!("\n[[client]]\nname = \"gateway\"\ncertificate_sha256 = \"{digest}\"\n");
    serving.place.put("clients.toml", clients.as_bytes());
    let place = serving.interrupt();
    let root = place.path("maker.pem");
    let serving = Serving::of(place, &["--client-ca", root.to_str().unwrap()]);
    let tools = Tools::new(&serving.place, unproved).unwrap();
    tools.csr("gateway", "-subj /CN=gateway");
    let shown = ["--cert", "made.pem", "--key", "made.key"];
    assert_eq!(tools.enrol(&serving, "simpleenroll", "gateway", &shown).0, 200, "{}", tools.word());
    tools.passes("verify -CAfile ca/ca.pem gateway.pem");
}
