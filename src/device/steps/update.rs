//! The `update` step: the device asks for newer firmware, judges it, fetches it in parts, starts it on trial, keeps it where it
//! reaches the update service, and reports what it runs, signed by its card, to the ledger.
//!
//! What it remembers is in its flash. A device that starts anew in the middle, on purpose or not, asks for the manifest again,
//! judges it again, and goes on with the image where it was. Firmware that is on trial and comes as far as the update service
//! works; firmware that does not within a time is started again, and in the end given up.

use super::{Conversation, DeviceContext, Flow, Task, accepted, refusal_in, when_again};
use crate::device::application::Application;
use crate::device::link::Link;
use crate::device::{DeviceError, DeviceOutput};
use crate::event::{Actor, Body};
use crate::kernel::{Duration, Instant};
use crate::ledger::{Contract, firmware_message};
use crate::net::Host;
use crate::net::endpoint::UPDATES;
use crate::update::{Firmware, Fresh, Need, Untold, UpdateError};
use crate::wire::Reason;
use crate::wire::http::Request;
use crate::wire::registration::{Written, octets};
use crate::wire::update::{
    LEDGER_PATH, MANIFEST_PATH, REPORT_PATH, Report, ReportOffer, entity_tag, range_request, received_range,
};

/// How long firmware on trial has to reach the update service.
const TRIAL_TIME: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Update {
    conversation: Conversation,
    stage: Stage,
    /// When firmware that comes nowhere is started again.
    gives_up: Option<Instant>,
}

#[derive(Default)]
enum Stage {
    #[default]
    Begin,
    ManifestAsked,
    ProofAsked(Box<Fresh>),
    BlockAsked(Box<Fresh>, Part),
    ReportOfferAsked,
    Reported(String),
}

/// A part of an image that was asked for.
struct Part {
    from: u64,
    to: u64,
    size: u64,
    image: [u8; 32],
}

impl Task for Update {
    fn poll(&mut self, cx: &mut DeviceContext<'_>, out: &mut Vec<DeviceOutput>) -> Result<Flow, DeviceError> {
        if !cx.powered {
            return Ok(Flow::Waiting);
        }
        let Some(firmware) = cx.application.firmware.as_deref() else {
            return Err(DeviceError::refused(Reason::FirmwareUnusable, "this device takes no updates"));
        };
        if firmware.booted().on_trial {
            let gives_up = *self.gives_up.get_or_insert(cx.now + TRIAL_TIME);
            if cx.now >= gives_up {
                return Ok(Flow::Restart);
            }
            if firmware.is_mute() {
                return Ok(Flow::Waiting);
            }
        }
        let Some(link) = self.conversation.link(UPDATES, true, cx, out)? else { return Ok(Flow::Waiting) };
        let flow = match std::mem::take(&mut self.stage) {
            Stage::Begin => self.stage.begin(cx.application, link, out)?,
            Stage::ManifestAsked => match link.response()? {
                None => self.stage.back_to(Stage::ManifestAsked),
                Some(response) => {
                    if let Some(at) = when_again(&response, cx) {
                        return Ok(self.conversation.put_off(at, cx));
                    }
                    if response.status == 304 {
                        Flow::Done(format!(
                            "firmware {} is the newest there is",
                            firmware_of(cx.application)?.sequence()
                        ))
                    } else if response.is_success() {
                        self.stage.judge(cx.application, link, &response.body, out)?
                    } else {
                        return Err(refusal_in(&response));
                    }
                }
            },
            Stage::ProofAsked(mut fresh) => match link.response()? {
                None => self.stage.back_to(Stage::ProofAsked(fresh)),
                Some(response) if response.is_success() => {
                    let firmware = firmware_of(cx.application)?;
                    firmware.vouched(&mut fresh, &response.body, cx.now.unix_s() * 1_000)?;
                    let number = cx.application.number;
                    note(number, "the ledger vouches for the release", sequence_of(&fresh), out);
                    self.stage.fetch(cx.application, link, fresh, out)?
                }
                Some(response) => return Err(refusal_in(&response)),
            },
            Stage::BlockAsked(fresh, part) => match link.response()? {
                None => self.stage.back_to(Stage::BlockAsked(fresh, part)),
                Some(response) => {
                    let Part { from, to, size, image } = part;
                    let Some(bytes) = received_range(&response, from, to, size, &image) else {
                        return Err(match response.is_success() {
                            true => UpdateError::Image.into(),
                            false => refusal_in(&response),
                        });
                    };
                    firmware_of(cx.application)?.block(bytes)?;
                    self.stage.fetch(cx.application, link, fresh, out)?
                }
            },
            Stage::ReportOfferAsked => match link.response()? {
                None => self.stage.back_to(Stage::ReportOfferAsked),
                Some(response) => self.stage.report(cx.application, link, &accepted(&response)?, out)?,
            },
            Stage::Reported(told) => match link.response()? {
                None => self.stage.back_to(Stage::Reported(told)),
                Some(response) => {
                    let Written { block, .. } = accepted(&response)?;
                    let firmware = firmware_of(cx.application)?;
                    let untold = firmware.untold();
                    firmware.told()?;
                    match untold {
                        Some(Untold::FellBack) => return Err(UpdateError::RolledBack.into()),
                        _ => {
                            Flow::Done(format!("{told}, on the ledger in block {block}, the card signed it"))
                        }
                    }
                }
            },
        };
        match flow {
            Flow::Restart => Ok(Flow::Restart),
            flow => self.conversation.settle(flow, cx.host.as_deref_mut()),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.conversation.deadline(), self.gives_up].into_iter().flatten().min()
    }

    fn hang_up(&mut self, host: &mut Host) {
        self.conversation.hang_up(host);
    }
}

impl Stage {
    /// Nothing has come yet.
    fn back_to(&mut self, stage: Self) -> Flow {
        *self = stage;
        Flow::Waiting
    }

    /// The service is reached, which is all that firmware on trial has to show.
    fn begin(
        &mut self,
        application: &mut Application,
        link: &mut Link,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        let number = application.number;
        let firmware = firmware_of(application)?;
        if firmware.works()? {
            let fields = vec![("sequence", firmware.sequence().to_string())];
            note(number, "new firmware works, and is kept", fields, out);
        }
        if firmware.untold().is_some() {
            link.request(&Request::new("GET", REPORT_PATH, UPDATES.name), out)?;
            *self = Self::ReportOfferAsked;
            return Ok(Flow::Progress);
        }
        let request = Request::new("GET", MANIFEST_PATH, UPDATES.name);
        let request = match firmware.runs() {
            Some((manifest, _)) => request.header("If-None-Match", &entity_tag(manifest)),
            None => request,
        };
        link.request(&request, out)?;
        *self = Self::ManifestAsked;
        Ok(Flow::Progress)
    }

    /// A manifest has come: the vendor's word, and then the ledger is asked.
    fn judge(
        &mut self,
        application: &mut Application,
        link: &mut Link,
        envelope: &[u8],
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        let number = application.number;
        let firmware = firmware_of(application)?;
        let Some(fresh) = firmware.consider(envelope)? else {
            return Ok(Flow::Done(format!("firmware {} runs already", firmware.sequence())));
        };
        note(number, "the vendor has signed the manifest", sequence_of(&fresh), out);
        let path = format!("{LEDGER_PATH}{}", hex::encode(fresh.digest()));
        link.request(&Request::new("GET", &path, UPDATES.name), out)?;
        *self = Self::ProofAsked(Box::new(fresh));
        Ok(Flow::Progress)
    }

    /// Asks for the next part of the image; starts anew where all of it is there.
    fn fetch(
        &mut self,
        application: &mut Application,
        link: &mut Link,
        fresh: Box<Fresh>,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        let number = application.number;
        match firmware_of(application)?.need(&fresh)? {
            Need::Restart => {
                note(number, "new firmware is installed", sequence_of(&fresh), out);
                Ok(Flow::Restart)
            }
            Need::Block { uri, from, to, size, image } => {
                let request = Request::new("GET", path_of(&uri)?, UPDATES.name);
                link.request(&range_request(request, from, to, &image), out)?;
                *self = Self::BlockAsked(fresh, Part { from, to, size, image });
                Ok(Flow::Progress)
            }
        }
    }

    /// Reports what runs, signed by the card.
    fn report(
        &mut self,
        application: &mut Application,
        link: &mut Link,
        offer: &ReportOffer,
        out: &mut Vec<DeviceOutput>,
    ) -> Result<Flow, DeviceError> {
        let malformed = || {
            DeviceError::refused(Reason::MalformedOffer, "what a report is bound to is not what it should be")
        };
        let id: [u8; 32] = octets(&offer.id).ok_or_else(malformed)?;
        let registry: [u8; 20] = octets(&offer.registry).ok_or_else(malformed)?;
        let firmware = firmware_of(application)?;
        let contract = Contract { chain_id: offer.chain_id, address: registry.into() };
        // The card signs for the ledger that the device was delivered with, and for no other.
        if contract != firmware.trust().ledger.contract {
            return Err(malformed());
        }
        let (manifest, image) = firmware.runs().map(|(one, other)| (*one, *other)).ok_or_else(malformed)?;
        let component = firmware.trust().component;
        let fell_back = firmware.untold() == Some(Untold::FellBack);
        let failed = firmware.last_failed().filter(|_| fell_back);
        let booted = firmware.booted();
        let told = format!("firmware {} runs in slot {}", booted.sequence, booted.slot);
        let message = firmware_message(contract, &id, component, &manifest, &image, offer.seq);
        let report = Report {
            component: component.name(),
            manifest: hex::encode(manifest),
            image: hex::encode(image),
            failed: failed.map(hex::encode),
            signature: hex::encode(application.sign(&message)?),
        };
        let body = serde_json::to_vec(&report).unwrap_or_default();
        link.request(&Request::new("POST", REPORT_PATH, UPDATES.name).body("application/json", body), out)?;
        *self = Self::Reported(told);
        Ok(Flow::Progress)
    }
}

fn firmware_of(application: &mut Application) -> Result<&mut Firmware, DeviceError> {
    let missing = || DeviceError::refused(Reason::FirmwareUnusable, "this device takes no updates");
    application.firmware.as_deref_mut().ok_or_else(missing)
}

/// The path of a URI at the update service: the device fetches from nowhere else.
fn path_of(uri: &str) -> Result<&str, DeviceError> {
    let path = uri.strip_prefix("https://").and_then(|rest| rest.strip_prefix(UPDATES.name));
    path.filter(|path| path.starts_with('/')).ok_or_else(|| {
        let detail =
            "the image is at another server than the update service, and is fetched from nowhere else";
        DeviceError::refused(Reason::UnknownServer, detail)
    })
}

fn sequence_of(fresh: &Fresh) -> crate::wire::Fields {
    vec![("sequence", fresh.sequence().to_string())]
}

fn note(number: u32, change: &'static str, fields: crate::wire::Fields, out: &mut Vec<DeviceOutput>) {
    out.push(DeviceOutput::Event(Body::note(Actor::device(number), change, fields)));
}
