//! The servers behind the port, and what they have to say to others.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::Scope;
use std::time::Duration;

use rustls::sign::CertifiedKey;

use super::super::super::terminal;
use crate::crypto::Tally;
use crate::esim::office::{Deed, Identities, Office, Reply};
use crate::esim::{Caller, Client, Clients, HttpRequest, HttpResponse};
use crate::io::clock;
use crate::io::https_client::HttpsClient;

/// How long a server elsewhere may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many requests of devices may wait for servers elsewhere, all together and for one: each holds a connection.
const RELAYS_MAX: usize = 16;
const RELAYS_EACH: usize = 4;
/// How many servers elsewhere are told something at once.
const ERRANDS_MAX: usize = 16;

/// Who may use ES2+ and ES12.
pub(super) enum Access {
    Open,
    Closed,
    Certified(Box<Clients>),
}

/// Who is trusted, and what these servers show to others.
pub(super) struct Trust {
    pub(super) access: Access,
    /// Under which servers elsewhere are trusted (DER).
    pub(super) roots: Vec<Vec<u8>>,
    /// What an SM-DS elsewhere is shown.
    pub(super) certificate: Option<Arc<CertifiedKey>>,
}

/// The servers behind the port.
pub(super) struct Servers {
    office: Mutex<Office>,
    trust: RwLock<Trust>,
    /// Requests of devices that wait for servers elsewhere, by the server.
    relays: Mutex<BTreeMap<String, usize>>,
    /// Servers elsewhere that are being told something.
    errands: AtomicUsize,
}

impl Servers {
    pub(super) fn new(office: Office, trust: Trust) -> Self {
        Self {
            office: Mutex::new(office),
            trust: RwLock::new(trust),
            relays: Mutex::default(),
            errands: AtomicUsize::new(0),
        }
    }

    /// Takes other certificates and revocation lists.
    pub(super) fn renew(&self, identities: Identities, trust: Trust, tally: &Tally) {
        self.office().renew(identities, tally);
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    /// Who has shown this certificate (DER).
    pub(super) fn client(&self, certificate: Option<&[u8]>, now_unix_s: u64) -> Client {
        match &self.trust.read().unwrap_or_else(PoisonError::into_inner).access {
            Access::Open => Client::NotAsked,
            Access::Closed => Client::Nobody("ES2+ and ES12 are not offered here".to_owned()),
            Access::Certified(clients) => clients.who(certificate, now_unix_s),
        }
    }

    /// Hands a request to whom it is for, and says on the terminal what came of it.
    pub(super) fn handle(&self, caller: &Caller, request: &HttpRequest) -> HttpResponse {
        let now = clock::unix_s();
        let reply = self.work(|office, deeds| {
            let server = office.server_of(request);
            office.handle(now, caller, server, request, deeds)
        });
        match reply {
            Reply::Now(response) => response,
            Reply::After(relay) => {
                let answered = match Waiting::for_one(&self.relays, &relay.request.host) {
                    Some(_waiting) => self.ask(&relay.request),
                    None => Err("too many devices wait for it already".to_owned()),
                };
                let answered = answered.as_ref().map_err(String::as_str);
                self.work(|office, deeds| office.relayed(relay, answered, deeds))
            }
        }
    }

    /// Asks a server elsewhere. The office answers others meanwhile.
    fn ask(&self, request: &HttpRequest) -> Result<HttpResponse, String> {
        let client = {
            let trust = self.trust.read().unwrap_or_else(PoisonError::into_inner);
            HttpsClient::with_certificate(&trust.roots, trust.certificate.clone(), TIMEOUT)
        };
        client.and_then(|mut client| client.send(request)).map_err(|error| error.to_string())
    }

    /// Tells other servers what there is to tell, each on its own: the SM-DS of orders, an SM-DP+ of what its profiles have
    /// become.
    pub(super) fn tell<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        while self.errands.load(Ordering::Acquire) < ERRANDS_MAX {
            let Some(errand) = self.work(|office, deeds| office.poll(clock::unix_s(), deeds)) else { return };
            self.errands.fetch_add(1, Ordering::AcqRel);
            scope.spawn(move || {
                let answered = self.ask(&errand.request);
                let answered = answered.as_ref().map_err(String::as_str);
                self.work(|office, deeds| office.done(clock::unix_s(), &errand, answered, deeds));
                self.errands.fetch_sub(1, Ordering::AcqRel);
            });
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

/// One request that waits for a server elsewhere.
struct Waiting<'a> {
    relays: &'a Mutex<BTreeMap<String, usize>>,
    host: String,
}

impl<'a> Waiting<'a> {
    /// A place among those that wait for `host`; `None` where all are taken.
    fn for_one(relays: &'a Mutex<BTreeMap<String, usize>>, host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let mut waiting = relays.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = waiting.values().sum();
        if all >= RELAYS_MAX || waiting.get(&host).is_some_and(|count| *count >= RELAYS_EACH) {
            return None;
        }
        *waiting.entry(host.clone()).or_default() += 1;
        Some(Self { relays, host })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.host) {
            *count -= 1;
        }
        waiting.retain(|_, count| *count > 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_wait_for_a_server_and_no_more() {
        let relays = Mutex::default();
        let take = |host: &str| Waiting::for_one(&relays, host);
        let mut waiting: Vec<_> = (0..RELAYS_EACH).map(|_| take("Silent.example").unwrap()).collect();
        assert!(take("silent.example").is_none());
        for host in 0..RELAYS_MAX - RELAYS_EACH {
            waiting.push(take(&format!("{host}.example")).unwrap());
        }
        assert!(take("another.example").is_none());
        drop(waiting);
        assert!(take("silent.example").is_some() && relays.lock().unwrap().is_empty());
    }
}
