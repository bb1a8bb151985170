//! The operator's registrar: puts the keys of ordered cards on the ledger (see [`crate::wire::registration`]).
//!
//! Who holds the session says the network, which card that is says the inventory, and which key is in that card says the
//! card itself, over a channel that no host speaks ([`super::ota`]). The key signs the conversation in which all this was
//! asked. What the device says of itself is carried and not believed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::{Admission, Chain, Proposal, Ticket};
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::ota::{OtaRefusal, OtaServer, Sent, ToldKey};
use super::vouched::Vouched;
use super::{ServiceError, short};
use crate::ca::csr::ChannelBinding;
use crate::corenet::SessionId;
use crate::crypto::key::halves;
use crate::event::{Actor, Body};
use crate::id::Iccid;
use crate::kernel::Instant;
use crate::ledger::{Account, CardKey, Model, Registration, device_id};
use crate::wire::Reason;
use crate::wire::registration::{
    Claim, FIRST_KEY, Offer, Problem, REGISTRATION_PATH, Registered, SERVERS_PATH, Written, octets,
    session_context,
};
use crate::wire::{Label, Proto, http};

/// How long an offer stands.
const OFFER_STANDS: Duration = Duration::from_secs(60);
/// The most offers that stand at a time; each session has one.
const OFFERS_MAX: usize = 100_000;

/// What it takes to have a key put on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationPolicy {
    /// The card proves over the air which key is in it. One that the operator has no keys of is refused.
    #[default]
    CardProof,
    /// A card that the operator has no keys of is believed unseen, if its identity has no key yet: for cards of others
    /// whose keys nobody gives out. Any host can put any key there then.
    Unproved,
}

/// Who asks: a subscription in one of its sessions.
type Conversation = (Iccid, SessionId);

/// An offer that stands.
struct Open {
    /// What the card was asked; nothing where its key is taken without proof.
    asked: Option<Sent>,
    nonce: [u8; 32],
    channel_binding: ChannelBinding,
    until: Instant,
}

/// The registrar.
pub struct Registrar {
    account: Account,
    ota: OtaServer,
    policy: RegistrationPolicy,
    nonces: ChaCha20Rng,
    open: BTreeMap<Conversation, Open>,
    /// The same in the order in which they end.
    ends: BTreeSet<(Instant, Conversation)>,
    /// Registrations that are to stand on the ledger, by device.
    pending: BTreeMap<Ticket, [u8; 32]>,
    /// What it tells of the operator's cloud.
    vouched: Option<Vouched>,
}

impl Registrar {
    /// A registrar that signs its transactions with `account`, asks cards through `ota`, and draws from `nonces`.
    pub fn new(account: Account, ota: OtaServer, policy: RegistrationPolicy, nonces: ChaCha20Rng) -> Self {
        let (open, ends, pending) = Default::default();
        Self { account, ota, policy, nonces, open, ends, pending, vouched: None }
    }

    /// The same, which tells devices what the ledger says of the operator's cloud.
    #[must_use]
    pub fn vouching(self, vouched: Option<Vouched>) -> Self {
        Self { vouched, ..self }
    }

    /// When something happens by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.vouched.as_ref().and_then(Vouched::deadline)
    }

    /// Records what is not on the ledger yet.
    ///
    /// # Errors
    /// Where the ledger does not take it: a transaction of ours is in order.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        chain: &mut Chain,
        events: &mut Vec<Body>,
    ) -> Result<(), ServiceError> {
        self.vouched.as_mut().map_or(Ok(()), |vouched| vouched.open(now, chain, events))
    }

    /// `GET /registration`: what the card is asked, and what it is to sign.
    fn offer(&mut self, who: &Caller<'_>, cx: &Context<'_>) -> Result<http::Response, Problem> {
        let (entry, contract) = (cx.device_of(who)?, cx.chain.ledger().contract());
        let channel_binding = who.channel_binding.ok_or_else(|| {
            let detail = "a proof counts in one TLS session, and this is none: come with TLS";
            Problem::new(403, Reason::CardProofStale, detail)
        })?;
        self.forget_ended(cx.now);
        if self.open.len() >= OFFERS_MAX {
            return Err(Problem::new(
                503,
                Reason::Busy,
                "too many registrations are under way; come again later",
            )
            .for_s(OFFER_STANDS.as_secs()));
        }
        let iccid = &who.attestation.iccid;
        let (asked, envelopes) = match (self.ota.ask_for_key(iccid, cx.now.unix_s()), self.policy) {
            (Ok((sent, envelopes)), _) => (Some(sent), envelopes),
            (Err(OtaRefusal::NoKeys), RegistrationPolicy::Unproved) => (None, Vec::new()),
            (Err(refusal), _) => return Err(refusal.problem()),
        };
        let mut nonce = [0; 32];
        self.nonces.fill_bytes(&mut nonce);
        let until = cx.now + OFFER_STANDS;
        self.open(conversation(who), Open { asked, nonce, channel_binding, until });
        let offer = Offer {
            chain_id: contract.chain_id,
            registry: hex::encode(contract.address),
            id: hex::encode(device_id(&entry.salt, entry.eid.as_str())),
            model: entry.model.clone(),
            nonce: hex::encode(nonce),
            envelopes: envelopes.iter().map(hex::encode).collect(),
        };
        Ok(json(200, &offer))
    }

    /// `POST /registration`: puts the card's key on the ledger.
    fn claim(&mut self, who: &Caller<'_>, body: &[u8], cx: &mut Context<'_>) -> Result<Answer, ServiceError> {
        let checked = self.check_claim(who, body, cx).and_then(|claim| {
            let admission = cx.chain.admit(cx.now, who.device, &Proposal::Registration(&claim))?;
            Ok((claim, admission))
        });
        let (claim, admission) = match checked {
            Ok(checked) => checked,
            Err(problem) => return Ok(refused(&problem, cx).into()),
        };
        let id = claim.id;
        if admission == Admission::Repeated {
            // Whoever has lost the answer asks again: it stands there, and costs no block.
            cx.note(Actor::REGISTRAR, "key stands on the ledger already", vec![("id", short(&id))]);
            return Ok(json(200, &Registered { id: hex::encode(id), written: None }).into());
        }
        let raw = self.account.register_device(cx.chain.ledger().contract(), &claim);
        let label =
            Label::new(Proto::Evm, "registerDevice").with("id", short(&id)).with("model", claim.model.name());
        let ticket = cx.chain.submit(cx.now, Actor::REGISTRAR, label, raw, cx.events)?;
        self.pending.insert(ticket, id);
        Ok(Answer::Later(ticket))
    }

    /// The registration that the claim makes, with the key that the card itself has told.
    fn check_claim(
        &mut self,
        who: &Caller<'_>,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Registration, Problem> {
        let stale = || {
            let detail = "no offer stands in this session: ask for one, and answer it within a minute";
            Problem::new(403, Reason::CardProofStale, detail)
        };
        who.may_be_served()?;
        self.forget_ended(cx.now);
        // An offer is answered once, rightly or not.
        let open = self.close(&conversation(who)).ok_or_else(stale)?;
        if Some(open.channel_binding) != who.channel_binding {
            return Err(stale());
        }
        let claim: Claim = serde_json::from_slice(body).map_err(|error| {
            Problem::new(400, Reason::MalformedClaim, format!("the body is no registration: {error}"))
        })?;
        let entry = cx.device_of(who)?;
        let id: [u8; 32] = octets(&claim.id).ok_or_else(|| malformed("id"))?;
        if id != device_id(&entry.salt, entry.eid.as_str()) {
            let detail = "the claim is for another device than this session's";
            return Err(Problem::new(403, Reason::IdentityMismatch, detail));
        }
        let model = Model::new(&entry.model)
            .map_err(|error| Problem::new(500, Reason::BadModel, error.to_string()))?;
        let signature = octets(&claim.signature).ok_or_else(|| malformed("signature"))?;
        let ToldKey { public, generation } = match &open.asked {
            Some(sent) => self.proved(who, sent, &claim)?,
            None => unproved(&id, &claim, cx)?,
        };
        let told = match open.asked {
            Some(_) => ("card has proved its key over the air", generation),
            None => ("key taken without proof: the bench says registration = \"unproved\"", generation),
        };
        let fields = vec![("id", short(&id)), ("generation", told.1.to_string())];
        cx.note(Actor::REGISTRAR, told.0, fields);
        let (x, y) = halves(&public);
        let key = CardKey { x, y, generation };
        let context = session_context(&open.nonce, &open.channel_binding);
        Ok(Registration { id, model, key, context, signature })
    }

    /// The key that the card has told in answer to what it was asked.
    fn proved(&self, who: &Caller<'_>, sent: &Sent, claim: &Claim) -> Result<ToldKey, Problem> {
        let reports: Result<Vec<Vec<u8>>, _> = claim.reports.iter().map(hex::decode).collect();
        let reports = reports.map_err(|_| malformed("reports"))?;
        let told = self.ota.told_key(&who.attestation.iccid, sent, &reports);
        told.map_err(|refusal| refusal.problem())
    }

    fn open(&mut self, who: Conversation, open: Open) {
        self.close(&who);
        self.ends.insert((open.until, who.clone()));
        self.open.insert(who, open);
    }

    fn close(&mut self, who: &Conversation) -> Option<Open> {
        let open = self.open.remove(who)?;
        self.ends.remove(&(open.until, who.clone()));
        Some(open)
    }

    fn forget_ended(&mut self, now: Instant) {
        while let Some((until, _)) = self.ends.first()
            && *until <= now
            && let Some((_, who)) = self.ends.pop_first()
        {
            self.open.remove(&who);
        }
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
                Ok(self.offer(who, cx).unwrap_or_else(|problem| refused(&problem, cx)).into())
            }
            ("POST", REGISTRATION_PATH) => self.claim(who, &request.body, cx),
            (_, REGISTRATION_PATH) => {
                let problem = Problem::new(405, Reason::MethodNotAllowed, "it takes GET and POST");
                Ok(problem.response().header("Allow", "GET, POST").into())
            }
            ("GET", path) if let Some(name) = path.strip_prefix(SERVERS_PATH) => {
                let answer =
                    self.vouched.as_ref().and_then(|vouched| vouched.answer(name, cx.chain.ledger()));
                let unknown =
                    || Problem::new(404, Reason::NotFound, "nobody vouches for a server of this name");
                Ok(answer.unwrap_or_else(|| unknown().response()).into())
            }
            _ => {
                Ok(Problem::new(404, Reason::NotFound, "there is only /registration here").response().into())
            }
        }
    }

    fn notify(&mut self, what: &Notice<'_>, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let Notice::Sealed(sealed) = what else { return Ok(()) };
        let Some(id) = self.pending.remove(&sealed.ticket) else { return Ok(()) };
        let response = match sealed.refusal() {
            Some((reason, detail)) => Problem::new(409, Reason::of(reason), detail).response(),
            None => {
                let transaction = hex::encode(sealed.receipt.tx_hash);
                let written = Some(Written { block: sealed.block, transaction });
                json(201, &Registered { id: hex::encode(id), written })
            }
        };
        cx.answers.push((sealed.ticket, Response::Http(response)));
        Ok(())
    }
}

fn conversation(who: &Caller<'_>) -> Conversation {
    (who.attestation.iccid.clone(), who.attestation.session)
}

/// The key that the device says, where its identity has none or this one. What nobody has proved replaces nothing, and is
/// no sign of a fork.
fn unproved(id: &[u8; 32], claim: &Claim, cx: &Context<'_>) -> Result<ToldKey, Problem> {
    let public = claim.public_key.as_deref().and_then(octets).ok_or_else(|| malformed("public_key"))?;
    let (x, y) = halves(&public);
    let (ledger, told) = (cx.chain.ledger(), ToldKey { public, generation: FIRST_KEY });
    match ledger.device(id) {
        Some(record) if (record.x, record.y) != (x, y) => {
            let detail = "the identity has another key, and without proof it keeps that";
            Err(Problem::new(409, Reason::IdentityAlreadyRegistered, detail))
        }
        _ => Ok(told),
    }
}

fn malformed(what: &str) -> Problem {
    Problem::new(400, Reason::MalformedClaim, format!("{what} is not hex of its length"))
}

fn refused(problem: &Problem, cx: &mut Context<'_>) -> http::Response {
    cx.note(Actor::REGISTRAR, "registration refused", vec![("reason", problem.reason.to_string())]);
    problem.response()
}

fn json(status: u16, body: &impl serde::Serialize) -> http::Response {
    // Structs of strings and numbers always serialise.
    http::Response::new(status).body("application/json", serde_json::to_vec(body).unwrap_or_default())
}
