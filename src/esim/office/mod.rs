//! The office of remote SIM provisioning: SM-DP+, SM-DS and eIM together, and what they have to say to one another
//! (SGP.22 clauses 5.8 to 5.10, SGP.32 clause 3.2.3.2).
//!
//! A request comes in and its answer goes out, or another server is to be asked first that is not of this office
//! ([`Reply::After`]). What the servers have to say without being asked, [`Office::poll`] hands out when
//! [`Office::deadline_unix_s`] says so: events for an SM-DS, notifications for an SM-DP+. What was done is told in
//! [`Deed`]s, in its order.

mod setup;
#[cfg(test)]
mod tests;

use std::fmt;

pub use setup::{Identities, Issue, Opening, UnderCi};

use super::eim::{Action, Eim, EimAnswer, EimRefusal, FORWARD_AGAIN_S, Forward, RelayToken};
use super::smdp::{ProfileNotice, Smdp};
use super::smds::Smds;
use super::{Caller, ESIPA_PATH, HttpRequest, HttpResponse, Reason, Served};
use crate::kernel::Gone;

/// A server of the office.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// The SM-DP+.
    Smdp,
    /// The SM-DS.
    Smds,
    /// The eIM.
    Eim,
}

impl Server {
    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Smdp => "smdp",
            Self::Smds => "smds",
            Self::Eim => "eim",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that was done, for whoever tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "what a variant is says what its fields are")]
pub enum Deed {
    /// A server has answered a request.
    Served {
        server: Server,
        /// The function as the standard names it: `ES9+.AuthenticateClient`.
        function: String,
        /// What came of it, for people.
        note: String,
        /// The stable word of why it was refused.
        refusal: Option<&'static str>,
    },
    /// A server of the office asks another one of it.
    Asked { from: Server, to: Server, request: HttpRequest },
    /// What the other one has answered.
    Answered { from: Server, to: Server, request: HttpRequest, response: HttpResponse },
    /// A card has signed what became of a profile, and the SM-DP+ has verified it.
    Learned(ProfileNotice),
    /// Something failed that nobody who asked is told of.
    Failed { server: Server, what: &'static str, cause: String },
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// The answer.
    Now(HttpResponse),
    /// Another server is to be asked first, and what it says given to [`Office::relayed`].
    After(Relay),
}

/// A request to a server that is not of this office, for an IPA that waits for the answer.
#[derive(Debug)]
pub struct Relay {
    /// What is to be sent.
    pub request: HttpRequest,
    token: RelayToken,
}

/// A request to a server that is not of this office, which nobody waits for. What the server says, or why it says
/// nothing, has to be given to [`Office::done`].
#[derive(Debug)]
pub struct Errand {
    /// What is to be sent.
    pub request: HttpRequest,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    /// The eIM forwards a notification.
    Forward(Forward),
    /// The SM-DP+ tells an SM-DS of an event.
    Event,
}

/// An SM-DP+, or what stands in its place.
pub trait SmdpDesk {
    /// As [`Smdp::handle_for`].
    fn handle(&mut self, now_unix_s: u64, caller: &Caller, request: &HttpRequest) -> Served;

    /// As [`Smdp::poll`].
    fn poll(&mut self, now_unix_s: u64) -> Option<HttpRequest>;

    /// As [`Smdp::resume`].
    ///
    /// # Errors
    /// A sentence for people.
    fn resume(&mut self, now_unix_s: u64, smds: &str, response: Option<&HttpResponse>) -> Result<(), String>;

    /// As [`Smdp::deadline_unix_s`].
    fn deadline_unix_s(&self) -> Option<u64>;
}

impl SmdpDesk for Smdp {
    fn handle(&mut self, now_unix_s: u64, caller: &Caller, request: &HttpRequest) -> Served {
        self.handle_for(now_unix_s, caller, request)
    }

    fn poll(&mut self, now_unix_s: u64) -> Option<HttpRequest> {
        self.poll(now_unix_s)
    }

    fn resume(&mut self, now_unix_s: u64, smds: &str, response: Option<&HttpResponse>) -> Result<(), String> {
        self.resume(now_unix_s, smds, response)
    }

    fn deadline_unix_s(&self) -> Option<u64> {
        self.deadline_unix_s()
    }
}

/// The servers that others ask.
struct Desks<P> {
    smdp: P,
    smdp_address: String,
    smds: Option<Smds>,
}

impl<P: SmdpDesk> Desks<P> {
    fn serve(
        &mut self,
        now_unix_s: u64,
        caller: &Caller,
        server: Server,
        request: &HttpRequest,
        out: &mut Vec<Deed>,
    ) -> HttpResponse {
        let served = match (server, &mut self.smds) {
            (Server::Smds, Some(smds)) => smds.handle_for(now_unix_s, caller, request),
            (Server::Smdp, _) => self.smdp.handle(now_unix_s, caller, request),
            (Server::Smds | Server::Eim, _) => {
                Served::refused(&request.path, &Reason::UnknownFunction.into(), None)
            }
        };
        let Served { response, function, note, refusal, notice } = served;
        out.push(Deed::Served { server, function, note, refusal: refusal.map(Reason::word) });
        out.extend(notice.map(Deed::Learned));
        response
    }

    /// Asks a server of this office in the name of another one; `None` where the server is not of this office.
    fn ask(
        &mut self,
        now_unix_s: u64,
        caller: &Caller,
        from: Server,
        request: &HttpRequest,
        out: &mut Vec<Deed>,
    ) -> Option<HttpResponse> {
        let is = |address: &str| request.host.eq_ignore_ascii_case(address);
        let to = match (self.smds.as_ref().is_some_and(|smds| is(smds.address())), is(&self.smdp_address)) {
            (true, _) => Server::Smds,
            (false, true) => Server::Smdp,
            (false, false) => return None,
        };
        out.push(Deed::Asked { from, to, request: request.clone() });
        let response = self.serve(now_unix_s, caller, to, request, out);
        out.push(Deed::Answered { from, to, request: request.clone(), response: response.clone() });
        Some(response)
    }
}

/// SM-DP+, SM-DS and, where there is one, eIM.
pub struct Office<P = Smdp> {
    desks: Desks<P>,
    eim: Option<Eim>,
}

impl<P: SmdpDesk> Office<P> {
    /// The same office with something else in the place of its SM-DP+.
    pub fn with_smdp<Q: SmdpDesk>(self, replace: impl FnOnce(P) -> Q) -> Office<Q> {
        let Desks { smdp, smdp_address, smds } = self.desks;
        Office { desks: Desks { smdp: replace(smdp), smdp_address, smds }, eim: self.eim }
    }

    /// Takes the servers down one by one, and names each once it is gone.
    pub fn take_down(self, gone: Gone<'_>) {
        let Self { desks: Desks { smdp, smds, .. }, eim } = self;
        drop(smdp);
        gone("SM-DP+");
        drop(smds);
        gone("SM-DS");
        drop(eim);
        gone("eIM");
    }

    /// The SM-DP+, or what stands in its place.
    pub fn smdp(&self) -> &P {
        &self.desks.smdp
    }

    /// The same, to be changed.
    pub fn smdp_mut(&mut self) -> &mut P {
        &mut self.desks.smdp
    }

    /// The SM-DS, where there is one.
    pub fn smds(&self) -> Option<&Smds> {
        self.desks.smds.as_ref()
    }

    /// The eIM, where there is one.
    pub fn eim(&self) -> Option<&Eim> {
        self.eim.as_ref()
    }

    /// The same, to be changed.
    pub fn eim_mut(&mut self) -> Option<&mut Eim> {
        self.eim.as_mut()
    }

    /// Whom a request is for that came through a door which all share: the path says it, or the host where an SM-DS
    /// is asked by the paths of ES9+.
    pub fn server_of(&self, request: &HttpRequest) -> Server {
        if self.eim.is_some() && request.path == ESIPA_PATH {
            return Server::Eim;
        }
        let of_smds = ["/gsma/rsp2/es11/", "/gsma/rsp2/es12/"];
        let smds = self.desks.smds.as_ref().map(Smds::address);
        let to_smds = smds.is_some_and(|address| request.host.eq_ignore_ascii_case(address))
            || of_smds.iter().any(|path| request.path.starts_with(path));
        if to_smds { Server::Smds } else { Server::Smdp }
    }

    /// Answers a request of `caller` to `server`.
    pub fn handle(
        &mut self,
        now_unix_s: u64,
        caller: &Caller,
        server: Server,
        request: &HttpRequest,
        out: &mut Vec<Deed>,
    ) -> Reply {
        let eim = match (server, &mut self.eim) {
            (Server::Eim, Some(eim)) => eim,
            _ => return Reply::Now(self.desks.serve(now_unix_s, caller, server, request, out)),
        };
        match eim.handle(now_unix_s, request) {
            Action::Answer(answer) => Reply::Now(told(answer, out)),
            Action::Relay { request, token } => {
                match self.desks.ask(now_unix_s, caller, Server::Eim, &request, out) {
                    Some(response) => Reply::Now(told(eim.relayed(token, Ok(&response)), out)),
                    None => Reply::After(Relay { request, token }),
                }
            }
        }
    }

    /// The answer to the request that a relay was for, made of what the other server has said or of why it has not.
    pub fn relayed(
        &mut self,
        relay: Relay,
        response: Result<&HttpResponse, &str>,
        out: &mut Vec<Deed>,
    ) -> HttpResponse {
        match &mut self.eim {
            Some(eim) => told(eim.relayed(relay.token, response), out),
            // A relay of another office.
            None => Served::refused(ESIPA_PATH, &Reason::UnknownFunction.into(), None).response,
        }
    }

    /// Takes what another server has said to an errand, or why it has not.
    pub fn done(
        &mut self,
        now_unix_s: u64,
        errand: &Errand,
        response: Result<&HttpResponse, &str>,
        out: &mut Vec<Deed>,
    ) {
        let forward = match &errand.purpose {
            Purpose::Forward(forward) => forward,
            Purpose::Event => {
                if let Err(problem) = self.desks.smdp.resume(now_unix_s, &errand.request.host, response.ok())
                {
                    let cause = match response {
                        Ok(_) => problem,
                        Err(why) => format!("{problem}: {why}"),
                    };
                    out.push(Deed::Failed { server: Server::Smdp, what: "event not told", cause });
                }
                return;
            }
        };
        let Some(eim) = &mut self.eim else { return };
        // What is not taken stays with the eIM for later.
        eim.not_forwarded(forward);
        let (what, cause) = match response {
            Ok(response) if response.status == 204 => match eim.forwarded(forward) {
                Ok(()) => return,
                Err(error) => ("notification not forgotten", error.to_string()),
            },
            Ok(response) => not_taken(forward, &format!("status {}", response.status)),
            Err(problem) => not_taken(forward, problem),
        };
        out.push(Deed::Failed { server: Server::Eim, what, cause });
    }

    /// Does what is due within the office, and returns the first errand that goes elsewhere; none to a server that has
    /// not answered to the one before.
    pub fn poll(&mut self, now_unix_s: u64, out: &mut Vec<Deed>) -> Option<Errand> {
        loop {
            let errand = self.next_errand(now_unix_s)?;
            let from = match errand.purpose {
                Purpose::Forward(_) => Server::Eim,
                Purpose::Event => Server::Smdp,
            };
            match self.desks.ask(now_unix_s, &Caller::House, from, &errand.request, out) {
                Some(response) => self.done(now_unix_s, &errand, Ok(&response), out),
                None => return Some(errand),
            }
        }
    }

    /// When [`Office::poll`] is to be called although no request comes, Unix seconds; in the past where it is due.
    pub fn deadline_unix_s(&self) -> Option<u64> {
        let eim = self.eim.as_ref().and_then(Eim::deadline_unix_s);
        [self.desks.smdp.deadline_unix_s(), eim].into_iter().flatten().min()
    }

    fn next_errand(&mut self, now_unix_s: u64) -> Option<Errand> {
        if let Some(request) = self.desks.smdp.poll(now_unix_s) {
            return Some(Errand { request, purpose: Purpose::Event });
        }
        let forward = self.eim.as_mut()?.next_forward(now_unix_s)?;
        Some(Errand { request: forward.request.clone(), purpose: Purpose::Forward(forward) })
    }
}

fn not_taken(forward: &Forward, problem: &str) -> (&'static str, String) {
    let (host, eid) = (&forward.request.host, &forward.eid);
    let cause = format!("{host}, EID {eid}: {problem}; it is sent again in {FORWARD_AGAIN_S} s");
    ("notification not taken", cause)
}

fn told(answer: EimAnswer, out: &mut Vec<Deed>) -> HttpResponse {
    let EimAnswer { response, function, note, refusal } = answer;
    out.push(Deed::Served { server: Server::Eim, function, note, refusal: refusal.map(EimRefusal::word) });
    response
}
