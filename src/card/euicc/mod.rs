//! The eUICC on the platform of the card: ISD-R and ECASD, the functions of ES10a, ES10b and ES10c, and several
//! profiles of which one at most is enabled (GSMA SGP.22 v2.5; SGP.32 v1.2 for devices without a user).
//!
//! Nothing is stored before its certificate chain, signature, challenge and MAC are verified. What a function
//! refuses has the code of the standard, and an [`EuiccEvent`] that says why.

mod applications;
mod config;
mod eim;
mod es10;
mod events;
mod information;
mod iot;
mod load;
mod management;
mod memory;
mod notifications;
mod package;
mod policy;
mod session;
mod slots;
mod state;

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;

pub use config::{Delivered, EuiccConfig, EuiccIdentity, RatRule};
pub use events::{EuiccEvent, OnEuiccEvent};
pub use package::{Installable, try_package};

use super::{CardError, CardOp, OnOp, Uicc};
use crate::crypto::rsp_cert::TrustAnchor;
use crate::crypto::{Op, Tally};
use crate::kernel::RngTree;
use crate::wire::rsp::EidBytes;
use applications::Chain;
use load::Loading;
use memory::Memory;
use session::Session;

pub(super) use applications::{ECASD_AID, ISD_R_AID};
use slots::Aid;
pub use slots::InstalledInfo;

/// Streams of random numbers, below the card's own branch.
const CHALLENGES: &str = "euicc/challenge";
const ONE_TIME_KEYS: &str = "euicc/one-time-key";

/// The eUICC of a card.
pub(super) struct Euicc {
    config: EuiccConfig,
    eid: EidBytes,
    rng: RngTree,
    challenges: ChaCha20Rng,
    one_time_keys: ChaCha20Rng,
    /// The CIs with the revocation lists that were loaded.
    anchors: Vec<TrustAnchor>,
    memory: Memory,
    /// The personalised profiles that the card was delivered with, to make them again.
    delivered: Vec<Delivered>,
    /// Counts the changes of what outlives the power.
    changes: u64,
    /// Commands under way, by channel.
    chains: BTreeMap<usize, Chain>,
    /// The challenge that a server has to answer.
    challenge: Option<[u8; 16]>,
    session: Option<Session>,
    loading: Option<Loading>,
    /// The profile that was installed in this session, with OID and address of its SM-DP+.
    just_installed: Option<(Aid, Vec<u8>, String)>,
    on_event: Option<OnEuiccEvent>,
    last_reason: Option<EuiccEvent>,
    tally: Tally,
    /// What of the tally was told.
    told: [u64; OPERATIONS.len()],
}

/// The operations of this eUICC, as the card counts them.
const OPERATIONS: [(Op, CardOp); 8] = [
    (Op::P256Verify, CardOp::Verify),
    (Op::P256Sign, CardOp::Sign),
    (Op::P256KeyGen, CardOp::KeyGen),
    (Op::P256Agree, CardOp::Agree),
    (Op::BrainpoolVerify, CardOp::Verify),
    (Op::BrainpoolSign, CardOp::Sign),
    (Op::BrainpoolKeyGen, CardOp::KeyGen),
    (Op::BrainpoolAgree, CardOp::Agree),
];

impl Euicc {
    /// An eUICC without profiles. `rng` is this card's alone.
    fn new(mut config: EuiccConfig, rng: RngTree) -> Result<Self, CardError> {
        config.check()?;
        let tally = Tally::new();
        config.key = config.key.counted(&tally);
        let eid = config.eid_bytes();
        let mut euicc = Self {
            memory: Memory::new(&config),
            delivered: Vec::new(),
            anchors: config.anchors.clone(),
            eid,
            challenges: rng.stream(CHALLENGES),
            one_time_keys: rng.stream(ONE_TIME_KEYS),
            rng,
            config,
            changes: 0,
            chains: BTreeMap::new(),
            challenge: None,
            session: None,
            loading: None,
            just_installed: None,
            on_event: None,
            last_reason: None,
            tally,
            told: [0; OPERATIONS.len()],
        };
        // Making the key was the maker's work.
        euicc.told = OPERATIONS.map(|(op, _)| euicc.tally.of(op));
        Ok(euicc)
    }

    /// Counts the changes of what outlives the power.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    fn changed(&mut self) {
        self.changes += 1;
    }

    /// Tells of the public key operations since the last time.
    fn report_operations(&mut self, on_op: Option<&OnOp>) {
        for ((op, card_op), told) in OPERATIONS.iter().zip(&mut self.told) {
            let now = self.tally.of(*op);
            if let Some(on_op) = on_op {
                (*told..now).for_each(|_| on_op(*card_op));
            }
            *told = now;
        }
    }

    /// Ends the command that is under way on `channel`.
    pub(super) fn end_chain(&mut self, channel: usize) {
        self.chains.remove(&channel);
    }

    /// What happens when power comes back: what was under way is over, and a change of profile that waited for
    /// this is done.
    fn power_up(&mut self, card: &mut Uicc) {
        self.chains.clear();
        self.challenge = None;
        self.session = None;
        self.loading = None;
        self.just_installed = None;
        self.record_interruption("the power went away");
        self.finish_switch(card);
    }
}

/// The eUICC's part of the card.
impl Uicc {
    /// A card that is an eUICC with the profiles it is delivered with, none of them enabled. Its random numbers
    /// come from `rng`, which is this card's alone.
    ///
    /// # Errors
    /// [`CardError::Euicc`] where key, certificates or a profile are not in order.
    pub fn with_euicc(
        config: EuiccConfig,
        rng: RngTree,
        delivered: Vec<Delivered>,
    ) -> Result<Self, CardError> {
        let origin = rng.origin();
        let mut euicc = Euicc::new(config, rng)?;
        for profile in delivered {
            euicc.deliver(profile)?;
        }
        let mut card = Self::without_profile(origin);
        card.euicc = Some(Box::new(euicc));
        Ok(card)
    }

    /// Enables the profile number `index` of those that the card was delivered with, before anybody uses the card.
    pub fn with_enabled(mut self, index: usize) -> Self {
        self.with_its_euicc(|euicc, card| {
            if let Some(aid) = euicc.memory.slots.get(index).map(|slot| slot.aid) {
                euicc.deliver_enabled(card, aid);
            }
        });
        self.kept.set(self.generation());
        self
    }

    /// Tells `on_event` what the eUICC does and why it refuses.
    pub fn set_euicc_listener(&mut self, on_event: OnEuiccEvent) {
        if let Some(euicc) = &mut self.euicc {
            euicc.on_event = Some(on_event);
        }
    }

    /// Leaves what SGP.32 adds out of EUICCInfo2: programs that know SGP.22 alone lose it from what the eUICC has
    /// signed when they encode that again.
    pub fn leave_out_iot_info(&mut self) {
        if let Some(euicc) = &mut self.euicc {
            euicc.config.iot_info = false;
        }
    }

    /// Why the eUICC last refused a function.
    pub fn last_reason(&self) -> Option<&EuiccEvent> {
        self.euicc.as_ref()?.last_reason.as_ref()
    }

    /// The profiles on the eUICC, in the order in which they came.
    pub fn installed_profiles(&self) -> Vec<InstalledInfo> {
        self.euicc.as_ref().map(|euicc| euicc.installed()).unwrap_or_default()
    }

    /// The ICCIDs of profiles of a [restored](Self::restore) state that this program cannot use, each with the reason.
    /// They are kept, disabled, and can be deleted; everything else of the state is as it was.
    pub fn unusable_profiles(&self) -> Vec<(String, CardError)> {
        self.euicc.as_ref().map(|euicc| euicc.unusable()).unwrap_or_default()
    }

    /// Does something with the eUICC that needs the card, too.
    pub(super) fn with_its_euicc<T>(&mut self, act: impl FnOnce(&mut Euicc, &mut Self) -> T) -> Option<T> {
        let mut euicc = self.euicc.take()?;
        let result = act(&mut euicc, self);
        let on_op = self.on_op.clone();
        euicc.report_operations(on_op.as_ref());
        self.euicc = Some(euicc);
        Some(result)
    }

    /// The eUICC's share of a reset.
    pub(super) fn power_up_euicc(&mut self) {
        self.with_its_euicc(Euicc::power_up);
    }

    /// The eUICC's share of TERMINAL RESPONSE: REFRESH is done, and what it announced happens.
    pub(super) fn refreshed(&mut self) {
        if self.toolkit.take_refreshed() {
            self.with_its_euicc(Euicc::finish_switch);
        }
    }
}
