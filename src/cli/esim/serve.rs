//! `cellbed esim serve`: SM-DP+, SM-DS and eIM on one port, told apart by the path and by the name that the device
//! asks for.

use std::net::SocketAddr;
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
use super::eim::{Addresses, EimDesk, Means};
use super::identities::Identities;
use super::orders::{self, Placing};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{RspCertError, pem};
use crate::esim::smdp::SmdpSettings;
use crate::esim::store::{Forgetful, Records, Store, StoreError};
use crate::esim::{ESIPA_PATH, EsimError, HttpRequest, HttpResponse, Refusal, Smdp, Smds};
use crate::io::clock;
use crate::io::esim_store::{EsimStoreError, FolderStore};
use crate::io::files::{self, FileError};
use crate::io::https::{HttpsError, HttpsLimits, HttpsServer, tls_config};
use crate::io::https_client::HttpsClient;
use crate::io::pki_folder::{self, PkiFolderError};
use crate::lab::LabError;

/// How often it is looked whether another server has to be told something.
const LOOK: Duration = Duration::from_millis(100);
/// How long a server elsewhere may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

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

/// The servers behind the port.
struct Servers {
    smdp: Mutex<Smdp>,
    smdp_address: String,
    smds: Mutex<Smds>,
    smds_address: String,
    eim: Option<EimDesk>,
    /// Under which servers elsewhere are trusted.
    roots: Vec<Vec<u8>>,
}

impl Servers {
    /// Hands a request to whom it is for, and says on the terminal what came of it.
    fn handle(&self, request: &HttpRequest) -> HttpResponse {
        let now = clock::unix_s();
        if let Some(eim) = self.eim.as_ref().filter(|_| request.path == ESIPA_PATH) {
            return eim.answer(now, request, |request| self.ask(request));
        }
        let to_smds = request.host.eq_ignore_ascii_case(&self.smds_address)
            || ["/gsma/rsp2/es11/", "/gsma/rsp2/es12/"].iter().any(|path| request.path.starts_with(path));
        let served = match to_smds {
            true => self.smds.lock().unwrap_or_else(PoisonError::into_inner).handle(now, request),
            false => self.smdp.lock().unwrap_or_else(PoisonError::into_inner).handle(now, request),
        };
        let refused =
            served.refusal.map(|reason| format!("refused, {}: ", reason.word())).unwrap_or_default();
        terminal::line(format_args!("{:28} {refused}{}", served.function, served.note));
        served.response
    }

    /// Asks another server: one that is here without a detour.
    fn ask(&self, request: &HttpRequest) -> Result<HttpResponse, String> {
        let here = [&self.smdp_address, &self.smds_address];
        if here.iter().any(|address| request.host.eq_ignore_ascii_case(address)) {
            return Ok(self.handle(request));
        }
        HttpsClient::new(&self.roots, TIMEOUT)
            .and_then(|mut client| client.send(request))
            .map_err(|error| error.to_string())
    }

    /// Tells other servers what there is to tell: the SM-DS of orders, an SM-DP+ of what its profiles have become.
    fn tell(&self) {
        let poll = || self.smdp.lock().unwrap_or_else(PoisonError::into_inner).poll(clock::unix_s());
        while let Some(request) = poll() {
            let response = self.ask(&request).map_err(terminal::warning).ok();
            let mut smdp = self.smdp.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(problem) = smdp.resume(clock::unix_s(), response.as_ref()) {
                terminal::warning(problem);
            }
        }
        if let Some(eim) = &self.eim {
            eim.forward(clock::unix_s(), |request| self.ask(request));
        }
    }
}

fn serve(args: &EsimServeArgs) -> Result<(), ServeError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    let now = clock::unix_s();
    let identities = Identities::new(args, now)?;
    let tls = tls_config(&[identities.smdp.tls.clone(), identities.smds.tls.clone()])?;
    let server = HttpsServer::bind(args.listen, tls, HttpsLimits::default())?;
    let port = server.address().port();
    let root_der = identities.anchor.ci().der().to_vec();
    let servers = servers(args, identities, server.address())?;
    let root = Written::root(args.root.as_deref(), port, &root_der)?;
    let configuration = match &servers.eim {
        Some(eim) => Some(Written::configuration(args.eim_config.as_deref(), port, eim)?),
        None => None,
    };
    greet(&servers, &root.path, configuration.as_ref());

    let (stopper, handle) = (server.stopper(), signals.handle());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            server.serve(&|request: &HttpRequest| servers.handle(request));
            over.store(true, Ordering::Relaxed);
            handle.close();
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                servers.tell();
                thread::sleep(LOOK);
            }
        });
        signals.forever().next();
        stopper.stop();
    });
    terminal::line("no longer serving");
    Ok(())
}

/// The servers at `listening`, as they were when they were served last, with the orders placed.
fn servers(
    args: &EsimServeArgs,
    identities: Identities,
    listening: SocketAddr,
) -> Result<Servers, ServeError> {
    let (now, port) = (clock::unix_s(), listening.port());
    let address = args.name.clone().unwrap_or_else(|| listening.to_string());
    let smds_address = args.smds_name.clone().unwrap_or_else(|| format!("smds.localhost:{port}"));
    let eim_address = args.eim_name.clone().unwrap_or_else(|| address.clone());
    let Identities { anchor, smdp: smdp_identity, smds: smds_identity, eim: eim_identity } = identities;
    let root = anchor.ci().der().to_vec();

    let (stores, records): ([Box<dyn Store>; 3], Records) = match &args.state {
        None => ([Box::new(Forgetful), Box::new(Forgetful), Box::new(Forgetful)], Records::new()),
        Some(dir) => {
            let (store, records) = FolderStore::open(dir, args.state_key.as_deref())?;
            ([Box::new(store.clone()), Box::new(store.clone()), Box::new(store)], records)
        }
    };
    let [smdp_store, smds_store, eim_store] = stores;
    let rng = pki_folder::fresh_randomness()?;
    let stream = |purpose| -> ChaCha20Rng { rng.stream(purpose) };
    let tally = Tally::new();
    let mut smdp = Smdp::new(
        SmdpSettings::new(&address),
        vec![(anchor.clone(), smdp_identity)],
        stream("smdp"),
        smdp_store,
        &records,
        &tally,
    )?;
    let smds = Smds::new(
        &smds_address,
        vec![(anchor.clone(), smds_identity)],
        stream("smds"),
        smds_store,
        &records,
        &tally,
    )?;
    let eim = match eim_identity {
        Some(identity) => {
            let means = Means {
                id: &args.eim_id,
                identity,
                anchor,
                rng: stream("eim"),
                store: eim_store,
                records: &records,
            };
            let addresses = Addresses { eim: &eim_address, smdp: &address, smds: &smds_address };
            Some(EimDesk::new(means, &addresses, &args.eim_downloads, args.eim_indirect, &tally)?)
        }
        None if args.eim_downloads.is_empty() => None,
        None => {
            let dir = args.pki.clone().unwrap_or_default();
            return Err(ServeError::Missing { dir, what: "eIM" });
        }
    };
    let placing = Placing {
        now_unix_s: now,
        smds: args.announce.then_some(&smds_address),
        subscribers: args.subscribers.as_deref(),
    };
    orders::place(&mut smdp, &args.orders, &placing)?;
    Ok(Servers {
        smdp: Mutex::new(smdp),
        smdp_address: address,
        smds: Mutex::new(smds),
        smds_address,
        eim,
        roots: vec![root],
    })
}

/// Says what there is.
fn greet(servers: &Servers, root: &Path, configuration: Option<&Written>) {
    terminal::line(format_args!("SM-DP+ {}", servers.smdp_address));
    terminal::line(format_args!("SM-DS  {}", servers.smds_address));
    if let (Some(eim), Some(written)) = (&servers.eim, configuration) {
        let address = eim.configuration().fqdn.unwrap_or_default();
        terminal::line(format_args!("eIM    {address}"));
        terminal::line(format_args!("eUICCs are told of the eIM with {}", written.path.display()));
    }
    terminal::line(format_args!("TLS clients have to trust {}", root.display()));
    let smdp = servers.smdp.lock().unwrap_or_else(PoisonError::into_inner);
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

/// A file for clients; a temporary one goes at the end.
struct Written {
    path: PathBuf,
    temporary: bool,
}

impl Written {
    /// The certificate of the CI.
    fn root(wanted: Option<&Path>, port: u16, der: &[u8]) -> Result<Self, ServeError> {
        let pem = pem::write("CERTIFICATE", der);
        Self::write(wanted, &format!("cellbed-root-ci-{port}.pem"), pem.as_bytes())
    }

    /// The EimConfigurationData of the eIM.
    fn configuration(wanted: Option<&Path>, port: u16, eim: &EimDesk) -> Result<Self, ServeError> {
        Self::write(wanted, &format!("cellbed-eim-{port}.der"), &eim.configuration().to_bytes(0x30))
    }

    fn write(wanted: Option<&Path>, name: &str, content: &[u8]) -> Result<Self, ServeError> {
        let path = wanted.map_or_else(|| std::env::temp_dir().join(name), Path::to_owned);
        files::write_bytes(&path, content).map_err(ServeError::File)?;
        Ok(Self { path, temporary: wanted.is_none() })
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed now is in the folder for temporary things anyway.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
