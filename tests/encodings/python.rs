//! The Python that `lab/test` installs, and what is asked of it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use crate::support;

/// A Python with the packages of `requirements.txt`.
pub struct Python(PathBuf);

impl Python {
    /// None, said and counted, where the machine has none.
    pub fn find(unproved: &str) -> Option<Self> {
        support::need("pycrate", unproved, support::from_variable("ENCODINGS_PYTHON")).map(Self)
    }

    /// A Python with CryptoMobile, which no package index has. None, said and counted, where the machine has none.
    pub fn with_crypto_mobile(unproved: &str) -> Option<Self> {
        support::need("cryptomobile", unproved, support::from_variable("CRYPTOMOBILE_PYTHON")).map(Self)
    }

    /// What a script of this folder writes to standard output, given `input`.
    ///
    /// # Panics
    /// Where it does not end well.
    pub fn run(&self, script: &str, arguments: &[&str], input: String) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/encodings");
        let mut child = Command::new(&self.0)
            .arg("-B")
            .arg(format!("{folder}/{script}"))
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.0.display()));
        let mut stdin = child.stdin.take().unwrap();
        // It writes while it reads, so that neither may wait for the other.
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Each message as the tool writes it after it has read it, or its complaint behind `!`.
    pub fn again(&self, messages: &[(&str, &str, Vec<u8>)]) -> Vec<String> {
        let line = |(module, kind, bytes): &(&str, &str, Vec<u8>)| {
            format!("{module} {kind} {}\n", hex::encode(bytes))
        };
        let input: String = messages.iter().map(line).collect();
        let answers: Vec<String> =
            self.run("asn1.py", &["again"], input).lines().map(str::to_owned).collect();
        assert_eq!(answers.len(), messages.len());
        answers
    }
}
