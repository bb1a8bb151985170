//! The onboarding service: EST (RFC 7030) in front of the certificate authority, and what the authority publishes. It
//! issues a certificate only where the ledger, the network and the owner agree on who this is, and signs nothing before
//! the ledger has recorded what is to be signed.

use std::collections::BTreeMap;

use super::central::Central;
use super::chain::{Proposal, Ticket, wrong_status};
use super::guard::{Cause, Deed};
use super::inventory::Entry;
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::orders::Change;
use super::relying::{Relying, RelyingSetup};
use super::{ServiceError, short};
use crate::ca::est::{self, EstResponse, Linking, Operation, Refusal, Wanted};
use crate::ca::{Authority, CaError, Csr, Prepared, RevocationReason, Subject, status};
use crate::crypto::key::halves;
use crate::event::{Actor, Body};
use crate::id::DeviceName;
use crate::kernel::Instant;
use crate::ledger::{Account, Status, device_id};
use crate::wire::Reason;
use crate::wire::order::Verdict;
use crate::wire::registration::Problem;
use crate::wire::{Label, Proto, http};

/// A device of the lab signs for the session that it has: no other request is taken of it.
const LINKING: Linking = Linking::Demanded;

/// The onboarding service with its authority.
pub struct Enrolment {
    authority: Authority,
    account: Account,
    /// Who decides in the traditional way, without ledger, network and owner.
    central: Option<Central>,
    /// Certificates that are signed when the ledger has recorded their digests.
    pending: BTreeMap<Ticket, Agreed>,
    /// Devices whose first request is put off on purpose, by their numbers.
    put_off: BTreeMap<u32, EstFault>,
    /// A peer of devices that asks the authority about one of them.
    relying: Option<Relying>,
}

/// What EST answers to the first request of a device on purpose. Both say when to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EstFault {
    /// 202: somebody has to decide first (RFC 7030 section 4.2.3).
    Pending,
    /// 503: there is too much to do (RFC 9110 section 15.6.4).
    Unavailable,
}

/// When the device is told to come again, in seconds.
const COME_AGAIN_S: u32 = 7;

/// What network and owner have agreed to, and the ledger not yet.
struct Agreed {
    prepared: Prepared,
    id: [u8; 32],
    name: DeviceName,
}

/// Who asks, as all agree.
struct Identified {
    csr: Csr,
    id: [u8; 32],
    name: DeviceName,
}

impl Enrolment {
    /// A service in front of `authority` that signs its transactions with `account`.
    pub fn new(authority: Authority, account: Account) -> Self {
        Self {
            authority,
            account,
            central: None,
            pending: BTreeMap::new(),
            put_off: BTreeMap::new(),
            relying: None,
        }
    }

    /// The same, where a central server decides by the secrets of devices.
    #[must_use]
    pub fn central(self, central: Option<Central>) -> Self {
        Self { central, ..self }
    }

    /// The same, where the first request of each of these devices is put off.
    pub fn putting_off(mut self, devices: impl IntoIterator<Item = (u32, EstFault)>) -> Self {
        self.put_off.extend(devices);
        self
    }

    /// The same, where a peer asks by OCSP about the certificate of a device.
    #[must_use]
    pub fn asked_by(self, peer: Option<RelyingSetup>) -> Self {
        Self { relying: peer.map(Relying::new), ..self }
    }

    /// When the peer asks next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.relying.as_ref().and_then(Relying::deadline)
    }

    /// A device has shown its certificate to the cloud, and so to the peer.
    ///
    /// # Errors
    /// Where the authority's own certificate cannot be read.
    pub(super) fn shown(&mut self, now: Instant, who: &Caller<'_>) -> Result<(), ServiceError> {
        match (&mut self.relying, who.certificate) {
            (Some(peer), Some(certificate)) => peer.met(now, who.device, certificate.der(), &self.authority),
            _ => Ok(()),
        }
    }

    /// Has the peer ask, where it is time; which device that is about, where there is something to tell.
    ///
    /// # Errors
    /// Where the authority cannot answer.
    pub(super) fn let_ask(
        &mut self,
        now: Instant,
        events: &mut Vec<Body>,
    ) -> Result<Option<u32>, ServiceError> {
        let Some(peer) = &mut self.relying else { return Ok(None) };
        peer.ask(now, &mut self.authority, events)?;
        Ok((!events.is_empty()).then(|| peer.device()))
    }

    /// The authority, to be read.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    fn enrol(
        &mut self,
        who: &Caller<'_>,
        request: &http::Request,
        again: bool,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        if let Some(central) = &mut self.central {
            let response = central.enrol(&mut self.authority, who, request, again, cx)?;
            return Ok(response.to_http().into());
        }
        let identified = self.identify(who, request, again, cx).and_then(|identified| {
            cx.chain.admit(cx.now, who.device, &Proposal::Certificate).map_err(refusal)?;
            Ok(identified)
        });
        let prepared = match identified {
            Ok(identified) => self.prepare(identified, cx)?,
            Err(refusal) => Err(refusal),
        };
        let agreed = match prepared {
            Ok(agreed) => agreed,
            Err(refusal) => {
                cx.note(Actor::CA, "enrolment refused", vec![("reason", refusal.reason())]);
                return Ok(refusal.response().to_http().into());
            }
        };
        let change = "identity verified: ledger, network and owner agree";
        cx.note(Actor::CA, change, vec![("name", agreed.name.to_string())]);
        let digest = *agreed.prepared.tbs_digest();
        let raw = self.account.record_certificate(cx.chain.ledger().contract(), agreed.id, digest);
        let label = Label::new(Proto::Evm, "recordCertificate")
            .with("id", short(&agreed.id))
            .with("certificate", short(&digest));
        let ticket = cx.chain.submit(cx.now, Actor::CA, label, raw, cx.events)?;
        self.pending.insert(ticket, agreed);
        Ok(Answer::Later(ticket))
    }

    /// Ends the certificate of the device that the ledger knows by `id`: the ledger says so first.
    ///
    /// # Errors
    /// Where the ledger does not take the transaction.
    pub fn end_certificate(
        &mut self,
        id: [u8; 32],
        cause: Option<Cause>,
        cx: &mut Context<'_>,
    ) -> Result<(), ServiceError> {
        let deed = Deed::RevokeCertificate;
        let reason = deed.reason(cause);
        let raw = self.account.revoke_certificate(cx.chain.ledger().contract(), id, reason, [0; 32]);
        cx.chain.submit(cx.now, Actor::CA, deed.label(&id, reason), raw, cx.events)?;
        Ok(())
    }

    /// What the ledger has changed is true of the device's certificates as well: they are on hold while it is in
    /// quarantine, and revoked where its life has ended.
    fn follow(&mut self, change: &Change, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let Some(entry) = cx.inventory.of_id(&change.status.id) else { return Ok(()) };
        let name = entry.name.to_string();
        let own = self.authority.index().records().filter(|record| record.subject == name);
        let serials: Vec<_> = own.map(|record| record.serial).collect();
        let now = cx.now.unix_s();
        for serial in serials {
            let (changed, told) = match change.verdict() {
                Some(Verdict::Isolate) => {
                    let hold = RevocationReason::CertificateHold;
                    (self.authority.revoke(serial, hold, now)?, "certificate on hold")
                }
                Some(Verdict::Release) => (self.authority.release(&serial)?, "certificate off hold"),
                // Its life has ended, or that of the certificate.
                _ => {
                    let reason = RevocationReason::of_ledger(change.status.reason);
                    (self.authority.revoke(serial, reason, now)?, "certificate revoked")
                }
            };
            if changed {
                cx.note(Actor::CA, told, vec![("serial", serial.to_string()), ("name", name.clone())]);
            }
        }
        Ok(())
    }

    /// The certificate as it is to be signed, or the refusal of a CSR that is not signed with its own key.
    fn prepare(
        &mut self,
        identified: Identified,
        cx: &Context<'_>,
    ) -> Result<Result<Agreed, Refusal>, ServiceError> {
        let Identified { csr, id, name } = identified;
        match self.authority.prepare(&csr, &Subject::device(&name)?, cx.now.unix_s()) {
            Ok(prepared) => Ok(Ok(Agreed { prepared, id, name })),
            Err(error) => Ok(Err(Refusal::of_request(error)?)),
        }
    }

    fn identify(
        &self,
        who: &Caller<'_>,
        request: &http::Request,
        again: bool,
        cx: &Context<'_>,
    ) -> Result<Identified, Refusal> {
        let certificate = match again {
            true => Some(est::certificate_of(&self.authority, who.certificate, cx.now.unix_s())?),
            false => None,
        };
        let entry = cx.device_of(who).map_err(refusal)?;
        let named =
            |error: CaError| Refusal::Forbidden { reason: Reason::NameMismatch, detail: error.to_string() };
        let subject = Subject::device(&entry.name).map_err(named)?;
        if certificate.is_some_and(|certificate| !certificate.subject().is_same(&subject)) {
            let detail = "the certificate is of another device than the one behind this session".to_owned();
            return Err(Refusal::Forbidden { reason: Reason::IdentityMismatch, detail });
        }
        let binding = who.channel_binding.as_ref();
        let wanted = Wanted { subject: &subject, in_full: again, linking: LINKING, binding };
        let csr = est::request(request.headers.get("content-type"), &request.body, wanted)?;
        let id = agree(entry, &csr, cx).map_err(refusal)?;
        Ok(Identified { csr, id, name: entry.name })
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
        if who.channel_binding.is_none() {
            // What is public; EST takes TLS (RFC 7030 section 3.3).
            return Ok(status::answer(&mut self.authority, request, cx.now.unix_s())?.into());
        }
        let answer = |response: EstResponse| Ok(response.to_http().into());
        let operation = Operation::of(&request.method, &request.target);
        if let Ok(Operation::SimpleEnroll | Operation::SimpleReenroll) = operation
            && let Some(fault) = self.put_off.remove(&who.device)
        {
            return answer(match fault {
                EstFault::Pending => EstResponse::retry(COME_AGAIN_S),
                EstFault::Unavailable => EstResponse::unavailable(COME_AGAIN_S),
            });
        }
        match operation {
            Ok(Operation::CaCerts) => answer(EstResponse::cacerts(&[self.authority.root_der()])?),
            Ok(Operation::CsrAttrs) => answer(EstResponse::csrattrs(LINKING)),
            Ok(Operation::SimpleEnroll) => self.enrol(who, request, false, cx),
            Ok(Operation::SimpleReenroll) => self.enrol(who, request, true, cx),
            Err(refusal) => answer(refusal.response()),
        }
    }

    fn notify(&mut self, what: &Notice<'_>, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let sealed = match what {
            Notice::Sealed(sealed) => sealed,
            Notice::Status(change) => return self.follow(change, cx),
        };
        let Some(Agreed { prepared, name, .. }) = self.pending.remove(&sealed.ticket) else { return Ok(()) };
        let response = match sealed.refusal() {
            // It was never signed: there is nothing to revoke.
            Some((reason, detail)) => Refusal::Forbidden { reason: Reason::of(reason), detail }.response(),
            None => {
                let serial = prepared.serial().to_string();
                let der = self.authority.issue(prepared)?;
                let fields = vec![("serial", serial), ("name", name.to_string())];
                cx.note(Actor::CA, "certificate signed, as the ledger has recorded it", fields);
                EstResponse::enrolled(&der)?
            }
        };
        cx.answers.push((sealed.ticket, Response::Http(response.to_http())));
        Ok(())
    }
}

/// A problem in the words of EST.
fn refusal(problem: Problem) -> Refusal {
    let Problem { reason, detail, retry_after_s, .. } = problem;
    match retry_after_s {
        Some(after_s) => Refusal::TooOften { reason, detail, after_s },
        None => Refusal::Forbidden { reason, detail },
    }
}

/// The three who have to agree: the network, which says who is behind the session (`entry`), the ledger and the owner.
fn agree(entry: &Entry, csr: &Csr, cx: &Context<'_>) -> Result<[u8; 32], Problem> {
    let ledger = cx.chain.ledger();
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
