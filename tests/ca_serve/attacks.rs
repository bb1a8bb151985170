//! What somebody gets who should not. Each has what he would have: the network between, a CSR that he has seen, a
//! password of his own, a certificate of his own or one that is not good any more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cellbed::ca::{CsrBuilder, Subject};
use cellbed::crypto::SoftKey;
use cellbed::kernel::RngTree;

use crate::serving::{Serving, Tools};
use crate::support::need_command;

const ONE: [&str; 2] = ["-u", "one:first secret"];
const TWO: [&str; 2] = ["-u", "two:second secret"];

#[test]
fn nobody_enrols_without_showing_who_he_is() {
    let serving = Serving::start(&[]);
    let Some(tools) = Tools::new(&serving.place, "a client that shows nothing gets nothing") else { return };
    tools.csr("one", "-subj /CN=sensor-1");
    let (status, head) = tools.enrol(&serving, "simpleenroll", "one", &[]);
    assert!(status == 401 && head.contains("WWW-Authenticate: Basic realm=\"EST\""), "{head}");
    assert_eq!(tools.enrol(&serving, "simpleenroll", "one", &["-u", "one:second secret"]).0, 401);
    // A certificate that nobody trusts here does not get through TLS.
    tools.passes("req -x509 -key one.key -subj /CN=sensor-1 -days 2 -out self.pem");
    let shown = ["--cert", "self.pem", "--key", "one.key"];
    assert_eq!(tools.enrol(&serving, "simpleenroll", "one", &shown).0, 0);
    // A password renews nothing.
    assert_eq!(tools.enrol(&serving, "simplereenroll", "one", &ONE).0, 401);
    assert_eq!(tools.word(), "client-certificate-required");
}

#[test]
fn nobody_gets_more_than_is_his() {
    let serving = Serving::start(&[]);
    let Some(tools) = Tools::new(&serving.place, "a client gets no other name and no authority") else {
        return;
    };
    let refused = |name: &str, options: &str, who: &[&str]| {
        tools.csr(name, options);
        let (status, _) = tools.enrol(&serving, "simpleenroll", name, who);
        format!("{status} {}", tools.word())
    };
    assert_eq!(refused("other", "-subj /CN=sensor-1", &TWO), "403 name-mismatch");
    let host = "-subj /CN=sensor-2 -addext subjectAltName=DNS:sensor-1.test";
    assert_eq!(refused("host", host, &TWO), "403 name-mismatch");
    for extension in ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,digitalSignature,keyCertSign"] {
        let authority = format!("-subj /CN=sensor-2 -addext {extension}");
        assert_eq!(refused("authority", &authority, &TWO), "400 authority-asked");
    }
    // A CSR for somebody else's key, which its sender cannot sign with.
    tools.csr("two", "-subj /CN=sensor-2");
    let mut csr = serving.place.get("two.der");
    *csr.last_mut().unwrap() ^= 1;
    serving.place.put("two.b64", STANDARD.encode(csr).as_bytes());
    assert_eq!(tools.enrol(&serving, "simpleenroll", "two", &TWO).0, 400);
    assert_eq!(tools.word(), "bad-csr");
    // Keys are not made here.
    let body = ["-H", "Content-Type: application/pkcs10", "--data-binary", "@two.b64"];
    assert_eq!(tools.curl(&serving.url("serverkeygen"), &[&body[..], &TWO].concat()).0, 501);
}

#[test]
fn a_certificate_renews_its_own_name_and_only_while_it_is_good() {
    let serving = Serving::start(&[]);
    let Some(tools) = Tools::new(&serving.place, "re-enrolment as somebody else is refused") else { return };
    tools.csr("two", "-subj /CN=sensor-2");
    assert_eq!(tools.enrol(&serving, "simpleenroll", "two", &TWO).0, 200);
    let shown = ["--cert", "two.pem", "--key", "two.key"];
    for options in
        ["-subj /CN=sensor-1", "-subj /CN=sensor-2 -addext subjectAltName=DNS:sensor-1.test", "-subj /"]
    {
        tools.csr("other", options);
        assert_eq!(tools.enrol(&serving, "simplereenroll", "other", &shown).0, 403, "{options}");
        assert_eq!(tools.word(), "name-mismatch", "{options}");
    }
    let (code, said) = serving.place.ca("revoke", &[&tools.serial("two")]);
    assert_eq!(code, 0, "{said}");
    tools.csr("other", "-subj /CN=sensor-2");
    for operation in ["simplereenroll", "simpleenroll"] {
        assert_eq!(tools.enrol(&serving, operation, "other", &shown).0, 403);
        assert_eq!(tools.word(), "certificate-revoked");
    }
}

#[test]
fn what_is_no_request_is_refused_and_bounded() {
    let serving = Serving::start(&[]);
    let Some(tools) = Tools::new(&serving.place, "malformed requests get their status") else { return };
    tools.csr("one", "-subj /CN=sensor-1");
    let send = |kind: &str, body: &str| {
        let header = format!("Content-Type: {kind}");
        let arguments = ["-H", &header, "--data-binary", body];
        tools.curl(&serving.url("simpleenroll"), &[&arguments[..], &ONE].concat()).0
    };
    assert_eq!(send("text/plain", "@one.b64"), 415);
    assert_eq!(send("application/pkcs10", "no base64 at all!"), 400);
    assert_eq!(send("application/pkcs10", "MAA="), 400);
    serving.place.put("large", &vec![b'A'; 12 * 1024]);
    assert_eq!(send("application/pkcs10", "@large"), 413);
    serving.place.put("huge", &vec![b'A'; 4 << 20]);
    assert_eq!(send("application/pkcs10", "@huge"), 413);
    assert_eq!(tools.curl(&serving.url("simpleenroll"), &[]).0, 405);
    assert_eq!(tools.curl(&serving.url("none"), &[]).0, 404);
    // What is public is not EST, and EST is not public.
    assert_eq!(tools.curl(&format!("{}/.well-known/est/cacerts", serving.status), &[]).0, 404);
    // Clients that say nothing hold nobody up.
    let idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(serving.est).unwrap()).collect();
    let begun = Instant::now();
    assert_eq!(tools.curl(&serving.url("cacerts"), &[]).0, 200);
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(idle);
}

#[test]
fn a_password_is_not_found_by_trying() {
    let serving = Serving::start(&[]);
    let Some(tools) = Tools::new(&serving.place, "guessing a password is slow") else { return };
    tools.csr("one", "-subj /CN=sensor-1");
    for guess in 0..5 {
        let login = format!("one:guess {guess}");
        assert_eq!(tools.enrol(&serving, "simpleenroll", "one", &["-u", &login]).0, 401);
    }
    let (status, head) = tools.enrol(&serving, "simpleenroll", "one", &ONE);
    assert!(status == 429 && head.contains("Retry-After: "), "{head}");
}

/// OpenSSL tells what a session of its exports; a request over that session is linked to it, or was linked to another.
#[test]
fn a_csr_is_of_one_session_and_of_no_other() {
    if !need_command("openssl", "a CSR is linked to the session that OpenSSL exports from") {
        return;
    }
    let serving = Serving::start(&["--linked"]);
    let linked = by_openssl(&serving, |exported| csr(Some(exported)));
    assert!(linked.starts_with("HTTP/1.1 200 "), "{linked}");
    let mut seen = Vec::new();
    by_openssl(&serving, |exported| {
        seen = csr(Some(exported));
        seen.clone()
    });
    // Sent again in a session of its own, by somebody who has the password too; and one that is not linked at all.
    for replayed in [seen, csr(None)] {
        let refused = by_openssl(&serving, |_| replayed.clone());
        assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("csr-not-bound"), "{refused}");
    }
}

fn csr(binding: Option<[u8; 32]>) -> Vec<u8> {
    let key = SoftKey::from_stream(&mut RngTree::new(7).stream("client"));
    let named = Subject::named("sensor-2", &[]).unwrap();
    let builder = CsrBuilder::new(Some(&named), &key.public(), binding.as_ref()).unwrap();
    let signature = key.sign(builder.tbs());
    builder.finish(&signature).unwrap()
}

/// Opens a session with `openssl s_client`, makes a request of what it exports, and returns what the server answers.
fn by_openssl(serving: &Serving, request: impl FnOnce([u8; 32]) -> Vec<u8>) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &serving.est.to_string(), "-ign_eof", "-CAfile"])
        .arg(serving.place.path("ca/ca.pem"))
        .args(["-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (told, hear) = mpsc::channel();
    let mut out = child.stdout.take().unwrap();
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = out.read(&mut chunk) {
            let _ = told.send(String::from_utf8_lossy(&chunk[..read]).into_owned());
        }
    });
    let mut said = String::new();
    let until = |said: &mut String, there: &dyn Fn(&str) -> bool| {
        while !there(said) {
            match hear.recv_timeout(Duration::from_secs(20)) {
                Ok(more) => said.push_str(&more),
                Err(_) => return,
            }
        }
    };
    const TITLE: &str = "Keying material: ";
    until(&mut said, &|said| said.split_once(TITLE).is_some_and(|(_, rest)| rest.len() >= 64));
    let (_, rest) = said.split_once(TITLE).unwrap_or_else(|| panic!("{said}"));
    let exported: [u8; 32] = hex::decode(&rest[..64]).unwrap().try_into().unwrap();
    let body = STANDARD.encode(request(exported));
    let login = STANDARD.encode("two:second secret");
    let message = format!(
        "POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Basic {login}\r\nContent-Type: application/pkcs10\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    said.clear();
    until(&mut said, &|_| false);
    let _ = child.kill();
    let _ = child.wait();
    let at = said.find("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer: {said}"));
    said[at..].to_owned()
}
