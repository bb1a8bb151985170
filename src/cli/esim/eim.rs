//! The eIM of `cellbed esim serve`: what it is to do with eUICCs, and what goes from it to other servers.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha20Rng;

use super::super::terminal;
use super::args::{Download, EimDownloadArg};
use crate::crypto::Tally;
use crate::crypto::rsp_cert::TrustAnchor;
use crate::esim::eim::{Action, Eim, EimAnswer, EimSettings, FORWARD_AGAIN_S, Forward, Rule, RuleStep};
use crate::esim::store::{Records, Store, StoreError};
use crate::esim::{HttpRequest, HttpResponse, Identity};
use crate::id::Eid;
use crate::wire::rsp::iot::EimConfigurationData;

/// Where the servers are that devices are sent to.
pub struct Addresses<'a> {
    pub eim: &'a str,
    pub smdp: &'a str,
    pub smds: &'a str,
}

/// What an eIM is made with.
pub struct Means<'a> {
    pub id: &'a str,
    pub identity: Identity,
    pub anchor: TrustAnchor,
    pub rng: ChaCha20Rng,
    pub store: Box<dyn Store>,
    pub records: &'a Records,
}

/// An eIM behind a port.
pub struct EimDesk {
    eim: Mutex<Eim>,
}

impl EimDesk {
    /// An eIM that has eUICCs do what `downloads` say. With `indirect` devices are not told the activation code.
    pub fn new(
        means: Means<'_>,
        addresses: &Addresses<'_>,
        downloads: &[EimDownloadArg],
        indirect: bool,
        tally: &Tally,
    ) -> Result<Self, StoreError> {
        let Means { id, identity, anchor, rng, store, records } = means;
        let settings = EimSettings { id: id.to_owned(), address: addresses.eim.to_owned(), indirect: true };
        let mut eim = Eim::new(settings, identity, vec![anchor], rng, store, records, tally)?;
        // The first rule that fits counts: what names an EID goes before what names none.
        let (named, all): (Vec<_>, Vec<_>) = downloads.iter().partition(|download| download.eid.is_some());
        for download in named.into_iter().chain(all) {
            let prefix = download.eid.as_ref().map_or("", Eid::as_str);
            eim.add_rule(Rule::zero_touch(prefix, step(&download.what, addresses, indirect)));
        }
        Ok(Self { eim: Mutex::new(eim) })
    }

    /// What an eUICC has to be told of this eIM.
    pub fn configuration(&self) -> EimConfigurationData {
        self.eim().configuration()
    }

    /// Answers an IPA, and asks another server with `ask` where the IPA wants something of it.
    pub fn answer(
        &self,
        now_unix_s: u64,
        request: &HttpRequest,
        ask: impl Fn(&HttpRequest) -> Result<HttpResponse, String>,
    ) -> HttpResponse {
        let action = self.eim().handle(now_unix_s, request);
        // While another server is asked, the eIM answers other devices.
        let EimAnswer { response, function, note, refusal } = match action {
            Action::Answer(answer) => answer,
            Action::Relay { request, token } => {
                let answered = ask(&request);
                self.eim().relayed(token, answered.as_ref().map_err(String::as_str))
            }
        };
        let refused = refusal.map(|reason| format!("refused, {}: ", reason.word())).unwrap_or_default();
        terminal::line(format_args!("{function:28} {refused}{note}"));
        response
    }

    /// Forwards the notifications that wait with `ask`; one that is not taken stays for later.
    pub fn forward(&self, now_unix_s: u64, ask: impl Fn(&HttpRequest) -> Result<HttpResponse, String>) {
        let next = || self.eim().next_forward(now_unix_s);
        while let Some(forward) = next() {
            let taken = match ask(&forward.request) {
                Ok(response) if response.status == 204 => Ok(()),
                Ok(response) => Err(format!("status {}", response.status)),
                Err(problem) => Err(problem),
            };
            match taken {
                Ok(()) => self.eim().forwarded(&forward).unwrap_or_else(terminal::warning),
                Err(problem) => not_taken(&forward, problem),
            }
        }
    }

    fn eim(&self) -> MutexGuard<'_, Eim> {
        self.eim.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_taken(forward: &Forward, problem: impl Display) {
    let (host, eid) = (&forward.request.host, &forward.eid);
    terminal::warning(format_args!(
        "{host} has not taken a notification of EID {eid} ({problem}); it is sent again in {FORWARD_AGAIN_S} s"
    ));
}

fn step(download: &Download, addresses: &Addresses<'_>, indirect: bool) -> RuleStep {
    let here = |token: &str| format!("LPA:1${}${token}", addresses.smdp);
    let by_code = |code| RuleStep::DownloadByCode { code, hidden: indirect };
    match download {
        Download::Code(code) => by_code(code.clone()),
        Download::MatchingId(id) => by_code(here(id)),
        Download::Order => by_code(here("")),
        Download::Default => RuleStep::DownloadFromDefault,
        Download::Smds => RuleStep::DownloadBySmds { address: Some(addresses.smds.to_owned()) },
    }
}
