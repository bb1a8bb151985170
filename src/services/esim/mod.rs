//! The eSIM side of the lab: SM-DP+, SM-DS and eIM on the service network, the orders of a run, and what goes wrong
//! with them on purpose.

mod adapter;
mod eums;
mod faults;
mod orders;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;

use self::faults::FaultySmdp;
use self::orders::Orders;
use super::ServiceError;
use super::inventory::Inventory;
use crate::crypto::tls::{self, KeyLogSink, VirtualClock};
use crate::crypto::{CryptoError, Tally};
use crate::esim::office::{Deed, Office, Reply, Server};
use crate::esim::pki::Identity;
use crate::esim::smdp::ProfileNotice;
use crate::esim::{Caller, Client, EsimError, HttpRequest, HttpResponse};
use crate::event::{Actor, Body, Message};
use crate::kernel::{Gone, Instant, RngTree};
use crate::net::ServiceAddress;
use crate::wire::Label;
use crate::wire::http::{self, Request, Response};

pub use eums::{Eum, EumSetup};
pub use faults::SmdpFault;
pub use orders::{EsimSetup, EsimTrigger, Means, Ordered, Prepared, Provisioned, prepare};

/// Only the office's own servers are in the lab.
const NOBODY_THERE: &str = "there is no such server in this lab";

/// The eSIM servers of a run.
pub struct EsimServices {
    office: Office<FaultySmdp>,
    /// What is not ordered yet: a device's order is placed when it asks for the first time.
    orders: Orders,
    /// What goes wrong, by the number of the device.
    faults: BTreeMap<u32, SmdpFault>,
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
        let plain = HttpRequest {
            host: request.headers.get("host").unwrap_or_default().to_owned(),
            path: request.path().to_owned(),
            content_type: request.headers.get("content-type").unwrap_or_default().to_owned(),
            body: request.body.clone(),
        };
        let server = match office {
            Actor::EIM => Server::Eim,
            Actor::SMDS => Server::Smds,
            _ => Server::Smdp,
        };
        let mut deeds = Vec::new();
        self.office.smdp_mut().fault = self.faults.get(&device).copied();
        let response = self.serve(now.unix_s(), server, device, &plain, &mut deeds);
        for deed in deeds {
            if let Deed::Learned(notice) = &deed
                && notice.is_installed()
            {
                inventory.bind(notice.iccid.clone(), notice.eid.clone());
            }
            tell(deed, events);
        }
        http_response(response)
    }

    /// Takes the servers down one by one, and names each once it is gone.
    pub(super) fn take_down(self, gone: Gone<'_>) {
        let Self { office, orders, .. } = self;
        drop(orders);
        gone("orders to be placed");
        office.take_down(gone);
    }

    fn serve(
        &mut self,
        now_unix_s: u64,
        server: Server,
        device: u32,
        request: &HttpRequest,
        deeds: &mut Vec<Deed>,
    ) -> HttpResponse {
        self.orders.place_for(now_unix_s, device, request, &mut self.office, deeds);
        // What the office has to say to others is said before anybody asks.
        self.say(now_unix_s, deeds);
        // A device is nobody that ES2+ or ES12 would be for.
        let client = Client::Nobody("ES2+ and ES12 are not for devices".to_owned());
        let caller = Caller::Peer { address: device.to_string(), client };
        let response = match self.office.handle(now_unix_s, &caller, server, request, deeds) {
            Reply::Now(response) => response,
            Reply::After(relay) => self.office.relayed(relay, Err(NOBODY_THERE), deeds),
        };
        self.say(now_unix_s, deeds);
        response
    }

    /// Has the servers say what is due.
    fn say(&mut self, now_unix_s: u64, deeds: &mut Vec<Deed>) {
        while let Some(errand) = self.office.poll(now_unix_s, deeds) {
            self.office.done(now_unix_s, &errand, Err(NOBODY_THERE), deeds);
        }
    }
}

fn actor(server: Server) -> Actor {
    match server {
        Server::Smdp => Actor::SMDP,
        Server::Smds => Actor::SMDS,
        Server::Eim => Actor::EIM,
    }
}

/// Tells of a deed. What is granted shows in the answer. What the SM-DP+ says to the SM-DS is a function call in this
/// lab.
fn tell(deed: Deed, events: &mut Vec<Body>) {
    let message = |from: Server, to: Server, label: Label, bytes: Vec<u8>| {
        Body::Message(Message { from: actor(from), to: actor(to), label, bytes })
    };
    events.push(match deed {
        Deed::Served { refusal: None, .. }
        | Deed::Asked { from: Server::Smdp, .. }
        | Deed::Answered { from: Server::Smdp, .. } => return,
        Deed::Served { server, function, note, refusal: Some(reason) } => {
            let fields = vec![("reason", reason.to_owned()), ("detail", note)];
            Body::note(actor(server), format!("{function} refused"), fields)
        }
        Deed::Asked { from, to, request } => {
            let sent = http_request(request);
            message(from, to, http::label(&sent), sent.encode())
        }
        Deed::Answered { from, to, request, response } => {
            let (sent, received) = (http_request(request), http_response(response));
            message(to, from, http::response_label(&sent, &received), received.encode())
        }
        Deed::Learned(ProfileNotice { event, iccid, eid, order }) => {
            let fields = vec![
                ("event", event.name().to_owned()),
                ("iccid", iccid.to_string()),
                ("eid", eid.to_string()),
                ("order", order.to_string()),
            ];
            Body::note(Actor::SMDP, "notification verified", fields)
        }
        Deed::Failed { server, what, cause } => Body::note(actor(server), what, vec![("cause", cause)]),
    });
}

fn http_request(request: HttpRequest) -> Request {
    Request::new("POST", &request.path, &request.host).body(&request.content_type, request.body)
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
    let config = tls::server_config(
        provider,
        chain,
        signer,
        tls::ClientAuth::Nobody,
        clock.clone(),
        key_log.cloned(),
    )?;
    Ok((endpoint, config))
}

/// The eSIM side of a lab that could not be set up.
fn fault(error: impl Into<EsimError>) -> ServiceError {
    ServiceError::Esim(error.into())
}
