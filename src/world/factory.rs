//! Builds the devices of a run, each when it is switched on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand_core::RngCore;

use super::WorldError;
use super::euicc::{EuiccIssue, EuiccServers, virtual_euicc};
use crate::card::{
    CardError, CardHandle, CardOp, CardPort, CardSlot, EuiccEvent, Personalisation, SharedDiary, SimProfile,
    Uicc,
};
use crate::crypto::tls::{KeyLogSink, Providers, VirtualClock};
use crate::crypto::{Op, SoftKey, Tally};
use crate::device::Device;
use crate::device::application::{Applet, Application, Identity, Malice};
use crate::device::burned::Burned;
use crate::device::iot_safe::Dialect;
use crate::device::ipa::Assistant;
use crate::device::plan::{Act, Cut};
use crate::device::power::{Battery, Powered};
use crate::device::procedure::Procedure;
use crate::device::sentinel::Sentinel;
use crate::esim::pki::Pki;
use crate::event::Actor;
use crate::id::{Imei, Tac};
use crate::kernel::RngTree;
use crate::ledger::{LightAnchors, Model};
use crate::ran::{UeConfig, usim};
use crate::services::esim::Eum;
use crate::services::updates::Delivered;
use crate::services::{ServiceError, Way};
use crate::update::{Firmware, Trust};
use crate::wire::nas::PdnType;

/// What is not as it should be inside a device, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mischief {
    /// Nothing.
    #[default]
    None,
    /// The host presents a key of its own in the place of the card's.
    SoftKey,
    /// The host talks to another card than the modem does: a genuine one, of another device.
    OtherCard,
    /// The host has the card make a new key each time.
    NewKeys,
    /// The card has all secrets of its identity but the keys for packets over the air.
    NoOtaKeys,
}

/// What distinguishes one device from another.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// The SIM profile that its card is made from.
    pub profile: Arc<SimProfile>,
    /// Which card of the profile it carries, from 0.
    pub index: u32,
    /// Where its power is cut in the middle of a step, each once.
    pub cuts: Vec<Cut>,
    /// What is not as it should be inside it.
    pub mischief: Mischief,
    /// The EUM of its eUICC; the lab's own where there is none.
    pub eum: Option<Arc<str>>,
    /// How its application speaks to the IoT SAFE applet.
    pub dialect: Dialect,
    /// Its model.
    pub model: Arc<str>,
    /// The revision of its board.
    pub board: u8,
    /// The type allocation code of its modem.
    pub tac: Tac,
    /// The number of the device whose secret it has, where the factory burns secrets: its own, or that of the one it copies.
    pub secret_of: u32,
    /// The number of the device whose very card it has, once that one has left.
    pub card_of: Option<u32>,
    /// The access point name that its modem asks for, where it is not that of its profile.
    pub apn: Option<String>,
    /// The versions of IP that its modem asks for.
    pub pdn_type: PdnType,
}

/// What makes cards eUICCs, and what their devices know of the eSIM side.
#[derive(Clone)]
pub struct EsimIssue {
    /// The hierarchy that certifies the eUICCs.
    pub pki: Pki,
    /// The EUMs of the scenario, by name.
    pub eums: BTreeMap<String, Eum>,
    /// The servers that each eUICC is delivered with.
    pub servers: EuiccServers,
    /// Whether devices leave the talk with SM-DP+ and SM-DS to the eIM.
    pub indirect: bool,
}

/// Everything that a device is made from.
pub struct Factory {
    /// What each device is made from, by its number less one.
    pub blueprints: Vec<Blueprint>,
    /// What every device is to do.
    pub plan: Vec<Act>,
    /// How devices come to their identity.
    pub way: Way,
    /// Present where the cards are eUICCs.
    pub esim: Option<EsimIssue>,
    /// The firmware that devices are delivered with, where they take updates.
    pub delivered: Option<Delivered>,
    /// The root that the operator leaves on every card, DER.
    pub trust_anchor: Vec<u8>,
    /// The clock by which devices judge certificates.
    pub clock: VirtualClock,
    /// Where the secrets of TLS sessions go, if anywhere.
    pub key_log: Option<KeyLogSink>,
    /// Where public-key operations are counted.
    pub tally: Tally,
    /// What devices do TLS with.
    pub providers: Providers,
    /// Where the random values of devices are drawn from.
    pub rng: RngTree,
    /// The card of the first device, where it is not a virtual one made for the run.
    pub card: Option<Box<dyn CardPort>>,
    /// The models of the devices that carry a guard of their own.
    pub models: BTreeMap<u32, Arc<cellbed_guard::Model>>,
    /// The ledger that vouches for the cloud, where one does.
    pub vouching: Option<Arc<LightAnchors>>,
}

/// The serial number on device `number` of a run, and the secret that the factory burns into it.
pub(super) fn burned_secret(run: &RngTree, number: u32) -> (String, String) {
    let mut octets = [0; 16];
    run.branch(Actor::device(number)).stream("factory-secret").fill_bytes(&mut octets);
    (format!("sn-{number:06}"), hex::encode(octets))
}

/// The virtual card that device `number` of a run carries. `run` is the run's randomness, `trust_anchor` the root
/// that the operator leaves on every card, DER.
///
/// # Errors
/// Where the profile has no such card.
pub fn virtual_card(
    card: &Personalisation,
    number: u32,
    run: &RngTree,
    trust_anchor: &[u8],
) -> Result<Uicc, CardError> {
    Uicc::new(card, run.branch(Actor::card(number)), trust_anchor)
}

impl Factory {
    /// The number of the device whose very card device `number` is to have, if it is to have one of another.
    pub(super) fn card_of(&self, number: u32) -> Option<u32> {
        self.blueprints.get((number as usize).checked_sub(1)?)?.card_of
    }

    /// The number of the device that the card of device `number` was given to: its own, but for one that is carried on.
    pub(super) fn card_owner(&self, number: u32) -> u32 {
        let mut owner = number;
        // A card comes from an earlier device.
        while let Some(before) = self.card_of(owner).filter(|before| *before < owner) {
            owner = before;
        }
        owner
    }

    /// The numbers of the devices whose cards others are to have after them.
    pub(super) fn cards_awaited(&self) -> BTreeSet<u32> {
        self.blueprints.iter().filter_map(|blueprint| blueprint.card_of).collect()
    }

    /// Device `number`, switched off, with its card in it: `carried`, where somebody has taken it out of another device.
    ///
    /// # Errors
    /// Where there is no such device, or its card cannot be personalised.
    pub fn build(&mut self, number: u32, carried: Option<CardHandle>) -> Result<Device, WorldError> {
        let blueprint = (number as usize)
            .checked_sub(1)
            .and_then(|index| self.blueprints.get(index))
            .ok_or(WorldError::NoSuchDevice { device: number, devices: self.blueprints.len() })?;
        let mut personalisation = blueprint.profile.personalise(blueprint.index)?;
        if blueprint.mischief == Mischief::NoOtaKeys {
            personalisation.ota = None;
        }
        let battery = Battery::new(blueprint.cuts.clone());
        let own = if number == 1 { self.card.take() } else { None };
        let applet = match (&own, &carried) {
            (Some(_), _) => Applet::FromElsewhere,
            // Whoever has a card has what its applet has made and been given.
            (None, Some(_)) => Applet::Used,
            (None, None) => Applet::New,
        };
        let card = match carried {
            Some(card) => card,
            None => {
                let diary = SharedDiary::default();
                let port = match own {
                    Some(card) => card,
                    None => self.virtual_card(&personalisation, number, blueprint.eum.as_deref(), &diary)?,
                };
                let port: Box<dyn CardPort> = match battery.is_at_risk() {
                    true => Box::new(Powered::new(port, battery.clone())),
                    false => port,
                };
                CardSlot::shared(port, diary)
            }
        };
        // A device whose subscriber will change asks for no access point: the subscription says it.
        let of_profile =
            || self.esim.is_none().then(|| personalisation.apn.clone()).flatten().map(String::from);
        let apn = blueprint.apn.clone().or_else(of_profile);
        let modem = (
            UeConfig {
                apn,
                pdn_type: blueprint.pdn_type,
                imei: Imei::of_model(blueprint.tac, number),
                ..UeConfig::new(number)
            },
            self.rng.branch(Actor::ue(number)),
        );
        let assistant = self.esim.as_ref().map(|issue| {
            let ci = issue.pki.ci.certificate.der().to_vec();
            Assistant::new(ci, issue.indirect)
        });
        let rng = self.rng.branch(Actor::device(number));
        let application = Application {
            number,
            card: match blueprint.mischief {
                Mischief::OtherCard => self.other_card(number)?,
                _ => card.clone(),
            },
            provider: self.providers.provider(rng.branch("tls")),
            clock: self.clock.clone(),
            tally: self.tally.clone(),
            key_log: self.key_log.clone(),
            applet,
            malice: match blueprint.mischief {
                Mischief::SoftKey => {
                    Malice::SoftKey(Box::new(SoftKey::from_stream(&mut rng.stream("soft-key"))))
                }
                Mischief::NewKeys => Malice::NewKeys,
                Mischief::None | Mischief::OtherCard | Mischief::NoOtaKeys => Malice::None,
            },
            burned: self.burned(blueprint, &rng),
            identity: Identity::default(),
            dialect: blueprint.dialect,
            vouching: self.vouching.clone(),
            firmware: self.delivered.as_ref().map(|one| delivered(one, blueprint)).transpose()?.map(Box::new),
        };
        Ok(Device::new(
            number,
            modem,
            card,
            Procedure::new(self.plan.clone(), application, assistant, battery.clone()),
            battery,
            rng,
        )
        .guarded(self.models.get(&number).map(|model| Sentinel::new(model))))
    }

    /// What the factory has burned into a device, in the traditional way.
    fn burned(&self, blueprint: &Blueprint, rng: &RngTree) -> Option<Box<Burned>> {
        let (serial, password) = burned_secret(&self.rng, blueprint.secret_of);
        let burned =
            || Burned::new(serial, password, self.trust_anchor.clone(), rng.clone(), self.tally.clone());
        (self.way == Way::Traditional).then(|| Box::new(burned()))
    }

    /// A genuine card that no device of the run has, switched on: with its own identity and keys, of the profile of device
    /// `number`.
    fn other_card(&self, number: u32) -> Result<CardHandle, WorldError> {
        /// Further on than any device's.
        const BEYOND: u32 = 1_000_000;
        let beyond = number.saturating_add(BEYOND);
        let Some(blueprint) = self.blueprints.get(number as usize - 1) else {
            return Err(WorldError::NoSuchDevice { device: number, devices: self.blueprints.len() });
        };
        let card = blueprint.profile.personalise(blueprint.index.saturating_add(BEYOND))?;
        let port = Box::new(virtual_card(&card, beyond, &self.rng, &self.trust_anchor)?);
        let slot = CardSlot::shared(port, SharedDiary::default());
        usim::activate(&slot)?;
        Ok(slot)
    }

    fn virtual_card(
        &self,
        card: &Personalisation,
        number: u32,
        eum: Option<&str>,
        diary: &SharedDiary,
    ) -> Result<Box<dyn CardPort>, WorldError> {
        let tally = self.tally.clone();
        let mut uicc = match &self.esim {
            Some(issue) => {
                let EsimIssue { pki, eums, servers, .. } = issue;
                let own = eum.and_then(|name| eums.get(name));
                let (pki, svn) = own.map_or((pki, None), |own| (&own.pki, own.svn));
                let issue = EuiccIssue { pki, servers, bootstrap: true, svn, identity: None };
                virtual_euicc(card, number, &self.rng, &self.trust_anchor, &issue)?
            }
            None => virtual_card(card, number, &self.rng, &self.trust_anchor)?,
        };
        let refusing = diary.clone();
        uicc.set_euicc_listener(Arc::new(move |event: &EuiccEvent| {
            if let (Some(_), Ok(mut diary)) = (event.code, refusing.lock()) {
                diary.refused.push(event.clone());
            }
        }));
        let computing = diary.clone();
        Ok(Box::new(uicc.with_tally(Arc::new(move |op| {
            tally.count(counted(op));
            if let Ok(mut diary) = computing.lock() {
                diary.computed.push(op);
            }
        }))))
    }
}

/// The firmware of a new device.
fn delivered(delivered: &Delivered, blueprint: &Blueprint) -> Result<Firmware, WorldError> {
    let model = Model::new(&blueprint.model).map_err(|error| ServiceError::Release(error.to_string()))?;
    let trust = Trust { model, ..delivered.trust.clone() };
    let firmware = Firmware::delivered(trust, &delivered.envelope, &delivered.image, blueprint.board);
    Ok(firmware.map_err(|error| ServiceError::Release(error.to_string()))?)
}

/// What the card computes, in the words of the tally.
fn counted(op: CardOp) -> Op {
    match op {
        CardOp::KeyGen => Op::P256KeyGen,
        CardOp::Sign => Op::P256Sign,
        CardOp::Agree => Op::P256Agree,
        CardOp::Verify => Op::P256Verify,
    }
}
