//! The operator's registrar: puts the keys of ordered cards on the ledger (see [`crate::wire::registration`]).

use std::collections::BTreeMap;

use super::chain::{Proposal, Ticket};
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::{ServiceError, short};
use crate::crypto::key::halves;
use crate::event::Actor;
use crate::ledger::{Account, CardKey, Model, Registration, device_id};
use crate::wire::Reason;
use crate::wire::registration::{
    Claim, FIRST_KEY, NO_CONTEXT, Offer, Problem, REGISTRATION_PATH, Registered, octets,
};
use crate::wire::{Label, Proto, http};

/// The registrar.
pub struct Registrar {
    account: Account,
    /// Registrations that are to stand on the ledger, by device.
    pending: BTreeMap<Ticket, [u8; 32]>,
}

impl Registrar {
    /// A registrar that signs its transactions with `account`.
    pub fn new(account: Account) -> Self {
        Self { account, pending: BTreeMap::new() }
    }

    /// `POST /registration`: puts the card's key on the ledger. The contract checks the card's signature; the
    /// registrar vouches that this subscriber's session presented it.
    fn claim(&mut self, who: &Caller<'_>, body: &[u8], cx: &mut Context<'_>) -> Result<Answer, ServiceError> {
        let checked = check_claim(who, body, cx).and_then(|claim| {
            cx.chain.admit(cx.now, who.device, &Proposal::Registration(&claim))?;
            Ok(claim)
        });
        let claim = match checked {
            Ok(claim) => claim,
            Err(problem) => {
                cx.note(
                    Actor::REGISTRAR,
                    "registration refused",
                    vec![("reason", problem.reason.to_string())],
                );
                return Ok(problem.response().into());
            }
        };
        let id = claim.id;
        let raw = self.account.register_device(cx.chain.ledger().contract(), &claim);
        let label =
            Label::new(Proto::Evm, "registerDevice").with("id", short(&id)).with("model", claim.model.name());
        let ticket = cx.chain.submit(cx.now, Actor::REGISTRAR, label, raw, cx.events)?;
        self.pending.insert(ticket, id);
        Ok(Answer::Later(ticket))
    }
}

impl Office for Registrar {
    fn answer(
        &mut self,
        who: &Caller<'_>,
        request: &Request<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        let Request::Http(request) = request else { return Ok(Answer::Now(Response::TurnedAway)) };
        match (request.method.as_str(), request.path()) {
            ("GET", REGISTRATION_PATH) => {
                Ok(offer(who, cx).unwrap_or_else(|problem| problem.response()).into())
            }
            ("POST", REGISTRATION_PATH) => self.claim(who, &request.body, cx),
            (_, REGISTRATION_PATH) => {
                let problem = Problem::new(405, Reason::MethodNotAllowed, "it takes GET and POST");
                Ok(problem.response().header("Allow", "GET, POST").into())
            }
            _ => {
                Ok(Problem::new(404, Reason::NotFound, "there is only /registration here").response().into())
            }
        }
    }

    fn notify(&mut self, what: &Notice<'_>, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let Notice::Sealed(sealed) = what;
        let Some(id) = self.pending.remove(&sealed.ticket) else { return Ok(()) };
        let response = match sealed.refusal() {
            Some((reason, detail)) => Problem::new(409, Reason::of(reason), detail).response(),
            None => {
                let transaction = hex::encode(sealed.receipt.tx_hash);
                json(201, &Registered { id: hex::encode(id), block: sealed.block, transaction })
            }
        };
        cx.answers.push((sealed.ticket, Response::Http(response)));
        Ok(())
    }
}

/// `GET /registration`: what the card is to sign.
fn offer(who: &Caller<'_>, cx: &Context<'_>) -> Result<http::Response, Problem> {
    let (entry, contract) = (cx.device_of(who)?, cx.chain.ledger().contract());
    let offer = Offer {
        chain_id: contract.chain_id,
        registry: hex::encode(contract.address),
        id: hex::encode(device_id(&entry.salt, entry.eid.as_str())),
        model: entry.model.clone(),
    };
    Ok(json(200, &offer))
}

fn check_claim(who: &Caller<'_>, body: &[u8], cx: &Context<'_>) -> Result<Registration, Problem> {
    let entry = cx.device_of(who)?;
    let claim: Claim = serde_json::from_slice(body).map_err(|error| {
        Problem::new(400, Reason::MalformedClaim, format!("the body is no registration: {error}"))
    })?;
    let malformed =
        |what: &str| Problem::new(400, Reason::MalformedClaim, format!("{what} is not hex of its length"));
    let id: [u8; 32] = octets(&claim.id).ok_or_else(|| malformed("id"))?;
    if id != device_id(&entry.salt, entry.eid.as_str()) {
        let detail = "the claim is for another device than this session's";
        return Err(Problem::new(403, Reason::IdentityMismatch, detail));
    }
    let (x, y) = halves(&octets(&claim.public_key).ok_or_else(|| malformed("public_key"))?);
    let signature = octets(&claim.signature).ok_or_else(|| malformed("signature"))?;
    let model =
        Model::new(&entry.model).map_err(|error| Problem::new(500, Reason::BadModel, error.to_string()))?;
    let key = CardKey { x, y, generation: FIRST_KEY };
    Ok(Registration { id, model, key, context: NO_CONTEXT, signature })
}

fn json(status: u16, body: &impl serde::Serialize) -> http::Response {
    // Structs of strings and numbers always serialise.
    http::Response::new(status).body("application/json", serde_json::to_vec(body).unwrap_or_default())
}
