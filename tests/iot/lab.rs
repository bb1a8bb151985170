//! A device with a bootstrap profile, an eIM, an SM-DP+ with an ordered profile and an SM-DS, with nothing between
//! them but function calls.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cellbed::card::{CardSlot, Delivered, EuiccConfig, SimProfile, Uicc};
use cellbed::crypto::Tally;
use cellbed::esim::eim::{Action, Eim, EimSettings};
use cellbed::esim::ipa::{Ipa, IpaOptions, IpaStep, PollReport};
use cellbed::esim::lpa::{Es10, LpaError, Step};
use cellbed::esim::smdp::{ConfirmOrder, DownloadOrder, Profile, SmdpSettings};
use cellbed::esim::store::{MemoryStore, Records, Store};
use cellbed::esim::{ASN1, HttpRequest, HttpResponse, JSON, Pki, PkiOptions, Smdp, Smds};
use cellbed::id::{Eid, Iccid};
use cellbed::kernel::{EPOCH_UNIX_S, RngTree};
use cellbed::wire::rsp::iot::{AddInitialEim, EsipaRequest};
use cellbed::wire::rsp::{
    DeviceInfo, NotificationConfiguration, NotificationEvents, ProfileClass, ProfileFilter, ProfileMetadata,
    ProfileState, RetrieveNotifications,
};
use cellbed::wire::saip::Package;

use crate::card::FaultyCard;

pub const NOW: u64 = EPOCH_UNIX_S + 86_400;
pub const SMDP: &str = "smdp.example";
pub const SMDS: &str = "smds.example";
pub const EIM: &str = "eim.example";
const TS48: &[u8] = include_bytes!("../../sim-profiles/ts48/ts48-v7.0-nobertlv-noramrfm.der");

pub fn eid(number: u32) -> Eid {
    let body = format!("8904903200000000000000000000{number:02}");
    (0..100).find_map(|check| format!("{body}{check:02}").parse().ok()).unwrap()
}

pub fn device() -> DeviceInfo {
    DeviceInfo::lte([0x35, 0x29, 0x06, 0x11])
}

pub fn metadata(iccid: [u8; 10], name: &str, class: ProfileClass) -> ProfileMetadata {
    ProfileMetadata {
        iccid,
        service_provider: "cellbed".to_owned(),
        name: name.to_owned(),
        icon: None,
        class,
        notifications: vec![NotificationConfiguration {
            events: NotificationEvents::ALL,
            address: SMDP.to_owned(),
        }],
        owner: None,
        rules: Default::default(),
        further: Vec::new(),
    }
}

pub struct Lab {
    pub pki: Pki,
    pub smdp: Smdp,
    pub smds: Smds,
    pub eim: Eim,
    pub store: MemoryStore,
    /// What the eIM has computed.
    pub tally: Tally,
    /// What went over the network, and what came of it.
    pub log: Vec<String>,
    /// What the eIM's clock says, Unix seconds.
    pub now: u64,
    pub between: Between,
    /// Changes what goes to the eIM.
    pub before: Box<dyn Fn(&HttpRequest) -> HttpRequest>,
    /// Answers in the place of the eIM.
    pub instead: Instead,
}

/// An answer in the place of the eIM's, to a request that it is not to see.
pub type Instead = Box<dyn FnMut(&HttpRequest) -> Option<HttpResponse>>;

/// Changes the answer to a request on the way; `None` loses it.
pub type Between = Box<dyn FnMut(&HttpRequest, HttpResponse) -> Option<HttpResponse>>;

/// A device of the lab.
pub struct Device {
    pub slot: CardSlot,
    /// Whether the card's results are forged from now on.
    pub forge: Arc<AtomicBool>,
}

pub fn eim(pki: &Pki, store: &MemoryStore, records: &Records, seed: u64, tally: &Tally) -> Eim {
    eim_with(pki, Box::new(store.clone()), records, seed, tally)
}

pub fn eim_with(pki: &Pki, store: Box<dyn Store>, records: &Records, seed: u64, tally: &Tally) -> Eim {
    let identity = pki.eim("cellbed-eim", NOW - 60, &RngTree::new(6)).unwrap();
    let settings = EimSettings {
        id: "cellbed-eim".to_owned(),
        address: EIM.to_owned(),
        indirect: true,
        peers: vec![SMDP.to_owned(), SMDS.to_owned()],
    };
    let anchors = vec![pki.anchor(Some(NOW), tally).unwrap()];
    let rng = RngTree::new(seed).stream("eim");
    Eim::new(settings, identity, anchors, rng, store, records, tally).unwrap()
}

impl Lab {
    pub fn new() -> Self {
        let tally = Tally::new();
        let pki = Pki::new(&RngTree::new(1), &PkiOptions::default()).unwrap();
        let anchor = || pki.anchor(Some(NOW), &tally).unwrap();
        let identity =
            pki.smdp(&"2.999.10".parse().unwrap(), &[SMDP.to_owned()], NOW - 60, &RngTree::new(4)).unwrap();
        let rng = RngTree::new(8).stream("smdp");
        let settings = SmdpSettings::new(SMDP);
        let store = Box::new(MemoryStore::default());
        let smdp =
            Smdp::new(settings, vec![(anchor(), identity)], rng, store, &Records::new(), &tally).unwrap();
        let identity =
            pki.smds(&"2.999.15".parse().unwrap(), &[SMDS.to_owned()], NOW - 60, &RngTree::new(5)).unwrap();
        let rng = RngTree::new(9).stream("smds");
        let store = Box::new(MemoryStore::default());
        let smds = Smds::new(SMDS, vec![(anchor(), identity)], rng, store, &Records::new(), &tally).unwrap();
        let store = MemoryStore::default();
        let counted = Tally::new();
        let eim = eim(&pki, &store, &Records::new(), 10, &counted);
        let mut lab = Self {
            pki,
            smdp,
            smds,
            eim,
            store,
            tally: counted,
            log: Vec::new(),
            now: NOW,
            between: Box::new(|_, response| Some(response)),
            before: Box::new(HttpRequest::clone),
            instead: Box::new(|_| None),
        };
        let iccid = lab.iccid();
        let metadata = metadata(
            Package::decode(TS48).unwrap().image().unwrap().iccid,
            "operational",
            ProfileClass::Operational,
        );
        let package = TS48.to_vec();
        lab.smdp.add_profile(Profile { iccid, profile_type: "ts48".to_owned(), metadata, package }).unwrap();
        lab
    }

    /// The ICCID of the profile on order.
    pub fn iccid(&self) -> Iccid {
        cellbed::wire::bcd::read_iccid(&Package::decode(TS48).unwrap().image().unwrap().iccid).unwrap()
    }

    /// Orders the profile: under a matching identifier, or for an EID.
    pub fn order(&mut self, matching_id: &str, eid: Option<Eid>, code: Option<&str>) {
        let iccid = self.iccid();
        let order = DownloadOrder { eid, iccid: Some(iccid.clone()), profile_type: None };
        self.smdp.download_order(&order).unwrap();
        let confirm = ConfirmOrder {
            iccid,
            eid: None,
            matching_id: Some(matching_id.to_owned()),
            confirmation_code: code.map(str::to_owned),
            smds: None,
            release: true,
        };
        self.smdp.confirm_order(NOW, &confirm).unwrap();
    }

    /// Tells the SM-DS of the order.
    pub fn announce(&mut self, eid: &Eid, event_id: &str) {
        let body = format!(
            r#"{{"header":{{"functionRequesterIdentifier":"2.999.10","functionCallIdentifier":"1"}},"eid":"{eid}","eventId":"{event_id}","rspServerAddress":"{SMDP}"}}"#
        );
        let path = "/gsma/rsp2/es12/registerEvent".to_owned();
        let request = HttpRequest {
            host: SMDS.to_owned(),
            path,
            content_type: JSON.to_owned(),
            body: body.into_bytes(),
        };
        let served = self.smds.handle(NOW, &request);
        assert_eq!(served.refusal, None, "{}", served.note);
    }

    /// A device with a bootstrap profile, enabled. With `eim` it knows the eIM of the lab.
    pub fn device(&self, number: u32, eim: bool) -> Device {
        let eid = eid(number);
        let (key, chain) = self.pki.euicc(&eid, &RngTree::new(20).branch(&eid)).unwrap();
        let anchor = self.pki.anchor(None, &Tally::new()).unwrap();
        let mut config = EuiccConfig::new(eid.clone(), key, chain, vec![anchor]);
        config.default_smdp = Some(SMDP.to_owned());
        config.root_smds = SMDS.to_owned();
        let profile = SimProfile::parse(include_str!("../../sim-profiles/lte-test.toml")).unwrap();
        let personalisation = Box::new(profile.personalise(0).unwrap());
        let iccid: Iccid = personalisation.iccid.clone();
        let bootstrap = Delivered::Personalised {
            metadata: metadata(cellbed::wire::bcd::iccid(&iccid), "bootstrap", ProfileClass::Operational),
            personalisation,
            trust_anchor: vec![7; 400],
        };
        let rng = RngTree::new(3).branch(&eid);
        let card = FaultyCard::new(Uicc::with_euicc(config, rng, vec![bootstrap]).unwrap().with_enabled(0));
        let forge = card.forge.clone();
        let mut slot = CardSlot::new(Box::new(card));
        slot.reset().unwrap();
        if eim {
            let added = AddInitialEim(vec![self.eim.configuration()]);
            let mut es10 = Es10::open(&mut slot).unwrap();
            es10.add_initial_eim(&added).unwrap();
            es10.close().unwrap();
        }
        Device { slot, forge }
    }

    /// Carries a request to whom it is for; `None` where it or its answer is lost.
    pub fn send(&mut self, request: &HttpRequest) -> Option<HttpResponse> {
        if request.host == EIM
            && let Some(response) = (self.instead)(request)
        {
            self.log.push(format!("in the place of the eIM: HTTP {}", response.status));
            return (self.between)(request, response);
        }
        let (response, note) = match request.host.as_str() {
            EIM => match self.eim.handle(self.now, &(self.before)(request)) {
                Action::Answer(answer) => {
                    let refusal = answer.refusal.map_or("ok", |refusal| refusal.word());
                    (answer.response, format!("{} {refusal}: {}", answer.function, answer.note))
                }
                Action::Relay { request, token } => {
                    let answered = self.send(&request);
                    let answer = self.eim.relayed(token, answered.as_ref().ok_or("lost"));
                    let refusal = answer.refusal.map_or("ok", |refusal| refusal.word());
                    (answer.response, format!("{} {refusal}: {}", answer.function, answer.note))
                }
            },
            SMDP => {
                let served = self.smdp.handle(NOW, request);
                (served.response, format!("{}: {}", served.function, served.note))
            }
            SMDS => {
                let served = self.smds.handle(NOW, request);
                (served.response, format!("{}: {}", served.function, served.note))
            }
            host => {
                self.log.push(format!("nobody is at {host}"));
                return None;
            }
        };
        self.log.push(note);
        (self.between)(request, response)
    }

    /// Runs a machine of the LPA to its end.
    pub fn drive<T>(
        &mut self,
        es10: &mut Es10<'_>,
        first: Step<T>,
        mut resume: impl FnMut(&mut Es10<'_>, Result<&HttpResponse, &str>) -> Step<T>,
    ) -> Result<T, LpaError> {
        let mut step = first;
        for _ in 0..100 {
            match step {
                Step::Send(request) => {
                    let response = self.send(&request);
                    step = resume(es10, response.as_ref().ok_or("lost on the way"));
                }
                Step::Done(done) => return Ok(done),
                Step::Failed(error) => return Err(error),
            }
        }
        panic!("the machine does not end: {:#?}", self.log)
    }

    pub fn ipa(&self, indirect: bool) -> Ipa {
        Ipa::new(IpaOptions {
            eim: EIM.to_owned(),
            device: device(),
            indirect,
            immediate_enable: false,
            plmn: Some([0, 0xf1, 0x10]),
        })
    }

    /// Lets an IPA work until there is nothing more to do. `connected` says whether the enabled profile, by its name,
    /// gives connectivity.
    pub fn poll(
        &mut self,
        device: &mut Device,
        ipa: &mut Ipa,
        connected: impl Fn(&str) -> bool,
    ) -> Result<PollReport, LpaError> {
        let mut es10 = Es10::open(&mut device.slot).unwrap();
        let mut step = ipa.start(&mut es10);
        let mut channel = es10.channel();
        for _ in 0..200 {
            step = match step {
                IpaStep::Idle(report) => return Ok(report),
                IpaStep::Failed(error) => return Err(error),
                IpaStep::Send(request) => {
                    let response = self.send(&request);
                    let mut es10 = Es10::attach(&mut device.slot, channel);
                    match response {
                        Some(response) => ipa.resume(&mut es10, &response),
                        None => ipa.failed(&mut es10, "lost on the way"),
                    }
                }
                IpaStep::ProfileChanged => {
                    device.slot.reset().unwrap();
                    let name = device.enabled().unwrap_or_default();
                    let mut es10 = Es10::open(&mut device.slot).unwrap();
                    channel = es10.channel();
                    ipa.resume_after_refresh(&mut es10, connected(&name))
                }
            };
        }
        panic!("the IPA does not end: {:#?}", self.log)
    }
}

impl Lab {
    /// The eIM as it comes back after a restart.
    pub fn restart_eim(&mut self, seed: u64) {
        self.eim = eim(&self.pki, &self.store, &self.store.records(), seed, &self.tally);
    }

    /// Sends a message to the eIM.
    pub fn esipa(&mut self, message: &EsipaRequest) -> HttpResponse {
        let path = "/gsma/rsp2/asn1".to_owned();
        let body = message.to_bytes();
        self.send(&HttpRequest { host: EIM.to_owned(), path, content_type: ASN1.to_owned(), body }).unwrap()
    }
}

impl Device {
    /// The name of the enabled profile.
    pub fn enabled(&mut self) -> Option<String> {
        let mut es10 = Es10::open(&mut self.slot).unwrap();
        let list = es10.profiles(&ProfileFilter::default()).unwrap();
        es10.close().unwrap();
        list.into_iter().find(|info| info.state == Some(ProfileState::Enabled)).and_then(|info| info.name)
    }
    /// The results of packages that no eIM has acknowledged.
    pub fn results(&mut self) -> Vec<Vec<u8>> {
        let mut es10 = Es10::open(&mut self.slot).unwrap();
        let retrieved = es10.retrieve(RetrieveNotifications::EuiccPackageResults).unwrap();
        es10.close().unwrap();
        retrieved.package_results
    }
}
