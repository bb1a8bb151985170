//! `cellbed esim serve`: SM-DP+, SM-DS and eIM on one port, told apart by the path and by the name that the device
//! asks for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::super::exit::Exit;
use super::super::terminal;
use super::args::EsimServeArgs;
use super::eim::{Addresses, rules};
use super::identities;
use super::orders::{self, Placing};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{RspCertError, pem};
use crate::esim::eim::{Eim, EimSettings};
use crate::esim::office::{Deed, Identities, Office, Opening, Reply};
use crate::esim::smdp::SmdpSettings;
use crate::esim::store::{Forgetful, Records, StoreError};
use crate::esim::{EsimError, FunctionRefusal, HttpRequest, HttpResponse};
use crate::io::clock;
use crate::io::entropy::{self, EntropyError};
use crate::io::esim_store::{EsimStoreError, FolderStore};
use crate::io::files::{self, FileError};
use crate::io::https::{HttpsError, HttpsLimits, HttpsServer, tls_config};
use crate::io::https_client::HttpsClient;
use crate::io::pki_folder::PkiFolderError;
use crate::kernel::ServedRng;
use crate::lab::LabError;
use crate::wire::http::{Request, Response};

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
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Esim(#[from] EsimError),
    #[error("a server's certificate is not in order: {0}")]
    Certificate(#[from] RspCertError),
    #[error("{}: there is no {what} in it; cellbed pki new makes a folder with one", dir.display())]
    Missing { dir: PathBuf, what: &'static str },
    #[error(
        "{}: its servers are on brainpoolP256r1, on which TLS has no certificates; make a folder on P-256 (cellbed pki new without --curve)",
        dir.display()
    )]
    Brainpool { dir: PathBuf },
    #[error(transparent)]
    State(#[from] EsimStoreError),
    #[error("the state is not of these servers: {0}")]
    Record(#[from] StoreError),
    #[error(transparent)]
    Https(#[from] HttpsError),
    #[error(transparent)]
    File(FileError),
    #[error("the order for {} is refused: {cause}", profile.display())]
    Order { profile: PathBuf, cause: FunctionRefusal },
    #[error("{}: {cause}", path.display())]
    Profile { path: PathBuf, cause: String },
    #[error("the subscribers' keys are not kept: {0}")]
    Subscribers(FileError),
    #[error("the signals that end this program cannot be received: {0}")]
    Signals(std::io::Error),
}

/// Serves until a signal ends it.
pub fn main(args: &EsimServeArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => Exit::Pass.into(),
        Err(ServeError::Lab(error)) => terminal::lab_error(&error),
        Err(error) => {
            terminal::failure(error);
            Exit::SetUp.into()
        }
    }
}

/// The servers behind the port.
struct Servers {
    office: Mutex<Office>,
    /// Under which servers elsewhere are trusted.
    roots: Vec<Vec<u8>>,
}

impl Servers {
    /// Hands a request to whom it is for, and says on the terminal what came of it.
    fn handle(&self, request: &HttpRequest) -> HttpResponse {
        let now = clock::unix_s();
        let reply = self.work(|office, deeds| {
            let server = office.server_of(request);
            office.handle(now, server, request, deeds)
        });
        match reply {
            Reply::Now(response) => response,
            Reply::After(relay) => {
                let answered = self.ask(&relay.request);
                let answered = answered.as_ref().map_err(String::as_str);
                self.work(|office, deeds| office.relayed(relay, answered, deeds))
            }
        }
    }

    /// Asks a server elsewhere. The office answers others meanwhile.
    fn ask(&self, request: &HttpRequest) -> Result<HttpResponse, String> {
        HttpsClient::new(&self.roots, TIMEOUT)
            .and_then(|mut client| client.send(request))
            .map_err(|error| error.to_string())
    }

    /// Tells other servers what there is to tell: the SM-DS of orders, an SM-DP+ of what its profiles have become.
    fn tell(&self) {
        let poll = || self.work(|office, deeds| office.poll(clock::unix_s(), deeds));
        while let Some(errand) = poll() {
            let answered = self.ask(&errand.request);
            let answered = answered.as_ref().map_err(String::as_str);
            self.work(|office, deeds| office.done(clock::unix_s(), &errand, answered, deeds));
        }
    }

    /// Lets the office work, and says what it has done.
    fn work<T>(&self, work: impl FnOnce(&mut Office, &mut Vec<Deed>) -> T) -> T {
        let mut deeds = Vec::new();
        let done = work(&mut self.office(), &mut deeds);
        deeds.into_iter().for_each(say);
        done
    }

    fn office(&self) -> MutexGuard<'_, Office> {
        self.office.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(deed: Deed) {
    match deed {
        Deed::Served { function, note, refusal, .. } => {
            let refused = refusal.map(|reason| format!("refused, {reason}: ")).unwrap_or_default();
            terminal::line(format_args!("{function:28} {refused}{note}"));
        }
        Deed::Failed { what, cause, .. } => terminal::warning(format_args!("{what}: {cause}")),
        // What was asked and learned is in the lines of those who served it.
        Deed::Asked { .. } | Deed::Answered { .. } | Deed::Learned(_) => {}
    }
}

fn serve(args: &EsimServeArgs) -> Result<(), ServeError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    let state =
        args.state.as_deref().map(|dir| FolderStore::open(dir, args.state_key.as_deref())).transpose()?;
    let rng = entropy::fresh()?;
    let of_state = state.as_ref().map_or(&rng, |(store, _)| store.randomness());
    let identities = identities::of(args, clock::unix_s(), of_state)?;
    let tls = tls_config(&[identities.smdp.tls.clone(), identities.smds.tls.clone()])?;
    let server = HttpsServer::bind(args.listen, Some(tls), HttpsLimits::default())?;
    let port = server.address().port();
    let root_der = identities.anchor.ci().der().to_vec();
    let office = office(args, identities, server.address(), state, &rng)?;
    let root = Written::root(args.root.as_deref(), port, &root_der)?;
    let configuration = match office.eim() {
        Some(eim) => Some(Written::configuration(args.eim_config.as_deref(), port, eim)?),
        None => None,
    };
    greet(&office, &root.path, configuration.as_ref());
    let servers = Servers { office: Mutex::new(office), roots: vec![root_der] };

    let (stopper, handle) = (server.stopper(), signals.handle());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            server.serve(&|asked| over_http(asked.request, |request| servers.handle(request)));
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

/// The office at `listening`, as it was when it was served last, with the orders placed.
fn office(
    args: &EsimServeArgs,
    identities: Identities,
    listening: SocketAddr,
    state: Option<(FolderStore, Records)>,
    rng: &ServedRng,
) -> Result<Office, ServeError> {
    let address = args.name.clone().unwrap_or_else(|| listening.to_string());
    let smds_address =
        args.smds_name.clone().unwrap_or_else(|| format!("smds.localhost:{}", listening.port()));
    let eim_address = args.eim_name.clone().unwrap_or_else(|| address.clone());
    if identities.eim.is_none() && !args.eim_downloads.is_empty() {
        let dir = args.pki.clone().unwrap_or_default();
        return Err(ServeError::Missing { dir, what: "eIM" });
    }
    let (store, records) = state.map_or((None, Records::new()), |(store, records)| (Some(store), records));
    let mut office = Office::open(Opening {
        smdp: SmdpSettings::new(&address),
        smds_address: &smds_address,
        eim: Some(EimSettings {
            id: args.eim_id.clone(),
            address: eim_address,
            indirect: true,
            peers: args.peers.clone(),
        }),
        identities,
        rng: rng.tree(),
        store: &|| match &store {
            Some(store) => Box::new(store.clone()),
            None => Box::new(Forgetful),
        },
        records: &records,
        tally: &Tally::new(),
    })?;
    if let Some(eim) = office.eim_mut() {
        let addresses = Addresses { smdp: &address, smds: &smds_address };
        rules(&args.eim_downloads, &addresses, args.eim_indirect).for_each(|rule| eim.add_rule(rule));
    }
    let placing = Placing {
        now_unix_s: clock::unix_s(),
        smds: args.announce.then_some(&smds_address),
        subscribers: args.subscribers.as_deref(),
    };
    orders::place(office.smdp_mut(), &args.orders, &placing)?;
    Ok(office)
}

/// The response to a request of remote SIM provisioning, all of which are POST (SGP.22 clause 6.5.1).
fn over_http(request: &Request, handle: impl Fn(&HttpRequest) -> HttpResponse) -> Response {
    if request.method != "POST" {
        return Response::new(405).header("Allow", "POST");
    }
    let given = handle(&HttpRequest {
        host: request.headers.get("host").unwrap_or_default().to_owned(),
        path: request.path().to_owned(),
        content_type: request.headers.get("content-type").unwrap_or_default().to_owned(),
        body: request.body.clone(),
    });
    let response = Response::new(given.status).header("X-Admin-Protocol", "gsma/rsp/v2.5.0");
    match given.content_type.is_empty() {
        true => response,
        false => response.body(&given.content_type, given.body),
    }
}

/// Says what there is.
fn greet(office: &Office, root: &Path, configuration: Option<&Written>) {
    let smdp = office.smdp();
    terminal::line(format_args!("SM-DP+ {}", smdp.address()));
    terminal::line(format_args!("SM-DS  {}", office.smds().address()));
    if let (Some(eim), Some(written)) = (office.eim(), configuration) {
        terminal::line(format_args!("eIM    {}", eim.settings().address));
        terminal::line(format_args!("eUICCs are told of the eIM with {}", written.path.display()));
    }
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
    fn configuration(wanted: Option<&Path>, port: u16, eim: &Eim) -> Result<Self, ServeError> {
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
