//! What is set up before the first device is switched on: the servers with their identities, and the subscribers that
//! come with the profiles. The order for a device is placed, and the eIM told what to do with its eUICC, when it asks
//! for the first time: a run of many devices holds packages only of those that are under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;
use schemars::JsonSchema;
use serde::Deserialize;

use super::eums::{Eum, EumSetup, Eums};
use super::faults::FaultySmdp;
use super::{EsimServices, SmdpFault, fault, tls_server};
use crate::card::{OtaKeys, SimProfile};
use crate::corenet::{HssFault, Policy, Subscriber};
use crate::crypto::Tally;
use crate::crypto::aka::AlgorithmSet;
use crate::crypto::tls::{KeyLogSink, VirtualClock};
use crate::esim::eim::{EimSettings, Rule, RuleStep};
use crate::esim::office::{Deed, Identities, Issue, Office, Opening, Server};
use crate::esim::pki::lab::{self, EIM_ID, eim_identity};
use crate::esim::pki::{Identity, Pki, PkiOptions, SmdpIdentity};
use crate::esim::smdp::{
    ConfirmOrder, DownloadOrder, OperatorConstant, PackageKeys, Producer, Profile, Smdp, SmdpSettings,
};
use crate::esim::store::{Forgetful, Records};
use crate::esim::{FunctionRefusal, HttpRequest};
use crate::event::Actor;
use crate::id::Eid;
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::net::ServiceAddress;
use crate::net::endpoint::{EIM, SMDP, SMDS};
use crate::services::ServiceError;
use crate::wire::bcd;
use crate::wire::rsp::iot::EsipaRequest;
use crate::wire::saip::Package;

/// How the eIM tells a device what to download (SGP.32 clause 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EsimTrigger {
    /// By an activation code with the matching identifier of an order.
    #[default]
    ActivationCode,
    /// By the default SM-DP+ that the eUICC is configured with: the order is bound to the EID.
    DefaultSmdp,
    /// By an event that the SM-DP+ has registered with the SM-DS.
    Smds,
}

/// The eSIM side, as the scenario wants it.
#[derive(Debug, Clone)]
pub struct EsimSetup {
    /// What operational profiles are made from; device number `n` gets its card number `n - 1`.
    pub profile: Arc<SimProfile>,
    /// The name of that profile.
    pub profile_name: String,
    /// The package that subscribers get with their own identity in it, in the place of one made for them.
    pub package: Option<Package>,
    /// How devices are told what to download.
    pub trigger: EsimTrigger,
    /// Whether the eIM speaks to the SM-DP+ in the place of the device.
    pub indirect: bool,
    /// Whether the operational subscribers are provisioned in the HSS.
    pub subscribed: bool,
    /// The manufacturers of eUICCs that are not the lab's own.
    pub eums: Vec<EumSetup>,
}

/// A device that is to get an operational profile.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// The number of the device, from 1.
    pub number: u32,
    /// The identifier of its eUICC.
    pub eid: Eid,
    /// What goes wrong with its download on purpose.
    pub fault: Option<SmdpFault>,
}

/// What the operator has to know of an operational profile.
pub struct Provisioned {
    /// The number of its device.
    pub device: u32,
    /// For the HSS.
    pub subscriber: Subscriber,
    /// For the OTA server: the keys that the profile has in its security domain.
    pub ota: OtaKeys,
}

/// The eSIM side of a run, ready.
pub struct Prepared {
    /// The office of the servers.
    pub services: EsimServices,
    /// Who issues the certificates of eUICCs without an EUM of their own.
    pub pki: Pki,
    /// The EUMs of the scenario, by name.
    pub eums: BTreeMap<String, Eum>,
    /// The operational subscribers.
    pub subscribers: Vec<Provisioned>,
    /// What each server presents itself with in TLS.
    pub tls: Vec<(ServiceAddress, Arc<ServerConfig>)>,
}

/// What everything here is made with.
pub struct Means<'a> {
    /// The randomness of the run.
    pub run: &'a RngTree,
    /// Where public-key operations are counted.
    pub tally: &'a Tally,
    /// The clock by which certificates are judged.
    pub clock: &'a VirtualClock,
    /// Where the secrets of TLS sessions go, if anywhere.
    pub key_log: Option<&'a KeyLogSink>,
}

/// Sets up the servers. Keys of subscribers are fresh; they go into the package and to the home network, and nowhere
/// else.
///
/// # Errors
/// Where an identity cannot be issued, or the profile runs out of subscribers.
pub fn prepare(setup: &EsimSetup, ordered: &[Ordered], means: &Means<'_>) -> Result<Prepared, ServiceError> {
    let Means { run, tally, clock, key_log } = means;
    let rng = &run.branch(lab::BRANCH);
    let pki = Pki::lab().map_err(fault)?;
    let eums = Eums::new(&setup.eums, &rng.branch("eums")).map_err(fault)?;
    let hosts =
        |endpoint: ServiceAddress| [endpoint.name.to_owned(), endpoint.actor.transport_address().to_string()];
    let issue = Issue {
        pki: &eums.lab,
        smdp_hosts: &hosts(SMDP),
        smds_hosts: &hosts(SMDS),
        from_unix_s: EPOCH_UNIX_S,
        now_unix_s: EPOCH_UNIX_S,
        rng,
        tally,
    };
    let eim = eim_identity(&pki, run).map_err(fault)?.counted(tally);
    let mut identities = Identities::issue(&issue, Some(eim)).map_err(fault)?;
    let of_smdp = (&identities.smdp.oid, &hosts(SMDP)[..]);
    let smds_oid = identities.smds.as_ref().map_or(&identities.smdp.oid, |smds| &smds.oid);
    let of_smds = (smds_oid, &hosts(SMDS)[..]);
    identities.further = eums.further(of_smdp, of_smds, rng, tally).map_err(fault)?;
    identities.eim_anchors = eums.all_anchors(tally).map_err(fault)?;
    // A certificate that signs packages is none for TLS: the eIM has one as an SM-DP+ has.
    let eim_tls = pki
        .smdp(&identities.smdp.oid, &hosts(EIM), EPOCH_UNIX_S, &rng.branch(Actor::EIM).branch("tls"))
        .map_err(fault)?
        .tls;
    let server = |identity: &Identity, endpoint| tls_server(identity, endpoint, rng, tally, clock, *key_log);
    let mut tls = vec![server(&identities.smdp.tls, SMDP)?];
    if let Some(smds) = &identities.smds {
        tls.push(server(&smds.tls, SMDS)?);
    }
    tls.push(server(&eim_tls, EIM)?);
    let rogue = match ordered.iter().any(|device| device.fault == Some(SmdpFault::RogueSmdp)) {
        true => Some(rogue(rng, &identities, tally)?),
        false => None,
    };
    let office = Office::open(Opening {
        smdp: SmdpSettings::new(SMDP.name),
        smds_address: SMDS.name,
        eim: Some(EimSettings {
            id: EIM_ID.to_owned(),
            address: EIM.name.to_owned(),
            indirect: setup.indirect,
            peers: Vec::new(),
        }),
        identities,
        rng,
        store: &|| Box::new(Forgetful),
        records: &Records::new(),
        tally,
    })
    .map_err(ServiceError::EsimStore)?;
    let mut office = office.with_smdp(|honest| FaultySmdp { honest, rogue, fault: None });
    let (orders, subscribers) = Orders::new(setup, ordered, rng, &mut office.smdp_mut().honest)?;
    let faults = ordered.iter().filter_map(|device| Some((device.number, device.fault?))).collect();
    Ok(Prepared {
        services: EsimServices { office, orders, faults },
        pki,
        eums: eums.by_name,
        subscribers,
        tls,
    })
}

/// An SM-DP+ whose certificates come from a CI of its own, and which says that the CI is the card's.
fn rogue(rng: &RngTree, honest: &Identities, tally: &Tally) -> Result<Smdp, ServiceError> {
    let stream = rng.branch(Actor::SMDP).stream("rogue");
    let rng = rng.branch("rogue");
    let foreign = Pki::new(&rng, &PkiOptions::default()).map_err(fault)?;
    let identity =
        foreign.smdp(&honest.smdp.oid, &[SMDP.name.to_owned()], EPOCH_UNIX_S, &rng).map_err(fault)?;
    let identity =
        SmdpIdentity { auth: identity.auth.counted(tally), pb: identity.pb.counted(tally), ..identity };
    let identities = vec![(honest.anchor.clone(), identity)];
    let settings = SmdpSettings::new(SMDP.name);
    Smdp::new(settings, identities, stream, Box::new(Forgetful), &Records::new(), tally)
        .map_err(ServiceError::EsimStore)
}

/// The orders that are still to be placed. What is drawn for each was drawn in the order of the devices' numbers, so
/// that it does not matter who asks first.
pub(super) struct Orders {
    producer: Producer,
    trigger: EsimTrigger,
    indirect: bool,
    awaited: BTreeMap<u32, Awaited>,
    by_eid: BTreeMap<Eid, u32>,
}

/// An order that is still to be placed.
struct Awaited {
    device: Ordered,
    keys: PackageKeys,
}

impl Orders {
    /// The orders for devices, and the subscribers that come with them.
    fn new(
        setup: &EsimSetup,
        ordered: &[Ordered],
        rng: &RngTree,
        smdp: &mut Smdp,
    ) -> Result<(Self, Vec<Provisioned>), ServiceError> {
        let keys = rng.branch(Actor::SMDP).branch("production");
        let producer = Producer::new((*setup.profile).clone(), &setup.profile_name, SMDP.name, keys);
        let producer = match setup.package.clone() {
            Some(base) => producer.with_base(base).ok_or(ServiceError::EsimPackage)?,
            None => producer,
        };
        let mut subscribers = Vec::new();
        let mut awaited = BTreeMap::new();
        for device in ordered {
            let (iccid, made) = producer.subscriber(device.number - 1)?;
            if setup.subscribed {
                let algorithm = match made.operator {
                    OperatorConstant::Opc(opc) => AlgorithmSet::Milenage(opc),
                    OperatorConstant::Topc(topc) => AlgorithmSet::Tuak(topc),
                    OperatorConstant::None => AlgorithmSet::Test,
                };
                let subscriber = Subscriber {
                    imsi: made.imsi,
                    iccid,
                    k: made.k,
                    algorithm,
                    amf: made.amf,
                    sqn: made.sqn,
                    apn: setup.profile.apn.clone().map(String::from),
                    pdn: Default::default(),
                    policy: Policy::Unrestricted,
                    fault: HssFault::None,
                };
                subscribers.push(Provisioned { device: device.number, subscriber, ota: made.ota });
            }
            awaited.insert(device.number, Awaited { device: device.clone(), keys: smdp.package_keys() });
        }
        let by_eid = ordered.iter().map(|device| (device.eid.clone(), device.number)).collect();
        let orders = Self { producer, trigger: setup.trigger, indirect: setup.indirect, awaited, by_eid };
        Ok((orders, subscribers))
    }

    /// Places the order for device `number`, which asks for something, where it has not been placed yet; for a clone,
    /// that of the card whose EID it says to the eIM.
    pub(super) fn place_for(
        &mut self,
        now_unix_s: u64,
        number: u32,
        request: &HttpRequest,
        office: &mut Office<FaultySmdp>,
        deeds: &mut Vec<Deed>,
    ) {
        if self.awaited.is_empty() {
            return;
        }
        let awaited =
            self.awaited.remove(&number).or_else(|| self.awaited.remove(self.by_eid.get(&asks(request)?)?));
        let Some(Awaited { device, keys }) = awaited else { return };
        self.by_eid.remove(&device.eid);
        if let Err(cause) = self.place(now_unix_s, &device, keys, office) {
            deeds.push(Deed::Failed { server: Server::Smdp, what: "order not placed", cause });
        }
    }

    fn place(
        &self,
        now_unix_s: u64,
        device: &Ordered,
        keys: PackageKeys,
        office: &mut Office<FaultySmdp>,
    ) -> Result<(), String> {
        let (profile, _) = self.producer.make(device.number - 1).map_err(|error| error.to_string())?;
        let smdp = &mut office.smdp_mut().honest;
        self.order(now_unix_s, smdp, device, profile, keys).map_err(|refusal| refusal.to_string())?;
        let step = match self.trigger {
            EsimTrigger::ActivationCode => RuleStep::DownloadByCode {
                code: format!("LPA:1${}${}", SMDP.name, matching_id(device)),
                hidden: self.indirect,
            },
            EsimTrigger::DefaultSmdp => RuleStep::DownloadFromDefault,
            EsimTrigger::Smds => RuleStep::DownloadBySmds { address: Some(SMDS.name.to_owned()) },
        };
        let Some(eim) = office.eim_mut() else { return Ok(()) };
        eim.add_rule(Rule::zero_touch(device.eid.as_str(), step));
        eim.register(&device.eid, None).map_err(|error| error.to_string())
    }

    fn order(
        &self,
        now_unix_s: u64,
        smdp: &mut Smdp,
        device: &Ordered,
        profile: Profile,
        keys: PackageKeys,
    ) -> Result<(), FunctionRefusal> {
        // An EID that no device here has.
        let stranger = || device.eid.plus(1_000_000).unwrap_or_else(|| device.eid.clone());
        let eid = match (device.fault, self.trigger) {
            (Some(SmdpFault::WrongEid), _) => Some(stranger()),
            (_, EsimTrigger::ActivationCode) => None,
            _ => Some(device.eid.clone()),
        };
        let iccid = profile.iccid.clone();
        smdp.add_profile_with(profile, keys)?;
        let download = DownloadOrder { eid: eid.clone(), iccid: Some(iccid.clone()), profile_type: None };
        smdp.download_order(&download)?;
        let confirm = ConfirmOrder {
            iccid,
            eid,
            matching_id: Some(match self.trigger {
                EsimTrigger::DefaultSmdp => String::new(),
                _ => matching_id(device),
            }),
            confirmation_code: None,
            smds: (self.trigger == EsimTrigger::Smds).then(|| SMDS.name.to_owned()),
            release: true,
        };
        smdp.confirm_order(now_unix_s, &confirm).map(drop)
    }
}

/// The EID that asks the eIM for a package.
fn asks(request: &HttpRequest) -> Option<Eid> {
    match EsipaRequest::parse(&request.body).ok()? {
        EsipaRequest::GetEimPackage(get) => bcd::read_eid(&get.eid).ok(),
        _ => None,
    }
}

fn matching_id(device: &Ordered) -> String {
    format!("CELLBED-{:06}", device.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esim::ESIPA_PATH;
    use crate::kernel::Instant;
    use crate::services::inventory::Inventory;
    use crate::wire::http::Request;
    use crate::wire::rsp::iot::GetEimPackage;

    fn services(devices: u32) -> (EsimServices, Vec<Ordered>, Vec<Subscriber>) {
        let profile = SimProfile::parse(include_str!("../../../sim-profiles/lte-test.toml")).unwrap();
        let eid = |number: u32| profile.personalise(number - 1).unwrap().eid;
        let ordered: Vec<Ordered> =
            (1..=devices).map(|number| Ordered { number, eid: eid(number), fault: None }).collect();
        let setup = EsimSetup {
            profile: Arc::new(profile.clone()),
            profile_name: "lte-test".to_owned(),
            package: None,
            trigger: EsimTrigger::ActivationCode,
            indirect: false,
            subscribed: true,
            eums: Vec::new(),
        };
        let (run, tally, clock) = (RngTree::new(7), Tally::new(), VirtualClock::new(EPOCH_UNIX_S));
        let means = Means { run: &run, tally: &tally, clock: &clock, key_log: None };
        let prepared = prepare(&setup, &ordered, &means).unwrap();
        let subscribers = prepared.subscribers.into_iter().map(|made| made.subscriber).collect();
        (prepared.services, ordered, subscribers)
    }

    /// Device `number` with the card `eid` asks the eIM what there is to do.
    fn ask(services: &mut EsimServices, number: u32, eid: &Eid) {
        let get = GetEimPackage { eid: bcd::eid(eid), notify_state_change: false, cause: None, plmn: None };
        let body = EsipaRequest::GetEimPackage(get).to_bytes();
        let request = Request::new("POST", ESIPA_PATH, EIM.name).body(crate::esim::ASN1, body);
        let (mut inventory, mut events) = (Inventory::default(), Vec::new());
        let now = Instant::ZERO;
        let response = services.answer(now, Actor::EIM, number, &request, &mut inventory, &mut events);
        assert_eq!((response.status, events.len()), (200, 0), "{events:?}");
    }

    /// The orders that there are, as they are kept, without the order in which they were released.
    fn placed(services: &EsimServices) -> BTreeMap<String, serde_json::Value> {
        let orders = services.office.smdp().honest.orders();
        let kept = orders.map(|order| {
            let mut kept = serde_json::to_value(order).unwrap();
            kept.as_object_mut().unwrap().remove("released");
            (order.iccid().to_string(), kept)
        });
        kept.collect()
    }

    #[test]
    fn an_order_is_placed_when_its_device_asks_and_is_the_same_whoever_asks_first() {
        let (mut one, devices, subscribers) = services(3);
        assert_eq!((placed(&one).len(), subscribers.len()), (0, 3));
        assert_eq!(one.office.eim().unwrap().euiccs().count(), 0);
        ask(&mut one, 2, &devices[1].eid);
        ask(&mut one, 2, &devices[1].eid);
        let first: Vec<String> = placed(&one).into_keys().collect();
        assert_eq!(first, [subscribers[1].iccid.to_string()]);
        ask(&mut one, 1, &devices[0].eid);
        ask(&mut one, 3, &devices[2].eid);
        let (mut other, ..) = services(3);
        for device in &devices {
            ask(&mut other, device.number, &device.eid);
        }
        assert_eq!(placed(&one), placed(&other));
        assert!(one.orders.awaited.is_empty() && one.orders.by_eid.is_empty());
    }

    #[test]
    fn a_clone_that_asks_first_finds_the_order_for_the_card_that_it_copies() {
        let (mut services, devices, subscribers) = services(2);
        ask(&mut services, 9, &devices[1].eid);
        assert_eq!(placed(&services).into_keys().collect::<Vec<_>>(), [subscribers[1].iccid.to_string()]);
        ask(&mut services, 2, &devices[1].eid);
        assert_eq!(placed(&services).len(), 1);
    }
}
