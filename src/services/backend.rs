//! What the operator, the onboarding service and the cloud decide: registration, identity, admission.
//!
//! Decisions are taken at once; what has to stand on the ledger first is answered when its block is sealed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::inventory::{Entry, Inventory};
use super::{ServiceError, short};
use crate::ca::csr::ChannelBinding;
use crate::ca::est::{EstResponse, Refusal};
use crate::ca::{Authority, CaError, Csr, DeviceCertificate, device_uri, est};
use crate::corenet::Attestation;
use crate::crypto::key::halves;
use crate::event::{Actor, Body, Message};
use crate::kernel::Instant;
use crate::ledger::{Ledger, Model, Operators, Registration, Status, TxHash, TxReceipt, device_id};
use crate::wire::http::{Request, Response};
use crate::wire::registration::{Claim, Offer, Problem, REGISTRATION_PATH, Registered, octets};
use crate::wire::{Label, Proto};

/// How long transactions are collected once one has come: the group commit of the chain.
const COMMIT_WINDOW: Duration = Duration::from_millis(20);

/// Who is asking, as far as the network can tell.
pub struct Caller<'a> {
    /// The network's own word on who holds this IP session.
    pub attestation: &'a Attestation,
    /// The exporter of the TLS session (RFC 9266), which binds a CSR to it.
    pub channel_binding: ChannelBinding,
}

/// An answer to a request.
pub enum Answer {
    Now(Response),
    /// When this transaction stands in a block.
    OnceSealed(TxHash),
}

/// What an answer waits for.
enum Pending {
    Registration { id: [u8; 32] },
    Certificate { der: Vec<u8> },
}

/// The offices behind the services, and the ledger that they share.
pub struct Backend {
    inventory: Inventory,
    ledger: Ledger,
    operators: Operators,
    authority: Authority,
    pending: BTreeMap<TxHash, Pending>,
    commit_at: Option<Instant>,
    telemetry: u64,
}

impl Backend {
    /// Offices that have not yet been asked anything.
    pub fn new(inventory: Inventory, ledger: Ledger, operators: Operators, authority: Authority) -> Self {
        Self {
            inventory,
            ledger,
            operators,
            authority,
            pending: BTreeMap::new(),
            commit_at: None,
            telemetry: 0,
        }
    }

    /// What is known of the devices, for those who bind a subscription to one of them.
    pub fn inventory_mut(&mut self) -> &mut Inventory {
        &mut self.inventory
    }

    /// The ledger, to be read.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When the next block is to be sealed.
    pub fn deadline(&self) -> Option<Instant> {
        self.commit_at
    }

    /// How many telemetry messages the cloud has taken in.
    pub fn telemetry(&self) -> u64 {
        self.telemetry
    }

    // ---- the registrar ----

    /// What the registration API answers to `request`.
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn registration(
        &mut self,
        now: Instant,
        caller: &Caller<'_>,
        request: &Request,
        events: &mut Vec<Body>,
    ) -> Result<Answer, ServiceError> {
        match (request.method.as_str(), request.path()) {
            ("GET", REGISTRATION_PATH) => Ok(Answer::Now(self.offer(caller))),
            ("POST", REGISTRATION_PATH) => self.claim(now, caller, &request.body, events),
            (_, REGISTRATION_PATH) => Ok(Answer::Now(
                Problem::new(405, "method-not-allowed", "it takes GET and POST")
                    .response()
                    .header("Allow", "GET, POST"),
            )),
            _ => {
                Ok(Answer::Now(Problem::new(404, "not-found", "there is only /registration here").response()))
            }
        }
    }

    /// `GET /registration`: what the card is to sign.
    fn offer(&self, caller: &Caller<'_>) -> Response {
        match self.known_device(caller) {
            Ok(entry) => {
                let offer = Offer {
                    chain_id: self.ledger.chain_id(),
                    registry: hex::encode(self.ledger.registry()),
                    id: hex::encode(device_id(&entry.salt, entry.eid.as_str())),
                    model: entry.model.clone(),
                };
                json(200, &offer)
            }
            Err(problem) => problem.response(),
        }
    }

    /// `POST /registration`: puts the card's key on the ledger. The contract checks the card's signature; the
    /// registrar vouches that this subscriber's session presented it.
    fn claim(
        &mut self,
        now: Instant,
        caller: &Caller<'_>,
        body: &[u8],
        events: &mut Vec<Body>,
    ) -> Result<Answer, ServiceError> {
        let claim = match self.check_claim(caller, body) {
            Ok(claim) => claim,
            Err(problem) => {
                let fields = vec![("reason", problem.reason.clone())];
                events.push(Body::note(Actor::REGISTRAR, "registration refused", fields));
                return Ok(Answer::Now(problem.response()));
            }
        };
        let id = claim.id;
        let raw = self.operators.registrar.register_device(self.ledger.contract(), &claim);
        let label =
            Label::new(Proto::Evm, "registerDevice").with("id", short(&id)).with("model", claim.model.name());
        let hash = self.submit(now, Actor::REGISTRAR, label, raw, events)?;
        self.pending.insert(hash, Pending::Registration { id });
        Ok(Answer::OnceSealed(hash))
    }

    fn check_claim(&self, caller: &Caller<'_>, body: &[u8]) -> Result<Registration, Problem> {
        let entry = self.known_device(caller)?;
        let claim: Claim = serde_json::from_slice(body).map_err(|error| {
            Problem::new(400, "malformed-claim", format!("the body is no registration: {error}"))
        })?;
        let malformed =
            |what: &str| Problem::new(400, "malformed-claim", format!("{what} is not hex of its length"));
        let id: [u8; 32] = octets(&claim.id).ok_or_else(|| malformed("id"))?;
        if id != device_id(&entry.salt, entry.eid.as_str()) {
            return Err(Problem::new(
                403,
                "identity-mismatch",
                "the claim is for another device than this session's",
            ));
        }
        let (x, y) = halves(&octets(&claim.public_key).ok_or_else(|| malformed("public_key"))?);
        let signature = octets(&claim.signature).ok_or_else(|| malformed("signature"))?;
        let model =
            Model::new(&entry.model).map_err(|error| Problem::new(500, "bad-model", error.to_string()))?;
        Ok(Registration { id, model, x, y, signature })
    }

    fn known_device(&self, caller: &Caller<'_>) -> Result<&Entry, Problem> {
        self.inventory.find(&caller.attestation.iccid).ok_or_else(|| {
            Problem::new(403, "not-in-inventory", "the card behind this session was never ordered")
        })
    }

    // ---- the onboarding service ----

    /// What EST answers to `request` (RFC 7030).
    ///
    /// # Errors
    /// Where the bench is at fault.
    pub fn est(
        &mut self,
        now: Instant,
        caller: &Caller<'_>,
        request: &Request,
        events: &mut Vec<Body>,
    ) -> Result<Answer, ServiceError> {
        let answer = |response: EstResponse| Ok(Answer::Now(http_response(response)));
        match est::Operation::of(&request.method, &request.target) {
            Ok(est::Operation::CaCerts) => answer(EstResponse::cacerts(&[self.authority.root_der()])?),
            Ok(est::Operation::CsrAttrs) => answer(EstResponse::csrattrs()),
            Ok(est::Operation::SimpleEnroll) => self.enrol(now, caller, request, events),
            Ok(est::Operation::SimpleReenroll) => {
                let reason = "client-certificate-required: re-enrolment needs mutual TLS".to_owned();
                answer(Refusal::NotAuthenticated { reason }.response())
            }
            Err(refusal) => answer(refusal.response()),
        }
    }

    /// Issues a certificate only if the ledger, the network and the owner agree on who this is.
    fn enrol(
        &mut self,
        now: Instant,
        caller: &Caller<'_>,
        request: &Request,
        events: &mut Vec<Body>,
    ) -> Result<Answer, ServiceError> {
        let issued = match self.identify(caller, request) {
            Ok((csr, id)) => self.issue(&csr, id, now)?.map(|der| (der, id)),
            Err(refusal) => Err(refusal),
        };
        let (der, id) = match issued {
            Ok(issued) => issued,
            Err(refusal) => {
                events.push(Body::note(Actor::CA, "enrolment refused", vec![("reason", refusal.reason())]));
                return Ok(Answer::Now(http_response(refusal.response())));
            }
        };
        let digest = *DeviceCertificate::parse(&der)?.fingerprint();
        let change = "identity verified: ledger, network and owner agree";
        events.push(Body::note(Actor::CA, change, vec![("id", short(&id))]));
        let raw = self.operators.ca.record_certificate(self.ledger.contract(), id, digest);
        let label = Label::new(Proto::Evm, "recordCertificate")
            .with("id", short(&id))
            .with("certificate", short(&digest));
        let hash = self.submit(now, Actor::CA, label, raw, events)?;
        self.pending.insert(hash, Pending::Certificate { der });
        Ok(Answer::OnceSealed(hash))
    }

    /// The certificate, or the refusal of a CSR that is not signed with its own key.
    fn issue(
        &mut self,
        csr: &Csr,
        id: [u8; 32],
        now: Instant,
    ) -> Result<Result<Vec<u8>, Refusal>, ServiceError> {
        match self.authority.issue_device(csr, &device_uri(&id), now.unix_s()) {
            Ok(der) => Ok(Ok(der)),
            Err(error @ CaError::Crypto { .. }) => {
                Ok(Err(Refusal::BadRequest { reason: format!("bad-csr: {error}") }))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn identify(&self, caller: &Caller<'_>, request: &Request) -> Result<(Csr, [u8; 32]), Refusal> {
        let bad = |reason: String| Refusal::BadRequest { reason };
        let csr = est::read_enroll_request(request.headers.get("content-type"), &request.body).map_err(
            |refusal| match refusal {
                Refusal::BadRequest { reason } => bad(format!("bad-csr: {reason}")),
                other => other,
            },
        )?;
        if !csr.is_bound_to(&caller.channel_binding) {
            return Err(bad(
                "csr-not-bound: the CSR was not signed for this TLS session (RFC 9266)".to_owned()
            ));
        }
        let id = self.agree(caller, &csr).map_err(|problem| Refusal::Forbidden {
            reason: format!("{}: {}", problem.reason, problem.detail),
        })?;
        Ok((csr, id))
    }

    /// The three who have to agree: the network, the ledger and the owner.
    fn agree(&self, caller: &Caller<'_>, csr: &Csr) -> Result<[u8; 32], Problem> {
        let entry = self.known_device(caller)?;
        let no_record =
            || Problem::new(403, "key-not-on-ledger", "nobody has registered the key that signed this CSR");
        let (x, y) = halves(csr.public());
        let registered = self.ledger.id_of_key(&x, &y).ok_or_else(no_record)?;
        if registered != device_id(&entry.salt, entry.eid.as_str()) {
            return Err(Problem::new(403, "identity-mismatch", "the key is registered for another device"));
        }
        let status = self.ledger.device(&registered).ok_or_else(no_record)?.status;
        if !matches!(status, Status::Registered | Status::Active) {
            return Err(wrong_status(status));
        }
        if !entry.allowed {
            return Err(Problem::new(403, "not-on-allow-list", "the owner does not expect this device"));
        }
        Ok(registered)
    }

    // ---- the cloud ----

    /// Whether a client with this certificate may connect now. The TLS layer has checked the chain.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, certificate: &DeviceCertificate) -> Result<[u8; 32], Problem> {
        let id = *certificate.device();
        let record = self.ledger.device(&id).ok_or_else(|| {
            Problem::new(403, "device-not-on-ledger", "the ledger has no record of this device")
        })?;
        if record.status != Status::Active {
            return Err(wrong_status(record.status));
        }
        if record.cert_hash != *certificate.fingerprint() {
            let detail = "the ledger has another certificate for this device";
            return Err(Problem::new(403, "certificate-superseded", detail));
        }
        Ok(id)
    }

    /// The cloud has taken in a message.
    pub fn count_telemetry(&mut self) {
        self.telemetry += 1;
    }

    // ---- the ledger ----

    fn submit(
        &mut self,
        now: Instant,
        from: Actor,
        label: Label,
        raw: Vec<u8>,
        events: &mut Vec<Body>,
    ) -> Result<TxHash, ServiceError> {
        let hash = self.ledger.submit(&raw)?;
        self.commit_at.get_or_insert(now + COMMIT_WINDOW);
        events.push(Body::Message(Message { from, to: Actor::LEDGER, label, bytes: raw }));
        Ok(hash)
    }

    /// Seals the block that is due, if one is, and returns the answers that waited for it.
    ///
    /// # Errors
    /// Where the chain could not be kept: nothing of the block is acknowledged then.
    pub fn seal(
        &mut self,
        now: Instant,
        events: &mut Vec<Body>,
    ) -> Result<Vec<(TxHash, Response)>, ServiceError> {
        if self.commit_at.is_none_or(|at| now < at) {
            return Ok(Vec::new());
        }
        let sealed = self.ledger.seal(now.unix_s())?;
        // What the gas limit of one block leaves over goes into the next.
        self.commit_at = (self.ledger.pending() > 0).then(|| now + COMMIT_WINDOW);
        let fields = vec![
            ("number", sealed.number.to_string()),
            ("transactions", sealed.receipts.len().to_string()),
            ("hash", short(&sealed.hash)),
        ];
        events.push(Body::note(Actor::LEDGER, "block sealed", fields));
        let mut answers = Vec::new();
        for receipt in &sealed.receipts {
            announce(receipt, events);
            if let Some(pending) = self.pending.remove(&receipt.tx_hash) {
                answers.push((receipt.tx_hash, answer(pending, sealed.number, receipt)?));
            }
        }
        Ok(answers)
    }
}

/// What a receipt says of the devices concerned, as events.
fn announce(receipt: &TxReceipt, events: &mut Vec<Body>) {
    for change in &receipt.status_changes {
        let text = format!("{} -> {}", change.from, change.to);
        events.push(Body::note(Actor::LEDGER, text, vec![("id", short(&change.id))]));
    }
    if let Some(reason) = receipt.outcome.refusal() {
        let fields = vec![("reason", reason.to_owned()), ("transaction", short(&receipt.tx_hash))];
        events.push(Body::note(Actor::LEDGER, "transaction refused", fields));
    }
}

fn answer(pending: Pending, block: u64, receipt: &TxReceipt) -> Result<Response, ServiceError> {
    let refusal = receipt.outcome.refusal();
    let detail = format!("the ledger refused the transaction in block {block}");
    Ok(match (pending, refusal) {
        (Pending::Registration { .. }, Some(reason)) => Problem::new(409, reason, detail).response(),
        (Pending::Certificate { .. }, Some(reason)) => {
            http_response(Refusal::Forbidden { reason: format!("{reason}: {detail}") }.response())
        }
        (Pending::Registration { id }, None) => {
            let transaction = hex::encode(receipt.tx_hash);
            json(201, &Registered { id: hex::encode(id), block, transaction })
        }
        (Pending::Certificate { der }, None) => http_response(EstResponse::enrolled(&der)?),
    })
}

fn wrong_status(status: Status) -> Problem {
    Problem::new(403, format!("device-{status}"), format!("the ledger has this device as {status}"))
}

fn json(status: u16, body: &impl serde::Serialize) -> Response {
    // Structs of strings and numbers always serialise.
    Response::new(status).body("application/json", serde_json::to_vec(body).unwrap_or_default())
}

fn http_response(response: EstResponse) -> Response {
    let base = Response::new(response.status);
    let with_headers = response.headers.iter().fold(base, |base, (name, value)| base.header(name, value));
    Response { body: response.body, ..with_headers }
}
