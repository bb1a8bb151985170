//! The `enrol` step: the CA issues a certificate for the card's key (RFC 7030), and the card keeps it.
//!
//! A certificate that is on the card and has a third of its life left is enough. One with less is renewed over mutual TLS
//! (simplereenroll). One that has expired, or was issued and got lost on its way to the card, is asked for as the first one
//! was: the ledger takes the newest for the one that counts. Where the authority asks to come again later (202, 429 or 503 with
//! Retry-After), the device does, as long as the step has time.

use super::{Conversation, DeviceContext, Flow, Task, when_again};
use crate::ca::est::{self, Enrolment, EstRequest};
use crate::ca::{CsrBuilder, DeviceCertificate, Subject};
use crate::device::application::{Application, Identity};
use crate::device::link::Link;
use crate::device::{DeviceError, DeviceOutput};
use crate::kernel::Instant;
use crate::net::Host;
use crate::net::endpoint::EST;
use crate::wire::Reason;

#[derive(Default)]
pub(super) struct Enrol {
    conversation: Conversation,
    stage: Stage,
}

#[derive(Default)]
enum Stage {
    #[default]
    Begin,
    TrustAsked,
    CsrSent,
}

impl Task for Enrol {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        let now_unix_s = cx.now.unix_s();
        let kept = cx.application.identity.certificate.as_ref();
        let renewed = kept.filter(|kept| now_unix_s <= kept.not_after_unix_s());
        if let Some(kept) = renewed.filter(|kept| !kept.nears_its_end(now_unix_s)) {
            return Ok(Flow::Done(format!(
                "certificate {} is in {} already",
                kept.serial(),
                cx.application.place()
            )));
        }
        let subject = renewed.map(|kept| kept.subject().clone());
        let mutual = subject.is_some();
        let Some(link) = self.conversation.link(EST, mutual, cx, out)? else { return Ok(Flow::Waiting) };
        let flow = match self.stage {
            Stage::Begin => {
                link.request(&EstRequest::cacerts().to_http(EST.name), out)?;
                self.stage = Stage::TrustAsked;
                Flow::Progress
            }
            Stage::TrustAsked => match link.response()? {
                Some(response) => {
                    let kind = response.headers.get("content-type");
                    let roots = est::read_cacerts_response(kind, &response.body).map_err(bad_est)?;
                    if !roots.contains(&cx.application.identity.trust_anchor) {
                        let detail = "EST's CA certificates lack the trust anchor of the card";
                        return Err(DeviceError::refused(Reason::TrustAnchorMismatch, detail));
                    }
                    let csr = csr(cx.application, subject.as_ref(), link)?;
                    let request = match mutual {
                        true => EstRequest::simple_reenroll(&csr),
                        false => EstRequest::simple_enroll(&csr),
                    };
                    let request = request.to_http(EST.name);
                    let request = match cx.application.burned.as_ref().filter(|_| !mutual) {
                        Some(burned) => request.header("Authorization", &burned.authorization()),
                        None => request,
                    };
                    link.request(&request, out)?;
                    self.stage = Stage::CsrSent;
                    Flow::Progress
                }
                None => Flow::Waiting,
            },
            Stage::CsrSent => match link.response()? {
                Some(response) => {
                    if let Some(at) = when_again(&response, cx) {
                        self.stage = Stage::Begin;
                        return Ok(self.conversation.put_off(at, cx));
                    }
                    let (kind, retry) =
                        (response.headers.get("content-type"), response.headers.get("retry-after"));
                    match est::read_enroll_response(response.status, kind, retry, &response.body)
                        .map_err(bad_est)?
                    {
                        Enrolment::Issued(certificate) => {
                            keep(cx.application, &certificate, cx.now.unix_s())?
                        }
                        Enrolment::Retry { .. } => {
                            let detail = "the service asks to come again, not within the time of a step";
                            return Err(DeviceError::refused(Reason::EnrolmentPending, detail));
                        }
                        Enrolment::Refused { status, reason } => return Err(refused_by_est(status, &reason)),
                    }
                }
                None => Flow::Waiting,
            },
        };
        self.conversation.settle(flow, cx.host.as_deref_mut())
    }

    fn deadline(&self) -> Option<Instant> {
        self.conversation.deadline()
    }

    fn hang_up(&mut self, host: &mut Host) {
        self.conversation.hang_up(host);
    }
}

/// A CSR for the card's key, signed by the card, bound to this TLS session (RFC 7030 clause 3.5). The device leaves it to
/// the authority how it is called, but for a renewal, which repeats the name (clause 4.2.2).
fn csr(application: &mut Application, named: Option<&Subject>, link: &Link) -> Result<Vec<u8>, DeviceError> {
    let binding = link.channel_binding()?;
    let builder = CsrBuilder::new(named, &application.public_key()?, Some(&binding))?;
    let signature = application.sign(builder.tbs())?;
    Ok(builder.finish(&signature)?)
}

/// Checks all of the certificate and puts it into the applet's file. The name of one that was
/// there before is the device's for good.
fn keep(application: &mut Application, certificate: &[u8], now_unix_s: u64) -> Result<Flow, DeviceError> {
    let public = application.public_key()?;
    let Identity { trust_anchor, certificate: before, .. } = &application.identity;
    let known = before.as_ref().map(DeviceCertificate::name);
    let issued = DeviceCertificate::accept(
        certificate,
        &public,
        known.as_ref(),
        trust_anchor,
        now_unix_s,
        &application.tally,
    )
    .map_err(bad_est)?;
    let who = match application.burned {
        Some(_) => "the central server knows the secret",
        None => "ledger, network and owner agree",
    };
    let proof = format!("{who}; certificate {} is in {}", issued.serial(), application.place());
    application.keep_certificate(issued)?;
    Ok(Flow::Done(proof))
}

fn bad_est(error: crate::ca::CaError) -> DeviceError {
    DeviceError::refused(Reason::BadEstResponse, error.to_string())
}

/// EST carries a refusal as text; ours reads `word: sentence`.
fn refused_by_est(status: u16, text: &str) -> DeviceError {
    match text.split_once(": ") {
        Some((word, sentence)) if !word.contains(' ') => DeviceError::refused(Reason::of(word), sentence),
        _ => DeviceError::refused(Reason::Est(status), text),
    }
}
