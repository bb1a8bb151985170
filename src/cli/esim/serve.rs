//! `cellbed esim serve`: SM-DP+, SM-DS and eIM on one port, told apart by the path and by the name that the device
//! asks for. Who orders or registers events shows a certificate, but where only this computer reaches the port.

mod http;
mod servers;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::servers::{Access, Servers, Trust};
use super::super::exit::Exit;
use super::super::terminal;
use super::args::{Download, EsimServeArgs};
use super::eim::{Addresses, rules};
use super::identities;
use super::orders::{self, Placing};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::{RspCertError, TrustAnchor, pem};
use crate::esim::eim::{Eim, EimSettings};
use crate::esim::office::{Identities, Office, Opening};
use crate::esim::smdp::{OrderState, SmdpSettings};
use crate::esim::store::{Forgetful, Records, StoreError};
use crate::esim::{Clients, EsimError, FunctionRefusal, Identity};
use crate::id::Iccid;
use crate::io::clock;
use crate::io::entropy::{self, EntropyError};
use crate::io::esim_store::{EsimStoreError, FolderStore};
use crate::io::files::{self, FileError};
use crate::io::https::{HttpsError, HttpsLimits, HttpsServer, certified, tls_config};
use crate::io::pki_folder::{self, PkiFolderError};
use crate::kernel::ServedRng;
use crate::lab::LabError;

/// How often it is looked whether another server has to be told something.
const LOOK: Duration = Duration::from_millis(100);
/// After how long a folder of certificates and revocation lists is read again.
const RELOAD: Duration = Duration::from_secs(600);

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
    #[error(
        "{} has the ICCID {iccid}, which an order for {other} has already: an ICCID is one profile; leave one of them out",
        path.display()
    )]
    SameIccid { path: PathBuf, iccid: Iccid, other: String },
    #[error(
        "{listen} is reached from elsewhere, and without certificates everybody there could order profiles (ES2+) and \
         register events (ES12): give --pki DIR of `cellbed pki new`, or --client-ca FILE, or --devices-only, or listen on \
         127.0.0.1"
    )]
    Open { listen: SocketAddr },
    #[error("{}: it is no certificate: {cause}", path.display())]
    ClientCa { path: PathBuf, cause: String },
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

fn serve(args: &EsimServeArgs) -> Result<(), ServeError> {
    let door = Door::of(args)?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(ServeError::Signals)?;
    let state =
        args.state.as_deref().map(|dir| FolderStore::open(dir, args.state_key.as_deref())).transpose()?;
    let rng = entropy::fresh()?;
    let of_state = state.as_ref().map_or_else(|| rng.clone(), |(store, _)| store.randomness().clone());
    let tally = Tally::new();
    let load = |tell: &dyn Fn(&str)| -> Result<Loaded, ServeError> {
        let identities = identities::of(args, clock::unix_s(), &of_state, tell)?;
        let tls: Vec<Identity> = [Some(&identities.smdp.tls), identities.smds.as_ref().map(|smds| &smds.tls)]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let root = identities.anchor.ci().der().to_vec();
        let ci = args.pki.as_ref().map(|_| identities.anchor.clone());
        let trust = Trust {
            access: door.access(ci.clone(), &tally),
            roots: vec![root],
            certificate: Some(certified(&identities.smdp.tls)?),
        };
        let clients = door.roots(ci.as_ref());
        Ok(Loaded { config: tls_config(&tls, clients.as_deref())?, trust, identities })
    };
    let Loaded { config, trust, identities } = load(&|note| terminal::warning(note))?;
    let server = HttpsServer::bind(args.listen, Some(config), HttpsLimits::default())?;
    let port = server.address().port();
    let root_der = identities.anchor.ci().der().to_vec();
    let office = office(args, identities, server.address(), state, &rng)?;
    let root = Written::root(args.root.as_deref(), port, &root_der)?;
    let configuration = match office.eim() {
        Some(eim) => Some(Written::configuration(args.eim_config.as_deref(), port, eim)?),
        None => None,
    };
    greet(&office, &root.path, configuration.as_ref());
    terminal::line(door.describe());
    let servers = Servers::new(office, trust);
    let reload = |tell: &dyn Fn(&str)| match load(tell) {
        Ok(Loaded { config, trust, identities }) => {
            server.renew(config);
            servers.renew(identities, trust, &tally);
            true
        }
        Err(error) => {
            terminal::warning(format_args!("the certificates stay as they were: {error}"));
            false
        }
    };

    let (stopper, handle) = (server.stopper(), signals.handle());
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            server.serve(&|asked| {
                http::answer(asked, |caller, request| servers.handle(caller, request), &servers)
            });
            over.store(true, Ordering::Relaxed);
            handle.close();
        });
        scope.spawn(|| {
            let mut loaded = Instant::now();
            while !over.load(Ordering::Relaxed) {
                servers.tell(scope);
                if args.pki.is_some() && loaded.elapsed() >= RELOAD {
                    reload(&|_| ());
                    loaded = Instant::now();
                }
                thread::sleep(LOOK);
            }
        });
        for signal in signals.forever() {
            if signal != SIGHUP {
                break;
            }
            if reload(&|note| terminal::warning(note)) {
                terminal::line("certificates and revocation lists are loaded again");
            }
        }
        stopper.stop();
    });
    terminal::line(server.turned());
    terminal::line("no longer serving");
    Ok(())
}

/// What is loaded at the start, and again while it serves.
struct Loaded {
    config: Arc<ServerConfig>,
    trust: Trust,
    identities: Identities,
}

/// For whom ES2+ and ES12 are.
enum Door {
    /// For whoever reaches a port of this computer alone.
    Open,
    /// For nobody.
    Closed,
    /// For who shows a certificate under the CI of the folder, or under one of these (DER).
    Certified(Vec<Vec<u8>>),
}

impl Door {
    fn of(args: &EsimServeArgs) -> Result<Self, ServeError> {
        if args.devices_only {
            return Ok(Self::Closed);
        }
        let read = |path: &PathBuf| -> Result<Vec<u8>, ServeError> {
            let bytes = pki_folder::read_file(path)?;
            let wrong = |cause: &str| ServeError::ClientCa { path: path.clone(), cause: cause.to_owned() };
            Ok(pem::der_of(&bytes, pem::CERTIFICATE).map_err(wrong)?.to_vec())
        };
        if args.pki.is_some() || !args.client_ca.is_empty() {
            let roots = args.client_ca.iter().map(read).collect::<Result<_, _>>()?;
            return Ok(Self::Certified(roots));
        }
        match args.listen.ip().is_loopback() {
            true => Ok(Self::Open),
            false => Err(ServeError::Open { listen: args.listen }),
        }
    }

    fn access(&self, ci: Option<TrustAnchor>, tally: &Tally) -> Access {
        match self {
            Self::Open => Access::Open,
            Self::Closed => Access::Closed,
            Self::Certified(others) => {
                Access::Certified(Box::new(Clients::new(ci, !others.is_empty(), tally)))
            }
        }
    }

    /// Under what clients may show a certificate (DER); none where they are not asked.
    fn roots(&self, ci: Option<&TrustAnchor>) -> Option<Vec<Vec<u8>>> {
        let Self::Certified(others) = self else { return None };
        let own = ci.map(|ci| ci.ci().der().to_vec());
        Some(own.into_iter().chain(others.iter().cloned()).collect())
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Open => "ES2+ and ES12 are for everybody on this computer",
            Self::Closed => "ES2+ and ES12 are for nobody",
            Self::Certified(_) => "ES2+ and ES12 are for who shows a client certificate",
        }
    }
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
    let missing = |what| ServeError::Missing { dir: args.pki.clone().unwrap_or_default(), what };
    if identities.eim.is_none() && !args.eim_downloads.is_empty() {
        return Err(missing("eIM"));
    }
    let by_smds = args.eim_downloads.iter().any(|download| download.what == Download::Smds);
    if identities.smds.is_none() && (args.announce || by_smds) {
        return Err(missing("SM-DS"));
    }
    let (store, records) = state.map_or((None, Records::new()), |(store, records)| (Some(store), records));
    let mut office = Office::open(Opening {
        smdp: SmdpSettings { smds: args.peers.clone(), ..SmdpSettings::new(&address) },
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
    orders::stock(office.smdp_mut(), &args.stock, &placing)?;
    Ok(office)
}

/// Says what there is.
fn greet(office: &Office, root: &Path, configuration: Option<&Written>) {
    let smdp = office.smdp();
    terminal::line(format_args!("SM-DP+ {}", smdp.address()));
    match office.smds() {
        Some(smds) => terminal::line(format_args!("SM-DS  {}", smds.address())),
        None => terminal::line("SM-DS  none: the folder has no certificates of one"),
    }
    if let (Some(eim), Some(written)) = (office.eim(), configuration) {
        terminal::line(format_args!("eIM    {}", eim.settings().address));
        terminal::line(format_args!("eUICCs are told of the eIM with {}", written.path.display()));
    }
    terminal::line(format_args!("TLS clients have to trust {}", root.display()));
    for order in smdp.orders().filter(|order| order.state() != OrderState::Available) {
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
