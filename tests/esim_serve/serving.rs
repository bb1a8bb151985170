//! A server that runs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cellbed::esim::{HttpRequest, JSON};
use cellbed::io::https_client::HttpsClient;
use serde_json::Value;

pub const PROFILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sim-profiles/lte-test.toml");
/// How long something may take that comes by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs.
pub struct Serving {
    pub child: Child,
    pub address: String,
    pub smds: String,
    pub eim: String,
    pub root: PathBuf,
    /// What eUICCs have to be told of the eIM.
    pub configuration: PathBuf,
    /// What it says of each order, the activation code first.
    pub codes: Vec<String>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    pub fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cellbed"))
            .args(["esim", "serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let after = |out: &mut BufReader<ChildStdout>, title: &str| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let rest = line.strip_prefix(title);
            rest.unwrap_or_else(|| panic!("{line:?} does not begin with {title:?}")).trim().to_owned()
        };
        let address = after(&mut out, "SM-DP+ ");
        let smds = after(&mut out, "SM-DS ");
        let eim = after(&mut out, "eIM ");
        let configuration = after(&mut out, "eUICCs are told of the eIM with ").into();
        let root = after(&mut out, "TLS clients have to trust ").into();
        let orders = args.iter().filter(|arg| **arg == "--order").count();
        let codes = (0..orders).map(|_| after(&mut out, "LPA:")).map(|rest| format!("LPA:{rest}")).collect();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| lines.lock().unwrap().push(line));
        });
        Self { child, address, smds, eim, root, configuration, codes, log }
    }

    pub fn client(&self) -> HttpsClient {
        let pem = std::fs::read_to_string(&self.root).unwrap();
        let root = cellbed::crypto::rsp_cert::pem::block(&pem, "CERTIFICATE").unwrap().unwrap();
        HttpsClient::new(&[root.to_vec()], Duration::from_secs(20)).unwrap()
    }

    /// A client that shows this certificate.
    pub fn client_as(&self, identity: &cellbed::esim::Identity) -> HttpsClient {
        let pem = std::fs::read_to_string(&self.root).unwrap();
        let root = cellbed::crypto::rsp_cert::pem::block(&pem, "CERTIFICATE").unwrap().unwrap();
        let key = cellbed::io::https::certified(identity).unwrap();
        HttpsClient::with_certificate(&[root.to_vec()], Some(key), Duration::from_secs(20)).unwrap()
    }

    pub fn post(&self, client: &mut HttpsClient, path: &str, body: &Value) -> (u16, Value) {
        let response = client
            .send(&HttpRequest {
                host: self.address.clone(),
                path: format!("/gsma/rsp2/{path}"),
                content_type: JSON.to_owned(),
                body: body.to_string().into_bytes(),
            })
            .unwrap();
        (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
    }

    /// What it has said since it serves.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has said something with all of `words` in one line.
    pub fn wait_for(&self, words: &[&str]) {
        let begun = Instant::now();
        while !self.log().iter().any(|line| words.iter().all(|word| line.contains(word))) {
            assert!(begun.elapsed() < PATIENCE, "{words:?} is not in {:#?}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a person at the terminal does.
    pub fn interrupt(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let begun = Instant::now();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What a server that is killed leaves behind.
        let _ = std::fs::remove_file(&self.root);
        let _ = std::fs::remove_file(&self.configuration);
    }
}
