//! CBOR, COSE, and what an authority signs, beside cbor2, pycose, cryptography and asn1crypto.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cellbed::ca::est::EstResponse;
use cellbed::ca::{Authority, Csr, CsrBuilder, Publication, RevocationReason, Subject};
use cellbed::crypto::Tally;
use cellbed::crypto::key::{SoftKey, verify};
use cellbed::crypto::rsp_cert::Curve;
use cellbed::esim::{Pki, PkiOptions};
use cellbed::id::{DeviceName, Eid};
use cellbed::kernel::{EPOCH_UNIX_S, RngTree};
use cellbed::wire::cbor::Value;
use cellbed::wire::cose::Sign1;

use crate::python::Python;
use crate::vectors;

const CBOR: &str = "cbor.txt";

fn key(name: &str) -> SoftKey {
    SoftKey::from_stream(&mut RngTree::new(7).stream(name))
}

fn read(kind: &str, encoded: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let is_kind = |value: &Value| match value {
        Value::Unsigned(_) => kind == "Unsigned",
        Value::Negative(_) => kind == "Negative",
        Value::Bytes(_) => kind == "Bytes",
        Value::Text(_) => kind == "Text",
        Value::Array(_) => kind == "Array",
        Value::Map(_) => kind == "Map",
        Value::Tag(..) => kind == "Tag",
        Value::Bool(_) => kind == "Bool",
        Value::Null => kind == "Null",
    };
    Some(match Value::decode(encoded) {
        Ok(value) if is_kind(&value) => Ok(value.encode()),
        Ok(value) => Err(format!("it is {value:?}")),
        Err(error) => Err(error.to_string()),
    })
}

#[test]
fn what_an_independent_encoder_writes_of_cbor_is_read_and_written_alike() {
    vectors::are_read_and_written_alike(CBOR, read, &[]);
}

#[test]
fn the_vectors_of_cbor_are_those_of_the_independent_encoder() {
    if let Some(python) = Python::find("the vectors of CBOR are what an independent encoder makes today") {
        vectors::is_kept(CBOR, &python.run("signed.py", &["cbor"], String::new()));
    }
}

#[test]
fn a_signed_message_passes_between_this_program_and_another_in_both_directions() {
    let Some(python) = Python::find("signed messages of COSE pass between this program and another") else {
        return;
    };
    let payloads: [&[u8]; 4] = [b"", b"payload", &[0xff; 300], &Value::Map(Vec::new()).encode()];
    let key = key("cose");
    let signed = |payload: &&[u8]| {
        let signature = key.sign(&Sign1::to_be_signed(payload));
        Sign1 { payload: payload.to_vec(), signature }
    };
    let ours: Vec<Vec<u8>> = payloads.iter().map(|payload| signed(payload).encode()).collect();
    let mut forged = signed(&payloads[1]);
    forged.payload[0] ^= 1;
    let public = hex::encode(key.public());
    let line = |message: &Vec<u8>| format!("{public} {}\n", hex::encode(message));
    let input: String = ours.iter().chain([&forged.encode()]).map(line).collect();
    let told = python.run("signed.py", &["cose"], input);
    let expected: Vec<String> = payloads.iter().map(hex::encode).collect();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told[..payloads.len()], expected);
    assert_eq!(told[payloads.len()..], ["! the signature is wrong"]);

    let private = "11".repeat(32);
    let public = SoftKey::from_scalar(&[0x11; 32]).unwrap().public();
    // A line with nothing in the place of the payload would be one word.
    let input: String = payloads[1..].iter().map(|one| format!("{private} {}\n", hex::encode(one))).collect();
    let made = python.run("signed.py", &["sign"], input);
    assert_eq!(made.lines().count(), payloads.len() - 1);
    for (message, payload) in made.lines().zip(&payloads[1..]) {
        let message = hex::decode(message).unwrap();
        let read = Sign1::decode(&message).unwrap();
        assert_eq!(read.payload, *payload);
        verify(&public, &Sign1::to_be_signed(payload), &read.signature).unwrap();
        assert_eq!(read.encode(), message);
    }
}

/// Each kind of thing that is signed here, by a name for people, and the numbers of its extensions.
fn signed() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let (rng, tally) = (RngTree::new(7), Tally::new());
    let now = EPOCH_UNIX_S;
    let mut authority = Authority::new(rng.branch("ca"), &tally, now).unwrap();
    let mut all = vec![("certificate", "root", authority.root_der().to_vec())];
    authority = authority.published(Publication::below("http://pki.cellbed.test"));
    let address = Ipv4Addr::new(10, 45, 0, 1);
    let server = authority
        .issue_server(&["est.cellbed.test", "pki.cellbed.test"], &[address], &key("server").public(), now)
        .unwrap();
    all.push(("certificate", "server", server));
    let name: DeviceName = "0d8f2a4e-3c1b-4f5a-9b7e-2f6d1c0a8e35".parse().unwrap();
    let subject = Subject::device(&name).unwrap();
    let request = |subject: Option<&Subject>| {
        let builder = CsrBuilder::new(subject, &key("device").public(), None).unwrap();
        let signature = key("device").sign(builder.tbs());
        builder.finish(&signature).unwrap()
    };
    all.push(("request", "named", request(Some(&subject))));
    all.push(("request", "unnamed", request(None)));
    let csr = Csr::parse(&request(Some(&subject))).unwrap();
    let prepared = authority.prepare(&csr, &subject, now).unwrap();
    let serial = prepared.serial();
    all.push(("certificate", "device", authority.issue(prepared).unwrap()));
    all.push(("list", "empty", authority.revocation_list(now).unwrap().to_vec()));
    authority.revoke(serial, RevocationReason::KeyCompromise, now + 5).unwrap();
    all.push(("list", "one revoked", authority.revocation_list(now + 9).unwrap().to_vec()));
    let mut chain = EstResponse::cacerts(&[authority.root_der()]).unwrap().body;
    chain.retain(|character| !character.is_ascii_whitespace());
    all.push(("chain", "of EST", STANDARD.decode(chain).unwrap()));

    let pki = Pki::new(&RngTree::new(3), &PkiOptions::default()).unwrap();
    let brainpool = PkiOptions { curve: Curve::BrainpoolP256r1, ..PkiOptions::default() };
    let brainpool = Pki::new(&RngTree::new(3), &brainpool).unwrap();
    let eid: Eid = "89049032123451234512345678901235".parse().unwrap();
    let hosts = ["smdp.example".to_owned()];
    for (pki, curve) in [(&pki, "P-256"), (&brainpool, "brainpool")] {
        let what = |role: &'static str| if curve == "P-256" { role } else { "one on brainpoolP256r1" };
        all.push(("certificate", what("CI"), pki.ci.certificate.der().to_vec()));
        let (_, chain) = pki.euicc(&eid, &rng).unwrap();
        let [own, eum] = &chain;
        all.extend([own, eum].map(|one| ("certificate", what("eUICC or EUM"), one.der().to_vec())));
        let smdp = pki.smdp(&"2.999.10".parse().unwrap(), &hosts, now, &rng).unwrap();
        let smds = pki.smds(&"2.999.15".parse().unwrap(), &hosts, now, &rng).unwrap();
        let servers = [smdp.auth, smdp.pb, smdp.tls, smds.auth, smds.tls];
        all.extend(servers.map(|one| ("certificate", what("server"), one.certificate.der().to_vec())));
        let eim = pki.eim("eim.example", now, &rng).unwrap();
        all.push(("certificate", what("eIM"), eim.certificate.der().to_vec()));
        let operator = pki.operator(&"2.999.20".parse().unwrap(), now, &rng).unwrap();
        all.push(("certificate", what("operator"), operator.certificate.der().to_vec()));
        let mut pki = pki.clone();
        pki.renew_crl(now).unwrap();
        all.push(("list", what("of the CI"), pki.crl.unwrap().der().to_vec()));
    }
    all
}

#[test]
fn what_is_signed_is_read_by_another_tool_and_written_alike_extension_by_extension() {
    let unproved = "certificates, requests and lists are what another tool makes of the same values";
    let Some(python) = Python::find(unproved) else { return };
    let signed = signed();
    let input: String =
        signed.iter().map(|(kind, _, der)| format!("{kind} {}\n", hex::encode(der))).collect();
    let told = python.run("signed.py", &["x509"], input);
    assert_eq!(told.lines().count(), signed.len());
    let mut met = std::collections::BTreeSet::new();
    for ((kind, what, der), line) in signed.iter().zip(told.lines()) {
        let der = hex::encode(der);
        let (whole, extensions) = line.split_once(' ').unwrap_or((line, ""));
        assert_eq!(whole, der, "{kind}, {what}");
        for extension in extensions.split_whitespace() {
            let (number, value) = extension.split_once('=').unwrap();
            // The value stands in the signed part as an OCTET STRING.
            let length = format!("{:02x}", value.len() / 2);
            assert!(
                value.len() / 2 < 128 && der.contains(&format!("04{length}{value}")),
                "{kind}, {what}: {number}"
            );
            met.insert(number.to_owned());
        }
    }
    for number in [
        "2.5.29.14",
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.20",
        "2.5.29.28",
        "2.5.29.30",
        "2.5.29.31",
        "2.5.29.32",
        "2.5.29.35",
        "2.5.29.37",
        "1.3.6.1.5.5.7.1.1",
    ] {
        assert!(met.contains(number), "no extension {number} was compared: {met:?}");
    }
}
