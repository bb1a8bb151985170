//! What is set up before the first device is switched on: the servers with their identities, an order for each
//! device, the subscribers that come with the profiles, and what the eIM is to do with each eUICC.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;

use super::{EsimFault, EsimServices, fault, tls_server};
use crate::card::SimProfile;
use crate::corenet::{HssFault, Policy, Subscriber};
use crate::crypto::Tally;
use crate::crypto::tls::{KeyLogSink, VirtualClock};
use crate::esim::eim::{Eim, EimSettings, Rule, RuleStep};
use crate::esim::pki::lab::{self, EIM_ID, eim_identity};
use crate::esim::pki::{Identity, Pki, PkiOptions, SmdpIdentity};
use crate::esim::smdp::{
    ConfirmOrder, DownloadOrder, OperatorConstant, OrderState, Producer, Profile, Smdp, SmdpSettings,
};
use crate::esim::smds::Smds;
use crate::esim::store::{Forgetful, Records};
use crate::esim::{EsimError, Refusal};
use crate::event::{Actor, Body};
use crate::id::Eid;
use crate::kernel::{EPOCH_UNIX_S, RngTree};
use crate::net::ServiceAddress;
use crate::net::endpoint::{EIM, SMDP, SMDS};
use crate::services::ServiceError;
use crate::services::inventory::Inventory;
use crate::wire::rsp::{NotificationEvents, PendingNotification};
use crate::wire::saip::Package;

/// The object identifiers of SM-DP+ and SM-DS, in the arc for examples (ITU-T X.660).
const SMDP_OID: &str = "2.999.10";
const SMDS_OID: &str = "2.999.15";
/// How the eIM tells a device what to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    ActivationCode,
    DefaultSmdp,
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
    pub trigger: Trigger,
    /// Whether the eIM speaks to the SM-DP+ in the place of the device.
    pub indirect: bool,
    /// Whether the operational subscribers are provisioned in the HSS.
    pub subscribed: bool,
}

/// A device that is to get an operational profile.
pub struct Ordered {
    pub number: u32,
    pub eid: Eid,
    pub fault: Option<EsimFault>,
}

/// The eSIM side of a run, ready.
pub struct Prepared {
    pub services: EsimServices,
    /// Who issues the certificates of eUICCs.
    pub pki: Pki,
    /// The operational subscribers, for the HSS, each with the number of its device.
    pub subscribers: Vec<(u32, Subscriber)>,
    pub tls: Vec<(ServiceAddress, Arc<ServerConfig>)>,
}

/// What everything here is made with.
pub struct Means<'a> {
    /// The randomness of the run.
    pub run: &'a RngTree,
    pub tally: &'a Tally,
    pub clock: &'a VirtualClock,
    pub key_log: Option<&'a KeyLogSink>,
}

/// Sets up the servers and places the orders. Keys of subscribers are fresh; they go into the package and to the
/// home network in the same act, and nowhere else.
///
/// # Errors
/// Where an identity cannot be issued, or the profile runs out of subscribers.
pub fn prepare(setup: &EsimSetup, ordered: &[Ordered], means: &Means<'_>) -> Result<Prepared, ServiceError> {
    let Means { run, tally, clock, key_log } = means;
    let rng = &run.branch(lab::BRANCH);
    let pki = Pki::lab().map_err(fault)?;
    let anchor = pki.anchor(Some(EPOCH_UNIX_S), tally).map_err(fault)?;
    let hosts =
        |endpoint: ServiceAddress| [endpoint.name.to_owned(), endpoint.actor.transport_address().to_string()];
    let oid = |text: &str| text.parse().map_err(EsimError::Certificate).map_err(fault);

    let smdp =
        pki.smdp(&oid(SMDP_OID)?, &hosts(SMDP), EPOCH_UNIX_S, &rng.branch(Actor::SMDP)).map_err(fault)?;
    let smds =
        pki.smds(&oid(SMDS_OID)?, &hosts(SMDS), EPOCH_UNIX_S, &rng.branch(Actor::SMDS)).map_err(fault)?;
    let eim = eim_identity(&pki, run).map_err(fault)?.counted(tally);
    // A certificate that signs packages is none for TLS: the eIM has one as an SM-DP+ has.
    let eim_tls = pki
        .smdp(&oid(SMDP_OID)?, &hosts(EIM), EPOCH_UNIX_S, &rng.branch(Actor::EIM).branch("tls"))
        .map_err(fault)?
        .tls;
    let server = |identity: &Identity, endpoint| tls_server(identity, endpoint, rng, tally, clock, *key_log);
    let tls = vec![server(&smdp.tls, SMDP)?, server(&smds.tls, SMDS)?, server(&eim_tls, EIM)?];

    let start_smdp = |anchor, identity: SmdpIdentity, branch: &str| {
        let stream = rng.branch(Actor::SMDP).stream(branch);
        let identity =
            SmdpIdentity { auth: identity.auth.counted(tally), pb: identity.pb.counted(tally), ..identity };
        let settings = SmdpSettings::new(SMDP.name);
        Smdp::new(settings, vec![(anchor, identity)], stream, Box::new(Forgetful), &Records::new(), tally)
            .map_err(ServiceError::EsimStore)
    };
    let rogue = match ordered.iter().any(|device| device.fault == Some(EsimFault::RogueSmdp)) {
        true => Some(rogue(rng, &pki, &start_smdp)?),
        false => None,
    };
    let mut services = EsimServices {
        smdp: start_smdp(anchor.clone(), smdp, "smdp")?,
        rogue,
        smds: Smds::new(
            SMDS.name,
            vec![(anchor.clone(), smds)],
            rng.branch(Actor::SMDS).stream("smds"),
            Box::new(Forgetful),
            &Records::new(),
            tally,
        )
        .map_err(ServiceError::EsimStore)?,
        eim: Eim::new(
            EimSettings { id: EIM_ID.to_owned(), address: EIM.name.to_owned(), indirect: setup.indirect },
            eim,
            vec![anchor],
            rng.branch(Actor::EIM).stream("eim"),
            Box::new(Forgetful),
            &Records::new(),
            tally,
        )
        .map_err(ServiceError::EsimStore)?,
        faults: ordered.iter().filter_map(|device| Some((device.number, device.fault?))).collect(),
    };
    let subscribers = place(&mut services, setup, ordered, rng)?;
    Ok(Prepared { services, pki, subscribers, tls })
}

/// An SM-DP+ whose certificates come from a CI of its own, and which says that the CI is the card's.
fn rogue(
    rng: &RngTree,
    pki: &Pki,
    start: &impl Fn(crate::crypto::rsp_cert::TrustAnchor, SmdpIdentity, &str) -> Result<Smdp, ServiceError>,
) -> Result<Smdp, ServiceError> {
    let rng = rng.branch("rogue");
    let foreign = Pki::new(&rng, &PkiOptions::default()).map_err(fault)?;
    let hosts = [SMDP.name.to_owned()];
    let oid = SMDP_OID.parse().map_err(EsimError::Certificate).map_err(fault)?;
    let identity = foreign.smdp(&oid, &hosts, EPOCH_UNIX_S, &rng).map_err(fault)?;
    let anchor = pki.anchor(Some(EPOCH_UNIX_S), &Tally::new()).map_err(fault)?;
    start(anchor, identity, "rogue")
}

/// Places an order for each device, tells the eIM, and returns the subscribers.
fn place(
    services: &mut EsimServices,
    setup: &EsimSetup,
    ordered: &[Ordered],
    rng: &RngTree,
) -> Result<Vec<(u32, Subscriber)>, ServiceError> {
    let keys = rng.branch(Actor::SMDP).branch("production");
    let producer = Producer::new((*setup.profile).clone(), &setup.profile_name, SMDP.name, keys);
    let producer = match setup.package.clone() {
        Some(base) => producer.with_base(base).ok_or(ServiceError::EsimPackage)?,
        None => producer,
    };
    let mut subscribers = Vec::new();
    for device in ordered {
        let (profile, made) = producer.make(device.number - 1)?;
        if let (true, OperatorConstant::Opc(opc)) = (setup.subscribed, made.operator) {
            let subscriber = Subscriber {
                imsi: made.imsi,
                iccid: profile.iccid.clone(),
                k: made.k,
                opc,
                amf: made.amf,
                sqn: made.sqn,
                apn: Some(setup.profile.apn.clone()),
                policy: Policy::Unrestricted,
                fault: HssFault::None,
            };
            subscribers.push((device.number, subscriber));
        }
        order(&mut services.smdp, &mut services.smds, setup, device, profile).map_err(|refusal| {
            ServiceError::EsimOrder { device: device.number, cause: refusal.to_string() }
        })?;
        let step = match setup.trigger {
            Trigger::ActivationCode => RuleStep::DownloadByCode {
                code: format!("LPA:1${}${}", SMDP.name, matching_id(device)),
                hidden: setup.indirect,
            },
            Trigger::DefaultSmdp => RuleStep::DownloadFromDefault,
            Trigger::Smds => RuleStep::DownloadBySmds { address: Some(SMDS.name.to_owned()) },
        };
        services.eim.add_rule(Rule::zero_touch(device.eid.as_str(), step));
        services.eim.register(&device.eid, None).map_err(ServiceError::EsimStore)?;
    }
    Ok(subscribers)
}

fn matching_id(device: &Ordered) -> String {
    format!("CELLBED-{:06}", device.number)
}

fn order(
    smdp: &mut Smdp,
    smds: &mut Smds,
    setup: &EsimSetup,
    device: &Ordered,
    profile: Profile,
) -> Result<(), Refusal> {
    // An EID that no device here has.
    let stranger = || device.eid.plus(1_000_000).unwrap_or_else(|| device.eid.clone());
    let eid = match (device.fault, setup.trigger) {
        (Some(EsimFault::WrongEid), _) => Some(stranger()),
        (_, Trigger::ActivationCode) => None,
        _ => Some(device.eid.clone()),
    };
    let iccid = profile.iccid.clone();
    smdp.add_profile(profile)?;
    smdp.download_order(&DownloadOrder { eid: eid.clone(), iccid: Some(iccid.clone()), profile_type: None })?;
    smdp.confirm_order(
        EPOCH_UNIX_S,
        &ConfirmOrder {
            iccid,
            eid,
            matching_id: Some(match setup.trigger {
                Trigger::DefaultSmdp => String::new(),
                _ => matching_id(device),
            }),
            confirmation_code: None,
            smds: (setup.trigger == Trigger::Smds).then(|| SMDS.name.to_owned()),
            release: true,
        },
    )?;
    // The SM-DS hears of it before any device is on.
    while let Some(request) = smdp.poll(EPOCH_UNIX_S) {
        let served = smds.handle(EPOCH_UNIX_S, &request);
        // What failed is asked again later, as its deadline says; here it shows as an event that nobody finds.
        let _ = smdp.resume(EPOCH_UNIX_S, Some(&served.response));
    }
    Ok(())
}

/// A notification that the SM-DP+ has verified: of an installation, the card that holds the subscription is known
/// from now on.
pub(super) fn note_installed(smdp: &Smdp, body: &[u8], inventory: &mut Inventory, events: &mut Vec<Body>) {
    let notification = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|body| STANDARD.decode(body.get("pendingNotification")?.as_str()?).ok())
        .and_then(|bytes| PendingNotification::parse(&bytes).ok()?.metadata().ok());
    let Some(metadata) = notification else { return };
    let iccid = metadata.iccid.as_ref().and_then(crate::esim::digits::iccid_of);
    let Some(order) = iccid.and_then(|iccid| smdp.order(&iccid)) else { return };
    let Some(eid) = order.eid() else { return };
    let fields = vec![
        ("event", metadata.event.name().to_owned()),
        ("iccid", order.iccid().to_string()),
        ("eid", eid.to_string()),
        ("order", order.state().to_string()),
    ];
    events.push(Body::note(Actor::SMDP, "notification verified", fields));
    if metadata.event == NotificationEvents::INSTALL && order.state() == OrderState::Installed {
        inventory.bind(order.iccid().clone(), eid.clone());
    }
}
