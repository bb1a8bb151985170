//! The eSIM side of the lab: SM-DP+, SM-DS and eIM on the service network, the orders of a run, and what goes wrong
//! with them on purpose.

mod adapter;
mod faults;
mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;

use super::ServiceError;
use super::inventory::Inventory;
use crate::crypto::tls::{self, KeyLogSink, VirtualClock};
use crate::crypto::{CryptoError, Tally};
use crate::esim::eim::{Action, Eim};
use crate::esim::pki::Identity;
use crate::esim::smdp::Smdp;
use crate::esim::smds::Smds;
use crate::esim::{EsimError, HttpRequest, HttpResponse};
use crate::event::{Actor, Body, Message};
use crate::kernel::{Instant, RngTree};
use crate::net::ServiceAddress;
use crate::wire::http::{self, Request, Response};

pub use faults::EsimFault;
pub use orders::{EsimSetup, Means, Ordered, Prepared, Trigger, prepare};

/// The eSIM servers of a run.
pub struct EsimServices {
    smdp: Smdp,
    /// An SM-DP+ at the same address whose authority no card knows.
    rogue: Option<Smdp>,
    smds: Smds,
    eim: Eim,
    /// What goes wrong, by the number of the device.
    faults: BTreeMap<u32, EsimFault>,
}

impl EsimServices {
    /// Answers a request of device `device` to `office`. Which card holds which subscription is noted in `inventory`
    /// as soon as the SM-DP+ has the card's signature on it.
    pub fn answer(
        &mut self,
        now: Instant,
        office: Actor,
        device: u32,
        request: &Request,
        inventory: &mut Inventory,
        events: &mut Vec<Body>,
    ) -> Response {
        let mut desk = Desk { now_unix_s: now.unix_s(), device, inventory, events };
        let plain = HttpRequest {
            host: request.headers.get("host").unwrap_or_default().to_owned(),
            path: request.path().to_owned(),
            content_type: request.headers.get("content-type").unwrap_or_default().to_owned(),
            body: request.body.clone(),
        };
        http_response(match office {
            Actor::EIM => self.eim(&plain, &mut desk),
            Actor::SMDS => self.smds(&plain, &mut desk),
            _ => self.smdp(&plain, &mut desk),
        })
    }

    fn smdp(&mut self, request: &HttpRequest, desk: &mut Desk<'_>) -> HttpResponse {
        let fault = self.faults.get(&desk.device).copied();
        let smdp = match (&mut self.rogue, fault) {
            (Some(rogue), Some(EsimFault::RogueSmdp)) => rogue,
            _ => &mut self.smdp,
        };
        let served = match fault {
            Some(EsimFault::ReplayedChallenge) => {
                smdp.handle(desk.now_unix_s, &faults::of_an_earlier_session(request))
            }
            _ => smdp.handle(desk.now_unix_s, request),
        };
        desk.tell(Actor::SMDP, &served.function, served.refusal.map(|reason| reason.word()), &served.note);
        if served.refusal.is_none() && request.path.ends_with("/handleNotification") {
            orders::note_installed(smdp, &request.body, desk.inventory, desk.events);
        }
        match fault {
            Some(EsimFault::TamperedSegment) => faults::tampered(served.response),
            _ => served.response,
        }
    }

    fn smds(&mut self, request: &HttpRequest, desk: &mut Desk<'_>) -> HttpResponse {
        let served = self.smds.handle(desk.now_unix_s, request);
        desk.tell(Actor::SMDS, &served.function, served.refusal.map(|reason| reason.word()), &served.note);
        served.response
    }

    /// The eIM's answer, after it has asked the servers that it needs for it.
    fn eim(&mut self, request: &HttpRequest, desk: &mut Desk<'_>) -> HttpResponse {
        let answer = match self.eim.handle(desk.now_unix_s, request) {
            Action::Answer(answer) => answer,
            Action::Relay { request, token } => match self.ask(&request, desk) {
                Some(response) => self.eim.relayed(token, Ok(&response)),
                None => self.eim.relayed(token, Err("there is no such server in this lab")),
            },
        };
        desk.tell(Actor::EIM, &answer.function, answer.refusal.map(|refusal| refusal.word()), &answer.note);
        for forward in self.eim.forwards() {
            // What is not taken now stays with the eIM.
            if let Some(response) = self.ask(&forward.request, desk)
                && response.status == 204
                && let Err(error) = self.eim.forwarded(&forward)
            {
                desk.events.push(Body::note(
                    Actor::EIM,
                    "notification not forgotten",
                    vec![("cause", error.to_string())],
                ));
            }
        }
        answer.response
    }

    /// Asks another server in the name of the eIM; `None` where the lab has no such server.
    fn ask(&mut self, request: &HttpRequest, desk: &mut Desk<'_>) -> Option<HttpResponse> {
        let to = ServiceAddress::esim_server(&request.host)?.actor;
        let sent = Request::new("POST", &request.path, &request.host)
            .body(&request.content_type, request.body.clone());
        desk.message(Actor::EIM, to, http::label(&sent), sent.encode());
        let response = match to {
            Actor::SMDP => self.smdp(request, desk),
            Actor::SMDS => self.smds(request, desk),
            _ => return None,
        };
        let received = http_response(response.clone());
        desk.message(to, Actor::EIM, http::response_label(&sent, &received), received.encode());
        Some(response)
    }
}

/// What a request needs while it is answered.
struct Desk<'a> {
    now_unix_s: u64,
    device: u32,
    inventory: &'a mut Inventory,
    events: &'a mut Vec<Body>,
}

impl Desk<'_> {
    /// Tells of a refusal; what is granted shows in the answer.
    fn tell(&mut self, office: Actor, function: &str, refusal: Option<&str>, text: &str) {
        if let Some(reason) = refusal {
            let fields = vec![("reason", reason.to_owned()), ("detail", text.to_owned())];
            self.events.push(Body::note(office, format!("{function} refused"), fields));
        }
    }

    fn message(&mut self, from: Actor, to: Actor, label: crate::wire::Label, bytes: Vec<u8>) {
        self.events.push(Body::Message(Message { from, to, label, bytes }));
    }
}

fn http_response(response: HttpResponse) -> Response {
    let base = Response::new(response.status).header("X-Admin-Protocol", "gsma/rsp/v2.2.0");
    if response.body.is_empty() { base } else { base.body(&response.content_type, response.body) }
}

/// The TLS server of `identity` at `endpoint`.
///
/// # Errors
/// Where TLS refuses what it is given.
pub fn tls_server(
    identity: &Identity,
    endpoint: ServiceAddress,
    rng: &RngTree,
    tally: &Tally,
    clock: &VirtualClock,
    key_log: Option<&KeyLogSink>,
) -> Result<(ServiceAddress, Arc<ServerConfig>), ServiceError> {
    let key = identity
        .key
        .soft()
        .ok_or(CryptoError::Tls { part: "server key", reason: "TLS takes keys on P-256".to_owned() })?;
    let signer = tls::signing_key(key.clone().counted(tally).sign_fn(), key.public());
    let provider = tls::provider(rng.branch(endpoint.actor), tally);
    let chain = vec![identity.certificate.der().to_vec()];
    let config = tls::server_config(provider, chain, signer, None, clock.clone(), key_log.cloned())?;
    Ok((endpoint, config))
}

/// The eSIM side of a lab that could not be set up.
fn fault(error: impl Into<EsimError>) -> ServiceError {
    ServiceError::Esim(error.into())
}
