//! `cellbed ca serve`: EST over TLS on one port, and what is public over plain HTTP on another.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::super::exit::Exit;
use super::super::terminal;
use super::args::CaServeArgs;
use super::clients::{self, ClientsError};
use crate::ca::est::Linking;
use crate::ca::served::{self, Answered, Roster, Served};
use crate::ca::{Authority, CaError, Publication};
use crate::crypto::rsp_cert::pem;
use crate::crypto::{SoftKey, Tally};
use crate::io::ca_folder::{self, CaFolder, CaFolderError, FolderIndex, Revocations};
use crate::io::clock;
use crate::io::entropy::{self, EntropyError};
use crate::io::files::{self, FileError};
use crate::io::https::{Asked, HttpsError, HttpsLimits, HttpsServer, tls_config_asking};
use crate::wire::http::{Limits, Response};

/// What a client may send: a CSR in base64 is under a kilobyte.
const LIMITS: Limits = Limits { header: 8 * 1024, body: 16 * 1024 };

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Folder(#[from] CaFolderError),
    #[error(transparent)]
    Clients(#[from] ClientsError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Https(#[from] HttpsError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {cause}; give certificates in PEM or DER", path.display())]
    Root { path: PathBuf, cause: String },
    #[error("{address} is beyond loopback: that takes --outside, and --clients with those who may enrol")]
    Outside { address: SocketAddr },
    #[error("the signals that end this program cannot be received: {0}")]
    Signals(std::io::Error),
}

/// Serves until a signal ends it.
pub fn main(args: &CaServeArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => Exit::Pass.into(),
        Err(error) => {
            terminal::failure(error);
            Exit::SetUp.into()
        }
    }
}

/// What stands behind both ports.
struct Office {
    served: Mutex<(Served, Revocations)>,
}

impl Office {
    /// Lets the office answer, after it has seen what others have revoked, and says on the terminal what came of it. What
    /// it cannot keep or read it does not answer for.
    fn answer(
        &self,
        asked: &Asked<'_>,
        answer: impl FnOnce(&mut Served, u64) -> Result<Answered, CaError>,
    ) -> Response {
        let mut guard = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let (served, revocations) = &mut *guard;
        let what = format!("{} {}", asked.request.method, asked.request.path());
        let answered = match revocations.changed() {
            Ok(changed) => {
                if let Some(revoked) = changed {
                    served.authority_mut().adopt(&revoked);
                }
                answer(served, clock::unix_s()).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match answered {
            Ok((response, told)) => {
                let path: String = what.chars().filter(|c| !c.is_control()).take(60).collect();
                terminal::line(format_args!("{path:44} {} {told}", asked.from.ip()));
                response
            }
            Err(error) => {
                terminal::warning(error);
                Response::new(500).last()
            }
        }
    }

    fn est(&self, asked: &Asked<'_>) -> Response {
        self.answer(asked, |served, now_unix_s| {
            let Asked { request, from, certificate, binding } = *asked;
            served.est(now_unix_s, served::Asked { request, from: from.ip(), certificate, binding })
        })
    }

    fn status(&self, asked: &Asked<'_>) -> Response {
        self.answer(asked, |served, now_unix_s| served.status(now_unix_s, asked.request))
    }
}

fn serve(args: &CaServeArgs) -> Result<(), ServeError> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    let beyond = [args.listen, args.status].into_iter().find(|address| !address.ip().is_loopback());
    if let Some(address) = beyond.filter(|_| !args.outside || args.clients.is_none()) {
        return Err(ServeError::Outside { address });
    }
    let roster = args.clients.as_deref().map(clients::read).transpose()?.unwrap_or_default();
    let limits = HttpsLimits { message: LIMITS, ..HttpsLimits::default() };
    let status = HttpsServer::bind(args.status, None, limits)?;
    let url = args.status_url.clone().unwrap_or_else(|| format!("http://{}", status.address()));
    let (mut authority, roots) = open(args, &url)?;
    let tls = server_identity(&mut authority, &args.host)?;
    let tls = tls_config_asking(vec![tls.0], &tls.1, &roots)?;
    let est = HttpsServer::bind(args.listen, Some(tls), limits)?;
    greet(&args.dir, &est, &url, &roster);
    let linking = if args.linked { Linking::Demanded } else { Linking::WherePresent };
    let served = Served::new(authority, roster, linking);
    let office = Office { served: Mutex::new((served, Revocations::of(&args.dir))) };

    let (stoppers, handle) = ([est.stopper(), status.stopper()], signals.handle());
    thread::scope(|scope| {
        scope.spawn(|| {
            est.serve(&|asked| office.est(asked));
            handle.close();
        });
        scope.spawn(|| status.serve(&|asked| office.status(asked)));
        signals.forever().next();
        stoppers.iter().for_each(|stopper| stopper.stop());
    });
    terminal::line(est.turned());
    terminal::line("no longer serving");
    Ok(())
}

/// The authority of the folder, held for this process, and the roots that certificates of clients may be under.
fn open(args: &CaServeArgs, url: &str) -> Result<(Authority, Vec<Vec<u8>>), ServeError> {
    // Held before it is read: nobody issues in between.
    let store = FolderIndex::hold(&args.dir)?;
    let CaFolder { key, root_der, index, list_number } = ca_folder::read(&args.dir)?;
    let mut roots = vec![root_der.clone()];
    for path in &args.client_ca {
        let wrong = |cause| ServeError::Root { path: path.clone(), cause };
        roots.extend(pem::certificates(&files::read_bytes(path)?).map_err(wrong)?);
    }
    let rng = entropy::fresh()?;
    let authority = Authority::open(key, root_der, rng.tree(), &Tally::new(), index, list_number)
        .map_err(|error| CaFolderError::from((args.dir.as_path(), error)))?;
    Ok((authority.kept(Box::new(store)).published(Publication::below(url)), roots))
}

/// A fresh key for TLS, which is in memory only, and a certificate for it.
fn server_identity(authority: &mut Authority, hosts: &[String]) -> Result<(Vec<u8>, SoftKey), ServeError> {
    let key = SoftKey::from_stream(&mut entropy::fresh()?.tree().stream("tls-key"));
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    for host in hosts {
        match host.parse::<Ipv4Addr>() {
            Ok(address) => addresses.push(address),
            Err(_) => names.push(host.as_str()),
        }
    }
    let certificate = authority.issue_server(&names, &addresses, &key.public(), clock::unix_s())?;
    Ok((certificate, key))
}

/// Says what there is.
fn greet(dir: &Path, est: &HttpsServer, url: &str, roster: &Roster) {
    terminal::line(format_args!("EST     https://{}/.well-known/est", est.address()));
    terminal::line(format_args!("status  {url}"));
    terminal::line(format_args!("root    {}", dir.join("ca.pem").display()));
    terminal::line(format_args!("clients {}", roster.len()));
}
