//! Builds the devices of a run, each when it is switched on.

use std::sync::Arc;

use super::OnboardError;
use super::device::Device;
use super::procedure::Procedure;
use super::steps::{Identity, Tools};
use crate::card::{CardError, CardOp, CardPort, CardSlot, Personalisation, SimProfile, Uicc};
use crate::crypto::tls::{self, KeyLogSink, VirtualClock};
use crate::crypto::{Op, Tally};
use crate::event::{Actor, Step};
use crate::ran::{Ue, UeConfig};
use crate::sim::RngTree;

/// What distinguishes one device from another.
#[derive(Debug, Clone)]
pub struct Blueprint {
    pub profile: Arc<SimProfile>,
    /// Which card of the profile it carries, from 0.
    pub index: u32,
}

/// What makes cards eUICCs, and what their devices know of the eSIM side.
#[derive(Clone)]
pub struct EsimIssue {
    pub pki: Pki,
    /// What the eIM has put into each eUICC before it left the factory.
    pub eim: EimConfigurationData,
    /// Whether devices leave the talk with SM-DP+ and SM-DS to the eIM.
    pub indirect: bool,
    /// The devices whose card loses its power in the middle of the download, once.
    pub power_cuts: BTreeSet<u32>,
}

/// Everything that a device is made from.
pub struct Factory {
    pub blueprints: Vec<Blueprint>,
    pub steps: Vec<Step>,
    /// Present where the cards are eUICCs.
    pub esim: Option<EsimIssue>,
    /// The root that the operator leaves on every card, DER.
    pub trust_anchor: Vec<u8>,
    pub clock: VirtualClock,
    pub key_log: Option<KeyLogSink>,
    pub tally: Tally,
    pub rng: RngTree,
    /// The card of the first device, where it is not a virtual one made for the run.
    pub card: Option<Box<dyn CardPort>>,
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
    Uicc::new(card, run.branch(Actor::Card(number)), trust_anchor)
}

impl Factory {
    /// Device `number`, switched off, with its card in it.
    ///
    /// # Errors
    /// Where there is no such device, or its card cannot be personalised.
    pub fn build(&mut self, number: u32) -> Result<Device, OnboardError> {
        let blueprint = (number as usize)
            .checked_sub(1)
            .and_then(|index| self.blueprints.get(index))
            .ok_or(OnboardError::NoSuchDevice { device: number, devices: self.blueprints.len() })?;
        let personalisation = blueprint.profile.personalise(blueprint.index)?;
        let own = if number == 1 { self.card.take() } else { None };
        let card = match own {
            Some(card) => CardSlot::shared(card),
            None => CardSlot::shared(Box::new(self.virtual_card(&personalisation, number)?)),
        };
        let config = UeConfig { apn: Some(personalisation.apn.clone()), ..UeConfig::new(number) };
        let ue = Ue::new(config, card.clone(), self.rng.branch(Actor::Ue(number)));
        let rng = self.rng.branch(Actor::Device(number));
        let tools = Tools {
            number,
            card: card.clone(),
            provider: tls::provider(rng.branch("tls"), &self.tally),
            clock: self.clock.clone(),
            key_log: self.key_log.clone(),
            identity: Identity::default(),
        };
        Ok(Device::new(number, ue, card, Procedure::new(self.steps.clone(), tools), rng))
    }

    fn virtual_card(&self, card: &Personalisation, number: u32) -> Result<Uicc, CardError> {
        let tally = self.tally.clone();
        let uicc = virtual_card(card, number, &self.rng, &self.trust_anchor)?;
        Ok(uicc.with_tally(Arc::new(move |op| tally.count(counted(op)))))
    }
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
