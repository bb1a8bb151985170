//! The `register` step: the registrar puts the card's public key on the ledger.
//!
//! The registrar does not take the device's word for what is in the card. It has a packet of the operator carried to the
//! card and the card's answer carried back, neither of which the device can read or make; the card's key signs that this
//! was in this conversation.
//!
//! The card does not remember that it was registered. A device that has forgotten asks again: the same key for the
//! same identity is answered, and nothing is written to the ledger. Where the registrar asks to come again later, the device
//! does.

use super::{Conversation, DeviceContext, Flow, Task, accepted, when_again};
use crate::ca::csr::ChannelBinding;
use crate::crypto::key::halves;
use crate::device::application::Application;
use crate::device::{DeviceError, DeviceOutput};
use crate::kernel::Instant;
use crate::ledger::{CardKey, Contract, Model, registration_message};
use crate::net::Host;
use crate::net::endpoint::REGISTRAR;
use crate::wire::Reason;
use crate::wire::http::Request;
use crate::wire::ota::PARTS_MAX;
use crate::wire::registration::{
    Claim, FIRST_KEY, Offer, REGISTRATION_PATH, Registered, octets, session_context,
};

/// The most commands that a registrar has carried to the card: those of the longest packet.
const ENVELOPES_MAX: usize = PARTS_MAX as usize;

#[derive(Default)]
pub(super) struct Register {
    conversation: Conversation,
    stage: Stage,
}

#[derive(Default)]
enum Stage {
    #[default]
    Begin,
    OfferAsked,
    ClaimSent,
}

impl Task for Register {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        // A certificate says under which name the ledger knows its device.
        if cx.recalling && cx.application.identity.certificate.is_some() {
            return Ok(Flow::Done("the certificate says who the device is".to_owned()));
        }
        let Some(link) = self.conversation.link(REGISTRAR, false, cx, out)? else { return Ok(Flow::Waiting) };
        let flow = match self.stage {
            Stage::Begin => {
                link.request(&Request::new("GET", REGISTRATION_PATH, REGISTRAR.name), out)?;
                self.stage = Stage::OfferAsked;
                Flow::Progress
            }
            Stage::OfferAsked => match link.response()? {
                Some(response) => {
                    if let Some(at) = when_again(&response, cx) {
                        self.stage = Stage::Begin;
                        return Ok(self.conversation.put_off(at, cx));
                    }
                    let claim = claim(cx.application, &accepted(&response)?, &link.channel_binding()?)?;
                    let body = serde_json::to_vec(&claim).unwrap_or_default();
                    let request = Request::new("POST", REGISTRATION_PATH, REGISTRAR.name)
                        .body("application/json", body);
                    link.request(&request, out)?;
                    self.stage = Stage::ClaimSent;
                    Flow::Progress
                }
                None => Flow::Waiting,
            },
            Stage::ClaimSent => match link.response()? {
                Some(response) => {
                    if let Some(at) = when_again(&response, cx) {
                        self.stage = Stage::Begin;
                        return Ok(self.conversation.put_off(at, cx));
                    }
                    let registered: Registered = accepted(&response)?;
                    let place = match registered.written {
                        Some(written) => format!("block {}", written.block),
                        None => "where it stood already".to_owned(),
                    };
                    let id = registered.id.get(..8).unwrap_or_default();
                    Flow::Done(format!("key on the ledger as {id}…, {place}, the card proved it"))
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

/// What answers `offer` in the TLS session with this exporter.
fn claim(
    application: &mut Application,
    offer: &Offer,
    exporter: &ChannelBinding,
) -> Result<Claim, DeviceError> {
    let malformed =
        || DeviceError::refused(Reason::MalformedOffer, "the registrar's offer is not what it should be");
    let id: [u8; 32] = octets(&offer.id).ok_or_else(malformed)?;
    let registry: [u8; 20] = octets(&offer.registry).ok_or_else(malformed)?;
    let nonce: [u8; 32] = octets(&offer.nonce).ok_or_else(malformed)?;
    let model = Model::new(&offer.model).map_err(|_| malformed())?;
    let contract = Contract { chain_id: offer.chain_id, address: registry.into() };
    if offer.envelopes.len() > ENVELOPES_MAX {
        return Err(malformed());
    }
    let envelopes: Result<Vec<_>, _> = offer.envelopes.iter().map(hex::decode).collect();
    let reports = application.carry(&envelopes.map_err(|_| malformed())?)?;
    let public_key = application.public_key()?;
    // A card that has answered nothing may not know the command either; the registrar says what follows from it.
    let proves = reports.iter().any(|report| !report.is_empty());
    let generation = if proves { application.generation()? } else { FIRST_KEY };
    let (x, y) = halves(&public_key);
    let key = CardKey { x, y, generation };
    let context = session_context(&nonce, exporter);
    let signature = application.sign(&registration_message(contract, &id, model, &key, &context))?;
    Ok(Claim {
        id: hex::encode(id),
        reports: reports.iter().map(hex::encode).collect(),
        public_key: offer.envelopes.is_empty().then(|| hex::encode(public_key)),
        signature: hex::encode(signature),
    })
}
