//! `cellbed esim serve`: SM-DP+ and SM-DS on one port, told apart by the path and by the name that the device asks
//! for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::super::{exit, terminal};
use super::args::EsimServeArgs;
use super::orders::{self, Placing};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{RspCertError, TrustAnchor, pem};
use crate::esim::pki::LAB_SEED;
use crate::esim::smdp::SmdpSettings;
use crate::esim::store::{Forgetful, Records, Store, StoreError};
use crate::esim::{EsimError, HttpRequest, Pki, Refusal, Served, Smdp, SmdpIdentity, Smds, SmdsIdentity};
use crate::io::clock;
use crate::io::esim_store::{EsimStoreError, FolderStore};
use crate::io::files::FileError;
use crate::io::https::{HttpsError, HttpsLimits, HttpsServer, tls_config};
use crate::io::https_client::HttpsClient;
use crate::io::pki_folder::{self, PkiFolderError};
use crate::lab::LabError;
use crate::sim::RngTree;

/// How often it is looked whether an SM-DS has to be told something.
const LOOK: Duration = Duration::from_millis(100);
/// How long an SM-DS elsewhere may take to answer.
const SMDS_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Pki(#[from] PkiFolderError),
    #[error(transparent)]
    Esim(#[from] EsimError),
    #[error("a server's certificate is not in order: {0}")]
    Certificate(#[from] RspCertError),
    #[error("{}: there is no {what} in it; cellbed pki new makes a folder with one", dir.display())]
    Missing { dir: PathBuf, what: &'static str },
    #[error(transparent)]
    State(#[from] EsimStoreError),
    #[error("the state is not of these servers: {0}")]
    Record(#[from] StoreError),
    #[error(transparent)]
    Https(#[from] HttpsError),
    #[error(transparent)]
    File(FileError),
    #[error("the order for {} is refused: {cause}", profile.display())]
    Order { profile: PathBuf, cause: Refusal },
    #[error("{}: {cause}", path.display())]
    Profile { path: PathBuf, cause: String },
    #[error("cannot write the subscribers' keys to {}: {cause}", path.display())]
    Subscribers { path: PathBuf, cause: std::io::Error },
    #[error("the signals that end this program cannot be received: {0}")]
    Signals(std::io::Error),
}

/// Serves until a signal ends it.
pub fn main(args: &EsimServeArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => exit::PASS.into(),
        Err(ServeError::Lab(error)) => terminal::set_up_error(&error),
        Err(error) => {
            terminal::failure(error);
            exit::SET_UP_ERROR.into()
        }
    }
}

/// Who the servers are.
struct Identities {
    anchor: TrustAnchor,
    smdp: SmdpIdentity,
    smds: SmdsIdentity,
}

fn identities(args: &EsimServeArgs, now_unix_s: u64) -> Result<Identities, ServeError> {
    let tally = Tally::new();
    let Some(dir) = &args.pki else {
        let pki = Pki::lab()?;
        let rng = RngTree::new(LAB_SEED).branch("esim serve");
        let hosts = |name: &Option<String>, usual: &[&str]| -> Vec<String> {
            let own = name.as_deref().map(host_of);
            own.into_iter().chain(usual.iter().copied()).map(str::to_owned).collect()
        };
        let listen = args.listen.ip().to_string();
        // Made anew for each start: TLS clients take no certificate for years.
        let from = now_unix_s.saturating_sub(3_600);
        let smdp_hosts = hosts(&args.name, &["localhost", "127.0.0.1", "::1", &listen]);
        let smdp = pki.smdp(&"2.999.10".parse()?, &smdp_hosts, from, &rng.branch("smdp"))?;
        let smds_hosts = hosts(&args.smds_name, &["smds.localhost"]);
        let smds = pki.smds(&"2.999.15".parse()?, &smds_hosts, from, &rng.branch("smds"))?;
        return Ok(Identities { anchor: pki.anchor(Some(now_unix_s), &tally)?, smdp, smds });
    };
    let (deployment, notes) = pki_folder::load(dir, None)?;
    notes.iter().for_each(terminal::warning);
    let missing = |what| ServeError::Missing { dir: dir.clone(), what };
    let anchor = deployment.pki.anchor(Some(now_unix_s), &tally)?;
    let smdp = deployment.smdp.into_iter().next().ok_or_else(|| missing("SM-DP+"))?;
    let smds = deployment.smds.into_iter().next().ok_or_else(|| missing("SM-DS"))?;
    smdp.check(&anchor, Some(now_unix_s), &tally)?;
    smds.check(&anchor, Some(now_unix_s), &tally)?;
    Ok(Identities { anchor, smdp, smds })
}

fn host_of(name: &str) -> &str {
    let without_port = name.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let host = without_port.map_or(name, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The servers behind the port.
struct Servers {
    smdp: Mutex<Smdp>,
    smds: Mutex<Smds>,
    smds_address: String,
}

impl Servers {
    /// Hands a request to whom it is for, and says on the terminal what came of it.
    fn handle(&self, request: &HttpRequest) -> Served {
        let now = clock::unix_s();
        let to_smds = request.host.eq_ignore_ascii_case(&self.smds_address)
            || ["/gsma/rsp2/es11/", "/gsma/rsp2/es12/"].iter().any(|path| request.path.starts_with(path));
        let served = match to_smds {
            true => self.smds.lock().unwrap_or_else(PoisonError::into_inner).handle(now, request),
            false => self.smdp.lock().unwrap_or_else(PoisonError::into_inner).handle(now, request),
        };
        let refused =
            served.refusal.map(|reason| format!("refused, {}: ", reason.word())).unwrap_or_default();
        terminal::line(format_args!("{:28} {refused}{}", served.function, served.note));
        served
    }

    /// Tells the SM-DS what there is to tell: the one here without a detour.
    fn tell(&self, client: &mut HttpsClient) {
        let poll = || self.smdp.lock().unwrap_or_else(PoisonError::into_inner).poll(clock::unix_s());
        while let Some(request) = poll() {
            let response = match request.host.eq_ignore_ascii_case(&self.smds_address) {
                true => Some(self.handle(&request).response),
                false => client.send(&request).map_err(terminal::warning).ok(),
            };
            let mut smdp = self.smdp.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(problem) = smdp.resume(clock::unix_s(), response.as_ref()) {
                terminal::warning(problem);
            }
        }
    }
}

fn serve(args: &EsimServeArgs) -> Result<(), ServeError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    let now = clock::unix_s();
    let identities = identities(args, now)?;
    let tls = tls_config(&[identities.smdp.tls.clone(), identities.smds.tls.clone()])?;
    let server = HttpsServer::bind(args.listen, tls, HttpsLimits::default())?;
    let port = server.address().port();
    let address = args.name.clone().unwrap_or_else(|| server.address().to_string());
    let smds_address = args.smds_name.clone().unwrap_or_else(|| format!("smds.localhost:{port}"));
    let root_der = identities.anchor.ci().der().to_vec();
    let Identities { anchor, smdp: smdp_identity, smds: smds_identity } = identities;

    let (stores, records): ([Box<dyn Store>; 2], Records) = match &args.state {
        None => ([Box::new(Forgetful), Box::new(Forgetful)], Records::new()),
        Some(dir) => {
            let (store, records) = FolderStore::open(dir, args.state_key.as_deref())?;
            ([Box::new(store.clone()), Box::new(store)], records)
        }
    };
    let [smdp_store, smds_store] = stores;
    let rng = pki_folder::fresh_randomness()?;
    let stream = |purpose| -> ChaCha20Rng { rng.stream(purpose) };
    let tally = Tally::new();
    let settings = SmdpSettings::new(&address);
    let mut smdp = Smdp::new(
        settings,
        vec![(anchor.clone(), smdp_identity)],
        stream("smdp"),
        smdp_store,
        &records,
        &tally,
    )?;
    let smds = Smds::new(
        &smds_address,
        vec![(anchor, smds_identity)],
        stream("smds"),
        smds_store,
        &records,
        &tally,
    )?;
    let placing = Placing {
        now_unix_s: now,
        smds: args.announce.then_some(&smds_address),
        subscribers: args.subscribers.as_deref(),
    };
    orders::place(&mut smdp, &args.orders, &placing)?;
    let root = Root::write(args.root.as_deref(), port, &root_der)?;
    greet(&smdp, &smds_address, &root.path);

    let mut client =
        HttpsClient::new(&[root_der], SMDS_TIMEOUT).map_err(|error| HttpsError::Tls(error.to_string()))?;
    let servers = Servers { smdp: Mutex::new(smdp), smds: Mutex::new(smds), smds_address };
    let (stopper, handle) = (server.stopper(), signals.handle());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            server.serve(&|request: &HttpRequest| servers.handle(request).response);
            over.store(true, Ordering::Relaxed);
            handle.close();
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                servers.tell(&mut client);
                thread::sleep(LOOK);
            }
        });
        signals.forever().next();
        stopper.stop();
    });
    terminal::line("no longer serving");
    Ok(())
}

/// Says what there is.
fn greet(smdp: &Smdp, smds: &str, root: &Path) {
    terminal::line(format_args!("SM-DP+ {}", smdp.address()));
    terminal::line(format_args!("SM-DS  {smds}"));
    terminal::line(format_args!("TLS clients have to trust {}", root.display()));
    for order in smdp.orders() {
        let code = smdp.activation_code(order).unwrap_or_else(|| "no activation code".to_owned());
        let eid = order.eid().map(|eid| format!(", for EID {eid}")).unwrap_or_default();
        terminal::line(format_args!(
            "{code}  {} {}, {}{eid}",
            order.profile_type(),
            order.iccid(),
            order.state()
        ));
    }
}

/// The certificate of the CI on disk; a temporary file goes at the end.
struct Root {
    path: PathBuf,
    temporary: bool,
}

impl Root {
    fn write(wanted: Option<&Path>, port: u16, der: &[u8]) -> Result<Self, ServeError> {
        let own = || std::env::temp_dir().join(format!("cellbed-root-ci-{port}.pem"));
        let root = Self { path: wanted.map_or_else(own, Path::to_owned), temporary: wanted.is_none() };
        orders::write_root(&root.path, &pem::write("CERTIFICATE", der))?;
        Ok(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed now is in the folder for temporary things anyway.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_name() {
        for (name, host) in [
            ("smdp.example", "smdp.example"),
            ("smdp.example:8443", "smdp.example"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:8443", "::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(host_of(name), host);
        }
    }
}
