//! The servers that strangers come to, each a process of its own as it is served.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::crypto::rsp_cert::pem;
use crate::wire::http::Request;

/// How long a server may take to end.
const ENDS: Duration = Duration::from_secs(10);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{what} cannot be started: {cause}")]
    Start { what: &'static str, cause: io::Error },
    #[error("{what} does not serve; it has said {said:?}")]
    Silent { what: &'static str, said: String },
    #[error("the root certificate of {what} cannot be used: {cause}")]
    Root { what: &'static str, cause: String },
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `cellbed esim serve`.
    Esim,
    /// `cellbed ca serve`.
    Ca,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Esim, Self::Ca];

    pub fn name(self) -> &'static str {
        match self {
            Self::Esim => "esim serve",
            Self::Ca => "ca serve",
        }
    }

    /// What is asked of it, which changes nothing: ES9+.CancelSession of a session that there is not, and the
    /// certificates of the authority.
    fn request(self, host: &str) -> Request {
        match self {
            Self::Esim => {
                let body = r#"{"header":{"functionRequesterIdentifier":"1","functionCallIdentifier":"1"},"transactionId":"00","cancelSessionResponse":"AA=="}"#;
                Request::new("POST", "/gsma/rsp2/es9plus/cancelSession", host).body("application/json", body)
            }
            Self::Ca => Request::new("GET", "/.well-known/est/cacerts", host),
        }
    }
}

/// What a server has said at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    pub gave_way: Option<u64>,
    pub turned_away: Option<u64>,
}

/// A server that runs; it ends with this.
pub struct Server {
    kind: Kind,
    child: Child,
    address: SocketAddr,
    config: Arc<ClientConfig>,
    /// What it says from now on, one line each.
    said: mpsc::Receiver<String>,
    _folder: Scratch,
}

impl Server {
    pub fn start(kind: Kind) -> Result<Self, ServerError> {
        let what = kind.name();
        let failed = |cause| ServerError::Start { what, cause };
        let program = std::env::current_exe().map_err(failed)?;
        let folder = Scratch::new(what).map_err(failed)?;
        let path = |name: &str| folder.0.join(name);
        let mut command = Command::new(&program);
        let root = match kind {
            Kind::Esim => {
                let root = path("root.pem");
                command.args(["esim", "serve", "--listen", "127.0.0.1:0", "--root"]).arg(&root);
                command.arg("--eim-config").arg(path("eim.der"));
                root
            }
            Kind::Ca => {
                let ca = path("ca");
                let made = Command::new(&program).args(["ca", "new"]).arg(&ca).output().map_err(failed)?;
                if !made.status.success() {
                    let said = String::from_utf8_lossy(&made.stderr).into_owned();
                    return Err(ServerError::Silent { what, said });
                }
                command.args(["ca", "serve"]).arg(&ca);
                command.args(["--listen", "127.0.0.1:0", "--status", "127.0.0.1:0"]);
                ca.join("ca.pem")
            }
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let lines = child.stdout.take().map(read_lines);
        let mut server = Started { kind, child: Some(child), said: Vec::new() };
        let Some(lines) = lines else { return Err(server.silent()) };
        let address = server.address(&lines)?;
        let config = trust(what, &root)?;
        let Some(child) = server.child.take() else { return Err(server.silent()) };
        Ok(Self { kind, child, address, config, said: lines, _folder: folder })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bytes of the request that is made of it.
    pub fn request(&self) -> Vec<u8> {
        self.kind.request(&format!("localhost:{}", self.address.port())).encode()
    }

    /// A TLS client of it.
    pub fn tls(&self) -> Result<ClientConnection, ServerError> {
        let wrong = |cause: String| ServerError::Root { what: self.kind.name(), cause };
        let name = ServerName::try_from("localhost").map_err(|error| wrong(error.to_string()))?;
        ClientConnection::new(self.config.clone(), name).map_err(|error| wrong(error.to_string()))
    }

    /// A ClientHello that the server answers; empty where none can be made.
    pub fn hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        if let Ok(mut tls) = self.tls() {
            // Writing into memory does not fail.
            let _ = tls.write_tls(&mut hello);
        }
        hello
    }

    /// The most memory that it has had, in KiB; `None` where the kernel does not say.
    pub fn peak_memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Ends it as a person at the terminal does, and returns what it says of its connections.
    pub fn end(self) -> End {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself: then there is nothing to be told.
            let _ = kill_process(pid, Signal::INT);
        }
        let mut end = End::default();
        while let Ok(line) = self.said.recv_timeout(ENDS) {
            end = of_line(&line).unwrap_or(end);
        }
        end
    }
}

/// What a server says of its connections in its last but one line.
fn of_line(line: &str) -> Option<End> {
    let rest = line.strip_prefix("connections: ")?;
    let (gave_way, rest) = rest.split_once(" gave way to others, ")?;
    let turned_away = rest.strip_suffix(" were turned away")?;
    Some(End { gave_way: gave_way.parse().ok(), turned_away: turned_away.parse().ok() })
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that has not said yet where it is.
struct Started {
    kind: Kind,
    child: Option<Child>,
    said: Vec<String>,
}

impl Started {
    /// Where it listens, out of what it says first.
    fn address(&mut self, lines: &mpsc::Receiver<String>) -> Result<SocketAddr, ServerError> {
        let wanted = match self.kind {
            Kind::Esim => "TLS clients have to trust",
            Kind::Ca => "clients",
        };
        let mut address = None;
        while let Ok(line) = lines.recv_timeout(ENDS) {
            address = address.or(match self.kind {
                Kind::Esim => line.strip_prefix("SM-DP+ ").and_then(|text| text.trim().parse().ok()),
                Kind::Ca => line.strip_prefix("EST").and_then(|text| {
                    let text = text.trim().strip_prefix("https://")?;
                    text.split('/').next()?.parse().ok()
                }),
            });
            let is_last = line.starts_with(wanted);
            self.said.push(line);
            if is_last {
                break;
            }
        }
        address.ok_or_else(|| self.silent())
    }

    fn silent(&self) -> ServerError {
        ServerError::Silent { what: self.kind.name(), said: self.said.join("; ") }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn read_lines(out: ChildStdout) -> mpsc::Receiver<String> {
    let (say, hear) = mpsc::channel();
    thread::spawn(move || {
        // What it says of each request is read and not kept: nobody may be listening any more either.
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if is_told(&line) && say.send(line).is_err() {
                continue;
            }
        }
    });
    hear
}

/// Lines of the beginning and of the end.
fn is_told(line: &str) -> bool {
    ["SM-DP+ ", "EST ", "clients ", "TLS clients have to trust", "connections: "]
        .iter()
        .any(|begins| line.starts_with(begins))
}

fn trust(what: &'static str, root: &Path) -> Result<Arc<ClientConfig>, ServerError> {
    let wrong = |cause: String| ServerError::Root { what, cause };
    let bytes = std::fs::read(root).map_err(|error| wrong(error.to_string()))?;
    let der = pem::der_of(&bytes, pem::CERTIFICATE).map_err(|cause| wrong(cause.to_string()))?;
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from(der.to_vec());
    roots.add(der).map_err(|error| wrong(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A folder that goes when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn new(what: &str) -> io::Result<Self> {
        let name = format!("cellbed-strangers-{}-{}", std::process::id(), what.replace(' ', "-"));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is in the folder for temporary things anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_at_its_end_is_read() {
        let end = End { gave_way: Some(9_700), turned_away: Some(3) };
        assert_eq!(of_line("connections: 9700 gave way to others, 3 were turned away"), Some(end));
        assert_eq!(of_line("no longer serving"), None);
    }
}
