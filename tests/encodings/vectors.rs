//! The files of `tests/vectors`: a line is a type, or the channel of a message, what is varied in it, and its octets, with
//! tabs between them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use crate::python::Python;

/// What stands in the files in the place of a certificate, which would else be most of them.
const CERTIFICATE: &str = "<certificate>";

/// One value of a type.
pub struct Vector {
    /// The ASN.1 name of its type, or its channel.
    pub kind: String,
    /// In what it differs from the least value of the type.
    pub what: String,
    /// Its octets: DER, or unaligned PER of what travels on a channel.
    pub der: Vec<u8>,
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn hex_of(name: &str) -> String {
    text(name).trim().to_owned()
}

/// A file as it is.
pub fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The values of one file.
pub fn read(name: &str) -> Vec<Vector> {
    let certificate = hex_of("certificate.hex");
    let text = text(name);
    let line = |line: &str| {
        let cells: Vec<_> = line.split('\t').collect();
        let [kind, what, der] = cells[..] else { panic!("{name}: {line}") };
        let der = hex::decode(der.replace(CERTIFICATE, &certificate)).unwrap();
        Vector { kind: kind.to_owned(), what: what.to_owned(), der }
    };
    text.lines().map(line).collect()
}

/// Compares a file with what the tool makes of `types` today, or writes it where `CELLBED_VECTORS` says `write`.
pub fn are_those_of(python: &Python, name: &str, module: &str, types: &[&str]) {
    let certificate = hex_of("certificate.hex");
    let parameters = [
        format!("Certificate={certificate}"),
        format!("SubjectPublicKeyInfo={}", hex_of("public-key.hex")),
        format!("CertificateList={}", hex_of("revocation-list.hex")),
    ];
    let mut arguments = vec!["values", module];
    if module != "PEDefinitions" {
        arguments.extend(parameters.iter().map(String::as_str));
    }
    let made = python.run("asn1.py", &arguments, types.join("\n")).replace(&certificate, CERTIFICATE);
    is_kept(name, &made);
}

/// The same of what the tool has made already.
pub fn is_kept(name: &str, made: &str) {
    assert!(!made.contains("\t!"), "{made}");
    if env::var("CELLBED_VECTORS").is_ok_and(|what| what == "write") {
        fs::write(path(name), made).unwrap();
    }
    let kept = fs::read_to_string(path(name)).unwrap_or_default();
    let different = kept.lines().zip(made.lines()).find(|(kept, made)| kept != made);
    assert!(
        kept == made,
        "{name} is not what the tool makes: {different:?}; CELLBED_VECTORS=write writes it"
    );
}

/// Reads and writes each value of a file again with `again`, and compares. `kept_out` are the values that are refused
/// or read as others on purpose, as type, beginning of what is varied, and why; each has to be met.
pub fn are_read_and_written_alike(
    name: &str,
    again: impl Fn(&str, &[u8]) -> Option<Result<Vec<u8>, String>>,
    kept_out: &[(&str, &str, &str)],
) {
    let mut met = BTreeSet::new();
    let mut faults = Vec::new();
    let mut agreed = 0;
    for Vector { kind, what, der } in read(name) {
        let answer = again(&kind, &der).unwrap_or_else(|| panic!("nobody reads a {kind}"));
        let row = kept_out.iter().position(|(of, start, _)| *of == kind && what.starts_with(start));
        match (answer, row) {
            (Ok(written), _) if written == der => agreed += 1,
            (_, Some(row)) => drop(met.insert(row)),
            (Ok(written), None) => {
                faults.push(format!(
                    "{kind}, {what}: {}\n  is written {}",
                    hex::encode(&der),
                    hex::encode(written)
                ));
            }
            (Err(error), None) => faults.push(format!("{kind}, {what}: {}\n  {error}", hex::encode(&der))),
        }
    }
    let idle: Vec<_> =
        (0..kept_out.len()).filter(|row| !met.contains(row)).map(|row| kept_out[row]).collect();
    assert!(faults.is_empty(), "{} of {name} differ, {agreed} agree:\n{}", faults.len(), faults.join("\n"));
    assert!(idle.is_empty(), "{name}: kept out without need: {idle:?}");
    assert!(agreed > 50, "{name}: only {agreed} values");
}
