//! The vendor's update service: publishes its releases on the ledger, offers devices the one that is for them, and carries what
//! they report to the ledger. It can withhold an update and cannot forge one: manifests are signed by the vendor's key, which
//! it has not, and the ledger's word is proved to the device.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chain::{Chain, Proposal, Ticket};
use super::cloud::certified_device;
use super::office::{Answer, Caller, Context, Notice, Office, Request, Response};
use super::{ServiceError, short};
use crate::ca::DeviceCertificate;
use crate::crypto::SoftKey;
use crate::event::{Actor, Body};
use crate::kernel::{Instant, RngTree};
use crate::ledger::{
    Account, Component, DeviceRecord, FirmwareReport, LightAnchors, Model, Reason as Cause, Status,
};
use crate::net::endpoint::UPDATES;
use crate::update::{Campaign, CampaignPlan, Image, Offer, Trust, Turn, Vendor};
use crate::wire::registration::{Problem, Written, octets};
use crate::wire::update::{
    ENVELOPE_TYPE, IMAGES_PATH, LEDGER_PATH, MANIFEST_PATH, REPORT_PATH, Report, ReportOffer, digest_below,
    entity_tag, range_response,
};
use crate::wire::{Label, Proto, Reason, http};

/// The domain of the vendor of virtual devices.
const VENDOR: &str = "cellbed.test";
/// The component that is updated.
const COMPONENT: &str = "app";
/// Sequence number of what devices are delivered with.
const DELIVERED: u64 = 5;
/// Sequence number of the release that is offered.
const OFFERED: u64 = 6;
/// When a device that has to wait for its wave is to ask again, in seconds.
const ASK_AGAIN_S: u64 = 20;

/// What goes wrong with the update of a device on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpdateFault {
    /// It is offered a release that nobody has published.
    NotOnLedger,
    /// It is offered a release that was withdrawn.
    Withdrawn,
    /// It is offered a release that is older than what it runs.
    Older,
    /// It is offered a release for devices of another vendor, whose key is the same.
    OtherVendor,
    /// It is offered a release that somebody else has signed and that is on the ledger.
    OtherAuthor,
    /// A bit of the manifest is changed on its way.
    TamperedManifest,
    /// A bit of the image is changed on its way.
    TamperedImage,
    /// The new image hangs on its board.
    Hangs,
    /// The new image never reaches the update service from its board.
    Mute,
}

impl UpdateFault {
    /// The revision of the device's board.
    pub fn board(fault: Option<Self>) -> u8 {
        match fault {
            Some(Self::Hangs) => 1,
            Some(Self::Mute) => 2,
            _ => 0,
        }
    }
}

/// What the update service of a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateSetup {
    /// Size of images, in bytes.
    pub size: u32,
    /// Who gets the release when; everybody at once where there is none.
    pub campaign: Option<CampaignPlan>,
}

/// What a device is delivered with.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The vendor's identifier.
    pub vendor: [u8; 16],
    /// What it trusts, but for its own model.
    pub trust: Trust,
    /// The manifest of what it runs.
    pub envelope: Vec<u8>,
    /// What it runs.
    pub image: Arc<[u8]>,
}

/// The update service.
pub struct Updates {
    account: Account,
    campaign: Option<Campaign>,
    /// Whether the campaign's stop was told.
    stop_told: bool,
    delivered: Offer,
    offered: Offer,
    /// What is offered in its place, by what is wrong with it.
    wrong: BTreeMap<UpdateFault, Offer>,
    faults: BTreeMap<u32, UpdateFault>,
    /// Releases that are not on the ledger yet.
    unpublished: Vec<(Offer, bool)>,
    /// Reports that are to stand on the ledger: of which device, and whether its update works.
    pending: BTreeMap<Ticket, (u32, bool)>,
    model: Model,
    component: Component,
}

impl Updates {
    /// An update service for devices of this `model`, which writes to the ledger with `account`; some of them have `faults`.
    /// Returns what devices are delivered with as well.
    ///
    /// # Errors
    /// Where the name of a component is none, which is a fault of ours.
    pub fn new(
        setup: &UpdateSetup,
        model: Model,
        account: Account,
        ledger: LightAnchors,
        faults: BTreeMap<u32, UpdateFault>,
        rng: &RngTree,
    ) -> Result<(Self, Delivered), ServiceError> {
        let rng = rng.branch(Actor::UPDATES);
        let component = Model::new(COMPONENT).map_err(|error| ServiceError::Release(error.to_string()))?;
        let vendor = |domain, purpose: &str| {
            let key = SoftKey::from_stream(&mut rng.stream(purpose));
            Vendor::new(domain, key, model, component)
        };
        let own = vendor(VENDOR, "author");
        let base = format!("https://{}", UPDATES.name);
        let offer = |vendor: &Vendor, sequence: u64, header: Image| {
            let mut program = rng.stream(&format!("program-{sequence}"));
            vendor.offer(header, setup.size as usize, sequence, &base, &mut program)
        };
        let delivered = offer(&own, DELIVERED, Image::good(DELIVERED));
        let offered = offer(&own, OFFERED, Image::untried(OFFERED));
        let mut unpublished = vec![(delivered.clone(), false), (offered.clone(), false)];
        let mut wrong = BTreeMap::new();
        for fault in faults.values() {
            let one = match fault {
                UpdateFault::NotOnLedger => offer(&own, OFFERED + 1, Image::good(OFFERED + 1)),
                UpdateFault::Withdrawn => offer(&own, OFFERED + 2, Image::good(OFFERED + 2)),
                UpdateFault::Older => offer(&own, DELIVERED - 1, Image::good(DELIVERED - 1)),
                UpdateFault::OtherVendor => {
                    let sequence = OFFERED + 3;
                    offer(&vendor("other.test", "author"), sequence, Image::good(sequence))
                }
                UpdateFault::OtherAuthor => {
                    let sequence = OFFERED + 4;
                    offer(&vendor(VENDOR, "stranger"), sequence, Image::good(sequence))
                }
                UpdateFault::TamperedManifest
                | UpdateFault::TamperedImage
                | UpdateFault::Hangs
                | UpdateFault::Mute => continue,
            };
            if wrong.insert(*fault, one.clone()).is_none() && *fault != UpdateFault::NotOnLedger {
                unpublished.push((one, *fault == UpdateFault::Withdrawn));
            }
        }
        let trust =
            Trust { vendor: own.id, class: own.class, model, component, authors: vec![own.author()], ledger };
        let first = Delivered {
            vendor: own.id,
            trust,
            envelope: delivered.envelope.clone(),
            image: delivered.image.clone(),
        };
        let campaign = setup.campaign.clone().map(Campaign::new);
        let pending = BTreeMap::new();
        let office = Self {
            account,
            campaign,
            stop_told: false,
            delivered,
            offered,
            wrong,
            faults,
            unpublished,
            pending,
            model,
            component,
        };
        Ok((office, first))
    }

    /// When something happens by itself: the releases are published at once.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.unpublished.is_empty()).then_some(Instant::ZERO)
    }

    /// Publishes what is not on the ledger yet.
    ///
    /// # Errors
    /// Where the ledger does not take it: a transaction of ours is in order.
    pub(super) fn open(
        &mut self,
        now: Instant,
        chain: &mut Chain,
        events: &mut Vec<Body>,
    ) -> Result<(), ServiceError> {
        let contract = chain.ledger().contract();
        for (Offer { release, .. }, withdrawn) in std::mem::take(&mut self.unpublished) {
            let label = |name: &'static str| {
                Label::new(Proto::Evm, name)
                    .with("manifest", short(&release.manifest))
                    .with("sequence", release.sequence.to_string())
            };
            let raw = self.account.publish_firmware(contract, &release);
            chain.submit(now, Actor::UPDATES, label("publishFirmware"), raw, events)?;
            if withdrawn {
                let raw =
                    self.account.withdraw_firmware(contract, release.manifest, Cause::Superseded, [0; 32]);
                chain.submit(now, Actor::UPDATES, label("withdrawFirmware"), raw, events)?;
            }
        }
        Ok(())
    }

    /// What is offered to a device.
    fn offer_for(&self, device: u32) -> &Offer {
        self.faults.get(&device).and_then(|fault| self.wrong.get(fault)).unwrap_or(&self.offered)
    }

    /// `GET /manifest`: the manifest that is for the device.
    fn manifest(
        &mut self,
        who: &Caller<'_>,
        request: &http::Request,
        cx: &mut Context<'_>,
    ) -> Result<http::Response, Problem> {
        if let Some(campaign) = &mut self.campaign {
            let turn = campaign.asks(cx.now, who.device);
            self.tell_stop(cx);
            match turn {
                Turn::Now => {}
                Turn::Later => {
                    let detail = "the wave of this device has not begun";
                    return Err(Problem::new(503, Reason::Busy, detail).for_s(ASK_AGAIN_S));
                }
                Turn::Stopped => return Err(stopped()),
            }
        }
        let offer = self.offer_for(who.device);
        let tag = entity_tag(&offer.release.manifest);
        if request.headers.get("if-none-match") == Some(&tag) {
            return Ok(http::Response::new(304).header("ETag", &tag));
        }
        let mut envelope = offer.envelope.clone();
        if self.faults.get(&who.device) == Some(&UpdateFault::TamperedManifest)
            && let Some(octet) = envelope.last_mut()
        {
            *octet ^= 1;
        }
        let sequence = offer.release.sequence.to_string();
        cx.note(
            Actor::UPDATES,
            "release offered",
            vec![("manifest", short(&offer.release.manifest)), ("sequence", sequence)],
        );
        Ok(http::Response::new(200).header("ETag", &tag).body(ENVELOPE_TYPE, envelope))
    }

    /// `GET /images/...`: an image, or a part of it.
    fn image(
        &self,
        who: &Caller<'_>,
        request: &http::Request,
        digest: [u8; 32],
    ) -> Result<http::Response, Problem> {
        if self.campaign.as_ref().is_some_and(Campaign::is_stopped) {
            return Err(stopped());
        }
        let offers = [&self.delivered, &self.offered].into_iter().chain(self.wrong.values());
        let offer = offers.into_iter().find(|offer| offer.release.image == digest);
        let image = offer.ok_or_else(|| not_found("there is no image with this digest"))?.image.clone();
        let mut response = range_response(request, &image, &digest);
        if self.faults.get(&who.device) == Some(&UpdateFault::TamperedImage)
            && let Some(octet) = response.body.last_mut()
        {
            *octet ^= 1;
        }
        Ok(response)
    }

    /// `POST /report`: what the device runs, for the ledger.
    fn report(
        &mut self,
        who: &Caller<'_>,
        body: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        let checked = identify(who, cx).and_then(|(id, _)| {
            let report: Report = serde_json::from_slice(body)
                .map_err(|error| malformed(&format!("the body is no report: {error}")))?;
            let fields = (octets(&report.manifest), octets(&report.image), octets(&report.signature));
            let (Some(manifest), Some(image), Some(signature)) = fields else {
                return Err(malformed("a digest or the signature is not hex of its length"));
            };
            let component = Model::new(&report.component).map_err(|error| malformed(&error.to_string()))?;
            cx.chain.admit(cx.now, who.device, &Proposal::Report)?;
            Ok((FirmwareReport { id, component, manifest, image, signature }, report.failed))
        });
        let (report, failed) = match checked {
            Ok(checked) => checked,
            Err(problem) => return Ok(refused(&problem, cx).into()),
        };
        let works = failed.is_none();
        if let Some(failed) = failed {
            // What a device says of itself is a text of somebody else.
            let manifest: String = failed.chars().filter(char::is_ascii_hexdigit).take(8).collect();
            cx.note(Actor::UPDATES, "update failed on the device", vec![("manifest", manifest)]);
        }
        let raw = self.account.report_firmware(cx.chain.ledger().contract(), &report);
        let label = Label::new(Proto::Evm, "reportFirmware")
            .with("id", short(&report.id))
            .with("manifest", short(&report.manifest));
        let ticket = cx.chain.submit(cx.now, Actor::UPDATES, label, raw, cx.events)?;
        self.pending.insert(ticket, (who.device, works));
        Ok(Answer::Later(ticket))
    }

    /// Tells once that the campaign has stopped.
    fn tell_stop(&mut self, cx: &mut Context<'_>) {
        let Some(tally) = self.campaign.as_ref().map(Campaign::tally) else { return };
        if tally.is_stopped && !std::mem::replace(&mut self.stop_told, true) {
            let fields = vec![
                ("wave", tally.wave.to_string()),
                ("installed", tally.installed.to_string()),
                ("failed", tally.failed.to_string()),
            ];
            cx.note(Actor::UPDATES, "campaign stopped: too many failures", fields);
        }
    }

    fn get(
        &mut self,
        who: &Caller<'_>,
        request: &http::Request,
        cx: &mut Context<'_>,
    ) -> Result<http::Response, Problem> {
        let path = request.path();
        if path == MANIFEST_PATH {
            identify(who, cx)?;
            return self.manifest(who, request, cx);
        }
        if path == REPORT_PATH {
            let (id, record) = identify(who, cx)?;
            let contract = cx.chain.ledger().contract();
            let offer = ReportOffer {
                chain_id: contract.chain_id,
                registry: hex::encode(contract.address),
                id: hex::encode(id),
                seq: record.seq,
            };
            return Ok(json(200, &offer));
        }
        if let Some(manifest) = digest_below(path, LEDGER_PATH) {
            let proof = cx.chain.ledger().prove_release(&manifest, self.model, self.component);
            let proof = proof.ok_or_else(|| not_found("the ledger has no block yet"))?;
            return Ok(http::Response::new(200).body("application/octet-stream", proof.to_bytes()));
        }
        match digest_below(path, IMAGES_PATH) {
            Some(digest) => self.image(who, request, digest),
            None => Err(not_found("there are manifests, proofs, images and reports here")),
        }
    }
}

impl Office for Updates {
    fn answer(
        &mut self,
        who: &Caller<'_>,
        request: &Request<'_>,
        cx: &mut Context<'_>,
    ) -> Result<Answer, ServiceError> {
        let Request::Http(request) = request else { return Ok(Answer::Now(Response::TurnedAway)) };
        match request.method.as_str() {
            "GET" => Ok(self.get(who, request, cx).unwrap_or_else(|problem| refused(&problem, cx)).into()),
            "POST" if request.path() == REPORT_PATH => self.report(who, &request.body, cx),
            _ => {
                let detail = "it takes GET, and POST of reports";
                Ok(Problem::new(405, Reason::MethodNotAllowed, detail)
                    .response()
                    .header("Allow", "GET")
                    .into())
            }
        }
    }

    fn notify(&mut self, what: &Notice<'_>, cx: &mut Context<'_>) -> Result<(), ServiceError> {
        let Notice::Sealed(sealed) = what else { return Ok(()) };
        let Some((device, works)) = self.pending.remove(&sealed.ticket) else { return Ok(()) };
        let response = match sealed.refusal() {
            Some((reason, detail)) => Problem::new(409, Reason::of(reason), detail).response(),
            None => {
                if let Some(campaign) = &mut self.campaign {
                    campaign.reports(cx.now, device, works);
                    self.tell_stop(cx);
                }
                let transaction = hex::encode(sealed.receipt.tx_hash);
                json(201, &Written { block: sealed.block, transaction })
            }
        };
        cx.answers.push((sealed.ticket, Response::Http(response)));
        Ok(())
    }
}

/// The device that the caller is by its certificate, if it may be served. One in quarantine may: newer firmware may be what
/// it needs, and what it reports is on the ledger.
fn identify(who: &Caller<'_>, cx: &Context<'_>) -> Result<([u8; 32], DeviceRecord), Problem> {
    who.may_be_served()?;
    let device = who.certificate.and_then(|certificate| DeviceCertificate::parse(certificate.der()).ok());
    let device = device.ok_or_else(|| {
        Problem::new(403, Reason::ClientCertificateRequired, "come with the certificate of a device")
    })?;
    certified_device(&device, &[Status::Active, Status::Quarantined], cx.chain.ledger())
}

fn stopped() -> Problem {
    Problem::new(403, Reason::CampaignStopped, "it failed on too many devices: nobody gets this release")
}

fn not_found(detail: &str) -> Problem {
    Problem::new(404, Reason::NotFound, detail)
}

fn malformed(detail: &str) -> Problem {
    Problem::new(400, Reason::MalformedReport, detail)
}

fn refused(problem: &Problem, cx: &mut Context<'_>) -> http::Response {
    cx.note(Actor::UPDATES, "request refused", vec![("reason", problem.reason.to_string())]);
    problem.response()
}

fn json(status: u16, body: &impl serde::Serialize) -> http::Response {
    // Structs of strings and numbers always serialise.
    http::Response::new(status).body("application/json", serde_json::to_vec(body).unwrap_or_default())
}
