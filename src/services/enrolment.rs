//! The onboarding service: EST (RFC 7030) in front of the certificate authority. It issues a certificate only where
//! the ledger, the network and the owner agree on who this is.

use std::collections::BTreeMap;

use super::chain::{Ticket, wrong_status};
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::{ServiceError, short};
use crate::ca::est::{EstResponse, Refusal};
use crate::ca::{Authority, CaError, Csr, DeviceCertificate, device_uri, est};
use crate::crypto::key::halves;
use crate::event::Actor;
use crate::ledger::{Account, Status, device_id};
use crate::wire::Reason;
use crate::wire::registration::Problem;
use crate::wire::{Label, Proto, http};

/// The onboarding service with its authority.
pub struct Enrolment {
    authority: Authority,
    account: Account,
    /// Certificates whose digests are to stand on the ledger, DER.
    pending: BTreeMap<Ticket, Vec<u8>>,
}

impl Enrolment {
    /// A service in front of `authority` that signs its transactions with `account`.
    pub fn new(authority: Authority, account: Account) -> Self {
        Self { authority, account, pending: BTreeMap::new() }
    }

    fn enrol(
        &mut self,
        who: &Caller<'_>,
        request: &http::Request,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        let issued = match identify(who, request, cx) {
            Ok((csr, id)) => self.issue(&csr, id, cx)?.map(|der| (der, id)),
            Err(refusal) => Err(refusal),
        };
        let (der, id) = match issued {
            Ok(issued) => issued,
            Err(refusal) => {
                cx.note(Actor::CA, "enrolment refused", vec![("reason", refusal.reason())]);
                return Ok(http_response(refusal.response()).into());
            }
        };
        let digest = *DeviceCertificate::parse(&der)?.fingerprint();
        let change = "identity verified: ledger, network and owner agree";
        cx.note(Actor::CA, change, vec![("id", short(&id))]);
        let raw = self.account.record_certificate(cx.chain.ledger().contract(), id, digest);
        let label = Label::new(Proto::Evm, "recordCertificate")
            .with("id", short(&id))
            .with("certificate", short(&digest));
        let ticket = cx.chain.submit(cx.now, Actor::CA, label, raw, cx.events)?;
        self.pending.insert(ticket, der);
        Ok(Answer::Later(ticket))
    }

    /// The certificate, or the refusal of a CSR that is not signed with its own key.
    fn issue(
        &mut self,
        csr: &Csr,
        id: [u8; 32],
        cx: &Context<'_>,
    ) -> Result<Result<Vec<u8>, Refusal>, ServiceError> {
        match self.authority.issue_device(csr, &device_uri(&id), cx.now.unix_s()) {
            Ok(der) => Ok(Ok(der)),
            Err(error @ CaError::Crypto { .. }) => {
                Ok(Err(Refusal::BadRequest { reason: format!("{}: {error}", Reason::BadCsr) }))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Office for Enrolment {
    fn answer(
        &mut self,
        who: &Caller<'_>,
        request: &Request<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        let Request::Http(request) = request else { return Ok(Answer::Now(Response::TurnedAway)) };
        let answer = |response: EstResponse| Ok(http_response(response).into());
        match est::Operation::of(&request.method, &request.target) {
            Ok(est::Operation::CaCerts) => answer(EstResponse::cacerts(&[self.authority.root_der()])?),
            Ok(est::Operation::CsrAttrs) => answer(EstResponse::csrattrs()),
            Ok(est::Operation::SimpleEnroll) => self.enrol(who, request, cx),
            Ok(est::Operation::SimpleReenroll) => {
                let reason = "client-certificate-required: re-enrolment needs mutual TLS".to_owned();
                answer(Refusal::NotAuthenticated { reason }.response())
            }
            Err(refusal) => answer(refusal.response()),
        }
    }

    fn notify(&mut self, what: &Notice<'_>, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let Notice::Sealed(sealed) = what;
        let Some(der) = self.pending.remove(&sealed.ticket) else { return Ok(()) };
        let response = match sealed.refusal() {
            Some((reason, detail)) => Refusal::Forbidden { reason: format!("{reason}: {detail}") }.response(),
            None => EstResponse::enrolled(&der)?,
        };
        cx.answers.push((sealed.ticket, Response::Http(http_response(response))));
        Ok(())
    }
}

fn identify(who: &Caller<'_>, request: &http::Request, cx: &Context<'_>) -> Result<(Csr, [u8; 32]), Refusal> {
    let bad = |reason: String| Refusal::BadRequest { reason };
    let csr =
        est::read_enroll_request(request.headers.get("content-type"), &request.body).map_err(|refusal| {
            match refusal {
                Refusal::BadRequest { reason } => bad(format!("{}: {reason}", Reason::BadCsr)),
                other => other,
            }
        })?;
    if !csr.is_bound_to(&who.channel_binding) {
        let why = "the CSR was not signed for this TLS session (RFC 9266)";
        return Err(bad(format!("{}: {why}", Reason::CsrNotBound)));
    }
    let id = agree(who, &csr, cx).map_err(|problem| Refusal::Forbidden {
        reason: format!("{}: {}", problem.reason, problem.detail),
    })?;
    Ok((csr, id))
}

/// The three who have to agree: the network, the ledger and the owner.
fn agree(who: &Caller<'_>, csr: &Csr, cx: &Context<'_>) -> Result<[u8; 32], Problem> {
    let (entry, ledger) = (cx.device_of(who)?, cx.chain.ledger());
    let no_record =
        || Problem::new(403, Reason::KeyNotOnLedger, "nobody has registered the key that signed this CSR");
    let (x, y) = halves(csr.public());
    let registered = ledger.id_of_key(&x, &y).ok_or_else(no_record)?;
    if registered != device_id(&entry.salt, entry.eid.as_str()) {
        return Err(Problem::new(403, Reason::IdentityMismatch, "the key is registered for another device"));
    }
    let status = ledger.device(&registered).ok_or_else(no_record)?.status;
    if !matches!(status, Status::Registered | Status::Active) {
        return Err(wrong_status(status));
    }
    if !entry.allowed {
        return Err(Problem::new(403, Reason::NotOnAllowList, "the owner does not expect this device"));
    }
    Ok(registered)
}

fn http_response(response: EstResponse) -> http::Response {
    let base = http::Response::new(response.status);
    let with_headers = response.headers.iter().fold(base, |base, (name, value)| base.header(name, value));
    http::Response { body: response.body, ..with_headers }
}
